// What a capture does in each worker: writes blocks of packets into a buffer of its own, and hands full ones to the control half.
import { libc } from '../../../sys/index.ts';
import { DIRECTION_IN, DIRECTION_UNKNOWN, PCAPNG_PACKET_OVERHEAD, writePacket } from '../../lib/pcapng.ts';
import { PKT_DATA, PKT_LENGTH } from '../../packet/packets.ts';
import { type DataContext, DataHalf, DROP } from '../../worker/half.ts';
import type { DataHook } from '../../worker/node.ts';
import { WallClock } from './wall-clock.ts';

/** Bytes of packets that are told of at once. */
const CHUNK_BYTES = 1 << 16;
/** Milliseconds after which packets are told of, few as they may be. */
const FLUSH_MS = 100;
/** Milliseconds after which the end is told again, where it could not be. */
const AGAIN_MS = 10;

export interface CaptureConfig {
  /** Of the capture that is under way; 0: none. */
  readonly run: number;
  readonly fd: number;
  readonly snaplen: number;
  /** Packets; 0: no limit. */
  readonly limit: number;
}

/** Some blocks of a capture, and packets by interface: in the blocks, and lost because nobody could be told of them. */
export interface Chunk {
  readonly run: number;
  readonly blocks: Uint8Array | undefined;
  readonly packets: readonly [number, number];
  readonly lost: readonly [number, number];
  /** This worker captures no more. */
  readonly end: boolean;
}

const CAPTURED = 0;
const LOST = 1;

export class CaptureData extends DataHalf<CaptureConfig> {
  readonly #wall: WallClock;
  #config: CaptureConfig = { run: 0, fd: -1, snaplen: 0, limit: 0 };
  #buffer: Uint8Array = new Uint8Array();
  #at = 0;
  /** In the buffer, of interfaces 0 and 1. */
  #packets: [number, number] = [0, 0];
  #lost: [number, number] = [0, 0];
  /** Packets that this worker may still capture. */
  #left = 0;
  /** The run whose end is still to be told; 0: none. */
  #ending = 0;

  constructor(node: DataContext) {
    super(node);
    this.#wall = new WallClock(node.now());
  }

  override configure(config: CaptureConfig): void {
    const before = this.#config;
    if (config.run === before.run) return;
    if (before.run !== 0) {
      this.#flush();
      this.#ending = before.run;
      this.#end();
    }
    this.#config = config;
    this.#at = 0;
    this.#left = config.limit === 0 ? Number.POSITIVE_INFINITY : config.limit;
    // A chunk, and the longest packet in front of whose end it became full.
    const room = CHUNK_BYTES + this.node.packets.maxBytes + PCAPNG_PACKET_OVERHEAD;
    this.#buffer = config.run === 0 ? new Uint8Array() : new Uint8Array(room);
  }

  override hookAdded(hook: DataHook): void {
    hook.role = hook.name === 'right' ? 1 : 0;
    this.#pair();
  }

  override hookRemoved(): void {
    this.#pair();
  }

  override receive(hook: DataHook, handles: Int32Array, count: number): void {
    if (this.#config.run !== 0 && this.#left > 0) this.#capture(hook, handles, count);
    const out = hook.state as DataHook | undefined;
    if (out !== undefined) out.sendMany(handles, count);
    else if (hook.name === 'in') this.node.packets.releaseMany(handles, count);
    else this.node.dropMany(handles, count, DROP.notConnected);
  }

  override timer(): void {
    this.#flush();
    this.#end();
  }

  override close(): void {
    // Nobody hears the node any more, so what is left goes into the file from here. It is opened for appending, and one write of whole blocks
    // is not torn by another. Where many workers share a limit only the control half knows how much of it is left.
    const { fd, run, limit } = this.#config;
    if (run !== 0 && this.#at > 0 && (limit === 0 || this.node.workers === 1)) libc.write(fd, this.#buffer, this.#at);
  }

  #capture(hook: DataHook, handles: Int32Array, count: number): void {
    const { words, bytes } = this.node.packets;
    const { snaplen } = this.#config;
    const at = hook.role;
    const direction = hook.name === 'in' ? DIRECTION_UNKNOWN : DIRECTION_IN;
    const wall = this.#wall.at(this.node.now());
    const seconds = Math.floor(wall / 1000);
    const nanoseconds = Math.floor((wall - seconds * 1000) * 1e6);
    const most = count < this.#left ? count : this.#left;
    for (let i = 0; i < most; i++) {
      const handle = handles[i]!;
      const wire = words[handle + PKT_LENGTH]!;
      const length = snaplen > 0 && snaplen < wire ? snaplen : wire;
      const from = words[handle + PKT_DATA]!;
      this.#at = writePacket(this.#buffer, this.#at, at, seconds, nanoseconds, bytes, from, length, wire, direction);
      this.#packets[at] = this.#packets[at]! + 1;
      if (this.#at >= CHUNK_BYTES) this.#flush();
    }
    this.#left -= most;
    this.node.counts[CAPTURED] = this.node.counts[CAPTURED]! + most;
    if (this.#at > 0 && this.due === Number.POSITIVE_INFINITY) this.due = this.node.now() + FLUSH_MS;
    // The last one: nobody need wait for it.
    if (this.#left === 0) this.#flush();
  }

  #flush(): void {
    if (this.#at === 0) return;
    const chunk = {
      run: this.#config.run,
      blocks: this.#buffer.slice(0, this.#at),
      packets: this.#packets,
      lost: this.#lost,
      end: false,
    } satisfies Chunk;
    if (this.node.tell(chunk)) this.#lost = [0, 0];
    else {
      const [a, b] = this.#packets;
      this.#lost = [this.#lost[0] + a, this.#lost[1] + b];
      this.node.counts[LOST] = this.node.counts[LOST]! + a + b;
    }
    this.#packets = [0, 0];
    this.#at = 0;
  }

  #end(): void {
    if (this.#ending === 0) return;
    const last = { run: this.#ending, blocks: undefined, packets: [0, 0], lost: this.#lost, end: true } satisfies Chunk;
    if (this.node.tell(last)) {
      this.#ending = 0;
      this.#lost = [0, 0];
    } else this.due = this.node.now() + AGAIN_MS;
  }

  #pair(): void {
    const left = this.node.hook('left');
    const right = this.node.hook('right');
    if (left) left.state = right;
    if (right) right.state = left;
  }
}
