// Network address and port translation for IPv4 (RFC 3022) as RFC 4787, RFC 5382 and RFC 5508 want it, with the modes and redirects
// of FreeBSD's ng_nat. One worker's: nothing here is shared.
//
//   inside  ──outbound──▶  source (inner) becomes outer          ──▶  outside
//           ◀──inbound───  destination (outer) becomes inner     ◀──
//
// Mapping is endpoint-independent, an inner host keeps to one outer address (paired pooling, RFC 4787 §4.1), and packets between two
// inner hosts by their outer addresses are turned round (hairpinning, §6). Packets are rewritten in place; what is not translated is left
// untouched, and says why.
import { CHECK_OK, finish, sum, verify4 } from './checksum.ts';
import { IPPROTO_ICMP, IPPROTO_TCP, IPPROTO_UDP, ip4HeaderLength, read16, readInt32, write16 } from './ip.ts';
import { isIcmp4Error } from './icmp.ts';
import { NatFragments } from './nat-fragments.ts';
import { hasPorts, NatPorts } from './nat-ports.ts';
import { DESTINATION, portOf, rewrite, SOURCE, untranslatable } from './nat-rewrite.ts';
import {
  NAT_DENY_INCOMING,
  NAT_FRAGMENT,
  NAT_FULL,
  NAT_HAIRPIN,
  NAT_MALFORMED,
  NAT_NO_MAPPING,
  NAT_NO_PORT,
  NAT_PASSED,
  NAT_PROXY_ONLY,
  NAT_RESET_ON_ADDR_CHANGE,
  NAT_REVERSE,
  NAT_SAME_PORTS,
  NAT_TIMEOUTS,
  NAT_TRANSLATED,
  NAT_UNREGISTERED_CGN,
  NAT_UNREGISTERED_ONLY,
  type NatOptions,
  type NatRedirect,
  NatRedirectError,
  type NatStats,
} from './nat-options.ts';
import { NatTable } from './nat-table.ts';

export * from './nat-options.ts';

// What has been seen of a TCP connection.
const OUT = 1;
const IN = 2;
const ACKED = 4;
const FIN_OUT = 8;
const FIN_IN = 16;
const RESET = 32;
const ESTABLISHED = OUT | IN | ACKED;

interface Redirected {
  readonly redirect: NatRedirect;
  readonly alias: number;
  /** -1: a whole address. */
  readonly mapping: number;
}

export class Nat {
  flags: number;
  /** Where inbound packets that nobody has asked for go; 0: to whom they name. */
  target = 0;
  readonly #strict: boolean;
  readonly #random: () => number;
  readonly #limit: number;
  readonly #table: NatTable;
  readonly #fragmentsOut: NatFragments = new NatFragments();
  readonly #fragmentsIn: NatFragments = new NatFragments();
  /** Addresses are signed words here and in the table: V8 passes those on without a box. */
  #addresses: Int32Array;
  #ports: NatPorts;
  readonly #redirects: Map<number, Redirected> = new Map();
  /** Whole addresses that are redirected, both ways. */
  readonly #aliasOf: Map<number, number> = new Map();
  readonly #localOf: Map<number, number> = new Map();
  #lastRedirect = 0;
  /** Why the last mapping or session could not be made. */
  #why = 0;

