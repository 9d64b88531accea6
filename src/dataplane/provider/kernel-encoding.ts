// Contexts as rtnetlink messages: for each kind of object how many bytes its message needs and how it is written, and what an
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
import {
  FLAG_DUMP,
  FLAG_GROUP,
  FLAG_OFFLOAD_FAILED,
  FLAG_OFFLOADED,
  FLAG_REPLACE,
  FLAG_TRAPPED,
  MEMBERS_PER_SLOT,
  PATH_BLACKHOLE,
  PATH_DEAD,
  PATH_LINKDOWN,
  PATH_ONLINK,
} from '../constants.ts';
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

export interface Message {
  readonly bytes: Measure;
  readonly encode: Encode;
}

/** How an operation is told to a kernel. */
export interface Encoding extends Message {
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
    pathsOf(pool, handle),
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

// Notifications -------------------------------------------------------------------------------------------------------------
// As the kernel told them, as far as the context kept it: for whoever passes them on (a capture).

/** For an object that is there, and for one that is gone. */
interface Told {
  readonly is: Message;
  readonly gone: Message;
}

/** A request's message turned into a notification's: its type, and the flags that the kernel sets. */
function toldAs(is: number, gone: number, bytes: Measure, encode: Encode): Told {
  const as = (type: number): Message => ({
    bytes,
    encode(pool, handle, buffer, offset, sequence) {
      const length = encode(pool, handle, buffer, offset, sequence);
      const flags = pool.flags(handle);
      const multi = (flags & FLAG_DUMP) !== 0 ? c.NLM_F_MULTI : 0;
      const replace = (flags & FLAG_REPLACE) !== 0 ? c.NLM_F_REPLACE : 0;
      buffer.words[(offset >> 2) + 1] = type | ((multi | replace) << 16);
      return length;
    },
  });
  return { is: as(is), gone: as(gone) };
}

const RTNH_FLAGS: number = c.RTNH_F_ONLINK | c.RTNH_F_DEAD | c.RTNH_F_LINKDOWN;

function pathFlags(flags: number): number {
  return (
    ((flags & PATH_ONLINK) !== 0 ? c.RTNH_F_ONLINK : 0) |
    ((flags & PATH_DEAD) !== 0 ? c.RTNH_F_DEAD : 0) |
    ((flags & PATH_LINKDOWN) !== 0 ? c.RTNH_F_LINKDOWN : 0)
  );
}

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

function pathsOf(pool: ContextPool, handle: number): RoutePath[] {
  const paths: RoutePath[] = [];
  let slot = handle;
  for (let i = pool.count(handle); i > 0 && slot !== 0; i--, slot = pool.next(slot)) {
    const family = pool.gatewayFamily(slot);
    const word = (n: number): number => pool.gatewayWord(slot, n);
    paths.push({
      ifindex: pool.ifindex(slot),
      gatewayFamily: family === 2 || family === 10 ? family : 0,
      gateway: [word(0), word(1), word(2), word(3)],
      flags: pathFlags(pool.pathFlags(slot)),
      weight: Math.max(1, pool.weight(slot)),
    });
  }
  return paths;
}

const encodeRouteTold: Encode = (pool, handle, buffer, offset, sequence) => {
  const paths = pool.nexthopId(handle) === 0 ? pathsOf(pool, handle) : [];
  const word = (n: number): number => pool.prefixWord(handle, n);
  const length =
    paths.length === 0
      ? encodeInstall(pool, handle, buffer, offset, sequence)
      : encodeRouteWithPaths(
          buffer,
          offset,
          sequence,
          0,
          pool.family(handle) === 2 ? 2 : 10,
          pool.table(handle),
          [word(0), word(1), word(2), word(3)],
          pool.length(handle),
          pool.protocol(handle),
          pool.metric(handle),
          paths,
          RTNH_FLAGS,
        );
  buffer.words[(offset + ROUTE_FLAGS_AT) >> 2]! |= offloadFlags(pool.flags(handle));
  return length;
};

/** Of rtm_flags and nh_flags in their messages. */
const ROUTE_FLAGS_AT = 24;
const NEXTHOP_FLAGS_AT = 20;

const encodeNexthopTold: Encode = (pool, handle, buffer, offset, sequence) => {
  const length = encodeNexthopInstall(pool, handle, buffer, offset, sequence);
  if ((pool.flags(handle) & FLAG_GROUP) === 0) {
    buffer.words[(offset + NEXTHOP_FLAGS_AT) >> 2]! |= pathFlags(pool.pathFlags(handle));
  }
  return length;
};

const encodeLinkTold: Encode = (pool, handle, buffer, offset, sequence) => {
  const link = pool.link(handle);
  const { kind, protoDown, protoDownReasons, alias } = link.detail;
  const data = linkData(link.detail);
  writeLink(writer.reset(), c.RTM_NEWLINK, 0, sequence, {
    ifindex: link.ifindex,
    hardwareType: link.hardwareType,
    flags: link.flags,
    name: link.name,
    mtu: link.mtu,
    operState: link.operState,
    ...(link.mac.length === 0 ? {} : { address: link.mac }),
    ...(link.link === 0 ? {} : { link: link.link }),
    ...(link.master === 0 ? {} : { master: link.master }),
    ...(protoDown ? { protoDown: 1, protoDownReason: { value: protoDownReasons } } : {}),
    ...(alias === '' ? {} : { alias }),
    ...(kind === '' ? {} : { info: { kind, ...(data === undefined ? {} : { data }) } }),
  });
  return copy(buffer, offset);
};

const encodeAddressTold: Encode = (pool, handle, buffer, offset, sequence) => {
  const { label, ...address } = pool.address(handle);
  const message = label === '' ? address : { ...address, label };
  writeAddressMessage(writer.reset(), c.RTM_NEWADDR, 0, sequence, message);
  return copy(buffer, offset);
};

const routeToldBytes: Measure = (pool, handle) => ROUTE_BYTES_MAX + 8 + PATH_BYTES_MAX * pool.count(handle);

export const told: {
  readonly link: Told;
  readonly address: Told;
  readonly route: Told;
  readonly nexthop: Told;
  readonly neighbor: Told;
  readonly rule: Told;
} = {
  link: toldAs(c.RTM_NEWLINK, c.RTM_DELLINK, few, encodeLinkTold),
  address: toldAs(c.RTM_NEWADDR, c.RTM_DELADDR, few, encodeAddressTold),
  route: toldAs(c.RTM_NEWROUTE, c.RTM_DELROUTE, routeToldBytes, encodeRouteTold),
  nexthop: toldAs(c.RTM_NEWNEXTHOP, c.RTM_DELNEXTHOP, nexthopBytes, encodeNexthopTold),
  neighbor: toldAs(c.RTM_NEWNEIGH, c.RTM_DELNEIGH, few, neighbor.install.encode),
  rule: toldAs(c.RTM_NEWRULE, c.RTM_DELRULE, few, rule.install.encode),
};
