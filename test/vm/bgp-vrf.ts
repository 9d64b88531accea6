// Instances in VRFs, by the kernel's device and by network namespace: neighbours with one and the same address in each, their
// routes in the right table, VRFs that come and go while sessions run. zebra is FRR's, and then ours.
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { unixConnect } from '../../src/zapi/index.ts';
import { enterNetworkNamespace } from '../../src/sys/index.ts';
import { Router } from '../bgp/lib/router.ts';
import { type Daemon, startBird, startFrr, startGrevy } from '../lib/daemons.ts';
import { Lab, type Namespace, runCommand } from '../lib/netns.ts';
import { until } from '../lib/wait.ts';

export const MODULES: readonly string[] = ['veth', 'vrf'];

/** Runs inside. */
export function suite(): void {
  for (const kind of ['FRR', 'Grevy'] as const) describe(`BGP instances in VRFs of ${kind}'s zebra`, () => tests(kind));
}

const SLOW_MS = 60_000;

function instance(vrf: string): string {
  return `router bgp 65001 vrf ${vrf}
 bgp router-id 10.0.0.1
 no bgp ebgp-requires-policy
 neighbor 10.0.0.2 remote-as 65010
 neighbor 10.0.0.2 timers connect 1
 address-family ipv4 unicast
  redistribute connected
 exit-address-family
exit
`;
}

/**
 * A neighbour that is at 10.0.0.2 whatever the VRF. When that goes nobody can tell it: it learns from the answer to its next
 * KEEPALIVE, once there is somebody to answer again.
 */
function neighbour(routes: string[]): string {
  return `router id 10.0.0.2;
protocol device {}
protocol static { ipv4; ${routes.map(route => `route ${route} blackhole;`).join(' ')} }
protocol bgp up { local 10.0.0.2 as 65010; neighbor 10.0.0.1 as 65001; keepalive time 1; connect delay time 1; error wait time 1, 2;
  ipv4 { import all; export where source = RTS_STATIC; }; }
`;
}

