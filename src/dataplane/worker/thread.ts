// The worker of a threaded provider: its own queues (ProviderWork, as in the pipeline) between two rings, and Node's loop, so
// that the provider may use sockets and timers, or wait. Contexts come in the order in which the stage took them, and go back in
// the order in which they were finished, which is to be the same. It watches no descriptor of its own, so that it may be terminated
// at any moment, once it has loaded what is above.
import { workerData } from 'node:worker_threads';
import { Doorbell, HandleConsumer, HandleProducer } from '../../concurrency/index.ts';
import { contextPool } from '../checked-pool.ts';
import type { ProviderModule } from '../load.ts';
import { operationName } from '../operation.ts';
import { ProviderWork } from '../provider.ts';
import {
  BROKEN,
  COMMAND_ABANDON,
  COMMAND_FINISH,
  COMMAND_FINISH_EARLY,
  FINISHED,
  RUNNING,
  STARTING,
  WorkerLog,
  WorkerPage,
} from './channel.ts';
import type { ProviderWorkerData } from './stage.ts';

const FINISH_POLL_MS = 10;

const { channel, id, name, module, settings, heartbeatMs } = workerData as ProviderWorkerData;
const page = new WorkerPage(channel.page);
page.state = STARTING;
if ((page.commands & COMMAND_ABANDON) !== 0) process.exit();
const log = new WorkerLog(channel.log);
const dataplane = new Doorbell(channel.dataplaneBell);
const bell = new Doorbell(channel.workerBell);
const to = new HandleConsumer(channel.to);
const from = new HandleProducer(channel.from);
const pool = contextPool(channel.pool);
const notices = contextPool(channel.notices);
const up = new HandleProducer(channel.up);
const back = new HandleConsumer(channel.back);

/** The end for a reason: the last line of the log says it. */
function end(state: number, reason?: string): never {
  if (reason !== undefined) log.write(reason);
  page.state = state;
  dataplane.ring();
  process.exit();
}

process.on('uncaughtException', error => end(BROKEN, `it failed: ${error.message}`));
process.on('unhandledRejection', error =>
  end(BROKEN, `it failed: ${error instanceof Error ? error.message : String(error)}`),
);
// A provider that calls process.exit() is as good as one that throws.
process.on('exit', code => {
  if (page.state === BROKEN || page.state === FINISHED) return;
  log.write(`its thread ended with exit code ${code}`);
  page.state = BROKEN;
  dataplane.ring();
});

const { default: make } = (await import(module)) as ProviderModule;
const provider = make({ name, ...settings });
if (provider.observe !== undefined) log.write('it observes nothing: that is for one in the dataplane thread');
let done = 0;
const work = new ProviderWork(provider, id, pool, pool.limit, handle => {
  from.push(handle);
  done++;
});
let obeyed = 0;

function flush(): void {
  if (done === 0) return;
  done = 0;
  from.publish();
  dataplane.ring();
}

/** What came is worked on, what is done goes back. True where more is to be done at once. */
function turn(): boolean {
  for (let handle = to.pop(); handle >= 0; handle = to.pop()) work.enter(handle);
  to.release();
  for (let handle = back.pop(); handle >= 0; handle = back.pop()) notices.free(handle);
  back.release();
  work.cycle();
  flush();
  const status = provider.status?.();
  if (status !== undefined) page.setStatus(status);
  obey();
  return work.backlog;
}

function obey(): void {
  const { commands } = page;
  const fresh = commands & ~obeyed;
  obeyed = commands;
  if ((fresh & COMMAND_FINISH_EARLY) !== 0) provider.finish?.(true);
  if ((fresh & COMMAND_FINISH) === 0) return;
  provider.finish?.(false);
  const poll = (): void => {
    flush();
    if (work.count === 0 && (provider.finished?.() ?? true)) end(FINISHED);
    setTimeout(poll, FINISH_POLL_MS);
  };
  poll();
}

async function run(): Promise<never> {
  for (;;) {
    while (turn()) await new Promise(resolve => setImmediate(resolve));
    bell.armWait();
    // What came between the turn and this is seen now, because whoever brings something rings after.
    if (turn()) {
      bell.disarm();
      continue;
    }
    const wakeMs = provider.wakeInMs?.() ?? -1;
    const timer = wakeMs < 0 ? undefined : setTimeout(() => bell.ring(), wakeMs);
    await bell.rung();
    clearTimeout(timer);
  }
}

provider.start?.({
  id,
  bell: channel.workerBell,
  log: text => {
    log.write(text);
    dataplane.ring();
  },
  replay: () => {
    page.askReplay();
    dataplane.ring();
  },
  notify: (op, fill) => {
    const handle = notices.allocate(op);
    if (handle === 0) return false;
    try {
      fill(notices, handle);
      if (notices.next(handle) !== 0) throw new Error(`a notification of more than one slot: ${operationName(op)}`);
    } catch (error) {
      notices.free(handle);
      throw error;
    }
    up.push(handle);
    up.publish();
    dataplane.ring();
    return true;
  },
});
page.state = RUNNING;
dataplane.ring();
setInterval(() => page.beat(), heartbeatMs);
await run();
