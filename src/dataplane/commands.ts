// The dataplane's commands; they run in its thread. What FRR has under `show zebra dplane` is there as `show dplane`, too.
import { type Command, CommandError, type CommandSet, commandSet, config, exec } from '../vty/index.ts';
import type { Dataplane } from './dataplane.ts';
import type { ProviderPriority } from './provider.ts';
import { captureCommands } from './provider/capture/commands.ts';
import { fpmCommands } from './provider/fpm/commands.ts';
import { dataplaneJson, poolJson, providersJson, showDataplane, showPool, showProviders } from './show.ts';

const HELP = {
  show: 'Show running system information',
  zebra: 'Zebra information',
  dplane: 'Dataplane information',
  providers: 'Dataplane providers',
  pool: 'Pools of contexts',
  detailed: 'Detailed output',
  json: 'JavaScript Object Notation',
} as const;

const shows: readonly Command<Dataplane>[] = [
  exec({
    syntax: 'show zebra dplane [detailed$detailed] [json$json]',
    help: [HELP.show, HELP.zebra, HELP.dplane, HELP.detailed, HELP.json],
    run: (dataplane: Dataplane, { detailed, json }) =>
      json ? dataplaneJson(dataplane, Boolean(detailed)) : showDataplane(dataplane, Boolean(detailed)),
  }),
  exec({
    syntax: 'show zebra dplane providers [detailed$detailed] [json$json]',
    help: [HELP.show, HELP.zebra, HELP.dplane, HELP.providers, HELP.detailed, HELP.json],
    run: (dataplane: Dataplane, { detailed, json }) =>
      json ? providersJson(dataplane, Boolean(detailed)) : showProviders(dataplane, Boolean(detailed)),
  }),
  exec({
    syntax: 'show zebra dplane pool [json$json]',
    help: [HELP.show, HELP.zebra, HELP.dplane, HELP.pool, HELP.json],
    run: (dataplane: Dataplane, { json }) => (json ? poolJson(dataplane) : showPool(dataplane)),
  }),
];

/** The same without the word `zebra`. */
function short(command: Command<Dataplane>): Command<Dataplane> {
  return {
    ...command,
    syntax: command.syntax.replace('show zebra dplane', 'show dplane'),
    help: command.help.filter(text => text !== HELP.zebra),
  };
}

const PROVIDER_HELP = ['Dataplane', 'A provider', 'Its name'] as const;

const others: readonly Command<Dataplane>[] = [
  config({
    mode: 'configure',
    syntax:
      'dplane provider WORD$name module WORD$module priority <pre-kernel|kernel|post-kernel|last>$priority [{threaded$threaded|follower$follower|undo$undo|timeout (1-3600)$timeout|slots (16-65536)$slots}]',
    help: [
      ...PROVIDER_HELP,
      'Where it is',
      'Path of a module whose default export makes it',
      'Where it stands',
      'Before the kernel',
      'Beside the kernel',
      'After the kernel',
      'After all others',
      'In a thread of its own, where it may wait',
      'Beside the others: it is told what the kernel has, as fast as it takes it',
      'It takes back what it did when a later one fails',
      'Not to answer for so long is to be passed by',
      'Seconds',
      'Contexts with it at most, if threaded',
      'A power of two',
    ],
    key: args => `provider ${args.name}`,
    apply(dataplane: Dataplane, args) {
      if (args.follower !== undefined && args.threaded === undefined)
        throw new CommandError('% A follower is threaded: add `threaded`');
      if (args.slots !== undefined && !Number.isInteger(Math.log2(args.slots)))
        throw new CommandError(`% Not a power of two: ${args.slots}`);
      try {
        dataplane.provide({
          name: args.name,
          module: args.module,
          priority: args.priority as ProviderPriority,
          threaded: args.threaded !== undefined,
          follower: args.follower !== undefined,
          undo: args.undo !== undefined,
          ...(args.timeout === undefined ? {} : { timeoutMs: args.timeout * 1000 }),
          ...(args.slots === undefined ? {} : { slots: args.slots }),
        });
      } catch (error) {
        throw new CommandError(`% Provider ${args.name}: ${error instanceof Error ? error.message : String(error)}`);
      }
    },
    remove: (dataplane: Dataplane, args) => dataplane.withdraw(args.name),
  }),
  exec({
    syntax: 'clear zebra dplane provider WORD$name',
    help: ['Reset functions', HELP.zebra, HELP.dplane, 'Start a provider again', 'Its name'],
    run(dataplane: Dataplane, { name }) {
      const reason = dataplane.pipeline.restart(name);
      if (reason !== undefined) throw new CommandError(`% ${reason}`);
    },
  }),
  config({
    mode: 'configure',
    syntax: 'zebra kernel netlink batch-tx-buf (1-1048576)$size (1-1048576)$threshold',
    help: [
      'Zebra information',
      'Kernel interface',
      'Set Netlink parameters',
      'Batch buffer',
      'Size of the buffer in bytes',
      'A batch is sent when it has so many bytes',
    ],
    key: () => 'batch-tx-buf',
    apply: (dataplane: Dataplane, args) => dataplane.kernel.limitBytes(Math.min(args.size, args.threshold)),
    remove: (dataplane: Dataplane) => dataplane.kernel.limitBytes(undefined),
  }),
  config({
    mode: 'configure',
    syntax: 'debug zebra dplane [detailed$detailed]',
    help: ['Debugging functions', 'Zebra configuration', 'Debug zebra dataplane events', 'Detailed debug information'],
    key: () => 'debug dplane',
    no: ['debug zebra dplane'],
    apply: (dataplane: Dataplane, args) => dataplane.debug(args.detailed === undefined ? 'on' : 'detailed'),
    remove: (dataplane: Dataplane) => dataplane.debug('off'),
  }),
  exec({
    syntax: 'debug zebra dplane [detailed$detailed]',
    help: ['Debugging functions', 'Zebra configuration', 'Debug zebra dataplane events', 'Detailed debug information'],
    run: (dataplane: Dataplane, args) => dataplane.debug(args.detailed === undefined ? 'on' : 'detailed'),
  }),
  exec({
    syntax: 'no debug zebra dplane [detailed]',
    help: [
      'Negate a command',
      'Debugging functions',
      'Zebra configuration',
      'Debug zebra dataplane events',
      'Detailed debug information',
    ],
    run: (dataplane: Dataplane) => dataplane.debug('off'),
  }),
  exec({
    syntax: 'show debugging',
    help: [HELP.show, 'What is being debugged'],
    run: ({ debugging }: Dataplane) =>
      `Zebra debugging status:\n${debugging === 'off' ? '' : `  Zebra ${debugging === 'detailed' ? 'detailed ' : ''}dataplane debugging is on\n`}`,
  }),
];

/** Commands that run in the dataplane thread. */
export const dataplaneCommands: CommandSet<Dataplane> = commandSet<Dataplane>('dplane', [
  ...shows,
  ...shows.map(short),
  ...others,
  ...captureCommands,
  ...fpmCommands,
]);
