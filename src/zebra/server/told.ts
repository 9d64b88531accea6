// What a session has told its client of interfaces, so that it can tell the difference to what is true now. Changes only
// mark an interface; the difference is made when there is room. So a slow client costs a mark per interface, sees the last
// state of everything, and still hears that an interface was down in between (the count of its downs says so).
import { equalWords } from '../../net/index.ts';
import type { ServerMessages } from '../../zapi/index.ts';
import { IFA_F_SECONDARY, type Interface, type InterfaceAddress } from '../interface/interfaces.ts';
import { addressMessage, interfaceMessage } from './translate.ts';

interface Told {
  one: Interface;
  vrf: number;
  up: boolean;
  downs: number;
  /** Everything else that INTERFACE_ADD says. */
  facts: string;
  addresses: InterfaceAddress[];
}

type Send = <Name extends 'INTERFACE_ADD' | 'INTERFACE_DELETE' | 'INTERFACE_UP' | 'INTERFACE_DOWN' | AddressCommand>(
  name: Name,
  message: ServerMessages[Name],
  vrf: number,
) => void;
type AddressCommand = 'INTERFACE_ADDRESS_ADD' | 'INTERFACE_ADDRESS_DELETE';

/** The same as far as a client is told: an address that is no longer tentative is not news. */
function alike(a: InterfaceAddress, b: InterfaceAddress): boolean {
  return (
    a.family === b.family &&
    a.length === b.length &&
    equalWords(a.local, b.local) &&
    equalWords(a.peer, b.peer) &&
    (a.flags & IFA_F_SECONDARY) === (b.flags & IFA_F_SECONDARY)
  );
}

export class ToldInterfaces {
  readonly #told: Map<number, Told> = new Map();
  readonly #dirty: Set<number> = new Set();
  readonly #find: (ifindex: number) => Interface | undefined;
  readonly #send: Send;

  constructor(find: (ifindex: number) => Interface | undefined, send: Send) {
    this.#find = find;
    this.#send = send;
  }

  get pending(): boolean {
    return this.#dirty.size > 0;
  }

  mark(ifindex: number): void {
    this.#dirty.add(ifindex);
  }

  /** Tells everything about these again, as if nothing had been told. */
  again(interfaces: readonly Interface[]): void {
    for (const one of interfaces) {
      this.#told.delete(one.ifindex);
      this.#dirty.add(one.ifindex);
    }
  }

  /** The client asked to hear no more. */
  clear(): void {
    this.#told.clear();
    this.#dirty.clear();
  }

  /** Tells differences while `room` says so. */
  pump(room: () => boolean): void {
    for (const ifindex of this.#dirty) {
      if (!room()) return;
      this.#dirty.delete(ifindex);
      this.#tell(ifindex);
    }
  }

  #tell(ifindex: number): void {
    const one = this.#find(ifindex);
    let told = this.#told.get(ifindex);
    // An index may have been given to another interface, or it moved to another VRF: the old one is gone.
    if (told !== undefined && (one !== told.one || one.vrf !== told.vrf)) {
      this.#gone(told);
      told = undefined;
    }
    if (one === undefined) return;
    const message = interfaceMessage(one);
    const facts = [one.name, one.mtu, one.link, one.flags, Buffer.from(one.mac).toString('hex')].join(' ');
    const up = one.operative;
    if (told === undefined) {
      this.#send('INTERFACE_ADD', message, one.vrf);
      told = { one, vrf: one.vrf, up, downs: one.downs, facts, addresses: [] };
      this.#told.set(ifindex, told);
    } else if (told.up !== up || told.downs !== one.downs) {
      if (told.up) this.#send('INTERFACE_DOWN', up ? { ...message, flags: 0 } : message, one.vrf);
      if (up) this.#send('INTERFACE_UP', message, one.vrf);
      told.up = up;
      told.downs = one.downs;
      told.facts = facts;
    } else if (told.facts !== facts) {
      this.#send('INTERFACE_ADD', message, one.vrf);
      told.facts = facts;
    }
    const kept: InterfaceAddress[] = [];
    for (const address of told.addresses) {
      if (one.addresses.some(other => alike(other, address))) kept.push(address);
      else this.#send('INTERFACE_ADDRESS_DELETE', addressMessage(one, address), one.vrf);
    }
    for (const address of one.addresses) {
      if (kept.some(other => alike(other, address))) continue;
      this.#send('INTERFACE_ADDRESS_ADD', addressMessage(one, address), one.vrf);
      kept.push(address);
    }
    told.addresses = kept;
  }

  #gone(told: Told): void {
    const { one, vrf } = told;
    for (const address of told.addresses) this.#send('INTERFACE_ADDRESS_DELETE', addressMessage(one, address), vrf);
    const message = interfaceMessage(one);
    if (told.up) this.#send('INTERFACE_DOWN', { ...message, flags: 0 }, vrf);
    this.#send('INTERFACE_DELETE', message, vrf);
    this.#told.delete(one.ifindex);
  }
}
