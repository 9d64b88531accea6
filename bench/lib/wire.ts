// Routers on a wire, in turns: what one of them forwards from f0 to f1 while a generator sends as fast as it is let.
//
//    generator ─ g0 ══ f0 ─ router ─ f1 ══ s0 ─ counted, and thrown away
//
// What is compared. For all the same generator (a transmitting ring, 64 frames a call) sends as fast as it is let, and what arrives at s0
// is counted by that interface. All have the whole machine: the kernel forwards within the generator's own system call (a softirq of
// the sender's processor), so it slows its generator down and loses nothing; a router in a thread takes a second processor, and what its
// ring cannot hold is lost. Where others take one of two processors, such a router is at half; so only rounds count in which the
// others took next to nothing, and the medians of those are compared. The processor's time for a frame is told beside, generator and
// all: the second processor is no gift.
import { readFileSync } from 'node:fs';
import { Worker } from 'node:worker_threads';
import { Lab, type Namespace } from '../../test/lib/netns.ts';
import type { Run } from './wire-generator.ts';

const ROUND_MS = 400;
/** Of one processor, what others may take in a round that counts. */
const OTHERS = 0.15;

export const F0: readonly number[] = [2, 0, 0, 0, 0, 0xf0];
/** Nobody's: not s0's own address, since there the stack throws each frame away at first sight. */
export const NEIGHBOR = '02:00:00:00:00:99';

export interface Router {
  readonly name: string;
  /** Address that frames to it bear. */
  readonly mac: readonly number[];
  /** Forwards from now on, with nobody beside it. */
  start(): Promise<void>;
  /** Forwards no more; says in words how it went. */
  stop(): Promise<string>;
}

interface Round {
  /** Million frames a second. */
  readonly offered: number;
  readonly rate: number;
  /** Processor's time of the whole process for a frame that arrived, µs. */
  readonly cpu: number;
  /** What others took, of one processor. */
  readonly others: number;
}

/** Medians of what a router did in the rounds that count; of all rounds, where too few did. */
export interface Measured {
  readonly name: string;
  readonly offered: number;
  readonly rate: number;
  readonly best: number;
  readonly cpu: number;
  /** Rounds that count. */
  readonly undisturbed: number;
  readonly rounds: number;
  readonly others: number;
  readonly said: string;
}

export class Bench {
  readonly router: Namespace;
  readonly #lab: Lab;
  readonly #generator: Worker;
  readonly #sink: Namespace;

  /** Lays the wire. The router's side has 10.1.0.1 and 10.2.0.1, and knows 10.2.0.2. */
  static async open(): Promise<Bench> {
    const lab = new Lab();
    const [g, f, s] = await Promise.all([lab.namespace('g'), lab.namespace('f'), lab.namespace('s')]);
    for (const side of [g, f, s]) {
      await side.run('sh', '-c', 'echo 1 >/proc/sys/net/ipv6/conf/default/disable_ipv6');
    }
    await lab.link(g, 'g0', f, 'f0');
    await lab.link(f, 'f1', s, 's0');
    await f.run('ip', 'link', 'set', 'f0', 'address', '02:00:00:00:00:f0');
    await f.run('ip', 'addr', 'add', '10.1.0.1/24', 'dev', 'f0');
    await f.run('ip', 'addr', 'add', '10.2.0.1/24', 'dev', 'f1');
    await f.run('ip', 'neigh', 'add', '10.2.0.2', 'lladdr', NEIGHBOR, 'dev', 'f1');
    const generator = new Worker(new URL('./wire-generator.ts', import.meta.url), { workerData: g.path });
    await answer(generator);
    return new Bench(lab, f, s, generator);
  }

  private constructor(lab: Lab, router: Namespace, sink: Namespace, generator: Worker) {
    this.#lab = lab;
    this.router = router;
    this.#sink = sink;
    this.#generator = generator;
  }

  /** The kernel of the router's side. */
  kernel(): Router {
    const forward = (on: 0 | 1): Promise<string> =>
      this.router.run('sh', '-c', `echo ${on} >/proc/sys/net/ipv4/ip_forward`);
    return {
      name: 'kernel',
      mac: F0,
      start: async () => void (await forward(1)),
      stop: () => forward(0),
    };
  }

