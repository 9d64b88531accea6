// For the tests of FPM: a dataplane over the real kernel in a namespace, a zebra of few lines that feeds the follower from what
// the kernel confirmed, and peers that keep what they are told.
import { createServer, type Server, type Socket } from 'node:net';
import {
  closeDataplaneChannel,
  type ContextPool,
  createDataplaneChannel,
  Dataplane,
  type DataplaneChannel,
  DataplaneClient,
  EVENT_GONE,
  EVENT_REPLAY,
  FLAG_TARGET,
  OP_NEXTHOP_DELETE,
  OP_NEXTHOP_INSTALL,
  OP_PROVIDER,
  OP_REPLAY_BEGIN,
  OP_REPLAY_END,
  OP_ROUTE,
  OP_ROUTE_DELETE,
  OP_ROUTE_INSTALL,
} from '../../src/dataplane/index.ts';
import { NetlinkSocket } from '../../src/netlink/index.ts';
import { inNetworkNamespace } from '../../src/sys/index.ts';
import type { Namespace } from '../lib/netns.ts';

const CREDIT = 256;

/** What is wanted of a nexthop object or a route; the key says which of them. */
export type Wanted =
  | { readonly kind: 'path'; readonly id: number; readonly host: number }
  | { readonly kind: 'hole'; readonly id: number }
  | { readonly kind: 'group'; readonly id: number; readonly members: readonly number[] }
  | { readonly kind: 'route'; readonly word: number; readonly length: number; readonly id: number }
  | { readonly kind: 'route6'; readonly word: number; readonly id: number }
  | { readonly kind: 'system'; readonly word: number; readonly hosts: readonly number[] };

interface Item {
  readonly number: number;
  wanted: Wanted;
  gone: boolean;
  /** Contexts of it that the kernel has not answered, or that were not sent. */
  waiting: number;
  inFlight: boolean;
}

export interface Notice {
  readonly provider: number;
  readonly flags: number;
  readonly word: number;
  readonly length: number;
}

function keyOf(wanted: Wanted): string {
  if ('id' in wanted && 'word' in wanted) return `${wanted.kind} ${wanted.word}`;
  return 'id' in wanted ? `object ${wanted.id}` : `route ${wanted.word}`;
}

export class World {
  readonly channel: DataplaneChannel = createDataplaneChannel();
  readonly client: DataplaneClient = new DataplaneClient(this.channel);
  readonly dataplane: Dataplane;
  readonly notices: Notice[] = [];
  readonly log: string[] = [];
  /** Results of ordinary contexts: errors, and how many there were. */
  readonly errors: number[] = [];
  results = 0;
  ended = 0;
  replays = 0;
  outstanding = 0;
  ifindex = 0;
  readonly #items: Item[] = [];
  readonly #byKey: Map<string, Item> = new Map();
  readonly #toKernel: Item[] = [];
  readonly #dirtyObjects: Set<Item> = new Set();
  readonly #dirtyRoutes: Set<Item> = new Set();
  #next = 0;
  #waiting = 0;
  #follower = 0;
  #replay: 'none' | 'asked' | 'beginning' | 'begun' = 'none';
  #closed = false;
  #running: Promise<void>;

  constructor(ns: Namespace) {
    this.dataplane = inNetworkNamespace(
      ns.path,
      () => new Dataplane(this.channel, { kinds: 1, log: text => this.log.push(text) }),
    );
    this.#running = this.#run();
  }

  want(wanted: Wanted): void {
    const key = keyOf(wanted);
    let item = this.#byKey.get(key);
    if (item === undefined) {
      item = { number: this.#items.length, wanted, gone: false, waiting: 0, inFlight: false };
      this.#items.push(item);
      this.#byKey.set(key, item);
    }
    item.wanted = wanted;
    item.gone = false;
    this.#changed(item);
  }

  drop(wanted: Wanted): void {
    const item = this.#byKey.get(keyOf(wanted))!;
    item.gone = true;
    this.#changed(item);
  }

  /** Of objects that are there, as wanted. */
  get there(): Wanted[] {
    return this.#items.filter(item => !item.gone).map(item => item.wanted);
  }

  /** Everything is in the kernel. */
  get settled(): boolean {
    return this.#waiting === 0;
  }

  /** The follower was told everything. */
  get told(): boolean {
    return (
      this.settled && this.dirty === 0 && this.outstanding === 0 && this.#replay === 'none' && this.#follower !== 0
    );
  }

  get dirty(): number {
    return this.#dirtyObjects.size + this.#dirtyRoutes.size;
  }

  /** What FPM says of itself. */
  get fpm(): Readonly<Record<string, unknown>> {
    return this.dataplane.pipeline.status('fpm') ?? {};
  }

  async close(): Promise<void> {
    this.#closed = true;
    await this.#running;
    this.dataplane.pipeline.finish(false);
    this.dataplane.close();
    closeDataplaneChannel(this.channel);
  }

  #changed(item: Item): void {
    item.waiting++;
    this.#waiting++;
    this.#toKernel.push(item);
  }

