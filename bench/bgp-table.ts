// The BGP thread's whole work on a full table, without sockets: parse, intern, table, decision, export, encode. Each
// figure is for a fresh table; the pipeline run interleaves the stages as the daemon does, in quanta of 64 KiB.
// The first pipeline run's memory is the table's own; later ones find pages that the process has already.
// Beside it BIRD, end to end: from the first byte to the last prefix at a receiver, sockets and feeder included. As root.
// Usage: node --expose-gc bench/bgp-table.ts [prefixes] [sets] [rounds] [rounds by stage]; `--cpu-prof` shows where the time goes.
import { summary } from './lib/report.ts';
import { AF_INET } from '../src/net/index.ts';
import { AttributeStore, BgpTable, defaultDecisionOptions, NexthopTable, PEER_EBGP } from '../src/bgp/rib/index.ts';
import { UpdateGroup } from '../src/bgp/updategroup/index.ts';
import { UpdateParser } from '../src/bgp/wire/update.ts';
import { through } from './bgp/through.ts';
import { bird } from './lib/contestants.ts';
import { buildTable, setsOf } from './lib/table.ts';
import { PLAIN_GROUP } from '../test/bgp/lib/group-options.ts';

const prefixes = Number(process.argv[2] ?? 1_000_000);
const sets = Number(process.argv[3] ?? setsOf(prefixes));
const rounds = Number(process.argv[4] ?? 3);
const stageRounds = Number(process.argv[5] ?? rounds);
const QUANTUM = 65536;

const table = buildTable({ prefixes, attributeSets: sets });
const withdrawals = table.withdrawals();
console.log(
  `${table.prefixCount} prefixes, ${sets} sets, ${table.messageCount} messages, ${(table.updates.length / 1e6).toFixed(1)} MB`,
);

function fresh(): { store: AttributeStore; rib: BgpTable; parser: UpdateParser; feeder: number; receiver: number } {
  const nexthops = new NexthopTable();
  nexthops.defaultReachable = true;
  const store = new AttributeStore(nexthops);
  const rib = new BgpTable({ family: AF_INET, rows: prefixes, store, decision: defaultDecisionOptions(65000, 1) });
  const peer = { kind: PEER_EBGP, weight: 0, allowOwnAs: 0, role: -1 } as const;
  const feeder = rib.addPeer({ ...peer, as: 65001, routerId: 2, address: [0x0a000001, 0, 0, 0] });
  const receiver = rib.addPeer({ ...peer, as: 65002, routerId: 3, address: [0x0a000002, 0, 0, 0] });
  const parser = new UpdateParser({ ebgp: true, as4: true, ipv4: true, ipv6: false, firstAs: 65001 });
  return { store, rib, parser, feeder, receiver };
}

function group(rib: BgpTable, receiver: number, sink: { bytes: number; messages: number }): UpdateGroup {
  const made = new UpdateGroup(rib, { ...PLAIN_GROUP, routerId: 1, clusterId: 1, localAddress4: 0x0a000003 });
  const ring = new Uint8Array(1 << 20);
  made.join({
    peer: receiver,
    family: AF_INET,
    address: [0x0a000002, 0, 0, 0],
    hasRoom: () => true,
    send(bytes, offset, length) {
      ring.set(bytes.subarray(offset, offset + length), sink.bytes & 0x7ffff);
      sink.bytes += length;
      sink.messages++;
      return true;
    },
  });
  return made;
}

function time(name: string, run: () => void): number {
  const from = performance.now();
  run();
  const ms = performance.now() - from;
  console.log(
    `  ${name.padEnd(28)} ${ms.toFixed(0).padStart(6)} ms ${((ms * 1e6) / prefixes).toFixed(0).padStart(6)} ns/prefix`,
  );
  return ms;
}

function feed(updates: Uint8Array, each: (offset: number, length: number) => void): void {
  for (let at = 0; at < updates.length; ) {
    const length = (updates[at + 16]! << 8) | updates[at + 17]!;
    each(at, length);
    at += length;
  }
}

const totals: number[] = [];
for (let round = 0; round < rounds; round++) {
  const { store, rib, parser, feeder, receiver } = fresh();
  const sink = { bytes: 0, messages: 0 };
  const out = group(rib, receiver, sink);
  global.gc?.();
  const before = process.memoryUsage();
  const cpuBefore = process.cpuUsage();
  const updates = table.updates;
  const ms = time('pipeline, whole', () => {
    for (let at = 0; at < updates.length; ) {
      for (const stop = Math.min(updates.length, at + QUANTUM); at < stop; ) {
        const length = (updates[at + 16]! << 8) | updates[at + 17]!;
        parser.parse(updates, at, length);
        rib.ingest(feeder, parser);
        at += length;
      }
      rib.work(10_000);
      while (out.run(4096));
    }
  });
  totals.push(ms);
  const cpu = process.cpuUsage(cpuBefore);
  const memory = process.memoryUsage();
  const { arenaUsedBytes } = store.stats();
  console.log(
    `    ${sink.messages} messages; CPU ${(cpu.user / 1000).toFixed(0)} ms user, ${(cpu.system / 1000).toFixed(0)} ms system; RSS ${((memory.rss - before.rss) / 1e6).toFixed(0)} MB more, buffers ${((memory.arrayBuffers - before.arrayBuffers) / 1e6).toFixed(0)} MB, arena used ${(arenaUsedBytes / 1e6).toFixed(1)} MB`,
  );
}
for (let round = 0; round < stageRounds; round++) {
  console.log(`round ${round + 1}: stages one after another`);
  const { store, rib, parser, feeder, receiver } = fresh();
  const sink = { bytes: 0, messages: 0 };
  rib.attachZebra();
  const updates = table.updates;
  time('parse', () => feed(updates, (at, length) => parser.parse(updates, at, length)));
  time('parse, intern, table', () => {
    feed(updates, (at, length) => {
      parser.parse(updates, at, length);
      rib.ingest(feeder, parser);
    });
  });
  time('decide', () => rib.decide());
  time('zebra announcer', () => {
    while (rib.nextChanges(1000, () => true) > 0);
  });
  const out = group(rib, receiver, sink);
  time('export, encode', () => {
    while (out.run(4096));
  });
  console.log(`  sent ${sink.messages} messages, ${(sink.bytes / 1e6).toFixed(1)} MB`);
  time('withdraw all', () => {
    feed(withdrawals, (at, length) => {
      parser.parse(withdrawals, at, length);
      rib.ingest(feeder, parser);
    });
    rib.decide();
    while (rib.nextChanges(1000, () => true) > 0);
    while (out.run(4096));
  });
  time('rows given back, later', () => {
    while (rib.sweep(1000));
  });
  if (rib.prefixes.size !== 0 || store.size !== 0)
    throw new Error(`left: ${rib.prefixes.size} prefixes, ${store.size} sets`);
}
totals.sort((a, b) => a - b);
const median = totals[totals.length >> 1]! / 1000;
const { seconds } = (await through(bird, prefixes)).announce;
console.log(`median ${median.toFixed(3)} s; BIRD end to end ${seconds.toFixed(2)} s`);
summary('bgp-table', [
  { name: 'table, decision, encoding', value: median / seconds, most: 0.6, unit: ' × BIRD end to end' },
]);
