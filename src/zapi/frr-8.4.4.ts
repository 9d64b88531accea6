// The dialect of FRR 8.4.4, which is what Debian 12's daemons speak. Layouts were read off the wire between its daemons.
import { AF_INET, AF_INET6 } from '../net/index.ts';
import {
  ADDRESS_BODY,
  type Body,
  type BodyCodecs,
  type BodyReader,
  EMPTY_BODY,
  readName,
  TRACKED_BODY,
  writeName,
} from './bodies.ts';
import { type CommandName, COMMANDS_844, type Dialect, ROUTE_TYPES_844 } from './dialect.ts';
import { ZapiError } from './error.ts';
import { MAX_FRAME_BYTES, VERSION } from './frame.ts';
import {
  decodePlainNexthop,
  encodePlainNexthop,
  LABEL_CHUNK,
  LABEL_CHUNK_RELEASE,
  LABEL_CHUNK_REQUEST,
  LABELLED_PATHS,
  MANAGER_CONNECT,
  MANAGER_CONNECTED,
  VRF_LABEL_BODY,
} from './frr-8.4.4-labels.ts';
import { ROUTE_CODEC_844 } from './frr-8.4.4-route.ts';
import {
  type AfiRequest,
  CAPABILITY_GRACEFUL_RESTART,
  CAPABILITY_GRACEFUL_RESTART_DISABLE,
  CAPABILITY_RIB_STALE_TIME,
  CAPABILITY_ROUTE_UPDATE_COMPLETE,
  CAPABILITY_ROUTE_UPDATE_PENDING,
  type ClientCapabilities,
  type ClientMessages,
  type InterfaceMessage,
  type Locator,
  type LocatorName,
  type NeighborAddress,
  type NexthopRegister,
  type NexthopRegistration,
  type Opaque,
  type RedistributeRequest,
  type RouteNote,
  type RouterAdvertisementRequest,
  type ServerMessages,
  type TableChunk,
  type UpdateNexthop,
  type Vrf,
} from './messages.ts';
import { MESSAGE_SRTE } from './route.ts';

const INTERFACE_NAME_BYTES = 16;
const VRF_NAME_BYTES = 36;
const HARDWARE_MAX_BYTES = 20;

const afi16: Body<AfiRequest> = {
  decode: reader => ({ afi: reader.u16() }),
  encode: (writer, message) => writer.u16(message.afi),
};

const afi8: Body<AfiRequest> = {
  decode: reader => ({ afi: reader.u8() }),
  encode: (writer, message) => writer.u8(message.afi),
};

const redistribute: Body<RedistributeRequest> = {
  decode: reader => ({ afi: reader.u8(), routeType: reader.u8(), instance: reader.u16() }),
  encode(writer, message) {
    writer.u8(message.afi);
    writer.u8(message.routeType);
    writer.u16(message.instance);
  },
};

const nexthopRegister: Body<NexthopRegister> = {
  decode(reader) {
    const entries: NexthopRegistration[] = [];
    while (reader.left > 0) {
      entries.push({
        connected: reader.u8() !== 0,
        resolveViaDefault: reader.u8() !== 0,
        safi: reader.u16(),
        prefix: TRACKED_BODY.decode(reader),
      });
    }
    return { entries };
  },
  encode(writer, message) {
    for (const entry of message.entries) {
      writer.u8(entry.connected ? 1 : 0);
      writer.u8(entry.resolveViaDefault ? 1 : 0);
      writer.u16(entry.safi);
      TRACKED_BODY.encode(writer, entry.prefix);
    }
  },
};

const opaque: Body<Opaque> = {
  decode: reader => ({ data: reader.raw(reader.left) }),
  encode: (writer, message) => writer.raw(message.data),
};

const pid: Body<{ pid: number }> = {
  decode: reader => ({ pid: reader.u32() }),
  encode: (writer, message) => writer.u32(message.pid),
};

const routerAdvertisement: Body<RouterAdvertisementRequest> = {
  decode: reader => ({ ifindex: reader.u32(), intervalS: reader.u32() }),
  encode(writer, message) {
    writer.u32(message.ifindex);
    writer.u32(message.intervalS);
  },
};

