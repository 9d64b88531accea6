// A part of the daemon dies, is started again, and no packet is lost: the kernel's own record (ip monitor) shows that no route
// that is right was touched, and the peer's that its session stood.
//
//     edge (Grevy, AS 65001) 10.0.0.1 ── 10.0.0.2 transit (BIRD, AS 65002: 500 static routes)
import assert from 'node:assert/strict';
import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { type Daemon, startBird, startGrevy } from '../lib/daemons.ts';
import { Lab, type Namespace } from '../lib/netns.ts';
import { until } from '../lib/wait.ts';

const ROUTES = 500;
const STALE_S = 4;
const prefix = (i: number): string => `20.${i >> 8}.${i & 255}.0/24`;

// Half of the routes lead to a next hop that only a static route reaches: zebra has that when its configuration is told.
const EDGE = `hostname edge
ip route 192.0.2.0/24 10.0.0.2
router bgp 65001
 bgp router-id 10.0.0.1
 no bgp ebgp-requires-policy
 bgp graceful-restart rib-stale-time ${STALE_S}
 neighbor 10.0.0.2 remote-as 65002
 neighbor 10.0.0.2 ebgp-multihop 2
 neighbor 10.0.0.2 timers connect 1
exit
`;

const TRANSIT = `router id 10.0.0.2;
protocol device { scan time 1; }
protocol static near { ipv4;
${Array.from({ length: ROUTES / 2 }, (_, i) => `  route ${prefix(i)} blackhole;`).join('\n')}
}
protocol static far { ipv4;
${Array.from({ length: ROUTES / 2 }, (_, i) => `  route ${prefix(ROUTES / 2 + i)} blackhole;`).join('\n')}
}
protocol bgp edge {
  local 10.0.0.2 as 65002;
  neighbor 10.0.0.1 as 65001;
  multihop 2;
  connect delay time 1; connect retry time 1; error wait time 1, 1;
  ipv4 {
    import all;
    export filter {
      if source != RTS_STATIC then reject;
      if proto = "far" then bgp_next_hop = 192.0.2.1;
      accept;
    };
  };
}
`;

const lab = new Lab();
let edge: Namespace;
let grevy: Daemon;
let bird: Daemon;
let faults = '';

const bgpRoutes = async (): Promise<Set<string>> => {
  const rows = await edge.ipJson<{ dst: string }[]>('-4', 'route', 'show', 'proto', 'bgp');
  return new Set(rows.map(row => row.dst));
};
const settled = (count: number): Promise<unknown> =>
  until(async () => (await bgpRoutes()).size === count, {
    timeoutMs: 30_000,
    what: () => `${count} BGP routes in the kernel; Grevy printed ${grevy.output()}`,
  });

interface PeerSummary {
  state: string;
  peerUptimeMsec: number;
  connectionsEstablished: number;
  pfxRcd: number;
}
const peer = async (): Promise<PeerSummary | undefined> => {
  const answer = await grevy.sh('show bgp summary json').catch(() => '{}');
  try {
    const { ipv4Unicast } = JSON.parse(answer) as { ipv4Unicast?: { peers: Record<string, PeerSummary> } };
    return ipv4Unicast?.peers['10.0.0.2'];
  } catch {
    return undefined; // bgp is between two lives
  }
};
const told = (): Promise<unknown> =>
  until(async () => (await peer())?.pfxRcd === ROUTES, {
    timeoutMs: 30_000,
    what: () => `the peer’s routes again; Grevy printed ${grevy.output()}`,
  });
