// Which events a consumer wants. What is not said is not asked: an empty filter lets everything through.
import { containsPrefix, type Family, type Prefix, parsePrefix, type AddressWords } from '../net/index.ts';
import { EVENT_KINDS, type EventKind } from './event.ts';
import { IfProxyError, type Proxy } from './port.ts';

export interface EventFilter {
  readonly proxies?: readonly Proxy[];
  readonly kinds?: readonly EventKind[];
  /** Of routes: numbers of their tables. */
  readonly tables?: readonly number[];
  /** Of routes: RTPROT_*. A route that is replaced by one of another protocol is added or deleted for who filters by it. */
  readonly protocols?: readonly number[];
  /** Routes, addresses and neighbours within one of these (`10.0.0.0/8`, `::/0`). */
  readonly prefixes?: readonly string[];
  /** `false`: changes that are our own are left out. A picture has what they made all the same. */
  readonly own?: boolean;
}

export class Filter {
  readonly #proxies: ReadonlySet<Proxy> | undefined;
  readonly #kinds: number;
  readonly #tables: ReadonlySet<number> | undefined;
  readonly #protocols: ReadonlySet<number> | undefined;
  readonly #prefixes: readonly Prefix[] | undefined;
  readonly #own: boolean;
  /** Whether routes are asked more than their proxy and kind. */
  readonly asksRoutes: boolean;

  constructor(filter: EventFilter = {}) {
    this.#proxies = filter.proxies && new Set(filter.proxies);
    this.#kinds = filter.kinds === undefined ? -1 : kindBits(filter.kinds);
    this.#tables = filter.tables && new Set(filter.tables);
    this.#protocols = filter.protocols && new Set(filter.protocols);
    this.#prefixes = filter.prefixes?.map(text => {
      const prefix = parsePrefix(text);
      if (prefix === undefined) throw new IfProxyError(`filter: ${text} is not a prefix`);
      return prefix;
    });
    this.#own = filter.own ?? true;
    this.asksRoutes = (this.#tables ?? this.#protocols ?? this.#prefixes) !== undefined;
  }

  /** Whether it lets through events of this kind, proxy and doing. */
  passes(code: number, proxy: Proxy, own: boolean): boolean {
    return this.wants(code) && (this.#own || !own) && (this.#proxies === undefined || this.#proxies.has(proxy));
  }

  wants(code: number): boolean {
    return (this.#kinds & (1 << code)) !== 0;
  }

  passesRoute(
    table: number,
    protocol: number,
    family: Family,
    w0: number,
    w1: number,
    w2: number,
    w3: number,
    length: number,
  ): boolean {
    if (this.#tables !== undefined && !this.#tables.has(table)) return false;
    if (this.#protocols !== undefined && !this.#protocols.has(protocol)) return false;
    return this.#prefixes === undefined || this.passesPrefix(family, [w0, w1, w2, w3], length);
  }

  passesPrefix(family: Family, words: AddressWords, length: number): boolean {
    if (this.#prefixes === undefined) return true;
    const inner = { family, words, length };
    return this.#prefixes.some(outer => containsPrefix(outer, inner));
  }
}

function kindBits(kinds: readonly EventKind[]): number {
  let bits = 0;
  for (const kind of kinds) {
    const code = EVENT_KINDS.indexOf(kind);
    if (code < 0) throw new IfProxyError(`filter: ${kind} is not a kind of event`);
    bits |= 1 << code;
  }
  return bits;
}
