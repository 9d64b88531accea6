// The least BGP that a feeder and a receiver need, written apart from src/bgp so that the measure does not share code with
// what it measures. RFC 4271 §4: 19 bytes of header, OPEN with four-octet AS (RFC 6793) and IPv4 unicast (RFC 4760).
import { connect, type Socket } from 'node:net';

export const OPEN = 1;
export const UPDATE = 2;
export const NOTIFICATION = 3;
export const KEEPALIVE = 4;

export interface SpeakerOptions {
  localAddress: string;
  peerAddress: string;
  asn: number;
  routerId: number;
  holdTimeS: number;
  onUpdate?: (bytes: Buffer, offset: number, end: number) => void;
}

/** Monotonic milliseconds that every process on the machine shares. */
export function nowMs(): number {
  return Number(process.hrtime.bigint()) / 1e6;
}

function message(type: number, body: Buffer): Buffer {
  const header = Buffer.alloc(19, 0xff);
  header.writeUInt16BE(19 + body.length, 16);
  header[18] = type;
  return Buffer.concat([header, body]);
}

export class Speaker {
  /** Longest time between two messages of the peer, in ms. */
  longestSilenceMs = 0;
  readonly #options: SpeakerOptions;
  readonly #socket: Socket;
  readonly #keepalive: Buffer = message(KEEPALIVE, Buffer.alloc(0));
  #pending: Buffer = Buffer.alloc(0);
  #lastMs = 0;
  #timer: NodeJS.Timeout | undefined;
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
    this.#socket = connect({ host: options.peerAddress, port: 179, localAddress: options.localAddress });
    this.#socket.setNoDelay(true);
    this.#socket.on('connect', () => this.#socket.write(this.#openMessage()));
    this.#socket.on('data', chunk => this.#onData(chunk as Buffer));
    this.#socket.on('error', error => failed(error.message));
    this.#socket.on('close', () => {
      clearInterval(this.#timer);
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

  #onData(chunk: Buffer): void {
    const bytes = this.#pending.length > 0 ? Buffer.concat([this.#pending, chunk]) : chunk;
    const now = nowMs();
    if (this.#lastMs > 0) this.longestSilenceMs = Math.max(this.longestSilenceMs, now - this.#lastMs);
    this.#lastMs = now;
    let offset = 0;
    while (offset + 19 <= bytes.length) {
      const length = bytes.readUInt16BE(offset + 16);
      if (offset + length > bytes.length) break;
      const type = bytes[offset + 18];
      if (type === OPEN) this.#socket.write(this.#keepalive);
      else if (type === KEEPALIVE && !this.#timer) {
        this.#timer = setInterval(() => this.#socket.write(this.#keepalive), (this.#options.holdTimeS * 1000) / 4);
        this.#established();
      } else if (type === UPDATE) this.#options.onUpdate?.(bytes, offset + 19, offset + length);
      else if (type === NOTIFICATION) {
        console.error(`NOTIFICATION ${bytes[offset + 19]}/${bytes[offset + 20]} from ${this.#options.peerAddress}`);
      }
      offset += length;
    }
    this.#pending = Buffer.from(bytes.subarray(offset));
  }

  /** Writes ready messages; resolves when the last byte is handed to the kernel. */
  write(bytes: Uint8Array): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#socket.write(bytes, error => (error ? reject(error) : resolve()));
    });
  }

  close(): void {
    clearInterval(this.#timer);
    this.#socket.destroy();
  }
}
