// A worker of watch.test.ts: ends, as it is told, while a descriptor that it watches is readable.
import { workerData } from 'node:worker_threads';
import { watchFd } from '../../src/sys/index.ts';

const { fd, how } = workerData as { fd: number; how: 'exit' | 'throw' };
let seen = false;
watchFd(fd, { readable: true }, () => {
  if (seen) return;
  seen = true;
  if (how === 'exit') setImmediate(() => process.exit(0));
  else throw new Error('thrown with a watch open');
});
