// Destinations that nobody wants any more and whose routes are still in the kernel, by prefix length: the longest go first.
//
// The kernel's trie of IPv4 takes deletions seven times as fast in that order as in the order in which a table is withdrawn
// (measured: bench/dplane/withdraw.ts; order within a length hardly matters for an Internet's mix of lengths). So one that is to
// go waits here while there is something else to decide, and the more wait the better is their order. The tree of IPv6 likes the
// order of the table as much (half a million: 0.65 s, longest first 0.89 s), so there nobody waits.
import { IdQueue } from './id-queue.ts';

export class Leaving {
  /** By prefix length, made when one is needed. */
  readonly #queues: (IdQueue | undefined)[] = [];
  /** No queue of a greater length has anything. */
  #longest = -1;
  length = 0;

  push(id: number, prefixLength: number): void {
    let queue = this.#queues[prefixLength];
    if (queue === undefined) queue = this.#queues[prefixLength] = new IdQueue();
    queue.push(id);
    this.length++;
    if (prefixLength > this.#longest) this.#longest = prefixLength;
  }

  /** One of the longest, or -1. */
  shift(): number {
    if (this.length === 0) return -1;
    let queue = this.#queues[this.#longest];
    while (queue === undefined || queue.length === 0) {
      // What was a million once need not stay.
      this.#queues[this.#longest] = undefined;
      queue = this.#queues[--this.#longest];
    }
    this.length--;
    return queue.shift();
  }

  /** Puts back the id that was taken last. */
  unshift(id: number): void {
    this.#queues[this.#longest]!.unshift(id);
    this.length++;
  }
}
