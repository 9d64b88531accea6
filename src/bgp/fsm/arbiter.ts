// A peer's two machines together, and which of their connections stays (RFC 4271 §6.8). As pure as the machine itself: it
// contains no clock, socket or randomness either.
//
// Both sides may open a connection at the same moment. When the second OPEN arrives, the connection opened by the side
// with the higher BGP identifier (where those are equal, RFC 6286 §2.3: the higher AS number) stays, so both sides choose
// the same one without a word. A connection that is established always stays.
//
// The machine that lost is parked: Idle, without a timer. When the other one has failed, before or after it was
// established, and begins again, so does the parked one.
import { Cease, ErrorCode, type PeerError, peerError } from '../wire/notification.ts';
import {
  createMachine,
  type Input,
  type Machine,
  type MachineConfig,
  type Output,
  type Role,
  STATES,
  type SessionState,
  step,
} from './machine.ts';

export interface PeerConfig extends Omit<MachineConfig, 'role'> {
  /** Only accept. */
  readonly passive: boolean;
  readonly localRouterId: number;
  readonly localAs: number;
}

export interface PeerMachine {
  readonly config: PeerConfig;
  readonly outgoing: Machine;
  readonly incoming: Machine;
  /** Waits for the other machine's end. */
  readonly parked: Role | undefined;
  readonly started: boolean;
}

export type PeerInput =
  | { readonly type: 'start' }
  | { readonly type: 'stop'; readonly error: PeerError }
  /** The peer connected to us. Answered by `adopt` or `refuse`. `restarts`: an established connection has to give way. */
  | { readonly type: 'accepted'; readonly restarts?: boolean }
  /** An OPEN that agrees with the configuration, on one of the connections. */
  | {
      readonly type: 'open';
      readonly role: Role;
      readonly remoteRouterId: number;
      readonly remoteAs: number;
      readonly holdTimeMs: number;
      readonly keepaliveMs: number;
    }
  /** Anything else that happened to one of the connections. */
  | {
      readonly type: 'connection';
      readonly role: Role;
      /** Of a neighbour that may be restarting: its next connection is taken at once (RFC 4724 §4.2). */
      readonly restarts?: boolean;
      readonly input: Exclude<Input, { readonly type: 'start' | 'stop' | 'open' | 'collisionLost' }>;
    };

export type PeerOutput =
  | { readonly role: Role; readonly output: Output }
  /** The accepted connection becomes the incoming one (an older one was closed by an output before). */
  | { readonly adopt: true }
  /** It is not wanted: say why and close it. */
  | { readonly refuse: PeerError };

export interface PeerStep {
  readonly peer: PeerMachine;
  readonly outputs: readonly PeerOutput[];
}

export function createPeerMachine(config: PeerConfig): PeerMachine {
  return {
    config,
    outgoing: createMachine({ ...config, role: 'outgoing' }),
    incoming: createMachine({ ...config, role: 'incoming' }),
    parked: undefined,
    started: false,
  };
}

/** The same pair, which goes by other times and rules from its next input on. */
export function reconfigured(peer: PeerMachine, config: PeerConfig): PeerMachine {
  return {
    ...peer,
    config,
    outgoing: { ...peer.outgoing, config: { ...config, role: 'outgoing' } },
    incoming: { ...peer.incoming, config: { ...config, role: 'incoming' } },
  };
}

const rank = (state: SessionState): number => STATES.indexOf(state);

/** The state that a person wants to see: of the connection that got further. The incoming machine's waiting in Active says
 *  nothing while the outgoing one exists. */
export function peerState(peer: PeerMachine): SessionState {
  const { outgoing, incoming, config } = peer;
  if (rank(incoming.state) > rank('Active') && rank(incoming.state) > rank(outgoing.state)) return incoming.state;
  return config.passive ? incoming.state : outgoing.state;
}

export function otherRole(role: Role): Role {
  return role === 'outgoing' ? 'incoming' : 'outgoing';
}

