// ng_bridge(4): learning, flooding, uplinks, what is malformed, loops, ages, the table and the counters; and several workers at once.
import assert from 'node:assert/strict';
import { afterEach, beforeEach, test } from 'node:test';
import { openGraph, socketOf } from '../../../src/netgraph/index.ts';
import { MacTable } from '../../../src/netgraph/lib/mac-table.ts';
import { until } from '../../lib/wait.ts';
import { address, BROADCAST, frame, MULTICAST } from '../lib/hosts.ts';
import { Inline } from '../lib/inline.ts';

let inline: Inline;
beforeEach(async () => {
  inline = await Inline.open();
});
afterEach(() => inline.close());

/** Where a frame goes, hooks in order. */
const goes = async (hook: string, to: number | string, from: number | string): Promise<string> => {
  const sent = frame(to, from, { payload: `${hook} ${to} ${from}` });
  inline.write(hook, sent);
  const came = await inline.came();
  for (const { data } of came) assert.deepEqual(data, sent, 'nothing of the frame changes');
  return came
    .map(each => each.hook)
    .sort((a, b) => a.localeCompare(b))
    .join(' ');
};

interface Table {
  numHosts: number;
  hosts: { addr: string; hook: string; age: number; staleness: number }[];
}

test('what is unknown or for many goes to all others, what is known to its link, and nowhere where it came from', async () => {
  const bridge = inline.make('bridge', 'link0', 'link1', 'link5');
  assert.equal(await goes('link0', 2, 1), 'link1 link5');
  assert.equal(await goes('link1', 1, 2), 'link0');
  assert.equal(await goes('link0', 2, 1), 'link1');
  assert.equal(await goes('link0', BROADCAST, 1), 'link1 link5');
  assert.equal(await goes('link0', MULTICAST, 1), 'link1 link5');
  assert.equal(await goes('link0', 1, 3), '', 'host 1 is where it came from');
  assert.equal(bridge.counts()['drop.filtered'], 1);
  assert.equal(
    await inline.ascii(bridge, 'getstats', '0'),
    '{ recvOctets=134 recvPackets=5 recvMulticast=1 recvBroadcast=1 recvUnknown=1 xmitOctets=23 xmitPackets=1 }'.replace(
      '134',
      String(
        [frame(2, 1), frame(2, 1), frame(BROADCAST, 1), frame(MULTICAST, 1), frame(1, 3)].length * 14 + payloads(),
      ),
    ),
  );
  assert.equal(
    await inline.ascii(bridge, 'getclrstats', '5'),
    `{ xmitOctets=${3 * 14 + 'link0 2 1'.length + `link0 ${BROADCAST} 1`.length + `link0 ${MULTICAST} 1`.length} xmitPackets=3 xmitMulticasts=1 xmitBroadcasts=1 }`,
  );
  assert.equal(await inline.ascii(bridge, 'getstats', '5'), '{}');
  await inline.ascii(bridge, 'clrstats', '0');
  assert.equal(await inline.ascii(bridge, 'getstats', '0'), '{}');

  function payloads(): number {
    return ['2 1', '2 1', `${BROADCAST} 1`, `${MULTICAST} 1`, '1 3'].reduce((sum, text) => sum + 6 + text.length, 0);
  }
});

test('uplinks learn nothing, get what is unknown, and before any link they keep it from the links', async () => {
  const bridge = inline.make('bridge', 'link0', 'link1', 'uplink1');
  assert.equal(await goes('uplink1', 1, 9), 'link0 link1', 'with a link first, all get it');
  assert.equal(await goes('link0', 9, 1), 'link1 uplink1', 'host 9 was not learnt');
  inline.graph.shutdown(bridge);
  const closed = inline.make('bridge', 'uplink1', 'link0', 'link1', 'uplink2');
  assert.equal(await goes('link0', 9, 1), 'uplink1 uplink2');
  assert.equal(await goes('uplink1', 2, 9), 'uplink2');
  assert.equal(await goes('link0', BROADCAST, 1), 'link1 uplink1 uplink2');
  assert.equal(await goes('uplink2', 1, 9), 'link0');
  assert.equal(await goes('link1', 9, 2), 'uplink1 uplink2');
  assert.equal(await inline.ascii(closed, 'getstats', '-2').then(text => /xmitPackets=(\d+)/.exec(text!)?.[1]), '4');
});

test('frames that are none: shorter than a header, or from a group', async () => {
  const bridge = inline.make('bridge', 'link0', 'link1');
  inline.write('link0', frame(1, 2).subarray(0, 13));
  inline.write('link0', frame(1, MULTICAST));
  assert.deepEqual(await inline.came(), []);
  assert.equal(await inline.ascii(bridge, 'getstats', '0'), '{ recvRunts=1 recvInvalid=1 }');
  assert.equal(bridge.counts()['drop.malformed'], 2);
  inline.write('link0', frame(1, 2));
  assert.equal((await inline.came()).length, 1, 'a header alone is a frame');
});

