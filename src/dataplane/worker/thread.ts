// The worker of a threaded provider: its own queues (ProviderWork, as in the pipeline) between two rings, and Node's loop, so
// that the provider may use sockets and timers, or wait. It watches no descriptor of its own, so that it may be terminated
// at any moment.
import { workerData } from 'node:worker_threads';
import { Doorbell, HandleConsumer, HandleProducer } from '../../concurrency/index.ts';
import { FLAG_UNDO } from '../constants.ts';
import { ContextPool } from '../context.ts';
import type { ProviderModule } from '../load.ts';
import { ProviderWork } from '../provider.ts';
import {
  BROKEN,
  COMMAND_FINISH,
  COMMAND_FINISH_EARLY,
  COMMAND_NONE,
  FINISHED,
  RUNNING,
  WorkerLog,
  WorkerPage,
} from './channel.ts';
import type { ProviderWorkerData } from './stage.ts';

const HEARTBEAT_MS = 500;
const FINISH_POLL_MS = 10;

const { channel, id, name, module, settings } = workerData as ProviderWorkerData;
const page = new WorkerPage(channel.page);
const log = new WorkerLog(channel.log);
const dataplane = new Doorbell(channel.dataplaneBell);
const bell = new Doorbell(channel.workerBell);
const to = new HandleConsumer(channel.to);
const from = new HandleProducer(channel.from);
const pool = new ContextPool(channel.pool);
const notices = new ContextPool(channel.notices);
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
  if (page.state !== RUNNING) return;
  log.write(`its thread ended with exit code ${code}`);
  page.state = BROKEN;
  dataplane.ring();
});

const { default: make } = (await import(module)) as ProviderModule;
const provider = make({ name, ...settings });
const work = new ProviderWork(provider, id, pool, pool.limit);

/** What came is worked on, what is done goes back. True where more is to be done at once. */
function turn(): boolean {
  for (let handle = to.pop(); handle >= 0; handle = to.pop()) {
    if ((pool.flags(handle) & FLAG_UNDO) !== 0) work.enterUndo(handle);
    else work.enter(handle);
  }
  to.release();
  for (let handle = back.pop(); handle >= 0; handle = back.pop()) notices.free(handle);
  back.release();
  work.cycle();
  let done = 0;
  for (let handle = work.leave(); handle >= 0; handle = work.leave(), done++) from.push(handle);
  for (let handle = work.leaveUndone(); handle >= 0; handle = work.leaveUndone(), done++) from.push(handle);
  if (done > 0) {
    from.publish();
    dataplane.ring();
  }
  const status = provider.status?.();
  if (status !== undefined) page.setStatus(status);
  obey();
  return work.backlog;
}

function obey(): void {
  const { command } = page;
  if (command === COMMAND_NONE) return;
  page.command = COMMAND_NONE;
  if (command === COMMAND_FINISH_EARLY) provider.finish?.(true);
  else if (command === COMMAND_FINISH) {
    provider.finish?.(false);
    const poll = (): void => {
      if (provider.finished?.() ?? true) end(FINISHED);
      setTimeout(poll, FINISH_POLL_MS);
    };
    poll();
  }
}

async function run(): Promise<never> {
  for (;;) {
    while (turn()) await new Promise(resolve => setImmediate(resolve));
    bell.armWait();
    // What came between the turn and this is seen here, because whoever brings something rings after.
    if (to.length > 0 || back.length > 0 || page.command !== COMMAND_NONE) bell.disarm();
    else await bell.rung();
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
    fill(notices, handle);
    up.push(handle);
    up.publish();
    dataplane.ring();
    return true;
  },
});
page.state = RUNNING;
setInterval(() => page.beat(), HEARTBEAT_MS);
await run();
