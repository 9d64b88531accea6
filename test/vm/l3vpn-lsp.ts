// An L3VPN over a label-switched path: FRR's bgpd on our zebra at one end, FRR's on its own zebra at the other, and our zebra
// between them, with static LSPs. What the two ends have in the kernel is each other's mirror image, and packets go through.
//
//   ce1 ── pe1 (zebra: Grevy, bgpd: FRR) ── p (Grevy) ── pe2 (FRR) ── ce2
//          10.0.1.1              10.0.1.254   10.0.2.254     10.0.2.1
import assert from 'node:assert/strict';
import { chmodSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { type Daemon, startFrr, startGrevy } from '../lib/daemons.ts';
import { Lab, type Namespace } from '../lib/netns.ts';
import { until } from '../lib/wait.ts';

export const MODULES: readonly string[] = ['veth', 'vrf', 'mpls_router', 'mpls_iptunnel'];

const SLOW_MS = 90_000;

const CORE = `interface core
 mpls enable
exit
`;

const P = `interface to1
 mpls enable
exit
interface to2
 mpls enable
exit
mpls lsp 1001 10.0.1.1 implicit-null
mpls lsp 1002 10.0.2.1 implicit-null
`;

function bgpd(own: number, other: number): string {
  const family = (name: string): string => ` address-family ${name} unicast
  redistribute connected
  label vpn export auto
  rd vpn export 65000:${own}
  rt vpn both 65000:1
  export vpn
  import vpn
 exit-address-family
`;
  return `router bgp 65000
 bgp router-id 1.1.1.${own}
 neighbor 1.1.1.${other} remote-as 65000
 neighbor 1.1.1.${other} update-source 1.1.1.${own}
 neighbor 1.1.1.${other} timers connect 1
 address-family ipv4 vpn
  neighbor 1.1.1.${other} activate
 exit-address-family
 address-family ipv6 vpn
  neighbor 1.1.1.${other} activate
 exit-address-family
router bgp 65000 vrf red
 bgp router-id 1.1.1.${own}
${family('ipv4')}${family('ipv6')}`;
}

const routeTo = (other: number, own: number): string => `ip route 1.1.1.${other}/32 10.0.${own}.254 label 100${other}`;

/** Runs inside. */
export function suite(): void {
  describe('an L3VPN over a label-switched path', tests);
}

function tests(): void {
  const lab = new Lab();
  const pes: Namespace[] = [];
  const ces: Namespace[] = [];
  let p: Namespace;
  let grevy: Daemon;
  let onGrevy: Daemon;

  const vrf = async (namespace: Namespace): Promise<void> => {
    await namespace.run('ip', 'link', 'add', 'red', 'type', 'vrf', 'table', '10');
    await namespace.run('ip', 'link', 'set', 'red', 'up');
    await namespace.run('ip', 'link', 'set', 'ce', 'master', 'red');
  };
  const addresses = async (namespace: Namespace, own: number): Promise<void> => {
    await namespace.run('ip', 'addr', 'replace', `172.16.${own}.1/24`, 'dev', 'ce');
    await namespace.run('ip', 'addr', 'replace', `fd16:${own}::1/64`, 'dev', 'ce', 'nodad');
  };

  before(async () => {
    p = await lab.namespace('p');
    await p.run('sysctl', '-qw', 'net.mpls.platform_labels=2000', 'net.ipv4.ip_forward=1');
    for (const own of [1, 2]) {
      const pe = await lab.namespace(`pe${own}`);
      const ce = await lab.namespace(`ce${own}`);
      pes.push(pe);
      ces.push(ce);
      await pe.run(
        'sysctl',
        '-qw',
        'net.mpls.platform_labels=2000',
        'net.ipv4.ip_forward=1',
        'net.ipv6.conf.all.forwarding=1',
      );
      await lab.link(pe, 'core', p, `to${own}`);
      await pe.run('ip', 'addr', 'add', `10.0.${own}.1/24`, 'dev', 'core');
      await p.run('ip', 'addr', 'add', `10.0.${own}.254/24`, 'dev', `to${own}`);
      await pe.run('ip', 'addr', 'add', `1.1.1.${own}/32`, 'dev', 'lo');
      await lab.link(pe, 'ce', ce, 'pe');
      await vrf(pe);
      await addresses(pe, own);
      await ce.run('ip', 'addr', 'add', `172.16.${own}.2/24`, 'dev', 'pe');
      await ce.run('ip', 'addr', 'add', `fd16:${own}::2/64`, 'dev', 'pe', 'nodad');
      await ce.run('ip', 'route', 'add', 'default', 'via', `172.16.${own}.1`);
      await ce.run('ip', 'route', 'add', 'default', 'via', `fd16:${own}::1`);
    }
    const directory = await lab.directory();
    [grevy] = await Promise.all([
      startGrevy(lab, pes[0]!, `${CORE}${routeTo(2, 1)}\n`),
      startGrevy(lab, p, P),
      startFrr(lab, pes[1]!, 'zebra', CORE, { directory }),
    ]);
    chmodSync(grevy.directory, 0o755);
    const zserv = join(directory, 'zserv.api');
    const staticd = await startFrr(lab, pes[1]!, 'staticd', '', { zserv });
    [onGrevy] = await Promise.all([
      startFrr(lab, pes[0]!, 'bgpd', bgpd(1, 2), { zserv: join(grevy.directory, 'run', 'zserv.api') }),
      startFrr(lab, pes[1]!, 'bgpd', bgpd(2, 1), { zserv }),
    ]);
    // FRR's staticd takes no label before zebra has told it that there are any.
    await until(
      async () => {
        await staticd.sh(`configure terminal\n${routeTo(1, 2)}`).catch(() => '');
        return (await pes[1]!.run('ip', 'route', 'show', '1.1.1.1')).includes('1001');
      },
      { timeoutMs: SLOW_MS, everyMs: 500, what: 'a label of FRR’s staticd' },
    );
  });
  after(() => lab.close());

  /** What a PE has in the kernel for the VPN, one line each. */
  async function kernel(pe: Namespace): Promise<string[]> {
    const lines = (await pe.run('ip', '-f', 'mpls', 'route')).trim().split('\n');
    for (const family of ['-4', '-6']) {
      const text = await pe.run('ip', family, 'route', 'show', 'table', '10', 'proto', '186').catch(() => '');
      for (const route of text.trim().split('\n').filter(Boolean)) {
        const ways = route.matchAll(/(?:encap mpls +(\S+) +)?via (?:inet6? )?(\S+) dev (\S+)/g);
        lines.push(`${route.split(' ')[0]} ${Array.from(ways, ([, ...way]) => way.join(' ')).join(', ')}`);
      }
    }
    return lines;
  }

  /** As seen from the other end. */
  const mirrored = (text: string): string =>
    text.replace(
      /(172\.16\.|fd16:|10\.0\.|1\.1\.1\.|\b100)([12])\b/g,
      (_, head: string, n: string) => head + (3 - Number(n)),
    );

  async function mirror(): Promise<string[]> {
    let last: string[][] = [];
    await until(
      async () => {
        last = await Promise.all(pes.map(kernel));
        return last[0]!.length >= 3 && JSON.stringify(last[0]) === JSON.stringify(last[1]!.map(mirrored));
      },
      {
        timeoutMs: SLOW_MS,
        everyMs: 300,
        what: () => `mirror images: ${JSON.stringify(last, null, 1)}\n${grevy.output()}`,
      },
    );
    return last[0]!;
  }

  const ping = async (ce: Namespace, address: string): Promise<void> => {
    const answered = (): Promise<boolean> =>
      ce.run('busybox', 'ping', '-c', '1', '-W', '1', address).then(
        () => true,
        () => false,
      );
    await until(answered, { timeoutMs: SLOW_MS, what: `an answer from ${address}` });
  };

  test('our zebra has for FRR’s bgpd what FRR’s has at the other end', async () => {
    const lines = await mirror();
    assert.ok(lines.includes('16 dev red proto bgp '), lines.join('\n'));
    assert.ok(
      lines.some(line => /^172\.16\.2\.0\/24 1002\/1\d 10\.0\.1\.254 core$/.test(line)),
      lines.join('\n'),
    );
    assert.match(await grevy.sh('show mpls table'), /^ 16 +BGP +red +- +$/m);
  });

  test('packets go through, label-switched in between', async () => {
    await ping(ces[0]!, '172.16.2.2');
    await ping(ces[1]!, '172.16.1.2');
    // Without the LSPs none does: it is by them that packets go.
    await p.run('sysctl', '-qw', 'net.mpls.conf.to1.input=0');
    await assert.rejects(ces[0]!.run('busybox', 'ping', '-c', '1', '-W', '1', '172.16.2.2'));
    await p.run('sysctl', '-qw', 'net.mpls.conf.to1.input=1');
    await ping(ces[0]!, '172.16.2.2');
  });

  test('a VRF’s device goes, its label with it; both come back, and packets too', async () => {
    const pe = pes[0]!;
    const labels = (): Promise<string> => pe.run('ip', '-f', 'mpls', 'route');
    const before = await labels();
    await pe.run('ip', 'link', 'del', 'red');
    await until(async () => (await labels()) === '', { timeoutMs: SLOW_MS, what: 'the labels to go' });
    await vrf(pe);
    await addresses(pe, 1);
    await until(async () => (await labels()) === before, {
      timeoutMs: SLOW_MS,
      what: () => `the labels to come back; ${grevy.output()}`,
    });
    await mirror();
    await ping(ces[0]!, '172.16.2.2');
  });

  test('bgpd goes, and its labels with it', async () => {
    await onGrevy.stop();
    await until(async () => (await pes[0]!.run('ip', '-f', 'mpls', 'route')) === '', {
      timeoutMs: SLOW_MS,
      what: 'the labels to go',
    });
  });
}
