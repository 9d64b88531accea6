// Every interleaving of the lock-free structures, on their real source; and the check of the check: each store removed, made
// plain or moved must be found out.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type * as byteRing from '../../src/concurrency/byte-ring.ts';
import type * as doorbell from '../../src/concurrency/doorbell.ts';
import type * as client from '../../src/dataplane/client.ts';
import type * as handleRing from '../../src/concurrency/handle-ring.ts';
import type * as slotPool from '../../src/concurrency/slot-pool.ts';
import type * as streamRing from '../../src/concurrency/stream-ring.ts';
import { type Api, explore, type Scenario } from './model/engine.ts';
import * as model from './model/concurrency.ts';
import { loadModel, type Mutant, storeMutants, swap } from './model/load.ts';

type HandleModule = typeof handleRing;
type ByteModule = typeof byteRing;
type StreamModule = typeof streamRing;
type BellModule = typeof doorbell;
type PoolModule = typeof slotPool;

function handleScenarios({ HandleRing, HandleProducer, HandleConsumer }: HandleModule): Scenario[] {
  const scenario = (name: string, capacity: number, bursts: number[], takes: number): Scenario => ({
    name,
    build() {
      const memory = HandleRing.create(capacity);
      const total = bursts.reduce((sum, size) => sum + size, 0);
      return [
        () => {
          const producer = new HandleProducer(memory);
          return api => {
            let next = 1;
            for (const burst of bursts) {
              for (let i = 0; i < burst; i++, next++) api.until(() => producer.push(next));
              producer.publish();
            }
          };
        },
        () => {
          const consumer = new HandleConsumer(memory);
          return api => {
            for (let expected = 1; expected <= total; ) {
              let handle = -1;
              api.until(() => (handle = consumer.pop()) !== -1);
              for (let taken = 1; ; taken++) {
                api.equal(handle, expected++, 'handle');
                if (taken === takes || (handle = consumer.pop()) === -1) break;
              }
              consumer.release();
            }
            api.equal(consumer.pop(), -1, 'after the last handle');
          };
        },
      ];
    },
  });
  return [
    scenario('a ring of one', 1, [1, 1, 1], 1),
    scenario('in bursts', 4, [2, 3, 2, 1], 8),
    scenario('one by one', 2, [1, 1, 1, 1, 1], 1),
  ];
}

function byteScenarios({ ByteRing, ByteProducer, ByteConsumer }: ByteModule): Scenario[] {
  const scenario = (name: string, bytes: number, sizes: number[], burst: number): Scenario => ({
    name,
    build() {
      const memory = ByteRing.create(bytes);
      return [
        () => {
          const producer = new ByteProducer(memory);
          return api => {
            sizes.forEach((size, frame) => {
              let at = -1;
              api.until(() => (at = producer.reserve(size)) !== -1);
              for (let i = 0; i < size; i++) producer.bytes[at + i] = frame * 16 + i;
              producer.commit();
              if ((frame + 1) % burst === 0 || frame === sizes.length - 1) producer.publish();
            });
          };
        },
        () => {
          const consumer = new ByteConsumer(memory);
          return api => {
            sizes.forEach((size, frame) => {
              api.until(() => consumer.next());
              api.equal(consumer.size, size, 'size');
              for (let i = 0; i < size; i++) api.equal(consumer.bytes[consumer.offset + i]!, frame * 16 + i, 'byte');
              consumer.release();
            });
            api.equal(Number(consumer.next()), 0, 'after the last frame');
          };
        },
      ];
    },
  });
  return [
    scenario('bursts', 32, [4, 4, 4, 4, 4], 2),
    scenario('frames that leave the end unused', 32, [5, 9, 12, 2], 1),
    scenario('frames that wrap', 16, [4, 1, 0, 4, 3], 1),
  ];
}

