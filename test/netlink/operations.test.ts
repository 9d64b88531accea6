// What each operation of a dataplane writes, against the kernel and iproute2's reading of it.
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { after, before, describe, test } from 'node:test';
import {
  appendNexthopEncap,
  appendNexthopFdb,
  appendPreferredSource,
  appendResilience,
  beginNexthopGroup,
  collect,
  dumpRequest,
  type Encap,
  encodeGroupMember,
  encodeNexthop,
  encodeRoute,
  encodeRouteWithPaths,
  endNexthopGroup,
  eventSink,
  type FdbMessage,
  genericFamily,
  KIND_MPLS,
  KIND_NETCONF,
  type LinkMessage,
  type MessageBuffer,
  type MulticastRoute,
  type NeighborMessage,
  NetlinkError,
  NetlinkSocket,
  NexthopView,
  NotificationStream,
  readFdb,
  readLink,
  readMulticastRoute,
  readNeighbor,
  readNetconf,
  readRule,
  type RoutePath,
  RouteView,
  rtnetlink as c,
  type RuleMessage,
  setTunnelSource,
  tunnelSource,
  writeFdb,
  writeLink,
  writeMulticastGet,
  writeNeighbor,
  writeNetconf,
  writeRule,
} from '../../src/netlink/index.ts';
import { type AddressWords, AF_INET, AF_INET6, parseAddress } from '../../src/net/index.ts';
import { closeFd, encodeSocketAddress, inNetworkNamespace, libc } from '../../src/sys/index.ts';
import { Lab, type Namespace } from '../lib/netns.ts';
import { until } from '../lib/wait.ts';

const CREATE = c.NLM_F_CREATE | c.NLM_F_REPLACE;

type Json = Record<string, unknown>;

const words = (text: string): AddressWords => parseAddress(text)!.words;
const mac = (text: string): Uint8Array => Uint8Array.from(text.split(':'), byte => Number.parseInt(byte, 16));

