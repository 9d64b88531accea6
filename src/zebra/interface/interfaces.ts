// Interfaces and their addresses as the kernel tells them. The kernel's notifications are the only source; a dump is marked
// and swept, so what vanished while nobody listened is noticed. What follows from an interface (connected routes, next
// hops, the router id) hears of it as a listener.
import { isDeepStrictEqual } from 'node:util';
import type { LinkDetail } from '../../dataplane/index.ts';
import { AF_INET, type AddressWords, equalWords, type Family, formatAddress } from '../../net/index.ts';
import type { InterfaceListener } from '../face.ts';
import type { AddressFacts, LinkFacts } from '../plane.ts';

export const IFF_UP = 0x1;
export const IFF_BROADCAST = 0x2;
export const IFF_LOOPBACK = 0x8;
export const IFF_POINTOPOINT = 0x10;
export const IFF_RUNNING = 0x40;
export const IFF_NOARP = 0x80;
export const IFF_MULTICAST = 0x1000;
export const IFF_LOWER_UP = 0x10000;

export const IFA_F_SECONDARY = 0x01;
export const IFA_F_DADFAILED = 0x08;
export const IFA_F_TENTATIVE = 0x40;
export const IFA_F_NOPREFIXROUTE = 0x200;

export interface InterfaceAddress {
  /** What identifies it on its interface: both ends and the length. */
  readonly key: string;
  readonly family: Family;
  readonly local: AddressWords;
  /** The other end, or `local`. */
  readonly peer: AddressWords;
  readonly hasPeer: boolean;
  readonly length: number;
  /** IFA_F_* */
  readonly flags: number;
  readonly label: string;
}

export class Interface {
  readonly ifindex: number;
  /** The VRF that it belongs to: its own for a VRF's device. */
  vrf = 0;
  /** There is none any more. */
  gone = false;
  name: string;
  /** IFF_* */
  flags: number;
  mtu: number;
  mac: Uint8Array;
  hardwareType: number;
  link: number;
  master: number;
  detail: LinkDetail;
  /** Mbit/s; 0: not asked yet, or the driver has no notion of it; 2^32 − 1: the driver does not know (speed.ts). */
  speed = 0;
  description = '';
  readonly #addresses: Map<string, InterfaceAddress> = new Map();
  #list: readonly InterfaceAddress[] | undefined;
  /** Times it became operative or ceased to be. */
  ups = 0;
  downs = 0;
  lastUp = 0;
  lastDown = 0;
  /** Seen in the dump that is going on. */
  seen = false;
  readonly seenAddresses: Set<string> = new Set();

  constructor(facts: LinkFacts) {
    this.ifindex = facts.ifindex;
    this.name = facts.name;
    this.flags = facts.flags;
    this.mtu = facts.mtu;
    this.mac = facts.mac;
    this.hardwareType = facts.hardwareType;
    this.link = facts.link;
    this.master = facts.master;
    this.detail = facts.detail;
  }

  /** In the order in which they came. */
  get addresses(): readonly InterfaceAddress[] {
    return (this.#list ??= [...this.#addresses.values()]);
  }

  address(key: string): InterfaceAddress | undefined {
    return this.#addresses.get(key);
  }

  setAddress(address: InterfaceAddress): void {
    this.#addresses.set(address.key, address);
    this.#list = undefined;
  }

  deleteAddress(key: string): void {
    this.#addresses.delete(key);
    this.#list = undefined;
  }

  /** Set up by the administrator and the carrier is there. */
  get operative(): boolean {
    return (this.flags & (IFF_UP | IFF_RUNNING)) === (IFF_UP | IFF_RUNNING);
  }

  get loopback(): boolean {
    return (this.flags & IFF_LOOPBACK) !== 0;
  }

  /**
   * The kernel removes nexthop objects through a device when it goes down, and when it loses its carrier: what is true of
   * the device then is true until it is back.
   */
  get keepsNexthops(): boolean {
    return (this.flags & IFF_UP) !== 0 && (this.flags & (IFF_RUNNING | IFF_LOWER_UP)) !== 0;
  }
}

export class Interfaces {
  readonly #byIndex: Map<number, Interface> = new Map();
  readonly #listeners: Set<InterfaceListener> = new Set();
  readonly #now: () => number;
  /** How many interfaces have each address: a look-up for every gateway that is resolved. */
  readonly #local: Map<string, number> = new Map();
  readonly #home: number;
  readonly #devices: boolean;

  /** `home`: the VRF of those that belong to no device's. `devices`: whether devices of the kind are VRFs. */
  constructor(now: () => number, home = 0, devices = true) {
    this.#now = now;
    this.#home = home;
    this.#devices = devices;
  }

