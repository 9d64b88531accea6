// `aggregate-address`: what is configured, with its route maps, brought to the table's aggregates. They are one source of local
// routes, made when there is a first one.
import { formatPrefix, type Prefix } from '../net/index.ts';
import type { FamilyInstance } from './family.ts';
import { localPeer, localPolicy } from './local-routes.ts';
import { dependsOn, type PeerPolicy } from './peer-policy.ts';

/** The source's name. */
export const AGGREGATE = 'aggregate';

/** What a line says. */
export interface AggregateSettings {
  readonly asSet: boolean;
  readonly summaryOnly: boolean;
  readonly matchingMedOnly: boolean;
  readonly origin: number | undefined;
  readonly map: string | undefined;
  readonly suppressMap: string | undefined;
}

interface Configured {
  readonly prefix: Prefix;
  readonly settings: AggregateSettings;
  policy: PeerPolicy | undefined;
  suppress: PeerPolicy | undefined;
}

export class Aggregation {
  readonly #family: FamilyInstance;
  /** By prefix as text. */
  readonly #configured: Map<string, Configured> = new Map();
  #peer = 0;
  #key = '';

  constructor(family: FamilyInstance) {
    this.#family = family;
  }

  set(prefix: Prefix, settings: AggregateSettings | undefined): void {
    const key = formatPrefix(prefix);
    if (settings === undefined) {
      this.#configured.delete(key);
      this.#family.table.aggregates.set(prefix, undefined);
      return;
    }
    const one: Configured = { prefix, settings, policy: undefined, suppress: undefined };
    this.#configured.set(key, one);
    this.reconcile();
    this.#apply(one);
  }

  #apply(one: Configured): void {
    const { map, suppressMap, ...settings } = one.settings;
    one.policy = map === undefined ? undefined : localPolicy(this.#family, map, AGGREGATE);
    one.suppress = suppressMap === undefined ? undefined : localPolicy(this.#family, suppressMap, AGGREGATE);
    const policies = { policy: one.policy, suppress: one.suppress };
    const asSet = settings.asSet && !this.#family.instance.options.rejectAsSets;
    this.#family.table.aggregates.set(one.prefix, { ...settings, asSet, ...policies });
  }

  /** Whose aggregates they are, and whether there may be AS_SETs, may have changed. */
  reconcile(): void {
    if (this.#configured.size === 0) return;
    const { table, instance } = this.#family;
    if (this.#peer === 0) this.#peer = table.addPeer(localPeer(this.#family, AGGREGATE));
    const aggregator = { peer: this.#peer, as: instance.publicAs, routerId: instance.routerId };
    const key = JSON.stringify([aggregator, instance.options.rejectAsSets]);
    if (key === this.#key) return;
    this.#key = key;
    table.aggregates.setAggregator(aggregator);
    for (const one of this.#configured.values()) this.#apply(one);
  }

  /** Whether a path's source is this. */
  made(peer: number): boolean {
    return peer === this.#peer;
  }

  policyChanged(changed: ReadonlySet<string>): void {
    for (const one of this.#configured.values()) {
      const { policy, suppress } = one;
      if ([policy, suppress].some(map => map !== undefined && dependsOn(map, changed))) this.#apply(one);
    }
  }
}
