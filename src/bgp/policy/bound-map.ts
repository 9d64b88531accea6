// A `BoundMap` is a route map compiled for one use (one direction of one peer, or one source of local routes), with every
// name resolved and with the address of the peer at hand. A change of any list or map makes bound maps stale; their owner
// compiles them again and evaluates the affected routes anew.
import { AF_INET } from '../../net/index.ts';
import type { AttributeAccess, AttributeEdits } from './attribute-access.ts';
import { bindMatches, type Conditions } from './bind-match.ts';
import { bindSet } from './bind-set.ts';
import type { Binding, PrefixColumns } from './binding.ts';
import { ClauseMemory, DIFFERS, MATCHES, UNKNOWN } from './clause-memory.ts';
import type { Clause, RouteMap } from './route-map.ts';

/** Maps that call each other deeper than this are refused, as a loop would be. */
const CALL_DEPTH = 16;

interface BoundClause extends Conditions {
  readonly source: Clause;
  readonly permit: boolean;
  readonly changes: readonly ((id: number, edits: AttributeEdits) => void)[];
  /** Undefined also where the map that is named does not exist: FRR passes over it. */
  readonly call: BoundMap | undefined;
  /** Index of the clause to go on with, or −1 to leave. */
  readonly next: number;
  readonly memory: ClauseMemory;
}

/** A route map compiled for one use. Implements the tables' `Policy`. */
export class BoundMap {
  readonly map: RouteMap | undefined;
  /** Whether the answer can differ between prefixes with one attribute set. */
  readonly perPrefix: boolean;
  /** Whether the answer depends on whom the map is compiled for. */
  readonly perPeer: boolean;
  /** Whether MED is looked at or set. */
  readonly concernsMed: boolean;
  /** Names of the lists and maps that the answer depends on, as `kind name`. */
  readonly depends: ReadonlySet<string>;
  readonly #clauses: readonly BoundClause[];
  readonly #attributes: AttributeAccess;
  readonly #prefixes: PrefixColumns;
  readonly #random: () => number;

  constructor(name: string, binding: Binding, depth = 0) {
    const depends = new Set([`route-map ${name}`]);
    const map = binding.names.routeMap(name);
    this.map = map;
    this.#attributes = binding.attributes;
    this.#prefixes = binding.prefixes;
    this.#random = binding.random;
    const clauses = map?.clauses ?? [];
    this.#clauses = clauses.map(clause => bindClause(clause, clauses, binding, depends, depth));
    this.perPrefix = this.#clauses.some(
      clause =>
        clause.filters.length > 0 ||
        clause.prefixLength >= 0 ||
        clause.percent < 100 ||
        clause.call?.perPrefix === true,
    );
    this.perPeer = this.#clauses.some(
      ({ source, call }) =>
        call?.perPeer === true ||
        [...source.matches.values()].some(({ match }) => match.kind === 'peer') ||
        [...source.sets.values()].some(({ set }) => set.kind === 'next-hop-peer'),
    );
    this.concernsMed = this.#clauses.some(
      ({ source, call }) =>
        call?.concernsMed === true ||
        [...source.matches.values()].some(({ match }) => match.kind === 'metric') ||
        [...source.sets.values()].some(({ set }) => set.kind === 'metric'),
    );
    this.depends = depends;
  }

  /**
   * The id of the set that comes out, with one reference for the caller, or −1 where the map denies. With a `target`, that
   * is what is changed, and what is looked at stays as it is.
   */
  apply(attributes: number, prefix: number, peer: number, target: number = attributes): number {
    const map = this.map;
    // A map that does not exist denies, as FRR has it.
    if (map === undefined) return -1;
    map.invoked++;
    const clauses = this.#clauses;
    const apart = target !== attributes;
    let id = target;
    let permitted = false;
    this.#attributes.retain(id);
    for (let i = 0; i < clauses.length; ) {
      const clause = clauses[i]!;
      if (!this.#matches(clause, apart ? attributes : id, prefix)) {
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
      if (clause.call !== undefined) {
        const after = clause.call.apply(apart ? attributes : id, prefix, peer, id);
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
    const lists = clause.filters;
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
    if (clause.percent < 100 && this.#random() * 100 >= clause.percent) return false;
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
  const conditions = bindMatches(clause, binding, depends);
  const changes = [...clause.sets.values()].map(({ set }) => bindSet(set, binding, depends));
  let call: BoundMap | undefined;
  if (clause.call !== undefined) {
    depends.add(`route-map ${clause.call}`);
    if (depth < CALL_DEPTH && binding.names.routeMap(clause.call) !== undefined) {
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
    filters: conditions.filters,
    prefixLength: conditions.prefixLength,
    percent: conditions.percent,
    never: conditions.never,
    attributeMatches: conditions.attributeMatches,
    changes,
    call,
    next,
    memory: new ClauseMemory(),
  };
}
