// IPv4 forwarding by longest match, which FreeBSD leaves to its stack. A route leads to a hook, and to a gateway behind it or to
// the destination itself; packets that come in by any hook go out of their route's. The table lies in shared memory: the control half
// writes it, every worker looks in it without a lock, and 100,000 routes cost no commit.
//
//    route 10.0.0.0/8 ──▶ next hop 3 ──▶ hook `left`, gateway 192.0.2.1
//                          └ numbers of (hook, gateway) pairs; told to the workers by a commit, before a route uses one
import { NetgraphError } from '../graph/error.ts';
import type { Hook } from '../graph/node.ts';
import { command, ControlHalf, type NodeType } from '../graph/type.ts';
import { Fib4, Fib4Reader } from '../lib/fib4.ts';
import { array, hookbuf, ipv4, string, struct, uint32 } from '../message/form.ts';
import { PKT_DATA, PKT_LENGTH, PKT_NEXT_HOP } from '../packet/packets.ts';
import { DataHalf, DROP } from '../worker/half.ts';
import type { DataHook } from '../worker/runtime.ts';
import { endsAlone } from './lib/alone.ts';
import { formatIp4, parseIp4 } from '../../net/index.ts';

/** A route as messages have it; gateway 0.0.0.0: the destination is on the link. */
interface Route {
  /** `10.0.0.0/8` */
  prefix: string;
  hook: string;
  gateway: string;
}

interface NextHop {
  readonly number: number;
  readonly hook: string;
  readonly gateway: string;
  routes: number;
}

interface Fib4Config {
  readonly memory: number;
  /** By number, from 1. */
  readonly nextHops: readonly { readonly number: number; readonly hook: string; readonly gateway: number }[];
}

const route = struct({ prefix: string, hook: hookbuf, gateway: ipv4 });
const routes = struct({
  count: uint32,
  routes: array({ element: route, length: ({ count }: { count: number }) => count }),
});

export class Fib4Control extends ControlHalf {
  readonly #fib: Fib4;
  readonly #memory: number;
  readonly #routes: Map<string, { readonly base: number; readonly length: number; readonly nextHop: NextHop }> =
    new Map();
  readonly #nextHops: Map<string, NextHop> = new Map();
  readonly #free: number[] = [];
  #next = 1;

  constructor(node: ControlHalf['node']) {
    super(node);
    this.#fib = new Fib4(free => this.node.graph.retire(free));
    this.#memory = node.graph.plane.announce(this.#fib.memory);
  }

  override config(): Fib4Config {
    return {
      memory: this.#memory,
      nextHops: [...this.#nextHops.values()].map(({ number, hook, gateway }) => ({
        number,
        hook,
        gateway: parseIp4(gateway)!,
      })),
    };
  }

  /** Routes of a hook that goes go with it. */
  override disconnected({ name }: Hook): void {
    for (const [prefix, { nextHop }] of this.#routes) if (nextHop.hook === name) this.remove(prefix);
    endsAlone(this.node);
  }

  override shutdown(): void {
    const { plane } = this.node.graph;
    this.node.graph.retire(() => plane.forget(this.#memory));
  }

  add({ prefix, hook, gateway }: Route): void {
    const { base, length } = parsePrefix(prefix);
    if (!this.node.hooks.has(hook))
      throw new NetgraphError('ENOENT', `node ${this.node.address} has no hook '${hook}'`);
    const before = this.#routes.get(prefix);
    const nextHop = this.#hold(hook, gateway);
    try {
      this.#fib.insert(base, length, nextHop.number);
    } catch (error) {
      this.#drop(nextHop);
      throw new NetgraphError('ENOBUFS', (error as Error).message);
    }
    this.#routes.set(prefix, { base, length, nextHop });
    if (before) this.#drop(before.nextHop);
  }

  remove(prefix: string): void {
    const before = this.#routes.get(prefix);
    if (!before) throw new NetgraphError('ENOENT', `node ${this.node.address} has no route ${prefix}`);
    this.#fib.remove(before.base, before.length);
    this.#routes.delete(prefix);
    this.#drop(before.nextHop);
  }

  list(): { count: number; routes: Route[] } {
    const all = [...this.#routes].map(([prefix, { nextHop }]) => ({
      prefix,
      hook: nextHop.hook,
      gateway: nextHop.gateway,
    }));
    return { count: all.length, routes: all };
  }

  #hold(hook: string, gateway: string): NextHop {
    const key = `${hook} ${gateway}`;
    let nextHop = this.#nextHops.get(key);
    if (!nextHop) {
      nextHop = { number: this.#free.pop() ?? this.#next++, hook, gateway, routes: 0 };
      this.#nextHops.set(key, nextHop);
      this.node.reconfigure();
    }
    nextHop.routes++;
    return nextHop;
  }

  #drop(nextHop: NextHop): void {
    if (--nextHop.routes > 0) return;
    this.#nextHops.delete(`${nextHop.hook} ${nextHop.gateway}`);
    this.node.reconfigure();
    // Its number may be in a look-up still.
    this.node.graph.retire(() => this.#free.push(nextHop.number));
  }
}

