// What a NAT does in its worker. Sessions are its own and end with it; what it was told comes again with its configuration.
import { read16 } from '../../lib/ip.ts';
import {
  NAT_HAIRPIN,
  NAT_MALFORMED,
  NAT_PASSED,
  NAT_TRANSLATED,
  NAT_FULL,
  NAT_NO_PORT,
  Nat,
  type NatRedirect,
  NatRedirectError,
} from '../../lib/nat.ts';
import type { NatProxyRule } from '../../lib/nat-proxy.ts';
import { PKT_DATA, PKT_LENGTH } from '../../packet/packets.ts';
import { type DataContext, DataHalf, DROP } from '../../worker/half.ts';
import type { DataHook } from '../../worker/node.ts';
import { answer, isQuestion } from './ask.ts';
import { DLT_EN10MB, ETHER_OTHER, etherPayload } from './dlt.ts';

const ETHERTYPE_IP = 0x0800;
const EXPIRE_MS = 1000;

export interface NatConfig {
  /** 0: not said yet, and then nothing passes. */
  readonly address: number;
  readonly flags: number;
  readonly target: number;
  readonly dlt: number;
  readonly redirects: ReadonlyMap<number, NatRedirect>;
  /** Redirects that are to serve one more connection; each is told of when it is let go. */
  readonly leaving: ReadonlySet<number>;
  readonly proxyRules: readonly NatProxyRule[];
  readonly ftp: boolean;
}

/** What is told of a redirect that was let go. */
export interface LetGo {
  readonly left: number;
}

const TRANSLATED = 0;
const PASSED = 1;
const HAIRPIN = 2;
const REFUSED = 3;

export class NatData extends DataHalf<NatConfig> {
  readonly #nat: Nat;
  /** The number that the library knows a redirect by, and how many servers it has; absent where it could not be made yet. */
  readonly #made: Map<number, { readonly number: number; servers: number }> = new Map();
  #redirects: ReadonlyMap<number, NatRedirect> = new Map();
  #ready = false;
  #ether = false;
  #in: DataHook | undefined;
  #out: DataHook | undefined;

  constructor(node: DataContext) {
    super(node);
    this.#nat = new Nat({ addresses: [] }, node.now());
    this.due = node.now() + EXPIRE_MS;
  }

  override configure({ address, flags, target, dlt, redirects, leaving, proxyRules, ftp }: NatConfig): void {
    const nat = this.#nat;
    this.#ready = address !== 0;
    this.#ether = dlt === DLT_EN10MB;
    nat.flags = flags;
    nat.target = target;
    nat.proxyRules = proxyRules;
    nat.ftp = ftp;
    nat.setAddresses(address === 0 ? [] : [address]);
    for (const [id, { number }] of this.#made) {
      if (redirects.has(id)) continue;
      if (leaving.has(id)) nat.letGoRedirect(number, this.node.now());
      else nat.deleteRedirect(number);
      this.#made.delete(id);
    }
    for (const left of leaving) this.node.tell({ left } satisfies LetGo);
    this.#redirects = redirects;
    this.#redirect();
  }

  override hookAdded(): void {
    this.#in = this.node.hook('in');
    this.#out = this.node.hook('out');
  }

  override hookRemoved(): void {
    this.hookAdded();
  }

  override heard(value: unknown): boolean {
    if (!isQuestion(value)) return true;
    return answer(this.node, value, this.#nat.sessionsOf());
  }

  override timer(now: number): void {
    this.#nat.expire(now);
    if (this.#made.size < this.#redirects.size) this.#redirect();
    this.due = now + EXPIRE_MS;
  }

  override receive(hook: DataHook, handles: Int32Array, count: number): void {
    const inside = this.#out;
    const outside = this.#in;
    if (!this.#ready || inside === undefined || outside === undefined) {
      this.node.dropMany(handles, count, DROP.notConnected);
      return;
    }
    const { words, bytes } = this.node.packets;
    const { counts } = this.node;
    const nat = this.#nat;
    const ether = this.#ether;
    const now = this.node.now();
    const outbound = hook === inside;
    const to = outbound ? outside : inside;
    let good = 0;
    for (let i = 0; i < count; i++) {
      const handle = handles[i]!;
      let at = words[handle + PKT_DATA]!;
      let length = words[handle + PKT_LENGTH]!;
      let verdict = 0;
      if (ether) {
        const payload = etherPayload(bytes, at, length);
        if (payload === ETHER_OTHER) verdict = NAT_MALFORMED;
        else if (payload >>> 16 !== ETHERTYPE_IP) verdict = NAT_PASSED;
        else {
          at += payload & 0xffff;
          // A short frame is padded: the packet says how long it is.
          length -= payload & 0xffff;
          if (length >= 20 && read16(bytes, at + 2) < length) length = read16(bytes, at + 2);
        }
      }
      if (verdict === 0) {
        if (nat.ftp) nat.room = this.node.packets.room(handle) - (at - words[handle + PKT_DATA]!);
        verdict = outbound ? nat.outbound(bytes, at, length, now) : nat.inbound(bytes, at, length, now);
        if (nat.longer !== 0) words[handle + PKT_LENGTH] = words[handle + PKT_LENGTH]! + nat.longer;
      }
      if (verdict === NAT_TRANSLATED) {
        counts[TRANSLATED] = counts[TRANSLATED]! + 1;
        handles[good++] = handle;
      } else if (verdict === NAT_PASSED) {
        counts[PASSED] = counts[PASSED]! + 1;
        handles[good++] = handle;
      } else if (verdict === NAT_HAIRPIN) {
        counts[HAIRPIN] = counts[HAIRPIN]! + 1;
        inside.send(handle);
      } else {
        counts[REFUSED] = counts[REFUSED]! + 1;
        const full = verdict === NAT_FULL || verdict === NAT_NO_PORT;
        this.node.drop(handle, verdict === NAT_MALFORMED ? DROP.malformed : full ? DROP.refused : DROP.filtered);
      }
    }
    to.sendMany(handles, good);
  }

  /** Makes the redirects that are not made yet, and has each with its servers. */
  #redirect(): void {
    for (const [id, redirect] of this.#redirects) {
      const made = this.#made.get(id);
      if (made === undefined) this.#make(id, redirect);
      else if (made.servers !== redirect.servers.length) {
        made.servers = redirect.servers.length;
        this.#nat.setServers(made.number, redirect.servers);
      }
    }
  }

  #make(id: number, redirect: NatRedirect): void {
    try {
      this.#made.set(id, { number: this.#nat.redirect(redirect), servers: redirect.servers.length });
    } catch (error) {
      // There is no address yet, or no room: later, perhaps.
      if (!(error instanceof NatRedirectError)) throw error;
    }
  }
}
