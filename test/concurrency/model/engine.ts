// A small exhaustive scheduler. It runs the real source of a lock-free structure with this project's atomics replaced, and
// visits every order in which the threads of a scenario can perform their atomic operations.
//
//    state = shared memory + what each thread has read so far
//    step  = one thread performs its next atomic operation, and goes on up to the one after it
//
// JavaScript can not suspend a function in the middle, so a thread is taken to a point by running it again from its start:
// every read is answered from the thread's log, every write ignored, until the log is used up; the next operation is done
// for real, logged, and the operation after that throws `Stop`. A thread is deterministic, so its log is its whole local
// state; two ways to the same logs and memory are the same state, and are followed once.
//
// Plain accesses are no steps of their own. Instead each is checked to be ordered with every conflicting access of another
// thread by atomics (vector clocks: a store carries its thread's clock, a load that reads it takes it over). So a store that
// is made too early, made plain, or left out shows up as a data race even where the values happen to be right; and where
// there is no race, interleaving the atomics alone covers everything. Bytes of which the structure says that they may change under
// its eyes (`relaxed`) are the exception: each access is a step, and orders nothing.
//
// A thread may be mortal: then it may end for ever before any of its steps, and another begins when it has.
export class Violation extends Error {}

class Stop extends Error {}

const stop = new Stop();
const CELLS = 160;
// Operations of one thread: far more than any scenario's, so a thread that gets here spins.
const LOG_LIMIT = 400;

type PendingKind = 'run' | 'await' | 'readable' | 'notified';

interface Local {
  log: number[];
  key: string;
  clock: number[];
  pending: PendingKind;
  /** Cell that a 'readable' or 'notified' waits for. */
  cell: number;
  /** Stores of others when this thread began to look. */
  seen: number;
  stores: number;
  finished: boolean;
  begun: boolean;
}

/** One that is to be gone on from: what `cells` had in use, and the threads; one that has not moved since is shared with the state before. */
interface State {
  readonly cells: Int32Array;
  readonly locals: Local[];
}

// The words of a cell: its value, who wrote it last plainly or atomically, and at which of its ticks; then for each thread the ticks of
// its last plain and of its last atomic read, and the clock that an atomic store left.
const WRITER = 1;
const WRITE_TICK = 2;
const WRITE_ATOMIC = 3;
const VERSION = 4;
const READS = 5;
let ATOMIC_READS = 0;
let RELEASE = 0;
let STRIDE = 0;

/** What a scenario's threads may do besides calling the structure. */
export interface Api {
  /** Repeats `fn` until it is true, sleeping in between until another thread stored something. */
  until(fn: () => boolean): void;
  /** As poll(2) on an eventfd: sleeps until it is readable. */
  poll(fd: number): void;
  /** Threads take turns up to here, in their order: what goes before is no part of what is explored. */
  begin(): void;
  /** Fails the check. */
  fail(why: string): never;
  equal(actual: number, expected: number, what: string): void;
}

/** One thread: `setup` builds its views before anything runs, the result runs. */
export type Program = () => (api: Api) => void;

export interface Scenario {
  name: string;
  /** Makes the shared memory and the threads. */
  build(): Program[];
  /** Eventfd writes that all threads together may make. */
  maxWakes?: number;
  /** Every thread calls `begin`. */
  ordered?: boolean;
  /** Thread `dead` may end at any moment; `heir` begins when it has ended, so or by itself. */
  mortal?: { readonly dead: number; readonly heir: number };
}

let phase: 'build' | 'setup' | 'run' = 'build';
/** Of the present state. */
let locals: Local[] = [];
let cells: Int32Array = new Int32Array(0);
let self = 0; // thread that is running
let cursor = 0; // next log entry to replay
let stepped = false; // the live operation of this step is done
let looking = false; // in `until`
let looks = false; // and past its first operation: what others store from there on is worth another look
let threads = 0;
let cellOf: Map<SharedArrayBuffer, Map<number, number>>;
let cellCount = 0;
let eventfds = 0;
let wakes = 0;
let ordered = false;
let mortal: Scenario['mortal'];

/** Shared memory by bytes, as a typed array would show it. Index access goes through a Proxy. */
export class ModelArray {
  readonly memory: SharedArrayBuffer;
  readonly offset: number;
  readonly length: number;
  readonly width: 1 | 4;
  readonly relaxed: boolean;

