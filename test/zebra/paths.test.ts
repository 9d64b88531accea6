// Routes that carry their own paths (`no zebra nexthop kernel enable`), in a real kernel, beside FRR's.
import assert from 'node:assert/strict';
import type { ChildProcess } from 'node:child_process';
import { createInterface } from 'node:readline';
import { after, before, describe, test } from 'node:test';
import { type Daemon, startFrr } from '../lib/daemons.ts';
import { Lab, type Namespace } from '../lib/netns.ts';
import { until } from '../lib/wait.ts';
import { frrRows } from './frr-rows.ts';
import { Host } from './host-process.ts';

const WITHOUT = 'no zebra nexthop kernel enable\n';
const CONFIG = `ip route 10.1.0.0/16 192.0.2.9
ip route 10.2.0.0/16 10.1.0.5
ip route 10.3.0.0/16 blackhole
ip route 10.4.0.0/16 reject
ip route 10.5.0.0/16 192.0.2.9
ip route 10.5.0.0/16 198.51.100.9
ip route 10.6.0.0/16 eth0
ip route 10.9.0.0/16 203.0.113.9 eth1 onlink
ip route 10.10.9.0/24 203.0.113.9 eth1 onlink
ip route 10.10.9.0/24 192.0.2.10
ip route 0.0.0.0/0 192.0.2.254
ipv6 route 2001:db8:1::/48 2001:db8::9
ipv6 route 2001:db8:2::/48 fe80::9 eth0
ipv6 route 2001:db8:3::/48 blackhole
ipv6 route 2001:db8:4::/48 2001:db8::9
ipv6 route 2001:db8:4::/48 2001:db8::10
ipv6 route 2001:db8:5::/48 eth1
`;
const COUNT = { '-4': 9, '-6': 5 };

interface Route {
  dst: string;
  gateway?: string;
  dev?: string;
  protocol: string;
  metric?: number;
  nhid?: number;
  nexthops?: { gateway?: string; dev: string }[];
}

async function build(namespace: Namespace): Promise<void> {
  for (const n of [0, 1]) {
    await namespace.run('ip', 'link', 'add', `eth${n}`, 'type', 'veth', 'peer', 'name', `p${n}`);
    for (const end of ['eth', 'p']) await namespace.run('ip', 'link', 'set', `${end}${n}`, 'addrgenmode', 'none');
    await namespace.run('ip', 'link', 'set', `eth${n}`, 'up');
    await namespace.run('ip', 'link', 'set', `p${n}`, 'up');
  }
  await namespace.run('ip', 'addr', 'add', '192.0.2.1/24', 'dev', 'eth0');
  await namespace.run('ip', 'addr', 'add', '198.51.100.1/24', 'dev', 'eth1');
  await namespace.run('ip', 'addr', 'add', '2001:db8::1/64', 'dev', 'eth0', 'nodad');
}

async function ours(namespace: Namespace, family: '-4' | '-6'): Promise<Route[]> {
  const routes = await namespace.ipJson<Route[]>(family, 'route', 'show', 'proto', '196');
  for (const route of routes) route.nexthops?.sort((a, b) => (a.gateway! < b.gateway! ? -1 : 1));
  return routes.toSorted((a, b) => (a.dst < b.dst ? -1 : 1));
}

/** All of them are there, with paths of their own or by objects. */
async function settled(namespace: Namespace, objects: boolean): Promise<void> {
  let seen: Route[] = [];
  for (const family of ['-4', '-6'] as const) {
    await until(
      async () => {
        seen = await ours(namespace, family);
        return seen.length === COUNT[family] && seen.every(one => isHole(one) || (one.nhid !== undefined) === objects);
      },
      { what: () => `${COUNT[family]} routes ${objects ? 'by objects' : 'with paths'}: ${JSON.stringify(seen)}` },
    );
  }
}

function isHole(route: Route): boolean {
  return route.gateway === undefined && route.nexthops === undefined && (route.dev === undefined || route.dev === 'lo');
}

describe('without nexthop objects, beside FRR', { timeout: 60_000 }, () => {
  const lab = new Lab();
  let theirs: Namespace;
  let mine: Namespace;
  let zebra: Daemon;
  let host: Host;

  before(async () => {
    theirs = await lab.namespace('frr');
    mine = await lab.namespace('grevy');
    await build(theirs);
    await build(mine);
    const directory = await lab.directory();
    zebra = await startFrr(lab, theirs, 'zebra', WITHOUT, { directory });
    await startFrr(lab, theirs, 'staticd', CONFIG, { directory });
    host = new Host(mine, `${await lab.directory()}/zserv.api`, 60_000);
    await host.ready;
    await host.configure(WITHOUT + CONFIG);
    await settled(theirs, false);
    await settled(mine, false);
  });

  after(() => lab.close());

  test('the same routes are in the kernel, and no object', async () => {
    for (const family of ['-4', '-6'] as const) {
      // The scope of a route without a gateway is the interface's here, as ip(8) has it; nothing follows from that.
      const plain = (routes: Route[]): object[] => routes.map(route => ({ ...route, scope: '' }));
      assert.deepEqual(plain(await ours(mine, family)), plain(await ours(theirs, family)));
    }
    assert.deepEqual(await mine.ipJson('nexthop'), []);
  });

  test('show ip route says the same', async () => {
    for (const command of ['show ip route json', 'show ipv6 route json']) {
      assert.deepEqual(frrRows(await host.run(command)), frrRows(await zebra.sh(command)));
    }
    const json = JSON.parse(await host.run('show ip route 10.5.0.0/16 json'));
    const id: number = json['10.5.0.0/16'][0].installedNexthopGroupId;
    const shown = await host.run(`show nexthop-group rib ${id}`);
    assert.match(shown, /Installed\n +via 192\.0\.2\.9, eth0 \(vrf default\), weight 1\n +via 198\.51\.100\.9, eth1/);
    assert.match(await host.run('show zebra'), /Kernel NHG +Available, not used/);
  });
});

