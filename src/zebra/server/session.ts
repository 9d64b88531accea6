// One client's connection: what it asked for, what it was told, and the bytes in between.
//
// Input is taken in slices that the server's task gives, frame by frame straight out of the socket's chunks. It stops, and
// the socket with it, while zebra is congested (when the client announces routes) or while the client does not read what
// it is sent. Output that describes state is level-triggered: an event leaves a mark here, and `pump` turns marks into
// messages as far as there is room.
import type { Socket } from 'node:net';
import { AF_INET, AF_INET6, type AddressWords, type Family, formatPrefix, makePrefix } from '../../net/index.ts';
import {
  AFI_IP,
  AFI_IP6,
  BodyReader,
  CAPABILITY_GRACEFUL_RESTART,
  CAPABILITY_GRACEFUL_RESTART_DISABLE,
  CAPABILITY_RIB_STALE_TIME,
  CAPABILITY_ROUTE_UPDATE_COMPLETE,
  CAPABILITY_ROUTE_UPDATE_PENDING,
  type ClientMessages,
  commandName,
  type Dialect,
  Framer,
  type ManagerConnect,
  MESSAGE_DISTANCE,
  MESSAGE_METRIC,
  MESSAGE_MTU,
  MESSAGE_NEXTHOP,
  MESSAGE_NHG,
  MESSAGE_SRCPFX,
  MESSAGE_TABLEID,
  MESSAGE_TAG,
  type NexthopRegistration,
  NOTE_FAIL_INSTALL,
  ROUTE_FLAG_ALLOW_RECURSION,
  ROUTE_FLAG_IBGP,
  ROUTE_FLAG_RR_USE_DISTANCE,
  ROUTE_FLAG_SELECTED,
  ROUTE_OK,
  RouteMessage,
  type RouteNote,
  routeFaultText,
  SAFI_UNICAST,
  ZapiError,
} from '../../zapi/index.ts';
import type { NhtRegistration, Owner, RedistributionFeed } from '../face.ts';
import type { Interface } from '../interface/interfaces.ts';
import type { RibTable } from '../rib/table.ts';
import { defaultDistance, routeTypeName } from '../route-type.ts';
import { BlockCache } from './block-cache.ts';
import { Out } from './out.ts';
import type { ZapiServer } from './server.ts';
import { ToldInterfaces } from './told.ts';
import { membersOf, nexthopUpdate, pathsToColumns, redistributedPaths } from './translate.ts';

/** Chunks of input that are kept while nobody looks at them; more, and the socket is not read. */
const MAX_CHUNKS = 4;
/** Frames between two looks at the clock. */
const FRAMES_A_LOOK = 64;
/** The route type that means every one of them. */
const ROUTE_ALL = 30;
const MAIN_TABLE = 254;
/** `show zebra client` and the log name what a client keeps asking in vain; once is enough. */
const COMPLAINTS = 20;

type Handler = (body: number, end: number) => void;

interface Counters {
  add: number;
  update: number;
  delete: number;
}

interface TrackedNexthop {
  readonly vrf: number;
  registration: NhtRegistration | undefined;
}

export interface SessionStats {
  readonly ip4: Counters;
  readonly ip6: Counters;
  readonly redistribute4: Counters;
  readonly redistribute6: Counters;
  readonly interfaces: Counters;
  /** INTERFACE_UP and INTERFACE_DOWN. */
  readonly states: Counters;
  readonly addresses: Counters;
  readonly vrfs: Counters;
  readonly nexthops4: Counters;
  readonly nexthops6: Counters;
  framesIn: number;
  bytesIn: number;
  unknown: number;
  faults: number;
  refused: number;
  /** Times that its socket was not read because zebra, or it, could not keep up. */
  pauses: number;
}

const counters = (): Counters => ({ add: 0, update: 0, delete: 0 });

