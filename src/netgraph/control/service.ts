// The ngctl socket of a daemon: RUN_DIR/ngctl.sock. A connection is a socket node of the graph, which goes with it. Requests of
// a connection are done one after the other; what comes unasked is sent between them, and dropped, and counted, where the
// client does not read.
import type net from 'node:net';
import { join } from 'node:path';
import { LocalSocket } from '../../sys/index.ts';
import { NetgraphError } from '../graph/error.ts';
import {
  encodeFrame,
  FrameError,
  FrameReader,
  OUTPUT_LIMIT,
  REQUEST_LIMIT,
  RESPONSE_LIMIT,
  SOCKET_NAME,
} from './frame.ts';
import type { Messenger } from './messenger.ts';

/** Makes a socket node, of this name where one is asked for. */
export type MakeMessenger = (name?: string) => Messenger | Promise<Messenger>;

export interface NgctlServiceOptions {
  readonly runDir: string;
  readonly makeMessenger: MakeMessenger;
  /** A bug of ours that a request ran into; its client is told too. */
  readonly onError?: (error: unknown) => void;
}

const SESSION_LIMIT = 64;
/** Requests that a client may send ahead. */
const PENDING_LIMIT = 256;
/** While more wait nothing is read, and so nobody sees that the client has gone: something is written to it at times, in milliseconds. */
const PROBE_MS = 1000;

export class NgctlService {
  readonly #options: NgctlServiceOptions;
  readonly #sessions = new Set<Session>();
  #socket: LocalSocket | undefined;

  constructor(options: NgctlServiceOptions) {
    this.#options = options;
  }

  /** Connections that are open. */
  get sessions(): number {
    return this.#sessions.size;
  }

