// The forwarding plane behind real contexts: each call of Plane fills one context, and what comes back is read out of
// contexts into PlaneEvents. Nothing is decided here.
import {
  type ContextPool,
  type DataplaneClient,
  EVENT_GONE,
  EVENT_REPLAY,
  FLAG_ALREADY,
  FLAG_GROUP,
  FLAG_OFFLOAD_FAILED,
  FLAG_OFFLOADED,
  FLAG_REPLACE,
  FLAG_TARGET,
  FLAG_TRAPPED,
  FLAG_UNDO,
  FLAG_UNDO_FAILED,
  OP_ADDRESS,
  OP_ADDRESS_DELETE,
  OP_ADDRESS_GONE,
  OP_ADDRESS_INSTALL,
  OP_DUMP_BEGIN,
  OP_DUMP_END,
  OP_FINISH,
  OP_LABEL,
  OP_LABEL_DELETE,
  OP_LABEL_GONE,
  OP_LABEL_INSTALL,
  OP_LABEL_UPDATE,
  OP_LINK,
  OP_LINK_GONE,
  OP_LINK_SET,
  OP_NAMESPACE_CLOSE,
  OP_NAMESPACE_OPEN,
  OP_NEXTHOP,
  OP_NEXTHOP_DELETE,
  OP_NEXTHOP_GONE,
  OP_NEXTHOP_INSTALL,
  OP_NEXTHOP_UPDATE,
  OP_PROVIDER,
  OP_REPLAY_BEGIN,
  OP_REPLAY_END,
  OP_RESYNC,
  OP_ROUTE,
  OP_ROUTE_DELETE,
  OP_ROUTE_GONE,
  OP_ROUTE_INSTALL,
  OP_ROUTE_UPDATE,
  OP_SRV6_SOURCE_SET,
  PATH_BLACKHOLE,
  PATH_ONLINK,
} from '../dataplane/index.ts';
import { AF_INET6, type AddressWords, type Family, familyOf } from '../net/index.ts';
import {
  FLAG_OFFLOAD_FAILED as ROUTE_OFFLOAD_FAILED,
  FLAG_OFFLOADED as ROUTE_OFFLOADED,
  FLAG_TRAPPED as ROUTE_TRAPPED,
} from './face.ts';
import { withEncap } from './nexthop/encap.ts';
import { RTPROT_ZEBRA } from './nexthop/object.ts';
import { OBJECTS_FROM } from './nexthop/objects.ts';
import {
  type Changes,
  type FollowerEvents,
  type FollowerPlane,
  type GroupMember,
  type KernelPath,
  KIND_ALL,
  KIND_LABEL,
  KIND_NEXTHOP,
  KIND_ROUTE,
  KINDS,
  type Plane,
  type PlaneEvents,
  RTN_UNICAST,
} from './plane.ts';

/** The kernel's word for a route that is not there. */
const ESRCH = 3;
const NO_ADDRESS: AddressWords = [0, 0, 0, 0];
/** IFA_SCOPE and flags of addresses that an operator configures. */
const SCOPE_UNIVERSE = 0;
/** What one follower may have of the requests at a time. */
const FOLLOWER_CREDIT = 256;
const FOLLOWER_PART = 16;

function outcomeOf(flags: number): number {
  return (
    ((flags & FLAG_OFFLOADED) !== 0 ? ROUTE_OFFLOADED : 0) |
    ((flags & FLAG_TRAPPED) !== 0 ? ROUTE_TRAPPED : 0) |
    ((flags & FLAG_OFFLOAD_FAILED) !== 0 ? ROUTE_OFFLOAD_FAILED : 0)
  );
}

