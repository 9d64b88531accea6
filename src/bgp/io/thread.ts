// Entry of the bgp-io thread. Its data is `BgpChannels` (channels.ts).
import { TaskLoop, threadSide } from '../../concurrency/index.ts';
import type { BgpChannels } from './channels.ts';
import { IoLoop } from './io-loop.ts';

/** Connections being closed have this long to take their NOTIFICATION when the daemon stops. */
const STOP_MS = 1000;

const side = threadSide<BgpChannels>();
const loop = new TaskLoop(side.name);
const io = new IoLoop(loop, side.data);

side.onRequest(() => loop.stats());
side.onStop(async () => {
  await io.stop(STOP_MS);
  loop.close();
});
side.ready();
