import { test } from 'node:test';
import { graphMessenger, openGraph, socketOf } from '../../../src/netgraph/index.ts';
import { until } from '../../lib/wait.ts';

const PACKETS = 100;

test('what was written before the end of its node has gone out', async () => {
  const graph = await openGraph({ workers: 2 });
  try {
    const me = graph.create('socket', 'me');
    graph.rename(graph.mkpeer(me, 'hub', 'hook', 'me'), 'hub');
    let came = 0;
    socketOf(me).onData = () => came++;
    for (let i = 0; i < PACKETS; i++) {
      const messenger = graphMessenger(graph);
      await messenger.request('.:', 'connect', { path: 'hub:', ourhook: 'out', peerhook: `in${i}` });
      await messenger.write('out', Uint8Array.of(i));
      await messenger.close();
    }
    await until(() => came === PACKETS, { what: () => `${came} of ${PACKETS}` });
  } finally {
    await graph.close();
  }
});
