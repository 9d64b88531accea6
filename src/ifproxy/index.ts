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
export type { EventQueue, EventQueueOptions, ProxyCallbacks, Registration } from './delivery.ts';
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
