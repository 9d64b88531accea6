// The whole daemon, whose dataplane thread is killed again and again (by a provider that ends it, as a crash would) while its
// configuration changes, providers fail, `ip` takes its routes away and a storm overruns its buffer. The supervisor starts the threads
// again; in the end the configuration, what is shown and what the kernel has are one. GREVY_SEED repeats a run.
import assert from 'node:assert/strict';
import { join, resolve } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { seeded } from '../../src/dataplane/index.ts';
import { type Daemon, startGrevy } from '../lib/daemons.ts';
import { Lab, type Namespace, runCommand } from '../lib/netns.ts';
import { until } from '../lib/wait.ts';

const SEED = Number(process.env['GREVY_SEED'] ?? Math.trunc(Math.random() * 2 ** 31));
const STEPS = 30;
const GREVY: string = resolve(import.meta.dirname, '../../bin/grevy');
const MODULE: string = resolve(import.meta.dirname, 'wild-provider.ts');
const WAYS = ['blackhole', '10.0.0.2', '10.1.0.2'] as const;
const PROVIDERS: readonly string[] = [
  `dplane provider fails module ${MODULE} priority post-kernel undo`,
  `dplane provider throws module ${MODULE} priority pre-kernel undo`,
  `dplane provider stalls module ${MODULE} priority pre-kernel`,
  `dplane provider crashes module ${MODULE} priority last threaded undo`,
];
const DIES = `dplane provider dies module ${MODULE} priority post-kernel undo`;

interface KernelRoute {
  readonly dst: string;
  readonly type?: string;
  readonly gateway?: string;
  readonly nexthops?: readonly { readonly gateway: string }[];
}

interface ShownRoute {
  readonly protocol: string;
  readonly installed?: boolean;
  readonly nexthops: readonly { readonly ip?: string; readonly fib?: boolean; readonly blackhole?: boolean }[];
}

