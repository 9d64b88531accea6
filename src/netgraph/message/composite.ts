// Structs `{ name=value … }` and arrays `[ value … 5=value … ]`. What is the default is left out, in text and when read; bytes
// are laid out as C does it.
import { NetgraphError } from '../graph/error.ts';
import { hint8 } from './numbers.ts';
import type { AsciiReader } from './reader.ts';
import { ARGUMENT_LIMIT, type Form } from './shape.ts';

/** Elements of an array at most. */
export const ARRAY_LIMIT = 65_536;

function aligned(offset: number, align: number): number {
  return Math.ceil(offset / align) * align;
}

/** Where each given value stands, by its index; the reader is after the closing mark then. */
interface Given {
  readonly start: number;
  readonly end: number;
}

type Fields = Readonly<Record<string, Form<unknown>>>;
type StructOf<F extends Fields> = { -readonly [K in keyof F]: F[K] extends Form<infer T> ? T : never };

/** Fields in the order of the C struct. */
export function struct<const F extends Fields>(fields: F): Form<StructOf<F>> {
  const list = Object.entries(fields);
  const align = list.reduce((most, [, form]) => Math.max(most, form.align), 1);
  type Value = Record<string, unknown>;
  /** With what is not said. */
  const whole = (given: Value): Value => {
    if (typeof given !== 'object' || given === null) throw new NetgraphError('EINVAL', `${String(given)} is no struct`);
    for (const name of Object.keys(given)) {
      if (!Object.hasOwn(fields, name))
        throw new NetgraphError('EINVAL', `'${name}' is none of ${Object.keys(fields).join(', ')}`);
    }
    if (list.every(([name]) => given[name] !== undefined)) return given;
    const value: Value = {};
    for (const [name, field] of list) value[name] = given[name] === undefined ? fill(field, name, value) : given[name];
    return value;
  };
  const form: Form<Value> = {
    label: 'struct',
    align,
    makeDefault() {
      const value: Value = {};
      for (const [name, field] of list) value[name] = fill(field, name, value);
      return value;
    },
    isDefault: value => list.every(([name, field]) => field.isDefault(value[name])),
    parse(reader) {
      const given = new Map<string, Given>();
      reader.expect('{');
      while (reader.peek() !== '}') {
        const at = reader.offset;
        let name = reader.word("a field's name or '}'");
        // Some of FreeBSD's names have blanks: `data link type=1`.
        while (reader.peek() === 'word') name += ` ${reader.word('a name')}`;
        if (!Object.hasOwn(fields, name)) throw reader.error(`one of ${Object.keys(fields).join(', ')}`, at);
        if (given.has(name)) throw reader.error(`${name} only once`, at);
        reader.expect('=');
        given.set(name, pass(reader));
      }
      reader.expect('}');
      const end = reader.offset;
      // In the struct's order, not the text's: a later field may be counted by an earlier one.
      const value: Value = {};
      for (const [name, field] of list) {
        const where = given.get(name);
        try {
          value[name] = where ? parseAt(field, reader, where, value) : field.makeDefault(value);
        } catch (error) {
          if (where || !(error instanceof NetgraphError)) throw error;
          throw reader.error(`${name}: ${error.explanation}`, end - 1);
        }
      }
      reader.offset = end;
      return value;
    },
    print(value) {
      const parts = list
        .filter(([name, field]) => !field.isDefault(value[name]))
        .map(([name, field]) => ` ${name}=${field.print(value[name])}`);
      return `{${parts.join('')}${parts.length > 0 ? ' ' : ''}}`;
    },
    size(given) {
      const value = whole(given);
      let end = 0;
      for (const [name, field] of list) end = aligned(end, field.align) + field.size(value[name]);
      return aligned(end, align);
    },
    encode(view, offset, given) {
      const value = whole(given);
      let end = offset;
      for (const [name, field] of list) {
        end = named(name, () => field.encode(view, aligned(end, field.align), value[name], value));
      }
      return aligned(end, align);
    },
    decode(view, offset) {
      const value: Value = {};
      let end = offset;
      for (const [name, field] of list) {
        const start = aligned(end, field.align);
        value[name] = named(name, () => field.decode(view, start, value));
        end = start + field.size(value[name]);
      }
      // Padding at the end belongs to the struct; it must be there.
      if (aligned(end, align) > view.byteLength) throw new RangeError('past the end');
      return value;
    },
  };
  return form as unknown as Form<StructOf<F>>;
}

export interface ArrayOptions<T, P> {
  readonly element: Form<T>;
  /** Elements: so many always, or as many as the struct around says in a field before. */
  readonly length: number | ((parent: P) => number);
  /** What the element at `index` is where it is not given; the element's own default unless told. */
  readonly default?: (index: number) => T;
}

