// Writes what passes into a file that Wireshark opens: each request with its result, and each notification, as the netlink
// message that it stands for, with a comment that says the operation, how it ended, and whose error it was.
//
// It delays nobody: a message is encoded into a ring, a thread writes the file, and what finds the ring full is counted and left
// out. What has no message (the bounds of a dump, a provider's event) is a netlink no-op with its comment.
import { performance } from 'node:perf_hooks';
import { getSystemErrorName } from 'node:util';
import { Worker } from 'node:worker_threads';
import { ByteProducer, Doorbell } from '../../../concurrency/index.ts';
import { HEADER_BYTES, MessageBuffer, rtnetlink as c } from '../../../netlink/index.ts';
import { FIELD_EVENT, FIELD_KINDS, FLAG_UNDO, FLAG_UNDO_FAILED } from '../../constants.ts';
import type { ContextPool } from '../../context.ts';
import type { ProviderSettings } from '../../load.ts';
import { OPERATIONS, operationFields, operationName } from '../../operation.ts';
import type { Provider, ProviderHost, ProviderPriority, ProviderWork } from '../../provider.ts';
import { CapturePage, createCaptureChannel, ENDED, ENDING, FAILED, WRITING } from './channel.ts';
import { FROM_KERNEL, packetBytes, TO_KERNEL, writePacket } from './pcapng.ts';
import type { CaptureWriterData } from './writer.ts';

export interface CaptureOptions {
  readonly name?: string;
  readonly file: string;
  /** Bytes after which another file is begun; never unless told. */
  readonly fileBytes?: number;
  /** Files kept; 2 unless told. */
  readonly files?: number;
  /** Bytes that may wait to be written, a power of two; 4 MiB unless told. */
  readonly ringBytes?: number;
  /** The name of a provider, for comments. */
  readonly nameOf?: (provider: number) => string;
}

export interface CaptureStats {
  readonly file: string;
  readonly state: 'writing' | 'ending' | 'ended' | 'failed';
  /** Why it failed. */
  readonly reason?: string;
  readonly messages: number;
  readonly bytes: number;
  /** Messages that found no room. */
  readonly dropped: number;
  /** Files begun. */
  readonly files: number;
}

const SCRATCH_BYTES = 65_536;
const states = { [WRITING]: 'writing', [ENDING]: 'ending', [ENDED]: 'ended', [FAILED]: 'failed' } as const;

export class Capture implements Provider {
  readonly name: string;
  readonly priority: ProviderPriority = 'last';
  readonly #options: CaptureOptions;
  readonly #nameOf: (provider: number) => string;
  readonly #scratch: MessageBuffer = new MessageBuffer(SCRATCH_BYTES);
  /** Comments are few. */
  readonly #comments: Map<string, Uint8Array> = new Map();
  #page: CapturePage | undefined;
  #ring: ByteProducer | undefined;
  #view: DataView | undefined;
  #bell: Doorbell | undefined;
  #sequence = 0;
  #messages = 0;
  #bytes = 0;
  #dropped = 0;

  constructor(options: CaptureOptions) {
    if (typeof options.file !== 'string' || options.file === '') throw new Error('a capture needs a file');
    this.#options = options;
    this.name = options.name ?? 'capture';
    this.#nameOf = options.nameOf ?? (provider => `provider ${provider}`);
  }

  start(host: ProviderHost): void {
    const { file, fileBytes = 0, files = 2, ringBytes = 4 << 20 } = this.#options;
    const channel = createCaptureChannel(ringBytes, host.bell);
    this.#page = new CapturePage(channel.page);
    this.#ring = new ByteProducer(channel.ring);
    this.#view = new DataView(this.#ring.bytes.buffer, this.#ring.bytes.byteOffset, this.#ring.bytes.length);
    this.#bell = new Doorbell(channel.writerBell);
    const module = import.meta.url.endsWith('.ts') ? './writer.ts' : './writer.js';
    const data: CaptureWriterData = { channel, file, fileBytes, files };
    new Worker(new URL(module, import.meta.url), { name: 'capture-writer', workerData: data }).unref();
  }

