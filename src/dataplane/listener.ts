// The kernel's own history, as notification contexts to zebra: of each network namespace one socket, one order
// (netlink/stream.ts), in the thread that also programs the kernel. What is no business of a routing stack's is left out here: the local table, cached routes, bridge
// ports, and what devices' own filters hold.
//
// Some changes the kernel makes without a word, and tells only what they follow from: then the kind is dumped again.
//
// Back-pressure: a step is taken only when the pool surely holds what one datagram can bring. When zebra is slow the kernel
// keeps the rest in the socket's buffer, and when that overruns, everything is dumped again; so memory is bounded and
// the picture right in the end.
import { closeAtEnd, HandleConsumer, HandleProducer } from '../concurrency/index.ts';
import {
  HEADER_BYTES,
  NexthopView,
  NotificationStream,
  readAddressMessage,
  readFdb,
  readLink,
  readNeighbor,
  readNetconf,
  readRule,
  RouteView,
  rtnetlink as c,
  type StreamSink,
  type StreamStats,
} from '../netlink/index.ts';
import type { DataplaneChannel } from './channel.ts';
import {
  FLAG_DUMP,
  FLAG_REPLACE,
  FLAG_TUNNEL_ENDS,
  KIND_ADDRESS,
  KIND_ALL,
  KIND_FDB,
  KIND_LINK,
  KIND_MPLS,
  KIND_NEIGHBOR,
  KIND_NETCONF,
  KIND_NEXTHOP,
  KIND_ROUTE,
  KIND_RULE,
  PATH_BLACKHOLE,
} from './constants.ts';
import { contextPool } from './checked-pool.ts';
import type { ContextPool } from './context.ts';
import {
  OP_ADDRESS,
  OP_ADDRESS_GONE,
  OP_DUMP_BEGIN,
  OP_DUMP_END,
  OP_FDB,
  OP_FDB_GONE,
  OP_LABEL,
  OP_LABEL_GONE,
  OP_LINK,
  OP_LINK_GONE,
  OP_NEIGHBOR,
  OP_NEIGHBOR_GONE,
  OP_NETCONF,
  OP_NETCONF_GONE,
  OP_NEXTHOP,
  OP_NEXTHOP_GONE,
  OP_PROVIDER,
  OP_ROUTE,
  OP_ROUTE_GONE,
  OP_RULE,
  OP_RULE_GONE,
} from './operation.ts';
import { pathFlagsTold } from './provider/encoding/path.ts';
import { offloadOutcome } from './provider/encoding/route.ts';
import type { OrderStamp } from './pipeline.ts';

/** Contexts that one datagram may need: a dump's holds up to 32 KiB of messages of 44 bytes and more. */
const STEP_ROOM = 1024;

const NONE: readonly [number, number, number, number] = [0, 0, 0, 0];
const NO_MAC: Uint8Array = new Uint8Array(0);
/** A rule that suppresses nothing says so. */
const UNLIMITED = 0xffffffff;

export interface ListenerOptions {
  /** KIND_* bits to follow; all unless told. */
  readonly kinds?: number;
  readonly receiveBuffer?: number;
  /** What an operator should read. */
  readonly log?: (text: string) => void;
}

export interface ListenerStats extends StreamStats {
  /** Contexts sent up. */
  readonly notifications: number;
  /** Times a step had to wait until zebra took some. */
  readonly waits: number;
  /** Messages that found no context after all; their kind was dumped again. */
  readonly dropped: number;
  /** Whether the kernel has MPLS; undefined where nobody asked yet. */
  readonly mpls: boolean | undefined;
}

/** Sees each notification on its way to zebra. */
export type Observer = (pool: ContextPool, handle: number) => void;

/** The history of one network namespace. */
class Source {
  readonly namespace: number;
  readonly stream: NotificationStream;
  /** By ifindex, the bridge, bond or VRF that a link is a port of. */
  readonly masters: Map<number, number> = new Map();

