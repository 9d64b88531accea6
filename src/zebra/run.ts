// One zebra on a thread's loop: its slices, its timers, and the doorbell of its dataplane; and those of other network namespaces
// beside it, over the same dataplane. The thread's own and a rehearsal's are run the same way.
import { MarkQueue, type TaskLoop } from '../concurrency/index.ts';
import type { DataplanePlane } from './dataplane.ts';
import type { Plane } from './plane.ts';
import { Zebra, type ZebraHooks, type ZebraPlace } from './zebra.ts';

export interface RunningZebra {
  readonly zebra: Zebra;
  /** Destinations that wait to be decided. */
  readonly queue: MarkQueue;
  /** Runs one more, until `end`. */
  readonly begin: (plane: Plane, place: ZebraPlace) => Zebra;
  readonly end: (zebra: Zebra) => void;
  /** Hears no more of the dataplane. */
  readonly close: () => void;
}

const receive = (zebra: Zebra): boolean => zebra.receive();

export function runZebra(
  loop: TaskLoop,
  plane: DataplanePlane,
  log: (text: string) => void = () => {},
  place: ZebraPlace = {},
): RunningZebra {
  const { client } = plane;
  const shouldYield = (): boolean => loop.shouldYield();
  /** The first hears of the dataplane for all. */
  const all: Zebra[] = [];
  const each = (work: (zebra: Zebra) => boolean): boolean => {
    let more = false;
    for (let i = 0; i < all.length; i++) if (work(all[i]!)) more = true;
    return more;
  };
  const sum = (count: (zebra: Zebra) => number): number => all.reduce((total, one) => total + count(one), 0);
  const queue = new MarkQueue(loop, {
    name: 'rib process',
    slice: () => each(one => one.process(shouldYield)),
    items: () => sum(one => one.rib.dirty),
    processed: () => sum(one => one.rib.stats.decided),
    blocked: () => all.some(one => one.rib.blocked),
  });
  const feed = loop.work('feed of followers', () => zebra.followers.run(shouldYield));
  const hooks: ZebraHooks = {
    wake: () => queue.wake(),
    hold: ms => (queue.holdMs = ms),
    wakeFeed: () => feed.wake(),
    // Short-lived and rare: retries, and clients whose routes are retained.
    log,
    later: (ms, fn) => loop.timer('zebra timer', fn).start(ms),
    nowS: () => Math.floor(performance.now() / 1000),
  };
  const add = (its: Plane, where: ZebraPlace): Zebra => {
    const one = new Zebra(its, hooks, where);
    all.push(one);
    return one;
  };
  const zebra = add(plane, place);
  // What waits already is taken in the loop's next round: not before whoever called listens.
  const bell = loop.doorbell('dataplane results', client.bell, () => {
    // An event waits behind the results before it, so these are taken while the slice lasts.
    while (each(receive) && !loop.shouldYield());
    return client.pending;
  });
  const begin = (its: Plane, where: ZebraPlace): Zebra => {
    const one = add(its, where);
    // Nothing has come for it yet: this is how its plane knows who hears of what will.
    one.receive();
    return one;
  };
  const end = (one: Zebra): void => void all.splice(all.indexOf(one), 1);
  return { zebra, queue, begin, end, close: () => bell.close() };
}
