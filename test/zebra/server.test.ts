import assert from 'node:assert/strict';
import { statSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { afterEach, beforeEach, describe, test } from 'node:test';
import { AF_INET, formatPrefix, type Prefix, parseAddress, parsePrefix } from '../../src/net/index.ts';
import {
  AFI_IP,
  AFI_IP6,
  type CommandName,
  commandName,
  decodeToClient,
  encodeToServer,
  Framer,
  FRR_8_4_4,
  MESSAGE_DISTANCE,
  MESSAGE_NEXTHOP,
  NEXTHOP_IFINDEX,
  NEXTHOP_IPV4,
  NEXTHOP_IPV6,
  NexthopColumns,
  NOTE_FAIL_INSTALL,
  NOTE_INSTALLED,
  NOTE_REMOVED,
  ROUTE_FLAG_ALLOW_RECURSION,
  RouteMessage,
  type ServerMessages,
  writeHeader,
} from '../../src/zapi/index.ts';
import { until } from '../lib/wait.ts';
import { Live } from './live.ts';

interface Got {
  readonly name: string;
  readonly vrf: number;
  readonly body: Uint8Array;
}

/** A client that says exactly what the test tells it to. */
class Peer {
  readonly socket: Socket;
  readonly got: Got[] = [];
  closed = false;
  readonly #framer: Framer = new Framer();

  constructor(path: string) {
    this.socket = connect({ path });
    this.socket.on('data', chunk => {
      this.#framer.push(chunk as Buffer);
      while (this.#framer.next()) {
        this.got.push({
          name: commandName(FRR_8_4_4, this.#framer.command),
          vrf: this.#framer.vrf,
          body: new Uint8Array(this.#framer.bytes.subarray(this.#framer.body, this.#framer.end)),
        });
      }
    });
    this.socket.on('close', () => {
      this.closed = true;
    });
    this.socket.on('error', () => {
      this.closed = true;
    });
  }

  send<Name extends Parameters<typeof encodeToServer>[1]>(
    name: Name,
    message: Parameters<typeof encodeToServer<Name>>[2],
  ): void {
    const out = new Uint8Array(1000);
    this.socket.write(out.subarray(0, encodeToServer(FRR_8_4_4, name, message, 0, out, 0)));
  }

  hello(routeType: number, more: { receiveNotify?: boolean; synchronous?: boolean } = {}): void {
    this.send('HELLO', {
      routeType,
      instance: 0,
      session: 0,
      receiveNotify: more.receiveNotify ?? false,
      synchronous: more.synchronous ?? false,
    });
  }

  route(command: 'ROUTE_ADD' | 'ROUTE_DELETE', type: number, text: string, ...via: (string | number)[]): void {
    const out = new Uint8Array(1000);
    this.socket.write(out.subarray(0, encodeRoute(out, 0, command, type, parsePrefix(text)!, ...via)));
  }

  names(): string[] {
    return this.got.map(one => one.name);
  }

  all<Name extends keyof ServerMessages>(name: Name): ServerMessages[Name][] {
    return this.got
      .filter(one => one.name === name)
      .map(one => decodeToClient(FRR_8_4_4, name, one.body, 0, one.body.length));
  }

  redistributed(): string[] {
    const route = new RouteMessage();
    return this.got
      .filter(one => one.name.startsWith('REDISTRIBUTE_ROUTE'))
      .map(one => {
        assert.equal(FRR_8_4_4.route.decode(route, one.body, 0, one.body.length), 0);
        const words = [route.w0, route.w1, route.w2, route.w3] as const;
        const prefix = { family: route.family, words, length: route.prefixLength } as Prefix;
        return `${one.name.endsWith('ADD') ? '+' : '-'}${formatPrefix(prefix)} type ${route.type} hops ${route.nexthopCount}`;
      });
  }

  async has(name: CommandName, count = 1): Promise<void> {
    await until(() => this.got.filter(one => one.name === name).length >= count, {
      what: () => `${count} ${name}; got ${this.names().join(' ')}`,
    });
  }
}

const columns = new NexthopColumns();
const block = new Uint8Array(4096);
const message = new RouteMessage();

function encodeRoute(
  out: Uint8Array,
  offset: number,
  command: 'ROUTE_ADD' | 'ROUTE_DELETE',
  type: number,
  prefix: Prefix,
  ...via: (string | number)[]
): number {
  columns.count = 0;
  for (const one of via) {
    if (typeof one === 'number') {
      columns.ifindex[columns.add(NEXTHOP_IFINDEX)] = one;
      continue;
    }
    const { family, words } = parseAddress(one)!;
    const row = columns.add(family === AF_INET ? NEXTHOP_IPV4 : NEXTHOP_IPV6);
    columns.w0[row] = words[0];
    columns.w1[row] = words[1];
    columns.w2[row] = words[2];
    columns.w3[row] = words[3];
  }
  message.type = type;
  message.flags = ROUTE_FLAG_ALLOW_RECURSION;
  message.message = MESSAGE_NEXTHOP | MESSAGE_DISTANCE;
  message.distance = 20;
  message.family = prefix.family;
  message.prefixLength = prefix.length;
  message.w0 = prefix.words[0];
  message.w1 = prefix.words[1];
  message.w2 = prefix.words[2];
  message.w3 = prefix.words[3];
  message.bytes = block;
  message.nexthopCount = columns.count;
  message.nexthopStart = 0;
  message.nexthopEnd = FRR_8_4_4.route.encodeNexthops(columns, message.message, block, 0);
  return FRR_8_4_4.route.encode(message, 0, FRR_8_4_4.command[command], out, offset);
}

const BGP = 9;
const STATIC = 3;

describe('the ZAPI server', () => {
  let live: Live;
  const peers: Peer[] = [];

  beforeEach(async () => {
    live = new Live();
    live.link(1, 'lo');
    live.link(2, 'eth0', '192.0.2.1/24', '2001:db8::1/64');
    await live.server.listen();
  });

  afterEach(async () => {
    for (const one of peers.splice(0)) one.socket.destroy();
    await live.close();
  });

  const peer = (): Peer => {
    const one = new Peer(live.path);
    peers.push(one);
    return one;
  };

  test('greets as FRR does, and tells interfaces as often as it is asked', async () => {
    assert.equal(statSync(live.path).mode & 0o777, 0o700);
    const one = peer();
    one.hello(BGP);
    one.send('INTERFACE_ADD', {});
    one.send('ROUTER_ID_ADD', { afi: AFI_IP });
    one.send('INTERFACE_ADD', {});
    await one.has('INTERFACE_ADDRESS_ADD', 4);
    assert.deepEqual(one.names().slice(0, 7), [
      'CAPABILITIES',
      'VRF_ADD',
      'INTERFACE_ADD',
      'INTERFACE_ADD',
      'INTERFACE_ADDRESS_ADD',
      'INTERFACE_ADDRESS_ADD',
      'ROUTER_ID_UPDATE',
    ]);
    assert.deepEqual(one.all('VRF_ADD')[0], { table: 254, netns: '', name: 'default' });
    assert.deepEqual(
      one.all('INTERFACE_ADD').map(link => link.name),
      ['lo', 'eth0', 'lo', 'eth0'],
    );
    assert.deepEqual(
      one
        .all('INTERFACE_ADDRESS_ADD')
        .slice(0, 2)
        .map(address => formatPrefix(address.address)),
      ['192.0.2.1/24', '2001:db8::1/64'],
    );
    assert.equal(formatPrefix(one.all('ROUTER_ID_UPDATE')[0]!.prefix), '192.0.2.1/32');
  });

  test('tells what becomes of interfaces', async () => {
    const one = peer();
    one.hello(BGP);
    one.send('INTERFACE_ADD', {});
    await one.has('INTERFACE_ADDRESS_ADD', 2);
    live.setLink(2, false);
    await one.has('INTERFACE_DOWN');
    assert.equal(one.all('INTERFACE_DOWN')[0]!.flags & 0x40, 0);
    live.setLink(2, true);
    await one.has('INTERFACE_UP');
    live.kernel.removeAddress(0);
    live.kick();
    await one.has('INTERFACE_ADDRESS_DELETE');
    live.link(3, 'eth1', '198.51.100.1/24');
    await one.has('INTERFACE_ADD', 3);
    await one.has('INTERFACE_ADDRESS_ADD', 3);
  });

  test('answers a tracked next hop at once and whenever it changes', async () => {
    const one = peer();
    one.hello(BGP);
    const prefix = parsePrefix('192.0.2.7/32')!;
    const gone = parsePrefix('203.0.113.9/32')!;
    const flags = { connected: false, resolveViaDefault: false, safi: 1 };
    one.send('NEXTHOP_REGISTER', {
      entries: [
        { ...flags, prefix },
        { ...flags, prefix: gone },
      ],
    });
    await one.has('NEXTHOP_UPDATE', 2);
    const [first, second] = one
      .all('NEXTHOP_UPDATE')
      .toSorted((a, b) => formatPrefix(a.match).localeCompare(formatPrefix(b.match)));
    assert.equal(formatPrefix(first!.resolved), '192.0.2.0/24');
    assert.equal(first!.routeType, 2);
    assert.deepEqual(
      first!.nexthops.map(hop => [hop.type, hop.ifindex]),
      [[NEXTHOP_IFINDEX, 2]],
    );
    assert.deepEqual([second!.nexthops.length, second!.routeType, second!.resolved.length], [0, 0, 0]);
    live.setLink(2, false);
    await until(
      () =>
        one
          .all('NEXTHOP_UPDATE')
          .some(update => formatPrefix(update.match) === '192.0.2.7/32' && update.nexthops.length === 0),
      {
        what: 'the next hop to be lost',
      },
    );
    one.send('NEXTHOP_UNREGISTER', { entries: [{ ...flags, prefix }] });
    live.setLink(2, true);
    one.send('NEXTHOP_REGISTER', { entries: [{ ...flags, prefix: gone }] });
    const before = one.all('NEXTHOP_UPDATE').length;
    await one.has('NEXTHOP_UPDATE', before + 1);
    assert.ok(
      one
        .all('NEXTHOP_UPDATE')
        .slice(before)
        .every(update => formatPrefix(update.match) !== '192.0.2.7/32'),
    );
  });

  test('installs routes, tells their owner, and takes them back when it goes', async () => {
    const other = peer();
    other.hello(BGP);
    await other.has('VRF_ADD');
    const one = peer();
    one.hello(STATIC, { receiveNotify: true });
    one.route('ROUTE_ADD', STATIC, '10.1.0.0/16', '192.0.2.7');
    one.route('ROUTE_ADD', STATIC, '2001:db8:1::/48', '2001:db8::7');
    one.route('ROUTE_DELETE', STATIC, '10.77.0.0/16', '192.0.2.7');
    await one.has('ROUTE_NOTIFY_OWNER', 2);
    const notes = one.all('ROUTE_NOTIFY_OWNER');
    assert.deepEqual(
      notes
        .map(note => [note.note, note.table, note.afi, note.safi, note.length])
        .toSorted((a, b) => Number(a[2]) - Number(b[2])),
      [
        [NOTE_INSTALLED, 254, AFI_IP, 1, 16],
        [NOTE_INSTALLED, 254, AFI_IP6, 1, 48],
      ],
    );
    assert.equal(live.kernel.ours().filter(route => route.protocol === 196).length, 2);
    one.route('ROUTE_DELETE', STATIC, '10.1.0.0/16', '192.0.2.7');
    await until(() => one.all('ROUTE_NOTIFY_OWNER').some(note => note.note === NOTE_REMOVED), { what: 'the removal' });
    one.socket.destroy();
    await other.has('CLIENT_CLOSE_NOTIFY');
    assert.deepEqual(other.all('CLIENT_CLOSE_NOTIFY'), [{ routeType: STATIC, instance: 0, session: 0 }]);
    await until(() => live.selectedType('2001:db8:1::/48') === -1, { what: 'the route of a client that went to go' });
  });

  test('gives routes of the same next hops one group, in whatever order they come and whatever their links do', async () => {
    live.link(3, 'eth1', '198.51.100.1/24');
    const one = peer();
    one.hello(BGP);
    const ways = ['192.0.2.7', '198.51.100.7', '192.0.2.8'];
    for (let i = 0; i < 6; i++) {
      const turned = [...ways.slice(i % 3), ...ways.slice(0, i % 3)];
      one.route('ROUTE_ADD', BGP, `10.${i}.0.0/16`, ...(i < 3 ? turned : turned.toReversed()));
    }
    const objects = (): number[] => {
      const { kernel } = live;
      const paths = kernel.ours().map(route => kernel.pathsOf(route).length);
      return [kernel.groups.size, kernel.nexthops.size, ...paths];
    };
    const become = (...expected: number[]): Promise<unknown> =>
      until(() => objects().join() === expected.join(), {
        what: () => `${expected.join()}; there are ${objects().join()}`,
      });
    await become(1, 3, 3, 3, 3, 3, 3, 3);
    for (let flap = 0; flap < 3; flap++) {
      live.setLink(3, false);
      await become(1, 2, 2, 2, 2, 2, 2, 2);
      live.setLink(3, true);
      await become(1, 3, 3, 3, 3, 3, 3, 3);
    }
  });

  test('keeps the routes of a client that announced graceful restart', async () => {
    const one = peer();
    one.hello(BGP);
    one.send('CLIENT_CAPABILITIES', { capability: 1, vrf: 0, afi: 0, safi: 0, staleTimeS: 30 });
    one.route('ROUTE_ADD', BGP, '10.1.0.0/16', '192.0.2.7');
    await until(() => live.selectedType('10.1.0.0/16') === BGP, { what: 'the route' });
    one.socket.destroy();
    await until(() => live.server.sessions.size === 0, { what: 'the session to end' });
    const again = peer();
    again.hello(BGP);
    await again.has('VRF_ADD');
    assert.equal(live.selectedType('10.1.0.0/16'), BGP);
  });

  test('hears the last words of a client that hangs up at once', async () => {
    const count = 20_000;
    const one = peer();
    const out = new Uint8Array(count * 64);
    const hello = { routeType: BGP, instance: 0, session: 0, receiveNotify: false, synchronous: false };
    let end = encodeToServer(FRR_8_4_4, 'HELLO', hello, 0, out, 0);
    const restart = { capability: 1, vrf: 0, afi: 0, safi: 0, staleTimeS: 30 };
    end = encodeToServer(FRR_8_4_4, 'CLIENT_CAPABILITIES', restart, 0, out, end);
    for (let i = 0; i < count; i++) {
      const prefix: Prefix = { family: AF_INET, words: [(0x0b000000 + i * 256) >>> 0, 0, 0, 0], length: 24 };
      end = encodeRoute(out, end, 'ROUTE_ADD', BGP, prefix, 2);
    }
    one.socket.end(out.subarray(0, end));
    await until(() => one.closed && live.server.accepted === 1 && live.server.sessions.size === 0, {
      what: 'the session to end',
    });
    await until(() => live.zebra.idle, { what: 'zebra to settle' });
    assert.equal(live.zebra.rib.table(0, AF_INET).routes, count + 1);
  });

  test('redistributes what there is, then what changes, and never a client its own', async () => {
    const source = peer();
    source.hello(STATIC);
    source.route('ROUTE_ADD', STATIC, '10.1.0.0/16', '192.0.2.7');
    await until(() => live.selectedType('10.1.0.0/16') === STATIC, { what: 'the static route' });
    const one = peer();
    one.hello(BGP);
    one.send('REDISTRIBUTE_ADD', { afi: AFI_IP, routeType: 2, instance: 0 });
    one.send('REDISTRIBUTE_ADD', { afi: AFI_IP, routeType: STATIC, instance: 0 });
    await one.has('REDISTRIBUTE_ROUTE_ADD', 2);
    assert.deepEqual(one.redistributed().toSorted(), ['+10.1.0.0/16 type 3 hops 1', '+192.0.2.0/24 type 2 hops 1']);
    source.route('ROUTE_ADD', STATIC, '10.2.0.0/16', '192.0.2.7');
    await one.has('REDISTRIBUTE_ROUTE_ADD', 3);
    source.route('ROUTE_DELETE', STATIC, '10.1.0.0/16', '192.0.2.7');
    await one.has('REDISTRIBUTE_ROUTE_DEL');
    assert.deepEqual(one.redistributed().slice(2), ['+10.2.0.0/16 type 3 hops 1', '-10.1.0.0/16 type 3 hops 0']);
    one.send('REDISTRIBUTE_DELETE', { afi: AFI_IP, routeType: STATIC, instance: 0 });
    one.send('REDISTRIBUTE_DEFAULT_ADD', { afi: AFI_IP });
    source.route('ROUTE_ADD', STATIC, '10.3.0.0/16', '192.0.2.7');
    source.route('ROUTE_ADD', STATIC, '0.0.0.0/0', '192.0.2.7');
    await one.has('REDISTRIBUTE_ROUTE_ADD', 4);
    assert.equal(one.redistributed().at(-1), '+0.0.0.0/0 type 3 hops 1');
  });

  test('answers a synchronous session with nothing but answers', async () => {
    const one = peer();
    one.hello(BGP, { synchronous: true });
    one.send('LABEL_MANAGER_CONNECT', { routeType: BGP, instance: 0 });
    one.send('GET_LABEL_CHUNK', { routeType: BGP, instance: 0, keep: 0, size: 64, base: 0 });
    one.send('GET_LABEL_CHUNK', { routeType: BGP, instance: 0, keep: 0, size: 64, base: 0 });
    one.send('GET_LABEL_CHUNK', { routeType: BGP, instance: 0, keep: 0, size: 64, base: 100 });
    one.send('RELEASE_LABEL_CHUNK', { routeType: BGP, instance: 0, start: 16, end: 79 });
    one.send('GET_LABEL_CHUNK', { routeType: BGP, instance: 0, keep: 0, size: 10, base: 0 });
    await one.has('GET_LABEL_CHUNK', 4);
    assert.deepEqual(one.names(), ['LABEL_MANAGER_CONNECT', ...new Array<string>(4).fill('GET_LABEL_CHUNK')]);
    assert.deepEqual(
      one.all('GET_LABEL_CHUNK').map(chunk => chunk.range && [chunk.range.start, chunk.range.end]),
      [[16, 79], [80, 143], undefined, [16, 25]],
    );
  });

  test('skips what it does not know, refuses what it cannot do, and cuts off garbage without harm to others', async () => {
    const other = peer();
    other.hello(STATIC);
    other.route('ROUTE_ADD', STATIC, '10.9.0.0/16', '192.0.2.7');
    const one = peer();
    one.hello(BGP, { receiveNotify: true });
    const unknown = new Uint8Array(40);
    writeHeader(unknown, 0, 40, 0, 57);
    one.socket.write(unknown);
    const short = new Uint8Array(16);
    writeHeader(short, 0, 16, 0, FRR_8_4_4.command.ROUTE_ADD);
    one.socket.write(short);
    // A next hop with a router's MAC.
    const announced = new Uint8Array(200);
    const end = encodeRoute(announced, 0, 'ROUTE_ADD', BGP, parsePrefix('10.8.0.0/16')!, '192.0.2.7');
    const cut = announced.slice(0, end);
    const frame = Buffer.concat([cut.subarray(0, end - 1), new Uint8Array(6), cut.subarray(end - 1)]);
    frame[33] = 0x40; // the next hop's flags
    frame.writeUInt16BE(frame.length, 0);
    one.socket.write(frame);
    one.send('ROUTER_ID_ADD', { afi: AFI_IP });
    await one.has('ROUTER_ID_UPDATE');
    const [session] = [...live.server.sessions].filter(candidate => candidate.routeType === BGP);
    assert.deepEqual(
      [session!.stats.unknown, session!.stats.faults, session!.stats.refused],
      [1, 1, 1],
      live.logged.join('\n'),
    );
    assert.deepEqual(
      one.all('ROUTE_NOTIFY_OWNER').map(note => note.note),
      [NOTE_FAIL_INSTALL],
    );
    assert.ok(live.logged.some(text => text.includes('ROUTE_ADD: route ends too early, at byte 6 of the body')));
    assert.ok(live.logged.some(text => text.includes('not supported: EVPN router MACs')));
    one.socket.write(Buffer.from('GET / HTTP/1.1\r\n'));
    await until(() => one.closed, { what: 'the connection to be closed' });
    assert.ok(
      live.logged.some(text => text.includes('frame marker is 84, not 254')),
      live.logged.join('\n'),
    );
    await until(() => live.selectedType('10.9.0.0/16') === STATIC, { what: "the other client's route" });
    assert.equal(other.closed, false);
  });

  test('says which client sends a route of more than 256 next hops, and does not take it', async () => {
    const one = peer();
    one.hello(BGP);
    const bytes = new Uint8Array(200);
    const frame = Buffer.from(
      bytes.subarray(0, encodeRoute(bytes, 0, 'ROUTE_ADD', BGP, parsePrefix('10.8.0.0/16')!, '192.0.2.7')),
    );
    assert.equal(frame.readUInt16BE(26), 1);
    frame.writeUInt16BE(257, 26);
    one.socket.write(frame);
    one.route('ROUTE_ADD', BGP, '10.9.0.0/16', '192.0.2.7');
    await until(() => live.selectedType('10.9.0.0/16') === BGP, { what: 'the next route' });
    assert.equal(live.selectedType('10.8.0.0/16'), -1);
    assert.ok(
      live.logged.some(text => /^client bgp#1: ROUTE_ADD: .*257/.test(text)),
      live.logged.join('\n'),
    );
  });

  test('takes a frame in pieces of any size', async () => {
    const one = peer();
    one.socket.setNoDelay(true);
    const out = new Uint8Array(400);
    let end = encodeToServer(
      FRR_8_4_4,
      'HELLO',
      { routeType: BGP, instance: 0, session: 7, receiveNotify: false, synchronous: false },
      0,
      out,
      0,
    );
    end = encodeRoute(out, end, 'ROUTE_ADD', BGP, parsePrefix('10.1.0.0/16')!, '192.0.2.7');
    for (let i = 0; i < end; i++) {
      one.socket.write(out.subarray(i, i + 1));
      if (i % 8 === 0) await new Promise(resolve => setImmediate(resolve));
    }
    await until(() => live.selectedType('10.1.0.0/16') === BGP, { what: 'the route' });
    assert.equal([...live.server.sessions][0]!.sessionId, 7);
  });

  test('bounds what waits for a client that does not read, and tells it the last state when it does', async () => {
    const count = 60_000;
    const source = peer();
    source.hello(STATIC);
    const out = new Uint8Array(count * 64);
    let end = 0;
    for (let i = 0; i < count; i++) {
      const prefix: Prefix = { family: AF_INET, words: [(0x0b000000 + i * 256) >>> 0, 0, 0, 0], length: 24 };
      end = encodeRoute(out, end, 'ROUTE_ADD', STATIC, prefix, 2);
    }
    source.socket.write(out.subarray(0, end));
    const table = live.zebra.rib.table(0, AF_INET);
    await until(() => table.routes >= count, { what: () => `${table.routes} routes`, timeoutMs: 20_000 });
    const slow = peer();
    slow.socket.pause();
    slow.hello(BGP);
    slow.send('REDISTRIBUTE_ADD', { afi: AFI_IP, routeType: STATIC, instance: 0 });
    slow.send('INTERFACE_ADD', {});
    const session = await until(() => [...live.server.sessions].find(one => one.routeType === BGP), {
      what: 'a session',
    });
    await until(() => session.out.waiting > 200_000, { what: 'a full output' });
    for (let flap = 0; flap < 20; flap++) {
      live.setLink(2, false);
      live.setLink(2, true);
    }
    await until(() => live.zebra.idle, { what: 'zebra to settle', timeoutMs: 20_000 });
    assert.ok(session.out.waiting < 400_000, `${session.out.waiting} bytes wait`);
    slow.socket.resume();
    await until(() => new Set(slow.redistributed()).size >= count, {
      what: () => `${slow.got.length} messages`,
      timeoutMs: 20_000,
      everyMs: 200,
    });
    assert.ok(slow.all('INTERFACE_ADD').length >= 2);
  });

  test('a client may be held to so many messages before the others have their turn', async () => {
    live.server.framesATurn = 5;
    const owners: number[] = [];
    const { rib } = live.zebra;
    const add = rib.add.bind(rib);
    rib.add = (...args) => {
      // The owner is the last.
      if (args[7] === BGP) owners.push(args[14]);
      add(...args);
    };
    const two = [peer(), peer()];
    for (const [i, one] of two.entries()) {
      one.hello(BGP);
      const out = new Uint8Array(20_000);
      let end = 0;
      for (let n = 0; n < 200; n++) {
        end = encodeRoute(out, end, 'ROUTE_ADD', BGP, parsePrefix(`10.${i}.${n}.0/24`)!, '192.0.2.9');
      }
      one.socket.write(out.subarray(0, end));
    }
    await until(() => owners.length === 400, { what: () => `400 routes, not ${owners.length}` });
    const turns = owners.filter((one, i) => one !== owners[i - 1]).length;
    assert.ok(turns > 20, `${turns} turns`);
  });

  test('stops reading a client while zebra is congested, and goes on after', async () => {
    await until(() => live.zebra.idle, { what: 'zebra to start' });
    live.frozen = true;
    const count = 300_000;
    const source = peer();
    source.hello(STATIC);
    const out = new Uint8Array(count * 64);
    let end = 0;
    for (let i = 0; i < count; i++) {
      const prefix: Prefix = { family: AF_INET, words: [(0x0b000000 + i * 256) >>> 0, 0, 0, 0], length: 24 };
      end = encodeRoute(out, end, 'ROUTE_ADD', STATIC, prefix, 2);
    }
    source.socket.write(out.subarray(0, end));
    const table = live.zebra.rib.table(0, AF_INET);
    await until(() => live.zebra.congested, { what: 'congestion', timeoutMs: 20_000 });
    const session = [...live.server.sessions][0]!;
    await until(() => session.paused, { what: 'the socket to be paused' });
    const taken = table.routes;
    assert.ok(taken < count, `${taken}`);
    // Another client is served meanwhile.
    const other = peer();
    other.hello(BGP);
    other.send('ROUTER_ID_ADD', { afi: AFI_IP });
    await other.has('ROUTER_ID_UPDATE');
    assert.ok(table.routes - taken < 10, `${table.routes - taken} routes were taken`);
    live.frozen = false;
    live.kick();
    await until(() => table.routes >= count, { what: () => `${table.routes} routes`, timeoutMs: 25_000 });
  });

  test('does not read on from a client that does not read its notes', async () => {
    const count = 200_000;
    const one = peer();
    one.socket.pause();
    one.hello(STATIC, { receiveNotify: true });
    const out = new Uint8Array(count * 64);
    let end = 0;
    for (let i = 0; i < count; i++) {
      const prefix: Prefix = { family: AF_INET, words: [(0x0b000000 + i * 256) >>> 0, 0, 0, 0], length: 24 };
      end = encodeRoute(out, end, 'ROUTE_ADD', STATIC, prefix, 2);
    }
    one.socket.write(out.subarray(0, end));
    const session = await until(() => [...live.server.sessions][0], { what: 'a session' });
    await until(() => session.paused && live.zebra.idle, { what: 'everything to stand still', timeoutMs: 20_000 });
    assert.ok(live.zebra.rib.table(0, AF_INET).routes < count);
    assert.ok(session.out.waiting < 4_000_000, `${session.out.waiting} bytes wait`);
    one.socket.resume();
    await until(() => one.got.length >= count + 2, { what: () => `${one.got.length} messages`, timeoutMs: 25_000 });
    assert.equal(session.closed, false);
  });

  test('refuses a path that another zebra holds, and replaces a dead one', async () => {
    const second = new Live(live.path);
    await assert.rejects(second.server.listen(), /another zebra listens on/);
    await second.close();
  });
});
