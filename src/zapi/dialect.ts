// ZAPI carries a version number, 6, in every frame, and it names nothing: command numbers, route types and bodies change from
// one FRR release to the next under the same 6. So a release's protocol is data here, a dialect: its numbers by name and the
// codecs of its bodies. Everything else in this room (framing, client) and zebra's server take a dialect and ask it.
import type { BodyCodecs } from './bodies.ts';
import type { ClientMessages, ServerMessages } from './messages.ts';
import type { RouteCodec } from './route.ts';

export interface Dialect {
  /** The FRR release whose daemons speak it. */
  readonly release: string;
  /** Version field of the frame. */
  readonly version: number;
  /** Longest frame, header included. */
  readonly maxFrameBytes: number;
  /** Number of each command; -1 where this release has none of the name. */
  readonly command: Readonly<Record<CommandName, number>>;
  /** Name by number. */
  readonly commandNames: readonly CommandName[];
  /** Name of a route type by number, as in `redistribute NAME`. */
  readonly routeTypeNames: readonly string[];
  /** Bodies from client to zebra. */
  readonly toServer: BodyCodecs<ClientMessages>;
  /** Bodies from zebra to client. */
  readonly toClient: BodyCodecs<ServerMessages>;
  /** Bodies of ROUTE_ADD, ROUTE_DELETE, REDISTRIBUTE_ROUTE_ADD and REDISTRIBUTE_ROUTE_DEL. */
  readonly route: RouteCodec;
}

/** The command's name, or `command 140` for a number that the dialect does not know. */
export function commandName(dialect: Dialect, command: number): string {
  return dialect.commandNames[command] ?? `command ${command}`;
}

/** Number of a route type of this name, or -1. */
export function routeTypeNumber(dialect: Dialect, name: string): number {
  return dialect.routeTypeNames.indexOf(name);
}

