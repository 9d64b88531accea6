// Labels as FRR 8.4.4 says them: the label manager's chunks, a VRF's label, and label-switched paths; and with these the next
// hops that are plain values, each at most one of a few (those of routes, which are many, are columns).
//
//   MPLS_LABELS_*: bits u8 | type u8 | label u32 | [route: family u16, prefix, type u8, instance u16] | n u16 | next hops
//                  | [n u16 | backup next hops]
import { type AddressWords, AF_INET, AF_INET6 } from '../net/index.ts';
import { type Body, type BodyReader, type BodyWriter, ZERO_ADDRESS } from './bodies.ts';
import { ZapiError } from './error.ts';
import type {
  LabelChunk,
  LabelChunkRelease,
  LabelChunkRequest,
  LabelledPaths,
  ManagerConnect,
  ManagerConnected,
  UpdateNexthop,
  VrfLabel,
} from './messages.ts';
import {
  MAX_BACKUPS,
  MAX_LABELS,
  MAX_NEXTHOPS,
  NEXTHOP_BLACKHOLE,
  NEXTHOP_FLAG_HAS_BACKUP,
  NEXTHOP_FLAG_LABEL,
  NEXTHOP_FLAG_WEIGHT,
  NEXTHOP_IFINDEX,
  NEXTHOP_IPV4,
  NEXTHOP_IPV4_IFINDEX,
  NEXTHOP_IPV6,
  NEXTHOP_IPV6_IFINDEX,
} from './nexthops.ts';

/** Bits of MPLS_LABELS_*. */
const LABELS_OF_ROUTE = 1;
const LABELS_HAVE_BACKUPS = 2;

export function decodePlainNexthop(reader: BodyReader): UpdateNexthop {
  const vrf = reader.u32();
  const type = reader.u8();
  const flags = reader.u8();
  let gateway: AddressWords = ZERO_ADDRESS;
  let ifindex = 0;
  let blackhole = 0;
  switch (type) {
    case NEXTHOP_IFINDEX:
      ifindex = reader.u32();
      break;
    case NEXTHOP_IPV4:
    case NEXTHOP_IPV4_IFINDEX:
      gateway = reader.words(AF_INET);
      ifindex = reader.u32();
      break;
    case NEXTHOP_IPV6:
    case NEXTHOP_IPV6_IFINDEX:
      gateway = reader.words(AF_INET6);
      ifindex = reader.u32();
      break;
    case NEXTHOP_BLACKHOLE:
      blackhole = reader.u8();
      break;
    default:
      throw new ZapiError('body', `next-hop type ${type} is not valid`, type);
  }
  const labels: number[] = [];
  if ((flags & NEXTHOP_FLAG_LABEL) !== 0) {
    const n = reader.u8();
    if (n > MAX_LABELS) throw new ZapiError('body', `number of labels ${n} is not valid`, n);
    for (let i = 0; i < n; i++) labels.push(reader.hostU32());
  }
  const weight = (flags & NEXTHOP_FLAG_WEIGHT) !== 0 ? reader.u32() : 0;
  return { vrf, type, flags, gateway, ifindex, blackhole, weight, labels };
}

export function encodePlainNexthop(writer: BodyWriter, one: UpdateNexthop): void {
  let flags = one.flags & ~(NEXTHOP_FLAG_LABEL | NEXTHOP_FLAG_WEIGHT);
  if (one.labels.length > 0) flags |= NEXTHOP_FLAG_LABEL;
  if (one.weight !== 0) flags |= NEXTHOP_FLAG_WEIGHT;
  writer.u32(one.vrf);
  writer.u8(one.type);
  writer.u8(flags);
  switch (one.type) {
    case NEXTHOP_IFINDEX:
      writer.u32(one.ifindex);
      break;
    case NEXTHOP_IPV4:
    case NEXTHOP_IPV4_IFINDEX:
      writer.words(AF_INET, one.gateway);
      writer.u32(one.ifindex);
      break;
    case NEXTHOP_IPV6:
    case NEXTHOP_IPV6_IFINDEX:
      writer.words(AF_INET6, one.gateway);
      writer.u32(one.ifindex);
      break;
    case NEXTHOP_BLACKHOLE:
      writer.u8(one.blackhole);
      break;
    default:
      throw new RangeError(`next-hop type ${one.type} is not valid`);
  }
  if (one.labels.length > 0) {
    writer.u8(one.labels.length);
    for (const label of one.labels) writer.hostU32(label);
  }
  if (one.weight !== 0) writer.u32(one.weight);
}

