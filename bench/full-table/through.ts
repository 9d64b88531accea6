// From the first byte that the feeder announces to the last prefix at a receiving peer, through one contestant.
import { cpuSeconds, peakMegabytes } from '../lib/process.ts';
import { type Contestant, FEEDER_ASN, HOLD_S, RECEIVER_ASN } from './contestants.ts';
import { setsOf } from '../lib/table.ts';
import { type Field, Helper, makeField, quiet } from './lab.ts';

export interface Result {
  seconds: number;
  cpu: number;
  megabytes: number;
}

/** Announces so many prefixes when it is told to. */
export function feeder(field: Field, prefixes: number): Helper {
  const sizes = [prefixes, setsOf(prefixes)];
  return new Helper(field.feed, 'feeder.ts', ['10.0.0.2', '10.0.0.1', FEEDER_ASN, ...sizes, HOLD_S]);
}

export async function through(
  contestant: Contestant,
  prefixes: number,
): Promise<Result & { firstMs: number; updates: number }> {
  await quiet();
  const field = await makeField();
  const running = await contestant({ lab: field.lab, dut: field.dut, kernel: false, receiver: true });
  const receive = new Helper(field.recv, 'receiver.ts', ['10.0.1.2', '10.0.1.1', RECEIVER_ASN, prefixes, HOLD_S]);
  const feed = feeder(field, prefixes);
  await feed.event('established');
  await receive.event('established');
  await quiet();
  const before = cpuSeconds(running.pids());
  feed.say('announce');
  const { atMs } = await feed.event<{ atMs: number }>('announcing');
  const last = await receive.event<{ atMs: number; updates: number }>('last', 300_000);
  const first = await receive.event<{ atMs: number }>('first');
  const pids = running.pids();
  const result = {
    seconds: (last.atMs - atMs) / 1000,
    cpu: cpuSeconds(pids) - before,
    megabytes: peakMegabytes(pids),
    firstMs: first.atMs - atMs,
    updates: last.updates,
  };
  await running.stop();
  await field.lab.close();
  return result;
}
