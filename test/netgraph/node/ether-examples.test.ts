// The examples of ng_ether(4), ng_tee(4), ng_one2many(4), ng_nat(4) and of FreeBSD's ether.bridge as they are typed, but for the interfaces'
// names: each interface has a node as soon as it is named, and the host stands behind its `upper`.
import assert from 'node:assert/strict';
import { after, afterEach, before, beforeEach, test } from 'node:test';
import { type Graph, graphMessenger, type Messenger, NetgraphError, openGraph } from '../../../src/netgraph/index.ts';
import { Lab, type Namespace, quietNamespace } from '../../lib/netns.ts';
import { until } from '../../lib/wait.ts';
import { BROADCAST, frame, Wire } from '../lib/frames.ts';

const PEER = [2, 0, 0, 0, 0, 1];
const lab = new Lab();
let host: Namespace;
let far: Namespace;
let graph: Graph;
let ngctl: Messenger;

before(async () => {
  [host, far] = await Promise.all([quietNamespace(lab, 'host'), quietNamespace(lab, 'far')]);
  await lab.link(host, 'eth0', far, 'eth0');
  await lab.link(host, 'eth1', far, 'eth1');
  await lab.link(host, 'vlan.5', far, 'vlan');
  await host.run('ip', 'addr', 'add', '10.0.0.1/24', 'dev', 'eth0');
  await far.run('ip', 'addr', 'add', '10.0.0.2/24', 'dev', 'eth0');
});
after(() => lab.close());

const trouble: string[] = [];
beforeEach(async () => {
  graph = await openGraph({ workers: 2, namespace: host.path, trouble: text => trouble.push(text) });
  ngctl = graphMessenger(graph, 'ngctl');
});
afterEach(async () => {
  await graph.close();
  assert.deepEqual(trouble, []);
  assert.equal(graph.plane.memory.inUse, 0);
  assert.deepEqual(await host.run('ip', '-br', 'link', 'show', 'type', 'tun'), '', 'nothing is left');
});

/** Commands as ngctl has them, a line each; what the last answered. */
async function type(script: string): Promise<string | undefined> {
  let answer: string | undefined;
  for (const line of script.trim().split('\n')) {
    const [verb, path, ...words] = line.trim().split(/\s+/);
    const [a, b, c] = words as [string, string, string];
    if (verb === 'mkpeer') await ngctl.request(path!, 'mkpeer', { type: a, ourhook: b, peerhook: c });
    else if (verb === 'connect') await ngctl.request(path!, 'connect', { path: a, ourhook: b, peerhook: c });
    else if (verb === 'name') await ngctl.request(path!, 'name', { name: a });
    else if (verb === 'shutdown') await ngctl.request(path!, 'shutdown');
    else answer = (await ngctl.message(path!, a, words.slice(1).join(' ')))[0]?.ascii;
  }
  await graph.settled();
  return answer;
}

const reaches = (from: Namespace, address: string): Promise<boolean> =>
  from.run('ping', '-c1', '-W1', address).then(
    () => true,
    () => false,
  );
/** How many nodes an interface has. */
const nodes = (): string[] =>
  [...graph.nodes].flatMap(({ type: { name }, address }) => (name === 'ether' ? [address] : []));

test('an interface has a node as soon as it is named; what is none, has none', async () => {
  assert.deepEqual(nodes(), []);
  assert.equal(await type('msg eth0: getifname'), '"eth0"');
  await type('msg eth0: setpromisc 0');
  assert.equal(await type('msg vlan_5: getifname'), '"vlan.5"');
  assert.deepEqual(nodes(), ['eth0:', 'vlan_5:']);
  for (const nobody of ['lo', 'eth9']) {
    await assert.rejects(type(`msg ${nobody}: getifname`), { code: 'ENOENT' } satisfies Partial<NetgraphError>);
  }
  // One that is called otherwise has the interface all the same.
  await type('name eth0: wan');
  await assert.rejects(type('msg eth0: getifname'), { code: 'ENOENT' });
  await type('shutdown wan:\nmsg eth0: getifname');
  await assert.rejects(type('mkpeer eth1: hub sideways a'), { code: 'EINVAL' });
  assert.equal(graph.named('eth1')!.hooks.size, 0);
});

