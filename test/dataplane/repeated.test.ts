// What the writer sends again, because something before it in the batch may do better the next time, was done already: it is told
// as it ended, not as what its repetition met.
import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import {
  FLAG_ALREADY,
  NO_DETAIL,
  OP_LINK_CREATE,
  OP_LINK_SET,
  OP_ROUTE_DELETE,
  OP_RULE_INSTALL,
} from '../../src/dataplane/index.ts';
import { E } from '../../src/sys/index.ts';
import { Lab } from '../lib/netns.ts';
import { ifindexOf, KernelWorld } from './kernel-world.ts';

const lab = new Lab();
after(() => lab.close());

const ZERO: readonly [number, number, number, number] = [0, 0, 0, 0];

test('behind a change that goes on failing, what was made, added and deleted is told as done by us', async () => {
  const ns = await lab.namespace('again');
  for (const line of [
    'ip link add br0 type bridge',
    'ip link add v0 type veth peer name v1',
    'ip link add m0 link v0 type macvlan mode bridge',
    'ip route add blackhole 10.9.0.0/24 proto 186 metric 20',
  ])
    await ns.run(...(line.split(' ') as [string]));
  const world = new KernelWorld(ns);
  try {
    await world.ready();
    const [v0, br0] = [await ifindexOf(ns, 'v0'), await ifindexOf(ns, 'br0')];
    // What has a macvlan on it cannot be a port: EBUSY, for ever.
    world.send(OP_LINK_SET, 1, (pool, handle) =>
      pool.setLinkChange(handle, { ifindex: v0, flags: 0, change: 0, master: br0 }),
    );
    world.send(OP_LINK_CREATE, 2, (pool, handle) => {
      const name = { ifindex: 0, name: 'made', flags: 0, mtu: 0, mac: new Uint8Array(0) };
      const rest = { hardwareType: 0, link: 0, master: 0, operState: 0, detail: { ...NO_DETAIL, kind: 'bridge' } };
      pool.setLink(handle, { ...name, ...rest });
    });
    world.route(3, 0x0a090000, 0, OP_ROUTE_DELETE);
    world.send(OP_RULE_INSTALL, 4, (pool, handle) => {
      const from = { source: ZERO, sourceLength: 0, destination: ZERO, destinationLength: 0 };
      const rest = { mark: 0, markMask: 0, inverted: false, protocol: 186, inputInterface: '', outputInterface: '' };
      pool.setRule(handle, { family: 2, priority: 100, action: 1, table: 5, ...from, ...rest });
    });
    // This one is not there, and nobody takes it away.
    world.route(5, 0x0a090100, 0, OP_ROUTE_DELETE);
    await world.results(5);
    assert.ok(world.dataplane.kernel.stats.retries > 0, 'they were sent again');
    assert.deepEqual(
      world.outcomes
        .map(({ object, errno, flags }) => [object, errno, (flags & FLAG_ALREADY) !== 0])
        .toSorted(([a], [b]) => Number(a) - Number(b)),
      [
        [1, E.EBUSY, false],
        [2, 0, false],
        [3, 0, false],
        [4, 0, false],
        [5, 0, true],
      ],
    );
    assert.equal((await ns.ipJson<unknown[]>('link', 'show', 'made')).length, 1);
    assert.deepEqual(await ns.ipJson('route', 'show', '10.9.0.0/24'), []);
  } finally {
    await world.close();
  }
});
