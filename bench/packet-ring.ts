// Frames forwarded from a receiving ring to a transmitting ring by one thread of TypeScript, by either version of TPACKET, beside the kernel's
// own IPv4 forwarding between the same two interfaces (lib/wire.ts). Prints a table, and a last line `met` or `missed`; the exit code
// says the same.
//
// Ours has no table of routes, but does what a router does to each frame: it counts down the time to live, mends the checksum and
// sets the next hop's address. The frames for it bear a MAC that is not f0's: else the kernel's stack would work on each as well.
//
//    node bench/packet-ring.ts [rounds]      exit code 1 = missed, 2 = the machine was never left alone long enough
import { Worker } from 'node:worker_threads';
import { answer, Bench, type Measured, type Router } from './lib/wire.ts';
import type { Forwarded, Job } from './packet-ring-worker.ts';

const TARGET = 0.8;
/** For each length of frames. */
const LIMIT_MS = 30_000;
const rounds = Number(process.argv[2] ?? 8);
if (!Number.isInteger(rounds) || rounds < 1) throw new RangeError(`rounds: ${process.argv[2]}`);

const bench = await Bench.open();
const stop = new SharedArrayBuffer(4);
const stopped = new Int32Array(stop);
const forwarder = new Worker(new URL('./packet-ring-worker.ts', import.meta.url), {
  workerData: { namespace: bench.router.path, stop } satisfies Job,
});
await answer(forwarder);

const rings = (version: 2 | 3): Router => ({
  name: `V${version}`,
  mac: [2, 0, 0, 0, 0, 0xaa],
  start: async () => {
    Atomics.store(stopped, 0, 0);
    const opened = answer(forwarder);
    forwarder.postMessage(version);
    await opened;
  },
  stop: async () => {
    const said = answer(forwarder);
    Atomics.store(stopped, 0, 1);
    const { forwarded, lost, kicks, cpuMs } = (await said) as Forwarded;
    return `${(forwarded / Math.max(1, kicks)).toFixed(0)} frames a vector, ${lost} lost, ${((cpuMs * 1000) / Math.max(1, forwarded)).toFixed(2)} µs of the forwarder's thread a frame`;
  },
});

const figure = (value: number): string => value.toFixed(3).padStart(7);
const ratios: string[] = [];
let met = true;
let disturbed = false;

console.log('frame  router   Mpps (best)  offered  µs of processor a frame, medians');
for (const length of [60, 1514]) {
  const all = await bench.compare(length, [bench.kernel(), rings(2), rings(3)], rounds, LIMIT_MS);
  for (const { name, rate, best, offered, cpu, undisturbed, rounds: turns, others, said } of all) {
    console.log(
      `${String(length).padEnd(6)} ${name.padEnd(6)} ${figure(rate)} (${best.toFixed(3)}) ${figure(offered)}  ${cpu.toFixed(2)}  ${undisturbed} of ${turns} rounds undisturbed (others took ${others.toFixed(2)} of a processor)${said && `; the last: ${said}`}`,
    );
  }
  disturbed ||= all.some(({ undisturbed }) => undisturbed < rounds);
  const [kernel, v2, v3] = all as [Measured, Measured, Measured];
  const [by2, by3] = [v2.rate / kernel.rate, v3.rate / kernel.rate];
  met &&= Math.max(by2, by3) >= TARGET;
  ratios.push(`${by2.toFixed(2)} by V2 and ${by3.toFixed(2)} by V3 (${length} bytes)`);
}

await forwarder.terminate();
await bench.close();
const verdict = disturbed ? 'not measured, others had work for the processors' : met ? 'met' : 'missed';
console.log(`packet-ring: ${ratios.join(', ')} of the kernel's forwarding, target ${TARGET.toFixed(2)}: ${verdict}`);
process.exitCode = disturbed ? 2 : met ? 0 : 1;
