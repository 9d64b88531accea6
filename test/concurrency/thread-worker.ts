// The worker of thread.test.ts; `mode` says how it behaves.
import { PollLoop, threadSide } from '../../src/concurrency/index.ts';

const side = threadSide<{ mode: string }>();
const { mode } = side.data;

side.onRequest(body => {
  if (body === 'throw') throw new RangeError('no such thing');
  if (body === 'later') return new Promise(resolve => setTimeout(() => resolve('later'), 5));
  if (body === 'never') return new Promise(() => {});
  return { name: side.name, body };
});
side.onMessage(body => {
  if (body === 'crash') throw new Error('crashed on purpose');
  if (body === 'spin') for (;;);
  side.post({ echo: body });
});
side.onStop(how => side.post(`stopping: ${how}`));

if (mode === 'fail') throw new Error('cannot start');
if (mode !== 'late') side.ready();
if (mode === 'poll') {
  const loop = new PollLoop(side.name);
  loop.doorbell('control', side.bell, () => side.poll() > 0);
  loop.run();
} else if (mode === 'wait') {
  for (;;) {
    side.bell.armWait();
    if (side.poll() === 0) side.bell.sleep();
    else side.bell.disarm();
  }
}
