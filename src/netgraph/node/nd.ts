// Neighbor Discovery between a router and an Ethernet link (RFC 4861 §7): what arp.ts is for IPv4. The link has to let frames for the
// solicited-node groups of the node's addresses through (`addmulti` of an ether node).
import { AF_INET6 } from '../../net/index.ts';
import type { Node } from '../graph/node.ts';
import type { NodeType } from '../graph/type.ts';
import { set6 } from '../lib/checksum.ts';
import { ETHERTYPE_IPV6, IPPROTO_ICMPV6, read16, read32 } from '../lib/ip.ts';
import {
  ND_ADVERT,
  ND_OVERRIDE,
  ND_ROUTER,
  ND_SOLICITED,
  ndFlags,
  ndLinkLayer,
  ndMessage,
  ndTarget,
  writeNeighborAdvert,
  writeNeighborSolicit,
} from '../lib/nd.ts';
import { ipv6 } from '../message/form.ts';
import { PKT_DATA, PKT_FLAG_NEXT_HOP6, PKT_FLAGS, PKT_LENGTH, PKT_NEXT_HOP } from '../packet/packets.ts';
import { type DataContext, DROP } from '../worker/half.ts';
import type { DataHook } from '../worker/node.ts';
import { INCOMPLETE, type Neighbor, REACHABLE } from './lib/neighbors.ts';
import { ResolverControl, resolverMessages } from './lib/resolver-control.ts';
import { ANSWERED, ETHER_HEADER, RESOLVER_COUNTERS, ResolverData, sameMac } from './lib/resolver-data.ts';

/** REACHABLE_TIME, RFC 4861 §10. */
const REACHABLE_MS = 30_000;
/** Router solicitation to redirect. */
const FIRST_TYPE = 133;
const LAST_TYPE = 137;

class NdControl extends ResolverControl {
  constructor(node: Node) {
    super(node, AF_INET6);
  }
}

class NdData extends ResolverData {
  readonly #group: Uint8Array = Uint8Array.of(0x33, 0x33, 0, 0, 0, 0);
  readonly #source: Uint8Array = new Uint8Array(16);
  readonly #target: Uint8Array = new Uint8Array(16);

  constructor(node: DataContext) {
    super(node, ETHERTYPE_IPV6, REACHABLE_MS, true);
  }

