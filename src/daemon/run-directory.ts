// The run directory belongs to one daemon: it holds a lock on RUN_DIR/grevy.pid for as long as it lives. The kernel lets go
// of the lock however the daemon ends, so nothing has to be cleaned up after a kill -9, and a process number used again
// means nothing.
import {
  closeSync,
  constants,
  ftruncateSync,
  mkdirSync,
  openSync,
  readFileSync,
  statSync,
  unlinkSync,
  writeSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { addressOf, E, errno, libc, SysError } from '../sys/index.ts';

// Open file description locks (fcntl(2)): one process cannot take its own lock away by accident.
const F_OFD_SETLK = 37;
const F_WRLCK = 1;

export class RunDirectoryInUse extends Error {}

export interface RunDirectory {
  readonly path: string;
  /** Removes the pid file and lets go of the lock. */
  release(): void;
}

/** With its parents. Not by mkdir's own `recursive`, which never returns where a file system takes no directories (/proc). */
function makeDirectory(path: string): void {
  const make = (): void => {
    try {
      mkdirSync(path, 0o755);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST' || !statSync(path).isDirectory()) throw error;
    }
  };
  try {
    make();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    makeDirectory(dirname(path));
    make();
  }
}

/** Makes the directory where it is missing, and takes it; throws RunDirectoryInUse where another daemon has it. */
export function takeRunDirectory(path: string): RunDirectory {
  makeDirectory(path);
  const file = join(path, 'grevy.pid');
  const fd = openSync(file, constants.O_RDWR | constants.O_CREAT, 0o644);
  // struct flock: type and whence (16 bits each), 4 bytes of padding, start and length (64 bits each): 0, 0 is all of it.
  const lock = new Uint8Array(32);
  new DataView(lock.buffer).setInt16(0, F_WRLCK, true);
  const result = libc.fcntl(fd, F_OFD_SETLK, Number(addressOf(lock)));
  const code = errno();
  // `lock` is passed by its address: it must still be reachable here.
  if (result < 0 && lock.length > 0) {
    const holder = readFileSync(file, 'utf8').trim();
    closeSync(fd);
    if (code !== E.EAGAIN && code !== E.EACCES) throw new SysError('fcntl(F_OFD_SETLK)', code, file);
    throw new RunDirectoryInUse(
      `${path} is in use by another daemon (process ${holder || 'unknown'}); use another --run-dir`,
    );
  }
  ftruncateSync(fd);
  writeSync(fd, `${process.pid}\n`);
  return {
    path,
    release(): void {
      unlinkSync(file);
      closeSync(fd);
    },
  };
}
