// The driver of the state machine for one neighbour. It turns what happens (connections, messages, timers, the owner's
// wishes) into inputs of the arbiter, and does what the outputs say; it decides nothing about states itself.
//
//    owner ── start, stop, reset … ▶ inbox ─┐                       ┌─▶ transport: connect, send, close, keepalives
//    transport ── connected, message … ─────┼──▶ stepPeer (pure) ───┼─▶ timers of the loop
//    loop ── timer expired ─────────────────┘                       └─▶ owner: established, update, down …
//
// The owner's calls wait in the inbox for a turn of their own, so that the owner is never called back from inside one.
//
// Established is the one state with traffic, so UPDATEs do not go through the machine there: they reach the owner straight,
// and the hold time is judged by when the last byte arrived, which the I/O thread writes down (`silentMs`). When the hold
// timer fires, that is looked at first, then the socket itself (`probe`); only a peer that is silent there too is given up.
import type { TimerTask } from '../../concurrency/index.ts';
import {
  createPeerMachine,
  type PeerConfig,
  type PeerInput,
  type PeerMachine,
  type PeerOutput,
  peerState,
  reconfigured,
  stepPeer,
} from '../fsm/arbiter.ts';
import { OPEN_HOLD_MS, type Output, type Role, type SessionState, type TimerName } from '../fsm/machine.ts';
import { NO_LIMITS } from '../io/limits.ts';
import type { Connection, ConnectionEvents, SocketOptions, TransportFailure } from '../io/types.ts';
import type { AddressFamily } from '../wire/capability.ts';
import { encodeNotification, KEEPALIVE, MessageType, messageLength, messageType } from '../wire/message.ts';
import {
  Cease,
  ErrorCode,
  hardReset,
  isHard,
  isPeerError,
  parseNotification,
  type PeerError,
  peerError,
  shutdownData,
} from '../wire/notification.ts';
import { encodeOpen, parseOpen } from '../wire/open.ts';
import { encodeRouteRefresh, parseRouteRefresh, RefreshKind } from '../wire/refresh.ts';
import { type Agreement, DEFAULT_HOLD_S, DEFAULT_KEEPALIVE_S, localOpen, negotiate } from './negotiate.ts';
import type {
  DownReason,
  MessageCounts,
  Negotiated,
  Session,
  SessionConfig,
  SessionEnvironment,
  SessionHandler,
  SessionStats,
} from './types.ts';

const DEFAULT_CONNECT_RETRY_S = 120;
const DEFAULT_IDLE_HOLD_S = 1;
const DEFAULT_IDLE_HOLD_MAX_S = 60;
const SEND_HOLD_MIN_S = 480; // RFC 9687 §3: the greater of 8 minutes and twice the hold time

/** A session, idle until `start`. */
export function createSession(
  config: SessionConfig,
  environment: SessionEnvironment,
  handler: SessionHandler,
): Session {
  return new Driver(config, environment, handler);
}

/** What we know of one of the two connections. */
interface Leg {
  connection: Connection | undefined;
  agreement: Agreement | undefined;
  /** A NOTIFICATION: the end of the connection follows, and says it. */
  last: Uint8Array | undefined;
  readonly timers: Map<TimerName, TimerTask>;
}

type Wish =
  | { readonly type: 'start' }
  | { readonly type: 'stop'; readonly error: PeerError }
  | { readonly type: 'reconfigure'; readonly config: SessionConfig };

const TIMER_TITLES: Readonly<Record<TimerName, string>> = {
  connectRetry: 'bgp connect retry',
  hold: 'bgp hold timer',
  keepalive: 'bgp keepalive',
  delayOpen: 'bgp delay open',
  idleHold: 'bgp start timer',
  stable: 'bgp stable timer',
};

const noCounts = (): MessageCounts => ({
  opens: 0,
  updates: 0,
  notifications: 0,
  keepalives: 0,
  routeRefreshes: 0,
  capabilities: 0,
});

const COUNT_OF: readonly (keyof MessageCounts)[] = [
  'opens', // no type 0
  'opens',
  'updates',
  'notifications',
  'keepalives',
  'routeRefreshes',
];

