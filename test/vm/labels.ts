// Labels from FRR's staticd to the kernel: over ZAPI into the whole daemon, beside FRR's own zebra.
import assert from 'node:assert/strict';
import { chmodSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { type Daemon, startFrr, startGrevy } from '../lib/daemons.ts';
import { Lab, type Namespace } from '../lib/netns.ts';
import { until } from '../lib/wait.ts';

export const MODULES: readonly string[] = ['veth', 'mpls_router', 'mpls_iptunnel'];

const LINES = [
  'ip route 10.1.0.0/16 192.0.2.9 label 16/17',
  'ip route 10.2.0.0/16 192.0.2.9 label implicit-null',
  'ip route 10.3.0.0/16 192.0.2.9 label 18',
  'ip route 10.3.0.0/16 192.0.2.10',
  'ipv6 route 2001:db8:1::/48 2001:db8::9 label 100',
];

/** Runs inside. */
export function suite(): void {
  describe('labels of static routes', tests);
}

function tests(): void {
  const lab = new Lab();
  let ours: Namespace;
  let theirs: Namespace;
  let grevy: Daemon;
  let frr: Daemon;

  /** Of each prefix the ways, with what is pushed on them. In its JSON ip(8) has two meanings of `dst`, so its text is read. */
  const routes = async (namespace: Namespace): Promise<Record<string, string[]>> => {
    const found: Record<string, string[]> = {};
    for (const family of ['-4', '-6']) {
      const text = await namespace.run('ip', family, 'route', 'show', 'proto', '196');
      for (const route of text.trim().split(/\n(?!\s)/)) {
        const ways = route.matchAll(/(?:encap mpls +(\S+) +)?via (\S+) dev (\S+)/g);
        found[route.split(' ')[0]!] = Array.from(
          ways,
          ([, labels = '-', via, dev]) => `${labels} ${via} ${dev}`,
        ).toSorted();
      }
    }
    return found;
  };

  before(async () => {
    theirs = await lab.namespace('frr');
    ours = await lab.namespace('grevy');
    for (const namespace of [theirs, ours]) {
      await namespace.run('ip', 'link', 'add', 'eth0', 'type', 'veth', 'peer', 'name', 'p0');
      for (const name of ['eth0', 'p0']) await namespace.run('ip', 'link', 'set', name, 'up');
      await namespace.run('ip', 'addr', 'add', '192.0.2.1/24', 'dev', 'eth0');
      await namespace.run('ip', 'addr', 'add', '2001:db8::1/64', 'dev', 'eth0', 'nodad');
      // Where the kernel takes none zebra says so, and staticd has no labels then.
      await namespace.run('sysctl', '-qw', 'net.mpls.platform_labels=1000');
    }
    const directory = await lab.directory();
    [grevy, frr] = await Promise.all([startGrevy(lab, ours, ''), startFrr(lab, theirs, 'zebra', '', { directory })]);
    chmodSync(grevy.directory, 0o755);
    const statics = await Promise.all([
      startFrr(lab, theirs, 'staticd', '', { zserv: join(directory, 'zserv.api') }),
      startFrr(lab, ours, 'staticd', '', { zserv: join(grevy.directory, 'run', 'zserv.api') }),
    ]);
    for (const [i, namespace] of [theirs, ours].entries()) {
      // It takes no label before a zebra has told it that there are any.
      await until(
        async () => {
          for (const line of LINES) await statics[i]!.sh(`configure terminal\n${line}`).catch(() => '');
          return Object.keys(await routes(namespace)).length === 4;
        },
        { timeoutMs: 90_000, everyMs: 500, what: () => `four routes; ${grevy.output()}` },
      );
    }
  });
  after(() => lab.close());

  test('are in the kernel as FRR has them there', async () => {
    const mine = await routes(ours);
    assert.deepEqual(mine, await routes(theirs));
    assert.deepEqual(mine, {
      '10.1.0.0/16': ['16/17 192.0.2.9 eth0'],
      '10.2.0.0/16': ['- 192.0.2.9 eth0'],
      '10.3.0.0/16': ['- 192.0.2.10 eth0', '18 192.0.2.9 eth0'],
      '2001:db8:1::/48': ['100 2001:db8::9 eth0'],
    });
  });

  test('are shown as FRR shows them', async () => {
    const shown = async (daemon: Daemon): Promise<object[]> => {
      const json = JSON.parse(await daemon.sh('show ip route static json')) as Record<string, { nexthops: object[] }[]>;
      return Object.values(json).map(([route]) => route!.nexthops);
    };
    assert.deepEqual(await shown(grevy), await shown(frr));
    assert.match(await grevy.sh('show ip route'), /10\.1\.0\.0\/16 .* eth0, label 16\/17, weight 1/);
  });
}