const clientCapabilities: Body<ClientCapabilities> = {
  decode(reader) {
    const capability = reader.u32();
    let vrf = 0;
    let afi = 0;
    let safi = 0;
    let staleTimeS = 0;
    switch (capability) {
      case CAPABILITY_GRACEFUL_RESTART:
      case CAPABILITY_RIB_STALE_TIME:
        staleTimeS = reader.u32();
        vrf = reader.u32();
        break;
      case CAPABILITY_ROUTE_UPDATE_COMPLETE:
      case CAPABILITY_ROUTE_UPDATE_PENDING:
        afi = reader.u32();
        safi = reader.u32();
        vrf = reader.u32();
        break;
      case CAPABILITY_GRACEFUL_RESTART_DISABLE:
        vrf = reader.u32();
        break;
      default:
        throw new ZapiError('body', `client capability ${capability} is not known`, capability);
    }
    return { capability, vrf, afi, safi, staleTimeS };
  },
  encode(writer, message) {
    writer.u32(message.capability);
    switch (message.capability) {
      case CAPABILITY_GRACEFUL_RESTART:
      case CAPABILITY_RIB_STALE_TIME:
        writer.u32(message.staleTimeS);
        writer.u32(message.vrf);
        break;
      case CAPABILITY_ROUTE_UPDATE_COMPLETE:
      case CAPABILITY_ROUTE_UPDATE_PENDING:
        writer.u32(message.afi);
        writer.u32(message.safi);
        writer.u32(message.vrf);
        break;
      case CAPABILITY_GRACEFUL_RESTART_DISABLE:
        writer.u32(message.vrf);
        break;
      default:
        throw new RangeError(`client capability ${message.capability} is not known`);
    }
  },
};

const tableChunk: Body<TableChunk> = {
  decode: reader => ({ start: reader.u32(), end: reader.u32() }),
  encode(writer, message) {
    writer.u32(message.start);
    writer.u32(message.end);
  },
};

const locatorName: Body<LocatorName> = {
  decode: reader => ({ name: readName(reader) }),
  encode: (writer, message) => writeName(writer, message.name),
};

const locator: Body<Locator> = {
  decode(reader) {
    const name = readName(reader);
    const length = reader.length(AF_INET6, reader.u16());
    return { name, prefix: { family: AF_INET6, words: reader.words(AF_INET6), length } };
  },
  encode(writer, message) {
    writeName(writer, message.name);
    writer.u16(message.prefix.length);
    writer.words(AF_INET6, message.prefix.words);
  },
};

const vrf: Body<Vrf> = {
  decode: reader => ({
    table: reader.hostU32(),
    netns: reader.text(VRF_NAME_BYTES),
    name: reader.text(VRF_NAME_BYTES),
  }),
  encode(writer, message) {
    writer.hostU32(message.table);
    writer.text(message.netns, VRF_NAME_BYTES);
    writer.text(message.name, VRF_NAME_BYTES);
  },
};

const interfaceBody: Body<InterfaceMessage> = {
  decode(reader) {
    const message = {
      name: reader.text(INTERFACE_NAME_BYTES),
      ifindex: reader.u32(),
      status: reader.u8(),
      flags: reader.u64(),
      ptmEnable: reader.u8(),
      ptmStatus: reader.u8(),
      metric: reader.u32(),
      speed: reader.u32(),
      mtu: reader.u32(),
      mtu6: reader.u32(),
      bandwidth: reader.u32(),
      linkIfindex: reader.u32(),
      linkType: reader.u32(),
      hardwareAddress: reader.raw(hardwareLength(reader)),
    };
    // Link parameters (traffic engineering) follow where this is 1; they are not read.
    reader.u8();
    return message;
  },
  encode(writer, message) {
    writer.text(message.name, INTERFACE_NAME_BYTES);
    writer.u32(message.ifindex);
    writer.u8(message.status);
    writer.u64(message.flags);
    writer.u8(message.ptmEnable);
    writer.u8(message.ptmStatus);
    writer.u32(message.metric);
    writer.u32(message.speed);
    writer.u32(message.mtu);
    writer.u32(message.mtu6);
    writer.u32(message.bandwidth);
    writer.u32(message.linkIfindex);
    writer.u32(message.linkType);
    writer.u32(message.hardwareAddress.length);
    writer.raw(message.hardwareAddress);
    writer.u8(0);
  },
};

function hardwareLength(reader: BodyReader): number {
  const n = reader.u32();
  if (n > HARDWARE_MAX_BYTES) throw new ZapiError('body', `hardware address of ${n} bytes is too long`, n);
  return n;
}

const neighbor: Body<NeighborAddress> = {
  decode: reader => ({ ifindex: reader.u32(), address: ADDRESS_BODY.decode(reader) }),
  encode(writer, message) {
    writer.u32(message.ifindex);
    ADDRESS_BODY.encode(writer, message.address);
  },
};

