// One dataplane thread for several network namespaces: each has its own order of events, and none sees another's.
import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { Thread } from '../../src/concurrency/index.ts';
import {
  closeDataplaneChannel,
  createDataplaneChannel,
  DataplaneClient,
  dataplaneThread,
  OP_LINK,
  OP_ROUTE_INSTALL,
} from '../../src/dataplane/index.ts';
import { Lab, type Namespace } from '../lib/netns.ts';
import { until } from '../lib/wait.ts';

const lab = new Lab();
after(() => lab.close());

const COUNT = 500;

test('two namespaces at once: routes go to their own kernel, links are told to their own zebra', async () => {
  const names = ['red', 'blue'];
  const namespaces: Namespace[] = [];
  for (const name of names) {
    const namespace = await lab.namespace(name);
    await namespace.run('ip', 'link', 'add', name, 'type', 'bridge');
    await namespace.run('ip', 'link', 'set', name, 'up');
    namespaces.push(namespace);
  }
  const channels = names.map(() => createDataplaneChannel());
  const thread = await Thread.start({
    name: 'dplane',
    entry: dataplaneThread,
    ownLoop: true,
    data: {
      channel: channels[0],
      namespace: namespaces[0]!.path,
      others: [{ channel: channels[1], namespace: namespaces[1]!.path }],
    },
  });
  const links: Set<string>[] = names.map(() => new Set());
  const errors: number[] = [];
  let done = 0;
  const clients = channels.map(channel => new DataplaneClient(channel));
  for (const [i, client] of clients.entries()) {
    for (let n = 0; n < COUNT; n++) {
      const handle = client.allocate(OP_ROUTE_INSTALL);
      client.requests.setRoute(handle, 254, 2, 0x0a000000 + ((n * 2 + i) << 8), 0, 0, 0, 24, 186, 6, 20, 0);
      client.enqueue(handle);
    }
    client.flush();
  }
  await until(
    () => {
      for (const [i, client] of clients.entries()) {
        client.poll(
          4096,
          (pool, handle) => {
            done++;
            if (pool.errno(handle) !== 0) errors.push(pool.errno(handle));
          },
          (pool, handle) => void (pool.op(handle) === OP_LINK && links[i]!.add(pool.link(handle).name)),
        );
      }
      return done === 2 * COUNT && links.every(seen => seen.size >= 2);
    },
    { what: () => `${done} results, links ${links.map(seen => [...seen].join(' ')).join(' / ')}` },
  );
  assert.deepEqual(errors, []);
  assert.deepEqual(
    links.map(seen => [...seen].sort()),
    [
      ['lo', 'red'],
      ['blue', 'lo'],
    ],
  );
  for (const [i, namespace] of namespaces.entries()) {
    const routes = await namespace.ipJson<{ dst: string }[]>('route', 'show', 'type', 'blackhole');
    assert.equal(routes.length, COUNT);
    assert.ok(routes.every(route => Number(route.dst.split('.')[2]) % 2 === i));
  }
  assert.ok(await thread.stop());
  for (const channel of channels) closeDataplaneChannel(channel);
});
