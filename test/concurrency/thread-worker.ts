// The worker of thread.test.ts; `mode` says how it behaves.
import { PollLoop, TaskLoop, threadSide } from '../../src/concurrency/index.ts';
import { libc } from '../../src/sys/index.ts';

const side = threadSide<{ mode: string }>();
const { mode } = side.data;

side.onRequest(body => {
  if (body === 'throw') throw new RangeError('no such thing');
  if (body === 'later') return new Promise(resolve => setTimeout(() => resolve('later'), 5));
  if (body === 'never') return new Promise(() => {});
  return { name: side.name, body };
});
const loop = mode === 'poll' ? new PollLoop(side.name) : new TaskLoop(side.name);
const fd = libc.eventfd(1, 0o4000);
loop.io('readable for ever', fd, { readable: () => {} }).set({});
side.onMessage(body => {
  if (body === 'fd') {
    side.post(fd);
    return;
  }
  if (body === 'crash') throw new Error('crashed on purpose');
  if (body === 'spin') for (;;);
  side.post({ echo: body });
});
side.onStop(how => side.post(`stopping: ${how}`));

if (mode === 'fail') throw new Error('cannot start');
if (mode !== 'late') side.ready();
if (loop instanceof PollLoop) {
  loop.doorbell('control', side.bell, () => side.poll() > 0);
  loop.run();
} else if (mode === 'wait') {
  for (;;) {
    side.bell.armWait();
    if (side.poll() === 0) side.bell.sleep();
    else side.bell.disarm();
  }
}
