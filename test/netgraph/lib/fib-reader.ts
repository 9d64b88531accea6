// A worker that looks two addresses up as fast as it can, and counts answers that no table ever held.
import { workerData } from 'node:worker_threads';
import { Fib4Reader } from '../../../src/netgraph/lib/fib4.ts';

const { memory, flags } = workerData as { memory: SharedArrayBuffer; flags: Int32Array };
const reader = new Fib4Reader(memory);
while (Atomics.load(flags, 1) === 0) {
  for (let i = 0; i < 64; i++) {
    const first = reader.lookup(0x0a000005);
    const second = reader.lookup(0x0b000005);
    if ((first !== 1 && first !== 2 && first !== 3) || (second !== 4 && second !== 2 && second !== 3)) flags[2]!++;
  }
  Atomics.add(flags, 0, 1); // a quiescent state
}
