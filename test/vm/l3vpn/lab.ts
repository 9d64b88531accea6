// The network of examples/srv6-l3vpn with its two provider edges, each by whom one says, and a neighbour in A's site 1.
import { buildNetwork, EDGES, type Edge, type Network } from '../../../examples/srv6-l3vpn/network.ts';
import { startBird } from '../../lib/daemons.ts';
import { Lab } from '../../lib/netns.ts';
import { type EdgeRouter, edgeRouter, type Kind, type Transport } from './edge.ts';
import { kernelState } from './kernel.ts';
import { Traffic } from './traffic.ts';

/**
 * A's router at edge 1: it announces what is behind it, and has its default route by hand. That the VRF was gone it learns from the
 * answer to a KEEPALIVE.
 */
const CUSTOMER = `router id 172.16.1.2;
protocol device {}
protocol static { ipv4; route 10.1.0.0/24 blackhole; }
protocol static { ipv6; route fd10:1::/64 blackhole; }
template bgp up { local as 65101; keepalive time 1; connect delay time 1; error wait time 1, 2; }
protocol bgp up4 from up { local 172.16.1.2; neighbor 172.16.1.1 as 65001; ipv4 { import all; export where source = RTS_STATIC; }; }
protocol bgp up6 from up { local fd00:1::2; neighbor fd00:1::1 as 65001; ipv6 { import all; export where source = RTS_STATIC; }; }
`;

export class L3vpnLab {
  readonly lab: Lab;
  readonly network: Network;
  readonly traffic: Traffic;
  #edges: Partial<Record<Edge, EdgeRouter>> = {};

  static async build(): Promise<L3vpnLab> {
    const lab = new Lab();
    const network = await buildNetwork(lab, { mpls: true });
    const traffic = new Traffic(network);
    await Promise.all([startBird(lab, network.sites.a1, CUSTOMER), traffic.open()]);
    return new L3vpnLab(lab, network, traffic);
  }

  private constructor(lab: Lab, network: Network, traffic: Traffic) {
    this.lab = lab;
    this.network = network;
    this.traffic = traffic;
  }

  edge = (edge: Edge): EdgeRouter => this.#edges[edge]!;

  /** Has each edge be what is said; one that is that already goes on. Resolves when all customers' sites reach each other. */
  async become(transport: Transport, kinds: readonly [Kind, Kind]): Promise<void> {
    await Promise.all(
      EDGES.map(async edge => {
        const kind = kinds[edge - 1]!;
        const old = this.#edges[edge];
        if (old?.kind === kind && old.transport === transport) return;
        await old?.stop();
        const router = edgeRouter(this.lab, this.network.edges[edge], edge, kind, transport);
        this.#edges[edge] = router;
        await router.start();
      }),
    );
    await this.traffic.connected(90_000, this.said);
  }

  /** What both edges have in their kernels. */
  async kernels(): Promise<Record<Edge, string[]>> {
    const [one, two] = await Promise.all(EDGES.map(edge => kernelState(this.network.edges[edge])));
    return { 1: one!, 2: two! };
  }

  /** For a test that waited in vain. */
  said = (): string => EDGES.map(edge => `edge ${edge}:\n${this.#edges[edge]?.said()}`).join('\n');

  async close(): Promise<void> {
    this.traffic.close();
    await this.lab.close();
  }
}
