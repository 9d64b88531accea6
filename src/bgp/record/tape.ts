// A tape holds everything that a speaker was told while it ran, in order, so that the same run can be had again: a speaker is
// a function of what it is told, and of nothing else.
//
//   entry    somebody called the speaker: a task's turn, a message, a command
//   answer   what it was told when it asked: the time, whether there is room, a random number
//   deed     what it did to the world. It is not played, but compared: where one differs, it is another run from there on
//
//   │ entry: task 4 │ answer: 12.004 ms │ answer: yes │ deed: send, 9f3c11d0 │ answer: taken │ entry: message of 7 │ …
//
// Tags are one octet; whole numbers are written seven bits at a time, the lowest first; times in microseconds since the one
// before. The first line of a tape is JSON and says whose it is.
import { closeSync, openSync, readFileSync, readSync, statSync } from 'node:fs';

/** Of this form of tape; another one is not read. */
const FORMAT = 'grevy bgp tape 1';

export const Tag = {
  // answers
  no: 0,
  yes: 1,
  time: 2,
  count: 3,
  number: 4,
  json: 5,
  // a deed
  deed: 6,
  // entries
  run: 16,
  connected: 17,
  failed: 18,
  message: 19,
  headerError: 20,
  closed: 21,
  writable: 22,
  probed: 23,
  listening: 24,
  accepted: 25,
  readable: 26,
  request: 27,
  hostname: 28,
  stop: 29,
} as const;

export type EntryTag = Exclude<(typeof Tag)[keyof typeof Tag], 0 | 1 | 2 | 3 | 4 | 5 | 6>;

const NAMES: readonly string[] = Object.entries(Tag).reduce<string[]>((names, [name, tag]) => {
  names[tag] = name;
  return names;
}, []);

/** What the first line says. */
export interface TapeHead {
  /** Of Grevy: another one may do other things with what it is told. */
  readonly version: string;
  readonly hostname: string;
  /** Where instances listen; 0: they do not. */
  readonly listenPort?: number;
  /** The ZAPI socket; undefined: the speaker ran without zebra. */
  readonly zserv?: string;
  /** When it began, of the loop's clock (ms) and as a date. */
  readonly startMs: number;
  readonly date: string;
}

/** The tape is not one, or the speaker that it is played to did something else than the one that it was recorded of. */
export class TapeError extends Error {
  override name = 'TapeError';
}

export interface Tape {
  /** A party that is told things, or has turns: its number, counted from 0 in the order in which the speaker made them. */
  party(): number;
  // Recording, these ask, and write down the answer; playing, they give the answer that stands on the tape, and ask nobody.
  // Beyond the end of a tape, it is `beyond`.
  flag(ask: () => boolean): boolean;
  /** A whole number, 0 or more. */
  count(ask: () => number, beyond?: number): number;
  number(ask: () => number, beyond?: number): number;
  /** Milliseconds of a clock that does not go back; in whole microseconds. */
  time(ask: () => number): number;
  json<T>(ask: () => T, beyond: T): T;
  /** The speaker does something; `digest` stands for the particulars. */
  deed(what: string, party: number, digest?: number): void;
}

/** 32 bits of some octets, or of a value as JSON. */
export function digestOf(bytes: Uint8Array, from = 0, end: number = bytes.length): number {
  let hash = 0x811c9dc5;
  for (let i = from; i < end; i++) hash = Math.imul(hash ^ bytes[i]!, 0x01000193);
  return hash >>> 0;
}

export function digestOfValue(value: unknown): number {
  return digestOf(Buffer.from(JSON.stringify(value) ?? ''));
}

const CHUNK_BYTES = 65_536;
const READ_BYTES = 1 << 30;

/** Writes a tape. What is on it goes to `put` in pieces, each of whole entries but perhaps for the last. */
export class TapeWriter implements Tape {
  readonly #put: (bytes: Uint8Array) => void;
  #bytes = new Uint8Array(CHUNK_BYTES * 2);
  #view = new DataView(this.#bytes.buffer);
  #end = 0;
  #parties = 0;
  #us: number;

  constructor(head: TapeHead, put: (bytes: Uint8Array) => void) {
    this.#put = put;
    this.#us = Math.round(head.startMs * 1000);
    put(Buffer.from(`${JSON.stringify({ format: FORMAT, ...head })}\n`));
  }

  party(): number {
    return this.#parties++;
  }

