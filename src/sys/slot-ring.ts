// Receiving by TPACKET_V2: every frame has a slot, and a slot is given to us as soon as its frame is written.
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

// struct tpacket2_hdr: status, len, snaplen, mac:16 net:16, sec, nsec, vlan_tci:16 vlan_tpid:16, padding.
const LAYOUT: RingLayout = { headerBytes: 32, status: 0, length: 1, macOffsetHalf: 6 };
const LENGTH = 1;
const SNAP_LENGTH = 2;
const MAC_OFFSET_HALF = 6;
const SECONDS = 4;
const NANOSECONDS = 5;
const VLAN_TCI_HALF = 12;
const VLAN_TPID_HALF = 13;

export class SlotRing extends PacketRing {
  #slots: number;
  readonly #slotBytes: number;
  /** Slot that `next` looks at. */
  #cursor = 0;
  /** Slots before it that were not given back. */
  #walked = 0;

  constructor(memory: PacketRingMemory) {
    super(memory, LAYOUT);
    this.#slotBytes = this.slotBytes;
    this.#slots = this.receiveBytes / this.slotBytes;
  }

  override next(): boolean {
    const { words } = this;
    while (this.#walked < this.#slots) {
      const slot = this.#cursor * this.#slotBytes;
      const word = slot >> 2;
      const status = Atomics.load(words, word);
      if ((status & STATUS_USER) === 0) return false;
      this.#walked++;
      if (++this.#cursor === this.#slots) this.#cursor = 0;
      const length = words[word + SNAP_LENGTH]!;
      if (length !== words[word + LENGTH]) {
        this.truncated++;
        continue;
      }
      const { halves } = this;
      const half = slot >> 1;
      this.header = slot;
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

  override release(): void {
    const { words } = this;
    let slot = this.#cursor - this.#walked;
    if (slot < 0) slot += this.#slots;
    for (; this.#walked > 0; this.#walked--) {
      Atomics.store(words, (slot * this.#slotBytes) >> 2, STATUS_AVAILABLE);
      if (++slot === this.#slots) slot = 0;
    }
  }

  protected override forget(): void {
    this.#slots = 0;
    this.#walked = 0;
  }
}
