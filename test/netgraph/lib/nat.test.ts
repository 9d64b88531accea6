// Network address translation: what goes out and comes back is what was sent, with right checksums, whatever the order; then each rule
// of RFC 4787, 5382 and 5508 by an example, and FreeBSD's modes and redirects.
import assert from 'node:assert/strict';
import { beforeEach, describe, test } from 'node:test';
import fc from 'fast-check';
import { CHECK_OK, ip4HeaderOk, set4, setIp4Checksum, verify4 } from '../../../src/netgraph/lib/checksum.ts';
import { fragmentCount, writeFragment } from '../../../src/netgraph/lib/fragment.ts';
import { writeError4 } from '../../../src/netgraph/lib/icmp.ts';
import { read16, read32, write16, write32 } from '../../../src/netgraph/lib/ip.ts';
import {
  Nat,
  NAT_DENY_INCOMING,
  NAT_FRAGMENT,
  NAT_FULL,
  NAT_HAIRPIN,
  NAT_MALFORMED,
  NAT_NO_MAPPING,
  NAT_NO_PORT,
  NAT_PASSED,
  NAT_PROXY_ONLY,
  NAT_RESET_ON_ADDR_CHANGE,
  NAT_REVERSE,
  NAT_SAME_PORTS,
  NAT_TIMEOUTS,
  NAT_TRANSLATED,
  NAT_UNREGISTERED_CGN,
  NAT_UNREGISTERED_ONLY,
  NAT_UNSUPPORTED,
  type NatOptions,
  type NatRedirect,
} from '../../../src/netgraph/lib/nat.ts';
import { icmp, ip4, tcp, udp } from './packets.ts';

const INNER = 0x0a000001;
const OTHER = 0x0a000002;
const OUTER = 0xc0000201;
const REMOTE = 0xc6336407;
const STRANGER = 0xc6336463;
const ICMP = 1;
const TCP = 6;
const UDP = 17;
const SYN = 0x02;
const ACK = 0x10;

const source = (bytes: Uint8Array): number => read32(bytes, 12);
const destination = (bytes: Uint8Array): number => read32(bytes, 16);

function right(bytes: Uint8Array): void {
  assert.ok(ip4HeaderOk(bytes, 0, (bytes[0]! & 15) * 4), 'header checksum');
  assert.equal(verify4(bytes, 0, bytes.length), CHECK_OK, 'checksum of the upper layer');
}

/** The answer to a packet: source and destination changed about, an echo request a reply. */
function answer(bytes: Uint8Array): Uint8Array {
  const back = bytes.slice();
  write32(back, 12, destination(bytes));
  write32(back, 16, source(bytes));
  const upper = (bytes[0]! & 15) * 4;
  if (bytes[9] === ICMP) back[upper] = bytes[upper] === 8 ? 0 : bytes[upper]!;
  else {
    write16(back, upper, read16(bytes, upper + 2));
    write16(back, upper + 2, read16(bytes, upper));
  }
  setIp4Checksum(back, 0, upper);
  set4(back, 0, back.length);
  return back;
}

function packet(protocol: number, from: number, port: number, to: number, toPort: number, flags = ACK): Uint8Array {
  const payload =
    protocol === TCP
      ? tcp(port, toPort, flags)
      : protocol === UDP
        ? udp(port, toPort, [1, 2, 3])
        : icmp(8, 0, port << 16, [5]);
  return ip4(payload, { source: from, destination: to, protocol });
}

