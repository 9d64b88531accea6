// What an edge has in its kernel, a line a route, as ip(8) says it but for what two zebras may well do in two ways: by which nexthop
// object, and a weight of 1. Of a table only what somebody put there; the kernel's own routes are anybody's.
import type { Namespace } from '../../lib/netns.ts';
import { CUSTOMERS, VRF } from '../../../examples/srv6-l3vpn/network.ts';

const PLACES: readonly (readonly [string, readonly string[]])[] = [
  ['main', ['-6', 'route', 'show']],
  ...CUSTOMERS.flatMap(customer => {
    const { name, table } = VRF[customer];
    return ['-4', '-6'].map(
      family => [`${name} IPv${family[1]}`, [family, 'route', 'show', 'table', String(table)]] as [string, string[]],
    );
  }),
  ['labels', ['-f', 'mpls', 'route', 'show']],
];

/** `vrf10 IPv4: 10.2.0.0/24 proto bgp metric 20: encap … via … dev u0 | … dev u1`. */
export async function kernelState(namespace: Namespace): Promise<string[]> {
  const lines: string[] = [];
  for (const [place, argv] of PLACES) {
    // A kernel without MPLS, or a table that nothing is in yet, is an error of ip's.
    const text = await namespace.run('ip', ...argv).catch(() => '');
    const routes = text.split(/\n(?!\s)/).filter(route => / proto (?!kernel|ra)/.test(route));
    lines.push(...routes.map(route => `${place}: ${plain(route)}`));
  }
  return lines.toSorted();
}

function plain(route: string): string {
  const [head, ...hops] = route.split('\n').map(line => line.trim());
  const short = (text: string): string =>
    text
      .replace(/ ?\bnhid \d+/, '')
      .replace(/ weight 1\b/, '')
      .replace(' pref medium', '')
      .replace(/proto 196\b/, 'proto static')
      .replace(/proto 186\b/, 'proto bgp')
      .replaceAll(/ +/g, ' ')
      .trim();
  const [, prefix, way, rest] = /^(\S+) ?(.*?) ?(proto .*)$/.exec(short(head!))!;
  const ways = hops.length > 0 ? hops.map(hop => short(hop).replace(/^nexthop /, '')).toSorted() : [way];
  return `${prefix} ${rest}: ${ways.join(' | ')}`;
}
