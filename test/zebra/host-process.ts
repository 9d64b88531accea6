// host.ts as a child process in a namespace: zebra and the dataplane, asked over a pipe.
import assert from 'node:assert/strict';
import type { ChildProcess } from 'node:child_process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import type { Namespace } from '../lib/netns.ts';
import { until } from '../lib/wait.ts';

export class Host {
  readonly child: ChildProcess;
  readonly #answers: unknown[] = [];
  readonly ready: Promise<unknown>;
  #error = '';

  /** `follower`: a file that one of that name writes (follower-module.ts). */
  constructor(namespace: Namespace, zserv: string, sweepMs: number, follower?: string) {
    const script = fileURLToPath(new URL('./host.ts', import.meta.url));
    this.child = namespace.spawn(
      [process.execPath, script, zserv, String(sweepMs), ...(follower === undefined ? [] : [follower])],
      {
        stdio: ['pipe', 'pipe', 'pipe'],
      },
    );
    this.child.stderr!.on('data', (chunk: Buffer) => {
      this.#error += chunk.toString();
    });
    createInterface({ input: this.child.stdout! }).on('line', line => this.#answers.push(JSON.parse(line)));
    this.ready = this.#answer();
  }

  #answer(): Promise<unknown> {
    return until(
      () => {
        if (this.child.exitCode !== null && this.#answers.length === 0) throw new Error(`host ended: ${this.#error}`);
        return this.#answers.shift();
      },
      { what: () => `an answer of the host: ${this.#error}`, timeoutMs: 15_000, everyMs: 5 },
    );
  }

  async run(line: string): Promise<string> {
    this.child.stdin!.write(`${line}\n`);
    const answer = (await this.#answer()) as { text?: string; error?: string };
    assert.equal(answer.error, undefined);
    return answer.text!;
  }

  async configure(text: string): Promise<void> {
    assert.deepEqual(await this.load(text), []);
  }

  /** The same, and gives what was refused. */
  async load(text: string): Promise<{ line: number; message: string }[]> {
    this.child.stdin!.write(`conf\n${text.trim()}\nend\n`);
    return (await this.#answer()) as { line: number; message: string }[];
  }

  async stop(): Promise<void> {
    this.child.stdin!.write('stop\n');
    assert.deepEqual(await this.#answer(), { stopped: true });
  }
}
