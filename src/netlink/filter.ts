// A socket filter (classic BPF) that drops the echoes of our own changes to routes and nexthop objects before they are
// queued: those are confirmed by the ACK of their batch already, and a million of them would overrun the buffer for nothing.
//
// It looks at the first message of a datagram only; notifications come one to a datagram. BPF loads are big-endian, netlink
// is in the machine's order, so the constants are swapped.
import { arena, check, libc, linux } from '../sys/index.ts';
import { RTM_DELNEXTHOP, RTM_DELROUTE, RTM_NEWNEXTHOP, RTM_NEWROUTE } from './constants.ts';

const LOAD_WORD = 0x20; // BPF_LD | BPF_W | BPF_ABS
const LOAD_HALF = 0x28; // BPF_LD | BPF_H | BPF_ABS
const JUMP_EQUAL = 0x15; // BPF_JMP | BPF_JEQ | BPF_K
const RETURN = 0x06; // BPF_RET | BPF_K

/** Drops RTM_NEW/DELROUTE and RTM_NEW/DELNEXTHOP whose nlmsg_pid is one of `portIds` (at most 8). */
export function dropOwnEchoes(fd: number, portIds: readonly number[]): void {
  const types = [RTM_NEWROUTE, RTM_DELROUTE, RTM_NEWNEXTHOP, RTM_DELNEXTHOP];
  // load pid; for each own pid: equal → types; accept. types: load type; equal → drop; accept. drop.
  const program: [number, number, number, number][] = [[LOAD_WORD, 0, 0, 12]];
  const accept = 1 + portIds.length; // index of the first RETURN
  for (let i = 0; i < portIds.length; i++) {
    const own = program.length;
    program.push([JUMP_EQUAL, accept + 1 - own - 1, 0, swapWord(portIds[i]!)]);
  }
  program.push([RETURN, 0, 0, 0xffffffff]);
  program.push([LOAD_HALF, 0, 0, 4]);
  for (let i = 0; i < types.length; i++) {
    program.push([JUMP_EQUAL, types.length - i, 0, ((types[i]! & 255) << 8) | (types[i]! >>> 8)]);
  }
  program.push([RETURN, 0, 0, 0xffffffff]);
  program.push([RETURN, 0, 0, 0]);
  const code = arena(program.length * 8);
  program.forEach(([operation, yes, no, k], i) => {
    code.view.setUint16(i * 8, operation, true);
    code.view.setUint8(i * 8 + 2, yes);
    code.view.setUint8(i * 8 + 3, no);
    code.view.setUint32(i * 8 + 4, k, true);
  });
  const header = arena(16); // struct sock_fprog
  header.view.setUint16(0, program.length, true);
  header.view.setBigUint64(8, code.address, true);
  check(
    libc.setsockopt(fd, linux.SOL_SOCKET, linux.SO_ATTACH_FILTER, header.bytes, 16),
    'setsockopt',
    'SO_ATTACH_FILTER',
  );
}

function swapWord(word: number): number {
  return ((word << 24) | ((word & 0xff00) << 8) | ((word >>> 8) & 0xff00) | (word >>> 24)) >>> 0;
}
