// fib4 and fib6: the longest match decides, many routes at once or none of them, flows spread over paths, and what goes with a hook.
import assert from 'node:assert/strict';
import { afterEach, beforeEach, test } from 'node:test';
import {
  DataHalf,
  type NodeType,
  ControlHalf,
  openGraph,
  PKT_FLAG_NEXT_HOP6,
  PKT_FLAGS,
  PKT_NEXT_HOP,
  send,
} from '../../../src/netgraph/index.ts';
import { parseAddress } from '../../../src/net/index.ts';
import { Inline } from '../lib/inline.ts';

/** Puts the next hop in front of the packet, so that a test sees it. */
class TellsData extends DataHalf {
  override receive(_hook: unknown, handles: Int32Array, count: number): void {
    const { packets } = this.node;
    for (let i = 0; i < count; i++) {
      const handle = handles[i]!;
      packets.prepend(handle, 20);
      const at = packets.words[handle]!;
      const view = new DataView(packets.bytes.buffer, at, 20);
      view.setUint32(0, packets.words[handle + PKT_FLAGS]! & PKT_FLAG_NEXT_HOP6);
      for (let word = 0; word < 4; word++) view.setInt32(4 + 4 * word, packets.words[handle + PKT_NEXT_HOP + word]!);
      this.node.hook('out')!.send(handle);
    }
  }
}
const tells: NodeType = {
  name: 'tells',
  cookie: 1,
  messages: [],
  control: class extends ControlHalf {},
  data: TellsData,
  url: import.meta.url,
};

let inline: Inline;
beforeEach(async () => {
  inline = await Inline.open({ types: [tells] });
});
afterEach(() => inline.close());

function ip4(to: string, port = 0, from = '198.51.100.1'): Buffer {
  const bytes = Buffer.alloc(28);
  bytes.set([0x45, 0, 0, 28, 0, 0, 0, 0, 64, 17]);
  bytes.writeUInt32BE(parseAddress(from)!.words[0], 12);
  bytes.writeUInt32BE(parseAddress(to)!.words[0], 16);
  bytes.writeUInt16BE(port, 20);
  return bytes;
}
function ip6(to: string, label = 0): Buffer {
  const bytes = Buffer.alloc(48);
  bytes.writeUInt32BE(0x60000000 | label, 0);
  bytes.set([0, 8, 17, 64], 4);
  parseAddress(to)!.words.forEach((word, i) => bytes.writeUInt32BE(word, 24 + 4 * i));
  return bytes;
}
const hooks = async (): Promise<string[]> => (await inline.came()).map(({ hook }) => hook);

test('the longest match decides, and what has none goes out of noroute or is dropped', async () => {
  const fib = inline.make('fib4', 'in', 'a', 'b');
  await inline.ascii(fib, 'addroute', '{ prefix="10.0.0.0/8" hook="a" gateway=192.0.2.1 }');
  await inline.ascii(fib, 'addroute', '{ prefix="10.1.0.0/16" hook="b" }');
  for (const to of ['10.0.0.1', '10.1.0.1', '11.0.0.1']) inline.write('in', ip4(to));
  inline.write('in', new Uint8Array(19));
  assert.deepEqual(await hooks(), ['a', 'b']);
  assert.equal(fib.counts()['drop.noRoute'], 1);
  assert.equal(fib.counts()['drop.malformed'], 1);
  inline.join(fib, 'noroute');
  inline.write('in', ip4('11.0.0.1'));
  assert.deepEqual(await hooks(), ['noroute']);
  assert.equal(
    await inline.ascii(fib, 'lookup', '{ address=10.1.2.3 }'),
    '{ prefix="10.1.0.0/16" count=1 paths=[ { hook="b" weight=1 } ] }',
  );
  await inline.refuses(fib, 'ENETUNREACH', 'lookup', '{ address=11.0.0.1 }', '11.0.0.1');
  assert.equal(
    await inline.ascii(fib, 'getroutes', '{}'),
    '{ count=2 routes=[ { prefix="10.0.0.0/8" hook="a" gateway=192.0.2.1 } { prefix="10.1.0.0/16" hook="b" } ] }',
  );
  await inline.ascii(fib, 'delroute', '{ prefix="10.1.0.0/16" }');
  inline.write('in', ip4('10.1.0.1'));
  assert.deepEqual(await hooks(), ['a']);
});

