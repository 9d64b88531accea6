// ZAPI: the protocol between zebra and its clients, FRR's on the wire. A dialect names a release's numbers and bodies;
// FRR_8_4_4 is the one that is spoken.
//
//   const client = new ZapiClient({
//     connect: unixConnect('/run/grevy/zserv.api'),
//     routeType: 9,
//     handlers: { on: { ROUTER_ID_UPDATE: message => console.log(message.prefix) } },
//   });
//   client.wantRouterId(AFI_IP);
//   client.start();
//
// Announcing: encode the next hops of a set once (`FRR_8_4_4.route.encodeNexthops`), point a RouteMessage's block at those
// bytes, and for each prefix set its words and call `client.routeAdd(route)`; then `client.flush()`.
export {
  DEFAULT_BACKOFF,
  frames,
  type ServerMessageHandlers,
  type ZapiBackoff,
  ZapiClient,
  type ZapiClientHandlers,
  type ZapiClientOptions,
  type ZapiClientStats,
  type ZapiConnect,
  type ZapiTimer,
  type ZapiTransport,
  type ZapiTransportEvents,
} from './client.ts';
export { type Body, type BodyCodecs, BodyReader, BodyWriter } from './bodies.ts';
export { type CommandName, commandName, type Dialect, routeTypeNumber } from './dialect.ts';
export { ZapiError, type ZapiFault } from './error.ts';
export { readHostWord, writeHostWord } from './host-word.ts';
export { Framer, HEADER_BYTES, MAX_FRAME_BYTES, writeHeader } from './frame.ts';
export { decodeRouteNote, emptyRouteNote, FRR_8_4_4 } from './frr-8.4.4.ts';
export { decodeToClient, decodeToServer, type Direction, encodeToClient, encodeToServer } from './message.ts';
export type { LabelEvent } from './label-chunks.ts';
export * from './messages.ts';
export * from './nexthops.ts';
export { socketPath, unixConnect } from './node-transport.ts';
export * from './route.ts';
