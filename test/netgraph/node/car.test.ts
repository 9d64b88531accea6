// ng_car(4): colours, rates each way, shaping in virtual time, packets instead of bytes, and what is refused.
import assert from 'node:assert/strict';
import { afterEach, beforeEach, test } from 'node:test';
import { openGraph, sendAscii, socketOf } from '../../../src/netgraph/index.ts';
import { until } from '../../lib/wait.ts';
import { Inline } from '../lib/inline.ts';

let inline: Inline;
beforeEach(async () => {
  inline = await Inline.open();
});
afterEach(() => inline.close());

const packet = (length: number): Uint8Array => new Uint8Array(length);

test('single rate: green while there is a burst, yellow by the excess, red beyond; and what passes in the long run', async () => {
  const node = inline.make('car', 'upper', 'lower');
  await inline.ascii(
    node,
    'setconf',
    '{ downstream={ cir=80000 cbs=1000 ebs=500 greenAction=1 yellowAction=1 redAction=2 } }',
  );
  for (let i = 0; i < 20; i++) inline.write('upper', packet(100));
  assert.equal((await inline.came()).filter(({ hook }) => hook === 'lower').length, 15);
  assert.equal(node.counts()['drop.rate'], 5);
  assert.equal(
    await inline.ascii(node, 'getclrstats'),
    '{ downstream={ passed=15 dropped=5 green=10 yellow=5 red=5 } }',
  );
  // 80,000 bits a second are 100 packets of 100 bytes; 200 are offered.
  for (let i = 0; i < 2000; i++) {
    inline.pass(5);
    inline.write('upper', packet(100));
  }
  const passed = (await inline.came()).length;
  assert.ok(passed >= 995 && passed <= 1016, `${passed} in ten seconds`);
  // The other way has its own, which was left as it is: 8,192 and 8,192 bytes at once.
  for (let i = 0; i < 200; i++) inline.write('lower', packet(100));
  assert.equal((await inline.came()).length, 162);
});

test('double rate, actions by colour, and packets instead of bytes', async () => {
  const node = inline.make('car', 'upper', 'lower');
  await inline.ascii(
    node,
    'setconf',
    '{ upstream={ cir=10 pir=20 cbs=2 ebs=4 greenAction=1 yellowAction=2 redAction=2 mode=1 opt=2 } }',
  );
  for (let i = 0; i < 6; i++) inline.write('lower', packet(1000 + i));
  assert.equal((await inline.came()).length, 2);
  assert.equal(await inline.ascii(node, 'getstats'), '{ upstream={ passed=2 dropped=4 green=2 yellow=2 red=2 } }');
  inline.pass(100);
  inline.write('lower', packet(10));
  assert.equal((await inline.came()).length, 1);
});

test('shape: what is too early waits, goes in order and at the rate; a change of mode lets it go', async () => {
  const node = inline.make('car', 'upper', 'lower');
  const shape = (cir: number): Promise<unknown> =>
    inline.ascii(
      node,
      'setconf',
      `{ downstream={ cir=${cir} cbs=100 ebs=100 greenAction=1 yellowAction=1 redAction=2 mode=3 } }`,
    );
  await shape(8000);
  const begin = inline.now;
  for (let i = 0; i < 6; i++)
    inline.write(
      'upper',
      Uint8Array.from({ length: 100 }, () => i),
    );
  const order: number[] = [];
  const when: number[] = [];
  for (let i = 0; i < 60; i++) {
    for (const { data } of await inline.came()) {
      order.push(data[0]!);
      when.push(Math.round(inline.now - begin));
    }
    inline.pass(10);
  }
  assert.deepEqual(order, [0, 1, 2, 3, 4, 5]);
  // 8,000 bits a second: one of 100 bytes every 100 ms.
  assert.deepEqual(when, [0, 100, 200, 300, 400, 500]);
  for (let i = 0; i < 120; i++) inline.write('upper', packet(100));
  const { downstream } = await inline.send<{ downstream: { red: number } }>(node, 'getstats');
  assert.ok(downstream.red > 0, 'the queue is bounded');
  assert.equal((await inline.came()).length, 1);
  await inline.ascii(
    node,
    'setconf',
    '{ downstream={ cir=8000 cbs=100 ebs=100 greenAction=1 yellowAction=1 redAction=2 } }',
  );
  inline.plane.step();
  assert.ok((await inline.came()).length > 50);
  await shape(8000);
  for (let i = 0; i < 10; i++) inline.write('upper', packet(100));
});

