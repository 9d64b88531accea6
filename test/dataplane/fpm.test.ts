// FPM, judged by those whose language it is: the kernel of another namespace takes what the peer was told and must end up as the
// one that was programmed, iproute2 reads the messages, and FRR's own module says what its counters are called.
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, afterEach, before, beforeEach, describe, test } from 'node:test';
import {
  FLAG_OFFLOAD_FAILED,
  FLAG_OFFLOADED,
  FLAG_TRAPPED,
  PROVIDER_FOLLOWER,
  WorkerStage,
} from '../../src/dataplane/index.ts';
import { fpmCommands } from '../../src/dataplane/provider/fpm/commands.ts';
import { FpmCounters } from '../../src/dataplane/provider/fpm/counters.ts';
import { FrameError, FrameReader } from '../../src/dataplane/provider/fpm/frame.ts';
import type { FpmSettings } from '../../src/dataplane/provider/fpm/provider.ts';
import { encodeRoute, MessageBuffer } from '../../src/netlink/index.ts';
import { commandSet, Grammar, loadConfig } from '../../src/vty/index.ts';
import { startFrr } from '../lib/daemons.ts';
import { Lab, type Namespace } from '../lib/netns.ts';
import { until } from '../lib/wait.ts';
import { frame, judge, Peer, type Wanted, World } from './fpm-world.ts';

const PROVIDER = new URL('../../src/dataplane/provider/fpm/provider.ts', import.meta.url).href;
const EXITS = new URL('./fpm-exits.ts', import.meta.url).href;
const RTM_NEWROUTE = 24;
const RTM_DELROUTE = 25;
const RTM_NEWNEXTHOP = 104;
const ESRCH = 3;
const MIB = 1024 * 1024;

const lab = new Lab();

async function network(name: string): Promise<Namespace> {
  const ns = await lab.namespace(name);
  await ns.run('ip', 'link', 'add', 'd0', 'type', 'veth', 'peer', 'name', 'e0');
  for (const link of ['d0', 'e0']) {
    await ns.run('ip', 'link', 'set', link, 'addrgenmode', 'none');
    await ns.run('ip', 'link', 'set', link, 'up');
  }
  await ns.run('ip', 'addr', 'add', '10.1.0.1/24', 'dev', 'd0');
  await ns.run('ip', 'addr', 'add', '2001:db8:ffff::1/64', 'dev', 'd0', 'nodad');
  return ns;
}

async function world(): Promise<World> {
  const ns = await network('fpm');
  const made = new World(ns);
  const [link] = await ns.ipJson<{ ifindex: number }[]>('link', 'show', 'd0');
  made.ifindex = link!.ifindex;
  namespaces.set(made, ns);
  return made;
}

const namespaces = new Map<World, Namespace>();

function start(
  one: World,
  port: number,
  settings: Partial<FpmSettings> & { die?: SharedArrayBuffer } = {},
  module: string = PROVIDER,
): void {
  const all = {
    address: '127.0.0.1',
    port,
    nexthopGroups: true,
    routeReplace: true,
    counters: new FpmCounters().memory,
    retryMs: 50,
    ...settings,
  };
  one.dataplane.pipeline.register(
    new WorkerStage({ name: 'fpm', priority: 'post-kernel', flags: PROVIDER_FOLLOWER, module, settings: all }),
  );
}

const described = (one: World): string =>
  JSON.stringify({
    told: one.told,
    dirty: one.dirty,
    outstanding: one.outstanding,
    fpm: one.fpm,
    log: one.log.slice(-5),
  });

/** The peer has everything: all of it is sent, and what is sent is no longer on its way. */
const inStep = (one: World, peer: Peer): Promise<unknown> =>
  until(
    () => {
      const { inStep: told, 'obuf-bytes': left, sentBytes } = one.fpm;
      return one.told && told === true && left === 0 && peer.connections.at(-1)?.bytes === sentBytes;
    },
    { timeoutMs: 60_000, what: () => `the peer to have everything: ${described(one)}` },
  );

interface ShownRoute {
  dst: string;
  nhid?: number;
  nexthops?: { gateway: string; dev: string; weight: number }[];
  [key: string]: unknown;
}