test('a host that jumps is a loop: its new link is muted for a while, and what it knew is forgotten', async () => {
  const bridge = inline.make('bridge', 'link0', 'link1', 'link2');
  await inline.ascii(bridge, 'setconfig', '{ debugLevel=2 loopTimeout=3 maxStaleness=900 minStableAge=1 }');
  assert.equal(
    await inline.ascii(bridge, 'getconfig'),
    '{ debugLevel=2 loopTimeout=3 maxStaleness=900 minStableAge=1 }',
  );
  await goes('link1', 9, 2);
  await goes('link0', 9, 1);
  assert.equal(await goes('link1', 9, 1), '');
  assert.equal(bridge.counts()['drop.loop'], 1);
  assert.equal(await goes('link1', 9, 2), '', 'link1 is muted');
  assert.equal(
    await goes('link0', 2, 1),
    'link1 link2',
    'and what is for it goes there all the same, though nothing is known of it',
  );
  const stats = await inline.send<Record<string, number>>(bridge, 'getstats', 1);
  assert.equal(stats['loopDetects'], 1);
  assert.equal(stats['loopDrops'], 2);
  assert.equal(stats['recvPackets'], 2);
  assert.match(inline.trouble.splice(0).join(), /loop by its link link1/);
  inline.pass(2000);
  assert.equal(await goes('link1', 9, 2), '');
  inline.pass(1000);
  assert.equal(await goes('link1', 9, 2), 'link0 link2');
  // One that has stood for long enough may go where it likes.
  assert.equal(await goes('link2', 2, 1), 'link1');
  assert.equal(await goes('link0', 1, 9), 'link2');
  // `reset` forgets the loop as well.
  assert.equal(await goes('link0', 9, 1), '');
  assert.match(inline.trouble.splice(0).join(), /link0/);
  assert.equal(await goes('link0', 8, 7), '');
  await inline.ascii(bridge, 'reset');
  assert.equal(await goes('link0', 8, 7), 'link1 link2');
  assert.equal(await inline.ascii(bridge, 'getstats', '1').then(text => text!.includes('loop')), false);
});

