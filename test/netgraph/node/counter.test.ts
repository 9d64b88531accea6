// The counter: by direction and by what is in packets, raw and in Ethernet frames.
import assert from 'node:assert/strict';
import { afterEach, beforeEach, test } from 'node:test';
import { Inline } from '../lib/inline.ts';
import { icmp, ip4, ip6, tcp, udp } from '../lib/packets.ts';

let inline: Inline;
beforeEach(async () => {
  inline = await Inline.open();
});
afterEach(() => inline.close());

const HOST = Uint8Array.from({ length: 16 }, (_, i) => i);
const frame = (type: string, payload: Uint8Array): Buffer =>
  Buffer.concat([Buffer.from(`020000000001020000000002${type}`, 'hex'), payload]);

test('raw IP and Ethernet, both directions', async () => {
  const node = inline.make('counter', 'left', 'right');
  const packets = [
    ip4(tcp(1, 2, 0), { protocol: 6 }),
    ip4(udp(1, 2), { protocol: 17 }),
    ip4(icmp(8, 0, 0), { protocol: 1 }),
    ip4([], { protocol: 89 }),
    ip6(udp(1, 2), 17, HOST, HOST),
    ip6([], 59, HOST, HOST),
    Uint8Array.of(0x45),
  ];
  for (const packet of packets) inline.write('left', packet);
  inline.write('right', packets[1]!);
  assert.equal((await inline.came()).length, 8);
  assert.equal(
    await inline.ascii(node, 'getclrstats'),
    '{ left={ all={ packets=7 octets=205 } tcp={ packets=1 octets=40 } udp={ packets=2 octets=76 }' +
      ' icmp={ packets=1 octets=28 } otherIp4={ packets=1 octets=20 } otherIp6={ packets=1 octets=40 }' +
      ' other={ packets=1 octets=1 } } right={ all={ packets=1 octets=28 } udp={ packets=1 octets=28 } } }',
  );
  await inline.ascii(node, 'setdlt', '{ dlt=1 }');
  inline.write('right', frame('0806', new Uint8Array(28)));
  inline.write('right', frame('0800', packets[0]!));
  inline.write('right', frame('810000050800', packets[0]!));
  inline.write('right', frame('88b5', new Uint8Array(2)));
  inline.write('right', 'short');
  assert.equal((await inline.came()).length, 5);
  assert.equal(
    await inline.ascii(node, 'getstats'),
    '{ right={ all={ packets=5 octets=175 } tcp={ packets=2 octets=112 } arp={ packets=1 octets=42 } other={ packets=2 octets=21 } } }',
  );
  await inline.refuses(node, 'EINVAL', 'setdlt', '{ dlt=2 }', 'dlt=2');
  inline.refusesHook(node, 'EINVAL', 'up', 'up');
  inline.graph.shutdown(node);
  inline.write('left', 'through');
  assert.deepEqual(await inline.texts(), ['right through']);
});

test('what has nowhere to go is counted and dropped; a hook that is not there has counted nothing', async () => {
  const node = inline.make('counter', 'left');
  inline.write('left', ip4(udp(1, 2), { protocol: 17 }));
  assert.equal(node.counts()['drop.notConnected'], 1);
  assert.equal(
    await inline.ascii(node, 'getstats'),
    '{ left={ all={ packets=1 octets=28 } udp={ packets=1 octets=28 } } }',
  );
  await inline.ascii(node, 'clrstats');
  assert.equal(await inline.ascii(node, 'getstats'), '{}');
  assert.equal(await inline.ascii(node, 'getdlt'), '{ dlt=12 }');
});
