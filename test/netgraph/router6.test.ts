// The router of router.test.ts for IPv6: nodes (ether, nd, ipfwd, fib6, ipfrag) between two namespaces, beside the Linux kernel. Tools of the system
// go through ours, and the same packets through both come out the same.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { parseAddress } from '../../src/net/index.ts';
import { type Graph, openGraph } from '../../src/netgraph/index.ts';
import { Lab, type Namespace } from '../lib/netns.ts';
import { until } from '../lib/wait.ts';
import { frame, Wire } from './lib/frames.ts';
import { icmp, type Ip6, ip6, udp } from './lib/ip.ts';
import { makeRouter } from './lib/node-router.ts';

/** left 2001:db8:1::2 ── ::1 router ::1 ── 2001:db8:2::2 right, the right link of MTU 1400. */
interface Site {
  readonly left: Namespace;
  readonly router: Namespace;
  readonly right: Namespace;
  readonly mac: number[];
}
const LEFT = '2001:db8:1::2';
const RIGHT = '2001:db8:2::2';
const NO_NEXT = 59;

describe('router of IPv6', () => {
  const lab = new Lab();
  let ours: Site;
  let kernel: Site;
  let graph: Graph;
  const trouble: string[] = [];

  async function site(name: string, forwards: boolean): Promise<Site> {
    const [left, router, right] = await Promise.all([
      lab.namespace(`${name}-left`),
      lab.namespace(`${name}-router`),
      lab.namespace(`${name}-right`),
    ]);
    for (const each of [left, router, right]) {
      const conf = ['accept_ra=0', 'accept_dad=0', 'router_solicitations=0'].map(
        setting => `net.ipv6.conf.default.${setting}`,
      );
      await each.run('sysctl', '-qw', ...conf, 'net.ipv6.auto_flowlabels=0');
    }
    if (!forwards) await router.run('sysctl', '-qw', 'net.ipv6.conf.default.disable_ipv6=1');
    await lab.link(router, 'eth0', left, 'eth0');
    await lab.link(router, 'eth1', right, 'eth0');
    await router.run('ip', 'link', 'set', 'eth1', 'mtu', '1400');
    await right.run('ip', 'link', 'set', 'eth0', 'mtu', '1400');
    for (const [each, address] of [
      [left, LEFT],
      [right, RIGHT],
    ] as const) {
      await each.run('ip', 'addr', 'add', `${address}/64`, 'dev', 'eth0', 'nodad');
      await each.run('ip', 'route', 'add', 'default', 'via', address.replace(/2$/, '1'));
      await each.run('ethtool', '-K', 'eth0', 'tx', 'off', 'tso', 'off', 'gso', 'off');
    }
    const [link] = await router.ipJson<{ address: string }[]>('link', 'show', 'eth0');
    return { left, router, right, mac: link!.address.split(':').map(byte => Number.parseInt(byte, 16)) };
  }

  before(async () => {
    [ours, kernel] = await Promise.all([site('ours', false), site('kernel', true)]);
    await kernel.router.run('ip', 'addr', 'add', '2001:db8:1::1/64', 'dev', 'eth0', 'nodad');
    await kernel.router.run('ip', 'addr', 'add', '2001:db8:2::1/64', 'dev', 'eth1', 'nodad');
    await kernel.router.run('sysctl', '-qw', 'net.ipv6.conf.all.forwarding=1', 'net.ipv6.icmp.ratelimit=0');
    // One worker: what is sent later comes out later, of other flows too.
    graph = await openGraph({ workers: 1, namespace: ours.router.path, trouble: text => trouble.push(text) });
    await makeRouter(graph, 6, {
      eth0: { address: '2001:db8:1::1', prefix: '2001:db8:1::/64' },
      eth1: { address: '2001:db8:2::1', prefix: '2001:db8:2::/64' },
    });
  });
  after(async () => {
    await graph.close();
    await lab.close();
    assert.deepEqual(trouble, []);
  });

  test('ping, through and to the router, and with fragments of the sender', async () => {
    assert.match(await ours.left.run('ping', '-c2', '-i0.1', '-W3', RIGHT), / 2 received/);
    assert.match(await ours.right.run('ping', '-c2', '-i0.1', '-W3', LEFT), / 2 received/);
    assert.match(await ours.left.run('ping', '-c1', '-W3', '2001:db8:1::1'), / 1 received/);
    assert.match(await ours.left.run('ping', '-c1', '-W3', '2001:db8:2::1'), / 1 received/);
    // The first is too big, and says so; then the sender cuts them.
    await ours.left.run('ping', '-c1', '-W1', '-s3000', RIGHT).catch(() => {});
    assert.match(await ours.left.run('ping', '-c2', '-i0.1', '-W3', '-s3000', RIGHT), / 2 received/);
  });

  test('what goes no further is said to the sender: hops, no route, no host, too big', async () => {
    const { left } = ours;
    const told = (...args: string[]): Promise<string> => left.run('sh', '-c', `ping -c1 -W4 ${args.join(' ')} || true`);
    assert.match(await told('-t1', RIGHT), /From 2001:db8:1::1.*Time exceeded: Hop limit/);
    assert.match(await told('-t2', RIGHT), / 1 received/);
    assert.match(await told('2001:db8:3::1'), /From 2001:db8:1::1.*Destination unreachable: No route/);
    assert.match(await told('2001:db8:2::77'), /From 2001:db8:1::1.*Destination unreachable: Address unreachable/);
    await left.run('ip', '-6', 'route', 'flush', 'cache');
    assert.match(await told('-s1400', '-Mdo', RIGHT), /Packet too big|mtu[ =]1400/i);
    await left.run('ip', '-6', 'route', 'flush', 'cache');
  });

  /** What comes out of a router for a packet from left: at the other side, and back. */
  async function through(where: Site, packet: Buffer): Promise<{ out: string[]; back: string[] }> {
    const left = new Wire(where.left.path, 'eth0');
    const right = new Wire(where.right.path, 'eth0');
    try {
      const from = [2, 0, 0, 0, 0, 9];
      left.send(frame(where.mac, from, 0x86, 0xdd, ...packet));
      // A last one, which goes through: when it has come, all before it has.
      left.send(frame(where.mac, from, 0x86, 0xdd, ...ip6({ from: LEFT, to: RIGHT, next: 253 }, Buffer.from('last'))));
      const out: Buffer[] = [];
      await until(
        () => {
          out.push(...right.all());
          return out.some(bytes => bytes[14 + 6] === 253);
        },
        { what: 'the last packet', everyMs: 1 },
      );
      const shown = (all: readonly Buffer[]): string[] =>
        all
          .filter(bytes => bytes[12] === 0x86 && bytes[14 + 6] !== 253)
          .map(bytes => bytes.subarray(14, 54 + bytes.readUInt16BE(18)).toString('hex'));
      const router = parseAddress('2001:db8:1::1')!
        .words.map(word => word.toString(16).padStart(8, '0'))
        .join('');
      return {
        // Not what neighbours say to each other, at 255 hops.
        out: shown(out).filter(text => text.slice(14, 16) !== 'ff'),
        back: shown(left.all()).filter(text => text.slice(16, 48) === router && text.slice(14, 16) !== 'ff'),
      };
    } finally {
      left.close();
      right.close();
    }
  }

  /** An extension header and what is in it, filled up with Pad1. */
  function extension(next: number, ...rest: number[]): Buffer {
    const bytes = Buffer.alloc(Math.ceil((2 + rest.length) / 8) * 8);
    bytes.set([next, bytes.length / 8 - 1, ...rest]);
    return bytes;
  }

  test('the same packets come out of both routers, and the same errors come back', async () => {
    const long = 1470;
    const packet = (about: Partial<Ip6>, payload: Uint8Array = udp(20)): Buffer =>
      ip6({ from: LEFT, to: RIGHT, ...about }, payload);
    const options = (next: number, ...rest: number[]): Buffer =>
      packet({ next }, Buffer.concat([extension(17, ...rest), udp(20)]));
    const HOP_BY_HOP = 0;
    const DESTINATION = 60;
    const packets: Record<string, Buffer> = {
      plain: packet({}),
      'nothing in it': packet({ next: NO_NEXT }, Buffer.alloc(0)),
      'last hop': packet({ hops: 2 }),
      expired: packet({ hops: 1 }),
      'no hops': packet({ hops: 0 }),
      'expired, long': packet({ hops: 1 }, udp(long - 60)),
      'expired error': packet({ hops: 1, next: 58 }, icmp(1, ...packet({}))),
      'expired echo': packet({ hops: 1, next: 58 }, icmp(128, 1, 2)),
      'expired, unknown ICMP': packet({ hops: 1, next: 58 }, icmp(200, 1, 2)),
      'expired fragment': packet(
        { hops: 1, next: 44 },
        Buffer.concat([Buffer.from([17, 0, 0, 8, 0, 0, 0, 1]), udp(20)]),
      ),
      'no route': packet({ to: '2001:db8:77::1' }),
      'too big': packet({}, udp(long - 48)),
      'too big, expired': packet({ hops: 1 }, udp(long - 48)),
      'a fragment': packet({ next: 44 }, Buffer.concat([Buffer.from([17, 0, 0, 1, 0, 0, 0, 1]), udp(20)])),
      'of the link': packet({ from: 'fe80::99' }),
      'to the link': packet({ to: 'fe80::98' }),
      loopback: packet({ from: '::1' }),
      'to loopback': packet({ to: '::1' }),
      'of nobody': packet({ from: '::' }),
      'a group as source': packet({ from: 'ff0e::5' }),
      'to a group': packet({ to: 'ff0e::5' }),
      'to a group of the link': packet({ to: 'ff02::5' }),
      'site-local, which is no more': packet({ from: 'fec0::1' }),
      'of IPv4': packet({ from: '::ffff:10.0.0.1' }),
      'hop by hop, filled up': options(HOP_BY_HOP, 1, 4, 0, 0, 0, 0),
      'router alert': options(HOP_BY_HOP, 5, 2, 0, 0, 1, 0),
      'hop by hop, unknown, to be skipped': options(HOP_BY_HOP, 0x1e, 4, 1, 2, 3, 4),
      'hop by hop, unknown, to be dropped': options(HOP_BY_HOP, 0x5e, 4, 1, 2, 3, 4),
      'hop by hop, unknown, to be told': options(HOP_BY_HOP, 0x9e, 4, 1, 2, 3, 4),
      'hop by hop, unknown, to be told one': options(HOP_BY_HOP, 0xde, 4, 1, 2, 3, 4),
      'hop by hop, too long': options(HOP_BY_HOP, 1, 40, 0, 0, 0, 0),
      'options for the destination': options(DESTINATION, 0x9e, 4, 1, 2, 3, 4),
      'routing header': options(43, 4, 0, 0, 0, 0, 0),
      'longer than it came': packet({}).fill(0x77, 4, 6),
      'shorter than it came': packet({}).fill(0, 4, 6).fill(10, 5, 6),
      'version 5': packet({}).fill(0x50, 0, 1),
      'flow label and class': packet({}).fill(0x6b, 0, 1).fill(0x12, 1, 4),
    };
    for (const [name, each] of Object.entries(packets)) {
      const [a, b] = await Promise.all([through(ours, each), through(kernel, each)]);
      assert.deepEqual(a, b, name);
    }
  });

  test('neighbours that ask for the router get the same answers, or none', async () => {
    const asker = [2, 0, 0, 0, 0, 0x55];
    const asked = [...Buffer.from('20010db8000100000000000000000001', 'hex')];
    const link = [1, 1, ...asker];
    const solicit = ({
      about = {},
      code = 0,
      target = asked,
      options = link,
    }: {
      about?: Partial<Ip6>;
      code?: number;
      target?: readonly number[];
      options?: readonly number[];
    }): Buffer => {
      const message = Uint8Array.from([135, code, 0, 0, 0, 0, 0, 0, ...target, ...options]);
      return ip6({ from: '2001:db8:1::55', to: 'ff02::1:ff00:1', hops: 255, next: 58, ...about }, message);
    };
    const cases: Record<string, Buffer> = {
      'of all': solicit({}),
      'of the router alone': solicit({ about: { to: '2001:db8:1::1' } }),
      'alone, and not told where': solicit({ about: { to: '2001:db8:1::1' }, options: [] }),
      'who has no address yet': solicit({ about: { from: '::' }, options: [] }),
      'who has none, and tells where': solicit({ about: { from: '::' } }),
      'from another link': solicit({ about: { hops: 254 } }),
      'of another code': solicit({ code: 1 }),
      'for somebody else': solicit({ target: [...asked.slice(0, 15), 9] }),
      'for a group': solicit({ target: [255, 2, ...asked.slice(2)] }),
      'an option without length': solicit({ options: [1, 0, ...asker] }),
      'an option beyond the end': solicit({ options: [1, 2, ...asker] }),
      'an option that nobody knows': solicit({ options: [200, 1, 0, 0, 0, 0, 0, 0, ...link] }),
      'a wrong sum': solicit({}).fill(0x77, 42, 44),
      'cut short': solicit({}).fill(20, 5, 6),
    };
    const answers = async (where: Site, packet: Buffer): Promise<string[]> => {
      const wire = new Wire(where.left.path, 'eth0');
      try {
        const all = packet[24] === 255;
        wire.send(frame(all ? [0x33, 0x33, 255, 0, 0, 1] : where.mac, asker, 0x86, 0xdd, ...packet));
        // One that is always answered, to another address of ours.
        const last = solicit({ about: { from: '2001:db8:1::56' } });
        wire.send(frame([0x33, 0x33, 255, 0, 0, 1], asker, 0x86, 0xdd, ...last));
        const came: Buffer[] = [];
        await until(
          () => {
            came.push(...wire.all().filter(bytes => bytes[12] === 0x86 && bytes[14 + 40] === 136));
            return came.some(bytes => bytes[14 + 39] === 0x56);
          },
          { what: 'the last answer', everyMs: 1 },
        );
        const mac = Buffer.from(where.mac).toString('hex');
        return came
          .filter(bytes => bytes[14 + 39] !== 0x56)
          .map(bytes => {
            // Its sum depends on the address.
            bytes.fill(0, 56, 58);
            // Asked alone, the kernel leaves its address and "override" out, as it may (RFC 4861 §7.2.4).
            return all ? bytes.toString('hex').replaceAll(mac, 'ROUTER') : bytes.toString('hex', 20, 58);
          });
      } finally {
        wire.close();
      }
    };
    for (const [name, packet] of Object.entries(cases)) {
      const [a, b] = await Promise.all([answers(ours, packet), answers(kernel, packet)]);
      assert.deepEqual(a, b, name);
    }
  });

  test('what the kernel does otherwise', async () => {
    const packet = (about: Partial<Ip6>, payload: Uint8Array = udp(20)): Buffer =>
      ip6({ from: LEFT, to: RIGHT, ...about }, payload);
    const error = async (where: Site, each: Buffer): Promise<string | undefined> =>
      (await through(where, each)).back[0]?.slice(80, 84);
    const cases: [what: string, packet: Buffer, ours: string | undefined, kernel: string | undefined][] = [
      // RFC 4443 §2.4 (e.2): an error about a redirect must not be.
      ['expired redirect', packet({ hops: 1, next: 58 }, icmp(137, ...new Uint8Array(32))), undefined, '0300'],
      // It looks for a route first. Either is right.
      ['no route, expired', packet({ to: '2001:db8:77::1', hops: 1 }), '0300', '0100'],
      // RFC 4291 §2.5.2: nobody's address is no destination; what is said of it helps nobody.
      ['to nobody', packet({ to: '::' }), undefined, '0100'],
    ];
    for (const [what, each, a, b] of cases) {
      assert.deepEqual(await Promise.all([error(ours, each), error(kernel, each)]), [a, b], what);
    }
  });
});
