// The ZAPI server: FRR's protocol on a Unix socket, for Grevy's own bgp and for FRR's daemons started with `-z PATH`.
//
//   socket ──chunks──▶ Session ──frames──▶ zebra (rib, nexthops, nht …)
//          ◀──Out────          ◀──marks── listeners
//
// All input is taken by one named task, a slice of one session after the other; replays of redistribution by another. So a
// client that announces a million routes leaves room for one that asks about one next hop.
import { chmodSync, chownSync, readFileSync, statSync, unlinkSync } from 'node:fs';
import { createServer, connect as netConnect, type Server, type Socket } from 'node:net';
import { AF_INET } from '../../net/index.ts';
import {
  AFI_IP,
  AFI_IP6,
  type Dialect,
  emptyRouteNote,
  FRR_8_4_4,
  NexthopColumns,
  RouteMessage,
  type RouteNote,
  SAFI_UNICAST,
  socketPath,
} from '../../zapi/index.ts';
import type { Owner, ZebraFace } from '../face.ts';
import { forwardsLabels } from '../forwarding.ts';
import type { Interface, InterfaceAddress } from '../interface/interfaces.ts';
import { ECMP_LIMIT } from '../nexthop/set.ts';
import { Chunks } from './chunks.ts';
import type { RouterDiscovery } from '../router-discovery.ts';
import { tellLocators } from './locators.ts';
import { Session, type SessionHost } from './session.ts';

/** The part of a task loop that the server needs; TaskLoop has it. */
export interface ServerTasks {
  work(name: string, fn: () => boolean): { wake(): void };
  shouldYield(): boolean;
}

export interface ZapiServerOptions {
  /** The socket's path; `@name` is an abstract one. */
  readonly path: string;
  readonly tasks?: ServerTasks;
  readonly dialect?: Dialect;
  readonly log?: (text: string) => void;
  /**
   * User whom the socket is given to, where there is one of the name and we are root: `frr` unless told, since FRR's
   * daemons drop to that user before they connect. `''` leaves it ours.
   */
  readonly user?: string;
  /** Most next hops of a route, as told to clients. */
  readonly ecmp?: number;
  /** Whether labels are forwarded by, as told to a client that comes; the host's kernel says unless told. */
  readonly mpls?: () => boolean;
  /** Sends router advertisements where clients ask for them; undefined: nobody does. */
  readonly discovery?: RouterDiscovery;
  /** VRFs are network namespaces, rather than devices. */
  readonly namespaces?: boolean;
}

/** As FRR: nobody but the owner and root. */
const SOCKET_MODE = 0o700;
const MAX_SESSIONS = 256;

export class ZapiServer implements SessionHost {
  readonly zebra: ZebraFace;
  readonly dialect: Dialect;
  readonly path: string;
  readonly ecmp: number;
  readonly mpls: () => boolean;
  readonly discovery: RouterDiscovery | undefined;
  readonly namespaces: boolean;
  readonly sessions: Set<Session> = new Set();
  readonly owners: Map<Owner, Session> = new Map();
  readonly labels: Chunks = new Chunks(16, 1048575);
  readonly tables: Chunks = new Chunks(10000, 65535);
  // Reused by all sessions: each is filled and read within one call.
  readonly columns: NexthopColumns = new NexthopColumns();
  readonly outRoute: RouteMessage = new RouteMessage();
  readonly outBlock: Uint8Array = new Uint8Array(16384);
  /** As many as time allows unless told. */
  framesATurn: number = Number.POSITIVE_INFINITY;
  /** Connections since the start. */
  accepted = 0;

  readonly #user: string;
  readonly #log: (text: string) => void;
  readonly #tasks: ServerTasks;
  readonly #input: { wake(): void };
  readonly #feeds: { wake(): void };
  readonly #feeding: Set<Session> = new Set();
  readonly #stops: (() => void)[] = [];
  readonly #note: RouteNote = emptyRouteNote();
  #server: Server | undefined;
  #stopped = false;

