// Route-target constraint (RFC 4684) beside GoBGP in both roles, and ExaBGP, which says nothing of it but reads it: what each of them has
// been told, its own shell says.
//
//    edge 10.9.0.1 ──┐                          GoBGP edge 10.9.0.5 ──┐
//    edge 10.9.0.2 ──┴── GoBGP reflector        edge 10.9.0.1 ────────┼── reflector 10.9.0.7
//                        10.9.0.9               ExaBGP 10.9.0.6 ──────┘
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { formatRouteDistinguisher } from '../../src/bgp/wire/route-distinguisher.ts';
import { type Daemon, startExabgp, startGobgp } from '../lib/daemons.ts';
import type { Lab, Namespace } from '../lib/netns.ts';
import { until } from '../lib/wait.ts';
import { routersOnLoopback } from './lib/loopback.ts';
import { Router } from './lib/router.ts';

const PORT = 20_000 + (process.pid % 20_000);
let lab: Lab;
let space: Namespace;
const routers = routersOnLoopback('rtc', (namespace, ofIt) => {
  space = namespace;
  lab = ofIt;
});

interface Line {
  readonly last: number;
  readonly lines?: readonly string[];
}

function router(last: number, neighbours: readonly Line[], more = ''): Router {
  const made = new Router(`r${last}`, PORT + last);
  routers.push(made);
  made.config(configuration(last, neighbours, more));
  return made;
}

function configuration(last: number, neighbours: readonly Line[], more: string): string {
  const family = (name: string): string =>
    ` address-family ${name}
${neighbours
  .flatMap(one => ['activate', ...(one.lines ?? [])].map(line => `  neighbor 10.9.0.${one.last} ${line}\n`))
  .join('')} exit-address-family
`;
  return `router bgp 65001
 bgp router-id 10.9.0.${last}
 no bgp default ipv4-unicast
${neighbours
  .map(
    one => ` neighbor 10.9.0.${one.last} remote-as 65001
 neighbor 10.9.0.${one.last} port ${PORT + one.last}
 neighbor 10.9.0.${one.last} update-source 10.9.0.${last}
 neighbor 10.9.0.${one.last} timers connect 1
`,
  )
  .join('')}${family('ipv4 vpn')}${family('ipv4 rtc')}exit
${more}`;
}

function vrf(name: string, targets: string, networks: readonly string[]): string {
  return `router bgp 65001 vrf ${name}
 no bgp network import-check
 address-family ipv4 unicast
${networks.map(one => `  network ${one}\n`).join('')}  ${targets}
 exit-address-family
exit
`;
}

/** GoBGP with these neighbours. */
function gobgp(last: number, neighbours: readonly number[], kind: 'reflector' | 'edge', restart: boolean): string {
  return `[global.config]
  as = 65001
  router-id = "10.9.0.${last}"
  port = ${PORT + last}
  local-address-list = ["10.9.0.${last}"]
${neighbours
  .map(
    other => `[[neighbors]]
  [neighbors.config]
    neighbor-address = "10.9.0.${other}"
    peer-as = 65001
  [neighbors.transport.config]
    passive-mode = true
    local-address = "10.9.0.${last}"
  [neighbors.graceful-restart.config]
    enabled = ${restart}
    restart-time = 20
${
  kind === 'edge'
    ? ''
    : `  [neighbors.route-reflector.config]
    route-reflector-client = true
    route-reflector-cluster-id = "10.9.0.${last}"
`
}${['l3vpn-ipv4-unicast', 'rtc']
  .map(
    name => `  [[neighbors.afi-safis]]
    [neighbors.afi-safis.config]
      afi-safi-name = "${name}"
    [neighbors.afi-safis.mp-graceful-restart.config]
      enabled = ${restart}
`,
  )
  .join('')}`,
  )
  .join('')}`;
}

/** `RD PREFIX` of the VPN table. */
function vpn(one: Router): string[] {
  const { table } = one.bgp.instance().family.vpnv4;
  table.decide();
  const { prefixes } = table;
  return [...prefixes.sorted()]
    .filter(row => table.best[row] !== 0)
    .map(row => `${formatRouteDistinguisher(prefixes.rd0[row]!, prefixes.rd1[row]!)} ${prefixes.format(row)}`);
}

