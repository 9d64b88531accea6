// FPM as SONiC's fpmsyncd meets it: it listens, comes and goes as it likes, and begins with each connection from nothing. What it
// was told is given to the kernel of another namespace, which must end up as the one that the daemon programs.
import assert from 'node:assert/strict';
import type { ChildProcess } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { judge, unframe } from '../dataplane/fpm-world.ts';
import { type Daemon, startGrevy } from '../lib/daemons.ts';
import { Lab, type Namespace } from '../lib/netns.ts';
import { until } from '../lib/wait.ts';

const PEER = resolve(import.meta.dirname, 'fpm-peer.ts');
const COUNT = 300;
const RTM_NEWROUTE = 24;
const RTM_NEWNEXTHOP = 104;

const ROUTES = [
  ...Array.from({ length: COUNT }, (_, i) => `ip route 20.0.${i & 255}.${i >> 8}/32 10.1.0.${2 + (i % 5)}`),
  ...Array.from({ length: COUNT / 3 }, (_, i) => `ip route 20.0.${(3 * i) & 255}.${(3 * i) >> 8}/32 10.1.0.99`),
  'ip route 30.0.0.0/8 blackhole',
  // Recursive.
  'ip route 40.0.0.0/8 20.0.1.0',
  'ipv6 route 2001:db8:1::/48 2001:db8:ffff::2',
  'ipv6 route 2001:db8:2::/48 blackhole',
];

interface Route {
  dst: string;
  nhid?: number;
  type?: string;
  dev?: string;
  nexthops?: { gateway: string; dev: string }[];
  [key: string]: unknown;
}

describe('FPM, the whole daemon', () => {
  const lab = new Lab();
  let ns: Namespace;
  let grevy: Daemon;
  let peer: ChildProcess;
  let directory: string;

  async function network(name: string): Promise<Namespace> {
    const made = await lab.namespace(name);
    await made.run('ip', 'link', 'add', 'd0', 'type', 'veth', 'peer', 'name', 'e0');
    for (const link of ['d0', 'e0']) {
      await made.run('ip', 'link', 'set', link, 'addrgenmode', 'none');
      await made.run('ip', 'link', 'set', link, 'up');
    }
    await made.run('ip', 'addr', 'add', '10.1.0.1/24', 'dev', 'd0');
    await made.run('ip', 'addr', 'add', '2001:db8:ffff::1/64', 'dev', 'd0', 'nodad');
    return made;
  }

  /** The static routes in a kernel, whether by objects or not. */
  async function routes(of: Namespace): Promise<Route[]> {
    const shown: Route[] = [];
    for (const family of ['-4', '-6'])
      shown.push(...(await of.ipJson<Route[]>('-N', family, 'route', 'show', 'proto', '196')));
    for (const route of shown) {
      delete route.nhid;
      delete route['nh_info'];
      // A hole has no device.
      if (route.type === '6') delete route.dev;
      const { nexthops } = route;
      nexthops?.sort((a, b) => a.gateway.localeCompare(b.gateway));
      // A group of one and its member are the same.
      if (nexthops?.length !== 1) continue;
      const [{ gateway, dev }] = nexthops as [{ gateway: string; dev: string }];
      delete route.nexthops;
      Object.assign(route, { gateway, dev });
    }
    return shown.sort((a, b) => a.dst.localeCompare(b.dst));
  }

  const programmed = (count: number): Promise<unknown> =>
    until(async () => (await routes(ns)).length === count, { what: () => `${count} routes; ${grevy.output()}` });

  async function listen(): Promise<void> {
    directory = join(await lab.directory(), 'heard');
    mkdirSync(directory);
    peer = ns.spawn([process.execPath, PEER, directory], { stdio: 'inherit' });
  }

  /** What the peer heard since it connected for the nth time; it has everything that was sent. */
  async function heard(connection: number): Promise<Buffer[]> {
    const file = join(directory, String(connection));
    let seen = '';
    await until(
      async () => {
        const status = await grevy.sh('show fpm status json');
        seen = `${status} ${await grevy.sh('show fpm counters json')} ${readdirSync(directory).join()}`;
        const { inStep, sentBytes } = JSON.parse(status) as { inStep: boolean; sentBytes: number };
        return inStep && statSync(file, { throwIfNoEntry: false })?.size === sentBytes;
      },
      { timeoutMs: 20_000, what: () => `the peer to have everything: ${seen}` },
    );
    const { messages, rest } = unframe(readFileSync(file));
    assert.equal(rest.length, 0, 'whole frames');
    return messages;
  }

  async function agrees(messages: readonly Buffer[]): Promise<void> {
    const copy = await network('copy');
    assert.deepEqual([...judge(copy, messages)], [], 'the kernel took each');
    assert.deepEqual(await routes(copy), await routes(ns));
  }

  const configure = (...lines: string[]): Promise<string> =>
    grevy.sh(['configure terminal', ...lines, 'end'].join('\n'));

  before(async () => {
    ns = await network('fpm');
    grevy = await startGrevy(lab, ns, `fpm address 127.0.0.1\n${ROUTES.join('\n')}\n`);
    await programmed(COUNT + 4);
  });
  after(() => lab.close());

  test('a peer that comes when the routes are there is told all of them, and what changes then', async () => {
    await listen();
    const messages = await heard(1);
    const types = messages.map(message => message.readUInt16LE(4));
    assert.ok(types.includes(RTM_NEWNEXTHOP));
    assert.ok(
      types.slice(types.indexOf(RTM_NEWROUTE)).every(type => type === RTM_NEWROUTE),
      'objects before the routes through them',
    );
    await agrees(messages);
    await configure(
      'no ip route 30.0.0.0/8 blackhole',
      'ip route 31.0.0.0/8 10.1.0.7',
      'ip route 20.0.1.0/32 10.1.0.8',
    );
    await until(async () => (await routes(ns)).some(({ dst }) => dst === '31.0.0.0/8'), { what: 'the change' });
    const later = await heard(1);
    assert.ok(later.length > messages.length && later.length < messages.length + 20, 'only what changed');
    await agrees(later);
  });

  test('a peer that lost its connection is told everything again, as it is then', async () => {
    await lab.stop(peer);
    await configure('no ip route 31.0.0.0/8 10.1.0.7', 'ip route 32.0.0.0/8 10.1.0.9');
    await ns.run('ip', 'link', 'set', 'd0', 'down');
    await until(async () => (await routes(ns)).length < 5, { what: 'the routes to go with the link' });
    await ns.run('ip', 'link', 'set', 'd0', 'up');
    await ns.run('ip', 'addr', 'replace', '2001:db8:ffff::1/64', 'dev', 'd0', 'nodad');
    await programmed(COUNT + 4);
    await listen();
    const messages = await heard(1);
    assert.ok(messages.filter(message => message.readUInt16LE(4) === RTM_NEWROUTE).length >= COUNT + 4);
    await agrees(messages);
  });

  test('one that knows no nexthop objects is told routes with their paths', async () => {
    await configure('no fpm use-next-hop-groups');
    const messages = await heard(2);
    assert.ok(messages.every(message => message.readUInt16LE(4) === RTM_NEWROUTE));
    await agrees(messages);
  });
});
