// Links, addresses and neighbours as the picture keeps them, what makes two of them one, and whom the picture tells of changes.
import { AF_INET, type AddressWords, equalWords } from '../net/index.ts';
import type { Attached } from './attached.ts';
import type { AddressValue, NeighborValue } from './event.ts';
import type { PathSet } from './paths.ts';
import type { RouteTable } from './routes.ts';

export interface LinkInput {
  readonly ifindex: number;
  readonly name: string;
  readonly mac: Uint8Array;
  readonly mtu: number;
  readonly up: boolean;
  readonly carrier: boolean;
  /** What cannot change while the interface is the same one: its kind. */
  readonly nature: string;
}

export class LinkState {
  readonly ifindex: number;
  name: string;
  mac: Uint8Array;
  mtu: number;
  up: boolean;
  carrier: boolean;
  readonly nature: string;
  /** 1 << EVENT_*: what a callback has handled. */
  handled = 0;
  own = false;
  seen = 0;

  constructor(input: LinkInput) {
    this.ifindex = input.ifindex;
    this.name = input.name;
    this.mac = input.mac;
    this.mtu = input.mtu;
    this.up = input.up;
    this.carrier = input.carrier;
    this.nature = input.nature;
  }
}

export class AddressState {
  readonly ifindex: number;
  value: AddressValue;
  /** When it came: walks go in this order. */
  readonly serial: number;
  handled = false;
  own = false;
  gone = false;
  seen = 0;

  constructor(ifindex: number, value: AddressValue, serial: number) {
    this.ifindex = ifindex;
    this.value = value;
    this.serial = serial;
  }
}

export class NeighborState {
  readonly ifindex: number;
  value: NeighborValue;
  readonly serial: number;
  handled = false;
  own = false;
  gone = false;
  seen = 0;

  constructor(ifindex: number, value: NeighborValue, serial: number) {
    this.ifindex = ifindex;
    this.value = value;
    this.serial = serial;
  }
}

/** Whom the picture tells of changes. Flags are FLAG_*. */
export interface PictureEvents {
  link(proxy: Attached, code: number, link: LinkState, flags: number): void;
  address(proxy: Attached, code: number, address: AddressState, flags: number): void;
  neighbor(proxy: Attached, code: number, neighbor: NeighborState, flags: number): void;
  /** `before` undefined: added; `after` undefined: deleted. `wordBefore` is what `RouteTable.word` was. */
  route(
    table: RouteTable,
    row: number,
    before: PathSet | undefined,
    after: PathSet | undefined,
    wordBefore: number,
    flags: number,
  ): void;
  gone(proxy: Attached, flags: number): void;
  /** The picture of this proxy is whole for the first time. */
  whole(proxy: Attached): void;
  /** All proxies that there are have their picture. */
  settled(): void;
}

/** An interface's number may be given to another one, and who was told nothing in between has to find out. */
export function isAnother(link: LinkState, input: LinkInput): boolean {
  return link.nature !== input.nature || (link.name !== input.name && !equalBytes(link.mac, input.mac));
}

export function addressKey(ifindex: number, value: AddressValue): string {
  const { family, words, length, peer } = value;
  // IPv6 has an address once on an interface; IPv4 has it with each length and peer.
  return family === AF_INET
    ? `${ifindex} ${words[0]} ${length} ${peer?.[0]}`
    : `${ifindex} ${words[0]} ${words[1]} ${words[2]} ${words[3]}`;
}

export function neighborKey(ifindex: number, { family, words }: NeighborValue): string {
  return family === AF_INET ? `${ifindex} ${words[0]}` : `${ifindex} ${words[0]} ${words[1]} ${words[2]} ${words[3]}`;
}

export function sameAddress(a: AddressValue, b: AddressValue): boolean {
  return a.scope === b.scope && a.flags === b.flags && a.length === b.length && samePeer(a.peer, b.peer);
}

function samePeer(a: AddressWords | undefined, b: AddressWords | undefined): boolean {
  return a === undefined || b === undefined ? a === b : equalWords(a, b);
}

export function sameNeighbor(a: NeighborValue, b: NeighborValue): boolean {
  return a.state === b.state && a.flags === b.flags && equalBytes(a.mac, b.mac);
}

export function equalBytes(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
}
