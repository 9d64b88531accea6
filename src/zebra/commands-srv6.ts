// SRv6: the lines of `segment-routing`, and what is shown of them.
import { formatPrefix, parseAddress } from '../net/index.ts';
import { type Command, type CommandArgs, CommandError, config, exec, type Mode } from '../vty/index.ts';
import { JSON_HELP, readPrefix, SHOW } from './commands-lib.ts';
import {
  locatorDetailJson,
  locatorsJson,
  managerJson,
  showLocatorDetail,
  showLocators,
  showManager,
  showSids,
  sidsJson,
} from './show/srv6.ts';
import type { LocatorFormat } from './srv6/locators.ts';
import type { Zebra } from './zebra.ts';

const SR = 'Segment Routing';
const SRV6 = 'Segment Routing over IPv6';
const LOCATOR = 'Locator Information';

/** What FRR takes where the line does not say; the node is what is left of a shorter prefix. */
const NODE_BITS = 24;
const FUNCTION_BITS = 16;
const SID_BITS = 128;

interface PrefixArgs {
  readonly prefix: string;
  readonly block?: number | undefined;
  readonly node?: number | undefined;
  readonly function?: number | undefined;
}

/** The format of a `prefix` line. Throws where its lengths are not those of a SID. */
function formatOf(args: PrefixArgs): LocatorFormat {
  const prefix = readPrefix(args.prefix);
  const { length } = prefix;
  const nodeBits = args.node ?? (args.block === undefined ? Math.min(NODE_BITS, length) : length - args.block);
  const blockBits = args.block ?? length - nodeBits;
  if (blockBits < 0 || nodeBits < 0 || blockBits + nodeBits !== length) {
    const said = [
      ...(args.block === undefined ? [] : [`block-len ${args.block}`]),
      ...(args.node === undefined ? [] : [`node-len ${args.node}`]),
    ].join(' and ');
    throw new CommandError(`% ${said}: together they must be the ${length} bits of ${args.prefix}`);
  }
  const functionBits = args.function ?? Math.min(FUNCTION_BITS, SID_BITS - length);
  if (length + functionBits > SID_BITS) {
    throw new CommandError(
      `% func-bits ${functionBits}: with the ${length} bits of ${args.prefix} a SID would be longer than ${SID_BITS} bits`,
    );
  }
  return { prefix, blockBits, nodeBits, functionBits };
}

function nameOf(context: readonly CommandArgs[]): string {
  return context.at(-1)?.['name'] as string;
}

function setPrefix(zebra: Zebra, name: string, args: PrefixArgs): void {
  const format = formatOf(args);
  const rival = zebra.locators.rival(name, format.prefix);
  if (rival !== undefined) {
    const theirs = `${formatPrefix(rival.prefix)} of locator ${rival.name}`;
    throw new CommandError(`% ${args.prefix} of locator ${name} and ${theirs} overlap`);
  }
  zebra.locators.setFormat(name, format);
}

/** `prefix X:X::X:X/M` in the order in which FRR writes the lengths. */
function written({ prefix, block, node, function: bits }: PrefixArgs): string {
  const part = (word: string, value: number | undefined): string => (value === undefined ? '' : ` ${word} ${value}`);
  return `prefix ${prefix}${part('block-len', block)}${part('node-len', node)}${part('func-bits', bits)}`;
}

export const srv6Modes: readonly Mode[] = [
  { name: 'segment-routing', prompt: '(config-sr)', parent: 'configure', closed: true },
  { name: 'srv6', prompt: '(config-srv6)', parent: 'segment-routing', closed: true },
  { name: 'srv6-locators', prompt: '(config-srv6-locators)', parent: 'srv6', closed: true },
  { name: 'srv6-locator', prompt: '(config-srv6-locator)', parent: 'srv6-locators', closed: true },
  { name: 'srv6-encapsulation', prompt: '(config-srv6-encap)', parent: 'srv6', closed: true },
];

