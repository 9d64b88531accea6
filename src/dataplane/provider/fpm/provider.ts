// FRR's FPM over TCP in netlink format, as SONiC's fpmsyncd expects: a follower, which tells a peer what the kernel has.
//
//             connected: replay()        REPLAY_BEGIN          REPLAY_END
//   no peer ───────────────────▶ deaf ───────────────▶ telling ───────────▶ telling, in step
//      ▲                                                  │
//      └──────────────────────────────────────────────────┘ the connection ends
//
// Without a peer, or deaf, it is done with whatever comes: the replay tells it again. A context for which there is no room in
// the output it does not take. So those before it know that they wait for it, nothing is ever lost in between, and however
// slow the peer is, it costs the output's two halves.
//
// It is a module for a worker: the default export makes the provider.
import { Doorbell } from '../../../concurrency/index.ts';
import { RouteView, rtnetlink as c } from '../../../netlink/index.ts';
import type { ProviderSettings } from '../../load.ts';
import { OP_REPLAY_BEGIN, OP_REPLAY_END, OP_ROUTE } from '../../operation.ts';
import {
  type Provider,
  PROVIDER_FOLLOWER,
  type ProviderHost,
  type ProviderPriority,
  type ProviderWork,
} from '../../provider.ts';
import { offloadOutcome } from '../encoding/route.ts';
import { Connection } from './connection.ts';
import { FpmCounters } from './counters.ts';
import { Encoder, NO_ROOM } from './encoder.ts';
import { FrameError, FrameReader } from './frame.ts';

export interface FpmSettings {
  readonly address: string;
  readonly port: number;
  readonly nexthopGroups: boolean;
  readonly routeReplace: boolean;
  /** Of FpmCounters. */
  readonly counters: SharedArrayBuffer;
  /** The connection ends when so long none of the bytes that wait was taken; 15,000 unless told. */
  readonly wedgeMs?: number;
  /** Until the next is tried; 1,000 unless told, and up to three times that after several that failed. */
  readonly retryMs?: number;
}

const WEDGE_MS = 15_000;
const RETRY_MS = 1000;

class FpmProvider implements Provider {
  readonly name: string;
  readonly priority: ProviderPriority = 'post-kernel';
  readonly flags: number = PROVIDER_FOLLOWER;
  readonly #settings: FpmSettings;
  readonly #counters: FpmCounters;
  readonly #connection: Connection;
  readonly #encoder: Encoder;
  readonly #route: RouteView = new RouteView();
  #frames: FrameReader = new FrameReader();
  #host: ProviderHost | undefined;
  #bell: Doorbell | undefined;
  /** `deaf`: until the replay that it asked for begins. */
  #state: 'no peer' | 'deaf' | 'telling' = 'no peer';
  /** All of the last replay was told. */
  #inStep = false;
  /** One is asked for, and has not begun. */
  #asked = false;
  #full = false;

