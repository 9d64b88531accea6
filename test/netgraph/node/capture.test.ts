// capture: what is in the file is read by tshark, from one worker and from two at once.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, test } from 'node:test';
import { openGraph, send, socketOf, type WorkerPlane } from '../../../src/netgraph/index.ts';
import { temporaryDirectory } from '../../lib/temporary.ts';
import { until } from '../../lib/wait.ts';
import { Inline } from '../lib/inline.ts';
import { ip4, udp } from '../lib/packets.ts';

let inline: Inline;
let file: string;
beforeEach(async () => {
  inline = await Inline.open();
  file = join(temporaryDirectory(), 'x.pcapng');
});
afterEach(() => inline.close());

function read(fields: readonly string[], from: string = file): string[] {
  const args = ['-r', from, '-n', '-T', 'fields', '-E', 'separator=|', ...fields.flatMap(field => ['-e', field])];
  const text = execFileSync('tshark', args, {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'pipe'],
    maxBuffer: 64 << 20,
  });
  return text === '' ? [] : text.replace(/\n$/, '').split('\n');
}

const packet = (port: number, size = 10): Uint8Array => ip4(udp(port, 9, new Uint8Array(size)));

test('in a wire: packets go through, and both ways are in the file with their interfaces, times and lengths', async () => {
  const node = inline.make('capture', 'left', 'right');
  inline.write('left', packet(1));
  const before = Date.now() / 1000;
  await inline.ascii(node, 'start', `{ file="${file}" snaplen=30 dlt=12 }`);
  inline.write('left', packet(2, 100));
  inline.write('right', packet(3));
  assert.deepEqual(
    (await inline.came()).map(({ hook, data }) => [hook, data.length]),
    [
      ['right', 38],
      ['right', 128],
      ['left', 38],
    ],
  );
  await inline.ascii(node, 'stop');
  inline.write('left', packet(4));
  const rows = read(['udp.srcport', 'frame.interface_name', 'frame.len', 'frame.cap_len', 'frame.time_epoch']);
  const address = node.address;
  assert.deepEqual(
    rows.map(row => row.split('|').slice(0, 4).join('|')),
    [`2|${address}left|128|30`, `3|${address}right|38|30`],
  );
  for (const row of rows) assert.ok(Math.abs(Number(row.split('|')[4]) - before) < 60, row);
  const { octets, ...status } = await inline.send<{ octets: number }>(node, 'status');
  assert.deepEqual(status, { file, running: 0, packets: 2, lost: 0, error: '' });
  assert.equal(octets, statSync(file).size);
});

test('at the end of a wire: what comes is swallowed; packets are in the file after a moment, before it ends', async () => {
  const node = inline.make('capture', 'in');
  await inline.ascii(node, 'start', `{ file="${file}" dlt=12 }`);
  inline.write('in', packet(7));
  const size = (): number => statSync(file).size;
  const empty = size();
  inline.pass(99);
  await inline.came();
  assert.equal(size(), empty);
  inline.pass(1);
  await until(() => size() > empty, { what: 'the packet in the file' });
  assert.deepEqual(read(['udp.srcport']), ['7']);
  assert.match((await inline.ascii(node, 'textstatus'))!, /captures to .*: 1 packets, 0 lost/);
  await inline.ascii(node, 'stop');
  assert.deepEqual(await inline.came(), []);
});

test('a limit ends the capture by itself, to the packet; the next one begins the file anew', async () => {
  const node = inline.make('capture', 'left', 'right');
  await inline.ascii(node, 'start', `{ file="${file}" limit=3 dlt=12 }`);
  for (let i = 1; i <= 5; i++) inline.write('left', packet(i));
  assert.equal((await inline.came()).length, 5);
  await until(async () => (await inline.send<{ running: number }>(node, 'status')).running === 0, { what: 'its end' });
  await until(() => read(['udp.srcport']).join() === '1,2,3', { what: 'three packets' });
  await inline.ascii(node, 'start', `{ file="${file}" dlt=12 }`);
  inline.write('right', packet(9));
  await inline.ascii(node, 'stop');
  assert.deepEqual(read(['udp.srcport']), ['9']);
});

test('a node that ends leaves a whole file, and the wire joined', async () => {
  const node = inline.make('capture', 'left', 'right');
  await inline.ascii(node, 'start', `{ file="${file}" dlt=12 }`);
  inline.write('left', packet(5));
  await inline.came();
  inline.graph.shutdown(node);
  await until(() => read(['udp.srcport']).join() === '5', { what: 'the last packet' });
  inline.write('left', packet(6));
  assert.deepEqual(
    (await inline.came()).map(({ hook }) => hook),
    ['right'],
  );
});

