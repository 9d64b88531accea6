// Routes of a VPN table on their way into the instances that want them: which ones a route is for is what its route targets say
// (RFC 4364 §4.3.5). One consumer of the table looks each route up by its targets, whatever number of instances there are.
//
//   VPN table ─dirty─▶ targets of each path ─▶ a list of instances    mark of a path: the list, so what differs is withdrawn
//                                                      └─▶ ForeignRoutes of each
//
// The number of a path's row in the VPN table is its identifier in the instance's: the row is given to no other path before all
// instances have taken this one back.
import { AF_INET, grown, readWord } from '../../net/index.ts';
import type { FamilyInstance } from '../family.ts';
import { type AttributeEditor, NO_PEER, PATH_LOOP, type PeerInfo } from '../rib/index.ts';
import { ATTR_EXTENDED_COMMUNITIES, ATTR_INTERNAL, ATTR_NEXT_HOP, ATTR_PREFIX_SID } from '../wire/attribute.ts';
import {
  L3ServiceReader,
  SERVICE_NONE,
  SERVICE_UNUSABLE,
  SERVICE_USABLE,
  type ServiceState,
  VPN_LABEL_BITS,
} from '../wire/prefix-sid.ts';
import type { WordPair } from '../wire/route-distinguisher.ts';
import { EXTENDED_COMMUNITY_BYTES } from '../wire/route-target.ts';
import { carry, SetMemory } from './carry.ts';
import { VrfExport } from './export.ts';
import { PathFollower } from './follower.ts';
import { asThere, ForeignRoutes } from './foreign.ts';

/** What one instance takes from a VPN table. */
class VrfImport {
  readonly routes: ForeignRoutes;
  readonly #vpn: FamilyInstance;
  readonly #memory: SetMemory;
  readonly #service: L3ServiceReader = new L3ServiceReader();

  constructor(family: FamilyInstance, vpn: FamilyInstance) {
    this.routes = new ForeignRoutes(family, vpn);
    this.#vpn = vpn;
    this.#memory = new SetMemory(vpn.instance.store, family.instance.store);
  }

  /** Takes a path as it is now, or takes it back where it cannot be used. */
  take(prefix: number, path: number): void {
    const { table } = this.#vpn;
    const info = table.peers[table.pathPeer[path]!]!;
    if (info.owner instanceof VrfExport) this.#takeLocal(prefix, path, info.owner);
    else this.#takeRemote(prefix, path, info);
  }

  drop(prefix: number, path: number): void {
    this.#with(prefix, (w0, w1, w2, w3, length) => this.routes.withdraw(w0, w1, w2, w3, length, path));
  }

  #takeRemote(prefix: number, path: number, info: PeerInfo): void {
    const { table, instance } = this.#vpn;
    const attributes = table.pathAttributes[path]!;
    let set = this.#memory.recall(attributes);
    if (set < 0) {
      const state = this.#read(attributes);
      const change = (editor: AttributeEditor): AttributeEditor => this.#edit(editor, attributes, state);
      set =
        state === SERVICE_UNUSABLE ? 0 : carry(instance.store, attributes, this.routes.family.instance.store, change);
      this.#memory.remember(attributes, set);
    }
    this.#announce(prefix, path, info, set);
  }

  /** How packets are sent as the route says: leaves the SID in `#service`. */
  #read(attributes: number): ServiceState {
    const { store } = this.#vpn.instance;
    if (!store.find(attributes, ATTR_PREFIX_SID)) return SERVICE_NONE;
    return this.#service.read(store.arena, store.foundStart, store.foundEnd, VPN_LABEL_BITS);
  }

  #edit(editor: AttributeEditor, attributes: number, state: ServiceState): AttributeEditor {
    const { instance } = this.#vpn;
    const { label = 0, weight } = instance.access.internal(attributes);
    const service = this.#service;
    const srv6 = state === SERVICE_USABLE;
    if (srv6) service.merge(label, VPN_LABEL_BITS);
    editor.remove(ATTR_INTERNAL).remove(ATTR_PREFIX_SID);
    return editor.setInternal({
      via: instance.number,
      ...(weight === undefined ? {} : { weight }),
      ...(srv6 ? { sid: [service.w0, service.w1, service.w2, service.w3] as const } : { label }),
    });
  }

  /** A route of another instance here: it leads where that one's leads, without a label. */
  #takeLocal(prefix: number, path: number, exporter: VrfExport): void {
    const from = exporter.family;
    const to = this.routes.family;
    if (exporter.closed || from === to) return this.drop(prefix, path);
    const source = from.table;
    const row = this.#with(prefix, (...words) => source.prefixes.find(...words));
    const best = row < 0 ? 0 : source.best[row]!;
    if (best === 0) return this.drop(prefix, path);
    const { store } = from.instance;
    const own = source.pathAttributes[best]!;
    const hop = store.find(own, ATTR_NEXT_HOP) ? store.arena.slice(store.foundStart, store.foundEnd) : undefined;
    const there = asThere(from, best);
    const attributes = this.#vpn.table.pathAttributes[path]!;
    const set = carry(this.#vpn.instance.store, attributes, to.instance.store, editor =>
      there(hop === undefined ? editor : editor.set(ATTR_NEXT_HOP, hop)),
    );
    this.#announce(prefix, path, source.peers[source.pathPeer[best]!]!, set);
  }

  /** Takes the reference to `set`; 0: there is nothing to be used. */
  #announce(prefix: number, path: number, info: PeerInfo, set: number): void {
    if (set === 0) return this.drop(prefix, path);
    this.#with(prefix, (w0, w1, w2, w3, length) => this.routes.announce(info, w0, w1, w2, w3, length, set, path));
    this.routes.family.instance.store.release(set);
  }

  #with<T>(prefix: number, use: (w0: number, w1: number, w2: number, w3: number, length: number) => T): T {
    const { prefixes } = this.#vpn.table;
    const wide = prefixes.family !== AF_INET;
    return use(
      prefixes.w0[prefix]!,
      wide ? prefixes.w1[prefix]! : 0,
      wide ? prefixes.w2[prefix]! : 0,
      wide ? prefixes.w3[prefix]! : 0,
      prefixes.length[prefix]!,
    );
  }
}

