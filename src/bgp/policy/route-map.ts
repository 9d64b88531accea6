// Route maps: numbered clauses, each with conditions (match) and changes (set), tried in order.
//
// What is configured (`RouteMap`, `Clause`) is text and small values, shared by all who refer to the map by name. What
// runs is a `BoundMap`: the map compiled for one use (one direction of one peer, or one source of local routes), with
// every name resolved and with the address of the peer at hand. A change of any list or map makes bound maps stale; their
// owner compiles them again and evaluates the affected routes anew.
//
// An attribute set passes through a clause as an id, and a clause's conditions on attributes, and its changes, give the
// same for the same id each time. So a clause remembers, for the ids that it saw last, whether they matched and what
// came out, and a prefix with a set seen before costs the prefix conditions and one look into that memory:
//
//    id ──▶ row = id & mask:  │ id, serial │ verdict │ out id, serial │
//
// The memory holds no references: a serial that is no longer the id's tells that the set is another one.
import type { AddressWords, Family, Prefix } from '../../net/index.ts';
import { AF_INET } from '../../net/index.ts';
import type { AsPathList } from './as-path-list.ts';
import type { CommunityList } from './community.ts';
import type { PrefixList } from './prefix-list.ts';

export type Match =
  | { readonly kind: 'prefix-list'; readonly family: Family; readonly name: string }
  | { readonly kind: 'prefix-length'; readonly family: Family; readonly length: number }
  | { readonly kind: 'next-hop-prefix-list'; readonly family: Family; readonly name: string }
  | { readonly kind: 'next-hop'; readonly family: Family; readonly words: AddressWords }
  | { readonly kind: 'as-path'; readonly name: string }
  | { readonly kind: 'community'; readonly name: string; readonly exact: boolean }
  | { readonly kind: 'metric' | 'local-preference' | 'tag' | 'origin'; readonly value: number }
  | { readonly kind: 'peer'; readonly address: string }
  | { readonly kind: 'source-protocol'; readonly protocol: string };

export type SetAction =
  | { readonly kind: 'local-preference' | 'metric'; readonly sign: '' | '+' | '-'; readonly value: number }
  | { readonly kind: 'weight' | 'tag' | 'origin'; readonly value: number }
  | { readonly kind: 'community'; readonly values: readonly number[]; readonly additive: boolean }
  | { readonly kind: 'comm-list-delete'; readonly name: string }
  | { readonly kind: 'prepend'; readonly path: readonly number[] }
  | { readonly kind: 'prepend-last'; readonly count: number }
  | { readonly kind: 'exclude'; readonly path: readonly number[] }
  | { readonly kind: 'next-hop'; readonly family: Family; readonly words: AddressWords }
  | { readonly kind: 'next-hop-peer'; readonly family: Family }
  | { readonly kind: 'next-hop-link-local'; readonly words: AddressWords }
  | { readonly kind: 'atomic-aggregate' };

export interface Clause {
  readonly sequence: number;
  permit: boolean;
  description: string | undefined;
  /** By what they look at, in the order configured; the key is what a later line replaces. */
  readonly matches: Map<string, { readonly match: Match; readonly text: string }>;
  readonly sets: Map<string, { readonly set: SetAction; readonly text: string }>;
  call: string | undefined;
  /** What follows a permitting match: leave, the next clause, or the first one at or after a number. */
  onMatch: 'exit' | 'next' | number;
  invoked: number;
}

export class RouteMap {
  readonly name: string;
  /** By sequence number. */
  readonly clauses: Clause[] = [];
  invoked = 0;

  constructor(name: string) {
    this.name = name;
  }

  /** The clause with this number, made where there is none. */
  clause(sequence: number, permit: boolean): Clause {
    const at = this.clauses.findIndex(clause => clause.sequence >= sequence);
    const found = this.clauses[at];
    if (found !== undefined && found.sequence === sequence) {
      found.permit = permit;
      return found;
    }
    const clause: Clause = {
      sequence,
      permit,
      description: undefined,
      matches: new Map(),
      sets: new Map(),
      call: undefined,
      onMatch: 'exit',
      invoked: 0,
    };
    this.clauses.splice(at < 0 ? this.clauses.length : at, 0, clause);
    return clause;
  }

  remove(sequence: number): void {
    const at = this.clauses.findIndex(clause => clause.sequence === sequence);
    if (at >= 0) this.clauses.splice(at, 1);
  }
}

/** Where names are looked up. */
export interface PolicyNames {
  prefixList(family: Family, name: string): PrefixList | undefined;
  asPathList(name: string): AsPathList | undefined;
  communityList(name: string): CommunityList | undefined;
  routeMap(name: string): RouteMap | undefined;
}

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

