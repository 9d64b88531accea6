// Classic BPF: the interpreter against programs that libpcap has compiled (dumpcap of Debian's tshark prints them); the compiled function against the interpreter on any program at all.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import {
  BPF_CODES,
  BPF_JA,
  BPF_KEEP_ALL,
  BPF_RET_A,
  BPF_RET_K,
  type BpfInstruction,
  BpfProgramError,
  checkBpf,
  parseBpfBinary,
  parseBpfText,
  runBpf,
} from '../../../src/netgraph/lib/bpf.ts';
import { bpfSource, compileBpf } from '../../../src/netgraph/lib/bpf-compile.ts';
import { assembled } from './assembler.ts';

const instruction = (code: number, k = 0, jt = 0, jf = 0): BpfInstruction => ({ code, jt, jf, k });

/** Mostly programs that can be run: jumps and memory words that exist, constants that touch packets and edges alike. */
const anyProgram: fc.Arbitrary<BpfInstruction[]> = fc
  .array(
    fc.record({
      code: fc.constantFrom(...BPF_CODES),
      jt: fc.nat(6),
      jf: fc.nat(6),
      k: fc.oneof(fc.nat(20), fc.nat(70), fc.constantFrom(0xffffffff, 0x80000000, 0x7fffffff, 31, 32, 33)),
    }),
    { minLength: 1, maxLength: 30 },
  )
  .map(program => {
    const end = program.length;
    return [
      ...program.map((one, index) => {
        const room = end - index - 1;
        const { code } = one;
        const isJump = (code & 7) === 5;
        const isMemory = (code & 6) === 2 || (code & 0xe6) === 0x60;
        const divides = code === 0x34 || code === 0x94;
        const k = isMemory ? one.k & 15 : code === BPF_JA ? Math.min(one.k, room) : divides ? one.k || 3 : one.k;
        return { code, k, jt: isJump ? Math.min(one.jt, room) : 0, jf: isJump ? Math.min(one.jf, room) : 0 };
      }),
      instruction(BPF_RET_A),
    ];
  });

