// Small programs at an interface (BPF, attached by tcx: Linux 6.6), which send frames another way than the kernel would. A program looks at a
// frame's mark, may set it, and says what becomes of the frame. Here are the few instructions that takes (Documentation/bpf/standardization).
//
// A program goes with the descriptor that attached it, so however we end, the interface is as it was.
import { arena, type ArenaBlock } from './arena.ts';
import { check } from './error.ts';
import { libc } from './libc.ts';
import { closeFd } from './socket.ts';

const SYS_BPF: number = process.arch === 'arm64' ? 280 : 321;
const BPF_PROG_LOAD = 5;
const BPF_LINK_CREATE = 28;
const BPF_PROG_TYPE_SCHED_CLS = 3;
export const TCX_INGRESS = 46;
export const TCX_EGRESS = 47;

const TCX_NEXT = -1;
const TCX_DROP = 2;
const BPF_F_INGRESS = 1;
const CALL_REDIRECT = 23;
/** In struct __sk_buff. */
const MARK = 8;
const [R0, R1, R2] = [0, 1, 2];

type Instruction = readonly [code: number, registers: number, offset: number, value: number];

const set = (register: number, value: number): Instruction => [0xb7, register, 0, value];
const loadMark = (register: number): Instruction => [0x61, register | (R1 << 4), MARK, 0];
const storeMark = (register: number): Instruction => [0x63, R1 | (register << 4), MARK, 0];
const skipUnless = (register: number, value: number, count: number): Instruction => [0x55, register, count, value];
const call = (helper: number): Instruction => [0x85, 0, 0, helper];
const EXIT: Instruction = [0x95, 0, 0, 0];

export type TcxProgram = readonly Instruction[];

/** The frame gets the mark, and goes out of another interface, or with `received` is received by that one. */
export function redirect(mark: number, ifindex: number, received: boolean): TcxProgram {
  const to = [set(R1, ifindex), set(R2, received ? BPF_F_INGRESS : 0), call(CALL_REDIRECT)];
  return [set(R2, mark), storeMark(R2), ...to, EXIT];
}

/** A frame with the mark loses that and goes on; one without is dropped where `drops`. */
export function passMarked(mark: number, drops: boolean): TcxProgram {
  const marked = [set(R2, 0), storeMark(R2), set(R0, TCX_NEXT)];
  return [loadMark(R2), set(R0, drops ? TCX_DROP : TCX_NEXT), skipUnless(R2, mark, marked.length), ...marked, EXIT];
}

const PROGRAM_BYTES = 256;
const ATTRIBUTES = 512;
const scratch: ArenaBlock = arena(1024);
scratch.bytes.set(Buffer.from('MIT\0'), PROGRAM_BYTES);

/** Attaches it to the interface, behind those that are there; the descriptor that it lasts as long as. Needs CAP_BPF and CAP_NET_ADMIN. */
export function attachTcx(program: TcxProgram, ifindex: number, where: number): number {
  const fd = load(program);
  try {
    const view = attributes();
    view.setInt32(0, fd, true);
    view.setInt32(4, ifindex, true);
    view.setUint32(8, where, true);
    return bpf(BPF_LINK_CREATE, 'bpf BPF_LINK_CREATE', `interface ${ifindex}`);
  } finally {
    closeFd(fd);
  }
}

function load(program: TcxProgram): number {
  const { view: code, address } = scratch;
  for (const [i, [operation, registers, offset, value]] of program.entries()) {
    code.setUint8(i * 8, operation);
    code.setUint8(i * 8 + 1, registers);
    code.setInt16(i * 8 + 2, offset, true);
    code.setInt32(i * 8 + 4, value, true);
  }
  const view = attributes();
  view.setUint32(0, BPF_PROG_TYPE_SCHED_CLS, true);
  view.setUint32(4, program.length, true);
  view.setBigUint64(8, address, true);
  view.setBigUint64(16, address + BigInt(PROGRAM_BYTES), true);
  return bpf(BPF_PROG_LOAD, 'bpf BPF_PROG_LOAD');
}

/** union bpf_attr, all 0. */
function attributes(): DataView {
  const { bytes } = scratch;
  bytes.fill(0, ATTRIBUTES);
  return new DataView(bytes.buffer, bytes.byteOffset + ATTRIBUTES);
}

function bpf(command: number, what: string, detail?: string): number {
  const { bytes, address } = scratch;
  return check(libc.syscall(SYS_BPF, command, address + BigInt(ATTRIBUTES), bytes.length - ATTRIBUTES), what, detail);
}
