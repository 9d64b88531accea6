import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import {
  BATCH_CONFIRMED,
  BATCH_DOUBTFUL,
  beginNexthopGroup,
  collect,
  dumpRequest,
  encodeGroupMember,
  encodeNexthop,
  encodeNexthopDelete,
  encodeRoute,
  encodeRouteDelete,
  encodeRouteWithPaths,
  endNexthopGroup,
  eventSink,
  KIND_ADDRESS,
  KIND_ALL,
  KIND_EVERY,
  KIND_LINK,
  KIND_NEXTHOP,
  KIND_ROUTE,
  NetlinkBatch,
  NetlinkError,
  NetlinkSocket,
  NexthopView,
  NotificationStream,
  type StreamSink,
  observe,
  readDump,
  readLink,
  RouteView,
  rtnetlink as c,
  writeAddressMessage,
  writeLink,
  writeNeighbor,
  writeRule,
} from '../../src/netlink/index.ts';
import { inNetworkNamespace } from '../../src/sys/index.ts';
import { Lab, type Namespace } from '../lib/netns.ts';
import { until } from '../lib/wait.ts';
import { kernelText, Picture } from './picture.ts';

const CREATE = c.NLM_F_CREATE | c.NLM_F_REPLACE;

/** xorshift32: the same sequence for the same seed. */
function generator(seed: number): (below: number) => number {
  let state = seed | 1;
  return below => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) % below;
  };
}

