// Instances beside each other in one speaker: views here, on loopback; those in VRFs are tried in the virtual machine.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { until } from '../lib/wait.ts';
import { routersOnLoopback } from './lib/loopback.ts';
import { Router } from './lib/router.ts';

const PORT = 20_000 + (process.pid % 20_000);
const routers = routersOnLoopback('instances');

/** One at 10.9.0.`last`, which announces 20.0.`last`.0/24 and connects to the instances at 10.9.0.1. */
function neighbour(last: number, remoteAs: number): Router {
  const made = new Router(`r${last}`, PORT + last);
  routers.push(made);
  made.config(`router bgp ${65_000 + last}
 bgp router-id 10.9.0.${last}
 no bgp ebgp-requires-policy
 no bgp network import-check
 neighbor 10.9.0.1 remote-as ${remoteAs}
 neighbor 10.9.0.1 port ${PORT}
 neighbor 10.9.0.1 update-source 10.9.0.${last}
 neighbor 10.9.0.1 timers connect 1
 network 20.0.${last}.0/24
`);
  return made;
}

const INSTANCES = [
  { head: 'router bgp 65001', last: 2, id: '10.9.0.1' },
  { head: 'router bgp 65101 view left', last: 3, id: '10.9.0.101' },
  { head: 'router bgp 65102 view right', last: 4, id: '10.9.0.102' },
] as const;

const configuration: string = INSTANCES.map(
  ({ head, last, id }) => `${head}
 bgp router-id ${id}
 no bgp ebgp-requires-policy
 neighbor 10.9.0.${last} remote-as ${65_000 + last}
 neighbor 10.9.0.${last} passive
exit
`,
).join('');

/** Of the one session of an instance. */
function state(router: Router, where: string): string | undefined {
  const { ipv4Unicast } = router.json(`show bgp ${where} summary json`) as {
    ipv4Unicast: { peers: Record<string, { state: string }> };
  };
  return Object.values(ipv4Unicast.peers)[0]?.state;
}

async function three(): Promise<Router> {
  const one = new Router('r1', PORT);
  routers.push(one);
  one.config(configuration);
  neighbour(2, 65001);
  neighbour(3, 65101);
  neighbour(4, 65102);
  const rows = (where: string): number =>
    one.show(`show bgp ${where} ipv4 unicast`).match(/^\*> 20\.0\.\d\.0/gm)?.length ?? 0;
  await until(() => rows('vrf default') + rows('view left') + rows('view right') === 3, {
    what: () => `a route in each\n${one.show('show bgp view all summary')}${one.logged.join('\n')}`,
  });
  return one;
}

describe('instances', () => {
  test('share a port, and nothing else', async () => {
    const one = await three();
    for (const { head, last } of INSTANCES) {
      const where = head.includes('view') ? head.split(' ').slice(3).join(' ') : 'vrf default';
      const { routes } = one.json(`show bgp ${where} ipv4 unicast json`) as { routes: object };
      assert.deepEqual(Object.keys(routes), [`20.0.${last}.0/24`]);
    }
  });

  test('are shown one after the other, as FRR does', async () => {
    const one = await three();
    const summary = one.json('show bgp vrf all summary json') as Record<
      string,
      { ipv4Unicast: Record<string, unknown> }
    >;
    assert.deepEqual(
      Object.entries(summary).map(([name, { ipv4Unicast }]) => [
        name,
        ipv4Unicast['as'],
        ipv4Unicast['vrfId'],
        ipv4Unicast['vrfName'],
        ipv4Unicast['routerId'],
      ]),
      [
        ['default', 65001, 0, 'default', '10.9.0.1'],
        ['left', 65101, 0, 'left', '10.9.0.101'],
        ['right', 65102, 0, 'right', '10.9.0.102'],
      ],
    );
    assert.match(one.show('show bgp view all summary'), /Summary \(VRF default\)[^]*\(VIEW left\)[^]*\(VIEW right\)/);
    const all = one.json('show bgp view all ipv4 unicast json') as Record<string, { routes: object }>;
    assert.deepEqual(
      Object.values(all).map(({ routes }) => Object.keys(routes)),
      [['20.0.2.0/24'], ['20.0.3.0/24'], ['20.0.4.0/24']],
    );
    assert.match(
      one.show('show ip bgp view all'),
      /^\nInstance default:\n[^]*\nInstance left:\n[^]*\nInstance right:\n/,
    );
    assert.match(one.show('show ip bgp view left 20.0.3.0/24'), /best #1, vrf left\)/);
    const neighbors = one.json('show bgp vrf all neighbors json') as Record<string, Record<string, unknown>>;
    assert.deepEqual(
      Object.values(neighbors).map(({ vrfId, vrfName, ...peers }) => [vrfId, vrfName, Object.keys(peers)]),
      [
        [0, 'default', ['10.9.0.2']],
        [0, 'left', ['10.9.0.3']],
        [0, 'right', ['10.9.0.4']],
      ],
    );
    assert.equal(one.show('show bgp views'), 'Defined BGP views:\n\tleft (AS65101)\n\tright (AS65102)\n');
    assert.equal((one.json('show bgp vrfs json') as { totalVrfs: number }).totalVrfs, 1);
    assert.equal(one.show('show bgp vrf nope summary'), '% BGP instance not found\n');
    assert.equal(one.show('show bgp vrf nope ipv4 unicast'), 'View/Vrf nope is unknown\n');
    assert.throws(() => one.show('clear bgp vrf nope *'), /nope not found/);
  });

  test('come and go one by one', async () => {
    const one = await three();
    one.type('no router bgp 65101 view left');
    assert.deepEqual(Array.from(one.bgp.instances.keys()), ['default', 'right']);
    await until(() => state(routers[2]!, 'vrf default') !== 'Established', { what: 'its neighbour to know' });
    assert.deepEqual([state(one, 'vrf default'), state(one, 'view right')], ['Established', 'Established']);
    one.type('no router bgp');
    assert.deepEqual(Array.from(one.bgp.instances.keys()), ['right']);
    // Not the one that is left, which merely begins with the same words.
    one.type('no router bgp');
    assert.deepEqual(Array.from(one.bgp.instances.keys()), ['right']);
    one.config(configuration);
    await one.route('ipv4', '20.0.2.0/24');
  });

  test('refuse another AS, and to be what they are not', async () => {
    const one = await three();
    assert.throws(() => one.bgp.openInstance('left', 65109, 'view'), /AS is 65101/);
    assert.throws(() => one.bgp.openInstance('left', 65101, 'vrf'), /left is a view/);
  });
});
