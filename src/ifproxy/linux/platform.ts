// Linux: proxies are TAP or TUN interfaces or any that there is, history is rtnetlink's.
//
// There is no `feedback`: what a forwarding plane made of a route is a driver's to say (RTM_F_OFFLOAD, RTM_F_TRAP). From a program the
// kernel takes RTNH_F_OFFLOAD and RTNH_F_TRAP only with hops that no route has yet, shows them at all routes of the same hops, passes
// over them where a route is replaced, and has no place for them in IPv6. What drivers say is in routes' events.
import {
  type LinkMessage,
  NetlinkError,
  NetlinkSocket,
  readLink,
  rtnetlink as c,
  writeLink,
} from '../../netlink/index.ts';
import {
  closeFd,
  E,
  inNetworkNamespace,
  isInterfaceName,
  libc,
  openTap,
  readTap,
  tapName,
  writeTap,
} from '../../sys/index.ts';
import { EVENT_KINDS, type EventKind } from '../event.ts';
import type { Picture } from '../picture.ts';
import type { Device, DeviceOptions, History, HistoryOptions, Platform } from '../platform.ts';
import { IfProxyError, type ProxyInfo } from '../port.ts';
import { LinuxHistory } from './history.ts';

export interface LinuxOptions {
  /** Network namespace of the proxies (`/run/netns/NAME`, `/proc/PID/ns/net`); this thread's unless told. */
  readonly namespace?: string;
}

const EVENTS: ReadonlySet<EventKind> = new Set(EVENT_KINDS);
/** No interface has this name or number; or none can have, so long a name or such a number. */
const NOWHERE: readonly number[] = [E.ENODEV, E.ERANGE, E.EINVAL];
const NO_MAC: Uint8Array = new Uint8Array(0);

export class LinuxPlatform implements Platform {
  readonly name = 'linux';
  readonly events: ReadonlySet<EventKind> = EVENTS;
  readonly #namespace: string | undefined;
  readonly #own: Set<number> = new Set();
  #commands: NetlinkSocket | undefined;

  constructor(options: LinuxOptions = {}) {
    this.#namespace = options.namespace;
  }

  create(name: string | undefined, options: DeviceOptions): Device {
    const type = options.type ?? 'tap';
    const wanted = name ?? `${type}%d`;
    if (!isInterfaceName(wanted)) throw new IfProxyError(`${wanted} is no name of an interface`);
    const tap = this.#inside(() => openTap(wanted, type));
    try {
      const ifindex = this.#inside(() => libc.if_nametoindex(tap.name));
      const { mtu, mac, up } = options;
      if (mtu !== undefined || mac !== undefined || up === true) {
        this.#set({
          ifindex,
          ...(mtu !== undefined && { mtu }),
          ...(mac !== undefined && { address: mac }),
          ...(up === true && { flags: c.IFF_UP, change: c.IFF_UP }),
        });
      }
      return new Tap(this, tap.fd, ifindex, tap.name);
    } catch (error) {
      closeFd(tap.fd);
      throw error;
    }
  }

  find(nameOrIndex: string | number): ProxyInfo | undefined {
    const asked = typeof nameOrIndex === 'number' ? { ifindex: nameOrIndex } : { name: nameOrIndex };
    try {
      return this.#ask(asked);
    } catch (error) {
      if (error instanceof NetlinkError && NOWHERE.includes(error.errno)) return undefined;
      throw error;
    }
  }

  open(picture: Picture, options: HistoryOptions): History {
    return this.#inside(() => new LinuxHistory(picture, this.#own, options));
  }

  own(sender: number): void {
    this.#own.add(sender);
  }

  close(): void {
    this.#commands?.close();
    this.#commands = undefined;
  }

  /** What the kernel says of one interface. */
  info(ifindex: number): ProxyInfo {
    return this.#ask({ ifindex });
  }

  #set(link: Partial<LinkMessage>): void {
    this.#socket().request('link', (writer, flags, sequence) => {
      writeLink(writer, c.RTM_NEWLINK, flags, sequence, link);
    });
  }

  #ask(asked: Partial<LinkMessage>): ProxyInfo {
    let info: ProxyInfo | undefined;
    this.#socket().request(
      'link',
      (writer, flags, sequence) => writeLink(writer, c.RTM_GETLINK, flags, sequence, asked),
      (_type, bytes, offset, length) => {
        const { ifindex, name = '', mtu = 0, address: mac = NO_MAC, flags } = readLink(bytes, offset, length);
        const up = (flags & c.IFF_UP) !== 0;
        info = { ifindex, name, mtu, mac, up, carrier: (flags & c.IFF_LOWER_UP) !== 0 };
      },
    );
    return info!;
  }

  #socket(): NetlinkSocket {
    if (this.#commands === undefined) {
      this.#commands = this.#inside(() => new NetlinkSocket());
      this.#own.add(this.#commands.portId);
    }
    return this.#commands;
  }

  #inside<T>(fn: () => T): T {
    return this.#namespace === undefined ? fn() : inNetworkNamespace(this.#namespace, fn);
  }
}

class Tap implements Device {
  readonly fd: number;
  readonly ifindex: number;
  readonly name: string;
  readonly #platform: LinuxPlatform;
  #closed = false;

  constructor(platform: LinuxPlatform, fd: number, ifindex: number, name: string) {
    this.#platform = platform;
    this.fd = fd;
    this.ifindex = ifindex;
    this.name = name;
  }

  info(): Omit<ProxyInfo, 'ifindex'> {
    try {
      return this.#platform.info(this.ifindex);
    } catch (error) {
      if (!(error instanceof NetlinkError)) throw error;
      return { name: this.name, mtu: 0, mac: NO_MAC, up: false, carrier: false };
    }
  }

  currentName(): string | undefined {
    return this.#closed ? undefined : tapName(this.fd);
  }

  receive(into: Uint8Array): number {
    return this.#closed ? 0 : readTap(this.fd, into);
  }

  transmit(frame: Uint8Array): boolean {
    return !this.#closed && writeTap(this.fd, frame);
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    closeFd(this.fd);
  }
}
