// Debian's own bgpd and staticd (FRR 8.4.4), unchanged, on Grevy's zebra: `-z PATH` is all that they are told. The kernel is
// a model here, so that what they ask for can be looked at; test/whole has the same over the real one.
import assert from 'node:assert/strict';
import { chmodSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { parsePrefix } from '../../src/net/index.ts';
import { type Daemon, startFrr } from '../lib/daemons.ts';
import { Lab, type Namespace } from '../lib/netns.ts';
import { until } from '../lib/wait.ts';
import { Live } from './live.ts';

const STATIC = 3;
const BGP = 9;

describe('FRR 8.4.4 daemons as clients', () => {
  const lab = new Lab();
  let live: Live;
  let r1: Namespace;
  let r2: Namespace;
  let staticd: Daemon;

  before(async () => {
    r1 = await lab.namespace('r1');
    r2 = await lab.namespace('r2');
    await lab.link(r1, 'eth0', r2, 'eth0');
    await r1.run('ip', 'addr', 'add', '192.0.2.1/24', 'dev', 'eth0');
    await r2.run('ip', 'addr', 'add', '192.0.2.2/24', 'dev', 'eth0');
    const directory = await lab.directory();
    // The daemons drop to user frr before they connect.
    chmodSync(directory, 0o755);
    live = new Live(join(directory, 'zserv.api'));
    live.link(1, 'lo', '127.0.0.1/8');
    live.link(2, 'eth0', '192.0.2.1/24', '2001:db8::1/64');
    await live.server.listen();
    staticd = await startFrr(
      lab,
      r1,
      'staticd',
      `ip route 10.1.0.0/16 192.0.2.77
ip route 10.2.0.0/16 blackhole
ip route 10.3.0.0/16 10.1.2.3
ip route 10.4.0.0/16 203.0.113.1
ip route 10.5.0.0/16 192.0.2.77 eth0 150
ip route 10.6.0.0/16 192.0.2.78
ip route 10.6.0.0/16 192.0.2.77
ipv6 route 2001:db8:1::/48 2001:db8::7
`,
      { zserv: live.path },
    );
  });

  after(async () => {
    await lab.close();
    await live.close();
  });

  test('staticd installs what resolves, recursion and ECMP included, and hears of it', async () => {
    const wanted = ['10.1.0.0/16', '10.2.0.0/16', '10.3.0.0/16', '10.5.0.0/16', '10.6.0.0/16', '2001:db8:1::/48'];
    await until(() => wanted.every(prefix => live.selectedType(prefix) === STATIC), {
      what: () => wanted.map(prefix => `${prefix} ${live.selectedType(prefix)}`).join(', '),
      timeoutMs: 20_000,
    });
    assert.equal(live.selectedType('10.4.0.0/16'), -1);
    await until(() => live.kernel.ours().filter(route => route.protocol === 196).length === wanted.length, {
      what: () =>
        `the kernel's routes: ${live.kernel
          .ours()
          .map(route => route.key)
          .join(' ')}`,
    });
    const paths = (text: string): string[] => {
      const { words, length } = parsePrefix(text)!;
      const route = live.kernel
        .ours()
        .find(one => one.length === length && one.words[0] === words[0] && one.words[1] === words[1])!;
      return live.kernel.pathsOf(route);
    };
    assert.deepEqual(paths('10.2.0.0/16'), ['type 6']);
    assert.equal(paths('10.6.0.0/16').length, 2);
    assert.deepEqual(paths('10.3.0.0/16'), paths('10.1.0.0/16'));
    const session = [...live.server.sessions].find(one => one.routeType === STATIC)!;
    assert.equal(session.notify, true);
    assert.equal(session.stats.faults, 0, live.logged.join('\n'));
  });

  test('bgpd learns static routes by redistribution and installs those of its peer', async () => {
    const far = await startFrr(
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
  network 10.21.0.0/16
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
 address-family ipv4 unicast
  redistribute static
  redistribute connected
`,
      { zserv: live.path },
    );
    await until(() => live.selectedType('10.20.0.0/16') === BGP && live.selectedType('10.21.0.0/16') === BGP, {
      what: () => `bgp routes; ${live.logged.join('\n')}`,
      timeoutMs: 30_000,
    });
    // The router id came from zebra.
    const summary = JSON.parse(await near.sh('show bgp summary json')) as { ipv4Unicast: { routerId: string } };
    assert.equal(summary.ipv4Unicast.routerId, '192.0.2.1');
    await until(
      async () => {
        const table = JSON.parse(await far.sh('show bgp ipv4 unicast json')) as { routes: Record<string, unknown> };
        return ['10.1.0.0/16', '10.2.0.0/16', '10.3.0.0/16', '192.0.2.0/24'].every(prefix => prefix in table.routes);
      },
      { what: 'redistributed routes at the peer', timeoutMs: 20_000 },
    );
    await staticd.sh('show version');
    // bgpd keeps two connections; one of them says that it is another protocol.
    assert.deepEqual([...live.server.sessions].map(one => one.name).toSorted(), ['bgp', 'static', 'vnc']);
    await near.stop();
    await until(() => live.selectedType('10.20.0.0/16') === -1, { what: "bgpd's routes to go with it" });
    assert.equal(live.selectedType('10.1.0.0/16'), STATIC);
    await until(() => live.server.sessions.size === 1, { what: 'its connections to end' });
  });

  test('staticd takes a route away and hears of a link that goes down', async () => {
    await staticd.sh('configure terminal\nno ip route 10.2.0.0/16 blackhole');
    await until(() => live.selectedType('10.2.0.0/16') === -1, { what: 'the route to go' });
    live.setLink(2, false);
    await until(() => live.selectedType('10.1.0.0/16') === -1 && live.selectedType('2001:db8:1::/48') === -1, {
      what: 'routes over the link to be withdrawn',
    });
    live.setLink(2, true);
    await until(() => live.selectedType('10.1.0.0/16') === STATIC && live.selectedType('10.3.0.0/16') === STATIC, {
      what: 'the routes to come back',
      timeoutMs: 15_000,
    });
  });
});
