// One ordered history of a namespace: links, addresses, neighbours, routes, nexthop objects, rules and more, all groups on one
// socket, so that everybody sees one order. It begins with a dump of everything and then follows the kernel; when it lost
// something, it dumps again. So whoever applies it in order always ends at what the kernel has.
//
//    the kernel   ──multicast──▶ socket A ──┐  drained to its end, then put down …
//                 ◀──request──── socket B   ├──▶ sink: event… │ dumpBegin(k) item… dumpEnd(k) │ event…
//                 ──dump───────▶ socket B ──┘  … while a kind is dumped
//
// Why nothing is lost or out of order. A is joined before any dump, so whatever of this kind changes during one waits in A
// and is told after dumpEnd. An event that the dump had seen already is told again, older than what the dump said; but each object's last
// event says its last state, so the repetition ends at the same place. A is drained before a dump for another reason:
// after an overrun the kernel queues nothing, and reports nothing, until the queue has been empty (NETLINK_S_CONGESTED), so
// a dump that began earlier would miss what changes meanwhile. If A overruns again during a dump, that dump ends as usual and
// all kinds are dumped once more. But a kind whose dump took long rests as long before the next: in a storm of changes, of which
// each may want a dump, half of the time is free for what is told.
//
// Routes may be many, and their dump long. Meanwhile A is read on, and told, up to the first event that is about a route: so
// a link that goes down is known at once. That event is held, and what comes after it stays in A. The dump may still tell of
// routes that the kernel dropped in silence with that link: who asks for a dump of routes after such an event gets another.
//
// Pull, not push: each `step` takes one datagram and gives its messages to the sink; who has no room does not call it, and
// the kernel keeps the rest.
import { E, SysError } from '../sys/index.ts';
import { HEADER_BYTES } from './buffer.ts';
import * as c from './constants.ts';
import { DUMP_DONE, DUMP_INTERRUPTED, DUMP_MORE, Dump, dumpRequest, type MessageVisitor } from './dump.ts';
import { NetlinkError } from './error.ts';
import { dropOwnEchoes } from './filter.ts';
import { writeLink } from './link.ts';
import { encodeLabelGet } from './mpls.ts';
import { NetlinkSocket, RECEIVE_EMPTY, RECEIVE_OVERRUN } from './socket.ts';

/** Kinds of objects, one bit each, in the order in which they are dumped. */
export const KIND_LINK = 1;
export const KIND_ADDRESS = 2;
export const KIND_NEXTHOP = 4;
export const KIND_ROUTE = 8;
export const KIND_NEIGHBOR = 16;
export const KIND_RULE = 32;
/** What forwards, by interface and family (netconf.ts). */
export const KIND_NETCONF = 64;
/** Bridges' forwarding tables. Their events come with KIND_NEIGHBOR too: the kernel has one group for both. */
export const KIND_FDB = 128;
/** Routes of MPLS labels. */
export const KIND_MPLS = 256;
/** What every router has. */
export const KIND_ALL = 63;
export const KIND_EVERY = 511;

interface Kind {
  readonly bit: number;
  readonly request: number;
  /** Families dumped one after the other. */
  readonly families: readonly number[];
  readonly groups: readonly number[];
}

// What refers to something comes after it: addresses need links, routes need nexthop objects.
const kinds: readonly Kind[] = [
  { bit: KIND_LINK, request: c.RTM_GETLINK, families: [0], groups: [c.RTNLGRP_LINK] },
  {
    bit: KIND_ADDRESS,
    request: c.RTM_GETADDR,
    families: [0],
    groups: [c.RTNLGRP_IPV4_IFADDR, c.RTNLGRP_IPV6_IFADDR],
  },
  { bit: KIND_NEXTHOP, request: c.RTM_GETNEXTHOP, families: [0], groups: [c.RTNLGRP_NEXTHOP] },
  { bit: KIND_ROUTE, request: c.RTM_GETROUTE, families: [2, 10], groups: [c.RTNLGRP_IPV4_ROUTE, c.RTNLGRP_IPV6_ROUTE] },
  { bit: KIND_NEIGHBOR, request: c.RTM_GETNEIGH, families: [2, 10], groups: [c.RTNLGRP_NEIGH] },
  { bit: KIND_RULE, request: c.RTM_GETRULE, families: [2, 10], groups: [c.RTNLGRP_IPV4_RULE, c.RTNLGRP_IPV6_RULE] },
  {
    bit: KIND_NETCONF,
    request: c.RTM_GETNETCONF,
    families: [2, 10, c.AF_MPLS],
    groups: [c.RTNLGRP_IPV4_NETCONF, c.RTNLGRP_IPV6_NETCONF, c.RTNLGRP_MPLS_NETCONF],
  },
  { bit: KIND_FDB, request: c.RTM_GETNEIGH, families: [c.AF_BRIDGE], groups: [c.RTNLGRP_NEIGH] },
  { bit: KIND_MPLS, request: c.RTM_GETROUTE, families: [c.AF_MPLS], groups: [c.RTNLGRP_MPLS_ROUTE] },
];

