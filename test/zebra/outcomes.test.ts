// What hardware makes of routes, as it is shown and told to their owners; and what becomes of a route that a plane lost.
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { AF_INET, parsePrefix } from '../../src/net/index.ts';
import { NOTE_FAIL_INSTALL, NOTE_INSTALLED, ROUTE_BGP, ROUTE_STATIC } from '../../src/zebra/index.ts';
import type { KernelPath } from '../../src/zebra/plane.ts';
import { showRouteJson, showRoutes } from '../../src/zebra/show/route.ts';
import { showSummaryJson } from '../../src/zebra/show/summary.ts';
import { type Daemon, startGrevy } from '../lib/daemons.ts';
import { Lab, type Namespace } from '../lib/netns.ts';
import { until } from '../lib/wait.ts';
import { Bench } from './lib.ts';

const TRAPPED = 0x80;
const OFFLOADED = 0x100;
const FAILED = 0x200;
const KERNEL = 0;
const PROVIDER = 3;
const STATIC = 196;
const BGP = 186;

function bench(): Bench {
  const one = new Bench();
  one.link(2, 'eth0', '192.0.2.1/24');
  one.link(3, 'eth1', '198.51.100.1/24');
  return one;
}

function path(gateway: number, ifindex: number): KernelPath {
  return {
    gatewayFamily: AF_INET,
    gateway: [gateway, 0, 0, 0],
    ifindex,
    blackhole: false,
    onlink: false,
    weight: 1,
  };
}

function say(
  b: Bench,
  prefix: string,
  outcome: number,
  { protocol = STATIC, source = PROVIDER, paths = [] as KernelPath[] } = {},
): void {
  const { family, words, length } = parsePrefix(prefix)!;
  b.kernel.notify(events =>
    events.routeOutcome(254, family, ...words, ...([length, protocol, outcome, source, () => paths] as const)),
  );
  b.settle();
}

/** The lines of a prefix without what is the same in all. */
function lines(b: Bench, prefix: string): string[] {
  const text = [...showRoutes(b.zebra, 0, AF_INET, { inside: parsePrefix(prefix)! }, '\n\n')].join('');
  const shown = text.slice(text.indexOf('\n\n') + 2).trimEnd();
  return shown.split('\n').map(line => line.replace(/ via ([0-9.]+).*/, ' $1').replaceAll(/ +/g, ' '));
}

function json(b: Bench, prefix: string): Record<string, unknown> {
  const [row] = Object.values(showRouteJson(b.zebra, 0, parsePrefix(prefix)!, true) as Record<string, object[]>)[0]!;
  return row as Record<string, unknown>;
}

