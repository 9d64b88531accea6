// Numbered traffic through two branches while one of them is rebuilt at random: the other does not notice, and each packet of the
// touched one goes wholly by an old or wholly by a new way. `npm run proof:graph` does the same for ten minutes.
import assert from 'node:assert/strict';
import { randomInt } from 'node:crypto';
import { test } from 'node:test';
import type { WorkerPlane } from '../../src/netgraph/index.ts';
import { until } from '../lib/wait.ts';
import { Rebuild } from './lib/rebuild.ts';

const CHANGES = 1000;

for (const { workers, crossing, away } of [
  { workers: 1, crossing: false, away: false },
  { workers: 2, crossing: false, away: false },
  { workers: 2, crossing: false, away: true },
  { workers: 2, crossing: true, away: false },
]) {
  const how = `${workers} workers${crossing ? ', the end in one of them' : ''}${away ? ', the edge away now and then' : ''}`;
  test(`nothing is lost or doubled beside a rebuild, and nothing mixed in it (${how})`, async t => {
    const seed = Number(process.env['SEED'] ?? randomInt(1, 2 ** 31));
    t.diagnostic(`SEED=${seed}`);
    const rebuild = await Rebuild.open({ workers, seed, crossing, away, stallMs: 20_000 });
    const { graph } = rebuild;
    try {
      await rebuild.run(Number.MAX_SAFE_INTEGER);
      await until(() => rebuild.tally().a.received > 10_000, { what: 'traffic' });
      while (rebuild.changes < CHANGES) {
        // A few at a time, which a worker does in one pause, so that packets meet what each few leave behind.
        for (let i = 0; i < 4; i++) rebuild.step();
        if (rebuild.changes % 16 === 0) await graph.settled();
        else await new Promise(resolve => setImmediate(resolve));
      }
      rebuild.whole();
      await graph.settled();
      const { sent: before } = rebuild.tally();
      await until(() => rebuild.tally().sent > before + 10_000, { what: 'traffic afterwards' });
      await rebuild.run(0);
      await graph.settled();
      const balance = (): { odd: number; even: number } => {
        const { sent, a, b, dropped } = rebuild.tally();
        return { even: Math.abs(sent / 2 - a.received), odd: Math.abs(sent / 2 - b.received - dropped) };
      };
      // An odd number of packets of a worker has one even number more.
      const slack = crossing ? Number.POSITIVE_INFINITY : workers / 2;
      await until(() => balance().even <= workers / 2 && balance().odd <= slack, {
        what: () => `every packet: ${JSON.stringify(rebuild.tally())}, seed ${seed}`,
      });
      const { sent, a, b, dropped } = rebuild.tally();
      t.diagnostic(`${sent} packets, ${rebuild.changes} changes, ${rebuild.refused} refused, ${dropped} dropped`);
      assert.deepEqual({ ...a, received: 0 }, { received: 0, missing: 0, disorder: 0, mixed: 0 }, `a, seed ${seed}`);
      assert.equal(b.mixed, 0, `b: mixed, seed ${seed}`);
      assert.equal(b.disorder, 0, `b: doubled or out of order, seed ${seed}`);
      if (!crossing) assert.equal(b.missing, dropped, `b: every number that is missing was counted, seed ${seed}`);
      if (!crossing && !away) assert.equal(b.missing, 0, `b, seed ${seed}`);
      if (away) assert.ok(dropped > 0, 'the edge was away while there was traffic');
      assert.deepEqual(rebuild.trouble, []);
      for (const node of graph.nodes) graph.shutdown(node);
      await graph.settled();
      const plane = graph.plane as WorkerPlane;
      await until(() => Array.from({ length: workers }, (_, i) => plane.freePackets(i)).every(free => free === 4096), {
        what: 'all packets free',
      });
    } finally {
      await graph.close();
    }
    assert.equal(graph.plane.memory.inUse, 0);
  });
}

test('a rebuild that is not one change is found out', async () => {
  const rebuild = await Rebuild.open({ workers: 1, seed: 1, stallMs: 20_000 });
  const { graph } = rebuild;
  try {
    await rebuild.run(Number.MAX_SAFE_INTEGER);
    await until(
      () => {
        for (let i = 0; i < 10; i++) rebuild.torn();
        return rebuild.tally().b.mixed > 0;
      },
      { what: 'packets of a mixed way', timeoutMs: 30_000, everyMs: 1 },
    );
  } finally {
    await graph.settled();
    await graph.close();
  }
});
