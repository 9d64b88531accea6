// ng_tag(4): looking for tags, with and without their data, putting them on and taking them off.
import assert from 'node:assert/strict';
import { afterEach, beforeEach, test } from 'node:test';
import { Inline } from '../lib/inline.ts';

let inline: Inline;
beforeEach(async () => {
  inline = await Inline.open();
});
afterEach(() => inline.close());

test('a new hook drops what comes in; a tag is put on by one node and found by another', async () => {
  const puts = inline.make('tag', 'a');
  const looks = inline.make('tag', 'yes', 'no');
  inline.graph.connect(puts, 'out', looks, 'in');
  inline.write('a', 'dropped');
  await inline.ascii(puts, 'sethookin', '{ thisHook="a" ifNotMatch="out" }');
  await inline.ascii(
    looks,
    'sethookin',
    '{ thisHook="in" ifMatch="yes" ifNotMatch="no" tag_cookie=1148380143 tag_id=412 }',
  );
  inline.write('a', 'without');
  await inline.ascii(puts, 'sethookout', '{ thisHook="out" tag_cookie=1148380143 tag_id=412 }');
  inline.write('a', 'with');
  await inline.ascii(puts, 'sethookout', '{ thisHook="out" tag_cookie=1148380143 tag_id=413 }');
  inline.write('a', 'another');
  assert.deepEqual(await inline.texts(), ['no without', 'yes with', 'no another']);
  assert.equal(puts.counts()['drop.notConnected'], 1);
  assert.equal(
    await inline.ascii(looks, 'getclrstats', '"in"'),
    '{ recvFrames=3 recvOctets=18 recvMatchFrames=1 recvMatchOctets=4 }',
  );
  assert.equal(await inline.ascii(looks, 'getstats', '"yes"'), '{ xmitFrames=1 xmitOctets=4 }');
  assert.equal(
    await inline.ascii(looks, 'gethookin', '"in"'),
    '{ thisHook="in" ifMatch="yes" ifNotMatch="no" tag_cookie=1148380143 tag_id=412 }',
  );
});

test('data counts where it is asked for, and strip takes the tag off', async () => {
  const first = inline.make('tag', 'in');
  const second = inline.make('tag', 'exact', 'rest');
  inline.graph.connect(first, 'out', second, 'in');
  await inline.ascii(first, 'sethookin', '{ thisHook="in" ifNotMatch="out" }');
  const put = (data: string): Promise<unknown> =>
    inline.ascii(first, 'sethookout', `{ thisHook="out" tag_cookie=7 tag_id=1 tag_len=2 tag_data=[ ${data} ] }`);
  const look = (more: string): Promise<unknown> =>
    inline.ascii(
      second,
      'sethookin',
      `{ thisHook="in" ifMatch="exact" ifNotMatch="rest" tag_cookie=7 tag_id=1 ${more} }`,
    );
  await look('tag_len=2 tag_data=[ 1 2 ]');
  await put('1 2');
  inline.write('in', 'same');
  await put('1 3');
  inline.write('in', 'other');
  await look('');
  inline.write('in', 'any');
  assert.deepEqual(await inline.texts(), ['exact same', 'rest other', 'exact any']);
  // Back through a third: the tag is still there, unless it was stripped.
  const third = inline.make('tag', 'still', 'gone');
  inline.graph.rmhook(second.hooks.get('exact')!);
  inline.graph.connect(second, 'exact', third, 'back');
  await inline.ascii(third, 'sethookin', '{ thisHook="back" ifMatch="still" ifNotMatch="gone" tag_cookie=7 tag_id=1 }');
  inline.write('in', 'kept');
  await look('strip=1');
  inline.write('in', 'stripped');
  assert.deepEqual(await inline.texts(), ['still kept', 'gone stripped']);
});

test('four tags, and no fifth; a copy has the tags too', async () => {
  const node = inline.make('tag', 'in', 'out');
  await inline.ascii(node, 'sethookin', '{ thisHook="in" ifNotMatch="loop0" }');
  for (let i = 0; i < 5; i++) {
    inline.graph.connect(node, `loop${i}`, node, `back${i}`);
    await inline.ascii(node, 'sethookout', `{ thisHook="loop${i}" tag_cookie=9 tag_id=${i + 1} }`);
    await inline.ascii(node, 'sethookin', `{ thisHook="back${i}" ifNotMatch="${i === 3 ? 'out' : `loop${i + 1}`}" }`);
  }
  inline.write('in', 'four');
  assert.deepEqual(await inline.texts(), ['out four']);
  await inline.ascii(node, 'sethookin', '{ thisHook="back3" ifNotMatch="loop4" }');
  await inline.ascii(node, 'sethookin', '{ thisHook="back4" ifNotMatch="out" }');
  inline.write('in', 'five');
  assert.deepEqual(await inline.texts(), []);
  assert.equal(node.counts()['drop.refused'], 1);
  await inline.refuses(node, 'ENOENT', 'sethookin', '{ thisHook="none" }', 'none');
  await inline.refuses(node, 'ENOENT', 'getstats', '"none"', 'none');
});
