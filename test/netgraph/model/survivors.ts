// Mutants of a file against the scenarios of its structure.
import { explore, type Scenario } from '../../concurrency/model/engine.ts';
import type { Mutant } from '../../concurrency/model/load.ts';

export interface Found {
  readonly states: number;
  readonly violation: string | undefined;
}

/** What it took to explore each scenario on the source as it is. */
const sizes = new Map<string, number>();

/** Explores scenarios; those of a mutant from the smallest on, for most are found out by any of them. */
export function exploreAll(scenarios: Iterable<Scenario>, verbose = false): Found {
  let states = 0;
  const size = ({ name }: Scenario): number => sizes.get(name) ?? 0;
  const order = verbose ? scenarios : [...scenarios].toSorted((a, b) => size(a) - size(b));
  for (const scenario of order) {
    const started = performance.now();
    const outcome = explore(scenario, 600_000);
    states += outcome.states;
    if (verbose) sizes.set(scenario.name, outcome.states);
    if (verbose && process.env['MODEL_VERBOSE']) {
      console.log(`  ${scenario.name}: ${outcome.states} states, ${Math.round(performance.now() - started)} ms`);
    }
    if (outcome.violation) return { states, violation: `${scenario.name}: ${outcome.violation.message}` };
  }
  return { states, violation: undefined };
}

/** Names of the mutants that nothing finds. */
export async function survivors(
  mutants: readonly Mutant[],
  check: (mutant: Mutant) => Promise<Found>,
): Promise<string[]> {
  const left: string[] = [];
  for (const mutant of mutants) {
    const started = performance.now();
    const { violation } = await check(mutant);
    if (process.env['MODEL_VERBOSE']) {
      console.log(`${mutant.name}: ${violation ?? 'SURVIVED'} (${Math.round(performance.now() - started)} ms)`);
    }
    if (violation === undefined) left.push(mutant.name);
  }
  return left;
}
