// Route-target constraint (RFC 4684) between speakers of this process, on virtual time: who hears which memberships, and so which routes
// of VPNs go where, when, and how often.
import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, test } from 'node:test';
import fc from 'fast-check';
import type { SocketAddress } from '../../src/bgp/io/types.ts';
import type { SessionConfig } from '../../src/bgp/session/types.ts';
import { FAMILY, IPV4_VPN, ROUTE_TARGET } from '../../src/bgp/wire/family.ts';
import { formatRouteDistinguisher } from '../../src/bgp/wire/route-distinguisher.ts';
import { UpdateParser, writeEndOfRib } from '../../src/bgp/wire/update.ts';
import { TaskLoop, VirtualClock } from '../../src/concurrency/index.ts';
import {
  AttributeStore,
  BgpTable,
  defaultDecisionOptions,
  NexthopTable,
  PATH_REMOVED,
  PEER_EBGP,
  PEER_IBGP,
  type Policy,
} from '../../src/bgp/rib/index.ts';
import { type GroupOptions, UpdateGroup } from '../../src/bgp/updategroup/index.ts';
import { Interest } from '../../src/bgp/vpn/interest.ts';
import { TargetLists, targetWords } from '../../src/bgp/vpn/target-lists.ts';
import { AF_INET, formatIp4 } from '../../src/net/index.ts';
import { MemoryNetwork } from './lib/memory-transport.ts';
import { Router } from './lib/router.ts';
import { type Recorder, speaker } from './lib/speaker.ts';
import { PLAIN_GROUP } from './lib/group-options.ts';

const address = (last: number): SocketAddress => ({
  family: 2,
  words: [0x0a000000 + last, 0, 0, 0],
  port: 179,
  scopeId: 0,
});
const host = (last: number): string => formatIp4(0x0a000000 + last);

let clock: VirtualClock;
let loop: TaskLoop;
let network: MemoryNetwork;
const routers: Router[] = [];
beforeEach(() => {
  clock = new VirtualClock();
  loop = new TaskLoop('virtual', clock);
  network = new MemoryNetwork(loop);
});
afterEach(() => {
  for (const router of routers.splice(0)) router.close();
});

function router(last: number, text: string): Router {
  const transport = network.transport(address(last));
  const made = new Router(`r${last}`, 179, { loop, transport, random: () => 0.5 });
  routers.push(made);
  made.config(text);
  return made;
}

const seconds = (count: number): void => {
  for (let i = 0; i < count; i++) clock.advance(1000);
};

interface Line {
  readonly last: number;
  readonly as?: number;
  /** Lines in each address family; of memberships alone. */
  readonly lines?: readonly string[];
  readonly rtcLines?: readonly string[];
  readonly rtc?: boolean;
}

/** A router at 10.0.0.`last` with these neighbours. */
function configuration(last: number, neighbours: readonly Line[], more = '', as = 65001): string {
  const family = (name: string, lines: readonly string[]): string =>
    ` address-family ${name}\n${lines.map(line => `  ${line}\n`).join('')} exit-address-family\n`;
  return `router bgp ${as}
 bgp router-id ${host(last)}
 no bgp default ipv4-unicast
 no bgp ebgp-requires-policy
${neighbours
  .map(({ last: other, as: remote = as, lines = [], rtcLines = [], rtc = true }) => {
    const own = ['activate', ...lines].map(line => `neighbor ${host(other)} ${line}`);
    const constraint = [...own, ...rtcLines.map(line => `neighbor ${host(other)} ${line}`)];
    const start = ` neighbor ${host(other)} remote-as ${remote}\n neighbor ${host(other)} timers connect 1\n`;
    return start + family('ipv4 vpn', own) + family('ipv6 vpn', own) + (rtc ? family('ipv4 rtc', constraint) : '');
  })
  .join('')}exit
${more}`;
}

function vrf(name: string, targets: string, networks: readonly string[], as = 65001): string {
  return `router bgp ${as} vrf ${name}
 no bgp network import-check
 address-family ipv4 unicast
${networks.map(one => `  network ${one}\n`).join('')}  ${targets}
 exit-address-family
exit
`;
}

