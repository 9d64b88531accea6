// What an attribute set becomes on its way to the members of a group: RFC 4271 §5.1 (next hop, AS_PATH, MED, LOCAL_PREF),
// RFC 4456 (reflection), RFC 5065 (confederations), RFC 1997 (well-known communities), and what the operator asked for. One
// pass over the canonical octets into a scratch area, and the result is interned like any other set.
import {
  AF_INET,
  AF_INET6,
  containsAddress,
  type Family,
  grown,
  isLinkLocal6,
  readWord,
  writeAddress,
} from '../../net/index.ts';
import type { AsPathSegment } from '../rib/attribute-set.ts';
import {
  type AttributeStore,
  HAS_GRACEFUL_SHUTDOWN,
  HAS_LOCAL_PREF,
  HAS_MED,
  HAS_NEXT_HOP_KEPT,
  HAS_NEXT_HOP_VIA,
  HAS_NO_ADVERTISE,
  HAS_NO_EXPORT,
  HAS_NO_EXPORT_SUBCONFED,
  HAS_OTC,
} from '../rib/attributes.ts';
import { encodeLabel, labelAt } from '../rib/internal-attribute.ts';
import type { BgpTable } from '../rib/table.ts';
import { PEER_IBGP, PEER_IBGP_CLIENT, PEER_LOCAL } from '../rib/types.ts';
import {
  ATTR_AS_PATH,
  ATTR_CLUSTER_LIST,
  ATTR_COMMUNITIES,
  ATTR_EXTENDED_COMMUNITIES,
  ATTR_INTERNAL,
  ATTR_LARGE_COMMUNITIES,
  ATTR_LOCAL_PREF,
  ATTR_MED,
  ATTR_NEXT_HOP,
  ATTR_ORIGINATOR_ID,
  ATTR_OTC,
  ATTR_PREFIX_SID,
  AttributeWriter,
  attributeTypes,
  COMMUNITY_GRACEFUL_SHUTDOWN,
  FLAG_EXTENDED,
  FLAG_OPTIONAL,
  FLAG_PARTIAL,
  FLAG_TRANSITIVE,
  SEGMENT_CONFED_SEQUENCE,
  SEGMENT_SEQUENCE,
} from '../wire/attribute.ts';
import { type FamilyCode, IPV4_VPN, ROUTE_TARGET } from '../wire/family.ts';
import { keepsMarked, marksOutward } from '../wire/role.ts';
import type { GroupOptions } from './types.ts';

/** 64512–65534 and 4200000000–4294967294 (RFC 6996 §5). */
export function isPrivateAs(as: number): boolean {
  return (as >= 64512 && as <= 65534) || (as >= 4200000000 && as <= 4294967294);
}

/** Type octet of an extended community that stays in the AS (RFC 4360 §2). */
const NON_TRANSITIVE = 0x40;

export class ExportTransform {
  readonly #store: AttributeStore;
  readonly #sets: AttributeStore;
  readonly #table: BgpTable;
  readonly #family: Family;
  readonly #options: GroupOptions;
  /** Where members are: outside our AS or confederation, in another AS of it, or in ours. */
  readonly #outside: boolean;
  readonly #confed: boolean;
  readonly #inside: boolean;
  /** Members are told what others said as if we had (RFC 4684 §3.2 (i)). */
  readonly #speaks: boolean;
  readonly #writer = new AttributeWriter();
  /** Own next hop, 4, 16 or 32 octets; none: routes that need it cannot be sent. */
  readonly #self: Uint8Array;
  // The last answer for a set, by its id: good while neither set's id was given to another.
  #cacheOut = new Uint32Array(0);
  #cacheSerial = new Uint32Array(0);
  #cacheOutSerial = new Uint32Array(0);
  #cacheVariant = new Uint32Array(0);

