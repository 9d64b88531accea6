// The client's side of ZAPI without any I/O of its own: a transport moves bytes, the owner of the client says what it wants
// to hear of, and the client keeps that true over reconnections. What is wanted is state, not a list of messages sent once:
//
//   wanted ──▶ subscriptions (a flag each: on the wire or not) ──dirty──▶ out buffer ──▶ transport
//                                                                          ▲
//                      routes, straight into the buffer, as long as it has room
//
// A new connection finds every flag down, and the same pump puts everything on the wire again. Routes are the owner's:
// there may be a million, so the client keeps none, and `connected` tells the owner to announce its own again.
import type { Prefix } from '../net/index.ts';
import { formatPrefix } from '../net/index.ts';
import { BodyReader } from './bodies.ts';
import { commandName, type Dialect } from './dialect.ts';
import { ZapiError } from './error.ts';
import { Framer } from './frame.ts';
import { decodeRouteNote, emptyRouteNote, FRR_8_4_4 } from './frr-8.4.4.ts';
import { encodeToServer } from './message.ts';
import { LabelChunks, type LabelEvent, type LabelWire } from './label-chunks.ts';
import {
  type ClientMessages,
  LSP_BGP,
  NO_LABEL,
  type NexthopRegistration,
  type RouteNote,
  type ServerMessages,
} from './messages.ts';
import { ROUTE_OK, RouteMessage, routeFaultText, SAFI_UNICAST } from './route.ts';

/** One connection's way out. */
export interface ZapiTransport {
  /** Takes up to `n` bytes from `offset`, copying them, and says how many; where fewer, `writable` is called later. */
  write(bytes: Uint8Array, offset: number, n: number): number;
  /** Ends the connection; none of its events come afterwards. */
  close(): void;
}

/** What a connection tells the client. `close` is the last, whether it had opened or not. */
export interface ZapiTransportEvents {
  open(): void;
  /** Input, used up before this returns. */
  bytes(bytes: Uint8Array, offset: number, end: number): void;
  /** There is room again after `write` took less than it was given. */
  writable(): void;
  close(reason: Error | undefined): void;
}

/** Starts a connection. Its events come after it has returned. */
export type ZapiConnect = (events: ZapiTransportEvents) => ZapiTransport;

/** A one-shot timer; the result cancels it. */
export type ZapiTimer = (ms: number, fn: () => void) => () => void;

export interface ZapiBackoff {
  readonly firstMs: number;
  readonly factor: number;
  readonly maxMs: number;
}

/** 50 ms, then doubling to 5 s: zebra's own restart takes less than a second, and a missing zebra costs nothing to ask for. */
export const DEFAULT_BACKOFF: ZapiBackoff = { firstMs: 50, factor: 2, maxMs: 5000 };

export type ServerMessageHandlers = {
  [Name in keyof ServerMessages]?: (message: ServerMessages[Name], vrf: number) => void;
};

export interface ZapiClientHandlers {
  /** HELLO and all subscriptions are on their way; announce all routes now, whether it is the first time or not. */
  connected?(reconnected: boolean): void;
  /** The connection is gone (or could not be made); the client tries again by itself in `retryMs`. */
  disconnected?(reason: Error | undefined, retryMs: number): void;
  /** A redistributed route, valid during the call. */
  route?(add: boolean, route: RouteMessage, vrf: number): void;
  /** ROUTE_NOTIFY_OWNER, valid during the call. */
  note?(note: RouteNote, vrf: number): void;
  /** There is room again after a route or message was refused. */
  writable?(): void;
  /** What became of a chunk of labels: granted, refused, or lost while there was no connection. */
  labels?(event: LabelEvent): void;
  /** The other messages, by command. */
  readonly on?: ServerMessageHandlers;
  /** A body that could not be read; the message was skipped. */
  fault?(error: ZapiError, command: string): void;
}

export interface ZapiClientOptions {
  readonly connect: ZapiConnect;
  /** Route type announced in HELLO, and never redistributed back. */
  readonly routeType: number;
  readonly instance?: number;
  readonly session?: number;
  readonly receiveNotify?: boolean;
  readonly synchronous?: boolean;
  readonly dialect?: Dialect;
  readonly handlers: ZapiClientHandlers;
  readonly backoff?: ZapiBackoff;
  readonly timer?: ZapiTimer;
  /** Size of the output buffer; at least two frames. */
  readonly outBytes?: number;
}

