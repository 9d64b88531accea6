// Entry of the bgp thread: its loop, its transport over the bgp-io thread, its session with zebra, and main's commands.
//
// Its tasks, by the names that `show event cpu` has: what bgp-io read is handed to sessions and tables in bounded turns;
// 'bgp process NAME' walks and decides; 'bgp generate updates' writes to peers while they have room; 'bgp announce to zebra'
// does the same towards zebra; timers are the sessions'.
import { openSync, writeSync } from 'node:fs';
import { hostname } from 'node:os';
import { TaskLoop, threadSide } from '../concurrency/index.ts';
import { setThreadNice } from '../sys/index.ts';
import { commandHandler } from '../vty/index.ts';
import { Bgp } from './bgp.ts';
import { bgpCommands } from './commands.ts';
import type { BgpChannels } from './io/channels.ts';
import { createTransport } from './io/transport.ts';
import { Recorder } from './record/index.ts';
import { rehearse } from './rehearsal/rehearsal.ts';
import { memoryTables } from './show-memory.ts';
import { zapiOverTransport } from './zclient.ts';

/** workerData of this thread. */
export interface BgpThreadData {
  readonly channels: BgpChannels;
  /** The ZAPI socket; undefined: without zebra. */
  readonly zserv?: string;
  /** Where instances listen; 179 unless told. */
  readonly listenPort?: number;
  /** Routes stay in the kernel when we end. */
  readonly retain?: boolean;
  /** The file that a tape of this run is written to, and which Grevy writes it. */
  readonly record?: { readonly file: string; readonly version: string };
  /** Zebra's stage for a rehearsal; undefined: there is none. */
  readonly rehearsal?: string;
}

/** Where processors are short, what is decided goes on its way before more is decided. */
const NICE = 2;
/** With so many there is a real table. */
const FEW_PREFIXES = 1000;
/** NOTIFICATIONs have this long to reach bgp-io before the thread ends. */
const STOP_MS = 50;

const side = threadSide<BgpThreadData>();
setThreadNice(NICE);
const { channels, zserv, listenPort, record, rehearsal, retain = false } = side.data;
const loop = new TaskLoop(side.name);
const transport = createTransport(loop, channels);
const log = (text: string): void => side.post(text);
const recorder = record === undefined ? undefined : startRecorder(record);
const bgp = new Bgp(
  recorder?.environment ?? {
    loop,
    transport,
    random: Math.random,
    hostname: hostname(),
    log,
    ...(zserv === undefined ? {} : { zebra: zapiOverTransport(transport, zserv) }),
    ...(listenPort === undefined ? {} : { listenPort }),
  },
);
const handler = commandHandler(bgpCommands, bgp, {
  now: () => bgp.loop.now(),
  tasks: () => loop.stats(),
  queues: () => Array.from(bgp.instances.values(), instance => instance.queue.stats()),
  tables: () => memoryTables(bgp),
});
side.onRequest(recorder?.requests(handler) ?? handler);
// Main owns the name and says it when it changes.
side.onMessage(message => {
  const { hostname: name } = message as { hostname?: unknown };
  if (typeof name !== 'string') return;
  recorder?.hostname(name);
  bgp.setHostname(name);
});
side.onStop(async () => {
  recorder?.stop(retain);
  bgp.close(retain);
  await new Promise<void>(done => setTimeout(done, STOP_MS));
  loop.close();
});
side.ready();
if (rehearsal !== undefined) {
  const startMs = loop.now();
  const overtaken = (): boolean =>
    Array.from(bgp.instances.values()).some(({ families }) =>
      families.some(({ table }) => table.prefixCount > FEW_PREFIXES),
    );
  void rehearse({ loop, transport, zserv: rehearsal, overtaken }).then(done => {
    side.post(`${done ? 'rehearsed in' : 'rehearsal given up after'} ${Math.round(loop.now() - startMs)} ms`);
  });
}

/** Everything that the speaker is told goes to this file from now on; undefined where it cannot: we run without a tape then. */
function startRecorder({ file, version }: NonNullable<BgpThreadData['record']>): Recorder | undefined {
  let fd: number;
  try {
    fd = openSync(file, 'w', 0o640); // neighbours' passwords are on it
  } catch (error) {
    log(`nothing is recorded: ${(error as Error).message}`);
    return undefined;
  }
  const started = new Recorder({
    loop,
    transport,
    about: {
      version,
      hostname: hostname(),
      ...(zserv === undefined ? {} : { zserv }),
      ...(listenPort === undefined ? {} : { listenPort }),
    },
    log,
    put: bytes => {
      for (let at = 0; at < bytes.length; ) at += writeSync(fd, bytes, at);
    },
  });
  // An exception, too, comes by here: what led to it is on the tape.
  process.on('exit', () => started.flush());
  return started;
}