  async #run(): Promise<void> {
    while (!this.#closed) {
      for (let i = 0; i < 20; i++) {
        this.#send();
        this.#feed();
        this.client.flush();
        this.dataplane.turn();
        this.#poll();
      }
      await new Promise(resolve => setTimeout(resolve, 1));
    }
  }

  #send(): void {
    // Half of the pool, so that the follower is not kept waiting by what is asked of the kernel.
    while (this.#next < this.#toKernel.length && this.client.room() > this.client.requests.limit / 2) {
      const item = this.#toKernel[this.#next++]!;
      // A system's route is in the kernel by itself.
      if (item.wanted.kind === 'system') this.#confirmed(item);
      else this.#context(item, 0);
    }
  }

  #feed(): void {
    if (this.#follower === 0 || this.#replay === 'beginning') return;
    if (this.#replay === 'asked') {
      if (this.outstanding > 0) return;
      this.#mark(OP_REPLAY_BEGIN);
      this.#replay = 'beginning';
      return;
    }
    for (const dirty of [this.#dirtyObjects, this.#dirtyRoutes]) {
      for (const item of dirty) {
        if (this.outstanding >= CREDIT || this.client.room() < 16) return;
        if (item.inFlight || item.waiting > 0) continue;
        dirty.delete(item);
        item.inFlight = true;
        this.#context(item, this.#follower);
      }
      if (dirty === this.#dirtyObjects && (dirty.size > 0 || this.outstanding > 0)) return;
    }
    if (this.#replay === 'begun' && this.dirty === 0 && this.outstanding === 0) this.#mark(OP_REPLAY_END);
  }

  #mark(op: number): void {
    const handle = this.client.allocate(op);
    this.client.requests.setFlags(handle, FLAG_TARGET);
    this.client.requests.setProvider(handle, this.#follower);
    this.client.enqueue(handle);
    this.outstanding++;
  }

  #context(item: Item, follower: number): void {
    const { wanted, gone } = item;
    const pool = this.client.requests;
    let handle: number;
    if (wanted.kind === 'path' || wanted.kind === 'hole' || wanted.kind === 'group') {
      handle = this.client.allocate(gone ? OP_NEXTHOP_DELETE : OP_NEXTHOP_INSTALL);
      pool.setNexthop(handle, wanted.id, wanted.kind === 'group' ? 0 : 2, 11);
      if (!gone && wanted.kind === 'path')
        pool.setPath(handle, this.ifindex, 2, (0x0a010000 | wanted.host) >>> 0, 0, 0, 0, 0, 1);
      if (!gone && wanted.kind === 'hole') pool.setPath(handle, 0, 0, 0, 0, 0, 0, 1, 1);
      if (!gone && wanted.kind === 'group')
        pool.setMembers(
          handle,
          wanted.members,
          wanted.members.map((_, i) => 1 + i),
        );
    } else {
      handle = this.client.allocate(gone ? OP_ROUTE_DELETE : OP_ROUTE_INSTALL);
      if (wanted.kind === 'route6')
        pool.setRoute(handle, 254, 10, 0x20010db8, wanted.word, 0, 0, 64, 186, gone ? 0 : 1, 20, gone ? 0 : wanted.id);
      else if (wanted.kind === 'system') {
        pool.setRoute(handle, 254, 2, wanted.word, 0, 0, 0, 24, 4, gone ? 0 : 1, 0, 0);
        this.#paths(pool, handle, wanted.hosts);
      } else {
        const type = gone ? 0 : wanted.id === 0 ? 6 : 1;
        const { word, length, id } = wanted;
        pool.setRoute(handle, 254, 2, word >>> 0, 0, 0, 0, length, 186, type, 20, gone ? 0 : id);
      }
    }
    pool.setObject(handle, item.number, gone ? 1 : 0);
    if (follower !== 0) {
      pool.setFlags(handle, pool.flags(handle) | FLAG_TARGET);
      pool.setProvider(handle, follower);
      this.outstanding++;
    }
    this.client.enqueue(handle);
  }

  #paths(pool: ContextPool, handle: number, hosts: readonly number[]): void {
    let slot = handle;
    for (const [i, host] of hosts.entries()) {
      if (i > 0) {
        const next = pool.allocate(OP_ROUTE_INSTALL);
        pool.setNext(slot, next);
        slot = next;
      }
      pool.setPath(slot, this.ifindex, 2, (0x0a010000 | host) >>> 0, 0, 0, 0, 0, 1 + i);
    }
    pool.setCount(handle, hosts.length);
  }

  #poll(): void {
    this.client.poll(
      4096,
      (pool, handle) => {
        if ((pool.flags(handle) & FLAG_TARGET) !== 0) this.#toldResult(pool, handle);
        else {
          this.results++;
          const errno = pool.errno(handle);
          if (errno !== 0) this.errors.push(errno);
          this.#confirmed(this.#items[pool.object(handle)]!);
        }
      },
      (pool, handle) => {
        const op = pool.op(handle);
        if (op === OP_PROVIDER) this.#event(pool.provider(handle), pool.event(handle));
        else if (op === OP_ROUTE && pool.provider(handle) !== 0)
          this.notices.push({
            provider: pool.provider(handle),
            flags: pool.flags(handle),
            word: pool.prefixWord(handle, 0),
            length: pool.length(handle),
          });
      },
    );
  }

  #confirmed(item: Item): void {
    this.#waiting--;
    if (--item.waiting === 0) this.#dirty(item);
  }

  #dirty(item: Item): void {
    if (this.#follower === 0) return;
    const object = item.wanted.kind === 'path' || item.wanted.kind === 'hole' || item.wanted.kind === 'group';
    (object ? this.#dirtyObjects : this.#dirtyRoutes).add(item);
  }

  #toldResult(pool: ContextPool, handle: number): void {
    this.outstanding--;
    const op = pool.op(handle);
    if (op === OP_REPLAY_BEGIN) {
      // Else it was asked for again meanwhile, and the one that begins now is of no use any more.
      if (this.#replay !== 'beginning') return;
      this.#replay = 'begun';
      // Members before the groups of them.
      for (const item of this.#items) if (!item.gone) this.#dirty(item);
    } else if (op === OP_REPLAY_END) {
      if (this.#replay === 'begun') this.#replay = 'none';
      this.ended++;
    } else this.#items[pool.object(handle)]!.inFlight = false;
  }

  #event(provider: number, event: number): void {
    if (event === EVENT_GONE && provider === this.#follower) {
      this.#follower = 0;
      this.#replay = 'none';
      this.#dirtyObjects.clear();
      this.#dirtyRoutes.clear();
    }
    if (event !== EVENT_REPLAY) return;
    this.#follower = provider;
    this.#replay = 'asked';
    this.replays++;
  }
}

/** A connection, as the peer sees it. */
export interface Heard {
  readonly socket: Socket;
  /** Netlink messages, in order. */
  readonly messages: Buffer[];
  bytes: number;
  open: boolean;
}

/** A peer that reads frames. `port` 0: any. */
export class Peer {
  readonly connections: Heard[] = [];
  reading = true;
  /** Bytes and milliseconds: takes so many at most in so long. */
  slowMs = 0;
  readonly #server: Server;

  constructor() {
    this.#server = createServer({ pauseOnConnect: true }, socket => this.#accept(socket));
  }

  async listen(port = 0, host = '127.0.0.1'): Promise<number> {
    await new Promise<void>(resolve => this.#server.listen(port, host, resolve));
    return (this.#server.address() as { port: number }).port;
  }

  get last(): Heard {
    return this.connections.at(-1)!;
  }

  read(): void {
    this.reading = true;
    for (const { socket } of this.connections) socket.resume();
  }

  async close(): Promise<void> {
    for (const { socket } of this.connections) socket.destroy();
    await new Promise(resolve => this.#server.close(resolve));
  }

  #accept(socket: Socket): void {
    const heard: Heard = { socket, messages: [], bytes: 0, open: true };
    this.connections.push(heard);
    let left: Buffer = Buffer.alloc(0);
    socket.on('data', (data: Buffer) => {
      heard.bytes += data.length;
      const { messages, rest } = unframe(left.length === 0 ? data : Buffer.concat([left, data]));
      for (const message of messages) heard.messages.push(message);
      left = rest;
      if (this.slowMs === 0) return;
      socket.pause();
      setTimeout(() => socket.resume(), this.slowMs);
    });
    socket.on('error', () => {});
    socket.on('close', () => {
      heard.open = false;
    });
    if (this.reading) socket.resume();
  }
}

/** The netlink messages in a stream of frames, and what is left of the last frame. */
export function unframe(bytes: Buffer): { messages: Buffer[]; rest: Buffer } {
  const messages: Buffer[] = [];
  let at = 0;
  while (bytes.length - at >= 4) {
    const length = bytes.readUInt16BE(at + 2);
    if (bytes[at] !== 1 || bytes[at + 1] !== 1 || length < 20) throw new Error('not a frame');
    if (bytes.length - at < length) break;
    messages.push(Buffer.from(bytes.subarray(at + 4, at + length)));
    at += length;
  }
  return { messages, rest: bytes.subarray(at) };
}

/** A frame as a peer sends it. */
export function frame(message: Uint8Array, version = 1): Buffer {
  const header = Buffer.from([version, 1, 0, 0]);
  header.writeUInt16BE(4 + message.length, 2);
  return Buffer.concat([header, message]);
}

/** Gives the messages to the kernel of a namespace, which says what it thinks of them: errors by errno. */
export function judge(ns: Namespace, messages: readonly Buffer[]): Map<number, number> {
  const errors = new Map<number, number>();
  const socket = inNetworkNamespace(ns.path, () => new NetlinkSocket());
  try {
    for (const message of messages) {
      const errno = socket.send(message, message.length);
      if (errno !== 0) throw new Error(`the message was not sent: ${errno}`);
      for (let length = socket.receive(); length > 0; length = socket.receive()) {
        // NLMSG_ERROR: nothing else comes without NLM_F_ACK.
        const error = -socket.view.getInt32(16, true);
        errors.set(error, (errors.get(error) ?? 0) + 1);
      }
    }
  } finally {
    socket.close();
  }
  return errors;
}