function streamScenarios({ StreamRing, StreamWriter, StreamReader }: StreamModule): Scenario[] {
  const scenario = (name: string, bytes: number, sizes: number[], most: number): Scenario => ({
    name,
    build() {
      const memory = StreamRing.create(bytes);
      const total = sizes.reduce((sum, size) => sum + size, 0);
      return [
        () => {
          const writer = new StreamWriter(memory);
          return api => {
            let next = 1;
            for (const size of sizes) {
              const source = Uint8Array.from({ length: size }, () => next++);
              api.until(() => writer.write(source, 0, size));
              writer.publish();
            }
          };
        },
        () => {
          const reader = new StreamReader(memory);
          return api => {
            for (let expected = 1; expected <= total; ) {
              api.until(() => reader.peek());
              const size = Math.min(most, reader.size);
              for (let i = 0; i < size; i++) api.equal(reader.bytes[reader.offset + i]!, expected++, 'byte');
              reader.consume(size);
            }
            api.equal(Number(reader.peek()), 0, 'after the last byte');
          };
        },
      ];
    },
  });
  return [scenario('pieces that wrap', 4, [3, 2, 1, 3], 8), scenario('read in halves', 4, [2, 4, 1], 2)];
}

interface BellParts {
  bells: BellModule;
  rings: HandleModule;
}

// The consumer's protocol, as the task loops follow it.
function drain(parts: BellParts, memories: SharedArrayBuffer[], bell: SharedArrayBuffer, total: number, lazy = false) {
  return () => {
    const consumers = memories.map(memory => new parts.rings.HandleConsumer(memory));
    const view = new parts.bells.Doorbell(bell);
    return (api: Api): void => {
      let got = 0;
      const take = (): boolean => {
        const before = got;
        for (const consumer of consumers) {
          while (consumer.pop() !== -1) got++;
          consumer.release();
        }
        return got > before;
      };
      while (got < total) {
        view.disarm();
        if (take()) continue;
        view.arm();
        if (!lazy && take()) continue;
        api.poll(view.fd);
        view.answer();
      }
    };
  };
}

function sender(parts: BellParts, memory: SharedArrayBuffer, bell: SharedArrayBuffer, count: number, early = false) {
  return () => {
    const producer = new parts.rings.HandleProducer(memory);
    const view = new parts.bells.Doorbell(bell);
    return (): void => {
      for (let i = 1; i <= count; i++) {
        producer.push(i);
        if (early) view.ring();
        producer.publish();
        if (!early) view.ring();
      }
    };
  };
}