  process(work: ProviderWork): void {
    for (let handle = work.take(); handle >= 0; handle = work.take()) work.finish(handle);
    if (this.#page!.state === FAILED) throw new Error(this.#page!.reason);
  }

  observe(pool: ContextPool, handle: number): void {
    const op = pool.op(handle);
    const message = OPERATIONS[op]?.message;
    const buffer = this.#scratch;
    const sequence = ++this.#sequence | 0;
    const fits = message !== undefined && message.bytes(pool, handle) <= SCRATCH_BYTES;
    let length = fits ? message.encode(pool, handle, buffer, 0, sequence) : 0;
    if (length === 0) {
      length = HEADER_BYTES;
      buffer.words.set([length, c.NLMSG_NOOP, sequence, 0]);
    }
    const comment = this.#comment(pool, handle);
    const size = packetBytes(length, comment.length);
    const ring = this.#ring!;
    const at = size > ring.maxFrame || this.#page!.state !== WRITING ? -1 : ring.reserve(size);
    if (at < 0) {
      this.#dropped++;
      return;
    }
    const request = OPERATIONS[op]?.direction === 'request';
    const timeUs = Math.trunc((performance.timeOrigin + performance.now()) * 1000);
    writePacket(
      this.#view!,
      ring.bytes,
      at,
      timeUs,
      request ? TO_KERNEL : FROM_KERNEL,
      buffer.bytes.subarray(0, length),
      comment,
    );
    ring.commit();
    ring.publish();
    this.#bell!.ring();
    this.#messages++;
    this.#bytes += size;
  }

  finish(early: boolean): void {
    if (!early) this.#end();
  }

  finished(): boolean {
    const state = this.#page?.state;
    return state === ENDED || state === FAILED;
  }

  close(): void {
    this.#end();
  }

  status(): Readonly<Record<string, unknown>> {
    return { ...this.stats };
  }

  get stats(): CaptureStats {
    const page = this.#page;
    const state = page?.state ?? ENDED;
    return {
      file: this.#options.file,
      state: states[state as keyof typeof states],
      ...(state === FAILED ? { reason: page!.reason } : {}),
      messages: this.#messages,
      bytes: this.#bytes,
      dropped: this.#dropped,
      files: page?.files ?? 0,
    };
  }

  /** The writer writes what it has, and ends by itself. */
  #end(): void {
    if (this.#page?.end() === true) this.#bell!.ring();
  }

  #comment(pool: ContextPool, handle: number): Uint8Array {
    const text = this.#say(pool, handle);
    let bytes = this.#comments.get(text);
    if (bytes === undefined) {
      // Who made them many is not to fill the memory.
      if (this.#comments.size === 1000) this.#comments.clear();
      bytes = Buffer.from(text);
      this.#comments.set(text, bytes);
    }
    return bytes;
  }

  #say(pool: ContextPool, handle: number): string {
    const op = pool.op(handle);
    const name = operationName(op);
    const fields = operationFields[op]!;
    if ((fields & FIELD_EVENT) !== 0)
      return `${name} ${this.#nameOf(pool.provider(handle))}: event ${pool.event(handle)}`;
    if ((fields & FIELD_KINDS) !== 0) return `${name} kinds ${pool.kinds(handle)}`;
    if (OPERATIONS[op]?.direction !== 'request') return name;
    const errno = pool.errno(handle);
    if (errno === 0) return `${name}: done`;
    const flags = pool.flags(handle);
    const undo = (flags & FLAG_UNDO) === 0 ? '' : (flags & FLAG_UNDO_FAILED) === 0 ? ', undone' : ', not undone';
    return `${name}: failed with ${getSystemErrorName(-errno)} (${errno}) by ${this.#nameOf(pool.provider(handle))}${undo}`;
  }
}

export default (settings: ProviderSettings): Provider => new Capture(settings as unknown as CaptureOptions);
