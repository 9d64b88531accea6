// Protocols whose routes zebra has and BGP can redistribute.
import { FRR_8_4_4, routeTypeNumber } from '../zapi/index.ts';

export const PROTOCOLS = ['kernel', 'connected', 'static'] as const;
export type Protocol = (typeof PROTOCOLS)[number];

/** ZAPI's number of the protocol's routes. */
export function protocolNumber(protocol: Protocol): number {
  return routeTypeNumber(FRR_8_4_4, protocol);
}
