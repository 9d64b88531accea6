// A provider behind the kernel that stands for hardware: the second byte of a route's prefix orders what it makes of it.
import {
  FLAG_OFFLOAD_FAILED,
  FLAG_OFFLOADED,
  FLAG_TRAPPED,
  OP_ROUTE,
  OP_ROUTE_GONE,
  OP_ROUTE_INSTALL,
  OP_ROUTE_UPDATE,
  type Provider,
  type ProviderHost,
} from '../../src/dataplane/index.ts';

const OUTCOMES: Readonly<Record<number, number>> = {
  1: FLAG_OFFLOADED,
  2: FLAG_TRAPPED,
  3: FLAG_OFFLOAD_FAILED,
  4: FLAG_OFFLOADED,
};
/** Of a route of this one it has place for one path: by this gateway and interface. */
const NARROW = 4;
const GATEWAY = 0xc0000209;
const IFINDEX = 100;
/** It loses the first of this one. */
const LOST = 5;

export default function hardware(): Provider {
  let host: ProviderHost | undefined;
  const installs: Record<string, number> = {};
  /** By the second byte: what is to be told. */
  const due: { op: number; byte: number; word: number; length: number; protocol: number; id: number }[] = [];
  return {
    name: 'hardware',
    priority: 'post-kernel',
    start: given => void (host = given),
    process(work): void {
      for (let handle = work.take(); handle >= 0; handle = work.take()) {
        const { pool } = work;
        const op = pool.op(handle);
        if (op === OP_ROUTE_INSTALL || op === OP_ROUTE_UPDATE) {
          const word = pool.prefixWord(handle, 0);
          const byte = (word >>> 16) & 255;
          installs[byte] = (installs[byte] ?? 0) + 1;
          const route = { byte, word, length: pool.length(handle), protocol: pool.protocol(handle) };
          if (byte in OUTCOMES) due.push({ op: OP_ROUTE, id: pool.nexthopId(handle), ...route });
          if (byte === LOST && installs[byte] === 1) due.push({ op: OP_ROUTE_GONE, id: 0, ...route });
        }
        work.finish(handle);
      }
      while (due.length > 0) {
        const { op, byte, word, length, protocol, id } = due[0]!;
        const told = host!.notify(op, (pool, handle) => {
          pool.setRoute(handle, 254, 2, word, 0, 0, 0, length, protocol, 1, 20, id);
          if (byte === NARROW) pool.setPath(handle, IFINDEX, 2, GATEWAY, 0, 0, 0, 0, 1);
          pool.setFlags(handle, OUTCOMES[byte] ?? 0);
        });
        if (!told) return;
        due.shift();
      }
    },
    status: () => ({ installs }),
  };
}
