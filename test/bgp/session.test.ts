// Sessions between two speakers in one process, on virtual time: hours pass in milliseconds, and nothing sleeps.
import assert from 'node:assert/strict';
import { beforeEach, test } from 'node:test';
import type { SocketAddress } from '../../src/bgp/io/types.ts';
import { localOpen, negotiate } from '../../src/bgp/session/negotiate.ts';
import type { SessionConfig } from '../../src/bgp/session/types.ts';
import { encodeMessage, MessageType } from '../../src/bgp/wire/message.ts';
import { isPeerError, peerError } from '../../src/bgp/wire/notification.ts';
import { TaskLoop, VirtualClock } from '../../src/concurrency/index.ts';
import { MemoryNetwork } from './lib/memory-transport.ts';
import { Router } from './lib/router.ts';
import { fakeUpdate, IPV4_UNICAST, IPV6_UNICAST, type Recorder, speaker } from './lib/speaker.ts';

const address = (last: number): SocketAddress => ({
  family: 2,
  words: [0x0a000000 + last, 0, 0, 0],
  port: 179,
  scopeId: 0,
});

let clock: VirtualClock;
let loop: TaskLoop;
let network: MemoryNetwork;
beforeEach(() => {
  clock = new VirtualClock();
  loop = new TaskLoop('virtual', clock);
  network = new MemoryNetwork(loop);
});

function config(own: number, other: number, more: Partial<SessionConfig> = {}): SessionConfig {
  return {
    localAs: 65000 + own,
    remoteAs: 65000 + other,
    routerId: own,
    remote: address(other),
    families: [IPV4_UNICAST],
    ...more,
  };
}

function node(own: number, other: number, more: Partial<SessionConfig> = {}, listen = true): Recorder {
  const transport = network.transport(address(own));
  const recorder = speaker(loop, transport, config(own, other, more), () => 0.5);
  const events = {
    listening() {},
    failed() {},
    accepted: (connection: Parameters<Recorder['session']['accept']>[0]) => recorder.session.accept(connection),
  };
  if (listen) transport.listen({ local: address(own) }, events);
  return recorder;
}

function both(a: Partial<SessionConfig> = {}, b: Partial<SessionConfig> = {}): [Recorder, Recorder] {
  const pair: [Recorder, Recorder] = [node(1, 2, a), node(2, 1, b)];
  for (const one of pair) one.session.start();
  clock.advance(10_000);
  return pair;
}

void test('both sides open, one session comes up, and it stays for a day', () => {
  const [a, b] = both();
  clock.advance(86_400_000);
  for (const one of [a, b]) assert.deepEqual(one.events, ['up']);
  assert.notEqual(a.session.negotiated!.outgoing, b.session.negotiated!.outgoing);
  const { sent, received } = a.session.stats();
  assert.ok(sent.keepalives >= 1440 && received.keepalives >= 1440);
});

void test('the smaller hold time holds, and KEEPALIVEs come three times as often', () => {
  const [a, b] = both({ holdTimeS: 90 }, { holdTimeS: 30 });
  assert.equal(a.session.negotiated!.holdTimeMs, 30_000);
  assert.equal(a.session.negotiated!.keepaliveMs, 10_000);
  assert.equal(b.session.negotiated!.keepaliveMs, 10_000);
});

void test('a hold time of zero means no KEEPALIVEs, and a silent session that stays', () => {
  const [a] = both({ holdTimeS: 0 });
  const before = network.delivered[4];
  clock.advance(86_400_000);
  assert.equal(network.delivered[4], before);
  assert.deepEqual(a.events, ['up']);
});

void test('who asks for room in vain is told when there is some', () => {
  const [a] = both();
  assert.equal(a.session.hasRoom(4096), true);
  clock.advance(1000);
  assert.equal(a.writables, 0);
  network.full = true;
  assert.equal(a.session.hasRoom(4096), false);
  clock.advance(1000);
  assert.equal(a.writables, 0);
  network.drain();
  clock.advance(1);
  assert.equal(a.writables, 1);
});

void test('when the cable is cut the hold timer ends the session on both sides, not before its time', () => {
  const [a, b] = both({ holdTimeS: 9 }, { holdTimeS: 9 });
  network.cut = true;
  clock.advance(5900);
  assert.deepEqual(a.events, ['up']);
  clock.advance(3500);
  for (const one of [a, b]) {
    assert.deepEqual(one.events, ['up', 'down']);
    assert.deepEqual(one.downs[0], { kind: 'notification-sent', error: peerError(4, 0) });
  }
  network.cut = false;
  clock.advance(300_000);
  assert.deepEqual(a.events, ['up', 'down', 'up']);
  assert.deepEqual(a.session.stats().lastReset?.reason, { kind: 'notification-sent', error: peerError(4, 0) });
});