describe('bpf', () => {
  test('the compiled function answers as the interpreter does', () => {
    const kept = new Set<number>();
    fc.assert(
      fc.property(anyProgram, fc.uint8Array({ maxLength: 80 }), fc.nat(5), (program, packet, offset) => {
        checkBpf(program);
        const bytes = new Uint8Array(packet.length + offset + 8).fill(0xee);
        bytes.set(packet, offset);
        const expected = runBpf(program, bytes, offset, packet.length, 1500);
        kept.add(expected);
        assert.equal(compileBpf(program)(bytes, offset, packet.length, 1500), expected, bpfSource(program));
      }),
      { numRuns: 3000 },
    );
    assert.ok(kept.size > 50, `only ${kept.size} different answers: the programs prove too little`);
  });

  test('what libpcap compiles selects the packets that it names', () => {
    const filters: [string, (hex: string) => boolean][] = [
      ['ip and tcp port 80', hex => hex.startsWith('tcp')],
      ['udp dst portrange 50-60 and host 10.0.0.1', hex => hex.startsWith('udp4')],
      ['ip6', hex => hex.endsWith('6')],
      ['ether[0] & 1 = 0 and ip[8] > 10 and len >= 40', hex => !hex.endsWith('6') && hex !== 'arp'],
      ['arp or (ip[6:2] & 0x1fff != 0)', hex => hex === 'arp'],
      ['ip6[44:2] % 5 = 3 and (ip6[40:2] ^ 0x1234) / 2 < 70000', hex => hex === 'udp6'],
    ];
    const packets: Record<string, string> = {
      tcp4: '0200000000010200000000020800450000280000000040060000c0000201c6336407c3500050000000000000000050020000000000',
      udp4: '02000000000102000000000208004500001c00000000401100000a000001c6336407c350003500080000',
      udp6: `02000000000102000000000286dd6000000000081140${'20010db8'.repeat(8)}c350003500080000`,
      arp: `ffffffffffff02000000000208060001080006040001${'0'.repeat(40)}`,
    };
    for (const [filter, expected] of filters) {
      const listing = execFileSync('dumpcap', ['-d', '-i', 'lo', '-f', filter], { encoding: 'utf8', stdio: 'pipe' });
      const program = assembled(listing);
      assert.ok(program.length > 2, listing);
      const run = compileBpf(program);
      for (const [name, hex] of Object.entries(packets)) {
        const bytes = Uint8Array.from(Buffer.from(hex, 'hex'));
        const got = run(bytes, 0, bytes.length, bytes.length);
        assert.equal(got, expected(name) ? 262144 : 0, `${filter} on ${name}\n${listing}`);
        assert.equal(runBpf(program, bytes, 0, bytes.length, bytes.length), got);
      }
    }
  });

  test('an empty program keeps everything', () => {
    checkBpf([]);
    assert.equal(runBpf([], new Uint8Array(4), 0, 4, 4), BPF_KEEP_ALL);
    assert.equal(compileBpf([])(new Uint8Array(4), 0, 4, 4), BPF_KEEP_ALL);
  });

  test('a program that may not run is told with its instruction', () => {
    const end = instruction(BPF_RET_K, 1);
    const wrong: [BpfInstruction[], number, RegExp][] = [
      [[instruction(0x18), end], 0, /no code 0x18/],
      [[instruction(0x100), end], 0, /no code 0x100/],
      [[end, instruction(0x15, 0, 0, 1), end], 1, /jumps to 3/],
      [[instruction(BPF_JA, 1), end], 0, /jumps to 2/],
      [[instruction(BPF_JA, 0xffffffff), end], 0, /jumps to 4294967296/],
      [[instruction(0x60, 16), end], 0, /memory word 16/],
      [[instruction(0x61, 16), end], 0, /memory word 16/],
      [[instruction(0x02, 99), end], 0, /memory word 99/],
      [[instruction(0x03, 16), end], 0, /memory word 16/],
      [[instruction(0x34, 0), end], 0, /divides by zero/],
      [[instruction(0x94, 0), end], 0, /divides by zero/],
      [[end, instruction(0x00, 5)], 1, /must return/],
      [[instruction(0x00, -1), end], 0, /not -1/],
      [[instruction(0x00, 2 ** 32), end], 0, /not 4294967296/],
      [[instruction(0x15, 0, 256), end], 0, /256/],
      [Array.from({ length: 513 }, () => end), -1, /513 instructions/],
    ];
    for (const [program, index, message] of wrong) {
      assert.throws(
        () => checkBpf(program),
        (error: unknown) => error instanceof BpfProgramError && error.index === index && message.test(error.message),
        JSON.stringify(program.slice(0, 3)),
      );
      assert.throws(() => compileBpf(program), BpfProgramError);
    }
    checkBpf(Array.from({ length: 512 }, () => end));
  });

  test("tcpdump's text and binary forms are read; what is not one is told", () => {
    const text = '4\n40 0 0 12\n21 0 1 2048\n6 0 0 262144\n6 0 0 0\n';
    const program = parseBpfText(text);
    assert.deepEqual(program[1], { code: 0x15, jt: 0, jf: 1, k: 2048 });
    const binary = Uint8Array.from(
      program.flatMap(({ code, jt, jf, k }) => [code, 0, jt, jf, k & 255, (k >>> 8) & 255, (k >>> 16) & 255, k >>> 24]),
    );
    assert.deepEqual(parseBpfBinary(binary), program);
    for (const bad of ['', 'x\n', '2\n6 0 0 0\n', '1\n6 0 0\n', '1\n6 0 0 -1\n']) {
      assert.throws(() => parseBpfText(bad), BpfProgramError, bad);
    }
    assert.throws(() => parseBpfBinary(new Uint8Array(9)), /9 bytes/);
  });
});
