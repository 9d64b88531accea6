// How a NAT is told what to do, and what it answers: verdicts, modes, times, redirects.

/** Verdicts. The packet was rewritten. */
export const NAT_TRANSLATED = 1;
/** The packet is none of the NAT's business, and untouched. */
export const NAT_PASSED = 2;
/** The packet was rewritten on both sides, and goes back inside. */
export const NAT_HAIRPIN = 3;
// Refused, below 0: the packet is to be dropped, whatever has become of it.
/** Cut short, or a checksum of an ICMP error that is wrong. */
export const NAT_MALFORMED = -1;
/** Nobody inside has asked for it. */
export const NAT_NO_MAPPING = -2;
/** All sessions are in use. */
export const NAT_FULL = -3;
/** All outer ports are in use. */
export const NAT_NO_PORT = -4;
/** A fragment whose first one has not been seen. */
export const NAT_FRAGMENT = -5;
/** A protocol whose checksum covers addresses in a way that is not known here, or ICMP of a kind that may not leave. */
export const NAT_UNSUPPORTED = -6;

/** Mode flags, FreeBSD's numbers. */
export const NAT_DENY_INCOMING = 0x02;
export const NAT_SAME_PORTS = 0x04;
export const NAT_UNREGISTERED_ONLY = 0x10;
export const NAT_RESET_ON_ADDR_CHANGE = 0x20;
export const NAT_PROXY_ONLY = 0x40;
export const NAT_REVERSE = 0x80;
export const NAT_UNREGISTERED_CGN = 0x100;
/** Says of UDP what holds here anyway: the mapping does not depend on the remote end. */
export const NAT_UDP_EIM = 0x200;

/** Seconds that a session lives without packets. */
export const NAT_TIMEOUTS = {
  udp: 300, // RFC 4787 §4.3, REQ-5 (c)
  tcpEstablished: 7440, // RFC 5382 §5, REQ-5 (a): two hours and four minutes
  tcpTransitory: 240, // REQ-5 (b): four minutes, before and after
  icmp: 60, // RFC 5508 §3.2, REQ-2
  other: 60,
} as const;

export interface NatOptions {
  /** Outer addresses, host order. */
  readonly addresses: readonly number[];
  /** Sessions, and mappings, at most. */
  readonly sessions?: number;
  /** NAT_… mode flags; as libalias starts: same ports, reset on change of address. */
  readonly flags?: number;
  /** true: only who was talked to may answer (address and port dependent filtering), not anybody (RFC 4787 §5). */
  readonly strict?: boolean;
  /** 0 to 1, for ports that cannot be guessed (RFC 6056). */
  readonly random?: () => number;
}

/** One of several that share what a redirect brings in (RFC 2391). */
export interface NatServer {
  readonly address: number;
  /** Of no meaning where a whole address or a protocol without ports is redirected. */
  readonly port: number;
}

export interface NatRedirect {
  /** 0 redirects a whole address, whatever the protocol. */
  readonly protocol: number;
  /** 0: the first of the NAT's own. */
  readonly localAddress: number;
  readonly localPort: number;
  /** 0: the first of the NAT's own. */
  readonly aliasAddress: number;
  readonly aliasPort: number;
  /** Whom it is for alone; 0: anybody. */
  readonly remoteAddress: number;
  readonly remotePort: number;
  /** They take turns in the place of `localAddress` and `localPort`, where there are any. */
  readonly servers: readonly NatServer[];
  readonly description: string;
}

export interface NatStats {
  sessions: number;
  mappings: number;
  limit: number;
}

/** A redirect that cannot be: it makes no sense, or there is no room for it. */
export class NatRedirectError extends Error {
  override readonly name = 'NatRedirectError';
}
