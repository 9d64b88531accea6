// The network that the configurations beside this file are for. Two customers have a site at each of two provider edges, with
// the same addresses; between the edges is a router that knows nothing of customers, by two links to each.
//
//     a1 ─ vrf10 ┐                ┌────── u0 ──────┐                ┌ vrf10 ─ a2      a1, a2: customer A     b1, b2: customer B
//                ├ pe1 ─ u0, u1 ─ p                p ─ u0, u1 ─ pe2 ┤                 site I has 10.I.0.0/24 and fd10:I::/64,
//     b1 ─ vrf20 ┘                                                  └ vrf20 ─ b2      whosever it is
//
// A's sites are routers behind a link of their own (172.16.I.0/24, fd00:I::/64), B's are hosts on the network that is at the edge.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Lab, Namespace } from '../../src/cli/demo/lab.ts';
import { inNetworkNamespace } from '../../src/sys/index.ts';

export const EDGES = [1, 2] as const;
export const LINKS = [0, 1] as const;
export const CUSTOMERS = ['a', 'b'] as const;
export type Edge = (typeof EDGES)[number];
export type Link = (typeof LINKS)[number];
export type Customer = (typeof CUSTOMERS)[number];
export type SiteName = `${Customer}${Edge}`;

export const VRF: Readonly<Record<Customer, { readonly name: string; readonly table: number }>> = {
  a: { name: 'vrf10', table: 10 },
  b: { name: 'vrf20', table: 20 },
};

/** Kernel modules that it takes. */
export const MODULES: readonly string[] = ['veth', 'vrf', 'mpls_router', 'mpls_iptunnel'];

/** The label that leads to an edge's loopback, where labels do. */
export const labelOf = (edge: Edge): number => 16000 + edge;

/** The address of a site: what its packets come from. */
export const siteAddress = (edge: Edge, family: 4 | 6): string => (family === 4 ? `10.${edge}.0.1` : `fd10:${edge}::1`);

export interface Network {
  readonly edges: Readonly<Record<Edge, Namespace>>;
  readonly p: Namespace;
  readonly sites: Readonly<Record<SiteName, Namespace>>;
}

/** Builds it; needs a kernel with VRF, and one with MPLS where customers' packets are to have labels. */
export async function buildNetwork(lab: Lab, { mpls = false }: { mpls?: boolean } = {}): Promise<Network> {
  const names = ['pe1', 'pe2', 'p', 'a1', 'a2', 'b1', 'b2'] as const;
  const [pe1, pe2, p, a1, a2, b1, b2] = await Promise.all(names.map(name => lab.namespace(name)));
  const network: Network = {
    edges: { 1: pe1!, 2: pe2! },
    p: p!,
    sites: { a1: a1!, a2: a2!, b1: b1!, b2: b2! },
  };
  for (const namespace of [pe1!, pe2!, p!]) settings(namespace, FORWARDING);
  settings(p!, CORE);
  await ip(lab, p!, coreLines(network));
  await ip(lab, p!, coreRoutes());
  for (const edge of EDGES) await ip(lab, network.edges[edge], edgeLines(network, edge));
  for (const edge of EDGES) {
    await ip(lab, network.sites[`a${edge}`], routerLines(edge));
    await ip(lab, network.sites[`b${edge}`], hostLines(edge));
  }
  if (mpls) await labels(lab, network);
  return network;
}

/** The VRF of a customer at an edge, with the customer's port in it. */
export function vrfLines(edge: Edge, customer: Customer): string[] {
  const { name, table } = VRF[customer];
  const port = `${customer}${edge}`;
  return [
    `link add ${name} type vrf table ${table}`,
    `link set ${name} up`,
    // Moving takes the port's IPv6 addresses away.
    `link set ${port} master ${name}`,
    `link set ${port} up`,
    ...(customer === 'a'
      ? [`addr replace 172.16.${edge}.1/24 dev ${port}`, `addr replace fd00:${edge}::1/64 dev ${port} nodad`]
      : [`addr replace 10.${edge}.0.254/24 dev ${port}`, `addr replace fd10:${edge}::fe/64 dev ${port} nodad`]),
  ];
}

/** Runs lines of ip(8) in one process. */
export async function ip(
  lab: Lab,
  namespace: Namespace,
  lines: readonly string[],
  ...options: string[]
): Promise<void> {
  const file = join(await lab.directory(), 'lines');
  writeFileSync(file, `${lines.join('\n')}\n`);
  await namespace.run('ip', ...options, '-batch', file);
}

/** Settings of sysctl, of the namespace. */
function settings(namespace: Namespace, values: Readonly<Record<string, number>>): void {
  inNetworkNamespace(namespace.path, () => {
    for (const [name, value] of Object.entries(values)) writeFileSync(`/proc/sys/net/${name}`, String(value));
  });
}