test('what one car has marked, another that is aware of colours does not better', async () => {
  const first = inline.graph.create('car', 'first');
  const second = inline.graph.create('car', 'second');
  inline.join(first, 'upper');
  inline.graph.connect(first, 'lower', second, 'upper');
  inline.join(second, 'lower');
  const mark = 'greenAction=3 yellowAction=3 redAction=3';
  await inline.ascii(first, 'setconf', `{ downstream={ cir=8 cbs=200 ebs=100 ${mark} } }`);
  const plenty = 'cir=8 cbs=9000 ebs=9000 greenAction=1 yellowAction=1 redAction=1';
  for (const [mode, ways] of [
    ['mode=0', 'green=2 yellow=1 red=2'],
    ['mode=1 pir=8', 'green=2 yellow=1 red=2'],
    ['mode=2', 'green=2 yellow=1 red=2'],
    ['mode=0 opt=0', 'green=5'],
  ] as const) {
    await inline.ascii(first, 'setconf', `{ downstream={ cir=9 cbs=200 ebs=100 ${mark} } }`);
    await inline.ascii(first, 'setconf', `{ downstream={ cir=8 cbs=200 ebs=100 ${mark} } }`);
    await inline.ascii(
      second,
      'setconf',
      `{ downstream={ ${plenty} ${mode.includes('opt') ? mode : `${mode} opt=1`} } }`,
    );
    for (let i = 0; i < 5; i++) inline.write('upper', packet(100));
    assert.equal((await inline.came()).length, 5, 'all are forwarded');
    assert.equal(await inline.ascii(second, 'getclrstats'), `{ downstream={ passed=5 ${ways} } }`, mode);
  }
});

test('getconf says what is set, and a direction that is left out stays; clrstats', async () => {
  const node = inline.make('car', 'upper', 'lower');
  const first = 'cbs=8192 ebs=8192 cir=10240 greenAction=1 yellowAction=1 redAction=2';
  assert.equal(await inline.ascii(node, 'getconf'), `{ upstream={ ${first} } downstream={ ${first} } }`);
  const other = 'cbs=100 ebs=200 cir=5000 pir=6000 greenAction=1 yellowAction=3 redAction=2 mode=1 opt=2';
  await inline.ascii(node, 'setconf', `{ upstream={ ${other} } }`);
  assert.equal(await inline.ascii(node, 'getconf'), `{ upstream={ ${other} } downstream={ ${first} } }`);
  inline.write('lower', 'x');
  assert.equal(await inline.ascii(node, 'getstats'), '{ upstream={ passed=1 green=1 } }');
  await inline.ascii(node, 'clrstats');
  assert.equal(await inline.ascii(node, 'getstats'), '{}');
});

test('RED: packets go into debt, and each debt brings the next drop nearer', async () => {
  const node = inline.make('car', 'upper', 'lower');
  await inline.ascii(
    node,
    'setconf',
    '{ downstream={ cir=8 cbs=200 ebs=1000 greenAction=1 yellowAction=1 redAction=2 mode=2 } }',
  );
  // Two by the burst; debts of 100, 200, 300 make 600, and 400 more would make a thousand: red, and counting starts anew. Then 400 and not
  // 500 more, and so on until a debt alone is too much.
  const colours: string[] = [];
  for (let i = 0; i < 8; i++) {
    inline.write('upper', packet(100));
    const { downstream } = await inline.send<{ downstream: Record<string, number> }>(node, 'getclrstats');
    colours.push(['green', 'yellow', 'red'].find(name => downstream[name] === 1)!);
  }
  assert.deepEqual(colours, ['green', 'green', 'yellow', 'yellow', 'yellow', 'red', 'yellow', 'yellow']);
  assert.equal((await inline.came()).length, 7);
});

