import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { NetgraphError } from '../../../src/netgraph/graph/error.ts';
import * as f from '../../../src/netgraph/message/form.ts';

type Sample = { form: f.Form<unknown>; value: unknown };

const word = (bits: number): fc.Arbitrary<number> =>
  fc.oneof(fc.constant(0), fc.integer({ min: 0, max: 2 ** bits - 1 }));
const signed = (bits: number): fc.Arbitrary<number> =>
  fc.integer({ min: -(2 ** (bits - 1)), max: 2 ** (bits - 1) - 1 });
const exact = fc.maxSafeInteger();
const text = fc.string({ unit: 'grapheme' });
const short = fc.string({ maxLength: 31 });
const octet = fc.integer({ min: 0, max: 255 });
const hex = octet.map(byte => byte.toString(16).padStart(2, '0'));

const LEAVES: readonly (readonly [f.Form<unknown>, fc.Arbitrary<unknown>])[] = [
  [f.uint8, word(8)],
  [f.int8, signed(8)],
  [f.hint8, word(8)],
  [f.uint16, word(16)],
  [f.int16, signed(16)],
  [f.hint16, word(16)],
  [f.uint32, word(32)],
  [f.int32, signed(32)],
  [f.hint32, word(32)],
  [f.uint64, exact.map(Math.abs)],
  [f.int64, exact],
  [f.hint64, exact.map(Math.abs)],
  [f.string, text.filter(value => !value.includes('\0'))],
  [f.hookbuf, short.filter(value => !value.includes('\0'))],
  [f.sizedString, text],
  [f.mac, fc.array(hex, { minLength: 6, maxLength: 6 }).map(parts => parts.join(':'))],
  [f.ipv4, fc.ipV4()],
  [f.ipv6, fc.ipV6().map(value => f.parseAscii(f.ipv6, value))],
];

const leaf: fc.Arbitrary<Sample> = fc
  .constantFrom(...LEAVES)
  .chain(([form, values]) => values.map(value => ({ form, value })));
const bytes: fc.Arbitrary<Sample> = fc
  .uint8Array({ maxLength: 9 })
  .map(value => ({ form: f.bytearray(value.length), value: new Uint8Array(value) }));
const list: fc.Arbitrary<Sample> = fc
  .constantFrom(...LEAVES)
  .chain(([element, values]) =>
    fc.array(values, { maxLength: 6 }).map(value => ({ form: f.array({ element, length: value.length }), value })),
  );

function record(parts: fc.Arbitrary<Sample>): fc.Arbitrary<Sample> {
  return fc.array(parts, { maxLength: 5 }).map(samples => ({
    form: f.struct(Object.fromEntries(samples.map(({ form }, i) => [`f${i}`, form]))),
    value: Object.fromEntries(samples.map(({ value }, i) => [`f${i}`, value])),
  }));
}

const flat: fc.Arbitrary<Sample> = fc.oneof(leaf, bytes, list);
const sample: fc.Arbitrary<Sample> = fc.oneof(flat, record(flat), record(record(flat)));

