// The state machine of one BGP connection (RFC 4271 §8) as a pure function: `step(machine, input, random)` returns the next
// machine and what its driver must do. This file must never contain a clock, a timer, a socket, a byte of a message, a
// callback, or randomness of its own: time passes only as `expired` inputs, and jitter comes from the number passed in.
//
// A peer has two such machines, one for the connection we open and one for the connection we accept; the arbiter
// (arbiter.ts) runs them together and settles collisions. A machine knows nothing of the other one.
//
//              start                    connected                open              keepalive
//    Idle ───────────────▶ Connect ───────────────▶ OpenSent ──────────▶ OpenConfirm ─────────▶ Established
//     ▲                      │ ▲                       │                      │                     │
//     │ idleHold             ▼ │ connectRetry          │ closed               │                     │
//     │                    Active ◀────────────────────┘                      │                     │
//     └───────────────────────┴───────────────── any error, stop ─────────────┴─────────────────────┘
//
// Where this differs from the letter of §8.2.2, and why:
//   - A timer that is not running cannot expire: such an input is an old one that crossed a stop, and is ignored.
//   - A NOTIFICATION in OpenSent is not answered with a NOTIFICATION, as §6.4 forbids what the "any other event" of §8.2.2
//     would do.
//   - The accepting machine has no ConnectRetryTimer: it never opens a connection.
//   - DampPeerOscillations is always on: after a failure the machine stays Idle for IdleHoldTime, which doubles from one
//     failure to the next and falls back when a session has lasted.
import { Cease, ErrorCode, FsmError, type PeerError, peerError } from '../wire/notification.ts';

export type SessionState = 'Idle' | 'Connect' | 'Active' | 'OpenSent' | 'OpenConfirm' | 'Established';
export const STATES: readonly SessionState[] = ['Idle', 'Connect', 'Active', 'OpenSent', 'OpenConfirm', 'Established'];

/** Which of a peer's two connections: the one we open, or the one we accept. */
export type Role = 'outgoing' | 'incoming';

/** `stable` is ours: it runs in Established, and when it expires the failures before are forgotten. */
export type TimerName = 'connectRetry' | 'hold' | 'keepalive' | 'delayOpen' | 'idleHold' | 'stable';
export const TIMERS: readonly TimerName[] = ['connectRetry', 'hold', 'keepalive', 'delayOpen', 'idleHold', 'stable'];

export interface MachineConfig {
  readonly role: Role;
  readonly connectRetryMs: number;
  /** 0: OPEN is sent as soon as the connection is up. */
  readonly delayOpenMs: number;
  readonly idleHoldMs: number;
  readonly idleHoldMaxMs: number;
}

/** Hold time before the peer's OPEN came: "a HoldTimer value of 4 minutes is suggested" (§8.2.2). */
export const OPEN_HOLD_MS = 240_000;

/** What happened. The numbers are the events of §8.1. */
export type Input =
  /** 1, 3–7: the operator or the driver wants a session. */
  | { readonly type: 'start' }
  /** 2, 8: and no longer wants it; the peer is told why. */
  | { readonly type: 'stop'; readonly error: PeerError }
  /** 9–13: a timer that was started ran out. */
  | { readonly type: 'expired'; readonly timer: TimerName }
  /** 16, 17: the connection is up. */
  | { readonly type: 'connected' }
  /** 18: it could not be made, the peer closed it, or it broke. */
  | { readonly type: 'closed' }
  /** 19, 20: an OPEN that agrees with the configuration; the times are those negotiated, 0 for none. */
  | { readonly type: 'open'; readonly holdTimeMs: number; readonly keepaliveMs: number }
  /** 21, 22, 28: the peer made a mistake in a header, an OPEN, an UPDATE or another message. */
  | { readonly type: 'mistake'; readonly error: PeerError }
  /** 23: the other connection of this peer was chosen; `tell` is false where the peer itself ended this one. */
  | { readonly type: 'collisionLost'; readonly tell: boolean }
  /** 24, 25: a NOTIFICATION came. */
  | { readonly type: 'notification'; readonly error: PeerError }
  /** 26. */
  | { readonly type: 'keepalive' }
  /** 27. A driver that judges the hold time by when bytes arrived need not pass UPDATEs in Established. */
  | { readonly type: 'update' }
  /** RFC 2918: as an UPDATE, for the machine. */
  | { readonly type: 'routeRefresh' };

