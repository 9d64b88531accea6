// Sessions over real sockets on loopback. bgp, bgp-io and bgp-ka of a speaker run in this one thread, except where a test
// says otherwise: their loops only meet through shared memory, so it makes no difference to them.
import assert from 'node:assert/strict';
import { rm } from 'node:fs/promises';
import { type AddressInfo, connect as netConnect, createServer, type Socket } from 'node:net';
import { afterEach, test } from 'node:test';
import { type BgpChannels, channelTables, closeBgpChannels, createBgpChannels } from '../../src/bgp/io/channels.ts';
import { IoLoop } from '../../src/bgp/io/io-loop.ts';
import { type MessageLimits, NO_LIMITS } from '../../src/bgp/io/limits.ts';
import { MessageTracker } from '../../src/bgp/io/outbox.ts';
import { createTransport } from '../../src/bgp/io/transport.ts';
import type { Connection, Listener, SocketAddress, Transport } from '../../src/bgp/io/types.ts';
import { Keeper } from '../../src/bgp/keepalive/keeper.ts';
import type { Session, SessionConfig } from '../../src/bgp/session/types.ts';
import { checkHeader, encodeNotification, KEEPALIVE } from '../../src/bgp/wire/message.ts';
import { encodeOpen } from '../../src/bgp/wire/open.ts';
import { peerError } from '../../src/bgp/wire/notification.ts';
import { TaskLoop } from '../../src/concurrency/index.ts';
import fc from 'fast-check';
import { temporaryDirectory } from '../lib/temporary.ts';
import { until } from '../lib/wait.ts';
import { Router } from './lib/router.ts';
import { fakeUpdate, IPV4_UNICAST, type Recorder, speaker } from './lib/speaker.ts';

const LOOPBACK: SocketAddress = { family: 2, words: [0x7f000001, 0, 0, 0], port: 0, scopeId: 0 };

class World {
  readonly loop: TaskLoop = new TaskLoop('test');
  readonly #closers: (() => void)[] = [];

  transport(channels: BgpChannels = createBgpChannels()): Transport {
    const io = new IoLoop(this.loop, channels);
    const transport = createTransport(this.loop, channels);
    this.#closers.push(() => {
      io.close();
      closeBgpChannels(channels);
    });
    return transport;
  }

  async listen(transport: Transport, accepted: (connection: Connection) => void, port = 0): Promise<Listener> {
    let up = false;
    const listener = transport.listen(
      { local: { ...LOOPBACK, port } },
      { listening: () => (up = true), failed: failure => assert.fail(failure.code), accepted },
    );
    await until(() => up, { what: 'the listener' });
    return listener;
  }

  onClose(fn: () => void): void {
    this.#closers.unshift(fn);
  }

  close(): void {
    this.loop.close();
    for (const close of this.#closers) close();
  }
}

let world = new World();
afterEach(() => {
  world.close();
  world = new World();
});

function config(
  localAs: number,
  remoteAs: number,
  remote: SocketAddress,
  more: Partial<SessionConfig> = {},
): SessionConfig {
  return { localAs, remoteAs, routerId: localAs, remote, families: [IPV4_UNICAST], idleHoldS: 0.05, ...more };
}

/** Two speakers; the first one accepts, the second one connects. */
async function pair(more: Partial<SessionConfig> = {}): Promise<[Recorder, Recorder]> {
  const a = speaker(world.loop, world.transport(), config(65001, 65002, LOOPBACK, { passive: true, ...more }));
  const transport = world.transport();
  const listener = await world.listen(world.transport(), connection => a.session.accept(connection));
  const b = speaker(world.loop, transport, config(65002, 65001, listener.local, more));
  a.session.start();
  b.session.start();
  await until(() => a.session.state === 'Established' && b.session.state === 'Established', { what: 'the session' });
  return [a, b];
}

/** A peer that is a plain socket: collects what it is told. */
function rawPeer(port: number, localAddress = '127.0.0.1'): { socket: Socket; received: () => Buffer } {
  const chunks: Buffer[] = [];
  const socket = netConnect({ host: '127.0.0.1', port, localAddress });
  socket.on('data', (chunk: Buffer) => chunks.push(chunk));
  socket.on('error', () => {});
  world.onClose(() => socket.destroy());
  return { socket, received: () => Buffer.concat(chunks) };
}

void test('two speakers establish a session over TCP and pass UPDATEs in order', async () => {
  const [a, b] = await pair();
  assert.equal(a.ups[0]!.remoteAs, 65002);
  assert.equal(b.ups[0]!.maximumMessageBytes, 65535);
  const seen: number[] = [];
  a.onUpdate = (bytes, offset) => seen.push(bytes[offset]!);
  for (let i = 0; i < 100; i++) {
    const update = fakeUpdate(23 + i);
    update[19] = i;
    assert.ok(b.session.send(update, 0, update.length));
  }
  await until(() => a.updates === 100, { what: () => `100 UPDATEs, saw ${a.updates}` });
  assert.deepEqual(
    seen,
    Array.from({ length: 100 }, (_, i) => i),
  );
});

const PEER_OPEN = encodeOpen({ as2: 65009, holdTimeS: 90, routerId: 9, capabilities: [] });

