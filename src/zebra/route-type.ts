// Route types: who said a route. Numbers are ZAPI's of FRR 8.4.4, the letters and names are those of `show ip route`, the
// distance is what a route has when its client names none, and the kernel protocol (RTPROT_*) is how a route of ours is
// known again in the kernel after a restart.
import { AF_INET, type Family } from '../net/index.ts';

export const ROUTE_SYSTEM = 0;
export const ROUTE_KERNEL = 1;
export const ROUTE_CONNECT = 2;
export const ROUTE_STATIC = 3;
export const ROUTE_BGP = 9;
export const ROUTE_TYPES = 32;

export interface RouteType {
  readonly number: number;
  /** As in `redistribute NAME` and in JSON. */
  readonly name: string;
  /** Letter of `show ip route`. */
  readonly letter: string;
  readonly distance: number;
  /** RTPROT_* of our routes of this type; 0: never installed by us. */
  readonly kernelProtocol: number;
}

function type(number: number, name: string, letter: string, distance: number, kernelProtocol: number): RouteType {
  return { number, name, letter, distance, kernelProtocol };
}

const TYPES: readonly (RouteType | undefined)[] = ((): (RouteType | undefined)[] => {
  const table: (RouteType | undefined)[] = new Array<RouteType | undefined>(ROUTE_TYPES).fill(undefined);
  for (const one of [
    type(0, 'system', 'X', 0, 0),
    type(1, 'kernel', 'K', 0, 0),
    type(2, 'connected', 'C', 0, 0),
    type(3, 'static', 'S', 1, 196),
    type(4, 'rip', 'R', 120, 189),
    type(5, 'ripng', 'R', 120, 190),
    type(6, 'ospf', 'O', 110, 188),
    type(7, 'ospf6', 'O', 110, 188),
    type(8, 'isis', 'I', 115, 187),
    type(9, 'bgp', 'B', 20, 186),
    type(10, 'pim', 'P', 255, 0),
    type(11, 'eigrp', 'E', 90, 192),
    type(12, 'nhrp', 'N', 10, 191),
    type(13, 'hsls', 'H', 255, 11),
    type(14, 'olsr', 'o', 255, 11),
    type(15, 'table', 'T', 150, 11),
    type(16, 'ldp', 'L', 150, 193),
    type(17, 'vnc', 'v', 20, 11),
    type(18, 'vnc-direct', 'V', 20, 11),
    type(20, 'bgp-direct', 'b', 20, 186),
    type(22, 'babel', 'A', 100, 42),
    type(23, 'sharp', 'D', 150, 194),
    type(24, 'pbr', 'F', 200, 195),
    type(26, 'openfabric', 'f', 115, 197),
  ]) {
    table[one.number] = one;
  }
  return table;
})();

/** The type with this ZAPI number, or undefined. */
export function routeType(number: number): RouteType | undefined {
  return TYPES[number];
}

/** The type of this name (`bgp`), or undefined. */
export function routeTypeByName(name: string): RouteType | undefined {
  return TYPES.find(one => one?.name === name);
}

export function routeTypeName(number: number): string {
  return TYPES[number]?.name ?? `type-${number}`;
}

const KERNEL_PROTOCOL: Uint8Array = Uint8Array.from({ length: ROUTE_TYPES }, (_, i) => TYPES[i]?.kernelProtocol ?? 0);
const OWN_PROTOCOL: Uint8Array = ((): Uint8Array => {
  const own = new Uint8Array(256);
  for (const one of TYPES) if (one !== undefined && one.kernelProtocol !== 0) own[one.kernelProtocol] = 1;
  own[11] = 1;
  return own;
})();

/** RTPROT_* of our routes of this type, 0 for what is never ours to install. */
export function kernelProtocol(number: number): number {
  return KERNEL_PROTOCOL[number]!;
}

/** Whether a kernel route with this RTPROT_* is one that we installed, in this life or the one before. */
export function isOwnProtocol(protocol: number): boolean {
  return OWN_PROTOCOL[protocol & 255] === 1;
}

/** Distance of a type when its client gave none. iBGP is 200 (ZAPI flag IBGP). */
export function defaultDistance(number: number, ibgp = false): number {
  if (number === ROUTE_BGP && ibgp) return 200;
  return TYPES[number]?.distance ?? 255;
}

/** `IPv4` or `IPv6`, as FRR writes address families. */
export function familyName(family: Family): string {
  return family === AF_INET ? 'IPv4' : 'IPv6';
}
