// Zebra's thread: Node's loop with named tasks around one Zebra (and one more for each VRF that is a network namespace), its ZAPI
// server, and the doorbell of the dataplane.
//
//   dplane ──bell──▶ `dataplane results`: receive ──▶ wake ──▶ `rib process`: process (2 ms slices)
//   main ──port──▶ commands and configuration           timers: retries, sweep of earlier routes
import { closeAtEnd, TaskLoop, threadSide } from '../concurrency/index.ts';
import { type DataplaneChannel, DataplaneClient } from '../dataplane/index.ts';
import { Ethtool, inNamespaceOf } from '../sys/index.ts';
import { serveCommands, type Tables } from '../vty/index.ts';
import { zebraCommands } from './commands.ts';
import { DataplanePlane } from './dataplane.ts';
import { readSpeeds } from './interface/speed.ts';
import { Namespaces } from './namespace/namespaces.ts';
import { Zebras } from './namespace/zebras.ts';
import { SetIds } from './nexthop/set.ts';
import { RouterDiscovery } from './router-discovery.ts';
import { rehearse } from './rehearsal.ts';
import { runZebra } from './run.ts';
import { ZapiServer } from './server/index.ts';
import { drift } from './show/zebra.ts';
import type { Zebra } from './zebra.ts';

/** workerData of this thread. */
export interface ZebraThreadData {
  readonly channel: DataplaneChannel;
  /** Path of the ZAPI socket. */
  readonly zserv: string;
  /** Routes stay in the kernel when the thread ends in order. */
  readonly retain: boolean;
  /** Where network namespaces have names; each is a VRF then, and devices are none. */
  readonly namespaces?: string;
  /** Routes of an earlier life that nobody announced are removed after this long; 60,000 unless told. */
  readonly sweepMs?: number;
  /** The stage for bgp's rehearsal: where to listen, and contexts of its own. */
  readonly rehearsal?: { readonly channel: DataplaneChannel; readonly zserv: string };
}

const SWEEP_MS = 60_000;
/** An orderly stop gives up after this long; what is left stays in the kernel, for the next start to adopt. */
const WITHDRAW_MS = 20_000;

const side = threadSide<ZebraThreadData>();
const { channel, zserv, retain, namespaces: directory, sweepMs = SWEEP_MS, rehearsal } = side.data;
const loop = new TaskLoop(side.name);
const plane = new DataplanePlane(new DataplaneClient(channel));
const log = (text: string): void => side.post(text);
const setIds = new SetIds();
const running = runZebra(loop, plane, log, { devices: directory === undefined, setIds });
const { zebra, queue, close } = running;
const ethtools: Map<Zebra, Ethtool> = new Map();
closeAtEnd(() => Array.from(ethtools.values(), ({ fd }) => fd));
const refused = (what: string, errno: number): void => log(`the kernel refused a change of ${what} (errno ${errno})`);
plane.onFailure = refused;
readSpeedsOf(zebra);

/** To be called in the network namespace of that zebra. */
function readSpeedsOf(one: Zebra): void {
  const ethtool = new Ethtool();
  ethtools.set(one, ethtool);
  readSpeeds(one.interfaces, name => ethtool.speed(name));
}

function besides(path: string): Namespaces {
  const zebras = new Zebras(zebra, setIds);
  zebra.zebras = zebras;
  return new Namespaces(
    {
      plane,
      zebras,
      begin(its, vrf, fd) {
        const one = running.begin(its, { vrf, devices: false, setIds });
        its.onFailure = refused;
        one.workLike(zebra);
        inNamespaceOf(fd, () => readSpeedsOf(one));
        const sweep = (): void => {
          if (zebra.of(vrf.id) === one) one.sweep(); // it may be gone by then
        };
        loop.timer('sweep of earlier routes', sweep).start(sweepMs);
        return one;
      },
      end(one) {
        running.end(one);
        void ethtools.get(one)?.close();
        ethtools.delete(one);
      },
      later: (ms, fn) => loop.timer('network namespaces', fn).start(ms),
      log,
    },
    path,
  );
}

const namespaces = directory === undefined ? undefined : besides(directory);
zebra.namespaces = namespaces;

const discovery = new RouterDiscovery(loop, zebra.interfaces, log);
const server = new ZapiServer(zebra.zebras ?? zebra, {
  path: zserv,
  tasks: loop,
  log,
  discovery,
  namespaces: namespaces !== undefined,
});
zebra.server = server;

function tables(): Tables {
  const out: Record<string, Record<string, number>> = {};
  const add = (name: string, numbers: Record<string, number>): void => {
    const sums = (out[name] ??= {});
    for (const [what, count] of Object.entries(numbers)) sums[what] = (sums[what] ?? 0) + count;
  };
  for (const { rib, sets, objects, resolver } of zebra.all) {
    for (const { family, prefixes, routes, bytes } of rib.tables) {
      add(`RIB ${family === 2 ? 'IPv4' : 'IPv6'}`, { prefixes: prefixes.size, routes, bytes });
    }
    add('next hops', { sets: sets.size, objects: objects.count, tracked: resolver.watched });
    add('RIB queue', {
      waiting: rib.dirty,
      highWater: rib.dirtyHighWater,
      congestions: rib.stats.congestions,
    });
  }
  return out;
}

serveCommands(zebraCommands, zebra, side, { tasks: () => loop.stats(), queues: () => [queue.stats()], tables });

side.onStop(async how => {
  await server.close();
  namespaces?.close();
  if (how === 'end') plane.finishing();
  if (how === 'end' && !retain) {
    const { all } = zebra;
    const idle = (): boolean => all.every(one => one.idle);
    for (const one of all) one.withdraw();
    const deadline = performance.now() + WITHDRAW_MS;
    while (!idle() && performance.now() < deadline) await new Promise(resolve => setTimeout(resolve, 5));
    if (!idle()) {
      const { destinationsWaiting: waiting, destinationsInFlight: inFlight } = drift(zebra);
      log(
        `routes stay in the kernel: after ${WITHDRAW_MS / 1000} s ${waiting} prefixes wait for the dataplane and ${inFlight} are on their way`,
      );
    }
  }
  close();
  discovery.close();
  await Promise.all(Array.from(ethtools.values(), one => one.close()));
  ethtools.clear();
  loop.close();
});

// Clients are let in when the kernel's state is known; before that they would be told half of it.
zebra.onReady(() => {
  if (namespaces === undefined) letIn();
  else {
    namespaces.reconcile();
    namespaces.onSettled(letIn);
  }
});

function letIn(): void {
  server.listen().then(
    () => {
      loop.timer('sweep of earlier routes', () => zebra.sweep()).start(sweepMs);
      side.ready();
    },
    (error: unknown) => {
      setImmediate(() => {
        throw error;
      });
    },
  );
}
if (rehearsal !== undefined) rehearse(loop, rehearsal.channel, rehearsal.zserv);
zebra.start();