/** Threads of a group die together: this says which one first. */
const kill = async (thread: string): Promise<void> => {
  const before = grevy.output().split('runs again').length;
  writeFileSync(join(faults, thread), '');
  await until(() => grevy.output().split('runs again').length > before, {
    timeoutMs: 20_000,
    what: () => `the group of ${thread} to run again: ${grevy.output()}`,
  });
};
let marks = 0;
/** What the kernel saw of the routes during `work`. */
const watched = async (work: () => Promise<void>): Promise<string[]> => {
  const monitor = edge.spawn(['ip', '-4', 'monitor', 'route'], { stdio: ['ignore', 'pipe', 'ignore'] });
  let events = '';
  monitor.stdout?.on('data', chunk => (events += chunk));
  // It listens once it has seen something.
  await until(
    async () => {
      const address = `198.18.0.${marks++ % 256}`;
      await edge.run('ip', 'route', 'add', 'blackhole', address);
      await edge.run('ip', 'route', 'del', 'blackhole', address);
      return events !== '';
    },
    { what: 'ip monitor' },
  );
  await work();
  // It has seen all when it has seen this.
  await edge.run('ip', 'route', 'add', 'blackhole', '198.19.0.1');
  await edge.run('ip', 'route', 'del', 'blackhole', '198.19.0.1');
  await until(() => events.includes('198.19.0.1'), { what: 'ip monitor' });
  await lab.stop(monitor);
  return events.split('\n').filter(line => /(^|\s)20\./.test(line));
};

before(async () => {
  edge = await lab.namespace('edge');
  const other = await lab.namespace('transit');
  await lab.link(edge, 'eth0', other, 'eth0');
  await edge.run('ip', 'addr', 'add', '10.0.0.1/24', 'dev', 'eth0');
  await other.run('ip', 'addr', 'add', '10.0.0.2/24', 'dev', 'eth0');
  faults = await lab.directory();
  bird = await startBird(lab, other, TRANSIT);
  const fault = new URL('lib/fault.ts', import.meta.url).href;
  process.env['NODE_OPTIONS'] = `--import ${fault}`;
  process.env['GREVY_FAULTS'] = faults;
  try {
    grevy = await startGrevy(lab, edge, EDGE);
  } finally {
    delete process.env['NODE_OPTIONS'];
    delete process.env['GREVY_FAULTS'];
  }
  await settled(ROUTES);
});
after(() => lab.close());

for (const thread of ['bgp', 'bgp-io']) {
  test(`${thread} dies: no route is touched until the peer has told all of them again, nor then`, async () => {
    const touched = await watched(async () => {
      await kill(thread);
      assert.equal((await bgpRoutes()).size, ROUTES);
      await told();
      await until(async () => /Stale routes are kept: 4 s/.test(await grevy.sh('show zebra client')), {
        what: 'the session',
      });
      // The predecessor's routes go after their time; all of them have been taken over by then.
      const since = performance.now();
      await until(() => performance.now() - since > (STALE_S + 1) * 1000, { what: 'the stale time' });
    });
    assert.deepEqual(touched, []);
    await settled(ROUTES);
  });
}

test('zebra dies: the session stands, and the routes are adopted untouched', async () => {
  const before = await peer();
  const touched = await watched(async () => {
    await kill('zebra');
    await until(async () => /bgp/.test(await grevy.sh('show zebra client')), {
      timeoutMs: 20_000,
      what: 'bgp at zebra',
    });
    const since = performance.now();
    // Until what zebra says counts again, and its earlier routes are swept.
    await until(
      async () => performance.now() - since > 5000 && /Earlier routes swept|stale/i.test(await grevy.sh('show zebra')),
      { timeoutMs: 20_000, what: 'zebra to settle' },
    );
  });
  assert.deepEqual(touched, []);
  const now = await peer();
  assert.equal(now?.state, 'Established');
  assert.ok(now.peerUptimeMsec > before!.peerUptimeMsec);
  assert.equal(now.connectionsEstablished, before!.connectionsEstablished);
  assert.equal((await bgpRoutes()).size, ROUTES);
});

test('routes that went while bgp was away are swept, and no others', async () => {
  const touched = await watched(async () => {
    const restarted = kill('bgp');
    await until(() => !existsSync(join(faults, 'bgp')), { everyMs: 1, what: 'bgp to die' });
    await bird.sh('disable far');
    await restarted;
    await settled(ROUTES / 2);
  });
  const right = new Set(Array.from({ length: ROUTES / 2 }, (_, i) => prefix(i)));
  assert.deepEqual(
    touched.filter(line => line.split(' ').some(word => right.has(word))),
    [],
  );
});
