// `show graph`: the daemon's graph of packets, in main's table because the graph lives in main.
import { type Command, exec } from '../vty/index.ts';
import type { GraphView } from './graph-service.ts';

interface State {
  readonly graph: GraphView | undefined;
}

const SHOW = 'Show running system information';
const JSON_HELP = 'JavaScript Object Notation';

export const graphCommands: readonly Command<State>[] = [
  exec({
    syntax: 'show graph [json]',
    help: [SHOW, 'The graph of packets (netgraph): nodes and hooks', JSON_HELP],
    run: showGraph,
  }),
  exec({
    syntax: 'show graph runtime [json]',
    help: [SHOW, 'The graph of packets (netgraph)', 'What each node did on each worker', JSON_HELP],
    run: showGraphRuntime,
  }),
];

const NO_GRAPH = '% The graph is opened by its first client (grevy ngctl)\n';

async function showGraph({ graph }: State, args: { json?: true }): Promise<string | object> {
  const { nodes = [], workers = [], text = '' } = (await graph?.nodes()) ?? {};
  if (!args.json) return text || NO_GRAPH;
  return {
    nodes: nodes.map(({ nodeinfo: { id, name, type }, linkinfo }) => ({
      id,
      name,
      type,
      hooks: linkinfo.map(({ ourhook, peerhook, nodeinfo: peer }) => ({
        name: ourhook,
        peer: { id: peer.id, name: peer.name, type: peer.type, hook: peerhook },
      })),
    })),
    workers,
  };
}

async function showGraphRuntime({ graph }: State, args: { json?: true }): Promise<string | object> {
  const { rows = [], text = '' } = (await graph?.runtime()) ?? {};
  if (!args.json) return text || NO_GRAPH;
  const ratio = (a: number, b: number): number => (b === 0 ? 0 : Math.round((a / b) * 100) / 100);
  return {
    nodes: rows.map(({ node, type, worker, vectors, packets, drops, reasons, ns }) => ({
      name: node,
      type,
      worker,
      vectors,
      packets,
      packetsPerVector: ratio(packets, vectors),
      nsPerPacket: ratio(ns, packets),
      drops,
      dropReasons: reasons,
    })),
  };
}
