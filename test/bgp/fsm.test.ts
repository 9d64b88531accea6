// The state machine: what each state does with each event (RFC 4271 §8.2.2), and what must hold whatever happens.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  createPeerMachine,
  type PeerInput,
  type PeerMachine,
  type PeerOutput,
  peerState,
  stepPeer,
} from '../../src/bgp/fsm/arbiter.ts';
import {
  createMachine,
  type Input,
  type Machine,
  type MachineConfig,
  OPEN_HOLD_MS,
  type Output,
  STATES,
  type SessionState,
  step,
  TIMERS,
} from '../../src/bgp/fsm/machine.ts';
import { peerError } from '../../src/bgp/wire/notification.ts';

const CONFIG: MachineConfig = {
  role: 'outgoing',
  connectRetryMs: 120_000,
  delayOpenMs: 0,
  idleHoldMs: 1000,
  idleHoldMaxMs: 60_000,
};
const OPEN: Input = { type: 'open', holdTimeMs: 90_000, keepaliveMs: 30_000 };
const STOP: Input = { type: 'stop', error: peerError(6, 2) };
const MISTAKE: Input = { type: 'mistake', error: peerError(3, 1) };
const NOTIFICATION: Input = { type: 'notification', error: peerError(6, 4) };
const EXPIRED = (timer: (typeof TIMERS)[number]): Input => ({ type: 'expired', timer });

/** How to reach each state. */
const WAYS: Readonly<Record<SessionState, readonly Input[]>> = {
  Idle: [],
  Connect: [{ type: 'start' }],
  Active: [{ type: 'start' }, { type: 'connected' }, { type: 'closed' }],
  OpenSent: [{ type: 'start' }, { type: 'connected' }],
  OpenConfirm: [{ type: 'start' }, { type: 'connected' }, OPEN],
  Established: [{ type: 'start' }, { type: 'connected' }, OPEN, { type: 'keepalive' }],
};

function reach(state: SessionState, config: MachineConfig = CONFIG): Machine {
  let machine = createMachine(config);
  for (const input of WAYS[state]) machine = step(machine, input, 0).machine;
  assert.equal(machine.state, state);
  return machine;
}

/** `OpenSent: sendOpen, startTimer hold` */
function told(machine: Machine, input: Input): string {
  const result = step(machine, input, 0);
  const words = result.outputs.map((output: Output) => {
    if (output.type === 'sendNotification') return `notify ${output.error.code}/${output.error.subcode}`;
    if (output.type === 'startTimer') return `start ${output.timer}`;
    if (output.type === 'stopTimer') return `stop ${output.timer}`;
    return output.type;
  });
  return `${result.machine.state}: ${words.join(', ')}`;
}

// Every state with every input. Read: in this state, this input leads to that state and these outputs.
const INPUTS: Readonly<Record<string, Input>> = {
  start: { type: 'start' },
  stop: STOP,
  connected: { type: 'connected' },
  closed: { type: 'closed' },
  open: OPEN,
  mistake: MISTAKE,
  collisionLost: { type: 'collisionLost', tell: true },
  notification: NOTIFICATION,
  keepalive: { type: 'keepalive' },
  update: { type: 'update' },
  routeRefresh: { type: 'routeRefresh' },
  connectRetry: EXPIRED('connectRetry'),
  hold: EXPIRED('hold'),
  keepaliveTimer: EXPIRED('keepalive'),
  delayOpen: EXPIRED('delayOpen'),
  idleHold: EXPIRED('idleHold'),
};
const IGNORED = '';
const failing = (stops: string, notify?: string): string =>
  `Idle: ${stops === '' ? '' : `stop ${stops.replaceAll(' ', ', stop ')}, `}${notify ? `notify ${notify}, ` : ''}`;

