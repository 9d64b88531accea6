// What a peer's socket can be told: MD5 keys, TTL security, its own address, an interface, a link-local neighbour. Two
// namespaces with a veth between them; one transport opens its sockets in either.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { closeBgpChannels, createBgpChannels } from '../../src/bgp/io/channels.ts';
import { IoLoop } from '../../src/bgp/io/io-loop.ts';
import { createTransport } from '../../src/bgp/io/transport.ts';
import type { Connection, ConnectOptions, Listener, SocketAddress, Transport } from '../../src/bgp/io/types.ts';
import { KEEPALIVE } from '../../src/bgp/wire/message.ts';
import { TaskLoop } from '../../src/concurrency/index.ts';
import { parseIp6 } from '../../src/net/index.ts';
import { Lab, type Namespace } from '../lib/netns.ts';
import { until } from '../lib/wait.ts';

const lab = new Lab();
const loop = new TaskLoop('test');
const channels = createBgpChannels();
const io = new IoLoop(loop, channels);
const transport: Transport = createTransport(loop, channels);
let left: Namespace;
let right: Namespace;

const ip4 = (last: number, port = 179): SocketAddress => ({
  family: 2,
  words: [0x0a000000 + last, 0, 0, 0],
  port,
  scopeId: 0,
});
const ip6 = (text: string, scopeId: number, port = 179): SocketAddress => ({
  family: 10,
  words: parseIp6(text)!,
  port,
  scopeId,
});

before(async () => {
  left = await lab.namespace('left');
  right = await lab.namespace('right');
  await lab.link(left, 'eth0', right, 'eth0');
  for (const [namespace, host] of [
    [left, 1],
    [right, 2],
  ] as const) {
    await namespace.run('ip', 'addr', 'add', `10.0.0.${host}/24`, 'dev', 'eth0');
    await namespace.run('ip', 'addr', 'add', `10.0.0.${host + 10}/24`, 'dev', 'eth0');
    await namespace.run('ip', 'addr', 'add', `fe80::${host}/64`, 'dev', 'eth0', 'nodad');
  }
});

after(async () => {
  loop.close();
  io.close();
  closeBgpChannels(channels);
  await lab.close();
});

async function listen(local: SocketAddress, accepted: (connection: Connection) => void): Promise<Listener> {
  let up = false;
  const listener = transport.listen(
    { local, namespace: right.path },
    { listening: () => (up = true), failed: failure => assert.fail(failure.code), accepted },
  );
  await until(() => up, { what: 'the listener' });
  return listener;
}

/** Connects from the left side: 'connected', or the errno's name. */
function connect(options: ConnectOptions): { connection: Connection; outcome: () => string | undefined } {
  let outcome: string | undefined;
  const connection = transport.connect({ ...options, namespace: left.path });
  connection.events = {
    connected: () => (outcome ??= 'connected'),
    failed: failure => (outcome ??= failure.code),
    message() {},
    headerError() {},
    closed() {},
    writable() {},
    probed() {},
  };
  return { connection, outcome: () => outcome };
}

void test('update-source, device and the peer’s address are what the other side sees', async () => {
  let seen: SocketAddress | undefined;
  const listener = await listen(ip4(2), connection => (seen = connection.remote));
  const { connection, outcome } = connect({ remote: ip4(2), local: ip4(11, 0), device: 'eth0', ttl: 1 });
  await until(() => seen, { what: 'the connection' });
  assert.deepEqual(seen!.words, ip4(11).words);
  await until(outcome, { what: 'our side of it' });
  assert.equal(connection.local!.words[0], 0x0a00000b);
  connection.close();
  listener.close();
});

void test('a source address that is not ours is an error with its name', async () => {
  const { outcome } = connect({ remote: ip4(2), local: ip4(77, 0) });
  await until(outcome, { what: 'the failure' });
  assert.equal(outcome(), 'EADDRNOTAVAIL');
  const other = connect({ remote: ip4(2), device: 'eth99' });
  await until(other.outcome, { what: 'the failure' });
  assert.equal(other.outcome(), 'ENODEV');
});

void test('a link-local neighbour is reached through its interface', async () => {
  const [link] = await left.ipJson<{ ifindex: number }[]>('link', 'show', 'eth0');
  let accepted = 0;
  const listener = await listen(ip6('::', 0), () => accepted++);
  const { connection, outcome } = connect({ remote: ip6('fe80::2', link!.ifindex) });
  await until(outcome, { what: 'the connection' });
  assert.equal(outcome(), 'connected');
  assert.equal(connection.remote.scopeId, link!.ifindex);
  assert.deepEqual(connection.local!.words, parseIp6('fe80::1'));
  await until(() => accepted, { what: 'the other side' });
  connection.close();
  listener.close();
});

void test('TCP MD5: equal keys connect, a missing key does not', async () => {
  let accepted = 0;
  const listener = await listen(ip4(2), () => accepted++);
  listener.setMd5Key(ip4(1), 'secret');
  const wrong = connect({ remote: ip4(2), local: ip4(1, 0) });
  const good = connect({ remote: ip4(2), local: ip4(1, 0), md5Key: 'secret' });
  await until(good.outcome, { what: 'the connection with the key' });
  assert.equal(good.outcome(), 'connected');
  assert.equal(wrong.outcome(), undefined, 'the kernel drops its SYN');
  wrong.connection.close();
  good.connection.close();
  listener.close();
});

void test('TTL security: bytes from further away than allowed do not arrive (RFC 5082)', async () => {
  const connections: Connection[] = [];
  let messages = 0;
  const listener = await listen(ip4(2), connection => {
    connection.setOptions({ minTtl: 255, ttl: 255 });
    connection.events = {
      connected() {},
      failed() {},
      message: () => messages++,
      headerError() {},
      closed() {},
      writable() {},
      probed() {},
    };
    connections.push(connection);
  });
  const far = connect({ remote: ip4(2), ttl: 254 });
  const near = connect({ remote: ip4(2), ttl: 255, minTtl: 255 });
  await until(() => connections.length === 2 && near.outcome() && far.outcome(), { what: 'both connections' });
  far.connection.send(KEEPALIVE, 0, 19);
  await until(() => far.connection.queuedBytes === 0, { what: 'the far one to be sent' });
  near.connection.send(KEEPALIVE, 0, 19);
  await until(() => messages > 0, { what: 'the near one' });
  assert.equal(messages, 1);
  for (const connection of [far.connection, near.connection, ...connections]) connection.close();
  listener.close();
});
