// `router bgp`, its address families, and what is said of all instances at once.
import { type Command, CommandError, config } from '../vty/index.ts';
import { type Bgp } from './bgp.ts';
import { VRF_DEFAULT } from './vrf.ts';

const BGP = 'BGP specific commands';

export const routerCommands: readonly Command<Bgp>[] = [
  config({
    mode: 'configure',
    syntax: 'bgp no-rib',
    help: [BGP, 'Disable BGP route installation to RIB (Zebra)'],
    apply: (bgp: Bgp) => bgp.setNoRib(true),
    remove: (bgp: Bgp) => bgp.setNoRib(false),
  }),
  config({
    mode: 'configure',
    syntax: 'bgp graceful-shutdown',
    help: [BGP, 'Graceful shutdown parameters'],
    apply: (bgp: Bgp) => bgp.setGracefulShutdown(true),
    remove: (bgp: Bgp) => bgp.setGracefulShutdown(false),
  }),
  config({
    mode: 'configure',
    syntax: 'router bgp (1-4294967295)$asn [<view|vrf>$kind WORD$name]',
    help: ['Enable a routing process', 'BGP information', 'AS number', 'BGP view', 'BGP VRF', 'View/VRF name'],
    opens: 'router-bgp',
    key: args => (args.name === undefined ? 'router bgp' : `router bgp ${args.name}`),
    writes: args => [
      args.name === undefined || args.name === VRF_DEFAULT
        ? `router bgp ${args.asn}`
        : `router bgp ${args.asn} ${args.kind} ${args.name}`,
    ],
    check: args => {
      if (args.name === 'all') throw new CommandError("% 'all' means every instance and cannot be the name of one");
    },
    apply(bgp: Bgp, args) {
      bgp.openInstance(args.name ?? VRF_DEFAULT, args.asn, args.kind);
    },
    remove(bgp: Bgp, args) {
      bgp.closeInstance(args.name ?? VRF_DEFAULT);
    },
  }),
  config({
    mode: 'router-bgp',
    syntax: 'address-family <ipv4|ipv6>$afi [unicast]',
    help: ['Enter Address Family command mode', 'Address family', 'Address family', 'Address Family modifier'],
    opens: 'address-family',
    key: args => args.afi ?? '',
    writes: args => [`address-family ${args.afi} unicast`],
    apply() {},
    remove() {},
  }),
];
