// Linux: proxies are TAP or TUN interfaces or any that there is, history is rtnetlink's.
import {
  addRouteFlags,
  appendPaths,
  appendPreferredSource,
  encodeRoute,
  type LinkMessage,
  NetlinkError,
  NetlinkSocket,
  readLink,
  type RoutePath,
  rtnetlink as c,
  writeLink,
} from '../../netlink/index.ts';
import { familyOf } from '../../net/index.ts';
import { closeFd, E, inNetworkNamespace, libc } from '../../sys/index.ts';
import { EVENT_KINDS, type EventKind } from '../event.ts';
import { HOP_DEAD, HOP_GATEWAY, HOP_WORD, HOP_WORDS, SOURCE_WORDS } from '../paths.ts';
import type { Picture } from '../picture.ts';
import type { Device, DeviceOptions, Feedback, History, HistoryOptions, Platform } from '../platform.ts';
import { IfProxyError, type ProxyInfo } from '../port.ts';
import { ROW_DECORATED } from '../routes.ts';
import { LinuxHistory } from './history.ts';
import { openTap, readTap, tapAlive, writeTap } from './tap.ts';

export interface LinuxOptions {
  /** Network namespace of the proxies (`/run/netns/NAME`, `/proc/PID/ns/net`); this thread's unless told. */
  readonly namespace?: string;
}

const EVENTS: ReadonlySet<EventKind> = new Set(EVENT_KINDS);
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
    const tap = this.#inside(() => openTap(name ?? `${type}%d`, type));
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
      if (error instanceof NetlinkError && error.errno === E.ENODEV) return undefined;
      throw error;
    }
  }

  open(picture: Picture, options: HistoryOptions): History {
    return this.#inside(() => new LinuxHistory(picture, this.#own, options));
  }

  own(sender: number): void {
    this.#own.add(sender);
  }

  /**
   * RTNH_F_OFFLOAD and RTNH_F_TRAP of an IPv4 route, which `ip route` shows as `offload` and `trap`. IPv6 routes have no place for what is
   * not a driver's: false. The route is told anew by who made the change (`own`).
   */
  feedback(picture: Picture, routeId: number, { offload, trap }: Feedback): boolean {
    const table = (routeId & 1) === 0 ? picture.routes4 : picture.routes6;
    const row = routeId >>> 1;
    if (row >= table.limit || table.prefix[row] === 0) throw new IfProxyError(`there is no route ${routeId}`);
    if (table.family !== 2) return false;
    if ((table.state[row]! & ROW_DECORATED) !== 0) {
      throw new IfProxyError(
        `route ${table.prefixes.format(table.prefix[row]! - 1)} has what only its maker can write again`,
      );
    }
    const { words } = table.paths(row);
    const paths: RoutePath[] = [];
    for (let at = SOURCE_WORDS; at < words.length; at += HOP_WORDS) {
      const word = words[at + HOP_WORD]!;
      if ((word & HOP_DEAD) !== 0) throw new IfProxyError(`route ${routeId} has a hop whose link is down`);
      const gateway = words.subarray(at + HOP_GATEWAY, at + HOP_GATEWAY + 4);
      const family = word & 255;
      paths.push({
        ifindex: words[at]!,
        gatewayFamily: family === 0 ? 0 : familyOf(family),
        gateway: [gateway[0]! >>> 0, gateway[1]! >>> 0, gateway[2]! >>> 0, gateway[3]! >>> 0],
        flags: (word >>> 8) & c.RTNH_F_ONLINK,
        weight: (word >>> 16) + 1,
      });
    }
    const flags = (offload === true ? c.RTNH_F_OFFLOAD : 0) | (trap === true ? c.RTNH_F_TRAP : 0);
    const prefix = table.prefix[row]! - 1;
    const word = table.word[row]!;
    this.#socket().request('route', (writer, ack, sequence) => {
      const { buffer } = writer;
      let size = encodeRoute(
        buffer,
        0,
        sequence,
        ack | c.NLM_F_REPLACE,
        2,
        table.table[row]!,
        table.prefixes.w0[prefix]!,
        0,
        0,
        0,
        table.prefixes.length[prefix]!,
        (word >>> 8) & 255,
        word & 255,
        table.metric[row]!,
        table.nexthop[row]!,
      );
      buffer.bytes[HEADER + 3] = word >>> 24; // rtm_tos
      buffer.bytes[HEADER + 6] = (word >>> 16) & 255; // rtm_scope
      if (words[0] !== 0) size = appendPreferredSource(buffer, 0, size, 2, words[1]!, 0, 0, 0);
      if (table.nexthop[row] === 0 && paths.length > 0) {
        const told = paths.map(path => ({ ...path, flags: path.flags | flags }));
        size = appendPaths(buffer, 0, size, 2, told, c.RTNH_F_ONLINK | flags);
      }
      addRouteFlags(buffer, 0, flags);
      writer.at = size;
    });
    return true;
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

const HEADER = 16;

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

  alive(): boolean {
    return !this.#closed && tapAlive(this.fd);
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
