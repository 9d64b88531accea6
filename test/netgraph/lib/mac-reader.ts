// A worker that looks addresses up as fast as it can, and counts answers that the table never held.
import { workerData } from 'node:worker_threads';
import { MacTable } from '../../../src/netgraph/lib/mac-table.ts';

const { memory, flags } = workerData as { memory: SharedArrayBuffer; flags: Int32Array };
const table = new MacTable(memory);
let found = 0;
while (Atomics.load(flags, 1) === 0) {
  for (let i = 0; i < 256; i++) {
    // Host 25 is always there, wherever it is moved to.
    if (table.findSurely(25, 7) < 0 || table.value !== 250) Atomics.add(flags, 2, 1);
    // Host h has the value 10 h or 10 h + 1, whatever else comes and goes around it.
    for (let host = 1; host <= 12; host++) {
      if (table.find(host, 7) < 0) continue;
      found++;
      if (table.value !== host * 10 && table.value !== host * 10 + 1) Atomics.add(flags, 2, 1);
    }
  }
  Atomics.store(flags, 3, found & 0x7fff_ffff);
  Atomics.add(flags, 0, 1);
}
