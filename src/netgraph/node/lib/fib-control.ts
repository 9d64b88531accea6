// The control half of fib4 and fib6. Routes lie in the trie alone, a million of them in columns; here are their next hops, which are few:
// each a number, and the paths that flows are spread over.
//
//    10.0.0.0/8 ──▶ next hop 3 ──▶ hook `left`, gateway 192.0.2.1, weight 1
//                             └──▶ hook `right`, the destination itself, weight 2
//
// Workers learn of next hops by commits and of routes by the trie. A route whose next hop is new waits until every worker has had the
// commit (a grace period), and what is asked for meanwhile waits behind it, so that changes are done in their order.
import {
  AF_INET,
  type AddressWords,
  type Family,
  formatAddress,
  formatPrefix,
  parseAddress,
  parseInterfaceAddress,
} from '../../../net/index.ts';
import { maskWords, type Prefix } from '../../../net/index.ts';
import { NetgraphError } from '../../graph/error.ts';
import type { Hook, Node } from '../../graph/node.ts';
import { ControlHalf } from '../../graph/type.ts';
import { createFibMemory, FibTrie } from '../../lib/fib-trie.ts';
import { endsAlone } from './alone.ts';
import { releaseAtEnd } from './release.ts';

/** A route with one path, as messages have it; the gateway unspecified: the destination is on the link. */
export interface Route {
  prefix: string;
  hook: string;
  gateway: string;
}
export interface Path {
  hook: string;
  gateway: string;
  /** Share of the flows, 0 = 1. */
  weight: number;
}
export interface MultiRoute {
  prefix: string;
  count: number;
  paths: Path[];
}

interface NextHop {
  readonly number: number;
  readonly key: string;
  readonly paths: readonly Path[];
  /** Routes that lead to it, those on their way included. */
  routes: number;
}

/** What the workers are told. */
export interface FibConfig {
  readonly memory: number;
  readonly nextHops: readonly {
    readonly number: number;
    readonly paths: readonly { readonly hook: string; readonly gateway: AddressWords; readonly weight: number }[];
  }[];
}

/** Routes that one answer gives at most. */
export const ROUTES_LIMIT = 4096;
const WEIGHT_LIMIT = 255;
const PATHS_LIMIT = 64;
/** What has no route goes out of it, where it is joined. */
export const NO_ROUTE = 'noroute';

export class FibControl extends ControlHalf {
  readonly #family: Family;
  readonly #trie: FibTrie;
  readonly #memory: number;
  readonly #nextHops: Map<string, NextHop> = new Map();
  readonly #byNumber: (NextHop | undefined)[] = [undefined];
  readonly #free: number[] = [];
  #waiting = 0;

  constructor(node: Node, family: Family, groups: number) {
    super(node);
    this.#family = family;
    const memory = createFibMemory(groups);
    this.#trie = new FibTrie(memory, family, free => this.node.graph.retire(free));
    this.#memory = node.graph.plane.announce(memory);
  }

