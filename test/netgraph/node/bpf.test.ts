// ng_bpf(4), rule by rule.
import assert from 'node:assert/strict';
import { afterEach, beforeEach, test } from 'node:test';
import type { Node } from '../../../src/netgraph/index.ts';
import { Inline } from '../lib/inline.ts';

let inline: Inline;
let node: Node;
beforeEach(async () => {
  inline = await Inline.open();
  node = inline.make('bpf', 'in', 'yes', 'no');
});
afterEach(() => inline.close());

async function through(hook: string, data: string): Promise<readonly string[]> {
  inline.write(hook, data);
  return inline.texts();
}

/** The first byte is 'x' (0x78): keep 4 bytes. */
const FIRST_IS_X =
  '{ thisHook="in" ifMatch="yes" ifNotMatch="no" bpf_prog_len=4 ' +
  'bpf_prog=[ { code=0x30 k=0 } { code=0x15 jf=1 k=120 } { code=6 k=4 } { code=6 } ] }';

test('a fresh hook drops everything', async () => {
  assert.deepEqual(await through('in', 'xyz'), []);
  assert.equal(node.counts()['drop.filtered'], 1);
  assert.equal(
    await inline.ascii(node, 'getprogram', '"in"'),
    '{ thisHook="in" bpf_prog_len=1 bpf_prog=[ { code=0x6 } ] }',
  );
});

test('what matches is cut to what the program says and goes to ifMatch, the rest whole to ifNotMatch; each hook counts', async () => {
  await inline.ascii(node, 'setprogram', FIRST_IS_X);
  assert.deepEqual(await through('in', 'xyzzy!'), ['yes xyzz']);
  assert.deepEqual(await through('in', 'xy'), ['yes xy']);
  assert.deepEqual(await through('in', 'quux'), ['no quux']);
  assert.deepEqual(await through('in', ''), ['no ']);
  assert.equal(
    await inline.ascii(node, 'getstats', '"in"'),
    '{ recvFrames=4 recvOctets=12 recvMatchFrames=2 recvMatchOctets=8 }',
  );
  assert.equal(await inline.ascii(node, 'getclrstats', '"yes"'), '{ xmitFrames=2 xmitOctets=6 }');
  assert.equal(await inline.ascii(node, 'getstats', '"yes"'), '{}');
  assert.equal(await inline.ascii(node, 'getstats', '"no"'), '{ xmitFrames=2 xmitOctets=4 }');
  await inline.ascii(node, 'clrstats', '"no"');
  assert.equal(await inline.ascii(node, 'getstats', '"no"'), '{}');
  const printed = await inline.ascii(node, 'getprogram', '"in"');
  await inline.ascii(node, 'setprogram', printed);
  assert.equal(await inline.ascii(node, 'getprogram', '"in"'), printed);
});

test('the example of the manual: everything from one hook to another, and back', async () => {
  for (const [from, to] of [
    ['in', 'yes'],
    ['yes', 'in'],
  ]) {
    const program = `{ thisHook="${from}" ifMatch="${to}" ifNotMatch="" bpf_prog_len=1 bpf_prog=[ { code=6 k=8192 } ] }`;
    await inline.ascii(node, 'setprogram', program);
  }
  assert.deepEqual(await through('in', 'there'), ['yes there']);
  assert.deepEqual(await through('yes', 'back'), ['in back']);
});

test('a destination may come later, and may go: what would go there is dropped meanwhile', async () => {
  await inline.ascii(node, 'setprogram', FIRST_IS_X.replace('"yes"', '"later"'));
  assert.deepEqual(await through('in', 'xy'), []);
  inline.join(node, 'later');
  assert.deepEqual(await through('in', 'xy'), ['later xy']);
  inline.graph.rmhook(node.hooks.get('later')!);
  assert.deepEqual(await through('in', 'xy'), []);
  assert.deepEqual(await through('in', 'ab'), ['no ab']);
});

test('refused: programs that may not run, hooks that are not there; the program before stays', async () => {
  await inline.ascii(node, 'setprogram', FIRST_IS_X);
  const before = await inline.ascii(node, 'getprogram', '"in"');
  const program = (code: string): string => `{ thisHook="in" ifMatch="no" bpf_prog_len=1 bpf_prog=[ { ${code} } ] }`;
  await inline.refuses(node, 'EINVAL', 'setprogram', program('code=0x30'), 'must return');
  await inline.refuses(node, 'EINVAL', 'setprogram', program('code=0xffff'), '0xffff');
  await inline.refuses(node, 'EINVAL', 'setprogram', program('code=5 k=7'), 'jumps');
  await inline.refuses(node, 'EINVAL', 'setprogram', '{ thisHook="in" }', 'bpf_prog_len=0');
  await inline.refuses(node, 'EINVAL', 'setprogram', '{ thisHook="in" bpf_prog_len=-1 }', '-1');
  await inline.refuses(node, 'ENOENT', 'setprogram', FIRST_IS_X.replace('"in"', '"none"'), 'none');
  for (const name of ['getprogram', 'getstats', 'clrstats', 'getclrstats']) {
    await inline.refuses(node, 'ENOENT', name, '"none"', 'none');
  }
  assert.equal(await inline.ascii(node, 'getprogram', '"in"'), before);
  assert.deepEqual(await through('in', 'xyzzy!'), ['yes xyzz']);
});

test('a removal that is undone leaves the program as it was, and the node ends with its last hook', async () => {
  await inline.ascii(node, 'setprogram', FIRST_IS_X);
  assert.throws(() =>
    inline.graph.change(() => {
      inline.graph.rmhook(node.hooks.get('in')!);
      throw new Error('no');
    }),
  );
  assert.deepEqual(await through('in', 'xyzzy!'), ['yes xyzz']);
  for (const hook of ['in', 'yes', 'no']) inline.graph.rmhook(node.hooks.get(hook)!);
  assert.equal(node.state, 'gone');
});