  constructor(memory: SharedArrayBuffer, offset: number, length: number, width: 1 | 4, relaxed = false) {
    this.memory = memory;
    this.offset = offset;
    this.length = length;
    this.width = width;
    this.relaxed = relaxed;
  }

  set(source: ArrayLike<number>, at = 0): void {
    for (let i = 0; i < source.length; i++) plainWrite(this, at + i, source[i]!);
  }

  fill(value: number): void {
    for (let i = 0; i < this.length; i++) plainWrite(this, i, value);
  }

  subarray(from: number, to: number = this.length): ModelArray {
    return view(this.memory, this.offset + from * this.width, to - from, this.width, this.relaxed);
  }
}

const handler: ProxyHandler<ModelArray> = {
  get(target, key) {
    if (typeof key === 'string' && key.charCodeAt(0) <= 57) return plainRead(target, Number(key));
    const value: unknown = Reflect.get(target, key, target);
    return typeof value === 'function' ? value.bind(target) : value;
  },
  set(target, key, value: number) {
    plainWrite(target, Number(key), value);
    return true;
  },
};

export function view(
  memory: SharedArrayBuffer,
  offset: number,
  length: number,
  width: 1 | 4,
  relaxed = false,
): ModelArray {
  return new Proxy(new ModelArray(memory, offset, length, width, relaxed), handler);
}

function direct(array: ModelArray, index: number): { bytes: DataView; at: number } {
  return { bytes: new DataView(array.memory), at: array.offset + index * array.width };
}

function directRead(array: ModelArray, index: number): number {
  const { bytes, at } = direct(array, index);
  return array.width === 4 ? bytes.getInt32(at, true) : bytes.getUint8(at);
}

/** Cell of a byte; cells are given out as bytes are first touched. */
function cell(memory: SharedArrayBuffer, byte: number): number {
  let map = cellOf.get(memory);
  if (!map) cellOf.set(memory, (map = new Map()));
  let found = map.get(byte);
  if (found === undefined) {
    if (cellCount === CELLS) throw new Error('model: scenario touches too many bytes');
    map.set(byte, (found = cellCount++));
    // States saved before this byte was touched hold what was there from the beginning.
    initial[found] = new DataView(memory).getUint8(byte);
    cells[found * STRIDE] = initial[found]!;
    touched.push(found);
  }
  if (cells[found * STRIDE + VERSION] === -1) {
    cells[found * STRIDE + VERSION] = 0;
    cells[found * STRIDE] = initial[found]!;
  }
  return found;
}

let initial: Int32Array = new Int32Array(CELLS);
let touched: number[] = [];

function local(): Local {
  return locals[self]!;
}

function replaying(): boolean {
  return cursor < local().log.length;
}

function record(value: number, version: number): void {
  const mine = local();
  if (mine.log.length === LOG_LIMIT) throw new Violation(`no end: thread ${self} goes round and round`);
  mine.log.push(value);
  mine.key += `${value}.${version},`;
  cursor++;
}

function race(array: ModelArray, index: number, how: string, other: number): never {
  throw new Violation(
    `data race: thread ${self} ${how} byte ${array.offset + index * array.width} without order against thread ${other}`,
  );
}

function checkRead(array: ModelArray, index: number, at: number, atomic: boolean): void {
  const writer = cells[at * STRIDE + WRITER]!;
  if (writer < 0 || writer === self || (atomic && cells[at * STRIDE + WRITE_ATOMIC] === 1)) return;
  if (cells[at * STRIDE + WRITE_TICK]! > local().clock[writer]!) race(array, index, 'reads', writer);
}

function checkWrite(array: ModelArray, index: number, at: number, atomic: boolean): void {
  checkRead(array, index, at, atomic);
  for (let other = 0; other < threads; other++) {
    if (other === self) continue;
    const known = local().clock[other]!;
    if (cells[at * STRIDE + READS + other]! > known) race(array, index, 'writes', other);
    if (!atomic && cells[at * STRIDE + ATOMIC_READS + other]! > known) race(array, index, 'writes', other);
  }
}

function plainRead(array: ModelArray, index: number): number {
  if (phase !== 'run') return directRead(array, index);
  if (replaying()) return local().log[cursor++]!;
  if (array.relaxed) enter('run', -1);
  let value = 0;
  let version = 0;
  for (let i = 0; i < array.width; i++) {
    const at = cell(array.memory, array.offset + index * array.width + i);
    if (!array.relaxed) checkRead(array, index, at, false);
    cells[at * STRIDE + READS + self] = local().clock[self]!;
    value |= cells[at * STRIDE]! << (8 * i);
    version = cells[at * STRIDE + VERSION]!;
  }
  record(value, version);
  return value;
}

