// How zebra works, as far as an operator may say so: next-hop tracking, nexthop objects, and how much is under way at a time.
import { type Command, config } from '../vty/index.ts';
import type { Zebra } from './zebra.ts';

const ZEBRA = 'Zebra information';
const NEXTHOP = 'Zebra nexthop objects';
const NHT = 'Filter next hop tracking route resolution';
const VIA_DEFAULT = 'Resolve via default route';

function resolveViaDefault(zebra: Zebra, which: 'ip' | 'ipv6', on: boolean): void {
  if (zebra.resolver.viaDefault[which] === on) return;
  zebra.resolver.viaDefault[which] = on;
  zebra.resolver.everything();
}

export const settings: readonly Command<Zebra>[] = [
  config({
    mode: 'configure',
    syntax: 'zebra dplane limit (0-10000)$limit',
    help: [ZEBRA, 'Zebra dataplane', 'Limit incoming queued updates', 'Number of queued updates'],
    key: () => 'dplane limit',
    no: ['zebra dplane limit'],
    apply: (zebra: Zebra, args) => zebra.plane.setLimit?.(args.limit),
    remove: (zebra: Zebra) => zebra.plane.setLimit?.(0),
  }),
  config({
    mode: 'configure',
    syntax: 'zebra nexthop kernel enable',
    help: [ZEBRA, NEXTHOP, 'In the kernel', 'Routes name them, rather than carrying their own paths'],
    keeps: 'negative',
    hidden: true,
    apply: (zebra: Zebra) => zebra.setNexthopObjects({ kernel: true }),
    remove: (zebra: Zebra) => zebra.setNexthopObjects({ kernel: false }),
  }),
  config({
    mode: 'configure',
    syntax: 'zebra nexthop proto only',
    help: [ZEBRA, NEXTHOP, 'Of protocols', 'No other routes name them'],
    hidden: true,
    apply: (zebra: Zebra) => zebra.setNexthopObjects({ protocolsOnly: true }),
    remove: (zebra: Zebra) => zebra.setNexthopObjects({ protocolsOnly: false }),
  }),
  config({
    mode: 'configure',
    syntax: 'ip nht resolve-via-default',
    help: ['IP configuration', NHT, VIA_DEFAULT],
    apply: (zebra: Zebra) => resolveViaDefault(zebra, 'ip', true),
    remove: (zebra: Zebra) => resolveViaDefault(zebra, 'ip', false),
  }),
  config({
    mode: 'configure',
    syntax: 'ipv6 nht resolve-via-default',
    help: ['IPv6 configuration', NHT, VIA_DEFAULT],
    apply: (zebra: Zebra) => resolveViaDefault(zebra, 'ipv6', true),
    remove: (zebra: Zebra) => resolveViaDefault(zebra, 'ipv6', false),
  }),
];
