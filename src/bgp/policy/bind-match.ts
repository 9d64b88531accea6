// What a clause's match lines ask, bound to a use: of the prefix, of the attributes, or something that nothing can meet.
import { addressBits, equalWords, isUnspecified } from '../../net/index.ts';
import { type Binding, type PrefixFilter, prefixFilter } from './binding.ts';
import type { Clause, Match } from './route-map.ts';

export interface Conditions {
  /** Conditions on the prefix: every one must hold. */
  readonly filters: readonly PrefixFilter[];
  /** −1: any. */
  readonly prefixLength: number;
  /** How many routes of a hundred; 100: all. */
  readonly percent: number;
  /** A condition that nothing can meet (an unknown list, another family, another peer). */
  readonly never: boolean;
  readonly attributeMatches: readonly ((id: number) => boolean)[];
}

/** `Conditions` while they are gathered. */
class Gathering implements Conditions {
  readonly filters: PrefixFilter[] = [];
  prefixLength = -1;
  percent = 100;
  never = false;
  readonly attributeMatches: ((id: number) => boolean)[] = [];

  /** A condition on the attributes that a list decides; one that does not exist is met by nothing. */
  asked<List>(list: List | undefined, ask: (list: List, id: number) => boolean): void {
    if (list === undefined) this.never = true;
    else this.attributeMatches.push(id => ask(list, id));
  }

  /** A condition that the use alone decides. */
  settled(holds: boolean): void {
    if (!holds) this.never = true;
  }
}

export function bindMatches(clause: Clause, binding: Binding, depends: Set<string>): Conditions {
  const to = new Gathering();
  for (const { match } of clause.matches.values()) bindMatch(match, binding, depends, to);
  return to;
}

function bindMatch(match: Match, binding: Binding, depends: Set<string>, to: Gathering): void {
  const { names, attributes, prefixes } = binding;
  switch (match.kind) {
    case 'address': {
      const list = prefixFilter(names, depends, match.list, match.family, match.name);
      if (match.family !== prefixes.family || list === undefined) to.never = true;
      else to.filters.push(list);
      break;
    }
    case 'prefix-length':
      if (match.family === prefixes.family) to.prefixLength = match.length;
      else to.never = true;
      break;
    case 'next-hop-address':
      to.asked(prefixFilter(names, depends, match.list, match.family, match.name), (list, id) => {
        const hop = attributes.nextHop(id);
        return hop?.family === match.family && list.permits(...hop.words, addressBits(match.family));
      });
      break;
    case 'next-hop':
      to.attributeMatches.push(id => {
        const hop = attributes.nextHop(id);
        return hop?.family === match.family && equalWords(hop.words, match.words);
      });
      break;
    case 'next-hop-blackhole':
      to.settled(match.family === prefixes.family);
      to.attributeMatches.push(id => {
        const hop = attributes.nextHop(id);
        return hop !== undefined && isUnspecified(hop.words) && !attributes.internal(id).ifindex;
      });
      break;
    case 'route-source': {
      // Outwards the neighbour is not the source.
      const peerAddress = binding.ownAddress === undefined ? binding.peerAddress : undefined;
      const list = prefixFilter(names, depends, match.list, match.family, match.name);
      to.settled(
        peerAddress?.family === match.family && list?.permits(...peerAddress.words, addressBits(match.family)) === true,
      );
      break;
    }
    case 'as-path':
      depends.add(`as-path ${match.name}`);
      to.asked(names.asPathList(match.name), (list, id) => list.permits(attributes.asPathText(id)));
      break;
    case 'community':
      depends.add(`community-list ${match.name}`);
      to.asked(names.communityList(match.name), (list, id) => list.permits(attributes.communities(id), match.exact));
      break;
    case 'extcommunity':
      depends.add(`extcommunity-list ${match.name}`);
      to.asked(names.extendedCommunityList(match.name), (list, id) => list.permits(attributes.extendedCommunities(id)));
      break;
    case 'large-community':
      depends.add(`large-community-list ${match.name}`);
      to.asked(names.largeCommunityList(match.name), (list, id) =>
        list.permits(attributes.largeCommunities(id), match.exact),
      );
      break;
    case 'metric':
      to.attributeMatches.push(id => {
        const med = attributes.med(id);
        return (med < 0 ? (attributes.internal(id).receivedMed ?? 0) : med) === match.value;
      });
      break;
    case 'local-preference': {
      // What goes to an internal neighbour has one by then (RFC 4271 §5.1.5), and what starts here has one from the start.
      const given = binding.internal === true && binding.ownAddress !== undefined;
      to.attributeMatches.push(id => {
        const localPref = attributes.localPref(id);
        if (localPref >= 0) return localPref === match.value;
        return match.value === (given || attributes.asPathText(id) === '' ? binding.defaultLocalPref : 0);
      });
      break;
    }
    case 'tag':
      to.attributeMatches.push(id => (attributes.internal(id).tag ?? 0) === match.value);
      break;
    case 'origin':
      to.attributeMatches.push(id => attributes.origin(id) === match.value);
      break;
    case 'interface':
      depends.add(`interface ${match.name}`);
      to.attributeMatches.push(id => binding.interfaceName?.(attributes.internal(id).ifindex ?? 0) === match.name);
      break;
    case 'peer':
      to.settled(match.name === binding.peer || binding.peerNames?.includes(match.name) === true);
      break;
    case 'probability':
      to.percent = match.percent;
      break;
    case 'source-protocol':
      to.settled(match.protocol === (binding.protocol ?? (binding.peer === 'local' ? 'local' : 'bgp')));
      break;
  }
}
