// Routes taken back one by one while their nexthop object stays, for others use it: zebra, with the real dataplane, beside a
// program that sends deletions which it encoded before, in the order in which the routes came, and the longest first. Prints one
// line of JSON. Run in a network namespace of its own (index.ts does): `withdraw.ts ROUTES`.
import { execFileSync } from 'node:child_process';
import { TaskLoop, Thread } from '../../src/concurrency/index.ts';
import {
  closeDataplaneChannel,
  createDataplaneChannel,
  DataplaneClient,
  dataplaneThread,
} from '../../src/dataplane/index.ts';
import { AF_INET } from '../../src/net/index.ts';
import {
  encodeRoute,
  encodeRouteDelete,
  MessageBuffer,
  NetlinkSocket,
  RECEIVE_EMPTY,
  rtnetlink as c,
} from '../../src/netlink/index.ts';
import { clockMonotonicUs } from '../../src/sys/index.ts';
import { gatewayNexthop, ROUTE_BGP } from '../../src/zebra/index.ts';
import { DataplanePlane } from '../../src/zebra/dataplane.ts';
import { runZebra } from '../../src/zebra/run.ts';
import { buildTable } from '../lib/table.ts';

const routes = Number(process.argv[2]);
const MAIN = 254;
const BGP = 186;
const METRIC = 20;
const OBJECT = 7;
const BATCH = 1024;
const GATEWAY = 0x0a000002;
/** Whose route stays: TEST-NET-3. */
const KEPT = 0xcb007100;

const ip = (...argv: string[]): string => execFileSync('ip', argv, { maxBuffer: 1 << 30 }).toString();
ip('link', 'set', 'lo', 'up');
ip('link', 'add', 'd0', 'type', 'veth', 'peer', 'name', 'e0');
for (const device of ['d0', 'e0']) ip('link', 'set', device, 'up');
ip('addr', 'add', '10.0.0.1/24', 'dev', 'd0');
const { addresses, lengths } = buildTable({ prefixes: routes, attributeSets: Math.max(1, routes / 7) });

function inKernel(): number {
  return ip('-4', 'route', 'show', 'proto', String(BGP)).split('\n').length - 1;
}

// The floor -----------------------------------------------------------------------------------------------------------------

type Encode = (buffer: MessageBuffer, at: number, sequence: number, flags: number, route: number) => number;

const install: Encode = (buffer, at, sequence, flags, i) =>
  encodeRoute(
    buffer,
    at,
    sequence,
    flags | c.NLM_F_CREATE | c.NLM_F_REPLACE,
    2,
    MAIN,
    addresses[i]!,
    0,
    0,
    0,
    lengths[i]!,
    BGP,
    1,
    METRIC,
    OBJECT,
  );
const remove: Encode = (buffer, at, sequence, flags, i) =>
  encodeRouteDelete(buffer, at, sequence, flags, 2, MAIN, addresses[i]!, 0, 0, 0, lengths[i]!, BGP, METRIC);

/** Seconds from the first message sent to the last one done. */
function send(order: Uint32Array, encode: Encode): number {
  const socket = new NetlinkSocket({ receiveBuffer: 4 << 20, sendBuffer: 1 << 20 });
  const batches: [MessageBuffer, number][] = [];
  for (let i = 0; i < routes; ) {
    const buffer = new MessageBuffer(131_072);
    let at = 0;
    for (let n = 0; n < BATCH && i < routes; n++, i++) {
      at += encode(buffer, at, i, n === BATCH - 1 || i === routes - 1 ? c.NLM_F_ACK : 0, order[i]!);
    }
    batches.push([buffer, at]);
  }
  const start = clockMonotonicUs();
  for (const [buffer, length] of batches) {
    socket.send(buffer.bytes, length);
    while (socket.receive() !== RECEIVE_EMPTY) {
      // The ACK; errors would show in the count.
    }
  }
  const seconds = (clockMonotonicUs() - start) / 1e6;
  socket.close();
  return seconds;
}

function floor(order: Uint32Array): number {
  ip('nexthop', 'add', 'id', String(OBJECT), 'via', '10.0.0.2', 'dev', 'd0');
  send(asAnnounced, install);
  const seconds = send(order, remove);
  const left = inKernel();
  if (left !== 0) throw new Error(`${left} of ${routes} routes are left`);
  ip('nexthop', 'del', 'id', String(OBJECT));
  return seconds;
}

const asAnnounced = Uint32Array.from({ length: routes }, (_, i) => i);
const longestFirst = asAnnounced.toSorted((a, b) => lengths[b]! - lengths[a]! || a - b);
const floors = { announced: floor(asAnnounced), longest: floor(longestFirst) };

// zebra ----------------------------------------------------------------------------------------------------------------------

const channel = createDataplaneChannel();
const thread = await Thread.start({ name: 'dplane', entry: dataplaneThread, data: { channel }, ownLoop: true });
const loop = new TaskLoop('zebra');
const { zebra, close } = runZebra(loop, new DataplanePlane(new DataplaneClient(channel)));
const turn = (): Promise<void> => new Promise(resolve => setImmediate(resolve));

async function settled(): Promise<void> {
  while (!(zebra.idle && zebra.rib.dirty === 0)) await turn();
}

zebra.start();
while (!zebra.ready) await turn();
const set = zebra.nexthops.intern(0, AF_INET, [gatewayNexthop(AF_INET, [GATEWAY, 0, 0, 0])], true);
zebra.nexthops.hold(set);
zebra.rib.add(0, AF_INET, KEPT, 0, 0, 0, 24, ROUTE_BGP, 0, 0, 20, 0, 0, set, 1);
for (let i = 0; i < routes; i++) {
  zebra.rib.add(0, AF_INET, addresses[i]!, 0, 0, 0, lengths[i]!, ROUTE_BGP, 0, 0, 20, 0, 0, set, 1);
  if ((i & 1023) === 1023) await turn();
  while (zebra.congested) await turn();
}
await settled();
if (inKernel() !== routes + 1) throw new Error(`the kernel has ${inKernel()} of ${routes + 1} routes`);
const start = clockMonotonicUs();
for (let i = 0; i < routes; i++) {
  zebra.rib.remove(0, AF_INET, addresses[i]!, 0, 0, 0, lengths[i]!, ROUTE_BGP, 0, -1, 1);
  if ((i & 1023) === 1023) await turn();
  while (zebra.congested) await turn();
}
await settled();
const zebraS = (clockMonotonicUs() - start) / 1e6;
const left = inKernel();
if (left !== 1) throw new Error(`${left} routes are left, not the one`);
close();
loop.close();
await thread.stop();
closeDataplaneChannel(channel);
console.log(JSON.stringify({ ...floors, zebra: zebraS }));
process.exit();
