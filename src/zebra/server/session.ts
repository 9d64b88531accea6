// One client's connection: the bytes that come and go, and who it is. Its routes, next hops and redistribution have a file
// each.
//
// Input is taken in slices that the server's task gives, frame by frame straight out of the socket's chunks. It stops, and
// the socket with it, while zebra is congested (when the client announces routes) or while the client does not read what
// it is sent. Output that describes state is level-triggered: an event leaves a mark, and `pump` turns marks into
// messages as far as there is room.
import type { Socket } from 'node:net';
import { type AddressWords, AF_INET, AF_INET6 } from '../../net/index.ts';
import {
  AFI_IP6,
  BodyReader,
  CAPABILITY_GRACEFUL_RESTART,
  CAPABILITY_GRACEFUL_RESTART_DISABLE,
  CAPABILITY_RIB_STALE_TIME,
  CAPABILITY_ROUTE_UPDATE_COMPLETE,
  CAPABILITY_ROUTE_UPDATE_PENDING,
  type ClientMessages,
  commandName,
  type Dialect,
  Framer,
  type RouteNote,
  ZapiError,
} from '../../zapi/index.ts';
import type { Owner } from '../face.ts';
import type { Interface } from '../interface/interfaces.ts';
import { routeTypeName } from '../route-type.ts';
import type { RouterDiscovery } from '../router-discovery.ts';
import { type Vrf, VRF_DEFAULT } from '../vrf.ts';
import { type Client, type ClientHost, type ClientStats, emptyStats } from './client.ts';
import { onLabels } from './labels.ts';
import { onLocators } from './locators.ts';
import { type Managers, onManagers } from './managers.ts';
import { Out } from './out.ts';
import { Redistributed } from './redistributed.ts';
import { RouteInput } from './route-input.ts';
import { ToldInterfaces } from './told.ts';
import { TrackedNexthops } from './tracked-nexthops.ts';

/** Chunks of input that are kept while nobody looks at them; more, and the socket is not read. */
const MAX_CHUNKS = 4;
/** Frames between two looks at the clock. */
const FRAMES_A_LOOK = 64;
/** `show zebra client` and the log name what a client keeps asking in vain; once is enough. */
const COMPLAINTS = 20;

type Handler = (body: number, end: number) => void;

/** The server as a session sees it. */
export interface SessionHost extends ClientHost, Managers {
  readonly ecmp: number;
  readonly mpls: () => boolean;
  /** VRFs are network namespaces, rather than devices. */
  readonly namespaces: boolean;
  /** Frames that a client may have taken in before the others have their turn. */
  readonly framesATurn: number;
  readonly owners: Map<Owner, Session>;
  readonly discovery: RouterDiscovery | undefined;
  log(text: string): void;
  /** There is input. */
  wake(): void;
  /** There are routes to redistribute to this session. */
  wakeFeeds(session: Session): void;
  /** The session is over. */
  ended(session: Session): void;
}

export class Session implements Client {
  readonly id: number;
  readonly connectedMs: number;
  lastReadMs = 0;
  lastCommand = '';
  routeType = 0;
  instance = 0;
  sessionId = 0;
  synchronous = false;
  notify = false;
  /** HELLO came. */
  greeted = false;
  owner: Owner = 0;
  /** Routes are kept this long when it goes without goodbye: it announced graceful restart. */
  retainMs = 0;
  readonly out: Out;
  readonly stats: ClientStats = emptyStats();
  readonly nexthops: TrackedNexthops;
  readonly redistributed: Redistributed;

  readonly #server: SessionHost;
  readonly #dialect: Dialect;
  readonly #socket: Socket;
  readonly #framer: Framer;
  readonly #chunks: Uint8Array[] = [];
  #reading = true;
  #closed = false;
  /** The client has gone; its last words are still to be read. */
  #finishing = false;
  readonly #reader: BodyReader = new BodyReader(new Uint8Array(0));
  readonly #handlers: (Handler | undefined)[] = [];
  readonly #routes: RouteInput;
  /** VRFs whose interfaces it wants to hear of. */
  readonly #wantsInterfaces: Set<number> = new Set();
  /** VRFs that went: said behind what is said of their interfaces. */
  readonly #vrfsGone: Vrf[] = [];
  readonly #told: ToldInterfaces;
  /** By interface: the neighbour that it was told of. */
  readonly #neighbours: Map<number, AddressWords> = new Map();
  /** Interfaces whose neighbour may be another one. */
  readonly #neighboursDirty: Set<number> = new Set();
  readonly #routerIds: Map<number, boolean> = new Map();
  readonly #pendingFamilies: Set<string> = new Set();
  readonly #complaints: Set<string> = new Set();