describe('netlink against the kernel', () => {
  const lab = new Lab();
  let ns: Namespace;
  let socket: NetlinkSocket;
  let directory: string;

  before(async () => {
    directory = await lab.directory();
    ns = await lab.namespace('nl');
    for (const [name, peer] of [
      ['d0', 'e0'],
      ['d1', 'e1'],
    ]) {
      await ns.run('ip', 'link', 'add', name!, 'type', 'veth', 'peer', 'name', peer!);
      await ns.run('ip', 'link', 'set', peer!, 'up');
    }
    socket = inNetworkNamespace(ns.path, () => new NetlinkSocket({ receiveBuffer: 4 << 20 }));
  });

  after(async () => {
    socket?.close();
    await lab.close();
  });

  const ifindexOf = (name: string): number =>
    collect(socket, dumpRequest(c.RTM_GETLINK), readLink).find(link => link.name === name)!.ifindex;

  test('what is written shows in ip -j', async () => {
    const d0 = ifindexOf('d0');
    socket.request('set d0 up', (w, f, q) =>
      writeLink(w, c.RTM_NEWLINK, f, q, { ifindex: d0, flags: 1, change: 1, mtu: 1400 }),
    );
    socket.request('address', (w, f, q) =>
      writeAddressMessage(w, c.RTM_NEWADDR, f | CREATE, q, {
        family: 2,
        ifindex: d0,
        length: 24,
        local: [0x0a010001, 0, 0, 0],
        peer: [0x0a010001, 0, 0, 0],
      }),
    );
    socket.request('neighbour', (w, f, q) =>
      writeNeighbor(w, c.RTM_NEWNEIGH, f | CREATE, q, {
        family: 2,
        ifindex: d0,
        state: c.NUD_PERMANENT,
        destination: [0x0a010009, 0, 0, 0],
        mac: Uint8Array.of(2, 0, 0, 0, 0, 9),
      }),
    );
    socket.request('rule', (w, f, q) =>
      writeRule(w, c.RTM_NEWRULE, f | c.NLM_F_CREATE | c.NLM_F_EXCL, q, {
        family: 2,
        action: c.FR_ACT_TO_TBL,
        table: 1000,
        priority: 77,
        source: [0x0a020000, 0, 0, 0],
        sourceLength: 16,
      }),
    );
    const batch = new NetlinkBatch(socket);
    const put = (size: number): void => batch.commit(size);
    put(
      encodeNexthop(
        batch.buffer,
        batch.offset,
        batch.sequence,
        CREATE,
        11,
        2,
        11,
        d0,
        2,
        0x0a010002,
        0,
        0,
        0,
        false,
        false,
      ),
    );
    put(
      encodeNexthop(
        batch.buffer,
        batch.offset,
        batch.sequence,
        CREATE,
        12,
        2,
        11,
        d0,
        2,
        0x0a010003,
        0,
        0,
        0,
        false,
        false,
      ),
    );
    put(
      encodeNexthop(
        batch.buffer,
        batch.offset,
        batch.sequence,
        CREATE,
        13,
        2,
        11,
        d0,
        10,
        0xfe800000,
        0,
        0,
        1,
        false,
        false,
      ),
    );
    let end = beginNexthopGroup(batch.buffer, batch.offset, batch.sequence, CREATE, 20, 11);
    end = encodeGroupMember(batch.buffer, end, 11, 3);
    end = encodeGroupMember(batch.buffer, end, 12, 1);
    put(endNexthopGroup(batch.buffer, batch.offset, end));
    put(
      encodeRoute(batch.buffer, batch.offset, batch.sequence, CREATE, 2, 254, 0x14000000, 0, 0, 0, 24, 186, 1, 20, 20),
    );
    put(
      encodeRoute(batch.buffer, batch.offset, batch.sequence, CREATE, 2, 1000, 0x14000100, 0, 0, 0, 24, 186, 1, 20, 13),
    );
    put(
      encodeRoute(batch.buffer, batch.offset, batch.sequence, CREATE, 2, 254, 0x14000200, 0, 0, 0, 24, 196, 6, 20, 0),
    );
    put(
      encodeRoute(batch.buffer, batch.offset, batch.sequence, CREATE, 10, 254, 0x20010db8, 0, 0, 0, 32, 186, 7, 20, 0),
    );
    put(
      encodeRouteWithPaths(
        batch.buffer,
        batch.offset,
        batch.sequence,
        CREATE,
        2,
        254,
        [0x14000300, 0, 0, 0],
        24,
        4,
        5,
        [
          { ifindex: d0, gatewayFamily: 2, gateway: [0x0a010004, 0, 0, 0], flags: 0, weight: 2 },
          { ifindex: d0, gatewayFamily: 10, gateway: [0xfe800000, 0, 0, 4], flags: 0, weight: 1 },
        ],
      ),
    );
    assert.equal(batch.send(), BATCH_CONFIRMED);
    assert.deepEqual(
      [...batch.errors.subarray(0, batch.count)].filter(error => error !== 0),
      [],
      [...batch.reasons.values()].join(),
    );

    const [link] = await ns.ipJson('addr', 'show', 'd0');
    assert.equal(link!.mtu, 1400);
    assert.ok((link!.addr_info as { local: string }[]).some(info => info.local === '10.1.0.1'));
    const neighbors = await ns.ipJson('neigh', 'show', 'nud', 'permanent');
    assert.ok(neighbors.some(n => n.dst === '10.1.0.9' && n.lladdr === '02:00:00:00:00:09'));
    assert.ok(
      (await ns.ipJson('rule')).some(rule => rule.priority === 77 && rule.src === '10.2.0.0' && rule.table === '1000'),
    );
    const [group] = await ns.ipJson('nexthop', 'show', 'id', '20');
    assert.deepEqual(group!.group, [{ id: 11, weight: 3 }, { id: 12 }]);
    const routes = await ns.ipJson('-N', 'route', 'show', 'table', 'all');
    const route = (dst: string): Record<string, unknown> | undefined => routes.find(r => r.dst === dst);
    assert.equal(route('20.0.0.0/24')!.nhid, 20);
    assert.equal(route('20.0.1.0/24')!.nhid, 13);
    assert.equal(Number(route('20.0.1.0/24')!.table), 1000);
    assert.equal(Number(route('20.0.2.0/24')!.type), 6);
    assert.equal(Number(route('20.0.2.0/24')!.protocol), 196);
    const paths = route('20.0.3.0/24')!.nexthops as Record<string, unknown>[];
    assert.deepEqual(
      paths.map(path => path.gateway ?? (path.via as { host: string }).host),
      ['10.1.0.4', 'fe80::4'],
    );
    assert.deepEqual(
      paths.map(path => path.weight),
      [2, 1],
    );

    batch.reset();
    put(encodeRouteDelete(batch.buffer, batch.offset, batch.sequence, 0, 2, 254, 0x14000000, 0, 0, 0, 24, 186, 20));
    put(encodeRouteDelete(batch.buffer, batch.offset, batch.sequence, 0, 2, 254, 0x14000000, 0, 0, 0, 24, 186, 20));
    put(encodeNexthopDelete(batch.buffer, batch.offset, batch.sequence, 0, 20));
    assert.equal(batch.send(), BATCH_CONFIRMED);
    assert.deepEqual([...batch.errors.subarray(0, 3)], [0, 3, 0], 'the second deletion is ESRCH');
  });

  test('a refusal carries the words of the kernel, and is matched to its message', () => {
    assert.throws(
      () =>
        socket.request('route', (w, f, q) => {
          const size = encodeRoute(w.buffer, 0, q, f | CREATE, 2, 254, 0x1e000000, 0, 0, 0, 24, 186, 1, 20, 4711);
          w.at = size;
        }),
      (error: unknown) => error instanceof NetlinkError && error.code === 'EINVAL' && /Nexthop id/.test(error.reason),
    );
    const batch = new NetlinkBatch(socket);
    for (let i = 0; i < 500; i++) {
      const id = i % 7 === 3 ? 4711 : 11;
      batch.commit(
        encodeRoute(
          batch.buffer,
          batch.offset,
          batch.sequence,
          CREATE,
          2,
          254,
          0x1e000000 + i * 256,
          0,
          0,
          0,
          24,
          186,
          1,
          20,
          id,
        ),
      );
    }
    assert.equal(batch.send(), BATCH_CONFIRMED);
    for (let i = 0; i < 500; i++) assert.equal(batch.errors[i], i % 7 === 3 ? 22 : 0, `message ${i}`);
    assert.match(batch.reasons.get(3)!, /Nexthop id/);
  });

  test('lost answers leave doubt, which asking again removes', () => {
    const small = inNetworkNamespace(ns.path, () => new NetlinkSocket({ receiveBuffer: 2048 }));
    const batch = new NetlinkBatch(small);
    for (let i = 0; i < 300; i++) {
      const id = i < 290 ? 4711 : 11;
      batch.commit(
        encodeRoute(
          batch.buffer,
          batch.offset,
          batch.sequence,
          CREATE,
          2,
          254,
          0x1f000000 + i * 256,
          0,
          0,
          0,
          24,
          186,
          1,
          20,
          id,
        ),
      );
    }
    assert.equal(batch.send(), BATCH_DOUBTFUL);
    batch.verify();
    // Even a few errors may overrun so small a buffer: what has an answer has the right one, and nothing is taken for done.
    for (let i = 0; i < 300; i++)
      assert.ok(batch.errors[i] === -1 || batch.errors[i] === (i < 290 ? 22 : 0), `message ${i}`);
    small.close();
  });

  test('a picture kept by the stream equals ip -j after random operations', async t => {
    const seed = Number(process.env.GREVY_SEED ?? 20_261_121);
    t.diagnostic(`seed ${seed}`);
    const random = generator(seed);
    await ns.run('ip', 'link', 'add', 'br0', 'type', 'bridge');
    await ns.run('ip', 'link', 'add', 'vx', 'type', 'vxlan', 'id', '10', 'dstport', '4789', 'local', '10.1.0.1');
    await ns.run('ip', 'link', 'add', 'p0', 'type', 'veth', 'peer', 'name', 'p1');
    await ns.run('ip', 'link', 'set', 'p0', 'master', 'br0');
    const stream = inNetworkNamespace(ns.path, () => new NotificationStream({ kinds: KIND_EVERY }));
    const picture = new Picture();
    picture.follow(stream);
    picture.settle();
    assert.equal(picture.text(), await kernelText(ns, KIND_EVERY));
    const batchFile = join(directory, 'batch');
    const bridgeFile = join(directory, 'bridge');
    for (let round = 0; round < 12; round++) {
      const lines = Array.from({ length: 60 }, () => randomCommand(random));
      writeFileSync(batchFile, `${lines.join('\n')}\n`);
      // Many of them are refused, which is as good.
      await ns.run('sh', '-c', `ip -force -batch ${batchFile} 2>/dev/null || true`);
      const entries = Array.from({ length: 20 }, () => randomEntry(random));
      writeFileSync(bridgeFile, `${entries.join('\n')}\n`);
      await ns.run('sh', '-c', `bridge -force -batch ${bridgeFile} 2>/dev/null || true`);
      for (let i = 0; i < 3; i++) await ns.run('sysctl', '-qw', randomSetting(random));
      if (round % 3 === 0) stream.resync(KIND_EVERY);
      // Duplicate address detection and the like may still be under way: the two must become equal.
      await until(
        async () => {
          picture.settle();
          const text = await kernelText(ns, KIND_EVERY);
          picture.settle();
          return picture.text() === text;
        },
        { what: 'the picture to equal the kernel', timeoutMs: 8000 },
      ).catch(async () => assert.equal(picture.text(), await kernelText(ns, KIND_EVERY)));
    }
    for (const name of ['br0', 'vx', 'p0']) await ns.run('ip', 'link', 'del', name);
    picture.settle();
    assert.equal(picture.text(), await kernelText(ns, KIND_EVERY), 'after the bridge went with all its entries');
    stream.close();
  });

  test('an overrun of the receive buffer is noticed, and the picture converges', async () => {
    const stream = inNetworkNamespace(ns.path, () => new NotificationStream({ receiveBuffer: 4096 }));
    const picture = new Picture();
    picture.follow(stream);
    picture.settle();
    const lines = Array.from({ length: 3000 }, (_, i) => `route replace blackhole 50.${i >> 8}.${i & 255}.0/24`);
    writeFileSync(join(directory, 'flood'), `${lines.join('\n')}\n`);
    await ns.run('ip', '-batch', join(directory, 'flood'));
    picture.settle();
    assert.ok(stream.stats.overruns > 0);
    assert.equal(picture.text(), await kernelText(ns));
    // While a dump runs too: changes are made by another process at the same time.
    const undo = lines.map(line => line.replace('replace', 'del')).join('\n');
    writeFileSync(join(directory, 'undo'), `${undo}\n`);
    const running = ns.run('ip', '-batch', join(directory, 'undo'));
    let busy = true;
    void running.finally(() => {
      busy = false;
    });
    while (busy) {
      stream.resync(KIND_ALL);
      for (let i = 0; i < 20; i++) stream.step(picture.sink);
      await new Promise(resolve => setImmediate(resolve));
    }
    await running;
    picture.settle();
    assert.equal(picture.text(), await kernelText(ns));
    stream.close();
  });

  test('in a storm a long dump rests as long as it took', async () => {
    const lines = Array.from({ length: 20_000 }, (_, i) => `route replace blackhole 50.${i >> 8}.${i & 255}.0/24`);
    writeFileSync(join(directory, 'storm'), `${lines.join('\n')}\n`);
    await ns.run('ip', '-batch', join(directory, 'storm'));
    const stream = inNetworkNamespace(
      ns.path,
      () => new NotificationStream({ kinds: KIND_ROUTE, receiveBuffer: 4096 }),
    );
    const picture = new Picture();
    picture.follow(stream);
    picture.settle();
    const dumps: { begin: number; end: number }[] = [];
    const sink: StreamSink = {
      message: (type, bytes, offset, length, dumped) => picture.sink.message(type, bytes, offset, length, dumped),
      dumpBegin(kind) {
        const last = dumps.at(-1);
        if (last?.end !== 0) dumps.push({ begin: performance.now(), end: 0 });
        picture.sink.dumpBegin(kind);
      },
      dumpEnd(kind) {
        dumps.at(-1)!.end = performance.now();
        picture.sink.dumpEnd(kind);
      },
    };
    let busy = true;
    // The kernel says nothing of a route that is replaced by itself.
    writeFileSync(join(directory, 'other'), `${lines.join('\n').replaceAll('blackhole', 'unreachable')}\n`);
    const storm = async (): Promise<void> => {
      for (let i = 0; dumps.length < 5; i++)
        await ns.run('ip', '-batch', join(directory, i % 2 === 0 ? 'other' : 'storm'));
    };
    const running = storm().finally(() => (busy = false));
    while (busy) {
      for (let i = 0; i < 20; i++) stream.step(sink);
      if (dumps.at(-1)?.end === 0) stream.resync(KIND_ROUTE);
      await new Promise(resolve => setImmediate(resolve));
    }
    await running;
    picture.settle();
    const ofRoutes = (text: string): string[] => text.split('\n').filter(line => line.startsWith(`${KIND_ROUTE} `));
    assert.deepEqual(ofRoutes(picture.text()), ofRoutes(await kernelText(ns)));
    assert.ok(stream.stats.overruns >= 4);
    for (const [i, { begin }] of dumps.entries()) {
      const before = dumps[i - 1];
      if (before === undefined) continue;
      // The thread may have been put aside between the stream's clock and ours; without a rest the next one begins at once.
      assert.ok(begin - before.end >= (before.end - before.begin) / 2, JSON.stringify(dumps));
    }
    stream.close();
    writeFileSync(join(directory, 'calm'), `${lines.join('\n').replaceAll('replace blackhole', 'del')}\n`);
    await ns.run('ip', '-batch', join(directory, 'calm'));
  });

  test('a link is told while routes are being dumped, and what comes after a route in its turn', async () => {
    const stream = inNetworkNamespace(ns.path, () => new NotificationStream({ kinds: KIND_LINK | KIND_ROUTE }));
    const told: string[] = [];
    const sink = eventSink(event => {
      if (event.what === 'dumpBegin' || event.what === 'dumpEnd') told.push(`${event.what} ${event.kind}`);
      else if (!('dumped' in event) || event.dumped) told.push('item');
      else if (event.what === 'link') told.push(`mtu ${event.link.mtu}`);
      else if (event.what === 'route') told.push(`route ${event.route.length}`);
    });
    const lines = Array.from({ length: 5000 }, (_, i) => `route add blackhole 51.${i >> 8}.${i & 255}.0/24`);
    writeFileSync(join(directory, 'many'), `${lines.join('\n')}\n`);
    await ns.run('ip', '-batch', join(directory, 'many'));
    stream.resync(KIND_ROUTE);
    while (told.at(-1) !== `dumpBegin ${KIND_ROUTE}`) stream.step(sink);
    stream.step(sink);
    told.length = 0;
    await ns.run('ip', 'link', 'set', 'lo', 'mtu', '1401');
    await ns.run('ip', 'link', 'set', 'lo', 'mtu', '1402');
    await ns.run('ip', 'route', 'add', 'blackhole', '52.0.0.0/25');
    await ns.run('ip', 'link', 'set', 'lo', 'mtu', '1403');
    while (stream.step(sink)) {
      // One datagram after another.
    }
    const changes = told.filter(what => what !== 'item');
    assert.deepEqual(changes, ['mtu 1401', 'mtu 1402', `dumpEnd ${KIND_ROUTE}`, 'route 25', 'mtu 1403']);
    assert.ok(told.lastIndexOf('item') > told.indexOf('mtu 1402'), 'the dump goes on after the links');
    stream.close();
    await ns.run('ip', 'link', 'set', 'lo', 'mtu', '65536');
    writeFileSync(join(directory, 'none'), `${lines.join('\n').replaceAll('add', 'del')}\n`);
    await ns.run('ip', '-batch', join(directory, 'none'));
  });

  test('a dump that is asked for while the kernel still removes routes in silence does not tell of them', async () => {
    const stream = inNetworkNamespace(ns.path, () => new NotificationStream({ kinds: KIND_ADDRESS | KIND_ROUTE }));
    await ns.run('ip', 'link', 'add', 'many', 'type', 'veth', 'peer', 'name', 'more');
    await ns.run('ip', 'link', 'set', 'many', 'up');
    await ns.run('ip', 'addr', 'add', '10.77.0.1/24', 'dev', 'many');
    const lines = Array.from(
      { length: 50_000 },
      (_, i) => `route add 51.${i >> 8}.${i & 255}.0/24 via 10.77.0.2 onlink dev many`,
    );
    writeFileSync(join(directory, 'many'), `${lines.join('\n')}\n`);
    await ns.run('ip', '-batch', join(directory, 'many'));
    let items = -1;
    const sink = eventSink(event => {
      if (event.what === 'address' && event.gone) stream.resync(KIND_ROUTE);
      else if (event.what === 'dumpBegin') items = 0;
      else if (event.what === 'route' && event.dumped && event.route.w0 >>> 24 === 51) items++;
    });
    const settle = (): void => {
      while (stream.step(sink) || stream.retryInMs(performance.now()) >= 0) {
        // One datagram after another, and the dumps that were put off.
      }
    };
    settle();
    assert.equal(items, lines.length);
    // The last address of the device takes them along.
    let gone = false;
    void ns.run('ip', 'addr', 'del', '10.77.0.1/24', 'dev', 'many').then(() => (gone = true));
    await until(() => (settle(), gone), { what: 'the address to go', everyMs: 0 });
    settle();
    assert.equal(items, 0);
    stream.close();
    await ns.run('ip', 'link', 'del', 'many');
  });

  test('own echoes of routes and nexthop objects are left out, all else is told', async () => {
    const stream = inNetworkNamespace(ns.path, () => new NotificationStream());
    stream.ignore([socket.portId]);
    const picture = new Picture();
    picture.follow(stream);
    picture.settle();
    const before = stream.stats.messages;
    const batch = new NetlinkBatch(socket);
    for (let i = 0; i < 100; i++) {
      batch.commit(
        encodeRoute(
          batch.buffer,
          batch.offset,
          batch.sequence,
          CREATE,
          2,
          254,
          0x3c000000 + i * 256,
          0,
          0,
          0,
          24,
          186,
          6,
          20,
          0,
        ),
      );
    }
    assert.equal(batch.send(), BATCH_CONFIRMED);
    picture.settle();
    assert.equal(stream.stats.messages, before, 'nothing of our own');
    await ns.run('ip', 'route', 'add', 'blackhole', '61.0.0.0/24');
    picture.settle();
    assert.equal(stream.stats.messages, before + 1, 'what somebody else did');
    const lo = ifindexOf('lo');
    socket.request('mtu', (w, f, q) => writeLink(w, c.RTM_NEWLINK, f, q, { ifindex: lo, mtu: 60_000 }));
    picture.settle();
    assert.ok(stream.stats.messages > before + 1, 'a link that we changed');
    stream.close();
  });

  test('on the loop of Node events come as values', async () => {
    const names: string[] = [];
    const watch = inNetworkNamespace(ns.path, () =>
      observe({}, event => {
        if (event.what === 'link') names.push(`${event.gone ? '-' : '+'}${event.link.name}`);
      }),
    );
    await until(() => names.includes('+d1'), { what: 'the dump of links' });
    await ns.run('ip', 'link', 'add', 'late', 'type', 'bridge');
    await until(() => names.includes('+late'), { what: 'a new link' });
    await ns.run('ip', 'link', 'del', 'late');
    await until(() => names.includes('-late'), { what: 'its end' });
    watch.close();
  });

  test('a dump that changes while it is read is read again, and one that always changes is taken and read again later', async () => {
    const blackhole = (id: number): void => {
      socket.request('nexthop', (w, f, q) => {
        w.at = encodeNexthop(w.buffer, 0, q, f | CREATE, id, 2, 186, 0, 0, 0, 0, 0, 0, false, true);
      });
    };
    for (let id = 2000; id < 5000; id++) blackhole(id);
    const reader = inNetworkNamespace(ns.path, () => new NetlinkSocket());
    let ids: number[] = [];
    let restarts = 0;
    const view = new NexthopView();
    const read = (limit: number, change: () => void): void =>
      readDump(
        reader,
        dumpRequest(c.RTM_GETNEXTHOP),
        (_type, bytes, offset, length) => {
          assert.ok(view.decode(bytes, offset, length));
          // In the middle of it: what has been read is still there, what has not is already gone.
          if (ids.push(view.id) === 10) change();
        },
        () => {
          ids = [];
          restarts++;
        },
        limit,
      );
    let last = 4999;
    const removeLast = (): void =>
      socket.request('nexthop', (w, f, q) => {
        w.at = encodeNexthopDelete(w.buffer, 0, q, f, last--);
      });
    read(20, () => restarts === 0 && removeLast());
    assert.equal(restarts, 1);
    const kernelIds = async (): Promise<number[]> =>
      (await ns.ipJson<{ id: number }[]>('nexthop')).map(one => one.id).sort((a, b) => a - b);
    assert.deepEqual(
      ids.sort((a, b) => a - b),
      await kernelIds(),
    );
    ids = [];
    assert.throws(() => read(2, removeLast), /interrupted 3 times/);
    assert.deepEqual(
      collect(reader, dumpRequest(c.RTM_GETNEXTHOP), () => 1).length,
      (await kernelIds()).length,
      'the socket is as good as before',
    );
    reader.close();

    const stream = inNetworkNamespace(ns.path, () => new NotificationStream({ kinds: KIND_NEXTHOP, restarts: 1 }));
    const picture = new Picture();
    picture.follow(stream);
    // Two dumps that change, which is more than it is told to bear.
    for (let dumps = 0; stream.dumping; ) {
      stream.step(picture.sink);
      if (stream.stats.dumps === dumps) continue;
      dumps = stream.stats.dumps;
      removeLast();
    }
    assert.equal(stream.stats.interruptions, 2);
    assert.ok(stream.retryInMs(performance.now()) > 0);
    await until(() => stream.retryInMs(performance.now()) === 0, { what: 'the time for another dump' });
    picture.settle();
    assert.equal(stream.stats.interruptions, 2);
    assert.equal(stream.retryInMs(performance.now()), -1);
    assert.deepEqual(
      [...picture.tables[KIND_NEXTHOP]!.keys()].map(Number).sort((a, b) => a - b),
      await kernelIds(),
    );
    stream.close();
    await ns.run('ip', 'nexthop', 'flush', 'proto', '186');
  });

  test('a dump of many routes goes through one view', () => {
    const view = new RouteView();
    let count = 0;
    readDump(
      socket,
      dumpRequest(c.RTM_GETROUTE, 2, 254),
      (_type, bytes, offset, length) => {
        assert.ok(view.decode(bytes, offset, length));
        assert.equal(view.table, 254, 'strict checking filters by table');
        count++;
      },
      () => {
        count = 0;
      },
    );
    assert.ok(count >= 100);
  });
});

