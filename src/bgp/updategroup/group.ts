// Peers that are to be told the same things share one pass over the table and one encoding of each message.
//
//   table ─dirty─▶ evaluate: policy, transform ─▶ wanted set of each route    (adj-RIB-out, chained by set)
//                                                     │ a bit per route and stream
//                       ┌─────────────────────────────┼───────────────────────┐
//                  main stream                  initial stream           a slow member's
//                 [m1, m2, m3 …]                  [m7, m8]                   [m4]
//
// Messages are made only while every member of a stream has room, so a change that waits is overtaken by the next one and
// sent once.
//
// Split horizon: a member whose own path is the best one is left out of the message, and is sent a withdrawal if it had
// been told of somebody else's path before (`unsend`). A route that starts here and whose next hop is a member's own address
// is treated as that member's path (RFC 4271 §5.1.3).
//
// Of route-target memberships (RFC 4684 §3.2) who said them is told of them as well, where it is a client: it hears so that somebody wants
// the routes, perhaps only we. And others inside are told of a client's path, if need be in place of the best one.
//
// A route is a prefix with its best path or, where members take several paths, a path (routes.ts); all that is said here of the
// one holds for the other. Only which paths are evaluated differs.
import { type AddressWords, grown } from '../../net/index.ts';
import { AttributeStore } from '../rib/attributes.ts';
import type { TableConsumer } from '../rib/consumers.ts';
import { DirtySet } from '../rib/dirty.ts';
import type { BgpTable } from '../rib/table.ts';
import { writeEndOfRib } from '../wire/update.ts';
import { AdjRibOut } from './adj-rib-out.ts';
import { PATH_REMOVED, PATH_VALID, PEER_IBGP, PEER_IBGP_CLIENT, PEER_LOCAL } from '../rib/types.ts';
import { ROUTE_TARGET } from '../wire/family.ts';
import { Packer } from './packer.ts';
import { Routes } from './routes.ts';
import { type Member, type Stream, Streams } from './streams.ts';
import { ExportTransform } from './transform.ts';
import { type GroupMember, type GroupOptions, type RouteFilter, uniformRules } from './types.ts';

/** Rows for sets that a group begins with: there may be a thousand groups. */
const FIRST_SETS = 64;
/** Runs in a row after which what was found is said, however little it is. */
const GATHER_RUNS = 64;

export interface GroupStats {
  members: number;
  streams: number;
  /** Prefixes, or paths, with something to announce. */
  prefixes: number;
  messages: number;
  /** Routes announced and withdrawn, a message to several members counted once. */
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
  /**
   * The attribute sets that members are told: the group's own, because those of a hundred groups with a policy each have little
   * in common, and what the table keeps by set would be as long as all of them together.
   */
  readonly sets: AttributeStore;
  /** Members are told of more paths than the best one. */
  readonly byPath: boolean;
  /** What they are told may be another path than the best one. */
  readonly everyPath: boolean;
  /** `run` has something to do. */
  onWork: () => void = () => {};
  /** `run` should be called again after this time, because a member that does not read may have to be left behind. */
  onTimer: (ms: number) => void = ms => {
    setTimeout(() => this.onWork(), ms).unref();
  };

  readonly #table: BgpTable;
  readonly #routes: Routes;
  readonly #transform: ExportTransform;
  readonly #adj: AdjRibOut;
  readonly #streams: Streams;
  readonly #packer: Packer;
  /** Routes go to those, too, whose paths they are. */
  readonly #echoes: boolean;
  /** A client's path goes before that of another member of the AS. */
  readonly #clientsFirst: boolean;
  /** What there was no place for within `maximumPrefixes`. */
  readonly #beyond: DirtySet = new DirtySet();
  /** Places that are free, but not yet said to be. */
  #leaving = 0;
  #fresh = true; // nobody has joined yet
  #isMember = new Uint8Array(64); // by peer
  #only = -1; // the member where there is just one: its own paths are not even transformed
  #skipped = false; // some were not, and somebody who joins needs them
  // Neighbouring routes that start here mostly share their next hop: the member that the last one is, 0: none.
  #lastHop: AddressWords | undefined = undefined;
  #lastHopMember = 0;
  #gathered = 0; // runs that made no message, for want of routes
  #messages = 0;
  #tooLarge = 0;

