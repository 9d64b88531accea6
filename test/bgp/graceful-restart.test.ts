// Graceful restart beside FRR and BIRD: they go and come back, or do not, and so do we.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { type Daemon, startBird, startFrr, startGrevy } from '../lib/daemons.ts';
import { Lab, type Namespace } from '../lib/netns.ts';
import { until } from '../lib/wait.ts';

const lab = new Lab();
let here: Namespace;
let there: Namespace;
let grevy: Daemon;

before(async () => {
  here = await lab.namespace('grevy');
  there = await lab.namespace('peer');
  await lab.link(here, 'eth0', there, 'eth0');
  await here.run('ip', 'addr', 'add', '10.0.0.10/24', 'dev', 'eth0');
  await there.run('ip', 'addr', 'add', '10.0.0.1/24', 'dev', 'eth0');
});
after(() => lab.close());

const GREVY = (own: string): string => `router bgp 65010
 bgp router-id 10.0.0.10
 no bgp ebgp-requires-policy
 no bgp network import-check
${own} neighbor 10.0.0.1 remote-as 65001
 neighbor 10.0.0.1 timers connect 1
 address-family ipv4 unicast
  network 10.10.0.0/24
 exit-address-family
exit
`;

const FRR = (own: string, networks: readonly string[]): string => `router bgp 65001
 bgp router-id 10.0.0.1
 no bgp ebgp-requires-policy
 no bgp network import-check
${own} neighbor 10.0.0.10 remote-as 65010
 neighbor 10.0.0.10 timers connect 1
 address-family ipv4 unicast
${networks.map(one => `  network ${one}\n`).join('')} exit-address-family
exit
`;

const BIRD = (networks: readonly string[]): string => `router id 10.0.0.1;
protocol device {}
protocol static { ipv4; ${networks.map(one => `route ${one} blackhole;`).join(' ')} }
protocol bgp grevy { local 10.0.0.1 as 65001; neighbor 10.0.0.10 as 65010; connect delay time 1; error wait time 1, 2;
  graceful restart on; graceful restart time 5;
  ipv4 { import all; export where source = RTS_STATIC; }; }
`;

/** Prefixes that Grevy has, with their marks, and that its kernel has. */
async function table(): Promise<string[]> {
  const text = await grevy.sh('show bgp ipv4 unicast');
  return Array.from(
    text.matchAll(/^([S*][> ]) {1,2}(10\.\d+\.\d+\.0)/gm),
    ([, mark, prefix]) => `${mark!.trim()} ${prefix}`,
  );
}

async function kernel(): Promise<string[]> {
  const routes = await here.ipJson<{ dst: string }[]>('route', 'show', 'proto', 'bgp');
  return routes.map(one => one.dst).toSorted();
}

async function becomes(expected: readonly string[], timeoutMs = 60_000): Promise<void> {
  let last: string[] = [];
  await until(
    async () => {
      last = await table();
      return JSON.stringify(last) === JSON.stringify(expected);
    },
    { timeoutMs, what: () => `${expected.join(', ')}; there are ${last.join(', ')}\n${grevy.output()}` },
  );
}

const ALL = ['* > 10.1.0.0', '* > 10.1.1.0', '* > 10.10.0.0'].map(one => one.replace('* >', '*>'));
const STALE = ['S> 10.1.0.0', 'S> 10.1.1.0', '*> 10.10.0.0'];

