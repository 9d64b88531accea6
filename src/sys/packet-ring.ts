// Frames of an interface through memory that the kernel shares with us (Documentation/networking/packet_mmap.rst): a ring it fills, a
// ring it empties, one system call for a vector of frames and none to receive.
//
//   receive   | kernel | ours | ours | ours | kernel |     transmit   | free | asked | asked | free | free |
//                      └── walked ──┘  ▲ next                                └─── kick ────┘  ▲ reserve
//
// There are two ways to receive. TPACKET_V2 (slot-ring.ts): each frame has a slot and a status word of its own, so that a lone frame is
// seen at once. TPACKET_V3 (block-ring.ts): the kernel hands over blocks of many frames, when they are full or when a timer of at least
// 1 ms ends; it does less for each frame, has room for more of them in the same memory, and takes frames longer than a slot. A router
// is asked and answers (ARP, ICMP, the sessions of its protocols), and TCP through it is as fast as its round trip is short: so V2
// is what one has unless told.
//
// Memory order. A slot or block is the kernel's or ours by its status word. The kernel writes what is in it and then, behind a barrier,
// the word; we load the word by Atomics before we look at the rest, and store it by Atomics when we are done: what is done with the frame
// stays between the two. (ECMAScript promises that of shared buffers only, which this is not; V8 compiles Atomics on both to the same
// instructions, ordered as seq_cst, and moves no access to an array's elements past them.) One thread at a time has a ring.
import { BlockRing } from './block-ring.ts';
import type { PacketRing } from './packet-ring-base.ts';
import {
  closePacketRing,
  type Fanout,
  openPacketRingMemory,
  type PacketRingMemory,
  type PacketRingMemoryOptions,
  startPacketRing,
} from './packet-ring-memory.ts';
import { SlotRing } from './slot-ring.ts';

export interface PacketRingOptions extends PacketRingMemoryOptions {
  readonly fanout?: Fanout;
}

/**
 * Opens rings on the interface `name` of this thread's network namespace, and starts them. Needs CAP_NET_RAW. Throws a RangeError for
 * sizes that can not be, a SysError where the kernel refuses.
 */
export function openPacketRing(name: string, options: PacketRingOptions = {}): PacketRing {
  const memory = openPacketRingMemory(name, options);
  try {
    return workPacketRing(memory, options.fanout);
  } catch (error) {
    closePacketRing(memory);
    throw error;
  }
}

/** Starts rings that another thread has opened, for this one to work. */
export function workPacketRing(memory: PacketRingMemory, fanout?: Fanout): PacketRing {
  startPacketRing(memory, fanout);
  return memory.version === 3 ? new BlockRing(memory) : new SlotRing(memory);
}
export { PacketRing } from './packet-ring-base.ts';
export { closePacketRing, openPacketRingMemory, type PacketRingMemory } from './packet-ring-memory.ts';
