// The bgp-io thread: it moves bytes between sockets and shared memory, cuts them into messages, and checks nothing but
// headers. It never looks into an UPDATE, so nothing that a peer says can keep it busy for long.
//
// Towards a socket: the connection's stream ring is sent from where it lies, under the write lock that bgp-ka shares.
// From a socket: bytes are received behind what was left of the last message, and every run of whole UPDATE and
// ROUTE-REFRESH messages becomes one frame of `updates`, whatever else one frame of `urgent`.
//
// Nothing here grows: a connection is read only while bgp has credit for it and both rings have room for whatever may
// arrive in one read. A connection that is not read is marked, and looked at again when bgp gave room back. One turn reads
// a bounded amount from one socket, then the others have theirs.
import {
  type BellTask,
  ByteProducer,
  Doorbell,
  HandleConsumer,
  HandleProducer,
  StreamReader,
  StreamRing,
  StreamWriter,
  type TaskLoop,
  type TimerTask,
  type Watch,
} from '../../concurrency/index.ts';
import {
  acceptSocket,
  closeFd,
  E,
  errno,
  errnoName,
  libc,
  linux,
  localAddress,
  peerAddress,
  setTcpMd5,
  socketError,
  SysError,
  unixPair,
} from '../../sys/index.ts';
import { checkHeader, HEADER_BYTES, headerError, KEEPALIVE, MessageType, messageType } from '../wire/message.ts';
import { type BgpChannels, CONNECTIONS, inRing, outRing, SLOTS } from './channels.ts';
import {
  type Command,
  type Happening,
  UPDATES_HEAD,
  URGENT_JSON,
  URGENT_MESSAGE,
  URGENT_MESSAGE_HEAD,
} from './messages.ts';
import { MessageTracker } from './outbox.ts';
import { applyOptions, openConnection, openListener, openUnixConnection, prepareStream } from './sockets.ts';
import {
  ConnectionTable,
  DUE,
  DUE_QUEUED,
  FD,
  GENERATION,
  KEEPALIVE_EPOCH,
  KEEPALIVE_MS,
  KEEPALIVE_TOLD,
  KEEPALIVES_RECEIVED,
  KEEPALIVES_SENT,
  BYTES_TOLD,
  CONSUMED,
  KICKED,
  LOCK_IO,
  MAXIMUM,
  MID,
  nowMs32,
  PARTIAL,
  RECEIVED_AT,
  SENT_ANY,
  SENT_AT,
  SPOKEN_LAST,
  STALLED,
  STUCK,
  STUCK_AT,
  USED,
  WANTS_ROOM,
} from './table.ts';
import { CommandReader } from './command-ring.ts';
import type { SocketAddress, TransportFailure } from './types.ts';

/** Received at most in one call. */
const READ_BYTES = 256 * 1024;
/** Calls in one turn of one socket. */
const READS = 4;
const WRITES = 8;
/** Room that `urgent` must have before anything is read: one connection's OPEN, NOTIFICATION and life-cycle. */
const URGENT_RESERVE = 32 * 1024;
/** UPDATE bytes of one connection that bgp has not finished with. */
const CREDIT_MIN = 256 * 1024;
const CREDIT_MAX = 1024 * 1024;
/** A connection being closed has this long to take what is queued, and then to close its side. */
const DRAIN_MS = 3000;
const LINGER_MS = 1000;
const SHUT_WR = 1;
const FLAGS: number = linux.MSG_DONTWAIT | linux.MSG_NOSIGNAL;

/** connecting → open → draining (bgp closed it: the queue goes out) → lingering (we closed our side) → gone. */
type Phase = 'connecting' | 'open' | 'ended' | 'draining' | 'lingering';

class Socket {
  readonly token: number;
  readonly slot: number;
  readonly fd: number;
  readonly raw: boolean;
  readonly remote: SocketAddress | undefined;
  readonly tracker: MessageTracker = new MessageTracker();
  readonly out: StreamReader;
  /** Raw streams only. */
  readonly input: StreamWriter | undefined;
  phase: Phase;
  watch: Watch | undefined;
  timer: TimerTask | undefined;
  /** Start of a message whose end has not come. */
  partial: Uint8Array = NOTHING;
  partialSize = 0;
  /** UPDATE bytes handed to bgp, modulo 2^32. */
  produced = 0;
  opens = 0;
  stalled = false;
  /** Said something wrong, or goodbye: nothing more is read. */
  deaf = false;
  /** The socket took less than there was. */
  blocked = false;

