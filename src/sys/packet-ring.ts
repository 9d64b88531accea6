// Frames of an interface through memory that the kernel shares with us (Documentation/networking/packet_mmap.rst): a ring it fills, a
// ring it empties, one system call for a vector of frames and none to receive.
//
//   receive   | kernel | ours | ours | ours | kernel |     transmit   | free | asked | asked | free | free |
//                      └── walked ──┘  ▲ next                                └─── kick ────┘  ▲ reserve
//
// TPACKET_V2: each frame has a slot and a status word of its own, so that a lone frame is seen at once. V3 hands over blocks of
// many frames, when they are full or when a timer of at least 1 ms ends, which every question and answer would wait for.
//
// Memory order. A slot is the kernel's or ours by its status word. The kernel writes the frame and then, behind a barrier, the word; we
// load the word by Atomics before we look at the frame, and store it by Atomics when we are done: what is done with the frame stays
// between the two. (ECMAScript promises that of shared buffers only, which this is not; V8 compiles Atomics on both to the same
// instructions, ordered as seq_cst, and moves no access to an array's elements past them.) One thread at a time has a ring.
import * as c from './constants.ts';
import { E } from './error.ts';
import { errno, libc } from './libc.ts';
import { type Mapping, mapMemory } from './mapping.ts';
import { PAGE_BYTES } from './memory.ts';
import {
  bindPacketSocket,
  type FanoutMode,
  interfaceIndex,
  interfaceMtu,
  joinFanout,
  openPacketSocket,
  type PacketSocketOptions,
  packetStatistics,
  SOL_PACKET,
} from './packet-socket.ts';
import { closeFd, setOption, setOptionBytes } from './socket.ts';

const PACKET_RX_RING = 5;
const PACKET_VERSION = 10;
const PACKET_TX_RING = 13;
const PACKET_TX_HAS_OFF = 19;
const TPACKET_V2 = 1;

// struct tpacket2_hdr: status, len, snaplen, mac:16 net:16, sec, nsec, vlan_tci:16 vlan_tpid:16; a struct sockaddr_ll follows.
const HEADER_BYTES = 32;
/** Two more, as the kernel has it in what it receives: what follows the Ethernet header lies at a multiple of four. */
const TRANSMIT_OFFSET = HEADER_BYTES + 2;
const LENGTH = 1;
const SNAP_LENGTH = 2;
const MAC_OFFSET_HALF = 6;
const SECONDS = 4;
const NANOSECONDS = 5;
const VLAN_TCI_HALF = 12;
const VLAN_TPID_HALF = 13;
const PACKET_TYPE_BYTE = HEADER_BYTES + 10;

const STATUS_USER = 1;
const STATUS_CHECKSUM_NOT_READY = 8;
const STATUS_VLAN_VALID = 0x10;
const STATUS_VLAN_TPID_VALID = 0x40;
const STATUS_AVAILABLE = 0;
const STATUS_SEND_REQUEST = 1;
const STATUS_WRONG_FORMAT = 4;

const ETH_P_8021Q = 0x8100;
/** An Ethernet header and a VLAN tag, which the MTU does not count. */
const LINK_HEADER_BYTES = 18;

export interface PacketRingOptions extends PacketSocketOptions {
  /** Slots of the receiving ring, 0 = none. 4096 unless told: some milliseconds, in which a thread may not be run. */
  readonly receiveFrames?: number;
  /** Slots of the transmitting ring, 0 = none. 256 unless told. */
  readonly transmitFrames?: number;
  /** Bytes of a slot, a power of two from 256 to 65536; 66 of them are headers. 2048 unless told, which does for an MTU of 1500. */
  readonly slotBytes?: number;
  /** The rings of a group share what is received: one ring for each worker. */
  readonly fanout?: { readonly group: number; readonly mode: FanoutMode };
}

