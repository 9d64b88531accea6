// Configuration lines of lists and route maps, and what shows them.
import type { Command } from '../../vty/index.ts';
import { accessListCommands } from './commands-access-list.ts';
import { asPathListCommands } from './commands-as-path-list.ts';
import { communityListCommands } from './commands-community-list.ts';
import { matchCommands } from './commands-match.ts';
import { prefixListCommands } from './commands-prefix-list.ts';
import { routeMapCommands } from './commands-route-map.ts';
import { setCommands } from './commands-set.ts';
import type { PolicyOwner } from './library.ts';

export const policyCommands: readonly Command<PolicyOwner>[] = [
  ...prefixListCommands,
  ...accessListCommands,
  ...asPathListCommands,
  ...communityListCommands,
  ...routeMapCommands,
  ...matchCommands,
  ...setCommands,
];
