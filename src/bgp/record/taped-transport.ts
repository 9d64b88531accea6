// Connections, listeners and streams whose events and answers are on tape.
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
  type TransportFailure,
} from '../io/types.ts';
import type { PeerError } from '../wire/notification.ts';
import type { Deck } from './deck.ts';
import { digestOf, digestOfValue, type EntryTag, Tag, type TapeReader } from './tape.ts';

/** Of a stream's bytes, so many wait here at most for the speaker to take them. */
const STREAM_BYTES = 262_144;

/** Where a connection leads; known when it is up. */
interface Ends {
  readonly local?: SocketAddress | undefined;
  readonly remote: SocketAddress;
}

export class TapedTransport implements Transport {
  readonly #deck: Deck;

  constructor(deck: Deck) {
    this.#deck = deck;
  }

  connect(options: ConnectOptions): Connection {
    const { tape, real } = this.#deck;
    tape.deed('connect', 0, digestOfValue(options));
    const ends = { remote: options.remote };
    return new TapedConnection(this.#deck, true, ends, real?.transport.connect(options));
  }

  connectPair(local: SocketAddress, remote: SocketAddress, accepted: (connection: Connection) => void): Connection {
    const deck = this.#deck;
    deck.tape.deed('connect pair', 0, digestOfValue({ local, remote }));
    const accept = this.#acceptor(accepted);
    const real = deck.real?.transport.connectPair(local, remote, accept);
    return new TapedConnection(deck, true, { remote }, real);
  }

  listen(options: ListenOptions, events: ListenerEvents): Listener {
    const deck = this.#deck;
    const { tape } = deck;
    tape.deed('listen', 0, digestOfValue(options));
    const accept = this.#acceptor(connection => events.accepted(connection));
    let { local } = options;
    const listening = (at: SocketAddress): void => {
      local = at;
      events.listening();
    };
    const party = deck.add((tag, reader) => {
      if (tag === Tag.listening) listening(reader.readJson() as SocketAddress);
      else if (tag === Tag.failed) events.failed(reader.readJson() as TransportFailure);
    });
    const real = deck.real?.transport.listen(options, {
      listening() {
        deck.entry(Tag.listening, party).writeJson(real!.local);
        listening(real!.local);
      },
      failed(failure) {
        deck.entry(Tag.failed, party).writeJson(failure);
        events.failed(failure);
      },
      accepted: accept,
    });
    return {
      get local() {
        return local;
      },
      setMd5Key(peer, key, length) {
        tape.deed('set key', party, digestOfValue([peer, key, length]));
        real?.setMd5Key(peer, key, length);
      },
      close() {
        tape.deed('close listener', party);
        real?.close();
      },
    };
  }

  /** What a listener calls with the real connections that it accepts. */
  #acceptor(accepted: (connection: Connection) => void): (connection: Connection) => void {
    const deck = this.#deck;
    const party = deck.add((tag, reader) => {
      if (tag === Tag.accepted) accepted(new TapedConnection(deck, false, reader.readJson() as Ends, undefined));
    });
    return connection => {
      const { local, remote } = connection;
      deck.entry(Tag.accepted, party).writeJson({ local, remote });
      accepted(new TapedConnection(deck, false, { local, remote }, connection));
    };
  }

  connectUnix(path: string, events: StreamEvents): ByteStream {
    this.#deck.tape.deed('connect stream', 0, digestOfValue(path));
    return new TapedStream(this.#deck, path, events);
  }

  flush(): void {
    this.#deck.real?.transport.flush();
  }

  pauseUpdates(): void {
    this.#deck.tape.deed('pause updates', 0);
    this.#deck.real?.transport.pauseUpdates();
  }

  resumeUpdates(): void {
    this.#deck.tape.deed('resume updates', 0);
    this.#deck.real?.transport.resumeUpdates();
  }
}

class TapedConnection implements Connection {
  readonly outgoing: boolean;
  local: SocketAddress | undefined;
  remote: SocketAddress;
  readonly #deck: Deck;
  readonly #party: number;
  readonly #real: Connection | undefined;
  #events: ConnectionEvents = DEAF;
  // What was answered last: the answers beyond the end of a tape.
  #queuedBytes = 0;
  #silentMs = 0;
  #stuckMs = 0;
  #sentAgoMs = -1;
  #keepalivesSent = 0;
  #keepalivesReceived = 0;

