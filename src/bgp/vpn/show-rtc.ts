// `show bgp ipv4 rtc`: memberships, in the form of other tables, with `AS:TARGET/LENGTH` where these have prefixes. They are in no
// instance but the default one.
import { type Command, CommandError, exec, type Output } from '../../vty/index.ts';
import type { Bgp } from '../bgp.ts';
import type { FamilyInstance } from '../family.ts';
import { routerIdText, viewPath } from '../show-format.ts';
import { heading, line, ordered, pathJson, pathsOf, type Selection, statusOf } from '../show-routes.ts';
import { summaryJson, summaryText } from '../show-summary.ts';
import { formatMembership } from '../wire/rt-membership.ts';

function networkOf({ table }: FamilyInstance, prefix: number): string {
  const { w0, w1, w2, length } = table.prefixes;
  return formatMembership(w0[prefix]!, w1[prefix]!, w2[prefix]!, length[prefix]!);
}

function* membershipsText(family: FamilyInstance, selection: Selection): Generator<string> {
  const { table } = family;
  table.decide();
  let shown = 0;
  for (const prefix of yield* ordered(table)) {
    if (!table.prefixes.has(prefix)) continue;
    let text = '';
    for (const path of pathsOf(table, prefix, selection)) {
      text += line(statusOf(table, path), text === '' ? networkOf(family, prefix) : '', viewPath(family, path));
    }
    if (text === '') continue;
    if (shown++ === 0) yield heading(family);
    yield text;
  }
  if (shown > 0) yield `\nDisplayed  ${shown} routes and ${table.acceptedPaths} total paths\n`;
  else if (selection.peer === undefined) yield `No BGP prefixes displayed, ${table.prefixCount} exist\n`;
}

function* membershipsJson(family: FamilyInstance, selection: Selection): Generator<string> {
  const { table, instance } = family;
  table.decide();
  const head = {
    vrfId: instance.vrf.id,
    vrfName: instance.name,
    tableVersion: table.changes,
    routerId: routerIdText(instance),
    defaultLocPrf: instance.options.defaultLocalPref,
    localAS: instance.as,
  };
  // The object is written open-ended: its routes go out one by one.
  yield `${JSON.stringify(head, null, 1).slice(0, -2)},\n "routes": {`;
  let separator = '\n';
  for (const prefix of yield* ordered(table)) {
    if (!table.prefixes.has(prefix)) continue;
    const network = networkOf(family, prefix);
    const prefixLen = table.prefixes.length[prefix]!;
    const named = { prefix: network.replace(/\/\d+$/, ''), prefixLen, network };
    const paths: object[] = [];
    for (const path of pathsOf(table, prefix, selection)) paths.push({ ...pathJson(family, prefix, path), ...named });
    if (paths.length === 0) continue;
    yield `${separator}  ${JSON.stringify(network)}: ${JSON.stringify(paths)}`;
    separator = ',\n';
  }
  yield '\n }\n}\n';
}

const HELP = [
  'Show running system information',
  'BGP information',
  'Address Family',
  'Route-target constraint (RFC 4684)',
] as const;
const JSON_HELP = 'JavaScript Object Notation';

export const rtcShowCommands: readonly Command<Bgp>[] = [
  exec({
    syntax: 'show bgp ipv4 rtc [json]',
    help: [...HELP, JSON_HELP],
    run(bgp: Bgp, args): Output {
      const { rtc } = bgp.instance().family;
      return args.json === true ? membershipsJson(rtc, {}) : membershipsText(rtc, {});
    },
  }),
  exec({
    syntax: 'show bgp ipv4 rtc summary [json]',
    help: [...HELP, 'Summary of BGP neighbor status', JSON_HELP],
    run(bgp: Bgp, args): Output {
      const { rtc } = bgp.instance().family;
      return args.json === true ? summaryJson(rtc) : summaryText(rtc, false);
    },
  }),
  exec({
    syntax: 'show bgp ipv4 rtc neighbors <A.B.C.D|X:X::X:X|WORD>$neighbor routes [json]',
    help: [
      ...HELP,
      'Detailed information on TCP and BGP neighbor connections',
      'Neighbor to display information about',
      'Neighbor to display information about',
      'Neighbor on BGP configured interface',
      'Display routes learned from neighbor',
      JSON_HELP,
    ],
    run(bgp: Bgp, args): Output {
      const peer = bgp.instance().peers.get(args.neighbor)?.families.rtc;
      if (peer === undefined) throw new CommandError('No such neighbor in this view/vrf');
      if (peer.index === 0) throw new CommandError('% No such neighbor or address family');
      return args.json === true ? membershipsJson(peer.family, { peer }) : membershipsText(peer.family, { peer });
    },
  }),
];