  constructor(
    token: number,
    slot: number,
    fd: number,
    phase: Phase,
    raw: boolean,
    remote: SocketAddress | undefined,
    out: StreamReader,
    input: StreamWriter | undefined,
  ) {
    this.token = token;
    this.slot = slot;
    this.fd = fd;
    this.phase = phase;
    this.raw = raw;
    this.remote = remote;
    this.out = out;
    this.input = input;
  }
}

interface ListeningSocket {
  readonly fd: number;
  readonly watch: Watch;
}

const NOTHING: Uint8Array = new Uint8Array(0);

function failureOf(error: unknown): TransportFailure {
  if (error instanceof SysError) return { syscall: error.syscall, errno: error.errno, code: error.code };
  throw error;
}

function failure(syscall: string, number: number): TransportFailure {
  return { syscall, errno: number, code: errnoName(number) };
}

export class IoLoop {
  readonly #loop: TaskLoop;
  readonly #channels: BgpChannels;
  readonly #table: ConnectionTable;
  readonly #urgent: ByteProducer;
  readonly #urgentWords: Int32Array;
  readonly #updates: ByteProducer;
  readonly #updatesWords: Int32Array;
  readonly #ready: HandleProducer;
  readonly #kicks: HandleConsumer;
  readonly #due: HandleConsumer;
  readonly #commands: CommandReader;
  readonly #bgpBell: Doorbell;
  readonly #bell: BellTask;
  readonly #scratch: Uint8Array = new Uint8Array(READ_BYTES + 65536);
  readonly #slots: (Socket | undefined)[] = new Array<Socket | undefined>(SLOTS).fill(undefined);
  readonly #byToken: Map<number, Socket> = new Map();
  readonly #listeners: Map<number, ListeningSocket> = new Map();
  readonly #free: number[] = [];
  readonly #freeStreams: number[] = [];
  #freshSlot = 0;
  /** Life-cycle that `urgent` had no room for; bounded by the connections there are. */
  readonly #unsaid: Happening[] = [];
  readonly #stalled: Set<Socket> = new Set();
  #acceptedTokens = -1;
  #open = 0;
  #credit: number = CREDIT_MAX;

  constructor(loop: TaskLoop, channels: BgpChannels) {
    this.#loop = loop;
    this.#channels = channels;
    this.#table = new ConnectionTable(channels.table);
    this.#urgent = new ByteProducer(channels.urgent);
    this.#urgentWords = wordsOf(this.#urgent.bytes);
    this.#updates = new ByteProducer(channels.updates);
    this.#updatesWords = wordsOf(this.#updates.bytes);
    this.#ready = new HandleProducer(channels.ready);
    this.#kicks = new HandleConsumer(channels.kicks);
    this.#due = new HandleConsumer(channels.due);
    this.#commands = new CommandReader(channels.commands);
    this.#bgpBell = new Doorbell(channels.bgpBell);
    for (let slot = SLOTS - 1; slot >= CONNECTIONS; slot--) this.#freeStreams.push(slot);
    this.#bell = loop.doorbell('bgp-io requests', new Doorbell(channels.ioBell), () => this.#attend());
  }