  /** Opens the socket and gives its path. Refuses where another daemon answers on it. */
  async listen(): Promise<string> {
    const socket = new LocalSocket(join(this.#options.runDir, SOCKET_NAME), client => this.accept(client));
    await socket.listen();
    this.#socket = socket;
    return socket.path;
  }

  /** Ends all connections, and their nodes, and removes the socket. */
  async close(): Promise<void> {
    await Promise.all([...this.#sessions].map(session => session.close()));
    await this.#socket?.close();
  }

  /** Serves a connection: of its own socket, or of one that somebody else listens on. */
  accept(socket: net.Socket): void {
    // The other end went away: a write to it fails, and that is all there is to it.
    socket.on('error', () => {});
    if (this.#sessions.size >= SESSION_LIMIT) {
      socket.write(encodeFrame(failure(0, new NetgraphError('EAGAIN', `${SESSION_LIMIT} clients are connected`))));
      socket.destroySoon();
      return;
    }
    const session = new Session(socket, this.#options, () => this.#sessions.delete(session));
    this.#sessions.add(session);
  }
}

/** What a client sends. */
type Request = { readonly id: number } & (
  | { readonly op: 'open'; readonly name?: string }
  | { readonly op: 'request'; readonly path: string; readonly command: string; readonly args?: unknown }
  | { readonly op: 'message'; readonly path: string; readonly command: string; readonly ascii: string }
  | { readonly op: 'write'; readonly hook: string; readonly data: Uint8Array }
  | { readonly op: 'load'; readonly file: string }
  | { readonly op: 'runtime' | 'close' }
);

const FIELDS: Readonly<Record<Request['op'], Readonly<Record<string, (value: unknown) => boolean>>>> = {
  open: { name: value => value === undefined || typeof value === 'string' },
  request: { path: isString, command: isString },
  message: { path: isString, command: isString, ascii: isString },
  write: { hook: isString, data: value => value instanceof Uint8Array },
  load: { file: isString },
  runtime: {},
  close: {},
};

function isString(value: unknown): boolean {
  return typeof value === 'string';
}

function asRequest(message: Record<string, unknown>): Request {
  const { id, op } = message;
  const fields = typeof op === 'string' && Object.hasOwn(FIELDS, op) ? FIELDS[op as Request['op']] : undefined;
  if (!Number.isSafeInteger(id) || !fields || !Object.entries(fields).every(([name, good]) => good(message[name])))
    throw new FrameError(`not a request: ${JSON.stringify(message).slice(0, 100)}`);
  return message as unknown as Request;
}

function failure(id: number, error: unknown): object {
  if (error instanceof NetgraphError) return { id, error: { code: error.code, explanation: error.explanation } };
  return { id, error: { bug: error instanceof Error ? error.message : String(error) } };
}

class Session {
  readonly #socket: net.Socket;
  readonly #options: NgctlServiceOptions;
  readonly #ended: () => void;
  readonly #reader = new FrameReader(REQUEST_LIMIT);
  readonly #waiting: Request[] = [];
  #messenger: Messenger | undefined;
  #busy = false;
  #open = true;
  #gone: Promise<void> | undefined;
  /** Why nothing more is read: told when what came before is answered. */
  #failed: FrameError | undefined;
  #probe: NodeJS.Timeout | undefined;
  /** What came unasked and had no room. */
  #lost = 0;

  constructor(socket: net.Socket, options: NgctlServiceOptions, ended: () => void) {
    this.#socket = socket;
    this.#options = options;
    this.#ended = ended;
    socket.on('data', (chunk: Buffer) => this.#data(chunk));
    socket.on('close', () => void this.close());
    socket.on('drain', () => this.#tellLost());
  }

  /** Ends the connection; settles when its node is gone. */
  close(): Promise<void> {
    this.#gone ??= this.#close();
    return this.#gone;
  }

  async #close(): Promise<void> {
    this.#open = false;
    this.#waiting.length = 0;
    clearInterval(this.#probe);
    this.#socket.destroy();
    this.#ended();
    await this.#closeMessenger();
  }

  async #closeMessenger(): Promise<void> {
    const messenger = this.#messenger;
    this.#messenger = undefined;
    try {
      await messenger?.close();
    } catch (error) {
      this.#options.onError?.(error);
    }
  }

  #data(chunk: Buffer): void {
    if (!this.#open || this.#failed) return;
    try {
      for (const message of this.#reader.push(chunk)) this.#waiting.push(asRequest(message));
    } catch (error) {
      if (!(error instanceof FrameError)) throw error;
      this.#failed = error;
    }
    if (this.#waiting.length >= PENDING_LIMIT) this.#pause();
    void this.#work();
  }

  async #work(): Promise<void> {
    if (this.#busy) return;
    this.#busy = true;
    for (let request = this.#waiting.shift(); request && this.#open; request = this.#waiting.shift()) {
      if (this.#waiting.length < PENDING_LIMIT / 2) this.#resume();
      this.#respond(request.id, await this.#answer(request));
      // Not end(): a client that never ends would keep its place.
      if (request.op === 'close') this.#socket.destroySoon();
      if (this.#socket.writableLength > OUTPUT_LIMIT) await drained(this.#socket);
    }
    this.#busy = false;
    if (!this.#failed || !this.#open) return;
    this.#open = false;
    this.#socket.write(encodeFrame(failure(0, new NetgraphError('EPROTO', this.#failed.message))));
    this.#socket.destroySoon();
  }

  #pause(): void {
    this.#socket.pause();
    this.#probe ??= setInterval(() => {
      if (this.#socket.writableLength === 0) this.#socket.write(encodeFrame({ event: 'waiting' }));
    }, PROBE_MS);
  }

  #resume(): void {
    this.#socket.resume();
    clearInterval(this.#probe);
    this.#probe = undefined;
  }

  async #answer(request: Request): Promise<object> {
    try {
      return { id: request.id, result: await this.#perform(request) };
    } catch (error) {
      if (!(error instanceof NetgraphError)) this.#options.onError?.(error);
      return failure(request.id, error);
    }
  }

  async #perform(request: Request): Promise<unknown> {
    if (request.op === 'open') return this.#openNode(request.name);
    if (request.op === 'close') return this.#closeMessenger();
    const messenger = this.#messenger;
    if (!messenger) throw new NetgraphError('ENOTCONN', 'no node is open');
    switch (request.op) {
      case 'request':
        return messenger.request(request.path, request.command, request.args);
      case 'message':
        return messenger.message(request.path, request.command, request.ascii);
      case 'write':
        return messenger.write(request.hook, request.data);
      case 'load':
        return messenger.load(request.file);
      case 'runtime':
        return messenger.runtime();
    }
  }

  async #openNode(name: string | undefined): Promise<object> {
    if (this.#messenger) throw new NetgraphError('EISCONN', `${this.#messenger.name} is open`);
    const messenger = await this.#options.makeMessenger(name);
    this.#messenger = messenger;
    messenger.onMessage(reply => this.#event({ event: 'message', reply }));
    messenger.onData((hook, data) => this.#event({ event: 'data', hook, data }));
    // The client went while its node was made.
    if (!this.#open) await this.#closeMessenger();
    return { name: messenger.name };
  }

  #respond(id: number, answer: object): void {
    if (!this.#open) return;
    let frame = encodeFrame(answer);
    if (frame.length > RESPONSE_LIMIT)
      frame = encodeFrame(failure(id, new NetgraphError('EMSGSIZE', `a response of ${frame.length} bytes`)));
    this.#socket.write(frame);
  }

  #event(event: object): void {
    if (!this.#open) return;
    if (this.#lost > 0 || this.#socket.writableLength > OUTPUT_LIMIT) this.#lost++;
    else this.#socket.write(encodeFrame(event));
  }

  #tellLost(): void {
    if (this.#lost === 0 || !this.#open) return;
    const count = this.#lost;
    this.#lost = 0;
    this.#socket.write(encodeFrame({ event: 'lost', count }));
  }
}

function drained(socket: net.Socket): Promise<void> {
  return new Promise(resolve => {
    const done = (): void => {
      socket.off('drain', done);
      socket.off('close', done);
      resolve();
    };
    socket.on('drain', done);
    socket.on('close', done);
    // It closed before we came to wait.
    if (socket.destroyed) done();
  });
}
