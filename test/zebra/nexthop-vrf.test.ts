// Next hops in another VRF than their routes: resolved in the VRF in which they lie, whatever becomes of it.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { NO_DETAIL } from '../../src/dataplane/index.ts';
import { AF_INET, AF_INET6, type Family, parsePrefix } from '../../src/net/index.ts';
import { type Nexthop, ROUTE_BGP } from '../../src/zebra/index.ts';
import { nhtJson } from '../../src/zebra/show/nht.ts';
import { showNexthopGroups } from '../../src/zebra/show/nexthop-group.ts';
import { showRoute, showRouteJson } from '../../src/zebra/show/route.ts';
import { until } from '../lib/wait.ts';
import { Announcer } from './announcer.ts';
import { Bench } from './lib.ts';
import { Live } from './live.ts';

const RED = 9;
const BLUE = 8;
const RED_TABLE = 10;
const BLUE_TABLE = 20;

const detailOf = (table: number): { detail: typeof NO_DETAIL } => ({
  detail: { ...NO_DETAIL, kind: 'vrf', kindId: table },
});

/** red with port 3 (10.1.0.1/24), blue with port 4 (10.2.0.1/24), and interface 5 (10.0.0.1/24) in the default VRF. */
class Stage {
  readonly bench = new Bench();
  readonly kernel = this.bench.kernel;
  readonly zebra = this.bench.zebra;

  constructor() {
    this.kernel.addLink(RED, 'red', true, detailOf(RED_TABLE));
    this.kernel.addLink(BLUE, 'blue', true, detailOf(BLUE_TABLE));
    this.kernel.addLink(3, 'red0', true, { master: RED });
    this.kernel.addLink(4, 'blue0', true, { master: BLUE });
    this.bench.link(3, 'red0', '10.1.0.1/24');
    this.kernel.changeLink(3, { master: RED });
    this.bench.link(4, 'blue0', '10.2.0.1/24');
    this.kernel.changeLink(4, { master: BLUE });
    this.bench.link(5, 'main0', '10.0.0.1/24');
    this.bench.settle();
  }

  via(vrf: number | undefined, address: string, ifindex = 0): Nexthop {
    return { ...this.bench.via(address, ifindex), ...(vrf === undefined ? {} : { vrf }) };
  }

  add(vrf: number, prefix: string, ...members: Nexthop[]): void {
    const { family, words, length } = parsePrefix(prefix)!;
    const set = this.zebra.nexthops.intern(vrf, family, members, true);
    this.zebra.rib.add(vrf, family, ...words, length, ROUTE_BGP, 0, 0, 20, 0, 0, set, 0);
    this.bench.settle();
  }

  static(vrf: string, prefix: string, gateway: string | undefined, itsVrf: string, name?: string): void {
    const { family, words } = gateway === undefined ? { family: AF_INET, words: undefined } : this.address(gateway);
    this.zebra.staticsOf(vrf).add(
      parsePrefix(prefix)!,
      {
        gateway: words === undefined ? undefined : { family: family as Family, words },
        interface: name,
        blackhole: 0,
        onlink: false,
        vrf: itsVrf,
      },
      1,
      0,
    );
    this.bench.settle();
  }

  address(text: string): { family: Family; words: Nexthop['gateway'] } {
    const { gatewayFamily, gateway } = this.bench.via(text);
    return { family: gatewayFamily as Family, words: gateway };
  }

  /** What the kernel has of ours in a table: prefix and ways. */
  in(table: number): string[] {
    this.bench.settle();
    return this.kernel
      .ours()
      .filter(one => one.table === table)
      .map(one => {
        const [a] = one.words;
        return `${a >>> 24}.${(a >>> 16) & 255}.${(a >>> 8) & 255}.${a & 255}/${one.length} ${this.kernel.pathsOf(one).join(' ')}`;
      })
      .sort();
  }
}

const word = (a: number, b: number, c: number, d: number): number => ((a << 24) | (b << 16) | (c << 8) | d) >>> 0;
const way = (gateway: number, ifindex: number): string => `${gateway}.0.0.0/2%${ifindex}`;

