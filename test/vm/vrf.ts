// VRFs of zebra beside FRR's: the same devices, addresses and lines, and then the same things done to both; the kernel's tables
// and what the shells show are compared, with overlapping addresses in each VRF.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { type Daemon, startFrr, startGrevy } from '../lib/daemons.ts';
import { Lab, type Namespace } from '../lib/netns.ts';
import { until } from '../lib/wait.ts';

export const MODULES: readonly string[] = ['veth', 'vrf'];

const SLOW_MS = 60_000;

const LINES = `ip route 20.9.0.0/16 blackhole
vrf red
 ip route 20.0.0.0/24 10.0.0.2
 ip route 20.0.1.0/24 blackhole
 ip route 20.0.2.0/24 20.0.0.1
 ipv6 route 2001:db8:1::/48 fd00::2
exit-vrf
vrf blue
 ip route 20.0.0.0/24 10.0.0.3 200
 ip route 20.0.4.0/24 blue0
exit-vrf
`;

/** What zebra, too, is told of them. */
const VRFS = 'vrf red\nexit-vrf\nvrf blue\nexit-vrf\n';

/** Runs inside. */
export function suite(): void {
  describe("VRFs of zebra, beside FRR's", tests);
}

/** Keys whose values are of one run only. */
const OWN = new Set([
  'nexthopGroupId',
  'installedNexthopGroupId',
  'interfaceIndex',
  'vrfId',
  'uptime',
  'internalFlags',
  'internalStatus',
  'flags',
]);

interface Side {
  readonly namespace: Namespace;
  /** Who answers `show ip route`. */
  zebra: Daemon;
}

