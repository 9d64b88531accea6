// All that stands between a neighbour and the table in one direction, as one policy: distribute-list or prefix-list,
// filter-list, route-map, in this order, each of which may refuse; and RFC 8212, which refuses everything where none of them is configured.
import { AF_INET } from '../net/index.ts';
import type { AsPathList } from './policy/as-path-list.ts';
import { type PrefixFilter, prefixFilter } from './policy/binding.ts';
import { type AttributeAccess, BoundMap, type PathEdit, type PolicyUse, prependPath } from './policy/index.ts';
import type { PolicyLibrary } from './policy/library.ts';
import type { AttributeStore, BgpTable, Policy } from './rib/index.ts';

export interface PolicyNamesOf {
  readonly distributeList?: string | undefined;
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
  readonly concernsMed: boolean;
  /** What the answer depends on, as `kind name`. */
  readonly depends: Set<string> = new Set();
  /** Lists that permit prefixes; all of them must. */
  readonly #filters: readonly PrefixFilter[];
  readonly #filterList: AsPathList | undefined;
  readonly #map: BoundMap | undefined;
  readonly #unsuppressMap: BoundMap | undefined;
  /** A list that is named but does not exist refuses everything. */
  readonly #refuse: boolean;
  readonly #prepend: readonly PathEdit[] | undefined;
  readonly #noDefault: (() => boolean) | undefined;
  readonly #attributes: AttributeAccess;
  readonly #table: BgpTable;
  readonly #store: AttributeStore;

  constructor(
    names: PolicyNamesOf,
    library: PolicyLibrary,
    table: BgpTable,
    attributes: AttributeAccess,
    use: PolicyUse,
  ) {
    this.#table = table;
    this.#store = table.store;
    this.#attributes = attributes;
    this.#prepend = (names.prepend ?? 0) === 0 ? undefined : [prependPath([names.prepend!])];
    this.#noDefault = names.noDefault;
    let refuse = false;
    const filters: PrefixFilter[] = [];
    for (const [kind, name] of [
      ['access-list', names.distributeList],
      ['prefix-list', names.prefixList],
    ] as const) {
      if (name === undefined) continue;
      const list = prefixFilter(library, this.depends, kind, table.family, name);
      if (list === undefined) refuse = true;
      else filters.push(list);
    }
    this.#filters = filters;
    if (names.filterList !== undefined) {
      this.depends.add(`as-path ${names.filterList}`);
      this.#filterList = library.asPathList(names.filterList);
      refuse ||= this.#filterList === undefined;
    }
    const bind = (map: string | undefined): BoundMap | undefined =>
      map === undefined
        ? undefined
        : new BoundMap(map, { ...use, names: library, attributes, prefixes: table.prefixes });
    this.#map = bind(names.routeMap);
    this.#unsuppressMap = bind(names.unsuppressMap);
    const maps = [this.#map, this.#unsuppressMap].filter(map => map !== undefined);
    for (const map of maps) for (const name of map.depends) this.depends.add(name);
    this.#refuse = refuse;
    this.perPrefix =
      !refuse &&
      (filters.length > 0 ||
        this.#unsuppressMap !== undefined ||
        this.#noDefault !== undefined ||
        maps.some(map => map.perPrefix));
    this.perPeer = maps.some(map => map.perPeer);
    this.concernsMed = maps.some(map => map.concernsMed);
  }

  apply(attributes: number, prefix: number, peer: number): number {
    if (this.#refuse) return -1;
    if (this.#noDefault !== undefined && this.#table.prefixes.length[prefix] === 0 && this.#noDefault()) return -1;
    const filters = this.#filters;
    for (let i = 0; i < filters.length; i++) {
      const table = this.#table.prefixes;
      const wide = table.family !== AF_INET;
      const permitted = filters[i]!.permits(
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
    if (this.#prepend === undefined || out < 0) return out;
    const longer = this.#attributes.edit(out, { path: this.#prepend });
    this.#store.release(out);
    return longer;
  }
}

/** Refuses everything: eBGP without policy (RFC 8212). */
export const DENY_ALL: Policy = { perPrefix: false, concernsMed: false, apply: () => -1 };

/** Whether one of the changed lists and maps is among those that the policy depends on. */
export function dependsOn(policy: { readonly depends: ReadonlySet<string> }, changed: ReadonlySet<string>): boolean {
  for (const name of changed) if (policy.depends.has(name)) return true;
  return false;
}
