// A client as the parts of its session see it: who it is, where its messages go, and what is counted about it.
import type { ClientMessages, Dialect, NexthopColumns, RouteMessage } from '../../zapi/index.ts';
import type { Owner, ZebraFace } from '../face.ts';
import type { Out } from './out.ts';

/** FRR's main routing table, which `table 0` stands for as well. */
export const MAIN_TABLE = 254;

export interface Counters {
  add: number;
  update: number;
  delete: number;
}

export interface ClientStats {
  readonly ip4: Counters;
  readonly ip6: Counters;
  readonly redistribute4: Counters;
  readonly redistribute6: Counters;
  readonly interfaces: Counters;
  /** INTERFACE_UP and INTERFACE_DOWN. */
  readonly states: Counters;
  readonly addresses: Counters;
  readonly vrfs: Counters;
  readonly nexthops4: Counters;
  readonly nexthops6: Counters;
  framesIn: number;
  bytesIn: number;
  unknown: number;
  faults: number;
  refused: number;
  /** Times that its socket was not read because zebra, or it, could not keep up. */
  pauses: number;
}

export function emptyStats(): ClientStats {
  const counters = (): Counters => ({ add: 0, update: 0, delete: 0 });
  return {
    ip4: counters(),
    ip6: counters(),
    redistribute4: counters(),
    redistribute6: counters(),
    interfaces: counters(),
    states: counters(),
    addresses: counters(),
    vrfs: counters(),
    nexthops4: counters(),
    nexthops6: counters(),
    framesIn: 0,
    bytesIn: 0,
    unknown: 0,
    faults: 0,
    refused: 0,
    pauses: 0,
  };
}

/** What all clients share of the server. */
export interface ClientHost {
  readonly zebra: ZebraFace;
  readonly dialect: Dialect;
  // Reused by all: each is filled and read within one call.
  readonly columns: NexthopColumns;
  readonly outRoute: RouteMessage;
  readonly outBlock: Uint8Array;
  now(): number;
}

export interface Client {
  readonly host: ClientHost;
  readonly out: Out;
  readonly stats: ClientStats;
  readonly routeType: number;
  readonly instance: number;
  readonly sessionId: number;
  /** It asked to hear what becomes of its routes. */
  readonly notify: boolean;
  /** Zebra's number for it, asked for where it has none yet. */
  ownerNumber(): Owner;
  /** Says once in the log what the client does wrong. */
  complain(text: string): void;
  /** There is a mark: something to tell when there is room. */
  pump(): void;
}

/** Registers a handler for one message of the client. */
export type On = <Name extends keyof ClientMessages>(
  name: Name,
  handler: (message: ClientMessages[Name], vrf: number) => void,
) => void;
