// What all contexts have: slots of a pool, chains of them, and the words that every operation uses in the same way.
import { type PoolStats, SlotPool } from '../../concurrency/index.ts';
import {
  FIELD_EVENT,
  FIELD_KINDS,
  FIELD_MEMBERS,
  FIELD_NAMESPACE,
  FIELD_PATH,
  FLAG_GROUP,
  FLAG_TARGET,
  FLAG_TUNNEL_ENDS,
  FLAG_UNDO,
  FLAG_UNDO_FAILED,
  MEMBERS_PER_SLOT,
  STATUS_FAILED,
  STATUS_SUCCESS,
} from '../constants.ts';
import { OP_MORE, operationFields, operationName } from '../operation.ts';
import {
  CONTEXT_BYTES,
  CONTEXT_WORDS,
  COUNT,
  ENCAP,
  ENCAP_FIRST_BYTES,
  ENTERED,
  ERRNO,
  GENERATION,
  IFINDEX,
  NAMESPACE,
  NEXT,
  OBJECT,
  PAYLOAD,
  PREFIX,
  PROVIDER,
  ROUTE,
  SEQUENCE,
  TABLE,
} from './layout.ts';

/** Bits of a context's first word that `takeBack` leaves as they are: the operation, and some flags. */
const KEPT: number = 0xff | ((FLAG_GROUP | FLAG_UNDO | FLAG_UNDO_FAILED | FLAG_TARGET | FLAG_TUNNEL_ENDS) << 16);

export class ContextSlots {
  readonly words: Int32Array;
  readonly bytes: Uint8Array;
  readonly #pool: SlotPool;
  readonly #slotMask: number;

  static create(limit: number): SharedArrayBuffer {
    return SlotPool.create(CONTEXT_BYTES, limit);
  }

  static stats(memory: SharedArrayBuffer): PoolStats {
    return SlotPool.stats(memory);
  }

  constructor(memory: SharedArrayBuffer) {
    this.#pool = new SlotPool(memory);
    this.words = this.#pool.words;
    this.bytes = this.#pool.bytes;
    this.#slotMask = 2 ** Math.ceil(Math.log2(this.#pool.limit)) - 1;
  }

  get limit(): number {
    return this.#pool.limit;
  }

  get inUse(): number {
    return this.#pool.inUse;
  }

  /** Slots that `allocate` will still give. */
  get room(): number {
    return this.#pool.limit - this.#pool.inUse;
  }

  /** Owner only. A cleared context, or 0 where the pool is exhausted. */
  allocate(op: number): number {
    const handle = this.#pool.allocate();
    if (handle === 0) return 0;
    const at = this.at(handle);
    const words = this.words;
    for (let i = 1; i < PAYLOAD; i++) words[at + i] = 0;
    words[at + ENCAP] = 0;
    words[at] = op;
    return handle;
  }

  /** Owner only. Gives back the context and all that is chained behind it. */
  free(handle: number): void {
    let slot = handle;
    while (slot !== 0) {
      const next = this.words[this.at(slot) + NEXT]!;
      this.#pool.free(slot);
      slot = next;
    }
  }

  /** How many slots a context takes: its own, and all that are chained behind it. */
  slots(handle: number): number {
    let count = 0;
    for (let slot = handle; slot !== 0; slot = this.next(slot)) count++;
    return count;
  }

  holds(handle: number): boolean {
    return this.#pool.holds(handle);
  }

  /** Index of its slot: for columns beside the pool. */
  indexOf(handle: number): number {
    return handle & this.#slotMask;
  }

  op(handle: number): number {
    return this.words[this.at(handle)]! & 255;
  }

  status(handle: number): number {
    return (this.words[this.at(handle)]! >>> 8) & 255;
  }

  setStatus(handle: number, status: number): void {
    const at = this.at(handle);
    this.words[at] = (this.words[at]! & ~0xff00) | (status << 8);
  }

  /** FLAG_* bits. */
  flags(handle: number): number {
    return this.words[this.at(handle)]! >>> 16;
  }

  setFlags(handle: number, flags: number): void {
    const at = this.at(handle);
    this.words[at] = (this.words[at]! & 0xffff) | (flags << 16);
  }

