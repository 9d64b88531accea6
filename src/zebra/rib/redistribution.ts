// Redistribution to one client: a queue of prefixes to look at again and, per prefix, the type that was announced. What is
// sent is decided when the client can take it, from what is true then, so a prefix that changes ten times while the client
// is slow is sent once, and the queue is bounded by the table.
import { type Family, grown } from '../../net/index.ts';
import type { RedistributionFeed, RedistributionSink } from '../face.ts';
import { IdQueue } from './id-queue.ts';
import type { RibWatcher } from './parts.ts';
import type { RibTable } from './table.ts';

const WAITING = 0x80;
const TYPE = 0x7f;

interface TableFeed {
  readonly table: RibTable;
  readonly queue: IdQueue;
  /** By prefix id: type announced + 1 (0 = not announced), and WAITING. */
  marks: Uint8Array;
  instances: Uint16Array;
  /** (type << 16 | instance) that is asked for. */
  readonly wanted: Set<number>;
  /** By type: some instance of it is wanted. */
  readonly types: Uint8Array;
}

export interface FeedHost {
  table(vrf: number, family: Family): RibTable;
  /** The feed let go of a prefix that may have nothing else to stay for. */
  released(table: RibTable, id: number): void;
  closed(feed: Feed): void;
}

export class Feed implements RedistributionFeed, RibWatcher {
  readonly #host: FeedHost;
  readonly #ready: () => void;
  readonly #tables: TableFeed[] = [];

  constructor(host: FeedHost, ready: () => void) {
    this.#host = host;
    this.#ready = ready;
  }

  get pending(): number {
    let count = 0;
    for (const one of this.#tables) count += one.queue.length;
    return count;
  }

  subscribe(vrf: number, family: Family, type: number, instance: number): void {
    const table = this.#host.table(vrf, family);
    let feed = this.#tables.find(one => one.table === table);
    if (feed === undefined) {
      feed = {
        table,
        queue: new IdQueue(),
        marks: new Uint8Array(table.first.length),
        instances: new Uint16Array(table.first.length),
        wanted: new Set(),
        types: new Uint8Array(128),
      };
      this.#tables.push(feed);
    }
    feed.wanted.add((type << 16) | instance);
    feed.types[type] = 1;
    const before = feed.queue.length;
    for (let id = 0; id < table.prefixes.limit; id++) {
      const row = table.prefixes.has(id) ? table.selected[id]! : -1;
      if (row >= 0 && (type === 0 || table.type[row] === type)) this.#mark(feed, id);
    }
    if (before === 0 && feed.queue.length > 0) this.#ready();
  }

  unsubscribe(vrf: number, family: Family, type: number, instance: number): void {
    const table = this.#host.table(vrf, family);
    const feed = this.#tables.find(one => one.table === table);
    if (feed === undefined) return;
    feed.wanted.delete((type << 16) | instance);
    feed.types[type] = [...feed.wanted].some(one => one >>> 16 === type) ? 1 : 0;
    for (let id = 0; id < feed.marks.length; id++) {
      if ((feed.marks[id]! & TYPE) === type + 1 && feed.instances[id] === instance) {
        feed.marks[id]! &= WAITING;
        if (feed.marks[id] === 0) this.#host.released(table, id);
      }
    }
  }

  /** The selection of a destination changed. */
  touch(table: RibTable, id: number): void {
    for (const feed of this.#tables) {
      if (feed.table !== table) continue;
      const row = table.selected[id]!;
      const announced = id < feed.marks.length ? feed.marks[id]! & TYPE : 0;
      // Most changes of a full table are of a type that nobody asked for.
      if (announced === 0 && (row < 0 || (feed.types[table.type[row]!] === 0 && feed.types[0] === 0))) return;
      const before = feed.queue.length;
      this.#mark(feed, id);
      if (before === 0 && feed.queue.length > 0) this.#ready();
    }
  }

  /** Whether the prefix must stay for a withdrawal that is still to be sent. */
  needs(table: RibTable, id: number): boolean {
    for (const feed of this.#tables)
      if (feed.table === table && id < feed.marks.length && feed.marks[id] !== 0) return true;
    return false;
  }

  take(max: number, sink: RedistributionSink): number {
    let count = 0;
    for (const feed of this.#tables) {
      const { table, queue } = feed;
      while (count < max) {
        const id = queue.shift();
        if (id < 0) break;
        const announced = feed.marks[id]! & TYPE;
        const instance = feed.instances[id]!;
        let row = table.prefixes.has(id) ? table.selected[id]! : -1;
        if (row >= 0 && !this.#wants(feed, table, row)) row = -1;
        const type = row < 0 ? 0 : table.type[row]!;
        if (announced !== 0 && (row < 0 || type + 1 !== announced || table.instance[row] !== instance)) {
          sink(false, table, id, -1, announced - 1, instance);
          count++;
        }
        if (row >= 0) {
          feed.marks[id] = type + 1;
          feed.instances[id] = table.instance[row]!;
          sink(true, table, id, row, type, table.instance[row]!);
          count++;
        } else {
          feed.marks[id] = 0;
          this.#host.released(table, id);
        }
      }
    }
    return count;
  }

  close(): void {
    const tables = this.#tables.splice(0);
    this.#host.closed(this);
    for (const feed of tables) {
      for (let id = 0; id < feed.marks.length; id++) if (feed.marks[id] !== 0) this.#host.released(feed.table, id);
    }
  }

  #wants(feed: TableFeed, table: RibTable, row: number): boolean {
    if (feed.wanted.has(0)) return true;
    return feed.wanted.has((table.type[row]! << 16) | table.instance[row]!);
  }

  #mark(feed: TableFeed, id: number): void {
    if (id >= feed.marks.length) {
      const rows = feed.table.first.length;
      [feed.marks, feed.instances] = grown(rows, feed.marks, feed.instances);
    }
    if ((feed.marks[id]! & WAITING) !== 0) return;
    feed.marks[id]! |= WAITING;
    feed.queue.push(id);
  }
}
