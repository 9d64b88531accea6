// zebra: interfaces, next hops and the RIB, from what clients and the kernel say to what the forwarding plane is told.
export * from './face.ts';
export {
  IFA_F_SECONDARY,
  IFF_LOOPBACK,
  IFF_RUNNING,
  IFF_UP,
  Interface,
  type InterfaceAddress,
} from './interface/interfaces.ts';
export {
  BLACKHOLE_NULL,
  BLACKHOLE_PROHIBIT,
  BLACKHOLE_REJECT,
  blackholeNexthop,
  gatewayNexthop,
  interfaceNexthop,
  type MemberResolution,
  type Nexthop,
  NexthopSet,
  type ResolvedPath,
} from './nexthop/set.ts';
export { RibTable } from './rib/table.ts';
export * from './route-type.ts';
export { KIND_ALL, type Plane, type PlaneEvents } from './plane.ts';
export { Zebra, type ZebraHooks } from './zebra.ts';
