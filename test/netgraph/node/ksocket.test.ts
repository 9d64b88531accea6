// ng_ksocket(4), rule by rule, against sockets of Node's own.
import assert from 'node:assert/strict';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { readdirSync } from 'node:fs';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { join } from 'node:path';
import { afterEach, beforeEach, test } from 'node:test';
import { form, type Node, openGraph, sendAscii, socketOf } from '../../../src/netgraph/index.ts';
import { sockaddr } from '../../../src/netgraph/node/lib/sockaddr.ts';
import { Lab } from '../../lib/netns.ts';
import { temporaryDirectory } from '../../lib/temporary.ts';
import { until } from '../../lib/wait.ts';
import { Inline } from '../lib/inline.ts';

let inline: Inline;
beforeEach(async () => {
  inline = await Inline.open();
});
afterEach(() => inline.close());

/** What came, once there is something. */
async function came(count = 1): Promise<string[]> {
  const got: string[] = [];
  await until(
    async () => {
      inline.pass(1);
      got.push(...(await inline.texts()));
      return got.length >= count;
    },
    { what: () => `${count} packets, have ${got.length}` },
  );
  return got;
}

test('a datagram socket: ENOTCONN before connect, then both ways; empty datagrams; errors are counted and spoil nothing', async () => {
  const far = createSocket('udp4');
  far.bind(0, '127.0.0.1');
  await once(far, 'listening');
  const node = inline.make('ksocket', 'inet/dgram/udp');
  const hook = 'inet/dgram/udp';
  inline.write(hook, 'too early');
  assert.equal(node.counts()['drop.notConnected'], 1);
  await inline.refuses(node, 'ENOTCONN', 'getpeername', '', 'not connected');
  await inline.ascii(node, 'bind', 'inet/127.0.0.1');
  await inline.ascii(node, 'connect', `inet/127.0.0.1:${far.address().port}`);
  assert.equal(await inline.ascii(node, 'getpeername'), `inet/127.0.0.1:${far.address().port}`);
  const name = (await inline.ascii(node, 'getname'))!;
  assert.match(name, /^inet\/127\.0\.0\.1:\d+$/);
  const message = once(far, 'message');
  inline.write(hook, 'ping');
  assert.equal(String((await message)[0]), 'ping');
  const port = Number(name.split(':')[1]);
  far.send('pong', port, '127.0.0.1');
  far.send('', port, '127.0.0.1');
  assert.deepEqual(await came(2), [`${hook} pong`, `${hook} `]);
  far.close();
  await once(far, 'close');
  inline.write(hook, 'nobody');
  await until(
    () => {
      inline.pass(1);
      return node.counts()['errors']! > 0;
    },
    { what: 'ECONNREFUSED' },
  );
  const again = createSocket('udp4');
  again.bind(Number((await inline.ascii(node, 'getpeername'))!.split(':')[1]), '127.0.0.1');
  await once(again, 'listening');
  again.send('back', port, '127.0.0.1');
  assert.deepEqual(await came(), [`${hook} back`]);
  again.close();
});

test('a stream connects, and carries more than the socket takes at once, in order; its end is heard', async () => {
  const server = createServer();
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const connection = once(server, 'connection');
  const node = inline.make('ksocket', 'inet/stream/tcp');
  const hook = 'inet/stream/tcp';
  await inline.ascii(node, 'connect', `inet/127.0.0.1:${(server.address() as AddressInfo).port}`);
  const far = (await connection)[0] as Socket;
  let sum = 0;
  let next = 0;
  far.on('data', (data: Buffer) => {
    for (const byte of data) assert.equal(byte, next++ % 251);
    sum += data.length;
  });
  far.pause();
  const total = 8_000_000;
  let offset = 0;
  let kept = 0;
  while (offset < total) {
    const piece = Uint8Array.from({ length: 2000 }, (_, i) => (offset + i) % 251);
    const { 'drop.queueFull': full } = node.counts();
    inline.write(hook, piece);
    if (node.counts()['drop.queueFull']! > full!) {
      // The rest waits until the other side reads.
      kept++;
      far.resume();
      await new Promise(resolve => setImmediate(resolve));
      inline.pass(5);
    } else offset += 2000;
  }
  assert.ok(kept > 0, 'the socket was full');
  await until(
    () => {
      inline.pass(1);
      return sum === total;
    },
    { what: () => `${total} bytes, have ${sum}` },
  );
  far.end('bye');
  assert.deepEqual(await came(), [`${hook} bye`]);
  await until(
    async () => {
      inline.pass(1);
      await inline.came();
      inline.write(hook, 'x');
      return node.counts()['drop.notConnected']! > 0;
    },
    { what: 'the end of the stream' },
  );
  server.close();
});

