// The store of attribute sets as policy sees it: what it reads, and how it makes one set out of another.
import { type AddressWords, type Family, readWord } from '../../net/index.ts';
import { type AttributeStore, HAS_LOCAL_PREF, HAS_MED } from '../rib/attributes.ts';
import { ATTR_COMMUNITIES, ATTR_INTERNAL } from '../wire/attribute.ts';

/** What a clause changes, collected; undefined fields stay as they are. */
export interface AttributeEdits {
  origin?: number;
  localPref?: number;
  /** Undefined leaves it. */
  med?: number;
  weight?: number;
  tag?: number;
  /** In ascending order; empty takes the attribute away. */
  communities?: readonly number[];
  /** ASes put in front of the path, first one first. */
  prepend?: readonly number[];
  /** ASes taken out of the path, wherever they stand. */
  exclude?: readonly number[];
  nextHop4?: number;
  nextHop6?: AddressWords;
  nextHopLinkLocal?: AddressWords;
  atomicAggregate?: boolean;
}

/** What policy needs of a store of attribute sets. */
export interface AttributeAccess {
  origin(id: number): number;
  /** −1 where the set has none. */
  med(id: number): number;
  /** −1 where the set has none. */
  localPref(id: number): number;
  tag(id: number): number;
  nextHop(id: number): { family: Family; words: AddressWords } | undefined;
  /** `65001 65002 {65003,65004}`. */
  asPathText(id: number): string;
  /** Leftmost AS of the path, 0 for an empty path. */
  firstAs(id: number): number;
  /** In ascending order. */
  communities(id: number): readonly number[];
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
    tag: id => (store.find(id, ATTR_INTERNAL) ? readWord(store.arena, store.foundStart + 4) : 0),
    nextHop(id) {
      const hop = store.nexthop[id]!;
      return hop === 0 ? undefined : { family: store.nexthops.family(hop), words: store.nexthops.words(hop) };
    },
    asPathText: id => store.asPathText(id),
    firstAs: id => store.neighborAs[id]!,
    communities(id) {
      const values: number[] = [];
      if (store.find(id, ATTR_COMMUNITIES)) {
        for (let at = store.foundStart; at < store.foundEnd; at += 4) values.push(readWord(store.arena, at));
      }
      return values.sort((a, b) => a - b);
    },
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

function edit(store: AttributeStore, id: number, edits: AttributeEdits): number {
  const editor = store.editor.begin(id);
  if (edits.origin !== undefined) editor.setOrigin(edits.origin);
  if (edits.localPref !== undefined) editor.setLocalPref(edits.localPref);
  if (edits.med !== undefined) editor.setMed(edits.med);
  if (edits.weight !== undefined) editor.setWeight(edits.weight);
  if (edits.tag !== undefined) editor.setTag(edits.tag);
  if (edits.communities !== undefined) editor.setCommunities(edits.communities);
  if (edits.exclude !== undefined) {
    const exclude = edits.exclude;
    editor.setAsPath(
      editor
        .asPath()
        .map(segment => ({ type: segment.type, as: segment.as.filter(as => !exclude.includes(as)) }))
        .filter(segment => segment.as.length > 0),
    );
  }
  if (edits.prepend !== undefined && edits.prepend.length > 0) {
    const path = editor.asPath();
    const first = path[0];
    if (first?.type === 'sequence') first.as.unshift(...edits.prepend);
    else path.unshift({ type: 'sequence', as: [...edits.prepend] });
    editor.setAsPath(path);
  }
  if (edits.nextHop4 !== undefined) editor.setNextHop4(edits.nextHop4);
  if (edits.nextHop6 !== undefined) editor.setNextHop6(edits.nextHop6, edits.nextHopLinkLocal);
  if (edits.atomicAggregate === true) editor.setAtomicAggregate();
  return editor.finish();
}
