// A pipeline between a client and nothing: tests put providers into it, and see what comes back of what they send. Contexts
// that are used after they were given back throw here.
import assert from 'node:assert/strict';
import {
  type ContextPool,
  createDataplaneChannel,
  type DataplaneChannel,
  DataplaneClient,
  closeDataplaneChannel,
  OP_ROUTE_INSTALL,
  Pipeline,
  type PipelineListener,
} from '../../src/dataplane/index.ts';
import { OrderStamp } from '../../src/dataplane/pipeline.ts';

process.env['GREVY_CHECK_CONTEXTS'] = '1';

export interface Result {
  readonly object: number;
  readonly op: number;
  readonly errno: number;
  readonly provider: number;
  readonly flags: number;
  readonly metric: number;
}

export class World {
  readonly channel: DataplaneChannel;
  readonly client: DataplaneClient;
  readonly pipeline: Pipeline;
  readonly stamp: OrderStamp = new OrderStamp();
  readonly logs: string[] = [];
  readonly events: [provider: number, event: number][] = [];
  readonly results: Result[] = [];
  /** Where providers' notifications go. */
  notify: PipelineListener['notify'] = () => true;

  constructor(requests = 256) {
    this.channel = createDataplaneChannel({ requests, notifications: 64 });
    this.client = new DataplaneClient(this.channel);
    this.pipeline = new Pipeline(this.channel, this.stamp, {
      resync: () => {},
      event: (provider, event) => void this.events.push([provider, event]),
      notify: (provider, op, fill) => this.notify(provider, op, fill),
      log: text => void this.logs.push(text),
    });
  }

  /** Sends a route; false where no context is free. */
  send(object: number, fill?: (pool: ContextPool, handle: number) => void, op: number = OP_ROUTE_INSTALL): boolean {
    const handle = this.client.allocate(op);
    if (handle === 0) return false;
    const { requests } = this.client;
    requests.setObject(handle, object, object * 2);
    if (op === OP_ROUTE_INSTALL)
      requests.setRoute(handle, 254, 2, 0x0a000000 + object * 256, 0, 0, 0, 24, 186, 1, 20, 7);
    fill?.(requests, handle);
    this.client.enqueue(handle);
    return true;
  }

  sendAll(from: number, to: number): void {
    for (let object = from; object < to; object++) assert.ok(this.send(object), `no context for ${object}`);
    this.client.flush();
  }

  /** Cycles while the pipeline asks for them, at most so many; takes the results. Returns how many cycles there were. */
  run(most = 100): number {
    let cycles = 1;
    while (this.pipeline.cycle() && cycles < most) cycles++;
    this.collect();
    return cycles;
  }

  collect(): void {
    this.pipeline.publish();
    this.client.poll(
      Number.POSITIVE_INFINITY,
      (pool, handle) => {
        assert.equal(pool.generation(handle), pool.object(handle) * 2);
        this.results.push({
          object: pool.object(handle),
          op: pool.op(handle),
          errno: pool.errno(handle),
          provider: pool.provider(handle),
          flags: pool.flags(handle),
          metric: pool.op(handle) === OP_ROUTE_INSTALL ? pool.metric(handle) : 0,
        });
      },
      () => assert.fail('nobody sent a notification'),
    );
  }

  get objects(): number[] {
    return this.results.map(({ object }) => object);
  }

  get byObject(): Result[] {
    return this.results.toSorted((a, b) => a.object - b.object);
  }

  /** Everything came back, and nothing is anywhere. */
  assertEmpty(): void {
    assert.equal(this.pipeline.count, 0);
    assert.equal(this.client.stats().requests.inUse, 0);
  }

  close(): void {
    this.pipeline.close();
    closeDataplaneChannel(this.channel);
  }
}