/** What the driver must do, in this order. */
export type Output =
  /** Open a TCP connection to the peer; answer with `connected` or `closed`. An attempt that still runs is given up first. */
  | { readonly type: 'connect' }
  /** Close the connection, or give up the attempt, after what was queued is sent. Its later events are not inputs. */
  | { readonly type: 'close' }
  /** Queue an OPEN with what the configuration says. */
  | { readonly type: 'sendOpen' }
  | { readonly type: 'sendKeepalive' }
  /** A NOTIFICATION for `close`, which follows: the last that the peer hears. It is why the session ended. */
  | { readonly type: 'sendNotification'; readonly error: PeerError }
  /**
   * Arm the timer, afresh where it runs. `delayMs` has its jitter; `baseMs` is without, for a driver that has the
   * KEEPALIVEs sent by someone else (who then jitters, and `expired` never comes).
   * Before `hold` is passed on as expired, look at what has arrived and was not read: where something has, it counts, and
   * the timer is armed for the rest instead.
   */
  | { readonly type: 'startTimer'; readonly timer: TimerName; readonly delayMs: number; readonly baseMs: number }
  | { readonly type: 'stopTimer'; readonly timer: TimerName }
  /** The session is up: UPDATEs may be sent. */
  | { readonly type: 'established' }
  /** It was up and is not any more: forget what the peer said. */
  | { readonly type: 'down' };

export interface Machine {
  readonly config: MachineConfig;
  readonly state: SessionState;
  /** Timers that run. */
  readonly timers: ReadonlySet<TimerName>;
  /** There is a connection, or an attempt at one, to be closed. */
  readonly connection: boolean;
  /** Negotiated, while OpenConfirm or Established. */
  readonly holdTimeMs: number;
  readonly keepaliveMs: number;
  /** ConnectRetryCounter: attempts that failed since the start. */
  readonly connectRetryCounter: number;
  /** Failures that double IdleHoldTime. */
  readonly oscillations: number;
}

export interface Step {
  readonly machine: Machine;
  readonly outputs: readonly Output[];
}

export function createMachine(config: MachineConfig): Machine {
  return {
    config,
    state: 'Idle',
    timers: new Set(),
    connection: false,
    holdTimeMs: 0,
    keepaliveMs: 0,
    connectRetryCounter: 0,
    oscillations: 0,
  };
}

/** The next machine and what to do. `random` is in [0, 1), new for each call. */
export function step(machine: Machine, input: Input, random: number): Step {
  if (input.type === 'expired') {
    if (!machine.timers.has(input.timer)) return { machine, outputs: [] };
    // A timer that ran out does not run: what handles it may start it again.
    machine = { ...machine, timers: without(machine.timers, input.timer) };
    if (input.timer === 'stable') return { machine: { ...machine, oscillations: 0 }, outputs: [] };
  }
  const turn = new Turn(machine, random);
  HANDLERS[machine.state](turn, input);
  return turn.result();
}

function without(timers: ReadonlySet<TimerName>, timer: TimerName): ReadonlySet<TimerName> {
  const rest = new Set(timers);
  rest.delete(timer);
  return rest;
}

/** One step being put together: the changes to the machine beside the outputs that make them true. */
class Turn {
  readonly #before: Machine;
  readonly #random: number;
  readonly #timers: Set<TimerName>;
  readonly #outputs: Output[] = [];
  #changes: Partial<Machine> = {};
  #connection: boolean;

  constructor(machine: Machine, random: number) {
    this.#before = machine;
    this.#random = random;
    this.#timers = new Set(machine.timers);
    this.#connection = machine.connection;
  }

  get machine(): Machine {
    return this.#before;
  }

  get config(): MachineConfig {
    return this.#before.config;
  }

  running(timer: TimerName): boolean {
    return this.#timers.has(timer);
  }