test('ng_ether(4): a tee between lower and upper sees what passes, and the host notices nothing', async () => {
  await type(`
    mkpeer eth0: tee lower right
    connect eth0: lower upper left`);
  assert.ok(await reaches(far, '10.0.0.1'));
  assert.ok(await reaches(host, '10.0.0.2'));
  const stats = await type('msg eth0:lower getstats');
  assert.match(stats!, /right={ inOctets=\d+ inFrames=[2-9] .*left={ inOctets=\d+ inFrames=[2-9] /);
  // A stream: what the host leaves to devices (checksums, segments) is done.
  const server = far.spawn(['iperf3', '-s'], { stdio: 'ignore' });
  // It ends well also where it has not reached the server yet, and says so in what it prints.
  const sent = await until(
    async () => {
      const text = await host.run('iperf3', '-J', '-c', '10.0.0.2', '-n', '3M').catch(() => '{}');
      return (JSON.parse(text) as { end?: { sum_sent?: { bytes: number } } }).end?.sum_sent;
    },
    { what: 'iperf3' },
  );
  assert.ok(sent.bytes >= 3_000_000);
  await lab.stop(server);
  await type('shutdown eth0:lower');
  assert.ok(await reaches(far, '10.0.0.1'), 'the tee has gone, and its neighbours are joined');
  await type('shutdown eth0:');
  assert.ok(await reaches(far, '10.0.0.1'), 'all is as it was');
});

test('frames come as they are on the wire: an interface that merges segments does not meanwhile', async () => {
  const merges = async (): Promise<string> =>
    (await host.run('ethtool', '-k', 'eth0')).match(/generic-receive-offload: (\w+)/)![1]!;
  await host.run('ethtool', '-K', 'eth0', 'gro', 'on');
  assert.equal(await merges(), 'on');
  await type('mkpeer eth0: hub lower a');
  assert.equal(await merges(), 'off');
  await type('shutdown eth0:lower');
  assert.equal(await merges(), 'on');
  await type('mkpeer eth0: hub orphans a');
  await host.run('ethtool', '-K', 'eth0', 'gro', 'off');
  await type('shutdown eth0:');
  assert.equal(await merges(), 'on', 'as it was before the graph came');
  await host.run('ethtool', '-K', 'eth0', 'gro', 'off');
});

test('nghook(8): orphans has what the host does not know, and what is sent to it leaves', async () => {
  await ngctl.request('.:', 'connect', { path: 'eth0:', ourhook: 'hook', peerhook: 'orphans' });
  await graph.settled();
  const wire = new Wire(far.path, 'eth0');
  let heard: Uint8Array | undefined;
  ngctl.onData((_hook, data) => (heard = data));
  wire.send(frame(BROADCAST, PEER, 0x88, 0xb5, 42));
  await until(() => heard?.[14] === 42, { what: 'the orphan' });
  await ngctl.write('hook', frame(BROADCAST, PEER, 0x88, 0xb5, 43));
  await until(() => wire.all().some(bytes => bytes[12] === 0x88 && bytes[14] === 43), { what: 'the frame' });
  wire.close();
  assert.ok(await reaches(far, '10.0.0.1'));
});

test('ether.bridge: a bridge of two interfaces and the host', async () => {
  await type(`
    mkpeer eth0: bridge lower link0
    name eth0:lower bnet0
    connect eth1: bnet0: lower link1
    connect eth0: bnet0: upper link2
    msg eth0: setpromisc 1
    msg eth1: setpromisc 1
    msg eth0: setautosrc 0
    msg eth1: setautosrc 0`);
  assert.ok(await reaches(far, '10.0.0.1'), 'the host by eth0');
  const wire = new Wire(far.path, 'eth1');
  const other = new Wire(far.path, 'eth0');
  wire.send(frame(BROADCAST, PEER, 0x88, 0xb5, 44));
  await until(() => other.all().some(bytes => bytes[14] === 44), { what: 'the frame on the other side' });
  for (const each of [wire, other]) each.close();
  await type('shutdown bnet0:');
  assert.ok(await reaches(far, '10.0.0.1'));
});

test('ng_one2many(4): the host sends by two interfaces in turn', async () => {
  await type(`
    mkpeer eth0: one2many upper one
    connect eth0: eth0:upper lower many0
    connect eth1: eth0:upper lower many1
    msg eth1: setpromisc 1
    msg eth1: setautosrc 0
    msg eth0:upper setconfig { xmitAlg=1 failAlg=1 enabledLinks=[ 1 1 ] }`);
  const wires = ['eth0', 'eth1'].map(name => new Wire(far.path, name));
  const seen = [new Set<number>(), new Set<number>()];
  const [link] = await host.ipJson<{ ifindex: number }[]>('link', 'show', 'eth0');
  assert.ok(link);
  // Four pings to who is not there, told from each other by their lengths.
  await host.run('ip', 'neigh', 'replace', '10.0.0.9', 'lladdr', '02:00:00:00:00:09', 'dev', 'eth0');
  for (let size = 100; size < 104; size++) {
    await host.run('ping', '-c1', '-W0.1', `-s${size}`, '10.0.0.9').catch(() => {});
  }
  await until(
    () => {
      for (const [i, wire] of wires.entries()) {
        for (const bytes of wire.all()) if (bytes[5] === 9) seen[i]!.add(bytes.length);
      }
      return seen[0]!.size + seen[1]!.size === 4;
    },
    { what: 'four frames' },
  );
  assert.deepEqual(
    seen.map(({ size }) => size),
    [2, 2],
  );
  for (const wire of wires) wire.close();
});

test('ng_nat(4): a nat between an interface and the host behind it', async () => {
  await type(`
    mkpeer eth0: nat lower in
    name eth0:lower eth0_NAT
    connect eth0: eth0_NAT: upper out
    msg eth0_NAT: setdlt 1
    msg eth0_NAT: setaliasaddr 10.0.0.1`);
  assert.ok(await reaches(host, '10.0.0.2'));
  assert.equal(await type('msg eth0_NAT: libaliasinfo'), '{ icmpLinkCount=1 }');
});

test('ng_car(4), ng_etf(4), ng_macfilter(4), ng_netflow(4), ng_pipe(4), ng_vlan(4): each between an interface and the host', async () => {
  const examples = {
    car: `mkpeer eth0: car lower lower
      connect eth0: eth0:lower upper upper
      msg eth0:lower setconf { downstream={ cir=20000000 cbs=2500000 ebs=2500000 greenAction=1 yellowAction=1 redAction=2 mode=2 } upstream={ cir=5000 cbs=100 ebs=100 greenAction=1 yellowAction=1 redAction=2 mode=2 opt=2 } }`,
    etf: `mkpeer eth0: etf lower downstream
      connect eth0: eth0:lower upper nomatch
      connect .: eth0:lower newproto newproto
      msg eth0:lower setfilter { matchhook="newproto" ethertype=0x834 }`,
    macfilter: `mkpeer eth0: macfilter lower ether
      name eth0:lower macfilter
      mkpeer eth0: one2many upper one
      name eth0:upper recombiner
      connect macfilter: recombiner: default many0
      mkpeer macfilter: tag accepted in
      name macfilter:accepted tagger
      connect tagger: recombiner: out many1
      msg tagger: sethookin { thisHook="in" ifNotMatch="out" }
      msg tagger: sethookout { thisHook="out" tag_cookie=1148380143 tag_id=42 }
      msg recombiner: setconfig { xmitAlg=3 failAlg=1 enabledLinks=[ 1 1 ] }
      msg macfilter: direct { hookname="accepted" ether=08:00:27:92:eb:aa }`,
    netflow: `mkpeer eth0: netflow lower iface0
      name eth0:lower netflow
      connect eth0: netflow: upper out0
      mkpeer netflow: ksocket export inet/dgram/udp
      msg netflow:export connect inet/127.0.0.1:4444`,
    pipe: `mkpeer eth0: pipe lower lower
      name eth0:lower eth0_pipe
      connect eth0: eth0_pipe: upper upper
      msg eth0_pipe: setcfg { downstream={ bandwidth=20000000 fifo=1 } }
      msg eth0_pipe: setcfg { upstream={ bandwidth=500000 drr=1 } }`,
    vlan: `shutdown eth0:
      mkpeer eth0: vlan lower downstream
      name eth0:lower vlan
      connect eth0: vlan: upper nomatch
      mkpeer vlan: eiface vlan123 ether
      msg vlan: addfilter { vlan=123 hook="vlan123" }`,
  };
  for (const [what, script] of Object.entries(examples)) {
    await type(script);
    assert.ok(await reaches(host, '10.0.0.2'), `${what}, from the host`);
    assert.ok(await reaches(far, '10.0.0.1'), `${what}, to the host`);
    for (const node of graph.nodes) if (node.type.name !== 'socket') graph.shutdown(node);
    await graph.settled();
  }
});
