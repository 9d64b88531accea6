// The members of a group, in streams. A stream is a set of members at the same point, and the bits of the routes (routes.ts)
// that they have not been told of.
//
//        main stream                  initial stream           a slow member's
//       [m1, m2, m3 …]                  [m7, m8]                   [m4]
//
// A peer that joins later gets a stream of its own, with every route pending; one that stops reading while others do not
// is moved into one, so that it delays them once, for a moment. A stream that has run dry merges into the main one.
import { type AddressWords, equalWords, type Family } from '../../net/index.ts';
import { DirtySet } from '../rib/dirty.ts';
import type { Routes } from './routes.ts';
import type { GroupMember } from './types.ts';

/** How long members wait for one that has no room before it gets a stream of its own. */
const PATIENCE_MS = 100;
/** One that was slow is not waited for again for this long. */
const SLOW_MS = 60_000;

export interface Member {
  readonly target: GroupMember;
  /** Routes to be withdrawn from this member alone. */
  readonly unsend: DirtySet;
  /** Still to be sent. */
  endOfRib: boolean;
  /** How many messages the group had made when it was sent. */
  endOfRibAt: number;
  /** What of the answer to a route refresh is due: its beginning, or its end; `marked`: the member is told of both. */
  refresh: 'none' | 'begin' | 'end';
  marked: boolean;
  /** It asked again while it was answered. */
  again: boolean;
  /** Since when it has had no room, -1: it has. */
  blockedMs: number;
  slowUntilMs: number;
  /** It was left behind, and has not caught up yet. */
  slow: boolean;
}

export interface Stream {
  /** The one that all others join when they have run dry. */
  readonly main: boolean;
  readonly members: Member[];
  readonly dirty: DirtySet;
  /** Routes announced in a stream that began from nothing; undefined: the members may know any. */
  announced: DirtySet | undefined;
}

/** When others go on without a member that has no room. */
function leftBehindMs(member: Member, nowMs: number): number {
  return member.blockedMs + (nowMs < member.slowUntilMs ? 0 : PATIENCE_MS);
}

export class Streams {
  readonly main: Stream = { main: true, members: [], dirty: new DirtySet(), announced: undefined };
  readonly all: Stream[] = [this.main];
  /** Members moved out because they did not read. */
  slow = 0;
  readonly #routes: Routes;
  readonly #messageBytes: number;
  readonly #onTimer: (ms: number) => void;

  /** `onTimer`: look again after this time, because a member that does not read may have to be left behind. */
  constructor(routes: Routes, messageBytes: number, onTimer: (ms: number) => void) {
    this.#routes = routes;
    this.#messageBytes = messageBytes;
    this.#onTimer = onTimer;
  }

  get memberCount(): number {
    return this.all.reduce((count, stream) => count + stream.members.length, 0);
  }

  get pending(): number {
    return this.all.reduce((sum, stream) => sum + stream.dirty.size, 0);
  }

  /** A stream for members who know nothing yet. True: it is new, and what is wanted is to be marked in it. */
  initial(): { stream: Stream; made: boolean } {
    // Others that have joined at this moment and have not been told of anything yet can share a stream.
    const there = this.all.find(other => !other.main && other.announced?.size === 0 && other.members.length > 0);
    if (there !== undefined) return { stream: there, made: false };
    const stream: Stream = { main: false, members: [], dirty: new DirtySet(), announced: new DirtySet() };
    this.all.push(stream);
    return { stream, made: true };
  }

  find(target: GroupMember): Member | undefined {
    return this.streamOf(target)?.members.find(other => other.target === target);
  }

  streamOf(target: GroupMember): Stream | undefined {
    return this.all.find(stream => stream.members.some(other => other.target === target));
  }

  /** The peer index of the member with this address, 0: none. */
  memberAt(family: Family, words: AddressWords): number {
    for (const stream of this.all) {
      for (const { target } of stream.members) {
        if (target.family === family && equalWords(target.address, words)) return target.peer;
      }
    }
    return 0;
  }

  remove(target: GroupMember): void {
    for (const stream of this.all) {
      const at = stream.members.findIndex(other => other.target === target);
      if (at >= 0) stream.members.splice(at, 1);
    }
  }

  /** A stream for this member alone, at the point where it is in `stream`. */
  split(stream: Stream, member: Member): Stream {
    const own: Stream = { main: false, members: [member], dirty: new DirtySet(), announced: undefined };
    own.dirty.addAll(stream.dirty);
    if (stream.announced) {
      own.announced = new DirtySet();
      own.announced.addAll(stream.announced);
    }
    this.all.push(own);
    return own;
  }

  dropEmpty(): void {
    for (let i = this.all.length - 1; i > 0; i--) {
      const stream = this.all[i]!;
      if (stream.members.length > 0) continue;
      this.all.splice(i, 1);
      this.#routes.releaseAll(stream.dirty);
    }
  }

  /** Whether a stream has something of the route still to say. */
  holds(route: number): boolean {
    for (const stream of this.all) {
      if (stream.dirty.has(route)) return true;
      for (const member of stream.members) if (member.unsend.has(route)) return true;
    }
    return false;
  }

  /** Whether every member has room for a message. One that has had none for too long gets a stream of its own. */
  ready(stream: Stream, nowMs: number): boolean {
    const members = stream.members;
    const need = this.#messageBytes;
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
      wait = Math.min(wait, leftBehindMs(member, nowMs) - nowMs);
    }
    if (blocked === 0) return true;
    if (blocked === members.length) return false;
    if (wait > 0) {
      this.#onTimer(Math.ceil(wait));
      return false;
    }
    for (let i = members.length - 1; i >= 0; i--) {
      const member = members[i]!;
      if (member.blockedMs < 0 || leftBehindMs(member, nowMs) > nowMs) continue;
      member.slowUntilMs = nowMs + SLOW_MS;
      member.slow = true;
      this.slow++;
      members.splice(i, 1);
      this.split(stream, member);
    }
    return this.ready(stream, nowMs);
  }
}
