// Paths of routes, labels and nexthop objects, between contexts and messages.
import {
  encapRoom,
  type MessageBuffer,
  PATH_BYTES_MAX,
  reserveNexthopEncap,
  reserveRouteEncap,
  type RoutePath,
  rtnetlink as c,
} from '../../../netlink/index.ts';
import { PATH_DEAD, PATH_LINKDOWN, PATH_ONLINK } from '../../constants.ts';
import type { ContextPool } from '../../context.ts';

/** RTNH_F_* that `pathFlags` may give. */
export const RTNH_FLAGS: number = c.RTNH_F_ONLINK | c.RTNH_F_DEAD | c.RTNH_F_LINKDOWN;

/** Of PATH_* the RTNH_F_*; and the other way round. */
export function pathFlags(flags: number): number {
  return (
    ((flags & PATH_ONLINK) !== 0 ? c.RTNH_F_ONLINK : 0) |
    ((flags & PATH_DEAD) !== 0 ? c.RTNH_F_DEAD : 0) |
    ((flags & PATH_LINKDOWN) !== 0 ? c.RTNH_F_LINKDOWN : 0)
  );
}

export function pathFlagsTold(kernel: number): number {
  return (
    ((kernel & c.RTNH_F_ONLINK) !== 0 ? PATH_ONLINK : 0) |
    ((kernel & c.RTNH_F_DEAD) !== 0 ? PATH_DEAD : 0) |
    ((kernel & c.RTNH_F_LINKDOWN) !== 0 ? PATH_LINKDOWN : 0)
  );
}

/** The path in one slot. */
export function pathOf(pool: ContextPool, slot: number): RoutePath {
  const family = pool.gatewayFamily(slot);
  const word = (n: number): number => pool.gatewayWord(slot, n);
  const encap = pool.encap(slot);
  return {
    ifindex: pool.ifindex(slot),
    gatewayFamily: family === 2 || family === 10 ? family : 0,
    gateway: [word(0), word(1), word(2), word(3)],
    flags: pathFlags(pool.pathFlags(slot)),
    weight: Math.max(1, pool.weight(slot)),
    ...(encap && { encap }),
  };
}

/** All that the context has. */
export function pathsOf(pool: ContextPool, handle: number): RoutePath[] {
  const paths: RoutePath[] = [];
  let slot = handle;
  for (let i = pool.count(handle); i > 0 && slot !== 0; i--, slot = pool.nextPath(slot)) paths.push(pathOf(pool, slot));
  return paths;
}

/** Bytes that they need in a message at most. */
export function pathsBytes(pool: ContextPool, handle: number): number {
  let bytes = 0;
  let slot = handle;
  for (let i = pool.count(handle); i > 0 && slot !== 0; i--, slot = pool.nextPath(slot))
    bytes += PATH_BYTES_MAX + encapRoomOf(pool, slot);
  return bytes;
}

/** Bytes that the encap of this path needs. */
export function encapRoomOf(pool: ContextPool, slot: number): number {
  return pool.encapType(slot) === 0 ? 0 : encapRoom(pool.encapLength(slot));
}

/** Appends the encap, if there is one, of the only path of the route of `size` bytes at `offset`; returns the new size. */
export function appendEncap(
  pool: ContextPool,
  slot: number,
  buffer: MessageBuffer,
  offset: number,
  size: number,
): number {
  return append(pool, slot, buffer, offset, size, reserveRouteEncap);
}

/** The same for a nexthop object that is not a group. */
export function appendObjectEncap(
  pool: ContextPool,
  slot: number,
  buffer: MessageBuffer,
  offset: number,
  size: number,
): number {
  return append(pool, slot, buffer, offset, size, reserveNexthopEncap);
}

function append(
  pool: ContextPool,
  slot: number,
  buffer: MessageBuffer,
  offset: number,
  size: number,
  reserve: typeof reserveRouteEncap,
): number {
  const type = pool.encapType(slot);
  if (type === 0) return size;
  const length = pool.encapLength(slot);
  pool.readEncap(slot, buffer.bytes, reserve(buffer, offset, size, type, length));
  return size + encapRoom(length);
}
