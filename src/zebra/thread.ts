// Zebra's thread: Node's loop with named tasks around one Zebra, its ZAPI server, and the doorbell of the dataplane.
//
//   dplane ──bell──▶ `dataplane results`: receive ──▶ wake ──▶ `rib process`: process (2 ms slices)
//   main ──port──▶ commands and configuration           timers: retries, sweep of earlier routes
import { TaskLoop, threadSide } from '../concurrency/index.ts';
import { type DataplaneChannel, DataplaneClient } from '../dataplane/index.ts';
import { Ethtool } from '../sys/index.ts';
import { serveCommands, type Tables } from '../vty/index.ts';
import { zebraCommands } from './commands.ts';
import { DataplanePlane } from './dataplane.ts';
import { readSpeeds } from './interface/speed.ts';
import { RouterDiscovery } from './router-discovery.ts';
import { rehearse } from './rehearsal.ts';
import { runZebra } from './run.ts';
import { ZapiServer } from './server/index.ts';
import { drift } from './show/zebra.ts';

/** workerData of this thread. */
export interface ZebraThreadData {
  readonly channel: DataplaneChannel;
  /** Path of the ZAPI socket. */
  readonly zserv: string;
  /** Routes stay in the kernel when the thread ends in order. */
  readonly retain: boolean;
  /** Routes of an earlier life that nobody announced are removed after this long; 60,000 unless told. */
  readonly sweepMs?: number;
  /** The stage for bgp's rehearsal: where to listen, and contexts of its own. */
  readonly rehearsal?: { readonly channel: DataplaneChannel; readonly zserv: string };
}

const SWEEP_MS = 60_000;
/** An orderly stop gives up after this long; what is left stays in the kernel, for the next start to adopt. */
const WITHDRAW_MS = 20_000;

const side = threadSide<ZebraThreadData>();
const { channel, zserv, retain, sweepMs, rehearsal } = side.data;
const loop = new TaskLoop(side.name);
const plane = new DataplanePlane(new DataplaneClient(channel));
const { zebra, queue, close } = runZebra(loop, plane, text => side.post(text));
const ethtool = new Ethtool();
readSpeeds(zebra.interfaces, name => ethtool.speed(name));
plane.onFailure = (what, errno) => side.post(`the kernel refused a change of ${what} (errno ${errno})`);

const discovery = new RouterDiscovery(loop, zebra.interfaces, text => side.post(text));
const server = new ZapiServer(zebra, { path: zserv, tasks: loop, log: text => side.post(text), discovery });
zebra.server = server;

function tables(): Tables {
  const out: Record<string, Record<string, number>> = {};
  for (const table of zebra.rib.tables) {
    out[`RIB ${table.family === 2 ? 'IPv4' : 'IPv6'}`] = {
      prefixes: table.prefixes.size,
      routes: table.routes,
      bytes: table.bytes,
    };
  }
  out['next hops'] = { sets: zebra.sets.size, objects: zebra.objects.count, tracked: zebra.resolver.watched };
  out['RIB queue'] = {
    waiting: zebra.rib.dirty,
    highWater: zebra.rib.dirtyHighWater,
    congestions: zebra.rib.stats.congestions,
  };
  return out;
}

serveCommands(zebraCommands, zebra, side, { tasks: () => loop.stats(), queues: () => [queue.stats()], tables });

side.onStop(async how => {
  await server.close();
  if (how === 'end') plane.finishing();
  if (how === 'end' && !retain) {
    zebra.withdraw();
    const deadline = performance.now() + WITHDRAW_MS;
    while (!zebra.idle && performance.now() < deadline) await new Promise(resolve => setTimeout(resolve, 5));
    if (!zebra.idle) {
      const { destinationsWaiting: waiting, destinationsInFlight: inFlight } = drift(zebra);
      side.post(
        `routes stay in the kernel: after ${WITHDRAW_MS / 1000} s ${waiting} prefixes wait for the dataplane and ${inFlight} are on their way`,
      );
    }
  }
  close();
  discovery.close();
  await ethtool.close();
  loop.close();
});

// Clients are let in when the kernel's state is known; before that they would be told half of it.
zebra.onReady(() => {
  server.listen().then(
    () => {
      loop.timer('sweep of earlier routes', () => zebra.sweep()).start(sweepMs ?? SWEEP_MS);
      side.ready();
    },
    (error: unknown) => {
      setImmediate(() => {
        throw error;
      });
    },
  );
});
if (rehearsal !== undefined) rehearse(loop, rehearsal.channel, rehearsal.zserv);
zebra.start();
