import assert from 'node:assert/strict';
import { afterEach, test } from 'node:test';
import { bgpCommands } from '../../src/bgp/commands.ts';
import { closeBgpChannels, createBgpChannels } from '../../src/bgp/io/channels.ts';
import { IoLoop } from '../../src/bgp/io/io-loop.ts';
import { createTransport } from '../../src/bgp/io/transport.ts';
import type { SocketAddress } from '../../src/bgp/io/types.ts';
import { encodeMessage, MessageType } from '../../src/bgp/wire/message.ts';
import { encodeRouteRefresh, RefreshKind } from '../../src/bgp/wire/refresh.ts';
import { until } from '../lib/wait.ts';
import { routersOnLoopback } from './lib/loopback.ts';
import { grammar, Router } from './lib/router.ts';
import { IPV4_UNICAST, type Recorder, speaker } from './lib/speaker.ts';

let port = 20_000 + (process.pid % 20_000);
const strangers: (() => void)[] = [];
afterEach(() => {
  for (const close of strangers.splice(0)) close();
});
const routers = routersOnLoopback('speakers');

function pair(): [Router, Router] {
  port += 2;
  const made: [Router, Router] = [new Router('a', port), new Router('b', port + 1)];
  routers.push(...made);
  return made;
}

const A = '10.9.0.1';
const B = '10.9.0.2';

/** Two speakers on loopback: `a` connects to b's port, b only listens. */
function base(as: number, own: string, peer: string, peerAs: number, peerPort: number, passive: boolean): string {
  return `router bgp ${as}
 bgp router-id ${own}
 no bgp ebgp-requires-policy
 neighbor ${peer} remote-as ${peerAs}
 neighbor ${peer} port ${peerPort}
 neighbor ${peer} update-source ${own}
 neighbor ${peer} timers connect 1
${passive ? ` neighbor ${peer} passive\n` : ''}`;
}

const a = (rest: string, peerAs = 65002): string => base(65001, A, B, peerAs, port + 1, false) + rest;
const b = (rest: string, as = 65002): string => base(as, B, A, 65001, port, true) + rest;

/** ORIGIN, AS_PATH 6500x, NEXT_HOP 10.9.0.x. */
const good = (last: 2 | 3): string => `400101004002060201 0000fde${last === 2 ? 'a' : 'b'} 4003040a09000${last}`;

/** An UPDATE of these attributes and prefixes. */
function update(attributes: string, nlri: readonly number[]): Uint8Array {
  const bytes = Buffer.from(attributes.replaceAll(' ', ''), 'hex');
  return encodeMessage(MessageType.update, Uint8Array.of(0, 0, 0, bytes.length, ...bytes, ...nlri));
}

/** A peer at 10.9.0.`last` whose UPDATEs are the test's own. */
function stranger(router: Router, last = 2): Recorder & { say(message: Uint8Array): void } {
  const channels = createBgpChannels();
  const io = new IoLoop(router.loop, channels);
  const at = (host: number): SocketAddress => ({ family: 2, words: [0x0a090000 + host, 0, 0, 0], port: 0, scopeId: 0 });
  const recorder = speaker(router.loop, createTransport(router.loop, channels), {
    localAs: 65000 + last,
    remoteAs: 65001,
    routerId: last,
    local: at(last),
    remote: { ...at(1), port },
    families: [IPV4_UNICAST],
    idleHoldS: 0.05,
  });
  strangers.push(() => {
    recorder.session.destroy();
    io.close();
    closeBgpChannels(channels);
  });
  recorder.session.start();
  const say = (message: Uint8Array): void => assert.ok(recorder.session.send(message, 0, message.length));
  return Object.assign(recorder, { say });
}

test('the tables of commands have no faults', () => {
  assert.deepEqual(grammar.faults(), []);
});

test('bgp no-rib stands at the top level', () => {
  assert.ok('entry' in grammar.parse('configure', ['bgp', 'no-rib']));
  // (Typed inside a block, it is the top level that takes it, as any of its lines.)
  assert.ok(
    bgpCommands.commands.filter(one => one.syntax.includes('no-rib')).every(one => one.modes.join() === 'configure'),
  );
  assert.ok(!('entry' in grammar.parse('exec', ['bgp', 'no-rib'])));
});

