// The dataplane's part of a rehearsal (bgp/rehearsal): a pipeline of its own whose kernel provider encodes every batch and
// finds it done at once. It ends with a request to resynchronise nothing.
import { Doorbell, type PollLoop } from '../concurrency/index.ts';
import { giveMemoryBack } from '../sys/index.ts';
import type { DataplaneChannel } from './channel.ts';
import { OrderStamp, Pipeline } from './pipeline.ts';
import { JOB_DONE, JOB_IDLE, JOB_POSTED, KernelJob } from './provider/kernel-job.ts';
import { KernelProvider } from './provider/kernel.ts';

/** What the kernel may take for a message, in microseconds: batches are as large as they get. */
const MESSAGE_US = 2;

export function rehearse(loop: PollLoop, channel: DataplaneChannel): void {
  const jobs: KernelJob[] = [];
  const pipeline = new Pipeline(channel, new OrderStamp(), {
    resync() {
      bell.close();
      pipeline.close();
      giveMemoryBack();
    },
    event: () => {},
    notify: () => false,
    log: () => {},
  });
  const kernel = new KernelProvider(channel.dataplaneBell, {
    writer(data) {
      for (const memory of data.jobs) {
        const job = new KernelJob(memory);
        job.turn(JOB_IDLE);
        jobs.push(job);
      }
    },
  });
  pipeline.register(kernel);
  const zebra = new Doorbell(channel.zebraBell);
  const bell = loop.doorbell('rehearsal', new Doorbell(channel.dataplaneBell), () => {
    let more = pipeline.cycle();
    for (const job of jobs) {
      if (job.state !== JOB_POSTED) continue;
      job.errors.fill(0, 0, job.count);
      job.report(0, 0, job.count * MESSAGE_US);
      job.turn(JOB_DONE);
      more = true;
    }
    pipeline.publish();
    zebra.ring();
    return more;
  });
}