function readPath(pool: ContextPool, handle: number, slot: number): KernelPath {
  const gatewayFamily = pool.gatewayFamily(slot);
  const flags = pool.pathFlags(slot);
  return {
    gatewayFamily: gatewayFamily === 0 ? 0 : familyOf(gatewayFamily),
    gateway:
      gatewayFamily === 0
        ? NO_ADDRESS
        : [pool.gatewayWord(slot, 0), pool.gatewayWord(slot, 1), pool.gatewayWord(slot, 2), pool.gatewayWord(slot, 3)],
    ifindex: pool.ifindex(slot),
    blackhole: (flags & PATH_BLACKHOLE) !== 0,
    onlink: (flags & PATH_ONLINK) !== 0,
    weight: Math.max(1, pool.weight(slot === 0 ? handle : slot)),
    ...withEncap(pool.encap(slot)),
  };
}

function writePath(pool: ContextPool, slot: number, path: KernelPath): void {
  const [w0, w1, w2, w3] = path.gateway;
  const flags = (path.blackhole ? PATH_BLACKHOLE : 0) | (path.onlink ? PATH_ONLINK : 0);
  pool.setPath(slot, path.ifindex, path.gatewayFamily, w0, w1, w2, w3, flags, path.weight);
  if (path.encap !== undefined && !pool.setEncap(slot, path.encap))
    throw new Error('a path without room for its encap');
}

function writePaths(pool: ContextPool, handle: number, paths: readonly KernelPath[]): void {
  let slot = handle;
  for (let i = 0; i < paths.length; i++) {
    if (i > 0) slot = pool.addPath(slot);
    writePath(pool, slot, paths[i]!);
  }
  pool.setCount(handle, paths.length);
}

function readPaths(pool: ContextPool, handle: number): KernelPath[] {
  const paths: KernelPath[] = [];
  const count = pool.count(handle);
  for (let slot = handle, i = 0; i < count && slot !== 0; i++, slot = pool.nextPath(slot)) {
    paths.push(readPath(pool, handle, slot));
  }
  return paths;
}

/** Fills contexts: for everybody, or for one follower alone. */
class ChangeWriter implements Changes {
  readonly client: DataplaneClient;
  /** The follower, or 0: everybody. */
  protected readonly target: number;
  /** The network namespace, or 0: that of the dataplane. */
  readonly namespace: number;

  constructor(client: DataplaneClient, target = 0, namespace = 0) {
    this.client = client;
    this.target = target;
    this.namespace = namespace;
  }

  routeInstall(
    object: number,
    generation: number,
    table: number,
    family: Family,
    w0: number,
    w1: number,
    w2: number,
    w3: number,
    length: number,
    protocol: number,
    type: number,
    nexthopId: number,
    metric: number,
    have: number,
  ): void {
    const pool = this.client.requests;
    const handle = this.begin(have === 0 ? OP_ROUTE_INSTALL : OP_ROUTE_UPDATE, object, generation);
    pool.setRoute(handle, table, family, w0, w1, w2, w3, length, protocol, type, metric, nexthopId);
    if (have >= OBJECTS_FROM) pool.setOldNexthopId(handle, have);
    this.client.enqueue(handle);
  }

  routeWithPaths(
    object: number,
    generation: number,
    table: number,
    family: Family,
    w0: number,
    w1: number,
    w2: number,
    w3: number,
    length: number,
    protocol: number,
    type: number,
    metric: number,
    paths: readonly KernelPath[],
    name: number,
    have: number,
  ): void {
    const pool = this.client.requests;
    const handle = this.begin(have === 0 ? OP_ROUTE_INSTALL : OP_ROUTE_UPDATE, object, generation);
    pool.setRoute(handle, table, family, w0, w1, w2, w3, length, protocol, type, metric, 0);
    pool.setOldNexthopId(handle, name);
    writePaths(pool, handle, paths);
    this.client.enqueue(handle);
  }

