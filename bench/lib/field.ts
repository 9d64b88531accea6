// The measured network: a router under test, all its neighbours in another namespace, and a spare cable whose far end can be
// pulled.
//
//     neighbours 10.0.0.2… ─eth0── eth0─ dut 10.0.0.1
//                          spare0──flap0─
import type { ChildProcess } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { Lab, type Namespace } from '../../test/lib/netns.ts';
import { until } from '../../test/lib/wait.ts';
import { DUT_ADDRESS, NETWORK_BITS, type Peer } from './peers.ts';
import { processTree } from './process.ts';
import type { TesterCommand, TesterOptions } from './tester.ts';

export interface Field {
  lab: Lab;
  dut: Namespace;
  neighbours: Namespace;
}

export async function makeField(peers: readonly Peer[]): Promise<Field> {
  const lab = new Lab();
  const dut = await lab.namespace('dut');
  const neighbours = await lab.namespace('neighbours');
  await lab.link(dut, 'eth0', neighbours, 'eth0');
  await lab.link(dut, 'flap0', neighbours, 'spare0');
  await dut.run('ip', 'addr', 'add', `${DUT_ADDRESS}/${NETWORK_BITS}`, 'dev', 'eth0');
  const batch = join(await lab.directory(), 'addresses');
  writeFileSync(batch, peers.map(({ address }) => `addr add ${address}/${NETWORK_BITS} dev eth0\n`).join(''));
  await neighbours.run('ip', '-batch', batch);
  return { lab, dut, neighbours };
}

/** A helper process of ours in a namespace: told what to do in lines, answers in JSON lines. */
export class Helper {
  readonly #events: Record<string, unknown>[] = [];
  readonly #child: ChildProcess;
  #error = '';

  constructor(namespace: Namespace, script: URL, args: readonly string[]) {
    this.#child = namespace.spawn([process.execPath, script.pathname, ...args], { stdio: ['pipe', 'pipe', 'pipe'] });
    createInterface({ input: this.#child.stdout! }).on('line', line => this.#events.push(JSON.parse(line)));
    this.#child.stderr?.on('data', chunk => (this.#error += chunk));
  }

  say(word: string): void {
    this.#child.stdin?.write(`${word}\n`);
  }

  /** Takes the first event of this name that has not been taken. */
  async event<T = Record<string, number>>(name: string, timeoutMs = 120_000): Promise<T> {
    return (await until(
      () => {
        if (this.#child.exitCode !== null) throw new Error(`a helper ended: ${this.#error}`);
        const index = this.#events.findIndex(event => event['event'] === name);
        return index < 0 ? undefined : this.#events.splice(index, 1)[0];
      },
      {
        timeoutMs,
        everyMs: 5,
        what: () => `"${name}" of a helper; it said ${JSON.stringify(this.#events).slice(0, 2000)} ${this.#error}`,
      },
    )) as T;
  }

  pids(): number[] {
    return processTree(this.#child.pid!);
  }
}

/** The process that plays these neighbours. */
export class Tester extends Helper {
  constructor(field: Field, options: Omit<TesterOptions, 'dut'>) {
    const all: TesterOptions = { dut: DUT_ADDRESS, ...options };
    super(field.neighbours, new URL('tester.ts', import.meta.url), [JSON.stringify(all)]);
  }

  tell(command: TesterCommand): void {
    this.say(JSON.stringify(command));
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
