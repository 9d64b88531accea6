// A table of addresses that several write and read, one of whom may die at any moment, in every order.
import type * as macTable from '../../../src/netgraph/lib/mac-table.ts';
import { MacTable as RealTable } from '../../../src/netgraph/lib/mac-table.ts';
import type { Api, Program, Scenario } from '../../concurrency/model/engine.ts';

export type MacTableModules = typeof macTable;

type Table = InstanceType<MacTableModules['MacTable']>;

/** Two addresses that have one home of four, so that the second stands behind the first, and one that has its home elsewhere. */
const [first, second, apart] = ((): [number, number, number] => {
  const byHome = new Map<number, number[]>();
  for (let low = 1; low < 20; low++) {
    const table = new RealTable(RealTable.create(4));
    table.put(low, 0, 1, 1, 0);
    const home = table.find(low, 0);
    byHome.set(home, [...(byHome.get(home) ?? []), low]);
  }
  const homes = [...byHome].sort(([a], [b]) => a - b).map(([, lows]) => lows);
  return [homes[0]![0]!, homes[0]![1]!, homes[2]![0]!];
})();

/** The value of an address: another for each, so that a torn entry is seen. */
const valueOf = (low: number): number => 100 + low;
const MOVED = 1000;
/** When those were heard of last that are there from the beginning. */
const HEARD = 4;

/** Looks for an address once; what is found is its own. */
function look(api: Api, table: Table, low: number): boolean {
  if (table.find(low, 0) < 0) return false;
  if (table.value !== valueOf(low) && table.value !== valueOf(low) + MOVED)
    api.fail(`${low} has the value ${table.value}`);
  return true;
}

export function macTableScenarios(modules: MacTableModules): Scenario[] {
  const { MacTable, MAC_BUSY, MAC_DONE } = modules;
  /** With two that stand in each other's way. */
  const filled = (): SharedArrayBuffer => {
    const memory = MacTable.create(4);
    const table = new MacTable(memory);
    for (const low of [first, second]) {
      table.put(low, 0, valueOf(low), 1, 0);
      table.touch(table.find(low, 0), HEARD);
    }
    return memory;
  };
  const learns =
    (memory: SharedArrayBuffer, low: number): Program =>
    () => {
      const table = new MacTable(memory, 0);
      return () => void table.learn(low, 0, valueOf(low), 1);
    };
  /** Forgets an address, with which another moves up. */
  const removes =
    (memory: SharedArrayBuffer, low: number): Program =>
    () => {
      const table = new MacTable(memory, 0);
      return api => {
        if (!table.lock()) api.fail('nobody else writes');
        table.remove(low, 0);
        table.unlock();
      };
    };
  const looks =
    (memory: SharedArrayBuffer, low: number): Program =>
    () => {
      const table = new MacTable(memory, 1);
      return api => void look(api, table, low);
    };
  /** The graph's thread, when worker 0 is no more. */
  const releases =
    (memory: SharedArrayBuffer): Program =>
    () => {
      const table = new MacTable(memory);
      return () => table.release(0);
    };
  return [
    {
      name: 'two learn the same',
      build() {
        const memory = MacTable.create(4);
        return [0, 1].map(worker => () => {
          const table = new MacTable(memory, worker);
          return api => {
            api.until(() => table.learn(first, 0, valueOf(first), 1) !== MAC_BUSY);
            api.until(() => look(api, table, first));
            api.equal(table.count, 1, 'addresses');
          };
        });
      },
    },
    {
      name: 'one learns what another looks for',
      build() {
        const memory = MacTable.create(4);
        return [
          learns(memory, first),
          () => {
            const table = new MacTable(memory, 1);
            return api => {
              api.until(() => look(api, table, first));
              api.equal(table.born, 1, 'when it was learnt');
            };
          },
        ];
      },
    },
    {
      name: 'one moves what another looks for',
      build() {
        const memory = filled();
        return [
          () => {
            const table = new MacTable(memory, 0);
            return api => {
              api.equal(table.move(second, 0, valueOf(second) + MOVED, 9, 1), MAC_DONE, 'moved');
              if (table.find(second, 0) < 0 || table.value !== valueOf(second) + MOVED) api.fail('it has not moved');
              api.equal(table.born, 9, 'when it moved');
            };
          },
          looks(memory, second),
        ];
      },
    },
    {
      name: 'one forgets, another looks for what moves up then',
      build() {
        const memory = filled();
        return [
          removes(memory, first),
          () => {
            const table = new MacTable(memory, 1);
            // It is there all the time.
            return api => api.until(() => look(api, table, second));
          },
        ];
      },
    },
    {
      name: 'who was heard of just now is not forgotten',
      build() {
        const memory = MacTable.create(4);
        return [
          () => {
            const table = new MacTable(memory, 0);
            return api => {
              api.equal(table.tick, 1, 'at the start');
              table.learn(first, 0, valueOf(first), 1);
              table.learn(second, 0, valueOf(second), 3);
              table.touch(table.find(first, 0), 7);
              table.tick = 8;
              if (!table.expire(table.tick, 6)) api.fail('nobody else writes');
              for (const low of [first, second]) if (!look(api, table, low)) api.fail('it was heard of just now');
              api.equal(table.tick, 8, 'at the end');
            };
          },
        ];
      },
    },
    ...[
      {
        name: 'learns',
        dies: (memory: SharedArrayBuffer) => learns(memory, apart),
        kept: [first, second],
        looked: apart,
      },
      { name: 'forgets', dies: (memory: SharedArrayBuffer) => removes(memory, first), kept: [second], looked: second },
    ].flatMap(({ name, dies, kept, looked }): Scenario[] => [
      {
        name: `one dies that ${name}: the table is whole`,
        mortal: { dead: 0, heir: 1 },
        build() {
          const memory = filled();
          return [
            dies(memory),
            () => {
              const table = new MacTable(memory);
              return api => {
                table.release(0);
                if (!table.lock()) api.fail('the dead one keeps the lock');
                const entries = table.entries();
                const all = entries.map(({ low }) => low);
                for (const { low, seen } of entries) api.equal(seen, low === apart ? 1 : HEARD, `${low} heard of`);
                api.equal(new Set(all).size, all.length, 'addresses that are there once');
                api.equal(table.count, all.length, 'what is counted');
                for (const low of new Set([...all, ...kept]))
                  if (!look(api, table, low)) api.fail(`${low} is not found`);
              };
            },
          ];
        },
      },
      {
        name: `one dies that ${name}: who looks meanwhile is not misled`,
        mortal: { dead: 0, heir: 1 },
        build() {
          const memory = filled();
          return [dies(memory), releases(memory), looks(memory, looked)];
        },
      },
    ]),
    {
      name: 'one dies that learns, while another does',
      mortal: { dead: 0, heir: 2 },
      build() {
        const memory = MacTable.create(4);
        return [
          learns(memory, first),
          () => {
            const table = new MacTable(memory, 1);
            return () => void table.learn(second, 0, valueOf(second), 1);
          },
          () => {
            const table = new MacTable(memory);
            return api => {
              table.release(0);
              // The other one has it for a while, and not for ever.
              api.until(() => table.lock());
              api.equal(table.count, table.entries().length, 'addresses');
            };
          },
        ];
      },
    },
  ];
}
