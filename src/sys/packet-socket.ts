// AF_PACKET sockets (packet(7)): whole frames of one interface. Here is what is done once with such a socket; the rings through which
// its frames go are in packet-ring.ts.
import { check, E, SysError } from './error.ts';
import { arena, type ArenaBlock } from './arena.ts';
import * as c from './constants.ts';
import { errno, libc } from './libc.ts';
import { closeFd, openSocket, setOption, setOptionBytes } from './socket.ts';

const AF_PACKET = 17;
const ETH_P_ALL = 3;
export const SOL_PACKET = 263;
const PACKET_ADD_MEMBERSHIP = 1;
const PACKET_DROP_MEMBERSHIP = 2;
const PACKET_STATISTICS = 6;
const PACKET_FANOUT = 18;
const PACKET_QDISC_BYPASS = 20;
const PACKET_IGNORE_OUTGOING = 23;
const PACKET_MR_MULTICAST = 0;
const PACKET_MR_PROMISC = 1;
const PACKET_MR_ALLMULTI = 2;
const FANOUT_FLAG_DEFRAG = 0x8000;
const SIOCGIFMTU = 0x8921;

/** How the kernel chooses the socket of a group that gets a frame. */
const FANOUT = {
  /** By flow: addresses, protocol and ports; fragments are put together first. */
  hash: 0,
  /** The same, but fragments come as they are, by their addresses alone. For who forwards: it may not get what its link could not carry. */
  flow: 0,
  /** One after the other. */
  roundRobin: 1,
  /** By the processor that received it. */
  cpu: 2,
} as const;

export type FanoutMode = keyof typeof FANOUT;

export interface PacketSocketOptions {
  /** Frames that leave by the interface are seen as well, as tcpdump(8) sees them. False unless told: a graph would get back its own. */
  readonly outgoing?: boolean;
  /** What is sent goes past the queueing discipline, straight to the driver. True unless told. */
  readonly qdiscBypass?: boolean;
}

/** A non-blocking AF_PACKET socket that receives nothing yet: `bindPacketSocket` starts it, after its rings are made. Needs CAP_NET_RAW. */
export function openPacketSocket(options: PacketSocketOptions = {}): number {
  const fd = openSocket(AF_PACKET, c.SOCK_RAW, 0);
  try {
    if (options.outgoing !== true) setOption(fd, SOL_PACKET, PACKET_IGNORE_OUTGOING, 1);
    if (options.qdiscBypass !== false) setOption(fd, SOL_PACKET, PACKET_QDISC_BYPASS, 1);
    return fd;
  } catch (error) {
    closeFd(fd);
    throw error;
  }
}

/** Binds it to an interface: from now on it receives that one's frames of all protocols, or none where it is only to send. */
export function bindPacketSocket(fd: number, ifindex: number, receives: boolean): void {
  const address = new Uint8Array(20); // struct sockaddr_ll
  const view = new DataView(address.buffer);
  view.setUint16(0, AF_PACKET, true);
  view.setUint16(2, receives ? ETH_P_ALL : 0);
  view.setInt32(4, ifindex, true);
  check(libc.bind(fd, address, address.length), 'bind', `AF_PACKET, interface ${ifindex}`);
}

/** The sockets of a group (0–65535, of a network namespace) share the frames of their interface: each gets a part. After the binding. */
export function joinFanout(fd: number, group: number, mode: FanoutMode): void {
  if (!Number.isInteger(group) || group < 0 || group > 0xffff) throw new RangeError(`fan-out group ${group}`);
  // Fragments have no ports: they are put together first, or flows would be torn.
  const flags = mode === 'hash' ? FANOUT_FLAG_DEFRAG : 0;
  setOption(fd, SOL_PACKET, PACKET_FANOUT, ((FANOUT[mode] | flags) << 16) | group);
}

const SO_ATTACH_FILTER = 26;
const SKF_AD_MARK = 0xfffff014;
const filter: ArenaBlock = arena(64);

