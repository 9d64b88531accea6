// Classic BPF (McCanne and Jacobson 1993, FreeBSD's bpf(4)): a program for an accumulator A, an index register X and sixteen words
// of memory, which looks at a packet and answers how many bytes of it to keep, 0 for none. Programs come as numbers, so
// that they cross threads and messages as data; here they are checked, read from tcpdump's forms, and interpreted.
// `bpf-compile.ts` makes a JavaScript function of a checked one.
//
// A check before the first packet is what makes running safe: jumps go forward only, so every program ends; the last
// instruction returns; memory words exist; no constant divides by zero. What a packet lacks is looked at only when
// it runs: a load beyond the packet's end, like a division by an X of 0, ends the program with 0.

export interface BpfInstruction {
  /** Class, size, mode and operation, as the constants below. */
  readonly code: number;
  /** How many instructions to skip where a test holds. */
  readonly jt: number;
  /** How many to skip where it does not. */
  readonly jf: number;
  /** The constant, unsigned 32 bits. */
  readonly k: number;
}

/** Instructions of one program at most (BPF_MAXINSNS). */
export const BPF_MAX_INSTRUCTIONS = 512;
/** Words of scratch memory (BPF_MEMWORDS). */
export const BPF_MEMORY_WORDS = 16;
/** What a program that has no instruction answers: keep everything. */
export const BPF_KEEP_ALL = 0xffffffff;

// Classes.
const LD = 0x00;
const LDX = 0x01;
const ST = 0x02;
const STX = 0x03;
const ALU = 0x04;
const JMP = 0x05;
const RET = 0x06;
const MISC = 0x07;
// Sizes, modes and sources of loads.
const H = 0x08;
const B = 0x10;
const ABS = 0x20;
const IND = 0x40;
const MEM = 0x60;
const LEN = 0x80;
const MSH = 0xa0;
const X = 0x08;

export const BPF_LD_IMM: number = LD;
export const BPF_LDX_IMM: number = LDX;
export const BPF_LD_W_ABS: number = LD | ABS;
export const BPF_LD_H_ABS: number = LD | H | ABS;
export const BPF_LD_B_ABS: number = LD | B | ABS;
export const BPF_LD_W_IND: number = LD | IND;
export const BPF_LD_H_IND: number = LD | H | IND;
export const BPF_LD_B_IND: number = LD | B | IND;
export const BPF_LD_MEM: number = LD | MEM;
export const BPF_LDX_MEM: number = LDX | MEM;
export const BPF_LD_LEN: number = LD | LEN;
export const BPF_LDX_LEN: number = LDX | LEN;
export const BPF_LDX_MSH: number = LDX | B | MSH;
export const BPF_ST: number = ST;
export const BPF_STX: number = STX;
export const BPF_ADD: number = ALU;
export const BPF_SUB: number = ALU | 0x10;
export const BPF_MUL: number = ALU | 0x20;
export const BPF_DIV: number = ALU | 0x30;
export const BPF_OR: number = ALU | 0x40;
export const BPF_AND: number = ALU | 0x50;
export const BPF_LSH: number = ALU | 0x60;
export const BPF_RSH: number = ALU | 0x70;
export const BPF_NEG: number = ALU | 0x80;
export const BPF_MOD: number = ALU | 0x90;
export const BPF_XOR: number = ALU | 0xa0;
export const BPF_JA: number = JMP;
export const BPF_JEQ: number = JMP | 0x10;
export const BPF_JGT: number = JMP | 0x20;
export const BPF_JGE: number = JMP | 0x30;
export const BPF_JSET: number = JMP | 0x40;
export const BPF_RET_K: number = RET;
export const BPF_RET_X: number = RET | X;
export const BPF_RET_A: number = RET | 0x10;
export const BPF_TAX: number = MISC;
export const BPF_TXA: number = MISC | 0x80;
/** Added to an operation or a test: its second operand is X, not the constant. */
export const BPF_X: number = X;