  /** Has the routers take turns until each has `rounds` that count, or until `limitMs` are over. */
  async compare(length: number, routers: readonly Router[], rounds: number, limitMs: number): Promise<Measured[]> {
    const all = routers.map(() => [] as Round[]);
    const said = routers.map(() => '');
    const turn = async (router: Router, which: number): Promise<Round> => {
      await router.start();
      const round = await this.#drive(packet(length, router.mac));
      said[which] = await router.stop();
      return round;
    };
    const counted = (of: Round[]): Round[] => of.filter(round => round.others < OTHERS);
    const enough = (): boolean => all.every(of => counted(of).length >= rounds);
    // What is compiled, is.
    for (const [which, router] of routers.entries()) await turn(router, which);
    for (const end = performance.now() + limitMs; !enough() && performance.now() < end; ) {
      for (const [which, router] of routers.entries()) all[which]!.push(await turn(router, which));
    }
    const left = enough();
    return routers.map(({ name }, which) => {
      const of = left ? counted(all[which]!) : all[which]!;
      const middle = (key: keyof Round): number => median(of.map(round => round[key]));
      return {
        name,
        offered: middle('offered'),
        rate: middle('rate'),
        best: Math.max(...of.map(({ rate }) => rate)),
        cpu: middle('cpu'),
        undisturbed: counted(all[which]!).length,
        rounds: all[which]!.length,
        others: median(all[which]!.map(({ others }) => others)),
        said: said[which]!,
      };
    });
  }

  async close(): Promise<void> {
    await this.#generator.terminate();
    await this.#lab.close();
  }

  async #drive(frame: Uint8Array): Promise<Round> {
    const before = receivedBy(this.#sink, 's0');
    const start = worked();
    const begin = performance.now();
    const said = answer(this.#generator);
    this.#generator.postMessage({ frame, ms: ROUND_MS } satisfies Run);
    const sent = (await said) as number;
    const count = receivedBy(this.#sink, 's0') - before;
    const ms = performance.now() - begin;
    const end = worked();
    const ours = end.ours - start.ours;
    return {
      offered: sent / ms / 1000,
      rate: count / ms / 1000,
      cpu: (1000 * ours) / Math.max(1, count),
      others: (end.all - start.all - ours) / ms,
    };
  }
}

/** The next message of a worker. */
export function answer(worker: Worker): Promise<unknown> {
  return new Promise((resolve, reject) => {
    worker.once('error', reject);
    worker.once('message', message => {
      worker.off('error', reject);
      resolve(message);
    });
  });
}

/** UDP over IPv4 from 10.1.0.2 to 10.2.0.2. */
function packet(length: number, to: readonly number[]): Uint8Array {
  const bytes = new Uint8Array(length);
  bytes.set([...to, 2, 0, 0, 0, 0, 1, 8, 0, 0x45, 0, 0, 0, 0, 0, 0, 0, 64, 17, 0, 0, 10, 1, 0, 2, 10, 2, 0, 2]);
  const view = new DataView(bytes.buffer, 14);
  view.setUint16(2, length - 14);
  let sum = 0;
  for (let i = 0; i < 20; i += 2) sum += view.getUint16(i);
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  view.setUint16(10, ~sum);
  view.setUint16(20, 4000);
  view.setUint16(22, 9);
  view.setUint16(24, length - 34);
  return bytes;
}

/** Frames that an interface has received, as the kernel counts them (proc_pid_net(5)). */
function receivedBy(side: Namespace, name: string): number {
  const line = readFileSync(`/proc/${side.pid}/net/dev`, 'utf8')
    .split('\n')
    .find(each => each.trim().startsWith(`${name}:`))!;
  return Number(line.trim().split(/[:\s]+/)[2]);
}

/** Time that the machine's processors have worked, ms; of us, and of all (proc_stat(5), in ticks of 10 ms; stolen time too). */
function worked(): { readonly ours: number; readonly all: number } {
  const [, user, nice, system, , , irq, softirq, steal] = readFileSync('/proc/stat', 'utf8')
    .split('\n')[0]!
    .split(/\s+/)
    .map(Number);
  const own = process.cpuUsage();
  return { ours: (own.user + own.system) / 1000, all: 10 * (user! + nice! + system! + irq! + softirq! + steal!) };
}

function median(values: number[]): number {
  return values.toSorted((a, b) => a - b)[values.length >> 1]!;
}
