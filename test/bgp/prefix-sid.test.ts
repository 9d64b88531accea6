// The Prefix-SID attribute: what FRR and the RFCs' figures say, every cut and every length that is wrong, and transposition judged bit by
// bit. FRR's reading of what we write is in vpn-wire-interop.test.ts.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { type AddressWords, formatIp6, parseIp6 } from '../../src/net/index.ts';
import {
  ACTION_DISCARD,
  ACTION_OK,
  ACTION_WITHDRAW,
  ATTR_PREFIX_SID,
  attributeName,
  attributeTypes,
} from '../../src/bgp/wire/attribute.ts';
import { labelStackBytes, readLabel, writeLabel } from '../../src/bgp/wire/labels.ts';
import {
  EndpointBehavior,
  encodeL3Service,
  holdsStructure,
  L3ServiceReader,
  NO_LABEL_BITS,
  PREFIX_SID_MALFORMED,
  PREFIX_SID_MALFORMED_SERVICE,
  PREFIX_SID_SOUND,
  prefixSidFault,
  SERVICE_NONE,
  SERVICE_UNUSABLE,
  SERVICE_USABLE,
  type ServiceState,
  type SidStructure,
  transposedLabel,
  VPN_LABEL_BITS,
} from '../../src/bgp/wire/prefix-sid.ts';

const hex = (text: string): Uint8Array => Uint8Array.from(Buffer.from(text.replaceAll(' ', ''), 'hex'));
const u16 = (value: number): string => value.toString(16).padStart(4, '0');
/** A TLV of this value. */
const tlv = (type: number, value: string): string =>
  type.toString(16).padStart(2, '0') + u16(value.replaceAll(' ', '').length / 2) + value.replaceAll(' ', '');

const SID = '20010db8000100010000000000000000';
const STRUCTURE = tlv(1, '28 18 10 00 10 40'); // 40, 24, 16, 0; 16 bits at 64
const service = (...subTlvs: string[]): string => tlv(5, `00${subTlvs.join('')}`);
const info = (behavior = 0xffff, more = '', sid = SID): string => tlv(1, `00 ${sid} 00 ${u16(behavior)} 00 ${more}`);

const structureOf = (
  ...[blockBits, nodeBits, functionBits, argumentBits, transpositionLength, transpositionOffset]: [
    number,
    number,
    number,
    number,
    number,
    number,
  ]
): SidStructure => ({ blockBits, nodeBits, functionBits, argumentBits, transpositionLength, transpositionOffset });

const reader = new L3ServiceReader();
function read(value: string, labelBits: number = VPN_LABEL_BITS): ServiceState {
  const bytes = hex(`ffff${value}ffff`);
  return reader.read(bytes, 2, bytes.length - 2, labelBits);
}
const sidText = (): string => formatIp6(reader.w0, reader.w1, reader.w2, reader.w3);

function faultOf(value: string): number {
  const bytes = hex(`ff${value}05`);
  return prefixSidFault(bytes, 1, bytes.length - 1);
}

test('an L3 service says its SID, what it does, and its structure', () => {
  assert.equal(faultOf(service(info(0x13, STRUCTURE))), PREFIX_SID_SOUND);
  assert.equal(read(service(info(0x13, STRUCTURE))), SERVICE_USABLE);
  assert.equal(sidText(), '2001:db8:1:1::');
  assert.equal(reader.behavior, EndpointBehavior.dt4);
  assert.equal(reader.structured, true);
  const { blockBits, nodeBits, functionBits, argumentBits, transpositionLength, transpositionOffset } = reader;
  assert.deepEqual(
    [blockBits, nodeBits, functionBits, argumentBits, transpositionLength, transpositionOffset],
    [40, 24, 16, 0, 16, 64],
  );
  // The function's 16 bits are the first of the label's 20.
  reader.merge(0x00010 | 0xf, VPN_LABEL_BITS);
  assert.equal(sidText(), '2001:db8:1:1:1::');
});

// From UPDATEs of FRR 8.4.4 between two PEs: the label, whose traffic class is not 0, and the attribute of 172.16.1.0/24 from one and of
// fd10:2::/64 from the other, and the SID that its other side then puts into the kernel.
const CAPTURED: readonly [string, string, string][] = [
  ['010003', '050022000100 1e0020010db800f10000000000000000000000ffff00010006281810001040', '2001:db8:f1:0:100::'],
  ['040003', '050022000100 1e0020010db800f20000000000000000000000ffff00010006281810001040', '2001:db8:f2:0:400::'],
];