/** `RD PREFIX` of the VPN table. */
function vpn(one: Router, family: 'vpnv4' | 'vpnv6' = 'vpnv4'): string[] {
  const { table } = one.bgp.instance().family[family];
  table.decide();
  return [...table.prefixes.sorted()]
    .filter(row => table.best[row] !== 0)
    .map(
      row =>
        `${formatRouteDistinguisher(table.prefixes.rd0[row]!, table.prefixes.rd1[row]!)} ${table.prefixes.format(row)}`,
    );
}

interface Shown {
  readonly network: string;
  readonly peerId: string;
  readonly bestpath?: true;
  readonly path: string;
  readonly nexthops: readonly { readonly ip: string }[];
}

/** `MEMBERSHIP by NEIGHBOUR`, of all paths. */
function memberships(one: Router): string[] {
  const { routes } = one.json('show bgp ipv4 rtc json') as { routes: Record<string, Shown[]> };
  return Object.entries(routes)
    .flatMap(([name, paths]) => paths.map(path => `${name} by ${path.peerId.replace('(unspec)', 'us')}`))
    .sort();
}

const keys = (one: Router, name: string): string[] =>
  Object.keys((one.json(`show bgp vrf ${name} ipv4 unicast json`) as { routes: object }).routes);

/** Routes announced and withdrawn to a neighbour so far. */
function said(one: Router, last: number): { announced: number; withdrawn: number } {
  const { membership } = one.bgp.instance().peers.get(host(last))!.families.vpnv4;
  const { announced, withdrawn } = membership!.slot.group.stats();
  return { announced, withdrawn };
}

const client: Pick<Line, 'lines'> = { lines: ['route-reflector-client'] };

