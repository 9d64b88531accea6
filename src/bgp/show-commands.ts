// What `show` can ask of the bgp thread. Most questions come in FRR's two dialects, `show bgp ipv4 unicast …` and
// `show ip bgp …`, which mean the same.
import { type Family, formatAddress, formatPrefix, parsePrefix, type Prefix } from '../net/index.ts';
import { type Command, CommandError, exec, formatJson, type Output } from '../vty/index.ts';
import type { Bgp } from './bgp.ts';
import type { FamilyInstance } from './family.ts';
import type { BgpInstance } from './instance.ts';
import { hostPrefix } from './interfaces.ts';
import type { Peer } from './peer.ts';
import { FAMILY, type FamilyName } from './wire/family.ts';
import { ctime, isSlow, peersOf, routerIdText } from './show-format.ts';
import { memoryText } from './show-memory.ts';
import { neighborJson, neighborText } from './show-neighbors.ts';
import { adjacencyJson, adjacencyText } from './show-adjacency.ts';
import { routesJson, routeText } from './show-route.ts';
import { findRoutes, tableJson, tableText } from './show-routes.ts';
import {
  AFI_HELP,
  BGP,
  familyNamed,
  instanceAt,
  JSON_HELP,
  PREFIX_HELP,
  SHOW,
  showInstances,
  titleOf,
  WHERE_HELP,
  type Where,
} from './show-instances.ts';
import { shownFamilies, summaryJson, summaryText } from './show-summary.ts';
import { VRF_DEFAULT } from './vrf.ts';
import type { WordPair } from './wire/route-distinguisher.ts';

/** Where the instance asked for is not there, as FRR says it of routes, and of everything else. */
const noTable =
  (json: boolean) =>
  (name: string): string | object => {
    if (name === VRF_DEFAULT) return json ? {} : 'BGP instance not found\n';
    return json ? { warning: 'View/Vrf is unknown' } : `View/Vrf ${name} is unknown\n`;
  };

const noInstance = (json: boolean) => (): string | object => (json ? {} : '% BGP instance not found\n');

function summary(bgp: Bgp, where: Where, afi: FamilyName | undefined, json: boolean, titled: boolean): Output {
  const none = (name: string): string | object => {
    if (json) return {};
    return name === VRF_DEFAULT ? '% No BGP neighbors found in VRF default\n' : '% BGP instance not found\n';
  };
  const show = (instance: BgpInstance): object | Iterable<string> => {
    if (json && !titled) return summaryJson(instance.family[afi ?? 'ipv4']);
    const families = shownFamilies(instance.family, afi);
    if (json) {
      return Object.fromEntries(families.map(family => [FAMILY[family.afi].key, summaryJson(family)]));
    }
    return (function* (): Generator<string> {
      if (families.length === 0) yield `% No BGP neighbors found in ${titleOf(instance)}\n`;
      // Of all instances, each says whose it is.
      for (const family of families) yield* summaryText(family, titled || where.where === 'all');
    })();
  };
  return showInstances(bgp.instances, where, json, show, none, false);
}

/** What is shown of a table: all of it, what is inside a prefix, or one prefix in detail; of VPNs, of one route distinguisher. */
export interface Routes {
  readonly prefix?: string | undefined;
  readonly longer?: boolean;
  readonly rd?: WordPair | undefined;
  readonly json?: boolean;
}

export function routes(bgp: Bgp, where: Where, afi: FamilyName, args: Routes): Output {
  const json = args.json === true;
  const { rd } = args;
  const prefix = args.prefix === undefined ? undefined : parsePrefix(args.prefix);
  if (args.prefix !== undefined && prefix?.family !== FAMILY[afi].shape) {
    throw new CommandError(`% Malformed prefix: ${args.prefix}`);
  }
  const show = (instance: BgpInstance): Iterable<string> => {
    const family = instance.family[afi];
    if (prefix !== undefined && args.longer !== true) {
      return details(family, prefix, args.prefix!.includes('/'), rd, json);
    }
    const selection = { rd, ...(prefix === undefined ? {} : { within: prefix }) };
    return json ? tableJson(family, selection) : tableText(family, selection);
  };
  return showInstances(bgp.instances, where, json, show, noTable(json));
}

