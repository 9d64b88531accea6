// Capabilities (RFC 5492): what a speaker can do beyond RFC 4271, one TLV each, in OPEN. The table below knows how to read,
// write and name those that Grevy understands; all others are kept as they came.
//
//  +------+--------+------------------+
//  | code | length | value (0 to 255) |
//  +------+--------+------------------+

export const AFI_IPV4 = 1;
export const AFI_IPV6 = 2;
export const SAFI_UNICAST = 1;

/** An address family as BGP numbers it. */
export interface AddressFamily {
  readonly afi: number;
  readonly safi: number;
}

/** `ipv4Unicast`, FRR's key in JSON; `afi25/safi70` for what has no name here. */
export function familyName(family: AddressFamily): string {
  return FAMILY_NAMES[`${family.afi}/${family.safi}`] ?? `afi${family.afi}/safi${family.safi}`;
}

const FAMILY_NAMES: Readonly<Record<string, string>> = {
  '1/1': 'ipv4Unicast',
  '1/2': 'ipv4Multicast',
  '1/4': 'ipv4LabeledUnicast',
  '1/128': 'ipv4Vpn',
  '1/132': 'ipv4Rtc',
  '1/133': 'ipv4Flowspec',
  '2/1': 'ipv6Unicast',
  '2/2': 'ipv6Multicast',
  '2/4': 'ipv6LabeledUnicast',
  '2/128': 'ipv6Vpn',
  '2/133': 'ipv6Flowspec',
  '25/65': 'l2VpnVpls',
  '25/70': 'l2VpnEvpn',
};

/** Whether two families are the same. */
export function sameFamily(a: AddressFamily, b: AddressFamily): boolean {
  return a.afi === b.afi && a.safi === b.safi;
}

/** Capability codes (IANA). */
export const CapabilityCode = {
  multiprotocol: 1, // RFC 4760
  routeRefresh: 2, // RFC 2918
  // 3: outbound route filtering (RFC 5291)
  extendedNextHop: 5, // RFC 8950
  extendedMessage: 6, // RFC 8654
  role: 9, // RFC 9234
  gracefulRestart: 64, // RFC 4724
  as4: 65, // RFC 6793
  addPath: 69, // RFC 7911
  enhancedRefresh: 70, // RFC 7313
  longLivedRestart: 71, // RFC 9494
  fqdn: 73, // draft-walton-bgp-hostname-capability
  oldRouteRefresh: 128, // before RFC 2918
} as const;

export interface GracefulRestart {
  /** The speaker has just restarted (R bit). */
  readonly restarting: boolean;
  /** Sessions ended by NOTIFICATION keep their state too (N bit, RFC 8538). */
  readonly notification: boolean;
  /** 0–4095 s. */
  readonly timeS: number;
  readonly families: readonly (AddressFamily & { readonly forwarding: boolean })[];
}

/** A family whose prefixes may have several paths, each with an identifier. */
export interface AddPath extends AddressFamily {
  readonly receive: boolean;
  readonly send: boolean;
}

/** A family whose routes may stay, as the last choice, long after its speaker went. */
export interface LongLivedRestart extends AddressFamily {
  readonly forwarding: boolean;
  readonly staleTimeS: number;
}

/** Prefixes of `family` may have next hops of address family `nextHopAfi`. */
export interface ExtendedNextHop {
  readonly family: AddressFamily;
  readonly nextHopAfi: number;
}

/** One capability. `unknown` also stands for a known code whose value makes no sense: it is kept, and has no effect. */
export type Capability =
  | { readonly kind: 'multiprotocol'; readonly family: AddressFamily }
  | { readonly kind: 'routeRefresh' }
  | { readonly kind: 'extendedNextHop'; readonly uses: readonly ExtendedNextHop[] }
  | { readonly kind: 'extendedMessage' }
  | { readonly kind: 'gracefulRestart'; readonly restart: GracefulRestart }
  | { readonly kind: 'as4'; readonly as: number }
  | { readonly kind: 'enhancedRefresh' }
  | { readonly kind: 'oldRouteRefresh' }
  | { readonly kind: 'addPath'; readonly families: readonly AddPath[] }
  | { readonly kind: 'longLivedRestart'; readonly families: readonly LongLivedRestart[] }
  | { readonly kind: 'role'; readonly role: number }
  | { readonly kind: 'fqdn'; readonly hostname: string; readonly domainname: string }
  | { readonly kind: 'unknown'; readonly code: number; readonly value: Uint8Array };

type KnownKind = Exclude<Capability['kind'], 'unknown'>;
type Of<Kind extends Capability['kind']> = Extract<Capability, { readonly kind: Kind }>;

