// ether: an interface of the host as a node, against the kernel: what comes to the graph, what the host still gets, and what leaves.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { NetgraphError, openGraph, send, sendAscii, socketOf, type Node } from '../../../src/netgraph/index.ts';
import { fold, pseudo4, sum } from '../../../src/netgraph/lib/checksum.ts';
import { Lab, type Namespace, quietNamespace } from '../../lib/netns.ts';
import { until } from '../../lib/wait.ts';
import { BROADCAST, frame, Wire } from '../lib/frames.ts';
import { type Came, Inline } from '../lib/inline.ts';
import { icmp, ip4 } from '../lib/packets.ts';

const PEER = [2, 0, 0, 0, 0, 1];
const EXPERIMENT = [0x88, 0xb5];

for (const version of [2, 3])
  describe(`ether, TPACKET_V${version}`, () => {
    const lab = new Lab();
    let host: Namespace;
    let far: Namespace;
    before(async () => {
      [host, far] = await Promise.all([quietNamespace(lab, 'host'), quietNamespace(lab, 'far')]);
      await lab.link(host, 'eth0', far, 'eth0');
      await host.run('ip', 'addr', 'add', '10.0.0.1/24', 'dev', 'eth0');
      await far.run('ip', 'addr', 'add', '10.0.0.2/24', 'dev', 'eth0');
      await lab.link(host, 'gone.5', far, 'gone');
    });
    after(() => lab.close());

    const pings = async (): Promise<boolean> =>
      far.run('ping', '-c1', '-W0.3', '10.0.0.1').then(
        () => true,
        () => false,
      );

    /** A graph whose node is in `host`; ends it whatever happens. */
    async function withNode(
      hooks: readonly string[],
      fn: (inline: Inline, node: Node, came: (what: (came: Came) => boolean) => Promise<Came>) => Promise<void>,
    ): Promise<void> {
      const inline = await Inline.open({ namespace: host.path });
      const seen: Came[] = [];
      try {
        const node = inline.make('ether', ...hooks);
        await inline.send(node, 'attach', { ifname: 'eth0', version });
        await fn(inline, node, what =>
          until(
            async () => {
              inline.plane.step();
              seen.push(...(await inline.came()));
              return seen.find(what);
            },
            { what: 'a packet', everyMs: 1 },
          ),
        );
      } finally {
        await inline.close();
      }
    }

    test('messages: of the interface, of what is refused, and what attach calls the node', () =>
      withNode([], async (inline, node) => {
        const ascii = (name: string, args = ''): Promise<string | undefined> => inline.ascii(node, name, args);
        const [link] = await host.ipJson<{ ifindex: number; address: string }[]>('link', 'show', 'eth0');
        assert.equal(node.name, 'eth0');
        assert.equal(await ascii('getifname'), '"eth0"');
        assert.equal(await ascii('getifindex'), String(link!.ifindex));
        assert.equal(await ascii('getenaddr'), link!.address);
        await ascii('setenaddr', '02:00:00:00:0a:0a');
        const promiscuity = async (): Promise<number> =>
          (await host.ipJson<{ promiscuity: number }[]>('link', 'show', 'eth0'))[0]!.promiscuity;
        assert.equal(
          (await host.ipJson<{ address: string }[]>('link', 'show', 'eth0'))[0]!.address,
          '02:00:00:00:0a:0a',
        );
        await inline.refuses(node, 'EADDRNOTAVAIL', 'setenaddr', '01:00:00:00:0a:0a');
        assert.equal(await ascii('getpromisc'), '0');
        await ascii('setpromisc', '1');
        assert.equal(await ascii('getpromisc'), '1');
        assert.equal(await promiscuity(), 1);
        await ascii('setpromisc', '0');
        assert.equal(await promiscuity(), 0);
        await inline.refuses(node, 'EINVAL', 'setpromisc', '2', '2');
        assert.equal(await ascii('getautosrc'), '1');
        await ascii('addmulti', '01:00:5e:01:02:03');
        assert.match(await host.run('ip', 'maddress', 'show', 'dev', 'eth0'), /01:00:5e:01:02:03/);
        await inline.refuses(node, 'EADDRINUSE', 'addmulti', '01:00:5e:01:02:03', '01:00:5e:01:02:03');
        await ascii('delmulti', '01:00:5e:01:02:03');
        assert.doesNotMatch(await host.run('ip', 'maddress', 'show', 'dev', 'eth0'), /01:00:5e:01:02:03/);
        await inline.refuses(node, 'ENOENT', 'delmulti', '01:00:5e:01:02:03');
        await inline.refuses(node, 'EINVAL', 'addmulti', '02:00:5e:01:02:03');
        await inline.refuses(node, 'EBUSY', 'attach', '{ ifname="eth0" }', 'eth0');
        inline.refusesHook(node, 'EINVAL', 'left', 'left');
        const other = inline.make('ether', 'lower');
        await inline.refuses(other, 'ENODEV', 'attach', '{ ifname="nowhere" }', 'nowhere');
        await inline.refuses(other, 'EINVAL', 'attach', '{ ifname="lo" }', 'lo');
        await inline.refuses(other, 'EINVAL', 'attach', '{ ifname="eth0" version=1 }', 'version 1');
        await inline.refuses(other, 'EINVAL', 'attach', '{ ifname="eth0" blockms=5 }', 'blockms 5');
        await inline.refuses(other, 'EINVAL', 'attach', '{ ifname="eth0" version=3 blockms=5000 }', 'blockms 5000');
        await inline.refuses(other, 'ENXIO', 'getifname');
        inline.refusesHook(other, 'EISCONN', 'divert');
        await inline.ascii(node, 'detach');
        assert.equal(node.state, 'gone');
      }));

    test('lower is instead of the host, and with setdivert 0 as well as the host', () =>
      withNode(['lower'], async (inline, node, came) => {
        const echo = ({ data }: Came): boolean => data[12] === 8 && data[13] === 0 && data[34] === 8;
        // So that each question is asked at once, whatever became of the one before.
        const address = await inline.ascii(node, 'getenaddr');
        await far.run('ip', 'neigh', 'replace', '10.0.0.1', 'lladdr', address!, 'dev', 'eth0');
        assert.equal(await pings(), false);
        await came(echo);
        await inline.ascii(node, 'setdivert', '0');
        assert.equal(await pings(), true);
        const { data } = await came(echo);
        assert.equal(data.length, 98);
        await inline.ascii(node, 'setdivert', '1');
        assert.equal(await pings(), false);
        inline.graph.rmhook(node.hooks.get('lower')!);
        assert.equal(await pings(), true);
        assert.equal(node.state, 'there');
      }));

    test('what is sent to lower leaves, with the source of the interface unless autosrc is 0', () =>
      withNode(['lower'], async (inline, node) => {
        const wire = new Wire(far.path, 'eth0');
        try {
          const leaves = async (mark: number): Promise<Buffer> => {
            inline.write('lower', frame(BROADCAST, PEER, ...EXPERIMENT, mark));
            return until(() => wire.all().find(bytes => bytes[12] === 0x88 && bytes[14] === mark), { what: 'a frame' });
          };
          const own = String(await inline.ascii(node, 'getenaddr')).replaceAll(':', '');
          assert.equal((await leaves(1)).toString('hex', 6, 12), own);
          await inline.ascii(node, 'setautosrc', '0');
          const second = await leaves(2);
          assert.equal(second.toString('hex', 6, 12), '020000000001');
          assert.equal(second.length, 60);
          inline.write('lower', new Uint8Array(13));
          inline.write('lower', new Uint8Array(1519));
          inline.write('lower', new Uint8Array(1518).fill(255));
          assert.equal(node.counts()['drop.malformed'], 1);
          assert.equal(node.counts()['drop.tooBig'], 1);
        } finally {
          wire.close();
        }
      }));

    test('upper has what the host sends instead of the wire, and what is sent there the host receives', () =>
      withNode(['upper'], async (inline, node, came) => {
        assert.equal(await pings(), false);
        const { data } = await came(({ data: bytes }) => bytes[12] === 8);
        const mac = [...data.subarray(6, 12)];
        assert.equal(data.toString('hex', 6, 12), String(await inline.ascii(node, 'getenaddr')).replaceAll(':', ''));
        // Somebody behind the graph asks the host, which answers there.
        await host.run('ip', 'neigh', 'replace', '10.0.0.77', 'lladdr', '02:00:00:00:00:77', 'dev', 'eth0');
        const asks = ip4(icmp(8, 0, 0x00070001, [9]), { source: 0x0a00004d, destination: 0x0a000001, protocol: 1 });
        inline.write('upper', frame(mac, PEER, 8, 0, ...asks));
        const answer = await came(({ data: bytes }) => bytes[12] === 8 && bytes[33] === 77);
        assert.deepEqual([...answer.data.subarray(0, 6), answer.data[34]], [2, 0, 0, 0, 0, 0x77, 0]);
        inline.write('upper', new Uint8Array(13));
        assert.equal(node.counts()['drop.malformed'], 1);
        const { fromHost, toHost } = node.counts();
        assert.ok(fromHost! > 0);
        assert.equal(toHost, 1);
        inline.graph.rmhook(node.hooks.get('upper')!);
        inline.plane.step();
        assert.equal(await pings(), true);
      }));

    test('with setdivert 0 upper has copies and takes nothing; orphans has what the host does not know', () =>
      withNode(['orphans'], async (inline, node, came) => {
        await inline.ascii(node, 'setdivert', '0');
        inline.join(node, 'upper');
        assert.equal(await pings(), true);
        const { data } = await came(({ hook, data: bytes }) => hook === 'upper' && bytes[34] === 0 && bytes[23] === 1);
        assert.deepEqual([...data.subarray(26, 34)], [10, 0, 0, 1, 10, 0, 0, 2], 'its answer');
        inline.write('upper', new Uint8Array(60));
        assert.equal(node.counts()['drop.refused'], 1);
        const wire = new Wire(far.path, 'eth0');
        wire.send(frame(BROADCAST, PEER, ...EXPERIMENT, 77));
        wire.close();
        const orphan = await came(({ hook }) => hook === 'orphans');
        assert.equal(orphan.data[14], 77);
      }));

    test('a tag that the kernel took out is put back, and a checksum that the sender left to a device is made', () =>
      withNode(['lower'], async (_inline, _node, came) => {
        const wire = new Wire(far.path, 'eth0');
        const bytes = frame(BROADCAST, PEER, 0x81, 0, 0xa0, 7, 0x81, 0, 0, 9, 8, 0, 1, 2, 3);
        wire.send(bytes);
        wire.close();
        assert.deepEqual((await came(({ data }) => data[12] === 0x81)).data, Buffer.from(bytes));
        await far.run('ip', 'neigh', 'replace', '10.0.0.9', 'lladdr', '02:00:00:00:00:09', 'dev', 'eth0');
        await far.run('bash', '-c', 'echo -n hello >/dev/udp/10.0.0.9/9');
        const { data } = await came(({ data: udp }) => udp[12] === 8 && udp[13] === 0 && udp[23] === 17);
        assert.equal(fold(pseudo4(data, 14, 17, 13) + sum(data, 34, 13)), 0xffff);
      }));

    if (version === 3) {
      test('a lone frame waits as long as it is told', async () => {
        const inline = await Inline.open({ namespace: host.path });
        const node = inline.make('ether', 'lower');
        await inline.ascii(node, 'attach', '{ ifname="eth0" version=3 blockms=100 }');
        const wire = new Wire(far.path, 'eth0');
        const arrives = async (mark: number): Promise<number> => {
          const start = performance.now();
          wire.send(frame(BROADCAST, PEER, ...EXPERIMENT, mark));
          await until(
            async () => {
              inline.plane.step();
              return (await inline.came()).some(({ data }) => data[12] === 0x88 && data[14] === mark);
            },
            { what: 'a frame', everyMs: 1 },
          );
          return performance.now() - start;
        };
        await arrives(1);
        assert.ok((await arrives(2)) > 50);
        wire.close();
        await inline.close();
      });
    }

    test('an interface that goes takes its node along', async () => {
      const inline = await Inline.open({ namespace: host.path });
      const node = inline.make('ether', 'lower');
      await inline.send(node, 'attach', { ifname: 'gone.5', version });
      assert.equal(node.name, 'gone_5', 'an address has dots and colons of its own');
      await host.run('ip', 'link', 'del', 'gone.5');
      await until(
        async () => {
          inline.pass(1);
          await inline.came();
          return node.state === 'gone';
        },
        { what: 'the end of the node' },
      );
      assert.match(inline.trouble.splice(0).join(), /gone\.5 of node gone_5: is gone/);
      await inline.close();
    });

    test('two workers have a ring each, and each flow stays in its order', async () => {
      const graph = await openGraph({ workers: 2, namespace: host.path });
      try {
        const me = graph.create('socket', 'me');
        graph.mkpeer(me, 'ether', 'eth', 'lower');
        await sendAscii(graph, me, 'eth', 'attach', `{ ifname="eth0" version=${version} }`);
        await graph.settled();
        const flows = new Map<number, number[]>();
        let total = 0;
        socketOf(me).onData = (_hook, data) => {
          if (data[12] !== 8 || data[23] !== 17) return;
          const flow = data[35]!;
          flows.set(flow, [...(flows.get(flow) ?? []), data[42]!]);
          total++;
        };
        const wire = new Wire(far.path, 'eth0');
        for (let i = 0; i < 512; i++) {
          const ip = [0x45, 0, 0, 30, 0, 0, 0, 0, 64, 17, 0, 0, 10, 0, 0, 2, 10, 0, 0, 1];
          wire.send(frame(BROADCAST, PEER, 8, 0, ...ip, 0x10, i & 15, 0, 9, 0, 10, 0, 0, i >> 4));
        }
        wire.close();
        await until(() => total >= 512, { what: () => `512 frames, have ${total}` });
        const order = Array.from({ length: 32 }, (_, i) => i);
        for (let flow = 0; flow < 16; flow++) assert.deepEqual(flows.get(flow), order, `flow ${flow}`);
        await assert.rejects(send(graph, me, 'eth', 'attach', { ifname: 'x' }), NetgraphError);
      } finally {
        await graph.close();
      }
      assert.equal(graph.plane.memory.inUse, 0);
    });
  });
