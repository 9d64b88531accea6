// A context is one change on its way, or one event: a snapshot of all that its operation needs, in 128 bytes of shared
// memory. It refers to nothing, so no thread ever looks into another's objects.
//
//    word 0        1         2       3           4    5      6                          7–10          11
//    ┌────────────┬─────────┬───────┬───────────┬────┬──────┬──────────────────────────┬─────────────┬────────┐
//    │op st flags │sequence │object │generation │netns│table│family length proto type  │prefix words │metric  │
//    ├────────────┼─────────┼───────┼───────────┼────┴──────┼──────────┬────────┬──────┴─────────────┴────────┤
//    │nexthop id  │ old id  │ifindex│ errno     │ provider  │ count    │ next   │ entered (µs)                │
//    ├────────────┴─────────┴───────┴───────────┴───────────┴──────────┴────────┴─────────────────────────────┤
//    │ payload, 12 words: a path and its encap │ up to 6 group members │ a link │ an address │ a rule …        │
//    └────────────────────────────────────────────────────────────────────────────────────────────────────────┘
//
// What does not fit is chained over `next` in slots of the same pool. `object` and `generation` are the owner's identity of
// what the result is about; the dataplane carries them and never looks.
//
// Accessors take a handle and check that the operation has the field: reading a gateway out of a LINK is our bug, and throws.
// They are methods over one Int32Array, so V8 inlines them to an indexed access. They are many, so they are a class in
// storeys, by what they are about: context/slots.ts, context/routes.ts, context/interfaces.ts, and here neighbours, bridges'
// forwarding entries, rules and multicast.
import { familyOf } from '../net/index.ts';
import { FIELD_FDB, FIELD_MULTICAST, FIELD_NEIGHBOR, FIELD_RULE } from './constants.ts';
import { InterfaceContexts } from './context/interfaces.ts';
import {
  COUNT,
  IFINDEX,
  METRIC,
  NEXTHOP_ID,
  OLD_ID,
  PAYLOAD,
  PREFIX,
  readMac,
  readName,
  readWords,
  ROUTE,
  TABLE,
  type Words,
  writeMac,
  writeName,
  writeWords,
} from './context/layout.ts';

export { CONTEXT_BYTES } from './context/layout.ts';
export {
  type AddressValue,
  type LinkChange,
  type LinkDetail,
  type LinkValue,
  type NetconfValue,
  NO_DETAIL,
} from './context/interfaces.ts';

export interface NeighborValue {
  readonly ifindex: number;
  readonly family: number;
  readonly address: Words;
  /** NUD_* */
  readonly state: number;
  /** NTF_* */
  readonly flags: number;
  /** NTF_EXT_* */
  readonly extendedFlags: number;
  readonly mac: Uint8Array;
  /** RTPROT_* of who made it, or 0. */
  readonly protocol: number;
}

/** An entry of a bridge's forwarding table, or of a VXLAN device's. 0 stands for what it does not say. */
export interface FdbValue {
  /** The port, or the device whose own table it is. */
  readonly ifindex: number;
  readonly mac: Uint8Array;
  readonly vlan: number;
  /** NUD_*: NUD_PERMANENT is the bridge's own, NUD_NOARP is static. */
  readonly state: number;
  /** NTF_* */
  readonly flags: number;
  /** NTF_EXT_* */
  readonly extendedFlags: number;
  /** RTPROT_* of who made it. */
  readonly protocol: number;
  /** ifindex of the bridge. */
  readonly master: number;
  /** The tunnel end that has the MAC: AF_INET, AF_INET6, or 0 where there is none. */
  readonly tunnelFamily: number;
  readonly tunnel: Words;
  /** UDP port, VNI and interface towards the tunnel end, where not the device's own. */
  readonly port: number;
  readonly vni: number;
  readonly viaIfindex: number;
  /** The VNI that the entry belongs to, where the device has several. */
  readonly sourceVni: number;
  /** A nexthop object with the tunnel ends, instead of one. */
  readonly nexthopId: number;
}

/** Both ends belong to it. */
export interface RuleRange {
  readonly start: number;
  readonly end: number;
}

