// The way to zebra: one ZAPI session for all instances. It is told what is wanted (interfaces, router id, next hops,
// redistribution) and keeps it wanted over reconnections; routes are announced by each family's ZebraAnnouncer, which
// starts anew on every connection.
//
// Neither side's restart costs a packet. Zebra is asked to keep our routes when it loses us, and is told when all of them
// are announced again, so that it removes what is left of the life before (graceful restart, as ZAPI has it). And what a
// zebra that came back says in its first seconds may be half of the truth, since its own configuration is told to it
// after it has started: until then good news counts at once, and bad news when it has settled.
//
//    connected ─▶ routes announced ─▶ every peer's End-of-RIB, next hops known, nothing waits ─▶ ROUTE_UPDATE_COMPLETE
import type { TaskLoop, TimerTask } from '../concurrency/index.ts';
import { type AddressWords, equalWords, type Prefix } from '../net/index.ts';
import {
  AFI_IP,
  CAPABILITY_GRACEFUL_RESTART,
  CAPABILITY_ROUTE_UPDATE_COMPLETE,
  CAPABILITY_ROUTE_UPDATE_PENDING,
  FRR_8_4_4,
  type InterfaceMessage,
  type RouteMessage,
  routeTypeNumber,
  ZapiClient,
  type ZapiConnect,
} from '../zapi/index.ts';
import { Interfaces } from './interfaces.ts';
import type { ByteStream, Transport } from './io/types.ts';
import type { NexthopTracker } from './nexthop-tracking.ts';
import { type Protocol, PROTOCOLS, protocolNumber } from './protocol.ts';
import { AFI_NUMBER, AFIS, type Afi } from './settings.ts';

/** IFF_UP and IFF_RUNNING. */
const UP_AND_RUNNING = 0x41;
/** Input taken in one turn before others get theirs. */
const READ_BYTES = 256 * 1024;

/** Zebra keeps our routes this long when it has lost us, unless told otherwise; FRR's default. */
export const DEFAULT_STALE_S = 500;
/** After this long a zebra has been told its configuration, and we ours. */
const SETTLE_MS = 3000;
/** Peers that are not back by then are not waited for. */
const RESTORE_LIMIT_MS = 120_000;
const LOOK_MS = 100;
/** Between two router advertisements towards an unnumbered neighbour, as FRR's. */
const ADVERTISE_S = 10;

/** The speaker that the link belongs to. */
export interface ZebraHost {
  readonly loop: TaskLoop;
  /** When settings or surroundings changed last; of the loop's clock. */
  readonly changedMs: number;
  log(text: string): void;
  /** Surroundings changed. */
  changed(): void;
}

/** Announces routes of one family. */
export interface ZebraTeller {
  /** Nothing waits to be announced. */
  readonly idle: boolean;
  /** There is room. */
  wake(): void;
  connected(): void;
  disconnected(): void;
}

/** An instance that the link serves, in one family. */
export interface ZebraUserFamily {
  readonly announcer: ZebraTeller;
  readonly local: {
    zebraReturned(): void;
    redistributed(add: boolean, protocol: Protocol, route: RouteMessage): void;
  };
}

export interface ZebraUser {
  readonly vrf: number;
  readonly tracker: NexthopTracker;
  readonly families: readonly ZebraUserFamily[];
  readonly family: Readonly<Record<Afi, ZebraUserFamily>>;
  readonly peers: ReadonlyMap<string, { told(afi: Afi): boolean }>;
}

export class ZebraLink {
  readonly client: ZapiClient;
  interfaces: Interfaces = new Interfaces();
  /** As a word; 0 until zebra has said one. */
  routerId = 0;
  /** The router that advertises itself on an interface, by the interface's index. */
  readonly neighbours: Map<number, AddressWords> = new Map();
  /** Zebra has told its interfaces at least once. */
  known = false;
  readonly #bgp: ZebraHost;
  readonly #instances: Set<ZebraUser> = new Set();
  /** Announcers that take back what they announced; the others wait for them. */
  readonly #leaving: Set<ZebraTeller> = new Set();
  #staleS = 0;
  /** What a zebra that came back has told so far. */
  #toldInterfaces: Interfaces | undefined;
  #toldRouterId: number | undefined;
  readonly #settle: TimerTask;
  readonly #restore: TimerTask;
  /** Families whose routes of an earlier life zebra still keeps. */
  readonly #pending: Set<Afi> = new Set();
  #limitMs = 0;
  readonly #protocols: Map<number, Protocol> = new Map(PROTOCOLS.map(name => [protocolNumber(name), name]));

