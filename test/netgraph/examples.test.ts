// The networks of examples/netgraph, between two hosts, while their nodes are replaced: ping and iperf3 get through.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { NETWORKS, tryOut } from '../../examples/netgraph/demo.ts';

for (const network of NETWORKS) {
  test(`${network.name}: hosts talk while its nodes are replaced`, async () => {
    const { changes, sent, received, mbits } = await tryOut(network, 1);
    assert.ok(changes > 10, `${changes} changes`);
    // iperf3 fills what queues there are; a machine that has other things to do drops some.
    assert.ok(received >= sent * 0.97, `${received} of ${sent}`);
    for (const rate of mbits) assert.ok(rate > 1, `${rate} Mbit/s`);
    if (network.name === 'shaper') for (const rate of mbits) assert.ok(rate < 25, `${rate} Mbit/s`);
  });
}