export interface RuleValue {
  readonly family: 2 | 10;
  readonly priority: number;
  /** FR_ACT_* */
  readonly action: number;
  readonly table: number;
  readonly source: Words;
  readonly sourceLength: number;
  readonly destination: Words;
  readonly destinationLength: number;
  readonly mark: number;
  readonly markMask: number;
  readonly inverted: boolean;
  readonly protocol: number;
  readonly inputInterface: string;
  readonly outputInterface: string;
  readonly tos?: number;
  /** The six bits of DSCP, where the kernel has it; then no `tos`. */
  readonly dscp?: number;
  /** IPPROTO_* of the packet. */
  readonly ipProtocol?: number;
  readonly sourcePorts?: RuleRange;
  readonly destinationPorts?: RuleRange;
  readonly uids?: RuleRange;
  /** FR_ACT_GOTO: the priority to go on at. */
  readonly goto?: number;
  /** A route found with no longer prefix does not count. */
  readonly suppressPrefixLength?: number;
  /** Nor does one out of an interface of this group. */
  readonly suppressGroup?: number;
  /** Not 0: the table is that of the VRF that the packet's interface is in, and `table` 0. */
  readonly l3mdev?: number;
  /** Up to 2^53. */
  readonly tunnelId?: number;
}

/** What a multicast route is asked for. */
export interface MulticastQuery {
  readonly family: 2 | 10;
  /** All zeroes: any. */
  readonly source: Words;
  readonly group: Words;
  /** 0: the one that daemons use which ask for none. */
  readonly table: number;
}

/** What the kernel answered. Counts are exact up to 2^53. */
export interface MulticastUse {
  readonly inputIfindex: number;
  readonly packets: number;
  readonly bytes: number;
  /** Packets that came in by another interface. */
  readonly wrongInterface: number;
  /** Time since a packet used it, in hundredths of a second. */
  readonly idle: number;
}

/** What a rule has that few have, by the bit that says so; and where: those from LATER on in the slot behind. */
const HAS_TOS = 1 << 16;
const HAS_DSCP = 1 << 17;
const HAS_IP_PROTOCOL = 1 << 18;
const HAS_SOURCE_PORTS = 1 << 19;
const HAS_DESTINATION_PORTS = 1 << 20;
const HAS_SUPPRESS_LENGTH = 1 << 21;
const HAS_L3MDEV = 1 << 22;
const HAS_GOTO = 1 << 23;
const HAS_SUPPRESS_GROUP = 1 << 24;
const HAS_UIDS = 1 << 25;
const HAS_TUNNEL_ID = 1 << 26;
const HAS_OUTPUT = 1 << 27;
const LATER: number = HAS_GOTO | HAS_SUPPRESS_GROUP | HAS_UIDS | HAS_TUNNEL_ID | HAS_OUTPUT;
const INVERTED = 1 << 8;

function ruleParts(rule: RuleValue): number {
  const has = (value: unknown, bit: number): number => (value === undefined ? 0 : bit);
  return (
    has(rule.tos, HAS_TOS) |
    has(rule.dscp, HAS_DSCP) |
    has(rule.ipProtocol, HAS_IP_PROTOCOL) |
    has(rule.sourcePorts, HAS_SOURCE_PORTS) |
    has(rule.destinationPorts, HAS_DESTINATION_PORTS) |
    has(rule.suppressPrefixLength, HAS_SUPPRESS_LENGTH) |
    has(rule.l3mdev, HAS_L3MDEV) |
    has(rule.goto, HAS_GOTO) |
    has(rule.suppressGroup, HAS_SUPPRESS_GROUP) |
    has(rule.uids, HAS_UIDS) |
    has(rule.tunnelId, HAS_TUNNEL_ID) |
    (rule.outputInterface === '' ? 0 : HAS_OUTPUT)
  );
}

const NO_RANGE: RuleRange = { start: 0, end: 0 };
const HIGH = 2 ** 32;

export class ContextPool extends InterfaceContexts {
  setNeighbor(handle: number, neighbor: NeighborValue): void {
    const at = this.fieldAt(handle, FIELD_NEIGHBOR);
    const words = this.words;
    words[at + IFINDEX] = neighbor.ifindex;
    words[at + ROUTE] = neighbor.family | (neighbor.protocol << 16);
    writeWords(words, at + PREFIX, neighbor.address);
    words[at + PAYLOAD] = neighbor.state;
    words[at + PAYLOAD + 1] = neighbor.flags;
    words[at + PAYLOAD + 2] = Math.min(8, neighbor.mac.length);
    writeMac(this.bytes, at + PAYLOAD + 3, neighbor.mac);
    words[at + PAYLOAD + 5] = neighbor.extendedFlags;
  }

  neighbor(handle: number): NeighborValue {
    const at = this.fieldAt(handle, FIELD_NEIGHBOR);
    const words = this.words;
    return {
      ifindex: words[at + IFINDEX]!,
      family: this.family(handle),
      address: readWords(words, at + PREFIX),
      state: words[at + PAYLOAD]!,
      flags: words[at + PAYLOAD + 1]!,
      extendedFlags: words[at + PAYLOAD + 5]! >>> 0,
      mac: readMac(this.bytes, at + PAYLOAD + 3, words[at + PAYLOAD + 2]!),
      protocol: this.protocol(handle),
    };
  }

