// Network address and port translation for IPv4 (RFC 3022) as RFC 4787, RFC 5382 and RFC 5508 want it, with the modes, redirects and proxy
// rules of FreeBSD's ng_nat. One worker's: nothing here is shared.
//
//   inside  ──outbound──▶  source (inner) becomes outer          ──▶  outside
//           ◀──inbound───  destination (outer) becomes inner     ◀──
//
// Mapping is endpoint-independent, an inner host keeps to one outer address (paired pooling, RFC 4787 §4.1), and packets between two
// inner hosts by their outer addresses are turned round (hairpinning, §6). Packets are rewritten in place; what is not translated is left
// untouched, and says why.
import { CHECK_OK, finish, set4, sum, update16, verify4 } from './checksum.ts';
import { IPPROTO_ICMP, IPPROTO_TCP, ip4HeaderLength, read16, readInt32, write16 } from './ip.ts';
import { isIcmp4Error } from './icmp.ts';
import { NatFragments } from './nat-fragments.ts';
import { FTP_LINE_BYTES, FTP_PORT, ftpAddress } from './nat-ftp.ts';
import { hasPorts, NatPorts } from './nat-ports.ts';
import { type NatProxyRule, proxyFor } from './nat-proxy.ts';
import { NatRedirects } from './nat-redirects.ts';
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
  type NatServer,
  type NatStats,
} from './nat-options.ts';
import { SequenceShift } from './nat-sequence.ts';
import { NatTable } from './nat-table.ts';
import { SEEN_IN, SEEN_OUT, track } from './nat-track.ts';

export * from './nat-options.ts';

/** Ports that are tried on an address whose ports are not counted. */
const TRIES = 64;