  constructor(settings: FpmSettings & ProviderSettings) {
    this.name = settings.name;
    this.#settings = settings;
    this.#counters = new FpmCounters(settings.counters);
    this.#encoder = new Encoder(settings);
    const { address, port, wedgeMs = WEDGE_MS, retryMs = RETRY_MS } = settings;
    this.#connection = new Connection(
      { address, port, wedgeMs, retryMs },
      {
        up: () => this.#up(),
        down: () => this.#down(),
        data: bytes => this.#data(bytes),
        room: () => this.#wake(),
        log: text => {
          this.#host?.log(text);
          this.#wake();
        },
      },
      this.#counters,
    );
  }

  start(host: ProviderHost): void {
    this.#host = host;
    this.#bell = new Doorbell(host.bell);
    this.#connection.open();
  }

  process(work: ProviderWork): void {
    this.#read();
    this.#full = false;
    this.#counters.level('data-plane-contexts-queue', work.count);
    let done = 0;
    for (let handle = work.peek(); handle >= 0; handle = work.peek(), done++) {
      const errno = this.#tell(work, handle);
      if (errno === NO_ROOM) {
        this.#full = true;
        this.#counters.count('buffer-full-hits');
        break;
      }
      work.take();
      if (errno === 0) work.finish(handle);
      else work.fail(handle, errno);
    }
    if (done > 0) this.#counters.count('data-plane-contexts', done);
    const output = this.#connection.output;
    output?.flush();
    this.#counters.level('obuf-bytes', output?.pending ?? 0);
    this.#counters.level('data-plane-contexts-queue', work.count - done);
    this.#refresh();
  }

  waiting(): boolean {
    return this.#full;
  }

  finish(early: boolean): void {
    if (!early) this.#connection.finish();
  }

  finished(): boolean {
    return this.#connection.closed;
  }

  status(): Readonly<Record<string, unknown>> {
    const { address, port, nexthopGroups, routeReplace } = this.#settings;
    return {
      connected: this.#connection.output !== undefined,
      inStep: this.#inStep,
      sentBytes: this.#connection.sentBytes,
      address,
      port,
      useNHG: nexthopGroups,
      useRouteReplace: routeReplace,
      nexthops: this.#encoder.nexthops.size,
      ...this.#counters.values,
    };
  }

  #tell(work: ProviderWork, handle: number): number {
    const op = work.pool.op(handle);
    const output = this.#connection.output;
    if (op === OP_REPLAY_BEGIN) this.#begin();
    else if (op === OP_REPLAY_END) this.#inStep = this.#state === 'telling';
    if (output === undefined || this.#state !== 'telling') return 0;
    return this.#encoder.write(output, work.pool, handle, !this.#inStep);
  }

  #begin(): void {
    this.#asked = false;
    this.#inStep = false;
    this.#encoder.nexthops.clear();
    if (this.#state === 'deaf') this.#state = 'telling';
  }

  /** A route's paths changed behind its back: it has to be told again, and only a replay knows which ones there are. */
  #refresh(): void {
    if (!this.#encoder.nexthops.stale || !this.#inStep || this.#asked) return;
    this.#asked = true;
    this.#host!.replay();
  }

  #up(): void {
    this.#state = 'deaf';
    this.#asked = true;
    this.#frames = new FrameReader();
    this.#host!.replay();
    this.#wake();
  }

  #down(): void {
    this.#state = 'no peer';
    this.#inStep = false;
    this.#wake();
  }

  /** A cycle. */
  #wake(): void {
    this.#bell?.ring();
  }

  // What the peer says -------------------------------------------------------------------------------------------------------

  #data(bytes: Uint8Array): void {
    this.#frames.add(bytes);
    this.#read();
  }

  /** While zebra has no room for what it says, the peer is not read. */
  #read(): void {
    try {
      for (let message = this.#frames.peek(); message !== undefined; message = this.#frames.peek()) {
        if (!this.#heard(message)) {
          this.#connection.pause();
          return;
        }
        this.#frames.drop();
      }
      this.#connection.resume();
    } catch (error) {
      if (!(error instanceof FrameError)) throw error;
      this.#frames = new FrameReader();
      this.#connection.refuse(`the peer sent ${error.message}`);
    }
  }

  /** False: come again with it. */
  #heard(message: Uint8Array): boolean {
    const type = message[4]! | (message[5]! << 8);
    const route = this.#route;
    if (type !== c.RTM_NEWROUTE || !route.decode(message, 0, message.length)) return true;
    return this.#host!.notify(OP_ROUTE, (pool, handle) => {
      pool.setRoute(
        handle,
        route.table,
        route.family,
        route.w0,
        route.w1,
        route.w2,
        route.w3,
        route.length,
        route.protocol,
        route.type,
        route.metric,
        route.nexthopId,
      );
      pool.setFlags(handle, offloadOutcome(route.flags));
    });
  }
}

export default function fpm(settings: ProviderSettings): Provider {
  return new FpmProvider(settings as unknown as FpmSettings & ProviderSettings);
}