export class PacketRing {
  /** Readable while a frame waits. In error (POLLERR) once after the interface went down: `socketError` takes that back. */
  readonly fd: number;
  readonly ifindex: number;
  /** Both rings; `offset` and what `reserve` returns count in it. Of length 0 after `close`. */
  readonly bytes: Uint8Array;

  /** Of the frame that `next` came to: where it begins in `bytes`. */
  offset = 0;
  length = 0;
  /** Priority and VLAN of the tag that the kernel took out of the frame; -1 where it took none. */
  vlanTci = -1;
  /** Ethertype of that tag. */
  vlanTpid = 0;
  /** Whether the TCP or UDP checksum in it is still to be made, since its sender is this machine and left it to the hardware. */
  checksumMissing = false;
  /** When it came, wall clock. */
  seconds = 0;
  nanoseconds = 0;

  /** Frames walked. */
  received = 0;
  /** Frames passed over, since they are longer than a slot (or were put together by the kernel, GRO). */
  truncated = 0;
  /** Frames the kernel took. */
  transmitted = 0;
  /** Times that `reserve` had no slot. */
  full = 0;
  /** Frames not taken, since of a length that the interface does not send. */
  refused = 0;
  /** Frames thrown away, since the interface was down or gone. */
  dropped = 0;
  /** Times that the kernel had no room for more; what was left is sent by the next `kick`. */
  congested = 0;
  /** Frames the kernel lost, since the receiving ring was full; `countLost` brings it up to date. */
  lost = 0;
  /** errno of the last `kick` that was not all taken. */
  error = 0;

  readonly #mapping: Mapping;
  readonly #words: Int32Array;
  readonly #halves: Uint16Array;
  readonly #slotBytes: number;
  #receiveFrames: number;
  #transmitFrames: number;
  readonly #transmitBase: number;
  #longest = 0;
  /** Slot that `next` looks at. */
  #cursor = 0;
  /** Slots before it that were not given back. */
  #walked = 0;
  /** Slot that `reserve` gives. */
  #head = 0;
  /** Slots before it that the kernel was not seen to take. */
  #asked = 0;
  #closed = false;

