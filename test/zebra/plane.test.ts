// zebra's plane over a dataplane that is full: what is asked once only is not lost, and goes before the next routes.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  contextPool,
  KIND_LINK,
  NO_DETAIL,
  OP_ADDRESS_INSTALL,
  OP_DUMP_BEGIN,
  OP_DUMP_END,
  OP_LINK,
  OP_LINK_GONE,
  OP_LINK_SET,
  OP_NEXTHOP_GONE,
  OP_RESYNC,
  OP_ROUTE,
  OP_ROUTE_GONE,
  OP_ROUTE_INSTALL,
  operationName,
} from '../../src/dataplane/index.ts';
import { HandleProducer, TaskLoop } from '../../src/concurrency/index.ts';
import { DataplanePlane } from '../../src/zebra/dataplane.ts';
import { readSpeeds } from '../../src/zebra/interface/speed.ts';
import type { PlaneEvents } from '../../src/zebra/plane.ts';
import { runZebra } from '../../src/zebra/run.ts';
import { World } from '../dataplane/world.ts';
import { until } from '../lib/wait.ts';

test('of the kernel’s links, addresses, objects and dumps the kernel tells alone, of routes a provider too', () => {
  const world = new World(8);
  const plane = new DataplanePlane(world.client);
  const pool = contextPool(world.channel.notifications);
  const up = new HandleProducer(world.channel.up);
  const heard: string[] = [];
  const events = new Proxy({} as PlaneEvents, {
    get:
      (_, name): (() => void) =>
      () =>
        void heard.push(String(name)),
  });
  const tell = (provider: number): string[] => {
    heard.length = 0;
    for (const op of [OP_DUMP_BEGIN, OP_LINK_GONE, OP_NEXTHOP_GONE, OP_ROUTE, OP_ROUTE_GONE, OP_DUMP_END]) {
      const handle = pool.allocate(op);
      if (op === OP_DUMP_BEGIN || op === OP_DUMP_END) pool.setKinds(handle, KIND_LINK);
      pool.setProvider(handle, provider);
      up.push(handle);
    }
    up.publish();
    plane.poll(events, 100);
    return heard;
  };
  assert.deepEqual(tell(7), ['routeOutcome', 'routeMissed']);
  assert.deepEqual(tell(0), ['dumpBegin', 'linkGone', 'nexthopGone', 'routeOutcome', 'route', 'routeGone', 'dumpEnd']);
  world.close();
});

test('commands and dumps that find no room wait for it, in their order, and before any route', () => {
  const world = new World(8);
  const plane = new DataplanePlane(world.client);
  const seen: number[] = [];
  let early = 0;
  world.pipeline.register({
    name: 'sees',
    priority: 'pre-kernel',
    process(work) {
      for (let handle = work.take(); handle >= 0; handle = work.take()) {
        seen.push(work.pool.op(handle));
        work.finish(handle);
      }
    },
    finish: () => void early++,
  });
  let next = 0;
  const fill = (): void => {
    for (; plane.room() > 0; next++) plane.routeInstall(next, 0, 254, 2, next << 8, 0, 0, 0, 24, 186, 1, 300, 20, 0);
    plane.flush();
  };
  // Whatever comes back makes zebra send the next route.
  const events = new Proxy({} as PlaneEvents, { get: () => (): void => {} });
  const turn = (): void => {
    world.pipeline.cycle();
    world.pipeline.publish();
    plane.poll(events, 4);
    fill();
  };
  fill();
  plane.linkFlags(3, 1, 0);
  plane.address(true, 3, 2, [0x0a000001, 0, 0, 0], 24);
  plane.requestResync(KIND_LINK);
  plane.finishing();
  for (let i = 0; i < 4; i++) turn();
  assert.deepEqual(seen.slice(0, 11).map(operationName), [
    ...Array.from({ length: 8 }, () => operationName(OP_ROUTE_INSTALL)),
    ...[OP_LINK_SET, OP_ADDRESS_INSTALL, OP_RESYNC].map(operationName),
  ]);
  assert.equal(early, 1, 'FINISH is for the pipeline itself');
  assert.equal(world.client.stats().requests.refused, 0);
  world.close();
});

test('what a dataplane told before zebra was there is heard by all who listen to zebra', async t => {
  const world = new World(8);
  const pool = contextPool(world.channel.notifications);
  const up = new HandleProducer(world.channel.up);
  const handle = pool.allocate(OP_LINK);
  const numbers = { ifindex: 3, flags: 0, mtu: 1500, hardwareType: 1, link: 0, master: 0, operState: 0 };
  assert.ok(pool.setLink(handle, { ...numbers, name: 'eth0', mac: new Uint8Array(6), detail: NO_DETAIL }));
  up.push(handle);
  up.publish();
  const loop = new TaskLoop('zebra');
  t.after(() => {
    loop.close();
    world.close();
  });
  const { zebra } = runZebra(loop, new DataplanePlane(world.client));
  readSpeeds(zebra.interfaces, async name => name.length);
  await until(() => zebra.interfaces.byName('eth0')?.speed === 4, { what: 'the speed of eth0' });
});
