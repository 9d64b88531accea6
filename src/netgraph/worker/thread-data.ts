// What a worker's thread is given when it starts, and what it says.
import type { PacketsShape } from '../packet/packets.ts';
import type { ExchangeMemory } from './exchange.ts';

export interface WorkerThreadData {
  readonly worker: number;
  readonly workers: number;
  readonly shape: PacketsShape;
  readonly packets: SharedArrayBuffer;
  /** The graph's memory: counters and what nodes share. */
  readonly memory: SharedArrayBuffer;
  readonly qsbr: SharedArrayBuffer;
  readonly commits: SharedArrayBuffer;
  readonly ring: SharedArrayBuffer;
  readonly exchange: ExchangeMemory;
  /** Rung when there is a commit or a packet for the worker; by worker. */
  readonly bells: readonly SharedArrayBuffer[];
  /** Word by worker: what it has told that the graph has not heard yet (at 2 × worker lines), and what it was told that it has not heard (the
   *  line after). */
  readonly talk: SharedArrayBuffer;
  readonly announced: ReadonlyMap<number, SharedArrayBuffer>;
  /** Packets that a source brings at once. */
  readonly vector: number;
  /** It takes the place of a worker that died. */
  readonly successor: boolean;
  /** Path of the network namespace to work in; the process's own unless told. */
  readonly namespace: string | undefined;
}

/** To the worker. */
export type Down =
  | { readonly kind: 'announce'; readonly id: number; readonly memory: SharedArrayBuffer }
  | { readonly kind: 'forget'; readonly id: number }
  | { readonly kind: 'say'; readonly node: number; readonly value: unknown }
  | { readonly kind: 'die' };

/** From the worker. */
export type Up =
  | { readonly kind: 'tell'; readonly node: number; readonly value: unknown }
  | { readonly kind: 'failed'; readonly node: number; readonly error: Error };

/** Tells, or says, on their way at most. */
export const TALK_LIMIT = 1024;
