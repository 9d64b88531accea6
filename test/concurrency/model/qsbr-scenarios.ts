// Readers and writers that come, go, wait for each other and die, in every order.
import * as atomics from './atomics.ts';
import type { Api, Scenario } from './engine.ts';
import {
  attempt,
  DONE,
  EXITED,
  look,
  OBJECTS,
  type Part,
  PUBLISHED,
  type QsbrModules,
  reader,
  scenario,
  take,
  twice,
  untilDone,
  update,
  vectors,
  type World,
  writer,
} from './qsbr-world.ts';

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