  constructor(server: SessionHost, socket: Socket, id: number) {
    this.#server = server;
    this.#dialect = server.dialect;
    this.#socket = socket;
    this.id = id;
    this.connectedMs = server.now();
    this.#framer = new Framer(server.dialect.maxFrameBytes);
    this.out = new Out(socket, server.dialect, waiting => {
      this.end(`does not read: ${waiting} bytes wait for it`);
    });
    this.#told = new ToldInterfaces(
      one => this.#wantsInterfaces.has(one.vrf),
      (name, message, vrf) => {
        const { addresses, interfaces, states } = this.stats;
        if (name.startsWith('INTERFACE_ADDRESS')) addresses[name.endsWith('ADD') ? 'add' : 'delete']++;
        else if (name === 'INTERFACE_ADD') interfaces.add++;
        else if (name === 'INTERFACE_DELETE') interfaces.delete++;
        else states[name === 'INTERFACE_UP' ? 'add' : 'delete']++;
        this.out.put(name, message, vrf);
      },
    );
    this.#routes = new RouteInput(this);
    this.nexthops = new TrackedNexthops(this);
    this.redistributed = new Redistributed(this);
    this.#fillHandlers();
    socket.on('data', (chunk: Buffer) => this.#data(chunk));
    socket.on('drain', () => this.#drained());
    socket.on('error', () => {
      // `close` follows, and says all that is known: the client is gone.
    });
    socket.on('close', () => {
      // What it said before it went counts; with graceful restart the difference lasts.
      this.#finishing = true;
      if (this.#chunks.length + this.#framer.pending === 0) this.end(undefined);
      else server.wake();
    });
  }

  /** `bgp`, `static`, or `unknown` before it said. */
  get name(): string {
    return this.greeted ? routeTypeName(this.routeType) : 'unknown';
  }

  /** As in logs: `bgp[1]`. */
  get label(): string {
    return this.sessionId === 0 ? `${this.name}#${this.id}` : `${this.name}[${this.sessionId}]#${this.id}`;
  }

  get host(): ClientHost {
    return this.#server;
  }

  get closed(): boolean {
    return this.#closed;
  }

  get paused(): boolean {
    return !this.#reading;
  }

  // ---- input ----------------------------------------------------------------------------------------------------------

  #data(chunk: Buffer): void {
    if (this.#closed) return;
    // A plain array and not a Buffer: the decoders then see one kind of object only.
    this.#chunks.push(new Uint8Array(chunk.buffer, chunk.byteOffset, chunk.length));
    this.stats.bytesIn += chunk.length;
    this.lastReadMs = this.#server.now();
    if (this.#chunks.length >= MAX_CHUNKS) this.#read(false);
    this.#server.wake();
  }

  #read(on: boolean): void {
    if (on === this.#reading || this.#closed) return;
    this.#reading = on;
    if (on) this.#socket.resume();
    else {
      this.stats.pauses++;
      this.#socket.pause();
    }
  }

  /** Whether there is input that may be looked at now. */
  get workable(): boolean {
    return !this.#closed && this.#chunks.length + this.#framer.pending > 0 && this.#mayWork();
  }

  #mayWork(): boolean {
    return (this.out.room || this.#finishing) && !(this.#routes.announces && this.#server.zebra.congested);
  }

  /** Takes frames until the slice is over, the input used up, or the client to be paused. True = there is more. */
  work(shouldYield: () => boolean): boolean {
    const framer = this.#framer;
    let frames = 0;
    try {
      while (this.#mayWork()) {
        if (!framer.next()) {
          const chunk = this.#chunks.shift();
          if (chunk === undefined) break;
          framer.push(chunk);
          if (this.#chunks.length < MAX_CHUNKS / 2) this.#read(true);
          continue;
        }
        this.stats.framesIn++;
        this.#frame();
        if (this.#closed) return false;
        if (++frames >= this.#server.framesATurn || (frames % FRAMES_A_LOOK === 0 && shouldYield())) return true;
      }
    } catch (error) {
      if (!(error instanceof ZapiError)) throw error;
      this.end(error.message);
      return false;
    }
    // What it may not do now it will do when zebra is relieved, or when it has read.
    const done = this.#chunks.length + framer.pending === 0;
    if (done && this.#finishing) this.end(undefined);
    else this.#read(done);
    return false;
  }

  #frame(): void {
    const framer = this.#framer;
    const handler = this.#handlers[framer.command];
    if (handler === undefined) {
      // Skipped by its length: there are 137 commands, and most are of no concern to a router without them.
      this.stats.unknown++;
      this.lastCommand = commandName(this.#dialect, framer.command);
      return;
    }
    try {
      handler(framer.body, framer.end);
    } catch (error) {
      if (!(error instanceof ZapiError) || error.fault !== 'body') throw error;
      this.stats.faults++;
      this.complain(`${commandName(this.#dialect, framer.command)}: ${error.message}`);
    }
  }

  /** Says once what a client does wrong. */
  complain(text: string): void {
    if (this.#complaints.size >= COMPLAINTS || this.#complaints.has(text)) return;
    this.#complaints.add(text);
    this.#server.log(`client ${this.label}: ${text}`);
  }

  #fillHandlers(): void {
    const { command } = this.#dialect;
    this.#handlers[command.ROUTE_ADD] = (body, end) => {
      this.lastCommand = 'ROUTE_ADD';
      this.#routes.add(this.#framer, body, end);
    };
    this.#handlers[command.ROUTE_DELETE] = (body, end) => {
      this.lastCommand = 'ROUTE_DELETE';
      this.#routes.remove(this.#framer, body, end);
    };
    this.#on('HELLO', message => this.#hello(message));
    this.#on('INTERFACE_ADD', (_message, vrf) => this.#interfaceAdd(vrf));
    this.#on('INTERFACE_DELETE', (_message, vrf) => {
      this.#wantsInterfaces.delete(vrf);
      this.#told.clear(vrf);
    });
    this.#on('ROUTER_ID_ADD', (message, vrf) => {
      this.#routerIds.set((vrf << 1) | (message.afi === AFI_IP6 ? 1 : 0), true);
      this.pump();
    });
    this.#on('ROUTER_ID_DELETE', (message, vrf) => {
      this.#routerIds.delete((vrf << 1) | (message.afi === AFI_IP6 ? 1 : 0));
    });
    this.#on('REDISTRIBUTE_ADD', (message, vrf) => {
      this.redistributed.want(vrf, message.afi, message.routeType, message.instance, true);
    });
    this.#on('REDISTRIBUTE_DELETE', (message, vrf) => {
      this.redistributed.want(vrf, message.afi, message.routeType, message.instance, false);
    });
    this.#on('REDISTRIBUTE_DEFAULT_ADD', (message, vrf) => this.redistributed.want(vrf, message.afi, -1, 0, true));
    this.#on('REDISTRIBUTE_DEFAULT_DELETE', (message, vrf) => this.redistributed.want(vrf, message.afi, -1, 0, false));
    this.#on('NEXTHOP_REGISTER', (message, vrf) => {
      for (const entry of message.entries) this.nexthops.register(entry, vrf);
    });
    this.#on('NEXTHOP_UNREGISTER', (message, vrf) => {
      for (const entry of message.entries) this.nexthops.unregister(entry, vrf);
    });
    this.#on('INTERFACE_ENABLE_RADV', ({ ifindex, intervalS }, vrf) => {
      if (this.#server.zebra.vrfs.get(vrf)?.namespace !== undefined) {
        this.complain('asks for router advertisements in another network namespace, where none are sent');
        return;
      }
      this.#server.discovery?.enable(this, ifindex, intervalS);
      this.neighbourChanged(ifindex);
    });
    this.#on('INTERFACE_DISABLE_RADV', ({ ifindex }, vrf) => {
      if (this.#server.zebra.vrfs.get(vrf)?.namespace === undefined) this.#server.discovery?.disable(this, ifindex);
    });
    this.#on('CLIENT_CAPABILITIES', message => this.#capabilities(message));
    this.#on('ROUTE_NOTIFY_REQUEST', message => {
      this.notify = message.notify;
      this.#server.zebra.setNotify(this.ownerNumber(), message.notify);
    });
    onLabels((name, handler) => this.#on(name, handler), this);
    onManagers((name, handler) => this.#on(name, handler), this, this.#server);
    onLocators((name, handler) => this.#on(name, handler), this, this.#server.zebra.locators);
  }

  #on<Name extends keyof ClientMessages>(
    name: Name,
    handler: (message: ClientMessages[Name], vrf: number) => void,
  ): void {
    const codec = this.#dialect.toServer[name];
    const reader = this.#reader;
    this.#handlers[this.#dialect.command[name]] = (body, end) => {
      this.lastCommand = name;
      reader.bytes = this.#framer.bytes;
      reader.at = body;
      reader.end = end;
      handler(codec.decode(reader), this.#framer.vrf);
    };
  }

  // ---- who it is ------------------------------------------------------------------------------------------------------

  #hello(message: ClientMessages['HELLO']): void {
    if (this.greeted) {
      this.complain('sent HELLO again; its first one counts');
      return;
    }
    this.routeType = message.routeType;
    this.instance = message.instance;
    this.sessionId = message.session;
    this.synchronous = message.synchronous;
    this.notify = message.receiveNotify;
    this.greeted = true;
    this.ownerNumber();
    // A synchronous session asks and waits for the answer: anything else would be taken for it.
    if (this.synchronous) return;
    const { ecmp, mpls, namespaces } = this.#server;
    this.out.put('CAPABILITIES', { vrfBackend: namespaces ? 1 : 0, mpls: mpls(), ecmp, mlagRole: 0 });
    // The default one first: that is whose absence a client takes for a zebra that is not there yet.
    const vrfs = this.#server.zebra.vrfs.list();
    for (const vrf of vrfs) if (vrf.id === VRF_DEFAULT) this.vrfCame(vrf);
    for (const vrf of vrfs) if (vrf.id !== VRF_DEFAULT) this.vrfCame(vrf);
    this.#server.log(`client ${this.label} connected`);
  }

  /** Zebra's number for it, asked for where it has none yet. */
  ownerNumber(): Owner {
    if (this.owner === 0) {
      this.owner = this.#server.zebra.addOwner({
        type: this.routeType,
        instance: this.instance,
        session: this.sessionId,
        name: this.name,
        synchronous: this.synchronous,
        notify: this.notify,
      });
      this.#server.owners.set(this.owner, this);
    }
    return this.owner;
  }

  #capabilities(message: ClientMessages['CLIENT_CAPABILITIES']): void {
    const family = `${message.vrf}/${message.afi}/${message.safi}`;
    switch (message.capability) {
      case CAPABILITY_GRACEFUL_RESTART:
      case CAPABILITY_RIB_STALE_TIME:
        this.retainMs = message.staleTimeS * 1000;
        break;
      case CAPABILITY_GRACEFUL_RESTART_DISABLE:
        this.retainMs = 0;
        break;
      case CAPABILITY_ROUTE_UPDATE_PENDING:
        this.#pendingFamilies.add(family);
        this.#server.zebra.routesPending(this.ownerNumber());
        break;
      case CAPABILITY_ROUTE_UPDATE_COMPLETE:
        this.#pendingFamilies.delete(family);
        // The last family that it restores: what it did not announce again is not wanted any more.
        if (this.#pendingFamilies.size === 0) this.#server.zebra.routesComplete(this.ownerNumber());
        break;
      default:
    }
  }

  /** ROUTE_NOTIFY_OWNER for one of its routes. */
  note(note: RouteNote, vrf: number): void {
    this.out.put('ROUTE_NOTIFY_OWNER', note, vrf);
  }

  // ---- what it wants to hear of ---------------------------------------------------------------------------------------

  /** A VRF is there, or has another name. */
  vrfCame({ id, name, table, namespace }: Vrf): void {
    if (!this.greeted || this.synchronous) return;
    this.stats.vrfs.add++;
    this.out.put('VRF_ADD', { table, netns: namespace?.name ?? '', name }, id);
  }

  /** A VRF went, and its interfaces with it: `pump` says so when all has been said of them. */
  vrfGone(vrf: Vrf): void {
    if (this.greeted && !this.synchronous) this.#vrfsGone.push(vrf);
  }

  #tellVrfsGone(): void {
    for (const { id, name, table, namespace } of this.#vrfsGone.splice(0)) {
      this.#wantsInterfaces.delete(id);
      this.#routerIds.delete(id << 1);
      this.#routerIds.delete((id << 1) | 1);
      this.stats.vrfs.delete++;
      this.out.put('VRF_DELETE', { table, netns: namespace?.name ?? '', name }, id);
    }
  }

  #interfaceAdd(vrf: number): void {
    this.#wantsInterfaces.add(vrf);
    // Asked twice, told twice: FRR's daemons ask on connecting and again for the VRF, and count on nothing.
    this.#told.again(this.#server.zebra.interfaces.list(vrf));
    if (vrf !== VRF_DEFAULT) return this.pump();
    this.#neighbours.clear();
    for (const ifindex of this.#server.discovery?.neighbours.keys() ?? []) this.#neighboursDirty.add(ifindex);
    this.pump();
  }

  /** An interface, or one of its addresses, changed. */
  interfaceChanged(one: Interface, address?: string): void {
    if (this.#wantsInterfaces.size === 0) return;
    this.#told.mark(one, address);
    this.pump();
  }

  /** The router that advertises itself on an interface is another one. */
  neighbourChanged(ifindex: number): void {
    if (!this.#wantsInterfaces.has(VRF_DEFAULT)) return;
    this.#neighboursDirty.add(ifindex);
    this.pump();
  }

  #tellNeighbour(ifindex: number): void {
    const now = this.#server.discovery?.neighbours.get(ifindex);
    const before = this.#neighbours.get(ifindex);
    const tell = (name: 'INTERFACE_NBR_ADDRESS_ADD' | 'INTERFACE_NBR_ADDRESS_DELETE', words: AddressWords): void =>
      this.out.put(name, { ifindex, address: { family: AF_INET6, words, length: 128 } });
    if (before !== undefined && now !== before) tell('INTERFACE_NBR_ADDRESS_DELETE', before);
    if (now !== undefined && now !== before) tell('INTERFACE_NBR_ADDRESS_ADD', now);
    if (now === undefined) this.#neighbours.delete(ifindex);
    else this.#neighbours.set(ifindex, now);
  }

  routerIdChanged(vrf: number): void {
    for (const key of this.#routerIds.keys()) if (key >>> 1 === vrf) this.#routerIds.set(key, true);
    this.pump();
  }

  // ---- output ---------------------------------------------------------------------------------------------------------

  readonly #room = (): boolean => this.out.room;

  /** Turns marks into messages as far as there is room. */
  pump(): void {
    if (this.#closed) return;
    if (this.#told.pending) this.#told.pump(this.#room);
    // Behind the interface itself.
    if (!this.#told.pending) {
      for (const ifindex of this.#neighboursDirty) {
        if (!this.out.room) break;
        this.#neighboursDirty.delete(ifindex);
        this.#tellNeighbour(ifindex);
      }
      this.#tellVrfsGone();
    }
    for (const [key, changed] of this.#routerIds) {
      if (!changed || !this.out.room) continue;
      this.#routerIds.set(key, false);
      const family = (key & 1) === 1 ? AF_INET6 : AF_INET;
      const words: AddressWords = this.#server.zebra.routerId.get(key >>> 1, family);
      this.out.put('ROUTER_ID_UPDATE', { prefix: { family, words, length: family === AF_INET ? 32 : 128 } }, key >>> 1);
    }
    this.nexthops.pump();
    if (this.redistributed.ready && this.out.room) this.#server.wakeFeeds(this);
  }

  /** A slice of redistribution. True = there is more, and room for it. */
  feed(shouldYield: () => boolean): boolean {
    return !this.#closed && this.redistributed.take(shouldYield);
  }

  #drained(): void {
    if (this.#closed) return;
    this.pump();
    this.#server.wake();
  }

  /** Zebra has room again, or is ready. */
  relieved(): void {
    if (this.#chunks.length < MAX_CHUNKS / 2 && this.#framer.pending === 0) this.#read(true);
  }

  // ---- the end --------------------------------------------------------------------------------------------------------

  /** The connection is over: by the client (undefined), or by us for a reason that goes to the log. */
  end(reason: string | undefined): void {
    if (this.#closed) return;
    this.#closed = true;
    if (reason !== undefined) this.#server.log(`client ${this.label} is cut off: ${reason}`);
    else if (this.greeted && !this.synchronous) this.#server.log(`client ${this.label} disconnected`);
    this.out.close();
    this.#server.discovery?.release(this);
    this.#chunks.length = 0;
    this.#routes.close();
    this.redistributed.close();
    this.#socket.destroy();
    this.#server.ended(this);
  }

  /** Sends what is buffered and hangs up: zebra stops. */
  hangUp(): void {
    if (this.#closed) return;
    this.out.flush();
    this.#closed = true;
    this.#routes.close();
    this.redistributed.close();
    this.#socket.destroySoon();
  }
}