async function routes(ns: Namespace, objects: boolean): Promise<ShownRoute[]> {
  const shown: ShownRoute[] = [];
  for (const family of ['-4', '-6']) {
    shown.push(...(await ns.ipJson<ShownRoute[]>('-N', family, 'route', 'show', 'proto', '186')));
  }
  for (const route of shown) {
    if (objects) continue;
    // What is shown of the object, and of a hole's device, which is none.
    delete route.nhid;
    delete route['nh_info'];
    if (route['type'] === '6') delete route['dev'];
  }
  for (const route of shown) {
    route.nexthops?.sort((a, b) => a.gateway.localeCompare(b.gateway));
  }
  return shown.sort((a, b) => a.dst.localeCompare(b.dst));
}

/** A kernel that took what the peer was told is as the one that was programmed. */
async function agrees(one: World, messages: readonly Buffer[], objects = true): Promise<Map<number, number>> {
  const copy = await network('copy');
  const errors = judge(copy, messages);
  const expected = await routes(namespaces.get(one)!, objects);
  assert.ok(expected.length > 0);
  assert.deepEqual(await routes(copy, objects), expected);
  if (objects) {
    assert.deepEqual(await copy.ipJson('-N', 'nexthop'), await namespaces.get(one)!.ipJson('-N', 'nexthop'));
  }
  return errors;
}

const route = (i: number, id: number): Wanted => ({ kind: 'route', word: 0x14000000 + i * 256, length: 24, id });

/** Two paths, a group of them, a hole, and routes of each, and of IPv6. */
function furnish(one: World, count = 40): void {
  one.want({ kind: 'path', id: 7, host: 2 });
  one.want({ kind: 'path', id: 8, host: 3 });
  one.want({ kind: 'hole', id: 9 });
  one.want({ kind: 'group', id: 20, members: [7, 8] });
  for (let i = 0; i < count; i++) one.want(route(i, [7, 8, 9, 20, 0][i % 5]!));
}

const typeOf = (message: Buffer): number => message.readUInt16LE(4);

const settled = (one: World): Promise<unknown> =>
  until(() => one.settled, { timeoutMs: 60_000, what: () => `the kernel's answers: ${described(one)}` });