function tests(): void {
  const lab = new Lab();
  const sides: Side[] = [];

  async function vrf(namespace: Namespace, name: string, table: number, ...ports: string[]): Promise<void> {
    await namespace.run('ip', 'link', 'add', name, 'type', 'vrf', 'table', String(table));
    await namespace.run('ip', 'link', 'set', name, 'up');
    for (const port of ports) await enslave(namespace, port, name);
  }

  async function enslave(namespace: Namespace, port: string, to: string): Promise<void> {
    await namespace.run('ip', 'link', 'set', port, 'master', to);
    await namespace.run('ip', 'addr', 'replace', 'fd00::1/64', 'dev', port, 'nodad');
  }

  /** The routes of a table that a daemon put there, by whatever nexthop objects. */
  async function kernel(namespace: Namespace, table: number): Promise<string[]> {
    const objects =
      await namespace.ipJson<{ id: number; gateway?: string; dev?: string; group?: { id: number }[] }[]>('nexthop');
    const way = (id: number): string => {
      const one = objects.find(other => other.id === id);
      if (one?.group !== undefined) return one.group.map(member => way(member.id)).join(' ');
      return `${one?.gateway === undefined ? '' : `via ${one.gateway} `}dev ${one?.dev}`;
    };
    const all: string[] = [];
    for (const family of ['-4', '-6']) {
      const text = await namespace.run('ip', family, 'route', 'show', 'table', String(table)).catch(() => '');
      for (const line of text.split('\n')) {
        if (!/ proto (static|196) /.test(line)) continue;
        const [, what, id] = /^((?:blackhole )?\S+) (?:nhid (\d+))?/.exec(line)!;
        all.push(id === undefined ? what! : `${what} ${way(Number(id))}`);
      }
    }
    return all.sort();
  }

  /** What is in the tables of both VRFs and the main one, on each side. */
  async function alike(expected: Readonly<Record<number, number>>): Promise<void> {
    const seen = async ({ namespace }: Side): Promise<string[][]> =>
      await Promise.all(Object.keys(expected).map(table => kernel(namespace, Number(table))));
    let last: string[][][] = [];
    await until(
      async () => {
        last = await Promise.all(sides.map(seen));
        const counts = last[0]!.map(one => one.length);
        return (
          JSON.stringify(last[0]) === JSON.stringify(last[1]) &&
          JSON.stringify(counts) === JSON.stringify(Object.values(expected))
        );
      },
      { timeoutMs: SLOW_MS, everyMs: 200, what: () => `the same routes: ${JSON.stringify(last, null, 1)}` },
    );
  }

  /** Both shells' answer, without what is of one run only. */
  async function shown(command: string): Promise<string[]> {
    return await Promise.all(
      sides.map(async ({ zebra }) => {
        const text = await zebra
          .sh(command)
          .catch((error: Error) => `${error.message.split('\n')[0]!.replace(`${command}: `, '')}\n`);
        return command.endsWith('json')
          ? JSON.stringify(JSON.parse(text), (key, value: unknown) => (OWN.has(key) ? undefined : value), 1)
          : text.replace(/\d\d:\d\d:\d\d/g, 'TIME').replace(/( id |VRF \w+\()\d+/g, '$1N');
      }),
    );
  }

  before(async () => {
    for (const name of ['grevy', 'frr']) {
      const namespace = await lab.namespace(name);
      for (const port of ['red0', 'blue0', 'main0']) {
        await namespace.run('ip', 'link', 'add', port, 'type', 'veth', 'peer', 'name', `${port}p`);
        for (const one of [port, `${port}p`]) await namespace.run('ip', 'link', 'set', one, 'up');
        await namespace.run('ip', 'addr', 'add', '10.0.0.1/24', 'dev', port);
      }
      await vrf(namespace, 'red', 10, 'red0');
      await vrf(namespace, 'blue', 20, 'blue0');
      if (name === 'grevy') sides.push({ namespace, zebra: await startGrevy(lab, namespace, LINES) });
      else {
        const directory = await lab.directory();
        sides.push({ namespace, zebra: await startFrr(lab, namespace, 'zebra', VRFS, { directory }) });
        await startFrr(lab, namespace, 'staticd', LINES, { directory });
      }
    }
  });
  after(() => lab.close());

  test("lines of a VRF are in its table, as FRR's", async () => {
    await alike({ 10: 4, 20: 2, 254: 1 });
  });

  for (const command of [
    'show vrf',
    'show ip route',
    'show ip route vrf red',
    'show ipv6 route vrf red',
    'show ip route vrf blue 20.0.0.0/24',
    'show ip route vrf red json',
    'show ip route vrf blue 10.0.0.7 json',
    'show ip route vrf red summary',
    'show ip route vrf all',
    'show ip route vrf nosuch',
    'show interface vrf red brief',
    'show interface description vrf blue',
    'show interface description vrf all',
  ]) {
    test(`\`${command}\` says what FRR says`, async () => {
      const [mine, theirs] = await shown(command);
      assert.equal(mine, theirs);
    });
  }

  test('a port that moves takes its networks along', async () => {
    for (const { namespace } of sides) await enslave(namespace, 'main0', 'red');
    await alike({ 10: 4, 20: 2, 254: 1 });
    for (const { zebra } of sides) {
      await until(async () => /^C[> ]\* 10\.0\.0\.0\/24 .*main0/m.test(await zebra.sh('show ip route vrf red')), {
        timeoutMs: SLOW_MS,
        what: 'the network of main0 in red',
      });
      assert.doesNotMatch(await zebra.sh('show ip route'), /main0/);
    }
  });

  test('a VRF that goes takes its routes along; made anew with another table, all is there', async () => {
    for (const { namespace } of sides) await namespace.run('ip', 'link', 'del', 'red');
    await alike({ 10: 0, 20: 2, 254: 1 });
    for (const { namespace } of sides) {
      await vrf(namespace, 'red', 30, 'red0');
      await namespace.run('ip', 'addr', 'replace', '10.0.0.1/24', 'dev', 'red0');
    }
    await alike({ 10: 0, 20: 2, 30: 4, 254: 1 });
  });
}
