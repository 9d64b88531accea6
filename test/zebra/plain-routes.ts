// What ip(8) says of bgp's routes, but for how they come to their paths.
import type { Namespace } from '../lib/netns.ts';

export interface Route {
  dst: string;
  nhid?: number;
  [key: string]: unknown;
}

/**
 * The only path of an IPv6 route by a group of one is written as one of several. And a route without a gateway is of its
 * interface's scope here (paths.test.ts).
 */
function plain(route: Route): Route {
  const { nexthops = [], ...rest } = route;
  const hops = nexthops as Record<string, unknown>[];
  const all: Route = hops.length > 1 ? { ...rest, nexthops: hops } : { ...rest, ...hops[0] };
  for (const key of ['nhid', 'nh_info', 'scope', 'weight']) delete all[key];
  return all;
}

/** What `ip` says of bgp's routes but for the objects that they name. */
export async function bgpRoutes(namespace: Namespace): Promise<Route[]> {
  const all: Route[] = [];
  for (const family of ['-4', '-6']) {
    all.push(...(await namespace.ipJson<Route[]>(family, 'route', 'show', 'proto', '186')));
  }
  return all.map(plain).toSorted((a, b) => (a.dst < b.dst ? -1 : 1));
}