  /**
   * Opens rings on the interface `name` of this thread's network namespace. Needs CAP_NET_RAW. Throws a RangeError for sizes that
   * can not be, a SysError where the kernel refuses.
   */
  constructor(name: string, options: PacketRingOptions = {}) {
    const { receiveFrames = 4096, transmitFrames = 256, slotBytes = 2048, fanout } = options;
    if (!(slotBytes >= 256 && slotBytes <= 65_536 && (slotBytes & (slotBytes - 1)) === 0)) {
      throw new RangeError(`slots of ${slotBytes} bytes`);
    }
    const blockBytes = Math.max(slotBytes, PAGE_BYTES);
    for (const frames of [receiveFrames, transmitFrames]) {
      const whole = Number.isInteger(frames) && (frames * slotBytes) % blockBytes === 0;
      if (!whole || frames < 0 || frames * slotBytes > 2 ** 30) throw new RangeError(`a ring of ${frames} frames`);
    }
    this.ifindex = interfaceIndex(name);
    this.fd = openPacketSocket(options);
    try {
      setOption(this.fd, SOL_PACKET, PACKET_VERSION, TPACKET_V2);
      setOption(this.fd, SOL_PACKET, PACKET_TX_HAS_OFF, 1);
      for (const [option, frames] of [
        [PACKET_RX_RING, receiveFrames],
        [PACKET_TX_RING, transmitFrames],
      ] as const) {
        // struct tpacket_req
        const request = Uint32Array.of(blockBytes, (frames * slotBytes) / blockBytes, slotBytes, frames);
        if (frames > 0) setOptionBytes(this.fd, SOL_PACKET, option, new Uint8Array(request.buffer));
      }
      this.mtu = interfaceMtu(this.fd, name);
      this.#mapping = mapMemory(this.fd, (receiveFrames + transmitFrames) * slotBytes);
      try {
        bindPacketSocket(this.fd, this.ifindex, receiveFrames > 0);
        if (fanout !== undefined) joinFanout(this.fd, fanout.group, fanout.mode);
      } catch (error) {
        this.#mapping.unmap();
        throw error;
      }
    } catch (error) {
      closeFd(this.fd);
      throw error;
    }
    this.bytes = new Uint8Array(this.#mapping.buffer);
    this.#words = new Int32Array(this.#mapping.buffer);
    this.#halves = new Uint16Array(this.#mapping.buffer);
    this.#slotBytes = slotBytes;
    this.#receiveFrames = receiveFrames;
    this.#transmitFrames = transmitFrames;
    this.#transmitBase = receiveFrames * slotBytes;
    for (let slot = 0; slot < transmitFrames; slot++) {
      this.#halves[2 * this.#wordOf(slot) + MAC_OFFSET_HALF] = TRANSMIT_OFFSET;
    }
  }

  /** Tells the ring of a new MTU: `reserve` refuses what is longer, so that the kernel need not. */
  set mtu(bytes: number) {
    this.#longest = bytes + LINK_HEADER_BYTES;
  }

  /** Goes to the next frame, and fills the fields above; false where none waits. The frame stays until `release`. */
  next(): boolean {
    const words = this.#words;
    while (this.#walked < this.#receiveFrames) {
      const slot = this.#cursor * this.#slotBytes;
      const word = slot >> 2;
      const status = Atomics.load(words, word);
      if ((status & STATUS_USER) === 0) return false;
      this.#walked++;
      if (++this.#cursor === this.#receiveFrames) this.#cursor = 0;
      const length = words[word + SNAP_LENGTH]!;
      if (length !== words[word + LENGTH]) {
        this.truncated++;
        continue;
      }
      const halves = this.#halves;
      const half = slot >> 1;
      this.length = length;
      this.offset = slot + halves[half + MAC_OFFSET_HALF]!;
      this.seconds = words[word + SECONDS]!;
      this.nanoseconds = words[word + NANOSECONDS]!;
      this.checksumMissing = (status & STATUS_CHECKSUM_NOT_READY) !== 0;
      this.vlanTci = (status & STATUS_VLAN_VALID) === 0 ? -1 : halves[half + VLAN_TCI_HALF]!;
      this.vlanTpid = (status & STATUS_VLAN_TPID_VALID) === 0 ? ETH_P_8021Q : halves[half + VLAN_TPID_HALF]!;
      this.received++;
      return true;
    }
    return false;
  }

  /** sll_pkttype of the frame that `next` came to: 0 for us, 1 broadcast, 2 multicast, 3 for others, 4 outgoing. */
  get packetType(): number {
    return this.bytes[(this.offset & -this.#slotBytes) + PACKET_TYPE_BYTE]!;
  }

  /** Gives all frames back that `next` has gone through. */
  release(): void {
    const words = this.#words;
    let slot = this.#cursor - this.#walked;
    if (slot < 0) slot += this.#receiveFrames;
    for (; this.#walked > 0; this.#walked--) {
      Atomics.store(words, (slot * this.#slotBytes) >> 2, STATUS_AVAILABLE);
      if (++slot === this.#receiveFrames) slot = 0;
    }
  }

  /**
   * Where in `bytes` a frame of `length` bytes is to be written; -1 = no: there is no free slot (`full`), or the interface sends no
   * such frame (`refused`). It is sent with the others after `commit`; without, the slot is given again.
   */
  reserve(length: number): number {
    if (!(length > 0 && length <= this.#longest && length <= this.#slotBytes - TRANSMIT_OFFSET)) {
      this.refused++;
      return -1;
    }
    const slot = this.#transmitBase + this.#head * this.#slotBytes;
    const word = slot >> 2;
    if (this.#asked === this.#transmitFrames || Atomics.load(this.#words, word) !== STATUS_AVAILABLE) {
      this.full++;
      return -1;
    }
    this.#words[word + LENGTH] = length;
    return slot + TRANSMIT_OFFSET;
  }

  /** The frame that `reserve` made room for is written. */
  commit(): void {
    Atomics.store(this.#words, this.#wordOf(this.#head), STATUS_SEND_REQUEST);
    if (++this.#head === this.#transmitFrames) this.#head = 0;
    this.#asked++;
  }

  /** Has the kernel send what was committed: one system call. Frames it took; where some were left, `error` says why. */
  kick(): number {
    let taken = 0;
    // One turn, but one more for each frame that is refused.
    while (this.#asked > 0) {
      if (libc.sendto(this.fd, null, 0, c.MSG_DONTWAIT, null, 0) >= 0) {
        taken += this.#asked;
        this.#asked = 0;
        break;
      }
      const error = errno();
      if (error === E.EINTR) continue;
      this.error = error;
      taken += this.#passTaken();
      if (this.#asked === 0) break;
      if (Atomics.load(this.#words, this.#wordOf(this.#oldest())) === STATUS_WRONG_FORMAT) {
        this.#closeGap();
        this.refused++;
      } else if (error === E.ENETDOWN || error === E.ENXIO || error === E.ENODEV) {
        this.#takeBack();
        break;
      } else {
        this.congested++;
        break;
      }
    }
    this.transmitted += taken;
    return taken;
  }

  /** Asks the kernel how many frames it lost (PACKET_STATISTICS). */
  countLost(): number {
    this.lost += packetStatistics(this.fd).lost;
    return this.lost;
  }

  /** Closes socket and rings; what was not kicked is not sent. `next` finds nothing from now on, `reserve` no slot. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    // Rings of no slots: nothing is found in them, and nothing put into them.
    this.#receiveFrames = 0;
    this.#transmitFrames = 0;
    this.#walked = 0;
    this.#asked = 0;
    this.#mapping.unmap();
    closeFd(this.fd);
  }

  #wordOf(transmitSlot: number): number {
    return (this.#transmitBase + transmitSlot * this.#slotBytes) >> 2;
  }

  /** The first slot that the kernel was not seen to take. */
  #oldest(): number {
    const slot = this.#head - this.#asked;
    return slot < 0 ? slot + this.#transmitFrames : slot;
  }

  /** The kernel takes slots in their order, and stands at the first that is still asked for, or that it found wrong. */
  #passTaken(): number {
    let taken = 0;
    while (this.#asked > 0) {
      const status = Atomics.load(this.#words, this.#wordOf(this.#oldest()));
      if (status === STATUS_SEND_REQUEST || status === STATUS_WRONG_FORMAT) break;
      this.#asked--;
      taken++;
    }
    return taken;
  }

  /** The kernel does not pass a slot that it found wrong: the frames behind it move up. */
  #closeGap(): void {
    let to = this.#oldest();
    for (this.#asked--; to !== this.#head; ) {
      const from = to + 1 === this.#transmitFrames ? 0 : to + 1;
      if (from === this.#head) break;
      const target = this.#wordOf(to);
      const source = this.#wordOf(from);
      const length = this.#words[source + LENGTH]!;
      this.#words[target + LENGTH] = length;
      const begin = (source << 2) + TRANSMIT_OFFSET;
      this.bytes.copyWithin((target << 2) + TRANSMIT_OFFSET, begin, begin + length);
      Atomics.store(this.#words, target, STATUS_SEND_REQUEST);
      to = from;
    }
    Atomics.store(this.#words, this.#wordOf(to), STATUS_AVAILABLE);
    this.#head = to;
  }

  /** What nobody will send now is not to be sent later, when it is old. */
  #takeBack(): void {
    this.dropped += this.#asked;
    const first = this.#oldest();
    for (let slot = first; this.#asked > 0; this.#asked--) {
      Atomics.store(this.#words, this.#wordOf(slot), STATUS_AVAILABLE);
      if (++slot === this.#transmitFrames) slot = 0;
    }
    this.#head = first;
  }
}
