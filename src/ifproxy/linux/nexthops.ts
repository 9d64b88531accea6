// The kernel's nexthop objects, and what routes that use them lead over. A route names an object by its id; a group is objects with
// weights. They are few, and change under the routes: so the routes' hops are worked out of them here, and again when one changes.
import type { NexthopView } from '../../netlink/index.ts';
import { HOP_ENCAP, HOP_GATEWAY, HOP_IFINDEX, HOP_WORD, HOP_WORDS } from '../paths.ts';

interface NexthopObject {
  readonly ifindex: number;
  readonly blackhole: boolean;
  /** Words of the hop, weight 1; empty for a group and for one that leads nowhere (blackhole). */
  readonly hop: Int32Array;
  readonly members: readonly { readonly id: number; readonly weight: number }[];
  seen: number;
}

const ONLINK = 4;

export class Nexthops {
  readonly #objects: Map<number, NexthopObject> = new Map();
  #seen = 0;

  has(id: number): boolean {
    return this.#objects.has(id);
  }

  /** Takes in an object; the ids of all whose hops may have changed by it (nothing where it was the same). */
  set(view: NexthopView): readonly number[] {
    const next = objectOf(view, this.#seen);
    const before = this.#objects.get(view.id);
    this.#objects.set(view.id, next);
    return before !== undefined && same(before, next) ? [] : this.#withGroups([view.id]);
  }

  /** Removes objects, and them from groups, and groups that lose their last; the ids of all that changed. */
  remove(ids: readonly number[]): readonly number[] {
    const affected = this.#withGroups(ids);
    for (const id of ids) this.#objects.delete(id);
    for (const id of affected) {
      const group = this.#objects.get(id);
      if (group === undefined || group.members.length === 0) continue;
      const members = group.members.filter(member => !ids.includes(member.id));
      if (members.length === 0) this.#objects.delete(id);
      else this.#objects.set(id, { ...group, members });
    }
    return affected;
  }

  /** Objects over this interface. */
  over(ifindex: number): number[] {
    const ids: number[] = [];
    for (const [id, object] of this.#objects) if (object.ifindex === ifindex) ids.push(id);
    return ids;
  }

  /** Whether packets end at it; undefined where there is no such object. */
  isBlackhole(id: number): boolean | undefined {
    return this.#objects.get(id)?.blackhole;
  }

  begin(): void {
    this.#seen++;
  }

  /** Objects that were not told since `begin`. */
  unseen(): number[] {
    const ids: number[] = [];
    for (const [id, { seen }] of this.#objects) if (seen !== this.#seen) ids.push(id);
    return ids;
  }

  /** Whether a hop of this object leads over one of these interfaces. */
  touches(id: number, interfaces: ReadonlyMap<number, unknown>): boolean {
    const object = this.#objects.get(id);
    if (object === undefined) return false;
    if (object.members.length === 0) return interfaces.has(object.ifindex);
    return object.members.some(member => this.touches(member.id, interfaces));
  }

  /** Appends the object's hops at word `at`; returns the end. `room` gives the array with at least so many words. */
  resolve(id: number, at: number, room: (words: number) => Int32Array): number {
    const object = this.#objects.get(id);
    if (object === undefined) return at;
    if (object.members.length === 0) {
      if (object.hop.length === 0) return at;
      room(at + HOP_WORDS).set(object.hop, at);
      return at + HOP_WORDS;
    }
    let end = at;
    for (const member of object.members) {
      const single = this.#objects.get(member.id);
      if (single === undefined || single.hop.length === 0) continue;
      const words = room(end + HOP_WORDS);
      words.set(single.hop, end);
      words[end + HOP_WORD]! |= (member.weight - 1) << 16;
      end += HOP_WORDS;
    }
    // A group of one: its weight says nothing.
    if (end === at + HOP_WORDS) room(end)[at + HOP_WORD]! &= 0xffff;
    return end;
  }

  #withGroups(ids: readonly number[]): readonly number[] {
    const affected = new Set(ids);
    for (const [id, { members }] of this.#objects)
      if (members.some(member => ids.includes(member.id))) affected.add(id);
    return [...affected];
  }
}

function objectOf(view: NexthopView, seen: number): NexthopObject {
  const members = Array.from({ length: view.memberCount }, (_, i) => ({
    id: view.memberId[i]!,
    weight: view.memberWeight[i]!,
  }));
  let hop = new Int32Array(0);
  if (members.length === 0 && !view.blackhole && view.ifindex !== 0) {
    hop = new Int32Array(HOP_WORDS);
    hop[HOP_IFINDEX] = view.ifindex;
    hop[HOP_WORD] = view.gatewayFamily | ((view.flags & ONLINK) << 8);
    hop[HOP_GATEWAY] = view.w0;
    hop[HOP_GATEWAY + 1] = view.w1;
    hop[HOP_GATEWAY + 2] = view.w2;
    hop[HOP_GATEWAY + 3] = view.w3;
    hop[HOP_ENCAP] = view.encapType;
  }
  return { ifindex: view.ifindex, blackhole: view.blackhole, hop, members, seen };
}

function same(a: NexthopObject, b: NexthopObject): boolean {
  return (
    a.blackhole === b.blackhole &&
    a.hop.length === b.hop.length &&
    a.hop.every((word, i) => word === b.hop[i]) &&
    a.members.length === b.members.length &&
    a.members.every((member, i) => member.id === b.members[i]!.id && member.weight === b.members[i]!.weight)
  );
}
