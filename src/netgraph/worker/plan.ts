// What a commit tells the workers: a list of actions, done one after the other between two vectors. It is data, because a function can
// not cross threads: each worker makes its own objects of it. Nodes and hooks are numbers.
//
//    types       a module that exports the NodeType of that name is loaded by its URL
//    places      where a node's or hook's counters lie in the graph's memory: said by the plan, so that a worker that comes later
//                puts them where the others do
import { deserialize, serialize } from 'node:v8';

/** A node's or hook's counters: byte offset in the graph's memory of the first worker's block, bytes from one worker's to the next. */
export interface Place {
  readonly offset: number;
  readonly stride: number;
}

export type Action =
  /** Loads the type's module, where it is not among the standard ones. */
  | { readonly op: 'type'; readonly name: string; readonly url: string }
  /** A node runs; `worker` -1: in every worker, else in this one alone. */
  | {
      readonly op: 'node';
      readonly id: number;
      readonly type: string;
      readonly name: string;
      readonly worker: number;
      readonly place: Place;
      readonly config: unknown;
    }
  /** Its configuration is now this. */
  | { readonly op: 'configure'; readonly id: number; readonly config: unknown }
  | {
      readonly op: 'hook';
      readonly node: number;
      readonly hook: number;
      readonly name: string;
      readonly place: Place | undefined;
    }
  /** What one sends the other receives. */
  | { readonly op: 'join'; readonly a: number; readonly b: number }
  | { readonly op: 'unhook'; readonly hook: number }
  | { readonly op: 'remove'; readonly id: number }
  /** For a grace period that only frees. */
  | { readonly op: 'nothing' };

// The frame of a commit: words, one action after the other. The engine's own serialization of the same objects took five microseconds
// a rebuild on each side; this takes half of one.
//
//    op, its fields        numbers as words
//    text                  length, then two characters a word
//    config                bytes (-1: undefined), then those of the engine's serialization, padded

const TYPE = 1;
const NODE = 2;
const CONFIGURE = 3;
const HOOK = 4;
const JOIN = 5;
const UNHOOK = 6;
const REMOVE = 7;
const NOTHING = 8;

let buffer = new Int32Array(1024);
let at = 0;

function room(count: number): void {
  if (at + count <= buffer.length) return;
  const larger = new Int32Array(Math.max(2 * buffer.length, at + count));
  larger.set(buffer);
  buffer = larger;
}

function putText(text: string): void {
  room(1 + text.length);
  buffer[at++] = text.length;
  for (let i = 0; i < text.length; i += 2) buffer[at++] = text.charCodeAt(i) | (text.charCodeAt(i + 1) << 16);
}

function putConfig(config: unknown): void {
  if (config === undefined) {
    room(1);
    buffer[at++] = -1;
    return;
  }
  const bytes = serialize(config);
  const count = (bytes.length + 3) >> 2;
  room(1 + count);
  buffer[at++] = bytes.length;
  new Uint8Array(buffer.buffer, at * 4, bytes.length).set(bytes);
  at += count;
}

function put(a: number, b: number, c: number): void {
  room(3);
  buffer[at++] = a;
  buffer[at++] = b;
  buffer[at++] = c;
}

function putPlace(place: Place | undefined): void {
  room(2);
  buffer[at++] = place ? place.offset : -1;
  buffer[at++] = place ? place.stride : 0;
}

/** The frame; good until the next is made. */
export function encodeActions(actions: readonly Action[]): Uint8Array {
  at = 0;
  for (const action of actions) {
    switch (action.op) {
      case 'type':
        put(TYPE, 0, 0);
        putText(action.name);
        putText(action.url);
        break;
      case 'node':
        put(NODE, action.id, action.worker);
        putPlace(action.place);
        putText(action.type);
        putText(action.name);
        putConfig(action.config);
        break;
      case 'configure':
        put(CONFIGURE, action.id, 0);
        putConfig(action.config);
        break;
      case 'hook':
        put(HOOK, action.node, action.hook);
        putPlace(action.place);
        putText(action.name);
        break;
      case 'join':
        put(JOIN, action.a, action.b);
        break;
      case 'unhook':
        put(UNHOOK, action.hook, 0);
        break;
      case 'remove':
        put(REMOVE, action.id, 0);
        break;
      case 'nothing':
        put(NOTHING, 0, 0);
        break;
    }
  }
  return new Uint8Array(buffer.buffer, 0, at * 4);
}

