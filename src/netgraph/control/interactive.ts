// ngctl at a terminal: a prompt, lines with editing and completion of command names, and what comes unasked in between.
import { createInterface } from 'node:readline';
import type { Readable, Writable } from 'node:stream';
import { COMMANDS, nameOf } from './commands.ts';
import { formatData, formatReply } from './format.ts';
import type { Messenger } from './messenger.ts';
import type { Ngctl } from './ngctl.ts';

const PROMPT = '+ ';

export interface InteractiveOptions {
  readonly input: Readable;
  readonly output: Writable;
  /** The graph is gone. */
  readonly ended?: Promise<unknown>;
}

/** Settles when the user leaves, or the graph is gone. */
export async function interactive(
  ngctl: Ngctl,
  messenger: Messenger,
  { input, output, ended }: InteractiveOptions,
): Promise<void> {
  await ngctl.run(['help']);
  const lines = createInterface({ input, output, prompt: PROMPT, completer: complete });
  let prompting = false;
  const show = (text: string): void => {
    output.write(prompting ? `\n${text}` : text);
    if (prompting) lines.prompt(true);
  };
  const prompt = (): void => {
    prompting = true;
    lines.prompt();
  };
  messenger.onMessage(reply => show(formatReply(reply)));
  messenger.onData((hook, data) => show(formatData(hook, data)));
  void ended?.then(() => lines.close());
  try {
    prompt();
    for await (const line of lines) {
      prompting = false;
      if ((await ngctl.runLine(line)) === 'quit') return;
      prompt();
    }
    output.write('\n');
  } finally {
    lines.close();
  }
}

function complete(line: string): [string[], string] {
  const word = line.trimStart();
  if (/\s/.test(word)) return [[], word];
  return [COMMANDS.map(nameOf).filter(name => name.startsWith(word.toLowerCase())), word];
}