describe('route-target constraint', () => {
  test('sends each edge over a reflector what it imports, and no more', () => {
    const reflector = router(
      9,
      configuration(9, [
        { last: 1, ...client },
        { last: 2, ...client },
      ]),
    );
    const one = router(1, configuration(1, [{ last: 9 }], vrf('red', 'rt both 65001:10', ['10.1.0.0/24'])));
    const two = router(
      2,
      configuration(
        2,
        [{ last: 9 }],
        vrf('red', 'rt both 65001:10', ['10.2.0.0/24', '10.2.1.0/24']) +
          vrf('blue', 'rt both 65001:20', ['10.3.0.0/24', '10.3.1.0/24', '10.3.2.0/24']) +
          vrf('silent', 'rt export 65001:30', ['10.4.0.0/24']),
      ),
    );
    seconds(10);
    assert.deepEqual(keys(one, 'red'), ['10.1.0.0/24', '10.2.0.0/24', '10.2.1.0/24']);
    assert.deepEqual(keys(two, 'red'), ['10.1.0.0/24', '10.2.0.0/24', '10.2.1.0/24']);
    assert.equal(vpn(one).length, 3, 'red alone');
    // What nobody imports does not leave the edge.
    assert.deepEqual(
      vpn(reflector).filter(row => row.includes('10.4.')),
      [],
    );
    assert.equal(vpn(two).length, 7);
    assert.deepEqual(memberships(reflector), [
      '65001:65001:10/96 by 10.0.0.1',
      '65001:65001:10/96 by 10.0.0.2',
      '65001:65001:20/96 by 10.0.0.2',
    ]);
    // Each hears its own from the reflector, as if it were the reflector's: somebody wants the routes.
    assert.deepEqual(memberships(two), [
      '65001:65001:10/96 by 10.0.0.9',
      '65001:65001:10/96 by us',
      '65001:65001:20/96 by 10.0.0.9',
      '65001:65001:20/96 by us',
    ]);
    const { routes } = two.json('show bgp ipv4 rtc json') as { routes: Record<string, Shown[]> };
    const echo = routes['65001:65001:20/96']!.find(path => path.peerId === host(9))!;
    assert.deepEqual(
      echo.nexthops.map(hop => hop.ip),
      [host(9)],
    );

    // Another target: only what is newly wanted is sent.
    const before = said(reflector, 1);
    one.config(
      configuration(
        1,
        [{ last: 9 }],
        vrf('red', 'rt both 65001:10', ['10.1.0.0/24']) + vrf('blue', 'rt import 65001:20', []),
      ),
    );
    seconds(5);
    assert.deepEqual(keys(one, 'blue'), ['10.3.0.0/24', '10.3.1.0/24', '10.3.2.0/24']);
    assert.deepEqual(said(reflector, 1), { announced: before.announced + 3, withdrawn: before.withdrawn });
    // And none: only what is wanted no more is withdrawn.
    one.type('router bgp 65001 vrf blue', 'address-family ipv4 unicast', 'no rt import 65001:20');
    seconds(5);
    assert.equal(vpn(one).length, 3);
    assert.deepEqual(said(reflector, 1), { announced: before.announced + 3, withdrawn: before.withdrawn + 3 });
    // The other edge's last wish goes, and with it the routes at the reflector.
    two.type('no router bgp 65001 vrf blue');
    seconds(5);
    assert.deepEqual(
      memberships(reflector).filter(one => one.includes(':20/')),
      [],
    );
    assert.equal(vpn(reflector).length, 3);
  });

  test('follows the routes: other targets of a route send it to others', () => {
    router(
      9,
      configuration(9, [
        { last: 1, ...client },
        { last: 2, ...client },
      ]),
    );
    const one = router(1, configuration(1, [{ last: 9 }], vrf('red', 'rt import 65001:10', [])));
    const two = router(2, configuration(2, [{ last: 9 }], vrf('red', 'rt export 65001:11', ['10.2.0.0/24'])));
    seconds(10);
    assert.deepEqual(vpn(one), []);
    two.type('router bgp 65001 vrf red', 'address-family ipv4 unicast', 'rt export 65001:10 65001:11');
    seconds(5);
    assert.deepEqual(keys(one, 'red'), ['10.2.0.0/24']);
    two.type('router bgp 65001 vrf red', 'address-family ipv4 unicast', 'rt export 65001:11');
    seconds(5);
    assert.deepEqual(vpn(one), []);
  });

  test('leaves a neighbour alone that does not take part', () => {
    const one = router(
      1,
      configuration(1, [{ last: 2, rtc: false }], vrf('red', 'rt export 65001:10', ['10.1.0.0/24'])),
    );
    const two = router(2, configuration(2, [{ last: 1 }]));
    seconds(10);
    assert.equal(vpn(two).length, 1, 'everything, without a wait');
    assert.deepEqual(memberships(one), []);
  });

  test('lets a reflector ask its clients for everything', () => {
    const reflector = router(
      9,
      configuration(9, [
        { last: 1, ...client, rtcLines: ['default-originate'] },
        { last: 2, ...client },
      ]),
    );
    const one = router(1, configuration(1, [{ last: 9 }], vrf('red', 'rt export 65001:10', ['10.1.0.0/24'])));
    router(2, configuration(2, [{ last: 9 }], vrf('red', 'rt export 65001:11', ['10.2.0.0/24'])));
    seconds(10);
    assert.deepEqual(
      vpn(reflector).map(row => row.split(' ')[1]),
      ['10.1.0.0/24'],
    );
    assert.deepEqual(memberships(one), ['default by 10.0.0.9']);
    reflector.type('router bgp 65001', 'address-family ipv4 rtc', `no neighbor ${host(1)} default-originate`);
    seconds(5);
    assert.deepEqual(memberships(one), []);
    assert.deepEqual(vpn(reflector), []);
  });

  test('tells the rest of the AS of a client, whoever else said the same', () => {
    // 3 is no client, and its path the reflector's best one.
    const reflector = router(9, configuration(9, [{ last: 4, ...client }, { last: 3 }]));
    const three = router(3, configuration(3, [{ last: 9 }], vrf('red', 'rt both 65001:10', ['10.3.0.0/24'])));
    const four = router(4, configuration(4, [{ last: 9 }], vrf('red', 'rt both 65001:10', ['10.4.0.0/24'])));
    seconds(10);
    const { routes } = reflector.json('show bgp ipv4 rtc json') as { routes: Record<string, Shown[]> };
    assert.equal(routes['65001:65001:10/96']!.find(path => path.bestpath)!.peerId, host(3));
    assert.deepEqual(keys(four, 'red'), ['10.3.0.0/24', '10.4.0.0/24']);
    assert.deepEqual(keys(three, 'red'), ['10.3.0.0/24', '10.4.0.0/24']);
    // The client's path goes, with which the best one has nothing to do.
    four.type('no router bgp 65001 vrf red');
    seconds(5);
    assert.deepEqual(memberships(three), ['65001:65001:10/96 by us']);
    assert.deepEqual(vpn(reflector), []);
  });

  test('lets a reflector of reflectors ask them for everything, whose own clusters stand in what they said', () => {
    const top = router(
      9,
      configuration(
        9,
        [7, 8].map(last => ({ last, ...client, rtcLines: ['default-originate'] })),
      ),
    );
    router(7, configuration(7, [{ last: 9 }, { last: 1, ...client }]));
    router(8, configuration(8, [{ last: 9 }, { last: 2, ...client }]));
    const one = router(1, configuration(1, [{ last: 7 }], vrf('red', 'rt both 65001:10', ['10.1.0.0/24'])));
    const two = router(2, configuration(2, [{ last: 8 }], vrf('red', 'rt both 65001:10', ['10.2.0.0/24'])));
    seconds(10);
    for (const edge of [one, two]) assert.deepEqual(keys(edge, 'red'), ['10.1.0.0/24', '10.2.0.0/24']);
    assert.equal(vpn(top).length, 2);
    // What nobody imports goes no further than to the top.
    one.config(
      configuration(
        1,
        [{ last: 7 }],
        vrf('red', 'rt both 65001:10', ['10.1.0.0/24']) + vrf('blue', 'rt export 65001:20', ['10.1.1.0/24']),
      ),
    );
    seconds(5);
    assert.equal(vpn(top).length, 3);
    assert.equal(vpn(two).length, 2);
  });

  test('crosses ASes: a membership keeps its AS, and routes go back the way that it came', () => {
    const one = router(1, configuration(1, [{ last: 2, as: 65002 }], vrf('red', 'rt import 65001:10', [])));
    router(
      2,
      configuration(
        2,
        [
          { last: 1, as: 65001 },
          { last: 3, as: 65003 },
        ],
        '',
        65002,
      ),
    );
    const three = router(
      3,
      configuration(
        3,
        [{ last: 2, as: 65002 }],
        vrf('red', 'rt export 65001:10', ['10.3.0.0/24'], 65003) +
          vrf('blue', 'rt export 65001:20', ['10.3.1.0/24'], 65003),
        65003,
      ),
    );
    seconds(10);
    const { routes } = three.json('show bgp ipv4 rtc json') as { routes: Record<string, Shown[]> };
    assert.deepEqual(
      Object.entries(routes).map(([key, paths]) => [key, paths[0]!.path]),
      [['65001:65001:10/96', '65002 65001']],
    );
    assert.deepEqual(
      vpn(one).map(row => row.split(' ')[1]),
      ['10.3.0.0/24'],
    );
  });

  test('looks at what policy makes of a route', () => {
    const one = router(1, configuration(1, [{ last: 2 }], vrf('red', 'rt import 65001:77', [])));
    const text = (target: string): string =>
      `route-map OUT permit 10
 set extcommunity rt ${target}
exit
${configuration(2, [{ last: 1 }], vrf('red', 'rt export 65001:10', ['10.2.0.0/24'])).replace(
  'address-family ipv4 vpn\n',
  `address-family ipv4 vpn\n  neighbor ${host(1)} route-map OUT out\n`,
)}`;
    const two = router(2, text('65001:77'));
    seconds(10);
    assert.deepEqual(keys(one, 'red'), ['10.2.0.0/24']);
    one.type('router bgp 65001 vrf red', 'address-family ipv4 unicast', 'rt import 65001:78');
    seconds(5);
    assert.deepEqual(vpn(one), []);
    two.config(text('65001:78'));
    seconds(5);
    assert.deepEqual(keys(one, 'red'), ['10.2.0.0/24']);
  });

  test('shows memberships as text, of one neighbour, and its summary', () => {
    router(9, configuration(9, [{ last: 1, ...client }]));
    const one = router(1, configuration(1, [{ last: 9 }], vrf('red', 'rt import 65001:10 192.0.2.1:5', [])));
    seconds(10);
    const text = one.show('show bgp ipv4 rtc');
    assert.match(text, /^\* i65001:65001:10\/96\n {20}10\.0\.0\.9 .* 100 {6}0 i\n\*> {18}0\.0\.0\.0 .* 32768 i$/m);
    assert.match(text, /^\* i65001:192\.0\.2\.1:5\/96\n/m);
    assert.match(text, /Displayed {2}2 routes and 4 total paths/);
    assert.match(one.show(`show bgp ipv4 rtc neighbors ${host(9)} routes`), /Displayed {2}2 routes/);
    const summary = one.json('show bgp ipv4 rtc summary json') as {
      peers: Record<string, { pfxRcd: number; pfxSnt: number }>;
    };
    const { pfxRcd, pfxSnt } = summary.peers[host(9)]!;
    assert.deepEqual([pfxRcd, pfxSnt], [2, 2]);
    assert.match(one.show('show bgp ipv4 rtc summary'), /10\.0\.0\.9 .* 2 +2 N\/A/);
  });
});

