// The graph's rules: what connects, what is refused and by which error, and that a refused change leaves nothing behind.
import assert from 'node:assert/strict';
import { afterEach, beforeEach, test } from 'node:test';
import {
  type Graph,
  InlinePlane,
  type Node,
  NetgraphError,
  openGraph,
  send,
  sendAscii,
  type SocketControl,
  socketOf,
  standardTypes,
} from '../../src/netgraph/index.ts';

let graph: Graph;
let plane: InlinePlane;
let me: Node;
let socket: SocketControl;
let got: string[];

beforeEach(async () => {
  graph = await openGraph({ workers: 0 });
  plane = graph.plane as InlinePlane;
  me = graph.create('socket', 'me');
  socket = socketOf(me);
  got = [];
  socket.onData = (hook, data) => got.push(`${hook} ${Buffer.from(data).toString()}`);
});

afterEach(async () => {
  await graph.close();
  assert.equal(plane.packets.free, plane.packets.size, 'every packet came back');
  assert.equal(plane.memory.inUse, 0, 'all memory came back');
});

/** Hears what was told: it comes in a turn of its own. */
const heard = (): Promise<void> => new Promise(resolve => setImmediate(resolve));

function refuses(code: string, fn: () => unknown): void {
  const before = graph.snapshot();
  assert.throws(fn, (error: unknown) => error instanceof NetgraphError && error.code === code, `expected ${code}`);
  assert.deepEqual(graph.snapshot(), before, 'a refused change leaves nothing behind');
}

test('a hub copies to every hook but the one it came by', async () => {
  const hub = graph.mkpeer(me, 'hub', 'a', '1');
  graph.connect(me, 'b', hub, '2');
  graph.connect(me, 'c', hub, '3');
  socket.write('a', Buffer.from('one'));
  await heard();
  assert.deepEqual(got.sort(), ['b one', 'c one']);
});

test('what connects, and what does not', async () => {
  const hub = graph.mkpeer(me, 'hub', 'a', '1');
  refuses('EEXIST', () => graph.mkpeer(me, 'hub', 'a', '1'));
  refuses('EEXIST', () => graph.connect(me, 'b', hub, '1'));
  refuses('ENXIO', () => graph.mkpeer(me, 'nosuch', 'b', '1'));
  refuses('EINVAL', () => graph.mkpeer(me, 'tee', 'b', 'middle'));
  refuses('EINVAL', () => graph.mkpeer(me, 'hub', 'b.c', '1'));
  refuses('EINVAL', () => graph.mkpeer(me, 'hub', '', '1'));
  refuses('EINVAL', () => graph.mkpeer(me, 'hub', 'x'.repeat(32), '1'));
  refuses('EADDRINUSE', () => graph.rename(hub, 'me'));
  refuses('ENOENT', () => graph.find('nobody:', me));
  refuses('ENOENT', () => graph.find('me:nohook', me));
  graph.rename(hub, 'hub');
  graph.rename(hub, 'hub');
  assert.equal(graph.find('me:a', me).node, hub);
  assert.equal(graph.find('a', me).node, hub);
  assert.equal(graph.find('.:a.1', me).node, me);
  assert.equal(graph.find(`[${hub.id.toString(16)}]:`).node, hub);
  assert.throws(() => socket.write('none', new Uint8Array(60)), { code: 'ENOTCONN' });
  assert.throws(() => socket.write('a', new Uint8Array(5000)), { code: 'EMSGSIZE' });
});

test('a change that is refused at its end is undone from its beginning', () => {
  refuses('EEXIST', () =>
    graph.change(() => {
      const hub = graph.mkpeer(me, 'hub', 'a', '1');
      graph.rename(hub, 'new');
      graph.mkpeer(hub, 'tee', '2', 'left');
      graph.connect(me, 'b', hub, '2');
    }),
  );
  assert.equal(graph.named('new'), undefined);
  const tee = graph.mkpeer(me, 'tee', 'l', 'left');
  graph.connect(me, 'r', tee, 'right');
  refuses('ENXIO', () =>
    graph.change(() => {
      graph.shutdown(tee);
      graph.create('nosuch');
    }),
  );
});

