// `npm run demo:netgraph` (as root): a bridge, a router and a shaper between two hosts, in namespaces that go with this process. A ping and
// iperf3 run through each of them while its nodes are replaced, a hundred times a second.
//
//    left ──── p1 ┤ graph ├ p2 ──── right
import { runCommand } from '../../src/cli/demo/lab.ts';
import { Lab, type Namespace } from '../../src/cli/demo/lab.ts';
import { ConfiguredGraph, type GraphConfiguration, openGraph } from '../../src/netgraph/index.ts';
import { bridge, MACS, router, shaper } from './networks.ts';

/** Between two changes. */
const EVERY_MS = 10;

export interface Seen {
  readonly name: string;
  /** Nodes were replaced so many times meanwhile. */
  readonly changes: number;
  readonly sent: number;
  readonly received: number;
  /** Of ping, milliseconds. */
  readonly average: number;
  /** Of iperf3 with TCP, each way. */
  readonly mbits: readonly [number, number];
}

interface Network {
  readonly name: string;
  readonly routed: boolean;
  readonly at: (moment: number) => GraphConfiguration;
}

export const NETWORKS: readonly Network[] = [
  { name: 'bridge', routed: false, at: bridge },
  { name: 'router', routed: true, at: router },
  { name: 'shaper', routed: false, at: shaper },
];

/** Has `seconds` of ping and of iperf3 each way go through the network. */
export async function tryOut({ name, routed, at }: Network, seconds: number): Promise<Seen> {
  const lab = new Lab();
  try {
    const [left, right, box] = (await Promise.all(['left', 'right', 'box'].map(each => lab.namespace(each)))) as [
      Namespace,
      Namespace,
      Namespace,
    ];
    await wire(lab, left, box, 'p1', MACS[0], routed ? ['10.1.0.2/24', '10.1.0.1'] : ['10.1.0.2/24']);
    await wire(lab, right, box, 'p2', MACS[1], routed ? ['10.2.0.2/24', '10.2.0.1'] : ['10.1.0.3/24']);
    const target = routed ? '10.2.0.2' : '10.1.0.3';
    const graph = await openGraph({ workers: 1, namespace: box.path });
    const live = new ConfiguredGraph(graph);
    let moment = 0;
    live.apply(at(moment));
    await graph.settled();
    // The first one asks for addresses and waits for answers.
    await left.run('ping', '-c', '3', '-i', '0.1', target);
    const changing = setInterval(() => live.apply(at(++moment)), EVERY_MS);
    try {
      const ping = left.run('ping', '-q', '-i', '0.005', '-c', String(seconds * 3 * 150), target);
      const forth = await iperf(lab, left, right, target, seconds, false);
      const back = await iperf(lab, left, right, target, seconds, true);
      const text = await ping;
      const [, sent, received] = /(\d+) packets transmitted, (\d+) received/.exec(text)!;
      const [, average] = /= [\d.]+\/([\d.]+)\//.exec(text)!;
      return {
        name,
        changes: moment,
        sent: Number(sent),
        received: Number(received),
        average: Number(average),
        mbits: [forth, back],
      };
    } finally {
      clearInterval(changing);
      await graph.close();
    }
  } finally {
    await lab.close();
  }
}

/** A host with an interface `eth0`, whose other end is the graph's. */
async function wire(
  lab: Lab,
  host: Namespace,
  box: Namespace,
  port: string,
  mac: string,
  [address, gateway]: string[],
): Promise<void> {
  await lab.link(host, 'eth0', box, port);
  await box.run('ip', 'link', 'set', port, 'address', mac, 'addrgenmode', 'none');
  // A graph has no cards that cut segments and make checksums for the host.
  await host.run('ethtool', '-K', 'eth0', 'tx', 'off', 'tso', 'off', 'gso', 'off');
  await host.run('ip', 'addr', 'add', address!, 'dev', 'eth0');
  if (gateway !== undefined) await host.run('ip', 'route', 'add', 'default', 'via', gateway);
}

/** Mbit/s that arrive. */
async function iperf(
  lab: Lab,
  client: Namespace,
  server: Namespace,
  target: string,
  seconds: number,
  reverse: boolean,
): Promise<number> {
  const serving = server.spawn(['iperf3', '-s', '-1', '--forceflush'], { stdio: ['ignore', 'pipe', 'inherit'] });
  await new Promise<void>((resolve, reject) => {
    serving.once('error', reject);
    serving.stdout!.on('data', (text: Buffer) => {
      if (text.includes('listening')) resolve();
    });
  });
  try {
    const text = await client.run('iperf3', '-J', '-c', target, '-t', String(seconds), ...(reverse ? ['-R'] : []));
    const report = JSON.parse(text) as { end: { sum_received: { bits_per_second: number } } };
    return report.end.sum_received.bits_per_second / 1e6;
  } finally {
    await lab.stop(serving);
  }
}

if (import.meta.main) {
  await runCommand('iperf3', ['--version']);
  let lost = 0;
  for (const network of NETWORKS) {
    const seen = await tryOut(network, 4);
    lost += seen.sent - seen.received;
    console.log(
      `${seen.name}: nodes replaced ${seen.changes} times; ping ${seen.received} of ${seen.sent}, ${seen.average} ms on average; ` +
        `iperf3 ${seen.mbits[0].toFixed(0)} Mbit/s, back ${seen.mbits[1].toFixed(0)} Mbit/s`,
    );
  }
  if (lost > 0) process.exitCode = 1;
}
