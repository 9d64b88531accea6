// What a set line does, bound to a use.
import { AF_INET, AF_INET6 } from '../../net/index.ts';
import type { AttributeEdits } from './attribute-access.ts';
import type { Binding } from './binding.ts';
import { linkBandwidth, sameKind } from './extended-community.ts';
import { excludeFromPath, type PathEdit, prependLast, prependPath, replaceInPath } from './path-edit.ts';
import type { SetAction } from './route-map.ts';

type Change = (id: number, edits: AttributeEdits) => void;

/** Changes that are the same for every route. */
function always(change: AttributeEdits): Change {
  return (_, edits) => void Object.assign(edits, change);
}

function onPath(edit: PathEdit): Change {
  return (_, edits) => {
    edits.path = [...(edits.path ?? []), edit];
  };
}

/** All of two lists, each ascending, in one that is ascending and has each value once. */
function merged<Value extends number | string>(a: readonly Value[], b: readonly Value[]): Value[] {
  const all: Value[] = [];
  for (let i = 0, j = 0; i < a.length || j < b.length; ) {
    const value = j === b.length || (i < a.length && a[i]! < b[j]!) ? a[i++]! : b[j++]!;
    if (all.length === 0 || all[all.length - 1] !== value) all.push(value);
  }
  return all;
}

function ascending<Value extends number | string>(values: readonly Value[]): Value[] {
  return values.toSorted((a, b) => (a < b ? -1 : a > b ? 1 : 0));
}

export function bindSet(set: SetAction, binding: Binding, depends: Set<string>): Change {
  const { attributes, names } = binding;
  switch (set.kind) {
    case 'local-preference':
      return (id, edits) => {
        const before = attributes.localPref(id);
        edits.localPref = adjust(set.sign, set.value, before < 0 ? binding.defaultLocalPref : before);
      };
    case 'metric':
      return (id, edits) => {
        edits.med = adjust(set.sign, set.value, Math.max(attributes.med(id), 0));
      };
    case 'weight':
      return always({ weight: set.value });
    case 'tag':
      return always({ tag: set.value });
    case 'distance':
      return always({ distance: set.value });
    case 'origin':
      return always({ origin: set.value });
    case 'originator-id':
      return always({ originatorId: set.value });
    case 'aggregator':
      return always({ aggregator: { as: set.as, routerId: set.routerId } });
    case 'atomic-aggregate':
      return always({ atomicAggregate: true });
    case 'community': {
      const values = ascending(set.values);
      return (id, edits) => {
        const before = set.additive ? (edits.communities ?? attributes.communities(id)) : [];
        edits.communities = merged(before, values);
      };
    }
    case 'large-community': {
      const values = ascending(set.values);
      return (id, edits) => {
        const before = set.additive ? (edits.largeCommunities ?? attributes.largeCommunities(id)) : [];
        edits.largeCommunities = merged(before, values);
      };
    }
    case 'extcommunity': {
      const values = ascending(set.values);
      return (id, edits) => {
        edits.extendedCommunities = merged(edits.extendedCommunities ?? attributes.extendedCommunities(id), values);
      };
    }
    case 'extcommunity-none':
      return always({ extendedCommunities: [] });
    case 'bandwidth': {
      const value = linkBandwidth(binding.localAs, set.megabitsPerSecond, set.transitive);
      return (id, edits) => {
        const before = edits.extendedCommunities ?? attributes.extendedCommunities(id);
        edits.extendedCommunities = merged(
          before.filter(one => !sameKind(one, value)),
          [value],
        );
      };
    }
    case 'comm-list-delete': {
      depends.add(`community-list ${set.name}`);
      const list = names.communityList(set.name);
      return (id, edits) => {
        if (list !== undefined) edits.communities = list.without(edits.communities ?? attributes.communities(id));
      };
    }
    case 'large-comm-list-delete': {
      depends.add(`large-community-list ${set.name}`);
      const list = names.largeCommunityList(set.name);
      return (id, edits) => {
        if (list === undefined) return;
        edits.largeCommunities = list.without(edits.largeCommunities ?? attributes.largeCommunities(id));
      };
    }
    case 'prepend':
      return onPath(prependPath(set.path));
    case 'prepend-last':
      return onPath(prependLast(set.count));
    case 'exclude':
      return onPath(excludeFromPath(set.path));
    case 'replace':
      // Inside, our own AS in the path would be a loop.
      return binding.internal === true ? always({}) : onPath(replaceInPath(set.as, binding.localAs));
    case 'next-hop':
    case 'next-hop-peer':
    case 'next-hop-link-local':
    case 'next-hop-unchanged':
    case 'next-hop-prefer-global':
      return bindNextHop(set, binding);
  }
}

type NextHopAction = Extract<SetAction, { kind: `next-hop${string}` }>;

function bindNextHop(set: NextHopAction, binding: Binding): Change {
  const { peerAddress, ownAddress } = binding;
  const outwards = ownAddress !== undefined;
  // What comes in is rewritten on its way out whoever chose its next hop.
  const kept: AttributeEdits = outwards ? { nextHopKept: true } : {};
  switch (set.kind) {
    case 'next-hop':
      // An IPv6 prefix has no IPv4 next hop; the other way round there is RFC 8950.
      if (set.family === AF_INET && binding.prefixes.family !== AF_INET) return always({});
      return always(set.family === AF_INET ? { nextHop4: set.words[0], ...kept } : { nextHop6: set.words, ...kept });
    case 'next-hop-peer': {
      const address = ownAddress ?? peerAddress;
      if (address?.family !== set.family || (set.family === AF_INET && binding.prefixes.family !== AF_INET))
        return always({});
      const { words } = address;
      return always(set.family === AF_INET ? { nextHop4: words[0], ...kept } : { nextHop6: words, ...kept });
    }
    case 'next-hop-link-local':
      return always({ nextHopLinkLocal: set.words });
    case 'next-hop-unchanged':
      return always(kept);
    case 'next-hop-prefer-global':
      return always(outwards || peerAddress?.family !== AF_INET6 ? {} : { preferGlobal: true });
  }
}

/** Sums stay in 32 bits, and differences do not go below 0. */
function adjust(sign: '' | '+' | '-', value: number, before: number): number {
  if (sign === '+') return Math.min(before + value, 0xffffffff);
  return sign === '-' ? Math.max(before - value, 0) : value;
}
