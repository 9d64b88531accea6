// The client on a transport that the test holds in its hand: what it sends, when it tries again, what it says again.
import assert from 'node:assert/strict';
import { rmSync } from 'node:fs';
import { createServer, type Socket } from 'node:net';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { parsePrefix } from '../../src/net/index.ts';
import {
  AFI_IP,
  commandName,
  decodeToServer,
  encodeToClient,
  Framer,
  FRR_8_4_4,
  frames,
  type LabelEvent,
  MESSAGE_NEXTHOP,
  RouteMessage,
  unixConnect,
  writeHeader,
  ZapiClient,
  type ZapiClientHandlers,
  type ZapiTransportEvents,
} from '../../src/zapi/index.ts';
import { temporaryDirectory } from '../lib/temporary.ts';
import { until } from '../lib/wait.ts';

class Wire {
  events: ZapiTransportEvents | undefined;
  connects = 0;
  /** Bytes that the transport takes from now on. */
  room = Number.POSITIVE_INFINITY;
  sent: number[] = [];
  closed = 0;
  readonly timers: { ms: number; fn: () => void; cancelled: boolean }[] = [];
  readonly client: ZapiClient;

  constructor(handlers: ZapiClientHandlers, outBytes?: number) {
    this.client = new ZapiClient({
      routeType: 9,
      handlers,
      ...(outBytes === undefined ? {} : { outBytes }),
      timer: (ms, fn) => {
        const timer = { ms, fn, cancelled: false };
        this.timers.push(timer);
        return () => {
          timer.cancelled = true;
        };
      },
      connect: events => {
        this.connects++;
        this.events = events;
        this.sent = [];
        return {
          write: (bytes, offset, n) => {
            const taken = Math.min(n, this.room);
            this.room -= taken;
            for (let i = 0; i < taken; i++) this.sent.push(bytes[offset + i]!);
            return taken;
          },
          close: () => {
            this.closed++;
          },
        };
      },
    });
  }

  names(): string[] {
    return [...frames(new Uint8Array(this.sent))].map(one => commandName(FRR_8_4_4, one.command));
  }

  /** zebra says something. */
  say(...parts: [Parameters<typeof encodeToClient>[1], unknown][]): void {
    const out = new Uint8Array(4096);
    let end = 0;
    for (const [name, message] of parts) end = encodeToClient(FRR_8_4_4, name, message as never, 0, out, end);
    this.events!.bytes(out, 0, end);
  }

  /** The retry that is due runs; its delay. */
  retry(): number {
    const timer = this.timers.findLast(one => !one.cancelled)!;
    timer.cancelled = true;
    timer.fn();
    return timer.ms;
  }
}

const CAPABILITIES = { vrfBackend: 0, mpls: false, ecmp: 256, mlagRole: 0 };

