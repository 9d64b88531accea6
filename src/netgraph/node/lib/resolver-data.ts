// What arp and nd have in common in a worker: packets of IP get the Ethernet header of their next hop, or wait until it is known.
//
// Every worker has a table of its own, so that a packet looks at nothing that another thread writes. What one worker learns it tells the control
// half, which tells the others: an answer comes to one worker only, whoever asked. A neighbour is asked by each worker that needs it, at most
// once a second (RFC 1122 §2.3.2.1).
import type { AddressWords } from '../../../net/index.ts';
import { write16 } from '../../lib/ip.ts';
import { PKT_DATA, PKT_FLAG_MULTICAST, PKT_FLAGS, PKT_LENGTH } from '../../packet/packets.ts';
import { type DataContext, DataHalf, DROP } from '../../worker/half.ts';
import type { DataHook } from '../../worker/node.ts';
import {
  DELAY,
  INCOMPLETE,
  type Neighbor,
  NeighborTable,
  PERMANENT,
  PROBE,
  REACHABLE,
  STALE,
  WAITING,
} from './neighbors.ts';

export interface ResolverEntry {
  readonly words: AddressWords;
  readonly mac: Uint8Array;
}

export interface ResolverConfig {
  /** Undefined: not said yet; nothing is sent. */
  readonly mac: Uint8Array | undefined;
  readonly addresses: readonly AddressWords[];
  readonly permanent: readonly ResolverEntry[];
}

/** What workers tell each other by way of the control half. */
export type ResolverWord =
  | { readonly kind: 'learned'; readonly words: AddressWords; readonly mac: Uint8Array; readonly sure: boolean }
  | { readonly kind: 'gone'; readonly words: AddressWords };

export const NEIGHBOR_LIMIT = 4096;
export const RESOLVER_COUNTERS: readonly string[] = ['asked', 'answered', 'learned', 'failed', 'conflicts'];
const ASKED = 0;
export const ANSWERED = 1;
const LEARNED = 2;
const FAILED = 3;
export const CONFLICTS = 4;

/** RETRANS_TIMER, MAX_MULTICAST_SOLICIT and MAX_UNICAST_SOLICIT, DELAY_FIRST_PROBE_TIME (RFC 4861 §10). */
const AGAIN_MS = 1000;
const QUESTIONS = 3;
const DELAY_MS = 5000;
/** What nobody has needed for so long is forgotten. */
const UNUSED_MS = 20 * 60_000;
/** How often the others hear that a neighbour is still there. */
const TELL_MS = 1000;
export const ETHER_HEADER = 14;

export abstract class ResolverData extends DataHalf<ResolverConfig> {
  protected readonly table: NeighborTable = new NeighborTable(NEIGHBOR_LIMIT);
  protected mac: Uint8Array = new Uint8Array(6);
  protected ready = false;
  protected addresses: readonly AddressWords[] = [];
  protected lower: DataHook | undefined;
  protected ip: DataHook | undefined;
  readonly #reachableMs: number;
  readonly #delays: boolean;
  readonly #ethertype: number;
  #permanent: readonly ResolverEntry[] = [];
  /** Packets that wait, and how many may: others need packets too. */
  #held = 0;
  readonly #holdable: number;

  /** `reachableMs`: how long an answer is good for; `delays`: whether a neighbour that is needed is given time before it is asked. */
  constructor(node: DataContext, ethertype: number, reachableMs: number, delays: boolean) {
    super(node);
    this.#ethertype = ethertype;
    this.#reachableMs = reachableMs;
    this.#delays = delays;
    this.#holdable = node.packets.size >> 2;
  }

  /** Takes packets of IP that are to go out of the link: writes their headers, or has them wait. */
  protected abstract outgoing(handles: Int32Array, count: number, lower: DataHook): void;
  /** A frame for us or for all; true where it is the family's own, of which the header is to be taken off. */
  protected abstract incoming(handle: number, at: number, length: number): boolean;
  /** Writes a question at `at`, to all or to the neighbour alone; returns its length. */
  protected abstract question(at: number, neighbor: Neighbor, alone: boolean): number;

  override configure({ mac, addresses, permanent }: ResolverConfig): void {
    this.ready = mac !== undefined;
    if (mac) this.mac = mac;
    this.addresses = addresses;
    for (const { words } of this.#permanent) {
      const neighbor = this.find(words);
      if (neighbor?.state === PERMANENT) this.#forget(neighbor);
    }
    this.#permanent = permanent;
    for (const entry of permanent) {
      const neighbor = this.find(entry.words) ?? this.add(entry.words);
      if (!neighbor) continue;
      neighbor.mac.set(entry.mac);
      neighbor.state = PERMANENT;
      neighbor.at = Number.POSITIVE_INFINITY;
      this.#flush(neighbor);
    }
  }

  override hookAdded(): void {
    this.#find();
  }

  override hookRemoved(): void {
    this.#find();
  }