// ----- a neighbour that says what the test says -----

const RTC = FAMILY.rtc;
const hex = (text: string): Uint8Array => Uint8Array.from(Buffer.from(text.replaceAll(' ', ''), 'hex'));

function update(attributes: string): Uint8Array {
  const value = hex(attributes);
  const length = 23 + value.length;
  return Uint8Array.from([
    ...Array<number>(16).fill(255),
    length >> 8,
    length & 255,
    2,
    0,
    0,
    value.length >> 8,
    value.length & 255,
    ...value,
  ]);
}

/** MP_REACH_NLRI or MP_UNREACH_NLRI with these memberships, each in hexadecimal digits. */
const asks = (...nlri: string[]): Uint8Array => {
  const field = nlri.join('');
  const octets = hex(`0001 84 04 0a000005 00 ${field}`).length.toString(16).padStart(2, '0');
  return update(`400101 00 400200 400504 00000064 800e ${octets} 0001 84 04 0a000005 00 ${field}`);
};
const asksNoMore = (...nlri: string[]): Uint8Array => {
  const field = nlri.join('');
  return update(`800f ${hex(`000184${field}`).length.toString(16).padStart(2, '0')} 000184 ${field}`);
};
const TARGET_10 = '60 0000fde9 0002fde9 0000000a';
const TARGET_10_OF_OTHERS = '60 0000fdff 0002fde9 0000000a';
const TARGETS_8_TO_15 = '5d 0000fde9 0002fde9 00000008';
const TARGETS_OF_65001 = '40 0000fde9 0002fde9';
const ALL_OF_AN_AS = '20 0000fde9';
const ALL = '00';

