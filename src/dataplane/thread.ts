// The dataplane thread: a loop of its own around poll(2), over zebra's doorbell, the kernel's notifications, timers and main's
// messages. Nothing in it waits for anything else.
import { PollLoop, threadSide } from '../concurrency/index.ts';
import { enterNetworkNamespace } from '../sys/index.ts';
import { commandHandler } from '../vty/index.ts';
import type { DataplaneChannel } from './channel.ts';
import { dataplaneCommands } from './commands.ts';
import { Dataplane } from './dataplane.ts';
import { rehearse } from './rehearsal.ts';

/** workerData of this thread. */
export interface DataplaneThreadData {
  readonly channel: DataplaneChannel;
  /** Contexts that zebra rehearses with (rehearsal.ts). */
  readonly rehearsal?: DataplaneChannel;
  /** KIND_* bits of what zebra wants to be told; all unless told. */
  readonly kinds?: number;
  /** Bytes that the kernel may hold of events not yet read. */
  readonly receiveBuffer?: number;
  /** Path of the network namespace to work in; the process's own unless told. */
  readonly namespace?: string;
}

const side = threadSide<DataplaneThreadData>();
const { channel, rehearsal, namespace, kinds, receiveBuffer } = side.data;
if (namespace !== undefined) enterNetworkNamespace(namespace);
const loop = new PollLoop(side.name);
const dataplane = new Dataplane(channel, {
  ...(kinds === undefined ? {} : { kinds }),
  ...(receiveBuffer === undefined ? {} : { receiveBuffer }),
});
dataplane.attach(loop);

const answer = commandHandler(dataplaneCommands, dataplane, {
  tasks: () => loop.stats(),
  tables: () => dataplane.tables(),
});
side.onRequest(answer);
side.onStop(() => dataplane.close());
if (rehearsal !== undefined) rehearse(loop, rehearsal);
loop.doorbell('control', side.bell, () => side.poll() > 0);
side.ready();
loop.run();
