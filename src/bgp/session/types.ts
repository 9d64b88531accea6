// The face of a BGP session: what it is configured with, what it tells its owner, and what both sides agreed on.
import type { Loop } from '../../concurrency/index.ts';
import type { Connection, MessageLimits, SocketAddress, Transport, TransportFailure } from '../io/types.ts';
import type { SessionState } from '../fsm/machine.ts';
import type { AddPath, AddressFamily, Capability, GracefulRestart } from '../wire/capability.ts';
import type { PeerError } from '../wire/notification.ts';
import type { RouteRefresh } from '../wire/refresh.ts';

export interface SessionConfig {
  readonly localAs: number;
  /** A number, or any AS that is ours ('internal') or not ours ('external'). */
  readonly remoteAs: number | 'internal' | 'external';
  /** Our BGP identifier, as a word; not 0. */
  readonly routerId: number;
  readonly remote: SocketAddress;
  /** update-source; port 0. */
  readonly local?: SocketAddress;
  /** Interface or VRF that the socket is tied to. */
  readonly device?: string;
  /** Path of the network namespace that it is opened in; default: the process's. */
  readonly namespace?: string;
  /** Never connects, only accepts. */
  readonly passive?: boolean;
  readonly md5Key?: string;
  readonly ttl?: number;
  readonly minTtl?: number;
  /** How many messages bgp-io moves for this neighbour; may change while the session is up. Default: bytes alone are counted. */
  readonly limits?: MessageLimits;
  /** Proposed hold time: 0 or 3–65535 s; default 180. */
  readonly holdTimeS?: number;
  /** Wanted interval of KEEPALIVEs; never more than a third of the negotiated hold time; default 60. */
  readonly keepaliveS?: number;
  /** Default 120. */
  readonly connectRetryS?: number;
  /** Waits for the peer's OPEN this long before sending ours (RFC 4271 §8.1.1, DelayOpen); default 0: not at all. */
  readonly delayOpenS?: number;
  /** First pause after a failure; doubles with each one up to `idleHoldMaxS`. Default 1 and 60. */
  readonly idleHoldS?: number;
  readonly idleHoldMaxS?: number;
  /** Ends the session when the peer takes nothing for this long (RFC 9687); default: the greater of 8 min and twice the
   *  hold time. */
  readonly sendHoldS?: number;
  /** Address families to announce. */
  readonly families: readonly AddressFamily[];
  /** Families in which prefixes may have several paths, and in which direction (RFC 7911). */
  readonly addPath?: readonly AddPath[];
  /** Default true: everything below. */
  readonly announceRouteRefresh?: boolean;
  readonly announceExtendedMessages?: boolean;
  readonly announceAs4?: boolean;
  /** What our OPEN says of graceful restart (RFC 4724); false: nothing. Without families it says that End-of-RIB is understood, and
   *  that routes of a neighbour that restarts are kept. Default: that, with 120 s. */
  readonly gracefulRestart?: GracefulRestart | false;
  /** Where both sides have said RFC 8538's N bit: what an operator asks for ends everything; default true. */
  readonly hardAdministrativeReset?: boolean;
  /** IPv4 prefixes may have IPv6 next hops (RFC 8950); default false. */
  readonly extendedNextHop?: boolean;
  /** Ours towards an external neighbour (RFC 9234); `strict`: one that says none is refused. */
  readonly role?: { readonly number: number; readonly strict: boolean };
  readonly hostname?: string;
  readonly domainname?: string;
  /** More capabilities to announce, as they are. */
  readonly extraCapabilities?: readonly Capability[];
  /** Our OPEN has RFC 9072's form though it need not have. */
  readonly extendedParameters?: boolean;
  /** Announces no capability at all (neighbor … dont-capability-negotiate). */
  readonly dontCapabilityNegotiate?: boolean;
}

/** What one side put into its OPEN. */
export interface OpenSummary {
  /** From the 4-octet AS capability where there is one. */
  readonly as: number;
  readonly routerId: number;
  readonly holdTimeS: number;
  readonly families: readonly AddressFamily[];
  readonly routeRefresh: boolean;
  readonly enhancedRefresh: boolean;
  readonly as4: boolean;
  /** IPv4 unicast prefixes with IPv6 next hops. */
  readonly extendedNextHop: boolean;
  readonly extendedMessages: boolean;
  readonly gracefulRestart?: GracefulRestart;
  readonly hostname?: string;
  readonly domainname?: string;
  readonly capabilities: readonly Capability[];
}

/** What holds for an established session. */
export interface Negotiated {
  readonly kind: 'internal' | 'external';
  readonly remoteAs: number;
  readonly remoteRouterId: number;
  readonly local: OpenSummary;
  readonly remote: OpenSummary;
  /** Families that both sides announced (IPv4 unicast where the peer announced no family at all). */
  readonly families: readonly AddressFamily[];
  /** 0: neither side sends KEEPALIVEs. */
  readonly holdTimeMs: number;
  readonly keepaliveMs: number;
  /** AS numbers are four octets in AS_PATH and AGGREGATOR. */
  readonly as4: boolean;
  readonly routeRefresh: boolean;
  readonly enhancedRefresh: boolean;
  /** IPv4 prefixes go and come with IPv6 next hops. */
  readonly extendedNextHop: boolean;
  /** A NOTIFICATION ends no more than a broken connection does, unless it is a hard reset (RFC 8538). */
  readonly notificationRestart: boolean;
  /** Families in which we send, or receive, path identifiers with every prefix (RFC 7911 §4). */
  readonly addPath: readonly AddPath[];
  /** 4096 or 65535, for what we send and what we take. */
  readonly maximumMessageBytes: number;
  readonly localAddress: SocketAddress;
  readonly remoteAddress: SocketAddress;
  /** We opened the connection. */
  readonly outgoing: boolean;
}

