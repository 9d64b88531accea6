// Makes messages. The set that a pending route (routes.ts) wants is looked at, and the routes chained beside it in the same set
// and pending too fill the message up: that is what packs them, without any queue.
import { AF_INET, grown } from '../../net/index.ts';
import type { AttributeStore } from '../rib/attributes.ts';
import { labelAt } from '../rib/internal-attribute.ts';
import type { BgpTable } from '../rib/table.ts';
import { ATTR_INTERNAL, ATTR_MP_REACH, ATTR_NEXT_HOP, FLAG_EXTENDED, FLAG_OPTIONAL } from '../wire/attribute.ts';
import { familyOf } from '../wire/family.ts';
import { labelField, WITHDRAWN_LABEL } from '../wire/labels.ts';
import { PATH_ID_BYTES, VPN_HEAD_BYTES, writePathId, writePrefix4, writePrefix6, writeVpn } from '../wire/nlri.ts';
import { beginUpdate, endUpdate, endWithdrawals, withdrawalsStart } from '../wire/update.ts';
import type { AdjRibOut } from './adj-rib-out.ts';
import { OldSpeakerEncoder } from './encode.ts';
import type { Routes } from './routes.ts';
import type { Member, Stream } from './streams.ts';
import type { GroupOptions } from './types.ts';

/** Chained routes in a row that are not pending before the search for more stops. */
const MISSES = 16;

export class Packer {
  /** The message that was made. */
  readonly bytes: Uint8Array;
  /** The routes in it, and those that were left out because the members know of them what it says. */
  packed: Uint32Array = new Uint32Array(1024);
  count = 0;
  /** Routes announced and withdrawn, a message to several members counted once. */
  announced = 0;
  withdrawn = 0;
  readonly #table: BgpTable;
  readonly #sets: AttributeStore;
  readonly #routes: Routes;
  readonly #adj: AdjRibOut;
  /** What stands before each prefix: an identifier, and of a VPN's, label and distinguisher. */
  readonly #headBytes: number;
  readonly #idBytes: number;
  /** Of a VPN's prefixes: their label field's 24 bits. */
  #label = WITHDRAWN_LABEL;
  readonly #old: OldSpeakerEncoder | undefined;
  readonly #messageBytes: number;

