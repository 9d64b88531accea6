// Workers that die while frames of many flows go through interfaces of the host: afterwards all flows arrive again, and nothing of the dead
// is left, as the kernel sees it.
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { after, before, describe, test } from 'node:test';
import { type Graph, openGraph, sendAscii, socketOf, type WorkerPlane } from '../../src/netgraph/index.ts';
import { Lab, type Namespace, quietNamespace } from '../lib/netns.ts';
import { until } from '../lib/wait.ts';
import { frame, Wire } from './lib/frames.ts';

const WORKERS = 2;
/** By chance all of them are one worker's once in 2^31. */
const FLOWS = 32;

describe('interfaces whose workers die', () => {
  const lab = new Lab();
  let host: Namespace;
  let far: Namespace;
  before(async () => {
    [host, far] = await Promise.all([quietNamespace(lab, 'host'), quietNamespace(lab, 'far')]);
    await lab.link(host, 'eth0', far, 'eth0');
  });
  after(() => lab.close());

  const packetSockets = async (): Promise<number> => (await host.run('cat', '/proc/net/packet')).split('\n').length;
  /** What this process has of the kernel's: descriptors, and rings in its memory. */
  const held = async (): Promise<{ fds: number; rings: number; sockets: number }> => ({
    fds: readdirSync('/proc/self/fd').length,
    rings: readFileSync('/proc/self/maps', 'utf8').match(/ socket:\[/g)?.length ?? 0,
    sockets: await packetSockets(),
  });

  async function withGraph(fn: (graph: Graph, trouble: string[]) => Promise<void>): Promise<void> {
    const trouble: string[] = [];
    const before = await held();
    const graph = await openGraph({
      workers: WORKERS,
      namespace: host.path,
      trouble: text => trouble.push(text),
      // Who dies twice is not replaced in the time of a test.
      backoffMs: [600_000, 600_000],
    });
    try {
      await fn(graph, trouble);
    } finally {
      await graph.close();
    }
    assert.equal(graph.plane.memory.inUse, 0);
    assert.deepEqual(await held(), before, 'nothing is left');
  }

  /** Has both workers die at once, and one again, whom nobody replaces; the flows arrive after each. */
  async function survives(graph: Graph, trouble: string[], arrive: () => Promise<void>): Promise<void> {
    const plane = graph.plane as WorkerPlane;
    const die = async (victims: readonly number[], what: RegExp): Promise<void> => {
      for (const victim of victims) plane.kill(victim);
      await until(() => trouble.length === victims.length, { what: () => `deaths: ${trouble.join('; ')}` });
      for (const text of trouble.splice(0)) assert.match(text, what);
      await graph.settled();
      await arrive();
    };
    await arrive();
    const whole = await held();
    await die([0, 1], /another has taken its place$/);
    assert.deepEqual(await held(), whole, 'nothing of the dead is left');
    await die([0], /another takes its place in 600000 ms$/);
  }

  for (const version of [2, 3]) {
    test(`ether, TPACKET_V${version}: its flows go to the other rings, and then to a new one`, () =>
      withGraph(async (graph, trouble) => {
        const me = graph.create('socket', 'me');
        const ether = graph.mkpeer(me, 'ether', 'eth', 'lower');
        await sendAscii(graph, me, 'eth', 'attach', `{ ifname="eth0" version=${version} }`);
        await graph.settled();
        const came = new Set<number>();
        socketOf(me).onData = (_hook, data) => void (data[23] === 17 && came.add(data[35]!));
        const wire = new Wire(far.path, 'eth0');
        const sockets = await packetSockets();
        await survives(graph, trouble, async () => {
          came.clear();
          for (let flow = 0; flow < FLOWS; flow++) {
            const ip = [0x45, 0, 0, 30, 0, 0, 0, 0, 64, 17, 0, 0, 10, 0, 0, 2, 10, 0, 0, 1];
            wire.send(frame([2, 0, 0, 0, 0, 9], [2, 0, 0, 0, 0, 1], 8, 0, ...ip, 0x10, flow, 0, 9, 0, 10, 0, 0, 0));
          }
          await until(() => came.size === FLOWS, { what: () => `${FLOWS} flows: ${[...came].join(' ')}` });
        });
        wire.close();
        assert.ok(graph.countsOf(ether)['received']! >= 2 * FLOWS, 'counters go on');
        // A hook less, and one more: the rings go and come.
        graph.rmhook(ether.hooks.get('lower')!);
        await graph.settled();
        assert.equal(await packetSockets(), sockets - WORKERS);
        graph.connect(me, 'again', ether, 'lower');
        await graph.settled();
        assert.equal(await packetSockets(), sockets);
        assert.throws(
          () =>
            graph.change(() => {
              graph.rmhook(ether.hooks.get('lower')!);
              graph.connect(me, 'more', ether, 'lower');
              graph.connect(me, 'wrong', ether, 'sideways');
            }),
          { code: 'EINVAL' },
        );
        assert.equal(await packetSockets(), sockets, 'what was undone is as it was');
      }));
  }

  for (const [type, hook] of [
    ['iface', 'inet'],
    ['eiface', 'ether'],
    ['ether', 'upper'],
  ] as const) {
    test(`${hook} of ${type}: what the host sends goes to the other queues, and then to its own again`, () =>
      withGraph(async (graph, trouble) => {
        const me = graph.create('socket', 'me');
        const node = graph.mkpeer(me, type, 'tap', hook);
        if (type === 'ether') await sendAscii(graph, me, 'tap', 'attach', '{ ifname="eth0" }');
        await graph.settled();
        const name = node.name!;
        await host.run('ip', 'addr', 'add', '10.4.0.1', 'peer', '10.4.0.2', 'dev', name);
        await host.run('ip', 'link', 'set', name, 'up');
        if (type !== 'iface') {
          await host.run('ip', 'neigh', 'add', '10.4.0.2', 'lladdr', '02:00:00:00:00:09', 'dev', name);
        }
        const came = new Set<number>();
        const at = type === 'iface' ? 0 : 14;
        socketOf(me).onData = (_hook, data) => void (data[at + 9] === 17 && came.add(data[at + 23]!));
        await survives(graph, trouble, async () => {
          came.clear();
          await host.run('bash', '-c', `for ((p=1; p<=${FLOWS}; p++)); do echo -n x >/dev/udp/10.4.0.2/$p; done`);
          await until(() => came.size === FLOWS, { what: () => `${FLOWS} flows: ${[...came].join(' ')}` });
        });
      }));
  }
});
