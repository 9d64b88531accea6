// How near the dataplane comes to the kernel's own pace, what it notices meanwhile, and how fast it moves what it has.
// Prints one line of JSON. Run in a network namespace of its own (index.ts does).
//
//   floor       the same routes, encoded before the clock starts, 1,024 messages a send, by a program that does nothing else
//   dataplane   contexts from a pool, through the ring, the thread, the pipeline and the kernel provider, results read
//   link down   a cable is pulled again and again while the table goes in: from the kernel's announcement, as a process that does
//               nothing else reads it, to the client's poll
//   failover    the nexthop object under all routes is given another path: from the request to the first packet that leaves by it,
//               and to the result
import { execFileSync, spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { Thread } from '../../src/concurrency/index.ts';
import {
  closeDataplaneChannel,
  createDataplaneChannel,
  DataplaneClient,
  dataplaneThread,
  OP_LINK,
  OP_NEXTHOP_INSTALL,
  OP_ROUTE_INSTALL,
} from '../../src/dataplane/index.ts';
import {
  appendPath,
  encodeRoute,
  MessageBuffer,
  NetlinkSocket,
  RECEIVE_EMPTY,
  rtnetlink as c,
} from '../../src/netlink/index.ts';
import { check, clockMonotonicUs, encodeSocketAddress, libc, linux } from '../../src/sys/index.ts';
import { epochMs } from '../lib/kernel-links.ts';
import { buildTable } from '../lib/table.ts';

const [routes] = process.argv.slice(2).map(Number) as [number];
const CREATE = c.NLM_F_CREATE | c.NLM_F_REPLACE;
const MAIN = 254;
const BGP = 186;
const UNICAST = 1;
const METRIC = 20;
/** The object that routes name; its member is one of the two below. */
const GROUP = 7;
const PATHS = [
  { id: 8, gateway: 0x0a000002, device: 'd0' },
  { id: 9, gateway: 0x0a000102, device: 'd1' },
] as const;

export type Shape = 'gateway' | 'object';

const ip = (...argv: string[]): string => execFileSync('ip', argv, { maxBuffer: 1 << 30 }).toString();
const indexOf = (device: string): number =>
  (JSON.parse(ip('-j', 'link', 'show', device)) as { ifindex: number }[])[0]!.ifindex;
for (const [i, device] of ['d0', 'd1', 'flap'].entries()) {
  ip('link', 'add', device, 'type', 'veth', 'peer', 'name', `${device}p`);
  ip('link', 'set', device, 'up');
  ip('link', 'set', `${device}p`, 'up');
  ip('addr', 'add', `10.0.${i}.1/24`, 'dev', device);
  ip('neigh', 'add', `10.0.${i}.2`, 'lladdr', '02:00:00:00:00:01', 'dev', device, 'nud', 'permanent');
}
const ifindex = PATHS.map(path => indexOf(path.device));
const flapIndex = indexOf('flap');
const { addresses, lengths } = buildTable({ prefixes: routes, attributeSets: Math.max(1, routes / 7) });

function clear(): void {
  ip('nexthop', 'flush');
  ip('-4', 'route', 'flush', 'proto', String(BGP));
  for (const [i, path] of PATHS.entries())
    ip('nexthop', 'add', 'id', String(path.id), 'via', `10.0.${i}.2`, 'dev', path.device);
  ip('nexthop', 'add', 'id', String(GROUP), 'group', String(PATHS[0].id));
}

function verify(): void {
  const text = ip('-4', 'route', 'show', 'proto', String(BGP));
  let count = 0;
  for (let at = text.indexOf('\n'); at >= 0; at = text.indexOf('\n', at + 1)) count++;
  if (count !== routes) throw new Error(`the kernel has ${count} of ${routes} routes`);
}

/** Seconds. */
function floor(shape: Shape): number {
  const socket = new NetlinkSocket({ receiveBuffer: 4 << 20, sendBuffer: 1 << 20 });
  const buffers: [MessageBuffer, number][] = [];
  const object = shape === 'object' ? GROUP : 0;
  for (let i = 0; i < routes; ) {
    const buffer = new MessageBuffer(131_072);
    let at = 0;
    for (let n = 0; n < 1024 && i < routes; n++, i++) {
      const flags = n === 1023 || i === routes - 1 ? CREATE | c.NLM_F_ACK : CREATE;
      const a = addresses[i]!;
      let size = encodeRoute(buffer, at, i, flags, 2, MAIN, a, 0, 0, 0, lengths[i]!, BGP, UNICAST, METRIC, object);
      if (object === 0) size = appendPath(buffer, at, size, ifindex[0]!, 2, PATHS[0].gateway, 0, 0, 0, 0);
      at += size;
    }
    buffers.push([buffer, at]);
  }
  const start = clockMonotonicUs();
  for (const [buffer, length] of buffers) {
    socket.send(buffer.bytes, length);
    while (socket.receive() !== RECEIVE_EMPTY) {
      // The ACK; errors would show in the count.
    }
  }
  const seconds = (clockMonotonicUs() - start) / 1e6;
  socket.close();
  return seconds;
}

const channel = createDataplaneChannel();
const thread = await Thread.start({ name: 'dplane', entry: dataplaneThread, data: { channel }, ownLoop: true });
const client = new DataplaneClient(channel);
let done = 0;
let failed = 0;
const onResult = (pool: DataplaneClient['requests'], handle: number): void => {
  done++;
  if (pool.errno(handle) !== 0) failed++;
};
/** When the client saw the cable fall, in milliseconds since the epoch. */
const seenMs: number[] = [];
let wasUp = true;
const onNotification = (pool: DataplaneClient['requests'], handle: number): void => {
  if (pool.op(handle) !== OP_LINK) return;
  const link = pool.link(handle);
  if (link.ifindex !== flapIndex) return;
  const up = (link.flags & 0x10000) !== 0;
  if (wasUp && !up) seenMs.push(epochMs());
  wasUp = up;
};
const sleeper = new Int32Array(new SharedArrayBuffer(4));

function poll(): void {
  if (client.poll(4096, onResult, onNotification) === 0) Atomics.wait(sleeper, 0, 0, 0.2);
}

function dataplane(shape: Shape): number {
  while (client.poll(4096, onResult, onNotification) > 0) {
    // Notifications of the run before.
  }
  const pool = client.requests;
  const object = shape === 'object' ? GROUP : 0;
  done = 0;
  failed = 0;
  const start = clockMonotonicUs();
  for (let i = 0; done < routes; ) {
    for (let n = 0; n < 1024 && i < routes; n++) {
      const handle = client.allocate(OP_ROUTE_INSTALL);
      if (handle === 0) break;
      pool.setObject(handle, i, 1);
      pool.setRoute(handle, MAIN, 2, addresses[i]!, 0, 0, 0, lengths[i]!, BGP, UNICAST, METRIC, object);
      if (object === 0) pool.setPath(handle, ifindex[0]!, 2, PATHS[0].gateway, 0, 0, 0, 0, 1);
      client.enqueue(handle);
      i++;
    }
    client.flush();
    poll();
  }
  const seconds = (clockMonotonicUs() - start) / 1e6;
  if (failed > 0) throw new Error(`${failed} routes failed`);
  return seconds;
}

/** Packets that have left by a device. */
function sentBy(device: string): number {
  const line = readFileSync('/proc/net/dev', 'latin1')
    .split('\n')
    .find(text => text.trimStart().startsWith(`${device}:`));
  return Number(line!.split(':')[1]!.trim().split(/\s+/)[9]);
}

const udp = check(libc.socket(2, linux.SOCK_DGRAM | linux.SOCK_NONBLOCK | linux.SOCK_CLOEXEC, 0), 'socket');
const packet = new Uint8Array(18);

/**
 * Gives the group its other member. Milliseconds until a packet to one of the routes leaves by the new path, and until the
 * kernel has answered: it tells every listener of every route first (net.ipv4.nexthop_compat_mode).
 */
function failover(to: number): { movedMs: number; answeredMs: number } {
  const { device, id } = PATHS[to]!;
  const target = encodeSocketAddress({ family: 2, words: [addresses[routes >> 1]! + 1, 0, 0, 0], port: 9, scopeId: 0 });
  const before = sentBy(device);
  const handle = client.allocate(OP_NEXTHOP_INSTALL);
  client.requests.setNexthop(handle, GROUP, 0, 11);
  client.requests.setMembers(handle, [id], [1]);
  done = 0;
  failed = 0;
  const start = clockMonotonicUs();
  client.enqueue(handle);
  client.flush();
  let movedMs = 0;
  let answeredMs = 0;
  while (movedMs === 0 || answeredMs === 0) {
    if (movedMs === 0) {
      libc.sendto(udp, packet, packet.length, 0, target, target.length);
      if (sentBy(device) > before) movedMs = (clockMonotonicUs() - start) / 1000;
    }
    client.poll(4096, onResult, onNotification);
    if (done > 0 && answeredMs === 0) answeredMs = (clockMonotonicUs() - start) / 1000;
    if (clockMonotonicUs() - start > 30e6) throw new Error(`after 30 s nothing leaves by ${device}`);
  }
  if (failed > 0) throw new Error('the group was not replaced');
  return { movedMs, answeredMs };
}

const rates: Record<Shape, { floor: number[]; dataplane: number[] }> = {
  gateway: { floor: [], dataplane: [] },
  object: { floor: [], dataplane: [] },
};
const downs: number[] = [];
for (let round = 0; round < 2; round++) {
  for (const shape of ['gateway', 'object'] as const) {
    clear();
    rates[shape].floor.push(floor(shape));
    verify();
    clear();
    rates[shape].dataplane.push(dataplane(shape));
    verify();
  }
}
// Once more, with somebody who pulls the cable.
for (let round = 0; round < 2; round++) {
  clear();
  const puller = spawn(process.execPath, [new URL('puller.ts', import.meta.url).pathname, 'flap', 'flapp'], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  let said = '';
  puller.stdout.on('data', chunk => (said += String(chunk)));
  while (!said.includes('ready')) await new Promise(resolve => setTimeout(resolve, 5));
  puller.stdin.write('begin\n');
  seenMs.length = 0;
  dataplane('object');
  puller.stdin.write('end\n');
  await new Promise(resolve => puller.on('close', resolve));
  for (let i = 0; i < 100; i++) poll();
  const { downMs } = JSON.parse(said.slice(said.indexOf('{'))) as { downMs: number[] };
  if (downMs.length !== seenMs.length) throw new Error(`${downMs.length} falls, and ${seenMs.length} were seen`);
  for (const [i, at] of downMs.entries()) downs.push(Math.max(0, seenMs[i]! - at));
}
const moves: { movedMs: number; answeredMs: number }[] = [];
for (let i = 0; i < 10; i++) moves.push(failover((i + 1) % 2));
await thread.stop();
closeDataplaneChannel(channel);
console.log(JSON.stringify({ rates, downs, moves }));
process.exit();
