// Zebra over the fake kernel, run by hand.
import { AF_INET, type Family, parsePrefix } from '../../src/net/index.ts';
import { gatewayNexthop, type Nexthop, Zebra } from '../../src/zebra/index.ts';
import { parseAddress } from '../../src/net/index.ts';
import { FakeKernel } from './fake-kernel.ts';

export class Bench {
  readonly kernel: FakeKernel;
  zebra: Zebra;
  nowS = 1;
  readonly logged: string[] = [];
  #timers: { at: number; fn: () => void }[] = [];
  #nowMs = 0;

  constructor(kernel: FakeKernel = new FakeKernel()) {
    this.kernel = kernel;
    this.zebra = this.#make();
    this.zebra.start();
    this.settle();
  }

  /** As after kill -9: a new zebra over the same kernel. */
  restart(): void {
    this.#timers = [];
    this.zebra = this.#make();
    this.zebra.start();
    this.settle();
  }

  #make(): Zebra {
    return new Zebra(this.kernel, {
      wake: () => {},
      later: (ms, fn) => void this.#timers.push({ at: this.#nowMs + ms, fn }),
      nowS: () => this.nowS,
      log: text => void this.logged.push(text),
    });
  }

  /** Time passes: timers that are due run. */
  advance(ms: number): void {
    this.#nowMs += ms;
    const due = this.#timers.filter(timer => timer.at <= this.#nowMs);
    this.#timers = this.#timers.filter(timer => timer.at > this.#nowMs);
    for (const timer of due) timer.fn();
  }

  /** Zebra works until it has nothing to do; never for ever. */
  work(): void {
    let questions = 0;
    const impatient = (): boolean => ++questions > 50_000;
    while (this.zebra.process(impatient) || this.zebra.followers.run(impatient)) {
      if (questions > 50_000) throw new Error('zebra does not come to an end');
    }
  }

  /** Everybody works until nothing moves. */
  settle(): void {
    for (let round = 0; round < 100_000; round++) {
      this.work();
      const served = this.kernel.serve() + this.kernel.handOver();
      while (this.zebra.receive());
      if (
        served === 0 &&
        !this.kernel.busy &&
        this.zebra.rib.dirty === 0 &&
        !this.zebra.rib.walks.walking &&
        this.zebra.resolver.idle &&
        this.zebra.mpls.lsps.dirty === 0
      ) {
        this.work();
        if (!this.kernel.busy && this.kernel.serve() === 0) return;
      }
    }
    throw new Error(`zebra does not come to rest: ${JSON.stringify(this.zebra.rib.stats)}`);
  }

  set(members: readonly Nexthop[], recursive = true, family: Family = AF_INET): number {
    return this.zebra.nexthops.intern(0, family, members, recursive);
  }

  add(prefix: string, type: number, members: readonly Nexthop[], distance: number, metric = 0, owner = 0): void {
    const { family, words, length } = parsePrefix(prefix)!;
    const [w0, w1, w2, w3] = words;
    const set = this.set(members, true, family);
    this.zebra.rib.add(0, family, w0, w1, w2, w3, length, type, 0, 0, distance, metric, 0, set, owner);
  }

  remove(prefix: string, type: number): boolean {
    const { family, words, length } = parsePrefix(prefix)!;
    const [w0, w1, w2, w3] = words;
    return this.zebra.rib.remove(0, family, w0, w1, w2, w3, length, type, 0, -1, 0);
  }

  via(address: string, ifindex = 0): Nexthop {
    const { family, words } = parseAddress(address)!;
    return gatewayNexthop(family, words, ifindex);
  }

  link(ifindex: number, name: string, address: string): void {
    this.kernel.addLink(ifindex, name, true);
    const [text, length] = address.split('/');
    const { family, words } = parseAddress(text!)!;
    this.kernel.addAddress(ifindex, family, words, Number(length));
    this.settle();
  }
}
