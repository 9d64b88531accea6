// ng_pipe(4), in virtual time: bandwidth, delay, limits, disciplines, errors, doubles, and what is refused.
import assert from 'node:assert/strict';
import { afterEach, beforeEach, test } from 'node:test';
import { openGraph, sendAscii, socketOf } from '../../../src/netgraph/index.ts';
import { until } from '../../lib/wait.ts';
import { Inline } from '../lib/inline.ts';
import { ip4 } from '../lib/packets.ts';

let inline: Inline;
beforeEach(async () => {
  inline = await Inline.open();
});
afterEach(() => inline.close());

/** What comes out, and at which millisecond since now. */
async function watch(ms: number): Promise<{ at: number; hook: string; data: Buffer }[]> {
  const begin = inline.now;
  const seen: { at: number; hook: string; data: Buffer }[] = [];
  for (let i = 0; i <= ms; i++) {
    for (const came of await inline.came()) seen.push({ at: Math.round(inline.now - begin), ...came });
    inline.pass(1);
  }
  return seen;
}

test('without a configuration all goes straight through, both ways', async () => {
  inline.make('pipe', 'upper', 'lower');
  inline.write('upper', 'down');
  inline.write('lower', 'up');
  assert.deepEqual(await inline.texts(), ['lower down', 'upper up']);
});

test('bandwidth and delay: each packet after those before it, and then the way', async () => {
  const node = inline.make('pipe', 'upper', 'lower');
  // 80,000 bits a second: 90 bytes and 10 of overhead take 10 ms.
  await inline.ascii(node, 'setcfg', '{ bandwidth=80000 delay=30000 overhead=10 }');
  for (let i = 0; i < 4; i++) inline.write('upper', new Uint8Array(90));
  inline.write('lower', new Uint8Array(40));
  assert.equal(
    await inline.ascii(node, 'getrun'),
    '{ downstream={ queues=1 queuedOctets=270 queuedFrames=3 delayedOctets=90 delayedFrames=1 }' +
      ' upstream={ delayedOctets=40 delayedFrames=1 } }',
  );
  assert.deepEqual(
    (await watch(100)).map(({ at, hook }) => `${at} ${hook}`),
    ['35 upper', '40 lower', '50 lower', '60 lower', '70 lower'],
  );
  assert.equal(
    await inline.ascii(node, 'getclrstats'),
    '{ downstream={ FwdOctets=360 FwdFrames=4 } upstream={ FwdOctets=40 FwdFrames=1 } }',
  );
  // Nothing is faster than none.
  await inline.ascii(node, 'setcfg', '{ bandwidth=-1 delay=-1 }');
  inline.write('upper', 'now');
  assert.deepEqual(await inline.texts(), ['lower now']);
});

test('the queue is limited, and drops at its tail or its head; so is what is on its way', async () => {
  const node = inline.make('pipe', 'upper', 'lower');
  await inline.ascii(
    node,
    'setcfg',
    '{ bandwidth=8000 overhead=-1 downstream={ queuelen=2 } upstream={ queuelen=2 drophead=1 } }',
  );
  for (const hook of ['upper', 'lower']) for (let i = 0; i < 5; i++) inline.write(hook, Uint8Array.of(i, 0, 0, 0, 0));
  const seen = await watch(30);
  const of = (hook: string): number[] => seen.filter(each => each.hook === hook).map(({ data }) => data[0]!);
  // The first is being sent, so it waits no more.
  assert.deepEqual(of('lower'), [0, 1, 2]);
  assert.deepEqual(of('upper'), [0, 3, 4]);
  assert.equal(node.counts()['drop.queueFull'], 4);
  await inline.ascii(node, 'setcfg', '{ bandwidth=-1 delay=5000 downstream={ delaylen=1 } }');
  for (let i = 0; i < 3; i++) inline.write('upper', 'x');
  assert.equal((await watch(10)).length, 1);
});

