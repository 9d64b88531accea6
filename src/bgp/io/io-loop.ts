// The bgp-io thread: it moves bytes between sockets and shared memory, cuts them into messages, and checks nothing but
// headers. It never looks into an UPDATE, so nothing that a peer says can keep it busy for long.
//
//   bgp ─commands, kicks─▶ [ IoLoop: a socket's life ] ─▶ Sender ───▶ socket
//   bgp ◀──── ToBgp ◀──────────────────────────────── Receiver ◀──── socket
//
// Nothing here grows. A connection that is not read, because bgp has no room, is marked, and looked at again when bgp gave
// room back. One turn moves a bounded amount for one socket, then the others have theirs.
import {
  type BellTask,
  Doorbell,
  HandleConsumer,
  StreamReader,
  StreamRing,
  StreamWriter,
  type TaskLoop,
  type Watch,
} from '../../concurrency/index.ts';
import { formatAddress } from '../../net/index.ts';
import {
  acceptSocket,
  closeFd,
  E,
  libc,
  localAddress,
  peerAddress,
  setTcpMd5,
  socketError,
  unixPair,
} from '../../sys/index.ts';
import { type BgpChannels, CONNECTIONS, inRing, outRing, SLOTS } from './channels.ts';
import { CommandReader } from './command-ring.ts';
import type { MessageLimits } from './limits.ts';
import type { Command, Happening } from './messages.ts';
import { Receiver } from './receiver.ts';
import { Sender } from './sender.ts';
import { type Phase, Socket } from './socket.ts';
import {
  applyOptions,
  failure,
  failureOf,
  type Opened,
  openConnection,
  openListener,
  openUnixConnection,
  prepareStream,
} from './sockets.ts';
import { ConnectionTable, DUE_QUEUED, KEEPALIVE_MS, KICKED } from './table.ts';
import { ToBgp } from './to-bgp.ts';
import type { SocketAddress, TransportFailure } from './types.ts';

/** A connection being closed has this long to take what is queued, and then to close its side. */
const DRAIN_MS = 3000;
const LINGER_MS = 1000;
const SHUT_WR = 1;

interface ListeningSocket {
  readonly fd: number;
  readonly watch: Watch;
}

export class IoLoop {
  readonly #loop: TaskLoop;
  readonly #channels: BgpChannels;
  readonly #table: ConnectionTable;
  readonly #bgp: ToBgp;
  readonly #sender: Sender;
  readonly #receiver: Receiver;
  readonly #kicks: HandleConsumer;
  readonly #due: HandleConsumer;
  readonly #commands: CommandReader;
  readonly #bell: BellTask;
  readonly #slots: (Socket | undefined)[] = new Array<Socket | undefined>(SLOTS).fill(undefined);
  readonly #byToken: Map<number, Socket> = new Map();
  readonly #listeners: Map<number, ListeningSocket> = new Map();
  readonly #free: number[] = [];
  readonly #freeStreams: number[] = [];
  #freshSlot = 0;
  readonly #stalled: Set<Socket> = new Set();
  #acceptedTokens = -1;
  #open = 0;

