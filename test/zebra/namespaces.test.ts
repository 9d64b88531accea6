// VRFs that are network namespaces, beside FRR's (zebra -n): each in a place of its own, with the same namespaces, addresses and
// lines; then the same things done to both.
import assert from 'node:assert/strict';
import { chmodSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { type Daemon, startFrr, startGrevy } from '../lib/daemons.ts';
import { NamedNamespaces } from '../lib/named-netns.ts';
import { Lab } from '../lib/netns.ts';
import { until } from '../lib/wait.ts';

const SLOW_MS = 20_000;

const LINES = `vrf red
 ip route 20.0.0.0/24 10.0.0.2
 ip route 20.0.1.0/24 port0
 ip route 20.0.2.0/24 20.0.0.1
 ip route 20.0.3.0/24 10.0.0.2
 ip route 20.0.3.0/24 10.0.0.3
 ipv6 route 2001:db8:1::/48 fd00::2
exit-vrf
vrf blue
 ip route 20.0.0.0/24 10.0.0.3 200
 ip route 20.0.4.0/24 blackhole
exit-vrf
ip route 22.0.0.0/24 10.0.0.4
`;
const ADDRESS = 'interface port0 vrf red\n ip address 10.7.0.1/24\nexit\n';

const VRFS = 'vrf red\nexit-vrf\nvrf blue\nexit-vrf\n';

interface Side {
  readonly host: NamedNamespaces;
  /** Who answers `show ip route`. */
  zebra: Daemon;
}

/** A namespace with one port, the same in each: the same name, index and addresses. */
async function add(host: NamedNamespaces, name: string): Promise<void> {
  await host.run('ip', 'netns', 'add', name);
  await fill(host, '-n', name);
}

async function fill(host: NamedNamespaces, ...where: string[]): Promise<void> {
  const ip = (...argv: string[]): Promise<string> => host.run('ip', ...where, ...argv);
  await ip('link', 'add', 'port0', 'index', '100', 'type', 'veth', 'peer', 'name', 'peer0', 'index', '101');
  for (const link of ['lo', 'port0', 'peer0']) {
    await ip('link', 'set', link, 'addrgenmode', 'none');
    await ip('link', 'set', link, 'up');
  }
  await ip('addr', 'add', '10.0.0.1/24', 'dev', 'port0');
  await ip('addr', 'add', 'fd00::1/64', 'dev', 'port0', 'nodad');
}

/** The routes of a daemon in a namespace ('' is that of the daemons), each with its ways. */
async function kernel(host: NamedNamespaces, name: string): Promise<string[]> {
  const where = name === '' ? [] : ['-n', name];
  const all: string[] = [];
  for (const family of ['-4', '-6']) {
    const text = await host.run('ip', ...where, family, 'route', 'show').catch(() => '');
    for (const route of text.trim().split(/\n(?!\s)/)) {
      if (!/ proto (static|bgp|196|186) /.test(route)) continue;
      const ways = route.matchAll(/(?:via (\S+) )?dev (\S+)/g);
      all.push([/^(blackhole )?\S+/.exec(route)![0], ...Array.from(ways, ([way]) => way).toSorted()].join(' | '));
    }
  }
  return all.sort();
}

/** Without what is of one run only. */
function plain(text: string): string {
  return text.replace(/\d\d:\d\d:\d\d/g, 'TIME').replace(/(vrf \w+ id )\d+/g, '$1N');
}

describe("VRFs by network namespace, beside FRR's", { timeout: 180_000 }, () => {
  const lab = new Lab();
  const sides: Side[] = [];
  after(() => lab.close());

  before(async () => {
    for (const name of ['grevy', 'frr']) {
      const host = await NamedNamespaces.make(lab, name);
      await fill(host);
      await add(host, 'red');
      if (name === 'grevy')
        sides.push({ host, zebra: await startGrevy(lab, host, `${LINES}${ADDRESS}`, { args: ['--vrfwnetns'] }) });
      else {
        const directory = await lab.directory();
        sides.push({
          host,
          zebra: await startFrr(lab, host, 'zebra', `${VRFS}${ADDRESS}`, { directory, args: ['-n'] }),
        });
        await startFrr(lab, host, 'staticd', LINES, { directory });
      }
    }
  });

  /** What is in the kernels of these namespaces, on each side: as many routes as expected, and the same. */
  async function alike(expected: Readonly<Record<string, number>>): Promise<void> {
    let last: string[][][] = [];
    await until(
      async () => {
        last = await Promise.all(
          sides.map(({ host }) => Promise.all(Object.keys(expected).map(name => kernel(host, name)))),
        );
        const counts = last[0]!.map(one => one.length);
        return (
          JSON.stringify(last[0]) === JSON.stringify(last[1]) &&
          JSON.stringify(counts) === JSON.stringify(Object.values(expected))
        );
      },
      { timeoutMs: SLOW_MS, everyMs: 100, what: () => `the same routes: ${JSON.stringify(last, null, 1)}` },
    );
  }

  const grevy = (): Side => sides[0]!;

  test('lines of a VRF are in its namespace, and nowhere else', async () => {
    await alike({ '': 1, red: 5 });
  });

  for (const command of [
    'show vrf',
    'show ip route',
    'show ip route vrf red',
    'show ipv6 route vrf red',
    'show ip route vrf red 20.0.2.0/24',
    'show ip route vrf all',
    'show interface vrf red brief',
    'show interface brief',
    'show ip route vrf nosuch',
  ]) {
    test(`\`${command}\` says what FRR says`, async () => {
      const [mine, theirs] = await Promise.all(
        sides.map(({ zebra }) =>
          zebra.sh(command).catch((error: Error) => `${error.message.split('\n')[0]!.replace(`${command}: `, '')}\n`),
        ),
      );
      // Of a VRF without interfaces FRR leaves an empty line.
      assert.equal(plain(mine!), plain(theirs!).replace(/^\n/, ''));
    });
  }

  test('lines of an interface are of the one in that VRF', async () => {
    const { host, zebra } = grevy();
    const addresses = async (...where: string[]): Promise<string> => await host.run('ip', ...where, '-o', '-4', 'addr');
    await until(async () => (await addresses('-n', 'red')).includes('10.7.0.1/24'), { what: 'the address in red' });
    assert.doesNotMatch(await addresses(), /10\.7\.0\.1/);
    await zebra.sh('configure terminal\ninterface port0 vrf blue\nip address 10.8.0.1/24\ndescription far');
    await zebra.sh('configure terminal\nno interface port0 vrf red');
    await until(async () => !(await addresses('-n', 'red')).includes('10.7.0.1/24'), { what: 'no address in red' });
  });

  test('a namespace that comes is a VRF, and one that goes is none any more', async () => {
    for (const { host } of sides) await add(host, 'blue');
    await alike({ '': 1, red: 5, blue: 2 });
    const [{ host: ours, zebra: mine }] = sides as [Side, Side];
    await until(async () => (await ours.run('ip', '-n', 'blue', 'addr')).includes('10.8.0.1/24'), {
      what: 'the address in blue that was configured before there was any',
    });
    assert.match(await mine.sh('show interface port0 vrf blue'), /vrf: blue\n {2}Description: far/);
    // The other end of a pair goes with the namespace: nobody holds it.
    for (const { host } of sides) {
      await host.run('ip', 'link', 'add', 'far', 'type', 'veth', 'peer', 'name', 'near', 'netns', 'blue');
    }
    for (const { host } of sides) await host.run('ip', 'netns', 'del', 'blue');
    for (const { host, zebra } of sides) {
      await until(async () => /^vrf blue inactive/m.test(await zebra.sh('show vrf')), { what: 'no VRF blue' });
      await until(async () => !(await host.run('ip', '-o', 'link')).includes('far'), { what: 'no namespace blue' });
    }
    await alike({ '': 1, red: 5 });
  });

  test('of the same name, at once: another namespace, with the routes that are configured', async () => {
    const { host, zebra } = grevy();
    await add(host, 'blue');
    await until(async () => (await kernel(host, 'blue')).length === 2, { what: 'routes in blue' });
    const id = async (): Promise<string> =>
      / id (\d+) /.exec(/^vrf blue .*$/m.exec(await zebra.sh('show vrf'))![0])![1]!;
    const before = await id();
    await host.run('sh', '-c', 'ip netns del blue && ip netns add blue');
    await fill(host, '-n', 'blue');
    await until(async () => (await kernel(host, 'blue')).length === 2, { what: 'routes in blue again' });
    assert.notEqual(await id(), before);
    assert.equal((await kernel(host, 'red')).length, 5);
  });

  test('with a path or another name, as configured, and no longer', async () => {
    const { host, zebra } = grevy();
    await host.run('sh', '-c', 'ip netns add other && ip -n other link set lo up');
    await until(async () => (await zebra.sh('show vrf')).includes('vrf other id '), { what: 'VRF other' });
    const configure = (...lines: string[]): Promise<string> => zebra.sh(['configure terminal', ...lines].join('\n'));
    await configure('vrf green', 'ip route 30.0.0.0/24 blackhole', 'netns /var/run/netns/other');
    await until(async () => (await kernel(host, 'other')).length === 1, { what: 'the route of green in other' });
    assert.match(await zebra.sh('show vrf'), /^vrf green id \d+ netns \/(var\/)?run\/netns\/other \(configured\)$/m);
    assert.doesNotMatch(await zebra.sh('show vrf'), /vrf other/);
    assert.match(await zebra.sh('show running-config'), /^vrf green\n(?: .*\n)* netns \/var\/run\/netns\/other\n/m);
    await configure('vrf green', 'no netns');
    await until(async () => (await kernel(host, 'other')).length === 0, { what: 'no route in other' });
    assert.match(await zebra.sh('show vrf'), /^vrf green inactive \(configured\)\nvrf other id /m);
    // By its name; and what does not exist is waited for.
    await configure('vrf green', 'netns late');
    await host.run('ip', 'netns', 'add', 'late');
    await until(async () => (await kernel(host, 'late')).length === 1, { what: 'the route of green in late' });
    await assert.rejects(configure('vrf green', `netns /${'x'.repeat(40)}/y`), /is longer than 35 bytes/);
    await host.run('ip', 'netns', 'del', 'late');
    await host.run('ip', 'netns', 'del', 'other');
  });

  test("files that are no namespace, and the daemon's own namespace by a name, are no VRFs", async () => {
    const { host, zebra } = grevy();
    await host.run(
      'sh',
      '-c',
      'touch /run/netns/file && touch /run/netns/self && mount --bind /proc/self/ns/net /run/netns/self',
    );
    await until(() => zebra.output().includes('/run/netns/self is not VRF self: it is VRF default already'), {
      what: () => zebra.output(),
    });
    await host.run('sh', '-c', 'umount /run/netns/self && rm /run/netns/self /run/netns/file');
    assert.doesNotMatch(await zebra.sh('show vrf'), /file|self/);
  });

  test('somebody else’s routes, links and objects are seen and repaired there, too', async () => {
    const { host, zebra } = grevy();
    const red = await kernel(host, 'red');
    await host.run('ip', '-n', 'red', 'route', 'add', '40.0.0.0/8', 'via', '10.0.0.9');
    await until(async () => /^K>\* 40\.0\.0\.0\/8 /m.test(await zebra.sh('show ip route vrf red')), {
      what: 'the kernel route',
    });
    await host.run('ip', '-n', 'red', 'route', 'del', '20.0.0.0/24');
    await host.run('ip', '-n', 'red', 'nexthop', 'flush');
    await until(async () => JSON.stringify(await kernel(host, 'red')) === JSON.stringify(red), { what: 'all routes' });
    await host.run('ip', '-n', 'red', 'link', 'set', 'port0', 'down');
    await until(async () => (await kernel(host, 'red')).length === 0, { what: 'no route' });
    await host.run('ip', '-n', 'red', 'link', 'set', 'port0', 'up');
    await host.run('ip', '-n', 'red', 'addr', 'replace', 'fd00::1/64', 'dev', 'port0', 'nodad');
    await until(async () => JSON.stringify(await kernel(host, 'red')) === JSON.stringify(red), { what: 'all again' });
    // Settings are of all of them.
    await zebra.sh('configure terminal\nno zebra nexthop kernel enable');
    await until(async () => !(await host.run('ip', '-n', 'red', 'route')).includes('nhid'), { what: 'no objects' });
    await zebra.sh('configure terminal\nzebra nexthop kernel enable');
    await until(async () => (await host.run('ip', '-n', 'red', 'nexthop')).includes('group'), { what: 'objects' });
    assert.deepEqual(await kernel(host, 'red'), red);
  });

  test('many that come and go leave nothing behind', async () => {
    const { host, zebra } = grevy();
    const descriptors = (): number => readdirSync(`/proc/${zebra.pid}/fd`).length;
    const before = descriptors();
    const names = Array.from({ length: 20 }, (_, i) => `many${i}`);
    const has = async (count: number): Promise<boolean> =>
      ((await zebra.sh('show vrf')).match(/^vrf many\d+ id /gm) ?? []).length === count;
    for (let round = 0; round < 3; round++) {
      await host.run('sh', '-c', names.map(name => `ip netns add ${name}`).join(' && '));
      if (round === 0) await until(() => has(20), { what: '20 VRFs' });
      await host.run('sh', '-c', names.map(name => `ip netns del ${name}`).join(' && '));
    }
    await until(() => has(0), { what: 'no VRF of them' });
    await until(() => descriptors() === before, { what: () => `${before} descriptors, not ${descriptors()}` });
  });

  test('when the dataplane dies, the VRFs are there again, and nothing of before', async () => {
    const { host, zebra } = grevy();
    const red = await kernel(host, 'red');
    await host.run('ip', 'link', 'add', 'far', 'type', 'veth', 'peer', 'name', 'near', 'netns', 'blue');
    // A provider that ends the dataplane's thread, once.
    const mark = join(zebra.directory, 'mark');
    const module = join(zebra.directory, 'exits.mjs');
    writeFileSync(
      module,
      `import { existsSync, writeFileSync } from 'node:fs';
export default () => ({
  process(work) {
    if (!existsSync('${mark}')) {
      writeFileSync('${mark}', '');
      process.exit(3);
    }
    for (let handle = work.take(); handle >= 0; handle = work.take()) work.finish(handle);
  },
});
`,
    );
    await zebra
      .sh(`configure terminal\ndplane provider exits module ${module} priority last`)
      .catch(() => 'it is gone before it answers');
    await until(() => zebra.output().includes('zebra starts again'), {
      timeoutMs: SLOW_MS,
      what: () => zebra.output(),
    });
    await until(async () => (await zebra.sh('show ip route vrf red').catch(() => '')).includes('20.0.0.0/24'), {
      timeoutMs: SLOW_MS,
      what: () => `the routes of red; ${zebra.output()}`,
    });
    // Neither life holds it.
    await host.run('ip', 'netns', 'del', 'blue');
    await until(async () => !(await host.run('ip', '-o', 'link')).includes('far'), { what: 'no namespace blue' });
    assert.deepEqual(await kernel(host, 'red'), red);
  });

  test('a zebra that was killed finds its routes there again, and keeps their objects', async () => {
    const { host, zebra } = grevy();
    const routes = (): Promise<string> => host.run('ip', '-n', 'red', '-4', 'route', 'show', 'proto', '196');
    const before = await routes();
    assert.match(before, /nhid/);
    await zebra.kill();
    assert.equal(await routes(), before);
    const again = await startGrevy(lab, host, LINES, { directory: zebra.directory, args: ['-n', '-K', '1'] });
    grevy().zebra = again;
    await until(async () => /Earlier routes swept +Yes/.test(await again.sh('show zebra')), { what: 'the sweep' });
    await alike({ '': 1, red: 5 });
    assert.equal(await routes(), before);
  });

  test('an orderly end takes the routes of all namespaces back', async () => {
    const { host, zebra } = grevy();
    await zebra.stop();
    assert.deepEqual(await kernel(host, 'red'), []);
    assert.deepEqual(await kernel(host, ''), []);
    assert.doesNotMatch(await host.run('ip', '-n', 'red', 'nexthop'), /proto zebra/);
  });
});

describe('BGP in a network namespace', { timeout: 120_000 }, () => {
  const lab = new Lab();
  after(() => lab.close());

  const PEER = `router bgp 65001
 bgp router-id 9.9.9.9
 no bgp ebgp-requires-policy
 neighbor 10.0.0.1 remote-as 65000
 address-family ipv4 unicast
  network 50.0.0.0/24
 exit-address-family
`;
  const OURS = `router bgp 65000 vrf red
 bgp router-id 1.1.1.1
 no bgp ebgp-requires-policy
 neighbor 10.0.0.2 remote-as 65001
 address-family ipv4 unicast
  redistribute connected
  redistribute static
 exit-address-family
`;
  const STATICS = 'vrf red\n ip route 20.0.0.0/24 blackhole\nexit-vrf\n';

  async function scene(name: string): Promise<{ host: NamedNamespaces; peer: Daemon }> {
    const host = await NamedNamespaces.make(lab, name);
    const far = await lab.namespace(`${name} peer`);
    await host.run('ip', 'netns', 'add', 'red');
    await host.run(
      'ip',
      '-n',
      'red',
      'link',
      'add',
      'port0',
      'type',
      'veth',
      'peer',
      'name',
      'eth0',
      'netns',
      String(far.pid),
    );
    for (const link of ['lo', 'port0']) await host.run('ip', '-n', 'red', 'link', 'set', link, 'up');
    await host.run('ip', '-n', 'red', 'addr', 'add', '10.0.0.1/24', 'dev', 'port0');
    await far.run('ip', 'link', 'set', 'eth0', 'up');
    await far.run('ip', 'addr', 'add', '10.0.0.2/24', 'dev', 'eth0');
    const peer = await startFrr(lab, far, 'bgpd', PEER, { args: ['-n'] });
    return { host, peer };
  }

  async function works(host: NamedNamespaces, peer: Daemon): Promise<void> {
    await until(async () => (await kernel(host, 'red')).includes('50.0.0.0/24 | via 10.0.0.2 dev port0'), {
      timeoutMs: SLOW_MS,
      what: 'the route in red',
    });
    await until(async () => (await peer.sh('show ip bgp')).includes('20.0.0.0/24'), {
      timeoutMs: SLOW_MS,
      what: 'the static route at the neighbour',
    });
    assert.deepEqual(await kernel(host, ''), []);
  }

  test('our own bgp', async () => {
    const { host, peer } = await scene('own');
    const grevy = await startGrevy(lab, host, `${STATICS}${OURS}`, { args: ['-n'] });
    await works(host, peer);
    await host.run('ip', 'netns', 'del', 'red');
    await until(async () => !(await grevy.sh('show bgp vrf red summary').catch(() => '')).includes('Establ'), {
      what: 'no session in a namespace that is gone',
    });
  });

  test("FRR's bgpd, which opens its sockets where our zebra says", async () => {
    const { host, peer } = await scene('theirs');
    const grevy = await startGrevy(lab, host, STATICS, { args: ['-n'] });
    chmodSync(grevy.directory, 0o755);
    await startFrr(lab, host, 'bgpd', OURS, { zserv: join(grevy.directory, 'run', 'zserv.api') });
    await works(host, peer);
  });
});

test('where VRFs are devices, namespaces are none, and a line that says so is refused', async () => {
  const lab = new Lab();
  try {
    const host = await NamedNamespaces.make(lab, 'devices');
    await add(host, 'red');
    const grevy = await startGrevy(lab, host, 'vrf red\n ip route 20.0.0.0/24 10.0.0.2\nexit-vrf\n');
    assert.equal(await grevy.sh('show vrf'), 'vrf red inactive (configured)\n');
    await assert.rejects(grevy.sh('configure terminal\nvrf red\nnetns red'), /run with --vrfwnetns/);
  } finally {
    await lab.close();
  }
});
