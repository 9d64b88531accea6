// One description of a router's neighbours, for all who need it: the contestants' configurations and the tester that plays
// the neighbours.
import { parseIp4 } from '../../src/net/index.ts';
import type { TableOptions } from './table.ts';

export const DUT_ASN = 65001;
export const DUT_ADDRESS = '10.0.0.1';
export const NETWORK_BITS = 16;

/** Everything, nothing, or everything with this community added. */
export type Policy = 'all' | 'none' | { readonly community: string };

export interface Peer {
  readonly address: string;
  readonly asn: number;
  /** What it announces when it is told to. */
  readonly table?: TableOptions;
  /** What the router takes from it, and what it is sent. */
  readonly import: Policy;
  readonly export: Policy;
}

export interface RouterDescription {
  readonly peers: readonly Peer[];
  readonly holdTimeS: number;
  /** Whether routes go to the kernel. */
  readonly kernel: boolean;
  /** Whether the router keeps what it was sent besides what it made of it, so that a new policy needs nobody to send again. */
  readonly keepReceived?: boolean;
}

function addressOf(index: number): string {
  const word = parseIp4(DUT_ADDRESS) + 1 + index;
  return [24, 16, 8, 0].map(shift => (word >>> shift) & 255).join('.');
}

/** Neighbours with addresses and AS numbers of their own; each announces, receives, or does neither. */
export function peers(
  ...kinds: readonly { table?: Omit<TableOptions, 'as' | 'nextHop'>; import?: Policy; export?: Policy }[]
): Peer[] {
  return kinds.map((kind, index) => {
    const [address, asn] = [addressOf(index), DUT_ASN + 1 + index];
    return {
      address,
      asn,
      ...(kind.table && { table: { ...kind.table, as: asn, nextHop: parseIp4(address) } }),
      import: kind.import ?? 'all',
      export: kind.export ?? 'none',
    };
  });
}

/** A community as it is in an UPDATE. */
export function communityWord(community: string): number {
  const [high, low] = community.split(':').map(Number) as [number, number];
  return ((high << 16) | low) >>> 0;
}
