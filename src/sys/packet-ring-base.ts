// What rings of both versions have in common (packet-ring.ts), and all of transmission. The kernel's header of a frame has the same
// fields in both versions, in another order; where each stands is the layout.
//
//   slot to transmit   | header of TPACKET | virtio_net_hdr | frame ...      the frame, as in what is received, at 2 modulo 4
//
// The kernel would take what follows the Ethernet header as a piece of our page, and then, since no receiver may keep that, allocate a page
// and copy it (skb_copy_ubufs): a third of what it does for a short frame. How much it copies at once into the frame it sends is said
// by hdr_len of a virtio_net_hdr (PACKET_VNET_HDR); we say all of it. With that header the kernel compares no length with the MTU, so `reserve`
// and `commit` do.
import * as c from './constants.ts';
import { E } from './error.ts';
import { errno, libc, viewMemory } from './libc.ts';
import { packetStatistics } from './packet-socket.ts';
import { closePacketRing, type PacketRingMemory } from './packet-ring-memory.ts';

export const STATUS_USER = 1;
export const STATUS_CHECKSUM_NOT_READY = 8;
export const STATUS_VLAN_VALID = 0x10;
export const STATUS_VLAN_TPID_VALID = 0x40;
export const STATUS_AVAILABLE = 0;
const STATUS_SEND_REQUEST = 1;
const STATUS_WRONG_FORMAT = 4;

export const ETH_P_8021Q = 0x8100;
const ETH_P_8021AD = 0x88a8;
/** Of Ethernet, and of a VLAN tag: the MTU counts neither. */
const ETHER_BYTES = 14;
const TAG_BYTES = 4;
/** struct virtio_net_hdr: flags, gso_type, hdr_len:16, three more halves. */
const VIRTIO_BYTES = 10;
const VIRTIO_LENGTH_HALF = 1;
const SOCKADDR_LL_PACKET_TYPE = 10;

/** Where a version has what: words of a frame's header, but for the half of one. */
export interface RingLayout {
  readonly headerBytes: number;
  readonly status: number;
  readonly length: number;
  readonly macOffsetHalf: number;
}

export abstract class PacketRing {
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

  /** Where the header of that frame is. */
  protected header = 0;
  protected readonly words: Int32Array;
  protected readonly halves: Uint16Array;
  protected readonly slotBytes: number;
  protected readonly blockBytes: number;
  /** The receiving ring; the transmitting one follows it. */
  protected readonly receiveBytes: number;
  readonly #memory: PacketRingMemory;
  readonly #buffer: ArrayBuffer;
  readonly #packetTypeByte: number;
  readonly #statusWord: number;
  readonly #lengthWord: number;
  readonly #virtioOffset: number;
  #transmitFrames: number;
  #longest = 0;
  /** Slot that `reserve` gives. */
  #head = 0;
  /** Slots before it that the kernel was not seen to take. */
  #asked = 0;
  #closed = false;

