// Label-switched paths beside FRR's: the same lines and the same messages of a client to both zebras, and the same things done
// to both; the kernel's label table and what the shells show are compared line by line.
import assert from 'node:assert/strict';
import { chmodSync, existsSync, readFileSync } from 'node:fs';
import { extname, join, resolve } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { parseAddress, parsePrefix } from '../../src/net/index.ts';
import { RouteView, rtnetlink as c } from '../../src/netlink/index.ts';
import {
  type ClientMessages,
  LSP_SHARP,
  NEXTHOP_IFINDEX,
  NEXTHOP_IPV4,
  NEXTHOP_IPV4_IFINDEX,
  NEXTHOP_IPV6,
  NEXTHOP_IPV6_IFINDEX,
  NO_LABEL,
  unixConnect,
  type UpdateNexthop,
  ZapiClient,
} from '../../src/zapi/index.ts';
import { type Daemon, startFrr, startGrevy } from '../lib/daemons.ts';
import { Lab, type Namespace } from '../lib/netns.ts';
import { until } from '../lib/wait.ts';
import { unframe } from '../dataplane/fpm-world.ts';

export const MODULES: readonly string[] = ['veth', 'dummy', 'mpls_router', 'mpls_iptunnel'];

const SLOW_MS = 60_000;
/** In there it is compiled. */
const FPM_PEER = resolve(import.meta.dirname, `../whole/fpm-peer${extname(import.meta.filename)}`);
const SHARP = 23;
/** Interfaces are made with these numbers. */
const ETH0 = 100;
const ETH1 = 101;

const INTERFACES = `interface eth0
 mpls enable
exit
interface later
 mpls enable
exit
`;

const LSPS = `mpls lsp 1000 10.0.0.2 2000
mpls lsp 1000 10.1.0.2 2001
mpls lsp 1001 10.0.0.3 implicit-null
mpls lsp 1002 10.0.0.2 explicit-null
mpls lsp 1003 fd00::9 explicit-null
mpls lsp 1004 fd00::9 implicit-null
mpls lsp 1005 10.9.9.9 400
mpls lsp 1006 10.0.0.2 500
mpls lsp 1006 10.0.0.2 501
`;

const STATICD = `ip route 10.10.0.0/16 10.0.0.2 label 300/301
ip route 10.11.0.0/16 10.0.0.2 eth0 label 302 5 tag 9
ip route 10.12.0.0/16 10.10.0.1 label 303
ip route 10.13.0.0/16 10.0.0.2
ip route 10.13.0.0/16 10.1.0.2 label 304
ip route 10.15.0.0/16 10.0.0.2
ip route 10.15.0.0/16 10.1.0.2
ipv6 route 2001:db8:1::/48 fd00::9 label 100
`;

/** Runs inside. */
export function suite(): void {
  describe('label-switched paths', tests);
}

function way(via: string | undefined, labels: readonly number[], ifindex = 0): UpdateNexthop {
  const address = via === undefined ? undefined : parseAddress(via)!;
  const four = ifindex === 0 ? NEXTHOP_IPV4 : NEXTHOP_IPV4_IFINDEX;
  const six = ifindex === 0 ? NEXTHOP_IPV6 : NEXTHOP_IPV6_IFINDEX;
  return {
    vrf: 0,
    type: address === undefined ? NEXTHOP_IFINDEX : address.family === 2 ? four : six,
    flags: 0,
    gateway: address?.words ?? [0, 0, 0, 0],
    ifindex,
    blackhole: 0,
    weight: 0,
    labels,
  };
}

interface Side {
  readonly namespace: Namespace;
  zebra: Daemon;
  readonly client: ZapiClient;
}