/** A speaker with two passive neighbours: a good session, and a raw peer of AS 65009 that a test may misbehave with. */
async function withStranger(): Promise<{ good: Recorder; stranger: Recorder; port: number }> {
  const transport = world.transport();
  const expected: SocketAddress = { ...LOOPBACK, words: [0x7f000002, 0, 0, 0] };
  const good = speaker(world.loop, transport, config(65001, 65002, expected, { passive: true }));
  const stranger = speaker(world.loop, transport, config(65001, 65009, LOOPBACK, { passive: true }));
  const listener = await world.listen(transport, connection => {
    (connection.remote.words[0] === expected.words[0] ? good : stranger).session.accept(connection);
  });
  good.session.start();
  stranger.session.start();
  const local = { ...expected, port: 0 };
  const other = speaker(world.loop, world.transport(), config(65002, 65001, listener.local, { local }));
  other.session.start();
  await until(() => good.session.state === 'Established', { what: 'the good session' });
  return { good, stranger, port: listener.local.port };
}

const GARBAGE: readonly [string, Uint8Array, Uint8Array][] = [
  ['an HTTP request', Buffer.from('GET / HTTP/1.1\r\nHost: example\r\n\r\n'), encodeNotification(peerError(1, 1))],
  ['a length of 18', badHeader(18, 1), encodeNotification(peerError(1, 2, Uint8Array.of(0, 18)))],
  ['a length of 4097', badHeader(4097, 2), encodeNotification(peerError(1, 2, Uint8Array.of(16, 1)))],
  ['a message of type 77', badHeader(19, 77), encodeNotification(peerError(1, 3, Uint8Array.of(77)))],
  ['a KEEPALIVE before OPEN', KEEPALIVE, encodeNotification(peerError(5, 1))],
  ['an OPEN of BGP-3', badVersion(), encodeNotification(peerError(2, 1, Uint8Array.of(0, 4)))],
  [
    'the wrong AS',
    encodeOpen({ as2: 65010, holdTimeS: 90, routerId: 9, capabilities: [] }),
    encodeNotification(peerError(2, 2, Uint8Array.of(65010 >>> 8, 65010 & 255))),
  ],
  [
    'identifier 0.0.0.0',
    encodeOpen({ as2: 65009, holdTimeS: 90, routerId: 0, capabilities: [] }),
    encodeNotification(peerError(2, 3, new Uint8Array(4))),
  ],
  [
    'a hold time of 2',
    encodeOpen({ as2: 65009, holdTimeS: 2, routerId: 9, capabilities: [] }),
    encodeNotification(peerError(2, 6, Uint8Array.of(0, 2))),
  ],
  ['an UPDATE after OPEN', Buffer.concat([PEER_OPEN, fakeUpdate(23)]), encodeNotification(peerError(5, 2))],
  ['a second OPEN', Buffer.concat([PEER_OPEN, KEEPALIVE, PEER_OPEN]), encodeNotification(peerError(5, 3))],
];

function badHeader(length: number, type: number): Uint8Array {
  const bytes = KEEPALIVE.slice();
  bytes[16] = length >>> 8;
  bytes[17] = length;
  bytes[18] = type;
  return bytes;
}

function badVersion(): Uint8Array {
  const bytes = PEER_OPEN.slice();
  bytes[19] = 3;
  return bytes;
}

void test('a peer that sends garbage gets the right NOTIFICATION and disturbs nobody else', async () => {
  const { good, stranger, port } = await withStranger();
  for (const [what, bytes, notification] of GARBAGE) {
    await until(() => stranger.session.state === 'Active', { what: `readiness for ${what}`, everyMs: 5 });
    const { socket, received } = rawPeer(port);
    let closed = false;
    socket.on('close', () => (closed = true));
    socket.on('end', () => (closed = true));
    socket.write(bytes);
    await until(() => closed, { what: () => `the end after ${what}; got ${received().toString('hex')}`, everyMs: 5 });
    const tail = received().subarray(-notification.length);
    assert.equal(tail.toString('hex'), Buffer.from(notification).toString('hex'), what);
    // Fresh: its pause after failures would double and double.
    stranger.session.reconfigure(stranger.session.config);
  }
  assert.deepEqual(good.events, ['up']);
  assert.equal(good.session.state, 'Established');
});

void test('messages are cut right wherever TCP cuts the stream', async () => {
  const { stranger, port } = await withStranger();
  const { socket } = rawPeer(port);
  socket.setNoDelay(true);
  const updates = Buffer.concat([23, 64, 4096, 150].map(fakeUpdate));
  const stream = Buffer.concat([PEER_OPEN, KEEPALIVE, updates]);
  for (let at = 0; at < stream.length; ) {
    const size = at < 120 ? 1 : 17 + (at % 300);
    await new Promise(resolve => socket.write(stream.subarray(at, at + size), resolve));
    at += size;
  }
  await until(() => stranger.updates === 4, { what: () => `four UPDATEs, saw ${stranger.updates}` });
  assert.equal(stranger.updateBytes, updates.length - 4 * 19);
});

