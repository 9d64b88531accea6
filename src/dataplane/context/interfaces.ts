// Links, their addresses and how they forward: few, so they are read and written as values.
import { familyOf } from '../../net/index.ts';
import { FIELD_ADDRESS, FIELD_LINK, FIELD_LINK_CHANGE, FIELD_NETCONF } from '../constants.ts';
import {
  COUNT,
  IFINDEX,
  METRIC,
  NEXTHOP_ID,
  OLD_ID,
  PART_BYTES,
  PAYLOAD,
  PREFIX,
  readMac,
  readName,
  readText,
  readWords,
  ROUTE,
  TABLE,
  type Words,
  writeMac,
  writeName,
  writeWords,
} from './layout.ts';
import { RouteContexts } from './routes.ts';

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
  readonly local: Words;
  /** The other end where there is one, else equal to `local`. */
  readonly peer: Words;
  readonly length: number;
  /** IFA_F_* */
  readonly flags: number;
  readonly scope: number;
  readonly label: string;
}

/** How an interface forwards, by family. What is absent was not told: a change tells no more than what changed. */
export interface NetconfValue {
  /** Also NETCONFA_IFINDEX_ALL and NETCONFA_IFINDEX_DEFAULT. */
  readonly ifindex: number;
  /** AF_INET, AF_INET6 or AF_MPLS. */
  readonly family: number;
  readonly forwarding?: number;
  readonly rpFilter?: number;
  readonly multicastForwarding?: number;
  readonly proxyNeighbor?: number;
  readonly ignoreRoutesWithLinkdown?: number;
  /** MPLS: labelled packets are taken. */
  readonly input?: number;
  readonly broadcastForwarding?: number;
}

const SWITCHES = [
  'forwarding',
  'rpFilter',
  'multicastForwarding',
  'proxyNeighbor',
  'ignoreRoutesWithLinkdown',
  'input',
  'broadcastForwarding',
] as const;

export class InterfaceContexts extends RouteContexts {
  /** Owner only. False where there is no slot left for its alias. */
  setLink(handle: number, link: LinkValue): boolean {
    const at = this.fieldAt(handle, FIELD_LINK);
    const words = this.words;
    words[at + IFINDEX] = link.ifindex;
    writeName(this.bytes, at + PAYLOAD, link.name);
    words[at + PAYLOAD + 4] = link.flags;
    words[at + PAYLOAD + 5] = link.mtu;
    writeMac(this.bytes, at + PAYLOAD + 6, link.mac);
    words[at + PAYLOAD + 8] = (link.mac.length & 0xff) | (link.operState << 8) | (link.hardwareType << 16);
    words[at + PAYLOAD + 9] = link.link;
    words[at + PAYLOAD + 10] = link.master;
    const { detail } = link;
    words[at + PAYLOAD + 11] = detail.kindId;
    // Words that only routes and next hops use otherwise; the kind in place of a prefix.
    writeName(this.bytes, at + PREFIX, detail.kind);
    words[at + METRIC] = detail.tunnelLocal;
    words[at + NEXTHOP_ID] = detail.tunnelRemote;
    words[at + OLD_ID] = detail.tunnelLink;
    words[at + TABLE] = detail.protoDownReasons;
    words[at + COUNT] = detail.protoDown ? 1 : 0;
    return detail.alias === '' || this.#chainText(handle, detail.alias);
  }

