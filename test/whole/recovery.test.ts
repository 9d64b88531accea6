// Nothing is lost: the daemon is killed, routes are taken from under it, links flap, peers talk nonsense; the kernel, asked
// through ip(8), has the right routes at the end and right routes were never touched.
//
//     edge (Grevy, AS 65001) 10.0.0.1 ── 10.0.0.2 transit (BIRD, AS 65002: 500 static routes)
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { type Daemon, startBird, startGrevy } from '../lib/daemons.ts';
import { Lab, type Namespace } from '../lib/netns.ts';
import { until } from '../lib/wait.ts';

const ROUTES = 500;
const prefix = (i: number): string => `20.${i >> 8}.${i & 255}.0/24`;

const MARKER = 'ff'.repeat(16);

function message(type: number, body: string): string {
  const length = (19 + body.length / 2).toString(16).padStart(4, '0');
  return MARKER + length + type.toString(16).padStart(2, '0') + body;
}

const OPEN = message(1, '04fdeb005a0a00000300');
const SESSION = OPEN + message(4, '');
const update = (attributes: string, nlri: string): string =>
  message(2, `0000${(attributes.length / 2).toString(16).padStart(4, '0')}${attributes}${nlri}`);
/** What a neighbour of AS 65003 says, and the NOTIFICATION it gets for it. */
const GARBAGE: readonly [what: string, bytes: string, notification: string][] = [
  ['a marker that is none', `${'00'.repeat(16)}001304`, '1/1'],
  ['a length below the header', `${MARKER}001204`, '1/2'],
  ['an unknown type', message(9, ''), '1/3'],
  ['an unknown version', message(1, '03fdeb005a0a00000300'), '2/1'],
  ['another AS number', message(1, '04fdec005a0a00000300'), '2/2'],
  ['a hold time of 1', message(1, '04fdeb00010a00000300'), '2/6'],
  ['an UPDATE before the OPEN', update('', ''), '5/1'],
  ['an UPDATE whose attributes are longer than it', SESSION + message(2, '0000ffff400101'), '3/1'],
  [
    'an UPDATE with a prefix of 33 bits',
    SESSION + update('4001010040020602010000fdeb4003040a000003', '211600000000'),
    '3/10',
  ],
];

const EDGE = `hostname edge
!
ip route 198.51.100.0/24 blackhole
ip route 203.0.113.0/24 10.0.0.2
!
router bgp 65001
 bgp router-id 10.0.0.1
 no bgp ebgp-requires-policy
 neighbor 10.0.0.2 remote-as 65002
 neighbor 10.0.0.2 timers connect 1
${GARBAGE.map((_, i) => ` neighbor 10.0.0.${10 + i} remote-as 65003\n neighbor 10.0.0.${10 + i} passive\n`).join('')}exit
`;

/** A program that connects to argv[1] from argv[2], says the bytes of argv[3], and prints what it heard until the end. */
const SPEAKER = `
const [host, localAddress, bytes] = process.argv.slice(1);
const socket = require('net').connect({ host, localAddress, port: 179 });
let heard = '';
socket.on('connect', () => socket.write(Buffer.from(bytes, 'hex')));
socket.on('data', data => { heard += data.toString('hex'); });
socket.on('error', () => {});
socket.on('close', () => console.log(heard));
`;

function transit(count: number): string {
  const routes = Array.from({ length: count }, (_, i) => `  route ${prefix(i)} blackhole;`).join('\n');
  return `router id 10.0.0.2;
protocol device { scan time 1; }
protocol static { ipv4;
${routes}
}
protocol bgp edge {
  local 10.0.0.2 as 65002;
  neighbor 10.0.0.1 as 65001;
  connect delay time 1; connect retry time 1; error wait time 1, 2;
  ipv4 { import all; export where source = RTS_STATIC; };
}
`;
}

