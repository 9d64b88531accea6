// The pipeline alone: contexts from a pool, through the ring, three providers that do nothing, and back, in one thread. Prints
// one line of JSON: contexts a second, and how many collections fell into a million of them after the warm-up (run it
// with --trace-gc, whose lines between the marks are counted by whoever runs it).
import { writeSync } from 'node:fs';
import {
  closeDataplaneChannel,
  createDataplaneChannel,
  DataplaneClient,
  OP_ROUTE_INSTALL,
  Pipeline,
  type Provider,
  type ProviderPriority,
} from '../../src/dataplane/index.ts';
import { OrderStamp } from '../../src/dataplane/pipeline.ts';

const BURST = 1024;
const ROUND = 1_000_000;
const ROUNDS = 5;

const channel = createDataplaneChannel();
const client = new DataplaneClient(channel);
const pipeline = new Pipeline(channel, new OrderStamp(), {
  resync: () => {},
  event: () => {},
  notify: () => true,
  log: () => {},
});
const through = (name: string, priority: ProviderPriority): Provider => ({
  name,
  priority,
  process(work) {
    for (let handle = work.take(); handle >= 0; handle = work.take()) work.finish(handle);
  },
});
pipeline.register(through('first', 'pre-kernel'));
pipeline.register(through('second', 'kernel'));
pipeline.register(through('third', 'post-kernel'));

let done = 0;
const onResult = (): void => {
  done++;
};
const ignore = (): void => {};

function run(count: number): void {
  const pool = client.requests;
  done = 0;
  for (let sent = 0; done < count; ) {
    for (let n = 0; n < BURST && sent < count; n++) {
      const handle = client.allocate(OP_ROUTE_INSTALL);
      if (handle === 0) break;
      pool.setObject(handle, sent, 1);
      pool.setRoute(handle, 254, 2, sent << 8, 0, 0, 0, 24, 186, 1, 20, 7);
      client.enqueue(handle);
      sent++;
    }
    client.flush();
    while (pipeline.cycle()) {
      // Until there is nothing left to do.
    }
    pipeline.publish();
    client.poll(2 * BURST, onResult, ignore);
  }
}

run(ROUND);
run(ROUND);
let best = 0;
writeSync(1, 'MARK\n');
for (let i = 0; i < ROUNDS; i++) {
  const start = process.hrtime.bigint();
  run(ROUND);
  best = Math.max(best, ROUND / (Number(process.hrtime.bigint() - start) / 1e9));
}
writeSync(1, 'MARK\n');
closeDataplaneChannel(channel);
console.log(JSON.stringify({ perSecond: best }));