void test('a neighbour that restarts is taken back while its old connection is still thought to be up (RFC 4724 §4.2)', () => {
  const gracefulRestart = {
    restarting: false,
    notification: false,
    timeS: 120,
    families: [{ ...IPV4_UNICAST, forwarding: true }],
  };
  for (const passive of [false, true]) {
    const a = node(1, 2, { passive });
    const before = node(2, 1, { gracefulRestart });
    for (const one of [a, before]) one.session.start();
    clock.advance(10_000);
    assert.equal(a.session.state, 'Established');
    // It dies without a word: nothing of it arrives any more, and its successor connects.
    network.cut = true;
    before.session.destroy();
    clock.advance(10);
    network.cut = false;
    const after = node(2, 1, { gracefulRestart });
    after.session.start();
    clock.advance(3000);
    assert.deepEqual([a.session.state, after.session.state], ['Established', 'Established']);
    assert.deepEqual(a.events, ['up', 'down', 'up']);
    assert.deepEqual(a.downs, [{ kind: 'connection', failure: undefined }]);
    for (const one of [a, after]) one.session.destroy();
    clock.advance(1000);
  }
});

void test('UPDATEs alone keep a session alive', () => {
  const [a, b] = both({ holdTimeS: 3 }, { holdTimeS: 3 });
  const update = fakeUpdate(23);
  for (let i = 0; i < 100; i++) {
    a.session.send(update, 0, 23);
    b.session.send(update, 0, 23);
    clock.advance(2500);
  }
  assert.deepEqual(a.events, ['up']);
  assert.equal(b.updates, 100);
});

void test('advertisement-interval: after silence the first route goes at once, the next one when the interval is over', () => {
  const peer = node(2, 1);
  peer.session.start();
  const router = new Router('router', 0, { loop, transport: network.transport(address(1)), random: () => 0.5 });
  router.config(`router bgp 65001
 bgp router-id 0.0.0.1
 no bgp ebgp-requires-policy
 neighbor 10.0.0.2 remote-as 65002
 neighbor 10.0.0.2 advertisement-interval 10
exit
`);
  const network4 = (prefix: string): void =>
    router.type('router bgp 65001', 'address-family ipv4 unicast', `network ${prefix}`);
  clock.advance(60_000);
  assert.equal(peer.session.state, 'Established');
  assert.equal(peer.updates, 1, 'End-of-RIB');
  network4('10.1.0.0/24');
  clock.advance(100);
  assert.equal(peer.updates, 2, 'the first route');
  network4('10.2.0.0/24');
  clock.advance(8_000);
  assert.equal(peer.updates, 2);
  clock.advance(1_000); // 8.75 s: half of the jitter
  assert.equal(peer.updates, 3, 'the second route');
  router.close();
});

/** A router with one neighbour, whose session is up, and what the neighbour says. */
function routerAnd(peer: Recorder, ...lines: string[]): { router: Router; announce: (...prefixes: number[]) => void } {
  peer.session.start();
  const router = new Router('router', 0, { loop, transport: network.transport(address(1)), random: () => 0.5 });
  router.config(`router bgp 65001
 bgp router-id 0.0.0.1
 no bgp ebgp-requires-policy
 neighbor 10.0.0.2 remote-as 65002
 address-family ipv4 unicast
${lines.map(line => `  neighbor 10.0.0.2 ${line}\n`).join('')} exit-address-family
exit
`);
  clock.advance(60_000);
  assert.equal(peer.session.state, 'Established');
  const announce = (...prefixes: number[]): void => {
    // ORIGIN, AS_PATH 65002, NEXT_HOP 10.0.0.2, then prefixes 10.n.0.0/16.
    const attributes = '4001010040020602010000fdea4003040a000002';
    const nlri = prefixes.map(n => `100a${n.toString(16).padStart(2, '0')}`).join('');
    const body = Buffer.from(`0000${(attributes.length / 2).toString(16).padStart(4, '0')}${attributes}${nlri}`, 'hex');
    const message = encodeMessage(MessageType.update, body);
    assert.ok(peer.session.send(message, 0, message.length));
    clock.advance(100);
  };
  return { router, announce };
}