  /** `sets`: where the results are interned. */
  constructor(table: BgpTable, sets: AttributeStore, options: GroupOptions) {
    this.#table = table;
    this.#store = table.store;
    this.#sets = sets;
    this.#family = table.family;
    this.#options = options;
    this.#outside = options.kind === 'ebgp';
    this.#confed = options.kind === 'confed';
    this.#inside = !this.#outside && !this.#confed;
    this.#speaks = table.code === ROUTE_TARGET && options.kind === 'ibgp-client';
    this.#self = selfNexthop(table.code, options);
  }

  /** The policy or the rules changed: no answer holds any more. */
  forget(): void {
    this.#cacheVariant.fill(0, 0, this.#store.limit);
  }

  /** What members are sent for a path: an id of `sets` with one reference, or 0: nothing. */
  apply(path: number, prefix: number): number {
    const table = this.#table;
    const store = this.#store;
    const sets = this.#sets;
    const attributes = table.pathAttributes[path]!;
    if (attributes === 0) return 0;
    if (table.suppressed[prefix] === 1 && !this.#options.unsuppress) return 0;
    const flags = store.flags[attributes]!;
    const peer = table.pathPeer[path]!;
    const kind = table.peerKind(peer);
    if ((flags & HAS_NO_ADVERTISE) !== 0) return 0;
    if (!this.#inside) {
      if ((flags & (this.#outside ? HAS_NO_EXPORT | HAS_NO_EXPORT_SUBCONFED : HAS_NO_EXPORT_SUBCONFED)) !== 0) return 0;
      if (this.#outside && (flags & HAS_OTC) !== 0 && keepsMarked(this.#options.role)) return 0;
    } else if (kind === PEER_IBGP) {
      if (this.#options.kind === 'ibgp') return 0; // RFC 4271 §9.2; RFC 4456 §6 (1): from non-clients to clients only
    } else if (kind === PEER_IBGP_CLIENT && this.#options.kind === 'ibgp-client') {
      // A client's membership is for all who reflect for it, whoever else hears of it.
      if (!this.#options.clientToClient && !this.#speaks) return 0;
    }
    const reflected = this.#inside && (kind === PEER_IBGP || kind === PEER_IBGP_CLIENT);
    // A route server that says nothing of itself between its clients (RFC 7947 §2.2).
    const transparent = this.#options.routeServerClient && table.peers[peer]?.routeServerClient === true;
    const policy = this.#options.policy;
    if (policy?.perPrefix === true) return this.#build(attributes, prefix, peer, kind, reflected, transparent);

    // A reflected set carries its originator's id, so the answer is the peer's; others differ by kind only. 0: no answer.
    const variant = reflected ? 16 + peer : 1 + kind + (transparent ? 8 : 0);
    if (attributes >= this.#cacheOut.length) this.#growCache();
    if (this.#cacheVariant[attributes] === variant && this.#cacheSerial[attributes] === store.serial[attributes]) {
      const known = this.#cacheOut[attributes]!;
      if (known === 0) return 0;
      if (this.#cacheOutSerial[attributes] === sets.serial[known] && sets.references(known) > 0) {
        return sets.retain(known);
      }
    }
    const out = this.#build(attributes, -1, peer, kind, reflected, transparent);
    if (attributes >= this.#cacheOut.length) this.#growCache();
    this.#cacheVariant[attributes] = variant;
    this.#cacheSerial[attributes] = store.serial[attributes]!;
    this.#cacheOut[attributes] = out;
    this.#cacheOutSerial[attributes] = sets.serial[out]!;
    return out;
  }

  #build(
    attributes: number,
    prefix: number,
    peer: number,
    kind: number,
    reflected: boolean,
    transparent: boolean,
  ): number {
    const store = this.#store;
    const { policy, medUnchanged } = this.#options;
    const dropMed = this.#outside && kind !== PEER_LOCAL && !medUnchanged && !transparent;
    const showMed = policy !== undefined && policy.concernsMed !== false;
    const base = this.#prepare(attributes, dropMed && showMed);
    const chosen = policy === undefined ? store.retain(base) : policy.apply(base, prefix, peer);
    let out = 0;
    // A well-known community that the policy adds is for the one who receives the route (RFC 1997): it does not hold it back.
    if (chosen > 0) {
      const keepMed = !dropMed || showMed;
      out = this.#transform(chosen, peer, kind, reflected, transparent, keepMed);
      store.release(chosen);
    }
    store.release(base);
    return out;
  }

  /** The set that the policy sees, with one reference: without what is taken out before it adds something of the kind. */
  #prepare(attributes: number, dropMed: boolean): number {
    const store = this.#store;
    const { removePrivateAs, overrideAs } = this.#options;
    const strip = dropMed && (store.flags[attributes]! & HAS_MED) !== 0;
    const replace = this.#outside && (removePrivateAs !== 'no' || overrideAs);
    if (!strip && !replace) return store.retain(attributes);
    const editor = store.editor.begin(attributes);
    // A neighbour's MED is not passed on to another AS (RFC 4271 §5.1.4), but policy may ask for it, and one that it sets is.
    if (strip) editor.remove(ATTR_MED).setInternal({ receivedMed: store.med[attributes]! });
    if (replace) editor.setAsPath(this.#replaceAses(editor.asPath()));
    return editor.finish();
  }

  #transform(
    attributes: number,
    peer: number,
    kind: number,
    reflected: boolean,
    transparent: boolean,
    keepMed: boolean,
  ): number {
    const store = this.#store;
    const options = this.#options;
    const outside = this.#outside;
    const inside = this.#inside;
    const to = this.#writer;
    const arena = store.arena;
    const self = this.#nexthopIsSelf(attributes, kind, reflected, transparent);
    if (self && this.#self.length === 0) return 0;
    to.length = 0;
    // What is not in the set but has to be in the result, by ascending code.
    let hop = self;
    let pref = !outside && (store.flags[attributes]! & HAS_LOCAL_PREF) === 0;
    let mark = outside && options.gracefulShutdown && options.sendCommunity;
    if ((store.flags[attributes]! & HAS_GRACEFUL_SHUTDOWN) !== 0) mark = false;
    let otc = outside && marksOutward(options.role) && (store.flags[attributes]! & HAS_OTC) === 0;
    let originator = reflected;
    let cluster = reflected;
    let at = store.start[attributes]!;
    const end = at + store.length[attributes]!;
    while (at < end) {
      const flags = arena[at]!;
      const code = arena[at + 1]!;
      const extended = (flags & FLAG_EXTENDED) !== 0;
      const length = extended ? (arena[at + 2]! << 8) | arena[at + 3]! : arena[at + 2]!;
      const value = at + (extended ? 4 : 3);
      const next = value + length;
      if (code >= ATTR_NEXT_HOP) {
        if (hop) hop = this.#writeSelf(to);
        if (code > ATTR_LOCAL_PREF) {
          if (pref) pref = this.#writeLocalPref(to);
          if (mark && code >= ATTR_COMMUNITIES) {
            const own = code === ATTR_COMMUNITIES;
            mark = this.#writeMark(to, arena, own ? value : 0, own ? next : 0);
            if (own) {
              at = next;
              continue;
            }
          }
          if (code >= ATTR_ORIGINATOR_ID) {
            if (originator && (code !== ATTR_ORIGINATOR_ID || this.#speaks))
              originator = this.#writeOriginator(to, peer);
            if (otc && code > ATTR_OTC) otc = this.#writeOtc(to);
            if (cluster && code > ATTR_CLUSTER_LIST) cluster = this.#writeCluster(to, arena, 0, 0);
          }
        }
      }
      let keep = true;
      switch (code) {
        case ATTR_INTERNAL:
          // Of a VPN's route the label goes with the prefix.
          if (this.#table.vpn && labelAt(arena, value) >= 0) this.#writeLabel(to, labelAt(arena, value));
          keep = false;
          break;
        case ATTR_AS_PATH:
          if (!inside) {
            if (outside) this.#writeAsPath(to, value, next);
            else this.#prependAs(to, SEGMENT_CONFED_SEQUENCE, arena, value, next);
            keep = false;
          }
          break;
        case ATTR_NEXT_HOP:
          keep = !self;
          if (keep && length === 32 && !outside) {
            // The link-local address means nothing behind the link (RFC 2545 §3).
            to.header(FLAG_TRANSITIVE, ATTR_NEXT_HOP, 16);
            to.copy(arena, value, value + 16);
            keep = false;
          }
          break;
        case ATTR_MED:
          keep = keepMed;
          break;
        case ATTR_LOCAL_PREF:
          keep = !outside && !options.gracefulShutdown;
          if (!outside && !keep) this.#writeLocalPref(to);
          break;
        case ATTR_COMMUNITIES:
          keep = options.sendCommunity;
          break;
        case ATTR_ORIGINATOR_ID:
          // What policy sets counts here, in the decision; it is said where the route is reflected (RFC 4456 §8).
          keep = reflected && !this.#speaks;
          originator = false;
          break;
        case ATTR_CLUSTER_LIST:
          keep = inside;
          if (cluster) {
            cluster = this.#writeCluster(to, arena, value, next);
            keep = false;
          }
          break;
        case ATTR_EXTENDED_COMMUNITIES:
          keep = options.sendExtendedCommunity;
          if (keep && outside) {
            this.#writeTransitive(to, value, next);
            keep = false;
          }
          break;
        case ATTR_LARGE_COMMUNITIES:
          keep = options.sendLargeCommunity;
          break;
        default:
          if (attributeTypes[code] === undefined) {
            // RFC 4271 §5: passed on by one that did not know it.
            to.header(flags | FLAG_PARTIAL, code, length);
            to.copy(arena, value, next);
            keep = false;
          }
      }
      if (keep) {
        to.need(next - at);
        to.copy(arena, at, next);
      }
      at = next;
    }
    if (hop) this.#writeSelf(to);
    if (pref) this.#writeLocalPref(to);
    if (mark) this.#writeMark(to, arena, 0, 0);
    if (originator) this.#writeOriginator(to, peer);
    if (cluster) this.#writeCluster(to, arena, 0, 0);
    if (otc) this.#writeOtc(to);
    to.pad();
    return this.#sets.intern(to);
  }

  /** RFC 4271 §5.1.3. */
  #nexthopIsSelf(attributes: number, kind: number, reflected: boolean, transparent: boolean): boolean {
    const store = this.#store;
    const options = this.#options;
    const hop = store.nexthop[attributes]!;
    if (hop === 0) return true;
    const hops = store.nexthops;
    const family = hops.family(hop);
    const words = hops.words(hop);
    if (words[0] === 0 && words[1] === 0 && words[2] === 0 && words[3] === 0) return true;
    if (this.#table.vpn) return this.#vpnNexthopIsSelf(attributes, kind, reflected);
    if (this.#speaks && reflected) return true;
    // Another instance's next hop says nothing to those in ours.
    if ((store.flags[attributes]! & HAS_NEXT_HOP_VIA) !== 0) return true;
    // An address that the members could not use in this family at all.
    if (
      this.#table.code !== ROUTE_TARGET &&
      family !== this.#family &&
      !(family === AF_INET6 && options.extendedNextHop)
    )
      return true;
    if (family === AF_INET6 && isLinkLocal6(words)) return true;
    if ((store.flags[attributes]! & HAS_NEXT_HOP_KEPT) !== 0) return false;
    if (options.nextHopUnchanged || transparent) return false;
    if (this.#outside) {
      if (options.nextHopSelf !== false || !options.sharedSubnet) return true;
      return !containsAddress(options.sharedSubnet, family, words);
    }
    return reflected ? options.nextHopSelf === 'force' : options.nextHopSelf !== false;
  }

  /** The label is the next hop's own, so it stays (RFC 4364 §10 (c)); an SRv6 SID says itself whose it is. */
  #vpnNexthopIsSelf(attributes: number, kind: number, reflected: boolean): boolean {
    const { nextHopSelf } = this.#options;
    if (kind === PEER_LOCAL || (this.#store.flags[attributes]! & HAS_NEXT_HOP_KEPT) !== 0) return false;
    return (
      (reflected ? nextHopSelf === 'force' : nextHopSelf !== false) && this.#store.find(attributes, ATTR_PREFIX_SID)
    );
  }

  #writeLabel(to: AttributeWriter, label: number): void {
    const value = encodeLabel(label);
    to.header(0, ATTR_INTERNAL, value.length);
    to.copy(value, 0, value.length);
  }

  #writeSelf(to: AttributeWriter): false {
    to.header(FLAG_TRANSITIVE, ATTR_NEXT_HOP, this.#self.length);
    to.copy(this.#self, 0, this.#self.length);
    return false;
  }

  #writeLocalPref(to: AttributeWriter): false {
    to.header(FLAG_TRANSITIVE, ATTR_LOCAL_PREF, 4);
    to.word(this.#options.gracefulShutdown ? 0 : this.#options.defaultLocalPref);
    return false;
  }

  /** The communities with GRACEFUL_SHUTDOWN among them, in its place. */
  #writeMark(to: AttributeWriter, arena: Uint8Array, from: number, end: number): false {
    to.header(FLAG_OPTIONAL | FLAG_TRANSITIVE, ATTR_COMMUNITIES, 4 + end - from);
    let at = from;
    while (at < end && readWord(arena, at) < COMMUNITY_GRACEFUL_SHUTDOWN) at += 4;
    to.copy(arena, from, at);
    to.word(COMMUNITY_GRACEFUL_SHUTDOWN);
    to.copy(arena, at, end);
    return false;
  }

  #writeOtc(to: AttributeWriter): false {
    to.header(FLAG_OPTIONAL | FLAG_TRANSITIVE, ATTR_OTC, 4);
    to.word(this.#options.localAs);
    return false;
  }

  #writeOriginator(to: AttributeWriter, peer: number): false {
    to.header(FLAG_OPTIONAL, ATTR_ORIGINATOR_ID, 4);
    to.word(this.#speaks ? this.#options.routerId : (this.#table.peers[peer]?.routerId ?? 0));
    return false;
  }

  #writeCluster(to: AttributeWriter, arena: Uint8Array, from: number, end: number): false {
    to.header(FLAG_OPTIONAL, ATTR_CLUSTER_LIST, 4 + end - from);
    to.word(this.#options.clusterId);
    to.copy(arena, from, end);
    return false;
  }

  /** Extended communities that may leave the AS (RFC 4360 §6). */
  #writeTransitive(to: AttributeWriter, from: number, end: number): void {
    const { arena } = this.#store;
    let count = 0;
    for (let at = from; at < end; at += 8) if ((arena[at]! & NON_TRANSITIVE) === 0) count++;
    if (count === 0) return;
    to.header(FLAG_OPTIONAL | FLAG_TRANSITIVE, ATTR_EXTENDED_COMMUNITIES, count * 8);
    for (let at = from; at < end; at += 8) if ((arena[at]! & NON_TRANSITIVE) === 0) to.copy(arena, at, at + 8);
  }

  /** The path for those outside: without what is the confederation's own (RFC 5065 §4), with our AS in front. */
  #writeAsPath(to: AttributeWriter, from: number, end: number): void {
    const { routeServerClient, asPathUnchanged } = this.#options;
    let bytes = this.#store.arena;
    let at = from;
    let last = end;
    let confed = false;
    for (let i = from; i < end; i += 2 + bytes[i + 1]! * 4) if (bytes[i]! >= SEGMENT_CONFED_SEQUENCE) confed = true;
    if (confed) {
      bytes = withoutConfederation(bytes.subarray(from, end));
      at = 0;
      last = bytes.length;
    }
    if (routeServerClient || (asPathUnchanged && last > at)) {
      to.header(FLAG_TRANSITIVE, ATTR_AS_PATH, last - at);
      to.copy(bytes, at, last);
    } else this.#prependAs(to, SEGMENT_SEQUENCE, bytes, at, last);
  }

  /** The path with our AS in front, in a segment of this type (RFC 4271 §5.1.2 (b), RFC 5065 §4 (c)). */
  #prependAs(to: AttributeWriter, type: number, bytes: Uint8Array, at: number, last: number): void {
    const { localAs } = this.#options;
    const count = last > at ? bytes[at + 1]! : 0;
    if (last > at && bytes[at] === type && count < 255) {
      to.header(FLAG_TRANSITIVE, ATTR_AS_PATH, 4 + last - at);
      to.byte(type);
      to.byte(count + 1);
      to.word(localAs);
      to.copy(bytes, at + 2, last);
    } else {
      to.header(FLAG_TRANSITIVE, ATTR_AS_PATH, 6 + last - at);
      to.byte(type);
      to.byte(1);
      to.word(localAs);
      to.copy(bytes, at, last);
    }
  }

  /** Private ASes taken out or replaced, all but the neighbour's own; and that one replaced where it is to be overridden. */
  #replaceAses(path: AsPathSegment[]): AsPathSegment[] {
    const { removePrivateAs: mode, overrideAs, localAs, remoteAs } = this.#options;
    const conditional = mode === 'if-only' || mode === 'replace-if-only';
    let segments = path;
    if (mode !== 'no' && (!conditional || path.every(segment => segment.as.every(isPrivateAs)))) {
      const goes = (as: number): boolean => isPrivateAs(as) && as !== remoteAs;
      const replace = mode === 'replace' || mode === 'replace-if-only';
      segments = path.map(({ type, as }) => ({
        type,
        as: replace ? as.map(one => (goes(one) ? localAs : one)) : as.filter(one => !goes(one)),
      }));
    }
    if (!overrideAs) return segments;
    return segments.map(({ type, as }) => ({ type, as: as.map(one => (one === remoteAs ? localAs : one)) }));
  }

  #growCache(): void {
    const rows = this.#store.capacity;
    [this.#cacheOut, this.#cacheSerial, this.#cacheOutSerial, this.#cacheVariant] = grown(
      rows,
      this.#cacheOut,
      this.#cacheSerial,
      this.#cacheOutSerial,
      this.#cacheVariant,
    );
  }
}

function withoutConfederation(path: Uint8Array): Uint8Array {
  const kept: Uint8Array[] = [];
  for (let at = 0; at < path.length; ) {
    const next = at + 2 + path[at + 1]! * 4;
    if (path[at]! < SEGMENT_CONFED_SEQUENCE) kept.push(path.subarray(at, next));
    at = next;
  }
  return Buffer.concat(kept);
}

function selfNexthop(code: FamilyCode, options: GroupOptions): Uint8Array {
  const narrow = code === AF_INET || code === IPV4_VPN;
  if ((narrow || code === ROUTE_TARGET) && options.localAddress4 !== undefined) {
    const bytes = new Uint8Array(4);
    writeAddress(AF_INET, [options.localAddress4, 0, 0, 0], bytes, 0);
    return bytes;
  }
  if (narrow && !options.extendedNextHop) return new Uint8Array(0);
  const global = options.localAddress6 ?? options.localLinkLocal6;
  if (!global) return new Uint8Array(0);
  const both =
    (options.kind === 'ebgp' || options.kind === 'confed') &&
    code !== ROUTE_TARGET &&
    options.localAddress6 &&
    options.localLinkLocal6;
  const bytes = new Uint8Array(both ? 32 : 16);
  writeAddress(AF_INET6, global, bytes, 0);
  if (both && options.localLinkLocal6) writeAddress(AF_INET6, options.localLinkLocal6, bytes, 16);
  return bytes;
}