describe('the client', () => {
  test('says HELLO and everything that is wanted on every connection', () => {
    const connected: boolean[] = [];
    const wire = new Wire({ connected: again => void connected.push(again) });
    const { client } = wire;
    client.wantInterfaces();
    client.wantRouterId(AFI_IP);
    client.wantRedistribution(AFI_IP, 2);
    client.wantRedistribution(AFI_IP, 3);
    client.wantNexthop(parsePrefix('192.0.2.1/32')!);
    client.start();
    wire.events!.open();
    const said = [
      'HELLO',
      'INTERFACE_ADD',
      'ROUTER_ID_ADD',
      'REDISTRIBUTE_ADD',
      'REDISTRIBUTE_ADD',
      'NEXTHOP_REGISTER',
    ];
    assert.deepEqual(wire.names(), said);
    client.unwantRedistribution(AFI_IP, 2);
    client.wantNexthop(parsePrefix('192.0.2.1/32')!);
    assert.deepEqual(wire.names().slice(said.length), ['REDISTRIBUTE_DELETE']);
    client.wantNexthop(parsePrefix('192.0.2.1/32')!, { connected: true });
    assert.deepEqual(wire.names().slice(said.length + 1), ['NEXTHOP_REGISTER']);
    wire.events!.close(undefined);
    assert.equal(client.connected, false);
    wire.retry();
    wire.events!.open();
    assert.deepEqual(wire.names(), ['HELLO', 'INTERFACE_ADD', 'ROUTER_ID_ADD', 'REDISTRIBUTE_ADD', 'NEXTHOP_REGISTER']);
    assert.deepEqual(connected, [false, true]);
    const bytes = new Uint8Array(wire.sent);
    const last = [...frames(bytes)].at(-1)!;
    assert.equal(decodeToServer(FRR_8_4_4, 'NEXTHOP_REGISTER', bytes, last.body, last.end).entries[0]!.connected, true);
  });

  test('asks for a locator on every connection, and again where one comes, until it is wanted no longer', () => {
    const heard: string[] = [];
    const wire = new Wire({
      on: {
        SRV6_LOCATOR_ADD: ({ name }) => void heard.push(`+${name}`),
        SRV6_MANAGER_GET_LOCATOR_CHUNK: ({ name, functionBits }) => void heard.push(`${name} ${functionBits}`),
      },
    });
    const { client } = wire;
    const prefix = parsePrefix('2001:db8:1:1::/64')!;
    const chunk = { name: 'a', prefix, blockBits: 40, nodeBits: 24, functionBits: 16, argumentBits: 0, flags: 0 };
    client.wantLocatorChunk('a');
    client.start();
    wire.events!.open();
    wire.say(['SRV6_LOCATOR_ADD', { name: 'b', prefix }], ['SRV6_LOCATOR_ADD', { name: 'a', prefix }]);
    wire.say(['SRV6_MANAGER_GET_LOCATOR_CHUNK', chunk]);
    assert.deepEqual(heard, ['+b', '+a', 'a 16']);
    client.wantLocatorChunk('a');
    client.unwantLocatorChunk('a');
    wire.say(['SRV6_LOCATOR_ADD', { name: 'a', prefix }]);
    const [hello, ...said] = wire.names();
    assert.equal(hello, 'HELLO');
    const ask = 'SRV6_MANAGER_GET_LOCATOR_CHUNK';
    assert.deepEqual(said, [ask, ask, 'SRV6_MANAGER_RELEASE_LOCATOR_CHUNK']);
    client.wantLocatorChunk('b');
    wire.events!.close(undefined);
    wire.retry();
    wire.events!.open();
    assert.deepEqual(wire.names(), ['HELLO', ask]);
    const bytes = new Uint8Array(wire.sent);
    const last = [...frames(bytes)].at(-1)!;
    assert.equal(decodeToServer(FRR_8_4_4, ask, bytes, last.body, last.end).name, 'b');
  });

  test('tries again fast first, slower later, and fast again once somebody answered', () => {
    const delays: number[] = [];
    const wire = new Wire({ disconnected: (_reason, ms) => void delays.push(ms) });
    wire.client.start();
    for (let i = 0; i < 9; i++) {
      wire.events!.close(new Error('ECONNREFUSED'));
      assert.equal(wire.retry(), delays[i]);
    }
    assert.deepEqual(delays, [50, 100, 200, 400, 800, 1600, 3200, 5000, 5000]);
    wire.events!.open();
    wire.events!.close(undefined);
    assert.equal(wire.retry(), 5000);
    wire.events!.open();
    wire.say(['CAPABILITIES', CAPABILITIES]);
    wire.events!.close(undefined);
    assert.equal(wire.retry(), 50);
    wire.client.stop();
    assert.equal(wire.closed, 1);
  });

  test('hands over what zebra says, and skips what it cannot read', () => {
    const heard: string[] = [];
    const wire = new Wire({
      on: {
        CAPABILITIES: message => void heard.push(`ecmp ${message.ecmp}`),
        ROUTER_ID_UPDATE: message => void heard.push(`id ${message.prefix.words[0]}`),
      },
      note: note => void heard.push(`note ${note.note} ${note.length}`),
      route: (add, route) => void heard.push(`${add} ${route.prefixLength}`),
      fault: (error, command) => void heard.push(`${command}: ${error.message}`),
    });
    wire.client.start();
    wire.events!.open();
    wire.say(
      ['CAPABILITIES', CAPABILITIES],
      ['ERROR', { error: 1 }],
      [
        'ROUTE_NOTIFY_OWNER',
        { note: 2, family: 2, length: 16, w0: 0x0a010000, w1: 0, w2: 0, w3: 0, table: 254, afi: 1, safi: 1 },
      ],
    );
    const bad = new Uint8Array(16);
    writeHeader(bad, 0, 16, 0, FRR_8_4_4.command.ROUTER_ID_UPDATE);
    wire.events!.bytes(bad, 0, 16);
    const route = new RouteMessage();
    route.prefixLength = 8;
    route.w0 = 0x0a000000;
    const out = new Uint8Array(300);
    const end = FRR_8_4_4.route.encode(route, 0, FRR_8_4_4.command.REDISTRIBUTE_ROUTE_DEL, out, 0);
    for (let i = 0; i < end; i++) wire.events!.bytes(out, i, i + 1);
    assert.deepEqual(heard, ['ecmp 256', 'note 2 16', 'ROUTER_ID_UPDATE: address family 0 is not valid', 'false 8']);
  });

  test('hangs up on garbage and tries again', () => {
    const reasons: string[] = [];
    const wire = new Wire({ disconnected: reason => void reasons.push(reason!.message) });
    wire.client.start();
    wire.events!.open();
    wire.events!.bytes(Buffer.from('HTTP/1.1 400 Bad Request'), 0, 24);
    assert.deepEqual(reasons, ['frame marker is 84, not 254']);
    assert.equal(wire.closed, 1);
    wire.retry();
    assert.equal(wire.connects, 2);
  });

  test('refuses routes when the transport takes no more, and says when it does', () => {
    let writable = 0;
    const wire = new Wire({ writable: () => void writable++ }, 40_000);
    const { client } = wire;
    const route = new RouteMessage();
    route.message = MESSAGE_NEXTHOP;
    route.prefixLength = 24;
    assert.equal(client.routeAdd(route), false, 'without a connection');
    client.start();
    wire.events!.open();
    wire.room = 10_000;
    let accepted = 0;
    while (client.routeAdd(route)) {
      route.w0 = (route.w0 + 256) >>> 0;
      accepted++;
    }
    assert.ok(client.queuedBytes <= 40_000);
    assert.equal(client.stats.refused, 1);
    // A want that finds no room is kept.
    client.wantRouterId(AFI_IP);
    wire.room = Number.POSITIVE_INFINITY;
    wire.events!.writable();
    assert.equal(writable, 1);
    assert.equal(client.queuedBytes, 0);
    const names = wire.names();
    assert.equal(names.filter(name => name === 'ROUTE_ADD').length, accepted);
    assert.equal(names.at(-1), 'ROUTER_ID_ADD');
    assert.equal(client.stats.framesOut, names.length);
  });

  /** What was said of labels: sizes with bases, returns, VRFs' labels. */
  function saidOfLabels(wire: Wire): string[] {
    const bytes = new Uint8Array(wire.sent);
    return [...frames(bytes)].flatMap(({ command, body, end, vrf }) => {
      const name = commandName(FRR_8_4_4, command);
      if (name === 'GET_LABEL_CHUNK') {
        const { size, base, routeType } = decodeToServer(FRR_8_4_4, name, bytes, body, end);
        return [`${routeType} get ${size} at ${base}`];
      }
      if (name === 'RELEASE_LABEL_CHUNK') {
        const { start, end: last } = decodeToServer(FRR_8_4_4, name, bytes, body, end);
        return [`release ${start}-${last}`];
      }
      if (name !== 'VRF_LABEL') return [];
      const { label, afi, lspType } = decodeToServer(FRR_8_4_4, name, bytes, body, end);
      return [`vrf ${vrf} afi ${afi} label ${label} of ${lspType}`];
    });
  }
  const grant = (start: number, end: number): ['GET_LABEL_CHUNK', unknown] => [
    'GET_LABEL_CHUNK',
    { routeType: 9, instance: 0, range: { keep: 0, start, end } },
  ];
  const refusal: ['GET_LABEL_CHUNK', unknown] = ['GET_LABEL_CHUNK', { routeType: 9, instance: 0 }];

  test('asks for labels, and on a new connection for the same ones again', () => {
    const events: LabelEvent[] = [];
    const wire = new Wire({ labels: event => void events.push(event) });
    const { client } = wire;
    client.getLabelChunk(128);
    client.start();
    wire.events!.open();
    client.getLabelChunk(64);
    client.getLabelChunk(32);
    assert.deepEqual(saidOfLabels(wire), ['9 get 128 at 0', '9 get 64 at 0', '9 get 32 at 0']);
    wire.say(grant(16, 143), refusal);
    assert.deepEqual(events.splice(0), [
      { kind: 'granted', start: 16, end: 143 },
      { kind: 'refused', size: 64 },
    ]);
    // What was not answered is asked again, behind what was granted.
    wire.events!.close(undefined);
    wire.retry();
    wire.events!.open();
    assert.deepEqual(saidOfLabels(wire), ['9 get 128 at 16', '9 get 32 at 0']);
    wire.say(grant(16, 143), grant(144, 175));
    assert.deepEqual(events.splice(0), [{ kind: 'granted', start: 144, end: 175 }]);
    client.releaseLabelChunk(144);
    client.releaseLabelChunk(144);
    assert.deepEqual(saidOfLabels(wire).slice(2), ['release 144-175']);
    // Somebody else has them now.
    wire.events!.close(undefined);
    wire.retry();
    wire.events!.open();
    assert.deepEqual(saidOfLabels(wire), ['9 get 128 at 16']);
    wire.say(refusal);
    assert.deepEqual(events.splice(0), [{ kind: 'lost', start: 16, end: 143 }]);
  });

  test('gives back a chunk that it is just claiming, when it has it, and one that is not the one it claimed', () => {
    const events: LabelEvent[] = [];
    const wire = new Wire({ labels: event => void events.push(event) });
    const { client } = wire;
    client.getLabelChunk(8);
    client.getLabelChunk(8);
    client.start();
    wire.events!.open();
    wire.say(grant(16, 23), grant(24, 31));
    wire.events!.close(undefined);
    client.releaseLabelChunk(16);
    wire.retry();
    wire.events!.open();
    assert.deepEqual(saidOfLabels(wire), ['9 get 8 at 24']);
    client.releaseLabelChunk(24);
    wire.say(grant(24, 31));
    assert.deepEqual(saidOfLabels(wire).slice(1), ['release 24-31']);
    events.length = 0;
    client.getLabelChunk(8);
    wire.say(grant(16, 23));
    wire.events!.close(undefined);
    wire.retry();
    wire.events!.open();
    wire.say(grant(500, 507));
    assert.deepEqual(saidOfLabels(wire), ['9 get 8 at 16', 'release 500-507']);
    assert.deepEqual(events.at(-1), { kind: 'lost', start: 16, end: 23 });
  });

  test('keeps the label of a VRF said, for each family, and takes it back', () => {
    const wire = new Wire({});
    const { client } = wire;
    client.vrfLabel(10, 1, 20);
    client.vrfLabel(10, 1, 21);
    client.start();
    wire.events!.open();
    client.vrfLabel(10, 2, 21);
    client.vrfLabel(10, 1, 21);
    client.vrfLabel(10, 1, 22);
    client.vrfLabel(10, 2, undefined);
    client.vrfLabel(11, 2, undefined);
    const said = ['vrf 10 afi 1 label 21 of 3', 'vrf 10 afi 2 label 21 of 3', 'vrf 10 afi 1 label 22 of 3'];
    assert.deepEqual(saidOfLabels(wire), [...said, 'vrf 10 afi 2 label 4294967295 of 3']);
    wire.events!.close(undefined);
    wire.retry();
    wire.events!.open();
    assert.deepEqual(saidOfLabels(wire), ['vrf 10 afi 1 label 22 of 3']);
    client.leaveVrf(10, true);
    assert.deepEqual(saidOfLabels(wire).slice(1), ['vrf 10 afi 1 label 4294967295 of 3']);
  });

  test('works over a real socket, and comes back when zebra does', async () => {
    const directory = temporaryDirectory();
    const path = join(directory, 'zserv.api');
    const got: string[] = [];
    const sockets: Socket[] = [];
    const listen = async (): Promise<() => Promise<void>> => {
      const server = createServer(socket => {
        sockets.push(socket);
        const framer = new Framer();
        const out = new Uint8Array(100);
        socket.write(out.subarray(0, encodeToClient(FRR_8_4_4, 'CAPABILITIES', CAPABILITIES, 0, out, 0)));
        socket.on('data', chunk => {
          framer.push(chunk as Buffer);
          while (framer.next()) got.push(commandName(FRR_8_4_4, framer.command));
        });
      });
      await new Promise<void>(resolve => server.listen(path, resolve));
      return async () => {
        for (const socket of sockets.splice(0)) socket.destroy();
        await new Promise<void>(resolve => server.close(() => resolve()));
      };
    };
    let connections = 0;
    const client = new ZapiClient({
      connect: unixConnect(path),
      routeType: 3,
      handlers: { connected: () => void connections++ },
    });
    client.wantInterfaces();
    client.start();
    let close = await listen();
    await until(() => got.length >= 2, { what: 'the first words' });
    await close();
    close = await listen();
    await until(() => got.length >= 4, { what: 'the same words again' });
    assert.deepEqual(got, ['HELLO', 'INTERFACE_ADD', 'HELLO', 'INTERFACE_ADD']);
    assert.equal(connections, 2);
    client.stop();
    await close();
    rmSync(directory, { recursive: true, force: true });
  });
});
