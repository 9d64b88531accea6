// Entry of the bgp-io thread. Its data is `BgpChannels` (channels.ts). It has no commands of its own, but is seen in
// `show event cpu` and `show memory`.
import { TaskLoop, threadSide } from '../../concurrency/index.ts';
import { commandSet, serveCommands } from '../../vty/index.ts';
import { type BgpChannels, channelTables } from './channels.ts';
import { IoLoop } from './io-loop.ts';

/** Connections being closed have this long to take their NOTIFICATION when the daemon stops. */
const STOP_MS = 1000;

const side = threadSide<BgpChannels>();
const loop = new TaskLoop(side.name);
const io = new IoLoop(loop, side.data);

serveCommands(commandSet<IoLoop>(side.name, []), io, side, {
  tasks: () => loop.stats(),
  tables: () => channelTables(side.data),
});
side.onStop(async () => {
  await io.stop(STOP_MS);
  loop.close();
});
side.ready();
