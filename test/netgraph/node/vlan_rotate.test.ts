// ng_vlan_rotate(4): both directions, too many and too few tags, and what is refused.
import assert from 'node:assert/strict';
import { afterEach, beforeEach, test } from 'node:test';
import { Inline } from '../lib/inline.ts';

let inline: Inline;
beforeEach(async () => {
  inline = await Inline.open();
});
afterEach(() => inline.close());

const ADDRESSES = '020000000001020000000002';

/** A frame with these VLANs, the outermost first. */
function frame(...vids: readonly number[]): string {
  return `${ADDRESSES}${vids.map(vid => `8100${vid.toString(16).padStart(4, '0')}`).join('')}88b5aabb`;
}

const write = (hook: string, text: string): void => inline.write(hook, Buffer.from(text, 'hex'));

test('original to ordered turns the stack by rot, ordered to original turns it back', async () => {
  const node = inline.make('vlan_rotate', 'original', 'ordered', 'excessive', 'incomplete');
  await inline.ascii(node, 'setconf', '{ rot=2 }');
  write('original', frame(10, 11, 12, 13, 14));
  write('ordered', frame(13, 14, 10, 11, 12));
  await inline.ascii(node, 'setconf', '{ rot=-1 }');
  write('original', frame(10, 11, 12, 13, 14));
  write('original', frame(1, 2));
  assert.deepEqual(await inline.hex(), [
    `ordered ${frame(13, 14, 10, 11, 12)}`,
    `original ${frame(10, 11, 12, 13, 14)}`,
    `ordered ${frame(11, 12, 13, 14, 10)}`,
    `ordered ${frame(2, 1)}`,
  ]);
  assert.equal(await inline.ascii(node, 'getconf'), '{ rot=-1 max=10 }');
  assert.equal(await inline.ascii(node, 'getclrstat'), '{ histogram=[ 2=1 5=3 ] }');
  assert.equal(await inline.ascii(node, 'getstat'), '{}');
});

test('every stack, turned and turned back, is what it was', async () => {
  const node = inline.make('vlan_rotate', 'original', 'ordered', 'excessive', 'incomplete');
  for (let tags = 1; tags < 10; tags++) {
    for (let rot = -tags + 1; rot < tags; rot++) {
      await inline.send(node, 'setconf', { rot, min: 0, max: 10 });
      const vids = Array.from({ length: tags }, (_, i) => 100 + i);
      write('original', frame(...vids));
      const [there] = await inline.came();
      assert.equal(there!.hook, 'ordered');
      const turned = vids.map((_, i) => vids[(i - rot + 2 * tags) % tags]!);
      assert.equal(there!.data.toString('hex'), frame(...turned), `${tags} tags by ${rot}`);
      inline.write('ordered', there!.data);
      assert.deepEqual(await inline.hex(), [`original ${frame(...vids)}`]);
    }
  }
});

test('too many, too few, cut short, and nowhere to go', async () => {
  const node = inline.make('vlan_rotate', 'original', 'ordered', 'excessive', 'incomplete');
  await inline.ascii(node, 'setconf', '{ rot=1 min=2 max=3 }');
  for (const frames of [frame(1, 2, 3, 4), frame(1), frame(), frame(1, 2)]) write('original', frames);
  write('original', frame(...Array.from({ length: 12 }, (_, i) => i)));
  write('original', `${ADDRESSES}8100`);
  write('excessive', frame(9));
  write('incomplete', 'abcd');
  assert.deepEqual(await inline.hex(), [
    `excessive ${frame(1, 2, 3, 4)}`,
    `incomplete ${frame(1)}`,
    `incomplete ${frame()}`,
    `ordered ${frame(2, 1)}`,
    `excessive ${frame(...Array.from({ length: 12 }, (_, i) => i))}`,
    `original ${frame(9)}`,
    'original abcd',
  ]);
  inline.graph.rmhook(node.hooks.get('incomplete')!);
  write('original', frame(1));
  inline.graph.rmhook(node.hooks.get('ordered')!);
  write('original', frame(1, 2));
  assert.equal(await inline.ascii(node, 'getstat'), '{ drops=3 excessive=2 incomplete=3 histogram=[ 2=1 ] }');
  inline.refusesHook(node, 'EINVAL', 'other', 'other');
  await inline.refuses(node, 'EINVAL', 'setconf', '{ max=11 }', /max=11/);
  await inline.refuses(node, 'EINVAL', 'setconf', '{ min=3 max=2 }', /min=3/);
  await inline.refuses(node, 'EINVAL', 'setconf', '{ rot=-3 max=3 }', /rot=-3/);
});