function bellScenarios(parts: BellParts): Scenario[] {
  const { Doorbell } = parts.bells;
  const { HandleRing, HandleProducer, HandleConsumer } = parts.rings;
  const alone = (name: string, maxWakes: number, run: (bell: doorbell.Doorbell, api: Api) => void): Scenario => ({
    name,
    maxWakes,
    build() {
      const bell = Doorbell.create();
      return [
        () => {
          const view = new Doorbell(bell);
          return api => run(view, api);
        },
      ];
    },
  });
  return [
    {
      name: 'two messages to a thread in poll',
      build() {
        const ring = HandleRing.create(4);
        const bell = Doorbell.create();
        return [sender(parts, ring, bell, 2), drain(parts, [ring], bell, 2)];
      },
    },
    {
      name: 'two producers and one bell',
      build() {
        const one = HandleRing.create(2);
        const two = HandleRing.create(2);
        const bell = Doorbell.create();
        return [sender(parts, one, bell, 1), sender(parts, two, bell, 1), drain(parts, [one, two], bell, 2)];
      },
    },
    {
      name: 'messages to a thread in Atomics.wait',
      build() {
        const ring = HandleRing.create(4);
        const bell = Doorbell.create();
        return [
          sender(parts, ring, bell, 2),
          () => {
            const consumer = new HandleConsumer(ring);
            const view = new Doorbell(bell);
            return () => {
              for (let got = 0; got < 2; ) {
                view.armWait();
                if (consumer.pop() !== -1) got++;
                else view.sleep();
              }
            };
          },
        ];
      },
    },
    {
      name: 'a thread in Atomics.wait is forced awake',
      build() {
        const bell = Doorbell.create();
        return [
          () => {
            const view = new Doorbell(bell);
            return () => {
              view.armWait();
              view.sleep();
            };
          },
          () => {
            const view = new Doorbell(bell);
            return api => {
              // Until the other is about to sleep there is nothing to force.
              api.until(() => view.armed);
              view.force();
            };
          },
        ];
      },
    },
    {
      name: 'two rings at once pay for one wake-up',
      maxWakes: 1,
      build() {
        const bell = Doorbell.create();
        const ringer = (): ((api: Api) => void) => {
          const view = new Doorbell(bell);
          return () => view.ring();
        };
        return [
          () => {
            const view = new Doorbell(bell);
            return () => view.arm();
          },
          ringer,
          ringer,
        ];
      },
    },
    alone('a ring to a thread that is awake is free', 0, bell => {
      bell.arm();
      bell.disarm();
      bell.ring();
    }),
    alone('a ring after a sleep that timed out is free', 0, (bell, api) => {
      bell.armWait();
      api.equal(Number(bell.sleep(1)), 0, 'rung');
      bell.ring();
    }),
    alone('after a forced wake-up a ring is free', 2, bell => {
      bell.arm();
      bell.force(); // an eventfd write and a notify
      bell.ring();
    }),
    {
      name: 'a stale wake-up is answered once',
      build() {
        const ring = HandleRing.create(2);
        const bell = Doorbell.create();
        return [
          () => {
            const producer = new HandleProducer(ring);
            const view = new Doorbell(bell);
            return () => {
              view.force();
              producer.push(7);
              producer.publish();
              view.ring();
            };
          },
          drain(parts, [ring], bell, 1),
        ];
      },
    },
  ];
}

interface WorkerParts extends BellParts {
  pools: PoolModule;
}

/**
 * A threaded provider: the owner of a pool sends handles of slots that it filled, the worker changes them and sends them back,
 * and the owner frees them. The worker sleeps by `armWait` and `rung` (dataplane/worker/thread.ts), the owner in poll(2). There
 * are fewer slots than contexts, so each is used again.
 */
function workerScenario(parts: WorkerParts, total: number, slots: number, fault?: 'lazy' | 'early' | 'late'): Scenario {
  const { SlotPool } = parts.pools;
  const { Doorbell } = parts.bells;
  const { HandleRing, HandleProducer, HandleConsumer } = parts.rings;
  return {
    name: `a worker with ${slots} slots for ${total} contexts`,
    build() {
      const memory = SlotPool.create(4, slots);
      const [to, from] = [HandleRing.create(slots), HandleRing.create(slots)];
      const [workerBell, ownerBell] = [Doorbell.create(), Doorbell.create()];
      return [
        () => {
          const pool = new SlotPool(memory);
          const [out, back] = [new HandleProducer(to), new HandleConsumer(from)];
          const [bell, own] = [new Doorbell(workerBell), new Doorbell(ownerBell)];
          return api => {
            let sent = 0;
            let got = 0;
            const turn = (): boolean => {
              const before = got;
              for (let handle = back.pop(); handle !== -1; handle = back.pop()) {
                got++;
                api.equal(Number(pool.holds(handle)), 1, 'holds what comes back');
                api.equal(pool.words[pool.wordOf(handle)]!, 100 + got, 'what the worker made of it');
                pool.free(handle);
                api.equal(Number(pool.holds(handle)), 0, 'holds what is free');
              }
              back.release();
              const first = sent;
              while (sent < total) {
                const handle = pool.allocate();
                if (handle === 0) break;
                pool.words[pool.wordOf(handle)] = ++sent;
                api.equal(Number(out.push(handle)), 1, 'room in the ring');
              }
              if (sent > first) {
                out.publish();
                bell.ring();
              }
              return got > before;
            };
            while (got < total) {
              own.disarm();
              if (turn() || got === total) continue;
              own.arm();
              if (turn()) continue;
              api.poll(own.fd);
              own.answer();
            }
            api.equal(pool.inUse, 0, 'in use at the end');
          };
        },
        () => {
          const pool = new SlotPool(memory);
          const [taken, done] = [new HandleConsumer(to), new HandleProducer(from)];
          const [bell, owner] = [new Doorbell(workerBell), new Doorbell(ownerBell)];
          return api => {
            let seen = 0;
            const turn = (): boolean => {
              const before = seen;
              for (let handle = taken.pop(); handle !== -1; handle = taken.pop()) {
                seen++;
                api.equal(Number(pool.holds(handle)), 1, 'holds what it was given');
                const at = pool.wordOf(handle);
                api.equal(pool.words[at]!, seen, 'what was sent');
                if (fault === 'late') done.push(handle);
                if (fault === 'late') done.publish();
                pool.words[at] = 100 + seen;
                if (fault !== 'late') done.push(handle);
              }
              taken.release();
              if (seen === before) return false;
              if (fault === 'early') owner.ring();
              done.publish();
              if (fault !== 'early') owner.ring();
              return true;
            };
            while (seen < total) {
              if (turn()) continue;
              bell.armWait();
              if (fault !== 'lazy' && turn()) bell.disarm();
              else void bell.rung();
            }
          };
        },
      ];
    },
  };
}

