// One feeder and a hundred receivers, with the same policy for all or with one for each: until the last receiver has the
// last prefix.
import type { Contestant } from '../lib/contestants.ts';
import { DUT_ASN, peers, type Policy } from '../lib/peers.ts';
import { LIMIT_MS, onStage, type Result } from '../lib/stage.ts';
import { setsOf } from '../lib/table.ts';
import { HOLD_S } from './through.ts';

export const RECEIVERS = 100;

/** Each receiver's policy adds a community: one, or its own. */
export function routeServer(contestant: Contestant, prefixes: number, different: boolean): Promise<Result> {
  const policy = (index: number): Policy => ({ community: `${DUT_ASN}:${different ? 100 + index : 100}` });
  const router = {
    holdTimeS: HOLD_S,
    kernel: false,
    peers: peers(
      { table: { prefixes, attributeSets: setsOf(prefixes) } },
      ...Array.from({ length: RECEIVERS }, (_, index) => ({ export: policy(index) })),
    ),
  };
  return onStage(contestant, router, async ({ tester, measure }) => {
    tester.tell({ do: 'expect', held: prefixes });
    const end = measure();
    tester.tell({ do: 'announce' });
    const { atMs } = await tester.event<{ atMs: number }>('announcing');
    return end((await tester.event<{ atMs: number }>('reached', LIMIT_MS)).atMs - atMs);
  });
}