  routeDelete(
    object: number,
    generation: number,
    table: number,
    family: Family,
    w0: number,
    w1: number,
    w2: number,
    w3: number,
    length: number,
    protocol: number,
    metric: number,
    have: number,
  ): void {
    const pool = this.client.requests;
    const handle = this.begin(OP_ROUTE_DELETE, object, generation);
    const type = have < OBJECTS_FROM ? have : 0;
    pool.setRoute(handle, table, family, w0, w1, w2, w3, length, protocol, type, metric, 0);
    if (have >= OBJECTS_FROM) pool.setOldNexthopId(handle, have);
    this.client.enqueue(handle);
  }

  nexthopInstall(id: number, generation: number, family: Family, path: KernelPath): void {
    const handle = this.begin(OP_NEXTHOP_INSTALL, id, generation);
    const pool = this.client.requests;
    pool.setNexthop(handle, id, family, RTPROT_ZEBRA);
    writePath(pool, handle, path);
    this.client.enqueue(handle);
  }

  groupInstall(
    id: number,
    generation: number,
    members: readonly GroupMember[],
    have: readonly GroupMember[] | undefined,
  ): void {
    const handle = this.begin(have === undefined ? OP_NEXTHOP_INSTALL : OP_NEXTHOP_UPDATE, id, generation);
    const pool = this.client.requests;
    pool.setNexthop(handle, id, 0, RTPROT_ZEBRA);
    const ids = (list: readonly GroupMember[]): number[] => list.map(one => one.id);
    const weights = (list: readonly GroupMember[]): number[] => list.map(one => one.weight);
    const fits =
      pool.setMembers(handle, ids(members), weights(members)) &&
      (have === undefined || pool.setOldMembers(handle, ids(have), weights(have)));
    if (!fits) throw new Error(`a group of ${members.length} was handed over without room for it`);
    this.client.enqueue(handle);
  }

  nexthopDelete(id: number, generation: number): void {
    const handle = this.begin(OP_NEXTHOP_DELETE, id, generation);
    this.client.requests.setNexthop(handle, id, 0, RTPROT_ZEBRA);
    this.client.enqueue(handle);
  }

  labelInstall(
    label: number,
    generation: number,
    protocol: number,
    paths: readonly KernelPath[],
    replaces: boolean,
  ): void {
    const handle = this.begin(replaces ? OP_LABEL_UPDATE : OP_LABEL_INSTALL, label, generation);
    const pool = this.client.requests;
    pool.setLabel(handle, label, protocol);
    writePaths(pool, handle, paths);
    this.client.enqueue(handle);
  }

  labelDelete(label: number, generation: number, protocol: number): void {
    const handle = this.begin(OP_LABEL_DELETE, label, generation);
    this.client.requests.setLabel(handle, label, protocol);
    this.client.enqueue(handle);
  }

  /** A context for a change of this object. Room was asked for before: running out here is a mistake of ours. */
  protected begin(op: number, object: number, generation: number): number {
    const handle = this.allocate(op);
    if (handle === 0) throw new Error('a change was handed to the dataplane without room for it');
    const pool = this.client.requests;
    pool.setObject(handle, object, generation);
    if (this.target !== 0) {
      pool.setFlags(handle, FLAG_TARGET);
      pool.setProvider(handle, this.target);
    }
    return handle;
  }

  /** A context of the namespace, or 0. */
  protected allocate(op: number): number {
    const handle = this.client.allocate(op);
    if (handle === 0) return 0;
    this.client.requests.setNamespace(handle, this.namespace);
    return handle;
  }
}

/** What one follower is told through. */
class FollowerWriter extends ChangeWriter implements FollowerPlane {
  room(): number {
    return this.client.roomFor(this.target);
  }

  replayBegin(generation: number): void {
    this.client.enqueue(this.begin(OP_REPLAY_BEGIN, 0, generation));
  }

  replayEnd(generation: number): void {
    this.client.enqueue(this.begin(OP_REPLAY_END, 0, generation));
  }
}

