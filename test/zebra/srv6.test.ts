// SRv6: locators and whose they are, their lines, and what FRR's bgpd makes of one. FRR 8.4.4's zebra is asked the same, where it can be.
import assert from 'node:assert/strict';
import { chmodSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { formatAddress, formatPrefix, parsePrefix } from '../../src/net/index.ts';
import { NO_DETAIL } from '../../src/dataplane/index.ts';
import { rtnetlink as c } from '../../src/netlink/index.ts';
import { LOCATOR_USID, unixConnect, ZapiClient } from '../../src/zapi/index.ts';
import { Grammar, loadConfig } from '../../src/vty/index.ts';
import { zebraCommands } from '../../src/zebra/commands.ts';
import { interfaceNexthop, ROUTE_BGP } from '../../src/zebra/index.ts';
import { showSids, sidsJson } from '../../src/zebra/show/srv6.ts';
import { type LocatorFormat, Locators } from '../../src/zebra/srv6/locators.ts';
import { type Daemon, startFrr } from '../lib/daemons.ts';
import { Lab, type Namespace } from '../lib/netns.ts';
import { until } from '../lib/wait.ts';
import { Host } from './host-process.ts';
import { Bench } from './lib.ts';
import { Live } from './live.ts';

const format = (text: string, functionBits = 16): LocatorFormat => {
  const prefix = parsePrefix(text)!;
  return { prefix, blockBits: prefix.length - 24, nodeBits: 24, functionBits };
};

describe('locators', () => {
  function stage(): { locators: Locators; heard: () => string[] } {
    const heard: string[] = [];
    const locators = new Locators();
    locators.listen({
      came: ({ name, prefix }) => heard.push(`${name} is ${formatPrefix(prefix)}`),
      gone: ({ prefix }, owner) => heard.push(`${formatPrefix(prefix)} is not ${owner}'s`),
      granted: ({ prefix, usid }, owner) => heard.push(`${formatPrefix(prefix)}${usid ? ' (usid)' : ''} is ${owner}'s`),
    });
    return { locators, heard: () => heard.splice(0) };
  }

  test('are granted to who asked first, when they are there', () => {
    const { locators, heard } = stage();
    locators.ask('a', 1);
    locators.ask('a', 2);
    assert.deepEqual([heard(), locators.list(), locators.ownerOf('a')], [[], [], 0]);
    locators.setFormat('a', format('fd00:1::/64'));
    assert.deepEqual(heard(), ['a is fd00:1::/64', "fd00:1::/64 is 1's"]);
    locators.ask('a', 2);
    assert.deepEqual(heard(), []);
    locators.ask('a', 1);
    assert.deepEqual(heard(), ["fd00:1::/64 is 1's"]);
    locators.setFormat('b', format('fd00:2::/64'));
    locators.ask('b', 2);
    assert.deepEqual(heard(), ['b is fd00:2::/64', "fd00:2::/64 is 2's"]);
    locators.release('a', 1);
    assert.deepEqual([heard(), locators.ownerOf('a')], [["fd00:1::/64 is 2's"], 2]);
    locators.dropOwner(2);
    assert.deepEqual([heard(), locators.ownerOf('a'), locators.ownerOf('b')], [[], 0, 0]);
  });

  test('that change or go are taken from who has them, and what is said again changes nothing', () => {
    const { locators, heard } = stage();
    locators.setFormat('a', format('fd00:1::/64'));
    locators.ask('a', 1);
    heard();
    locators.setFormat('a', format('fd00:1::/64'));
    locators.setUsid('a', false);
    assert.deepEqual(heard(), []);
    for (const change of [
      () => locators.setFormat('a', format('fd00:1::/64', 32)),
      () => locators.setUsid('a', true),
      () => locators.setFormat('a', format('fd00:9::/64')),
    ]) {
      const before = formatPrefix(locators.get('a')!.prefix);
      change();
      const now = formatPrefix(locators.get('a')!.prefix);
      const granted = `${now}${locators.get('a')!.usid ? ' (usid)' : ''} is 1's`;
      assert.deepEqual(heard(), [`${before} is not 1's`, `a is ${now}`, granted]);
    }
    locators.remove('a');
    assert.deepEqual([heard(), locators.get('a')], [["fd00:9::/64 is not 1's"], undefined]);
    // It is wanted still, and not a uSID locator any more.
    locators.setFormat('a', format('fd00:3::/64'));
    assert.deepEqual(heard(), ['a is fd00:3::/64', "fd00:3::/64 is 1's"]);
  });
});

test('a SID that looks up the table of a VRF is in the kernel while a VRF device has the table, and the log says why not', () => {
  const b = new Bench();
  b.link(2, 'eth0', '192.0.2.1/24');
  const vrf = (ifindex: number, kindId: number): void => {
    b.kernel.addLink(ifindex, `vrf${ifindex}`, true, { detail: { ...NO_DETAIL, kind: 'vrf', kindId } });
    b.settle();
  };
  const sids = (): string[] => {
    b.settle();
    return b.kernel.ours().map(one => formatAddress(one.family, one.words));
  };
  const type = c.LWTUNNEL_ENCAP_SEG6_LOCAL;
  for (const [sid, action] of [
    ['fd00::4', c.SEG6_LOCAL_ACTION_END_DT4],
    ['fd00::46', c.SEG6_LOCAL_ACTION_END_DT46],
  ] as const)
    b.add(`${sid}/128`, ROUTE_BGP, [interfaceNexthop(2, 1, { type, action, vrfTable: 20 })], 20);
  // One that may look up any table.
  const plain = { type, action: c.SEG6_LOCAL_ACTION_END_DT6, table: 20 } as const;
  b.add('fd00::6/128', ROUTE_BGP, [interfaceNexthop(2, 1, plain)], 20);
  assert.deepEqual(sids(), ['fd00::6']);
  vrf(9, 10);
  assert.deepEqual(sids(), ['fd00::6']);
  const waits = 'End.DT4 and End.DT46 SIDs of table 20 wait: no VRF device has this table';
  assert.deepEqual(b.logged, [waits]);
  vrf(10, 20);
  assert.deepEqual(sids().toSorted(), ['fd00::4', 'fd00::46', 'fd00::6']);
  b.kernel.notify(events => events.linkGone(10));
  b.kernel.links.delete(10);
  while (b.zebra.receive());
  assert.deepEqual(sids(), ['fd00::6']);
  assert.deepEqual(b.logged, [waits, waits]);
});

const LOCATORS = `segment-routing
 srv6
  locators
   locator loc1
    prefix 2001:db8:1:1::/64
   exit
   !
   locator loc2
    prefix 2001:db8:2::/48 func-bits 24
   exit
   !
  exit
  !
 exit
 !
exit
!
`;

/** What later releases write. */
const LATER = `segment-routing
 srv6
  encapsulation
   source-address 2001:db8::1
  exit
  !
  locators
   locator loc1
    prefix 2001:db8:1:1::/64 block-len 40 node-len 24 func-bits 16
    behavior usid
   exit
   !
  exit
  !
 exit
 !
exit
!
`;

describe('the lines of segment-routing', { timeout: 60_000 }, () => {
  const lab = new Lab();
  let theirs: Namespace;
  let ours: Namespace;
  let zebra: Daemon;
  let host: Host;
  let paths: string[];
  const clients: ZapiClient[] = [];

  before(async () => {
    theirs = await lab.namespace('frr');
    ours = await lab.namespace('grevy');
    const directory = await lab.directory();
    zebra = await startFrr(lab, theirs, 'zebra', LOCATORS, { directory });
    paths = [join(directory, 'zserv.api'), join(await lab.directory(), 'zserv.api')];
    host = new Host(ours, paths[1]!, 60_000);
    await host.ready;
  });

  after(async () => {
    for (const client of clients) client.stop();
    await lab.close();
  });

  const grammar = new Grammar([zebraCommands]);
  const written = (text: string): string => {
    const { tree, problems } = loadConfig(grammar, text, 'test.conf');
    assert.deepEqual(problems, []);
    return tree.text;
  };

  test("are written as FRR's, and read again", async () => {
    const text = await zebra.sh('show running-config');
    assert.ok(text.includes(written(text.slice(text.indexOf('segment-routing'), text.indexOf('\nend')))), text);
    for (const all of [LOCATORS, LATER]) assert.equal(written(all), all);
    // In whatever order, with `exit` or without, and of what holds nothing there is nothing.
    assert.equal(
      written(
        `segment-routing
 srv6
  locators
   locator loc1
    behavior usid
    prefix 2001:DB8:1:1::/64 func-bits 16 node-len 24 block-len 40
   locator empty
  encapsulation
   source-address 2001:db8:0::1
`,
      ),
      LATER,
    );
    assert.equal(written('segment-routing\n srv6\n  locators\n   locator empty\n'), '');
  });

  test('that cannot be are refused with what is wrong about them, and the others hold', async () => {
    const locator = (name: string, prefix: string): string => `   locator ${name}\n    prefix ${prefix}\n   exit\n`;
    const block = (...inner: string[]): string =>
      `segment-routing\n srv6\n  locators\n${inner.join('')}  exit\n exit\nexit\n`;
    const refused = async (...inner: string[]): Promise<string[]> =>
      (await host.load(block(...inner))).map(({ message }) => message);
    assert.deepEqual(await refused(locator('a', '2001:db8:1::/64 block-len 40 node-len 16')), [
      'block-len 40 and node-len 16: together they must be the 64 bits of 2001:db8:1::/64',
    ]);
    assert.deepEqual(await refused(locator('a', '2001:db8:1::/32 block-len 40')), [
      'block-len 40: together they must be the 32 bits of 2001:db8::/32',
    ]);
    assert.deepEqual(await refused(locator('a', '2001:db8:1::/96 func-bits 33')), [
      'func-bits 33: with the 96 bits of 2001:db8:1::/96 a SID would be longer than 128 bits',
    ]);
    assert.deepEqual(await refused(locator('a', '2001:db8:1::/65535')), [
      "not understood: '2001:db8:1::/65535' after 'prefix'",
    ]);
    assert.deepEqual(await refused(locator('a', '2001:db8:1::/64'), locator('b', '2001:db8::/32')), [
      '2001:db8::/32 of locator b and 2001:db8:1::/64 of locator a overlap',
    ]);
    assert.match(await host.run('show segment-routing srv6 locator'), /^a +1 2001:db8:1::\/64 +Up$/m);
    await host.configure(block(locator('a', '2001:db8:1::/40'), locator('b', '2001:db8:8000::/120')));
    const lengths = async (name: string): Promise<number[]> => {
      const json = JSON.parse(await host.run(`show segment-routing srv6 locator ${name} detail json`)) as Record<
        string,
        number
      >;
      return [json['blockBitsLength']!, json['nodeBitsLength']!, json['functionBitsLength']!];
    };
    assert.deepEqual(
      [await lengths('a'), await lengths('b')],
      [
        [16, 24, 16],
        [96, 24, 8],
      ],
    );
    await host.configure('!\n');
    assert.deepEqual(JSON.parse(await host.run('show segment-routing srv6 locator json')), { locators: [] });
  });

  test('set the source of encapsulated packets in the kernel, and take it back', async () => {
    const source = (expected: string): Promise<true> =>
      until(
        async () => (await ours.run('ip', 'sr', 'tunsrc', 'show')).trim() === `tunsrc addr ${expected}` || undefined,
        { what: `${expected} as the source` },
      );
    await host.configure(LATER);
    await source('2001:db8::1');
    assert.deepEqual(JSON.parse(await host.run('show segment-routing srv6 manager json')), {
      parameters: { encapsulation: { sourceAddress: { configured: '2001:db8::1' } } },
    });
    await host.configure(LATER.replace('2001:db8::1', '2001:db8::9'));
    await source('2001:db8::9');
    await host.configure(LOCATORS);
    await source('::');
    assert.match(await host.run('show segment-routing srv6 manager'), /Source Address:\n$/);
  });

  test('locators are shown as FRR shows them, before a client has one and then', async () => {
    await host.configure(LOCATORS.replace('::/64', '::/64 func-bits 16'));
    await zebra.sh(
      'configure terminal\nsegment-routing\nsrv6\nlocators\nlocator loc1\nprefix 2001:db8:1:1::/64 func-bits 16',
    );
    const commands = ['locator', 'locator json', 'locator loc2 detail', 'locator none detail'];
    const compare = async (): Promise<void> => {
      for (const command of commands.map(words => `show segment-routing srv6 ${words}`)) {
        const [mine, theirText] = [await host.run(command), (await zebra.sh(command)).trimEnd()];
        if (command.endsWith('json')) assert.deepEqual(JSON.parse(mine), JSON.parse(theirText));
        else assert.equal(mine.trimEnd(), theirText);
      }
    };
    await compare();
    const granted: string[] = [];
    for (const [i, path] of paths.entries()) {
      const client = new ZapiClient({
        connect: unixConnect(path),
        routeType: 9,
        handlers: {
          on: { SRV6_MANAGER_GET_LOCATOR_CHUNK: chunk => void granted.push(`${i} ${JSON.stringify(chunk)}`) },
        },
      });
      client.wantLocatorChunk('loc2');
      client.start();
      clients.push(client);
    }
    await until(() => granted.length === 2, { what: () => `a chunk each, not ${granted.join('\n')}` });
    const [one, other] = granted.toSorted().map(text => text.slice(2));
    assert.deepEqual(JSON.parse(one!), JSON.parse(other!));
    await compare();
    const detail = async (text: Promise<string>): Promise<Record<string, unknown>> => {
      const { chunks, ...rest } = JSON.parse(await text) as { chunks: Record<string, unknown>[] };
      // Of the chunk FRR gives no lengths.
      return {
        ...rest,
        chunks: chunks.map(({ prefix, proto, instance, sessionId }) => [prefix, proto, instance, sessionId]),
      };
    };
    const command = 'show segment-routing srv6 locator loc2 detail json';
    assert.deepEqual(await detail(host.run(command)), await detail(zebra.sh(command)));
    for (const client of clients) client.stop();
    await until(async () => (await host.run('show segment-routing srv6 locator loc2 detail')).includes('system'), {
      what: 'the locator to be free',
    });
  });
});

/** What is wanted over and over, wherever a locator is: a client that says nothing but that hears of everything. */
test("a client's wish survives what becomes of the locator, with FRR's zebra and with ours", {
  timeout: 60_000,
}, async () => {
  const lab = new Lab();
  const live = new Live();
  const clients: ZapiClient[] = [];
  const heard: string[][] = [[], []];
  try {
    const namespace = await lab.namespace('frr');
    const zebra = await startFrr(lab, namespace, 'zebra', '');
    await live.server.listen();
    for (const [i, path] of [join(zebra.directory, 'zserv.api'), live.path].entries()) {
      const tell = (text: string): void => {
        if (heard[i]!.at(-1) !== text) heard[i]!.push(text);
      };
      const client = new ZapiClient({
        connect: unixConnect(path),
        routeType: 9,
        handlers: {
          on: {
            SRV6_MANAGER_GET_LOCATOR_CHUNK: chunk =>
              tell(`${formatPrefix(chunk.prefix)} ${chunk.functionBits} ${chunk.flags}`),
            SRV6_LOCATOR_DELETE: ({ prefix }) => tell(`no ${formatPrefix(prefix)}`),
          },
        },
      });
      client.wantLocatorChunk('loc1');
      client.start();
      clients.push(client);
    }
    await until(() => clients.every(client => client.connected), { what: 'both to be connected' });
    const line = (words: string): Promise<string> =>
      zebra.sh(`configure terminal\nsegment-routing\nsrv6\nlocators\n${words}`);
    const hear = (...expected: string[]): Promise<true> =>
      until(() => heard.every(texts => texts.join() === expected.join()) || undefined, {
        what: () => `${expected.join(', ')}, not ${heard.map(texts => texts.join(', ')).join('; ')}`,
      });
    await line('locator loc1\nprefix 2001:db8:1::/64 func-bits 16');
    live.zebra.locators.setFormat('loc1', format('2001:db8:1::/64'));
    await hear('2001:db8:1::/64 16 0');
    await line('no locator loc1');
    live.zebra.locators.remove('loc1');
    await hear('2001:db8:1::/64 16 0', 'no 2001:db8:1::/64');
    await line('locator loc1\nprefix 2001:db8:2::/64 func-bits 32');
    live.zebra.locators.setFormat('loc1', format('2001:db8:2::/64', 32));
    await hear('2001:db8:1::/64 16 0', 'no 2001:db8:1::/64', '2001:db8:2::/64 32 0');
    // This FRR's zebra does not know, or does not do: it gives the old prefix again.
    heard[1]!.length = 0;
    live.zebra.locators.setUsid('loc1', true);
    live.zebra.locators.setFormat('loc1', format('2001:db8:3::/64', 32));
    await until(() => heard[1]!.at(-1) === `2001:db8:3::/64 32 ${LOCATOR_USID}`, { what: () => heard[1]!.join() });
    assert.deepEqual(heard[1]!.slice(-2), ['no 2001:db8:2::/64', `2001:db8:3::/64 32 ${LOCATOR_USID}`]);
  } finally {
    for (const client of clients) client.stop();
    await live.close();
    await lab.close();
  }
});

const family = (name: string): string => ` address-family ${name} unicast
  sid vpn export auto
  rd vpn export 65001:10
  rt vpn both 65001:10
  export vpn
  import vpn
 exit-address-family
`;

describe("FRR's bgpd and its SIDs", { timeout: 60_000 }, () => {
  const lab = new Lab();
  let live: Live;
  let bgpd: Daemon;

  before(async () => {
    const namespace = await lab.namespace('r1');
    const directory = await lab.directory();
    chmodSync(directory, 0o755);
    live = new Live(join(directory, 'zserv.api'));
    live.link(1, 'lo', '127.0.0.1/8');
    live.vrf(9, 'red', 10);
    await live.server.listen();
    bgpd = await startFrr(
      lab,
      namespace,
      'bgpd',
      `router bgp 65001
 bgp router-id 192.0.2.1
 segment-routing srv6
  locator loc0
 exit
exit
router bgp 65001 vrf red
 bgp router-id 192.0.2.1
${family('ipv4')}${family('ipv6')}exit
`,
      { zserv: live.path },
    );
  });

  after(async () => {
    await lab.close();
    await live.close();
  });

  /** SIDs in the kernel: what they do and where. */
  const sids = (): Record<string, unknown[]> =>
    Object.fromEntries(
      live.kernel.ours().map(({ family: kind, words, nexthopId }) => {
        const [member] = live.kernel.groups.get(nexthopId)!;
        const { encap, ifindex } = live.kernel.nexthops.get(member!.id)!.path;
        assert.ok(encap !== undefined && 'action' in encap);
        return [formatAddress(kind, words), [encap.action, encap.vrfTable ?? 0, encap.table ?? 0, ifindex]];
      }),
    );
  const installed = (expected: Record<string, unknown[]>): Promise<true> =>
    until(
      () => {
        const said = (one: Record<string, unknown[]>): string =>
          Object.entries(one)
            .map(([sid, what]) => `${sid} ${what.join()}`)
            .toSorted()
            .join('\n');
        return said(sids()) === said(expected) || undefined;
      },
      { what: () => `SIDs ${JSON.stringify(expected)}, not ${JSON.stringify(sids())}; ${live.logged.join('\n')}` },
    );
  /** Those of a locator: End.DT4 is 8, End.DT6 is 7. */
  const both = (prefix: string, vrf = 9): Record<string, unknown[]> => ({
    [`${prefix}100::`]: [8, 10, 0, vrf],
    [`${prefix}200::`]: [7, 0, 10, vrf],
  });

  test('come with the locator, though it was asked for before it was there', async () => {
    await until(() => [...live.server.sessions].some(one => one.lastCommand !== '' && one.routeType === 9), {
      what: 'bgpd',
    });
    assert.deepEqual(sids(), {});
    live.zebra.locators.setFormat('loc0', format('fd00:a:1:1::/64'));
    await installed(both('fd00:a:1:1:'));
    assert.equal(
      showSids(live.zebra, {}),
      ` SID                 Behavior    Context      Daemon/Instance    Locator    Allocation Type
 ------------------  ----------  -----------  -----------------  ---------  -----------------
 fd00:a:1:1:100::    End.DT4     VRF 'red'    bgp(0)             loc0       dynamic
 fd00:a:1:1:200::    End.DT6     VRF 'red'    bgp(0)             loc0       dynamic
`,
    );
    assert.deepEqual(sidsJson(live.zebra, { locator: 'loc0', sid: parsePrefix('fd00:a:1:1:200::/128')!.words }), {
      'fd00:a:1:1:200::': {
        sid: 'fd00:a:1:1:200::',
        behavior: 'End.DT6',
        context: { vrfId: 9, vrfName: 'red', table: 10 },
        locator: 'loc0',
        allocationMode: 'dynamic',
        installed: true,
        clients: [{ proto: 'bgp', instance: 0 }],
      },
    });
    assert.deepEqual(sidsJson(live.zebra, { locator: 'loc1' }), {});
  });

  test('are others when the locator is another, which may be one of micro SIDs, and go with it', async () => {
    live.zebra.locators.setFormat('loc0', format('fd00:b:1:1::/64'));
    await installed(both('fd00:b:1:1:'));
    // An octet more than bgpd 8.4.4 knows of.
    live.zebra.locators.setUsid('loc0', true);
    await installed(both('fd00:b:1:1:'));
    assert.match(await bgpd.sh('show bgp segment-routing srv6'), /- fd00:b:1:1::\/64\n/);
    assert.match(showSids(live.zebra, {}), /fd00:b:1:1:100:: +uDT4 .*\n.*fd00:b:1:1:200:: +uDT6 /);
    live.zebra.locators.remove('loc0');
    await installed({});
    live.zebra.locators.setFormat('loc0', format('fd00:c:1:1::/64'));
    await installed(both('fd00:c:1:1:'));
  });

  test('and its session ends: the SIDs go, and the locator is free', async () => {
    assert.notEqual(live.zebra.locators.ownerOf('loc0'), 0);
    await bgpd.stop();
    await installed({});
    assert.equal(live.zebra.locators.ownerOf('loc0'), 0);
    assert.ok([...live.server.sessions].every(one => one.stats.faults === 0));
  });
});
