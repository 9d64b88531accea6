import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { Thread } from '../../src/concurrency/index.ts';
import {
  closeDataplaneChannel,
  createDataplaneChannel,
  type DataplaneChannel,
  DataplaneClient,
  dataplaneThread,
  KIND_ALL,
  KIND_ROUTE,
  OP_ADDRESS_INSTALL,
  OP_DUMP_BEGIN,
  OP_DUMP_END,
  OP_LINK,
  OP_LINK_SET,
  OP_NEXTHOP_DELETE,
  OP_NEXTHOP_GONE,
  OP_NEXTHOP_INSTALL,
  OP_ROUTE,
  OP_ROUTE_DELETE,
  OP_ROUTE_GONE,
  OP_ROUTE_INSTALL,
  operationName,
} from '../../src/dataplane/index.ts';
import { formatIp4 } from '../../src/net/index.ts';
import { Lab, type Namespace } from '../lib/netns.ts';
import { until } from '../lib/wait.ts';

interface Seen {
  what: string;
  text: string;
}

describe('the dataplane thread', () => {
  const lab = new Lab();
  let ns: Namespace;
  let thread: Thread;
  let channel: DataplaneChannel;
  let client: DataplaneClient;
  let ifindex = 0;
  let crash: Error | undefined;
  const results: { object: number; generation: number; errno: number; op: number }[] = [];
  const seen: Seen[] = [];
  let quiet = false;

  function poll(): number {
    return client.poll(
      4096,
      (pool, handle) => {
        const result = {
          object: pool.object(handle),
          generation: pool.generation(handle),
          errno: pool.errno(handle),
          op: pool.op(handle),
        };
        results.push(result);
      },
      (pool, handle) => {
        if (quiet) return;
        const op = pool.op(handle);
        let text = '';
        if (op === OP_LINK) {
          const link = pool.link(handle);
          if (link.name === 'd0') ifindex = link.ifindex;
          text = `${link.name} ${(link.flags & 1) === 1 ? 'up' : 'down'}`;
        } else if (op === OP_ROUTE || op === OP_ROUTE_GONE) {
          text = `${formatIp4(pool.prefixWord(handle, 0))}/${pool.length(handle)} ${pool.nexthopId(handle)} ${pool.count(handle)}`;
        } else if (op === OP_NEXTHOP_GONE) text = String(pool.nexthopId(handle));
        else if (op === OP_DUMP_BEGIN || op === OP_DUMP_END) text = String(pool.kinds(handle));
        seen.push({ what: operationName(op), text });
      },
    );
  }

  const saw = (what: string, text?: string): Promise<unknown> =>
    until(() => (poll(), seen.some(event => event.what === what && (text === undefined || event.text === text))), {
      what: () => `${what} ${text ?? ''}; saw ${JSON.stringify(seen.slice(-10))}`,
      everyMs: 2,
    });

  const done = (count: number): Promise<unknown> =>
    until(() => (poll(), results.length >= count), {
      what: () => `${count} results, got ${results.length}`,
      everyMs: 1,
    });

  function nexthop(id: number, host: number, generation = 1): void {
    const handle = client.allocate(OP_NEXTHOP_INSTALL);
    client.requests.setObject(handle, id, generation);
    client.requests.setNexthop(handle, id, 2, 11);
    client.requests.setPath(handle, ifindex, 2, 0x0a010000 + host, 0, 0, 0, 0, 1);
    client.enqueue(handle);
  }

  function route(op: number, object: number, generation: number, word: number, id: number): boolean {
    const handle = client.allocate(op);
    if (handle === 0) return false;
    client.requests.setObject(handle, object, generation);
    client.requests.setRoute(handle, 254, 2, word >>> 0, 0, 0, 0, 24, 186, op === OP_ROUTE_INSTALL ? 1 : 0, 20, id);
    client.enqueue(handle);
    return true;
  }

  before(async () => {
    ns = await lab.namespace('dp');
    await ns.run('ip', 'link', 'add', 'd0', 'type', 'veth', 'peer', 'name', 'e0');
    // No IPv6 address of their own: the end of its duplicate detection, a second or two later, would be an event of nobody's.
    for (const name of ['d0', 'e0']) await ns.run('ip', 'link', 'set', name, 'addrgenmode', 'none');
    await ns.run('ip', 'link', 'set', 'e0', 'up');
    await ns.run('ip', 'link', 'set', 'd0', 'up');
    await ns.run('ip', 'addr', 'add', '10.1.0.1/24', 'dev', 'd0');
    channel = createDataplaneChannel();
    client = new DataplaneClient(channel);
    thread = await Thread.start({
      name: 'dplane',
      entry: dataplaneThread,
      data: { channel, namespace: ns.path },
      ownLoop: true,
      onCrash: error => {
        crash = error;
      },
    });
  });

  after(async () => {
    await thread?.stop();
    if (channel) closeDataplaneChannel(channel);
    await lab.close();
    assert.equal(crash, undefined);
  });

  test('begins with a dump of every kind', async () => {
    await saw('DUMP_END', '256');
    const marks = seen.filter(event => event.what.startsWith('DUMP_')).map(event => `${event.what} ${event.text}`);
    assert.deepEqual(
      marks,
      [1, 2, 4, 8, 16, 32, 64, 128, 256].flatMap(kind => [`DUMP_BEGIN ${kind}`, `DUMP_END ${kind}`]),
    );
    assert.ok(seen.some(event => event.what === 'LINK' && event.text === 'd0 up'));
    assert.ok(seen.some(event => event.what === 'ROUTE' && event.text.startsWith('10.1.0.0/24 0 1')));
    assert.ok(ifindex > 0);
  });

  test('installs, replaces and deletes; results carry the identity of their owner, in order', async () => {
    nexthop(7, 2);
    nexthop(8, 3);
    const group = client.allocate(OP_NEXTHOP_INSTALL);
    client.requests.setNexthop(group, 20, 0, 11);
    assert.ok(client.requests.setMembers(group, [7, 8], [1, 2]));
    client.enqueue(group);
    for (let i = 0; i < 100; i++) route(OP_ROUTE_INSTALL, i, 1, 0x14000000 + i * 256, 7);
    for (let i = 0; i < 50; i++) route(OP_ROUTE_INSTALL, i, 2, 0x14000000 + i * 256, 20);
    for (let i = 90; i < 100; i++) route(OP_ROUTE_DELETE, i, 2, 0x14000000 + i * 256, 0);
    route(OP_ROUTE_INSTALL, 1000, 5, 0x15000000, 4711);
    client.flush();
    await done(3 + 161);
    assert.deepEqual(
      results.filter(result => result.errno !== 0),
      [{ object: 1000, generation: 5, errno: 22, op: OP_ROUTE_INSTALL }],
    );
    const expected = [
      ...Array.from({ length: 100 }, (_, i) => `${i}/1`),
      ...Array.from({ length: 50 }, (_, i) => `${i}/2`),
      ...Array.from({ length: 10 }, (_, i) => `${90 + i}/2`),
      '1000/5',
    ];
    assert.deepEqual(
      results.slice(3).map(result => `${result.object}/${result.generation}`),
      expected,
    );
    const routes = await ns.ipJson('-N', 'route', 'show', 'proto', '186');
    assert.equal(routes.length, 90);
    for (const entry of routes) {
      const third = Number(String(entry.dst).split('.')[2]);
      assert.equal(entry.nhid, third < 50 ? 20 : 7, String(entry.dst));
      assert.equal(Number(entry.metric), 20);
    }
    // Our own changes are not told again.
    poll();
    assert.ok(!seen.some(event => event.what === 'ROUTE' && event.text.startsWith('20.')));
  });

  test('tells what others do, in order', async () => {
    seen.length = 0;
    await ns.run('ip', 'route', 'add', '30.0.0.0/24', 'nexthop', 'via', '10.1.0.5', 'nexthop', 'via', '10.1.0.6');
    await ns.run('ip', 'route', 'del', '20.0.0.0/24');
    await ns.run('ip', 'nexthop', 'del', 'id', '20');
    await ns.run('ip', 'link', 'set', 'd0', 'mtu', '1400');
    await saw('LINK', 'd0 up');
    const told = seen.filter(event => !event.what.startsWith('NEIGHBOR')).map(event => `${event.what} ${event.text}`);
    assert.deepEqual(told.slice(0, 4), [
      'ROUTE 30.0.0.0/24 0 2',
      'ROUTE_GONE 20.0.0.0/24 20 0',
      'NEXTHOP_GONE 20',
      'LINK d0 up',
    ]);
  });

  test('dumps again when asked', async () => {
    seen.length = 0;
    assert.ok(client.requestResync(KIND_ROUTE));
    await saw('DUMP_END', String(KIND_ROUTE));
    const first = seen.findIndex(event => event.what === 'DUMP_BEGIN');
    const items = seen.slice(first + 1, -1);
    assert.ok(items.every(event => event.what === 'ROUTE'));
    // The objects' deletion took the 50 routes of the group along, without a word: the dump tells.
    assert.equal(items.filter(event => event.text.startsWith('20.')).length, 40);
  });

  test('sets links and addresses', async () => {
    results.length = 0;
    const down = client.allocate(OP_LINK_SET);
    client.requests.setLinkChange(down, { ifindex, change: 1, flags: 0 });
    client.enqueue(down);
    const up = client.allocate(OP_LINK_SET);
    client.requests.setLinkChange(up, { ifindex, change: 1, flags: 1 });
    client.enqueue(up);
    const address = client.allocate(OP_ADDRESS_INSTALL);
    const local = [0x0a030001, 0, 0, 0] as const;
    client.requests.setAddress(address, {
      ifindex,
      family: 2,
      local,
      peer: local,
      length: 24,
      flags: 0,
      scope: 0,
      label: '',
    });
    client.enqueue(address);
    seen.length = 0;
    client.flush();
    await done(3);
    assert.deepEqual(
      results.map(result => result.errno),
      [0, 0, 0],
    );
    await saw('LINK', 'd0 down');
    await saw('LINK', 'd0 up');
    const [link] = await ns.ipJson('addr', 'show', 'd0');
    assert.ok((link!.addr_info as { local: string }[]).some(info => info.local === '10.3.0.1'));
  });

  test('a link that goes down while routes pour in is told between two batches', async t => {
    const total = 200_000;
    results.length = 0;
    seen.length = 0;
    nexthop(7, 2, 9);
    client.flush();
    await ns.run('ip', 'link', 'add', 'other', 'type', 'bridge');
    await ns.run('ip', 'link', 'set', 'other', 'up');
    await saw('LINK', 'other up');
    seen.length = 0;
    let sent = 0;
    let downAt = 0;
    let toldAt = 0;
    let command: Promise<string> | undefined;
    while (results.length < total + 1) {
      while (sent < total && route(OP_ROUTE_INSTALL, sent, 1, 0x40000000 + sent * 256, 7)) sent++;
      client.flush();
      if (poll() === 0) await new Promise(resolve => setTimeout(resolve, 1));
      else await new Promise(resolve => setImmediate(resolve));
      if (results.length > total / 4 && command === undefined) {
        downAt = performance.now();
        command = ns.run('ip', 'link', 'set', 'other', 'down');
      }
      if (toldAt === 0 && seen.some(event => event.text === 'other down')) toldAt = performance.now();
    }
    await command;
    assert.ok(toldAt > 0, 'told before the last route was in');
    assert.ok(results.every(result => result.errno === 0));
    t.diagnostic(`${(toldAt - downAt).toFixed(1)} ms from the start of ip(8) to zebra`);
    const status = await thread.request({
      vty: 'exec',
      id: 1,
      command: 0,
      args: { json: true },
      session: { terminalLength: 0 },
    });
    assert.equal(
      JSON.parse((status as { text: string }).text).routeUpdateErrors,
      1,
      'that of the object that never was',
    );
  });

  test('a zebra that takes nothing costs bounded memory, and hears the truth afterwards', async () => {
    results.length = 0;
    const lines = Array.from(
      { length: 60_000 },
      (_, i) => `route replace blackhole 100.${i >> 8}.${i & 255}.0/24 proto 4`,
    );
    const file = join(await lab.directory(), 'flood');
    writeFileSync(file, `${lines.join('\n')}\n`);
    await ns.run('ip', '-batch', file);
    assert.ok(client.notifications.limit >= client.stats().notifications.inUse);
    quiet = false;
    seen.length = 0;
    const prefixes = new Set<string>();
    await until(
      () => {
        poll();
        for (const event of seen) if (event.what === 'ROUTE' && event.text.startsWith('100.')) prefixes.add(event.text);
        seen.length = 0;
        return prefixes.size === lines.length;
      },
      { what: () => `60,000 routes, heard ${prefixes.size}`, everyMs: 1 },
    );
  });

  test('a chain of group members may be long', async () => {
    results.length = 0;
    const ids = Array.from({ length: 64 }, (_, i) => 300 + i);
    for (const id of ids) nexthop(id, id - 200);
    const group = client.allocate(OP_NEXTHOP_INSTALL);
    client.requests.setNexthop(group, 500, 0, 11);
    assert.ok(
      client.requests.setMembers(
        group,
        ids,
        ids.map((_, i) => 1 + (i % 5)),
      ),
    );
    client.enqueue(group);
    client.flush();
    await done(65);
    assert.ok(results.every(result => result.errno === 0));
    const [shown] = await ns.ipJson('nexthop', 'show', 'id', '500');
    assert.equal((shown!.group as unknown[]).length, 64);
    for (const id of [...ids, 500]) {
      const handle = client.allocate(OP_NEXTHOP_DELETE);
      client.requests.setNexthop(handle, id, 0, 0);
      client.enqueue(handle);
    }
    client.flush();
    await done(65 + 65);
    assert.ok(
      results.every(result => result.errno === 0),
      'what is gone with its last member is deleted',
    );
    assert.equal(client.stats().requests.inUse, 0);
    assert.ok(KIND_ALL > 0);
  });
});
