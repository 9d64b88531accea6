// Graceful restart beside GoBGP 3.10, OpenBGPD 7.7 and ExaBGP 4.2.21, as far as they know it:
//   GoBGP    does both. After its own restart (`gobgpd -r`) it selects nothing until its neighbours have said End-of-RIB.
//   ExaBGP   is one that restarts: it says that its forwarding goes on, and End-of-RIB. It has no table, so it keeps nothing of ours.
//   OpenBGPD keeps what a neighbour that restarts had said. It does not restart so itself: its capability names no family, and
//            means only that it says End-of-RIB (bgpd.conf(5), `announce restart`).
import assert from 'node:assert/strict';
import { after, afterEach, before, beforeEach, describe, test } from 'node:test';
import { type Daemon, startExabgp, startGobgp, startGrevy, startOpenbgpd } from '../lib/daemons.ts';
import { Lab, type Namespace } from '../lib/netns.ts';
import { until } from '../lib/wait.ts';

const lab = new Lab();
let here: Namespace;
let there: Namespace;
let grevy: Daemon;
let peer: Daemon;

before(async () => {
  here = await lab.namespace('grevy');
  there = await lab.namespace('peer');
  await lab.link(here, 'eth0', there, 'eth0');
  await here.run('ip', 'addr', 'add', '10.0.0.10/24', 'dev', 'eth0');
  await there.run('ip', 'addr', 'add', '10.0.0.1/24', 'dev', 'eth0');
});
after(() => lab.close());

const RESTARTS =
  ' bgp graceful-restart\n bgp graceful-restart preserve-fw-state\n bgp graceful-restart restart-time 30\n';

const GREVY = (own: string, networks: readonly string[] = ['10.10.0.0/24', '10.10.1.0/24']): string => `router bgp 65010
 bgp router-id 10.0.0.10
 no bgp ebgp-requires-policy
 no bgp network import-check
${own} neighbor 10.0.0.1 remote-as 65001
 neighbor 10.0.0.1 timers connect 1
 address-family ipv4 unicast
${networks.map(one => `  network ${one}\n`).join('')} exit-address-family
exit
`;

/** Prefixes of the neighbour that Grevy has, with their marks. */
async function table(): Promise<string[]> {
  const text = await grevy.sh('show bgp ipv4 unicast');
  return Array.from(
    text.matchAll(/^([S* ][> ]) {1,2}(10\.1\.\d+\.0)/gm),
    ([, mark, prefix]) => `${mark!.trim()} ${prefix}`,
  );
}

/** Waits until `read` says exactly this. */
async function comesTo(who: string, read: () => Promise<string[]>, expected: readonly string[]): Promise<void> {
  let last: string[] = [];
  await until(
    async () => {
      last = await read();
      return last.join() === expected.join();
    },
    {
      timeoutMs: 60_000,
      what: () => `${who} to have ${expected.join()}; it has ${last.join()}\n${grevy.output()}${peer.output()}`,
    },
  );
}

const becomes = (...expected: string[]): Promise<void> => comesTo('Grevy', table, expected);

async function kernelRoutes(): Promise<string[]> {
  const routes = await here.ipJson<{ dst: string }[]>('route', 'show', 'proto', 'bgp');
  return routes.map(one => one.dst).toSorted();
}

const kernelBecomes = (...expected: string[]): Promise<void> => comesTo('the kernel', kernelRoutes, expected);

/** What the kernel says of its routes from now on. */
function watchKernel(): { said: () => string; stop: () => void } {
  const monitor = here.spawn(['ip', '-o', 'monitor', 'route'], { stdio: ['ignore', 'pipe', 'ignore'] });
  let said = '';
  monitor.stdout!.on('data', chunk => (said += String(chunk)));
  return { said: () => said, stop: () => void monitor.kill() };
}

/** Waits until the neighbour's shell says it. */
async function heard(command: string, pattern: RegExp): Promise<string> {
  let text = '';
  return await until(
    async () => {
      text = await peer.sh(command).catch(error => String(error));
      return pattern.test(text) ? text : '';
    },
    {
      timeoutMs: 30_000,
      what: () => `${command}: ${pattern}\n${text}\n${grevy.output()}${peer.output()}`,
    },
  );
}

interface Restart {
  remoteGrMode: string;
  rBit: boolean;
  endOfRibRecv?: Record<string, boolean>;
  ipv4Unicast?: { fBit: boolean };
}

