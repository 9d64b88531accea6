// The MPLS labels of our VRFs: one for each family of each VRF (RFC 4364 §4.3.2), by which zebra looks a packet up in the VRF's table.
// Those that are not chosen by an operator come from chunks that zebra gives us.
import type { LabelEvent } from '../../zapi/index.ts';
import type { TimerTask } from '../../concurrency/index.ts';
import type { BgpInstance } from '../instance.ts';
import type { Speaker } from '../speaker.ts';
import { FAMILY, type UnicastName } from '../wire/family.ts';
import type { Chosen } from './settings.ts';

export interface WantedLabel {
  readonly instance: BgpInstance;
  readonly name: UnicastName;
  readonly chosen: Chosen;
}

/** Labels asked for at once. */
const CHUNK = 64;
const RETRY_MS = 10_000;

interface Entry {
  readonly key: string;
  readonly vrf: number;
  readonly afi: number;
  readonly label: number;
  readonly auto: boolean;
}

export class VrfLabels {
  readonly #bgp: Speaker;
  readonly #entries: Map<string, Entry> = new Map();
  /** First and last label of what zebra gave us. */
  readonly #chunks: (readonly [start: number, end: number])[] = [];
  readonly #retry: TimerTask;
  /** Whose chosen label is another VRF's already. */
  readonly #clashes: Map<string, number> = new Map();
  #asked = false;
  #refused = false;

  constructor(bgp: Speaker) {
    this.#bgp = bgp;
    this.#retry = bgp.loop.timer('bgp labels', () => {
      this.#refused = false;
      bgp.changed();
    });
  }

  of(instance: BgpInstance, name: UnicastName): number | undefined {
    return this.#entries.get(keyOf(instance, name))?.label;
  }

  problem(instance: BgpInstance, name: UnicastName): string | undefined {
    if (this.of(instance, name) !== undefined) return undefined;
    if (!instance.vrf.exists) return `there is no VRF ${instance.vrf.name}`;
    const clash = this.#clashes.get(keyOf(instance, name));
    if (clash !== undefined) return `label ${clash} is another VRF's`;
    if (this.#bgp.zebra === undefined) return 'there is no zebra that would give labels';
    return this.#refused ? 'zebra has no label left' : 'zebra has not given a label yet';
  }

  event(event: LabelEvent): void {
    if (event.kind === 'granted') {
      this.#asked = false;
      this.#chunks.push([event.start, event.end]);
    } else if (event.kind === 'refused') {
      this.#asked = false;
      this.#refused = true;
      this.#bgp.log(`labels: zebra has not ${event.size} labels in a row left`);
      this.#retry.start(RETRY_MS);
    } else {
      const at = this.#chunks.findIndex(([start]) => start === event.start);
      if (at >= 0) this.#chunks.splice(at, 1);
    }
    this.#bgp.changed();
  }

  /** Has these labels, and no others. */
  reconcile(wanted: readonly WantedLabel[]): void {
    const client = this.#bgp.zebra?.client;
    const before = new Map(this.#entries);
    this.#entries.clear();
    this.#clashes.clear();
    const taken = new Set<number>();
    for (const { chosen } of wanted) if (chosen !== 'auto') taken.add(chosen);
    // Both families of a VRF may have the same.
    const chosenBy = new Map<number, string>();
    const held = (label: number): boolean => this.#chunks.some(([start, end]) => label >= start && label <= end);
    let short = false;
    // Who has one keeps it.
    for (const round of ['known', 'new'] as const) {
      for (const { instance, name, chosen } of wanted) {
        const key = keyOf(instance, name);
        const { vrf } = instance;
        if (!vrf.exists || this.#entries.has(key)) continue;
        const own = before.get(key);
        let label: number | undefined;
        if (chosen !== 'auto') {
          if (round === 'known' && own?.label !== chosen) continue;
          if ((chosenBy.get(chosen) ?? vrf.name) !== vrf.name) {
            this.#clashes.set(key, chosen);
            continue;
          }
          chosenBy.set(chosen, vrf.name);
          label = chosen;
        } else {
          if (own?.auto === true && held(own.label) && !taken.has(own.label)) label = own.label;
          else if (round === 'new') label = this.#firstFree(taken);
        }
        if (label !== undefined) {
          taken.add(label);
          this.#entries.set(key, { key, vrf: vrf.id, afi: FAMILY[name].afi, label, auto: chosen === 'auto' });
        } else if (round === 'new') short = true;
      }
    }
    for (const { key, vrf, afi } of before.values()) {
      const now = this.#entries.get(key);
      if (now === undefined || now.vrf !== vrf) client?.vrfLabel(vrf, afi, undefined);
    }
    for (const { vrf, afi, label } of this.#entries.values()) client?.vrfLabel(vrf, afi, label);
    if (!short || this.#asked || this.#refused || client === undefined) return;
    this.#asked = true;
    client.getLabelChunk(CHUNK);
  }

  #firstFree(taken: ReadonlySet<number>): number | undefined {
    for (const [start, end] of this.#chunks) {
      for (let label = start; label <= end; label++) if (!taken.has(label)) return label;
    }
    return undefined;
  }
}

function keyOf({ name }: BgpInstance, family: UnicastName): string {
  return `${name} ${family}`;
}
