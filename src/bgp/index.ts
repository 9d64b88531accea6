// A BGP speaker as a library: the codec, the state machine and sessions, tables and update groups, policy; and `Bgp`, which
// ties them into the speaker that the daemon runs.
//
//   const loop = new TaskLoop('bgp');
//   const bgp = new Bgp({ loop, transport: createTransport(loop, channels), random: Math.random });
//   const instance = bgp.openInstance('default', 65001);
//   instance.setRemoteAs('192.0.2.1', 65002);
export { Bgp } from './bgp.ts';
export { FamilyInstance } from './family.ts';
export { BgpInstance } from './instance.ts';
export type { InstanceOptions } from './instance-options.ts';
export { type BgpChannels, closeBgpChannels, createBgpChannels } from './io/channels.ts';
export { createTransport } from './io/transport.ts';
export type * from './io/types.ts';
export { Peer, PeerGroup } from './peer.ts';
export * from './policy/index.ts';
export { Player, Recorder, TapeError, TapeReader } from './record/index.ts';
export * from './rib/index.ts';
export { createSession } from './session/session.ts';
export type * from './session/types.ts';
export * from './settings.ts';
export type { BgpEnvironment } from './speaker.ts';
export { type GroupMember, type GroupOptions, type GroupStats, UpdateGroup } from './updategroup/index.ts';
export { Vpn } from './vpn/vpn.ts';
export * from './wire/family.ts';
export * from './wire/message.ts';
export * from './wire/notification.ts';
export { encodeOpen, parseOpen } from './wire/open.ts';
export * from './wire/prefix-sid.ts';
export { formatRouteDistinguisher, parseRouteDistinguisher, type WordPair } from './wire/route-distinguisher.ts';
export { formatRouteTarget, parseRouteTarget, parseRouteTargets } from './wire/route-target.ts';
export { type ParsedUpdate, UpdateParser, type UpdateSession } from './wire/update.ts';
export { ZebraLink, zapiOverTransport } from './zclient.ts';
