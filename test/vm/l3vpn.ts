// L3VPN of two customers with the same addresses, between two provider edges: over SRv6 and with labels, in a kernel with VRFs. Each
// edge is Grevy or FRR 8.4.4, from one configuration. What two FRRs have in their kernels, what gets through between them, and what
// a change costs, is the measure: it is on record (l3vpn/frr-8.4.4.ts), so FRR with itself only runs when asked for
// (GREVY_L3VPN='srv6:frr:frr mpls:frr:frr'), and then the record has to be right. `brief`: without the changes under traffic, which
// `npm run test:vm` makes in every pair.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import {
  coreRoutes,
  type Edge,
  EDGES,
  ip,
  labelRoutes,
  MODULES as NEEDED,
  vrfLines,
} from '../../examples/srv6-l3vpn/network.ts';
import { until } from '../lib/wait.ts';
import type { Kind, Transport } from './l3vpn/edge.ts';
import { FRR } from './l3vpn/frr-8.4.4.ts';
import { L3vpnLab } from './l3vpn/lab.ts';
import { type Loss, STREAMS, transfer } from './l3vpn/traffic.ts';

export const MODULES: readonly string[] = NEEDED;

const SLOW_MS = 60_000;
const OCTETS = 200_000;

type Pair = readonly [Kind, Kind];
const CASES = (
  process.env['GREVY_L3VPN'] ?? 'srv6:grevy:grevy srv6:grevy:frr:brief mpls:grevy:frr:brief mpls:grevy:grevy:brief'
)
  .split(' ')
  .map(text => {
    const [transport, one, two, brief] = text.split(':');
    return { transport: transport as Transport, kinds: [one, two] as unknown as Pair, brief: brief !== undefined };
  });

/** Runs inside. */
export function suite(): void {
  describe('L3VPN', () => {
    let lab: L3vpnLab;
    before(async () => {
      lab = await L3vpnLab.build();
    });
    after(() => lab?.close());
    for (const { transport, kinds, brief } of CASES) {
      describe(`${transport}, ${kinds[0]} and ${kinds[1]}`, () => tests(() => lab, transport, kinds, brief));
    }
  });
}

