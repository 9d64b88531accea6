// A table of routes that is there before anybody listens: from `listen` to `configurationFinished`, each route in a callback; beside it
// the kernel's dump alone. The process is fresh, so nothing of it has been compiled before.
import { execFileSync } from 'node:child_process';
import { IfProxy } from '../../src/ifproxy/index.ts';
import {
  appendPath,
  dumpRequest,
  encodeRoute,
  NetlinkBatch,
  NetlinkSocket,
  readDump,
  rtnetlink as c,
} from '../../src/netlink/index.ts';

const count = Number(process.argv[2]);

const ip = (...argv: string[]): void => void execFileSync('ip', argv);
const library = new IfProxy();
const proxy = library.create('tap1', { up: true });
library.bind({ name: 'port' }, proxy);
ip('addr', 'add', '10.0.0.1/24', 'dev', 'tap1');

const socket = new NetlinkSocket({ receiveBuffer: 4 << 20, sendBuffer: 4 << 20 });
const batch = new NetlinkBatch(socket);
const { ifindex } = proxy.info;
for (let i = 0; i < count; i++) {
  if (!batch.fits(128)) {
    batch.send();
    batch.reset();
  }
  const { buffer, offset, sequence } = batch;
  const w0 = (0x14000000 + (i << 8)) >>> 0;
  const size = encodeRoute(buffer, offset, sequence, c.NLM_F_CREATE, 2, 254, w0, 0, 0, 0, 24, 4, 1, 0, 0);
  batch.commit(appendPath(buffer, offset, size, ifindex, 2, 0x0a000002, 0, 0, 0, 0));
}
batch.send();
socket.close();

function dump(): number {
  const reader = new NetlinkSocket({ receiveBuffer: 1 << 20 });
  const began = performance.now();
  readDump(
    reader,
    dumpRequest(c.RTM_GETROUTE, 2),
    () => {},
    () => {},
  );
  const took = performance.now() - began;
  reader.close();
  return took;
}
dump();
const dumpMs = dump();

let routes = 0;
const memory = process.memoryUsage().rss;
const began = performance.now();
library.register({
  routeAdded: () => {
    routes++;
  },
  configurationFinished: () => {
    const picture = performance.now() - began;
    const mebibytes = (process.memoryUsage().rss - memory) / 2 ** 20;
    if (routes < count) throw new Error(`${routes} of ${count} routes were told`);
    console.log(JSON.stringify({ dump: dumpMs, picture, mebibytes }));
    library.close();
  },
});
library.listen();