test('the table: ages, who is not heard of, links that go, and the hosts that somebody else knows of', async () => {
  const bridge = inline.make('bridge', 'link0', 'link1');
  await inline.ascii(bridge, 'setconfig', '{ debugLevel=1 loopTimeout=60 maxStaleness=10 minStableAge=1 }');
  await goes('link0', 9, 1);
  inline.pass(3000);
  await goes('link1', 9, 2);
  inline.pass(2000);
  await goes('link0', 9, 1);
  inline.pass(1000);
  const table = async (): Promise<string[]> =>
    (await inline.send<Table>(bridge, 'gettable')).hosts
      .map(({ addr, hook, age, staleness }) => `${addr} ${hook} ${age} ${staleness}`)
      .sort((a, b) => a.localeCompare(b));
  assert.deepEqual(await table(), ['02:00:00:00:00:01 link0 6 1', '02:00:00:00:00:02 link1 3 3']);
  assert.match(
    (await inline.ascii(bridge, 'gettable'))!,
    /^\{ numHosts=2 hosts=\[ \{ addr=02:00:00:00:00:0\d hook="link/,
  );
  await inline.ascii(bridge, 'movehost', '{ addr=02:00:00:00:00:07 hook="link1" }');
  assert.equal(await goes('link0', 7, 1), 'link1');
  await inline.refuses(bridge, 'ELOOP', 'movehost', '{ addr=02:00:00:00:00:07 hook="link0" }', 'link0');
  await inline.refuses(bridge, 'ENOENT', 'movehost', '{ addr=02:00:00:00:00:07 hook="link9" }', 'link9');
  await inline.ascii(bridge, 'reset');
  await goes('link0', 9, 1);
  await goes('link1', 9, 2);
  inline.pass(9999);
  assert.equal((await table()).length, 2);
  await goes('link1', 9, 2);
  inline.pass(1);
  assert.deepEqual(await table(), ['02:00:00:00:00:02 link1 10 1']);
  inline.graph.rmhook(bridge.hooks.get('link1')!);
  assert.deepEqual(await table(), []);
  inline.join(bridge, 'link1');
  assert.equal(await goes('link1', 9, 1), 'link0');
});

test('hooks and messages that are refused; a persistent bridge stays', async () => {
  const bridge = inline.make('bridge', 'link0');
  for (const hook of ['link', 'link01', 'uplink0', 'uplink', 'linkx', 'link4294967296', 'up1', 'lower']) {
    inline.refusesHook(bridge, 'EINVAL', hook, hook);
  }
  assert.throws(() => inline.graph.connect(bridge, 'link1', bridge, 'link2'), { code: 'ELOOP' });
  assert.deepEqual([...bridge.hooks.keys()], ['link0']);
  inline.join(bridge, 'link4294967295');
  await inline.refuses(bridge, 'ENOTCONN', 'getstats', '3', 'link3');
  await inline.refuses(bridge, 'ENOTCONN', 'clrstats', '-3', 'uplink3');
  await inline.ascii(bridge, 'setpersistent');
  inline.graph.rmhook(bridge.hooks.get('link0')!);
  inline.graph.rmhook(bridge.hooks.get('link4294967295')!);
  assert.equal(bridge.state, 'there');
  inline.join(bridge, 'uplink1');
  inline.join(bridge, 'link0');
  inline.join(bridge, 'link1');
  assert.equal(await goes('uplink1', 1, 9), '', 'its first link is an uplink');
});

test('a worker dies while it learns: who is known is known still, and the table can be written again', async () => {
  const bridge = inline.make('bridge', 'link0', 'link1');
  await goes('link0', BROADCAST, 1);
  await goes('link1', BROADCAST, 2);
  const { hosts } = bridge.control.config() as { hosts: number };
  // As if another worker were in the middle of it.
  const dying = new MacTable(inline.plane.runtime.around.announced(hosts), 1);
  assert.ok(dying.lock());
  assert.equal(await goes('link0', 2, 3), 'link1', 'what is known is found');
  let known: Table | undefined;
  const asked = inline.send<Table>(bridge, 'gettable').then(table => (known = table));
  inline.graph.rmhook(bridge.hooks.get('link1')!);
  assert.equal(await goes('link0', 2, 1), '');
  assert.equal(known, undefined, 'it waits for the table');
  bridge.control.workerGone(0);
  await inline.came();
  assert.equal(known, undefined, 'another has died');
  bridge.control.workerGone(1);
  await asked;
  assert.deepEqual(
    known!.hosts.map(({ addr, hook }) => `${addr} ${hook}`),
    [`${address(1)} link0`],
    'whom nobody could write down is not known, whose link is gone neither',
  );
  await goes('link0', BROADCAST, 3);
  assert.equal((await inline.send<Table>(bridge, 'gettable')).numHosts, 2);
});

test('two workers bridge by one table: what one learns, the other knows', async () => {
  const graph = await openGraph({ workers: 2, packets: { perWorker: 512, maxBytes: 512 } });
  try {
    // Sockets run in one worker each, in turn: what each sends is bridged where it runs.
    const sockets = [0, 1, 2, 3].map(i => graph.create('socket', `s${i}`));
    assert.deepEqual(new Set(sockets.map(({ worker }) => worker)), new Set([0, 1]));
    const bridge = graph.create('bridge', 'br');
    const got: string[] = [];
    sockets.forEach((node, i) => {
      graph.connect(node, 'out', bridge, `link${i}`);
      socketOf(node).onData = (_hook, data) => got.push(`${i} ${Buffer.from(data.subarray(14)).toString()}`);
    });
    const say = (i: number, to: number | string, text: string): void =>
      socketOf(sockets[i]!).write('out', frame(to, 10 + i, { payload: text }));
    for (let i = 0; i < 4; i++) say(i, BROADCAST, `hello ${i}`);
    await until(() => got.length === 12, { what: () => `all broadcasts: ${got.join(', ')}` });
    got.length = 0;
    const total = 200;
    for (let n = 0; n < total; n++) {
      say(n % 4, 10 + ((n + 1 + (n % 3)) % 4), `${n}`);
      if (n % 50 === 49) await until(() => got.length >= n - 20, { what: () => `${n} packets: ${got.length}` });
    }
    const expected = Array.from({ length: total }, (_, n) => ({ n, to: (n + 1 + (n % 3)) % 4, from: n % 4 }))
      .filter(({ to, from }) => to !== from)
      .map(({ n, to }) => `${to} ${n}`);
    await until(() => got.length >= expected.length, { what: () => `${expected.length} packets: ${got.length}` });
    assert.deepEqual(
      got.sort((a, b) => a.localeCompare(b)),
      expected.sort((a, b) => a.localeCompare(b)),
      'each went to its host alone',
    );
    await until(() => bridge.counts()['packets'] === total + 4, { what: 'the counters' });
    graph.rmhook(bridge.hooks.get('link3')!);
    await graph.settled();
    got.length = 0;
    say(0, 13, 'gone');
    await until(() => got.length === 2, { what: () => `a host of a link that is gone is unknown: ${got.join(', ')}` });
    assert.equal(address(13), '02:00:00:00:00:0d');
  } finally {
    await graph.close();
  }
  assert.equal(graph.plane.memory.inUse, 0, 'all memory came back');
});

test('whether a bridge is private is decided by each first link anew', async () => {
  const node = inline.make('bridge', 'uplink1');
  await inline.ascii(node, 'setpersistent');
  inline.graph.rmhook(node.hooks.get('uplink1')!);
  for (const link of ['link0', 'link1']) inline.join(node, link);
  inline.write('link0', Buffer.from('020000000002020000000001080000', 'hex'));
  assert.deepEqual(await inline.hex(), ['link1 020000000002020000000001080000']);
});
