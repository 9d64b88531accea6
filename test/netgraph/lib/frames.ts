// Frames for tests of nodes that reach the kernel, and a socket that sends and receives them as they are.
import {
  bindPacketSocket,
  closeFd,
  inNetworkNamespace,
  interfaceIndex,
  libc,
  openPacketSocket,
} from '../../../src/sys/index.ts';

export const BROADCAST: readonly number[] = [255, 255, 255, 255, 255, 255];

/** Destination, source, and what follows, of which the first two bytes are the ethertype; 60 bytes at least. */
export function frame(to: readonly number[], from: readonly number[], ...rest: readonly number[]): Uint8Array {
  const bytes = new Uint8Array(Math.max(60, 12 + rest.length));
  bytes.set([...to, ...from, ...rest]);
  return bytes;
}

export function hexBytes(text: string): number[] {
  return text
    .replaceAll(/[^0-9a-fA-F]/g, '')
    .match(/../g)!
    .map(byte => Number.parseInt(byte, 16));
}

/** A packet socket on an interface of a namespace. */
export class Wire {
  readonly fd: number;
  readonly #into: Uint8Array = new Uint8Array(65_536);

  constructor(namespace: string, ifname: string) {
    this.fd = inNetworkNamespace(namespace, () => {
      const fd = openPacketSocket();
      bindPacketSocket(fd, interfaceIndex(ifname), true);
      return fd;
    });
  }

  send(bytes: Uint8Array): void {
    if (libc.send(this.fd, bytes, bytes.length, 0) !== bytes.length) throw new Error(`not sent: ${bytes.length} bytes`);
  }

  /** The next frame, where one has come. */
  next(): Buffer | undefined {
    const length = libc.recv(this.fd, this.#into, this.#into.length, 0);
    return length < 0 ? undefined : Buffer.from(this.#into.slice(0, length));
  }

  /** All that have come. */
  all(): Buffer[] {
    const frames: Buffer[] = [];
    for (let next = this.next(); next; next = this.next()) frames.push(next);
    return frames;
  }

  close(): void {
    closeFd(this.fd);
  }
}
