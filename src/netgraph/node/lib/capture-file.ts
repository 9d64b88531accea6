// A file that a capture grows in: whole blocks are appended, one write at a time on libuv's threads, so nobody waits for the disk. What
// waits is bounded; what is more is lost, and the caller hears so.
import { close, closeSync, constants, fstatSync, openSync, write, writeSync } from 'node:fs';
import { isNetgraphErrorCode, NetgraphError } from '../../graph/error.ts';

/** Bytes that may wait for the disk. */
const WAITING_LIMIT = 16 << 20;

export class CaptureFile {
  readonly path: string;
  readonly fd: number;
  /** Bytes that are in the file. */
  written = 0;
  /** Why writing ended before its time. */
  failure: string | undefined = undefined;
  readonly #waiting: Uint8Array[] = [];
  #bytes = 0;
  #busy = false;
  #ended: (() => void) | undefined = undefined;

  /** Makes the file, or empties the one that is there. Throws NetgraphError with the system's code, EINVAL where it is no plain file. */
  constructor(path: string) {
    this.path = path;
    const { O_WRONLY, O_CREAT, O_TRUNC, O_APPEND, O_NONBLOCK } = constants;
    try {
      // O_NONBLOCK: to open a FIFO that nobody reads would wait. Captures are for their owner's eyes.
      this.fd = openSync(path, O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_NONBLOCK, 0o600);
    } catch (error) {
      const { code, message } = error as NodeJS.ErrnoException;
      throw new NetgraphError(isNetgraphErrorCode(code) ? code : 'EINVAL', `file '${path}': ${message}`);
    }
    if (fstatSync(this.fd).isFile()) return;
    closeSync(this.fd);
    throw new NetgraphError('EINVAL', `'${path}' is no plain file`);
  }

  /** Appends at once: for what a file begins with. Throws what the system says. */
  begin(block: Uint8Array): void {
    this.written += writeSync(this.fd, block);
  }

  /** False where too much waits already, or writing has failed: the bytes are lost. They may not be changed any more. */
  append(blocks: Uint8Array): boolean {
    if (this.failure !== undefined || this.#bytes + blocks.length > WAITING_LIMIT) return false;
    this.#waiting.push(blocks);
    this.#bytes += blocks.length;
    if (!this.#busy) this.#next();
    return true;
  }

  /** Settles when all is written and the file is closed. */
  end(): Promise<void> {
    return new Promise(resolve => {
      this.#ended = () => close(this.fd, () => resolve());
      if (!this.#busy) this.#ended();
    });
  }

  #next(): void {
    const blocks = this.#waiting.shift();
    if (blocks === undefined) {
      this.#busy = false;
      this.#ended?.();
      return;
    }
    this.#busy = true;
    this.#bytes -= blocks.length;
    this.#write(blocks, 0);
  }

  #write(blocks: Uint8Array, from: number): void {
    write(this.fd, blocks, from, blocks.length - from, null, (error, count) => {
      if (error) {
        this.failure = error.message;
        this.#waiting.length = this.#bytes = 0;
        this.#next();
        return;
      }
      this.written += count;
      if (from + count < blocks.length) this.#write(blocks, from + count);
      else this.#next();
    });
  }
}
