// Every interleaving of who reads and writes a table of Ethernet addresses, on the real source, with a writer that dies at every single moment.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { loadModels, type Mutant, storeMutants, swap } from '../concurrency/model/load.ts';
import { type MacTableModules, macTableScenarios } from './model/mac-table-scenarios.ts';
import { exploreAll, type Found, survivors } from './model/survivors.ts';

const MAC_TABLE = '../netgraph/lib/mac-table.ts';

async function check(mutant?: Mutant): Promise<Found> {
  const modules = await loadModels<MacTableModules>([MAC_TABLE], mutant ? [[MAC_TABLE, mutant.edit]] : []);
  return exploreAll(macTableScenarios(modules), !mutant);
}

test('addresses: none is torn, none is lost, and the table is writable again, whoever dies', async t => {
  const { states, violation } = await check();
  assert.equal(violation, undefined);
  t.diagnostic(`${states} states`);
});

test('addresses: every store left out is found out, and every step', async () => {
  const mutants = storeMutants(MAC_TABLE).filter(({ name }) => name.includes('without'));
  assert.ok(mutants.length >= 18, `${mutants.length} mutants`);
  const steps: Mutant[] = [
    swap('the lock is anybody’s', 'LOCK, 0, this.#mine) === 0', 'LOCK, 0, this.#mine) >= 0'),
    swap('the lock does not say whose it is', 'LOCK, 0, this.#mine)', 'LOCK, 0, GRAPH)'),
    swap('whoever has the lock is taken for dead', '!== holder(worker)) return', '=== 0) return'),
    swap('nothing is mended', '    this.#mend();\n', ''),
    swap('an odd version is read', 'if ((version & 1) !== 0) return -1;', ''),
    swap('nobody looks at the version again', 'return load(words, VERSION) === version ? slot : -1', 'return slot'),
    swap('what moves is written over what was there', '      store(words, hole + HIGH, 0);\n      this', '      this'),
    swap('an address is mended twice', 'if (this.#search(low, high | USED) >= 0) continue;', ''),
    swap('a version that is odd is made even', 'if ((load(words, VERSION) & 1) === 0) this', 'this'),
  ];
  assert.deepEqual(await survivors([...mutants, ...steps], check), []);
});
