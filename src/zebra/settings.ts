// How zebra works, as far as an operator may say so: next-hop tracking, nexthop objects, and how much is under way at a time.
import { type Command, config } from '../vty/index.ts';
import type { Zebra } from './zebra.ts';

const ZEBRA = 'Zebra information';
const NEXTHOP = 'Zebra nexthop objects';
const NHT = 'Filter next hop tracking route resolution';
const VIA_DEFAULT = 'Resolve via default route';

function resolveViaDefault(zebra: Zebra, which: 'ip' | 'ipv6', on: boolean): void {
  for (const { resolver } of zebra.all) {
    if (resolver.viaDefault[which] === on) continue;
    resolver.viaDefault[which] = on;
    resolver.everything();
  }
}

function keepNexthops(zebra: Zebra, seconds: number): void {
  for (const one of zebra.all) one.keepNexthops(seconds);
}

function setNexthopObjects(zebra: Zebra, what: { kernel?: boolean; protocolsOnly?: boolean }): void {
  for (const one of zebra.all) one.setNexthopObjects(what);
}

function letOthersDelete(zebra: Zebra, may: boolean): void {
  for (const { rib } of zebra.all) rib.notices.othersMayDelete = may;
}

function framesATurn(zebra: Zebra, frames: number): void {
  if (zebra.server !== undefined) zebra.server.framesATurn = frames;
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
    syntax: 'zebra work-queue (0-10000)$milliseconds',
    help: [ZEBRA, 'Routes that wait to be decided', 'How long the first of them waits for more'],
    key: () => 'work-queue',
    no: ['zebra work-queue'],
    hidden: true,
    apply: (zebra: Zebra, args) => zebra.hold(args.milliseconds),
    remove: (zebra: Zebra) => zebra.hold(0),
  }),
  config({
    mode: 'configure',
    syntax: 'zebra zapi-packets (1-10000)$packets',
    help: [ZEBRA, 'Messages of a client that are taken in before the others have their turn', 'Number of messages'],
    key: () => 'zapi-packets',
    no: ['zebra zapi-packets'],
    hidden: true,
    apply: (zebra: Zebra, args) => framesATurn(zebra, args.packets),
    remove: (zebra: Zebra) => framesATurn(zebra, Number.POSITIVE_INFINITY),
  }),
  config({
    mode: 'configure',
    syntax: 'zebra nexthop-group keep (1-3600)$seconds',
    help: [ZEBRA, 'Nexthop groups', 'How long one stays in the kernel when no route names it', 'Seconds'],
    key: () => 'nexthop-group keep',
    no: ['zebra nexthop-group keep'],
    apply: (zebra: Zebra, args) => keepNexthops(zebra, args.seconds),
    remove: (zebra: Zebra) => keepNexthops(zebra, 0),
  }),
  config({
    mode: 'configure',
    syntax: 'zebra nexthop kernel enable',
    help: [ZEBRA, NEXTHOP, 'In the kernel', 'Routes name them, rather than carrying their own paths'],
    keeps: 'negative',
    hidden: true,
    apply: (zebra: Zebra) => setNexthopObjects(zebra, { kernel: true }),
    remove: (zebra: Zebra) => setNexthopObjects(zebra, { kernel: false }),
  }),
  config({
    mode: 'configure',
    syntax: 'zebra nexthop proto only',
    help: [ZEBRA, NEXTHOP, 'Of protocols', 'No other routes name them'],
    hidden: true,
    apply: (zebra: Zebra) => setNexthopObjects(zebra, { protocolsOnly: true }),
    remove: (zebra: Zebra) => setNexthopObjects(zebra, { protocolsOnly: false }),
  }),
  config({
    mode: 'configure',
    syntax: 'allow-external-route-update',
    help: ['Routes of ours that others delete are not put back'],
    apply: (zebra: Zebra) => letOthersDelete(zebra, true),
    remove: (zebra: Zebra) => letOthersDelete(zebra, false),
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