  constructor(deck: Deck, outgoing: boolean, { local, remote }: Ends, real: Connection | undefined) {
    this.#deck = deck;
    this.outgoing = outgoing;
    this.local = local;
    this.remote = remote;
    this.#real = real;
    this.#party = deck.add((tag, reader) => this.#hear(tag, reader));
  }

  get events(): ConnectionEvents {
    return this.#events;
  }

  /** Who closes an accepted connection without this is not told of it, by the real one neither. */
  set events(events: ConnectionEvents) {
    this.#events = events;
    if (this.#real !== undefined) this.#real.events = this.#recorded(this.#real);
  }

  #connected({ local, remote }: Ends): void {
    this.local = local;
    this.remote = remote;
    this.#events.connected();
  }

  #recorded(real: Connection): ConnectionEvents {
    const begin = (tag: EntryTag): ReturnType<Deck['entry']> => this.#deck.entry(tag, this.#party);
    return {
      connected: () => {
        const { local, remote } = real;
        begin(Tag.connected).writeJson({ local, remote });
        this.#connected({ local, remote });
      },
      failed: failure => {
        begin(Tag.failed).writeJson(failure);
        this.#events.failed(failure);
      },
      message: (type, bytes, offset, length) => {
        const tape = begin(Tag.message);
        tape.writeCount(type);
        tape.writeBytes(bytes, offset, offset + length);
        this.#events.message(type, bytes, offset, length);
      },
      headerError: error => {
        const { code, subcode, data } = error;
        begin(Tag.headerError).writeJson({ code, subcode, data: Array.from(data) });
        this.#events.headerError(error);
      },
      closed: failure => {
        begin(Tag.closed).writeJson(failure);
        this.#events.closed(failure);
      },
      writable: () => {
        begin(Tag.writable);
        this.#events.writable();
      },
      probed: () => {
        begin(Tag.probed);
        this.#events.probed();
      },
    };
  }

