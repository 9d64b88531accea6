// Access lists: their lines, and what shows them.
import { AF_INET, AF_INET6, type Family, formatIp4, formatPrefix, parsePrefix } from '../../net/index.ts';
import { type Command, CommandError, config, exec } from '../../vty/index.ts';
import {
  type AccessList,
  type AccessListEntry,
  type AccessRule,
  accessListType,
  formatAccessListEntry,
  formatAccessRule,
  type Wildcard,
} from './access-list.ts';
import { IP, IP6, LIST_HELP, readIp4, selected } from './commands-list.ts';
import type { PolicyOwner } from './library.ts';

interface AccessListArgs {
  readonly name: string;
  readonly seq?: number;
  readonly action: 'deny' | 'permit';
}

const ANY = 0xffffffff;

/** What the wildcard leaves of the address: its other bits mean nothing. */
function wildcardOf(address: string | undefined, wildcard: string | undefined): Wildcard {
  if (address === undefined) return { address: 0, wildcard: ANY };
  return { address: readIp4(address), wildcard: wildcard === undefined ? 0 : readIp4(wildcard) };
}

interface PrefixArgs {
  readonly prefix?: string;
  readonly 'exact-match'?: boolean;
}

function prefixRule(args: PrefixArgs): AccessRule {
  if (args.prefix === undefined) return { kind: 'any' };
  const prefix = parsePrefix(args.prefix);
  if (prefix === undefined) throw new CommandError(`% Malformed prefix: ${args.prefix}`);
  return { kind: 'prefix', prefix, exact: args['exact-match'] === true };
}

function wordOf(family: Family): string {
  return family === AF_INET ? 'access-list' : 'ipv6 access-list';
}

const NAMED = ['Add an access list entry', 'Access list name'];

/** A line of a list; what its words say is a rule. */
function ruleLine<const Syntax extends string>(
  family: Family,
  syntax: Syntax,
  help: readonly string[],
  read: (args: never) => AccessRule,
): Command<PolicyOwner> {
  const as = (args: unknown): AccessListArgs => args as AccessListArgs;
  const entryOf = (args: unknown, sequence: number): AccessListEntry => ({
    sequence,
    permit: as(args).action === 'permit',
    rule: read(args as never),
  });
  const own = wordOf(family);
  return config({
    mode: 'configure',
    syntax: `${own} WORD$name [seq (1-4294967295)$seq] <deny|permit>$action ${syntax}`,
    help: [...(family === AF_INET ? [] : [IP6]), ...NAMED, ...LIST_HELP, ...help],
    key: args => `${own} ${as(args).name} ${as(args).seq ?? ''}`,
    no: [`${own} WORD$name`],
    sequence: {
      group: args => `${own} ${as(args).name}`,
      of: args => as(args).seq,
      write: (args, sequence) => `${own} ${as(args).name} ${formatAccessListEntry(entryOf(args, sequence))}`,
    },
    check: args => void entryOf(args, 0),
    apply(owner: PolicyOwner, args) {
      const list = owner.policy.needAccessList(family, as(args).name);
      list.set(entryOf(args, as(args).seq ?? list.nextSequence()));
      owner.policy.touch('access-list', list.name);
    },
    remove(owner: PolicyOwner, args) {
      const list = owner.policy.accessList(family, as(args).name);
      if (list === undefined) return;
      const { permit, rule } = entryOf(args, 0);
      const text = formatAccessRule(rule);
      const same = list.entries.find(entry => entry.permit === permit && formatAccessRule(entry.rule) === text);
      list.remove(as(args).seq ?? same?.sequence ?? -1);
      dropEmpty(owner, list);
      owner.policy.touch('access-list', list.name);
    },
  });
}

function dropEmpty(owner: PolicyOwner, list: AccessList): void {
  if (list.entries.length === 0 && list.remark === undefined) owner.policy.accessLists(list.family).delete(list.name);
}

function remarkLine(family: Family): Command<PolicyOwner> {
  const own = wordOf(family);
  const remark = (owner: PolicyOwner, name: string, text: string | undefined): void => {
    const list = owner.policy.needAccessList(family, name);
    list.remark = text;
    dropEmpty(owner, list);
  };
  return config({
    mode: 'configure',
    syntax: `${own} WORD$name remark LINE...$text` as 'access-list WORD$name remark LINE...$text',
    help: [...(family === AF_INET ? [] : [IP6]), ...NAMED, 'Access list entry comment', 'Comment up to 100 characters'],
    key: args => `${own} ${args.name} remark`,
    sequence: { group: args => `${own} ${args.name}`, of: () => 0 },
    apply: (owner: PolicyOwner, args) => remark(owner, args.name, args.text),
    remove: (owner: PolicyOwner, args) => remark(owner, args.name, undefined),
  });
}