const TABLE: Readonly<Record<SessionState, Readonly<Record<string, string>>>> = {
  Idle: {
    start: 'Connect: start connectRetry, connect',
    stop: IGNORED,
    connected: IGNORED,
    closed: IGNORED,
    open: IGNORED,
    mistake: IGNORED,
    collisionLost: IGNORED,
    notification: IGNORED,
    keepalive: IGNORED,
    update: IGNORED,
    routeRefresh: IGNORED,
  },
  Connect: {
    start: IGNORED,
    stop: `${failing('connectRetry')}close`,
    connected: 'OpenSent: stop connectRetry, sendOpen, start hold',
    closed: `${failing('connectRetry')}start idleHold`,
    open: `${failing('connectRetry')}close, start idleHold`,
    mistake: `${failing('connectRetry', '3/1')}close, start idleHold`,
    collisionLost: `${failing('connectRetry', '6/7')}close`,
    notification: `${failing('connectRetry')}close, start idleHold`,
    keepalive: `${failing('connectRetry')}close, start idleHold`,
    update: `${failing('connectRetry')}close, start idleHold`,
    routeRefresh: `${failing('connectRetry')}close, start idleHold`,
    connectRetry: 'Connect: close, start connectRetry, connect',
  },
  Active: {
    start: IGNORED,
    stop: 'Idle: stop connectRetry',
    connected: 'OpenSent: stop connectRetry, sendOpen, start hold',
    closed: `${failing('connectRetry')}start idleHold`,
    open: `${failing('connectRetry')}start idleHold`,
    mistake: `${failing('connectRetry')}start idleHold`,
    collisionLost: 'Idle: stop connectRetry',
    notification: `${failing('connectRetry')}start idleHold`,
    keepalive: `${failing('connectRetry')}start idleHold`,
    update: `${failing('connectRetry')}start idleHold`,
    routeRefresh: `${failing('connectRetry')}start idleHold`,
    connectRetry: 'Connect: start connectRetry, connect',
  },
  OpenSent: {
    start: IGNORED,
    stop: `${failing('hold', '6/2')}close`,
    connected: IGNORED,
    closed: 'Active: stop hold, start connectRetry',
    open: 'OpenConfirm: sendKeepalive, start keepalive, start hold',
    mistake: `${failing('hold', '3/1')}close, start idleHold`,
    collisionLost: `${failing('hold', '6/7')}close`,
    notification: `${failing('hold')}close, start idleHold`,
    keepalive: `${failing('hold', '5/1')}close, start idleHold`,
    update: `${failing('hold', '5/1')}close, start idleHold`,
    routeRefresh: `${failing('hold', '5/1')}close, start idleHold`,
    hold: 'Idle: notify 4/0, close, start idleHold',
  },
  OpenConfirm: {
    start: IGNORED,
    stop: `${failing('hold keepalive', '6/2')}close`,
    connected: IGNORED,
    closed: `${failing('hold keepalive')}start idleHold`,
    open: `${failing('hold keepalive', '5/2')}close, start idleHold`,
    mistake: `${failing('hold keepalive', '3/1')}close, start idleHold`,
    collisionLost: `${failing('hold keepalive', '6/7')}close`,
    notification: `${failing('hold keepalive')}close, start idleHold`,
    keepalive: 'Established: start hold, start stable, established',
    update: `${failing('hold keepalive', '5/2')}close, start idleHold`,
    routeRefresh: `${failing('hold keepalive', '5/2')}close, start idleHold`,
    hold: `${failing('keepalive', '4/0')}close, start idleHold`,
    keepaliveTimer: 'OpenConfirm: sendKeepalive, start keepalive',
  },
  Established: {
    start: IGNORED,
    stop: `${failing('hold keepalive stable', '6/2')}close, down`,
    connected: IGNORED,
    closed: `${failing('hold keepalive stable')}down, start idleHold`,
    open: `${failing('hold keepalive stable', '5/3')}close, down, start idleHold`,
    mistake: `${failing('hold keepalive stable', '3/1')}close, down, start idleHold`,
    collisionLost: `${failing('hold keepalive stable', '6/7')}close, down`,
    notification: `${failing('hold keepalive stable')}close, down, start idleHold`,
    keepalive: 'Established: start hold',
    update: 'Established: start hold',
    routeRefresh: 'Established: start hold',
    hold: `${failing('keepalive stable', '4/0')}close, down, start idleHold`,
    keepaliveTimer: 'Established: sendKeepalive, start keepalive',
  },
};

