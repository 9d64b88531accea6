// What comes in: an UPDATE's prefixes, or one route of our own, through loop check and import policy into path rows. Nothing
// is told to anybody while a prefix is being changed: a change marks the prefix undecided.
import { AF_INET, AF_INET6, readWord } from '../../net/index.ts';
import { ACTION_WITHDRAW, ATTR_OTC, COMMUNITY_NO_EXPORT } from '../wire/attribute.ts';
import { prefixWord, VPN_HEAD_BYTES, vpnDistinguisher, vpnLabel } from '../wire/nlri.ts';
import { keepsMarked, NO_ROLE, ROLE_PEER, ROLE_PROVIDER, ROLE_RS_SERVER } from '../wire/role.ts';
import type { UpdateParser } from '../wire/update.ts';
import {
  type AttributeStore,
  HAS_BLACKHOLE,
  HAS_GRACEFUL_SHUTDOWN,
  HAS_NO_ADVERTISE,
  HAS_NO_EXPORT,
  HAS_ORIGINATOR,
  HAS_OTC,
} from './attributes.ts';
import { EPOCH_SHIFT, FLAG_MASK, type TableColumns } from './columns.ts';
import { encodeLabel } from './internal-attribute.ts';
import {
  type DecisionOptions,
  PATH_BEST,
  PATH_CHANGED,
  PATH_FILTERED,
  PATH_LOCAL,
  PATH_LOOP,
  PATH_MULTIPATH,
  PATH_REMOVED,
  PATH_VALID,
  PEER_EBGP,
  PEER_LOCAL,
  type PeerInfo,
} from './types.ts';

const HAS_ORDERS: number = HAS_GRACEFUL_SHUTDOWN | HAS_BLACKHOLE;

export class Ingest {
  /** Announced prefixes that no unicast table can hold (multicast, IPv6 link-local). */
  ignored = 0;
  readonly #rows: TableColumns;
  readonly #store: AttributeStore;
  readonly #options: DecisionOptions;
  readonly #now: () => number;
  #clock = 0; // the time of this batch

  constructor(rows: TableColumns, options: DecisionOptions, now: () => number) {
    this.#rows = rows;
    this.#store = rows.store;
    this.#options = options;
    this.#now = now;
  }

  /** What comes from here on has changed now. */
  tick(): void {
    this.#clock = this.#now();
  }

  /** Everything of this family in a parsed UPDATE. */
  update(peer: number, update: UpdateParser): void {
    const rows = this.#rows;
    const bytes = update.bytes;
    const ipv4 = rows.code === AF_INET;
    // Once a batch; the clock costs more than a prefix.
    if (rows.undecided.size === 0) this.tick();
    const idBytes = update.idBytes(rows.code);
    if (ipv4 && update.withdrawnEnd > update.withdrawnStart) {
      this.#withdrawRange(peer, bytes, update.withdrawnStart, update.withdrawnEnd, idBytes);
    }
    if (update.unreachFamily === rows.code) {
      this.#withdrawRange(peer, bytes, update.unreachStart, update.unreachEnd, idBytes);
    }
    const plain = ipv4 && update.nlriEnd > update.nlriStart;
    const reach = update.reachFamily === rows.code && update.reachEnd > update.reachStart;
    if (update.action === ACTION_WITHDRAW) {
      if (plain) this.#withdrawRange(peer, bytes, update.nlriStart, update.nlriEnd, idBytes);
      if (reach) this.#withdrawRange(peer, bytes, update.reachStart, update.reachEnd, idBytes);
    } else {
      if (plain) this.#announceRange(peer, update, false, update.nlriStart, update.nlriEnd, idBytes);
      if (reach) this.#announceRange(peer, update, true, update.reachStart, update.reachEnd, idBytes);
    }
  }

