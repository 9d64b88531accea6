// What a user sees at the command line: exit codes, errors that say where, a configuration that is kept, every `show` of the
// manual. What the shows say is compared with FRR's in frr-json.test.ts.
//
//    r1 (Grevy, AS 65001) 10.0.0.1 ── 10.0.0.2 r2 (FRR, AS 65002)
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { type Daemon, startFrr, startGrevy } from '../lib/daemons.ts';
import { Lab, type Namespace } from '../lib/netns.ts';
import { until } from '../lib/wait.ts';

const GREVY: string = resolve(import.meta.dirname, '../../bin/grevy');

interface Outcome {
  code: number;
  stdout: string;
  stderr: string;
}

function grevy(...argv: string[]): Promise<Outcome> {
  return new Promise(done => {
    execFile(GREVY, argv, (error, stdout, stderr) =>
      done({ code: error === null ? 0 : Number(error.code), stdout, stderr }),
    );
  });
}

const zebraLines = (own: string): string => `ip route 172.16.${own}.0/24 blackhole
ip route 172.17.${own}.0/24 10.0.0.${own === '1' ? 2 : 1}
ipv6 route 2001:db8:${own}::/48 blackhole
ipv6 route 2001:db8:1${own}::/48 fd00::${own === '1' ? 2 : 1}
`;

const bgpLines = (own: string, peer: string): string => `ip prefix-list OURS seq 5 permit 172.16.0.0/12 le 24
route-map OUT permit 10
 match ip address prefix-list OURS
 set metric 50
exit
router bgp 6500${own}
 bgp router-id 10.0.0.${own}
 no bgp ebgp-requires-policy
 no bgp network import-check
 neighbor 10.0.0.${peer} remote-as 6500${peer}
 neighbor 10.0.0.${peer} description the other one
 neighbor 10.0.0.${peer} timers connect 1
 address-family ipv4 unicast
  network 172.16.${own}.0/24
  redistribute static
  neighbor 10.0.0.${peer} soft-reconfiguration inbound
  neighbor 10.0.0.${peer} route-map OUT out
 exit-address-family
 address-family ipv6 unicast
  redistribute static
  neighbor 10.0.0.${peer} activate
 exit-address-family
exit
`;

