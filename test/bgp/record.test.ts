// A run on tape, played again: the speaker comes to the same state, turn by turn, and where a tape is not this speaker's it says so.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { readFileSync, statSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { after, test } from 'node:test';
import { promisify } from 'node:util';
import fc from 'fast-check';
import { bgpCommands } from '../../src/bgp/commands.ts';
import {
  Bgp,
  closeBgpChannels,
  createBgpChannels,
  Player,
  Recorder,
  TapeError,
  TapeReader,
} from '../../src/bgp/index.ts';
import { TaskLoop, Thread, VirtualClock } from '../../src/concurrency/index.ts';
import { type CommandReply, commandHandler, ConfigTree, loadConfig, wordsOf } from '../../src/vty/index.ts';
import { startBird, startGrevy } from '../lib/daemons.ts';
import { Lab } from '../lib/netns.ts';
import { until } from '../lib/wait.ts';
import { MemoryNetwork } from './lib/memory-transport.ts';
import { grammar, Router } from './lib/router.ts';

const GREVY: string = resolve(import.meta.dirname, '../../bin/grevy');
const execute = promisify(execFile);
const lab = new Lab();
after(() => lab.close());

const SHOWN = [
  'show bgp ipv4 unicast json',
  'show bgp ipv4 unicast 10.9.0.0/24 json',
  'show bgp ipv6 unicast',
  'show bgp summary json',
  'show bgp neighbors json',
  'show bgp neighbors 10.0.0.2 advertised-routes json',
  'show bgp neighbors 10.0.0.2 routes json',
  'show bgp update-groups',
  'show bgp memory',
];

type Ask = (request: object) => CommandReply | undefined;

function answer(ask: Ask, line: string): string {
  const match = grammar.parse('exec', wordsOf(line));
  assert.ok('entry' in match, line);
  const request = { id: 1, command: match.entry.number, args: match.args, session: { terminalLength: 0 } };
  let text = '';
  for (let vty = 'exec'; ; vty = 'more') {
    const reply = ask({ vty, ...request });
    if (reply === undefined || !('text' in reply)) return `${text}${JSON.stringify(reply)}`;
    text += reply.text;
    if (reply.done) return text;
  }
}

/** A configuration of one of two neighbours. */
function text(as: number, id: string, neighbor: string, inner: readonly string[]): string {
  const [address] = neighbor.split(' ');
  return `ip prefix-list SOME seq 5 permit 10.0.0.0/8 le 20
route-map EDIT permit 10
 match ip address prefix-list SOME
 set community ${as}:1 additive
route-map EDIT permit 20
 set metric 7
router bgp ${as}
 bgp router-id ${id}
 no bgp ebgp-requires-policy
 no bgp network import-check
 neighbor ${neighbor}
 neighbor ${address} timers 3 9
 neighbor ${address} timers connect 2
 neighbor ${address} advertisement-interval 0
 address-family ipv4 unicast
${inner.map(line => `  ${line}`).join('\n')}
 exit-address-family
`;
}

/** A recorded speaker in memory, with a neighbour that is not. */
class Stage {
  readonly clock = new VirtualClock();
  readonly network: MemoryNetwork;
  readonly far: Router;
  readonly bgp: Bgp;
  readonly #pieces: Buffer[] = [];
  readonly #recorder: Recorder;
  readonly #handler: (message: unknown) => unknown;
  #tree: ConfigTree = new ConfigTree(grammar);

