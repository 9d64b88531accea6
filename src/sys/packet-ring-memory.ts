// A packet socket with its rings, in numbers that any thread may be given: one opens and closes it, another works it (packet-ring.ts). So
// nothing is left of a thread that dies at its work: who opened the socket closes it, with which the kernel gives its flows to others.
//
// Until it is started the socket receives nothing: who is to work it starts it.
import { libc } from './libc.ts';
import { mapMemory } from './mapping.ts';
import { PAGE_BYTES } from './memory.ts';
import {
  bindPacketSocket,
  type FanoutMode,
  interfaceIndex,
  interfaceMtu,
  joinFanout,
  openPacketSocket,
  type PacketSocketOptions,
  SOL_PACKET,
} from './packet-socket.ts';
import { closeFd, setOption, setOptionBytes } from './socket.ts';

const PACKET_RX_RING = 5;
const PACKET_VERSION = 10;
const PACKET_RESERVE = 12;
const PACKET_TX_RING = 13;
const PACKET_VNET_HDR = 15;
const PACKET_TX_HAS_OFF = 19;

export interface PacketRingMemoryOptions extends PacketSocketOptions {
  /** TPACKET_V2, which has no frame wait, unless told; 3 = TPACKET_V3, which moves more of them. */
  readonly version?: 2 | 3;
  /** V3: milliseconds after which the kernel hands over a block that is not full, 1 unless told. */
  readonly blockMs?: number;
  /** V3: bytes of a block, a power of two. 65536 unless told, or less so that there are four. */
  readonly blockBytes?: number;
  /** Slots of the receiving ring, 0 = none. 4096 unless told: some milliseconds, in which a thread may not be run. With V3 as much memory
   *  as these slots would be, in blocks. */
  readonly receiveFrames?: number;
  /** Slots of the transmitting ring, 0 = none. 256 unless told. */
  readonly transmitFrames?: number;
  /** Bytes of a slot, a power of two from 256 to 65536; 78 of them are headers. 2048 unless told, which does for an MTU of 1500. */
  readonly slotBytes?: number;
}

/** The rings of a group share what is received: one ring for each worker. */
export interface Fanout {
  readonly group: number;
  readonly mode: FanoutMode;
}

export interface PacketRingMemory {
  readonly version: 2 | 3;
  readonly fd: number;
  readonly ifindex: number;
  readonly mtu: number;
  /** Of the ring to receive, which the one to transmit follows. */
  readonly address: bigint;
  readonly receiveBytes: number;
  readonly transmitFrames: number;
  readonly slotBytes: number;
  readonly blockBytes: number;
}

/** Opens rings on the interface `name` of this thread's network namespace. A RangeError for sizes that can not be, else a SysError. */
export function openPacketRingMemory(name: string, options: PacketRingMemoryOptions = {}): PacketRingMemory {
  const { version = 2, receiveFrames = 4096, transmitFrames = 256, slotBytes = 2048, blockMs = 1 } = options;
  if (!(slotBytes >= 256 && slotBytes <= 65_536 && isPowerOfTwo(slotBytes))) {
    throw new RangeError(`slots of ${slotBytes} bytes`);
  }
  const pageBytes = Math.max(slotBytes, PAGE_BYTES);
  for (const frames of [receiveFrames, transmitFrames]) {
    const whole = Number.isInteger(frames) && (frames * slotBytes) % pageBytes === 0;
    if (!whole || frames < 0 || frames * slotBytes > 2 ** 30) throw new RangeError(`a ring of ${frames} frames`);
  }
  const receiveBytes = receiveFrames * slotBytes;
  let blockBytes = pageBytes;
  if (version === 3 && receiveFrames > 0) {
    while (blockBytes < 65_536 && receiveBytes % (8 * blockBytes) === 0) blockBytes *= 2;
    blockBytes = options.blockBytes ?? blockBytes;
    if (!(blockBytes >= pageBytes && isPowerOfTwo(blockBytes) && receiveBytes % blockBytes === 0)) {
      throw new RangeError(`blocks of ${blockBytes} bytes in a ring of ${receiveBytes}`);
    }
    // To the kernel 0 is no time, but a guess by the interface's speed.
    if (!Number.isInteger(blockMs) || blockMs < 1 || blockMs > 10_000) throw new RangeError(`blocks of ${blockMs} ms`);
  }
  const ifindex = interfaceIndex(name);
  const fd = openPacketSocket(options);
  try {
    setOption(fd, SOL_PACKET, PACKET_VERSION, version - 1);
    setOption(fd, SOL_PACKET, PACKET_TX_HAS_OFF, 1);
    setOption(fd, SOL_PACKET, PACKET_VNET_HDR, 1);
    // What is received has that header too; two more bytes, and it stands at 2 modulo 4 again.
    setOption(fd, SOL_PACKET, PACKET_RESERVE, 2);
    // struct tpacket_req, to which V3 adds: ms, private bytes, features.
    const ring = (option: number, frames: number, block: number, ms: number): void => {
      if (frames === 0) return;
      const request = Uint32Array.of(block, (frames * slotBytes) / block, slotBytes, frames, ms, 0, 0);
      setOptionBytes(fd, SOL_PACKET, option, new Uint8Array(request.buffer, 0, version === 2 ? 16 : 28));
    };
    ring(PACKET_RX_RING, receiveFrames, blockBytes, blockMs);
    ring(PACKET_TX_RING, transmitFrames, pageBytes, 0);
    const mtu = interfaceMtu(fd, name);
    const address = mapMemory(fd, receiveBytes + transmitFrames * slotBytes);
    return { version, fd, ifindex, mtu, address, receiveBytes, transmitFrames, slotBytes, blockBytes };
  } catch (error) {
    closeFd(fd);
    throw error;
  }
}

/** From now on it receives: all frames of the interface, or its part of them; and sends. */
export function startPacketRing({ fd, ifindex, receiveBytes }: PacketRingMemory, fanout?: Fanout): void {
  bindPacketSocket(fd, ifindex, receiveBytes > 0);
  if (fanout !== undefined) joinFanout(fd, fanout.group, fanout.mode);
}

/** Closes socket and rings, once. No thread may look at the memory any more. */
export function closePacketRing({ fd, address, receiveBytes, transmitFrames, slotBytes }: PacketRingMemory): void {
  libc.munmap(address, receiveBytes + transmitFrames * slotBytes);
  closeFd(fd);
}

function isPowerOfTwo(value: number): boolean {
  return (value & (value - 1)) === 0;
}
