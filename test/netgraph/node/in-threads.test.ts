// Every node type in two workers that die one after the other in the middle of traffic from both: it goes on, counters never go back, and when
// it has ended every packet and all memory is free.
import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import {
  type Graph,
  type Node,
  openGraph,
  sendAscii,
  socketOf,
  standardTypes,
  type WorkerPlane,
} from '../../../src/netgraph/index.ts';
import { addCounts } from '../../../src/netgraph/worker/counts.ts';
import { NODE_COUNTERS } from '../../../src/netgraph/worker/node.ts';
import { Lab, type Namespace, quietNamespace } from '../../lib/netns.ts';
import { temporaryDirectory } from '../../lib/temporary.ts';
import { until } from '../../lib/wait.ts';
import { ends, type EndsControl } from '../lib/ends.ts';
import { BROADCAST, frame } from '../lib/hosts.ts';
import { ip4, ip6, tcp, udp } from '../lib/packets.ts';

const WORKERS = 2;
const PACKETS = 4096;

const A6 = new Uint8Array(16).fill(0x20);
const B6 = new Uint8Array(16).fill(0x21);
const four = ip4(udp(1000, 53, new Uint8Array(20)));
const six = ip6(udp(1000, 53, [1, 2, 3]), 17, A6, B6);
const ether = frame(2, 1, { type: 0x800, payload: four });

/** How a type is tried: what its node is sent by which hook, and which hooks lead to the end of the way. */
interface Row {
  readonly sends: readonly Uint8Array[];
  readonly by: string;
  readonly out?: readonly string[];
  /** What the node is told at the beginning. */
  readonly told?: readonly (readonly [name: string, args: string])[];
  /** How far it has come, where that is not what comes to the end of the way by each of those hooks. */
  readonly done?: (node: Node) => number;
  /** What else there has to be. */
  readonly around?: (graph: Graph, node: Node, end: Node) => Promise<void> | void;
  /** After the death of its worker it has to be told something again, since only that one knew. */
  readonly again?: (graph: Graph, node: Node) => Promise<void>;
}

const pass = '{ bpf_prog_len=1 bpf_prog=[ { code=6 k=8192 } ] thisHook="in" ifMatch="yes" ifNotMatch="" }';
const conf = 'cir=1000000000 cbs=100000000 ebs=100000000 greenAction=1 yellowAction=1 redAction=1';
const transmitted = (node: Node): number => node.counts()['transmitted']!;
let heard = 0;