  constructor(namespace: number, stream: NotificationStream) {
    this.namespace = namespace;
    this.stream = stream;
  }
}

export class Listener implements StreamSink {
  readonly #sources: Source[];
  /** The one whose messages are read. */
  #source: Source;
  /** Who is read first in the next run. */
  #first = 0;
  #closed = false;
  readonly #pool: ContextPool;
  readonly #up: HandleProducer;
  readonly #back: HandleConsumer;
  readonly #stamp: OrderStamp;
  readonly #stepRoom: number;
  readonly #route: RouteView = new RouteView();
  readonly #nexthop: NexthopView = new NexthopView();
  readonly #observe: Observer;
  readonly #kinds: number;
  readonly #receiveBuffer: number | undefined;
  readonly #log: (text: string) => void;
  /** Events of providers that found no context yet: pairs of provider and event. */
  readonly #events: [number, number][] = [];
  #notifications = 0;
  #waits = 0;
  #dropped = 0;
  #waiting = false;
  #missed = false; // it was said that there is no MPLS

  constructor(channel: DataplaneChannel, stamp: OrderStamp, observe: Observer, options: ListenerOptions = {}) {
    this.#observe = observe;
    this.#pool = contextPool(channel.notifications);
    this.#stepRoom = Math.min(STEP_ROOM, this.#pool.limit);
    this.#up = new HandleProducer(channel.up);
    this.#back = new HandleConsumer(channel.back);
    this.#stamp = stamp;
    this.#kinds = options.kinds ?? KIND_ALL;
    this.#receiveBuffer = options.receiveBuffer;
    this.#log = options.log ?? (() => {});
    this.#source = new Source(0, this.#open());
    this.#sources = [this.#source];
    // The others are the loop's.
    closeAtEnd(() => (this.#closed ? [] : this.#sources.map(({ stream }) => stream.dumpFd)));
  }

  #open(): NotificationStream {
    const receiveBuffer = this.#receiveBuffer;
    return new NotificationStream({ kinds: this.#kinds, ...(receiveBuffer === undefined ? {} : { receiveBuffer }) });
  }

  /**
   * Follows one more namespace, the one that the thread is in, but for the echoes of what this port asks for. Returns the
   * descriptor to be watched.
   */
  follow(namespace: number, portId: number): number {
    const source = new Source(namespace, this.#open());
    source.stream.ignore([portId]);
    this.#sources.push(source);
    return source.stream.socket.fd;
  }

  leave(namespace: number): void {
    const at = this.#sources.findIndex(one => one.namespace === namespace);
    if (at < 0 || namespace === 0) return;
    const [source] = this.#sources.splice(at, 1);
    source!.stream.close();
    if (this.#source === source) this.#source = this.#sources[0]!;
  }

  /** The history of the namespace that the dataplane works in. */
  get stream(): NotificationStream {
    return this.#sources[0]!.stream;
  }

  /** Dumps these kinds again. */
  resync(kinds: number, namespace: number): void {
    this.#sources.find(one => one.namespace === namespace)?.stream.resync(kinds);
  }

  /** Whether one of them is dumping, or has a dump to do. */
  get dumping(): boolean {
    return this.#sources.some(({ stream }) => stream.dumping);
  }

  /** Milliseconds until a dump that was put off; -1 = never. */
  retryInMs(nowMs: number): number {
    let soonest = -1;
    for (const { stream } of this.#sources) {
      const ms = stream.retryInMs(nowMs);
      if (ms >= 0 && (soonest < 0 || ms < soonest)) soonest = ms;
    }
    return soonest;
  }

  /** At most `steps` datagrams of each namespace. True where more may be there, and room for it. */
  run(steps: number): boolean {
    this.#reclaim();
    while (this.#events.length > 0 && this.#tell(...this.#events[0]!)) this.#events.shift();
    // Each is the first in its turn, so that none is left out when there is little room.
    const count = this.#sources.length;
    let more = false;
    for (let i = 0; i < count; i++) {
      this.#source = this.#sources[(this.#first + i) % count]!;
      if (this.#read(this.#source.stream, steps)) more = true;
      if (this.#waiting) break;
    }
    this.#first = (this.#first + 1) % count;
    return more;
  }

  #read(stream: NotificationStream, steps: number): boolean {
    for (let i = 0; i < steps; i++) {
      if (this.#pool.room < this.#stepRoom) {
        this.#reclaim();
        if (this.#pool.room < this.#stepRoom) {
          if (!this.#waiting) this.#waits++;
          this.#waiting = true;
          return false;
        }
      }
      this.#waiting = false;
      if (!stream.step(this)) return false;
    }
    return true;
  }

  /** Something happened to a provider (EVENT_*). */
  event(provider: number, event: number): void {
    if (this.#events.length === 0 && this.#tell(provider, event)) return;
    // What is told twice is told later: so no more wait than there are providers and events.
    const same = this.#events.findIndex(([other, what]) => other === provider && what === event);
    if (same >= 0) this.#events.splice(same, 1);
    this.#events.push([provider, event]);
  }

  #tell(provider: number, event: number): boolean {
    const handle = this.#pool.allocate(OP_PROVIDER);
    if (handle === 0) return false;
    this.#pool.setEvent(handle, provider, event);
    this.#put(handle);
    return true;
  }

  /** Something that a provider saw. False where zebra has to give contexts back first. */
  notify(provider: number, op: number, fill: (pool: ContextPool, handle: number) => void): boolean {
    this.#reclaim();
    // The kernel goes first: what it says cannot wait where it comes from.
    if (this.#pool.room <= Math.min(this.#stepRoom, this.#pool.limit / 2)) return false;
    const handle = this.#pool.allocate(op);
    try {
      fill(this.#pool, handle);
    } catch (error) {
      this.#pool.free(handle);
      throw error;
    }
    this.#pool.setProvider(handle, provider);
    this.#put(handle);
    return true;
  }

  /** Notifications wait for zebra to give contexts back. */
  get blocked(): boolean {
    return this.#waiting;
  }

  /** Whether zebra gave some back. */
  get returned(): boolean {
    return this.#back.length > 0;
  }

  publish(): void {
    this.#up.publish();
  }

  get stats(): ListenerStats {
    const all = this.#sources.map(({ stream }) => stream.stats);
    const sum = (what: keyof StreamStats): number => all.reduce((total, one) => total + one[what], 0);
    return {
      datagrams: sum('datagrams'),
      messages: sum('messages'),
      overruns: sum('overruns'),
      dumps: sum('dumps'),
      interruptions: sum('interruptions'),
      notifications: this.#notifications,
      waits: this.#waits,
      dropped: this.#dropped,
      mpls: this.stream.labels,
    };
  }

  close(): void {
    this.#closed = true;
    for (const { stream } of this.#sources) stream.close();
  }

  #reclaim(): void {
    for (let handle = this.#back.pop(); handle >= 0; handle = this.#back.pop()) this.#pool.free(handle);
    this.#back.release();
  }

  #allocate(op: number, kind: number, dumped: boolean): number {
    const handle = this.#pool.allocate(op);
    if (handle === 0) this.#lose(kind);
    else if (dumped) this.#pool.setFlags(handle, FLAG_DUMP);
    return handle;
  }

  #lose(kind: number): void {
    this.#dropped++;
    this.#source.stream.resync(kind);
  }

  /** What the kernel of the namespace that is read has told. */
  #send(handle: number): void {
    this.#pool.setNamespace(handle, this.#source.namespace);
    this.#put(handle);
  }

  #put(handle: number): void {
    this.#notifications++;
    this.#pool.setSequence(handle, this.#stamp.next());
    this.#observe(this.#pool, handle);
    if (!this.#up.push(handle)) throw new Error('dataplane: the ring of notifications is smaller than their pool');
  }

  // The stream's side --------------------------------------------------------------------------------------------------

  dumpBegin(kind: number): void {
    this.#mark(OP_DUMP_BEGIN, kind);
  }

  dumpEnd(kind: number): void {
    this.#mark(OP_DUMP_END, kind);
    if (kind !== KIND_MPLS || this.#missed || this.stream.labels !== false) return;
    this.#missed = true;
    this.#log('the kernel has no MPLS (mpls_router): labels are refused');
  }

  #mark(op: number, kind: number): void {
    const handle = this.#allocate(op, kind, false);
    if (handle === 0) return;
    this.#pool.setKinds(handle, kind);
    this.#send(handle);
  }

  message(type: number, bytes: Uint8Array, offset: number, length: number, dumped: boolean): void {
    switch (type) {
      case c.RTM_NEWROUTE:
      case c.RTM_DELROUTE:
        this.#routeMessage(type === c.RTM_NEWROUTE ? OP_ROUTE : OP_ROUTE_GONE, bytes, offset, length, dumped);
        return;
      case c.RTM_NEWNEXTHOP:
      case c.RTM_DELNEXTHOP:
        this.#nexthopMessage(type === c.RTM_NEWNEXTHOP ? OP_NEXTHOP : OP_NEXTHOP_GONE, bytes, offset, length, dumped);
        return;
      case c.RTM_NEWLINK:
      case c.RTM_DELLINK:
        this.#linkMessage(type === c.RTM_NEWLINK ? OP_LINK : OP_LINK_GONE, bytes, offset, length, dumped);
        return;
      case c.RTM_NEWADDR:
      case c.RTM_DELADDR:
        this.#addressMessage(type === c.RTM_NEWADDR ? OP_ADDRESS : OP_ADDRESS_GONE, bytes, offset, length, dumped);
        return;
      case c.RTM_NEWNEIGH:
      case c.RTM_DELNEIGH:
        if (bytes[offset + HEADER_BYTES] === c.AF_BRIDGE)
          this.#fdbMessage(type === c.RTM_NEWNEIGH ? OP_FDB : OP_FDB_GONE, bytes, offset, length, dumped);
        else
          this.#neighborMessage(
            type === c.RTM_NEWNEIGH ? OP_NEIGHBOR : OP_NEIGHBOR_GONE,
            bytes,
            offset,
            length,
            dumped,
          );
        return;
      case c.RTM_NEWNETCONF:
      case c.RTM_DELNETCONF:
        this.#netconfMessage(type === c.RTM_NEWNETCONF ? OP_NETCONF : OP_NETCONF_GONE, bytes, offset, length, dumped);
        return;
      case c.RTM_NEWRULE:
      case c.RTM_DELRULE:
        this.#ruleMessage(type === c.RTM_NEWRULE ? OP_RULE : OP_RULE_GONE, bytes, offset, length, dumped);
        return;
      default:
    }
  }

  #routeMessage(op: number, bytes: Uint8Array, offset: number, length: number, dumped: boolean): void {
    const route = this.#route;
    if (!route.decode(bytes, offset, length)) return;
    const replaces = !dumped && ((bytes[offset + 7]! << 8) & c.NLM_F_REPLACE) !== 0;
    if (route.family === c.AF_MPLS) {
      this.#labelMessage(op === OP_ROUTE ? OP_LABEL : OP_LABEL_GONE, bytes, dumped, replaces);
      return;
    }
    if ((route.flags & c.RTM_F_CLONED) !== 0 || route.table === c.RT_TABLE_LOCAL) return;
    // An IPv6 deletion names the type 0 when the route had none of its own.
    const { type } = route;
    if (type !== c.RTN_UNICAST && (type < c.RTN_BLACKHOLE || type > c.RTN_PROHIBIT)) return;
    const pool = this.#pool;
    const handle = this.#allocate(op, KIND_ROUTE, dumped);
    if (handle === 0) return;
    pool.setRoute(
      handle,
      route.table,
      route.family,
      route.w0,
      route.w1,
      route.w2,
      route.w3,
      route.length,
      route.protocol,
      type,
      route.metric,
      route.nexthopId,
    );
    const flags = (replaces ? FLAG_REPLACE : 0) | offloadOutcome(route.flags);
    if (flags !== 0) pool.setFlags(handle, pool.flags(handle) | flags);
    // With a nexthop object the paths are the object's, and zebra knows its own; the kernel repeats them for old readers,
    // which is how others' objects are seen through.
    const own = route.nexthopId === 0 || !isDaemonProtocol(route.protocol);
    if (!own || this.#paths(handle, bytes)) this.#send(handle);
    else this.#giveUp(handle, KIND_ROUTE);
  }

  #labelMessage(op: number, bytes: Uint8Array, dumped: boolean, replaces: boolean): void {
    const handle = this.#allocate(op, KIND_MPLS, dumped);
    if (handle === 0) return;
    const route = this.#route;
    this.#pool.setLabel(handle, route.w0, route.protocol);
    if (replaces) this.#pool.setFlags(handle, this.#pool.flags(handle) | FLAG_REPLACE);
    if (this.#paths(handle, bytes)) this.#send(handle);
    else this.#giveUp(handle, KIND_MPLS);
  }

  /** The paths of the message last decoded; false where there are not slots enough for them. */
  #paths(handle: number, bytes: Uint8Array): boolean {
    const pool = this.#pool;
    const route = this.#route;
    let slot = handle;
    for (let i = 0; i < route.pathCount; i++) {
      if (i > 0) slot = pool.addPath(slot);
      if (slot === 0) return false;
      pool.setPath(
        slot,
        route.pathIfindex[i]!,
        route.pathGatewayFamily[i]!,
        route.pathGateway[4 * i]!,
        route.pathGateway[4 * i + 1]!,
        route.pathGateway[4 * i + 2]!,
        route.pathGateway[4 * i + 3]!,
        pathFlagsTold(route.pathFlags[i]!),
        route.pathWeight[i]!,
      );
      if (route.pathEncapType[i] !== 0 && !this.#encap(slot, i, bytes)) return false;
    }
    pool.setCount(handle, route.pathCount);
    return true;
  }

  #encap(slot: number, path: number, bytes: Uint8Array): boolean {
    const route = this.#route;
    // What a label is replaced by is written in another way than what is pushed before a packet.
    if (route.family === c.AF_MPLS) return this.#pool.setEncap(slot, route.pathEncap(path)!);
    const [from, length] = [route.pathEncapAt[path]!, route.pathEncapLength[path]!];
    return this.#pool.setEncapBytes(slot, route.pathEncapType[path]!, bytes, from, length);
  }

  /** A context that has no room for what belongs to it. */
  #giveUp(handle: number, kind: number): void {
    this.#pool.free(handle);
    this.#lose(kind);
  }

  #nexthopMessage(op: number, bytes: Uint8Array, offset: number, length: number, dumped: boolean): void {
    const nexthop = this.#nexthop;
    if (!nexthop.decode(bytes, offset, length)) return;
    const handle = this.#allocate(op, KIND_NEXTHOP, dumped);
    if (handle === 0) return;
    const pool = this.#pool;
    pool.setNexthop(handle, nexthop.id, nexthop.family, nexthop.protocol);
    if (nexthop.fdb) pool.setFlags(handle, pool.flags(handle) | FLAG_TUNNEL_ENDS);
    if (nexthop.memberCount > 0) {
      const ids = nexthop.memberId.subarray(0, nexthop.memberCount);
      if (!pool.setMembers(handle, ids, nexthop.memberWeight)) {
        this.#giveUp(handle, KIND_NEXTHOP);
        return;
      }
    } else {
      pool.setPath(
        handle,
        nexthop.ifindex,
        nexthop.gatewayFamily,
        nexthop.w0,
        nexthop.w1,
        nexthop.w2,
        nexthop.w3,
        pathFlagsTold(nexthop.flags) | (nexthop.blackhole ? PATH_BLACKHOLE : 0),
        1,
      );
      const { encapType, encapAt, encapLength } = nexthop;
      if (encapType !== 0 && !pool.setEncapBytes(handle, encapType, bytes, encapAt, encapLength)) {
        this.#giveUp(handle, KIND_NEXTHOP);
        return;
      }
    }
    this.#send(handle);
  }

  #linkMessage(op: number, bytes: Uint8Array, offset: number, length: number, dumped: boolean): void {
    const link = readLink(bytes, offset, length);
    // A bridge tells of its ports in messages of its own family; leaving a bridge is not the link's end.
    if (link.family === c.AF_BRIDGE) return;
    this.#follow(link.ifindex, op === OP_LINK_GONE ? 0 : (link.master ?? 0));
    const handle = this.#allocate(op, KIND_LINK, dumped);
    if (handle === 0) return;
    const kind = link.info?.kind ?? '';
    const data = link.info?.data ?? {};
    const kept = this.#pool.setLink(handle, {
      ifindex: link.ifindex,
      name: link.name ?? '',
      flags: link.flags,
      mtu: link.mtu ?? 0,
      mac: link.address ?? NO_MAC,
      hardwareType: link.hardwareType,
      link: link.link ?? 0,
      master: link.master ?? 0,
      operState: link.operState ?? 0,
      detail: {
        protoDown: (link.protoDown ?? 0) !== 0,
        protoDownReasons: link.protoDownReason?.value ?? 0,
        alias: link.alias ?? '',
        kind,
        kindId: data.table ?? data.vlan ?? data.vni ?? data.vlanFiltering ?? 0,
        tunnelLocal: data.local ?? 0,
        tunnelRemote: data.remote ?? 0,
        tunnelLink: data.lower ?? 0,
      },
    });
    if (kept) this.#send(handle);
    else this.#giveUp(handle, KIND_LINK);
  }

  /** What a port leaves behind with its bridge changes without a word. */
  #follow(ifindex: number, master: number): void {
    const { masters, stream } = this.#source;
    if (master !== (masters.get(ifindex) ?? 0)) stream.resync(KIND_FDB);
    if (master === 0) masters.delete(ifindex);
    else masters.set(ifindex, master);
  }