export const COMMANDS_844 = [
  'INTERFACE_ADD',
  'INTERFACE_DELETE',
  'INTERFACE_ADDRESS_ADD',
  'INTERFACE_ADDRESS_DELETE',
  'INTERFACE_UP',
  'INTERFACE_DOWN',
  'INTERFACE_SET_MASTER',
  'INTERFACE_SET_PROTODOWN',
  'ROUTE_ADD',
  'ROUTE_DELETE',
  'ROUTE_NOTIFY_OWNER',
  'REDISTRIBUTE_ADD',
  'REDISTRIBUTE_DELETE',
  'REDISTRIBUTE_DEFAULT_ADD',
  'REDISTRIBUTE_DEFAULT_DELETE',
  'ROUTER_ID_ADD',
  'ROUTER_ID_DELETE',
  'ROUTER_ID_UPDATE',
  'HELLO',
  'CAPABILITIES',
  'NEXTHOP_REGISTER',
  'NEXTHOP_UNREGISTER',
  'NEXTHOP_UPDATE',
  'INTERFACE_NBR_ADDRESS_ADD',
  'INTERFACE_NBR_ADDRESS_DELETE',
  'INTERFACE_BFD_DEST_UPDATE',
  'BFD_DEST_REGISTER',
  'BFD_DEST_DEREGISTER',
  'BFD_DEST_UPDATE',
  'BFD_DEST_REPLAY',
  'REDISTRIBUTE_ROUTE_ADD',
  'REDISTRIBUTE_ROUTE_DEL',
  'VRF_UNREGISTER',
  'VRF_ADD',
  'VRF_DELETE',
  'VRF_LABEL',
  'INTERFACE_VRF_UPDATE',
  'BFD_CLIENT_REGISTER',
  'BFD_CLIENT_DEREGISTER',
  'INTERFACE_ENABLE_RADV',
  'INTERFACE_DISABLE_RADV',
  'NEXTHOP_LOOKUP_MRIB',
  'INTERFACE_LINK_PARAMS',
  'MPLS_LABELS_ADD',
  'MPLS_LABELS_DELETE',
  'MPLS_LABELS_REPLACE',
  'SR_POLICY_SET',
  'SR_POLICY_DELETE',
  'SR_POLICY_NOTIFY_STATUS',
  'IPMR_ROUTE_STATS',
  'LABEL_MANAGER_CONNECT',
  'LABEL_MANAGER_CONNECT_ASYNC',
  'GET_LABEL_CHUNK',
  'RELEASE_LABEL_CHUNK',
  'FEC_REGISTER',
  'FEC_UNREGISTER',
  'FEC_UPDATE',
  'ADVERTISE_DEFAULT_GW',
  'ADVERTISE_SVI_MACIP',
  'ADVERTISE_SUBNET',
  'ADVERTISE_ALL_VNI',
  'LOCAL_ES_ADD',
  'LOCAL_ES_DEL',
  'REMOTE_ES_VTEP_ADD',
  'REMOTE_ES_VTEP_DEL',
  'LOCAL_ES_EVI_ADD',
  'LOCAL_ES_EVI_DEL',
  'VNI_ADD',
  'VNI_DEL',
  'L3VNI_ADD',
  'L3VNI_DEL',
  'REMOTE_VTEP_ADD',
  'REMOTE_VTEP_DEL',
  'MACIP_ADD',
  'MACIP_DEL',
  'IP_PREFIX_ROUTE_ADD',
  'IP_PREFIX_ROUTE_DEL',
  'REMOTE_MACIP_ADD',
  'REMOTE_MACIP_DEL',
  'DUPLICATE_ADDR_DETECTION',
  'PW_ADD',
  'PW_DELETE',
  'PW_SET',
  'PW_UNSET',
  'PW_STATUS_UPDATE',
  'RULE_ADD',
  'RULE_DELETE',
  'RULE_NOTIFY_OWNER',
  'TABLE_MANAGER_CONNECT',
  'GET_TABLE_CHUNK',
  'RELEASE_TABLE_CHUNK',
  'IPSET_CREATE',
  'IPSET_DESTROY',
  'IPSET_ENTRY_ADD',
  'IPSET_ENTRY_DELETE',
  'IPSET_NOTIFY_OWNER',
  'IPSET_ENTRY_NOTIFY_OWNER',
  'IPTABLE_ADD',
  'IPTABLE_DELETE',
  'IPTABLE_NOTIFY_OWNER',
  'VXLAN_FLOOD_CONTROL',
  'VXLAN_SG_ADD',
  'VXLAN_SG_DEL',
  'VXLAN_SG_REPLAY',
  'MLAG_PROCESS_UP',
  'MLAG_PROCESS_DOWN',
  'MLAG_CLIENT_REGISTER',
  'MLAG_CLIENT_UNREGISTER',
  'MLAG_FORWARD_MSG',
  'NHG_ADD',
  'NHG_DEL',
  'NHG_NOTIFY_OWNER',
  'EVPN_REMOTE_NH_ADD',
  'EVPN_REMOTE_NH_DEL',
  'SRV6_LOCATOR_ADD',
  'SRV6_LOCATOR_DELETE',
  'SRV6_MANAGER_GET_LOCATOR_CHUNK',
  'SRV6_MANAGER_RELEASE_LOCATOR_CHUNK',
  'ERROR',
  'CLIENT_CAPABILITIES',
  'OPAQUE_MESSAGE',
  'OPAQUE_REGISTER',
  'OPAQUE_UNREGISTER',
  'NEIGH_DISCOVER',
  'ROUTE_NOTIFY_REQUEST',
  'CLIENT_CLOSE_NOTIFY',
  'NHRP_NEIGH_ADDED',
  'NHRP_NEIGH_REMOVED',
  'NHRP_NEIGH_GET',
  'NHRP_NEIGH_REGISTER',
  'NHRP_NEIGH_UNREGISTER',
  'NEIGH_IP_ADD',
  'NEIGH_IP_DEL',
  'CONFIGURE_ARP',
  'GRE_GET',
  'GRE_UPDATE',
  'GRE_SOURCE_SET',
] as const;

/** Names of commands, without FRR's `ZEBRA_`. */
export type CommandName = (typeof COMMANDS_844)[number];

/** Route types of 8.4.4 by number. The numbers are zebra's own everywhere in this project. */
export const ROUTE_TYPES_844: readonly string[] = [
  'system',
  'kernel',
  'connected',
  'static',
  'rip',
  'ripng',
  'ospf',
  'ospf6',
  'isis',
  'bgp',
  'pim',
  'eigrp',
  'nhrp',
  'hsls',
  'olsr',
  'table',
  'ldp',
  'vnc',
  'vnc-direct',
  'vnc-rn',
  'bgp-direct',
  'bgp-direct-to-nve-groups',
  'babel',
  'sharp',
  'pbr',
  'bfd',
  'openfabric',
  'vrrp',
  'nhg',
  'srte',
  'wildcard',
];
