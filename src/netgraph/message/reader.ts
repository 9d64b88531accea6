// Tokens of the ASCII form (ng_parse.c): braces, brackets, `=`, strings in double quotes with C's escapes, and words, which are
// all the rest up to a blank or one of these.
import { NetgraphError } from '../graph/error.ts';

/** A text is not of its form; `EINVAL` like every argument that can not be taken. */
export class AsciiError extends NetgraphError {
  override readonly name: string = 'AsciiError';
  /** Where in the text, in characters. */
  readonly offset: number;
  readonly expected: string;

  constructor(text: string, offset: number, expected: string) {
    const rest = text.slice(offset, offset + 20);
    super('EINVAL', `at ${offset}, expected ${expected}, found ${rest === '' ? 'the end' : `'${rest}'`}`);
    this.offset = offset;
    this.expected = expected;
  }
}

export type Token = '{' | '}' | '[' | ']' | '=' | 'string' | 'word' | 'end';

const BLANK = /[ \t\n\v\f\r]*/y;
const WORD = /[^ \t\n\v\f\r{}[\]="]+/y;
const STRING = /"[^"\\]*(?:\\[^][^"\\]*)*"/y;
const ESCAPE = /\\(?:([0-7]{1,3})|x([0-9a-fA-F]{1,2})|([^]))|[^\\]+/gu;
const SINGLE: Readonly<Record<string, string>> = { t: '\t', n: '\n', r: '\r', v: '\v', f: '\f' };
const decoder: TextDecoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

export class AsciiReader {
  readonly text: string;
  offset = 0;

  constructor(text: string) {
    this.text = text;
  }

  /** The kind of the next token, which stays; blanks before it are passed. */
  peek(): Token {
    this.#match(BLANK);
    const c = this.text[this.offset];
    if (c === undefined) return 'end';
    if (c === '{' || c === '}' || c === '[' || c === ']' || c === '=') return c;
    return c === '"' ? 'string' : 'word';
  }

  /** Passes a mark. */
  expect(mark: '{' | '}' | '[' | ']' | '='): void {
    if (this.peek() !== mark) throw this.error(`'${mark}'`);
    this.offset++;
  }

  word(expected: string): string {
    if (this.peek() !== 'word') throw this.error(expected);
    return this.#match(WORD);
  }

  /** The bytes that a string in quotes stands for: an escape is a byte, all else UTF-8. */
  bytes(expected: string): Uint8Array {
    if (this.peek() !== 'string') throw this.error(expected);
    const quoted = this.#string();
    const parts: Buffer[] = [];
    for (const [plain, octal, hex, single] of quoted.slice(1, -1).matchAll(ESCAPE)) {
      if (octal !== undefined) parts.push(Buffer.of(Number.parseInt(octal, 8)));
      else if (hex !== undefined) parts.push(Buffer.of(Number.parseInt(hex, 16)));
      else parts.push(Buffer.from(single === undefined ? plain : (SINGLE[single] ?? single)));
    }
    return Buffer.concat(parts);
  }

  /** A string in quotes. */
  string(): string {
    this.peek();
    const start = this.offset;
    try {
      return decoder.decode(this.bytes('a string in double quotes'));
    } catch (error) {
      if (error instanceof AsciiError) throw error;
      throw this.error('UTF-8', start);
    }
  }

  /** Passes one value, whatever it is. */
  skip(): void {
    const start = this.offset;
    const open: string[] = [];
    do {
      const token = this.peek();
      if (token === 'end')
        throw this.error(open.length === 0 ? 'a value' : `'${open.at(-1)}' for what opens at ${start}`);
      if (token === 'string') this.#string();
      else if (token === 'word') this.#match(WORD);
      else {
        this.offset++;
        if (token === '{') open.push('}');
        else if (token === '[') open.push(']');
        else if (token !== '=') {
          if (open.pop() !== token) throw this.error('a value', this.offset - 1);
        }
      }
    } while (open.length > 0);
  }

  /** There is nothing more. */
  end(): void {
    if (this.peek() !== 'end') throw this.error('the end');
  }

  error(expected: string, offset: number = this.offset): AsciiError {
    return new AsciiError(this.text, offset, expected);
  }

  #string(): string {
    const quoted = this.#match(STRING);
    if (quoted === '') throw this.error('a string that is closed');
    return quoted;
  }

  #match(pattern: RegExp): string {
    pattern.lastIndex = this.offset;
    const found = pattern.exec(this.text)?.[0] ?? '';
    this.offset += found.length;
    return found;
  }
}
