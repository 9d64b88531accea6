// ng_split(4): in goes to mixed, mixed goes to out, and out takes nothing in.
import assert from 'node:assert/strict';
import { afterEach, beforeEach, test } from 'node:test';
import { Inline } from '../lib/inline.ts';

let inline: Inline;
beforeEach(async () => {
  inline = await Inline.open();
});
afterEach(() => inline.close());

test('in goes to mixed, mixed to out, and what enters by out is dropped and counted', async () => {
  const split = inline.make('split', 'in', 'out', 'mixed');
  inline.write('in', 'a');
  inline.write('mixed', 'b');
  inline.write('out', 'c');
  assert.deepEqual(await inline.texts(), ['mixed a', 'out b']);
  assert.equal(split.counts()['drop.filtered'], 1);
});

test('without the hook that it is for, a packet is dropped; the last hook takes the node along', async () => {
  const split = inline.make('split', 'in', 'mixed');
  inline.write('mixed', 'b');
  assert.deepEqual(await inline.texts(), []);
  assert.equal(split.counts()['drop.notConnected'], 1);
  inline.refusesHook(split, 'EINVAL', 'other', 'other');
  inline.graph.rmhook(split.hooks.get('in')!);
  assert.equal(split.state, 'there');
  inline.graph.rmhook(split.hooks.get('mixed')!);
  assert.equal(split.state, 'gone');
});