void test('maximum-prefix: what is accepted counts, a warning comes before the end, and the session comes back after a time', () => {
  const peer = node(2, 1);
  const { router, announce } = routerAnd(peer, 'maximum-prefix 4 50 restart 3', 'prefix-list L in');
  const said = (): string[] => router.logged.filter(text => text.startsWith('%MAXPFX'));
  router.type('ip prefix-list L seq 5 permit 10.0.0.0/13 le 32');
  clock.advance(100);
  announce(200, 201, 202, 203, 204, 205); // refused
  announce(1, 2);
  assert.deepEqual(said(), []);
  announce(3);
  announce(4);
  assert.deepEqual(said(), ['%MAXPFX: No. of IPv4 Unicast prefix received from 10.0.0.2 reaches 3, max 4']);
  assert.equal(peer.downs.length, 0);
  announce(5, 6);
  assert.deepEqual(said().slice(1), [
    '%MAXPFXEXCEED: No. of IPv4 Unicast prefix received from 10.0.0.2 6 exceed, limit 4',
  ]);
  const reason = peer.downs[0]!;
  assert.ok(reason.kind === 'notification-received');
  assert.deepEqual([reason.error.code, reason.error.subcode], [6, 1]);
  assert.equal(Buffer.from(reason.error.data).toString('hex'), '00010100000004', 'family and limit (RFC 4486 §4)');
  assert.match(
    router.show('show bgp neighbors 10.0.0.2'),
    /had exceeded[^]*from 10\.0\.0\.2, will restart in 17\d sec/,
  );
  clock.advance(170_000);
  assert.match(router.show('show bgp summary'), /Idle \(PfxCt\)/);
  clock.advance(120_000);
  assert.equal(peer.session.state, 'Established');
  assert.doesNotMatch(router.show('show bgp neighbors 10.0.0.2'), /had exceeded/);
  // Cleared by hand, it is not cleared again by the timer.
  announce(1, 2, 3, 4, 5);
  assert.equal(peer.downs.length, 2);
  router.show('clear bgp 10.0.0.2');
  clock.advance(120_000);
  assert.equal(peer.session.state, 'Established');
  clock.advance(3_600_000);
  assert.equal(peer.downs.length, 2);
  router.close();
});

void test('maximum-prefix: force counts what is refused, warning-only ends nothing, and a lower limit or a wider policy may', () => {
  const peer = node(2, 1);
  const { router, announce } = routerAnd(peer, 'maximum-prefix 3 warning-only', 'prefix-list L in');
  router.type('ip prefix-list L seq 5 permit 10.0.0.0/14 le 32');
  clock.advance(100);
  announce(1, 2, 3, 4, 5, 6);
  const neighbor = (line: string): void => {
    router.type('router bgp 65001', 'address-family ipv4 unicast', `neighbor 10.0.0.2 ${line}`);
    clock.advance(200);
  };
  const comesBack = (): void => {
    neighbor('maximum-prefix 100');
    router.show('clear bgp 10.0.0.2');
    clock.advance(120_000);
    assert.equal(peer.session.state, 'Established');
    announce(1, 2, 3, 4, 5, 6);
  };
  neighbor('maximum-prefix 3');
  assert.equal(peer.downs.length, 0, 'three are accepted');
  neighbor('maximum-prefix 3 warning-only force');
  assert.equal(peer.downs.length, 0, 'six were received, which is warned of');
  assert.match(router.logged.at(-1)!, /MAXPFXEXCEED.* 6 exceed, limit 3/);
  neighbor('maximum-prefix 3 force');
  assert.equal(peer.downs.length, 1);
  comesBack();
  neighbor('maximum-prefix 2');
  assert.equal(peer.downs.length, 2, 'a lower limit');
  comesBack();
  neighbor('maximum-prefix 4');
  router.type('ip prefix-list L seq 10 permit any');
  clock.advance(200);
  assert.equal(peer.downs.length, 3, 'more is accepted');
  router.close();
});

void test('a peer that takes nothing any more is given up after the send hold time (RFC 9687)', () => {
  const [a] = both({ sendHoldS: 30 });
  const connection = [...connectionsOf(a)][0]!;
  connection.stuckSinceMs = loop.now();
  clock.advance(29_000);
  assert.deepEqual(a.events, ['up']);
  clock.advance(2500);
  assert.deepEqual(a.downs[0], { kind: 'notification-sent', error: peerError(8, 0) });
});

/** The established connection, through the one thing of it that the owner sees. */
function* connectionsOf(recorder: Recorder): Generator<{ stuckSinceMs: number | undefined }> {
  for (const connection of network.open) {
    if (connection.closed || connection.local?.words[0] !== (recorder.session.config.routerId | 0x0a000000)) continue;
    yield connection;
  }
}

