// A context is one change on its way, or one event: a snapshot of all that its operation needs, in 128 bytes of shared
// memory. It refers to nothing, so no thread ever looks into another's objects.
//
//    word 0        1         2       3           4    5      6                          7–10          11
//    ┌────────────┬─────────┬───────┬───────────┬────┬──────┬──────────────────────────┬─────────────┬────────┐
//    │op st flags │sequence │object │generation │vrf │table │family length proto type  │prefix words │metric  │
//    ├────────────┼─────────┼───────┼───────────┼────┴──────┼──────────┬────────┬──────┴─────────────┴────────┤
//    │nexthop id  │ old id  │ifindex│ errno     │ provider  │ count    │ next   │ entered (µs)                │
//    ├────────────┴─────────┴───────┴───────────┴───────────┴──────────┴────────┴─────────────────────────────┤
//    │ payload, 12 words: a path │ up to 6 group members │ a link │ an address │ a neighbour │ a rule          │
//    └────────────────────────────────────────────────────────────────────────────────────────────────────────┘
//
// What does not fit is chained over `next` in slots of the same pool. `object` and `generation` are the owner's identity of
// what the result is about; the dataplane carries them and never looks.
//
// Accessors take a handle and check that the operation has the field: reading a gateway out of a LINK is our bug, and throws.
// They are methods over one Int32Array, so V8 inlines them to an indexed access.
import { type PoolStats, SlotPool } from '../concurrency/index.ts';
import {
  FIELD_ADDRESS,
  FIELD_EVENT,
  FIELD_KINDS,
  FIELD_LINK,
  FIELD_LINK_CHANGE,
  FIELD_MEMBERS,
  FIELD_NEIGHBOR,
  FIELD_NEXTHOP,
  FIELD_PATH,
  FIELD_ROUTE,
  FIELD_RULE,
  FLAG_GROUP,
  FLAG_TARGET,
  FLAG_UNDO,
  FLAG_UNDO_FAILED,
  MEMBERS_PER_SLOT,
  STATUS_FAILED,
  STATUS_SUCCESS,
} from './constants.ts';
import { OP_MORE, operationFields, operationName } from './operation.ts';

export const CONTEXT_BYTES = 128;

const SEQUENCE = 1;
const OBJECT = 2;
const GENERATION = 3;
const VRF = 4;
const TABLE = 5;
const ROUTE = 6;
const PREFIX = 7;
const METRIC = 11;
const NEXTHOP_ID = 12;
const OLD_ID = 13;
const IFINDEX = 14;
const ERRNO = 15;
const PROVIDER = 16;
const COUNT = 17;
const NEXT = 18;
const ENTERED = 19;
const PAYLOAD = 20;
const PAYLOAD_BYTES = PAYLOAD * 4;

const GATEWAY_FAMILY: number = PAYLOAD;
const GATEWAY: number = PAYLOAD + 1;
const PATH_FLAGS: number = PAYLOAD + 5;
const WEIGHT: number = PAYLOAD + 6;
/** A link's kind is text in place of a prefix: in words from the payload on. */
const KIND: number = PREFIX - PAYLOAD;
const TEXT_PER_SLOT: number = CONTEXT_BYTES - PAYLOAD_BYTES;

/** Bits of a context's first word that `takeBack` leaves as they are: the operation, and some flags. */
const KEPT: number = 0xff | ((FLAG_GROUP | FLAG_UNDO | FLAG_UNDO_FAILED | FLAG_TARGET) << 16);

/** What only an operator asks of a link. */
export interface LinkDetail {
  /** The kernel's name of its kind (`vrf`, `veth` …); '' for hardware and the loopback. */
  readonly kind: string;
  /** The number that its kind gives it: of a vrf its table, of a vlan its id, of a vxlan its VNI; of a bridge 1: by VLAN. */
  readonly kindId: number;
  /** Ends of a tunnel over IPv4, and the ifindex of the device below it; else 0. */
  readonly tunnelLocal: number;
  readonly tunnelRemote: number;
  readonly tunnelLink: number;
  /** A process or a driver keeps it down (IFLA_PROTO_DOWN), and the bits of why, which they give a meaning. */
  readonly protoDown: boolean;
  readonly protoDownReasons: number;
  /** What an operator called it by `ip link set … alias`; up to 255 bytes, one to one. */
  readonly alias: string;
}