const restartInfo = async (): Promise<Restart> =>
  (JSON.parse(await grevy.sh('show bgp neighbors 10.0.0.1 json')) as Record<string, { gracefulRestartInfo: Restart }>)[
    '10.0.0.1'
  ]!.gracefulRestartInfo;

const [BOTH, STALE] = [
  ['*> 10.1.0.0', '*> 10.1.1.0'],
  ['S> 10.1.0.0', 'S> 10.1.1.0'],
];

describe('ExaBGP', () => {
  const EXABGP = (restartS: number, routes: readonly string[]): string => `neighbor 10.0.0.10 {
  router-id 10.0.0.1; local-address 10.0.0.1; local-as 65001; peer-as 65010; passive true;
  family { ipv4 unicast; }
  capability { graceful-restart ${restartS === 0 ? 'disable' : restartS}; }
  static { ${routes.map(one => `route ${one} next-hop 10.0.0.1;`).join(' ')} }
  api { processes [ seen ]; neighbor-changes; receive { parsed; open; update; } }
}
`;
  const start = async (restartS: number, ...routes: string[]): Promise<void> => {
    peer = await startExabgp(lab, there, EXABGP(restartS, routes), '10.0.0.1');
  };

  describe('it restarts', () => {
    // Each time anew: one whose neighbour is lost again and again waits longer and longer.
    beforeEach(async () => {
      grevy = await startGrevy(lab, here, GREVY(''));
    });
    afterEach(async () => {
      await peer.kill();
      await grevy.stop();
      await kernelBecomes();
    });

    test('killed: its routes go on forwarding; back, what it does not say again goes at its End-of-RIB', async () => {
      await start(4, '10.1.0.0/24', '10.1.1.0/24');
      await becomes(...BOTH!);
      await kernelBecomes('10.1.0.0/24', '10.1.1.0/24');
      const watch = watchKernel();
      await peer.kill();
      await becomes(...STALE!);
      await start(4, '10.1.0.0/24');
      await becomes('*> 10.1.0.0');
      await kernelBecomes('10.1.0.0/24');
      // Not for a moment was it away.
      assert.doesNotMatch(watch.said(), /10\.1\.0\.0/);
      watch.stop();
      const { remoteGrMode, rBit, ipv4Unicast } = await restartInfo();
      assert.deepEqual([remoteGrMode, rBit, ipv4Unicast?.fBit], ['Restart', true, true]);
    });

    test('killed for good: its routes go when its time is over', async () => {
      await start(2, '10.1.0.0/24', '10.1.1.0/24');
      await becomes(...BOTH!);
      await peer.kill();
      await becomes(...STALE!);
      await becomes();
      await kernelBecomes();
    });

    // It closes without a NOTIFICATION where graceful restart was agreed.
    test('stopped in order, it says no goodbye: its routes stay; back without the capability, all of them go', async () => {
      await start(30, '10.1.0.0/24', '10.1.1.0/24');
      await becomes(...BOTH!);
      await peer.stop();
      await becomes(...STALE!);
      await kernelBecomes('10.1.0.0/24', '10.1.1.0/24');
      await start(0, '10.1.0.0/24');
      await becomes('*> 10.1.0.0');
      await kernelBecomes('10.1.0.0/24');
    });

    test('without the capability, killed: its routes go with it', async () => {
      await start(0, '10.1.0.0/24', '10.1.1.0/24');
      await becomes(...BOTH!);
      await kernelBecomes('10.1.0.0/24', '10.1.1.0/24');
      await peer.kill();
      await becomes();
    });
  });

  test('we restart, killed: the kernel keeps its routes, and ExaBGP is told all anew', async () => {
    await start(30, '10.1.0.0/24', '10.1.1.0/24');
    grevy = await startGrevy(lab, here, GREVY(RESTARTS));
    await becomes(...BOTH!);
    await kernelBecomes('10.1.0.0/24', '10.1.1.0/24');
    await heard('', /10\.10\.1\.0\/24[^]*"eor"/);
    const watch = watchKernel();
    const before = (await peer.sh('')).length;
    const { directory } = grevy;
    await grevy.kill();
    await heard('', /"state": "down"/);
    await kernelBecomes('10.1.0.0/24', '10.1.1.0/24');
    grevy = await startGrevy(lab, here, GREVY(RESTARTS, ['10.10.0.0/24']), { directory });
    await becomes(...BOTH!);
    const since = (await heard('', /"state": "down"[^]*10\.10\.0\.0\/24[^]*"eor"/)).slice(before);
    // What we no longer have is not said again, and our OPEN says that we have just been restarted.
    assert.doesNotMatch(since, /10\.10\.1\.0/);
    assert.match(since, /"graceful restart", "time": 30, .*"restart-flags": \[ "forwarding" \]/);
    await kernelBecomes('10.1.0.0/24', '10.1.1.0/24');
    assert.doesNotMatch(watch.said(), /10\.1\.[01]\.0/);
    watch.stop();
    await grevy.stop();
    await peer.kill();
  });
});

