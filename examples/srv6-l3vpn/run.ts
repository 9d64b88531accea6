// The lab in one command: `npm run demo:srv6-l3vpn`. It builds the network in namespaces of its own, starts Grevy on both provider
// edges and at customer A's site 1, shows the tables and who reaches whom, and takes everything away again. Where this machine's
// kernel has no VRFs it does so in the tests' virtual machine, whose kernel has.
import { type ChildProcess, spawnSync } from 'node:child_process';
import { join, relative, resolve } from 'node:path';
import { Lab, type Namespace } from '../../src/cli/demo/lab.ts';
import { until } from '../../src/cli/demo/until.ts';
import { ask } from '../../src/cli/shell/client.ts';
import { bootVm } from '../../test/lib/vm.ts';
import { buildNetwork, CUSTOMERS, type Customer, EDGES, MODULES, siteAddress, VRF } from './network.ts';

const HERE: string = import.meta.dirname;
const GREVY: string = resolve(HERE, '../../bin/grevy');
const INSIDE = 'GREVY_LAB_INSIDE';
const PATIENCE_MS = 120_000;

function hasVrfs(): boolean {
  return spawnSync('unshare', ['--net', 'ip', 'link', 'add', 'v', 'type', 'vrf', 'table', '10']).status === 0;
}

/** One that is found wherever the lab runs. */
const PING: readonly string[] =
  spawnSync('ping', ['-V'], { stdio: 'ignore' }).error === undefined ? ['ping'] : ['busybox', 'ping'];

interface Router {
  readonly child: ChildProcess;
  readonly show: (command: string) => Promise<string>;
}

async function start(lab: Lab, namespace: Namespace, configuration: string): Promise<Router> {
  const directory = await lab.directory();
  const child = namespace.spawn([
    GREVY,
    'run',
    '-c',
    join(HERE, configuration),
    '--run-dir',
    directory,
    '--no-rehearsal',
  ]);
  let said = '';
  for (const stream of [child.stdout, child.stderr]) stream?.on('data', (data: Buffer) => (said += data.toString()));
  const show = (command: string): Promise<string> => ask(join(directory, 'vty.sock'), command);
  await until(
    () =>
      show('show version').then(
        () => true,
        () => false,
      ),
    {
      timeoutMs: PATIENCE_MS,
      everyMs: 200,
      what: () => `Grevy with ${configuration}\n${said}`,
    },
  );
  return { child, show };
}

async function reaches(from: Namespace, to: string, count = 1): Promise<boolean> {
  const family = to.includes(':') ? ['-6'] : [];
  const argv = [...PING, ...family, '-c', String(count), '-W', '1', to];
  return await from.run(...argv).then(
    () => true,
    () => false,
  );
}

const say = (text: string): void => console.log(text);
const indented = (text: string): string => text.trimEnd().replaceAll(/^/gm, '    ');

async function run(): Promise<void> {
  const lab = new Lab();
  try {
    say('Building the network: two provider edges, a core router, two sites of each of two customers');
    const { edges, sites } = await buildNetwork(lab);
    say('Starting Grevy: pe1.conf, pe2.conf on the edges, a1.conf at A’s site 1');
    const [pe1] = await Promise.all([
      start(lab, edges[1], 'pe1.conf'),
      start(lab, edges[2], 'pe2.conf'),
      start(lab, sites.a1, 'a1.conf'),
    ]);
    const flows = CUSTOMERS.flatMap(customer => ([4, 6] as const).map(family => ({ customer, family })));
    for (const { customer, family } of flows) {
      const to = siteAddress(2, family);
      await until(() => reaches(sites[`${customer}1`], to), {
        timeoutMs: PATIENCE_MS,
        everyMs: 200,
        what: `${customer}1 to reach ${to}`,
      });
    }
    for (const command of ['show segment-routing srv6 sid', 'show bgp ipv4 vpn', 'show ip route vrf vrf10']) {
      say(`\npe1# ${command}\n${indented(await pe1!.show(command))}`);
    }
    say(`\npe1$ ip route show table 10\n${indented(await edges[1].run('ip', 'route', 'show', 'table', '10'))}\n`);
    for (const { customer, family } of flows) {
      const to = siteAddress(2, family);
      const ok = await reaches(sites[`${customer}1`], to, 3);
      say(`${named(customer)}: site 1 pings ${to}, its own site 2: ${ok ? 'answered' : 'NO ANSWER'}`);
      if (!ok) process.exitCode = 1;
    }
    // Only customer A has this network, so nobody answers B.
    for (const edge of EDGES) {
      const to = `172.16.${edge}.2`;
      const ok = await reaches(sites.b1, to);
      say(
        `${named('b')}: site 1 pings ${to}, A's router at site ${edge}: ${ok ? 'ANSWERED' : 'no answer, as it should be'}`,
      );
      if (ok) process.exitCode = 1;
    }
  } finally {
    await lab.close();
  }
}

const named = (customer: Customer): string => `Customer ${customer.toUpperCase()} (${VRF[customer].name})`;

if (process.env[INSIDE] !== undefined || (process.getuid?.() === 0 && hasVrfs())) await run();
else {
  say('This kernel has no VRFs, or you are not root: the lab runs in a virtual machine (half a minute, emulated)');
  process.exitCode = await bootVm(`${INSIDE}=1 exec '${process.execPath}' examples/srv6-l3vpn/run.js 2>&1`, {
    file: relative(resolve(HERE, '../..'), import.meta.filename),
    modules: MODULES,
    onOutput: say,
  });
}