  #hear(tag: EntryTag, tape: TapeReader): void {
    if (tag === Tag.connected) this.#connected(tape.readJson() as Ends);
    else if (tag === Tag.failed) this.#events.failed(tape.readJson() as TransportFailure);
    else if (tag === Tag.message) {
      const type = tape.readCount();
      const bytes = tape.readBytes();
      this.#events.message(type, bytes, 0, bytes.length);
    } else if (tag === Tag.headerError) {
      const { data, ...error } = tape.readJson() as PeerError & { data: number[] };
      this.#events.headerError({ ...error, data: Uint8Array.from(data) });
    } else if (tag === Tag.closed) this.#events.closed(tape.readJson() as TransportFailure | undefined);
    else if (tag === Tag.writable) this.#events.writable();
    else if (tag === Tag.probed) this.#events.probed();
  }

  room(): number {
    return this.#deck.tape.count(() => this.#real!.room());
  }

  get queuedBytes(): number {
    return (this.#queuedBytes = this.#deck.tape.count(() => this.#real!.queuedBytes, this.#queuedBytes));
  }

  send(bytes: Uint8Array, offset: number, length: number): boolean {
    this.#deck.tape.deed('send', this.#party, digestOf(bytes, offset, offset + length));
    return this.#deck.tape.flag(() => this.#real!.send(bytes, offset, length));
  }

  wantWritable(): void {
    this.#deck.tape.deed('want room', this.#party);
    this.#real?.wantWritable();
  }

  setMaximumMessage(bytes: number): void {
    this.#deck.tape.deed('set longest message', this.#party, bytes);
    this.#real?.setMaximumMessage(bytes);
  }

  setOptions(options: SocketOptions): void {
    this.#deck.tape.deed('set options', this.#party, digestOfValue(options));
    this.#real?.setOptions(options);
  }

  setKeepalive(intervalMs: number): void {
    this.#deck.tape.deed('set keepalive', this.#party, digestOfValue(intervalMs));
    this.#real?.setKeepalive(intervalMs);
  }

  silentMs(): number {
    return (this.#silentMs = this.#deck.tape.number(() => this.#real!.silentMs(), this.#silentMs));
  }

  stuckMs(): number {
    return (this.#stuckMs = this.#deck.tape.number(() => this.#real!.stuckMs(), this.#stuckMs));
  }

  sentAgoMs(): number | undefined {
    this.#sentAgoMs = this.#deck.tape.number(() => this.#real!.sentAgoMs() ?? -1, this.#sentAgoMs);
    return this.#sentAgoMs < 0 ? undefined : this.#sentAgoMs;
  }

  probe(): void {
    this.#deck.tape.deed('probe', this.#party);
    this.#real?.probe();
  }

  get keepalivesSent(): number {
    return (this.#keepalivesSent = this.#deck.tape.count(() => this.#real!.keepalivesSent, this.#keepalivesSent));
  }

  get keepalivesReceived(): number {
    const { tape } = this.#deck;
    return (this.#keepalivesReceived = tape.count(() => this.#real!.keepalivesReceived, this.#keepalivesReceived));
  }

  close(last?: Uint8Array): void {
    this.#deck.tape.deed('close', this.#party, last && digestOf(last));
    this.#events = DEAF;
    this.#real?.close(last);
  }
}

/** Its bytes go through a buffer of its own, so that they lie in the same pieces when they are played. */
class TapedStream implements ByteStream {
  readonly input: StreamInput;
  readonly #buffer = new InputBuffer();
  readonly #deck: Deck;
  readonly #party: number;
  readonly #real: ByteStream | undefined;

  constructor(deck: Deck, path: string, events: StreamEvents) {
    this.#deck = deck;
    this.input = this.#buffer;
    this.#party = deck.add((tag, tape) => {
      if (tag === Tag.connected) events.connected();
      else if (tag === Tag.failed) events.failed(tape.readJson() as TransportFailure);
      else if (tag === Tag.readable) {
        const bytes = tape.readBytes();
        this.#buffer.append(bytes, 0, bytes.length);
        events.readable();
      } else if (tag === Tag.writable) events.writable();
      else if (tag === Tag.closed) events.closed(tape.readJson() as TransportFailure | undefined);
    });
    this.#real = deck.real?.transport.connectUnix(path, {
      connected: () => {
        deck.entry(Tag.connected, this.#party);
        events.connected();
      },
      failed: failure => {
        deck.entry(Tag.failed, this.#party).writeJson(failure);
        events.failed(failure);
      },
      readable: () => this.#readable(events),
      writable: () => {
        deck.entry(Tag.writable, this.#party);
        events.writable();
      },
      closed: failure => {
        deck.entry(Tag.closed, this.#party).writeJson(failure);
        events.closed(failure);
      },
    });
  }

  #readable(events: StreamEvents): boolean {
    const { input } = this.#real!;
    const before = this.#buffer.length;
    while (this.#buffer.length < STREAM_BYTES && input.peek()) {
      const size = Math.min(input.size, STREAM_BYTES - this.#buffer.length);
      this.#buffer.append(input.bytes, input.offset, input.offset + size);
      input.consume(size);
    }
    const end = this.#buffer.end;
    const from = end - (this.#buffer.length - before);
    this.#deck.entry(Tag.readable, this.#party).writeBytes(this.#buffer.bytes, from, end);
    return events.readable() || input.length > 0;
  }

  room(): number {
    return this.#deck.tape.count(() => this.#real!.room());
  }

  write(bytes: Uint8Array, offset: number, length: number): boolean {
    this.#deck.tape.deed('write', this.#party, digestOf(bytes, offset, offset + length));
    return this.#deck.tape.flag(() => this.#real!.write(bytes, offset, length));
  }

  wantWritable(): void {
    this.#deck.tape.deed('want room', this.#party);
    this.#real?.wantWritable();
  }

  close(): void {
    this.#deck.tape.deed('close stream', this.#party);
    this.#real?.close();
  }
}

class InputBuffer implements StreamInput {
  bytes: Uint8Array = new Uint8Array(4096);
  offset = 0;
  size = 0;
  end = 0;
  readonly capacity: number = STREAM_BYTES;

  get length(): number {
    return this.end - this.offset;
  }

  peek(): boolean {
    this.size = this.length;
    return this.size > 0;
  }

  consume(size: number): void {
    this.offset += size;
    this.size -= size;
  }

  append(bytes: Uint8Array, from: number, end: number): void {
    if (this.offset > 0) {
      this.bytes.copyWithin(0, this.offset, this.end);
      this.end -= this.offset;
      this.offset = 0;
    }
    const more = end - from;
    if (this.end + more > this.bytes.length) {
      const longer = new Uint8Array(Math.max(this.bytes.length * 2, this.end + more));
      longer.set(this.bytes.subarray(0, this.end));
      this.bytes = longer;
    }
    this.bytes.set(bytes.subarray(from, end), this.end);
    this.end += more;
  }
}