const toServer: BodyCodecs<ClientMessages> = {
  HELLO: {
    decode: reader => ({
      routeType: reader.u8(),
      instance: reader.u16(),
      session: reader.u32(),
      receiveNotify: reader.u8() !== 0,
      synchronous: reader.u8() !== 0,
    }),
    encode(writer, message) {
      writer.u8(message.routeType);
      writer.u16(message.instance);
      writer.u32(message.session);
      writer.u8(message.receiveNotify ? 1 : 0);
      writer.u8(message.synchronous ? 1 : 0);
    },
  },
  INTERFACE_ADD: EMPTY_BODY,
  INTERFACE_DELETE: EMPTY_BODY,
  ROUTER_ID_ADD: afi16,
  ROUTER_ID_DELETE: afi16,
  REDISTRIBUTE_ADD: redistribute,
  REDISTRIBUTE_DELETE: redistribute,
  REDISTRIBUTE_DEFAULT_ADD: afi8,
  REDISTRIBUTE_DEFAULT_DELETE: afi8,
  NEXTHOP_REGISTER: nexthopRegister,
  NEXTHOP_UNREGISTER: nexthopRegister,
  VRF_UNREGISTER: EMPTY_BODY,
  VRF_LABEL: VRF_LABEL_BODY,
  BFD_CLIENT_REGISTER: pid,
  BFD_CLIENT_DEREGISTER: pid,
  DUPLICATE_ADDR_DETECTION: opaque,
  INTERFACE_ENABLE_RADV: routerAdvertisement,
  INTERFACE_DISABLE_RADV: routerAdvertisement,
  CLIENT_CAPABILITIES: clientCapabilities,
  ROUTE_NOTIFY_REQUEST: {
    decode: reader => ({ notify: reader.u8() !== 0 }),
    encode: (writer, message) => writer.u8(message.notify ? 1 : 0),
  },
  LABEL_MANAGER_CONNECT: MANAGER_CONNECT,
  LABEL_MANAGER_CONNECT_ASYNC: MANAGER_CONNECT,
  MPLS_LABELS_ADD: LABELLED_PATHS,
  MPLS_LABELS_DELETE: LABELLED_PATHS,
  MPLS_LABELS_REPLACE: LABELLED_PATHS,
  GET_LABEL_CHUNK: LABEL_CHUNK_REQUEST,
  RELEASE_LABEL_CHUNK: LABEL_CHUNK_RELEASE,
  TABLE_MANAGER_CONNECT: MANAGER_CONNECT,
  GET_TABLE_CHUNK: {
    decode: reader => ({ size: reader.u32() }),
    encode: (writer, message) => writer.u32(message.size),
  },
  RELEASE_TABLE_CHUNK: tableChunk,
  SRV6_MANAGER_GET_LOCATOR_CHUNK: locatorName,
  SRV6_MANAGER_RELEASE_LOCATOR_CHUNK: locatorName,
};

/** Decodes into what it is given: one per route, when a client asked for notes. */
export function decodeRouteNote(into: RouteNote, reader: BodyReader): RouteNote {
  into.note = reader.hostU32();
  into.family = reader.family(reader.u8());
  into.length = reader.length(into.family, reader.u8());
  into.w0 = reader.u32();
  if (into.family === AF_INET) {
    into.w1 = 0;
    into.w2 = 0;
    into.w3 = 0;
  } else {
    into.w1 = reader.u32();
    into.w2 = reader.u32();
    into.w3 = reader.u32();
  }
  into.table = reader.u32();
  into.afi = reader.u8();
  into.safi = reader.u8();
  return into;
}

/** A note to decode into. */
export function emptyRouteNote(): RouteNote {
  return { note: 0, family: AF_INET, length: 0, w0: 0, w1: 0, w2: 0, w3: 0, table: 0, afi: 0, safi: 0 };
}