/** The next pair of machines and what to do. `random` is in [0, 1), new for each call. */
export function stepPeer(peer: PeerMachine, input: PeerInput, random: number): PeerStep {
  const outputs: PeerOutput[] = [];
  const machines = { outgoing: peer.outgoing, incoming: peer.incoming };
  let { parked, started } = peer;

  const feed = (role: Role, fed: Input): void => {
    const result = step(machines[role], fed, random);
    machines[role] = result.machine;
    for (const output of result.outputs) outputs.push({ role, output });
  };
  const start = (role: Role): void => {
    if (role === 'incoming' || !peer.config.passive) feed(role, { type: 'start' });
  };
  /** Ends one connection in favour of the other. */
  const park = (role: Role, tell: boolean): void => {
    feed(role, { type: 'collisionLost', tell });
    parked = role;
  };

  switch (input.type) {
    case 'start':
      if (started) break;
      started = true;
      start('incoming');
      start('outgoing');
      break;
    case 'stop':
      started = false;
      parked = undefined;
      feed('outgoing', input);
      feed('incoming', input);
      break;
    case 'accepted': {
      if (input.restarts === true) {
        for (const role of ['outgoing', 'incoming'] as const) {
          if (machines[role].state !== 'Established') continue;
          park(role, false);
          parked = 'outgoing';
          start('incoming');
        }
      }
      const { state } = machines.incoming;
      const refused =
        !started || state === 'Idle' || state === 'Established' || machines.outgoing.state === 'Established';
      if (refused) {
        const taken = started && (state === 'Established' || machines.outgoing.state === 'Established');
        const subcode = taken ? Cease.connectionCollision : Cease.connectionRejected;
        outputs.push({ refuse: peerError(ErrorCode.cease, subcode) });
        break;
      }
      if (machines.incoming.connection) {
        // The peer opens one connection at a time, so the one before is dead even where TCP has not noticed yet.
        feed('incoming', { type: 'collisionLost', tell: true });
        start('incoming');
      }
      outputs.push({ adopt: true });
      feed('incoming', { type: 'connected' });
      break;
    }
    case 'open': {
      const { role } = input;
      const other = otherRole(role);
      if (machines[role].state === 'OpenSent' && machines[other].state === 'OpenConfirm') {
        const { localRouterId, localAs } = peer.config;
        const difference = localRouterId - input.remoteRouterId || localAs - input.remoteAs;
        const winner: Role = difference > 0 ? 'outgoing' : 'incoming';
        park(otherRole(winner), true);
        if (winner === other) break;
      }
      feed(role, { type: 'open', holdTimeMs: input.holdTimeMs, keepaliveMs: input.keepaliveMs });
      break;
    }
    case 'connection': {
      const { role } = input;
      const fed = input.input;
      const collision =
        fed.type === 'notification' &&
        fed.error.code === ErrorCode.cease &&
        fed.error.subcode === Cease.connectionCollision;
      const alive = rank(machines[otherRole(role)].state) >= rank('OpenSent');
      const spoken = machines[role].state === 'OpenSent' || machines[role].state === 'OpenConfirm';
      if (collision && alive && spoken) park(role, false);
      else feed(role, fed);
      if (input.restarts === true && started) {
        if (parked === 'incoming') parked = undefined;
        start('incoming');
      }
      if (machines[role].state === 'Established' && machines[otherRole(role)].state !== 'Idle') {
        park(otherRole(role), true);
      } else if (machines[role].state === 'Established' && parked === undefined) park(otherRole(role), false);
      break;
    }
  }

  if (parked !== undefined) {
    // While the other one waits for IdleHoldTime, so does this one: a restart of it would make that pause void.
    const other = machines[otherRole(parked)];
    if (rank(other.state) < rank('OpenSent') && !other.timers.has('idleHold')) {
      const role = parked;
      parked = undefined;
      start(role);
    }
  }
  return { peer: { config: peer.config, ...machines, parked, started }, outputs };
}
