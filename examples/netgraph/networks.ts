// Three networks as values: what `demo.ts` puts between two hosts, and changes while they talk. `p1` and `p2` are interfaces in the
// namespace of the graph. Each takes the number of the moment: nodes whose name has it are other ones at the next moment, so a change
// replaces them, and leaves the others and their state alone.
import type { EdgeConfiguration, GraphConfiguration, NodeConfiguration, Told } from '../../src/netgraph/index.ts';

/** The routers' own addresses on the links. */
export const MACS = ['02:00:00:00:01:01', '02:00:00:00:02:01'] as const;

function interfaceNode(name: string): NodeConfiguration {
  return { type: 'ether', tell: [['attach', { ifname: name, version: 2, blockms: 0 }]] };
}

/** A learning bridge; what goes through `p1` is counted by another node at each moment. */
export function bridge(moment: number): GraphConfiguration {
  return {
    nodes: {
      left: interfaceNode('p1'),
      right: interfaceNode('p2'),
      br: { type: 'bridge' },
      [`count${moment}`]: { type: 'counter', tell: [['setdlt', { dlt: 1 }]] },
    },
    edges: [
      ['left.lower', `count${moment}.left`],
      [`count${moment}.right`, 'br.link0'],
      ['right.lower', 'br.link1'],
    ],
  };
}

/** A router between 10.1.0.0/24 and 10.2.0.0/24, which learns its hosts by ARP. What it sends to either link is counted by another node at
 *  each moment. The hooks of `fib` stay: a route goes with its hook. */
export function router(moment: number): GraphConfiguration {
  const nodes: Record<string, NodeConfiguration> = { ip: { type: 'ipfwd' } };
  const edges: EdgeConfiguration[] = [
    ['ip.out', 'fib.in'],
    ['ip.icmp', 'fib.icmp'],
    ['ip.noroute', 'fib.noroute'],
  ];
  const routes: Told[] = [];
  for (const [i, side] of ['left', 'right'].entries()) {
    const frag = `${side}Frag`;
    const count = `${side}Count${moment}`;
    nodes[side] = interfaceNode(`p${i + 1}`);
    nodes[`${side}Split`] = { type: 'split' };
    nodes[`${side}Arp`] = {
      type: 'arp',
      tell: [
        ['setenaddr', MACS[i]],
        ['setaddresses', { count: 1, addresses: [`10.${i + 1}.0.1`] }],
      ],
    };
    nodes[frag] = { type: 'ipfrag', tell: [['setmtu', 1500]] };
    nodes[count] = { type: 'counter' };
    edges.push(
      [`fib.${side}`, `${frag}.in`],
      [`${frag}.out`, `${count}.left`],
      [`${count}.right`, `${side}Split.in`],
      [`${frag}.toobig`, `ip.toobig${i}`],
      [`${side}Split.out`, `ip.in${i}`],
      [`${side}Split.mixed`, `${side}Arp.ip`],
      [`${side}Arp.lower`, `${side}.lower`],
      [`${side}Arp.nohost`, `ip.nohost${i}`],
    );
    routes.push(['addroute', { prefix: `10.${i + 1}.0.0/24`, hook: side, gateway: '0.0.0.0' }]);
  }
  nodes['fib'] = { type: 'fib4', tell: routes };
  return { nodes, edges };
}

/** A bridge, and behind it a link of 20 Mbit/s that is 5 ms long. The counter before the bridge is another one at each moment; the hooks of
 *  the link stay, since what is on its way goes with the hook that it came in by. */
export function shaper(moment: number): GraphConfiguration {
  const none = {
    bandwidth: 0,
    BER: 0,
    queuelen: 0,
    delaylen: 0,
    duplicate: 0,
    fifo: 0,
    drr: 0,
    wfq: 0,
    droptail: 0,
    drophead: 0,
  };
  const link = { bandwidth: 20_000_000, delay: 5000, header_offset: 14, overhead: 0, downstream: none, upstream: none };
  return {
    nodes: {
      left: interfaceNode('p1'),
      right: interfaceNode('p2'),
      br: { type: 'bridge' },
      slow: { type: 'pipe', tell: [['setcfg', link]] },
      [`count${moment}`]: { type: 'counter', tell: [['setdlt', { dlt: 1 }]] },
    },
    edges: [
      ['left.lower', `count${moment}.left`],
      [`count${moment}.right`, 'br.link0'],
      ['br.link1', 'slow.upper'],
      ['slow.lower', 'right.lower'],
    ],
  };
}
