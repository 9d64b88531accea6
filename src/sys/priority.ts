// Which thread goes first when there are more of them than processors. Linux keeps a nice value for each thread.
import { setPriority } from 'node:os';
import { libc } from './libc.ts';

/**
 * Gives the calling thread the nice value (−20 = first … 19). Raising it needs CAP_SYS_NICE: without, the thread stays as it
 * is, and false says so.
 */
export function setThreadNice(nice: number): boolean {
  try {
    setPriority(libc.gettid(), nice);
    return true;
  } catch {
    return false;
  }
}
