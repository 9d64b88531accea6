// What the capture writes, read by tshark: every message is there, in order, and says what was sent.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, test } from 'node:test';
import { World } from './world.ts';
import { temporaryDirectory } from '../lib/temporary.ts';
import { until } from '../lib/wait.ts';
import {
  Capture,
  type CaptureOptions,
  type CaptureStats,
  type ContextPool,
  contextPool,
  FLAG_DUMP,
  NO_DETAIL,
  OP_ADDRESS,
  OP_ADDRESS_DELETE,
  OP_ADDRESS_INSTALL,
  OP_DUMP_BEGIN,
  OP_LINK,
  OP_LINK_CREATE,
  OP_LINK_GONE,
  OP_LINK_SET,
  OP_NEIGHBOR,
  OP_NEIGHBOR_INSTALL,
  OP_NEXTHOP,
  OP_NEXTHOP_DELETE,
  OP_NEXTHOP_GONE,
  OP_NEXTHOP_INSTALL,
  OP_PROVIDER,
  OP_RESYNC,
  OP_ROUTE,
  OP_ROUTE_DELETE,
  OP_ROUTE_GONE,
  OP_ROUTE_INSTALL,
  OP_RULE,
  OP_RULE_INSTALL,
  operationName,
  PATH_DEAD,
  TestProvider,
} from '../../src/dataplane/index.ts';
import { captureCommands } from '../../src/dataplane/provider/capture/commands.ts';
import type { Dataplane } from '../../src/dataplane/dataplane.ts';
import { E } from '../../src/sys/index.ts';
import { commandHandler, commandSet, Grammar } from '../../src/vty/index.ts';

const FIELDS = [
  'frame.comment',
  'netlink.hdr_type',
  'frame.p2p_dir',
  'netlink.attr_data',
  'netlink-route.rta_oif',
  'netlink-route.rta_attr_type',
  'netlink-route.ifla_ifname',
  'netlink-route.ifa_address.ipv4',
  'netlink-route.nd_index',
  'netlink-route.nltype',
  '_ws.malformed',
  'frame.time_epoch',
  'netlink.hdr_flags',
] as const;
type Packet = Record<(typeof FIELDS)[number], string>;

function tshark(file: string): Packet[] {
  const fields = FIELDS.flatMap(field => ['-e', field]);
  const text = execFileSync('tshark', ['-r', file, '-T', 'fields', ...fields], { encoding: 'utf8', stdio: 'pipe' });
  return text
    .split('\n')
    .filter(line => line !== '')
    .map(line => {
      const values = line.split('\t');
      return Object.fromEntries(FIELDS.map((field, i) => [field, values[i] ?? ''])) as Packet;
    });
}

function capture(world: World, options: Partial<CaptureOptions> & { file: string }): void {
  const nameOf = (id: number): string => world.pipeline.providers.find(one => one.id === id)!.name;
  world.pipeline.register(new Capture({ nameOf, ...options }));
}

function stats(world: World): CaptureStats {
  return world.pipeline.status('capture') as unknown as CaptureStats;
}

/** Ends the capture, and waits until all is written. */
async function end(world: World): Promise<CaptureStats> {
  world.pipeline.finish(false);
  await until(() => world.pipeline.unfinished.length === 0, { what: 'the capture ends' });
  const last = stats(world);
  world.close();
  return last;
}

type Fill = (pool: ContextPool, handle: number) => void;

const NONE = [0, 0, 0, 0] as const;
const link = {
  ifindex: 5,
  name: 'eth0',
  flags: 0x1043,
  mtu: 1500,
  mac: Uint8Array.of(2, 0, 0, 0, 0, 1),
  hardwareType: 1,
  link: 0,
  master: 9,
  operState: 6,
  detail: { ...NO_DETAIL, kind: 'vxlan', kindId: 77, protoDown: true, protoDownReasons: 1, alias: 'x'.repeat(255) },
};
const address = {
  ifindex: 5,
  family: 2,
  local: [0x0a000001, 0, 0, 0],
  peer: [0x0a000001, 0, 0, 0],
  length: 24,
  flags: 128,
  scope: 0,
  label: 'eth0',
} as const;
const neighbor = {
  ifindex: 6,
  family: 2,
  address: [0x0a000002, 0, 0, 0],
  state: 2,
  flags: 0,
  extendedFlags: 0,
  mac: Uint8Array.of(2, 0, 0, 0, 0, 2),
  protocol: 186,
} as const;
const rule = {
  family: 2,
  priority: 1000,
  action: 1,
  table: 100,
  source: [0x0a000000, 0, 0, 0],
  sourceLength: 8,
  destination: NONE,
  destinationLength: 0,
  mark: 0,
  markMask: 0,
  inverted: false,
  protocol: 186,
  inputInterface: 'eth0',
  outputInterface: 'eth1',
} as const;

