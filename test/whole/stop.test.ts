// SIGTERM in the middle of a load, with a provider that never gives back what it took: the daemon ends within its limits, and says
// what it leaves. The next one finds everything in the kernel, and makes of it what is configured.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { startGrevy } from '../lib/daemons.ts';
import { Lab } from '../lib/netns.ts';
import { until } from '../lib/wait.ts';

const COUNT = 20_000;
/** What the provider lets through. */
const FEW = 3000;
/** 20 s for zebra, 5 s for the dataplane. */
const LIMIT_MS = 30_000;

const HOLDS = `let taken = 0;
export default () => ({
  process(work) {
    while (taken < ${FEW} && work.peek() >= 0) {
      taken++;
      work.finish(work.take());
    }
    if (taken === ${FEW} && work.take() >= 0) taken++;
  },
});
`;

const lab = new Lab();
after(() => lab.close());

test('a daemon that is told to stop while nothing goes on says what it leaves, and the next one goes on', {
  timeout: 120_000,
}, async () => {
  const ns = await lab.namespace('stop');
  await ns.run('ip', 'link', 'add', 'd0', 'type', 'veth', 'peer', 'name', 'e0');
  for (const link of ['d0', 'e0']) await ns.run('ip', 'link', 'set', link, 'up');
  await ns.run('ip', 'addr', 'add', '10.1.0.1/24', 'dev', 'd0');
  const directory = await lab.directory();
  const module = join(directory, 'holds.mjs');
  writeFileSync(module, HOLDS);
  const routes = Array.from({ length: COUNT }, (_, i) => `ip route 20.${i >> 8}.${i & 255}.0/24 10.1.0.${2 + (i % 3)}`);
  const provider = `dplane provider holds module ${module} priority pre-kernel timeout 3600`;
  const first = await startGrevy(lab, ns, `${provider}\n${routes.join('\n')}\n`, { directory });
  const kernel = async (): Promise<string[]> =>
    (await ns.ipJson<{ dst: string }[]>('-4', '-N', 'route', 'show', 'proto', '196')).map(({ dst }) => dst);
  let count = 0;
  await until(async () => (count = (await kernel()).length) > FEW - 100, { what: () => `${count} routes` });
  const startMs = performance.now();
  const ended = once(first.child, 'exit');
  first.child.kill('SIGTERM');
  await ended;
  assert.ok(performance.now() - startMs < LIMIT_MS);
  const said = first.output();
  assert.match(said, /zebra: routes stay in the kernel: after 20 s \d+ prefixes wait for the dataplane and \d+ are on/);
  assert.match(said, /dplane: the dataplane ends with \d+ contexts left/);
  assert.ok((await kernel()).length >= count);
  // The same table but for some, and nobody in the way.
  const kept = routes.slice(1000, 15_000);
  await startGrevy(lab, ns, `${kept.join('\n')}\n`, { directory, args: ['--graceful-restart', '1'] });
  const wanted = kept.map(line => line.split(' ')[2]!).toSorted();
  await until(async () => (await kernel()).toSorted().join() === wanted.join(), {
    what: 'the configured routes, and no others',
    timeoutMs: 20_000,
  });
});