void test('a NOTIFICATION of the peer ends the session, with its reason', async () => {
  const [a, b] = await pair();
  b.session.stop({ text: 'maintenance' });
  await until(() => a.downs.length === 1, { what: 'the end' });
  const reason = a.downs[0]!;
  assert.ok(reason.kind === 'notification-received');
  assert.deepEqual([reason.error.code, reason.error.subcode], [6, 2]);
  assert.equal(Buffer.from(reason.error.data).toString('latin1'), '\x0bmaintenance');
  assert.equal(b.downs[0]!.kind, 'notification-sent');
  assert.equal(b.session.state, 'Idle');
});

void test('an UPDATE that the owner refuses ends the session with the answer it gave', async () => {
  const [a, b] = await pair();
  a.answer = peerError(3, 1, Uint8Array.of(1, 2));
  const update = fakeUpdate(23);
  b.session.send(update, 0, update.length);
  await until(() => b.downs.length === 1, { what: 'the end' });
  const reason = b.downs[0]!;
  assert.ok(reason.kind === 'notification-received');
  assert.deepEqual(reason.error, peerError(3, 1, Uint8Array.of(1, 2)));
  // And both come back by themselves.
  await until(() => a.ups.length === 2 && b.ups.length === 2, { what: 'the next session' });
  assert.equal(a.session.stats().connectionsDropped, 1);
});

void test('both may open at once: one connection survives', async () => {
  const first = world.transport();
  const second = world.transport();
  let a: Recorder | undefined;
  let b: Recorder | undefined;
  const aListener = await world.listen(first, connection => a!.session.accept(connection));
  const bListener = await world.listen(second, connection => b!.session.accept(connection));
  a = speaker(world.loop, first, config(65001, 65002, bListener.local));
  b = speaker(world.loop, second, config(65002, 65001, aListener.local));
  a.session.start();
  b.session.start();
  await until(() => a.session.state === 'Established' && b.session.state === 'Established', { what: 'the session' });
  const update = fakeUpdate(30);
  await until(() => a.session.send(update, 0, 30) && b.updates > 0, { what: 'traffic' });
  assert.notEqual(a.session.negotiated!.outgoing, b.session.negotiated!.outgoing, 'both kept the same connection');
});

void test('a sender that is faster than its peer is told to wait, and when to go on', async () => {
  const [a, b] = await pair();
  const update = fakeUpdate(4096);
  let sent = 0;
  const fill = (): void => {
    while (sent < 5000 && b.session.send(update, 0, update.length)) sent++;
  };
  fill();
  assert.ok(sent < 5000, 'the queue is bounded');
  await until(
    () => {
      if (b.writables > 0) {
        b.writables = 0;
        fill();
      }
      return a.updates === 5000;
    },
    { what: () => `5000 UPDATEs, saw ${a.updates}, sent ${sent}`, everyMs: 1 },
  );
  assert.equal(a.session.stats().received.updates, 5000);
  assert.equal(b.session.stats().sent.updates, 5000);
});

void test('while UPDATEs are paused TCP holds the sender, urgent messages pass, and nothing is lost', async () => {
  const transport = world.transport();
  const a = speaker(world.loop, transport, config(65001, 65002, LOOPBACK, { passive: true }));
  const listener = await world.listen(transport, connection => a.session.accept(connection));
  const b = speaker(world.loop, world.transport(), config(65002, 65001, listener.local));
  a.session.start();
  b.session.start();
  await until(() => a.ups.length === 1 && b.ups.length === 1, { what: 'the session' });
  transport.pauseUpdates();
  const update = fakeUpdate(65_000);
  let sent = 0;
  let idleTurns = 0;
  await until(
    () => {
      const before = sent;
      while (sent < 2000 && b.session.send(update, 0, update.length)) sent++;
      idleTurns = sent === before ? idleTurns + 1 : 0;
      return idleTurns > 50;
    },
    { what: 'TCP to push back', everyMs: 2 },
  );
  assert.ok(sent < 2000, 'less than 130 MB went out');
  assert.equal(a.updates, 0);
  transport.resumeUpdates();
  await until(() => a.updates === sent, { what: () => `${sent} UPDATEs, saw ${a.updates}` });
  b.session.stop();
  await until(() => a.downs.length === 1, { what: 'the NOTIFICATION' });
});

/** The messages in a stream of bytes, by type; it must be whole messages to its end. */
function typesIn(stream: Buffer): number[] {
  const types: number[] = [];
  let at = 0;
  for (let length = 0; at < stream.length; at += length) {
    length = checkHeader(stream, at, 65535);
    assert.ok(length > 0 && at + length <= stream.length, `no message at byte ${at} of ${stream.length}`);
    types.push(stream[at + 18]!);
  }
  return types;
}