test('a gateway is looked up in its own VRF, not in that of the route', () => {
  const stage = new Stage();
  stage.add(RED, '20.0.0.0/24', stage.via(0, '10.0.0.2'));
  stage.add(0, '20.1.0.0/24', stage.via(BLUE, '10.2.0.2'));
  // In red there is no such network.
  stage.add(RED, '20.2.0.0/24', stage.via(undefined, '10.0.0.2'));
  assert.deepEqual(stage.in(RED_TABLE), [`20.0.0.0/24 ${way(word(10, 0, 0, 2), 5)}`]);
  assert.deepEqual(stage.in(254), [`20.1.0.0/24 ${way(word(10, 2, 0, 2), 4)}`]);
  // The same content but for the VRF is another set.
  const { sets } = stage.zebra;
  const one = [stage.via(BLUE, '10.9.9.9')];
  assert.notEqual(sets.intern(RED, AF_INET, one, true), sets.intern(RED, AF_INET, [stage.via(0, '10.9.9.9')], true));
  assert.equal(
    sets.intern(RED, AF_INET, [stage.via(RED, '10.9.9.9')], true),
    sets.intern(RED, AF_INET, [stage.via(undefined, '10.9.9.9')], true),
  );
});

test('through routes of its VRF, over several VRFs, and never back to itself', () => {
  const stage = new Stage();
  stage.add(RED, '20.0.0.0/24', stage.via(BLUE, '30.0.0.1'));
  assert.deepEqual(stage.in(RED_TABLE), []);
  stage.add(BLUE, '30.0.0.0/24', stage.via(0, '10.0.0.9'));
  assert.deepEqual(stage.in(RED_TABLE), [`20.0.0.0/24 ${way(word(10, 0, 0, 9), 5)}`]);
  // A more specific one of the same VRF; one of the route's own VRF says nothing.
  stage.add(BLUE, '30.0.0.0/25', stage.via(undefined, '10.2.0.7'));
  stage.add(RED, '30.0.0.0/26', stage.via(undefined, '10.1.0.7'));
  assert.equal(stage.in(RED_TABLE)[0], `20.0.0.0/24 ${way(word(10, 2, 0, 7), 4)}`);
  // Two VRFs whose routes lead to each other: neither goes anywhere by it.
  stage.add(RED, '40.0.0.0/24', stage.via(BLUE, '41.0.0.1'));
  stage.add(BLUE, '41.0.0.0/24', stage.via(RED, '40.0.0.1'));
  assert.doesNotMatch(stage.in(RED_TABLE).join(), /40\.0\.0\.0/);
  assert.doesNotMatch(stage.in(BLUE_TABLE).join(), /41\.0\.0\.0/);
  // A prefix that holds the gateway, of another VRF: no route through itself.
  stage.add(RED, '10.2.0.0/16', stage.via(BLUE, '10.2.0.3'));
  assert.match(stage.in(RED_TABLE).join(), /10\.2\.0\.0\/16/);
});

test('what changes in its VRF changes the routes of the others', () => {
  const stage = new Stage();
  stage.add(RED, '20.0.0.0/24', stage.via(BLUE, '10.2.0.2'));
  stage.add(0, '20.0.0.0/24', stage.via(BLUE, '10.2.0.2'), stage.via(undefined, '10.0.0.3'));
  const before = stage.in(RED_TABLE);
  assert.equal(before.length, 1);
  stage.kernel.setLink(4, false);
  assert.deepEqual(stage.in(RED_TABLE), []);
  assert.deepEqual(stage.in(254), [`20.0.0.0/24 ${way(word(10, 0, 0, 3), 5)}`]);
  stage.kernel.setLink(4, true);
  assert.deepEqual(stage.in(RED_TABLE), before);
  // The gateway becomes an address of this host, there.
  stage.kernel.addAddress(4, AF_INET, [word(10, 2, 0, 2), 0, 0, 0], 24);
  assert.deepEqual(stage.in(RED_TABLE), []);
  stage.kernel.removeAddress(stage.kernel.addresses.length - 1);
  assert.deepEqual(stage.in(RED_TABLE), before);
  // Its interface leaves the VRF.
  stage.kernel.changeLink(4, { master: RED });
  assert.deepEqual(stage.in(RED_TABLE), []);
});

