// The SRv6 SIDs of our VRFs (RFC 8986 §4.6-4.8): functions of a locator that zebra gives us, each with a route that ends the tunnel in
// the VRF's table. A SID stays as long as somebody wants it and the locator is there.
//
//    SID  | locator: block, node | function | 0 …  |        1 … 255 in the function's first octet, as FRR numbers them; then the others
import type { TimerTask } from '../../concurrency/index.ts';
import { type AddressWords, equalWords } from '../../net/index.ts';
import {
  FRR_8_4_4,
  LOCATOR_USID,
  type LocatorChunk,
  MESSAGE_NEXTHOP,
  NEXTHOP_FLAG_SEG6LOCAL,
  NEXTHOP_IFINDEX,
  NEXTHOP_MAX_BYTES,
  NexthopColumns,
  ROUTE_FLAG_ALLOW_RECURSION,
  RouteMessage,
  routeTypeNumber,
  SEG6LOCAL_CONTEXT_BYTES,
  writeHostWord,
} from '../../zapi/index.ts';
import type { BgpInstance } from '../instance.ts';
import type { Speaker } from '../speaker.ts';
import { LABEL_IMPLICIT_NULL } from '../wire/labels.ts';
import {
  encodeL3Service,
  EndpointBehavior,
  type L3Service,
  transposedLabel,
  VPN_LABEL_BITS,
} from '../wire/prefix-sid.ts';
import { type Vrf, VRF_DEFAULT } from '../vrf.ts';
import type { Chosen } from './settings.ts';

export type SidKind = 'dt4' | 'dt6' | 'dt46';

export interface WantedSid {
  readonly instance: BgpInstance;
  readonly kind: SidKind;
  readonly chosen: Chosen;
}

export interface Sid {
  readonly words: AddressWords;
  readonly function: number;
  readonly behavior: number;
  /** With the function's bits that go there; of 20. */
  readonly label: number;
  /** Value of the Prefix-SID attribute, in hexadecimal digits. */
  readonly attribute: string;
}

/** As ZAPI numbers what a SID does, and what it is called. */
const KINDS: Readonly<Record<SidKind, { readonly action: number; readonly plain: number; readonly next: number }>> = {
  dt4: { action: 8, plain: EndpointBehavior.dt4, next: EndpointBehavior.dt4Next },
  dt6: { action: 7, plain: EndpointBehavior.dt6, next: EndpointBehavior.dt6Next },
  dt46: { action: 16, plain: EndpointBehavior.dt46, next: EndpointBehavior.dt46Next },
};
const CONTEXT_TABLE = 20;
const DEFAULT_FUNCTION_BITS = 16;
/** A SID that is not wanted any more ends tunnels for so long still: the other edges have not all heard of it at once. */
const LINGER_MS = 3000;
/** The loopback interface, which the default VRF's routes may name. */
const LOOPBACK = 1;

interface Entry {
  sid: Sid;
  readonly key: string;
  readonly vrf: Vrf;
  /** Interface and table of its VRF. */
  readonly ifindex: number;
  readonly table: number;
  readonly kind: SidKind;
  wanted: boolean;
  /** When it was not wanted any more; of the loop's clock. */
  unwantedMs: number;
  told: boolean;
}

export class Sids {
  readonly #bgp: Speaker;
  #locator: string | undefined;
  #chunk: LocatorChunk | undefined;
  readonly #entries: Map<string, Entry> = new Map();
  /** Why a SID that is wanted is not there. */
  readonly #problems: Map<string, string> = new Map();
  readonly #route: RouteMessage = new RouteMessage();
  readonly #lingering: TimerTask;

