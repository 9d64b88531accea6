// The dataplane thread's world: the pipeline down, the listener up, and one `turn` that serves both. A turn looks at the
// kernel's notifications before each batch and after it, so that an event waits for one batch at most.
import { Doorbell, type PollLoop } from '../concurrency/index.ts';
import { clockMonotonicUs } from '../sys/index.ts';
import type { DataplaneChannel } from './channel.ts';
import { ContextPool } from './context.ts';
import { Listener, type ListenerOptions } from './listener.ts';
import { OrderStamp, Pipeline } from './pipeline.ts';
import type { Provider } from './provider.ts';
import { KernelProvider } from './provider/kernel.ts';

/** Datagrams taken before the next batch. */
const EVENT_STEPS = 64;

export interface DataplaneSettings extends ListenerOptions {
  /** Providers besides the kernel. */
  readonly providers?: readonly Provider[];
}

export class Dataplane {
  readonly channel: DataplaneChannel;
  readonly pipeline: Pipeline;
  readonly listener: Listener;
  readonly kernel: KernelProvider;
  readonly startedUs: number = clockMonotonicUs();
  readonly #zebra: Doorbell;

  /** Opens the sockets in the network namespace that the thread is in. */
  constructor(channel: DataplaneChannel, settings: DataplaneSettings = {}) {
    const stamp = new OrderStamp();
    this.channel = channel;
    this.#zebra = new Doorbell(channel.zebraBell);
    this.listener = new Listener(channel, stamp, settings);
    this.kernel = new KernelProvider(channel.dataplaneBell);
    this.listener.stream.ignore([this.kernel.portId]);
    this.pipeline = new Pipeline(channel, stamp, kinds => this.listener.stream.resync(kinds));
    this.pipeline.register(this.kernel);
    for (const provider of settings.providers ?? []) this.pipeline.register(provider);
  }

  /** One turn. True where another one would find something to do. */
  turn(): boolean {
    let more = this.listener.run(EVENT_STEPS);
    // Events go up before a batch that may take some milliseconds. Results first: see DataplaneClient.poll.
    this.#publish();
    if (this.pipeline.cycle()) more = true;
    if (this.listener.run(EVENT_STEPS)) more = true;
    this.#publish();
    return more || (this.listener.stream.dumping && !this.listener.blocked);
  }

  /** Puts the turns on a loop. */
  attach(loop: PollLoop): void {
    const bell = loop.doorbell('updates', new Doorbell(this.channel.dataplaneBell), () => {
      const more = this.turn();
      if (more) return true;
      // While zebra takes nothing the socket stays readable, and zebra's bell is what says that there is room again.
      if (watching === this.listener.blocked) {
        watching = !watching;
        watch.set({ readable: watching });
      }
      const provider = this.pipeline.wakeInMs();
      const stream = this.listener.stream.retryInMs(performance.now());
      const next = provider < 0 ? stream : stream < 0 ? provider : Math.min(provider, stream);
      if (next >= 0) timer.start(next + 1);
      return false;
    });
    const timer = loop.timer('retries', () => bell.wake());
    const watch = loop.io('kernel events', this.listener.stream.socket.fd, { readable: () => bell.wake() });
    let watching = true;
  }

  /** Sizes, for `show memory`. */
  tables(): Record<string, Record<string, number>> {
    const { requests, notifications } = this.channel;
    return {
      'dataplane requests': { ...ContextPool.stats(requests) },
      'dataplane notifications': { ...ContextPool.stats(notifications) },
    };
  }

  close(): void {
    this.pipeline.close();
    this.listener.close();
  }

  #publish(): void {
    this.pipeline.publish();
    this.listener.publish();
    this.#zebra.ring();
  }
}
