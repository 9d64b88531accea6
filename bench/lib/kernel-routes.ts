// Looks into a namespace's IPv4 table without disturbing whoever fills it: single look-ups (RTM_GETROUTE with
// RTM_F_FIB_MATCH) for a few probes while it runs, and one full count by ip(8) at the end. Encoded by hand, so that the
// measure shares nothing with src/netlink.
import { spawn } from 'node:child_process';
import { check, inNetworkNamespace, libc, receive, transmit } from '../../src/sys/index.ts';
import type { Namespace } from '../../test/lib/netns.ts';

const RTM_NEWROUTE = 24;
const RTM_GETROUTE = 26;
const RTA_GATEWAY = 5;
const RTM_F_FIB_MATCH = 0x2000;

export class RouteProbe {
  readonly #fd: number;
  readonly #request: DataView = new DataView(new ArrayBuffer(36));
  readonly #reply: Uint8Array = new Uint8Array(8192);

  constructor(namespace: Namespace) {
    this.#fd = inNetworkNamespace(namespace.path, () =>
      check(libc.socket(16 /* AF_NETLINK */, 3 /* SOCK_RAW */, 0), 'socket'),
    );
    const view = this.#request;
    view.setUint32(0, 36, true);
    view.setUint16(4, RTM_GETROUTE, true);
    view.setUint16(6, 1 /* NLM_F_REQUEST */, true);
    view.setUint8(16, 2 /* AF_INET */);
    view.setUint8(17, 32);
    view.setUint16(28, 8, true);
    view.setUint16(30, 1 /* RTA_DST */, true);
  }

  /** Whether the kernel has a route of exactly this length that wins for the address. */
  has(address: number, length: number): boolean {
    const reply = this.#ask(address, RTM_F_FIB_MATCH);
    return reply !== undefined && reply.getUint8(17) === length;
  }

  /** The gateway that a packet to this address would be sent to; 0 for none. */
  gateway(address: number): number {
    const reply = this.#ask(address, 0);
    for (let at = 28; reply !== undefined && at + 4 <= reply.byteLength; ) {
      if (reply.getUint16(at + 2, true) === RTA_GATEWAY) return reply.getUint32(at + 4);
      at += (reply.getUint16(at, true) + 3) & ~3;
    }
    return 0;
  }

  #ask(address: number, flags: number): DataView | undefined {
    this.#request.setUint32(24, flags, true);
    this.#request.setUint32(32, address);
    transmit(this.#fd, new Uint8Array(this.#request.buffer), 0, 36);
    const count = receive(this.#fd, this.#reply, 0, this.#reply.length);
    if (count <= 28) return undefined;
    const view = new DataView(this.#reply.buffer, 0, count);
    return view.getUint16(4, true) === RTM_NEWROUTE ? view : undefined;
  }

  close(): void {
    libc.close(this.#fd);
  }
}

/** Routes of the main table as ip(8) prints them, one line each: all, or those through one gateway. */
export function countRoutes(namespace: Namespace, gateway?: string): Promise<number> {
  const via = gateway === undefined ? [] : ['via', gateway];
  const [command, argv] = namespace.wrap(['ip', '-4', '-o', 'route', 'show', ...via]);
  return new Promise((resolve, reject) => {
    const child = spawn(command, argv, { stdio: ['ignore', 'pipe', 'inherit'] });
    let lines = 0;
    child.stdout.on('data', (chunk: Buffer) => {
      for (let i = chunk.indexOf(10); i >= 0; i = chunk.indexOf(10, i + 1)) lines++;
    });
    child.once('error', reject);
    child.once('close', () => resolve(lines));
  });
}
