// The measured network: a device under test with a feeder on one side and a receiver on the other, each in a namespace of its
// own, and a spare cable whose far end can be pulled.
//
//     feed 10.0.0.2 ─eth0── dut ──eth1─ 10.0.1.2 recv
//                            └──flap0─ spare0 (recv)
import type { ChildProcess } from 'node:child_process';
import { createInterface } from 'node:readline';
import { join } from 'node:path';
import { readFileSync } from 'node:fs';
import { Lab, type Namespace } from '../../test/lib/netns.ts';
import { until } from '../../test/lib/wait.ts';

export interface Field {
  lab: Lab;
  dut: Namespace;
  feed: Namespace;
  recv: Namespace;
}

export async function makeField(): Promise<Field> {
  const lab = new Lab();
  const dut = await lab.namespace('dut');
  const feed = await lab.namespace('feed');
  const recv = await lab.namespace('recv');
  await lab.link(dut, 'eth0', feed, 'eth0');
  await lab.link(dut, 'eth1', recv, 'eth0');
  await lab.link(dut, 'flap0', recv, 'spare0');
  await dut.run('ip', 'addr', 'add', '10.0.0.1/24', 'dev', 'eth0');
  await dut.run('ip', 'addr', 'add', '10.0.1.1/24', 'dev', 'eth1');
  await feed.run('ip', 'addr', 'add', '10.0.0.2/24', 'dev', 'eth0');
  await recv.run('ip', 'addr', 'add', '10.0.1.2/24', 'dev', 'eth0');
  return { lab, dut, feed, recv };
}

/** A helper process of ours in a namespace: told what to do in words, answers in JSON lines. */
export class Helper {
  readonly #events: Record<string, unknown>[] = [];
  readonly #child: ChildProcess;
  #error = '';

  constructor(namespace: Namespace, script: string, args: readonly (string | number)[]) {
    const path = join(import.meta.dirname, script);
    this.#child = namespace.spawn([process.execPath, path, ...args.map(String)], { stdio: ['pipe', 'pipe', 'pipe'] });
    createInterface({ input: this.#child.stdout! }).on('line', line => this.#events.push(JSON.parse(line)));
    this.#child.stderr?.on('data', chunk => (this.#error += chunk));
  }

  say(word: string): void {
    this.#child.stdin?.write(`${word}\n`);
  }

  /** The first event of this name. */
  async event<T = Record<string, number>>(name: string, timeoutMs = 120_000): Promise<T> {
    return (await until(() => this.#events.find(event => event['event'] === name), {
      timeoutMs,
      everyMs: 5,
      what: () => `"${name}" of a helper; it said ${JSON.stringify(this.#events)} ${this.#error}`,
    })) as T;
  }

  /** Whether such an event has come, without waiting. */
  seen(name: string): boolean {
    return this.#events.some(event => event['event'] === name);
  }
}

const PATIENCE_MS = 15_000;

/**
 * Waits until the machine rests, so that what one contestant leaves behind (a namespace torn down) costs no other. Where
 * somebody else keeps it busy, it says so and goes on: the ratios are then worth less.
 */
export async function quiet(): Promise<void> {
  const sample = (): [number, number] => {
    const fields = readFileSync('/proc/stat', 'utf8').split('\n', 1)[0]!.trim().split(/\s+/).slice(1).map(Number);
    return [fields[3]! + fields[4]!, fields.reduce((sum, value) => sum + value, 0)];
  };
  const deadline = performance.now() + PATIENCE_MS;
  for (let [idle, total] = sample(); performance.now() < deadline; ) {
    await new Promise(resolve => setTimeout(resolve, 400));
    const [idleNow, totalNow] = sample();
    if (totalNow > total && (idleNow - idle) / (totalNow - total) > 0.9) return;
    [idle, total] = [idleNow, totalNow];
  }
  console.error('(the machine is not at rest: something else is running)');
}
