// The address families that this speaker knows, as data: how BGP numbers and FRR names each, and what its prefixes look like.
//
//   unicast       | length | prefix |                                              RFC 4271 §4.3, RFC 4760 §5
//   VPN           | length | label (3) | route distinguisher (8) | prefix |        RFC 4364 §4.3.4, RFC 4659 §3.2, RFC 8277 §2
//   route target  | length | origin AS (4) | route target (8) |                    RFC 4684 §4
//
// A family's code is what columns, parsers and encoders compare. That of a unicast family is the system's number for it.
import { AF_INET, AF_INET6, type Family } from '../../net/index.ts';
import { type AddressFamily, AFI_IPV4, AFI_IPV6, SAFI_UNICAST } from './capability.ts';

export const SAFI_VPN = 128;
export const SAFI_ROUTE_TARGET = 132;

export const IPV4_VPN = 130;
export const IPV6_VPN = 138;
export const ROUTE_TARGET = 132;
export type FamilyCode = typeof AF_INET | typeof AF_INET6 | typeof IPV4_VPN | typeof IPV6_VPN | typeof ROUTE_TARGET;

/** Address families by the names that commands and settings give them. */
export const FAMILY_NAMES = ['ipv4', 'ipv6', 'vpnv4', 'vpnv6', 'rtc'] as const;
export type FamilyName = (typeof FAMILY_NAMES)[number];

/** Those whose routes are forwarded by: zebra is told of them. */
export const UNICAST_NAMES = ['ipv4', 'ipv6'] as const;
export type UnicastName = (typeof UNICAST_NAMES)[number];

export interface FamilyType extends AddressFamily {
  readonly name: FamilyName;
  readonly code: FamilyCode;
  readonly afi: typeof AFI_IPV4 | typeof AFI_IPV6;
  /** As what its prefixes are kept: words of an IPv4 or of an IPv6 address. */
  readonly shape: Family;
  /** The longest prefix. */
  readonly bits: number;
  /** With a label and a route distinguisher before each prefix. */
  readonly vpn: boolean;
  /** `IPv4 Unicast`, as shown. */
  readonly title: string;
  /** `ipv4Unicast`, the key in JSON. */
  readonly key: string;
  /** `ipv4 unicast`, as commands write it. */
  readonly words: string;
}

const IPV4 = { afi: AFI_IPV4, shape: AF_INET, bits: 32 } as const;
const IPV6 = { afi: AFI_IPV6, shape: AF_INET6, bits: 128 } as const;
const UNICAST = { safi: SAFI_UNICAST, vpn: false } as const;
const VPN = { safi: SAFI_VPN, vpn: true } as const;
const TARGETS = { afi: AFI_IPV4, safi: SAFI_ROUTE_TARGET, shape: AF_INET6, bits: 96, vpn: false } as const;

function type(
  name: FamilyName,
  code: FamilyCode,
  shown: readonly [words: string, title: string, key: string],
  kind: Pick<FamilyType, 'afi' | 'safi' | 'shape' | 'bits' | 'vpn'>,
): FamilyType {
  const [words, title, key] = shown;
  return { name, code, words, title, key, ...kind };
}

export const FAMILY: Readonly<Record<FamilyName, FamilyType>> = {
  ipv4: type('ipv4', AF_INET, ['ipv4 unicast', 'IPv4 Unicast', 'ipv4Unicast'], { ...IPV4, ...UNICAST }),
  ipv6: type('ipv6', AF_INET6, ['ipv6 unicast', 'IPv6 Unicast', 'ipv6Unicast'], { ...IPV6, ...UNICAST }),
  vpnv4: type('vpnv4', IPV4_VPN, ['ipv4 vpn', 'IPv4 VPN', 'ipv4Vpn'], { ...IPV4, ...VPN }),
  vpnv6: type('vpnv6', IPV6_VPN, ['ipv6 vpn', 'IPv6 VPN', 'ipv6Vpn'], { ...IPV6, ...VPN }),
  rtc: type('rtc', ROUTE_TARGET, ['ipv4 rtc', 'IPv4 RTC', 'ipv4Rtc'], TARGETS),
};

const BY_CODE: ReadonlyMap<FamilyCode, FamilyType> = new Map(Object.values(FAMILY).map(one => [one.code, one]));

export function familyOf(code: FamilyCode): FamilyType {
  return BY_CODE.get(code)!;
}

/** The one of several that is this family. */
export function ofFamily<T extends AddressFamily>(families: readonly T[] | undefined, name: FamilyName): T | undefined {
  return families?.find(one => one.afi === FAMILY[name].afi && one.safi === FAMILY[name].safi);
}
