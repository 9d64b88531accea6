// An ether node in a worker: a ring of the interface of its own, of which the kernel fills its part of the flows (PACKET_FANOUT).
//
//   kernel ─▶ ring ── poll ──▶ lower | orphans     what came in, the VLAN tag that the kernel took out put back
//                     └──────▶ upper               a copy of what the host sends, where that is not taken from it
//   host   ◀──── TAP ─ poll, receive ─ upper       where it is (lib/upper.ts)
//   kernel ◀─ ring ◀─ receive ─ lower, orphans     one system call a vector
//
// A frame begins at 2 modulo 4 on both sides, so that words are copied as words, and the IP header behind it stands at a multiple of 4.
import {
  addToEpoll,
  FrameCopy,
  interfaceAddress,
  interfaceMtu,
  interfaceName,
  type PacketRing,
  type PacketRingMemory,
  setOption,
  setTapQueue,
  socketError,
  TapPort,
  workPacketRing,
} from '../../../sys/index.ts';
import { set4, set6 } from '../../lib/checksum.ts';
import { ETHERTYPE_ARP, ETHERTYPE_IP, ETHERTYPE_IPV6, read16, write16 } from '../../lib/ip.ts';
import { PKT_DATA, PKT_FLAG_MULTICAST, PKT_FLAGS, PKT_INTERFACE, PKT_LENGTH } from '../../packet/packets.ts';
import { DataHalf, DROP } from '../../worker/half.ts';
import type { DataHook } from '../../worker/node.ts';
import type { UpperPort } from './upper.ts';

export interface EtherConfig {
  /** By worker; without one: attached to nothing, or no hook to send to. */
  readonly rings: readonly (PacketRingMemory | undefined)[];
  /** PACKET_FANOUT group. */
  readonly group: number;
  /** By worker, where the host is behind `upper`. */
  readonly uppers: readonly UpperPort[];
  readonly autosrc: boolean;
}

/** What a worker says when its ring finds that the interface is down or gone. */
export interface EtherTold {
  readonly errno: number;
}

export const ETHER_COUNTERS: readonly string[] = ['received', 'transmitted', 'lost', 'truncated', 'fromHost', 'toHost'];
const RECEIVED = 0;
const TRANSMITTED = 1;
const LOST = 2;
const TRUNCATED = 3;
const FROM_HOST = 4;
const TO_HOST = 5;

const HEADER = 14;
const TAG = 4;
const ETHERTYPE_VLAN = 0x8100;
const ETHERTYPE_SERVICE_VLAN = 0x88a8;
const OUTGOING = 4;
const SOL_PACKET = 263;
const PACKET_IGNORE_OUTGOING = 23;
/** Milliseconds between two looks at what the kernel counts, and at the interface's MTU and address. */
const LOOK_MS = 1000;
/** The kernel had no room for what was to be sent: it is asked again. */
const AGAIN_MS = 1;

export class EtherData extends DataHalf<EtherConfig> {
  override source = false;
  override dear = false;
  #ring: PacketRing | undefined;
  #in: FrameCopy | undefined;
  #out: FrameCopy | undefined;
  #lower: DataHook | undefined;
  #upper: DataHook | undefined;
  #orphans: DataHook | undefined;
  /** Where the host is, behind `upper`. */
  #host: TapPort | undefined;
  #autosrc = false;
  #mtu = 0;
  #address: Uint8Array = new Uint8Array(6);
  #looked = 0;
  #errorLooked = 0;

