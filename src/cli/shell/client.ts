// The shell's end of the vty socket (docs/vty-protocol.md).
import net from 'node:net';

export interface Candidate {
  readonly text: string;
  readonly help: string;
  readonly keyword: boolean;
}

/** How a command ended. */
export interface Ended {
  readonly ok: boolean;
  readonly error?: string;
  readonly prompt: string;
  readonly terminalLength: number;
  /** The session is over. */
  readonly exit?: boolean;
}

interface Message extends Partial<Ended> {
  readonly id?: number;
  readonly out?: string;
  readonly done?: boolean;
  readonly candidates?: readonly Candidate[];
  readonly partial?: string;
}

interface Pending {
  readonly onOutput: ((text: string) => void | Promise<void>) | undefined;
  readonly resolve: (message: Message) => void;
  readonly reject: (error: Error) => void;
}

export class VtyClient {
  prompt = '# ';
  readonly #socket: net.Socket;
  readonly #pending = new Map<number, Pending>();
  readonly #closed: Promise<void>;
  #nextId = 1;
  #partial = '';
  #work: Promise<void> = Promise.resolve();
  #ended: Error | undefined;

  static connect(path: string): Promise<VtyClient> {
    return new Promise((resolve, reject) => {
      const socket = net.connect(path);
      socket.once('error', reject);
      socket.once('connect', () => {
        socket.off('error', reject);
        const client = new VtyClient(socket);
        client.#greeted = () => resolve(client);
        // A daemon that closes at once has no room for this session.
        void client.#closed.then(() => reject(client.#ended ?? new Error('the daemon closed the connection')));
      });
    });
  }

  #greeted: (() => void) | undefined;

  private constructor(socket: net.Socket) {
    this.#socket = socket;
    socket.setEncoding('utf8');
    socket.on('error', error => {
      this.#ended ??= error;
    });
    this.#closed = new Promise(resolve => {
      socket.on('close', () => {
        // What came before the end is still worked off.
        void this.#work.then(() => {
          this.#ended ??= new Error('the daemon closed the connection');
          for (const { reject } of this.#pending.values()) reject(this.#ended);
          this.#pending.clear();
          resolve();
        });
      });
    });
    socket.on('data', (text: string) => {
      // Nothing more is read before this has been shown: a slow terminal slows the command down, and nothing piles up.
      socket.pause();
      this.#work = this.#work
        .then(() => this.#data(text))
        .finally(() => {
          socket.resume();
        });
    });
  }

  get closed(): Promise<void> {
    return this.#closed;
  }

  /** Runs one line; `onOutput` gets its text piece by piece, and the next piece waits for its promise. */
  async execute(line: string, onOutput: (text: string) => void | Promise<void>): Promise<Ended> {
    const message = await this.#ask({ op: 'execute', line }, onOutput);
    this.prompt = message.prompt ?? this.prompt;
    return message as Ended;
  }

  async complete(line: string): Promise<{ candidates: readonly Candidate[]; partial: string }> {
    const message = await this.#ask({ op: 'complete', line }, undefined);
    return { candidates: message.candidates ?? [], partial: message.partial ?? '' };
  }

  /** Ends the command that runs. */
  interrupt(): void {
    this.#send({ op: 'interrupt' });
  }

  terminal(length: number): void {
    this.#send({ op: 'terminal', length });
  }

  close(): void {
    this.#socket.destroy();
  }

  #send(message: object): void {
    if (!this.#socket.destroyed) this.#socket.write(`${JSON.stringify(message)}\n`);
  }

  #ask(request: object, onOutput: Pending['onOutput']): Promise<Message> {
    if (this.#ended) return Promise.reject(this.#ended);
    return new Promise((resolve, reject) => {
      const id = this.#nextId++;
      this.#pending.set(id, { onOutput, resolve, reject });
      this.#send({ id, ...request });
    });
  }

  async #data(text: string): Promise<void> {
    const lines = (this.#partial + text).split('\n');
    this.#partial = lines.pop() as string;
    for (const line of lines) {
      const message = JSON.parse(line) as Message;
      const pending = message.id === undefined ? undefined : this.#pending.get(message.id);
      if (pending && message.out !== undefined) await pending.onOutput?.(message.out);
      else if (pending && (message.done || message.candidates)) {
        this.#pending.delete(message.id as number);
        pending.resolve(message);
      } else if (message.error !== undefined) this.#ended = new Error(message.error.replace(/^% /, ''));
      else if (message.prompt !== undefined) {
        this.prompt = message.prompt;
        this.#greeted?.();
      }
    }
  }
}

/** Runs lines in a session of their own and gives what they print; the first that fails is an error. */
export async function ask(path: string, ...lines: readonly string[]): Promise<string> {
  const client = await VtyClient.connect(path);
  try {
    let text = '';
    for (const line of lines) {
      const ended = await client.execute(line, piece => {
        text += piece;
      });
      if (!ended.ok) throw new Error(`${line}: ${ended.error}`);
    }
    return text;
  } finally {
    client.close();
  }
}