test('the SID of a captured attribute and label is the one that FRR uses', () => {
  for (const [label, value, sid] of CAPTURED) {
    assert.equal(faultOf(value), PREFIX_SID_SOUND);
    assert.equal(read(value), SERVICE_USABLE);
    assert.equal(reader.behavior, EndpointBehavior.opaque);
    assert.equal(labelStackBytes(hex(label), 0, 3), 3);
    reader.merge(readLabel(hex(label), 0), VPN_LABEL_BITS);
    assert.equal(sidText(), sid);
    // And back.
    const words: AddressWords = [reader.w0, reader.w1, reader.w2, reader.w3];
    const again = { sid: words, behavior: reader.behavior, structure: reader };
    assert.deepEqual(encodeL3Service(again), hex(value));
    const bytes = new Uint8Array(3);
    writeLabel(bytes, 0, transposedLabel(again, VPN_LABEL_BITS)!);
    assert.deepEqual(bytes, hex(label.replace('3', '1')));
  }
});

test('nothing is left of the service before', () => {
  read(service(info(0x13, STRUCTURE)));
  assert.equal(read(service(tlv(1, `00 ${SID.replaceAll('1', '2')} 07 0012 00`))), SERVICE_USABLE);
  assert.equal(reader.structured, false);
  assert.equal(reader.transpositionLength, 0);
  assert.equal(reader.flags, 7);
  reader.merge(0xfffff, VPN_LABEL_BITS);
  assert.equal(sidText(), '2002:db8:2:2::');
});

test('other TLVs are passed over, at each level', () => {
  const labelIndex = tlv(1, '00 0000 00000064');
  const srgb = tlv(3, '0000 003e80 001f40');
  const unknown = tlv(200, 'deadbeef');
  const value = labelIndex + srgb + unknown + service(tlv(9, '01'), info(0x13, tlv(7, '00') + STRUCTURE)) + unknown;
  assert.equal(faultOf(value), PREFIX_SID_SOUND);
  assert.equal(read(value), SERVICE_USABLE);
  assert.equal(reader.transpositionLength, 16);
  for (const none of [labelIndex, srgb, unknown, labelIndex + srgb, tlv(6, `00${info()}`), tlv(4, '')]) {
    assert.equal(faultOf(none), PREFIX_SID_SOUND);
    assert.equal(read(none), SERVICE_NONE);
  }
});

test('the first service counts, and in it the first SID that holds (RFC 9252 §3.1, §7)', () => {
  const other = info(0x13, '', '20010db8000900090000000000000000');
  assert.equal(read(service(info(), other) + service(other)), SERVICE_USABLE);
  assert.equal(sidText(), '2001:db8:1:1::');
  assert.equal(read(service(info(0xffff, tlv(1, '28 18 10 00 11 40')), other)), SERVICE_USABLE);
  assert.equal(sidText(), '2001:db8:9:9::');
  assert.equal(read(service(tlv(9, '')) + service(other)), SERVICE_UNUSABLE);
  assert.equal(read(service()), SERVICE_UNUSABLE);
});

test('a malformed service costs the route, other malformed TLVs the attribute (RFC 9252 §7, RFC 8669 §6)', () => {
  const cases: readonly [string, string, number][] = [
    ['no TLV', '', PREFIX_SID_MALFORMED],
    ['half a header', '01 00', PREFIX_SID_MALFORMED],
    ['a TLV longer than the attribute', '01 0008 00 0000 00000064', PREFIX_SID_MALFORMED],
    ['octets behind the last TLV', `${tlv(200, '')}00`, PREFIX_SID_MALFORMED],
    ['a service without its reserved octet', tlv(5, ''), PREFIX_SID_MALFORMED_SERVICE],
    ['an L2 service without one', tlv(6, ''), PREFIX_SID_MALFORMED_SERVICE],
    ['a service longer than the attribute', '05 0002 00', PREFIX_SID_MALFORMED_SERVICE],
    ['a sub-TLV longer than its service', tlv(5, '00 09 0001'), PREFIX_SID_MALFORMED_SERVICE],
    ['half a header in a service', tlv(5, '00 0100'), PREFIX_SID_MALFORMED_SERVICE],
    ['a SID of 20 octets', service(tlv(1, `00 ${SID} 00 0013`)), PREFIX_SID_MALFORMED_SERVICE],
    ['a sub-sub-TLV longer than its SID', service(info(0x13, '01 0001')), PREFIX_SID_MALFORMED_SERVICE],
    ['half a header behind a SID', service(info(0x13, '0100')), PREFIX_SID_MALFORMED_SERVICE],
    ['a second service that is malformed', service(info()) + tlv(5, ''), PREFIX_SID_MALFORMED_SERVICE],
    ['an L2 service with such a SID', tlv(6, `00${tlv(1, `00${SID}`)}`), PREFIX_SID_MALFORMED_SERVICE],
    ['something malformed behind a service', `${service(info())}01`, PREFIX_SID_MALFORMED_SERVICE],
    ['a service behind something malformed', `0100ff${service(info())}`, PREFIX_SID_MALFORMED],
  ];
  const type = attributeTypes[ATTR_PREFIX_SID]!;
  assert.deepEqual([type.name, type.flags, attributeName(40)], ['PREFIX_SID', 0xc0, 'PREFIX_SID']);
  const actions = [ACTION_OK, ACTION_DISCARD, ACTION_WITHDRAW];
  for (const [what, value, fault] of [...cases, ['a sound one', service(info()), PREFIX_SID_SOUND] as const]) {
    assert.equal(faultOf(value), fault, what);
    const bytes = hex(value);
    for (const ebgp of [false, true]) {
      assert.equal(type.check(bytes, 0, bytes.length, { ebgp, as4: true }), actions[fault], what);
    }
  }
});

