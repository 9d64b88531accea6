// The followers: who stands beside the pipeline and is told what the kernel has (follower.ts), as long as there is one.
import type { FollowerEvents } from '../plane.ts';
import type { RibWatcher } from '../rib/parts.ts';
import type { RibTable } from '../rib/table.ts';
import { Follower, type FollowerHost, type FollowerState } from './follower.ts';

const ENODEV = 19;

export interface FollowersHost extends FollowerHost {
  /** What the kernel has is known; before that a replay would end too early. */
  readonly ready: boolean;
  /** There is a follower now, or none any more: whether to tell of changes. */
  following(on: boolean): void;
}

export class Followers implements FollowerEvents, RibWatcher {
  readonly #host: FollowersHost;
  readonly #all: Follower[] = [];
  #incarnation = 0;

  constructor(host: FollowersHost) {
    this.#host = host;
  }

  get any(): boolean {
    return this.#all.length > 0;
  }

  has(follower: number): boolean {
    return this.#all.some(one => one.id === follower);
  }

  get states(): FollowerState[] {
    return this.#all.map(one => one.state);
  }

  /** Tells what they have room for. True: there is more, and only time was short. */
  run(shouldYield: () => boolean): boolean {
    if (this.#all.length === 0 || !this.#host.ready) return false;
    let more = false;
    for (const one of this.#all) if (one.run(shouldYield)) more = true;
    this.#host.plane.flush();
    return more;
  }

  touch(t: RibTable, id: number): void {
    for (const one of this.#all) one.touch(t, id);
  }

  needs(t: RibTable, id: number): boolean {
    return this.#all.some(one => one.needs(t, id));
  }

  objectChanged(id: number): void {
    for (const one of this.#all) one.objectChanged(id);
  }

  labelChanged(label: number): void {
    for (const one of this.#all) one.labelChanged(label);
  }

  // FollowerEvents -----------------------------------------------------------------------------------------------------------

  replay(follower: number): void {
    let one = this.#all.find(other => other.id === follower);
    if (one === undefined) {
      const plane = this.#host.plane.follower?.(follower);
      if (plane === undefined) return;
      this.#incarnation = (this.#incarnation + 1) & 0xffff;
      one = new Follower(follower, this.#incarnation, plane, this.#host);
      this.#all.push(one);
      if (this.#all.length === 1) this.#host.following(true);
    }
    one.replay();
  }

  gone(follower: number): void {
    const at = this.#all.findIndex(one => one.id === follower);
    if (at < 0) return;
    const [one] = this.#all.splice(at, 1);
    if (this.#all.length === 0) this.#host.following(false);
    for (const [t, id] of one!.needed()) this.#host.released(t, id);
  }

  routeTold(
    follower: number,
    object: number,
    generation: number,
    errno: number,
    type: number,
    nexthopId: number,
  ): void {
    const t = this.#host.tables[generation >>> 16];
    if (t !== undefined) this.#answering(follower, generation, errno)?.routeTold(t, object, errno, type, nexthopId);
  }

  nexthopTold(follower: number, id: number, generation: number, errno: number): void {
    this.#answering(follower, generation, errno)?.nexthopTold(id, errno);
  }

  labelTold(follower: number, label: number, generation: number, errno: number): void {
    this.#answering(follower, generation, errno)?.labelTold(label, errno);
  }

  replayTold(follower: number, generation: number, errno: number): void {
    this.#answering(follower, generation, errno)?.replayTold(errno);
  }

  /** Who this is an answer of: nobody where it is gone. */
  #answering(follower: number, generation: number, errno: number): Follower | undefined {
    const one = this.#all.find(other => other.id === follower);
    if (one === undefined || one.incarnation !== (generation & 0xffff)) return undefined;
    if (errno !== ENODEV) return one;
    this.gone(follower);
    return undefined;
  }
}
