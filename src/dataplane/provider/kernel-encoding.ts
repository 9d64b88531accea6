// Requests as rtnetlink messages: for each kind of object how many bytes its message needs and how it is written, and what an
// errno in answer means. Whoever speaks netlink (the kernel, FPM, a capture) writes them by these, through the rows of
// operation.ts.
import { AF_INET, AF_INET6, type Family } from '../../net/index.ts';
import {
  appendPath,
  beginNexthopGroup,
  encodeGroupMember,
  encodeNexthop,
  encodeNexthopDelete,
  encodeRoute,
  encodeRouteDelete,
  encodeRouteWithPaths,
  endNexthopGroup,
  type LinkData,
  type MessageBuffer,
  MessageWriter,
  NEXTHOP_BYTES_MAX,
  nexthopGroupBytes,
  PATH_BYTES_MAX,
  ROUTE_BYTES_MAX,
  type RoutePath,
  rtnetlink as c,
  writeAddressMessage,
  writeLink,
  writeNeighbor,
  writeRule,
} from '../../netlink/index.ts';
import { E } from '../../sys/index.ts';
import { FLAG_GROUP, MEMBERS_PER_SLOT, PATH_BLACKHOLE, PATH_ONLINK } from '../constants.ts';
import type { ContextPool, LinkDetail } from '../context.ts';

/** Bytes that a context's message may need at most. */
export type Measure = (pool: ContextPool, handle: number) => number;

/** Writes the message at `offset` and returns its length; 0 where there is nothing that could be said. */
export type Encode = (
  pool: ContextPool,
  handle: number,
  buffer: MessageBuffer,
  offset: number,
  sequence: number,
) => number;

/** 0 = what was wanted is so, or the errno that the owner gets. */
export type Judge = (errno: number) => number;

/** How an operation is told to a kernel. */
export interface Encoding {
  readonly bytes: Measure;
  readonly encode: Encode;
  readonly judge: Judge;
  /** Takes it back; absent where the context does not say what there was before. */
  readonly undo?: Encode;
}

const CREATE: number = c.NLM_F_CREATE | c.NLM_F_REPLACE;
const TABLE_WRITTEN_BYTES = 512;

/** Lack of memory, or somebody else holding what we need: a matter of time, so the message is sent again. */
export function isTransient(errno: number): boolean {
  return errno === E.ENOBUFS || errno === E.ENOMEM || errno === E.EAGAIN || errno === E.EINTR || errno === E.EBUSY;
}

const judgeInstall: Judge = errno =>
  // EEXIST in answer to "create or replace": just this is there already, behind another one of the same prefix.
  errno === E.EEXIST ? 0 : errno;

const judgeDelete: Judge = errno => {
  // Whatever is gone, with its table, its device or its nexthop object, is deleted.
  const gone = errno === E.ESRCH || errno === E.ENOENT || errno === E.ENODEV || errno === E.EADDRNOTAVAIL;
  return gone ? 0 : errno;
};

const judgeAsIs: Judge = errno => errno;

// Objects of which there are few are written by the table-driven writer and copied.
const writer = new MessageWriter(TABLE_WRITTEN_BYTES);

function copy(buffer: MessageBuffer, offset: number): number {
  buffer.bytes.set(writer.message, offset);
  return writer.at;
}

function familyOf(number: number): Family {
  return number === AF_INET ? AF_INET : AF_INET6;
}

const few: Measure = () => TABLE_WRITTEN_BYTES;

// Routes ---------------------------------------------------------------------------------------------------------------

function routeWith(nexthopId: (pool: ContextPool, handle: number) => number): Encode {
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
      pool.routeType(handle),
      pool.metric(handle),
      nexthopId(pool, handle),
    );
}

const encodeByObject: Encode = routeWith((pool, handle) => pool.nexthopId(handle));

/** With paths of its own: for the few, and where objects cannot be. */
const encodeMultipath: Encode = (pool, handle, buffer, offset, sequence) => {
  const paths: RoutePath[] = [];
  for (let slot = handle, i = 0; i < pool.count(handle) && slot !== 0; i++, slot = pool.next(slot)) {
    const gatewayFamily = pool.gatewayFamily(slot);
    const word = (w: number): number => pool.gatewayWord(slot, w);
    paths.push({
      ifindex: pool.ifindex(slot),
      gatewayFamily: gatewayFamily === 0 ? 0 : familyOf(gatewayFamily),
      gateway: [word(0), word(1), word(2), word(3)],
      flags: (pool.pathFlags(slot) & PATH_ONLINK) === 0 ? 0 : c.RTNH_F_ONLINK,
      weight: Math.max(1, pool.weight(slot)),
    });
  }
  const word = (w: number): number => pool.prefixWord(handle, w);
  return encodeRouteWithPaths(
    buffer,
    offset,
    sequence,
    CREATE,
    familyOf(pool.family(handle)),
    pool.table(handle),
    [word(0), word(1), word(2), word(3)],
    pool.length(handle),
    pool.protocol(handle),
    pool.metric(handle),
    paths,
  );
};

