// Policy: lists, route maps, and maps bound to a use.
export { type AttributeAccess, type AttributeEdits, attributeAccess } from './attribute-access.ts';
export { AsPathList } from './as-path-list.ts';
export type { Binding, PolicyNames } from './binding.ts';
export { BoundMap } from './bound-map.ts';
export {
  CommunityList,
  COMMUNITY_GRACEFUL_SHUTDOWN,
  formatCommunities,
  formatCommunity,
  jsonCommunity,
  parseCommunities,
  parseCommunity,
} from './community.ts';
export { type PolicyKind, PolicyLibrary } from './library.ts';
export { formatPrefixListEntry, PrefixList, type PrefixListEntry, prefixListEntry } from './prefix-list.ts';
export { PathRegex } from './regex.ts';
export { type Clause, type Match, RouteMap, type SetAction } from './route-map.ts';