test('a node joined to itself echoes, and a loop of hubs starves nobody', async () => {
  const hub = graph.mkpeer(me, 'hub', 'a', '1');
  graph.connect(hub, 'x', hub, 'y');
  graph.connect(hub, 'p', hub, 'q');
  const other = graph.mkpeer(me, 'echo', 'e', '1');
  socket.write('a', Buffer.from('storm'));
  for (let i = 0; i < 10; i++) plane.step();
  assert.ok(plane.runtime.busy, 'the storm goes on');
  socket.write('e', Buffer.from('calm'));
  for (let i = 0; i < 10; i++) plane.step();
  await heard();
  assert.ok(got.includes('e calm'));
  assert.ok(hub.counts()['drop.noPacket']! > 0, 'copies that there was no packet for are counted');
  graph.shutdown(hub);
  assert.equal(other.state, 'there');
  for (let i = 0; i < 100 && plane.runtime.busy; i++) plane.step();
  assert.ok(!plane.runtime.busy, 'what was on its way is dropped');
});

test('tee: copies, what enters by a tap, counters, and the wire mended at its end', async () => {
  const tee = graph.mkpeer(me, 'tee', 'l', 'left');
  graph.connect(me, 'r', tee, 'right');
  graph.connect(me, 'l2r', tee, 'left2right');
  graph.connect(me, 'r2l', tee, 'right2left');
  socket.write('l', Buffer.from('abc'));
  socket.write('r', Buffer.from('de'));
  socket.write('l2r', Buffer.from('f'));
  socket.write('r2l', Buffer.from('g'));
  await heard();
  assert.deepEqual(got, ['l2r abc', 'r abc', 'r2l de', 'l de', 'l f', 'r g']);
  const { ascii } = await sendAscii(graph, me, 'l', 'getstats', '');
  assert.equal(
    ascii,
    '{ right={ inOctets=2 inFrames=1 outOctets=4 outFrames=2 } left={ inOctets=3 inFrames=1 outOctets=3 outFrames=2 }' +
      ' right2left={ inOctets=1 inFrames=1 outOctets=2 outFrames=1 }' +
      ' left2right={ inOctets=1 inFrames=1 outOctets=3 outFrames=1 } }',
  );
  await send(graph, me, 'l', 'clrstats');
  assert.equal((await sendAscii(graph, me, 'l', 'getstats', '')).ascii, '{}');
  got = [];
  await send(graph, me, 'l', 'shutdown');
  assert.deepEqual([...me.hooks.keys()], ['l', 'r']);
  socket.write('l', Buffer.from('through'));
  await heard();
  assert.deepEqual(got, ['r through']);
});

test('messages by their tables: generic ones, unknown ones, and those that echo and hole take', async () => {
  graph.mkpeer(me, 'echo', 'e', '1');
  graph.mkpeer(me, 'hole', 'h', '1');
  graph.mkpeer(me, 'hub', 'u', '1');
  assert.deepEqual((await send(graph, me, 'e', 'nodeinfo')).args, { name: '', type: 'echo', id: 2, hooks: 1 });
  assert.equal((await sendAscii(graph, me, 'e', 'anything', '{ x=1 }')).answer.args, '{ x=1 }');
  assert.equal((await sendAscii(graph, me, 'h', 'anything', '{ x=1 }')).answer.args, undefined);
  await assert.rejects(sendAscii(graph, me, 'u', 'anything', ''), { code: 'EINVAL' });
  await assert.rejects(sendAscii(graph, me, 'u', 'mkpeer', '{ type="hub" nofield=3 }'), { code: 'EINVAL' });
  socket.write('h', Buffer.from('12345'));
  assert.equal((await sendAscii(graph, me, 'h', 'getstats', '"1"')).ascii, '{ frames=1 octets=5 }');
  await sendAscii(graph, me, 'u', 'mkpeer', '{ type="hub" ourhook="2" peerhook="1" }');
  assert.equal(((await send(graph, me, 'u', 'listhooks')).args as { linkinfo: unknown[] }).linkinfo.length, 2);
  await sendAscii(graph, me, 'u', 'setpersistent', '');
  await sendAscii(graph, me, 'u', 'rmhook', '{ hook="2" }');
  await assert.rejects(sendAscii(graph, me, 'u', 'rmhook', '{ hook="2" }'), { code: 'ENOENT' });
});

