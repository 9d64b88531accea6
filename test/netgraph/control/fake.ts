// A graph that is not one: a Messenger that answers from a table, and remembers what it was asked.
import { NetgraphError } from '../../../src/netgraph/graph/error.ts';
import type { HookList, NodeInfo } from '../../../src/netgraph/message/generic.ts';
import type { Messenger, Reply, RuntimeRow } from '../../../src/netgraph/control/messenger.ts';

const bridge: NodeInfo = { name: 'bnet0', type: 'bridge', id: 0x1f, hooks: 2 };
const ether: NodeInfo = { name: 'fxp0', type: 'ether', id: 3, hooks: 2 };
const lonely: NodeInfo = { name: '', type: 'hole', id: 0x20, hooks: 0 };

export const NODES: readonly NodeInfo[] = [bridge, ether, lonely];
const HOOKS: readonly HookList[] = [
  {
    nodeinfo: bridge,
    linkinfo: [
      { ourhook: 'link0', peerhook: 'lower', nodeinfo: ether },
      { ourhook: 'link1', peerhook: 'upper', nodeinfo: ether },
    ],
  },
  {
    nodeinfo: ether,
    linkinfo: [
      { ourhook: 'lower', peerhook: 'link0', nodeinfo: bridge },
      { ourhook: 'upper', peerhook: 'link1', nodeinfo: bridge },
    ],
  },
  { nodeinfo: lonely, linkinfo: [] },
];

export class FakeMessenger implements Messenger {
  readonly name: string;
  readonly asked: unknown[][] = [];
  readonly written: { hook: string; data: Uint8Array }[] = [];
  closed = false;
  /** Answers before all else where it gives a promise. */
  intercept: ((path: string, command: string, args: unknown) => Promise<unknown> | undefined) | undefined;
  #onMessage: (reply: Reply) => void = () => {};
  #onData: (hook: string, data: Uint8Array) => void = () => {};

  constructor(name = 'ngctl1') {
    this.name = `${name}:`;
  }

  async request(path: string, command: string, args?: unknown): Promise<unknown> {
    this.asked.push(args === undefined ? [path, command] : [path, command, args]);
    const given = this.intercept?.(path, command, args);
    if (given) return given;
    switch (command) {
      case 'listnodes':
        return { numnames: NODES.length, nodeinfo: NODES };
      case 'listnames':
        return { numnames: 2, nodeinfo: NODES.slice(0, 2) };
      case 'listtypes':
        return {
          numtypes: 2,
          typeinfo: [
            { typename: 'bridge', numnodes: 1 },
            { typename: 'one2many', numnodes: 12345 },
          ],
        };
      case 'listhooks':
        return this.#node(path);
      case 'textstatus':
        if (this.#node(path).nodeinfo.type === 'ether') return 'up';
        throw new NetgraphError('EINVAL', `textstatus is unknown here`);
      case 'textconfig':
        return args === undefined ? 'as it was' : `now ${args as string}`;
      default:
        if (path !== '.:') this.#node(path);
        return undefined;
    }
  }

  async message(path: string, command: string, ascii: string): Promise<readonly Reply[]> {
    this.asked.push([path, 'msg', command, ascii]);
    if (command === 'getstats') return [{ command, cmd: 3, from: '[1f]:', ascii: '{ recvOctets=7 }', response: true }];
    if (command === 'getnothing') return [{ command, cmd: 4, from: path, ascii: undefined, response: true }];
    if (command === 'bad') throw new NetgraphError('EINVAL', "at 2, expected one of a, b, found 'x'");
    return [];
  }

  async write(hook: string, data: Uint8Array): Promise<void> {
    if (hook === 'nohook') throw new NetgraphError('ENOTCONN', `no hook '${hook}'`);
    this.written.push({ hook, data: new Uint8Array(data) });
  }

  onMessage(fn: (reply: Reply) => void): void {
    this.#onMessage = fn;
  }

  onData(fn: (hook: string, data: Uint8Array) => void): void {
    this.#onData = fn;
  }

  async load(file: string): Promise<readonly string[]> {
    if (!file.endsWith('good.ts')) throw new NetgraphError('ENOENT', `there is no module '${file}'`);
    return ['good', 'better'];
  }

  async runtime(): Promise<readonly RuntimeRow[]> {
    return [
      {
        node: 'bnet0',
        type: 'bridge',
        worker: 0,
        vectors: 10,
        packets: 640,
        drops: 3,
        reasons: { rate: 1, filtered: 2 },
        ns: 32_000,
      },
      { node: '[20]', type: 'hole', worker: 11, vectors: 0, packets: 0, drops: 0, reasons: {}, ns: 0 },
    ];
  }

  async close(): Promise<void> {
    this.closed = true;
  }

  /** Something comes unasked. */
  tell(reply: Reply): void {
    this.#onMessage(reply);
  }

  deliver(hook: string, data: Uint8Array): void {
    this.#onData(hook, data);
  }

  #node(path: string): HookList {
    const found = HOOKS.find(
      ({ nodeinfo }) => path === `${nodeinfo.name}:` || path === `[${nodeinfo.id.toString(16)}]:`,
    );
    if (!found) throw new NetgraphError('ENOENT', `there is no node '${path}'`);
    return found;
  }
}
