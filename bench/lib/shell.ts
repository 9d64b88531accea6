// A router's shell that stays open, as at a prompt: one command after the other, each answered to its end.
import { connect } from 'node:net';
import { VtyClient } from '../../src/cli/shell/client.ts';
import type { ShellSocket } from './contestants.ts';

export interface Shell {
  /** Resolves with the answer when all of it is there. */
  ask: (command: string) => Promise<string>;
  close: () => void;
}

/** How a language's answers end, and how its commands do. */
const LANGUAGES = {
  // The last line of BIRD's answer has its number, then a space; those before it a dash.
  bird: {
    ends: (text: string): boolean => /(^|\n)\d{4} [^\n]*\n$/.test(text.slice(-1000)),
    terminator: '\n',
    hello: '',
  },
  // FRR's has three zeros and a status after it.
  frr: { ends: (text: string): boolean => text.slice(-4, -1) === '\0\0\0', terminator: '\0', hello: 'enable' },
} as const;

export async function openShell({ language, path }: ShellSocket): Promise<Shell> {
  if (language === 'grevy') {
    const client = await VtyClient.connect(path);
    return {
      async ask(command) {
        let text = '';
        const ended = await client.execute(command, piece => {
          text += piece;
        });
        if (!ended.ok) throw new Error(`${command}: ${ended.error}`);
        return text;
      },
      close: () => client.close(),
    };
  }
  const { ends, terminator, hello } = LANGUAGES[language];
  const socket = connect({ path });
  socket.setEncoding('latin1');
  let text = '';
  let answered: (text: string) => void = () => {};
  socket.on('data', (piece: string) => {
    text += piece;
    if (!ends(text)) return;
    answered(text);
    text = '';
  });
  const answer = (): Promise<string> => new Promise(resolve => (answered = resolve));
  const ask = (command: string): Promise<string> => {
    const promise = answer();
    socket.write(`${command}${terminator}`);
    return promise;
  };
  // BIRD greets by itself.
  await (hello === '' ? answer() : ask(hello));
  return { ask, close: () => socket.destroy() };
}
