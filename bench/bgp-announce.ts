// How fast the bgp thread hands a full table to zebra: from selected paths to ZAPI bytes in the connection's buffer, and
// how fast route maps are applied on the way in. One thread, nothing else running in it; the connection swallows all.
//
//   node bench/bgp-announce.ts [prefixes]
import { summary } from './lib/report.ts';
import { Bgp } from '../src/bgp/index.ts';
import type { Listener, Transport } from '../src/bgp/io/types.ts';
import { PEER_EBGP } from '../src/bgp/rib/index.ts';
import { parsePrefix } from '../src/net/index.ts';
import { prefixListEntry } from '../src/bgp/policy/index.ts';
import { PeerPolicy } from '../src/bgp/peer-policy.ts';
import { TaskLoop, VirtualClock } from '../src/concurrency/index.ts';

const PREFIXES = Number(process.argv[2] ?? 1_000_000);
const SETS = Math.ceil(PREFIXES / 6.7);

const nothing = (): never => {
  throw new Error('not used here');
};
const listener: Listener = {
  local: { family: 2, words: [0, 0, 0, 0], port: 0, scopeId: 0 },
  setMd5Key() {},
  close() {},
};
const transport: Transport = {
  connect: nothing,
  listen: () => listener,
  connectUnix: nothing,
  connectPair: () => {
    throw new Error('no connections here');
  },
  flush() {},
  pauseUpdates() {},
  resumeUpdates() {},
};

const clock = new VirtualClock();
const loop = new TaskLoop('bench', clock);
let bytes = 0;
const bgp = new Bgp({
  loop,
  transport,
  random: Math.random,
  listenPort: 0,
  zebra: events => {
    queueMicrotask(() => events.open());
    return {
      write: (_bytes, _offset, size) => {
        bytes += size;
        return size;
      },
      close() {},
    };
  },
});
await new Promise<void>(done => setImmediate(done));
const instance = bgp.openInstance('default', 65001);
const { table, announcer } = instance.family.ipv4;
const peer = table.addPeer({
  kind: PEER_EBGP,
  as: 65002,
  routerId: 1,
  address: [0x0a000001, 0, 0, 0],
  weight: 0,
  allowOwnAs: 0,
  role: -1,
});

const sets: number[] = [];
for (let i = 0; i < SETS; i++) {
  sets.push(
    instance.store.encode({
      origin: 0,
      asPath: [{ type: 'sequence', as: [65002, 3356 + (i & 1023), 10_000 + (i % 50_000), 100_000 + i] }],
      communities: [0xfdea0000 + (i & 0xffff)],
      nextHop: { family: 2, words: [0x0a000001 + (i & 7), 0, 0, 0] },
    }),
  );
}
const ms = (from: number): string => `${(performance.now() - from).toFixed(0)} ms`;

let start = performance.now();
for (let i = 0; i < PREFIXES; i++) table.announce(peer, 0x14000000 + i * 256, 0, 0, 0, 24, sets[Math.floor(i / 6.7)]!);
console.log(`announced to the table one by one: ${ms(start)}`);
for (const id of instance.nexthops.tracked()) instance.nexthops.set(id, true, 0);
table.nexthopsChanged(instance.nexthops.takeChanged()!);
start = performance.now();
while (table.work(50_000));
console.log(`decided: ${ms(start)}`);

let bestNs = Number.POSITIVE_INFINITY;
for (let round = 0; round < 3; round++) {
  announcer.connected();
  start = performance.now();
  const before = announcer.announced;
  const sent = bytes;
  clock.settle();
  if (announcer.announced - before !== PREFIXES)
    throw new Error(
      `${announcer.announced - before} of ${PREFIXES}, ${table.zebraPending} pending, ${bgp.zebra?.client.connected}, ${table.countSelected()} selected`,
    );
  const tookMs = performance.now() - start;
  bestNs = Math.min(bestNs, (tookMs * 1e6) / PREFIXES);
  console.log(
    `ROUTE_ADD: ${PREFIXES} in ${tookMs.toFixed(0)} ms, ${((tookMs * 1e6) / PREFIXES).toFixed(0)} ns and ${((bytes - sent) / PREFIXES).toFixed(1)} bytes each`,
  );
}

const { policy } = bgp;
const list = policy.needPrefixList(2, 'BOGONS');
['0.0.0.0/8', '10.0.0.0/8', '127.0.0.0/8', '169.254.0.0/16', '172.16.0.0/12', '192.168.0.0/16', '224.0.0.0/3'].forEach(
  (text, i) => list.set(prefixListEntry(5 + i * 5, true, parsePrefix(text)!, undefined, 32)),
);
list.set(prefixListEntry(90, true, parsePrefix('0.0.0.0/0')!, 25, undefined));
const map = policy.needRouteMap('IN');
map
  .clause(10, false)
  .matches.set('p', { match: { kind: 'address', list: 'prefix-list', family: 2, name: 'BOGONS' }, text: '' });
map.clause(20, true).sets.set('l', { set: { kind: 'local-preference', sign: '', value: 90 }, text: '' });
const imported = new PeerPolicy(
  { prefixList: undefined, filterList: undefined, routeMap: 'IN' },
  policy,
  table,
  instance.access,
  {
    ...instance.policyUse,
    peer: '10.0.0.1',
    peerAddress: undefined,
  },
);
start = performance.now();
table.setImportPolicy(peer, imported);
while (table.work(50_000));
console.log(`route-map with a prefix-list over the whole table, decisions included: ${ms(start)}`);
loop.close();
summary('bgp-announce', [{ name: 'ROUTE_ADD', value: bestNs, most: 300, unit: ' ns' }]);
