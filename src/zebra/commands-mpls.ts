// The lines of MPLS: what FRR 8.4.4's zebra has of them.
import { AF_INET, parseAddress } from '../net/index.ts';
import { rtnetlink as c } from '../netlink/index.ts';
import { type Command, type CommandArgs, CommandError, config, exec } from '../vty/index.ts';
import { LSP_STATIC } from '../zapi/index.ts';
import { interfaceName, JSON_HELP, linesOf, SHOW } from './commands-lib.ts';
import { forwardsLabels } from './forwarding.ts';
import { IMPLICIT_NULL } from './nexthop/encap.ts';
import { gatewayNexthop, type Nexthop } from './nexthop/set.ts';
import { lspJson, showLsp, showLsps, shownLsps } from './show/mpls.ts';
import type { Zebra } from './zebra.ts';

const IPV4_EXPLICIT_NULL = 0;
const IPV6_EXPLICIT_NULL = 2;
const MPLS = 'MPLS information';
const CONFIGURE_MPLS = 'Multiprotocol Label Switching';

interface LspArgs {
  readonly label: number;
  readonly gateway: string;
  readonly out: number | string;
}

/** The next hop of a static LSP. */
function nexthopOf({ gateway, out }: LspArgs): Nexthop {
  const { family, words } = parseAddress(gateway)!;
  const explicit = family === AF_INET ? IPV4_EXPLICIT_NULL : IPV6_EXPLICIT_NULL;
  const label = typeof out === 'number' ? out : out === 'implicit-null' ? IMPLICIT_NULL : explicit;
  return gatewayNexthop(family, words, 0, false, 1, { type: c.LWTUNNEL_ENCAP_MPLS, labels: [label] });
}

function enableInput(zebra: Zebra, on: boolean, context: readonly CommandArgs[]): void {
  const name = interfaceName(context);
  try {
    linesOf(zebra, context).takeLabels(name, on);
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new CommandError(`% Cannot ${on ? 'enable' : 'disable'} MPLS on ${name}: ${why}`);
  }
}

export const mplsCommands: readonly Command<Zebra>[] = [
  exec({
    syntax: 'show mpls table [(16-1048575)$label] [json]',
    help: [SHOW, MPLS, 'MPLS table', 'LSP to display information about', JSON_HELP],
    run: (zebra: Zebra, { label, json }) => {
      if (label === undefined) {
        if (json === undefined) return showLsps(zebra);
        return Object.fromEntries(shownLsps(zebra).map(lsp => [lsp.label, lspJson(zebra, lsp)]));
      }
      const lsp = shownLsps(zebra).find(one => one.label === label);
      if (json === undefined) return lsp === undefined ? '' : showLsp(zebra, lsp);
      return lsp === undefined ? {} : lspJson(zebra, lsp);
    },
  }),
  exec({
    syntax: 'show mpls status',
    help: [SHOW, MPLS, 'MPLS status'],
    run: () => `MPLS support enabled: ${forwardsLabels() ? 'yes' : 'no (mpls kernel extensions not detected)'}\n`,
  }),
  config({
    mode: 'configure',
    syntax: 'mpls lsp (16-1048575)$label <A.B.C.D|X:X::X:X>$gateway <(16-1048575)|explicit-null|implicit-null>$out',
    help: [
      CONFIGURE_MPLS,
      'Establish label switched path',
      'Incoming MPLS label',
      'IPv4 gateway address',
      'IPv6 gateway address',
      'Outgoing MPLS label',
      'Use Explicit-Null label',
      'Use Implicit-Null label',
    ],
    key: ({ label, gateway }) => `mpls lsp ${label} ${gateway}`,
    no: ['mpls lsp (16-1048575)$label', 'mpls lsp (16-1048575)$label <A.B.C.D|X:X::X:X>$gateway'],
    apply: (zebra: Zebra, args) => zebra.mpls.lsps.add(args.label, LSP_STATIC, [nexthopOf(args)], 0),
    remove: (zebra: Zebra, args) => {
      zebra.mpls.lsps.remove(args.label, LSP_STATIC, [nexthopOf(args)]);
    },
  }),
  config({
    mode: 'interface',
    syntax: 'mpls enable',
    help: [CONFIGURE_MPLS, 'Take labelled packets from this interface'],
    apply: (zebra: Zebra, _args, context) => enableInput(zebra, true, context),
    remove: (zebra: Zebra, _args, context) => enableInput(zebra, false, context),
  }),
];
