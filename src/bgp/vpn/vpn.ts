// VPNs of a speaker: which of its instances put routes into the VPN tables of the default one, which take routes out of them, and
// which take each other's. `reconcile` brings what runs to what is configured, as everything here is: it may be called at any time.
//
//   table of vrf10 ──VrfExport──▶ ┌───────────────────┐ ──VpnImport──▶ table of vrf10
//   table of vrf20 ──VrfExport──▶ │ vpnv4 of default  │ ──VpnImport──▶ table of vrf20
//                       peers ──▶ └───────────────────┘ ──▶ peers
//   table of vrf10 ──VrfLeak─────────────────────────────────────────▶ table of vrf20
import type { FamilyInstance } from '../family.ts';
import type { BgpInstance } from '../instance.ts';
import type { Speaker } from '../speaker.ts';
import { type FamilyName, UNICAST_NAMES, type UnicastName } from '../wire/family.ts';
import { LABEL_IMPLICIT_NULL } from '../wire/labels.ts';
import { OWNER_IP4, type WordPair } from '../wire/route-distinguisher.ts';
import { VRF_DEFAULT } from '../vrf.ts';
import { type ExportSettings, VrfExport } from './export.ts';
import { VpnImport } from './import.ts';
import { VrfLabels, type WantedLabel } from './labels.ts';
import { VrfLeak } from './leak.ts';
import { Memberships } from './memberships.ts';
import { targetsOf } from './settings.ts';
import { type Sid, type SidKind, Sids, type WantedSid } from './sids.ts';

export const VPN_OF: Readonly<Record<UnicastName, FamilyName>> = { ipv4: 'vpnv4', ipv6: 'vpnv6' };
const SID_OF: Readonly<Record<UnicastName, SidKind>> = { ipv4: 'dt4', ipv6: 'dt6' };

/** A VPN table and who is tied to it. */
interface Side {
  readonly vpn: FamilyInstance;
  readonly exports: Map<FamilyInstance, VrfExport>;
  import: VpnImport | undefined;
}

export class Vpn {
  readonly sids: Sids;
  readonly labels: VrfLabels;
  readonly #bgp: Speaker;
  readonly #sides: Map<UnicastName, Side> = new Map();
  readonly #leaks: Map<FamilyInstance, Map<FamilyInstance, VrfLeak>> = new Map();
  #memberships: Memberships | undefined;
  /** Why routes of a family are not exported although they are to be. */
  readonly #problems: Map<FamilyInstance, string> = new Map();

  constructor(bgp: Speaker) {
    this.#bgp = bgp;
    this.sids = new Sids(bgp);
    this.labels = new VrfLabels(bgp);
    if (bgp.zebra !== undefined) {
      bgp.zebra.services = {
        connected: () => this.sids.connected(),
        writable: () => this.sids.flush(),
        idle: () => this.sids.idle,
        locator: chunk => this.sids.given(chunk),
        locatorGone: name => this.sids.gone(name),
        labels: event => this.labels.event(event),
      };
    }
  }

