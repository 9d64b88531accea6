// Contexts as frames. A peer that knows nexthop objects is told them and routes that name them; one that does not is told
// routes with paths of their own, and the objects are kept here (nexthops.ts).
import { type RoutePath, routeWithPathsBytes, rtnetlink as c } from '../../../netlink/index.ts';
import { E } from '../../../sys/index.ts';
import type { ContextPool } from '../../context.ts';
import { OP_NEXTHOP_DELETE, OP_ROUTE_INSTALL, OP_ROUTE_UPDATE, OPERATIONS } from '../../operation.ts';
import type { Encode } from '../encoding/encoding.ts';
import { pathsOf } from '../encoding/path.ts';
import { encodeHole, encodeRemoval, remove as routeDelete, routeByPaths } from '../encoding/route.ts';
import { FRAME_BYTES, FRAME_BYTES_MAX, writeFrameHeader } from './frame.ts';
import { FlatNexthops } from './nexthops.ts';
import type { Output } from './output.ts';

export interface EncoderOptions {
  /** The peer knows nexthop objects. */
  readonly nexthopGroups: boolean;
  /** An update is one message that takes the other route's place; else that one is deleted before. */
  readonly routeReplace: boolean;
}

/** There is no room now: ask again. */
export const NO_ROOM: number = -1;

export class Encoder {
  readonly #options: EncoderOptions;
  readonly nexthops: FlatNexthops = new FlatNexthops();
  /** What `#withPaths` is to write. */
  #paths: readonly RoutePath[] = [];

  constructor(options: EncoderOptions) {
    this.#options = options;
  }

  /** Writes what the peer is to hear of it. 0, NO_ROOM, or an errno: it cannot be told. */
  write(output: Output, pool: ContextPool, handle: number, replaying: boolean): number {
    const op = pool.op(handle);
    const operation = OPERATIONS[op];
    const encoding = operation?.kernel;
    if (operation === undefined || encoding === undefined) return 0;
    if (!this.#options.nexthopGroups && operation.class === 'nexthop') {
      if (op === OP_NEXTHOP_DELETE) this.nexthops.remove(pool.nexthopId(handle));
      else this.nexthops.install(pool, handle);
      return 0;
    }
    if (op !== OP_ROUTE_INSTALL && op !== OP_ROUTE_UPDATE) {
      return this.#frame(output, pool, handle, encoding.bytes(pool, handle), encoding.encode, undefined);
    }
    let encode = encoding.encode;
    this.#paths = [];
    const id = pool.nexthopId(handle);
    if (id === 0) this.#paths = pool.routeType(handle) === c.RTN_UNICAST ? pathsOf(pool, handle) : [];
    else if (!this.#options.nexthopGroups) {
      const paths = this.nexthops.paths(id);
      if (paths === undefined) return E.ENOENT;
      if (paths === 'blackhole') encode = encodeHole;
      else this.#paths = paths;
    }
    if (this.#paths.length > 0) encode = this.#withPaths;
    const bytes = Math.max(encoding.bytes(pool, handle), routeWithPathsBytes(this.#paths));
    // To a peer that is told everything from nothing it is new.
    const before = this.#options.routeReplace || replaying ? undefined : encodeRemoval;
    return this.#frame(output, pool, handle, bytes, encode, before);
  }

  /** `bytes`: of the message of `encode` at most. */
  #frame(
    output: Output,
    pool: ContextPool,
    handle: number,
    bytes: number,
    encode: Encode,
    before: Encode | undefined,
  ): number {
    if (FRAME_BYTES + bytes > FRAME_BYTES_MAX) return E.EMSGSIZE;
    const removal = before === undefined ? 0 : FRAME_BYTES + routeDelete.bytes(pool, handle);
    if (output.room(removal + FRAME_BYTES + bytes) < 0) return NO_ROOM;
    if (before !== undefined) put(output, pool, handle, before);
    put(output, pool, handle, encode);
    return 0;
  }

  readonly #withPaths: Encode = routeByPaths(() => this.#paths);
}

function put(output: Output, pool: ContextPool, handle: number, encode: Encode): void {
  const at = output.room(0);
  const bytes = encode(pool, handle, output.buffer, at + FRAME_BYTES, 0);
  if (bytes === 0) return;
  writeFrameHeader(output.buffer, at, FRAME_BYTES + bytes);
  output.wrote(FRAME_BYTES + bytes);
}