/** Prefixes by id, as PrefixTable holds them. */
export interface PrefixColumns {
  readonly family: Family;
  readonly w0: Uint32Array;
  readonly w1: Uint32Array;
  readonly w2: Uint32Array;
  readonly w3: Uint32Array;
  readonly length: Uint8Array;
}

/** For whom a map is compiled. */
export interface Binding {
  readonly names: PolicyNames;
  readonly attributes: AttributeAccess;
  readonly prefixes: PrefixColumns;
  /** The session's remote address as text, or `local` for routes of our own. */
  readonly peer: string;
  /** The same in words, for `set ip next-hop peer-address`: the neighbour's inwards, our own outwards. */
  readonly peerAddress: Prefix | undefined;
  /** What a redistributed route comes from (`connected`, `static`, …). */
  readonly protocol?: string;
}

/** Maps that call each other deeper than this are refused, as a loop would be. */
const CALL_DEPTH = 16;
const MEMORY_FIRST = 256;
const MEMORY_MOST = 65536;

const UNKNOWN = 0;
const MATCHES = 1;
const DIFFERS = 2;

interface BoundClause {
  readonly source: Clause;
  readonly permit: boolean;
  /** Conditions on the prefix: every one must hold. */
  readonly prefixLists: readonly PrefixList[];
  readonly prefixLength: number;
  /** A condition that nothing can meet (an unknown list, another family, another peer). */
  readonly never: boolean;
  readonly attributeMatches: readonly ((id: number) => boolean)[];
  readonly changes: readonly ((id: number, edits: AttributeEdits) => void)[];
  readonly call: BoundMap | undefined;
  readonly called: boolean;
  /** Index of the clause to go on with, or −1 to leave. */
  readonly next: number;
  readonly memory: ClauseMemory;
}

/** A direct-mapped memory of the last sets that a clause saw. */
class ClauseMemory {
  ids: Uint32Array = new Uint32Array(MEMORY_FIRST); // 0: the row is empty
  serials: Uint32Array = new Uint32Array(MEMORY_FIRST);
  verdicts: Uint8Array = new Uint8Array(MEMORY_FIRST);
  outs: Uint32Array = new Uint32Array(MEMORY_FIRST); // 0: not known
  outSerials: Uint32Array = new Uint32Array(MEMORY_FIRST);
  mask: number = MEMORY_FIRST - 1;
  misses = 0;

  /** The row of a set, emptied where it was another's. */
  row(id: number, serial: number): number {
    let row = id & this.mask;
    if (this.ids[row] === id && this.serials[row] === serial) return row;
    if (this.ids[row] !== 0 && ++this.misses > this.mask && this.mask < MEMORY_MOST - 1) {
      this.#grow();
      row = id & this.mask;
    }
    this.ids[row] = id;
    this.serials[row] = serial;
    this.verdicts[row] = UNKNOWN;
    this.outs[row] = 0;
    return row;
  }

  #grow(): void {
    const rows = (this.mask + 1) * 4;
    this.ids = new Uint32Array(rows);
    this.serials = new Uint32Array(rows);
    this.verdicts = new Uint8Array(rows);
    this.outs = new Uint32Array(rows);
    this.outSerials = new Uint32Array(rows);
    this.mask = rows - 1;
    this.misses = 0;
  }
}

/** A route map compiled for one use. Implements the tables' `Policy`. */
export class BoundMap {
  readonly map: RouteMap | undefined;
  /** Whether the answer can differ between prefixes with one attribute set. */
  readonly perPrefix: boolean;
  /** Whether the answer depends on whom the map is compiled for. */
  readonly perPeer: boolean;
  /** Names of the lists and maps that the answer depends on, as `kind name`. */
  readonly depends: ReadonlySet<string>;
  readonly #clauses: readonly BoundClause[];
  readonly #attributes: AttributeAccess;
  readonly #prefixes: PrefixColumns;

