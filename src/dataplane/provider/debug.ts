// `debug zebra dplane`: says in the daemon's log what goes through; in detail, every context.
import type { ContextPool } from '../context.ts';
import { describeContext } from '../describe.ts';
import { OPERATIONS } from '../operation.ts';
import type { Provider, ProviderHost, ProviderWork } from '../provider.ts';
import { STATUS_FAILED } from '../constants.ts';

export class DebugProvider implements Provider {
  readonly name = 'debug';
  readonly priority = 'last';
  detailed: boolean;
  #log: (text: string) => void = () => {};
  #results = 0;
  #failures = 0;
  #notifications = 0;

  constructor(detailed: boolean) {
    this.detailed = detailed;
  }

  start(host: ProviderHost): void {
    this.#log = host.log;
  }

  process(work: ProviderWork): void {
    for (let handle = work.take(); handle >= 0; handle = work.take()) work.finish(handle);
    if (this.#results + this.#notifications === 0) return;
    this.#log(`${this.#results} results, ${this.#failures} of them failures, ${this.#notifications} notifications`);
    this.#results = 0;
    this.#failures = 0;
    this.#notifications = 0;
  }

  observe(pool: ContextPool, handle: number): void {
    const result = OPERATIONS[pool.op(handle)]?.direction === 'request';
    if (result) this.#results++;
    else this.#notifications++;
    if (pool.status(handle) === STATUS_FAILED) this.#failures++;
    if (this.detailed)
      this.#log(`${result ? 'result' : 'heard'} ${pool.sequence(handle)}: ${describeContext(pool, handle)}`);
  }
}
