// Reading a configuration file. The whole file is read before anything is done with it, and every line that is not
// understood is reported, so that an operator mends them all at once.
import { CommandError } from './error.ts';
import { type Grammar, wordsOf } from './grammar.ts';
import { type Block, ConfigTree } from './tree.ts';

export interface ConfigProblem {
  readonly file: string;
  /** Counted from 1. */
  readonly line: number;
  readonly message: string;
}

export interface LoadedConfig {
  readonly tree: ConfigTree;
  readonly problems: readonly ConfigProblem[];
}

/** Words that end a block. */
const EXITS = new Set(['exit', 'quit', 'exit-address-family', 'exit-vrf', 'exit-vni']);

export function loadConfig(grammar: Grammar, text: string, file: string): LoadedConfig {
  const tree = new ConfigTree(grammar);
  const problems: ConfigProblem[] = [];
  let block: Block = tree.root;
  // A block that could not be opened: its lines are not reported one by one.
  let lost = -1;
  let number = 0;
  for (const raw of text.split('\n')) {
    number++;
    const words = wordsOf(raw);
    const first = words[0];
    if (first === undefined) continue;
    const indent = raw.length - raw.trimStart().length;
    if (lost >= 0) {
      if (indent > lost || EXITS.has(first)) continue;
      lost = -1;
    }
    if (words.length === 1 && EXITS.has(first)) {
      block = block.parent ?? block;
      continue;
    }
    if (words.length === 1 && first === 'end') {
      block = tree.root;
      continue;
    }
    // `configure terminal` begins what `vtysh -f` may be fed with.
    if (words.length <= 2 && first === 'configure') continue;
    const match = grammar.parse(block.mode, words);
    if (!('entry' in match)) {
      problems.push({ file, line: number, message: describe(match, words) });
      if (indent === 0) lost = 0;
      continue;
    }
    if (!match.entry.command.config) {
      problems.push({ file, line: number, message: `not a line of a configuration: '${words.join(' ')}'` });
      continue;
    }
    try {
      const plan = tree.plan(block, match, number);
      for (const step of plan.steps) step.commit();
      if (plan.enter) block = plan.enter();
      else while (block.mode !== match.mode && block.parent) block = block.parent;
    } catch (error) {
      if (!(error instanceof CommandError)) throw error;
      problems.push({ file, line: number, message: error.message.replace(/^% /, '') });
    }
  }
  return { tree, problems };
}

function describe(error: { kind: string; at: number }, words: readonly string[]): string {
  const before = words.slice(0, error.at).join(' ');
  const rest = words.slice(error.at).join(' ');
  if (error.kind === 'incomplete') return `more words are missing after '${before}'`;
  if (error.kind === 'ambiguous') return `ambiguous: '${rest}'${before ? ` after '${before}'` : ''}`;
  return `not understood: '${rest}'${before ? ` after '${before}'` : ''}`;
}
