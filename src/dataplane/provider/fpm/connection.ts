// The way to the peer: connects, and again when the connection ends, for as long as it is wanted.
//
// A peer that takes nothing while bytes wait for it is given up after a while, and that is TCP's to find out (RFC 5482): it
// knows whether bytes are acknowledged and whether the peer's window is shut. So one that takes few is never mistaken for
// one that takes none, and one whose machine is gone is noticed too.
import { connect, type Socket } from 'node:net';
import { linux, setOption } from '../../../sys/index.ts';
import type { FpmCounters } from './counters.ts';
import { Output } from './output.ts';

/** It waits so many times longer at most. */
const RETRY_GROWTH = 3;
const CONNECT_MS = 10_000;
/** What waits at the end has so long to go. */
const FINISH_MS = 1000;
const KEEPALIVE_MS = 30_000;
/** A connection that held for so long was a good one: the next is tried soon. */
const GOOD_MS = 10_000;

export interface ConnectionOptions {
  readonly address: string;
  readonly port: number;
  /** Bytes that wait and of which none was taken for so long end the connection. */
  readonly wedgeMs: number;
  /** So long after one has ended the next is tried; after each that was no good it waits longer. */
  readonly retryMs: number;
}

export interface ConnectionEvents {
  /** There is a peer. It is told nothing yet. */
  up(): void;
  /** There is none any more. */
  down(): void;
  data(bytes: Uint8Array): void;
  /** A half of what waited is sent. */
  room(): void;
  log(text: string): void;
}

export class Connection {
  readonly #options: ConnectionOptions;
  readonly #events: ConnectionEvents;
  readonly #counters: FpmCounters;
  #socket: Socket | undefined;
  #output: Output | undefined;
  #timer: NodeJS.Timeout | undefined;
  #connectedMs = 0;
  #sentBytes = 0;
  #retryMs: number;
  /** Why it last was not to be had, or what ended it: said once. */
  #trouble = '';
  #closing = false;

  constructor(options: ConnectionOptions, events: ConnectionEvents, counters: FpmCounters) {
    this.#options = options;
    this.#retryMs = options.retryMs;
    this.#events = events;
    this.#counters = counters;
  }

  /** Where to write; undefined: there is no peer. */
  get output(): Output | undefined {
    return this.#output;
  }

  /** To this peer, since it connected. */
  get sentBytes(): number {
    return this.#sentBytes;
  }

  get closed(): boolean {
    return this.#closing && this.#socket === undefined;
  }

  open(): void {
    const { address, port } = this.#options;
    const socket = connect({
      host: address,
      port,
      noDelay: true,
      keepAlive: true,
      keepAliveInitialDelay: KEEPALIVE_MS,
    });
    this.#socket = socket;
    let reason = '';
    const tooLong = setTimeout(() => socket.destroy(new Error('no answer')), CONNECT_MS);
    socket.once('connect', () => {
      clearTimeout(tooLong);
      this.#connected(socket);
    });
    socket.on('data', (bytes: Buffer) => {
      this.#counters.count('bytes-read', bytes.length);
      this.#events.data(bytes);
    });
    socket.on('error', error => {
      reason = error.message;
    });
    socket.once('close', () => {
      clearTimeout(tooLong);
      this.#ended(reason);
    });
  }

  /** The stream makes no sense. */
  refuse(reason: string): void {
    this.#socket?.destroy(new Error(reason));
  }

  /** Takes no more of the peer's until `resume`. */
  pause(): void {
    this.#socket?.pause();
  }

  resume(): void {
    this.#socket?.resume();
  }

  /** Sends what waits, and ends. */
  finish(): void {
    this.#closing = true;
    clearTimeout(this.#timer);
    const socket = this.#socket;
    if (this.#output === undefined) socket?.destroy();
    else {
      socket?.end();
      setTimeout(() => socket?.destroy(), FINISH_MS);
    }
  }

  #connected(socket: Socket): void {
    const { address, port, wedgeMs } = this.#options;
    // Node has no name for this option, nor for the descriptor.
    const { _handle: handle } = socket as unknown as { _handle?: { fd?: number } };
    const fd = handle?.fd ?? -1;
    if (fd >= 0) setOption(fd, linux.IPPROTO_TCP, linux.TCP_USER_TIMEOUT, wedgeMs);
    this.#connectedMs = performance.now();
    this.#sentBytes = 0;
    this.#trouble = '';
    const output = new Output(
      (bytes, done) => {
        socket.write(bytes, error => {
          if (error) return;
          this.#counters.count('bytes-sent', bytes.length);
          this.#sentBytes += bytes.length;
          done();
          this.#counters.level('obuf-bytes', output.pending);
        });
      },
      () => this.#events.room(),
    );
    this.#output = output;
    this.#events.log(`connected to ${address} port ${port}`);
    this.#events.up();
  }

  #ended(reason: string): void {
    const wasConnected = this.#output !== undefined;
    this.#socket = undefined;
    this.#output = undefined;
    this.#counters.level('obuf-bytes', 0);
    const { address, port, retryMs } = this.#options;
    if (wasConnected && performance.now() - this.#connectedMs > GOOD_MS) this.#retryMs = retryMs;
    if (wasConnected) this.#events.down();
    if (this.#closing) return;
    this.#counters.count(reason === '' ? 'connection-closes' : 'connection-errors');
    const trouble = reason === '' ? 'the peer closed it' : reason;
    if (trouble !== this.#trouble) this.#events.log(`no connection to ${address} port ${port}: ${trouble}`);
    this.#trouble = trouble;
    this.#timer = setTimeout(() => this.open(), this.#retryMs);
    this.#retryMs = Math.min(RETRY_GROWTH * retryMs, this.#retryMs + retryMs);
  }
}
