// What stands in for src/concurrency/index.ts: the real structures over the model.
import type * as doorbell from '../../../src/concurrency/doorbell.ts';
import type * as handleRing from '../../../src/concurrency/handle-ring.ts';
import { loadModel } from './load.ts';

const rings: typeof handleRing = await loadModel('handle-ring.ts');
const bells: typeof doorbell = await loadModel('doorbell.ts');

export const HandleRing: typeof rings.HandleRing = rings.HandleRing;
export const HandleProducer: typeof rings.HandleProducer = rings.HandleProducer;
export const HandleConsumer: typeof rings.HandleConsumer = rings.HandleConsumer;
export const Doorbell: typeof bells.Doorbell = bells.Doorbell;
