// ng_pipe(4), in virtual time: bandwidth, delay, limits, disciplines, errors, doubles, and what is refused.
import assert from 'node:assert/strict';
import { afterEach, beforeEach, test } from 'node:test';
import { openGraph, send, socketOf } from '../../../src/netgraph/index.ts';
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

test('between two workers, in real time', async () => {
  const graph = await openGraph({ workers: 2, packets: { perWorker: 512, maxBytes: 2048 } });
  try {
    const [a, b] = ['a', 'b'].map(name => socketOf(graph.create('socket', name))) as [
      ReturnType<typeof socketOf>,
      ReturnType<typeof socketOf>,
    ];
    const pipe = graph.create('pipe', 'pipe');
    graph.connect(a.node, 'x', pipe, 'upper');
    graph.connect(b.node, 'x', pipe, 'lower');
    await send(graph, undefined, 'pipe:', 'setcfg', {
      ...((await send(graph, undefined, 'pipe:', 'getcfg')).args as object),
      delay: 20_000,
      downstream: zeros(),
      upstream: zeros(),
    });
    let came = 0;
    b.onData = () => came++;
    const begin = performance.now();
    for (let i = 0; i < 20; i++) a.write('x', Uint8Array.of(i));
    await until(() => came === 20, { everyMs: 1, what: () => `20 packets, not ${came}` });
    assert.ok(performance.now() - begin >= 20, 'not before their time');
  } finally {
    await graph.close();
  }
});

function zeros(): Record<string, number> {
  return Object.fromEntries(
    ['bandwidth', 'BER', 'queuelen', 'delaylen', 'duplicate', 'fifo', 'drr', 'wfq', 'droptail', 'drophead'].map(
      name => [name, 0],
    ),
  );
}
