// The readers of reclamation.test.ts. `torture` reads whatever is published until it is told to stop; the others do one thing
// and wait where they are.
import { parentPort, workerData } from 'node:worker_threads';
import { load, QsbrReader, store, wait, words } from '../../src/concurrency/index.ts';
import { BAD, LOOKS, OBJECT_WORDS, PUBLISHED, READY, STATE_WORDS, STOP, VECTOR } from './reclamation-shape.ts';

const { kind, qsbr, slot, shared, objects } = workerData as {
  kind: 'torture' | 'hold';
  qsbr: SharedArrayBuffer;
  slot: number;
  shared: SharedArrayBuffer;
  objects: SharedArrayBuffer;
};
const state = words(shared, 0, STATE_WORDS);
const memory = words(objects, 0, objects.byteLength / 4);
const reader = new QsbrReader(qsbr, slot);

/** Words of what is published that are not what they shall be. */
function look(): number {
  const at = load(state, PUBLISHED) * OBJECT_WORDS;
  const first = memory[at]!;
  let bad = (first & 0xff) === 0xef ? 1 : 0; // poison, or what it was made of
  for (let i = 1; i < OBJECT_WORDS; i++) if (memory[at + i] !== first) bad++;
  return bad;
}

reader.online();
if (kind === 'torture') {
  let looks = 0;
  for (let vector = 1; load(state, STOP) === 0; vector++) {
    let bad = 0;
    for (let i = 0; i < VECTOR; i++) bad += look();
    if (bad > 0) store(state, BAD, bad);
    looks += VECTOR;
    store(state, LOOKS + slot, looks);
    if ((vector & 63) === 0) {
      reader.offline();
      reader.online();
    } else reader.quiescent();
  }
  reader.close();
} else {
  parentPort!.postMessage(reader.generation);
  wait(state, READY, 0);
  reader.quiescent();
  wait(state, STOP, 0);
  reader.close();
}