function plainWrite(array: ModelArray, index: number, value: number): void {
  if (phase !== 'run') {
    const { bytes, at } = direct(array, index);
    if (array.width === 4) bytes.setInt32(at, value, true);
    else bytes.setUint8(at, value);
    return;
  }
  if (replaying()) {
    cursor++;
    return;
  }
  if (array.relaxed) enter('run', -1);
  for (let i = 0; i < array.width; i++) {
    const at = cell(array.memory, array.offset + index * array.width + i);
    if (!array.relaxed) checkWrite(array, index, at, false);
    write(at, (value >> (8 * i)) & 255, false);
  }
  record(0, 0);
}

function write(at: number, value: number, atomic: boolean): void {
  const mine = local();
  cells[at * STRIDE] = value;
  cells[at * STRIDE + WRITER] = self;
  cells[at * STRIDE + WRITE_TICK] = mine.clock[self]!;
  cells[at * STRIDE + WRITE_ATOMIC] = atomic ? 1 : 0;
  cells[at * STRIDE + VERSION] = self * 4096 + mine.log.length + 1;
  for (let t = 0; t < threads; t++) cells[at * STRIDE + RELEASE + t] = atomic ? mine.clock[t]! : 0;
}

/** Stops the thread before its second operation of this step. */
function enter(pending: PendingKind, at: number): void {
  if (stepped) {
    const mine = local();
    mine.pending = pending;
    mine.cell = at;
    throw stop;
  }
  stepped = true;
  local().clock[self]!++;
  if (looks) return;
  local().seen = othersStores();
  looks = looking;
}

function othersStores(): number {
  let sum = 0;
  for (let t = 0; t < threads; t++) if (t !== self) sum += locals[t]!.stores;
  return sum;
}

/** An atomic operation on a word: `change` gives the new value, or undefined to leave it. Returns the old one. A pure store
 *  (`reads` false) takes over nobody's clock. */
export function atomic(
  array: ModelArray,
  index: number,
  change: (old: number) => number | undefined,
  reads = true,
): number {
  if (phase !== 'run') {
    const old = directRead(array, index);
    const next = change(old);
    if (next !== undefined) plainWrite(array, index, next);
    return old;
  }
  if (replaying()) {
    looks = looking;
    return local().log[cursor++]!;
  }
  enter('run', -1);
  const mine = local();
  const base = array.offset + index * 4;
  let old = 0;
  for (let i = 0; i < 4; i++) {
    const at = cell(array.memory, base + i);
    checkRead(array, index, at, true);
    old |= cells[at * STRIDE]! << (8 * i);
    cells[at * STRIDE + ATOMIC_READS + self] = mine.clock[self]!;
  }
  const next = change(old);
  const first = cell(array.memory, base);
  const version = cells[first * STRIDE + VERSION]!;
  if (reads) {
    for (let t = 0; t < threads; t++) {
      mine.clock[t] = Math.max(mine.clock[t]!, cells[first * STRIDE + RELEASE + t]!);
    }
  }
  if (next !== undefined) {
    for (let i = 0; i < 4; i++) {
      const at = cell(array.memory, base + i);
      checkWrite(array, index, at, true);
      write(at, (next >> (8 * i)) & 255, true);
    }
    mine.stores++;
    // What this thread does from here on is after the store, and not covered by the clock it left.
    mine.clock[self]!++;
  }
  record(reads ? old : 0, reads ? version : 0);
  return old;
}

/** A store that a mutant made plain. */
export function weakStore(array: ModelArray, index: number, value: number): void {
  plainWrite(array, index, value);
}

/** A load that a mutant made plain. */
export function weakLoad(array: ModelArray, index: number): number {
  return plainRead(array, index);
}

/** An exchange that a mutant tore in two. */
export function tornExchange(array: ModelArray, index: number, value: number): number {
  const old = atomic(array, index, () => undefined);
  atomic(array, index, () => value, false);
  return old;
}

export function tornAdd(array: ModelArray, index: number, value: number): number {
  const old = atomic(array, index, () => undefined);
  atomic(array, index, () => old + value, false);
  return old;
}

export function weakAdd(array: ModelArray, index: number, value: number): number {
  const old = plainRead(array, index);
  plainWrite(array, index, old + value);
  return old;
}