describe('OpenBGPD', () => {
  const OPENBGPD = (...networks: string[]): string => `AS 65001
router-id 10.0.0.1
${networks.map(one => `network ${one}\n`).join('')}neighbor 10.0.0.10 {
  remote-as 65010
  local-address 10.0.0.1
  announce IPv4 unicast
  announce IPv6 none
}
allow from any
allow to any
`;
  const start = async (...networks: string[]): Promise<void> => {
    peer = await startOpenbgpd(lab, there, OPENBGPD(...networks));
  };
  /** What it has of ours, with its flags; S: stale. */
  const theirs = async (): Promise<string[]> =>
    Array.from(
      (await peer.sh('show rib')).matchAll(/^(\S+) +\S+ +(10\.10\.\d+\.0)/gm),
      ([, flags, prefix]) => `${flags} ${prefix}`,
    );
  const theyHave = (...expected: string[]): Promise<void> => comesTo('OpenBGPD', theirs, expected);

  const OURS = ['*> 10.10.0.0', '*> 10.10.1.0'];
  const begin = async (own: string): Promise<void> => {
    await start('10.1.0.0/24', '10.1.1.0/24');
    grevy = await startGrevy(lab, here, GREVY(own));
    await becomes(...BOTH!);
    await kernelBecomes('10.1.0.0/24', '10.1.1.0/24');
    await theyHave(...OURS);
  };
  afterEach(async () => {
    await grevy.stop();
    await peer.stop();
    await kernelBecomes();
  });

  test('we restart, killed: it keeps our routes until our End-of-RIB, and nothing moves in the kernel', async () => {
    await begin(RESTARTS);
    await heard('show neighbor 10.0.0.10', /Graceful Restart: Timeout: 30, restarted, IPv4 unicast \(preserved\)/);
    const watch = watchKernel();
    const { directory } = grevy;
    await grevy.kill();
    await theyHave(...OURS.map(one => `S${one}`));
    await kernelBecomes('10.1.0.0/24', '10.1.1.0/24');
    grevy = await startGrevy(lab, here, GREVY(RESTARTS, ['10.10.0.0/24']), { directory });
    await becomes(...BOTH!);
    await theyHave('*> 10.10.0.0');
    assert.doesNotMatch(watch.said(), /10\.1\.[01]\.0/);
    watch.stop();
    const { remoteGrMode, endOfRibRecv, ipv4Unicast } = await restartInfo();
    assert.deepEqual([remoteGrMode, endOfRibRecv, ipv4Unicast?.fBit], ['Helper', { ipv4Unicast: true }, false]);
  });

  test('we restart in order, with --retain', async () => {
    await begin(RESTARTS);
    const { directory } = grevy;
    await grevy.stop();
    await theyHave();
    grevy = await startGrevy(lab, here, GREVY(RESTARTS), { directory, args: ['--retain'] });
    await theyHave(...OURS);
    await becomes(...BOTH!);
    await kernelBecomes('10.1.0.0/24', '10.1.1.0/24');
    await grevy.stop();
    await theyHave(...OURS.map(one => `S${one}`));
    await kernelBecomes('10.1.0.0/24', '10.1.1.0/24');
    grevy = await startGrevy(lab, here, GREVY(RESTARTS), { directory });
    await theyHave(...OURS);
  });

  test('we are killed for good: our routes go there when our time is over', async () => {
    await begin(RESTARTS.replace('restart-time 30', 'restart-time 2'));
    const { directory } = grevy;
    await grevy.kill();
    await theyHave(...OURS.map(one => `S${one}`));
    await theyHave();
    // To tidy the kernel.
    grevy = await startGrevy(lab, here, GREVY(RESTARTS), { directory });
    await theyHave(...OURS);
  });

  test('we do not restart so, and are killed: our routes go there with us', async () => {
    await begin('');
    const { directory } = grevy;
    await grevy.kill();
    await theyHave(); // well before the two minutes that would be our time
    grevy = await startGrevy(lab, here, GREVY(''), { directory });
    await theyHave(...OURS);
  });

  test('it is killed: its routes go with it, for it names no family whose forwarding goes on', async () => {
    await begin('');
    assert.match(await grevy.sh('show bgp neighbors 10.0.0.1'), /Graceful Restart Capability: advertised and received/);
    await peer.kill();
    await becomes();
    await kernelBecomes();
    await start('10.1.0.0/24');
    await becomes('*> 10.1.0.0');
    await kernelBecomes('10.1.0.0/24');
  });
});

