// What a clause's match lines ask, bound to a use: of the prefix, of the attributes, or something that nothing can meet.
import { AF_INET } from '../../net/index.ts';
import type { Binding } from './binding.ts';
import type { PrefixList } from './prefix-list.ts';
import type { Clause } from './route-map.ts';

export interface Conditions {
  /** Conditions on the prefix: every one must hold. */
  readonly prefixLists: readonly PrefixList[];
  /** −1: any. */
  readonly prefixLength: number;
  /** A condition that nothing can meet (an unknown list, another family, another peer). */
  readonly never: boolean;
  readonly attributeMatches: readonly ((id: number) => boolean)[];
}

export function bindMatches(clause: Clause, binding: Binding, depends: Set<string>): Conditions {
  const prefixLists: PrefixList[] = [];
  const conditions: ((id: number) => boolean)[] = [];
  let prefixLength = -1;
  let never = false;
  const { names, attributes, prefixes } = binding;
  for (const { match } of clause.matches.values()) {
    switch (match.kind) {
      case 'prefix-list': {
        depends.add(`prefix-list ${match.name}`);
        const list = names.prefixList(match.family, match.name);
        if (match.family !== prefixes.family || list === undefined) never = true;
        else prefixLists.push(list);
        break;
      }
      case 'prefix-length':
        if (match.family === prefixes.family) prefixLength = match.length;
        else never = true;
        break;
      case 'next-hop-prefix-list': {
        depends.add(`prefix-list ${match.name}`);
        const list = names.prefixList(match.family, match.name);
        if (list === undefined) never = true;
        else {
          const bits = match.family === AF_INET ? 32 : 128;
          conditions.push(id => {
            const hop = attributes.nextHop(id);
            return hop?.family === match.family && list.permits(...hop.words, bits);
          });
        }
        break;
      }
      case 'next-hop':
        conditions.push(id => {
          const hop = attributes.nextHop(id);
          return hop?.family === match.family && hop.words.every((word, i) => word === match.words[i]);
        });
        break;
      case 'as-path': {
        depends.add(`as-path ${match.name}`);
        const list = names.asPathList(match.name);
        if (list === undefined) never = true;
        else conditions.push(id => list.permits(attributes.asPathText(id)));
        break;
      }
      case 'community': {
        depends.add(`community-list ${match.name}`);
        const list = names.communityList(match.name);
        if (list === undefined) never = true;
        else conditions.push(id => list.permits(attributes.communities(id), match.exact));
        break;
      }
      case 'metric':
        conditions.push(id => Math.max(attributes.med(id), 0) === match.value);
        break;
      case 'local-preference':
        conditions.push(id => attributes.localPref(id) === match.value);
        break;
      case 'tag':
        conditions.push(id => attributes.tag(id) === match.value);
        break;
      case 'origin':
        conditions.push(id => attributes.origin(id) === match.value);
        break;
      case 'peer':
        if (match.address !== binding.peer) never = true;
        break;
      case 'source-protocol':
        if (match.protocol !== (binding.protocol ?? (binding.peer === 'local' ? 'local' : 'bgp'))) never = true;
        break;
    }
  }
  return { prefixLists, prefixLength, never, attributeMatches: conditions };
}