describe('a neighbour that restarts', () => {
  const restarting =
    ' bgp graceful-restart\n bgp graceful-restart preserve-fw-state\n bgp graceful-restart restart-time 6\n';
  before(async () => {
    grevy = await startGrevy(lab, here, GREVY(''));
  });
  after(() => grevy.stop());

  test('FRR, killed: its routes go on forwarding; back, what it does not say again goes at its End-of-RIB', async () => {
    let frr = await startFrr(lab, there, 'bgpd', FRR(restarting, ['10.1.0.0/24', '10.1.1.0/24']), {
      args: ['-n', '-Z'],
    });
    await becomes(ALL);
    await until(async () => (await kernel()).length === 2, { what: 'both in the kernel' });
    const changes = here.spawn(['ip', '-o', 'monitor', 'route'], { stdio: ['ignore', 'pipe', 'ignore'] });
    let said = '';
    changes.stdout!.on('data', chunk => (said += String(chunk)));
    await frr.kill();
    await becomes(STALE);
    frr = await startFrr(lab, there, 'bgpd', FRR(restarting, ['10.1.0.0/24']), { args: ['-n', '-Z'] });
    await becomes(['*> 10.1.0.0', '*> 10.10.0.0']);
    await until(async () => (await kernel()).join() === '10.1.0.0/24', { what: 'the other to go from the kernel' });
    // Not for a moment was it away.
    assert.doesNotMatch(said, /10\.1\.0\.0/);
    changes.kill();
    await frr.kill();
    await becomes(['S> 10.1.0.0', '*> 10.10.0.0']);
    // And this time it does not come back within its restart time.
    await becomes(['*> 10.10.0.0']);
    await until(async () => (await kernel()).length === 0, { what: 'nothing in the kernel' });
  });

  test('FRR, that comes back without its forwarding state: all that it had said before goes at once', async () => {
    let frr = await startFrr(lab, there, 'bgpd', FRR(restarting, ['10.1.0.0/24', '10.1.1.0/24']), {
      args: ['-n', '-Z'],
    });
    await becomes(ALL);
    await frr.kill();
    await becomes(STALE);
    frr = await startFrr(lab, there, 'bgpd', FRR('', ['10.1.0.0/24']), { args: ['-n', '-Z'] });
    await becomes(['*> 10.1.0.0', '*> 10.10.0.0']);
    await frr.stop();
    await becomes(['*> 10.10.0.0']);
  });

  // (Started with -R, BIRD 2.0.12 says F and then nothing more, to another BIRD neither.)
  test('BIRD, killed; back with nothing preserved it says everything anew, and what it says goodbye with goes', async () => {
    const bird = await startBird(lab, there, BIRD(['10.1.0.0/24', '10.1.1.0/24']));
    await becomes(ALL);
    await bird.kill();
    await becomes(STALE);
    const again = await startBird(lab, there, BIRD(['10.1.0.0/24']));
    await becomes(['*> 10.1.0.0', '*> 10.10.0.0']);
    await again.sh('disable grevy');
    await becomes(['*> 10.10.0.0']);
    await again.stop();
  });

  test('an operator who shuts it down, or clears it for good, keeps nothing of it', async () => {
    const frr = await startFrr(lab, there, 'bgpd', FRR(restarting, ['10.1.0.0/24', '10.1.1.0/24']), {
      args: ['-n', '-Z'],
    });
    await becomes(ALL);
    await frr.kill();
    await becomes(STALE);
    await grevy.sh('configure terminal\nrouter bgp 65010\nneighbor 10.0.0.1 shutdown\nend');
    await becomes(['*> 10.10.0.0']);
    await grevy.sh('configure terminal\nrouter bgp 65010\nno neighbor 10.0.0.1 shutdown\nend');
  });

  test('one that came by itself is kept like any other, and goes with the last of what it had said', async () => {
    const range = [
      'no neighbor 10.0.0.1',
      'neighbor DYN peer-group',
      'neighbor DYN remote-as external',
      'bgp listen range 10.0.0.0/24 peer-group DYN',
    ];
    await grevy.sh(['configure terminal', 'router bgp 65010', ...range, 'end'].join('\n'));
    const start = (networks: readonly string[]): Promise<Daemon> =>
      startFrr(lab, there, 'bgpd', FRR(restarting, networks), { args: ['-n', '-Z'] });
    let frr = await start(['10.1.0.0/24', '10.1.1.0/24']);
    await becomes(ALL);
    await frr.kill();
    await becomes(STALE);
    frr = await start(['10.1.0.0/24']);
    await becomes(['*> 10.1.0.0', '*> 10.10.0.0']);
    await frr.kill();
    await becomes(['S> 10.1.0.0', '*> 10.10.0.0']);
    assert.match(await grevy.sh('show bgp neighbors 10.0.0.1'), /is \*10\.0\.0\.1, /);
    await becomes(['*> 10.10.0.0']);
    assert.match(await grevy.sh('show bgp neighbors 10.0.0.1'), /No such neighbor/);
  });
});

describe('we restart', () => {
  const own = ' bgp graceful-restart\n bgp graceful-restart preserve-fw-state\n bgp graceful-restart restart-time 30\n';
  let frr: Daemon;

  const heard = (pattern: RegExp): Promise<string> => {
    let text = '';
    return until(
      async () => {
        text = await frr.sh('show bgp ipv4 unicast');
        return pattern.test(text) ? text : '';
      },
      { timeoutMs: 30_000, what: () => `${pattern}\n${text}\n${grevy.output()}` },
    );
  };

  test('killed: FRR keeps our routes, we say them again when it has said its own, and nothing moves', async () => {
    frr = await startFrr(lab, there, 'bgpd', FRR('', ['10.1.0.0/24', '10.1.1.0/24']), { args: ['-n', '-Z'] });
    grevy = await startGrevy(lab, here, GREVY(own));
    await heard(/\*> 10\.10\.0\.0/);
    await until(async () => (await kernel()).length === 2, { what: 'routes in the kernel' });
    const { directory } = grevy;
    await grevy.kill();
    await heard(/S> 10\.10\.0\.0/);
    assert.deepEqual(await kernel(), ['10.1.0.0/24', '10.1.1.0/24']);
    grevy = await startGrevy(lab, here, GREVY(own), { directory });
    await heard(/\*> 10\.10\.0\.0/);
    await becomes(ALL);
    const { gracefulRestartInfo: info } = (
      JSON.parse(await frr.sh('show bgp neighbors 10.0.0.10 json')) as Record<string, Record<string, unknown>>
    )['10.0.0.10']! as { gracefulRestartInfo: Record<string, unknown> };
    assert.deepEqual(
      [info['remoteGrMode'], info['rBit'], info['nBit'], (info['ipv4Unicast'] as { fBit: boolean }).fBit],
      ['Restart', true, true, true],
    );
  });

  test('a neighbour that does not come back is waited for no longer than it is allowed to', async () => {
    const { directory } = grevy;
    await grevy.kill();
    await frr.kill();
    const deferring = `${own} bgp graceful-restart select-defer-time 5\n`;
    grevy = await startGrevy(lab, here, GREVY(deferring), { directory });
    // It is there, and not selected.
    assert.match(await grevy.sh('show bgp ipv4 unicast'), /^ {3}10\.10\.0\.0/m);
    await becomes(['*> 10.10.0.0']);
  });

  test('with --retain, an orderly stop is no goodbye', async () => {
    frr = await startFrr(lab, there, 'bgpd', FRR('', ['10.1.0.0/24', '10.1.1.0/24']), { args: ['-n', '-Z'] });
    await becomes(ALL);
    const { directory } = grevy;
    await grevy.stop();
    await heard(/^(?![^]*10\.10\.0\.0)/);
    grevy = await startGrevy(lab, here, GREVY(own), { directory, args: ['--retain'] });
    await heard(/\*> 10\.10\.0\.0/);
    await until(async () => (await kernel()).length === 2, { what: 'routes in the kernel' });
    await grevy.stop();
    await heard(/S> 10\.10\.0\.0/);
    assert.equal((await kernel()).length, 2);
  });
});
