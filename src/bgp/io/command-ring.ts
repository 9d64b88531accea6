// Commands from bgp to bgp-io through a byte ring, as JSON. There are few, but some come in crowds (a thousand peers at the
// start): what the ring has no room for waits with the sender, in order.
import { ByteConsumer, ByteProducer } from '../../concurrency/index.ts';
import type { Command } from './messages.ts';

export class CommandWriter {
  readonly #ring: ByteProducer;
  readonly #waiting: Command[] = [];

  constructor(memory: SharedArrayBuffer) {
    this.#ring = new ByteProducer(memory);
  }

  /** Queues a command. Ring the doorbell after it. */
  send(command: Command): void {
    this.#waiting.push(command);
    this.retry();
  }

  /** Hands over what fits; true where nothing waits any more. */
  retry(): boolean {
    let done = 0;
    for (const command of this.#waiting) {
      const bytes = Buffer.from(JSON.stringify(command));
      const offset = this.#ring.reserve(bytes.length);
      if (offset < 0) break;
      this.#ring.bytes.set(bytes, offset);
      this.#ring.commit();
      done++;
    }
    this.#waiting.splice(0, done);
    this.#ring.publish();
    return this.#waiting.length === 0;
  }
}

export class CommandReader {
  readonly #ring: ByteConsumer;

  constructor(memory: SharedArrayBuffer) {
    this.#ring = new ByteConsumer(memory);
  }

  /** The next command, if there is one. */
  next(): Command | undefined {
    if (!this.#ring.next()) return undefined;
    const { bytes, offset, size } = this.#ring;
    // A Buffer over shared memory decodes well enough, but must not be one that another thread writes: copy.
    const command = JSON.parse(Buffer.from(bytes.slice(offset, offset + size)).toString('utf8')) as Command;
    this.#ring.release();
    return command;
  }
}