export class Session {
  readonly id: number;
  readonly connectedMs: number;
  lastReadMs = 0;
  lastCommand = '';
  nexthopRegistryMs = 0;
  nexthopUpdateMs = 0;
  routeType = 0;
  instance = 0;
  sessionId = 0;
  synchronous = false;
  notify = false;
  /** HELLO came. */
  greeted = false;
  owner: Owner = 0;
  /** Routes are kept this long when it goes without goodbye: it announced graceful restart. */
  retainMs = 0;
  readonly out: Out;
  readonly stats: SessionStats = {
    ip4: counters(),
    ip6: counters(),
    redistribute4: counters(),
    redistribute6: counters(),
    interfaces: counters(),
    states: counters(),
    addresses: counters(),
    vrfs: counters(),
    nexthops4: counters(),
    nexthops6: counters(),
    framesIn: 0,
    bytesIn: 0,
    unknown: 0,
    faults: 0,
    refused: 0,
    pauses: 0,
  };

  readonly #server: ZapiServer;
  readonly #dialect: Dialect;
  readonly #socket: Socket;
  readonly #framer: Framer;
  readonly #chunks: Uint8Array[] = [];
  #reading = true;
  #closed = false;
  /** The client has gone; its last words are still to be read. */
  #finishing = false;
  #announces = false;
  readonly #route: RouteMessage = new RouteMessage();
  readonly #reader: BodyReader = new BodyReader(new Uint8Array(0));
  readonly #handlers: (Handler | undefined)[] = [];
  readonly #blocks: BlockCache;

  // Subscriptions and what is still to be told about them.
  #wantsInterfaces = false;
  readonly #told: ToldInterfaces;
  readonly #routerIds: Map<number, boolean> = new Map();
  readonly #nexthops: Map<string, TrackedNexthop> = new Map();
  readonly #changedNexthops: Set<TrackedNexthop> = new Set();
  #feed: RedistributionFeed | undefined;
  #feedReady = false;
  /** vrf << 1 | (1 for IPv6) → types asked for; type -1 is the default route. */
  readonly #redistributed: Map<number, Set<number>> = new Map();
  readonly #pendingFamilies: Set<string> = new Set();
  readonly #complaints: Set<string> = new Set();

