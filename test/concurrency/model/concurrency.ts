// What stands in for src/concurrency/index.ts: the real structures over the model.
import type * as byteRing from '../../../src/concurrency/byte-ring.ts';
import type * as doorbell from '../../../src/concurrency/doorbell.ts';
import type * as handleRing from '../../../src/concurrency/handle-ring.ts';
import { type ModelArray, view } from './engine.ts';
import { loadModel } from './load.ts';

export { Limbo } from '../../../src/concurrency/limbo.ts';
export { compareExchange, LINE_BYTES, LINE_WORDS, load, store, words } from './atomics.ts';

const rings: typeof handleRing = await loadModel('handle-ring.ts');
const bells: typeof doorbell = await loadModel('doorbell.ts');

export const HandleRing: typeof rings.HandleRing = rings.HandleRing;
export const HandleProducer: typeof rings.HandleProducer = rings.HandleProducer;
export const HandleConsumer: typeof rings.HandleConsumer = rings.HandleConsumer;
export const Doorbell: typeof bells.Doorbell = bells.Doorbell;

const bytes: typeof byteRing = await loadModel('byte-ring.ts');

export const ByteRing: typeof bytes.ByteRing = bytes.ByteRing;
export const ByteProducer: typeof bytes.ByteProducer = bytes.ByteProducer;
export const ByteConsumer: typeof bytes.ByteConsumer = bytes.ByteConsumer;

/** Whoever takes bytes from here says why nothing orders them: they may change while they are looked at. */
export function octets(memory: SharedArrayBuffer, offset: number, length: number): ModelArray {
  return view(memory, offset, length, 1, true);
}
