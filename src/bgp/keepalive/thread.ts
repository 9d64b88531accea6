// Entry of the bgp-ka thread. Its data is `BgpChannels` (../io/channels.ts). It has no loop but this one: it sleeps in
// Atomics.wait until the next KEEPALIVE is due, and looks for messages from the parent several times a second.
import { threadSide } from '../../concurrency/index.ts';
import { commandSet, serveCommands } from '../../vty/index.ts';
import type { BgpChannels } from '../io/channels.ts';
import { Keeper } from './keeper.ts';

/** How long a message from the parent may have to wait: a status is wanted, or the end. */
const LOOK_MS = 50;

const side = threadSide<BgpChannels>();
const keeper = new Keeper(side.data);
serveCommands(commandSet<Keeper>(side.name, []), keeper, side);
side.ready();
while (!side.stopping) {
  keeper.sleep(LOOK_MS);
  side.poll();
}