for (const state of STATES) {
  void test(`in ${state}, each event does what RFC 4271 §8.2.2 says`, () => {
    for (const [name, input] of Object.entries(INPUTS)) {
      // A timer that does not run in this state cannot expire: not in the table.
      const expected = TABLE[state][name] ?? IGNORED;
      const machine = state === 'Active' ? activeWithRetry() : reach(state);
      assert.equal(told(machine, input), expected === IGNORED ? `${state}: ` : expected, `${state} × ${name}`);
    }
  });
}

/** Active with the ConnectRetryTimer running: an OpenSent connection was closed. */
function activeWithRetry(): Machine {
  return step(reach('OpenSent'), { type: 'closed' }, 0).machine;
}

void test('with DelayOpen, OPEN waits for the timer or for the peer', () => {
  let machine = createMachine({ ...CONFIG, delayOpenMs: 5000 });
  machine = step(machine, { type: 'start' }, 0).machine;
  assert.equal(told(machine, { type: 'connected' }), 'Connect: stop connectRetry, start delayOpen');
  machine = step(machine, { type: 'connected' }, 0).machine;
  assert.equal(told(machine, EXPIRED('delayOpen')), 'OpenSent: sendOpen, start hold');
  assert.equal(
    told(machine, OPEN),
    'OpenConfirm: sendOpen, stop delayOpen, sendKeepalive, start keepalive, start hold',
  );
  assert.equal(told(machine, { type: 'closed' }), 'Active: stop delayOpen, start connectRetry');
});

void test('a hold time of zero runs neither timer', () => {
  const machine = reach('OpenSent');
  assert.equal(told(machine, { type: 'open', holdTimeMs: 0, keepaliveMs: 0 }), 'OpenConfirm: sendKeepalive, stop hold');
});

void test('timers are jittered between 75 and 100 percent, the hold timer never', () => {
  const start = (random: number): number[] =>
    step(reach('OpenSent'), OPEN, random).outputs.flatMap(output =>
      output.type === 'startTimer' ? output.delayMs : [],
    );
  assert.deepEqual(start(0), [22_500, 90_000]);
  assert.deepEqual(start(1), [30_000, 90_000]);
  const open = step(reach('Connect'), { type: 'connected' }, 0.3).outputs.find(output => output.type === 'startTimer');
  assert.equal(open?.delayMs, OPEN_HOLD_MS);
});

void test('each failure doubles the pause before the next attempt, and a session that lasted forgets them', () => {
  let machine = createMachine(CONFIG);
  const pauses: number[] = [];
  const run = (input: Input): void => {
    const result = step(machine, input, 1);
    machine = result.machine;
    for (const output of result.outputs) {
      if (output.type === 'startTimer' && output.timer === 'idleHold') pauses.push(output.delayMs);
    }
  };
  run({ type: 'start' });
  for (let i = 0; i < 8; i++) {
    run({ type: 'closed' });
    run(EXPIRED('idleHold'));
  }
  assert.deepEqual(pauses, [1000, 2000, 4000, 8000, 16_000, 32_000, 60_000, 60_000]);
  for (const input of WAYS.Established.slice(1)) run(input);
  run(EXPIRED('stable'));
  run({ type: 'closed' });
  assert.equal(pauses.at(-1), 1000);
});

// The arbiter.

const PEER = {
  passive: false,
  localRouterId: 20,
  localAs: 65001,
  connectRetryMs: 120_000,
  delayOpenMs: 0,
  idleHoldMs: 1000,
  idleHoldMaxMs: 60_000,
};
const peerOpen = (role: 'outgoing' | 'incoming', remoteRouterId: number, remoteAs = 65002): PeerInput => ({
  type: 'open',
  role,
  remoteRouterId,
  remoteAs,
  holdTimeMs: 90_000,
  keepaliveMs: 30_000,
});
const on = (role: 'outgoing' | 'incoming', input: Extract<PeerInput, { type: 'connection' }>['input']): PeerInput => ({
  type: 'connection',
  role,
  input,
});

