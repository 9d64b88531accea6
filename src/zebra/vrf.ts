// VRFs as the kernel has them: a device of kind `vrf` each, whose number is the VRF's (as in FRR), whose ports are the VRF's
// interfaces, and which names the kernel's table of the VRF's routes. They come, go and are renamed with their devices. Where VRFs
// are network namespaces (namespace/), devices are none, and each namespace has one VRF, of all that is in it.
import type { Interface } from './interface/interfaces.ts';
import { RT_TABLE_MAIN } from './rib/parts.ts';

export const VRF_DEFAULT = 0;

export interface Vrf {
  /** Index of its device; 0: the default VRF, which has none. */
  readonly id: number;
  readonly name: string;
  /** The kernel's routing table. */
  readonly table: number;
  /** The network namespace that it is: where it is, and what clients know it by. */
  readonly namespace?: { readonly path: string; readonly name: string };
}

export const DEFAULT_VRF: Vrf = { id: VRF_DEFAULT, name: 'default', table: RT_TABLE_MAIN };

export interface VrfListener {
  came?(vrf: Vrf): void;
  /** Its interfaces have left it before. */
  gone?(vrf: Vrf): void;
  renamed?(vrf: Vrf, before: string): void;
}

export class Vrfs {
  #home: Vrf;
  readonly #byId: Map<number, Vrf>;
  readonly #devices: boolean;
  readonly #listeners: Set<VrfListener> = new Set();

  /** `devices`: whether devices of the kind are VRFs. */
  constructor(home: Vrf = DEFAULT_VRF, devices = true) {
    this.#home = home;
    this.#byId = new Map([[home.id, home]]);
    this.#devices = devices;
  }

  /** What belongs to no other is in this one. */
  get default(): Vrf {
    return this.#home;
  }

  /** That one has another name. */
  rename(vrf: Vrf): void {
    const before = this.#home.name;
    this.#home = vrf;
    this.#byId.set(vrf.id, vrf);
    for (const listener of this.#listeners) listener.renamed?.(vrf, before);
  }

  /** By number; undefined where there is none. */
  get(id: number): Vrf | undefined {
    return this.#byId.get(id);
  }

  named(name: string): Vrf | undefined {
    for (const one of this.#byId.values()) if (one.name === name) return one;
    return undefined;
  }

  /** `red`, or `VRF 7` for one that is gone. */
  nameOf(id: number): string {
    return this.#byId.get(id)?.name ?? `VRF ${id}`;
  }

  /** By name. */
  list(): Vrf[] {
    return [...this.#byId.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
  }

  listen(listener: VrfListener): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  /** A link came or changed. */
  linkChanged(one: Interface): void {
    if (!this.#devices) return;
    const { ifindex: id, name, detail } = one;
    const before = this.#byId.get(id);
    if (detail.kind !== 'vrf') {
      if (before !== undefined) this.#remove(before);
      return;
    }
    // The kernel changes the table of none: another one under its number is another device.
    if (before !== undefined && before.table !== detail.kindId) this.#remove(before);
    const vrf: Vrf = { id, name, table: detail.kindId };
    const known = this.#byId.has(id);
    this.#byId.set(id, vrf);
    if (!known) for (const listener of this.#listeners) listener.came?.(vrf);
    else if (before!.name !== name) for (const listener of this.#listeners) listener.renamed?.(vrf, before!.name);
  }

  linkGone(one: Interface): void {
    const vrf = this.#devices ? this.#byId.get(one.ifindex) : undefined;
    if (vrf !== undefined) this.#remove(vrf);
  }

  #remove(vrf: Vrf): void {
    this.#byId.delete(vrf.id);
    for (const listener of this.#listeners) listener.gone?.(vrf);
  }
}
