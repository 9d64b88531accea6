// All command tables of the daemon in one list: what main's grammar is made of, and what `grevy check` reads a file with.
import { bgpCommands } from '../bgp/commands.ts';
import { dataplaneCommands } from '../dataplane/commands.ts';
import type { CommandSet } from '../vty/index.ts';
import { zebraCommands } from '../zebra/commands.ts';
import { mainCommands } from './main-commands.ts';

/** Tables do not agree on a state, and main never runs the others' commands: it only needs their syntax. */
export const allCommands: readonly CommandSet<never>[] = [mainCommands, zebraCommands, bgpCommands, dataplaneCommands];