  constructor(name: string, binding: Binding, depth = 0) {
    const depends = new Set([`route-map ${name}`]);
    const map = binding.names.routeMap(name);
    this.map = map;
    this.#attributes = binding.attributes;
    this.#prefixes = binding.prefixes;
    const clauses = map?.clauses ?? [];
    this.#clauses = clauses.map(clause => bindClause(clause, clauses, binding, depends, depth));
    this.perPrefix = this.#clauses.some(
      clause => clause.prefixLists.length > 0 || clause.prefixLength >= 0 || clause.call?.perPrefix === true,
    );
    this.perPeer = this.#clauses.some(
      ({ source, call }) =>
        call?.perPeer === true ||
        [...source.matches.values()].some(({ match }) => match.kind === 'peer') ||
        [...source.sets.values()].some(({ set }) => set.kind === 'next-hop-peer'),
    );
    this.depends = depends;
  }

  /** The id of the set that comes out, with one reference for the caller, or −1 where the map denies. */
  apply(attributes: number, prefix: number, peer: number): number {
    const map = this.map;
    // A map that does not exist denies, as FRR has it.
    if (map === undefined) return -1;
    map.invoked++;
    const clauses = this.#clauses;
    let id = attributes;
    let permitted = false;
    this.#attributes.retain(id);
    for (let i = 0; i < clauses.length; ) {
      const clause = clauses[i]!;
      if (!this.#matches(clause, id, prefix)) {
        i++;
        continue;
      }
      clause.source.invoked++;
      if (!clause.permit) {
        this.#attributes.release(id);
        return -1;
      }
      permitted = true;
      if (clause.changes.length > 0) id = this.#change(clause, id);
      if (clause.called) {
        const after = clause.call === undefined ? -1 : clause.call.apply(id, prefix, peer);
        this.#attributes.release(id);
        if (after < 0) return -1;
        id = after;
      }
      if (clause.next < 0) break;
      i = clause.next;
    }
    if (permitted) return id;
    this.#attributes.release(id);
    return -1;
  }

  #matches(clause: BoundClause, id: number, prefix: number): boolean {
    if (clause.never) return false;
    const lists = clause.prefixLists;
    if (lists.length > 0 || clause.prefixLength >= 0) {
      const table = this.#prefixes;
      const length = table.length[prefix]!;
      if (clause.prefixLength >= 0 && length !== clause.prefixLength) return false;
      const wide = table.family !== AF_INET;
      const w0 = table.w0[prefix]!;
      const w1 = wide ? table.w1[prefix]! : 0;
      const w2 = wide ? table.w2[prefix]! : 0;
      const w3 = wide ? table.w3[prefix]! : 0;
      for (let i = 0; i < lists.length; i++) if (!lists[i]!.permits(w0, w1, w2, w3, length)) return false;
    }
    const conditions = clause.attributeMatches;
    if (conditions.length === 0) return true;
    const memory = clause.memory;
    const row = memory.row(id, this.#attributes.serial(id));
    let verdict = memory.verdicts[row]!;
    if (verdict === UNKNOWN) {
      verdict = MATCHES;
      for (let i = 0; i < conditions.length && verdict === MATCHES; i++) if (!conditions[i]!(id)) verdict = DIFFERS;
      memory.verdicts[row] = verdict;
    }
    return verdict === MATCHES;
  }

  /** Takes the caller's reference to `id` and gives one to what comes out. */
  #change(clause: BoundClause, id: number): number {
    const attributes = this.#attributes;
    const memory = clause.memory;
    const row = memory.row(id, attributes.serial(id));
    let out = memory.outs[row]!;
    if (out !== 0 && attributes.serial(out) === memory.outSerials[row]) attributes.retain(out);
    else {
      const edits: AttributeEdits = {};
      for (const change of clause.changes) change(id, edits);
      out = attributes.edit(id, edits);
      memory.outs[row] = out;
      memory.outSerials[row] = attributes.serial(out);
    }
    attributes.release(id);
    return out;
  }
}

function bindClause(
  clause: Clause,
  clauses: readonly Clause[],
  binding: Binding,
  depends: Set<string>,
  depth: number,
): BoundClause {
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
  const changes = [...clause.sets.values()].map(({ set }) => bindSet(set, binding, depends));
  let call: BoundMap | undefined;
  if (clause.call !== undefined) {
    depends.add(`route-map ${clause.call}`);
    if (depth < CALL_DEPTH && names.routeMap(clause.call) !== undefined) {
      call = new BoundMap(clause.call, binding, depth + 1);
      for (const name of call.depends) depends.add(name);
    }
  }
  let next = -1;
  if (clause.onMatch !== 'exit') {
    const from = clause.onMatch === 'next' ? clause.sequence + 1 : clause.onMatch;
    const at = clauses.findIndex(other => other.sequence >= from);
    next = at < 0 ? clauses.length : at;
  }
  return {
    source: clause,
    permit: clause.permit,
    prefixLists,
    prefixLength,
    never,
    attributeMatches: conditions,
    changes,
    call,
    called: clause.call !== undefined,
    next,
    memory: new ClauseMemory(),
  };
}

function bindSet(set: SetAction, binding: Binding, depends: Set<string>): (id: number, edits: AttributeEdits) => void {
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
