// Slots that go from worker to worker and home again, in every order, while one of the workers may die at any moment. Who has a slot writes
// in it, plainly: two that have it at once are a data race. All end when every slot is home, so one that is lost is found by nobody's end.
import type * as exchanges from '../../../src/netgraph/worker/exchange.ts';
import * as atomics from '../../concurrency/model/atomics.ts';
import type { Api, ModelArray, Program, Scenario } from '../../concurrency/model/engine.ts';

export type ExchangeModules = typeof exchanges;

type Words = ModelArray & Record<number, number>;
type Exchange = InstanceType<ExchangeModules['Exchange']>;

const HOOK = 5;

interface World {
  readonly memory: exchanges.ExchangeMemory;
  /** A word a slot, by handle: the stride is one. */
  readonly slots: Words;
  /** A word a worker: its own slots are all home. */
  readonly home: Words;
  readonly perWorker: number;
}

function world({ createExchange }: ExchangeModules, perWorker: number): World {
  return {
    memory: createExchange(2, perWorker, 1),
    slots: atomics.words(new SharedArrayBuffer(64), 0, 16) as Words,
    home: atomics.words(new SharedArrayBuffer(64), 0, 16) as Words,
    perWorker,
  };
}

function ownSlots({ perWorker }: World, worker: number): number[] {
  return Array.from({ length: perWorker }, (_, i) => 1 + worker * perWorker + i);
}

/** Sends `sends` vectors of its own slots, gives back what comes, and ends when its own and the other's are home. */
function serve(api: Api, here: World, exchange: Exchange, worker: number, mine: Set<number>, sends: number): void {
  const { slots, home, perWorker } = here;
  const freed = (handles: Int32Array, count: number): void => {
    for (let i = 0; i < count; i++) {
      const handle = handles[i]!;
      if (mine.has(handle) || !ownSlots(here, worker).includes(handle)) api.fail(`slot ${handle} came home twice`);
      slots[handle] = slots[handle]! + 1;
      mine.add(handle);
    }
  };
  const arrived = (hook: number, handles: Int32Array, count: number): void => {
    api.equal(hook, HOOK, 'hook');
    for (let i = 0; i < count; i++) {
      slots[handles[i]!] = slots[handles[i]!]! + 1;
      exchange.giveBack(handles[i]!);
    }
    exchange.flush();
  };
  for (let i = 0; i < sends; i++) {
    const vector = Int32Array.from(mine);
    for (const handle of vector) slots[handle] = slots[handle]! + 1;
    api.until(() => exchange.cross(1 - worker, HOOK, vector, vector.length));
    for (const handle of vector) mine.delete(handle);
  }
  let told = false;
  api.until(() => {
    exchange.drain(arrived, freed);
    if (mine.size === perWorker && !told) {
      told = true;
      atomics.store(home, worker, 1);
    }
    return told && atomics.load(home, 1 - worker) === 1;
  });
}

const works =
  (modules: ExchangeModules, here: World, worker: number, sends = 1): Program =>
  () => {
    const exchange = new modules.Exchange(here.memory, worker, here.perWorker, () => {});
    return api => serve(api, here, exchange, worker, new Set(ownSlots(here, worker)), sends);
  };

/** Takes the place of one that died: what was its own is its own again, all else goes home. */
const succeeds =
  (modules: ExchangeModules, here: World, worker: number): Program =>
  () =>
  api => {
    const exchange = new modules.Exchange(here.memory, worker, here.perWorker, () => {});
    const mine = new Set<number>();
    exchange.reclaim(handle => {
      if (mine.has(handle)) api.fail(`slot ${handle} is found twice`);
      here.slots[handle] = here.slots[handle]! + 1;
      mine.add(handle);
    });
    serve(api, here, exchange, worker, mine, 0);
  };

export function exchangeScenarios(modules: ExchangeModules): Scenario[] {
  const { Exchange, Exchanges } = modules;
  return [
    {
      name: 'nobody sends to a worker that is down',
      build() {
        const here = world(modules, 1);
        return [
          () => {
            const all = new Exchanges(here.memory);
            return () => {
              all.setUp(1, false);
              atomics.store(here.home, 2, 1);
              atomics.store(here.home, 3, 1);
              all.setUp(1, true);
            };
          },
          () => {
            const exchange = new Exchange(here.memory, 0, 1, () => {});
            return api => {
              const down = atomics.load(here.home, 2) === 1;
              const sent = exchange.cross(1, HOOK, Int32Array.of(1), 1);
              if (down && sent && atomics.load(here.home, 3) === 0) api.fail('sent to a worker that is down');
              if (!sent) api.until(() => exchange.cross(1, HOOK, Int32Array.of(1), 1));
            };
          },
        ];
      },
    },
    {
      name: 'what a worker shows to be free is seen',
      build() {
        const here = world(modules, 1);
        return [
          () => {
            const all = new Exchanges(here.memory);
            return api => api.until(() => all.free(0) === 7);
          },
          () => {
            const exchange = new Exchange(here.memory, 0, 1, () => {});
            return () => exchange.show(7);
          },
        ];
      },
    },
    {
      name: 'two workers, a slot each',
      build() {
        const here = world(modules, 1);
        return [works(modules, here, 0), works(modules, here, 1)];
      },
    },
    {
      name: 'one dies that got two at once',
      mortal: { dead: 0, heir: 2 },
      build() {
        const here = world(modules, 2);
        return [works(modules, here, 0, 0), works(modules, here, 1), succeeds(modules, here, 0)];
      },
    },
    {
      name: 'one dies that sent two at once',
      mortal: { dead: 0, heir: 2 },
      build() {
        const here = world(modules, 2);
        return [works(modules, here, 0), works(modules, here, 1, 0), succeeds(modules, here, 0)];
      },
    },
    {
      name: 'one dies with what it has sent, got, or was about to',
      mortal: { dead: 0, heir: 2 },
      build() {
        const here = world(modules, 1);
        return [works(modules, here, 0), works(modules, here, 1), succeeds(modules, here, 0)];
      },
    },
  ];
}