describe('FPM', () => {
  let one: World;
  let peer: Peer;
  let port: number;

  before(async () => {
    await lab.directory();
  });
  after(async () => {
    await lab.close();
  });
  beforeEach(async () => {
    one = await world();
    peer = new Peer();
  });
  afterEach(async () => {
    await one.close();
    await peer.close();
  });

  test('a peer that comes late is told everything, objects first, and then what changes', async () => {
    // A port that nobody listens on yet.
    const other = new Peer();
    port = await other.listen();
    await other.close();
    start(one, port);
    furnish(one);
    await settled(one);
    assert.deepEqual(one.errors, []);
    await until(() => one.fpm['connection-errors'] !== 0 && one.dirty === 0, { what: () => described(one) });
    await peer.listen(port);
    await inStep(one, peer);
    const { messages } = peer.last;
    const first = messages.findIndex(message => typeOf(message) === RTM_NEWROUTE);
    assert.ok(first > 0 && messages.slice(0, first).every(message => typeOf(message) === RTM_NEWNEXTHOP));
    assert.equal((await agrees(one, messages)).size, 0);

    one.want(route(0, 20));
    one.want(route(1, 7));
    one.drop(route(2, 9));
    one.want({ kind: 'group', id: 20, members: [8] });
    one.want(route(1000, 20));
    await inStep(one, peer);
    assert.equal((await agrees(one, messages)).size, 0);
    // iproute2 reads them as well.
    const file = join(await lab.directory(), 'messages');
    writeFileSync(file, Buffer.concat(messages.filter(message => typeOf(message) <= RTM_DELROUTE)));
    const text = await namespaces.get(one)!.run('ip', '-N', '-d', 'monitor', 'file', file);
    assert.match(text, /^Deleted .*20\.0\.2\.0\/24 .*table 254/m);
    assert.match(text, /^1 20\.0\.0\.0\/24 nhid 20 .*table 254 proto 186 .*metric 20/m);
  });

  test('a connection that ends in the middle: the next one is told everything', async () => {
    port = await peer.listen();
    furnish(one, 40_000);
    await settled(one);
    peer.slowMs = 5;
    start(one, port);
    await until(() => peer.connections[0] !== undefined && peer.last.bytes > 200_000, { what: () => described(one) });
    const cut = peer.last;
    assert.ok(cut.messages.length < 40_000, 'it was in the middle');
    cut.socket.destroy();
    peer.slowMs = 0;
    // Meanwhile things change, and nobody is told but by the replay.
    for (let i = 0; i < 100; i++) one.drop(route(i, 0));
    for (let i = 200; i < 300; i++) one.want(route(i, 8));
    await until(() => peer.connections.length === 2, { what: () => described(one) });
    await inStep(one, peer);
    const counted = one.fpm;
    assert.ok(
      Number(counted['connection-errors']) + Number(counted['connection-closes']) === 1,
      JSON.stringify(counted),
    );
    await agrees(one, peer.last.messages);
  });

  test('a peer that accepts and never reads costs a megabyte, and the kernel nothing', async () => {
    port = await peer.listen();
    peer.reading = false;
    furnish(one);
    start(one, port);
    await until(() => one.fpm['connected'] === true, { what: () => described(one) });
    // More than the kernel's buffers for a connection take (tcp_wmem: 4 MiB).
    const total = 120_000;
    const host = (i: number): Wanted => ({ kind: 'route', word: 0x40000000 + i, length: 32, id: 0 });
    for (let i = 0; i < total; i++) one.want(host(i));
    await settled(one);
    assert.equal(one.results, total + 44);
    assert.deepEqual(one.errors, []);
    await until(() => Number(one.fpm['buffer-full-hits']) > 0, { what: () => described(one) });
    assert.ok(!one.told, 'the peer has not everything yet');
    // A change is in the kernel at once, while the follower stands.
    const before = one.results;
    one.want(host(0));
    await until(() => one.results === before + 1, { what: 'one result' });
    const { fpm } = one;
    assert.ok(Number(fpm['obuf-bytes-peak']) <= MIB, JSON.stringify(fpm));
    assert.ok(Number(fpm['data-plane-contexts-queue-peak']) <= 256, JSON.stringify(fpm));
    assert.ok(one.outstanding > 0 && one.outstanding <= 256);
    peer.read();
    await inStep(one, peer);
    const told = new Set(
      peer.last.messages
        .filter(message => typeOf(message) === RTM_NEWROUTE && message[17] === 32)
        .map(message => message.readUInt32BE(32)),
    );
    assert.equal(told.size, total);
    assert.equal(peer.connections.length, 1);
  });

  test('a peer that takes nothing is given up, one that takes little is not', async () => {
    port = await peer.listen();
    peer.reading = false;
    const total = 20_000;
    for (let i = 0; i < total; i++) one.want({ kind: 'route', word: 0x40000000 + i, length: 32, id: 0 });
    await settled(one);
    const wedgeMs = 1000;
    start(one, port, { wedgeMs });
    await until(() => peer.connections.length === 1, { what: () => described(one) });
    // The next one takes 64 KiB at a time, for longer in all than would be too long.
    peer.slowMs = 160;
    peer.reading = true;
    await until(() => peer.connections.length === 2, { timeoutMs: 30_000, what: () => described(one) });
    const since = performance.now();
    await until(() => one.log.some(line => /ETIMEDOUT/.test(line)), { what: () => described(one) });
    await inStep(one, peer);
    assert.equal(peer.last.messages.length, total);
    assert.ok(performance.now() - since > 2 * wedgeMs, 'it was slow');
    assert.equal(peer.connections.length, 2);
    assert.equal(one.fpm['connection-errors'], 1);
  });

  test('garbage ends the connection, counted and said, and the next is told everything', async () => {
    port = await peer.listen();
    furnish(one);
    await settled(one);
    start(one, port);
    const garbage: [Buffer, RegExp][] = [
      [Buffer.from('GET / HTTP/1.1\r\n\r\n'), /a frame of version 71/],
      [Buffer.from([1, 1, 0, 3]), /a frame of 3 bytes/],
      [frame(Buffer.alloc(20)), /a netlink message of 0 bytes where 20 are left/],
    ];
    for (const [i, [bytes, said]] of garbage.entries()) {
      await until(() => peer.connections.length === i + 1, { what: () => described(one) });
      await inStep(one, peer);
      peer.last.socket.write(bytes);
      await until(() => one.log.some(line => said.test(line)), { what: () => `${said}: ${described(one)}` });
      await until(() => one.fpm['connection-errors'] === i + 1, { what: () => described(one) });
    }
    await until(() => peer.connections.length === garbage.length + 1, { what: () => described(one) });
    await inStep(one, peer);
    await agrees(one, peer.last.messages);
  });

  test('without nexthop groups routes carry their paths, and go with their objects', async () => {
    port = await peer.listen();
    furnish(one);
    one.want({ kind: 'system', word: 0x1e000000, hosts: [4, 5] });
    await settled(one);
    start(one, port, { nexthopGroups: false });
    await inStep(one, peer);
    const { messages } = peer.last;
    assert.ok(!messages.some(message => typeOf(message) === RTM_NEWNEXTHOP));
    assert.equal((await agrees(one, messages, false)).size, 0);
    const copy = lab.namespaces.at(-1)!;
    const [system] = await copy.ipJson<ShownRoute[]>('-N', 'route', 'show', '30.0.0.0/24');
    assert.deepEqual(
      system!.nexthops!.map(({ gateway, weight }) => `${gateway} ${weight}`),
      ['10.1.0.4 1', '10.1.0.5 2'],
    );
    // No route changes, only what its object leads to.
    const { replays } = one;
    one.want({ kind: 'path', id: 8, host: 9 });
    one.want({ kind: 'group', id: 20, members: [8] });
    await until(() => one.replays > replays, { what: () => described(one) });
    await inStep(one, peer);
    await agrees(one, messages, false);
    assert.equal(peer.connections.length, 1);
  });

  test('without route replace what is there is deleted before', async () => {
    port = await peer.listen();
    furnish(one);
    await settled(one);
    start(one, port, { routeReplace: false });
    await inStep(one, peer);
    const { messages } = peer.last;
    assert.ok(!messages.some(message => typeOf(message) === RTM_DELROUTE), 'a replay is from nothing');
    const count = messages.length;
    one.want(route(0, 8));
    one.want({ kind: 'route', word: 0x15000000, length: 24, id: 7 });
    await inStep(one, peer);
    assert.deepEqual(messages.slice(count).map(typeOf), [RTM_DELROUTE, RTM_NEWROUTE, RTM_DELROUTE, RTM_NEWROUTE]);
    // Of the new one there was nothing to delete.
    assert.deepEqual([...(await agrees(one, messages))], [[ESRCH, 1]]);
  });

  test('what the peer says of its hardware reaches zebra, all of it', async () => {
    port = await peer.listen();
    furnish(one);
    await settled(one);
    start(one, port);
    await inStep(one, peer);
    const buffer = new MessageBuffer(128);
    const reflect = (i: number, flags: number): Buffer => {
      const length = encodeRoute(buffer, 0, 0, 0, 2, 254, 0x14000000 + i * 256, 0, 0, 0, 24, 186, 1, 20, 7);
      const message = Buffer.from(buffer.bytes.subarray(0, length));
      message.writeUInt32LE(flags, 24);
      return message;
    };
    // Byte by byte, and in frames of several, and a frame of a kind that is not netlink's.
    for (const byte of frame(reflect(1, 0x4000))) peer.last.socket.write(Buffer.from([byte]));
    const foreign = frame(Buffer.alloc(8));
    foreign[1] = 2;
    peer.last.socket.write(
      Buffer.concat([foreign, frame(Buffer.concat([reflect(2, 0x8000), reflect(3, 0x20000000)]))]),
    );
    await until(() => one.notices.length === 3, { what: () => JSON.stringify(one.notices) });
    const id = one.dataplane.pipeline.providers.find(provider => provider.name === 'fpm')!.id;
    assert.deepEqual(one.notices, [
      { provider: id, flags: FLAG_OFFLOADED, word: 0x14000100, length: 24 },
      { provider: id, flags: FLAG_TRAPPED, word: 0x14000200, length: 24 },
      { provider: id, flags: FLAG_OFFLOAD_FAILED, word: 0x14000300, length: 24 },
    ]);
    // More than there are contexts for, at once.
    one.notices.length = 0;
    const many = Array.from({ length: 50_000 }, (_, i) => frame(reflect(i, 0x4000)));
    peer.last.socket.write(Buffer.concat(many));
    await until(() => one.notices.length === many.length, {
      timeoutMs: 30_000,
      what: () => String(one.notices.length),
    });
    assert.ok(
      one.notices.every(({ word }, i) => word === 0x14000000 + i * 256),
      'in their order',
    );
  });

  test('a worker that dies is passed by, and started again tells everything', async () => {
    port = await peer.listen();
    furnish(one, 20_000);
    await settled(one);
    const die = new SharedArrayBuffer(4);
    peer.slowMs = 5;
    start(one, port, { die }, EXITS);
    await until(() => peer.connections[0] !== undefined && peer.last.bytes > 100_000, { what: () => described(one) });
    Atomics.store(new Int32Array(die), 0, 1);
    const state = (): string => one.dataplane.pipeline.providers.find(provider => provider.name === 'fpm')!.state;
    await until(() => state() !== 'running', { what: () => described(one) });
    assert.match(state(), /^its thread ended/);
    assert.ok(one.log.includes('fpm: its thread ended with exit code 7'), JSON.stringify(one.log));
    await until(() => !peer.last.open, { what: 'the connection to end' });
    one.want(route(0, 20));
    await settled(one);
    assert.deepEqual(one.errors, []);
    assert.equal(one.dataplane.pipeline.stats.errors.route, 0, 'what it had not answered is no error of a route');
    Atomics.store(new Int32Array(die), 0, 0);
    peer.slowMs = 0;
    assert.equal(one.dataplane.pipeline.restart('fpm'), undefined);
    await until(() => peer.connections.length === 2, { what: () => described(one) });
    await inStep(one, peer);
    await agrees(one, peer.last.messages);
  });

  test('is configured and shown as FRR is', async () => {
    const ns = await network('frr');
    const zebra = await startFrr(lab, ns, 'zebra', 'fpm address 127.0.0.1 port 4711\n', {
      args: ['-M', 'dplane_fpm_nl'],
    });
    const frrText = await zebra.sh('show fpm counters');
    const frrJson = JSON.parse(await zebra.sh('show fpm counters json')) as Record<string, number>;
    const command = (beginning: string): (typeof fpmCommands)[number] =>
      fpmCommands.find(({ syntax }) => syntax.startsWith(beginning))!;
    const show = (beginning: string, json: boolean): unknown =>
      command(beginning).run!(one.dataplane, json ? { json: true } : {}, { terminalLength: 0 });
    const configure = (beginning: string, args: Record<string, string | number>): unknown =>
      command(beginning).config!.apply(one.dataplane, args, []);
    const remove = (beginning: string, args: Record<string, string | number> = {}): unknown =>
      command(beginning).config!.remove(one.dataplane, args, []);

    assert.deepEqual(show('show fpm status', true), {
      connected: false,
      inStep: false,
      sentBytes: 0,
      useNHG: true,
      useRouteReplace: true,
      disabled: true,
      address: 'Unknown',
      port: 2620,
    });
    port = await peer.listen();
    configure('fpm address', { address: '127.0.0.1', port });
    await inStep(one, peer);
    const text = String(show('show fpm counters', false));
    const json = show('show fpm counters', true) as Record<string, number>;
    assert.deepEqual(Object.keys(json), Object.keys(frrJson));
    assert.equal(json['user-configures'], 1);
    const labels = (from: string): string[] =>
      from
        .trimEnd()
        .split('\n')
        .map(line => line.replace(/\d+$/, ''));
    assert.deepEqual(labels(text), labels(frrText));

    // Another port, and IPv6: the one before is let go of.
    const other = new Peer();
    const port6 = await other.listen(0, '::1');
    configure('fpm address', { address: '::1', port: port6 });
    await until(() => other.connections.length === 1 && !peer.last.open, { what: () => described(one) });
    await inStep(one, other);
    remove('fpm use-next-hop-groups');
    remove('fpm use-route-replace');
    await until(() => other.connections.length >= 2 && one.fpm['useRouteReplace'] === false, {
      what: () => described(one),
    });
    await inStep(one, other);
    assert.match(
      String(show('show fpm status', false)),
      /::1 port \d+\n.*connected, told everything\n.* \d+ bytes\n.*no\n.*no\n/,
    );
    remove('fpm address');
    await until(() => !other.last.open, { what: 'the connection to end' });
    assert.equal((show('show fpm counters', true) as Record<string, number>)['user-disables'], 1);
    void command('clear fpm counters').run!(one.dataplane, {}, { terminalLength: 0 });
    assert.ok(Object.values(show('show fpm counters', true) as Record<string, number>).every(value => value === 0));
    await other.close();
  });
});