function tests(): void {
  const lab = new Lab();
  const sides: Side[] = [];
  let peer = '';

  async function machine(name: string): Promise<Namespace> {
    const namespace = await lab.namespace(name);
    for (const [port, index] of [
      ['eth0', ETH0],
      ['eth1', ETH1],
    ] as const) {
      await namespace.run(
        'ip',
        'link',
        'add',
        port,
        'index',
        String(index),
        'type',
        'veth',
        'peer',
        'name',
        `${port}p`,
      );
      for (const one of [port, `${port}p`]) await namespace.run('ip', 'link', 'set', one, 'up');
      await namespace.run('ip', 'addr', 'add', `10.${index - ETH0}.0.1/24`, 'dev', port);
    }
    await namespace.run('ip', 'addr', 'add', 'fd00::1/64', 'dev', 'eth0', 'nodad');
    await namespace.run('sysctl', '-qw', 'net.mpls.platform_labels=10000');
    return namespace;
  }

  const mplsRoutes = (namespace: Namespace): Promise<string> => namespace.run('ip', '-f', 'mpls', 'route');

  /** The kernel's label table and both shells' words are the same, with so many labels in the kernel. */
  async function alike(count: number, ...expected: readonly RegExp[]): Promise<void> {
    let last: string[] = [];
    await until(
      async () => {
        last = await Promise.all(sides.map(({ namespace }) => mplsRoutes(namespace)));
        const [mine, theirs] = last;
        return (
          mine === theirs && (mine!.match(/^\d/gm) ?? []).length === count && expected.every(one => one.test(mine!))
        );
      },
      {
        timeoutMs: SLOW_MS,
        everyMs: 200,
        what: () => `${count} labels alike, and ${expected.join(', ')}:\n${last.join('\n--\n')}`,
      },
    );
  }

  /** What an FPM peer knows of labels. */
  function told(directory: string): string[] {
    const labels = new Set<number>();
    const view = new RouteView();
    for (let n = 1; existsSync(join(directory, String(n))); n++) {
      labels.clear();
      for (const message of unframe(readFileSync(join(directory, String(n)))).messages) {
        if (message[16] !== c.AF_MPLS || !view.decode(message, 0, message.length)) continue;
        if (message.readUInt16LE(4) === c.RTM_NEWROUTE) labels.add(view.w0);
        else labels.delete(view.w0);
      }
    }
    return [...labels].sort((a, b) => a - b).map(String);
  }

  /** The kernel's label table is this. */
  async function becomes({ namespace, zebra }: Side, expected: string): Promise<void> {
    let now = '';
    let said = '';
    await until(
      async () => {
        // Where one of several paths went with its device, the kernel still lists the others as several.
        now = (await mplsRoutes(namespace)).replace(/^(\d+) (proto \S+ \n)\tnexthop (.*)\n(?!\t)/gm, '$1 $3$2');
        if (now !== expected) said = await zebra.sh('show mpls table\nshow zebra route drift');
        return now === expected;
      },
      { timeoutMs: SLOW_MS, everyMs: 200, what: () => `${expected}-- but there is\n${now}-- and zebra says\n${said}` },
    );
  }

  async function shown(command: string): Promise<string[]> {
    return await Promise.all(sides.map(({ zebra }) => zebra.sh(command)));
  }

  /** Either zebra may hear of what its kernel has a moment later. */
  async function sameTables(): Promise<void> {
    let last: string[][] = [];
    const plain = (text: string): string => JSON.stringify(JSON.parse(text));
    await until(
      async () => {
        const text = await shown('show mpls table');
        const json = await shown('show mpls table json');
        last = [text.map(one => one.trimEnd()), json.map(plain)];
        return last.every(([mine, theirs]) => mine === theirs);
      },
      { timeoutMs: SLOW_MS, everyMs: 200, what: () => `the same tables:\n${last.flat().join('\n--\n')}` },
    );
  }

  function say<Name extends 'MPLS_LABELS_ADD' | 'MPLS_LABELS_DELETE' | 'MPLS_LABELS_REPLACE' | 'VRF_LABEL'>(
    name: Name,
    message: ClientMessages[Name],
  ): void {
    for (const { client } of sides) assert.ok(client.send(name, message));
  }

  before(async () => {
    const grevy = await machine('grevy');
    const frr = await machine('frr');
    peer = await lab.directory();
    grevy.spawn([process.execPath, FPM_PEER, peer]);
    const zebra = await startGrevy(lab, grevy, `${INTERFACES}${LSPS}${STATICD}fpm address 127.0.0.1\n`);
    chmodSync(zebra.directory, 0o755);
    const directory = await lab.directory();
    const theirs = await startFrr(lab, frr, 'zebra', INTERFACES, { directory });
    // Those that it reads before it knows of its interfaces it does not come back to.
    await theirs.sh(`configure terminal\n${LSPS}`);
    for (const [namespace, daemon, zserv] of [
      [grevy, zebra, join(zebra.directory, 'run', 'zserv.api')],
      [frr, theirs, join(directory, 'zserv.api')],
    ] as const) {
      const client = new ZapiClient({ connect: unixConnect(zserv), routeType: SHARP, handlers: {} });
      client.start();
      sides.push({ namespace, zebra: daemon, client });
    }
    await until(() => sides.every(({ client }) => client.connected), { what: 'the clients', timeoutMs: SLOW_MS });
  });
  after(async () => {
    for (const { client } of sides) client.stop();
    await lab.close();
  });

  test('of lines are in the kernel as FRR’s are, and shown as it shows them', async () => {
    await alike(
      6,
      /^1000 proto static \n\tnexthop as to 2000 via inet 10\.0\.0\.2 dev eth0 \n\tnexthop as to 2001 via inet 10\.1\.0\.2 dev eth1 $/m,
      /^1002 as to 0 via inet 10\.0\.0\.2 dev eth0 proto static $/m,
      /^1006 as to 501 via inet 10\.0\.0\.2 dev eth0 proto static $/m,
    );
    await sameTables();
    for (const label of ['1000', '1003', '1005']) {
      const [mine, theirs] = await shown(`show mpls table ${label}`);
      assert.equal(mine, theirs);
      const [json, theirJson] = await shown(`show mpls table ${label} json`);
      assert.deepEqual(JSON.parse(json!), JSON.parse(theirJson!));
    }
    const [status, theirStatus] = await shown('show mpls status');
    assert.equal(status!.trim(), theirStatus!.trim());
  });

  test('lines are written as FRR writes them, and taken back in each of its forms', async () => {
    const lines = async (): Promise<string[][]> =>
      (await shown('show running-config')).map(text =>
        [...text.matchAll(/^mpls lsp .*$/gm)].map(([line]) => line).sort(),
      );
    const [before, theirs] = await lines();
    assert.deepEqual(before, theirs);
    for (const line of ['no mpls lsp 1006', 'no mpls lsp 1000 10.0.0.2', 'no mpls lsp 1002 10.0.0.2 explicit-null']) {
      for (const { zebra } of sides) await zebra.sh(`configure terminal\n${line}`);
    }
    await alike(4, /^1000 as to 2001 via inet 10\.1\.0\.2 dev eth1 proto static $/m);
    const [now, theirNow] = await lines();
    assert.deepEqual(now, theirNow);
    assert.equal(now!.length, before!.length - 3);
    for (const line of ['mpls lsp 1006 10.0.0.2 501', 'mpls lsp 1000 10.0.0.2 2000']) {
      for (const { zebra } of sides) await zebra.sh(`configure terminal\n${line}`);
    }
    await alike(5);
  });

  test('of a client are added, replaced and deleted as FRR does it', async () => {
    const [lspType, label] = [LSP_SHARP, 500];
    say('MPLS_LABELS_ADD', { lspType, label, nexthops: [way('10.0.0.2', [100, 200])] });
    say('MPLS_LABELS_ADD', { lspType, label, nexthops: [way('10.0.0.2', [201], ETH0), way('10.1.0.9', [77])] });
    say('MPLS_LABELS_ADD', { lspType, label, nexthops: [way(undefined, [3], ETH1)] });
    say('MPLS_LABELS_ADD', { lspType, label: 501, nexthops: [way('fe80::1', [900], ETH0), way('10.0.0.2', [901])] });
    say('MPLS_LABELS_ADD', { lspType, label: 502, nexthops: [way('10.9.9.9', [902])] });
    say('MPLS_LABELS_ADD', { lspType, label: 1000, nexthops: [way('10.0.0.9', [903])] });
    await alike(7, /^500 proto sharp \n(\tnexthop .*\n){4}/m);
    await sameTables();
    say('MPLS_LABELS_DELETE', { lspType, label, nexthops: [way('10.1.0.9', [1])] });
    say('MPLS_LABELS_REPLACE', { lspType, label: 501, nexthops: [way('10.0.0.8', [42])] });
    await alike(7, /^500 proto sharp \n(\tnexthop .*\n){3}/m, /^501 as to 42 via inet 10\.0\.0\.8 /m);
    await sameTables();
    say('MPLS_LABELS_DELETE', { lspType, label, nexthops: [] });
    say('VRF_LABEL', { label: 801, afi: 1, lspType: 3 });
    await alike(7, /^801 dev lo proto bgp $/m);
    await sameTables();
    say('VRF_LABEL', { label: NO_LABEL, afi: 1, lspType: 3 });
    await alike(6);
  });

  test('what of static routes is pushed, and what a client has pushed on them, is FRR’s', async () => {
    // Its staticd takes no label before zebra has told it that there are any.
    const { zebra, namespace } = sides[1]!;
    const staticd = await startFrr(lab, namespace, 'staticd', '', { zserv: join(zebra.directory, 'zserv.api') });
    const routes = async ({ namespace: one }: Side): Promise<string[]> => {
      const found: string[] = [];
      for (const family of ['-4', '-6']) {
        const text = await one.run('ip', family, 'route', 'show', 'proto', '196');
        for (const route of text.trim().split(/\n(?!\s)/)) {
          const ways = route.matchAll(/(?:encap mpls +(\S+) +)?via (\S+) dev (\S+)/g);
          const texts = Array.from(ways, ([, labels = '-', via, dev]) => `${labels} ${via} ${dev}`).toSorted();
          found.push(`${route.split(' ')[0]}: ${texts.join(', ')}`);
        }
      }
      return found.sort();
    };
    let last: string[][] = [];
    const sameRoutes = async (...expected: string[]): Promise<void> => {
      await until(
        async () => {
          last = await Promise.all(sides.map(routes));
          return JSON.stringify(last[0]) === JSON.stringify(last[1]) && expected.every(one => last[0]!.includes(one));
        },
        {
          timeoutMs: SLOW_MS,
          everyMs: 300,
          what: () => `routes alike, and ${expected.join('; ')}: ${JSON.stringify(last, null, 1)}`,
        },
      );
    };
    await until(
      async () => {
        await staticd.sh(`configure terminal\n${STATICD}`).catch(() => '');
        const text = (await routes(sides[1]!)).join();
        return text.includes('300/301') && text.includes('304 10.1.0.2');
      },
      { timeoutMs: SLOW_MS, everyMs: 500, what: 'labels of FRR’s staticd' },
    );
    const bare = '10.15.0.0/16: - 10.0.0.2 eth0, - 10.1.0.2 eth1';
    await sameRoutes(
      '10.12.0.0/16: 300/301/303 10.0.0.2 eth0',
      '10.13.0.0/16: - 10.0.0.2 eth0, 304 10.1.0.2 eth1',
      bare,
      '2001:db8:1::/48: 100 fd00::9 eth0',
    );
    const lines = [
      (await sides[0]!.zebra.sh('show running-config')).match(/^ip(v6)? route .*$/gm),
      (await staticd.sh('show running-config')).match(/^ip(v6)? route .*$/gm),
    ];
    assert.deepEqual(lines[0], lines[1]);
    const route = { prefix: parsePrefix('10.15.0.0/16')!, routeType: 3, instance: 0 };
    say('MPLS_LABELS_ADD', { lspType: LSP_SHARP, label: 503, route, nexthops: [way('10.0.0.2', [600])] });
    await sameRoutes('10.15.0.0/16: - 10.1.0.2 eth1, 600 10.0.0.2 eth0');
    await alike(7, /^503 as to 600 via inet 10\.0\.0\.2 dev eth0 proto sharp $/m);
    say('MPLS_LABELS_DELETE', { lspType: LSP_SHARP, label: 503, route, nexthops: [] });
    await sameRoutes(bare);
    // A label that is none is an error that names it, and changes nothing.
    await assert.rejects(
      sides[0]!.zebra.sh('configure terminal\nip route 10.14.0.0/16 10.0.0.2 label 300/15'),
      /Invalid label: 15/,
    );
  });

  test('go with their client', async () => {
    for (const { client } of sides) client.stop();
    await alike(5);
    await sameTables();
  });

  test('are told to an FPM peer', async () => {
    const labels = [...(await mplsRoutes(sides[0]!.namespace)).matchAll(/^\d+/gm)].map(([label]) => label);
    await until(() => JSON.stringify(told(peer)) === JSON.stringify(labels), {
      timeoutMs: SLOW_MS,
      everyMs: 200,
      what: () => `${labels.join(' ')} at the peer: ${told(peer).join(' ')}`,
    });
  });

  test('labelled packets are taken where a line says so, also of an interface that comes later', async () => {
    const { namespace, zebra } = sides[0]!;
    const input = (name: string): Promise<string> => namespace.run('sysctl', '-n', `net.mpls.conf.${name}.input`);
    assert.deepEqual(await Promise.all(['eth0', 'eth1'].map(input)), ['1\n', '0\n']);
    await namespace.run('ip', 'link', 'add', 'later', 'type', 'dummy');
    await until(async () => (await input('later')) === '1\n', {
      timeoutMs: SLOW_MS,
      what: 'input of an interface that came',
    });
    await zebra.sh('configure terminal\ninterface eth0\nno mpls enable');
    assert.equal(await input('eth0'), '0\n');
    assert.match(await zebra.sh('show interface eth0 json'), /"mplsEnabled": ?false/);
  });

  test('an entry that somebody deletes or replaces comes back; one of somebody else stays; one that is too high waits', async () => {
    const { namespace, zebra } = sides[0]!;
    const before = await mplsRoutes(namespace);
    const restored = (): Promise<void> => becomes(sides[0]!, before);
    await namespace.run('ip', '-f', 'mpls', 'route', 'del', '1000');
    await restored();
    await namespace.run('ip', '-f', 'mpls', 'route', 'replace', '1001', 'dev', 'eth1');
    await restored();
    // Another daemon's, and one under our number that nobody asked for.
    await namespace.run('ip', '-f', 'mpls', 'route', 'add', '3000', 'dev', 'eth1', 'proto', '77');
    await namespace.run('ip', '-f', 'mpls', 'route', 'add', '3001', 'dev', 'eth1', 'proto', '196');
    await until(async () => !/^3001 /m.test(await mplsRoutes(namespace)), { timeoutMs: SLOW_MS, what: '3001 to go' });
    assert.match(await mplsRoutes(namespace), /^3000 dev eth1 proto 77 $/m);
    await namespace.run('ip', '-f', 'mpls', 'route', 'del', '3000');
    await zebra.sh('configure terminal\nmpls lsp 20000 10.0.0.2 4000');
    await until(() => zebra.output().includes('platform_labels'), {
      timeoutMs: SLOW_MS,
      what: 'the kernel’s words in the log',
    });
    assert.doesNotMatch(await zebra.sh('show mpls table 20000'), /installed/);
    await namespace.run('sysctl', '-qw', 'net.mpls.platform_labels=30000');
    await until(async () => /^20000 as to 4000 /m.test(await mplsRoutes(namespace)), {
      timeoutMs: SLOW_MS,
      what: '20000',
    });
    await zebra.sh('configure terminal\nno mpls lsp 20000');
    await restored();
  });

  test('a link goes down and comes up again; one of two devices goes for good', async () => {
    const { namespace } = sides[0]!;
    const before = await mplsRoutes(namespace);
    const one = before.replace(/^1000 .*\n(\t.*\n)*/m, '1000 as to 2000 via inet 10.0.0.2 dev eth0 proto static \n');
    await namespace.run('ip', 'link', 'set', 'eth1', 'down');
    await becomes(sides[0]!, one);
    await namespace.run('ip', 'link', 'set', 'eth1', 'up');
    await becomes(sides[0]!, before);
    await namespace.run('ip', 'link', 'del', 'eth1');
    await becomes(sides[0]!, one);
  });

  test('after kill -9 they are adopted without a message, and what nobody asks for goes', async () => {
    const side = sides[0]!;
    const { namespace } = side;
    await side.zebra.kill();
    const before = await mplsRoutes(namespace);
    await namespace.run('ip', '-f', 'mpls', 'route', 'add', '3001', 'dev', 'eth0', 'proto', '196');
    side.zebra = await startGrevy(
      lab,
      namespace,
      `${INTERFACES}${LSPS}`.replaceAll('10.1.0.2', '10.0.0.7').replace('mpls lsp 1006 10.0.0.2 500\n', ''),
      {
        directory: side.zebra.directory,
      },
    );
    await until(async () => /"labelsWaiting": ?0/.test(await side.zebra.sh('show zebra route drift json')), {
      timeoutMs: SLOW_MS,
      what: 'nothing to do',
    });
    const after = await mplsRoutes(namespace);
    // 1000 has another next hop now; what there was of the others is as it was.
    const others = (text: string): string => text.replace(/^1000 .*\n(\t.*\n)*/m, '');
    assert.equal(
      others(after)
        .replace(/^3001 .*\n/m, '')
        .replace(/^1002 .*\n/m, ''),
      others(before),
    );
    assert.match(await side.zebra.sh('show zebra'), /^default +\d+ +\d+ +0 +2 +0$/m);
    await side.zebra.sh('clear zebra stale');
    await until(async () => !/^3001 /m.test(await mplsRoutes(namespace)), { timeoutMs: SLOW_MS, what: '3001 to go' });
    await side.zebra.stop();
    assert.equal(await mplsRoutes(namespace), '', 'an orderly stop takes them along');
  });
}
