// Commits, workers that come, go and lag, and what was taken away, in every order. A graph is a number here, the version; each has an object
// in shared memory, read plainly by whoever makes that graph or runs it, and overwritten plainly when it is freed.
import type * as commits from '../../../src/netgraph/worker/commits.ts';
import * as atomics from '../../concurrency/model/atomics.ts';
import * as structures from '../../concurrency/model/concurrency.ts';
import type { Api, ModelArray, Program, Scenario } from '../../concurrency/model/engine.ts';

export type CommitModules = typeof commits;

type Words = ModelArray & Record<number, number>;

const DONE = 0;
const BORN = 1;
const MADE = 2; // by worker, plain: the graph that it has made
const OBJECTS = 8;
const POISON = 0xdead;
/** Two frames of four bytes. */
const RING = 16;
/** Quiescent states are for others than the graph. */
const noReader = { quiescent() {}, online() {}, offline() {} };

interface World {
  readonly memory: SharedArrayBuffer;
  readonly rings: SharedArrayBuffer[];
  readonly shared: Words;
  readonly first: number;
}

function world({ Commits }: CommitModules, workers: number, first = 0): World {
  const shared = atomics.words(new SharedArrayBuffer(128), 0, 32) as Words;
  shared[OBJECTS] = 100;
  const memory = Commits.create(workers);
  new Int32Array(memory).fill(first);
  return { memory, rings: Array.from({ length: workers }, () => Commits.createRing(RING)), shared, first };
}

function look(api: Api, { shared }: World, graph: number): void {
  api.equal(shared[OBJECTS + graph]!, 100 + graph, 'what a worker sees of its graph');
}

type Writer = InstanceType<CommitModules['CommitWriter']>;

/** Publishes the next graph and retires the one before. */
function next(api: Api, here: World, writer: Writer, graph: number): void {
  here.shared[OBJECTS + graph] = 100 + graph;
  api.until(() => {
    writer.reclaim();
    return writer.commit(Uint8Array.of(graph));
  });
  writer.retire(() => {
    here.shared[OBJECTS + graph - 1] = POISON;
  });
}

/** The control thread: `graphs` changes, then all of it done and freed. */
function control(modules: CommitModules, here: World, graphs: number): Program {
  return () => {
    const writer = new modules.CommitWriter(here.memory, here.rings);
    return api => {
      for (let graph = 1; graph <= graphs; graph++) {
        next(api, here, writer, graph);
        writer.reclaim();
      }
      api.until(() => writer.applied());
      for (let worker = 0; worker < here.rings.length; worker++) {
        api.equal(here.shared[MADE + worker]!, graphs, 'what a worker has made when it is said to have');
      }
      writer.reclaim();
      api.equal(writer.limbo, 0, 'left in limbo when all is done');
      api.equal(here.shared[OBJECTS + graphs - 1]!, POISON, 'freed');
      atomics.store(here.shared, DONE, 1);
    };
  };
}

interface Worker {
  graph: number;
  readonly pause: InstanceType<CommitModules['Pause']>;
}

function worker(
  modules: CommitModules,
  here: World,
  number: number,
  api: Api,
  ring: SharedArrayBuffer,
  at = 0,
): Worker {
  const made: Worker = {
    graph: at,
    pause: new modules.Pause(
      noReader as never,
      new modules.CommitReader(here.memory, ring, number),
      (bytes, offset) => {
        const graph = bytes[offset]!;
        if (made.graph >= 0) api.equal(graph, made.graph + 1, 'the next commit');
        // It makes it: so it looks, though a later commit may have taken it away.
        look(api, here, graph);
        made.graph = graph;
        here.shared[MADE + number] = graph;
      },
    ),
  };
  return made;
}

function run(api: Api, here: World, one: Worker): void {
  api.until(() => {
    // Who had something to do does not go to sleep.
    for (let before = -1; before !== one.graph; ) {
      before = one.graph;
      look(api, here, one.graph);
      one.pause.between();
    }
    return atomics.load(here.shared, DONE) !== 0;
  });
}

const runs =
  (modules: CommitModules, here: World, number: number): Program =>
  () =>
  api => {
    run(api, here, worker(modules, here, number, api, here.rings[number]!));
  };

