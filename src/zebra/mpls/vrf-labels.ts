// Labels of VRFs: what comes with one is looked up in the VRF's table. To the kernel that is a path out of the VRF's device with
// no label; `lo` stands for the default one. A client says so of a VRF by its number, which is its device's; here it is kept by
// name, so that the label is in force again when a device of the same name comes.
import type { Owner } from '../face.ts';
import { interfaceNexthop } from '../nexthop/set.ts';
import type { Interfaces } from '../interface/interfaces.ts';
import { type Vrf, VRF_DEFAULT, type Vrfs } from '../vrf.ts';
import type { Lsps } from './lsps.ts';

interface VrfLabel {
  name: string;
  /** The number that its VRF has, or had last. */
  vrf: number;
  readonly afi: number;
  label: number;
  /** LSP_*. */
  type: number;
  owner: Owner;
}

export class VrfLabels {
  readonly #lsps: Lsps;
  readonly #vrfs: Vrfs;
  readonly #interfaces: Interfaces;
  readonly #labels: Set<VrfLabel> = new Set();

  constructor(lsps: Lsps, vrfs: Vrfs, interfaces: Interfaces) {
    this.#lsps = lsps;
    this.#vrfs = vrfs;
    this.#interfaces = interfaces;
  }

  /** The label of a VRF in one family (`label` undefined: it has none). False where there is no such VRF, and never was. */
  say(vrf: number, afi: number, label: number | undefined, type: number, owner: Owner): boolean {
    const name = this.#vrfs.get(vrf)?.name;
    let one: VrfLabel | undefined;
    for (const known of this.#labels) {
      if (known.afi === afi && (known.name === name || (name === undefined && known.vrf === vrf))) one = known;
    }
    if (label === undefined) {
      if (one !== undefined && one.type === type) this.#forget(one);
      return true;
    }
    if (one === undefined) {
      if (name === undefined) return false;
      one = { name, vrf, afi, label, type, owner };
      this.#labels.add(one);
    } else {
      const { label: before, type: typeBefore } = one;
      Object.assign(one, { label, type, owner });
      if (before !== label || typeBefore !== type) this.#update(before, typeBefore);
    }
    this.#update(label, type);
    return true;
  }

  dropOwner(owner: Owner): void {
    for (const one of this.#labels) if (one.owner === owner) this.#forget(one);
  }

  came({ id, name }: Vrf): void {
    for (const one of this.#labels) {
      if (one.name !== name) continue;
      one.vrf = id;
      this.#update(one.label, one.type);
    }
  }

  renamed({ id, name }: Vrf): void {
    for (const one of this.#labels) if (one.vrf === id) one.name = name;
  }

  gone({ id }: Vrf): void {
    for (const one of this.#labels) if (one.vrf === id) this.#update(one.label, one.type);
  }

  #forget(one: VrfLabel): void {
    this.#labels.delete(one);
    this.#update(one.label, one.type);
  }

  /** The number of the VRF whose label it is: of several, the one that said so first, for a packet is one VPN's. */
  whose(label: number, type: number): number | undefined {
    return this.#first(label, type)?.vrf;
  }

  #first(label: number, type: number): VrfLabel | undefined {
    for (const one of this.#labels) {
      if (one.label === label && one.type === type && this.#vrfs.get(one.vrf)?.name === one.name) return one;
    }
    return undefined;
  }

  /** Both families of a VRF may have the same label. */
  #update(label: number, type: number): void {
    const one = this.#first(label, type);
    if (one === undefined) return this.#lsps.set(label, type, [], 0, true);
    const device = one.vrf === VRF_DEFAULT ? (this.#interfaces.byName('lo')?.ifindex ?? 1) : one.vrf;
    this.#lsps.set(label, type, [interfaceNexthop(device)], one.owner, true);
  }
}