export interface ZapiClientStats {
  connections: number;
  failures: number;
  framesIn: number;
  framesOut: number;
  bytesIn: number;
  bytesOut: number;
  /** Most bytes that ever waited for the transport. */
  outHighWater: number;
  /** Messages that found no room. */
  refused: number;
}

interface Subscription {
  readonly on: keyof ClientMessages;
  readonly off: keyof ClientMessages | undefined;
  message: never;
  /** What ends it, where that is not the same message. */
  readonly offMessage: never;
  readonly vrf: number;
  wanted: boolean;
  sent: boolean;
}

const locatorKey = (name: string): string => `locator/${name}`;

const defaultTimer: ZapiTimer = (ms, fn) => {
  const timer = setTimeout(fn, ms);
  return () => clearTimeout(timer);
};

export class ZapiClient {
  readonly dialect: Dialect;
  readonly stats: ZapiClientStats = {
    connections: 0,
    failures: 0,
    framesIn: 0,
    framesOut: 0,
    bytesIn: 0,
    bytesOut: 0,
    outHighWater: 0,
    refused: 0,
  };
  readonly #options: ZapiClientOptions;
  readonly #handlers: ZapiClientHandlers;
  readonly #backoff: ZapiBackoff;
  readonly #timer: ZapiTimer;
  readonly #framer: Framer;
  readonly #out: Uint8Array;
  #outStart = 0;
  #outEnd = 0;
  #transport: ZapiTransport | undefined;
  /** Counts connections, so that a late event of an old one is known. */
  #epoch = 0;
  #open = false;
  #running = false;
  #blocked = false;
  #delayMs = 0;
  #cancelRetry: (() => void) | undefined;
  readonly #subscriptions: Map<string, Subscription> = new Map();
  readonly #dirty: Set<Subscription> = new Set();
  readonly #labels: LabelChunks;
  readonly #labelWire: LabelWire;
  readonly #routeMessage: RouteMessage = new RouteMessage();
  readonly #note: RouteNote = emptyRouteNote();
  readonly #reader: BodyReader = new BodyReader(new Uint8Array(0));
  /** What to do with a command, by number. */
  readonly #dispatch: ((bytes: Uint8Array, body: number, end: number, vrf: number) => void)[];
  readonly #routeAdd: number;
  readonly #routeDelete: number;