  #addressMessage(op: number, bytes: Uint8Array, offset: number, length: number, dumped: boolean): void {
    const address = readAddressMessage(bytes, offset, length);
    if (address.family !== 2 && address.family !== 10) return;
    const handle = this.#allocate(op, KIND_ADDRESS, dumped);
    if (handle === 0) return;
    const local = address.local ?? address.peer ?? NONE;
    this.#pool.setAddress(handle, {
      ifindex: address.ifindex,
      family: address.family,
      local,
      peer: address.peer ?? local,
      length: address.length,
      flags: address.flags ?? 0,
      scope: address.scope,
      label: address.label ?? '',
    });
    this.#send(handle);
  }

  #neighborMessage(op: number, bytes: Uint8Array, offset: number, length: number, dumped: boolean): void {
    if ((this.#kinds & KIND_NEIGHBOR) === 0) return;
    const neighbor = readNeighbor(bytes, offset, length);
    if (neighbor.family !== 2 && neighbor.family !== 10) return;
    const handle = this.#allocate(op, KIND_NEIGHBOR, dumped);
    if (handle === 0) return;
    this.#pool.setNeighbor(handle, {
      ifindex: neighbor.ifindex,
      family: neighbor.family,
      address: neighbor.destination ?? NONE,
      state: neighbor.state,
      flags: neighbor.flags,
      extendedFlags: neighbor.extendedFlags ?? 0,
      mac: neighbor.mac ?? NO_MAC,
      protocol: neighbor.protocol ?? 0,
    });
    this.#send(handle);
  }

  #fdbMessage(op: number, bytes: Uint8Array, offset: number, length: number, dumped: boolean): void {
    if ((this.#kinds & KIND_FDB) === 0) return;
    const fdb = readFdb(bytes, offset, length);
    // What a device's own filter holds changes without a word, and is nobody's route.
    if (fdb.master === undefined && fdb.tunnel === undefined && fdb.nexthopId === undefined) return;
    const handle = this.#allocate(op, KIND_FDB, dumped);
    if (handle === 0) return;
    this.#pool.setFdb(handle, {
      ifindex: fdb.ifindex,
      mac: fdb.mac ?? NO_MAC,
      vlan: fdb.vlan ?? 0,
      state: fdb.state,
      flags: fdb.flags,
      extendedFlags: fdb.extendedFlags ?? 0,
      protocol: fdb.protocol ?? 0,
      master: fdb.master ?? 0,
      tunnelFamily: fdb.tunnel?.family ?? 0,
      tunnel: fdb.tunnel?.words ?? NONE,
      port: fdb.port ?? 0,
      vni: fdb.vni ?? 0,
      viaIfindex: fdb.viaIfindex ?? 0,
      sourceVni: fdb.sourceVni ?? 0,
      nexthopId: fdb.nexthopId ?? 0,
    });
    this.#send(handle);
  }

  #netconfMessage(op: number, bytes: Uint8Array, offset: number, length: number, dumped: boolean): void {
    const netconf = readNetconf(bytes, offset, length);
    const { ifindex } = netconf;
    if (ifindex === undefined) return;
    // What is set for new interfaces goes over to old ones that were never set themselves.
    if (!dumped && ifindex === c.NETCONFA_IFINDEX_DEFAULT) this.#source.stream.resync(KIND_NETCONF);
    const handle = this.#allocate(op, KIND_NETCONF, dumped);
    if (handle === 0) return;
    this.#pool.setNetconf(handle, { ...netconf, ifindex });
    this.#send(handle);
  }

  #ruleMessage(op: number, bytes: Uint8Array, offset: number, length: number, dumped: boolean): void {
    const rule = readRule(bytes, offset, length);
    if (rule.family !== 2 && rule.family !== 10) return;
    const handle = this.#allocate(op, KIND_RULE, dumped);
    if (handle === 0) return;
    const { tos, dscp, ipProtocol, sourcePorts, destinationPorts, uids, suppressPrefixLength, suppressGroup } = rule;
    const { goto, l3mdev, tunnelId } = rule;
    const kept = this.#pool.setRule(handle, {
      family: rule.family,
      priority: rule.priority ?? 0,
      action: rule.action,
      table: rule.table ?? 0,
      source: rule.source ?? NONE,
      sourceLength: rule.sourceLength,
      destination: rule.destination ?? NONE,
      destinationLength: rule.destinationLength,
      mark: rule.mark ?? 0,
      markMask: rule.markMask ?? 0,
      inverted: (rule.flags & c.FIB_RULE_INVERT) !== 0,
      protocol: rule.protocol ?? 0,
      inputInterface: rule.inputInterface ?? '',
      outputInterface: rule.outputInterface ?? '',
      ...(tos !== 0 && { tos }),
      ...(dscp !== undefined && { dscp }),
      ...(ipProtocol !== undefined && { ipProtocol }),
      ...(sourcePorts !== undefined && { sourcePorts }),
      ...(destinationPorts !== undefined && { destinationPorts }),
      ...(uids !== undefined && { uids }),
      ...(goto !== undefined && { goto }),
      ...(suppressPrefixLength !== undefined && suppressPrefixLength !== UNLIMITED && { suppressPrefixLength }),
      ...(suppressGroup !== undefined && suppressGroup !== UNLIMITED && { suppressGroup }),
      ...(l3mdev !== undefined && { l3mdev }),
      ...(tunnelId !== undefined && { tunnelId }),
    });
    if (kept) this.#send(handle);
    else this.#giveUp(handle, KIND_RULE);
  }
}

/** RTPROT_* under which zebra's clients' routes are in the kernel: RTPROT_ZEBRA, RTPROT_BABEL, RTPROT_BGP … */
function isDaemonProtocol(protocol: number): boolean {
  return protocol === 11 || protocol === 42 || (protocol >= 186 && protocol <= 197);
}
