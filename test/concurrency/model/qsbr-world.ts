// What all scenarios of QSBR are made of. Readers look at whichever object is published and read it plainly; writers publish another, retire
// the old one, and overwrite what is freed with plain writes: a reader that may still look is a data race, or reads poison.
import type * as guards from '../../../src/concurrency/epoch-guard.ts';
import type * as readers from '../../../src/concurrency/qsbr.ts';
import type * as memory from '../../../src/concurrency/qsbr-memory.ts';
import type * as writers from '../../../src/concurrency/qsbr-writer.ts';
import * as atomics from './atomics.ts';
import type { Api, ModelArray, Program, Scenario } from './engine.ts';

export type QsbrModules = typeof guards & typeof readers & typeof memory & typeof writers;
export const FILES: readonly string[] = ['qsbr-memory.ts', 'qsbr.ts', 'qsbr-writer.ts', 'epoch-guard.ts'];

export const PUBLISHED = 0;
export const DONE = 1;
export const EXITED = 2;
export const OBJECTS = 4;
export const POISON = 0xdead;
export const options = { now: () => 0 };

export type Reader = readers.QsbrReader;
export type Writer = writers.QsbrWriter;

export interface World {
  qsbr: SharedArrayBuffer;
  shared: ModelArray & Record<number, number>;
}

function world({ Qsbr }: QsbrModules, slots: number): World {
  const shared = atomics.words(new SharedArrayBuffer(64), 0, 16) as World['shared'];
  shared[OBJECTS] = 100;
  return { qsbr: Qsbr.create(slots), shared };
}

/** Takes what is published and reads it. */
export function look(api: Api, { shared }: World): void {
  const object = atomics.load(shared, PUBLISHED);
  api.equal(shared[OBJECTS + object]!, 100 + object, 'what a reader sees');
}

/** Publishes `object` and retires what was. */
export function update(api: Api, { shared }: World, writer: Writer, object: number): void {
  shared[OBJECTS + object] = 100 + object;
  const old = atomics.exchange(shared, PUBLISHED, object);
  const retired = writer.retire(() => {
    shared[OBJECTS + old] = POISON;
  });
  api.equal(Number(retired), 1, 'retired');
}

/** The reader, or undefined where somebody has the slot. */
export function attempt({ QsbrReader }: QsbrModules, { qsbr }: World, slot: number): Reader | undefined {
  try {
    return new QsbrReader(qsbr, slot);
  } catch (error) {
    if (!/is taken/.test((error as Error).message)) throw error;
    return undefined;
  }
}

/** The reader, once whoever has the slot gives it back. */
export function take(api: Api, modules: QsbrModules, here: World, slot: number): Reader {
  let reader: Reader | undefined;
  api.until(() => (reader = attempt(modules, here, slot)) !== undefined);
  return reader!;
}

export type Part = (api: Api, world: World) => void;

/** `setUp` of each thread runs before anything is explored, one thread after another. */
export function scenario(
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
export function reader(
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

export function writer(
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

export function vectors(api: Api, here: World, one: Reader): void {
  one.online();
  look(api, here);
  one.quiescent();
  look(api, here);
  one.offline();
}

export function untilDone(api: Api, here: World, one: Reader): void {
  one.online();
  api.until(() => {
    look(api, here);
    one.quiescent();
    return atomics.load(here.shared, DONE) !== 0;
  });
  one.close();
}

/** Frees what it may now, at two moments. */
export function twice(one: Writer): void {
  one.reclaim();
  one.reclaim();
}
