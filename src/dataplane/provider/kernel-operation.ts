// Requests as the kernel provider sees them: for each operation how many bytes its message needs, how it is written, and
// what an errno means. One row each; the provider itself knows no operation.
import {
  beginNexthopGroup,
  encodeGroupMember,
  encodeNexthop,
  encodeNexthopDelete,
  encodeRoute,
  encodeRouteDelete,
  endNexthopGroup,
  type MessageBuffer,
  MessageWriter,
  NEXTHOP_BYTES_MAX,
  nexthopGroupBytes,
  ROUTE_BYTES_MAX,
  rtnetlink as c,
  writeAddressMessage,
  writeLink,
} from '../../netlink/index.ts';
import { E } from '../../sys/index.ts';
import { type ContextPool, FLAG_GROUP, MEMBERS_PER_SLOT, PATH_BLACKHOLE, PATH_ONLINK } from '../context.ts';
import {
  OP_ADDRESS_DELETE,
  OP_ADDRESS_INSTALL,
  OP_LINK_SET,
  OP_NEXTHOP_DELETE,
  OP_NEXTHOP_INSTALL,
  OP_ROUTE_DELETE,
  OP_ROUTE_INSTALL,
} from '../operation.ts';

export interface KernelOperation {
  /** Bytes that `encode` may need at most. */
  readonly bytes: (pool: ContextPool, handle: number) => number;
  /** Writes the message at `offset` and returns its length. */
  readonly encode: (
    pool: ContextPool,
    handle: number,
    buffer: MessageBuffer,
    offset: number,
    sequence: number,
  ) => number;
  /** 0 = what was wanted is so, or the errno that the owner gets. */
  readonly judge: (errno: number) => number;
}

const CREATE: number = c.NLM_F_CREATE | c.NLM_F_REPLACE;

/** Lack of memory, or somebody else holding what we need: a matter of time, so the message is sent again. */
export function isTransient(errno: number): boolean {
  return errno === E.ENOBUFS || errno === E.ENOMEM || errno === E.EAGAIN || errno === E.EINTR || errno === E.EBUSY;
}

function judgeInstall(errno: number): number {
  // EEXIST in answer to "create or replace": just this is there already, behind another one of the same prefix.
  return errno === E.EEXIST ? 0 : errno;
}

function judgeDelete(errno: number): number {
  // Whatever is gone, with its table, its device or its nexthop object, is deleted.
  const gone = errno === E.ESRCH || errno === E.ENOENT || errno === E.ENODEV || errno === E.EADDRNOTAVAIL;
  return gone ? 0 : errno;
}

// Objects of which there are few are written by the table-driven writer and copied.
const writer = new MessageWriter(512);

function copy(buffer: MessageBuffer, offset: number): number {
  buffer.bytes.set(writer.message, offset);
  return writer.at;
}

function addressMessage(
  type: number,
  flags: number,
  pool: ContextPool,
  handle: number,
  buffer: MessageBuffer,
  offset: number,
  sequence: number,
): number {
  const { ifindex, family, local, peer, length, scope, label } = pool.address(handle);
  const message = { ifindex, family, local, peer, length, scope };
  writeAddressMessage(writer.reset(), type, flags, sequence, label === '' ? message : { ...message, label });
  return copy(buffer, offset);
}

const rows: [number, KernelOperation][] = [
  [
    OP_ROUTE_INSTALL,
    {
      bytes: () => ROUTE_BYTES_MAX,
      encode: (pool, handle, buffer, offset, sequence) =>
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
          pool.routeType(handle),
          pool.metric(handle),
          pool.nexthopId(handle),
        ),
      judge: judgeInstall,
    },
  ],
  [
    OP_ROUTE_DELETE,
    {
      bytes: () => ROUTE_BYTES_MAX,
      encode: (pool, handle, buffer, offset, sequence) =>
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
          pool.protocol(handle),
          pool.metric(handle),
        ),
      judge: judgeDelete,
    },
  ],
  [
    OP_NEXTHOP_INSTALL,
    {
      bytes: (pool, handle) =>
        (pool.flags(handle) & FLAG_GROUP) !== 0 ? nexthopGroupBytes(pool.count(handle)) : NEXTHOP_BYTES_MAX,
      encode: encodeNexthopInstall,
      judge: judgeInstall,
    },
  ],
  [
    OP_NEXTHOP_DELETE,
    {
      bytes: () => NEXTHOP_BYTES_MAX,
      encode: (pool, handle, buffer, offset, sequence) =>
        encodeNexthopDelete(buffer, offset, sequence, 0, pool.nexthopId(handle)),
      judge: judgeDelete,
    },
  ],
  [
    OP_LINK_SET,
    {
      bytes: () => 64,
      encode: (pool, handle, buffer, offset, sequence) => {
        // In a LINK_SET the word of the MTU says which flags change.
        const { ifindex, flags, mtu } = pool.link(handle);
        writeLink(writer.reset(), c.RTM_NEWLINK, 0, sequence, { ifindex, flags, change: mtu });
        return copy(buffer, offset);
      },
      judge: errno => errno,
    },
  ],
  [
    OP_ADDRESS_INSTALL,
    {
      bytes: () => 256,
      encode: (pool, handle, buffer, offset, sequence) =>
        addressMessage(c.RTM_NEWADDR, CREATE, pool, handle, buffer, offset, sequence),
      judge: judgeInstall,
    },
  ],
  [
    OP_ADDRESS_DELETE,
    {
      bytes: () => 256,
      encode: (pool, handle, buffer, offset, sequence) =>
        addressMessage(c.RTM_DELADDR, 0, pool, handle, buffer, offset, sequence),
      judge: judgeDelete,
    },
  ],
];

function encodeNexthopInstall(
  pool: ContextPool,
  handle: number,
  buffer: MessageBuffer,
  offset: number,
  sequence: number,
): number {
  const id = pool.nexthopId(handle);
  const protocol = pool.protocol(handle);
  if ((pool.flags(handle) & FLAG_GROUP) === 0) {
    const flags = pool.pathFlags(handle);
    return encodeNexthop(
      buffer,
      offset,
      sequence,
      CREATE,
      id,
      pool.family(handle),
      protocol,
      pool.ifindex(handle),
      pool.gatewayFamily(handle),
      pool.gatewayWord(handle, 0),
      pool.gatewayWord(handle, 1),
      pool.gatewayWord(handle, 2),
      pool.gatewayWord(handle, 3),
      (flags & PATH_ONLINK) !== 0,
      (flags & PATH_BLACKHOLE) !== 0,
    );
  }
  let end = beginNexthopGroup(buffer, offset, sequence, CREATE, id, protocol);
  const count = pool.count(handle);
  let slot = handle;
  for (let i = 0; i < count; i++) {
    const place = i % MEMBERS_PER_SLOT;
    if (i > 0 && place === 0) slot = pool.next(slot);
    end = encodeGroupMember(buffer, end, pool.memberId(slot, place), pool.memberWeight(slot, place));
  }
  return endNexthopGroup(buffer, offset, end);
}

/** By operation code; undefined: the kernel has nothing to do with it. */
export const kernelOperations: readonly (KernelOperation | undefined)[] = Array.from(
  { length: 32 },
  (_, code) => rows.find(([op]) => op === code)?.[1],
);
