// A full table's worth of ROUTE_ADD: encoded into one buffer, found and decoded in it again. Beside it stand what the memory
// alone costs (copying the same bytes) and the usual way of writing such a codec (DataView, an object per message).
import { summary } from './lib/report.ts';
import {
  Framer,
  FRR_8_4_4,
  HEADER_BYTES,
  MESSAGE_DISTANCE,
  MESSAGE_METRIC,
  MESSAGE_NEXTHOP,
  NEXTHOP_IPV4_IFINDEX,
  NexthopColumns,
  ROUTE_OK,
  RouteMessage,
} from '../src/zapi/index.ts';

const ROUTES = Number(process.env['ROUTES'] ?? 1_000_000);
const ROUNDS = 5;
const CHUNK_BYTES = 64 * 1024;

const codec = FRR_8_4_4.route;
const ADD = FRR_8_4_4.command.ROUTE_ADD;
const out = new Uint8Array(ROUTES * 64 + 1024);
const copy = new Uint8Array(out.length);

const columns = new NexthopColumns();
const row = columns.add(NEXTHOP_IPV4_IFINDEX);
columns.w0[row] = 0xc0000201;
columns.ifindex[row] = 2;
const block = new Uint8Array(512);
const blockEnd = codec.encodeNexthops(columns, 0, block, 0);

function encodeAll(): number {
  const route = new RouteMessage();
  route.type = 9;
  route.flags = 1;
  route.message = MESSAGE_NEXTHOP | MESSAGE_DISTANCE | MESSAGE_METRIC;
  route.distance = 20;
  route.prefixLength = 24;
  route.bytes = block;
  route.nexthopCount = 1;
  route.nexthopEnd = blockEnd;
  let end = 0;
  for (let i = 0; i < ROUTES; i++) {
    route.w0 = (0x01000000 + (i << 8)) >>> 0;
    route.metric = i & 0xff;
    end = codec.encode(route, 0, ADD, out, end);
  }
  return end;
}

function decodeAll(bytes: number): number {
  const framer = new Framer();
  const route = new RouteMessage();
  let sum = 0;
  for (let at = 0; at < bytes; at += CHUNK_BYTES) {
    framer.push(out, at, Math.min(bytes, at + CHUNK_BYTES));
    while (framer.next()) {
      if (framer.command !== ADD || codec.decode(route, framer.bytes, framer.body, framer.end) !== ROUTE_OK) {
        throw new Error(`route ${framer.frames} does not decode`);
      }
      sum = (sum + route.w0 + route.metric + route.nexthopEnd - route.nexthopStart) | 0;
    }
  }
  return sum;
}

interface PlainRoute {
  type: number;
  flags: number;
  prefix: Uint8Array;
  length: number;
  nexthops: { type: number; gateway: Uint8Array; ifindex: number }[];
  distance: number;
  metric: number;
}

function decodePlain(bytes: number): number {
  const view = new DataView(out.buffer);
  let sum = 0;
  for (let at = 0; at < bytes; ) {
    const length = view.getUint16(at);
    let p = at + HEADER_BYTES;
    const type = view.getUint8(p);
    const flags = view.getUint32(p + 3);
    const prefixLength = view.getUint8(p + 13);
    const n = (prefixLength + 7) >> 3;
    const prefix = out.slice(p + 14, p + 14 + n);
    p += 14 + n;
    const count = view.getUint16(p);
    p += 2;
    const nexthops = [];
    for (let i = 0; i < count; i++) {
      nexthops.push({
        type: view.getUint8(p + 4),
        gateway: out.slice(p + 6, p + 10),
        ifindex: view.getUint32(p + 10),
      });
      p += 14;
    }
    const route: PlainRoute = {
      type,
      flags,
      prefix,
      length: prefixLength,
      nexthops,
      distance: view.getUint8(p),
      metric: view.getUint32(p + 1),
    };
    sum = (sum + route.metric + route.prefix[0]! + route.nexthops.length) | 0;
    at += length;
  }
  return sum;
}

function best(fn: () => unknown): number {
  let ms = Number.POSITIVE_INFINITY;
  for (let i = 0; i < ROUNDS; i++) {
    const start = performance.now();
    fn();
    ms = Math.min(ms, performance.now() - start);
  }
  return ms;
}

const bytes = encodeAll();
const copyMs = best(() => copy.set(out.subarray(0, bytes)));
const encodeMs = best(encodeAll);
const decodeMs = best(() => decodeAll(bytes));
const plainMs = best(() => decodePlain(bytes));

const line = (what: string, ms: number): void => {
  const ns = (ms * 1e6) / ROUTES;
  console.log(
    `${what.padEnd(38)}${ms.toFixed(1).padStart(8)} ms${ns.toFixed(1).padStart(8)} ns/route${(ms / copyMs).toFixed(2).padStart(8)} × copy`,
  );
};
console.log(`${ROUTES} ROUTE_ADD, ${bytes} bytes (${(bytes / ROUTES).toFixed(0)} each), best of ${ROUNDS}`);
line('copy of the bytes', copyMs);
line('encode', encodeMs);
line('frame and decode', decodeMs);
line('DataView and an object per message', plainMs);
summary('zapi', [
  { name: 'decode', value: decodeMs / plainMs, most: 0.6, unit: ' × an object per message' },
  { name: 'encode', value: (encodeMs * 1e6) / ROUTES, most: 150, unit: ' ns a route' },
]);
