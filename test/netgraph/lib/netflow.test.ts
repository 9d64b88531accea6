// Flows: every packet is in exactly one exported flow, whatever ends it; and the datagrams of both versions, as tshark reads them.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import {
  FLOW_ACTIVE_TIMEOUT,
  FLOW_FULL,
  FLOW_INACTIVE_TIMEOUT,
  FLOW_MALFORMED,
  FlowCache,
} from '../../../src/netgraph/lib/flow-cache.ts';
import { LINKTYPE_RAW } from '../../../src/netgraph/lib/pcapng.ts';
import {
  NETFLOW5_MAX_RECORDS,
  NETFLOW9_TEMPLATE_PACKETS,
  NETFLOW9_TEMPLATE_SECONDS,
  Netflow5Exporter,
  Netflow9Exporter,
} from '../../../src/netgraph/lib/netflow.ts';
import { icmp, ip4, ip6, tcp, tshark, udp } from './packets.ts';

const A6 = Uint8Array.from(Buffer.from('20010db8000000000000000000000001', 'hex'));
const B6 = Uint8Array.from(Buffer.from('20010db8000000000000000000000002', 'hex'));
const DECODE = ['-d', 'udp.port==2055,cflow'];

function taken(flows: FlowCache): { packets: number; octets: number; flow: number }[] {
  const all: { packets: number; octets: number; flow: number }[] = [];
  for (let flow = flows.take(); flow >= 0; flow = flows.take()) {
    all.push({ packets: flows.packets[flow]!, octets: flows.octets[flow]!, flow });
    flows.release(flow);
  }
  return all;
}

describe('flow cache', () => {
  test('every packet is in one flow that is exported once, and every row comes back', () => {
    const step = fc.record({
      host: fc.nat(4),
      port: fc.nat(3),
      kind: fc.constantFrom('tcp', 'fin', 'rst', 'udp', 'udp6', 'icmp', 'later'),
      gapMs: fc.oneof(fc.nat(2000), fc.constant(0), fc.nat(40_000), fc.constant(700_000)),
      collect: fc.boolean(),
    });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 120 }), fc.integer({ min: 1, max: 30 }), (steps, limit) => {
        const flows = new FlowCache(limit, 5000);
        let now = 5000;
        let packets = 0;
        let octets = 0;
        let exportedPackets = 0;
        let exportedOctets = 0;
        const collect = (): void => {
          for (const one of taken(flows)) {
            exportedPackets += one.packets;
            exportedOctets += one.octets;
          }
        };
        for (const { host, port, kind, gapMs, collect: due } of steps) {
          now += gapMs;
          if (gapMs > 500) flows.expire(now);
          const source = 0x0a000000 + host;
          const bytes =
            kind === 'udp6'
              ? ip6(udp(port, 53), 17, A6, B6)
              : kind === 'udp' || kind === 'later'
                ? ip4(udp(port, 53), { source, fragment: kind === 'later' ? 9 : 0 })
                : kind === 'icmp'
                  ? ip4(icmp(8, 0, port), { source, protocol: 1 })
                  : ip4(tcp(port, 80, kind === 'fin' ? 0x11 : kind === 'rst' ? 4 : 16), { source, protocol: 6 });
          const flow = flows.add(bytes, 0, bytes.length, 1, now);
          if (flow >= 0) {
            packets++;
            octets += bytes.length;
          } else assert.equal(flow, FLOW_FULL);
          if (due) collect();
          assert.ok(flows.used <= limit);
        }
        flows.flush();
        collect();
        assert.deepEqual([exportedPackets, exportedOctets], [packets, octets]);
        assert.equal(flows.totalPackets, steps.length);
        flows.expire(now + 2_000_000);
        assert.equal(flows.used, 0);
        assert.equal(flows.take(), -1);
      }),
    );
  });

  test('what is idle, old, or closed is over; the packet that makes a flow does not end it', () => {
    const flows = new FlowCache(10, 0);
    const bytes = ip4(udp(1, 2));
    flows.add(bytes, 0, bytes.length, 1, 0);
    flows.expire(FLOW_INACTIVE_TIMEOUT * 1000);
    assert.equal(flows.take(), -1);
    flows.expire(FLOW_INACTIVE_TIMEOUT * 1000 + 1000);
    assert.deepEqual([taken(flows).length, flows.inactiveExpiries, flows.used], [1, 1, 0]);
    let now = 20_000;
    const start = now;
    for (; now - start <= FLOW_ACTIVE_TIMEOUT * 1000; now += 10_000) {
      flows.add(bytes, 0, bytes.length, 1, now);
      flows.expire(now);
      assert.equal(flows.take(), -1);
    }
    flows.add(bytes, 0, bytes.length, 1, now);
    assert.deepEqual(
      taken(flows).map(one => one.packets),
      [(now - start) / 10_000 + 1],
    );
    assert.equal(flows.activeExpiries, 1);
    const reset = ip4(tcp(1, 2, 4), { protocol: 6 });
    flows.add(reset, 0, reset.length, 1, now);
    assert.equal(flows.take(), -1);
    flows.add(reset, 0, reset.length, 1, now);
    assert.deepEqual(
      taken(flows).map(one => one.packets),
      [2],
    );
  });

  test('what tells flows apart', () => {
    const flows = new FlowCache(20, 0);
    const packets = [
      ip4(udp(1, 2)),
      ip4(udp(2, 1)),
      ip4(udp(1, 3)),
      ip4(tcp(1, 2, 16), { protocol: 6 }),
      ip4(udp(1, 2), { source: 7 }),
      ip4(udp(1, 2), { destination: 7 }),
      ip6(udp(1, 2), 17, A6, B6),
      ip6(udp(1, 2), 17, B6, A6),
    ];
    const tos = ip4(udp(1, 2));
    tos[1] = 4;
    packets.push(tos);
    const seen = new Set(packets.map(bytes => flows.add(bytes, 0, bytes.length, 1, 0)));
    seen.add(flows.add(packets[0]!, 0, packets[0]!.length, 2, 0));
    assert.equal(seen.size, 10);
    for (const bytes of packets) {
      flows.add(bytes, 0, bytes.length, 1, 0);
      assert.ok(!flows.created);
    }
    for (let length = 0; length < 28; length++) assert.equal(flows.add(packets[0]!, 0, length, 1, 0), FLOW_MALFORMED);
    assert.throws(() => new FlowCache(0, 0), /not 0/);
  });
});