/** The result of a context for a follower alone. */
function told(pool: ContextPool, handle: number, events: FollowerEvents): void {
  const follower = pool.provider(handle);
  const generation = pool.generation(handle);
  const errno = pool.errno(handle);
  switch (pool.op(handle)) {
    case OP_ROUTE_INSTALL:
    case OP_ROUTE_UPDATE:
    case OP_ROUTE_DELETE:
      events.routeTold(
        follower,
        pool.object(handle),
        generation,
        errno,
        pool.op(handle) === OP_ROUTE_DELETE ? 0 : pool.routeType(handle),
        pool.nexthopId(handle),
      );
      break;
    case OP_NEXTHOP_INSTALL:
    case OP_NEXTHOP_UPDATE:
    case OP_NEXTHOP_DELETE:
      events.nexthopTold(follower, pool.object(handle), generation, errno);
      break;
    case OP_LABEL_INSTALL:
    case OP_LABEL_UPDATE:
    case OP_LABEL_DELETE:
      events.labelTold(follower, pool.object(handle), generation, errno);
      break;
    default: // REPLAY_BEGIN, REPLAY_END
      events.replayTold(follower, generation, errno);
  }
}

/**
 * A later provider refused it, and the kernel's was asked to take back what it had done: the kinds of which nobody can say
 * then what the kernel has. One dump serves all.
 */
function inDoubt(op: number, flags: number): number {
  const failed = (flags & FLAG_UNDO_FAILED) !== 0;
  switch (op) {
    case OP_ROUTE_INSTALL:
      // There before us: so it still is, and our books say that it is not.
      return failed || (flags & FLAG_ALREADY) !== 0 ? KIND_ROUTE : 0;
    case OP_ROUTE_UPDATE:
    case OP_ROUTE_DELETE:
      return failed ? KIND_ROUTE : 0;
    case OP_NEXTHOP_UPDATE:
      return failed ? KIND_NEXTHOP | KIND_ROUTE : 0;
    case OP_LABEL_INSTALL: // whatever it took the place of is gone
      return failed || (flags & FLAG_ALREADY) !== 0 ? KIND_LABEL : 0;
    case OP_LABEL_UPDATE:
    case OP_LABEL_DELETE:
      return failed ? KIND_LABEL : 0;
    case OP_NEXTHOP_INSTALL: // what used an object goes with it
    case OP_NEXTHOP_DELETE:
      return KIND_NEXTHOP | KIND_ROUTE;
    default:
      return 0;
  }
}

/** The plane of one network namespace. */
abstract class NamespacePlane extends ChangeWriter implements Plane {
  /** Changes of links and addresses that commands asked for and that were refused: (what, errno). */
  onFailure: (what: string, errno: number) => void = () => {};
  protected events: PlaneEvents | undefined;
  #resync = 0;
  /** What is asked once only, and found no room: it goes before anything else that there is room for then. */
  readonly #postponed: [op: number, fill: (pool: ContextPool, handle: number) => void][] = [];

  room(): number {
    return this.client.room();
  }

  flush(): void {
    this.#catchUp();
    this.client.flush();
  }

  requestResync(kinds: number): void {
    this.#resync |= kinds & KIND_ALL;
    this.flush();
  }

  readonly linkFlags = (ifindex: number, change: number, flags: number): void => {
    this.ask(OP_LINK_SET, (pool, handle) => pool.setLinkChange(handle, { ifindex, change, flags }));
  };

  readonly address = (add: boolean, ifindex: number, family: Family, local: AddressWords, length: number): void => {
    const rest = { flags: 0, scope: SCOPE_UNIVERSE, label: '' };
    this.ask(add ? OP_ADDRESS_INSTALL : OP_ADDRESS_DELETE, (pool, handle) =>
      pool.setAddress(handle, { ifindex, family, local, peer: local, length, ...rest }),
    );
  };