  override receive(hook: DataHook, handles: Int32Array, count: number): void {
    const { lower } = this;
    if (hook === lower) this.#up(handles, count);
    else if (hook !== this.ip || lower === undefined) this.node.dropMany(handles, count, DROP.notConnected);
    else if (this.ready) this.outgoing(handles, count, lower);
    else this.node.dropMany(handles, count, DROP.unresolved);
  }

  override heard(value: unknown): boolean {
    const word = value as ResolverWord;
    const neighbor = this.find(word.words);
    if (word.kind === 'gone') {
      if (neighbor && neighbor.state !== PERMANENT) this.#forget(neighbor);
    } else {
      const known = neighbor ?? this.add(word.words);
      if (known) this.#know(known, word.mac, word.sure);
    }
    return true;
  }

  override timer(now: number): void {
    let due = Number.POSITIVE_INFINITY;
    for (const neighbor of this.table.all()) {
      if (neighbor.at <= now) this.#turn(neighbor, now);
      if (neighbor.at < due) due = neighbor.at;
    }
    if (due < this.due) this.due = due;
  }

  override close(): void {
    for (const neighbor of this.table.all()) {
      for (const handle of neighbor.waiting) this.node.drop(handle, DROP.removed);
      neighbor.waiting.length = 0;
    }
  }

  protected find([w0, w1, w2, w3]: AddressWords): Neighbor | undefined {
    return this.table.find(w0 | 0, w1 | 0, w2 | 0, w3 | 0);
  }

  protected add([w0, w1, w2, w3]: AddressWords): Neighbor | undefined {
    return this.table.add(w0 | 0, w1 | 0, w2 | 0, w3 | 0);
  }

  protected isOwn(w0: number, w1: number, w2: number, w3: number): boolean {
    for (const own of this.addresses) {
      if ((own[3] | 0) === w3 && (own[0] | 0) === w0 && (own[1] | 0) === w1 && (own[2] | 0) === w2) return true;
    }
    return false;
  }

  /** Makes the packet a frame to the neighbour: true where it may go now. Otherwise it waits, or has ended. */
  protected toNeighbor(handle: number, w0: number, w1: number, w2: number, w3: number): boolean {
    const known = this.table.find(w0, w1, w2, w3);
    if (known !== undefined && known.state !== INCOMPLETE) {
      if (known.state === STALE) this.#need(known);
      known.used = this.node.now();
      return this.frame(handle, known.mac);
    }
    const neighbor = known ?? this.table.add(w0, w1, w2, w3);
    if (neighbor === undefined || this.#held >= this.#holdable) {
      this.node.drop(handle, DROP.queueFull);
      return false;
    }
    const { waiting } = neighbor;
    if (waiting.length === WAITING) {
      this.node.drop(waiting.shift()!, DROP.queueFull);
      this.#held--;
    }
    waiting.push(handle);
    this.#held++;
    if (known === undefined) this.#ask(neighbor, this.node.now());
    return false;
  }

  /** Puts the header of a frame to `mac` before the packet; false where there is no room, and it has ended. */
  protected frame(handle: number, mac: Uint8Array): boolean {
    const { packets } = this.node;
    if (!packets.prepend(handle, ETHER_HEADER)) {
      this.node.drop(handle, DROP.tooBig);
      return false;
    }
    const { bytes } = packets;
    const own = this.mac;
    const at = packets.words[handle + PKT_DATA]!;
    for (let i = 0; i < 6; i++) {
      bytes[at + i] = mac[i]!;
      bytes[at + 6 + i] = own[i]!;
    }
    write16(bytes, at + 12, this.#ethertype);
    return true;
  }

  /** The neighbour has the six bytes at `at` for its address; `sure`: it is there, since it has answered us. */
  protected learn(neighbor: Neighbor, bytes: Uint8Array, at: number, sure: boolean): void {
    if (neighbor.state === PERMANENT) return;
    const mac = bytes.slice(at, at + 6);
    const changed = neighbor.state === INCOMPLETE || !sameMac(neighbor.mac, mac, 0);
    const now = this.node.now();
    this.#know(neighbor, mac, sure);
    if (!changed && now - neighbor.told < TELL_MS) return;
    if (changed) this.count(LEARNED);
    neighbor.told = now;
    const words: AddressWords = [neighbor.w0 >>> 0, neighbor.w1 >>> 0, neighbor.w2 >>> 0, neighbor.w3 >>> 0];
    this.node.tell({ kind: 'learned', words, mac, sure } satisfies ResolverWord);
  }

  protected count(counter: number): void {
    const { counts } = this.node;
    counts[counter] = counts[counter]! + 1;
  }

  /** A packet for a frame of the node's own, or 0; it begins so that what follows its header is aligned. */
  protected blank(): number {
    const { packets } = this.node;
    const handle = packets.allocate();
    if (handle === 0) this.node.miss(DROP.noPacket);
    else packets.words[handle + PKT_DATA] = packets.words[handle + PKT_DATA]! + 2;
    return handle;
  }

  /** Sends a frame that was written into a `blank`. */
  protected sendBlank(handle: number, length: number): void {
    this.node.packets.words[handle + PKT_LENGTH] = length;
    if (this.lower) this.lower.send(handle);
    else this.node.drop(handle, DROP.notConnected);
  }

  #up(handles: Int32Array, count: number): void {
    const { packets } = this.node;
    const { words, bytes } = packets;
    const { ip, mac } = this;
    let good = 0;
    for (let i = 0; i < count; i++) {
      const handle = handles[i]!;
      const at = words[handle + PKT_DATA]!;
      const length = words[handle + PKT_LENGTH]!;
      if (length < ETHER_HEADER) {
        this.node.drop(handle, DROP.malformed);
        continue;
      }
      const group = (bytes[at]! & 1) !== 0;
      if (!group && !sameMac(mac, bytes, at)) {
        this.node.drop(handle, DROP.filtered);
        continue;
      }
      if (!this.incoming(handle, at, length)) continue;
      if (group) words[handle + PKT_FLAGS] = words[handle + PKT_FLAGS]! | PKT_FLAG_MULTICAST;
      words[handle + PKT_DATA] = at + ETHER_HEADER;
      words[handle + PKT_LENGTH] = length - ETHER_HEADER;
      handles[good++] = handle;
    }
    if (ip !== undefined) ip.pass(good);
    else this.node.dropMany(handles, good, DROP.notConnected);
  }

