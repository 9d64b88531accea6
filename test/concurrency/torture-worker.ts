// The producer of torture.test.ts: fills one ring as fast as it can with a sequence that the consumer can check.
import { parentPort, workerData } from 'node:worker_threads';
import { ByteProducer, Doorbell, HandleProducer, StreamWriter } from '../../src/concurrency/index.ts';

const { kind, ring, bell, count } = workerData as {
  kind: 'handle' | 'byte' | 'stream';
  ring: SharedArrayBuffer;
  bell: SharedArrayBuffer;
  count: number;
};
const doorbell = new Doorbell(bell);

let random = 12345;
/** 1 to `most`, from a generator that the consumer need not know. */
function some(most: number): number {
  random = (Math.imul(random, 1103515245) + 12345) & 0x7fffffff;
  return 1 + ((random >>> 8) % most);
}

if (kind === 'handle') {
  const producer = new HandleProducer(ring);
  const flush = (): void => {
    producer.publish();
    doorbell.ring();
  };
  for (let next = 0; next < count; ) {
    for (let left = Math.min(some(100), count - next); left > 0; ) {
      if (producer.push(next)) {
        next++;
        left--;
      } else flush();
    }
    flush();
  }
} else if (kind === 'byte') {
  const producer = new ByteProducer(ring);
  for (let next = 0; next < count; next++) {
    const size = some(200);
    let at = producer.reserve(size);
    while (at < 0) {
      producer.publish();
      doorbell.ring();
      at = producer.reserve(size);
    }
    producer.bytes.fill(next & 255, at, at + size);
    producer.bytes[at] = size;
    producer.commit();
    if (some(8) === 1) {
      producer.publish();
      doorbell.ring();
    }
  }
  producer.publish();
  doorbell.ring();
} else {
  const writer = new StreamWriter(ring);
  const source = Uint8Array.from({ length: 512 }, (_, i) => i & 255);
  for (let next = 0; next < count; ) {
    const size = Math.min(some(250), count - next);
    if (writer.write(source, next & 255, size)) next += size;
    writer.publish();
    doorbell.ring();
  }
}
parentPort?.postMessage('done');