describe('every form', () => {
  test('reads what it prints', () => {
    fc.assert(
      fc.property(sample, ({ form, value }) => {
        assert.deepEqual(f.parseAscii(form, f.printAscii(form, value)), value);
      }),
      { numRuns: 1000 },
    );
  });

  test('decodes what it encodes', () => {
    fc.assert(
      fc.property(sample, ({ form, value }) => {
        const encoded = f.toBinary(form, value);
        assert.deepEqual(f.fromBinary(form, encoded), value);
        // Wherever the bytes stand.
        const moved = new Uint8Array(encoded.length + 3);
        moved.set(encoded, 3);
        assert.deepEqual(f.fromBinary(form, moved.subarray(3)), value);
      }),
      { numRuns: 1000 },
    );
  });

  test('refuses bytes that are cut or too many', () => {
    fc.assert(
      fc.property(sample, ({ form, value }) => {
        const encoded = f.toBinary(form, value);
        assert.throws(() => f.fromBinary(form, new Uint8Array(encoded.length + 1)), NetgraphError);
        if (encoded.length > 0)
          assert.throws(() => f.fromBinary(form, encoded.subarray(0, encoded.length - 1)), NetgraphError);
      }),
    );
  });

  test('refuses any text with an error of its own', () => {
    const some = fc.string({ unit: fc.constantFrom('{', '}', '[', ']', '=', '"', '\\', ' ', 'f0', '1', '0x', 'x') });
    fc.assert(
      fc.property(sample, some, ({ form }, input) => {
        try {
          f.parseAscii(form, input);
        } catch (error) {
          assert.ok(error instanceof NetgraphError, String(error));
        }
      }),
      { numRuns: 2000 },
    );
  });

  test('a default says nothing in a struct', () => {
    fc.assert(
      fc.property(record(fc.constantFrom(...LEAVES.slice(0, 15)).map(([form]) => ({ form, value: 0 }))), ({ form }) => {
        const value = form.makeDefault();
        assert.ok(form.isDefault(value));
        assert.equal(f.printAscii(form, value), '{}');
        assert.deepEqual(f.parseAscii(form, ' { } '), value);
      }),
    );
  });
});

// The C structs of ng_one2many.h, ng_bridge.h and ng_car.h.
const one2manyConfig = f.struct({
  xmitAlg: f.uint32,
  failAlg: f.uint32,
  enabledLinks: f.array({ element: f.uint8, length: 64 }),
});
const bridgeHosts = f.struct({
  numHosts: f.uint32,
  hosts: f.array({
    element: f.struct({ addr: f.mac, linkNum: f.uint16, age: f.uint16, staleness: f.uint16 }),
    length: ({ numHosts }: { numHosts: number }) => numHosts,
  }),
});
const bridgeConfig = f.struct({
  debugLevel: f.uint8,
  loopTimeout: f.uint32,
  maxStaleness: f.uint32,
  minStableAge: f.uint32,
});
const carHook = f.struct({
  cbs: f.uint64,
  ebs: f.uint64,
  cir: f.uint64,
  pir: f.uint64,
  greenAction: f.uint8,
  yellowAction: f.uint8,
  redAction: f.uint8,
  mode: f.uint8,
  opt: f.uint8,
});
const carConfig = f.struct({ upstream: carHook, downstream: carHook });
const bpfProgram = f.struct({
  thisHook: f.hookbuf,
  ifMatch: f.hookbuf,
  ifNotMatch: f.hookbuf,
  bpf_prog_len: f.int32,
  bpf_prog: f.array({
    element: f.struct({ code: f.hint16, jt: f.uint8, jf: f.uint8, k: f.uint32 }),
    length: (program: { bpf_prog_len: number }) => program.bpf_prog_len,
  }),
});

/** `offset: byte` of each that is not 0. */
function marks(encoded: Uint8Array): Record<number, number> {
  return Object.fromEntries([...encoded.entries()].filter(([, byte]) => byte !== 0));
}