  /** Place in the one order of results and notifications that left the dataplane thread (u32, wraps). */
  sequence(handle: number): number {
    return this.words[this.at(handle) + SEQUENCE]! >>> 0;
  }

  setSequence(handle: number, sequence: number): void {
    this.words[this.at(handle) + SEQUENCE] = sequence;
  }

  object(handle: number): number {
    return this.words[this.at(handle) + OBJECT]! >>> 0;
  }

  generation(handle: number): number {
    return this.words[this.at(handle) + GENERATION]! >>> 0;
  }

  /** The owner's identity, given back untouched in the result: two u32. */
  setObject(handle: number, object: number, generation: number): void {
    const at = this.at(handle);
    this.words[at + OBJECT] = object;
    this.words[at + GENERATION] = generation;
  }

  /** The network namespace that it is about, as NAMESPACE_OPEN numbered it; 0: the one that the dataplane works in. */
  namespace(handle: number): number {
    return this.words[this.at(handle) + NAMESPACE]!;
  }

  setNamespace(handle: number, namespace: number): void {
    this.words[this.at(handle) + NAMESPACE] = namespace;
  }

  /** NAMESPACE_OPEN: a descriptor of the namespace, open in this process until the result is there. */
  namespaceFd(handle: number): number {
    return this.words[this.fieldAt(handle, FIELD_NAMESPACE) + COUNT]!;
  }

  setNamespaceFd(handle: number, fd: number): void {
    this.words[this.fieldAt(handle, FIELD_NAMESPACE) + COUNT] = fd;
  }

  /** 0 = success. */
  errno(handle: number): number {
    return this.words[this.at(handle) + ERRNO]!;
  }

  /** Sets errno and with it the status. */
  setResult(handle: number, errno: number): void {
    const at = this.at(handle);
    this.words[at + ERRNO] = errno;
    this.words[at] = (this.words[at]! & ~0xff00) | ((errno === 0 ? STATUS_SUCCESS : STATUS_FAILED) << 8);
  }

  /** Number of the provider that failed it, or that a notification came from; 0 = none. */
  provider(handle: number): number {
    return this.words[this.at(handle) + PROVIDER]!;
  }

  setProvider(handle: number, provider: number): void {
    this.words[this.at(handle) + PROVIDER] = provider;
  }

  /** When it was enqueued: microseconds of the monotonic clock, modulo 2^32. */
  entered(handle: number): number {
    return this.words[this.at(handle) + ENTERED]! >>> 0;
  }

  setEntered(handle: number, us: number): void {
    this.words[this.at(handle) + ENTERED] = us;
  }

  /** OP_PROVIDER: what happened (EVENT_*) to the provider whose number `provider` gives. */
  event(handle: number): number {
    return this.words[this.fieldAt(handle, FIELD_EVENT) + COUNT]!;
  }

  setEvent(handle: number, provider: number, event: number): void {
    this.words[this.fieldAt(handle, FIELD_EVENT) + COUNT] = event;
    this.setProvider(handle, provider);
  }

  /** Owner only. A copy of another pool's context, chain and all; 0 where there are not slots enough. */
  copyFrom(from: ContextSlots, handle: number): number {
    if (this.room < from.slots(handle)) return 0;
    let first = 0;
    let last = 0;
    for (let slot = handle; slot !== 0; slot = from.next(slot)) {
      const copy = this.#pool.allocate();
      this.#copySlot(from, slot, copy);
      this.words[this.at(copy) + NEXT] = 0;
      if (first === 0) first = copy;
      else this.setNext(last, copy);
      last = copy;
    }
    return first;
  }

  /**
   * What another pool's copy of this context says by now. Its operation, its owner's identity, its namespace and its place in the order
   * are not for others to change, nor which way it goes; and what is chained behind it stays as it is.
   */
  takeBack(handle: number, from: ContextSlots, copy: number): void {
    const [a, b] = [from.at(copy), this.at(handle)];
    const { words } = this;
    words[b] = (from.words[a]! & ~KEPT) | (words[b]! & KEPT);
    // Of a path's encap only the beginning is here, so it stays whole.
    const path = (operationFields[words[b]! & 255]! & FIELD_PATH) !== 0 && ((words[b]! >>> 16) & FLAG_GROUP) === 0;
    const end = path ? ENCAP : CONTEXT_WORDS;
    for (let i = TABLE; i < end; i++) if (i !== COUNT && i !== NEXT && i !== ENTERED) words[b + i] = from.words[a + i]!;
  }

