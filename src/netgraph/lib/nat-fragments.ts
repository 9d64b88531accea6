// Fragments after the first have no ports: they go the way that their first one went (RFC 4787 §11, in order). What is remembered is a
// few columns, a place by hash and the newest wins: a later fragment whose place was taken is refused, like one that came too early.
import { readInt32 } from './ip.ts';

const PLACES = 1024;
/** Seconds that the fragments of one packet may take (RFC 1122 §3.3.2 asks 60 to 120 of who puts them together). */
const SECONDS = 60;

export class NatFragments {
  readonly #source: Int32Array = new Int32Array(PLACES);
  readonly #destination: Int32Array = new Int32Array(PLACES);
  readonly #key: Int32Array = new Int32Array(PLACES).fill(-1);
  readonly #expires: Int32Array = new Int32Array(PLACES);
  /** What the two addresses became. */
  readonly newSource: Int32Array = new Int32Array(PLACES);
  readonly newDestination: Int32Array = new Int32Array(PLACES);

  /** The first fragment came with these addresses, and leaves as `bytes` at `offset` has it. */
  remember(
    source: number,
    destination: number,
    id: number,
    protocol: number,
    bytes: Uint8Array,
    offset: number,
    second: number,
  ): void {
    const at = place(source, destination, id);
    this.#source[at] = source;
    this.#destination[at] = destination;
    this.#key[at] = (protocol << 16) | id;
    this.newSource[at] = readInt32(bytes, offset + 12);
    this.newDestination[at] = readInt32(bytes, offset + 16);
    this.#expires[at] = second + SECONDS;
  }

  /** The place of what became of the first one, or -1. */
  find(source: number, destination: number, id: number, protocol: number, second: number): number {
    const at = place(source, destination, id);
    return this.#key[at] === ((protocol << 16) | id) &&
      this.#source[at] === (source | 0) &&
      this.#destination[at] === (destination | 0) &&
      this.#expires[at]! > second
      ? at
      : -1;
  }
}

function place(source: number, destination: number, id: number): number {
  const h = Math.imul(source ^ id, 0x9e3779b1) ^ Math.imul(destination, 0x85ebca6b);
  return (h ^ (h >>> 15)) & (PLACES - 1);
}