/** Where the history goes. The bytes are the stream's own buffer: read them before returning. */
export interface StreamSink {
  /** One message: an event, or (`dumped`) an item of the dump that was begun. */
  message(type: number, bytes: Uint8Array, offset: number, length: number, dumped: boolean): void;
  /** What is `dumped` from here to `dumpEnd` is all there is of this kind. A second `dumpBegin` without an end: it starts over. */
  dumpBegin(kind: number): void;
  dumpEnd(kind: number): void;
}

export interface StreamOptions {
  /** KIND_* bits to follow; KIND_ALL unless told. */
  readonly kinds?: number;
  /** Receive buffer of the notification socket in bytes; 832 bytes a route in the kernel's books. 64 MiB unless told. */
  readonly receiveBuffer?: number;
  /** Dumps of one kind that may be interrupted in a row before what came is taken, and dumped again a little later. */
  readonly restarts?: number;
}

export interface StreamStats {
  readonly datagrams: number;
  readonly messages: number;
  /** Times the receive buffer overran and everything was dumped again. */
  readonly overruns: number;
  readonly dumps: number;
  /** Dumps begun again because the table changed under them. */
  readonly interruptions: number;
}

/** The first that is not reserved (RFC 3032 §2.1). */
const FIRST_LABEL = 16;

/** How the kernel says that it was built without a family. */
const absent: readonly number[] = [E.EOPNOTSUPP, E.EAFNOSUPPORT, E.EPROTONOSUPPORT];

/** Of every network namespace. */
const LOOPBACK_IFINDEX = 1;

/** Kinds whose dumps were interrupted too often are dumped again after this. */
const RETRY_MS = 200;

export class NotificationStream {
  /** The notification socket: readable means that `step` has work. */
  readonly socket: NetlinkSocket;
  readonly #dumpSocket: NetlinkSocket;
  readonly #dump: Dump;
  readonly #kinds: number;
  readonly #restartLimit: number;
  #wanted: number; // kinds to be dumped
  #current: Kind | undefined; // kind being dumped
  #family = 0; // index into its families
  #restarts = 0;
  #drained = false; // A was seen empty since the last overrun
  #labels: boolean | undefined;
  #held: number = RECEIVE_EMPTY; // what was received from A and is to be told after the dump
  #asked = false; // A was read since the last step of the dump
  #retryKinds = 0;
  #retryAtMs = 0;
  #startedAtMs = 0; // the dump that goes on
  readonly #restUntilMs: Map<number, number> = new Map(); // by kind: as long after its last dump as that took
  #datagrams = 0;
  #messages = 0;
  #overruns = 0;
  #dumps = 0;
  #interruptions = 0;

