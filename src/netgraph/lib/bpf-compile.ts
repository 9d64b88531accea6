// A classic BPF program as one JavaScript function, which V8 makes machine code of. Each worker compiles its own: the program
// crosses threads as numbers.
//
// Jumps go forward only, so they need no loop around a switch: for each place that is jumped to, a labelled block opens at the
// function's start and closes just before that place, and a jump is a `break` out of it.
//
//   t7: { t4: {                    (blocks of nearer targets stand within those of farther ones)
//     …; if (a === 2048) break t4; else break t7;
//   } /* 4 */ …
//   } /* 7 */ return 0;
//
// A, X and the memory are 32-bit integers (`| 0`), compared and divided as unsigned ones.
import {
  BPF_ADD,
  BPF_AND,
  BPF_DIV,
  BPF_JA,
  BPF_JEQ,
  BPF_JGE,
  BPF_JGT,
  BPF_KEEP_ALL,
  BPF_LSH,
  BPF_MEMORY_WORDS,
  BPF_MOD,
  BPF_MUL,
  BPF_OR,
  BPF_RET_A,
  BPF_RET_K,
  BPF_RSH,
  BPF_SUB,
  BPF_TAX,
  BPF_X,
  BPF_XOR,
  type BpfInstruction,
  checkBpf,
} from './bpf.ts';

/** Runs over `length` bytes from `offset` of a packet of `wireLength` bytes; returns how many to keep, 0 to 2^32 - 1. */
export type BpfFilter = (bytes: Uint8Array, offset: number, length: number, wireLength: number) => number;

/** Checks the program (BpfProgramError) and compiles it. */
export function compileBpf(program: readonly BpfInstruction[]): BpfFilter {
  checkBpf(program);
  // oxlint-disable-next-line no-implied-eval -- the source is made below, of numbers that have been checked
  return new Function('b', 'o', 'n', 'w', bpfSource(program)) as BpfFilter;
}

/** The function's body: for the reader of a listing, and for `compileBpf`. */
export function bpfSource(program: readonly BpfInstruction[]): string {
  if (program.length === 0) return `return ${BPF_KEEP_ALL};`;
  const targets = new Set<number>();
  for (let i = 0; i < program.length; i++) {
    const { code, jt, jf, k } = program[i]!;
    if ((code & 7) !== 5) continue;
    for (const skip of code === BPF_JA ? [k] : [jt, jf]) if (skip > 0) targets.add(i + 1 + skip);
  }
  const memory = Array.from({ length: BPF_MEMORY_WORDS }, (_, i) => `m${i} = 0`).filter((_, i) =>
    usesMemory(program, i),
  );
  const lines = [`let a = 0, x = 0, i = 0${memory.length > 0 ? ', ' : ''}${memory.join(', ')};`];
  for (const target of [...targets].sort((one, other) => other - one)) lines.push(`t${target}: {`);
  for (let i = 0; i < program.length; i++) {
    if (targets.has(i)) lines.push('}');
    lines.push(statement(program[i]!, i));
  }
  return lines.join('\n');
}

function usesMemory(program: readonly BpfInstruction[], word: number): boolean {
  return program.some(({ code, k }) => k === word && ((code & 6) === 2 || (code & 0xe6) === 0x60));
}

function statement({ code, jt, jf, k }: BpfInstruction, at: number): string {
  const operand = (code & BPF_X) === 0 ? `${k | 0}` : 'x';
  switch (code & 7) {
    case 0:
      return load('a', code, k);
    case 1:
      return load('x', code, k);
    case 2:
      return `m${k} = a;`;
    case 3:
      return `m${k} = x;`;
    case 4:
      return arithmetic(code & 0xf7, operand);
    case 5: {
      if (code === BPF_JA) return jump(at, k);
      const test = condition(code & 0xf7, operand);
      return jt === jf ? jump(at, jt) : `if (${test}) { ${jump(at, jt)} } else { ${jump(at, jf)} }`;
    }
    case 6:
      return `return ${code === BPF_RET_K ? k : code === BPF_RET_A ? 'a >>> 0' : 'x >>> 0'};`;
    default:
      return code === BPF_TAX ? 'x = a;' : 'a = x;';
  }
}

function jump(at: number, skip: number): string {
  return skip === 0 ? '' : `break t${at + 1 + skip};`;
}

function load(register: string, code: number, k: number): string {
  const mode = code & 0xe0;
  if (mode === 0) return `${register} = ${k | 0};`;
  if (mode === 0x60) return `${register} = m${k};`;
  if (mode === 0x80) return `${register} = w | 0;`;
  const size = (code & 0x18) === 0x08 ? 2 : (code & 0x18) === 0x10 ? 1 : 4;
  // X + k as a number that cannot wrap: what lies beyond 2^32 is beyond every packet.
  const place = mode === 0x40 ? `(x >>> 0) + ${k}` : `${k}`;
  const guard = `i = ${place}; if (i + ${size} > n) return 0; i = (i | 0) + o;`;
  if (mode === 0xa0) return `${guard} ${register} = (b[i] & 15) << 2;`;
  if (size === 1) return `${guard} ${register} = b[i];`;
  if (size === 2) return `${guard} ${register} = (b[i] << 8) | b[i + 1];`;
  return `${guard} ${register} = (b[i] << 24) | (b[i + 1] << 16) | (b[i + 2] << 8) | b[i + 3];`;
}

function arithmetic(operation: number, operand: string): string {
  const guard = operand === 'x' ? 'if (x === 0) return 0; ' : '';
  switch (operation) {
    case BPF_ADD:
      return `a = (a + ${operand}) | 0;`;
    case BPF_SUB:
      return `a = (a - (${operand})) | 0;`;
    case BPF_MUL:
      return `a = Math.imul(a, ${operand});`;
    case BPF_DIV:
      return `${guard}a = ((a >>> 0) / ((${operand}) >>> 0)) | 0;`;
    case BPF_MOD:
      return `${guard}a = ((a >>> 0) % ((${operand}) >>> 0)) | 0;`;
    case BPF_OR:
      return `a |= ${operand};`;
    case BPF_AND:
      return `a &= ${operand};`;
    case BPF_XOR:
      return `a ^= ${operand};`;
    case BPF_LSH:
      return `a = ((${operand}) >>> 0) > 31 ? 0 : a << ${operand};`;
    case BPF_RSH:
      return `a = ((${operand}) >>> 0) > 31 ? 0 : (a >>> ${operand}) | 0;`;
    default:
      return 'a = -a | 0;';
  }
}

function condition(test: number, operand: string): string {
  if (test === BPF_JEQ) return `a === ${operand}`;
  if (test === BPF_JGT) return `(a >>> 0) > ((${operand}) >>> 0)`;
  if (test === BPF_JGE) return `(a >>> 0) >= ((${operand}) >>> 0)`;
  return `(a & ${operand}) !== 0`;
}
