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
import type { Loop, TimerTask } from '../concurrency/index.ts';
import { equalWords, type Prefix } from '../net/index.ts';
import {
  AFI_IP,
  CAPABILITY_GRACEFUL_RESTART,
  CAPABILITY_ROUTE_UPDATE_COMPLETE,
  CAPABILITY_ROUTE_UPDATE_PENDING,
  FRR_8_4_4,
  type InterfaceMessage,
  type LabelEvent,
  type LocatorChunk,
  type RouteMessage,
  routeTypeNumber,
  SAFI_UNICAST,
  type Vrf as VrfMessage,
  ZapiClient,
  type ZapiConnect,
} from '../zapi/index.ts';
import { Interfaces } from './interfaces.ts';
import type { ByteStream, Transport } from './io/types.ts';
import type { NexthopTracker } from './nexthop-tracking.ts';
import { type Protocol, PROTOCOLS, protocolNumber } from './protocol.ts';
import { FAMILY, UNICAST_NAMES, type UnicastName } from './wire/family.ts';
import { Vrf, VRF_DEFAULT } from './vrf.ts';

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
  readonly loop: Loop;
  /** When settings or surroundings changed last; of the loop's clock. */
  readonly changedMs: number;
  log(text: string): void;
  /** Surroundings changed. */
  changed(): void;
  /** An interface got this name, or had it before. */
  renamed(name: string): void;
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
    zebraLost(): void;
    redistributed(add: boolean, protocol: Protocol, route: RouteMessage): void;
  };
}

export interface ZebraUser {
  readonly vrf: Vrf;
  readonly tracker: NexthopTracker;
  readonly unicast: readonly ZebraUserFamily[];
  readonly family: Readonly<Record<UnicastName, ZebraUserFamily>>;
  readonly peers: ReadonlyMap<string, { told(afi: UnicastName): boolean }>;
  /** Its VRF is there (again). */
  vrfAppeared(): void;
  vrfGone(): void;
}

/** What else of the speaker has to do with zebra: what its VPNs need. */
export interface ZebraServices {
  connected(): void;
  writable(): void;
  /** All was said. */
  idle(): boolean;
  locator(chunk: LocatorChunk): void;
  locatorGone(name: string): void;
  labels(event: LabelEvent): void;
}