/** All elements are always there, in the text those that differ from their default: `[ 1 5=1 ]`. */
export function array<T, P = never>(options: ArrayOptions<T, P>): Form<T[]> {
  const { element, length, default: given } = options;
  const count = (parent: unknown): number => counted(length, parent);
  const make = (index: number): T => (given ? given(index) : element.makeDefault());
  const plain = (value: T, index: number): boolean =>
    given ? element.print(value) === element.print(given(index)) : element.isDefault(value);
  return {
    label: 'array',
    align: element.align,
    makeDefault: parent => Array.from({ length: count(parent) }, (_, index) => make(index)),
    isDefault: value => value.every(plain),
    parse(reader, parent) {
      const places = passElements(reader, count(parent));
      const end = reader.offset;
      const value = Array.from({ length: count(parent) }, (_, index) => {
        const where = places.get(index);
        return where ? parseAt(element, reader, where) : make(index);
      });
      reader.offset = end;
      return value;
    },
    print: value => printElements(value, plain, item => element.print(item)),
    size(value) {
      let end = 0;
      for (const item of value) end = aligned(end, element.align) + element.size(item);
      return end;
    },
    encode(view, offset, value, parent) {
      const wanted = count(parent);
      if (value.length !== wanted) throw new NetgraphError('EINVAL', `${value.length} elements instead of ${wanted}`);
      let end = offset;
      for (const item of value) end = element.encode(view, aligned(end, element.align), item);
      return end;
    },
    decode(view, offset, parent) {
      let end = offset;
      return Array.from({ length: count(parent) }, () => {
        const start = aligned(end, element.align);
        const item = element.decode(view, start);
        end = start + element.size(item);
        return item;
      });
    },
  };
}

/** Bytes, in hexadecimal `[ 0x1 0xff ]`; a string is read for them too. */
export function bytearray<P = never>(length: number | ((parent: P) => number)): Form<Uint8Array> {
  const count = (parent: unknown): number => counted(length, parent, ARGUMENT_LIMIT);
  return {
    label: 'array of bytes',
    align: 1,
    makeDefault: parent => new Uint8Array(count(parent)),
    isDefault: value => value.every(byte => byte === 0),
    parse(reader, parent) {
      const size = count(parent);
      const value = new Uint8Array(size);
      if (reader.peek() === 'string') {
        const start = reader.offset;
        const bytes = reader.bytes('a string');
        if (bytes.length > size) throw reader.error(`${size} bytes at most`, start);
        value.set(bytes);
        return value;
      }
      const places = passElements(reader, size);
      const end = reader.offset;
      for (const [index, where] of places) value[index] = parseAt(hint8, reader, where);
      reader.offset = end;
      return value;
    },
    print: value =>
      printElements(
        value,
        byte => byte === 0,
        byte => hint8.print(byte),
      ),
    size: value => value.length,
    encode(view, offset, value, parent) {
      const wanted = count(parent);
      if (value.length !== wanted) throw new NetgraphError('EINVAL', `${value.length} bytes instead of ${wanted}`);
      new Uint8Array(view.buffer, view.byteOffset, view.byteLength).set(value, offset);
      return offset + wanted;
    },
    decode(view, offset, parent) {
      const size = count(parent);
      if (offset + size > view.byteLength) throw new RangeError('past the end');
      return new Uint8Array(view.buffer, view.byteOffset + offset, size).slice();
    },
  };
}

function counted<P>(length: number | ((parent: P) => number), parent: unknown, limit: number = ARRAY_LIMIT): number {
  const count = typeof length === 'number' ? length : length(parent as P);
  if (!(count >= 0)) throw new NetgraphError('EINVAL', `an array of ${count} elements`);
  if (count > limit) throw new NetgraphError('EMSGSIZE', `an array of ${count} elements; ${limit} at most`);
  return count;
}

/** Passes a value whose turn comes later. */
function pass(reader: AsciiReader): Given {
  reader.peek();
  const start = reader.offset;
  reader.skip();
  return { start, end: reader.offset };
}

function parseAt<T>(form: Form<T>, reader: AsciiReader, { start, end }: Given, parent?: unknown): T {
  reader.offset = start;
  const value = form.parse(reader, parent);
  if (reader.offset !== end) throw reader.error('a blank');
  return value;
}

function passElements(reader: AsciiReader, count: number): Map<number, Given> {
  const places = new Map<number, Given>();
  let next = 0;
  reader.expect('[');
  while (reader.peek() !== ']') {
    const at = reader.offset;
    let where = pass(reader);
    let index = next;
    if (reader.peek() === '=') {
      const word = reader.text.slice(where.start, where.end);
      if (!/^(?:0[xX][0-9a-fA-F]+|[0-9]+)$/.test(word)) throw reader.error("an element's index", at);
      index = Number(word);
      reader.expect('=');
      where = pass(reader);
    }
    if (index >= count) throw reader.error(count === 0 ? 'no elements' : `elements 0 to ${count - 1}`, at);
    if (places.has(index)) throw reader.error(`element ${index} only once`, at);
    places.set(index, where);
    next = index + 1;
  }
  reader.expect(']');
  return places;
}

function printElements<T>(
  value: ArrayLike<T>,
  plain: (item: T, index: number) => boolean,
  print: (item: T) => string,
): string {
  let out = '[';
  let next = 0;
  for (let index = 0; index < value.length; index++) {
    const item = value[index]!;
    if (plain(item, index)) continue;
    out += index === next ? ` ${print(item)}` : ` ${index}=${print(item)}`;
    next = index + 1;
  }
  return `${out}${next > 0 ? ' ]' : ']'}`;
}

function fill(field: Form<unknown>, name: string, parent: unknown): unknown {
  return named(name, () => field.makeDefault(parent));
}

/** What goes wrong inside is told with the field's name. */
function named<T>(name: string, work: () => T): T {
  try {
    return work();
  } catch (error) {
    if (error instanceof NetgraphError) throw new NetgraphError(error.code, `${name}: ${error.explanation}`);
    throw error;
  }
}
