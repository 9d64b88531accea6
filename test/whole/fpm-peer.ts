// What listens where SONiC's fpmsyncd does, and keeps what each connection brought in a file named by its number.
import { appendFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';

const [, , directory] = process.argv;
let connections = 0;
createServer(socket => {
  const file = join(directory!, String(++connections));
  writeFileSync(file, '');
  socket.on('data', bytes => appendFileSync(file, bytes));
}).listen(2620, '127.0.0.1');