interface Codec<Kind extends KnownKind> {
  readonly code: number;
  readonly name: string;
  /** Undefined: the value is not what its RFC says. */
  readonly read: (value: Uint8Array) => Of<Kind> | undefined;
  readonly write: (capability: Of<Kind>) => number[];
}

const utf8 = new TextEncoder();
const fromUtf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** At most `limit` bytes of UTF-8, never cut inside a character. */
function shortText(text: string, limit: number): Uint8Array {
  const bytes = utf8.encode(text.toWellFormed());
  if (bytes.length <= limit) return bytes;
  let end = limit;
  while (end > 0 && (bytes[end]! & 0xc0) === 0x80) end--;
  return bytes.subarray(0, end);
}

function readText(bytes: Uint8Array): string | undefined {
  try {
    return fromUtf8.decode(bytes.slice());
  } catch {
    return undefined;
  }
}

function flag<Kind extends 'routeRefresh' | 'oldRouteRefresh' | 'extendedMessage' | 'enhancedRefresh'>(
  kind: Kind,
  code: number,
  name: string,
): Codec<Kind> {
  const capability = { kind } as Of<Kind>;
  return { code, name, read: value => (value.length === 0 ? capability : undefined), write: () => [] };
}

const CODECS: { readonly [Kind in KnownKind]: Codec<Kind> } = {
  // RFC 4760 §8: AFI (16), reserved (8), SAFI (8).
  multiprotocol: {
    code: CapabilityCode.multiprotocol,
    name: 'Multiprotocol Extensions',
    read: value =>
      value.length === 4
        ? { kind: 'multiprotocol', family: { afi: (value[0]! << 8) | value[1]!, safi: value[3]! } }
        : undefined,
    write: ({ family }) => [family.afi >>> 8, family.afi & 255, 0, family.safi],
  },
  routeRefresh: flag('routeRefresh', CapabilityCode.routeRefresh, 'Route Refresh'),
  // RFC 8950 §4: AFI (16), SAFI (16), next hop AFI (16) each.
  extendedNextHop: {
    code: CapabilityCode.extendedNextHop,
    name: 'Extended Next Hop Encoding',
    read(value) {
      if (value.length % 6 !== 0) return undefined;
      const word = (at: number): number => (value[at]! << 8) | value[at + 1]!;
      const uses: ExtendedNextHop[] = [];
      for (let i = 0; i < value.length; i += 6) {
        uses.push({ family: { afi: word(i), safi: word(i + 2) }, nextHopAfi: word(i + 4) });
      }
      return { kind: 'extendedNextHop', uses };
    },
    write: ({ uses }) =>
      uses.flatMap(({ family, nextHopAfi }) =>
        [family.afi, family.safi, nextHopAfi].flatMap(word => [word >>> 8, word & 255]),
      ),
  },
  extendedMessage: flag('extendedMessage', CapabilityCode.extendedMessage, 'Extended Message'),
  // RFC 4724 §3: flags (4), time (12), then AFI (16), SAFI (8), flags (8) each.
  gracefulRestart: {
    code: CapabilityCode.gracefulRestart,
    name: 'Graceful Restart',
    read(value) {
      if (value.length < 2 || (value.length - 2) % 4 !== 0) return undefined;
      const families: (AddressFamily & { forwarding: boolean })[] = [];
      for (let i = 2; i < value.length; i += 4) {
        families.push({
          afi: (value[i]! << 8) | value[i + 1]!,
          safi: value[i + 2]!,
          forwarding: (value[i + 3]! & 0x80) !== 0,
        });
      }
      const restart = {
        restarting: (value[0]! & 0x80) !== 0,
        notification: (value[0]! & 0x40) !== 0,
        timeS: ((value[0]! & 0x0f) << 8) | value[1]!,
        families,
      };
      return { kind: 'gracefulRestart', restart };
    },
    write: ({ restart }) => [
      (restart.restarting ? 0x80 : 0) | (restart.notification ? 0x40 : 0) | ((restart.timeS >>> 8) & 0x0f),
      restart.timeS & 255,
      ...restart.families.flatMap(family => [
        family.afi >>> 8,
        family.afi & 255,
        family.safi,
        family.forwarding ? 0x80 : 0,
      ]),
    ],
  },
  as4: {
    code: CapabilityCode.as4,
    name: '4-octet AS numbers',
    read: value =>
      value.length === 4
        ? { kind: 'as4', as: ((value[0]! << 24) | (value[1]! << 16) | (value[2]! << 8) | value[3]!) >>> 0 }
        : undefined,
    write: ({ as }) => [as >>> 24, (as >>> 16) & 255, (as >>> 8) & 255, as & 255],
  },
  enhancedRefresh: flag('enhancedRefresh', CapabilityCode.enhancedRefresh, 'Enhanced Route Refresh'),
  oldRouteRefresh: flag('oldRouteRefresh', CapabilityCode.oldRouteRefresh, 'Route Refresh (old)'),
  // RFC 7911 §4: AFI (16), SAFI (8), 1 = receives, 2 = sends, 3 = both (8) each.
  addPath: {
    code: CapabilityCode.addPath,
    name: 'ADD-PATH',
    read(value) {
      if (value.length % 4 !== 0) return undefined;
      const families: AddPath[] = [];
      for (let i = 0; i < value.length; i += 4) {
        const ways = value[i + 3]!;
        if (ways < 1 || ways > 3) continue; // RFC 7911 §4: ignored
        const family = { afi: (value[i]! << 8) | value[i + 1]!, safi: value[i + 2]! };
        families.push({ ...family, receive: (ways & 1) !== 0, send: (ways & 2) !== 0 });
      }
      return { kind: 'addPath', families };
    },
    write: ({ families }) =>
      families.flatMap(one => [one.afi >>> 8, one.afi & 255, one.safi, (one.receive ? 1 : 0) | (one.send ? 2 : 0)]),
  },
  // RFC 9494 §3.1: AFI (16), SAFI (8), flags (8), stale time (24) each.
  longLivedRestart: {
    code: CapabilityCode.longLivedRestart,
    name: 'Long-lived Graceful Restart',
    read(value) {
      if (value.length % 7 !== 0) return undefined;
      const families: LongLivedRestart[] = [];
      for (let i = 0; i < value.length; i += 7) {
        families.push({
          afi: (value[i]! << 8) | value[i + 1]!,
          safi: value[i + 2]!,
          forwarding: (value[i + 3]! & 0x80) !== 0,
          staleTimeS: (value[i + 4]! << 16) | (value[i + 5]! << 8) | value[i + 6]!,
        });
      }
      return { kind: 'longLivedRestart', families };
    },
    write: ({ families }) =>
      families.flatMap(({ afi, safi, forwarding, staleTimeS }) => [
        afi >>> 8,
        afi & 255,
        safi,
        forwarding ? 0x80 : 0,
        staleTimeS >>> 16,
        (staleTimeS >>> 8) & 255,
        staleTimeS & 255,
      ]),
  },
  // RFC 9234 §4.1.
  role: {
    code: CapabilityCode.role,
    name: 'BGP Role',
    read: value => (value.length === 1 ? { kind: 'role', role: value[0]! } : undefined),
    write: ({ role }) => [role],
  },
  // Hostname length (8), hostname, domain name length (8), domain name. FRR cuts each at 64 bytes.
  fqdn: {
    code: CapabilityCode.fqdn,
    name: 'Hostname',
    read(value) {
      const hostBytes = value[0] ?? 0;
      const domainAt = 1 + hostBytes;
      if (domainAt >= value.length) return undefined;
      const domainBytes = value[domainAt]!;
      if (domainAt + 1 + domainBytes !== value.length) return undefined;
      const hostname = readText(value.subarray(1, domainAt));
      const domainname = readText(value.subarray(domainAt + 1));
      return hostname === undefined || domainname === undefined ? undefined : { kind: 'fqdn', hostname, domainname };
    },
    write({ hostname, domainname }) {
      const host = shortText(hostname, 64);
      const domain = shortText(domainname, 64);
      return [host.length, ...host, domain.length, ...domain];
    },
  },
};

