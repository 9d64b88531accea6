// One dataplane for several network namespaces: each has its own order of events and its own kernel, and none sees another's.
import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { Thread } from '../../src/concurrency/index.ts';
import {
  closeDataplaneChannel,
  createDataplaneChannel,
  DataplaneClient,
  dataplaneThread,
  KIND_LINK,
  OP_DUMP_BEGIN,
  OP_LINK,
  OP_NAMESPACE_CLOSE,
  OP_NAMESPACE_OPEN,
  OP_NEXTHOP_INSTALL,
  OP_RESYNC,
  OP_ROUTE,
  OP_ROUTE_INSTALL,
} from '../../src/dataplane/index.ts';
import { closeFd, openNamespace } from '../../src/sys/index.ts';
import { Lab, type Namespace } from '../lib/netns.ts';
import { until } from '../lib/wait.ts';

const lab = new Lab();
after(() => lab.close());

const COUNT = 500;
const NEXTHOP = 100_000_001;

test('three namespaces at once: routes go to their own kernel, events are told with their number', async () => {
  const namespaces: Namespace[] = [];
  for (const name of ['own', 'red', 'blue']) {
    const namespace = await lab.namespace(name);
    await namespace.run('ip', 'link', 'add', name, 'index', '10', 'type', 'bridge');
    await namespace.run('ip', 'link', 'set', name, 'up');
    namespaces.push(namespace);
  }
  const channel = createDataplaneChannel();
  const thread = await Thread.start({
    name: 'dplane',
    entry: dataplaneThread,
    ownLoop: true,
    data: { channel, namespace: namespaces[0]!.path },
  });
  const client = new DataplaneClient(channel);
  const links: Set<string>[] = namespaces.map(() => new Set());
  const foreign: Set<number>[] = namespaces.map(() => new Set());
  const dumps: number[] = namespaces.map(() => 0);
  const results: [op: number, namespace: number, errno: number][] = [];
  const poll = (): void => {
    client.poll(
      4096,
      (pool, handle) => results.push([pool.op(handle), pool.namespace(handle), pool.errno(handle)]),
      (pool, handle) => {
        const at = pool.namespace(handle);
        if (pool.op(handle) === OP_LINK) links[at]!.add(pool.link(handle).name);
        if (pool.op(handle) === OP_ROUTE && pool.protocol(handle) === 4) foreign[at]!.add(pool.prefixWord(handle, 0));
        if (pool.op(handle) === OP_DUMP_BEGIN && (pool.kinds(handle) & KIND_LINK) !== 0) dumps[at]!++;
      },
    );
  };
  const ask = (op: number, namespace: number, fill: (handle: number) => void = () => {}): void => {
    const handle = client.allocate(op);
    client.requests.setNamespace(handle, namespace);
    fill(handle);
    client.enqueue(handle);
    client.flush();
  };
  const answers = async (count: number, what: string): Promise<typeof results> => {
    await until(() => (poll(), results.length === count), { what: () => `${what}: ${results.length} of ${count}` });
    return results.splice(0);
  };

  for (const at of [1, 2]) {
    const fd = openNamespace(namespaces[at]!.path);
    ask(OP_NAMESPACE_OPEN, at, handle => client.requests.setNamespaceFd(handle, fd));
    assert.deepEqual(await answers(1, 'an open namespace'), [[OP_NAMESPACE_OPEN, at, 0]]);
    closeFd(fd);
  }
  // What is none, and what nobody opened.
  const file = openNamespace(import.meta.filename);
  ask(OP_NAMESPACE_OPEN, 3, handle => client.requests.setNamespaceFd(handle, file));
  ask(OP_ROUTE_INSTALL, 7, handle => client.requests.setRoute(handle, 254, 2, 0x0a000000, 0, 0, 0, 24, 186, 6, 20, 0));
  assert.deepEqual(
    (await answers(2, 'refusals')).map(([, , errno]) => errno),
    [22, 19],
  );
  closeFd(file);

  // The same object in each, and routes in turn.
  for (const at of [0, 1, 2]) {
    ask(OP_NEXTHOP_INSTALL, at, handle => {
      client.requests.setNexthop(handle, NEXTHOP, 2, 11);
      client.requests.setPath(handle, 10, 0, 0, 0, 0, 0, 0, 1);
    });
  }
  for (let n = 0; n < 3 * COUNT; n++) {
    ask(OP_ROUTE_INSTALL, n % 3, handle =>
      client.requests.setRoute(handle, 254, 2, 0x0a000000 + (n << 8), 0, 0, 0, 24, 186, 1, 20, NEXTHOP),
    );
  }
  const done = await answers(3 + 3 * COUNT, 'routes');
  assert.ok(done.every(([, , errno]) => errno === 0));
  // In the order of what was asked, whoever was asked.
  assert.deepEqual(
    done.slice(3).map(([, namespace]) => namespace),
    Array.from({ length: 3 * COUNT }, (_, n) => n % 3),
  );
  for (const [at, namespace] of namespaces.entries()) {
    const routes = await namespace.ipJson<{ dst: string }[]>('route', 'show', 'proto', 'bgp');
    assert.equal(routes.length, COUNT);
    assert.ok(
      routes.every(({ dst }) => {
        const [, , third, fourth] = dst.split('.').map(Number.parseFloat);
        return third !== undefined && fourth === 0 && (Number(dst.split('.')[1]) * 256 + third) % 3 === at;
      }),
    );
  }

  for (const namespace of namespaces.slice(1)) {
    await namespace.run(
      'ip',
      'route',
      'add',
      namespace.name === 'red' ? '20.0.0.0/8' : '30.0.0.0/8',
      'dev',
      namespace.name,
      'proto',
      '4',
    );
  }
  await until(() => (poll(), foreign[1]!.size + foreign[2]!.size === 2), { what: () => 'routes of others' });
  assert.deepEqual(
    foreign.map(seen => [...seen]),
    [[], [0x14000000], [0x1e000000]],
  );
  assert.deepEqual(
    links.map(seen => [...seen].sort()),
    [
      ['lo', 'own'],
      ['lo', 'red'],
      ['blue', 'lo'],
    ],
  );
  const before = [...dumps];
  ask(OP_RESYNC, 2, handle => client.requests.setKinds(handle, KIND_LINK));
  await until(() => (poll(), dumps[2]! > before[2]!), { what: () => `a dump: ${dumps.join()}` });
  assert.deepEqual(dumps.slice(0, 2), before.slice(0, 2));
  results.length = 0;

  // When it is left, nothing of ours holds it.
  const sockets = async (): Promise<number> => {
    const lines = (await namespaces[1]!.run('cat', '/proc/net/netlink')).trim().split('\n').slice(1);
    // Of rtnetlink, and not the kernel's own.
    return lines.map(line => line.split(/ +/)).filter(([, family, port]) => family === '0' && port !== '0').length;
  };
  assert.equal(await sockets(), 3);
  ask(OP_NAMESPACE_CLOSE, 1);
  await answers(1, 'the end of a namespace');
  assert.equal(await sockets(), 0);
  ask(OP_ROUTE_INSTALL, 2, handle => client.requests.setRoute(handle, 254, 2, 0x0b000000, 0, 0, 0, 24, 186, 6, 20, 0));
  assert.deepEqual(await answers(1, 'one more route'), [[OP_ROUTE_INSTALL, 2, 0]]);
  assert.ok(await thread.stop());
  closeDataplaneChannel(channel);
});