const keys = (one: Router, name: string): string =>
  Object.keys((one.json(`show bgp vrf ${name} ipv4 unicast json`) as { routes: object }).routes).join(' ');

interface Path {
  readonly 'neighbor-ip': string;
  readonly attrs: readonly { readonly type: number; readonly value?: unknown; readonly nexthop?: string }[];
}

/** Prefixes that GoBGP shows, each behind its distinguisher or AS, with their paths. */
async function table(daemon: Daemon, command: string): Promise<Record<string, Path[]>> {
  const text = await daemon.sh(`-j ${command}`);
  return text.trim() === '' ? {} : (JSON.parse(text) as Record<string, Path[]>);
}

const shown = async (daemon: Daemon, command: string): Promise<string> =>
  Object.keys(await table(daemon, command).catch(() => ({})))
    .sort()
    .join(' ');

/** `RD PREFIX` of what ExaBGP was told of and not told to forget. */
function told(text: string): string {
  const routes = new Set<string>();
  for (const line of text.split('\n').filter(one => one.trim() !== '')) {
    const { announce = {}, withdraw = {} } = (JSON.parse(line) as Heard).neighbor.message.update ?? {};
    for (const { rd, nlri } of withdraw['ipv4 mpls-vpn'] ?? []) routes.delete(`${rd} ${nlri}`);
    for (const all of Object.values(announce['ipv4 mpls-vpn'] ?? {})) {
      for (const { rd, nlri } of all) routes.add(`${rd} ${nlri}`);
    }
  }
  return [...routes].sort().join(', ');
}

interface Heard {
  readonly neighbor: {
    readonly message: {
      readonly update?: {
        readonly announce?: Record<string, Record<string, { rd: string; nlri: string }[]>>;
        readonly withdraw?: Record<string, { rd: string; nlri: string }[]>;
      };
    };
  };
}

async function becomes(what: string, read: () => Promise<string> | string, expected: string): Promise<void> {
  let last = '';
  await until(async () => (last = await read()) === expected, {
    timeoutMs: 30_000,
    everyMs: 100,
    what: () =>
      `${what} to be ${expected}, not ${last}\n${routers.map(one => one.show('show bgp ipv4 rtc')).join('\n')}`,
  });
}

for (const restart of [true, false]) {
  const kind = restart ? 'that says End-of-RIB' : 'that does not';
  test(`edges of a GoBGP reflector ${kind}`, async () => {
    const reflector = await startGobgp(lab, space, gobgp(9, [1, 2], 'reflector', restart));
    const one = router(
      1,
      [{ last: 9 }],
      vrf('red', 'rt both 65001:10', ['10.1.0.0/24']) + vrf('silent', 'rt export 65001:30', ['10.1.9.0/24']),
    );
    const two = router(
      2,
      [{ last: 9 }],
      vrf('red', 'rt both 65001:10', ['10.2.0.0/24']) + vrf('blue', 'rt both 65001:20', ['10.2.1.0/24']),
    );
    await becomes('red', () => keys(one, 'red'), '10.1.0.0/24 10.2.0.0/24');
    await becomes('red of the other', () => keys(two, 'red'), '10.1.0.0/24 10.2.0.0/24');
    // What each says, and what comes back: GoBGP reflects a membership to the one that said it, as RFC 4684 §3.2 (i) has it.
    const from = async (last: number): Promise<string> => shown(reflector, `neighbor 10.9.0.${last} adj-in -a rtc`);
    assert.deepEqual([await from(1), await from(2)], ['65001:65001:10', '65001:65001:10 65001:65001:20']);
    assert.match(two.show('show bgp ipv4 rtc neighbors 10.9.0.9 routes'), /65001:65001:20\/96/);
    const routes = (): Promise<string> => shown(reflector, 'global rib -a vpnv4');
    await becomes(
      'routes at the reflector',
      routes,
      '10.9.0.1:2:10.1.0.0/24 10.9.0.2:2:10.2.0.0/24 10.9.0.2:3:10.2.1.0/24',
    );
    assert.equal(vpn(one).length, 3);

    two.type('router bgp 65001 vrf blue', 'address-family ipv4 unicast', 'rt both 65001:20 65001:30');
    await becomes('blue with what was silent', () => keys(two, 'blue'), '10.1.9.0/24 10.2.1.0/24');
    two.type('no router bgp 65001 vrf blue');
    await becomes('routes at the reflector', routes, '10.9.0.1:2:10.1.0.0/24 10.9.0.2:2:10.2.0.0/24');
    await becomes('memberships', () => from(2), '65001:65001:10');
    await reflector.stop();
  });
}

