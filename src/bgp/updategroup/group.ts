// Peers that are to be told the same things share one pass over the table and one encoding of each message.
//
//   table ─dirty─▶ evaluate: policy, transform ─▶ wanted set of each prefix   (adj-RIB-out, chained by set)
//                                                     │ a bit per prefix and stream
//                       ┌─────────────────────────────┼───────────────────────┐
//                  main stream                  initial stream           a slow member's
//                 [m1, m2, m3 …]                  [m7, m8]                   [m4]
//
// A stream is a set of members at the same point, and the bits of the prefixes they have not been told of. Taking a bit,
// the set that its prefix wants is looked at, and the prefixes chained beside it in the same set and pending too fill the
// message up: that is what packs them, without any queue. Messages are made only while every member of the stream has
// room, so a change that waits is overtaken by the next one and sent once.
//
// A peer that joins later gets a stream of its own, with every prefix pending; one that stops reading while others do not
// is moved into one, so that it delays them once, for a moment. A stream that has run dry merges into the main one.
//
// Split horizon: a member whose own path is the best one is left out of the message, and is sent a withdrawal if it had
// been told of somebody else's path before (`unsend`).
import { AF_INET, grown, moreRows } from '../../net/index.ts';
import type { AttributeStore } from '../rib/attributes.ts';
import { DirtySet } from '../rib/dirty.ts';
import type { BgpTable, TableConsumer } from '../rib/table.ts';
import { ATTR_MP_REACH, ATTR_MP_UNREACH, ATTR_NEXT_HOP, FLAG_EXTENDED, FLAG_OPTIONAL } from '../wire/attribute.ts';
import { writePrefix4, writePrefix6 } from '../wire/nlri.ts';
import { beginUpdate, endUpdate, writeEndOfRib } from '../wire/update.ts';
import { OldSpeakerEncoder } from './encode.ts';
import { ExportTransform } from './transform.ts';
import { type GroupMember, type GroupOptions, uniformRules } from './types.ts';

/** In `sent`: members differ in what they were told last. */
const UNKNOWN = 0xffffffff;
/** How long members wait for one that has no room before it gets a stream of its own. */
const PATIENCE_MS = 100;
/** One that was slow is not waited for again for this long. */
const SLOW_MS = 60_000;
/** Chained prefixes in a row that are not pending before the search for more stops. */
const MISSES = 16;

interface Member {
  readonly target: GroupMember;
  /** Prefixes to be withdrawn from this member alone. */
  readonly unsend: DirtySet;
  /** Still to be sent. */
  endOfRib: boolean;
  /** `#messages` when it was sent. */
  endOfRibAt: number;
  /** Since when it has had no room, -1: it has. */
  blockedMs: number;
  slowUntilMs: number;
}

interface Stream {
  readonly members: Member[];
  readonly dirty: DirtySet;
  /** Prefixes announced in a stream that began from nothing; undefined: the members may know any. */
  announced: DirtySet | undefined;
}

export interface GroupStats {
  members: number;
  streams: number;
  /** Prefixes with something to announce. */
  prefixes: number;
  messages: number;
  /** Prefixes announced and withdrawn, a message to several members counted once. */
  announced: number;
  withdrawn: number;
  /** Members moved out because they did not read. */
  slow: number;
  /** Sets too large for a message. */
  tooLarge: number;
  pending: number;
}

export class UpdateGroup implements TableConsumer {
  readonly dirty: DirtySet = new DirtySet();
  readonly options: GroupOptions;
  /** `run` has something to do. */
  onWork: () => void = () => {};
  /** `run` should be called again after this time, because a member that does not read may have to be left behind. */
  onTimer: (ms: number) => void = ms => {
    setTimeout(() => this.onWork(), ms).unref();
  };

  readonly #table: BgpTable;
  readonly #store: AttributeStore;
  readonly #transform: ExportTransform;
  readonly #old: OldSpeakerEncoder | undefined;
  readonly #main: Stream = { members: [], dirty: new DirtySet(), announced: undefined };
  readonly #streams: Stream[] = [this.#main];
  #fresh = true; // nobody has joined yet

