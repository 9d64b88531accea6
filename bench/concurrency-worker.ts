// The other thread of bench/concurrency.ts.
import { parentPort, workerData } from 'node:worker_threads';
import {
  ByteProducer,
  Doorbell,
  HandleConsumer,
  HandleProducer,
  PollLoop,
  StreamWriter,
  threadSide,
} from '../src/concurrency/index.ts';

interface Job {
  kind: string;
  memory: SharedArrayBuffer;
  count: number;
  burst: number;
  size: number;
  there: SharedArrayBuffer;
  back: SharedArrayBuffer;
  mine: SharedArrayBuffer;
  yours: SharedArrayBuffer;
}

const job = workerData as Job;
const port = parentPort!;

if ('bell' in workerData) {
  const side = threadSide();
  side.onMessage(() => {
    throw new Error('crashed on purpose');
  });
  side.ready();
} else {
  port.postMessage('ready');
  if (job.kind === 'echo') port.on('message', message => port.postMessage(message));
  else if (job.kind === 'bell') ping();
  else {
    port.once('message', () => {
      if (job.kind === 'post') for (let i = 0; i < job.count; i++) port.postMessage(i);
      else if (job.kind === 'handle') handles();
      else if (job.kind === 'byte') frames();
      else if (job.kind === 'stream') stream();
    });
  }
}

function handles(): void {
  const producer = new HandleProducer(job.memory);
  for (let i = 0; i < job.count; ) {
    if (!producer.push(i)) continue;
    if ((++i & (job.burst - 1)) === 0) producer.publish();
  }
  producer.publish();
}

function frames(): void {
  const producer = new ByteProducer(job.memory);
  const source = new Uint8Array(job.size).fill(7);
  for (let i = 0; i < job.count; ) {
    const at = producer.reserve(job.size);
    if (at < 0) {
      producer.publish();
      continue;
    }
    producer.bytes.set(source, at);
    producer.commit();
    if ((++i & 15) === 0) producer.publish();
  }
  producer.publish();
}

function stream(): void {
  const writer = new StreamWriter(job.memory);
  const source = new Uint8Array(job.size).fill(7);
  for (let i = 0; i < job.count; ) {
    if (writer.write(source, 0, job.size)) i++;
    else writer.publish();
    if ((i & 15) === 0) writer.publish();
  }
  writer.publish();
}

function ping(): void {
  const consumer = new HandleConsumer(job.there);
  const producer = new HandleProducer(job.back);
  const answer = new Doorbell(job.mine);
  const loop = new PollLoop('partner');
  let idle = 0;
  loop.doorbell('there', new Doorbell(job.yours), () => {
    const handle = consumer.pop();
    if (handle < 0) return false;
    consumer.release();
    producer.push(handle);
    producer.publish();
    answer.ring();
    if (++idle === 3000) loop.stop();
    return true;
  });
  loop.run();
  port.close();
}