describe('nat', () => {
  let now = 0;
  let nat: Nat;
  const make = (options: Partial<NatOptions> = {}): Nat => {
    now = 1000;
    return new Nat({ addresses: [OUTER], sessions: 1000, random: () => 0.5, ...options }, now);
  };
  const out = (bytes: Uint8Array): number => nat.outbound(bytes, 0, bytes.length, now);
  const back = (bytes: Uint8Array): number => nat.inbound(bytes, 0, bytes.length, now);
  const after = (seconds: number): number => {
    now += seconds * 1000;
    return nat.expire(now);
  };
  beforeEach(() => {
    nat = make();
  });

  test('what goes out and comes back is what was sent', () => {
    const flow = fc.record({
      protocol: fc.constantFrom(TCP, UDP, ICMP),
      from: fc.constantFrom(INNER, OTHER, 0xac100001, 0x0a000003),
      port: fc.oneof(fc.constantFrom(1, 80, 1023, 1024, 65535), fc.nat(65535)),
      to: fc.constantFrom(REMOTE, STRANGER, 0x08080808),
      toPort: fc.constantFrom(53, 80, 443),
    });
    fc.assert(
      fc.property(
        fc.array(flow, { minLength: 1, maxLength: 60 }),
        fc.boolean(),
        fc.integer({ min: 1, max: 3 }),
        (flows, same, count) => {
          const addresses = [OUTER, OUTER + 1, OUTER + 2].slice(0, count);
          nat = make({ addresses, flags: same ? NAT_SAME_PORTS : 0, strict: true, random: Math.random });
          const outside = new Map<string, string>();
          const inside = new Map<string, string>();
          const pool = new Map<number, number>();
          const sent = flows.map(({ protocol, from, port, to, toPort }) => {
            const original = packet(protocol, from, port, to, toPort);
            const bytes = new Uint8Array(original.length + 5);
            bytes.set(original, 3);
            assert.equal(nat.outbound(bytes, 3, original.length, now), NAT_TRANSLATED);
            const translated = bytes.slice(3, 3 + original.length);
            right(translated);
            assert.equal(destination(translated), to);
            const outerPort = read16(translated, protocol === ICMP ? 24 : 20);
            // One inner address and port: one outer, whoever it talks to; and no two the same.
            const inner = `${protocol} ${from} ${port}`;
            const outer = `${protocol} ${source(translated)} ${outerPort}`;
            assert.equal(outside.get(inner) ?? outer, outer);
            assert.equal(inside.get(outer) ?? inner, inner);
            outside.set(inner, outer);
            inside.set(outer, inner);
            assert.ok(addresses.includes(source(translated)));
            assert.equal(pool.get(from) ?? source(translated), source(translated), 'a host keeps to one address');
            pool.set(from, source(translated));
            if (protocol !== ICMP && port !== 0) assert.equal(outerPort < 1024, port < 1024, 'range');
            return { original, translated };
          });
          for (const { original, translated } of sent.reverse()) {
            const reply = answer(translated);
            assert.equal(back(reply), NAT_TRANSLATED);
            assert.deepEqual(reply, answer(original));
          }
        },
      ),
    );
  });

  test('ports: the same where it is free, else of its parity; all taken is told', () => {
    const first = packet(UDP, INNER, 5001, REMOTE, 53);
    out(first);
    assert.equal(read16(first, 20), 5001);
    const second = packet(UDP, OTHER, 5001, REMOTE, 53);
    out(second);
    assert.notEqual(read16(second, 20), 5001);
    assert.equal(read16(second, 20) & 1, 1);
    nat = make({ flags: NAT_SAME_PORTS, sessions: 3000 });
    for (let i = 0; i < 1023; i++) assert.equal(out(packet(UDP, 0x0a010000 + i, 500, REMOTE, 53)), NAT_TRANSLATED);
    assert.equal(out(packet(UDP, INNER, 500, REMOTE, 53)), NAT_NO_PORT);
    assert.equal(out(packet(TCP, INNER, 500, REMOTE, 53)), NAT_TRANSLATED);
    assert.equal(nat.stats().mappings, 1024);
    after(NAT_TIMEOUTS.udp + 1);
    assert.equal(out(packet(UDP, INNER, 500, REMOTE, 53)), NAT_TRANSLATED, 'ports come back');
  });

  test('UDP without a checksum stays without', () => {
    const bytes = packet(UDP, INNER, 5000, REMOTE, 53);
    write16(bytes, 26, 0);
    assert.equal(out(bytes), NAT_TRANSLATED);
    assert.equal(read16(bytes, 26), 0);
  });

  test('a broken checksum stays broken', () => {
    const bytes = packet(TCP, INNER, 5000, REMOTE, 53);
    bytes[36]! ^= 1;
    assert.equal(out(bytes), NAT_TRANSLATED);
    assert.notEqual(verify4(bytes, 0, bytes.length), CHECK_OK);
  });

  test('sessions end in their time, and everything comes back', () => {
    const cases: [number, number][] = [
      [UDP, NAT_TIMEOUTS.udp],
      [ICMP, NAT_TIMEOUTS.icmp],
      [TCP, NAT_TIMEOUTS.tcpTransitory],
    ];
    for (const [protocol, seconds] of cases) {
      nat = make();
      out(packet(protocol, INNER, 5000, REMOTE, 80, SYN));
      assert.equal(after(seconds - 1), 0);
      out(packet(protocol, INNER, 5000, REMOTE, 80, SYN)); // and a packet keeps it
      assert.equal(after(seconds - 1), 0);
      assert.deepEqual([nat.stats().sessions, nat.stats().mappings], [1, 1]);
      assert.equal(after(1), 1);
      assert.deepEqual([nat.stats().sessions, nat.stats().mappings], [0, 0]);
    }
  });

  test('RFC 5382: an established connection lives two hours and four minutes, a closed one four minutes', () => {
    const connect = (): Uint8Array => {
      const syn = packet(TCP, INNER, 5000, REMOTE, 80, SYN);
      assert.equal(out(syn), NAT_TRANSLATED);
      const reply = answer(syn);
      reply[33] = SYN | ACK;
      assert.equal(back(reply), NAT_TRANSLATED);
      return syn;
    };
    connect();
    assert.equal(after(NAT_TIMEOUTS.tcpTransitory), 1, 'half open');
    nat = make();
    const opened = connect();
    out(packet(TCP, INNER, 5000, REMOTE, 80, ACK));
    assert.equal(after(7439), 0);
    assert.equal(after(1), 1);
    for (const close of ['reset', 'fin']) {
      nat = make();
      connect();
      out(packet(TCP, INNER, 5000, REMOTE, 80, ACK));
      const theirs = answer(opened);
      theirs[33] = close === 'reset' ? 0x04 : 0x11;
      if (close === 'fin') out(packet(TCP, INNER, 5000, REMOTE, 80, 0x11));
      assert.equal(back(theirs), NAT_TRANSLATED);
      out(packet(TCP, INNER, 5000, REMOTE, 80, ACK)); // the last word does not open it again
      after(NAT_TIMEOUTS.tcpTransitory - 1);
      assert.equal(nat.stats().sessions, 1);
      after(512); // the wheel looks again within its turn
      assert.equal(nat.stats().sessions, 0);
    }
  });

  test('endpoint-independent filtering lets a stranger answer, strict does not; nobody comes where nobody asked', () => {
    const bytes = packet(UDP, INNER, 5000, REMOTE, 53);
    out(bytes);
    const port = read16(bytes, 20);
    const stranger = packet(UDP, STRANGER, 9, OUTER, port);
    assert.equal(back(stranger), NAT_TRANSLATED);
    assert.equal(destination(stranger), INNER);
    nat = make({ strict: true });
    out(packet(UDP, INNER, 5000, REMOTE, 53));
    assert.equal(back(packet(UDP, STRANGER, 9, OUTER, port)), NAT_NO_MAPPING);
    const unasked = packet(UDP, STRANGER, 9, OUTER, 7777);
    const copy = unasked.slice();
    assert.equal(back(unasked), NAT_PASSED);
    assert.deepEqual(unasked, copy);
    nat.flags |= NAT_DENY_INCOMING;
    assert.equal(back(unasked), NAT_NO_MAPPING);
  });

  test('hairpinning: two inner hosts by their outer addresses, fragments too', () => {
    const server = packet(UDP, OTHER, 7000, REMOTE, 53);
    out(server);
    const bytes = packet(UDP, INNER, 5000, OUTER, 7000);
    assert.equal(out(bytes), NAT_HAIRPIN);
    right(bytes);
    assert.deepEqual([source(bytes), read16(bytes, 20)], [OUTER, 5000]);
    assert.deepEqual([destination(bytes), read16(bytes, 22)], [OTHER, 7000]);
    const reply = answer(bytes);
    assert.equal(out(reply), NAT_HAIRPIN);
    right(reply);
    assert.deepEqual([source(reply), destination(reply)], [OUTER, INNER]);
    const long = ip4(udp(5000, 7000, new Uint8Array(1000)), { source: INNER, destination: OUTER, id: 9 });
    for (let i = 0; i < fragmentCount(long, 0, long.length, 576); i++) {
      const piece = new Uint8Array(576);
      const size = writeFragment(piece, 0, long, 0, i, 576);
      assert.equal(nat.outbound(piece, 0, size, now), NAT_HAIRPIN);
      assert.deepEqual([source(piece), destination(piece)], [OUTER, OTHER]);
      assert.ok(ip4HeaderOk(piece, 0, 20));
    }
  });

  test('fragments go the way of their first one, and not before it', () => {
    const long = ip4(udp(5000, 53, new Uint8Array(2000).fill(3)), { source: INNER, id: 77 });
    const pieces = Array.from({ length: fragmentCount(long, 0, long.length, 576) }, (_, i) => {
      const piece = new Uint8Array(576);
      return piece.slice(0, writeFragment(piece, 0, long, 0, i, 576));
    });
    assert.equal(out(pieces[1]!.slice()), NAT_FRAGMENT);
    for (const piece of pieces) {
      assert.equal(out(piece), NAT_TRANSLATED);
      assert.ok(ip4HeaderOk(piece, 0, 20));
      assert.equal(source(piece), OUTER);
    }
    const whole = long.slice();
    whole.set(
      pieces.flatMap(piece => [...piece.subarray(20)]),
      20,
    );
    write32(whole, 12, OUTER);
    setIp4Checksum(whole, 0, 20);
    right(whole);
    now += 61_000;
    assert.equal(out(ip4(new Uint8Array(16), { source: INNER, id: 77, fragment: 5 })), NAT_FRAGMENT);
  });

  test('RFC 5508: an error about what went out comes in with the inner address in its quotation, and the other way', () => {
    for (const protocol of [UDP, TCP, ICMP]) {
      nat = make({ flags: 0 });
      const original = packet(protocol, INNER, 5000, REMOTE, 53);
      const translated = original.slice();
      out(translated);
      const error = new Uint8Array(576);
      const size = writeError4(error, 0, 3, 1, 0, STRANGER, translated, 0, translated.length);
      assert.equal(nat.inbound(error, 0, size, now), NAT_TRANSLATED);
      right(error.slice(0, size));
      assert.equal(destination(error), INNER);
      assert.deepEqual(error.slice(28, size), original);

      // An inner host says that it cannot take the answer.
      const reply = answer(translated);
      const seen = reply.slice();
      back(seen);
      const refused = new Uint8Array(576);
      const length = writeError4(refused, 0, 3, 3, 0, INNER, seen, 0, seen.length);
      assert.equal(nat.outbound(refused, 0, length, now), NAT_TRANSLATED);
      right(refused.slice(0, length));
      assert.equal(source(refused), OUTER);
      assert.deepEqual(refused.slice(28, length), reply);

      // About what nobody sent, or broken: refused, or not ours.
      const spoilt = new Uint8Array(576);
      const spoiltSize = writeError4(spoilt, 0, 3, 1, 0, STRANGER, translated, 0, translated.length);
      spoilt[40]! ^= 1;
      assert.equal(nat.inbound(spoilt, 0, spoiltSize, now), NAT_MALFORMED);
      const foreign = new Uint8Array(576);
      const never = packet(protocol, OUTER, read16(translated, protocol === ICMP ? 24 : 20), STRANGER, 1);
      assert.equal(
        nat.inbound(foreign, 0, writeError4(foreign, 0, 3, 1, 0, STRANGER, never, 0, never.length), now),
        NAT_NO_MAPPING,
      );
    }
  });

  test('too many sessions, and packets that cannot be translated, are told; nothing is lost', () => {
    nat = make({ sessions: 2 });
    assert.equal(out(packet(UDP, INNER, 1, REMOTE, 53)), NAT_TRANSLATED);
    assert.equal(out(packet(UDP, INNER, 1, STRANGER, 53)), NAT_TRANSLATED);
    assert.equal(out(packet(UDP, OTHER, 1, REMOTE, 53)), NAT_FULL);
    assert.deepEqual([nat.stats().sessions, nat.stats().mappings], [2, 1]);
    const whole = packet(TCP, INNER, 1, REMOTE, 53);
    for (let length = 0; length < whole.length; length++)
      assert.equal(nat.outbound(whole, 0, length, now), NAT_MALFORMED);
    assert.equal(out(ip4(new Uint8Array(30), { source: INNER, protocol: 136 })), NAT_UNSUPPORTED);
    assert.equal(out(ip4(icmp(5, 0, 0, new Uint8Array(28)), { source: INNER, protocol: ICMP })), NAT_UNSUPPORTED);
  });

  test('other protocols go by address, one host each', () => {
    const gre = ip4([0, 0, 8, 0], { source: INNER, protocol: 47 });
    assert.equal(out(gre), NAT_TRANSLATED);
    assert.equal(source(gre), OUTER);
    assert.equal(out(ip4([0, 0, 8, 0], { source: OTHER, protocol: 47 })), NAT_NO_PORT);
    const reply = ip4([0, 0, 8, 0], { source: REMOTE, destination: OUTER, protocol: 47 });
    assert.equal(back(reply), NAT_TRANSLATED);
    assert.equal(destination(reply), INNER);
    assert.ok(ip4HeaderOk(reply, 0, 20));
  });

  describe('redirects', () => {
    const web: NatRedirect = {
      protocol: TCP,
      localAddress: INNER,
      localPort: 8080,
      aliasAddress: 0,
      aliasPort: 80,
      remoteAddress: 0,
      remotePort: 0,
      servers: [],
      description: 'web',
    };

    test('a port comes in, its answers go out, and it stays without sessions', () => {
      nat = make({ strict: true, flags: NAT_DENY_INCOMING });
      const id = nat.redirect(web);
      for (let round = 0; round < 2; round++) {
        const original = packet(TCP, STRANGER, 999, OUTER, 80, SYN);
        const bytes = original.slice();
        assert.equal(back(bytes), NAT_TRANSLATED);
        right(bytes);
        assert.deepEqual([destination(bytes), read16(bytes, 22)], [INNER, 8080]);
        const reply = answer(bytes);
        assert.equal(out(reply), NAT_TRANSLATED);
        assert.deepEqual(reply, answer(original));
        after(10_000);
        assert.equal(nat.stats().sessions, 0);
      }
      assert.equal(nat.redirects().get(id)!.aliasAddress, OUTER);
      assert.ok(nat.deleteRedirect(id));
      assert.ok(!nat.deleteRedirect(id));
      assert.deepEqual([nat.stats().sessions, nat.stats().mappings], [0, 0]);
      assert.equal(back(packet(TCP, STRANGER, 999, OUTER, 80, SYN)), NAT_NO_MAPPING);
      nat.redirect(web);
    });

    /** Who gets what this remote end sends to the redirected port. */
    const whom = (remote: number, port: number, flags = SYN): string => {
      const original = packet(TCP, remote, port, OUTER, 80, flags);
      const bytes = original.slice();
      if (back(bytes) !== NAT_TRANSLATED) return 'nobody';
      right(bytes);
      const reply = answer(bytes);
      assert.equal(out(reply), NAT_TRANSLATED);
      assert.deepEqual(reply, answer(original), 'its answers come from where they were asked');
      return `${(destination(bytes) & 255).toString()}:${read16(bytes, 22)}`;
    };

    test('of those that overlap the newest that lets the remote end in has it; a deleted one keeps its connections', () => {
      nat.redirect(web);
      const own = nat.redirect({ ...web, localAddress: OTHER, remoteAddress: REMOTE });
      assert.equal(whom(STRANGER, 999), '1:8080');
      assert.equal(whom(REMOTE, 999), '2:8080');
      nat.deleteRedirect(own);
      assert.equal(whom(REMOTE, 1000), '1:8080');
      assert.equal(whom(REMOTE, 999), '2:8080', 'still');
      nat.redirect({ ...web, localAddress: OTHER, localPort: 81 });
      assert.equal(whom(STRANGER, 1001), '2:81');
      assert.equal(whom(STRANGER, 999), '1:8080', 'still');
      for (const id of [1, 3]) nat.deleteRedirect(id);
      assert.equal(whom(STRANGER, 1002), 'nobody');
      assert.equal(whom(STRANGER, 1001), '2:81', 'still');
      after(600);
      assert.deepEqual([nat.stats().sessions, nat.stats().mappings], [0, 0]);
    });

    test('one that takes the port of a session leaves that to its end', () => {
      assert.equal(out(packet(TCP, OTHER, 80, REMOTE, 53, SYN)), NAT_TRANSLATED);
      nat.redirect(web);
      assert.equal(whom(REMOTE, 53), '2:80');
      assert.equal(whom(STRANGER, 53), '1:8080');
    });

    test('RFC 2391: servers take turns, a connection stays with its own', () => {
      const id = nat.redirect(web);
      const servers = [
        { address: OTHER, port: 1 },
        { address: OTHER + 1, port: 2 },
      ];
      assert.ok(nat.setServers(id, servers));
      assert.deepEqual(
        [1, 2, 3].map(port => whom(STRANGER, port)),
        ['2:1', '3:2', '2:1'],
      );
      assert.deepEqual(
        [3, 2, 1].map(port => whom(STRANGER, port, ACK)),
        ['2:1', '3:2', '2:1'],
      );
      nat.setServers(id, [...servers, { address: OTHER + 2, port: 3 }]);
      assert.deepEqual(
        [4, 5, 6, 2].map(port => whom(STRANGER, port)),
        ['3:2', '4:3', '2:1', '3:2'],
      );
      const error = new Uint8Array(576);
      const seen = packet(TCP, STRANGER, 2, OTHER + 1, 2);
      const length = writeError4(error, 0, 3, 3, 0, OTHER + 1, seen, 0, seen.length);
      assert.equal(nat.outbound(error, 0, length, now), NAT_TRANSLATED);
      assert.equal(source(error), OUTER);
      assert.deepEqual(error.slice(28, length), packet(TCP, STRANGER, 2, OUTER, 80));
      assert.ok(!nat.setServers(99, []));
    });

    test('servers behind a whole address, which what they ask for themselves comes from', () => {
      const alias = OUTER + 9;
      const id = nat.redirect({ ...web, protocol: 0, aliasAddress: alias });
      nat.setServers(id, [
        { address: INNER, port: 0 },
        { address: OTHER, port: 0 },
      ]);
      const chosen = [1, 2, 3].map(port => {
        const bytes = packet(UDP, STRANGER, port, alias, 53);
        assert.equal(back(bytes), NAT_TRANSLATED);
        const reply = answer(bytes);
        assert.equal(out(reply), NAT_TRANSLATED);
        assert.deepEqual([source(reply), read16(reply, 20)], [alias, 53]);
        return destination(bytes);
      });
      assert.deepEqual(chosen, [INNER, OTHER, INNER]);
      const asks = [INNER, OTHER].map(host => {
        const bytes = packet(UDP, host, 5000, REMOTE, 123);
        assert.equal(out(bytes), NAT_TRANSLATED);
        assert.equal(source(bytes), alias);
        return read16(bytes, 20);
      });
      assert.equal(new Set(asks).size, 2);
    });

    test('let go, it serves one more connection', () => {
      const id = nat.redirect({ ...web, remoteAddress: REMOTE, remotePort: 7 });
      assert.ok(nat.letGoRedirect(id, now));
      assert.ok(!nat.letGoRedirect(id, now));
      assert.equal(whom(REMOTE, 8), 'nobody');
      assert.equal(whom(REMOTE, 7), '1:8080');
      after(600);
      assert.equal(whom(REMOTE, 7), 'nobody');
      assert.equal(nat.stats().mappings, 0);
    });

    test('to the address of the NAT itself, which its host has', () => {
      nat.redirect({ ...web, localAddress: 0 });
      const bytes = packet(TCP, REMOTE, 7, OUTER, 80, SYN);
      assert.equal(back(bytes), NAT_TRANSLATED);
      assert.deepEqual([destination(bytes), read16(bytes, 22)], [OUTER, 8080]);
    });

    test('a whole address, both ways, with its ports', () => {
      const alias = OUTER + 9;
      const id = nat.redirect({ ...web, protocol: 0, aliasAddress: alias });
      const bytes = packet(UDP, INNER, 5000, REMOTE, 53);
      assert.equal(out(bytes), NAT_TRANSLATED);
      assert.deepEqual([source(bytes), read16(bytes, 20)], [alias, 5000]);
      for (const protocol of [UDP, TCP, ICMP]) {
        const unasked = packet(protocol, STRANGER, 7, alias, 7, SYN);
        assert.equal(back(unasked), NAT_TRANSLATED);
        right(unasked);
        assert.equal(destination(unasked), INNER);
      }
      nat.deleteRedirect(id);
      assert.equal(back(packet(UDP, STRANGER, 8, alias, 7)), NAT_PASSED);
      assert.equal(back(packet(UDP, STRANGER, 7, alias, 7)), NAT_TRANSLATED, 'a connection goes on');
      const later = packet(UDP, INNER, 5000, STRANGER, 53);
      out(later);
      assert.equal(source(later), OUTER);
    });

    test('a protocol', () => {
      nat.redirect({ ...web, protocol: 47, aliasPort: 0, localPort: 0 });
      const bytes = ip4([0, 0, 8, 0], { source: STRANGER, destination: OUTER, protocol: 47 });
      assert.equal(back(bytes), NAT_TRANSLATED);
      assert.equal(destination(bytes), INNER);
    });

    test('what makes no sense is refused', () => {
      assert.throws(() => nat.redirect({ ...web, aliasPort: 0 }), /port of 0/);
      assert.throws(() => nat.redirect({ ...web, protocol: ICMP }), /ICMP/);
      nat = make({ addresses: [] });
      assert.throws(() => nat.redirect(web), /no address/);
    });

    test('one without an alias address goes with the address of the NAT', () => {
      nat.redirect(web);
      out(packet(UDP, INNER, 5000, REMOTE, 53));
      nat.setAddresses([OUTER + 1]);
      assert.equal(nat.stats().sessions, 0, 'reset on change of address');
      assert.equal(back(packet(TCP, STRANGER, 999, OUTER + 1, 80, SYN)), NAT_TRANSLATED);
      assert.equal(back(packet(TCP, STRANGER, 999, OUTER, 80, SYN)), NAT_PASSED);
    });
  });

  describe('proxy rules', () => {
    const PROXY = 0xc6336480;
    const rule = {
      protocol: UDP,
      port: 53,
      source: 0x0a000000,
      sourceMask: 0xff000000,
      destination: 0,
      destinationMask: 0,
      server: PROXY,
      serverPort: 5353,
    };
    beforeEach(() => {
      nat.proxyRules = [rule];
    });

    test('the server answers, and who asked sees the answer of whom it asked', () => {
      const asked = [REMOTE, STRANGER].map(to => packet(UDP, INNER, 5000, to, 53));
      const sent = asked.map(original => {
        const bytes = original.slice();
        assert.equal(out(bytes), NAT_TRANSLATED);
        right(bytes);
        assert.deepEqual([source(bytes), destination(bytes), read16(bytes, 22)], [OUTER, PROXY, 5353]);
        return bytes;
      });
      assert.notEqual(read16(sent[0]!, 20), read16(sent[1]!, 20), 'two that one port asks for are told apart');
      for (const [i, bytes] of sent.entries()) {
        const reply = answer(bytes);
        assert.equal(back(reply), NAT_TRANSLATED);
        assert.deepEqual(reply, answer(asked[i]!));
      }
      // An error of the server itself comes from whom was asked; its quotation is what was sent.
      const error = new Uint8Array(576);
      const size = writeError4(error, 0, 3, 3, 0, PROXY, sent[1]!, 0, sent[1]!.length);
      assert.equal(nat.inbound(error, 0, size, now), NAT_TRANSLATED);
      right(error.slice(0, size));
      assert.deepEqual([source(error), destination(error)], [STRANGER, INNER]);
      assert.deepEqual(error.slice(28, size), asked[1]);
    });

    test('fragments go the same way, there and back', () => {
      const pieces = (long: Uint8Array): Uint8Array[] =>
        Array.from({ length: fragmentCount(long, 0, long.length, 576) }, (_, i) => {
          const piece = new Uint8Array(576);
          return piece.slice(0, writeFragment(piece, 0, long, 0, i, 576));
        });
      const about = { source: INNER, destination: REMOTE, id: 77 };
      for (const piece of pieces(ip4(udp(5000, 53, new Uint8Array(1000)), about))) {
        assert.equal(out(piece), NAT_TRANSLATED);
        assert.deepEqual([source(piece), destination(piece)], [OUTER, PROXY]);
        assert.ok(ip4HeaderOk(piece, 0, 20));
      }
      for (const piece of pieces(ip4(udp(5353, 5000, new Uint8Array(1000)), { source: PROXY, destination: OUTER }))) {
        assert.equal(back(piece), NAT_TRANSLATED);
        assert.deepEqual([source(piece), destination(piece)], [REMOTE, INNER]);
      }
    });

    test('only what a rule names; the proxy asks for itself; proxy only leaves the rest alone', () => {
      const to = (bytes: Uint8Array): number => {
        assert.equal(out(bytes), NAT_TRANSLATED);
        return destination(bytes);
      };
      assert.equal(to(packet(UDP, INNER, 5000, REMOTE, 54)), REMOTE);
      assert.equal(to(packet(TCP, INNER, 5000, REMOTE, 53)), REMOTE);
      assert.equal(to(packet(UDP, 0xac100001, 5000, REMOTE, 53)), REMOTE);
      nat.proxyRules = [{ ...rule, server: INNER, serverPort: 0 }];
      assert.equal(to(packet(UDP, INNER, 5001, REMOTE, 53)), REMOTE);
      assert.equal(to(packet(UDP, OTHER, 5001, REMOTE, 53)), INNER);
      nat.proxyRules = [rule];
      nat.flags |= NAT_PROXY_ONLY;
      assert.equal(out(packet(UDP, INNER, 5000, REMOTE, 54)), NAT_PASSED);
      assert.equal(back(packet(UDP, REMOTE, 54, OUTER, 5000)), NAT_PASSED);
      assert.equal(out(ip4(icmp(5, 0, 0, new Uint8Array(28)), { source: INNER, protocol: ICMP })), NAT_PASSED);
      const asks = packet(UDP, INNER, 6000, REMOTE, 53);
      const reply = answer(asks);
      assert.equal(to(asks), PROXY);
      const came = answer(asks);
      assert.equal(back(came), NAT_TRANSLATED);
      assert.deepEqual(came, reply);
    });
  });

  test('modes: unregistered only, CGN, proxy only, reverse, target, no reset', () => {
    nat.flags = NAT_UNREGISTERED_ONLY;
    for (const [address, verdict] of [
      [0x0a000001, NAT_TRANSLATED],
      [0xac1fffff, NAT_TRANSLATED],
      [0xac200000, NAT_PASSED],
      [0xc0a80001, NAT_TRANSLATED],
      [0x64400001, NAT_PASSED],
    ] as const) {
      assert.equal(out(packet(UDP, address, 5000, REMOTE, 53)), verdict, address.toString(16));
    }
    nat.flags = NAT_UNREGISTERED_CGN;
    assert.equal(out(packet(UDP, 0x64400001, 5000, REMOTE, 53)), NAT_TRANSLATED);
    assert.equal(out(packet(UDP, 0x64800000, 5000, REMOTE, 53)), NAT_PASSED);
    nat.flags = NAT_PROXY_ONLY;
    assert.equal(out(packet(UDP, INNER, 6000, REMOTE, 53)), NAT_PASSED);
    nat = make({ flags: NAT_REVERSE });
    const reversed = packet(UDP, INNER, 5000, REMOTE, 53);
    assert.equal(back(reversed), NAT_TRANSLATED);
    assert.equal(out(answer(reversed)), NAT_TRANSLATED);
    nat = make({ flags: 0 });
    nat.target = OTHER;
    const unasked = packet(UDP, STRANGER, 9, OUTER, 7777);
    assert.equal(back(unasked), NAT_TRANSLATED);
    assert.equal(destination(unasked), OTHER);
    nat = make({ flags: NAT_SAME_PORTS });
    out(packet(UDP, INNER, 5000, REMOTE, 53));
    nat.setAddresses([OUTER + 1, OUTER]);
    const kept = packet(UDP, INNER, 5000, STRANGER, 53);
    out(kept);
    assert.equal(source(kept), OUTER);
    nat.flags |= NAT_RESET_ON_ADDR_CHANGE;
    nat.setAddresses([OUTER, OUTER + 1]);
    assert.equal(nat.stats().mappings, 0);
  });

  test('random churn leaves nothing behind', () => {
    let seed = 1;
    const random = (below: number): number => {
      seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0;
      return Math.floor((seed / 2 ** 32) * below);
    };
    nat = make({ sessions: 200, flags: 0, random: () => random(1000) / 1000 });
    const redirected = nat.redirect({ ...redirectOf(OTHER), aliasPort: 2222 });
    for (let i = 0; i < 20_000; i++) {
      const bytes = packet(
        [UDP, TCP, ICMP][random(3)]!,
        INNER + random(20),
        1024 + random(8),
        REMOTE + random(4),
        53,
        random(64),
      );
      if (out(bytes) === NAT_TRANSLATED && random(2) === 0) assert.equal(back(answer(bytes)), NAT_TRANSLATED);
      if (random(20) === 0) after(random(100));
      const { sessions, mappings } = nat.stats();
      assert.ok(sessions <= 200 && mappings <= sessions + 1);
    }
    for (let i = 0; i < 20; i++) after(600);
    assert.deepEqual([nat.stats().sessions, nat.stats().mappings], [0, 1]);
    nat.deleteRedirect(redirected);
    assert.equal(nat.stats().mappings, 0);
  });

  const redirectOf = (localAddress: number): NatRedirect => ({
    protocol: TCP,
    localAddress,
    localPort: 22,
    aliasAddress: 0,
    aliasPort: 22,
    remoteAddress: 0,
    remotePort: 0,
    servers: [],
    description: '',
  });
});
