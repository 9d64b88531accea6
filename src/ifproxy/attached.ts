// What the library itself knows of a proxy: its place in the kernel's picture, its bindings, and its device where the library made it.
import { AF_INET, type Family } from '../net/index.ts';
import type { LinkState } from './states.ts';
import type { Device } from './platform.ts';
import { RowBits } from './routes.ts';
import { IfProxyError, type Port, type Proxy, type ProxyInfo, type ProxyState } from './port.ts';

/** A port bound to a proxy. Another binding of the same port is another object. */
export class Binding {
  readonly port: Port;
  readonly portId: number;
  readonly proxy: Attached;
  /** Not unbound since. */
  bound = true;

  constructor(port: Port, portId: number, proxy: Attached) {
    this.port = port;
    this.portId = portId;
    this.proxy = proxy;
  }
}

export class Attached implements Proxy {
  readonly id: number;
  readonly device: Device | undefined;
  /** Goes with its last port. */
  readonly transient: boolean;
  ifindex: number;
  state: ProxyState = 'new';
  destroyed = false;
  bindings: readonly Binding[] = [];
  /** The kernel's link, once its history has shown it. */
  link: LinkState | undefined;
  /** Kinds of objects (PICTURE_*) whose dump began, and ended, after the proxy came: with all of them its picture is whole. */
  begun = 0;
  ended = 0;
  /** Routes over it that a callback has handled: they go to no queue. Each proxy has its own, since a route may lead over several. */
  readonly handled4: RowBits = new RowBits();
  readonly handled6: RowBits = new RowBits();
  /** What was known of it before it was in the picture, and after. */
  #known: ProxyInfo;

  constructor(id: number, known: ProxyInfo, device: Device | undefined, transient: boolean) {
    this.id = id;
    this.ifindex = known.ifindex;
    this.#known = known;
    this.device = device;
    this.transient = transient;
  }

  get fd(): number | undefined {
    return this.device?.fd;
  }

  get info(): ProxyInfo {
    const { link } = this;
    if (link === undefined) return this.#known;
    const { ifindex, name, mtu, mac, up, carrier } = link;
    return { ifindex, name, mtu, mac, up, carrier };
  }

  handled(family: Family): RowBits {
    return family === AF_INET ? this.handled4 : this.handled6;
  }

  /** It is no more: what was last known of it stays to be read. */
  lose(): void {
    this.#known = { ...this.info, ifindex: 0 };
    this.link = undefined;
    this.ifindex = 0;
    this.state = 'gone';
  }

  receive(into: Uint8Array): number {
    return this.#device('receive').receive(into);
  }

  transmit(frame: Uint8Array): boolean {
    return this.#device('transmit').transmit(frame);
  }

  #device(what: string): Device {
    if (this.device === undefined)
      throw new IfProxyError(`${what} by ${this.#known.name}: it was adopted, not made here`);
    if (this.state === 'destroyed') throw new IfProxyError(`${what} by ${this.#known.name}: it is destroyed`);
    return this.device;
  }
}