test('a GoBGP edge of a reflector, and ExaBGP, which takes no part', async () => {
  const reflector = router(7, [
    { last: 1, lines: ['route-reflector-client'] },
    { last: 5, lines: ['route-reflector-client'] },
    { last: 6, lines: ['route-reflector-client'] },
  ]);
  const edge = await startGobgp(lab, space, gobgp(5, [7], 'edge', true));
  for (const line of [
    'vrf add red rd 65001:51 rt both 65001:10',
    'vrf add blue rd 65001:52 rt import 65001:20 export 65001:21',
    'vrf red rib add 10.5.0.0/24',
    'vrf blue rib add 10.5.1.0/24',
  ])
    await edge.sh(line);
  const exabgp = await startExabgp(
    lab,
    space,
    `neighbor 10.9.0.7 {
  router-id 10.9.0.6; local-address 10.9.0.6; local-as 65001; peer-as 65001; connect ${PORT + 7};
  family { ipv4 mpls-vpn; }
  static { route 10.6.0.0/24 next-hop 10.9.0.6 rd 65001:61 label 16 extended-community [ target:65001:10 ]; }
  api { processes [ seen ]; receive { parsed; update; } }
}
`,
    '',
  );
  const one = router(1, [{ last: 7 }], vrf('red', 'rt both 65001:10', ['10.1.0.0/24']));
  await becomes('red', () => keys(one, 'red'), '10.1.0.0/24 10.5.0.0/24 10.6.0.0/24');
  // Nobody asks for GoBGP's blue, so GoBGP, which hears from us who asks for what, keeps it.
  const reflected = new Set(vpn(reflector).map(row => row.split(' ')[1]));
  assert.deepEqual(reflected, new Set(['10.1.0.0/24', '10.5.0.0/24', '10.6.0.0/24']));
  const edgeHas = (): Promise<string> => shown(edge, 'neighbor 10.9.0.7 adj-in -a vpnv4');
  await becomes('what GoBGP is told', edgeHas, '10.9.0.1:2:10.1.0.0/24 65001:61:10.6.0.0/24');
  // As a reflector's own.
  const echo = (await table(edge, 'neighbor 10.9.0.7 adj-in -a rtc'))['65001:65001:20']![0]!.attrs;
  assert.equal(echo.find(({ type }) => type === 9)?.value, '10.9.0.7');
  assert.equal(echo.find(({ type }) => type === 14)?.nexthop, '10.9.0.7');

  one.config(
    configuration(
      1,
      [{ last: 7 }],
      vrf('red', 'rt both 65001:10', ['10.1.0.0/24']) +
        vrf('blue', 'rt import 65001:21\n  rt export 65001:20', ['10.1.1.0/24']),
    ),
  );
  await becomes('blue', () => keys(one, 'blue'), '10.1.1.0/24 10.5.1.0/24');
  await becomes('what GoBGP is told', edgeHas, '10.9.0.1:2:10.1.0.0/24 10.9.0.1:3:10.1.1.0/24 65001:61:10.6.0.0/24');
  await edge.sh('vrf del blue');
  await becomes('what GoBGP is told', edgeHas, '10.9.0.1:2:10.1.0.0/24 65001:61:10.6.0.0/24');
  await becomes('blue', () => keys(one, 'blue'), '10.1.1.0/24');
  // Who takes no part gets all that there is, and hears what goes.
  await becomes(
    'what ExaBGP is told',
    async () => told(await exabgp.sh('')),
    '10.9.0.1:2 10.1.0.0/24, 65001:51 10.5.0.0/24',
  );
  // A default membership is not tried: GoBGP 3.10 dies of one.
});