  constructor(server: ZapiServer, socket: Socket, id: number) {
    this.#server = server;
    this.#dialect = server.dialect;
    this.#socket = socket;
    this.id = id;
    this.connectedMs = server.now();
    this.#framer = new Framer(server.dialect.maxFrameBytes);
    this.out = new Out(socket, server.dialect, waiting => {
      this.end(`does not read: ${waiting} bytes wait for it`);
    });
    this.#told = new ToldInterfaces(
      ifindex => server.zebra.interfaces.byIndex(ifindex),
      (name, message, vrf) => {
        const { addresses, interfaces, states } = this.stats;
        if (name.startsWith('INTERFACE_ADDRESS')) addresses[name.endsWith('ADD') ? 'add' : 'delete']++;
        else if (name === 'INTERFACE_ADD') interfaces.add++;
        else if (name === 'INTERFACE_DELETE') interfaces.delete++;
        else states[name === 'INTERFACE_UP' ? 'add' : 'delete']++;
        this.out.put(name, message, vrf);
      },
    );
    this.#blocks = new BlockCache({
      intern: (vrf, family, recursive) => this.#intern(vrf, family, recursive),
      hold: set => server.zebra.nexthops.hold(set),
      drop: set => server.zebra.nexthops.drop(set),
    });
    this.#fillHandlers();
    socket.on('data', (chunk: Buffer) => this.#data(chunk));
    socket.on('drain', () => this.#drained());
    socket.on('error', () => {
      // `close` follows, and says all that is known: the client is gone.
    });
    socket.on('close', () => {
      // What it said before it went counts; with graceful restart the difference lasts.
      this.#finishing = true;
      if (this.#chunks.length + this.#framer.pending === 0) this.end(undefined);
      else server.wake();
    });
  }

  /** `bgp`, `static`, or `unknown` before it said. */
  get name(): string {
    return this.greeted ? routeTypeName(this.routeType) : 'unknown';
  }

  /** As in logs: `bgp[1]`. */
  get label(): string {
    return this.sessionId === 0 ? `${this.name}#${this.id}` : `${this.name}[${this.sessionId}]#${this.id}`;
  }

  get closed(): boolean {
    return this.#closed;
  }

  get paused(): boolean {
    return !this.#reading;
  }

  get trackedNexthops(): number {
    return this.#nexthops.size;
  }

  get redistributed(): { vrf: number; family: Family; type: number }[] {
    const all: { vrf: number; family: Family; type: number }[] = [];
    for (const [key, types] of this.#redistributed) {
      for (const type of types) all.push({ vrf: key >>> 1, family: (key & 1) === 1 ? AF_INET6 : AF_INET, type });
    }
    return all;
  }

  // ---- input ----------------------------------------------------------------------------------------------------------

  #data(chunk: Buffer): void {
    if (this.#closed) return;
    // A plain array and not a Buffer: the decoders then see one kind of object only.
    this.#chunks.push(new Uint8Array(chunk.buffer, chunk.byteOffset, chunk.length));
    this.stats.bytesIn += chunk.length;
    this.lastReadMs = this.#server.now();
    if (this.#chunks.length >= MAX_CHUNKS) this.#read(false);
    this.#server.wake();
  }

  #read(on: boolean): void {
    if (on === this.#reading || this.#closed) return;
    this.#reading = on;
    if (on) this.#socket.resume();
    else {
      this.stats.pauses++;
      this.#socket.pause();
    }
  }

  /** Whether there is input that may be looked at now. */
  get workable(): boolean {
    return !this.#closed && this.#chunks.length + this.#framer.pending > 0 && this.#mayWork();
  }

  #mayWork(): boolean {
    return (this.out.room || this.#finishing) && !(this.#announces && this.#server.zebra.congested);
  }

  /** Takes frames until the slice is over, the input used up, or the client to be paused. True = there is more. */
  work(shouldYield: () => boolean): boolean {
    const framer = this.#framer;
    let frames = 0;
    try {
      while (this.#mayWork()) {
        if (!framer.next()) {
          const chunk = this.#chunks.shift();
          if (chunk === undefined) break;
          framer.push(chunk);
          if (this.#chunks.length < MAX_CHUNKS / 2) this.#read(true);
          continue;
        }
        this.stats.framesIn++;
        this.#frame();
        if (this.#closed) return false;
        if (++frames % FRAMES_A_LOOK === 0 && shouldYield()) return true;
      }
    } catch (error) {
      if (!(error instanceof ZapiError)) throw error;
      this.end(error.message);
      return false;
    }
    // What it may not do now it will do when zebra is relieved, or when it has read.
    const done = this.#chunks.length + framer.pending === 0;
    if (done && this.#finishing) this.end(undefined);
    else this.#read(done);
    return false;
  }

  #frame(): void {
    const framer = this.#framer;
    const handler = this.#handlers[framer.command];
    if (handler === undefined) {
      // Skipped by its length: there are 137 commands, and most are of no concern to a router without them.
      this.stats.unknown++;
      this.lastCommand = commandName(this.#dialect, framer.command);
      return;
    }
    try {
      handler(framer.body, framer.end);
    } catch (error) {
      if (!(error instanceof ZapiError) || error.fault !== 'body') throw error;
      this.stats.faults++;
      this.#complain(`${commandName(this.#dialect, framer.command)}: ${error.message}`);
    }
  }

  /** Says once what a client does wrong. */
  #complain(text: string): void {
    if (this.#complaints.size >= COMPLAINTS || this.#complaints.has(text)) return;
    this.#complaints.add(text);
    this.#server.log(`client ${this.label}: ${text}`);
  }

  #fillHandlers(): void {
    const { command } = this.#dialect;
    this.#handlers[command.ROUTE_ADD] = (body, end) => this.#routeAdd(body, end);
    this.#handlers[command.ROUTE_DELETE] = (body, end) => this.#routeDelete(body, end);
    this.#on('HELLO', message => this.#hello(message));
    this.#on('INTERFACE_ADD', () => this.#interfaceAdd());
    this.#on('INTERFACE_DELETE', () => {
      this.#wantsInterfaces = false;
      this.#told.clear();
    });
    this.#on('ROUTER_ID_ADD', (message, vrf) => {
      this.#routerIds.set((vrf << 1) | (message.afi === AFI_IP6 ? 1 : 0), true);
      this.pump();
    });
    this.#on('ROUTER_ID_DELETE', (message, vrf) => {
      this.#routerIds.delete((vrf << 1) | (message.afi === AFI_IP6 ? 1 : 0));
    });
    this.#on('REDISTRIBUTE_ADD', (message, vrf) => {
      this.#redistribute(vrf, message.afi, message.routeType, message.instance, true);
    });
    this.#on('REDISTRIBUTE_DELETE', (message, vrf) => {
      this.#redistribute(vrf, message.afi, message.routeType, message.instance, false);
    });
    this.#on('REDISTRIBUTE_DEFAULT_ADD', (message, vrf) => this.#redistribute(vrf, message.afi, -1, 0, true));
    this.#on('REDISTRIBUTE_DEFAULT_DELETE', (message, vrf) => this.#redistribute(vrf, message.afi, -1, 0, false));
    this.#on('NEXTHOP_REGISTER', (message, vrf) => {
      for (const entry of message.entries) this.#track(entry, vrf);
    });
    this.#on('NEXTHOP_UNREGISTER', (message, vrf) => {
      for (const entry of message.entries) this.#untrack(entry, vrf);
    });
    this.#on('CLIENT_CAPABILITIES', message => this.#capabilities(message));
    this.#on('ROUTE_NOTIFY_REQUEST', message => {
      this.notify = message.notify;
      this.#server.zebra.setNotify(this.#owner(), message.notify);
    });
    this.#on('LABEL_MANAGER_CONNECT', (message, vrf) => this.#managerConnect('LABEL_MANAGER_CONNECT', message, vrf));
    this.#on('LABEL_MANAGER_CONNECT_ASYNC', (message, vrf) => {
      this.#managerConnect('LABEL_MANAGER_CONNECT_ASYNC', message, vrf);
    });
    this.#on('GET_LABEL_CHUNK', (message, vrf) => {
      const { routeType, instance, keep, size, base } = message;
      const range = this.#server.labels.take(this.#managerKey(message), size, base);
      this.out.put(
        'GET_LABEL_CHUNK',
        range === undefined ? { routeType, instance } : { routeType, instance, range: { keep, ...range } },
        vrf,
      );
      if (range === undefined) this.#complain(`no ${size} labels are free`);
    });
    this.#on('RELEASE_LABEL_CHUNK', message => {
      this.#server.labels.release(this.#managerKey(message), message.start, message.end);
    });
    this.#on('TABLE_MANAGER_CONNECT', (message, vrf) => {
      this.#server.tables.releaseAll(this.#managerKey(message));
      this.out.put('TABLE_MANAGER_CONNECT', { result: 0 }, vrf);
    });
    this.#on('GET_TABLE_CHUNK', (message, vrf) => {
      const range = this.#server.tables.take(this.#managerKey(this), message.size, 0);
      if (range !== undefined) this.out.put('GET_TABLE_CHUNK', range, vrf);
      else this.#complain(`no ${message.size} tables are free`);
    });
    this.#on('RELEASE_TABLE_CHUNK', message => {
      this.#server.tables.release(this.#managerKey(this), message.start, message.end);
    });
  }

  #on<Name extends keyof ClientMessages>(
    name: Name,
    handler: (message: ClientMessages[Name], vrf: number) => void,
  ): void {
    const codec = this.#dialect.toServer[name];
    const reader = this.#reader;
    this.#handlers[this.#dialect.command[name]] = (body, end) => {
      this.lastCommand = name;
      reader.bytes = this.#framer.bytes;
      reader.at = body;
      reader.end = end;
      handler(codec.decode(reader), this.#framer.vrf);
    };
  }

  // ---- who it is ------------------------------------------------------------------------------------------------------

  #hello(message: ClientMessages['HELLO']): void {
    if (this.greeted) {
      this.#complain('sent HELLO again; its first one counts');
      return;
    }
    this.routeType = message.routeType;
    this.instance = message.instance;
    this.sessionId = message.session;
    this.synchronous = message.synchronous;
    this.notify = message.receiveNotify;
    this.greeted = true;
    this.#owner();
    // A synchronous session asks and waits for the answer: anything else would be taken for it.
    if (this.synchronous) return;
    this.out.put('CAPABILITIES', { vrfBackend: 0, mpls: false, ecmp: this.#server.ecmp, mlagRole: 0 });
    this.stats.vrfs.add++;
    this.out.put('VRF_ADD', { table: MAIN_TABLE, netns: '', name: 'default' });
    this.#server.log(`client ${this.label} connected`);
  }

  #owner(): Owner {
    if (this.owner === 0) {
      this.owner = this.#server.zebra.addOwner({
        type: this.routeType,
        instance: this.instance,
        session: this.sessionId,
        name: this.name,
        notify: this.notify,
      });
      this.#server.owners.set(this.owner, this);
    }
    return this.owner;
  }

  #capabilities(message: ClientMessages['CLIENT_CAPABILITIES']): void {
    const family = `${message.vrf}/${message.afi}/${message.safi}`;
    switch (message.capability) {
      case CAPABILITY_GRACEFUL_RESTART:
      case CAPABILITY_RIB_STALE_TIME:
        this.retainMs = message.staleTimeS * 1000;
        break;
      case CAPABILITY_GRACEFUL_RESTART_DISABLE:
        this.retainMs = 0;
        break;
      case CAPABILITY_ROUTE_UPDATE_PENDING:
        this.#pendingFamilies.add(family);
        break;
      case CAPABILITY_ROUTE_UPDATE_COMPLETE:
        this.#pendingFamilies.delete(family);
        // The last family that it restores: what it did not announce again is not wanted any more.
        if (this.#pendingFamilies.size === 0) this.#server.zebra.routesComplete(this.#owner());
        break;
      default:
    }
  }

  #managerKey(message: ManagerConnect): string {
    return `${message.routeType}/${message.instance}/${this.sessionId}`;
  }

  #managerConnect(
    name: 'LABEL_MANAGER_CONNECT' | 'LABEL_MANAGER_CONNECT_ASYNC',
    message: ManagerConnect,
    vrf: number,
  ): void {
    // It starts over: what it held before a crash is free again.
    this.#server.labels.releaseAll(this.#managerKey(message));
    this.out.put(name, { routeType: message.routeType, instance: message.instance, result: 0 }, vrf);
  }

  // ---- routes ---------------------------------------------------------------------------------------------------------

  #routeAdd(body: number, end: number): void {
    const route = this.#route;
    const framer = this.#framer;
    const fault = this.#dialect.route.decode(route, framer.bytes, body, end);
    if (fault !== ROUTE_OK) throw new ZapiError('body', routeFaultText(fault, route, body), route.faultValue);
    this.lastCommand = 'ROUTE_ADD';
    this.#announces = true;
    const vrf = framer.vrf;
    const family = route.family as Family;
    const unsupported = this.#unsupported(route, vrf);
    if (unsupported !== '') {
      this.#refuse(route, vrf, unsupported);
      return;
    }
    const set = this.#blocks.find(
      route.bytes,
      route.nexthopStart,
      route.nexthopEnd,
      vrf,
      family,
      (route.flags & ROUTE_FLAG_ALLOW_RECURSION) !== 0,
    );
    if (set < 0) {
      this.#refuse(route, vrf, this.#internProblem);
      return;
    }
    const distance =
      (route.message & MESSAGE_DISTANCE) !== 0 && route.distance !== 0
        ? route.distance
        : defaultDistance(route.type, (route.flags & ROUTE_FLAG_IBGP) !== 0);
    if (family === AF_INET) this.stats.ip4.add++;
    else this.stats.ip6.add++;
    this.#server.zebra.rib.add(
      vrf,
      family,
      route.w0,
      route.w1,
      route.w2,
      route.w3,
      route.prefixLength,
      route.type,
      route.instance,
      route.flags,
      distance,
      route.metric,
      route.tag,
      set,
      this.#owner(),
    );
  }

  /** What of a route zebra cannot do, or nothing. */
  #unsupported(route: RouteMessage, vrf: number): string {
    if (route.safi !== SAFI_UNICAST) return `SAFI ${route.safi}`;
    if (vrf !== 0) return `VRF ${vrf}`;
    if ((route.message & MESSAGE_SRCPFX) !== 0) return 'source-specific routes';
    if ((route.message & MESSAGE_NHG) !== 0) return 'next-hop groups of a client';
    if ((route.message & MESSAGE_TABLEID) !== 0 && route.tableId !== 0 && route.tableId !== MAIN_TABLE) {
      return `routing table ${route.tableId}`;
    }
    return route.nexthopCount === 0 ? 'a route without next hops' : '';
  }

  #internProblem = '';

  #intern(vrf: number, family: Family, recursive: boolean): number {
    const route = this.#route;
    const columns = this.#server.columns;
    const { nexthopStart, nexthopEnd, nexthopCount, message } = route;
    // Well-formed: the decoder walked it.
    this.#dialect.route.decodeNexthops(columns, route.bytes, nexthopStart, nexthopEnd, nexthopCount, message);
    const members = membersOf(columns, vrf);
    if (typeof members === 'string') {
      this.#internProblem = members;
      return -1;
    }
    return this.#server.zebra.nexthops.intern(vrf, family, members, recursive);
  }

  /** The route is not taken. The client hears that it failed, where it listens; the log says once why. */
  #refuse(route: RouteMessage, vrf: number, why: string): void {
    this.stats.refused++;
    this.#complain(`asks for what is not supported: ${why}`);
    if (!this.notify) return;
    const family = route.family as Family;
    this.out.put(
      'ROUTE_NOTIFY_OWNER',
      {
        note: NOTE_FAIL_INSTALL,
        family,
        length: route.prefixLength,
        w0: route.w0,
        w1: route.w1,
        w2: route.w2,
        w3: route.w3,
        table: MAIN_TABLE,
        afi: family === AF_INET ? AFI_IP : AFI_IP6,
        safi: route.safi,
      },
      vrf,
    );
  }

  #routeDelete(body: number, end: number): void {
    const route = this.#route;
    const framer = this.#framer;
    const fault = this.#dialect.route.decode(route, framer.bytes, body, end);
    if (fault !== ROUTE_OK) throw new ZapiError('body', routeFaultText(fault, route, body), route.faultValue);
    this.lastCommand = 'ROUTE_DELETE';
    if (route.safi !== SAFI_UNICAST || framer.vrf !== 0) return;
    const family = route.family as Family;
    const byDistance = (route.flags & ROUTE_FLAG_RR_USE_DISTANCE) !== 0 && (route.message & MESSAGE_DISTANCE) !== 0;
    if (family === AF_INET) this.stats.ip4.delete++;
    else this.stats.ip6.delete++;
    // A route that was never there is not an error: staticd takes back what it did not announce.
    this.#server.zebra.rib.remove(
      framer.vrf,
      family,
      route.w0,
      route.w1,
      route.w2,
      route.w3,
      route.prefixLength,
      route.type,
      route.instance,
      byDistance ? route.distance : -1,
      this.#owner(),
    );
  }

  /** ROUTE_NOTIFY_OWNER for one of its routes. */
  note(note: RouteNote, vrf: number): void {
    this.out.put('ROUTE_NOTIFY_OWNER', note, vrf);
  }

  // ---- what it wants to hear of ---------------------------------------------------------------------------------------

  #interfaceAdd(): void {
    this.#wantsInterfaces = true;
    // Asked twice, told twice: FRR's daemons ask on connecting and again for the VRF, and count on nothing.
    this.#told.again(this.#server.zebra.interfaces.list(0));
    this.pump();
  }

  /** An interface, or one of its addresses, changed. */
  interfaceChanged(one: Interface, address?: string): void {
    if (!this.#wantsInterfaces) return;
    this.#told.mark(one.ifindex, address);
    this.pump();
  }

  routerIdChanged(vrf: number): void {
    for (const key of this.#routerIds.keys()) if (key >>> 1 === vrf) this.#routerIds.set(key, true);
    this.pump();
  }

  #track(entry: NexthopRegistration, vrf: number): void {
    const { family, length, words } = entry.prefix;
    const prefix = makePrefix(family, words, length);
    const key = `${vrf}/${entry.safi}/${formatPrefix(prefix)}`;
    let tracked = this.#nexthops.get(key);
    if (tracked === undefined) {
      tracked = { vrf, registration: undefined };
      this.#nexthops.set(key, tracked);
      this.#nexthopCounters(family).add++;
    }
    const mine = tracked;
    this.nexthopRegistryMs = this.#server.now();
    mine.registration = this.#server.zebra.nht.register(
      this.#owner(),
      vrf,
      family,
      prefix.words,
      length,
      entry.safi,
      { connected: entry.connected, resolveViaDefault: entry.resolveViaDefault },
      registration => {
        mine.registration = registration;
        if (this.#nexthops.get(key) !== mine) return;
        this.#changedNexthops.add(mine);
        this.pump();
      },
    );
  }

  #nexthopCounters(family: Family): Counters {
    return family === AF_INET ? this.stats.nexthops4 : this.stats.nexthops6;
  }

  #untrack(entry: NexthopRegistration, vrf: number): void {
    const { family, length, words } = entry.prefix;
    const prefix = makePrefix(family, words, length);
    const key = `${vrf}/${entry.safi}/${formatPrefix(prefix)}`;
    const tracked = this.#nexthops.get(key);
    if (tracked === undefined) return;
    this.#nexthops.delete(key);
    this.#changedNexthops.delete(tracked);
    this.#nexthopCounters(family).delete++;
    this.#server.zebra.nht.unregister(this.#owner(), vrf, family, prefix.words, length, entry.safi);
  }

  #redistribute(vrf: number, afi: number, routeType: number, instance: number, on: boolean): void {
    if (afi !== AFI_IP && afi !== AFI_IP6) return;
    const family = afi === AFI_IP ? AF_INET : AF_INET6;
    const type = routeType === ROUTE_ALL ? 0 : routeType;
    const key = (vrf << 1) | (afi === AFI_IP6 ? 1 : 0);
    let types = this.#redistributed.get(key);
    if (types === undefined) {
      types = new Set();
      this.#redistributed.set(key, types);
    }
    this.#feed ??= this.#server.zebra.redistribution(this.#owner(), () => {
      this.#feedReady = true;
      this.pump();
    });
    // The default route is asked for of every type; `#redistributeOne` leaves out what was not meant. Every type at once
    // is asked of zebra while either of the two is wanted.
    const everything = types.has(0) || types.has(-1);
    if (on) types.add(type);
    else types.delete(type);
    const still = types.has(0) || types.has(-1);
    if (type > 0) {
      if (on) this.#feed.subscribe(vrf, family, type, instance);
      else this.#feed.unsubscribe(vrf, family, type, instance);
    } else if (still && (on || !everything)) this.#feed.subscribe(vrf, family, 0, 0);
    else if (!still && everything) this.#feed.unsubscribe(vrf, family, 0, 0);
    this.#feedReady = true;
    this.pump();
  }

  readonly #redistributeOne = (
    add: boolean,
    table: RibTable,
    prefixId: number,
    entry: number,
    type: number,
    instance: number,
  ): void => {
    const { prefixes, vrf, family } = table;
    const types = this.#redistributed.get((vrf << 1) | (family === AF_INET6 ? 1 : 0));
    const length = prefixes.length[prefixId]!;
    // Never its own routes back.
    if (types === undefined || (type === this.routeType && instance === this.instance)) return;
    if (!types.has(type) && !types.has(0) && !(types.has(-1) && length === 0)) return;
    const route = this.#server.outRoute;
    const words = prefixes.words(prefixId);
    route.type = type;
    route.instance = instance;
    route.safi = SAFI_UNICAST;
    route.family = family;
    route.prefixLength = length;
    route.w0 = words[0];
    route.w1 = words[1];
    route.w2 = words[2];
    route.w3 = words[3];
    const { command } = this.#dialect;
    const counter = family === AF_INET ? this.stats.redistribute4 : this.stats.redistribute6;
    if (add) {
      counter.add++;
      route.flags = (table.flags[entry]! & 0x3ff) | ROUTE_FLAG_SELECTED;
      const tag = table.tag[entry]!;
      route.message = MESSAGE_NEXTHOP | MESSAGE_DISTANCE | MESSAGE_METRIC | MESSAGE_MTU | (tag === 0 ? 0 : MESSAGE_TAG);
      route.distance = table.distance[entry]!;
      route.metric = table.metric[entry]!;
      route.tag = tag;
      const columns = this.#server.columns;
      pathsToColumns(redistributedPaths(this.#server.zebra.nexthops.get(table.set[entry]!)), vrf, columns);
      route.bytes = this.#server.outBlock;
      route.nexthopCount = columns.count;
      route.nexthopStart = 0;
      route.nexthopEnd = this.#dialect.route.encodeNexthops(columns, route.message, route.bytes, 0);
    } else {
      counter.delete++;
      route.flags = 0;
      route.message = 0;
      route.nexthopCount = 0;
      route.nexthopStart = 0;
      route.nexthopEnd = 0;
    }
    route.backupStart = route.nexthopEnd;
    route.backupEnd = route.nexthopEnd;
    route.opaqueStart = route.nexthopEnd;
    route.opaqueEnd = route.nexthopEnd;
    const number = add ? command.REDISTRIBUTE_ROUTE_ADD : command.REDISTRIBUTE_ROUTE_DEL;
    const { out } = this;
    let end = this.#dialect.route.encode(route, vrf, number, out.buffer, out.end);
    if (end < 0) {
      out.flush();
      end = this.#dialect.route.encode(route, vrf, number, out.buffer, out.end);
    }
    out.lastCommand = add ? 'REDISTRIBUTE_ROUTE_ADD' : 'REDISTRIBUTE_ROUTE_DEL';
    out.added(end);
  };

  // ---- output ---------------------------------------------------------------------------------------------------------

  readonly #room = (): boolean => this.out.room;

  /** Turns marks into messages as far as there is room. True = there is more, and room for it. */
  pump(): boolean {
    if (this.#closed) return false;
    if (this.#told.pending) this.#told.pump(this.#room);
    for (const [key, changed] of this.#routerIds) {
      if (!changed || !this.out.room) continue;
      this.#routerIds.set(key, false);
      const family = (key & 1) === 1 ? AF_INET6 : AF_INET;
      const words: AddressWords = this.#server.zebra.routerId.get(key >>> 1, family);
      this.out.put('ROUTER_ID_UPDATE', { prefix: { family, words, length: family === AF_INET ? 32 : 128 } }, key >>> 1);
    }
    for (const tracked of this.#changedNexthops) {
      if (!this.out.room) break;
      this.#changedNexthops.delete(tracked);
      this.nexthopUpdateMs = this.#server.now();
      if (tracked.registration !== undefined) {
        this.#nexthopCounters(tracked.registration.family).update++;
        this.out.put('NEXTHOP_UPDATE', nexthopUpdate(tracked.registration), tracked.vrf);
      }
    }
    if (this.#feedReady && this.#feed !== undefined && this.out.room) this.#server.wakeFeeds(this);
    return false;
  }

  /** A slice of redistribution. True = there is more, and room for it. */
  feed(shouldYield: () => boolean): boolean {
    const feed = this.#feed;
    if (feed === undefined || this.#closed) return false;
    while (this.out.room) {
      if (feed.take(FRAMES_A_LOOK, this.#redistributeOne) === 0) {
        this.#feedReady = feed.pending > 0;
        return this.#feedReady;
      }
      if (shouldYield()) return true;
    }
    return false;
  }

  #drained(): void {
    if (this.#closed) return;
    this.pump();
    this.#server.wake();
  }

  /** Zebra has room again, or is ready. */
  relieved(): void {
    if (this.#chunks.length < MAX_CHUNKS / 2 && this.#framer.pending === 0) this.#read(true);
  }

  // ---- the end --------------------------------------------------------------------------------------------------------

  /** The connection is over: by the client (undefined), or by us for a reason that goes to the log. */
  end(reason: string | undefined): void {
    if (this.#closed) return;
    this.#closed = true;
    if (reason !== undefined) this.#server.log(`client ${this.label} is cut off: ${reason}`);
    else if (this.greeted && !this.synchronous) this.#server.log(`client ${this.label} disconnected`);
    this.out.close();
    this.#chunks.length = 0;
    this.#blocks.clear();
    this.#feed?.close();
    this.#socket.destroy();
    this.#server.ended(this);
  }

  /** Sends what is buffered and hangs up: zebra stops. */
  hangUp(): void {
    if (this.#closed) return;
    this.out.flush();
    this.#closed = true;
    this.#blocks.clear();
    this.#feed?.close();
    this.#socket.destroySoon();
  }
}
