// Where a neighbour and the tables end hangs on what is configured, and not on how it came to be: a pair of speakers with a past,
// in which connections took nothing for a while, ends as one without.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { adjacencyJson } from '../../src/bgp/show-adjacency.ts';
import { TaskLoop, VirtualClock } from '../../src/concurrency/index.ts';
import { MemoryNetwork } from './lib/memory-transport.ts';
import { Router } from './lib/router.ts';

function text(as: number, id: string, peer: string, inner: readonly string[]): string {
  return `ip prefix-list ONE seq 5 permit 10.3.0.0/16 le 24
ip prefix-list TWO seq 5 permit 10.3.0.0/16 le 23
ip prefix-list TWO seq 10 permit 10.3.2.0/23 le 24
route-map EDIT permit 10
 match ip address prefix-list ONE
 set metric 7
route-map EDIT permit 20
 set community 1:1
route-map ONE permit 10
 match ip address prefix-list ONE
router bgp ${as}
 bgp router-id ${id}
 no bgp ebgp-requires-policy
 no bgp network import-check
 neighbor ${peer} remote-as external
 neighbor ${peer} timers 3 9
 neighbor ${peer} timers connect 1
 address-family ipv4 unicast
${inner.map(line => `  ${line.replace('PEER', peer)}`).join('\n')}
 exit-address-family
`;
}

class Pair {
  readonly clock = new VirtualClock();
  readonly network: MemoryNetwork;
  readonly near: Router;
  readonly far: Router;

  constructor() {
    const loop = new TaskLoop('bgp', this.clock);
    this.network = new MemoryNetwork(loop);
    const make = (name: string, last: number): Router => {
      const at = { family: 2, words: [0x0a000000 + last, 0, 0, 0], port: 179, scopeId: 0 } as const;
      return new Router(name, 179, { loop, transport: this.network.transport(at), random: () => 0.5 });
    };
    this.near = make('near', 1);
    this.far = make('far', 2);
  }

  configure(near: readonly string[], far: readonly string[] = []): this {
    this.near.config(text(65001, '10.0.0.1', '10.0.0.2', near));
    this.far.config(text(65002, '10.0.0.2', '10.0.0.1', far));
    return this;
  }

  /** All that there is, when everybody has said everything. */
  settled(): object {
    this.network.drain();
    for (let i = 0; i < 30; i++) this.clock.advance(1_000);
    return [this.near, this.far].map(router => {
      const { routes } = router.json('show bgp ipv4 unicast json') as { routes: Record<string, object[]> };
      const told = Object.entries(routes).map(([prefix, paths]) => {
        const kept = paths.map(path => JSON.stringify({ ...path, version: 0, selectionReason: '', peerId: '' }));
        return `${prefix} ${kept.sort().join()}`;
      });
      const { table, instance } = router.bgp.instance().family.ipv4;
      return { told: told.sort(), rows: table.prefixes.size, counted: table.prefixCount, sets: instance.store.size };
    });
  }

  close(): void {
    this.near.close();
    this.far.close();
  }
}

/** Both end with these lines. */
function same(past: Pair, near: readonly string[], far: readonly string[] = []): void {
  const fresh = new Pair().configure(near, far);
  const expected = fresh.settled();
  assert.deepEqual(past.configure(near, far).settled(), expected);
  past.close();
  fresh.close();
}

const NETWORKS: readonly string[] = Array.from({ length: 24 }, (_, i) => `network 10.${i % 6}.${i}.0/24`);

test('what a neighbour was still to be told to forget when it changed groups, the next one tells it', () => {
  const pair = new Pair().configure(NETWORKS);
  pair.clock.advance(3_000);
  pair.network.full = true;
  pair.configure([]);
  pair.clock.advance(100);
  same(pair, ['neighbor PEER route-map EDIT out']);
});

test('so does the one after that', () => {
  const pair = new Pair().configure([...NETWORKS, 'neighbor PEER default-originate']);
  pair.clock.advance(3_000);
  pair.network.full = true;
  for (const list of ['ONE', 'TWO']) {
    pair.configure([...NETWORKS, `neighbor PEER prefix-list ${list} out`]);
    pair.clock.advance(100);
  }
  same(pair, [...NETWORKS, 'neighbor PEER prefix-list TWO out', 'neighbor PEER next-hop-self']);
});

test('a show under way tells nothing of prefixes that got the rows of others meanwhile', () => {
  const pair = new Pair().configure(['network 10.1.0.0/24', 'network 10.2.0.0/24', 'network 10.3.0.0/24']);
  pair.settled();
  const peer = pair.near.bgp.instance().peers.get('10.0.0.2')!;
  let told = '';
  let shown = 0;
  for (const piece of adjacencyJson(peer.families.ipv4, 'advertised')) {
    told += piece;
    // The second one is known then, and told when we come back.
    if (piece === '' || shown++ > 0) continue;
    pair.configure(['network 10.1.0.0/24', 'network 10.3.0.0/24']).settled();
    pair.configure(['network 10.1.0.0/24', 'network 10.3.0.0/24', 'network 20.0.0.0/24']).settled();
  }
  const { advertisedRoutes } = JSON.parse(told) as { advertisedRoutes: object };
  assert.deepEqual(Object.keys(advertisedRoutes), ['10.1.0.0/24', '10.2.0.0/24', '10.3.0.0/24']);
  pair.close();
});

const near = fc
  .tuple(
    fc.subarray([...NETWORKS]),
    fc.subarray([
      'aggregate-address 10.0.0.0/8 summary-only',
      'aggregate-address 10.3.0.0/16 as-set',
      'neighbor PEER default-originate route-map ONE',
      'neighbor PEER route-map EDIT out',
      'neighbor PEER prefix-list ONE out',
      'neighbor PEER addpath-tx-all-paths',
      'neighbor PEER unsuppress-map ONE',
    ]),
  )
  .map(([networks, others]) => [...networks, ...others]);

const far = fc
  .tuple(
    fc.subarray(NETWORKS.map(line => line.replace('10.', '11.'))),
    fc.subarray(['neighbor PEER route-map EDIT in', 'aggregate-address 11.0.0.0/8 summary-only']),
  )
  .map(([networks, others]) => [...networks, ...others]);

const step = fc.oneof(
  fc.record({ kind: fc.constant('configure' as const), near, far }),
  fc.record({ kind: fc.constant('pass' as const), ms: fc.constantFrom(1, 5, 60, 200, 3_000) }),
  fc.record({ kind: fc.constant('full' as const), on: fc.boolean() }),
  fc.record({ kind: fc.constant('clear' as const) }),
);

test('a past leaves no trace', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 25 }), near, far, (steps, nearLines, farLines) => {
      const pair = new Pair().configure(NETWORKS);
      pair.clock.advance(3_000);
      for (const one of steps) {
        if (one.kind === 'configure') pair.configure(one.near, one.far);
        else if (one.kind === 'pass') pair.clock.advance(one.ms);
        else if (one.kind === 'clear') pair.far.show('clear bgp *');
        else if (one.on) pair.network.full = true;
        else pair.network.drain();
      }
      same(pair, nearLines, farLines);
    }),
    { numRuns: 200 },
  );
});