  constructor(zebra: ZebraFace, options: ZapiServerOptions) {
    this.zebra = zebra;
    this.dialect = options.dialect ?? FRR_8_4_4;
    this.path = options.path;
    this.ecmp = options.ecmp ?? ECMP_LIMIT;
    this.mpls = options.mpls ?? forwardsLabels;
    this.discovery = options.discovery;
    this.namespaces = options.namespaces ?? false;
    if (this.discovery !== undefined) {
      this.discovery.onChange = ifindex => {
        for (const session of this.sessions) session.neighbourChanged(ifindex);
      };
    }
    this.#user = options.user ?? 'frr';
    this.#log = options.log ?? (() => {});
    this.#tasks = options.tasks ?? immediateTasks();
    this.#input = this.#tasks.work('zserv_process_messages', () => this.#takeInput());
    this.#feeds = this.#tasks.work('zserv_redistribute', () => this.#takeFeeds());
    const interfaceChanged = (one: Interface): void => {
      for (const session of this.sessions) session.interfaceChanged(one);
    };
    const addressChanged = (one: Interface, { key }: InterfaceAddress): void => {
      for (const session of this.sessions) session.interfaceChanged(one, key);
    };
    this.#stops.push(
      zebra.interfaces.listen({
        link: interfaceChanged,
        linkGone: one => {
          interfaceChanged(one);
          for (const session of this.sessions) session.pump();
        },
        joined: one => interfaceChanged(one),
        speed: interfaceChanged,
        address: addressChanged,
        addressGone: addressChanged,
      }),
      zebra.vrfs.listen({
        came: vrf => {
          for (const session of this.sessions) session.vrfCame(vrf);
        },
        renamed: vrf => {
          for (const session of this.sessions) session.vrfCame(vrf);
        },
        gone: vrf => {
          for (const session of this.sessions) session.vrfGone(vrf);
        },
      }),
      zebra.routerId.listen(vrf => {
        for (const session of this.sessions) session.routerIdChanged(vrf);
      }),
      tellLocators(zebra.locators, this.sessions, this.owners),
      zebra.onRelief(() => this.#relieved()),
    );
    zebra.setNotes({
      note: (owner, note, table, prefixId) => {
        const session = this.owners.get(owner);
        if (session === undefined) return;
        const { prefixes } = table;
        const words = prefixes.words(prefixId);
        const message = this.#note;
        message.note = note;
        message.family = table.family;
        message.length = prefixes.length[prefixId]!;
        message.w0 = words[0];
        message.w1 = words[1];
        message.w2 = words[2];
        message.w3 = words[3];
        message.table = table.kernelTable;
        message.afi = table.family === AF_INET ? AFI_IP : AFI_IP6;
        message.safi = SAFI_UNICAST;
        session.note(message, table.vrf);
      },
    });
    zebra.onReady(() => this.#relieved());
  }

  now(): number {
    return performance.now();
  }

  log(text: string): void {
    this.#log(text);
  }

  /** Opens the socket. A stale socket file is replaced; a living one is an error. */
  async listen(): Promise<void> {
    const path = socketPath(this.path);
    if (!this.path.startsWith('@')) await clearStale(this.path);
    const server = createServer(socket => this.#accept(socket));
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(path, () => {
        server.off('error', reject);
        resolve();
      });
    });
    if (!this.path.startsWith('@')) {
      chmodSync(this.path, SOCKET_MODE);
      const ids = process.getuid?.() === 0 ? userIds(this.#user) : undefined;
      if (ids !== undefined) this.#giveTo(ids);
    }
    server.on('error', error => this.#log(`zserv socket ${this.path}: ${error.message}`));
    this.#server = server;
  }

  #giveTo(ids: { uid: number; gid: number }): void {
    try {
      chownSync(this.path, ids.uid, ids.gid);
    } catch (error) {
      // In a user namespace most users do not exist: FRR's is none of those whom the socket has to let in there. And without
      // the right to give it away it stays ours, for our own clients.
      const code = (error as NodeJS.ErrnoException).code;
      if (code !== 'EINVAL' && code !== 'EPERM') throw error;
      if (code === 'EPERM') this.#log(`zserv socket ${this.path}: not for ${this.#user}, only for this user (EPERM)`);
    }
  }

  /** Hangs up on everybody and closes the socket; their routes are zebra's to keep. */
  async close(): Promise<void> {
    if (this.#stopped) return;
    this.#stopped = true;
    for (const stop of this.#stops) stop();
    for (const session of this.sessions) session.hangUp();
    this.sessions.clear();
    this.owners.clear();
    const server = this.#server;
    if (server !== undefined) await new Promise<void>(resolve => server.close(() => resolve()));
  }

  /** There is input. */
  wake(): void {
    this.#input.wake();
  }

  /** There are routes to redistribute to this session. */
  wakeFeeds(session: Session): void {
    this.#feeding.add(session);
    this.#feeds.wake();
  }

  /** A session is over. */
  ended(session: Session): void {
    this.sessions.delete(session);
    this.#feeding.delete(session);
    this.labels.ended(session);
    this.tables.ended(session);
    if (session.owner !== 0) {
      this.owners.delete(session.owner);
      this.zebra.dropOwner(session.owner, session.retainMs);
    }
    if (!session.greeted || this.#stopped) return;
    for (const other of this.sessions) {
      if (!other.greeted || other.synchronous) continue;
      other.out.put('CLIENT_CLOSE_NOTIFY', {
        routeType: session.routeType,
        instance: session.instance,
        session: session.sessionId,
      });
    }
  }

  #accept(socket: Socket): void {
    if (this.sessions.size >= MAX_SESSIONS) {
      this.#log(`zserv: ${MAX_SESSIONS} clients are connected; another one is refused`);
      socket.destroy();
      return;
    }
    this.sessions.add(new Session(this, socket, ++this.accepted));
  }

  #relieved(): void {
    for (const session of this.sessions) session.relieved();
    this.wake();
  }

  readonly #shouldYield = (): boolean => this.#tasks.shouldYield();

  #takeInput(): boolean {
    // Before the kernel's state is known nobody is answered: a next hop would look unreachable that is not.
    if (!this.zebra.ready) return false;
    let more = false;
    for (const session of this.sessions) {
      if (!session.workable) continue;
      if (session.work(this.#shouldYield)) {
        // Next time the others go first.
        this.sessions.delete(session);
        this.sessions.add(session);
        return true;
      }
      more ||= session.workable;
    }
    return more;
  }

  #takeFeeds(): boolean {
    for (const session of this.#feeding) {
      if (session.feed(this.#shouldYield)) {
        this.#feeding.delete(session);
        this.#feeding.add(session);
        return true;
      }
      this.#feeding.delete(session);
    }
    return false;
  }
}

function userIds(name: string): { uid: number; gid: number } | undefined {
  if (name === '') return undefined;
  for (const line of readFileSync('/etc/passwd', 'utf8').split('\n')) {
    const fields = line.split(':');
    if (fields[0] === name) return { uid: Number(fields[2]), gid: Number(fields[3]) };
  }
  return undefined;
}

/** Removes a socket file that nobody listens on. Throws where somebody does, or where the path is something else. */
async function clearStale(path: string): Promise<void> {
  const status = statSync(path, { throwIfNoEntry: false });
  if (status === undefined) return;
  if (!status.isSocket()) throw new Error(`${path} exists and is not a socket`);
  const alive = await new Promise<boolean>(resolve => {
    const probe = netConnect({ path });
    probe.once('connect', () => {
      probe.destroy();
      resolve(true);
    });
    probe.once('error', () => resolve(false));
  });
  if (alive) throw new Error(`another zebra listens on ${path}`);
  unlinkSync(path);
}

/** For users without a task loop: slices of 10 ms on Node's own. */
function immediateTasks(): ServerTasks {
  let startedMs = 0;
  return {
    work(_name, fn) {
      let scheduled = false;
      const run = (): void => {
        scheduled = false;
        startedMs = performance.now();
        if (fn()) schedule();
      };
      const schedule = (): void => {
        if (scheduled) return;
        scheduled = true;
        setImmediate(run);
      };
      return { wake: schedule };
    },
    shouldYield: () => performance.now() - startedMs >= 10,
  };
}