interface Played {
  readonly peer: Recorder;
  /** Prefixes of VPNs that it was told of and not told to forget. */
  readonly told: Set<string>;
  /** Routes that it was told of or told to forget. */
  count: number;
  /** It was told that this was all of the VPN's. */
  all: boolean;
  say(...messages: Uint8Array[]): void;
}

/** At 10.0.0.5, in AS 65001. */
function played(more: Partial<SessionConfig> = {}): Played {
  const config: SessionConfig = {
    localAs: 65001,
    remoteAs: 65001,
    routerId: 0x0a000005,
    remote: address(1),
    families: [FAMILY.vpnv4, FAMILY.rtc].map(({ afi, safi }) => ({ afi, safi })),
    ...more,
  };
  const peer = speaker(loop, network.transport(address(5)), config, () => 0.5);
  const others = [IPV4_VPN, ROUTE_TARGET] as const;
  const parser = new UpdateParser({ ebgp: false, as4: true, ipv4: false, ipv6: false, others, firstAs: 0 });
  const one: Played = {
    peer,
    told: new Set(),
    count: 0,
    all: false,
    say(...messages) {
      for (const message of messages) assert.ok(peer.session.send(message, 0, message.length));
      clock.advance(1000);
    },
  };
  peer.onUpdate = (bytes, offset, length) => {
    parser.parse(bytes, offset - 19, length + 19);
    if (parser.endOfRib === IPV4_VPN) one.all = true;
    const each = (from: number, end: number, use: (key: string) => void): void => {
      for (let at = from; at < end; at += 1 + ((bytes[at]! + 7) >> 3)) {
        one.count++;
        use(Buffer.from(bytes.subarray(at + 4, at + 1 + ((bytes[at]! + 7) >> 3))).toString('hex'));
      }
    };
    if (parser.reachFamily === IPV4_VPN) each(parser.reachStart, parser.reachEnd, key => one.told.add(key));
    if (parser.unreachFamily === IPV4_VPN) each(parser.unreachStart, parser.unreachEnd, key => one.told.delete(key));
  };
  peer.session.start();
  seconds(10);
  assert.ok(peer.session.negotiated, 'a session');
  return one;
}

