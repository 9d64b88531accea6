// The way to zebra: one ZAPI session for all instances. It is told what is wanted (interfaces, router id, next hops,
// redistribution) and keeps it wanted over reconnections; routes are announced by each family's ZebraAnnouncer, which
// starts anew on every connection.
import type { Prefix } from '../net/index.ts';
import {
  AFI_IP,
  FRR_8_4_4,
  type InterfaceMessage,
  type RouteMessage,
  routeTypeNumber,
  ZapiClient,
  type ZapiConnect,
} from '../zapi/index.ts';
import type { Bgp } from './bgp.ts';
import type { BgpInstance } from './instance.ts';
import { Interfaces } from './interfaces.ts';
import type { ByteStream, Transport } from './io/types.ts';
import { type Protocol, protocolNumber } from './local-routes.ts';

/** IFF_UP and IFF_RUNNING. */
const UP_AND_RUNNING = 0x41;
/** Input taken in one turn before others get theirs. */
const READ_BYTES = 256 * 1024;

const PROTOCOLS: readonly Protocol[] = ['kernel', 'connected', 'static'];

export class ZebraLink {
  readonly client: ZapiClient;
  readonly interfaces: Interfaces = new Interfaces();
  /** As a word; 0 until zebra has said one. */
  routerId = 0;
  /** Zebra has told its interfaces at least once. */
  known = false;
  readonly #bgp: Bgp;
  readonly #instances: Set<BgpInstance> = new Set();
  readonly #protocols: Map<number, Protocol> = new Map(PROTOCOLS.map(name => [protocolNumber(name), name]));

  constructor(bgp: Bgp, connect: ZapiConnect) {
    this.#bgp = bgp;
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
        disconnected: () => {
          for (const instance of this.#instances)
            for (const family of instance.families) family.announcer.disconnected();
        },
        writable: () => {
          for (const instance of this.#instances) for (const family of instance.families) family.announcer.wake();
        },
        route: (add, route) => this.#route(add, route),
        fault: (error, command) => bgp.log(`zebra: ${command}: ${error.message}`),
        on: {
          ROUTER_ID_UPDATE: message => {
            const id = message.prefix.words[0];
            if (message.prefix.family !== 2 || id === this.routerId) return;
            this.routerId = id;
            bgp.changed();
          },
          INTERFACE_ADD: message => this.#interface(message),
          INTERFACE_UP: message => this.#interface(message),
          INTERFACE_DOWN: message => this.#interface(message),
          INTERFACE_DELETE: message => {
            this.interfaces.remove(message.ifindex);
            this.#changed();
          },
          INTERFACE_ADDRESS_ADD: message => {
            const one = this.interfaces.get(message.ifindex);
            if (one === undefined) return;
            one.addresses = one.addresses.filter(own => !sameAddress(own, message.address));
            one.addresses.push(message.address);
            this.#changed();
          },
          INTERFACE_ADDRESS_DELETE: message => {
            const one = this.interfaces.get(message.ifindex);
            if (one === undefined) return;
            one.addresses = one.addresses.filter(own => !sameAddress(own, message.address));
            this.#changed();
          },
          NEXTHOP_UPDATE: message => {
            for (const instance of this.#instances) instance.tracker.updated(message);
          },
        },
      },
    });
    this.client.wantInterfaces();
    this.client.wantRouterId(AFI_IP);
    this.client.start();
  }

  attach(instance: BgpInstance): void {
    this.#instances.add(instance);
  }

  detach(instance: BgpInstance): void {
    this.#instances.delete(instance);
  }

  /** Asks to be told how a prefix resolves. */
  register(prefix: Prefix): void {
    this.client.wantNexthop(prefix);
  }

  unregister(prefix: Prefix): void {
    this.client.unwantNexthop(prefix);
  }

  redistribute(instance: BgpInstance, afi: number, protocol: Protocol): void {
    this.client.wantRedistribution(afi, protocolNumber(protocol), 0, instance.vrf);
  }

  unredistribute(instance: BgpInstance, afi: number, protocol: Protocol): void {
    this.client.unwantRedistribution(afi, protocolNumber(protocol), 0, instance.vrf);
  }

  stop(): void {
    this.client.stop();
  }

  /** Ends the connection and makes a new one, on which everything is said anew. */
  restart(): void {
    for (const instance of this.#instances) for (const family of instance.families) family.announcer.disconnected();
    this.client.stop();
    this.client.start();
  }

  #connected(reconnected: boolean): void {
    // All interfaces are told again; those that went meanwhile are not.
    this.interfaces.clear();
    for (const instance of this.#instances) {
      for (const family of instance.families) {
        if (reconnected) family.local.zebraReturned();
        family.announcer.connected();
      }
    }
  }

  #interface(message: InterfaceMessage): void {
    const up = (message.flags & UP_AND_RUNNING) === UP_AND_RUNNING;
    this.interfaces.set(message.ifindex, message.name, up);
    this.#changed();
  }

  #changed(): void {
    this.known = true;
    this.#bgp.changed();
  }

  #route(add: boolean, route: RouteMessage): void {
    const protocol = this.#protocols.get(route.type);
    if (protocol === undefined || route.safi !== 1) return;
    for (const instance of this.#instances) {
      instance.family[route.family === 2 ? 'ipv4' : 'ipv6'].local.redistributed(add, protocol, route);
    }
  }
}

function sameAddress(a: Prefix, b: Prefix): boolean {
  return a.length === b.length && a.words.every((word, i) => word === b.words[i]);
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
