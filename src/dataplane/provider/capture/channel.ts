// What the capture and the thread that writes its file share: a ring of finished blocks, the writer's bell, and a page.
//
//      dplane   ── blocks ──▶   writer ──▶ FILE, then FILE.1, FILE.2 … for what is older
//               ◀── page ────   its state, and why it failed
import { ByteRing, compareExchange, Doorbell, load, octets, store, words } from '../../../concurrency/index.ts';

export interface CaptureChannel {
  readonly ring: SharedArrayBuffer;
  readonly page: SharedArrayBuffer;
  readonly writerBell: SharedArrayBuffer;
  readonly dataplaneBell: SharedArrayBuffer;
}

export const WRITING = 0;
/** It is to write what is in the ring, and to end. */
export const ENDING = 1;
export const ENDED = 2;
/** It could not write; the text says why. */
export const FAILED = 3;

const STATE = 0;
const FILES = 1;
const TEXT_LENGTH = 2;
const HEADER_BYTES = 64;
const TEXT_BYTES = 512;

export function createCaptureChannel(ringBytes: number, dataplaneBell: SharedArrayBuffer): CaptureChannel {
  return {
    ring: ByteRing.create(ringBytes),
    page: new SharedArrayBuffer(HEADER_BYTES + TEXT_BYTES),
    writerBell: Doorbell.create(),
    dataplaneBell,
  };
}

export class CapturePage {
  readonly #header: Int32Array;
  readonly #text: Uint8Array;

  constructor(page: SharedArrayBuffer) {
    this.#header = words(page, 0, HEADER_BYTES / 4);
    this.#text = octets(page, HEADER_BYTES, TEXT_BYTES);
  }

  get state(): number {
    return load(this.#header, STATE);
  }

  set state(state: number) {
    store(this.#header, STATE, state);
  }

  /** Asks for the end; false where it has come already. */
  end(): boolean {
    return compareExchange(this.#header, STATE, WRITING, ENDING) === WRITING;
  }

  /** Files begun. */
  get files(): number {
    return load(this.#header, FILES);
  }

  set files(files: number) {
    store(this.#header, FILES, files);
  }

  /** Read it in the state FAILED only. */
  get reason(): string {
    return Buffer.from(this.#text.slice(0, this.#header[TEXT_LENGTH])).toString();
  }

  fail(reason: string): void {
    const bytes = Buffer.from(reason).subarray(0, TEXT_BYTES);
    this.#text.set(bytes);
    this.#header[TEXT_LENGTH] = bytes.length;
    this.state = FAILED;
  }
}
