// ng_etf(4): each ethertype to its hook, the rest to nomatch, and back only by the hook it would have gone to.
import assert from 'node:assert/strict';
import { afterEach, beforeEach, test } from 'node:test';
import { frame } from '../lib/hosts.ts';
import { Inline } from '../lib/inline.ts';

let inline: Inline;
beforeEach(async () => {
  inline = await Inline.open();
});
afterEach(() => inline.close());

const goes = async (hook: string, type: number): Promise<string> => {
  inline.write(hook, frame(1, 2, { type }));
  return (await inline.came()).map(came => came.hook).join(' ');
};

test('by ethertype, both ways', async () => {
  const etf = inline.make('etf', 'downstream', 'nomatch', 'ip', 'arp');
  await inline.ascii(etf, 'setfilter', '{ matchhook="ip" ethertype=0x800 }');
  await inline.ascii(etf, 'setfilter', '{ matchhook="ip" ethertype=0x86dd }');
  await inline.ascii(etf, 'setfilter', '{ matchhook="arp" ethertype=0x806 }');
  assert.equal(await goes('downstream', 0x800), 'ip');
  assert.equal(await goes('downstream', 0x86dd), 'ip');
  assert.equal(await goes('downstream', 0x806), 'arp');
  assert.equal(await goes('downstream', 0x8847), 'nomatch');
  assert.equal(await goes('ip', 0x800), 'downstream');
  assert.equal(await goes('nomatch', 0x8847), 'downstream');
  assert.equal(await goes('arp', 0x800), '');
  assert.equal(await goes('nomatch', 0x800), '');
  assert.equal(await goes('ip', 0x8847), '');
  assert.equal(etf.counts()['drop.filtered'], 3);
  assert.equal(await inline.ascii(etf, 'getstatus'), '{ packets_in=4 packets_out=2 }');
  assert.equal(await inline.ascii(etf, 'textstatus'), '"0x0800 ip\\n0x86dd ip\\n0x0806 arp\\n"');
  inline.write('downstream', Buffer.alloc(13));
  inline.write('ip', Buffer.alloc(13));
  assert.deepEqual(await inline.came(), []);
  assert.equal(etf.counts()['drop.malformed'], 2);
});

test('a filter goes with its hook, and what has nowhere to go is dropped', async () => {
  const etf = inline.make('etf', 'downstream', 'nomatch', 'ip');
  await inline.ascii(etf, 'setfilter', '{ matchhook="ip" ethertype=0x800 }');
  inline.graph.rmhook(etf.hooks.get('ip')!);
  assert.equal(await goes('downstream', 0x800), 'nomatch');
  assert.equal(await goes('nomatch', 0x800), 'downstream');
  inline.join(etf, 'ip');
  assert.equal(await goes('downstream', 0x800), 'nomatch', 'a hook of that name is another one');
  await inline.ascii(etf, 'setfilter', '{ matchhook="ip" ethertype=0x800 }');
  assert.equal(await goes('downstream', 0x800), 'ip');
  inline.graph.rmhook(etf.hooks.get('nomatch')!);
  assert.equal(await goes('downstream', 0x806), '');
  inline.graph.rmhook(etf.hooks.get('downstream')!);
  assert.equal(await goes('ip', 0x800), '');
  assert.equal(etf.counts()['drop.notConnected'], 2);
});

test('what is refused', async () => {
  const etf = inline.make('etf', 'downstream', 'nomatch', 'ip', 'other');
  await inline.refuses(etf, 'ENOENT', 'setfilter', '{ matchhook="none" ethertype=1 }', 'none');
  await inline.refuses(etf, 'EINVAL', 'setfilter', '{ matchhook="downstream" ethertype=1 }', 'downstream');
  await inline.ascii(etf, 'setfilter', '{ matchhook="ip" ethertype=0x800 }');
  await inline.refuses(etf, 'EEXIST', 'setfilter', '{ matchhook="other" ethertype=0x800 }', '0x800');
});
