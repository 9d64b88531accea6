// `router bgp`, its address families, and what is said of all instances at once.
import { type Command, type CommandArgs, CommandError, config } from '../vty/index.ts';
import { type Bgp } from './bgp.ts';
import { VRF_DEFAULT } from './vrf.ts';

const BGP = 'BGP specific commands';
const AFI_HELP = ['Enter Address Family command mode', 'Address family', 'Address family', 'Address Family modifier'];

/** VPNs meet in the default instance. */
function onlyDefault([router]: readonly CommandArgs[], family: string): void {
  const name = router?.['name'];
  if (name === undefined || name === VRF_DEFAULT) return;
  throw new CommandError(`% Address family ${family} belongs to the default instance, not to that of ${String(name)}`);
}

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
    help: AFI_HELP,
    opens: 'address-family',
    key: args => args.afi ?? '',
    writes: args => [`address-family ${args.afi} unicast`],
    apply() {},
    remove() {},
  }),
  config({
    mode: 'router-bgp',
    syntax: 'address-family <ipv4|ipv6>$afi vpn$vpn',
    help: AFI_HELP,
    opens: 'address-family-vpn',
    key: args => `${args.afi} vpn`,
    check: (_, context) => onlyDefault(context, 'vpn'),
    apply() {},
    remove() {},
  }),
  config({
    mode: 'router-bgp',
    syntax: 'address-family <vpnv4|vpnv6>$vpn [unicast]',
    help: ['Enter Address Family command mode', 'Address Family', 'Address Family', 'Address Family modifier'],
    opens: 'address-family-vpn',
    key: args => `${args.vpn} vpn`,
    check: (_, context) => onlyDefault(context, 'vpn'),
    writes: args => [`address-family ${args.vpn === 'vpnv6' ? 'ipv6' : 'ipv4'} vpn`],
    // It is written, and carried out, as the line above.
    apply() {},
    remove() {},
  }),
  config({
    mode: 'router-bgp',
    syntax: 'address-family ipv4 rtc$rtc',
    help: ['Enter Address Family command mode', 'Address Family', 'Route-target constraint (RFC 4684)'],
    opens: 'address-family-vpn',
    key: () => 'ipv4 rtc',
    check: (_, context) => onlyDefault(context, 'rtc'),
    apply() {},
    remove() {},
  }),
];
