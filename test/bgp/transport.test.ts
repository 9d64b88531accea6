// Sessions over real sockets on loopback. bgp, bgp-io and bgp-ka of a speaker run in this one thread, except where a test
// says otherwise: their loops only meet through shared memory, so it makes no difference to them.
import assert from 'node:assert/strict';
import { rm } from 'node:fs/promises';
import { type AddressInfo, connect as netConnect, createServer, type Socket } from 'node:net';
import { afterEach, test } from 'node:test';
import { channelTables, closeBgpChannels, createBgpChannels } from '../../src/bgp/io/channels.ts';
import { IoLoop } from '../../src/bgp/io/io-loop.ts';
import { createTransport } from '../../src/bgp/io/transport.ts';
import type { Connection, Listener, SocketAddress, Transport } from '../../src/bgp/io/types.ts';
import { Keeper } from '../../src/bgp/keepalive/keeper.ts';
import type { SessionConfig } from '../../src/bgp/session/types.ts';
import { checkHeader, encodeNotification, KEEPALIVE } from '../../src/bgp/wire/message.ts';
import { encodeOpen } from '../../src/bgp/wire/open.ts';
import { peerError } from '../../src/bgp/wire/notification.ts';
import { TaskLoop } from '../../src/concurrency/index.ts';
import { temporaryDirectory } from '../lib/temporary.ts';
import { until } from '../lib/wait.ts';
import { fakeUpdate, IPV4_UNICAST, type Recorder, speaker } from './lib/speaker.ts';

const LOOPBACK: SocketAddress = { family: 2, words: [0x7f000001, 0, 0, 0], port: 0, scopeId: 0 };

class World {
  readonly loop: TaskLoop = new TaskLoop('test');
  readonly #closers: (() => void)[] = [];

  transport(): Transport {
    const channels = createBgpChannels();
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
function rawPeer(port: number): { socket: Socket; received: () => Buffer } {
  const chunks: Buffer[] = [];
  const socket = netConnect({ host: '127.0.0.1', port });
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