  setFdb(handle: number, fdb: FdbValue): void {
    const at = this.fieldAt(handle, FIELD_FDB);
    const words = this.words;
    words[at + IFINDEX] = fdb.ifindex;
    words[at + ROUTE] = fdb.tunnelFamily | (fdb.protocol << 16);
    writeWords(words, at + PREFIX, fdb.tunnel);
    words[at + NEXTHOP_ID] = fdb.nexthopId;
    words[at + PAYLOAD] = fdb.state | (fdb.flags << 16) | (Math.min(8, fdb.mac.length) << 24);
    writeMac(this.bytes, at + PAYLOAD + 1, fdb.mac);
    words[at + PAYLOAD + 3] = fdb.vlan | (fdb.port << 16);
    words[at + PAYLOAD + 4] = fdb.extendedFlags;
    words[at + PAYLOAD + 5] = fdb.master;
    words[at + PAYLOAD + 6] = fdb.vni;
    words[at + PAYLOAD + 7] = fdb.viaIfindex;
    words[at + PAYLOAD + 8] = fdb.sourceVni;
  }

  fdb(handle: number): FdbValue {
    const at = this.fieldAt(handle, FIELD_FDB);
    const words = this.words;
    const head = words[at + PAYLOAD]! >>> 0;
    const tag = words[at + PAYLOAD + 3]! >>> 0;
    return {
      ifindex: words[at + IFINDEX]!,
      mac: readMac(this.bytes, at + PAYLOAD + 1, head >>> 24),
      vlan: tag & 0xffff,
      state: head & 0xffff,
      flags: (head >>> 16) & 0xff,
      extendedFlags: words[at + PAYLOAD + 4]! >>> 0,
      protocol: this.protocol(handle),
      master: words[at + PAYLOAD + 5]!,
      tunnelFamily: this.family(handle),
      tunnel: readWords(words, at + PREFIX),
      port: tag >>> 16,
      vni: words[at + PAYLOAD + 6]! >>> 0,
      viaIfindex: words[at + PAYLOAD + 7]!,
      sourceVni: words[at + PAYLOAD + 8]! >>> 0,
      nexthopId: words[at + NEXTHOP_ID]! >>> 0,
    };
  }

  /** Owner only. False where there is no slot left for what few rules have. */
  setRule(handle: number, rule: RuleValue): boolean {
    const at = this.fieldAt(handle, FIELD_RULE);
    const words = this.words;
    const has = ruleParts(rule);
    if ((has & LATER) !== 0) {
      const more = this.insert(handle);
      if (more === 0) return false;
      const later = this.at(more) + PAYLOAD;
      writeName(this.bytes, later, rule.outputInterface);
      const { uids = NO_RANGE, tunnelId = 0 } = rule;
      words[later + 4] = rule.goto ?? 0;
      words[later + 5] = rule.suppressGroup ?? 0;
      words[later + 6] = uids.start;
      words[later + 7] = uids.end;
      words[later + 8] = tunnelId % HIGH;
      words[later + 9] = Math.floor(tunnelId / HIGH);
    }
    const { sourcePorts = NO_RANGE, destinationPorts = NO_RANGE } = rule;
    words[at + TABLE] = rule.table;
    words[at + ROUTE] = rule.family | (rule.sourceLength << 8) | (rule.protocol << 16) | (rule.action << 24);
    words[at + METRIC] = rule.priority;
    words[at + COUNT] = rule.destinationLength | (rule.inverted ? INVERTED : 0) | has;
    words[at + NEXTHOP_ID] = rule.mark;
    words[at + OLD_ID] = rule.markMask;
    writeWords(words, at + PREFIX, rule.source);
    writeWords(words, at + PAYLOAD, rule.destination);
    writeName(this.bytes, at + PAYLOAD + 4, rule.inputInterface);
    words[at + PAYLOAD + 8] =
      (rule.tos ?? 0) | ((rule.dscp ?? 0) << 8) | ((rule.ipProtocol ?? 0) << 16) | ((rule.l3mdev ?? 0) << 24);
    words[at + PAYLOAD + 9] = sourcePorts.start | (sourcePorts.end << 16);
    words[at + PAYLOAD + 10] = destinationPorts.start | (destinationPorts.end << 16);
    words[at + PAYLOAD + 11] = rule.suppressPrefixLength ?? 0;
    return true;
  }

