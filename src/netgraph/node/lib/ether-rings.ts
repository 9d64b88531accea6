// The packet rings of an ether node, one for each worker. The graph's thread opens and closes them: a refusal reaches who asked, and nothing is
// left of a worker that dies. Its ring is closed at once, with which the kernel has the other workers' rings receive its flows, and there
// is another for its successor, which starts it when it begins.
//
// As long as there are rings, frames come as they are on the wire: where the interface merges segments (GRO, LRO), it does not meanwhile.
import {
  closePacketRing,
  ignoreMarked,
  interfaceMerging,
  interfaceName,
  type Merging,
  openPacketRingMemory,
  type PacketRingMemory,
  setInterfaceMerging,
  SysError,
} from '../../../sys/index.ts';
import type { Plane } from '../../worker/plane.ts';
import { asking, inside } from './namespace.ts';
import { UPPER_MARK } from './upper.ts';

const RECEIVE_FRAMES = 2048;
const NOTHING: Merging = { gro: false, lro: false };

/** What the rings are to be. */
export interface EtherRingOptions {
  readonly slotBytes: number;
  /** Of TPACKET. */
  readonly version: 2 | 3;
  /** With version 3, milliseconds that a frame may wait for others. */
  readonly blockMs: number;
}

export class EtherRings {
  readonly #options: EtherRingOptions;
  readonly #namespace: string | undefined;
  readonly #memories: (PacketRingMemory | undefined)[] = [];
  /** What merged before; undefined where nobody can be told. */
  #merging: Merging | undefined;

  constructor(ifname: string, options: EtherRingOptions, { workers, namespace }: Plane) {
    this.#options = options;
    this.#namespace = namespace;
    try {
      while (this.#memories.length < workers) this.#memories.push(this.#open(ifname));
      this.#merging = this.#merge(NOTHING);
    } catch (error) {
      this.close();
      throw error;
    }
  }

  /** By worker. */
  get memories(): readonly (PacketRingMemory | undefined)[] {
    return this.#memories;
  }

  /** The worker is no more. Where there can be no ring for its successor, that one has none. */
  renew(worker: number, ifname: () => string): void {
    this.#close(worker);
    this.#memories[worker] = this.#open(ifname());
  }

  /** No worker uses them any more. */
  close(): void {
    if (this.#merging) this.#merge(this.#merging);
    for (let worker = 0; worker < this.#memories.length; worker++) this.#close(worker);
  }

  /** What merged before. An interface that can not be told, or is gone, stays as it is. */
  #merge(what: Merging): Merging | undefined {
    const memory = this.#memories.find(each => each !== undefined);
    if (!memory) return undefined;
    try {
      const name = interfaceName(memory.fd, memory.ifindex);
      const before = interfaceMerging(memory.fd, name);
      setInterfaceMerging(memory.fd, name, what);
      return before;
    } catch (error) {
      if (error instanceof SysError) return undefined;
      throw error;
    }
  }

  #open(ifname: string): PacketRingMemory {
    return inside(this.#namespace, () =>
      asking(() => {
        const memory = openPacketRingMemory(ifname, { ...this.#options, receiveFrames: RECEIVE_FRAMES });
        // What the graph has the host receive did not come in by the interface.
        ignoreMarked(memory.fd, UPPER_MARK);
        return memory;
      }),
    );
  }

  #close(worker: number): void {
    const memory = this.#memories[worker];
    this.#memories[worker] = undefined;
    if (memory) closePacketRing(memory);
  }
}