describe('layout of C on amd64', () => {
  test('ng_one2many_config', () => {
    const encoded = f.toBinary(
      one2manyConfig,
      f.parseAscii(one2manyConfig, '{ xmitAlg=1 failAlg=2 enabledLinks=[ 3 63=4 ] }'),
    );
    assert.equal(encoded.length, 72);
    assert.deepEqual(marks(encoded), { 0: 1, 4: 2, 8: 3, 71: 4 });
  });

  test('ng_bridge_config pads after the byte', () => {
    const encoded = f.toBinary(bridgeConfig, { debugLevel: 1, loopTimeout: 60, maxStaleness: 900, minStableAge: 5 });
    assert.equal(encoded.length, 16);
    assert.deepEqual(marks(encoded), { 0: 1, 4: 60, 8: 0x84, 9: 3, 12: 5 });
  });

  test('ng_bridge_host_ary is counted by its first word', () => {
    const text =
      '{ numHosts=2 hosts=[ { addr=00:1b:21:3c:9d:f8 linkNum=1 age=2 } { addr=02:00:00:00:00:01 staleness=258 } ] }';
    const value = f.parseAscii(bridgeHosts, text);
    const encoded = f.toBinary(bridgeHosts, value);
    assert.equal(encoded.length, 4 + 2 * 12);
    assert.deepEqual(marks(encoded), {
      0: 2,
      5: 0x1b,
      6: 0x21,
      7: 0x3c,
      8: 0x9d,
      9: 0xf8,
      10: 1,
      12: 2,
      16: 2,
      21: 1,
      26: 2,
      27: 1,
    });
    assert.equal(f.printAscii(bridgeHosts, f.fromBinary(bridgeHosts, encoded)), text);
  });

  test('ng_car_bulkconf pads at the end of each hook', () => {
    const text = '{ upstream={ cir=64000 greenAction=1 opt=2 } downstream={ cbs=8 mode=3 } }';
    const encoded = f.toBinary(carConfig, f.parseAscii(carConfig, text));
    assert.equal(encoded.length, 80);
    assert.deepEqual(marks(encoded), { 17: 250, 32: 1, 36: 2, 40: 8, 75: 3 });
    assert.equal(f.printAscii(carConfig, f.fromBinary(carConfig, encoded)), text);
  });
});

