// A dump is the kernel's whole table, sent piece by piece as it is read, and not a snapshot: when the table changed in a way
// that may have hidden entries the kernel says so (NLM_F_DUMP_INTR), and the dump is worth nothing until it is done again.
// `Dump` reads one datagram a step, so that a loop can put a large one down and take it up again.
import { E } from '../sys/index.ts';
import { MessageWriter } from './attribute.ts';
import * as c from './constants.ts';
import { NetlinkError, readExtendedAck } from './error.ts';
import { NetlinkSocket, RECEIVE_EMPTY, RECEIVE_OVERRUN } from './socket.ts';

/** Appends the request of a dump: RTM_GET… with the whole fixed part that strict checking wants. */
export type DumpRequest = (writer: MessageWriter, flags: number, sequence: number) => void;

export type MessageVisitor = (type: number, bytes: Uint8Array, offset: number, length: number) => void;

export const DUMP_MORE = 0;
export const DUMP_DONE = 1;
/** Entries may be missing or old: begin again. */
export const DUMP_INTERRUPTED = 2;
export type DumpState = typeof DUMP_MORE | typeof DUMP_DONE | typeof DUMP_INTERRUPTED;

const bodies: Record<number, (family: number, table: number) => number[]> = {
  [c.RTM_GETLINK]: family => [family, 0, 0, 0], // ifinfomsg
  [c.RTM_GETADDR]: family => [family, 0], // ifaddrmsg
  [c.RTM_GETNEIGH]: family => [family, 0, 0], // ndmsg
  [c.RTM_GETROUTE]: (family, table) => [family, table < 256 ? table : 0, 0], // rtmsg
  [c.RTM_GETRULE]: family => [family, 0, 0], // fib_rule_hdr
  [c.RTM_GETNEXTHOP]: family => [family, 0], // nhmsg
  [c.RTM_GETNETCONF]: family => [family], // netconfmsg
};

const RTA_TABLE = 15;

/** The request for a dump of one kind (RTM_GET…), of one family or all (0), of one routing table or all (0). */
export function dumpRequest(type: number, family = 0, table = 0): DumpRequest {
  const body = bodies[type];
  if (body === undefined) throw new RangeError(`no dump of message type ${type}`);
  return (writer, flags, sequence) => {
    const start = writer.begin(type, flags, sequence);
    for (const word of body(family, table)) writer.u32(word);
    if (type === c.RTM_GETROUTE && table !== 0) writer.attribute(RTA_TABLE, () => writer.u32(table));
    writer.end(start);
  };
}

export class Dump {
  readonly #socket: NetlinkSocket;
  readonly #writer: MessageWriter = new MessageWriter(256);
  #sequence = 0;
  #interrupted = false;
  #active = false;

  /** The socket must not be used for anything else while a dump runs. */
  constructor(socket: NetlinkSocket) {
    this.#socket = socket;
  }

  get active(): boolean {
    return this.#active;
  }

  /** Sends the request. What is left of an earlier dump is read and thrown away first. */
  begin(request: DumpRequest): void {
    while (this.#active) this.step(ignore);
    this.#writer.reset();
    this.#sequence = this.#socket.sequence();
    this.#interrupted = false;
    request(this.#writer, c.NLM_F_DUMP, this.#sequence);
    const failed = this.#socket.send(this.#writer.buffer.bytes, this.#writer.at);
    if (failed !== 0) throw new NetlinkError('dump', failed);
    this.#active = true;
  }

  /** Reads one datagram and visits its messages. */
  step(visit: MessageVisitor): DumpState {
    const socket = this.#socket;
    const view = socket.view;
    const length = socket.receive();
    if (length === RECEIVE_EMPTY) return DUMP_MORE;
    if (length === RECEIVE_OVERRUN) {
      this.#interrupted = true;
      return DUMP_MORE;
    }
    for (let at = 0; at + 16 <= length; ) {
      const size = view.getUint32(at, true);
      if (size < 16 || at + size > length) break;
      if (view.getInt32(at + 8, true) === this.#sequence) {
        const type = view.getUint16(at + 4, true);
        if ((view.getUint16(at + 6, true) & c.NLM_F_DUMP_INTR) !== 0) this.#interrupted = true;
        if (type === c.NLMSG_DONE || type === c.NLMSG_ERROR) {
          this.#active = false;
          const error = size >= 20 ? -view.getInt32(at + 16, true) : 0;
          if (error === E.EAGAIN || error === E.EINTR) return DUMP_INTERRUPTED;
          if (error !== 0) throw new NetlinkError('dump', error, readExtendedAck(socket.bytes, at, size).reason);
          return this.#interrupted ? DUMP_INTERRUPTED : DUMP_DONE;
        }
        visit(type, socket.bytes, at, size);
      }
      at += (size + 3) & ~3;
    }
    return DUMP_MORE;
  }
}

function ignore(): void {
  // What is left of a dump that nobody wants any more.
}

/** Reads a whole dump at once. `visit` collects; `restart` forgets what was collected, when the kernel interrupted. */
export function readDump(
  socket: NetlinkSocket,
  request: DumpRequest,
  visit: MessageVisitor,
  restart: () => void,
  restarts = 20,
): void {
  const dump = new Dump(socket);
  for (let attempt = 0; ; attempt++) {
    dump.begin(request);
    let state: DumpState = DUMP_MORE;
    while (state === DUMP_MORE) state = dump.step(visit);
    if (state === DUMP_DONE) return;
    if (attempt === restarts) throw new NetlinkError('dump', E.EINTR, `interrupted ${restarts + 1} times by changes`);
    restart();
  }
}

/** A whole dump as values made by `read`. */
export function collect<T>(
  socket: NetlinkSocket,
  request: DumpRequest,
  read: (bytes: Uint8Array, offset: number, length: number) => T,
): T[] {
  let values: T[] = [];
  readDump(
    socket,
    request,
    (_type, bytes, offset, length) => values.push(read(bytes, offset, length)),
    () => {
      values = [];
    },
  );
  return values;
}
