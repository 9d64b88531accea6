// iface and eiface: interfaces that the host sees, against the host: ping goes by them, and they come and go with their nodes.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { openGraph, sendAscii } from '../../../src/netgraph/index.ts';
import { turnEcho } from '../../../src/netgraph/lib/icmp.ts';
import { Lab, type Namespace, quietNamespace } from '../../lib/netns.ts';
import { until } from '../../lib/wait.ts';
import { frame } from '../lib/frames.ts';
import { Inline } from '../lib/inline.ts';

describe('interfaces of the graph', () => {
  const lab = new Lab();
  let host: Namespace;
  before(async () => {
    host = await quietNamespace(lab, 'host');
  });
  after(() => lab.close());

  const has = async (name: string): Promise<boolean> => (await host.run('ip', '-o', 'link')).includes(` ${name}: `);
  const answers = async (inline: Inline, ping: Promise<string>, at: number): Promise<string> => {
    let done = false;
    const whatever = ping.finally(() => (done = true));
    await until(
      async () => {
        inline.plane.step();
        for (const { hook, data } of await inline.came())
          if (turnEcho(data, at, data.length - at)) inline.write(hook, data);
        return done;
      },
      { what: 'the end of ping', everyMs: 1 },
    );
    return whatever;
  };

  test('iface: IPv4 and IPv6 by their hooks, both ways, for ping', async () => {
    const inline = await Inline.open({ namespace: host.path });
    const node = inline.make('iface', 'inet');
    assert.equal(node.name, 'ng0');
    assert.equal(await inline.ascii(node, 'getifname'), '"ng0"');
    const [link] = await host.ipJson<{ ifindex: number; flags: string[] }[]>('link', 'show', 'ng0');
    assert.equal(await inline.ascii(node, 'getifindex'), String(link!.ifindex));
    assert.ok(link!.flags.includes('POINTOPOINT'));
    await inline.refuses(node, 'EOPNOTSUPP', 'broadcast', '', 'ng0');
    inline.refusesHook(node, 'EPFNOSUPPORT', 'atalk', 'atalk');
    const packet = new Uint8Array(20);
    packet[0] = 0x45;
    inline.write('inet', packet);
    assert.equal(node.counts()['drop.refused'], 1, 'the interface is down');

    await host.run('sysctl', '-qw', 'net.ipv6.conf.ng0.disable_ipv6=0');
    await host.run('ip', 'addr', 'add', '10.1.0.1', 'peer', '10.1.0.2', 'dev', 'ng0');
    await host.run('ip', 'addr', 'add', 'fd00::1/64', 'dev', 'ng0', 'nodad');
    await host.run('ip', 'link', 'set', 'ng0', 'up');
    assert.match(await answers(inline, host.run('ping', '-c2', '-i0.1', '-s1472', '10.1.0.2'), 0), / 2 received/);
    inline.join(node, 'inet6');
    assert.match(await answers(inline, host.run('ping', '-c2', '-i0.1', 'fd00::2'), 0), / 2 received/);
    const before = node.counts()['drop.malformed']!;
    inline.write('inet6', packet);
    assert.equal(node.counts()['drop.malformed'], before + 1, 'IPv4 by inet6');
    inline.graph.rmhook(node.hooks.get('inet')!);
    inline.graph.rmhook(node.hooks.get('inet6')!);
    assert.equal(node.state, 'there', 'without a hook it stays');
    await inline.ascii(node, 'shutdown');
    assert.equal(await has('ng0'), false);
    await inline.close();
  });

  test('eiface: frames, its address, the addresses it was given, and its end when the host deletes it', async () => {
    const inline = await Inline.open({ namespace: host.path });
    const first = inline.make('eiface', 'ether');
    const second = inline.graph.create('eiface');
    assert.deepEqual([first.name, second.name], ['ngeth0', 'ngeth1']);
    await inline.ascii(first, 'set', '02:00:00:00:00:aa');
    await inline.refuses(first, 'EADDRNOTAVAIL', 'set', '01:00:00:00:00:aa');
    inline.refusesHook(second, 'EINVAL', 'lower', 'lower');
    await host.run('ip', 'addr', 'add', '10.2.0.1/24', 'dev', 'ngeth0');
    await host.run('ip', 'link', 'set', 'ngeth0', 'up');
    await host.run('ip', 'neigh', 'add', '10.2.0.2', 'lladdr', '02:00:00:00:00:bb', 'dev', 'ngeth0');
    assert.equal(await inline.ascii(first, 'getifaddrs'), '{ count=2 addrs=[ "02:00:00:00:00:aa" "10.2.0.1/24" ] }');
    const ping = host.run('ping', '-c1', '10.2.0.2');
    const asked = await until(
      async () => {
        inline.plane.step();
        return (await inline.came()).find(({ data }) => data[12] === 8 && data[13] === 0);
      },
      { what: 'a question', everyMs: 1 },
    );
    assert.equal(asked.data.toString('hex', 0, 14), '0200000000bb0200000000aa0800');
    turnEcho(asked.data, 14, asked.data.length - 14);
    const { data } = asked;
    inline.write('ether', Buffer.concat([data.subarray(6, 12), data.subarray(0, 6), data.subarray(12)]));
    assert.match(await ping, / 1 received/);
    inline.write('ether', frame([], []).subarray(0, 13));
    assert.equal(first.counts()['drop.malformed'], 1);

    await host.run('ip', 'link', 'del', 'ngeth1');
    await until(
      async () => {
        inline.plane.step();
        await inline.came();
        return second.state === 'gone';
      },
      { what: 'the end of the node' },
    );
    assert.match(inline.trouble.splice(0).join(), /interface of node ngeth1: is gone/);
    await inline.close();
    assert.equal(await has('ngeth0'), false);
  });

  test('a change that is undone leaves no interface', async () => {
    const inline = await Inline.open({ namespace: host.path });
    assert.throws(
      () =>
        inline.graph.change(() => {
          inline.make('iface', 'inet');
          inline.make('iface', 'atalk');
        }),
      { code: 'EPFNOSUPPORT' },
    );
    assert.equal(await has('ng0'), false);
    await inline.close();
  });

  test('two workers: a queue each, and the interface goes with both', async () => {
    const graph = await openGraph({ workers: 2, namespace: host.path });
    const me = graph.create('echo', 'me');
    // Echoes of what the host sends come back to it, so what it pings is itself by way of the graph.
    graph.mkpeer(me, 'iface', '1', 'inet');
    const { name } = graph.find('me:1').node;
    await host.run('ip', 'addr', 'add', '10.3.0.1', 'peer', '10.3.0.2', 'dev', name!);
    await host.run('ip', 'link', 'set', name!, 'up');
    await host.run('bash', '-c', 'for p in 1 2 3 4 5 6 7 8 9 10 11 12; do echo -n x >/dev/udp/10.3.0.2/$p; done');
    const node = graph.named(name!)!;
    await until(() => node.counts()['received']! >= 12 && node.counts()['transmitted'] === node.counts()['received'], {
      what: () => `12 each way: ${JSON.stringify(node.counts())}`,
    });
    await sendAscii(graph, undefined, `${name}:`, 'shutdown', '');
    await graph.settled();
    await until(async () => !(await has(name!)), { what: 'the end of the interface' });
    await graph.close();
    assert.equal(graph.plane.memory.inUse, 0);
  });
});
