// The dataplane's thread, as in src/dataplane/thread.ts, with a threaded follower.
import { fileURLToPath } from 'node:url';
import { PollLoop, threadSide } from '../../src/concurrency/index.ts';
import { Dataplane, type DataplaneChannel, loadProvider } from '../../src/dataplane/index.ts';

const side = threadSide<{ channel: DataplaneChannel; follower: string }>();
const { channel, follower } = side.data;
const loop = new PollLoop(side.name);
const dataplane = new Dataplane(channel, {
  providers: [
    loadProvider({
      name: 'follower',
      module: fileURLToPath(new URL('./follower-module.ts', import.meta.url)),
      priority: 'post-kernel',
      threaded: true,
      follower: true,
      slots: 64,
      settings: { path: follower },
    }),
  ],
  log: text => side.post(text),
});
dataplane.attach(loop);
side.onStop(() => dataplane.close());
loop.doorbell('control', side.bell, () => side.poll() > 0);
side.ready();
loop.run();