describe('a stream of frames', () => {
  test('is cut into its messages wherever it is torn', () => {
    const messages = Array.from({ length: 9 }, (_, i) => {
      const message = Buffer.alloc(16 + 4 * i, i);
      message.writeUInt32LE(message.length, 0);
      return message;
    });
    const stream = Buffer.concat([
      frame(messages[0]!),
      frame(Buffer.concat(messages.slice(1, 4))),
      Buffer.from([1, 1, 0, 4]),
      ...messages.slice(4).map(message => frame(message)),
    ]);
    for (let piece = 1; piece <= stream.length; piece++) {
      const reader = new FrameReader();
      const got: Buffer[] = [];
      for (let at = 0; at < stream.length; at += piece) {
        reader.add(stream.subarray(at, at + piece));
        for (let message = reader.peek(); message !== undefined; message = reader.peek()) {
          got.push(Buffer.from(message));
          reader.drop();
        }
      }
      assert.deepEqual(got, messages);
    }
  });

  test('is refused where it is none', () => {
    const refused = (bytes: Buffer): void => {
      const reader = new FrameReader();
      reader.add(bytes);
      assert.throws(() => reader.peek(), FrameError);
    };
    refused(Buffer.from([2, 1, 0, 8]));
    refused(Buffer.from([1, 1, 0, 0]));
    const long = Buffer.alloc(16);
    long.writeUInt32LE(17, 0);
    refused(frame(long));
    refused(frame(Buffer.alloc(3)));
  });
});