  protected override outgoing(handles: Int32Array, count: number, lower: DataHook): void {
    const { words, bytes } = this.node.packets;
    let good = 0;
    for (let i = 0; i < count; i++) {
      const handle = handles[i]!;
      if (words[handle + PKT_LENGTH]! < 40) {
        this.node.drop(handle, DROP.malformed);
        continue;
      }
      const at = words[handle + PKT_DATA]! + 24;
      let go: boolean;
      if ((words[handle + PKT_FLAGS]! & PKT_FLAG_NEXT_HOP6) !== 0) {
        const hop = handle + PKT_NEXT_HOP;
        go = this.toNeighbor(handle, words[hop]!, words[hop + 1]!, words[hop + 2]!, words[hop + 3]!);
      } else if (bytes[at] === 255) {
        for (let j = 0; j < 4; j++) this.#group[2 + j] = bytes[at + 12 + j]!; // RFC 2464 §7
        go = this.frame(handle, this.#group);
      } else {
        go = this.toNeighbor(
          handle,
          read32(bytes, at) | 0,
          read32(bytes, at + 4) | 0,
          read32(bytes, at + 8) | 0,
          read32(bytes, at + 12) | 0,
        );
      }
      if (go) handles[good++] = handle;
    }
    lower.pass(good);
  }

  protected override incoming(handle: number, at: number, length: number): boolean {
    const { bytes } = this.node.packets;
    if (read16(bytes, at + 12) !== ETHERTYPE_IPV6) {
      this.node.drop(handle, DROP.filtered);
      return false;
    }
    const ip = at + ETHER_HEADER;
    const size = length - ETHER_HEADER;
    // The link's own business ends here, whatever it is.
    if (size < 41 || bytes[ip + 6] !== IPPROTO_ICMPV6) return true;
    if (bytes[ip + 40]! < FIRST_TYPE || bytes[ip + 40]! > LAST_TYPE) return true;
    const message = ndMessage(bytes, ip, size);
    if (message < 0) {
      this.node.drop(handle, DROP.filtered);
      return false;
    }
    const target = ndTarget(ip);
    if (message === ND_ADVERT) this.#advertised(bytes, ip, size, target);
    else this.#solicited(bytes, ip, size, target);
    this.node.packets.release(handle);
    return false;
  }

  protected override question(at: number, neighbor: Neighbor, alone: boolean): number {
    const { bytes } = this.node.packets;
    const own = this.addresses.find(([w0]) => (w0 & 0xffc00000) >>> 0 === 0xfe800000) ?? this.addresses[0];
    const source = new DataView(this.#source.buffer);
    own?.forEach((word, i) => source.setUint32(4 * i, word));
    const target = new DataView(this.#target.buffer);
    target.setInt32(0, neighbor.w0);
    target.setInt32(4, neighbor.w1);
    target.setInt32(8, neighbor.w2);
    target.setInt32(12, neighbor.w3);
    const length = writeNeighborSolicit(bytes, at, this.mac, this.#source, this.#target, 0);
    if (alone) {
      // §7.3.3: to the neighbour, not to the group.
      for (let i = 0; i < 6; i++) bytes[at + i] = neighbor.mac[i]!;
      for (let i = 0; i < 16; i++) bytes[at + ETHER_HEADER + 24 + i] = this.#target[i]!;
      set6(bytes, at + ETHER_HEADER, length - ETHER_HEADER);
    }
    return length;
  }

  /** §7.2.3, §7.2.4. */
  #solicited(bytes: Uint8Array, ip: number, size: number, target: number): void {
    if (!this.ready || !this.#isOwnAt(bytes, target)) return;
    const link = ndLinkLayer(bytes, ip, size);
    if (link >= 0) {
      const from = this.#at(bytes, ip + 8) ?? this.#addAt(bytes, ip + 8);
      if (from) this.learn(from, bytes, link, false);
    }
    const answer = this.blank();
    if (answer === 0) return;
    this.count(ANSWERED);
    const to = this.node.packets.words[answer + PKT_DATA]!;
    this.sendBlank(answer, writeNeighborAdvert(bytes, to, this.mac, ND_ROUTER | ND_OVERRIDE, bytes, ip, size));
  }

  /** §7.2.5. */
  #advertised(bytes: Uint8Array, ip: number, size: number, target: number): void {
    if (this.#isOwnAt(bytes, target)) return;
    const flags = ndFlags(bytes, ip);
    const sure = (flags & ND_SOLICITED) !== 0;
    const link = ndLinkLayer(bytes, ip, size);
    // It may be another worker that has asked, so what answers us is learned.
    const known = this.#at(bytes, target) ?? (sure && link >= 0 ? this.#addAt(bytes, target) : undefined);
    if (!known) return;
    if (known.state === INCOMPLETE) {
      if (link >= 0) this.learn(known, bytes, link, sure);
      return;
    }
    const same = link < 0 || sameMac(known.mac, bytes, link);
    if (!same && (flags & ND_OVERRIDE) === 0) {
      // Who is right is asked when it is needed.
      if (known.state === REACHABLE) known.at = this.node.now();
      this.due = Math.min(this.due, known.at);
      return;
    }
    if (link >= 0) this.learn(known, bytes, link, sure);
    else if (sure) this.learn(known, known.mac, 0, true);
  }

  #isOwnAt(bytes: Uint8Array, at: number): boolean {
    return this.isOwn(
      read32(bytes, at) | 0,
      read32(bytes, at + 4) | 0,
      read32(bytes, at + 8) | 0,
      read32(bytes, at + 12) | 0,
    );
  }

  #at(bytes: Uint8Array, at: number): Neighbor | undefined {
    return this.find([read32(bytes, at), read32(bytes, at + 4), read32(bytes, at + 8), read32(bytes, at + 12)]);
  }

  #addAt(bytes: Uint8Array, at: number): Neighbor | undefined {
    return this.add([read32(bytes, at), read32(bytes, at + 4), read32(bytes, at + 8), read32(bytes, at + 12)]);
  }
}

export const nd: NodeType = {
  name: 'nd',
  cookie: 1764288009,
  messages: resolverMessages(ipv6),
  control: NdControl,
  data: NdData,
  counters: RESOLVER_COUNTERS,
};
