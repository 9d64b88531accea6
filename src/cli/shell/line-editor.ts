// A line of input with a cursor, redrawn in place: the little that a command shell needs of an editor. It knows keys and text,
// not commands. readline's own interface would swallow `?` and bind Tab its own way; its key parser is used, though.

export interface Key {
  readonly name?: string | undefined;
  readonly sequence?: string | undefined;
  readonly ctrl?: boolean | undefined;
  readonly meta?: boolean | undefined;
}

/** What a key means beyond editing. */
export type EditorEvent = 'edited' | 'enter' | 'tab' | 'help' | 'interrupt' | 'end-mode' | 'eof' | 'clear' | 'nothing';

const HISTORY_LIMIT = 500;

export class LineEditor {
  text = '';
  cursor = 0;
  readonly history: string[] = [];
  /** Place in the history; history.length is the line being written. */
  #at = 0;
  #written = '';
  /** Cut by Ctrl-K, Ctrl-U, Ctrl-W; put back by Ctrl-Y. */
  #cut = '';
  #literal = false;

  /** Starts a new line. */
  clear(): void {
    this.text = '';
    this.cursor = 0;
    this.#at = this.history.length;
  }

  remember(line: string): void {
    if (line.trim() !== '' && this.history.at(-1) !== line) this.history.push(line);
    if (this.history.length > HISTORY_LIMIT) this.history.shift();
    this.#at = this.history.length;
  }

  insert(text: string): void {
    this.text = this.text.slice(0, this.cursor) + text + this.text.slice(this.cursor);
    this.cursor += text.length;
  }

  key(text: string | undefined, key: Key): EditorEvent {
    if (this.#literal) {
      this.#literal = false;
      if (text !== undefined && text >= ' ') this.insert(text);
      return 'edited';
    }
    if (key.ctrl) return this.#control(key.name ?? '');
    if (key.meta) return this.#meta(key.name ?? '');
    switch (key.name ?? '') {
      case 'return':
      case 'enter':
        return 'enter';
      case 'tab':
        return 'tab';
      case 'backspace':
        return this.#delete(this.cursor - 1, this.cursor, false);
      case 'delete':
        return this.#delete(this.cursor, this.cursor + 1, false);
      case 'left':
        return this.#move(this.cursor - 1);
      case 'right':
        return this.#move(this.cursor + 1);
      case 'home':
        return this.#move(0);
      case 'end':
        return this.#move(this.text.length);
      case 'up':
        return this.#recall(this.#at - 1);
      case 'down':
        return this.#recall(this.#at + 1);
      default:
    }
    if (text === '?') return 'help';
    if (text === undefined || text < ' ' || text === '\x7f') return 'nothing';
    this.insert(text);
    return 'edited';
  }

  #control(name: string): EditorEvent {
    switch (name) {
      case 'a':
        return this.#move(0);
      case 'e':
        return this.#move(this.text.length);
      case 'b':
        return this.#move(this.cursor - 1);
      case 'f':
        return this.#move(this.cursor + 1);
      case 'p':
        return this.#recall(this.#at - 1);
      case 'n':
        return this.#recall(this.#at + 1);
      case 'h':
        return this.#delete(this.cursor - 1, this.cursor, false);
      case 'k':
        return this.#delete(this.cursor, this.text.length, true);
      case 'u':
        return this.#delete(0, this.cursor, true);
      case 'w':
        return this.#delete(this.#wordLeft(), this.cursor, true);
      case 'y':
        this.insert(this.#cut);
        return 'edited';
      case 'left':
        return this.#move(this.#wordLeft());
      case 'right':
        return this.#move(this.#wordRight());
      case 'd':
        return this.text === '' ? 'eof' : this.#delete(this.cursor, this.cursor + 1, false);
      case 'c':
        return 'interrupt';
      case 'z':
        return 'end-mode';
      case 'l':
        return 'clear';
      case 'j':
      case 'm':
        return 'enter';
      case 'i':
        return 'tab';
      case 'v':
        this.#literal = true;
        return 'nothing';
      default:
        return 'nothing';
    }
  }

  #meta(name: string): EditorEvent {
    switch (name) {
      case 'b':
        return this.#move(this.#wordLeft());
      case 'f':
        return this.#move(this.#wordRight());
      case 'd':
        return this.#delete(this.cursor, this.#wordRight(), true);
      case 'backspace':
        return this.#delete(this.#wordLeft(), this.cursor, true);
      default:
        return 'nothing';
    }
  }

  #wordLeft(): number {
    return this.text.slice(0, this.cursor).trimEnd().lastIndexOf(' ') + 1;
  }

  #wordRight(): number {
    const match = /^\s*\S+/.exec(this.text.slice(this.cursor));
    return this.cursor + (match ? match[0].length : 0);
  }

  #move(to: number): EditorEvent {
    this.cursor = Math.max(0, Math.min(this.text.length, to));
    return 'edited';
  }

  #delete(from: number, to: number, keep: boolean): EditorEvent {
    const begin = Math.max(0, from);
    if (keep) this.#cut = this.text.slice(begin, to);
    this.text = this.text.slice(0, begin) + this.text.slice(to);
    this.cursor = begin;
    return 'edited';
  }

  #recall(at: number): EditorEvent {
    if (at < 0 || at > this.history.length) return 'nothing';
    if (this.#at === this.history.length) this.#written = this.text;
    this.#at = at;
    this.text = at === this.history.length ? this.#written : (this.history[at] as string);
    this.cursor = this.text.length;
    return 'edited';
  }
}
