// Network address and port translation for IPv4 (RFC 3022) as RFC 4787, RFC 5382 and RFC 5508 want it, with the modes, redirects and proxy
// rules of FreeBSD's ng_nat. One worker's: nothing here is shared.
//
//   inside  ──outbound──▶  source (inner) becomes outer          ──▶  outside
//           ◀──inbound───  destination (outer) becomes inner     ◀──
//
// Here is what becomes of a packet: by its session (nat-sessions.ts) it is rewritten in place. Packets between two inner hosts by their outer
// addresses are turned round (hairpinning, RFC 4787 §6). What is not translated is left untouched, and says why.
import { CHECK_OK, finish, set4, sum, update16, verify4 } from './checksum.ts';
import { IPPROTO_ICMP, IPPROTO_TCP, ip4HeaderLength, read16, readInt32, write16 } from './ip.ts';
import { isIcmp4Error } from './icmp.ts';
import { NatFragments } from './nat-fragments.ts';
import { FTP_LINE_BYTES, FTP_PORT, ftpAddress } from './nat-ftp.ts';
import { DESTINATION, portOf, rewrite, SOURCE, untranslatable } from './nat-rewrite.ts';
import {
  NAT_FRAGMENT,
  NAT_HAIRPIN,
  NAT_MALFORMED,
  NAT_NO_MAPPING,
  NAT_PASSED,
  NAT_PROXY_ONLY,
  NAT_REVERSE,
  NAT_TIMEOUTS,
  NAT_TRANSLATED,
  NAT_UNREGISTERED_CGN,
  NAT_UNREGISTERED_ONLY,
} from './nat-options.ts';
import { SequenceShift } from './nat-sequence.ts';
import { SEEN_IN, SEEN_OUT, track } from './nat-track.ts';
import { NatSessions } from './nat-sessions.ts';

export * from './nat-options.ts';

export class Nat extends NatSessions {
  /** Whether what FTP says of addresses is put right. Then a packet may become `longer` (less than 0: shorter), up to `room` bytes. */
  ftp = false;
  room = 0;
  longer = 0;
  readonly #fragmentsOut: NatFragments = new NatFragments();
  readonly #fragmentsIn: NatFragments = new NatFragments();
  /** By session, of those that are `shifted`. */
  readonly #shifts: Map<number, SequenceShift> = new Map();

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
      const turned = this.isOuter(remote) ? this.#fragmentsIn.find(own, remote, id, protocol, second) : -1;
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

    const table = this.table;
    let session = table.findLocal(protocol, source, port, destination, askedPort);
    if (session < 0) {
      session = this.open(protocol, source, port, destination, askedPort, second);
      if (session < 0) return this.why;
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
    if (!proxyOnly && protocol !== IPPROTO_ICMP && this.isOuter(remote)) {
      if (this.rules.isAlias(remote) || table.findOuter(protocol, remote, remotePort) >= 0)
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
      if (first < 0) return !proxyOnly && this.isOuter(destination) ? NAT_FRAGMENT : this.unasked();
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

    const table = this.table;
    const mapping = table.findOuter(protocol, destination, port);
    let session = mapping < 0 ? -1 : table.findSession(mapping, source, remotePort);
    if (proxyOnly && (session < 0 || !table.isProxied(session))) return NAT_PASSED;
    if (session < 0) {
      session = this.admit(mapping, protocol, destination, port, source, remotePort, second);
      if (session < 0) return this.why;
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
    if (this.table.shifted[session] !== 0) return this.#shifts.get(session)!;
    const shift = new SequenceShift();
    this.#shifts.set(session, shift);
    this.table.shifted[session] = 1;
    return shift;
  }

  /** A whole packet of an FTP control connection, its source translated: where it says where its sender waits, it says the outer address. */
  #sayFtp(session: number, bytes: Uint8Array, offset: number, upper: number, second: number): void {
    const table = this.table;
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
    if (fresh) mapping = this.create(IPPROTO_TCP, local, said.port, false);
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
    const table = this.table;
    const inward = side === SOURCE;
    const mapping = inward ? table.findOuter(protocol, address, port) : -1;
    if (inward && mapping < 0) return this.unasked();
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

  /** Whether what comes from here is translated: with the two modes, only where nobody outside can have this address (RFC 1918, RFC 6598). */
  #isInner(address: number): boolean {
    if ((this.flags & (NAT_UNREGISTERED_ONLY | NAT_UNREGISTERED_CGN)) === 0) return true;
    if ((this.flags & NAT_UNREGISTERED_CGN) !== 0 && address >>> 22 === 0x191) return true;
    return address >>> 24 === 10 || address >>> 20 === 0xac1 || address >>> 16 === 0xc0a8;
  }
}
