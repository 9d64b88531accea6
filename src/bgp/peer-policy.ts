// All that stands between a neighbour and the table in one direction, as one policy: prefix-list, filter-list, route-map,
// in this order, each of which may refuse; and RFC 8212, which refuses everything where none of them is configured.
import { AF_INET, type Prefix } from '../net/index.ts';
import type { AsPathList } from './policy/as-path-list.ts';
import { type AttributeAccess, BoundMap } from './policy/index.ts';
import type { PolicyLibrary } from './policy/library.ts';
import type { PrefixList } from './policy/prefix-list.ts';
import type { AttributeStore, BgpTable, Policy } from './rib/index.ts';

export interface PolicyNamesOf {
  readonly prefixList: string | undefined;
  readonly filterList: string | undefined;
  readonly routeMap: string | undefined;
  /** In place of the route map, for routes that an aggregate suppresses. */
  readonly unsuppressMap?: string | undefined;
  /** An AS put in front of the path at the end (local-as). */
  readonly prepend?: number | undefined;
  /** Whether the default route is refused because it is sent another way (default-originate). */
  readonly noDefault?: (() => boolean) | undefined;
}

export class PeerPolicy implements Policy {
  readonly perPrefix: boolean;
  /** Whether the answer depends on the neighbour it was made for. */
  readonly perPeer: boolean;
  /** What the answer depends on, as `kind name`. */
  readonly depends: Set<string> = new Set();
  readonly #prefixList: PrefixList | undefined;
  readonly #filterList: AsPathList | undefined;
  readonly #map: BoundMap | undefined;
  readonly #unsuppressMap: BoundMap | undefined;
  /** A list that is named but does not exist refuses everything. */
  readonly #refuse: boolean;
  readonly #prepend: number;
  readonly #noDefault: (() => boolean) | undefined;
  readonly #attributes: AttributeAccess;
  readonly #table: BgpTable;
  readonly #store: AttributeStore;

  constructor(
    names: PolicyNamesOf,
    library: PolicyLibrary,
    table: BgpTable,
    attributes: AttributeAccess,
    peer: { readonly name: string; readonly address: Prefix | undefined; readonly protocol?: string },
  ) {
    this.#table = table;
    this.#store = table.store;
    this.#attributes = attributes;
    this.#prepend = names.prepend ?? 0;
    this.#noDefault = names.noDefault;
    let refuse = false;
    if (names.prefixList !== undefined) {
      this.depends.add(`prefix-list ${names.prefixList}`);
      this.#prefixList = library.prefixList(table.family, names.prefixList);
      refuse ||= this.#prefixList === undefined;
    }
    if (names.filterList !== undefined) {
      this.depends.add(`as-path ${names.filterList}`);
      this.#filterList = library.asPathList(names.filterList);
      refuse ||= this.#filterList === undefined;
    }
    const bind = (map: string | undefined): BoundMap | undefined =>
      map === undefined
        ? undefined
        : new BoundMap(map, {
            names: library,
            attributes,
            prefixes: table.prefixes,
            peer: peer.name,
            peerAddress: peer.address,
            ...(peer.protocol === undefined ? {} : { protocol: peer.protocol }),
          });
    this.#map = bind(names.routeMap);
    this.#unsuppressMap = bind(names.unsuppressMap);
    const maps = [this.#map, this.#unsuppressMap].filter(map => map !== undefined);
    for (const map of maps) for (const name of map.depends) this.depends.add(name);
    this.#refuse = refuse;
    this.perPrefix =
      !refuse &&
      (this.#prefixList !== undefined ||
        this.#unsuppressMap !== undefined ||
        this.#noDefault !== undefined ||
        maps.some(map => map.perPrefix));
    this.perPeer = maps.some(map => map.perPeer);
  }

  apply(attributes: number, prefix: number, peer: number): number {
    if (this.#refuse) return -1;
    if (this.#noDefault !== undefined && this.#table.prefixes.length[prefix] === 0 && this.#noDefault()) return -1;
    const list = this.#prefixList;
    if (list !== undefined) {
      const table = this.#table.prefixes;
      const wide = table.family !== AF_INET;
      const permitted = list.permits(
        table.w0[prefix]!,
        wide ? table.w1[prefix]! : 0,
        wide ? table.w2[prefix]! : 0,
        wide ? table.w3[prefix]! : 0,
        table.length[prefix]!,
      );
      if (!permitted) return -1;
    }
    if (this.#filterList !== undefined && !this.#filterList.permits(this.#store.asPathText(attributes))) return -1;
    const unsuppress = this.#unsuppressMap !== undefined && this.#table.suppressed[prefix] === 1;
    const map = unsuppress ? this.#unsuppressMap : this.#map;
    const out = map === undefined ? this.#store.retain(attributes) : map.apply(attributes, prefix, peer);
    if (this.#prepend === 0 || out < 0) return out;
    const longer = this.#attributes.edit(out, { prepend: [this.#prepend] });
    this.#store.release(out);
    return longer;
  }
}

/** Refuses everything: eBGP without policy (RFC 8212). */
export const DENY_ALL: Policy = { perPrefix: false, apply: () => -1 };

/** Whether one of the changed lists and maps is among those that the policy depends on. */
export function dependsOn(policy: { readonly depends: ReadonlySet<string> }, changed: ReadonlySet<string>): boolean {
  for (const name of changed) if (policy.depends.has(name)) return true;
  return false;
}