  constructor() {
    const loop = new TaskLoop('bgp', this.clock);
    this.network = new MemoryNetwork(loop);
    const at = (last: number) => ({ family: 2, words: [0x0a000000 + last, 0, 0, 0], port: 179, scopeId: 0 }) as const;
    this.#recorder = new Recorder({
      loop,
      transport: this.network.transport(at(1)),
      about: { version: 'test', hostname: 'near', listenPort: 179 },
      log: () => {},
      put: bytes => void this.#pieces.push(Buffer.from(bytes)),
    });
    const { environment } = this.#recorder;
    this.bgp = new Bgp(environment);
    this.#handler = this.#recorder.requests(
      commandHandler(bgpCommands, this.bgp, { now: () => environment.loop.now() }),
    );
    this.far = new Router('far', 179, { loop, transport: this.network.transport(at(2)) });
    this.configure(0, []);
  }

  ask: Ask = request => this.#handler(request) as CommandReply | undefined;

  /** Gives the recorded one (0) or the other these lines in its address family. */
  configure(which: number, inner: readonly string[]): void {
    if (which === 1) return this.far.config(text(65002, '10.0.0.2', '10.0.0.1 remote-as 65001', inner));
    const { tree, problems } = loadConfig(grammar, text(65001, '10.0.0.1', '10.0.0.2 remote-as 65002', inner), 'near');
    assert.deepEqual(problems, []);
    const steps = tree.stepsFrom(this.#tree);
    const reply = this.ask({ vty: 'config', actions: steps.map(({ action }) => action) });
    assert.deepEqual(reply, { results: steps.map(() => ({})) });
    for (const step of steps) step.commit();
  }

  get tape(): Buffer {
    this.#recorder.flush();
    return Buffer.concat(this.#pieces);
  }
}

const inner = fc.subarray([
  'network 10.1.0.0/16',
  'network 10.2.0.0/24 route-map EDIT',
  'network 10.3.0.0/20',
  'aggregate-address 10.0.0.0/8 summary-only',
  'neighbor PEER route-map EDIT in',
  'neighbor PEER route-map EDIT out',
  'neighbor PEER prefix-list SOME out',
  'neighbor PEER default-originate',
  'neighbor PEER soft-reconfiguration inbound',
  'neighbor PEER maximum-prefix 2 restart 1',
  'maximum-paths 4',
]);

const step = fc.oneof(
  fc.record({ kind: fc.constant('configure' as const), which: fc.nat(1), lines: inner }),
  fc.record({ kind: fc.constant('pass' as const), ms: fc.constantFrom(1, 20, 500, 2_000, 20_000) }),
  fc.record({ kind: fc.constant('cut' as const), on: fc.boolean() }),
  fc.record({ kind: fc.constant('full' as const), on: fc.boolean() }),
  fc.record({
    kind: fc.constant('ask' as const),
    line: fc.constantFrom('clear bgp *', 'clear bgp * soft in', 'clear bgp 10.0.0.2 soft out', ...SHOWN),
  }),
);

test('whatever happened to a speaker, played again it says the same', () => {
  let up = 0;
  fc.assert(
    fc.property(fc.array(step, { maxLength: 30 }), steps => {
      const stage = new Stage();
      stage.configure(1, ['network 10.9.0.0/24']);
      stage.clock.advance(5_000);
      const said: string[] = [];
      for (const one of steps) {
        if (one.kind === 'configure') {
          const peer = one.which === 0 ? '10.0.0.2' : '10.0.0.1';
          stage.configure(
            one.which,
            one.lines.map(line => line.replace('PEER', peer)),
          );
        } else if (one.kind === 'pass') stage.clock.advance(one.ms);
        else if (one.kind === 'cut') stage.network.cut = one.on;
        else if (one.kind === 'ask') said.push(answer(stage.ask, one.line));
        else if (one.on) stage.network.full = true;
        else stage.network.drain();
      }
      const shown = SHOWN.map(line => answer(stage.ask, line));
      if (shown[3]!.includes('"state": "Established"')) up++;
      const heard: string[] = [];
      const player = new Player(new TapeReader(stage.tape), {
        answered: (_, reply) => reply !== undefined && 'text' in reply && heard.push(reply.text),
      });
      player.play();
      assert.deepEqual(heard, [...said, ...shown]);
      assert.deepEqual(
        SHOWN.map(line => answer(request => player.ask(request), line)),
        shown,
      );
      stage.far.close();
    }),
    { numRuns: 200 },
  );
  assert.ok(up > 20, `${up} of the runs ended with a session`);
});

test('beyond the end of a tape the clocks stand where they stood', () => {
  const stage = new Stage();
  stage.configure(0, ['network 10.1.0.0/24']);
  stage.clock.advance(5_000);
  stage.far.close();
  const player = new Player(new TapeReader(stage.tape));
  player.play();
  // Of a next hop that zebra is not asked about: now.
  const text = answer(request => player.ask(request), 'show bgp nexthop');
  assert.match(text, new RegExp(`Last update: .* ${new Date().getFullYear()}`));
});

test('a tape of another speaker, one that was cut off, and what is none are told apart from a run', () => {
  const stage = new Stage();
  stage.configure(1, ['network 10.9.0.0/24']);
  stage.clock.advance(5_000);
  stage.far.close();
  const { tape } = stage;
  const play = (bytes: Buffer): number => new Player(new TapeReader(bytes)).play();
  assert.ok(play(tape) > 10);
  const changed = Buffer.from(tape);
  // The name is one of the things that a speaker says of itself.
  changed[changed.indexOf('near')]! ^= 1;
  assert.throws(() => play(changed), {
    name: 'TapeError',
    message: /^another run: in entry \d+ .* does 'send \d+' otherwise/,
  });
  const end = tape.length;
  for (let length = tape.indexOf(10) + 1; length < end; length += 2) {
    try {
      play(tape.subarray(0, length));
    } catch (error) {
      assert.ok(error instanceof TapeError, String(error));
      assert.match(error.message, /^the tape ends in the middle of entry /);
    }
  }
  for (const none of ['', 'hello\n', '{}\n', '{"format":"grevy bgp tape 99"}\n']) {
    assert.throws(() => play(Buffer.from(none)), { name: 'TapeError', message: /^not a tape/ });
  }
});

test('where no tape can be written, the thread runs without one, and says so', async () => {
  const channels = createBgpChannels();
  const said: unknown[] = [];
  const thread = await Thread.start({
    name: 'bgp',
    entry: new URL('../../src/bgp/thread.ts', import.meta.url),
    data: { channels, listenPort: 0, record: { file: join(await lab.directory(), 'none', 'tape'), version: '1' } },
    onMessage: text => said.push(text),
  });
  assert.ok(await thread.stop(5_000, 'end'));
  closeBgpChannels(channels);
  assert.match(String(said), /^nothing is recorded: ENOENT/);
});

test('a daemon with a neighbour, recorded and played again', async () => {
  const [host, other] = [await lab.namespace('grevy'), await lab.namespace('bird')];
  await lab.link(host, 'eth0', other, 'eth0');
  await host.run('ip', 'addr', 'add', '10.0.0.1/24', 'dev', 'eth0');
  await other.run('ip', 'addr', 'add', '10.0.0.2/24', 'dev', 'eth0');
  const home = await lab.directory();
  const tape = join(home, 'tape');
  const grevy = await startGrevy(
    lab,
    host,
    `router bgp 65001
 bgp router-id 10.0.0.1
 no bgp ebgp-requires-policy
 neighbor 10.0.0.2 remote-as 65002
 neighbor 10.0.0.2 timers connect 1
`,
    { directory: home, args: ['--record', tape] },
  );
  const routes = Array.from({ length: 2000 }, (_, i) => `route 10.${64 + (i >> 8)}.${i & 255}.0/24 blackhole;`);
  const bird = await startBird(
    lab,
    other,
    `router id 10.0.0.2;
protocol device {}
protocol static { ipv4; ${routes.join('\n')} }
protocol bgp grevy { local 10.0.0.2 as 65002; neighbor 10.0.0.1 as 65001; error wait time 1, 1; connect retry time 1;
  ipv4 { import all; export where source = RTS_STATIC; next hop self; }; }
`,
  );
  const commands = ['show bgp ipv4 unicast json', 'show bgp neighbors json', 'show bgp summary'];
  const said: string[] = [];
  const look = async (): Promise<void> => {
    for (const command of commands) said.push(await grevy.sh(command));
  };
  let seen = '';
  const accepted = async (): Promise<number> => {
    seen = await grevy.sh('show bgp ipv4 unicast summary json');
    const summary = JSON.parse(seen) as {
      peers?: Record<string, { pfxRcd?: number; state: string }>;
    };
    const peer = summary.peers?.['10.0.0.2'];
    return peer?.state === 'Established' ? (peer.pfxRcd ?? 0) : -1;
  };
  await until(async () => (await accepted()) === 2000, { what: () => seen });
  await grevy.sh(
    'configure terminal\nroute-map HALF permit 10\n match ip address prefix-list HALF\nexit\n' +
      'ip prefix-list HALF permit 10.64.0.0/13 le 32\nrouter bgp 65001\naddress-family ipv4 unicast\n' +
      'neighbor 10.0.0.2 route-map HALF in\nend',
  );
  await look();
  // Several shells at once: their answers come in pieces, by turns.
  said.push(...(await Promise.all(Array.from({ length: 6 }, () => grevy.sh('show bgp ipv4 unicast json')))));
  await bird.kill();
  await until(async () => (await accepted()) === -1, { what: () => seen });
  await look();
  await grevy.stop();
  assert.equal(statSync(tape).mode & 0o7, 0, 'passwords are on it');
  const replay = (...args: string[]): Promise<{ stdout: string; stderr: string }> =>
    execute(GREVY, ['replay', ...args], { maxBuffer: 1 << 28 });
  const { stdout, stderr } = await replay(tape, '--answers');
  assert.match(stderr, /^\d+ entries, \d+\.\d{3} s from 20.*Z, of grevy \d/);
  // The shell adds the last newline where there is none.
  for (const text of said) {
    const times = stdout.split(text.trimEnd()).length - 1;
    assert.ok(times >= said.filter(other => other === text).length, `${times} times: ${text.slice(0, 500)}`);
  }
  assert.match(stdout, /'show .*'.*\n/);
  // In the middle there is a session; at the end, which was orderly, none.
  const up = /"bgpState": "Established"/;
  const neighbors = ['-c', 'show bgp neighbors json'];
  assert.doesNotMatch((await replay(tape, ...neighbors)).stdout, up);
  const seconds = [...stdout.matchAll(/^(\d+\.\d+) s: 'show .*neighbors/gm)].map(([, at]) => at!);
  assert.match((await replay(tape, '--until', seconds[0]!, ...neighbors)).stdout, up);
  await assert.rejects(replay(tape, '-c', 'show ip route'), { code: 2, stderr: /Unknown command: show ip route/ });
  writeFileSync(join(home, 'cut'), readFileSync(tape).subarray(0, -1));
  await assert.rejects(replay(join(home, 'cut')), { code: 1, stderr: /the tape ends in the middle of entry \d+/ });
});