test('listen and accept: a node for each connection, before it comes or after; refused connections are told', async () => {
  const node = inline.make('ksocket', 'inet6/stream/tcp');
  await inline.refuses(node, 'EINVAL', 'accept', '', 'does not listen');
  await inline.ascii(node, 'bind', 'inet6/[::1]');
  await inline.ascii(node, 'listen', '5');
  const port = Number(/^inet6\/\[::1\]:(\d+)$/.exec((await inline.ascii(node, 'getname'))!)![1]);
  const early = inline.ascii(node, 'accept');
  const clients = [connect(port, '::1'), connect(port, '::1')];
  const accepted = [await early, await inline.ascii(node, 'accept')];
  const nodes = accepted.map(text => {
    const [, id] = /^\{ nodeid=0x([0-9a-f]+) addr=inet6\/\[::1\]:\d+ \}$/.exec(text!)!;
    return inline.graph.node(Number.parseInt(id!, 16))!;
  });
  inline.graph.connect(inline.me, 'first', nodes[0]!, 'any');
  const data = once(clients[0]!, 'data').catch(() => undefined);
  const other = once(clients[1]!, 'data').catch(() => undefined);
  inline.write('first', 'hello');
  assert.equal(String(((await Promise.race([data, other])) as Buffer[])[0]), 'hello');
  assert.throws(() => inline.graph.connect(inline.me, 'again', nodes[0]!, 'other'), { code: 'EISCONN' });
  const waits = assert.rejects(inline.ascii(node, 'accept'), { code: 'ESHUTDOWN' });
  inline.graph.shutdown(node);
  await waits;
  assert.equal(nodes[0]!.state, 'there', 'joined, so it stays');
  assert.equal(nodes[1]!.state, 'gone', 'nobody joined it');
  for (const client of clients) client.destroy();
  const late = inline.make('ksocket', 'inet6/stream/tcp');
  await assert.rejects(inline.ascii(late, 'connect', `inet6/[::1]:${port}`), { code: 'ECONNREFUSED' });
});

test('local sockets by path; options by the numbers of the system', async () => {
  const [a, b] = ['a', 'b'].map(name => join(temporaryDirectory(), name)) as [string, string];
  const one = inline.make('ksocket', 'local/dgram/0');
  const two = inline.graph.create('ksocket');
  inline.graph.connect(inline.me, 'two', two, '1/2/0');
  await inline.ascii(one, 'bind', `local/"${a}"`);
  await inline.ascii(two, 'bind', `local/"${b}"`);
  await inline.ascii(one, 'connect', `local/"${b}"`);
  assert.equal(await inline.ascii(one, 'getpeername'), `local/"${b}"`);
  inline.write('local/dgram/0', 'over there');
  assert.deepEqual(await came(), ['two over there']);
  // SOL_SOCKET, SO_PRIORITY
  await inline.ascii(one, 'setopt', '{ level=1 name=12 value=[ 0x3 0 0 0 ] }');
  assert.equal(
    await inline.ascii(one, 'getopt', '{ level=1 name=12 }'),
    '{ level=1 name=12 value=[ 0x3 0x0 0x0 0x0 ] }',
  );
  await assert.rejects(inline.ascii(one, 'getopt', '{ level=1 name=9999 }'), { name: 'NetgraphError' });
});

