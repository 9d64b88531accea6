// Debian's bgpd and staticd (FRR 8.4.4) through Grevy's zebra and dataplane into a real kernel, checked with `ip -j`.
import assert from 'node:assert/strict';
import type { ChildProcess } from 'node:child_process';
import { chmodSync, existsSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { type Daemon, startFrr, startGrevy } from '../lib/daemons.ts';
import { Lab, type Namespace, runCommand } from '../lib/netns.ts';
import { until } from '../lib/wait.ts';

interface KernelRoute {
  dst: string;
  type?: string;
  gateway?: string;
  dev?: string;
  protocol: string;
  metric?: number;
}

describe('FRR 8.4.4 daemons over the kernel', { timeout: 90_000 }, () => {
  const lab = new Lab();
  let r1: Namespace;
  let r2: Namespace;
  let zserv: string;
  let host: ChildProcess;
  let errors = '';
  let staticd: Daemon;

  const routes = async (family: '-4' | '-6' = '-4'): Promise<Map<string, KernelRoute>> =>
    new Map((await r1.ipJson<KernelRoute[]>(family, 'route', 'show')).map(route => [route.dst, route]));
  const has = (dst: string): Promise<KernelRoute> =>
    until(async () => (await routes()).get(dst), { what: () => `${dst} in the kernel; ${errors}`, timeoutMs: 20_000 });

  before(async () => {
    r1 = await lab.namespace('r1');
    r2 = await lab.namespace('r2');
    await lab.link(r1, 'eth0', r2, 'eth0');
    await r1.run('ip', 'addr', 'add', '192.0.2.1/24', 'dev', 'eth0');
    await r2.run('ip', 'addr', 'add', '192.0.2.2/24', 'dev', 'eth0');
    const directory = await lab.directory();
    chmodSync(directory, 0o755);
    zserv = join(directory, 'zserv.api');
    const script = fileURLToPath(new URL('./host.ts', import.meta.url));
    host = r1.spawn([process.execPath, script, zserv], { stdio: ['pipe', 'ignore', 'pipe'] });
    host.stderr!.on('data', (chunk: Buffer) => {
      errors += chunk.toString();
    });
    await until(() => existsSync(zserv), { what: () => `zebra's socket; ${errors}`, timeoutMs: 20_000 });
    staticd = await startFrr(
      lab,
      r1,
      'staticd',
      `ip route 10.1.0.0/16 192.0.2.77
ip route 10.2.0.0/16 blackhole
ip route 10.3.0.0/16 10.1.2.3
ip route 10.4.0.0/16 203.0.113.1
`,
      { zserv },
    );
  });

  after(() => lab.close());

  test('staticd: routes by gateway, blackhole and recursion', async () => {
    const direct = await has('10.1.0.0/16');
    assert.match(direct.protocol, /196|zstatic|static/);
    assert.deepEqual([direct.gateway, direct.dev, direct.metric], ['192.0.2.77', 'eth0', 20]);
    assert.equal((await has('10.2.0.0/16')).type, 'blackhole');
    assert.equal((await has('10.3.0.0/16')).gateway, '192.0.2.77');
    assert.equal((await routes()).has('10.4.0.0/16'), false);
  });

  test('bgpd: a route of its peer', async () => {
    await startFrr(
      lab,
      r2,
      'bgpd',
      `router bgp 65002
 bgp router-id 192.0.2.2
 no bgp ebgp-requires-policy
 no bgp network import-check
 neighbor 192.0.2.1 remote-as 65001
 neighbor 192.0.2.1 timers connect 1
 address-family ipv4 unicast
  network 10.20.0.0/16
`,
      { args: ['-Z'] },
    );
    const near = await startFrr(
      lab,
      r1,
      'bgpd',
      `router bgp 65001
 no bgp ebgp-requires-policy
 neighbor 192.0.2.2 remote-as 65002
 neighbor 192.0.2.2 timers connect 1
`,
      { zserv },
    );
    const route = await has('10.20.0.0/16');
    assert.deepEqual([route.gateway, route.dev, route.metric], ['192.0.2.2', 'eth0', 20]);
    await near.stop();
    await until(async () => !(await routes()).has('10.20.0.0/16'), { what: "bgpd's route to go with it" });
    assert.ok((await routes()).has('10.1.0.0/16'));
  });

  test('a link that goes down and comes back brings back what the kernel dropped', async () => {
    await r1.run('ip', 'link', 'set', 'eth0', 'down');
    await until(async () => !(await routes()).has('10.3.0.0/16'), { what: 'the routes to go' });
    await r1.run('ip', 'link', 'set', 'eth0', 'up');
    await has('10.1.0.0/16');
    await has('10.3.0.0/16');
    assert.match(await staticd.sh('show version'), /8\.4\.4/);
  });
});

/** FRR's daemons come back to a zebra ten seconds after it went. */
const SWEEP_SECONDS = '13';

// FRR 8.4.4's bgpd tells a zebra that came back nothing of what it had told the one before.
//
//     r1 (Grevy's zebra, Debian's bgpd, AS 65001) 192.0.2.1 ── 192.0.2.2 r2 (Debian's bgpd, AS 65002)
describe('a zebra that was killed, and a bgpd of FRR 8.4.4 that outlived it', { timeout: 120_000 }, () => {
  const lab = new Lab();
  const networks = Array.from({ length: 5 }, (_, i) => `10.20.${i}.0/24`);
  let r1: Namespace;
  let grevy: Daemon;
  let near: Daemon;
  let far: Daemon;
  let seen = '';

  const bgpRoutes = async (): Promise<string[]> =>
    (await r1.ipJson<KernelRoute[]>('-4', 'route', 'show', 'proto', 'bgp')).map(route => route.dst).toSorted();
  const become = (expected: readonly string[]): Promise<unknown> =>
    until(async () => (seen = (await bgpRoutes()).join()) === expected.join(), {
      what: () => `${expected.join()} in the kernel, not ${seen}; ${grevy.output()}`,
      timeoutMs: 30_000,
    });
  /** After the sweep, so many of bgpd's routes are kept. */
  const kept = (count: number): Promise<unknown> =>
    until(
      async () => (seen = await grevy.sh('show zebra')).includes(`Earlier routes kept            ${count} for bgp`),
      {
        what: () => `${count} routes to be kept by the sweep; ${seen}`,
        timeoutMs: 40_000,
      },
    );
  const network = (line: string): Promise<string> =>
    runCommand(
      'vtysh',
      [
        '--vty_socket',
        join(far.directory, 'vty'),
        '-d',
        'bgpd',
        '-c',
        'configure terminal',
        '-c',
        'router bgp 65002',
      ].concat(['-c', 'address-family ipv4 unicast', '-c', line]),
    );

  before(async () => {
    r1 = await lab.namespace('r1');
    const r2 = await lab.namespace('r2');
    await lab.link(r1, 'eth0', r2, 'eth0');
    await r1.run('ip', 'addr', 'add', '192.0.2.1/24', 'dev', 'eth0');
    await r2.run('ip', 'addr', 'add', '192.0.2.2/24', 'dev', 'eth0');
    grevy = await startGrevy(lab, r1, '');
    chmodSync(grevy.directory, 0o755);
    far = await startFrr(
      lab,
      r2,
      'bgpd',
      `router bgp 65002
 bgp router-id 192.0.2.2
 no bgp ebgp-requires-policy
 no bgp network import-check
 neighbor 192.0.2.1 remote-as 65001
 neighbor 192.0.2.1 timers connect 1
 address-family ipv4 unicast
${networks.map(one => `  network ${one}`).join('\n')}
`,
      { args: ['-Z'] },
    );
    near = await startFrr(
      lab,
      r1,
      'bgpd',
      `router bgp 65001
 no bgp ebgp-requires-policy
 neighbor 192.0.2.2 remote-as 65002
 neighbor 192.0.2.2 timers connect 1
`,
      { zserv: join(grevy.directory, 'run', 'zserv.api') },
    );
    await become(networks);
  });
  after(() => lab.close());

  test('none of its routes is touched by the sweep; news of one route is of one route', async () => {
    await grevy.kill();
    const monitor = r1.spawn(['ip', '-4', 'monitor', 'route'], { stdio: ['ignore', 'pipe', 'ignore'] });
    let events = '';
    monitor.stdout?.on('data', chunk => (events += chunk));
    grevy = await startGrevy(lab, r1, '', { directory: grevy.directory, args: ['-K', SWEEP_SECONDS] });
    const clients = async (): Promise<string> => await grevy.sh('show zebra client');
    await until(async () => (await clients()).split('Client: bgp').length === 3, {
      what: () => `bgpd to reconnect; ${grevy.output()}`,
      timeoutMs: 20_000,
    });
    assert.match(await grevy.sh('show zebra'), /Earlier routes swept +Not yet/, 'bgpd came before the sweep');
    // One more in the time before the sweep.
    await network('network 10.20.5.0/24');
    await become([...networks, '10.20.5.0/24']);
    await kept(5);
    assert.match(await clients(), /Earlier routes kept: 5/);
    assert.match(grevy.output(), /5 routes of an earlier life are kept: the client bgp/);
    // A link that flaps may take them, a reconciliation must not.
    await grevy.sh('clear zebra route reconcile');
    await network('no network 10.20.0.0/24');
    await become([...networks.slice(1), '10.20.5.0/24']);
    await lab.stop(monitor);
    const touched = events.split('\n').filter(line => line.includes('10.20.') && !/10\.20\.[05]\.0/.test(line));
    assert.deepEqual(touched, [], 'right routes were never rewritten');
  });

  test('an operator removes what is kept, and it goes with its client', async () => {
    assert.match(await grevy.sh('show zebra'), /Earlier routes kept +4 for bgp/);
    await grevy.sh('clear zebra stale');
    await become(['10.20.5.0/24']);
    assert.doesNotMatch(await grevy.sh('show zebra'), /Earlier routes kept/);
    // Told anew, and kept by the next zebra until the client goes.
    await runCommand('vtysh', ['--vty_socket', join(near.directory, 'vty'), '-d', 'bgpd', '-c', 'clear bgp *']);
    await become([...networks.slice(1), '10.20.5.0/24']);
    await grevy.kill();
    grevy = await startGrevy(lab, r1, '', { directory: grevy.directory, args: ['-K', SWEEP_SECONDS] });
    await kept(5);
    await near.kill();
    await until(async () => (await bgpRoutes()).length === 0, { what: 'its routes to go with it', timeoutMs: 10_000 });
  });
});