test('every cut of an attribute is malformed, and no reader goes past its end', () => {
  const bytes = hex(tlv(1, '00 0000 00000064') + service(info(0x13, STRUCTURE)));
  for (let end = 0; end < bytes.length; end++) {
    const fault = end === 10 ? PREFIX_SID_SOUND : end < 11 ? PREFIX_SID_MALFORMED : PREFIX_SID_MALFORMED_SERVICE;
    assert.equal(prefixSidFault(bytes, 0, end), fault, `cut at ${end}`);
    assert.notEqual(reader.read(bytes, 0, end, VPN_LABEL_BITS), SERVICE_USABLE, `cut at ${end}`);
  }
  fc.assert(
    fc.property(
      fc.uint8Array({ maxLength: 60 }),
      fc.constantFrom('', '05 0030 00', '05 0025 00 01 0021 00'),
      (rest, begin) => {
        const all = Uint8Array.from([...hex(begin), ...rest]);
        const state = reader.read(all, 0, all.length, VPN_LABEL_BITS);
        if (prefixSidFault(all, 0, all.length) === PREFIX_SID_SOUND) {
          // As the plainest walk has it.
          let service = false;
          for (let at = 0; at < all.length; at += 3 + ((all[at + 1]! << 8) | all[at + 2]!)) service ||= all[at] === 5;
          assert.equal(state !== SERVICE_NONE, service);
        }
        if (state === SERVICE_USABLE) reader.merge(0xfffff, VPN_LABEL_BITS);
      },
    ),
    { numRuns: 2000 },
  );
});

test('a structure that does not hold makes its SID unusable, and nothing malformed (RFC 9252 §3.2.1, §7)', () => {
  const { dt4, dt2m, dt46Next, opaque } = EndpointBehavior;
  const cases: readonly [boolean, string, SidStructure, behavior?: number, labelBits?: number][] = [
    [true, 'nothing transposed', structureOf(40, 24, 16, 0, 0, 0)],
    [true, 'nothing transposed, without a label', structureOf(40, 24, 16, 0, 0, 0), dt4, NO_LABEL_BITS],
    [false, 'transposed without a label', structureOf(40, 24, 16, 0, 16, 64), dt4, NO_LABEL_BITS],
    [false, 'an offset of nothing', structureOf(40, 24, 16, 0, 0, 64)],
    [true, 'all 128 bits', structureOf(64, 44, 20, 0, 20, 108)],
    [false, '129 bits', structureOf(64, 45, 20, 0, 20, 109)],
    [false, 'more than a label holds', structureOf(40, 24, 24, 0, 21, 64)],
    [true, 'as much as a label holds', structureOf(40, 24, 24, 0, 20, 64)],
    [false, 'more than the function', structureOf(40, 24, 16, 0, 17, 64)],
    [true, 'the end of the function', structureOf(40, 24, 16, 0, 8, 72)],
    [false, 'past the function', structureOf(40, 24, 16, 0, 8, 73)],
    [false, 'a bit of the locator', structureOf(40, 24, 16, 0, 8, 63)],
    [false, 'an argument of End.DT4', structureOf(40, 24, 16, 8, 0, 0)],
    [false, 'an argument of what is not known', structureOf(40, 24, 16, 8, 0, 0), opaque],
    [true, 'an argument of End.DT2M', structureOf(40, 24, 16, 8, 0, 0), dt2m],
    [true, 'an argument with NEXT-CSID', structureOf(32, 16, 16, 64, 0, 0), dt46Next],
    [true, 'a behavior that is not known', structureOf(40, 24, 16, 0, 16, 64), 0x7777],
  ];
  for (const [holds, what, structure, behavior = dt4, labelBits = VPN_LABEL_BITS] of cases) {
    assert.equal(holdsStructure(structure, behavior, labelBits), holds, what);
    const bytes = encodeL3Service({ sid: parseIp6('2001:db8:1:1::')!, behavior, structure });
    assert.equal(prefixSidFault(bytes, 0, bytes.length), PREFIX_SID_SOUND, what);
    assert.equal(reader.read(bytes, 0, bytes.length, labelBits), holds ? SERVICE_USABLE : SERVICE_UNUSABLE, what);
  }
  for (const length of [0, 5, 7]) {
    const value = service(info(0x13, tlv(1, '28181000104000'.slice(0, length * 2))));
    assert.equal(faultOf(value), PREFIX_SID_SOUND);
    assert.equal(read(value), SERVICE_UNUSABLE, `a structure of ${length} octets`);
  }
});

