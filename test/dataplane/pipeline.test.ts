import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import {
  closeDataplaneChannel,
  ContextPool,
  createDataplaneChannel,
  type DataplaneChannel,
  DataplaneClient,
  OP_LINK,
  OP_NEXTHOP_INSTALL,
  OP_RESYNC,
  OP_ROUTE_INSTALL,
  OP_RULE,
  Pipeline,
  type Provider,
  type ProviderWork,
  STATUS_FAILED,
} from '../../src/dataplane/index.ts';
import { OrderStamp } from '../../src/dataplane/pipeline.ts';

function world(limit = 256): {
  channel: DataplaneChannel;
  client: DataplaneClient;
  pipeline: Pipeline;
  resyncs: number[];
} {
  const channel = createDataplaneChannel({ requests: limit, notifications: 64 });
  const resyncs: number[] = [];
  return {
    channel,
    client: new DataplaneClient(channel),
    pipeline: new Pipeline(channel, new OrderStamp(), {
      resync: kinds => void resyncs.push(kinds),
      event: () => {},
      notify: () => false,
      log: () => {},
    }),
    resyncs,
  };
}

function send(client: DataplaneClient, object: number): boolean {
  const handle = client.allocate(OP_ROUTE_INSTALL);
  if (handle === 0) return false;
  client.requests.setObject(handle, object, object * 2);
  client.enqueue(handle);
  return true;
}

function take(client: DataplaneClient): [number, number][] {
  const got: [number, number][] = [];
  client.poll(
    10_000,
    (pool, handle) => {
      assert.equal(pool.generation(handle), pool.object(handle) * 2);
      got.push([pool.object(handle), pool.errno(handle)]);
    },
    () => assert.fail('no notification was sent'),
  );
  return got;
}

const through = (name: string, seen: string[], priority: Provider['priority']): Provider => ({
  name,
  priority,
  process(work: ProviderWork): void {
    for (let handle = work.take(); handle >= 0; handle = work.take()) {
      seen.push(`${name} ${work.pool.object(handle)}`);
      work.finish(handle);
    }
  },
});

describe('the pipeline', () => {
  test('runs providers by priority, whatever the order of registration', () => {
    const { channel, client, pipeline } = world();
    const seen: string[] = [];
    for (const [name, priority] of [
      ['last', 'last'],
      ['kernel', 'kernel'],
      ['before', 'pre-kernel'],
      ['after', 'post-kernel'],
    ] as const) {
      pipeline.register(through(name, seen, priority));
    }
    send(client, 1);
    client.flush();
    assert.equal(pipeline.cycle(), false);
    pipeline.publish();
    assert.deepEqual(seen, ['before 1', 'kernel 1', 'after 1', 'last 1']);
    assert.deepEqual(take(client), [[1, 0]]);
    closeDataplaneChannel(channel);
  });

  test('what a result has zebra send, while it takes more of them, may be done before it has taken all', () => {
    const { channel, client, pipeline } = world(4);
    const seen: string[] = [];
    pipeline.register(through('kernel', seen, 'kernel'));
    for (let i = 1; i <= 4; i++) send(client, i);
    client.flush();
    pipeline.cycle();
    pipeline.publish();
    const got: number[] = [];
    const onResult = (pool: ContextPool, handle: number): void => {
      const object = pool.object(handle);
      got.push(object);
      // The context of the one before is free again.
      if (object === 1 || object > 4) return;
      send(client, object + 10);
      client.flush();
      pipeline.cycle();
      pipeline.publish();
    };
    client.poll(100, onResult, () => assert.fail('nobody sent a notification'));
    assert.deepEqual(got, [1, 2, 3, 4, 12, 13, 14]);
    closeDataplaneChannel(channel);
  });

  test('a stalled provider stalls those before it, and at last zebra; nothing is lost or overtakes', () => {
    const { channel, client, pipeline } = world(256);
    const seen: string[] = [];
    let stalled = true;
    pipeline.register({ ...through('first', seen, 'pre-kernel'), queueLimit: 32, workLimit: 20 });
    pipeline.register({
      name: 'slow',
      priority: 'kernel',
      queueLimit: 32,
      process: work => {
        if (stalled) return;
        for (let handle = work.take(); handle >= 0; handle = work.take()) {
          if (work.pool.object(handle) % 10 === 0) work.fail(handle, 105);
          else work.finish(handle);
        }
      },
    });
    pipeline.register(through('last', seen, 'post-kernel'));
    let sent = 0;
    while (send(client, sent)) sent++;
    assert.equal(sent, 256);
    client.flush();
    for (let i = 0; i < 50; i++) pipeline.cycle();
    const [first, slow] = pipeline.providers;
    assert.equal(slow!.inQueue, 32);
    assert.equal(first!.outQueue, 32);
    assert.equal(first!.inQueue, 32);
    assert.ok(first!.inMax <= 32 && first!.outMax <= 32 && slow!.inMax <= 32);
    assert.ok(first!.yields > 0);
    assert.equal(client.stats().down.length, 256 - 96, 'the rest still waits in the ring');
    stalled = false;
    let cycles = 0;
    while (pipeline.cycle()) cycles++;
    assert.ok(cycles > 5, 'it asked for every cycle that it needed');
    pipeline.publish();
    const results = take(client);
    const failed = results.filter(([, errno]) => errno !== 0);
    assert.deepEqual(
      results.filter(([, errno]) => errno === 0),
      Array.from({ length: 256 }, (_, i) => [i, 0]).filter(([i]) => i! % 10 !== 0),
      'those that went through kept their order',
    );
    assert.deepEqual(
      failed,
      Array.from({ length: 26 }, (_, i) => [10 * i, 105]),
    );
    assert.equal(client.stats().requests.inUse, 0);
    assert.equal(pipeline.stats.errors.route, 26);
    assert.equal(pipeline.providers[1]!.errors, 26);
    closeDataplaneChannel(channel);
  });

  test('what failed goes no further: it comes back at once, with its error and the number of who failed it', () => {
    const { channel, client, pipeline } = world();
    const seen: string[] = [];
    pipeline.register({
      name: 'fails odd ones',
      priority: 'kernel',
      process: work => {
        for (let handle = work.take(); handle >= 0; handle = work.take()) {
          if (work.pool.object(handle) % 2 === 1) work.fail(handle, 22);
          else work.finish(handle);
        }
      },
    });
    let open = false;
    pipeline.register({
      name: 'keeps',
      priority: 'last',
      process: work => {
        for (let handle = work.peek(); open && handle >= 0; handle = work.peek()) {
          seen.push(`keeps ${work.pool.object(handle)}`);
          work.finish(work.take());
        }
      },
    });
    send(client, 2);
    send(client, 3);
    client.flush();
    pipeline.cycle();
    pipeline.publish();
    const providers: number[] = [];
    client.poll(
      10,
      (pool, handle) => {
        assert.equal(pool.status(handle), STATUS_FAILED);
        providers.push(pool.object(handle), pool.errno(handle), pool.provider(handle));
      },
      () => assert.fail(),
    );
    assert.deepEqual(providers, [3, 22, 1]);
    open = true;
    pipeline.cycle();
    pipeline.publish();
    assert.deepEqual(take(client), [[2, 0]]);
    assert.deepEqual(seen, ['keeps 2']);
    closeDataplaneChannel(channel);
  });

  test('a resynchronisation is asked for when all before it is done', () => {
    const { channel, client, pipeline, resyncs } = world();
    assert.ok(client.requestResync(5));
    pipeline.cycle();
    pipeline.publish();
    assert.deepEqual(resyncs, [5]);
    client.poll(
      10,
      (pool, handle) => assert.equal(pool.op(handle), OP_RESYNC),
      () => assert.fail(),
    );
    closeDataplaneChannel(channel);
  });
});