/**
 * Contexts that need more than one slot: the others are chained behind the first (0: the last), only the first goes through the ring,
 * and the owner gives all of them back. `torn`: it gives back the first before it has read where the others are.
 */
function chainScenario({ rings, pools }: WorkerParts, slots: number, sizes: readonly number[], torn = false): Scenario {
  const { SlotPool } = pools;
  const { HandleRing, HandleProducer, HandleConsumer } = rings;
  const VALUE = 0;
  const NEXT = 1;
  return {
    name: `chains of ${sizes.join(', ')} in a pool of ${slots}`,
    build() {
      const memory = SlotPool.create(8, slots);
      const [to, from] = [HandleRing.create(2), HandleRing.create(2)];
      return [
        () => {
          const pool = new SlotPool(memory);
          const [out, back] = [new HandleProducer(to), new HandleConsumer(from)];
          /** All slots of one context, or none: as many as it needs are there, or it waits. */
          const chain = (length: number, value: number): number => {
            if (pool.limit - pool.inUse < length) return 0;
            let next = 0;
            for (let i = 0; i < length; i++) {
              const slot = pool.allocate();
              pool.words[pool.wordOf(slot) + VALUE] = value;
              pool.words[pool.wordOf(slot) + NEXT] = next;
              next = slot;
            }
            return next;
          };
          const release = (head: number, api: Api): number => {
            let length = 0;
            for (let slot = head; slot !== 0; length++) {
              api.equal(Number(pool.holds(slot)), 1, 'a slot of the chain is held');
              if (torn) {
                pool.free(slot);
                pool.words[pool.wordOf(slot) + NEXT] = 0;
              }
              const next = pool.words[pool.wordOf(slot) + NEXT]!;
              if (!torn) pool.free(slot);
              slot = next;
            }
            return length;
          };
          return api => {
            let sent = 0;
            for (let got = 0; got < sizes.length; got++) {
              for (let head = -1; sent < sizes.length && head !== 0; ) {
                head = chain(sizes[sent]!, sent + 1);
                if (head === 0) break;
                api.equal(Number(out.push(head)), 1, 'room in the ring');
                sent++;
              }
              out.publish();
              let head = -1;
              api.until(() => (head = back.pop()) !== -1);
              api.equal(pool.words[pool.wordOf(head) + VALUE]!, 100 + got + 1, 'what the worker made of the first');
              api.equal(release(head, api), sizes[got]!, 'slots given back');
              back.release();
            }
            api.equal(pool.inUse, 0, 'in use at the end');
          };
        },
        () => {
          const pool = new SlotPool(memory);
          const [taken, done] = [new HandleConsumer(to), new HandleProducer(from)];
          return api => {
            for (let seen = 0; seen < sizes.length; seen++) {
              let head = -1;
              api.until(() => (head = taken.pop()) !== -1);
              let length = 0;
              for (let slot = head; slot !== 0; slot = pool.words[pool.wordOf(slot) + NEXT]!, length++) {
                api.equal(Number(pool.holds(slot)), 1, 'a slot of the chain is held');
                api.equal(pool.words[pool.wordOf(slot) + VALUE]!, seen + 1, 'what was sent');
              }
              api.equal(length, sizes[seen]!, 'slots of the context');
              pool.words[pool.wordOf(head) + VALUE] = 100 + seen + 1;
              done.push(head);
              taken.release();
              done.publish();
            }
          };
        },
      ];
    },
  };
}

