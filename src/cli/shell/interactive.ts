// The interactive shell: keys in, commands to the daemon, text out with a pause at each full screen. It works on any pair of
// streams, so that a test can be the terminal.
import { emitKeypressEvents } from 'node:readline';
import type { Candidate, VtyClient } from './client.ts';
import { type Key, LineEditor } from './line-editor.ts';

export interface Terminal {
  readonly input: NodeJS.ReadableStream & { setRawMode?: (raw: boolean) => unknown };
  readonly output: NodeJS.WritableStream & { readonly columns?: number; readonly rows?: number };
}

const MORE = ' --More-- ';

/** Runs until the session ends; gives the exit code. */
export function interactive(client: VtyClient, terminal: Terminal): Promise<number> {
  return new Promise(resolve => new Shell(client, terminal, resolve));
}

function rowsOf(terminal: Terminal): number {
  return terminal.output.rows || 24;
}

class Shell {
  readonly #client: VtyClient;
  readonly #terminal: Terminal;
  readonly #finish: (code: number) => void;
  readonly #editor = new LineEditor();
  /** Keys that came while a command ran: they are typed ahead. */
  readonly #ahead: { text: string | undefined; key: Key }[] = [];
  #busy = false;
  #over = false;
  /** Rows of the screen that the cursor's line is below the prompt's first row. */
  #cursorRow = 0;
  #screenRows: number;
  /** The operator chose a length; the window's size does not count any more. */
  #lengthChosen = false;
  #shownRows = 0;
  #column = 0;
  #skipping = false;
  #answer: ((key: Key, text: string | undefined) => void) | undefined;

  constructor(client: VtyClient, terminal: Terminal, finish: (code: number) => void) {
    this.#client = client;
    this.#terminal = terminal;
    this.#finish = finish;
    this.#screenRows = rowsOf(terminal);
    client.terminal(this.#screenRows);
    const { input, output } = terminal;
    emitKeypressEvents(input);
    input.setRawMode?.(true);
    input.on('keypress', this.#onKey);
    input.on('end', () => this.#end(0));
    output.on('resize', () => {
      if (this.#lengthChosen) return;
      this.#screenRows = rowsOf(terminal);
      client.terminal(this.#screenRows);
    });
    input.resume();
    void client.closed.then(() => {
      if (this.#over) return;
      this.#write('\r\n% The daemon closed the connection.\r\n');
      this.#end(1);
    });
    this.#draw();
  }

  /** A terminal that does not know its size (0 by 0) is taken for 80 by 24. */
  get #columns(): number {
    return this.#terminal.output.columns || 80;
  }

  #onKey = (text: string | undefined, key: Key): void => {
    if (this.#over) return;
    if (this.#answer) {
      this.#answer(key, text);
      return;
    }
    if (this.#busy) {
      if (key.ctrl && key.name === 'c') {
        this.#skipping = true;
        this.#ahead.length = 0;
        this.#client.interrupt();
      } else this.#ahead.push({ text, key });
      return;
    }
    this.#handle(text, key);
  };

  #handle(text: string | undefined, key: Key): void {
    const editor = this.#editor;
    switch (editor.key(text, key)) {
      case 'edited':
        this.#draw();
        break;
      case 'enter':
        this.#run(editor.text);
        break;
      case 'tab':
        this.#while(() => this.#complete());
        break;
      case 'help':
        this.#while(() => this.#help());
        break;
      case 'interrupt':
        this.#write('^C\r\n');
        editor.clear();
        this.#fresh();
        break;
      case 'end-mode':
        editor.clear();
        this.#run('end', false);
        break;
      case 'eof':
        this.#run('exit', false);
        break;
      case 'clear':
        this.#write('\x1b[H\x1b[2J');
        this.#fresh();
        break;
      case 'nothing':
        break;
    }
  }

  #run(line: string, typed = true): void {
    this.#moveToEnd();
    this.#write('\r\n');
    if (typed) this.#editor.remember(line);
    this.#editor.clear();
    if (line.trim() === '') {
      this.#fresh();
      return;
    }
    this.#while(async () => {
      this.#shownRows = 0;
      this.#column = 0;
      this.#skipping = false;
      const ended = await this.#client.execute(line, text => this.#show(text));
      if (ended.error !== undefined && !this.#skipping) await this.#show(`${ended.error}\n`);
      if (ended.terminalLength !== this.#screenRows) {
        this.#lengthChosen = true;
        this.#screenRows = ended.terminalLength;
      }
      if (ended.exit) this.#end(0);
      else this.#fresh();
    });
  }

  /** Does something that takes a while, with keys kept for later. */
  #while(work: () => Promise<void>): void {
    this.#busy = true;
    work().then(
      () => this.#idle(),
      (error: unknown) => {
        if (this.#over) return;
        this.#write(`\r\n% ${(error as Error).message}\r\n`);
        this.#end(1);
      },
    );
  }

  #idle(): void {
    this.#busy = false;
    while (!this.#busy && !this.#over) {
      const next = this.#ahead.shift();
      if (!next) break;
      this.#handle(next.text, next.key);
    }
  }

  /** Shows a piece of a command's text; its promise holds the next piece back. */
  async #show(text: string): Promise<void> {
    if (this.#skipping) return;
    const lines = text.split('\n');
    const columns = this.#columns;
    let out = '';
    for (let i = 0; i < lines.length; i++) {
      const line = lines[i] as string;
      const last = i === lines.length - 1;
      // Asked only when something follows, so that what just fills the screen does not wait.
      if (this.#screenRows > 1 && this.#shownRows >= this.#screenRows - 1 && !(last && line === '')) {
        await this.#flush(out);
        out = '';
        if (!(await this.#more())) {
          this.#skipping = true;
          this.#client.interrupt();
          return;
        }
      }
      out += line;
      this.#column += line.length;
      if (last) break;
      out += '\r\n';
      this.#shownRows += 1 + Math.floor(Math.max(0, this.#column - 1) / columns);
      this.#column = 0;
    }
    await this.#flush(out);
  }

  /** A full screen was shown; false: enough. */
  async #more(): Promise<boolean> {
    this.#write(MORE);
    const go = await new Promise<boolean>(resolve => {
      this.#answer = (key, text) => {
        if (text === 'q' || text === 'Q' || (key.ctrl && key.name === 'c')) resolve(false);
        else if (key.name === 'return' || key.name === 'enter' || key.name === 'down') {
          this.#shownRows = this.#screenRows - 2;
          resolve(true);
        } else if (text === ' ' || key.name === 'pagedown') {
          this.#shownRows = 0;
          resolve(true);
        } else if (text === 'G' || key.name === 'end') {
          this.#shownRows = -Infinity;
          resolve(true);
        }
      };
    });
    this.#answer = undefined;
    this.#write(`\r${' '.repeat(MORE.length)}\r`);
    return go;
  }