  link(handle: number): LinkValue {
    const at = this.fieldAt(handle, FIELD_LINK);
    const words = this.words;
    const more = words[at + PAYLOAD + 8]! >>> 0;
    return {
      ifindex: words[at + IFINDEX]!,
      name: readName(this.bytes, at + PAYLOAD),
      flags: words[at + PAYLOAD + 4]! >>> 0,
      mtu: words[at + PAYLOAD + 5]! >>> 0,
      mac: readMac(this.bytes, at + PAYLOAD + 6, more & 0xff),
      operState: (more >>> 8) & 0xff,
      hardwareType: more >>> 16,
      link: words[at + PAYLOAD + 9]!,
      master: words[at + PAYLOAD + 10]!,
      detail: {
        kind: readName(this.bytes, at + PREFIX),
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
    const at = this.fieldAt(handle, FIELD_LINK_CHANGE);
    const words = this.words;
    words[at + IFINDEX] = link.ifindex;
    words[at + PAYLOAD] = link.flags;
    words[at + PAYLOAD + 1] = link.change;
    words[at + PAYLOAD + 2] = link.mtu ?? -1;
    words[at + PAYLOAD + 3] = link.master ?? -1;
    words[at + PAYLOAD + 4] = link.mac?.length ?? 0;
    if (link.mac !== undefined) writeMac(this.bytes, at + PAYLOAD + 5, link.mac);
  }

  linkChange(handle: number): LinkChange {
    const at = this.fieldAt(handle, FIELD_LINK_CHANGE);
    const words = this.words;
    const [mtu, master, macLength] = [words[at + PAYLOAD + 2]!, words[at + PAYLOAD + 3]!, words[at + PAYLOAD + 4]!];
    return {
      ifindex: words[at + IFINDEX]!,
      flags: words[at + PAYLOAD]! >>> 0,
      change: words[at + PAYLOAD + 1]! >>> 0,
      ...(mtu < 0 ? {} : { mtu }),
      ...(master < 0 ? {} : { master }),
      ...(macLength === 0 ? {} : { mac: readMac(this.bytes, at + PAYLOAD + 5, macLength) }),
    };
  }

  setAddress(handle: number, address: AddressValue): void {
    const at = this.fieldAt(handle, FIELD_ADDRESS);
    const words = this.words;
    words[at + IFINDEX] = address.ifindex;
    words[at + ROUTE] = address.family | (address.length << 8);
    writeWords(words, at + PREFIX, address.local);
    writeWords(words, at + PAYLOAD, address.peer);
    words[at + PAYLOAD + 4] = address.flags;
    words[at + PAYLOAD + 5] = address.scope;
    writeName(this.bytes, at + PAYLOAD + 6, address.label);
  }

  address(handle: number): AddressValue {
    const at = this.fieldAt(handle, FIELD_ADDRESS);
    const words = this.words;
    return {
      ifindex: words[at + IFINDEX]!,
      family: familyOf(this.family(handle)),
      local: readWords(words, at + PREFIX),
      peer: readWords(words, at + PAYLOAD),
      length: this.length(handle),
      flags: words[at + PAYLOAD + 4]! >>> 0,
      scope: words[at + PAYLOAD + 5]!,
      label: readName(this.bytes, at + PAYLOAD + 6),
    };
  }

  setNetconf(handle: number, netconf: NetconfValue): void {
    const at = this.fieldAt(handle, FIELD_NETCONF);
    const words = this.words;
    words[at + IFINDEX] = netconf.ifindex;
    words[at + ROUTE] = netconf.family;
    let told = 0;
    for (const [i, name] of SWITCHES.entries()) {
      const value = netconf[name];
      if (value !== undefined) told |= 1 << i;
      words[at + PAYLOAD + i] = value ?? 0;
    }
    words[at + COUNT] = told;
  }

  netconf(handle: number): NetconfValue {
    const at = this.fieldAt(handle, FIELD_NETCONF);
    const told = this.words[at + COUNT]!;
    const switches: { -readonly [K in keyof NetconfValue]?: NetconfValue[K] } = {};
    for (const [i, name] of SWITCHES.entries()) {
      if ((told & (1 << i)) !== 0) switches[name] = this.words[at + PAYLOAD + i]!;
    }
    return { ...switches, ifindex: this.words[at + IFINDEX]!, family: this.family(handle) };
  }

  /** Puts a text of any length, in Latin-1, into slots behind this one. */
  #chainText(handle: number, text: string): boolean {
    if (this.room < Math.ceil(text.length / PART_BYTES)) return false;
    let slot = handle;
    for (let from = 0; from < text.length; from += PART_BYTES) {
      slot = this.insert(slot);
      const start = (this.at(slot) + PAYLOAD) * 4;
      for (let i = 0; i < PART_BYTES; i++) this.bytes[start + i] = text.charCodeAt(from + i) || 0;
    }
    return true;
  }

  #chainedText(handle: number): string {
    let text = '';
    for (let slot = this.next(handle); slot !== 0; slot = this.next(slot))
      text += readText(this.bytes, (this.at(slot) + PAYLOAD) * 4, PART_BYTES);
    return text;
  }
}
