// Everything that the three BGP threads share, made once before they start (`createBgpChannels`) and given to each as part
// of its data. It is all shared memory, so it survives structured cloning into a worker.
//
//                    commands, kicks                          table: fd, lock, keepalive interval …
//          ┌──────────────────────────────────▶┌────────┐◀───────────────────────────┐
//      ┌───┴──┐   out: a stream ring each      │ bgp-io │                        ┌───┴────┐
//      │ bgp  │───────────────────────────────▶│        │──▶ sockets ◀───────────│ bgp-ka │
//      └──────┘◀───────────────────────────────│        │     (under the lock)   └────────┘
//         │  ▲   urgent ── always first        └────────┘◀── due: what it could not send itself
//         │  └── updates ── runs of messages       │
//         │      ready ── room again, bytes here ──┘
//         └───────────── table: keepalive interval ─────────────────────────────────▶ bgp-ka
//
// What bgp-io has for bgp goes two ways: OPEN, KEEPALIVE, NOTIFICATION and what happens to connections in `urgent`, so that
// they never wait behind a full table; UPDATE and ROUTE-REFRESH, in order, in `updates`.
//
// Credit: bgp counts in the table the bytes of UPDATEs it has finished with, per connection. bgp-io stops to read a
// connection with too much under way, TCP tells the peer, and the other connections go on.
import { ByteRing, Doorbell, HandleRing, StreamRing } from '../../concurrency/index.ts';
import { ConnectionTable, createTable, KA_LATEST_MS, KA_LEFT_TO_IO, KA_SENT, STALLED, USED } from './table.ts';

/** BGP connections at most, being opened and being closed included: their rings are one reservation, which has to fit a small machine. */
export const CONNECTIONS = 1536;
/** Raw streams at most; their slots follow those of the connections. */
export const STREAMS = 4;
export const SLOTS: number = CONNECTIONS + STREAMS;

/** Handles in a ring that takes each slot once, or twice: a power of two. */
const ONE_EACH = 2048;
const TWO_EACH = 4096;
/** Bytes queued towards a peer. */
const OUT_BYTES = 256 * 1024;
/** Bytes queued each way of a raw stream. A full table passes through all of it, so all of it becomes memory. */
const STREAM_BYTES = 256 * 1024;
/** As for streams: what more than this could hold would be no sooner decided. */
const UPDATES_BYTES = 1024 * 1024;
const URGENT_BYTES = 1024 * 1024;
const COMMANDS_BYTES = 1024 * 1024;

export interface BgpChannels {
  readonly table: SharedArrayBuffer;
  /** Stream rings towards the sockets, one after the other. */
  readonly out: SharedArrayBuffer;
  readonly streamOut: SharedArrayBuffer;
  readonly streamIn: SharedArrayBuffer;
  readonly urgent: SharedArrayBuffer;
  readonly updates: SharedArrayBuffer;
  /** io to bgp: slot * 2 + 1 where there is room again, slot * 2 where a stream has bytes. */
  readonly ready: SharedArrayBuffer;
  readonly commands: SharedArrayBuffer;
  /** bgp to io: slots whose ring has new bytes. */
  readonly kicks: SharedArrayBuffer;
  /** ka to io: slots whose KEEPALIVE bgp-io has to send. */
  readonly due: SharedArrayBuffer;
  readonly bgpBell: SharedArrayBuffer;
  readonly ioBell: SharedArrayBuffer;
  readonly kaBell: SharedArrayBuffer;
}

/** All shared structures of one group of BGP threads. Reserved for the limits; memory is only backed where it is used. */
export function createBgpChannels(): BgpChannels {
  const rings = (count: number, bytes: number): SharedArrayBuffer =>
    new SharedArrayBuffer(count * StreamRing.footprint(bytes));
  return {
    table: createTable(SLOTS),
    out: rings(CONNECTIONS, OUT_BYTES),
    streamOut: rings(STREAMS, STREAM_BYTES),
    streamIn: rings(STREAMS, STREAM_BYTES),
    urgent: ByteRing.create(URGENT_BYTES),
    updates: ByteRing.create(UPDATES_BYTES),
    ready: HandleRing.create(TWO_EACH),
    commands: ByteRing.create(COMMANDS_BYTES),
    kicks: HandleRing.create(ONE_EACH),
    due: HandleRing.create(ONE_EACH),
    bgpBell: Doorbell.create(),
    ioBell: Doorbell.create(),
    kaBell: Doorbell.create(),
  };
}

/** Closes the doorbells, when none of the threads runs any more. */
export function closeBgpChannels(channels: BgpChannels): void {
  Doorbell.close(channels.bgpBell);
  Doorbell.close(channels.ioBell);
  Doorbell.close(channels.kaBell);
}

/** Where a slot's ring towards its socket lies. */
export function outRing(
  channels: BgpChannels,
  slot: number,
): { memory: SharedArrayBuffer; offset: number; bytes: number } {
  if (slot < CONNECTIONS) {
    return { memory: channels.out, offset: slot * StreamRing.footprint(OUT_BYTES), bytes: OUT_BYTES };
  }
  const offset = (slot - CONNECTIONS) * StreamRing.footprint(STREAM_BYTES);
  return { memory: channels.streamOut, offset, bytes: STREAM_BYTES };
}

/** Where a raw stream's ring from its socket lies. */
export function inRing(
  channels: BgpChannels,
  slot: number,
): { memory: SharedArrayBuffer; offset: number; bytes: number } {
  const offset = (slot - CONNECTIONS) * StreamRing.footprint(STREAM_BYTES);
  return { memory: channels.streamIn, offset, bytes: STREAM_BYTES };
}

/** What the queues between the threads hold and held, and how the KEEPALIVEs do, as `show memory` lists tables. */
export function channelTables(channels: BgpChannels): Readonly<Record<string, Readonly<Record<string, number>>>> {
  const table = new ConnectionTable(channels.table);
  return {
    'ring updates': { ...ByteRing.stats(channels.updates) },
    'ring urgent': { ...ByteRing.stats(channels.urgent) },
    'ring commands': { ...ByteRing.stats(channels.commands) },
    connections: { limit: CONNECTIONS, highWater: table.global(USED), notRead: table.global(STALLED) },
    keepalives: {
      sent: table.global(KA_SENT),
      leftToIo: table.global(KA_LEFT_TO_IO),
      latestMs: table.global(KA_LATEST_MS),
    },
  };
}
