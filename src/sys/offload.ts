// Whether an interface hands up several received segments as one long frame (GRO, LRO), asked and told by ethtool's ioctl (ethtool_netlink's
// elder). Who forwards frames as they are on the wire has that off.
import { arena, type ArenaBlock } from './arena.ts';
import { check } from './error.ts';
import { libc } from './libc.ts';

const SIOCETHTOOL = 0x8946;
const ETHTOOL_GFLAGS = 0x25;
const ETHTOOL_SFLAGS = 0x26;
const ETHTOOL_GGRO = 0x2b;
const ETHTOOL_SGRO = 0x2c;
const FLAG_LRO = 1 << 15;
/** struct ifreq: a name of 16 bytes, then the address of a struct ethtool_value: command, data. */
const IFREQ_BYTES = 40;
const NAME_BYTES = 16;
const value: ArenaBlock = arena(8);

/** What merges. */
export interface Merging {
  readonly gro: boolean;
  readonly lro: boolean;
}

/** Throws a SysError; `fd` is any socket, of the interface's network namespace. */
export function interfaceMerging(fd: number, name: string): Merging {
  return {
    gro: ethtool(fd, name, ETHTOOL_GGRO, 0) !== 0,
    lro: (ethtool(fd, name, ETHTOOL_GFLAGS, 0) & FLAG_LRO) !== 0,
  };
}

/** The same; an interface that can not be told so refuses. */
export function setInterfaceMerging(fd: number, name: string, { gro, lro }: Merging): void {
  const now = interfaceMerging(fd, name);
  if (now.gro !== gro) ethtool(fd, name, ETHTOOL_SGRO, gro ? 1 : 0);
  if (now.lro === lro) return;
  const flags = ethtool(fd, name, ETHTOOL_GFLAGS, 0);
  ethtool(fd, name, ETHTOOL_SFLAGS, lro ? flags | FLAG_LRO : flags & ~FLAG_LRO);
}

function ethtool(fd: number, name: string, command: number, data: number): number {
  const request = new Uint8Array(IFREQ_BYTES);
  request.set(Buffer.from(name, 'latin1').subarray(0, NAME_BYTES - 1));
  new DataView(request.buffer).setBigUint64(NAME_BYTES, value.address, true);
  value.view.setUint32(0, command, true);
  value.view.setUint32(4, data, true);
  check(libc.ioctl(fd, SIOCETHTOOL, request), 'ioctl SIOCETHTOOL', name);
  return value.view.getUint32(4, true);
}