  reconcile(): void {
    const instances = [...this.#bgp.instances.values()].filter(({ kind }) => kind !== 'view');
    const main = this.#bgp.instances.get(VRF_DEFAULT);
    // Its line went with the instance.
    if (main === undefined) this.sids.setLocator(undefined);
    this.sids.reconcile(instances.flatMap(wantedSids));
    this.labels.reconcile(instances.flatMap(wantedLabels));
    for (const name of UNICAST_NAMES) {
      const side = this.#side(name, main?.family[VPN_OF[name]]);
      const families = instances.map(instance => instance.family[name]);
      if (side !== undefined) this.#tie(side, name, families);
      else for (const family of families) this.#problem(family, homeless(family));
      for (const family of families) this.#reconcileLeaks(family, name);
    }
    this.#reconcileMemberships(main?.family.rtc);
    const alive = new Set(instances.flatMap(({ unicast }) => unicast));
    for (const [to, leaks] of this.#leaks) {
      if (alive.has(to)) continue;
      for (const leak of leaks.values()) leak.close();
      this.#leaks.delete(to);
    }
    for (const family of this.#problems.keys()) if (!alive.has(family)) this.#problems.delete(family);
  }

  /** What is tied to a VPN table, which may have gone or be another one than before. */
  #side(name: UnicastName, vpn: FamilyInstance | undefined): Side | undefined {
    const side = this.#sides.get(name);
    if (side?.vpn === vpn) return side;
    if (side !== undefined) {
      for (const one of side.exports.values()) one.close();
      side.import?.close();
      this.#sides.delete(name);
    }
    if (vpn === undefined) return undefined;
    const made: Side = { vpn, exports: new Map(), import: undefined };
    this.#sides.set(name, made);
    return made;
  }

  #tie(side: Side, name: UnicastName, families: readonly FamilyInstance[]): void {
    const wanted = new Map<FamilyInstance, ExportSettings>();
    for (const family of families) {
      const settings = this.#exportOf(family, name);
      if (typeof settings === 'object') wanted.set(family, settings);
      this.#problem(family, typeof settings === 'string' ? settings : undefined);
    }
    for (const [family, one] of side.exports) {
      if (wanted.has(family)) continue;
      one.close();
      side.exports.delete(family);
    }
    for (const [family, settings] of wanted) {
      const known = side.exports.get(family);
      if (known !== undefined) known.update(settings);
      else {
        const made = new VrfExport(family, side.vpn, settings);
        made.onRoute = row => side.import?.touch(row);
        side.exports.set(family, made);
      }
    }
    const imports = new Map<FamilyInstance, { targets: readonly WordPair[]; map: string | undefined }>();
    for (const family of families) {
      const targets = targetsOf(family.vpn, 'import');
      if (targets.length > 0) imports.set(family, { targets, map: family.vpn.importMap });
    }
    if (imports.size > 0) side.import ??= new VpnImport(side.vpn);
    side.import?.set(imports);
    if (imports.size > 0) return;
    side.import?.close();
    side.import = undefined;
  }