function parsePrefix(text: string): { base: number; length: number } {
  const [address = '', bits = ''] = text.split('/');
  const base = parseIp4(address);
  const length = /^\d{1,2}$/.test(bits) ? Number(bits) : 33;
  const mask = length === 0 ? 0 : (-1 << (32 - length)) >>> 0;
  if (base === undefined || length > 32) throw new NetgraphError('EINVAL', `'${text}' is no IPv4 prefix`);
  if ((base & mask) >>> 0 !== base)
    throw new NetgraphError(
      'EINVAL',
      `'${text}' has bits behind its length: ${formatIp4((base & mask) >>> 0)}/${length}`,
    );
  return { base, length };
}

class Fib4Data extends DataHalf<Fib4Config> {
  #fib: Fib4Reader | undefined;
  #gateways: Int32Array = new Int32Array(1);
  #names: (string | undefined)[] = [undefined];
  /** By number of the next hop. */
  #outs: (DataHook | undefined)[] = [undefined];

  override configure({ memory, nextHops }: Fib4Config): void {
    this.#fib ??= new Fib4Reader(this.node.memory(memory));
    const size = 1 + nextHops.reduce((most, { number }) => Math.max(most, number), 0);
    this.#gateways = new Int32Array(size);
    this.#names = new Array<string | undefined>(size).fill(undefined);
    for (const { number, hook, gateway } of nextHops) {
      this.#gateways[number] = gateway;
      this.#names[number] = hook;
    }
    this.#find();
  }

  override hookAdded(): void {
    this.#find();
  }

  override hookRemoved(): void {
    this.#find();
  }

  override receive(_hook: DataHook, handles: Int32Array, count: number): void {
    const { packets } = this.node;
    const { words, bytes } = packets;
    const fib = this.#fib!;
    const outs = this.#outs;
    const gateways = this.#gateways;
    // As long as all go out of the hook of the first, the vector stays as it is.
    let same: DataHook | undefined;
    let last = 0;
    let gateway = 0;
    let good = 0;
    for (let i = 0; i < count; i++) {
      const handle = handles[i]!;
      const at = words[handle + PKT_DATA]!;
      const short = words[handle + PKT_LENGTH]! < 20;
      let nextHop = 0;
      if (!short) nextHop = (at & 3) === 0 ? fib.lookupWord(words[(at >> 2) + 4]!) : fib.lookupAt(bytes, at + 16);
      if (nextHop !== last || nextHop === 0) {
        const out = nextHop < outs.length ? outs[nextHop] : undefined;
        if (out === undefined) {
          this.node.drop(handle, short ? DROP.malformed : DROP.noRoute);
          continue;
        }
        last = nextHop;
        gateway = gateways[nextHop]!;
        if (out !== same) {
          if (same !== undefined) same.sendMany(handles, good);
          same = out;
          good = 0;
        }
      }
      words[handle + PKT_NEXT_HOP] = gateway;
      handles[good++] = handle;
    }
    if (same !== undefined) same.pass(good);
  }

  #find(): void {
    this.#outs = this.#names.map(name => (name === undefined ? undefined : this.node.hook(name)));
  }
}

export const fib4: NodeType = {
  name: 'fib4',
  cookie: 1764288001,
  messages: [
    command({ name: 'addroute', cmd: 1, args: route, handle: (fib: Fib4Control, args) => fib.add(args) }),
    command({
      name: 'delroute',
      cmd: 2,
      args: struct({ prefix: string }),
      handle: (fib: Fib4Control, { prefix }) => fib.remove(prefix),
    }),
    command({ name: 'getroutes', cmd: 3, reply: routes, handle: (fib: Fib4Control) => fib.list() }),
  ],
  control: Fib4Control,
  data: Fib4Data,
};