  constructor(table: BgpTable, options: GroupOptions) {
    this.#table = table;
    this.sets = new AttributeStore(table.store.nexthops, FIRST_SETS);
    this.options = uniformRules(options);
    this.#echoes = table.code === ROUTE_TARGET && options.kind === 'ibgp-client';
    this.#clientsFirst = table.code === ROUTE_TARGET && options.kind === 'ibgp';
    this.byPath = options.addPath !== undefined;
    this.everyPath = this.byPath || this.#clientsFirst;
    this.#routes = new Routes(table, this.byPath);
    this.#transform = new ExportTransform(table, this.sets, this.options);
    this.#adj = new AdjRibOut(this.#routes, this.sets);
    this.#streams = new Streams(this.#routes, this.options.maximumMessageBytes, ms => this.onTimer(ms));
    this.#packer = new Packer(table, this.sets, this.#routes, this.#adj, this.options);
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
      refresh: 'none',
      marked: false,
      again: false,
      blockedMs: -1,
      slowUntilMs: 0,
      slow: false,
    };
    if (target.peer >= this.#isMember.length) [this.#isMember] = grown(target.peer * 2, this.#isMember);
    this.#isMember[target.peer] = 1;
    this.#only = this.#streams.memberCount === 0 ? target.peer : -1;
    if (this.#skipped) {
      this.#skipped = false;
      this.#table.markAll(this.dirty);
    } else this.#table.markLocal(this.dirty, this.byPath); // it may be their next hop
    this.#lastHop = undefined;
    if (this.#fresh) {
      this.#fresh = false;
      this.#streams.main.members.push(member);
    } else {
      const { stream, made } = this.#streams.initial();
      if (made) this.#adj.markWanted(stream.dirty);
      stream.members.push(member);
    }
    this.onWork();
  }

  /** A peer went down. */
  leave(target: GroupMember): void {
    this.#isMember[target.peer] = 0;
    this.#lastHop = undefined;
    const unsend = this.#streams.find(target)?.unsend;
    this.#streams.remove(target);
    if (unsend) this.#routes.releaseAll(unsend);
    this.#streams.dropEmpty();
    if (this.#streams.memberCount === 1) {
      this.#only = this.#streams.all.find(stream => stream.members.length === 1)?.members[0]?.target.peer ?? -1;
    }
    this.onWork();
  }

  /** Messages made so far. */
  get messages(): number {
    return this.#messages;
  }

  get memberCount(): number {
    return this.#streams.memberCount;
  }

  /**
   * Everything again (RFC 2918): the peer asked for it, and is told where the answer begins and ends if that was agreed, or
   * an operator did. No marks before End-of-RIB (RFC 7313 §4): until then it is told everything anyway.
   *
   * One answer is for all that was asked before it began, and one more for all that was asked while it was given: each is the
   * whole table, and asking costs a peer nothing.
   */
  refresh(target: GroupMember, asked = false): void {
    const member = this.#streams.find(target);
    const stream = this.#streams.streamOf(target);
    if (!member || !stream) return;
    if (asked) {
      if (member.refresh === 'end') member.again = true;
      if (member.refresh !== 'none') return;
      member.refresh = 'begin';
      member.marked = !member.endOfRib;
    }
    this.#streams.remove(target);
    // What was pending stays so: there may be withdrawals in it.
    const own = this.#streams.split(stream, member);
    this.#adj.markWanted(own.dirty);
    this.#streams.dropEmpty();
    this.onWork();
  }

  /** The export policy, or what it looks at, changed: every prefix is looked at again, in slices of `run`. */
  policyChanged(): void {
    this.#transform.forget();
    this.#table.markAll(this.dirty);
    this.onWork();
  }

