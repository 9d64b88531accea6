// A thread that sends a frame out of g0 as fast as it is let, whenever it is told.
import { parentPort, workerData } from 'node:worker_threads';
import { inNetworkNamespace, openPacketRing } from '../../src/sys/index.ts';

const VECTOR = 64;
const SLOTS = 512;

/** Send this frame for so long. The answer: how many. */
export interface Run {
  readonly frame: Uint8Array;
  readonly ms: number;
}

const ring = inNetworkNamespace(workerData as string, () =>
  openPacketRing('g0', { receiveFrames: 0, transmitFrames: SLOTS }),
);

function generate({ frame, ms }: Run): number {
  let written = 0;
  const before = ring.transmitted;
  for (const end = performance.now() + ms; performance.now() < end; ) {
    for (let i = 0; i < VECTOR; i++) {
      const at = ring.reserve(frame.length);
      if (at < 0) break;
      // A slot keeps what was written into it: after one round of the ring the generator costs as little as it can.
      if (written < SLOTS) ring.bytes.set(frame, at);
      written++;
      ring.commit();
    }
    ring.kick();
  }
  return ring.transmitted - before;
}

parentPort!.on('message', (run: Run) => parentPort!.postMessage(generate(run)));
parentPort!.postMessage('ready');
