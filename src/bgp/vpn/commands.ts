// Lines about VPNs, in an address family of the instance whose routes they are about, and about SRv6, of the default instance's.
import { formatAddress, parseAddress } from '../../net/index.ts';
import { type Command, type CommandArgs, CommandError, config } from '../../vty/index.ts';
import { type Bgp, instanceOf } from '../bgp.ts';
import { unicastAt } from '../commands-neighbor-line.ts';
import { formatRouteDistinguisher, parseRouteDistinguisher, type WordPair } from '../wire/route-distinguisher.ts';
import { formatRouteTarget, parseRouteTargets } from '../wire/route-target.ts';
import { VRF_DEFAULT } from '../vrf.ts';
import type { VpnSettings } from './settings.ts';

const AF = 'address-family';
const VPN = 'Between current address-family and vpn';
const EXPORT = 'For routes leaked from current address-family to vpn';
const IMPORT = 'For routes leaked from vpn to current address-family';
const BOTH = 'both import: from vpn to current address-family and export: from current address-family to vpn';
const TARGETS = ['Specify route target list', 'Specify route target list'];
const SID_HELP = ['sid value for VRF', VPN];
const CHOSEN_HELP = ['Automatically assign a sid', 'A sid allocated by hand'];

function settingsAt(bgp: Bgp, context: readonly CommandArgs[]): VpnSettings {
  return instanceOf(bgp, context).family[unicastAt(context)].vpn;
}

/** A line that sets something of an address family's VPN settings. */
function change(bgp: Bgp, context: readonly CommandArgs[], how: (settings: VpnSettings) => void): void {
  how(settingsAt(bgp, context));
  bgp.changed();
}

function readRd(text: string): WordPair {
  const rd = parseRouteDistinguisher(text);
  if (rd === undefined) throw new CommandError(`% Malformed rd: ${text}`);
  return rd;
}

function readTargets(text: string): WordPair[] {
  try {
    return parseRouteTargets(text);
  } catch (error) {
    throw new CommandError(`% Malformed rt: ${(error as RangeError).message}`);
  }
}

function targetsText(text: string): string {
  return readTargets(text)
    .map(pair => formatRouteTarget(...pair))
    .join(' ');
}

function listsOf(direction: 'import' | 'export' | 'both'): readonly ('import' | 'export')[] {
  return direction === 'both' ? ['import', 'export'] : [direction];
}

/** `rt vpn …`, which says which routes are for whom, and the short form, which says too that they are wanted. */
function targetLine(form: 'vpn' | 'short'): Command<Bgp> {
  const words = form === 'vpn' ? 'rt vpn' : 'rt';
  return config({
    mode: AF,
    syntax:
      `<rt|route-target> ${form === 'vpn' ? 'vpn ' : ''}<import|export|both>$direction LINE...$targets` as '<rt|route-target> <import|export|both>$direction LINE...$targets',
    help: [
      ...TARGETS,
      ...(form === 'vpn' ? [VPN] : []),
      IMPORT,
      EXPORT,
      BOTH,
      'Space separated route target list (A.B.C.D:MN|EF:OPQR|GHJK:MN)',
    ],
    key: args => `${words} ${args.direction}`,
    // Both are two lists, which may be changed one by one, and are written as one line while they are the same.
    writes: ({ direction, targets }) => listsOf(direction).map(one => `${words} ${one} ${targetsText(targets)}`),
    pair({ direction, targets }) {
      const other = direction === 'import' ? 'export' : 'import';
      return { key: `${words} ${other}`, text: `${words} ${other} ${targets}`, both: `${words} both ${targets}` };
    },
    no: [`<rt|route-target> ${form === 'vpn' ? 'vpn ' : ''}<import|export|both>$direction`],
    takes: ({ direction }) => listsOf(direction).map(one => `${words} ${one}`),
    check: args => void readTargets(args.targets),
    apply: (bgp: Bgp, args, context) =>
      change(bgp, context, ({ targets }) => targets.set(`${form} ${args.direction}`, readTargets(args.targets))),
    remove: (bgp: Bgp, args, context) =>
      change(bgp, context, ({ targets }) => targets.delete(`${form} ${args.direction}`)),
  });
}

function onlyDefault([router]: readonly CommandArgs[]): void {
  const name = router?.['name'];
  if (name === undefined || name === VRF_DEFAULT) return;
  throw new CommandError(`% segment-routing srv6 belongs to the default instance, not to that of ${String(name)}`);
}

