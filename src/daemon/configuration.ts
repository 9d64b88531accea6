// The running configuration, kept in step with the threads that live by it.
//
// A change is planned on the tree, sent to the owners of its lines, and stored line by line as they agree; so the tree
// holds exactly what is in force, and a thread that starts anew is told all of it again. Changes wait for each other,
// because a plan is only right for the tree that it was made on.
import {
  type Block,
  type CommandReply,
  CommandError,
  type ConfigProblem,
  ConfigTree,
  type ConfigResult,
  type Grammar,
  loadConfig,
  type Match,
  type Step,
} from '../vty/index.ts';

/** Whoever answers command requests: a thread (concurrency's Thread), or main itself. */
export interface Owner {
  request(message: unknown): Promise<unknown>;
}

/** Actions in one message. A configuration of fifty thousand lines must not become one structured clone. */
const BATCH = 1000;

export interface ChangeOutcome {
  readonly errors: readonly { readonly step: Step; readonly message: string }[];
  readonly warnings: readonly string[];
}

export class RunningConfiguration {
  readonly grammar: Grammar;
  readonly tree: ConfigTree;
  /** Called after lines of one owner were put into force or taken back, before the next owner hears of its own. */
  onChange: () => void = () => {};
  readonly #owner: (name: string) => Owner | undefined;
  #last: Promise<unknown> = Promise.resolve();

  /** `owner` finds who owns a line by the name of its command set; undefined while that thread is not running. */
  constructor(grammar: Grammar, owner: (name: string) => Owner | undefined) {
    this.grammar = grammar;
    this.tree = new ConfigTree(grammar);
    this.#owner = owner;
  }

  /** Puts a typed line into force. Gives the block that the session is in afterwards. */
  enter(at: Block, match: Match): Promise<ChangeOutcome & { readonly block: Block }> {
    return this.#inTurn(async () => {
      const plan = this.tree.plan(at, match);
      const outcome = await this.#apply(plan.steps);
      let block = at;
      if (outcome.errors.length === 0) {
        if (plan.enter) block = plan.enter();
        else while (block.mode !== match.mode && block.parent) block = block.parent;
      }
      return { ...outcome, block };
    });
  }

  /**
   * Makes the configuration what a file says. Nothing is done where a line of it is not understood; lines that their owner
   * refuses are reported and left out. An owner that is not there now is told when it starts again.
   */
  load(text: string, file: string): Promise<ConfigProblem[]> {
    return this.#inTurn(async () => {
      const { tree, problems } = loadConfig(this.grammar, text, file);
      if (problems.length > 0) return [...problems];
      const { errors } = await this.#apply(tree.stepsFrom(this.tree), true);
      return errors.map(({ step, message }) => ({ file, line: step.source, message: message.replace(/^% /, '') }));
    });
  }

  /** Tells a thread that started anew everything that it owns. Gives what it refused. */
  replay(name: string): Promise<string[]> {
    return this.#inTurn(async () => {
      const owner = this.#owner(name);
      if (!owner) return [`% ${name} is not running`];
      const actions = this.tree.actionsOf(name);
      const refused: string[] = [];
      for (let at = 0; at < actions.length; at += BATCH) {
        const results = resultsOf(await owner.request({ vty: 'config', actions: actions.slice(at, at + BATCH) }));
        for (const { error } of results) if (error !== undefined) refused.push(error);
      }
      return refused;
    });
  }

  /** `patient`: an owner that is not there, or dies before it answers, is told by `replay` when it starts again. */
  async #apply(steps: readonly Step[], patient = false): Promise<ChangeOutcome> {
    const errors: { step: Step; message: string }[] = [];
    const warnings: string[] = [];
    for (let at = 0; at < steps.length; ) {
      // Neighbouring steps of one owner travel together; the order of all steps is kept.
      const name = (steps[at] as Step).owner;
      let end = at + 1;
      while (end < steps.length && end - at < BATCH && steps[end]?.owner === name) end++;
      const batch = steps.slice(at, end);
      at = end;
      let results: readonly ConfigResult[];
      try {
        const owner = this.#owner(name);
        if (!owner) throw new CommandError(`% ${name} is not running`);
        results = resultsOf(await owner.request({ vty: 'config', actions: batch.map(step => step.action) }));
      } catch (error) {
        if (patient) {
          for (const step of batch) step.commit();
          continue;
        }
        const message = error instanceof CommandError ? error.message : `% ${name} did not answer: ${String(error)}`;
        for (const step of batch) errors.push({ step, message });
        continue;
      }
      batch.forEach((step, index) => {
        const { error, warning } = results[index] ?? { error: `% ${name} gave no answer` };
        if (error !== undefined) errors.push({ step, message: error });
        else step.commit();
        if (warning !== undefined) warnings.push(warning);
      });
      this.onChange();
    }
    return { errors, warnings };
  }

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const mine = this.#last.then(work);
    this.#last = mine.catch(() => {});
    return mine;
  }
}

function resultsOf(reply: unknown): readonly ConfigResult[] {
  const { results, error } = reply as Partial<{ results: readonly ConfigResult[]; error: string }> & CommandReply;
  if (!results) throw new Error(error ?? 'not an answer to a configuration request');
  return results;
}
