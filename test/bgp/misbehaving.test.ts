// Peers that misbehave: half-open connections, floods, peers that never read, that go in the middle of a message, and a thousand
// of them that flap. Whatever they do, a neighbour that behaves keeps its session and its routes; BIRD is that neighbour, and the
// judge. The others are played by this thread (lib/player.ts), from the network behind 10.0.2.2:
//
//    BIRD 10.0.1.1 ── 10.0.1.10 grevy 10.0.2.10 ── hub ── 10.0.2.2 players, 10.8.0.0/15
//    AS 65001           AS 65010
import assert from 'node:assert/strict';
import type { ChildProcess } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { after, afterEach, before, test } from 'node:test';
import { buildTable } from '../../bench/lib/table.ts';
import { encodeNotification, KEEPALIVE } from '../../src/bgp/wire/message.ts';
import { peerError } from '../../src/bgp/wire/notification.ts';
import { encodeRouteRefresh } from '../../src/bgp/wire/refresh.ts';
import { parseIp4 } from '../../src/net/index.ts';
import { enterNetworkNamespace } from '../../src/sys/index.ts';
import { type Daemon, startBird, startGrevy } from '../lib/daemons.ts';
import { Lab, type Namespace } from '../lib/netns.ts';
import { until } from '../lib/wait.ts';
import { announcement, Player, type PlayerOptions, withdrawal } from './lib/player.ts';

const GOOD_ROUTES = 300;
/** How long the shell may take to answer while others keep the daemon busy. */
const ANSWER_MS = 5000;

const [GOOD, HERE, ONE, TWO] = ['10.0.1.1', '10.0.2.10', '10.0.2.2', '10.0.2.3'];
const nth = (i: number): string => `10.9.${i >> 8}.${i & 255}`;
const network = (i: number): string => `30.${(i >> 8) & 255}.${i & 255}.0/24`;
/** Of the good neighbour: no other has prefixes of this length. */
const goodNetwork = (i: number): string => `20.${i >> 8}.${i & 255}.0/25`;

// Those who come from the listen range are told of the good neighbour's routes only: a thousand times a table is no matter here.
const GREVY = `hostname grevy
ip route 10.8.0.0/15 ${ONE}
ip prefix-list GOOD permit 20.0.0.0/8 ge 25
router bgp 65010
 bgp router-id 10.0.0.10
 no bgp ebgp-requires-policy
 bgp listen limit 2000
 neighbor ${GOOD} remote-as 65001
 neighbor ${GOOD} timers 2 6
 neighbor ${ONE} remote-as 65002
 neighbor ${ONE} passive
 neighbor ${TWO} remote-as 65003
 neighbor ${TWO} passive
 neighbor MANY peer-group
 neighbor MANY remote-as external
 neighbor MANY ebgp-multihop 255
 bgp listen range 10.9.0.0/16 peer-group MANY
 address-family ipv4 unicast
  neighbor MANY prefix-list GOOD out
 exit-address-family
exit
`;

const BIRD = `router id ${GOOD};
timeformat protocol iso long ms;
protocol device {}
protocol static { ipv4;
${Array.from({ length: GOOD_ROUTES }, (_, i) => `  route ${goodNetwork(i)} blackhole;`).join('\n')}
}
protocol bgp grevy {
  local ${GOOD} as 65001; neighbor 10.0.1.10 as 65010;
  hold time 6; keepalive time 2; connect delay time 1; connect retry time 1; error wait time 1, 1;
  ipv4 { import all; export where source = RTS_STATIC; };
}
`;

interface Summary {
  ipv4Unicast: { peers: Record<string, SummaryPeer>; totalPeers: number; failedPeers: number; dynamicPeers: number };
}

interface SummaryPeer {
  state: string;
  pfxRcd: number;
  pfxSnt: number;
  msgRcvd: number;
  connectionsEstablished: number;
  connectionsDropped: number;
}

const times = <T>(count: number, make: (i: number) => T): T[] => Array.from({ length: count }, (_, i) => make(i));

const lab = new Lab();
let host: Namespace;
let hub: Namespace;
let players: Namespace;
let grevy: Daemon;
let bird: Daemon;
/** When BIRD's session came up, in milliseconds of the day. */
let since = 0;
let monitor: ChildProcess;
let goodRoutesMoved = '';

const summary = async (): Promise<Summary['ipv4Unicast']> =>
  (JSON.parse(await grevy.sh('show bgp summary json')) as Summary).ipv4Unicast;