const word = fc.integer({ min: 0, max: 0xffffffff });
const sids = fc.tuple(word, word, word, word);
const structures = fc
  .tuple(fc.nat(64), fc.nat(40), fc.nat(24), fc.nat(20), fc.nat(255))
  .map(([blockBits, nodeBits, functionBits, length, at]) => {
    const transpositionLength = Math.min(length, functionBits);
    const room = functionBits - transpositionLength + 1;
    const transpositionOffset = transpositionLength === 0 ? 0 : blockBits + nodeBits + (at % room);
    return structureOf(blockBits, nodeBits, functionBits, 0, transpositionLength, transpositionOffset);
  });

const bitsOf = (sid: AddressWords): string => sid.map(one => one.toString(2).padStart(32, '0')).join('');

test('a SID comes back from its attribute and its label, of which only the first bits count', () => {
  fc.assert(
    fc.property(sids, structures, fc.nat(0xfffff), (sid, structure, noise) => {
      const one = { sid, behavior: EndpointBehavior.dt46, structure };
      const bytes = encodeL3Service(one);
      const { transpositionLength: length, transpositionOffset: offset } = structure;
      assert.equal(reader.read(bytes, 0, bytes.length, VPN_LABEL_BITS), SERVICE_USABLE);
      const sent = bitsOf([reader.w0, reader.w1, reader.w2, reader.w3]);
      assert.equal(sent, bitsOf(sid).slice(0, offset) + '0'.repeat(length) + bitsOf(sid).slice(offset + length));
      const label = transposedLabel(one, VPN_LABEL_BITS);
      assert.equal(label === undefined, length === 0);
      if (label !== undefined) {
        const taken = bitsOf(sid).slice(offset, offset + length);
        assert.equal(label.toString(2).padStart(VPN_LABEL_BITS, '0'), taken.padEnd(VPN_LABEL_BITS, '0'));
      }
      reader.merge((label ?? 0) | (noise & ((1 << (VPN_LABEL_BITS - length)) - 1)), VPN_LABEL_BITS);
      assert.deepEqual([reader.w0, reader.w1, reader.w2, reader.w3], sid);
    }),
    { numRuns: 2000 },
  );
});

test('bits that should have been cleared give way to the label', () => {
  const value = service(info(0x13, STRUCTURE, '20010db800010001ffff000000000000'));
  assert.equal(read(value), SERVICE_USABLE);
  reader.merge(0x12340, VPN_LABEL_BITS);
  assert.equal(sidText(), '2001:db8:1:1:1234::');
});

test('what is written is what RFC 9252 §2 to §3.2.1 draw', () => {
  const sid = parseIp6('2001:db8:1:1:ab::')!;
  const plain = { sid, behavior: EndpointBehavior.dt46 };
  assert.deepEqual(encodeL3Service(plain), hex('05 0019 00  01 0015 00 20010db8000100010 0ab000000000000 00 0014 00'));
  assert.equal(transposedLabel(plain, VPN_LABEL_BITS), undefined);
  const structured = { ...plain, structure: structureOf(40, 24, 16, 0, 16, 64) };
  assert.deepEqual(
    encodeL3Service(structured),
    hex('05 0022 00  01 001e 00 20010db8000100010000000000000000 00 0014 00  01 0006 28 18 10 00 10 40'),
  );
  assert.equal(transposedLabel(structured, VPN_LABEL_BITS), 0x00ab0);
});
