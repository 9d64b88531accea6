// Every BGP speaker of Debian's as a neighbour, with either side opening the connection, IPv4 routes over IPv4 and IPv6
// routes over IPv6, both ways; judged by what they say themselves.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { enterNetworkNamespace } from '../../src/sys/index.ts';
import { type Daemon, startBird, startExabgp, startFrr, startGobgp, startOpenbgpd } from '../lib/daemons.ts';
import { Lab, type Namespace } from '../lib/netns.ts';
import { until } from '../lib/wait.ts';
import { Router } from './lib/router.ts';

/** A kind of neighbour: it is AS 6500N at 10.0.0.N and fd00::N, and announces 10.N.0.0/24 and 2001:db8:N::/48. */
interface Kind {
  readonly name: string;
  readonly n: number;
  start(namespace: Namespace, passive: boolean): Promise<Daemon>;
  /** What it has to say of the routes it has. */
  readonly shows: readonly string[];
}

const lab = new Lab();

const KINDS: readonly Kind[] = [
  {
    name: 'FRR',
    n: 1,
    async start(namespace, passive) {
      const neighbor = (address: string): string => ` neighbor ${address} remote-as 65010
 neighbor ${address} timers connect 1
${passive ? ` neighbor ${address} passive\n` : ''}`;
      // bgpd takes no IPv6 route with a link-local next hop unless its zebra has told it the interfaces.
      const directory = await lab.directory();
      const zebra = await startFrr(lab, namespace, 'zebra', '', { directory });
      const bgpd = await startFrr(
        lab,
        namespace,
        'bgpd',
        `router bgp 65001
 bgp router-id 10.0.0.1
 no bgp ebgp-requires-policy
 no bgp network import-check
${neighbor('10.0.0.10')}${neighbor('fd00::10')} address-family ipv4 unicast
  network 10.1.0.0/24
  no neighbor fd00::10 activate
 exit-address-family
 address-family ipv6 unicast
  network 2001:db8:1::/48
  neighbor fd00::10 activate
 exit-address-family
`,
        { directory },
      );
      return {
        ...bgpd,
        stop: async ms => {
          await bgpd.stop(ms);
          await zebra.stop(ms);
        },
      };
    },
    shows: ['show bgp ipv4 unicast', 'show bgp ipv6 unicast'],
  },
  {
    name: 'BIRD',
    n: 2,
    start: (namespace, passive) =>
      startBird(
        lab,
        namespace,
        `router id 10.0.0.2;
protocol device {}
protocol static s4 { ipv4; route 10.2.0.0/24 blackhole; }
protocol static s6 { ipv6; route 2001:db8:2::/48 blackhole; }
template bgp session { passive ${passive ? 'on' : 'off'}; connect delay time 1; error wait time 1, 2; }
protocol bgp four from session { local 10.0.0.2 as 65002; neighbor 10.0.0.10 as 65010;
  ipv4 { import all; export where source = RTS_STATIC; }; }
protocol bgp six from session { local fd00::2 as 65002; neighbor fd00::10 as 65010;
  ipv6 { import all; export where source = RTS_STATIC; }; }
`,
      ),
    shows: ['show route table master4', 'show route table master6'],
  },
  {
    name: 'GoBGP',
    n: 3,
    async start(namespace, passive) {
      const neighbor = (address: string, family: string): string => `[[neighbors]]
  [neighbors.config]
    neighbor-address = "${address}"
    peer-as = 65010
  [neighbors.transport.config]
    passive-mode = ${passive}
  [neighbors.timers.config]
    connect-retry = 1
  [[neighbors.afi-safis]]
    [neighbors.afi-safis.config]
      afi-safi-name = "${family}-unicast"
`;
      const text = `[global.config]
  as = 65003
  router-id = "10.0.0.3"
${neighbor('10.0.0.10', 'ipv4')}${neighbor('fd00::10', 'ipv6')}`;
      const gobgp = await startGobgp(lab, namespace, text);
      await gobgp.sh('global rib add 10.3.0.0/24 -a ipv4');
      await gobgp.sh('global rib add 2001:db8:3::/48 -a ipv6');
      return gobgp;
    },
    shows: ['global rib -a ipv4', 'global rib -a ipv6'],
  },
  {
    name: 'OpenBGPD',
    n: 4,
    start(namespace, passive) {
      const neighbor = (address: string, own: string, yes: string, no: string): string => `neighbor ${address} {
  remote-as 65010
  local-address ${own}
${passive ? '  passive\n' : ''}  announce ${yes} unicast
  announce ${no} none
}
`;
      return startOpenbgpd(
        lab,
        namespace,
        `AS 65004
router-id 10.0.0.4
network 10.4.0.0/24
network 2001:db8:4::/48
${neighbor('10.0.0.10', '10.0.0.4', 'IPv4', 'IPv6')}${neighbor('fd00::10', 'fd00::4', 'IPv6', 'IPv4')}allow from any
allow to any
`,
      );
    },
    shows: ['show rib'],
  },
  {
    name: 'ExaBGP',
    n: 5,
    start(namespace, passive) {
      const neighbor = (address: string, own: string, family: string, route: string): string => `neighbor ${address} {
  router-id 10.0.0.5; local-address ${own}; local-as 65005; peer-as 65010; ${passive ? 'passive true;' : ''}
  family { ${family} unicast; }
  static { route ${route} next-hop ${own}; }
  api { processes [ seen ]; receive { parsed; update; } }
}
`;
      return startExabgp(
        lab,
        namespace,
        neighbor('10.0.0.10', '10.0.0.5', 'ipv4', '10.5.0.0/24') +
          neighbor('fd00::10', 'fd00::5', 'ipv6', '2001:db8:5::/48'),
        passive ? '10.0.0.5 fd00::5' : '',
      );
    },
    shows: [''],
  },
];

