// An instance's routes on their way into a VPN: the best ones that it has itself, with a route distinguisher, route targets, and what
// packets for them are to carry (RFC 4364 §4.3, RFC 9252 §5). A bit per prefix waits; what changes ten times by then is said once.
//
//   table of the instance ─dirty─▶ route-map ─▶ + targets, label or SID, our next hop ─▶ VPN table of the default instance
import { AF_INET } from '../../net/index.ts';
import type { FamilyInstance } from '../family.ts';
import { localPeer, localPolicy } from '../local-routes.ts';
import { dependsOn, type PeerPolicy } from '../peer-policy.ts';
import type { AttributeEditor, NextHopAddress } from '../rib/index.ts';
import {
  ATTR_CLUSTER_LIST,
  ATTR_EXTENDED_COMMUNITIES,
  ATTR_INTERNAL,
  ATTR_ORIGINATOR_ID,
  ATTR_PREFIX_SID,
} from '../wire/attribute.ts';
import type { WordPair } from '../wire/route-distinguisher.ts';
import { EXTENDED_COMMUNITY_BYTES } from '../wire/route-target.ts';
import { carry, SetMemory } from './carry.ts';
import { TableFollower } from './follower.ts';
import { ownBest } from './foreign.ts';

export interface ExportSettings {
  readonly rd: WordPair;
  readonly targets: readonly WordPair[];
  /** Of 20 bits, as it goes with each prefix. */
  readonly label: number;
  /** Value of the Prefix-SID attribute, as hexadecimal digits; empty: none. */
  readonly prefixSid: string;
  /** Undefined: the address of the session that the routes go over. */
  readonly nextHop: NextHopAddress | undefined;
  readonly map: string | undefined;
}

export class VrfExport extends TableFollower {
  /** A route that went into the VPN may be another one than before, although the VPN has the same of it. */
  onRoute: (row: number) => void = () => {};
  readonly #vpn: FamilyInstance;
  readonly #source: number;
  readonly #memory: SetMemory;
  #settings: ExportSettings;
  #key: string;
  #map: PeerPolicy | undefined;
  /** What was said with other settings goes when all was said with these. */
  #sweep = false;

  constructor(family: FamilyInstance, vpn: FamilyInstance, settings: ExportSettings) {
    super(family, 'bgp vpn export');
    this.#vpn = vpn;
    this.#settings = settings;
    this.#key = JSON.stringify(settings);
    this.#source = vpn.table.addPeer({ ...localPeer(vpn, `vrf ${family.instance.name}`), owner: this });
    this.#memory = new SetMemory(family.instance.store, vpn.instance.store);
    this.#bind();
    this.follow();
  }

  get settings(): ExportSettings {
    return this.#settings;
  }

  update(settings: ExportSettings): void {
    const key = JSON.stringify(settings);
    if (key === this.#key) return;
    this.#settings = settings;
    this.#key = key;
    this.#bind();
    this.#again();
  }

  policyChanged(changed: ReadonlySet<string>): void {
    if (this.#map === undefined || !dependsOn(this.#map, changed)) return;
    this.#bind();
    this.#again();
  }

  #bind(): void {
    const { map } = this.#settings;
    this.#map = map === undefined ? undefined : localPolicy(this.family, map, 'bgp');
    this.#memory.forget();
  }

  /** Everything is said anew. */
  #again(): void {
    this.#vpn.table.peerDown(this.#source, true);
    this.#sweep = true;
    this.family.table.markAll(this.dirty);
    this.wake();
  }

  protected override looked(): void {
    if (this.#sweep) this.#vpn.table.sweepStale(this.#source);
    this.#sweep = false;
  }

  protected override look(prefix: number): void {
    const { prefixes } = this.family.table;
    const wide = prefixes.family !== AF_INET;
    const w0 = prefixes.w0[prefix]!;
    const w1 = wide ? prefixes.w1[prefix]! : 0;
    const w2 = wide ? prefixes.w2[prefix]! : 0;
    const w3 = wide ? prefixes.w3[prefix]! : 0;
    const length = prefixes.length[prefix]!;
    const [rd0, rd1] = this.#settings.rd;
    const set = this.#made(prefix);
    const vpn = this.#vpn.table;
    if (set > 0) {
      vpn.announce(this.#source, w0, w1, w2, w3, length, set, 0, rd0, rd1);
      this.#vpn.instance.store.release(set);
    } else vpn.withdraw(this.#source, w0, w1, w2, w3, length, 0, rd0, rd1);
    this.onRoute(vpn.prefixes.find(w0, w1, w2, w3, length, rd0, rd1));
  }

  /** What the VPN is told of a prefix, with one reference; 0: nothing. */
  #made(prefix: number): number {
    const { table, instance } = this.family;
    const best = ownBest(table, prefix);
    if (best === 0) return 0;
    const attributes = table.pathAttributes[best]!;
    const map = this.#map;
    const perPrefix = map?.perPrefix === true;
    const known = perPrefix ? -1 : this.#memory.recall(attributes);
    if (known >= 0) return known;
    const chosen =
      map === undefined ? instance.store.retain(attributes) : map.apply(attributes, prefix, table.pathPeer[best]!);
    let out = 0;
    if (chosen > 0) {
      out = carry(instance.store, chosen, this.#vpn.instance.store, editor => this.#edit(editor));
      instance.store.release(chosen);
    }
    if (!perPrefix) this.#memory.remember(attributes, out);
    return out;
  }

  #edit(editor: AttributeEditor): AttributeEditor {
    const { targets, label, prefixSid, nextHop } = this.#settings;
    // What the instance's own neighbours say of reflection is theirs.
    editor.remove(ATTR_INTERNAL).remove(ATTR_ORIGINATOR_ID).remove(ATTR_CLUSTER_LIST);
    editor.setInternal({ label, ...(nextHop && { nextHopKept: true }) });
    if (nextHop?.family === AF_INET) editor.setNextHop4(nextHop.words[0]);
    else if (nextHop !== undefined) editor.setNextHop6(nextHop.words);
    else if (this.#vpn.table.family === AF_INET) editor.setNextHop4(0);
    else editor.setNextHop6([0, 0, 0, 0]);
    editor.setExtendedCommunities(withTargets(editor.get(ATTR_EXTENDED_COMMUNITIES), targets));
    if (prefixSid === '') editor.remove(ATTR_PREFIX_SID);
    else editor.set(ATTR_PREFIX_SID, Buffer.from(prefixSid, 'hex'));
    return editor;
  }

  /** What is in the VPN of it goes. */
  override close(): void {
    super.close();
    this.#vpn.table.removePeer(this.#source);
  }
}

/** Extended communities with these targets among them, in order, each once; of 16 hexadecimal digits each. */
function withTargets(own: Uint8Array | undefined, targets: readonly WordPair[]): string[] {
  const list = new Set(targets.map(words => words.map(word => word.toString(16).padStart(8, '0')).join('')));
  const hex = Buffer.from(own ?? []).toString('hex');
  for (let at = 0; at < hex.length; at += EXTENDED_COMMUNITY_BYTES * 2) list.add(hex.slice(at, at + 16));
  return [...list].sort();
}
