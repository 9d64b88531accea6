// A member of a group in supervisor.test.ts: counts in shared memory how often it started and how it was stopped.
import { threadSide } from '../../src/concurrency/index.ts';

const side = threadSide<{ counts: SharedArrayBuffer; failFrom?: number }>();
const counts = new Int32Array(side.data.counts);
const starts = Atomics.add(counts, 0, 1) + 1;
if (side.data.failFrom !== undefined && starts >= side.data.failFrom && starts < side.data.failFrom + 2) {
  throw new Error(`start ${starts} fails on purpose`);
}
side.onMessage(body => {
  if (body === 'crash') throw new Error('crashed on purpose');
  if (body === 'spin') for (;;);
});
side.onRequest(body => ({ name: side.name, body }));
side.onStop(how => {
  side.post(`stopped`);
  Atomics.add(counts, how === 'restart' ? 1 : 2, 1);
});
// Members become ready in another order than they are listed.
if (side.name === 'a') setTimeout(() => side.ready(), 100);
else side.ready();
