// A VRF as the speaker knows it: what zebra tells of it, over reconnections. One that zebra does not have (any more) has no
// number, and instances in it wait: they neither open sockets nor announce anything. The default one is always there.
import type { AddressWords } from '../net/index.ts';
import { Interfaces } from './interfaces.ts';

export const VRF_DEFAULT = 'default';
/** The number of a VRF that zebra does not have. */
export const VRF_UNKNOWN = -1;

/** Where a VRF's sockets are opened. */
export interface SocketPlace {
  /** A VRF's device. */
  readonly device?: string;
  /** Path of a network namespace. */
  readonly namespace?: string;
}

export class Vrf {
  readonly name: string;
  /** As ZAPI has it; the interface index of its device, for one that has one. */
  id: number;
  /** Of a VRF that is a network namespace: its name in /run/netns, or its path. */
  namespace = '';
  /** The kernel's routing table that it is. */
  table = 254;
  interfaces: Interfaces = new Interfaces();
  /** The router that advertises itself on an interface, by the interface's index. */
  readonly neighbours: Map<number, AddressWords> = new Map();
  /** How many look for that router: two may, for a moment, where interfaces are renamed. */
  readonly seekers: Map<number, number> = new Map();
  /** As a word; 0 until zebra has said one. */
  routerId = 0;
  /** Zebra has told its interfaces at least once. */
  known = false;
  /** What zebra was told: so many seconds it keeps our routes when it has lost us. */
  staleS = 0;
  /** What a zebra that came back has told so far; what it told before is believed until it has told everything. */
  again: { interfaces: Interfaces; routerId: number | undefined; told: boolean } | undefined;

  constructor(name: string) {
    this.name = name;
    this.id = name === VRF_DEFAULT ? 0 : VRF_UNKNOWN;
  }

  get exists(): boolean {
    return this.id !== VRF_UNKNOWN;
  }

  /** Where interfaces are told to. */
  get told(): Interfaces {
    return this.again?.interfaces ?? this.interfaces;
  }

  get place(): SocketPlace {
    if (this.name === VRF_DEFAULT) return {};
    if (this.namespace === '') return { device: this.name };
    return { namespace: this.namespace.startsWith('/') ? this.namespace : `/run/netns/${this.namespace}` };
  }

  /** Zebra has it no more. */
  forget(): void {
    this.id = VRF_UNKNOWN;
    this.namespace = '';
    this.interfaces = new Interfaces();
    this.neighbours.clear();
    this.seekers.clear();
    this.routerId = 0;
    this.known = false;
    this.staleS = 0;
    this.again = undefined;
  }
}
