// What listens where SONiC's fpmsyncd does, and keeps what each connection brought in a file named by its number. On its standard
// input it is told to `stop` reading, to `read` on, and to `close` the connection that it has.
import { appendFileSync, writeFileSync } from 'node:fs';
import { createServer, type Socket } from 'node:net';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

const [, , directory] = process.argv;
let connections = 0;
let reading = true;
let last: Socket | undefined;
createServer({ pauseOnConnect: true }, socket => {
  const file = join(directory!, String(++connections));
  writeFileSync(file, '');
  socket.on('data', bytes => appendFileSync(file, bytes));
  socket.on('error', () => {});
  last = socket;
  if (reading) socket.resume();
}).listen(2620, '127.0.0.1');
createInterface(process.stdin).on('line', line => {
  if (line === 'close') last?.destroy();
  else if ((reading = line === 'read')) last?.resume();
  else last?.pause();
});
