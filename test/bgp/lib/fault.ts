// Preloaded into every thread of a daemon (NODE_OPTIONS=--import): a thread dies of an exception when a file with its name
// appears in the directory that GREVY_FAULTS names, as it would of a mistake of ours.
import { existsSync, unlinkSync } from 'node:fs';
import { join } from 'node:path';
import { isMainThread, threadName } from 'node:worker_threads';

const directory = process.env['GREVY_FAULTS'];
if (!isMainThread && directory !== undefined) {
  const file = join(directory, threadName ?? '');
  setInterval(() => {
    if (!existsSync(file)) return;
    unlinkSync(file);
    throw new Error('a fault injected by a test');
  }, 20).unref();
}
