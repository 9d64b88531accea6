// Two peers announce the same full table and the better one goes: until the kernel sends everything to the other one.
import { until } from '../../test/lib/wait.ts';
import { parseIp4 } from '../../src/net/index.ts';
import type { Contestant } from '../lib/contestants.ts';
import { quiet } from '../lib/field.ts';
import { countRoutes, RouteProbe } from '../lib/kernel-routes.ts';
import { peers } from '../lib/peers.ts';
import { nowMs } from '../lib/speaker.ts';
import { LIMIT_MS, onStage, type Result } from '../lib/stage.ts';
import { buildTable, setsOf } from '../lib/table.ts';
import { HOLD_S } from './through.ts';

const PROBES = 500;

export function failover(contestant: Contestant, prefixes: number): Promise<Result> {
  const table = { prefixes, attributeSets: setsOf(prefixes) };
  const two = peers({ table }, { table: { ...table, prepended: 5, seed: 0 } });
  const { addresses } = buildTable(table);
  const step = Math.max(1, Math.floor(prefixes / PROBES));
  const places = Array.from({ length: Math.floor(prefixes / step) }, (_, i) => addresses[i * step]!);
  // The ends of the table are where some begin and others stop.
  places.push(addresses[prefixes - 1]!);
  return onStage(contestant, { holdTimeS: HOLD_S, kernel: true, peers: two }, async stage => {
    const { running, tester, measure } = stage;
    const probe = new RouteProbe(stage.field.dut);
    /** Resolves with the time of the last look before the last place was seen to be sent to this peer. */
    const switched = async (gateway: string, everyMs: number): Promise<number> => {
      const word = parseIp4(gateway);
      let next = 0;
      let doneMs = 0;
      await until(
        async () => {
          while (next < places.length && probe.gateway(places[next]!) === word) next++;
          if (next < places.length) return false;
          doneMs ||= nowMs();
          const count = await countRoutes(stage.field.dut, gateway);
          if (count < prefixes) doneMs = 0;
          return count >= prefixes;
        },
        {
          timeoutMs: LIMIT_MS,
          everyMs,
          what: () => `the kernel to use ${gateway}; ${next} of ${places.length} probes found`,
        },
      );
      return doneMs;
    };
    tester.tell({ do: 'announce' });
    await until(async () => (await running.paths()) === 2 * prefixes, {
      timeoutMs: LIMIT_MS,
      everyMs: 250,
      what: 'both tables',
    });
    await switched(two[0]!.address, 250);
    await quiet();
    const end = measure();
    tester.tell({ do: 'close', peer: 0 });
    const { atMs } = await tester.event<{ atMs: number }>('closed');
    const doneMs = await switched(two[1]!.address, 10);
    const result = end(doneMs - atMs);
    probe.close();
    return result;
  });
}
