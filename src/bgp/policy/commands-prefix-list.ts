// Prefix lists: their lines, and what shows them.
import { AF_INET, AF_INET6, type Family, parsePrefix } from '../../net/index.ts';
import { type Command, CommandError, config, exec } from '../../vty/index.ts';
import { IP, IP6, orCommandError, selected } from './commands-list.ts';
import type { PolicyOwner } from './library.ts';
import {
  anyPrefix,
  formatPrefixListEntry,
  type PrefixList,
  prefixListEntry,
  type PrefixListEntry,
} from './prefix-list.ts';

interface PrefixListArgs {
  readonly name: string;
  readonly seq?: number;
  readonly action: 'deny' | 'permit';
  readonly any?: unknown;
  readonly prefix?: string;
  readonly ge?: number;
  readonly le?: number;
}

function readEntry(family: Family, args: PrefixListArgs, sequence: number): PrefixListEntry {
  const permit = args.action === 'permit';
  if (args.prefix === undefined) {
    const { prefix, le } = anyPrefix(family);
    return prefixListEntry(sequence, permit, prefix, undefined, le, true);
  }
  const prefix = parsePrefix(args.prefix);
  if (prefix === undefined) throw new CommandError(`% Malformed prefix: ${args.prefix}`);
  return orCommandError(() => prefixListEntry(sequence, permit, prefix, args.ge, args.le));
}

function prefixListText(family: Family, args: PrefixListArgs, sequence: number): string {
  const words = family === AF_INET ? 'ip' : 'ipv6';
  return `${words} prefix-list ${args.name} ${formatPrefixListEntry(readEntry(family, args, sequence))}`;
}

function applyEntry(owner: PolicyOwner, family: Family, args: PrefixListArgs): void {
  const list = owner.policy.needPrefixList(family, args.name);
  list.set(readEntry(family, args, args.seq ?? list.nextSequence()));
  owner.policy.touch('prefix-list', args.name);
}

function removeEntry(owner: PolicyOwner, family: Family, args: PrefixListArgs): void {
  const list = owner.policy.prefixList(family, args.name);
  if (list === undefined) return;
  const entry = readEntry(family, args, args.seq ?? 0);
  const sequence = args.seq ?? list.find(entry.permit, entry.prefix, entry.ge, entry.le)?.sequence;
  if (sequence !== undefined) list.remove(sequence);
  dropEmpty(owner, list);
  owner.policy.touch('prefix-list', args.name);
}

function dropEmpty(owner: PolicyOwner, list: PrefixList): void {
  if (list.entries.length === 0 && list.description === undefined) {
    owner.policy.prefixLists(list.family).delete(list.name);
  }
}

function describe(owner: PolicyOwner, family: Family, name: string, text: string | undefined): void {
  const list = owner.policy.needPrefixList(family, name);
  list.description = text;
  dropEmpty(owner, list);
}

const PREFIX_LIST_HELP = [
  'Build a prefix list',
  'Name of a prefix list',
  'Sequence number of an entry',
  'Sequence number',
  'Specify packets to reject',
  'Specify packets to forward',
  'Any prefix match. Same as "0.0.0.0/0 le 32" or "::/0 le 128"',
];
const RANGE_HELP = [
  'Minimum prefix length to be matched',
  'Minimum prefix length',
  'Maximum prefix length to be matched',
  'Maximum prefix length',
];

function prefixListJson(list: PrefixList): object {
  return {
    addressFamily: list.family === AF_INET ? 'IPv4' : 'IPv6',
    entries: list.entries.map(entry => ({
      sequenceNumber: entry.sequence,
      type: entry.permit ? 'permit' : 'deny',
      prefix: formatPrefixListEntry({ ...entry, any: false, ge: undefined, le: undefined }).split(' ')[3],
      ...(entry.ge === undefined ? {} : { minimumPrefixLength: entry.ge }),
      ...(entry.le === undefined ? {} : { maximumPrefixLength: entry.le }),
    })),
    ...(list.description === undefined ? {} : { description: list.description }),
  };
}

function* prefixListLines(
  owner: PolicyOwner,
  family: Family,
  name: string | undefined,
  detail: boolean,
): Generator<string> {
  const word = family === AF_INET ? 'ip' : 'ipv6';
  for (const list of selected(owner.policy.prefixLists(family), name)) {
    const described = list.description === undefined ? '' : `   Description: ${list.description}\n`;
    const { entries } = list;
    if (detail) {
      yield `BGP: ${word} prefix-list ${list.name}:\n${described}   count: ${entries.length}, range entries: 0, sequences: ${entries[0]?.sequence ?? 0} - ${entries.at(-1)?.sequence ?? 0}\n`;
    } else yield `BGP: ${word} prefix-list ${list.name}: ${entries.length} entries\n${described}`;
    for (const entry of entries) {
      const counts = detail ? ` (hit count: ${entry.hits}, refcount: ${entry.references})` : '';
      yield `   ${formatPrefixListEntry(entry)}${counts}\n`;
    }
  }
}