describe('operations against the kernel', () => {
  const lab = new Lab();
  let ns: Namespace;
  let socket: NetlinkSocket;

  before(async () => {
    ns = await lab.namespace('op');
    socket = inNetworkNamespace(ns.path, () => new NetlinkSocket({ receiveBuffer: 1 << 20 }));
    for (const name of ['d0', 'd1']) {
      await ns.run('ip', 'link', 'add', name, 'type', 'veth', 'peer', 'name', `${name}-far`);
      await ns.run('ip', 'link', 'set', name, 'up');
      await ns.run('ip', 'link', 'set', `${name}-far`, 'up');
    }
    await ns.run('ip', 'addr', 'add', '10.1.0.1/24', 'dev', 'd0');
    await ns.run('ip', 'addr', 'add', '10.1.0.9/24', 'dev', 'd0');
    await ns.run('ip', 'addr', 'add', '2001:db8::1/64', 'dev', 'd0', 'nodad');
  });

  after(async () => {
    socket?.close();
    await lab.close();
  });

  const links = (): LinkMessage[] => collect(socket, dumpRequest(c.RTM_GETLINK), readLink);
  const linkOf = (name: string): LinkMessage => links().find(link => link.name === name)!;
  const ifindexOf = (name: string): number => linkOf(name).ifindex;
  const ipLink = async (name: string): Promise<Json> => (await ns.ipJson('link', 'show', name))[0]!;
  const link = (type: number, flags: number, message: Partial<LinkMessage>): void =>
    socket.request('link', (w, f, q) => writeLink(w, type, f | flags, q, message));
  const make = (message: Partial<LinkMessage>): void => link(c.RTM_NEWLINK, c.NLM_F_CREATE | c.NLM_F_EXCL, message);
  /** One message by a coder that writes into a buffer. */
  const send = (encode: (buffer: MessageBuffer, sequence: number, flags: number) => number): void =>
    socket.request('message', (w, f, q) => {
      w.at = encode(w.buffer, q, f);
    });

  test('links are made with their kinds, changed and deleted', async () => {
    const lower = ifindexOf('d0');
    make({ name: 'bridge', info: { kind: 'bridge' } });
    make({
      name: 'vx4',
      info: {
        kind: 'vxlan',
        data: { vni: 77, local: words('10.1.0.1')[0], lower, port: 4789, learning: 0, ttl: 9 },
      },
    });
    make({
      name: 'vx6',
      info: {
        kind: 'vxlan',
        data: { vni: 78, local6: words('2001:db8::1'), remote6: words('2001:db8::2'), port: 4790 },
      },
    });
    make({ name: 'near', mtu: 1400, info: { kind: 'veth', data: { peer: { name: 'far', mtu: 1300 } } } });
    make({ name: 'mac', link: lower, info: { kind: 'macvlan', data: { mode: c.MACVLAN_MODE_BRIDGE } } });

    const info = async (name: string): Promise<Json> => (await ipLink(name)).linkinfo as Json;
    assert.equal((await info('bridge')).info_kind, 'bridge');
    const vx4 = (await info('vx4')).info_data as Json;
    assert.deepEqual(
      [vx4.id, vx4.local, vx4.link, vx4.port, vx4.learning, vx4.ttl],
      [77, '10.1.0.1', 'd0', 4789, false, 9],
    );
    const vx6 = (await info('vx6')).info_data as Json;
    assert.deepEqual([vx6.id, vx6.local6, vx6.remote6, vx6.port], [78, '2001:db8::1', '2001:db8::2', 4790]);
    assert.deepEqual([(await ipLink('near')).mtu, (await ipLink('far')).mtu], [1400, 1300]);
    assert.equal((await ipLink('near')).link, 'far');
    assert.equal(((await info('mac')).info_data as Json).mode, 'bridge');
    assert.deepEqual(linkOf('vx6').info?.data?.remote6, words('2001:db8::2'));
    assert.equal(linkOf('mac').info?.data?.mode, c.MACVLAN_MODE_BRIDGE);

    const near = ifindexOf('near');
    const bridge = ifindexOf('bridge');
    link(c.RTM_NEWLINK, 0, {
      ifindex: near,
      flags: c.IFF_UP,
      change: c.IFF_UP,
      mtu: 1450,
      address: mac('02:00:00:00:00:77'),
      master: bridge,
      alias: 'to "far"',
    });
    let shown = await ipLink('near');
    assert.deepEqual(
      [shown.mtu, shown.address, shown.master, shown.ifalias, (shown.flags as string[]).includes('UP')],
      [1450, '02:00:00:00:00:77', 'bridge', 'to "far"', true],
    );
    assert.equal(linkOf('near').alias, 'to "far"');
    link(c.RTM_NEWLINK, 0, { ifindex: near, flags: 0, change: c.IFF_UP, master: 0, alias: '' });
    shown = await ipLink('near');
    assert.deepEqual(
      [shown.master, shown.ifalias, (shown.flags as string[]).includes('UP')],
      [undefined, undefined, false],
    );

    const macvlan = ifindexOf('mac');
    link(c.RTM_NEWLINK, 0, { ifindex: macvlan, protoDown: 1, protoDownReason: { mask: 1 << 3, value: 1 << 3 } });
    shown = await ipLink('mac');
    assert.deepEqual([shown.proto_down, shown.proto_down_reason], [true, ['3']]);
    assert.equal(linkOf('mac').protoDownReason?.value, 1 << 3);
    link(c.RTM_NEWLINK, 0, { ifindex: macvlan, protoDownReason: { mask: 1 << 3, value: 0 } });
    link(c.RTM_NEWLINK, 0, { ifindex: macvlan, protoDown: 0 });
    assert.equal((await ipLink('mac')).proto_down, undefined);

    for (const name of ['bridge', 'vx4', 'vx6', 'near', 'mac']) link(c.RTM_DELLINK, 0, { ifindex: ifindexOf(name) });
    const left = links().map(one => one.name!);
    for (const name of ['bridge', 'vx4', 'vx6', 'near', 'far', 'mac']) assert.ok(!left.includes(name), name);
  });

  test('neighbours are installed, replaced, found and deleted', async () => {
    const ifindex = ifindexOf('d0');
    const neighbor = (type: number, flags: number, message: Partial<NeighborMessage>): void =>
      socket.request('neighbour', (w, f, q) => writeNeighbor(w, type, f | flags, q, { ifindex, ...message }));
    const known = (family: number, address: string): NeighborMessage | undefined =>
      collect(socket, dumpRequest(c.RTM_GETNEIGH, family), readNeighbor).find(
        one => one.destination?.join() === words(address).join(),
      );
    const shown = async (address: string): Promise<Json | undefined> =>
      (await ns.ipJson('-N', 'neigh', 'show', 'to', address, 'nud', 'all'))[0];

    neighbor(c.RTM_NEWNEIGH, CREATE, {
      family: AF_INET,
      destination: words('10.1.0.50'),
      mac: mac('02:00:00:00:00:50'),
      state: c.NUD_NOARP,
      flags: c.NTF_EXT_LEARNED,
      protocol: 186,
    });
    let entry = (await shown('10.1.0.50'))!;
    assert.deepEqual(
      [entry.lladdr, entry.state, entry.extern_learn !== undefined, Number(entry.protocol)],
      ['02:00:00:00:00:50', ['NOARP'], true, 186],
    );
    assert.equal(known(AF_INET, '10.1.0.50')!.protocol, 186);
    neighbor(c.RTM_NEWNEIGH, CREATE, {
      family: AF_INET,
      destination: words('10.1.0.50'),
      mac: mac('02:00:00:00:00:51'),
      state: c.NUD_PERMANENT,
    });
    entry = (await shown('10.1.0.50'))!;
    assert.deepEqual([entry.lladdr, entry.state], ['02:00:00:00:00:51', ['PERMANENT']]);

    neighbor(c.RTM_NEWNEIGH, CREATE, {
      family: AF_INET6,
      destination: words('2001:db8::50'),
      mac: mac('02:00:00:00:00:60'),
      state: c.NUD_REACHABLE,
      flags: c.NTF_ROUTER,
    });
    entry = (await shown('2001:db8::50'))!;
    assert.deepEqual([entry.lladdr, entry.router !== undefined], ['02:00:00:00:00:60', true]);

    // Nobody has this address: the kernel asks, and gives up after a while.
    for (const [family, address] of [
      [AF_INET, '10.1.0.77'],
      [AF_INET6, '2001:db8::77'],
    ] as const) {
      const destination = words(address);
      neighbor(c.RTM_NEWNEIGH, CREATE, { family, destination, state: c.NUD_INCOMPLETE, flags: c.NTF_USE });
      assert.equal(known(family, address)!.state, c.NUD_INCOMPLETE, 'it is being asked for');
    }
    // This one is at the other end of the link.
    await ns.run('ip', 'link', 'set', 'd1', 'up');
    const far = await lab.namespace('far');
    await ns.run('ip', 'link', 'set', 'd1-far', 'netns', String(far.pid));
    await far.run('ip', 'addr', 'add', '10.2.0.2/24', 'dev', 'd1-far');
    await far.run('ip', 'link', 'set', 'd1-far', 'up');
    await ns.run('ip', 'addr', 'add', '10.2.0.1/24', 'dev', 'd1');
    neighbor(c.RTM_NEWNEIGH, CREATE, {
      ifindex: ifindexOf('d1'),
      family: AF_INET,
      destination: words('10.2.0.2'),
      flags: c.NTF_USE,
    });
    await until(() => known(AF_INET, '10.2.0.2')?.state === c.NUD_REACHABLE, { what: 'the neighbour to be found' });

    for (const [family, address] of [
      [AF_INET, '10.1.0.50'],
      [AF_INET6, '2001:db8::50'],
    ] as const) {
      neighbor(c.RTM_DELNEIGH, 0, { family, destination: words(address) });
      assert.equal(await shown(address), undefined);
    }
  });

  test('MACs go into the tables of bridges and VXLAN devices, and out of them', async () => {
    make({ name: 'bridge', info: { kind: 'bridge' } });
    make({ name: 'vx', info: { kind: 'vxlan', data: { vni: 10, port: 4789, local: words('10.1.0.1')[0] } } });
    make({ name: 'port', info: { kind: 'veth', data: { peer: { name: 'port-far' } } } });
    const [bridge, vx, port] = [ifindexOf('bridge'), ifindexOf('vx'), ifindexOf('port')];
    link(c.RTM_NEWLINK, 0, { ifindex: port, master: bridge });
    const fdb = (type: number, flags: number, message: Partial<FdbMessage>): void =>
      socket.request('fdb', (w, f, q) => writeFdb(w, type, f | flags, q, message));
    const shown = async (address: string): Promise<Json[]> =>
      (JSON.parse(await ns.run('bridge', '-j', 'fdb')) as Json[]).filter(entry => entry.mac === address);
    const known = (address: string): FdbMessage[] =>
      collect(socket, dumpRequest(c.RTM_GETNEIGH, c.AF_BRIDGE), readFdb).filter(
        entry => Buffer.compare(entry.mac!, mac(address)) === 0,
      );

    const here = '02:00:00:00:00:01';
    fdb(c.RTM_NEWNEIGH, CREATE, {
      ifindex: port,
      mac: mac(here),
      state: c.NUD_NOARP,
      flags: c.NTF_MASTER | c.NTF_STICKY,
    });
    assert.deepEqual(await shown(here), [
      { mac: here, ifname: 'port', flags: ['sticky'], master: 'bridge', state: 'static' },
    ]);
    assert.deepEqual(known(here), [
      { mac: mac(here), ifindex: port, master: bridge, state: c.NUD_NOARP, flags: c.NTF_STICKY, extendedFlags: 0 },
    ]);
    const learned = '02:00:00:00:00:02';
    fdb(c.RTM_NEWNEIGH, CREATE, {
      ifindex: port,
      mac: mac(learned),
      state: c.NUD_REACHABLE,
      flags: c.NTF_MASTER | c.NTF_EXT_LEARNED,
    });
    assert.deepEqual((await shown(learned))[0]!.flags, ['extern_learn']);

    const there = '02:00:00:00:00:03';
    for (const end of ['10.1.0.20', '2001:db8::20']) {
      if (end.includes(':')) {
        // A device has tunnel ends of one family.
        link(c.RTM_DELLINK, 0, { ifindex: vx });
        make({ name: 'vx', info: { kind: 'vxlan', data: { vni: 10, port: 4789, local6: words('2001:db8::1') } } });
      }
      const entry = {
        ifindex: ifindexOf('vx'),
        mac: mac(there),
        tunnel: parseAddress(end)!,
        port: 4800,
        vni: 11,
        viaIfindex: ifindexOf('d0'),
        state: c.NUD_PERMANENT,
        flags: c.NTF_SELF,
      };
      fdb(c.RTM_NEWNEIGH, CREATE, entry);
      assert.deepEqual(await shown(there), [
        { mac: there, ifname: 'vx', dst: end, port: 4800, vni: 11, viaIf: 'd0', flags: ['self'], state: 'permanent' },
      ]);
      assert.deepEqual(known(there), [entry]);
      fdb(c.RTM_DELNEIGH, 0, { ifindex: entry.ifindex, mac: mac(there), flags: c.NTF_SELF });
      assert.deepEqual(await shown(there), []);
    }
    // The table of those not known has many ends for one MAC.
    const unknown = '00:00:00:00:00:00';
    for (const end of ['2001:db8::21', '2001:db8::22']) {
      fdb(c.RTM_NEWNEIGH, c.NLM_F_CREATE | c.NLM_F_APPEND, {
        ifindex: ifindexOf('vx'),
        mac: mac(unknown),
        tunnel: parseAddress(end)!,
        state: c.NUD_NOARP | c.NUD_PERMANENT,
        flags: c.NTF_SELF,
      });
    }
    const ends = (await shown(unknown)).map(entry => entry.dst);
    assert.deepEqual(new Set(ends), new Set(['2001:db8::21', '2001:db8::22']));

    for (const address of [here, learned]) {
      fdb(c.RTM_DELNEIGH, 0, { ifindex: port, mac: mac(address), flags: c.NTF_MASTER });
      assert.deepEqual(await shown(address), []);
    }
    for (const ifindex of [bridge, ifindexOf('vx'), port]) link(c.RTM_DELLINK, 0, { ifindex });
  });

  test('rules with every selector show in ip rule, read back and go', async () => {
    const rules: (Partial<RuleMessage> & { priority: number; shown: Json })[] = [
      {
        family: AF_INET,
        priority: 100,
        action: c.FR_ACT_TO_TBL,
        table: 1000,
        tos: 0x10,
        source: words('10.2.0.0'),
        sourceLength: 16,
        destination: words('10.3.0.0'),
        destinationLength: 24,
        inputInterface: 'd0',
        mark: 5,
        markMask: 0xff,
        protocol: 186,
        shown: {
          src: '10.2.0.0',
          dst: '10.3.0.0',
          iif: 'd0',
          fwmark: '0x5',
          fwmask: '0xff',
          table: '1000',
          tos: '0x10',
        },
      },
      {
        family: AF_INET,
        priority: 101,
        action: c.FR_ACT_TO_TBL,
        table: 100,
        ipProtocol: 17,
        sourcePorts: { start: 1000, end: 2000 },
        destinationPorts: { start: 53, end: 53 },
        uids: { start: 1000, end: 1005 },
        tunnelId: 2 ** 40 + 7,
        shown: {
          ipproto: 'ipproto-17',
          sport_start: 1000,
          sport_end: 2000,
          dport: 53,
          uid_start: 1000,
          uid_end: 1005,
          tun_id: 2 ** 40 + 7,
        },
      },
      {
        family: AF_INET6,
        priority: 102,
        action: c.FR_ACT_TO_TBL,
        table: 254,
        suppressPrefixLength: 0,
        suppressGroup: 3,
        flags: c.FIB_RULE_INVERT,
        source: words('2001:db8::'),
        sourceLength: 32,
        shown: { src: '2001:db8::', srclen: 32, suppress_prefixlen: 0, suppress_ifgroup: '3', not: null },
      },
      { family: AF_INET, priority: 103, action: c.FR_ACT_GOTO, goto: 32766, shown: { goto: 32766 } },
      { family: AF_INET, priority: 104, action: c.FR_ACT_PROHIBIT, shown: { action: '8' } },
      { family: AF_INET, priority: 105, action: c.FR_ACT_TO_TBL, l3mdev: 1, shown: { l3mdev: null } },
    ];
    const shown = async (family: number, priority: number): Promise<Json | undefined> =>
      (await ns.ipJson('-N', family === AF_INET ? '-4' : '-6', 'rule')).find(rule => rule.priority === priority);
    for (const { shown: wanted, ...rule } of rules) {
      const request = (type: number, flags: number): void =>
        socket.request('rule', (w, f, q) => writeRule(w, type, f | flags, q, rule));
      try {
        request(c.RTM_NEWRULE, c.NLM_F_CREATE | c.NLM_F_EXCL);
      } catch (error) {
        // A kernel that was built without VRFs.
        if (rule.l3mdev === undefined || !(error instanceof NetlinkError)) throw error;
        continue;
      }
      const got = (await shown(rule.family!, rule.priority))!;
      for (const [key, value] of Object.entries(wanted)) assert.deepEqual(got[key], value, `${rule.priority} ${key}`);
      const read = collect(socket, dumpRequest(c.RTM_GETRULE, rule.family), readRule).find(
        one => one.priority === rule.priority,
      )!;
      for (const [key, value] of Object.entries(rule)) {
        assert.deepEqual(read[key as keyof RuleMessage], value, `${rule.priority} ${key}`);
      }
      request(c.RTM_DELRULE, 0);
      assert.equal(await shown(rule.family!, rule.priority), undefined);
    }
  });

  /** The routes of a prefix, as the kernel tells them. */
  const routes = (family: number, prefix: string): { view: RouteView; paths: RoutePath[] }[] =>
    collect(socket, dumpRequest(c.RTM_GETROUTE, family), (bytes, offset, length) => {
      const view = new RouteView();
      assert.ok(view.decode(bytes, offset, length));
      return { view, paths: Array.from({ length: view.pathCount }, (_, i) => view.path(i)) };
    }).filter(({ view }) => [view.w0, view.w1, view.w2, view.w3].join() === words(prefix).join());

  const seg6 = (mode: number, ...segments: string[]): Encap => ({
    type: c.LWTUNNEL_ENCAP_SEG6,
    mode,
    segments: segments.map(words),
  });

  test('routes are encapsulated with a segment routing header, with one path and with several', async () => {
    const d0 = ifindexOf('d0');
    const path: RoutePath = {
      ifindex: d0,
      gatewayFamily: AF_INET6,
      gateway: words('2001:db8::2'),
      flags: 0,
      weight: 1,
      encap: seg6(c.SEG6_IPTUN_MODE_ENCAP, 'fc00::1', 'fc00::2'),
    };
    const put = (family: 2 | 10, prefix: string, paths: RoutePath[]): void =>
      send((buffer, q, f) =>
        encodeRouteWithPaths(
          buffer,
          0,
          q,
          f | CREATE,
          family,
          254,
          words(prefix),
          family === AF_INET ? 24 : 64,
          186,
          20,
          paths,
        ),
      );
    const shown = async (family: string, prefix: string): Promise<Json> =>
      (await ns.ipJson(family, 'route', 'show', prefix))[0]!;

    const reduced = { ...path, encap: seg6(c.SEG6_IPTUN_MODE_ENCAP_RED, 'fc00::3') };
    const inserted = { ...path, encap: seg6(c.SEG6_IPTUN_MODE_INLINE, 'fc00::4', 'fc00::5') };
    const cases: [2 | 10, string, RoutePath, string, string[]][] = [
      [AF_INET6, '2001:db8:1::', path, 'encap', ['fc00::1', 'fc00::2']],
      [AF_INET6, '2001:db8:2::', reduced, 'encap.red', ['fc00::3']],
      [AF_INET6, '2001:db8:3::', inserted, 'inline', ['fc00::4', 'fc00::5', '::']],
      [AF_INET, '10.20.0.0', path, 'encap', ['fc00::1', 'fc00::2']],
    ];
    for (const [family, prefix, one, mode, segments] of cases) {
      put(family, prefix, [one]);
      const got = await shown(family === AF_INET ? '-4' : '-6', `${prefix}/${family === AF_INET ? 24 : 64}`);
      assert.deepEqual([got.encap, got.mode, got.segs, got.dev], ['seg6', mode, segments, 'd0'], prefix);
      assert.deepEqual(routes(family, prefix)[0]!.paths, [one], prefix);
    }
    for (const [family, prefix] of [
      [AF_INET, '10.21.0.0'],
      [AF_INET6, '2001:db8:4::'],
    ] as const) {
      const several = [path, { ...reduced, gateway: words('2001:db8::3'), weight: 3 }];
      put(family, prefix, several);
      const got = await shown(family === AF_INET ? '-4' : '-6', `${prefix}/${family === AF_INET ? 24 : 64}`);
      assert.deepEqual(
        (got.nexthops as Json[]).map(hop => [hop.encap, hop.mode, hop.segs, hop.weight]),
        [
          ['seg6', 'encap', ['fc00::1', 'fc00::2'], 1],
          ['seg6', 'encap.red', ['fc00::3'], 3],
        ],
      );
      assert.deepEqual(routes(family, prefix)[0]!.paths, several);
    }
  });

  test('SIDs of our own are routes with a behaviour', async () => {
    const d0 = ifindexOf('d0');
    const type = c.LWTUNNEL_ENCAP_SEG6_LOCAL;
    const segments = [words('fc00::1'), words('fc00::2')];
    const sids: [string, Encap, Json][] = [
      ['fc01::1', { type, action: c.SEG6_LOCAL_ACTION_END }, { action: 'End' }],
      [
        'fc01::2',
        { type, action: c.SEG6_LOCAL_ACTION_END_X, gateway6: words('2001:db8::2') },
        { action: 'End.X', nh6: '2001:db8::2' },
      ],
      ['fc01::3', { type, action: c.SEG6_LOCAL_ACTION_END_T, table: 254 }, { action: 'End.T', table: 'main' }],
      [
        'fc01::4',
        { type, action: c.SEG6_LOCAL_ACTION_END_DX4, gateway4: words('10.1.0.2')[0] },
        { action: 'End.DX4', nh4: '10.1.0.2' },
      ],
      [
        'fc01::5',
        { type, action: c.SEG6_LOCAL_ACTION_END_DX6, gateway6: words('2001:db8::3') },
        { action: 'End.DX6', nh6: '2001:db8::3' },
      ],
      ['fc01::6', { type, action: c.SEG6_LOCAL_ACTION_END_DT6, table: 1000 }, { action: 'End.DT6', table: '1000' }],
      [
        'fc01::7',
        { type, action: c.SEG6_LOCAL_ACTION_END_B6_ENCAP, segments },
        { action: 'End.B6.Encaps', srh: { segs: ['fc00::1', 'fc00::2'] } },
      ],
      [
        'fc01::8',
        { type, action: c.SEG6_LOCAL_ACTION_END_B6, segments },
        { action: 'End.B6', srh: { segs: ['fc00::1', 'fc00::2', '::'] } },
      ],
      [
        'fc01::9',
        {
          type,
          action: c.SEG6_LOCAL_ACTION_END,
          flavors: { operations: c.SEG6_LOCAL_FLAVOR_NEXT_CSID, blockBits: 32, functionBits: 16 },
        },
        { action: 'End', flavors: ['next-csid'], lblen: 32, nflen: 16 },
      ],
      ['fc01::a', { type, action: c.SEG6_LOCAL_ACTION_END_DX2, outputIfindex: d0 }, { action: 'End.DX2', oif: 'd0' }],
    ];
    for (const [sid, encap, wanted] of sids) {
      const path: RoutePath = { ifindex: d0, gatewayFamily: 0, gateway: [0, 0, 0, 0], flags: 0, weight: 1, encap };
      send((buffer, q, f) =>
        encodeRouteWithPaths(buffer, 0, q, f | CREATE, AF_INET6, 254, words(sid), 128, 186, 20, [path]),
      );
      const [got] = await ns.ipJson('-6', 'route', 'show', sid);
      assert.equal(got!.encap, 'seg6local', sid);
      for (const [key, value] of Object.entries(wanted)) assert.deepEqual(got![key], value, `${sid} ${key}`);
      assert.deepEqual(routes(AF_INET6, sid)[0]!.paths, [path], sid);
    }
  });

  test('nexthop objects encapsulate, serve bridges and are resilient; a route names its source', async () => {
    const d0 = ifindexOf('d0');
    const encap = seg6(c.SEG6_IPTUN_MODE_ENCAP, 'fc00::1');
    const gateway = words('2001:db8::2');
    send((buffer, q, f) => {
      const size = encodeNexthop(buffer, 0, q, f | CREATE, 31, AF_INET6, 11, d0, AF_INET6, ...gateway, false, false);
      return appendNexthopEncap(buffer, 0, size, encap);
    });
    for (const [id, last] of [
      [41, 20],
      [42, 21],
    ] as const) {
      send((buffer, q, f) => {
        const end = 0x0a010000 + last;
        return appendNexthopFdb(
          buffer,
          0,
          encodeNexthop(buffer, 0, q, f | CREATE, id, AF_INET, 11, 0, AF_INET, end, 0, 0, 0, false, false),
        );
      });
    }
    send((buffer, q, f) => {
      let end = beginNexthopGroup(buffer, 0, q, f | CREATE, 43, 11);
      for (const id of [41, 42]) end = encodeGroupMember(buffer, end, id, 1);
      return appendNexthopFdb(buffer, 0, endNexthopGroup(buffer, 0, end));
    });
    for (const [id, last] of [
      [51, 30],
      [52, 31],
    ] as const) {
      const address = 0x0a010000 + last;
      send((buffer, q, f) =>
        encodeNexthop(buffer, 0, q, f | CREATE, id, AF_INET, 11, d0, AF_INET, address, 0, 0, 0, false, false),
      );
    }
    send((buffer, q, f) => {
      let end = beginNexthopGroup(buffer, 0, q, f | CREATE, 53, 11);
      for (const id of [51, 52]) end = encodeGroupMember(buffer, end, id, 1);
      return appendResilience(buffer, 0, endNexthopGroup(buffer, 0, end), 64, 12_000, 6000);
    });

    const shown = new Map((await ns.ipJson('nexthop')).map(one => [one.id, one]));
    const tunnel = shown.get(31)!;
    assert.deepEqual([tunnel.encap, tunnel.mode, tunnel.segs], ['seg6', 'encap', ['fc00::1']]);
    for (const id of [41, 42, 43]) assert.ok('fdb' in shown.get(id)!, `${id}`);
    const group = shown.get(53)!;
    assert.equal(group.type, 'resilient');
    const { buckets, idle_timer: idle, unbalanced_timer: unbalanced } = group.resilient_args as Json;
    assert.deepEqual([buckets, idle, unbalanced], [64, 120, 60]);

    const views = new Map(
      collect(socket, dumpRequest(c.RTM_GETNEXTHOP), (bytes, offset, length) => {
        const view = new NexthopView();
        assert.ok(view.decode(bytes, offset, length));
        return { view, encap: view.encap() };
      }).map(one => [one.view.id, one]),
    );
    assert.deepEqual(views.get(31)!.encap, encap);
    assert.deepEqual(
      [41, 42, 43, 51, 53].map(id => views.get(id)!.view.fdb),
      [true, true, true, false, false],
    );
    const { view } = views.get(53)!;
    assert.deepEqual(
      [view.resilient, view.buckets, view.idleTimer, view.unbalancedTimer, view.memberCount],
      [true, 64, 12_000, 6000, 2],
    );

    send((buffer, q, f) => {
      const size = encodeRoute(buffer, 0, q, f | CREATE, AF_INET, 254, 0x0a1e0000, 0, 0, 0, 24, 186, 1, 20, 31);
      return appendPreferredSource(buffer, 0, size, AF_INET, ...words('10.1.0.9'));
    });
    const [route] = await ns.ipJson('route', 'show', '10.30.0.0/24');
    assert.deepEqual([route!.nhid, route!.prefsrc], [31, '10.1.0.9']);
    const read = routes(AF_INET, '10.30.0.0')[0]!;
    assert.deepEqual([read.view.hasPreferredSource, [...read.view.preferredSource]], [true, [...words('10.1.0.9')]]);
    assert.deepEqual(read.paths[0]!.encap, encap, 'the kernel tells the paths of the object');
  });

  test('how one interface forwards is told when asked', async () => {
    await ns.run('sysctl', '-qw', 'net.ipv4.conf.d0.forwarding=1', 'net.ipv4.conf.d0.rp_filter=2');
    const ifindex = ifindexOf('d0');
    let answer: ReturnType<typeof readNetconf> | undefined;
    socket.request(
      'netconf',
      (w, f, q) => writeNetconf(w, c.RTM_GETNETCONF, f, q, { family: AF_INET, ifindex }),
      (_type, bytes, offset, length) => {
        answer = readNetconf(bytes, offset, length);
      },
    );
    assert.deepEqual([answer!.ifindex, answer!.forwarding, answer!.rpFilter], [ifindex, 1, 2]);
  });

  test('where the kernel has no MPLS the stream says that there are no labels, and goes on', async t => {
    if (existsSync('/proc/sys/net/mpls')) {
      t.skip('this kernel has MPLS');
      return;
    }
    await ns.run('ip', 'route', 'add', 'blackhole', '10.99.0.0/24');
    const stream = inNetworkNamespace(ns.path, () => new NotificationStream({ kinds: KIND_MPLS | KIND_NETCONF }));
    const told: string[] = [];
    const sink = eventSink(event => {
      if (event.what === 'dumpBegin' || event.what === 'dumpEnd') told.push(`${event.what} ${event.kind}`);
      else if (event.what !== 'netconf') told.push(event.what);
      else if (!event.dumped) told.push(`netconf ${event.netconf.ifindex}`);
    });
    const settle = (): void => {
      while (stream.step(sink)) {
        // One datagram after another.
      }
    };
    settle();
    const [netconf, labels] = [`${KIND_NETCONF}`, `${KIND_MPLS}`];
    assert.deepEqual(told, [`dumpBegin ${netconf}`, `dumpEnd ${netconf}`, `dumpBegin ${labels}`, `dumpEnd ${labels}`]);
    const d1 = ifindexOf('d1');
    await ns.run('sysctl', '-qw', 'net.ipv4.conf.d1.proxy_arp=1');
    settle();
    assert.equal(told.at(-1), `netconf ${d1}`);
    stream.close();
  });

  test('a multicast route tells its counters and when it was last used', async () => {
    const IPPROTO_IGMP = 2;
    const [MRT_INIT, MRT_ADD_VIF, MRT_ADD_MFC] = [200, 202, 204];
    const fd = inNetworkNamespace(ns.path, () => libc.socket(AF_INET, 3, IPPROTO_IGMP));
    const set = (option: number, bytes: Uint8Array): void =>
      assert.equal(libc.setsockopt(fd, 0, option, bytes, bytes.length), 0, `option ${option}`);
    set(MRT_INIT, Uint8Array.of(1, 0, 0, 0));
    const [d0, d1] = [ifindexOf('d0'), ifindexOf('d1')];
    // struct vifctl with VIFF_USE_IFINDEX
    for (const [vif, ifindex] of [
      [0, d0],
      [1, d1],
    ] as const) {
      const control = new DataView(new ArrayBuffer(16));
      control.setUint16(0, vif, true);
      control.setUint8(2, 8);
      control.setUint8(3, 1);
      control.setUint32(8, ifindex, true);
      set(MRT_ADD_VIF, new Uint8Array(control.buffer));
    }
    // struct mfcctl
    const control = new DataView(new ArrayBuffer(60));
    control.setUint32(0, words('10.1.0.2')[0]);
    control.setUint32(4, words('239.1.1.1')[0]);
    control.setUint16(8, 0, true);
    control.setUint8(10 + 1, 3);
    set(MRT_ADD_MFC, new Uint8Array(control.buffer));

    let route: MulticastRoute | undefined;
    const ask = (group: string): void =>
      socket.request(
        'multicast route',
        (w, f, q) => writeMulticastGet(w, f, q, AF_INET, words('10.1.0.2'), words(group)),
        (_type, bytes, offset, length) => {
          route = readMulticastRoute(bytes, offset, length);
        },
      );
    ask('239.1.1.1');
    const [shown] = await ns.ipJson<Json[]>('-4', '-s', 'mroute', 'show');
    assert.equal(shown!.iif, 'd0');
    assert.ok(route !== undefined && route.idle !== undefined && route.idle < 3000);
    assert.deepEqual(
      { ...route, idle: 0 },
      {
        family: AF_INET,
        protocol: 17,
        unresolved: false,
        table: 253,
        source: words('10.1.0.2'),
        group: words('239.1.1.1'),
        inputIfindex: d0,
        outputs: [{ ifindex: d1, ttl: 3 }],
        counters: { packets: 0, bytes: 0, wrongInterface: 0 },
        idle: 0,
      },
    );
    assert.equal(shown!.packets, 0);
    const all = collect(socket, dumpRequest(c.RTM_GETROUTE, c.RTNL_FAMILY_IPMR), readMulticastRoute);
    assert.deepEqual(
      all.map(one => one?.group),
      [words('239.1.1.1')],
    );
    assert.throws(
      () => ask('239.1.1.2'),
      (error: unknown) => error instanceof NetlinkError && error.code === 'ENOENT',
    );
    closeFd(fd);
  });

  test('so does one of IPv6', () => {
    const [SOL_IPV6, IPPROTO_ICMPV6] = [41, 58];
    const [MRT6_INIT, MRT6_ADD_MIF, MRT6_ADD_MFC] = [200, 202, 204];
    const fd = inNetworkNamespace(ns.path, () => libc.socket(AF_INET6, 3, IPPROTO_ICMPV6));
    const set = (option: number, bytes: Uint8Array): void =>
      assert.equal(libc.setsockopt(fd, SOL_IPV6, option, bytes, bytes.length), 0, `option ${option}`);
    set(MRT6_INIT, Uint8Array.of(1, 0, 0, 0));
    const [d0, d1] = [ifindexOf('d0'), ifindexOf('d1')];
    // struct mif6ctl
    for (const [mif, ifindex] of [
      [0, d0],
      [1, d1],
    ] as const) {
      const control = new DataView(new ArrayBuffer(12));
      control.setUint16(0, mif, true);
      control.setUint8(3, 1);
      control.setUint16(4, ifindex, true);
      set(MRT6_ADD_MIF, new Uint8Array(control.buffer));
    }
    // struct mf6cctl: two addresses of sockets, the interface it comes by, a bit for each that it goes to.
    const control = new Uint8Array(92);
    const [source, group] = [words('2001:db8::2'), words('ff0e::1')];
    control.set(encodeSocketAddress({ family: AF_INET6, words: source, port: 0, scopeId: 0 }), 0);
    control.set(encodeSocketAddress({ family: AF_INET6, words: group, port: 0, scopeId: 0 }), 28);
    control[60] = 1 << 1;
    set(MRT6_ADD_MFC, control);
    let route: MulticastRoute | undefined;
    socket.request(
      'multicast route',
      (w, f, q) => writeMulticastGet(w, f, q, AF_INET6, source, group),
      (_type, bytes, offset, length) => {
        route = readMulticastRoute(bytes, offset, length);
      },
    );
    assert.deepEqual(
      [route!.family, route!.source, route!.group, route!.inputIfindex, route!.outputs!.map(one => one.ifindex)],
      [AF_INET6, source, group, d0, [d1]],
    );
    assert.deepEqual(route!.counters, { packets: 0, bytes: 0, wrongInterface: 0 });
    closeFd(fd);
  });

  test('the source of SRv6 tunnels is set and read', async () => {
    const generic = inNetworkNamespace(ns.path, () => new NetlinkSocket({ protocol: c.NETLINK_GENERIC }));
    assert.deepEqual(tunnelSource(generic), [0, 0, 0, 0]);
    setTunnelSource(generic, words('fc00::9'));
    assert.match(await ns.run('ip', 'sr', 'tunsrc', 'show'), /addr fc00::9/);
    assert.deepEqual(tunnelSource(generic), words('fc00::9'));
    assert.throws(
      () => genericFamily(generic, 'NOSUCH'),
      (error: unknown) => error instanceof NetlinkError && error.code === 'ENOENT',
    );
    generic.close();
  });
});
