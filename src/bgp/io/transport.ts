// The bgp thread's side of bgp-io: connections as objects, over the rings and the table of channels.ts. It makes no system
// call but a doorbell's.
//
// What arrives is taken in this order: everything urgent, then one frame of UPDATEs, then urgent again, and so on, until the
// turn's time is up. The order has a reason beyond haste: bgp-io publishes a KEEPALIVE that establishes a session before
// the UPDATEs that follow it, so whoever has seen an UPDATE's frame sees that KEEPALIVE too, if only it looks again
// between taking the frame and handling it.
import {
  type BellTask,
  ByteConsumer,
  Doorbell,
  type EventTask,
  HandleConsumer,
  HandleProducer,
  StreamReader,
  StreamWriter,
  type TaskLoop,
} from '../../concurrency/index.ts';
import { HEADER_BYTES, MAXIMUM_MESSAGE_BYTES, MessageType, messageLength, messageType } from '../wire/message.ts';
import { type BgpChannels, inRing, outRing, SLOTS } from './channels.ts';
import { CommandWriter } from './command-ring.ts';
import { type Happening, UPDATES_HEAD, URGENT_MESSAGE, URGENT_MESSAGE_HEAD } from './messages.ts';
import {
  BYTES_TOLD,
  CONSUMED,
  CONSUMED_MESSAGES,
  ConnectionTable,
  GENERATION,
  KEEPALIVE_EPOCH,
  KEEPALIVE_MS,
  KEEPALIVE_TOLD,
  KEEPALIVES_RECEIVED,
  KEEPALIVES_SENT,
  KICKED,
  MAXIMUM,
  nowMs32,
  QUEUED_UPDATES,
  RECEIVED_AT,
  SENT_ANY,
  SENT_AT,
  SENT_UPDATES,
  STALLED,
  STUCK,
  STUCK_AT,
  WANTS_ROOM,
} from './table.ts';
import {
  type ByteStream,
  type Connection,
  type ConnectionEvents,
  type ConnectOptions,
  DEAF,
  type Listener,
  type ListenerEvents,
  type ListenOptions,
  type SocketAddress,
  type SocketOptions,
  type StreamEvents,
  type StreamInput,
  type Transport,
} from './types.ts';

/** The transport of a bgp thread: one on each set of channels. */
export function createTransport(loop: TaskLoop, channels: BgpChannels): Transport {
  return new ThreadTransport(loop, channels);
}

/** Nobody listens: before an owner set its events, and after it closed. */
/** What connections, streams and listeners have in common: a token, and what happens to it. */
interface Party {
  readonly token: number;
  happened(happening: Happening): void;
}

/** The clock is looked at once in so many messages. */
const MESSAGES_BETWEEN_LOOKS = 16;

class ThreadTransport implements Transport {
  readonly channels: BgpChannels;
  readonly table: ConnectionTable;
  readonly parties: Map<number, Party> = new Map();
  readonly bySlot: (ThreadConnection | ThreadStream | undefined)[] = new Array<ThreadConnection | undefined>(
    SLOTS,
  ).fill(undefined);
  readonly #loop: TaskLoop;
  readonly #commands: CommandWriter;
  readonly #kicks: HandleProducer;
  readonly #urgent: ByteConsumer;
  readonly #urgentWords: Int32Array;
  readonly #updates: ByteConsumer;
  readonly #updatesWords: Int32Array;
  readonly #ready: HandleConsumer;
  readonly #ioBell: Doorbell;
  readonly #kaBell: Doorbell;
  readonly #bell: BellTask;
  readonly #output: EventTask;
  readonly #dirty: (ThreadConnection | ThreadStream)[] = [];
  /** Streams that asked for another turn. */
  #again: number[] = [];
  #nextToken = 1;
  #paused = false;
  /** A frame of UPDATEs was taken and not handled: `pauseUpdates` came in between. */
  #held = false;
  /** Where the next message of the record that is held begins. */
  #heldFrom = 0;