describe('netflow', () => {
  test('version 5, as tshark reads it', () => {
    const flows = new FlowCache(100, 0);
    const syn = ip4(tcp(1234, 80, 2), { protocol: 6, source: 0x0a000001 });
    const ack = ip4(tcp(1234, 80, 16), { protocol: 6, source: 0x0a000001 });
    const flow = flows.add(syn, 0, syn.length, 3, 1500);
    flows.output[flow] = 4;
    flows.nextHop[flow * 4] = 0xc0000201;
    flows.sourceMask[flow] = 8;
    flows.destinationMask[flow] = 24;
    flows.add(ack, 0, ack.length, 3, 2750);
    const other = ip4(udp(53, 5353), { source: 0x0a000002 });
    flows.add(other, 0, other.length, 3, 2000);
    const six = ip6(udp(1, 2), 17, A6, B6);
    const unfit = flows.add(six, 0, six.length, 3, 2000);
    flows.flush();
    const exporter = new Netflow5Exporter(0x0102);
    const datagrams: Uint8Array[] = [];
    for (let round = 0; round < 2; round++) {
      for (let one = round === 0 ? flows.take() : -1; one >= 0; one = flows.take()) {
        assert.equal(exporter.add(flows, one), one !== unfit);
      }
      if (round === 1) exporter.add(flows, flow);
      const length = exporter.finish(3000, 1_800_000_000_250);
      datagrams.push(ip4(udp(4000, 2055, exporter.buffer.slice(0, length))));
    }
    assert.equal(exporter.finish(3000, 0), 0);
    const names =
      'version count sysuptime unix_secs sequence engine_type engine_id srcaddr dstaddr nexthop inputint outputint packets ' +
      'octets timestart timeend srcport dstport protocol tcpflags srcmask dstmask';
    const fields = names.split(' ').map(name => `cflow.${name}`);
    const [first, second] = tshark(datagrams, LINKTYPE_RAW, fields, DECODE);
    const row = Object.fromEntries(fields.map((name, i) => [name.slice(6), first![i]!.split(',').sort().join(' ')]));
    assert.equal(row['version'], '5');
    assert.equal(row['count'], '2');
    assert.match(row['sysuptime']!, /^3(\.0+)?$/);
    assert.deepEqual([row['engine_type'], row['engine_id'], row['sequence']], ['1', '2', '0']);
    assert.deepEqual([row['srcaddr'], row['dstaddr']], ['10.0.0.1 10.0.0.2', '198.51.100.7 198.51.100.7']);
    assert.deepEqual([row['nexthop'], row['inputint'], row['outputint']], ['0.0.0.0 192.0.2.1', '3 3', '0 4']);
    assert.deepEqual([row['packets'], row['octets']], ['1 2', '28 80']);
    assert.deepEqual([row['srcport'], row['dstport'], row['protocol']], ['1234 53', '5353 80', '17 6']);
    assert.deepEqual([row['srcmask'], row['dstmask']], ['0 8', '0 24']);
    assert.match(row['tcpflags']!, /0x12/);
    assert.match(row['timestart']!, /1\.5/);
    assert.match(row['timeend']!, /2\.75/);
    assert.equal(second![4], '2');
  });

  test('version 9, as tshark reads it: templates first, both families, no record lost between datagrams', () => {
    const flows = new FlowCache(500, 0);
    for (let i = 0; i < 100; i++) {
      const bytes = i % 3 === 0 ? ip6(udp(i, 53), 17, A6, B6) : ip4(udp(i, 53), { source: 0x0a000000 + i });
      flows.add(bytes, 0, bytes.length, 3, 1500);
    }
    flows.flush();
    const exporter = new Netflow9Exporter(77);
    const datagrams: Uint8Array[] = [];
    const send = (): void => {
      const length = exporter.finish(3000, 1_800_000_000_250);
      datagrams.push(ip4(udp(4000, 2055, exporter.buffer.slice(0, length))));
    };
    const order: number[] = [];
    for (let flow = flows.take(); flow >= 0; flow = flows.take()) {
      order.push(flows.sourcePort[flow]!);
      if (!exporter.add(flows, flow, 3000)) {
        send();
        assert.ok(exporter.add(flows, flow, 3000));
      }
      flows.release(flow);
    }
    send();
    assert.ok(datagrams.length > 3);
    const fields = ['version', 'source_id', 'sequence', 'template_id', 'srcport', 'srcaddr', 'srcaddrv6', 'octets'].map(
      name => `cflow.${name}`,
    );
    const lines = tshark(datagrams, LINKTYPE_RAW, [...fields, '_ws.malformed', '_ws.expert.severity'], DECODE);
    assert.deepEqual(
      lines.map(line => line[0]),
      datagrams.map(() => '9'),
    );
    assert.deepEqual(
      lines.map(line => line[1]),
      datagrams.map(() => '77'),
    );
    assert.deepEqual(
      lines.map(line => line[2]),
      datagrams.map((_, i) => String(i)),
    );
    assert.equal(lines[0]![3], '257,260');
    assert.ok(lines.slice(1).every(line => line[3] === '' || line[3] === undefined));
    assert.deepEqual(lines.flatMap(line => line[4]!.split(',')).map(Number), order);
    assert.equal(lines.flatMap(line => line[5]!.split(',').filter(Boolean)).length, 66);
    assert.equal(lines.flatMap(line => line[6]!.split(',').filter(Boolean)).length, 34);
    assert.deepEqual(new Set(lines.flatMap(line => line[7]!.split(','))), new Set(['28', '48']));
    assert.ok(
      lines.every(line => (line[8] ?? '') === '' && (line[9] ?? '') === ''),
      'tshark has nothing to complain of',
    );
  });

  test('templates come again after so many datagrams, and after so long', () => {
    const flows = new FlowCache(10, 0);
    const bytes = ip4(udp(1, 2));
    const flow = flows.add(bytes, 0, bytes.length, 1, 0);
    const exporter = new Netflow9Exporter();
    const hasTemplates = (now: number): boolean => {
      assert.ok(exporter.add(flows, flow, now));
      exporter.finish(now, now);
      return exporter.buffer[3] === 3;
    };
    const every = Array.from({ length: NETFLOW9_TEMPLATE_PACKETS * 2 + 1 }, () => hasTemplates(1000));
    assert.deepEqual(
      every.flatMap((has, i) => (has ? [i] : [])),
      [0, NETFLOW9_TEMPLATE_PACKETS, NETFLOW9_TEMPLATE_PACKETS * 2],
    );
    assert.ok(!hasTemplates(NETFLOW9_TEMPLATE_SECONDS * 1000 + 999));
    assert.ok(hasTemplates(NETFLOW9_TEMPLATE_SECONDS * 1000 + 1000));
    assert.throws(() => new Netflow9Exporter(0, 100), /not 100/);
    const five = new Netflow5Exporter();
    for (let i = 0; i < NETFLOW5_MAX_RECORDS; i++) five.add(flows, flow);
    assert.ok(five.full);
    assert.equal(five.finish(0, 0), five.buffer.length);
  });
});
