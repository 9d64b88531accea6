// The least BGP that a feeder and a receiver need, written apart from src/bgp so that the measure does not share code with
// what it measures. RFC 4271 §4: 19 bytes of header, OPEN with four-octet AS (RFC 6793) and IPv4 unicast (RFC 4760).
//
// It shares the processors with what it measures, so it allocates nothing for what it reads: all sessions of a process read
// into one buffer, and only a message that a read cuts in two is copied.
import { connect, type Socket } from 'node:net';

export const OPEN = 1;
export const UPDATE = 2;
export const NOTIFICATION = 3;
export const KEEPALIVE = 4;

const HEADER = 19;
const LONGEST = 4096;
const INPUT: Buffer = Buffer.alloc(256 * 1024);

export interface SpeakerOptions {
  localAddress: string;
  peerAddress: string;
  asn: number;
  routerId: number;
  holdTimeS: number;
  /** The body of an UPDATE lies from `offset` to `end`; the bytes are good until it returns. */
  onUpdate?: (bytes: Buffer, offset: number, end: number) => void;
  /** After all of one read; `silenceMs` since the read before it. */
  onRead?: (atMs: number, silenceMs: number) => void;
  /** The peer ended a session that had been established. */
  onLost?: () => void;
}

const CLOCK_MS = Number(process.hrtime.bigint()) / 1e6 - performance.now();

/** Monotonic milliseconds that every process on the machine shares. */
export function nowMs(): number {
  return performance.now() + CLOCK_MS;
}

function message(type: number, body: Buffer): Buffer {
  const header = Buffer.alloc(HEADER, 0xff);
  header.writeUInt16BE(HEADER + body.length, 16);
  header[18] = type;
  return Buffer.concat([header, body]);
}

const ALIVE: Buffer = message(KEEPALIVE, Buffer.alloc(0));

export class Speaker {
  readonly #options: SpeakerOptions;
  readonly #socket: Socket;
  /** The beginning of a message whose end has not been read. */
  readonly #partial: Buffer = Buffer.alloc(LONGEST);
  #kept = 0;
  #lastMs = 0;
  #timer: NodeJS.Timeout | undefined;
  #closed = false;
  readonly #established: () => void;

  /** Connects until the peer answers, then resolves with an established session. */
  static async open(options: SpeakerOptions): Promise<Speaker> {
    const deadline = nowMs() + 60_000;
    for (;;) {
      const speaker = await new Promise<Speaker | string>(resolve => {
        const made: Speaker = new Speaker(options, () => resolve(made), resolve);
      });
      if (typeof speaker !== 'string') return speaker;
      if (nowMs() > deadline) throw new Error(`no session with ${options.peerAddress}: ${speaker}`);
      await new Promise(resolve => setTimeout(resolve, 100));
    }
  }

  private constructor(options: SpeakerOptions, established: () => void, failed: (why: string) => void) {
    this.#options = options;
    this.#established = established;
    this.#socket = connect({
      host: options.peerAddress,
      port: 179,
      localAddress: options.localAddress,
      onread: {
        buffer: INPUT,
        callback: size => {
          this.#onRead(size);
          return true;
        },
      },
    });
    this.#socket.setNoDelay(true);
    this.#socket.on('connect', () => this.#socket.write(this.#openMessage()));
    this.#socket.on('error', error => failed(error.message));
    this.#socket.on('close', () => {
      clearInterval(this.#timer);
      if (this.#timer !== undefined && !this.#closed) options.onLost?.();
      failed('closed by the peer');
    });
  }

  #openMessage(): Buffer {
    const { asn, holdTimeS, routerId } = this.#options;
    const capabilities = Buffer.from([2, 6, 1, 4, 0, 1, 0, 1, 2, 6, 65, 4, 0, 0, 0, 0]);
    capabilities.writeUInt32BE(asn, 12);
    const body = Buffer.alloc(10);
    body[0] = 4;
    body.writeUInt16BE(asn > 65535 ? 23456 : asn, 1);
    body.writeUInt16BE(holdTimeS, 3);
    body.writeUInt32BE(routerId >>> 0, 5);
    body[9] = capabilities.length;
    return message(OPEN, Buffer.concat([body, capabilities]));
  }

  #onRead(size: number): void {
    const atMs = nowMs();
    const silenceMs = this.#lastMs > 0 ? atMs - this.#lastMs : 0;
    this.#lastMs = atMs;
    let at = 0;
    while (this.#kept > 0 && at < size) {
      const whole = this.#kept < HEADER ? HEADER : this.#partial.readUInt16BE(16);
      const taken = Math.min(whole - this.#kept, size - at);
      INPUT.copy(this.#partial, this.#kept, at, at + taken);
      this.#kept += taken;
      at += taken;
      if (this.#kept >= HEADER && this.#kept === this.#partial.readUInt16BE(16)) {
        const end = this.#kept;
        this.#kept = 0;
        this.#onMessage(this.#partial, 0, end);
      }
    }
    while (at + HEADER <= size) {
      const end = at + ((INPUT[at + 16]! << 8) | INPUT[at + 17]!);
      if (end > size) break;
      this.#onMessage(INPUT, at, end);
      at = end;
    }
    if (at < size) this.#kept = INPUT.copy(this.#partial, 0, at, size);
    this.#options.onRead?.(atMs, silenceMs);
  }

  #onMessage(bytes: Buffer, start: number, end: number): void {
    const type = bytes[start + 18];
    if (type === UPDATE) this.#options.onUpdate?.(bytes, start + HEADER, end);
    else if (type === OPEN) this.#socket.write(ALIVE);
    else if (type === KEEPALIVE && !this.#timer) {
      this.#timer = setInterval(() => this.#socket.write(ALIVE), (this.#options.holdTimeS * 1000) / 4);
      this.#established();
    } else if (type === NOTIFICATION) {
      const [code, subcode] = [bytes[start + HEADER], bytes[start + HEADER + 1]];
      console.error(`NOTIFICATION ${code}/${subcode} from ${this.#options.peerAddress}`);
    }
  }

  /** Writes ready messages; resolves when the last byte is handed to the kernel. */
  write(bytes: Uint8Array): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#socket.write(bytes, error => (error ? reject(error) : resolve()));
    });
  }

  /** Ends the session without a word. */
  close(): void {
    this.#closed = true;
    clearInterval(this.#timer);
    this.#socket.destroy();
  }
}