let frame: Int32Array = buffer;
let next = 0;

/** Texts that came lately, by their hash: names of hooks and types come again and again, and a commit that makes none leaves no garbage. */
const texts: string[] = new Array<string>(256).fill('');

function takeText(): string {
  const length = frame[next++]!;
  const first = next;
  next += (length + 1) >> 1;
  let hash = length;
  for (let i = first; i < next; i++) hash = Math.imul(hash ^ frame[i]!, 0x9e37_79b1);
  const slot = hash >>> 24;
  const known = texts[slot]!;
  return isText(known, first, length) ? known : (texts[slot] = newText(first, length));
}

const character = (first: number, i: number): number => (frame[first + (i >> 1)]! >>> (16 * (i & 1))) & 0xffff;

function isText(text: string, first: number, length: number): boolean {
  if (text.length !== length) return false;
  for (let i = 0; i < length; i++) if (text.charCodeAt(i) !== character(first, i)) return false;
  return true;
}

function newText(first: number, length: number): string {
  let text = '';
  for (let i = 0; i < length; i++) text += String.fromCharCode(character(first, i));
  // As a key it becomes the one string of its characters that the engine keeps, like those in the sources: to compare two is to compare two
  // pointers then, and data halves look for their hooks by name.
  return Object.keys({ [text]: 0 })[0]!;
}

function takeConfig(): unknown {
  const length = frame[next++]!;
  if (length < 0) return undefined;
  // A copy: the engine does not read shared memory.
  const bytes = new Uint8Array(length);
  bytes.set(new Uint8Array(frame.buffer, frame.byteOffset + next * 4, length));
  next += (length + 3) >> 2;
  return deserialize(bytes);
}

function takePlace(): Place | undefined {
  const offset = frame[next++]!;
  const stride = frame[next++]!;
  return offset < 0 ? undefined : { offset, stride };
}

/** Who does the actions: a method for each of them. */
export interface Doer {
  load(type: string, url: string): void;
  addNode(id: number, type: string, name: string, worker: number, place: Place, config: unknown): void;
  configure(id: number, config: unknown): void;
  addHook(node: number, hook: number, name: string, place: Place | undefined): void;
  join(a: number, b: number): void;
  unhook(hook: number): void;
  remove(id: number): void;
}

/** Has `doer` do what a frame of `encodeActions` says, `size` bytes from `offset` on, which is a word's boundary. */
export function doActions(doer: Doer, bytes: Uint8Array, offset = 0, size: number = bytes.byteLength): void {
  if (frame.buffer !== bytes.buffer || frame.byteOffset !== bytes.byteOffset || frame.byteLength < bytes.byteLength) {
    frame = new Int32Array(bytes.buffer, bytes.byteOffset, bytes.byteLength >> 2);
  }
  next = offset >> 2;
  const end = (offset + size) >> 2;
  while (next < end) {
    const op = frame[next++]!;
    const a = frame[next++]!;
    const b = frame[next++]!;
    switch (op) {
      case TYPE: {
        const name = takeText();
        doer.load(name, takeText());
        break;
      }
      case NODE: {
        const place = takePlace()!;
        const type = takeText();
        const name = takeText();
        doer.addNode(a >>> 0, type, name, b, place, takeConfig());
        break;
      }
      case CONFIGURE:
        doer.configure(a >>> 0, takeConfig());
        break;
      case HOOK: {
        const place = takePlace();
        doer.addHook(a >>> 0, b, takeText(), place);
        break;
      }
      case JOIN:
        doer.join(a, b);
        break;
      case UNHOOK:
        doer.unhook(a);
        break;
      case REMOVE:
        doer.remove(a >>> 0);
        break;
      case NOTHING:
        break;
      default:
        throw new Error(`a commit says ${op} at word ${next - 3}, which is no action`);
    }
  }
}
