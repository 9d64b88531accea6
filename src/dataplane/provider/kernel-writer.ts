// The thread that makes the kernel provider's system calls. A send waits for the kernel's routing lock, and that may be held
// for long by somebody else: setting a link down takes the lock until every route over it is gone. The dataplane thread must
// hear of that link meanwhile, so the waiting is done here. Batches are sent in the order in which they were posted; see
// kernel-job.ts for whose turn it is. A batch is for one network namespace, so it names its socket; the routing lock is one for all.
//
// A message that failed for lack of memory and the like is sent again after a pause, together with everything behind it in
// the batch and before any later batch, so that the order stays: all requests say how things shall be, or ask how they are, and
// what finds its own work is done (netlink/batch.ts). Answers that were lost are asked for again (NetlinkBatch.verify) before anything is believed.
//
// What is not rtnetlink's comes alone in its batch, and goes in the same order by a socket of its own, which few ever need.
import { workerData } from 'node:worker_threads';
import { Doorbell } from '../../concurrency/index.ts';
import {
  BATCH_DOUBTFUL,
  genericFamily,
  NetlinkBatch,
  NetlinkError,
  NetlinkSocket,
  rtnetlink as c,
  SEG6_FAMILY,
} from '../../netlink/index.ts';
import { clockMonotonicUs, setThreadNice } from '../../sys/index.ts';
import {
  BATCH_BYTES,
  BATCH_MESSAGES,
  JOB_BROKEN,
  JOB_DONE,
  JOB_ENDED,
  JOB_IDLE,
  JOB_POSTED,
  KernelJob,
} from './kernel-job.ts';
import { isTransient } from './encoding/encoding.ts';

export interface KernelWriterData {
  readonly jobs: readonly SharedArrayBuffer[];
  readonly bell: SharedArrayBuffer;
  readonly receiveBuffer: number;
}

const ATTEMPTS = 10;
const PAUSE_MAX_MS = 64;

const data = workerData as KernelWriterData;
const jobs = data.jobs.map(memory => new KernelJob(memory));
const bell = new Doorbell(data.bell);

/** The first message from `from` on that should be sent again, or -1. */
function firstTransient(batch: NetlinkBatch, from: number): number {
  for (let i = from; i < batch.count; i++) {
    const errno = batch.errors[i]!;
    if (errno !== 0 && (errno < 0 || isTransient(errno))) return i;
  }
  return -1;
}

function perform(job: KernelJob, batch: NetlinkBatch, socket: NetlinkSocket): void {
  batch.adopt(job.count, job.first, socket);
  let doubts = 0;
  let retries = 0;
  let busyUs = 0;
  for (let from = 0; ; ) {
    const startUs = clockMonotonicUs();
    const outcome = batch.send(from);
    if (outcome === BATCH_DOUBTFUL) {
      doubts++;
      batch.verify();
    }
    busyUs += clockMonotonicUs() - startUs;
    // Each message replaces once, so this ends.
    const replacing = batch.replaceThere();
    const transient = firstTransient(batch, from);
    if (replacing >= 0) {
      from = transient < 0 ? replacing : Math.min(replacing, transient);
      continue;
    }
    from = transient;
    if (from < 0 || retries === ATTEMPTS) break;
    // Nobody changes the word while it is our turn, unless we are to close.
    job.sleep(JOB_POSTED, Math.min(PAUSE_MAX_MS, 2 ** retries));
    if (job.state !== JOB_POSTED) return;
    retries++;
  }
  batch.tellReplaced();
  job.explain(batch.reasons);
  job.report(doubts, retries, busyUs);
}

let genericSocket: NetlinkSocket | undefined;

function performGeneric(job: KernelJob): void {
  genericSocket ??= new NetlinkSocket({ protocol: c.NETLINK_GENERIC });
  try {
    job.buffer.words[1]! |= genericFamily(genericSocket, SEG6_FAMILY);
  } catch (error) {
    if (!(error instanceof NetlinkError)) throw error;
    job.errors[0] = error.errno;
    job.explain(new Map([[0, `the kernel has no ${SEG6_FAMILY}`]]));
    job.report(0, 0, 0);
    return;
  }
  const batch = new NetlinkBatch(genericSocket, { bytes: BATCH_BYTES, messages: BATCH_MESSAGES, memory: job });
  perform(job, batch, genericSocket);
}

function main(): void {
  // The kernel is the slowest link of the chain: whenever there is a batch for it, it comes first.
  setThreadNice(-5);
  const socket = new NetlinkSocket({ receiveBuffer: data.receiveBuffer, sendBuffer: 1 << 20 });
  /** Those of other namespaces, by descriptor: whatever is open there by now. */
  const others = new Map<number, NetlinkSocket>();
  const socketOf = ({ fd }: KernelJob): NetlinkSocket => {
    if (fd === 0) return socket;
    let other = others.get(fd);
    if (other === undefined) others.set(fd, (other = new NetlinkSocket({ fd })));
    return other;
  };
  const batches = jobs.map(
    memory =>
      new NetlinkBatch(socket, {
        bytes: BATCH_BYTES,
        messages: BATCH_MESSAGES,
        memory,
        onAnswer: (message, bytes, offset, length) => memory.answer(message, bytes, offset, length),
      }),
  );
  for (const job of jobs) {
    job.portId = socket.portId;
    job.turn(JOB_IDLE);
  }
  for (let next = 0; ; next = (next + 1) % jobs.length) {
    const job = jobs[next]!;
    let { state } = job;
    while (state === JOB_IDLE || state === JOB_DONE) {
      job.sleep(state);
      ({ state } = job);
    }
    if (state === JOB_POSTED) {
      if (job.generic) performGeneric(job);
      else perform(job, batches[next]!, socketOf(job));
    }
    // The provider may have closed meanwhile, and is not to be overruled.
    if (!job.pass(JOB_POSTED, JOB_DONE)) break;
    bell.ring();
  }
  socket.close();
  genericSocket?.close();
  for (const job of jobs) job.turn(JOB_ENDED);
}

try {
  main();
} catch (error) {
  for (const job of jobs) {
    job.text = error instanceof Error ? error.message : String(error);
    job.turn(JOB_BROKEN);
  }
  bell.ring();
}