  /** The filter asks for something else: what it decides otherwise now is looked at again (`turned`: there is such). */
  filterChanged(turned: boolean): void {
    const { filter, policy } = this.options;
    const table = this.#table;
    // Of what policy makes of a set nothing is remembered.
    if (policy !== undefined) table.markAll(this.dirty);
    else if (filter !== undefined && turned) {
      for (let prefix = 0; prefix < table.prefixes.limit; prefix++) {
        if (table.best[prefix] !== 0 && this.#turned(filter, prefix)) this.dirty.add(prefix);
      }
    }
    this.onWork();
  }

  #turned(filter: RouteFilter, prefix: number): boolean {
    const table = this.#table;
    if (!this.byPath) return filter.turned(table.pathAttributes[table.best[prefix]!]!);
    for (let path = table.first[prefix]!; path !== 0; path = table.pathNext[path]!) {
      if (table.pathAttributes[path] !== 0 && filter.turned(table.pathAttributes[path]!)) return true;
    }
    return false;
  }

  /** After the last member left: gives everything back. */
  close(): void {
    this.#table.detach(this);
    this.#adj.close();
    this.#table.releaseAll(this.dirty);
    this.#routes.releaseAll(this.#beyond);
    for (const stream of this.#streams.all) {
      this.#routes.releaseAll(stream.dirty);
      for (const member of stream.members) this.#routes.releaseAll(member.unsend);
    }
    this.#streams.all.length = 1;
    this.#streams.main.members.length = 0;
  }

  // ===== the table's side =====

  wake(): void {
    this.onWork();
  }

  sweep(max: number): number {
    return this.sets.sweep(max);
  }

  holds(prefix: number): boolean {
    if (this.dirty.has(prefix)) return true;
    // Of a prefix with a path left, nobody asks.
    return !this.byPath && this.#holdsRoute(prefix);
  }

  holdsPath(path: number): boolean {
    return this.byPath && this.#holdsRoute(path);
  }

