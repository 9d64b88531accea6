// Every command that the bgp thread owns, and its configuration modes.
import { type CommandSet, commandSet } from '../vty/index.ts';
import type { Bgp } from './bgp.ts';
import { neighborCommands } from './commands-neighbor.ts';
import { neighborFamilyCommands } from './commands-neighbor-family.ts';
import { clearCommands } from './commands-clear.ts';
import { optionCommands } from './commands-options.ts';
import { routerCommands } from './commands-router.ts';
import { routeCommands } from './commands-routes.ts';
import { policyCommands } from './policy/commands.ts';
import { showCommands } from './show-commands.ts';
import { vpnCommands } from './vpn/commands.ts';
import { vpnShowCommands } from './vpn/show-commands.ts';
import { rtcShowCommands } from './vpn/show-rtc.ts';

export const bgpCommands: CommandSet<Bgp> = commandSet<Bgp>(
  'bgp',
  [
    ...routerCommands,
    ...optionCommands,
    ...routeCommands,
    ...vpnCommands,
    ...neighborCommands,
    ...neighborFamilyCommands,
    ...policyCommands,
    ...clearCommands,
    ...showCommands,
    ...vpnShowCommands,
    ...rtcShowCommands,
  ],
  [
    { name: 'router-bgp', prompt: '(config-router)', parent: 'configure' },
    {
      name: 'address-family',
      prompt: '(config-router-af)',
      parent: 'router-bgp',
      implied: 'address-family ipv4 unicast',
      exit: 'exit-address-family',
    },
    { name: 'address-family-vpn', prompt: '(config-router-af-vpn)', parent: 'router-bgp', exit: 'exit-address-family' },
    { name: 'bgp-srv6', prompt: '(config-router-srv6)', parent: 'router-bgp' },
    { name: 'route-map', prompt: '(config-route-map)', parent: 'configure' },
  ],
);
