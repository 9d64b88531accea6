// AS path access lists: their lines, and what shows them.
import { type Command, config, exec } from '../../vty/index.ts';
import { LIST_HELP, orCommandError, selected } from './commands-list.ts';
import type { PolicyOwner } from './library.ts';
import { PathRegex } from './regex.ts';

export const asPathListCommands: readonly Command<PolicyOwner>[] = [
  config({
    mode: 'configure',
    syntax: 'bgp as-path access-list WORD$name [seq (0-4294967295)$seq] <deny|permit>$action LINE...$regex',
    help: [
      'BGP information',
      'BGP autonomous system path filter',
      'Specify an access list name',
      'Regular expression access list name',
      ...LIST_HELP,
      'A regular-expression (1234567890_^|[,{}() ]$*+.?-\\) to match the BGP AS paths',
    ],
    key: args => `as-path ${args.name} ${args.seq ?? ''}`,
    no: ['bgp as-path access-list WORD$name'],
    sequence: {
      group: args => `as-path ${args.name}`,
      of: args => args.seq,
      write: (args, sequence) => `bgp as-path access-list ${args.name} seq ${sequence} ${args.action} ${args.regex}`,
    },
    check: args => void orCommandError(() => new PathRegex(args.regex)),
    apply(owner: PolicyOwner, args) {
      const list = owner.policy.needAsPathList(args.name);
      const regex = orCommandError(() => new PathRegex(args.regex));
      list.set({ sequence: args.seq ?? list.nextSequence(), permit: args.action === 'permit', regex });
      owner.policy.touch('as-path', args.name);
    },
    remove(owner: PolicyOwner, args) {
      const list = owner.policy.asPathList(args.name);
      if (list === undefined) return;
      const same = list.entries.find(
        entry => entry.regex.source === args.regex && entry.permit === (args.action === 'permit'),
      );
      list.remove(args.seq ?? same?.sequence ?? -1);
      if (list.entries.length === 0) owner.policy.asPathLists.delete(args.name);
      owner.policy.touch('as-path', args.name);
    },
  }),
  exec({
    syntax: 'show bgp as-path-access-list [WORD$name] [json]',
    help: [
      'Show running system information',
      'BGP information',
      'List AS path access lists',
      'AS path access list name',
      'JavaScript Object Notation',
    ],
    run(owner: PolicyOwner, args) {
      const lists = selected(owner.policy.asPathLists, args.name);
      const type = (permit: boolean): string => (permit ? 'permit' : 'deny');
      if (args.json === true) {
        return Object.fromEntries(
          lists.map(list => [
            list.name,
            list.entries.map(({ sequence, permit, regex }) => ({
              sequenceNumber: sequence,
              type: type(permit),
              regExp: regex.source,
            })),
          ]),
        );
      }
      return lists
        .map(
          list =>
            `AS path access list ${list.name}\n${list.entries.map(e => `    ${type(e.permit)} ${e.regex.source}\n`).join('')}`,
        )
        .join('');
    },
  }),
];