  result(): Step {
    const machine = { ...this.#before, ...this.#changes, timers: this.#timers, connection: this.#connection };
    return { machine, outputs: this.#outputs };
  }

  change(changes: Partial<Machine>): void {
    this.#changes = { ...this.#changes, ...changes };
  }

  goTo(state: SessionState): void {
    this.change({ state });
  }

  say(output: Output): void {
    this.#outputs.push(output);
  }

  /** Jitter as §10 wants it: a factor between 0.75 and 1. */
  start(timer: TimerName, baseMs: number, jitter = true): void {
    if (timer === 'connectRetry' && this.config.role === 'incoming') return;
    this.#timers.add(timer);
    const delayMs = jitter ? Math.ceil(baseMs * (0.75 + 0.25 * this.#random)) : baseMs;
    this.say({ type: 'startTimer', timer, delayMs, baseMs });
  }

  stop(timer: TimerName): void {
    if (this.#timers.delete(timer)) this.say({ type: 'stopTimer', timer });
  }

  connect(): void {
    this.#connection = true;
    this.say({ type: 'connect' });
  }

  /** The connection came up, or went by itself. */
  connectionIs(there: boolean): void {
    this.#connection = there;
  }

  close(): void {
    if (this.#connection) this.say({ type: 'close' });
    this.#connection = false;
  }

  /** OPEN goes out, and the peer has four minutes for its own. */
  open(): void {
    this.stop('connectRetry');
    this.stop('delayOpen');
    this.say({ type: 'sendOpen' });
    this.start('hold', OPEN_HOLD_MS, false);
    this.goTo('OpenSent');
  }

  /** The peer's OPEN was good: answer it and wait for the KEEPALIVE that says the same of ours. */
  confirm(holdTimeMs: number, keepaliveMs: number): void {
    this.stop('connectRetry');
    this.stop('delayOpen');
    this.change({ holdTimeMs, keepaliveMs });
    this.say({ type: 'sendKeepalive' });
    if (keepaliveMs > 0) this.start('keepalive', keepaliveMs);
    if (holdTimeMs > 0) this.start('hold', holdTimeMs, false);
    else this.stop('hold');
    this.goTo('OpenConfirm');
  }

  /** The peer is alive. */
  renewHold(): void {
    if (this.#before.holdTimeMs > 0) this.start('hold', this.#before.holdTimeMs, false);
  }

  /** To Idle: everything of this connection is released. `swings`: one more of these is to wait longer. */
  idle(options: {
    readonly tell?: PeerError;
    readonly failure: boolean;
    readonly swings?: boolean;
    readonly restart: boolean;
  }): void {
    for (const timer of TIMERS) this.stop(timer);
    if (options.tell && this.#connection) this.say({ type: 'sendNotification', error: options.tell });
    this.close();
    if (this.#before.state === 'Established') this.say({ type: 'down' });
    const { connectRetryCounter, oscillations, config } = this.#before;
    this.change({ state: 'Idle', holdTimeMs: 0, keepaliveMs: 0 });
    if (options.failure) this.change({ connectRetryCounter: connectRetryCounter + 1 });
    if (options.failure && options.swings !== false) this.change({ oscillations: oscillations + 1 });
    if (options.restart) {
      this.start('idleHold', Math.min(config.idleHoldMs * 2 ** Math.min(oscillations, 20), config.idleHoldMaxMs));
    }
  }

  /** An error: tell the peer, count it, wait for IdleHoldTime. */
  fail(tell?: PeerError): void {
    this.idle({ ...(tell && { tell }), failure: true, restart: true });
  }
}

type Handler = (turn: Turn, input: Input) => void;

/** Stop and lost collisions are the same in every state but Idle. True where the input was one of them. */
function ended(turn: Turn, input: Input): boolean {
  if (input.type === 'stop') {
    // §8.2.2: before an OPEN was sent the connection is dropped without a NOTIFICATION.
    const spoken = turn.machine.state !== 'Connect' && turn.machine.state !== 'Active';
    turn.idle({ ...(spoken && { tell: input.error }), failure: false, restart: false });
    turn.change({ connectRetryCounter: 0, oscillations: 0 });
    return true;
  }
  if (input.type === 'collisionLost') {
    const tell = peerError(ErrorCode.cease, Cease.connectionCollision);
    turn.idle({ ...(input.tell && { tell }), failure: false, restart: false });
    return true;
  }
  return false;
}

/** Connect and Active share how a connection begins. */
function beginning(turn: Turn, input: Input): void {
  if (ended(turn, input)) return;
  switch (input.type) {
    case 'stop':
    case 'collisionLost':
      return; // done by `ended`
    case 'start': // 1, 3–7: already under way
      return;
    case 'connected': // 16, 17
      if (turn.running('delayOpen')) return; // the connection is up already
      turn.connectionIs(true);
      if (turn.config.delayOpenMs === 0) return turn.open();
      turn.stop('connectRetry');
      return turn.start('delayOpen', turn.config.delayOpenMs);
    case 'expired':
      if (input.timer === 'delayOpen') return turn.open(); // 12
      if (input.timer === 'connectRetry') {
        // 9
        turn.close();
        turn.stop('delayOpen');
        turn.start('connectRetry', turn.config.connectRetryMs);
        turn.connect();
        return turn.goTo('Connect');
      }
      return turn.fail();
    case 'open': // 20: the peer did not wait for us
      if (!turn.running('delayOpen')) return turn.fail();
      turn.say({ type: 'sendOpen' });
      return turn.confirm(input.holdTimeMs, input.keepaliveMs);
    case 'mistake': // 21, 22. Whoever speaks first may be answered (SendNOTIFICATIONwithoutOPEN).
      return turn.fail(input.error);
    case 'closed': // its two states handle it before they come here
    case 'notification':
    case 'keepalive':
    case 'update':
    case 'routeRefresh':
      return turn.fail(); // 24–28
  }
}

const HANDLERS: Readonly<Record<SessionState, Handler>> = {
  Idle(turn, input) {
    if (input.type === 'stop') {
      turn.stop('idleHold');
      return turn.change({ connectRetryCounter: 0, oscillations: 0 });
    }
    if (input.type === 'collisionLost') return turn.stop('idleHold');
    const begin = input.type === 'start' || (input.type === 'expired' && input.timer === 'idleHold');
    if (!begin) return;
    turn.stop('idleHold');
    if (turn.config.role === 'incoming') return turn.goTo('Active'); // 4, 5: passive establishment
    turn.start('connectRetry', turn.config.connectRetryMs);
    turn.connect();
    turn.goTo('Connect');
  },

  Connect(turn, input) {
    if (input.type !== 'closed') return beginning(turn, input);
    turn.connectionIs(false);
    if (!turn.running('delayOpen')) return turn.fail(); // 18
    turn.stop('delayOpen');
    turn.start('connectRetry', turn.config.connectRetryMs);
    turn.goTo('Active');
  },

  Active(turn, input) {
    if (input.type !== 'closed') return beginning(turn, input);
    turn.connectionIs(false);
    turn.fail(); // 18
  },

  OpenSent(turn, input) {
    if (ended(turn, input)) return;
    switch (input.type) {
      case 'stop':
      case 'collisionLost':
        return; // done by `ended`
      case 'start':
      case 'connected':
        return;
      case 'closed': // 18
        turn.connectionIs(false);
        turn.stop('hold');
        turn.start('connectRetry', turn.config.connectRetryMs);
        return turn.goTo('Active');
      case 'open': // 19
        return turn.confirm(input.holdTimeMs, input.keepaliveMs);
      case 'mistake': // 21, 22
        return turn.fail(input.error);
      case 'notification': {
        // 24 is no failure of the session's: the peer speaks another version
        const version = input.error.code === ErrorCode.open && input.error.subcode === 1;
        return turn.idle({ failure: !version, restart: true });
      }
      case 'expired':
        if (input.timer === 'hold') return turn.fail(peerError(ErrorCode.holdTimer, 0)); // 10
        return turn.fail(peerError(ErrorCode.fsm, FsmError.inOpenSent));
      case 'keepalive': // 26
      case 'update': // 27
      case 'routeRefresh':
        return turn.fail(peerError(ErrorCode.fsm, FsmError.inOpenSent));
    }
  },

  OpenConfirm(turn, input) {
    if (ended(turn, input)) return;
    switch (input.type) {
      case 'stop':
      case 'collisionLost':
        return; // done by `ended`
      case 'start':
      case 'connected':
        return;
      case 'closed': // 18
        turn.connectionIs(false);
        return turn.fail();
      case 'notification': // 24, 25
        return turn.fail();
      case 'mistake': // 21, 22
        return turn.fail(input.error);
      case 'keepalive': // 26
        turn.renewHold();
        turn.start('stable', turn.config.idleHoldMaxMs, false);
        turn.say({ type: 'established' });
        return turn.goTo('Established');
      case 'expired':
        if (input.timer === 'hold') return turn.fail(peerError(ErrorCode.holdTimer, 0)); // 10
        if (input.timer === 'keepalive') {
          // 11
          turn.say({ type: 'sendKeepalive' });
          return turn.start('keepalive', turn.machine.keepaliveMs);
        }
        return turn.fail(peerError(ErrorCode.fsm, FsmError.inOpenConfirm));
      case 'open': // 19, 20
      case 'update': // 27
      case 'routeRefresh':
        return turn.fail(peerError(ErrorCode.fsm, FsmError.inOpenConfirm));
    }
  },

  Established(turn, input) {
    if (ended(turn, input)) return;
    switch (input.type) {
      case 'stop':
      case 'collisionLost':
        return; // done by `ended`
      case 'start':
      case 'connected':
        return;
      case 'closed': // 18
        // Who goes away, as in a restart, is waited for, and not held off (§8.1.1 has damping for errors).
        turn.connectionIs(false);
        return turn.idle({ failure: true, swings: false, restart: true });
      case 'notification': // 24, 25
        return turn.fail();
      case 'mistake': // 21, 28
        return turn.fail(input.error);
      case 'keepalive': // 26
      case 'update': // 27
      case 'routeRefresh':
        return turn.renewHold();
      case 'expired':
        if (input.timer === 'hold') return turn.fail(peerError(ErrorCode.holdTimer, 0)); // 10
        if (input.timer === 'keepalive') {
          // 11
          turn.say({ type: 'sendKeepalive' });
          return turn.start('keepalive', turn.machine.keepaliveMs);
        }
        return turn.fail(peerError(ErrorCode.fsm, FsmError.inEstablished));
      case 'open': // 19, 20
        return turn.fail(peerError(ErrorCode.fsm, FsmError.inEstablished));
    }
  },
};