  rule(handle: number): RuleValue {
    const at = this.fieldAt(handle, FIELD_RULE);
    const words = this.words;
    const has = words[at + COUNT]!;
    const numbers = words[at + PAYLOAD + 8]! >>> 0;
    const ports = (word: number): RuleRange => ({ start: word & 0xffff, end: word >>> 16 });
    return {
      family: familyOf(this.family(handle)),
      priority: words[at + METRIC]! >>> 0,
      action: words[at + ROUTE]! >>> 24,
      table: words[at + TABLE]! >>> 0,
      source: readWords(words, at + PREFIX),
      sourceLength: this.length(handle),
      destination: readWords(words, at + PAYLOAD),
      destinationLength: has & 255,
      mark: words[at + NEXTHOP_ID]! >>> 0,
      markMask: words[at + OLD_ID]! >>> 0,
      inverted: (has & INVERTED) !== 0,
      protocol: this.protocol(handle),
      inputInterface: readName(this.bytes, at + PAYLOAD + 4),
      ...((has & HAS_TOS) !== 0 && { tos: numbers & 255 }),
      ...((has & HAS_DSCP) !== 0 && { dscp: (numbers >>> 8) & 255 }),
      ...((has & HAS_IP_PROTOCOL) !== 0 && { ipProtocol: (numbers >>> 16) & 255 }),
      ...((has & HAS_L3MDEV) !== 0 && { l3mdev: numbers >>> 24 }),
      ...((has & HAS_SOURCE_PORTS) !== 0 && { sourcePorts: ports(words[at + PAYLOAD + 9]!) }),
      ...((has & HAS_DESTINATION_PORTS) !== 0 && { destinationPorts: ports(words[at + PAYLOAD + 10]!) }),
      ...((has & HAS_SUPPRESS_LENGTH) !== 0 && { suppressPrefixLength: words[at + PAYLOAD + 11]! >>> 0 }),
      ...this.#later(handle, has),
    };
  }

  /** What few rules have. */
  #later(handle: number, has: number): Pick<RuleValue, 'outputInterface'> & Partial<RuleValue> {
    if ((has & LATER) === 0) return { outputInterface: '' };
    const words = this.words;
    const at = this.at(this.next(handle)) + PAYLOAD;
    return {
      outputInterface: readName(this.bytes, at),
      ...((has & HAS_GOTO) !== 0 && { goto: words[at + 4]! >>> 0 }),
      ...((has & HAS_SUPPRESS_GROUP) !== 0 && { suppressGroup: words[at + 5]! >>> 0 }),
      ...((has & HAS_UIDS) !== 0 && { uids: { start: words[at + 6]! >>> 0, end: words[at + 7]! >>> 0 } }),
      ...((has & HAS_TUNNEL_ID) !== 0 && { tunnelId: (words[at + 8]! >>> 0) + words[at + 9]! * HIGH }),
    };
  }

  /** MULTICAST_READ: what is asked. */
  setMulticastQuery(handle: number, query: MulticastQuery): void {
    const at = this.fieldAt(handle, FIELD_MULTICAST);
    this.words[at + ROUTE] = query.family;
    this.words[at + TABLE] = query.table;
    writeWords(this.words, at + PREFIX, query.source);
    writeWords(this.words, at + PAYLOAD, query.group);
  }

  multicastQuery(handle: number): MulticastQuery {
    const at = this.fieldAt(handle, FIELD_MULTICAST);
    return {
      family: familyOf(this.family(handle)),
      source: readWords(this.words, at + PREFIX),
      group: readWords(this.words, at + PAYLOAD),
      table: this.words[at + TABLE]! >>> 0,
    };
  }

  /** What was answered: of whoever can say, for the result. */
  setMulticastUse(handle: number, use: MulticastUse): void {
    const at = this.fieldAt(handle, FIELD_MULTICAST);
    this.words[at + IFINDEX] = use.inputIfindex;
    const counts = [use.packets, use.bytes, use.wrongInterface, use.idle];
    counts.forEach((count, i) => {
      this.words[at + PAYLOAD + 4 + 2 * i] = count % HIGH;
      this.words[at + PAYLOAD + 5 + 2 * i] = Math.floor(count / HIGH);
    });
  }

  /** Of a result that was a success. */
  multicastUse(handle: number): MulticastUse {
    const at = this.fieldAt(handle, FIELD_MULTICAST);
    const count = (i: number): number =>
      (this.words[at + PAYLOAD + 4 + 2 * i]! >>> 0) + this.words[at + PAYLOAD + 5 + 2 * i]! * HIGH;
    return {
      inputIfindex: this.words[at + IFINDEX]!,
      packets: count(0),
      bytes: count(1),
      wrongInterface: count(2),
      idle: count(3),
    };
  }
}