/** A datagram a millisecond to each of these addresses of another host, counted from when all of them are heard from. */
async function startTraffic(
  from: Namespace,
  to: Namespace,
  addresses: readonly string[],
): Promise<{ stop: () => Promise<number>; received: () => number }> {
  const node = (namespace: Namespace, script: string): { child: ChildProcess; last: () => number } => {
    const child = namespace.spawn([process.execPath, '-e', script], { stdio: ['pipe', 'pipe', 'inherit'] });
    let last = -1;
    createInterface({ input: child.stdout! }).on('line', line => (last = Number(line)));
    return { child, last: () => last };
  };
  // What it hears is the number of an address while that is only to be known, and `n` when it counts.
  const receiver = node(
    to,
    `let n = 0;
     const heard = new Set();
     const s = require('dgram').createSocket({ type: 'udp6', recvBufferSize: 1 << 20 });
     s.on('message', m => String(m) === 'n' ? n++ : heard.add(String(m))).bind(7000, () => console.log(-1));
     setInterval(() => console.log(heard.size < ${addresses.length} ? -1 : n), 50);`,
  );
  const sender = node(
    from,
    `let n = 0, counts = false;
     const s = ['udp4', 'udp6'].map(type => require('dgram').createSocket(type));
     const timer = setInterval(() => ${JSON.stringify(addresses)}.forEach((to, i) => {
       s[to.includes(':') ? 1 : 0].send(counts ? 'n' : String(i), 7000, to);
       if (counts) n++;
     }), 1);
     process.stdin.on('data', () => counts ? (clearInterval(timer), console.log(n)) : (counts = true));`,
  );
  await until(() => receiver.last() === 0, { what: 'something from every address' });
  sender.child.stdin!.write('\n');
  await until(() => receiver.last() > 0, { what: 'the first that counts' });
  return {
    stop: async () => {
      sender.child.stdin!.write('\n');
      return await until(() => (sender.last() < 0 ? undefined : sender.last()), { what: 'the sender to stop' });
    },
    received: receiver.last,
  };
}

