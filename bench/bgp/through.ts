// From the first byte that a feeder announces to the last prefix at a receiving peer, and the same for taking all back.
import { setTimeout as pause } from 'node:timers/promises';
import type { Contestant } from '../lib/contestants.ts';
import { quiet } from '../lib/field.ts';
import { peers } from '../lib/peers.ts';
import { percentile } from '../lib/percentile.ts';
import { LIMIT_MS, onStage, type Result } from '../lib/stage.ts';
import { setsOf } from '../lib/table.ts';

export const HOLD_S = 9;

export interface Through {
  announce: Result & { firstMs: number; updates: number };
  withdraw: Result;
}

export function through(contestant: Contestant, prefixes: number): Promise<Through> {
  const router = {
    holdTimeS: HOLD_S,
    kernel: false,
    peers: peers({ table: { prefixes, attributeSets: setsOf(prefixes) } }, { export: 'all' }),
  };
  return onStage(contestant, router, async ({ tester, measure }) => {
    tester.tell({ do: 'expect', held: prefixes });
    const announced = measure();
    tester.tell({ do: 'announce' });
    const { atMs: announcedMs } = await tester.event<{ atMs: number }>('announcing');
    const { atMs: allMs } = await tester.event<{ atMs: number }>('reached', LIMIT_MS);
    const announce = announced(allMs - announcedMs);
    tester.tell({ do: 'received' });
    const { firstMs, updates } = await tester.event<{ firstMs: number; updates: number }>('received');
    await quiet();
    tester.tell({ do: 'expect', held: 0 });
    const withdrawn = measure();
    tester.tell({ do: 'withdraw' });
    const { atMs: withdrawnMs } = await tester.event<{ atMs: number }>('withdrawing');
    const { atMs: noneMs } = await tester.event<{ atMs: number }>('reached', LIMIT_MS);
    return {
      announce: { ...announce, firstMs: firstMs - announcedMs, updates },
      withdraw: withdrawn(noneMs - withdrawnMs),
    };
  });
}

const ROUTES = 31;
const IDLE_MS = 100;

/** From a single route's announcement to its arrival, in ms, each time when nothing else has happened for a while. */
export function firstRoute(contestant: Contestant): Promise<{ median: number; worst: number }> {
  const router = {
    holdTimeS: HOLD_S,
    kernel: false,
    peers: peers({ table: { prefixes: 1, attributeSets: 1 } }, { export: 'all' }),
  };
  return onStage(contestant, router, async ({ tester }) => {
    const tookMs: number[] = [];
    for (let i = 0; i < ROUTES; i++) {
      await pause(IDLE_MS);
      tester.tell({ do: 'expect', held: 1 });
      tester.tell({ do: 'announce' });
      const { atMs } = await tester.event<{ atMs: number }>('announcing');
      tookMs.push((await tester.event<{ atMs: number }>('reached')).atMs - atMs);
      await pause(IDLE_MS);
      tester.tell({ do: 'expect', held: 0 });
      tester.tell({ do: 'withdraw' });
      await tester.event('reached');
    }
    return { median: percentile(tookMs, 0.5), worst: percentile(tookMs, 1) };
  });
}
