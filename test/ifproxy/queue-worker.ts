// Reads a queue in a thread of its own, asleep between events, and tells what its sum is whenever a change is whole.
import { parentPort, workerData } from 'node:worker_threads';
import { EventReader, type QueueShare } from '../../src/ifproxy/index.ts';
import { Replay } from './replay.ts';

const { share, proxyId } = workerData as { share: QueueShare; proxyId: number };
const reader = new EventReader(share);
const replay = new Replay();
const kinds: string[] = [];
for (;;) {
  const event = reader.next();
  if (event === undefined) {
    reader.wait();
    continue;
  }
  if (event.kind === 'resynchronize') replay.forget();
  if ('proxyId' in event && event.proxyId === proxyId) {
    replay.apply(event);
    kinds.push(event.kind);
  }
  if (event.kind === 'commit') parentPort!.postMessage({ text: replay.text(), kinds: kinds.splice(0) });
  if (event.kind === 'proxyGone') break;
}