test('refused: other hooks, a second start, a stop without one, files that can not be', async () => {
  const node = inline.make('capture', 'left');
  inline.refusesHook(node, 'EINVAL', 'in', 'alone');
  inline.refusesHook(node, 'EINVAL', 'middle', 'middle');
  await inline.refuses(node, 'ENOTCONN', 'stop', '', 'nothing');
  await inline.refuses(node, 'ENOENT', 'start', '{ file="/nowhere/x" }', '/nowhere/x');
  await inline.refuses(node, 'EINVAL', 'start', '{ file="/tmp" }', '/tmp');
  await inline.refuses(node, 'EINVAL', 'start', '{ file="/dev/null" }', 'plain file');
  await inline.refuses(node, 'EINVAL', 'start', '{}', 'file');
  writeFileSync(file, 'precious');
  await inline.refuses(node, 'EINVAL', 'start', `{ file="${file}" dlt=9 }`, 'dlt=9');
  assert.equal(readFileSync(file, 'utf8'), 'precious');
  await inline.ascii(node, 'start', `{ file="${file}" }`);
  await inline.refuses(node, 'EBUSY', 'start', `{ file="${file}2" }`, file);
  inline.write('left', packet(1));
  assert.equal(node.counts()['drop.notConnected'], 1);
  await inline.ascii(node, 'stop');
});

test('two workers at once: every block is whole, each one in its order, and a limit holds for both together', async () => {
  const graph = await openGraph({ workers: 2, packets: { perWorker: 2048, maxBytes: 1024 } });
  try {
    const me = graph.create('socket', 'me');
    // IDs in a row run in workers in a row.
    const running = [graph.mkpeer(me, 'source', '1', 'input'), graph.mkpeer(me, 'source', '2', 'input')] as const;
    assert.notEqual(running[0].worker, running[1].worker);
    const capture = graph.create('capture');
    graph.connect(running[0], 'output', capture, 'left');
    graph.connect(running[1], 'output', capture, 'right');
    for (const port of [1, 2]) socketOf(me).write(String(port), packet(port, 100 * port));
    const counter = { offset: 28, flags: 1, width: 4, next_val: 0, min_val: 0, max_val: 1e9, increment: 1, index: 0 };
    for (const { address } of running) {
      await send(graph, undefined, address, 'setcounter', counter);
      const kept = async (): Promise<boolean> =>
        ((await send(graph, undefined, address, 'getstats')).args as { queueFrames: number }).queueFrames === 1;
      await until(kept, { what: 'a packet to play' });
    }
    await send(graph, undefined, capture.address, 'start', { file, snaplen: 0, limit: 0, dlt: 12 });
    for (const { address } of running) await send(graph, undefined, address, 'start', 2000);
    await until(() => graph.countsOf(capture)['captured'] === 4000, { what: 'four thousand packets' });
    await send(graph, undefined, capture.address, 'stop');
    const rows = read(['udp.srcport', 'udp.payload']).map(row => row.split('|'));
    for (const port of ['1', '2']) {
      const numbers = rows.filter(row => row[0] === port).map(row => Number.parseInt(row[1]!.slice(0, 8), 16));
      assert.deepEqual(
        numbers,
        Array.from({ length: 2000 }, (_, i) => i),
      );
    }
    await send(graph, undefined, capture.address, 'start', { file, snaplen: 0, limit: 1000, dlt: 12 });
    for (const { address } of running) await send(graph, undefined, address, 'start', 900);
    const status = async (): Promise<{ running: number; packets: number }> =>
      (await send(graph, undefined, capture.address, 'status')).args as { running: number; packets: number };
    await until(async () => (await status()).running === 0, { what: 'the limit' });
    assert.equal((await status()).packets, 1000);
    await until(() => read(['frame.number']).length === 1000, { what: 'a thousand packets' });
  } finally {
    await graph.close();
  }
});

test('a capture that is stopped while workers die ends, and its file is whole', async () => {
  const replaced: string[] = [];
  const graph = await openGraph({
    workers: 2,
    packets: { perWorker: 256, maxBytes: 256 },
    backoffMs: [0, 0],
    trouble: text => replaced.push(text),
  });
  const plane = graph.plane as WorkerPlane;
  try {
    const me = graph.create('socket', 'me');
    const capture = graph.mkpeer(me, 'capture', 'out', 'in');
    const address = capture.address;
    for (const before of ['running', 'restarting']) {
      await send(graph, undefined, address, 'start', { file, snaplen: 0, limit: 0, dlt: 12 });
      const captured = capture.counts()['captured']!;
      socketOf(me).write('out', packet(1));
      await until(() => capture.counts()['captured'] === captured + 1, { what: 'the packet' });
      // What it has of a packet a worker hands over after a moment.
      await until(
        async () => ((await send(graph, undefined, address, 'status')).args as { packets: number }).packets === 1,
        {
          what: 'the packet in the file',
        },
      );
      for (const worker of [0, 1]) plane.kill(worker);
      await until(() => plane.health(0).state === before, { what: `worker 0 ${before}`, everyMs: 1 });
      await send(graph, undefined, address, 'stop');
      assert.deepEqual(read(['udp.srcport']), ['1']);
      await until(() => replaced.length === 2, { what: () => `successors: ${replaced.join('; ')}` });
      for (const text of replaced.splice(0)) assert.match(text, /another has taken its place$/);
    }
  } finally {
    await graph.close();
  }
});