function play(
  inputs: readonly PeerInput[],
  config: typeof PEER = PEER,
): { peer: PeerMachine; outputs: readonly PeerOutput[] } {
  let peer = createPeerMachine(config);
  let outputs: readonly PeerOutput[] = [];
  for (const input of inputs) ({ peer, outputs } = stepPeer(peer, input, 0));
  return { peer, outputs };
}

/** Both connections sent their OPEN; one has the peer's. */
const collided: readonly PeerInput[] = [{ type: 'start' }, on('outgoing', { type: 'connected' }), { type: 'accepted' }];

function ceased(outputs: readonly PeerOutput[]): string[] {
  return outputs.flatMap(one =>
    'role' in one && one.output.type === 'sendNotification'
      ? `${one.role} ${one.output.error.code}/${one.output.error.subcode}`
      : [],
  );
}

for (const first of ['outgoing', 'incoming'] as const) {
  const second = first === 'outgoing' ? 'incoming' : 'outgoing';
  void test(`in a collision the connection of the higher identifier stays (OPEN on the ${first} one first)`, () => {
    const mine = play([...collided, peerOpen(first, 10), peerOpen(second, 10)]); // ours is 20: what we opened stays
    assert.deepEqual(ceased(mine.outputs), ['incoming 6/7']);
    assert.equal(mine.peer.outgoing.state, 'OpenConfirm');
    assert.equal(mine.peer.incoming.state, 'Idle');
    const theirs = play([...collided, peerOpen(first, 30), peerOpen(second, 30)]);
    assert.deepEqual(ceased(theirs.outputs), ['outgoing 6/7']);
    assert.equal(theirs.peer.incoming.state, 'OpenConfirm');
  });
}

void test('where both identifiers are equal the higher AS number decides (RFC 6286)', () => {
  const higher = play([...collided, peerOpen('outgoing', 20, 65000), peerOpen('incoming', 20, 65000)]);
  assert.deepEqual(ceased(higher.outputs), ['incoming 6/7']);
  const lower = play([...collided, peerOpen('outgoing', 20, 65002), peerOpen('incoming', 20, 65002)]);
  assert.deepEqual(ceased(lower.outputs), ['outgoing 6/7']);
});

void test('an established session ends the other connection, and refuses a new one', () => {
  const up = [...collided, peerOpen('outgoing', 10), on('outgoing', { type: 'keepalive' })];
  const { peer, outputs } = play(up);
  assert.equal(peerState(peer), 'Established');
  assert.deepEqual(ceased(outputs), ['incoming 6/7']);
  const refused = play([...up, { type: 'accepted' }]);
  assert.deepEqual(refused.outputs, [{ refuse: peerError(6, 7) }]);
});

void test('after a session failed both directions begin again together, not before the pause', () => {
  const up = [...collided, peerOpen('incoming', 30), on('incoming', { type: 'keepalive' })];
  const failed = play([...up, on('incoming', { type: 'closed' })]);
  assert.equal(failed.peer.outgoing.state, 'Idle');
  assert.equal(failed.peer.incoming.state, 'Idle');
  const again = play([
    ...up,
    on('incoming', { type: 'closed' }),
    on('incoming', { type: 'expired', timer: 'idleHold' }),
  ]);
  assert.equal(again.peer.outgoing.state, 'Connect');
  assert.equal(again.peer.incoming.state, 'Active');
});

void test('a passive peer never connects', () => {
  const { outputs } = play([{ type: 'start' }], { ...PEER, passive: true });
  assert.ok(!outputs.some(one => 'role' in one && one.output.type === 'connect'));
});