/** Frames with this mark are not received. */
export function ignoreMarked(fd: number, mark: number): void {
  const { view } = filter;
  const program: [code: number, yes: number, no: number, value: number][] = [
    [0x20, 0, 0, SKF_AD_MARK], // A = mark
    [0x15, 0, 1, mark], // A == value?
    [0x06, 0, 0, 0], // yes: no byte of it
    [0x06, 0, 0, 0xffff_ffff], // no: all
  ];
  for (const [i, [code, yes, no, value]] of program.entries()) {
    view.setUint16(i * 8, code, true);
    view.setUint8(i * 8 + 2, yes);
    view.setUint8(i * 8 + 3, no);
    view.setUint32(i * 8 + 4, value, true);
  }
  // struct sock_fprog
  view.setUint16(32, program.length, true);
  view.setBigUint64(40, filter.address, true);
  setOptionBytes(fd, c.SOL_SOCKET, SO_ATTACH_FILTER, filter.bytes.subarray(32, 48));
}

function membership(fd: number, ifindex: number, kind: number, on: boolean, address: Uint8Array): void {
  const request = new Uint8Array(16); // struct packet_mreq
  const view = new DataView(request.buffer);
  view.setInt32(0, ifindex, true);
  view.setUint16(4, kind, true);
  view.setUint16(6, address.length, true);
  request.set(address, 8);
  setOptionBytes(fd, SOL_PACKET, on ? PACKET_ADD_MEMBERSHIP : PACKET_DROP_MEMBERSHIP, request);
}

const NOBODY = new Uint8Array(0);

/** Frames for others are received too, as long as the socket is open. Asked for twice, it must be given back twice. */
export function setPromiscuous(fd: number, ifindex: number, on: boolean): void {
  membership(fd, ifindex, PACKET_MR_PROMISC, on, NOBODY);
}

/** The same of frames for all groups. */
export function setAllMulticast(fd: number, ifindex: number, on: boolean): void {
  membership(fd, ifindex, PACKET_MR_ALLMULTI, on, NOBODY);
}

/** Frames for the group `address` (of the link, 6 bytes) are received too. */
export function setMulticast(fd: number, ifindex: number, address: Uint8Array, on: boolean): void {
  if (address.length > 8) throw new RangeError(`a link's address of ${address.length} bytes`);
  membership(fd, ifindex, PACKET_MR_MULTICAST, on, address);
}

/** What the socket received, and what it lost since its ring was full; the kernel counts anew after each look. */
export function packetStatistics(fd: number): { readonly received: number; readonly lost: number } {
  const words = new Uint32Array(3); // struct tpacket_stats, tpacket_stats_v3
  const length = Uint32Array.of(12);
  const bytes = new Uint8Array(words.buffer);
  const what = 'PACKET_STATISTICS';
  check(libc.getsockopt(fd, SOL_PACKET, PACKET_STATISTICS, bytes, new Uint8Array(length.buffer)), 'getsockopt', what);
  // The kernel counts those it lost among those it received.
  return { received: words[0]! - words[1]!, lost: words[1]! };
}

/** MTU of the interface `name` in the socket's network namespace. */
export function interfaceMtu(fd: number, name: string): number {
  const request = new Uint8Array(40); // struct ifreq
  request.set(Buffer.from(name, 'latin1').subarray(0, 15));
  check(libc.ioctl(fd, SIOCGIFMTU, request), 'ioctl SIOCGIFMTU', name);
  return new DataView(request.buffer).getInt32(16, true);
}

/** Index of the interface `name` in this thread's network namespace; throws a SysError (ENODEV) where there is none. */
export function interfaceIndex(name: string): number {
  const ifindex = libc.if_nametoindex(name);
  if (ifindex === 0) throw new SysError('if_nametoindex', errno() || E.ENODEV, name);
  return ifindex;
}