  /** What a family exports as; why it does not although it is to; undefined: it is not to. */
  #exportOf(family: FamilyInstance, name: UnicastName): ExportSettings | string | undefined {
    const { instance, vpn } = family;
    const targets = targetsOf(vpn, 'export');
    if (targets.length === 0) return undefined;
    if (!instance.ready) return `there is no VRF ${instance.vrf.name}`;
    const rd = distinguisherOf(family);
    if (rd === undefined) return 'no route distinguisher, and no router id to make one of';
    const common = { rd, targets, nextHop: vpn.nextHop, map: vpn.exportMap };
    const kind = sidKindOf(instance, name);
    if (kind !== undefined) {
      const sid = this.sids.of(instance, kind);
      if (sid === undefined) return this.sids.problem(instance, kind) ?? 'there is no SID yet';
      return { ...common, label: sid.label, prefixSid: sid.attribute };
    }
    if (vpn.label === undefined) return { ...common, label: LABEL_IMPLICIT_NULL, prefixSid: '' };
    const label = this.labels.of(instance, name);
    if (label === undefined) return this.labels.problem(instance, name) ?? 'there is no label yet';
    return { ...common, label, prefixSid: '' };
  }

  /** Says once why routes do not go into their VPN. */
  #problem(family: FamilyInstance, why: string | undefined): void {
    if (this.#problems.get(family) === why) return;
    if (why === undefined) {
      this.#problems.delete(family);
      return;
    }
    this.#problems.set(family, why);
    this.#bgp.log(`vpn: ${family.instance.name} ${family.afi}: routes are not exported: ${why}`);
  }

  #reconcileLeaks(to: FamilyInstance, name: UnicastName): void {
    const wanted = new Set<FamilyInstance>();
    for (const vrf of to.vpn.importVrfs) {
      const from = this.#bgp.instances.get(vrf)?.family[name];
      if (from !== undefined && from !== to && from.instance.kind !== 'view') wanted.add(from);
    }
    let leaks = this.#leaks.get(to);
    if (leaks === undefined && wanted.size === 0) return;
    if (leaks === undefined) this.#leaks.set(to, (leaks = new Map()));
    for (const [from, leak] of leaks) {
      if (wanted.has(from)) continue;
      leak.close();
      leaks.delete(from);
    }
    for (const from of wanted) {
      let leak = leaks.get(from);
      if (leak === undefined) leaks.set(from, (leak = new VrfLeak(from, to)));
      leak.routes.setMap(to.vpn.importVrfMap);
    }
  }

  #reconcileMemberships(rtc: FamilyInstance | undefined): void {
    if (this.#memberships?.family !== rtc) {
      this.#memberships?.close();
      this.#memberships = rtc && new Memberships(rtc);
    }
    this.#memberships?.set(this.importTargets);
  }

  policyChanged(changed: ReadonlySet<string>): void {
    for (const side of this.#sides.values()) {
      for (const one of side.exports.values()) one.policyChanged(changed);
      side.import?.policyChanged(changed);
    }
    for (const leaks of this.#leaks.values()) for (const leak of leaks.values()) leak.routes.policyChanged(changed);
  }

  // ===== for show =====

  /** What a family exports as at present. */
  exported(family: FamilyInstance, name: UnicastName): ExportSettings | undefined {
    return this.#sides.get(name)?.exports.get(family)?.settings;
  }

  problem(family: FamilyInstance): string | undefined {
    return this.#problems.get(family);
  }

  sidOf(instance: BgpInstance, name: UnicastName): Sid | undefined {
    const kind = sidKindOf(instance, name);
    return kind === undefined ? undefined : this.sids.of(instance, kind);
  }

  /** All targets that somebody here wants routes of. */
  get importTargets(): WordPair[] {
    const all = new Map<string, WordPair>();
    for (const side of this.#sides.values()) for (const one of side.import?.targets ?? []) all.set(one.join(), one);
    return [...all.values()];
  }
}

/**
 * What a family's routes go into VPNs with: what is configured, or made (RFC 4364 §4.2 type 1) of a router id of ours and the
 * instance's number. Undefined where there is neither.
 */
export function distinguisherOf({ instance, vpn }: FamilyInstance): WordPair | undefined {
  if (vpn.rd !== undefined) return vpn.rd;
  const id = instance.routerId || instance.bgp.instances.get(VRF_DEFAULT)?.routerId;
  if (id === undefined || id === 0) return undefined;
  return [((OWNER_IP4 << 16) | (id >>> 16)) >>> 0, ((id << 16) | instance.number) >>> 0];
}

/** Why routes of a family do not go into a VPN where there is no default instance; undefined: they are not to. */
function homeless({ vpn }: FamilyInstance): string | undefined {
  return targetsOf(vpn, 'export').length === 0 ? undefined : 'there is no default instance, which has the VPN tables';
}

/** What ends a tunnel for a family's packets: one SID of its own, or one for both families. */
function sidKindOf(instance: BgpInstance, name: UnicastName): SidKind | undefined {
  if (instance.options.sidPerVrf !== undefined) return 'dt46';
  return instance.family[name].vpn.sid === undefined ? undefined : SID_OF[name];
}

function wantedSids(instance: BgpInstance): WantedSid[] {
  const { sidPerVrf } = instance.options;
  if (sidPerVrf !== undefined) return [{ instance, kind: 'dt46', chosen: sidPerVrf }];
  return UNICAST_NAMES.flatMap(name => {
    const chosen = instance.family[name].vpn.sid;
    return chosen === undefined ? [] : [{ instance, kind: SID_OF[name], chosen }];
  });
}

function wantedLabels(instance: BgpInstance): WantedLabel[] {
  return UNICAST_NAMES.flatMap(name => {
    const chosen = instance.family[name].vpn.label;
    return chosen === undefined ? [] : [{ instance, name, chosen }];
  });
}
