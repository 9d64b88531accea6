// A provider behind the kernel's refuses what went in place of something: what the kernel's takes back then, zebra knows.
import assert from 'node:assert/strict';
import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { startGrevy } from '../lib/daemons.ts';
import { Lab } from '../lib/netns.ts';
import { until } from '../lib/wait.ts';

const lab = new Lab();
after(() => lab.close());

/** Refuses one install of a group, once `armed` is there; then there is `struck`. */
const refusing = (armed: string, struck: string): string => `import { existsSync, writeFileSync } from 'node:fs';
import { FLAG_GROUP, OP_NEXTHOP_INSTALL } from 'grevy/dataplane';
const [armed, struck] = ${JSON.stringify([armed, struck])};
export default () => ({
  process(work) {
    for (let handle = work.take(); handle >= 0; handle = work.take()) {
      const group = work.pool.op(handle) === OP_NEXTHOP_INSTALL && (work.pool.flags(handle) & FLAG_GROUP) !== 0;
      if (group && existsSync(armed) && !existsSync(struck)) {
        writeFileSync(struck, '');
        work.fail(handle, 5);
      } else work.finish(handle);
    }
  },
});
`;

void test('a group that gets its member back, and is refused, does not take its routes along for good', async () => {
  const ns = await lab.namespace('undone');
  for (const [i, name] of ['eth0', 'eth1'].entries()) {
    await ns.run('ip', 'link', 'add', name, 'type', 'veth', 'peer', 'name', `p${i}`);
    for (const end of [name, `p${i}`]) await ns.run('ip', 'link', 'set', end, 'up');
    await ns.run('ip', 'addr', 'add', `10.${i}.0.1/24`, 'dev', name);
  }
  const directory = await lab.directory();
  const [module, armed, struck] = ['refusing.mjs', 'armed', 'struck'].map(name => join(directory, name)) as [
    string,
    string,
    string,
  ];
  const index = new URL('../../src/dataplane/index.ts', import.meta.url).href;
  writeFileSync(module, refusing(armed, struck).replace('grevy/dataplane', index));
  await startGrevy(
    lab,
    ns,
    `dplane provider refusing module ${module} priority post-kernel
ip route 20.0.0.0/24 10.0.0.2
ip route 20.0.0.0/24 10.1.0.2
`,
  );
  const gateways = async (): Promise<string> => {
    const [route] = await ns.ipJson<{ gateway?: string; nexthops?: { gateway: string }[] }[]>(
      ...'-4 route show 20.0.0.0/24'.split(' '),
    );
    return (route?.nexthops ?? (route ? [route] : [])).map(hop => String(hop.gateway)).join(' ');
  };
  const both = async (): Promise<boolean> => (await gateways()) === '10.0.0.2 10.1.0.2';
  await until(both, { what: () => 'the route by both ways' });
  await ns.run('ip', 'link', 'set', 'eth1', 'down');
  await until(async () => (await gateways()) === '10.0.0.2', { what: () => 'the route by one way' });
  writeFileSync(armed, '');
  await ns.run('ip', 'link', 'set', 'eth1', 'up');
  await until(() => existsSync(struck), { what: () => 'the group to be refused' });
  await until(both, { what: () => 'the route by both ways again', timeoutMs: 30_000 });
  assert.ok(existsSync(struck));
});
