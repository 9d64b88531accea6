// Forwarding between two veth pairs by a graph, whose rings are TPACKET_V2 or V3, beside the kernel's own IPv4 forwarding between the same
// interfaces in the same run (lib/wire.ts). The graph is a whole router, in one worker:
//
//    f0 │ ether ─ arp ─ split ─▶ ipfwd ─▶ fib4 ─▶ ipfrag ─▶ split ─ arp ─ ether │ f1      and the same the other way, and all of ICMP
//
//    node bench/graph/wire.ts [rounds]
import { type Graph, type Node, openGraph, send } from '../../src/netgraph/index.ts';
import { summary, table, type Target } from '../lib/report.ts';
import { Bench, F0, type Measured, NEIGHBOR, type Router } from '../lib/wire.ts';

const LIMIT_MS = 30_000;

async function tell<T>(graph: Graph, node: Node, name: string, args?: unknown): Promise<T> {
  return (await send(graph, undefined, `[${node.id.toString(16)}]:`, name, args)).args as T;
}

/** Both ends of the router, and what joins them: without the interfaces. */
async function build(namespace: string): Promise<{ readonly graph: Graph; readonly arps: readonly Node[] }> {
  const graph = await openGraph({ workers: 1, namespace, packets: { perWorker: 4096, maxBytes: 2048 } });
  const router = graph.create('ipfwd', 'router');
  const fib = graph.mkpeer(router, 'fib4', 'out', 'in');
  graph.connect(router, 'icmp', fib, 'icmp');
  graph.connect(router, 'noroute', fib, 'noroute');
  const arps: Node[] = [];
  for (const side of [0, 1]) {
    const frag = graph.mkpeer(fib, 'ipfrag', `f${side}`, 'in');
    const split = graph.mkpeer(frag, 'split', 'out', 'in');
    graph.connect(split, 'out', router, `in${side}`);
    const arp = graph.mkpeer(split, 'arp', 'mixed', 'ip');
    graph.connect(frag, 'toobig', router, `toobig${side}`);
    graph.connect(arp, 'nohost', router, `nohost${side}`);
    await tell(graph, arp, 'setaddresses', { count: 1, addresses: [`10.${side + 1}.0.1`] });
    await tell(graph, frag, 'setmtu', 1500);
    await tell(graph, fib, 'addroute', { prefix: `10.${side + 1}.0.0/24`, hook: `f${side}`, gateway: '0.0.0.0' });
    arps.push(arp);
  }
  await tell(graph, arps[1]!, 'addentry', { ip: '10.2.0.2', mac: NEIGHBOR });
  await graph.settled();
  return { graph, arps };
}

/** A graph that is on the wire while it has its turn. */
async function graphRouter(namespace: string, version: 2 | 3): Promise<Router & { close(): Promise<void> }> {
  const { graph, arps } = await build(namespace);
  let ethers: Node[] = [];
  return {
    name: `V${version}`,
    mac: F0,
    start: async () => {
      ethers = arps.map(arp => graph.mkpeer(arp, 'ether', 'lower', 'lower'));
      for (const [side, ether] of ethers.entries()) {
        await tell(graph, ether, 'attach', { ifname: `f${side}`, version });
        await tell(graph, arps[side]!, 'setenaddr', await tell(graph, ether, 'getenaddr'));
      }
      await graph.settled();
    },
    stop: async () => {
      const drops = new Map<string, number>();
      for (const node of graph.nodes) {
        for (const [name, count] of Object.entries(node.counts())) {
          if (name.startsWith('drop.') && count > 0) drops.set(`${node.type.name} ${name}`, count);
        }
      }
      for (const ether of ethers) graph.shutdown(ether);
      await graph.settled();
      return [...drops].map(([what, count]) => `${what} ${count}`).join(', ');
    },
    close: () => graph.close(),
  };
}

export interface WireRow {
  /** Of the frame, as AF_PACKET has it. */
  readonly bytes: number;
  readonly kernel: Measured;
  readonly v2: Measured;
  readonly v3: Measured;
  /** Whether others left the machine alone for `rounds` rounds of each: where not, the figures are of all rounds. */
  readonly undisturbed: boolean;
}

/** Frames of 60 and of 1514 bytes. Needs root. */
export async function measureWire(rounds = 6): Promise<WireRow[]> {
  const bench = await Bench.open();
  const graphs = [await graphRouter(bench.router.path, 2), await graphRouter(bench.router.path, 3)];
  const rows: WireRow[] = [];
  for (const bytes of [60, 1514]) {
    const all = await bench.compare(bytes, [bench.kernel(), ...graphs], rounds, LIMIT_MS);
    const [kernel, v2, v3] = all as [Measured, Measured, Measured];
    rows.push({ bytes, kernel, v2, v3, undisturbed: all.every(({ undisturbed }) => undisturbed >= rounds) });
  }
  for (const graph of graphs) await graph.close();
  await bench.close();
  return rows;
}

/** Prints them; the targets that they are measured by. */
export function reportWire(rows: readonly WireRow[]): Target[] {
  const cells = rows.flatMap(({ bytes, kernel, v2, v3 }) =>
    [kernel, v2, v3].map(of => [
      `${bytes} bytes, ${of.name}`,
      of.rate,
      of.best,
      of.rate / kernel.rate,
      of.offered,
      of.cpu,
      `${of.undisturbed}/${of.rounds}`,
      of.said,
    ]),
  );
  table(
    ['forwarding on the wire', 'Mpps', 'best', 'x kernel', 'offered', 'µs of processor', 'rounds undisturbed', 'last'],
    cells,
  );
  return rows.map(({ bytes, kernel, v2, v3, undisturbed }) => ({
    name: `${bytes} bytes by the kernel's (V2 ${(v2.rate / kernel.rate).toFixed(2)}, V3 ${(v3.rate / kernel.rate).toFixed(2)}${undisturbed ? '' : '; others had work for the processors'})`,
    value: Math.max(v2.rate, v3.rate) / kernel.rate,
    least: 0.8,
    unit: ' x',
  }));
}

if (import.meta.main) summary('bench:wire', reportWire(await measureWire(Number(process.argv[2] ?? 6))));