  #announceRange(peer: number, update: UpdateParser, reach: boolean, from: number, end: number, idBytes: number): void {
    const rows = this.#rows;
    if (rows.vpn) return this.#announceVpn(peer, update, from, end, idBytes);
    const bytes = update.bytes;
    const store = this.#store;
    const attributes = store.intern(update.canonical(reach));
    const loop = this.loopFlag(peer, attributes);
    const policy = rows.peerPolicies[peer];
    const perPrefix = policy?.perPrefix === true;
    const post = perPrefix ? 0 : this.import(peer, attributes, -1);
    if (rows.family === AF_INET) {
      for (let at = from; at < end; ) {
        const id = idBytes === 0 ? 0 : readWord(bytes, at);
        at += idBytes;
        const length = bytes[at]!;
        const word = prefixWord(bytes, at, 0);
        at += 1 + ((length + 7) >>> 3);
        if (word >>> 28 === 14) {
          this.ignored++;
          continue;
        }
        const prefix = rows.insert(word, 0, 0, 0, length);
        if (perPrefix) this.announceOne(prefix, peer, id, attributes, loop);
        else this.announce(prefix, peer, id, attributes, post, loop);
      }
    } else {
      for (let at = from; at < end; ) {
        const id = idBytes === 0 ? 0 : readWord(bytes, at);
        at += idBytes;
        const length = bytes[at]!;
        const w0 = prefixWord(bytes, at, 0);
        const w1 = prefixWord(bytes, at, 1);
        const w2 = prefixWord(bytes, at, 2);
        const w3 = prefixWord(bytes, at, 3);
        at += 1 + ((length + 7) >>> 3);
        if (rows.code === AF_INET6 && (w0 >>> 24 === 255 || (w0 >>> 22 === 0x3fa && length >= 10))) {
          this.ignored++;
          continue;
        }
        const prefix = rows.insert(w0, w1, w2, w3, length);
        if (perPrefix) this.announceOne(prefix, peer, id, attributes, loop);
        else this.announce(prefix, peer, id, attributes, post, loop);
      }
    }
    if (post > 0) store.release(post);
    store.release(attributes);
  }

  /** Each prefix has a label of its own, which is part of its attribute set: prefixes side by side mostly share it. */
  #announceVpn(peer: number, update: UpdateParser, from: number, end: number, idBytes: number): void {
    const rows = this.#rows;
    const store = this.#store;
    const { bytes } = update;
    let known = -1;
    let attributes = 0;
    let loop = 0;
    for (let at = from; at < end; ) {
      const id = idBytes === 0 ? 0 : readWord(bytes, at);
      at += idBytes;
      const label = vpnLabel(bytes, at);
      if (label !== known) {
        store.release(attributes);
        attributes = store.intern(update.canonical(true, encodeLabel(label)));
        loop = this.loopFlag(peer, attributes);
        known = label;
      }
      const prefix = rows.insert(
        prefixWord(bytes, at, 0, VPN_HEAD_BYTES),
        prefixWord(bytes, at, 1, VPN_HEAD_BYTES),
        prefixWord(bytes, at, 2, VPN_HEAD_BYTES),
        prefixWord(bytes, at, 3, VPN_HEAD_BYTES),
        bytes[at]! - VPN_HEAD_BYTES * 8,
        vpnDistinguisher(bytes, at, 0),
        vpnDistinguisher(bytes, at, 1),
      );
      at += 1 + ((bytes[at]! + 7) >>> 3);
      this.announceOne(prefix, peer, id, attributes, loop);
    }
    store.release(attributes);
  }

  #withdrawVpn(peer: number, bytes: Uint8Array, from: number, end: number, idBytes: number): void {
    for (let at = from; at < end; ) {
      const id = idBytes === 0 ? 0 : readWord(bytes, at);
      at += idBytes;
      const prefix = this.#rows.prefixes.find(
        prefixWord(bytes, at, 0, VPN_HEAD_BYTES),
        prefixWord(bytes, at, 1, VPN_HEAD_BYTES),
        prefixWord(bytes, at, 2, VPN_HEAD_BYTES),
        prefixWord(bytes, at, 3, VPN_HEAD_BYTES),
        bytes[at]! - VPN_HEAD_BYTES * 8,
        vpnDistinguisher(bytes, at, 0),
        vpnDistinguisher(bytes, at, 1),
      );
      at += 1 + ((bytes[at]! + 7) >>> 3);
      if (prefix >= 0) this.withdraw(prefix, peer, id);
    }
  }

  #withdrawRange(peer: number, bytes: Uint8Array, from: number, end: number, idBytes: number): void {
    const rows = this.#rows;
    if (rows.vpn) return this.#withdrawVpn(peer, bytes, from, end, idBytes);
    const { prefixes } = rows;
    const ipv4 = rows.family === AF_INET;
    for (let at = from; at < end; ) {
      const id = idBytes === 0 ? 0 : readWord(bytes, at);
      at += idBytes;
      const length = bytes[at]!;
      const prefix = ipv4
        ? prefixes.find(prefixWord(bytes, at, 0), 0, 0, 0, length)
        : prefixes.find(
            prefixWord(bytes, at, 0),
            prefixWord(bytes, at, 1),
            prefixWord(bytes, at, 2),
            prefixWord(bytes, at, 3),
            length,
          );
      at += 1 + ((length + 7) >>> 3);
      if (prefix >= 0) this.withdraw(prefix, peer, id);
    }
  }

  /** What the import policy makes of a set: an id with one reference, or -1. No policy sees what nobody wants (RFC 9774). */
  import(peer: number, attributes: number, prefix: number): number {
    const rows = this.#rows;
    if (this.#options.rejectAsSets && rows.peerKinds[peer] !== PEER_LOCAL && this.#store.hasAsSet(attributes))
      return -1;
    const policy = rows.peerPolicies[peer];
    let post = policy ? policy.apply(attributes, prefix, peer) : this.#store.retain(attributes);
    if (post > 0 && rows.peerKinds[peer] === PEER_EBGP) {
      if ((this.#store.flags[post]! & HAS_ORDERS) !== 0) post = this.#obey(post);
      if (rows.peers[peer]!.role !== NO_ROLE) post = this.#onlyToCustomers(rows.peers[peer]!, post);
    }
    // Paths lead to this next hop from now on.
    if (post > 0) this.#store.nexthops.track(this.#store.nexthop[post]!);
    return post;
  }

  /** What communities from outside ask of us, whatever the policy made of them: takes a set's reference, gives another's. */
  #obey(attributes: number): number {
    const store = this.#store;
    const flags = store.flags[attributes]!;
    const editor = store.editor.begin(attributes);
    // RFC 8326 §4.3: the last choice, from now on.
    if ((flags & HAS_GRACEFUL_SHUTDOWN) !== 0) editor.setLocalPref(0);
    // RFC 7999 §3.2: the AS that is asked drops the packets; nobody behind it is to.
    if ((flags & HAS_BLACKHOLE) !== 0 && (flags & (HAS_NO_EXPORT | HAS_NO_ADVERTISE)) === 0) {
      editor.setCommunities([...editor.communities(), COMMUNITY_NO_EXPORT]);
    }
    const obeyed = editor.finish();
    store.release(attributes);
    return obeyed;
  }

  /** RFC 9234 §5, ingress: a leak (-1), or the set with OTC where it is to have it. Takes a reference, gives one. */
  #onlyToCustomers({ role, as }: PeerInfo, attributes: number): number {
    const store = this.#store;
    if ((store.flags[attributes]! & HAS_OTC) !== 0) {
      const up = role === ROLE_PROVIDER || role === ROLE_RS_SERVER;
      const across = role === ROLE_PEER && store.find(attributes, ATTR_OTC) && this.#found() !== as;
      if (!up && !across) return attributes;
      store.release(attributes);
      return -1;
    }
    if (!keepsMarked(role)) return attributes;
    const marked = store.editor.begin(attributes).setOtc(as).finish();
    store.release(attributes);
    return marked;
  }

  #found(): number {
    return readWord(this.#store.arena, this.#store.foundStart);
  }

  /** RFC 4271 §9.1.2, RFC 4456 §8, RFC 5065 §4: routes that went through here before. */
  loopFlag(peer: number, attributes: number): number {
    const rows = this.#rows;
    const info = rows.peers[peer]!;
    if (info.kind === PEER_LOCAL) return PATH_LOCAL;
    const store = this.#store;
    const decision = this.#options;
    // Where we pretend to be another AS, we are that one too.
    if ((info.localAs ?? 0) !== 0 && store.countAs(attributes, info.localAs!) > (info.allowLocalAs ?? 0))
      return PATH_LOOP;
    if (info.allowOwnOrigin !== true || store.originAs(attributes) !== decision.localAs) {
      if (store.countAs(attributes, decision.localAs) > info.allowOwnAs) return PATH_LOOP;
      if (decision.confederation !== 0 && store.countAs(attributes, decision.confederation) > info.allowOwnAs) {
        return PATH_LOOP;
      }
    }
    if (info.kind === PEER_EBGP) return 0;
    if ((store.flags[attributes]! & HAS_ORIGINATOR) !== 0 && store.originatorId[attributes] === decision.routerId) {
      return PATH_LOOP;
    }
    return store.hasCluster(attributes, decision.clusterId) ? PATH_LOOP : 0;
  }

  /** A prefix with the import policy's own answer for it. */
  announceOne(prefix: number, peer: number, id: number, attributes: number, loop: number): void {
    const post = this.import(peer, attributes, prefix);
    this.announce(prefix, peer, id, attributes, post, loop);
    if (post > 0) this.#store.release(post);
  }

  /** Takes a reference of its own to each set. */
  announce(prefix: number, peer: number, id: number, received: number, post: number, loop: number): void {
    const rows = this.#rows;
    const store = this.#store;
    const epoch = rows.peerEpochs[peer]! << EPOCH_SHIFT;
    let path = rows.find(prefix, peer, id);
    let flags = loop | epoch | PATH_CHANGED;
    if (post < 0) flags |= PATH_FILTERED;
    const accepted = (flags & (PATH_FILTERED | PATH_LOOP)) === 0 ? 1 : 0;
    if (path === 0) {
      path = rows.newPath(prefix, peer, id);
      rows.pathCount++;
      rows.peerReceived[peer]!++;
      rows.peerAccepted[peer]! += accepted;
    } else {
      const before = rows.pathFlags[path]!;
      if (
        rows.pathReceived[path] === received &&
        rows.pathAttributes[path] === (post < 0 ? 0 : post) &&
        ((before ^ flags) & (PATH_FILTERED | PATH_LOOP | PATH_REMOVED)) === 0
      ) {
        // Said again: nothing changed, but it is not stale.
        rows.pathFlags[path] = (before & FLAG_MASK) | epoch;
        return;
      }
      if ((before & PATH_REMOVED) !== 0) {
        rows.pathCount++;
        rows.peerReceived[peer]!++;
      } else if ((before & (PATH_FILTERED | PATH_LOOP)) === 0) rows.peerAccepted[peer]!--;
      rows.peerAccepted[peer]! += accepted;
      flags |= before & (PATH_BEST | PATH_MULTIPATH | PATH_VALID);
    }
    // The new ones first: they may be the old ones. A new row has none.
    store.retain(received);
    if (post > 0) store.retain(post);
    store.release(rows.pathReceived[path]!);
    store.release(rows.pathAttributes[path]!);
    rows.pathReceived[path] = received;
    rows.pathAttributes[path] = post < 0 ? 0 : post;
    rows.pathFlags[path] = flags;
    rows.pathChanged[path] = this.#clock;
    rows.undecided.add(prefix);
  }

  withdraw(prefix: number, peer: number, id: number): boolean {
    const rows = this.#rows;
    const path = rows.find(prefix, peer, id);
    if (path === 0 || (rows.pathFlags[path]! & PATH_REMOVED) !== 0) return false;
    this.removePath(path);
    return true;
  }

  /** Marks a path; the decision unlinks it, so that what is selected stays as it is until then. */
  removePath(path: number): void {
    const rows = this.#rows;
    const flags = rows.pathFlags[path]!;
    const peer = rows.pathPeer[path]!;
    rows.pathFlags[path] = flags | PATH_REMOVED;
    rows.pathCount--;
    rows.peerReceived[peer]!--;
    if ((flags & (PATH_FILTERED | PATH_LOOP)) === 0) rows.peerAccepted[peer]!--;
    rows.undecided.add(rows.pathPrefix[path]!);
  }
}
