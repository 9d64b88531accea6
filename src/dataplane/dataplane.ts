// The dataplane thread's world: the pipeline down, the listener up, and one `turn` that serves both. A turn looks at the
// kernel's notifications before each batch and after it, so that an event waits for one batch at most.
import { isDeepStrictEqual } from 'node:util';
import { type BellTask, Doorbell, type PollLoop, type Watch, wait } from '../concurrency/index.ts';
import { clockMonotonicUs, inNamespaceOf, inNetworkNamespace, SysError } from '../sys/index.ts';
import type { DataplaneChannel } from './channel.ts';
import { ContextPool } from './context.ts';
import { Listener, type ListenerOptions } from './listener.ts';
import { loadProvider, type ProviderRequest } from './load.ts';
import { OrderStamp, Pipeline } from './pipeline.ts';
import type { Provider } from './provider.ts';
import { DebugProvider } from './provider/debug.ts';
import { FpmControl } from './provider/fpm/control.ts';
import { KernelProvider } from './provider/kernel.ts';

/** Datagrams taken before the next batch. */
const EVENT_STEPS = 64;
const PAUSE_MS = 1;
/** Of the time for the end, what providers have for themselves, however long their contexts took. */
const LETTING_GO = 0.3;

const sleeper = new Int32Array(new SharedArrayBuffer(4));

function pause(ms: number): void {
  wait(sleeper, 0, 0, ms);
}

export interface DataplaneSettings extends ListenerOptions {
  /** Providers besides the kernel. */
  readonly providers?: readonly Provider[];
  /** Path of the network namespace to work in; the thread's own unless told. */
  readonly namespace?: string;
  /** Names of providers that are to be passed by until somebody restarts them. */
  readonly hung?: readonly string[];
  /** What an operator should read. */
  readonly log?: (text: string) => void;
}

export class Dataplane {
  readonly channel: DataplaneChannel;
  readonly pipeline: Pipeline;
  readonly listener: Listener;
  readonly kernel: KernelProvider;
  readonly fpm: FpmControl;
  readonly startedUs: number = clockMonotonicUs();
  readonly #zebra: Doorbell;
  readonly #hung: ReadonlySet<string>;
  readonly #provided: Map<string, ProviderRequest> = new Map();
  #loop: PollLoop | undefined;
  #bell: BellTask | undefined;
  #watching = true;
  /** By namespace. */
  readonly #watches: Map<number, Watch> = new Map();
  #debug: { level: 'off' | 'on' | 'detailed'; provider: DebugProvider } | undefined;

  constructor(channel: DataplaneChannel, settings: DataplaneSettings = {}) {
    const stamp = new OrderStamp();
    this.channel = channel;
    this.#hung = new Set(settings.hung);
    this.#zebra = new Doorbell(channel.zebraBell);
    const inside = <T>(open: () => T): T =>
      settings.namespace === undefined ? open() : inNetworkNamespace(settings.namespace, open);
    // A socket belongs to the namespace that it was opened in, and the writer's thread to that of whoever started it.
    [this.listener, this.kernel] = inside(() => [
      new Listener(channel, stamp, (pool, handle) => this.pipeline.observe(pool, handle), settings),
      new KernelProvider(channel.dataplaneBell),
    ]);
    this.listener.stream.ignore([this.kernel.portId]);
    this.pipeline = new Pipeline(channel, stamp, {
      resync: (kinds, namespace) => this.listener.resync(kinds, namespace),
      namespaces: {
        open: (namespace, fd) => this.#openNamespace(namespace, fd),
        close: namespace => this.#closeNamespace(namespace),
      },
      event: (provider, event) => {
        this.listener.event(provider, event);
        this.#show();
      },
      notify: (provider, op, fill) => {
        const told = this.listener.notify(provider, op, fill);
        this.#show();
        return told;
      },
      log: settings.log ?? (() => {}),
    });
    this.fpm = new FpmControl(this.pipeline);
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
    return more || (this.listener.dumping && !this.listener.blocked);
  }