describe('the text of ng_parse.c', () => {
  const print = <T>(form: f.Form<T>, input: string): string => f.printAscii(form, f.parseAscii(form, input));
  const cases: readonly (readonly [string, f.Form<unknown>, string, string])[] = [
    ['defaults go unsaid', one2manyConfig, '{ failAlg=1 xmitAlg=0 enabledLinks=[ 0 0 ] }', '{ failAlg=1 }'],
    [
      'an index where elements are left out',
      one2manyConfig,
      '{enabledLinks=[1 1 5=1 1 0 1]}',
      '{ enabledLinks=[ 1 1 5=1 1 8=1 ] }',
    ],
    ['hexadecimal', f.array({ element: f.hint16, length: 3 }), '[ 010 0xAb 10 ]', '[ 0x8 0xab 0xa ]'],
    ['escapes', f.string, String.raw`"a\tb\"\\\x41\101\q\x7f\0010"`, String.raw`"a\tb\"\\AAq\x7f\x010"`],
    ['UTF-8', f.string, '"é"', String.raw`"\xc3\xa9"`],
    ['bytes', f.bytearray(4), '[ 1 3=255 ]', '[ 0x1 3=0xff ]'],
    ['bytes as a string', f.bytearray(4), '"A\\xff"', '[ 0x41 0xff ]'],
    ['wrapped: all bits', f.int8, '255', '-1'],
    ['wrapped: less than nothing', f.uint32, '-1', '4294967295'],
    ['an address', f.mac, '0:1B:21:3c:9d:F8', '00:1b:21:3c:9d:f8'],
    ['an IPv6 address', f.ipv6, '2001:DB8:0::1', '2001:db8::1'],
    [
      'the program of ng_bpf(4)',
      bpfProgram,
      '{ thisHook="hook1" ifMatch="hook2" ifNotMatch="hook3" bpf_prog_len=2 bpf_prog=[ { code=40 k=12 } { code=6 k=8192 } ] }',
      '{ thisHook="hook1" ifMatch="hook2" ifNotMatch="hook3" bpf_prog_len=2 bpf_prog=[ { code=0x28 k=12 } { code=0x6 k=8192 } ] }',
    ],
    [
      'an array of defaults of its own',
      f.array({ element: f.uint32, length: 4, default: index => index * 10 }),
      '[ 0 10 7 ]',
      '[ 2=7 ]',
    ],
  ];
  for (const [name, form, input, output] of cases) {
    test(name, () => {
      assert.equal(print(form, input), output);
      assert.equal(print(form, output), output);
    });
  }

  const wrong: readonly (readonly [string, f.Form<unknown>, string, number, RegExp])[] = [
    ['no brace', one2manyConfig, ' xmitAlg=1', 1, /^'\{'$/],
    ['an unknown field', one2manyConfig, '{ xmitalg=1 }', 2, /^one of xmitAlg, failAlg, enabledLinks$/],
    ['a field twice', one2manyConfig, '{ failAlg=1 failAlg=2 }', 12, /only once/],
    ['no value', one2manyConfig, '{ failAlg= }', 11, /a value/],
    ['not closed', one2manyConfig, '{ failAlg=1', 11, /'\}'/],
    ['crossed', one2manyConfig, '{ enabledLinks=[ 1 } ]', 19, /a value/],
    ['too many elements', one2manyConfig, '{ enabledLinks=[ 64=1 ] }', 17, /elements 0 to 63/],
    ['a number too large', one2manyConfig, '{ failAlg=4294967296 }', 10, /from -2147483648 to 4294967295/],
    ['what is no number', one2manyConfig, '{ failAlg=1a }', 10, /a number/],
    ['more after a string', f.struct({ name: f.string }), '{ name="a""b" }', 10, /a field's name/],
    ['more at the end', f.uint8, '1 2', 2, /the end/],
    ['beyond a number', f.uint64, '9007199254740993', 0, /to 9007199254740991/],
    ['a string too long', f.hookbuf, `"${'x'.repeat(32)}"`, 0, /less than 32 bytes/],
    ['no address given', bridgeHosts, '{ numHosts=1 hosts=[ { age=1 } ] }', 29, /addr: .* must be given/],
    ['a count beyond all measure', bridgeHosts, '{ numHosts=4000000000 }', 22, /4000000000 elements/],
  ];
  for (const [name, form, input, offset, expected] of wrong) {
    test(`${name} is refused`, () => {
      assert.throws(
        () => f.parseAscii(form, input),
        (error: unknown) => {
          assert.ok(error instanceof f.AsciiError, String(error));
          assert.deepEqual([error.code, error.offset], ['EINVAL', offset], error.message);
          assert.match(error.expected, expected);
          return true;
        },
      );
    });
  }
});

test('a count below nothing is refused', () => {
  assert.throws(() => f.parseAscii(bpfProgram, '{ bpf_prog_len=-1 }'), { code: 'EINVAL', message: /-1 elements/ });
});

test('a value that does not fit is refused with its name', () => {
  const config = { ...one2manyConfig.makeDefault(), failAlg: -1 };
  assert.throws(() => f.toBinary(one2manyConfig, config), { code: 'EINVAL', message: /failAlg: -1 is no uint32/ });
  const hosts = { numHosts: 2, hosts: [] };
  assert.throws(() => f.toBinary(bridgeHosts, hosts), { code: 'EINVAL', message: /hosts: 0 elements instead of 2/ });
  const half = new Uint8Array(f.toBinary(f.uint64, 0).buffer).fill(0xff);
  assert.throws(() => f.fromBinary(f.uint64, half), { code: 'EINVAL', message: /18446744073709551615 is too large/ });
});

test('an escaped character of more than sixteen bits is itself; names of fields may have blanks', () => {
  assert.equal(f.parseAscii(f.string, '"\\\u{1f600}"'), '\u{1f600}');
  const form = f.struct({ 'data link type': f.uint8, b: f.uint8 });
  assert.deepEqual(f.parseAscii(form, '{ data link type=1 b=2 }'), { 'data link type': 1, b: 2 });
  assert.deepEqual(f.parseAscii(form, '{ b=2 data  link\ttype = 1 }'), { 'data link type': 1, b: 2 });
  assert.throws(() => f.parseAscii(form, '{ b b=2 }'), /at 2, expected one of data link type, b/);
});
