// The store of attribute sets as policy sees it: what it reads, and how it makes one set out of another.
import { type AddressWords, type Family, readWord } from '../../net/index.ts';
import { type AttributeStore, HAS_LOCAL_PREF, HAS_MED } from '../rib/attributes.ts';
import { decodeInternal, type InternalAttribute } from '../rib/internal-attribute.ts';
import {
  ATTR_COMMUNITIES,
  ATTR_EXTENDED_COMMUNITIES,
  ATTR_INTERNAL,
  ATTR_LARGE_COMMUNITIES,
} from '../wire/attribute.ts';
import type { PathEdit } from './path-edit.ts';

/** What a clause changes, collected; undefined fields stay as they are. */
export interface AttributeEdits {
  origin?: number;
  localPref?: number;
  /** Undefined leaves it. */
  med?: number;
  weight?: number;
  tag?: number;
  distance?: number;
  originatorId?: number;
  aggregator?: { readonly as: number; readonly routerId: number };
  /** In ascending order; empty takes the attribute away. */
  communities?: readonly number[];
  /** As digits, in ascending order; empty takes the attribute away. */
  extendedCommunities?: readonly string[];
  largeCommunities?: readonly string[];
  /** One after the other. */
  path?: readonly PathEdit[];
  nextHop4?: number;
  nextHop6?: AddressWords;
  nextHopLinkLocal?: AddressWords;
  /** The link-local next hop is left out. */
  preferGlobal?: boolean;
  /** Nothing replaces the next hop on its way out. */
  nextHopKept?: boolean;
  atomicAggregate?: boolean;
}

/** What policy needs of a store of attribute sets. */
export interface AttributeAccess {
  origin(id: number): number;
  /** −1 where the set has none. */
  med(id: number): number;
  /** −1 where the set has none. */
  localPref(id: number): number;
  /** What is not on the wire. */
  internal(id: number): InternalAttribute;
  nextHop(id: number): { family: Family; words: AddressWords } | undefined;
  /** `65001 65002 {65003,65004}`. */
  asPathText(id: number): string;
  /** In ascending order. */
  communities(id: number): readonly number[];
  /** As digits, in ascending order. */
  extendedCommunities(id: number): readonly string[];
  largeCommunities(id: number): readonly string[];
  /** Differs each time an id is given to another set. */
  serial(id: number): number;
  /** Takes one reference more. */
  retain(id: number): void;
  release(id: number): void;
  /** The set with the changes made, with one reference for the caller. */
  edit(id: number, edits: AttributeEdits): number;
}

export function attributeAccess(store: AttributeStore): AttributeAccess {
  return {
    origin: id => store.origin[id]!,
    med: id => ((store.flags[id]! & HAS_MED) === 0 ? -1 : store.med[id]!),
    localPref: id => ((store.flags[id]! & HAS_LOCAL_PREF) === 0 ? -1 : store.localPref[id]!),
    internal: id => (store.find(id, ATTR_INTERNAL) ? decodeInternal(store.arena, store.foundStart) : {}),
    nextHop(id) {
      const hop = store.nexthop[id]!;
      return hop === 0 ? undefined : { family: store.nexthops.family(hop), words: store.nexthops.words(hop) };
    },
    asPathText: id => store.asPathText(id),
    communities(id) {
      const values: number[] = [];
      if (store.find(id, ATTR_COMMUNITIES)) {
        for (let at = store.foundStart; at < store.foundEnd; at += 4) values.push(readWord(store.arena, at));
      }
      return values.sort((a, b) => a - b);
    },
    extendedCommunities: id => hexValues(store, id, ATTR_EXTENDED_COMMUNITIES, 8),
    largeCommunities: id => hexValues(store, id, ATTR_LARGE_COMMUNITIES, 12),
    serial: id => store.serial[id]!,
    retain(id) {
      store.retain(id);
    },
    release(id) {
      store.release(id);
    },
    edit: (id, edits) => edit(store, id, edits),
  };
}

/** A list of values of so many octets each, as digits. */
function hexValues(store: AttributeStore, id: number, code: number, octets: number): string[] {
  const values: string[] = [];
  if (store.find(id, code)) {
    for (let at = store.foundStart; at < store.foundEnd; at += octets) {
      values.push(Buffer.from(store.arena.subarray(at, at + octets)).toString('hex'));
    }
  }
  return values.sort();
}

function edit(store: AttributeStore, id: number, edits: AttributeEdits): number {
  const editor = store.editor.begin(id);
  if (edits.origin !== undefined) editor.setOrigin(edits.origin);
  if (edits.localPref !== undefined) editor.setLocalPref(edits.localPref);
  if (edits.med !== undefined) editor.setMed(edits.med);
  const { weight, tag, distance, nextHopKept } = edits;
  if ((weight ?? tag ?? distance ?? nextHopKept) !== undefined) {
    editor.setInternal({
      ...(weight !== undefined && { weight }),
      ...(tag !== undefined && { tag }),
      ...(distance !== undefined && { distance }),
      ...(nextHopKept !== undefined && { nextHopKept }),
    });
  }
  if (edits.originatorId !== undefined) editor.setOriginatorId(edits.originatorId);
  if (edits.aggregator !== undefined) editor.setAggregator(edits.aggregator.as, edits.aggregator.routerId);
  if (edits.communities !== undefined) editor.setCommunities(edits.communities);
  if (edits.extendedCommunities !== undefined) editor.setExtendedCommunities(edits.extendedCommunities);
  if (edits.largeCommunities !== undefined) editor.setLargeCommunities(edits.largeCommunities);
  if (edits.path !== undefined) {
    let path = editor.asPath();
    for (const change of edits.path) path = change(path);
    editor.setAsPath(path);
  }
  if (edits.nextHop4 !== undefined) editor.setNextHop4(edits.nextHop4);
  if (edits.nextHop6 !== undefined || edits.nextHopLinkLocal !== undefined || edits.preferGlobal === true) {
    const words = edits.nextHop6 ?? editor.nextHop6();
    if (words !== undefined) editor.setNextHop6(words, edits.nextHopLinkLocal);
  }
  if (edits.atomicAggregate === true) editor.setAtomicAggregate();
  return editor.finish();
}
