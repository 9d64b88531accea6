// System calls: everything of libc that the project uses, its errors, descriptors on Node's loop, clocks, sockets.
export * from './arena.ts';
export * from './clock.ts';
export * as linux from './constants.ts';
export { addToEpoll, openEpoll } from './epoll.ts';
export * from './error.ts';
export { Ethtool } from './ethtool.ts';
export { FrameCopy } from './frame-copy.ts';
export { FrameVector } from './frame-vector.ts';
export * from './icmp6.ts';
export * from './interface.ts';
export { addressOf, errno, type Libc, libc, type Pointer, viewMemory } from './libc.ts';
export * from './memory.ts';
export * from './namespace.ts';
export { interfaceMerging, type Merging, setInterfaceMerging } from './offload.ts';
export { setThreadNice } from './priority.ts';
export * from './socket.ts';
export * from './packet-ring.ts';
export {
  bindPacketSocket,
  type FanoutMode,
  ignoreMarked,
  interfaceIndex,
  interfaceMtu,
  joinFanout,
  openPacketSocket,
  type PacketSocketOptions,
  packetStatistics,
  setAllMulticast,
  setMulticast,
  setPromiscuous,
} from './packet-socket.ts';
export * from './socket-port.ts';
export * from './tap.ts';
export * from './tcx.ts';
export * from './watch.ts';
export { LocalSocket } from './local-socket.ts';
