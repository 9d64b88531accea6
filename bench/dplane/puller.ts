// Pulls a cable again and again: `puller.ts NEAR FAR`. It says `ready`, pulls FAR from `begin` to `end`, and then says when the
// kernel announced each fall of NEAR, in milliseconds since the epoch. A process of its own, because whoever sets a link
// waits for the kernel's routing lock with whoever fills its table; the announcements are read by yet another one (ip monitor).
import { execFile } from 'node:child_process';
import { createInterface } from 'node:readline';
import { setTimeout as pause } from 'node:timers/promises';
import { promisify } from 'node:util';
import { kernelLinks } from '../lib/kernel-links.ts';

const EVERY_MS = 40;
const [near, far] = process.argv.slice(2) as [string, string];
const run = promisify(execFile);
const downMs: number[] = [];
let up = true;
let heard = 0;
const end = kernelLinks(state => {
  if (state.name !== near) return;
  heard++;
  if (up && !state.up) downMs.push(state.atMs);
  ({ up } = state);
});
let over = false;

async function pull(): Promise<void> {
  while (!over) {
    for (const state of ['down', 'up']) {
      await run('ip', ['link', 'set', far, state]);
      await pause(EVERY_MS);
    }
  }
}

// The monitor is there when it tells of something.
while (heard === 0) {
  await run('ip', ['link', 'set', far, 'mtu', '1499']);
  await run('ip', ['link', 'set', near, 'mtu', heard % 2 === 0 ? '1499' : '1500']);
  await pause(20);
  await run('ip', ['link', 'set', near, 'mtu', '1500']);
}
console.log('ready');
let pulling: Promise<void> | undefined;
for await (const word of createInterface({ input: process.stdin })) {
  if (word === 'begin') pulling = pull();
  else if (word === 'end') {
    over = true;
    await pulling;
    await pause(100);
    break;
  }
}
end();
console.log(JSON.stringify({ downMs }));
process.exit();
