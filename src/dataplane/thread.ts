// The dataplane thread: a loop of its own around poll(2), over zebra's doorbell, the kernel's notifications, timers and main's
// messages. Nothing in it waits for anything else.
import { PollLoop, threadSide } from '../concurrency/index.ts';
import { enterNetworkNamespace } from '../sys/index.ts';
import { commandHandler } from '../vty/index.ts';
import type { DataplaneChannel } from './channel.ts';
import { dataplaneCommands } from './commands.ts';
import { Dataplane, type DataplaneSettings } from './dataplane.ts';
import { rehearse } from './rehearsal.ts';

/** workerData of this thread. */
export interface DataplaneThreadData {
  readonly channel: DataplaneChannel;
  /** Contexts that zebra rehearses with (rehearsal.ts). */
  readonly rehearsal?: DataplaneChannel;
  /** Providers that kept the thread in a life before. */
  readonly hung?: readonly string[];
  /** KIND_* bits of what zebra wants to be told; all unless told. */
  readonly kinds?: number;
  /** Bytes that the kernel may hold of events not yet read. */
  readonly receiveBuffer?: number;
  /** Path of the network namespace to work in; the process's own unless told. */
  readonly namespace?: string;
}

/** For what is under way when the thread is told to end, and for providers to let go. */
const FINISH_MS = 5000;

const side = threadSide<DataplaneThreadData>();
const { channel, rehearsal, namespace, kinds, receiveBuffer, hung } = side.data;
if (namespace !== undefined) enterNetworkNamespace(namespace);
const loop = new PollLoop(side.name);
const settings: DataplaneSettings = {
  ...(kinds === undefined ? {} : { kinds }),
  ...(receiveBuffer === undefined ? {} : { receiveBuffer }),
  ...(hung === undefined ? {} : { hung }),
  log: text => side.post(text),
};
const dataplane = new Dataplane(channel, settings);
dataplane.attach(loop);

const answer = commandHandler(dataplaneCommands, dataplane, {
  tasks: () => loop.stats(),
  tables: () => dataplane.tables(),
});
side.onRequest(answer);
side.onStop(() => {
  const left = dataplane.finish(FINISH_MS);
  if (left !== undefined) side.post(`the dataplane ends with ${left} left`);
});
if (rehearsal !== undefined) rehearse(loop, rehearsal);
loop.doorbell('control', side.bell, () => side.poll() > 0);
side.ready();
loop.run();