test('its VRF goes, comes back under another number, and is renamed', () => {
  const stage = new Stage();
  stage.static('red', '20.0.0.0/24', '10.2.0.2', 'blue');
  stage.static('red', '20.1.0.0/24', undefined, 'blue', 'blue0');
  stage.static('red', '20.2.0.0/24', undefined, 'blue', 'blue');
  stage.static('red', '20.3.0.0/24', '10.0.0.2', 'default');
  // A client knows it by its number, and may be late to hear that it went.
  stage.add(RED, '20.4.0.0/24', stage.via(BLUE, '0.0.0.0', 4));
  stage.add(RED, '20.5.0.0/24', { ...stage.via(BLUE, '0.0.0.0', 4), gatewayFamily: 0 });
  const all = stage.in(RED_TABLE);
  assert.deepEqual(
    all.map(one => one.split(' ')[0]),
    ['20.0.0.0/24', '20.1.0.0/24', '20.2.0.0/24', '20.3.0.0/24', '20.5.0.0/24'],
  );
  stage.kernel.removeLink(BLUE);
  assert.deepEqual(stage.in(RED_TABLE), [`20.3.0.0/24 ${way(word(10, 0, 0, 2), 5)}`]);
  stage.kernel.addLink(18, 'blue', true, detailOf(BLUE_TABLE));
  stage.kernel.changeLink(4, { master: 18 });
  // Static routes are by name; the client's are of a VRF that is no more.
  assert.deepEqual(
    stage.in(RED_TABLE).map(one => one.split(' ')[0]),
    ['20.0.0.0/24', '20.1.0.0/24', '20.2.0.0/24', '20.3.0.0/24'],
  );
  stage.kernel.changeLink(18, { name: 'green' });
  assert.equal(stage.in(RED_TABLE).length, 1);
  stage.kernel.changeLink(18, { name: 'blue' });
  assert.equal(stage.in(RED_TABLE).length, 4);
  stage.zebra.staticsOf('red').clear();
  assert.deepEqual(stage.in(RED_TABLE), []);
});

test('an interface that a static line names is one of the VRF in which the next hop lies', () => {
  const stage = new Stage();
  stage.static('red', '20.0.0.0/24', undefined, 'red', 'blue0');
  assert.deepEqual(stage.in(RED_TABLE), []);
  stage.kernel.changeLink(4, { master: RED });
  assert.equal(stage.in(RED_TABLE).length, 1);
});

test('without nexthop objects the gateway is given as on the link: the kernel would look it up in the table of the route', () => {
  const stage = new Stage();
  stage.zebra.setNexthopObjects({ kernel: false });
  stage.add(RED, '20.0.0.0/24', stage.via(0, '10.0.0.2'));
  stage.add(RED, '20.1.0.0/24', stage.via(undefined, '10.1.0.2'));
  stage.bench.settle();
  const onlink = stage.kernel
    .ours()
    .map(({ table, words, paths }) => [table, words[0], paths.map(path => path.onlink)]);
  assert.deepEqual(onlink, [
    [RED_TABLE, word(20, 0, 0, 0), [true]],
    [RED_TABLE, word(20, 1, 0, 0), [false]],
  ]);
});

test('it is shown with its VRF', () => {
  const stage = new Stage();
  stage.add(RED, '20.0.0.0/24', stage.via(BLUE, '30.0.0.1'));
  stage.add(BLUE, '30.0.0.0/24', stage.via(undefined, '10.2.0.9'));
  const prefix = parsePrefix('20.0.0.0/24')!;
  stage.bench.settle();
  assert.match(
    showRoute(stage.zebra, RED, prefix, true),
    / {4}30\.0\.0\.1\(vrf blue\) \(recursive\), weight 1\n {2}\* {3}10\.2\.0\.9, via blue0\(vrf blue\), weight 1\n/,
  );
  const [route] = (showRouteJson(stage.zebra, RED, prefix, true) as Record<string, { nexthops: { vrf: string }[] }[]>)[
    '20.0.0.0/24'
  ]!;
  assert.deepEqual(
    route!.nexthops.map(({ vrf }) => vrf),
    ['blue', 'blue'],
  );
  assert.match([...showNexthopGroups(stage.zebra, undefined)].join(''), /via 10\.2\.0\.9, blue0 \(vrf blue\)/);
});

