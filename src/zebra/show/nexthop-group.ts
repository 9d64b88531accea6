// The kernel's nexthop objects: what each depends on, and who depends on it. Lists of paths that routes carry themselves are
// shown beside them: routes name both by id.
import { formatAddress } from '../../net/index.ts';
import { encapText } from '../nexthop/encap.ts';
import { BLACKHOLE_NULL, type Member, type ResolvedPath } from '../nexthop/set.ts';
import type { KernelPath } from '../plane.ts';
import type { Zebra } from '../zebra.ts';
import { blackholeText, nexthopJson } from './nexthop.ts';
import { formatUptime } from './uptime.ts';

function pathText(zebra: Zebra, path: ResolvedPath | Member, ifindex = path.ifindex): string {
  const vrf = `(vrf ${zebra.vrfs.nameOf(path.vrf)})`;
  if (path.blackhole !== 0) return `${blackholeText(path.blackhole).slice(1)} ${vrf}`;
  const name = ifindex === 0 ? '' : zebra.interfaces.nameOf(ifindex);
  if (path.gatewayFamily === 0) return `is directly connected, ${name} ${vrf}`;
  const onlink = path.onlink ? ' onlink' : '';
  return `via ${formatAddress(path.gatewayFamily, path.gateway)}${name === '' ? '' : `, ${name}`} ${vrf}${onlink}`;
}

/** One way, what else is to be said of it, and what it does to packets. */
function wayLine(zebra: Zebra, path: ResolvedPath | Member, note = '', ifindex = path.ifindex): string {
  return `${pathText(zebra, path, ifindex)}${note}${encapText(path.encap)}, weight ${path.weight || 1}\n`;
}

/** What the kernel has of a path; its interface says in which VRF that is. */
function shownPath(zebra: Zebra, path: KernelPath): ResolvedPath {
  const vrf = zebra.interfaces.byIndex(path.ifindex)?.vrf ?? zebra.vrfs.default.id;
  return { ...path, blackhole: path.blackhole ? BLACKHOLE_NULL : 0, vrf };
}

function pathsJson(zebra: Zebra, paths: readonly ResolvedPath[], installed: boolean): object[] {
  return paths.map(path => {
    const vrf = zebra.vrfs.nameOf(path.vrf);
    const shown = { level: 0, recursive: false, active: true, ...path, weight: path.weight || 1, vrf } as const;
    return nexthopJson(zebra, shown, installed);
  });
}

export function* showNexthopGroups(zebra: Zebra, only: number | undefined): Generator<string, void, undefined> {
  let any = false;
  for (const one of zebra.objects.book.describe()) {
    if (only !== undefined && one.id !== only) continue;
    any = true;
    const age = one.set === undefined ? zebra.startedS : one.set.createdS;
    let text = `ID: ${one.id} (zebra)\n     RefCnt: ${one.set === undefined ? one.users.length : one.set.routes}\n`;
    text += `     Uptime: ${formatUptime(zebra.nowS() - age)}\n     VRF: default\n`;
    text += `     Valid${one.installed ? ', Installed' : ''}\n`;
    if (one.path !== undefined) {
      if (one.path.ifindex !== 0) text += `     Interface Index: ${one.path.ifindex}\n`;
      text += `           ${wayLine(zebra, { ...shownPath(zebra, one.path), weight: 1 })}`;
      if (one.users.length > 0) text += `     Dependents:${one.users.map(id => ` (${id})`).join('')}\n`;
    } else {
      text += `     Depends:${one.members.map(member => ` (${member.id})`).join('')}\n`;
      const set = one.set;
      set?.members.forEach((member, i) => {
        const resolution = set.resolution[i];
        if (resolution === undefined || !resolution.active) {
          text += `           ${wayLine(zebra, member, ' inactive')}`;
        } else if (resolution.recursive) {
          text += `        ${wayLine(zebra, member, ' (recursive)', 0)}`;
          for (const path of resolution.paths) text += `           ${wayLine(zebra, path)}`;
        } else {
          text += `           ${wayLine(zebra, member, '', resolution.paths[0]!.ifindex)}`;
        }
      });
    }
    yield text;
  }
  for (const list of zebra.objects.book.lists) {
    if (only !== undefined && list.id !== only) continue;
    any = true;
    const routes = zebra.rib.kernel.usersOf(list.id);
    let text = `ID: ${list.id} (zebra)\n     RefCnt: ${routes}\n     VRF: default\n     Valid${routes > 0 ? ', Installed' : ''}\n`;
    for (const path of list.paths) text += `           ${wayLine(zebra, shownPath(zebra, path))}`;
    yield text;
  }
  if (only !== undefined && !any) yield `Nexthop Group ID: ${only} does not exist\n`;
}

export function nexthopGroupsJson(zebra: Zebra, only: number | undefined): object {
  const json: Record<string, unknown> = {};
  for (const one of zebra.objects.book.describe()) {
    if (only !== undefined && one.id !== only) continue;
    const paths: readonly ResolvedPath[] =
      one.path !== undefined ? [shownPath(zebra, one.path)] : (one.set?.paths ?? []);
    json[String(one.id)] = {
      type: 'zebra',
      refCount: one.set === undefined ? one.users.length : one.set.routes,
      uptime: formatUptime(zebra.nowS() - (one.set?.createdS ?? zebra.startedS)),
      vrf: 'default',
      valid: true,
      installed: one.installed,
      ...(one.path !== undefined && one.path.ifindex !== 0 ? { interfaceIndex: one.path.ifindex } : {}),
      ...(one.members.length > 0 ? { depends: one.members.map(member => member.id) } : {}),
      nexthops: pathsJson(zebra, paths, one.installed),
      ...(one.users.length > 0 ? { dependents: one.users } : {}),
    };
  }
  for (const list of zebra.objects.book.lists) {
    if (only !== undefined && list.id !== only) continue;
    const routes = zebra.rib.kernel.usersOf(list.id);
    json[String(list.id)] = {
      type: 'zebra',
      refCount: routes,
      vrf: 'default',
      valid: true,
      installed: routes > 0,
      nexthops: pathsJson(
        zebra,
        list.paths.map(path => shownPath(zebra, path)),
        routes > 0,
      ),
    };
  }
  return json;
}