  /** Begins an entry; what it says of itself is written next. */
  entry(tag: EntryTag, party = 0): void {
    if (this.#end >= CHUNK_BYTES) this.flush();
    this.#tag(tag);
    this.#count(party);
  }

  writeCount(value: number): void {
    this.#need(10);
    this.#count(value);
  }

  writeBytes(bytes: Uint8Array, from: number, end: number): void {
    this.#need(10 + end - from);
    this.#count(end - from);
    this.#bytes.set(bytes.subarray(from, end), this.#end);
    this.#end += end - from;
  }

  writeJson(value: unknown): void {
    const bytes = Buffer.from(value === undefined ? '' : JSON.stringify(value));
    this.writeBytes(bytes, 0, bytes.length);
  }

  flush(): void {
    if (this.#end === 0) return;
    this.#put(this.#bytes.subarray(0, this.#end));
    this.#end = 0;
  }

  flag(ask: () => boolean): boolean {
    const answer = ask();
    this.#tag(answer ? Tag.yes : Tag.no);
    return answer;
  }

  count(ask: () => number): number {
    const answer = ask();
    this.#tag(Tag.count);
    this.#count(answer);
    return answer;
  }

  number(ask: () => number): number {
    const answer = ask();
    this.#tag(Tag.number);
    this.#view.setFloat64(this.#end, answer);
    this.#end += 8;
    return answer;
  }

  time(ask: () => number): number {
    const us = Math.max(this.#us, Math.round(ask() * 1000));
    this.#tag(Tag.time);
    this.#count(us - this.#us);
    this.#us = us;
    return us / 1000;
  }

  json<T>(ask: () => T): T {
    const answer = ask();
    this.#tag(Tag.json);
    this.writeJson(answer);
    return answer;
  }

  deed(what: string, party: number, digest = 0): void {
    this.#tag(Tag.deed);
    this.#count(party);
    this.#need(40);
    this.#view.setUint32(this.#end, digest);
    this.#end += 4;
    const from = this.#end++;
    for (let i = 0; i < what.length; i++) this.#bytes[this.#end++] = what.charCodeAt(i);
    this.#bytes[from] = what.length;
  }

  /** A tag, and room for a number behind it. */
  #tag(tag: number): void {
    this.#need(24);
    this.#bytes[this.#end++] = tag;
  }

  #count(value: number): void {
    let rest = value;
    while (rest >= 128) {
      this.#bytes[this.#end++] = (rest % 128) | 128;
      rest = Math.floor(rest / 128);
    }
    this.#bytes[this.#end++] = rest;
  }

  #need(more: number): void {
    if (this.#end + more <= this.#bytes.length) return;
    const bytes = new Uint8Array(Math.max(this.#bytes.length * 2, this.#end + more));
    bytes.set(this.#bytes.subarray(0, this.#end));
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer);
  }
}

/** Reads a tape. Beyond its end, where somebody asks a speaker about the run, time stands still, and nothing is taken. */
export class TapeReader implements Tape {
  readonly head: TapeHead;
  /** Entries begun so far. */
  entries = 0;
  readonly #bytes: Buffer;
  #at: number;
  #entry = '';
  #parties = 0;
  #us: number;
  #over = false;
  /** What was wrong: it stays wrong, even where the speaker took the exception for one of its own. */
  #error: TapeError | undefined;

  constructor(bytes: Buffer) {
    const line = bytes.indexOf(10);
    let head: (TapeHead & { format?: unknown }) | undefined;
    try {
      head = JSON.parse(bytes.toString('utf8', 0, Math.max(line, 0))) as TapeHead;
    } catch {
      // what it says instead is no head of ours
    }
    if (head?.format !== FORMAT) throw new TapeError(`not a tape: it does not begin with {"format":"${FORMAT}"`);
    this.head = head;
    this.#bytes = bytes;
    this.#at = line + 1;
    this.#us = Math.round(head.startMs * 1000);
  }

  static ofFile(file: string): TapeReader {
    const { size } = statSync(file);
    if (size <= READ_BYTES) return new TapeReader(readFileSync(file));
    // A run of days: Node reads 2 GiB at once at most.
    const bytes = Buffer.allocUnsafeSlow(size);
    const fd = openSync(file, 'r');
    try {
      for (let at = 0; at < size; ) {
        const read = readSync(fd, bytes, at, Math.min(READ_BYTES, size - at), null);
        if (read === 0) throw new TapeError('the tape became shorter while it was read');
        at += read;
      }
    } finally {
      closeSync(fd);
    }
    return new TapeReader(bytes);
  }

  party(): number {
    return this.#parties++;
  }

  /** Milliseconds since the beginning. */
  get elapsedMs(): number {
    return this.#us / 1000 - this.head.startMs;
  }

  /** The next entry; undefined at the end. */
  next(): { tag: EntryTag; party: number } | undefined {
    if (this.#error !== undefined) throw this.#error;
    if (this.#at >= this.#bytes.length) {
      this.#over = true;
      return undefined;
    }
    const tag = this.#bytes[this.#at]!;
    if (tag < Tag.run) {
      throw this.#other(`ends where the one recorded went on: ${NAMES[tag] ?? tag}`);
    }
    this.#at++;
    this.entries++;
    const party = this.readCount();
    this.#entry = `${NAMES[tag] ?? tag} ${party}`;
    return { tag: tag as EntryTag, party };
  }

  /** Here it ends, whatever there is behind it. */
  stop(): void {
    this.#over = true;
  }

  readCount(): number {
    let value = 0;
    for (let unit = 1; ; unit *= 128) {
      if (this.#at >= this.#bytes.length) throw this.#cut();
      const octet = this.#bytes[this.#at++]!;
      value += (octet & 127) * unit;
      if (octet < 128) return value;
    }
  }

  /** Good for as long as the tape. */
  readBytes(): Uint8Array {
    const length = this.readCount();
    if (this.#at + length > this.#bytes.length) throw this.#cut();
    this.#at += length;
    return this.#bytes.subarray(this.#at - length, this.#at);
  }

  readJson(): unknown {
    const bytes = this.readBytes();
    return bytes.length === 0 ? undefined : JSON.parse(Buffer.from(bytes).toString('utf8'));
  }

  flag(): boolean {
    if (this.#over) return false;
    const tag = this.#bytes[this.#at];
    if (tag === Tag.no || tag === Tag.yes) {
      this.#at++;
      return tag === Tag.yes;
    }
    this.#expect(Tag.yes);
    return false;
  }

  count(_ask: () => number, beyond = 0): number {
    if (this.#over) return beyond;
    this.#expect(Tag.count);
    return this.readCount();
  }

  number(_ask: () => number, beyond = 0): number {
    if (this.#over) return beyond;
    this.#expect(Tag.number);
    if (this.#at + 8 > this.#bytes.length) throw this.#cut();
    this.#at += 8;
    return this.#bytes.readDoubleBE(this.#at - 8);
  }

  time(): number {
    if (!this.#over) {
      this.#expect(Tag.time);
      this.#us += this.readCount();
    }
    return this.#us / 1000;
  }

  json<T>(_ask: () => T, beyond: T): T {
    if (this.#over) return beyond;
    this.#expect(Tag.json);
    return this.readJson() as T;
  }

  deed(what: string, party: number, digest = 0): void {
    if (this.#over) return;
    const mine = `${what} ${party}`;
    this.#expect(Tag.deed, mine);
    const whose = this.readCount();
    if (this.#at + 5 > this.#bytes.length) throw this.#cut();
    const other = this.#bytes.readUInt32BE(this.#at);
    const from = this.#at + 5;
    const to = from + this.#bytes[this.#at + 4]!;
    if (to > this.#bytes.length) throw this.#cut();
    this.#at = to;
    const recorded = `${this.#bytes.toString('latin1', from, this.#at)} ${whose}`;
    if (recorded !== mine) throw this.#other(`does '${mine}' where the one recorded did '${recorded}'`);
    if (other !== digest) throw this.#other(`does '${mine}' otherwise than the one recorded`);
  }

  #expect(tag: number, what: string = NAMES[tag]!): void {
    if (this.#at >= this.#bytes.length) throw this.#cut();
    const found = this.#bytes[this.#at]!;
    if (found !== tag) {
      throw this.#other(`comes to '${what}' where the one recorded came to '${NAMES[found] ?? found}'`);
    }
    this.#at++;
  }

  #other(how: string): TapeError {
    return this.#wrong(`another run: in entry ${this.entries} (${this.#entry}) the speaker ${how}`);
  }

  #wrong(message: string): TapeError {
    this.#error = new TapeError(message);
    return this.#error;
  }

  #cut(): TapeError {
    return this.#wrong(`the tape ends in the middle of entry ${this.entries} (${this.#entry})`);
  }
}