test('what is not built is refused, not taken and forgotten', () => {
  assert.ok(!('entry' in grammar.parse('route-map', 'set extcommunity bandwidth cumulative'.split(' '))));
});

test('two speakers exchange routes, withdraw them, and show them', async () => {
  const [one, two] = pair();
  one.config(
    a(' address-family ipv4 unicast\n  network 10.1.0.0/24\n  network 10.2.0.0/16\n exit-address-family\nexit\n'),
  );
  two.config(b(' address-family ipv4 unicast\n  network 10.20.0.0/24\n exit-address-family\nexit\n'));
  await two.route('ipv4', '10.1.0.0/24');
  await one.route('ipv4', '10.20.0.0/24');

  const table = two.show('show bgp ipv4 unicast');
  assert.match(table, /\*> 10\.1\.0\.0\/24 {6}10\.9\.0\.1 {17}0 {13}0 65001 i\n/);
  assert.match(table, /\*> 10\.20\.0\.0\/24 {5}0\.0\.0\.0 {18}0 {9}32768 i\n/);
  assert.match(table, /\nDisplayed {2}3 routes and 3 total paths\n$/);
  const json = two.json('show bgp ipv4 unicast json') as { routes: Record<string, { path: string; valid: boolean }[]> };
  assert.deepEqual(Object.keys(json.routes), ['10.1.0.0/24', '10.2.0.0/16', '10.20.0.0/24']);
  assert.equal(json.routes['10.1.0.0/24']?.[0]?.path, '65001');
  assert.equal(json.routes['10.1.0.0/24']?.[0]?.valid, true);
  const summary = one.json('show bgp summary json') as {
    ipv4Unicast: { peers: Record<string, { state: string; pfxRcd: number; pfxSnt: number }> };
  };
  const { state, pfxRcd, pfxSnt } = summary.ipv4Unicast.peers[B]!;
  assert.deepEqual({ state, pfxRcd, pfxSnt }, { state: 'Established', pfxRcd: 1, pfxSnt: 2 });
  const advertised = one.json(`show bgp ipv4 unicast neighbors ${B} advertised-routes json`) as {
    totalPrefixCounter: number;
  };
  assert.equal(advertised.totalPrefixCounter, 2);
  assert.match(one.show(`show bgp neighbors ${B}`), /BGP state = Established, up for 00:00:0/);
  assert.match(one.show('show bgp ipv4 unicast 10.20.0.7'), /^BGP routing table entry for 10\.20\.0\.0\/24/);

  one.type('router bgp 65001', 'address-family ipv4 unicast', 'no network 10.1.0.0/24');
  await two.route('ipv4', '10.1.0.0/24', true);
  one.type('no router bgp');
  await two.route('ipv4', '10.2.0.0/16', true);
});

