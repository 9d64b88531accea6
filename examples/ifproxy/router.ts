// A router in user space that is configured by `ip` alone. It owns ports that the stack does not see (AF_PACKET sockets, in a namespace
// where nobody else is), and shows a TAP for each: what an administrator does to the TAP (addresses, routes, neighbours, MTU, up and
// down) is what it does with packets. What it does not do itself it hands to the TAP, and the kernel does it: ARP, ICMP, what is for the
// router itself, and packets to a neighbour that is not known yet, which makes the kernel find it, and say so.
//
//      port p1 ══ frames ══▶ [ this program ] ══ frames ══▶ port p2
//                               │        ▲
//                       the rest ▼        │ events: routes, addresses, neighbours
//                              tap1, tap2 (the kernel)
//
//   sudo bin/node --conditions=source examples/ifproxy/router.ts /proc/PID/ns/net p1=tap1 p2=tap2
//
// The first argument is the namespace of the ports. `npm run demo:ifproxy` shows it at work.
import {
  IfProxy,
  type NeighborValue,
  PacketPort,
  type Proxy,
  RouteEvent,
  type RouteValue,
  routeValue,
  watchFd,
} from 'grevy/ifproxy';
import { AF_INET, AF_INET6, type AddressWords, type Family, PrefixTable, readAddress } from 'grevy/net';

const TABLE_MAIN = 254;
const TABLE_LOCAL = 255;
const UNICAST = 1;
/** Frames of one port before another has its turn. */
const BURST = 64;

/** A route as one proxy was told it: one that leads over several is told for each, and ends for each by itself. */
interface Told extends RouteValue {
  readonly proxyId: number;
}

/** Routes of one family and table: by prefix, the best first. */
class Fib {
  readonly #prefixes: PrefixTable;
  readonly #routes: Map<number, Told[]> = new Map();

  constructor(family: Family) {
    this.#prefixes = new PrefixTable(family);
  }

  set(route: Told): void {
    this.delete(route);
    const id = this.#prefixes.insert(...route.words, route.length);
    const routes = this.#routes.get(id) ?? [];
    routes.push(route);
    this.#routes.set(
      id,
      routes.toSorted((a, b) => a.metric - b.metric),
    );
  }

  delete({ id, proxyId, words, length }: Told): void {
    const prefix = this.#prefixes.find(...words, length);
    if (prefix < 0) return;
    const left = (this.#routes.get(prefix) ?? []).filter(route => route.id !== id || route.proxyId !== proxyId);
    if (left.length > 0) this.#routes.set(prefix, left);
    else {
      this.#routes.delete(prefix);
      this.#prefixes.remove(prefix);
    }
  }

  match(words: AddressWords): RouteValue | undefined {
    const id = this.#prefixes.match(...words);
    return id < 0 ? undefined : this.#routes.get(id)![0];
  }
}

const fibs = new Map(
  ([AF_INET, AF_INET6] as const).map(family => [family as Family, { main: new Fib(family), local: new Fib(family) }]),
);
const neighbors = new Map<string, NeighborValue>();
const counts = { forwarded: 0, toKernel: 0, fromKernel: 0, dropped: 0 };

/** A port, its proxy, and what is told of the two. */
interface Leg {
  readonly port: PacketPort;
  readonly proxy: Proxy;
  up: boolean;
  mtu: number;
  mac: Uint8Array;
}

const legs: Leg[] = [];
const byProxy = new Map<number, Leg>();

const neighborKey = (leg: Leg, family: Family, words: AddressWords): string =>
  `${leg.proxy.id} ${family} ${words.join('.')}`;
const NUD_USABLE = 2 | 4 | 8 | 16 | 64 | 128; // all but INCOMPLETE and FAILED

/** The kernel does what we do not. */
function punt(leg: Leg, frame: Uint8Array): void {
  counts.toKernel++;
  leg.proxy.transmit(frame);
}

