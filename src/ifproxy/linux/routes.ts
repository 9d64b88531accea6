// Which of the kernel's routes is which. A notification does not name the route that it is about; the kernel's own rules say it, and
// they differ by family (net/ipv4/fib_trie.c, net/ipv6/ip6_fib.c, as seen from outside):
//
// IPv4: routes of one prefix, table, TOS and metric lie in a row. `replace` takes the place of the first, `append` comes behind the last,
// anything else before the first. A deletion tells the whole route.
//
// IPv6: routes by gateways with one prefix, table and metric are one route of several hops: a new one is told with all of them, a
// deletion only those that go. Routes without a gateway, and the kernel's own from router advertisements, stand for themselves.
//
// We hold only routes that concern proxies. So where several routes may have one key, the first in the kernel's row may be one that we do
// not hold: then routes are dumped again (`doubt`).
//
// In a dump what is not known yet is added at once, unless a route of its key has not come yet: it may have been replaced by this one.
// Those wait for the end, when it is known, so nothing is added before what it replaces is gone.
import type { AddressWords, Family } from '../../net/index.ts';
import { type RouteView, rtnetlink as c } from '../../netlink/index.ts';
import { HOP_DEAD, HOP_ENCAP, HOP_GATEWAY, HOP_WORD, HOP_WORDS, type PathSet, SOURCE_WORDS } from '../paths.ts';
import { isReject, type Picture, routeIs } from '../picture.ts';
import { RouteInput, routeWord, type RouteTable, ROW_DECORATED } from '../routes.ts';
import { FLAG_OWN } from '../event.ts';
import type { Nexthops } from './nexthops.ts';

const PROTOCOL_KERNEL = 2;
const PROTOCOL_RA = 9;
/** What a hardware, or a program in its place, made of a route. */
const OFFLOAD_FLAGS: number =
  c.RTM_F_OFFLOAD | c.RTM_F_TRAP | c.RTM_F_OFFLOAD_FAILED | c.RTNH_F_OFFLOAD | c.RTNH_F_TRAP;

