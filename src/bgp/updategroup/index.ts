// What is sent to peers, and how it is packed.
export { type GroupStats, UpdateGroup } from './group.ts';
export { isPrivateAs } from './transform.ts';
export type { GroupMember, GroupOptions, RouteFilter } from './types.ts';
