// A system that is nothing but a few tables: for tests, of this library and of programs that use it, and as the shortest example of what a
// platform has to bring. Changes are made by calling it, as an administrator would; they are told in order, a change a step. What it does
// not do by itself that Linux does: routes go with their interface only when it is removed, and neighbours when they are deleted.
import { type Family, parseInterfaceAddress, parsePrefix, type Prefix } from '../net/index.ts';
import { type AddressValue, EVENT_KINDS, type EventKind, type NeighborValue } from './event.ts';
import { HOP_GATEWAY, HOP_WORD, HOP_WORDS, SOURCE_WORDS } from './paths.ts';
import { type Picture, PICTURE_ADDRESSES, PICTURE_LINKS, PICTURE_NEIGHBORS, PICTURE_ROUTES } from './picture.ts';
import type { LinkInput } from './states.ts';
import type { Device, DeviceOptions, Feedback, History, HistoryStats, Platform } from './platform.ts';
import { IfProxyError, type ProxyInfo } from './port.ts';
import { RouteInput, type RouteTable } from './routes.ts';

export interface SimulatedRoute {
  /** `10.0.0.0/8` */
  readonly prefix: string;
  /** Names of interfaces, and of a gateway its address. None: a blackhole. */
  readonly hops: readonly { readonly dev: string; readonly via?: string }[];
  readonly table?: number;
  readonly metric?: number;
  readonly protocol?: number;
  /** RTM_F_OFFLOAD, RTM_F_TRAP */
  readonly offload?: number;
}

interface Link extends LinkInput {
  readonly device: SimulatedDevice | undefined;
}

const RTM_F_OFFLOAD = 0x4000;
const RTM_F_TRAP = 0x8000;
const UNICAST = 1;
const BLACKHOLE = 6;
const MAIN = 254;
const BOOT = 3;

export class SimulatedPlatform implements Platform {
  readonly name = 'simulated';
  readonly events: ReadonlySet<EventKind> = new Set(EVENT_KINDS);
  readonly #links: Map<number, Link> = new Map();
  readonly #addresses: Map<string, { ifindex: number; value: AddressValue }> = new Map();
  readonly #neighbors: Map<string, { ifindex: number; value: NeighborValue }> = new Map();
  readonly #routes: Map<string, { route: SimulatedRoute; ifindexes: readonly number[] }> = new Map();
  readonly #histories: Set<SimulatedHistory> = new Set();
  #lastIndex = 0;

  // Platform

  create(name: string | undefined, options: DeviceOptions): Device {
    const device = new SimulatedDevice(this, name ?? `${options.type ?? 'tap'}${this.#lastIndex}`);
    device.ifindex = this.add(device.name, options, device);
    return device;
  }

  find(nameOrIndex: string | number): ProxyInfo | undefined {
    for (const link of this.#links.values()) {
      if (link.name === nameOrIndex || link.ifindex === nameOrIndex) return link;
    }
    return undefined;
  }

