// Routers that find each other on a link by router advertisements (RFC 4861 §6): who asks for an interface (a client that has
// an unnumbered neighbour there) has them sent on it, and is told the link-local address that they come from.
//
//   client ──INTERFACE_ENABLE_RADV──▶ on: advertise each intervalS ──▶ ff02::1
//   client ◀──INTERFACE_NBR_ADDRESS_ADD── neighbour ◀── an advertisement that came
//
// We are no default router by this: the lifetime is 0, so that hosts on the link leave their routes alone.
import type { TaskLoop, TimerTask, Watch } from '../concurrency/index.ts';
import { type AddressWords, equalWords, isLinkLocal6 } from '../net/index.ts';
import {
  ALL_NODES,
  ROUTER_ADVERTISEMENT,
  ROUTER_SOLICITATION,
  type RouterPacket,
  RouterSocket,
  SysError,
} from '../sys/index.ts';
import type { InterfacesFace } from './face.ts';
import type { Interface } from './interface/interfaces.ts';

/** RFC 4861 §4.2, with the source link-layer address (§4.6.1) where there is one. */
const ADVERTISEMENT_BYTES = 16;
const HOP_LIMIT = 64;
const MAC_BYTES = 6;
/** The first ones come quickly, so that neighbours need not wait (§6.2.4). */
const FIRST_ONES = 3;
const FIRST_MS = 1000;
/** Packets in one turn. */
const A_TURN = 64;

/** Interfaces as this needs them. */
type Links = Pick<InterfacesFace, 'listen'> & { byIndex(ifindex: number): Interface | undefined };

interface Advertised {
  /** By who asked: the interval. */
  readonly askers: Map<object, number>;
  readonly timer: TimerTask;
  sent: number;
}

export class RouterDiscovery {
  /** The router that advertises itself on an interface. */
  readonly neighbours: Map<number, AddressWords> = new Map();
  /** Called when the neighbour of an interface came, went, or is another one. */
  onChange: (ifindex: number) => void = () => {};
  readonly #loop: TaskLoop;
  readonly #links: Links;
  readonly #log: (text: string) => void;
  readonly #on: Map<number, Advertised> = new Map();
  readonly #stop: () => void;
  #socket: RouterSocket | undefined;
  #watch: Watch | undefined;

  constructor(loop: TaskLoop, links: Links, log: (text: string) => void) {
    this.#loop = loop;
    this.#links = links;
    this.#log = log;
    this.#stop = links.listen({
      link: one => this.#linkChanged(one),
      linkGone: one => this.#linkChanged(one),
      // The link-local address that advertisements come from.
      address: one => this.#linkChanged(one),
    });
  }

  /** `asker` wants them on an interface, each `intervalS` seconds; asked again, with another interval. */
  enable(asker: object, ifindex: number, intervalS: number): void {
    if (!this.#open()) return;
    let one = this.#on.get(ifindex);
    if (one === undefined) {
      const timer = this.#loop.timer('router advertisement', () => this.#advertise(ifindex));
      one = { askers: new Map(), timer, sent: 0 };
      this.#on.set(ifindex, one);
      this.#socket?.hearRouters(ifindex, true);
    }
    one.askers.set(asker, Math.max(1, intervalS));
    this.#advertise(ifindex);
  }

  disable(asker: object, ifindex: number): void {
    const one = this.#on.get(ifindex);
    if (one === undefined || !one.askers.delete(asker) || one.askers.size > 0) return;
    one.timer.stop();
    this.#on.delete(ifindex);
    this.#socket?.hearRouters(ifindex, false);
    this.#forget(ifindex);
  }

  /** It wants them nowhere any more. */
  release(asker: object): void {
    for (const ifindex of Array.from(this.#on.keys())) this.disable(asker, ifindex);
  }

  close(): void {
    this.#stop();
    for (const one of this.#on.values()) one.timer.stop();
    this.#on.clear();
    this.#watch?.close();
    this.#socket?.close();
    this.#socket = undefined;
  }

  /** Opened when somebody asks first: most zebras never need it. */
  #open(): boolean {
    if (this.#socket !== undefined) return true;
    try {
      this.#socket = new RouterSocket();
    } catch (error) {
      if (!(error instanceof SysError)) throw error;
      this.#log(`router advertisements are not possible: ${error.message}`);
      return false;
    }
    this.#watch = this.#loop.io('router discovery', this.#socket.fd, { readable: () => this.#read() });
    this.#watch.set({ readable: true });
    return true;
  }

  #advertise(ifindex: number): void {
    const one = this.#on.get(ifindex);
    const link = this.#links.byIndex(ifindex);
    if (one === undefined || link === undefined || !link.operative) return;
    const bytes = advertisement(link.mac);
    // A link that has no address yet, or went meanwhile, gets the next one.
    const error = this.#socket?.send(ifindex, ALL_NODES, bytes) ?? 0;
    if (error === 0) one.sent++;
    const intervalMs = Math.min(...one.askers.values()) * 1000;
    one.timer.start(one.sent < FIRST_ONES ? Math.min(FIRST_MS, intervalMs) : intervalMs);
  }

  #read(): void {
    for (let i = 0; i < A_TURN; i++) {
      const packet = this.#socket?.receive();
      if (packet === undefined) return;
      this.#packet(packet);
    }
  }

  #packet({ from, hopLimit, bytes }: RouterPacket): void {
    const ifindex = from.scopeId;
    // §6.1.1, §6.1.2; the kernel has checked the checksum.
    if (hopLimit !== 255 || !this.#on.has(ifindex) || bytes[1] !== 0) return;
    if (bytes[0] === ROUTER_SOLICITATION) {
      this.#advertise(ifindex);
      return;
    }
    if (bytes[0] !== ROUTER_ADVERTISEMENT || bytes.length < ADVERTISEMENT_BYTES || !isLinkLocal6(from.words)) return;
    if (!wholeOptions(bytes)) return;
    const known = this.neighbours.get(ifindex);
    if (known !== undefined && equalWords(known, from.words)) return;
    this.neighbours.set(ifindex, from.words);
    this.onChange(ifindex);
    // Whoever has just come hears of us at once.
    this.#advertise(ifindex);
  }

  #linkChanged(link: Interface): void {
    const one = this.#on.get(link.ifindex);
    if (one === undefined) return;
    const there = this.#links.byIndex(link.ifindex) === link && link.operative;
    if (!there) {
      one.timer.stop();
      one.sent = 0;
      this.#forget(link.ifindex);
    } else if (!one.timer.active) {
      // A membership does not outlive its link.
      this.#socket?.hearRouters(link.ifindex, true);
      this.#advertise(link.ifindex);
    }
  }

  #forget(ifindex: number): void {
    if (this.neighbours.delete(ifindex)) this.onChange(ifindex);
  }
}

function advertisement(mac: Uint8Array): Uint8Array {
  const known = mac.length === MAC_BYTES;
  const bytes = new Uint8Array(ADVERTISEMENT_BYTES + (known ? 8 : 0));
  bytes[0] = ROUTER_ADVERTISEMENT;
  bytes[4] = HOP_LIMIT;
  if (known) {
    bytes[16] = 1;
    bytes[17] = 1;
    bytes.set(mac, 18);
  }
  return bytes;
}

/** §6.1.2: options fill the message, and none has length 0. */
function wholeOptions(bytes: Uint8Array): boolean {
  let at = ADVERTISEMENT_BYTES;
  while (at + 2 <= bytes.length && bytes[at + 1] !== 0) at += bytes[at + 1]! * 8;
  return at === bytes.length;
}
