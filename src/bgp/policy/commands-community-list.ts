// Lists of communities, of large and of extended ones, standard and expanded: their lines, and what shows them. The three
// kinds differ in a row of data.
import { type Command, CommandError, config, exec } from '../../vty/index.ts';
import { LIST_HELP, orCommandError, selected } from './commands-list.ts';
import {
  type CommunityKind,
  CommunityList,
  EXTENDED_COMMUNITIES,
  LARGE_COMMUNITIES,
  STANDARD_COMMUNITIES,
} from './community-list.ts';
import type { PolicyLibrary, PolicyOwner } from './library.ts';

interface ListLineArgs {
  readonly name: string | number;
  readonly seq?: number;
  readonly action: 'deny' | 'permit';
  readonly text: string;
}

interface Row<Value extends number | string> {
  readonly kind: CommunityKind<Value>;
  /** Variable of a standard entry. */
  readonly variable: string;
  readonly help: readonly [add: string, value: string, show: string];
  /** How lists are called in what is shown: named ones, and those with a number. */
  readonly titles: readonly [named: string, numbered: string];
  readonly lists: (policy: PolicyLibrary) => Map<string, CommunityList<Value>>;
}

const COMMUNITY: Row<number> = {
  kind: STANDARD_COMMUNITIES,
  variable: 'AA:NN',
  help: ['Add a community list entry', 'Community value in aa:nn format, or a well-known name', 'List community-list'],
  titles: ['Named Community', 'Community'],
  lists: policy => policy.communityLists,
};

const EXTENDED: Row<string> = {
  kind: EXTENDED_COMMUNITIES,
  variable: 'AA:NN',
  help: [
    'Add a extended community list entry',
    'Extended communities: rt or soo before each value in ASN:NN or IP-ADDRESS:NN format',
    'List extended-community list',
  ],
  titles: ['Named extended community', 'Extended community'],
  lists: policy => policy.extendedCommunityLists,
};

const LARGE: Row<string> = {
  kind: LARGE_COMMUNITIES,
  variable: 'AA:BB:CC',
  help: ['Add a large community list entry', 'Large community value in aa:bb:cc format', 'List large community list'],
  titles: ['Named large community', 'Large community'],
  lists: policy => policy.largeCommunityLists,
};

function line<Value extends number | string>(row: Row<Value>, expanded: boolean, named: boolean): Command<PolicyOwner> {
  const { kind } = row;
  const style = expanded ? 'expanded' : 'standard';
  const [first, last] = expanded ? [100, 500] : [1, 99];
  /** A number of this style says its style. */
  const head = (list: string | number): string => (Number(list) >= first && Number(list) <= last ? '' : `${style} `);
  const name = named ? `${style} WORD$name` : `(${first}-${last})$name`;
  const value = expanded ? 'LINE' : row.variable;
  const as = (args: unknown): ListLineArgs => args as ListLineArgs;
  /** The entry's text as it is written. Throws a CommandError where it is none. */
  const written = (text: string): string =>
    orCommandError(() => {
      const list = new CommunityList(kind, '', expanded);
      list.set(1, true, text);
      return list.entries[0]!.text;
    });
  const numberHelp = `${expanded ? 'Expanded' : 'Standard'} list number`;
  return config({
    mode: 'configure',
    syntax: `bgp ${kind.word} ${name} [seq (0-4294967295)$seq] <deny|permit>$action ${value}...$text`,
    help: [
      'BGP information',
      row.help[0],
      ...(named ? [`Add an ${style} list entry`, 'List name'] : [numberHelp]),
      ...LIST_HELP,
      expanded ? 'An ordered list as a regular-expression' : row.help[1],
    ],
    key: args => `${kind.word} ${as(args).name} ${as(args).seq ?? ''}`,
    no: [`bgp ${kind.word} ${name}`],
    sequence: {
      group: args => `${kind.word} ${as(args).name}`,
      of: args => as(args).seq,
      write: (args, sequence) =>
        `bgp ${kind.word} ${head(as(args).name)}${as(args).name} seq ${sequence} ${as(args).action} ${written(as(args).text)}`,
    },
    check: args => void written(as(args).text),
    apply(owner: PolicyOwner, typed) {
      const args = as(typed);
      const lists = row.lists(owner.policy);
      const known = String(args.name);
      const list = lists.get(known) ?? new CommunityList(kind, known, expanded);
      if (list.expanded !== expanded) {
        throw new CommandError(
          `% Community name conflict, ${known} was previously defined as ${list.expanded ? 'expanded' : 'standard'} community`,
        );
      }
      orCommandError(() => list.set(args.seq ?? list.nextSequence(), args.action === 'permit', args.text));
      lists.set(known, list);
      owner.policy.touch(kind.word, known);
    },
    remove(owner: PolicyOwner, typed) {
      const args = as(typed);
      const lists = row.lists(owner.policy);
      const known = String(args.name);
      const list = lists.get(known);
      if (list === undefined) return;
      const same = list.entries.find(entry => entry.text === args.text && entry.permit === (args.action === 'permit'));
      list.remove(args.seq ?? same?.sequence ?? -1);
      if (list.entries.length === 0) lists.delete(known);
      owner.policy.touch(kind.word, known);
    },
  });
}

function listText<Value extends number | string>({ titles }: Row<Value>, list: CommunityList<Value>): string {
  const numbered = /^\d+$/.test(list.name);
  let title: string;
  if (!numbered) title = `${titles[0]} ${list.expanded ? 'expanded' : 'standard'} list`;
  else title = list.expanded ? `${titles[1]} (expanded) access list` : `${titles[1]} standard list`;
  const entries = list.entries.map(entry => `    ${entry.permit ? 'permit' : 'deny'} ${entry.text}\n`);
  return `${title} ${list.name}\n${entries.join('')}`;
}

function show<Value extends number | string>(row: Row<Value>): Command<PolicyOwner> {
  const { word } = row.kind;
  return exec({
    syntax: `show bgp ${word} [WORD$name [detail]]` as 'show bgp community-list [WORD$name [detail]]',
    help: [
      'Show running system information',
      'BGP information',
      row.help[2],
      'Name or number of a list',
      'Detailed information on the list',
    ],
    run(owner: PolicyOwner, { name }) {
      const lists = selected(row.lists(owner.policy), name).sort(numbersFirst);
      if (name !== undefined && lists.length === 0) return `% Can't find ${word}\n`;
      return lists.map(list => listText(row, list)).join('');
    },
  });
}

/** By number, then by name. */
function numbersFirst(a: { readonly name: string }, b: { readonly name: string }): number {
  const [x, y] = [Number(a.name), Number(b.name)];
  if (Number.isNaN(x) || Number.isNaN(y)) return Number(Number.isNaN(x)) - Number(Number.isNaN(y));
  return x - y;
}

function commandsOf<Value extends number | string>(row: Row<Value>): Command<PolicyOwner>[] {
  return [line(row, false, false), line(row, false, true), line(row, true, false), line(row, true, true), show(row)];
}

export const communityListCommands: readonly Command<PolicyOwner>[] = [
  ...commandsOf(COMMUNITY),
  ...commandsOf(EXTENDED),
  ...commandsOf(LARGE),
];
