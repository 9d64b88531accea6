// Community lists, standard and expanded: their lines, and what shows them.
import { type Command, CommandError, config, exec } from '../../vty/index.ts';
import { LIST_HELP, orCommandError, selected } from './commands-list.ts';
import { parseCommunities } from './community.ts';
import type { PolicyOwner } from './library.ts';
import { PathRegex } from './regex.ts';

interface CommunityListArgs {
  readonly name: string | number;
  readonly seq?: number;
  readonly action: 'deny' | 'permit';
  readonly text: string;
}

function communityListLine<const Syntax extends string>(
  expanded: boolean,
  syntax: Syntax,
  help: readonly string[],
  head: string,
): Command<PolicyOwner> {
  const as = (args: unknown): CommunityListArgs => args as CommunityListArgs;
  const check = (args: CommunityListArgs): void => {
    if (expanded) orCommandError(() => new PathRegex(args.text));
    else orCommandError(() => parseCommunities(args.text));
  };
  return config({
    mode: 'configure',
    syntax,
    help: ['BGP information', 'Add a community list entry', ...help, ...LIST_HELP],
    key: args => `community-list ${as(args).name} ${as(args).seq ?? ''}`,
    sequence: {
      group: args => `community-list ${as(args).name}`,
      of: args => as(args).seq,
      write: (args, sequence) =>
        `bgp community-list ${head}${as(args).name} seq ${sequence} ${as(args).action} ${as(args).text}`,
    },
    check: args => check(as(args)),
    apply(owner: PolicyOwner, typed) {
      const args = as(typed);
      const name = String(args.name);
      const list = owner.policy.needCommunityList(name, expanded);
      if (list.expanded !== expanded) {
        throw new CommandError(
          `% Community name conflict, previously defined as ${list.expanded ? 'expanded' : 'standard'} community`,
        );
      }
      orCommandError(() => list.set(args.seq ?? list.nextSequence(), args.action === 'permit', args.text));
      owner.policy.touch('community-list', name);
    },
    remove(owner: PolicyOwner, typed) {
      const args = as(typed);
      const name = String(args.name);
      const list = owner.policy.communityList(name);
      if (list === undefined) return;
      const same = list.entries.find(entry => entry.text === args.text && entry.permit === (args.action === 'permit'));
      list.remove(args.seq ?? same?.sequence ?? -1);
      if (list.entries.length === 0) owner.policy.communityLists.delete(name);
      owner.policy.touch('community-list', name);
    },
  });
}

const lines: Command<PolicyOwner>[] = [
  communityListLine(
    false,
    'bgp community-list (1-99)$name [seq (0-4294967295)$seq] <deny|permit>$action AA:NN...$text',
    ['Community list number (standard)'],
    '',
  ),
  communityListLine(
    false,
    'bgp community-list standard WORD$name [seq (0-4294967295)$seq] <deny|permit>$action AA:NN...$text',
    ['Add an standard community-list entry', 'Community list name'],
    'standard ',
  ),
  communityListLine(
    true,
    'bgp community-list (100-500)$name [seq (0-4294967295)$seq] <deny|permit>$action AA:NN...$text',
    ['Community list number (expanded)'],
    '',
  ),
  communityListLine(
    true,
    'bgp community-list expanded WORD$name [seq (0-4294967295)$seq] <deny|permit>$action AA:NN...$text',
    ['Add an expanded community-list entry', 'Community list name'],
    'expanded ',
  ),
].map((command, i) => ({
  ...command,
  help: [
    ...command.help,
    i < 2 ? 'Community value in aa:nn format, or a well-known name' : 'An ordered list as a regular-expression',
  ],
}));

const show: Command<PolicyOwner> = exec({
  syntax: 'show bgp community-list [WORD$name]',
  help: ['Show running system information', 'BGP information', 'List community-list', 'Community-list name or number'],
  run(owner: PolicyOwner, args) {
    return selected(owner.policy.communityLists, args.name)
      .map(list => {
        const kind = list.expanded ? 'expanded' : 'standard';
        const named = /^\d+$/.test(list.name) ? `Community (${kind}) access list` : `Named Community ${kind} list`;
        return `${named} ${list.name}\n${list.entries.map(e => `    ${e.permit ? 'permit' : 'deny'} ${e.text}\n`).join('')}`;
      })
      .join('');
  },
});

export const communityListCommands: readonly Command<PolicyOwner>[] = [...lines, show];