export class Nat {
  flags: number;
  /** Where inbound packets that nobody has asked for go; 0: to whom they name. */
  target = 0;
  /** The first that fits has a new session. */
  proxyRules: readonly NatProxyRule[] = [];
  /** Whether what FTP says of addresses is put right. Then a packet may become `longer` (less than 0: shorter), up to `room` bytes. */
  ftp = false;
  room = 0;
  longer = 0;
  readonly #strict: boolean;
  readonly #random: () => number;
  readonly #limit: number;
  readonly #table: NatTable;
  readonly #fragmentsOut: NatFragments = new NatFragments();
  readonly #fragmentsIn: NatFragments = new NatFragments();
  /** Addresses are signed words here and in the table: V8 passes those on without a box. */
  #addresses: Int32Array;
  #ports: NatPorts;
  readonly #redirects: NatRedirects = new NatRedirects();
  #lastRedirect = 0;
  /** By session, of those that are `shifted`. */
  readonly #shifts: Map<number, SequenceShift> = new Map();
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
    table.eachSession(session => {
      const protocol = table.protocol[table.mapping[session]!]!;
      counts.set(protocol, (counts.get(protocol) ?? 0) + 1);
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
    // Redirects that leave an address out go with the first of the NAT's own.
    const rules = this.#redirects.all();
    const follow = next.length === 0 ? [] : rules.filter(({ redirect }) => leavesOut(redirect));
    for (const { id } of follow) this.deleteRedirect(id);
    this.#addresses = next;
    this.#ports = new NatPorts(next.length);
    // What stays has ports of addresses that may be ours no more, or have another place among them.
    const seen = this.#mappingsOfSessions();
    for (const { mapping } of this.#redirects.all()) if (mapping >= 0) seen.add(mapping);
    for (const mapping of seen) {
      const pool = next.indexOf(table.outerAddress[mapping]!);
      table.pool[mapping] = hasPorts(table.protocol[mapping]!) ? pool : -1;
      if (table.pool[mapping]! >= 0) this.#ports.take(pool, table.protocol[mapping]!, table.outerPort[mapping]!);
    }
    for (const { id, redirect } of follow) this.#redirected(id, redirect);
  }

  /** Adds a redirect; returns its id. NatRedirectError where it cannot be. */
  redirect(redirect: NatRedirect): number {
    this.#redirected(this.#lastRedirect + 1, redirect);
    return ++this.#lastRedirect;
  }

  #redirected(id: number, redirect: NatRedirect): void {
    const { protocol, localAddress, localPort, aliasAddress, aliasPort, servers } = redirect;
    const own = this.#addresses[0];
    if (own === undefined && leavesOut(redirect)) throw new NatRedirectError('the NAT has no address of its own');
    const alias = aliasAddress === 0 ? own! : aliasAddress | 0;
    const local = localAddress === 0 ? own! : localAddress | 0;
    if (protocol === IPPROTO_ICMP) throw new NatRedirectError('ICMP goes with a whole address, not by itself');
    if (protocol === 0) {
      this.#disownAt(alias);
      this.#redirects.set({ id, redirect, alias, local, mapping: -1, turn: 0 });
      return;
    }
    const ports = hasPorts(protocol);
    if (ports && (aliasPort === 0 || (localPort === 0 && servers.length === 0)))
      throw new NatRedirectError('a port of 0');
    const outer = ports ? aliasPort : 0;
    // A mapping that is there becomes the redirect's; its sessions go on.
    let mapping = this.#table.findOuter(protocol, alias, outer);
    if (mapping < 0) mapping = this.#add(protocol, 0, 0, alias, outer);
    if (mapping < 0) throw new NatRedirectError(`all ${this.#limit} mappings are in use`);
    this.#redirects.set({ id, redirect, alias, local, mapping, turn: 0 });
    this.#settle(mapping);
  }

  /** Other servers for a redirect; false where there is none of this id. */
  setServers(id: number, servers: readonly NatServer[]): boolean {
    const rule = this.#redirects.get(id);
    if (rule === undefined) return false;
    if (rule.mapping < 0) this.#disownAt(rule.alias);
    this.#redirects.set({ ...rule, redirect: { ...rule.redirect, servers } });
    if (rule.mapping >= 0) this.#settle(rule.mapping);
    return true;
  }

  /** Takes a redirect back; its sessions go on. False where there is none of this id. */
  deleteRedirect(id: number): boolean {
    const rule = this.#redirects.get(id);
    if (rule === undefined) return false;
    if (rule.mapping < 0) this.#disownAt(rule.alias);
    this.#redirects.delete(id);
    if (rule.mapping >= 0) this.#settle(rule.mapping);
    return true;
  }

  /** Takes a redirect of one remote address and port back, and keeps a session for that one; false where there is none of this id. */
  letGoRedirect(id: number, nowMs: number): boolean {
    const rule = this.#redirects.get(id);
    if (rule === undefined) return false;
    const { protocol, remoteAddress, remotePort } = rule.redirect;
    const remote = remoteAddress | 0;
    if (rule.mapping >= 0 && this.#table.findSession(rule.mapping, remote, remotePort) < 0) {
      const second = Math.floor(nowMs / 1000);
      const session = this.#admit(
        rule.mapping,
        protocol,
        rule.alias,
        rule.redirect.aliasPort,
        remote,
        remotePort,
        second,
      );
      if (session >= 0) this.#table.expires[session] = second + NAT_TIMEOUTS.tcpTransitory;
    }
    return this.deleteRedirect(id);
  }

  /** Redirects by id, with the alias address that each has now. */
  redirects(): Map<number, NatRedirect> {
    return new Map(
      this.#redirects.all().map(({ id, redirect, alias }) => [id, { ...redirect, aliasAddress: alias >>> 0 }]),
    );
  }

