// When a link's state is announced by the kernel, as ip(8) prints it with its time. Times are milliseconds since the epoch.
import { spawn } from 'node:child_process';

export interface LinkState {
  readonly name: string;
  readonly up: boolean;
  readonly atMs: number;
}

export function epochMs(): number {
  return performance.timeOrigin + performance.now();
}

/** What the kernel says of this namespace's links from now on. */
export function kernelLinks(tell: (state: LinkState) => void): () => void {
  const monitor = spawn('ip', ['-ts', '-o', 'monitor', 'link'], { stdio: ['ignore', 'pipe', 'inherit'] });
  let text = '';
  monitor.stdout.on('data', chunk => {
    text += String(chunk);
    for (let end = text.indexOf('\n'); end >= 0; end = text.indexOf('\n')) {
      const [, time, name, flags] = /^\[([\d:T.-]+)\] \d+: ([^:@]+)[^<]*<([^>]*)>/.exec(text) ?? [];
      text = text.slice(end + 1);
      if (time === undefined || name === undefined) continue;
      const [seconds, micros] = time.split('.') as [string, string];
      tell({ name, up: flags!.includes('LOWER_UP'), atMs: new Date(seconds).getTime() + Number(micros) / 1000 });
    }
  });
  return () => monitor.kill();
}