  #holdsRoute(route: number): boolean {
    return this.#beyond.has(route) || this.#adj.holds(route) || this.#streams.holds(route);
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
    this.#adj.grow();
    for (let left = maxPrefixes; left > 0; left--) {
      const prefix = this.dirty.take();
      if (prefix < 0) break;
      this.#evaluate(prefix);
    }
    if (this.#gathers(maxPrefixes)) return true;
    let more = false;
    // Streams may be added, and emptied ones go, while this runs.
    for (let i = 0; i < this.#streams.all.length; i++) {
      if (this.#fill(this.#streams.all[i]!, maxPrefixes, nowMs)) more = true;
    }
    if (this.options.maximumPrefixes > 0) this.#moveUp();
    this.#merge();
    if (this.#answerAgain()) more = true;
    return more || this.dirty.size > 0;
  }

  /** Of what is asked for, few may be wanted of many: messages are made when there is something to fill them with, or this was long. */
  #gathers(enough: number): boolean {
    if (this.options.filter === undefined || this.dirty.size === 0 || this.#streams.pending >= enough)
      this.#gathered = 0;
    else this.#gathered = (this.#gathered + 1) % GATHER_RUNS;
    return this.#gathered > 0;
  }

  /** What the members are to be told of a prefix now. */
  #evaluate(prefix: number): void {
    const table = this.#table;
    if (!this.byPath) return this.#evaluateRoute(prefix, this.#toldOf(prefix), prefix);
    const only = this.options.addPath === 'best-per-as' ? table.bestOfEachAs(prefix) : -1;
    for (let path = table.first[prefix]!; path !== 0; ) {
      const next = table.pathNext[path]!; // the row may go
      const valid = (table.pathFlags[path]! & (PATH_VALID | PATH_REMOVED)) === PATH_VALID;
      const chosen = valid && (only < 0 || table.ofEachAs.subarray(0, only).includes(path));
      this.#evaluateRoute(path, chosen ? path : 0, prefix);
      path = next;
    }
    table.releasePrefix(prefix);
  }

  /** The path of a prefix that members are told of, where it is just one. */
  #toldOf(prefix: number): number {
    const table = this.#table;
    const best = table.best[prefix]!;
    if (!this.#clientsFirst || best === 0 || table.peerKind(table.pathPeer[best]!) !== PEER_IBGP) return best;
    for (let path = table.first[prefix]!; path !== 0; path = table.pathNext[path]!) {
      const valid = (table.pathFlags[path]! & (PATH_VALID | PATH_REMOVED)) === PATH_VALID;
      if (valid && table.peerKind(table.pathPeer[path]!) === PEER_IBGP_CLIENT) return path;
    }
    return best;
  }

  /** Whether a path is asked for, as far as that is known before the policy has made of it what it is to be. */
  #asks(path: number): boolean {
    const { filter, policy } = this.options;
    return filter === undefined || policy !== undefined || filter.wants(this.#table.pathAttributes[path]!);
  }

  /** `best`: the path that the route is now, 0: none. */
  #evaluateRoute(route: number, best: number, prefix: number): void {
    const table = this.#table;
    const { filter, policy } = this.options;
    const own = best !== 0 && !this.#echoes && table.pathPeer[best] === this.#only;
    if (own) this.#skipped = true;
    let out = best === 0 || own || !this.#asks(best) ? 0 : this.#transform.apply(best, prefix);
    if (out !== 0 && filter !== undefined && policy !== undefined && !filter.wantsOf(this.sets, out)) {
      this.sets.release(out);
      out = 0;
    }
    if (out !== 0 && !this.#packer.fits(out)) {
      this.#tooLarge++;
      this.sets.release(out);
      out = 0;
    }
    const source = best === 0 ? 0 : this.#sourceOf(best, out);
    if (this.options.maximumPrefixes > 0) out = this.#limited(route, out, source);
    const from = this.#adj.source[route]!;
    if (!this.#adj.want(route, out, source)) {
      // Who is left out changes only if one of the two is a member.
      if (out === 0 || source === from || (this.#isMember[source] === 0 && this.#isMember[from] === 0)) {
        if (this.#adj.sent[route] === out) this.#adj.sentSource[route] = source;
        if (out === 0) this.#routes.release(route);
        return;
      }
    }
    const streams = this.#streams.all;
    for (let i = 0; i < streams.length; i++) streams[i]!.dirty.add(route);
  }

  /** `out` where it has a place, else 0. */
  #limited(route: number, out: number, source: number): number {
    this.#beyond.delete(route);
    const told = out !== 0 && source !== this.#only;
    const had = this.#adj.out[route] !== 0 && this.#adj.source[route] !== this.#only;
    if (had && !told) this.#leaving++;
    if (had || !told || this.#adj.wantedBy(this.#only) + this.#leaving < this.options.maximumPrefixes) return out;
    this.#beyond.add(route);
    this.sets.release(out);
    return 0;
  }

  /** Gives free places to those that had none, when all that was withdrawn is said: the member never has too many. */
  #moveUp(): void {
    if (this.dirty.size > 0 || this.#streams.pending > 0) return;
    this.#leaving = 0;
    const free = this.options.maximumPrefixes - this.#adj.wantedBy(this.#only);
    for (let i = 0; i < free && this.#beyond.size > 0; i++) {
      const route = this.#beyond.take();
      this.dirty.add(this.byPath ? this.#table.pathPrefix[route]! : route);
    }
  }

  /** Who is not told of a path. */
  #sourceOf(path: number, out: number): number {
    if (this.#echoes) return 0;
    const peer = this.#table.pathPeer[path]!;
    if (out === 0 || this.#table.peerKind(peer) !== PEER_LOCAL) return peer;
    const { nexthops } = this.sets;
    const hop = this.sets.nexthop[out]!;
    const words = nexthops.words(hop);
    if (words !== this.#lastHop) {
      this.#lastHop = words;
      this.#lastHopMember = this.#streams.memberAt(nexthops.family(hop), words);
    }
    return this.#lastHopMember || peer;
  }

  /** Makes messages of up to `max` routes; true if it stopped because of that limit. */
  #fill(stream: Stream, max: number, nowMs: number): boolean {
    if (stream.members.length === 0) {
      if (stream.main && this.#streams.main.dirty.size > 0) this.#absorb();
      return false;
    }
    if (!this.#markRefresh(stream, 'begin')) return false;
    const dirty = stream.dirty;
    let left = max;
    while (dirty.size > 0) {
      if (left <= 0) return true;
      if (!this.#streams.ready(stream, nowMs)) return false;
      if (!this.#flushUnsend(stream)) return false;
      const route = dirty.peek();
      const out = this.#adj.out[route]!;
      if (out !== 0 && stream.members.length === 1 && stream.members[0]!.target.peer === this.#adj.source[route]) {
        // The only member is where it came from: nothing to say, but there may be something to take back.
        this.#packer.count = 0;
        this.#packer.add(route);
        this.#finish(stream, out, this.#adj.source[route]!);
        left--;
        continue;
      }
      const length =
        out === 0 ? this.#packer.withdrawals(stream, route) : this.#packer.announcements(stream, route, out);
      left -= Math.max(this.#packer.count, 1);
      const excluded = out === 0 ? 0 : this.#adj.source[route]!;
      if (length === 0) {
        // All of it was known already.
        this.#finish(stream, out, excluded);
        continue;
      }
      this.#messages++;
      for (let i = 0; i < stream.members.length; i++) {
        const target = stream.members[i]!.target;
        if (target.peer !== excluded) target.send(this.#packer.bytes, 0, length);
      }
      this.#finish(stream, out, excluded);
    }
    if (!this.#flushUnsend(stream)) return false;
    if (this.dirty.size === 0) {
      this.#endOfRib(stream);
      this.#markRefresh(stream, 'end');
    }
    return false;
  }

  /** The packed routes were sent to every member but `excluded`: books. */
  #finish(stream: Stream, out: number, excluded: number): void {
    const dirty = stream.dirty;
    const { main } = stream;
    let own: Member | undefined;
    if (excluded !== 0 && this.#isMember[excluded] === 1) {
      for (let i = 0; i < stream.members.length; i++) {
        if (stream.members[i]!.target.peer === excluded) own = stream.members[i];
      }
    }
    for (let i = 0; i < this.#packer.count; i++) {
      const route = this.#packer.packed[i]!;
      dirty.delete(route);
      if (own !== undefined && this.#adj.wasAnnounced(stream, route)) {
        // It had somebody else's path, unless it was left out the last time too.
        if (!main || this.#adj.sentSource[route] !== excluded) own.unsend.add(route);
      }
      if (main) this.#adj.told(route, out);
      else if (stream.announced) {
        if (out !== 0) stream.announced.add(route);
        else stream.announced.delete(route);
      }
      if (out === 0) this.#routes.release(route);
    }
  }

  /** Withdrawals for one member alone; false where it has no room. */
  #flushUnsend(stream: Stream): boolean {
    const members = stream.members;
    for (let i = 0; i < members.length; i++) {
      const member = members[i]!;
      while (member.unsend.size > 0) {
        if (!member.target.hasRoom(this.options.maximumMessageBytes)) return false;
        const length = this.#packer.unsent(member);
        this.#messages++;
        member.target.send(this.#packer.bytes, 0, length);
      }
    }
    return true;
  }

  /** Tells members that this mark is due for; false where one has no room. */
  #markRefresh(stream: Stream, kind: 'begin' | 'end'): boolean {
    let done = true;
    for (let i = 0; i < stream.members.length; i++) {
      const member = stream.members[i]!;
      if (member.refresh !== kind) continue;
      // And room for a message behind it: the default route goes out beside the group.
      if (member.target.hasRoom(this.options.maximumMessageBytes + 64)) {
        member.refresh = kind === 'begin' ? 'end' : 'none';
        if (member.marked) member.target.markRefresh?.(kind);
        if (kind === 'begin') member.target.refreshBegins?.();
      } else done = false;
    }
    return done;
  }

  /** The next answer of one that has had the one before it; true: there is one. */
  #answerAgain(): boolean {
    for (const { members } of this.#streams.all) {
      for (const member of members) {
        if (!member.again || member.refresh !== 'none') continue;
        member.again = false;
        this.refresh(member.target, true);
        return true; // members have moved about: others have their turn in the next run
      }
    }
    return false;
  }

  #endOfRib(stream: Stream): void {
    if (this.#table.deferred) return;
    for (let i = 0; i < stream.members.length; i++) {
      const member = stream.members[i]!;
      if (!member.endOfRib || !member.target.hasRoom(64)) continue;
      member.endOfRib = false;
      member.endOfRibAt = this.#messages;
      const bytes = new Uint8Array(64);
      member.target.send(bytes, 0, writeEndOfRib(bytes, 0, this.#table.code));
    }
  }

  /** Streams that have run dry join the main one; their members know everything that is wanted. */
  #merge(): void {
    for (let i = this.#streams.all.length - 1; i > 0; i--) {
      const stream = this.#streams.all[i]!;
      if (stream.dirty.size > 0 || stream.members.length === 0) continue;
      const unready = (member: Member): boolean =>
        member.unsend.size > 0 || member.blockedMs >= 0 || member.refresh === 'begin';
      if (stream.members.some(unready)) continue;
      if (this.#streams.main.members.length === 0) this.#absorb();
      else {
        // What is pending in the main stream, these members have already: so what was sent last differs between members.
        const dirty = this.#streams.main.dirty;
        for (let route = dirty.from(0); route >= 0; route = dirty.from(route + 1)) this.#adj.toldDifferently(route);
      }
      for (const member of stream.members) member.slow = false;
      this.#streams.main.members.push(...stream.members);
      this.#streams.all.splice(i, 1);
    }
  }

  /** The main stream has no members: what is wanted counts as sent. */
  #absorb(): void {
    const { dirty } = this.#streams.main;
    for (let route = dirty.take(); route >= 0; route = dirty.take()) {
      const out = this.#adj.out[route]!;
      this.#adj.told(route, out);
      if (out === 0) this.#routes.release(route);
    }
  }

  // ===== reading =====

  /** Whether a member was sent End-of-RIB, and whether the group has said nothing since. */
  endOfRib(target: GroupMember): { readonly sent: boolean; readonly last: boolean } {
    const member = this.#streams.find(target);
    if (member === undefined || member.endOfRib) return { sent: false, last: false };
    return { sent: true, last: member.endOfRibAt === this.#messages };
  }

  /** Whether a member was left behind because it did not read, and has not caught up. */
  slow(target: GroupMember): boolean {
    return this.#streams.find(target)?.slow === true;
  }

  /** The set (of `sets`) that a member is to have for a path, 0: none (also for the member whose own path it is). */
  advertised(target: GroupMember, path: number): number {
    if (this.byPath) return this.#wanted(target, path);
    const prefix = this.#table.pathPrefix[path]!;
    return this.#toldOf(prefix) === path ? this.#wanted(target, prefix) : 0;
  }

  /** Prefixes that a member was told of and not told to forget, as far as that is known; `id`: of a path, or 0 where members
   *  take one path a prefix. */
  *knownTo(target: GroupMember): Generator<{ readonly prefix: number; readonly id: number }> {
    const stream = this.#streams.streamOf(target);
    const unsend = this.#streams.find(target)?.unsend;
    if (stream === undefined) return;
    for (let route = 0; route < this.#adj.out.length; route++) {
      // What is pending may be told for the first time, or be a withdrawal.
      const known = stream.dirty.has(route)
        ? this.#adj.wasAnnounced(stream, route) && !(stream.main && this.#adj.sentSource[route] === target.peer)
        : this.#wanted(target, route) !== 0;
      if (!known && unsend?.has(route) !== true) continue;
      yield { prefix: this.#routes.prefixOf(route), id: this.byPath ? route : 0 };
    }
  }

  /** Whether a member was told of all that it is to have. */
  upToDate(target: GroupMember): boolean {
    return this.dirty.size === 0 && this.#streams.streamOf(target)?.dirty.size === 0;
  }

  /** Whether a member is to have a prefix (row of the table), with this identifier. */
  tells(target: GroupMember, prefix: number, id: number): boolean {
    const route = this.byPath ? id : prefix;
    return this.#wanted(target, route) !== 0 && this.#routes.prefixOf(route) === prefix;
  }

  #wanted(target: GroupMember, route: number): number {
    if (route >= this.#adj.out.length || this.#adj.source[route] === target.peer) return 0;
    return this.#adj.out[route]!;
  }

  /** Prefixes that a member is to have, each as often as it has paths. */
  advertisedCount(target: GroupMember): number {
    return this.#adj.wantedBy(target.peer);
  }

  stats(): GroupStats {
    return {
      members: this.#streams.memberCount,
      streams: this.#streams.all.length,
      prefixes: this.#adj.wanted,
      messages: this.#messages,
      announced: this.#packer.announced,
      withdrawn: this.#packer.withdrawn,
      slow: this.#streams.slow,
      tooLarge: this.#tooLarge,
      pending: this.#streams.pending + this.dirty.size,
    };
  }
}