const LOADS = [BPF_LD_IMM, BPF_LD_W_ABS, BPF_LD_H_ABS, BPF_LD_B_ABS, BPF_LD_W_IND, BPF_LD_H_IND, BPF_LD_B_IND];
const MOVES = [BPF_LD_MEM, BPF_LD_LEN, BPF_LDX_IMM, BPF_LDX_MEM, BPF_LDX_LEN, BPF_LDX_MSH, BPF_ST, BPF_STX];
const BINARY = [BPF_ADD, BPF_SUB, BPF_MUL, BPF_DIV, BPF_OR, BPF_AND, BPF_LSH, BPF_RSH, BPF_MOD, BPF_XOR];
const TESTS = [BPF_JEQ, BPF_JGT, BPF_JGE, BPF_JSET];
const OTHERS = [BPF_NEG, BPF_JA, BPF_RET_K, BPF_RET_X, BPF_RET_A, BPF_TAX, BPF_TXA];

/** What FreeBSD's bpf_validate takes, and the two operations that libpcap has added since: modulo and exclusive or. */
export const BPF_CODES: readonly number[] = [
  ...LOADS,
  ...MOVES,
  ...OTHERS,
  ...[...BINARY, ...TESTS].flatMap(code => [code, code | X]),
];
const KNOWN: ReadonlySet<number> = new Set(BPF_CODES);

/** A program that cannot be run: which instruction (from 0; -1: the program as a whole), and why. */
export class BpfProgramError extends Error {
  override readonly name = 'BpfProgramError';
  readonly index: number;

  constructor(index: number, reason: string) {
    super(index < 0 ? `BPF program: ${reason}` : `BPF program, instruction ${index}: ${reason}`);
    this.index = index;
  }
}

/** Throws BpfProgramError where the program may not be run. One without instructions keeps every packet whole. */
export function checkBpf(program: readonly BpfInstruction[]): void {
  if (program.length > BPF_MAX_INSTRUCTIONS) {
    throw new BpfProgramError(-1, `${program.length} instructions, ${BPF_MAX_INSTRUCTIONS} at most`);
  }
  for (let i = 0; i < program.length; i++) {
    const { code, jt, jf, k } = program[i]!;
    if (!KNOWN.has(code)) throw new BpfProgramError(i, `there is no code 0x${code.toString(16)}`);
    if (!isUnsigned(k, 32)) throw new BpfProgramError(i, `k must be 0 to 4294967295, not ${k}`);
    if (!isUnsigned(jt, 8) || !isUnsigned(jf, 8))
      throw new BpfProgramError(i, `jumps are 0 to 255, not ${jt} and ${jf}`);
    if ((code & 7) === JMP) {
      const skip = code === BPF_JA ? k : Math.max(jt, jf);
      if (i + 1 + skip >= program.length) {
        throw new BpfProgramError(i, `jumps to ${i + 1 + skip}, past the last one, ${program.length - 1}`);
      }
    } else if ((code === BPF_ST || code === BPF_STX || (code & 0xf6) === MEM) && k >= BPF_MEMORY_WORDS) {
      throw new BpfProgramError(i, `there is no memory word ${k}, the last is ${BPF_MEMORY_WORDS - 1}`);
    } else if ((code === BPF_DIV || code === BPF_MOD) && k === 0) throw new BpfProgramError(i, 'divides by zero');
  }
  const last = program.length - 1;
  if (last >= 0 && (program[last]!.code & 7) !== RET) throw new BpfProgramError(last, 'the last one must return');
}

function isUnsigned(value: number, bits: number): boolean {
  return Number.isInteger(value) && value >= 0 && value < 2 ** bits;
}

/** Reads what `tcpdump -ddd` prints: the number of instructions, then a line `code jt jf k` for each, in decimal. */
export function parseBpfText(text: string): BpfInstruction[] {
  const lines = text.split('\n').map(line => line.trim());
  while (lines.at(-1) === '') lines.pop();
  if (!/^\d+$/.test(lines[0] ?? ''))
    throw new BpfProgramError(-1, `no count of instructions: ${JSON.stringify(lines[0])}`);
  if (Number(lines[0]) !== lines.length - 1) {
    throw new BpfProgramError(-1, `${lines[0]} instructions are announced, ${lines.length - 1} follow`);
  }
  return lines.slice(1).map((line, index) => {
    const fields = /^(\d+)\s+(\d+)\s+(\d+)\s+(\d+)$/.exec(line);
    if (fields === null) throw new BpfProgramError(index, `not four numbers: ${JSON.stringify(line)}`);
    return { code: Number(fields[1]), jt: Number(fields[2]), jf: Number(fields[3]), k: Number(fields[4]) };
  });
}