export const NO_DETAIL: LinkDetail = {
  kind: '',
  kindId: 0,
  tunnelLocal: 0,
  tunnelRemote: 0,
  tunnelLink: 0,
  protoDown: false,
  protoDownReasons: 0,
  alias: '',
};

export interface LinkValue {
  readonly ifindex: number;
  readonly name: string;
  /** IFF_* */
  readonly flags: number;
  readonly mtu: number;
  readonly mac: Uint8Array;
  /** ARPHRD_* */
  readonly hardwareType: number;
  /** IFLA_LINK, or 0. */
  readonly link: number;
  /** IFLA_MASTER, or 0. */
  readonly master: number;
  /** IF_OPER_*, as in RFC 2863. */
  readonly operState: number;
  readonly detail: LinkDetail;
}

/** What is to be set of a link; what is absent stays as it is. */
export interface LinkChange {
  readonly ifindex: number;
  /** IFF_*: those in `change` become what they are in `flags`. */
  readonly flags: number;
  readonly change: number;
  readonly mtu?: number;
  readonly mac?: Uint8Array;
  /** ifindex of the bridge, bond or VRF that it is to be a port of; 0: of none. */
  readonly master?: number;
}

export interface AddressValue {
  readonly ifindex: number;
  readonly family: 2 | 10;
  readonly local: readonly [number, number, number, number];
  /** The other end where there is one, else equal to `local`. */
  readonly peer: readonly [number, number, number, number];
  readonly length: number;
  /** IFA_F_* */
  readonly flags: number;
  readonly scope: number;
  readonly label: string;
}

export interface NeighborValue {
  readonly ifindex: number;
  readonly family: number;
  readonly address: readonly [number, number, number, number];
  /** NUD_* */
  readonly state: number;
  /** NTF_* */
  readonly flags: number;
  readonly mac: Uint8Array;
  /** Of a bridge's forwarding entry; 0: none. */
  readonly vlan: number;
}

export interface RuleValue {
  readonly family: 2 | 10;
  readonly priority: number;
  /** FR_ACT_* */
  readonly action: number;
  readonly table: number;
  readonly source: readonly [number, number, number, number];
  readonly sourceLength: number;
  readonly destination: readonly [number, number, number, number];
  readonly destinationLength: number;
  readonly mark: number;
  readonly markMask: number;
  readonly inverted: boolean;
  readonly protocol: number;
  readonly inputInterface: string;
  readonly outputInterface: string;
}

export class ContextPool {
  readonly words: Int32Array;
  readonly bytes: Uint8Array;
  readonly #pool: SlotPool;
  readonly #slotMask: number;

  static create(limit: number): SharedArrayBuffer {
    return SlotPool.create(CONTEXT_BYTES, limit);
  }

  static stats(memory: SharedArrayBuffer): PoolStats {
    return SlotPool.stats(memory);
  }

  constructor(memory: SharedArrayBuffer) {
    this.#pool = new SlotPool(memory);
    this.words = this.#pool.words;
    this.bytes = this.#pool.bytes;
    this.#slotMask = 2 ** Math.ceil(Math.log2(this.#pool.limit)) - 1;
  }

  get limit(): number {
    return this.#pool.limit;
  }

  get inUse(): number {
    return this.#pool.inUse;
  }

  /** Slots that `allocate` will still give. */
  get room(): number {
    return this.#pool.limit - this.#pool.inUse;
  }

  /** Owner only. A cleared context, or 0 where the pool is exhausted. */
  allocate(op: number): number {
    const handle = this.#pool.allocate();
    if (handle === 0) return 0;
    const at = this.#at(handle);
    const words = this.words;
    for (let i = 1; i < PAYLOAD; i++) words[at + i] = 0;
    words[at] = op;
    return handle;
  }

