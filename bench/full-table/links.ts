// When a link's state is known, on both sides of zebra: by the kernel's announcement, as ip(8) prints it with its time, and by
// what zebra tells a client of its ZAPI socket. Times are milliseconds since the epoch.
import { spawn } from 'node:child_process';
import { connect } from 'node:net';
import { IFF_RUNNING } from '../../src/zebra/index.ts';
import { FRR_8_4_4, routeTypeNumber, ZapiClient } from '../../src/zapi/index.ts';

export interface LinkState {
  readonly name: string;
  readonly up: boolean;
  readonly atMs: number;
}

function epochMs(): number {
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

/** What the zebra behind a ZAPI socket says of links. */
export function zebraLinks(path: string, tell: (state: LinkState) => void): () => void {
  const client: ZapiClient = new ZapiClient({
    connect: events => {
      const socket = connect({ path });
      socket.on('connect', () => events.open());
      socket.on('data', (bytes: Buffer) => events.bytes(bytes, 0, bytes.length));
      socket.on('error', () => {});
      socket.on('close', () => events.close(undefined));
      return {
        write: (bytes, offset, n) => {
          socket.write(bytes.slice(offset, offset + n));
          return n;
        },
        close: () => socket.destroy(),
      };
    },
    routeType: routeTypeNumber(FRR_8_4_4, 'static'),
    handlers: {
      on: {
        INTERFACE_UP: ({ name, flags }) => tell({ name, up: (flags & IFF_RUNNING) !== 0, atMs: epochMs() }),
        INTERFACE_DOWN: ({ name }) => tell({ name, up: false, atMs: epochMs() }),
      },
    },
  });
  client.wantInterfaces();
  client.start();
  return () => client.stop();
}
