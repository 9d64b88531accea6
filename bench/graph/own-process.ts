// One measurement in a process of its own, because what the engine compiles depends on everything that the process has run; and in a network
// of its own, because some graphs have interfaces.
import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

/** What the program of this module prints. */
export async function ownProcess(url: string, ...args: readonly string[]): Promise<string> {
  const argv = ['--net', process.execPath, ...process.execArgv, fileURLToPath(url), ...args];
  return (await promisify(execFile)('unshare', argv)).stdout;
}