  override configure({ rings, group, uppers, autosrc }: EtherConfig): void {
    this.#autosrc = autosrc;
    const memory = rings[this.node.worker];
    if (memory?.fd !== this.#ring?.fd) {
      this.#leave();
      if (memory) this.#work(memory, group);
    }
    const upper = uppers[this.node.worker];
    if (upper?.tap !== this.#host?.fd) {
      this.#host = upper && new TapPort(upper.tap, this.node.packets.bytes);
      // A predecessor's was taken from it.
      if (upper && this.node.workers > 1) setTapQueue(upper.tap, true);
    }
    this.fd = this.#ring?.fd ?? -1;
    if (upper && this.#ring) {
      addToEpoll(upper.epoll, this.#ring.fd);
      this.fd = upper.epoll;
    }
    this.source = this.#ring !== undefined;
    this.dear = this.#host !== undefined;
    this.#find();
    if (this.#ring) this.#look();
  }

  override hookAdded(): void {
    this.#find();
  }

  override hookRemoved(): void {
    this.#find();
  }

  override poll(budget: number): number {
    const ring = this.#ring!;
    const { packets } = this.node;
    let found = 0;
    while (found < budget) {
      // Without a packet for it, it waits in the ring.
      const handle = packets.allocate();
      if (handle === 0) break;
      if (!ring.next()) {
        packets.release(handle);
        break;
      }
      found++;
      const to = this.#receiver(ring);
      if (to === undefined) packets.release(handle);
      else if (this.#take(ring, handle)) to.send(handle);
      else this.node.drop(handle, DROP.tooBig);
    }
    if (found > 0) {
      ring.release();
      const { counts } = this.node;
      counts[RECEIVED] = counts[RECEIVED]! + found;
      // A busy graph reads its clock once a round, so this is cheap.
      if (this.due === Number.POSITIVE_INFINITY) this.due = this.node.now() + LOOK_MS;
    } else this.#lookForError();
    return this.#host === undefined ? found : found + this.#hear(this.#host, budget - found);
  }

  /** Brings what the host sends. */
  #hear(host: TapPort, budget: number): number {
    const { packets } = this.node;
    const { words, bytes } = packets;
    const longest = packets.maxBytes - 2;
    let found = 0;
    while (found < budget) {
      const handle = packets.allocate();
      if (handle === 0) break;
      const data = words[handle + PKT_DATA]! + 2;
      const length = host.read(data, longest);
      if (length <= 0) {
        packets.release(handle);
        break;
      }
      found++;
      words[handle + PKT_DATA] = data;
      words[handle + PKT_LENGTH] = length;
      words[handle + PKT_FLAGS] = (bytes[data]! & 1) === 0 ? 0 : PKT_FLAG_MULTICAST;
      if (this.#upper === undefined) this.node.drop(handle, DROP.notConnected);
      // What fills all the room may have been cut.
      else if (length === longest) this.node.drop(handle, DROP.tooBig);
      else this.#upper.send(handle);
    }
    const { counts } = this.node;
    counts[FROM_HOST] = counts[FROM_HOST]! + found;
    return found;
  }

  /** Has the host receive them. */
  #tellHost(host: TapPort, handles: Int32Array, count: number): void {
    const { packets, counts } = this.node;
    const { words } = packets;
    for (let i = 0; i < count; i++) {
      const handle = handles[i]!;
      const length = words[handle + PKT_LENGTH]!;
      if (length < HEADER) this.node.drop(handle, DROP.malformed);
      else if (host.write(words[handle + PKT_DATA]!, length)) {
        counts[TO_HOST] = counts[TO_HOST]! + 1;
        packets.release(handle);
      } else this.node.drop(handle, DROP.refused);
    }
  }

  override receive(hook: DataHook, handles: Int32Array, count: number): void {
    const ring = this.#ring;
    const { packets } = this.node;
    if (hook === this.#upper && this.#host !== undefined) {
      this.#tellHost(this.#host, handles, count);
      return;
    }
    if (hook === this.#upper || ring === undefined) {
      this.node.dropMany(handles, count, hook === this.#upper ? DROP.refused : DROP.notConnected);
      return;
    }
    const { words, bytes } = packets;
    const copy = this.#out!;
    const address = this.#address;
    const autosrc = this.#autosrc;
    const longest = this.#mtu + HEADER + TAG;
    for (let i = 0; i < count; i++) {
      const handle = handles[i]!;
      const length = words[handle + PKT_LENGTH]!;
      const data = words[handle + PKT_DATA]!;
      if (length < HEADER) {
        this.node.drop(handle, DROP.malformed);
        continue;
      }
      if (length > longest) {
        this.node.drop(handle, DROP.tooBig);
        continue;
      }
      let at = ring.reserve(length);
      if (at < 0) {
        ring.kick();
        at = ring.reserve(length);
        if (at < 0) {
          this.node.drop(handle, DROP.refused);
          continue;
        }
      }
      if (autosrc) for (let j = 0; j < 6; j++) bytes[data + 6 + j] = address[j]!;
      copy.copy(data, at, length);
      ring.commit();
      packets.release(handle);
    }
    this.#kick(ring);
  }

  override timer(now: number): void {
    if (this.#ring === undefined) return;
    this.#kick(this.#ring);
    if (now - this.#looked >= LOOK_MS) this.#look();
  }

  override close(): void {
    this.#leave();
  }

  #kick(ring: PacketRing): void {
    const { dropped, refused, congested } = ring;
    const taken = ring.kick();
    const { counts } = this.node;
    counts[TRANSMITTED] = counts[TRANSMITTED]! + taken;
    for (let lost = ring.dropped + ring.refused - dropped - refused; lost > 0; lost--) this.node.miss(DROP.refused);
    if (ring.congested !== congested) this.due = this.node.now() + AGAIN_MS;
  }

  /** Where the frame goes that the ring stands at. */
  #receiver(ring: PacketRing): DataHook | undefined {
    if (ring.packetType === OUTGOING) return this.#upper;
    if (this.#lower !== undefined) return this.#lower;
    return this.#orphans !== undefined && isOrphan(ring.bytes, ring.offset + 12) ? this.#orphans : undefined;
  }

  /** The ring's frame into the packet; false where it is too long for one. */
  #take(ring: PacketRing, handle: number): boolean {
    const { packets } = this.node;
    const { words, bytes } = packets;
    const data = words[handle + PKT_DATA]! + 2;
    const tag = ring.vlanTci < 0 ? 0 : TAG;
    const length = ring.length + tag;
    if (length + 2 > packets.maxBytes) return false;
    this.#in!.copy(ring.offset, data + tag, ring.length);
    if (tag > 0) {
      for (let i = 0; i < 12; i++) bytes[data + i] = bytes[data + tag + i]!;
      write16(bytes, data + 12, ring.vlanTpid);
      write16(bytes, data + 14, ring.vlanTci);
    }
    words[handle + PKT_DATA] = data;
    words[handle + PKT_LENGTH] = length;
    words[handle + PKT_INTERFACE] = ring.ifindex;
    words[handle + PKT_FLAGS] = (bytes[data]! & 1) === 0 ? 0 : PKT_FLAG_MULTICAST;
    // A sender on this machine left it to a device, and there is none on the way.
    if (ring.checksumMissing) complete(bytes, data, length);
    return true;
  }

  #find(): void {
    this.#lower = this.node.hook('lower') ?? this.node.hook('divert');
    this.#orphans = this.node.hook('orphans');
    const upper = this.node.hook('upper');
    const ring = this.#ring;
    const copies = upper !== undefined && this.#host === undefined;
    if (ring) setOption(ring.fd, SOL_PACKET, PACKET_IGNORE_OUTGOING, copies ? 0 : 1);
    this.#upper = upper;
  }

  #work(memory: PacketRingMemory, group: number): void {
    const { workers, packets } = this.node;
    const ring = workPacketRing(memory, workers > 1 ? { group, mode: 'flow' } : undefined);
    this.#ring = ring;
    this.#in = new FrameCopy(ring.bytes, packets.bytes);
    this.#out = new FrameCopy(packets.bytes, ring.bytes);
  }

  #leave(): void {
    this.#ring?.leave();
    this.#ring = undefined;
    this.#in = undefined;
    this.#out = undefined;
  }