  readonly srv6Source = (local: AddressWords): void => {
    const rest = { ifindex: 0, length: 128, flags: 0, scope: SCOPE_UNIVERSE, label: '' };
    this.ask(OP_SRV6_SOURCE_SET, (pool, handle) =>
      pool.setAddress(handle, { family: AF_INET6, local, peer: local, ...rest }),
    );
  };

  setLimit(limit: number): void {
    this.client.limit = limit;
  }

  finishing(): void {
    this.ask(OP_FINISH, () => {});
  }

  protected ask(op: number, fill: (pool: ContextPool, handle: number) => void): void {
    this.#postponed.push([op, fill]);
    this.flush();
  }

  #catchUp(): void {
    const { requests } = this.client;
    while (this.#postponed.length > 0 && requests.room > 0) {
      const [op, fill] = this.#postponed.shift()!;
      const handle = this.allocate(op);
      fill(requests, handle);
      this.client.enqueue(handle);
    }
    if (this.#resync === 0 || requests.room === 0) return;
    const handle = this.allocate(OP_RESYNC);
    requests.setKinds(handle, this.#resync);
    this.client.enqueue(handle);
    this.#resync = 0;
  }

  abstract poll(events: PlaneEvents, max: number): number;

  /** Before routes take the room again. */
  protected catchUp(): void {
    if (this.#postponed.length > 0 || this.#resync !== 0) this.flush();
  }

  result(pool: ContextPool, handle: number): void {
    const events = this.events!;
    const op = pool.op(handle);
    const object = pool.object(handle);
    const generation = pool.generation(handle);
    const errno = pool.errno(handle);
    const flags = pool.flags(handle);
    if ((flags & FLAG_TARGET) !== 0) {
      told(pool, handle, events.followers);
      return;
    }
    if ((flags & FLAG_UNDO) !== 0) this.#resync |= inDoubt(op, flags);
    switch (op) {
      case OP_ROUTE_INSTALL:
      case OP_ROUTE_UPDATE: {
        const type = pool.routeType(handle);
        const id = pool.nexthopId(handle);
        const old = pool.oldNexthopId(handle);
        const ownPaths = type === RTN_UNICAST && id === 0;
        events.routeInstalled(
          object,
          generation,
          errno,
          pool.protocol(handle),
          type,
          ownPaths ? old : id,
          ownPaths ? 0 : old,
        );
        break;
      }
      case OP_ROUTE_DELETE: {
        const old = pool.oldNexthopId(handle);
        events.routeDeleted(object, generation, (flags & FLAG_ALREADY) === 0 ? errno : ESRCH, old);
        break;
      }
      case OP_NEXTHOP_INSTALL:
      case OP_NEXTHOP_UPDATE:
        events.nexthopInstalled(object, generation, errno);
        break;
      case OP_NEXTHOP_DELETE:
        events.nexthopDeleted(object, generation, errno);
        break;
      case OP_LABEL_INSTALL:
      case OP_LABEL_UPDATE:
      case OP_LABEL_DELETE:
        events.labelAnswered(object, generation, errno);
        break;
      case OP_LINK_SET:
        if (errno !== 0) this.onFailure('link flags', errno);
        break;
      case OP_ADDRESS_INSTALL:
      case OP_ADDRESS_DELETE:
        if (errno !== 0) this.onFailure('address', errno);
        break;
      case OP_SRV6_SOURCE_SET:
        if (errno !== 0) this.onFailure('SRv6 source address', errno);
        break;
      default: // RESYNC: its dump tells
    }
  }

  notification(pool: ContextPool, handle: number): void {
    const events = this.events!;
    const op = pool.op(handle);
    // What the kernel has is told by the kernel alone; of providers only what became of routes counts, and of themselves.
    if (pool.provider(handle) !== 0 && op !== OP_ROUTE && op !== OP_ROUTE_GONE && op !== OP_PROVIDER) return;
    switch (op) {
      case OP_LINK:
        events.link(pool.link(handle));
        break;
      case OP_LINK_GONE:
        events.linkGone(pool.ifindex(handle));
        break;
      case OP_ADDRESS:
        events.address(pool.address(handle));
        break;
      case OP_ADDRESS_GONE:
        events.addressGone(pool.address(handle));
        break;
      case OP_ROUTE:
        events.routeOutcome(
          pool.table(handle),
          familyOf(pool.family(handle)),
          pool.prefixWord(handle, 0),
          pool.prefixWord(handle, 1),
          pool.prefixWord(handle, 2),
          pool.prefixWord(handle, 3),
          pool.length(handle),
          pool.protocol(handle),
          outcomeOf(pool.flags(handle)),
          pool.provider(handle),
          () => readPaths(pool, handle),
        );
        if (pool.provider(handle) !== 0) break;
        events.route(
          pool.table(handle),
          familyOf(pool.family(handle)),
          pool.prefixWord(handle, 0),
          pool.prefixWord(handle, 1),
          pool.prefixWord(handle, 2),
          pool.prefixWord(handle, 3),
          pool.length(handle),
          pool.protocol(handle),
          pool.routeType(handle),
          pool.metric(handle),
          pool.nexthopId(handle),
          () => readPaths(pool, handle),
          (pool.flags(handle) & FLAG_REPLACE) !== 0,
        );
        break;
      case OP_ROUTE_GONE:
        if (pool.provider(handle) !== 0) {
          events.routeMissed(
            pool.table(handle),
            familyOf(pool.family(handle)),
            pool.prefixWord(handle, 0),
            pool.prefixWord(handle, 1),
            pool.prefixWord(handle, 2),
            pool.prefixWord(handle, 3),
            pool.length(handle),
            pool.protocol(handle),
            pool.provider(handle),
          );
          break;
        }
        events.routeGone(
          pool.table(handle),
          familyOf(pool.family(handle)),
          pool.prefixWord(handle, 0),
          pool.prefixWord(handle, 1),
          pool.prefixWord(handle, 2),
          pool.prefixWord(handle, 3),
          pool.length(handle),
          pool.protocol(handle),
          pool.routeType(handle),
          pool.metric(handle),
          () => readPaths(pool, handle),
        );
        break;
      case OP_NEXTHOP: {
        const members: GroupMember[] = [];
        const group = (pool.flags(handle) & FLAG_GROUP) !== 0;
        if (group) pool.members(handle, (id, weight) => members.push({ id, weight: Math.max(1, weight) }));
        events.nexthop(
          pool.nexthopId(handle),
          pool.protocol(handle),
          familyOf(pool.family(handle)),
          group ? undefined : readPath(pool, handle, handle),
          members,
        );
        break;
      }
      case OP_NEXTHOP_GONE:
        events.nexthopGone(pool.nexthopId(handle));
        break;
      case OP_LABEL:
        events.label(pool.label(handle), pool.protocol(handle), () => readPaths(pool, handle));
        break;
      case OP_LABEL_GONE:
        events.labelGone(pool.label(handle));
        break;
      case OP_DUMP_BEGIN:
        for (const kind of KINDS) if ((pool.kinds(handle) & kind) !== 0) events.dumpBegin(kind);
        break;
      case OP_DUMP_END:
        for (const kind of KINDS) if ((pool.kinds(handle) & kind) !== 0) events.dumpEnd(kind);
        break;
      case OP_PROVIDER: {
        const { followers } = events;
        if (pool.event(handle) === EVENT_REPLAY) followers.replay(pool.provider(handle));
        else if (pool.event(handle) === EVENT_GONE) followers.gone(pool.provider(handle));
        break;
      }
      default: // neighbours, rules: nobody here asks for them yet
    }
  }
}

/** That of the namespace that the dataplane works in, and the way to the others. */
export class DataplanePlane extends NamespacePlane {
  readonly followerCredit: number;
  readonly #planes: Map<number, LentPlane> = new Map();
  readonly #onResult: (pool: ContextPool, handle: number) => void;
  readonly #onNotification: (pool: ContextPool, handle: number) => void;
  /** By namespace: who waits for its sockets. */
  readonly #opening: Map<number, (errno: number) => void> = new Map();
  #last = 0;

  constructor(client: DataplaneClient) {
    super(client);
    this.followerCredit = Math.min(FOLLOWER_CREDIT, client.requests.limit / FOLLOWER_PART);
    this.#onResult = (pool, handle) => {
      const namespace = pool.namespace(handle);
      if (namespace === 0) this.result(pool, handle);
      else if (pool.op(handle) === OP_NAMESPACE_OPEN) this.#opened(namespace, pool.errno(handle));
      else this.#planes.get(namespace)?.result(pool, handle);
    };
    this.#onNotification = (pool, handle) => {
      const namespace = pool.namespace(handle);
      if (namespace === 0) this.notification(pool, handle);
      // Of one that was left there may still be some.
      else this.#planes.get(namespace)?.notification(pool, handle);
    };
  }