  constructor(options: NatOptions, nowMs: number) {
    this.#limit = options.sessions ?? 65_536;
    if (!Number.isInteger(this.#limit) || this.#limit < 1 || this.#limit > 2 ** 24) {
      throw new RangeError(`a NAT has 1 to 16777216 sessions, not ${this.#limit}`);
    }
    this.flags = options.flags ?? NAT_SAME_PORTS | NAT_RESET_ON_ADDR_CHANGE;
    this.#strict = options.strict ?? false;
    this.#random = options.random ?? Math.random;
    this.#table = new NatTable(this.#limit, Math.floor(nowMs / 1000), mapping => this.#release(mapping));
    this.#addresses = Int32Array.from(options.addresses);
    this.#ports = new NatPorts(this.#addresses.length);
  }

  get addresses(): readonly number[] {
    return Array.from(this.#addresses, address => address >>> 0);
  }

  stats(): NatStats {
    return { sessions: this.#table.sessions, mappings: this.#table.mappings, limit: this.#limit };
  }

  /** Sessions by protocol. */
  sessionsOf(): Map<number, number> {
    const table = this.#table;
    const counts = new Map<number, number>();
    table.endWhere(session => {
      const protocol = table.protocol[table.mapping[session]!]!;
      counts.set(protocol, (counts.get(protocol) ?? 0) + 1);
      return false;
    });
    return counts;
  }

  /** Ends what is due; to be called about once a second. Returns how many sessions ended. */
  expire(nowMs: number): number {
    return this.#table.expire(Math.floor(nowMs / 1000));
  }

  /** Other outer addresses. Sessions end where NAT_RESET_ON_ADDR_CHANGE is set; else they keep what they have. */
  setAddresses(addresses: readonly number[]): void {
    const next = Int32Array.from(addresses);
    if (next.length === this.#addresses.length && next.every((address, i) => address === this.#addresses[i])) return;
    const table = this.#table;
    if ((this.flags & NAT_RESET_ON_ADDR_CHANGE) !== 0) table.endWhere(() => true);
    // Redirects that name no alias address go with the first of the NAT's own.
    const follow = [...this.#redirects].filter(([, { redirect }]) => redirect.aliasAddress === 0 && next.length > 0);
    for (const [id] of follow) this.deleteRedirect(id);
    this.#addresses = next;
    this.#ports = new NatPorts(next.length);
    // What stays has ports of addresses that may be ours no more, or have another place among them.
    const seen = new Set<number>();
    table.endWhere(session => {
      seen.add(table.mapping[session]!);
      return false;
    });
    for (const { mapping } of this.#redirects.values()) if (mapping >= 0) seen.add(mapping);
    for (const mapping of seen) {
      const pool = next.indexOf(table.outerAddress[mapping]!);
      table.pool[mapping] = hasPorts(table.protocol[mapping]!) ? pool : -1;
      if (table.pool[mapping]! >= 0) this.#ports.take(pool, table.protocol[mapping]!, table.outerPort[mapping]!);
    }
    for (const [id, { redirect }] of follow) this.#redirects.set(id, this.#redirected(redirect));
  }

  /** Adds a redirect; returns its id. NatRedirectError where it cannot be. */
  redirect(redirect: NatRedirect): number {
    this.#redirects.set(++this.#lastRedirect, this.#redirected(redirect));
    return this.#lastRedirect;
  }

  #redirected(redirect: NatRedirect): Redirected {
    const { protocol, localPort } = redirect;
    const localAddress = redirect.localAddress | 0;
    const alias = redirect.aliasAddress === 0 ? this.#addresses[0] : redirect.aliasAddress | 0;
    if (alias === undefined) throw new NatRedirectError('the NAT has no address to redirect from');
    if (protocol === IPPROTO_ICMP) throw new NatRedirectError('ICMP goes with a whole address, not by itself');
    let mapping = -1;
    if (protocol === 0) {
      if (this.#localOf.has(alias)) throw new NatRedirectError('the alias address is redirected already');
      this.#localOf.set(alias, localAddress);
      if (!this.#aliasOf.has(localAddress)) this.#aliasOf.set(localAddress, alias);
    } else {
      const ports = hasPorts(protocol);
      if (ports && (redirect.aliasPort === 0 || localPort === 0)) throw new NatRedirectError('a port of 0');
      const outer = ports ? redirect.aliasPort : 0;
      if (this.#table.findOuter(protocol, alias, outer) >= 0) {
        throw new NatRedirectError(`protocol ${protocol} port ${outer} of the alias address is in use`);
      }
      mapping = this.#add(protocol, localAddress, ports ? localPort : 0, alias, outer);
      if (mapping < 0) throw new NatRedirectError(`all ${this.#limit} mappings are in use`);
      this.#table.fixed[mapping] = 1;
      this.#table.onlyAddress[mapping] = redirect.remoteAddress;
      this.#table.onlyPort[mapping] = redirect.remotePort;
    }
    return { redirect, alias, mapping };
  }

  /** Takes a redirect back, with its sessions; false where there is none of this id. */
  deleteRedirect(id: number): boolean {
    const known = this.#redirects.get(id);
    if (known === undefined) return false;
    this.#redirects.delete(id);
    const { redirect, alias, mapping } = known;
    const table = this.#table;
    if (mapping >= 0) {
      // Its last session takes the mapping along; where it has none, nobody else would.
      table.fixed[mapping] = 0;
      table.endWhere(session => table.mapping[session] === mapping);
      if (table.findOuter(redirect.protocol, alias, table.outerPort[mapping]!) === mapping) table.dropUnused(mapping);
      return true;
    }
    this.#localOf.delete(alias);
    const local = redirect.localAddress | 0;
    if (this.#aliasOf.get(local) === alias) this.#aliasOf.delete(local);
    table.endWhere(session => table.outerAddress[table.mapping[session]!] === alias);
    return true;
  }

  /** Redirects by id, with the alias address that each has now. */
  redirects(): Map<number, NatRedirect> {
    return new Map(
      [...this.#redirects].map(([id, { redirect, alias }]) => [id, { ...redirect, aliasAddress: alias >>> 0 }]),
    );
  }

  /** A packet from inside: one of NAT_…. */
  outbound(bytes: Uint8Array, offset: number, length: number, nowMs: number): number {
    return (this.flags & NAT_REVERSE) === 0
      ? this.#out(bytes, offset, length, nowMs)
      : this.#in(bytes, offset, length, nowMs);
  }

  /** A packet from outside: one of NAT_…. */
  inbound(bytes: Uint8Array, offset: number, length: number, nowMs: number): number {
    return (this.flags & NAT_REVERSE) === 0
      ? this.#in(bytes, offset, length, nowMs)
      : this.#out(bytes, offset, length, nowMs);
  }

  #out(bytes: Uint8Array, offset: number, length: number, nowMs: number): number {
    const header = ip4HeaderLength(bytes, offset, length);
    if (header < 0) return NAT_MALFORMED;
    const source = readInt32(bytes, offset + 12);
    if ((this.flags & NAT_PROXY_ONLY) !== 0 || !this.#isInner(source)) return NAT_PASSED;
    const second = Math.floor(nowMs / 1000);
    const destination = readInt32(bytes, offset + 16);
    const protocol = bytes[offset + 9]!;
    const fragment = read16(bytes, offset + 6);
    const id = read16(bytes, offset + 4);
    if ((fragment & 0x1fff) !== 0) {
      const address = this.#fragmentsOut.find(source, destination, id, protocol, second);
      if (address === 0) return NAT_FRAGMENT;
      rewrite(bytes, offset, 0, 0, protocol, SOURCE, address, 0);
      const turned = this.#isOuter(destination)
        ? this.#fragmentsIn.find(address, destination, id, protocol, second)
        : 0;
      if (turned === 0) return NAT_TRANSLATED;
      rewrite(bytes, offset, 0, 0, protocol, DESTINATION, turned, 0);
      return NAT_HAIRPIN;
    }
    const upper = offset + header;
    const room = read16(bytes, offset + 2) - header;
    const fault = untranslatable(bytes, upper, room, protocol);
    if (fault !== 0) return fault;
    if (protocol === IPPROTO_ICMP && isIcmp4Error(bytes[upper]!))
      return this.#errorOut(bytes, offset, header, fragment);
    const port = portOf(bytes, upper, protocol, SOURCE);
    const remotePort = protocol === IPPROTO_ICMP ? 0 : portOf(bytes, upper, protocol, DESTINATION);

    const table = this.#table;
    let mapping = table.findInner(protocol, source, port);
    const fresh = mapping < 0;
    if (fresh) {
      mapping = this.#create(protocol, source, port);
      if (mapping < 0) return this.#why;
    }
    let session = table.findSession(mapping, destination, remotePort);
    if (session < 0) {
      session = table.addSession(mapping, destination, remotePort, second + NAT_TIMEOUTS.other);
      if (session < 0) {
        if (fresh) table.dropUnused(mapping);
        return NAT_FULL;
      }
    }
    this.#track(session, protocol, bytes, upper, OUT, second);
    const outer = table.outerAddress[mapping]!;
    rewrite(bytes, offset, upper, room, protocol, SOURCE, outer, table.outerPort[mapping]!);
    if ((fragment & 0x2000) !== 0) this.#fragmentsOut.remember(source, destination, id, protocol, outer, second);
    if (
      protocol !== IPPROTO_ICMP &&
      this.#isOuter(destination) &&
      table.findOuter(protocol, destination, remotePort) >= 0
    ) {
      return this.#in(bytes, offset, length, nowMs) === NAT_TRANSLATED ? NAT_HAIRPIN : NAT_NO_MAPPING;
    }
    return NAT_TRANSLATED;
  }

  #in(bytes: Uint8Array, offset: number, length: number, nowMs: number): number {
    const header = ip4HeaderLength(bytes, offset, length);
    if (header < 0) return NAT_MALFORMED;
    if ((this.flags & NAT_PROXY_ONLY) !== 0) return NAT_PASSED;
    const second = Math.floor(nowMs / 1000);
    const source = readInt32(bytes, offset + 12);
    const destination = readInt32(bytes, offset + 16);
    const protocol = bytes[offset + 9]!;
    const fragment = read16(bytes, offset + 6);
    const id = read16(bytes, offset + 4);
    if ((fragment & 0x1fff) !== 0) {
      const address = this.#fragmentsIn.find(source, destination, id, protocol, second);
      if (address === 0) return this.#isOuter(destination) ? NAT_FRAGMENT : this.#unasked();
      rewrite(bytes, offset, 0, 0, protocol, DESTINATION, address, 0);
      return NAT_TRANSLATED;
    }
    const upper = offset + header;
    const room = read16(bytes, offset + 2) - header;
    const fault = untranslatable(bytes, upper, room, protocol);
    if (fault !== 0) return fault;
    if (protocol === IPPROTO_ICMP && isIcmp4Error(bytes[upper]!)) return this.#errorIn(bytes, offset, header, fragment);
    const port = portOf(bytes, upper, protocol, DESTINATION);
    const remotePort = protocol === IPPROTO_ICMP ? 0 : portOf(bytes, upper, protocol, SOURCE);

    const table = this.#table;
    let mapping = table.findOuter(protocol, destination, port);
    const fresh = mapping < 0;
    if (fresh) {
      const local = this.#localOf.get(destination) ?? (this.#isOuter(destination) ? this.target | 0 : 0);
      if (local === 0) return this.#unasked();
      if (table.findInner(protocol, local, port) >= 0) return this.#unasked(); // it has another outer port by now
      mapping = this.#add(protocol, local, port, destination, port);
      if (mapping < 0) return NAT_FULL;
    }
    let session = table.findSession(mapping, source, remotePort);
    if (session < 0) {
      const only = table.onlyAddress[mapping]!;
      const onlyPort = table.onlyPort[mapping]!;
      if ((only !== 0 && only !== source) || (onlyPort !== 0 && onlyPort !== remotePort)) return this.#unasked();
      if (this.#strict && !fresh && table.fixed[mapping] === 0) return NAT_NO_MAPPING;
      session = table.addSession(mapping, source, remotePort, second + NAT_TIMEOUTS.other);
      if (session < 0) {
        if (fresh) table.dropUnused(mapping);
        return NAT_FULL;
      }
    }
    this.#track(session, protocol, bytes, upper, IN, second);
    const inner = table.innerAddress[mapping]!;
    rewrite(bytes, offset, upper, room, protocol, DESTINATION, inner, table.innerPort[mapping]!);
    if ((fragment & 0x2000) !== 0) this.#fragmentsIn.remember(source, destination, id, protocol, inner, second);
    return NAT_TRANSLATED;
  }

  /** An ICMP error from inside, about a packet that came in: its quotation gets the outer address back (RFC 5508 §4.2, REQ-5). */
  #errorOut(bytes: Uint8Array, offset: number, header: number, fragment: number): number {
    return this.#error(bytes, offset, header, fragment, DESTINATION, SOURCE);
  }

  /** An ICMP error from outside, about a packet that went out (REQ-4). */
  #errorIn(bytes: Uint8Array, offset: number, header: number, fragment: number): number {
    return this.#error(bytes, offset, header, fragment, SOURCE, DESTINATION);
  }

  /** `side`: ours in the quoted packet; `own`: ours in the error itself. Neither makes nor refreshes a session (RFC 5508 §4.3). */
  #error(bytes: Uint8Array, offset: number, header: number, fragment: number, side: number, own: number): number {
    if ((fragment & 0x3fff) !== 0) return NAT_FRAGMENT;
    const icmp = offset + header;
    const total = read16(bytes, offset + 2);
    const quoted = icmp + 8;
    const quotedHeader = total - header >= 36 ? (bytes[quoted]! & 15) << 2 : 0;
    if (quotedHeader < 20 || bytes[quoted]! >>> 4 !== 4 || header + 16 + quotedHeader > total) return NAT_MALFORMED;
    if (verify4(bytes, offset, total) !== CHECK_OK) return NAT_MALFORMED;
    if ((read16(bytes, quoted + 6) & 0x1fff) !== 0) return NAT_FRAGMENT;
    const protocol = bytes[quoted + 9]!;
    const upper = quoted + quotedHeader;
    if (protocol === IPPROTO_ICMP && isIcmp4Error(bytes[upper]!)) return NAT_MALFORMED;
    const port = portOf(bytes, upper, protocol, side);
    const remotePort = protocol === IPPROTO_ICMP ? 0 : portOf(bytes, upper, protocol, 1 - side);
    const address = readInt32(bytes, quoted + 12 + side * 4);
    const remote = readInt32(bytes, quoted + 12 + (1 - side) * 4);
    const table = this.#table;
    const inward = side === SOURCE;
    const mapping = inward ? table.findOuter(protocol, address, port) : table.findInner(protocol, address, port);
    if (mapping < 0) return inward ? this.#unasked() : NAT_NO_MAPPING;
    if (table.findSession(mapping, remote, remotePort) < 0) return NAT_NO_MAPPING;
    const to = inward ? table.innerAddress[mapping]! : table.outerAddress[mapping]!;
    const toPort = inward ? table.innerPort[mapping]! : table.outerPort[mapping]!;
    rewrite(bytes, quoted, upper, total - header - 8 - quotedHeader, protocol, side, to, toPort);
    rewrite(bytes, offset, 0, 0, IPPROTO_ICMP, own, to, 0);
    write16(bytes, icmp + 2, 0);
    write16(bytes, icmp + 2, finish(sum(bytes, icmp, total - header)));
    return NAT_TRANSLATED;
  }

  #unasked(): number {
    return (this.flags & NAT_DENY_INCOMING) === 0 ? NAT_PASSED : NAT_NO_MAPPING;
  }

  /** A mapping for what has none: on the host's own outer address, or with it, on the one that hosts like it keep to. */
  #create(protocol: number, inner: number, port: number): number {
    const alias = this.#aliasOf.get(inner);
    if (alias !== undefined) {
      if (this.#table.findOuter(protocol, alias, port) < 0) return this.#add(protocol, inner, port, alias, port);
      return this.#refuse(NAT_NO_PORT);
    }
    const count = this.#addresses.length;
    if (count === 0) return this.#refuse(NAT_NO_PORT);
    const pool = (Math.imul(inner, 0x9e3779b1) >>> 16) % count;
    const outer = this.#addresses[pool]!;
    if (!hasPorts(protocol)) {
      // Without ports only one host can have the address, for each protocol.
      if (this.#table.findOuter(protocol, outer, 0) >= 0) return this.#refuse(NAT_NO_PORT);
      return this.#add(protocol, inner, 0, outer, 0);
    }
    const keep = (this.flags & NAT_SAME_PORTS) !== 0;
    const outerPort = this.#ports.choose(pool, protocol, port, Math.floor(this.#random() * 65536), keep);
    if (outerPort < 0) return this.#refuse(NAT_NO_PORT);
    return this.#add(protocol, inner, port, outer, outerPort);
  }

  #add(protocol: number, inner: number, port: number, outer: number, outerPort: number): number {
    const pool = hasPorts(protocol) ? this.#addresses.indexOf(outer) : -1;
    const mapping = this.#table.addMapping(protocol, inner, port, outer, outerPort, pool);
    if (mapping < 0) return this.#refuse(NAT_FULL);
    if (pool >= 0) this.#ports.take(pool, protocol, outerPort);
    return mapping;
  }

  #refuse(why: number): number {
    this.#why = why;
    return -1;
  }

  #release(mapping: number): void {
    const table = this.#table;
    const pool = table.pool[mapping]!;
    if (pool >= 0) this.#ports.release(pool, table.protocol[mapping]!, table.outerPort[mapping]!);
  }

  /** Moves a session's time on, and looks at where a TCP connection is. */
  #track(session: number, protocol: number, bytes: Uint8Array, upper: number, way: number, second: number): void {
    const table = this.#table;
    let seconds: number = NAT_TIMEOUTS.other;
    if (protocol === IPPROTO_UDP) seconds = NAT_TIMEOUTS.udp;
    else if (protocol === IPPROTO_ICMP) seconds = NAT_TIMEOUTS.icmp;
    else if (protocol === IPPROTO_TCP) {
      const flags = bytes[upper + 13]!;
      let state = table.state[session]!;
      const closed = (state & RESET) !== 0 || (state & (FIN_OUT | FIN_IN)) === (FIN_OUT | FIN_IN);
      if (closed && (flags & 0x16) === 0x02) state = 0; // a new connection between the same ports
      if ((flags & 0x04) !== 0) state |= RESET;
      else {
        state |= way;
        if ((flags & 0x12) === 0x10 && (state & (OUT | IN)) === (OUT | IN)) state |= ACKED;
        if ((flags & 0x01) !== 0) state |= way === OUT ? FIN_OUT : FIN_IN;
      }
      table.state[session] = state;
      const open = (state & ESTABLISHED) === ESTABLISHED && (state & RESET) === 0;
      const closing = (state & (FIN_OUT | FIN_IN)) === (FIN_OUT | FIN_IN);
      seconds = open && !closing ? NAT_TIMEOUTS.tcpEstablished : NAT_TIMEOUTS.tcpTransitory;
    }
    table.expires[session] = second + seconds;
  }

  #isOuter(address: number): boolean {
    for (let i = 0; i < this.#addresses.length; i++) if (this.#addresses[i] === address) return true;
    return this.#localOf.size > 0 && this.#localOf.has(address);
  }

  /** Whether what comes from here is translated: with the two modes, only where nobody outside can have this address (RFC 1918, RFC 6598). */
  #isInner(address: number): boolean {
    if ((this.flags & (NAT_UNREGISTERED_ONLY | NAT_UNREGISTERED_CGN)) === 0) return true;
    if ((this.flags & NAT_UNREGISTERED_CGN) !== 0 && address >>> 22 === 0x191) return true;
    return address >>> 24 === 10 || address >>> 20 === 0xac1 || address >>> 16 === 0xc0a8;
  }
}
