// What is explored of QSBR. Readers look at whichever object is published and read it plainly; writers publish another, retire
// the old one, and overwrite what is freed with plain writes: a reader that may still look is a data race, or reads poison.
import type * as guards from '../../../src/concurrency/epoch-guard.ts';
import type * as readers from '../../../src/concurrency/qsbr.ts';
import type * as memory from '../../../src/concurrency/qsbr-memory.ts';
import type * as writers from '../../../src/concurrency/qsbr-writer.ts';
import * as atomics from './atomics.ts';
import type { Api, ModelArray, Program, Scenario } from './engine.ts';

export type QsbrModules = typeof guards & typeof readers & typeof memory & typeof writers;
export const FILES: readonly string[] = ['qsbr-memory.ts', 'qsbr.ts', 'qsbr-writer.ts', 'epoch-guard.ts'];

const PUBLISHED = 0;
const DONE = 1;
const EXITED = 2;
const OBJECTS = 4;
const POISON = 0xdead;
const options = { now: () => 0 };

type Reader = readers.QsbrReader;
type Writer = writers.QsbrWriter;

interface World {
  qsbr: SharedArrayBuffer;
  shared: ModelArray & Record<number, number>;
}

function world({ Qsbr }: QsbrModules, slots: number): World {
  const shared = atomics.words(new SharedArrayBuffer(64), 0, 16) as World['shared'];
  shared[OBJECTS] = 100;
  return { qsbr: Qsbr.create(slots), shared };
}

/** Takes what is published and reads it. */
function look(api: Api, { shared }: World): void {
  const object = atomics.load(shared, PUBLISHED);
  api.equal(shared[OBJECTS + object]!, 100 + object, 'what a reader sees');
}

/** Publishes `object` and retires what was. */
function update(api: Api, { shared }: World, writer: Writer, object: number): void {
  shared[OBJECTS + object] = 100 + object;
  const old = atomics.exchange(shared, PUBLISHED, object);
  const retired = writer.retire(() => {
    shared[OBJECTS + old] = POISON;
  });
  api.equal(Number(retired), 1, 'retired');
}

/** The reader, or undefined where somebody has the slot. */
function attempt({ QsbrReader }: QsbrModules, { qsbr }: World, slot: number): Reader | undefined {
  try {
    return new QsbrReader(qsbr, slot);
  } catch (error) {
    if (!/is taken/.test((error as Error).message)) throw error;
    return undefined;
  }
}

/** The reader, once whoever has the slot gives it back. */
function take(api: Api, modules: QsbrModules, here: World, slot: number): Reader {
  let reader: Reader | undefined;
  api.until(() => (reader = attempt(modules, here, slot)) !== undefined);
  return reader!;
}

type Part = (api: Api, world: World) => void;

/** `setUp` of each thread runs before anything is explored, one thread after another. */
function scenario(
  name: string,
  modules: QsbrModules,
  slots: number,
  parts: readonly ((api: Api, world: World) => Part)[],
): Scenario {
  return {
    name,
    ordered: true,
    build() {
      const here = world(modules, slots);
      return parts.map<Program>(setUp => () => api => {
        const run = setUp(api, here);
        api.begin();
        run(api, here);
      });
    },
  };
}

/** A reader in its slot; offline unless `online`. */
function reader(
  modules: QsbrModules,
  slot: number,
  run: (api: Api, world: World, reader: Reader) => void,
  online = false,
): (api: Api, world: World) => Part {
  return (_, { qsbr }) => {
    const one = new modules.QsbrReader(qsbr, slot);
    if (online) one.online();
    return (api, here) => run(api, here, one);
  };
}

function writer(
  modules: QsbrModules,
  run: (api: Api, world: World, writer: Writer) => void,
  before: (api: Api, writer: Writer, world: World) => void = () => {},
): (api: Api, world: World) => Part {
  return (first, from) => {
    const one = new modules.QsbrWriter(from.qsbr, options);
    before(first, one, from);
    return (api, here) => run(api, here, one);
  };
}

function vectors(api: Api, here: World, one: Reader): void {
  one.online();
  look(api, here);
  one.quiescent();
  look(api, here);
  one.offline();
}

function untilDone(api: Api, here: World, one: Reader): void {
  one.online();
  api.until(() => {
    look(api, here);
    one.quiescent();
    return atomics.load(here.shared, DONE) !== 0;
  });
  one.close();
}

/** Frees what it may now, at two moments. */
function twice(one: Writer): void {
  one.reclaim();
  one.reclaim();
}