describe('what hardware makes of a route', () => {
  test('is shown by a letter and by a key', () => {
    const b = bench();
    const outcomes = { '10.1.0.0/16': OFFLOADED, '10.2.0.0/16': TRAPPED, '10.3.0.0/16': FAILED, '10.4.0.0/16': 0 };
    for (const prefix of Object.keys(outcomes)) b.add(prefix, ROUTE_STATIC, [b.via('192.0.2.9')], 1);
    b.settle();
    for (const [prefix, outcome] of Object.entries(outcomes)) say(b, prefix, outcome);
    assert.deepEqual(lines(b, '10.0.0.0/8'), [
      'S>* 10.1.0.0/16 [1/0] 192.0.2.9',
      'S>t 10.2.0.0/16 [1/0] 192.0.2.9',
      'S>o 10.3.0.0/16 [1/0] 192.0.2.9',
      'S>* 10.4.0.0/16 [1/0] 192.0.2.9',
    ]);
    const keys = Object.keys(outcomes).map(prefix =>
      ['offloaded', 'trapped', 'offloadFailed'].filter(key => json(b, prefix)[key] === true),
    );
    assert.deepEqual(keys, [['offloaded'], ['trapped'], ['offloadFailed'], []]);
    const { routes } = showSummaryJson(b.zebra, 0, AF_INET) as { routes: Record<string, unknown>[] };
    const [counts] = routes.filter(one => one['type'] === 'static');
    assert.deepEqual(counts, { type: 'static', rib: 4, fib: 4, fibOffLoaded: 1, fibTrapped: 1 });
  });

  test('is over with what is sent next, and said of nothing but the route that is there', () => {
    const b = bench();
    b.add('10.1.0.0/16', ROUTE_BGP, [b.via('192.0.2.9')], 20);
    b.settle();
    say(b, '10.1.0.0/16', OFFLOADED, { protocol: BGP });
    b.add('10.1.0.0/16', ROUTE_BGP, [b.via('192.0.2.9')], 20);
    b.settle();
    assert.equal(json(b, '10.1.0.0/16')['offloaded'], true, 'announced again, it is the same');
    b.add('10.1.0.0/16', ROUTE_STATIC, [b.via('192.0.2.9')], 1);
    b.settle();
    assert.equal(json(b, '10.1.0.0/16')['offloaded'], undefined);
    say(b, '10.1.0.0/16', FAILED, { protocol: BGP });
    assert.deepEqual(lines(b, '10.1.0.0/16')[0], 'S>* 10.1.0.0/16 [1/0] 192.0.2.9');
  });

  test('is what the kernel says where nobody else has such hardware', () => {
    const b = bench();
    b.add('10.1.0.0/16', ROUTE_STATIC, [b.via('192.0.2.9')], 1);
    b.settle();
    say(b, '10.1.0.0/16', TRAPPED, { source: KERNEL });
    assert.equal(json(b, '10.1.0.0/16')['trapped'], true);
    say(b, '10.1.0.0/16', 0, { source: KERNEL });
    assert.equal(json(b, '10.1.0.0/16')['trapped'], undefined);
    say(b, '10.1.0.0/16', OFFLOADED);
    say(b, '10.1.0.0/16', 0, { source: KERNEL });
    assert.equal(json(b, '10.1.0.0/16')['offloaded'], true);
  });

  test('is told to the owner where it failed, and when it does no longer', () => {
    const b = bench();
    const notes: number[] = [];
    b.zebra.setNotes({ note: (_owner, note) => void notes.push(note) });
    const options = { type: ROUTE_BGP, instance: 0, session: 0, name: 'bgp', synchronous: false, notify: true };
    const owner = b.zebra.addOwner(options);
    b.add('10.1.0.0/16', ROUTE_BGP, [b.via('192.0.2.9')], 20, 0, owner);
    b.settle();
    for (const outcome of [OFFLOADED, FAILED, FAILED, OFFLOADED]) say(b, '10.1.0.0/16', outcome, { protocol: BGP });
    assert.deepEqual(notes, [NOTE_INSTALLED, NOTE_FAIL_INSTALL, NOTE_INSTALLED]);
  });

  test('may be fewer paths than the route has', () => {
    const b = bench();
    b.add('10.1.0.0/16', ROUTE_STATIC, [b.via('192.0.2.9'), b.via('198.51.100.9')], 1);
    b.settle();
    say(b, '10.1.0.0/16', OFFLOADED, { paths: [path(0xc6336409, 3)] });
    assert.deepEqual(lines(b, '10.1.0.0/16'), ['S> 10.1.0.0/16 [1/0] 192.0.2.9', ' * 198.51.100.9']);
    const nexthops = json(b, '10.1.0.0/16')['nexthops'] as { fib?: boolean }[];
    assert.deepEqual(
      nexthops.map(one => one.fib),
      [undefined, true],
    );
    say(b, '10.1.0.0/16', OFFLOADED, { paths: [path(0xc0000209, 2), path(0xc6336409, 3)] });
    assert.deepEqual(lines(b, '10.1.0.0/16'), ['S>* 10.1.0.0/16 [1/0] 192.0.2.9', ' * 198.51.100.9']);
  });
});

describe('hardware behind the kernel', { timeout: 60_000 }, () => {
  const lab = new Lab();
  let r1: Namespace;
  let grevy: Daemon;

  before(async () => {
    r1 = await lab.namespace('r1');
    await r1.run('ip', 'link', 'add', 'eth0', 'index', '100', 'type', 'veth', 'peer', 'name', 'p0');
    for (const name of ['eth0', 'p0']) await r1.run('ip', 'link', 'set', name, 'up');
    await r1.run('ip', 'addr', 'add', '192.0.2.1/24', 'dev', 'eth0');
    grevy = await startGrevy(
      lab,
      r1,
      `dplane provider hardware module ${join(import.meta.dirname, 'hardware-module.ts')} priority post-kernel
ip route 10.1.0.0/16 192.0.2.9
ip route 10.2.0.0/16 192.0.2.9
ip route 10.3.0.0/16 192.0.2.9
ip route 10.4.0.0/16 192.0.2.9
ip route 10.4.0.0/16 192.0.2.10
ip route 10.5.0.0/16 192.0.2.9
`,
    );
  });

  after(() => lab.close());

  test('its word is shown', async () => {
    let text = '';
    const patterns = [
      /S>\* 10\.1\.0\.0\/16/,
      /S>t 10\.2\.0\.0\/16/,
      /S>o 10\.3\.0\.0\/16/,
      /S>\* 10\.4\.0\.0\/16 \[1\/0\] via 192\.0\.2\.9,.*\n {10,}via 192\.0\.2\.10,/,
    ];
    await until(
      async () => {
        text = await grevy.sh('show ip route');
        return patterns.every(pattern => pattern.test(text));
      },
      { what: () => text },
    );
  });

  test('what it lost it is told again', async () => {
    let text = '';
    await until(
      async () => {
        text = await grevy.sh('show zebra dplane providers detailed json');
        return /"5": ?2/.test(text);
      },
      { what: () => text },
    );
    assert.equal((await r1.ipJson<unknown[]>('route', 'show', 'proto', '196')).length, 5);
  });
});
