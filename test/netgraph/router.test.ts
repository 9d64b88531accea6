// A router built of nodes (ether, arp, ipfwd, fib4, ipfrag) between two namespaces, beside a second one that is the Linux kernel: tools of the
// system go through ours, and the same packets through both come out the same.
//
//    left ── eth0 │ ether ─ arp ─ split ─▶ ipfwd ─▶ fib4 ─▶ ipfrag ─▶ split ─ arp ─ ether │ eth1 ── right
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { type Graph, openGraph } from '../../src/netgraph/index.ts';
import { Lab, type Namespace, quietNamespace } from '../lib/netns.ts';
import { until } from '../lib/wait.ts';
import { frame, Wire } from './lib/frames.ts';
import { icmp, ip4, udp } from './lib/ip.ts';
import { makeRouter } from './lib/node-router.ts';

/** left 10.1.0.2 ── .1 router .1 ── 10.2.0.2 right, the right link of MTU 1400. */
interface Site {
  readonly left: Namespace;
  readonly router: Namespace;
  readonly right: Namespace;
  readonly mac: number[];
}

describe('router', () => {
  const lab = new Lab();
  let ours: Site;
  let kernel: Site;
  let graph: Graph;
  const trouble: string[] = [];

  async function site(name: string): Promise<Site> {
    const [left, router, right] = await Promise.all([
      quietNamespace(lab, `${name}-left`),
      quietNamespace(lab, `${name}-router`),
      quietNamespace(lab, `${name}-right`),
    ]);
    await lab.link(router, 'eth0', left, 'eth0');
    await lab.link(router, 'eth1', right, 'eth0');
    await left.run('ip', 'addr', 'add', '10.1.0.2/24', 'dev', 'eth0');
    await right.run('ip', 'addr', 'add', '10.2.0.2/24', 'dev', 'eth0');
    await router.run('ip', 'link', 'set', 'eth1', 'mtu', '1400');
    await right.run('ip', 'link', 'set', 'eth0', 'mtu', '1400');
    for (const each of [left, right]) {
      const via = each === left ? '10.1.0.1' : '10.2.0.1';
      await each.run('ip', 'route', 'add', 'default', 'via', via);
      // What left offers to a device it would not do itself.
      await each.run('ethtool', '-K', 'eth0', 'tx', 'off', 'tso', 'off', 'gso', 'off');
    }
    const [link] = await router.ipJson<{ address: string }[]>('link', 'show', 'eth0');
    return { left, router, right, mac: link!.address.split(':').map(byte => Number.parseInt(byte, 16)) };
  }

  before(async () => {
    [ours, kernel] = await Promise.all([site('ours'), site('kernel')]);
    await kernel.router.run('ip', 'addr', 'add', '10.1.0.1/24', 'dev', 'eth0');
    await kernel.router.run('ip', 'addr', 'add', '10.2.0.1/24', 'dev', 'eth1');
    await kernel.router.run('sysctl', '-qw', 'net.ipv4.ip_forward=1', 'net.ipv4.icmp_ratemask=0');
    // One worker: what is sent later comes out later, of other flows too.
    graph = await openGraph({ workers: 1, namespace: ours.router.path, trouble: text => trouble.push(text) });
    await makeRouter(graph, 4, {
      eth0: { address: '10.1.0.1', prefix: '10.1.0.0/24' },
      eth1: { address: '10.2.0.1', prefix: '10.2.0.0/24' },
    });
  });
  after(async () => {
    await graph.close();
    await lab.close();
    assert.deepEqual(trouble, []);
  });

  test('ping, through and to the router, and with fragments', async () => {
    assert.match(await ours.left.run('ping', '-c2', '-i0.1', '-W3', '10.2.0.2'), / 2 received/);
    assert.match(await ours.right.run('ping', '-c2', '-i0.1', '-W3', '10.1.0.2'), / 2 received/);
    assert.match(await ours.left.run('ping', '-c1', '-W3', '10.1.0.1'), / 1 received/);
    assert.match(await ours.left.run('ping', '-c1', '-W3', '10.2.0.1'), / 1 received/);
    assert.match(await ours.left.run('ping', '-c2', '-i0.1', '-W3', '-s3000', '-Mdont', '10.2.0.2'), / 2 received/);
  });

  test('what goes no further is said to the sender: hops, no route, no host, too big', async () => {
    const { left } = ours;
    // iputils fails where nothing but errors came.
    const told = (...args: string[]): Promise<string> => left.run('sh', '-c', `ping -c1 -W4 ${args.join(' ')} || true`);
    assert.match(await told('-t1', '10.2.0.2'), /From 10\.1\.0\.1.*Time to live exceeded/);
    assert.match(await told('-t2', '10.2.0.2'), / 1 received/);
    assert.match(await told('10.3.0.1'), /From 10\.1\.0\.1.*Destination Net Unreachable/);
    assert.match(await told('10.2.0.77'), /From 10\.1\.0\.1.*Destination Host Unreachable/);
    assert.match(await told('-s1400', '-Mdo', '10.2.0.2'), /Frag needed|mtu[ =]1400/i);
    await left.run('ip', 'route', 'flush', 'cache');
  });

  test('TCP goes through, a megabyte each way', async () => {
    const size = 1_000_000;
    const script = `import socket,sys
s=socket.create_server(("10.2.0.2",7000)); print("up",flush=True); c,_=s.accept(); n=0
while n<${size}:
  d=c.recv(65536)
  if not d: break
  n+=len(d); c.sendall(d)
print(n)`;
    const server = ours.right.spawn(['python3', '-c', script]);
    let said = '';
    server.stdout!.on('data', (text: Buffer) => (said += text.toString()));
    await until(() => said.includes('up'), { what: 'the server' });
    const client = `import socket,threading
c=socket.create_connection(("10.2.0.2",7000)); threading.Thread(target=lambda: c.sendall(b"x"*${size})).start(); n=0
while n<${size}:
  d=c.recv(65536)
  if not d: break
  n+=len(d)
print(n)`;
    assert.equal((await ours.left.run('python3', '-c', client)).trim(), String(size));
  });

  /** What comes out of a router for a packet from left: at the other side, and back. */
  async function through(where: Site, packet: Buffer): Promise<{ out: string[]; back: string[] }> {
    const left = new Wire(where.left.path, 'eth0');
    const right = new Wire(where.right.path, 'eth0');
    try {
      left.send(frame(where.mac, [2, 0, 0, 0, 0, 9], 8, 0, ...packet));
      // A last one, which goes through: when it has come, all before it has.
      const last = ip4({ from: '10.1.0.2', to: '10.2.0.2', protocol: 253 }, Buffer.from('the last'));
      left.send(frame(where.mac, [2, 0, 0, 0, 0, 9], 8, 0, ...last));
      const out: Buffer[] = [];
      await until(
        () => {
          out.push(...right.all());
          return out.some(bytes => bytes[14 + 9] === 253);
        },
        { what: 'the last packet', everyMs: 1 },
      );
      const shown = (all: readonly Buffer[], to: number): string[] =>
        all
          // IPv4 that the router sent: of other protocols and of the ends' own answers nothing.
          .filter(bytes => bytes[12] === 8 && bytes[13] === 0 && bytes[14 + 9] !== 253 && bytes[14 + 18] === to)
          .map(bytes => plain(bytes.subarray(14, 14 + bytes.readUInt16BE(16))));
      return { out: shown(out, 0), back: shown(left.all(), 0).filter(text => text.slice(24, 32) === '0a010001') };
    } finally {
      left.close();
      right.close();
    }
  }

  /** Without the identification, which the kernel takes from a counter for its errors; the header's sum depends on it. */
  function plain(ip: Buffer): string {
    const bytes = Buffer.from(ip);
    if ((bytes[1]! & 0xc0) === 0xc0) bytes.fill(0, 4, 8).fill(0, 10, 12);
    return bytes.toString('hex');
  }

  test('the same packets come out of both routers, and the same errors come back', async () => {
    const from = '10.1.0.2';
    const long = 1470;
    const packets: Record<string, Buffer> = {
      plain: ip4({ from, to: '10.2.0.2' }, udp(20)),
      'last hop': ip4({ from, to: '10.2.0.2', ttl: 2 }, udp(20)),
      expired: ip4({ from, to: '10.2.0.2', ttl: 1 }, udp(20)),
      'expired, long': ip4({ from, to: '10.2.0.2', ttl: 1 }, udp(long - 8)),
      'expired error': ip4({ from, to: '10.2.0.2', ttl: 1, protocol: 1 }, icmp(3, ...ip4({ to: '9.9.9.9' }, udp(0)))),
      'expired echo': ip4({ from, to: '10.2.0.2', ttl: 1, protocol: 1 }, icmp(8, 1, 2)),
      'no route': ip4({ from, to: '10.77.0.1' }, udp(20)),
      fragments: ip4({ from, to: '10.2.0.2' }, udp(long - 8)),
      'too big': ip4({ from, to: '10.2.0.2', flags: 0x40 }, udp(long - 8)),
      loopback: ip4({ from: '127.0.0.5', to: '10.2.0.2' }, udp(20)),
      'a group as source': ip4({ from: '224.0.0.5', to: '10.2.0.2' }, udp(20)),
      'source route': ip4({ from, to: '10.2.0.2', options: [131, 7, 4, 10, 2, 0, 9, 0] }, udp(20)),
      'router alert': ip4({ from, to: '10.2.0.2', options: [148, 4, 0, 0] }, udp(20)),
      // One that is copied into all; of the others the kernel leaves NOPs in later fragments, and we leave nothing.
      'fragments with options': ip4({ from, to: '10.2.0.2', options: [148, 4, 0, 0] }, udp(long - 12)),
      'wrong sum': ip4({ from, to: '10.2.0.2' }, udp(20)).fill(0x77, 10, 12),
      'wrong length': ip4({ from, to: '10.2.0.2' }, udp(20)).fill(0x77, 2, 4),
    };
    for (const [name, packet] of Object.entries(packets)) {
      const [a, b] = await Promise.all([through(ours, packet), through(kernel, packet)]);
      assert.deepEqual(a, b, name);
    }
  });
});
