// The next hops that a client tracks. Zebra says when one resolves differently; here it is marked, and told when there is
// room, so that a slow client hears the last state of each.
import { AF_INET, type Family, formatPrefix, makePrefix } from '../../net/index.ts';
import type { NexthopRegistration } from '../../zapi/index.ts';
import type { NhtRegistration, ZebraFace } from '../face.ts';
import type { Client, Counters } from './client.ts';
import { nexthopUpdate } from './translate.ts';

interface Tracked {
  readonly vrf: number;
  registration: NhtRegistration | undefined;
}

export class TrackedNexthops {
  /** When the client last registered one, and when it was last told of one; 0 = never. */
  registeredMs = 0;
  toldMs = 0;
  readonly #client: Client;
  readonly #zebra: ZebraFace;
  readonly #nexthops: Map<string, Tracked> = new Map();
  readonly #changed: Set<Tracked> = new Set();

  constructor(client: Client) {
    this.#client = client;
    this.#zebra = client.host.zebra;
  }

  get size(): number {
    return this.#nexthops.size;
  }

  register(entry: NexthopRegistration, vrf: number): void {
    const { family, length, words } = entry.prefix;
    const prefix = makePrefix(family, words, length);
    const key = `${vrf}/${entry.safi}/${formatPrefix(prefix)}`;
    let tracked = this.#nexthops.get(key);
    if (tracked === undefined) {
      tracked = { vrf, registration: undefined };
      this.#nexthops.set(key, tracked);
      this.#counters(family).add++;
    }
    const mine = tracked;
    this.registeredMs = this.#client.host.now();
    mine.registration = this.#zebra.nht.register(
      this.#client.ownerNumber(),
      vrf,
      family,
      prefix.words,
      length,
      entry.safi,
      { connected: entry.connected, resolveViaDefault: entry.resolveViaDefault },
      registration => {
        mine.registration = registration;
        if (this.#nexthops.get(key) !== mine) return;
        this.#changed.add(mine);
        this.#client.pump();
      },
    );
  }

  unregister(entry: NexthopRegistration, vrf: number): void {
    const { family, length, words } = entry.prefix;
    const prefix = makePrefix(family, words, length);
    const key = `${vrf}/${entry.safi}/${formatPrefix(prefix)}`;
    const tracked = this.#nexthops.get(key);
    if (tracked === undefined) return;
    this.#nexthops.delete(key);
    this.#changed.delete(tracked);
    this.#counters(family).delete++;
    this.#zebra.nht.unregister(this.#client.ownerNumber(), vrf, family, prefix.words, length, entry.safi);
  }

  /** Tells what changed as far as there is room. */
  pump(): void {
    const { out } = this.#client;
    for (const tracked of this.#changed) {
      if (!out.room) return;
      this.#changed.delete(tracked);
      this.toldMs = this.#client.host.now();
      if (tracked.registration !== undefined) {
        this.#counters(tracked.registration.family).update++;
        out.put('NEXTHOP_UPDATE', nexthopUpdate(tracked.registration), tracked.vrf);
      }
    }
  }

  #counters(family: Family): Counters {
    return family === AF_INET ? this.#client.stats.nexthops4 : this.#client.stats.nexthops6;
  }
}