  list(vrf: number): Interface[] {
    return [...this.#byIndex.values()].filter(one => one.vrf === vrf).toSorted((a, b) => a.ifindex - b.ifindex);
  }

  byIndex(ifindex: number): Interface | undefined {
    return this.#byIndex.get(ifindex);
  }

  byName(name: string): Interface | undefined {
    for (const one of this.#byIndex.values()) if (one.name === name) return one;
    return undefined;
  }

  /** `eth0`, or `ifindex 7` for one that is gone. */
  nameOf(ifindex: number): string {
    return this.#byIndex.get(ifindex)?.name ?? `ifindex ${ifindex}`;
  }

  listen(listener: InterfaceListener): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  /** Whether some interface of the VRF has this very address. */
  isLocal(vrf: number, family: Family, words: AddressWords): boolean {
    return this.#local.has(localKey(vrf, family, words));
  }

  /** The VRF that a link belongs to, as far as its master is known. */
  #vrfOf({ ifindex, master, detail }: Interface | LinkFacts): number {
    if (!this.#devices) return this.#home;
    if (detail.kind === 'vrf') return ifindex;
    return master !== 0 && this.#byIndex.get(master)?.detail.kind === 'vrf' ? master : this.#home;
  }

  /** Has a link in the VRF that it belongs to now. */
  #place(one: Interface): void {
    const vrf = this.#vrfOf(one);
    if (vrf === one.vrf) return;
    for (const listener of this.#listeners) listener.leaving?.(one);
    for (const address of one.addresses) this.#countLocal(one.vrf, address, -1);
    const from = one.vrf;
    one.vrf = vrf;
    for (const address of one.addresses) this.#countLocal(one.vrf, address, 1);
    for (const listener of this.#listeners) listener.joined?.(one, from);
  }

  #countLocal(vrf: number, { family, local }: InterfaceAddress, by: number): void {
    const key = localKey(vrf, family, local);
    const count = (this.#local.get(key) ?? 0) + by;
    if (count > 0) this.#local.set(key, count);
    else this.#local.delete(key);
  }

  onLink(facts: LinkFacts): void {
    let one = this.#byIndex.get(facts.ifindex);
    let wasUp = false;
    const known = one !== undefined;
    if (one === undefined) {
      one = new Interface(facts);
      one.vrf = this.#vrfOf(facts);
      this.#byIndex.set(facts.ifindex, one);
    } else {
      wasUp = one.operative;
      const same =
        one.name === facts.name &&
        one.flags === facts.flags &&
        one.mtu === facts.mtu &&
        one.hardwareType === facts.hardwareType &&
        one.link === facts.link &&
        one.master === facts.master &&
        isDeepStrictEqual(one.detail, facts.detail) &&
        Buffer.compare(one.mac, facts.mac) === 0;
      one.seen = true;
      if (same) return;
      one.name = facts.name;
      one.flags = facts.flags;
      one.mtu = facts.mtu;
      one.mac = facts.mac;
      one.hardwareType = facts.hardwareType;
      one.link = facts.link;
      one.master = facts.master;
      one.detail = facts.detail;
    }
    one.seen = true;
    if (known && one.operative !== wasUp) {
      if (one.operative) {
        one.ups++;
        one.lastUp = this.#now();
      } else {
        one.downs++;
        one.lastDown = this.#now();
      }
    }
    if (known) this.#place(one);
    for (const listener of this.#listeners) listener.link?.(one, wasUp);
    // Its ports may have been told before it.
    if (!known && one.detail.kind === 'vrf') this.#placePorts(one.ifindex);
  }

  #placePorts(master: number): void {
    for (const one of this.#byIndex.values()) {
      if (one.master !== master || this.#vrfOf(one) === one.vrf) continue;
      this.#place(one);
      for (const listener of this.#listeners) listener.link?.(one, one.operative);
    }
  }

  onSpeed(one: Interface, speed: number): void {
    if (one.speed === speed || this.#byIndex.get(one.ifindex) !== one) return;
    one.speed = speed;
    for (const listener of this.#listeners) listener.speed?.(one);
  }

  onLinkGone(ifindex: number): void {
    const one = this.#byIndex.get(ifindex);
    if (one === undefined) return;
    for (const address of one.addresses) this.#remove(one, address);
    this.#byIndex.delete(ifindex);
    one.gone = true;
    one.flags &= ~(IFF_UP | IFF_RUNNING | IFF_LOWER_UP);
    if (one.detail.kind === 'vrf') this.#placePorts(ifindex);
    for (const listener of this.#listeners) listener.linkGone?.(one);
  }

  onAddress(facts: AddressFacts): void {
    const one = this.#byIndex.get(facts.ifindex);
    if (one === undefined) return; // its link message is still to come, and with it a dump of its addresses
    const key = addressKey(facts);
    const before = one.address(key);
    one.seenAddresses.add(key);
    if (before !== undefined && before.flags === facts.flags && before.label === facts.label) return;
    const address: InterfaceAddress = {
      key,
      family: facts.family,
      local: facts.local,
      peer: facts.peer,
      hasPeer: !equalWords(facts.local, facts.peer),
      length: facts.length,
      flags: facts.flags,
      label: facts.label,
    };
    if (before === undefined) this.#countLocal(one.vrf, address, 1);
    one.setAddress(address);
    for (const listener of this.#listeners) listener.address?.(one, address);
  }

  onAddressGone(facts: AddressFacts): void {
    const one = this.#byIndex.get(facts.ifindex);
    const address = one?.address(addressKey(facts));
    if (address !== undefined) this.#remove(one!, address);
  }

  beginLinkDump(): void {
    for (const one of this.#byIndex.values()) one.seen = false;
  }

  endLinkDump(): void {
    for (const one of this.#byIndex.values()) if (!one.seen) this.onLinkGone(one.ifindex);
  }

  beginAddressDump(): void {
    for (const one of this.#byIndex.values()) one.seenAddresses.clear();
  }

  endAddressDump(): void {
    for (const one of this.#byIndex.values()) {
      for (const address of one.addresses) if (!one.seenAddresses.has(address.key)) this.#remove(one, address);
      one.seenAddresses.clear();
    }
  }

  #remove(one: Interface, address: InterfaceAddress): void {
    one.deleteAddress(address.key);
    this.#countLocal(one.vrf, address, -1);
    for (const listener of this.#listeners) listener.addressGone?.(one, address);
  }
}

function addressKey({ family, local, peer, length }: AddressFacts): string {
  const own = formatAddress(family, local);
  return equalWords(local, peer) ? `${own}/${length}` : `${own} ${formatAddress(family, peer)}/${length}`;
}

function localKey(vrf: number, family: Family, words: AddressWords): string {
  return family === AF_INET ? `${vrf} ${words[0]}` : `${vrf} ${words.join(':')}`;
}