export function tornCompareExchange(array: ModelArray, index: number, expected: number, value: number): number {
  const old = atomic(array, index, () => undefined);
  if (old === expected) atomic(array, index, () => value, false);
  return old;
}

export function weakCompareExchange(array: ModelArray, index: number, expected: number, value: number): number {
  const old = plainRead(array, index);
  if (old === expected) plainWrite(array, index, value);
  return old;
}

const kernel = new SharedArrayBuffer(256);
const kernelWords: ModelArray = new ModelArray(kernel, 0, 64, 4);

/** Numbers of eventfds are words of the model's kernel memory. */
export function openEventfd(): number {
  return eventfds++;
}

export function writeEventfd(fd: number): void {
  const live = phase === 'run' && !replaying();
  atomic(kernelWords, fd, old => old + 1);
  if (live) wakes++;
  if (live) locals[self]!.key += 'w';
}

export function clearEventfd(fd: number): void {
  atomic(kernelWords, fd, old => (old > 0 ? 0 : undefined));
}

/** Atomics.wait: 16 + thread is the kernel word that says this thread sleeps, and on what. */
export function waitOn(array: ModelArray, index: number, value: number, timeoutMs: number | undefined): string {
  const sleeper = 16 + self;
  const tag = array.offset + index * 4 + 1;
  if (atomic(array, index, () => undefined) !== value) return 'not-equal';
  // Between the comparison and falling asleep nothing else happens (the kernel holds a lock): the same step.
  plainKernel(sleeper, tag);
  if (timeoutMs !== undefined) {
    plainKernel(sleeper, 0);
    return 'timed-out';
  }
  block('notified', sleeper);
  return 'ok';
}

export function notifyOn(array: ModelArray, index: number): number {
  const tag = array.offset + index * 4 + 1;
  let woken = 0;
  const live = phase === 'run' && !replaying();
  atomic(kernelWords, 15, old => old + 1);
  if (live) {
    for (let t = 0; t < threads; t++) {
      if (cells[cell(kernel, (16 + t) * 4) * STRIDE] !== (tag & 255)) continue;
      cells[cell(kernel, (16 + t) * 4) * STRIDE] = 0;
      woken++;
    }
    wakes++;
    locals[self]!.key += 'n';
  }
  return woken;
}

function plainKernel(word: number, value: number): void {
  if (replaying()) {
    cursor++;
    return;
  }
  cells[cell(kernel, word * 4) * STRIDE] = value & 255;
  record(0, 0);
}

function block(pending: PendingKind, word: number): void {
  if (replaying()) {
    cursor++;
    return;
  }
  enter(pending, cell(kernel, word * 4));
  record(0, 0);
}

const api: Api = {
  until(fn) {
    looking = true;
    for (looks = false; !fn(); looks = false) {
      if (replaying()) cursor++;
      else {
        looks = true;
        enter('await', -1);
        record(0, 0);
      }
    }
    looking = false;
    looks = false;
  },
  poll: fd => block('readable', fd),
  begin() {
    if (replaying()) {
      cursor++;
      return;
    }
    enter('run', -1);
    locals[self]!.begun = true;
    record(0, 0);
  },
  fail(why) {
    throw new Violation(why);
  },
  equal(actual, expected, what) {
    if (actual !== expected) throw new Violation(`${what}: got ${actual}, expected ${expected}`);
  },
};

function goBackTo(from: State): void {
  cells.set(from.cells);
  // Cells that were first touched later.
  const end = cellCount * STRIDE;
  cells.fill(0, from.cells.length, end);
  for (let at = from.cells.length; at < end; at += STRIDE) cells[at + WRITER] = cells[at + VERSION] = -1;
  locals = from.locals;
}

/** Thread `t` is about to move. */
function moves(t: number): void {
  locals = locals.slice();
  const mine = locals[t]!;
  locals[t] = { ...mine, log: mine.log.slice(), clock: mine.clock.slice() };
}

function enabled(t: number): boolean {
  const mine = locals[t]!;
  if (mine.finished) return false;
  if (mortal?.heir === t && !locals[mortal.dead]!.finished) return false;
  if (ordered && !mine.begun) {
    for (let other = 0; other < t; other++) if (!begunOrDone(other)) return false;
  } else if (ordered) {
    for (let other = 0; other < threads; other++) if (!begunOrDone(other)) return false;
  }
  if (mine.pending === 'run') return true;
  if (mine.pending === 'readable') return cells[mine.cell * STRIDE]! > 0;
  if (mine.pending === 'notified') return cells[mine.cell * STRIDE] === 0;
  self = t;
  return othersStores() > mine.seen;
}