  constructor(bgp: ZebraHost, connect: ZapiConnect) {
    this.#bgp = bgp;
    this.#settle = bgp.loop.timer('bgp zebra settled', () => this.#settled());
    this.#restore = bgp.loop.timer('bgp routes complete', () => this.#lookRestored());
    this.client = new ZapiClient({
      connect,
      routeType: routeTypeNumber(FRR_8_4_4, 'bgp'),
      timer: (ms, fn) => {
        const timer = bgp.loop.timer('zclient connect', fn);
        timer.start(ms);
        return () => timer.stop();
      },
      handlers: {
        connected: reconnected => this.#connected(reconnected),
        disconnected: () => this.#disconnected(),
        writable: () => {
          for (const one of this.#leaving) one.wake();
          for (const instance of this.#instances) for (const family of instance.families) family.announcer.wake();
        },
        route: (add, route) => this.#route(add, route),
        fault: (error, command) => bgp.log(`zebra: ${command}: ${error.message}`),
        on: {
          ROUTER_ID_UPDATE: message => {
            const id = message.prefix.words[0];
            if (message.prefix.family !== 2) return;
            if (this.#toldInterfaces !== undefined) this.#toldRouterId = id;
            else this.#setRouterId(id);
          },
          INTERFACE_ADD: message => this.#interface(message),
          INTERFACE_UP: message => this.#interface(message),
          INTERFACE_DOWN: message => this.#interface(message),
          INTERFACE_DELETE: message => {
            this.#told.remove(message.ifindex);
            this.#changed();
          },
          INTERFACE_ADDRESS_ADD: message => {
            const one = this.#told.get(message.ifindex);
            if (one === undefined) return;
            one.addresses.add(message.address);
            this.#changed();
          },
          INTERFACE_ADDRESS_DELETE: message => {
            const one = this.#told.get(message.ifindex);
            if (one === undefined) return;
            one.addresses.delete(message.address);
            this.#changed();
          },
          INTERFACE_NBR_ADDRESS_ADD: ({ ifindex, address }) => {
            this.neighbours.set(ifindex, address.words);
            this.#bgp.changed();
          },
          INTERFACE_NBR_ADDRESS_DELETE: ({ ifindex, address }) => {
            const known = this.neighbours.get(ifindex);
            if (known === undefined || !equalWords(known, address.words)) return;
            this.neighbours.delete(ifindex);
            this.#bgp.changed();
          },
          NEXTHOP_UPDATE: message => {
            for (const instance of this.#instances) instance.tracker.updated(message);
          },
        },
      },
    });
    this.keepStale(DEFAULT_STALE_S);
    for (const afi of AFIS) {
      const message = {
        capability: CAPABILITY_ROUTE_UPDATE_PENDING,
        vrf: 0,
        afi: AFI_NUMBER[afi],
        safi: 1,
        staleTimeS: 0,
      };
      this.client.always(`pending ${afi}`, 'CLIENT_CAPABILITIES', message);
    }
    this.client.wantInterfaces();
    this.client.wantRouterId(AFI_IP);
    this.client.start();
  }

  attach(instance: ZebraUser): void {
    this.#instances.add(instance);
  }

  detach(instance: ZebraUser): void {
    this.#instances.delete(instance);
  }

  /** Asks to be told how a prefix resolves. */
  register(prefix: Prefix): void {
    this.client.wantNexthop(prefix);
  }

  unregister(prefix: Prefix): void {
    this.client.unwantNexthop(prefix);
  }

  /** Has zebra advertise us on an interface, and look for the router at its other end. */
  discover(ifindex: number): void {
    this.client.wantAdvertisements(ifindex, ADVERTISE_S);
  }

  stopDiscovery(ifindex: number): void {
    this.client.unwantAdvertisements(ifindex);
    this.neighbours.delete(ifindex);
  }

  redistribute(instance: ZebraUser, afi: number, protocol: Protocol): void {
    this.client.wantRedistribution(afi, protocolNumber(protocol), 0, instance.vrf);
  }

  unredistribute(instance: ZebraUser, afi: number, protocol: Protocol): void {
    this.client.unwantRedistribution(afi, protocolNumber(protocol), 0, instance.vrf);
  }

  stop(): void {
    this.#settle.stop();
    this.#restore.stop();
    this.client.stop();
  }

  /** Our routes stay for `seconds` after zebra has lost us. */
  keepStale(seconds: number): void {
    if (seconds === this.#staleS) return;
    this.#staleS = seconds;
    const message = { capability: CAPABILITY_GRACEFUL_RESTART, vrf: 0, afi: 0, safi: 0, staleTimeS: seconds };
    this.client.always('graceful restart', 'CLIENT_CAPABILITIES', message);
  }

  /** Announcers wait while another one takes its routes back: a prefix must not be withdrawn after it is announced. */
  get waits(): boolean {
    return this.#leaving.size > 0;
  }

  leaving(announcer: ZebraTeller): void {
    this.#leaving.add(announcer);
  }

  left(announcer: ZebraTeller): void {
    if (this.#leaving.delete(announcer) && !this.waits && this.client.connected) this.#announce();
  }

  #connected(reconnected: boolean): void {
    // All interfaces are told again; those that went meanwhile are not.
    if (this.known) this.#toldInterfaces = new Interfaces();
    else this.interfaces.clear();
    this.#toldRouterId = undefined;
    if (reconnected) {
      for (const instance of this.#instances) {
        instance.tracker.doubt(true);
        for (const family of instance.families) family.local.zebraReturned();
      }
    }
    this.#settle.start(SETTLE_MS);
    for (const afi of AFIS) this.#pending.add(afi);
    this.#limitMs = this.#bgp.loop.now() + RESTORE_LIMIT_MS;
    this.#restore.start(SETTLE_MS);
    this.#announce();
  }

  #announce(): void {
    for (const instance of this.#instances) for (const family of instance.families) family.announcer.connected();
  }

  #disconnected(): void {
    this.#settle.stop();
    this.#restore.stop();
    for (const one of this.#leaving) one.disconnected();
    this.#leaving.clear();
    for (const instance of this.#instances) for (const family of instance.families) family.announcer.disconnected();
  }

  /** What zebra says now is all true. */
  #settled(): void {
    for (const instance of this.#instances) instance.tracker.doubt(false);
    if (this.#toldInterfaces === undefined) return;
    this.interfaces = this.#toldInterfaces;
    this.#toldInterfaces = undefined;
    if (this.#toldRouterId !== undefined) this.#setRouterId(this.#toldRouterId);
    this.#bgp.changed();
  }

  #setRouterId(id: number): void {
    if (id === this.routerId) return;
    this.routerId = id;
    this.#bgp.changed();
  }

  /** Families whose routes are all announced again are reported to zebra. */
  #lookRestored(): void {
    const { loop } = this.#bgp;
    const late = loop.now() >= this.#limitMs;
    for (const afi of this.#pending) {
      if (this.waits || !this.#restored(afi, late)) continue;
      const message = {
        capability: CAPABILITY_ROUTE_UPDATE_COMPLETE,
        vrf: 0,
        afi: AFI_NUMBER[afi],
        safi: 1,
        staleTimeS: 0,
      };
      if (this.client.send('CLIENT_CAPABILITIES', message)) this.#pending.delete(afi);
    }
    if (this.#pending.size > 0) this.#restore.start(LOOK_MS);
  }

  #restored(afi: Afi, late: boolean): boolean {
    // A speaker that is not configured (yet) has nothing to say; one whose lines are just being told, not all.
    if (!late && (this.#instances.size === 0 || this.#bgp.loop.now() - this.#bgp.changedMs < SETTLE_MS)) return false;
    for (const instance of this.#instances) {
      if (!instance.family[afi].announcer.idle) return false;
      if (late) continue;
      if (!instance.tracker.answered) return false;
      for (const peer of instance.peers.values()) if (!peer.told(afi)) return false;
    }
    return true;
  }

  /** Where interfaces are told to: a zebra that came back is believed when it has told them all. */
  get #told(): Interfaces {
    return this.#toldInterfaces ?? this.interfaces;
  }

  #interface(message: InterfaceMessage): void {
    const up = (message.flags & UP_AND_RUNNING) === UP_AND_RUNNING;
    this.#told.set(message.ifindex, message.name, up);
    this.#changed();
  }

  #changed(): void {
    this.known = true;
    if (this.#toldInterfaces === undefined) this.#bgp.changed();
  }

  #route(add: boolean, route: RouteMessage): void {
    const protocol = this.#protocols.get(route.type);
    if (protocol === undefined || route.safi !== 1) return;
    for (const instance of this.#instances) {
      instance.family[route.family === 2 ? 'ipv4' : 'ipv6'].local.redistributed(add, protocol, route);
    }
  }
}

/** ZAPI over the bgp-io thread: the socket is the other thread's, here is a stream of bytes both ways. */
export function zapiOverTransport(transport: Transport, path: string): ZapiConnect {
  return events => {
    const stream: ByteStream = transport.connectUnix(path, {
      connected: () => events.open(),
      failed: failure => events.close(new Error(`${failure.syscall} ${path}: ${failure.code}`)),
      readable: () => {
        const { input } = stream;
        let left = READ_BYTES;
        while (left > 0 && input.peek()) {
          const size = Math.min(input.size, left);
          events.bytes(input.bytes, input.offset, input.offset + size);
          input.consume(size);
          left -= size;
        }
        return left <= 0;
      },
      writable: () => events.writable(),
      closed: failure => events.close(failure && new Error(`${failure.syscall} ${path}: ${failure.code}`)),
    });
    return {
      write: (bytes, offset, size) => {
        const taken = Math.min(size, stream.room());
        if (taken > 0 && !stream.write(bytes, offset, taken)) return 0;
        if (taken < size) stream.wantWritable();
        return taken;
      },
      close: () => stream.close(),
    };
  };
}
