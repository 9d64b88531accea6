// The kernel's nexthop objects as we keep book of them. A singleton is a gateway and an interface; a group is a list of
// singletons with weights. Of each it is known what is wanted, what the kernel has, and what is on its way.
import { type AddressWords, type Family, formatAddress } from '../../net/index.ts';
import { type GroupMember, type KernelPath, RTN_BLACKHOLE, RTN_PROHIBIT, RTN_UNREACHABLE } from '../plane.ts';
import { type Encap, encapKey, pushed, withEncap } from './encap.ts';
import { BLACKHOLE_PROHIBIT, BLACKHOLE_REJECT, type NexthopSet, type ResolvedPath } from './set.ts';

/** Ids of ours are BASE + 1 … BASE + SPAN - 1; FRR's own stay below 250,000,000 too but start at 1. */
export const NEXTHOP_ID_BASE = 100_000_000;
export const NEXTHOP_ID_SPAN: number = 1 << 22;
/** RTPROT_ZEBRA: what our objects carry. */
export const RTPROT_ZEBRA = 11;

/** What is known of an object of either kind. */
interface KernelObject {
  readonly id: number;
  inFlight: '' | 'install' | 'delete';
  /** Counts what was sent for it: a result of an earlier one says nothing. */
  generation: number;
  /** Something happened to it while a context was on its way. */
  doubt: boolean;
  /** The books say that the kernel has it not, but it may: to be deleted rather than forgotten. */
  perhaps: boolean;
  errno: number;
  /** By the dump that is going on, or since it. */
  seen: boolean;
}

export interface Singleton extends KernelObject {
  readonly kind: 'singleton';
  readonly key: string;
  readonly family: Family;
  readonly path: KernelPath;
  /** Groups that want it. */
  readonly groups: Set<Group>;
  have: boolean;
  /** An earlier life made it. */
  inherited: boolean;
}

export interface Group extends KernelObject {
  readonly kind: 'group';
  /** The set that it serves; undefined for one that was found at start and nobody claimed yet. */
  set: NexthopSet | undefined;
  want: readonly Singleton[];
  weights: readonly number[];
  have: readonly GroupMember[] | undefined;
  /** The members of the install that was sent last. */
  sent: readonly GroupMember[];
  /** No route may want it: to be deleted when every destination has had its turn, and its routes with it. */
  doomed: boolean;
  /** Since when no route has named it, if it may stay for a while; else -1. */
  idleS: number;
}

/** RTN_* of a route that is BLACKHOLE_*. */
export function blackholeType(blackhole: number): number {
  return blackhole === BLACKHOLE_REJECT
    ? RTN_UNREACHABLE
    : blackhole === BLACKHOLE_PROHIBIT
      ? RTN_PROHIBIT
      : RTN_BLACKHOLE;
}

/** A path that a set resolves to, as the kernel is told of it. */
export function kernelPath(path: ResolvedPath): KernelPath {
  const { gatewayFamily, gateway, ifindex, blackhole, onlink, weight, encap } = path;
  return { gatewayFamily, gateway, ifindex, blackhole: blackhole !== 0, onlink, weight, ...withEncap(pushed(encap)) };
}

/** The content of a singleton as text: the same content is the same object. */
export function pathKey(
  family: Family,
  path: { gatewayFamily: Family | 0; gateway: AddressWords; ifindex: number; onlink: boolean; encap?: Encap },
  blackhole: boolean,
): string {
  if (blackhole) return `${family}!`;
  // A singleton without a gateway belongs to one family; with one, to its gateway's.
  const encap = encapKey(path.encap);
  if (path.gatewayFamily === 0) return `${family}%${path.ifindex}${encap}`;
  return `${formatAddress(path.gatewayFamily, path.gateway)}%${path.ifindex}${path.onlink ? 'o' : ''}${encap}`;
}

export function sameMembers(a: readonly GroupMember[] | undefined, b: readonly GroupMember[]): boolean {
  if (a === undefined || a.length !== b.length) return false;
  // The kernel keeps the order it was given.
  return a.every((one, i) => one.id === b[i]!.id && one.weight === b[i]!.weight);
}

/** What the group's members should be now: those that the kernel refused are left out. */
export function wantedMembers(group: Group): GroupMember[] {
  const members: GroupMember[] = [];
  for (let i = 0; i < group.want.length; i++) {
    const one = group.want[i]!;
    if (one.errno === 0) members.push({ id: one.id, weight: group.weights[i]! });
  }
  return members;
}