/** A frame that came in by a port. */
function input(leg: Leg, frame: Uint8Array): void {
  const type = (frame[12]! << 8) | frame[13]!;
  const family = type === 0x0800 ? AF_INET : type === 0x86dd ? AF_INET6 : undefined;
  const ours = leg.mac.every((byte, i) => frame[i] === byte);
  if (!leg.up) {
    counts.dropped++;
    return;
  }
  if (family === undefined || !ours || frame.length < (family === AF_INET ? 34 : 54)) return punt(leg, frame);
  const destination = readAddress(family, frame, family === AF_INET ? 30 : 38);
  const ttlAt = family === AF_INET ? 22 : 21;
  const { main, local } = fibs.get(family)!;
  const route = local.match(destination) === undefined ? main.match(destination) : undefined;
  const hop = route?.hops[0];
  // For the router itself; nowhere to go; with options; at its end: all that is the kernel's to answer.
  if (
    route?.type !== UNICAST ||
    hop === undefined ||
    frame[ttlAt]! <= 1 ||
    (family === AF_INET && frame[14] !== 0x45)
  ) {
    return punt(leg, frame);
  }
  const out = legs.find(({ proxy }) => proxy.info.ifindex === hop.ifindex);
  if (out === undefined || frame.length - 14 > out.mtu) return punt(leg, frame);
  const gatewayFamily = hop.gatewayFamily === 0 ? family : hop.gatewayFamily;
  const gateway = hop.gatewayFamily === 0 ? destination : hop.gateway;
  const neighbor = neighbors.get(neighborKey(out, gatewayFamily, gateway));
  if (neighbor === undefined || (neighbor.state & NUD_USABLE) === 0) return punt(leg, frame);
  frame.set(neighbor.mac, 0);
  frame.set(out.mac, 6);
  frame[ttlAt]!--;
  if (family === AF_INET) patchChecksum(frame);
  if (out.port.transmit(frame)) counts.forwarded++;
  else counts.dropped++;
}

/** The TTL is one less: RFC 1624, for the word that it is the high byte of. */
function patchChecksum(frame: Uint8Array): void {
  const sum = ((frame[24]! << 8) | frame[25]!) + 0x100;
  const folded = (sum & 0xffff) + (sum >>> 16);
  frame[24] = folded >>> 8;
  frame[25] = folded & 255;
}

// What the administrator does.

const library = new IfProxy();
const routeChanged = (event: RouteEvent): void => {
  const route = { ...routeValue(event), proxyId: event.proxyId };
  const fib = fibs.get(route.family)!;
  const table = route.table === TABLE_LOCAL ? fib.local : route.table === TABLE_MAIN ? fib.main : undefined;
  if (event.kind === 'routeDeleted') table?.delete(route);
  else table?.set(route);
};
const neighborChanged = (event: { kind: string; proxyId: number; neighbor: NeighborValue }): void => {
  const key = neighborKey(byProxy.get(event.proxyId)!, event.neighbor.family, event.neighbor.words);
  if (event.kind === 'neighborDeleted') neighbors.delete(key);
  else neighbors.set(key, event.neighbor);
};
library.register({
  macChanged(event) {
    const leg = byProxy.get(event.proxyId)!;
    leg.mac = event.mac;
    leg.port.setMac(event.mac);
  },
  mtuChanged(event) {
    byProxy.get(event.proxyId)!.mtu = event.mtu;
  },
  linkChanged(event) {
    byProxy.get(event.proxyId)!.up = event.up;
  },
  routeAdded: routeChanged,
  routeReplaced: routeChanged,
  routeDeleted: routeChanged,
  neighborAdded: neighborChanged,
  neighborChanged,
  neighborDeleted: neighborChanged,
  proxyGone(_event, port) {
    console.log(`the proxy of ${port.name} is gone`);
  },
  configurationFinished: () => console.log('ready'),
});

const [namespace = '', ...pairs] = process.argv.slice(2);
for (const pair of pairs) {
  const [portName = '', proxyName] = pair.split('=');
  const port = new PacketPort(portName, { namespace });
  const proxy = library.create(proxyName);
  const leg: Leg = { port, proxy, up: false, mtu: 1500, mac: proxy.info.mac };
  legs.push(leg);
  byProxy.set(proxy.id, leg);
  library.bind(port, proxy);
  const buffer = new Uint8Array(65_536);
  watchFd(port.fd, { readable: true }, () => {
    for (let i = 0; i < BURST; i++) {
      const length = port.receive(buffer);
      if (length === 0) return;
      input(leg, buffer.subarray(0, length));
    }
  });
  // What the kernel sends by the proxy goes out by the port as it is.
  watchFd(proxy.fd!, { readable: true }, () => {
    for (let i = 0; i < BURST; i++) {
      const length = proxy.receive(buffer);
      if (length === 0) return;
      counts.fromKernel++;
      port.transmit(buffer.subarray(0, length));
    }
  });
}
library.listen();
process.on('SIGUSR1', () => console.log(JSON.stringify(counts)));
process.on('SIGTERM', () => process.exit(0));