function* details(
  family: FamilyInstance,
  prefix: Prefix,
  exact: boolean,
  rd: WordPair | undefined,
  json: boolean,
): Generator<string> {
  const found = yield* findRoutes(family, prefix, exact, rd);
  if (json) yield formatJson(routesJson(family, found));
  else if (found.length === 0) yield '% Network not in table\n';
  else yield found.map(id => routeText(family, id)).join('');
}

function neighbors(bgp: Bgp, where: Where, name: string | undefined, json: boolean): Output {
  const show = (instance: BgpInstance): string | object | Iterable<string> => {
    const peers = name === undefined ? peersOf(instance) : [instance.peers.get(name)].filter(one => one !== undefined);
    if (json) {
      if (name !== undefined && peers.length === 0) return { bgpNoSuchNeighbor: true };
      const whose = where.where === 'all' ? { vrfId: instance.vrf.id, vrfName: instance.name } : {};
      return { ...whose, ...Object.fromEntries(peers.map(peer => [peer.name, neighborJson(peer)])) };
    }
    if (name !== undefined && peers.length === 0) return '% No such neighbor in this view/vrf\n';
    return (function* (): Generator<string> {
      for (const peer of peers) yield neighborText(peer);
    })();
  };
  return showInstances(bgp.instances, where, json, show, noInstance(json));
}

type Adjacency = 'advertised-routes' | 'received-routes' | 'routes' | 'filtered-routes';

function adjacency(bgp: Bgp, where: Where, afi: FamilyName, name: string, what: Adjacency, json: boolean): Output {
  const peer: Peer | undefined = instanceAt(bgp.instances, where)?.peers.get(name);
  if (peer === undefined) {
    return json ? { warning: 'No such neighbor in this view/vrf' } : 'No such neighbor in this view/vrf\n';
  }
  const one = peer.families[afi];
  if (one.index === 0) {
    return json ? { warning: 'No such neighbor or address family' } : '% No such neighbor or address family\n';
  }
  if (what === 'routes') return json ? tableJson(one.family, { peer: one }) : tableText(one.family, { peer: one });
  const kind = what === 'advertised-routes' ? 'advertised' : what === 'received-routes' ? 'received' : 'filtered';
  return json ? adjacencyJson(one, kind) : adjacencyText(one, kind);
}

function nexthopText(bgp: Bgp, instance: BgpInstance): string {
  const lines = ['Current BGP nexthop cache:'];
  const { nexthops } = instance;
  for (const id of nexthops.tracked()) {
    const words = nexthops.words(id);
    const family: Family = nexthops.family(id);
    const known = instance.tracker.registered.get(formatPrefix(hostPrefix(family, words)));
    const valid = nexthops.reachable[id] === 1;
    const metric = valid ? ` valid [IGP metric ${nexthops.metric[id]}]` : ' invalid';
    const peer = instance.peers.get(formatAddress(family, words));
    lines.push(` ${nexthops.format(id)}${metric}${peer === undefined ? '' : `, peer ${peer.name}`}`);
    if (known === undefined) lines.push('  Is not Registered');
    for (const hop of known?.update?.nexthops ?? []) {
      const on = instance.interfaces.get(hop.ifindex)?.name;
      const gateway = hop.gateway === undefined ? '' : `  gate ${formatAddress(family, hop.gateway)}`;
      lines.push(`${gateway === '' ? ' ' : gateway}${on === undefined ? '' : `, if ${on}`}`);
    }
    lines.push(`  Last update: ${ctime(known?.changedMs ?? bgp.wallMs())}`, '');
  }
  return `${lines.join('\n')}\n`;
}

