// A graph for the test of a node type: it runs in the test's own thread, on a clock that the test moves. Around the node stands one socket
// node, `me`, with a hook for each of the node's, of the same name: what is written to it goes in there, what comes out is kept.
import assert from 'node:assert/strict';
import {
  type Graph,
  InlinePlane,
  type Node,
  NetgraphError,
  openGraph,
  type OpenOptions,
  send,
  sendAscii,
  type SocketControl,
  socketOf,
} from '../../../src/netgraph/index.ts';

/** A packet that came out. */
export interface Came {
  readonly hook: string;
  readonly data: Buffer;
}

export class Inline {
  readonly graph: Graph;
  readonly plane: InlinePlane;
  readonly me: Node;
  readonly socket: SocketControl;
  /** What failed in a node; `close` wants it empty. */
  readonly trouble: string[];
  readonly #clock: { now: number };
  #came: Came[] = [];

  /** The clock begins at 1,000,000 ms, so that nothing is right by being 0. */
  static async open(options: Omit<OpenOptions, 'workers' | 'clock' | 'trouble'> = {}): Promise<Inline> {
    const clock = { now: 1_000_000 };
    const trouble: string[] = [];
    const graph = await openGraph({
      ...options,
      workers: 0,
      clock: () => clock.now,
      trouble: text => trouble.push(text),
    });
    return new Inline(graph, clock, trouble);
  }

  private constructor(graph: Graph, clock: { now: number }, trouble: string[]) {
    this.graph = graph;
    this.plane = graph.plane as InlinePlane;
    this.trouble = trouble;
    this.#clock = clock;
    this.me = graph.create('socket', 'me');
    this.socket = socketOf(this.me);
    this.socket.onData = (hook, data) => this.#came.push({ hook, data: Buffer.from(data) });
  }

  get now(): number {
    return this.#clock.now;
  }

  /** A node of the type with these hooks, each joined to the hook of that name of `me`. */
  make(type: string, ...hooks: readonly string[]): Node {
    return this.graph.change(() => {
      const node = this.graph.create(type);
      for (const hook of hooks) this.join(node, hook);
      return node;
    });
  }

  /** One more hook of the node. */
  join(node: Node, hook: string): void {
    this.graph.connect(this.me, hook, node, hook);
  }

  /** Lets a packet in by the hook, and runs the graph until nothing is on its way. Text is taken as Latin-1. */
  write(hook: string, data: Uint8Array | string): void {
    this.socket.write(hook, typeof data === 'string' ? Buffer.from(data, 'latin1') : data);
  }

  /** Moves the clock on to each next timer within `ms`, so that each sees the time that it asked for; then to the end. */
  pass(ms: number): void {
    const end = this.now + ms;
    for (let i = 0; i < 1_000_000; i++) {
      const { due } = this.plane.runtime;
      if (due > end) break;
      if (due > this.now) this.#clock.now = due;
      this.plane.step();
    }
    this.#clock.now = end;
    this.plane.step();
  }

  /** Moves the clock to this very time, and lets what is due then be done once. */
  at(time: number): void {
    this.#clock.now = time;
    this.plane.step();
  }

  /** What has come out since the last time, in order. */
  async came(): Promise<readonly Came[]> {
    // What a data half tells comes in a turn of its own.
    await new Promise(resolve => setImmediate(resolve));
    const came = this.#came;
    this.#came = [];
    return came;
  }

  /** The same as `hook text`. */
  async texts(): Promise<readonly string[]> {
    return (await this.came()).map(({ hook, data }) => `${hook} ${data.toString('latin1')}`);
  }

  /** The same as `hook hex`. */
  async hex(): Promise<readonly string[]> {
    return (await this.came()).map(({ hook, data }) => `${hook} ${data.toString('hex')}`);
  }

  /** Sends a message in ASCII, as ngctl does; the answer's argument in ASCII. */
  async ascii(node: Node, name: string, args: string = ''): Promise<string | undefined> {
    return (await sendAscii(this.graph, this.me, `[${node.id.toString(16)}]:`, name, args)).ascii;
  }

  /** Sends a message as a value; the answer's argument. */
  async send<T = unknown>(node: Node, name: string, args?: unknown): Promise<T> {
    return (await send(this.graph, this.me, `[${node.id.toString(16)}]:`, name, args)).args as T;
  }

  /** The message is refused with this code and a text that `text` is found in, and the graph is as it was. */
  async refuses(node: Node, code: string, name: string, args: string = '', text: string | RegExp = /./): Promise<void> {
    const before = this.graph.snapshot();
    await assert.rejects(this.ascii(node, name, args), (error: unknown) => saysSo(error, code, text));
    assert.deepEqual(this.graph.snapshot(), before, 'a refused message leaves nothing behind');
  }

  /** The node has no such hook, and refuses to have it; `text` is found in what it says. */
  refusesHook(node: Node, code: string, hook: string, text: string | RegExp = /./): void {
    const before = this.graph.snapshot();
    assert.throws(
      () => this.graph.connect(this.me, 'refused', node, hook),
      (error: unknown) => saysSo(error, code, text),
    );
    assert.deepEqual(this.graph.snapshot(), before, 'a refused hook leaves nothing behind');
  }

  /** Ends the graph: every packet and all memory is back, and nothing failed. */
  async close(): Promise<void> {
    await this.graph.close();
    assert.deepEqual(this.trouble, []);
    assert.equal(this.plane.packets.free, this.plane.packets.size, 'every packet came back');
    assert.equal(this.plane.memory.inUse, 0, 'all memory came back');
  }
}

function saysSo(error: unknown, code: string, text: string | RegExp): boolean {
  assert.ok(error instanceof NetgraphError, String(error));
  assert.equal(error.code, code, error.message);
  if (typeof text === 'string') assert.ok(error.message.includes(text), `'${error.message}' says nothing of '${text}'`);
  else assert.match(error.message, text);
  return true;
}