test('a flow of large packets does not keep another out: fifo, round robin, fair queueing', async () => {
  const node = inline.make('pipe', 'upper', 'lower');
  const flow = (source: number, length: number): Uint8Array => ip4(new Uint8Array(length - 20), { source });
  const order = async (discipline: string): Promise<string> => {
    await inline.ascii(node, 'setcfg', `{ bandwidth=800000 downstream={ ${discipline} queuelen=100 } }`);
    for (let i = 0; i < 8; i++) inline.write('upper', flow(1, 1000));
    for (let i = 0; i < 8; i++) inline.write('upper', flow(2, 100));
    const seen = (await watch(200)).map(({ data }) => (data.length === 1000 ? 'L' : 's')).join('');
    assert.equal(seen.length, 16);
    return seen;
  };
  assert.equal(await order('fifo=1'), 'LLLLLLLLssssssss');
  const last = (text: string): number => text.lastIndexOf('s');
  assert.ok(last(await order('drr=1000')) < 12, 'ten small ones for a large one');
  assert.ok(last(await order('wfq=1')) < 12, 'small ones would have been sent first');
});

test('bit errors and doubles, as often as they are asked for', async () => {
  const node = inline.make('pipe', 'upper', 'lower');
  await inline.ascii(node, 'setcfg', '{ downstream={ BER=8000 } upstream={ duplicate=50 } }');
  let good = 0;
  let doubled = 0;
  for (let i = 0; i < 4000; i++) {
    inline.write('upper', new Uint8Array(100));
    inline.write('lower', new Uint8Array(100));
    for (const { hook } of await inline.came()) {
      if (hook === 'lower') good++;
      else doubled++;
    }
  }
  // 800 bits of one wrong in 8,000: e to the power of -0.1, and six standard deviations.
  assert.ok(Math.abs(good - 4000 * Math.exp(-0.1)) < 6 * Math.sqrt(4000 * 0.0861), `${good} good`);
  // Half of them come once more, a quarter twice...: two for one.
  assert.ok(Math.abs(doubled - 8000) < 6 * Math.sqrt(4000 * 2), `${doubled} of 4000`);
});

test('what is refused, what is told, and the wire that is mended with what was on its way dropped', async () => {
  const node = inline.make('pipe', 'upper', 'lower');
  inline.refusesHook(node, 'EINVAL', 'other', 'other');
  const bad: [string, RegExp][] = [
    ['{ delay=10000001 }', /delay=10000001/],
    ['{ overhead=256 }', /overhead=256/],
    ['{ upstream={ duplicate=51 } }', /upstream.duplicate=51/],
    ['{ upstream={ fifo=1 wfq=1 } }', /not several/],
    ['{ upstream={ droptail=1 drophead=1 } }', /not both/],
    ['{ downstream={ bandwidth=-2 } }', /bandwidth=-2/],
  ];
  for (const [text, why] of bad) await inline.refuses(node, 'EINVAL', 'setcfg', text, why);
  await inline.ascii(node, 'setcfg', '{ bandwidth=8000 delay=1000 header_offset=14 downstream={ drr=1 } }');
  assert.equal(
    await inline.ascii(node, 'getcfg'),
    '{ bandwidth=8000 delay=1000 header_offset=14 overhead=10' +
      ' downstream={ queuelen=50 drr=2048 droptail=1 } upstream={ queuelen=50 fifo=1 droptail=1 } }',
  );
  for (let i = 0; i < 3; i++) inline.write('upper', 'waits');
  inline.graph.shutdown(node);
  inline.write('upper', 'through');
  assert.deepEqual(await inline.texts(), ['lower through']);
});