  constructor(loop: TaskLoop, channels: BgpChannels) {
    this.#loop = loop;
    this.channels = channels;
    this.table = new ConnectionTable(channels.table);
    this.#commands = new CommandWriter(channels.commands);
    this.#kicks = new HandleProducer(channels.kicks);
    this.#urgent = new ByteConsumer(channels.urgent);
    this.#urgentWords = wordsOf(this.#urgent.bytes);
    this.#updates = new ByteConsumer(channels.updates);
    this.#updatesWords = wordsOf(this.#updates.bytes);
    this.#ready = new HandleConsumer(channels.ready);
    this.#ioBell = new Doorbell(channels.ioBell);
    this.#kaBell = new Doorbell(channels.kaBell);
    this.#output = loop.event('bgp output', () => this.#publish());
    this.#bell = loop.doorbell('bgp input', new Doorbell(channels.bgpBell), () => this.#take());
  }

  connect(options: ConnectOptions): Connection {
    const connection = new ThreadConnection(this, this.#nextToken++, true, options.remote);
    connection.outputQueue = options.limits?.outputQueue ?? 0;
    this.parties.set(connection.token, connection);
    this.command({ do: 'connect', token: connection.token, options });
    return connection;
  }

  listen(options: ListenOptions, events: ListenerEvents): Listener {
    const token = this.#nextToken++;
    const command = this.command.bind(this);
    const { parties } = this;
    let local = options.local;
    parties.set(token, {
      token,
      happened: happening => {
        if (happening.is === 'listening') {
          local = happening.local;
          events.listening();
        } else if (happening.is === 'failed') events.failed(happening.failure);
        else if (happening.is === 'accepted') this.#accept(happening, connection => events.accepted(connection));
      },
    });
    this.command({ do: 'listen', token, options });
    return {
      get local() {
        return local;
      },
      setMd5Key(peer, key, length) {
        command({ do: 'md5', token, peer, key, ...(length !== undefined && { length }) });
      },
      close() {
        if (parties.delete(token)) command({ do: 'close', token });
      },
    };
  }

  connectUnix(path: string, events: StreamEvents): ByteStream {
    const stream = new ThreadStream(this, this.#nextToken++, events);
    this.parties.set(stream.token, stream);
    this.command({ do: 'connectUnix', token: stream.token, path });
    return stream;
  }

  connectPair(local: SocketAddress, remote: SocketAddress, accepted: (connection: Connection) => void): Connection {
    const connection = new ThreadConnection(this, this.#nextToken++, true, remote);
    this.parties.set(connection.token, connection);
    const listener = this.#nextToken++;
    this.parties.set(listener, {
      token: listener,
      happened: happening => {
        this.parties.delete(listener);
        if (happening.is === 'accepted') this.#accept(happening, accepted);
      },
    });
    this.command({ do: 'connectPair', token: connection.token, listener, local, remote });
    return connection;
  }

  #accept(happening: Extract<Happening, { is: 'accepted' }>, accepted: (connection: Connection) => void): void {
    const connection = new ThreadConnection(this, happening.connection, false, happening.remote);
    this.parties.set(connection.token, connection);
    connection.open(happening.slot, happening.local, happening.remote);
    accepted(connection);
    if (connection.events === DEAF) connection.close();
  }

  flush(): void {
    if (this.#dirty.length > 0) this.#publish();
  }

  pauseUpdates(): void {
    this.#paused = true;
  }

  resumeUpdates(): void {
    if (!this.#paused) return;
    this.#paused = false;
    this.#bell.wake();
  }

  // For connections and streams.

  command(command: Parameters<CommandWriter['send']>[0]): void {
    this.#commands.send(command);
    this.#output.schedule(); // after what was queued for the socket before, and retried where the ring is full
  }

  /** Bytes were staged: they go out at the end of this turn. */
  staged(party: ThreadConnection | ThreadStream): void {
    this.#dirty.push(party);
    this.#output.schedule();
  }

  wakeKeeper(): void {
    this.#kaBell.ring();
  }

  /** Room was given back: bgp-io has to know where it waits for that. */
  relieve(): void {
    if (this.table.global(STALLED) > 0) this.#ioBell.ring();
  }

  /** A stream has more to do, in another turn. */
  again(slot: number): void {
    this.#again.push(slot);
    this.#bell.wake();
  }

  kick(slot: number): void {
    if (!this.table.raise(slot, KICKED)) return;
    // One entry a slot: bgp-io gives an entry's room back before it takes the mark off. More room than slots.
    if (!this.#kicks.push(slot)) throw new Error('the ring of kicks is full');
    this.#kicks.publish();
  }

  #publish(): void {
    for (const party of this.#dirty) party.publish();
    this.#dirty.length = 0;
    if (!this.#commands.retry()) this.#loop.timer('bgp commands', () => this.#publish()).start(1);
    this.#ioBell.ring();
  }

  // What arrived.

  /** One turn of the bell's task: true where something was found. */
  #take(): boolean {
    let found = this.#takeUrgent();
    if (this.#takeReady()) found = true;
    do {
      if (this.#paused) break;
      if (!this.#held) {
        if (!this.#updates.next()) break;
        this.#held = true;
        this.#heldFrom = this.#updates.offset + UPDATES_HEAD;
      }
      found = true;
      this.#takeUrgent();
      if (this.#paused) break;
      this.#held = !this.#takeUpdates();
    } while (!this.#held && !this.#loop.shouldYield());
    this.relieve();
    return found;
  }

  #takeUrgent(): boolean {
    let found = false;
    while (this.#urgent.next()) {
      found = true;
      const { bytes, offset, size } = this.#urgent;
      const word = offset >> 2;
      if (this.#urgentWords[word] === URGENT_MESSAGE) {
        const slot = this.#urgentWords[word + 1]!;
        const type = this.#urgentWords[word + 3]!;
        const connection = this.#connectionOf(slot, this.#urgentWords[word + 2]!);
        if (connection) {
          // Cleared before it is handled: one that comes from now on is told again.
          if (type === MessageType.keepalive) this.table.set(slot, KEEPALIVE_TOLD, 0);
          connection.events.message(type, bytes, offset + URGENT_MESSAGE_HEAD, size - URGENT_MESSAGE_HEAD);
        }
      } else {
        const text = Buffer.from(bytes.slice(offset + 4, offset + size)).toString('utf8');
        this.#happened(JSON.parse(text) as Happening);
      }
      this.#urgent.release();
    }
    return found;
  }

  #happened(happening: Happening): void {
    const party = this.parties.get(happening.token);
    if (party) party.happened(happening);
    else if (happening.is === 'accepted') this.command({ do: 'close', token: happening.connection }); // listener closed
  }

  #takeReady(): boolean {
    let found = false;
    for (let handle = this.#ready.pop(); handle >= 0; handle = this.#ready.pop()) {
      found = true;
      const slot = handle >> 1;
      if ((handle & 1) === 0) this.table.set(slot, BYTES_TOLD, 0);
      this.bySlot[slot]?.ready((handle & 1) === 1);
    }
    this.#ready.release();
    if (this.#again.length === 0) return found;
    const again = this.#again;
    this.#again = [];
    for (const slot of again) {
      this.table.set(slot, BYTES_TOLD, 0);
      this.bySlot[slot]?.ready(false);
    }
    return true;
  }

  /** The messages of the record that is held, from where the last turn stopped; false where this one's time was up, too. */
  #takeUpdates(): boolean {
    const { bytes, offset, size } = this.#updates;
    const word = offset >> 2;
    const slot = this.#updatesWords[word]!;
    const generation = this.#updatesWords[word + 1]!;
    const end = offset + size;
    let left = MESSAGES_BETWEEN_LOOKS;
    let taken = 0;
    for (let at = this.#heldFrom; at < end; ) {
      // A record may hold thousands of prefixes, and the first routes of a table should not wait for all of them.
      if (left-- === 0) {
        left = MESSAGES_BETWEEN_LOOKS;
        if (this.#paused || this.#loop.shouldYield()) {
          this.#heldFrom = at;
          if (this.#connectionOf(slot, generation)) this.table.increase(slot, CONSUMED_MESSAGES, taken);
          return false;
        }
      }
      // Asked for each message: handling one may end the session.
      const connection = this.#connectionOf(slot, generation);
      if (!connection) break;
      const length = messageLength(bytes, at);
      connection.events.message(messageType(bytes, at), bytes, at + HEADER_BYTES, length - HEADER_BYTES);
      at += length;
      taken++;
    }
    if (this.#connectionOf(slot, generation)) {
      this.table.increase(slot, CONSUMED, size - UPDATES_HEAD);
      this.table.increase(slot, CONSUMED_MESSAGES, taken);
    }
    this.#updates.release();
    return true;
  }

  #connectionOf(slot: number, generation: number): ThreadConnection | undefined {
    const party = this.bySlot[slot];
    return party instanceof ThreadConnection && party.generation === generation ? party : undefined;
  }
}

class ThreadConnection implements Connection, Party {
  readonly token: number;
  readonly outgoing: boolean;
  events: ConnectionEvents = DEAF;
  generation = 0;
  local: SocketAddress | undefined;
  remote: SocketAddress;
  /** UPDATEs that may wait for the socket; 0: only bytes count. */
  outputQueue = 0;
  readonly #transport: ThreadTransport;
  #slot = -1;
  #out: StreamWriter | undefined;
  /** UPDATEs queued for the socket, modulo 2^32. */
  #queued = 0;
  #dirty = false;
  #closed = false;

  constructor(transport: ThreadTransport, token: number, outgoing: boolean, remote: SocketAddress) {
    this.#transport = transport;
    this.token = token;
    this.outgoing = outgoing;
    this.remote = remote;
  }

  open(slot: number, local: SocketAddress | undefined, remote: SocketAddress | undefined): void {
    const { channels, table, bySlot } = this.#transport;
    const ring = outRing(channels, slot);
    this.#slot = slot;
    this.#out = new StreamWriter(ring.memory, ring.offset);
    this.generation = table.get(slot, GENERATION);
    this.local = local;
    if (remote) this.remote = remote;
    bySlot[slot] = this;
  }

  happened(happening: Happening): void {
    if (this.#closed) return;
    switch (happening.is) {
      case 'connected':
        this.open(happening.slot, happening.local, happening.remote);
        return this.events.connected();
      case 'failed': {
        const { events } = this;
        this.close();
        return events.failed(happening.failure);
      }
      case 'closed': {
        const { events } = this;
        this.close();
        return events.closed(happening.failure);
      }
      case 'headerError': {
        const { code, subcode, data } = happening;
        return this.events.headerError({ code, subcode, data: Uint8Array.from(data) });
      }
      case 'probed':
        return this.events.probed();
      case 'listening':
      case 'accepted':
        throw new Error(`${happening.is} about a connection`); // these are about listeners
    }
  }

  ready(): void {
    if (!this.#closed) this.events.writable();
  }

  room(): number {
    return this.#out === undefined || !this.#mayQueue(1) ? 0 : this.#out.room;
  }

  /** Whether so many UPDATEs more may wait. */
  #mayQueue(updates: number): boolean {
    if (this.outputQueue === 0 || updates === 0) return true;
    const waiting = (this.#queued - this.#transport.table.get(this.#slot, SENT_UPDATES)) | 0;
    return waiting + updates <= this.outputQueue;
  }

  get queuedBytes(): number {
    return this.#out ? this.#out.capacity - this.#out.room : 0;
  }

  send(bytes: Uint8Array, offset: number, length: number): boolean {
    const updates = updatesIn(bytes, offset, length);
    if (this.#out === undefined || !this.#mayQueue(updates) || !this.#out.write(bytes, offset, length)) return false;
    this.#queued = (this.#queued + updates) | 0;
    if (!this.#dirty) {
      this.#dirty = true;
      this.#transport.staged(this);
    }
    return true;
  }

  publish(): void {
    this.#dirty = false;
    if (this.#slot < 0 || !this.#out) return;
    // First, so that nothing is sent that was not counted.
    this.#transport.table.set(this.#slot, QUEUED_UPDATES, this.#queued);
    this.#out.publish();
    this.#transport.kick(this.#slot);
  }

  wantWritable(): void {
    const out = this.#out;
    if (!out || this.#closed) return;
    this.#transport.table.set(this.#slot, WANTS_ROOM, 1);
    // bgp-io may have sent everything before it could see the wish.
    if (!this.#dirty) {
      this.#dirty = true;
      this.#transport.staged(this);
    }
  }

  setMaximumMessage(bytes: number): void {
    if (this.#slot >= 0) this.#transport.table.set(this.#slot, MAXIMUM, Math.max(MAXIMUM_MESSAGE_BYTES, bytes));
  }

  setOptions(options: SocketOptions): void {
    if (options.limits !== undefined) this.outputQueue = options.limits.outputQueue;
    if (!this.#closed) this.#transport.command({ do: 'options', token: this.token, options });
  }

  setKeepalive(intervalMs: number): void {
    if (this.#slot < 0) return;
    const { table } = this.#transport;
    table.set(this.#slot, KEEPALIVE_MS, intervalMs);
    table.increase(this.#slot, KEEPALIVE_EPOCH, 1);
    this.#transport.wakeKeeper();
  }

  silentMs(): number {
    if (this.#slot < 0) return 0;
    return Math.max(0, (nowMs32() - this.#transport.table.get(this.#slot, RECEIVED_AT)) | 0);
  }

  stuckMs(): number {
    const { table } = this.#transport;
    if (this.#slot < 0 || table.get(this.#slot, STUCK) === 0) return 0;
    return Math.max(0, (nowMs32() - table.get(this.#slot, STUCK_AT)) | 0);
  }

  sentAgoMs(): number | undefined {
    const { table } = this.#transport;
    if (this.#slot < 0 || table.get(this.#slot, SENT_ANY) === 0) return undefined;
    return Math.max(0, (nowMs32() - table.get(this.#slot, SENT_AT)) | 0);
  }

  probe(): void {
    if (!this.#closed) this.#transport.command({ do: 'probe', token: this.token });
  }

  get keepalivesSent(): number {
    return this.#slot < 0 ? 0 : this.#transport.table.get(this.#slot, KEEPALIVES_SENT);
  }

  get keepalivesReceived(): number {
    return this.#slot < 0 ? 0 : this.#transport.table.get(this.#slot, KEEPALIVES_RECEIVED);
  }

  close(last?: Uint8Array): void {
    if (this.#closed) return;
    if (this.#slot >= 0) {
      this.#transport.table.set(this.#slot, KEEPALIVE_MS, 0);
      this.#out?.publish();
    }
    this.#finish(last);
  }

  /** bgp-io may use the slot again after the command, so this side must not touch it from here on. */
  #finish(last: Uint8Array | undefined): void {
    this.#closed = true;
    this.events = DEAF;
    this.#transport.parties.delete(this.token);
    if (this.#slot >= 0) this.#transport.bySlot[this.#slot] = undefined;
    this.#transport.command({ do: 'close', token: this.token, ...(last && { last: Array.from(last) }) });
    this.#slot = -1;
    this.#out = undefined;
  }
}

class ThreadStream implements ByteStream, Party, StreamInput {
  readonly token: number;
  readonly #transport: ThreadTransport;
  readonly #events: StreamEvents;
  #slot = -1;
  #in: StreamReader | undefined;
  #out: StreamWriter | undefined;
  #dirty = false;
  #closed = false;

  constructor(transport: ThreadTransport, token: number, events: StreamEvents) {
    this.#transport = transport;
    this.token = token;
    this.#events = events;
  }

  happened(happening: Happening): void {
    if (this.#closed) return;
    if (happening.is === 'connected') {
      const { channels, bySlot } = this.#transport;
      const inward = inRing(channels, happening.slot);
      const outward = outRing(channels, happening.slot);
      this.#slot = happening.slot;
      this.#in = new StreamReader(inward.memory, inward.offset);
      this.#out = new StreamWriter(outward.memory, outward.offset);
      bySlot[happening.slot] = this;
      this.#events.connected();
    } else if (happening.is === 'failed') {
      this.close();
      this.#events.failed(happening.failure);
    } else if (happening.is === 'closed') {
      // What came before the end is still there to be read.
      this.#drain();
      if (this.#closed) return;
      this.close();
      this.#events.closed(happening.failure);
    }
  }

  #drain(): void {
    for (let left = this.#in?.length ?? 0; left > 0; ) {
      const more = this.#events.readable();
      const rest = this.#closed ? 0 : (this.#in?.length ?? 0);
      if (!more && rest === left) return;
      left = rest;
    }
  }

  ready(room: boolean): void {
    if (this.#closed) return;
    if (room) return this.#events.writable();
    if (this.#events.readable() && !this.#closed && this.#transport.table.raise(this.#slot, BYTES_TOLD)) {
      // Its own turn again: the flag is up, so bgp-io tells nothing meanwhile.
      this.#transport.again(this.#slot);
    }
  }

  get input(): StreamInput {
    return this;
  }

  get bytes(): Uint8Array {
    return this.#in?.bytes ?? NOTHING;
  }

  get offset(): number {
    return this.#in?.offset ?? 0;
  }

  get size(): number {
    return this.#in?.size ?? 0;
  }

  get length(): number {
    return this.#in?.length ?? 0;
  }

  get capacity(): number {
    return this.#in?.capacity ?? 0;
  }

  peek(): boolean {
    return this.#in?.peek() ?? false;
  }

  consume(size: number): void {
    this.#in?.consume(size);
    this.#transport.relieve();
  }

  room(): number {
    return this.#out?.room ?? 0;
  }

  write(bytes: Uint8Array, offset: number, length: number): boolean {
    if (!this.#out?.write(bytes, offset, length)) return false;
    this.#stage();
    return true;
  }

  #stage(): void {
    if (this.#dirty) return;
    this.#dirty = true;
    this.#transport.staged(this);
  }

  publish(): void {
    this.#dirty = false;
    if (this.#slot < 0 || !this.#out) return;
    this.#out.publish();
    this.#transport.kick(this.#slot);
  }

  wantWritable(): void {
    if (this.#slot < 0) return;
    this.#transport.table.set(this.#slot, WANTS_ROOM, 1);
    this.#stage();
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#out?.publish();
    this.#transport.parties.delete(this.token);
    if (this.#slot >= 0) this.#transport.bySlot[this.#slot] = undefined;
    this.#transport.command({ do: 'close', token: this.token });
    this.#slot = -1;
    this.#in = undefined;
    this.#out = undefined;
  }
}

const NOTHING: Uint8Array = new Uint8Array(0);

/** UPDATEs among whole messages. */
function updatesIn(bytes: Uint8Array, offset: number, length: number): number {
  let count = 0;
  for (let at = offset; at < offset + length; at += messageLength(bytes, at)) {
    if (messageType(bytes, at) === MessageType.update) count++;
  }
  return count;
}

function wordsOf(bytes: Uint8Array): Int32Array {
  return new Int32Array(bytes.buffer, bytes.byteOffset, bytes.byteLength / 4);
}