const rows: Readonly<Record<string, Row>> = {
  arp: {
    sends: [four],
    by: 'ip',
    out: ['lower'],
    told: [
      ['setenaddr', '02:00:00:00:00:01'],
      ['setaddresses', '{ count=1 addresses=[ 198.51.100.1 ] }'],
      ['addentry', '{ ip=198.51.100.7 mac=02:00:00:00:00:02 }'],
    ],
  },
  bpf: { sends: [four], by: 'in', out: ['yes'], told: [['setprogram', pass]] },
  bridge: { sends: [ether, frame(BROADCAST, 1), frame(1, 1)], by: 'link0', out: ['link1', 'link2'] },
  capture: {
    sends: [ether],
    by: 'left',
    out: ['right'],
    told: [['start', `{ file="${join(temporaryDirectory(), 'x.pcapng')}" }`]],
  },
  car: { sends: [four], by: 'upper', out: ['lower'], told: [['setconf', `{ downstream={ ${conf} } }`]] },
  checksum: { sends: [four], by: 'in', out: ['out'], told: [['setconfig', '{ csum_flags=7 }']] },
  counter: { sends: [four], by: 'left', out: ['right'] },
  echo: { sends: [four], by: 'any', out: ['way'] },
  eiface: { sends: [ether], by: 'ether', done: transmitted, around: (_graph, node) => up(node) },
  etf: {
    sends: [ether, frame(2, 1)],
    by: 'downstream',
    out: ['nomatch', 'ip'],
    told: [['setfilter', '{ matchhook="ip" ethertype=0x800 }']],
  },
  ether: { sends: [ether], by: 'lower', told: [['attach', '{ ifname="eth0" }']], done: transmitted },
  fib4: { sends: [four], by: 'in', out: ['a'], told: [['addroute', '{ prefix="0.0.0.0/0" hook="a" }']] },
  fib6: { sends: [six], by: 'in', out: ['a'], told: [['addroute', '{ prefix="::/0" hook="a" }']] },
  hole: { sends: [four], by: 'in', done: node => node.hooks.get('in')!.counts()['frames']! },
  hub: { sends: [four], by: 'a', out: ['b', 'c'] },
  iface: { sends: [four], by: 'inet', done: transmitted, around: (_graph, node) => up(node) },
  ipfrag: {
    sends: [ip4(udp(1, 2, new Uint8Array(400))), four],
    by: 'in',
    out: ['out'],
    told: [['setmtu', '128']],
  },
  ipfwd: {
    sends: [four, ip4(udp(1, 2), { ttl: 1 })],
    by: 'in',
    out: ['out', 'icmp'],
    told: [['setaddresses', '{ count=1 addresses=[ { address="192.0.2.1" } ] }']],
  },
  ksocket: {
    sends: [four],
    by: 'inet/dgram/udp',
    out: ['ksocket'],
    async around(graph, node, end) {
      // Another, to which it sends.
      const other = graph.mkpeer(end, 'ksocket', 'ksocket', 'inet/dgram/udp');
      await sendAscii(graph, undefined, other.address, 'bind', 'inet/127.0.0.1:5000');
      await sendAscii(graph, undefined, node.address, 'connect', 'inet/127.0.0.1:5000');
    },
  },
  macfilter: {
    sends: [ether, frame(2, 3)],
    by: 'ether',
    out: ['default', 'left'],
    told: [['direct', '{ ether=02:00:00:00:00:03 hookname="left" }']],
  },
  nat: { sends: [four], by: 'out', out: ['in'], told: [['setaliasaddr', '203.0.113.1']] },
  nd: {
    sends: [six],
    by: 'ip',
    out: ['lower'],
    told: [
      ['setenaddr', '02:00:00:00:00:01'],
      ['setaddresses', '{ count=1 addresses=[ 2020::1 ] }'],
      ['addentry', '{ ip=2121:2121:2121:2121:2121:2121:2121:2121 mac=02:00:00:00:00:02 }'],
    ],
  },
  netflow: { sends: [four], by: 'iface0', out: ['out0'], told: [['setdlt', '{ iface=0 dlt=12 }']] },
  one2many: { sends: [four], by: 'one', out: ['many0', 'many1'] },
  patch: {
    sends: [four],
    by: 'in',
    out: ['out'],
    told: [['setconfig', '{ count=1 csum_flags=1 ops=[ { value=7 offset=8 length=1 mode=1 } ] }']],
  },
  pipe: { sends: [four], by: 'upper', out: ['lower'], told: [['setcfg', '{ bandwidth=100000000 delay=2000 }']] },
  socket: {
    sends: [four],
    by: 'any',
    done: () => heard,
    around: (_graph, node) => void (socketOf(node).onData = () => heard++),
  },
  source: {
    sends: [four],
    by: 'input',
    out: ['output'],
    told: [['setpps', '2000']],
    async again(graph, node) {
      await until(async () => (await sendAscii(graph, undefined, node.address, 'getstats', '')).ascii !== '{}', {
        what: 'something to play',
      });
      await sendAscii(graph, undefined, node.address, 'start', '1000000');
    },
  },
  split: { sends: [four], by: 'in', out: ['mixed'] },
  tag: { sends: [four], by: 'a', out: ['b'], told: [['sethookin', '{ thisHook="a" ifNotMatch="b" }']] },
  tcpmss: {
    sends: [ip4(tcp(1, 2, 2, [2, 4, 5, 0xb4]), { protocol: 6 }), four],
    by: 'a',
    out: ['b'],
    told: [['config', '{ inHook="a" outHook="b" maxMSS=1200 }']],
  },
  tee: { sends: [four], by: 'left', out: ['right', 'left2right'] },
  vlan: {
    sends: [frame(2, 1, { tags: [[0x8100, 5]] }), ether],
    by: 'downstream',
    out: ['nomatch', 'v5'],
    told: [['addfilter', '{ hook="v5" vlan=5 }']],
  },
  vlan_rotate: {
    sends: [
      frame(2, 1, {
        tags: [
          [0x8100, 5],
          [0x8100, 6],
        ],
        payload: 'data',
      }),
    ],
    by: 'original',
    out: ['ordered'],
    told: [['setconf', '{ rot=1 }']],
  },
};

let host: Namespace;

async function up(node: Node): Promise<void> {
  await host.run('ip', 'link', 'set', node.name!, 'up');
}

interface Tried {
  readonly row: Row;
  readonly node: Node;
  readonly end: Node;
}