  /** Owner only. Gives back the context and all that is chained behind it. */
  free(handle: number): void {
    let slot = handle;
    while (slot !== 0) {
      const next = this.words[this.#at(slot) + NEXT]!;
      this.#pool.free(slot);
      slot = next;
    }
  }

  holds(handle: number): boolean {
    return this.#pool.holds(handle);
  }

  /** Index of its slot: for columns beside the pool. */
  indexOf(handle: number): number {
    return handle & this.#slotMask;
  }

  op(handle: number): number {
    return this.words[this.#at(handle)]! & 255;
  }

  status(handle: number): number {
    return (this.words[this.#at(handle)]! >>> 8) & 255;
  }

  setStatus(handle: number, status: number): void {
    const at = this.#at(handle);
    this.words[at] = (this.words[at]! & ~0xff00) | (status << 8);
  }

  /** FLAG_* bits. */
  flags(handle: number): number {
    return this.words[this.#at(handle)]! >>> 16;
  }

  setFlags(handle: number, flags: number): void {
    const at = this.#at(handle);
    this.words[at] = (this.words[at]! & 0xffff) | (flags << 16);
  }

  /** Place in the one order of results and notifications that left the dataplane thread (u32, wraps). */
  sequence(handle: number): number {
    return this.words[this.#at(handle) + SEQUENCE]! >>> 0;
  }

  setSequence(handle: number, sequence: number): void {
    this.words[this.#at(handle) + SEQUENCE] = sequence;
  }

  object(handle: number): number {
    return this.words[this.#at(handle) + OBJECT]! >>> 0;
  }

  generation(handle: number): number {
    return this.words[this.#at(handle) + GENERATION]! >>> 0;
  }

  /** The owner's identity, given back untouched in the result: two u32. */
  setObject(handle: number, object: number, generation: number): void {
    const at = this.#at(handle);
    this.words[at + OBJECT] = object;
    this.words[at + GENERATION] = generation;
  }

  vrf(handle: number): number {
    return this.words[this.#at(handle) + VRF]! >>> 0;
  }

  setVrf(handle: number, vrf: number): void {
    this.words[this.#at(handle) + VRF] = vrf;
  }

  /** 0 = success. */
  errno(handle: number): number {
    return this.words[this.#at(handle) + ERRNO]!;
  }

  /** Sets errno and with it the status. */
  setResult(handle: number, errno: number): void {
    const at = this.#at(handle);
    this.words[at + ERRNO] = errno;
    this.words[at] = (this.words[at]! & ~0xff00) | ((errno === 0 ? STATUS_SUCCESS : STATUS_FAILED) << 8);
  }

  /** Number of the provider that failed it, or that a notification came from; 0 = none. */
  provider(handle: number): number {
    return this.words[this.#at(handle) + PROVIDER]!;
  }

  setProvider(handle: number, provider: number): void {
    this.words[this.#at(handle) + PROVIDER] = provider;
  }

  /** When it was enqueued: microseconds of the monotonic clock, modulo 2^32. */
  entered(handle: number): number {
    return this.words[this.#at(handle) + ENTERED]! >>> 0;
  }

  setEntered(handle: number, us: number): void {
    this.words[this.#at(handle) + ENTERED] = us;
  }

  /** OP_PROVIDER: what happened (EVENT_*) to the provider whose number `provider` gives. */
  event(handle: number): number {
    return this.words[this.#field(handle, FIELD_EVENT) + COUNT]!;
  }

  setEvent(handle: number, provider: number, event: number): void {
    this.words[this.#field(handle, FIELD_EVENT) + COUNT] = event;
    this.setProvider(handle, provider);
  }

  /** Owner only. A copy of another pool's context, chain and all; 0 where there are not slots enough. */
  copyFrom(from: ContextPool, handle: number): number {
    let needed = 0;
    for (let slot = handle; slot !== 0; slot = from.next(slot)) needed++;
    if (this.room < needed) return 0;
    let first = 0;
    let last = 0;
    for (let slot = handle; slot !== 0; slot = from.next(slot)) {
      const copy = this.#pool.allocate();
      this.#copySlot(from, slot, copy);
      this.words[this.#at(copy) + NEXT] = 0;
      if (first === 0) first = copy;
      else this.setNext(last, copy);
      last = copy;
    }
    return first;
  }

  /**
   * What another pool's copy of this context says by now. Its operation, its owner's identity and its place in the order are not
   * for others to change, nor which way it goes; and what is chained behind it stays as it is.
   */
  takeBack(handle: number, from: ContextPool, copy: number): void {
    const [a, b] = [from.#at(copy), this.#at(handle)];
    const { words } = this;
    words[b] = (from.words[a]! & ~KEPT) | (words[b]! & KEPT);
    for (let i = VRF; i < CONTEXT_BYTES / 4; i++) {
      if (i !== COUNT && i !== NEXT && i !== ENTERED) words[b + i] = from.words[a + i]!;
    }
  }

  #copySlot(from: ContextPool, source: number, target: number): void {
    const [a, b] = [from.#at(source), this.#at(target)];
    for (let i = 0; i < CONTEXT_BYTES / 4; i++) this.words[b + i] = from.words[a + i]!;
  }

  // Routes -----------------------------------------------------------------------------------------------------------

  /**
   * All fields of a route. Address words and ids are u32; `type` is RTN_*, `protocol` RTPROT_*. `nexthopId` 0: a route
   * without a nexthop object (blackhole and its like, or, in a notification, one that carries its own paths).
   */
  setRoute(
    handle: number,
    table: number,
    family: number,
    w0: number,
    w1: number,
    w2: number,
    w3: number,
    length: number,
    protocol: number,
    type: number,
    metric: number,
    nexthopId: number,
  ): void {
    const at = this.#field(handle, FIELD_ROUTE);
    const words = this.words;
    words[at + TABLE] = table;
    words[at + ROUTE] = family | (length << 8) | (protocol << 16) | (type << 24);
    words[at + PREFIX] = w0;
    words[at + PREFIX + 1] = w1;
    words[at + PREFIX + 2] = w2;
    words[at + PREFIX + 3] = w3;
    words[at + METRIC] = metric;
    words[at + NEXTHOP_ID] = nexthopId;
  }

  table(handle: number): number {
    return this.words[this.#field(handle, FIELD_ROUTE | FIELD_RULE) + TABLE]! >>> 0;
  }

  /** AF_INET, AF_INET6, or 0. */
  family(handle: number): number {
    return this.words[this.#at(handle) + ROUTE]! & 255;
  }

  /** Bits of the prefix, or of the address's network. */
  length(handle: number): number {
    return (this.words[this.#at(handle) + ROUTE]! >>> 8) & 255;
  }

  /** RTPROT_*. */
  protocol(handle: number): number {
    return (this.words[this.#at(handle) + ROUTE]! >>> 16) & 255;
  }

  /** RTN_*. */
  routeType(handle: number): number {
    return this.words[this.#field(handle, FIELD_ROUTE) + ROUTE]! >>> 24;
  }

  /** Word `i` (0–3) of the prefix or address. */
  prefixWord(handle: number, i: number): number {
    return this.words[this.#at(handle) + PREFIX + i]! >>> 0;
  }

  metric(handle: number): number {
    return this.words[this.#field(handle, FIELD_ROUTE) + METRIC]! >>> 0;
  }

  /** For providers before the kernel that prefer otherwise. */
  setMetric(handle: number, metric: number): void {
    this.words[this.#field(handle, FIELD_ROUTE) + METRIC] = metric;
  }

  nexthopId(handle: number): number {
    return this.words[this.#field(handle, FIELD_ROUTE | FIELD_NEXTHOP) + NEXTHOP_ID]! >>> 0;
  }

  /** The object it used before, where the owner wants it back in the result. */
  oldNexthopId(handle: number): number {
    return this.words[this.#field(handle, FIELD_ROUTE | FIELD_NEXTHOP) + OLD_ID]! >>> 0;
  }

  setOldNexthopId(handle: number, id: number): void {
    this.words[this.#field(handle, FIELD_ROUTE | FIELD_NEXTHOP) + OLD_ID] = id;
  }

  // Nexthop objects and paths ------------------------------------------------------------------------------------------

  /** `family`: that of the routes that will use it (0 for a group). */
  setNexthop(handle: number, id: number, family: number, protocol: number): void {
    const at = this.#field(handle, FIELD_NEXTHOP);
    this.words[at + NEXTHOP_ID] = id;
    this.words[at + ROUTE] = family | (protocol << 16);
  }

  /** One path: of a nexthop object, or (with `addPath`) of a route that carries its own. */
  setPath(
    handle: number,
    ifindex: number,
    gatewayFamily: number,
    w0: number,
    w1: number,
    w2: number,
    w3: number,
    flags: number,
    weight: number,
  ): void {
    const at = this.#field(handle, FIELD_PATH);
    const words = this.words;
    words[at + COUNT] = 1;
    words[at + IFINDEX] = ifindex;
    words[at + GATEWAY_FAMILY] = gatewayFamily;
    words[at + GATEWAY] = w0;
    words[at + GATEWAY + 1] = w1;
    words[at + GATEWAY + 2] = w2;
    words[at + GATEWAY + 3] = w3;
    words[at + PATH_FLAGS] = flags;
    words[at + WEIGHT] = weight;
  }

  /** How many paths or members there are in all. */
  count(handle: number): number {
    return this.words[this.#at(handle) + COUNT]!;
  }

  setCount(handle: number, count: number): void {
    this.words[this.#at(handle) + COUNT] = count;
  }

  /** The slot chained behind, or 0. Each path of a route is in a slot of its own, the first in the route's. */
  next(handle: number): number {
    return this.words[this.#at(handle) + NEXT]!;
  }

  setNext(handle: number, next: number): void {
    this.words[this.#at(handle) + NEXT] = next;
  }

  ifindex(handle: number): number {
    return this.words[this.#at(handle) + IFINDEX]!;
  }

  /** AF_INET, AF_INET6, or 0 where the path has no gateway. */
  gatewayFamily(handle: number): number {
    return this.words[this.#field(handle, FIELD_PATH) + GATEWAY_FAMILY]!;
  }

  gatewayWord(handle: number, i: number): number {
    return this.words[this.#field(handle, FIELD_PATH) + GATEWAY + i]! >>> 0;
  }

  /** PATH_* bits. */
  pathFlags(handle: number): number {
    return this.words[this.#field(handle, FIELD_PATH) + PATH_FLAGS]!;
  }

  /** 1–65536; 0 is read as 1. */
  weight(handle: number): number {
    return this.words[this.#field(handle, FIELD_PATH) + WEIGHT]!;
  }

  /**
   * Owner only: makes it a group of these members (parallel arrays, weights from 1). False where the pool has not enough
   * slots for the chain; the context is then as before.
   */
  setMembers(handle: number, ids: ArrayLike<number>, weights: ArrayLike<number>): boolean {
    this.#field(handle, FIELD_MEMBERS);
    const more = Math.max(0, Math.ceil(ids.length / MEMBERS_PER_SLOT) - 1);
    if (this.room < more) return false;
    let slot = handle;
    for (let i = 0; i < ids.length; i++) {
      const place = i % MEMBERS_PER_SLOT;
      if (i > 0 && place === 0) {
        const next = this.allocate(OP_MORE);
        this.setNext(slot, next);
        slot = next;
      }
      const at = this.#at(slot) + PAYLOAD + 2 * place;
      this.words[at] = ids[i]!;
      this.words[at + 1] = weights[i]!;
    }
    this.words[this.#at(handle) + COUNT] = ids.length;
    this.setFlags(handle, this.flags(handle) | FLAG_GROUP);
    return true;
  }

  /** Calls `visit` for each member of a group. For owners; the kernel provider walks the words itself. */
  members(handle: number, visit: (id: number, weight: number) => void): void {
    this.#field(handle, FIELD_MEMBERS);
    const count = this.count(handle);
    let slot = handle;
    for (let i = 0; i < count; i++) {
      const place = i % MEMBERS_PER_SLOT;
      if (i > 0 && place === 0) slot = this.next(slot);
      visit(this.memberId(slot, place), this.memberWeight(slot, place));
    }
  }

  /** Of the member at `place` (below MEMBERS_PER_SLOT) of one slot of the chain. */
  memberId(slot: number, place: number): number {
    return this.words[this.#field(slot, FIELD_MEMBERS) + PAYLOAD + 2 * place]! >>> 0;
  }

  memberWeight(slot: number, place: number): number {
    return this.words[this.#field(slot, FIELD_MEMBERS) + PAYLOAD + 2 * place + 1]!;
  }

  // Kinds ------------------------------------------------------------------------------------------------------------

  /** KIND_* bits of a RESYNC, DUMP_BEGIN or DUMP_END. */
  kinds(handle: number): number {
    return this.words[this.#field(handle, FIELD_KINDS) + COUNT]!;
  }

  setKinds(handle: number, kinds: number): void {
    this.words[this.#field(handle, FIELD_KINDS) + COUNT] = kinds;
  }

  // Links, addresses, neighbours, rules: few, so they are read as values ----------------------------------------------

  /** Owner only. False where there is no slot left for its alias. */
  setLink(handle: number, link: LinkValue): boolean {
    const at = this.#field(handle, FIELD_LINK);
    const words = this.words;
    words[at + IFINDEX] = link.ifindex;
    this.#writeText(at, 0, link.name);
    words[at + PAYLOAD + 4] = link.flags;
    words[at + PAYLOAD + 5] = link.mtu;
    this.#writeMac(at, 6, link.mac);
    words[at + PAYLOAD + 8] = (link.mac.length & 0xff) | (link.operState << 8) | (link.hardwareType << 16);
    words[at + PAYLOAD + 9] = link.link;
    words[at + PAYLOAD + 10] = link.master;
    const { detail } = link;
    words[at + PAYLOAD + 11] = detail.kindId;
    // Words that only routes and next hops use otherwise.
    this.#writeText(at, KIND, detail.kind);
    words[at + METRIC] = detail.tunnelLocal;
    words[at + NEXTHOP_ID] = detail.tunnelRemote;
    words[at + OLD_ID] = detail.tunnelLink;
    words[at + TABLE] = detail.protoDownReasons;
    words[at + COUNT] = detail.protoDown ? 1 : 0;
    return detail.alias === '' || this.#chainText(handle, detail.alias);
  }

  link(handle: number): LinkValue {
    const at = this.#field(handle, FIELD_LINK);
    const words = this.words;
    const more = words[at + PAYLOAD + 8]! >>> 0;
    return {
      ifindex: words[at + IFINDEX]!,
      name: this.#readText(at, 0),
      flags: words[at + PAYLOAD + 4]! >>> 0,
      mtu: words[at + PAYLOAD + 5]! >>> 0,
      mac: this.#readMac(at, 6, more & 0xff),
      operState: (more >>> 8) & 0xff,
      hardwareType: more >>> 16,
      link: words[at + PAYLOAD + 9]!,
      master: words[at + PAYLOAD + 10]!,
      detail: {
        kind: this.#readText(at, KIND),
        kindId: words[at + PAYLOAD + 11]! >>> 0,
        tunnelLocal: words[at + METRIC]! >>> 0,
        tunnelRemote: words[at + NEXTHOP_ID]! >>> 0,
        tunnelLink: words[at + OLD_ID]!,
        protoDown: words[at + COUNT] === 1,
        protoDownReasons: words[at + TABLE]! >>> 0,
        alias: this.#chainedText(handle),
      },
    };
  }

  /** LINK_SET. */
  setLinkChange(handle: number, link: LinkChange): void {
    const at = this.#field(handle, FIELD_LINK_CHANGE);
    const words = this.words;
    words[at + IFINDEX] = link.ifindex;
    words[at + PAYLOAD] = link.flags;
    words[at + PAYLOAD + 1] = link.change;
    words[at + PAYLOAD + 2] = link.mtu ?? -1;
    words[at + PAYLOAD + 3] = link.master ?? -1;
    words[at + PAYLOAD + 4] = link.mac?.length ?? 0;
    if (link.mac !== undefined) this.#writeMac(at, 5, link.mac);
  }

  linkChange(handle: number): LinkChange {
    const at = this.#field(handle, FIELD_LINK_CHANGE);
    const words = this.words;
    const [mtu, master, macLength] = [words[at + PAYLOAD + 2]!, words[at + PAYLOAD + 3]!, words[at + PAYLOAD + 4]!];
    return {
      ifindex: words[at + IFINDEX]!,
      flags: words[at + PAYLOAD]! >>> 0,
      change: words[at + PAYLOAD + 1]! >>> 0,
      ...(mtu < 0 ? {} : { mtu }),
      ...(master < 0 ? {} : { master }),
      ...(macLength === 0 ? {} : { mac: this.#readMac(at, 5, macLength) }),
    };
  }

  setAddress(handle: number, address: AddressValue): void {
    const at = this.#field(handle, FIELD_ADDRESS);
    const words = this.words;
    words[at + IFINDEX] = address.ifindex;
    words[at + ROUTE] = address.family | (address.length << 8);
    for (let i = 0; i < 4; i++) {
      words[at + PREFIX + i] = address.local[i]!;
      words[at + PAYLOAD + i] = address.peer[i]!;
    }
    words[at + PAYLOAD + 4] = address.flags;
    words[at + PAYLOAD + 5] = address.scope;
    this.#writeText(at, 6, address.label);
  }

  address(handle: number): AddressValue {
    const at = this.#field(handle, FIELD_ADDRESS);
    const words = this.words;
    return {
      ifindex: words[at + IFINDEX]!,
      family: this.family(handle) === 2 ? 2 : 10,
      local: this.#address(at + PREFIX),
      peer: this.#address(at + PAYLOAD),
      length: this.length(handle),
      flags: words[at + PAYLOAD + 4]! >>> 0,
      scope: words[at + PAYLOAD + 5]!,
      label: this.#readText(at, 6),
    };
  }

  setNeighbor(handle: number, neighbor: NeighborValue): void {
    const at = this.#field(handle, FIELD_NEIGHBOR);
    const words = this.words;
    words[at + IFINDEX] = neighbor.ifindex;
    words[at + ROUTE] = neighbor.family;
    for (let i = 0; i < 4; i++) words[at + PREFIX + i] = neighbor.address[i]!;
    words[at + PAYLOAD] = neighbor.state;
    words[at + PAYLOAD + 1] = neighbor.flags;
    words[at + PAYLOAD + 2] = Math.min(8, neighbor.mac.length);
    this.#writeMac(at, 3, neighbor.mac);
    words[at + PAYLOAD + 5] = neighbor.vlan;
  }

  neighbor(handle: number): NeighborValue {
    const at = this.#field(handle, FIELD_NEIGHBOR);
    const words = this.words;
    return {
      ifindex: words[at + IFINDEX]!,
      family: this.family(handle),
      address: this.#address(at + PREFIX),
      state: words[at + PAYLOAD]!,
      flags: words[at + PAYLOAD + 1]!,
      mac: this.#readMac(at, 3, words[at + PAYLOAD + 2]!),
      vlan: words[at + PAYLOAD + 5]!,
    };
  }

  /** Owner only. False where there is no slot left for the second interface name. */
  setRule(handle: number, rule: RuleValue): boolean {
    const at = this.#field(handle, FIELD_RULE);
    const words = this.words;
    if (rule.outputInterface !== '') {
      const more = this.allocate(OP_MORE);
      if (more === 0) return false;
      this.#writeText(this.#at(more), 0, rule.outputInterface);
      words[at + NEXT] = more;
    }
    words[at + TABLE] = rule.table;
    words[at + ROUTE] = rule.family | (rule.sourceLength << 8) | (rule.protocol << 16) | (rule.action << 24);
    words[at + METRIC] = rule.priority;
    words[at + COUNT] = rule.destinationLength | (rule.inverted ? 256 : 0);
    words[at + NEXTHOP_ID] = rule.mark;
    words[at + OLD_ID] = rule.markMask;
    for (let i = 0; i < 4; i++) {
      words[at + PREFIX + i] = rule.source[i]!;
      words[at + PAYLOAD + i] = rule.destination[i]!;
    }
    this.#writeText(at, 4, rule.inputInterface);
    return true;
  }

  rule(handle: number): RuleValue {
    const at = this.#field(handle, FIELD_RULE);
    const words = this.words;
    const more = words[at + NEXT]!;
    return {
      family: this.family(handle) === 2 ? 2 : 10,
      priority: words[at + METRIC]! >>> 0,
      action: words[at + ROUTE]! >>> 24,
      table: words[at + TABLE]! >>> 0,
      source: this.#address(at + PREFIX),
      sourceLength: this.length(handle),
      destination: this.#address(at + PAYLOAD),
      destinationLength: words[at + COUNT]! & 255,
      mark: words[at + NEXTHOP_ID]! >>> 0,
      markMask: words[at + OLD_ID]! >>> 0,
      inverted: (words[at + COUNT]! & 256) !== 0,
      protocol: this.protocol(handle),
      inputInterface: this.#readText(at, 4),
      outputInterface: more === 0 ? '' : this.#readText(this.#at(more), 0),
    };
  }

  // ------------------------------------------------------------------------------------------------------------------

  #at(handle: number): number {
    return (handle & this.#slotMask) << 5;
  }

  #field(handle: number, field: number): number {
    const at = (handle & this.#slotMask) << 5;
    if ((operationFields[this.words[at]! & 255]! & field) === 0) throw noField(this.words[at]! & 255, field);
    return at;
  }

  #address(at: number): readonly [number, number, number, number] {
    const words = this.words;
    return [words[at]! >>> 0, words[at + 1]! >>> 0, words[at + 2]! >>> 0, words[at + 3]! >>> 0];
  }

  #writeText(at: number, word: number, text: string): void {
    const from = at * 4 + PAYLOAD_BYTES + word * 4;
    // Interface names are bytes to the kernel, 15 at most; Latin-1 keeps them one to one.
    for (let i = 0; i < 16; i++) this.bytes[from + i] = i < 15 && i < text.length ? text.charCodeAt(i) : 0;
  }

  #readText(at: number, word: number): string {
    const from = at * 4 + PAYLOAD_BYTES + word * 4;
    let text = '';
    for (let i = 0; i < 16 && this.bytes[from + i] !== 0; i++) text += String.fromCharCode(this.bytes[from + i]!);
    return text;
  }

  /** Puts a text of any length, in Latin-1, into slots behind this one. */
  #chainText(handle: number, text: string): boolean {
    if (this.room < Math.ceil(text.length / TEXT_PER_SLOT)) return false;
    let slot = handle;
    for (let from = 0; from < text.length; from += TEXT_PER_SLOT) {
      const more = this.allocate(OP_MORE);
      const start = this.#at(more) * 4 + PAYLOAD_BYTES;
      for (let i = 0; i < TEXT_PER_SLOT; i++) this.bytes[start + i] = text.charCodeAt(from + i) || 0;
      this.setNext(slot, more);
      slot = more;
    }
    return true;
  }

  #chainedText(handle: number): string {
    let text = '';
    for (let slot = this.next(handle); slot !== 0; slot = this.next(slot)) {
      const start = this.#at(slot) * 4 + PAYLOAD_BYTES;
      for (let i = 0; i < TEXT_PER_SLOT && this.bytes[start + i] !== 0; i++)
        text += String.fromCharCode(this.bytes[start + i]!);
    }
    return text;
  }

  #writeMac(at: number, word: number, mac: Uint8Array): void {
    const from = at * 4 + PAYLOAD_BYTES + word * 4;
    for (let i = 0; i < 8; i++) this.bytes[from + i] = mac[i] ?? 0;
  }

  #readMac(at: number, word: number, length: number): Uint8Array {
    const from = at * 4 + PAYLOAD_BYTES + word * 4;
    return Uint8Array.from(this.bytes.subarray(from, from + Math.min(8, length)));
  }
}

function noField(op: number, field: number): Error {
  return new Error(`dataplane context: ${operationName(op)} has no field ${field}`);
}