/** One of a path that has others to fall back on: which of those follows it, and is not read. */
function decodeProtectedNexthop(reader: BodyReader): UpdateNexthop {
  const one = decodePlainNexthop(reader);
  if ((one.flags & NEXTHOP_FLAG_HAS_BACKUP) === 0) return one;
  const n = reader.u8();
  if (n > MAX_BACKUPS) throw new ZapiError('body', `number of backups ${n} is not valid`, n);
  reader.raw(n);
  return { ...one, flags: one.flags & ~NEXTHOP_FLAG_HAS_BACKUP };
}

function nexthopCount(reader: BodyReader): number {
  const n = reader.u16();
  if (n > MAX_NEXTHOPS) throw new ZapiError('body', `number of next hops ${n} is not valid`, n);
  return n;
}

export const LABELLED_PATHS: Body<LabelledPaths> = {
  decode(reader) {
    const bits = reader.u8();
    const lspType = reader.u8();
    const label = reader.u32();
    let route: LabelledPaths['route'];
    if ((bits & LABELS_OF_ROUTE) !== 0) {
      const family = reader.family(reader.u16());
      const prefix = reader.packedPrefix(family);
      route = { prefix, routeType: reader.u8(), instance: reader.u16() };
    }
    const nexthops: UpdateNexthop[] = [];
    for (let n = nexthopCount(reader); n > 0; n--) nexthops.push(decodeProtectedNexthop(reader));
    if ((bits & LABELS_HAVE_BACKUPS) !== 0) {
      for (let n = nexthopCount(reader); n > 0; n--) decodeProtectedNexthop(reader);
    }
    return route === undefined ? { lspType, label, nexthops } : { lspType, label, route, nexthops };
  },
  encode(writer, { lspType, label, route, nexthops }) {
    writer.u8(route === undefined ? 0 : LABELS_OF_ROUTE);
    writer.u8(lspType);
    writer.u32(label);
    if (route !== undefined) {
      writer.u16(route.prefix.family);
      writer.packedPrefix(route.prefix);
      writer.u8(route.routeType);
      writer.u16(route.instance);
    }
    writer.u16(nexthops.length);
    for (const one of nexthops) encodePlainNexthop(writer, one);
  },
};

export const VRF_LABEL_BODY: Body<VrfLabel> = {
  decode: reader => ({ label: reader.u32(), afi: reader.u8(), lspType: reader.u8() }),
  encode(writer, message) {
    writer.u32(message.label);
    writer.u8(message.afi);
    writer.u8(message.lspType);
  },
};

export const MANAGER_CONNECT: Body<ManagerConnect> = {
  decode: reader => ({ routeType: reader.u8(), instance: reader.u16() }),
  encode(writer, message) {
    writer.u8(message.routeType);
    writer.u16(message.instance);
  },
};

export const MANAGER_CONNECTED: Body<ManagerConnected> = {
  decode: reader => ({ routeType: reader.u8(), instance: reader.u16(), result: reader.u8() }),
  encode(writer, message) {
    writer.u8(message.routeType);
    writer.u16(message.instance);
    writer.u8(message.result);
  },
};

export const LABEL_CHUNK: Body<LabelChunk> = {
  decode(reader) {
    const routeType = reader.u8();
    const instance = reader.u16();
    if (reader.left === 0) return { routeType, instance };
    return { routeType, instance, range: { keep: reader.u8(), start: reader.u32(), end: reader.u32() } };
  },
  encode(writer, message) {
    writer.u8(message.routeType);
    writer.u16(message.instance);
    if (message.range === undefined) return;
    writer.u8(message.range.keep);
    writer.u32(message.range.start);
    writer.u32(message.range.end);
  },
};

export const LABEL_CHUNK_REQUEST: Body<LabelChunkRequest> = {
  decode: reader => ({
    routeType: reader.u8(),
    instance: reader.u16(),
    keep: reader.u8(),
    size: reader.u32(),
    base: reader.u32(),
  }),
  encode(writer, message) {
    writer.u8(message.routeType);
    writer.u16(message.instance);
    writer.u8(message.keep);
    writer.u32(message.size);
    writer.u32(message.base);
  },
};

export const LABEL_CHUNK_RELEASE: Body<LabelChunkRelease> = {
  decode: reader => ({ routeType: reader.u8(), instance: reader.u16(), start: reader.u32(), end: reader.u32() }),
  encode(writer, message) {
    writer.u8(message.routeType);
    writer.u16(message.instance);
    writer.u32(message.start);
    writer.u32(message.end);
  },
};
