// Frames captured by a proxy between FRR 8.4.4 daemons (bgpd, bgpd with SRv6, staticd) and zebra: every one must decode, and
// encode to the same bytes again. fixtures/*.log holds one frame a line: seconds, session, direction, header and body in hex.
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { describe, test } from 'node:test';
import {
  BodyReader,
  BodyWriter,
  commandName,
  Framer,
  FRR_8_4_4,
  HEADER_BYTES,
  NexthopColumns,
  ROUTE_OK,
  RouteMessage,
  writeHeader,
} from '../../src/zapi/index.ts';

interface Captured {
  readonly file: string;
  readonly line: number;
  readonly toServer: boolean;
  readonly frame: Uint8Array;
  readonly command: string;
}

const LINE = /^\s*[\d.]+ \[\d+\] (C>Z|Z>C) len=(\d+) mk=254 v=6 vrf=(\d+) cmd=(\d+)\((\w+)\) ?([0-9a-f]*)$/;

function captured(): Captured[] {
  const folder = new URL('fixtures/', import.meta.url);
  const all: Captured[] = [];
  for (const file of readdirSync(folder)) {
    for (const [line, text] of readFileSync(new URL(file, folder), 'utf8').split('\n').entries()) {
      if (text.trim() === '' || text.endsWith('CLOSE')) continue;
      const match = LINE.exec(text);
      assert.ok(match, `${file}:${line + 1} is not a captured frame: ${text}`);
      const body = Buffer.from(match[6]!, 'hex');
      const frame = new Uint8Array(HEADER_BYTES + body.length);
      assert.equal(frame.length, Number(match[2]), `${file}:${line + 1}`);
      writeHeader(frame, 0, frame.length, Number(match[3]), Number(match[4]));
      frame.set(body, HEADER_BYTES);
      all.push({ file, line: line + 1, toServer: match[1] === 'C>Z', frame, command: match[5]! });
    }
  }
  return all;
}

const ROUTES = new Set(['ROUTE_ADD', 'ROUTE_DELETE', 'REDISTRIBUTE_ROUTE_ADD', 'REDISTRIBUTE_ROUTE_DEL']);

/** Decodes a frame and encodes what it said. */
function again(one: Captured): Uint8Array {
  const framer = new Framer();
  framer.push(one.frame);
  assert.ok(framer.next());
  const name = commandName(FRR_8_4_4, framer.command);
  assert.equal(name, one.command);
  const out = new Uint8Array(20000);
  if (ROUTES.has(name)) {
    const route = new RouteMessage();
    assert.equal(FRR_8_4_4.route.decode(route, framer.bytes, framer.body, framer.end), ROUTE_OK);
    // Through columns, so that next hops are decoded and encoded as well.
    const columns = new NexthopColumns();
    const { nexthopCount, message } = route;
    const end = FRR_8_4_4.route.decodeNexthops(
      columns,
      route.bytes,
      route.nexthopStart,
      framer.end,
      nexthopCount,
      message,
    );
    assert.equal(end, route.nexthopEnd);
    const block = new Uint8Array(2000);
    const length = FRR_8_4_4.route.encodeNexthops(columns, message, block, 0);
    route.bytes = block;
    route.nexthopStart = 0;
    route.nexthopEnd = length;
    return out.subarray(0, FRR_8_4_4.route.encode(route, framer.vrf, framer.command, out, 0));
  }
  const table = (one.toServer ? FRR_8_4_4.toServer : FRR_8_4_4.toClient) as Record<
    string,
    { decode(reader: BodyReader): unknown; encode(writer: BodyWriter, message: unknown): void }
  >;
  const codec = table[name];
  assert.ok(codec, `no codec for ${name}`);
  const reader = new BodyReader(framer.bytes, framer.body, framer.end);
  const message = codec.decode(reader);
  assert.equal(reader.left, 0, `${name} was not read to its end`);
  const writer = new BodyWriter(out, HEADER_BYTES);
  codec.encode(writer, message);
  writeHeader(out, 0, writer.at, framer.vrf, framer.command);
  return out.subarray(0, writer.at);
}

describe('frames captured between FRR 8.4.4 daemons', () => {
  const all = captured();

  test('are there', () => {
    assert.ok(all.length > 130, `${all.length}`);
  });

  test('decode, and encode to the same bytes', () => {
    for (const one of all) {
      assert.equal(
        Buffer.from(again(one)).toString('hex'),
        Buffer.from(one.frame).toString('hex'),
        `${one.file}:${one.line} ${one.command}`,
      );
    }
  });

  test('are found in one stream however it is cut', () => {
    const stream = Buffer.concat(all.map(one => one.frame));
    for (const size of [1, 3, 7, 10, 11, 64, 1000, stream.length]) {
      const framer = new Framer();
      let found = 0;
      for (let at = 0; at < stream.length; at += size) {
        framer.push(stream, at, Math.min(stream.length, at + size));
        while (framer.next()) {
          const expected = all[found++]!;
          const body = framer.bytes.subarray(framer.body, framer.end);
          assert.deepEqual(
            [...body],
            [...expected.frame.subarray(HEADER_BYTES)],
            `frame ${found} in chunks of ${size}`,
          );
        }
      }
      assert.equal(found, all.length);
    }
  });

  test('say what they are known to say', () => {
    const route = new RouteMessage();
    const one = all.find(
      frame => frame.file.startsWith('staticd') && frame.command === 'ROUTE_ADD' && frame.frame.length === 43,
    )!;
    assert.equal(FRR_8_4_4.route.decode(route, one.frame, HEADER_BYTES, one.frame.length), ROUTE_OK);
    assert.deepEqual(
      [route.type, route.flags, route.message, route.prefixLength, route.w0, route.nexthopCount, route.distance],
      [3, 0x41, 3, 16, 0x0a010000, 1, 1],
    );
    const columns = new NexthopColumns();
    FRR_8_4_4.route.decodeNexthops(columns, one.frame, route.nexthopStart, route.nexthopEnd, 1, route.message);
    assert.deepEqual([columns.type[0], columns.w0[0], columns.ifindex[0]], [2, 0xc0a8094d, 0]);
  });
});