function listText(list: AccessList): string {
  const type = accessListType(list);
  const title = list.family === AF_INET ? `${type} IP access list` : `${type} IPv6  access list`;
  const entries = list.entries.map(
    ({ sequence, permit, rule }) =>
      `    seq ${sequence} ${permit ? 'permit' : 'deny  '} ${formatAccessRule(rule, ', wildcard bits ')}\n`,
  );
  return `${title} ${list.name}\n${entries.join('')}`;
}

function ruleJson(rule: AccessRule, family: Family): object {
  switch (rule.kind) {
    case 'any':
      return { prefix: family === AF_INET ? '0.0.0.0/0' : '::/0', 'exact-match': false };
    case 'prefix':
      return { prefix: formatPrefix(rule.prefix), 'exact-match': rule.exact };
    case 'standard':
      return { address: formatIp4(rule.source.address), mask: formatIp4(rule.source.wildcard) };
    case 'extended':
      return {
        extended: true,
        sourceAddress: formatIp4(rule.source.address),
        sourceMask: formatIp4(rule.source.wildcard),
        destinationAddress: formatIp4(rule.mask.address),
        destinationMask: formatIp4(rule.mask.wildcard),
      };
  }
}

function listJson(list: AccessList): object {
  return {
    type: accessListType(list),
    addressFamily: list.family === AF_INET ? 'IPv4' : 'IPv6',
    rules: list.entries.map(({ sequence, permit, rule }) => ({
      sequenceNumber: sequence,
      filterType: permit ? 'permit' : 'deny',
      ...ruleJson(rule, list.family),
    })),
  };
}

function showLists(own: 'ip' | 'ipv6', family: Family): Command<PolicyOwner> {
  return exec({
    syntax: `show ${own} access-list [WORD$name] [json]` as 'show ip access-list [WORD$name] [json]',
    help: [
      'Show running system information',
      family === AF_INET ? IP : IP6,
      'List IP access lists',
      'Access list name',
      'JavaScript Object Notation',
    ],
    run(owner: PolicyOwner, args) {
      const lists = selected(owner.policy.accessLists(family), args.name);
      if (args.json === true) return { BGP: Object.fromEntries(lists.map(list => [list.name, listJson(list)])) };
      return `BGP:\n${lists.map(listText).join('')}`;
    },
  });
}

const HOST = ['A single host address', 'Address to match'];

export const accessListCommands: readonly Command<PolicyOwner>[] = [
  ruleLine(
    AF_INET,
    '<any$any|A.B.C.D/M$prefix [exact-match]|host A.B.C.D$one|A.B.C.D$address [A.B.C.D$wildcard]>',
    ['Match any IPv4', 'Prefix to match', 'Exact match of the prefixes', ...HOST, 'Address to match', 'Wildcard bits'],
    (args: PrefixArgs & Partial<Record<'one' | 'address' | 'wildcard', string>>) => {
      const address = args.one ?? args.address;
      if (address === undefined) return prefixRule(args);
      return { kind: 'standard', source: wildcardOf(address, args.wildcard) };
    },
  ),
  ruleLine(
    AF_INET,
    'ip <any|host A.B.C.D$one|A.B.C.D$address A.B.C.D$wildcard> <any|host A.B.C.D$oneMask|A.B.C.D$mask A.B.C.D$maskWildcard>',
    [
      'Any Internet Protocol',
      'Any source host',
      ...HOST,
      'Source address to match',
      'Source address wildcard bits',
      'Any destination mask',
      'A single mask',
      'Mask to match',
      'Mask to match',
      'Wildcard bits of the mask',
    ],
    (args: Partial<Record<'one' | 'address' | 'wildcard' | 'oneMask' | 'mask' | 'maskWildcard', string>>) => ({
      kind: 'extended',
      source: wildcardOf(args.one ?? args.address, args.wildcard),
      mask: wildcardOf(args.oneMask ?? args.mask, args.maskWildcard),
    }),
  ),
  remarkLine(AF_INET),
  ruleLine(
    AF_INET6,
    '<any$any|X:X::X:X/M$prefix [exact-match]>',
    ['Match any IPv6', 'Prefix to match', 'Exact match of the prefixes'],
    prefixRule,
  ),
  remarkLine(AF_INET6),
  showLists('ip', AF_INET),
  showLists('ipv6', AF_INET6),
];