  constructor(loop: TaskLoop, channels: BgpChannels) {
    this.#loop = loop;
    this.#channels = channels;
    this.#table = new ConnectionTable(channels.table);
    this.#bgp = new ToBgp(channels, this.#table);
    this.#sender = new Sender(this.#table, this.#bgp);
    this.#receiver = new Receiver(this.#table, this.#bgp);
    this.#kicks = new HandleConsumer(channels.kicks);
    this.#due = new HandleConsumer(channels.due);
    this.#commands = new CommandReader(channels.commands);
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
    if (this.#flushAsked(this.#kicks, KICKED)) found = true;
    if (this.#flushAsked(this.#due, DUE_QUEUED)) found = true;
    this.#bgp.sayUnsaid();
    if (this.#stalled.size > 0) this.#relieve();
    return found;
  }

  /** Sends for the slots in `asked`, each of which `mark` keeps from being asked for twice. True: there were some. */
  #flushAsked(asked: HandleConsumer, mark: number): boolean {
    // No more than there are now: who is flushed may be asked for again at once.
    const count = asked.length;
    for (let i = 0; i < count; i++) {
      const slot = asked.pop();
      // Its room goes back before its mark does. A slot whose mark is down may be asked for again, while a write of another one lasts; with
      // the room of all those before it still taken, the ring would hold slots twice, and has room for each once.
      asked.release();
      this.#table.set(slot, mark, 0);
      const socket = this.#slots[slot];
      if (socket && !socket.blocked) this.#flush(socket);
    }
    return count > 0;
  }

  #obey(command: Command): void {
    const { token } = command;
    switch (command.do) {
      case 'connect':
        this.#begin(token, false, command.options.remote, () => openConnection(command.options));
        return this.#limit(this.#byToken.get(token), command.options.limits);
      case 'connectPair':
        return this.#beginPair(token, command.listener, command.local, command.remote);
      case 'connectUnix':
        return this.#begin(token, true, undefined, () => openUnixConnection(command.path));
      case 'listen':
        try {
          const fd = openListener(command.options);
          const watch = this.#loop.io('bgp accept', fd, { readable: () => this.#accept(token, fd) });
          this.#listeners.set(token, { fd, watch });
          this.#bgp.say({ is: 'listening', token, local: localAddress(fd) ?? command.options.local });
        } catch (error) {
          this.#bgp.say({ is: 'failed', token, failure: failureOf(error) });
        }
        return;
      case 'md5': {
        const listener = this.#listeners.get(token);
        if (!listener) return;
        try {
          setTcpMd5(listener.fd, command.peer, command.key, command.length);
        } catch (error) {
          // ENOENT: a key is removed that was never set. ENOMEM: a socket has no more of them than net.core.optmem_max allows.
          const reason = failureOf(error);
          if (reason.errno === E.ENOENT) return;
          const { family, words } = command.peer;
          const syscall = `${reason.syscall} TCP_MD5SIG ${formatAddress(family, words)}`;
          this.#bgp.say({ is: 'failed', token, failure: { ...reason, syscall } });
        }
        return;
      }
      case 'options': {
        const socket = this.#byToken.get(token);
        this.#limit(socket, command.options.limits);
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
        if (!socket.deaf) this.#receiver.probe(socket);
        return this.#bgp.say({ is: 'probed', token });
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
        if (socket) this.#leave(socket, command.last);
      }
    }
  }

  /** Other limits in messages. Who waited for the old ones is looked at again: here, and after all commands if it is not read. */
  #limit(socket: Socket | undefined, limits: MessageLimits | undefined): void {
    if (!socket || !limits) return;
    socket.limits = limits;
    this.#flush(socket);
  }

