// Receiving by TPACKET_V3: a block of frames is given to us when the next frame does not fit into it, or `blockMs` after it was begun.
//
//    | block: status, frames, first ─▶ header, frame ─▶ header, frame ─▶ header, frame |     each header says how far the next one is
//
// A block goes back as a whole, so one that is walked in part stays ours until the rest has been walked, too. The kernel keeps it for no
// frame longer than its time: what waits in a block that is not full is late by up to that, and never lost.
import {
  ETH_P_8021Q,
  PacketRing,
  type RingLayout,
  STATUS_AVAILABLE,
  STATUS_CHECKSUM_NOT_READY,
  STATUS_USER,
  STATUS_VLAN_TPID_VALID,
  STATUS_VLAN_VALID,
} from './packet-ring-base.ts';
import type { PacketRingMemory } from './packet-ring-memory.ts';

// struct tpacket_block_desc: version, offset of private data, then status, number of frames, offset of the first.
const BLOCK_STATUS = 2;
const BLOCK_FRAMES = 3;
const BLOCK_FIRST = 4;

// struct tpacket3_hdr: next, sec, nsec, snaplen, len, status, mac:16 net:16, rxhash, vlan_tci, vlan_tpid:16, padding.
const LAYOUT: RingLayout = { headerBytes: 48, status: 5, length: 4, macOffsetHalf: 12 };
const NEXT = 0;
const SECONDS = 1;
const NANOSECONDS = 2;
const SNAP_LENGTH = 3;
const LENGTH = 4;
const STATUS = 5;
const MAC_OFFSET_HALF = 12;
const VLAN_TCI_HALF = 16;
const VLAN_TPID_HALF = 18;

export class BlockRing extends PacketRing {
  #blocks: number;
  readonly #blockBytes: number;
  /** Block that is walked, or looked at. */
  #cursor = 0;
  /** Blocks before it that were not given back. */
  #walked = 0;
  /** Frames of it that were not walked, and where the first of them is. */
  #left = 0;
  #frame = 0;

  constructor(memory: PacketRingMemory) {
    super(memory, LAYOUT);
    this.#blockBytes = this.blockBytes;
    this.#blocks = this.receiveBytes / this.blockBytes;
  }

  override next(): boolean {
    const { words } = this;
    for (;;) {
      if (this.#left === 0 && !this.#open()) return false;
      const header = this.#frame;
      const word = header >> 2;
      this.#frame = header + words[word + NEXT]!;
      if (--this.#left === 0) this.#pass();
      const length = words[word + SNAP_LENGTH]!;
      if (length !== words[word + LENGTH]) {
        this.truncated++;
        continue;
      }
      const { halves } = this;
      const half = header >> 1;
      const status = words[word + STATUS]!;
      this.header = header;
      this.length = length;
      this.offset = header + halves[half + MAC_OFFSET_HALF]!;
      this.seconds = words[word + SECONDS]!;
      this.nanoseconds = words[word + NANOSECONDS]!;
      this.checksumMissing = (status & STATUS_CHECKSUM_NOT_READY) !== 0;
      this.vlanTci = (status & STATUS_VLAN_VALID) === 0 ? -1 : halves[half + VLAN_TCI_HALF]!;
      this.vlanTpid = (status & STATUS_VLAN_TPID_VALID) === 0 ? ETH_P_8021Q : halves[half + VLAN_TPID_HALF]!;
      this.received++;
      return true;
    }
  }

  override release(): void {
    const { words } = this;
    let block = this.#cursor - this.#walked;
    if (block < 0) block += this.#blocks;
    for (; this.#walked > 0; this.#walked--) {
      Atomics.store(words, ((block * this.#blockBytes) >> 2) + BLOCK_STATUS, STATUS_AVAILABLE);
      if (++block === this.#blocks) block = 0;
    }
  }

  protected override forget(): void {
    this.#blocks = 0;
    this.#walked = 0;
    this.#left = 0;
  }

  /** Goes into the next block that is ours; false where none is. */
  #open(): boolean {
    const { words } = this;
    while (this.#walked < this.#blocks) {
      const block = this.#cursor * this.#blockBytes;
      const word = block >> 2;
      if ((Atomics.load(words, word + BLOCK_STATUS) & STATUS_USER) === 0) return false;
      this.#left = words[word + BLOCK_FRAMES]!;
      this.#frame = block + words[word + BLOCK_FIRST]!;
      if (this.#left > 0) return true;
      this.#pass();
    }
    return false;
  }

  #pass(): void {
    this.#walked++;
    if (++this.#cursor === this.#blocks) this.#cursor = 0;
  }
}