function randomCommand(random: (below: number) => number): string {
  const device = ['d0', 'd1'][random(2)]!;
  const subnet = device === 'd0' ? 1 : 2;
  const prefix = `40.0.${random(40)}.0/24`;
  const prefix6 = `2001:db8:${random(30).toString(16)}::/48`;
  switch (random(20)) {
    case 0:
      return `link set ${device} ${random(3) === 0 ? 'down' : 'up'}`;
    case 1:
      return `link set ${device} mtu ${1300 + random(200)}`;
    case 2:
      return `addr replace 10.${subnet}.0.${1 + random(4)}/24 dev ${device}`;
    case 3:
      return `addr del 10.${subnet}.0.${1 + random(4)}/24 dev ${device}`;
    case 4:
      return `addr replace 2001:db8:f00${subnet}::${1 + random(4)}/64 dev ${device} nodad`;
    case 5:
      return `route replace ${prefix} via 10.${subnet}.0.${100 + random(20)} dev ${device} proto ${[4, 186][random(2)]}`;
    case 6:
      return `route del ${prefix}`;
    case 7:
      return `route replace ${prefix} nexthop via 10.1.0.9 dev d0 nexthop via 10.2.0.9 dev d1 weight 3`;
    case 8:
      return `route replace ${['blackhole', 'unreachable', 'prohibit'][random(3)]} ${prefix} metric ${random(3)}`;
    case 9:
      return `-6 route replace ${prefix6} via fe80::${1 + random(9)} dev ${device}`;
    case 10:
      return `-6 route del ${prefix6}`;
    case 11:
      return `nexthop replace id ${100 + random(8)} via 10.${subnet}.0.${100 + random(20)} dev ${device} proto 11`;
    case 12:
      return `nexthop replace id ${200 + random(4)} group ${100 + random(4)},${1 + random(9)}/${104 + random(4)} proto 11`;
    case 13:
      return `nexthop del id ${[100 + random(8), 200 + random(4)][random(2)]}`;
    case 14:
      return `route replace ${prefix} nhid ${[100 + random(8), 200 + random(4)][random(2)]} proto 186`;
    case 15:
      return `rule add from 10.${random(6)}.0.0/16 lookup ${1000 + random(3)} pref ${500 + random(6)}`;
    case 16:
      return `rule del pref ${500 + random(6)}`;
    case 17:
      return `link set p0 ${['master br0', 'nomaster', 'up', 'down'][random(4)]}`;
    case 18:
      return `link set ${['br0', 'vx', 'p1'][random(3)]} ${random(3) === 0 ? 'down' : 'up'}`;
    default:
      return random(2) === 0
        ? `neigh replace 10.${subnet}.0.${50 + random(5)} lladdr 02:00:00:00:00:${10 + random(80)} nud permanent dev ${device}`
        : `neigh del 10.${subnet}.0.${50 + random(5)} dev ${device}`;
  }
}

function randomEntry(random: (below: number) => number): string {
  const mac = `02:00:00:00:01:${10 + random(20)}`;
  const [verb, how] = [
    ['add', 'static'],
    ['replace', ['static', 'extern_learn'][random(2)]],
    ['del', ''],
  ][random(3)]!;
  return random(2) === 0
    ? `fdb ${verb} ${mac} dev p0 master ${how}`
    : `fdb ${verb} ${mac} dev vx dst 10.1.0.${20 + random(3)} self ${verb === 'del' ? '' : 'permanent'}`;
}

function randomSetting(random: (below: number) => number): string {
  const device = ['d0', 'd1', 'p0', 'all', 'default'][random(5)]!;
  const name = [
    `ipv4.conf.${device}.forwarding`,
    `ipv4.conf.${device}.rp_filter`,
    `ipv4.conf.${device}.proxy_arp`,
    `ipv4.conf.${device}.ignore_routes_with_linkdown`,
    `ipv6.conf.${device}.forwarding`,
    `ipv6.conf.${device}.proxy_ndp`,
  ][random(6)]!;
  return `net.${name}=${random(2)}`;
}