export function qsbrScenarios(modules: QsbrModules): Scenario[] {
  const { EpochGuard } = modules;
  const done = writer(modules, (api, here, one) => {
    update(api, here, one, 1);
    api.until(() => one.reclaim() === 1);
    atomics.store(here.shared, DONE, 1);
  });
  const owner =
    (rounds: number): ((api: Api, world: World) => Part) =>
    () =>
    (api, here) => {
      for (let i = 0; i < rounds; i++) {
        const one = take(api, modules, here, 0);
        here.shared[OBJECTS + 1] = here.shared[OBJECTS + 1]! + 1; // whoever has the slot has this word
        one.close();
      }
    };
  const dies = reader(
    modules,
    0,
    (api, here) => {
      look(api, here);
      atomics.store(here.shared, EXITED, 1);
    },
    true,
  );
  return [
    scenario('a slot has one owner', modules, 1, [owner(2), owner(1)]),
    scenario('a reader that closes holds nobody up', modules, 1, [
      reader(modules, 0, (api, here, one) => {
        one.online();
        look(api, here);
        one.close();
      }),
      done,
    ]),
    scenario('a reader that goes offline holds nobody up', modules, 1, [reader(modules, 0, vectors), done]),
    scenario('two periods, one after the other', modules, 1, [
      reader(modules, 0, vectors),
      writer(modules, (api, here, one) => {
        update(api, here, one, 1);
        one.reclaim();
        update(api, here, one, 2);
        one.reclaim();
        const token = one.start();
        if (one.passed(token)) api.equal(Number(one.passed(token)), 1, 'what has passed stays so');
      }),
    ]),
    scenario('a reader that never leaves', modules, 1, [reader(modules, 0, untilDone), done]),
    scenario('one is quiescent, one goes offline', modules, 2, [
      reader(
        modules,
        0,
        (api, here, one) => {
          look(api, here);
          one.quiescent();
          look(api, here);
          one.close();
        },
        true,
      ),
      reader(
        modules,
        1,
        (api, here, one) => {
          look(api, here);
          one.offline();
        },
        true,
      ),
      done,
    ]),
    scenario('a reader that never leaves, and two writers', modules, 1, [
      reader(modules, 0, (api, here, one) => {
        one.online();
        api.until(() => {
          one.quiescent();
          return atomics.load(here.shared, DONE) !== 0;
        });
      }),
      writer(modules, (_, __, one) => void one.start()),
      writer(modules, (api, here, one) => {
        one.start();
        const token = one.start();
        api.until(() => one.passed(token));
        atomics.store(here.shared, DONE, 1);
      }),
    ]),
    scenario('a guard, nested', modules, 1, [
      (_, { qsbr }) => {
        const guard = new EpochGuard(qsbr, 0);
        return (api, here) => {
          guard.pin();
          look(api, here);
          guard.pin();
          const object = atomics.load(here.shared, PUBLISHED);
          guard.unpin();
          api.equal(here.shared[OBJECTS + object]!, 100 + object, 'what a pinned thread sees');
          guard.unpin();
          guard.pin();
          look(api, here);
          guard.unpin();
          guard.close();
        };
      },
      writer(modules, (api, here, one) => {
        update(api, here, one, 1);
        twice(one);
      }),
    ]),
    scenario('a guard that lets go holds nobody up', modules, 1, [
      (_, { qsbr }) => {
        const guard = new EpochGuard(qsbr, 0);
        return (api, here) => {
          guard.pin();
          look(api, here);
          guard.unpin();
        };
      },
      done,
    ]),
    scenario('a reader dies online, and another takes its slot', modules, 1, [
      dies,
      () => (api, here) => {
        const one = take(api, modules, here, 0);
        api.equal(one.generation, 2, 'generation');
        one.online();
        look(api, here);
        one.offline();
      },
      writer(modules, (api, here, one) => {
        update(api, here, one, 1);
        api.until(() => atomics.load(here.shared, EXITED) === 1);
        api.equal(Number(one.dead(0)), 1, 'dead');
        api.until(() => one.reclaim() === 1);
      }),
    ]),
    scenario('a reader dies online, and nobody takes its slot', modules, 1, [
      dies,
      writer(modules, (api, here, one) => {
        update(api, here, one, 1);
        api.until(() => atomics.load(here.shared, EXITED) === 1);
        one.dead(0);
        api.until(() => one.reclaim() === 1);
      }),
    ]),
    scenario('a reader is reported as behind, and closes', modules, 1, [
      reader(modules, 0, (_, __, one) => one.close(), true),
      writer(modules, (api, here, one) => {
        update(api, here, one, 1);
        for (const { slot, generation, pending } of one.stalled(0)) {
          api.equal(slot, 0, 'slot');
          api.equal(generation, 1, 'generation');
          api.equal(pending, 1, 'pending');
        }
      }),
    ]),
    scenario('two say so, while a third comes', modules, 1, [
      reader(modules, 0, () => {}, true),
      writer(modules, (api, here, one) => {
        one.dead(0, 1);
        update(api, here, one, 1);
        one.reclaim();
      }),
      writer(modules, (_, __, one) => {
        one.passed(one.start());
        one.dead(0, 1);
      }),
      () => (api, here) => {
        const one = attempt(modules, here, 0);
        if (one === undefined) return;
        one.online();
        look(api, here);
      },
    ]),
  ];
}

