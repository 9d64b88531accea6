// Process that plays a router's neighbours, `tester.ts TesterOptions`: it announces ready-made tables, counts what it is
// sent, and takes the time of both with one clock. It is told what to do in JSON lines and says in JSON lines what happened.
import { setPriority } from 'node:os';
import { createInterface } from 'node:readline';
import { parseIp4 } from '../../src/net/index.ts';
import { percentile } from './percentile.ts';
import { communityWord, type Peer } from './peers.ts';
import { nowMs, Speaker } from './speaker.ts';
import { buildTable } from './table.ts';
import { Tally } from './tally.ts';

export interface TesterOptions {
  dut: string;
  holdTimeS: number;
  peers: readonly Peer[];
  /** Goes before all others: for one that takes the time of what is seldom and small, which must not wait itself. */
  urgent?: boolean;
}

export type TesterCommand =
  /**
   * Say `reached` when every receiver has exactly so many prefixes. Those that had come before may be forgotten first, and
   * only announcements with a community counted from now on; where the router adds one for a receiver, that is always so.
   */
  | { do: 'expect'; held: number; forget?: boolean; mark?: string }
  /** Say `announcing`, or `withdrawing`, and do it: everything that the feeders have. */
  | { do: 'announce' }
  | { do: 'withdraw' }
  /** The peer of this number goes, without a word; say `closed`. */
  | { do: 'close'; peer: number }
  /** Say `received`: what the receivers have been sent. */
  | { do: 'received' }
  /** Say `silence`: how late the router was for those who are sent nothing but KEEPALIVEs; then begin anew. */
  | { do: 'silence' };

/** Sessions that are opened at a time: what a listening socket's backlog takes. */
const AT_ONCE = 50;
const GAPS = 1 << 22;

const options = JSON.parse(process.argv[2]!) as TesterOptions;
if (options.urgent) setPriority(-15);
const keepaliveMs = (options.holdTimeS * 1000) / 3;

const say = (event: object): void => console.log(JSON.stringify(event));

/** Time between two reads of a session without routes, beyond the keepalive interval, in ms. */
const late: Float32Array = new Float32Array(GAPS);
let gaps = 0;
let longestSilenceMs = 0;
let lost = 0;

class Receiver {
  readonly tally: Tally = new Tally();
  /** When its first prefix and its last UPDATE came. */
  firstMs = 0;
  lastMs = 0;
  #before = 0;

  read(atMs: number): void {
    if (this.tally.updates === this.#before) return;
    if (this.firstMs === 0 && this.tally.held > 0) this.firstMs = atMs;
    this.#before = this.tally.updates;
    this.lastMs = atMs;
    check(atMs);
  }

  forget(): void {
    this.tally.forget();
    this.#before = 0;
    this.firstMs = 0;
  }
}

const receivers: Receiver[] = [];
let goal = -1;

function check(atMs: number): void {
  if (goal < 0) return;
  for (const { tally } of receivers) if (tally.held !== goal) return;
  goal = -1;
  say({ event: 'reached', atMs });
}

interface Feeder {
  readonly speaker: Speaker;
  readonly announcements: Uint8Array;
  readonly withdrawals: Uint8Array;
}

const feeders: Feeder[] = [];
const speakers: Speaker[] = [];

async function open(index: number): Promise<void> {
  const { address, asn, table, export: policy } = options.peers[index]!;
  const built = table && buildTable(table);
  const receiver = policy === 'none' ? undefined : new Receiver();
  if (receiver) {
    if (typeof policy === 'object') receiver.tally.mark = communityWord(policy.community);
    receivers.push(receiver);
  }
  speakers[index] = await Speaker.open({
    localAddress: address,
    peerAddress: options.dut,
    asn,
    routerId: parseIp4(address),
    holdTimeS: options.holdTimeS,
    onLost: () => lost++,
    ...(receiver
      ? {
          onUpdate: (bytes, start, end) => receiver.tally.update(bytes, start, end),
          onRead: atMs => receiver.read(atMs),
        }
      : {
          onRead: (_, silenceMs) => {
            longestSilenceMs = Math.max(longestSilenceMs, silenceMs);
            if (gaps < GAPS) late[gaps++] = Math.max(0, silenceMs - keepaliveMs);
          },
        }),
  });
  if (built) {
    feeders.push({
      speaker: speakers[index],
      announcements: built.updates,
      withdrawals: built.withdrawals(),
    });
  }
}

const obey: { [Name in TesterCommand['do']]: (command: Extract<TesterCommand, { do: Name }>) => void } = {
  expect({ held, forget, mark }) {
    for (const receiver of receivers) {
      if (forget) receiver.forget();
      if (mark !== undefined) receiver.tally.mark = communityWord(mark);
    }
    goal = held;
  },
  announce() {
    say({ event: 'announcing', atMs: nowMs() });
    for (const { speaker, announcements } of feeders) void speaker.write(announcements);
  },
  withdraw() {
    say({ event: 'withdrawing', atMs: nowMs() });
    for (const { speaker, withdrawals } of feeders) void speaker.write(withdrawals);
  },
  close({ peer }) {
    say({ event: 'closed', atMs: nowMs() });
    speakers[peer]!.close();
  },
  received() {
    const sum = (of: (receiver: Receiver) => number): number => receivers.reduce((total, one) => total + of(one), 0);
    say({
      event: 'received',
      held: sum(({ tally }) => tally.held),
      updates: sum(({ tally }) => tally.updates),
      firstMs: Math.min(...receivers.map(({ firstMs }) => firstMs)),
      lastMs: Math.max(...receivers.map(({ lastMs }) => lastMs)),
    });
  },
  silence() {
    const all = Array.from(late.subarray(0, gaps));
    say({
      event: 'silence',
      messages: gaps,
      lost,
      longestMs: longestSilenceMs,
      lateMs: {
        p50: percentile(all, 0.5),
        p99: percentile(all, 0.99),
        p999: percentile(all, 0.999),
        max: percentile(all, 1),
      },
    });
    gaps = longestSilenceMs = lost = 0;
  },
};

for (let index = 0; index < options.peers.length; index += AT_ONCE) {
  const some = Array.from({ length: Math.min(AT_ONCE, options.peers.length - index) }, (_, i) => open(index + i));
  await Promise.all(some);
}
say({ event: 'established', atMs: nowMs() });
for await (const line of createInterface({ input: process.stdin })) {
  const command = JSON.parse(line) as TesterCommand;
  (obey[command.do] as (command: TesterCommand) => void)(command);
}
