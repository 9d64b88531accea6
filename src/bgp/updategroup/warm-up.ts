// The first table that a fresh thread takes is slow, because V8 has not compiled the hot loops yet: 100,000 prefixes take
// 190 ms in a cold thread and 65 ms in one that has seen two such tables. So a thread that will speak BGP may run made-up
// tables through the whole pipeline before the first peer is there: announced here, encoded, parsed, decided, encoded
// again, withdrawn. That gains about a third (130 ms): some of the code is compiled once more when it meets the real
// peers' objects.
import { AF_INET, AF_INET6 } from '../../net/index.ts';
import { AttributeStore } from '../rib/attributes.ts';
import { NexthopTable } from '../rib/nexthops.ts';
import { BgpTable } from '../rib/table.ts';
import { defaultDecisionOptions, PEER_EBGP } from '../rib/types.ts';
import { UpdateParser } from '../wire/update.ts';
import { UpdateGroup } from './group.ts';

// Compiled code holds its objects weakly and is dropped with them, so the last round's (empty) tables stay.
let kept: unknown;

/** Runs `rounds` made-up tables of `prefixes` prefixes through parser, table and update group, and forgets them. */
export function warmUp(prefixes = 10_000, rounds = 4): void {
  for (let round = 0; round < rounds; round++) warmUpRound(prefixes);
  if (kept === undefined) throw new Error('nothing was run');
}

function warmUpRound(prefixes: number): void {
  const nexthops = new NexthopTable();
  nexthops.defaultReachable = true;
  const store = new AttributeStore(nexthops);
  const make = (localAs: number): { table: BgpTable; source: number; sink: number } => {
    const table = new BgpTable({ family: AF_INET, store, decision: defaultDecisionOptions(localAs, 1) });
    const peer = { kind: PEER_EBGP, as: localAs + 1, weight: 0, allowOwnAs: 0 } as const;
    const source = table.addPeer({ ...peer, routerId: 1, address: [1, 0, 0, 0] });
    const sink = table.addPeer({ ...peer, routerId: 2, address: [2, 0, 0, 0] });
    return { table, source, sink };
  };
  const near = make(64512);
  const far = make(64513);
  far.table.attachZebra();
  const parser = new UpdateParser({ ebgp: true, as4: true, ipv4: true, ipv6: true, firstAs: 0 });
  const join = (
    end: typeof near,
    send: (bytes: Uint8Array, offset: number, length: number) => boolean,
  ): UpdateGroup => {
    const group = new UpdateGroup(end.table, {
      kind: 'ebgp',
      localAs: end.table.decision.localAs,
      routerId: 1,
      clusterId: 1,
      defaultLocalPref: 100,
      localAddress4: 0x0a000001,
      nextHopSelf: false,
      nextHopUnchanged: false,
      sendCommunity: true,
      sendExtendedCommunity: true,
      sendLargeCommunity: true,
      removePrivateAs: 'no',
      as4: true,
      extendedNextHop: false,
      maximumMessageBytes: 4096,
    });
    group.onTimer = () => {};
    group.join({ peer: end.sink, hasRoom: () => true, send });
    return group;
  };
  const first = join(near, (bytes, offset, length) => {
    const message = bytes.slice(offset, offset + length);
    parser.parse(message, 0, length);
    far.table.ingest(far.source, parser);
    return true;
  });
  const second = join(far, () => true);
  const settle = (): void => {
    while (near.table.work(1000));
    while (first.run(1000)) {
      far.table.work(1000);
      while (far.table.nextChanges(1000, () => true) > 0);
      while (second.run(1000));
    }
    while (far.table.work(1000));
    while (far.table.nextChanges(1000, () => true) > 0);
    while (second.run(1000));
  };
  for (let from = 0; from < prefixes; from += 7) {
    const set = store.encode({
      origin: 0,
      asPath: [{ type: 'sequence', as: [64512, 4_100_000_000 + from, from + 1, 3] }],
      nextHop: { family: AF_INET, words: [0x0a000002, 0, 0, 0] },
      ...(from % 2 === 0 && { med: 0xf0000000 + from, communities: [0xfde80000 + (from & 0xffff), 5] }),
    });
    for (let i = from; i < Math.min(prefixes, from + 7); i++) {
      // The whole range of words: code compiled for small integers alone would be thrown away at the first 128.0.0.0.
      const length = 20 + (i % 5);
      const word = ((Math.imul(i + 1, 0x9e3779b1) >>> (32 - length)) << (32 - length)) >>> 0;
      near.table.announce(near.source, word, 0, 0, 0, length, set);
    }
    store.release(set);
  }
  settle();
  near.table.peerDown(near.source);
  settle();
  first.close();
  second.close();
  // The IPv6 side of the shared functions, so that they are not compiled for IPv4 alone and thrown away later.
  const table6 = new BgpTable({ family: AF_INET6, store, decision: defaultDecisionOptions(1, 1) });
  const peer6 = table6.addPeer({
    kind: PEER_EBGP,
    as: 2,
    routerId: 1,
    address: [1, 0, 0, 0],
    weight: 0,
    allowOwnAs: 0,
  });
  const set6 = store.encode({ origin: 0, nextHop: { family: AF_INET6, words: [0x20010db8, 0, 0, 1] } });
  for (let i = 0; i < 100; i++) table6.announce(peer6, 0x20010db8, i, 0, 0, 64, set6);
  table6.decide();
  kept = [near, far, first, second, parser, table6];
}