  async #complete(): Promise<void> {
    const editor = this.#editor;
    const { candidates, partial } = await this.#client.complete(editor.text.slice(0, editor.cursor));
    const words = candidates.filter(candidate => candidate.keyword).map(candidate => candidate.text);
    if (words.length === 1) editor.insert(`${(words[0] as string).slice(partial.length)} `);
    else if (words.length > 1) {
      const common = commonStart(words);
      if (common.length > partial.length) editor.insert(common.slice(partial.length));
      else this.#list(columns(words, this.#columns));
    } else if (candidates.length > 0) this.#list(describe(candidates));
    this.#draw();
  }

  async #help(): Promise<void> {
    const editor = this.#editor;
    const { candidates } = await this.#client.complete(editor.text.slice(0, editor.cursor));
    this.#list(candidates.length > 0 ? describe(candidates) : '% There is no matched command.\n');
    this.#draw();
  }

  /** Text below the line being edited; the line is drawn again after it. */
  #list(text: string): void {
    this.#moveToEnd();
    this.#write(`\r\n${text.replaceAll('\n', '\r\n')}`);
    this.#cursorRow = 0;
  }

  #fresh(): void {
    this.#cursorRow = 0;
    this.#draw();
  }

  /** Draws prompt and line over what is there, and puts the cursor in place. */
  #draw(): void {
    const columns = this.#columns;
    const { prompt } = this.#client;
    const { text, cursor } = this.#editor;
    const up = this.#cursorRow > 0 ? `\x1b[${this.#cursorRow}A` : '';
    const whole = prompt.length + text.length;
    let out = `${up}\r\x1b[J${prompt}${text}`;
    // A terminal stays behind the last column until one more character comes.
    if (whole > 0 && whole % columns === 0) out += '\r\n';
    const at = prompt.length + cursor;
    const endRow = Math.floor(whole / columns);
    this.#cursorRow = Math.floor(at / columns);
    if (endRow > this.#cursorRow) out += `\x1b[${endRow - this.#cursorRow}A`;
    out += '\r';
    if (at % columns > 0) out += `\x1b[${at % columns}C`;
    this.#write(out);
  }

  #moveToEnd(): void {
    this.#editor.cursor = this.#editor.text.length;
    this.#draw();
    this.#cursorRow = 0;
  }

  #write(text: string): void {
    this.#terminal.output.write(text);
  }

  async #flush(text: string): Promise<void> {
    if (text === '') return;
    if (this.#terminal.output.write(text)) return;
    await new Promise(resolve => this.#terminal.output.once('drain', resolve));
  }

  #end(code: number): void {
    if (this.#over) return;
    this.#over = true;
    const { input } = this.#terminal;
    input.off('keypress', this.#onKey);
    input.setRawMode?.(false);
    input.pause();
    this.#client.close();
    this.#finish(code);
  }
}

/** What `?` shows: each candidate with its line of help. */
export function describe(candidates: readonly Candidate[]): string {
  const width = Math.max(...candidates.map(candidate => candidate.text.length));
  return candidates.map(({ text, help }) => `  ${text.padEnd(width)}  ${help}`.trimEnd().concat('\n')).join('');
}

/** Words in columns, as wide as the widest. */
export function columns(words: readonly string[], width: number): string {
  const cell = Math.max(...words.map(word => word.length)) + 2;
  const perRow = Math.max(1, Math.floor(width / cell));
  let out = '';
  for (let i = 0; i < words.length; i += perRow) {
    const row = words.slice(i, i + perRow).map(word => word.padEnd(cell));
    out += `${row.join('').trimEnd()}\n`;
  }
  return out;
}

export function commonStart(words: readonly string[]): string {
  let common = words[0] ?? '';
  for (const word of words) while (!word.startsWith(common)) common = common.slice(0, -1);
  return common;
}