const FORWARDING = {
  'ipv4/ip_forward': 1,
  'ipv6/conf/all/forwarding': 1,
  // End.DT4 finds the VRF of a table, so there must be one of each.
  'vrf/strict_mode': 1,
  'ipv6/conf/all/seg6_enabled': 1,
  'ipv6/conf/default/seg6_enabled': 1,
  // Nobody else has our addresses: what comes up is used at once.
  'ipv6/conf/all/accept_dad': 0,
  'ipv6/conf/default/accept_dad': 0,
  // The way back may be by the other link.
  'ipv4/conf/all/rp_filter': 0,
  'ipv4/conf/default/rp_filter': 0,
};

/** p has nobody who would take a route away that leads over a dead link, or give it its addresses again. */
const CORE = {
  'ipv6/conf/all/ignore_routes_with_linkdown': 1,
  'ipv6/conf/default/ignore_routes_with_linkdown': 1,
  'ipv6/conf/all/keep_addr_on_down': 1,
  'ipv6/conf/default/keep_addr_on_down': 1,
};

function coreLines({ edges }: Network): string[] {
  const lines: string[] = [];
  for (const edge of EDGES) {
    for (const link of LINKS) {
      const port = `pe${edge}${link}`;
      lines.push(
        // Room for what goes around a customer's packet of 1500 octets.
        `link add ${port} mtu 9000 type veth peer name u${link} mtu 9000 netns ${edges[edge].pid}`,
        `link set ${port} up`,
        `addr add 2001:db8:${edge}:${link}::f/64 dev ${port} nodad`,
      );
    }
  }
  return lines;
}

/** Of p: to each edge's loopback and its segments (`f`, and `e` for a locator to change to) by both links. */
export function coreRoutes(): string[] {
  return EDGES.flatMap(edge => {
    const ways = LINKS.map(link => `nexthop via 2001:db8:${edge}:${link}::${edge} dev pe${edge}${link}`).join(' ');
    const prefixes = [`2001:db8::${edge}/128`, `2001:db8:f${edge}::/64`, `2001:db8:e${edge}::/64`];
    return prefixes.map(prefix => `route replace ${prefix} ${ways}`);
  });
}

function edgeLines({ sites }: Network, edge: Edge): string[] {
  return [
    `addr add 2001:db8::${edge}/128 dev lo`,
    ...LINKS.flatMap(link => [
      `link set u${link} up`,
      `addr add 2001:db8:${edge}:${link}::${edge}/64 dev u${link} nodad`,
    ]),
    ...CUSTOMERS.flatMap(customer => [
      // The link-local address of the site is a next hop, and the same in every run.
      `link add ${customer}${edge} type veth peer name eth0 address 02:00:00:00:0${edge}:0${customer} netns ${sites[`${customer}${edge}`].pid}`,
      ...vrfLines(edge, customer),
    ]),
  ];
}

/** A's: a router with the site behind it. */
function routerLines(edge: Edge): string[] {
  return [
    'link set eth0 up',
    `addr add 172.16.${edge}.2/24 dev eth0`,
    `addr add fd00:${edge}::2/64 dev eth0 nodad`,
    `addr add 10.${edge}.0.1/24 dev lo`,
    `addr add fd10:${edge}::1/64 dev lo`,
    `route add default via 172.16.${edge}.1 src 10.${edge}.0.1`,
    `route add default via fd00:${edge}::1 src fd10:${edge}::1`,
  ];
}

/** B's: a host. */
function hostLines(edge: Edge): string[] {
  return [
    'link set eth0 up',
    `addr add 10.${edge}.0.1/24 dev eth0`,
    `addr add fd10:${edge}::1/64 dev eth0 nodad`,
    `route add default via 10.${edge}.0.254`,
    `route add default via fd10:${edge}::fe`,
  ];
}

/** The labels of the edges' loopbacks: p takes them off (penultimate hop popping). */
async function labels(lab: Lab, { edges, p }: Network): Promise<void> {
  for (const edge of EDGES) {
    settings(edges[edge], { 'mpls/platform_labels': 100_000, 'mpls/conf/u0/input': 1, 'mpls/conf/u1/input': 1 });
    settings(p, {
      'mpls/platform_labels': 100_000,
      ...Object.fromEntries(LINKS.map(link => [`mpls/conf/pe${edge}${link}/input`, 1])),
    });
  }
  await ip(lab, p, labelRoutes(), '-f', 'mpls');
}

/** Of p, for `ip -f mpls`. */
export function labelRoutes(): string[] {
  return EDGES.map(edge => {
    const ways = LINKS.map(link => `nexthop via inet6 2001:db8:${edge}:${link}::${edge} dev pe${edge}${link}`);
    return `route replace ${labelOf(edge)} ${ways.join(' ')}`;
  });
}