  #begin(token: number, raw: boolean, remote: SocketAddress | undefined, open: () => Opened): void {
    const slot = this.#takeSlot(raw);
    if (slot < 0) return this.#bgp.say({ is: 'failed', token, failure: failure('connect', E.ENOBUFS) });
    try {
      const { fd, connected } = open();
      const socket = this.#adopt(token, slot, fd, 'connecting', raw, remote);
      if (connected) this.#established(socket);
      else socket.watch!.set({ writable: true });
    } catch (error) {
      this.#freeSlot(slot);
      this.#bgp.say({ is: 'failed', token, failure: failureOf(error) });
    }
  }

  /** Both ends are ours. The far one is told first, so that whoever speaks on the near one is heard. */
  #beginPair(token: number, listener: number, local: SocketAddress, remote: SocketAddress): void {
    const near = this.#takeSlot(false);
    const far = near < 0 ? -1 : this.#takeSlot(false);
    if (far < 0) {
      if (near >= 0) this.#freeSlot(near);
      this.#bgp.say({ is: 'failed', token: listener, failure: failure('socketpair', E.ENOBUFS) });
      return this.#bgp.say({ is: 'failed', token, failure: failure('socketpair', E.ENOBUFS) });
    }
    let ends: [number, number];
    try {
      ends = unixPair();
    } catch (error) {
      this.#freeSlot(far);
      this.#freeSlot(near);
      this.#bgp.say({ is: 'failed', token: listener, failure: failureOf(error) });
      return this.#bgp.say({ is: 'failed', token, failure: failureOf(error) });
    }
    const connection = this.#acceptedTokens--;
    const accepted = this.#adopt(connection, far, ends[1], 'open', false, local);
    this.#bgp.say({ is: 'accepted', token: listener, connection, slot: far, local: remote, remote: local });
    accepted.watch!.set({ readable: true });
    const opened = this.#adopt(token, near, ends[0], 'open', false, remote);
    this.#bgp.say({ is: 'connected', token, slot: near, local, remote });
    this.#listenFor(opened);
  }

  #accept(token: number, listener: number): void {
    for (let i = 0; i < 64; i++) {
      let accepted: ReturnType<typeof acceptSocket>;
      try {
        accepted = acceptSocket(listener);
      } catch (error) {
        // No descriptors or no memory: the peers will try again.
        this.#bgp.say({ is: 'failed', token, failure: failureOf(error) });
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
      this.#bgp.say({ is: 'accepted', token, connection, slot, local, remote: peer });
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
    this.#table.begin(slot, fd);
    socket.watch = this.#loop.io(raw ? 'bgp-io stream' : 'bgp-io peer', fd, {
      readable: () => this.#readable(socket),
      writable: () => this.#writable(socket),
    });
    socket.watch.set({});
    this.#receiver.share(++this.#open);
    return socket;
  }

  // The life of a connection.

  #established(socket: Socket): void {
    socket.phase = 'open';
    this.#receiver.heard(socket);
    const local = localAddress(socket.fd);
    const remote = socket.raw ? undefined : peerAddress(socket.fd);
    this.#bgp.say({
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
    this.#bgp.say(happening);
  }

  /** bgp is done with it: send what is queued, or `last`, close our side, wait a moment for the peer's. */
  #leave(socket: Socket, last: readonly number[] | undefined): void {
    this.#table.set(socket.slot, KEEPALIVE_MS, 0);
    if (socket.phase === 'ended' || socket.phase === 'connecting') return this.#destroy(socket);
    socket.phase = 'draining';
    socket.deaf = true;
    socket.timer = this.#loop.timer('bgp-io linger', () => this.#destroy(socket));
    socket.timer.start(DRAIN_MS);
    if (last !== undefined) socket.last = Uint8Array.of(...socket.tracker.cut(socket.out), ...last);
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
    if (!this.#table.isOpen(slot)) return;
    socket.watch?.close();
    this.#table.end(slot);
    closeFd(socket.fd);
    this.#receiver.share(--this.#open);
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

  // Bytes.

  #readable(socket: Socket): void {
    if (socket.phase === 'lingering') {
      if (this.#receiver.discard(socket)) this.#destroy(socket);
      return;
    }
    if (socket.phase !== 'open' || socket.deaf) return this.#listenFor(socket);
    const received = this.#receiver.receive(socket);
    if (received === 'full') this.#stall(socket);
    else if (received !== undefined) this.#end(socket, received === 'closed' ? undefined : received);
    else if (socket.deaf) this.#listenFor(socket);
    this.#bgp.ring();
  }

  #flush(socket: Socket): void {
    if (socket.phase !== 'open' && socket.phase !== 'draining') return;
    const error = this.#sender.send(socket);
    if (error !== 0) return this.#end(socket, failure('send', error));
    this.#listenFor(socket);
    if (!socket.blocked && socket.phase === 'draining') this.#linger(socket);
  }

  #listenFor(socket: Socket): void {
    if (socket.phase === 'ended') return;
    const readable = socket.phase === 'lingering' || (socket.phase === 'open' && !socket.deaf && !socket.stalled);
    socket.watch?.set({ readable, writable: socket.blocked });
  }

  #stall(socket: Socket): void {
    if (socket.stalled) return;
    socket.stalled = true;
    this.#stalled.add(socket);
    this.#bgp.stalled = this.#stalled.size;
    this.#listenFor(socket);
    // bgp may have given room back before it could see the mark: look once more, in a turn of its own.
    this.#bell.wake();
  }

  #unstall(socket: Socket): void {
    if (!socket.stalled) return;
    socket.stalled = false;
    this.#stalled.delete(socket);
    this.#bgp.stalled = this.#stalled.size;
  }

  #relieve(): void {
    for (const socket of this.#stalled) {
      if (!this.#receiver.mayRead(socket)) continue;
      this.#unstall(socket);
      this.#listenFor(socket);
    }
  }
}