describe('every node type in two workers, which die', () => {
  const lab = new Lab();
  const trouble: string[] = [];
  const tried = new Map<string, Tried>();
  let graph: Graph;
  let plane: WorkerPlane;
  let fds: number;
  const descriptors = (): number => readdirSync('/proc/self/fd').length;

  before(async () => {
    host = await quietNamespace(lab, 'host');
    const far = await lab.namespace('far');
    await lab.link(host, 'eth0', far, 'eth0');
    await host.run('ip', 'link', 'set', 'lo', 'up');
    fds = descriptors();
    graph = await openGraph({
      workers: WORKERS,
      types: [ends],
      namespace: host.path,
      packets: { perWorker: PACKETS, maxBytes: 2048 },
      trouble: text => trouble.push(text),
      stallMs: 20_000,
      backoffMs: [0, 0],
    });
    plane = graph.plane as WorkerPlane;
  });
  after(async () => {
    await graph.close();
    assert.equal(plane.memory.inUse, 0, 'all memory came back');
    assert.equal(descriptors(), fds, 'and all descriptors');
    await lab.close();
  });

  /** Packets of the node by worker. */
  const packets = ({ node }: Tried): number[] =>
    Array.from({ length: WORKERS }, (_, worker) => {
      const own = node.type.counters?.length ?? 0;
      const sum = new Float64Array(own + NODE_COUNTERS.length);
      addCounts(plane.memory.memory, node.place, worker, sum);
      return sum[own + NODE_COUNTERS.indexOf('packets')]!;
    });
  const done = ({ row, node, end }: Tried): number => {
    if (row.done) return row.done(node);
    return Math.min(...row.out!.map(hook => end.hooks.get(hook)!.counts()['came']!));
  };
  const shown = (node: Node): string =>
    Object.entries(node.counts())
      .filter(([, value]) => value > 0)
      .map(([name, value]) => `${name} ${value}`)
      .join(', ');
  /** Everything that is counted. */
  const all = ({ node }: Tried): Record<string, number> => {
    const counts = node.counts();
    for (const hook of node.hooks.values()) {
      for (const [name, value] of Object.entries(hook.counts())) counts[`${hook.name}.${name}`] = value;
    }
    return counts;
  };
  /** A number, and none that is less than it was. */
  function neverBack(before: Record<string, number>, each: Tried): void {
    for (const [name, value] of Object.entries(all(each))) {
      const what = `${each.node.type.name}: ${name} was ${before[name]} and is ${value}`;
      assert.ok(value >= before[name]! && (Number.isInteger(value) || name === 'ns'), what);
    }
  }
  /** Both workers have the node work, or the one where it runs has it work for both. */
  async function goesOn(each: Tried, when: string): Promise<void> {
    const { row, node, end } = each;
    const before = { packets: packets(each), done: done(each), sent: end.counts(), all: all(each) };
    await until(
      () => {
        const now = packets(each).map((count, worker) => count - before.packets[worker]!);
        const sent = end.counts();
        const both = node.worker < 0 ? now.every(count => count > 8) : now[node.worker]! > 8;
        return (
          both &&
          done(each) > before.done + 8 &&
          ['sent0', 'sent1'].every(name => sent[name]! > before.sent[name]! + 8 * row.sends.length)
        );
      },
      {
        what: () =>
          `${node.type.name} ${when}, packets by worker ${packets(each).join()}, ${done(each)} done: ${shown(node)}; ${shown(end)}; ${trouble.join()}`,
      },
    );
    neverBack(before.all, each);
    assert.equal(node.counts()['drop.malformed'], 0);
  }

  test('the table has every type', () => {
    assert.deepEqual(
      Object.keys(rows),
      standardTypes.map(({ name }) => name),
    );
  });

  for (const [type, row] of Object.entries(rows)) {
    test(`${type}: traffic from both workers goes through it`, async () => {
      const [node, end] = graph.change(() => {
        const made = graph.create(type);
        const way = graph.create('test-ends');
        graph.connect(way, 'way', made, row.by);
        // Those that it does not have itself are somebody's around it.
        for (const hook of row.out ?? [])
          if (hook !== 'way' && hook !== 'ksocket') graph.connect(way, hook, made, hook);
        return [made, way];
      });
      const each = { row, node, end };
      tried.set(type, each);
      for (const [name, args] of row.told ?? []) await sendAscii(graph, undefined, node.address, name, args);
      await row.around?.(graph, node, end);
      (end.control as EndsControl).send(row.sends);
      await row.again?.(graph, node);
      await goesOn(each, 'at first');
    });
  }

  for (const victims of [[0], [1], [0, 1]]) {
    test(`worker ${victims.join(' and ')} dies in the middle of it, and all goes on`, async () => {
      const before = new Map([...tried].map(([type, each]) => [type, all(each)]));
      for (const victim of victims) plane.kill(victim);
      await until(() => trouble.length === victims.length, { what: 'its death' });
      for (const text of trouble.splice(0)) {
        assert.match(text, /^worker \d died: told to die; another has taken its place$/);
      }
      await graph.settled();
      for (const [type, each] of tried) {
        const { row, node } = each;
        if (victims.includes(node.worker)) await row.again?.(graph, node);
        await goesOn(each, `after the death of ${victims.join(' and ')}`);
        neverBack(before.get(type)!, each);
        assert.equal(node.failure, undefined);
      }
    });
  }

  test('when the traffic has ended every packet is free', async () => {
    graph.change(() => {
      for (const { end } of tried.values()) (end.control as EndsControl).send([]);
    });
    await graph.settled();
    for (const node of graph.nodes) graph.shutdown(node);
    await graph.settled();
    const free = (): number[] => Array.from({ length: WORKERS }, (_, worker) => plane.freePackets(worker));
    await until(() => free().every(count => count === PACKETS), { what: () => `all packets free: ${free().join()}` });
    assert.deepEqual(trouble, []);
  });
});