const toClient: BodyCodecs<ServerMessages> = {
  CAPABILITIES: {
    decode: reader => ({
      vrfBackend: reader.u32(),
      mpls: reader.u8() !== 0,
      ecmp: reader.u32(),
      mlagRole: reader.u8(),
    }),
    encode(writer, message) {
      writer.u32(message.vrfBackend);
      writer.u8(message.mpls ? 1 : 0);
      writer.u32(message.ecmp);
      writer.u8(message.mlagRole);
    },
  },
  VRF_ADD: vrf,
  VRF_DELETE: vrf,
  INTERFACE_ADD: interfaceBody,
  INTERFACE_DELETE: interfaceBody,
  INTERFACE_UP: interfaceBody,
  INTERFACE_DOWN: interfaceBody,
  INTERFACE_ADDRESS_ADD: interfaceAddressBody(),
  INTERFACE_ADDRESS_DELETE: interfaceAddressBody(),
  INTERFACE_NBR_ADDRESS_ADD: neighbor,
  INTERFACE_NBR_ADDRESS_DELETE: neighbor,
  INTERFACE_VRF_UPDATE: {
    decode: reader => ({ ifindex: reader.u32(), newVrf: reader.u32() }),
    encode(writer, message) {
      writer.u32(message.ifindex);
      writer.u32(message.newVrf);
    },
  },
  ROUTER_ID_UPDATE: {
    decode: reader => ({ prefix: ADDRESS_BODY.decode(reader) }),
    encode: (writer, message) => ADDRESS_BODY.encode(writer, message.prefix),
  },
  NEXTHOP_UPDATE: {
    decode(reader) {
      const message = reader.u32();
      const safi = reader.u16();
      const match = TRACKED_BODY.decode(reader);
      const resolved = TRACKED_BODY.decode(reader);
      const color = (message & MESSAGE_SRTE) !== 0 ? reader.u32() : 0;
      const routeType = reader.u8();
      const instance = reader.u16();
      const distance = reader.u8();
      const metric = reader.u32();
      const count = reader.u8();
      const nexthops: UpdateNexthop[] = [];
      for (let i = 0; i < count; i++) nexthops.push(decodePlainNexthop(reader));
      return { message, safi, match, resolved, color, routeType, instance, distance, metric, nexthops };
    },
    encode(writer, update) {
      writer.u32(update.message);
      writer.u16(update.safi);
      TRACKED_BODY.encode(writer, update.match);
      TRACKED_BODY.encode(writer, update.resolved);
      if ((update.message & MESSAGE_SRTE) !== 0) writer.u32(update.color);
      writer.u8(update.routeType);
      writer.u16(update.instance);
      writer.u8(update.distance);
      writer.u32(update.metric);
      // The count is one byte: of a wider route the first 255 paths are told, which is enough to know that it resolves.
      const count = Math.min(255, update.nexthops.length);
      writer.u8(count);
      for (let i = 0; i < count; i++) encodePlainNexthop(writer, update.nexthops[i]!);
    },
  },
  ROUTE_NOTIFY_OWNER: {
    decode: reader => decodeRouteNote(emptyRouteNote(), reader),
    encode(writer, message) {
      writer.hostU32(message.note);
      writer.u8(message.family);
      writer.u8(message.length);
      writer.u32(message.w0);
      if (message.family !== AF_INET) {
        writer.u32(message.w1);
        writer.u32(message.w2);
        writer.u32(message.w3);
      }
      writer.u32(message.table);
      writer.u8(message.afi);
      writer.u8(message.safi);
    },
  },
  CLIENT_CLOSE_NOTIFY: {
    decode: reader => ({ routeType: reader.u8(), instance: reader.u16(), session: reader.u32() }),
    encode(writer, message) {
      writer.u8(message.routeType);
      writer.u16(message.instance);
      writer.u32(message.session);
    },
  },
  LABEL_MANAGER_CONNECT: MANAGER_CONNECTED,
  LABEL_MANAGER_CONNECT_ASYNC: MANAGER_CONNECTED,
  GET_LABEL_CHUNK: LABEL_CHUNK,
  TABLE_MANAGER_CONNECT: {
    decode: reader => ({ result: reader.u8() }),
    encode: (writer, message) => writer.u8(message.result),
  },
  GET_TABLE_CHUNK: tableChunk,
  SRV6_LOCATOR_ADD: locator,
  SRV6_LOCATOR_DELETE: locator,
  SRV6_MANAGER_GET_LOCATOR_CHUNK: {
    decode: reader => ({
      ...locator.decode(reader),
      blockBits: reader.u8(),
      nodeBits: reader.u8(),
      functionBits: reader.u8(),
      argumentBits: reader.u8(),
      flags: reader.left > 0 ? reader.u8() : 0,
    }),
    encode(writer, message) {
      locator.encode(writer, message);
      writer.u8(message.blockBits);
      writer.u8(message.nodeBits);
      writer.u8(message.functionBits);
      writer.u8(message.argumentBits);
      if (message.flags !== 0) writer.u8(message.flags);
    },
  },
  ERROR: {
    decode: reader => ({ error: reader.hostU32() }),
    encode: (writer, message) => writer.hostU32(message.error),
  },
};

function interfaceAddressBody(): Body<ServerMessages['INTERFACE_ADDRESS_ADD']> {
  return {
    decode(reader) {
      const ifindex = reader.u32();
      const flags = reader.u8();
      const address = ADDRESS_BODY.decode(reader);
      return { ifindex, flags, address, destination: reader.words(address.family) };
    },
    encode(writer, message) {
      writer.u32(message.ifindex);
      writer.u8(message.flags);
      ADDRESS_BODY.encode(writer, message.address);
      writer.words(message.address.family, message.destination);
    },
  };
}

const numbers: Record<CommandName, number> = Object.fromEntries(
  COMMANDS_844.map((name, number) => [name, number]),
) as Record<CommandName, number>;

export const FRR_8_4_4: Dialect = {
  release: '8.4.4',
  version: VERSION,
  maxFrameBytes: MAX_FRAME_BYTES,
  command: numbers,
  commandNames: COMMANDS_844,
  routeTypeNames: ROUTE_TYPES_844,
  toServer,
  toClient,
  route: ROUTE_CODEC_844,
};