export class KernelRoutes {
  readonly #picture: Picture;
  readonly #nexthops: Nexthops;
  /** Asks for a dump of routes. */
  readonly #doubt: () => void;
  readonly #input: RouteInput = new RouteInput();
  readonly #room = (words: number): Int32Array => {
    const { paths } = this.#input;
    if (paths.length >= words) return paths;
    const longer = new Int32Array(words * 2);
    longer.set(paths);
    this.#input.paths = longer;
    return longer;
  };
  /** Hops of an IPv6 route said different things of it: another one says them when the first goes. */
  #mixed = false;
  /** IPv4 routes with the same prefix, table, TOS and metric were seen. */
  #aliased = false;
  #generation = 0;
  /** Messages of a dump that wait for its end. */
  readonly #waiting: Uint8Array[] = [];
  // The item before of a dump, to see that two have one key.
  #w0 = 0;
  #length = -1;
  #table = 0;
  #metric = 0;
  #tos = 0;

  constructor(picture: Picture, nexthops: Nexthops, doubt: () => void) {
    this.#picture = picture;
    this.#nexthops = nexthops;
    this.#doubt = doubt;
  }

  begin(): void {
    this.#generation = (this.#generation % 255) + 1;
    this.#waiting.length = 0;
    this.#length = -1;
  }

  /** An item of a dump. */
  item(view: RouteView, bytes: Uint8Array, offset: number, size: number): void {
    const input = this.#read(view, false);
    if (view.family === 2) this.#watchAliases(input);
    if (!isReject(input.type) && !this.#picture.concernsPaths(input.paths, input.pathWords)) return;
    const table = view.family === 2 ? this.#picture.routes4 : this.#picture.routes6;
    let last = -1; // of its key
    let open = false; // one of its key has not come in this dump
    const prefix = table.locate(input);
    for (let row = table.head(prefix); row >= 0; row = table.after(row)) {
      if (table.table[row] !== input.table || table.metric[row] !== input.metric) continue;
      const unseen = table.seen[row] !== this.#generation;
      if (unseen && routeIs(table, row, input)) {
        table.seen[row] = this.#generation;
        this.#picture.replaceRoute(table, row, input, 0);
        return;
      }
      if (unseen) open = true;
      last = row;
    }
    if (open) this.#waiting.push(bytes.slice(offset, offset + size));
    else this.#add(table, input, last, prefix);
  }

  /** The dump is over: what waited for it, and what was not in it. */
  end(view: RouteView): void {
    const tableOf = (): RouteTable => (view.family === 2 ? this.#picture.routes4 : this.#picture.routes6);
    const left = this.#waiting.splice(0).filter(message => {
      view.decode(message, 0, message.length);
      return !this.#settle(this.#read(view, false), tableOf());
    });
    for (const table of [this.#picture.routes4, this.#picture.routes6]) {
      for (let row = 0; row < table.limit; row++) {
        if (table.prefix[row] !== 0 && table.seen[row] !== this.#generation) this.#picture.removeRoute(table, row, 0);
      }
    }
    // Last, because what they came for may have gone just now.
    for (const message of left) {
      view.decode(message, 0, message.length);
      const input = this.#read(view, false);
      this.#add(tableOf(), input, lastOfKey(tableOf(), input));
    }
  }

  /** Whether it took the place of one that was not in the dump. */
  #settle(input: RouteInput, table: RouteTable): boolean {
    let replaced = -1;
    for (let row = table.first(input); row >= 0; row = table.after(row)) {
      if (table.table[row] !== input.table || table.metric[row] !== input.metric) continue;
      if (table.seen[row] === this.#generation) continue;
      if (routeIs(table, row, input)) {
        replaced = row;
        break;
      }
      if (replaced < 0 && this.#sameKey(table, row, input)) replaced = row;
    }
    if (replaced < 0) return false;
    table.seen[replaced] = this.#generation;
    this.#picture.replaceRoute(table, replaced, input, 0);
    return true;
  }

  /** RTM_NEWROUTE */
  added(view: RouteView, flags: number, own: boolean): void {
    const input = this.#read(view, own);
    const concerned = isReject(input.type) || this.#picture.concernsPaths(input.paths, input.pathWords);
    if (view.family === 2) this.#added4(input, flags, concerned);
    else this.#added6(input, flags, concerned);
  }

  #added4(input: RouteInput, flags: number, concerned: boolean): void {
    const table = this.#picture.routes4;
    const replaces = (flags & c.NLM_F_REPLACE) !== 0;
    if (!replaces && (flags & c.NLM_F_EXCL) === 0) this.#aliased = true;
    let first = -1;
    let before = -1; // the row that the new one comes behind
    for (let row = table.first(input); row >= 0; row = table.after(row)) {
      const key =
        table.table[row] === input.table && table.metric[row] === input.metric && table.word[row]! >>> 24 === input.tos;
      if (!key) {
        if (first < 0) before = row;
        continue;
      }
      if (first < 0) first = row;
      if ((flags & c.NLM_F_APPEND) !== 0) before = row;
      if (routeIs(table, row, input) && !replaces) {
        // Told again: a dump had it already. Or it is another one that differs in what rows leave out.
        const decorated = input.decorated || (table.state[row]! & ROW_DECORATED) !== 0;
        if (decorated && (flags & c.NLM_F_EXCL) === 0) this.#doubt();
        else this.#picture.replaceRoute(table, row, input, 0);
        return;
      }
    }
    if (replaces && first >= 0) {
      if (concerned) this.#picture.replaceRoute(table, first, input, 0);
      else this.#picture.removeRoute(table, first, input.own ? FLAG_OWN : 0);
    } else if (concerned) this.#add(table, input, before);
    // Who replaces one of several may have replaced one that we do not hold.
    if (replaces && this.#aliased) this.#doubt();
  }

  #added6(input: RouteInput, flags: number, concerned: boolean): void {
    const table = this.#picture.routes6;
    const replaces = (flags & c.NLM_F_REPLACE) !== 0;
    const joins = canJoin(input);
    let same = -1; // what it is another state of
    let other = -1; // what it may have replaced beyond that
    let last = -1;
    for (let row = table.first(input); row >= 0; row = table.after(row)) {
      if (table.table[row] !== input.table || table.metric[row] !== input.metric) continue;
      last = row;
      if (other < 0) other = row;
      if (same >= 0) continue;
      if (joins ? rowCanJoin(table, row) || wasAdvertised(table, row, input) : this.#standsAlike(table, row, input)) {
        same = row;
      }
    }
    if (same >= 0 && joins && !replaces) this.#keepFirst(table, same, input);
    const victim = same >= 0 ? same : replaces ? other : -1;
    if (victim >= 0) {
      if (concerned) this.#picture.replaceRoute(table, victim, input, 0);
      else this.#picture.removeRoute(table, victim, input.own ? FLAG_OWN : 0);
    } else if (concerned) this.#add(table, input, last);
    if (replaces && (!joins || same < 0)) this.#doubt();
  }

  /** What a route of several hops says besides them is its first hop's: one that joins says its own, and changes nothing of it. */
  #keepFirst(table: RouteTable, row: number, input: RouteInput): void {
    const { words } = table.paths(row);
    const word = table.word[row]!;
    const alike = routeWord(input) === word && words.every((value, i) => i >= SOURCE_WORDS || input.paths[i] === value);
    if (alike || input.pathWords <= words.length) return;
    this.#mixed = true;
    input.type = word & 255;
    input.protocol = (word >>> 8) & 255;
    input.scope = (word >>> 16) & 255;
    input.tos = word >>> 24;
    input.paths.set(words.subarray(0, SOURCE_WORDS));
  }

  #add(table: RouteTable, input: RouteInput, after: number, prefix: number = table.locate(input)): void {
    const row = this.#picture.addRoute(table, input, prefix, after, 0);
    // After, because the columns may have moved.
    table.seen[row] = this.#generation;
  }

  /** RTM_DELROUTE */
  deleted(view: RouteView, own: boolean): void {
    const input = this.#read(view, own);
    const flags = own ? FLAG_OWN : 0;
    const table = view.family === 2 ? this.#picture.routes4 : this.#picture.routes6;
    let alike = -1;
    let joined = -1;
    for (let row = table.first(input); row >= 0; row = table.after(row)) {
      if (table.table[row] !== input.table || table.metric[row] !== input.metric) continue;
      if (routeIs(table, row, input)) {
        this.#picture.removeRoute(table, row, flags);
        return;
      }
      if (alike < 0 && input.nexthopId !== 0 && table.nexthop[row] === input.nexthopId) alike = row;
      if (view.family !== 2) {
        if (joined < 0 && canJoin(input) && rowCanJoin(table, row)) joined = row;
        else if (alike < 0 && this.#standsAlike(table, row, input)) alike = row;
      }
    }
    if (alike >= 0) this.#picture.removeRoute(table, alike, flags);
    else if (joined >= 0) this.#leave(table, joined, input, flags);
    else if (this.#picture.concernsPaths(input.paths, input.pathWords) && input.nexthopId === 0) this.#doubt();
  }

  /** Some hops of a route go. */
  #leave(table: RouteTable, row: number, input: RouteInput, flags: number): void {
    const { words } = table.paths(row);
    const left = new Int32Array(words.length);
    left.set(words.subarray(0, SOURCE_WORDS));
    let to = SOURCE_WORDS;
    for (let at = SOURCE_WORDS; at < words.length; at += HOP_WORDS) {
      if (hasHop(input, words, at)) continue;
      left.set(words.subarray(at, at + HOP_WORDS), to);
      to += HOP_WORDS;
    }
    if (to === words.length) this.#doubt();
    else if (to > SOURCE_WORDS && this.#picture.concernsPaths(left, to)) {
      this.#picture.repathRoute(table, row, left, to, flags);
    } else this.#picture.removeRoute(table, row, flags);
    if (this.#mixed) this.#doubt();
  }

  /** Objects have changed: the routes that use them have other hops, or none and go. */
  objectsChanged(ids: readonly number[], flags: number): void {
    if (ids.length === 0) return;
    const affected = new Set(ids);
    for (const table of [this.#picture.routes4, this.#picture.routes6]) {
      for (let row = 0; row < table.limit; row++) {
        const id = table.nexthop[row]!;
        if (id === 0 || table.prefix[row] === 0 || !affected.has(id)) continue;
        if (isReject(table.word[row]! & 255) && this.#nexthops.has(id)) continue;
        const words = this.#room(SOURCE_WORDS);
        words.set(table.paths(row).words.subarray(0, SOURCE_WORDS));
        const end = this.#nexthops.resolve(id, SOURCE_WORDS, this.#room);
        if (this.#picture.concernsPaths(this.#input.paths, end)) {
          this.#picture.repathRoute(table, row, this.#input.paths, end, flags);
        } else this.#picture.removeRoute(table, row, flags);
      }
    }
  }

  /** Whether a route says this address to be what its packets are from. The kernel's own do not count: it takes them back with a word. */
  from(family: Family, address: AddressWords): boolean {
    const isFrom = (set: PathSet): boolean =>
      set.words[0] === family && address.every((word, i) => set.words[1 + i]! >>> 0 === word);
    const sets = new Set(this.#picture.sets.sets.filter(set => set !== undefined && isFrom(set)).map(set => set!.id));
    if (sets.size === 0) return false;
    const table = this.#picture.routes(family);
    for (let row = 0; row < table.limit; row++) {
      if (table.prefix[row] === 0 || !sets.has(table.set[row]!)) continue;
      if (((table.word[row]! >>> 8) & 255) !== PROTOCOL_KERNEL) return true;
    }
    return false;
  }

  #read(view: RouteView, own: boolean): RouteInput {
    const input = this.#input;
    input.w0 = view.w0;
    input.w1 = view.w1;
    input.w2 = view.w2;
    input.w3 = view.w3;
    input.length = view.length;
    input.table = view.table;
    input.metric = view.metric;
    input.tos = view.tos;
    input.protocol = view.protocol;
    input.scope = view.scope;
    input.type = view.type;
    // Flags of a route's only hop stand among its own.
    input.offload = (view.flags & OFFLOAD_FLAGS) >>> 0;
    input.nexthopId = view.nexthopId;
    input.own = own;
    input.decorated = view.decorated;
    const words = this.#room(SOURCE_WORDS + HOP_WORDS * view.pathCount);
    words[0] = view.hasPreferredSource ? view.family : 0;
    for (let i = 0; i < 4; i++) words[1 + i] = view.hasPreferredSource ? view.preferredSource[i]! : 0;
    let at = SOURCE_WORDS;
    if (isReject(view.type)) {
      // IPv6 says the loopback.
    } else if (view.nexthopId !== 0 && this.#nexthops.has(view.nexthopId)) {
      at = this.#nexthops.resolve(view.nexthopId, at, this.#room);
    } else {
      for (let i = 0; i < view.pathCount; i++, at += HOP_WORDS) {
        const flags = view.pathFlags[i]!;
        words[at] = view.pathIfindex[i]!;
        words[at + HOP_WORD] =
          view.pathGatewayFamily[i]! |
          ((flags & c.RTNH_F_ONLINK) << 8) |
          ((flags & c.RTNH_F_DEAD) !== 0 ? HOP_DEAD : 0) |
          ((view.pathWeight[i]! - 1) << 16);
        words[at + HOP_GATEWAY] = view.pathGateway[4 * i]!;
        words[at + HOP_GATEWAY + 1] = view.pathGateway[4 * i + 1]!;
        words[at + HOP_GATEWAY + 2] = view.pathGateway[4 * i + 2]!;
        words[at + HOP_GATEWAY + 3] = view.pathGateway[4 * i + 3]!;
        words[at + HOP_ENCAP] = view.pathEncapType[i]!;
        if (view.pathEncapType[i] !== 0) input.decorated = true;
      }
    }
    input.pathWords = at;
    return input;
  }

  #watchAliases(input: RouteInput): void {
    const { w0, length, table, metric, tos } = input;
    if (w0 === this.#w0 && length === this.#length && table === this.#table && metric === this.#metric) {
      if (tos === this.#tos) this.#aliased = true;
    }
    this.#w0 = w0;
    this.#length = length;
    this.#table = table;
    this.#metric = metric;
    this.#tos = tos;
  }

  /** Whether one may have taken the other's place. */
  #sameKey(table: RouteTable, row: number, input: RouteInput): boolean {
    if (table.family === 2) return table.word[row]! >>> 24 === input.tos;
    return rowCanJoin(table, row) === canJoin(input);
  }

  /** Whether both are states of one IPv6 route that joins no other. */
  #standsAlike(table: RouteTable, row: number, input: RouteInput): boolean {
    if (rowCanJoin(table, row) || (table.word[row]! & 255) !== input.type) return false;
    if (table.nexthop[row] !== 0 || input.nexthopId !== 0) return table.nexthop[row] === input.nexthopId;
    const { words } = table.paths(row);
    if (words.length !== input.pathWords) return false;
    for (let at = SOURCE_WORDS; at < words.length; at += HOP_WORDS) {
      if (!sameHop(words, at, input.paths, at)) return false;
    }
    return true;
  }
}

/** The last row of the input's prefix, table and metric, or -1. */
function lastOfKey(table: RouteTable, input: RouteInput): number {
  let last = -1;
  for (let row = table.first(input); row >= 0; row = table.after(row)) {
    if (table.table[row] === input.table && table.metric[row] === input.metric) last = row;
  }
  return last;
}

/** Whether an IPv6 route becomes one with others of its key. */
function canJoin(input: RouteInput): boolean {
  return joins(input.paths, input.pathWords, routeWord(input), input.nexthopId);
}

function rowCanJoin(table: RouteTable, row: number): boolean {
  const { words } = table.paths(row);
  return joins(words, words.length, table.word[row]!, table.nexthop[row]!);
}

function joins(words: Int32Array, length: number, word: number, nexthopId: number): boolean {
  if (length === SOURCE_WORDS || nexthopId !== 0) return false;
  // Of several hops it is not the kernel's own: others may say to have been advertised, too.
  if (((word >>> 8) & 255) === PROTOCOL_RA && length === SOURCE_WORDS + HOP_WORDS) return false;
  return (words[SOURCE_WORDS + HOP_WORD]! & 255) !== 0;
}

/** Whether the row was taken for the kernel's own from a router advertisement, and has joined others in the input. */
function wasAdvertised(table: RouteTable, row: number, input: RouteInput): boolean {
  const { words } = table.paths(row);
  if (((table.word[row]! >>> 8) & 255) !== PROTOCOL_RA || words.length === SOURCE_WORDS) return false;
  return input.pathWords > words.length && hasHop(input, words, SOURCE_WORDS);
}

/** Whether the input has the hop at word `at` of `words`, whatever its weight and state. */
function hasHop(input: RouteInput, words: Int32Array, at: number): boolean {
  for (let i = SOURCE_WORDS; i < input.pathWords; i += HOP_WORDS) if (sameHop(words, at, input.paths, i)) return true;
  return false;
}

function sameHop(a: Int32Array, at: number, b: Int32Array, bt: number): boolean {
  if (a[at] !== b[bt] || ((a[at + HOP_WORD]! ^ b[bt + HOP_WORD]!) & 255) !== 0) return false;
  for (let i = HOP_GATEWAY; i < HOP_GATEWAY + 4; i++) if (a[at + i] !== b[bt + i]) return false;
  return true;
}

/** nlmsg_flags of the message at `offset`. */
export function messageFlags(bytes: Uint8Array, offset: number): number {
  return bytes[offset + 6]! | (bytes[offset + 7]! << 8);
}