export function commitScenarios(modules: CommitModules): Scenario[] {
  return [
    {
      name: 'a worker does every commit, once and in order, and nothing is freed that it may look at',
      build() {
        const here = world(modules, 1);
        return [control(modules, here, 2), runs(modules, here, 0)];
      },
    },
    {
      name: 'a worker that sleeps through commits',
      build() {
        const here = world(modules, 1);
        return [
          control(modules, here, 2),
          () => api => {
            const one = worker(modules, here, 0, api, here.rings[0]!);
            one.pause.away(() => api.until(() => atomics.load(here.shared, DONE + 1) === 0));
            look(api, here, one.graph);
            run(api, here, one);
          },
        ];
      },
    },
    {
      name: 'a packet finds a graph at least as new as its sender had',
      build() {
        const here = world(modules, 2);
        const crossing = structures.HandleRing.create(2);
        return [
          () => {
            const writer = new modules.CommitWriter(here.memory, here.rings);
            return api => {
              for (const graph of [1, 2]) next(api, here, writer, graph);
            };
          },
          () => {
            const out = new structures.HandleProducer(crossing);
            return api => {
              const one = worker(modules, here, 0, api, here.rings[0]!);
              one.pause.between();
              out.push(one.graph);
              out.publish();
            };
          },
          () => {
            const from = new structures.HandleConsumer(crossing);
            return api => {
              const one = worker(modules, here, 1, api, here.rings[1]!);
              let packet = -1;
              api.until(() => (packet = from.pop()) >= 0);
              one.pause.catchUp();
              if (one.graph < packet) api.fail(`graph ${one.graph} for a packet of graph ${packet}`);
            };
          },
        ];
      },
    },
    {
      name: 'a worker that stands still holds back everything, and is named',
      build() {
        const here = world(modules, 2);
        return [
          () => {
            const writer = new modules.CommitWriter(here.memory, here.rings);
            return api => {
              next(api, here, writer, 1);
              writer.stalled(1, 0);
              const stalled = writer.stalled(1, 5);
              if (!stalled.some(({ worker: which, ms }) => which === 1 && ms === 5)) api.fail('nobody is named');
              api.equal(writer.reclaim(), 0, 'freed');
              next(api, here, writer, 2);
              if (writer.commit(Uint8Array.of(9))) api.fail('there was no room in the ring of worker 1');
              writer.remove(1);
              api.until(() => writer.applied());
              api.equal(writer.reclaim(), 2, 'freed when it is gone');
              atomics.store(here.shared, DONE, 1);
            };
          },
          runs(modules, here, 0),
        ];
      },
    },
    {
      name: 'one has died, and another begins while commits go on',
      build() {
        const here = world(modules, 1);
        const fresh = modules.Commits.createRing(RING);
        return [
          () => {
            const writer = new modules.CommitWriter(here.memory, here.rings);
            return api => {
              next(api, here, writer, 1);
              writer.remove(0);
              api.equal(writer.reclaim(), 1, 'freed when the dead is gone');
              api.equal(Number(writer.join(0, fresh, Uint8Array.of(1))), 1, 'joined');
              atomics.store(here.shared, BORN, 1);
              next(api, here, writer, 2);
              writer.reclaim();
              api.until(() => writer.applied());
              api.equal(here.shared[MADE]!, 2, 'what the successor has made');
              writer.reclaim();
              api.equal(writer.limbo, 0, 'limbo');
              atomics.store(here.shared, DONE, 1);
            };
          },
          () => api => {
            api.until(() => atomics.load(here.shared, BORN) === 1);
            const one = worker(modules, here, 0, api, fresh, -1);
            one.pause.begin();
            if (one.graph < 1) api.fail('a successor without a graph');
            run(api, here, one);
          },
        ];
      },
    },
  ];
}

/** Epochs that go round, for modules whose first is WRAP. */
export const WRAP = 0x7fffffff;

export function wrapScenarios(modules: CommitModules): Scenario[] {
  return [
    {
      name: 'epochs go round',
      build() {
        const here = world(modules, 1, WRAP);
        return [control(modules, here, 1), runs(modules, here, 0)];
      },
    },
  ];
}

/** Two of everything; what is wrong in one place is found in the small ones above. */
export function largeScenarios(modules: CommitModules): Scenario[] {
  const looks =
    (here: World, number: number): Program =>
    () =>
    api => {
      const one = worker(modules, here, number, api, here.rings[number]!);
      for (let i = 0; i < 2; i++) {
        look(api, here, one.graph);
        one.pause.between();
      }
      look(api, here, one.graph);
    };
  return [
    {
      name: 'three commits through a ring that has room for two',
      build() {
        const here = world(modules, 1);
        return [control(modules, here, 3), runs(modules, here, 0)];
      },
    },
    {
      name: 'two workers, two commits',
      build() {
        const here = world(modules, 2);
        return [
          () => {
            const writer = new modules.CommitWriter(here.memory, here.rings);
            return api => {
              for (const graph of [1, 2]) {
                next(api, here, writer, graph);
                writer.reclaim();
              }
            };
          },
          looks(here, 0),
          looks(here, 1),
        ];
      },
    },
  ];
}
