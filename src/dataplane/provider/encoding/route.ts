// Routes: by nexthop object, which most are, or with paths of their own.
import { familyOf } from '../../../net/index.ts';
import {
  addRouteFlags,
  appendPath,
  encodeRoute,
  encodeRouteDelete,
  encodeRouteWithPaths,
  ROUTE_BYTES_MAX,
  type RoutePath,
  rtnetlink as c,
} from '../../../netlink/index.ts';
import { FLAG_OFFLOAD_FAILED, FLAG_OFFLOADED, FLAG_TRAPPED, PATH_ONLINK } from '../../constants.ts';
import type { ContextPool } from '../../context.ts';
import {
  CREATE,
  type Encode,
  type Encoding,
  judgeDelete,
  judgeInstall,
  type Measure,
  type Told,
  toldAs,
} from './encoding.ts';
import { appendEncap, pathsBytes, pathsOf, RTNH_FLAGS } from './path.ts';

/** What a route with several paths needs for their attribute. */
const PATHS_HEADER_BYTES = 4;

type Paths = (pool: ContextPool, handle: number) => readonly RoutePath[];

const ownPaths = (pool: ContextPool, handle: number): boolean => pool.nexthopId(handle) === 0 && pool.count(handle) > 0;

/** `type`: RTN_*; the context's own unless told. */
function routeWith(nexthopId: (pool: ContextPool, handle: number) => number, type?: number): Encode {
  return (pool, handle, buffer, offset, sequence) =>
    encodeRoute(
      buffer,
      offset,
      sequence,
      CREATE,
      pool.family(handle),
      pool.table(handle),
      pool.prefixWord(handle, 0),
      pool.prefixWord(handle, 1),
      pool.prefixWord(handle, 2),
      pool.prefixWord(handle, 3),
      pool.length(handle),
      pool.protocol(handle),
      type ?? pool.routeType(handle),
      pool.metric(handle),
      nexthopId(pool, handle),
    );
}

const encodeByObject: Encode = routeWith((pool, handle) => pool.nexthopId(handle));

/** A blackhole in its place. */
export const encodeHole: Encode = routeWith(() => 0, c.RTN_BLACKHOLE);

/** With paths of its own: for the few, and where objects cannot be. `flagsTold`: RTNH_F_* besides. */
function multipath(flags: number, flagsTold: number, paths: Paths = pathsOf): Encode {
  return (pool, handle, buffer, offset, sequence) => {
    const word = (w: number): number => pool.prefixWord(handle, w);
    return encodeRouteWithPaths(
      buffer,
      offset,
      sequence,
      flags,
      familyOf(pool.family(handle)),
      pool.table(handle),
      [word(0), word(1), word(2), word(3)],
      pool.length(handle),
      pool.protocol(handle),
      pool.metric(handle),
      paths(pool, handle),
      flagsTold,
    );
  };
}

/** Installs the route by these paths. */
export const routeByPaths = (paths?: Paths): Encode => multipath(CREATE, c.RTNH_F_ONLINK, paths);

const encodeMultipath: Encode = routeByPaths();

/** By its nexthop object, or, where it has none, by the paths in the context. */
const encodeInstall: Encode = (pool, handle, buffer, offset, sequence) => {
  const size = encodeByObject(pool, handle, buffer, offset, sequence);
  const count = pool.nexthopId(handle) === 0 ? pool.count(handle) : 0;
  if (count === 0) return size;
  if (count > 1) return encodeMultipath(pool, handle, buffer, offset, sequence);
  const end = appendPath(
    buffer,
    offset,
    size,
    pool.ifindex(handle),
    pool.gatewayFamily(handle),
    pool.gatewayWord(handle, 0),
    pool.gatewayWord(handle, 1),
    pool.gatewayWord(handle, 2),
    pool.gatewayWord(handle, 3),
    (pool.pathFlags(handle) & PATH_ONLINK) === 0 ? 0 : c.RTNH_F_ONLINK,
  );
  return appendEncap(pool, handle, buffer, offset, end);
};

const bytes: Measure = (pool, handle) =>
  ownPaths(pool, handle) ? ROUTE_BYTES_MAX + PATHS_HEADER_BYTES + pathsBytes(pool, handle) : ROUTE_BYTES_MAX;

/** What was there by its nexthop object. */
const encodeOld: Encode = routeWith((pool, handle) => pool.oldNexthopId(handle), c.RTN_UNICAST);

function deletion(whatever: boolean): Encode {
  return (pool, handle, buffer, offset, sequence) =>
    encodeRouteDelete(
      buffer,
      offset,
      sequence,
      0,
      pool.family(handle),
      pool.table(handle),
      pool.prefixWord(handle, 0),
      pool.prefixWord(handle, 1),
      pool.prefixWord(handle, 2),
      pool.prefixWord(handle, 3),
      pool.length(handle),
      whatever ? 0 : pool.protocol(handle),
      whatever ? 0 : pool.metric(handle),
    );
}

const encodeDelete: Encode = deletion(false);

/** Whatever there is of the prefix goes. */
export const encodeRemoval: Encode = deletion(true);

/** Where a route carries its paths, the old id is not of an object, but what these are called. */
const backToOld: Encode = (pool, handle, buffer, offset, sequence) =>
  pool.oldNexthopId(handle) === 0 || ownPaths(pool, handle) ? 0 : encodeOld(pool, handle, buffer, offset, sequence);

const isHole = (type: number): boolean => type > c.RTN_UNICAST;

/** A deletion names what it deletes by old id and type. */
const putBack: Encode = (pool, handle, buffer, offset, sequence) =>
  isHole(pool.routeType(handle))
    ? encodeByObject(pool, handle, buffer, offset, sequence)
    : backToOld(pool, handle, buffer, offset, sequence);

export const install: Encoding = { bytes, encode: encodeInstall, judge: judgeInstall, undo: encodeDelete };

export const update: Encoding = { bytes, encode: encodeInstall, judge: judgeInstall, undo: backToOld };

export const remove: Encoding = {
  bytes: () => ROUTE_BYTES_MAX,
  encode: encodeDelete,
  judge: judgeDelete,
  undo: putBack,
};

/** What hardware made of a route: of RTM_F_* the FLAG_*; and the other way round. */
export function offloadOutcome(flags: number): number {
  return (
    ((flags & c.RTM_F_OFFLOAD) !== 0 ? FLAG_OFFLOADED : 0) |
    ((flags & c.RTM_F_TRAP) !== 0 ? FLAG_TRAPPED : 0) |
    ((flags & c.RTM_F_OFFLOAD_FAILED) !== 0 ? FLAG_OFFLOAD_FAILED : 0)
  );
}

function offloadFlags(flags: number): number {
  return (
    ((flags & FLAG_OFFLOADED) !== 0 ? c.RTM_F_OFFLOAD : 0) |
    ((flags & FLAG_TRAPPED) !== 0 ? c.RTM_F_TRAP : 0) |
    ((flags & FLAG_OFFLOAD_FAILED) !== 0 ? c.RTM_F_OFFLOAD_FAILED : 0)
  );
}

const encodePathsTold: Encode = multipath(0, RTNH_FLAGS);

const encodeTold: Encode = (pool, handle, buffer, offset, sequence) => {
  const encode = ownPaths(pool, handle) ? encodePathsTold : encodeInstall;
  const length = encode(pool, handle, buffer, offset, sequence);
  addRouteFlags(buffer, offset, offloadFlags(pool.flags(handle)));
  return length;
};

export const told: Told = toldAs(c.RTM_NEWROUTE, c.RTM_DELROUTE, bytes, encodeTold);