  override config(): FibConfig {
    const nextHops = [...this.#nextHops.values()].map(({ number, paths }) => ({
      number,
      paths: paths.map(({ hook, gateway, weight }) => ({ hook, gateway: this.#address(gateway), weight })),
    }));
    return { memory: this.#memory, nextHops };
  }

  /** A path of a hook that goes, goes with it; a route without a path too. */
  override disconnected({ name }: Hook): void {
    // Workers read the table as it is written.
    this.node.graph.onCommit(() => this.#leave(name));
    endsAlone(this.node);
  }

  #leave(name: string): void {
    if (this.node.state !== 'there') return;
    const gone = [...this.#nextHops.values()].filter(({ paths }) => paths.some(path => path.hook === name));
    if (gone.length === 0) return;
    const trie = this.#trie;
    const heirs = new Map(gone.map(hop => [hop.number, hop.paths.filter(path => path.hook !== name)]));
    for (let route = 0; route < trie.routeLimit; route++) {
      const paths = heirs.get(trie.hopOf(route));
      if (paths === undefined) continue;
      const prefix = trie.prefixOf(route);
      if (paths.length > 0)
        void this.#set(prefix, paths).catch((error: Error) => this.node.graph.trouble(error.message));
      else this.#unset(prefix);
    }
  }

  override shutdown(): void {
    const { plane } = this.node.graph;
    releaseAtEnd(this.node, () => plane.forget(this.#memory));
  }

  override status(): string {
    const { routes, groups, groupLimit } = this.#trie.stats();
    return `${routes} routes, ${this.#nextHops.size} next hops, ${groups} of ${groupLimit} groups`;
  }

  /** Adds or replaces routes, all or none. ENOENT for a hook that is not there, ENOBUFS where the table is full. */
  add(routes: readonly Route[]): Promise<void> {
    const parsed = routes.map(({ prefix, hook, gateway }) => ({
      prefix: this.#prefix(prefix),
      paths: [this.#path(hook, gateway, 1)],
    }));
    return this.#setAll(parsed);
  }

  /** A route whose flows are spread over several paths. */
  addMulti({ prefix, paths }: MultiRoute): Promise<void> {
    if (paths.length === 0 || paths.length > PATHS_LIMIT) {
      throw new NetgraphError('EINVAL', `a route has 1 to ${PATHS_LIMIT} paths, not ${paths.length}`);
    }
    const sorted = paths.map(({ hook, gateway, weight }) => this.#path(hook, gateway, weight || 1));
    return this.#setAll([{ prefix: this.#prefix(prefix), paths: sorted }]);
  }

  remove(texts: readonly string[]): Promise<void> {
    const prefixes = texts.map(text => this.#prefix(text));
    return this.#inOrder(false, () => {
      for (const prefix of prefixes) {
        if (this.#hop(prefix) === 0) {
          throw new NetgraphError('ENOENT', `node ${this.node.address} has no route ${formatPrefix(prefix)}`);
        }
      }
      for (const prefix of prefixes) this.#unset(prefix);
    });
  }

  /** Routes from number `start` on, and the number to go on with; 0 where that was all. */
  list(start: number): { next: number; count: number; routes: Route[] } {
    const trie = this.#trie;
    const routes: Route[] = [];
    let route = start;
    for (; route < trie.routeLimit && routes.length < ROUTES_LIMIT; route++) {
      const hop = this.#byNumber[trie.hopOf(route)];
      if (!hop) continue;
      const prefix = formatPrefix(trie.prefixOf(route));
      for (const { hook, gateway } of hop.paths) routes.push({ prefix, hook, gateway });
    }
    return { next: route < trie.routeLimit ? route : 0, count: routes.length, routes };
  }

  /** The route that a packet to the address takes. ENETUNREACH where there is none. */
  lookup(address: string): MultiRoute {
    const route = this.#trie.match(...this.#address(address));
    const hop = route < 0 ? undefined : this.#byNumber[this.#trie.hopOf(route)];
    if (!hop) throw new NetgraphError('ENETUNREACH', `node ${this.node.address} has no route to ${address}`);
    return { prefix: formatPrefix(this.#trie.prefixOf(route)), count: hop.paths.length, paths: [...hop.paths] };
  }

  #setAll(routes: readonly { readonly prefix: Prefix; readonly paths: readonly Path[] }[]): Promise<void> {
    const before = this.#nextHops.size;
    const hops = routes.map(({ paths }) => this.#hold(paths));
    const fresh = this.#nextHops.size !== before;
    return this.#inOrder(fresh, () => {
      let done = 0;
      const earlier: number[] = [];
      try {
        // One may have gone while this waited.
        for (const hop of new Set(hops)) for (const { hook } of hop.paths) this.#hasHook(hook);
        for (; done < routes.length; done++) {
          const { words, length } = routes[done]!.prefix;
          earlier.push(this.#trie.find(...words, length));
          this.#trie.insert(...words, length, hops[done]!.number);
        }
      } catch (error) {
        for (let i = done - 1; i >= 0; i--) {
          const { words, length } = routes[i]!.prefix;
          if (earlier[i] === 0) this.#trie.remove(...words, length);
          else this.#trie.insert(...words, length, earlier[i]!);
        }
        for (const hop of hops) this.#drop(hop);
        throw error instanceof NetgraphError ? error : new NetgraphError('ENOBUFS', (error as Error).message);
      }
      for (const number of earlier) if (number !== 0) this.#drop(this.#byNumber[number]!);
    });
  }

  #set(prefix: Prefix, paths: readonly Path[]): Promise<void> {
    return this.#setAll([{ prefix, paths }]);
  }

  #unset(prefix: Prefix): void {
    const number = this.#hop(prefix);
    if (number === 0) return;
    this.#trie.remove(...prefix.words, prefix.length);
    this.#drop(this.#byNumber[number]!);
  }

  #hop({ words, length }: Prefix): number {
    return this.#trie.find(...words, length);
  }

  /** Does it when the change is committed, or, where workers have to hear of something `first` or others wait already, after a grace period. */
  #inOrder(first: boolean, fn: () => void): Promise<void> {
    const { graph } = this.node;
    return new Promise((resolve, reject) => {
      const now = (): void => {
        try {
          if (this.node.state === 'there') fn();
          resolve();
        } catch (error) {
          reject(error as Error);
        }
      };
      graph.onCommit(() => {
        if (!first && this.#waiting === 0) {
          now();
          return;
        }
        this.#waiting++;
        graph.onUndo(() => this.#waiting--);
        graph.retire(() => {
          this.#waiting--;
          now();
        });
      });
    });
  }

  #hold(paths: readonly Path[]): NextHop {
    const key = paths.map(({ hook, gateway, weight }) => `${hook} ${gateway} ${weight}`).join();
    let hop = this.#nextHops.get(key);
    if (!hop) {
      hop = { number: this.#free.pop() ?? this.#byNumber.length, key, paths, routes: 0 };
      this.#nextHops.set(key, hop);
      this.#byNumber[hop.number] = hop;
      this.node.reconfigure();
    }
    hop.routes++;
    this.node.graph.onUndo(() => this.#drop(hop));
    return hop;
  }

  #drop(hop: NextHop): void {
    if (--hop.routes > 0) return;
    this.#nextHops.delete(hop.key);
    this.#byNumber[hop.number] = undefined;
    if (this.node.state !== 'there') return;
    this.node.reconfigure();
    // Its number may be in a look-up still.
    this.node.graph.retire(() => this.#free.push(hop.number));
  }

  #path(hook: string, gateway: string, weight: number): Path {
    if (hook === NO_ROUTE) throw new NetgraphError('EINVAL', `hook '${NO_ROUTE}' is for what has no route`);
    this.#hasHook(hook);
    if (weight > WEIGHT_LIMIT) throw new NetgraphError('EINVAL', `a weight of ${weight}: at most ${WEIGHT_LIMIT}`);
    return { hook, gateway: formatAddress(this.#family, this.#address(gateway)), weight };
  }

  #hasHook(hook: string): void {
    const { hooks, address } = this.node;
    if (!hooks.has(hook)) throw new NetgraphError('ENOENT', `node ${address} has no hook '${hook}'`);
  }

  #address(text: string): AddressWords {
    const parsed = parseAddress(text);
    if (parsed?.family !== this.#family) throw new NetgraphError('EINVAL', `'${text}' is no ${this.#called} address`);
    return parsed.words;
  }

  #prefix(text: string): Prefix {
    const parsed = text.includes('/') ? parseInterfaceAddress(text) : undefined;
    if (parsed?.family !== this.#family) throw new NetgraphError('EINVAL', `'${text}' is no ${this.#called} prefix`);
    const words = maskWords(parsed.words, parsed.length);
    if (words.some((word, i) => word !== parsed.words[i])) {
      const meant = formatPrefix({ ...parsed, words });
      throw new NetgraphError('EINVAL', `'${text}' has bits behind its length: ${meant}`);
    }
    return { ...parsed, words };
  }

  get #called(): string {
    return this.#family === AF_INET ? 'IPv4' : 'IPv6';
  }
}
