// What vtysh does for one `show` command, without its process: it builds the grammar of every daemon when it starts, and tests that
// wait for something ask often. A line ends with a zero byte; its answer ends with three of them and one of how it went.
import net from 'node:net';

const END = Buffer.alloc(3);
/** Done, or done with a warning, which is text like any other. */
const FINE: readonly number[] = [0, 1];

/** Commands that a daemon answers alone; vtysh has part in the others (`show running-config`, and lines of configuration). */
export const isPlainShow = (command: string): boolean =>
  /^show (?!running-config|startup-config|version|history|work-queues|daemons)[^\n]*$/.test(command);

/** Asks the daemon whose socket this is, and gives what it prints. */
export function askFrr(socket: string, command: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const lines = ['enable', command];
    const connection = net.connect(socket);
    let received: Buffer = Buffer.alloc(0);
    const next = (): boolean => connection.write(`${lines.shift()}\0`);
    connection.once('error', reject);
    connection.once('connect', next);
    connection.once('close', () => reject(new Error(`${socket}: the daemon closed the connection at: ${command}`)));
    connection.on('data', (chunk: Buffer) => {
      received = Buffer.concat([received, chunk]);
      const end = received.length - 4;
      if (end < 0 || !received.subarray(end, end + 3).equals(END)) return;
      const text = received.toString('utf8', 0, end);
      const status = received[end + 3]!;
      received = Buffer.alloc(0);
      if (FINE.includes(status) && lines.length > 0) {
        next();
        return;
      }
      if (FINE.includes(status)) resolve(text);
      else reject(new Error(`${command}: ${status}: ${text}`));
      connection.destroy();
    });
  });
}
