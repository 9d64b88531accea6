// The other thread of bench/reclamation.ts: a worker that is busy with vectors, or one that goes in and out like its partner.
import { parentPort, workerData } from 'node:worker_threads';
import { load, QsbrReader, words } from '../src/concurrency/index.ts';
import { enterLeave, type Gate, vectorOf } from './lib/reclamation.ts';

const data = workerData as
  | { kind: 'busy'; qsbr: SharedArrayBuffer; stop: SharedArrayBuffer; spins: number }
  | { kind: 'gate'; gate: Gate; qsbr: SharedArrayBuffer; memory: SharedArrayBuffer; stop: SharedArrayBuffer };
const stop = words(data.stop, 0, 1);

if (data.kind === 'busy') {
  const reader = new QsbrReader(data.qsbr, 0);
  reader.online();
  for (let i = 0; i < 2000; i++) vectorOf(data.spins);
  parentPort!.postMessage('ready');
  while (load(stop, 0) === 0) {
    for (let i = 0; i < 64; i++) {
      vectorOf(data.spins);
      reader.quiescent();
    }
  }
  reader.close();
} else {
  const run = enterLeave(data.gate, data.qsbr, 1, data.memory);
  run(100_000);
  parentPort!.postMessage('ready');
  while (load(stop, 0) === 0) run(10_000);
}
