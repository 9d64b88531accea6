// Sessions over real sockets on loopback. bgp, bgp-io and bgp-ka of a speaker run in this one thread, except where a test
// says otherwise: their loops only meet through shared memory, so it makes no difference to them.
import assert from 'node:assert/strict';
import { connect as netConnect, type Socket } from 'node:net';
import { afterEach, test } from 'node:test';
import { closeBgpChannels, createBgpChannels } from '../../src/bgp/io/channels.ts';
import { IoLoop } from '../../src/bgp/io/io-loop.ts';
import { createTransport } from '../../src/bgp/io/transport.ts';
import type { Connection, Listener, SocketAddress, Transport } from '../../src/bgp/io/types.ts';
import type { SessionConfig } from '../../src/bgp/session/types.ts';
import { encodeMessage, encodeNotification, KEEPALIVE } from '../../src/bgp/wire/message.ts';
import { encodeOpen } from '../../src/bgp/wire/open.ts';
import { peerError } from '../../src/bgp/wire/notification.ts';
import { TaskLoop } from '../../src/concurrency/index.ts';
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
  socket.on('data', chunk => chunks.push(chunk));
  socket.on('error', () => {});
  world.onClose(() => socket.destroy());
  return { socket, received: () => Buffer.concat(chunks) };
}

test('two speakers establish a session over TCP and pass UPDATEs in order', async () => {
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