  open(picture: Picture): History {
    const history = new SimulatedHistory(picture, this, () => this.#histories.delete(history));
    this.#histories.add(history);
    return history;
  }

  feedback(picture: Picture, routeId: number, { offload, trap }: Feedback): boolean {
    const table = (routeId & 1) === 0 ? picture.routes4 : picture.routes6;
    const row = routeId >>> 1;
    if (row >= table.limit || table.prefix[row] === 0) throw new IfProxyError(`there is no route ${routeId}`);
    const key = keyOf({
      prefix: table.prefixes.format(table.prefix[row]! - 1),
      table: table.table[row]!,
      metric: table.metric[row]!,
    });
    const before = this.#routes.get(key);
    if (before === undefined) return false;
    const route = {
      ...before.route,
      offload: (offload === true ? RTM_F_OFFLOAD : 0) | (trap === true ? RTM_F_TRAP : 0),
    };
    this.#routes.set(key, { ...before, route });
    this.#tell(told => tellRoute(told, route, before.ifindexes, true));
    return true;
  }

  // What an administrator does

  /** A new interface; its number. `ifindex` gives it one that another one had. */
  add(name: string, options: DeviceOptions & { readonly ifindex?: number } = {}, device?: SimulatedDevice): number {
    if (this.find(name) !== undefined) throw new IfProxyError(`${name} is there already`);
    const ifindex = options.ifindex ?? ++this.#lastIndex;
    this.#lastIndex = Math.max(this.#lastIndex, ifindex);
    const { mtu = 1500, mac = Uint8Array.of(2, 0, 0, 0, 0, ifindex), up = false } = options;
    this.#put({ ifindex, name, mac, mtu, up, carrier: true, nature: options.type ?? 'tap', device });
    return ifindex;
  }

  set(name: string, change: Partial<Pick<LinkInput, 'name' | 'mac' | 'mtu' | 'up' | 'carrier'>>): void {
    this.#put({ ...this.#link(name), ...change });
  }

  remove(name: string): void {
    const { ifindex } = this.#link(name);
    const routes = [...this.#routes].filter(([, { ifindexes }]) => ifindexes.includes(ifindex));
    for (const [key] of routes) this.#routes.delete(key);
    for (const [key, state] of this.#addresses) if (state.ifindex === ifindex) this.#addresses.delete(key);
    for (const [key, state] of this.#neighbors) if (state.ifindex === ifindex) this.#neighbors.delete(key);
    this.#links.delete(ifindex);
    this.#tell(picture => {
      for (const [, { route }] of routes) removeRow(picture, route);
      picture.linkGone(ifindex, 0);
    });
  }

  address(name: string, text: string): void {
    const { ifindex } = this.#link(name);
    const value = addressOf(text);
    this.#addresses.set(`${ifindex} ${text}`, { ifindex, value });
    this.#tell(picture => picture.address(ifindex, value, false));
  }

  removeAddress(name: string, text: string): void {
    const { ifindex } = this.#link(name);
    if (!this.#addresses.delete(`${ifindex} ${text}`)) throw new IfProxyError(`${name} has no address ${text}`);
    this.#tell(picture => picture.addressGone(ifindex, addressOf(text), false));
  }

  neighbor(name: string, text: string, mac: Uint8Array, state = 2): void {
    const { ifindex } = this.#link(name);
    const { family, words } = prefixOf(text);
    const value = { family, words, mac, state, flags: 0 };
    this.#neighbors.set(`${ifindex} ${text}`, { ifindex, value });
    this.#tell(picture => picture.neighbor(ifindex, value, false));
  }

  removeNeighbor(name: string, text: string): void {
    const key = `${this.#link(name).ifindex} ${text}`;
    const state = this.#neighbors.get(key);
    if (state === undefined) throw new IfProxyError(`${name} has no neighbour ${text}`);
    this.#neighbors.delete(key);
    this.#tell(picture => picture.neighborGone(state.ifindex, state.value, false));
  }

  /** Adds the route, or puts it in the place of the one with this prefix, table and metric. */
  route(route: SimulatedRoute): void {
    const ifindexes = route.hops.map(({ dev }) => this.#link(dev).ifindex);
    this.#routes.set(keyOf(route), { route, ifindexes });
    this.#tell(picture => tellRoute(picture, route, ifindexes));
  }

  removeRoute(route: Omit<SimulatedRoute, 'hops'>): void {
    if (!this.#routes.delete(keyOf(route))) throw new IfProxyError(`there is no route ${route.prefix}`);
    this.#tell(picture => removeRow(picture, route));
  }

  /** What has not been heard yet is lost, and everybody has to look at the tables again. */
  overrun(): void {
    for (const history of this.#histories) history.overrun();
  }

  /** Tells all there is, as a dump does. */
  dump(picture: Picture): void {
    picture.begin(PICTURE_LINKS);
    for (const link of this.#links.values()) picture.link(link, false);
    picture.end(PICTURE_LINKS);
    picture.begin(PICTURE_ADDRESSES);
    for (const { ifindex, value } of this.#addresses.values()) picture.address(ifindex, value, false);
    picture.end(PICTURE_ADDRESSES);
    picture.begin(PICTURE_ROUTES);
    const there = new Set<string>();
    for (const { route, ifindexes } of this.#routes.values()) {
      const { table, input } = inputOf(picture, route, ifindexes);
      there.add(rowKey(table.family, input));
    }
    const input = new RouteInput();
    for (const table of [picture.routes4, picture.routes6]) {
      for (let row = 0; row < table.limit; row++) {
        if (table.prefix[row] === 0) continue;
        const { prefixes } = table;
        const id = table.prefix[row]! - 1;
        [input.w0, input.w1, input.w2, input.w3] = prefixes.words(id);
        input.length = prefixes.length[id]!;
        input.table = table.table[row]!;
        input.metric = table.metric[row]!;
        if (!there.has(rowKey(table.family, input))) picture.removeRoute(table, row, 0);
      }
    }
    for (const { route, ifindexes } of this.#routes.values()) tellRoute(picture, route, ifindexes);
    picture.end(PICTURE_ROUTES);
    picture.begin(PICTURE_NEIGHBORS);
    for (const { ifindex, value } of this.#neighbors.values()) picture.neighbor(ifindex, value, false);
    picture.end(PICTURE_NEIGHBORS);
  }

  #link(name: string): Link {
    for (const link of this.#links.values()) if (link.name === name) return link;
    throw new IfProxyError(`there is no interface ${name}`);
  }

  #put(link: Link): void {
    this.#links.set(link.ifindex, link);
    this.#tell(picture => picture.link(link, false));
  }

  #tell(change: (picture: Picture) => void): void {
    for (const history of this.#histories) history.tell(change);
  }
}

/** Frames that were transmitted, and those to be received, are arrays. */
export class SimulatedDevice implements Device {
  ifindex = 0;
  readonly name: string;
  readonly fd = -1;
  readonly transmitted: Uint8Array[] = [];
  readonly waiting: Uint8Array[] = [];
  readonly #platform: SimulatedPlatform;

  constructor(platform: SimulatedPlatform, name: string) {
    this.#platform = platform;
    this.name = name;
  }

  info(): Omit<ProxyInfo, 'ifindex'> {
    return this.#platform.find(this.ifindex)!;
  }

  currentName(): string | undefined {
    return this.#platform.find(this.ifindex)?.name;
  }

  receive(into: Uint8Array): number {
    const frame = this.waiting.shift();
    if (frame === undefined) return 0;
    into.set(frame);
    return frame.length;
  }

  transmit(frame: Uint8Array): boolean {
    this.transmitted.push(frame.slice());
    return true;
  }

  close(): void {
    const link = this.#platform.find(this.ifindex);
    if (link !== undefined) this.#platform.remove(link.name);
  }
}

class SimulatedHistory implements History {
  readonly fd = -1;
  readonly #picture: Picture;
  readonly #platform: SimulatedPlatform;
  readonly #closed: () => void;
  readonly #pending: ((picture: Picture) => void)[] = [];
  #dumpWanted = true;
  #ready: () => void = () => {};
  #overruns = 0;
  #dumps = 0;

  constructor(picture: Picture, platform: SimulatedPlatform, closed: () => void) {
    this.#picture = picture;
    this.#platform = platform;
    this.#closed = closed;
  }

  get stats(): HistoryStats {
    return { overruns: this.#overruns, dumps: this.#dumps, interruptions: 0 };
  }

  onReady(fn: () => void): void {
    this.#ready = fn;
  }

  tell(change: (picture: Picture) => void): void {
    this.#pending.push(change);
    this.#ready();
  }

  overrun(): void {
    this.#pending.length = 0;
    this.#overruns++;
    this.refresh();
  }

  refresh(): void {
    this.#dumpWanted = true;
    this.#ready();
  }

  step(): boolean {
    if (this.#dumpWanted) {
      // What waits is in the tables already; told again, it changes nothing, in the end.
      this.#dumpWanted = false;
      this.#pending.length = 0;
      this.#dumps++;
      this.#platform.dump(this.#picture);
      return true;
    }
    const change = this.#pending.shift();
    change?.(this.#picture);
    return change !== undefined;
  }

  wakeInMs(): number {
    return -1;
  }

  close(): void {
    this.#closed();
  }
}

function prefixOf(text: string): Prefix {
  const prefix = parsePrefix(text);
  if (prefix === undefined) throw new IfProxyError(`${text} is no prefix`);
  return prefix;
}

function addressOf(text: string): AddressValue {
  const address = parseInterfaceAddress(text);
  if (address === undefined) throw new IfProxyError(`${text} is no address`);
  return { ...address, peer: undefined, scope: 0, flags: 0 };
}

function keyOf({ prefix, table, metric }: Omit<SimulatedRoute, 'hops'>): string {
  return `${prefix} ${table ?? MAIN} ${metric ?? 0}`;
}

function rowKey(family: Family, { w0, w1, w2, w3, length, table, metric }: RouteInput): string {
  return `${family} ${w0} ${w1} ${w2} ${w3} ${length} ${table} ${metric}`;
}

function rowOf(table: RouteTable, input: RouteInput): number {
  let row = table.first(input);
  while (row >= 0 && (table.table[row] !== input.table || table.metric[row] !== input.metric)) row = table.after(row);
  return row;
}

function removeRow(picture: Picture, route: Omit<SimulatedRoute, 'hops'>): void {
  const { table, input } = inputOf(picture, { ...route, hops: [] }, []);
  const row = rowOf(table, input);
  if (row >= 0) picture.removeRoute(table, row, 0);
}

function tellRoute(picture: Picture, route: SimulatedRoute, ifindexes: readonly number[], own = false): void {
  const { table, input } = inputOf(picture, route, ifindexes);
  input.own = own;
  const row = rowOf(table, input);
  const concerned = route.hops.length === 0 || picture.concernsPaths(input.paths, input.pathWords);
  if (row < 0) {
    if (concerned) picture.addRoute(table, input, table.locate(input), -1, 0);
  } else if (concerned) picture.replaceRoute(table, row, input, 0);
  else picture.removeRoute(table, row, 0);
}

function inputOf(
  picture: Picture,
  route: SimulatedRoute,
  ifindexes: readonly number[],
): { table: RouteTable; input: RouteInput } {
  const { family, words, length } = prefixOf(route.prefix);
  const input = new RouteInput();
  [input.w0, input.w1, input.w2, input.w3] = words;
  input.length = length;
  input.table = route.table ?? MAIN;
  input.metric = route.metric ?? 0;
  input.protocol = route.protocol ?? BOOT;
  input.offload = route.offload ?? 0;
  input.type = route.hops.length === 0 ? BLACKHOLE : UNICAST;
  input.pathWords = SOURCE_WORDS + HOP_WORDS * route.hops.length;
  input.paths = new Int32Array(input.pathWords);
  for (const [i, { via }] of route.hops.entries()) {
    const at = SOURCE_WORDS + HOP_WORDS * i;
    input.paths[at] = ifindexes[i]!;
    if (via === undefined) continue;
    const gateway = prefixOf(via);
    input.paths[at + HOP_WORD] = gateway.family;
    for (let word = 0; word < 4; word++) input.paths[at + HOP_GATEWAY + word] = gateway.words[word]!;
  }
  return { table: picture.routes(family), input };
}