/** Our side of it, which opens or waits. */
function ours({ n }: Kind, passive: boolean): string {
  const neighbor = (address: string): string => ` neighbor ${address} remote-as ${65_000 + n}
 neighbor ${address} timers connect 1
${passive ? ` neighbor ${address} passive\n` : ''}`;
  return `router bgp 65010
 bgp router-id 10.0.0.10
 no bgp ebgp-requires-policy
 no bgp network import-check
${neighbor(`10.0.0.${n}`)}${neighbor(`fd00::${n}`)} address-family ipv4 unicast
  network 10.10.0.0/24
  no neighbor fd00::${n} activate
 exit-address-family
 address-family ipv6 unicast
  network 2001:db8:10::/48
  neighbor fd00::${n} activate
 exit-address-family
`;
}

describe('neighbours of every make', () => {
  const there = new Map<Kind, Namespace>();
  let router: Router;

  before(async () => {
    const here = await lab.namespace('grevy');
    const hub = await lab.namespace('hub');
    await hub.run('ip', 'link', 'add', 'br0', 'type', 'bridge');
    await hub.run('ip', 'link', 'set', 'br0', 'up');
    const join = async (namespace: Namespace, number: number): Promise<void> => {
      await lab.link(namespace, 'eth0', hub, `p${number}`);
      await hub.run('ip', 'link', 'set', `p${number}`, 'master', 'br0');
      await namespace.run('ip', 'addr', 'add', `10.0.0.${number}/24`, 'dev', 'eth0');
      await namespace.run('ip', 'addr', 'add', `fd00::${number}/64`, 'dev', 'eth0', 'nodad');
    };
    await join(here, 10);
    for (const kind of KINDS) {
      const namespace = await lab.namespace(kind.name);
      await join(namespace, kind.n);
      there.set(kind, namespace);
    }
    enterNetworkNamespace(here.path);
    router = new Router('grevy', 179);
  });
  after(async () => {
    router.close();
    await lab.close();
  });

  for (const kind of KINDS) {
    for (const weOpen of [true, false]) {
      test(`${kind.name}: ${weOpen ? 'we open' : 'it opens'} the connections`, async () => {
        router.config(ours(kind, !weOpen));
        const peer = await kind.start(there.get(kind)!, weOpen);
        try {
          let said = '';
          await until(
            async () => {
              said = (await Promise.all(kind.shows.map(show => peer.sh(show)))).join('\n');
              return said.includes('10.10.0.0/24') && said.includes('2001:db8:10::/48');
            },
            {
              timeoutMs: 20_000,
              everyMs: 100,
              what: () => `it to have our routes; it says\n${said}${peer.output()}\n${router.show('show bgp summary')}`,
            },
          );
          await router.route('ipv4', `10.${kind.n}.0.0/24`);
          await router.route('ipv6', `2001:db8:${kind.n}::/48`);
          for (const [afi, address] of [
            ['ipv4', `10.0.0.${kind.n}`],
            ['ipv6', `fd00::${kind.n}`],
          ] as const) {
            const neighbor = (
              router.json(`show bgp neighbors ${address} json`) as Record<string, Record<string, unknown>>
            )[address]!;
            // Whoever opened has the high port.
            assert.equal(neighbor['portForeign'] === 179, weOpen, `${afi}: ${String(neighbor['portForeign'])}`);
          }
        } finally {
          await peer.stop();
        }
        // Its end is noticed, and its routes go.
        await router.route('ipv4', `10.${kind.n}.0.0/24`, true);
        await router.route('ipv6', `2001:db8:${kind.n}::/48`, true);
      });
    }
  }
});