describe('recovery', () => {
  const lab = new Lab();
  let edge: Namespace;
  let other: Namespace;
  let grevy: Daemon;
  let bird: Daemon;

  const bgpRoutes = async (): Promise<Set<string>> => {
    const rows = await edge.ipJson<{ dst: string }[]>('-4', 'route', 'show', 'proto', 'bgp');
    return new Set(rows.map(row => row.dst));
  };
  const settled = (count: number): Promise<unknown> =>
    until(async () => (await bgpRoutes()).size === count, {
      timeoutMs: 30_000,
      everyMs: 50,
      what: () => `${count} BGP routes in the kernel; Grevy printed ${grevy.output()}`,
    });

  before(async () => {
    edge = await lab.namespace('edge');
    other = await lab.namespace('transit');
    await lab.link(edge, 'eth0', other, 'eth0');
    await edge.run('ip', 'addr', 'add', '10.0.0.1/24', 'dev', 'eth0');
    await other.run('ip', 'addr', 'add', '10.0.0.2/24', 'dev', 'eth0');
    for (const i of GARBAGE.keys()) await other.run('ip', 'addr', 'add', `10.0.0.${10 + i}/24`, 'dev', 'eth0');
    bird = await startBird(lab, other, transit(ROUTES));
    grevy = await startGrevy(lab, edge, EDGE, { rehearsal: true });
    await settled(ROUTES);
  });
  after(() => lab.close());

  test('a route deleted behind its back is put back', async () => {
    await edge.run('ip', 'route', 'del', prefix(7));
    await edge.run('ip', 'route', 'del', '203.0.113.0/24');
    await settled(ROUTES);
    await until(async () => (await edge.ipJson('route', 'show', '203.0.113.0/24')).length === 1, {
      what: 'the static route back',
    });
  });

  test('routes that the kernel dropped without a word when the link went down come back with it', async () => {
    await edge.run('ip', 'link', 'set', 'eth0', 'down');
    await until(async () => (await bgpRoutes()).size === 0, { what: 'the kernel to drop its routes' });
    await until(async () => !(await grevy.sh('show ip route 203.0.113.0/24 json')).includes('"installed"'), {
      what: 'Grevy to know that they are gone',
    });
    await edge.run('ip', 'link', 'set', 'eth0', 'up');
    await settled(ROUTES);
    await until(async () => (await edge.ipJson('route', 'show', '203.0.113.0/24')).length === 1, {
      what: 'the static route back',
    });
    // Nothing was asked of the kernel that it had to refuse.
    const counters = JSON.parse(await grevy.sh('show zebra dplane json')) as Record<string, number>;
    assert.deepEqual([counters['routeUpdateErrors'], counters['nexthopUpdateErrors']], [0, 0]);
  });

  test('a nexthop object deleted behind its back takes its routes along, and all of them are put back', async () => {
    // The session went down with the link, too: it may be that its routes come back for the second time.
    const object = await until(
      async () => {
        const [row] = await edge.ipJson<{ nhid?: number }[]>('route', 'show', prefix(3));
        return row?.nhid;
      },
      { timeoutMs: 30_000, what: 'a route by a nexthop object' },
    );
    await edge.run('ip', 'nexthop', 'del', 'id', String(object));
    await settled(ROUTES);
  });

  test('a peer that sends garbage gets the right NOTIFICATION and disturbs nobody', { timeout: 60_000 }, async () => {
    const session = async (): Promise<{ peerUptimeMsec: number; state: string }> => {
      const summary = JSON.parse(await grevy.sh('show bgp summary json')) as {
        ipv4Unicast: { peers: Record<string, { peerUptimeMsec: number; state: string }> };
      };
      return summary.ipv4Unicast.peers['10.0.0.2']!;
    };
    const before = await session();
    /** The NOTIFICATION with which Grevy answers these bytes, as `code/subcode`. */
    const answer = async (from: string, bytes: string): Promise<string> => {
      const heard = Buffer.from(
        (await other.run(process.execPath, '-e', SPEAKER, '10.0.0.1', from, bytes)).trim(),
        'hex',
      );
      for (let at = 0; at + 21 <= heard.length; at += heard.readUInt16BE(at + 16)) {
        if (heard[at + 18] === 3) return `${heard[at + 19]}/${heard[at + 20]}`;
      }
      return `no NOTIFICATION: ${heard.toString('hex')}`;
    };
    await Promise.all(
      GARBAGE.map(async ([what, bytes, notification], i) => {
        assert.equal(await answer(`10.0.0.${10 + i}`, bytes), notification, what);
      }),
    );
    // The neighbour's own address, while its session is up: a second connection is turned away.
    assert.equal(await answer('10.0.0.2', '00'.repeat(16) + '001304'), '6/7');
    const now = await session();
    assert.equal(now.state, 'Established');
    assert.ok(now.peerUptimeMsec >= before.peerUptimeMsec);
    assert.equal((await bgpRoutes()).size, ROUTES);
  });

  test('kill -9 leaves the routes forwarding; the next start touches none that is right and sweeps what is stale', async () => {
    await grevy.kill();
    assert.equal((await bgpRoutes()).size, ROUTES, 'routes outlive the daemon');
    // What changes while it is away: one route of ours disappears, one that nobody wants appears under our protocol.
    await edge.run('ip', 'route', 'del', prefix(9));
    await edge.run('ip', 'route', 'add', 'blackhole', '21.0.0.0/24', 'proto', 'bgp', 'metric', '20');
    const monitor = edge.spawn(['ip', '-4', 'monitor', 'route'], { stdio: ['ignore', 'pipe', 'ignore'] });
    let events = '';
    monitor.stdout?.on('data', chunk => (events += chunk));
    grevy = await startGrevy(lab, edge, EDGE, {
      directory: grevy.directory,
      args: ['--graceful-restart', '5'],
    });
    await until(async () => (await bgpRoutes()).has(prefix(9)), { timeoutMs: 30_000, what: 'the missing route' });
    await until(async () => !(await bgpRoutes()).has('21.0.0.0/24'), {
      timeoutMs: 15_000,
      what: 'the stale route swept',
    });
    await settled(ROUTES);
    await lab.stop(monitor);
    const touched = events.split('\n').filter(line => line.includes('20.') && !line.includes(prefix(9)));
    assert.deepEqual(touched, [], 'right routes were never rewritten');
  });

  test('a route withdrawn leaves the kernel, and an orderly stop takes all of ours with it', async () => {
    await bird.sh('disable static1');
    await settled(0);
    await bird.sh('enable static1');
    await settled(ROUTES);
    await grevy.stop();
    assert.equal(grevy.child.exitCode, 0, grevy.output());
    assert.equal((await bgpRoutes()).size, 0);
    assert.deepEqual(await edge.ipJson('nexthop', 'show'), []);
  });
});