function tests(theLab: () => L3vpnLab, transport: Transport, kinds: Pair, brief: boolean): void {
  let lab: L3vpnLab;

  /** Each edge's routes, and that they are there to stay. */
  const kernels = (wanted: Record<Edge, readonly string[]>, what: string): Promise<boolean> => {
    let seen: Record<Edge, string[]> = { 1: [], 2: [] };
    return until(
      async () => {
        seen = await lab.kernels();
        return EDGES.every(edge => seen[edge].join('\n') === wanted[edge].join('\n'));
      },
      {
        timeoutMs: SLOW_MS,
        everyMs: 300,
        what: () => `${what}:\n${EDGES.map(edge => difference(seen[edge], wanted[edge])).join('\n')}\n${lab.said()}`,
      },
    );
  };

  /** A change while all customers' packets go; they all go again after it. Nobody has got what is somebody else's. */
  const changed = async (what: string, change: () => Promise<void>): Promise<Record<string, Loss>> => {
    const losses = await lab.traffic.during(change, SLOW_MS);
    const said = Object.entries(losses).map(([flow, loss]) => `${flow}: ${loss.lost} of ${loss.sent}`);
    console.log(`${transport}, ${kinds.join(' and ')}: ${what}: lost ${said.join(', ')}`);
    assert.deepEqual(lab.traffic.strays, []);
    return losses;
  };

  const restart = async (): Promise<void> => {
    const edge = lab.edge(1);
    await edge.stop();
    await edge.start();
  };

  const wanted = FRR[transport];

  before(async () => {
    lab = theLab();
    await lab.become(transport, kinds);
  });

  test("both kernels have what two FRRs' have", async () => {
    await kernels(wanted, 'kernels');
  });

  test('each customer reaches its own other site, and nothing else', async () => {
    for (const [customer, family] of STREAMS) await transfer(lab.network, customer, family, OCTETS);
    await lab.traffic.trespass('b', ['172.16.2.1', '172.16.2.2', 'fd00:2::1', 'fd00:2::2']);
    await lab.traffic.trespass('a', ['10.2.0.254', 'fd10:2::fe']);
    assert.deepEqual(lab.traffic.strays, []);
  });

  if (brief) return;

  test('a VRF goes, and comes back: the other customer notices nothing', async () => {
    const { edges } = lab.network;
    const losses = await changed('vrf10 goes and comes', async () => {
      await edges[1].run('ip', 'link', 'del', 'vrf10');
      await until(async () => !(await lab.kernels())[2].some(line => /^vrf10.*encap/.test(line)), {
        timeoutMs: SLOW_MS,
        everyMs: 300,
        what: () => `the other edge to know\n${lab.said()}`,
      });
      await ip(lab.lab, edges[1], vrfLines(1, 'a'));
    });
    assert.equal(losses['B IPv4']!.lost + losses['B IPv6']!.lost, 0);
    await kernels(wanted, 'all is there again');
  });

  if (transport === 'srv6') {
    test('the locator changes, and changes back', async () => {
      const routes = [0, 1].map(link => `ipv6 route 2001:db8:e1::/64 2001:db8:2:${link}::f`);
      await lab.edge(2).configure(...routes);
      const to = (lines: readonly string[]): string[] =>
        lines.map(line => line.replaceAll('2001:db8:f1:', '2001:db8:e1:'));
      const moved = {
        1: to(wanted[1]).toSorted(),
        2: [...to(wanted[2]), wanted[2].find(line => line.includes('2001:db8:f1::/64'))!].toSorted(),
      };
      await changed('the locator of edge 1 changes', async () => {
        await lab.edge(1).moveLocator('2001:db8:e1::/64');
        await kernels(moved, 'the other locator');
      });
      await changed('the locator changes back', async () => {
        await lab.edge(1).moveLocator('2001:db8:f1::/64');
        await lab.edge(2).configure(...routes.map(route => `no ${route}`));
        await kernels(wanted, 'the first locator');
      });
    });
  }

  test('one of two links fails, and comes back', async () => {
    const { network } = lab;
    const pe1 = network.edges[1];
    const over = (link: number) => async (): Promise<boolean> =>
      !(await lab.kernels())[1].some(line => line.includes(`dev u${link}`));
    const bothLinks = async (): Promise<void> => {
      // FRR 8.4.4 says that it uses both; in the kernel its group of next hops stays without the one that had gone.
      if (kinds[0] === 'frr') await restart();
      await kernels(wanted, 'both links');
    };
    await changed('its carrier goes', async () => {
      await ip(lab.lab, network.p, ['link set pe10 down']);
      await until(over(0), { timeoutMs: SLOW_MS, everyMs: 300, what: () => `no route over u0\n${lab.said()}` });
    });
    await changed('its carrier comes', async () => {
      await ip(lab.lab, network.p, ['link set pe10 up', ...coreRoutes()]);
      await ip(lab.lab, network.p, labelRoutes(), '-f', 'mpls');
      await bothLinks();
    });
    await changed('it is taken down', async () => {
      await ip(lab.lab, pe1, ['link set u1 down']);
      await until(over(1), { timeoutMs: SLOW_MS, everyMs: 300, what: () => `no route over u1\n${lab.said()}` });
    });
    await changed('it is taken up', async () => {
      await ip(lab.lab, pe1, ['link set u1 up', 'addr replace 2001:db8:1:1::1/64 dev u1 nodad']);
      await bothLinks();
    });
  });

  test('an edge is restarted', async () => {
    await changed('edge 1 is restarted', restart);
    await kernels(wanted, 'all is there again');
  });
}

function difference(seen: readonly string[], wanted: readonly string[]): string {
  const lines = [
    ...wanted.filter(line => !seen.includes(line)).map(line => `- ${line}`),
    ...seen.filter(line => !wanted.includes(line)).map(line => `+ ${line}`),
  ];
  return lines.join('\n');
}