  constructor(options: StreamOptions = {}) {
    this.#kinds = options.kinds ?? KIND_ALL;
    this.#restartLimit = options.restarts ?? 20;
    this.#wanted = this.#kinds;
    this.socket = new NetlinkSocket({ receiveBuffer: options.receiveBuffer ?? 64 << 20 });
    this.#dumpSocket = new NetlinkSocket({ receiveBuffer: 1 << 20 });
    this.#dump = new Dump(this.#dumpSocket);
    for (const kind of kinds) {
      if ((this.#kinds & kind.bit) !== 0) for (const group of kind.groups) this.socket.join(group);
    }
  }

  /** Leaves out echoes of route and nexthop changes made through these sockets (NetlinkSocket.portId). */
  ignore(portIds: readonly number[]): void {
    dropOwnEchoes(this.socket.fd, portIds);
  }

  /** Dumps these kinds again (of those it follows): soon, or as long after their last dump as that took. */
  resync(asked: number): void {
    const nowMs = performance.now();
    for (const { bit } of kinds) {
      if ((asked & this.#kinds & bit) === 0) continue;
      const restUntilMs = this.#restUntilMs.get(bit) ?? 0;
      if (restUntilMs <= nowMs) this.#wanted |= bit;
      else this.#putOff(bit, restUntilMs);
    }
  }

  /** Whether it is dumping or has a dump to do: then `step` has work although the socket may not be readable. */
  get dumping(): boolean {
    return this.#current !== undefined || this.#wanted !== 0;
  }

  /** Milliseconds until it wants to be stepped for a dump put off; -1 = never. */
  retryInMs(nowMs: number): number {
    return this.#retryKinds === 0 ? -1 : Math.max(0, this.#retryAtMs - nowMs);
  }

  /** Whether the kernel has MPLS; undefined before the first dump that is about it. */
  get labels(): boolean | undefined {
    return this.#labels;
  }

  get stats(): StreamStats {
    return {
      datagrams: this.#datagrams,
      messages: this.#messages,
      overruns: this.#overruns,
      dumps: this.#dumps,
      interruptions: this.#interruptions,
    };
  }

  /** Takes one datagram, or one step of a dump. False where there is nothing to do now. */
  step(sink: StreamSink): boolean {
    if (this.#current !== undefined) {
      if (!this.#stepBetween(this.#current, sink)) this.#stepDump(sink);
      return true;
    }
    if (this.#retryKinds !== 0 && performance.now() >= this.#retryAtMs) {
      this.#wanted |= this.#retryKinds;
      this.#retryKinds = 0;
    }
    const length = this.#held === RECEIVE_EMPTY ? this.socket.receive() : this.#held;
    this.#held = RECEIVE_EMPTY;
    if (length === RECEIVE_OVERRUN) {
      this.#overruns++;
      this.#drained = false;
      this.resync(this.#kinds);
      return true;
    }
    if (length === RECEIVE_EMPTY) {
      this.#drained = true;
      if (this.#wanted === 0) return false;
      this.#beginKind(sink);
      return true;
    }
    this.#datagrams++;
    this.#visit(this.socket, length, sink);
    return true;
  }

  /** Besides `socket`, for whoever sees to it that nothing stays open. */
  get dumpFd(): number {
    return this.#dumpSocket.fd;
  }

  close(): void {
    this.socket.close();
    this.#dumpSocket.close();
  }

  #putOff(kind: number, untilMs: number): void {
    this.#retryAtMs = this.#retryKinds === 0 ? untilMs : Math.max(this.#retryAtMs, untilMs);
    this.#retryKinds |= kind;
  }

  /** One datagram of A between two of a dump of routes, or false. */
  #stepBetween(kind: Kind, sink: StreamSink): boolean {
    this.#asked = !this.#asked && kind.bit === KIND_ROUTE && this.#held === RECEIVE_EMPTY;
    if (!this.#asked) return false;
    const length = this.socket.receive();
    if (length === RECEIVE_EMPTY) return false;
    if (length === RECEIVE_OVERRUN || this.#mentions(kind, length)) {
      this.#held = length;
      return false;
    }
    this.#datagrams++;
    this.#visit(this.socket, length, sink);
    return true;
  }

  /** Whether the datagram in A's buffer has a message about this kind: its types are four numbers in a row. */
  #mentions(kind: Kind, length: number): boolean {
    const { view } = this.socket;
    for (let at = 0; at + 16 <= length; at += (view.getUint32(at, true) + 3) & ~3) {
      if (view.getUint16(at + 4, true) >>> 2 === kind.request >>> 2) return true;
      if (view.getUint32(at, true) < 16) break;
    }
    return false;
  }

  #visit(socket: NetlinkSocket, length: number, sink: StreamSink): void {
    const view = socket.view;
    for (let at = 0; at + 16 <= length; ) {
      const size = view.getUint32(at, true);
      if (size < 16 || at + size > length) break;
      const type = view.getUint16(at + 4, true);
      if (type >= c.RTM_NEWLINK) {
        this.#messages++;
        sink.message(type, socket.bytes, at, size, false);
      }
      at += (size + 3) & ~3;
    }
  }

  #beginKind(sink: StreamSink): void {
    const kind = kinds.find(candidate => (this.#wanted & candidate.bit) !== 0);
    if (kind === undefined) return;
    this.#wanted &= ~kind.bit;
    this.#current = kind;
    this.#restarts = 0;
    this.#startedAtMs = performance.now();
    this.#start(kind, sink);
  }

  #start(kind: Kind, sink: StreamSink): void {
    this.#dumps++;
    this.#family = 0;
    sink.dumpBegin(kind.bit);
    if (kind.bit === KIND_ROUTE) this.#awaitChanges();
    this.#begin(kind);
  }

  /** Asks for the dump of the family that is next. */
  #begin(kind: Kind): void {
    const family = kind.families[this.#family]!;
    if (family === c.AF_MPLS) this.#labels = this.#knowsLabels();
    if (family !== c.AF_MPLS || this.#labels === true) this.#dump.begin(dumpRequest(kind.request, family));
  }

  /** Asked for all routes of a family that it was built without, the kernel gives those of all others; asked for one, it says so. */
  #knowsLabels(): boolean {
    try {
      this.#dumpSocket.request('label', (writer, flags, sequence) => {
        writer.at = encodeLabelGet(writer.buffer, 0, sequence, flags, FIRST_LABEL);
      });
    } catch (error) {
      if (error instanceof NetlinkError) return !absent.includes(error.errno);
      throw error;
    }
    return true;
  }

  /**
   * A change is told in the middle of the kernel's work on it: a link's end before the routes that go with it in silence.
   * That work holds the routing lock, which dumps of routes do not take; so a question is asked that does.
   */
  #awaitChanges(): void {
    this.#dumpSocket.request('link', (writer, flags, sequence) => {
      writeLink(writer, c.RTM_GETLINK, flags, sequence, { ifindex: LOOPBACK_IFINDEX });
    });
  }

  #stepDump(sink: StreamSink): void {
    const kind = this.#current!;
    let state: number;
    try {
      // A family that this kernel was built without has nothing to dump.
      state = this.#dump.active ? this.#dump.step(this.#item(sink)) : DUMP_DONE;
    } catch (error) {
      if (!(error instanceof NetlinkError && absent.includes(error.errno))) throw error;
      state = DUMP_DONE;
    }
    if (state === DUMP_MORE) return;
    if (state === DUMP_INTERRUPTED) {
      this.#interruptions++;
      if (this.#restarts++ < this.#restartLimit) {
        this.#start(kind, sink);
        return;
      }
      // It changes faster than it can be read. Go on with what came, and look again when it may be calmer.
      this.#putOff(kind.bit, performance.now() + RETRY_MS);
    }
    this.#family++;
    if (this.#family < kind.families.length) {
      this.#begin(kind);
      return;
    }
    this.#current = undefined;
    const nowMs = performance.now();
    this.#restUntilMs.set(kind.bit, nowMs + (nowMs - this.#startedAtMs));
    if ((this.#wanted & kind.bit) !== 0) {
      // Asked for again meanwhile.
      this.#wanted &= ~kind.bit;
      this.resync(kind.bit);
    }
    sink.dumpEnd(kind.bit);
  }

  #sink: StreamSink | undefined;
  #visitor: MessageVisitor | undefined;

  #item(sink: StreamSink): MessageVisitor {
    if (this.#sink !== sink) {
      this.#sink = sink;
      this.#visitor = (type, bytes, offset, length): void => {
        // The same answer to a family that is not there: see #knowsLabels.
        const family = this.#current?.families[this.#family] ?? 0;
        if (family !== 0 && bytes[offset + HEADER_BYTES] !== family) return;
        this.#messages++;
        sink.message(type, bytes, offset, length, true);
      };
    }
    if (!this.#drained) throw new SysError('dump', E.EINVAL, 'begun before the notifications were drained');
    return this.#visitor!;
  }
}