void test('whatever happens, states are defined, timers match, and at most one connection is established', () => {
  const connectionInput = fc.constantFrom<Extract<PeerInput, { type: 'connection' }>['input']>(
    { type: 'connected' },
    { type: 'closed' },
    { type: 'keepalive' },
    { type: 'keepalive' },
    { type: 'update' },
    { type: 'routeRefresh' },
    { type: 'mistake', error: peerError(3, 1) },
    { type: 'notification', error: peerError(6, 7) },
    { type: 'notification', error: peerError(2, 1) },
    ...TIMERS.map(timer => ({ type: 'expired' as const, timer })),
  );
  const role = fc.constantFrom('outgoing' as const, 'incoming' as const);
  const input: fc.Arbitrary<PeerInput> = fc.oneof(
    { weight: 2, arbitrary: fc.constant<PeerInput>({ type: 'start' }) },
    { weight: 1, arbitrary: fc.constant<PeerInput>({ type: 'stop', error: peerError(6, 2) }) },
    { weight: 3, arbitrary: fc.constant<PeerInput>({ type: 'accepted' }) },
    { weight: 6, arbitrary: fc.tuple(role, fc.constantFrom(10, 20, 30)).map(([r, id]) => peerOpen(r, id)) },
    { weight: 12, arbitrary: fc.tuple(role, connectionInput).map(([r, i]) => on(r, i)) },
  );
  // Random inputs alone seldom get far: some come as the beginning of a session.
  const beginning = fc.tuple(role, fc.constantFrom(10, 30), fc.nat(4)).map(([r, id, length]): PeerInput[] => {
    const up: PeerInput = r === 'outgoing' ? on(r, { type: 'connected' }) : { type: 'accepted' };
    return [{ type: 'start' as const }, up, peerOpen(r, id), on(r, { type: 'keepalive' })].slice(
      0,
      length,
    ) as PeerInput[];
  });
  const scene: fc.Arbitrary<PeerInput[]> = fc.oneof(
    beginning,
    input.map(one => [one]),
  );
  let established = 0;
  fc.assert(
    fc.property(
      fc.array(scene, { maxLength: 40, size: 'max' }),
      fc.boolean(),
      fc.constantFrom(0, 3000),
      (scenes, passive, delay) => {
        const inputs = scenes.flat();
        let peer = createPeerMachine({ ...PEER, passive, delayOpenMs: delay });
        const armed = { outgoing: new Set<string>(), incoming: new Set<string>() };
        const up = { outgoing: false, incoming: false };
        for (const one of inputs) {
          if (one.type === 'connection' && one.input.type === 'expired') armed[one.role].delete(one.input.timer);
          const result = stepPeer(peer, one, 0.5);
          peer = result.peer;
          for (const output of result.outputs) {
            if (!('role' in output)) continue;
            const { role: r, output: what } = output;
            if (what.type === 'startTimer') armed[r].add(what.timer);
            if (what.type === 'stopTimer') armed[r].delete(what.timer);
            if (what.type === 'established') {
              assert.ok(!up.outgoing && !up.incoming, 'established twice');
              up[r] = true;
              established++;
            }
            if (what.type === 'down') {
              assert.ok(up[r], 'down without having been up');
              up[r] = false;
            }
          }
          for (const r of ['outgoing', 'incoming'] as const) {
            assert.ok(STATES.includes(peer[r].state));
            assert.equal(peer[r].state === 'Established', up[r]);
            assert.deepEqual(
              [...peer[r].timers].toSorted(),
              [...armed[r]].toSorted(),
              'the driver and the machine agree',
            );
            if (peer[r].state === 'Idle') assert.ok(!peer[r].connection);
          }
          assert.ok(!(up.outgoing && up.incoming));
          // Nobody is left behind: while started, one of the machines is on its way or a timer will wake it.
          if (peer.started) {
            const alive = (['outgoing', 'incoming'] as const).some(
              r => peer[r].state !== 'Idle' || peer[r].timers.has('idleHold'),
            );
            assert.ok(alive, 'started, and nothing will ever happen');
          }
        }
      },
    ),
    { numRuns: 3000 },
  );
  assert.ok(established > 20, 'the inputs reach Established');
});
