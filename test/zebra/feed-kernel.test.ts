// A follower in a thread of its own beside the real dataplane and the real kernel, checked with `ip -j`.
import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { after, before, describe, test } from 'node:test';
import { Lab, type Namespace } from '../lib/netns.ts';
import { until } from '../lib/wait.ts';
import type { FollowerFile } from './follower-module.ts';
import { Host } from './host-process.ts';

interface Way {
  readonly gateway?: string;
  readonly via?: { readonly host: string };
  readonly dev: string;
}

interface Route extends Way {
  readonly dst: string;
  readonly type?: string;
  readonly nexthops?: readonly Way[];
}

const config = (extra: string): string => `
ip route 10.1.0.0/16 192.0.2.9
ip route 10.2.0.0/16 10.1.0.5
ip route 10.3.0.0/16 blackhole
ip route 10.5.0.0/16 192.0.2.9
ip route 10.5.0.0/16 198.51.100.9
ip route 10.6.0.0/16 eth0
ipv6 route 2001:db8:1::/48 2001:db8::9
ipv6 route 2001:db8:3::/48 blackhole
${extra}`;

describe('a follower beside the real dataplane', { timeout: 60_000 }, () => {
  const lab = new Lab();
  let ns: Namespace;
  let host: Host;
  let path: string;

  const told = (): FollowerFile => JSON.parse(readFileSync(path, 'utf8')) as FollowerFile;

  /** What `ip` says, in the follower's words. */
  async function kernel(): Promise<Record<string, string[]>> {
    const links = await ns.ipJson<{ ifindex: number; ifname: string }[]>('link');
    const index = new Map(links.map(link => [link.ifname, link.ifindex]));
    const out: Record<string, string[]> = {};
    for (const family of ['-4', '-6'] as const) {
      const length = family === '-4' ? 32 : 128;
      for (const route of await ns.ipJson<Route[]>(family, 'route', 'show', 'table', 'main')) {
        if (route.dst === 'fe80::/64') continue; // one of each interface, of which one is selected
        const key = route.dst.includes('/') ? route.dst : `${route.dst}/${length}`;
        const ways = route.nexthops ?? [route];
        out[key] =
          route.type === 'blackhole'
            ? ['type 6']
            : ways.map(way => `${way.gateway ?? way.via?.host ?? ''}%${index.get(way.dev)}`).toSorted();
      }
    }
    return out;
  }

  async function same(count: number): Promise<void> {
    let seen = '';
    await until(
      async () => {
        const [there, here] = [await kernel(), told()];
        delete here.routes['fe80::/64'];
        assert.deepEqual(here.mistakes, []);
        seen = JSON.stringify([here.routes, there], null, 1);
        return (
          Object.keys(there).length === count &&
          Object.keys(here.routes).length === count &&
          Object.entries(there).every(([key, ways]) => here.routes[key]?.join() === ways.join())
        );
      },
      { what: () => `the follower's ${count} routes to be the kernel's: ${seen}`, timeoutMs: 8000 },
    );
  }

  before(async () => {
    ns = await lab.namespace('r1');
    await ns.run('ip', 'link', 'add', 'eth0', 'type', 'veth', 'peer', 'name', 'p0');
    await ns.run('ip', 'link', 'add', 'eth1', 'type', 'veth', 'peer', 'name', 'p1');
    for (const name of ['eth0', 'eth1', 'p0', 'p1']) await ns.run('ip', 'link', 'set', name, 'up');
    await ns.run('ip', 'addr', 'add', '192.0.2.1/24', 'dev', 'eth0');
    await ns.run('ip', 'addr', 'add', '198.51.100.1/24', 'dev', 'eth1');
    await ns.run('ip', 'addr', 'add', '2001:db8::1/64', 'dev', 'eth0', 'nodad');
    const directory = await lab.directory();
    path = `${directory}/followed.json`;
    host = new Host(ns, `${directory}/zserv.api`, 60_000, path);
    await host.ready;
    await host.configure(config(''));
    await until(() => existsSync(path), { what: 'the follower' });
  });

  after(() => lab.close());

  test('is told static, connected and kernel routes', async () => {
    await ns.run('ip', 'route', 'add', '172.17.0.0/16', 'via', '192.0.2.77');
    const ways = ['nexthop', 'via', '192.0.2.77', 'nexthop', 'via', '198.51.100.77', 'weight', '3'];
    await ns.run('ip', 'route', 'add', '172.18.0.0/16', ...ways);
    await ns.run('ip', 'route', 'add', 'blackhole', '172.19.0.0/16');
    // Seven of ours, three connected ones, three of the kernel's.
    await same(13);
    await ns.run('ip', 'route', 'del', '172.18.0.0/16');
    await ns.run('ip', 'route', 'del', 'blackhole', '172.19.0.0/16');
    await same(11);
  });

  test('follows what somebody deletes, and what is put back', async () => {
    for (let i = 0; i < 5; i++) {
      await same(11);
      await ns.run('ip', 'route', 'del', '10.1.0.0/16', 'proto', '196');
      await ns.run('ip', '-6', 'route', 'del', '2001:db8:1::/48');
      await ns.run('ip', 'nexthop', 'flush');
    }
    await same(11);
    await host.configure(config('ip route 10.7.0.0/16 198.51.100.10'));
    await same(12);
    await host.configure(config(''));
    await same(11);
  });

  test('follows links', async () => {
    await ns.run('ip', 'link', 'set', 'eth1', 'down');
    await same(10);
    await ns.run('ip', 'link', 'set', 'eth0', 'down');
    await same(2);
    for (let i = 0; i < 5; i++) {
      await ns.run('ip', 'link', 'set', 'eth0', 'up');
      await ns.run('ip', 'link', 'set', 'eth1', 'up');
      await ns.run('ip', 'addr', 'replace', '2001:db8::1/64', 'dev', 'eth0', 'nodad');
      if (i < 4) await ns.run('ip', 'link', 'set', 'eth0', 'down');
    }
    // The kernel's own went with the link, for good.
    await same(10);
  });

  test('asks for everything again while all that happens, and is told', async () => {
    const { complete } = told();
    await until(() => told().complete > complete + 1, { what: 'two replays', timeoutMs: 8000 });
    await same(10);
    const feed = JSON.parse(await host.run('show zebra feed json')) as Record<string, Record<string, unknown>>;
    const [state] = Object.values(feed);
    assert.equal(state!['routes'], 11); // fe80::/64 besides
    assert.deepEqual(state!['failures'], {});
    assert.match(await host.run('show zebra feed'), /^Follower \d+: \w+, 11 routes, \d+ nexthop objects, 0 labels\n/);
  });

  test('sees everything of ours go at the end', async () => {
    await host.stop();
    assert.deepEqual(told().mistakes, []);
  });
});