function* updateGroups(instance: BgpInstance, afi: FamilyName | undefined): Generator<string> {
  for (const family of instance.families) {
    if (afi !== undefined && family.afi !== afi) continue;
    for (const slot of family.groups.values()) {
      const stats = slot.group.stats();
      const members = [...instance.peers.values()].filter(peer => peer.families[family.afi].membership?.slot === slot);
      const settings = members[0]?.families[family.afi].settings;
      yield `Update-group ${slot.id}:\n  Created: ${ctime(slot.createdMs)}\n`;
      if (settings?.routeMapOut !== undefined) yield `  Outgoing route map: ${settings.routeMapOut}\n`;
      if (settings?.prefixListOut !== undefined) yield `  Outgoing prefix list: ${settings.prefixListOut}\n`;
      yield `  MRAI value (seconds): ${members[0]?.settings.advertisementIntervalS ?? 0}\n\n`;
      yield `  Update-subgroup ${slot.id}:
    Address family: ${FAMILY[family.afi].words}
    Streams: ${stats.streams}
    Total packets enqueued: ${stats.messages}
    Prefixes announced: ${stats.announced}
    Prefixes withdrawn: ${stats.withdrawn}
    Adj-out list count: ${stats.prefixes}
    Pending: ${stats.pending}
    Slow members left behind: ${stats.slow}
    Max packet size: ${slot.group.options.maximumMessageBytes}
    Peers:
${members.map(peer => `      - ${peer.name}${isSlow(peer.families[family.afi]) ? ' (slow)' : ''}\n`).join('')}`;
    }
  }
}