function chainScenarios(parts: WorkerParts): Scenario[] {
  return [chainScenario(parts, 3, [2, 1, 2]), chainScenario(parts, 2, [2, 2, 1])];
}

function workerScenarios(parts: WorkerParts): Scenario[] {
  return [workerScenario(parts, 2, 1), workerScenario(parts, 3, 2)];
}

async function workerParts(): Promise<WorkerParts> {
  return {
    bells: await loadModel<BellModule>('doorbell.ts'),
    rings: await loadModel<HandleModule>('handle-ring.ts'),
    pools: await loadModel<PoolModule>('slot-pool.ts'),
  };
}

type ClientModule = typeof client;

/** What is shown at a time: places of results and of notifications in their one order. */
type Shown = readonly (readonly [results: number[], notifications: number[]])[];

const SHOWN: readonly Shown[] = [
  [[[1], [2]]],
  [
    [[1], [2]],
    [[3], [4]],
  ],
  [
    [[1], [2]],
    [[3], []],
    [[], [4]],
  ],
];

/**
 * Results and notifications go up in two rings and carry one order; zebra merges them (dataplane/client.ts). Whenever the dataplane
 * shows them (`#show` of dataplane/dataplane.ts) it shows the results first, and no notification is older than a result that is
 * shown with it. `eventsFirst`: the other way round.
 */
function mergeScenarios({ DataplaneClient }: ClientModule, all = SHOWN, eventsFirst = false): Scenario[] {
  const { Doorbell, HandleConsumer, HandleProducer, HandleRing } = model;
  const scenario = (name: string, turns: Shown): Scenario => ({
    name,
    build() {
      // How they wait for each other is the same however much comes.
      const waits = turns.length === 1;
      const [results, up, back, down] = [4, 4, 4, 4].map(capacity => HandleRing.create(capacity)) as [
        SharedArrayBuffer,
        SharedArrayBuffer,
        SharedArrayBuffer,
        SharedArrayBuffer,
      ];
      const [dataplaneBell, zebraBell] = [Doorbell.create(), Doorbell.create()];
      const page = new SharedArrayBuffer(8192);
      const total = turns.flat(2).length;
      return [
        () => {
          const [ofResults, ofEvents] = [new HandleProducer(results), new HandleProducer(up)];
          const given = new HandleConsumer(back);
          const bell = new Doorbell(zebraBell);
          return api => {
            for (const [one, other] of turns) {
              for (const handle of one) api.until(() => ofResults.push(handle));
              for (const handle of other) api.until(() => ofEvents.push(handle));
              for (const ring of eventsFirst ? [ofEvents, ofResults] : [ofResults, ofEvents]) ring.publish();
              bell.ring();
            }
            for (let left = waits ? turns[0]![1].length : 0; left > 0; left--) api.until(() => given.pop() !== -1);
          };
        },
        () => {
          const channel = {
            requests: page,
            notifications: page,
            down,
            results,
            up,
            back,
            dataplaneBell,
            zebraBell,
            page,
          };
          const zebra = new DataplaneClient(channel);
          return api => {
            let expected = 1;
            const next = (_pool: unknown, handle: number): void => api.equal(handle, expected++, 'place in the order');
            for (let i = 0; !waits && i < 4; i++) zebra.poll(2, next, next);
            while (waits && expected <= total) {
              zebra.bell.disarm();
              if (zebra.poll(2, next, next) > 0) continue;
              zebra.bell.arm();
              if (zebra.pending) continue;
              api.poll(zebra.bell.fd);
              zebra.bell.answer();
            }
          };
        },
      ];
    },
  });
  return all.map(turns => scenario(JSON.stringify(turns), turns));
}

