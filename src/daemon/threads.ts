// Which threads run, and who is wired to whom. Everything that two threads share is made here, for one life of a group, and
// given to them as data when they start; no thread finds another by any other way.
//
//      ┌──────────────────────────── main ─ vty.sock, configuration, supervision ───────────────────────────┐
//      │ a MessagePort to each thread: commands, configuration, stop; no routes                             │
//      ▼              ▼              ▼                                       ▼                              ▼
//   ┌────────┐     ┌─────┐      ┌────────┐                             ┌─────────┐   requests ─▶       ┌──────────┐
//   │ bgp-io │◀───▶│ bgp │      │ bgp-ka │      zserv socket           │  zebra  │◀─────────────────── │  dplane  │
//   └────────┘     └─────┘      └────────┘      (RUN_DIR/zserv.api)    └─────────┘   ─▶ back           └──────────┘
//       │   └── BgpChannels ────────┘  │            ▲    ▲                  │     ◀─ results, notifications   │
//   peers' sockets,             peers' sockets      │    └── serves ────────┘            DataplaneChannel     kernel
//   the ZAPI client's ──────────────────────────────┘
//
// | shared structure          | made of                      | written by        | read by          | size, bounded by      |
// |---------------------------|------------------------------|-------------------|------------------|-----------------------|
// | requests (pool)           | contexts of 128 bytes        | zebra, then dplane| dplane, zebra    | 16,384 contexts       |
// | down, results (rings)     | handles of requests          | zebra / dplane    | dplane / zebra   | as the pool           |
// | notifications (pool)      | contexts of 128 bytes        | dplane            | zebra            | 16,384 contexts       |
// | up, back (rings)          | handles of notifications     | dplane / zebra    | zebra / dplane   | as the pool           |
// | connection table          | a row of words a connection  | a word: one thread| bgp, -io, -ka    | 1,028 rows            |
// | out (stream rings)        | bytes towards a socket       | bgp               | bgp-io           | 256 kB a connection   |
// | updates, urgent (rings)   | messages from the peers      | bgp-io            | bgp              | 1 MB, 1 MB            |
// | commands, kicks, due      | what bgp-io is to do         | bgp, bgp-ka       | bgp-io           | 1 MB, 2,048 slots     |
// | doorbells                 | flag and eventfd             | all producers     | the thread woken | one a thread and use  |
//
// A group is the set of threads that share a structure. When one of them dies, what it left in the middle of a ring is
// nobody's to repair: the group is ended, and starts again with new structures (supervisor.ts).
import { type BgpChannels, closeBgpChannels, createBgpChannels } from '../bgp/index.ts';
import { closeDataplaneChannel, createDataplaneChannel, type DataplaneChannel } from '../dataplane/index.ts';
import { watchTurns } from './watch-turns.ts';

/** What is configured from outside, before any configuration file. */
export interface Wiring {
  /** The ZAPI socket: zebra serves it, bgp uses it. */
  readonly zserv: string;
  /** Routes stay in the kernel when the daemon ends in order. */
  readonly retain: boolean;
  /** Routes of an earlier life have this long to be announced again. */
  readonly gracefulRestartMs?: number;
  /** Each named network namespace is a VRF. */
  readonly namespaces?: boolean;
  /** Bytes that the kernel may hold of notifications not yet read. */
  readonly receiveBuffer?: number;
  /** Whether the threads rehearse when they start. */
  readonly rehearse: boolean;
  /** The file for a tape of bgp's run; that of its second life has `.2` behind the name, and so on. */
  readonly record?: string;
  readonly version: string;
}

export interface ThreadPlan {
  /** As operators see it; also the name of the command set that it serves. */
  readonly name: string;
  readonly entry: URL;
  /** It has a loop of its own, not Node's. */
  readonly ownLoop: boolean;
  readonly data: unknown;
  /** Asked every second while it runs: why it can not be said to work any more. */
  readonly hung?: () => string | undefined;
}

/** One life of a group. */
export interface GroupLife {
  /** In the order in which they are started; they are stopped in it, too, each after the one before. */
  readonly threads: readonly ThreadPlan[];
  /** Lets go of what they shared, when all have ended. */
  readonly dispose: () => void;
}

export interface GroupPlan {
  readonly name: string;
  readonly begin: () => GroupLife;
}

const source = (path: string): URL =>
  new URL(`../${path}${import.meta.url.endsWith('.ts') ? '.ts' : '.js'}`, import.meta.url);

/** Contexts for a rehearsal: they are soon given back. */
const STAGE = { requests: 4096, notifications: 16 };

/** Where ip(8) puts network namespaces. */
const NETNS_DIRECTORY = '/run/netns';

/** The daemon's groups, in the order in which they start; they end in the opposite one. */
export function groupPlans({
  zserv,
  retain,
  gracefulRestartMs,
  receiveBuffer,
  namespaces = false,
  rehearse,
  record,
  version,
}: Wiring): GroupPlan[] {
  // Only the first life of a group rehearses: after a death the neighbours wait.
  const begun = new Set<string>(rehearse ? [] : ['zebra', 'bgp']);
  const first = (group: string): boolean => {
    const is = !begun.has(group);
    begun.add(group);
    return is;
  };
  let tapes = 0;
  // Providers that kept the dataplane thread: later lives pass them by.
  const hung = new Set<string>();
  const stageZserv = `${zserv}.rehearsal`;
  const sweep = gracefulRestartMs === undefined ? {} : { sweepMs: gracefulRestartMs };
  const buffer = receiveBuffer === undefined ? {} : { receiveBuffer };
  return [
    {
      name: 'zebra',
      begin() {
        const channel = createDataplaneChannel();
        const rehearsal: DataplaneChannel | undefined = first('zebra') ? createDataplaneChannel(STAGE) : undefined;
        return {
          threads: [
            // zebra stops first: it takes its routes back, and the dataplane has to do that.
            {
              name: 'zebra',
              entry: source('zebra/thread'),
              ownLoop: false,
              data: {
                channel,
                zserv,
                retain,
                ...sweep,
                ...(namespaces && { namespaces: NETNS_DIRECTORY }),
                ...(rehearsal && { rehearsal: { channel: rehearsal, zserv: stageZserv } }),
              },
            },
            {
              name: 'dplane',
              entry: source('dataplane/thread'),
              ownLoop: true,
              data: { channel, hung: [...hung], ...buffer, ...(rehearsal && { rehearsal }) },
              hung: watchTurns(channel, name => hung.add(name)),
            },
          ],
          dispose: () => {
            closeDataplaneChannel(channel);
            if (rehearsal) closeDataplaneChannel(rehearsal);
          },
        };
      },
    },
    {
      name: 'bgp',
      begin() {
        const channels: BgpChannels = createBgpChannels();
        const rehearsal = first('bgp') ? { rehearsal: stageZserv } : {};
        const file = record === undefined || ++tapes === 1 ? record : `${record}.${tapes}`;
        const tape = file === undefined ? {} : { record: { file, version } };
        return {
          threads: [
            // bgp stops first: its last NOTIFICATIONs go out through bgp-io.
            {
              name: 'bgp',
              entry: source('bgp/thread'),
              ownLoop: false,
              data: { channels, zserv, retain, ...tape, ...rehearsal },
            },
            { name: 'bgp-io', entry: source('bgp/io/thread'), ownLoop: false, data: channels },
            { name: 'bgp-ka', entry: source('bgp/keepalive/thread'), ownLoop: true, data: channels },
          ],
          dispose: () => closeBgpChannels(channels),
        };
      },
    },
  ];
}