test('refused: hooks that name no socket, addresses that are none; a refused hook and a node that ends leave no socket open', async () => {
  const open = (): number => readdirSync('/proc/self/fd').length;
  const before = open();
  const { graph, me } = inline;
  const spare = graph.create('ksocket');
  for (const name of ['inet', 'inet/dgram', 'inet/dgram/udp/x', 'ipx/dgram/0', 'inet/packet/0', 'inet/dgram/quic']) {
    inline.refusesHook(spare, 'EINVAL', name, 'family/type/protocol');
  }
  assert.throws(() => graph.connect(me, 'x', spare, '2/1/17'), { code: 'EPROTONOSUPPORT' });
  await inline.refuses(spare, 'ENXIO', 'bind', 'inet/127.0.0.1', 'no hook');
  assert.throws(
    () =>
      graph.change(() => {
        graph.connect(me, 'x', spare, 'inet/dgram/udp');
        throw new Error('no');
      }),
    /^Error: no$/,
  );
  assert.throws(
    () =>
      graph.change(() => {
        graph.mkpeer(me, 'ksocket', 'y', 'inet/dgram/udp');
        throw new Error('no');
      }),
    /^Error: no$/,
  );
  assert.equal(open(), before);
  const node = inline.make('ksocket', 'inet/dgram/udp');
  assert.equal(open(), before + 1);
  for (const text of ['inet/1.2.3', 'inet/1.2.3.4:70000', 'inet6/[::g]', 'local/x', 'appletalk/1', '']) {
    await assert.rejects(inline.ascii(node, 'bind', text), { code: 'EINVAL' }, text);
  }
  await assert.rejects(inline.ascii(node, 'bind', 'inet/192.0.2.1:1'), { code: 'EADDRNOTAVAIL' });
  assert.throws(
    () =>
      graph.change(() => {
        graph.shutdown(node);
        throw new Error('no');
      }),
    /^Error: no$/,
  );
  await inline.ascii(node, 'bind', 'inet/127.0.0.1');
  graph.rmhook(node.hooks.get('inet/dgram/udp')!);
  assert.equal(node.state, 'gone');
  assert.equal(open(), before);
});

test('socket addresses in binary are FreeBSD’s', () => {
  const hex = (text: string): string => {
    const value = form.parseAscii(sockaddr, text);
    const bytes = form.toBinary(sockaddr, value);
    assert.deepEqual(form.fromBinary(sockaddr, bytes), value);
    assert.equal(form.printAscii(sockaddr, value), text);
    return Buffer.from(bytes).toString('hex');
  };
  assert.equal(hex('inet/192.168.1.1:1234'), '100204d2c0a801010000000000000000');
  assert.equal(hex('inet6/[2001:db8::1]:1234'), '1c1c04d20000000020010db800000000000000000000000100000000');
  assert.equal(hex('local/"/tmp/x"'), '09012f746d702f7800');
});

test('in workers that are in a network namespace, the socket is there too', async () => {
  const lab = new Lab();
  try {
    const space = await lab.namespace('ks');
    const graph = await openGraph({ workers: 1, packets: { perWorker: 64, maxBytes: 1024 }, namespace: space.path });
    try {
      const me = graph.create('socket', 'me');
      const got: string[] = [];
      socketOf(me).onData = (hook, data) => got.push(`${hook} ${Buffer.from(data).toString()}`);
      const nodes: Node[] = ['a', 'b'].map(name => graph.mkpeer(me, 'ksocket', name, 'inet/dgram/udp'));
      await sendAscii(graph, me, 'me:b', 'bind', 'inet/127.0.0.1:7777');
      await sendAscii(graph, me, 'me:a', 'connect', 'inet/127.0.0.1:7777');
      socketOf(me).write('a', Buffer.from('inside'));
      await until(() => got.length === 1, { what: 'the datagram' });
      assert.deepEqual(got, ['b inside']);
      assert.match(await space.run('ss', '-Huan'), /127\.0\.0\.1:7777/);
      graph.shutdown(nodes[1]!);
      await graph.settled();
      await until(async () => !/127\.0\.0\.1:7777 +0\.0/.test(await space.run('ss', '-Huan')), { what: 'it closed' });
    } finally {
      await graph.close();
    }
  } finally {
    await lab.close();
  }
});