test('what waits goes with the hook that it came in by, and is lost where the other is gone', async () => {
  const node = inline.make('car', 'upper', 'lower');
  await inline.ascii(
    node,
    'setconf',
    '{ downstream={ cir=8000 cbs=100 ebs=100 greenAction=1 yellowAction=1 redAction=2 mode=3 } }',
  );
  for (let i = 0; i < 3; i++) inline.write('upper', packet(100));
  assert.equal((await inline.came()).length, 1);
  inline.graph.rmhook(node.hooks.get('upper')!);
  inline.pass(1000);
  assert.deepEqual(await inline.came(), []);
  assert.equal(node.counts()['drop.removed'], 2);
  inline.join(node, 'upper');
  for (let i = 0; i < 3; i++) inline.write('upper', packet(100));
  assert.equal((await inline.came()).length, 1);
  inline.graph.rmhook(node.hooks.get('lower')!);
  inline.pass(1000);
  assert.equal(node.counts()['drop.notConnected'], 2);
  const { downstream } = await inline.send<{ downstream: { errors: number } }>(node, 'getstats');
  assert.equal(downstream.errors, 2);
});

test('between two workers, in real time: shaped, in order, nobody lost', async () => {
  const graph = await openGraph({ workers: 2, packets: { perWorker: 512, maxBytes: 2048 } });
  try {
    const a = socketOf(graph.create('socket', 'a'));
    const b = socketOf(graph.create('socket', 'b'));
    const car = graph.create('car', 'car');
    graph.connect(a.node, 'x', car, 'upper');
    graph.connect(b.node, 'x', car, 'lower');
    await sendAscii(
      graph,
      undefined,
      'car:',
      'setconf',
      '{ downstream={ cir=400000 cbs=100 ebs=100 greenAction=1 yellowAction=1 redAction=2 mode=3 } }',
    );
    await graph.settled();
    const came: number[] = [];
    b.onData = (_hook, data) => void came.push(data[0]!);
    const begin = performance.now();
    const numbers = Array.from({ length: 8 }, (_, i) => i);
    for (const i of numbers) a.write('x', new Uint8Array(500).fill(i));
    await until(() => came.length === numbers.length, { everyMs: 1, what: () => `8 packets, not ${came.length}` });
    // 50,000 bytes a second, and the first hundred are there already: 78 ms, by a clock that is read once in a few rounds.
    assert.ok(performance.now() - begin >= 65, 'not before their time');
    assert.deepEqual(came, numbers);
    await until(() => graph.countsOf(car)['downstream.passed'] === 8, { what: 'the counters' });
  } finally {
    await graph.close();
  }
});

test('what is refused, and the wire that is mended', async () => {
  const node = inline.make('car', 'upper', 'lower');
  inline.refusesHook(node, 'EINVAL', 'other', 'other');
  const bad: [string, RegExp][] = [
    ['{ upstream={ cir=1 cbs=1 greenAction=4 yellowAction=1 redAction=2 } }', /greenAction=4/],
    ['{ upstream={ cir=1 greenAction=1 yellowAction=1 redAction=2 } }', /cbs and ebs/],
    ['{ upstream={ cir=1 cbs=1 greenAction=1 yellowAction=1 redAction=2 mode=4 } }', /not 4/],
    ['{ upstream={ cir=1 cbs=1 greenAction=1 yellowAction=1 redAction=2 opt=4 } }', /opt=4/],
    ['{ downstream={ cir=9 pir=3 cbs=1 greenAction=1 yellowAction=1 redAction=2 mode=1 } }', /pir/],
  ];
  for (const [text, why] of bad) await inline.refuses(node, 'EINVAL', 'setconf', text, why);
  inline.graph.shutdown(node);
  inline.write('upper', 'through');
  assert.deepEqual(await inline.texts(), ['lower through']);
});
