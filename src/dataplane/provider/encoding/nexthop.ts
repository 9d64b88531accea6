// Nexthop objects: a path with an id, or a group of ids.
import {
  appendNexthopFdb,
  beginNexthopGroup,
  encodeGroupMember,
  encodeNexthop,
  encodeNexthopDelete,
  endNexthopGroup,
  type MessageBuffer,
  NEXTHOP_BYTES_MAX,
  nexthopGroupBytes,
  rtnetlink as c,
} from '../../../netlink/index.ts';
import { FLAG_GROUP, FLAG_TUNNEL_ENDS, MEMBERS_PER_SLOT, PATH_BLACKHOLE, PATH_ONLINK } from '../../constants.ts';
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
import { appendObjectEncap, encapRoomOf, pathFlags } from './path.ts';

/** What `appendNexthopFdb` adds. */
const FDB_BYTES = 4;

const encodePath: Encode = (pool, handle, buffer, offset, sequence) => {
  const flags = pool.pathFlags(handle);
  const size = encodeNexthop(
    buffer,
    offset,
    sequence,
    CREATE,
    pool.nexthopId(handle),
    pool.family(handle),
    pool.protocol(handle),
    pool.ifindex(handle),
    pool.gatewayFamily(handle),
    pool.gatewayWord(handle, 0),
    pool.gatewayWord(handle, 1),
    pool.gatewayWord(handle, 2),
    pool.gatewayWord(handle, 3),
    (flags & PATH_ONLINK) !== 0,
    (flags & PATH_BLACKHOLE) !== 0,
  );
  return appendObjectEncap(pool, handle, buffer, offset, size);
};

/** A group of the `count` members in `first` and the slots behind it. */
function groupOf(
  count: (pool: ContextPool, handle: number) => number,
  first: (pool: ContextPool, handle: number) => number,
): Encode {
  return (pool, handle, buffer, offset, sequence) => {
    let end = beginNexthopGroup(buffer, offset, sequence, CREATE, pool.nexthopId(handle), pool.protocol(handle));
    const members = count(pool, handle);
    let slot = first(pool, handle);
    for (let i = 0; i < members; i++) {
      const place = i % MEMBERS_PER_SLOT;
      if (i > 0 && place === 0) slot = pool.next(slot);
      end = encodeGroupMember(buffer, end, pool.memberId(slot, place), pool.memberWeight(slot, place));
    }
    return endNexthopGroup(buffer, offset, end);
  };
}

const encodeGroup: Encode = groupOf(
  (pool, handle) => pool.count(handle),
  (_pool, handle) => handle,
);

const encodeOldGroup: Encode = groupOf(
  (pool, handle) => pool.oldCount(handle),
  (pool, handle) => pool.oldMembers(handle),
);

/** Says of the object of `size` bytes at `offset` whether its paths are tunnel ends; returns the new size. */
function withUse(pool: ContextPool, handle: number, buffer: MessageBuffer, offset: number, size: number): number {
  return (pool.flags(handle) & FLAG_TUNNEL_ENDS) === 0 ? size : appendNexthopFdb(buffer, offset, size);
}

/** Only a group says what it was before. */
const backToOld: Encode = (pool, handle, buffer, offset, sequence) =>
  pool.oldCount(handle) === 0
    ? 0
    : withUse(pool, handle, buffer, offset, encodeOldGroup(pool, handle, buffer, offset, sequence));

const encodeInstall: Encode = (pool, handle, buffer, offset, sequence) => {
  const encode = (pool.flags(handle) & FLAG_GROUP) === 0 ? encodePath : encodeGroup;
  return withUse(pool, handle, buffer, offset, encode(pool, handle, buffer, offset, sequence));
};

const encodeRemoval: Encode = (pool, handle, buffer, offset, sequence) =>
  encodeNexthopDelete(buffer, offset, sequence, 0, pool.nexthopId(handle));

const bytes: Measure = (pool, handle) =>
  FDB_BYTES +
  ((pool.flags(handle) & FLAG_GROUP) !== 0
    ? nexthopGroupBytes(Math.max(pool.count(handle), pool.oldCount(handle)))
    : NEXTHOP_BYTES_MAX + encapRoomOf(pool, handle));

export const install: Encoding = { bytes, encode: encodeInstall, judge: judgeInstall, undo: encodeRemoval };
export const update: Encoding = { ...install, undo: backToOld };
export const remove: Encoding = { bytes: () => NEXTHOP_BYTES_MAX, encode: encodeRemoval, judge: judgeDelete };

/** Of nh_flags in the message. */
const FLAGS_AT = 20;

const encodeTold: Encode = (pool, handle, buffer, offset, sequence) => {
  const length = encodeInstall(pool, handle, buffer, offset, sequence);
  if ((pool.flags(handle) & FLAG_GROUP) === 0) {
    buffer.words[(offset + FLAGS_AT) >> 2]! |= pathFlags(pool.pathFlags(handle));
  }
  return length;
};

export const told: Told = toldAs(c.RTM_NEWNEXTHOP, c.RTM_DELNEXTHOP, bytes, encodeTold);