/** Why a session ended or could not come up. */
export type DownReason =
  | { readonly kind: 'notification-received'; readonly error: PeerError }
  | { readonly kind: 'notification-sent'; readonly error: PeerError }
  | { readonly kind: 'connection'; readonly failure: TransportFailure | undefined }
  | { readonly kind: 'stopped' };

/** Callbacks to the owner. None runs inside a call of the owner's. */
export interface SessionHandler {
  established(negotiated: Negotiated): void;
  /** Was established and no longer is. Called before anything of a next session. */
  down(reason: DownReason): void;
  /**
   * The body of one UPDATE is `bytes[offset, offset + length)` (what follows the 19 bytes of header), good during the call
   * only. A returned mistake is sent as NOTIFICATION and ends the session (RFC 7606: only what cannot be treated as
   * withdraw).
   */
  update(bytes: Uint8Array, offset: number, length: number): PeerError | undefined;
  routeRefresh(refresh: RouteRefresh): void;
  /** `send` was refused before, and now there is room. */
  writable(): void;
  /** The state that `show` prints changed. */
  stateChanged?(from: SessionState, to: SessionState): void;
}

export interface SessionEnvironment {
  readonly loop: Loop;
  readonly transport: Transport;
  /** Uniform in [0, 1); for jitter. */
  readonly random: () => number;
}

/** Messages by type, as `show bgp neighbors` counts them. */
export interface MessageCounts {
  opens: number;
  updates: number;
  notifications: number;
  keepalives: number;
  routeRefreshes: number;
  capabilities: number;
}

/** Everything that `show bgp neighbors json` asks of a session. */
export interface SessionStats {
  readonly state: SessionState;
  readonly sent: MessageCounts;
  readonly received: MessageCounts;
  /** Bytes of UPDATEs waiting for the socket. */
  readonly outQueueBytes: number;
  readonly connectionsEstablished: number;
  readonly connectionsDropped: number;
  /** Milliseconds since the session came up or went down last; undefined: it never was up. */
  readonly sinceMs: number | undefined;
  readonly lastReadMs: number | undefined;
  readonly lastWriteMs: number | undefined;
  readonly lastReset: { readonly agoMs: number; readonly reason: DownReason } | undefined;
  /** Configured and negotiated (or configured, while not established). */
  readonly configuredHoldTimeMs: number;
  readonly configuredKeepaliveMs: number;
  readonly holdTimeMs: number;
  readonly keepaliveMs: number;
  readonly connectRetryMs: number;
  /** Until the next attempt, while idle or between attempts. */
  readonly nextConnectMs: number | undefined;
  readonly negotiated: Negotiated | undefined;
  readonly localAddress: SocketAddress | undefined;
  readonly remoteAddress: SocketAddress | undefined;
}

/** One neighbour's session: made by `createSession` (session.ts), for as long as the neighbour is configured. */
export interface Session {
  readonly state: SessionState;
  /** Defined while established. */
  readonly negotiated: Negotiated | undefined;
  readonly config: SessionConfig;
  /** Begins to connect and to accept. Nothing where it has begun already. */
  start(): void;
  /** Ends the session and stays down until `start`. The peer is told: Cease, administrative shutdown with `text`
   *  (RFC 9003) unless another mistake is given. `down` is called in a later turn. */
  stop(reason?: { readonly error?: PeerError; readonly text?: string }): void;
  /** Ends the session and begins again, at once (clear bgp …). Cease, administrative reset unless another mistake is given. */
  reset(reason?: { readonly error?: PeerError; readonly text?: string }): void;
  /**
   * Another configuration. Where it differs only in what the next OPEN says or the next attempt waits for (timers, host name),
   * a session that is up stays up, and goes by it the next time; by other limits it goes at once. Otherwise the session ends
   * (Cease, other configuration change) and begins again.
   */
  reconfigure(config: SessionConfig): void;
  /** Takes a connection that a listener accepted from this neighbour, or refuses it with the right NOTIFICATION. */
  accept(connection: Connection): void;
  /** Whether `send` takes this many bytes now; where not, `writable` follows if the session is established. */
  hasRoom(bytes: number): boolean;
  /** Queues whole messages (headers included), all or nothing; false where there is no room, then `writable` follows. */
  send(bytes: Uint8Array, offset: number, length: number): boolean;
  /** Asks the peer for its routes again (RFC 2918); false where it cannot. */
  sendRouteRefresh(family: AddressFamily): boolean;
  stats(): SessionStats;
  /** Stops without a word to the owner, or with `quietly` to anybody; the session is of no use afterwards. */
  destroy(quietly?: boolean): void;
}