function begunOrDone(t: number): boolean {
  return locals[t]!.begun || locals[t]!.finished;
}

function keyOf(): string {
  let key = '';
  for (const mine of locals) {
    key += `${mine.key}|${mine.finished ? 'f' : mine.pending === 'await' ? mine.seen : ''}|`;
  }
  for (const at of touched) key += `${cells[at * STRIDE]!},`;
  return key;
}

function step(program: Program, t: number): void {
  self = t;
  cursor = 0;
  stepped = false;
  looking = false;
  looks = false;
  const mine = locals[t]!;
  if (mortal?.heir === t) {
    const { clock } = locals[mortal.dead]!;
    for (let i = 0; i < threads; i++) mine.clock[i] = Math.max(mine.clock[i]!, clock[i]!);
  }
  phase = 'setup';
  const run = program();
  phase = 'run';
  try {
    run(api);
    mine.finished = true;
  } catch (error) {
    if (error !== stop) throw error;
  } finally {
    phase = 'build';
  }
}

/** What a structure throws on purpose, of type Error itself; the model's own begin with its name. */
function isComplaint(error: unknown): error is Error {
  return error instanceof Error && error.constructor === Error && !error.message.startsWith('model');
}

export interface Outcome {
  states: number;
  violation: Violation | undefined;
}

/** Visits every state of a scenario; stops at the first violation. */
export function explore(scenario: Scenario, limit = 60_000): Outcome {
  cellOf = new Map();
  cellCount = 0;
  eventfds = 0;
  ordered = scenario.ordered === true;
  mortal = scenario.mortal;
  initial = new Int32Array(CELLS);
  touched = [];
  phase = 'build';
  new Int32Array(kernel).fill(0);
  const programs = scenario.build();
  threads = programs.length;
  ATOMIC_READS = READS + threads;
  RELEASE = ATOMIC_READS + threads;
  STRIDE = RELEASE + threads;
  cells = new Int32Array(CELLS * STRIDE);
  for (let at = 0; at < cells.length; at += STRIDE) cells[at + WRITER] = cells[at + VERSION] = -1;
  const first: State = {
    cells: new Int32Array(0),
    locals: programs.map(() => ({
      log: [],
      key: '',
      clock: new Array<number>(threads).fill(0),
      pending: 'run',
      cell: -1,
      seen: -1,
      stores: 0,
      finished: false,
      begun: false,
    })),
  };
  // Each thread's first operation is known only after a run up to it; before that every thread can run.
  const visited = new Set<string>();
  const stack: { from: State; wakes: number }[] = [{ from: first, wakes: 0 }];
  /** To be gone on from, unless it was reached another way. */
  const reached = (wakes: number): void => {
    const key = keyOf();
    if (visited.has(key)) return;
    visited.add(key);
    if (visited.size > limit) throw new Violation(`no end: more than ${limit} states`);
    stack.push({ from: { cells: cells.slice(0, cellCount * STRIDE), locals }, wakes });
  };
  try {
    while (stack.length > 0) {
      const { from, wakes: before } = stack.pop()!;
      let moved = false;
      for (let t = 0; t < threads; t++) {
        goBackTo(from);
        if (!enabled(t)) continue;
        moved = true;
        wakes = before;
        moves(t);
        step(programs[t]!, t);
        if (scenario.maxWakes !== undefined && wakes > scenario.maxWakes) {
          throw new Violation(`${wakes} wake-ups, expected at most ${scenario.maxWakes}`);
        }
        reached(wakes);
      }
      if (mortal && !from.locals[mortal.dead]!.finished) {
        goBackTo(from);
        moves(mortal.dead);
        locals[mortal.dead]!.finished = true;
        reached(before);
      }
      if (!moved && from.locals.some(one => !one.finished)) {
        const stuck = from.locals.map((one, t) => `thread ${t}: ${one.finished ? 'done' : one.pending}`).join(', ');
        throw new Violation(`nobody can go on (${stuck})`);
      }
    }
  } catch (error) {
    if (error instanceof Violation) return { states: visited.size, violation: error };
    // A mutant may drive the structure into an assertion of its own: that is a discovery too.
    if (error instanceof RangeError || isComplaint(error)) {
      return { states: visited.size, violation: new Violation(error.message) };
    }
    throw error;
  }
  return { states: visited.size, violation: undefined };
}