/** A path's mark is the list of those who have it. */
export class VpnImport extends PathFollower {
  /** By slot. */
  readonly #imports: (VrfImport | undefined)[] = [];
  readonly #slots: Map<FamilyInstance, number> = new Map();
  readonly #targets: Map<FamilyInstance, readonly WordPair[]> = new Map();
  /** Slots that want a target, by its words. */
  #wanted: Map<number, Map<number, number[]>> = new Map();
  /** Lists of slots by number; 0: nobody. */
  #lists: (readonly number[])[] = [[]];
  readonly #listIds: Map<string, number> = new Map([['', 0]]);
  // Who wants the routes of a set, by set: the list's number + 1.
  #listOfSet: Uint32Array = new Uint32Array(0);
  #listSerial: Uint32Array = new Uint32Array(0);

  constructor(vpn: FamilyInstance) {
    super(vpn, 'bgp vpn import');
    this.follow();
    this.#markAll();
  }

  /** Who imports what; families that are not there import nothing (any more). */
  set(
    wanted: ReadonlyMap<FamilyInstance, { readonly targets: readonly WordPair[]; readonly map: string | undefined }>,
  ): void {
    let changed = false;
    for (const [family, slot] of this.#slots) {
      if (wanted.has(family)) continue;
      this.#imports[slot]?.routes.close();
      this.#imports[slot] = undefined;
      this.#slots.delete(family);
      this.#targets.delete(family);
      changed = true;
    }
    for (const [family, { targets, map }] of wanted) {
      let slot = this.#slots.get(family);
      if (slot === undefined) {
        slot = this.#imports.length;
        this.#imports.push(new VrfImport(family, this.family));
        this.#slots.set(family, slot);
      }
      this.#imports[slot]!.routes.setMap(map);
      if (this.#targets.get(family)?.join(' ') === targets.join(' ')) continue;
      this.#targets.set(family, targets);
      changed = true;
    }
    if (!changed) return;
    this.#wanted = new Map();
    for (const [family, slot] of this.#slots) {
      for (const [hi, lo] of this.#targets.get(family)!) {
        let byLow = this.#wanted.get(hi);
        if (byLow === undefined) this.#wanted.set(hi, (byLow = new Map()));
        const slots = byLow.get(lo);
        if (slots === undefined) byLow.set(lo, [slot]);
        else slots.push(slot);
      }
    }
    this.#listOfSet.fill(0);
    this.#markAll();
  }

  policyChanged(changed: ReadonlySet<string>): void {
    for (const one of this.#imports) one?.routes.policyChanged(changed);
  }

  /** All targets that somebody here wants. */
  get targets(): WordPair[] {
    return [...this.#wanted].flatMap(([hi, byLow]) => [...byLow.keys()].map(lo => [hi, lo] as const));
  }

  /** A route of ours in the VPN may be another one. */
  touch(row: number): void {
    if (row < 0) return;
    this.dirty.add(row);
    this.wake();
  }

  #markAll(): void {
    const { table } = this.family;
    for (let path = 1; path < table.pathLimit; path++) {
      if (table.pathPeer[path] !== NO_PEER) this.dirty.add(table.pathPrefix[path]!);
    }
    this.wake();
  }

  protected override lookAt(prefix: number, path: number, gone: boolean, before: number): number {
    const { table } = this.family;
    const attributes = table.pathAttributes[path]!;
    const unwanted = gone || attributes === 0 || (table.pathFlags[path]! & PATH_LOOP) !== 0;
    const list = unwanted ? 0 : this.#listOf(attributes);
    const slots = this.#lists[list]!;
    if (before !== list) {
      for (const slot of this.#lists[before]!) if (!slots.includes(slot)) this.#imports[slot]?.drop(prefix, path);
    }
    for (const slot of slots) this.#imports[slot]?.take(prefix, path);
    return list;
  }

  /** The list of those who want what has these attributes. */
  #listOf(attributes: number): number {
    const { store } = this.family.instance;
    if (attributes >= this.#listOfSet.length) {
      [this.#listOfSet, this.#listSerial] = grown(store.capacity, this.#listOfSet, this.#listSerial);
    }
    const known = this.#listOfSet[attributes]!;
    if (known !== 0 && this.#listSerial[attributes] === store.serial[attributes]) return known - 1;
    const slots = new Set<number>();
    if (store.find(attributes, ATTR_EXTENDED_COMMUNITIES)) {
      for (let at = store.foundStart; at < store.foundEnd; at += EXTENDED_COMMUNITY_BYTES) {
        const byLow = this.#wanted.get(readWord(store.arena, at));
        for (const slot of byLow?.get(readWord(store.arena, at + 4)) ?? []) slots.add(slot);
      }
    }
    const sorted = [...slots].sort((a, b) => a - b);
    const key = sorted.join();
    let list = this.#listIds.get(key);
    if (list === undefined) {
      list = this.#lists.length;
      this.#lists.push(sorted);
      this.#listIds.set(key, list);
    }
    this.#listOfSet[attributes] = list + 1;
    this.#listSerial[attributes] = store.serial[attributes]!;
    return list;
  }

  override close(): void {
    for (const one of this.#imports) one?.routes.close();
    super.close();
  }
}