function check(scenarios: Scenario[]): { states: number; found: string | undefined } {
  let states = 0;
  for (const scenario of scenarios) {
    const started = performance.now();
    const outcome = explore(scenario);
    if (process.env['MODEL_VERBOSE']) {
      console.log(`  ${scenario.name}: ${outcome.states} states, ${Math.round(performance.now() - started)} ms`);
    }
    states += outcome.states;
    if (outcome.violation) return { states, found: `${scenario.name}: ${outcome.violation.message}` };
  }
  return { states, found: undefined };
}

async function checkMutants<Module>(
  file: string,
  mutants: Mutant[],
  scenarios: (module: Module) => Scenario[],
): Promise<string[]> {
  const survivors: string[] = [];
  for (const mutant of mutants) {
    const { found } = check(scenarios(await loadModel<Module>(file, mutant.edit)));
    if (process.env['MODEL_VERBOSE']) console.log(`${mutant.name}: ${found ?? 'SURVIVED'}`);
    if (found === undefined) survivors.push(mutant.name);
  }
  return survivors;
}

test('HandleRing: no interleaving loses, repeats or tears a handle', async t => {
  const { states, found } = check(handleScenarios(await loadModel<HandleModule>('handle-ring.ts')));
  assert.equal(found, undefined);
  t.diagnostic(`${states} states`);
});

test('HandleRing: every store removed, made plain or moved is found out', async () => {
  const fill = `    this.#slots[staged & this.#mask] = handle;
    this.#staged = (staged + 1) | 0;`;
  const take = `    this.#next = (next + 1) | 0;
    return this.#slots[next & this.#mask]!;`;
  const mutants = [
    ...storeMutants('handle-ring.ts'),
    swap('publish before the slot is filled', fill, `    store(this.#header, WRITTEN, (staged + 1) | 0);\n${fill}`),
    swap(
      'release before the slot is read',
      take,
      `    store(this.#header, READ, (next + 1) | 0);
    this.#next = (next + 1) | 0;
    return this.#slots[next & this.#mask]!;`,
    ),
    swap(
      'one handle too many',
      'if (((staged - this.#readSeen) | 0) === this.capacity) {\n        this.#refuse',
      'if (((staged - this.#readSeen) | 0) === this.capacity + 1) {\n        this.#refuse',
    ),
  ];
  assert.deepEqual(await checkMutants('handle-ring.ts', mutants, handleScenarios), []);
});

test('ByteRing: no interleaving loses, repeats or tears a frame', async t => {
  const { states, found } = check(byteScenarios(await loadModel<ByteModule>('byte-ring.ts')));
  assert.equal(found, undefined);
  t.diagnostic(`${states} states`);
});

test('ByteRing: every store removed, made plain or moved is found out', async () => {
  const mutants = [
    ...storeMutants('byte-ring.ts'),
    swap(
      'publish before the frame is built',
      '    this.#reserved = size;\n    this.#start = this.#staged;',
      '    this.#reserved = size;\n    this.#start = this.#staged;\n    store(this.#header, WRITTEN, (this.#staged + need) | 0);',
    ),
    swap(
      'release before the frame is read',
      '    this.offset = at + 4;',
      '    store(this.#header, READ, (this.#next + ((size + 7) & ~3)) | 0);\n    this.offset = at + 4;',
    ),
    swap('no room asked for the unused end', 'need <= tail ? need : tail + need', 'need'),
    swap('no mark at the unused end', '      this.#sizes[at >> 2] = WRAP;\n', ''),
  ];
  assert.deepEqual(await checkMutants('byte-ring.ts', mutants, byteScenarios), []);
});

