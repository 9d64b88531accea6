// A Messenger over the ngctl socket of a daemon (service.ts).
import net from 'node:net';
import { isNetgraphErrorCode, NetgraphError } from '../graph/error.ts';
import { encodeFrame, FrameReader, OUTPUT_LIMIT, REQUEST_LIMIT, RESPONSE_LIMIT } from './frame.ts';
import type { Messenger, Reply, RuntimeRow } from './messenger.ts';

/** Requests that may be under way. */
const PENDING_LIMIT = 1024;

interface Pending {
  readonly resolve: (result: unknown) => void;
  readonly reject: (error: Error) => void;
}

export class NgctlClient implements Messenger {
  /** Settles when the connection is over, whoever ended it. */
  readonly closed: Promise<void>;
  /** Messages and packets that came unasked and were dropped because this process did not read in time. */
  lost = 0;
  readonly #socket: net.Socket;
  readonly #reader = new FrameReader(RESPONSE_LIMIT);
  readonly #pending = new Map<number, Pending>();
  #name = '';
  #nextId = 1;
  #over: Error | undefined;
  #onMessage: (reply: Reply) => void = () => {};
  #onData: (hook: string, data: Uint8Array) => void = () => {};

  /** Connects, and makes a socket node of this name. Rejects with the system's error where nobody listens, or NetgraphError. */
  static async connect(path: string, name?: string): Promise<NgctlClient> {
    const socket = net.connect(path);
    await new Promise<void>((resolve, reject) => {
      socket.once('error', reject);
      socket.once('connect', () => {
        socket.off('error', reject);
        resolve();
      });
    });
    const client = new NgctlClient(socket);
    try {
      const opened = (await client.#call({ op: 'open', ...(name === undefined ? {} : { name }) })) as { name: string };
      client.#name = opened.name;
    } catch (error) {
      socket.destroy();
      throw error;
    }
    return client;
  }

  private constructor(socket: net.Socket) {
    this.#socket = socket;
    socket.on('data', (chunk: Buffer) => this.#data(chunk));
    // What went wrong is told by 'close', which follows.
    socket.on('error', () => {});
    this.closed = new Promise(resolve => {
      socket.on('close', () => {
        this.#end(new NetgraphError('ECONNRESET', 'the daemon closed the connection'));
        resolve();
      });
    });
  }

  get name(): string {
    return this.#name;
  }

  request(path: string, command: string, args?: unknown): Promise<unknown> {
    return this.#call({ op: 'request', path, command, ...(args === undefined ? {} : { args }) });
  }

  async message(path: string, command: string, ascii: string): Promise<readonly Reply[]> {
    return (await this.#call({ op: 'message', path, command, ascii })) as readonly Reply[];
  }

  async write(hook: string, data: Uint8Array): Promise<void> {
    await this.#call({ op: 'write', hook, data });
  }

  async load(file: string): Promise<readonly string[]> {
    return (await this.#call({ op: 'load', file })) as readonly string[];
  }

  async runtime(): Promise<readonly RuntimeRow[]> {
    return (await this.#call({ op: 'runtime' })) as readonly RuntimeRow[];
  }

  onMessage(fn: (reply: Reply) => void): void {
    this.#onMessage = fn;
  }

  onData(fn: (hook: string, data: Uint8Array) => void): void {
    this.#onData = fn;
  }

  async close(): Promise<void> {
    if (this.#over) return;
    // Where the daemon is gone, so is the node.
    await this.#call({ op: 'close' }).catch(() => {});
    this.#socket.end();
    await this.closed;
  }

  #call(request: object): Promise<unknown> {
    return new Promise((resolve, reject) => {
      if (this.#over) throw this.#over;
      if (this.#pending.size >= PENDING_LIMIT || this.#socket.writableLength > OUTPUT_LIMIT)
        throw new NetgraphError('ENOBUFS', `${this.#pending.size} requests are under way`);
      const id = this.#nextId++;
      const frame = encodeFrame({ id, ...request });
      if (frame.length > REQUEST_LIMIT) throw new NetgraphError('EMSGSIZE', `a request of ${frame.length} bytes`);
      this.#pending.set(id, { resolve, reject });
      this.#socket.write(frame);
    });
  }

  #data(chunk: Buffer): void {
    try {
      for (const message of this.#reader.push(chunk)) this.#take(message);
    } catch (error) {
      this.#end(error as Error);
      this.#socket.destroy();
    }
  }

  #take(message: Record<string, unknown>): void {
    if (message['event'] === 'message') this.#onMessage(message['reply'] as Reply);
    else if (message['event'] === 'data') this.#onData(message['hook'] as string, message['data'] as Uint8Array);
    else if (message['event'] === 'lost') this.lost += message['count'] as number;
    // It says of other events only that it is there.
    else if (message['event'] === undefined) {
      const pending = this.#pending.get(message['id'] as number);
      this.#pending.delete(message['id'] as number);
      const error = message['error'] as { code?: unknown; explanation?: string; bug?: string } | undefined;
      if (!error) {
        pending?.resolve(message['result']);
        return;
      }
      const failed = isNetgraphErrorCode(error.code)
        ? new NetgraphError(error.code, error.explanation ?? '')
        : new Error(`the daemon failed: ${error.bug}`);
      // Without a request of ours it is about the connection, which ends.
      if (pending) pending.reject(failed);
      else this.#end(failed);
    }
  }

  #end(why: Error): void {
    this.#over ??= why;
    for (const { reject } of this.#pending.values()) reject(this.#over);
    this.#pending.clear();
  }
}
