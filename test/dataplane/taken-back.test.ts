// Each kind of change is refused by a provider behind the kernel's. Then what iproute2 shows is what it showed before, whoever had
// put it there; or the result says that nobody can tell.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import {
  type AddressValue,
  type ContextPool,
  type FdbValue,
  FLAG_ALREADY,
  FLAG_TUNNEL_ENDS,
  FLAG_UNDO_FAILED,
  type LinkValue,
  type NeighborValue,
  NO_DETAIL,
  OP_ADDRESS_DELETE,
  OP_ADDRESS_INSTALL,
  OP_FDB_DELETE,
  OP_FDB_INSTALL,
  OP_FDB_UPDATE,
  OP_LINK_CREATE,
  OP_LINK_DELETE,
  OP_LINK_SET,
  OP_NEIGHBOR_DELETE,
  OP_NEIGHBOR_DISCOVER,
  OP_NEIGHBOR_INSTALL,
  OP_NEIGHBOR_UPDATE,
  OP_NEXTHOP_DELETE,
  OP_NEXTHOP_INSTALL,
  OP_NEXTHOP_UPDATE,
  OP_ROUTE_DELETE,
  OP_ROUTE_INSTALL,
  OP_ROUTE_UPDATE,
  OP_RULE_DELETE,
  OP_RULE_INSTALL,
  OP_SRV6_SOURCE_SET,
  type Provider,
  type RuleValue,
} from '../../src/dataplane/index.ts';
import { type AddressWords, parseAddress } from '../../src/net/index.ts';
import { rtnetlink as c } from '../../src/netlink/index.ts';
import { E } from '../../src/sys/index.ts';
import { Lab, type Namespace } from '../lib/netns.ts';
import { ifindexOf, KernelWorld } from './kernel-world.ts';

type Fill = (pool: ContextPool, handle: number) => void;

const words = (text: string): AddressWords => parseAddress(text)!.words;
const mac = (text: string): Uint8Array => Uint8Array.from(text.split(':'), byte => Number.parseInt(byte, 16));

const refusing: Provider = {
  name: 'refusing',
  priority: 'post-kernel',
  process(work) {
    for (let handle = work.take(); handle >= 0; handle = work.take()) work.fail(handle, E.ENOSPC);
  },
};

const lines = [
  // Silent links: no router is asked for, no address is made up.
  'ip link add d0 type veth peer name d1',
  'ip link set d0 addrgenmode none',
  'ip link set d1 addrgenmode none',
  'ip link set d0 up',
  'ip link set d1 up',
  'ip addr add 10.1.0.1/24 dev d0',
  'ip addr add 2001:db8::1/64 dev d0 nodad',
  'ip addr add 10.5.0.1/24 dev d0 scope link label d0:x noprefixroute',
  'ip addr add 2001:db8:5::1/64 dev d0 nodad noprefixroute home',
  'ip link add bridge0 type bridge',
  'ip link add port type veth peer name port-far',
  'ip link set port master bridge0',
  'ip link add vx type vxlan id 10 dstport 4789 local 10.1.0.1 nolearning',
  'bridge fdb add 02:00:00:00:01:01 dev port master static',
  'bridge fdb add 02:00:00:00:01:02 dev vx dst 10.7.0.1 self',
  'ip neigh add 10.1.0.50 lladdr 02:00:00:00:00:50 dev d0 nud permanent protocol 186',
  'ip rule add priority 100 from 10.0.0.0/8 table 5 protocol 186',
  'ip nexthop add id 1 via 10.1.0.2 dev d0 protocol 11',
  'ip nexthop add id 2 via 10.1.0.3 dev d0 protocol 11',
  'ip nexthop add id 3 group 1 protocol 11',
  'ip nexthop add id 4 via 10.9.0.1 fdb protocol 11',
  'ip nexthop add id 5 via 10.9.0.2 fdb protocol 11',
  'ip nexthop add id 6 group 4 fdb protocol 11',
  'ip route add 20.0.0.0/24 nhid 1 proto 186 metric 20',
];

