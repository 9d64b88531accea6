// Next hops: a few hundred addresses that a million paths lead to, so each has an id, and what is known of it (does it
// resolve, at what cost) is looked up by id. Whoever follows them (the ZAPI client) is told when a path first leads to one
// and when none does any more. A next hop that another instance has to find (a route that was leaked, a VPN's) is another one than
// the same address here.
import {
  AF_INET,
  AF_INET6,
  type AddressWords,
  type Family,
  formatAddress,
  formatIp4,
  formatIp6,
  readAddress,
  readWord,
  grown,
} from '../../net/index.ts';

/** Metric of a next hop that nobody has resolved. */
export const METRIC_UNKNOWN = 0xffffffff;

export class NexthopTable {
  /** What is believed of a next hop before anybody says: true for a speaker that runs without a RIB. */
  defaultReachable = false;
  /** 1 where the next hop resolves, by id. */
  reachable: Uint8Array = new Uint8Array(64);
  /** Cost of the path to it (RFC 4271 §9.1.2.2 (e)), by id. */
  metric: Uint32Array = new Uint32Array(64);
  /** Ids handed out so far, id 0 (no next hop) included. */
  limit = 1;
  #uses: Uint32Array = new Uint32Array(64);
  #tracked: Uint8Array = new Uint8Array(64);
  #changed: Uint8Array = new Uint8Array(64);
  readonly #keys: (string | number)[] = [0];
  #families: Uint8Array = new Uint8Array(64);
  #via: Uint32Array = new Uint32Array(64);
  readonly #words: (AddressWords | undefined)[] = [undefined];
  readonly #linkLocal: (AddressWords | undefined)[] = [undefined];
  readonly #ids = new Map<string | number, number>();
  readonly #free: number[] = [];
  readonly #onTrack: ((id: number) => void) | undefined;
  readonly #onForget: ((id: number) => void) | undefined;
  #last4 = -1; // neighbouring sets mostly share their next hop
  #lastId = 0;

  /** `onTrack`: a path leads to this next hop for the first time. `onForget`: no attribute set has it any more. */
  constructor(onTrack?: (id: number) => void, onForget?: (id: number) => void) {
    this.#onTrack = onTrack;
    this.#onForget = onForget;
  }

  /** The id of the 4, 16 or 32 octets at `at`, with one use; 0 for any other length. `via`: the number of the instance that
   *  has to find it, 0 for the table's own. */
  intern(bytes: Uint8Array, at: number, length: number, via = 0): number {
    if (length === 4 && via === 0) {
      const word = readWord(bytes, at);
      if (word === this.#last4) {
        this.#uses[this.#lastId]!++;
        return this.#lastId;
      }
      let id = this.#ids.get(word) ?? 0;
      if (id === 0) id = this.#insert(word, AF_INET, [word, 0, 0, 0], undefined, 0);
      this.#last4 = word;
      this.#lastId = id;
      this.#uses[id]!++;
      return id;
    }
    if (length !== 4 && length !== 16 && length !== 32) return 0;
    const family = length === 4 ? AF_INET : AF_INET6;
    const global = readAddress(family, bytes, at);
    const local = length === 32 ? readAddress(AF_INET6, bytes, at + 16) : undefined;
    const plain = local ? `${global.join()}/${local.join()}` : global.join();
    const key = via === 0 ? plain : `${plain} ${family} ${via}`;
    let id = this.#ids.get(key) ?? 0;
    if (id === 0) id = this.#insert(key, family, global, local, via);
    this.#uses[id]!++;
    return id;
  }