//     r1 (Grevy) eth0 192.0.2.1 ──── 192.0.2.9 eth0 r2
//                eth1 198.51.100.1 ── 198.51.100.9 eth1
describe('nexthop objects while routes are in use', { timeout: 120_000 }, () => {
  const lab = new Lab();
  let r1: Namespace;
  let r2: Namespace;
  let host: Host;
  let zserv: string;

  before(async () => {
    r1 = await lab.namespace('r1');
    r2 = await lab.namespace('r2');
    await lab.link(r1, 'eth0', r2, 'eth0');
    await lab.link(r1, 'eth1', r2, 'eth1');
    await r1.run('ip', 'addr', 'add', '192.0.2.1/24', 'dev', 'eth0');
    await r1.run('ip', 'addr', 'add', '198.51.100.1/24', 'dev', 'eth1');
    await r1.run('ip', 'addr', 'add', '2001:db8::1/64', 'dev', 'eth0', 'nodad');
    await r2.run('ip', 'addr', 'add', '192.0.2.9/24', 'dev', 'eth0');
    await r2.run('ip', 'addr', 'add', '198.51.100.9/24', 'dev', 'eth1');
    for (const n of [9, 10]) await r2.run('ip', 'addr', 'add', `2001:db8::${n}/64`, 'dev', 'eth0', 'nodad');
    for (const address of ['10.5.0.1/32', '2001:db8:4::1/128']) await r2.run('ip', 'addr', 'add', address, 'dev', 'lo');
    zserv = `${await lab.directory()}/zserv.api`;
    host = new Host(r1, zserv, 60_000);
    await host.ready;
    await host.configure(CONFIG);
    await settled(r1, true);
  });

  after(() => lab.close());

  /** What `ip monitor` has to say of ours meanwhile. */
  async function watched(what: () => Promise<void>): Promise<string[]> {
    const monitor = r1.spawn(['ip', 'monitor', 'route', 'nexthop'], { stdio: ['ignore', 'pipe', 'ignore'] });
    let seen = '';
    monitor.stdout!.on('data', (chunk: Buffer) => (seen += chunk.toString()));
    // It hears when it is told of a route of nobody's.
    await until(
      async () => {
        await r1.run('ip', 'route', 'replace', '172.31.0.0/16', 'dev', 'eth0');
        await r1.run('ip', 'route', 'del', '172.31.0.0/16');
        return seen.includes('172.31');
      },
      { what: 'the monitor' },
    );
    await what();
    await r1.run('ip', 'route', 'replace', '172.30.0.0/16', 'dev', 'eth0');
    await until(() => seen.includes('172.30'), { what: 'the last of what there is to hear' });
    await r1.run('ip', 'route', 'del', '172.30.0.0/16');
    await lab.stop(monitor);
    return seen.split('\n').filter(line => /proto (static|zebra)/.test(line));
  }

  test('turned off and on again, routes move over without a packet lost, and what they leave goes', async () => {
    const traffic = await startTraffic(r1, r2, ['10.5.0.1', '2001:db8:4::1']);
    for (const objects of [false, true, false]) {
      const said = await watched(async () => {
        await host.configure(objects ? CONFIG : WITHOUT + CONFIG);
        await settled(r1, objects);
        if (objects) return;
        await until(async () => (await r1.ipJson<object[]>('nexthop')).length === 0, { what: 'the objects to go' });
      });
      const gone = said.filter(line => line.startsWith('Deleted') && !line.startsWith('Deleted id'));
      assert.deepEqual(gone, []);
    }
    const sent = await traffic.stop();
    assert.ok(sent > 100);
    await until(() => traffic.received() === sent, { what: () => `${sent} datagrams, not ${traffic.received()}` });
  });

  test('what somebody takes away or replaces comes back', async () => {
    await r1.run('ip', 'route', 'del', '10.1.0.0/16', 'proto', '196');
    const path = ['via', '192.0.2.9', 'dev', 'eth0'];
    await r1.run('ip', 'route', 'replace', '10.5.0.0/16', ...path, 'proto', '196', 'metric', '20');
    await r1.run('ip', '-6', 'route', 'del', '2001:db8:4::/48', 'via', '2001:db8::9', 'proto', '196');
    await settled(r1, false);
    const two = async (family: '-4' | '-6', dst: string): Promise<unknown> =>
      until(async () => (await ours(r1, family)).find(one => one.dst === dst)?.nexthops?.length === 2, {
        what: `both paths of ${dst}`,
      });
    await two('-4', '10.5.0.0/16');
    await two('-6', '2001:db8:4::/48');
  });

  test('a link that goes down takes its routes along, and brings them back', async () => {
    await r1.run('ip', 'link', 'set', 'eth1', 'down');
    await until(
      async () => {
        const [one] = (await ours(r1, '-4')).filter(route => route.dst === '10.5.0.0/16');
        return one?.gateway === '192.0.2.9';
      },
      { what: 'one path left' },
    );
    await r1.run('ip', 'link', 'set', 'eth0', 'down');
    await until(async () => (await ours(r1, '-4')).length === 2, { what: 'only the blackholes' });
    await r1.run('ip', 'link', 'set', 'eth0', 'up');
    await r1.run('ip', 'link', 'set', 'eth1', 'up');
    await r1.run('ip', 'addr', 'replace', '2001:db8::1/64', 'dev', 'eth0', 'nodad');
    await settled(r1, false);
    // So fast that zebra may see only that it is up.
    await r1.run('sh', '-c', 'ip link set eth0 down; ip link set eth0 up');
    await r1.run('ip', 'addr', 'replace', '2001:db8::1/64', 'dev', 'eth0', 'nodad');
    await settled(r1, false);
  });

  test('with the last address of a device routes go without a word, and come back', async () => {
    await r1.run('sh', '-c', 'ip addr del 192.0.2.1/24 dev eth0; ip addr add 192.0.2.1/24 dev eth0');
    await settled(r1, false);
    await until(async () => (await ours(r1, '-4')).find(one => one.dst === '10.5.0.0/16')?.nexthops?.length === 2, {
      what: 'both paths',
    });
  });

  test('after kill -9 a new start adopts them without touching one', async () => {
    host.child.kill('SIGKILL');
    await until(() => host.child.signalCode !== null, { what: 'the end of the host' });
    const before = [await ours(r1, '-4'), await ours(r1, '-6')];
    const said = await watched(async () => {
      host = new Host(r1, zserv, 1500);
      await host.ready;
      await host.configure(WITHOUT + CONFIG);
      await until(async () => (await host.run('show zebra')).includes('swept           Yes'), {
        what: 'the sweep',
        timeoutMs: 8000,
      });
    });
    assert.deepEqual(said, []);
    assert.deepEqual([await ours(r1, '-4'), await ours(r1, '-6')], before);
  });

  test('an orderly stop leaves nothing', async () => {
    await host.stop();
    assert.deepEqual([await ours(r1, '-4'), await ours(r1, '-6'), await r1.ipJson('nexthop')], [[], [], []]);
  });
});
