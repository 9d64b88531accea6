/**
 * ifproxy: an interface that the kernel can see stands for ports that it cannot. Whatever an administrator does to the interface with
 * ordinary tools (`ip link`, `ip addr`, `ip route`, `ip neigh`) comes to the ports as callbacks, or as events in a queue for another thread.
 *
 *     const library = new IfProxy();
 *     const proxy = library.create('tap1');          // or adopt('eth0'): any interface there is
 *     library.register({
 *       mtuChanged: (event, port) => port.setMtu(event.mtu),
 *       routeAdded: event => fib.add(event.prefix, event.hopIfindex[0]),
 *     });
 *     library.bind(port, proxy);                     // the port takes the proxy's MAC
 *     library.listen();
 *
 *      the system ──▶ History ──▶ Picture ──▶ Delivery ──┬──▶ callbacks       by binding of a port to a proxy
 *      (platform)     (linux/)    what it has  who is    └──▶ EventQueue ═══▶ EventReader (another thread)
 *                                              told what
 *
 * - `Proxy`: the interface. Made here (TAP, TUN) it goes with the library, adopted it stays. `Port`: anything with a name. A *binding* joins
 *   them: one proxy to many ports; no packet passes through here but those that a program hands to `Proxy.transmit` itself.
 * - `History` is what a `Platform` knows of its system, told in order, lost pieces mended: on Linux rtnetlink, subscribed to before it is
 *   dumped, dumped again after an overrun; and what Linux does without a word is worked out (linux/history.ts).
 * - `Picture` is what the system is believed to have as far as it concerns proxies. A change of it is an event; told again, it is none.
 *   So an overrun ends in the differences, as ordinary events, a deletion before what takes its place.
 * - `Delivery` tells each event once for each port, to callbacks first; what a callback returns true for is handled and goes to no
 *   queue. A port, a consumer or a proxy that comes later is told the picture, and nobody else is.
 * - Events of one run end with `commit`. `configurationFinished` comes once to each consumer, `pictureFinished` after the picture of a port
 *   that was bound later, `proxyGone` last of all of a proxy. A queue that was full says `resynchronize`, and all follows anew.
 *
 * Routes without hops (blackhole, unreachable, prohibit) are of no interface and are told for every proxy; a `proxyGone` ends them with the
 * rest. Hops that are dead (their link is down) are not among a route's hops. Routes for packets from some sources only (IPv6's `from`)
 * are not told.
 */
export {
  type AddressValue,
  type EventKind,
  EVENT_KINDS,
  type EventOf,
  type Hop,
  type NeighborValue,
  type PortEvent,
  type ProxyEvent,
  RouteEvent,
  routeHop,
  type RouteValue,
  routeValue,
  type StreamEvent,
} from './event.ts';
export type { EventQueue, EventQueueOptions, ProxyCallbacks, Registration } from './consumers.ts';
export type { EventFilter } from './filter.ts';
export { IfProxy, type IfProxyOptions, type ProxyOptions } from './ifproxy.ts';
export { PacketPort, type PacketPortOptions } from './linux/packet-port.ts';
export { type LinuxOptions, LinuxPlatform } from './linux/platform.ts';
export type { Device, DeviceOptions, Feedback, History, HistoryOptions, HistoryStats, Platform } from './platform.ts';
export { IfProxyError, type Port, type Proxy, type ProxyInfo, type ProxyState } from './port.ts';
export { EventReader, type EventQueueStats, type QueueShare } from './queue.ts';
export { SimulatedDevice, SimulatedPlatform, type SimulatedRoute } from './simulated.ts';
/** A descriptor of a proxy or a port on Node's own loop. */
export { type FdWatch, watchFd } from '../sys/index.ts';
