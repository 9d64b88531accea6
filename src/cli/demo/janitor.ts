// What a lab leaves when its process is killed (kill -9 gives no time to tidy up), a janitor clears away: a small shell
// process in a session of its own, which waits for the end of its standard input. A line there means that all was closed in
// order; the end without one, that we are dead. It knows our processes by a word in their environment, because the
// parent-death signal is lost by a daemon that changes its user, and then removes our directory.
import { spawn } from 'node:child_process';
import type { Socket } from 'node:net';

/** The environment variable that marks a lab's processes; its value is the lab's directory. */
export const MARK = 'GREVY_LAB';

const SCRIPT = `
read -r closed && exit 0
for try in 1 2 3 4 5 6 7 8 9 10; do
  left=$(grep -lsxzF "${MARK}=$1" /proc/[0-9]*/environ | cut -d/ -f3)
  [ -z "$left" ] && break
  kill -9 $left
  sleep 0.1
done
rm -rf -- "$1"
`;

/** Starts a janitor for what is marked with this directory; call the result when everything was closed in order. */
export function startJanitor(directory: string): () => void {
  const env = { ...process.env };
  delete env[MARK];
  const janitor = spawn('sh', ['-c', SCRIPT, 'grevy-janitor', directory], {
    detached: true,
    cwd: '/',
    env,
    stdio: ['pipe', 'ignore', 'ignore'],
  });
  janitor.on('error', () => {});
  janitor.unref();
  const pipe = janitor.stdin as unknown as Socket;
  pipe.on('error', () => {});
  pipe.unref();
  return () => void pipe.end('closed\n');
}
