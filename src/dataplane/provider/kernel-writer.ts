// The thread that makes the kernel provider's system calls. A send waits for the kernel's routing lock, and that may be held
// for long by somebody else: setting a link down takes the lock until every route over it is gone. The dataplane thread must
// hear of that link meanwhile, so the waiting is done here. One batch at a time; see kernel-job.ts for whose turn it is.
import { workerData } from 'node:worker_threads';
import { Doorbell } from '../../concurrency/index.ts';
import { BATCH_CONFIRMED, BATCH_DOUBTFUL, BATCH_REFUSED, NetlinkBatch, NetlinkSocket } from '../../netlink/index.ts';
import { clockMonotonicUs } from '../../sys/index.ts';
import {
  JOB_BROKEN,
  JOB_CLOSED,
  JOB_DONE,
  JOB_IDLE,
  JOB_POSTED,
  BATCH_BYTES,
  BATCH_MESSAGES,
  KernelJob,
} from './kernel-job.ts';

export interface KernelWriterData {
  readonly job: SharedArrayBuffer;
  readonly bell: SharedArrayBuffer;
  readonly receiveBuffer: number;
}

const data = workerData as KernelWriterData;
const job = new KernelJob(data.job);
const bell = new Doorbell(data.bell);

function send(batch: NetlinkBatch): void {
  batch.adopt(job.count, job.first);
  const startUs = clockMonotonicUs();
  const outcome = batch.send();
  if (outcome === BATCH_DOUBTFUL) batch.verify();
  const busyUs = clockMonotonicUs() - startUs;
  job.report(outcome === BATCH_REFUSED ? batch.sendErrno : 0, outcome === BATCH_CONFIRMED ? 0 : 1, busyUs);
  for (const reason of batch.reasons.values()) job.text = reason;
}

function main(): void {
  const socket = new NetlinkSocket({ receiveBuffer: data.receiveBuffer, sendBuffer: 1 << 20 });
  const batch = new NetlinkBatch(socket, { bytes: BATCH_BYTES, messages: BATCH_MESSAGES, memory: job });
  job.portId = socket.portId;
  job.turn(JOB_IDLE);
  for (;;) {
    const { state } = job;
    if (state === JOB_POSTED) {
      send(batch);
      // The provider may have closed meanwhile, and must not be overruled.
      if (job.state !== JOB_POSTED) break;
      job.turn(JOB_DONE);
      bell.ring();
    } else if (state === JOB_CLOSED) break;
    else job.sleep(state);
  }
  socket.close();
}

try {
  main();
} catch (error) {
  job.text = error instanceof Error ? error.message : String(error);
  job.turn(JOB_BROKEN);
  bell.ring();
}