void test('stop and start', () => {
  const [a, b] = both();
  a.session.stop();
  clock.advance(3_600_000);
  assert.equal(a.session.state, 'Idle');
  assert.equal(b.downs[0]!.kind, 'notification-received');
  a.session.start();
  clock.advance(120_000);
  assert.deepEqual(a.events, ['up', 'down', 'up']);
});

void test('other timers or another name leave a session up, and are agreed when it next comes up', () => {
  const [a, b] = both();
  const more = { holdTimeS: 12, keepaliveS: 2, connectRetryS: 7, hostname: 'other' };
  a.session.reconfigure(config(1, 2, more));
  clock.advance(600_000);
  assert.deepEqual([a.events, b.events], [['up'], ['up']]);
  assert.equal(a.session.negotiated!.holdTimeMs, 180_000);
  assert.equal(a.session.stats().connectRetryMs, 7_000);
  b.session.reset();
  clock.advance(120_000);
  assert.deepEqual(a.events, ['up', 'down', 'up']);
  assert.equal(a.session.negotiated!.holdTimeMs, 12_000);
  assert.equal(b.session.negotiated!.holdTimeMs, 12_000);
  assert.equal(b.session.negotiated!.remote.hostname, 'other');
});

void test('any other change of configuration ends a session, and it comes up by the new one', () => {
  const [a, b] = both();
  a.session.reconfigure(config(1, 2, { families: [IPV4_UNICAST, IPV6_UNICAST] }));
  clock.advance(120_000);
  assert.deepEqual(b.downs[0], { kind: 'notification-received', error: peerError(6, 6) });
  assert.deepEqual(a.events, ['up', 'down', 'up']);
  assert.equal(a.session.negotiated!.local.families.length, 2);
});

void test('before it is up, a session begins again with other timers', () => {
  const a = node(1, 2, { connectRetryS: 1000 }, false);
  a.session.start();
  clock.advance(5000);
  a.session.reconfigure(config(1, 2, { connectRetryS: 7 }));
  clock.advance(1000);
  assert.ok((a.session.stats().nextConnectMs ?? 0) <= 7_000);
});

void test('a destroyed session tells its peer and is never heard of again', () => {
  const [a, b] = both();
  a.session.destroy();
  clock.advance(300_000);
  assert.deepEqual(a.events, ['up']);
  assert.deepEqual(b.downs[0], { kind: 'notification-received', error: peerError(6, 3) });
  assert.notEqual(b.session.state, 'Established');
});

void test('the pause between attempts grows while nobody answers', () => {
  const a = node(1, 2, {}, false);
  let attempts = 0;
  const stateChanged = (from: string, to: string): void => {
    if (from === 'Idle' && to === 'Connect') attempts++;
  };
  Object.assign(a, { stateChanged });
  a.session.start();
  clock.advance(600_000);
  assert.ok(attempts > 8 && attempts < 25, `${attempts} attempts in ten minutes`);
});

void test('negotiation: who the peer is and what both can do', () => {
  const ours = config(1, 2, { families: [IPV4_UNICAST, IPV6_UNICAST] });
  const agree = (more: Partial<SessionConfig>, mine: Partial<SessionConfig> = {}): ReturnType<typeof negotiate> => {
    const own = { ...ours, ...mine };
    return negotiate(own, localOpen(own), localOpen({ ...config(2, 1), ...more }));
  };
  const plain = agree({ dontCapabilityNegotiate: true });
  assert.ok(!isPeerError(plain));
  assert.deepEqual(plain.families, [IPV4_UNICAST], 'no capability means IPv4 unicast');
  assert.equal(plain.maximumMessageBytes, 4096);
  assert.equal(plain.as4, false);
  const large = agree({ localAs: 4_200_000_000 }, { remoteAs: 4_200_000_000 });
  assert.ok(!isPeerError(large) && large.remoteAs === 4_200_000_000 && large.kind === 'external');
  assert.ok(!isPeerError(agree({ routerId: 1 })), 'equal identifiers in different ASes are fine (RFC 6286)');
  const error = (more: Partial<SessionConfig>, mine: Partial<SessionConfig> = {}): string => {
    const result = agree(more, mine);
    return isPeerError(result) ? `${result.code}/${result.subcode}` : 'fine';
  };
  assert.equal(error({ localAs: 65003 }), '2/2');
  assert.equal(error({}, { remoteAs: 'internal' }), '2/2');
  assert.equal(error({}, { remoteAs: 'external' }), 'fine');
  assert.equal(error({ localAs: 65001 }, { remoteAs: 'internal' }), 'fine');
  assert.equal(error({ localAs: 65001, routerId: 1 }, { remoteAs: 'internal' }), '2/3');
  assert.equal(error({ families: [{ afi: 25, safi: 70 }] }), '2/7');
});
