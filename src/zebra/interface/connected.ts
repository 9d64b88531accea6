// Connected routes: the network of each address of an interface that is operative. Two addresses in one network make one
// route, so what an interface should have is computed afresh and compared with what it has.
import { AF_INET, type Family, formatPrefix, makePrefix, type Prefix } from '../../net/index.ts';
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
  if (address.family === AF_INET && prefix.words[0] >>> 24 === 127) return undefined;
  if (address.family !== AF_INET && prefix.length === 128 && prefix.words.join() === '0,0,0,1') return undefined;
  return prefix;
}

export class ConnectedRoutes {
  readonly #rib: Rib;
  readonly #sets: NexthopSets;
  /** By interface: prefixes announced, by their text. */
  readonly #announced: Map<number, Map<string, Prefix>> = new Map();

  constructor(rib: Rib, sets: NexthopSets) {
    this.#rib = rib;
    this.#sets = sets;
  }

  /** The interface, or one of its addresses, changed. */
  update(one: Interface): void {
    const wanted = new Map<string, Prefix>();
    if (one.operative) {
      for (const address of one.addresses) {
        const prefix = connectedPrefix(address);
        if (prefix !== undefined) wanted.set(formatPrefix(prefix), prefix);
      }
    }
    const announced = this.#announced.get(one.ifindex) ?? new Map<string, Prefix>();
    for (const [key, prefix] of announced) if (!wanted.has(key)) this.#remove(one, prefix);
    for (const [key, prefix] of wanted) if (!announced.has(key)) this.#add(one, prefix);
    if (wanted.size > 0) this.#announced.set(one.ifindex, wanted);
    else this.#announced.delete(one.ifindex);
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