  constructor(table: BgpTable, sets: AttributeStore, routes: Routes, adj: AdjRibOut, options: GroupOptions) {
    this.#table = table;
    this.#sets = sets;
    this.#routes = routes;
    this.#adj = adj;
    this.#idBytes = routes.byPath ? PATH_ID_BYTES : 0;
    this.#headBytes = this.#idBytes + (table.vpn ? VPN_HEAD_BYTES : 0);
    this.#old = options.as4 ? undefined : new OldSpeakerEncoder();
    this.#messageBytes = options.maximumMessageBytes;
    this.bytes = new Uint8Array(this.#messageBytes);
    beginUpdate(this.bytes, 0);
  }

  /** Whether the set and one prefix fit into a message. */
  fits(out: number): boolean {
    const length = this.#sets.length[out]!;
    // 23: header and the two lengths; 64: MP_REACH_NLRI around two next hops and a prefix. AS4_PATH repeats the path.
    const around = 23 + 64 + (this.#table.vpn ? 16 + VPN_HEAD_BYTES : 0);
    return (this.#old ? length * 2 : length) + around <= this.#messageBytes;
  }

  /** Withdrawals of routes nobody is to have; 0: none of the members had any of them. */
  withdrawals(stream: Stream, first: number): number {
    const adj = this.#adj;
    const dirty = stream.dirty;
    const { code } = this.#table;
    this.#label = WITHDRAWN_LABEL;
    let at = withdrawalsStart(code);
    const limit = this.#messageBytes - (code === AF_INET ? 2 : 0) - 17 - this.#headBytes;
    this.count = 0;
    let misses = 0;
    let sent = 0;
    for (let route = first; route >= 0 && at < limit && misses < 256; route = dirty.from(route + 1)) {
      if (adj.out[route] !== 0) {
        misses++;
        continue;
      }
      this.add(route);
      if (!adj.wasAnnounced(stream, route)) continue;
      sent++;
      at += this.#writeRoute(route, at);
    }
    if (sent === 0) return 0;
    this.withdrawn += sent;
    return endWithdrawals(this.bytes, code, at);
  }

  /** Announcements of a set with the routes that want it; 0: the members know all of it. */
  announcements(stream: Stream, first: number, out: number): number {
    const sets = this.#sets;
    const bytes = this.bytes;
    const maximum = this.#messageBytes;
    this.count = 0;
    // Attributes first where they can be copied as they are, after MP_REACH_NLRI where the next hop is in there.
    const hopFound = sets.find(out, ATTR_NEXT_HOP);
    const hop = sets.foundStart;
    const hopLength = hopFound ? sets.foundEnd - hop : 0;
    const { code, vpn } = this.#table;
    const multiprotocol = code !== AF_INET || hopLength !== 4;
    // What goes with the set and is on no wire stands before all else.
    let start = sets.start[out]!;
    if (vpn) {
      this.#label = WITHDRAWN_LABEL;
      if (sets.arena[start + 1] === ATTR_INTERNAL) {
        this.#label = labelField(Math.max(labelAt(sets.arena, start + 3), 0));
        start += 3 + sets.arena[start + 2]!;
      }
    }
    bytes[19] = bytes[20] = 0;
    if (!multiprotocol) {
      let at = 23;
      if (this.#old) at = this.#writeOld(this.#old, out, false, at);
      else {
        const arena = sets.arena;
        const end = sets.start[out]! + sets.length[out]!;
        for (let from = start; from < end; ) bytes[at++] = arena[from++]!;
      }
      bytes[21] = (at - 23) >>> 8;
      bytes[22] = at - 23;
      const end = this.#packChain(stream, first, out, at, maximum - 4 - this.#headBytes);
      return end === at ? 0 : endUpdate(bytes, 0, end);
    }
    // The others' length is known only when they are written; they go behind, and cost at most this.
    const reserve = this.#old ? sets.length[out]! * 2 : sets.length[out]!;
    bytes[23] = FLAG_OPTIONAL | FLAG_EXTENDED;
    bytes[24] = ATTR_MP_REACH;
    const { afi, safi } = familyOf(code);
    bytes[27] = 0;
    bytes[28] = afi;
    bytes[29] = safi;
    let at = 31;
    for (let i = 0; i < hopLength; i++) {
      // Each address of a VPN's next hop is behind a distinguisher of zeros (RFC 4364 §4.3.2, RFC 4659 §3.2.1).
      if (vpn && (i === 0 || i === 16)) for (let zeros = 0; zeros < 8; zeros++) bytes[at++] = 0;
      bytes[at++] = sets.arena[hop + i]!;
    }
    bytes[30] = at - 31;
    bytes[at++] = 0;
    const begin = at;
    at = this.#packChain(stream, first, out, at, maximum - reserve - 17 - this.#headBytes);
    if (at === begin) return 0;
    bytes[25] = (at - 27) >>> 8;
    bytes[26] = at - 27;
    if (this.#old) at = this.#writeOld(this.#old, out, true, at);
    else {
      const arena = sets.arena;
      // Everything but NEXT_HOP, whose header is three octets before its value.
      const end = sets.start[out]! + sets.length[out]!;
      for (let from = start; from < end; from++) {
        if (from === hop - 3) from = hop + hopLength;
        if (from < end) bytes[at++] = arena[from]!;
      }
    }
    bytes[21] = (at - 23) >>> 8;
    bytes[22] = at - 23;
    return endUpdate(bytes, 0, at);
  }

  /** Withdrawals that are pending for one member alone. */
  unsent(member: Member): number {
    this.#label = WITHDRAWN_LABEL;
    let at = withdrawalsStart(this.#table.code);
    const limit = this.#messageBytes - 19 - this.#headBytes;
    for (let route = member.unsend.peek(); route >= 0 && at < limit; route = member.unsend.peek()) {
      member.unsend.delete(route);
      at += this.#writeRoute(route, at);
      this.#routes.release(route);
    }
    return endWithdrawals(this.bytes, this.#table.code, at);
  }

  /**
   * Packs `first` and what is pending beside it in its chain, to both sides; returns the offset behind the prefixes, which is
   * `from` where the members know all of them already.
   */
  #packChain(stream: Stream, first: number, out: number, from: number, limit: number): number {
    const adj = this.#adj;
    const dirty = stream.dirty;
    const source = adj.source[first]!;
    const main = stream.main;
    let at = this.#packRoute(first, from);
    if (main && adj.known(first, out)) at = from;
    for (let side = 0; side < 2; side++) {
      const links = side === 0 ? adj.prev : adj.next;
      let misses = 0;
      for (let link = links[first]!; link !== 0 && misses < MISSES && at < limit; link = links[link - 1]!) {
        const route = link - 1;
        if (!dirty.has(route) || adj.source[route] !== source) {
          misses++;
          continue;
        }
        misses = 0;
        const after = this.#packRoute(route, at);
        if (!main || !adj.known(route, out)) at = after;
      }
    }
    if (at !== from) this.announced += this.count;
    return at;
  }

  /** Counts a route in and writes it at `at`; returns the offset behind it. */
  #packRoute(route: number, at: number): number {
    this.add(route);
    return at + this.#writeRoute(route, at);
  }

  /** Returns the bytes written. */
  #writeRoute(route: number, from: number): number {
    if (this.#idBytes === 0) return this.#writePrefix(route, from);
    const at = from + writePathId(this.bytes, from, route);
    return PATH_ID_BYTES + this.#writePrefix(this.#routes.prefixOf(route), at);
  }

  #writePrefix(prefix: number, at: number): number {
    const { w0, w1, w2, w3, length } = this.#table.prefixes;
    if (this.#table.vpn) return this.#writeVpn(prefix, at);
    if (this.#table.family === AF_INET) return writePrefix4(this.bytes, at, w0[prefix]!, length[prefix]!);
    return writePrefix6(this.bytes, at, w0[prefix]!, w1[prefix]!, w2[prefix]!, w3[prefix]!, length[prefix]!);
  }

  #writeVpn(prefix: number, at: number): number {
    const { family, w0, w1, w2, w3, length, rd0, rd1 } = this.#table.prefixes;
    const wide = family !== AF_INET;
    return writeVpn(
      this.bytes,
      at,
      w0[prefix]!,
      wide ? w1[prefix]! : 0,
      wide ? w2[prefix]! : 0,
      wide ? w3[prefix]! : 0,
      length[prefix]!,
      this.#label,
      rd0[prefix]!,
      rd1[prefix]!,
    );
  }

  /** Writes the set as a speaker without 4-octet AS numbers has it; `rest`: without NEXT_HOP. Returns the offset behind it. */
  #writeOld(old: OldSpeakerEncoder, out: number, rest: boolean, at: number): number {
    const encoded = old.encode(this.#sets, out, rest);
    this.bytes.set(encoded.bytes.subarray(0, encoded.length), at);
    return at + encoded.length;
  }

  /** Counts a route among those of the message. */
  add(route: number): void {
    if (this.count === this.packed.length) [this.packed] = grown(this.count * 2, this.packed);
    this.packed[this.count++] = route;
  }
}