class Driver implements Session {
  #config: SessionConfig;
  readonly #environment: SessionEnvironment;
  readonly #handler: SessionHandler;
  #machine: PeerMachine;
  readonly #legs: Readonly<Record<Role, Leg>>;
  readonly #inbox: Wish[] = [];
  readonly #wake: { schedule(): void; cancel(): void };
  readonly #sendHold: TimerTask;
  #state: SessionState = 'Idle';
  #negotiated: Negotiated | undefined;
  #established: Role | undefined;
  #wantsRoom = false;
  #destroyed = false;

  #sent: MessageCounts = noCounts();
  #received: MessageCounts = noCounts();
  #connectionsEstablished = 0;
  #connectionsDropped = 0;
  #changedAtMs: number | undefined;
  #lastReadAtMs: number | undefined;
  #lastWriteAtMs: number | undefined;
  #reason: DownReason = { kind: 'stopped' };
  #reset: { atMs: number; reason: DownReason } | undefined;
  #nextConnectAtMs: number | undefined;

  constructor(config: SessionConfig, environment: SessionEnvironment, handler: SessionHandler) {
    checkConfig(config);
    this.#config = config;
    this.#environment = environment;
    this.#handler = handler;
    this.#machine = createPeerMachine(machineConfig(config));
    const leg = (): Leg => ({ connection: undefined, agreement: undefined, last: undefined, timers: new Map() });
    this.#legs = { outgoing: leg(), incoming: leg() };
    this.#wake = environment.loop.event('bgp session', () => this.#drain());
    this.#sendHold = environment.loop.timer('bgp send hold', () => this.#judgeSendHold());
  }

  get state(): SessionState {
    return this.#state;
  }

  get negotiated(): Negotiated | undefined {
    return this.#negotiated;
  }

  get config(): SessionConfig {
    return this.#config;
  }

  // The owner's wishes.

  start(): void {
    this.#ask({ type: 'start' });
  }

  stop(reason: { readonly error?: PeerError; readonly text?: string } = {}): void {
    this.#ask({ type: 'stop', error: farewell(Cease.administrativeShutdown, reason) });
  }

  reset(reason: { readonly error?: PeerError; readonly text?: string } = {}): void {
    this.#ask({ type: 'stop', error: farewell(Cease.administrativeReset, reason) });
    this.#ask({ type: 'start' });
  }

  reconfigure(config: SessionConfig): void {
    checkConfig(config);
    this.#ask({ type: 'reconfigure', config });
  }