const endOfRib = (): Uint8Array => {
  const bytes = new Uint8Array(64);
  return bytes.slice(0, writeEndOfRib(bytes, 0, RTC.code));
};

const EDGE: string =
  configuration(1, [{ last: 5 }]) +
  vrf('red', 'rt export 65001:10', ['10.1.0.0/24', '10.1.1.0/24']) +
  vrf('blue', 'rt export 65001:20', ['10.2.0.0/24']) +
  vrf('green', 'rt export 192.0.2.1:10', ['10.3.0.0/24']);

describe('a neighbour with route-target constraint', () => {
  test('is sent nothing before it has said all that it asks for', () => {
    router(1, EDGE);
    const five = played();
    assert.equal(five.count, 0);
    five.say(asks(TARGET_10));
    seconds(30);
    assert.equal(five.count, 0);
    assert.ok(!five.all);
    five.say(endOfRib());
    assert.equal(five.told.size, 2);
    assert.ok(five.all);
  });

  test('has a minute for that', () => {
    router(1, EDGE);
    const five = played();
    five.say(asks(TARGET_10));
    seconds(45);
    assert.equal(five.count, 0);
    seconds(15);
    assert.equal(five.told.size, 2);
    assert.ok(five.all);
    five.say(endOfRib());
    assert.equal(five.count, 2, 'what comes late changes nothing');
  });

  test('that does not know graceful restart has said all when it has been silent for a while', () => {
    router(1, EDGE);
    const five = played({ gracefulRestart: false });
    // Ten seconds went by.
    assert.ok(five.all);
    assert.equal(five.count, 0);
    five.say(asks(TARGET_10));
    assert.equal(five.told.size, 2);
  });

  test('has another minute in its next session', () => {
    const one = router(1, EDGE);
    const five = played();
    five.say(asks(ALL), endOfRib());
    assert.equal(five.told.size, 4);
    one.bgp.instance().peers.get(host(5))!.reset();
    five.told.clear();
    seconds(10);
    assert.ok(five.peer.session.negotiated);
    assert.equal(five.told.size, 0);
    five.say(asks(TARGET_10), endOfRib());
    assert.equal(five.told.size, 2, 'what it asked for before is forgotten');
  });

  test('may ask for many targets at once, and is told each route once', () => {
    router(1, EDGE);
    const five = played();
    five.say(endOfRib());
    assert.deepEqual([five.told.size, five.count], [0, 0]);
    five.say(asks(TARGETS_8_TO_15));
    assert.deepEqual([five.told.size, five.count], [2, 2]);
    // The same in other words, and of another AS.
    five.say(asks(TARGET_10, TARGET_10_OF_OTHERS));
    five.say(asks(TARGETS_OF_65001));
    assert.deepEqual([five.told.size, five.count], [3, 3]);
    five.say(asks(ALL_OF_AN_AS));
    assert.deepEqual([five.told.size, five.count], [4, 4]);
    five.say(asks(ALL));
    five.say(asksNoMore(ALL_OF_AN_AS));
    assert.deepEqual([five.told.size, five.count], [4, 4]);
    five.say(asksNoMore(ALL));
    assert.deepEqual([five.told.size, five.count], [3, 5]);
    five.say(asksNoMore(TARGETS_OF_65001, TARGETS_8_TO_15));
    assert.deepEqual([five.told.size, five.count], [2, 6]);
    five.say(asksNoMore(TARGET_10));
    assert.deepEqual([five.told.size, five.count], [2, 6]);
    five.say(asksNoMore(TARGET_10_OF_OTHERS));
    assert.deepEqual([five.told.size, five.count], [0, 8]);
  });

  test('is not heard in what the inbound policy refuses', () => {
    const one = router(1, EDGE);
    const five = played();
    five.say(asks(TARGET_10), endOfRib());
    assert.equal(five.told.size, 2);
    one.type('route-map NONE deny 10');
    one.type('router bgp 65001', 'address-family ipv4 rtc', `neighbor ${host(5)} route-map NONE in`);
    seconds(2);
    assert.equal(five.told.size, 0);
    one.type('router bgp 65001', 'address-family ipv4 rtc', `no neighbor ${host(5)} route-map NONE in`);
    seconds(2);
    assert.equal(five.told.size, 2);
  });
});

