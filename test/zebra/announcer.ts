// A client of ZAPI that announces routes with whatever their next hops do to packets, to any zebra.
import { connect, type Socket } from 'node:net';
import { parseAddress, parsePrefix, writeAddress } from '../../src/net/index.ts';
import {
  encodeToServer,
  FRR_8_4_4,
  MAX_LABELS,
  MESSAGE_DISTANCE,
  MESSAGE_NEXTHOP,
  NEXTHOP_FLAG_LABEL,
  NEXTHOP_FLAG_SEG6,
  NEXTHOP_FLAG_SEG6LOCAL,
  NEXTHOP_IFINDEX,
  NEXTHOP_IPV4,
  NEXTHOP_IPV4_IFINDEX,
  NEXTHOP_IPV6,
  NEXTHOP_IPV6_IFINDEX,
  NexthopColumns,
  ROUTE_FLAG_ALLOW_RECURSION,
  RouteMessage,
  SEG6LOCAL_CONTEXT_BYTES,
} from '../../src/zapi/index.ts';

export interface Hop {
  readonly via?: string;
  readonly ifindex?: number;
  readonly labels?: readonly number[];
  readonly sid?: string;
  /** The VRF in which it lies, where it is not that of the route. */
  readonly vrf?: number;
  /** SEG6_LOCAL_ACTION_* and what it needs. */
  readonly local?: { readonly action: number; readonly nh4?: string; readonly nh6?: string; readonly table?: number };
}

const BGP = 9;

export class Announcer {
  readonly #socket: Socket;
  readonly #columns: NexthopColumns = new NexthopColumns();
  readonly #bytes: Uint8Array = new Uint8Array(8192);

  constructor(path: string) {
    this.#socket = connect({ path });
    this.#socket.on('data', () => {});
    this.#send(
      encodeToServer(
        FRR_8_4_4,
        'HELLO',
        { routeType: BGP, instance: 0, session: 0, receiveNotify: false, synchronous: false },
        0,
        this.#bytes,
        0,
      ),
    );
  }

  announce(prefix: string, ...hops: readonly Hop[]): void {
    this.announceIn(0, prefix, ...hops);
  }

  /** A route of the VRF of this number. */
  announceIn(vrf: number, prefix: string, ...hops: readonly Hop[]): void {
    this.#columns.count = 0;
    for (const hop of hops) this.#add(hop, vrf);
    const { family, words, length } = parsePrefix(prefix)!;
    const block = new Uint8Array(4096);
    const message = new RouteMessage();
    const hopsEnd = FRR_8_4_4.route.encodeNexthops(this.#columns, MESSAGE_NEXTHOP, block, 0);
    Object.assign(message, {
      type: BGP,
      flags: ROUTE_FLAG_ALLOW_RECURSION,
      message: MESSAGE_NEXTHOP | MESSAGE_DISTANCE,
      distance: 20,
      family,
      prefixLength: length,
      w0: words[0],
      w1: words[1],
      w2: words[2],
      w3: words[3],
      bytes: block,
      nexthopCount: hops.length,
      nexthopStart: 0,
      nexthopEnd: hopsEnd,
    });
    this.#send(FRR_8_4_4.route.encode(message, vrf, FRR_8_4_4.command.ROUTE_ADD, this.#bytes, 0));
  }

  close(): void {
    this.#socket.destroy();
  }

  #add({ via, ifindex = 0, labels, sid, local, vrf: itsVrf }: Hop, vrf: number): void {
    const columns = this.#columns;
    const gateway = via === undefined ? undefined : parseAddress(via)!;
    const four = ifindex === 0 ? NEXTHOP_IPV4 : NEXTHOP_IPV4_IFINDEX;
    const six = ifindex === 0 ? NEXTHOP_IPV6 : NEXTHOP_IPV6_IFINDEX;
    const row = columns.add(gateway === undefined ? NEXTHOP_IFINDEX : gateway.family === 2 ? four : six, itsVrf ?? vrf);
    columns.ifindex[row] = ifindex;
    [columns.w0[row], columns.w1[row], columns.w2[row], columns.w3[row]] = gateway?.words ?? [0, 0, 0, 0];
    if (labels !== undefined) {
      columns.flags[row]! |= NEXTHOP_FLAG_LABEL;
      columns.labelCount[row] = labels.length;
      columns.labels.set(labels, row * MAX_LABELS);
    }
    if (sid !== undefined) {
      columns.flags[row]! |= NEXTHOP_FLAG_SEG6;
      putAddress(columns.seg6Sid, row * 16, sid);
    }
    if (local === undefined) return;
    columns.flags[row]! |= NEXTHOP_FLAG_SEG6LOCAL;
    columns.seg6localAction[row] = local.action;
    const at = row * SEG6LOCAL_CONTEXT_BYTES;
    const context = columns.seg6localContext;
    context.fill(0, at, at + SEG6LOCAL_CONTEXT_BYTES);
    if (local.nh4 !== undefined) putAddress(context, at, local.nh4);
    if (local.nh6 !== undefined) putAddress(context, at + 4, local.nh6);
    // In the host's order, as FRR has it in its memory; that of all hosts which the tests run on.
    new DataView(context.buffer, context.byteOffset).setUint32(at + 20, local.table ?? 0, true);
  }

  #send(end: number): void {
    this.#socket.write(this.#bytes.slice(0, end));
  }
}

function putAddress(bytes: Uint8Array, at: number, text: string): void {
  const { family, words } = parseAddress(text)!;
  writeAddress(family, words, bytes, at);
}