describe('GoBGP', () => {
  const GOBGP = `[global.config]
  as = 65001
  router-id = "10.0.0.1"
[[neighbors]]
  [neighbors.config]
    neighbor-address = "10.0.0.10"
    peer-as = 65010
  [neighbors.timers.config]
    connect-retry = 1
    idle-hold-time-after-reset = 1
  [neighbors.transport.config]
    passive-mode = true
  [neighbors.graceful-restart.config]
    enabled = true
    restart-time = 20
  [[neighbors.afi-safis]]
    [neighbors.afi-safis.config]
      afi-safi-name = "ipv4-unicast"
    [neighbors.afi-safis.mp-graceful-restart.config]
      enabled = true
`;
  const start = async (args: readonly string[], ...networks: string[]): Promise<void> => {
    peer = await startGobgp(lab, there, GOBGP, args);
    for (const network of networks) await peer.sh(`global rib add ${network} -a ipv4`);
  };
  /** What it has of ours; S: stale. */
  const theirs = async (): Promise<string[]> =>
    Array.from(
      (await peer.sh('neighbor 10.0.0.10 adj-in').catch(() => '')).matchAll(/^(S?) *\d+ +(10\.10\.\d+\.0)/gm),
      ([, flags, prefix]) => `${flags} ${prefix}`.trim(),
    ).toSorted();
  const theyHave = (...expected: string[]): Promise<void> => comesTo('GoBGP', theirs, expected);
  const OURS = ['10.10.0.0', '10.10.1.0'];
  const begin = async (own: string): Promise<void> => {
    await start([], '10.1.0.0/24', '10.1.1.0/24');
    grevy = await startGrevy(lab, here, GREVY(own));
    await becomes(...BOTH!);
    await kernelBecomes('10.1.0.0/24', '10.1.1.0/24');
    await theyHave(...OURS);
  };
  afterEach(async () => {
    await grevy.stop();
    await peer.stop();
    await kernelBecomes();
  });

  test('it is killed: its routes go on forwarding; back, what it does not say again goes at its End-of-RIB', async () => {
    await begin('');
    const watch = watchKernel();
    await peer.kill();
    await becomes(...STALE!);
    await kernelBecomes('10.1.0.0/24', '10.1.1.0/24');
    // Nobody reaches it before it has its route: what an End-of-RIB does not confirm is gone.
    await there.run('ip', 'addr', 'del', '10.0.0.1/24', 'dev', 'eth0');
    await start(['-r'], '10.1.0.0/24');
    await there.run('ip', 'addr', 'add', '10.0.0.1/24', 'dev', 'eth0');
    await becomes('*> 10.1.0.0');
    await kernelBecomes('10.1.0.0/24');
    assert.doesNotMatch(watch.said(), /10\.1\.0\.0/);
    watch.stop();
    const { remoteGrMode, rBit } = await restartInfo();
    assert.deepEqual([remoteGrMode, rBit], ['Restart', true]);
  });

  test('we restart, killed: it keeps our routes until our End-of-RIB, and nothing moves in the kernel', async () => {
    await begin(RESTARTS);
    const watch = watchKernel();
    const { directory } = grevy;
    await grevy.kill();
    await theyHave(...OURS.map(one => `S ${one}`));
    await kernelBecomes('10.1.0.0/24', '10.1.1.0/24');
    grevy = await startGrevy(lab, here, GREVY(RESTARTS, ['10.10.0.0/24']), { directory });
    await becomes(...BOTH!);
    await theyHave('10.10.0.0');
    assert.doesNotMatch(watch.said(), /10\.1\.[01]\.0/);
    watch.stop();
  });
});