test('clients announce them and track them by the number of the VRF', async () => {
  const live = new Live();
  live.kernel.addLink(RED, 'red', true, detailOf(RED_TABLE));
  live.kernel.addLink(BLUE, 'blue', true, detailOf(BLUE_TABLE));
  live.kernel.addLink(3, 'red0', true, { master: RED });
  live.link(5, 'main0', '10.0.0.1/24', 'fd00::1/64');
  await live.server.listen();
  const client = new Announcer(live.path);
  const shown = (vrf: number, prefix: string): string => showRoute(live.zebra, vrf, parsePrefix(prefix)!, true);
  const text = async (vrf: number, prefix: string, pattern: RegExp): Promise<void> => {
    await until(() => pattern.test(shown(vrf, prefix)), { what: () => `${prefix}: ${shown(vrf, prefix)}` });
  };
  try {
    client.announceIn(RED, '20.0.0.0/24', { via: '10.0.0.2', vrf: 0, labels: [100] });
    client.announceIn(RED, '2001:db8::/48', { via: 'fd00::2', vrf: 0, sid: 'fd01::1' });
    client.announceIn(0, '20.1.0.0/24', { ifindex: RED, vrf: RED });
    client.announceIn(RED, '20.2.0.0/24', { via: '10.0.0.2', vrf: BLUE }, { ifindex: 5, vrf: 0 });
    await text(RED, '20.0.0.0/24', /\* 10\.0\.0\.2, via main0\(vrf default\), label 100, weight 1/);
    await text(RED, '2001:db8::/48', /\* fd00::2, via main0\(vrf default\), seg6 fd01::1, weight 1/);
    await text(0, '20.1.0.0/24', /\* directly connected, red\(vrf red\), weight 1/);
    await text(RED, '20.2.0.0/24', /\* directly connected, main0.*\n {4}10\.0\.0\.2\(vrf blue\) inactive, weight 1\n/);
    const encaps = [...live.kernel.nexthops.values()].filter(({ path }) => path.encap !== undefined);
    assert.equal(encaps.length, 2, 'encapsulations reach the kernel');
    assert.deepEqual(
      live.logged.filter(line => line.includes('not supported')),
      [],
    );
    // The same address tracked in two VRFs.
    const heard: string[] = [];
    for (const vrf of [0, RED]) {
      const { words } = parsePrefix('10.0.0.2/32')!;
      live.zebra.nht.register(7, vrf, AF_INET, words, 32, 1, { connected: false, resolveViaDefault: false }, one =>
        heard.push(`${vrf} ${one.resolution?.paths[0]?.ifindex} in ${one.resolution?.paths[0]?.vrf}`),
      );
    }
    live.kick();
    await until(() => heard.length === 2, { what: () => heard.join() });
    assert.deepEqual(heard.sort(), ['0 5 in 0', `${RED} undefined in undefined`]);
    client.announceIn(RED, '10.0.0.0/24', { ifindex: 5, vrf: 0 });
    await until(() => heard.includes(`${RED} 5 in 0`), { what: () => heard.join() });
    const json = nhtJson(live.zebra, live.zebra.vrfs.list(), AF_INET, undefined) as Record<
      string,
      { ipv4: Record<string, { resolvedProtocol?: string; unresolved?: boolean; nexthops: { vrf?: string }[] }> }
    >;
    assert.deepEqual(Object.keys(json), ['blue', 'default', 'red']);
    assert.equal(json['default']!.ipv4['10.0.0.2']!.resolvedProtocol, 'connected');
    assert.equal(json['red']!.ipv4['10.0.0.2']!.resolvedProtocol, 'bgp');
    assert.equal(json['red']!.ipv4['10.0.0.2']!.nexthops[0]!.vrf, 'default');
    assert.deepEqual(nhtJson(live.zebra, [live.zebra.vrfs.default], AF_INET6, undefined), { default: { ipv6: {} } });
  } finally {
    client.close();
    await live.close();
  }
});