test('route maps change what comes in and goes out, also when a list changes later', async () => {
  const [one, two] = pair();
  one.config(
    `${a(` address-family ipv4 unicast
  network 10.1.0.0/24
  network 10.2.0.0/24
  network 192.0.2.0/24
  neighbor ${B} route-map OUT out
 exit-address-family
exit
`)}ip prefix-list TENS seq 5 permit 10.0.0.0/8 le 24
route-map OUT permit 10
 match ip address prefix-list TENS
 set as-path prepend 65001 65001
 set community 65001:7 65001:8
 set metric 50
exit
`,
  );
  two.config(
    `${b(` address-family ipv4 unicast\n  neighbor ${A} route-map IN in\n exit-address-family\nexit\n`)}bgp community-list standard SEVEN seq 5 permit 65001:7
bgp as-path access-list LONG seq 5 permit ^65001_65001_65001$
route-map IN permit 10
 match community SEVEN
 match as-path LONG
 set local-preference 200
 set weight 7
 set metric +5
exit
`,
  );
  await two.route('ipv4', '10.1.0.0/24');
  interface Path {
    aspath: { string: string };
    metric: number;
    locPrf: number;
    weight: number;
    community: { string: string };
  }
  const route = two.json('show bgp ipv4 unicast 10.1.0.0/24 json') as { paths: Path[] };
  const { aspath, metric, locPrf, weight, community } = route.paths[0]!;
  assert.deepEqual(
    { path: aspath.string, metric, locPrf, weight, community: community.string },
    { path: '65001 65001 65001', metric: 55, locPrf: 200, weight: 7, community: '65001:7 65001:8' },
  );
  assert.match(two.show('show bgp ipv4 unicast 192.0.2.0/24'), /not in table/);

  one.type('ip prefix-list TENS seq 10 permit 192.0.2.0/24');
  await two.route('ipv4', '192.0.2.0/24');
  one.type('no ip prefix-list TENS seq 5 permit 10.0.0.0/8 le 24');
  await two.route('ipv4', '10.1.0.0/24', true);
  two.type('route-map IN deny 5', 'match ip address prefix-len 24');
  await two.route('ipv4', '192.0.2.0/24', true);
  const filtered = two.json(`show bgp ipv4 unicast neighbors ${A} filtered-routes json`) as { receivedRoutes: object };
  assert.deepEqual(Object.keys(filtered.receivedRoutes), ['192.0.2.0/24']);
  two.type('no route-map IN');
  await new Promise(resolve => setTimeout(resolve, 50));
  two.type('router bgp 65002', 'address-family ipv4 unicast', `no neighbor ${A} route-map IN in`);
  await two.route('ipv4', '192.0.2.0/24');
});

test('without policy an external neighbour gets nothing and gives nothing', async () => {
  const [one, two] = pair();
  one.config(
    a(' address-family ipv4 unicast\n  network 10.1.0.0/24\n exit-address-family\nexit\n').replace(
      ' no bgp ebgp-requires-policy\n',
      '',
    ),
  );
  two.config(b(' address-family ipv4 unicast\n  network 10.20.0.0/24\n exit-address-family\nexit\n'));
  await until(() => one.show('show bgp summary').includes('(Policy)'), { what: 'the session' });
  const peer = (router: Router): { pfxRcd: number } =>
    (router.json('show bgp ipv4 unicast summary json') as { peers: Record<string, { pfxRcd: number }> }).peers[
      router === one ? B : A
    ]!;
  await until(() => two.show(`show bgp neighbors ${A}`).includes('Established'), { what: 'the other side' });
  assert.equal(peer(one).pfxRcd, 0);
  assert.equal(peer(two).pfxRcd, 0);
  one.type('router bgp 65001', 'no bgp ebgp-requires-policy');
  await two.route('ipv4', '10.1.0.0/24');
  await one.route('ipv4', '10.20.0.0/24');
});

test('a default route is originated, and a peer over its limit is shut out', async () => {
  const [one, two] = pair();
  one.config(
    a(
      ` address-family ipv4 unicast\n  network 10.1.0.0/24\n  neighbor ${B} default-originate\n exit-address-family\nexit\n`,
    ),
  );
  two.config(b('exit\n'));
  await two.route('ipv4', '0.0.0.0/0');
  await two.route('ipv4', '10.1.0.0/24');
  one.type('router bgp 65001', 'address-family ipv4 unicast', `no neighbor ${B} default-originate`);
  await two.route('ipv4', '0.0.0.0/0', true);
  await two.route('ipv4', '10.1.0.0/24');
  two.type('router bgp 65002', 'address-family ipv4 unicast', `neighbor ${A} maximum-prefix 1`);
  one.type('router bgp 65001', 'address-family ipv4 unicast', 'network 10.3.0.0/24');
  await until(() => two.show('show bgp summary').includes('Idle (PfxCt)'), {
    what: () => two.show('show bgp summary'),
  });
});

