// The thread of bench/packet-ring.ts that forwards, in the namespace it is told.
import { parentPort, workerData } from 'node:worker_threads';
import {
  arena,
  FrameCopy,
  inNetworkNamespace,
  libc,
  linux,
  openPacketRing,
  type PacketRing,
} from '../src/sys/index.ts';

const VECTOR = 64;
/** This long nothing comes before the forwarder sleeps: a sleep and its end cost more than some hundred frames. */
const SPIN_MS = 0.1;

export interface Job {
  readonly namespace: string;
  /** 1 = it stops. */
  readonly stop: SharedArrayBuffer;
}

/** What the forwarder says when it has stopped. */
export interface Forwarded {
  readonly forwarded: number;
  readonly lost: number;
  readonly kicks: number;
  readonly cpuMs: number;
}

const { namespace, stop } = workerData as Job;
const port = parentPort!;
const stopped = new Int32Array(stop);

/** RFC 1812 §5.2.1 as far as it takes no table: time to live, checksum (RFC 1624), the next hop's address. */
function route(bytes: Uint8Array, at: number): boolean {
  if (bytes[at + 12] !== 8 || bytes[at + 13] !== 0 || bytes[at + 22]! <= 1) return false;
  bytes[at + 22]!--;
  let sum = ((bytes[at + 24]! << 8) | bytes[at + 25]!) + 0x100;
  sum = (sum & 0xffff) + (sum >> 16);
  bytes[at + 24] = sum >> 8;
  bytes[at + 25] = sum;
  for (let i = 0; i < 6; i++) bytes[at + 6 + i] = bytes[at + i]!;
  bytes[at] = 2;
  bytes[at + 1] = 0;
  bytes[at + 2] = 0;
  bytes[at + 3] = 0;
  bytes[at + 4] = 0;
  bytes[at + 5] = 0x99;
  return true;
}

function forward(rx: PacketRing, tx: PacketRing): number {
  const copy = new FrameCopy(rx.bytes, tx.bytes);
  const poll = arena(8);
  poll.view.setInt32(0, rx.fd, true);
  poll.view.setInt16(4, linux.POLLIN, true);
  let kicks = 0;
  let busy = performance.now();
  while (Atomics.load(stopped, 0) === 0) {
    let count = 0;
    while (count < VECTOR && rx.next()) {
      count++;
      const at = tx.reserve(rx.length);
      if (at < 0) continue;
      copy.copy(rx.offset, at, rx.length);
      if (route(tx.bytes, at)) tx.commit();
    }
    rx.release();
    if (count > 0) {
      tx.kick();
      kicks++;
      busy = performance.now();
    } else if (performance.now() - busy > SPIN_MS) libc.poll(poll.address, 1, 1);
  }
  return kicks;
}

port.on('message', (version: 2 | 3) => {
  const [rx, tx] = inNetworkNamespace(namespace, () => [
    openPacketRing('f0', { version, transmitFrames: 0 }),
    openPacketRing('f1', { version, receiveFrames: 0, transmitFrames: 1024 }),
  ]);
  port.postMessage('open');
  const before = process.threadCpuUsage();
  const kicks = forward(rx, tx);
  const { user, system } = process.threadCpuUsage(before);
  const said: Forwarded = {
    forwarded: tx.transmitted,
    lost: rx.countLost() + tx.full,
    kicks,
    cpuMs: (user + system) / 1000,
  };
  rx.close();
  tx.close();
  port.postMessage(said);
});
port.postMessage('ready');
