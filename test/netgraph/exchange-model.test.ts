// Every interleaving of what workers share besides commits, on the real source: counters that are read while they are written, and slots
// that go from worker to worker; with a worker that dies at every single moment.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { loadModels, type Mutant, operationMutants, swap } from '../concurrency/model/load.ts';
import { type CountsModules, countsScenarios } from './model/counts-scenarios.ts';
import { type ExchangeModules, exchangeScenarios } from './model/exchange-scenarios.ts';
import { exploreAll, type Found, survivors } from './model/survivors.ts';

const COUNTS = '../netgraph/worker/counts.ts';
const EXCHANGE = '../netgraph/worker/exchange.ts';

/** A reader that looks a thousand times is as good as one that looks twice. */
const scale = swap('scale', 'attempt < 1000', 'attempt < 2');

async function checkCounts(mutant?: Mutant): Promise<Found> {
  const edits: [string, Mutant['edit']][] = mutant ? [[COUNTS, mutant.edit]] : [];
  const modules = await loadModels<CountsModules>([COUNTS], [...edits, [COUNTS, scale.edit]]);
  return exploreAll(countsScenarios(modules), !mutant);
}

async function checkExchange(mutant?: Mutant): Promise<Found> {
  const modules = await loadModels<ExchangeModules>([EXCHANGE], mutant ? [[EXCHANGE, mutant.edit]] : []);
  return exploreAll(exchangeScenarios(modules), !mutant);
}

test('counters: a reader sees those of one moment, and those of a worker that died go on', async t => {
  const { states, violation } = await checkCounts();
  assert.equal(violation, undefined);
  t.diagnostic(`${states} states`);
});

test('counters: every atomic operation left out or made plain is found out, and every step', async () => {
  const mutants = operationMutants(COUNTS);
  assert.ok(mutants.length >= 18, `${mutants.length} mutants`);
  const steps = [
    swap('an odd version is read', 'if (version & 1) continue;', ''),
    swap('nobody looks at the version again', 'if (load(view, 0) !== version) continue;', ''),
    swap('the version is not closed', 'if (open) store(words, at', 'if (false) store(words, at'),
    swap('the version is not opened', 'store(words, at, (this.#version = (this.#version + 1) | 0));\n      }', '}'),
    swap('high words stay', 'if (high !== Math.floor(before / 2 ** 32)) store', 'if (false) store'),
    swap('a successor begins at nothing', 'this.values[i] = (words[', 'this.values[i] = 0 * (words['),
  ];
  assert.deepEqual(await survivors([...mutants, ...steps], checkCounts), []);
});

test('slots: each is in one place at any moment, whoever dies, and comes home once', async t => {
  const { states, violation } = await checkExchange();
  assert.equal(violation, undefined);
  t.diagnostic(`${states} states`);
});

test('slots: every atomic operation left out or made plain is found out, and every step', async () => {
  const mutants = operationMutants(EXCHANGE);
  assert.ok(mutants.length >= 8, `${mutants.length} mutants`);
  const mark = '          this.#holders[handle / this.#stride] = this.#worker;\n';
  const release = '        ring.release();\n';
  const handOn = '        else arrived(hook, this.#handles, count);\n';
  const steps: Mutant[] = [
    swap('nobody is marked', mark, ''),
    {
      name: 'marked after the room is given back',
      edit: source =>
        swap(
          '',
          release,
          `${release}        for (let j = 0; j < count; j++) this.#holders[this.#handles[j]! / this.#stride] = this.#worker;\n`,
        ).edit(swap('', mark, '').edit(source)),
    },
    {
      name: 'marked by who sends, before it is sent',
      edit: source =>
        swap(
          '',
          'for (let i = 0; i < count; i++) out.push(handles[i]!);',
          'for (let i = 0; i < count; i++) { this.#holders[handles[i]! / this.#stride] = worker; out.push(handles[i]!); }',
        ).edit(swap('', mark, '').edit(source)),
    },
    {
      name: 'the room is given back when all is handed on',
      edit: source => swap('', handOn, handOn + release).edit(swap('', release, '').edit(source)),
    },
    swap('a successor does not look at the rings', 'moving.has(handle) || this', 'this'),
    swap('a successor does not look at the rings from it', '...rings[this.#worker]!, ', ''),
    swap('a successor does not look at the rings to it', ', ...rings.map(from => from[this.#worker])', ''),
    swap(
      'a successor looks at the marks first, and at the rings after',
      'moving.has(handle) || this.#holders[slot] !== this.#worker',
      'this.#holders[slot] !== this.#worker || this.#moving().has(handle)',
    ),
    swap('a successor keeps what is others’', '      else this.giveBack(handle);\n    }\n    this.flush();', '    }'),
    swap('a vector is announced before it is whole', 'out.push(count);', 'out.push(count);\n    out.publish();'),
  ];
  assert.deepEqual(await survivors([...mutants, ...steps], checkExchange), []);
});
