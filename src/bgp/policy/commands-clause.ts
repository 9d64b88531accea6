// A route map's match and set lines are a table: a line's syntax, its help, and what it means as a value. The words
// before its first variable say what it looks at or changes; a later line with the same words replaces it.
import { type Args, type Command, type CommandArgs, config, fixedWords } from '../../vty/index.ts';
import type { PolicyOwner } from './library.ts';
import type { Clause, RouteMap } from './route-map.ts';

export function clauseOf(owner: PolicyOwner, context: readonly CommandArgs[]): { map: RouteMap; clause: Clause } {
  const { name, action, sequence } = context[0] as { name: string; action: string; sequence: number };
  const map = owner.policy.needRouteMap(name);
  return { map, clause: map.clause(sequence, action === 'permit') };
}

export interface ClauseLineOptions {
  /** Lines with the same key replace each other; by default the words before the first variable. */
  readonly key?: string;
  /** Shorter forms after `no`. */
  readonly no?: readonly string[];
  /** It is written as it is shown, not as it was typed. */
  readonly canonical?: boolean;
}

/** A line that stands in one of a clause's two maps. */
export function clauseLine<const Syntax extends string, Line extends { readonly text: string }>(
  lines: (clause: Clause) => Map<string, Line>,
  syntax: Syntax,
  help: readonly string[],
  make: (args: Args<Syntax>) => Line,
  options: ClauseLineOptions = {},
): Command<PolicyOwner> {
  const key = options.key ?? fixedWords(syntax);
  const words = fixedWords(syntax).replace(/^\S+ /, '');
  return config({
    mode: 'route-map',
    syntax,
    help,
    key: () => key,
    ...(options.no !== undefined && { no: options.no }),
    ...(options.canonical === true && { writes: (args: Args<Syntax>) => [`${fixedWords(syntax)} ${make(args).text}`] }),
    check: args => void make(args),
    apply(owner: PolicyOwner, args, context) {
      const { map, clause } = clauseOf(owner, context);
      const line = make(args);
      lines(clause).set(key, { ...line, text: `${words}${line.text === '' ? '' : ` ${line.text}`}` });
      owner.policy.touch('route-map', map.name);
    },
    remove(owner: PolicyOwner, _, context) {
      const { map, clause } = clauseOf(owner, context);
      lines(clause).delete(key);
      owner.policy.touch('route-map', map.name);
    },
  });
}

export const ORIGINS: readonly string[] = ['igp', 'egp', 'incomplete'];
