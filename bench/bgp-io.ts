// What the way through bgp-io costs: 25 MB of UPDATEs from a sender thread over loopback TCP
//   1. to a bare recv(2) loop that throws them away (the floor), and
//   2. through bgp-io: socket → framing → ring → the bgp thread's transport, which sees each message.
// Both receivers run in a thread of their own, as the daemon does. Prints MB/s of each (median of five) and the ratio.
//
//   node bench/bgp-io.ts
import { summary } from './lib/report.ts';
import { once } from 'node:events';
import { Worker, isMainThread, parentPort, workerData } from 'node:worker_threads';
import { closeBgpChannels, createBgpChannels } from '../src/bgp/io/channels.ts';
import { createTransport } from '../src/bgp/io/transport.ts';
import type { SocketAddress } from '../src/bgp/io/types.ts';
import { TaskLoop, Thread } from '../src/concurrency/index.ts';
import {
  acceptSocket,
  bindSocket,
  clockMonotonicUs,
  closeFd,
  connectSocket,
  errno,
  E,
  libc,
  linux,
  listenSocket,
  localAddress,
  openTcp,
} from '../src/sys/index.ts';

const TOTAL_BYTES = 25_000_000;
const UPDATE_BYTES = 150; // about what a full table has: 6.7 prefixes an attribute set
const RUNS = 5;
const LOOPBACK: SocketAddress = { family: 2, words: [0x7f000001, 0, 0, 0], port: 0, scopeId: 0 };

interface Job {
  role: 'send' | 'recv';
  port: number;
}

const count = Math.floor(TOTAL_BYTES / UPDATE_BYTES);
const bytesOfAll = count * UPDATE_BYTES;

function blocking(fd: number): void {
  libc.fcntl(fd, linux.F_SETFL, libc.fcntl(fd, linux.F_GETFL, 0) & ~linux.O_NONBLOCK);
}

/** Sends every UPDATE, as fast as the socket takes them, then waits for the other side to close. */
function sender(port: number): void {
  const stream = new Uint8Array(bytesOfAll);
  for (let i = 0; i < count; i++) {
    const at = i * UPDATE_BYTES;
    stream.fill(0xff, at, at + 16);
    stream[at + 17] = UPDATE_BYTES;
    stream[at + 18] = 2;
  }
  const fd = openTcp(LOOPBACK.family);
  blocking(fd);
  connectSocket(fd, { ...LOOPBACK, port });
  parentPort!.postMessage(clockMonotonicUs());
  for (let at = 0; at < stream.length; ) at += Math.max(0, libc.send(fd, stream.subarray(at), stream.length - at, 0));
  libc.recv(fd, new Uint8Array(1), 1, 0);
  closeFd(fd);
}

/** The floor: receives and counts. */
function receiver(): void {
  const listener = openTcp(LOOPBACK.family);
  bindSocket(listener, LOOPBACK);
  listenSocket(listener);
  blocking(listener);
  parentPort!.postMessage(localAddress(listener)!.port);
  const { fd } = acceptSocket(listener)!;
  blocking(fd);
  const buffer = new Uint8Array(256 * 1024);
  for (let seen = 0; seen < bytesOfAll; ) {
    const size = libc.recv(fd, buffer, buffer.length, 0);
    if (size < 0 && errno() !== E.EINTR) throw new Error(`recv: errno ${errno()}`);
    seen += size;
  }
  parentPort!.postMessage(clockMonotonicUs());
  closeFd(fd);
  closeFd(listener);
}

function start(job: Job): Worker {
  return new Worker(new URL(import.meta.url), { workerData: job });
}

async function message(worker: Worker): Promise<number> {
  return ((await once(worker, 'message')) as [number])[0];
}

async function floor(): Promise<number> {
  const to = start({ role: 'recv', port: 0 });
  const from = start({ role: 'send', port: await message(to) });
  const done = message(to);
  const begin = await message(from);
  const ended = Promise.all([once(from, 'exit'), once(to, 'exit')]);
  const us = (await done) - begin;
  await ended; // by themselves: a thread that waits in a system call cannot be terminated
  return us;
}

async function through(): Promise<number> {
  const channels = createBgpChannels();
  const thread = await Thread.start({
    name: 'bgp-io',
    entry: new URL('../src/bgp/io/thread.ts', import.meta.url),
    data: channels,
  });
  const loop = new TaskLoop('bench');
  const transport = createTransport(loop, channels);
  let seen = 0;
  const done = Promise.withResolvers<number>();
  const port = Promise.withResolvers<number>();
  const listener = transport.listen(
    { local: LOOPBACK },
    {
      listening: () => port.resolve(listener.local.port),
      failed: failure => port.reject(new Error(failure.code)),
      accepted(connection) {
        connection.events = {
          connected() {},
          failed() {},
          headerError: error => done.reject(new Error(`header error ${error.subcode}`)),
          closed() {},
          writable() {},
          probed() {},
          message(_type, _bytes, _offset, length) {
            seen += length + 19;
            if (seen === bytesOfAll) {
              done.resolve(clockMonotonicUs());
              connection.close();
            }
          },
        };
      },
    },
  );
  const from = start({ role: 'send', port: await port.promise });
  const begin = await message(from);
  const ended = once(from, 'exit');
  const us = (await done.promise) - begin;
  listener.close();
  await ended;
  loop.close();
  await thread.stop();
  closeBgpChannels(channels);
  return us;
}

const median = (values: number[]): number => values.toSorted((a, b) => a - b)[values.length >> 1]!;

if (isMainThread) {
  const floors: number[] = [];
  const ways: number[] = [];
  for (let i = 0; i < RUNS; i++) {
    floors.push(await floor());
    ways.push(await through());
  }
  const rate = (us: number): string => `${(bytesOfAll / us).toFixed(0)} MB/s, ${(us / 1000).toFixed(1)} ms`;
  console.log(`${count} UPDATEs of ${UPDATE_BYTES} bytes, ${(bytesOfAll / 1e6).toFixed(1)} MB, median of ${RUNS}`);
  console.log(`bare recv loop     ${rate(median(floors))}`);
  console.log(`through bgp-io     ${rate(median(ways))}`);
  console.log(`ratio              ${(median(ways) / median(floors)).toFixed(2)} × the floor's time`);
  summary('bgp-io', [{ name: '25 MB of UPDATEs', value: median(ways) / 1000, most: 300, unit: ' ms' }]);
  process.exit();
} else {
  const job = workerData as Job;
  if (job.role === 'send') sender(job.port);
  else receiver();
}