/** By its nexthop object, or, where it has none, by the paths in the context. */
const encodeInstall: Encode = (pool, handle, buffer, offset, sequence) => {
  const size = encodeByObject(pool, handle, buffer, offset, sequence);
  const count = pool.nexthopId(handle) === 0 ? pool.count(handle) : 0;
  if (count === 0) return size;
  if (count > 1) return encodeMultipath(pool, handle, buffer, offset, sequence);
  return appendPath(
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
};

const routeBytes: Measure = (pool, handle) =>
  ROUTE_BYTES_MAX + (pool.nexthopId(handle) === 0 ? pool.count(handle) * PATH_BYTES_MAX : 0);

const encodeOld: Encode = routeWith((pool, handle) => pool.oldNexthopId(handle));

const encodeDelete: Encode = (pool, handle, buffer, offset, sequence) =>
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
  );

export const routeInstall: Encoding = {
  bytes: routeBytes,
  encode: encodeInstall,
  judge: judgeInstall,
  undo: encodeDelete,
};

export const routeUpdate: Encoding = {
  bytes: routeBytes,
  encode: encodeInstall,
  judge: judgeInstall,
  undo: (pool, handle, buffer, offset, sequence) =>
    pool.oldNexthopId(handle) === 0 ? 0 : encodeOld(pool, handle, buffer, offset, sequence),
};

export const routeDelete: Encoding = {
  bytes: () => ROUTE_BYTES_MAX,
  encode: encodeDelete,
  judge: judgeDelete,
  undo: (pool, handle, buffer, offset, sequence) =>
    pool.oldNexthopId(handle) === 0 ? 0 : encodeOld(pool, handle, buffer, offset, sequence),
};

// Nexthop objects --------------------------------------------------------------------------------------------------------

const encodeNexthopInstall: Encode = (pool, handle, buffer, offset, sequence) => {
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
};

const encodeNexthopRemoval: Encode = (pool, handle, buffer, offset, sequence) =>
  encodeNexthopDelete(buffer, offset, sequence, 0, pool.nexthopId(handle));

const nexthopBytes: Measure = (pool, handle) =>
  (pool.flags(handle) & FLAG_GROUP) !== 0 ? nexthopGroupBytes(pool.count(handle)) : NEXTHOP_BYTES_MAX;

export const nexthopInstall: Encoding = {
  bytes: nexthopBytes,
  encode: encodeNexthopInstall,
  judge: judgeInstall,
  undo: encodeNexthopRemoval,
};

/** What the object was before is nowhere in the context. */
export const nexthopUpdate: Encoding = { bytes: nexthopBytes, encode: encodeNexthopInstall, judge: judgeInstall };

export const nexthopDelete: Encoding = {
  bytes: () => NEXTHOP_BYTES_MAX,
  encode: encodeNexthopRemoval,
  judge: judgeDelete,
};

// Addresses, neighbours, rules: what is installed is taken back by its removal, and the other way round --------------------

interface Pair {
  readonly install: Encoding;
  readonly remove: Encoding;
}

function pair(install: Encode, remove: Encode): Pair {
  return {
    install: { bytes: few, encode: install, judge: judgeInstall, undo: remove },
    remove: { bytes: few, encode: remove, judge: judgeDelete, undo: install },
  };
}

function addressMessage(type: number, flags: number): Encode {
  return (pool, handle, buffer, offset, sequence) => {
    const { ifindex, family, local, peer, length, scope, label } = pool.address(handle);
    const message = { ifindex, family, local, peer, length, scope };
    writeAddressMessage(writer.reset(), type, flags, sequence, label === '' ? message : { ...message, label });
    return copy(buffer, offset);
  };
}

export const address: Pair = pair(addressMessage(c.RTM_NEWADDR, CREATE), addressMessage(c.RTM_DELADDR, 0));

/** Also bridges' forwarding entries, which are neighbours of the family AF_BRIDGE. */
function neighborMessage(type: number, flags: number): Encode {
  return (pool, handle, buffer, offset, sequence) => {
    const { ifindex, family, address: destination, state, flags: bits, mac, vlan } = pool.neighbor(handle);
    const bridge = family === c.AF_BRIDGE;
    writeNeighbor(writer.reset(), type, flags, sequence, {
      family,
      ifindex,
      state,
      flags: bits,
      ...(bridge ? {} : { destination }),
      ...(mac.length === 0 ? {} : { mac }),
      ...(vlan === 0 ? {} : { vlan }),
    });
    return copy(buffer, offset);
  };
}

