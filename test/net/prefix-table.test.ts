import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  AF_INET,
  AF_INET6,
  type Family,
  formatPrefix,
  makePrefix,
  type Prefix,
  PrefixTable,
} from '../../src/net/index.ts';

// Few distinct bits, so that prefixes collide, cover one another and are removed and put back.
const crowded = (family: Family): fc.Arbitrary<Prefix> =>
  fc
    .tuple(fc.integer({ min: 0, max: 7 }), fc.integer({ min: 0, max: 3 }), fc.integer({ min: 0, max: 12 }))
    .map(([high, low, step]) => {
      const words =
        family === AF_INET
          ? ([(high * 0x20000000 + low) >>> 0, 0, 0, 0] as const)
          : ([high * 0x10000000, 0, low * 0x40000000, low] as const);
      return makePrefix(family, words, Math.min(step * (family === AF_INET ? 3 : 11), family === AF_INET ? 32 : 128));
    });

function slowMatch(model: Map<string, Prefix>, address: Prefix): string | undefined {
  const bits = address.family === AF_INET ? 32 : 128;
  for (let length = bits; length >= 0; length--) {
    const text = formatPrefix(makePrefix(address.family, address.words, length));
    if (model.has(text)) return text;
  }
  return undefined;
}

// As few distinguishers, which differ in either word, so that they would be taken for one another if a word were forgotten.
const DISTINGUISHERS: readonly (readonly [number, number])[] = [
  [0, 0],
  [0, 1],
  [1, 0],
  [0xffffffff, 1],
];

for (const distinguished of [false, true]) {
  for (const family of [AF_INET, AF_INET6] as const) {
    const kind = `family ${family}${distinguished ? ' with distinguishers' : ''}`;
    test(`a table of ${kind} agrees with a map under any sequence of changes`, () => {
      const rd = fc.constantFrom(...(distinguished ? DISTINGUISHERS : DISTINGUISHERS.slice(0, 1)));
      fc.assert(
        fc.property(
          fc.array(fc.tuple(fc.boolean(), crowded(family), rd), { maxLength: 200 }),
          crowded(family),
          (steps, probe) => agrees(family, distinguished, steps, probe),
        ),
        { numRuns: 300 },
      );
    });
  }
}

function agrees(
  family: Family,
  distinguished: boolean,
  steps: readonly (readonly [boolean, Prefix, readonly [number, number]])[],
  probe: Prefix,
): void {
  const table = new PrefixTable(family, 1, distinguished);
  const model = new Map<string, Prefix>();
  const ids = new Map<string, number>();
  for (const [add, prefix, [rd0, rd1]] of steps) {
    const text = `${rd0}:${rd1} ${formatPrefix(prefix)}`;
    const [a, b, c, d] = prefix.words;
    const id = table.find(a, b, c, d, prefix.length, rd0, rd1);
    assert.equal(id, ids.get(text) ?? -1);
    if (add) {
      const inserted = table.insert(a, b, c, d, prefix.length, rd0, rd1);
      if (id >= 0) assert.equal(inserted, id, 'an id stays while its prefix does');
      ids.set(text, inserted);
      model.set(text, prefix);
    } else if (id >= 0) {
      table.remove(id);
      assert.ok(!table.has(id));
      ids.delete(text);
      model.delete(text);
    }
  }
  assert.equal(table.size, model.size);
  const order = [...table.sorted()];
  const named = (id: number): string =>
    `${distinguished ? table.rd0[id] : 0}:${distinguished ? table.rd1[id] : 0} ${table.format(id)}`;
  assert.deepEqual(order.map(named).sort(), [...model.keys()].sort());
  const place = (id: number): number[] => [
    ...(distinguished ? [table.rd0[id]!, table.rd1[id]!] : []),
    ...table.words(id),
    table.length[id]!,
  ];
  for (let i = 1; i < order.length; i++) {
    const [x, y] = [place(order[i - 1]!), place(order[i]!)];
    const difference = x.map((word, j) => word - y[j]!).find(delta => delta !== 0) ?? 0;
    assert.ok(difference < 0, `${named(order[i - 1]!)} before ${named(order[i]!)}`);
  }
  // A longest match is one among those of the same distinguisher.
  const host = makePrefix(family, probe.words, family === AF_INET ? 32 : 128);
  const [a, b, c, d] = host.words;
  for (const [rd0, rd1] of distinguished ? DISTINGUISHERS : DISTINGUISHERS.slice(0, 1)) {
    const match = table.match(a, b, c, d, host.length, rd0, rd1);
    const start = `${rd0}:${rd1} `;
    const own = [...model].filter(([key]) => key.startsWith(start));
    const expected = slowMatch(new Map(own.map(([key, prefix]) => [key.slice(start.length), prefix])), host);
    assert.equal(match < 0 ? undefined : named(match), expected && start + expected);
  }
}

test('a sort goes on while the table grows under it', () => {
  const table = new PrefixTable(AF_INET, 4);
  for (let i = 0; i < 8; i++) table.insert(i << 8, 0, 0, 0, 24);
  const sort = table.sorting();
  sort.next();
  for (let i = 8; i < 1000; i++) table.insert(i << 8, 0, 0, 0, 24);
  let step = sort.next();
  while (!step.done) step = sort.next();
  assert.deepEqual(
    [...step.value].map(id => table.format(id)),
    [...Array(8).keys()].map(i => `0.0.${i}.0/24`),
  );
});

for (const distinguished of [false, true]) {
  const what = distinguished ? 'prefixes of many distinguishers' : 'prefixes';
  const wordsOf = (number: number): [number, number, number] =>
    distinguished ? [number & 0x100, number & 15, number >>> 4] : [number << 8, 0, 0];
  test(`${what} are found, told apart and removed while they move into larger slots`, () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.nat(2), fc.nat(600)), { minLength: 300, maxLength: 3000 }), operations => {
        const table = new PrefixTable(AF_INET, 16, distinguished);
        const model = new Map<number, number>();
        for (const [what, number] of operations) {
          const [word, rd0, rd1] = wordsOf(number);
          if (what === 0 && model.has(number)) {
            table.remove(model.get(number)!);
            model.delete(number);
          } else if (what === 1) assert.equal(table.find(word, 0, 0, 0, 24, rd0, rd1), model.get(number) ?? -1);
          else {
            const id = table.insert(word, 0, 0, 0, 24, rd0, rd1);
            assert.equal(id, model.get(number) ?? id);
            model.set(number, id);
          }
          assert.equal(table.size, model.size);
        }
        for (const [number, id] of model) {
          const [word, rd0, rd1] = wordsOf(number);
          assert.equal(table.find(word, 0, 0, 0, 24, rd0, rd1), id);
        }
        assert.equal(new Set(model.values()).size, model.size);
      }),
      { numRuns: 200 },
    );
  });
}