describe('the counters', () => {
  test('count past 32 bits, and begin again at 0 but for what is level', () => {
    const counters = new FpmCounters();
    const other = new FpmCounters(counters.memory);
    for (let i = 0; i < 5; i++) counters.count('bytes-sent', 2 ** 30 + 1);
    counters.level('obuf-bytes', 7);
    counters.level('obuf-bytes', 5);
    assert.equal(other.get('bytes-sent'), 5 * (2 ** 30 + 1));
    assert.deepEqual([other.get('obuf-bytes'), other.get('obuf-bytes-peak')], [5, 7]);
    other.clear();
    assert.deepEqual(
      [counters.get('bytes-sent'), counters.get('obuf-bytes'), counters.get('obuf-bytes-peak')],
      [0, 5, 0],
    );
  });
});

describe('the lines of FPM', () => {
  const grammar = new Grammar([commandSet('dplane', fpmCommands)]);

  test('are read and kept as FRR keeps them', () => {
    assert.deepEqual(grammar.faults(), []);
    const kept = (text: string): string => {
      const { tree, problems } = loadConfig(grammar, text, 'test.conf');
      assert.deepEqual(problems, []);
      return tree.text;
    };
    assert.match(
      kept('fpm address 10.0.0.1\nfpm address 2001:db8::1 port 2000\n'),
      /^fpm address 2001:db8::1 port 2000$/m,
    );
    assert.doesNotMatch(kept('fpm address 10.0.0.1\nno fpm address\n'), /fpm/);
    assert.doesNotMatch(kept('fpm address 10.0.0.1 port 9\nno fpm address 10.0.0.1 port 9\n'), /fpm/);
    assert.match(kept('no fpm use-next-hop-groups\n'), /^no fpm use-next-hop-groups$/m);
    assert.doesNotMatch(kept('no fpm use-route-replace\nfpm use-route-replace\n'), /fpm/);
  });
});