function showPrefixLists(word: 'ip' | 'ipv6', family: Family): Command<PolicyOwner>[] {
  const help = ['Show running system information', family === AF_INET ? IP : IP6, 'Build a prefix list'];
  return [
    exec({
      syntax: `show ${word} prefix-list [WORD$name] [json]` as 'show ip prefix-list [WORD$name] [json]',
      help: [...help, 'Name of a prefix list', 'JavaScript Object Notation'],
      run(owner: PolicyOwner, args) {
        if (args.name !== undefined && owner.policy.prefixList(family, args.name) === undefined && args.json !== true) {
          return "% Can't find specified prefix-list\n";
        }
        if (args.json !== true) return prefixListLines(owner, family, args.name, false);
        const lists = selected(owner.policy.prefixLists(family), args.name);
        return { BGP: Object.fromEntries(lists.map(list => [list.name, prefixListJson(list)])) };
      },
    }),
    exec({
      syntax: `show ${word} prefix-list detail [WORD$name]` as 'show ip prefix-list detail [WORD$name]',
      help: [...help, 'Detail of prefix lists', 'Name of a prefix list'],
      run: (owner: PolicyOwner, args) => prefixListLines(owner, family, args.name, true),
    }),
  ];
}

export const prefixListCommands: readonly Command<PolicyOwner>[] = [
  config({
    mode: 'configure',
    syntax:
      'ip prefix-list WORD$name [seq (1-4294967295)$seq] <deny|permit>$action <any$any|A.B.C.D/M$prefix [{ge (0-32)$ge|le (0-32)$le}]>',
    help: ['IP information', ...PREFIX_LIST_HELP, 'IP prefix <network>/<length>, e.g., 35.0.0.0/8', ...RANGE_HELP],
    key: args => `ip prefix-list ${args.name} ${args.seq ?? ''}`,
    no: ['ip prefix-list WORD$name', 'ip prefix-list WORD$name seq (1-4294967295)$seq'],
    sequence: {
      group: args => `ip prefix-list ${args.name}`,
      of: args => args.seq,
      write: (args, sequence) => prefixListText(AF_INET, args, sequence),
    },
    check: args => void readEntry(AF_INET, args, 0),
    apply: (owner: PolicyOwner, args) => applyEntry(owner, AF_INET, args),
    remove: (owner: PolicyOwner, args) => removeEntry(owner, AF_INET, args),
  }),
  config({
    mode: 'configure',
    syntax: 'ip prefix-list WORD$name description LINE...$text',
    help: [
      'IP information',
      'Build a prefix list',
      'Name of a prefix list',
      'Prefix-list specific description',
      'Description',
    ],
    key: args => `ip prefix-list ${args.name} description`,
    apply: (owner: PolicyOwner, args) => describe(owner, AF_INET, args.name, args.text),
    remove: (owner: PolicyOwner, args) => describe(owner, AF_INET, args.name, undefined),
  }),
  config({
    mode: 'configure',
    syntax:
      'ipv6 prefix-list WORD$name [seq (1-4294967295)$seq] <deny|permit>$action <any$any|X:X::X:X/M$prefix [{ge (0-128)$ge|le (0-128)$le}]>',
    help: ['IPv6 information', ...PREFIX_LIST_HELP, 'IPv6 prefix', ...RANGE_HELP],
    key: args => `ipv6 prefix-list ${args.name} ${args.seq ?? ''}`,
    no: ['ipv6 prefix-list WORD$name', 'ipv6 prefix-list WORD$name seq (1-4294967295)$seq'],
    sequence: {
      group: args => `ipv6 prefix-list ${args.name}`,
      of: args => args.seq,
      write: (args, sequence) => prefixListText(AF_INET6, args, sequence),
    },
    check: args => void readEntry(AF_INET6, args, 0),
    apply: (owner: PolicyOwner, args) => applyEntry(owner, AF_INET6, args),
    remove: (owner: PolicyOwner, args) => removeEntry(owner, AF_INET6, args),
  }),
  config({
    mode: 'configure',
    syntax: 'ipv6 prefix-list WORD$name description LINE...$text',
    help: [
      'IPv6 information',
      'Build a prefix list',
      'Name of a prefix list',
      'Prefix-list specific description',
      'Description',
    ],
    key: args => `ipv6 prefix-list ${args.name} description`,
    apply: (owner: PolicyOwner, args) => describe(owner, AF_INET6, args.name, args.text),
    remove: (owner: PolicyOwner, args) => describe(owner, AF_INET6, args.name, undefined),
  }),
  ...showPrefixLists('ip', AF_INET),
  ...showPrefixLists('ipv6', AF_INET6),
];
