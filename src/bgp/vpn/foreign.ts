// Routes in an instance's table that another table had first: a VPN's, or another instance's. Each keeps the source that it had there,
// as a source of this table, so that the decision compares who they are really from. They are never passed on to a third.
import { AF_INET6, isLinkLocal6 } from '../../net/index.ts';
import type { FamilyInstance } from '../family.ts';
import { localPolicy } from '../local-routes.ts';
import { dependsOn, type PeerPolicy } from '../peer-policy.ts';
import {
  type AttributeEditor,
  type BgpTable,
  PATH_REMOVED,
  PEER_IBGP,
  PEER_IBGP_CLIENT,
  PEER_IMPORTED,
  type PeerInfo,
} from '../rib/index.ts';
import { ATTR_INTERNAL, ATTR_PREFIX_SID } from '../wire/attribute.ts';
import { NO_ROLE } from '../wire/role.ts';

/** Sources before those that have no routes any more are looked for. */
const SOURCES_KEPT = 32;

/** Who routes of a table are from that were another's first. */
export class ForeignSource {
  readonly routes: ForeignRoutes;
  /** As it is known there. */
  readonly of: PeerInfo;
  readonly index: number;
  readonly info: PeerInfo;

  constructor(routes: ForeignRoutes, of: PeerInfo) {
    this.routes = routes;
    this.of = of;
    this.info = { ...of, kind: kindHere(of), role: NO_ROLE, owner: this };
    this.index = routes.family.table.addPeer(this.info);
  }

  /** What is known of it there may have changed. */
  renew(): void {
    const { of, info } = this;
    const { table } = this.routes.family;
    const kind = kindHere(of);
    const loops =
      info.allowOwnAs !== of.allowOwnAs ||
      info.allowOwnOrigin !== of.allowOwnOrigin ||
      info.localAs !== of.localAs ||
      info.allowLocalAs !== of.allowLocalAs;
    if (
      !loops &&
      info.kind === kind &&
      info.as === of.as &&
      info.routerId === of.routerId &&
      info.weight === of.weight &&
      info.address === of.address &&
      info.routeServerClient === of.routeServerClient
    )
      return;
    Object.assign(info, { ...of, kind, role: NO_ROLE, owner: this });
    table.peerChanged(this.index);
    if (loops) table.setImportPolicy(this.index, table.peerPolicies[this.index]);
  }
}

/** What came from inside may go to those inside here: the instance is not the one that heard it (RFC 4364 §7). */
function kindHere({ kind }: PeerInfo): PeerInfo['kind'] {
  return kind === PEER_IBGP || kind === PEER_IBGP_CLIENT ? PEER_IMPORTED : kind;
}

/** Whether a set of an instance leads to an address that is one only on the link of whoever said it. */
export function isOnLink({ instance }: FamilyInstance, attributes: number): boolean {
  const { nexthops, store } = instance;
  const hop = store.nexthop[attributes]!;
  return nexthops.family(hop) === AF_INET6 && isLinkLocal6(nexthops.words(hop));
}

/** The best path of a prefix, where the table's instance has it itself; 0: it has none. */
export function ownBest(table: BgpTable, prefix: number): number {
  const best = table.best[prefix]!;
  return table.peers[table.pathPeer[best]!]?.owner instanceof ForeignSource ? 0 : best;
}

/** What changes in a path's set for another instance of ours: it leads where it leads in its own, without a label. */
export function asThere(family: FamilyInstance, path: number): (editor: AttributeEditor) => AttributeEditor {
  const { instance, table } = family;
  const { weight } = instance.access.internal(table.pathAttributes[path]!);
  const internal = {
    via: instance.number,
    ifindex: interfaceOf(family, path),
    ...(weight === undefined ? {} : { weight }),
  };
  return editor => editor.remove(ATTR_INTERNAL).remove(ATTR_PREFIX_SID).setInternal(internal);
}

/** The interface that a path leads to, for those that are not on it themselves; 0: its next hop says enough. */
function interfaceOf(family: FamilyInstance, path: number): number {
  const attributes = family.table.pathAttributes[path]!;
  const { ifindex = 0 } = family.instance.access.internal(attributes);
  return ifindex === 0 && isOnLink(family, attributes) ? Math.max(family.announcer.link(path), 0) : ifindex;
}

/** All that comes into one family of an instance from one other table. */
export class ForeignRoutes {
  readonly family: FamilyInstance;
  /** The other one. */
  readonly from: FamilyInstance;
  readonly #sources: Map<PeerInfo, ForeignSource> = new Map();
  #mapName: string | undefined;
  #map: PeerPolicy | undefined;

  constructor(family: FamilyInstance, from: FamilyInstance) {
    this.family = family;
    this.from = from;
  }

  /** The route map that stands before the table. */
  setMap(name: string | undefined): void {
    if (name === this.#mapName) return;
    this.#mapName = name;
    this.#bind();
  }

  policyChanged(changed: ReadonlySet<string>): void {
    if (this.#map !== undefined && dependsOn(this.#map, changed)) this.#bind();
  }

  #bind(): void {
    this.#map = this.#mapName === undefined ? undefined : localPolicy(this.family, this.#mapName, 'bgp');
    for (const { index } of this.#sources.values()) this.family.table.setImportPolicy(index, this.#map);
  }

  /** `set`: of this instance; the caller keeps its reference. `id` tells routes to one prefix apart. */
  announce(
    of: PeerInfo,
    w0: number,
    w1: number,
    w2: number,
    w3: number,
    length: number,
    set: number,
    id: number,
  ): void {
    const { table } = this.family;
    let source = this.#sources.get(of);
    if (source === undefined) {
      if (this.#sources.size >= SOURCES_KEPT) this.#forgetIdle();
      source = new ForeignSource(this, of);
      this.#sources.set(of, source);
      table.setImportPolicy(source.index, this.#map);
    } else source.renew();
    this.#withdraw(w0, w1, w2, w3, length, id, source);
    table.announce(source.index, w0, w1, w2, w3, length, set, id);
  }

  withdraw(w0: number, w1: number, w2: number, w3: number, length: number, id: number): void {
    this.#withdraw(w0, w1, w2, w3, length, id, undefined);
  }

  /** Takes the route back, unless it is from `stays`. */
  #withdraw(
    w0: number,
    w1: number,
    w2: number,
    w3: number,
    length: number,
    id: number,
    stays: ForeignSource | undefined,
  ): void {
    const { table } = this.family;
    const prefix = table.prefixes.find(w0, w1, w2, w3, length);
    if (prefix < 0) return;
    for (let path = table.first[prefix]!; path !== 0; path = table.pathNext[path]!) {
      if (table.idOf(path) !== id || (table.pathFlags[path]! & PATH_REMOVED) !== 0) continue;
      const owner = table.peers[table.pathPeer[path]!]?.owner;
      if (!(owner instanceof ForeignSource) || owner.routes !== this || owner === stays) continue;
      table.withdraw(owner.index, w0, w1, w2, w3, length, id);
      return;
    }
  }

  #forgetIdle(): void {
    const { table } = this.family;
    for (const [of, { index }] of this.#sources) {
      if (table.peerCounts(index).received > 0) continue;
      this.#sources.delete(of);
      table.removePeer(index);
    }
  }

  /** All of it goes. */
  close(): void {
    for (const { index } of this.#sources.values()) this.family.table.removePeer(index);
    this.#sources.clear();
  }
}
