// Policy: lists, route maps, and maps bound to a use.
export { type AttributeAccess, type AttributeEdits, attributeAccess } from './attribute-access.ts';
export { AsPathList } from './as-path-list.ts';
export type { Binding, PolicyNames, PolicyUse } from './binding.ts';
export { BoundMap } from './bound-map.ts';
export { AccessList } from './access-list.ts';
export { CommunityList, LARGE_COMMUNITIES, EXTENDED_COMMUNITIES, STANDARD_COMMUNITIES } from './community-list.ts';
export { formatExtendedCommunities, formatExtendedCommunity } from './extended-community.ts';
export {
  formatCommunities,
  formatCommunity,
  jsonCommunity,
  parseCommunities,
  parseCommunity,
} from './community.ts';
export { COMMUNITY_GRACEFUL_SHUTDOWN } from '../wire/attribute.ts';
export { type PolicyKind, PolicyLibrary } from './library.ts';
export { type PathEdit, prependPath } from './path-edit.ts';
export { formatPrefixListEntry, PrefixList, type PrefixListEntry, prefixListEntry } from './prefix-list.ts';
export { PathRegex } from './regex.ts';
export { type Clause, type Match, RouteMap, type SetAction } from './route-map.ts';