  /**
   * All that another pool's context of this operation says in its own slot, of somebody who may have spoilt it: it is not believed
   * that there is more than fits a slot.
   */
  adopt(handle: number, from: ContextSlots, other: number): void {
    const at = this.at(handle);
    const op = this.op(handle);
    this.#copySlot(from, other, handle);
    const { words } = this;
    words[at] = (words[at]! & ~0xff) | op;
    words[at + NEXT] = 0;
    const fields = operationFields[op]!;
    const most = (this.flags(handle) & FLAG_GROUP) !== 0 ? MEMBERS_PER_SLOT : 1;
    if ((fields & (FIELD_PATH | FIELD_MEMBERS)) !== 0) words[at + COUNT] = Math.min(words[at + COUNT]! >>> 0, most);
    if ((fields & FIELD_PATH) !== 0 && most === 1 && words[at + ENCAP]! >>> 16 > ENCAP_FIRST_BYTES)
      words[at + ENCAP] = 0;
  }

  #copySlot(from: ContextSlots, source: number, target: number): void {
    const [a, b] = [from.at(source), this.at(target)];
    for (let i = 0; i < CONTEXT_WORDS; i++) this.words[b + i] = from.words[a + i]!;
  }

  /** AF_*, or 0. */
  family(handle: number): number {
    return this.words[this.at(handle) + ROUTE]! & 255;
  }

  /** Bits of the prefix, or of the address's network. */
  length(handle: number): number {
    return (this.words[this.at(handle) + ROUTE]! >>> 8) & 255;
  }

  /** RTPROT_*. */
  protocol(handle: number): number {
    return (this.words[this.at(handle) + ROUTE]! >>> 16) & 255;
  }

  /** Word `i` (0–3) of the prefix or address. */
  prefixWord(handle: number, i: number): number {
    return this.words[this.at(handle) + PREFIX + i]! >>> 0;
  }

  ifindex(handle: number): number {
    return this.words[this.at(handle) + IFINDEX]!;
  }

  /** KIND_* bits of a RESYNC, DUMP_BEGIN or DUMP_END. */
  kinds(handle: number): number {
    return this.words[this.fieldAt(handle, FIELD_KINDS) + COUNT]!;
  }

  setKinds(handle: number, kinds: number): void {
    this.words[this.fieldAt(handle, FIELD_KINDS) + COUNT] = kinds;
  }

  /** How many paths or members there are in all. */
  count(handle: number): number {
    return this.words[this.at(handle) + COUNT]!;
  }

  setCount(handle: number, count: number): void {
    this.words[this.at(handle) + COUNT] = count;
  }

  /** The slot chained behind, or 0: what is in it is for its accessors to say. */
  next(handle: number): number {
    return this.words[this.at(handle) + NEXT]!;
  }

  setNext(handle: number, next: number): void {
    this.words[this.at(handle) + NEXT] = next;
  }

  /** OP_MORE behind this slot, before what is behind it now; 0 where there is no room. Owner only. */
  protected insert(slot: number): number {
    const more = this.allocate(OP_MORE);
    if (more === 0) return 0;
    this.setNext(more, this.next(slot));
    this.setNext(slot, more);
    return more;
  }

  /** Gives back the slot behind this one. Owner only. */
  protected remove(slot: number): void {
    const more = this.next(slot);
    this.setNext(slot, this.next(more));
    this.#pool.free(more);
  }

  protected at(handle: number): number {
    return (handle & this.#slotMask) << 5;
  }

  /** The same, of a context that has (one of) these fields. */
  protected fieldAt(handle: number, field: number): number {
    const at = (handle & this.#slotMask) << 5;
    if ((operationFields[this.words[at]! & 255]! & field) === 0) throw noField(this.words[at]! & 255, field);
    return at;
  }
}

function noField(op: number, field: number): Error {
  return new Error(`dataplane context: ${operationName(op)} has no field ${field}`);
}
