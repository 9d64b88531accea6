// MPLS in zebra: label-switched paths, those of VRFs among them, and labels for other clients' routes.
import type { Owner } from '../face.ts';
import type { Interfaces } from '../interface/interfaces.ts';
import type { Rib } from '../rib/rib.ts';
import type { Vrfs } from '../vrf.ts';
import { Lsps, type LspsHost } from './lsps.ts';
import { RouteLabels } from './route-labels.ts';
import { VrfLabels } from './vrf-labels.ts';

export class Mpls {
  readonly lsps: Lsps;
  readonly vrfs: VrfLabels;
  readonly routes: RouteLabels;

  constructor(host: LspsHost, rib: Rib, vrfs: Vrfs, interfaces: Interfaces) {
    this.lsps = new Lsps(host);
    this.vrfs = new VrfLabels(this.lsps, vrfs, interfaces);
    this.routes = new RouteLabels(rib, host.sets);
  }

  dropOwner(owner: Owner): void {
    this.vrfs.dropOwner(owner);
    this.lsps.dropOwner(owner);
    this.routes.dropOwner(owner);
  }
}