export const vpnCommands: readonly Command<Bgp>[] = [
  config({
    mode: AF,
    syntax: 'rd vpn export WORD$rd',
    help: [
      'Specify route distinguisher',
      VPN,
      EXPORT,
      'Route Distinguisher (<as-number>:<number> | <ip-address>:<number>)',
    ],
    key: () => 'rd vpn export',
    writes: args => [`rd vpn export ${formatRouteDistinguisher(...readRd(args.rd))}`],
    check: args => void readRd(args.rd),
    apply: (bgp: Bgp, args, context) => change(bgp, context, vpn => (vpn.rd = readRd(args.rd))),
    remove: (bgp: Bgp, _, context) => change(bgp, context, vpn => (vpn.rd = undefined)),
  }),
  targetLine('vpn'),
  targetLine('short'),
  config({
    mode: AF,
    syntax: 'label vpn export <auto|(0-1048575)>$label',
    help: ['label value for VRF', VPN, EXPORT, 'Automatically assign a label', 'Label Value'],
    key: () => 'label vpn export',
    check(args) {
      if (args.label !== 'auto' && args.label < 16) {
        throw new CommandError(`% label ${args.label} is reserved: 16 is the first that a VRF may have`);
      }
    },
    apply: (bgp: Bgp, args, context) => change(bgp, context, vpn => (vpn.label = args.label)),
    remove: (bgp: Bgp, _, context) => change(bgp, context, vpn => (vpn.label = undefined)),
  }),
  config({
    mode: AF,
    syntax: 'sid vpn export <auto|(1-1048575)>$sid',
    help: [...SID_HELP, EXPORT, ...CHOSEN_HELP],
    key: () => 'sid vpn export',
    apply(bgp: Bgp, args, context) {
      if (instanceOf(bgp, context).options.sidPerVrf !== undefined) {
        throw new CommandError('% sid vpn export: sid vpn per-vrf export has one for all address families');
      }
      change(bgp, context, vpn => (vpn.sid = args.sid));
    },
    remove: (bgp: Bgp, _, context) => change(bgp, context, vpn => (vpn.sid = undefined)),
  }),
  config({
    mode: AF,
    syntax: 'nexthop vpn export <A.B.C.D|X:X::X:X>$address',
    help: ['Specify next hop to use for VRF advertised prefixes', VPN, EXPORT, 'IPv4 prefix', 'IPv6 prefix'],
    key: () => 'nexthop vpn export',
    writes: ({ address }) => {
      const { family, words } = parseAddress(address)!;
      return [`nexthop vpn export ${formatAddress(family, words)}`];
    },
    apply: (bgp: Bgp, args, context) => change(bgp, context, vpn => (vpn.nextHop = parseAddress(args.address)!)),
    remove: (bgp: Bgp, _, context) => change(bgp, context, vpn => (vpn.nextHop = undefined)),
  }),
  config({
    mode: AF,
    syntax: 'route-map vpn <import|export>$direction WORD$map',
    help: ['Specify route map', VPN, IMPORT, EXPORT, 'name of route-map'],
    key: args => `route-map vpn ${args.direction}`,
    apply: (bgp: Bgp, { direction, map }, context) =>
      change(bgp, context, vpn => (vpn[direction === 'import' ? 'importMap' : 'exportMap'] = map)),
    remove: (bgp: Bgp, { direction }, context) =>
      change(bgp, context, vpn => (vpn[direction === 'import' ? 'importMap' : 'exportMap'] = undefined)),
  }),
  config({
    mode: AF,
    syntax: 'export vpn',
    help: ['Export routes from this address-family', 'to/from default instance VPN RIB'],
    apply: (bgp: Bgp, _, context) => change(bgp, context, vpn => (vpn.exports = true)),
    remove: (bgp: Bgp, _, context) => change(bgp, context, vpn => (vpn.exports = false)),
  }),
  config({
    mode: AF,
    syntax: 'import vpn',
    help: ['Import routes to this address-family', 'to/from default instance VPN RIB'],
    apply: (bgp: Bgp, _, context) => change(bgp, context, vpn => (vpn.imports = true)),
    remove: (bgp: Bgp, _, context) => change(bgp, context, vpn => (vpn.imports = false)),
  }),
  config({
    mode: AF,
    syntax: 'import vrf WORD$name',
    help: ['Import routes from another VRF', 'VRF to import from', 'The name of the VRF'],
    key: args => `import vrf ${args.name}`,
    check({ name }, [router]) {
      const own = router?.['name'] ?? VRF_DEFAULT;
      if (name === own) throw new CommandError(`% Cannot import vrf ${name} into itself`);
    },
    apply: (bgp: Bgp, args, context) => change(bgp, context, vpn => vpn.importVrfs.add(args.name)),
    remove: (bgp: Bgp, args, context) => change(bgp, context, vpn => vpn.importVrfs.delete(args.name)),
  }),
  config({
    mode: AF,
    syntax: 'import vrf route-map WORD$map',
    help: ['Import routes from another VRF', 'Vrf routes being filtered', 'Specify route map', 'name of route-map'],
    key: () => 'import vrf route-map',
    apply: (bgp: Bgp, args, context) => change(bgp, context, vpn => (vpn.importVrfMap = args.map)),
    remove: (bgp: Bgp, _, context) => change(bgp, context, vpn => (vpn.importVrfMap = undefined)),
  }),
  config({
    mode: 'router-bgp',
    syntax: 'sid vpn per-vrf export <auto|(1-1048575)>$sid',
    help: [...SID_HELP, 'sid per-VRF (both IPv4 and IPv6 address families)', EXPORT, ...CHOSEN_HELP],
    key: () => 'sid vpn per-vrf export',
    apply(bgp: Bgp, args, context) {
      const instance = instanceOf(bgp, context);
      const other = instance.unicast.find(({ vpn }) => vpn.sid !== undefined);
      if (other !== undefined) {
        throw new CommandError(`% sid vpn per-vrf export: address family ${other.afi} has a sid vpn export of its own`);
      }
      instance.options.sidPerVrf = args.sid;
      instance.optionsChanged();
    },
    remove(bgp: Bgp, _, context) {
      const instance = instanceOf(bgp, context);
      instance.options.sidPerVrf = undefined;
      instance.optionsChanged();
    },
  }),
  config({
    mode: 'router-bgp',
    syntax: 'segment-routing srv6',
    help: ['Segment-Routing configuration', 'Segment-Routing SRv6 configuration'],
    opens: 'bgp-srv6',
    check: (_, context) => onlyDefault(context),
    apply() {},
    remove: (bgp: Bgp) => bgp.vpn.sids.setLocator(undefined),
  }),
  config({
    mode: 'bgp-srv6',
    syntax: 'locator WORD$name',
    help: ['Specify SRv6 locator', 'Specify SRv6 locator'],
    key: () => 'locator',
    apply: (bgp: Bgp, args) => bgp.vpn.sids.setLocator(args.name),
    remove: (bgp: Bgp) => bgp.vpn.sids.setLocator(undefined),
  }),
];