const route: Fill = (pool, handle) => pool.setRoute(handle, 254, 2, 0x0a010200, 0, 0, 0, 24, 186, 1, 20, 7);
const ids = Array.from({ length: 200 }, (_, i) => i + 1);

const requests: [number, Fill][] = [
  [OP_ROUTE_INSTALL, route],
  [OP_ROUTE_DELETE, route],
  [
    OP_NEXTHOP_INSTALL,
    (pool, handle) => {
      pool.setNexthop(handle, 0x01020304, 2, 186);
      pool.setPath(handle, 5, 2, 0x0a000009, 0, 0, 0, 0, 1);
    },
  ],
  [
    OP_NEXTHOP_INSTALL,
    (pool, handle) => {
      pool.setNexthop(handle, 8, 0, 186);
      assert.ok(pool.setMembers(handle, ids, ids));
    },
  ],
  [OP_NEXTHOP_DELETE, (pool, handle) => pool.setNexthop(handle, 8, 0, 186)],
  [OP_LINK_SET, (pool, handle) => pool.setLinkChange(handle, { ifindex: 5, flags: 1, change: 1, mtu: 9000 })],
  [OP_LINK_CREATE, (pool, handle) => assert.ok(pool.setLink(handle, link))],
  [OP_ADDRESS_INSTALL, (pool, handle) => pool.setAddress(handle, address)],
  [OP_ADDRESS_DELETE, (pool, handle) => pool.setAddress(handle, address)],
  [OP_NEIGHBOR_INSTALL, (pool, handle) => pool.setNeighbor(handle, neighbor)],
  [OP_RULE_INSTALL, (pool, handle) => assert.ok(pool.setRule(handle, rule))],
  [OP_RESYNC, (pool, handle) => pool.setKinds(handle, 8)],
];

const paths =
  (...gateways: [family: number, ...number[]][]): Fill =>
  (pool, handle) => {
    pool.setRoute(handle, 1000, 2, 0xc0a80000, 0, 0, 0, 16, 4, 1, 7, 0);
    let slot = handle;
    gateways.forEach(([family, w0 = 0, w1 = 0, w2 = 0, w3 = 0], i) => {
      if (i > 0) {
        const next = pool.allocate(OP_ROUTE);
        pool.setNext(slot, next);
        slot = next;
      }
      pool.setPath(slot, 11 + i, family, w0, w1, w2, w3, PATH_DEAD, 2);
    });
    pool.setCount(handle, gateways.length);
  };

const notifications: [number, Fill][] = [
  [OP_LINK, (pool, handle) => assert.ok(pool.setLink(handle, link))],
  [OP_LINK_GONE, (pool, handle) => assert.ok(pool.setLink(handle, link))],
  [OP_ADDRESS, (pool, handle) => pool.setAddress(handle, address)],
  [OP_ROUTE, route],
  [OP_ROUTE, paths([2, 0x0a000003])],
  [OP_ROUTE, paths([2, 0x0a000004], [10, 0xfe800000, 0, 0, 1], [0])],
  [OP_ROUTE_GONE, paths([2, 0x0a000003])],
  [
    OP_NEXTHOP,
    (pool, handle) => {
      pool.setNexthop(handle, 12, 2, 4);
      pool.setPath(handle, 5, 10, 0xfe800000, 0, 0, 2, 0, 1);
    },
  ],
  [OP_NEXTHOP_GONE, (pool, handle) => pool.setNexthop(handle, 12, 2, 4)],
  [
    OP_NEIGHBOR,
    (pool, handle) => {
      pool.setFlags(handle, FLAG_DUMP);
      pool.setNeighbor(handle, neighbor);
    },
  ],
  [OP_RULE, (pool, handle) => assert.ok(pool.setRule(handle, rule))],
  [OP_DUMP_BEGIN, (pool, handle) => pool.setKinds(handle, 8)],
  [OP_PROVIDER, (pool, handle) => pool.setEvent(handle, 1, 2)],
];