  /** Opens the sockets of one more namespace; an errno where that is not to be. */
  #openNamespace(namespace: number, fd: number): number {
    try {
      inNamespaceOf(fd, () => {
        const portId = this.kernel.openNamespace(namespace);
        this.#watch(namespace, this.listener.follow(namespace, portId));
      });
      return 0;
    } catch (error) {
      this.#closeNamespace(namespace);
      if (error instanceof SysError) return error.errno;
      throw error;
    }
  }

  #closeNamespace(namespace: number): void {
    this.#watches.get(namespace)?.close();
    this.#watches.delete(namespace);
    this.listener.leave(namespace);
    this.kernel.closeNamespace(namespace);
  }

  #watch(namespace: number, fd: number): void {
    const watch = this.#loop?.io('kernel events', fd, { readable: () => this.#bell?.wake() });
    if (watch === undefined) return;
    if (!this.#watching) watch.set({ readable: false });
    this.#watches.set(namespace, watch);
  }

  /** Puts the turns on a loop. */
  attach(loop: PollLoop): void {
    this.#loop = loop;
    const bell = loop.doorbell('updates', new Doorbell(this.channel.dataplaneBell), () => {
      const more = this.turn();
      if (more) return true;
      // While zebra takes nothing the socket stays readable, and zebra's bell is what says that there is room again.
      if (this.#watching === this.listener.blocked) {
        this.#watching = !this.#watching;
        for (const watch of this.#watches.values()) watch.set({ readable: this.#watching });
      }
      const provider = this.pipeline.wakeInMs();
      const stream = this.listener.retryInMs(performance.now());
      const next = provider < 0 ? stream : stream < 0 ? provider : Math.min(provider, stream);
      if (next >= 0) timer.start(next + 1);
      return false;
    });
    const timer = loop.timer('retries', () => bell.wake());
    this.#bell = bell;
    this.#watch(0, this.listener.stream.socket.fd);
  }

  /** Puts a configured provider into the pipeline; the same again changes nothing. Throws what its module says. */
  provide(request: ProviderRequest): void {
    const before = this.#provided.get(request.name);
    if (before !== undefined && isDeepStrictEqual(before, request)) return;
    const provider = loadProvider(request);
    if (before !== undefined) this.pipeline.unregister(request.name);
    const hung = this.#hung.has(request.name) ? 'it kept the thread, in the life before' : undefined;
    this.pipeline.register(provider, () => loadProvider(request), hung);
    this.#provided.set(request.name, request);
  }

  /** Takes it out again. */
  withdraw(name: string): void {
    if (this.#provided.delete(name)) this.pipeline.unregister(name);
  }

  get debugging(): 'off' | 'on' | 'detailed' {
    return this.#debug?.level ?? 'off';
  }

  debug(level: 'off' | 'on' | 'detailed'): void {
    if (level === 'off') this.pipeline.unregister('debug');
    else if (this.#debug !== undefined && this.#debug.level !== 'off')
      this.#debug.provider.detailed = level === 'detailed';
    else {
      const provider = new DebugProvider(level === 'detailed');
      this.pipeline.register(provider);
      this.#debug = { level, provider };
    }
    if (this.#debug !== undefined) this.#debug.level = level;
  }

  /**
   * Works until everything that was asked for is done and every provider has let go, at most `limitMs`. Waits, so it is for the
   * thread's very end. Gives back what was left, in words; nothing: all is done.
   */
  finish(limitMs: number): string | undefined {
    const startMs = performance.now();
    const settle = (done: () => boolean, part: number): void => {
      while (!done() && performance.now() < startMs + part * limitMs) {
        this.turn();
        pause(PAUSE_MS);
      }
    };
    settle(() => this.pipeline.count === 0, 1 - LETTING_GO);
    const left = this.pipeline.count;
    this.pipeline.finish(false);
    settle(() => this.pipeline.unfinished.length === 0, 1);
    const late = this.pipeline.unfinished;
    this.close();
    const words = [
      ...(left > 0 ? [`${left} contexts`] : []),
      ...(late.length > 0 ? [`provider${late.length > 1 ? 's' : ''} ${late.join(', ')}`] : []),
    ];
    return words.length === 0 ? undefined : words.join(' and ');
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
    this.#show();
    this.#zebra.ring();
  }

  /**
   * Results first, and no notification waits to be shown when a result is made: so whatever is older than what zebra sees is to
   * be seen, too (DataplaneClient.poll).
   */
  #show(): void {
    this.pipeline.publish();
    this.listener.publish();
  }
}