describe('what a later provider refuses', () => {
  const lab = new Lab();
  let ns: Namespace;
  let world: KernelWorld;
  let count = 0;
  const index: Record<string, number> = {};

  before(async () => {
    ns = await lab.namespace('back');
    for (const line of lines) await ns.run(...(line.split(' ') as [string]));
    for (const name of ['d0', 'port', 'vx', 'bridge0']) index[name] = await ifindexOf(ns, name);
    world = new KernelWorld(ns, { providers: [refusing] });
    await world.ready();
  });

  after(async () => {
    await world?.close();
    await lab.close();
  });

  /** All that there is, as iproute2 tells it. */
  async function shown(): Promise<unknown> {
    const bridge = JSON.parse(await ns.run('bridge', '-j', 'fdb')) as unknown;
    const asked = [
      ['addr'],
      ['-N', 'neigh', 'show', 'nud', 'permanent'],
      ['-N', 'rule'],
      ['-N', 'route', 'show', 'table', 'all'],
      ['-6', '-N', 'route', 'show', 'table', 'all'],
      ['-N', 'nexthop'],
    ];
    const told = await Promise.all(asked.map(async words => await ns.ipJson<unknown>(...(words as [string]))));
    return [bridge, ...told];
  }

  /** FLAG_* of the result; the kernel has what it had, unless nobody could say what that was. */
  async function refused(op: number, fill: Fill): Promise<number> {
    const had = await shown();
    const object = ++count;
    world.send(op, object, fill);
    const [result] = (await world.results(object)).slice(object - 1);
    assert.deepEqual([result!.object, result!.errno, result!.provider], [object, E.ENOSPC, 2]);
    if ((result!.flags & FLAG_UNDO_FAILED) === 0) assert.deepEqual(await shown(), had);
    return result!.flags & (FLAG_UNDO_FAILED | FLAG_ALREADY);
  }

  const address =
    (local: string, length: number, rest: Partial<AddressValue> = {}): Fill =>
    (pool, handle) => {
      const family = local.includes(':') ? 10 : 2;
      const ends = { local: words(local), peer: words(local), length };
      pool.setAddress(handle, { ifindex: index['d0']!, family, ...ends, flags: 0, scope: 0, label: '', ...rest });
    };

  test('addresses: those that come, those that were there, and those that went with all that was set of them', async () => {
    assert.equal(await refused(OP_ADDRESS_INSTALL, address('10.6.0.1', 24)), 0);
    assert.equal(await refused(OP_ADDRESS_INSTALL, address('2001:db8:6::1', 64, { flags: c.IFA_F_NODAD })), 0);
    assert.equal(await refused(OP_ADDRESS_INSTALL, address('10.1.0.1', 24)), FLAG_ALREADY);
    assert.equal(await refused(OP_ADDRESS_INSTALL, address('2001:db8::1', 64)), FLAG_ALREADY);
    const quiet = { scope: 253, label: 'd0:x', flags: c.IFA_F_NOPREFIXROUTE };
    assert.equal(await refused(OP_ADDRESS_DELETE, address('10.5.0.1', 24, quiet)), 0);
    const home = c.IFA_F_NODAD | c.IFA_F_NOPREFIXROUTE | c.IFA_F_HOMEADDRESS;
    assert.equal(await refused(OP_ADDRESS_DELETE, address('2001:db8:5::1', 64, { flags: home })), 0);
    assert.equal(await refused(OP_ADDRESS_DELETE, address('10.77.0.1', 24)), FLAG_ALREADY);
  });

  const neighbor =
    (ip: string, lladdr: string, rest: Partial<NeighborValue> = {}): Fill =>
    (pool, handle) => {
      const entry = { ifindex: index['d0']!, family: 2, address: words(ip), state: c.NUD_PERMANENT, flags: 0 };
      const more = { extendedFlags: 0, mac: lladdr === '' ? new Uint8Array(0) : mac(lladdr), protocol: 186 };
      pool.setNeighbor(handle, { ...entry, ...more, ...rest });
    };

  const linkAddress = async (ip: string): Promise<unknown> =>
    (await ns.ipJson<{ lladdr: string }[]>('neigh', 'show', ip))[0]?.lladdr;

  test('neighbours', async () => {
    assert.equal(await refused(OP_NEIGHBOR_INSTALL, neighbor('10.1.0.51', '02:00:00:00:00:51')), 0);
    assert.equal(await refused(OP_NEIGHBOR_DELETE, neighbor('10.1.0.50', '02:00:00:00:00:50')), 0);
    assert.equal(await refused(OP_NEIGHBOR_DELETE, neighbor('10.1.0.99', '02:00:00:00:00:50')), FLAG_ALREADY);
    const asking = { state: c.NUD_INCOMPLETE, flags: c.NTF_USE };
    assert.equal(await refused(OP_NEIGHBOR_DISCOVER, neighbor('10.1.0.70', '', asking)), 0);
    const over = FLAG_ALREADY | FLAG_UNDO_FAILED;
    assert.equal(await refused(OP_NEIGHBOR_INSTALL, neighbor('10.1.0.50', '02:00:00:00:00:56')), over);
    assert.equal(await linkAddress('10.1.0.50'), '02:00:00:00:00:56');
    assert.equal(await refused(OP_NEIGHBOR_UPDATE, neighbor('10.1.0.50', '02:00:00:00:00:55')), FLAG_UNDO_FAILED);
  });

  test('the source of SRv6 packets, of which nobody knows what it was', async () => {
    // Behind an address and before one, whose messages go by another socket.
    for (const [object, op, fill] of [
      [++count, OP_ADDRESS_INSTALL, address('10.8.0.1', 24)],
      [++count, OP_SRV6_SOURCE_SET, address('2001:db8::7', 128)],
    ] as const)
      world.send(op, object, fill);
    assert.equal(await refused(OP_ADDRESS_INSTALL, address('10.8.0.2', 24)), 0);
    const [, source] = (await world.results(count)).slice(-3);
    assert.deepEqual([source!.errno, source!.flags & FLAG_UNDO_FAILED], [E.ENOSPC, FLAG_UNDO_FAILED]);
    assert.match(await ns.run('ip', 'sr', 'tunsrc', 'show'), /addr 2001:db8::7\n/);
    assert.equal(await refused(OP_SRV6_SOURCE_SET, address('::', 128)), FLAG_UNDO_FAILED);
    assert.match(await ns.run('ip', 'sr', 'tunsrc', 'show'), /addr ::\n/);
  });

  const fdb =
    (name: string, lladdr: string, rest: Partial<FdbValue>): Fill =>
    (pool, handle) => {
      const tunnel = { tunnelFamily: 0, tunnel: words('0.0.0.0'), port: 0, vni: 0, viaIfindex: 0, sourceVni: 0 };
      const entry = { state: c.NUD_NOARP, flags: c.NTF_MASTER, extendedFlags: 0, protocol: 0, master: 0, vlan: 0 };
      pool.setFdb(handle, { ifindex: index[name]!, mac: mac(lladdr), ...entry, ...tunnel, nexthopId: 0, ...rest });
    };
  const behind = (end: string): Partial<FdbValue> => ({
    flags: c.NTF_SELF,
    state: c.NUD_PERMANENT,
    tunnelFamily: 2,
    tunnel: words(end),
  });

  test('forwarding entries', async () => {
    assert.equal(await refused(OP_FDB_INSTALL, fdb('port', '02:00:00:00:01:09', {})), 0);
    assert.equal(await refused(OP_FDB_DELETE, fdb('port', '02:00:00:00:01:01', {})), 0);
    assert.equal(await refused(OP_FDB_INSTALL, fdb('vx', '02:00:00:00:01:08', behind('10.7.0.2'))), 0);
    assert.equal(await refused(OP_FDB_INSTALL, fdb('vx', '00:00:00:00:00:00', behind('10.7.0.2'))), 0);
    assert.equal(await refused(OP_FDB_DELETE, fdb('vx', '02:00:00:00:01:02', behind('10.7.0.1'))), 0);
    const over = FLAG_ALREADY | FLAG_UNDO_FAILED;
    assert.equal(await refused(OP_FDB_INSTALL, fdb('port', '02:00:00:00:01:01', {})), over);
    assert.equal(await refused(OP_FDB_INSTALL, fdb('vx', '02:00:00:00:01:02', behind('10.7.0.3'))), over);
    assert.match(await ns.run('bridge', 'fdb'), /02:00:00:00:01:02 dev vx dst 10.7.0.3/);
    assert.match(await ns.run('bridge', 'fdb'), /02:00:00:00:01:01 dev port/);
    assert.equal(await refused(OP_FDB_UPDATE, fdb('vx', '02:00:00:00:01:02', behind('10.7.0.2'))), FLAG_UNDO_FAILED);
  });

  const rule =
    (priority: number): Fill =>
    (pool, handle) => {
      const from = { source: words('10.0.0.0'), sourceLength: 8, destination: words('0.0.0.0'), destinationLength: 0 };
      const rest = { mark: 0, markMask: 0, inverted: false, protocol: 186, inputInterface: '', outputInterface: '' };
      const value: RuleValue = { family: 2, priority, action: 1, table: 5, ...from, ...rest };
      pool.setRule(handle, value);
    };

  test('rules', async () => {
    assert.equal(await refused(OP_RULE_INSTALL, rule(101)), 0);
    assert.equal(await refused(OP_RULE_INSTALL, rule(100)), FLAG_ALREADY);
    assert.equal(await refused(OP_RULE_DELETE, rule(100)), 0);
    assert.equal(await refused(OP_RULE_DELETE, rule(777)), FLAG_ALREADY);
  });

  test('nexthop objects and groups, of routes and of tunnel ends', async () => {
    assert.equal(
      await refused(OP_NEXTHOP_INSTALL, (pool, handle) => {
        pool.setNexthop(handle, 50, 2, 11);
        pool.setPath(handle, index['d0']!, 2, ...words('10.1.0.9'), 0, 1);
      }),
      0,
    );
    const group =
      (id: number, old: readonly number[], now: readonly number[], flags = 0): Fill =>
      (pool, handle) => {
        pool.setNexthop(handle, id, 0, 11);
        pool.setMembers(
          handle,
          now,
          now.map(() => 2),
        );
        pool.setFlags(handle, pool.flags(handle) | flags);
        if (old.length > 0)
          pool.setOldMembers(
            handle,
            old,
            old.map(() => 1),
          );
      };
    assert.equal(await refused(OP_NEXTHOP_INSTALL, group(51, [], [1, 2])), 0);
    assert.equal(await refused(OP_NEXTHOP_UPDATE, group(3, [1], [1, 2])), 0);
    assert.equal(await refused(OP_NEXTHOP_UPDATE, group(6, [4], [4, 5], FLAG_TUNNEL_ENDS)), 0);
    assert.equal(
      await refused(OP_NEXTHOP_DELETE, (pool, handle) => pool.setNexthop(handle, 2, 2, 11)),
      FLAG_UNDO_FAILED,
    );
  });

  test('routes', async () => {
    const route =
      (prefix: string, id: number, old: number): Fill =>
      (pool, handle) => {
        pool.setRoute(handle, 254, 2, ...words(prefix), 24, 186, 1, 20, id);
        pool.setOldNexthopId(handle, old);
      };
    assert.equal(await refused(OP_ROUTE_INSTALL, route('20.1.0.0', 1, 0)), 0);
    assert.equal(await refused(OP_ROUTE_UPDATE, route('20.0.0.0', 3, 1)), 0);
    assert.equal(await refused(OP_ROUTE_DELETE, route('20.0.0.0', 0, 1)), 0);
  });

  test('links', async () => {
    const link =
      (rest: Partial<LinkValue>): Fill =>
      (pool, handle) => {
        const empty = { ifindex: 0, name: '', flags: 0, mtu: 0, mac: new Uint8Array(0), hardwareType: 0 };
        pool.setLink(handle, { ...empty, link: 0, master: 0, operState: 0, detail: NO_DETAIL, ...rest });
      };
    assert.equal(await refused(OP_LINK_CREATE, link({ name: 'fresh', detail: { ...NO_DETAIL, kind: 'bridge' } })), 0);
    const wider: Fill = (pool, handle) =>
      pool.setLinkChange(handle, { ifindex: index['d0']!, flags: 0, change: 0, mtu: 1400 });
    assert.equal(await refused(OP_LINK_SET, wider), FLAG_UNDO_FAILED);
    assert.equal(await refused(OP_LINK_DELETE, link({ ifindex: index['bridge0']! })), FLAG_UNDO_FAILED);
  });

  test('is not put down to the kernel where nobody said what there was before', () => {
    assert.deepEqual(world.dataplane.kernel.refusals, []);
  });
});