  /** What a mapping's redirects make of it. */
  #settle(mapping: number): void {
    const table = this.#table;
    const newest = this.#redirects.newestAt(mapping);
    table.fixed[mapping] = newest === undefined ? 0 : 1;
    const ports = hasPorts(table.protocol[mapping]!);
    if (newest === undefined || newest.redirect.servers.length > 0) table.setInner(mapping, 0, 0);
    else table.setInner(mapping, newest.local, ports ? newest.redirect.localPort : 0);
    table.dropUnused(mapping);
  }

  /** Nobody behind a whole address keeps its mappings: who is next is chosen anew. */
  #disownAt(alias: number): void {
    const table = this.#table;
    for (const mapping of this.#mappingsOfSessions()) {
      const { [mapping]: inner } = table.innerAddress;
      if (table.outerAddress[mapping] !== alias || table.fixed[mapping] !== 0) continue;
      if (this.#redirects.aliasOf(inner!) === alias) table.setInner(mapping, 0, 0);
    }
  }

  #mappingsOfSessions(): Set<number> {
    const table = this.#table;
    const seen = new Set<number>();
    table.eachSession(session => seen.add(table.mapping[session]!));
    return seen;
  }

  /** A packet from inside: one of NAT_…. */
  outbound(bytes: Uint8Array, offset: number, length: number, nowMs: number): number {
    this.longer = 0;
    return (this.flags & NAT_REVERSE) === 0
      ? this.#out(bytes, offset, length, nowMs)
      : this.#in(bytes, offset, length, nowMs);
  }

  /** A packet from outside: one of NAT_…. */
  inbound(bytes: Uint8Array, offset: number, length: number, nowMs: number): number {
    this.longer = 0;
    return (this.flags & NAT_REVERSE) === 0
      ? this.#in(bytes, offset, length, nowMs)
      : this.#out(bytes, offset, length, nowMs);
  }

  #out(bytes: Uint8Array, offset: number, length: number, nowMs: number): number {
    const header = ip4HeaderLength(bytes, offset, length);
    if (header < 0) return NAT_MALFORMED;
    const source = readInt32(bytes, offset + 12);
    if (!this.#isInner(source)) return NAT_PASSED;
    const second = Math.floor(nowMs / 1000);
    const destination = readInt32(bytes, offset + 16);
    const protocol = bytes[offset + 9]!;
    const fragment = read16(bytes, offset + 6);
    const id = read16(bytes, offset + 4);
    const proxyOnly = (this.flags & NAT_PROXY_ONLY) !== 0;
    if ((fragment & 0x1fff) !== 0) {
      const first = this.#fragmentsOut.find(source, destination, id, protocol, second);
      if (first < 0) return proxyOnly ? NAT_PASSED : NAT_FRAGMENT;
      const own = this.#fragmentsOut.newSource[first]!;
      const remote = this.#fragmentsOut.newDestination[first]!;
      rewrite(bytes, offset, 0, 0, protocol, SOURCE, own, 0);
      if (remote !== destination) rewrite(bytes, offset, 0, 0, protocol, DESTINATION, remote, 0);
      const turned = this.#isOuter(remote) ? this.#fragmentsIn.find(own, remote, id, protocol, second) : -1;
      if (turned < 0) return NAT_TRANSLATED;
      rewrite(bytes, offset, 0, 0, protocol, DESTINATION, this.#fragmentsIn.newDestination[turned]!, 0);
      return NAT_HAIRPIN;
    }
    const upper = offset + header;
    const room = read16(bytes, offset + 2) - header;
    const fault = untranslatable(bytes, upper, room, protocol);
    if (fault !== 0) return proxyOnly ? NAT_PASSED : fault;
    if (protocol === IPPROTO_ICMP && isIcmp4Error(bytes[upper]!))
      return this.#errorOut(bytes, offset, header, fragment);
    const port = portOf(bytes, upper, protocol, SOURCE);
    const askedPort = protocol === IPPROTO_ICMP ? 0 : portOf(bytes, upper, protocol, DESTINATION);

    const table = this.#table;
    let session = table.findLocal(protocol, source, port, destination, askedPort);
    if (session < 0) {
      session = this.#open(protocol, source, port, destination, askedPort, second);
      if (session < 0) return this.#why;
    } else if (proxyOnly && !table.isProxied(session)) return NAT_PASSED;
    track(table, session, protocol, bytes, upper, SEEN_OUT, second);
    const mapping = table.mapping[session]!;
    const remote = table.remoteAddress[session]!;
    const remotePort = table.remotePort[session]!;
    rewrite(bytes, offset, upper, room, protocol, SOURCE, table.outerAddress[mapping]!, table.outerPort[mapping]!);
    if (table.isProxied(session)) rewrite(bytes, offset, upper, room, protocol, DESTINATION, remote, remotePort);
    if (protocol === IPPROTO_TCP) {
      const isFtp = this.ftp && (askedPort === FTP_PORT || port === FTP_PORT);
      if (isFtp && (fragment & 0x3fff) === 0) this.#sayFtp(session, bytes, offset, upper, second);
      if (table.shifted[session] !== 0) this.#shiftOf(session).forth(bytes, upper);
    }
    if ((fragment & 0x2000) !== 0)
      this.#fragmentsOut.remember(source, destination, id, protocol, bytes, offset, second);
    if (!proxyOnly && protocol !== IPPROTO_ICMP && this.#isOuter(remote)) {
      if (this.#redirects.isAlias(remote) || table.findOuter(protocol, remote, remotePort) >= 0)
        return this.#in(bytes, offset, length, nowMs) === NAT_TRANSLATED ? NAT_HAIRPIN : NAT_NO_MAPPING;
    }
    return NAT_TRANSLATED;
  }

  #in(bytes: Uint8Array, offset: number, length: number, nowMs: number): number {
    const header = ip4HeaderLength(bytes, offset, length);
    if (header < 0) return NAT_MALFORMED;
    const second = Math.floor(nowMs / 1000);
    const source = readInt32(bytes, offset + 12);
    const destination = readInt32(bytes, offset + 16);
    const protocol = bytes[offset + 9]!;
    const fragment = read16(bytes, offset + 6);
    const id = read16(bytes, offset + 4);
    const proxyOnly = (this.flags & NAT_PROXY_ONLY) !== 0;
    if ((fragment & 0x1fff) !== 0) {
      const first = this.#fragmentsIn.find(source, destination, id, protocol, second);
      if (first < 0) return !proxyOnly && this.#isOuter(destination) ? NAT_FRAGMENT : this.#unasked();
      const asked = this.#fragmentsIn.newSource[first]!;
      rewrite(bytes, offset, 0, 0, protocol, DESTINATION, this.#fragmentsIn.newDestination[first]!, 0);
      if (asked !== source) rewrite(bytes, offset, 0, 0, protocol, SOURCE, asked, 0);
      return NAT_TRANSLATED;
    }
    const upper = offset + header;
    const room = read16(bytes, offset + 2) - header;
    const fault = untranslatable(bytes, upper, room, protocol);
    if (fault !== 0) return proxyOnly ? NAT_PASSED : fault;
    if (protocol === IPPROTO_ICMP && isIcmp4Error(bytes[upper]!)) return this.#errorIn(bytes, offset, header, fragment);
    const port = portOf(bytes, upper, protocol, DESTINATION);
    const remotePort = protocol === IPPROTO_ICMP ? 0 : portOf(bytes, upper, protocol, SOURCE);

    const table = this.#table;
    const mapping = table.findOuter(protocol, destination, port);
    let session = mapping < 0 ? -1 : table.findSession(mapping, source, remotePort);
    if (proxyOnly && (session < 0 || !table.isProxied(session))) return NAT_PASSED;
    if (session < 0) {
      session = this.#admit(mapping, protocol, destination, port, source, remotePort, second);
      if (session < 0) return this.#why;
    }
    track(table, session, protocol, bytes, upper, SEEN_IN, second);
    const local = table.localAddress[session]!;
    rewrite(bytes, offset, upper, room, protocol, DESTINATION, local, table.localPort[session]!);
    if (table.shifted[session] !== 0) this.#shiftOf(session).back(bytes, upper);
    if (table.isProxied(session)) {
      const asked = table.askedAddress[session]!;
      rewrite(bytes, offset, upper, room, protocol, SOURCE, asked, table.askedPort[session]!);
    }
    if ((fragment & 0x2000) !== 0) this.#fragmentsIn.remember(source, destination, id, protocol, bytes, offset, second);
    return NAT_TRANSLATED;
  }

  #shiftOf(session: number): SequenceShift {
    if (this.#table.shifted[session] !== 0) return this.#shifts.get(session)!;
    const shift = new SequenceShift();
    this.#shifts.set(session, shift);
    this.#table.shifted[session] = 1;
    return shift;
  }

  /** A whole packet of an FTP control connection, its source translated: where it says where its sender waits, it says the outer address. */
  #sayFtp(session: number, bytes: Uint8Array, offset: number, upper: number, second: number): void {
    const table = this.#table;
    const total = read16(bytes, offset + 2);
    const data = upper + ((bytes[upper + 12]! >>> 4) << 2);
    const end = offset + total;
    // Another connection between the same ports.
    if ((bytes[upper + 13]! & 0x02) !== 0) table.shifted[session] = 0;
    if (data < upper + 20 || data >= end || end - data > FTP_LINE_BYTES) return;
    let line = '';
    for (let i = data; i < end; i++) line += String.fromCharCode(bytes[i]!);
    const local = table.localAddress[session]!;
    const said = ftpAddress(line, table.localPort[session] !== FTP_PORT);
    // Only where the sender itself waits, and not at a service's port (RFC 2577 §3): else it could open a door to somebody else.
    if (said === undefined || said.port < 1024 || (said.address ?? local >>> 0) !== local >>> 0) return;
    if (verify4(bytes, offset, total) !== CHECK_OK) return;
    let mapping = table.findInner(IPPROTO_TCP, local, said.port);
    const fresh = mapping < 0;
    if (fresh) mapping = this.#create(IPPROTO_TCP, local, said.port, false);
    if (mapping < 0) return;
    const text = said.write(table.outerAddress[mapping]! >>> 0, table.outerPort[mapping]!);
    const longer = text.length - said.length;
    // Until the other side comes, from whatever port.
    const remote = table.remoteAddress[session]!;
    const expires = second + NAT_TIMEOUTS.tcpTransitory;
    const fits = total + longer <= this.room;
    let waits = fits ? table.findSession(mapping, remote, 0) : -1;
    if (fits && waits < 0) waits = table.addSession(mapping, remote, 0, local, said.port, remote, 0, expires);
    if (waits < 0) {
      if (fresh) table.dropUnused(mapping);
      return;
    }
    table.expires[waits] = expires;
    this.longer = longer;
    const at = data + said.at;
    bytes.copyWithin(at + text.length, at + said.length, end);
    for (let i = 0; i < text.length; i++) bytes[at + i] = text.charCodeAt(i);
    write16(bytes, offset + 2, total + longer);
    write16(bytes, offset + 10, update16(read16(bytes, offset + 10), total, total + longer));
    set4(bytes, offset, total + longer);
    if (longer !== 0) this.#shiftOf(session).add(readInt32(bytes, upper + 4), longer);
  }

  /** A session for one inside that asks for somebody, who may be answered for by a proxy. */
  #open(protocol: number, local: number, localPort: number, asked: number, askedPort: number, second: number): number {
    const table = this.#table;
    const rule = proxyFor(this.proxyRules, protocol, local, asked, askedPort);
    if (rule === undefined && (this.flags & NAT_PROXY_ONLY) !== 0) return this.#refuse(NAT_PASSED);
    const remote = rule === undefined ? asked : rule.server | 0;
    const remotePort = rule === undefined || rule.serverPort === 0 ? askedPort : rule.serverPort;
    let mapping = table.findInner(protocol, local, localPort);
    let fresh = mapping < 0;
    if (fresh) mapping = this.#create(protocol, local, localPort, false);
    else if (table.findSession(mapping, remote, remotePort) >= 0) {
      // By this port the remote end is talked to already, as somebody else.
      mapping = this.#create(protocol, local, localPort, true);
      fresh = true;
    }
    if (mapping < 0) return -1;
    const expires = second + NAT_TIMEOUTS.other;
    const session = table.addSession(mapping, remote, remotePort, local, localPort, asked, askedPort, expires);
    if (session >= 0) return session;
    if (fresh) table.dropUnused(mapping);
    return this.#refuse(NAT_FULL);
  }

  /** A session for somebody outside whom nobody has asked, by the mapping where there is one. */
  #admit(
    mapping: number,
    protocol: number,
    outer: number,
    outerPort: number,
    remote: number,
    remotePort: number,
    second: number,
  ): number {
    const table = this.#table;
    const redirects = this.#redirects;
    const fixed = mapping >= 0 && table.fixed[mapping] !== 0;
    const inner = mapping >= 0 && !fixed ? table.innerAddress[mapping]! : 0;
    let local = inner;
    let localPort = outerPort;
    let shared = false;
    if (inner !== 0) {
      if (this.#strict) return this.#refuse(NAT_NO_MAPPING);
      localPort = table.innerPort[mapping]!;
    } else if (
      (fixed && redirects.chooseAt(mapping, remote, remotePort)) ||
      (redirects.isAlias(outer) && redirects.chooseFor(outer, outerPort))
    ) {
      local = redirects.address;
      localPort = redirects.port;
      shared = redirects.shared;
    } else if (this.target !== 0 && this.#addresses.includes(outer)) local = this.target | 0;
    else return this.#refuse(this.#unasked());
    if (!hasPorts(protocol)) localPort = 0;

    let at = mapping;
    if (at < 0) {
      const nobodys = shared || table.findInner(protocol, local, localPort) >= 0;
      at = this.#add(protocol, nobodys ? 0 : local, nobodys ? 0 : localPort, outer, outerPort);
      if (at < 0) return -1;
    }
    const expires = second + NAT_TIMEOUTS.other;
    const session = table.addSession(at, remote, remotePort, local, localPort, remote, remotePort, expires);
    if (session >= 0) return session;
    if (mapping < 0) table.dropUnused(at);
    return this.#refuse(NAT_FULL);
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
    const otherPort = protocol === IPPROTO_ICMP ? 0 : portOf(bytes, upper, protocol, 1 - side);
    const address = readInt32(bytes, quoted + 12 + side * 4);
    const other = readInt32(bytes, quoted + 12 + (1 - side) * 4);
    const table = this.#table;
    const inward = side === SOURCE;
    const mapping = inward ? table.findOuter(protocol, address, port) : -1;
    if (inward && mapping < 0) return this.#unasked();
    const session = inward
      ? table.findSession(mapping, other, otherPort)
      : table.findLocal(protocol, address, port, other, otherPort);
    if ((this.flags & NAT_PROXY_ONLY) !== 0 && (session < 0 || !table.isProxied(session))) return NAT_PASSED;
    if (session < 0) return NAT_NO_MAPPING;
    const at = table.mapping[session]!;
    const to = inward ? table.localAddress[session]! : table.outerAddress[at]!;
    const room = total - header - 8 - quotedHeader;
    const toPort = inward ? table.localPort[session]! : table.outerPort[at]!;
    rewrite(bytes, quoted, upper, room, protocol, side, to, toPort);
    rewrite(bytes, offset, 0, 0, IPPROTO_ICMP, own, to, 0);
    if (table.isProxied(session)) {
      const far = inward ? table.askedAddress[session]! : table.remoteAddress[session]!;
      const farPort = inward ? table.askedPort[session]! : table.remotePort[session]!;
      rewrite(bytes, quoted, upper, room, protocol, 1 - side, far, farPort);
      const end = offset + 12 + (1 - own) * 4;
      if (readInt32(bytes, end) === other) rewrite(bytes, offset, 0, 0, IPPROTO_ICMP, 1 - own, far, 0);
    }
    write16(bytes, icmp + 2, 0);
    write16(bytes, icmp + 2, finish(sum(bytes, icmp, total - header)));
    return NAT_TRANSLATED;
  }

  #unasked(): number {
    return (this.flags & NAT_DENY_INCOMING) === 0 ? NAT_PASSED : NAT_NO_MAPPING;
  }

  /**
   * A mapping for one inside: on the host's own outer address, or with it, on the one that hosts like it keep to. `alone`: one more, that
   * only the session it is made for has.
   */
  #create(protocol: number, inner: number, port: number, alone: boolean): number {
    let outer = this.#redirects.aliasOf(inner);
    if (outer === undefined) {
      const count = this.#addresses.length;
      if (count === 0) return this.#refuse(NAT_NO_PORT);
      outer = this.#addresses[(Math.imul(inner, 0x9e3779b1) >>> 16) % count]!;
    }
    const outerPort = this.#portAt(outer, protocol, port);
    if (outerPort < 0) return this.#refuse(NAT_NO_PORT);
    return this.#add(protocol, alone ? 0 : inner, alone || !hasPorts(protocol) ? 0 : port, outer, outerPort);
  }

  #portAt(outer: number, protocol: number, port: number): number {
    const table = this.#table;
    // Without ports only one host can have the address, for each protocol.
    if (!hasPorts(protocol)) return table.findOuter(protocol, outer, 0) >= 0 ? -1 : 0;
    const pool = this.#addresses.indexOf(outer);
    const random = Math.floor(this.#random() * 65536);
    if (pool >= 0) return this.#ports.choose(pool, protocol, port, random, (this.flags & NAT_SAME_PORTS) !== 0);
    if (table.findOuter(protocol, outer, port) < 0) return port;
    for (let i = 0; i < TRIES; i++) {
      const tried = Math.floor(this.#random() * 64512) + 1024;
      if (table.findOuter(protocol, outer, tried) < 0) return tried;
    }
    return -1;
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

  #isOuter(address: number): boolean {
    for (let i = 0; i < this.#addresses.length; i++) if (this.#addresses[i] === address) return true;
    return this.#redirects.isAlias(address);
  }

  /** Whether what comes from here is translated: with the two modes, only where nobody outside can have this address (RFC 1918, RFC 6598). */
  #isInner(address: number): boolean {
    if ((this.flags & (NAT_UNREGISTERED_ONLY | NAT_UNREGISTERED_CGN)) === 0) return true;
    if ((this.flags & NAT_UNREGISTERED_CGN) !== 0 && address >>> 22 === 0x191) return true;
    return address >>> 24 === 10 || address >>> 20 === 0xac1 || address >>> 16 === 0xc0a8;
  }
}

/** Whether a redirect goes with the NAT's own address. */
function leavesOut({ aliasAddress, localAddress, servers }: NatRedirect): boolean {
  return aliasAddress === 0 || (localAddress === 0 && servers.length === 0);
}
