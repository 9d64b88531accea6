// The listing that `dumpcap -d` prints of what libpcap has compiled, back to numbers. Only a test needs it: there is no other way to
// libpcap's compiler among Debian's tools that the tests have anyway.
import type { BpfInstruction } from '../../../src/netgraph/lib/bpf.ts';

const OPERATIONS: Record<string, number> = {
  add: 0x04,
  sub: 0x14,
  mul: 0x24,
  div: 0x34,
  or: 0x44,
  and: 0x54,
  lsh: 0x64,
  rsh: 0x74,
  neg: 0x84,
  mod: 0x94,
  xor: 0xa4,
  jeq: 0x15,
  jgt: 0x25,
  jge: 0x35,
  jset: 0x45,
};
const LOADS: Record<string, number> = { ld: 0x00, ldh: 0x08, ldb: 0x10, ldx: 0x01, ldxb: 0x11 };

export function assembled(listing: string): BpfInstruction[] {
  const program: BpfInstruction[] = [];
  for (const line of listing.split('\n')) {
    const parts = /^\((\d+)\)\s+(\w+)\s*(.*)$/.exec(line);
    if (parts === null) continue;
    const at = Number(parts[1]);
    const name = parts[2]!;
    const jumps = /^(.*?)\s+jt (\d+)\s+jf (\d+)$/.exec(parts[3]!.trim());
    const argument = (jumps ? jumps[1]! : parts[3]!).trim();
    const jt = jumps ? Number(jumps[2]) - at - 1 : 0;
    const jf = jumps ? Number(jumps[3]) - at - 1 : 0;
    program.push({ ...coded(name, argument, at), jt, jf });
  }
  return program;
}

function coded(name: string, argument: string, at: number): { code: number; k: number } {
  const constant = /^#(0x[0-9a-f]+|\d+)$/.exec(argument);
  if (name === 'tax') return { code: 0x07, k: 0 };
  if (name === 'txa') return { code: 0x87, k: 0 };
  if (name === 'ret') return constant ? { code: 0x06, k: Number(constant[1]) } : { code: 0x16, k: 0 };
  if (name === 'ja') return { code: 0x05, k: Number(argument) - at - 1 };
  const memory = /^M\[(\d+)\]$/.exec(argument);
  if (name === 'st' || name === 'stx') return { code: name === 'st' ? 0x02 : 0x03, k: Number(memory![1]) };
  const load = LOADS[name];
  if (load !== undefined) {
    if (constant) return { code: load, k: Number(constant[1]) };
    if (memory) return { code: load | 0x60, k: Number(memory[1]) };
    if (argument === '#pktlen') return { code: load | 0x80, k: 0 };
    const nibble = /^4\*\(\[(\d+)\]&0xf\)$/.exec(argument);
    if (nibble) return { code: 0xb1, k: Number(nibble[1]) };
    const indirect = /^\[x \+ (\d+)\]$/.exec(argument);
    if (indirect) return { code: load | 0x40, k: Number(indirect[1]) };
    const absolute = /^\[(\d+)\]$/.exec(argument);
    if (absolute) return { code: load | 0x20, k: Number(absolute[1]) };
  }
  const operation = OPERATIONS[name];
  if (operation === undefined) throw new Error(`what is ${name} ${argument}?`);
  if (argument === 'x') return { code: operation | 0x08, k: 0 };
  return { code: operation, k: constant ? Number(constant[1]) : 0 };
}
