// Process of an operator who asks a router's shell again and again: `asker.ts LANGUAGE SOCKET COMMAND…`. It says `ready`,
// begins when it is told `begin`, and at `end` says how long the answers took. A process of its own that goes before all
// others, because what takes the time must not wait.
import { setPriority } from 'node:os';
import { createInterface } from 'node:readline';
import { setTimeout as pause } from 'node:timers/promises';
import type { ShellSocket } from '../lib/contestants.ts';
import { percentile } from '../lib/percentile.ts';
import { openShell } from '../lib/shell.ts';

export interface Answers {
  count: number;
  p50: number;
  p99: number;
  max: number;
}

const ASK_EVERY_MS = 20;

const [language, path, ...commands] = process.argv.slice(2) as [ShellSocket['language'], string, ...string[]];
setPriority(-15);
const say = (event: object): void => console.log(JSON.stringify(event));
const shell = await openShell({ language, path });
const tookMs: number[] = [];
let over = false;

async function work(): Promise<void> {
  for (let i = 0; !over; i++) {
    const askedMs = performance.now();
    await shell.ask(commands[i % commands.length]!);
    tookMs.push(performance.now() - askedMs);
    await pause(ASK_EVERY_MS);
  }
}

let working: Promise<void> | undefined;
say({ event: 'ready' });
for await (const word of createInterface({ input: process.stdin })) {
  if (word === 'begin') working = work();
  else if (word === 'end') {
    over = true;
    await working;
    const answers: Answers = {
      count: tookMs.length,
      p50: percentile(tookMs, 0.5),
      p99: percentile(tookMs, 0.99),
      max: percentile(tookMs, 1),
    };
    say({ event: 'answers', ...answers });
    break;
  }
}
shell.close();