describe('a context', () => {
  test('keeps links, addresses, neighbours and rules', () => {
    const pool = new ContextPool(ContextPool.create(16));
    const link = {
      ifindex: 5,
      name: 'eth0.100-abcdef',
      flags: 0x11043,
      mtu: 9000,
      mac: Uint8Array.of(1, 2, 3, 4, 5, 6),
      hardwareType: 772,
      link: 2,
      master: 9,
      operState: 6,
      detail: {
        protoDown: true,
        kind: 'vxlan',
        kindId: 4_000_000_000,
        tunnelLocal: 0xc0000201,
        tunnelRemote: 0xef010101,
        tunnelLink: 9,
        protoDownReasons: 0x8000_0001,
        alias: 'x'.repeat(255),
      },
    };
    const handle = pool.allocate(OP_LINK);
    assert.ok(pool.setLink(handle, link));
    assert.deepEqual(pool.link(handle), link);
    const rule = {
      family: 10,
      priority: 0xfffffff0,
      action: 1,
      table: 1000,
      source: [1, 2, 3, 4],
      sourceLength: 128,
      destination: [0xffffffff, 6, 7, 8],
      destinationLength: 64,
      mark: 0xdeadbeef,
      markMask: 0xffffffff,
      inverted: true,
      protocol: 186,
      inputInterface: 'in0',
      outputInterface: 'out0',
    } as const;
    const other = pool.allocate(OP_RULE);
    assert.ok(pool.setRule(other, rule));
    assert.deepEqual(pool.rule(other), rule);
    assert.equal(pool.inUse, 9, 'the second name is in a slot of its own');
    pool.free(other);
    assert.equal(pool.inUse, 7);
  });

  test('refuses a field that its operation does not have', () => {
    const pool = new ContextPool(ContextPool.create(4));
    const handle = pool.allocate(OP_LINK);
    assert.throws(() => pool.gatewayFamily(handle), /LINK has no field/);
    assert.throws(() => pool.table(handle), /LINK has no field/);
  });

  test('a group that does not fit the pool leaves the context as it was', () => {
    const pool = new ContextPool(ContextPool.create(4));
    const handle = pool.allocate(OP_NEXTHOP_INSTALL);
    const ids = Array.from({ length: 40 }, (_, i) => i + 1);
    assert.equal(pool.setMembers(handle, ids, ids), false);
    assert.equal(pool.inUse, 1);
    assert.ok(pool.setMembers(handle, ids.slice(0, 20), ids));
    const got: number[] = [];
    pool.members(handle, (id, weight) => got.push(id, weight));
    assert.deepEqual(
      got,
      ids.slice(0, 20).flatMap(id => [id, id]),
    );
    pool.free(handle);
    assert.equal(pool.inUse, 0);
  });
});