const BY_CODE: ReadonlyMap<number, Codec<KnownKind>> = new Map(
  Object.values(CODECS).map(codec => [codec.code, codec as unknown as Codec<KnownKind>]),
);

/** Name of a capability code. */
export function capabilityName(code: number): string {
  return BY_CODE.get(code)?.name ?? `capability ${code}`;
}

/** Code of a capability. */
export function capabilityCode(capability: Capability): number {
  return capability.kind === 'unknown' ? capability.code : CODECS[capability.kind].code;
}

/** One capability from its code and value. */
export function readCapability(code: number, value: Uint8Array): Capability {
  return BY_CODE.get(code)?.read(value) ?? { kind: 'unknown', code, value: value.slice() };
}

/** One TLV; throws where the value is longer than 255 bytes, which is a mistake of ours. */
export function writeCapability(capability: Capability): Uint8Array {
  let value: ArrayLike<number>;
  let code: number;
  if (capability.kind === 'unknown') ({ code, value } = capability);
  else {
    const codec = CODECS[capability.kind] as unknown as Codec<KnownKind>;
    code = codec.code;
    value = codec.write(capability);
  }
  if (value.length > 255)
    throw new RangeError(`capability ${code} has ${value.length} bytes of value, at most 255 fit`);
  const bytes = new Uint8Array(2 + value.length);
  bytes[0] = code;
  bytes[1] = value.length;
  bytes.set(value, 2);
  return bytes;
}