test('StreamRing: no interleaving loses, repeats or tears a byte', async t => {
  const { states, found } = check(streamScenarios(await loadModel<StreamModule>('stream-ring.ts')));
  assert.equal(found, undefined);
  t.diagnostic(`${states} states`);
});

test('StreamRing: every store removed, made plain or moved is found out', async () => {
  const copy = '    const first = Math.min(size, this.capacity - at);\n';
  const mutants = [
    ...storeMutants('stream-ring.ts'),
    swap(
      'publish before the bytes are there',
      copy,
      `${copy}    store(this.#header, WRITTEN, (this.#staged + size) | 0);\n`,
    ),
    swap(
      'release before the bytes are read',
      '    return this.size > 0;',
      '    if (this.size > 0) store(this.#header, READ, (this.#read + this.size) | 0);\n    return this.size > 0;',
    ),
    swap('one byte too many', 'this.room < size', 'this.room + 1 < size'),
  ];
  assert.deepEqual(await checkMutants('stream-ring.ts', mutants, streamScenarios), []);
});

test('Doorbell: no interleaving loses a wake-up, and none is paid for twice', async t => {
  const parts = {
    bells: await loadModel<BellModule>('doorbell.ts'),
    rings: await loadModel<HandleModule>('handle-ring.ts'),
  };
  const { states, found } = check(bellScenarios(parts));
  assert.equal(found, undefined);
  t.diagnostic(`${states} states`);
});

test('Doorbell: every store and exchange removed or torn is found out', async () => {
  const rings = await loadModel<HandleModule>('handle-ring.ts');
  const survivors = await checkMutants<BellModule>('doorbell.ts', storeMutants('doorbell.ts'), bells =>
    bellScenarios({ bells, rings }),
  );
  assert.deepEqual(survivors, []);
});

test('Doorbell: a consumer that does not look again, or a producer that rings too early, is found out', async () => {
  const parts = {
    bells: await loadModel<BellModule>('doorbell.ts'),
    rings: await loadModel<HandleModule>('handle-ring.ts'),
  };
  for (const [lazy, early] of [
    [true, false],
    [false, true],
  ] as const) {
    const { found } = check([
      {
        name: lazy ? 'no second look' : 'rings before it publishes',
        build() {
          const ring = parts.rings.HandleRing.create(4);
          const bell = parts.bells.Doorbell.create();
          return [sender(parts, ring, bell, 2, early), drain(parts, [ring], bell, 2, lazy)];
        },
      },
    ]);
    assert.match(found ?? 'nothing found', /nobody can go on/);
  }
});

test('SlotPool and a worker: no interleaving loses a context, or lets two use a slot', async t => {
  const { states, found } = check(workerScenarios(await workerParts()));
  assert.equal(found, undefined);
  t.diagnostic(`${states} states`);
});

test('SlotPool and a worker: every store of the rings that is removed, and every slip in the pool, is found out', async () => {
  const parts = await workerParts();
  // Made plain, the room that a consumer gives back is still in order here: the pool bounds what is in the rings.
  const removed = storeMutants('handle-ring.ts').filter(({ name }) => name.includes(' without '));
  const ringMutants = await checkMutants<HandleModule>('handle-ring.ts', removed, rings =>
    workerScenarios({ ...parts, rings }),
  );
  assert.deepEqual(ringMutants, []);
  const pools = [
    swap(
      'the generation stays',
      '(this.#generations[index]! + 1) & this.#generationMask',
      'this.#generations[index]! & this.#generationMask',
    ),
    swap('a slot is given twice', 'index = this.#fresh++;', 'index = this.#fresh;'),
    swap('a slot is freed twice', 'this.#inUse--;', 'this.#inUse -= 2;'),
    swap('one slot too many', 'else if (this.#fresh < this.limit) {', 'else if (this.#fresh <= this.limit) {'),
    swap('a handle of nothing', '<< this.#indexBits) | index', '<< this.#indexBits) | 0'),
  ];
  const survivors = await checkMutants<PoolModule>('slot-pool.ts', pools, module =>
    workerScenarios({ ...parts, pools: module }),
  );
  assert.deepEqual(survivors, []);
});

