// What `show` can ask of VPNs, beside what it asks of every address family (../show-commands.ts).
import { type Command, CommandError, exec, formatJson, type Output } from '../../vty/index.ts';
import type { Bgp } from '../bgp.ts';
import type { BgpInstance } from '../instance.ts';
import { routes } from '../show-commands.ts';
import {
  AFI_HELP,
  BGP,
  familyNamed,
  JSON_HELP,
  PREFIX_HELP,
  SHOW,
  showInstances,
  WHERE_HELP,
  type Where,
} from '../show-instances.ts';
import type { UnicastName } from '../wire/family.ts';
import { parseRouteDistinguisher, type WordPair } from '../wire/route-distinguisher.ts';
import { leakJson, leakText } from './show-leak.ts';
import { srv6Json, srv6Text } from './show-srv6.ts';

const VPN_HELP = ['Address Family', 'Address Family', 'VPN routes'] as const;
const RD_HELP = [
  'Display information for a route distinguisher',
  'ASN:NUMBER or A.B.C.D:NUMBER, or all of them',
] as const;

/** `all`, as nothing, is every one. */
function distinguisher(text: string | undefined): WordPair | undefined {
  if (text === undefined || text === 'all') return undefined;
  const rd = parseRouteDistinguisher(text);
  if (rd === undefined) throw new CommandError(`% Malformed Route Distinguisher: ${text}`);
  return rd;
}

function routeLeak(bgp: Bgp, where: Where, name: UnicastName, json: boolean): Output {
  const family = (instance: BgpInstance): BgpInstance['family'][UnicastName] => instance.family[name];
  if (json && where.where === 'all') {
    const all = [...bgp.instances.values()].map(one => [one.name, leakJson(bgp, family(one), name)] as const);
    return formatJson({ vrfs: Object.fromEntries(all) });
  }
  const show = (one: BgpInstance): string | object =>
    json ? leakJson(bgp, family(one), name) : leakText(bgp, family(one), name);
  const none = (): string | object => (json ? {} : '% No such BGP instance exist\n');
  return showInstances(bgp.instances, where, json, show, none);
}

export const vpnShowCommands: readonly Command<Bgp>[] = [
  exec({
    syntax: 'show bgp <ipv4|ipv6>$afi vpn all [rd WORD$rd] [json]',
    help: [SHOW, BGP, ...VPN_HELP, 'Display all of them', ...RD_HELP, JSON_HELP],
    run: (bgp: Bgp, args) =>
      routes(bgp, {}, familyNamed({ afi: args.afi, safi: 'vpn' }), {
        rd: distinguisher(args.rd),
        json: args.json === true,
      }),
  }),
  exec({
    syntax:
      'show bgp <ipv4|ipv6>$afi vpn rd WORD$rd [<A.B.C.D|A.B.C.D/M|X:X::X:X|X:X::X:X/M>$prefix [longer-prefixes]] [json]',
    help: [SHOW, BGP, ...VPN_HELP, ...RD_HELP, ...PREFIX_HELP, 'Display route and more specific routes', JSON_HELP],
    run: (bgp: Bgp, args) =>
      routes(bgp, {}, familyNamed({ afi: args.afi, safi: 'vpn' }), {
        rd: distinguisher(args.rd),
        prefix: args.prefix,
        longer: args['longer-prefixes'] === true,
        json: args.json === true,
      }),
  }),
  exec({
    syntax: 'show [ip] bgp [<view|vrf>$kind WORD$where] [<ipv4|ipv6>$afi [<unicast|vpn>$safi]] route-leak [json]',
    help: [SHOW, 'IP information', BGP, ...WHERE_HELP, ...AFI_HELP, 'Route leaking information', JSON_HELP],
    run(bgp: Bgp, args) {
      if (args.safi === 'vpn') throw new CommandError('% This command is applicable only for unicast ipv4|ipv6');
      return routeLeak(bgp, args, args.afi ?? 'ipv4', args.json === true);
    },
  }),
  exec({
    syntax: 'show bgp segment-routing srv6 [json]',
    help: [SHOW, BGP, 'BGP Segment Routing', 'BGP Segment Routing SRv6', JSON_HELP],
    run: (bgp: Bgp, args) => (args.json === true ? formatJson(srv6Json(bgp)) : srv6Text(bgp)),
  }),
];
