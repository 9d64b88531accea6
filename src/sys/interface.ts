// What is asked of an interface by ioctl (netdevice(7)): its name, Ethernet address, MTU. Any socket does, and answers for the
// network namespace that it was opened in.
import { check } from './error.ts';
import { libc } from './libc.ts';

const SIOCGIFNAME = 0x8910;
const SIOCGIFFLAGS = 0x8913;
const SIOCSIFFLAGS = 0x8914;
const SIOCSIFMTU = 0x8922;
const SIOCSIFHWADDR = 0x8924;
const SIOCGIFHWADDR = 0x8927;
const SIOCGIFINDEX = 0x8933;
/** struct ifreq: a name, then what is asked. */
const IFREQ_BYTES = 40;
const NAME_BYTES = 16;
export const ARPHRD_ETHER = 1;
const IFF_UP = 1;

function ask(fd: number, request: number, what: string, name: string): Uint8Array {
  const bytes = ifreq(name);
  check(libc.ioctl(fd, request, bytes), `ioctl ${what}`, name);
  return bytes;
}

function ifreq(name: string): Uint8Array {
  const bytes = new Uint8Array(IFREQ_BYTES);
  bytes.set(Buffer.from(name, 'latin1').subarray(0, NAME_BYTES - 1));
  return bytes;
}

/** What the interface of this index is called now. Throws a SysError, ENODEV where there is none any more. */
export function interfaceName(fd: number, index: number): string {
  const bytes = new Uint8Array(IFREQ_BYTES);
  new DataView(bytes.buffer).setInt32(NAME_BYTES, index, true);
  check(libc.ioctl(fd, SIOCGIFNAME, bytes), 'ioctl SIOCGIFNAME', `interface ${index}`);
  return Buffer.from(bytes.subarray(0, bytes.indexOf(0))).toString('latin1');
}

/** Index of the interface in the socket's namespace. */
export function interfaceIndexOf(fd: number, name: string): number {
  return new DataView(ask(fd, SIOCGIFINDEX, 'SIOCGIFINDEX', name).buffer).getInt32(NAME_BYTES, true);
}

/** What kind of link it is (ARPHRD_…), and its address, 6 bytes where it is Ethernet. */
export function interfaceAddress(fd: number, name: string): { readonly type: number; readonly address: Uint8Array } {
  const bytes = ask(fd, SIOCGIFHWADDR, 'SIOCGIFHWADDR', name);
  const type = bytes[NAME_BYTES]! | (bytes[NAME_BYTES + 1]! << 8);
  return { type, address: bytes.slice(NAME_BYTES + 2, NAME_BYTES + 8) };
}

/** Sets the Ethernet address. Throws a SysError: EADDRNOTAVAIL for a group's address, EBUSY where the driver wants it down. */
export function setInterfaceAddress(fd: number, name: string, address: Uint8Array): void {
  const bytes = ifreq(name);
  bytes[NAME_BYTES] = ARPHRD_ETHER;
  bytes.set(address.subarray(0, 6), NAME_BYTES + 2);
  check(libc.ioctl(fd, SIOCSIFHWADDR, bytes), 'ioctl SIOCSIFHWADDR', name);
}

export function setInterfaceMtu(fd: number, name: string, mtu: number): void {
  const bytes = ifreq(name);
  new DataView(bytes.buffer).setInt32(NAME_BYTES, mtu, true);
  check(libc.ioctl(fd, SIOCSIFMTU, bytes), 'ioctl SIOCSIFMTU', `${name}, ${mtu}`);
}

export function setInterfaceUp(fd: number, name: string): void {
  const bytes = ask(fd, SIOCGIFFLAGS, 'SIOCGIFFLAGS', name);
  bytes[NAME_BYTES]! |= IFF_UP;
  check(libc.ioctl(fd, SIOCSIFFLAGS, bytes), 'ioctl SIOCSIFFLAGS', name);
}
