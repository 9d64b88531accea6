// How a change is told: as a value for a callback, as a record for a queue, and whether a filter lets it through.
import { addressBits } from '../net/index.ts';
import type { Binding } from './attached.ts';
import type { EventQueue } from './consumers.ts';
import {
  type About,
  EVENT_KINDS,
  EVENT_MAC,
  EVENT_MTU,
  EVENT_NAME,
  EVENT_ROUTE_ADDED,
  EVENT_ROUTE_DELETED,
  EVENT_ROUTE_REPLACED,
  FLAG_DERIVED,
  FLAG_OWN,
  FLAG_PICTURE,
  MAX_HOPS,
  type PortEvent,
  RouteEvent,
} from './event.ts';
import type { Filter } from './filter.ts';
import { HOP_DEAD, HOP_WORD, HOP_WORDS, type PathSet, SOURCE_WORDS } from './paths.ts';
import type { AddressState, LinkState, NeighborState } from './states.ts';
import {
  ADDRESS_RECORD_BYTES,
  NEIGHBOR_RECORD_BYTES,
  readHop,
  RECORD_BYTES,
  routeRecordBytes,
  writeAddress,
  writeHead,
  writeNeighbor,
  writeOctets,
  writeRoute,
} from './record.ts';
import type { RouteTable } from './routes.ts';

/** What a consumer that filters routes is told instead of `code`; -1: nothing. */
export function routeCode(filter: Filter, table: RouteTable, row: number, code: number, wordBefore: number): number {
  if (!filter.asksRoutes) return code;
  const word = table.word[row]!;
  const now = code !== EVENT_ROUTE_DELETED && passesRow(filter, table, row, word);
  const old = code !== EVENT_ROUTE_ADDED && passesRow(filter, table, row, wordBefore);
  if (now) return old ? EVENT_ROUTE_REPLACED : EVENT_ROUTE_ADDED;
  return old ? EVENT_ROUTE_DELETED : -1;
}

export function passesRow(filter: Filter, table: RouteTable, row: number, word: number): boolean {
  const { prefixes } = table;
  const id = table.prefix[row]! - 1;
  const [w0, w1, w2, w3] = prefixes.words(id);
  return filter.passesRoute(table.table[row]!, (word >>> 8) & 255, table.family, w0, w1, w2, w3, prefixes.length[id]!);
}

export function passesState(filter: Filter, { value }: AddressState | NeighborState): boolean {
  return filter.passesPrefix(value.family, value.words, addressBits(value.family));
}

export function fillView(view: RouteEvent, table: RouteTable, row: number, set: PathSet): void {
  const { prefixes, family } = table;
  const id = table.prefix[row]! - 1;
  view.id = (row << 1) | (family === 2 ? 0 : 1);
  view.family = family;
  view.w0 = prefixes.w0[id]!;
  if (family !== 2) {
    view.w1 = prefixes.w1[id]!;
    view.w2 = prefixes.w2[id]!;
    view.w3 = prefixes.w3[id]!;
  } else {
    view.w1 = 0;
    view.w2 = 0;
    view.w3 = 0;
  }
  view.length = prefixes.length[id]!;
  view.table = table.table[row]!;
  view.metric = table.metric[row]!;
  const word = table.word[row]!;
  view.type = word & 255;
  view.protocol = (word >>> 8) & 255;
  view.scope = (word >>> 16) & 255;
  view.tos = word >>> 24;
  view.offload = table.offload[row]!;
  view.nexthopId = table.nexthop[row]!;
  const { words } = set;
  view.sourceFamily = words[0] as RouteEvent['sourceFamily'];
  for (let i = 0; i < 4; i++) view.source[i] = words[1 + i]!;
  let count = 0;
  for (let at = SOURCE_WORDS; at < words.length && count < MAX_HOPS; at += HOP_WORDS) {
    if ((words[at + HOP_WORD]! & HOP_DEAD) === 0) readHop(words, at, view, count++);
  }
  view.hopCount = count;
}

export function about(binding: Binding, flags: number): About {
  return {
    proxyId: binding.proxy.id,
    portId: binding.portId,
    picture: (flags & FLAG_PICTURE) !== 0,
    own: (flags & FLAG_OWN) !== 0,
    derived: (flags & FLAG_DERIVED) !== 0,
  };
}

export function linkEvent(binding: Binding, code: number, link: LinkState, flags: number): PortEvent {
  const common = about(binding, flags);
  switch (code) {
    case EVENT_NAME:
      return { kind: 'nameChanged', ...common, name: link.name };
    case EVENT_MAC:
      return { kind: 'macChanged', ...common, mac: link.mac };
    case EVENT_MTU:
      return { kind: 'mtuChanged', ...common, mtu: link.mtu };
    default:
      return { kind: 'linkChanged', ...common, up: link.up, carrier: link.carrier };
  }
}

export function stateEvent(
  binding: Binding,
  code: number,
  state: AddressState | NeighborState,
  flags: number,
): PortEvent {
  const kind = EVENT_KINDS[code] as 'addressAdded' | 'neighborAdded';
  const common = about(binding, flags);
  return 'mac' in state.value
    ? { kind: kind as 'neighborAdded', ...common, neighbor: state.value }
    : { kind: kind as 'addressAdded', ...common, address: state.value };
}

export function putLink(
  queue: EventQueue,
  { proxy, portId }: Binding,
  code: number,
  link: LinkState,
  flags: number,
): boolean {
  const { writer } = queue;
  const octets = code === EVENT_NAME ? Buffer.from(link.name, 'latin1') : link.mac;
  const long = code === EVENT_NAME || code === EVENT_MAC;
  const at = writer.reserve(RECORD_BYTES + 4 + (long ? octets.length : 0));
  if (at < 0) return false;
  writeHead(writer.words, at, code, flags, proxy.id, portId);
  if (long) writeOctets(writer.words, writer.bytes, at + 3, octets);
  else writer.words[at + 3] = code === EVENT_MTU ? link.mtu : (link.up ? 1 : 0) | (link.carrier ? 2 : 0);
  writer.commit();
  queue.told = true;
  return true;
}

export function putState(
  queue: EventQueue,
  { proxy, portId }: Binding,
  code: number,
  { value }: AddressState | NeighborState,
  flags: number,
): boolean {
  const { writer } = queue;
  const at = writer.reserve('mac' in value ? NEIGHBOR_RECORD_BYTES + value.mac.length : ADDRESS_RECORD_BYTES);
  if (at < 0) return false;
  writeHead(writer.words, at, code, flags, proxy.id, portId);
  if ('mac' in value) writeNeighbor(writer.words, writer.bytes, at, value);
  else writeAddress(writer.words, at, value);
  writer.commit();
  queue.told = true;
  return true;
}

export function putRoute(queue: EventQueue, code: number, view: RouteEvent): boolean {
  const { writer } = queue;
  const at = writer.reserve(routeRecordBytes(view.hopCount));
  if (at < 0) return false;
  writeHead(writer.words, at, code, view.flags, view.proxyId, view.portId);
  writeRoute(writer.words, at, view);
  writer.commit();
  return true;
}
