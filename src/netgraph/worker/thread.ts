// A worker: packets run here. Its loop waits for nothing while it is online, and takes no lock ever.
//
//    ┌▶ timers ─▶ each source: poll, run to completion, pause ─▶ packets of other workers ─▶ loops of nodes ─▶ pause ┐
//    │                                                              nothing to do                                    │
//    └───────── online, commits ◀── poll(2): sources' descriptors, bell, next timer ◀── offline, counters shown ◀────┘
//
// In a pause the worker says that it is quiescent, and does the commits that there are (commits.ts, `Pause`).
import {
  type Doorbell,
  Doorbell as Bell,
  add,
  load,
  QsbrReader,
  sub,
  threadSide,
  wait,
  words,
} from '../../concurrency/index.ts';
import { E, enterNetworkNamespace, errno, libc, SysError } from '../../sys/index.ts';
import { standardTypes } from '../node/standard.ts';
import { Packets } from '../packet/packets.ts';
import { CommitReader, Pause } from './commits.ts';
import { Exchange } from './exchange.ts';
import { doActions } from './plan.ts';
import { Runtime } from './runtime.ts';
import { type Down, TALK_LIMIT, type WorkerThreadData } from './thread-data.ts';

const POLLIN = 1;
/** Milliseconds between looks for what main posts, under load: an idle worker is rung. */
const LISTEN_MS = 1;
/** Milliseconds that memory may be later than the commit that names it. */
const ANNOUNCE_MS = 5000;

const side = threadSide<WorkerThreadData>();
const data = side.data;
const { worker, workers, shape } = data;
if (data.namespace !== undefined) enterNetworkNamespace(data.namespace);

const bells: Doorbell[] = data.bells.map(memory => new Bell(memory));
const bell = bells[worker]!;
const exchange = new Exchange(data.exchange, worker, shape.perWorker, to => bells[to]!.ring());
const packets = new Packets(data.packets, shape, worker, exchange);
if (data.successor) {
  const mine = new Set<number>();
  exchange.reclaim(handle => mine.add(handle));
  packets.restore(handle => mine.has(handle));
}
const nap = words(new SharedArrayBuffer(4), 0, 1);
const announced = new Map(data.announced);
const talk = words(data.talk, 0, data.talk.byteLength / 4);
const told = 2 * worker * 32;
const said = told + 32;

const runtime = new Runtime(
  {
    worker,
    workers,
    packets,
    memory: data.memory,
    announced(id) {
      // It was posted before the commit that names it; to a worker that has just begun, as soon as that is known to be ready.
      for (let ms = 0; !announced.has(id) && ms < ANNOUNCE_MS; ms++) if (side.poll() === 0) wait(nap, 0, 0, 1);
      const memory = announced.get(id);
      if (!memory) throw new Error(`memory ${id} was never announced`);
      return memory;
    },
    clock: () => performance.now(),
    tell(node, value) {
      if (load(talk, told) >= TALK_LIMIT) return false;
      add(talk, told, 1);
      side.post({ kind: 'tell', node, value });
      return true;
    },
    showFree: free => exchange.show(free),
    cross: (to, hook, handles, count) => exchange.cross(to, hook, handles, count),
    failed: (node, error) => side.post({ kind: 'failed', node, error }),
  },
  standardTypes,
);
const commits = new CommitReader(data.commits, data.ring, worker);
const qsbr = new QsbrReader(data.qsbr, worker);
const pause = new Pause(qsbr, commits, (bytes, offset, size) => {
  doActions(runtime, bytes, offset, size);
  pollfds = undefined;
});

/** What nodes were said and did not take yet, in order. */
const heard: Extract<Down, { kind: 'say' }>[] = [];

/** Hands on what nodes were said, up to what one can not take now. */
function listen(): void {
  // It was said after the commit of what it is said to.
  pause.catchUp();
  let done = 0;
  while (done < heard.length && runtime.heard(heard[done]!.node, heard[done]!.value)) done++;
  heard.splice(0, done);
  if (done > 0) sub(talk, said, done);
}

side.onMessage(body => {
  const message = body as Down;
  switch (message.kind) {
    case 'announce':
      announced.set(message.id, message.memory);
      break;
    case 'forget':
      announced.delete(message.id);
      break;
    case 'say':
      // Not at once: it may be that a commit is being done.
      heard.push(message);
      break;
    case 'die':
      throw new Error('told to die');
  }
});
side.onStop(() => {
  runtime.close();
  exchange.flush();
  qsbr.close();
});

const arrived = (hook: number, handles: Int32Array, count: number): void => {
  // Who sent it may have done a commit that is new to us.
  pause.catchUp();
  runtime.arrive(hook, handles, count);
  if (runtime.busy) runtime.run();
};
const freed = (handles: Int32Array, count: number): void => packets.releaseMany(handles, count);

/** Descriptors of poll(2): the two bells, then the sources'. */
let pollfds:
  | { readonly bytes: Uint8Array; readonly words: Int32Array; readonly halves: Int16Array; readonly count: number }
  | undefined;

function layOut(): NonNullable<typeof pollfds> {
  const fds = [bell.fd, side.bell.fd, ...runtime.fds];
  const bytes = new Uint8Array(8 * fds.length);
  const made = {
    bytes,
    words: new Int32Array(bytes.buffer),
    halves: new Int16Array(bytes.buffer),
    count: fds.length,
  };
  fds.forEach((fd, i) => {
    made.words[2 * i] = fd;
    made.halves[4 * i + 2] = POLLIN;
  });
  return (pollfds = made);
}

/** Sleeps until there is something to do. Offline: the graph may change meanwhile, and nobody waits for this worker. */
function sleep(): void {
  if (runtime.look() > 0) return;
  runtime.show();
  exchange.flush();
  bell.arm();
  side.bell.arm();
  // Whoever published before the flag was up did not ring.
  const idle =
    !commits.pending && !exchange.pending && side.poll() === 0 && !side.stopping && !runtime.busy && heard.length === 0;
  if (idle) {
    const { due } = runtime;
    const ms = due === Number.POSITIVE_INFINITY ? -1 : Math.max(0, Math.ceil(due - performance.now()));
    const { bytes, halves, count } = pollfds ?? layOut();
    pause.away(() => {
      const ready = libc.poll(bytes, count, ms);
      // Before the commits that woke it are done: they and what comes after them are of this time, not of when it fell asleep.
      runtime.readClock();
      if (ready < 0 && errno() !== E.EINTR) throw new SysError('poll', errno());
      if (ready <= 0) return;
      if (halves[3]! !== 0) bell.answer();
      if (halves[7]! !== 0) side.bell.answer();
    });
  }
  bell.disarm();
  side.bell.disarm();
}

function run(): void {
  let listened = 0;
  pause.begin();
  while (!side.stopping) {
    let found = runtime.begin();
    // A commit may change what sources there are: then one may have no turn in this round, or two.
    for (let i = 0; i < runtime.sources.length; i++) {
      found += runtime.turn(runtime.sources[i]!, data.vector);
      pause.between();
    }
    if (workers > 1) {
      found += exchange.drain(arrived, freed);
      exchange.flush();
    }
    // A loop of nodes goes on, a piece a round.
    if (runtime.busy) {
      runtime.run();
      found++;
    }
    pause.between();
    if (runtime.nowMs - listened > LISTEN_MS) {
      listened = runtime.nowMs;
      side.poll();
    }
    if (heard.length > 0) {
      listen();
      found++;
    }
    if (found === 0 && !commits.pending && !runtime.mustPoll) sleep();
  }
}

side.ready();
run();
