// Every interleaving of readers and writers of a reclamation domain, on its real source; and every atomic operation of it left
// out, torn or made plain must be found out, as must every step of the algorithm. Not among them are statistics (`Qsbr.stats`, the
// heartbeat's `tally`): nothing depends on them; and the nap of `synchronize`, on a word that nobody else has.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { explore } from './model/engine.ts';
import { loadModels, type Mutant, operationMutants, swap } from './model/load.ts';
import { largeScenarios, qsbrScenarios } from './model/qsbr-scenarios.ts';
import { FILES, type QsbrModules } from './model/qsbr-world.ts';
import { SCALE, wrapScenarios } from './model/qsbr-wrap.ts';

type Change = readonly [file: string, edit: (source: string) => string];

const scale: readonly Change[] = SCALE.map(([file, before, after]) => [file, swap('scale', before, after).edit]);

async function check(mutant?: Change): Promise<{ states: number; found: string | undefined }> {
  const changes = mutant ? [mutant] : [];
  const modules = await loadModels<QsbrModules>(FILES, changes);
  const scaled = await loadModels<QsbrModules>(FILES, [...changes, ...scale]);
  let states = 0;
  for (const scenarios of [qsbrScenarios(modules), wrapScenarios(scaled), largeScenarios(modules)]) {
    for (const scenario of scenarios) {
      const started = performance.now();
      const outcome = explore(scenario, 400_000);
      states += outcome.states;
      if (process.env['MODEL_VERBOSE'] && !mutant) {
        console.log(`  ${scenario.name}: ${outcome.states} states, ${Math.round(performance.now() - started)} ms`);
      }
      if (outcome.violation) return { states, found: `${scenario.name}: ${outcome.violation.message}` };
    }
  }
  return { states, found: undefined };
}

async function survivors(file: string, mutants: readonly Mutant[]): Promise<string[]> {
  const left: string[] = [];
  for (const { name, edit } of mutants) {
    const started = performance.now();
    const { found } = await check([file, edit]);
    if (process.env['MODEL_VERBOSE']) {
      console.log(`${name}: ${found ?? 'SURVIVED'} (${Math.round(performance.now() - started)} ms)`);
    }
    if (found === undefined) left.push(name);
  }
  return left;
}

test('QSBR: no interleaving frees what a reader may still look at, and none waits for ever', async t => {
  const { states, found } = await check();
  assert.equal(found, undefined);
  t.diagnostic(`${states} states`);
});

test('QSBR, readers: every atomic operation left out, torn or made plain is found out', async () => {
  const mutants = operationMutants('qsbr.ts');
  assert.ok(mutants.length >= 15, `${mutants.length} mutants`);
  assert.deepEqual(await survivors('qsbr.ts', mutants), []);
});

test('QSBR, writers: every atomic operation left out, torn or made plain is found out', async () => {
  const mutants = operationMutants('qsbr-writer.ts');
  assert.ok(mutants.length >= 14, `${mutants.length} mutants`);
  assert.deepEqual(await survivors('qsbr-writer.ts', mutants), []);
});

test('QSBR: every step of the algorithm left out or turned round is found out', async () => {
  const steps: Record<string, Mutant[]> = {
    'qsbr-memory.ts': [swap('even tokens', 'shared[TOKEN] = 1;', 'shared[TOKEN] = 0;')],
    'qsbr.ts': [
      swap('one that comes online does not look again', 'if (now === token) {', '{'),
      swap(
        'one that comes online looks again, and keeps the old',
        'token = now;\n',
        'this.#seen = token;\n        return;\n',
      ),
      swap('a dead slot is never taken again', 'state !== FREE && state !== DEAD', 'state !== FREE'),
      swap('a slot is taken from its owner', 'if (state !== FREE && state !== DEAD) throw', 'if (state === 5) throw'),
      swap(
        'a slot that was given back meanwhile is taken for taken',
        'before = found;',
        'throw new Error(`qsbr: slot is taken`);',
      ),
      swap('closed while online', '    this.offline();\n    this.#closed', '    this.#closed'),
      swap('the slot is given back first', '    this.offline();\n    this.#closed = true;', '    this.#closed = true;'),
      swap('generations stay', '+ GENERATION) | TAKEN', ') | TAKEN'),
    ],
    'qsbr-writer.ts': [
      swap('freed at once', ' && this.passed(this.#limbo.token)', ''),
      swap('the period is opened too early', ' + STEP) | 0;', ') | 0;'),
      swap('tokens are compared as numbers', '(((seen - oldest) | 0) < 0) oldest', '(seen < oldest) oldest'),
      swap('what is online counts as offline', 'seen === 0 || ((seen', 'seen !== 0 || ((seen'),
      swap('the last slot is not looked at', 'slot < this.#slots; slot++, at', 'slot < this.#slots - 1; slot++, at'),
      swap(
        'one reader is enough',
        '(((seen - oldest) | 0) < 0) oldest',
        '(((seen - oldest) | 0) < 0) this.#acknowledged',
      ),
      swap('what is remembered is never too old', '>= 2 ** 30) this', '> 2 ** 32) this'),
      swap(
        'what is a whole round old is new',
        '- this.#acknowledged - 1) >>> 0 >= 2',
        '- this.#acknowledged) >>> 0 >= 2',
      ),
      swap('no end of open periods', '>= WINDOW) {\n        throw', '> 2 ** 32) {\n        throw'),
      swap('dead is whoever has the slot', 'generation !== undefined && before >>> 2 !== generation', 'false'),
      swap('a slot is free before it is offline', 'mine | LEAVING) !== before', 'mine | DEAD) !== before'),
    ],
    'epoch-guard.ts': [
      swap(
        'the inner look ends the outer',
        'this.#depth--;\n    if (this.#depth === 0) this',
        'this.#depth--;\n    this',
      ),
      swap(
        'the inner look is the only one',
        'if (this.#depth === 0) this.#reader.online();',
        'if (this.#depth === 1) this.#reader.online();',
      ),
      swap('a guard never lets go', 'if (this.#depth === 0) this.#reader.offline();', ''),
    ],
  };
  for (const [file, mutants] of Object.entries(steps)) assert.deepEqual(await survivors(file, mutants), []);
});
