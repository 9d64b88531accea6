// `grevy demo`: two routers in namespaces of their own, joined by a cable, each running Grevy. r1 has 100,000 routes in its
// kernel and announces them; r2 learns them by BGP and programs its own kernel. What the kernel says is the proof.
//
//     r1 (AS 65001)  10.0.12.1 ───── 10.0.12.2  r2 (AS 65002)
//     100,000 kernel routes           100,000 BGP routes
//
// Nothing here touches the host's network: the namespaces have no name and die with this process.
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { constants } from 'node:os';
import { join, resolve } from 'node:path';
import { parseArgs, styleText } from 'node:util';
import { formatIp4 } from '../../net/index.ts';
import { ask as askShell } from '../shell/client.ts';
import { Lab, type Namespace } from './lab.ts';
import { until } from './until.ts';

const ROUTES = 100_000;
const GREVY: string = resolve(import.meta.dirname, '../../../bin/grevy');
const INSIDE = 'GREVY_DEMO_INSIDE';
const STOP_SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

/** As a shell tells it. */
const exitStatus = (signal: NodeJS.Signals): number => 128 + constants.signals[signal];

/** A reason that ends the demo, for a person to read. */
class DemoError extends Error {}

/** Runs the demo; resolves with the exit status. */
export async function demo(argv: readonly string[]): Promise<number> {
  const { values } = parseArgs({ args: [...argv], options: { once: { type: 'boolean', default: false } } });
  try {
    for (const tool of ['ip', 'unshare', 'nsenter', 'setpriv']) requireTool(tool);
    if (!process.env[INSIDE] && !canMakeNamespaces()) return await insideUserNamespace(argv);
    return await inNamespaces(values.once);
  } catch (error) {
    if (error instanceof DemoError) console.error(styleText('red', error.message));
    else console.error(error);
    return 1;
  }
}

function requireTool(tool: string): void {
  if (spawnSync(tool, ['--version'], { stdio: 'ignore' }).error) {
    const debianPackage = tool === 'ip' ? 'iproute2' : 'util-linux';
    throw new DemoError(
      `The demo needs \`${tool}\`. As root, run: apt-get install -y --no-install-recommends ${debianPackage}`,
    );
  }
}

function canMakeNamespaces(): boolean {
  return spawnSync('unshare', ['--net', 'true'], { stdio: 'ignore' }).status === 0;
}

/** Starts the demo again as root of a user namespace of its own, or says which setting forbids that. */
async function insideUserNamespace(argv: readonly string[]): Promise<number> {
  const wrap = ['--user', '--map-root-user', '--net'];
  const probe = spawnSync('unshare', [...wrap, 'true'], { encoding: 'utf8' });
  if (probe.status !== 0) throw new DemoError(whyNoUserNamespace(probe.stderr));
  const child = spawn('setpriv', ['--pdeathsig', 'TERM', '--', 'unshare', ...wrap, '--', GREVY, 'demo', ...argv], {
    stdio: 'inherit',
    env: { ...process.env, [INSIDE]: '1' },
  });
  // The terminal sends Ctrl-C to both; the one inside cleans up and ends, and this one waits for it.
  for (const signal of STOP_SIGNALS) process.on(signal, () => child.kill(signal));
  return await new Promise(done => child.once('exit', (code, signal) => done(code ?? exitStatus(signal ?? 'SIGTERM'))));
}

function whyNoUserNamespace(said: string): string {
  const setting = (path: string): string | undefined => {
    try {
      return readFileSync(`/proc/sys/${path}`, 'utf8').trim();
    } catch {
      return undefined;
    }
  };
  const reasons: string[] = [];
  if (setting('kernel/unprivileged_userns_clone') === '0') reasons.push('sysctl kernel.unprivileged_userns_clone is 0');
  if (setting('user/max_user_namespaces') === '0') reasons.push('sysctl user.max_user_namespaces is 0');
  if (setting('user/max_net_namespaces') === '0') reasons.push('sysctl user.max_net_namespaces is 0');
  if (setting('kernel/apparmor_restrict_unprivileged_userns') === '1') {
    reasons.push('sysctl kernel.apparmor_restrict_unprivileged_userns is 1');
  }
  if (reasons.length === 0)
    reasons.push(`unshare says: ${said.trim()} (a container's seccomp profile, or a chroot, often)`);
  return `The demo needs network namespaces: run it as root, or allow user namespaces. Forbidden here: ${reasons.join('; ')}.`;
}

