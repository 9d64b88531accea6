// How near the dataplane comes to the kernel's own pace.
//
//   floor       the same routes, encoded before the clock starts, 1,024 messages a send
//   dataplane   contexts from a pool, through the ring, the thread, the pipeline and the kernel provider, results read
//
// 200,000 prefixes of mixed lengths as on the Internet, ascending, through one nexthop object, in a namespace of its own. Both
// run twice, in turns, and the better run of each counts; every run starts with an empty table and ends with a count by ip(8).
import { summary } from './lib/report.ts';
import { execFileSync } from 'node:child_process';
import { Thread } from '../src/concurrency/index.ts';
import {
  closeDataplaneChannel,
  createDataplaneChannel,
  DataplaneClient,
  dataplaneThread,
  OP_ROUTE_INSTALL,
} from '../src/dataplane/index.ts';
import {
  BATCH_CONFIRMED,
  encodeNexthop,
  encodeRoute,
  MessageBuffer,
  NetlinkBatch,
  NetlinkSocket,
  RECEIVE_EMPTY,
  rtnetlink as c,
} from '../src/netlink/index.ts';
import { check, clockMonotonicUs, libc, linux } from '../src/sys/index.ts';

const TOTAL = Number(process.argv[2] ?? 200_000);
const CREATE = c.NLM_F_CREATE | c.NLM_F_REPLACE;

check(libc.unshare(linux.CLONE_NEWNET), 'unshare', 'needs root');
const namespace = `/proc/self/task/${libc.gettid()}/ns/net`;
const ip = (...argv: string[]): string =>
  execFileSync('nsenter', [`--net=/proc/${process.pid}/task/${libc.gettid()}/ns/net`, 'ip', ...argv], {
    maxBuffer: 1 << 28,
  }).toString();
ip('link', 'add', 'd0', 'type', 'bridge');
ip('link', 'set', 'd0', 'up');
ip('addr', 'add', '10.0.0.1/24', 'dev', 'd0');
const ifindex = (JSON.parse(ip('-j', 'link', 'show', 'd0')) as { ifindex: number }[])[0]!.ifindex;

// 60 % /24, then /22 /23 /21 /20 /19 /18 /16; ascending and apart.
const shares: [number, number][] = [
  [24, 60],
  [22, 12],
  [23, 9],
  [21, 6],
  [20, 5],
  [19, 4],
  [18, 2],
  [16, 2],
];
const words = new Uint32Array(TOTAL);
const lengths = new Uint8Array(TOTAL);
const drawn: number[] = [];
for (const [length, share] of shares) for (let i = 0; i < share; i++) drawn.push(length);
let next = 0x0b000000;
for (let i = 0, state = 1; i < TOTAL; i++) {
  state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0;
  const length = drawn[(state >>> 8) % 100]!;
  const size = 2 ** (32 - length);
  next = Math.ceil(next / size) * size;
  words[i] = next;
  lengths[i] = length;
  next += size;
}
if (next > 0xe0000000) throw new Error(`${TOTAL} prefixes do not fit below 224.0.0.0`);

const socket = new NetlinkSocket({ receiveBuffer: 4 << 20, sendBuffer: 1 << 20 });

function object(): void {
  const batch = new NetlinkBatch(socket);
  batch.commit(
    encodeNexthop(batch.buffer, 0, batch.sequence, CREATE, 7, 2, 11, ifindex, 2, 0x0a000002, 0, 0, 0, false, false),
  );
  if (batch.send() !== BATCH_CONFIRMED || batch.errors[0] !== 0)
    throw new Error(`nexthop object: errno ${batch.errors[0]}`);
}

function clear(): void {
  // All routes go with their object.
  ip('nexthop', 'flush');
  object();
}

function verify(): void {
  const count = ip('-4', 'route', 'show', 'proto', '186').split('\n').length - 1;
  if (count !== TOTAL) throw new Error(`the kernel has ${count} of ${TOTAL} routes`);
}

function floor(): number {
  const buffers: [MessageBuffer, number][] = [];
  for (let i = 0; i < TOTAL; ) {
    const buffer = new MessageBuffer(65_536);
    let at = 0;
    for (let n = 0; n < 1024 && i < TOTAL; n++, i++) {
      const flags = n === 1023 || i === TOTAL - 1 ? CREATE | c.NLM_F_ACK : CREATE;
      at += encodeRoute(buffer, at, i, flags, 2, 254, words[i]!, 0, 0, 0, lengths[i]!, 186, 1, 20, 7);
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
  return (clockMonotonicUs() - start) / 1e6;
}

const channel = createDataplaneChannel();
const thread = await Thread.start({
  name: 'dplane',
  entry: dataplaneThread,
  data: { channel, namespace },
  ownLoop: true,
});
const client = new DataplaneClient(channel);
let done = 0;
let failed = 0;
const onResult = (pool: DataplaneClient['requests'], handle: number): void => {
  done++;
  if (pool.errno(handle) !== 0) failed++;
};
const ignore = (): void => undefined;
const sleepers = new Int32Array(new SharedArrayBuffer(4));

function dataplane(): number {
  while (client.poll(4096, ignore, ignore) > 0) {
    // Notifications of the run before.
  }
  const pool = client.requests;
  done = 0;
  failed = 0;
  const start = clockMonotonicUs();
  for (let i = 0; done < TOTAL; ) {
    for (let n = 0; n < 2048 && i < TOTAL; n++) {
      const handle = client.allocate(OP_ROUTE_INSTALL);
      if (handle === 0) break;
      pool.setObject(handle, i, 1);
      pool.setRoute(handle, 254, 2, words[i]!, 0, 0, 0, lengths[i]!, 186, 1, 20, 7);
      client.enqueue(handle);
      i++;
    }
    client.flush();
    if (client.poll(4096, onResult, ignore) === 0) Atomics.wait(sleepers, 0, 0, 1);
  }
  const seconds = (clockMonotonicUs() - start) / 1e6;
  if (failed > 0) throw new Error(`${failed} routes failed`);
  return seconds;
}

const best: Record<string, number> = {};
const leastCpu: Record<string, number> = {};
for (let round = 0; round < 2; round++) {
  for (const [name, run] of [
    ['floor', floor],
    ['dataplane', dataplane],
  ] as const) {
    clear();
    const cpuBefore = process.cpuUsage();
    const seconds = run();
    const { user, system } = process.cpuUsage(cpuBefore);
    const cpu = (user + system) / 1e6;
    verify();
    const rate = Math.round(TOTAL / seconds / 1000);
    console.log(`${name.padEnd(10)} ${seconds.toFixed(3)} s   ${cpu.toFixed(3)} CPU s   ${rate} k routes/s`);
    leastCpu[name] = Math.min(leastCpu[name] ?? Number.POSITIVE_INFINITY, cpu);
    best[name] = Math.min(best[name] ?? Number.POSITIVE_INFINITY, seconds);
  }
}
// CPU time is all threads', and holds on a busy machine, where wall-clock time does not.
const ratio = best.dataplane! / best.floor!;
const cpuRatio = leastCpu.dataplane! / leastCpu.floor!;
console.log(`dataplane / floor = ${ratio.toFixed(3)} of time, ${cpuRatio.toFixed(3)} of CPU time`);
await thread.stop();
closeDataplaneChannel(channel);
socket.close();
summary('netlink-batch', [{ name: 'dataplane', value: ratio, most: 1.25, unit: ' × floor' }]);