  /** What the kernel has counted, and how the interface is now. */
  #look(): void {
    const ring = this.#ring!;
    this.#looked = this.node.now();
    const { counts } = this.node;
    const { lost, truncated } = ring;
    counts[LOST] = counts[LOST]! + ring.countLost() - lost;
    counts[TRUNCATED] = truncated;
    try {
      const name = interfaceName(ring.fd, ring.ifindex);
      this.#mtu = interfaceMtu(ring.fd, name);
      this.#address = interfaceAddress(ring.fd, name).address;
      ring.mtu = this.#mtu;
    } catch {
      this.#lookForError();
    }
  }

  /** A ring of an interface that went down is readable, and nothing is in it. */
  #lookForError(): void {
    const now = this.node.now();
    if (now === this.#errorLooked) return;
    this.#errorLooked = now;
    const errno = socketError(this.#ring!.fd);
    if (errno !== 0) this.node.tell({ errno } satisfies EtherTold);
  }
}

/** Whether the host knows nothing of the ethertype: not IPv4, IPv6, ARP or a VLAN's. `at` is where it stands. */
function isOrphan(bytes: Uint8Array, at: number): boolean {
  const type = read16(bytes, at);
  return !(
    type === ETHERTYPE_IP ||
    type === ETHERTYPE_IPV6 ||
    type === ETHERTYPE_ARP ||
    type === ETHERTYPE_VLAN ||
    type === ETHERTYPE_SERVICE_VLAN
  );
}

/** Makes the TCP, UDP or ICMP checksum of the frame. */
function complete(bytes: Uint8Array, data: number, length: number): void {
  let at = HEADER;
  let type = read16(bytes, data + 12);
  while ((type === ETHERTYPE_VLAN || type === ETHERTYPE_SERVICE_VLAN) && at + TAG <= length) {
    type = read16(bytes, data + at + 2);
    at += TAG;
  }
  if (type === ETHERTYPE_IP) set4(bytes, data + at, length - at);
  else if (type === ETHERTYPE_IPV6) set6(bytes, data + at, length - at);
}