test('a link of another speed frames its packets otherwise, and one whose bits are all wrong is down', async () => {
  const node = inline.make('pipe', 'upper', 'lower');
  const said: string[] = [];
  inline.socket.onMessage = (name, _args, { hook }) => void said.push(`${hook!.name} ${name}`);
  const cfg = (): Promise<{ overhead: number; bandwidth: number; upstream: { bandwidth: number } }> =>
    inline.send(node, 'getcfg');
  await inline.ascii(node, 'setcfg', '{ bandwidth=10000000 }');
  assert.equal((await cfg()).overhead, 24);
  await inline.ascii(node, 'setcfg', '{ bandwidth=9999999 upstream={ bandwidth=1000 wfq=1 } }');
  const { overhead, bandwidth, upstream } = await cfg();
  assert.deepEqual([overhead, bandwidth, upstream.bandwidth], [10, 0, 1000]);
  await inline.ascii(node, 'setcfg', '{ bandwidth=64000 overhead=3 }');
  assert.equal((await cfg()).overhead, 3);
  await inline.ascii(node, 'setcfg', '{ bandwidth=-1 upstream={ bandwidth=-1 } }');
  assert.equal(
    await inline.ascii(node, 'getcfg'),
    '{ downstream={ queuelen=50 fifo=1 droptail=1 } upstream={ queuelen=50 fifo=1 droptail=1 } }',
  );
  await inline.ascii(node, 'setcfg', '{ upstream={ BER=1 } }');
  inline.write('lower', 'lost');
  inline.write('upper', 'good');
  assert.deepEqual(await inline.texts(), ['lower good']);
  await inline.ascii(node, 'setcfg', '{ downstream={ BER=1 } }');
  await inline.ascii(node, 'setcfg', '{ upstream={ BER=-1 } downstream={ BER=-1 } }');
  await inline.texts();
  assert.deepEqual(said, ['upper link_is_down', 'lower link_is_down', 'upper link_is_up', 'lower link_is_up']);
});

test('a timer at its very time finds that time come, whatever the clock says', async () => {
  const node = inline.make('pipe', 'upper', 'lower');
  const { runtime } = inline.plane;
  // Just above a power of two, a thousandth of a number is coarser than the number.
  inline.pass(2 ** 20 - inline.now + 1);
  for (const bandwidth of [7001, 9973, 12_345, 17_777]) {
    await inline.ascii(node, 'setcfg', `{ bandwidth=${bandwidth} delay=777 }`);
    for (let i = 0; i < 50; i++) inline.write('upper', new Uint8Array(31 + i));
    let timers = 0;
    for (; runtime.due < Number.POSITIVE_INFINITY; timers++) {
      const { due } = runtime;
      inline.at(due);
      assert.notEqual(runtime.due, due, `called at ${due}, and nothing was done`);
    }
    assert.ok(timers >= 50, `${timers} timers`);
    assert.equal((await inline.came()).length, 50);
  }
  assert.ok(inline.now < 2 ** 20 * 1.024, 'still where it is coarser');
});

test('what passes a pipe that is as good as none is counted, and does not overtake what waits', async () => {
  const node = inline.make('pipe', 'upper');
  inline.write('upper', 'lost');
  assert.equal(node.counts()['drop.notConnected'], 1);
  assert.equal(await inline.ascii(node, 'getclrstats'), '{ downstream={ delayDropOctets=4 delayDropFrames=1 } }');
  inline.join(node, 'lower');
  await inline.ascii(node, 'setcfg', '{ delay=50000 }');
  inline.write('upper', 'first');
  await inline.ascii(node, 'setcfg', '{ delay=-1 }');
  inline.write('upper', 'second');
  assert.deepEqual(await inline.texts(), []);
  inline.pass(50);
  inline.write('upper', 'third');
  assert.deepEqual(await inline.texts(), ['lower first', 'lower second', 'lower third']);
  assert.equal(await inline.ascii(node, 'getstats'), '{ downstream={ FwdOctets=16 FwdFrames=3 } }');
  await inline.ascii(node, 'clrstats');
  assert.equal(await inline.ascii(node, 'getstats'), '{}');
});