export const showCommands: readonly Command<Bgp>[] = [
  exec({
    syntax: 'show [ip] bgp [<view|vrf>$kind WORD$where] summary [json]',
    help: [SHOW, 'IP information', BGP, ...WHERE_HELP, 'Summary of BGP neighbor status', JSON_HELP],
    // `show ip bgp` is about IPv4.
    run: (bgp: Bgp, args) => summary(bgp, args, args.ip === true ? 'ipv4' : undefined, args.json === true, true),
  }),
  exec({
    syntax: 'show [ip] bgp [<view|vrf>$kind WORD$where] <ipv4|ipv6>$afi [<unicast|vpn>$safi] summary [json]',
    help: [SHOW, 'IP information', BGP, ...WHERE_HELP, ...AFI_HELP, 'Summary of BGP neighbor status', JSON_HELP],
    run: (bgp: Bgp, args) => summary(bgp, args, familyNamed(args), args.json === true, false),
  }),
  exec({
    syntax: 'show [ip] bgp [<view|vrf>$kind WORD$where] <ipv4|ipv6>$afi [<unicast|vpn>$safi] [json]',
    help: [SHOW, 'IP information', BGP, ...WHERE_HELP, ...AFI_HELP, JSON_HELP],
    run: (bgp: Bgp, args) => routes(bgp, args, familyNamed(args), { json: args.json === true }),
  }),
  exec({
    syntax:
      'show [ip] bgp [<view|vrf>$kind WORD$where] <ipv4|ipv6>$afi [<unicast|vpn>$safi] <A.B.C.D|A.B.C.D/M|X:X::X:X|X:X::X:X/M>$prefix [longer-prefixes] [json]',
    help: [
      SHOW,
      'IP information',
      BGP,
      ...WHERE_HELP,
      ...AFI_HELP,
      ...PREFIX_HELP,
      'Display route and more specific routes',
      JSON_HELP,
    ],
    run: (bgp: Bgp, args) =>
      routes(bgp, args, familyNamed(args), {
        prefix: args.prefix,
        longer: args['longer-prefixes'] === true,
        json: args.json === true,
      }),
  }),
  exec({
    syntax: 'show ip bgp [<view|vrf>$kind WORD$where] [json]',
    help: [SHOW, 'IP information', BGP, ...WHERE_HELP, JSON_HELP],
    run: (bgp: Bgp, args) => routes(bgp, args, 'ipv4', { json: args.json === true }),
  }),
  exec({
    syntax: 'show ip bgp [<view|vrf>$kind WORD$where] <A.B.C.D|A.B.C.D/M>$prefix [longer-prefixes] [json]',
    help: [
      SHOW,
      'IP information',
      BGP,
      ...WHERE_HELP,
      'Network in the BGP routing table to display',
      'IPv4 prefix',
      'Display route and more specific routes',
      JSON_HELP,
    ],
    run: (bgp: Bgp, args) =>
      routes(bgp, args, 'ipv4', {
        prefix: args.prefix,
        longer: args['longer-prefixes'] === true,
        json: args.json === true,
      }),
  }),
  exec({
    syntax:
      'show [ip] bgp [<view|vrf>$kind WORD$where] [<ipv4|ipv6>$afi [<unicast|vpn>$safi]] neighbors [<A.B.C.D|X:X::X:X|WORD>$neighbor] [json]',
    help: [
      SHOW,
      'IP information',
      BGP,
      ...WHERE_HELP,
      ...AFI_HELP,
      'Detailed information on TCP and BGP neighbor connections',
      'Neighbor to display information about',
      'Neighbor to display information about',
      'Neighbor on BGP configured interface',
      JSON_HELP,
    ],
    run: (bgp: Bgp, args) => neighbors(bgp, args, args.neighbor, args.json === true),
  }),
  exec({
    syntax:
      'show [ip] bgp [<view|vrf>$kind WORD$where] [<ipv4|ipv6>$afi [<unicast|vpn>$safi]] neighbors <A.B.C.D|X:X::X:X|WORD>$neighbor <advertised-routes|received-routes|routes|filtered-routes>$what [json]',
    help: [
      SHOW,
      'IP information',
      BGP,
      ...WHERE_HELP,
      ...AFI_HELP,
      'Detailed information on TCP and BGP neighbor connections',
      'Neighbor to display information about',
      'Neighbor to display information about',
      'Neighbor on BGP configured interface',
      'Display the routes advertised to a BGP neighbor',
      'Display the received routes from neighbor',
      'Display routes learned from neighbor',
      'Display the routes that the inbound policy refused',
      JSON_HELP,
    ],
    run: (bgp: Bgp, args) => adjacency(bgp, args, familyNamed(args), args.neighbor, args.what, args.json === true),
  }),
  exec({
    syntax: 'show [ip] bgp [<view|vrf>$kind WORD$where] nexthop',
    help: [SHOW, 'IP information', BGP, ...WHERE_HELP, 'BGP nexthop table'],
    run: (bgp: Bgp, args) => showInstances(bgp.instances, args, false, one => nexthopText(bgp, one), noInstance(false)),
  }),
  exec({
    syntax: 'show [ip] bgp [<view|vrf>$kind WORD$where] [<ipv4|ipv6>$afi [<unicast|vpn>$safi]] update-groups',
    help: [SHOW, 'IP information', BGP, ...WHERE_HELP, ...AFI_HELP, 'Detailed info about dynamic update groups'],
    run(bgp: Bgp, args) {
      const afi = args.afi && familyNamed(args);
      return showInstances(bgp.instances, args, false, one => updateGroups(one, afi), noInstance(false));
    },
  }),
  exec({
    syntax: 'show [ip] bgp memory',
    help: [SHOW, 'IP information', BGP, 'Global BGP memory statistics'],
    run: (bgp: Bgp) => memoryText(bgp),
  }),
  exec({
    syntax: 'show bgp vrfs [json]',
    help: [SHOW, BGP, 'Show BGP VRFs', JSON_HELP],
    run(bgp: Bgp, args) {
      const all = [...bgp.instances.values()].filter(one => one.kind !== 'view');
      const up = (instance: BgpInstance): number =>
        [...instance.peers.values()].filter(peer => peer.negotiated !== undefined).length;
      if (args.json === true) {
        return formatJson({
          vrfs: Object.fromEntries(
            all.map(one => [
              one.name,
              {
                type: one.kind === 'default' ? 'DFLT' : 'VRF',
                vrfId: one.vrf.id,
                routerId: routerIdText(one),
                numConfiguredPeers: one.peers.size,
                numEstablishedPeers: up(one),
                // No EVPN.
                l3vni: 0,
                rmac: '00:00:00:00:00:00',
                interface: 'unknown',
              },
            ]),
          ),
          totalVrfs: all.length,
        });
      }
      const rows = all.map(
        one =>
          `${one.kind === 'default' ? 'DFLT' : ' VRF'}  ${String(one.vrf.id).padEnd(6)} ${routerIdText(one).padEnd(16)}${String(one.peers.size).padEnd(10)} ${String(up(one)).padEnd(11)} ${one.name}\n`,
      );
      return `Type  Id     routerId        #PeersCfg  #PeersEstb  Name\n${rows.join('')}\nTotal number of VRFs (including default): ${all.length}\n`;
    },
  }),
  exec({
    syntax: 'show bgp views',
    help: [SHOW, BGP, 'Show the defined BGP views'],
    run: (bgp: Bgp) =>
      `Defined BGP views:\n${[...bgp.instances.values()]
        .filter(one => one.kind === 'view')
        .map(one => `\t${one.name} (AS${one.as})\n`)
        .join('')}`,
  }),
];
