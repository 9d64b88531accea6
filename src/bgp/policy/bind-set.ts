// What a set line does, bound to a use.
import { AF_INET } from '../../net/index.ts';
import type { AttributeEdits } from './attribute-access.ts';
import type { Binding } from './binding.ts';
import type { SetAction } from './route-map.ts';

export function bindSet(
  set: SetAction,
  binding: Binding,
  depends: Set<string>,
): (id: number, edits: AttributeEdits) => void {
  const { attributes, names, peerAddress } = binding;
  switch (set.kind) {
    case 'local-preference':
      return (id, edits) => {
        edits.localPref = adjust(set.sign, set.value, Math.max(attributes.localPref(id), set.sign === '' ? 0 : 100));
      };
    case 'metric':
      return (id, edits) => {
        edits.med = adjust(set.sign, set.value, Math.max(attributes.med(id), 0));
      };
    case 'weight':
      return (_, edits) => {
        edits.weight = set.value;
      };
    case 'tag':
      return (_, edits) => {
        edits.tag = set.value;
      };
    case 'origin':
      return (_, edits) => {
        edits.origin = set.value;
      };
    case 'community':
      return (id, edits) => {
        edits.communities = set.additive
          ? [...new Set([...(edits.communities ?? attributes.communities(id)), ...set.values])].sort((a, b) => a - b)
          : set.values;
      };
    case 'comm-list-delete': {
      depends.add(`community-list ${set.name}`);
      const list = names.communityList(set.name);
      return (id, edits) => {
        const before = edits.communities ?? attributes.communities(id);
        if (list !== undefined) edits.communities = list.without(before);
      };
    }
    case 'prepend':
      return (_, edits) => {
        edits.prepend = [...set.path, ...(edits.prepend ?? [])];
      };
    case 'prepend-last':
      return (id, edits) => {
        const first = attributes.firstAs(id);
        if (first !== 0) edits.prepend = [...new Array<number>(set.count).fill(first), ...(edits.prepend ?? [])];
      };
    case 'exclude':
      return (_, edits) => {
        edits.exclude = set.path;
      };
    case 'next-hop':
      return (_, edits) => {
        if (set.family === AF_INET) edits.nextHop4 = set.words[0];
        else edits.nextHop6 = set.words;
      };
    case 'next-hop-peer':
      return (_, edits) => {
        if (peerAddress === undefined || peerAddress.family !== set.family) return;
        if (set.family === AF_INET) edits.nextHop4 = peerAddress.words[0];
        else edits.nextHop6 = peerAddress.words;
      };
    case 'next-hop-link-local':
      return (_, edits) => {
        edits.nextHopLinkLocal = set.words;
      };
    case 'atomic-aggregate':
      return (_, edits) => {
        edits.atomicAggregate = true;
      };
  }
}

/** Sums stay in 32 bits, and differences do not go below 0. */
function adjust(sign: '' | '+' | '-', value: number, before: number): number {
  if (sign === '+') return Math.min(before + value, 0xffffffff);
  return sign === '-' ? Math.max(before - value, 0) : value;
}
