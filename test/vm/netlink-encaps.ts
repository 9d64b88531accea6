// What the build machines' kernel lacks: MPLS, VRFs, the SRv6 behaviours that look up a VRF's table, VLANs, GRE, dummies: the
// messages of each are written to the kernel, shown by ip(8), read back, and told by the stream.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import {
  appendNexthopEncap,
  collect,
  dumpRequest,
  type Encap,
  encodeLabel,
  encodeLabelDelete,
  encodeNexthop,
  encodeRouteWithPaths,
  KIND_EVERY,
  type LinkMessage,
  type MessageBuffer,
  NetlinkSocket,
  NexthopView,
  NotificationStream,
  readLink,
  readNetconf,
  readRule,
  type RoutePath,
  RouteView,
  rtnetlink as c,
  writeLink,
  writeNetconf,
  writeRule,
} from '../../src/netlink/index.ts';
import { type AddressWords, AF_INET, AF_INET6, parseAddress } from '../../src/net/index.ts';
import { inNetworkNamespace } from '../../src/sys/index.ts';
import { Lab, type Namespace } from '../lib/netns.ts';
import { kernelText, Picture } from '../netlink/picture.ts';

export const MODULES: readonly string[] = ['dummy', 'vrf', '8021q', 'ip_gre', 'mpls_router', 'mpls_iptunnel'];

const CREATE = c.NLM_F_CREATE | c.NLM_F_REPLACE;

type Json = Record<string, unknown>;

const words = (text: string): AddressWords => parseAddress(text)!.words;

/** Runs inside. */
export function suite(): void {
  describe('messages about what other kernels lack', tests);
}