/** A raw peer whose session is up, that stops to read, and is sent as much as anything takes. */
async function deafPeer(
  more: Partial<SessionConfig>,
  transport: Transport = world.transport(),
): Promise<{
  speaker: Recorder;
  socket: Socket;
  received: () => Buffer;
  ended: () => boolean;
}> {
  const a = speaker(world.loop, transport, config(65001, 65009, LOOPBACK, { passive: true, ...more }));
  const listener = await world.listen(transport, connection => a.session.accept(connection));
  a.session.start();
  const { socket, received } = rawPeer(listener.local.port);
  let ended = false;
  socket.on('end', () => (ended = true));
  socket.write(Buffer.concat([PEER_OPEN, KEEPALIVE]));
  await until(() => a.ups.length === 1 && received().length > 0, { what: 'the session' });
  socket.pause();
  let idleTurns = 0;
  const update = fakeUpdate(4001);
  await until(
    () => {
      let sent = 0;
      while (a.session.send(update, 0, update.length)) sent++;
      idleTurns = sent === 0 ? idleTurns + 1 : 0;
      return idleTurns > 50;
    },
    { what: 'TCP to push back', everyMs: 2 },
  );
  return { speaker: a, socket, received, ended: () => ended };
}

void test('a NOTIFICATION does not wait behind UPDATEs: what is queued behind the message under way is not sent', async () => {
  const { speaker: a, socket, received, ended } = await deafPeer({});
  const queued = a.session.stats().outQueueBytes;
  assert.ok(queued > 200_000, `${queued} bytes wait`);
  const { updates } = a.session.stats().sent;
  a.session.stop({ text: 'enough' });
  await until(() => a.session.state === 'Idle', { what: 'the end' });
  socket.resume();
  await until(ended, { what: 'the end of the stream' });
  const types = typesIn(received());
  const heard = types.filter(type => type === 2).length;
  // All but what was queued and not begun.
  assert.equal(updates - heard, Math.floor(queued / 4001));
  assert.deepEqual(types.slice(-1), [3]);
  assert.ok(received().toString('latin1').endsWith('\x06\x02\x06enough'));
});

void test('a peer that reads nothing is given up after the send hold time, and finds out why when it reads again', async () => {
  const channels = createBgpChannels();
  const io = new IoLoop(world.loop, channels);
  // KEEPALIVEs as bgp-ka sends them, which finds no room either.
  const keeper = new Keeper(channels, () => 0);
  const beat = world.loop.timer('keeper', () => {
    keeper.turn(1000);
    beat.start(50);
  });
  beat.start(50);
  world.onClose(() => {
    io.close();
    closeBgpChannels(channels);
  });
  const transport = createTransport(world.loop, channels);
  const startMs = performance.now();
  const {
    speaker: a,
    socket,
    received,
    ended,
  } = await deafPeer({ sendHoldS: 3, holdTimeS: 3, keepaliveS: 1 }, transport);
  // It is alive, as far as what it says goes.
  const alive = setInterval(() => socket.write(KEEPALIVE), 300);
  world.onClose(() => clearInterval(alive));
  await until(() => a.downs.length > 0, { what: 'the end', timeoutMs: 10_000 });
  assert.ok(performance.now() - startMs > 3000, 'not before the time');
  assert.deepEqual(a.downs[0], { kind: 'notification-sent', error: peerError(8, 0) });
  assert.equal(channelTables(channels)['keepalives']!['leftToIo']! > 0, true, 'KEEPALIVEs waited too');
  socket.resume();
  await until(ended, { what: 'the end of the stream' });
  assert.deepEqual(typesIn(received()).slice(-1), [3]);
  assert.equal(received().subarray(-2).toString('hex'), '0800');
});

void test('a peer that reads slowly, but reads, is not given up', async () => {
  const { speaker: a, socket, received } = await deafPeer({ sendHoldS: 1, holdTimeS: 30 });
  const alive = setInterval(() => {
    const before = received().length;
    socket.resume();
    setTimeout(() => socket.pause(), 20);
    if (received().length > before) socket.write(KEEPALIVE);
  }, 250);
  world.onClose(() => clearInterval(alive));
  const update = fakeUpdate(4001);
  const startMs = performance.now();
  await until(
    () => {
      while (a.session.send(update, 0, update.length));
      return performance.now() - startMs > 4000;
    },
    { what: 'four send hold times', timeoutMs: 10_000, everyMs: 5 },
  );
  assert.deepEqual(a.events, ['up']);
});

void test('a connection that cannot be made is tried again', async () => {
  const probe = createServer();
  await new Promise<void>(resolve => probe.listen(0, '127.0.0.1', resolve));
  const { port } = probe.address() as AddressInfo;
  await new Promise(resolve => probe.close(resolve)); // a port where nobody listens
  const b = speaker(world.loop, world.transport(), config(65002, 65001, { ...LOOPBACK, port }));
  b.session.start();
  await until(() => b.session.stats().nextConnectMs !== undefined && b.session.state === 'Idle', { what: 'a failure' });
  const transport = world.transport();
  const a = speaker(world.loop, transport, config(65001, 65002, LOOPBACK, { passive: true }));
  await world.listen(transport, connection => a.session.accept(connection), port);
  a.session.start();
  await until(() => b.session.state === 'Established', { what: 'the session' });
});