test('changes of settings move a peer to another group and withdraw what it no longer gets', async () => {
  const [one, two] = pair();
  one.config(
    `${a(' address-family ipv4 unicast\n  network 10.1.0.0/24\n  network 10.2.0.0/24\n exit-address-family\nexit\n')}ip prefix-list P seq 5 permit 10.1.0.0/24\n`,
  );
  two.config(b('exit\n'));
  await two.route('ipv4', '10.2.0.0/24');
  one.type('router bgp 65001', 'address-family ipv4 unicast', `neighbor ${B} prefix-list P out`);
  await two.route('ipv4', '10.2.0.0/24', true);
  await two.route('ipv4', '10.1.0.0/24');
  assert.match(one.show(`show bgp neighbors ${B}`), /Connections established 1; dropped 0/);
  assert.match(one.show('show bgp memory'), /^1 BGP attributes of update groups, using \d+ bytes of memory$/m);
});

test('a route reflector passes routes between its clients, with originator and cluster list', async () => {
  port += 2;
  const reflector = new Router('rr', port);
  const clients = ['10.9.0.11', '10.9.0.12'].map(() => new Router('client', 0));
  routers.push(reflector, ...clients);
  const neighbors = ['10.9.0.11', '10.9.0.12'];
  reflector.config(`router bgp 65001
 bgp router-id 10.9.0.1
 neighbor RR peer-group
 neighbor RR remote-as internal
 neighbor RR update-source 10.9.0.1
 neighbor RR passive
${neighbors.map(address => ` neighbor ${address} peer-group RR\n`).join('')} address-family ipv4 unicast
  neighbor RR route-reflector-client
  maximum-paths ibgp 2
 exit-address-family
exit
`);
  clients.forEach((client, i) =>
    client.config(`router bgp 65001
 bgp router-id ${neighbors[i]}
 neighbor 10.9.0.1 remote-as internal
 neighbor 10.9.0.1 port ${port}
 neighbor 10.9.0.1 update-source ${neighbors[i]}
 neighbor 10.9.0.1 timers connect 1
 address-family ipv4 unicast
  network 10.${i}.0.0/24
  network 10.7.0.0/24
 exit-address-family
exit
`),
  );
  await clients[1]!.route('ipv4', '10.0.0.0/24');
  await clients[0]!.route('ipv4', '10.1.0.0/24');
  interface Path {
    originatorId: string;
    clusterList: { list: string[] };
    nexthops: { ip: string }[];
  }
  const [path] = (clients[1]!.json('show bgp ipv4 unicast 10.0.0.0/24 json') as { paths: Path[] }).paths;
  assert.equal(path?.originatorId, '10.9.0.11');
  assert.deepEqual(path.clusterList.list, ['10.9.0.1']);
  assert.equal(path.nexthops[0]?.ip, '10.9.0.11');
  await until(() => /\*=i/.test(reflector.show('show bgp ipv4 unicast')), {
    what: () => reflector.show('show bgp ipv4 unicast'),
  });
  assert.match(reflector.show('show bgp neighbors 10.9.0.11'), /Route-Reflector Client/);
  reflector.type('router bgp 65001', 'no neighbor RR peer-group');
  await clients[1]!.route('ipv4', '10.0.0.0/24', true);
});

test('enhanced route refresh: our answer is marked, and what a peer does not say between its marks is gone (RFC 7313)', async () => {
  const [one] = pair();
  one.config(
    base(65001, A, B, 65002, port + 1, true) +
      ` address-family ipv4 unicast
  network 10.20.0.0/24
  neighbor ${B} default-originate
 exit-address-family
exit
`,
  );
  const said: string[] = [];
  const peer = stranger(one);
  peer.onUpdate = () => said.push('update');
  peer.onRefresh = refresh => said.push(['request', 'begin', 'end'][refresh.kind] ?? 'unknown');
  const mark = (kind: number): void => peer.say(encodeRouteRefresh({ ...IPV4_UNICAST, kind }));
  const announce = (third: number): void => peer.say(update(good(2), [24, 10, third, 0]));
  // Network, default route, End-of-RIB.
  await until(() => said.length === 3, { what: () => `the first table: ${said.join()}` });
  announce(1);
  announce(2);
  // It knows graceful restart: until its End-of-RIB marks mean nothing, and an end without a beginning never does.
  mark(RefreshKind.begin);
  mark(RefreshKind.end);
  announce(3);
  await one.route('ipv4', '10.3.0.0/24');
  await one.route('ipv4', '10.2.0.0/24');
  peer.say(encodeMessage(MessageType.update, Uint8Array.of(0, 0, 0, 0)));
  mark(RefreshKind.begin);
  announce(1);
  mark(RefreshKind.end);
  mark(77);
  await one.route('ipv4', '10.2.0.0/24', true);
  await one.route('ipv4', '10.1.0.0/24');
  assert.equal(said.length, 3, 'marks are no requests');
  assert.ok(peer.session.sendRouteRefresh(IPV4_UNICAST));
  await until(() => said.includes('end'), { what: () => `the end of the answer: ${said.join()}` });
  assert.deepEqual(said.slice(3), ['begin', 'update', 'update', 'end']);
});