function tests(kind: 'FRR' | 'Grevy'): void {
  const lab = new Lab();
  let here: Namespace;
  let zebra: Daemon;
  let router: Router;
  const birds: Record<string, Daemon> = {};

  async function vrf(name: string, table: number, device: string): Promise<void> {
    await here.run('ip', 'link', 'add', name, 'type', 'vrf', 'table', String(table));
    await here.run('ip', 'link', 'set', name, 'up');
    await here.run('ip', 'link', 'set', device, 'master', name);
    await here.run('ip', 'link', 'set', device, 'up');
    // Enslaving takes IPv6 addresses only, but a link that was down lost its routes.
    await here.run('ip', 'addr', 'replace', '10.0.0.1/24', 'dev', device);
  }

  const startZebra = (directory?: string): Promise<Daemon> => {
    const more = directory === undefined ? {} : { directory };
    return kind === 'FRR' ? startFrr(lab, here, 'zebra', '', more) : startGrevy(lab, here, 'hostname zebra\n', more);
  };
  const zserv = (): string => join(zebra.directory, kind === 'FRR' ? 'zserv.api' : 'run/zserv.api');

  const inTable = async (table: number): Promise<Record<string, string>> => {
    const routes = await here.ipJson<{ dst: string; dev: string; protocol: string }[]>(
      'route',
      'show',
      'table',
      String(table),
    );
    return Object.fromEntries(routes.filter(one => one.protocol === 'bgp').map(one => [one.dst, one.dev]));
  };

  const state = (name: string): string =>
    (router.json(`show bgp vrf ${name} summary json`) as { ipv4Unicast: { peers: Record<string, { state: string }> } })
      .ipv4Unicast.peers['10.0.0.2']!.state;

  async function established(name: string): Promise<void> {
    await until(() => state(name) === 'Established', {
      timeoutMs: SLOW_MS,
      what: () => `a session in ${name}\n${router.show(`show bgp vrf ${name} neighbors`)}${router.logged.join('\n')}`,
    });
  }

  const tables = (red: Record<string, string>, blue: Record<string, string>): Promise<true> =>
    until(
      async () =>
        JSON.stringify([await inTable(10), await inTable(20)]) === JSON.stringify([red, blue])
          ? (true as const)
          : undefined,
      { timeoutMs: SLOW_MS, what: () => `the tables of both VRFs\n${router.show('show bgp vrf all ipv4 unicast')}` },
    );

  before(async () => {
    here = await lab.namespace('here');
    enterNetworkNamespace(here.path);
    for (const [name, routes] of Object.entries({
      red: ['20.0.0.0/24', '20.0.1.0/24'],
      blue: ['20.0.0.0/24', '20.0.2.0/24'],
    })) {
      const there = await lab.namespace(name);
      await here.run(
        'ip',
        'link',
        'add',
        `${name}0`,
        'type',
        'veth',
        'peer',
        'name',
        'up0',
        'netns',
        String(there.pid),
      );
      await there.run('ip', 'link', 'set', 'up0', 'up');
      await there.run('ip', 'addr', 'add', '10.0.0.2/24', 'dev', 'up0');
      birds[name] = await startBird(lab, there, neighbour(routes));
    }
    zebra = await startZebra();
    router = new Router('here', 179, { zebra: unixConnect(zserv()) });
    router.config(instance('red') + instance('blue'));
  });

  after(async () => {
    router.close();
    await lab.close();
  });

  test('wait for a VRF that is not there', async () => {
    await until(() => router.show('show bgp vrf red neighbors').includes('Waiting for VRF to be initialized'), {
      timeoutMs: SLOW_MS,
      what: 'the session to say what it waits for',
    });
    assert.equal(
      (router.json('show bgp vrfs json') as { vrfs: Record<string, { vrfId: number }> }).vrfs['red']!.vrfId,
      -1,
    );
  });

  test('keep apart what neighbours with one address say', async () => {
    await vrf('red', 10, 'red0');
    await vrf('blue', 20, 'blue0');
    await established('red');
    await established('blue');
    await tables({ '20.0.0.0/24': 'red0', '20.0.1.0/24': 'red0' }, { '20.0.0.0/24': 'blue0', '20.0.2.0/24': 'blue0' });
    // What is redistributed is the VRF's own.
    assert.match(router.show('show bgp vrf red ipv4 unicast'), /^\*> 10\.0\.0\.0\/24 .*\?$/m);
    assert.match(await birds['red']!.sh('show route 10.0.0.0/24'), /10\.0\.0\.0\/24 .*via 10\.0\.0\.1/s);
    const main = await here.ipJson<{ protocol: string }[]>('route', 'show');
    assert.deepEqual(
      main.filter(one => one.protocol === 'bgp'),
      [],
    );
  });

  test('a VRF that goes takes its sessions and routes along, and the other one notices nothing; made anew, all is there', async () => {
    const before = (router.json('show bgp vrf blue neighbors json') as Record<string, { connectionsDropped: number }>)[
      '10.0.0.2'
    ]!.connectionsDropped;
    await here.run('ip', 'link', 'del', 'red');
    await until(() => state('red') === 'Idle', { timeoutMs: SLOW_MS, what: 'the session of red to end' });
    await tables({}, { '20.0.0.0/24': 'blue0', '20.0.2.0/24': 'blue0' });
    assert.doesNotMatch(router.show('show bgp vrf red ipv4 unicast'), /20\.0\.1\.0|10\.0\.0\.0/);
    await vrf('red', 10, 'red0');
    await established('red');
    await tables({ '20.0.0.0/24': 'red0', '20.0.1.0/24': 'red0' }, { '20.0.0.0/24': 'blue0', '20.0.2.0/24': 'blue0' });
    assert.equal(
      (router.json('show bgp vrf blue neighbors json') as Record<string, { connectionsDropped: number }>)['10.0.0.2']!
        .connectionsDropped,
      before,
    );
  });

  test('zebra comes back: both are asked for and told anew', async () => {
    const { directory } = zebra;
    await zebra.kill();
    // What the killed one left behind would pass for what its successor is told.
    for (const table of [10, 20]) {
      for (const prefix of Object.keys(await inTable(table)))
        await here.run('ip', 'route', 'del', prefix, 'table', String(table));
    }
    zebra = await startZebra(directory);
    await tables({ '20.0.0.0/24': 'red0', '20.0.1.0/24': 'red0' }, { '20.0.0.0/24': 'blue0', '20.0.2.0/24': 'blue0' });
    assert.equal(state('red'), 'Established');
  });

  test('an instance that is removed withdraws what it had, and no more', async () => {
    router.type('no router bgp 65001 vrf red');
    await tables({}, { '20.0.0.0/24': 'blue0', '20.0.2.0/24': 'blue0' });
    assert.equal(state('blue'), 'Established');
    await until(async () => /down|start/.test(await birds['red']!.sh('show protocols up')), {
      timeoutMs: SLOW_MS,
      what: 'the neighbour to know',
    });
  });

  if (kind === 'Grevy') return;
  test('a VRF may be a network namespace', async () => {
    const root = await lab.namespace('root');
    const there = await lab.namespace('green');
    await runCommand('ip', ['netns', 'add', 'green']);
    const inside = (...argv: string[]): Promise<string> => runCommand('ip', ['-n', 'green', ...argv]);
    await there.run('ip', 'link', 'add', 'up0', 'type', 'veth', 'peer', 'name', 'green0', 'netns', 'green');
    await there.run('ip', 'addr', 'add', '10.0.0.2/24', 'dev', 'up0');
    await there.run('ip', 'link', 'set', 'up0', 'up');
    await inside('addr', 'add', '10.0.0.1/24', 'dev', 'green0');
    await inside('link', 'set', 'green0', 'up');
    await startBird(lab, there, neighbour(['20.0.3.0/24']));
    const other = await startFrr(lab, root, 'zebra', '', { args: ['-n'] });
    const second = new Router('root', 1179, { zebra: unixConnect(`${other.directory}/zserv.api`) });
    try {
      second.config(instance('green'));
      await until(
        async () => {
          const routes = JSON.parse(await inside('-j', 'route', 'show')) as { dst: string; dev: string }[];
          return routes.some(one => one.dst === '20.0.3.0/24' && one.dev === 'green0');
        },
        {
          timeoutMs: SLOW_MS,
          what: () =>
            `the route in the namespace\n${second.show('show bgp vrf green neighbors')}${second.logged.join('\n')}`,
        },
      );
    } finally {
      second.close();
      await runCommand('ip', ['netns', 'del', 'green']);
    }
  });
}