// ----- under any sequence of changes -----

/** Targets that routes carry, and memberships: lengths and words behind the AS. */
const TARGETS = [1, 2, 3, 8, 9].map(number => [0x0002fde9, number] as const);
const MEMBERSHIPS: readonly (readonly [length: number, w1: number, w2: number])[] = [
  ...TARGETS.map(([hi, lo]) => [96, hi, lo] as const),
  [93, 0x0002fde9, 8],
  [64, 0x0002fde9, 0],
  [32, 0, 0],
  [0, 0, 0],
];
const covers = (which: number, target: number): boolean =>
  which === target || (which === 5 && target >= 3) || which === 6 || which === 7;

const OPTIONS: GroupOptions = {
  ...PLAIN_GROUP,
  kind: 'ibgp',
  localAs: 65001,
  routerId: 1,
  clusterId: 1,
  localAddress4: 0x0a000001,
  maximumMessageBytes: 300,
};

const step = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constant('announce' as const),
      prefix: fc.nat(5),
      targets: fc.subarray([0, 1, 2, 3, 4]),
      id: fc.nat(1),
    }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('withdraw' as const), prefix: fc.nat(5), id: fc.nat(1) }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('ask' as const), which: fc.nat(MEMBERSHIPS.length - 1) }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('stop' as const), which: fc.nat(MEMBERSHIPS.length - 1) }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('run' as const), max: fc.integer({ min: 1, max: 9 }) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('settle' as const) }) },
);