  readonly follower = (number: number): FollowerPlane => new FollowerWriter(this.client, number);

  poll(events: PlaneEvents, max: number): number {
    this.events = events;
    const count = this.client.poll(max, this.#onResult, this.#onNotification);
    this.catchUp();
    return count;
  }

  /**
   * Has a network namespace served, by a descriptor that stays open until `done` is called: with its plane, or with the errno that
   * says why there is none.
   */
  open(fd: number, done: (plane: LentPlane | undefined, errno: number) => void): void {
    const namespace = ++this.#last;
    this.#opening.set(namespace, errno => {
      const plane = errno === 0 ? new LentPlane(this.client, namespace, () => this.#close(namespace)) : undefined;
      if (plane !== undefined) this.#planes.set(namespace, plane);
      done(plane, errno);
    });
    this.ask(OP_NAMESPACE_OPEN, (pool, handle) => {
      pool.setNamespace(handle, namespace);
      pool.setNamespaceFd(handle, fd);
    });
  }

  #opened(namespace: number, errno: number): void {
    const done = this.#opening.get(namespace);
    this.#opening.delete(namespace);
    done?.(errno);
  }

  #close(namespace: number): void {
    this.#planes.delete(namespace);
    // Its result is nobody's.
    this.ask(OP_NAMESPACE_CLOSE, (pool, handle) => pool.setNamespace(handle, namespace));
  }
}

