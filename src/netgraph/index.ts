// netgraph: nodes joined by hooks, and packets that run through them in worker threads while the graph is rebuilt.
export { NgctlClient } from './control/client.ts';
export { graphMessenger } from './control/local.ts';
export { formatHooks, formatRuntime, formatWorkers } from './control/format.ts';
export type { Messenger, Reply, RuntimeRow } from './control/messenger.ts';
export { Ngctl, type NgctlOptions, type Outcome } from './control/ngctl.ts';
export { type OpenAlone, type ProgramStreams, runFlowctl, runNgctl, runNghook } from './control/program.ts';
export { runtimeOf } from './control/runtime.ts';
export { type MakeMessenger, NgctlService, type NgctlServiceOptions } from './control/service.ts';
export { formatId, parseAddress } from './graph/address.ts';
export {
  ConfiguredGraph,
  difference,
  type EdgeConfiguration,
  type GraphConfiguration,
  type NodeConfiguration,
  type Operation,
  type Told,
} from './graph/configuration.ts';
export { NetgraphError, type NetgraphErrorCode } from './graph/error.ts';
export { Graph, type GraphEvents } from './graph/graph.ts';
export { loadTypes } from './graph/load.ts';
export { GraphMemory } from './graph/memory.ts';
export { type Answer, hookListOf, send, sendAscii, tell } from './graph/messages.ts';
export { Hook, Node } from './graph/node.ts';
export { command, ControlHalf, type NodeType, type Sender, type TypeCommand } from './graph/type.ts';
export * as form from './message/form.ts';
export type { HookList, LinkInfo, NodeInfo } from './message/generic.ts';
export { SocketControl, socket, socketOf } from './node/socket.ts';
export { standardTypes } from './node/standard.ts';
export { openGraph, type OpenOptions } from './open.ts';
export * from './packet/packets.ts';
export { type DataContext, DataHalf, DROP, DROP_REASONS, type DropReason } from './worker/half.ts';
export { type Health, InlinePlane, type InlineOptions, type Plane, type PlaneEvents } from './worker/plane.ts';
export { DataHook } from './worker/node.ts';
export { WorkerPlane, type WorkersOptions } from './worker/threads.ts';
export { VECTOR } from './worker/vector.ts';