/** The whole, which takes seconds: what is wrong in one place is found in the small ones above. */
export function largeScenarios(modules: QsbrModules): Scenario[] {
  const replace = (object: number, looks: number) =>
    writer(modules, (api, here, one) => {
      update(api, here, one, object);
      for (let i = 0; i < looks; i++) one.reclaim();
    });
  return [
    scenario('two readers, one writer', modules, 2, [
      reader(modules, 0, vectors),
      reader(modules, 1, vectors),
      replace(1, 2),
    ]),
    scenario('two readers, two writers', modules, 2, [
      reader(
        modules,
        0,
        (api, here, one) => {
          look(api, here);
          one.quiescent();
          look(api, here);
        },
        true,
      ),
      reader(modules, 1, (api, here, one) => {
        one.online();
        look(api, here);
      }),
      replace(1, 1),
      replace(2, 1),
    ]),
  ];
}

/** Periods that go round: with tokens 2^29 apart there are eight, and a writer opens no third while two are open. */
export const SCALE: readonly (readonly [file: string, before: string, after: string])[] = [
  ['qsbr-memory.ts', 'STEP = 2;', 'STEP = 2 ** 29;'],
  ['qsbr-writer.ts', 'WINDOW: number = 2 ** 24 * STEP', 'WINDOW: number = 2 * STEP'],
];

/** False where too many periods are open. */
function started(one: Writer): boolean {
  try {
    one.start();
  } catch (error) {
    if (!/has not answered/.test((error as Error).message)) throw error;
    return false;
  }
  return true;
}

export function wrapScenarios(modules: QsbrModules): Scenario[] {
  const scenarios: Scenario[] = [];
  const others = (periods: number) =>
    writer(
      modules,
      () => {},
      (api, one) => {
        for (let i = 0; i < periods; i++) {
          const token = one.start();
          api.equal(Number(one.passed(token)), 1, 'nobody reads');
        }
      },
    );
  const replace = (before: (api: Api, writer: Writer) => void) =>
    writer(
      modules,
      (api, here, one) => {
        update(api, here, one, 1);
        twice(one);
      },
      before,
    );
  for (let periods = 2; periods <= 9; periods++) {
    for (const settled of [true, false]) {
      scenarios.push(
        scenario(`a writer ${settled ? 'at rest' : 'with a period open'} while others open ${periods}`, modules, 1, [
          replace((_, one) => {
            const token = one.start();
            if (settled) one.passed(token);
          }),
          others(periods),
          reader(
            modules,
            0,
            (api, here, one) => {
              look(api, here);
              one.quiescent();
              look(api, here);
            },
            true,
          ),
        ]),
      );
    }
  }
  for (let periods = 1; periods <= 5; periods++) {
    scenarios.push(
      scenario(`a reader comes online while ${periods} periods pass`, modules, 1, [
        reader(modules, 0, vectors),
        writer(modules, (api, here, one) => {
          for (let i = 0; i < periods; i++) if (!one.passed(one.start())) return;
          update(api, here, one, 1);
          twice(one);
        }),
      ]),
    );
  }
  scenarios.push(
    scenario('a reader that does not answer', modules, 1, [
      reader(modules, 0, (api, here) => look(api, here), true),
      writer(modules, (api, here, one) => {
        update(api, here, one, 1);
        let refused = 0;
        for (let i = 0; i < 12; i++) {
          refused += Number(!started(one));
        }
        api.equal(refused, 11, 'refused');
        api.equal(one.reclaim(), 0, 'freed');
      }),
    ]),
    scenario('a reader that does not answer, and two writers', modules, 1, [
      reader(modules, 0, (api, here) => look(api, here), true),
      writer(modules, (api, here, one) => {
        update(api, here, one, 1);
        for (let i = 0; i < 3; i++) started(one);
        api.equal(one.reclaim(), 0, 'freed');
      }),
      writer(modules, (_, __, one) => void started(one)),
    ]),
  );
  return scenarios;
}
