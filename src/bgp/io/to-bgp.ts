// What bgp-io tells bgp: what happened to connections, frames of messages, whose bytes or room are there. The rings are
// bounded; only life-cycle may have to wait here, of which there is no more than there are connections.
import { ByteProducer, Doorbell, HandleProducer } from '../../concurrency/index.ts';
import type { BgpChannels } from './channels.ts';
import { type Happening, UPDATES_HEAD, URGENT_JSON, URGENT_MESSAGE, URGENT_MESSAGE_HEAD } from './messages.ts';
import { type ConnectionTable, GENERATION, STALLED } from './table.ts';

/** Room that `urgent` must have before anything is read: one connection's OPEN, NOTIFICATION and life-cycle. */
const URGENT_RESERVE = 32 * 1024;

export class ToBgp {
  readonly #table: ConnectionTable;
  readonly #urgent: ByteProducer;
  readonly #urgentWords: Int32Array;
  readonly #updates: ByteProducer;
  readonly #updatesWords: Int32Array;
  readonly #ready: HandleProducer;
  readonly #bell: Doorbell;
  /** Life-cycle that `urgent` had no room for. */
  readonly #unsaid: Happening[] = [];
  #stalled = 0;

  constructor(channels: BgpChannels, table: ConnectionTable) {
    this.#table = table;
    this.#urgent = new ByteProducer(channels.urgent);
    this.#urgentWords = wordsOf(this.#urgent.bytes);
    this.#updates = new ByteProducer(channels.updates);
    this.#updatesWords = wordsOf(this.#updates.bytes);
    this.#ready = new HandleProducer(channels.ready);
    this.#bell = new Doorbell(channels.bgpBell);
  }

  /** Bytes of UPDATEs that can be under way. */
  get capacity(): number {
    return this.#updates.capacity;
  }

  ring(): void {
    this.#bell.ring();
  }

  say(happening: Happening): void {
    this.#unsaid.push(happening);
    this.sayUnsaid();
  }

  sayUnsaid(): void {
    if (this.#unsaid.length === 0) return;
    let done = 0;
    for (const happening of this.#unsaid) {
      const bytes = Buffer.from(JSON.stringify(happening));
      const offset = this.#urgent.reserve(4 + bytes.length);
      if (offset < 0) break;
      this.#urgentWords[offset >> 2] = URGENT_JSON;
      this.#urgent.bytes.set(bytes, offset + 4);
      this.#urgent.commit();
      done++;
    }
    this.#unsaid.splice(0, done);
    this.#urgent.publish();
    this.#bell.ring();
    this.#mark();
  }

  /** How many connections are not read because bgp is behind. */
  set stalled(count: number) {
    this.#stalled = count;
    this.#mark();
  }

  /** bgp rings when it has made room, where it sees that somebody waits for that. */
  #mark(): void {
    this.#table.setGlobal(STALLED, this.#stalled + this.#unsaid.length);
  }

  /** Whether there is room for all that a read of so many bytes can bring. */
  hasRoom(bytes: number): boolean {
    // What waits to be said must be said first: a connection's beginning before its bytes.
    if (this.#unsaid.length > 0) return false;
    // A frame may need twice its size (byte-ring.ts); small runs have a few bytes of head each.
    return this.#updates.room() >= 3 * bytes && this.#urgent.room() >= URGENT_RESERVE;
  }

  /** A run of whole UPDATE and ROUTE-REFRESH messages. */
  passUpdates(slot: number, run: Uint8Array): void {
    const offset = this.#updates.reserve(UPDATES_HEAD + run.length);
    if (offset < 0) throw new Error(`no room for ${run.length} bytes of UPDATEs where room was promised`);
    this.#updatesWords[offset >> 2] = slot;
    this.#updatesWords[(offset >> 2) + 1] = this.#table.get(slot, GENERATION);
    this.#updates.bytes.set(run, offset + UPDATES_HEAD);
    this.#updates.commit();
    this.#updates.publish();
  }

  /** The body of any other message. */
  passUrgent(slot: number, type: number, body: Uint8Array): void {
    const offset = this.#urgent.reserve(URGENT_MESSAGE_HEAD + body.length);
    if (offset < 0) throw new Error('no room for an urgent message where room was promised');
    const word = offset >> 2;
    this.#urgentWords[word] = URGENT_MESSAGE;
    this.#urgentWords[word + 1] = slot;
    this.#urgentWords[word + 2] = this.#table.get(slot, GENERATION);
    this.#urgentWords[word + 3] = type;
    this.#urgent.bytes.set(body, offset + URGENT_MESSAGE_HEAD);
    this.#urgent.commit();
    this.#urgent.publish();
  }

  /** A stream has bytes. */
  bytesReady(slot: number): void {
    this.#tell(slot * 2);
  }

  /** What bgp queued for a connection has left room. */
  roomReady(slot: number): void {
    this.#tell(slot * 2 + 1);
  }

  #tell(handle: number): void {
    // At most two entries a slot are under way, so there always is room.
    if (!this.#ready.push(handle)) throw new Error('the ready ring is full');
    this.#ready.publish();
    this.#bell.ring();
  }
}

function wordsOf(bytes: Uint8Array): Int32Array {
  return new Int32Array(bytes.buffer, bytes.byteOffset, bytes.byteLength / 4);
}