  protected constructor(memory: PacketRingMemory, layout: RingLayout) {
    this.#memory = memory;
    const { fd, ifindex, mtu, address, slotBytes, blockBytes, receiveBytes, transmitFrames } = memory;
    this.fd = fd;
    this.ifindex = ifindex;
    this.mtu = mtu;
    this.#buffer = viewMemory(address, receiveBytes + transmitFrames * slotBytes);
    this.bytes = new Uint8Array(this.#buffer);
    this.words = new Int32Array(this.#buffer);
    this.halves = new Uint16Array(this.#buffer);
    this.slotBytes = slotBytes;
    this.blockBytes = blockBytes;
    this.receiveBytes = receiveBytes;
    this.#transmitFrames = transmitFrames;
    this.#statusWord = layout.status;
    this.#lengthWord = layout.length;
    this.#virtioOffset = layout.headerBytes;
    this.#packetTypeByte = layout.headerBytes + SOCKADDR_LL_PACKET_TYPE;
    for (let slot = 0; slot < transmitFrames; slot++) {
      this.halves[2 * this.#wordOf(slot) + layout.macOffsetHalf] = this.#virtioOffset;
    }
  }

  /** Tells the ring of a new MTU: `reserve` refuses what is longer, so that the kernel need not. */
  set mtu(bytes: number) {
    this.#longest = bytes + ETHER_BYTES;
  }

  /** Goes to the next frame, and fills the fields above; false where none waits. The frame stays until `release`. */
  abstract next(): boolean;

  /** Gives all frames back that `next` has gone through. */
  abstract release(): void;

  /** The memory is about to go: nothing is found in it from now on. */
  protected abstract forget(): void;

  /** sll_pkttype of the frame that `next` came to: 0 for us, 1 broadcast, 2 multicast, 3 for others, 4 outgoing. */
  get packetType(): number {
    return this.bytes[this.header + this.#packetTypeByte]!;
  }

  /**
   * Where in `bytes` a frame of `length` bytes is to be written; -1 = no: there is no free slot (`full`), or the interface sends no
   * such frame (`refused`). It is sent with the others after `commit`; without, the slot is given again.
   */
  reserve(length: number): number {
    const most = this.slotBytes - this.#virtioOffset - VIRTIO_BYTES;
    if (!(length >= ETHER_BYTES && length <= this.#longest + TAG_BYTES && length <= most)) {
      this.refused++;
      return -1;
    }
    const word = this.#wordOf(this.#head);
    if (
      this.#asked === this.#transmitFrames ||
      Atomics.load(this.words, word + this.#statusWord) !== STATUS_AVAILABLE
    ) {
      this.full++;
      return -1;
    }
    const at = (word << 2) + this.#virtioOffset;
    this.words[word + this.#lengthWord] = length + VIRTIO_BYTES;
    this.halves[(at >> 1) + VIRTIO_LENGTH_HALF] = length;
    return at + VIRTIO_BYTES;
  }

  /** The frame that `reserve` made room for is written. One that only a VLAN tag may be as long as, and that has none, is refused. */
  commit(): void {
    const word = this.#wordOf(this.#head);
    if (this.words[word + this.#lengthWord]! > this.#longest + VIRTIO_BYTES) {
      const at = (word << 2) + this.#virtioOffset + VIRTIO_BYTES + 12;
      const type = (this.bytes[at]! << 8) | this.bytes[at + 1]!;
      if (type !== ETH_P_8021Q && type !== ETH_P_8021AD) {
        this.refused++;
        return;
      }
    }
    Atomics.store(this.words, word + this.#statusWord, STATUS_SEND_REQUEST);
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
      if (Atomics.load(this.words, this.#wordOf(this.#oldest()) + this.#statusWord) === STATUS_WRONG_FORMAT) {
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

  /** This thread works the ring no more: `next` finds nothing from now on, `reserve` no slot. Who opened it closes it. */
  leave(): void {
    // Rings of no slots: nothing is found in them, and nothing put into them.
    this.#transmitFrames = 0;
    this.#asked = 0;
    this.forget();
    if (!this.#buffer.detached) this.#buffer.transfer(0);
  }

  /** Leaves it, and closes socket and rings; what was not kicked is not sent. For the thread that opened it, once. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.leave();
    closePacketRing(this.#memory);
  }

  #wordOf(transmitSlot: number): number {
    return (this.receiveBytes + transmitSlot * this.slotBytes) >> 2;
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
      const status = Atomics.load(this.words, this.#wordOf(this.#oldest()) + this.#statusWord);
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
      const length = this.words[source + this.#lengthWord]!;
      this.words[target + this.#lengthWord] = length;
      const begin = (source << 2) + this.#virtioOffset;
      this.bytes.copyWithin((target << 2) + this.#virtioOffset, begin, begin + length);
      Atomics.store(this.words, target + this.#statusWord, STATUS_SEND_REQUEST);
      to = from;
    }
    Atomics.store(this.words, this.#wordOf(to) + this.#statusWord, STATUS_AVAILABLE);
    this.#head = to;
  }

  /** What nobody will send now is not to be sent later, when it is old. */
  #takeBack(): void {
    this.dropped += this.#asked;
    const first = this.#oldest();
    for (let slot = first; this.#asked > 0; this.#asked--) {
      Atomics.store(this.words, this.#wordOf(slot) + this.#statusWord, STATUS_AVAILABLE);
      if (++slot === this.#transmitFrames) slot = 0;
    }
    this.#head = first;
  }
}