export const neighbor: Pair = pair(neighborMessage(c.RTM_NEWNEIGH, CREATE), neighborMessage(c.RTM_DELNEIGH, 0));
/** Asks the kernel to find out the hardware address (the state and flags say so); there is nothing to take back. */
export const neighborDiscovery: Encoding = {
  bytes: few,
  encode: neighborMessage(c.RTM_NEWNEIGH, CREATE),
  judge: judgeInstall,
};

function ruleMessage(type: number, flags: number): Encode {
  return (pool, handle, buffer, offset, sequence) => {
    const rule = pool.rule(handle);
    const { inputInterface, outputInterface, source, destination, inverted, ...rest } = rule;
    writeRule(writer.reset(), type, flags, sequence, {
      ...rest,
      flags: inverted ? 2 : 0,
      ...(rule.sourceLength === 0 ? {} : { source }),
      ...(rule.destinationLength === 0 ? {} : { destination }),
      ...(inputInterface === '' ? {} : { inputInterface }),
      ...(outputInterface === '' ? {} : { outputInterface }),
    });
    return copy(buffer, offset);
  };
}

/** Not NLM_F_REPLACE: the kernel has no such thing for rules, and would add the same one twice without NLM_F_EXCL. */
export const rule: Pair = pair(
  ruleMessage(c.RTM_NEWRULE, c.NLM_F_CREATE | c.NLM_F_EXCL),
  ruleMessage(c.RTM_DELRULE, 0),
);

// Links --------------------------------------------------------------------------------------------------------------------

export const linkSet: Encoding = {
  bytes: few,
  encode: (pool, handle, buffer, offset, sequence) => {
    const { ifindex, flags, change, mtu, mac, master } = pool.linkChange(handle);
    writeLink(writer.reset(), c.RTM_NEWLINK, 0, sequence, {
      ifindex,
      flags,
      change,
      ...(mtu === undefined ? {} : { mtu }),
      ...(mac === undefined ? {} : { address: mac }),
      ...(master === undefined ? {} : { master }),
    });
    return copy(buffer, offset);
  },
  judge: judgeAsIs,
};

const IFF_UP = 1;

/** By kind, what of the context's detail the kernel wants to know of it. */
function linkData({ kind, kindId, tunnelLocal, tunnelRemote, tunnelLink }: LinkDetail): LinkData | undefined {
  const tunnel = {
    ...(tunnelLocal === 0 ? {} : { local: tunnelLocal }),
    ...(tunnelRemote === 0 ? {} : { remote: tunnelRemote }),
    ...(tunnelLink === 0 ? {} : { lower: tunnelLink }),
  };
  if (kind === 'vrf') return { table: kindId };
  if (kind === 'vlan') return { vlan: kindId };
  if (kind === 'bridge') return kindId === 0 ? undefined : { vlanFiltering: kindId };
  if (kind === 'vxlan') return { vni: kindId, ...tunnel };
  return Object.keys(tunnel).length === 0 ? undefined : tunnel;
}

const encodeLinkCreate: Encode = (pool, handle, buffer, offset, sequence) => {
  const { name, flags, mtu, mac, link, master, detail } = pool.link(handle);
  const data = linkData(detail);
  writeLink(writer.reset(), c.RTM_NEWLINK, c.NLM_F_CREATE | c.NLM_F_EXCL, sequence, {
    name,
    flags: flags & IFF_UP,
    change: flags & IFF_UP,
    ...(mtu === 0 ? {} : { mtu }),
    ...(mac.length === 0 ? {} : { address: mac }),
    ...(link === 0 ? {} : { link }),
    ...(master === 0 ? {} : { master }),
    info: { kind: detail.kind, ...(data === undefined ? {} : { data }) },
  });
  return copy(buffer, offset);
};

const encodeLinkDelete: Encode = (pool, handle, buffer, offset, sequence) => {
  const { ifindex, name } = pool.link(handle);
  writeLink(writer.reset(), c.RTM_DELLINK, 0, sequence, ifindex === 0 ? { name } : { ifindex });
  return copy(buffer, offset);
};

/** A name that is taken is an error, whoever has it: what Grevy creates is new. */
export const linkCreate: Encoding = {
  bytes: few,
  encode: encodeLinkCreate,
  judge: judgeAsIs,
  undo: encodeLinkDelete,
};

export const linkDelete: Encoding = { bytes: few, encode: encodeLinkDelete, judge: judgeDelete };