  #know(neighbor: Neighbor, mac: Uint8Array, sure: boolean): void {
    if (neighbor.state === PERMANENT) return;
    const now = this.node.now();
    const same = neighbor.state !== INCOMPLETE && sameMac(neighbor.mac, mac, 0);
    neighbor.mac.set(mac);
    if (sure) {
      neighbor.state = REACHABLE;
      neighbor.asked = 0;
      this.#wake(neighbor, now + this.#reachableMs);
    } else if (!same) {
      neighbor.state = STALE;
      neighbor.asked = 0;
      this.#wake(neighbor, now + UNUSED_MS);
    }
    this.#flush(neighbor);
  }

  #flush({ waiting, mac }: Neighbor): void {
    this.#held -= waiting.length;
    for (const handle of waiting) {
      if (!this.frame(handle, mac)) continue;
      if (this.lower) this.lower.send(handle);
      else this.node.drop(handle, DROP.notConnected);
    }
    waiting.length = 0;
  }

  #need(neighbor: Neighbor): void {
    const now = this.node.now();
    if (this.#delays) {
      neighbor.state = DELAY;
      this.#wake(neighbor, now + DELAY_MS);
    } else {
      neighbor.state = PROBE;
      this.#ask(neighbor, now);
    }
  }

  #turn(neighbor: Neighbor, now: number): void {
    switch (neighbor.state) {
      case REACHABLE:
        neighbor.state = STALE;
        this.#wake(neighbor, now + UNUSED_MS);
        return;
      case STALE: {
        const idle = neighbor.used + UNUSED_MS;
        if (idle <= now) this.#gone(neighbor);
        else this.#wake(neighbor, idle);
        return;
      }
      case DELAY:
        neighbor.state = PROBE;
        this.#ask(neighbor, now);
        return;
      default:
        if (neighbor.asked < QUESTIONS) this.#ask(neighbor, now);
        else {
          this.count(FAILED);
          this.#gone(neighbor);
        }
    }
  }

  #ask(neighbor: Neighbor, now: number): void {
    neighbor.asked++;
    this.#wake(neighbor, now + AGAIN_MS);
    const handle = this.blank();
    if (handle === 0) return;
    this.count(ASKED);
    const at = this.node.packets.words[handle + PKT_DATA]!;
    this.sendBlank(handle, this.question(at, neighbor, neighbor.state === PROBE));
  }

  #gone(neighbor: Neighbor): void {
    this.#forget(neighbor);
    const words: AddressWords = [neighbor.w0 >>> 0, neighbor.w1 >>> 0, neighbor.w2 >>> 0, neighbor.w3 >>> 0];
    this.node.tell({ kind: 'gone', words } satisfies ResolverWord);
  }

  #forget(neighbor: Neighbor): void {
    this.table.remove(neighbor);
    const back = this.node.hook('nohost');
    this.#held -= neighbor.waiting.length;
    for (const handle of neighbor.waiting) {
      if (back) back.send(handle);
      else this.node.drop(handle, DROP.unresolved);
    }
    neighbor.waiting.length = 0;
  }

  #wake(neighbor: Neighbor, at: number): void {
    neighbor.at = at;
    if (at < this.due) this.due = at;
  }

  #find(): void {
    this.lower = this.node.hook('lower');
    this.ip = this.node.hook('ip');
  }
}

export function sameMac(mac: Uint8Array, bytes: Uint8Array, at: number): boolean {
  for (let i = 0; i < 6; i++) if (mac[i] !== bytes[at + i]) return false;
  return true;
}
