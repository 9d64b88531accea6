// Process of an operator while a table loads: `operator.ts RUN_DIR FAR_NAMESPACE`, in the router's namespace. It asks the
// router's shell again and again, pulls the far end of the spare cable and plugs it in again, and takes the time of both. A
// process of its own, because what measures must not wait for anything else: whoever looks into the kernel's table waits
// for the kernel's routing lock with whoever fills it.
//
// It says `ready`, begins when it is told `begin`, and at `end` says what was the longest it saw.
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as pause } from 'node:timers/promises';
import { promisify } from 'node:util';
import { VtyClient } from '../../src/cli/shell/client.ts';
import { kernelLinks, type LinkState } from '../lib/kernel-links.ts';
import { zebraLinks } from './links.ts';

const ASK_EVERY_MS = 20;
const FLAP_EVERY_MS = 100;
const CABLE = { near: 'flap0', far: 'spare0' };

const [runDir, farNamespace] = process.argv.slice(2) as [string, string];
const say = (event: object): void => console.log(JSON.stringify(event));
const run = promisify(execFile);

/** What one side says of the cable's near end, in order. */
class Sightings {
  readonly #seen: LinkState[] = [];
  #arrived: () => void = () => {};

  readonly add = (state: LinkState): void => {
    if (state.name !== CABLE.near) return;
    this.#seen.push(state);
    this.#arrived();
  };

  /** The first that says so; what was said before it is forgotten. */
  async next(up: boolean): Promise<LinkState> {
    for (;;) {
      for (let state = this.#seen.shift(); state; state = this.#seen.shift()) if (state.up === up) return state;
      await new Promise<void>(resolve => (this.#arrived = resolve));
    }
  }
}

let over = false;

/** The longest that the shell took, in milliseconds. */
async function ask(shell: VtyClient): Promise<number> {
  let longest = 0;
  while (!over) {
    const askedMs = performance.now();
    await shell.execute('show bgp summary', () => {});
    longest = Math.max(longest, performance.now() - askedMs);
    await pause(ASK_EVERY_MS);
  }
  return longest;
}

/** Times from the kernel's announcement that the cable is pulled to zebra's telling its clients, in milliseconds. */
async function flap(kernel: Sightings, zebra: Sightings): Promise<number[]> {
  const downs: number[] = [];
  for (let up = false; !over; up = !up) {
    await run('nsenter', [`--net=${farNamespace}`, 'ip', 'link', 'set', CABLE.far, up ? 'up' : 'down']);
    const [first, then] = await Promise.all([kernel.next(up), zebra.next(up)]);
    if (!up) downs.push(then.atMs - first.atMs);
    await pause(FLAP_EVERY_MS);
  }
  return downs;
}

const shell = await VtyClient.connect(join(runDir, 'vty.sock'));
const [kernel, zebra] = [new Sightings(), new Sightings()];
const ends = [kernelLinks(kernel.add), zebraLinks(join(runDir, 'zserv.api'), zebra.add)];
let working: Promise<[number, number[]]> | undefined;
say({ event: 'ready' });
for await (const word of createInterface({ input: process.stdin })) {
  if (word === 'begin') working = Promise.all([ask(shell), flap(kernel, zebra)]);
  else if (word === 'end') {
    over = true;
    const [askMs, downs] = await working!;
    // Where the table was there before anything could be measured, that is not a target met.
    say({ event: 'load', askMs, linkDownMs: downs.length === 0 ? null : Math.max(...downs), flaps: downs.length });
    break;
  }
}
for (const end of ends) end();
shell.close();