test('a faulty UPDATE costs its routes, or its own session with the right NOTIFICATION, and nobody else anything', async () => {
  const [one, two] = pair();
  const third = '10.9.0.3';
  one.config(
    a(` neighbor ${third} remote-as 65003
 neighbor ${third} update-source ${A}
 neighbor ${third} passive
 address-family ipv4 unicast
  network 10.20.0.0/24
 exit-address-family
exit
`),
  );
  two.config(b('exit\n'));
  await two.route('ipv4', '10.20.0.0/24');
  const peer = stranger(one, 3);
  await until(() => peer.session.state === 'Established', { what: 'the stranger' });
  peer.say(update(good(3), [24, 10, 1, 0, 24, 10, 2, 0]));
  await two.route('ipv4', '10.2.0.0/24');
  // COMMUNITIES of three octets: its routes are withdrawn, the session stays.
  peer.say(update(`${good(3)}c00803000000`, [24, 10, 2, 0]));
  await two.route('ipv4', '10.2.0.0/24', true);
  await two.route('ipv4', '10.1.0.0/24');
  assert.deepEqual(peer.events, ['up']);
  // A prefix of 33 bits: nothing behind it can be trusted.
  peer.say(update(good(3), [33, 10, 3, 0, 0, 0]));
  await until(() => peer.downs.length > 0, { what: 'the end of the session' });
  const [reason] = peer.downs;
  assert.ok(reason?.kind === 'notification-received');
  assert.deepEqual([reason.error.code, reason.error.subcode], [3, 10]);
  await two.route('ipv4', '10.1.0.0/24', true);
  const { peers } = (one.json('show bgp summary json') as { ipv4Unicast: { peers: Record<string, { state: string }> } })
    .ipv4Unicast;
  assert.equal(peers[B]!.state, 'Established');
  const about = two.json(`show bgp neighbors ${A} json`) as Record<string, { connectionsDropped: number }>;
  assert.equal(about[A]!.connectionsDropped, 0);
});

test('shutting a neighbour down, and clearing it', async () => {
  const [one, two] = pair();
  one.config(a(' address-family ipv4 unicast\n  network 10.1.0.0/24\n exit-address-family\nexit\n'));
  two.config(b('exit\n'));
  await two.route('ipv4', '10.1.0.0/24');
  one.type('router bgp 65001', `neighbor ${B} shutdown message over and out`);
  await two.route('ipv4', '10.1.0.0/24', true);
  assert.match(one.show('show bgp summary'), /Idle \(Admin\)/);
  assert.match(two.show(`show bgp neighbors ${A}`), /Last reset .*Notification received/);
  one.type('router bgp 65001', `no neighbor ${B} shutdown message over and out`);
  await two.route('ipv4', '10.1.0.0/24');
  one.show('clear bgp * soft out');
  one.show(`clear ip bgp ${B}`);
  await until(() => /Connections established [23]/.test(one.show(`show bgp neighbors ${B}`)), {
    what: 'a new session',
  });
  await two.route('ipv4', '10.1.0.0/24');
  assert.match(one.show('clear bgp 10.9.0.77'), /Unknown neighbor/);
});