  /** Lets connections that are being closed finish, for at most `limitMs`, then closes everything. */
  async stop(limitMs: number): Promise<void> {
    this.#attend();
    const until = this.#loop.now() + limitMs;
    const leaving = (): boolean =>
      this.#slots.some(socket => socket?.phase === 'draining' || socket?.phase === 'lingering');
    while (leaving() && this.#loop.now() < until) await new Promise(resolve => setTimeout(resolve, 10));
    this.close();
  }

  /** Closes every socket at once. */
  close(): void {
    this.#bell.close();
    for (const listener of this.#listeners.values()) {
      listener.watch.close();
      closeFd(listener.fd);
    }
    this.#listeners.clear();
    for (const socket of this.#slots) if (socket) this.#destroy(socket);
  }

  // What bgp and bgp-ka want.

  #attend(): boolean {
    let found = false;
    for (let command = this.#commands.next(); command; command = this.#commands.next()) {
      found = true;
      this.#obey(command);
    }
    for (let slot = this.#kicks.pop(); slot >= 0; slot = this.#kicks.pop()) {
      found = true;
      this.#table.set(slot, KICKED, 0);
      const socket = this.#slots[slot];
      if (socket && !socket.blocked) this.#flush(socket);
    }
    this.#kicks.release();
    for (let slot = this.#due.pop(); slot >= 0; slot = this.#due.pop()) {
      found = true;
      this.#table.set(slot, DUE_QUEUED, 0);
      const socket = this.#slots[slot];
      if (socket && !socket.blocked) this.#flush(socket);
    }
    this.#due.release();
    if (this.#unsaid.length > 0) this.#sayUnsaid();
    if (this.#stalled.size > 0) this.#relieve();
    return found;
  }

  #obey(command: Command): void {
    const { token } = command;
    switch (command.do) {
      case 'connect':
        return this.#begin(token, false, command.options.remote, () => openConnection(command.options));
      case 'connectPair':
        return this.#beginPair(token, command.listener, command.local, command.remote);
      case 'connectUnix':
        return this.#begin(token, true, undefined, () => openUnixConnection(command.path));
      case 'listen':
        try {
          const fd = openListener(command.options);
          const watch = this.#loop.io('bgp accept', fd, { readable: () => this.#accept(token, fd) });
          this.#listeners.set(token, { fd, watch });
          this.#say({ is: 'listening', token, local: localAddress(fd) ?? command.options.local });
        } catch (error) {
          this.#say({ is: 'failed', token, failure: failureOf(error) });
        }
        return;
      case 'md5': {
        const listener = this.#listeners.get(token);
        if (!listener) return;
        try {
          setTcpMd5(listener.fd, command.peer, command.key);
        } catch (error) {
          // ENOENT: a key is removed that was never set.
          const reason = failureOf(error);
          if (reason.errno !== E.ENOENT) this.#say({ is: 'failed', token, failure: reason });
        }
        return;
      }
      case 'options': {
        const socket = this.#byToken.get(token);
        if (!socket || socket.phase !== 'open' || !socket.remote) return;
        try {
          applyOptions(socket.fd, socket.remote.family, command.options);
        } catch (error) {
          this.#end(socket, failureOf(error));
        }
        return;
      }
      case 'probe': {
        const socket = this.#byToken.get(token);
        if (!socket || socket.phase !== 'open') return;
        // What waits in the socket is life, even where we must not read it yet.
        if (!socket.deaf && libc.recv(socket.fd, this.#scratch, 1, FLAGS | linux.MSG_PEEK) > 0) this.#heard(socket);
        return this.#say({ is: 'probed', token });
      }
      case 'close': {
        const listener = this.#listeners.get(token);
        if (listener) {
          this.#listeners.delete(token);
          listener.watch.close();
          closeFd(listener.fd);
          return;
        }
        const socket = this.#byToken.get(token);
        if (socket) this.#leave(socket);
      }
    }
  }

  #begin(
    token: number,
    raw: boolean,
    remote: SocketAddress | undefined,
    open: () => { fd: number; connected: boolean },
  ): void {
    const slot = this.#takeSlot(raw);
    if (slot < 0) return this.#say({ is: 'failed', token, failure: failure('connect', E.ENOBUFS) });
    try {
      const { fd, connected } = open();
      const socket = this.#adopt(token, slot, fd, 'connecting', raw, remote);
      if (connected) this.#established(socket);
      else socket.watch!.set({ writable: true });
    } catch (error) {
      this.#freeSlot(slot);
      this.#say({ is: 'failed', token, failure: failureOf(error) });
    }
  }

  /** Both ends are ours. The far one is told first, so that whoever speaks on the near one is heard. */
  #beginPair(token: number, listener: number, local: SocketAddress, remote: SocketAddress): void {
    const near = this.#takeSlot(false);
    const far = near < 0 ? -1 : this.#takeSlot(false);
    if (far < 0) {
      if (near >= 0) this.#freeSlot(near);
      this.#say({ is: 'failed', token: listener, failure: failure('socketpair', E.ENOBUFS) });
      return this.#say({ is: 'failed', token, failure: failure('socketpair', E.ENOBUFS) });
    }
    let ends: [number, number];
    try {
      ends = unixPair();
    } catch (error) {
      this.#freeSlot(far);
      this.#freeSlot(near);
      this.#say({ is: 'failed', token: listener, failure: failureOf(error) });
      return this.#say({ is: 'failed', token, failure: failureOf(error) });
    }
    const connection = this.#acceptedTokens--;
    const accepted = this.#adopt(connection, far, ends[1], 'open', false, local);
    this.#say({ is: 'accepted', token: listener, connection, slot: far, local: remote, remote: local });
    accepted.watch!.set({ readable: true });
    const opened = this.#adopt(token, near, ends[0], 'open', false, remote);
    this.#say({ is: 'connected', token, slot: near, local, remote });
    this.#listenFor(opened);
  }

  #accept(token: number, listener: number): void {
    for (let i = 0; i < 64; i++) {
      let accepted: ReturnType<typeof acceptSocket>;
      try {
        accepted = acceptSocket(listener);
      } catch (error) {
        // No descriptors or no memory: the peers will try again.
        this.#say({ is: 'failed', token, failure: failureOf(error) });
        return;
      }
      if (!accepted) return;
      const { fd, peer } = accepted;
      const slot = peer ? this.#takeSlot(false) : -1;
      if (slot < 0 || !peer) {
        closeFd(fd);
        continue;
      }
      prepareStream(fd, peer.family);
      const connection = this.#acceptedTokens--;
      const socket = this.#adopt(connection, slot, fd, 'open', false, peer);
      const local = localAddress(fd) ?? peer;
      this.#say({ is: 'accepted', token, connection, slot, local, remote: peer });
      socket.watch!.set({ readable: true });
    }
  }

  // Slots.

  #takeSlot(raw: boolean): number {
    if (raw) return this.#freeStreams.pop() ?? -1;
    const reused = this.#free.pop();
    if (reused !== undefined) return reused;
    if (this.#freshSlot === CONNECTIONS) return -1;
    return this.#freshSlot++;
  }

  #freeSlot(slot: number): void {
    if (slot < CONNECTIONS) this.#free.push(slot);
    else this.#freeStreams.push(slot);
  }

