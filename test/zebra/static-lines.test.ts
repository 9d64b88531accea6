// Lines of static routes as they are kept, beside what FRR's staticd makes of them.
import assert from 'node:assert/strict';
import { after, describe, test } from 'node:test';
import { RunningConfiguration } from '../../src/daemon/configuration.ts';
import { type ConfigAction, explain, Grammar, wordsOf } from '../../src/vty/index.ts';
import { zebraCommands } from '../../src/zebra/commands.ts';
import { startFrr } from '../lib/daemons.ts';
import { Lab } from '../lib/netns.ts';
import { until } from '../lib/wait.ts';
import { Bench } from './lib.ts';

const LINES = `ip route 1.2.3.0 255.255.255.0 10.0.0.1
ip route 1.2.4.7 255.255.255.0 10.0.0.2 7
ip route 1.2.5.0 255.255.255.0 blackhole
ip route 1.2.6.0 255.255.254.0 eth0 tag 5
ip route 1.2.8.0 255.255.255.255 10.0.0.2 eth0 onlink 9 tag 4
ip route 1.2.9.9/24 10.0.0.2 1
ip route 1.2.10.0 255.255.255.0 Null0 200
ip route 1.2.11.0 255.255.255.0 reject
ip route 0.0.0.0 0.0.0.0 10.0.0.3
ip route 1.2.12.0/24 10.0.0.2 nexthop-vrf red 9
ip route 1.2.13.0/24 10.0.0.2 eth0 nexthop-vrf red onlink tag 3
ip route 1.2.14.0/24 red0 nexthop-vrf red
ipv6 route 2001:db8:1::/64 fd00::2 nexthop-vrf red
ipv6 route 2001:DB8::7/64 eth0 5 tag 6`;

const routeLines = (text: string): string[] =>
  text
    .split('\n')
    .filter(line => /^ip(v6)? route/.test(line))
    .toSorted();

/** The configuration of a zebra without a kernel to speak of. */
class Lines {
  readonly bench: Bench = new Bench();
  readonly configuration: RunningConfiguration = new RunningConfiguration(new Grammar([zebraCommands]), () => ({
    request: async message => ({
      results: (message as { actions: ConfigAction[] }).actions.map(one => this.#act(one)),
    }),
  }));

  #act({ type, command, args, context }: ConfigAction): object {
    zebraCommands.commands[command]!.config![type]!(this.bench.zebra, args, context);
    return {};
  }

  async type(line: string): Promise<void> {
    const { configuration } = this;
    const words = wordsOf(line);
    const match = configuration.grammar.parse('configure', words);
    assert.ok('entry' in match, 'entry' in match ? '' : explain(match, words));
    const { errors } = await configuration.enter(configuration.tree.root, match);
    assert.deepEqual(errors, []);
  }

  get lines(): string[] {
    return routeLines([...this.configuration.tree.render()].join(''));
  }
}

describe('lines of static routes', { timeout: 60_000 }, () => {
  const lab = new Lab();
  after(() => lab.close());

  test('a network with a mask is a prefix, and every line is written as FRR writes it', async () => {
    const one = new Lines();
    assert.deepEqual(await one.configuration.load(LINES, 'test.conf'), []);
    const namespace = await lab.namespace('r1');
    const directory = await lab.directory();
    await startFrr(lab, namespace, 'zebra', '', { directory });
    const staticd = await startFrr(lab, namespace, 'staticd', LINES, { directory });
    let expected: string[] = [];
    await until(
      async () => (expected = routeLines(await staticd.sh('show running-config'))).length === LINES.split('\n').length,
      {
        what: () => `staticd's lines; ${expected.join('\n')}`,
      },
    );
    assert.deepEqual(one.lines, expected);
  });

  test('a line is taken back in whichever form it is said', async () => {
    const one = new Lines();
    await one.type('ip route 1.2.3.0 255.255.255.0 10.0.0.1 7');
    await one.type('ip route 1.2.4.0/24 10.0.0.1');
    assert.deepEqual(one.lines, ['ip route 1.2.3.0/24 10.0.0.1 7', 'ip route 1.2.4.0/24 10.0.0.1']);
    assert.equal(one.bench.zebra.staticsOf('default').count, 2);
    // The same next hop with another distance is moved, not added.
    await one.type('ip route 1.2.3.9/24 10.0.0.1');
    assert.deepEqual(one.lines, ['ip route 1.2.3.0/24 10.0.0.1', 'ip route 1.2.4.0/24 10.0.0.1']);
    await one.type('no ip route 1.2.3.0 255.255.255.0 10.0.0.1');
    await one.type('no ip route 1.2.4.0 255.255.255.0 10.0.0.1');
    assert.deepEqual(one.lines, []);
    assert.equal(one.bench.zebra.staticsOf('default').count, 0);
    await one.type('ip route 1.2.3.0 255.255.255.0 blackhole');
    await one.type('no ip route 1.2.3.0/24 blackhole');
    assert.deepEqual(one.lines, []);
  });

  test('a line may name its VRF, or stand in the block of one', async () => {
    const one = new Lines();
    await one.type('ip route 1.2.3.0/24 10.0.0.1 vrf red');
    await one.type('ip route 1.2.3.0/24 10.0.0.1');
    const count = (vrf: string): number => one.bench.zebra.staticsOf(vrf).count;
    assert.deepEqual([count('red'), count('default')], [1, 1]);
    assert.deepEqual(one.lines, ['ip route 1.2.3.0/24 10.0.0.1', 'ip route 1.2.3.0/24 10.0.0.1 vrf red']);
    await one.type('no ip route 1.2.3.0/24 10.0.0.1');
    assert.deepEqual([count('red'), count('default')], [1, 0]);
    await one.type('no ip route 1.2.3.0/24 10.0.0.1 vrf red');
    assert.equal(count('red'), 0);
    const text = 'vrf red\n ip route 1.2.3.0/24 10.0.0.1\n ip route 1.2.4.0/24 10.0.0.1 vrf blue\nexit-vrf\n';
    const problems = await one.configuration.load(text, 'test.conf');
    assert.deepEqual(
      problems.map(problem => [problem.line, problem.message]),
      [[3, 'A route of VRF blue in the block of VRF red']],
    );
    assert.deepEqual(await one.configuration.load(text.replace(/.*blue\n/, ''), 'test.conf'), []);
    assert.deepEqual([count('red'), count('blue')], [1, 0]);
  });

  test('a mask with a hole is refused with its value', async () => {
    const one = new Lines();
    const problems = await one.configuration.load('ip route 1.2.3.0 255.0.255.0 10.0.0.1\n', 'test.conf');
    assert.deepEqual(
      problems.map(problem => [problem.line, problem.message]),
      [[1, 'Malformed mask: 255.0.255.0']],
    );
    assert.deepEqual(one.lines, []);
  });
});