/** Reads an array of `struct bpf_insn` (code 16 bits, jt, jf, k 32 bits), of this machine's byte order unless told. */
export function parseBpfBinary(bytes: Uint8Array, littleEndian = true): BpfInstruction[] {
  if (bytes.length % 8 !== 0) throw new BpfProgramError(-1, `${bytes.length} bytes are not a multiple of 8`);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const program: BpfInstruction[] = [];
  for (let at = 0; at < bytes.length; at += 8) {
    program.push({
      code: view.getUint16(at, littleEndian),
      jt: bytes[at + 2]!,
      jf: bytes[at + 3]!,
      k: view.getUint32(at + 4, littleEndian),
    });
  }
  return program;
}

/**
 * Runs a checked program over `length` bytes of a packet that had `wireLength` on the wire; returns the bytes to keep. Plain
 * and slow: the meaning that `compileBpf` is held against.
 */
export function runBpf(
  program: readonly BpfInstruction[],
  bytes: Uint8Array,
  offset: number,
  length: number,
  wireLength: number,
): number {
  if (program.length === 0) return BPF_KEEP_ALL;
  const memory = new Uint32Array(BPF_MEMORY_WORDS);
  let a = 0;
  let x = 0;
  for (let pc = 0; ; pc++) {
    const { code, jt, jf, k } = program[pc]!;
    const operand = (code & X) === 0 ? k : x;
    switch (code & 7) {
      case LD:
      case LDX: {
        const value = loaded(code, k, x, memory, bytes, offset, length, wireLength);
        if (value < 0) return 0;
        if ((code & 7) === LD) a = value;
        else x = value;
        break;
      }
      case ST:
        memory[k] = a;
        break;
      case STX:
        memory[k] = x;
        break;
      case ALU:
        if (operand === 0 && ((code & 0xf7) === BPF_DIV || (code & 0xf7) === BPF_MOD)) return 0;
        a = calculated(code & 0xf7, a, operand);
        break;
      case JMP:
        if (code === BPF_JA) pc += k;
        else pc += holds(code & 0xf7, a, operand) ? jt : jf;
        break;
      case RET:
        return code === BPF_RET_K ? k : code === BPF_RET_A ? a : x;
      default:
        if (code === BPF_TAX) x = a;
        else a = x;
    }
  }
}

/** What a load brings, or -1 where it is beyond the packet. */
function loaded(
  code: number,
  k: number,
  x: number,
  memory: Uint32Array,
  bytes: Uint8Array,
  offset: number,
  length: number,
  wireLength: number,
): number {
  const mode = code & 0xe0;
  if (mode === 0) return k;
  if (mode === MEM) return memory[k]!;
  if (mode === LEN) return wireLength;
  const at = mode === IND ? x + k : k;
  const size = (code & 0x18) === H ? 2 : (code & 0x18) === B ? 1 : 4;
  if (at + size > length) return -1;
  if (mode === MSH) return (bytes[offset + at]! & 15) << 2;
  let value = 0;
  for (let i = 0; i < size; i++) value = value * 256 + bytes[offset + at + i]!;
  return value;
}

function calculated(operation: number, a: number, operand: number): number {
  switch (operation) {
    case BPF_ADD:
      return (a + operand) >>> 0;
    case BPF_SUB:
      return (a - operand) >>> 0;
    case BPF_MUL:
      return Math.imul(a, operand) >>> 0;
    case BPF_DIV:
      return Math.floor(a / operand);
    case BPF_MOD:
      return a % operand;
    case BPF_OR:
      return (a | operand) >>> 0;
    case BPF_AND:
      return (a & operand) >>> 0;
    case BPF_XOR:
      return (a ^ operand) >>> 0;
    // C leaves shifts by more than 31 open; libpcap's own optimizer takes them to give 0.
    case BPF_LSH:
      return operand > 31 ? 0 : (a << operand) >>> 0;
    case BPF_RSH:
      return operand > 31 ? 0 : a >>> operand;
    default:
      return -a >>> 0;
  }
}

function holds(test: number, a: number, operand: number): boolean {
  if (test === BPF_JEQ) return a === operand;
  if (test === BPF_JGT) return a > operand;
  if (test === BPF_JGE) return a >= operand;
  return (a & operand) !== 0;
}