function tests(): void {
  let lab: Lab;
  let ns: Namespace;
  let socket: NetlinkSocket;
  let stream: NotificationStream;
  let du0: number;
  let vrf10: number;
  // What the stream said, from the first devices on.
  const picture = new Picture();

  before(async () => {
    lab = new Lab();
    ns = await lab.namespace('encaps');
    socket = inNetworkNamespace(ns.path, () => new NetlinkSocket({ receiveBuffer: 1 << 20 }));
  });
  after(async () => {
    stream?.close();
    socket?.close();
    await lab?.close();
  });

  const ifindexOf = (name: string): number =>
    collect(socket, dumpRequest(c.RTM_GETLINK), readLink).find(link => link.name === name)!.ifindex;
  const linkOf = (name: string): LinkMessage =>
    collect(socket, dumpRequest(c.RTM_GETLINK), readLink).find(link => link.name === name)!;
  const make = (message: Partial<LinkMessage>): void =>
    socket.request('link', (w, f, q) =>
      writeLink(w, c.RTM_NEWLINK, f | c.NLM_F_CREATE | c.NLM_F_EXCL, q, {
        flags: c.IFF_UP,
        change: c.IFF_UP,
        ...message,
      }),
    );
  const send = (encode: (buffer: MessageBuffer, sequence: number, flags: number) => number): void =>
    socket.request('message', (w, f, q) => {
      w.at = encode(w.buffer, q, f);
    });
  const mpls = (...labels: number[]): Encap => ({ type: c.LWTUNNEL_ENCAP_MPLS, labels });
  const via = (ifindex: number, gateway: string | undefined, encap?: Encap): RoutePath => {
    const address = gateway === undefined ? undefined : parseAddress(gateway)!;
    return {
      ifindex,
      gatewayFamily: address?.family ?? 0,
      gateway: address?.words ?? [0, 0, 0, 0],
      flags: 0,
      weight: 1,
      ...(encap && { encap }),
    };
  };
  /** The paths of a route as the kernel tells them. */
  const pathsOf = (family: number, w0: number, w1 = 0, w2 = 0, w3 = 0): RoutePath[] =>
    collect(socket, dumpRequest(c.RTM_GETROUTE, family), (bytes, offset, length) => {
      const view = new RouteView();
      assert.ok(view.decode(bytes, offset, length));
      return {
        key: `${view.w0} ${view.w1} ${view.w2} ${view.w3}`,
        paths: Array.from({ length: view.pathCount }, (_, i) => view.path(i)),
      };
    }).find(route => route.key === `${w0} ${w1} ${w2} ${w3}`)!.paths;

  test('links of kinds that need modules', async () => {
    make({ name: 'du0', info: { kind: 'dummy' } });
    make({ name: 'du1', info: { kind: 'dummy' } });
    make({ name: 'vrf10', info: { kind: 'vrf', data: { table: 10 } } });
    make({ name: 'du0.7', link: ifindexOf('du0'), info: { kind: 'vlan', data: { vlan: 7, tagProtocol: 0x88a8 } } });
    const local = words('192.0.2.1')[0];
    const remote = words('203.0.113.1')[0];
    make({
      name: 'gre1',
      info: {
        kind: 'gre',
        data: { local, remote, ttl: 64, inputFlags: 0x2000, outputFlags: 0x2000, inputKey: 42, outputKey: 43 },
      },
    });
    socket.request('master', (w, f, q) =>
      writeLink(w, c.RTM_NEWLINK, f, q, { ifindex: ifindexOf('du1'), master: ifindexOf('vrf10') }),
    );
    const shown = async (name: string): Promise<Json> => (await ns.ipJson('link', 'show', name))[0]!;
    const data = async (name: string): Promise<Json> => ((await shown(name)).linkinfo as Json).info_data as Json;
    assert.equal((await data('vrf10')).table, 10);
    assert.deepEqual(await data('du0.7'), { protocol: '802.1ad', id: 7, flags: ['REORDER_HDR'] });
    const gre = await data('gre1');
    assert.deepEqual(
      [gre.local, gre.remote, gre.ttl, gre.ikey, gre.okey],
      ['192.0.2.1', '203.0.113.1', 64, '0.0.0.42', '0.0.0.43'],
    );
    assert.equal((await shown('du1')).master, 'vrf10');
    assert.equal(linkOf('vrf10').info?.data?.table, 10);
    assert.deepEqual(linkOf('du0.7').info?.data, { vlan: 7, tagProtocol: 0x88a8 });
    assert.deepEqual([linkOf('gre1').info?.data?.inputKey, linkOf('gre1').info?.data?.remote], [42, remote]);
    assert.equal(linkOf('du1').info?.slaveKind, 'vrf');

    await ns.run('sysctl', '-qw', 'net.mpls.platform_labels=1048575', 'net.vrf.strict_mode=1');
    await ns.run('ip', 'addr', 'add', '192.0.2.1/24', 'dev', 'du0');
    await ns.run('ip', 'addr', 'add', '2001:db8::1/64', 'dev', 'du0', 'nodad');
    du0 = ifindexOf('du0');
    vrf10 = ifindexOf('vrf10');
    // From here on a stream follows; what it believes is compared with the kernel as it goes.
    stream = inNetworkNamespace(ns.path, () => new NotificationStream({ kinds: KIND_EVERY }));
    picture.follow(stream);
    picture.settle();
  });

  const swapped = 100;
  const labels: [number, () => RoutePath[], (shown: Json) => void][] = [
    [
      swapped,
      () => [via(du0, '192.0.2.2', mpls(200))],
      shown => assert.deepEqual([shown.to, (shown.via as Json).host, shown.dev], ['200', '192.0.2.2', 'du0']),
    ],
    [
      101,
      () => [via(du0, '2001:db8::2')],
      shown => assert.deepEqual([shown.to, (shown.via as Json).host], [undefined, '2001:db8::2']),
    ],
    [102, () => [via(du0, '192.0.2.2', mpls(300, 301))], shown => assert.deepEqual(shown.to, '300/301')],
    [103, () => [via(vrf10, undefined)], shown => assert.deepEqual([shown.via, shown.dev], [undefined, 'vrf10'])],
    [
      104,
      () => [via(du0, '192.0.2.2', mpls(400)), via(du0, '2001:db8::3', mpls(401, 402)), via(du0, '192.0.2.4')],
      shown =>
        assert.deepEqual(
          (shown.nexthops as Json[]).map(hop => [hop.to, (hop.via as Json).host]),
          [
            ['400', '192.0.2.2'],
            ['401/402', '2001:db8::3'],
            [undefined, '192.0.2.4'],
          ],
        ),
    ],
  ];

  for (const [label, pathsTo, compare] of labels) {
    test(`label ${label} is installed, shown by ip and read back`, async () => {
      const paths = pathsTo();
      send((buffer, q, f) => encodeLabel(buffer, 0, q, f | CREATE, label, 186, paths));
      const shown = (await ns.ipJson('-N', '-f', 'mpls', 'route')).find(route => Number(route.dst) === label)!;
      assert.equal(Number(shown.protocol), 186);
      compare(shown);
      assert.deepEqual(pathsOf(c.AF_MPLS, label), paths);
    });
  }

  test('a label is replaced and deleted, and the stream tells', async () => {
    send((buffer, q, f) => encodeLabel(buffer, 0, q, f | CREATE, swapped, 186, [via(du0, '192.0.2.3')]));
    assert.deepEqual(pathsOf(c.AF_MPLS, swapped), [via(du0, '192.0.2.3')]);
    picture.settle();
    assert.equal(picture.text(), await kernelText(ns, KIND_EVERY));
    send((buffer, q, f) => encodeLabelDelete(buffer, 0, q, f, swapped));
    assert.ok(!(await ns.ipJson('-f', 'mpls', 'route')).some(route => Number(route.dst) === swapped));
    picture.settle();
    const text = picture.text();
    assert.equal(text, await kernelText(ns, KIND_EVERY));
    assert.ok(text.includes('256 104 = 3 paths'));
  });

  const pushes: [2 | 10, string, () => RoutePath[]][] = [
    [AF_INET, '10.1.0.0', () => [via(du0, '192.0.2.2', mpls(500))]],
    [AF_INET, '10.2.0.0', () => [via(du0, '192.0.2.2', mpls(500, 501)), via(du0, '192.0.2.3', mpls(502))]],
    [AF_INET6, '2001:db8:1::', () => [via(du0, '2001:db8::2', mpls(600, 601))]],
    [AF_INET6, '2001:db8:2::', () => [via(du0, '2001:db8::2', mpls(600)), via(du0, '2001:db8::3', mpls(602))]],
  ];
  for (const [family, prefix, pathsTo] of pushes) {
    test(`labels are pushed on ${prefix}`, async () => {
      const paths = pathsTo();
      const bits = family === AF_INET ? 24 : 64;
      const version = family === AF_INET ? '-4' : '-6';
      send((buffer, q, f) =>
        encodeRouteWithPaths(buffer, 0, q, f | CREATE, family, 254, words(prefix), bits, 186, 20, paths),
      );
      // In JSON iproute2 calls a single path's labels "dst", as it does the prefix.
      const text = await ns.run('ip', version, 'route', 'show', `${prefix}/${bits}`);
      const stacks = [...text.matchAll(/encap mpls {2}([\d/]+) via/g)].map(match => match[1]);
      assert.deepEqual(
        stacks,
        paths.map(({ encap }) => (encap?.type === c.LWTUNNEL_ENCAP_MPLS ? encap.labels.join('/') : undefined)),
      );
      assert.deepEqual(pathsOf(family, ...words(prefix)), paths);
      await ns.run('ip', version, 'route', 'del', `${prefix}/${bits}`);
    });
  }

  test('a nexthop object pushes labels', async () => {
    send((buffer, q, f) => {
      const gateway = words('192.0.2.2');
      const size = encodeNexthop(buffer, 0, q, f | CREATE, 7, AF_INET, 11, du0, AF_INET, ...gateway, false, false);
      return appendNexthopEncap(buffer, 0, size, mpls(700, 701));
    });
    assert.match(await ns.run('ip', 'nexthop', 'show', 'id', '7'), /encap mpls {2}700\/701 via 192\.0\.2\.2 dev du0/);
    const [encap] = collect(socket, dumpRequest(c.RTM_GETNEXTHOP), (bytes, offset, length) => {
      const view = new NexthopView();
      assert.ok(view.decode(bytes, offset, length));
      return view.encap();
    });
    assert.deepEqual(encap, mpls(700, 701));
  });

  for (const [name, sid, action] of [
    ['End.DT4', 'fc00::4', c.SEG6_LOCAL_ACTION_END_DT4],
    ['End.DT6', 'fc00::6', c.SEG6_LOCAL_ACTION_END_DT6],
    ['End.DT46', 'fc00::46', c.SEG6_LOCAL_ACTION_END_DT46],
  ] as const) {
    test(`${name} looks up the table of a VRF`, async () => {
      const path = via(vrf10, undefined, { type: c.LWTUNNEL_ENCAP_SEG6_LOCAL, action, vrfTable: 10 });
      send((buffer, q, f) =>
        encodeRouteWithPaths(buffer, 0, q, f | CREATE, AF_INET6, 254, words(sid), 128, 186, 20, [path]),
      );
      const [shown] = await ns.ipJson('-6', 'route', 'show', sid);
      assert.deepEqual([shown!.encap, shown!.action, shown!.vrftable, shown!.dev], ['seg6local', name, '10', 'vrf10']);
      assert.deepEqual(pathsOf(AF_INET6, ...words(sid)), [path]);
    });
  }

  test('a rule sends packets to the table of their VRF', async () => {
    const rule = { family: AF_INET, priority: 55, action: c.FR_ACT_TO_TBL, l3mdev: 1 };
    socket.request('rule', (w, f, q) => writeRule(w, c.RTM_NEWRULE, f | c.NLM_F_CREATE | c.NLM_F_EXCL, q, rule));
    const shown = (await ns.ipJson('rule')).find(one => one.priority === 55)!;
    assert.ok('l3mdev' in shown);
    const read = collect(socket, dumpRequest(c.RTM_GETRULE, AF_INET), readRule).find(one => one.priority === 55)!;
    assert.equal(read.l3mdev, 1);
    socket.request('rule', (w, f, q) => writeRule(w, c.RTM_DELRULE, f, q, rule));
    assert.ok(!(await ns.ipJson('rule')).some(one => one.priority === 55));
  });

  test('where labelled packets are taken is told', async () => {
    picture.settle();
    await ns.run('sysctl', '-qw', 'net.mpls.conf.du0.input=1');
    picture.settle();
    assert.equal(picture.text(), await kernelText(ns, KIND_EVERY));
    assert.ok(picture.text().includes(`64 ${c.AF_MPLS} ${du0} = - - - - - 1`));
    let input: number | undefined;
    socket.request(
      'netconf',
      (w, f, q) => writeNetconf(w, c.RTM_GETNETCONF, f, q, { family: c.AF_MPLS, ifindex: du0 }),
      (_type, bytes, offset, length) => {
        input = readNetconf(bytes, offset, length).input;
      },
    );
    assert.equal(input, 1);
  });

  test('when the devices go, the stream and the kernel agree', async () => {
    for (const name of ['du0.7', 'gre1', 'du1', 'vrf10', 'du0']) {
      const ifindex = ifindexOf(name);
      socket.request('link', (w, f, q) => writeLink(w, c.RTM_DELLINK, f, q, { ifindex }));
      picture.settle();
      assert.equal(picture.text(), await kernelText(ns, KIND_EVERY), name);
    }
  });
}