  constructor(options: ZapiClientOptions) {
    this.dialect = options.dialect ?? FRR_8_4_4;
    this.#options = options;
    this.#handlers = options.handlers;
    this.#backoff = options.backoff ?? DEFAULT_BACKOFF;
    this.#timer = options.timer ?? defaultTimer;
    this.#framer = new Framer(this.dialect.maxFrameBytes);
    const outBytes = options.outBytes ?? 256 * 1024;
    if (outBytes < 2 * this.dialect.maxFrameBytes) {
      throw new RangeError(`an output buffer of ${outBytes} bytes is shorter than two frames`);
    }
    this.#out = new Uint8Array(outBytes);
    this.#routeAdd = this.dialect.command.ROUTE_ADD;
    this.#routeDelete = this.dialect.command.ROUTE_DELETE;
    this.#labels = new LabelChunks(event => options.handlers.labels?.(event));
    const { routeType, instance = 0 } = options;
    this.#labelWire = {
      ask: (size, base) => this.#put('GET_LABEL_CHUNK', { routeType, instance, keep: 0, size, base }, 0),
      giveBack: (start, end) => this.#put('RELEASE_LABEL_CHUNK', { routeType, instance, start, end }, 0),
    };
    this.#dispatch = this.#makeDispatch();
  }

  /** Connects, and keeps connecting until `stop`. */
  start(): void {
    if (this.#running) return;
    this.#running = true;
    this.#delayMs = this.#backoff.firstMs;
    this.#connect();
  }

  /** Ends the connection and stays away. What was subscribed to stays known for another `start`. */
  stop(): void {
    this.#running = false;
    this.#cancelRetry?.();
    this.#cancelRetry = undefined;
    this.#drain();
    this.#epoch++;
    this.#open = false;
    this.#transport?.close();
    this.#transport = undefined;
  }

  /** Whether messages can be sent now. */
  get connected(): boolean {
    return this.#open;
  }

  /** Bytes that wait for the transport. */
  get queuedBytes(): number {
    return this.#outEnd - this.#outStart;
  }

  // ---- what is wanted -------------------------------------------------------------------------------------------------

  /** Interfaces, their addresses and states of a VRF. */
  wantInterfaces(vrf: number = 0): void {
    this.#want(`interfaces/${vrf}`, 'INTERFACE_ADD', 'INTERFACE_DELETE', {}, vrf);
  }

  /** The router id of a VRF; `afi` is AFI_IP or AFI_IP6. */
  wantRouterId(afi: number, vrf: number = 0): void {
    this.#want(`router-id/${vrf}/${afi}`, 'ROUTER_ID_ADD', 'ROUTER_ID_DELETE', { afi }, vrf);
  }

  wantRedistribution(afi: number, routeType: number, instance: number = 0, vrf: number = 0): void {
    this.#want(
      `redistribute/${vrf}/${afi}/${routeType}/${instance}`,
      'REDISTRIBUTE_ADD',
      'REDISTRIBUTE_DELETE',
      { afi, routeType, instance },
      vrf,
    );
  }

  unwantRedistribution(afi: number, routeType: number, instance: number = 0, vrf: number = 0): void {
    this.#unwant(`redistribute/${vrf}/${afi}/${routeType}/${instance}`);
  }

  wantDefaultRoute(afi: number, vrf: number = 0): void {
    this.#want(`default/${vrf}/${afi}`, 'REDISTRIBUTE_DEFAULT_ADD', 'REDISTRIBUTE_DEFAULT_DELETE', { afi }, vrf);
  }

  unwantDefaultRoute(afi: number, vrf: number = 0): void {
    this.#unwant(`default/${vrf}/${afi}`);
  }

  /** Tracks a next hop: NEXTHOP_UPDATE comes at once and on every change. Registering again changes the flags. */
  wantNexthop(
    prefix: Prefix,
    flags: { readonly connected?: boolean; readonly resolveViaDefault?: boolean; readonly safi?: number } = {},
    vrf: number = 0,
  ): void {
    const entry: NexthopRegistration = {
      connected: flags.connected ?? false,
      resolveViaDefault: flags.resolveViaDefault ?? false,
      safi: flags.safi ?? SAFI_UNICAST,
      prefix,
    };
    const key = `nexthop/${vrf}/${entry.safi}/${formatPrefix(prefix)}`;
    const known = this.#subscriptions.get(key);
    this.#want(key, 'NEXTHOP_REGISTER', 'NEXTHOP_UNREGISTER', { entries: [entry] }, vrf);
    if (known === undefined) return;
    const before = (known.message as ClientMessages['NEXTHOP_REGISTER']).entries[0]!;
    if (before.connected === entry.connected && before.resolveViaDefault === entry.resolveViaDefault) return;
    known.message = { entries: [entry] } as never;
    known.sent = false;
    this.#markDirty(known);
  }

  unwantNexthop(prefix: Prefix, safi: number = SAFI_UNICAST, vrf: number = 0): void {
    this.#unwant(`nexthop/${vrf}/${safi}/${formatPrefix(prefix)}`);
  }

  /** Has zebra send router advertisements on an interface, and tell of the neighbour that does the same there. */
  wantAdvertisements(ifindex: number, intervalS: number, vrf: number = 0): void {
    const message = { ifindex, intervalS };
    this.#want(`advertisements/${vrf}/${ifindex}`, 'INTERFACE_ENABLE_RADV', 'INTERFACE_DISABLE_RADV', message, vrf);
  }

  unwantAdvertisements(ifindex: number, vrf: number = 0): void {
    this.#unwant(`advertisements/${vrf}/${ifindex}`);
  }

  /**
   * Wants the SRv6 locator of this name to make SIDs from: SRV6_MANAGER_GET_LOCATOR_CHUNK comes when there is one that nobody else has,
   * may come again with the same content, and with another after a change; SRV6_LOCATOR_DELETE says that what was given is void.
   */
  wantLocatorChunk(name: string): void {
    const message = { name };
    this.#want(locatorKey(name), 'SRV6_MANAGER_GET_LOCATOR_CHUNK', 'SRV6_MANAGER_RELEASE_LOCATOR_CHUNK', message, 0);
  }

  unwantLocatorChunk(name: string): void {
    this.#unwant(locatorKey(name));
  }

  /**
   * Has zebra look up what comes with this label in a VRF's table (`label` undefined: with no label any more). One for each
   * family; both may have the same.
   */
  vrfLabel(vrf: number, afi: number, label: number | undefined, lspType: number = LSP_BGP): void {
    const key = `vrf-label/${vrf}/${afi}`;
    const known = this.#subscriptions.get(key);
    if (label === undefined) {
      this.#unwant(key);
      return;
    }
    const message = { label, afi, lspType };
    if (known !== undefined && (known.message as ClientMessages['VRF_LABEL']).label !== label) {
      known.message = message as never;
      known.sent = false;
    }
    this.#want(key, 'VRF_LABEL', 'VRF_LABEL', message, vrf, { ...message, label: NO_LABEL });
  }

  /**
   * Asks for `size` labels in a row; the answer comes by `labels`. What was granted is asked for again, by its numbers, on a
   * new connection, and what was not answered as well.
   */
  getLabelChunk(size: number): void {
    this.#labels.get(size);
    this.#say();
  }

  /** Gives a granted chunk back; it is known by its first label. */
  releaseLabelChunk(start: number): void {
    this.#labels.release(start);
    this.#say();
  }

  /** Nothing of a VRF is wanted any more; `tell`: zebra, which has it still, is told. */
  leaveVrf(vrf: number, tell: boolean): void {
    for (const [key, one] of this.#subscriptions) {
      if (one.vrf !== vrf) continue;
      this.#subscriptions.delete(key);
      one.wanted = false;
      if (tell) this.#dirty.add(one);
      else this.#dirty.delete(one);
    }
    this.#say();
  }

  /** Any other message that has to be said on every connection; saying it again under the same key replaces it. */
  always<Name extends keyof ClientMessages>(key: string, name: Name, message: ClientMessages[Name], vrf = 0): void {
    this.#subscriptions.delete(`always/${key}`);
    this.#want(`always/${key}`, name, undefined, message, vrf);
  }

  // ---- what is said once ----------------------------------------------------------------------------------------------

  /**
   * Announces a route. False where there is no connection (announce it when `connected` is called) or no room (go on when
   * `writable` is called). Bytes go out when the buffer is full or at `flush`.
   */
  routeAdd(route: RouteMessage, vrf: number = 0): boolean {
    return this.#route(route, vrf, this.#routeAdd);
  }

  routeDelete(route: RouteMessage, vrf: number = 0): boolean {
    return this.#route(route, vrf, this.#routeDelete);
  }

  /** Sends any message once. False where there is no connection or no room. */
  send<Name extends keyof ClientMessages>(name: Name, message: ClientMessages[Name], vrf: number = 0): boolean {
    if (!this.#open) return false;
    if (!this.#put(name, message, vrf)) return false;
    this.flush();
    return true;
  }

  /** Hands everything buffered to the transport, as far as it takes it. */
  flush(): void {
    if (this.#open) this.#drain();
  }

  // ---- inside ---------------------------------------------------------------------------------------------------------

  #want<Name extends keyof ClientMessages>(
    key: string,
    on: Name,
    off: keyof ClientMessages | undefined,
    message: ClientMessages[Name],
    vrf: number,
    offMessage: ClientMessages[Name] = message,
  ): void {
    let one = this.#subscriptions.get(key);
    if (one === undefined) {
      const said = { message: message as never, offMessage: offMessage as never };
      one = { on, off, ...said, vrf, wanted: true, sent: false };
      this.#subscriptions.set(key, one);
    }
    one.wanted = true;
    if (!one.sent) this.#markDirty(one);
  }

  /** FRR 8.4.4's zebra forgets who asked for a locator that it did not have, or has no more: where one comes it is asked again. */
  #locatorCame(name: string): void {
    const one = this.#subscriptions.get(locatorKey(name));
    if (one === undefined) return;
    one.sent = false;
    this.#markDirty(one);
  }

  #unwant(key: string): void {
    const one = this.#subscriptions.get(key);
    if (one === undefined) return;
    one.wanted = false;
    this.#subscriptions.delete(key);
    this.#markDirty(one);
  }

  #markDirty(one: Subscription): void {
    this.#dirty.add(one);
    this.#say();
  }

  #say(): void {
    if (!this.#open) return;
    this.#pump();
    this.#drain();
  }

  /** Puts on the wire what differs from what is wanted, as far as there is room. */
  #pump(): void {
    if (!this.#labels.pump(this.#labelWire)) return;
    for (const one of this.#dirty) {
      if (one.wanted !== one.sent) {
        const name = one.wanted ? one.on : one.off;
        const message = one.wanted ? one.message : one.offMessage;
        if (name !== undefined && !this.#put(name, message, one.vrf)) return;
        one.sent = one.wanted;
      }
      this.#dirty.delete(one);
    }
  }

  #put<Name extends keyof ClientMessages>(name: Name, message: ClientMessages[Name], vrf: number): boolean {
    let end = encodeToServer(this.dialect, name, message, vrf, this.#out, this.#outEnd);
    if (end < 0) {
      this.#drain();
      end = encodeToServer(this.dialect, name, message, vrf, this.#out, this.#outEnd);
      if (end < 0) return this.#refuse();
    }
    this.#outEnd = end;
    this.stats.framesOut++;
    return true;
  }

  #route(route: RouteMessage, vrf: number, command: number): boolean {
    if (!this.#open) return false;
    const codec = this.dialect.route;
    let end = codec.encode(route, vrf, command, this.#out, this.#outEnd);
    if (end < 0) {
      this.#drain();
      end = codec.encode(route, vrf, command, this.#out, this.#outEnd);
      if (end < 0) return this.#refuse();
    }
    this.#outEnd = end;
    this.stats.framesOut++;
    return true;
  }

  #refuse(): false {
    this.stats.refused++;
    this.#blocked = true;
    return false;
  }

  #drain(): void {
    const transport = this.#transport;
    const queued = this.#outEnd - this.#outStart;
    if (transport === undefined || queued === 0) return;
    if (queued > this.stats.outHighWater) this.stats.outHighWater = queued;
    const taken = transport.write(this.#out, this.#outStart, queued);
    this.stats.bytesOut += taken;
    this.#outStart += taken;
    if (this.#outStart === this.#outEnd) {
      this.#outStart = 0;
      this.#outEnd = 0;
    } else if (this.#outStart >= this.#out.length / 2) {
      this.#out.copyWithin(0, this.#outStart, this.#outEnd);
      this.#outEnd -= this.#outStart;
      this.#outStart = 0;
    }
  }

  #connect(): void {
    this.#cancelRetry = undefined;
    const epoch = ++this.#epoch;
    this.#framer.reset();
    this.#outStart = 0;
    this.#outEnd = 0;
    this.#blocked = false;
    const current = (): boolean => epoch === this.#epoch;
    this.#transport = this.#options.connect({
      open: () => {
        if (current()) this.#opened();
      },
      bytes: (bytes, offset, end) => {
        if (current()) this.#input(bytes, offset, end);
      },
      writable: () => {
        if (current()) this.#writable();
      },
      close: reason => {
        if (current()) this.#closed(reason);
      },
    });
  }

  #opened(): void {
    const options = this.#options;
    this.#open = true;
    const reconnected = this.stats.connections++ > 0;
    this.#put(
      'HELLO',
      {
        routeType: options.routeType,
        instance: options.instance ?? 0,
        session: options.session ?? 0,
        receiveNotify: options.receiveNotify ?? false,
        synchronous: options.synchronous ?? false,
      },
      0,
    );
    this.#dirty.clear();
    for (const one of this.#subscriptions.values()) {
      one.sent = false;
      this.#dirty.add(one);
    }
    this.#labels.opened();
    this.#pump();
    this.#drain();
    this.#handlers.connected?.(reconnected);
    this.flush();
  }

  #writable(): void {
    this.#drain();
    this.#pump();
    this.#drain();
    if (this.#blocked && this.queuedBytes <= this.#out.length / 2) {
      this.#blocked = false;
      this.#handlers.writable?.();
      this.flush();
    }
  }

  #closed(reason: Error | undefined): void {
    this.#epoch++;
    this.#open = false;
    this.#transport = undefined;
    this.stats.failures++;
    if (!this.#running) return;
    const delayMs = this.#delayMs;
    this.#delayMs = Math.min(this.#backoff.maxMs, delayMs * this.#backoff.factor);
    this.#cancelRetry = this.#timer(delayMs, () => this.#connect());
    this.#handlers.disconnected?.(reason, delayMs);
  }

  #input(bytes: Uint8Array, offset: number, end: number): void {
    this.stats.bytesIn += end - offset;
    const framer = this.#framer;
    const epoch = this.#epoch;
    try {
      framer.push(bytes, offset, end);
      while (framer.next()) {
        // Something that speaks ZAPI answered: the next failure starts over with the short delay.
        this.#delayMs = this.#backoff.firstMs;
        this.stats.framesIn++;
        const fn = this.#dispatch[framer.command];
        if (fn !== undefined) {
          try {
            fn(framer.bytes, framer.body, framer.end, framer.vrf);
          } catch (error) {
            if (!(error instanceof ZapiError)) throw error;
            this.#handlers.fault?.(error, commandName(this.dialect, framer.command));
          }
          // The handler may have stopped the client.
          if (epoch !== this.#epoch) return;
        }
      }
    } catch (error) {
      if (!(error instanceof ZapiError)) throw error;
      const transport = this.#transport;
      this.#closed(error);
      transport?.close();
    }
  }

  #makeDispatch(): ((bytes: Uint8Array, body: number, end: number, vrf: number) => void)[] {
    const dialect = this.dialect;
    const handlers = this.#handlers;
    const table: ((bytes: Uint8Array, body: number, end: number, vrf: number) => void)[] = [];
    const reader = this.#reader;
    const { SRV6_LOCATOR_ADD: locatorCame, ...others } = handlers.on ?? {};
    const on: ServerMessageHandlers = {
      ...others,
      SRV6_LOCATOR_ADD: (message, vrf) => {
        locatorCame?.(message, vrf);
        this.#locatorCame(message.name);
      },
      GET_LABEL_CHUNK: (message, vrf) => {
        this.#labels.answered(message.range);
        handlers.on?.GET_LABEL_CHUNK?.(message, vrf);
        this.#say();
      },
    };
    for (const name of Object.keys(on) as (keyof ServerMessages)[]) {
      const codec = dialect.toClient[name];
      const handler = on[name] as ((message: unknown, vrf: number) => void) | undefined;
      if (handler === undefined) continue;
      table[dialect.command[name]] = (bytes, body, end, vrf) => {
        reader.bytes = bytes;
        reader.at = body;
        reader.end = end;
        handler(codec.decode(reader), vrf);
      };
    }
    if (handlers.note !== undefined) {
      table[dialect.command.ROUTE_NOTIFY_OWNER] = (bytes, body, end, vrf) => {
        reader.bytes = bytes;
        reader.at = body;
        reader.end = end;
        handlers.note?.(decodeRouteNote(this.#note, reader), vrf);
      };
    }
    if (handlers.route !== undefined) {
      const message = this.#routeMessage;
      const redistributed =
        (add: boolean) =>
        (bytes: Uint8Array, body: number, end: number, vrf: number): void => {
          const fault = dialect.route.decode(message, bytes, body, end);
          if (fault !== ROUTE_OK) throw new ZapiError('body', routeFaultText(fault, message, body), message.faultValue);
          handlers.route?.(add, message, vrf);
        };
      table[dialect.command.REDISTRIBUTE_ROUTE_ADD] = redistributed(true);
      table[dialect.command.REDISTRIBUTE_ROUTE_DEL] = redistributed(false);
    }
    return table;
  }
}

/** Frames in a complete byte string, for tools and tests. Throws ZapiError. */
export function* frames(
  bytes: Uint8Array,
): Generator<{ command: number; vrf: number; body: number; end: number }, void> {
  const framer = new Framer();
  framer.push(bytes);
  while (framer.next()) {
    yield { command: framer.command, vrf: framer.vrf, body: framer.body, end: framer.end };
  }
}
