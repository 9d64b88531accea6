// A provider behind the kernel's refuses what went in place of something: the kernel's puts back what was there, no route
// that is right goes away meanwhile, zebra knows without a dump, and what is wanted comes when it is asked for again.
import assert from 'node:assert/strict';
import { existsSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { type Daemon, startGrevy } from '../lib/daemons.ts';
import { Lab, type Namespace } from '../lib/netns.ts';
import { until } from '../lib/wait.ts';

const lab = new Lab();
after(() => lab.close());

/** Refuses one request of the kind that `armed` names; then there is `struck`. */
const refusing = (
  armed: string,
  struck: string,
): string => `import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import * as dataplane from 'grevy/dataplane';
const [armed, struck] = ${JSON.stringify([armed, struck])};
export default () => ({
  process(work) {
    for (let handle = work.take(); handle >= 0; handle = work.take()) {
      const kind = existsSync(armed) && !existsSync(struck) ? readFileSync(armed, 'utf8') : '';
      if (kind !== '' && work.pool.op(handle) === dataplane[kind]) {
        writeFileSync(struck, '');
        work.fail(handle, 5);
      } else work.finish(handle);
    }
  },
});
`;

let ns: Namespace;
let grevy: Daemon;
let armed: string;
let struck: string;

before(async () => {
  ns = await lab.namespace('undone');
  for (const [i, name] of ['eth0', 'eth1'].entries()) {
    await ns.run('ip', 'link', 'add', name, 'type', 'veth', 'peer', 'name', `p${i}`);
    for (const end of [name, `p${i}`]) await ns.run('ip', 'link', 'set', end, 'up');
    await ns.run('ip', 'addr', 'add', `10.${i}.0.1/24`, 'dev', name);
  }
  const directory = await lab.directory();
  const module = join(directory, 'refusing.mjs');
  [armed, struck] = [join(directory, 'armed'), join(directory, 'struck')];
  const index = new URL('../../src/dataplane/index.ts', import.meta.url).href;
  writeFileSync(module, refusing(armed, struck).replace('grevy/dataplane', index));
  grevy = await startGrevy(
    lab,
    ns,
    `dplane provider refusing module ${module} priority post-kernel
ip route 20.0.0.0/24 10.0.0.2
ip route 20.0.0.0/24 10.1.0.2
ip route 20.1.0.0/24 10.0.0.2
ip route 20.2.0.0/24 Null0
ip route 20.4.0.0/24 10.1.0.2
`,
  );
});

interface KernelRoute {
  readonly type?: string;
  readonly gateway?: string;
  readonly nexthops?: readonly { readonly gateway: string }[];
}

/** What the kernel has of a prefix: gateways, a type, or nothing. */
async function kernel(prefix: string): Promise<string> {
  const [route] = await ns.ipJson<KernelRoute[]>('-4', 'route', 'show', prefix);
  if (route === undefined) return '';
  const hops = route.nexthops ?? (route.gateway === undefined ? [] : [route]);
  return hops.map(hop => String(hop.gateway)).join(' ') || String(route.type);
}

async function becomes(prefix: string, what: string): Promise<void> {
  await until(async () => (await kernel(prefix)) === what, {
    what: () => `${prefix} to be '${what}'`,
    timeoutMs: 30_000,
  });
}

async function dumps(): Promise<number> {
  const shown = await grevy.sh('show zebra dplane detailed json');
  return (JSON.parse(shown) as { listener: { dumps: number } }).listener.dumps;
}

/** The next request of a kind is refused. */
function arm(kind: string): void {
  rmSync(struck, { force: true });
  writeFileSync(armed, kind);
}

let probes = 0;

/** What the monitor hears of a prefix from the refusal until what was asked for is there. */
async function refused(kind: string, prefix: string, change: () => Promise<unknown>, then: string): Promise<string[]> {
  const monitor = ns.spawn(['ip', '-o', 'monitor', 'route'], { stdio: ['ignore', 'pipe', 'ignore'] });
  try {
    let heard = '';
    monitor.stdout!.on('data', chunk => (heard += String(chunk)));
    /** All that was before has been heard. */
    const caughtUp = async (): Promise<void> => {
      let probe = '';
      const probed = async (): Promise<boolean> => {
        probe = `30.0.${probes++}.0/24`;
        await ns.run('ip', 'route', 'add', 'blackhole', probe);
        await ns.run('ip', 'route', 'del', 'blackhole', probe);
        return heard.includes(`Deleted blackhole ${probe}`);
      };
      await until(probed, { what: () => `the monitor to hear of ${probe}` });
    };
    await caughtUp();
    heard = '';
    const dumped = await dumps();
    arm(kind);
    await change();
    await until(() => existsSync(struck), { what: () => `a ${kind} to be refused` });
    await becomes(prefix, then);
    await caughtUp();
    assert.equal(await dumps(), dumped, 'nobody had to ask the kernel');
    return heard.split('\n').filter(line => line.includes(prefix.replace('.0/24', '.')));
  } finally {
    await lab.stop(monitor);
  }
}

const configure = async (...lines: string[]): Promise<string> =>
  await grevy.sh(['configure terminal', ...lines, 'end'].join('\n'));

void test('a group that gets its member back has its old members again', async () => {
  await becomes('20.0.0.0/24', '10.0.0.2 10.1.0.2');
  await ns.run('ip', 'link', 'set', 'eth1', 'down');
  await becomes('20.0.0.0/24', '10.0.0.2');
  const up = async (): Promise<unknown> => await ns.run('ip', 'link', 'set', 'eth1', 'up');
  const heard = await refused('OP_NEXTHOP_UPDATE', '20.0.0.0/24', up, '10.0.0.2 10.1.0.2');
  assert.deepEqual(
    heard.map(line => [line.includes('Deleted'), line.includes('10.0.0.2'), line.includes('10.1.0.2')]),
    [
      [false, true, true],
      [false, true, false],
      [false, true, true],
    ],
    heard.join('\n'),
  );
});

void test('a route that changes leads where it led', async () => {
  await becomes('20.1.0.0/24', '10.0.0.2');
  const change = async (): Promise<unknown> =>
    await configure('ip route 20.1.0.0/24 10.1.0.2', 'no ip route 20.1.0.0/24 10.0.0.2');
  const heard = await refused('OP_ROUTE_UPDATE', '20.1.0.0/24', change, '10.1.0.2');
  assert.deepEqual(
    heard.filter(line => line.includes('Deleted')),
    [],
    'it was never gone',
  );
  assert.ok(
    heard.some(line => line.includes('10.0.0.2')),
    `it was put back: ${heard.join('\n')}`,
  );
});

void test('a route that is deleted is there again, and goes when that is asked for once more', async () => {
  for (const [prefix, target, was] of [
    ['20.1.0.0/24', '10.1.0.2', '10.1.0.2'],
    ['20.2.0.0/24', 'Null0', 'blackhole'],
  ] as const) {
    await becomes(prefix, was);
    const change = async (): Promise<unknown> => await configure(`no ip route ${prefix} ${target}`);
    const heard = await refused('OP_ROUTE_DELETE', prefix, change, '');
    assert.deepEqual(
      heard.map(line => line.startsWith('Deleted')),
      [true, false, true],
      heard.join('\n'),
    );
  }
});

void test('what an object took along comes back although the object does not', async () => {
  // The only route by this way goes, and comes again while the object's deletion is refused.
  await configure('ip route 20.5.0.0/24 10.0.0.3');
  await becomes('20.5.0.0/24', '10.0.0.3');
  arm('OP_NEXTHOP_DELETE');
  await configure('no ip route 20.5.0.0/24 10.0.0.3');
  await until(() => existsSync(struck), { what: () => 'a deletion to be refused' });
  await configure('ip route 20.5.0.0/24 10.0.0.3');
  await becomes('20.5.0.0/24', '10.0.0.3');
  await configure('no ip route 20.5.0.0/24 10.0.0.3');
  await becomes('20.5.0.0/24', '');
});

void test('a first route is taken out again, and comes when that is asked for once more', async () => {
  const change = async (): Promise<unknown> => await configure('ip route 20.3.0.0/24 10.0.0.2');
  const heard = await refused('OP_ROUTE_INSTALL', '20.3.0.0/24', change, '10.0.0.2');
  assert.deepEqual(
    heard.map(line => line.startsWith('Deleted')),
    [false, true, false],
    heard.join('\n'),
  );
});