test('SlotPool in chains: no interleaving loses a slot of a context, or lets two use it', async t => {
  const { states, found } = check(chainScenarios(await workerParts()));
  assert.equal(found, undefined);
  t.diagnostic(`${states} states`);
});

test('SlotPool in chains: every store of the rings that is removed, every slip in the pool, and a torn chain is found out', async () => {
  const parts = await workerParts();
  const removed = storeMutants('handle-ring.ts').filter(({ name }) => name.includes(' without '));
  const rings = await checkMutants<HandleModule>('handle-ring.ts', removed, module =>
    chainScenarios({ ...parts, rings: module }),
  );
  assert.deepEqual(rings, []);
  const slips = [
    swap('a slot is given twice', 'index = this.#fresh++;', 'index = this.#fresh;'),
    swap('a slot is freed twice', 'this.#inUse--;', 'this.#inUse -= 2;'),
    swap('a handle of nothing', '<< this.#indexBits) | index', '<< this.#indexBits) | 0'),
  ];
  const survivors = await checkMutants<PoolModule>('slot-pool.ts', slips, pools => chainScenarios({ ...parts, pools }));
  assert.deepEqual(survivors, []);
  assert.match(check([chainScenario(parts, 3, [2, 1, 2], true)]).found ?? 'nothing', /slots given back/);
});

test('SlotPool and a worker: one that does not look again, rings too early, or gives back before it wrote is found out', async () => {
  const parts = await workerParts();
  const found = (fault: 'lazy' | 'early' | 'late'): string =>
    check([workerScenario(parts, 2, 1, fault)]).found ?? 'nothing';
  assert.match(found('lazy'), /nobody can go on/);
  assert.match(found('early'), /nobody can go on/);
  assert.match(found('late'), /data race|what the worker made of it/);
});

test('DataplaneClient: results and notifications reach zebra in their one order, and none is slept over', async t => {
  const { states, found } = check(mergeScenarios(await loadModel<ClientModule>('../dataplane/client.ts')));
  assert.equal(found, undefined);
  t.diagnostic(`${states} states`);
});

test('DataplaneClient: every look left out, in the other order or shown last is found out', async () => {
  const file = '../dataplane/client.ts';
  const [result, notification] = [
    'if (this.#result < 0) this.#result = this.#results.pop();',
    'this.#notification = this.#up.pop();',
  ];
  const again = ' && this.#result < 0) this.#result = this.#results.pop();';
  const mutants: Mutant[] = [
    swap('results are not looked at again', again, ' && this.#result < 0);'),
    {
      name: 'notifications are looked at first, and not again',
      edit: source => {
        const first = `      ${result}\n`;
        assert.ok(source.includes(first) && source.includes(notification) && source.includes(again));
        return source
          .replace(first, '')
          .replace(`        if (this.#notification >= 0${again}\n      }\n`, () => `      }\n${first}`);
      },
    },
    swap(
      'notifications first',
      'this.notifications.sequence(this.#notification)) | 0) < 0',
      'this.notifications.sequence(this.#notification)) | 0) > 0',
    ),
    swap('notifications are not looked for', ' || this.#up.length > 0;', ';'),
    swap('nothing is given back', 'this.#back.publish();', ''),
  ];
  assert.deepEqual(await checkMutants<ClientModule>(file, mutants, module => mergeScenarios(module)), []);
  const client = await loadModel<ClientModule>(file);
  const older: Shown = [[[1, 3], [2]]];
  for (const wrong of [mergeScenarios(client, SHOWN, true), mergeScenarios(client, [older])])
    assert.match(check(wrong).found ?? 'nothing found', /place in the order/);
});