test('what is refused, and that of many routes all are or none is', async () => {
  const fib = inline.make('fib4', 'in', 'a', 'noroute');
  await inline.refuses(fib, 'EINVAL', 'addroute', '{ prefix="10.0.0.1/8" hook="a" }', '10.0.0.0/8');
  await inline.refuses(fib, 'EINVAL', 'addroute', '{ prefix="10.0.0.0" hook="a" }', '10.0.0.0');
  await inline.refuses(fib, 'EINVAL', 'addroute', '{ prefix="10.0.0.0/33" hook="a" }', '10.0.0.0/33');
  await inline.refuses(fib, 'EINVAL', 'addroute', '{ prefix="fd00::/8" hook="a" }', 'fd00::/8');
  await inline.refuses(fib, 'ENOENT', 'addroute', '{ prefix="10.0.0.0/8" hook="c" }', "'c'");
  await inline.refuses(fib, 'EINVAL', 'addroute', '{ prefix="10.0.0.0/8" hook="noroute" }', 'noroute');
  await inline.refuses(fib, 'ENOENT', 'delroute', '{ prefix="10.0.0.0/8" }', '10.0.0.0/8');
  await inline.refuses(fib, 'EINVAL', 'addmultipath', '{ prefix="10.0.0.0/8" }', '0');
  const two = '{ count=2 routes=[ { prefix="10.0.0.0/8" hook="a" } { prefix="10.0.0.0/9" hook="b" } ] }';
  await inline.refuses(fib, 'ENOENT', 'addroutes', two, "'b'");
  await assert.rejects(inline.ascii(fib, 'lookup', '{ address=10.0.0.1 }'), { code: 'ENETUNREACH' });
  const routes = Array.from({ length: 10_000 }, (_, i) => ({
    prefix: `10.${i >> 8}.${i & 255}.0/24`,
    hook: 'a',
    gateway: '192.0.2.1',
  }));
  await inline.send(fib, 'addroutes', { count: routes.length, routes });
  let next = 0;
  const seen = new Set<string>();
  do {
    const page = await inline.send<{ next: number; routes: { prefix: string }[] }>(fib, 'getroutes', { start: next });
    for (const { prefix } of page.routes) seen.add(prefix);
    next = page.next;
  } while (next !== 0);
  assert.equal(seen.size, 10_000);
  assert.match((await inline.ascii(fib, 'textstatus'))!, /"10000 routes, 1 next hops/);
  const prefixes = routes.map(({ prefix }) => prefix);
  await assert.rejects(inline.send(fib, 'delroutes', { count: 2, prefixes: [prefixes[0], '9.0.0.0/8'] }), {
    code: 'ENOENT',
  });
  await inline.send(fib, 'delroutes', { count: prefixes.length, prefixes });
  assert.match((await inline.ascii(fib, 'textstatus'))!, /"0 routes, 0 next hops, 0 of/);
});

test('flows are spread by weight, each keeps its path, and a hook that goes leaves the others', async () => {
  const fib = inline.make('fib4', 'in', 'a', 'b');
  await inline.ascii(
    fib,
    'addmultipath',
    '{ prefix="0.0.0.0/0" count=2 paths=[ { hook="a" weight=3 } { hook="b" } ] }',
  );
  const flows = 2000;
  for (let flow = 0; flow < flows; flow++) inline.write('in', ip4('203.0.113.9', flow));
  const first = await hooks();
  for (let flow = 0; flow < flows; flow++) inline.write('in', ip4('203.0.113.9', flow));
  assert.deepEqual((await hooks()).toSorted(), first.toSorted());
  const share = first.filter(hook => hook === 'a').length / flows;
  // Four standard deviations of a fair choice.
  assert.ok(Math.abs(share - 0.75) < 4 * Math.sqrt((0.75 * 0.25) / flows), `${share}`);
  const fragment = (port: number): Buffer => {
    const bytes = ip4('203.0.113.9', port);
    bytes[6] = 0x20;
    return bytes;
  };
  for (let flow = 0; flow < 50; flow++) inline.write('in', fragment(flow));
  assert.equal(new Set(await hooks()).size, 1, 'fragments go by addresses alone');
  inline.graph.rmhook(fib.hooks.get('a')!);
  for (let flow = 0; flow < 50; flow++) inline.write('in', ip4('203.0.113.9', flow));
  assert.deepEqual(new Set(await hooks()), new Set(['b']));
  inline.graph.rmhook(fib.hooks.get('b')!);
  inline.write('in', ip4('203.0.113.9'));
  assert.deepEqual(await hooks(), []);
  assert.match((await inline.ascii(fib, 'textstatus'))!, /"0 routes, 0 next hops/);
});

test('the gateway is told with the packet: one word for IPv4, four and a flag for IPv6', async () => {
  const told = async (type: string, routes: string[], packets: Buffer[]): Promise<string[]> => {
    const fib = inline.make(type, 'in');
    const node = inline.graph.mkpeer(fib, 'tells', 'a', 'in');
    inline.join(node, 'out');
    for (const route of routes) await inline.ascii(fib, 'addroute', route);
    for (const packet of packets) inline.write('in', packet);
    const came = await inline.came();
    inline.graph.shutdown(fib);
    inline.graph.shutdown(node);
    return came.map(({ data }) => data.toString('hex', 0, 20));
  };
  assert.deepEqual(
    (
      await told(
        'fib4',
        ['{ prefix="10.0.0.0/8" hook="a" gateway=192.0.2.1 }', '{ prefix="11.0.0.0/8" hook="a" }'],
        [ip4('10.0.0.1'), ip4('11.0.0.1')],
      )
    ).map(text => text.slice(0, 16)),
    ['00000000c0000201', '0000000000000000'],
  );
  assert.deepEqual(
    await told(
      'fib6',
      ['{ prefix="2001:db8::/32" hook="a" gateway=fe80::1 }', '{ prefix="2001:db8:1::/48" hook="a" }'],
      [ip6('2001:db8::1'), ip6('2001:db8:1::1'), ip6('fd00::1')],
    ),
    [
      `${PKT_FLAG_NEXT_HOP6.toString(16).padStart(8, '0')}fe800000000000000000000000000001`,
      '0000000000000000000000000000000000000000',
    ],
  );
});

test('fib6: flows are told apart by their labels', async () => {
  const fib = inline.make('fib6', 'in', 'a', 'b');
  await inline.ascii(fib, 'addmultipath', '{ prefix="::/0" count=2 paths=[ { hook="a" } { hook="b" } ] }');
  for (let label = 1; label <= 400; label++) inline.write('in', ip6('2001:db8::1', label));
  const share = (await hooks()).filter(hook => hook === 'a').length;
  assert.ok(share > 120 && share < 280, `${share} of 400`);
  assert.match((await inline.ascii(fib, 'lookup', '{ address=2001:db8::1 }'))!, /prefix="::\/0" count=2/);
});

test('workers: a route leads somewhere as soon as it is there, while thousands come and go', async () => {
  const graph = await openGraph({ workers: 2 });
  try {
    const fib = graph.create('fib4', 'fib');
    graph.mkpeer(fib, 'hole', 'a', 'in');
    for (let round = 0; round < 20; round++) {
      const routes = Array.from({ length: 500 }, (_, i) => ({
        prefix: `10.${i}.0.0/16`,
        hook: 'a',
        gateway: `192.0.2.${1 + (round & 1)}`,
      })).slice(0, 250);
      await send(graph, undefined, 'fib:', 'addroutes', { count: routes.length, routes });
    }
    const { args } = await send(graph, undefined, 'fib:', 'lookup', { address: '10.249.3.4' });
    assert.deepEqual(args, {
      prefix: '10.249.0.0/16',
      count: 1,
      paths: [{ hook: 'a', gateway: '192.0.2.2', weight: 1 }],
    });
  } finally {
    await graph.close();
  }
  assert.equal(graph.plane.memory.inUse, 0);
});
