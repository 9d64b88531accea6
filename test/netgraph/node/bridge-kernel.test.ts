// The bridge of a graph beside the kernel's, on the same frames: the same ports get them.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Lab } from '../../lib/netns.ts';
import { until } from '../../lib/wait.ts';
import { Wire } from '../lib/frames.ts';
import { BROADCAST, frame, MULTICAST } from '../lib/hosts.ts';
import { Inline } from '../lib/inline.ts';

const PORTS = 4;
const FRAMES = 300;

test('as the bridge of Linux, for frames of hosts that stay where they are', async () => {
  const lab = new Lab();
  const wires: Wire[] = [];
  const inline = await Inline.open();
  try {
    const namespace = await lab.namespace('bridge');
    const commands = ['link add br0 type bridge mcast_snooping 0 stp_state 0 forward_delay 0', 'link set br0 up'];
    for (let i = 0; i < PORTS; i++) {
      commands.push(
        `link add host${i} type veth peer name port${i}`,
        `link set port${i} master br0`,
        ...[`host${i}`, `port${i}`].flatMap(name => [`link set ${name} addrgenmode none`, `link set ${name} up`]),
      );
    }
    await namespace.run('sh', '-ec', commands.map(command => `ip ${command}`).join('\n'));
    await until(async () => !(await namespace.run('bridge', 'link')).includes('state disabled'), {
      what: 'the ports to be up',
    });
    for (let i = 0; i < PORTS; i++) wires.push(new Wire(namespace.path, `host${i}`));
    inline.make('bridge', ...Array.from({ length: PORTS }, (_, i) => `link${i}`));

    const linux: string[] = [];
    const ours: string[] = [];
    const gather = (n: number): void => {
      wires.forEach((wire, port) => {
        for (const got of wire.all())
          if (got.readUInt16BE(12) === 0x88b5) linux.push(`${n} ${port} ${got.toString('hex')}`);
      });
    };
    let random = 7;
    const choose = (below: number): number => {
      random = (Math.imul(random, 1_103_515_245) + 12_345) & 0x7fff_ffff;
      return (random >> 12) % below;
    };
    for (let n = 0; n < FRAMES; n++) {
      const from = choose(12);
      const port = from % PORTS;
      const kind = choose(10);
      const to = kind === 0 ? BROADCAST : kind === 1 ? MULTICAST : 1 + choose(20);
      const sent = frame(to, 1 + from, { payload: new Uint8Array(46 + choose(100)).fill(n) });
      wires[port]!.send(sent);
      inline.write(`link${port}`, sent);
      const came = (await inline.came()).map(({ hook, data }) => `${n} ${hook.slice(4)} ${data.toString('hex')}`);
      ours.push(...came.sort((a, b) => a.localeCompare(b)));
      await until(
        () => {
          gather(n);
          return linux.length >= ours.length;
        },
        { what: () => `frame ${n} by the kernel: ${linux.length} of ${ours.length}` },
      );
    }
    gather(FRAMES);
    assert.deepEqual(linux, ours);
    const seen = (await namespace.run('bridge', 'fdb', 'show', 'br', 'br0', 'state', 'reachable'))
      .split('\n')
      .flatMap(line => {
        const match = /^(02:00:00:00:00:\S+) dev port(\d)/.exec(line);
        return match ? [`${match[1]} link${match[2]}`] : [];
      });
    const table = await inline.send<{ hosts: { addr: string; hook: string }[] }>(
      [...inline.graph.nodes].find(node => node.type.name === 'bridge')!,
      'gettable',
    );
    const known = table.hosts.map(({ addr, hook }) => `${addr} ${hook}`);
    const order = (a: string, b: string): number => a.localeCompare(b);
    assert.deepEqual(known.sort(order), [...new Set(seen)].sort(order), 'the same hosts by the same links');
  } finally {
    for (const wire of wires) wire.close();
    await lab.close();
    await inline.close();
  }
});
