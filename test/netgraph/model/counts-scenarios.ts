// Counters that are read while they are written, and after their writer has died in the middle, in every order.
import type * as counts from '../../../src/netgraph/worker/counts.ts';
import * as atomics from '../../concurrency/model/atomics.ts';
import type { Api, Program, Scenario } from '../../concurrency/model/engine.ts';

export type CountsModules = typeof counts;

const PLACE = { offset: 0, stride: 128 };
const BIG = 2 ** 32;

function memoryOf({ blockBytes }: CountsModules): SharedArrayBuffer {
  return new SharedArrayBuffer(blockBytes(2));
}

/** Reads until the block can be read. */
function read(modules: CountsModules, memory: SharedArrayBuffer, api: Api): Float64Array {
  let sum = new Float64Array(2);
  api.until(() => {
    sum = new Float64Array(2);
    return modules.addCounts(memory, PLACE, 0, sum);
  });
  return sum;
}

/** Two counters that are always the same, shown at each of these. */
const shows =
  (modules: CountsModules, memory: SharedArrayBuffer, values: readonly number[]): Program =>
  () => {
    const mine = new modules.Counts(memory, PLACE, 0, 2);
    return () => {
      for (const value of values) {
        mine.values.fill(value);
        mine.show();
      }
    };
  };

export function countsScenarios(modules: CountsModules): Scenario[] {
  return [
    {
      name: 'a reader sees counters of one moment',
      build() {
        const memory = memoryOf(modules);
        return [
          shows(modules, memory, [1, 2]),
          () => api => {
            const [first, second] = read(modules, memory, api);
            api.equal(first!, second!, 'two counters that are always the same');
            if (first! > 2) api.fail(`${first} is none of what was shown`);
          },
        ];
      },
    },
    {
      name: 'a reader sees what was shown last',
      build() {
        const memory = memoryOf(modules);
        const flags = atomics.words(new SharedArrayBuffer(4), 0, 1);
        return [
          () => {
            const show = shows(modules, memory, [BIG + 1])();
            return api => {
              show(api);
              atomics.store(flags, 0, 1);
            };
          },
          () => api => {
            api.until(() => atomics.load(flags, 0) === 1);
            for (const value of read(modules, memory, api)) api.equal(value, BIG + 1, 'at the end');
          },
        ];
      },
    },
    {
      name: 'a counter that goes beyond a word',
      build() {
        const memory = memoryOf(modules);
        return [
          shows(modules, memory, [BIG - 1, BIG]),
          () => api => {
            const [first, second] = read(modules, memory, api);
            api.equal(first!, second!, 'two counters that are always the same');
            if (first !== 0 && first !== BIG - 1 && first !== BIG) api.fail(`${first} is none of what was shown`);
          },
        ];
      },
    },
    {
      name: 'the writer dies, and its successor goes on where it was',
      mortal: { dead: 0, heir: 1 },
      build() {
        const memory = memoryOf(modules);
        const flags = atomics.words(new SharedArrayBuffer(4), 0, 1);
        return [
          shows(modules, memory, [BIG + 1, BIG + 2]),
          () => api => {
            const mine = new modules.Counts(memory, PLACE, 0, 2);
            for (const value of mine.values) {
              // Low words are written before high ones, so that it may have 2^32 less than it was at.
              if (![0, 1, BIG + 1, BIG + 2].includes(value)) api.fail(`${value} is none of what was shown`);
            }
            mine.show();
            atomics.store(flags, 0, 1);
          },
          () => api => {
            api.until(() => atomics.load(flags, 0) === 1);
            // Nobody writes any more: at once.
            const sum = new Float64Array(2);
            if (!modules.addCounts(memory, PLACE, 0, sum)) api.fail('what a dead one was writing is never read again');
          },
        ];
      },
    },
    {
      name: 'it is read while it dies and another begins',
      mortal: { dead: 0, heir: 1 },
      build() {
        const memory = memoryOf(modules);
        return [
          shows(modules, memory, [1]),
          () => () => {
            const mine = new modules.Counts(memory, PLACE, 0, 2);
            mine.values.fill(2);
            mine.show();
          },
          () => api => {
            for (const value of read(modules, memory, api)) if (value > 2) api.fail(`${value}`);
          },
        ];
      },
    },
  ];
}