test('flows that come and go, hundreds of them: each in its own order, nobody lost', async () => {
  const node = inline.make('pipe', 'upper', 'lower');
  for (const discipline of ['drr=100', 'wfq=1']) {
    await inline.ascii(node, 'setcfg', `{ bandwidth=10000000 downstream={ ${discipline} queuelen=400 } }`);
    for (let round = 0; round < 3; round++) {
      for (let i = 0; i < 300; i++) {
        inline.write('upper', ip4(Uint8Array.of(i >> 8, i & 255), { source: 1 + ((i * 7) % 150) }));
      }
      inline.pass(1000);
      const last = new Map<number, number>();
      const came = await inline.came();
      assert.equal(came.length, 300);
      for (const { data } of came) {
        const source = data.readUInt32BE(12);
        const number = data.readUInt16BE(20);
        assert.ok(number > (last.get(source) ?? -1), `${discipline}: ${number} of ${source} after ${last.get(source)}`);
        last.set(source, number);
      }
      assert.equal(last.size, 150);
    }
  }
  assert.equal(await inline.ascii(node, 'getrun'), '{}');
});

test('between two workers, in real time', async () => {
  const graph = await openGraph({ workers: 2, packets: { perWorker: 512, maxBytes: 2048 } });
  try {
    const a = socketOf(graph.create('socket', 'a'));
    const b = socketOf(graph.create('socket', 'b'));
    const pipe = graph.create('pipe', 'pipe');
    graph.connect(a.node, 'x', pipe, 'upper');
    graph.connect(b.node, 'x', pipe, 'lower');
    await sendAscii(graph, undefined, 'pipe:', 'setcfg', '{ delay=40000 }');
    await graph.settled();
    const came: number[] = [];
    b.onData = (_hook, data) => void came.push(data[0]!);
    const begin = performance.now();
    const numbers = Array.from({ length: 20 }, (_, i) => i);
    for (const i of numbers) a.write('x', Uint8Array.of(i));
    await until(() => came.length === 20, { everyMs: 1, what: () => `20 packets, not ${came.length}` });
    // A worker reads its clock once in a few rounds, so it may be a little behind.
    assert.ok(performance.now() - begin >= 30, 'not before their time');
    assert.deepEqual(came, numbers);
    assert.equal((await sendAscii(graph, undefined, 'pipe:', 'getrun', '')).ascii, '{}');
  } finally {
    await graph.close();
  }
});

test('a packet that wakes a worker came when it came, and not when the worker fell asleep', async () => {
  const graph = await openGraph({ workers: 2, packets: { perWorker: 64, maxBytes: 2048 } });
  try {
    // Numbers alternate between the workers: a socket and its pipe are in one, the other two in the other.
    const sockets = ['a', 'b'].map(name => socketOf(graph.create('socket', name)));
    for (const [i, delay] of [200_000, 100_000].entries()) {
      const pipe = graph.create('pipe', `pipe${i}`);
      graph.connect(sockets[i]!.node, 'in', pipe, 'upper');
      graph.connect(sockets[i]!.node, 'out', pipe, 'lower');
      await sendAscii(graph, undefined, `pipe${i}:`, 'setcfg', `{ delay=${delay} }`);
    }
    await graph.settled();
    const [sleeper, waker] = sockets as [(typeof sockets)[0], (typeof sockets)[0]];
    let came = 0;
    let begin = 0;
    sleeper.onData = () => came++;
    // The first pipe's worker has slept for some 100 ms by then, and would sleep for as long again.
    waker.onData = () => {
      begin = performance.now();
      sleeper.write('in', Uint8Array.of(2));
    };
    sleeper.write('in', Uint8Array.of(1));
    waker.write('in', Uint8Array.of(1));
    await until(() => came === 2, { everyMs: 1, what: () => `2 packets, not ${came}` });
    const took = performance.now() - begin;
    assert.ok(took > 150, `the second took ${took} ms of 200`);
  } finally {
    await graph.close();
  }
});
