// What a session has told its client of interfaces, so that it can tell the difference to what is true now. Changes only
// mark an interface; the difference is made when there is room. So a slow client costs a mark per interface, sees the last
// state of everything, and still hears that an interface was down in between (the count of its downs says so).
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
  /** By key. */
  addresses: Map<string, InterfaceAddress>;
}

type Send = <Name extends 'INTERFACE_ADD' | 'INTERFACE_DELETE' | 'INTERFACE_UP' | 'INTERFACE_DOWN' | AddressCommand>(
  name: Name,
  message: ServerMessages[Name],
  vrf: number,
) => void;
type AddressCommand = 'INTERFACE_ADDRESS_ADD' | 'INTERFACE_ADDRESS_DELETE';

/** The same as far as a client is told: an address that is no longer tentative is not news. */
function alike(a: InterfaceAddress | undefined, b: InterfaceAddress): boolean {
  return a !== undefined && (a.flags & IFA_F_SECONDARY) === (b.flags & IFA_F_SECONDARY);
}

export class ToldInterfaces {
  readonly #told: Map<Interface, Told> = new Map();
  /** By interface: the addresses that changed, or undefined where anything may have. */
  readonly #dirty: Map<Interface, Set<string> | undefined> = new Map();
  readonly #wants: (one: Interface) => boolean;
  readonly #send: Send;

  /** `wants`: whether the client is told of an interface that there is. */
  constructor(wants: (one: Interface) => boolean, send: Send) {
    this.#wants = wants;
    this.#send = send;
  }

  get pending(): boolean {
    return this.#dirty.size > 0;
  }

  /** Something of the interface changed; `address`: nothing but the address of this key. */
  mark(one: Interface, address?: string): void {
    if (address === undefined) this.#dirty.set(one, undefined);
    else if (!this.#dirty.has(one)) this.#dirty.set(one, new Set([address]));
    else this.#dirty.get(one)?.add(address);
  }

  /** Tells everything about these again, as if nothing had been told. */
  again(interfaces: readonly Interface[]): void {
    for (const one of interfaces) {
      this.#told.delete(one);
      this.#dirty.set(one, undefined);
    }
  }

  /** The client asked to hear no more of a VRF. */
  clear(vrf: number): void {
    for (const [one, told] of this.#told) if (told.vrf === vrf) this.#told.delete(one);
  }

  /** Tells differences while `room` says so. */
  pump(room: () => boolean): void {
    for (const [one, addresses] of this.#dirty) {
      if (!room()) return;
      this.#dirty.delete(one);
      this.#tell(one, addresses);
    }
  }

  #tell(one: Interface, changed: Set<string> | undefined): void {
    const wanted = !one.gone && this.#wants(one);
    let told = this.#told.get(one);
    if (changed !== undefined && told !== undefined && wanted && one.vrf === told.vrf) {
      this.#tellAddresses(told, one, changed);
      return;
    }
    // From a VRF that it left it is gone.
    if (told !== undefined && (!wanted || one.vrf !== told.vrf)) {
      this.#gone(told);
      told = undefined;
    }
    if (!wanted) return;
    const message = interfaceMessage(one);
    const facts = [one.name, one.mtu, one.link, one.flags, Buffer.from(one.mac).toString('hex')].join(' ');
    const up = one.operative;
    if (told === undefined) {
      this.#send('INTERFACE_ADD', message, one.vrf);
      told = { one, vrf: one.vrf, up, downs: one.downs, facts, addresses: new Map() };
      this.#told.set(one, told);
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
    this.#tellAddresses(told, one, new Set([...told.addresses.keys(), ...one.addresses.map(address => address.key)]));
  }

  #tellAddresses(told: Told, one: Interface, keys: Iterable<string>): void {
    for (const key of keys) {
      const before = told.addresses.get(key);
      const now = one.address(key);
      if (before !== undefined && !alike(now, before)) {
        this.#send('INTERFACE_ADDRESS_DELETE', addressMessage(one, before), one.vrf);
        told.addresses.delete(key);
      }
      if (now !== undefined && !told.addresses.has(key)) {
        this.#send('INTERFACE_ADDRESS_ADD', addressMessage(one, now), one.vrf);
        told.addresses.set(key, now);
      }
    }
  }

  #gone(told: Told): void {
    const { one, vrf } = told;
    for (const address of told.addresses.values())
      this.#send('INTERFACE_ADDRESS_DELETE', addressMessage(one, address), vrf);
    const message = interfaceMessage(one);
    if (told.up) this.#send('INTERFACE_DOWN', { ...message, flags: 0 }, vrf);
    this.#send('INTERFACE_DELETE', message, vrf);
    this.#told.delete(one);
  }
}
