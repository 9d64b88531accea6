// A process with zebra and the dataplane and nothing else (but a follower, where it is given a file for it), in whatever namespace it is started in. It reads lines from
// standard input: `conf` and the lines of a configuration up to `end`, any exec command, or `stop`; and answers each with
// one line of JSON.
import { createInterface } from 'node:readline';
import { Thread } from '../../src/concurrency/index.ts';
import { RunningConfiguration } from '../../src/daemon/configuration.ts';
import { createDataplaneChannel } from '../../src/dataplane/index.ts';
import { type CommandReply, explain, Grammar, wordsOf } from '../../src/vty/index.ts';
import { zebraCommands } from '../../src/zebra/commands.ts';

const [zserv, sweepMs, follower] = process.argv.slice(2);
const source = (path: string): URL => new URL(`../../src/${path}.ts`, import.meta.url);
const channel = createDataplaneChannel();
const log = (message: unknown): void => void process.stderr.write(`${String(message)}\n`);
const dplaneStarts = Thread.start({
  name: 'dplane',
  entry: follower === undefined ? source('dataplane/thread') : new URL('./follower-dplane.ts', import.meta.url),
  data: { channel, follower },
  ownLoop: true,
  onMessage: log,
});
const zebraStarts = Thread.start({
  name: 'zebra',
  entry: source('zebra/thread'),
  data: { channel, zserv, retain: false, sweepMs: Number(sweepMs ?? 60_000) },
  onMessage: log,
});
const dplane = await dplaneStarts;
const zebra = await zebraStarts;
const grammar = new Grammar([zebraCommands]);
const configuration = new RunningConfiguration(grammar, name => (name === 'zebra' ? zebra : undefined));
let nextId = 1;

async function run(line: string): Promise<unknown> {
  const words = wordsOf(line);
  const match = grammar.parse('exec', words);
  if (!('entry' in match)) return { error: explain(match, words) };
  const id = nextId++;
  let text = '';
  let request: object = {
    vty: 'exec',
    id,
    command: match.entry.number,
    args: match.args,
    session: { terminalLength: 0 },
  };
  for (;;) {
    const reply = (await zebra.request(request)) as CommandReply;
    if (!('text' in reply)) return reply;
    text += reply.text;
    if (reply.done) return { text };
    request = { vty: 'more', id };
  }
}

function say(value: unknown): void {
  process.stdout.write(`${JSON.stringify(value)}\n`);
}

say({ ready: true });
let file: string[] | undefined;
for await (const line of createInterface({ input: process.stdin })) {
  if (file !== undefined) {
    if (line === 'end') {
      say(await configuration.load(file.join('\n'), 'test.conf'));
      file = undefined;
    } else file.push(line);
  } else if (line === 'conf') file = [];
  else if (line === 'stop') break;
  else say(await run(line));
}
const clean = (await zebra.stop(10_000, 'end')) && (await dplane.stop(2000, 'end'));
say({ stopped: clean });
process.exit(clean ? 0 : 1);