interface Router {
  name: string;
  namespace: Namespace;
  runDir: string;
  daemon: ChildProcess;
  output: () => string;
}

async function inNamespaces(once: boolean): Promise<number> {
  const lab = new Lab();
  const stopped = Promise.withResolvers<number>();
  let stopping = false;
  // What goes on when the signal comes fails as its processes go; nobody wants to hear of that.
  for (const signal of STOP_SIGNALS) {
    process.on(signal, () => {
      stopping = true;
      stopped.resolve(exitStatus(signal));
    });
  }
  const played = play(lab, once).catch((error: unknown) => {
    if (stopping) return stopped.promise;
    throw error;
  });
  try {
    return await Promise.race([played, stopped.promise]);
  } finally {
    await lab.close();
    // A build step that was under way must not hold the process, nor start anything more.
    if (stopping) process.exit(await stopped.promise);
  }
}

async function play(lab: Lab, once: boolean): Promise<number> {
  step('building two routers in network namespaces of their own');
  const a = await lab.namespace('r1');
  const b = await lab.namespace('r2');
  await lab.link(a, 'eth0', b, 'eth0');
  await a.run('ip', 'addr', 'add', '10.0.12.1/24', 'dev', 'eth0');
  await b.run('ip', 'addr', 'add', '10.0.12.2/24', 'dev', 'eth0');

  step(`giving r1 ${ROUTES.toLocaleString('en')} routes in its kernel`);
  const directory = await lab.directory();
  const batch = join(directory, 'routes');
  // At once, as all that is written here: what is written in the background may come after the lab was cleared away.
  writeFileSync(batch, routes());
  await a.run('ip', '-batch', batch);

  step('starting Grevy on both');
  const startMs = performance.now();
  const r1 = await startRouter(lab, a, 'r1', configuration('r1', 65001, '10.0.12.1', '10.0.12.2', 65002, true));
  const r2 = await startRouter(lab, b, 'r2', configuration('r2', 65002, '10.0.12.2', '10.0.12.1', 65001, false));

  await watch(r1, r2, startMs);
  const seconds = (performance.now() - startMs) / 1000;

  step('what the kernels say');
  await prove(r1, r2);
  console.log(
    `\n${styleText('green', '✔')} ${ROUTES.toLocaleString('en')} routes from r1's kernel to r2's in ${seconds.toFixed(1)} s, daemons' start included`,
  );
  if (once) return 0;
  console.log('\nThis is the shell of r2. Try: show bgp summary · show ip route summary · ? · exit\n');
  const shell = lab.spawn(GREVY, ['sh', '--run-dir', r2.runDir], { stdio: 'inherit' });
  await new Promise(done => shell.once('exit', done));
  return 0;
}

/** Blackhole routes in the kernel of r1: they need no neighbour and are as real as any. */
function routes(): string {
  const lines: string[] = [];
  for (let i = 0; i < ROUTES; i++) lines.push(`route add blackhole ${formatIp4(0x14000000 + i * 256)}/24`);
  return `${lines.join('\n')}\n`;
}

function configuration(
  name: string,
  asn: number,
  own: string,
  peer: string,
  peerAsn: number,
  announces: boolean,
): string {
  return `hostname ${name}
!
router bgp ${asn}
 bgp router-id ${own}
 no bgp ebgp-requires-policy
 neighbor ${peer} remote-as ${peerAsn}
 neighbor ${peer} timers connect 1
 !
 address-family ipv4 unicast
${announces ? '  redistribute kernel\n' : ''} exit-address-family
exit
!
`;
}