/** When its session came up, as BIRD says it; NaN: it is not. */
const upSince = async (): Promise<number> => {
  const text = await bird.sh('show protocols grevy');
  const [, h, m, s] = /^grevy .* (\d+):(\d+):(\d+\.\d+) +Established/m.exec(text) ?? [];
  return (Number(h) * 3600 + Number(m) * 60 + Number(s)) * 1000;
};

/** Prefixes that BIRD has of Grevy. */
const birdHas = async (): Promise<number> =>
  Number(/(\d+) of \d+ routes/.exec(await bird.sh('show route protocol grevy count'))![1]);

const birdComesTo = (count: number, timeoutMs = 30_000): Promise<unknown> => {
  let last = -1;
  return until(async () => (last = await birdHas()) === count, {
    timeoutMs,
    everyMs: 50,
    what: () => `BIRD to have ${count} routes; it has ${last}\n${grevy.output()}`,
  });
};

/** Those of the daemon. */
const kernelRoutes = (): Promise<{ gateway: string }[]> =>
  host.ipJson<{ gateway: string }[]>('route', 'show', 'proto', 'bgp');

const memoryMb = (): number =>
  Number(/^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${grevy.pid}/status`, 'utf8'))![1]) / 1024;
const descriptors = (): number => readdirSync(`/proc/${grevy.pid}/fd`).length;

const playing = new Set<Player>();
const play = async (options: Partial<PlayerOptions> = {}): Promise<Player> => {
  const player = await Player.up({ from: ONE, to: HERE, as: 65002, ...options });
  playing.add(player);
  return player;
};
const greeted = async (from = ONE, as = 65002): Promise<Player> => {
  const player = await Player.greeted({ from, to: HERE, as });
  playing.add(player);
  return player;
};

/** The shell answers, all the time that something goes on. */
async function answering(work: Promise<unknown>): Promise<void> {
  let done = false;
  const over = work.finally(() => (done = true));
  over.catch(() => {});
  for (let turn = 0; turn === 0 || !done; turn++) {
    let told = false;
    const command = grevy.sh('show bgp summary').catch(error => `${error}`);
    const answer = command.then(text => {
      assert.match(text, /10\.0\.1\.1 /, `${text}\n${grevy.output()}`);
      told = true;
    });
    answer.catch(() => (told = true));
    await until(() => told, { timeoutMs: ANSWER_MS, everyMs: 5, what: 'show bgp summary' });
    await answer;
  }
  await over;
}

before(async () => {
  host = await lab.namespace('grevy');
  hub = await lab.namespace('hub');
  players = await lab.namespace('players');
  const good = await lab.namespace('good');
  await lab.link(host, 'eth1', good, 'eth0');
  await lab.link(host, 'eth2', hub, 'p1');
  await lab.link(players, 'eth0', hub, 'p2');
  await hub.run('ip', 'link', 'add', 'br0', 'type', 'bridge');
  await hub.run('ip', 'link', 'set', 'br0', 'up');
  for (const port of ['p1', 'p2']) await hub.run('ip', 'link', 'set', port, 'master', 'br0');
  await host.run('ip', 'addr', 'add', '10.0.1.10/24', 'dev', 'eth1');
  await host.run('ip', 'addr', 'add', `${HERE}/24`, 'dev', 'eth2');
  await good.run('ip', 'addr', 'add', `${GOOD}/24`, 'dev', 'eth0');
  for (const address of [ONE, TWO]) await players.run('ip', 'addr', 'add', `${address}/24`, 'dev', 'eth0');
  for (const range of ['10.8.0.0/16', '10.9.0.0/16'])
    await players.run('ip', 'route', 'add', 'local', range, 'dev', 'lo');
  [bird, grevy] = await Promise.all([startBird(lab, good, BIRD), startGrevy(lab, host, GREVY)]);
  enterNetworkNamespace(players.path);
  await until(async () => (await summary().catch(() => undefined))?.peers[GOOD]?.pfxRcd === GOOD_ROUTES, {
    what: 'the good neighbour',
  });
  await until(async () => (await kernelRoutes()).length === GOOD_ROUTES, { what: 'its routes in the kernel' });
  since = await upSince();
  monitor = host.spawn(['ip', '-o', 'monitor', 'route'], { stdio: ['ignore', 'pipe', 'ignore'] });
  let rest = '';
  monitor.stdout!.on('data', chunk => {
    const lines = (rest + String(chunk)).split('\n');
    rest = lines.pop()!;
    goodRoutesMoved += lines.filter(line => / 20\.\d+\.\d+\.0\/25 /.test(line)).join('\n');
  });
});
after(() => lab.close());

afterEach(async () => {
  for (const player of playing) player.reset();
  playing.clear();
  // What was of the others goes with them, and the good one has noticed nothing else.
  await birdComesTo(0);
  await until(async () => (await summary()).dynamicPeers === 0, { what: 'the dynamic neighbours to go' });
  // It says it anew each time, give or take one millisecond.
  const now = await upSince();
  assert.ok(Math.abs(now - since) < 100, `the session is up since ${now}, not ${since}`);
  const { state, pfxRcd, connectionsEstablished, connectionsDropped } = (await summary()).peers[GOOD]!;
  assert.deepEqual([state, pfxRcd, connectionsEstablished, connectionsDropped], ['Established', GOOD_ROUTES, 1, 0]);
  await until(async () => (await kernelRoutes()).length === GOOD_ROUTES, { timeoutMs: 20_000, what: 'the kernel' });
  assert.equal((await kernelRoutes()).filter(({ gateway }) => gateway === GOOD).length, GOOD_ROUTES);
  assert.equal(goodRoutesMoved, '');
});

const establishedOnce = async (address: string): Promise<void> => {
  await until(async () => (await summary()).peers[address]?.state === 'Established', {
    what: () => `${address} to be established\n${grevy.output()}`,
  });
};

test('half open: one that says nothing, or half an OPEN, gives way to its next connection', async () => {
  const silent = await greeted();
  const half = await greeted();
  const open = half.open();
  await half.write(open.subarray(0, open.length >> 1));
  await until(() => silent.gone, { what: 'the first to be given up for the second' });
  assert.equal(silent.notification, '6/7');
  const good = await greeted();
  await good.write(good.open(), KEEPALIVE, announcement(['30.0.0.0/24'], { as: 65002, nextHop: ONE }));
  await until(() => half.gone && good.isUp, { what: 'the second for the third' });
  await birdComesTo(1);
  // The one that is up stays up.
  const late = await Player.connected({ from: ONE, to: HERE, as: 65002 });
  await until(() => late.gone, { what: 'a fourth to be refused' });
  assert.equal(late.notification, '6/7');
  await birdComesTo(1);
  good.end();
  await birdComesTo(0);
  // And half an OPEN may become a whole one.
  const slow = await greeted();
  await slow.write(open.subarray(0, 20));
  await slow.write(open.subarray(20), KEEPALIVE);
  await establishedOnce(ONE);
});

test('half open: hundreds that say nothing or half an OPEN, from addresses of their own', async () => {
  const before = descriptors();
  const silent = await Promise.all(
    Array.from({ length: 400 }, async (_, i) => {
      const player = await greeted(nth(i), 65100);
      if (i % 2 === 0) await player.write(player.open().subarray(0, 1 + (i % 30)));
      return player;
    }),
  );
  const { dynamicPeers, failedPeers } = await summary();
  assert.deepEqual([dynamicPeers, failedPeers], [400, 402]);
  // Whoever has something to say is heard meanwhile.
  const player = await play({ from: nth(1000), as: 65100 });
  await player.write(announcement(['30.0.0.0/24'], { as: 65100, nextHop: ONE }));
  await birdComesTo(1);
  for (const [i, one] of silent.entries()) {
    if (i % 3 === 0) one.end();
    else one.reset();
  }
  player.end();
  await until(() => descriptors() <= before, { what: () => `${before} descriptors, not ${descriptors()}` });
});

test('strangers: two thousand that are nobody’s neighbours are told nothing, and do not keep a neighbour out', async () => {
  const player = await play({ from: nth(0), as: 65100 });
  // No more at a time than may wait to be accepted: TCP would let the others wait for long.
  for (let i = 0; i < 5; i++) {
    const strangers = times(400, j => {
      return new Player({ from: nth(i * 400 + j).replace('10.9.', '10.8.'), to: HERE, as: 65100 });
    });
    for (const stranger of strangers) playing.add(stranger);
    const other = await play({ from: nth(1 + i), as: 65100 });
    await other.write(announcement([network(i)], { as: 65100, nextHop: ONE }));
    await until(() => strangers.every(({ gone }) => gone), { timeoutMs: 20_000, what: 'all of them to be refused' });
    assert.deepEqual(new Set(strangers.flatMap(({ heard }) => heard)), new Set([0]));
  }
  await birdComesTo(5);
  assert.equal((await summary()).dynamicPeers, 6);
  assert.ok(!player.gone);
});

/** Nothing that the players send arrives, and nothing arrives there. */
const cut = (): Promise<string> => hub.run('ip', 'link', 'set', 'p2', 'down');
const mend = (): Promise<string> => hub.run('ip', 'link', 'set', 'p2', 'up');

test('half open: a host that goes without a word is given up after the hold time', async () => {
  const player = await play({ holdTimeS: 3 });
  await player.write(announcement(['30.0.0.0/24', '30.0.1.0/24'], { as: 65002, nextHop: ONE }));
  await birdComesTo(2);
  await cut();
  await birdComesTo(0);
  assert.match(await grevy.sh(`show bgp neighbors ${ONE}`), /Hold Timer Expired/);
  player.reset();
  await mend();
  await play();
});

test('half open: a host that comes back anew while its old connection seems to stand', async () => {
  const old = await play({ holdTimeS: 9 });
  await old.write(announcement(['30.0.0.0/24', '30.0.1.0/24'], { as: 65002, nextHop: ONE }));
  await birdComesTo(2);
  await cut();
  old.reset(); // nobody hears it
  await mend();
  const fresh = await play({ holdTimeS: 9 });
  await fresh.write(announcement(['30.0.2.0/24'], { as: 65002, nextHop: ONE }));
  await birdComesTo(1);
  assert.match(await bird.sh('show route'), /^30\.0\.2\.0\/24 /m);
  assert.equal((await summary()).peers[ONE]!.pfxRcd, 1);
});

test('byte by byte: a session comes up, and a thousand UPDATEs are read', async () => {
  const player = await greeted();
  await player.writeByteByByte(player.open(), KEEPALIVE);
  await establishedOnce(ONE);
  const updates = Array.from({ length: 1000 }, (_, i) =>
    announcement([network(i)], { as: 65002, nextHop: ONE, med: i }),
  );
  await answering(player.writeByteByByte(...updates));
  await birdComesTo(1000);
  const { pfxRcd } = (await summary()).peers[ONE]!;
  assert.equal(pfxRcd, 1000);
  assert.match(await bird.sh(`show route for ${network(999)} all`), /BGP\.as_path: 65010 65002\n/);
});

/** Writes it so often as to come to `count` messages, and waits until they are counted. */
async function flood(player: Player, messages: readonly Uint8Array[], count: number): Promise<void> {
  const before = (await summary()).peers[ONE]!.msgRcvd;
  const block = Buffer.concat(messages);
  const all = async (): Promise<void> => {
    for (let sent = 0; sent < count; sent += messages.length) await player.write(block);
    await until(async () => (await summary()).peers[ONE]!.msgRcvd - before >= count, {
      timeoutMs: 60_000,
      what: 'the last of them to be read',
    });
  };
  await answering(all());
  assert.equal((await summary()).peers[ONE]!.msgRcvd - before, count);
}

const FLOOD = 100_000;

const refreshed = (): Uint8Array => encodeRouteRefresh({ afi: 1, safi: 1, kind: 0 });

const TABLE = 100_000;
/** A large table, from somebody who behaves. */
async function feed(): Promise<Player> {
  const feeder = await play({ from: nth(0), as: 65100 });
  const table = buildTable({ prefixes: TABLE, attributeSets: 15_000, as: 65100, nextHop: parseIp4(ONE) });
  await feeder.write(table.updates);
  return feeder;
}

test('floods: KEEPALIVEs, ROUTE-REFRESHes of a large table, and one prefix announced and withdrawn', async () => {
  await feed();
  await birdComesTo(TABLE);
  const player = await play();
  const all = TABLE + GOOD_ROUTES;
  await until(() => player.prefixes.size === all, {
    timeoutMs: 20_000,
    what: () => `${all}, not ${player.prefixes.size}`,
  });
  const said = (med: number): Buffer => announcement([network(0)], { as: 65002, nextHop: ONE, med });
  const rounds: Record<string, () => Promise<void>> = {
    keepalives: () =>
      flood(
        player,
        times(1000, () => KEEPALIVE),
        FLOOD,
      ),
    refreshes: () =>
      flood(
        player,
        times(1000, () => encodeRouteRefresh({ afi: 1, safi: 1, kind: 0 })),
        FLOOD,
      ),
    updates: () =>
      flood(
        player,
        times(1000, i => (i % 2 === 0 ? said(i) : withdrawal([network(0)]))),
        FLOOD,
      ),
  };
  for (const round of Object.values(rounds)) await round();
  // What a first round needs is had; from here on it is to be no more.
  const before = memoryMb();
  for (const [name, round] of Object.entries(rounds)) {
    await round();
    const now = memoryMb();
    assert.ok(now < before + 64, `${name}: ${before} MB have become ${now}`);
  }
  // The last word holds, in both senses.
  await birdComesTo(TABLE);
  await player.write(said(1), withdrawal([network(0)]), said(7));
  await birdComesTo(TABLE + 1);
  await until(() => player.prefixes.size === all, { what: 'what it was told itself' });
});

test('never reading: others get the whole table meanwhile; it is shown, and catches up', async () => {
  // The kernel would keep a table of this size for it.
  await players.run('sysctl', '-q', '-w', 'net.ipv4.tcp_rmem=4096 8192 32768');
  await host.run('sysctl', '-q', '-w', 'net.ipv4.tcp_wmem=4096 16384 65536');
  const slow = async (): Promise<number> =>
    Math.max(
      ...Array.from((await grevy.sh('show bgp update-groups')).matchAll(/left behind: (\d+)/g), one => Number(one[1])),
    );
  const before = await slow();
  const deaf = await play({ deaf: true });
  // The two are told the same, in one group.
  const keen = await play({ from: TWO, as: 65003 });
  const feeder = await feed();
  await birdComesTo(TABLE);
  await until(() => keen.prefixes.size === TABLE + GOOD_ROUTES, { what: 'the other one to be told' });
  assert.ok(deaf.prefixes.size <= GOOD_ROUTES, 'it has read nothing of it');
  await until(async () => (await slow()) === before + 1, { what: 'it to be left behind' });
  const groups = await grevy.sh('show bgp update-groups');
  assert.match(groups, /Pending: [1-9]\d{4}/);
  assert.match(groups, new RegExp(`- ${ONE} \\(slow\\)\n`));
  assert.doesNotMatch(groups, new RegExp(`- ${TWO} \\(slow\\)\n`));
  assert.match(await grevy.sh(`show bgp neighbors ${ONE} json`), /"slowPeer": true/);
  // What happens meanwhile is not missed.
  const some = Array.from({ length: 100 }, (_, i) => network(i));
  await feeder.write(announcement(some, { as: 65100, nextHop: ONE }));
  await birdComesTo(TABLE + 100);
  await feeder.write(withdrawal(some.slice(0, 50)));
  await birdComesTo(TABLE + 50);
  // It may even ask for all of it, again and again.
  await flood(deaf, times(1000, refreshed), FLOOD);
  deaf.hear();
  const all = TABLE + 50 + GOOD_ROUTES;
  await until(() => deaf.prefixes.size === all, { timeoutMs: 20_000, what: () => `${all}, not ${deaf.prefixes.size}` });
  assert.equal((await summary()).peers[ONE]!.state, 'Established');
  await until(async () => !/slow/.test(await grevy.sh(`show bgp neighbors ${ONE}`)), {
    what: 'it to be back in its group',
  });
});

// The send hold time (RFC 9687) is eight minutes at least, and no line changes it; transport.test.ts gives up a peer for it.
test('never reading, and saying nothing: it is given up after the hold time, with all that was to be sent', async () => {
  await feed();
  await birdComesTo(TABLE);
  const before = descriptors();
  const deaf = await play({ deaf: true, holdTimeS: 3 });
  await deaf.write(announcement([network(0)], { as: 65002, nextHop: ONE }));
  await birdComesTo(TABLE + 1);
  await birdComesTo(TABLE);
  assert.match(await grevy.sh(`show bgp neighbors ${ONE}`), /Hold Timer Expired/);
  await until(() => descriptors() === before, { what: () => `${before} descriptors, not ${descriptors()}` });
});

test('reset in the middle of an UPDATE: what was whole counts, then all of that peer goes', async () => {
  const from = nth(0);
  const updates = times(500, i => announcement([network(i)], { as: 65100, nextHop: ONE, med: i }));
  const last = announcement([network(500)], { as: 65100, nextHop: ONE });
  for (const cutAt of [1, 18, 19, 23, last.length - 1]) {
    const player = await play({ from, as: 65100 });
    await player.write(...updates, last.subarray(0, cutAt));
    await birdComesTo(500);
    assert.equal((await summary()).peers[from]!.pfxRcd, 500);
    player.reset();
    await birdComesTo(0);
    await until(async () => (await summary()).peers[from] === undefined, { what: 'it to go' });
  }
});

test('reset while much is under way: what has come is read to its end, and the end is noticed behind it', async () => {
  const from = nth(0);
  const updates = times(1500, i => announcement([network(i)], { as: 65100, nextHop: ONE, med: i }));
  for (let i = 0; i < 10; i++) {
    const player = await play({ from, as: 65100 });
    void player.write(...updates);
    await until(() => player.socket.bytesWritten > 10_000, { everyMs: 1, what: 'a part to be on its way' });
    player.reset();
    await until(async () => (await summary()).peers[from] === undefined, { what: 'it to go' });
    await birdComesTo(0);
  }
});

/** Numbers in [0, 1), the same on every run. */
function randomFrom(seed: number): () => number {
  let x = seed;
  return () => {
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    return (x >>> 0) / 2 ** 32;
  };
}

test('a thousand peers that flap: what is left is of those that are up', async () => {
  const PEERS = 1000;
  const EACH = 10;
  const random = randomFrom(20_261_127);
  const as = (i: number): number => 64_512 + (i % 400);
  const prefixesOf = (i: number): string[] => Array.from({ length: EACH }, (_, j) => network(i * EACH + j));
  const begin = async (i: number): Promise<Player> => {
    const player = await play({ from: nth(i), as: as(i) });
    await player.write(announcement(prefixesOf(i), { as: as(i), nextHop: ONE }));
    return player;
  };
  const leave = async (player: Player): Promise<void> => {
    const how = random();
    if (how < 0.4) player.reset();
    else {
      if (how < 0.7) await player.write(encodeNotification(peerError(6, how < 0.5 ? 2 : 4)));
      player.end();
    }
    playing.delete(player);
  };
  /** All come and go for so many times, each at its own pace; gives those that are up then. */
  const wave = async (rounds: number, share: number): Promise<Map<number, Player>> => {
    const up = new Map<number, Player>();
    const life = async (i: number): Promise<void> => {
      for (let round = 0; round < rounds; round++) {
        const player = await begin(i);
        if (random() < 0.5) await until(() => player.heard[2]! > 0, { timeoutMs: 30_000, what: 'a word of ours' });
        if (round === rounds - 1 && random() < share) {
          up.set(i, player);
          return;
        }
        await leave(player);
      }
    };
    await answering(Promise.all(Array.from({ length: PEERS }, (_, i) => life(i))));
    return up;
  };
  const gone = async (up: Map<number, Player>): Promise<void> => {
    for (const player of up.values()) await leave(player);
    await birdComesTo(0);
    await until(async () => (await summary()).dynamicPeers === 0, { timeoutMs: 20_000, what: 'all to be forgotten' });
  };
  const sockets = descriptors();
  // What so many need at a time is had after this.
  await gone(await wave(2, 0.5));
  await until(() => descriptors() === sockets, { what: () => `${sockets} descriptors, not ${descriptors()}` });
  const memory = memoryMb();

  const up = await wave(3, 0.5);
  await birdComesTo(up.size * EACH, 60_000);
  const expected = Array.from(up.keys(), prefixesOf).flat().toSorted();
  let told: string[] = [];
  const same = async (): Promise<boolean> => {
    const text = await bird.sh('show route protocol grevy');
    told = Array.from(text.matchAll(/^(30\.\S+) /gm), ([, prefix]) => prefix!);
    return told.toSorted().join() === expected.join();
  };
  // The number may be right before the last have come and gone.
  await until(same, { what: () => `BIRD to have ${expected.join()}; it has ${told.join()}` });
  await until(async () => (await kernelRoutes()).length === expected.length + GOOD_ROUTES, { what: 'the kernel' });
  const { peers, dynamicPeers, totalPeers } = await summary();
  assert.deepEqual([dynamicPeers, totalPeers], [up.size, up.size + 3]);
  for (const i of up.keys()) {
    const { state, pfxRcd, pfxSnt, connectionsEstablished } = peers[nth(i)]!;
    assert.deepEqual([state, pfxRcd, pfxSnt, connectionsEstablished], ['Established', EACH, GOOD_ROUTES, 1], nth(i));
    assert.equal(up.get(i)!.prefixes.size, GOOD_ROUTES);
  }
  await gone(up);
  await until(() => descriptors() === sockets, { what: () => `${sockets} descriptors, not ${descriptors()}` });
  assert.ok(memoryMb() < memory + 96, `${memory} MB have become ${memoryMb()}`);
});
