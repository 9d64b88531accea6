// The data half of fib4 and fib6 but for the look-up: next hops by their number, their paths in columns, and the hash that keeps a flow on
// one path of several.
import { PKT_FLAG_NEXT_HOP6, PKT_FLAGS, PKT_NEXT_HOP } from '../../packet/packets.ts';
import { DataHalf, DROP } from '../../worker/half.ts';
import type { DataHook } from '../../worker/node.ts';
import { type FibConfig, NO_ROUTE } from './fib-control.ts';

export abstract class FibData extends DataHalf<FibConfig> {
  /** By number of the next hop: its first path, and how many. */
  protected first: Int32Array = new Int32Array(1);
  protected count: Int32Array = new Int32Array(1);
  /** By path, one of weight n standing there n times. */
  protected outs: (DataHook | undefined)[] = [undefined];
  protected gateways: Int32Array = new Int32Array(4);
  protected noRoute: DataHook | undefined;
  #names: string[] = [];

  protected abstract open(memory: SharedArrayBuffer): void;

  override configure({ memory, nextHops }: FibConfig): void {
    this.open(this.node.memory(memory));
    const size = 1 + nextHops.reduce((most, { number }) => Math.max(most, number), 0);
    const first = new Int32Array(size);
    const count = new Int32Array(size);
    const names: string[] = [];
    const gateways: number[] = [];
    for (const { number, paths } of nextHops) {
      first[number] = names.length;
      for (const { hook, gateway, weight } of paths) {
        for (let i = 0; i < weight; i++) {
          names.push(hook);
          gateways.push(...gateway);
        }
      }
      count[number] = names.length - first[number]!;
    }
    this.first = first;
    this.count = count;
    this.gateways = Int32Array.from(gateways);
    this.#names = names;
    this.#find();
  }

  override hookAdded(): void {
    this.#find();
  }

  override hookRemoved(): void {
    this.#find();
  }

  protected without(handle: number): void {
    if (this.noRoute === undefined) this.node.drop(handle, DROP.noRoute);
    else this.noRoute.send(handle);
  }

  protected set6(words: Int32Array, handle: number, path: number): void {
    const { gateways } = this;
    const at = path << 2;
    const any = gateways[at]! | gateways[at + 1]! | gateways[at + 2]! | gateways[at + 3]!;
    for (let i = 0; i < 4; i++) words[handle + PKT_NEXT_HOP + i] = gateways[at + i]!;
    const flags = words[handle + PKT_FLAGS]!;
    words[handle + PKT_FLAGS] = any === 0 ? flags & ~PKT_FLAG_NEXT_HOP6 : flags | PKT_FLAG_NEXT_HOP6;
  }

  #find(): void {
    this.outs = this.#names.map(name => this.node.hook(name));
    this.noRoute = this.node.hook(NO_ROUTE);
  }
}

/** Mixes a word of a flow into its hash. */
export function mix(hash: number, word: number): number {
  const mixed = Math.imul(hash ^ word, 0x9e3779b1);
  return mixed ^ (mixed >>> 15);
}

/** One of `count`, by the hash's high bits. */
export function choose(hash: number, count: number): number {
  return Math.floor(((Math.imul(hash, 0x85ebca6b) >>> 0) * count) / 0x1_0000_0000);
}
