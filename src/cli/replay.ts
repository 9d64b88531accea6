// `grevy replay FILE`: has a run of bgp again that `grevy run --record FILE` recorded, without peers, kernel or clock, and asks the
// speaker about what it came to.
import { parseArgs } from 'node:util';
import { Player, TapeError, TapeReader } from '../bgp/index.ts';
import { bgpCommands } from '../bgp/commands.ts';
import { type CommandReply, type CommandRequest, explain, Grammar, wordsOf } from '../vty/index.ts';

export async function replay(argv: readonly string[]): Promise<number> {
  const { values, positionals } = parseArgs({
    args: [...argv],
    allowPositionals: true,
    options: {
      command: { type: 'string', short: 'c', multiple: true, default: [] },
      answers: { type: 'boolean', default: false },
      until: { type: 'string' },
    },
  });
  const [file] = positionals;
  const until = Number(values.until ?? Infinity);
  if (file === undefined || positionals.length > 1 || Number.isNaN(until)) {
    process.stderr.write('grevy replay: FILE [--answers] [--until SECONDS] [-c COMMAND]...\n');
    return 2;
  }
  // `grevy replay … | head`: the reader has seen enough.
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') throw error;
    process.exit(0);
  });
  // All lines are known before a long run begins.
  const requests: CommandRequest[] = [];
  for (const line of values.command) {
    const request = requestOf(line);
    if (typeof request === 'string') {
      process.stderr.write(`grevy replay: ${request}\n`);
      return 2;
    }
    requests.push(request);
  }
  const answers = new Answers();
  let player: Player | undefined;
  try {
    const tape = TapeReader.ofFile(file);
    const { version, date } = tape.head;
    player = new Player(tape, {
      ...(values.answers && {
        log: text => process.stdout.write(`${seconds(tape)} s: ${text}\n`),
        answered: (request, reply) => answers.take(seconds(tape), request as CommandRequest, reply),
      }),
    });
    while (tape.elapsedMs <= until * 1000 && player.step());
    process.stderr.write(`${tape.entries} entries, ${seconds(tape)} s from ${date}, of grevy ${version}\n`);
    tape.stop();
    answers.end();
  } catch (error) {
    if (!(error instanceof TapeError) && (error as NodeJS.ErrnoException).syscall === undefined) {
      // The speaker's own: what ended the run that was recorded, most likely.
      process.stderr.write(`grevy replay: ${file}: entry ${player?.tape.entries ?? 0}, ${seconds(player?.tape)} s:\n`);
      throw error;
    }
    const at = player === undefined ? '' : ` ${seconds(player.tape)} s:`;
    process.stderr.write(`grevy replay: ${file}:${at} ${(error as Error).message}\n`);
    return 1;
  }
  let failed = 0;
  for (const request of requests) if (!ask(player, request)) failed = 1;
  return failed;
}

function seconds(tape: TapeReader | undefined): string {
  return ((tape?.elapsedMs ?? 0) / 1000).toFixed(3);
}

/** What main would ask bgp for a line, or what is wrong with it. */
function requestOf(line: string): CommandRequest | string {
  const words = wordsOf(line);
  const match = new Grammar([bgpCommands as never]).parse('exec', words);
  if (!('entry' in match)) return `${explain(match, words)} (only bgp can be asked)`;
  return { vty: 'exec', id: 0, command: match.entry.number, args: match.args, session: { terminalLength: 0 } };
}

/** Prints all of the answer; false where it is an error. */
function ask(player: Player, request: CommandRequest): boolean {
  for (let next = request; ; next = { vty: 'more', id: 0 }) {
    const reply = player.ask(next);
    if (reply === undefined || !('text' in reply)) {
      process.stderr.write(`${reply !== undefined && 'error' in reply ? reply.error : 'no answer'}\n`);
      return false;
    }
    process.stdout.write(reply.text);
    if (reply.done) {
      if (reply.text !== '' && !reply.text.endsWith('\n')) process.stdout.write('\n');
      return true;
    }
  }
}

/** Prints commands that were recorded, each with the whole of its answer: the pieces of several came in turns. */
class Answers {
  /** By command, what it has said so far. */
  readonly #open: Map<number, string> = new Map();

  take(at: string, request: CommandRequest, reply: CommandReply | undefined): void {
    if (request.vty === 'status') return;
    if (request.vty === 'config') {
      for (const { type, command, args } of request.actions) {
        process.stdout.write(`${at} s: ${type} '${syntaxOf(command)}' ${JSON.stringify(args)}\n`);
      }
      return;
    }
    const { id } = request;
    const before =
      request.vty === 'exec'
        ? `${at} s: '${syntaxOf(request.command)}' ${JSON.stringify(request.args)}\n`
        : (this.#open.get(id) ?? '');
    this.#open.delete(id);
    const said = reply === undefined ? '' : 'text' in reply ? reply.text : 'error' in reply ? `${reply.error}\n` : '';
    if (reply !== undefined && 'text' in reply && !reply.done) this.#open.set(id, before + said);
    else process.stdout.write(before + said);
  }

  /** Those that nobody heard to the end. */
  end(): void {
    for (const text of this.#open.values()) process.stdout.write(text);
  }
}

function syntaxOf(command: number): string {
  return bgpCommands.commands[command]?.syntax ?? `command ${command}`;
}
