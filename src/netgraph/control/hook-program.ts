// A program whose standard input and output are a hook (nghook -e): over a pair of sockets that keep packets apart, as the data socket does
// that FreeBSD's nghook gives it. What the program writes at once is a packet, what it reads at once is one.
import { spawn } from 'node:child_process';
import { createReadStream } from 'node:fs';
import { constants } from 'node:os';
import { closeFd, libc, linux, packetPair } from '../../sys/index.ts';

const READ_BYTES = 65_536;

export class HookProgram {
  readonly #argv: readonly [string, ...string[]];
  readonly #reads: boolean;
  readonly #ours: number;
  #theirs: number;
  #exit: Promise<number> | undefined;

  /** `reads` false: its standard input is closed (-n). */
  constructor(argv: readonly [string, ...string[]], reads: boolean) {
    this.#argv = argv;
    this.#reads = reads;
    [this.#ours, this.#theirs] = packetPair();
  }

  /** A packet for it, also before it runs; false where too many wait. */
  write(data: Uint8Array): boolean {
    return libc.send(this.#ours, data, data.length, linux.MSG_DONTWAIT | linux.MSG_NOSIGNAL) === data.length;
  }

  /** Starts it; the packets that it writes, until it and whoever it left its output to have ended. Throws the system's error. */
  async *run(): AsyncGenerator<Uint8Array> {
    const [file, ...args] = this.#argv;
    const child = spawn(file, args, { stdio: [this.#reads ? this.#theirs : 'ignore', this.#theirs, 'inherit'] });
    this.#exit = new Promise((resolve, reject) => {
      child.on('error', reject);
      child.on('exit', (code, signal) => resolve(code ?? 128 + constants.signals[signal!]));
    });
    this.#exit.catch(() => {});
    this.#closeTheirs();
    try {
      yield* createReadStream('', { fd: this.#ours, autoClose: false, highWaterMark: READ_BYTES });
    } catch (error) {
      // It ended without having read everything.
      if ((error as NodeJS.ErrnoException).code !== 'ECONNRESET') throw error;
    }
    await this.#exit;
  }

  /** What it ended with; undefined where it never ran. Its hook is gone: it reads the end of its input. */
  async end(): Promise<number | undefined> {
    this.#closeTheirs();
    libc.shutdown(this.#ours, linux.SHUT_RDWR);
    const code = await this.#exit?.catch(() => undefined);
    closeFd(this.#ours);
    return code;
  }

  #closeTheirs(): void {
    if (this.#theirs >= 0) closeFd(this.#theirs);
    this.#theirs = -1;
  }
}
