// What the kernel has of ours is a column, `kernel`; this counts beside it how many destinations name each nexthop object, so
// that it is known which object can go without anybody noticing.
import { grown } from '../../net/index.ts';
import { NEXTHOP_ID_BASE, NEXTHOP_ID_SPAN } from '../nexthop/object.ts';
import type { RibWatcher } from './parts.ts';
import type { RibTable } from './table.ts';

export class KernelUsers {
  /** Destinations per object, by id above the base. */
  #users: Int32Array = new Int32Array(256);
  /** How many of them are on their way to something else. */
  #leaving: Int32Array = new Int32Array(256);
  /** The kernel protocol of the last route that came to name the object. */
  #userProtocol: Uint8Array = new Uint8Array(256);
  /** Objects and lists that the kernel dropped, until every destination that named one of them knows. */
  readonly lost: Set<number> = new Set();
  /** Hears of every correction, and of every change that is no longer on its way. */
  watcher: RibWatcher | undefined = undefined;

  /** One more than the highest id above the base that may be named. */
  get limit(): number {
    return this.#users.length;
  }

  /** Corrects the `kernel` column. */
  set(t: RibTable, id: number, value: number, protocol: number): void {
    const before = t.kernel[id]!;
    if (before !== value) {
      this.#count(before, -1, protocol);
      this.#count(value, 1, protocol);
      t.kernel[id] = value;
    }
    t.kernelProtocol[id] = protocol;
    if (this.watcher !== undefined) this.watcher.touch(t, id);
  }

  #count(value: number, by: number, protocol: number): void {
    const at = value - NEXTHOP_ID_BASE;
    if (at <= 0 || at >= NEXTHOP_ID_SPAN) return;
    if (at >= this.#users.length) {
      let rows = this.#users.length;
      while (rows <= at) rows *= 2;
      [this.#users, this.#leaving, this.#userProtocol] = grown(rows, this.#users, this.#leaving, this.#userProtocol);
    }
    this.#users[at]! += by;
    if (by > 0) this.#userProtocol[at] = protocol;
  }

  /** A change that leads a route away from this object was sent (1), or its result is there (-1). Other values than ids: nothing. */
  leave(value: number, by: number): void {
    const at = value - NEXTHOP_ID_BASE;
    if (at > 0 && at < this.#leaving.length) this.#leaving[at]! += by;
  }

  leavingOf(groupId: number): number {
    return this.#leaving[groupId - NEXTHOP_ID_BASE] ?? 0;
  }

  /** Destinations whose route in the kernel names this object. */
  usersOf(groupId: number): number {
    return this.#users[groupId - NEXTHOP_ID_BASE] ?? 0;
  }

  protocolOf(groupId: number): number {
    return this.#userProtocol[groupId - NEXTHOP_ID_BASE] ?? 0;
  }
}