void test('a raw stream carries bytes both ways, with bounded queues', async () => {
  const directory = temporaryDirectory();
  const path = `${directory}/zserv.sock`;
  const server = createServer(socket => socket.pipe(socket)); // an echo
  await new Promise<void>(resolve => server.listen(path, resolve));
  const events: string[] = [];
  let received = 0;
  let wrong = 0;
  let sent = 0;
  const total = 4_000_000;
  const chunk = Uint8Array.from({ length: 40_000 }, (_, i) => i % 251);
  const stream = world.transport().connectUnix(path, {
    connected: () => events.push('connected'),
    failed: failure => events.push(failure.code),
    closed: () => events.push('closed'),
    writable: () => fill(),
    readable() {
      const { input } = stream;
      while (input.peek()) {
        for (let i = 0; i < input.size; i++) {
          if (input.bytes[input.offset + i] !== ((received + i) % 40_000) % 251) wrong++;
        }
        received += input.size;
        input.consume(input.size);
      }
      return false;
    },
  });
  const fill = (): void => {
    while (sent < total) {
      if (!stream.write(chunk, 0, chunk.length)) {
        stream.wantWritable();
        return;
      }
      sent += chunk.length;
    }
  };
  await until(() => events.length > 0, { what: 'the connection' });
  assert.deepEqual(events, ['connected']);
  fill();
  await until(() => received === total, { what: () => `${total} bytes, saw ${received}`, timeoutMs: 5000 });
  assert.equal(wrong, 0);
  stream.close();
  await new Promise(resolve => server.close(resolve));
  await rm(directory, { recursive: true });
});

test('a pair: what one end sends the other gets, and the close of one is told to the other', async () => {
  const transport = world.transport();
  const name = (last: number): SocketAddress => ({
    family: 2,
    words: [0x0a000000 + last, 0, 0, 0],
    port: 179,
    scopeId: 0,
  });
  const told: string[] = [];
  const events = (who: string): Connection['events'] => ({
    connected: () => told.push(`${who} connected`),
    failed: ({ code }) => told.push(`${who} failed ${code}`),
    message: type => told.push(`${who} got ${type}`),
    headerError: () => told.push(`${who} header`),
    closed: () => told.push(`${who} closed`),
    writable: () => {},
    probed: () => {},
  });
  let far: Connection | undefined;
  const near = transport.connectPair(name(1), name(2), connection => {
    far = connection;
    connection.events = events('far');
  });
  near.events = events('near');
  await until(() => far !== undefined && told.includes('near connected'), { what: 'both ends' });
  assert.deepEqual([near.local, near.remote, far!.local, far!.remote], [name(1), name(2), name(2), name(1)]);
  near.send(KEEPALIVE, 0, KEEPALIVE.length);
  far!.send(KEEPALIVE, 0, KEEPALIVE.length);
  await until(() => told.includes('near got 4') && told.includes('far got 4'), { what: 'a message each way' });
  near.close();
  await until(() => told.includes('far closed'), { what: 'the other end to hear of it' });
});

// Limits in messages.

const limits = (more: Partial<MessageLimits>): MessageLimits => ({ ...NO_LIMITS, ...more });

/** Changes the limits of a session that is up, and stays so. */
function limit({ session }: Recorder, more: Partial<MessageLimits>): void {
  session.reconfigure({ ...session.config, limits: limits(more) });
}

interface PlainPeer {
  /** Our side of it. */
  readonly recorder: Recorder;
  readonly socket: Socket;
  /** The messages it got, by type. */
  readonly types: () => number[];
}

/** Neighbours of one speaker that are plain sockets, each at an address of its own; their sessions are up. */
async function plainPeers(
  count: number,
  transport: Transport,
  more: Partial<MessageLimits> = {},
): Promise<PlainPeer[]> {
  const recorders = Array.from({ length: count }, (_, i) => {
    const remote: SocketAddress = { ...LOOPBACK, words: [0x7f000002 + i, 0, 0, 0] };
    const one = speaker(world.loop, transport, config(65001, 65009, remote, { passive: true, limits: limits(more) }));
    one.session.start();
    return one;
  });
  const listener = await world.listen(transport, connection => {
    recorders[connection.remote.words[0] - 0x7f000002]!.session.accept(connection);
  });
  const peers = recorders.map((recorder, i) => {
    const { socket, received } = rawPeer(listener.local.port, `127.0.0.${2 + i}`);
    socket.write(Buffer.concat([PEER_OPEN, KEEPALIVE]));
    return { recorder, socket, types: () => typesIn(received()) };
  });
  await until(() => recorders.every(({ session }) => session.state === 'Established'), { what: 'the sessions' });
  return peers;
}

/** UPDATEs that tell their number. */
function numbered(count: number, length: number, from = 0): Uint8Array {
  const all = new Uint8Array(count * length);
  for (let i = 0; i < count; i++) {
    const update = fakeUpdate(length);
    new DataView(update.buffer).setUint32(19, from + i);
    all.set(update, i * length);
  }
  return all;
}

/** The numbers of the UPDATEs that an owner takes. */
function numbersOf(recorder: Recorder): number[] {
  const numbers: number[] = [];
  recorder.onUpdate = (bytes, offset) =>
    numbers.push(new DataView(bytes.buffer, bytes.byteOffset + offset).getUint32(0));
  return numbers;
}

const upTo = (count: number): number[] => Array.from({ length: count }, (_, i) => i);