export const srv6Commands: readonly Command<Zebra>[] = [
  config({
    mode: 'configure',
    syntax: 'segment-routing',
    help: [SR],
    opens: 'segment-routing',
    apply: () => {},
    // What is inside of a block at the top goes with it.
    remove: (zebra: Zebra) => {
      zebra.locators.removeAll();
      zebra.setSrv6Source(undefined);
    },
  }),
  config({ mode: 'segment-routing', syntax: 'srv6', help: [SRV6], opens: 'srv6', apply: () => {}, remove: () => {} }),
  config({
    mode: 'srv6',
    syntax: 'locators',
    help: ['Prefixes that SIDs are made from'],
    opens: 'srv6-locators',
    apply: () => {},
    remove: () => {},
  }),
  config({
    mode: 'srv6-locators',
    syntax: 'locator WORD$name',
    help: ['A locator', 'Its name'],
    opens: 'srv6-locator',
    apply: () => {},
    remove: (zebra: Zebra, args) => zebra.locators.remove(args.name),
  }),
  config({
    mode: 'srv6-locator',
    syntax: 'prefix X:X::X:X/M$prefix [{block-len (16-64)$block|node-len (16-64)$node|func-bits (0-64)$function}]',
    help: [
      'What SIDs of the locator begin with',
      'IPv6 prefix',
      'Length of the block of all SIDs of the network',
      'Bits',
      "Length of this router's number in it",
      'Bits',
      "Length of a function's number",
      'Bits',
    ],
    key: () => 'prefix',
    writes: args => [written(args)],
    check: args => void formatOf(args),
    apply: (zebra: Zebra, args, context) => setPrefix(zebra, nameOf(context), args),
    remove: (zebra: Zebra, _args, context) => zebra.locators.setFormat(nameOf(context), undefined),
  }),
  config({
    mode: 'srv6-locator',
    syntax: 'behavior usid',
    help: ['Behaviours of its SIDs', 'Those of micro SIDs'],
    apply: (zebra: Zebra, _args, context) => zebra.locators.setUsid(nameOf(context), true),
    remove: (zebra: Zebra, _args, context) => zebra.locators.setUsid(nameOf(context), false),
  }),
  config({
    mode: 'srv6',
    syntax: 'encapsulation',
    help: ['Packets that are encapsulated'],
    opens: 'srv6-encapsulation',
    apply: () => {},
    remove: () => {},
  }),
  config({
    mode: 'srv6-encapsulation',
    syntax: 'source-address X:X::X:X$address',
    help: ['Where they come from', 'IPv6 address'],
    key: () => 'source-address',
    apply: (zebra: Zebra, args) => {
      if (zebra.plane.srv6Source === undefined)
        throw new CommandError('% The dataplane cannot set the source of SRv6 packets');
      zebra.setSrv6Source(parseAddress(args.address)!.words);
    },
    remove: (zebra: Zebra) => zebra.setSrv6Source(undefined),
  }),
  exec({
    syntax: 'show segment-routing srv6 locator [json]',
    help: [SHOW, SR, SRV6, LOCATOR, JSON_HELP],
    run: (zebra: Zebra, args) => (args.json === undefined ? showLocators(zebra) : locatorsJson(zebra)),
  }),
  exec({
    syntax: 'show segment-routing srv6 locator WORD$name detail [json]',
    help: [SHOW, SR, SRV6, LOCATOR, 'Locator Name', 'Detailed information', JSON_HELP],
    run: (zebra: Zebra, args) => {
      const one = zebra.locators.get(args.name);
      if (args.json !== undefined) return one === undefined ? {} : locatorDetailJson(zebra, one);
      return one === undefined ? '' : showLocatorDetail(zebra, one);
    },
  }),
  exec({
    syntax: 'show segment-routing srv6 manager [json]',
    help: [SHOW, SR, SRV6, 'What is configured', JSON_HELP],
    run: (zebra: Zebra, args) => (args.json === undefined ? showManager(zebra) : managerJson(zebra)),
  }),
  exec({
    syntax: 'show segment-routing srv6 [locator WORD$name] sid [X:X::X:X$sid] [json]',
    help: [SHOW, SR, SRV6, LOCATOR, 'Locator Name', 'Local SIDs', 'One of them', JSON_HELP],
    run: (zebra: Zebra, args) => {
      const sid = args.sid === undefined ? undefined : parseAddress(args.sid)!.words;
      const which = { locator: args.name, sid };
      return args.json === undefined ? showSids(zebra, which) : sidsJson(zebra, which);
    },
  }),
];
