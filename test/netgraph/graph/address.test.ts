import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { checkHookName, checkNodeName, formatId, parseAddress, parseId } from '../../../src/netgraph/graph/address.ts';

describe('addresses', () => {
  const here = { here: true };
  const good: readonly (readonly [string, object, readonly string[]])[] = [
    ['', here, []],
    ['.', here, []],
    ['.:', here, []],
    ['foo:', { name: 'foo' }, []],
    ['[3f]:', { id: 0x3f }, []],
    ['[FFFFFFFF]:a', { id: 0xffff_ffff }, ['a']],
    ['foo:hook1.hook2', { name: 'foo' }, ['hook1', 'hook2']],
    ['.:hook1', here, ['hook1']],
    ['hook1.hook2', here, ['hook1', 'hook2']],
    ['.hook1.', here, ['hook1']],
    // What is no ID is a name.
    ['[0]:', { name: '[0]' }, []],
    ['[100000000]:', { name: '[100000000]' }, []],
  ];
  for (const [text, from, hooks] of good) {
    test(`'${text}'`, () => assert.deepEqual(parseAddress(text), { from, hooks }));
  }
  for (const text of [':', ':a', 'a.b:', '..:', 'foo:a..b', 'foo:bar:', 'a:b:c', 'x'.repeat(512)]) {
    test(`'${text.slice(0, 20)}' is malformed`, () => {
      assert.throws(() => parseAddress(text), { code: 'EINVAL', message: /^EINVAL: malformed address/ });
    });
  }
  test('an ID there and back', () => assert.equal(parseId(formatId(0x1f3).slice(0, -1)), 0x1f3));
});

test('names', () => {
  for (const check of [checkNodeName, checkHookName]) {
    check('x'.repeat(31));
    for (const bad of ['', 'a.b', 'a:', '.', 'a\0', 'x'.repeat(32), 'é'.repeat(16)])
      assert.throws(() => check(bad), { code: 'EINVAL' }, bad);
  }
  checkHookName('[1]');
  checkNodeName('[x]');
  assert.throws(() => checkNodeName('[1f]'), { code: 'EINVAL', message: /can not be an ID: '\[1f\]'/ });
});