void test('read-quanta: a neighbour that floods leaves the others their turns', async () => {
  const peers = await plainPeers(2, world.transport());
  const [flood, other] = peers as [PlainPeer, PlainPeer];
  let turns: PlainPeer[] = [];
  for (const peer of peers) peer.recorder.onUpdate = () => turns.push(peer);
  /** Messages of the flood between two of the other's, at most and in all. */
  const flooded = async (): Promise<{ most: number; all: number }> => {
    turns = [];
    flood.socket.write(numbered(2000, 23));
    other.socket.write(numbered(100, 23));
    await until(() => turns.length === 2100, { what: () => `2100 UPDATEs, saw ${turns.length}` });
    const middle = turns.slice(turns.indexOf(other), turns.lastIndexOf(other));
    let most = 0;
    let run = 0;
    for (const peer of middle) most = Math.max(most, (run = peer === flood ? run + 1 : 0));
    return { most, all: middle.filter(peer => peer === flood).length };
  };
  for (const readQuanta of [1, 3]) {
    for (const { recorder } of peers) limit(recorder, { readQuanta });
    await until(() => flood.recorder.session.config.limits?.readQuanta === readQuanta, { what: 'the limit' });
    const { most, all } = await flooded();
    // Who is first of the two in a turn is the kernel's choice.
    assert.ok(most <= 2 * readQuanta, `${most} at once`);
    assert.ok(all >= 90 && all <= 110, `${all} of the flood meanwhile`);
  }
  for (const { recorder } of peers) limit(recorder, {});
  await until(() => flood.recorder.session.config.limits?.readQuanta === 0, { what: 'the limit to go' });
  const { all } = await flooded();
  assert.equal(all, 0, 'each is read at once');
  for (const { recorder } of peers) assert.deepEqual(recorder.events, ['up']);
});

void test('write-quanta: a neighbour with much to be told leaves the others their turns', async () => {
  const peers = await plainPeers(2, world.transport(), { writeQuanta: 1 });
  const [much, little] = peers as [PlainPeer, PlainPeer];
  const updates = (peer: PlainPeer): number => peer.types().filter(type => type === 2).length;
  let total = 0;
  /** How many of 3000 one has been told when the other has been told all of 100, and in how many pieces it got all. */
  const told = async (): Promise<{ meanwhile: number; pieces: number }> => {
    const before = [updates(much), updates(little)] as const;
    let meanwhile = -1;
    let pieces = 0;
    const count = (): number => pieces++;
    const look = (): void => {
      if (meanwhile < 0 && updates(little) === before[1] + 100) meanwhile = updates(much) - before[0];
    };
    little.socket.on('data', look);
    much.socket.on('data', count);
    assert.ok(much.recorder.session.send(numbered(3000, 23), 0, 3000 * 23));
    assert.ok(little.recorder.session.send(numbered(100, 23), 0, 100 * 23));
    total += 3000;
    await until(() => updates(much) === total && meanwhile >= 0, { what: () => `${total}, saw ${updates(much)}` });
    little.socket.off('data', look);
    much.socket.off('data', count);
    return { meanwhile, pieces };
  };
  const one = await told();
  assert.ok(one.meanwhile >= 80 && one.meanwhile <= 130, `${one.meanwhile} with one a turn`);
  assert.ok(one.pieces > 2000, `in ${one.pieces} pieces`);
  for (const peer of peers) limit(peer.recorder, { writeQuanta: peer === much ? 4 : 1 });
  await until(() => much.recorder.session.config.limits?.writeQuanta === 4, { what: 'the limit' });
  const four = await told();
  assert.ok(four.meanwhile >= 350 && four.meanwhile <= 500, `${four.meanwhile} with four a turn`);
  assert.ok(four.pieces > 500 && four.pieces < 1000, `in ${four.pieces} pieces`);
  for (const { recorder } of peers) limit(recorder, {});
  await until(() => much.recorder.session.config.limits?.writeQuanta === 0, { what: 'the limit to go' });
  const unlimited = (await told()).meanwhile;
  assert.ok(unlimited === 0 || unlimited === 3000, `${unlimited} at once`);
  for (const { recorder } of peers) assert.deepEqual(recorder.events, ['up']);
});

void test('where messages end is known before they go out, however the ring cuts them', () => {
  fc.assert(
    fc.property(
      fc.array(fc.integer({ min: 19, max: 400 }), { minLength: 1, maxLength: 12 }),
      fc.array(fc.integer({ min: 1, max: 90 }), { minLength: 1 }),
      fc.integer({ min: 1, max: 4 }),
      (lengths, pieces, messages) => {
        const stream = Buffer.concat(lengths.map(length => fakeUpdate(length)));
        const ends = lengths.map((_, i) => lengths.slice(0, i + 1).reduce((sum, length) => sum + length, 0));
        const tracker = new MessageTracker();
        for (let at = 0, i = 0; at < stream.length; i++) {
          const size = Math.min(pieces[i % pieces.length]!, stream.length - at);
          const last = ends.filter(end => end > at)[messages - 1] ?? Infinity;
          // Of a message whose length lies behind the piece, nobody knows where it ends.
          const reach = tracker.reach(stream, at, size, messages);
          assert.equal(reach, Math.min(size, last - at), `${messages} from ${at}, ${size} bytes`);
          tracker.advance(stream, at, reach);
          at += reach;
          assert.equal(tracker.updates, ends.filter(end => end <= at).length);
        }
      },
    ),
  );
});