/** The plane of another namespace, for as long as it is served. */
export class LentPlane extends NamespacePlane {
  readonly #close: () => void;
  #ending = false;
  /** Contexts on their way. */
  #underWay = 0;
  /** Results and events since somebody asked. */
  #taken = 0;

  constructor(client: DataplaneClient, namespace: number, close: () => void) {
    super(client, 0, namespace);
    this.#close = close;
  }

  override room(): number {
    return this.#ending ? 0 : super.room();
  }

  /** What came for it is taken when the dataplane's own plane is polled. */
  poll(events: PlaneEvents, _max: number): number {
    this.events = events;
    const count = this.#taken;
    this.#taken = 0;
    this.catchUp();
    return count;
  }

  override result(pool: ContextPool, handle: number): void {
    this.#underWay--;
    this.#taken++;
    super.result(pool, handle);
  }

  override notification(pool: ContextPool, handle: number): void {
    this.#taken++;
    super.notification(pool, handle);
  }

  protected override allocate(op: number): number {
    const handle = super.allocate(op);
    if (handle !== 0) this.#underWay++;
    return handle;
  }

  /** Nothing more is handed over. True when nothing is on its way any more: then the namespace is not served any longer. */
  end(): boolean {
    this.#ending = true;
    if (this.#underWay > 0) return false;
    this.#close();
    return true;
  }
}