for (const [what, addPath, withPolicy] of [
  ['', undefined, false],
  [', with a policy', undefined, true],
  [', with every path', 'all', false],
] as const) {
  test(`under any changes of routes and memberships a neighbour ends with what it asks for${what}`, () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 120 }), steps => {
        const nexthops = new NexthopTable();
        nexthops.defaultReachable = true;
        const store = new AttributeStore(nexthops, 4);
        const table = new BgpTable({
          family: IPV4_VPN,
          store,
          decision: defaultDecisionOptions(65001, 1),
          now: () => 1,
        });
        const from = {
          kind: PEER_EBGP,
          as: 65002,
          routerId: 2,
          address: [2, 0, 0, 0],
          weight: 0,
          allowOwnAs: 0,
          role: -1,
        } as const;
        const source = table.addPeer(from);
        const peer = table.addPeer({ ...from, kind: PEER_IBGP, as: 65001, routerId: 3, address: [3, 0, 0, 0] });
        // Few lists are kept, so that they are numbered anew now and then.
        const interest = new Interest(new TargetLists(store, -10));
        // A policy makes target 0 of targets that it does not know: of those that end in 9.
        const policy: Policy = {
          perPrefix: false,
          apply(set) {
            const values = store.decode(set).extendedCommunities.map(one => Buffer.from(one).toString('hex'));
            const changed = values.map(value => (value.endsWith('09') ? `${value.slice(0, -2)}01` : value));
            return store.editor
              .begin(set)
              .setExtendedCommunities([...new Set(changed)].sort())
              .finish();
          },
        };
        const group = new UpdateGroup(table, {
          ...OPTIONS,
          filter: interest,
          addPath,
          policy: withPolicy ? policy : undefined,
        });
        group.onTimer = () => {};
        interest.onChange = turned => group.filterChanged(turned);
        const told = new Map<string, string>();
        const parser = new UpdateParser({
          ebgp: false,
          as4: true,
          ipv4: false,
          ipv6: false,
          others: [IPV4_VPN],
          addPath: addPath === undefined ? [] : [IPV4_VPN],
          firstAs: 0,
        });
        const hear = (bytes: Uint8Array, offset: number, length: number): boolean => {
          parser.parse(bytes, offset, length);
          const idBytes = parser.idBytes(IPV4_VPN);
          const each = (at: number, end: number, use: (key: string) => void): void => {
            for (let next: number; at < end; at = next) {
              next = at + idBytes + 1 + ((bytes[at + idBytes]! + 7) >> 3);
              const id = Buffer.from(bytes.subarray(at, at + idBytes)).toString('hex');
              use(`${id} ${bytes[next - 1]}`);
            }
          };
          if (parser.unreachFamily !== 0)
            each(parser.unreachStart, parser.unreachEnd, key => assert.ok(told.delete(key), key));
          if (parser.reachFamily === 0) return true;
          const id = store.intern(parser.canonical(true));
          const numbers = [...targetWords(store, id)].filter((_, i) => i % 2 === 1);
          const targets = `${numbers.join()} ${store.asPathText(id)}`;
          store.release(id);
          each(parser.reachStart, parser.reachEnd, key => {
            assert.notEqual(told.get(key), targets, 'something is said twice');
            told.set(key, targets);
          });
          return true;
        };
        group.join({ peer, family: AF_INET, address: [3, 0, 0, 0], hasRoom: () => true, send: hear });
        const asked = MEMBERSHIPS.map(() => 0);
        for (const one of steps) {
          if (one.kind === 'announce') {
            const extendedCommunities = one.targets.map(i => {
              const value = Buffer.alloc(8);
              value.writeUInt32BE(TARGETS[i]![0]);
              value.writeUInt32BE(TARGETS[i]![1], 4);
              return value;
            });
            const set = store.encode({
              origin: 0,
              asPath: [{ type: 'sequence', as: [65002, 1 + one.id] }],
              nextHop: { family: AF_INET, words: [0x0a000002, 0, 0, 0] },
              label: 16,
              extendedCommunities,
            });
            table.announce(source, one.prefix, 0, 0, 0, 32, set, one.id, 0, 7);
            store.release(set);
          } else if (one.kind === 'withdraw') table.withdraw(source, one.prefix, 0, 0, 0, 32, one.id, 0, 7);
          else if (one.kind === 'ask') {
            interest.count(...MEMBERSHIPS[one.which]!, 1);
            asked[one.which]!++;
          } else if (one.kind === 'stop') {
            if (asked[one.which] === 0) continue;
            interest.count(...MEMBERSHIPS[one.which]!, -1);
            asked[one.which]!--;
          } else if (one.kind === 'settle') interest.settle();
          else {
            table.work(one.max);
            group.run(one.max, 0);
            table.sweep(3);
          }
        }
        interest.settle();
        while (table.work(7));
        while (group.run(100, 0));
        const expected: string[] = [];
        for (let prefix = 0; prefix < table.prefixes.limit; prefix++) {
          if (!table.prefixes.has(prefix)) continue;
          for (let path = table.first[prefix]!; path !== 0; path = table.pathNext[path]!) {
            if ((table.pathFlags[path]! & PATH_REMOVED) !== 0) continue;
            if (addPath === undefined && table.best[prefix] !== path) continue;
            let targets = [...targetWords(store, table.pathAttributes[path]!)].filter((_, i) => i % 2 === 1);
            if (withPolicy) targets = [...new Set(targets.map(one => (one === 9 ? 1 : one)))];
            const numbers = targets.map(one => TARGETS.findIndex(target => target[1] === one));
            const wanted =
              asked[8]! > 0 || asked.some((count, which) => count > 0 && numbers.some(one => covers(which, one)));
            const id = addPath === undefined ? '' : path.toString(16).padStart(8, '0');
            if (wanted)
              expected.push(
                `${id} ${table.prefixes.w0[prefix]}: ${targets.sort((a, b) => a - b).join()} ${store.asPathText(table.pathAttributes[path]!)}`,
              );
          }
        }
        assert.deepEqual([...told].map(([key, targets]) => `${key}: ${targets}`).sort(), expected.sort());
        group.close();
      }),
      { numRuns: 400 },
    );
  });
}