  // By prefix.
  #out = new Uint32Array(0); // the set that members are to have, 0: none; holds a reference
  #source = new Uint16Array(0); // the peer whose path it is
  #next = new Uint32Array(0); // chain of the prefixes that want one set: prefix + 1
  #prev = new Uint32Array(0);
  #sent = new Uint32Array(0); // what the main stream's members were told last; holds a reference
  #sentSource = new Uint16Array(0);
  // By attribute set.
  #head = new Uint32Array(0); // first of the chain: prefix + 1

  #isMember = new Uint8Array(64); // by peer
  #only = -1; // the member where there is just one: its own paths are not even transformed
  #skipped = false; // some were not, and somebody who joins needs them
  #scratch: Uint8Array;
  #packed = new Uint32Array(1024); // prefixes in the message being made
  #packedCount = 0;
  #prefixes = 0;
  #messages = 0;
  #announced = 0;
  #withdrawn = 0;
  #slow = 0;
  #tooLarge = 0;

  constructor(table: BgpTable, options: GroupOptions) {
    this.#table = table;
    this.#store = table.store;
    this.options = uniformRules(options);
    this.#transform = new ExportTransform(table, this.options);
    this.#old = options.as4 ? undefined : new OldSpeakerEncoder();
    this.#scratch = new Uint8Array(options.maximumMessageBytes);
    beginUpdate(this.#scratch, 0);
    table.attach(this);
  }

  // ===== members =====

  /** A peer came up: it gets the whole table, then End-of-RIB, then what changes. */
  join(target: GroupMember): void {
    const member: Member = {
      target,
      unsend: new DirtySet(),
      endOfRib: true,
      endOfRibAt: 0,
      blockedMs: -1,
      slowUntilMs: 0,
    };
    if (target.peer >= this.#isMember.length) [this.#isMember] = grown(target.peer * 2, this.#isMember);
    this.#isMember[target.peer] = 1;
    this.#only = this.memberCount === 0 ? target.peer : -1;
    if (this.#skipped) {
      this.#skipped = false;
      this.#table.markAll(this.dirty);
    }
    if (this.#fresh) {
      this.#fresh = false;
      this.#main.members.push(member);
    } else {
      // Others that have joined at this moment and have not been told of anything yet can share a stream.
      let stream = this.#streams.find(
        other => other !== this.#main && other.announced?.size === 0 && other.members.length > 0,
      );
      if (!stream) {
        stream = { members: [], dirty: new DirtySet(), announced: new DirtySet() };
        this.#markWanted(stream);
        this.#streams.push(stream);
      }
      stream.members.push(member);
    }
    this.onWork();
  }

  /** A peer went down. */
  leave(target: GroupMember): void {
    this.#isMember[target.peer] = 0;
    const unsend = this.#find(target)?.unsend;
    this.#remove(target);
    if (unsend) {
      for (let prefix = unsend.take(); prefix >= 0; prefix = unsend.take()) this.#table.releasePrefix(prefix);
    }
    this.#dropEmptyStreams();
    if (this.memberCount === 1) {
      this.#only = this.#streams.find(stream => stream.members.length === 1)?.members[0]?.target.peer ?? -1;
    }
    this.onWork();
  }

  get memberCount(): number {
    return this.#streams.reduce((count, stream) => count + stream.members.length, 0);
  }

  /** The peer asked for everything again (RFC 2918). */
  refresh(target: GroupMember): void {
    const member = this.#find(target);
    const stream = this.#streams.find(other => other.members.some(own => own === member));
    if (!member || !stream) return;
    this.#remove(target);
    // What was pending stays so: there may be withdrawals in it.
    const own = this.#split(stream, member);
    this.#markWanted(own);
    this.#dropEmptyStreams();
    this.onWork();
  }

  /** The export policy, or what it looks at, changed: every prefix is looked at again, in slices of `run`. */
  policyChanged(): void {
    this.#transform.forget();
    this.#table.markAll(this.dirty);
    this.onWork();
  }

  /** After the last member left: gives everything back. */
  close(): void {
    this.#table.detach(this);
    const table = this.#table;
    const release = (dirty: DirtySet): void => {
      for (let prefix = dirty.take(); prefix >= 0; prefix = dirty.take()) table.releasePrefix(prefix);
    };
    for (let prefix = 0; prefix < this.#out.length; prefix++) {
      const out = this.#out[prefix]!;
      const sent = this.#sent[prefix]!;
      if (out === 0 && sent === 0) continue;
      this.#store.release(out);
      if (sent !== UNKNOWN) this.#store.release(sent);
      this.#out[prefix] = this.#sent[prefix] = 0;
      table.releasePrefix(prefix);
    }
    release(this.dirty);
    for (const stream of this.#streams) {
      release(stream.dirty);
      for (const member of stream.members) release(member.unsend);
    }
    this.#streams.length = 1;
    this.#main.members.length = 0;
  }

  // ===== the table's side =====

  wake(): void {
    this.onWork();
  }

  holds(prefix: number): boolean {
    if (this.dirty.has(prefix)) return true;
    if (prefix < this.#out.length && (this.#out[prefix] !== 0 || this.#sent[prefix] !== 0)) return true;
    for (const stream of this.#streams) {
      if (stream.dirty.has(prefix)) return true;
      for (const member of stream.members) if (member.unsend.has(prefix)) return true;
    }
    return false;
  }

  // ===== work =====

  /**
   * Looks at up to `maxPrefixes` changed prefixes, then makes messages of up to as many for each stream. True: there is
   * more to do at once; false: nothing is pending, or nobody has room (call again when a member can be written to).
   */
  run(maxPrefixes: number, nowMs: number = performance.now()): boolean {
    this.#table.decide();
    // Nothing is computed before there is somebody to tell.
    if (this.#fresh) return false;
    if (this.#table.prefixes.capacity > this.#out.length) this.#growPrefixes();
    for (let left = maxPrefixes; left > 0; left--) {
      const prefix = this.dirty.take();
      if (prefix < 0) break;
      this.#evaluate(prefix);
    }
    let more = this.dirty.size > 0;
    // Streams may be added, and emptied ones go, while this runs.
    for (let i = 0; i < this.#streams.length; i++) {
      if (this.#fill(this.#streams[i]!, maxPrefixes, nowMs)) more = true;
    }
    this.#merge();
    return more;
  }

  /** What the members are to be told of a prefix now. */
  #evaluate(prefix: number): void {
    const table = this.#table;
    const store = this.#store;
    const best = table.best[prefix]!;
    const own = best !== 0 && table.pathPeer[best] === this.#only;
    if (own) this.#skipped = true;
    let out = best === 0 || own ? 0 : this.#transform.apply(best, prefix);
    if (out !== 0 && !this.#fits(out)) {
      this.#tooLarge++;
      store.release(out);
      out = 0;
    }
    const source = best === 0 ? 0 : table.pathPeer[best]!;
    const before = this.#out[prefix]!;
    if (out === before) {
      store.release(out);
      const from = this.#source[prefix]!;
      // Who is left out changes only if one of the two is a member.
      if (out === 0 || source === from || (this.#isMember[source] === 0 && this.#isMember[from] === 0)) {
        this.#source[prefix] = source;
        if (this.#sent[prefix] === out) this.#sentSource[prefix] = source;
        if (out === 0) table.releasePrefix(prefix);
        return;
      }
    } else {
      if (before !== 0) {
        this.#unlink(prefix, before);
        store.release(before);
        this.#prefixes--;
      }
      this.#out[prefix] = out;
      if (out !== 0) {
        this.#link(prefix, out);
        this.#prefixes++;
      }
    }
    this.#source[prefix] = source;
    for (let i = 0; i < this.#streams.length; i++) this.#streams[i]!.dirty.add(prefix);
  }

  /** Whether the set and one prefix fit into a message. */
  #fits(out: number): boolean {
    const length = this.#store.length[out]!;
    // 23: header and the two lengths; 64: MP_REACH_NLRI around two next hops and a prefix. AS4_PATH repeats the path.
    return (this.#old ? length * 2 : length) + 23 + 64 <= this.options.maximumMessageBytes;
  }

  /** Makes messages of up to `max` prefixes; true if it stopped because of that limit. */
  #fill(stream: Stream, max: number, nowMs: number): boolean {
    if (stream.members.length === 0) {
      if (stream === this.#main && this.#main.dirty.size > 0) this.#absorb();
      return false;
    }
    const dirty = stream.dirty;
    let left = max;
    while (dirty.size > 0) {
      if (left <= 0) return true;
      if (!this.#ready(stream, nowMs)) return false;
      if (!this.#flushUnsend(stream)) return false;
      const prefix = dirty.peek();
      const out = this.#out[prefix]!;
      if (out !== 0 && stream.members.length === 1 && stream.members[0]!.target.peer === this.#source[prefix]) {
        // The only member is where it came from: nothing to say, but there may be something to take back.
        this.#packedCount = 0;
        this.#pack(prefix);
        this.#finish(stream, out, this.#source[prefix]!);
        left--;
        continue;
      }
      const length = out === 0 ? this.#packWithdrawals(stream, prefix) : this.#packAnnouncements(stream, prefix, out);
      left -= Math.max(this.#packedCount, 1);
      if (length === 0) continue; // all of it was known already
      const excluded = out === 0 ? 0 : this.#source[prefix]!;
      this.#messages++;
      for (let i = 0; i < stream.members.length; i++) {
        const target = stream.members[i]!.target;
        if (target.peer !== excluded) target.send(this.#scratch, 0, length);
      }
      this.#finish(stream, out, excluded);
    }
    if (!this.#flushUnsend(stream)) return false;
    if (this.dirty.size === 0) this.#endOfRib(stream);
    return false;
  }

  /** Whether every member has room for a message. One that has had none for too long gets a stream of its own. */
  #ready(stream: Stream, nowMs: number): boolean {
    const members = stream.members;
    const need = this.options.maximumMessageBytes;
    let blocked = 0;
    let wait = PATIENCE_MS;
    for (let i = 0; i < members.length; i++) {
      const member = members[i]!;
      if (member.target.hasRoom(need)) {
        member.blockedMs = -1;
        continue;
      }
      blocked++;
      if (member.blockedMs < 0) member.blockedMs = nowMs;
      const patience = nowMs < member.slowUntilMs ? 0 : PATIENCE_MS;
      wait = Math.min(wait, member.blockedMs + patience - nowMs);
    }
    if (blocked === 0) return true;
    if (blocked === members.length) return false;
    if (wait > 0) {
      this.onTimer(Math.ceil(wait));
      return false;
    }
    for (let i = members.length - 1; i >= 0; i--) {
      const member = members[i]!;
      if (member.blockedMs < 0) continue;
      const patience = nowMs < member.slowUntilMs ? 0 : PATIENCE_MS;
      if (member.blockedMs + patience > nowMs) continue;
      member.slowUntilMs = nowMs + SLOW_MS;
      this.#slow++;
      members.splice(i, 1);
      this.#split(stream, member);
    }
    return this.#ready(stream, nowMs);
  }

  #split(stream: Stream, member: Member): Stream {
    const own: Stream = { members: [member], dirty: new DirtySet(), announced: undefined };
    own.dirty.addAll(stream.dirty);
    if (stream.announced) {
      own.announced = new DirtySet();
      own.announced.addAll(stream.announced);
    }
    this.#streams.push(own);
    return own;
  }

  /** Withdrawals of prefixes nobody is to have; 0: none of the members had any of them. */
  #packWithdrawals(stream: Stream, first: number): number {
    const bytes = this.#scratch;
    const prefixes = this.#table.prefixes;
    const ipv4 = this.#table.family === AF_INET;
    const dirty = stream.dirty;
    const begin = ipv4 ? 21 : 30; // IPv6: MP_UNREACH_NLRI's header before it
    let at = begin;
    const limit = this.options.maximumMessageBytes - (ipv4 ? 2 : 0) - 17;
    this.#packedCount = 0;
    let misses = 0;
    let sent = 0;
    for (let prefix = first; prefix >= 0 && at < limit && misses < 256; prefix = dirty.from(prefix + 1)) {
      if (this.#out[prefix] !== 0) {
        misses++;
        continue;
      }
      this.#pack(prefix);
      if (!this.#wasAnnounced(stream, prefix)) continue;
      sent++;
      if (ipv4) at += writePrefix4(bytes, at, prefixes.w0[prefix]!, prefixes.length[prefix]!);
      else {
        at += writePrefix6(
          bytes,
          at,
          prefixes.w0[prefix]!,
          prefixes.w1[prefix]!,
          prefixes.w2[prefix]!,
          prefixes.w3[prefix]!,
          prefixes.length[prefix]!,
        );
      }
    }
    if (sent === 0) {
      this.#finish(stream, 0, 0);
      return 0;
    }
    this.#withdrawn += sent;
    return this.#closeWithdrawal(begin, at);
  }

  /** Puts the lengths around withdrawn prefixes at [begin, at). */
  #closeWithdrawal(begin: number, end: number): number {
    const bytes = this.#scratch;
    let at = end;
    if (this.#table.family === AF_INET) {
      bytes[19] = (at - begin) >>> 8;
      bytes[20] = at - begin;
      bytes[at++] = 0;
      bytes[at++] = 0;
    } else {
      const value = at - 27;
      bytes[19] = bytes[20] = 0;
      bytes[21] = (value + 4) >>> 8;
      bytes[22] = value + 4;
      bytes[23] = FLAG_OPTIONAL | FLAG_EXTENDED;
      bytes[24] = ATTR_MP_UNREACH;
      bytes[25] = value >>> 8;
      bytes[26] = value;
      bytes[27] = 0;
      bytes[28] = 2;
      bytes[29] = 1;
    }
    return endUpdate(bytes, 0, at);
  }

  #wasAnnounced(stream: Stream, prefix: number): boolean {
    if (stream === this.#main) return this.#sent[prefix] !== 0;
    return stream.announced === undefined || stream.announced.has(prefix);
  }

  #packAnnouncements(stream: Stream, first: number, out: number): number {
    const store = this.#store;
    const bytes = this.#scratch;
    const maximum = this.options.maximumMessageBytes;
    this.#packedCount = 0;
    // Attributes first where they can be copied as they are, after MP_REACH_NLRI where the next hop is in there.
    const hopFound = store.find(out, ATTR_NEXT_HOP);
    const hop = store.foundStart;
    const hopLength = hopFound ? store.foundEnd - hop : 0;
    const multiprotocol = this.#table.family !== AF_INET || hopLength !== 4;
    bytes[19] = bytes[20] = 0;
    if (!multiprotocol) {
      let at = 23;
      if (this.#old) {
        const encoded = this.#old.encode(store, out, false);
        bytes.set(encoded.bytes.subarray(0, encoded.length), at);
        at += encoded.length;
      } else {
        const arena = store.arena;
        const end = store.start[out]! + store.length[out]!;
        for (let from = store.start[out]!; from < end; ) bytes[at++] = arena[from++]!;
      }
      bytes[21] = (at - 23) >>> 8;
      bytes[22] = at - 23;
      const end = this.#packChain(stream, first, out, at, maximum - 4);
      return this.#packedCount === 0 ? 0 : endUpdate(bytes, 0, end);
    }
    // The others' length is known only when they are written; they go behind, and cost at most this.
    const reserve = this.#old ? store.length[out]! * 2 : store.length[out]!;
    bytes[23] = FLAG_OPTIONAL | FLAG_EXTENDED;
    bytes[24] = ATTR_MP_REACH;
    bytes[27] = 0;
    bytes[28] = this.#table.family === AF_INET ? 1 : 2;
    bytes[29] = 1;
    bytes[30] = hopLength;
    let at = 31;
    for (let i = 0; i < hopLength; i++) bytes[at++] = store.arena[hop + i]!;
    bytes[at++] = 0;
    at = this.#packChain(stream, first, out, at, maximum - reserve - 17);
    if (this.#packedCount === 0) return 0;
    bytes[25] = (at - 27) >>> 8;
    bytes[26] = at - 27;
    if (this.#old) {
      const encoded = this.#old.encode(store, out, true);
      bytes.set(encoded.bytes.subarray(0, encoded.length), at);
      at += encoded.length;
    } else {
      const arena = store.arena;
      // Everything but NEXT_HOP, whose header is three octets before its value.
      const end = store.start[out]! + store.length[out]!;
      for (let from = store.start[out]!; from < end; from++) {
        if (from === hop - 3) from = hop + hopLength;
        if (from < end) bytes[at++] = arena[from]!;
      }
    }
    bytes[21] = (at - 23) >>> 8;
    bytes[22] = at - 23;
    return endUpdate(bytes, 0, at);
  }

  /** Packs `first` and what is pending beside it in its chain, to both sides; returns the offset behind the prefixes. */
  #packChain(stream: Stream, first: number, out: number, from: number, limit: number): number {
    const dirty = stream.dirty;
    const source = this.#source[first]!;
    const main = stream === this.#main;
    let at = this.#packPrefix(first, from);
    if (main && this.#known(first, out)) at = from;
    for (let side = 0; side < 2; side++) {
      const links = side === 0 ? this.#prev : this.#next;
      let misses = 0;
      for (let link = links[first]!; link !== 0 && misses < MISSES && at < limit; link = links[link - 1]!) {
        const prefix = link - 1;
        if (!dirty.has(prefix) || this.#source[prefix] !== source) {
          misses++;
          continue;
        }
        misses = 0;
        const after = this.#packPrefix(prefix, at);
        if (!main || !this.#known(prefix, out)) at = after;
      }
    }
    if (at === from) {
      // Nothing that the members do not know already.
      this.#finish(stream, out, source);
      this.#packedCount = 0;
    } else this.#announced += this.#packedCount;
    return at;
  }

  /** Whether the main stream's members were told exactly this. */
  #known(prefix: number, out: number): boolean {
    return this.#sent[prefix] === out && this.#sentSource[prefix] === this.#source[prefix];
  }

  #packPrefix(prefix: number, at: number): number {
    const prefixes = this.#table.prefixes;
    this.#pack(prefix);
    if (this.#table.family === AF_INET) {
      return at + writePrefix4(this.#scratch, at, prefixes.w0[prefix]!, prefixes.length[prefix]!);
    }
    return (
      at +
      writePrefix6(
        this.#scratch,
        at,
        prefixes.w0[prefix]!,
        prefixes.w1[prefix]!,
        prefixes.w2[prefix]!,
        prefixes.w3[prefix]!,
        prefixes.length[prefix]!,
      )
    );
  }

  #pack(prefix: number): void {
    if (this.#packedCount === this.#packed.length) [this.#packed] = grown(this.#packedCount * 2, this.#packed);
    this.#packed[this.#packedCount++] = prefix;
  }

  /** The packed prefixes were sent to every member but `excluded`: books. */
  #finish(stream: Stream, out: number, excluded: number): void {
    const dirty = stream.dirty;
    const store = this.#store;
    const main = stream === this.#main;
    let own: Member | undefined;
    if (excluded !== 0 && this.#isMember[excluded] === 1) {
      for (let i = 0; i < stream.members.length; i++) {
        if (stream.members[i]!.target.peer === excluded) own = stream.members[i];
      }
    }
    for (let i = 0; i < this.#packedCount; i++) {
      const prefix = this.#packed[i]!;
      dirty.delete(prefix);
      if (own !== undefined && this.#wasAnnounced(stream, prefix)) {
        // It had somebody else's path, unless it was left out the last time too.
        if (!main || this.#sentSource[prefix] !== excluded) own.unsend.add(prefix);
      }
      if (main) {
        const sent = this.#sent[prefix]!;
        if (sent !== out) {
          if (out !== 0) store.retain(out);
          this.#sent[prefix] = out;
          if (sent !== UNKNOWN) store.release(sent);
        }
        this.#sentSource[prefix] = this.#source[prefix]!;
      } else if (stream.announced) {
        if (out !== 0) stream.announced.add(prefix);
        else stream.announced.delete(prefix);
      }
      if (out === 0) this.#table.releasePrefix(prefix);
    }
  }

  /** Withdrawals for one member alone; false where it has no room. */
  #flushUnsend(stream: Stream): boolean {
    const members = stream.members;
    for (let i = 0; i < members.length; i++) {
      const member = members[i]!;
      while (member.unsend.size > 0) {
        if (!member.target.hasRoom(this.options.maximumMessageBytes)) return false;
        this.#sendUnsend(member);
      }
    }
    return true;
  }

  #sendUnsend(member: Member): void {
    const prefixes = this.#table.prefixes;
    const bytes = this.#scratch;
    const ipv4 = this.#table.family === AF_INET;
    const begin = ipv4 ? 21 : 30;
    let at = begin;
    const limit = this.options.maximumMessageBytes - 19;
    for (let prefix = member.unsend.peek(); prefix >= 0 && at < limit; prefix = member.unsend.peek()) {
      member.unsend.delete(prefix);
      if (ipv4) at += writePrefix4(bytes, at, prefixes.w0[prefix]!, prefixes.length[prefix]!);
      else {
        const [w0, w1, w2, w3] = prefixes.words(prefix);
        at += writePrefix6(bytes, at, w0, w1, w2, w3, prefixes.length[prefix]!);
      }
      this.#table.releasePrefix(prefix);
    }
    this.#messages++;
    member.target.send(bytes, 0, this.#closeWithdrawal(begin, at));
  }

  #endOfRib(stream: Stream): void {
    for (let i = 0; i < stream.members.length; i++) {
      const member = stream.members[i]!;
      if (!member.endOfRib || !member.target.hasRoom(64)) continue;
      member.endOfRib = false;
      member.endOfRibAt = this.#messages;
      const bytes = new Uint8Array(64);
      member.target.send(bytes, 0, writeEndOfRib(bytes, 0, this.#table.family));
    }
  }

  // ===== streams =====

  /** Streams that have run dry join the main one; their members know everything that is wanted. */
  #merge(): void {
    for (let i = this.#streams.length - 1; i > 0; i--) {
      const stream = this.#streams[i]!;
      if (stream.dirty.size > 0 || stream.members.length === 0) continue;
      if (stream.members.some(member => member.unsend.size > 0 || member.blockedMs >= 0)) continue;
      if (this.#main.members.length === 0) this.#absorb();
      else {
        // What is pending in the main stream, these members have already: so what was sent last differs between members.
        const dirty = this.#main.dirty;
        for (let prefix = dirty.from(0); prefix >= 0; prefix = dirty.from(prefix + 1)) {
          const sent = this.#sent[prefix]!;
          if (sent !== UNKNOWN) this.#store.release(sent);
          this.#sent[prefix] = UNKNOWN;
          this.#sentSource[prefix] = 0;
        }
      }
      this.#main.members.push(...stream.members);
      this.#streams.splice(i, 1);
    }
  }

  /** The main stream has no members: what is wanted counts as sent. */
  #absorb(): void {
    const store = this.#store;
    const dirty = this.#main.dirty;
    for (let prefix = dirty.take(); prefix >= 0; prefix = dirty.take()) {
      const sent = this.#sent[prefix]!;
      const out = this.#out[prefix]!;
      if (out !== 0) store.retain(out);
      this.#sent[prefix] = out;
      if (sent !== UNKNOWN) store.release(sent);
      this.#sentSource[prefix] = this.#source[prefix]!;
      if (out === 0) this.#table.releasePrefix(prefix);
    }
  }

  #markWanted(stream: Stream): void {
    for (let prefix = 0; prefix < this.#out.length; prefix++) if (this.#out[prefix] !== 0) stream.dirty.add(prefix);
  }

  #find(target: GroupMember): Member | undefined {
    for (const stream of this.#streams) {
      const member = stream.members.find(other => other.target === target);
      if (member) return member;
    }
    return undefined;
  }

  #remove(target: GroupMember): void {
    for (const stream of this.#streams) {
      const at = stream.members.findIndex(other => other.target === target);
      if (at >= 0) stream.members.splice(at, 1);
    }
  }

  #dropEmptyStreams(): void {
    for (let i = this.#streams.length - 1; i > 0; i--) {
      const stream = this.#streams[i]!;
      if (stream.members.length > 0) continue;
      this.#streams.splice(i, 1);
      for (let prefix = stream.dirty.take(); prefix >= 0; prefix = stream.dirty.take())
        this.#table.releasePrefix(prefix);
    }
  }

  // ===== reading =====

  /** Whether a member was sent End-of-RIB, and whether the group has said nothing since. */
  endOfRib(target: GroupMember): { readonly sent: boolean; readonly last: boolean } {
    const member = this.#find(target);
    if (member === undefined || member.endOfRib) return { sent: false, last: false };
    return { sent: true, last: member.endOfRibAt === this.#messages };
  }

  /** The attribute set that members are to have for a prefix, 0: none (also for the member whose own path it is). */
  advertised(target: GroupMember, prefix: number): number {
    if (prefix >= this.#out.length || this.#source[prefix] === target.peer) return 0;
    return this.#out[prefix]!;
  }

  /** Prefixes that a member is to have. Walks the table. */
  advertisedCount(target: GroupMember): number {
    let count = 0;
    for (let prefix = 0; prefix < this.#out.length; prefix++) {
      if (this.#out[prefix] !== 0 && this.#source[prefix] !== target.peer) count++;
    }
    return count;
  }

  stats(): GroupStats {
    return {
      members: this.memberCount,
      streams: this.#streams.length,
      prefixes: this.#prefixes,
      messages: this.#messages,
      announced: this.#announced,
      withdrawn: this.#withdrawn,
      slow: this.#slow,
      tooLarge: this.#tooLarge,
      pending: this.#streams.reduce((sum, stream) => sum + stream.dirty.size, this.dirty.size),
    };
  }

  // ===== chains and columns =====

  #link(prefix: number, out: number): void {
    if (out >= this.#head.length) [this.#head] = grown(this.#store.capacity, this.#head);
    const head = this.#head[out]!;
    this.#next[prefix] = head;
    this.#prev[prefix] = 0;
    if (head !== 0) this.#prev[head - 1] = prefix + 1;
    this.#head[out] = prefix + 1;
  }

  #unlink(prefix: number, out: number): void {
    const next = this.#next[prefix]!;
    const prev = this.#prev[prefix]!;
    if (prev === 0) this.#head[out] = next;
    else this.#next[prev - 1] = next;
    if (next !== 0) this.#prev[next - 1] = prev;
  }

  #growPrefixes(): void {
    const rows = Math.max(this.#table.prefixes.capacity, moreRows(this.#out.length));
    [this.#out, this.#source, this.#next, this.#prev, this.#sent, this.#sentSource] = grown(
      rows,
      this.#out,
      this.#source,
      this.#next,
      this.#prev,
      this.#sent,
      this.#sentSource,
    );
  }
}
