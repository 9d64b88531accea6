// ARP between a router and an Ethernet link (RFC 826, RFC 1122 §2.3.2). Packets that come in by `ip` go out of `lower` as frames to their next hop
// (PKT_NEXT_HOP, or where it is 0 their destination); IPv4 that comes in by `lower` goes out of `ip`. Requests for the node's addresses are
// answered. What waited for a neighbour that does not answer goes out of `nohost`.
import { AF_INET } from '../../net/index.ts';
import type { Node } from '../graph/node.ts';
import type { NodeType } from '../graph/type.ts';
import {
  ARP_REQUEST,
  arpOperation,
  arpSenderIp,
  arpSenderMac,
  arpTargetIp,
  writeArpReply,
  writeArpRequest,
} from '../lib/arp.ts';
import { ETHERTYPE_ARP, ETHERTYPE_IP, read16, read32 } from '../lib/ip.ts';
import { ipv4 } from '../message/form.ts';
import { PKT_DATA, PKT_LENGTH, PKT_NEXT_HOP } from '../packet/packets.ts';
import { type DataContext, DROP } from '../worker/half.ts';
import type { DataHook } from '../worker/node.ts';
import type { Neighbor } from './lib/neighbors.ts';
import { ResolverControl, resolverMessages } from './lib/resolver-control.ts';
import { ANSWERED, CONFLICTS, ETHER_HEADER, RESOLVER_COUNTERS, ResolverData, sameMac } from './lib/resolver-data.ts';

/** RFC 1122 §2.3.2.1: of the order of a minute. */
const REACHABLE_MS = 60_000;
const BROADCAST: Uint8Array = new Uint8Array(6).fill(255);

class ArpControl extends ResolverControl {
  constructor(node: Node) {
    super(node, AF_INET);
  }
}

class ArpData extends ResolverData {
  readonly #group: Uint8Array = Uint8Array.of(1, 0, 0x5e, 0, 0, 0);

  constructor(node: DataContext) {
    super(node, ETHERTYPE_IP, REACHABLE_MS, false);
  }

  protected override outgoing(handles: Int32Array, count: number, lower: DataHook): void {
    const { words, bytes } = this.node.packets;
    let good = 0;
    for (let i = 0; i < count; i++) {
      const handle = handles[i]!;
      if (words[handle + PKT_LENGTH]! < 20) {
        this.node.drop(handle, DROP.malformed);
        continue;
      }
      const at = words[handle + PKT_DATA]! + 16;
      const to = words[handle + PKT_NEXT_HOP]! || read32(bytes, at) | 0;
      const first = to >>> 24;
      if (first < 224) {
        if (this.toNeighbor(handle, to, 0, 0, 0)) handles[good++] = handle;
      } else if (this.frame(handle, first < 240 ? this.#groupOf(to) : BROADCAST)) handles[good++] = handle;
    }
    lower.pass(good);
  }

  protected override incoming(handle: number, at: number, length: number): boolean {
    const { bytes } = this.node.packets;
    const type = read16(bytes, at + 12);
    if (type === ETHERTYPE_IP) return true;
    if (type !== ETHERTYPE_ARP) this.node.drop(handle, DROP.filtered);
    else if (this.#arp(bytes, at + ETHER_HEADER, length - ETHER_HEADER)) this.node.packets.release(handle);
    else this.node.drop(handle, DROP.malformed);
    return false;
  }

  protected override question(at: number, neighbor: Neighbor, alone: boolean): number {
    const { bytes } = this.node.packets;
    const length = writeArpRequest(bytes, at, this.mac, this.addresses[0]?.[0] ?? 0, neighbor.w0 >>> 0);
    if (alone) for (let i = 0; i < 6; i++) bytes[at + i] = neighbor.mac[i]!;
    return length;
  }

  /** RFC 826, packet reception. False: it is no ARP for IPv4 over Ethernet. */
  #arp(bytes: Uint8Array, at: number, length: number): boolean {
    const operation = arpOperation(bytes, at, length);
    const mac = arpSenderMac(at);
    if (operation < 0 || (bytes[mac]! & 1) !== 0) return false;
    const sender = arpSenderIp(bytes, at) | 0;
    const target = arpTargetIp(bytes, at) | 0;
    const first = sender >>> 24;
    const forUs = this.ready && this.isOwn(target, 0, 0, 0);
    if (sender !== 0 && this.isOwn(sender, 0, 0, 0)) {
      // Somebody else has our address (RFC 5227 §2.4), and is not to be believed.
      if (!sameMac(this.mac, bytes, mac)) this.count(CONFLICTS);
      return true;
    }
    if (first !== 0 && first !== 127 && first < 224) {
      const known = this.table.find(sender, 0, 0, 0) ?? (forUs ? this.table.add(sender, 0, 0, 0) : undefined);
      if (known) this.learn(known, bytes, mac, true);
    }
    if (!forUs || operation !== ARP_REQUEST) return true;
    const answer = this.blank();
    if (answer === 0) return true;
    this.count(ANSWERED);
    const to = this.node.packets.words[answer + PKT_DATA]!;
    this.sendBlank(answer, writeArpReply(bytes, to, this.mac, target >>> 0, bytes, at));
    return true;
  }

  /** RFC 1112 §6.4. */
  #groupOf(address: number): Uint8Array {
    const group = this.#group;
    group[3] = (address >>> 16) & 0x7f;
    group[4] = address >>> 8;
    group[5] = address;
    return group;
  }
}

export const arp: NodeType = {
  name: 'arp',
  cookie: 1764288008,
  messages: resolverMessages(ipv4),
  control: ArpControl,
  data: ArpData,
  counters: RESOLVER_COUNTERS,
};
