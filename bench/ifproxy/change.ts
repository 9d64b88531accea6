// One change at a time by another thread, and when the callback hears of it.
import { execFileSync } from 'node:child_process';
import { isMainThread, Worker, workerData } from 'node:worker_threads';
import { IfProxy } from '../../src/ifproxy/index.ts';
import {
  appendPath,
  encodeRoute,
  encodeRouteDelete,
  MessageBuffer,
  NetlinkSocket,
  rtnetlink as c,
} from '../../src/netlink/index.ts';
import { clockMonotonicUs } from '../../src/sys/index.ts';

interface Shared {
  readonly sent: Float64Array;
  readonly heard: Int32Array;
  readonly ifindex: number;
  readonly count: number;
}

if (isMainThread) {
  const count = Number(process.argv[2]);
  const library = new IfProxy();
  const proxy = library.create('tap1', { up: true });
  execFileSync('ip', ['addr', 'add', '10.0.0.1/24', 'dev', 'tap1']);
  library.bind({ name: 'port' }, proxy);
  const sent = new Float64Array(new SharedArrayBuffer(8));
  const heard = new Int32Array(new SharedArrayBuffer(4));
  const latencies: number[] = [];
  const hear = (event: { w0: number }): void => {
    if (event.w0 !== 0x14000000) return;
    latencies.push(clockMonotonicUs() - sent[0]!);
    Atomics.add(heard, 0, 1);
    Atomics.notify(heard, 0);
    if (latencies.length < count) return;
    // The first ones run through code that nobody has compiled.
    console.log(JSON.stringify(latencies.slice(count / 10)));
    library.close();
  };
  library.register({
    routeAdded: hear,
    routeDeleted: hear,
    configurationFinished: () => {
      const shared: Shared = { sent, heard, ifindex: proxy.info.ifindex, count };
      const worker = new Worker(new URL(import.meta.url), { workerData: shared });
      worker.unref();
    },
  });
  library.listen();
} else {
  const { sent, heard, ifindex, count } = workerData as Shared;
  const socket = new NetlinkSocket();
  const buffer = new MessageBuffer(256);
  const pause = new Int32Array(new SharedArrayBuffer(4));
  for (let i = 0; i < count; i++) {
    let size: number;
    if (i % 2 === 0) {
      size = encodeRoute(buffer, 0, socket.sequence(), c.NLM_F_CREATE, 2, 254, 0x14000000, 0, 0, 0, 24, 4, 1, 0, 0);
      size = appendPath(buffer, 0, size, ifindex, 2, 0x0a000002, 0, 0, 0, 0);
    } else size = encodeRouteDelete(buffer, 0, socket.sequence(), 0, 2, 254, 0x14000000, 0, 0, 0, 24, 4, 0);
    sent[0] = clockMonotonicUs();
    socket.send(buffer.bytes.subarray(0, size), size);
    Atomics.wait(heard, 0, i, 5000);
    // The listener's thread sleeps again.
    Atomics.wait(pause, 0, 0, 1);
  }
  socket.close();
}