describe('the command line', () => {
  const lab = new Lab();
  let r1: Namespace;
  let r2: Namespace;
  let daemon: Daemon;
  let runDir: string;

  const sh = (...commands: string[]): Promise<Outcome> =>
    grevy('sh', '--run-dir', runDir, ...commands.flatMap(command => ['-c', command]));

  before(async () => {
    r1 = await lab.namespace('r1');
    r2 = await lab.namespace('r2');
    await lab.link(r1, 'eth0', r2, 'eth0');
    for (const [namespace, own] of [
      [r1, 1],
      [r2, 2],
    ] as const) {
      await namespace.run('ip', 'addr', 'add', `10.0.0.${own}/24`, 'dev', 'eth0');
      await namespace.run('ip', 'addr', 'add', `fd00::${own}/64`, 'dev', 'eth0', 'nodad');
    }
    const { directory } = await startFrr(lab, r2, 'zebra', 'hostname r2\n');
    await startFrr(lab, r2, 'staticd', zebraLines('2'), { directory });
    const frrBgp = await startFrr(lab, r2, 'bgpd', `hostname r2\n${bgpLines('2', '1')}`, { directory });
    daemon = await startGrevy(lab, r1, `hostname r1\n${zebraLines('1')}${bgpLines('1', '2')}`);
    runDir = join(daemon.directory, 'run');
    const has = async (router: Daemon, prefix: string): Promise<boolean> =>
      (await router.sh(`show bgp ipv4 unicast ${prefix}`)).includes('best');
    await until(async () => (await has(daemon, '172.16.2.0/24')) && (await has(frrBgp, '172.16.1.0/24')), {
      timeoutMs: 30_000,
      what: () => `routes to go both ways; ${daemon.output()}${frrBgp.output()}`,
    });
    await until(async () => (await daemon.sh('show ip route 172.16.2.0/24 json')).includes('"installed"'), {
      what: "FRR's route in the kernel",
    });
  });
  after(() => lab.close());

  const SHOWS: [command: string, json: boolean][] = [
    ['show interface', true],
    ['show interface brief', true],
    ['show interface eth0', true],
    ['show ip route', true],
    ['show ip route 172.16.1.0/24', true],
    ['show ip route summary', true],
    ['show ipv6 route', true],
    ['show bgp summary', true],
    ['show bgp ipv4 unicast', true],
    ['show bgp ipv4 unicast 172.16.2.0/24', true],
    ['show bgp ipv6 unicast', true],
    ['show bgp ipv6 unicast 2001:db8:1::/48', true],
    ['show bgp neighbors', true],
    ['show bgp neighbors 10.0.0.2', true],
    ['show bgp ipv4 unicast neighbors 10.0.0.2 advertised-routes', true],
    ['show bgp ipv4 unicast neighbors 10.0.0.2 received-routes', true],
    ['show bgp ipv4 unicast neighbors 10.0.0.2 routes', true],
    ['show route-map', true],
    ['show route-map OUT', true],
    ...['show zebra dplane', 'show dplane'].flatMap(dplane =>
      ['', ' detailed', ' providers', ' providers detailed', ' pool'].map((what): [string, boolean] => [
        `${dplane}${what}`,
        true,
      ]),
    ),
    ['show zebra client', false],
    ['show event cpu', false],
    ['show work-queues', true],
    ['show memory', false],
    ['show version', false],
    ['show running-config', false],
    ['show threads', false],
  ];

  test('every show command runs, prints something, and its JSON is JSON', async () => {
    for (const [command, json] of SHOWS) {
      assert.notEqual((await daemon.sh(command)).trim(), '', command);
      if (json) assert.notDeepEqual(JSON.parse(await daemon.sh(`${command} json`)), {}, `${command} json`);
    }
  });

  test('detailed says more; what is debugged is shown in the words of FRR', async () => {
    for (const command of ['show zebra dplane', 'show zebra dplane providers']) {
      const lines = async (line: string): Promise<number> => (await daemon.sh(line)).split('\n').length;
      assert.ok((await lines(`${command} detailed`)) > (await lines(command)), command);
      assert.ok((await lines(`${command} detailed json`)) > (await lines(`${command} json`)), command);
    }
    for (const [line, shown] of [
      ['debug zebra dplane', '  Zebra dataplane debugging is on\n'],
      ['debug zebra dplane detailed', '  Zebra detailed dataplane debugging is on\n'],
      ['no debug zebra dplane detailed', ''],
    ] as const) {
      await daemon.sh(line);
      assert.equal(await daemon.sh('show debugging'), `Zebra debugging status:\n${shown}`);
    }
  });

  test('exit codes tell whether a command worked; the first that fails ends the row', async () => {
    const right = await sh('show interface brief', 'show version');
    assert.equal(right.code, 0);
    assert.match(right.stdout, /^Interface +Status[^]*\nGrevy /);
    const wrong = await sh('show nonsense', 'show version');
    assert.equal(wrong.code, 1);
    assert.equal(wrong.stdout, '');
    assert.match(wrong.stderr, /Unknown command: show nonsense/);
    const nobody = await grevy('sh', '--run-dir', '/nonexistent', '-c', 'show version');
    assert.equal(nobody.code, 1);
    assert.match(nobody.stderr, /\/nonexistent\/vty\.sock: no daemon answers/);
    assert.equal((await grevy('nonsense')).code, 2);
    assert.equal((await grevy('run')).code, 2);
    const size = await grevy('run', '-c', 'any.conf', '--nl-bufsize', '4k');
    assert.equal(size.code, 2);
    assert.match(size.stderr, /-s 4k: a number of bytes/);
    assert.equal((await grevy('sh', '--no-such-option')).code, 2);
  });

  test('a wrong configuration is refused with file, line and words, by check and by run alike', async () => {
    const file = join(await lab.directory(), 'wrong.conf');
    writeFileSync(file, 'hostname x\nip route 10.0.0.0/33 blackhole\nrouter bgp 65001\n neighbour 10.0.0.2\nexit\n');
    const check = await grevy('check', '-c', file);
    const run = await grevy('run', '-c', file, '--run-dir', join(await lab.directory(), 'run'));
    for (const { code, stderr } of [check, run]) {
      assert.equal(code, 1);
      assert.match(stderr, new RegExp(`^${file}:2: .*'10\\.0\\.0\\.0/33 blackhole'`, 'm'));
      assert.match(stderr, new RegExp(`^${file}:4: .*'neighbour`, 'm'));
    }
    writeFileSync(file, zebraLines('1') + bgpLines('1', '2'));
    assert.deepEqual(await grevy('check', '-c', file), { code: 0, stdout: `${file}: no errors\n`, stderr: '' });
  });

  test('what is configured in the shell acts at once, is written, and is there after a restart; `no` takes it back', async () => {
    const route = async (): Promise<string> => (await r1.run('ip', 'route', 'show', '192.0.2.0/24')).trim();
    const file = join(daemon.directory, 'grevy.conf');
    const lines = ['configure terminal', 'hostname edge', 'ip route 192.0.2.0/24 blackhole', 'router bgp 65001'];
    lines.push('neighbor 10.0.0.2 description renamed', 'no neighbor 10.0.0.2 timers connect 1', 'end', 'write');
    const typed = await sh(...lines);
    assert.equal(typed.code, 0, typed.stderr);
    await until(async () => (await route()) !== '', { what: 'the route in the kernel' });
    const running = (await sh('show running-config')).stdout;
    const written = readFileSync(file, 'utf8');
    for (const text of [running, written]) {
      assert.match(text, /^hostname edge$/m);
      assert.match(text, /^ip route 192\.0\.2\.0\/24 (blackhole|Null0)$/m);
      assert.match(text, /^ neighbor 10\.0\.0\.2 description renamed$/m);
      assert.doesNotMatch(text, /timers connect/);
    }
    await daemon.stop();
    assert.equal(await route(), '');
    daemon = await startGrevy(lab, r1, written, { directory: daemon.directory });
    await until(async () => (await route()) !== '', { what: 'the route in the kernel again' });
    assert.equal((await sh('show running-config')).stdout, running);

    const back = await sh('configure terminal', 'no ip route 192.0.2.0/24 blackhole', 'no router bgp 65001', 'end');
    assert.equal(back.code, 0, back.stderr);
    await until(async () => (await route()) === '', { what: 'the route to go' });
    assert.doesNotMatch((await sh('show running-config')).stdout, /router bgp|192\.0\.2\.0/);
    const wrong = await sh('configure terminal', 'ip route 10.0.0.0/33 blackhole');
    assert.equal(wrong.code, 1);
    assert.match(wrong.stderr, /Unknown command: ip route 10\.0\.0\.0\/33 blackhole/);
  });

  test('daemons live side by side in run directories and namespaces of their own; one directory has one daemon', async () => {
    const second = await startGrevy(lab, await lab.namespace('r3'), 'hostname second\n');
    assert.match((await sh('show running-config')).stdout, /^hostname edge$/m);
    assert.match(await second.sh('show running-config'), /^hostname second$/m);
    const refused = await grevy('run', '-c', join(daemon.directory, 'grevy.conf'), '--run-dir', runDir);
    assert.equal(refused.code, 3);
    assert.match(refused.stderr, /in use by another daemon \(process \d+\)/);
    assert.equal((await sh('show version')).code, 0, 'and the first one runs on');
    await second.stop();
    assert.equal(second.child.exitCode, 0, second.output());
  });
});
