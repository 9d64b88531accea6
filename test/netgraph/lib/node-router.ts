// A router of nodes between the interfaces eth0 and eth1, of MTU 1500 and 1400, for tests that hold it against the kernel's.
//
//    eth0 │ ether ─ arp|nd ─ split ─▶ ipfwd ─▶ fib4|fib6 ─▶ ipfrag ─▶ split ─ arp|nd ─ ether │ eth1
import { type Graph, type Node, send } from '../../../src/netgraph/index.ts';

const MTU: Readonly<Record<string, number>> = { eth0: 1500, eth1: 1400 };

/** By interface: the router's address there, and what of the net is behind it. */
export type RouterSides = Readonly<Record<string, { readonly address: string; readonly prefix: string }>>;

export async function makeRouter(graph: Graph, family: 4 | 6, sides: RouterSides): Promise<void> {
  const router = graph.create('ipfwd', 'router');
  const fib = graph.mkpeer(router, family === 4 ? 'fib4' : 'fib6', 'out', 'in');
  graph.connect(router, 'icmp', fib, 'icmp');
  graph.connect(router, 'noroute', fib, 'noroute');
  const addresses: { address: string; ifindex: number }[] = [];
  for (const [ifname, { address }] of Object.entries(sides)) {
    addresses.push({ address, ifindex: await addSide(graph, family, router, fib, ifname, address) });
  }
  await send(graph, undefined, 'router:', 'setaddresses', { count: addresses.length, addresses });
  for (const [hook, { prefix }] of Object.entries(sides)) {
    const gateway = family === 4 ? '0.0.0.0' : '::';
    await send(graph, undefined, 'router:out', 'addroute', { prefix, hook, gateway });
  }
}

/** One side of the router: its link, and the way to it from the FIB. The interface's index. */
async function addSide(
  graph: Graph,
  family: 4 | 6,
  router: Node,
  fib: Node,
  ifname: string,
  address: string,
): Promise<number> {
  const tell = async <T>(node: Node, name: string, args?: unknown): Promise<T> =>
    (await send(graph, undefined, `[${node.id.toString(16)}]:`, name, args)).args as T;
  const frag = graph.mkpeer(fib, 'ipfrag', ifname, 'in');
  const split = graph.mkpeer(frag, 'split', 'out', 'in');
  graph.connect(split, 'out', router, ifname.replace('eth', 'in'));
  const resolver = graph.mkpeer(split, family === 4 ? 'arp' : 'nd', 'mixed', 'ip');
  graph.connect(frag, 'toobig', router, ifname.replace('eth', 'toobig'));
  graph.connect(resolver, 'nohost', router, ifname.replace('eth', 'nohost'));
  const { node: ether } = graph.find(`${ifname}:`);
  graph.connect(resolver, 'lower', ether, 'lower');
  await tell(resolver, 'setenaddr', await tell(ether, 'getenaddr'));
  await tell(resolver, 'setaddresses', { count: 1, addresses: [address] });
  await tell(frag, 'setmtu', MTU[ifname]);
  return tell<number>(ether, 'getifindex');
}
