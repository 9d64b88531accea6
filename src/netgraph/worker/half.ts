// What a node type's file writes against: the half of a node that runs in the workers. An instance lives in one worker, is made there
// from what the control half said, and touches nothing that another thread writes, except shared memory that its type set apart for it.
//
//    receive(hook, handles, count)     a vector that came in by `hook`: every packet of it is sent on, kept, or dropped with a reason
//    poll(budget)                      a source: brings up to `budget` packets, returns how many it looked at
//    due / timer(now)                  wants to be called at a time
//    fd                                readable when `poll` would find something: the worker sleeps on it
import type { Packets } from '../packet/packets.ts';
import type { DataHook } from './node.ts';

/** Why a packet ended. Every drop has one; `show` gives them by these names. */
export const DROP_REASONS = [
  'notConnected', // the hook leads nowhere (ENOTCONN)
  'noPacket', // no free packet for a copy (ENOBUFS)
  'queueFull', // a queue of the node or between workers (ENOBUFS)
  'removed', // its way was taken away while it waited (EIO)
  'malformed', // shorter or other than its headers say (EINVAL)
  'filtered', // the node's rule says so
  'noRoute', // no next hop for its destination (ENETUNREACH)
  'expired', // time to live
  'unresolved', // the neighbour did not answer (EHOSTUNREACH)
  'tooBig', // for the next link, or for a packet (EMSGSIZE)
  'loop', // came back where it had been (ELOOP)
  'rate', // over what was agreed
  'refused', // the kernel did not take it
  'crossing', // the ring to another worker was full (ENOBUFS)
] as const;
export type DropReason = (typeof DROP_REASONS)[number];

/** Numbers of the reasons, for hot paths. */
export const DROP: Readonly<Record<DropReason, number>> = Object.fromEntries(
  DROP_REASONS.map((reason, index) => [reason, index]),
) as Record<DropReason, number>;

/** What a data half is given. */
export interface DataContext {
  readonly id: number;
  readonly name: string;
  /** Which worker this is, and of how many. */
  readonly worker: number;
  readonly workers: number;
  readonly packets: Packets;
  /** The node's own counters in this worker, by the order of its type's `counters`: shown to others at times. */
  readonly counts: Float64Array;
  /** Now, in milliseconds of this worker's clock; read once a round. */
  now(): number;
  /** Ends the packet, and counts why. */
  drop(handle: number, reason: number): void;
  dropMany(handles: Int32Array, count: number, reason: number): void;
  /** Counts a packet that was to be and is not: a copy that there was no slot for. */
  miss(reason: number): void;
  /** Says something to the control half; false, and counted, where too much waits already. */
  tell(value: unknown): boolean;
  /** Shared memory that the control half announced by this number. */
  memory(id: number): SharedArrayBuffer;
  hook(name: string): DataHook | undefined;
  readonly hooks: readonly DataHook[];
}

export abstract class DataHalf<Config = unknown> {
  readonly node: DataContext;
  /** When `timer` wants to be called, in milliseconds of `now`; Infinity: never. */
  due: number = Number.POSITIVE_INFINITY;
  /** Descriptor that is readable when `poll` would find something; -1: none. */
  fd = -1;
  /** It is polled every round. */
  readonly source: boolean = false;
  /** That `poll` finds nothing costs a system call: a busy worker polls one that is silent only now and then. */
  readonly dear: boolean = false;
  /** The worker's look at the clock at which it was silent. */
  silentAt = -1;

  constructor(node: DataContext) {
    this.node = node;
  }

  abstract receive(hook: DataHook, handles: Int32Array, count: number): void;

  /** Its configuration, at the start and after each change. */
  configure(_config: Config): void {}

  hookAdded(_hook: DataHook): void {}

  /** The hook leads nowhere from now on. */
  hookRemoved(_hook: DataHook): void {}

  poll(_budget: number): number {
    return 0;
  }

  timer(_now: number): void {}

  /** The control half said something, in its own time: `Node.say`. False: not now, it is said again; what waits so counts as on its way. */
  heard(_value: unknown): boolean {
    return true;
  }

  /** Its last moment: gives back packets and descriptors. It may not write memory that other workers see: some of them have
   *  closed theirs already, and the memory is freed when the last has. */
  close(): void {}
}