async function startRouter(lab: Lab, namespace: Namespace, name: string, configurationText: string): Promise<Router> {
  const directory = await lab.directory();
  const file = join(directory, 'grevy.conf');
  writeFileSync(file, configurationText);
  const runDir = join(directory, 'run');
  const daemon = namespace.spawn([GREVY, 'run', '-c', file, '--run-dir', runDir], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let text = '';
  daemon.stdout?.on('data', chunk => (text = (text + String(chunk)).slice(-4000)));
  daemon.stderr?.on('data', chunk => (text = (text + String(chunk)).slice(-4000)));
  const router = { name, namespace, runDir, daemon, output: () => text };
  await until(() => ask(router, 'show version').catch(() => ''), {
    timeoutMs: 20_000,
    everyMs: 100,
    what: () => `${name} to answer; it said:\n${text}`,
  });
  return router;
}

function ask(router: Router, command: string): Promise<string> {
  if (router.daemon.exitCode !== null) throw new DemoError(`${router.name} ended: ${router.output()}`);
  return askShell(join(router.runDir, 'vty.sock'), command);
}

interface Summary {
  ipv4Unicast?: { ribCount?: number; peers?: Record<string, { state?: string; pfxRcd?: number; pfxSnt?: number }> };
}

/** Shows sessions, routes decided and routes in the kernel until r2's kernel has them all. */
async function watch(r1: Router, r2: Router, startMs: number): Promise<void> {
  const live = process.stdout.isTTY;
  let shown = '';
  const look = async (): Promise<boolean> => {
    const [summary, installed] = await Promise.all([
      ask(r2, 'show bgp summary json').catch(notYet),
      kernelRoutes(r2, 'bgp'),
    ]);
    const { ribCount = 0, peers = {} } = (JSON.parse(summary) as Summary).ipv4Unicast ?? {};
    const state = Object.values(peers)[0]?.state ?? 'Idle';
    const bar = '█'.repeat(Math.round((installed / ROUTES) * 30)).padEnd(30, '░');
    const seconds = ((performance.now() - startMs) / 1000).toFixed(1).padStart(5);
    const line = `${seconds} s  session ${state.padEnd(11)}  decided ${String(ribCount).padStart(6)}  in r2's kernel ${String(installed).padStart(6)}  ${bar}`;
    if (live) process.stdout.write(`\r\x1b[K${line}`);
    else if (line.slice(9) !== shown) console.log(line);
    shown = line.slice(9);
    return installed >= ROUTES;
  };
  await until(look, {
    timeoutMs: 120_000,
    everyMs: 200,
    what: () => `all routes on r2; last seen: ${shown}\nr1 said:\n${r1.output()}\nr2 said:\n${r2.output()}`,
  });
  if (live) process.stdout.write('\n');
}

/** A daemon that is still starting has nothing to say; one that has ended ends the demo. */
function notYet(error: unknown): string {
  if (error instanceof DemoError) throw error;
  return '{}';
}

async function kernelRoutes(router: Router, protocol: string): Promise<number> {
  const text = await router.namespace.run('ip', '-4', 'route', 'show', 'proto', protocol);
  let lines = 0;
  for (let i = text.indexOf('\n'); i >= 0; i = text.indexOf('\n', i + 1)) lines++;
  return lines;
}

async function prove(r1: Router, r2: Router): Promise<void> {
  const show = async (router: Router, ...argv: string[]): Promise<void> => {
    console.log(styleText('bold', `${router.name}# ${argv.join(' ')}`));
    const text = await router.namespace.run(...argv);
    console.log(text.trimEnd().split('\n').slice(0, 4).join('\n'));
  };
  await show(r2, 'ip', 'route', 'get', '20.0.0.1');
  await show(r2, 'ip', 'nexthop', 'show');
  await show(r2, 'ip', 'route', 'show', 'root', '20.1.0.0/22');
  const [sent, received] = [await kernelRoutes(r1, 'boot'), await kernelRoutes(r2, 'bgp')];
  console.log(`\nroutes of r1's kernel: ${sent}; BGP routes of r2's kernel: ${received}`);
  if (sent !== ROUTES || received !== ROUTES) throw new DemoError(`expected ${ROUTES} of both`);
}

function step(text: string): void {
  console.log(`${styleText('cyan', '▸')} ${text}`);
}