  accept(connection: Connection): void {
    this.#drain();
    let adopted = false;
    const incoming = this.#legs.incoming;
    // A neighbour that restarts is back before TCP has noticed that it was gone (RFC 4724 §4.2).
    const restarts = this.#restarts;
    if (restarts) this.#reason = { kind: 'connection', failure: undefined };
    this.#step({ type: 'accepted', restarts }, output => {
      if ('adopt' in output) {
        adopted = true;
        incoming.connection = connection;
        connection.events = this.#eventsOf('incoming', connection);
        const options = socketOptions(this.#config);
        if (Object.keys(options).length > 0) connection.setOptions(options);
      } else if ('refuse' in output) connection.close(encodeNotification(output.refuse));
    });
    if (!adopted) connection.close();
  }

  /** The neighbour is one that comes back (RFC 4724). */
  get #restarts(): boolean {
    return (this.#negotiated?.remote.gracefulRestart?.families.length ?? 0) > 0;
  }

  hasRoom(bytes: number): boolean {
    const connection = this.#established === undefined ? undefined : this.#legs[this.#established].connection;
    if (connection === undefined) return false;
    if (connection.room() >= bytes) return true;
    this.#wantsRoom = true;
    connection.wantWritable();
    return false;
  }

  send(bytes: Uint8Array, offset: number, length: number): boolean {
    if (this.#established === undefined) return false;
    const connection = this.#legs[this.#established].connection;
    if (!connection) return false;
    if (!connection.send(bytes, offset, length)) {
      this.#wantsRoom = true;
      connection.wantWritable();
      return false;
    }
    for (let at = offset; at < offset + length; at += messageLength(bytes, at)) {
      if (messageType(bytes, at) === MessageType.update) this.#sent.updates++;
      else this.#count(this.#sent, messageType(bytes, at));
    }
    return true;
  }

  sendRouteRefresh(family: AddressFamily): boolean {
    if (!this.#negotiated?.routeRefresh) return false;
    const message = encodeRouteRefresh({ ...family, kind: RefreshKind.request });
    return this.send(message, 0, message.length);
  }

  stats(): SessionStats {
    const now = this.#environment.loop.now();
    const ago = (atMs: number | undefined): number | undefined => (atMs === undefined ? undefined : now - atMs);
    const role = this.#established ?? (this.#legs.outgoing.connection ? 'outgoing' : 'incoming');
    const connection = this.#legs[role].connection;
    const sent = { ...this.#sent };
    const received = { ...this.#received };
    for (const leg of [this.#legs.outgoing, this.#legs.incoming]) {
      sent.keepalives += leg.connection?.keepalivesSent ?? 0;
      received.keepalives += leg.connection?.keepalivesReceived ?? 0;
    }
    const configuredHoldTimeMs = (this.#config.holdTimeS ?? DEFAULT_HOLD_S) * 1000;
    const configuredKeepaliveMs = (this.#config.keepaliveS ?? DEFAULT_KEEPALIVE_S) * 1000;
    const up = this.#established !== undefined && connection !== undefined;
    return {
      state: this.#state,
      sent,
      received,
      outQueueBytes: connection?.queuedBytes ?? 0,
      connectionsEstablished: this.#connectionsEstablished,
      connectionsDropped: this.#connectionsDropped,
      sinceMs: ago(this.#changedAtMs),
      lastReadMs: up ? connection.silentMs() : ago(this.#lastReadAtMs),
      lastWriteMs: up ? connection.sentAgoMs() : ago(this.#lastWriteAtMs),
      lastReset: this.#reset && { agoMs: now - this.#reset.atMs, reason: this.#reset.reason },
      configuredHoldTimeMs,
      configuredKeepaliveMs,
      holdTimeMs: this.#negotiated?.holdTimeMs ?? configuredHoldTimeMs,
      keepaliveMs: this.#negotiated?.keepaliveMs ?? configuredKeepaliveMs,
      connectRetryMs: (this.#config.connectRetryS ?? DEFAULT_CONNECT_RETRY_S) * 1000,
      nextConnectMs:
        this.#nextConnectAtMs === undefined || this.#state === 'Established'
          ? undefined
          : Math.max(0, this.#nextConnectAtMs - now),
      negotiated: this.#negotiated,
      localAddress: connection?.local,
      remoteAddress: connection?.remote,
    };
  }

  destroy(quietly = false): void {
    if (this.#destroyed) return;
    this.#inbox.length = 0;
    this.#wake.cancel();
    if (quietly) for (const role of ['outgoing', 'incoming'] as const) this.#perform(role, { type: 'close' }, true);
    this.#step({ type: 'stop', error: peerError(ErrorCode.cease, Cease.peerDeconfigured) }, undefined, true);
    this.#destroyed = true;
    this.#sendHold.stop();
  }

  #ask(wish: Wish): void {
    if (this.#destroyed) return;
    this.#inbox.push(wish);
    this.#wake.schedule();
  }

  #drain(): void {
    for (let wish = this.#inbox.shift(); wish; wish = this.#inbox.shift()) {
      if (wish.type === 'reconfigure') this.#reconfigure(wish.config);
      else this.#step(wish);
    }
  }

  #reconfigure(config: SessionConfig): void {
    if (this.#established !== undefined && sameWhileUp(this.#config, config)) {
      this.#config = config;
      this.#machine = reconfigured(this.#machine, machineConfig(config));
      for (const { connection } of Object.values(this.#legs)) {
        connection?.setOptions({ limits: config.limits ?? NO_LIMITS });
      }
      return;
    }
    this.#step({ type: 'stop', error: peerError(ErrorCode.cease, Cease.otherConfigurationChange) });
    this.#config = config;
    this.#machine = createPeerMachine(machineConfig(config));
    this.#step({ type: 'start' });
  }

  // Inputs.

  #eventsOf(role: Role, connection: Connection): ConnectionEvents {
    const leg = this.#legs[role];
    const mine = (): boolean => leg.connection === connection && !this.#destroyed;
    const ended = (failure: TransportFailure | undefined): void => {
      if (!mine()) return;
      this.#reason = { kind: 'connection', failure };
      this.#forget(leg);
      const restarts = this.#established === role && this.#restarts;
      this.#step({ type: 'connection', role, input: { type: 'closed' }, restarts });
    };
    return {
      connected: () => {
        if (mine()) this.#step({ type: 'connection', role, input: { type: 'connected' } });
      },
      failed: ended,
      closed: ended,
      message: (type, bytes, offset, length) => {
        if (mine()) this.#message(role, leg, type, bytes, offset, length);
      },
      headerError: error => {
        if (mine()) this.#step({ type: 'connection', role, input: { type: 'mistake', error } });
      },
      writable: () => {
        if (!mine() || !this.#wantsRoom || this.#established !== role) return;
        this.#wantsRoom = false;
        this.#handler.writable();
      },
      probed: () => {
        if (mine()) this.#judgeHold(role, true);
      },
    };
  }

  #message(role: Role, leg: Leg, type: number, bytes: Uint8Array, offset: number, length: number): void {
    if (type === MessageType.update && this.#established === role) {
      this.#received.updates++;
      const error = this.#handler.update(bytes, offset, length);
      if (error) this.#step({ type: 'connection', role, input: { type: 'mistake', error } });
      return;
    }
    this.#drain();
    if (leg.connection === undefined) return;
    // KEEPALIVEs are counted where they arrive, since some may be told as one.
    if (type !== MessageType.keepalive) this.#count(this.#received, type);
    switch (type) {
      case MessageType.open:
        return this.#open(role, leg, bytes, offset, length);
      case MessageType.keepalive:
        return this.#step({ type: 'connection', role, input: { type: 'keepalive' } });
      case MessageType.update:
        return this.#step({ type: 'connection', role, input: { type: 'update' } });
      case MessageType.notification: {
        const error = parseNotification(bytes, offset, length);
        this.#reason = { kind: 'notification-received', error };
        if (!isCollision(error)) this.#noteReset();
        return this.#step({ type: 'connection', role, input: { type: 'notification', error } });
      }
      case MessageType.routeRefresh: {
        const refresh = parseRouteRefresh(bytes, offset, length);
        if (isPeerError(refresh)) {
          return this.#step({ type: 'connection', role, input: { type: 'mistake', error: refresh } });
        }
        this.#step({ type: 'connection', role, input: { type: 'routeRefresh' } });
        // RFC 2918 §4: for a family that is not ours it is ignored.
        if (
          this.#established === role &&
          this.#negotiated?.families.some(family => family.afi === refresh.afi && family.safi === refresh.safi)
        ) {
          this.#handler.routeRefresh(refresh);
        }
        return;
      }
      default:
        throw new Error(`message of type ${type} passed the header check`);
    }
  }

  #open(role: Role, leg: Leg, bytes: Uint8Array, offset: number, length: number): void {
    const open = parseOpen(bytes, offset, length);
    const result = isPeerError(open) ? open : negotiate(this.#config, localOpen(this.#config), open);
    if (isPeerError(result)) {
      return this.#step({ type: 'connection', role, input: { type: 'mistake', error: result } });
    }
    // A second OPEN changes nothing that the first one agreed: the machine ends the session for it.
    if (leg.agreement === undefined) {
      leg.agreement = result;
      // Before the KEEPALIVE goes out that lets the peer send longer messages (RFC 8654 §4).
      leg.connection?.setMaximumMessage(result.maximumMessageBytes);
    }
    this.#step({
      type: 'open',
      role,
      remoteRouterId: result.remoteRouterId,
      remoteAs: result.remoteAs,
      holdTimeMs: result.holdTimeMs,
      keepaliveMs: result.keepaliveMs,
    });
  }

  #expired(role: Role, timer: TimerName): void {
    if (timer === 'hold') return this.#judgeHold(role, false);
    this.#step({ type: 'connection', role, input: { type: 'expired', timer } });
  }

  /** The hold timer fired, or the socket has been looked at since. */
  #judgeHold(role: Role, looked: boolean): void {
    const leg = this.#legs[role];
    const connection = leg.connection;
    const machine = this.#machine[role];
    if (!machine.timers.has('hold')) return;
    if (connection) {
      const holdTimeMs = machine.state === 'OpenSent' ? OPEN_HOLD_MS : machine.holdTimeMs;
      const leftMs = holdTimeMs - connection.silentMs();
      if (leftMs > 0) {
        this.#timer(role, 'hold').start(leftMs);
        return;
      }
      if (!looked) return connection.probe();
    }
    this.#step({ type: 'connection', role, input: { type: 'expired', timer: 'hold' } });
  }

  /** RFC 9687: a peer that takes nothing of what we have to say is as good as gone. */
  #judgeSendHold(): void {
    const role = this.#established;
    if (role === undefined) return;
    const leftMs = this.#sendHoldMs() - (this.#legs[role].connection?.stuckMs() ?? 0);
    if (leftMs > 0) return this.#sendHold.start(leftMs);
    this.#step({
      type: 'connection',
      role,
      input: { type: 'mistake', error: peerError(ErrorCode.sendHoldTimer, 0) },
    });
  }

  #sendHoldMs(): number {
    const holdMs = this.#negotiated?.holdTimeMs ?? 0;
    return this.#config.sendHoldS === undefined
      ? Math.max(SEND_HOLD_MIN_S * 1000, 2 * holdMs)
      : this.#config.sendHoldS * 1000;
  }

  // Outputs.

  #step(input: PeerInput, special?: (output: PeerOutput) => void, silent = false): void {
    const { peer, outputs } = stepPeer(this.#machine, input, this.#environment.random());
    this.#machine = peer;
    if (input.type === 'stop') this.#reason = { kind: 'stopped' };
    // The owner who is called back looks at the new state already.
    const from = this.#state;
    this.#state = peerState(peer);
    if (this.#state !== from && !silent) this.#handler.stateChanged?.(from, this.#state);
    for (const output of outputs) {
      if ('role' in output) this.#perform(output.role, output.output, silent);
      else special?.(output);
    }
  }

  #perform(role: Role, output: Output, silent: boolean): void {
    const leg = this.#legs[role];
    switch (output.type) {
      case 'connect': {
        leg.connection?.close();
        const { remote, local, device, namespace, md5Key } = this.#config;
        const connection = this.#environment.transport.connect({
          remote,
          ...(local && { local }),
          ...(device !== undefined && { device }),
          ...(namespace !== undefined && { namespace }),
          ...(md5Key !== undefined && { md5Key }),
          ...socketOptions(this.#config),
        });
        connection.events = this.#eventsOf(role, connection);
        leg.connection = connection;
        return;
      }
      case 'close': {
        const { connection, last } = leg;
        this.#forget(leg);
        connection?.close(last);
        return;
      }
      case 'sendOpen':
        return this.#transmit(leg, encodeOpen(localOpen(this.#config)));
      case 'sendKeepalive':
        return this.#transmit(leg, KEEPALIVE);
      case 'sendNotification': {
        // The loser of a collision is no event in the session's life.
        if (!isCollision(output.error)) {
          this.#reason = { kind: 'notification-sent', error: output.error };
          this.#noteReset();
        }
        if (leg.connection !== undefined) {
          leg.last = encodeNotification(this.#hardened(output.error));
          this.#sent.notifications++;
        }
        return;
      }
      case 'startTimer':
        if (output.timer === 'keepalive') leg.connection?.setKeepalive(output.baseMs);
        else this.#timer(role, output.timer).start(output.delayMs);
        if (output.timer === 'connectRetry' || output.timer === 'idleHold') {
          this.#nextConnectAtMs = this.#environment.loop.now() + output.delayMs;
        }
        return;
      case 'stopTimer':
        if (output.timer === 'keepalive') leg.connection?.setKeepalive(0);
        else leg.timers.get(output.timer)?.stop();
        return;
      case 'established': {
        const { connection, agreement } = leg;
        if (!connection || !agreement) throw new Error('established without a connection or an OPEN');
        this.#negotiated = {
          ...agreement,
          localAddress: connection.local ?? connection.remote,
          remoteAddress: connection.remote,
          outgoing: connection.outgoing,
        };
        this.#established = role;
        this.#changedAtMs = this.#environment.loop.now();
        this.#connectionsEstablished++;
        this.#nextConnectAtMs = undefined;
        // RFC 9687 §3.3: as the hold timer, it does not run where no KEEPALIVEs do.
        if (agreement.holdTimeMs > 0) this.#sendHold.start(this.#sendHoldMs());
        this.#handler.established(this.#negotiated);
        return;
      }
      case 'down':
        this.#established = undefined;
        this.#negotiated = undefined;
        this.#wantsRoom = false;
        this.#sendHold.stop();
        this.#connectionsDropped++;
        this.#changedAtMs = this.#environment.loop.now();
        this.#noteReset();
        if (!silent) this.#handler.down(this.#reason);
        return;
    }
  }

  /** Between two who have agreed that a NOTIFICATION keeps routes, what shall not says so (RFC 8538 §3.1). */
  #hardened(error: PeerError): PeerError {
    if (this.#negotiated?.notificationRestart !== true) return error;
    return isHard(error, this.#config.hardAdministrativeReset !== false) ? hardReset(error) : error;
  }

  /** A session ended, or one that was to be did not come up because a side refused. */
  #noteReset(): void {
    this.#reset = { atMs: this.#environment.loop.now(), reason: this.#reason };
  }

  #timer(role: Role, name: TimerName): TimerTask {
    const { timers } = this.#legs[role];
    let timer = timers.get(name);
    if (!timer) {
      timer = this.#environment.loop.timer(TIMER_TITLES[name], () => this.#expired(role, name));
      timers.set(name, timer);
    }
    return timer;
  }

  #transmit(leg: Leg, message: Uint8Array): void {
    const connection = leg.connection;
    if (connection?.send(message, 0, message.length)) this.#count(this.#sent, messageType(message, 0));
  }

  /** The connection is gone or going: keep what it counted. */
  #forget(leg: Leg): void {
    const connection = leg.connection;
    if (!connection) return;
    const now = this.#environment.loop.now();
    this.#sent.keepalives += connection.keepalivesSent;
    this.#received.keepalives += connection.keepalivesReceived;
    this.#lastReadAtMs = now - connection.silentMs();
    const sentAgoMs = connection.sentAgoMs();
    if (sentAgoMs !== undefined) this.#lastWriteAtMs = now - sentAgoMs;
    leg.connection = undefined;
    leg.agreement = undefined;
    leg.last = undefined;
  }

  #count(counts: MessageCounts, type: number): void {
    const key = COUNT_OF[type];
    if (key !== undefined) counts[key]++;
  }
}

