// What is configured of FPM, and the provider that runs by it. Level: every line says what is to be, and the provider is ended
// and made again where what runs is something else.
import { isDeepStrictEqual } from 'node:util';
import type { Pipeline } from '../../pipeline.ts';
import { PROVIDER_FOLLOWER } from '../../provider.ts';
import { WorkerStage } from '../../worker/stage.ts';
import { FpmCounters } from './counters.ts';
import type { FpmSettings } from './provider.ts';

export const FPM_NAME = 'fpm';
export const FPM_PORT = 2620;

export interface FpmConfig {
  /** Undefined: there is to be none. */
  readonly address: string | undefined;
  readonly port: number;
  readonly nexthopGroups: boolean;
  readonly routeReplace: boolean;
}

const module: string = new URL(import.meta.url.endsWith('.ts') ? './provider.ts' : './provider.js', import.meta.url)
  .href;

export class FpmControl {
  readonly counters: FpmCounters = new FpmCounters();
  readonly #pipeline: Pipeline;
  #config: FpmConfig = { address: undefined, port: FPM_PORT, nexthopGroups: true, routeReplace: true };
  #running: FpmConfig | undefined;

  constructor(pipeline: Pipeline) {
    this.#pipeline = pipeline;
  }

  get config(): FpmConfig {
    return this.#config;
  }

  configure(change: Partial<FpmConfig>): void {
    if ('address' in change) this.counters.count(change.address === undefined ? 'user-disables' : 'user-configures');
    const config = { ...this.#config, ...change };
    this.#config = config;
    if (isDeepStrictEqual(config, this.#running)) return;
    if (this.#running !== undefined) this.#pipeline.unregister(FPM_NAME);
    this.#running = undefined;
    const { address, port, nexthopGroups, routeReplace } = config;
    if (address === undefined) return;
    const settings: FpmSettings = { address, port, nexthopGroups, routeReplace, counters: this.counters.memory };
    this.#pipeline.register(
      new WorkerStage({
        name: FPM_NAME,
        priority: 'post-kernel',
        flags: PROVIDER_FOLLOWER,
        module,
        settings: { ...settings },
      }),
    );
    this.#running = config;
  }

  /** Its provider's own words; undefined while there is none, or none that has said anything. */
  get status(): Readonly<Record<string, unknown>> | undefined {
    return this.#running === undefined ? undefined : this.#pipeline.status(FPM_NAME);
  }
}
