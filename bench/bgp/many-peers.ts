// A thousand peers with the shortest hold time that there is (RFC 4271 §4.2), while a full table comes, goes and comes again,
// and then while the policy for all of it changes: how late their KEEPALIVEs are, how many sessions are lost, how long the
// shell takes to answer. They are sent no routes: a thousand full tables would be a measure of something else.
import { setTimeout as pause } from 'node:timers/promises';
import { Helper, quiet } from '../lib/field.ts';
import type { Contestant, ShellSocket } from '../lib/contestants.ts';
import { DUT_ASN, peers } from '../lib/peers.ts';
import { nowMs } from '../lib/speaker.ts';
import { LIMIT_MS, onStage, type Result, type Stage } from '../lib/stage.ts';
import { buildTable, setsOf } from '../lib/table.ts';
import type { Answers } from './asker.ts';

const SHORTEST_HOLD_S = 3;
const COMMUNITY = `${DUT_ASN}:7`;

export interface Disturbance extends Result {
  /** KEEPALIVEs that came, and how late. */
  messages: number;
  lateMs: { p50: number; p99: number; p999: number; max: number };
  lost: number;
  answers: Answers | undefined;
}

function commands(language: ShellSocket['language'], prefix: string): string[] {
  if (language === 'bird') return ['show protocols', `show route for ${prefix}`];
  return ['show bgp summary', `show bgp ipv4 unicast ${prefix}`];
}

function prefixText(address: number, length: number): string {
  return `${[24, 16, 8, 0].map(shift => (address >>> shift) & 255).join('.')}/${length}`;
}

/** What JSON has no word for comes as null. */
function numbers<T extends object>(counted: T): T {
  return Object.fromEntries(Object.entries(counted).map(([name, value]) => [name, value ?? Number.NaN])) as T;
}

/** What a thousand peers and an operator notice of it. */
async function during(stage: Stage, prefix: string, act: () => Promise<number>): Promise<Disturbance> {
  const { silent, running, field, measure } = stage;
  const { shell } = running;
  const asker =
    shell &&
    new Helper(field.dut, new URL('asker.ts', import.meta.url), [
      shell.language,
      shell.path,
      ...commands(shell.language, prefix),
    ]);
  await asker?.event('ready');
  silent!.tell({ do: 'silence' }); // what was before does not count
  await silent!.event('silence');
  const end = measure();
  asker?.say('begin');
  const result = end(await act());
  asker?.say('end');
  const answers = await asker?.event<Answers & Record<string, number>>('answers');
  // One that has become late is counted when it comes.
  await pause((SHORTEST_HOLD_S / 3) * 1000);
  silent!.tell({ do: 'silence' });
  const silence = await silent!.event<Pick<Disturbance, 'messages' | 'lateMs' | 'lost'>>('silence');
  return { ...result, ...silence, lateMs: numbers(silence.lateMs), answers: answers && numbers(answers) };
}

/** Resolves with the milliseconds from the change of what the feeder's routes become to the last one's arrival. */
async function newPolicy({ tester, running }: Stage, feeder: string, prefixes: number): Promise<number> {
  tester.tell({ do: 'expect', held: prefixes, forget: true, mark: COMMUNITY });
  const atMs = nowMs();
  await running.setImport(feeder, { community: COMMUNITY });
  return (await tester.event<{ atMs: number }>('reached', LIMIT_MS)).atMs - atMs;
}

export function manyPeers(
  contestant: Contestant,
  prefixes: number,
  sessions: number,
): Promise<{ load: Disturbance; reload: Disturbance }> {
  const table = { prefixes, attributeSets: setsOf(prefixes) };
  const all = peers({ table }, { export: 'all' }, ...Array.from({ length: sessions }, () => ({})));
  const built = buildTable(table);
  const prefix = prefixText(built.addresses[prefixes >> 1]!, built.lengths[prefixes >> 1]!);
  const router = { holdTimeS: SHORTEST_HOLD_S, kernel: false, keepReceived: true, peers: all };
  return onStage(contestant, router, async stage => {
    const { tester } = stage;
    const change = async (act: 'announce' | 'withdraw'): Promise<number> => {
      tester.tell({ do: 'expect', held: act === 'announce' ? prefixes : 0 });
      tester.tell({ do: act });
      const { atMs } = await tester.event<{ atMs: number }>(act === 'announce' ? 'announcing' : 'withdrawing');
      return (await tester.event<{ atMs: number }>('reached', LIMIT_MS)).atMs - atMs;
    };
    const load = await during(stage, prefix, async () => {
      let ms = await change('announce');
      for (const act of ['withdraw', 'announce', 'withdraw', 'announce'] as const) ms += await change(act);
      return ms;
    });
    const reload = await during(stage, prefix, () => newPolicy(stage, all[0]!.address, prefixes));
    return { load, reload };
  });
}

/** The same change of policy where there is nobody but the feeder and the receiver. */
export function reloadAlone(contestant: Contestant, prefixes: number): Promise<Result> {
  const two = peers({ table: { prefixes, attributeSets: setsOf(prefixes) } }, { export: 'all' });
  const router = { holdTimeS: SHORTEST_HOLD_S, kernel: false, keepReceived: true, peers: two };
  return onStage(contestant, router, async stage => {
    const { tester, measure } = stage;
    tester.tell({ do: 'expect', held: prefixes });
    tester.tell({ do: 'announce' });
    await tester.event('reached', LIMIT_MS);
    await quiet();
    const end = measure();
    return end(await newPolicy(stage, two[0]!.address, prefixes));
  });
}