/** What of `updates` bgp has not taken, and the connections that are not read for it. */
function input(channels: BgpChannels): { bytes: number; notRead: number } {
  const tables = channelTables(channels);
  return { bytes: tables['ring updates']!['length']!, notRead: tables['connections']!['notRead']! };
}

void test('input-queue-limit: with so many messages not taken TCP holds the neighbour, and nothing is lost', async () => {
  const channels = createBgpChannels();
  const transport = world.transport(channels);
  const [peer] = (await plainPeers(1, transport, { inputQueue: 10 })) as [PlainPeer];
  const { recorder, socket } = peer;
  const numbers = numbersOf(recorder);
  transport.pauseUpdates();
  const length = 3000;
  const queued = (): number => Math.floor(input(channels).bytes / length);
  const before = recorder.session.stats().received.keepalives;
  // A KEEPALIVE behind the tenth does not count.
  socket.write(Buffer.concat([numbered(10, length), KEEPALIVE, numbered(3000, length, 10)]));
  const held = (count: number): Promise<unknown> =>
    until(() => queued() === count && input(channels).notRead === 1, { what: () => `${count}, saw ${queued()}` });
  await held(10);
  assert.equal(recorder.session.stats().received.keepalives, before + 1);
  assert.ok(socket.writableLength > 0, 'TCP holds it');
  // Other limits hold at once: more, fewer (nothing is read), only the one in bytes.
  limit(recorder, { inputQueue: 25 });
  await held(25);
  limit(recorder, { inputQueue: 5, readQuanta: 2 });
  const { onUpdate } = recorder;
  recorder.onUpdate = (bytes, offset, size) => {
    onUpdate!(bytes, offset, size);
    if (numbers.length === 100) transport.pauseUpdates();
  };
  transport.resumeUpdates();
  await until(() => numbers.length >= 100, { what: 'those that waited, and more' });
  await held(5);
  limit(recorder, {});
  await until(() => input(channels).bytes > 250_000, { what: () => `many, saw ${queued()}` });
  limit(recorder, { inputQueue: 1 });
  transport.resumeUpdates();
  await until(() => numbers.length === 3010, { what: () => `3010 UPDATEs, saw ${numbers.length}`, everyMs: 1 });
  assert.deepEqual(numbers, upTo(3010));
  assert.equal(input(channels).notRead, 0);
  assert.deepEqual(recorder.events, ['up']);
});

void test('output-queue-limit: with so many UPDATEs waiting there is no room, and it is said when there is again', async () => {
  const [peer] = (await plainPeers(1, world.transport(), { outputQueue: 10 })) as [PlainPeer];
  const { recorder, socket, types } = peer;
  const { session } = recorder;
  socket.pause();
  const length = 4001;
  const update = fakeUpdate(length);
  let sent = 0;
  const fill = (most = Infinity): number => {
    const before = sent;
    while (sent - before < most && session.send(update, 0, length)) sent++;
    return sent - before;
  };
  const waiting = (): number => Math.ceil(session.stats().outQueueBytes / length);
  assert.equal(fill(), 10, 'in one turn');
  await until(() => recorder.writables > 0, { what: 'room' });
  /** It takes nothing any more, and nobody says so. */
  const stuck = (outputQueue: number): Promise<unknown> => {
    let idleTurns = 0;
    return until(
      () => {
        // The socket is tried at each change of limits, or it would be when TCP has much room again.
        limit(recorder, { outputQueue });
        idleTurns = fill() === 0 && recorder.writables === 0 ? idleTurns + 1 : 0;
        recorder.writables = 0;
        return idleTurns > 50;
      },
      { what: 'TCP to push back', everyMs: 2 },
    );
  };
  await stuck(10);
  assert.equal(waiting(), 10);
  assert.equal(session.hasRoom(1), false);
  // A higher limit, while it takes nothing, is room.
  limit(recorder, { outputQueue: 30 });
  await until(() => recorder.writables === 1, { what: 'room for more' });
  fill();
  assert.equal(waiting(), 30);
  // None is room for as many as there are bytes for, and a lower one waits for less.
  recorder.writables = 0;
  limit(recorder, {});
  await until(() => recorder.writables === 1, { what: 'room for all' });
  await stuck(0);
  assert.ok(waiting() > 60, `${waiting()} wait`);
  limit(recorder, { outputQueue: 1 });
  await until(() => !session.hasRoom(length), { what: 'no room' });
  recorder.writables = 0;
  socket.resume();
  await until(() => recorder.writables === 1, { what: 'room again' });
  assert.equal(session.stats().outQueueBytes, 0);
  await until(
    () => {
      if (sent < 1000) fill(1000 - sent);
      return types().filter(type => type === 2).length === sent && sent >= 1000;
    },
    { what: () => `all of ${sent}, saw ${types().length}`, everyMs: 1 },
  );
  assert.deepEqual(recorder.events, ['up']);
});

