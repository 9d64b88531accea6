// Connected routes: the network of each address of an interface that is operative. Two addresses in one network make one
// route, so each network knows its addresses; one address's change costs the same however many there are.
import { type Family, formatPrefix, makePrefix, type Prefix, isLoopback } from '../../net/index.ts';
import { interfaceNexthop, type NexthopSets } from '../nexthop/set.ts';
import type { Rib } from '../rib/rib.ts';
import { ROUTE_CONNECT } from '../route-type.ts';
import { IFA_F_DADFAILED, IFA_F_TENTATIVE, type Interface, type InterfaceAddress } from './interfaces.ts';

/** The network that an address makes reachable, or undefined for one that makes none. */
export function connectedPrefix(address: InterfaceAddress): Prefix | undefined {
  if ((address.flags & (IFA_F_TENTATIVE | IFA_F_DADFAILED)) !== 0) return undefined;
  const words = address.hasPeer ? address.peer : address.local;
  const prefix = makePrefix(address.family, words, address.length);
  // 127.0.0.0/8 and ::1 are the host itself.
  if (isLoopback(address.family, prefix.words)) return undefined;
  return prefix;
}

interface Announced {
  /** By address: its network, as text. */
  readonly networkOf: Map<string, string>;
  readonly networks: Map<string, { readonly prefix: Prefix; readonly addresses: Set<string> }>;
}

export class ConnectedRoutes {
  readonly #rib: Rib;
  readonly #sets: NexthopSets;
  /** By interface. */
  readonly #announced: Map<number, Announced> = new Map();

  constructor(rib: Rib, sets: NexthopSets) {
    this.#rib = rib;
    this.#sets = sets;
  }

  /** The interface became operative or ceased to be, or went. */
  update(one: Interface): void {
    if (one.operative) {
      for (const address of one.addresses) this.addressChanged(one, address);
      return;
    }
    this.leaving(one);
  }

  /** The interface leaves its VRF: its networks go from there. */
  leaving(one: Interface): void {
    for (const { prefix } of this.#announced.get(one.ifindex)?.networks.values() ?? []) this.#remove(one, prefix);
    this.#announced.delete(one.ifindex);
  }

  /** An address came, has other flags, or went. */
  addressChanged(one: Interface, address: InterfaceAddress): void {
    const has = one.operative && one.address(address.key) !== undefined;
    const prefix = has ? connectedPrefix(address) : undefined;
    const network = prefix === undefined ? undefined : formatPrefix(prefix);
    let announced = this.#announced.get(one.ifindex);
    const before = announced?.networkOf.get(address.key);
    if (before === network) return;
    if (announced === undefined) {
      announced = { networkOf: new Map(), networks: new Map() };
      this.#announced.set(one.ifindex, announced);
    }
    const { networkOf, networks } = announced;
    if (before !== undefined) {
      networkOf.delete(address.key);
      const left = networks.get(before)!;
      left.addresses.delete(address.key);
      if (left.addresses.size === 0) {
        networks.delete(before);
        this.#remove(one, left.prefix);
      }
    }
    if (prefix === undefined || network === undefined) return;
    networkOf.set(address.key, network);
    const joined = networks.get(network);
    if (joined !== undefined) joined.addresses.add(address.key);
    else {
      networks.set(network, { prefix, addresses: new Set([address.key]) });
      this.#add(one, prefix);
    }
  }

  #set(one: Interface, family: Family): number {
    return this.#sets.intern(one.vrf, family, [interfaceNexthop(one.ifindex)], false);
  }

  #add(one: Interface, prefix: Prefix): void {
    const [w0, w1, w2, w3] = prefix.words;
    const set = this.#set(one, prefix.family);
    this.#rib.add(one.vrf, prefix.family, w0, w1, w2, w3, prefix.length, ROUTE_CONNECT, 0, 0, 0, 0, 0, set, 0);
  }

  #remove(one: Interface, prefix: Prefix): void {
    const [w0, w1, w2, w3] = prefix.words;
    const table = this.#rib.table(one.vrf, prefix.family);
    const id = table.prefixes.find(w0, w1, w2, w3, prefix.length);
    if (id < 0) return;
    const set = this.#set(one, prefix.family);
    for (let row = table.first[id]!; row >= 0; row = table.next[row]!) {
      if (table.type[row] !== ROUTE_CONNECT || table.set[row] !== set) continue;
      this.#rib.removeRow(table, id, row);
      return;
    }
  }
}