test('a node that never came to be leaves no shared memory behind', async () => {
  const graph = await openGraph({ workers: 0 });
  const { plane } = graph;
  const announced = new Set<number>();
  const [announce, forget] = [plane.announce.bind(plane), plane.forget.bind(plane)];
  plane.announce = memory => {
    const id = announce(memory);
    announced.add(id);
    return id;
  };
  plane.forget = id => {
    announced.delete(id);
    forget(id);
  };
  const me = graph.create('socket', 'me');
  for (const type of ['bridge', 'macfilter', 'fib4', 'fib6', 'counter', 'nat']) {
    assert.throws(() => graph.create(type, 'me'), { code: 'EADDRINUSE' });
    assert.throws(() => graph.mkpeer(me, type, 'x', 'a.b'), { code: 'EINVAL' });
    assert.deepEqual([...announced], [], type);
  }
  await graph.close();
});

test('an undoing that fails in part undoes the rest', async () => {
  const trouble: string[] = [];
  const graph = await openGraph({ workers: 0, trouble: text => trouble.push(text) });
  assert.throws(
    () =>
      graph.change(() => {
        graph.create('hub', 'first');
        graph.onUndo(() => {
          throw new Error('no way back');
        });
        graph.create('hub', 'second');
        graph.create('hub', 'second');
      }),
    { code: 'EADDRINUSE' },
  );
  assert.deepEqual([...graph.nodes], []);
  assert.match(trouble.join(), /no way back/);
  await graph.close();
  assert.equal(graph.plane.memory.inUse, 0);
});

test('no two types have a cookie, no two messages of a type a number', () => {
  const unique = (all: readonly number[]): boolean => new Set(all).size === all.length;
  assert.ok(unique(standardTypes.map(({ cookie }) => cookie)));
  for (const { name, messages } of standardTypes) {
    assert.ok(unique(messages.map(({ cmd }) => cmd & 0xffff)), name);
  }
});

test('changes of any length, each longer than the one before', async () => {
  const graph = await openGraph({ workers: 0 });
  for (let count = 50; count <= 400; count += 10) {
    graph.change(() => {
      for (let i = 0; i < count; i++) graph.create('hub', `hub-${count}-${i}`);
    });
  }
  for (const node of graph.nodes) assert.ok((graph.plane as InlinePlane).runtime.node(node.id));
  await graph.close();
});

test('a control half that fails at what it is told fails alone', async () => {
  const trouble: string[] = [];
  const inline = await openGraph({ workers: 0, trouble: text => trouble.push(text) });
  const me = inline.create('socket', 'me');
  inline.mkpeer(me, 'echo', 'a', 'b');
  let came = 0;
  socketOf(me).onData = () => {
    if (++came === 1) throw new Error('not that');
  };
  for (let i = 0; i < 2; i++) socketOf(me).write('a', new Uint8Array(1));
  await new Promise(resolve => setImmediate(resolve));
  assert.equal(came, 2);
  assert.match(trouble.join(), /^node me: did not take what worker 0 told it: Error: not that/);
  await inline.close();
});

test("nobody makes a socket node by a message: it would be nobody's", async () => {
  const graph = await openGraph({ workers: 0 });
  const me = graph.create('socket', 'me');
  const told = { type: 'socket', ourhook: 'a', peerhook: 'b' };
  await assert.rejects(send(graph, me, 'me:', 'mkpeer', told), {
    code: 'EINVAL',
    message: /'socket' are made by the programs/,
  });
  assert.equal(graph.nodeCount, 1);
  await graph.close();
});

test('a node that is gone takes no name, sends nothing, and nothing is sent that is no packet', async () => {
  const graph = await openGraph({ workers: 0 });
  const me = graph.create('socket', 'me');
  const hub = graph.mkpeer(me, 'hub', 'a', 'b');
  for (const data of [5, {}, 'text', [1, 2], null] as unknown as Uint8Array[]) {
    assert.throws(() => socketOf(me).write('a', data), { code: 'EINVAL', message: /a packet is bytes, not/ });
  }
  graph.shutdown(hub);
  assert.throws(() => graph.rename(hub, 'ghost'), { code: 'EINVAL' });
  assert.equal(graph.named('ghost'), undefined);
  await assert.rejects(send(graph, hub, '.:', 'nodeinfo'), { code: 'ENOENT' });
  await graph.close();
});