  release(id: number): void {
    if (id === 0 || --this.#uses[id]! > 0) return;
    if (this.#lastId === id) this.#last4 = -1;
    this.#ids.delete(this.#keys[id]!);
    this.#words[id] = undefined;
    this.#free.push(id);
    if (this.#tracked[id] === 1) {
      this.#tracked[id] = 0;
      this.#onForget?.(id);
    }
  }

  /** A path leads here: tell whoever resolves next hops, once. */
  track(id: number): void {
    if (this.#tracked[id] !== 0 || id === 0) return;
    this.#tracked[id] = 1;
    this.#onTrack?.(id);
  }

  /** What is known of a next hop now; true if that differs from before (then tell the tables: `nexthopsChanged`). */
  set(id: number, reachable: boolean, metric: number): boolean {
    const flag = reachable ? 1 : 0;
    if (this.reachable[id] === flag && this.metric[id] === metric) return false;
    this.reachable[id] = flag;
    this.metric[id] = metric;
    this.#changed[id] = 1;
    return true;
  }

  /** What the tables have not been told of yet. */
  get hasChanged(): boolean {
    return this.#changed.includes(1);
  }

  /** Ids changed since the last call, as a flag by id; undefined if none. */
  takeChanged(): Uint8Array | undefined {
    if (!this.hasChanged) return undefined;
    const changed = this.#changed.slice();
    this.#changed.fill(0);
    return changed;
  }

  /** Ids in use that paths lead to: for a resolver that starts anew. */
  tracked(): number[] {
    const ids: number[] = [];
    for (let id = 1; id < this.limit; id++) if (this.#tracked[id] === 1) ids.push(id);
    return ids;
  }

  family(id: number): Family {
    return this.#families[id] === AF_INET ? AF_INET : AF_INET6;
  }

  /** The number of the instance that has to find it, 0: the table's own. */
  via(id: number): number {
    return this.#via[id]!;
  }

  /** Whether paths lead to a next hop that the instance of this number has to find. */
  leadsVia(number: number): boolean {
    for (let id = 1; id < this.limit; id++) if (this.#tracked[id] === 1 && this.#via[id] === number) return true;
    return false;
  }

  /** The address; for IPv6 the global one, which may be a link-local address where that is all there is. */
  words(id: number): AddressWords {
    return this.#words[id] ?? [0, 0, 0, 0];
  }

  /** The link-local address that came with a global one (RFC 2545 §3). */
  linkLocal(id: number): AddressWords | undefined {
    return this.#linkLocal[id];
  }

  format(id: number): string {
    return formatAddress(this.family(id), this.words(id));
  }

  /** Id of an IPv4 next hop in use, or 0. */
  find4(word: number): number {
    return this.#ids.get(word) ?? 0;
  }

  /** All ids with this address, with whichever link-local address, that are the table's own. */
  find(family: Family, words: AddressWords): number[] {
    if (family === AF_INET) {
      const id = this.find4(words[0]);
      return id === 0 ? [] : [id];
    }
    const ids: number[] = [];
    for (let id = 1; id < this.limit; id++) {
      const own = this.#words[id];
      if (own === undefined || this.#via[id] !== 0 || this.family(id) !== AF_INET6) continue;
      if (own.every((word, i) => word === words[i])) ids.push(id);
    }
    return ids;
  }

  #insert(
    key: string | number,
    family: Family,
    words: AddressWords,
    linkLocal: AddressWords | undefined,
    via: number,
  ): number {
    const id = this.#free.pop() ?? this.limit++;
    if (id >= this.reachable.length) {
      const rows = this.reachable.length * 2;
      [this.reachable, this.metric, this.#uses, this.#tracked, this.#changed, this.#families, this.#via] = grown(
        rows,
        this.reachable,
        this.metric,
        this.#uses,
        this.#tracked,
        this.#changed,
        this.#families,
        this.#via,
      );
    }
    this.#ids.set(key, id);
    this.#keys[id] = key;
    this.#families[id] = family;
    this.#via[id] = via;
    this.#words[id] = words;
    this.#linkLocal[id] = linkLocal;
    this.#uses[id] = 0;
    this.#changed[id] = 0;
    this.reachable[id] = this.defaultReachable ? 1 : 0;
    this.metric[id] = this.defaultReachable ? 0 : METRIC_UNKNOWN;
    return id;
  }
}

/** Next hop octets of a canonical set (4, 16 or 32) to text. */
export function formatNexthop(bytes: Uint8Array, at: number, length: number): string {
  if (length === 4) return formatIp4(readWord(bytes, at));
  if (length < 16) return '-';
  return formatIp6(readWord(bytes, at), readWord(bytes, at + 4), readWord(bytes, at + 8), readWord(bytes, at + 12));
}
