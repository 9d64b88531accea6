import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { closeFd, E, inNetworkNamespace, openTap, SysError, TapPort, tapName } from '../../src/sys/index.ts';
import { Lab, type Namespace, quietNamespace } from '../lib/netns.ts';
import { until } from '../lib/wait.ts';

const memory = new Uint8Array(new SharedArrayBuffer(1 << 16));
const BROADCAST = [0xff, 0xff, 0xff, 0xff, 0xff, 0xff];
/** An Ethernet frame of a type that nobody answers (IEEE 802, local experiments). */
const frame = (mark: number, length = 60): Uint8Array =>
  Uint8Array.of(...BROADCAST, 2, 0, 0, 0, 0, mark, 0x88, 0xb5, ...new Array<number>(length - 14).fill(mark));

describe('TAP', () => {
  const lab = new Lab();
  let namespace: Namespace;
  before(async () => {
    namespace = await quietNamespace(lab, 'tap');
  });
  after(() => lab.close());

  const counters = async (name: string): Promise<{ packets: number; bytes: number }> => {
    const [link] = await namespace.ipJson<{ stats64: { rx: { packets: number; bytes: number } } }[]>(
      '-s',
      'link',
      'show',
      name,
    );
    return link!.stats64.rx;
  };

  test('frames at offsets of shared memory, both ways', async () => {
    const { fd, name } = inNetworkNamespace(namespace.path, () => openTap('t0', 'tap'));
    const port = new TapPort(fd, memory);
    memory.set(frame(7), 1001);
    assert.equal(port.write(1001, 60), false, 'it is down');
    assert.equal(port.error, E.EIO);
    await namespace.run('ip', 'link', 'set', name, 'up');
    assert.equal(port.write(1001, 60), true);
    assert.deepEqual([(await counters(name)).packets, (await counters(name)).bytes], [1, 60]);
    assert.equal(port.write(1001, 3), false, 'no frame');
    assert.equal(port.error, E.EINVAL);

    assert.equal(port.read(5000, 2000), 0, 'none waits');
    assert.equal(port.error, 0);
    await namespace.run('ip', 'addr', 'add', '10.9.0.1/24', 'dev', name);
    await namespace.run('ping', '-c1', '-W1', '10.9.0.2').catch(() => undefined);
    memory.fill(0xee, 4990, 7010);
    const length = await until(() => port.read(5000, 2000), { what: 'a question for 10.9.0.2' });
    assert.deepEqual([...memory.subarray(5000, 5006)], BROADCAST);
    assert.deepEqual([...memory.subarray(5012, 5014)], [0x08, 0x06], 'ARP');
    assert.deepEqual([...memory.subarray(5038, 5042)], [10, 9, 0, 2], 'RFC 826: target protocol address');
    assert.ok(memory.subarray(4990, 5000).every(byte => byte === 0xee));
    assert.ok(memory.subarray(5000 + length, 7010).every(byte => byte === 0xee));

    assert.throws(() => port.read(memory.length - 10, 11), RangeError);
    assert.throws(() => port.write(-1, 60), RangeError);
    assert.throws(() => port.write(Number.NaN, 60), RangeError);

    await namespace.run('ip', 'link', 'del', name);
    assert.equal(tapName(fd), undefined);
    assert.equal(port.read(0, 2000), -1);
    assert.equal(port.write(1001, 60), false);
    assert.equal(port.error, 77, 'EBADFD');
    closeFd(fd);
  });

  test('several queues: a flow stays on one, and all are used', async () => {
    const opened = inNetworkNamespace(namespace.path, () =>
      [0, 1, 2].map(() => openTap('mq0', 'tap', { multiQueue: true })),
    );
    assert.deepEqual(
      opened.map(queue => queue.name),
      ['mq0', 'mq0', 'mq0'],
    );
    const [link] = await namespace.ipJson<
      { num_tx_queues: number; linkinfo: { info_data: { multi_queue: boolean } } }[]
    >('link', 'show', 'mq0');
    assert.equal(link!.linkinfo.info_data.multi_queue, true);
    await namespace.run('ip', 'link', 'set', 'mq0', 'up');
    await namespace.run('ip', 'addr', 'add', '10.8.0.1/24', 'dev', 'mq0');
    await namespace.run('ip', 'neigh', 'add', '10.8.0.2', 'lladdr', '02:00:00:00:00:02', 'dev', 'mq0');
    // 24 flows (source ports), four datagrams each.
    const send = `import socket
for port in range(24):
  s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.bind(('10.8.0.1', 6000 + port))
  for i in range(4): s.sendto(bytes([port, i]), ('10.8.0.2', 9))`;
    await namespace.run('python3', '-c', send);
    const ports = opened.map(({ fd }) => new TapPort(fd, memory));
    const queueOf = new Map<number, number>();
    const seen: number[] = [];
    ports.forEach((port, queue) => {
      for (let length = port.read(0, 2000); length > 0; length = port.read(0, 2000)) {
        const flow = memory[42]!;
        assert.equal(queueOf.get(flow) ?? queue, queue, `flow ${flow} stays on its queue`);
        queueOf.set(flow, queue);
        seen.push(flow * 4 + memory[43]!);
      }
    });
    assert.deepEqual(
      seen.toSorted((a, b) => a - b),
      Array.from({ length: 96 }, (_, i) => i),
    );
    assert.ok(new Set(queueOf.values()).size > 1, 'more than one queue is used');
    // All queues lead to the one interface.
    memory.set(frame(1), 0);
    const before = (await counters('mq0')).packets;
    for (const port of ports) assert.equal(port.write(0, 60), true);
    assert.equal((await counters('mq0')).packets, before + 3);
    for (const { fd } of opened) closeFd(fd);
    assert.deepEqual(await namespace.ipJson('link', 'show', 'type', 'tun'), []);
  });

  test('a virtio header is before the frame where that was asked for', async () => {
    const { fd, name } = inNetworkNamespace(namespace.path, () => openTap('v%d', 'tap', { vnetHeader: true }));
    assert.equal(name, 'v0');
    await namespace.run('ip', 'link', 'set', name, 'up');
    const port = new TapPort(fd, memory);
    memory.fill(0, 0, 10);
    memory.set(frame(3), 10);
    assert.equal(port.write(0, 70), true);
    assert.equal((await counters(name)).bytes, 60);
    closeFd(fd);
  });

  test('what can not be', () => {
    for (const name of ['a name', 'a/b', 'a:b', '', '.', '..', 'sixteen-letters-']) {
      assert.throws(() => openTap(name, 'tap'), new RangeError(`${name} is no name of an interface`));
    }
    assert.throws(
      () => inNetworkNamespace(namespace.path, () => openTap('lo', 'tap')),
      (error: unknown) => error instanceof SysError && /TUNSETIFF.*lo/.test(error.message),
    );
  });
});
