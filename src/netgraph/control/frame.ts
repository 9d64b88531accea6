// The frames of the ngctl socket: a length in 32 bits, most significant byte first, then that many bytes of JSON. Bytes within the
// JSON are { "$bytes": base64 }.

export const SOCKET_NAME = 'ngctl.sock';
/** A frame from a client, in bytes. */
export const REQUEST_LIMIT: number = 1024 * 1024;
/** A frame to a client, in bytes. */
export const RESPONSE_LIMIT: number = 32 * 1024 * 1024;
/** What may wait in a socket to be written, in bytes; a single frame may go beyond it. */
export const OUTPUT_LIMIT: number = 4 * 1024 * 1024;

const LENGTH_BYTES = 4;

/** The peer does not keep to the protocol. */
export class FrameError extends Error {}

export function encodeFrame(message: object): Buffer {
  const json = JSON.stringify(message, function replace(this: Record<string, unknown>, key: string, value: unknown) {
    // Buffer has a toJSON of its own, which comes before this.
    const own = this[key];
    return own instanceof Uint8Array ? { $bytes: Buffer.from(own).toString('base64') } : value;
  });
  const size = Buffer.byteLength(json);
  const frame = Buffer.allocUnsafe(LENGTH_BYTES + size);
  frame.writeUInt32BE(size, 0);
  frame.write(json, LENGTH_BYTES);
  return frame;
}

function decode(json: Buffer): Record<string, unknown> {
  let message: unknown;
  try {
    message = JSON.parse(json.toString(), (_, value: unknown) => {
      if (typeof value !== 'object' || value === null || !Object.hasOwn(value, '$bytes')) return value;
      const { $bytes } = value as { $bytes: unknown };
      return typeof $bytes === 'string' ? new Uint8Array(Buffer.from($bytes, 'base64')) : value;
    });
  } catch {
    // Told below.
  }
  if (typeof message !== 'object' || message === null || Array.isArray(message))
    throw new FrameError(`not a JSON object: ${json.toString('latin1', 0, 60)}`);
  return message as Record<string, unknown>;
}

/** Puts chunks of a stream together to frames. */
export class FrameReader {
  readonly #limit: number;
  #chunks: Buffer[] = [];
  #held = 0;
  /** Bytes of the frame that is coming, its length included; 0 while that is not known. */
  #wanted = 0;

  /** `limit`: bytes of a frame at most. */
  constructor(limit: number) {
    this.#limit = limit;
  }

  /** The messages that are whole with `chunk`. Throws FrameError behind the last good one; nothing can be read after it. */
  *push(chunk: Buffer): Generator<Record<string, unknown>> {
    this.#chunks.push(chunk);
    this.#held += chunk.length;
    for (;;) {
      if (this.#wanted === 0 && this.#held >= LENGTH_BYTES) {
        const size = this.#joined().readUInt32BE(0);
        if (size > this.#limit) throw new FrameError(`a frame of ${size} bytes; ${this.#limit} at most`);
        this.#wanted = LENGTH_BYTES + size;
      }
      if (this.#wanted === 0 || this.#held < this.#wanted) return;
      const all = this.#joined();
      const frame = all.subarray(LENGTH_BYTES, this.#wanted);
      this.#chunks = [all.subarray(this.#wanted)];
      this.#held -= this.#wanted;
      this.#wanted = 0;
      yield decode(frame);
    }
  }

  #joined(): Buffer {
    if (this.#chunks.length > 1) this.#chunks = [Buffer.concat(this.#chunks)];
    return this.#chunks[0] as Buffer;
  }
}
