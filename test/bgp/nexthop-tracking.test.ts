// Next hops that another instance finds, while instances go and come under the same number.
import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { Interfaces } from '../../src/bgp/interfaces.ts';
import { NexthopTracker } from '../../src/bgp/nexthop-tracking.ts';
import { NexthopTable } from '../../src/bgp/rib/index.ts';
import { Vrf } from '../../src/bgp/vrf.ts';
import { TaskLoop } from '../../src/concurrency/index.ts';
import { formatPrefix, parsePrefix } from '../../src/net/index.ts';
import { until } from '../lib/wait.ts';

const loop = new TaskLoop('trackers');
after(() => loop.close());

test('a next hop is followed by whoever has the instance’s number now', async () => {
  const trackers = new Map<number, NexthopTracker>();
  const make = (asked: string[]): { tracker: NexthopTracker; nexthops: NexthopTable } => {
    const nexthops: NexthopTable = new NexthopTable(
      id => tracker.track(id),
      id => tracker.forget(id),
    );
    const tracker = new NexthopTracker({
      nexthops,
      families: [],
      vrf: new Vrf('default'),
      interfaces: new Interfaces(),
      zebra: {
        register: (_, prefix) => void asked.push(formatPrefix(prefix)),
        unregister: (_, prefix) => void asked.splice(asked.indexOf(formatPrefix(prefix)), 1),
      },
      bgp: {
        loop,
        wallMs: () => 0,
        numbered: number => {
          const found = trackers.get(number);
          return found && { tracker: found };
        },
      },
    });
    return { tracker, nexthops };
  };
  const [own, first, second] = [[], [], []] as [string[], string[], string[]];
  const blue = make(own);
  const red = make(first);
  trackers.set(2, red.tracker);
  const id = blue.nexthops.intern(Uint8Array.of(10, 0, 0, 2), 0, 4, 2);
  blue.nexthops.track(id);
  assert.deepEqual([own, first], [[], ['10.0.0.2/32']]);
  // The instance goes, and another one has its number before the paths that led there have all gone.
  trackers.delete(2);
  red.tracker.close();
  blue.tracker.interfacesChanged();
  const again = make(second);
  trackers.set(2, again.tracker);
  blue.tracker.interfacesChanged();
  assert.deepEqual([first, second], [[], ['10.0.0.2/32']]);
  const prefix = parsePrefix('10.0.0.2/32')!;
  const nowhere = { gateway: [0, 0, 0, 0] as const, blackhole: 0, weight: 0, labels: [] };
  const update = { message: 0, safi: 1, match: prefix, resolved: prefix, color: 0, routeType: 2, instance: 0 };
  const hop = { vrf: 0, type: 1, flags: 0, ifindex: 1, ...nowhere };
  assert.equal(again.tracker.settled, false);
  again.tracker.updated({ ...update, distance: 0, metric: 7, nexthops: [hop] });
  assert.deepEqual([blue.nexthops.reachable[id], blue.nexthops.metric[id]], [1, 7]);
  // Known, and yet no route follows it before the tables have heard.
  assert.deepEqual([again.tracker.settled, blue.tracker.settled], [true, false]);
  await until(() => blue.tracker.settled, { what: 'the tables to be told' });
  again.tracker.updated({ ...update, distance: 0, metric: 0, nexthops: [] });
  assert.equal(blue.nexthops.reachable[id], 0);
  blue.nexthops.release(id);
  assert.deepEqual(second, []);
});