function isCollision({ code, subcode }: PeerError): boolean {
  return code === ErrorCode.cease && subcode === Cease.connectionCollision;
}

function farewell(subcode: number, reason: { readonly error?: PeerError; readonly text?: string }): PeerError {
  if (reason.error) return reason.error;
  return peerError(ErrorCode.cease, subcode, reason.text === undefined ? undefined : shutdownData(reason.text));
}

function machineConfig(config: SessionConfig): PeerConfig {
  return {
    passive: config.passive === true,
    localRouterId: config.routerId,
    localAs: config.localAs,
    connectRetryMs: (config.connectRetryS ?? DEFAULT_CONNECT_RETRY_S) * 1000,
    delayOpenMs: (config.delayOpenS ?? 0) * 1000,
    idleHoldMs: (config.idleHoldS ?? DEFAULT_IDLE_HOLD_S) * 1000,
    idleHoldMaxMs: (config.idleHoldMaxS ?? DEFAULT_IDLE_HOLD_MAX_S) * 1000,
  };
}

function socketOptions({ ttl, minTtl, limits }: SessionConfig): SocketOptions {
  return { ...(ttl !== undefined && { ttl }), ...(minTtl !== undefined && { minTtl }), ...(limits && { limits }) };
}

/** What matters only when the next OPEN is said, or the next attempt waits; and what a connection is told when it changes. */
const NEXT_TIME: Partial<SessionConfig> = {
  holdTimeS: 0,
  keepaliveS: 0,
  connectRetryS: 0,
  delayOpenS: 0,
  idleHoldS: 0,
  idleHoldMaxS: 0,
  hostname: '',
  domainname: '',
  gracefulRestart: false,
  hardAdministrativeReset: true,
  limits: NO_LIMITS,
};

/** Whether the two are the same for as long as a session is up. */
function sameWhileUp(a: SessionConfig, b: SessionConfig): boolean {
  // In front for the order of the keys, behind for the values.
  const now = (config: SessionConfig): string => JSON.stringify({ ...NEXT_TIME, ...config, ...NEXT_TIME });
  return now(a) === now(b);
}

/** A configuration that cannot be is a mistake of the owner's, who checks the operator's words. */
function checkConfig(config: SessionConfig): void {
  const holdTimeS = config.holdTimeS ?? DEFAULT_HOLD_S;
  if (holdTimeS !== 0 && (holdTimeS < 3 || holdTimeS > 65535)) {
    throw new RangeError(`hold time of ${holdTimeS} s: it is 0 or 3 to 65535`);
  }
  if (config.routerId === 0) throw new RangeError('BGP identifier 0.0.0.0');
  if (config.localAs < 1 || config.localAs > 0xffffffff) throw new RangeError(`AS number ${config.localAs}`);
}