  #adopt(
    token: number,
    slot: number,
    fd: number,
    phase: Phase,
    raw: boolean,
    remote: SocketAddress | undefined,
  ): Socket {
    const table = this.#table;
    const ring = outRing(this.#channels, slot);
    StreamRing.initialize(ring.memory, ring.offset, ring.bytes);
    let input: StreamWriter | undefined;
    if (raw) {
      const inward = inRing(this.#channels, slot);
      StreamRing.initialize(inward.memory, inward.offset, inward.bytes);
      input = new StreamWriter(inward.memory, inward.offset);
    }
    const socket = new Socket(token, slot, fd, phase, raw, remote, new StreamReader(ring.memory, ring.offset), input);
    this.#slots[slot] = socket;
    this.#byToken.set(token, socket);
    for (const column of [
      SENT_ANY,
      STUCK,
      CONSUMED,
      KEEPALIVE_MS,
      KEEPALIVES_SENT,
      KEEPALIVES_RECEIVED,
      MID,
      PARTIAL,
    ]) {
      table.set(slot, column, 0);
    }
    for (const column of [DUE, WANTS_ROOM, KEEPALIVE_TOLD, BYTES_TOLD, SPOKEN_LAST]) table.set(slot, column, 0);
    table.set(slot, MAXIMUM, 4096);
    table.set(slot, RECEIVED_AT, nowMs32());
    table.increase(slot, GENERATION, 1);
    table.increase(slot, KEEPALIVE_EPOCH, 1);
    table.lock(slot, LOCK_IO);
    table.set(slot, FD, fd);
    table.unlock(slot);
    if (slot >= table.global(USED)) table.setGlobal(USED, slot + 1);
    socket.watch = this.#loop.io(raw ? 'bgp-io stream' : 'bgp-io peer', fd, {
      readable: () => this.#readable(socket),
      writable: () => this.#writable(socket),
    });
    socket.watch.set({});
    this.#open++;
    this.#share();
    return socket;
  }

  /** Credit shrinks when there are many, so that together they cannot fill the ring for the others. */
  #share(): void {
    const fair = Math.floor(this.#updates.capacity / 2 / Math.max(1, this.#open));
    this.#credit = Math.max(CREDIT_MIN, Math.min(CREDIT_MAX, fair));
  }

  // The life of a connection.

  #established(socket: Socket): void {
    socket.phase = 'open';
    this.#table.set(socket.slot, RECEIVED_AT, nowMs32());
    const local = localAddress(socket.fd);
    const remote = socket.raw ? undefined : peerAddress(socket.fd);
    this.#say({
      is: 'connected',
      token: socket.token,
      slot: socket.slot,
      ...(local && { local }),
      ...(remote && { remote }),
    });
    this.#listenFor(socket);
  }

  #writable(socket: Socket): void {
    if (socket.phase === 'connecting') {
      const error = socketError(socket.fd);
      if (error === 0) return this.#established(socket);
      this.#closeDescriptor(socket);
      return this.#gone(socket, { is: 'failed', token: socket.token, failure: failure('connect', error) });
    }
    socket.blocked = false;
    this.#flush(socket);
  }

  /** The peer ended it, or it broke. bgp is told, and answers with `close`. */
  #end(socket: Socket, reason: TransportFailure | undefined): void {
    if (socket.phase === 'draining' || socket.phase === 'lingering') return this.#destroy(socket);
    if (socket.phase === 'ended') return;
    this.#closeDescriptor(socket);
    this.#gone(socket, { is: 'closed', token: socket.token, ...(reason && { failure: reason }) });
  }

  #gone(socket: Socket, happening: Happening): void {
    socket.phase = 'ended';
    socket.deaf = true;
    this.#say(happening);
  }

  /** bgp is done with it: send what is queued, close our side, wait a moment for the peer's. */
  #leave(socket: Socket): void {
    this.#table.set(socket.slot, KEEPALIVE_MS, 0);
    if (socket.phase === 'ended' || socket.phase === 'connecting') return this.#destroy(socket);
    socket.phase = 'draining';
    socket.deaf = true;
    socket.timer = this.#loop.timer('bgp-io linger', () => this.#destroy(socket));
    socket.timer.start(DRAIN_MS);
    this.#flush(socket);
  }

  /**
   * Everything is out. Closing at once would, with bytes of the peer unread, make the kernel reset the connection, and a
   * reset may overtake the NOTIFICATION that was just sent: so our side is closed first, and the peer has a second for its.
   */
  #linger(socket: Socket): void {
    if (socket.phase !== 'draining') return;
    socket.phase = 'lingering';
    libc.shutdown(socket.fd, SHUT_WR);
    socket.timer?.start(LINGER_MS);
    this.#listenFor(socket);
  }

  #closeDescriptor(socket: Socket): void {
    const { slot } = socket;
    if (this.#table.get(slot, FD) < 0) return;
    socket.watch?.close();
    this.#table.lock(slot, LOCK_IO);
    this.#table.set(slot, FD, -1);
    this.#table.unlock(slot);
    closeFd(socket.fd);
    this.#open--;
    this.#share();
  }

  #destroy(socket: Socket): void {
    socket.timer?.stop();
    this.#closeDescriptor(socket);
    this.#unstall(socket);
    socket.phase = 'ended';
    this.#slots[socket.slot] = undefined;
    this.#byToken.delete(socket.token);
    this.#freeSlot(socket.slot);
  }

  // From the socket.

  #readable(socket: Socket): void {
    if (socket.phase === 'lingering') return this.#discard(socket);
    if (socket.phase !== 'open' || socket.deaf) return this.#listenFor(socket);
    if (socket.input) this.#readStream(socket, socket.input);
    else this.#readMessages(socket);
    this.#bgpBell.ring();
  }

  #discard(socket: Socket): void {
    for (let i = 0; i < READS; i++) {
      const size = libc.recv(socket.fd, this.#scratch, READ_BYTES, FLAGS);
      if (size > 0) continue;
      if (size < 0 && errno() === E.EAGAIN) return;
      return this.#destroy(socket);
    }
  }

  #readMessages(socket: Socket): void {
    const scratch = this.#scratch;
    for (let i = 0; i < READS && !socket.deaf; i++) {
      if (!this.#mayRead(socket)) return this.#stall(socket);
      const kept = socket.partialSize;
      if (kept > 0) scratch.set(socket.partial.subarray(0, kept));
      const size = libc.recv(socket.fd, kept > 0 ? scratch.subarray(kept) : scratch, READ_BYTES, FLAGS);
      if (size <= 0) {
        const error = size < 0 ? errno() : 0;
        if (error === E.EAGAIN || error === E.EINTR) return;
        return this.#end(socket, size < 0 ? failure('recv', error) : undefined);
      }
      this.#heard(socket);
      this.#frame(socket, kept + size);
      // Less than asked for: the socket is empty, and asking again would only cost a call.
      if (size < READ_BYTES) return;
    }
  }

  #heard(socket: Socket): void {
    this.#table.set(socket.slot, RECEIVED_AT, nowMs32());
  }

  /** Cuts `scratch[0, size)` into messages. There is room for all of them: `#mayRead`. */
  #frame(socket: Socket, size: number): void {
    const scratch = this.#scratch;
    const maximum = this.#table.get(socket.slot, MAXIMUM);
    let run = 0; // start of the run of UPDATEs under way
    let at = 0;
    while (size - at >= HEADER_BYTES) {
      const length = checkHeader(scratch, at, maximum);
      if (length < 0) {
        this.#pass(socket, run, at);
        socket.deaf = true;
        const { code, subcode, data } = headerError(scratch, at, maximum);
        this.#say({ is: 'headerError', token: socket.token, code, subcode, data: [...data] });
        return this.#listenFor(socket);
      }
      if (at + length > size) break;
      const type = messageType(scratch, at);
      if (type !== MessageType.update && type !== MessageType.routeRefresh) {
        this.#pass(socket, run, at);
        run = at + length;
        this.#passUrgent(socket, type, at, length);
        if (socket.deaf) return this.#listenFor(socket);
      }
      at += length;
    }
    this.#pass(socket, run, at);
    const rest = size - at;
    if (rest > socket.partial.length) socket.partial = new Uint8Array(rest <= 4096 ? 4096 : 65536);
    if (rest > 0) socket.partial.set(scratch.subarray(at, size));
    socket.partialSize = rest;
  }

  /** A run of whole messages, `scratch[from, to)`, to `updates`. */
  #pass(socket: Socket, from: number, to: number): void {
    if (from === to) return;
    const size = to - from;
    const offset = this.#updates.reserve(UPDATES_HEAD + size);
    if (offset < 0) throw new Error(`no room for ${size} bytes of UPDATEs where room was promised`);
    this.#updatesWords[offset >> 2] = socket.slot;
    this.#updatesWords[(offset >> 2) + 1] = this.#table.get(socket.slot, GENERATION);
    this.#updates.bytes.set(this.#scratch.subarray(from, to), offset + UPDATES_HEAD);
    this.#updates.commit();
    this.#updates.publish();
    socket.produced = (socket.produced + size) | 0;
  }

  #passUrgent(socket: Socket, type: number, at: number, length: number): void {
    if (type === MessageType.keepalive) {
      this.#table.increase(socket.slot, KEEPALIVES_RECEIVED, 1);
      // One that bgp has not seen yet says all that this one does.
      if (!this.#table.raise(socket.slot, KEEPALIVE_TOLD)) return;
    }
    if (type === MessageType.notification) socket.deaf = true;
    // A second OPEN ends the session, so what follows it is of no interest.
    if (type === MessageType.open && ++socket.opens > 1) socket.deaf = true;
    const body = length - HEADER_BYTES;
    const offset = this.#urgent.reserve(URGENT_MESSAGE_HEAD + body);
    if (offset < 0) throw new Error('no room for an urgent message where room was promised');
    const word = offset >> 2;
    this.#urgentWords[word] = URGENT_MESSAGE;
    this.#urgentWords[word + 1] = socket.slot;
    this.#urgentWords[word + 2] = this.#table.get(socket.slot, GENERATION);
    this.#urgentWords[word + 3] = type;
    const bytes = this.#scratch.subarray(at + HEADER_BYTES, at + length);
    this.#urgent.bytes.set(bytes, offset + URGENT_MESSAGE_HEAD);
    this.#urgent.commit();
    this.#urgent.publish();
  }

  /** Whether a read may happen: credit of this connection, and room for all that one read can bring. */
  #mayRead(socket: Socket): boolean {
    const underWay = (socket.produced - this.#table.get(socket.slot, CONSUMED)) | 0;
    if (underWay >= this.#credit) return false;
    // What waits to be said must be said first: a connection's beginning before its bytes.
    if (this.#unsaid.length > 0) return false;
    // A frame may need twice its size (byte-ring.ts); small runs have a few bytes of head each.
    return this.#updates.room() >= 3 * this.#scratch.length && this.#urgent.room() >= URGENT_RESERVE;
  }

  #readStream(socket: Socket, input: StreamWriter): void {
    let any = false;
    for (let i = 0; i < READS; i++) {
      const room = input.contiguous;
      if (room === 0) {
        this.#stall(socket);
        break;
      }
      const at = input.offset;
      const wanted = Math.min(room, READ_BYTES);
      const size = libc.recv(socket.fd, input.bytes.subarray(at, at + wanted), wanted, FLAGS);
      if (size <= 0) {
        const error = size < 0 ? errno() : 0;
        if (error !== E.EAGAIN && error !== E.EINTR) {
          if (any) this.#tellBytes(socket);
          return this.#end(socket, size < 0 ? failure('recv', error) : undefined);
        }
        break;
      }
      any = true;
      input.advance(size);
      input.publish();
      if (size < wanted) break;
    }
    if (any) this.#tellBytes(socket);
  }

  #tellBytes(socket: Socket): void {
    if (this.#table.raise(socket.slot, BYTES_TOLD)) this.#tellReady(socket.slot * 2);
  }

  #tellReady(handle: number): void {
    // At most two entries a slot are under way, so there always is room.
    if (!this.#ready.push(handle)) throw new Error('the ready ring is full');
    this.#ready.publish();
    this.#bgpBell.ring();
  }

  // Credit.

  #stall(socket: Socket): void {
    if (socket.stalled) return;
    socket.stalled = true;
    this.#stalled.add(socket);
    this.#mark();
    this.#listenFor(socket);
    // bgp may have given room back before it could see the mark: look once more, in a turn of its own.
    this.#bell.wake();
  }

  #unstall(socket: Socket): void {
    if (!socket.stalled) return;
    socket.stalled = false;
    this.#stalled.delete(socket);
    this.#mark();
  }

  #relieve(): void {
    for (const socket of this.#stalled) {
      const may = socket.input ? socket.input.room >= socket.input.capacity / 4 : this.#mayRead(socket);
      if (!may) continue;
      this.#unstall(socket);
      this.#listenFor(socket);
    }
  }

  #listenFor(socket: Socket): void {
    if (socket.phase === 'ended') return;
    const readable = socket.phase === 'lingering' || (socket.phase === 'open' && !socket.deaf && !socket.stalled);
    socket.watch?.set({ readable, writable: socket.blocked });
  }

  // To the socket.

  /** Sends what is queued, as far as the socket takes it. */
  #flush(socket: Socket): void {
    if (socket.phase !== 'open' && socket.phase !== 'draining') return;
    const { slot, out, tracker } = socket;
    const table = this.#table;
    let error = 0;
    let more = false;
    let sent = false;
    table.lock(slot, LOCK_IO);
    // First the rest of a KEEPALIVE that bgp-ka could not finish.
    const partial = table.get(slot, PARTIAL);
    if (partial > 0) {
      const size = libc.send(socket.fd, KEEPALIVE.subarray(partial), HEADER_BYTES - partial, FLAGS);
      if (size < 0) error = errno();
      else table.set(slot, PARTIAL, partial + size === HEADER_BYTES ? 0 : partial + size);
    }
    if (error === 0 && table.get(slot, PARTIAL) === 0) {
      for (let i = 0; ; i++) {
        if (tracker.position === 0 && table.get(slot, DUE) !== 0 && !socket.raw) {
          error = this.#sendDue(socket);
          if (error !== 0) break;
        }
        if (!out.peek()) break;
        if (i === WRITES) {
          more = true;
          break;
        }
        const { offset, size } = out;
        const taken = libc.send(socket.fd, out.bytes.subarray(offset, offset + size), size, FLAGS);
        if (taken < 0) {
          error = errno();
          break;
        }
        sent = true;
        if (!socket.raw) tracker.advance(out.bytes, offset, taken);
        out.consume(taken);
        if (taken < size) {
          error = E.EAGAIN;
          break;
        }
      }
    }
    const now = nowMs32();
    if (sent) {
      table.set(slot, SENT_AT, now);
      table.set(slot, SENT_ANY, 1);
    }
    const spokenLast = tracker.lastType === MessageType.notification;
    if (spokenLast) table.set(slot, SPOKEN_LAST, 1);
    table.set(slot, MID, tracker.position > 0 || table.get(slot, PARTIAL) > 0 ? 1 : 0);
    table.unlock(slot);

    const waiting = error === E.EAGAIN || error === E.EINTR;
    if (sent || !waiting || table.get(slot, STUCK) === 0) table.set(slot, STUCK_AT, now);
    table.set(slot, STUCK, waiting ? 1 : 0);
    if (out.length <= out.capacity / 2 && table.lower(slot, WANTS_ROOM)) this.#tellReady(slot * 2 + 1);
    if (error !== 0 && !waiting) return this.#end(socket, failure('send', error));
    // Where there is more, the rest goes in another turn, behind whoever waits: the socket is writable, so it comes soon.
    socket.blocked = waiting || more;
    this.#listenFor(socket);
    if (!socket.blocked && socket.phase === 'draining') this.#linger(socket);
  }

  /** A KEEPALIVE that bgp-ka left to us; the lock is held. The errno, or 0. */
  #sendDue(socket: Socket): number {
    const { slot } = socket;
    const table = this.#table;
    // Nothing goes before our OPEN or after a NOTIFICATION.
    if (table.get(slot, SENT_ANY) === 0 || socket.tracker.lastType === MessageType.notification) return 0;
    table.set(slot, DUE, 0);
    if (table.get(slot, KEEPALIVE_MS) === 0) return 0;
    const size = libc.send(socket.fd, KEEPALIVE, HEADER_BYTES, FLAGS);
    if (size < 0) {
      const error = errno();
      if (error === E.EAGAIN) table.set(slot, DUE, 1);
      return error;
    }
    table.increase(slot, KEEPALIVES_SENT, 1);
    table.set(slot, SENT_AT, nowMs32());
    if (size === HEADER_BYTES) return 0;
    table.set(slot, PARTIAL, size);
    return E.EAGAIN;
  }

  // To bgp.

  #say(happening: Happening): void {
    this.#unsaid.push(happening);
    this.#sayUnsaid();
    this.#bgpBell.ring();
  }

  #sayUnsaid(): void {
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
    this.#bgpBell.ring();
    this.#mark();
  }

  /** bgp rings when it has made room, where it sees that somebody waits for that. */
  #mark(): void {
    this.#table.setGlobal(STALLED, this.#stalled.size + this.#unsaid.length);
  }
}

function wordsOf(bytes: Uint8Array): Int32Array {
  return new Int32Array(bytes.buffer, bytes.byteOffset, bytes.byteLength / 4);
}