describe('a dataplane thread that is killed', { timeout: 120_000 }, () => {
  const lab = new Lab();
  const random = seeded(SEED);
  const below = (n: number): number => Math.floor(random() * n);
  const one = <T>(...values: readonly T[]): T => values[below(values.length)]!;
  let ns: Namespace;
  let grevy: Daemon;
  /** The model: ways of each prefix. */
  const wanted = new Map<string, Set<string>>();
  const providers = new Set<string>();

  const prefix = (): string => `20.0.${below(12)}.0/24`;

  async function configure(...lines: readonly string[]): Promise<void> {
    const commands = ['configure terminal', ...lines].flatMap(line => ['-c', line]);
    // Between two lives of the threads nobody is there to take a line; it is not kept then, and said again.
    await until(
      () =>
        runCommand(GREVY, ['sh', '--run-dir', join(grevy.directory, 'run'), ...commands]).then(
          () => true,
          (error: unknown) => {
            last = String(error);
            return false;
          },
        ),
      { what: () => `${lines.join('; ')} to be accepted: ${last}`, timeoutMs: 20_000, everyMs: 100 },
    );
  }
  let last = '';

  async function want(): Promise<void> {
    const [to, way] = [prefix(), one(...WAYS)];
    const ways = wanted.get(to) ?? new Set<string>();
    // A blackhole has no other way beside it.
    const lines = way === 'blackhole' || ways.has('blackhole') ? [...ways].map(old => `no ip route ${to} ${old}`) : [];
    const next = lines.length > 0 || ways.size === 0 ? new Set<string>() : new Set(ways);
    if (next.has(way)) {
      lines.push(`no ip route ${to} ${way}`);
      next.delete(way);
    } else {
      lines.push(`ip route ${to} ${way}`);
      next.add(way);
    }
    wanted.set(to, next);
    await configure(...lines);
  }

  async function disturb(): Promise<void> {
    const lines = Array.from({ length: 20 }, () =>
      one(
        () => `route del ${prefix()} metric 20`,
        () => `route change blackhole ${prefix()} metric 20 proto 196`,
        () => `nexthop flush proto 11`,
        () => `link set ${one('eth0', 'eth1')} down`,
        () => `link set ${one('eth0', 'eth1')} up`,
        () => Array.from({ length: 200 }, (_, i) => `route replace blackhole 30.0.${i}.0/24 proto 4`).join('\n'),
        () => Array.from({ length: 200 }, (_, i) => `route del 30.0.${i}.0/24`).join('\n'),
      )(),
    );
    const text = [...lines, 'link set eth0 up', 'link set eth1 up'].join('\n');
    await ns.run('sh', '-c', `ip -force -batch - <<'EOT' >/dev/null 2>&1 || true\n${text}\nEOT`);
  }

  async function provide(): Promise<void> {
    const line = one(...PROVIDERS);
    await configure(providers.has(line) ? `no ${line}` : line);
    if (!providers.delete(line)) providers.add(line);
  }

  const restarts = (): number =>
    Number(/runs again \(restart (\d+)\)(?![^]*runs again)/.exec(grevy.output())?.[1] ?? 0);

  async function kill(): Promise<void> {
    const before = restarts();
    await configure(DIES);
    await disturb();
    await until(
      async () => {
        if (restarts() > before) return true;
        await ns.run('sh', '-c', 'ip nexthop flush proto 11 || true'); // it has to do something to die of
        return false;
      },
      { what: () => `the thread to die and be started again: ${grevy.output()}`, timeoutMs: 20_000, everyMs: 50 },
    );
    await configure(`no ${DIES}`);
  }

  async function inKernel(): Promise<string[]> {
    const routes = await ns.ipJson<KernelRoute[]>('-4', '-N', 'route', 'show', 'proto', '196');
    return routes
      .map(({ dst, type, gateway, nexthops }) => {
        const ways =
          type === '6' || type === 'blackhole'
            ? ['blackhole']
            : (nexthops ?? [{ gateway }]).map(hop => String(hop.gateway));
        return `${dst} ${ways.toSorted().join(' ')}`;
      })
      .toSorted();
  }

  async function shown(): Promise<string[]> {
    const routes = JSON.parse(await grevy.sh('show ip route json')) as Record<string, ShownRoute[]>;
    return Object.entries(routes)
      .flatMap(([dst, all]) =>
        all
          .filter(({ protocol, installed }) => protocol === 'static' && installed === true)
          .map(({ nexthops }) => {
            const ways = nexthops.filter(hop => hop.fib).map(hop => (hop.blackhole ? 'blackhole' : String(hop.ip)));
            return `${dst} ${ways.toSorted().join(' ')}`;
          }),
      )
      .toSorted();
  }

  before(async () => {
    ns = await lab.namespace('killed');
    for (const [i, name] of ['eth0', 'eth1'].entries()) {
      await ns.run('ip', 'link', 'add', name, 'type', 'veth', 'peer', 'name', `p${i}`);
      for (const end of [name, `p${i}`]) await ns.run('ip', 'link', 'set', end, 'up');
      await ns.run('ip', 'addr', 'add', `10.${i}.0.1/24`, 'dev', name);
    }
    for (let i = 0; i < 12; i++) wanted.set(`20.0.${i}.0/24`, new Set(['10.0.0.2']));
    const lines = [...wanted].map(([to]) => `ip route ${to} 10.0.0.2`);
    grevy = await startGrevy(lab, ns, `${lines.join('\n')}\n`, {
      args: ['--nl-bufsize', '4096', '--graceful-restart', '2'],
    });
  });
  after(() => lab.close());

  test('is started again, and the configuration, what is shown and the kernel are one', async t => {
    t.diagnostic(`GREVY_SEED=${SEED}`);
    await kill();
    for (let i = 0; i < STEPS; i++) {
      const what = below(40);
      if (what < 1) await kill();
      else if (what < 8) await provide();
      else if (what < 16) await disturb();
      else await want();
    }
    await kill();
    if (providers.size > 0) await configure(...[...providers].map(line => `no ${line}`));
    const model = [...wanted]
      .filter(([, ways]) => ways.size > 0)
      .map(([to, ways]) => `${to} ${[...ways].toSorted().join(' ')}`)
      .toSorted();
    let seen: string[][] = [];
    await until(
      async () => {
        seen = [await inKernel(), await shown()];
        return seen.every(lines => lines.join('\n') === model.join('\n'));
      },
      {
        what: () =>
          `the kernel, what is shown and the model to be one:\n${JSON.stringify([...seen, model], null, 1)}\n${grevy.output()}`,
        timeoutMs: 30_000,
        everyMs: 100,
      },
    );
    assert.ok(restarts() >= 2);
    const counted = JSON.parse(await grevy.sh('show zebra dplane detailed json')) as { listener: { overruns: number } };
    t.diagnostic(`${restarts()} restarts, ${counted.listener.overruns} overruns in the last life`);
  });
});