void test('limits hold from the first UPDATE on, of a connection of ours and of the next one', async () => {
  const channels = createBgpChannels();
  const transport = world.transport(channels);
  let far: Recorder | undefined;
  const listener = await world.listen(world.transport(), connection => far!.session.accept(connection));
  far = speaker(world.loop, world.transport(), config(65001, 65002, LOOPBACK, { passive: true }));
  const own = limits({ inputQueue: 4, outputQueue: 3 });
  const near = speaker(world.loop, transport, config(65002, 65001, listener.local, { limits: own }));
  const update = fakeUpdate(3000);
  for (const round of [1, 2, 3]) {
    far.session.start();
    near.session.start();
    await until(() => near.ups.length === round && far.ups.length === round, { what: 'the session' });
    transport.pauseUpdates();
    for (let i = 0; i < 20; i++) assert.ok(far.session.send(update, 0, update.length));
    await until(() => input(channels).notRead === 1, { what: 'TCP to hold it' });
    assert.equal(Math.floor(input(channels).bytes / 3000), 4);
    let sent = 0;
    while (near.session.send(update, 0, update.length)) sent++;
    assert.equal(sent, 3);
    transport.resumeUpdates();
    await until(() => near.updates === 20 * round && far.updates === 3 * round, { what: 'all of it' });
    near.session.stop();
    await until(() => near.downs.length === round && far.downs.length === round, { what: 'the end' });
  }
});

void test('what is no UPDATE waits for no limit, nor counts', async () => {
  const transport = world.transport();
  const got: number[] = [];
  let writable = 0;
  const events = (take: (type: number) => void): Connection['events'] => ({
    connected: () => {},
    failed: failure => assert.fail(failure.code),
    message: take,
    headerError: () => assert.fail('header'),
    closed: () => {},
    writable: () => writable++,
    probed: () => {},
  });
  const near = transport.connectPair(LOOPBACK, LOOPBACK, far => (far.events = events(type => got.push(type))));
  near.setOptions({ limits: limits({ outputQueue: 2 }) });
  let up = false;
  near.events = { ...events(() => {}), connected: () => (up = true) };
  await until(() => up, { what: 'the pair' });
  const send = (bytes: Uint8Array): boolean => near.send(bytes, 0, bytes.length);
  const three = numbered(3, 23);
  assert.equal(send(three), false, 'all or nothing');
  assert.ok(send(PEER_OPEN) && send(fakeUpdate(23)) && near.room() > 0 && send(fakeUpdate(23)));
  assert.ok(!send(fakeUpdate(23)) && near.room() === 0 && send(KEEPALIVE));
  near.wantWritable();
  await until(() => writable === 1 && got.length === 4, { what: 'all of it' });
  near.setOptions({ limits: NO_LIMITS });
  assert.ok(send(three) && send(three));
  await until(() => got.length === 10, { what: 'the rest' });
  // A KEEPALIVE overtakes.
  assert.deepEqual(
    got.toSorted((a, b) => a - b),
    [1, 2, 2, 2, 2, 2, 2, 2, 2, 4],
  );
});

void test('the lines for limits change what sessions do that are up, and leave them so', async () => {
  const port = 20_000 + (process.pid % 20_000);
  const routers = [
    { router: new Router('near', port), as: 1, peer: '127.0.0.3' },
    { router: new Router('far', 0), as: 2, peer: '127.0.0.2' },
  ] as const;
  for (const { router, as, peer } of routers) {
    world.onClose(() => router.close());
    const how = as === 1 ? 'passive' : `port ${port}\n neighbor ${peer} update-source 127.0.0.3`;
    router.config(
      `router bgp ${as}\n bgp router-id ${as}.0.0.1\n no bgp ebgp-requires-policy\n no bgp network import-check\n` +
        ` neighbor ${peer} remote-as ${3 - as}\n neighbor ${peer} timers connect 1\n neighbor ${peer} ${how}\nexit\n`,
    );
  }
  const far = routers[1].router;
  const sessions = (): (Session | undefined)[] =>
    routers.map(({ router, peer }) => router.bgp.instance().peers.get(peer)?.session);
  const lines = ['bgp input-queue-limit 1', 'bgp output-queue-limit 2', 'read-quanta 3', 'write-quanta 4'];
  const all: MessageLimits = { inputQueue: 1, outputQueue: 2, readQuanta: 3, writeQuanta: 4 };
  for (const [net, no, expected] of [
    [10, '', all],
    [11, 'no ', NO_LIMITS],
  ] as const) {
    // End-of-RIB has come, too.
    await until(() => sessions().every(session => (session?.stats().received.updates ?? 0) > 0), {
      what: 'the session',
    });
    for (const { router, as } of routers) {
      for (const line of lines) router.type(...(line.includes('quanta') ? [`router bgp ${as}`] : []), `${no}${line}`);
    }
    // A message for each, as each has another metric.
    const got = (): number => sessions()[0]!.stats().received.updates;
    const before = got();
    for (let i = 0; i < 50; i++) {
      far.type(`route-map M${net}-${i} permit 1`, `set metric ${i}`);
      far.type('router bgp 2', 'address-family ipv4 unicast', `network ${net}.0.${i}.0/24 route-map M${net}-${i}`);
    }
    await until(() => got() >= before + 50, { what: () => `50 UPDATEs, saw ${got() - before}` });
    assert.deepEqual(
      sessions().map(session => session?.config.limits),
      [expected, expected],
    );
  }
  for (const session of sessions()) assert.equal(session?.stats().connectionsDropped, 0);
});
