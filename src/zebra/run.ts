// One zebra on a thread's loop: its slices, its timers, and the doorbell of its dataplane. The thread's own and a rehearsal's
// are run the same way.
import { MarkQueue, type TaskLoop } from '../concurrency/index.ts';
import type { DataplanePlane } from './dataplane.ts';
import { Zebra } from './zebra.ts';

export interface RunningZebra {
  readonly zebra: Zebra;
  /** Destinations that wait to be decided. */
  readonly queue: MarkQueue;
  /** Hears no more of the dataplane. */
  readonly close: () => void;
}

export function runZebra(loop: TaskLoop, plane: DataplanePlane, log: (text: string) => void = () => {}): RunningZebra {
  const { client } = plane;
  const shouldYield = (): boolean => loop.shouldYield();
  const queue = new MarkQueue(loop, {
    name: 'rib process',
    slice: () => zebra.process(shouldYield),
    items: () => zebra.rib.dirty,
    processed: () => zebra.rib.stats.decided,
    blocked: () => zebra.rib.blocked,
  });
  const feed = loop.work('feed of followers', () => zebra.followers.run(shouldYield));
  const zebra: Zebra = new Zebra(plane, {
    wake: () => queue.wake(),
    hold: ms => (queue.holdMs = ms),
    wakeFeed: () => feed.wake(),
    // Short-lived and rare: retries, and clients whose routes are retained.
    log,
    later: (ms, fn) => loop.timer('zebra timer', fn).start(ms),
    nowS: () => Math.floor(performance.now() / 1000),
  });
  const bell = loop.doorbell('dataplane results', client.bell, () => {
    // An event waits behind the results before it, so these are taken while the slice lasts.
    while (zebra.receive() && !loop.shouldYield());
    return client.pending;
  });
  return { zebra, queue, close: () => bell.close() };
}