/** The numbers of <linux/rtnetlink.h>; 1 is NLMSG_NOOP. */
const TYPES = [24, 25, 104, 104, 105, 16, 16, 20, 21, 28, 32, 1].concat([
  16, 17, 20, 24, 24, 24, 25, 104, 105, 28, 32, 1, 1,
]);

describe('a capture', () => {
  test('holds every request with its result and every notification, as messages that tshark reads', async () => {
    const file = join(temporaryDirectory(), 'all.pcapng');
    const world = new World(512);
    world.pipeline.register(
      new TestProvider({ name: 'asic', priority: 'kernel', failOperation: 'ADDRESS_INSTALL', failErrno: E.ENOSPC }),
    );
    const startedS = Date.now() / 1000;
    capture(world, { file });
    for (const [op, fill] of requests) {
      world.send(1, fill, op);
      world.client.flush();
      world.run();
    }
    const pool = contextPool(world.channel.notifications);
    for (const [op, fill] of notifications) {
      const handle = pool.allocate(op);
      fill(pool, handle);
      world.pipeline.observe(pool, handle);
      pool.free(handle);
    }
    const last = await end(world);
    assert.deepEqual([last.state, last.messages, last.dropped, last.files], ['ended', TYPES.length, 0, 1]);

    const packets = tshark(file);
    const type = (packet: Packet): number => Number(packet['netlink-route.nltype'] || packet['netlink.hdr_type']);
    assert.deepEqual(packets.map(type), TYPES);
    for (const packet of packets) {
      assert.equal(packet['_ws.malformed'], '', packet['frame.comment']);
      assert.ok(Math.abs(Number(packet['frame.time_epoch']) - startedS) < 60);
    }
    assert.deepEqual(
      packets.map(packet => packet['frame.p2p_dir']),
      packets.map((_, i) => (i < requests.length ? '0' : '1')),
      'sent to the kernel, or received from it',
    );
    const comments = packets.map(packet => packet['frame.comment']);
    requests.forEach(([op], i) => {
      const how = op === OP_ADDRESS_INSTALL ? `failed with ENOSPC (${E.ENOSPC}) by asic` : 'done';
      if (op !== OP_RESYNC) assert.equal(comments[i], `${operationName(op)}: ${how}`);
    });
    assert.deepEqual(comments.slice(-2), ['DUMP_BEGIN kinds 8', 'PROVIDER asic: event 2']);

    // Words as they are in the message: addresses in network order, numbers in the machine's.
    const data = (i: number): string[] => packets[i]!['netlink.attr_data'].split(',');
    assert.deepEqual(data(0), ['0a010200', '14000000', '07000000'], 'destination, metric, nexthop id');
    const told = packets.slice(requests.length);
    assert.equal(told[0]!['netlink-route.ifla_ifname'], 'eth0');
    assert.equal(told[2]!['netlink-route.ifa_address.ipv4'], '10.0.0.1,10.0.0.1');
    assert.equal(told[4]!['netlink-route.rta_oif'], '11');
    assert.ok(told[4]!['netlink.attr_data'].includes('0a000003'));
    assert.ok(told[5]!['netlink.attr_data'].includes('0a000004'), 'one of several paths');
    assert.equal(Number(told[9]!['netlink.hdr_flags']) & 2, 2, 'an item of a dump');
    assert.equal(Number(told[0]!['netlink.hdr_flags']), 0, 'a notification is no request');
    const info = execFileSync('capinfos', [file], { encoding: 'utf8' });
    assert.match(info, /Encapsulation = Linux Netlink/);
    assert.match(info, new RegExp(`Number of packets: +${TYPES.length}\\n`));
  });

  test('begins another file when one is full, keeps as many as it may, and each is whole', async () => {
    const file = join(temporaryDirectory(), 'many.pcapng');
    const world = new World(1024);
    capture(world, { file, fileBytes: 8192, files: 3 });
    for (let from = 0; from < 1000; from += 100) {
      world.sendAll(from, from + 100);
      world.run();
    }
    const last = await end(world);
    assert.equal(last.dropped, 0);
    assert.ok(last.files > 3);
    const files = readdirSync(dirname(file)).toSorted();
    assert.deepEqual(files, ['many.pcapng', 'many.pcapng.1', 'many.pcapng.2']);
    const destinations = files
      .toReversed()
      .flatMap(name => {
        const path = join(dirname(file), name);
        assert.ok(statSync(path).size <= 8192);
        return tshark(path);
      })
      .map(packet => Number.parseInt(packet['netlink.attr_data'].slice(0, 8), 16));
    assert.ok(destinations.length > 100);
    const first = 1000 - destinations.length;
    assert.deepEqual(
      destinations,
      destinations.map((_, i) => 0x0a000000 + (first + i) * 256),
      'the last ones, in their order',
    );
  });

  test('counts what it has no room for, and delays nobody', async () => {
    const file = join(temporaryDirectory(), 'small.pcapng');
    const world = new World(1024);
    capture(world, { file, ringBytes: 1024 });
    world.sendAll(0, 500);
    assert.ok(world.run() < 10);
    assert.equal(world.results.length, 500);
    const last = await end(world);
    assert.ok(last.dropped > 100);
    assert.equal(last.messages + last.dropped, 500);
    assert.equal(tshark(file).length, last.messages);
  });

  test('that cannot write is fenced, and says why', async () => {
    const file = join(temporaryDirectory(), 'no', 'such', 'directory');
    const world = new World();
    capture(world, { file });
    await until(
      () => {
        world.run();
        return world.pipeline.providers[0]!.state !== 'running';
      },
      { what: 'it is fenced' },
    );
    assert.match(world.pipeline.providers[0]!.state, /ENOENT.*no such file/);
    assert.equal(stats(world).state, 'failed');
    world.sendAll(1, 3);
    world.run();
    assert.deepEqual(world.objects, [1, 2]);
    assert.ok(world.pipeline.unregister('capture'));
    world.run();
    assert.deepEqual(world.pipeline.providers, []);
    assert.equal(existsSync(file), false);
    world.close();
  });

  test('is begun, shown and ended by commands', async () => {
    const file = join(temporaryDirectory(), 'typed.pcapng');
    const world = new World();
    const set = commandSet('dplane', captureCommands);
    const grammar = new Grammar([set]);
    const handler = commandHandler(set, world as unknown as Dataplane);
    const type = async (line: string): Promise<string> => {
      const match = grammar.parse('exec', line.split(' '));
      assert.ok('args' in match, `${line}: ${JSON.stringify(match)}`);
      const command = set.commands.findIndex(one => one === match.entry.command);
      const reply = await handler({ vty: 'exec', id: 1, command, args: match.args, session: { terminalLength: 0 } });
      assert.ok(reply !== undefined && 'text' in reply, JSON.stringify(reply));
      return reply.text;
    };
    assert.deepEqual(grammar.faults(), []);
    assert.match(await type('show dplane capture'), /Nothing is captured/);
    await type(`dplane capture ${file} size 1 files 2`);
    world.sendAll(1, 4);
    world.run();
    assert.match(await type('show dplane capture'), /State: +writing\nMessages: +3\nBytes: +\d+\nDropped: +0\n/);
    assert.equal((JSON.parse(await type('show dplane capture json')) as CaptureStats).messages, 3);
    // Another one takes its place.
    await type(`dplane capture ${file}2`);
    world.sendAll(4, 5);
    world.run();
    await type('no dplane capture');
    assert.deepEqual(JSON.parse(await type('show dplane capture json')), {});
    await until(
      () => {
        world.run();
        return world.pipeline.providers.length === 0;
      },
      { what: 'both have ended' },
    );
    assert.deepEqual([tshark(file).length, tshark(`${file}2`).length], [3, 1]);
    world.close();
  });
});