  constructor(bgp: Speaker) {
    this.#bgp = bgp;
    this.#lingering = bgp.loop.timer('bgp srv6 sids', () => {
      this.flush();
      // What has gone may have made room.
      if (this.#problems.size > 0) bgp.changed();
    });
    this.#route.type = routeTypeNumber(FRR_8_4_4, 'bgp');
    this.#route.family = 10;
  }

  get locator(): string | undefined {
    return this.#locator;
  }

  get chunk(): LocatorChunk | undefined {
    return this.#chunk;
  }

  setLocator(name: string | undefined): void {
    if (name === this.#locator) return;
    const client = this.#bgp.zebra?.client;
    if (this.#locator !== undefined) client?.unwantLocatorChunk(this.#locator);
    this.#locator = name;
    this.#chunk = undefined;
    if (name !== undefined) client?.wantLocatorChunk(name);
    this.#bgp.changed();
  }

  /** Zebra has given us the locator, perhaps with another content than before. */
  given(chunk: LocatorChunk): void {
    if (chunk.name !== this.#locator) return;
    // FRR 8.4.4's zebra says 0 where nobody configured it, and its bgpd takes that for 16.
    const functionBits = chunk.functionBits || DEFAULT_FUNCTION_BITS;
    this.#chunk = { ...chunk, functionBits };
    this.#bgp.changed();
  }

  /** It is there no more, and neither are the SIDs made of it. */
  gone(name: string): void {
    if (name !== this.#locator || this.#chunk === undefined) return;
    this.#chunk = undefined;
    this.#bgp.changed();
  }

  of(instance: BgpInstance, kind: SidKind): Sid | undefined {
    for (const entry of this.#entries.values())
      if (entry.wanted && entry.key === keyOf(instance, kind)) return entry.sid;
    return undefined;
  }

  problem(instance: BgpInstance, kind: SidKind): string | undefined {
    return this.#problems.get(keyOf(instance, kind));
  }

  /** Has these SIDs, and no others. */
  reconcile(wanted: readonly WantedSid[]): void {
    const chunk = this.#chunk;
    this.#problems.clear();
    const before = [...this.#entries.values()];
    const wantedBefore = before.filter(entry => entry.wanted);
    for (const entry of before) entry.wanted = false;
    // What an operator chose comes first, then what is there already, then new ones.
    const rank = ({ instance, kind, chosen }: WantedSid): number => {
      if (chosen !== 'auto') return 0;
      return before.some(entry => entry.key === keyOf(instance, kind)) ? 1 : 2;
    };
    for (const one of [...wanted].sort((a, b) => rank(a) - rank(b))) {
      const key = keyOf(one.instance, one.kind);
      const why = chunk === undefined ? this.#noChunk() : this.#give(one, key, chunk);
      if (why !== undefined) this.#problems.set(key, why);
    }
    const now = this.#bgp.loop.now();
    for (const entry of wantedBefore) if (!entry.wanted) entry.unwantedMs = now;
    this.flush();
  }

  #noChunk(): string {
    if (this.#locator === undefined) return 'no SRv6 locator is configured (segment-routing srv6, locator NAME)';
    return `there is no SRv6 locator ${this.#locator}`;
  }

  /** Why there is no SID for it; undefined: there is one. */
  #give({ instance, kind, chosen }: WantedSid, key: string, chunk: LocatorChunk): string | undefined {
    const { vrf } = instance;
    if (!vrf.exists) return `there is no VRF ${vrf.name}`;
    if (vrf.name === VRF_DEFAULT && kind !== 'dt6') {
      return `${kind === 'dt4' ? 'End.DT4' : 'End.DT46'} ends in the device of a VRF, and the default one has none`;
    }
    const taken = new Set<number>();
    let own: Entry | undefined;
    for (const entry of this.#entries.values()) {
      if (entry.key === key && !entry.wanted) own = entry;
      if (entry.wanted) taken.add(entry.sid.function);
    }
    let value: number | undefined;
    if (chosen === 'auto') {
      const known = own?.sid.function;
      const others = new Set([...this.#entries.values()].filter(one => one !== own).map(one => one.sid.function));
      value = known !== undefined && !taken.has(known) ? known : firstFree(chunk.functionBits, others);
      if (value === undefined) return `locator ${chunk.name} has no function left of ${2 ** chunk.functionBits - 1}`;
    } else {
      value = explicitFunction(chosen, chunk.functionBits);
      if (value === undefined)
        return `SID ${chosen} has no place in ${chunk.functionBits} bits of locator ${chunk.name}`;
      if (taken.has(value)) return `SID ${chosen} of locator ${chunk.name} is another VRF's`;
    }
    const sid = makeSid(chunk, value, kind);
    const at = `${sid.words.join()} ${kind} ${vrf.id} ${vrf.table}`;
    const known = this.#entries.get(at);
    if (known !== undefined && known.key === key) {
      known.wanted = true;
      // What the segment does may be called otherwise.
      known.sid = sid;
    } else {
      this.#entries.set(at, {
        sid,
        key,
        kind,
        vrf,
        ifindex: vrf.id || LOOPBACK,
        table: vrf.table,
        wanted: true,
        unwantedMs: 0,
        told: false,
      });
    }
    return undefined;
  }

  // ===== zebra =====

  /** A new connection: zebra has nothing of ours that it would not forget by itself. */
  connected(): void {
    for (const [at, entry] of this.#entries) {
      entry.told = false;
      if (!entry.wanted) this.#entries.delete(at);
    }
    this.flush();
  }

  /** All that is wanted was said. */
  get idle(): boolean {
    for (const { wanted, told } of this.#entries.values()) if (wanted && !told) return false;
    return this.#locator === undefined || this.#chunk !== undefined;
  }

  /** Says what there is room for. */
  flush(): void {
    const client = this.#bgp.zebra?.client;
    if (client === undefined || !client.connected) return;
    // First what goes: another VRF may have the SID next.
    const now = this.#bgp.loop.now();
    for (const [at, entry] of this.#entries) {
      if (entry.wanted) continue;
      if (entry.told && this.#lingers(entry, now)) {
        if (!this.#lingering.active) this.#lingering.start(LINGER_MS);
        continue;
      }
      // Where the same SID is told of another VRF, it is that one's now.
      if (entry.told && !this.#isTaken(entry) && !this.#withdraw(entry)) return;
      this.#entries.delete(at);
    }
    for (const entry of this.#entries.values()) {
      if (entry.told) continue;
      if (!this.#announce(entry)) return;
      entry.told = true;
    }
    client.flush();
  }

  /** Its VRF is there as it was, nobody else wants the SID, and others may not have heard yet that nobody does. */
  #lingers(entry: Entry, now: number): boolean {
    const { vrf, ifindex, table, unwantedMs } = entry;
    if (!vrf.exists || (vrf.id || LOOPBACK) !== ifindex || vrf.table !== table) return false;
    return now - unwantedMs < LINGER_MS && !this.#isTaken(entry);
  }

  #isTaken({ sid }: Entry): boolean {
    for (const other of this.#entries.values()) if (other.wanted && equalWords(other.sid.words, sid.words)) return true;
    return false;
  }

  #announce(entry: Entry): boolean {
    const route = this.#prefix(entry);
    const hops = new NexthopColumns(1);
    const row = hops.add(NEXTHOP_IFINDEX, 0);
    hops.ifindex[row] = entry.ifindex;
    hops.flags[row] = NEXTHOP_FLAG_SEG6LOCAL;
    hops.seg6localAction[row] = KINDS[entry.kind].action;
    writeHostWord(hops.seg6localContext, row * SEG6LOCAL_CONTEXT_BYTES + CONTEXT_TABLE, entry.table);
    route.message = MESSAGE_NEXTHOP;
    route.flags = ROUTE_FLAG_ALLOW_RECURSION;
    route.bytes = new Uint8Array(NEXTHOP_MAX_BYTES);
    route.nexthopStart = 0;
    route.nexthopEnd = FRR_8_4_4.route.encodeNexthops(hops, MESSAGE_NEXTHOP, route.bytes, 0);
    route.nexthopCount = 1;
    return this.#bgp.zebra!.client.routeAdd(route, 0);
  }

  #withdraw(entry: Entry): boolean {
    const route = this.#prefix(entry);
    route.message = 0;
    route.flags = 0;
    return this.#bgp.zebra!.client.routeDelete(route, 0);
  }

  #prefix({ sid }: Entry): RouteMessage {
    const route = this.#route;
    route.prefixLength = 128;
    [route.w0, route.w1, route.w2, route.w3] = sid.words;
    return route;
  }

  /** For `show`: what is there and of which VRF, in the order in which it came. */
  *[Symbol.iterator](): Generator<{ readonly sid: Sid; readonly vrf: string }> {
    for (const { sid, kind, key, wanted } of this.#entries.values()) {
      if (wanted) yield { sid, vrf: key.slice(0, -kind.length - 1) };
    }
  }
}

function keyOf({ name }: BgpInstance, kind: SidKind): string {
  return `${name} ${kind}`;
}

/** The value of the function's first octet, or of all of it where the number does not fit there. */
function explicitFunction(chosen: number, bits: number): number | undefined {
  const value = chosen < 256 && bits > 8 ? chosen * 2 ** (bits - 8) : chosen;
  return value < 2 ** bits ? value : undefined;
}

/** Functions in the order in which they are given out. */
function firstFree(bits: number, taken: ReadonlySet<number>): number | undefined {
  const step = bits > 8 ? 2 ** (bits - 8) : 1;
  const end = 2 ** bits;
  for (let value = step; value < end; value += step) if (!taken.has(value)) return value;
  for (let value = 1; value < end; value++) if (value % step !== 0 && !taken.has(value)) return value;
  return undefined;
}

function makeSid(chunk: LocatorChunk, value: number, kind: SidKind): Sid {
  const { blockBits, nodeBits, functionBits, argumentBits, flags } = chunk;
  const offset = blockBits + nodeBits;
  const words: [number, number, number, number] = [...chunk.prefix.words];
  for (let bit = 0; bit < functionBits; bit++) {
    if (Math.floor(value / 2 ** (functionBits - 1 - bit)) % 2 === 0) continue;
    const at = offset + bit;
    words[at >>> 5] = (words[at >>> 5]! | (1 << (31 - (at & 31)))) >>> 0;
  }
  const service: L3Service = {
    sid: words,
    behavior: (flags & LOCATOR_USID) === 0 ? KINDS[kind].plain : KINDS[kind].next,
    structure: {
      blockBits,
      nodeBits,
      functionBits,
      argumentBits,
      // What differs from VRF to VRF goes with the prefix (RFC 9252 §4), as far as there is room.
      transpositionLength: Math.min(functionBits, VPN_LABEL_BITS),
      transpositionOffset: offset,
    },
  };
  return {
    words,
    function: value,
    behavior: service.behavior,
    label: transposedLabel(service, VPN_LABEL_BITS) ?? LABEL_IMPLICIT_NULL,
    attribute: Buffer.from(encodeL3Service(service)).toString('hex'),
  };
}
