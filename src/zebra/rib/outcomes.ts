// What somebody's hardware makes of our routes: the kernel's drivers say so in its notifications (RTM_F_OFFLOAD …), other
// providers by a ROUTE of their own. It is shown, and told to the route's owner; nothing is decided by it, and with what is
// sent next of a destination it begins anew. Where there is no such hardware it costs nothing.
import { equalWords, type Family } from '../../net/index.ts';
import { FLAG_OFFLOAD_FAILED, NOTE_FAIL_INSTALL, NOTE_INSTALLED } from '../face.ts';
import type { NexthopSet, NexthopSets, ResolvedPath } from '../nexthop/set.ts';
import { kernelProtocol } from '../route-type.ts';
import type { RibHost } from './parts.ts';
import type { RibTable } from './table.ts';
import type { RibTables } from './tables.ts';

/** The kernel, among those who say so. */
const KERNEL = 0;

type Way = Pick<ResolvedPath, 'gateway' | 'ifindex'>;

/** Of one table. */
interface Said {
  /** FLAG_OUTCOMES, by prefix id. */
  flags: Uint16Array;
  /** By prefix id: the paths in use, where those are not all that the route has. */
  readonly parts: Map<number, readonly Way[]>;
}

export class Outcomes {
  readonly #host: RibHost;
  readonly #tables: RibTables;
  readonly #sets: NexthopSets;
  readonly #notify: Uint8Array;
  readonly #said: Map<RibTable, Said> = new Map();
  /** Who spoke last. */
  #source = KERNEL;

  constructor(host: RibHost, tables: RibTables, sets: NexthopSets, notify: Uint8Array) {
    this.#host = host;
    this.#tables = tables;
    this.#sets = sets;
    this.#notify = notify;
  }

  /** `outcome`: of FLAG_OUTCOMES. `paths`: those in use, or none where it is not said. */
  told(
    kernelTable: number,
    family: Family,
    w0: number,
    w1: number,
    w2: number,
    w3: number,
    length: number,
    protocol: number,
    outcome: number,
    source: number,
    paths: () => readonly Way[],
  ): void {
    // A kernel without such hardware says nothing of what another plane does.
    if (source === KERNEL && outcome === 0 && (this.#source !== KERNEL || this.#said.size === 0)) return;
    this.#source = source;
    const t = this.#tables.ofKernel(kernelTable, family);
    const id = t?.prefixes.find(w0, w1, w2, w3, length) ?? -1;
    if (t === undefined || id < 0) return;
    const row = t.selected[id]!;
    // Of a route that was replaced meanwhile it says nothing that counts any more.
    if (row < 0 || kernelProtocol(t.type[row]!) !== protocol) return;
    const said = this.#of(t, id);
    const before = said.flags[id]!;
    said.flags[id] = outcome;
    if (source !== KERNEL) setPart(said, id, paths(), this.#sets.get(t.set[row]!));
    if (((before ^ outcome) & FLAG_OFFLOAD_FAILED) === 0 || this.#notify[t.owner[row]!] !== 1) return;
    const note = (outcome & FLAG_OFFLOAD_FAILED) !== 0 ? NOTE_FAIL_INSTALL : NOTE_INSTALLED;
    this.#host.note(t.owner[row]!, note, t, id, t.type[row]!, t.instance[row]!);
  }

  #of(t: RibTable, id: number): Said {
    let said = this.#said.get(t);
    if (said === undefined) this.#said.set(t, (said = { flags: new Uint16Array(0), parts: new Map() }));
    if (id >= said.flags.length) {
      const flags = new Uint16Array(t.first.length);
      flags.set(said.flags);
      said.flags = flags;
    }
    return said;
  }

  /** The destination's route is sent, or taken back: what was said was said of another. */
  forget(t: RibTable, id: number): void {
    if (this.#said.size === 0) return;
    const said = this.#said.get(t);
    if (said === undefined || id >= said.flags.length) return;
    said.flags[id] = 0;
    said.parts.delete(id);
  }

  /** FLAG_OUTCOMES of what the destination has in the kernel. */
  of(t: RibTable, id: number): number {
    return this.#said.get(t)?.flags[id] ?? 0;
  }

  /** Whether it forwards by this path, as far as anybody said. */
  uses(t: RibTable, id: number, path: Way): boolean {
    const part = this.#said.get(t)?.parts.get(id);
    return part === undefined || part.some(one => sameWay(path, one));
  }
}

function setPart(said: Said, id: number, paths: readonly Way[], set: NexthopSet): void {
  const known = paths.filter(path => set.paths.some(one => sameWay(one, path)));
  if (known.length === 0 || known.length === set.paths.length) said.parts.delete(id);
  else said.parts.set(id, known);
}

function sameWay(a: Way, b: Way): boolean {
  return a.ifindex === b.ifindex && equalWords(a.gateway, b.gateway);
}
