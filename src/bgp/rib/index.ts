// Routes of one BGP speaker: attribute sets, next hops, tables, decision.
export { type AggregateOptions, Aggregates, type Aggregator } from './aggregates.ts';
export { AttributeEditor } from './attribute-editor.ts';
export {
  type AsPathSegment,
  type AttributeSet,
  decodeAsPath,
  encodeAsPath,
  formatAsPath,
  type NextHopAddress,
} from './attribute-set.ts';
export {
  AttributeStore,
  HAS_ATOMIC_AGGREGATE,
  HAS_CLUSTER_LIST,
  HAS_COMMUNITIES,
  HAS_LOCAL_PREF,
  HAS_MED,
  HAS_NEXT_HOP_KEPT,
  HAS_NEXT_HOP_VIA,
  HAS_NO_ADVERTISE,
  HAS_NO_EXPORT,
  HAS_NO_EXPORT_SUBCONFED,
  HAS_ORIGINATOR,
  HAS_WEIGHT,
} from './attributes.ts';
export { NO_PEER } from './columns.ts';
export type { TableConsumer } from './consumers.ts';
export { DirtySet } from './dirty.ts';
export {
  INTERNAL_DISTANCE,
  INTERNAL_HAS_VPN,
  INTERNAL_FLAGS,
  INTERNAL_TAG,
  type InternalAttribute,
} from './internal-attribute.ts';
export { MergedAttributes } from './merged-attributes.ts';
export { METRIC_UNKNOWN, NexthopTable } from './nexthops.ts';
export { BgpTable, type BgpTableOptions, type PeerCounts } from './table.ts';
export * from './types.ts';
