// Every interleaving of a graph's commits with its workers, on the real source; and every atomic operation of it left out or made plain is
// found out, as is every step turned round. The rings are proved in test/concurrency/model-checker.test.ts.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { loadModels, type Mutant, operationMutants, swap } from '../concurrency/model/load.ts';
import { type CommitModules, commitScenarios, largeScenarios, WRAP, wrapScenarios } from './model/commits-scenarios.ts';
import { exploreAll, type Found, survivors } from './model/survivors.ts';

const FILE = '../netgraph/worker/commits.ts';

const scale = swap('scale', '#epoch = 0;', `#epoch = ${WRAP};`);
const slow = swap('scale', 'AT_ONCE = 32;', 'AT_ONCE = 1;');

async function check(mutant?: Mutant): Promise<Found> {
  const edits: [string, Mutant['edit']][] = mutant ? [[FILE, mutant.edit]] : [];
  const modules = await loadModels<CommitModules>([FILE], edits);
  const scaled = await loadModels<CommitModules>([FILE], [...edits, [FILE, scale.edit]]);
  const slowed = await loadModels<CommitModules>([FILE], [...edits, [FILE, slow.edit]]);
  return exploreAll(
    [
      ...commitScenarios(modules),
      ...wrapScenarios(scaled),
      ...commitScenarios(slowed).slice(0, 1),
      ...largeScenarios(modules),
    ],
    !mutant,
  );
}

test('commits: every worker does all of them in order, agrees with the others, and sees nothing that was freed', async t => {
  const { states, violation } = await check();
  assert.equal(violation, undefined);
  t.diagnostic(`${states} states`);
});

test('commits: every atomic operation left out or made plain is found out', async () => {
  const mutants = operationMutants(FILE);
  assert.ok(mutants.length >= 10, `${mutants.length} mutants`);
  assert.deepEqual(await survivors(mutants, check), []);
});

test('commits: every step left out or turned round is found out', async () => {
  const before = (name: string, what: string, where: string): Mutant => ({
    name,
    edit(source) {
      const without = swap(name, what, '').edit(source);
      return swap(name, where, what + where).edit(without);
    },
  });
  const mutants = [
    before(
      'the epoch moves before the frames are there',
      '    this.#epoch = (this.#epoch + 1) | 0;\n    store(this.#words, EPOCH, this.#epoch);\n',
      '    for (const ring of this.#rings) {\n      if (!ring) continue;',
    ),
    swap(
      'done before it is done',
      '    for (let left = most;',
      '    store(this.#words, this.#mine, epoch);\n    for (let left = most;',
    ),
    swap(
      'the room is given back for each frame, before it is done',
      '      fn(this.#ring.bytes',
      '      this.#ring.release();\n      fn(this.#ring.bytes',
    ),
    swap('who gets a packet does one commit', 'take(this.#apply, Number.POSITIVE_INFINITY)', 'take(this.#apply, 1)'),
    swap('what is left is said to be done', 'this.#mine, this.#epoch);', 'this.#mine, epoch);'),
    swap('freed at once', 'this.#limbo.count > 0 && ((oldest - this.#limbo.token) | 0) >= 0', 'this.#limbo.count > 0'),
    swap('freed a commit early', '- this.#limbo.token) | 0) >= 0', '- this.#limbo.token) | 0) >= -1'),
    swap('freed a commit late', '- this.#limbo.token) | 0) >= 0', '- this.#limbo.token) | 0) > 0'),
    swap('of the commit before', 'push(this.#epoch,', 'push(this.#epoch - 1,'),
    swap('the fastest is enough', '((applied - oldest) | 0) < 0', '((applied - oldest) | 0) > 0'),
    swap('the last worker is enough', '((applied - oldest) | 0) < 0', 'true'),
    swap('epochs are compared as numbers', '((applied - oldest) | 0) < 0', 'applied < oldest'),
    swap('tokens are compared as numbers', '((oldest - this.#limbo.token) | 0) >= 0', 'oldest >= this.#limbo.token'),
    swap('who is full is left out', 'ring && ring.reserve(frame.length) < 0) return false', 'false) return false'),
    swap('who is gone is waited for', 'return this.#rings[worker] ? load', 'return true ? load'),
    swap('who begins has all', '] = (this.#epoch - 1) | 0;', '] = this.#epoch;'),
    swap('who begins is not there', '    this.#rings[worker] = producer;\n', ''),
    swap('nothing is done between two vectors', 'take(this.#apply, AT_ONCE)', 'take(this.#apply, 0)'),
    swap(
      'who begins goes on with nothing',
      '    this.#qsbr.online();\n    this.catchUp();',
      '    this.#qsbr.online();',
    ),
    swap('nobody is named', '>= ms) found', '> 2 ** 40) found'),
  ];
  assert.deepEqual(await survivors(mutants, check), []);
});
