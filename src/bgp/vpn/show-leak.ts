// `show bgp … route-leak`: what an instance takes from others and from VPNs, and what it gives them. FRR tells of other VRFs only; what
// follows about VPNs is ours, and so is why nothing goes there.
import { formatAddress } from '../../net/index.ts';
import type { Bgp } from '../bgp.ts';
import type { FamilyInstance } from '../family.ts';
import { FAMILY, type UnicastName } from '../wire/family.ts';
import { formatRouteDistinguisher, type WordPair } from '../wire/route-distinguisher.ts';
import { formatRouteTarget } from '../wire/route-target.ts';
import { targetsOf } from './settings.ts';
import { distinguisherOf } from './vpn.ts';

interface Leak {
  readonly importFrom: readonly string[];
  readonly exportTo: readonly string[];
  readonly importTargets: string;
  readonly exportTargets: string;
  /** Of what goes anywhere. */
  readonly rd: string | undefined;
  readonly label: number | undefined;
  readonly sid: string | undefined;
  readonly notImported: string | undefined;
  readonly notExported: string | undefined;
}

const texts = (targets: readonly WordPair[]): string => targets.map(pair => formatRouteTarget(...pair)).join(' ');
const NO_TARGET = 'no route target is configured';

function leakOf(bgp: Bgp, family: FamilyInstance, name: UnicastName): Leak {
  const { vpn, instance } = family;
  const others = [...bgp.instances.values()].filter(one => one !== instance && one.kind !== 'view');
  const exportTo = others.filter(one => one.family[name].vpn.importVrfs.has(instance.name)).map(one => one.name);
  const importTargets = texts(targetsOf(vpn, 'import'));
  const exportTargets = texts(targetsOf(vpn, 'export'));
  const rd = exportTo.length > 0 || exportTargets !== '' ? distinguisherOf(family) : undefined;
  const words = bgp.vpn.sidOf(instance, name)?.words;
  return {
    importFrom: [...vpn.importVrfs],
    exportTo,
    importTargets,
    exportTargets,
    rd: rd && formatRouteDistinguisher(...rd),
    label: vpn.label === undefined ? undefined : bgp.vpn.labels.of(instance, name),
    sid: words && formatAddress(10, words),
    notImported: vpn.imports && importTargets === '' ? NO_TARGET : undefined,
    notExported: vpn.exports && exportTargets === '' ? NO_TARGET : bgp.vpn.problem(family),
  };
}

export function leakText(bgp: Bgp, family: FamilyInstance, name: UnicastName): string {
  const leak = leakOf(bgp, family, name);
  const routes = `${FAMILY[name].title} routes`;
  const lines: string[] = [];
  const vrfs = (names: readonly string[], verb: string, to: string): void => {
    if (names.length === 0) lines.push(`This VRF is not ${verb} ${routes} ${to} any other VRF`);
    else lines.push(`This VRF is ${verb} ${routes} ${to} the following VRFs:`, ...names.map(one => `  ${one}`));
  };
  const say = (title: string, value: string | number | undefined): void => {
    if (value !== undefined && value !== '') lines.push(`${title}: ${value}`);
  };
  vrfs(leak.importFrom, 'importing', 'from');
  if (leak.importTargets !== '') lines.push(`This VRF is importing ${routes} from VPNs`);
  say('Import RT(s)', leak.importTargets);
  say('Not imported from VPNs', leak.notImported);
  vrfs(leak.exportTo, 'exporting', 'to');
  if (leak.exportTargets !== '' && leak.notExported === undefined) {
    lines.push(`This VRF is exporting ${routes} to VPNs`);
  }
  say('RD', leak.rd);
  say('Export RT', leak.exportTargets);
  say('Label', leak.label);
  say('SID', leak.sid);
  say('Not exported to VPNs', leak.notExported);
  return `${lines.join('\n')}\n`;
}

export function leakJson(bgp: Bgp, family: FamilyInstance, name: UnicastName): object {
  const leak = leakOf(bgp, family, name);
  const orNone = <T extends string | readonly string[]>(value: T | undefined): T | 'none' =>
    value === undefined || value.length === 0 ? 'none' : value;
  return {
    vrf: family.instance.name,
    afiSafi: FAMILY[name].key,
    importFromVrfs: orNone(leak.importFrom),
    importRts: orNone(leak.importTargets),
    exportToVrfs: orNone(leak.exportTo),
    routeDistinguisher: orNone(leak.rd),
    exportRts: orNone(leak.exportTargets),
    importFromVpn: leak.importTargets !== '',
    exportToVpn: leak.exportTargets !== '' && leak.notExported === undefined,
    ...(leak.label === undefined ? {} : { label: leak.label }),
    ...(leak.sid === undefined ? {} : { sid: leak.sid }),
    ...(leak.notImported === undefined ? {} : { notImportedFromVpn: leak.notImported }),
    ...(leak.notExported === undefined ? {} : { notExportedToVpn: leak.notExported }),
  };
}