export class ZebraLink {
  services: ZebraServices | undefined;
  readonly client: ZapiClient;
  readonly #bgp: ZebraHost;
  /** By name: those that zebra has, and those that instances are in. */
  readonly #vrfs: Map<string, Vrf> = new Map();
  readonly #byId: Map<number, Vrf> = new Map();
  readonly #instances: Set<ZebraUser> = new Set();
  /** Announcers that take back what they announced; the others wait for them. */
  readonly #leaving: Map<ZebraTeller, Vrf> = new Map();
  readonly #settle: TimerTask;
  readonly #restore: TimerTask;
  /** Families whose routes of an earlier life zebra still keeps. */
  readonly #pending: Map<Vrf, Set<UnicastName>> = new Map();
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
          this.services?.writable();
          for (const one of this.#leaving.keys()) one.wake();
          for (const instance of this.#instances) for (const family of instance.unicast) family.announcer.wake();
        },
        labels: event => this.services?.labels(event),
        route: (add, route, id) => this.#route(add, route, id),
        fault: (error, command) => bgp.log(`zebra: ${command}: ${error.message}`),
        on: {
          VRF_ADD: (message, id) => this.#vrfAdd(message, id),
          SRV6_MANAGER_GET_LOCATOR_CHUNK: chunk => this.services?.locator(chunk),
          SRV6_LOCATOR_DELETE: ({ name }) => this.services?.locatorGone(name),
          VRF_DELETE: (_, id) => {
            const vrf = this.#byId.get(id);
            if (vrf !== undefined) this.#vrfGone(vrf);
          },
          ROUTER_ID_UPDATE: (message, id) => {
            const vrf = this.#byId.get(id);
            if (message.prefix.family !== 2 || vrf === undefined) return;
            const [word] = message.prefix.words;
            if (vrf.again !== undefined) vrf.again.routerId = word;
            else this.#setRouterId(vrf, word);
          },
          INTERFACE_ADD: (message, id) => this.#interface(message, id),
          INTERFACE_UP: (message, id) => this.#interface(message, id),
          INTERFACE_DOWN: (message, id) => this.#interface(message, id),
          INTERFACE_DELETE: (message, id) => this.#changes(id, told => told.remove(message.ifindex)),
          INTERFACE_ADDRESS_ADD: (message, id) =>
            this.#changes(id, told => told.get(message.ifindex)?.addresses.add(message.address)),
          INTERFACE_ADDRESS_DELETE: (message, id) =>
            this.#changes(id, told => told.get(message.ifindex)?.addresses.delete(message.address)),
          // The interface is told anew where it went (FRR deletes and adds it besides, in no fixed order).
          INTERFACE_VRF_UPDATE: (message, id) => this.#changes(id, told => told.remove(message.ifindex)),
          INTERFACE_NBR_ADDRESS_ADD: ({ ifindex, address }, id) => {
            this.#byId.get(id)?.neighbours.set(ifindex, address.words);
            this.#bgp.changed();
          },
          INTERFACE_NBR_ADDRESS_DELETE: ({ ifindex, address }, id) => {
            const neighbours = this.#byId.get(id)?.neighbours;
            const known = neighbours?.get(ifindex);
            if (known === undefined || !equalWords(known, address.words)) return;
            neighbours?.delete(ifindex);
            this.#bgp.changed();
          },
          NEXTHOP_UPDATE: (message, id) => {
            for (const { vrf, tracker } of this.#instances) if (vrf.id === id) tracker.updated(message);
          },
        },
      },
    });
    const main = this.vrf(VRF_DEFAULT);
    this.#byId.set(main.id, main);
    this.#subscribe(main);
    this.client.start();
  }

  /** The VRF of that name, whether or not zebra has it. */
  vrf(name: string): Vrf {
    let vrf = this.#vrfs.get(name);
    if (vrf === undefined) {
      vrf = new Vrf(name);
      this.#vrfs.set(name, vrf);
    }
    return vrf;
  }

  /** Zebra's are asked for as long as an instance is in them, the default one's always. */
  attach(instance: ZebraUser): void {
    const first = !this.#inhabited(instance.vrf);
    this.#instances.add(instance);
    if (first && instance.vrf.exists) this.#subscribe(instance.vrf);
  }

  detach(instance: ZebraUser): void {
    this.#instances.delete(instance);
    const { vrf } = instance;
    if (this.#inhabited(vrf)) return;
    this.#pending.delete(vrf);
    if (!vrf.exists) this.#vrfs.delete(vrf.name);
    else this.client.leaveVrf(vrf.id, true);
    vrf.staleS = 0;
    vrf.interfaces.clear();
    vrf.known = false;
  }

  #inhabited(vrf: Vrf): boolean {
    if (vrf.name === VRF_DEFAULT) return true;
    for (const instance of this.#instances) if (instance.vrf === vrf) return true;
    return false;
  }

  #subscribe(vrf: Vrf): void {
    this.keepStale(vrf, DEFAULT_STALE_S);
    for (const afi of UNICAST_NAMES) {
      const message = {
        capability: CAPABILITY_ROUTE_UPDATE_PENDING,
        vrf: vrf.id,
        afi: FAMILY[afi].afi,
        safi: 1,
        staleTimeS: 0,
      };
      this.client.always(`pending ${vrf.id}/${afi}`, 'CLIENT_CAPABILITIES', message, vrf.id);
    }
    this.client.wantInterfaces(vrf.id);
    this.client.wantRouterId(AFI_IP, vrf.id);
  }

  /** Has zebra advertise us on an interface, and look for the router at its other end. */
  discover(vrf: Vrf, ifindex: number): void {
    if (!vrf.exists) return;
    vrf.seekers.set(ifindex, (vrf.seekers.get(ifindex) ?? 0) + 1);
    this.client.wantAdvertisements(ifindex, ADVERTISE_S, vrf.id);
  }

  stopDiscovery(vrf: Vrf, ifindex: number): void {
    const others = (vrf.seekers.get(ifindex) ?? 1) - 1;
    if (others > 0) {
      vrf.seekers.set(ifindex, others);
      return;
    }
    vrf.seekers.delete(ifindex);
    vrf.neighbours.delete(ifindex);
    if (vrf.exists) this.client.unwantAdvertisements(ifindex, vrf.id);
  }

  /** Asks to be told how a prefix resolves in a VRF; one that does not exist is asked when it does. */
  register(vrf: Vrf, prefix: Prefix): void {
    if (vrf.exists) this.client.wantNexthop(prefix, {}, vrf.id);
  }

  unregister(vrf: Vrf, prefix: Prefix): void {
    if (vrf.exists) this.client.unwantNexthop(prefix, SAFI_UNICAST, vrf.id);
  }

  redistribute({ vrf }: ZebraUser, afi: number, protocol: Protocol): void {
    if (vrf.exists) this.client.wantRedistribution(afi, protocolNumber(protocol), 0, vrf.id);
  }

  unredistribute({ vrf }: ZebraUser, afi: number, protocol: Protocol): void {
    if (vrf.exists) this.client.unwantRedistribution(afi, protocolNumber(protocol), 0, vrf.id);
  }

  stop(): void {
    this.#settle.stop();
    this.#restore.stop();
    this.client.stop();
  }

  /** Our routes of a VRF stay for `seconds` after zebra has lost us. */
  keepStale(vrf: Vrf, seconds: number): void {
    if (!vrf.exists || seconds === vrf.staleS) return;
    vrf.staleS = seconds;
    const message = { capability: CAPABILITY_GRACEFUL_RESTART, vrf: vrf.id, afi: 0, safi: 0, staleTimeS: seconds };
    this.client.always(`graceful restart ${vrf.id}`, 'CLIENT_CAPABILITIES', message, vrf.id);
  }

  /** Announcers of a VRF wait while another one there takes its routes back: a prefix must not be withdrawn after it is announced. */
  waits(vrf: Vrf): boolean {
    for (const one of this.#leaving.values()) if (one === vrf) return true;
    return false;
  }

  leaving(announcer: ZebraTeller, vrf: Vrf): void {
    this.#leaving.set(announcer, vrf);
  }

  left(announcer: ZebraTeller): void {
    const vrf = this.#leaving.get(announcer);
    if (vrf === undefined) return;
    this.#leaving.delete(announcer);
    if (!this.waits(vrf) && this.client.connected) this.#announce(vrf);
  }

  // ---- connections ---------------------------------------------------------------------------------------------------

  #connected(reconnected: boolean): void {
    // All VRFs and interfaces are told again; those that went meanwhile are not.
    for (const vrf of this.#vrfs.values()) {
      const main = vrf.name === VRF_DEFAULT;
      if (!vrf.known) vrf.interfaces.clear();
      if (vrf.known || (vrf.exists && !main)) {
        vrf.again = { interfaces: new Interfaces(), routerId: undefined, told: main };
      }
    }
    if (reconnected) {
      for (const instance of this.#instances) {
        instance.tracker.doubt(true);
        for (const family of instance.unicast) family.local.zebraReturned();
      }
    }
    this.services?.connected();
    this.#settle.start(SETTLE_MS);
    for (const vrf of this.#byId.values()) if (this.#inhabited(vrf)) this.#pending.set(vrf, new Set(UNICAST_NAMES));
    this.#limitMs = this.#bgp.loop.now() + RESTORE_LIMIT_MS;
    this.#restore.start(SETTLE_MS);
    for (const vrf of this.#byId.values()) this.#announce(vrf);
  }

  #announce(vrf: Vrf): void {
    for (const instance of this.#instances) {
      if (instance.vrf === vrf) for (const family of instance.unicast) family.announcer.connected();
    }
  }

  #disconnected(): void {
    this.#settle.stop();
    this.#restore.stop();
    for (const one of this.#leaving.keys()) one.disconnected();
    this.#leaving.clear();
    for (const instance of this.#instances) {
      for (const { announcer, local } of instance.unicast) {
        announcer.disconnected();
        local.zebraLost();
      }
    }
  }

  /** What zebra says now is all true. */
  #settled(): void {
    for (const instance of this.#instances) instance.tracker.doubt(false);
    for (const vrf of this.#vrfs.values()) {
      const { again } = vrf;
      if (again === undefined) continue;
      vrf.again = undefined;
      if (!again.told) this.#vrfGone(vrf);
      else {
        vrf.interfaces = again.interfaces;
        if (again.routerId !== undefined) vrf.routerId = again.routerId;
      }
      this.#bgp.changed();
    }
  }

  // ---- VRFs ----------------------------------------------------------------------------------------------------------

  #vrfAdd({ name, netns, table }: VrfMessage, id: number): void {
    // Whatever zebra calls it.
    if (id === 0) return;
    const vrf = this.vrf(name);
    if (vrf.again !== undefined) vrf.again.told = true;
    if (vrf.id === id && this.#byId.get(id) === vrf) return;
    if (vrf.exists) this.#vrfGone(vrf);
    // Renamed: one of another name had the number.
    const before = this.#byId.get(id);
    if (before !== undefined) this.#vrfGone(before);
    vrf.id = id;
    vrf.namespace = netns;
    vrf.table = table;
    this.#byId.set(id, vrf);
    if (!this.#inhabited(vrf)) return;
    this.#subscribe(vrf);
    this.#pending.set(vrf, new Set(UNICAST_NAMES));
    this.#limitMs = this.#bgp.loop.now() + RESTORE_LIMIT_MS;
    this.#restore.start(SETTLE_MS);
    for (const instance of this.#instances) {
      if (instance.vrf === vrf) instance.vrfAppeared();
    }
    this.#announce(vrf);
    this.#bgp.changed();
  }

  /** Its routes went with it, in zebra too. */
  #vrfGone(vrf: Vrf): void {
    if (vrf.name === VRF_DEFAULT) return;
    this.#byId.delete(vrf.id);
    this.client.leaveVrf(vrf.id, false);
    this.#pending.delete(vrf);
    vrf.forget();
    for (const [one, of] of this.#leaving) {
      if (of !== vrf) continue;
      this.#leaving.delete(one);
      one.disconnected();
    }
    for (const instance of this.#instances) {
      if (instance.vrf === vrf) instance.vrfGone();
    }
    if (!this.#inhabited(vrf)) this.#vrfs.delete(vrf.name);
    this.#bgp.changed();
  }

  #setRouterId(vrf: Vrf, id: number): void {
    if (id === vrf.routerId) return;
    vrf.routerId = id;
    this.#bgp.changed();
  }

  // ---- the end of a restart -------------------------------------------------------------------------------------------

  /** Families whose routes are all announced again are reported to zebra. */
  #lookRestored(): void {
    const { loop } = this.#bgp;
    const late = loop.now() >= this.#limitMs;
    for (const [vrf, families] of this.#pending) {
      for (const afi of families) {
        if (this.waits(vrf) || !this.#restored(vrf, afi, late)) continue;
        const message = {
          capability: CAPABILITY_ROUTE_UPDATE_COMPLETE,
          vrf: vrf.id,
          afi: FAMILY[afi].afi,
          safi: 1,
          staleTimeS: 0,
        };
        if (this.client.send('CLIENT_CAPABILITIES', message, vrf.id)) families.delete(afi);
      }
      if (families.size === 0) this.#pending.delete(vrf);
    }
    if (this.#pending.size > 0) this.#restore.start(LOOK_MS);
  }

  #restored(vrf: Vrf, afi: UnicastName, late: boolean): boolean {
    // A speaker that is not configured (yet) has nothing to say; one whose lines are just being told, not all.
    if (!late && (this.#instances.size === 0 || this.#bgp.loop.now() - this.#bgp.changedMs < SETTLE_MS)) return false;
    if (!late && vrf.name === VRF_DEFAULT && this.services?.idle() === false) return false;
    for (const instance of this.#instances) {
      if (instance.vrf !== vrf) continue;
      if (!instance.family[afi].announcer.idle) return false;
      if (late) continue;
      if (!instance.tracker.settled) return false;
      for (const peer of instance.peers.values()) if (!peer.told(afi)) return false;
    }
    return true;
  }

  // ---- interfaces and routes ------------------------------------------------------------------------------------------

  #interface(message: InterfaceMessage, id: number): void {
    const up = (message.flags & UP_AND_RUNNING) === UP_AND_RUNNING;
    const vrf = this.#byId.get(id);
    const before = vrf?.interfaces.get(message.ifindex)?.name;
    this.#changes(id, told => told.set(message.ifindex, message.name, up));
    if (vrf === undefined || before === message.name) return;
    this.#bgp.renamed(message.name);
    if (before !== undefined) this.#bgp.renamed(before);
  }

  #changes(id: number, change: (told: Interfaces) => void): void {
    const vrf = this.#byId.get(id);
    if (vrf === undefined) return;
    change(vrf.told);
    vrf.known = true;
    if (vrf.again === undefined) this.#bgp.changed();
  }

  #route(add: boolean, route: RouteMessage, id: number): void {
    const protocol = this.#protocols.get(route.type);
    if (protocol === undefined || route.safi !== 1) return;
    for (const instance of this.#instances) {
      if (instance.vrf.id !== id) continue;
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
