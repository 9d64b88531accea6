// Route maps: their clauses, where a clause leads to, and what shows them.
import { type Command, type CommandArgs, CommandError, config, exec, formatJson } from '../../vty/index.ts';
import { clauseOf } from './commands-clause.ts';
import { selected } from './commands-list.ts';
import type { PolicyOwner } from './library.ts';
import type { Clause, RouteMap } from './route-map.ts';

function onMatchLine(
  syntax: string,
  help: readonly string[],
  to: (args: CommandArgs) => 'next' | number,
): Command<PolicyOwner> {
  return config({
    mode: 'route-map',
    syntax,
    help,
    key: () => 'on-match',
    writes(args) {
      const target = to(args as CommandArgs);
      return [target === 'next' ? 'on-match next' : `on-match goto ${target}`];
    },
    check(args, context) {
      const target = to(args);
      const here = Number(context[0]?.['sequence']);
      if (typeof target === 'number' && target <= here) {
        throw new CommandError(`% Can't jump backwards: to ${target} from ${here}`);
      }
    },
    apply(owner: PolicyOwner, args, context) {
      const { map, clause } = clauseOf(owner, context);
      clause.onMatch = to(args);
      owner.policy.touch('route-map', map.name);
    },
    remove(owner: PolicyOwner, _, context) {
      const { map, clause } = clauseOf(owner, context);
      clause.onMatch = 'exit';
      owner.policy.touch('route-map', map.name);
    },
  });
}

function action(clause: Clause): string {
  if (clause.onMatch === 'exit') return 'Exit routemap';
  return clause.onMatch === 'next' ? 'Continue to next entry' : `Goto ${clause.onMatch}`;
}

function* routeMapText(maps: readonly RouteMap[]): Generator<string> {
  yield 'BGP:\n';
  for (const map of maps) {
    yield `route-map: ${map.name} Invoked: ${map.invoked} Optimization: enabled Processed Change: false\n`;
    for (const clause of map.clauses) {
      const lines = [` ${clause.permit ? 'permit' : 'deny'}, sequence ${clause.sequence} Invoked ${clause.invoked}`];
      if (clause.description !== undefined) lines.push('  Description:', `    ${clause.description}`);
      lines.push('  Match clauses:', ...[...clause.matches.values()].map(line => `    ${line.text}`));
      lines.push('  Set clauses:', ...[...clause.sets.values()].map(line => `    ${line.text}`));
      lines.push('  Call clause:', ...(clause.call === undefined ? [] : [`    Call ${clause.call}`]));
      lines.push('  Action:', `    ${action(clause)}`);
      yield `${lines.join('\n')}\n`;
    }
  }
}

function routeMapJson(map: RouteMap): object {
  return {
    invoked: map.invoked,
    disabledOptimization: false,
    processedChange: false,
    rules: map.clauses.map(clause => ({
      sequenceNumber: clause.sequence,
      type: clause.permit ? 'permit' : 'deny',
      invoked: clause.invoked,
      ...(clause.description === undefined ? {} : { description: clause.description }),
      matchClauses: [...clause.matches.values()].map(line => line.text),
      setClauses: [...clause.sets.values()].map(line => line.text),
      ...(clause.call === undefined ? {} : { callClause: clause.call }),
      action: action(clause),
    })),
  };
}

export const routeMapCommands: readonly Command<PolicyOwner>[] = [
  config({
    mode: 'configure',
    syntax: 'route-map WORD$name <deny|permit>$action (1-65535)$sequence',
    help: [
      'Create route-map or enter route-map command mode',
      'Route map tag',
      'Route map denies set operations',
      'Route map permits set operations',
      'Sequence to insert to/delete from existing route-map entry',
    ],
    opens: 'route-map',
    key: args => `route-map ${args.name} ${args.sequence}`,
    no: ['route-map WORD$name'],
    sequence: { group: args => `route-map ${args.name}`, of: args => args.sequence },
    apply(owner: PolicyOwner, args) {
      clauseOf(owner, [args as CommandArgs]);
      owner.policy.touch('route-map', args.name);
    },
    remove(owner: PolicyOwner, args) {
      const map = owner.policy.routeMap(args.name);
      map?.remove(args.sequence);
      if (map?.clauses.length === 0) owner.policy.routeMaps.delete(args.name);
      owner.policy.touch('route-map', args.name);
    },
  }),
  config({
    mode: 'route-map',
    syntax: 'description LINE...$text',
    help: ['Route-map comment', 'Comment describing this route-map rule'],
    key: () => 'description',
    apply(owner: PolicyOwner, args, context) {
      clauseOf(owner, context).clause.description = args.text;
    },
    remove(owner: PolicyOwner, _, context) {
      clauseOf(owner, context).clause.description = undefined;
    },
  }),
  config({
    mode: 'route-map',
    syntax: 'call WORD$name',
    help: ['Jump to another Route-Map after match+set', 'Target route-map name'],
    key: () => 'call',
    apply(owner: PolicyOwner, args, context) {
      const { map, clause } = clauseOf(owner, context);
      clause.call = args.name;
      owner.policy.touch('route-map', map.name);
    },
    remove(owner: PolicyOwner, _, context) {
      const { map, clause } = clauseOf(owner, context);
      clause.call = undefined;
      owner.policy.touch('route-map', map.name);
    },
  }),
  onMatchLine('on-match next', ['Exit policy on matches', 'Next clause'], () => 'next'),
  onMatchLine(
    'on-match goto (1-65535)$sequence',
    ['Exit policy on matches', 'Goto Clause number', 'Number'],
    args => (args as { sequence: number }).sequence,
  ),
  onMatchLine(
    'continue [(1-65535)$sequence]',
    ['Continue on a different entry within the route-map', 'Route-map entry sequence number'],
    args => (args as { sequence?: number }).sequence ?? 'next',
  ),
  exec({
    syntax: 'clear route-map counters [WORD$name]',
    help: ['Reset functions', 'Route-map information', 'Counters', 'Route-map name'],
    run(owner: PolicyOwner, args) {
      for (const map of selected(owner.policy.routeMaps, args.name)) {
        map.invoked = 0;
        for (const clause of map.clauses) clause.invoked = 0;
      }
      return undefined;
    },
  }),
  exec({
    syntax: 'show route-map [WORD$name] [json]',
    help: ['Show running system information', 'route-map information', 'route-map name', 'JavaScript Object Notation'],
    run(owner: PolicyOwner, args) {
      const maps = selected(owner.policy.routeMaps, args.name);
      if (args.json === true) {
        return formatJson({ BGP: Object.fromEntries(maps.map(map => [map.name, routeMapJson(map)])) });
      }
      if (args.name !== undefined && maps.length === 0) return `BGP:\nBGP: 'route-map ${args.name}' not found\n`;
      return routeMapText(maps);
    },
  }),
];
