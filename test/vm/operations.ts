// Operations of the dataplane that need a kernel with MPLS, VRFs and local SIDs: each goes in, shows in iproute2 as asked, is told
// of others only, and is taken back, or said to be in doubt, where a later provider refuses it.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import {
  type ContextPool,
  FLAG_UNDO_FAILED,
  type LinkValue,
  NO_DETAIL,
  notificationHandler,
  OP_LABEL_DELETE,
  OP_LABEL_INSTALL,
  OP_LABEL_UPDATE,
  OP_LINK_CREATE,
  OP_LINK_DELETE,
  OP_LINK_SET,
  OP_NEXTHOP_INSTALL,
  OP_ROUTE_DELETE,
  OP_ROUTE_INSTALL,
  type Provider,
} from '../../src/dataplane/index.ts';
import { parseAddress } from '../../src/net/index.ts';
import { type Encap, rtnetlink as c } from '../../src/netlink/index.ts';
import { E } from '../../src/sys/index.ts';
import { ifindexOf, KernelWorld } from '../dataplane/kernel-world.ts';
import { Lab, type Namespace } from '../lib/netns.ts';

export const MODULES: readonly string[] = ['dummy', 'vrf', 'mpls_router', 'mpls_iptunnel'];

type Fill = (pool: ContextPool, handle: number) => void;
type Words = [number, number, number, number];

const words = (text: string): Words => [...parseAddress(text)!.words] as Words;
const LIMIT_MS = 60_000;

/** Runs inside. */
export function suite(): void {
  describe('operations of the dataplane', tests);
}

function tests(): void {
  const lab = new Lab();
  let ns: Namespace;
  let world: KernelWorld;
  let device = 0;
  let sent = 0;
  let refuses = false;
  const heard: string[] = [];
  const ip = (line: string): Promise<string> => ns.run('ip', ...line.split(' '));

  const refusing: Provider = {
    name: 'refusing',
    priority: 'post-kernel',
    process(work) {
      for (let handle = work.take(); handle >= 0; handle = work.take()) {
        if (refuses) work.fail(handle, E.ENOSPC);
        else work.finish(handle);
      }
    },
  };

  before(async () => {
    ns = await lab.namespace('ops');
    for (const line of ['link add du0 type dummy', 'link set du0 up', 'address add 192.0.2.1/24 dev du0'])
      await ip(line);
    await ns.run('sysctl', '-q', '-w', 'net.mpls.platform_labels=1000', 'net.vrf.strict_mode=1');
    device = await ifindexOf(ns, 'du0');
    world = new KernelWorld(ns, { providers: [refusing] });
    const told = notificationHandler({
      label: ({ label, paths }, { gone }) => void heard.push(`${gone ? 'no ' : ''}${label} by ${paths.length}`),
      link: ({ name, detail }, { gone }) =>
        void heard.push(`${gone ? 'no ' : ''}${name} ${detail.kind} ${detail.kindId}`),
    });
    world.watch = (pool, handle) => told(pool, handle);
    await world.ready();
  });
  after(async () => {
    await world?.close();
    await lab.close();
  });

  /** errno, and FLAG_UNDO_FAILED where it has it. */
  async function done(op: number, fill: Fill): Promise<[number, number]> {
    const object = ++sent;
    world.send(op, object, fill);
    await world.until(() => world.outcomes.length >= object, `result ${object}`, LIMIT_MS);
    const { errno, flags } = world.outcomes[object - 1]!;
    return [errno, flags & FLAG_UNDO_FAILED];
  }

  async function refused(op: number, fill: Fill): Promise<[number, number]> {
    refuses = true;
    const result = await done(op, fill);
    refuses = false;
    return result;
  }

  const label =
    (number: number, ...paths: readonly { via: string; out?: readonly number[] }[]): Fill =>
    (pool, handle) => {
      pool.setLabel(handle, number, 186);
      let slot = handle;
      for (const [i, { via, out }] of paths.entries()) {
        if (i > 0) slot = pool.addPath(slot);
        pool.setPath(slot, device, 2, ...words(via), 0, 1);
        if (out !== undefined) assert.ok(pool.setEncap(slot, { type: c.LWTUNNEL_ENCAP_MPLS, labels: out }));
      }
      if (paths.length > 0) pool.setCount(handle, paths.length);
    };

  /** By label: what it is replaced by and where it goes. */
  async function inKernel(): Promise<Record<string, string[]>> {
    interface Hop {
      readonly to?: string;
      readonly via?: { readonly host: string };
    }
    const routes = await ns.ipJson<(Hop & { dst: string; nexthops?: Hop[] })[]>('-f', 'mpls', 'route');
    const hop = ({ to = '-', via }: Hop): string => `${to} ${via?.host ?? ''}`;
    return Object.fromEntries(routes.map(({ dst, nexthops, ...one }) => [dst, (nexthops ?? [one]).map(hop)]));
  }

  test('labels are swapped, popped, spread, replaced and deleted, and none of that is told as somebody else’s', async () => {
    heard.length = 0;
    assert.deepEqual(await done(OP_LABEL_INSTALL, label(100, { via: '192.0.2.2', out: [200, 201] })), [0, 0]);
    assert.deepEqual(await done(OP_LABEL_INSTALL, label(101, { via: '192.0.2.3' })), [0, 0]);
    const two = [{ via: '192.0.2.2', out: [300] }, { via: '192.0.2.3' }];
    assert.deepEqual(await done(OP_LABEL_INSTALL, label(102, ...two)), [0, 0]);
    assert.deepEqual(await inKernel(), {
      100: ['200/201 192.0.2.2'],
      101: ['- 192.0.2.3'],
      102: ['300 192.0.2.2', '- 192.0.2.3'],
    });
    assert.deepEqual(await done(OP_LABEL_UPDATE, label(100, { via: '192.0.2.9', out: [210] })), [0, 0]);
    assert.deepEqual(await done(OP_LABEL_DELETE, label(101)), [0, 0]);
    // The kernel does not say that there was none.
    assert.deepEqual(await done(OP_LABEL_DELETE, label(101)), [0, 0]);
    assert.deepEqual(await done(OP_LABEL_INSTALL, label(1000, { via: '192.0.2.2' })), [E.EINVAL, 0]);
    assert.deepEqual(await inKernel(), { 100: ['210 192.0.2.9'], 102: ['300 192.0.2.2', '- 192.0.2.3'] });
    await ip('-f mpls route add 500 as 600 via inet 192.0.2.2 dev du0');
    await ip('-f mpls route del 500');
    await world.until(
      () => heard.includes('no 500 by 1'),
      () => heard.join(', '),
      LIMIT_MS,
    );
    assert.deepEqual(heard, ['500 by 1', 'no 500 by 1']);
  });

  test('a label that a later provider refuses goes again; one that is changed or deleted is in doubt', async () => {
    const had = await inKernel();
    assert.deepEqual(await refused(OP_LABEL_INSTALL, label(110, { via: '192.0.2.2', out: [200] })), [E.ENOSPC, 0]);
    assert.deepEqual(await inKernel(), had);
    assert.deepEqual(await refused(OP_LABEL_INSTALL, label(100, { via: '192.0.2.4' })), [E.ENOSPC, FLAG_UNDO_FAILED]);
    assert.deepEqual((await inKernel())[100], ['- 192.0.2.4']);
    assert.deepEqual(await refused(OP_LABEL_UPDATE, label(100, { via: '192.0.2.2' })), [E.ENOSPC, FLAG_UNDO_FAILED]);
    assert.deepEqual(await refused(OP_LABEL_DELETE, label(102)), [E.ENOSPC, FLAG_UNDO_FAILED]);
  });

  const link = (rest: Partial<LinkValue>): Fill => {
    const empty = { ifindex: 0, name: '', flags: 0, mtu: 0, mac: new Uint8Array(0), hardwareType: 0 };
    return (pool, handle) =>
      void pool.setLink(handle, { ...empty, link: 0, master: 0, operState: 0, detail: NO_DETAIL, ...rest });
  };

  test('a VRF is made, gets a port and a route in its table, and goes', async () => {
    heard.length = 0;
    const red = link({ name: 'red', flags: c.IFF_UP, detail: { ...NO_DETAIL, kind: 'vrf', kindId: 10 } });
    assert.deepEqual(await refused(OP_LINK_CREATE, red), [E.ENOSPC, 0]);
    assert.ok(!(await ip('-br link')).includes('red'));
    assert.deepEqual(await done(OP_LINK_CREATE, red), [0, 0]);
    await world.until(
      () => heard.includes('red vrf 10'),
      () => heard.join(', '),
      LIMIT_MS,
    );
    const vrf = await ifindexOf(ns, 'red');
    const into =
      (master: number): Fill =>
      (pool, handle) =>
        pool.setLinkChange(handle, { ifindex: device, flags: 0, change: 0, master });
    assert.deepEqual(await done(OP_LINK_SET, into(vrf)), [0, 0]);
    const prefix: Fill = (pool, handle) => pool.setRoute(handle, 10, 2, ...words('10.9.0.0'), 24, 186, 1, 20, 0);
    const route: Fill = (pool, handle) => {
      prefix(pool, handle);
      pool.setPath(handle, device, 2, ...words('192.0.2.7'), 0, 1);
    };
    assert.deepEqual(await done(OP_ROUTE_INSTALL, route), [0, 0]);
    const [shown] = await ns.ipJson('route', 'show', 'vrf', 'red', '10.9.0.0/24');
    assert.deepEqual([shown!['gateway'], shown!['dev']], ['192.0.2.7', 'du0']);
    assert.deepEqual(await done(OP_ROUTE_DELETE, prefix), [0, 0]);
    assert.deepEqual(await done(OP_LINK_SET, into(0)), [0, 0]);
    assert.deepEqual(await done(OP_LINK_DELETE, link({ ifindex: vrf })), [0, 0]);
    assert.ok(!(await ip('-br link')).includes('red'));
  });

  test('a local SID of a VRF and an encapsulation over segments go in by object, and by paths of their own', async () => {
    await ip('link add blue type vrf table 20');
    await ip('link set blue up');
    const blue = await ifindexOf(ns, 'blue');
    const sid: Encap = { type: c.LWTUNNEL_ENCAP_SEG6_LOCAL, action: c.SEG6_LOCAL_ACTION_END_DT4, vrfTable: 20 };
    const segments: Encap = {
      type: c.LWTUNNEL_ENCAP_SEG6,
      mode: c.SEG6_IPTUN_MODE_ENCAP,
      segments: [words('fc00::1'), words('fc00::2')],
    };
    const prefix = (pool: ContextPool, handle: number, id: number): void =>
      pool.setRoute(handle, 254, 10, ...words('fc00::100'), 128, 186, 1, 20, id);
    const own: Fill = (pool, handle) => {
      prefix(pool, handle, 0);
      pool.setPath(handle, blue, 0, 0, 0, 0, 0, 0, 1);
      assert.ok(pool.setEncap(handle, sid));
    };
    assert.deepEqual(await refused(OP_ROUTE_INSTALL, own), [E.ENOSPC, 0]);
    assert.deepEqual(await ns.ipJson('-6', 'route', 'show', 'fc00::100'), []);
    assert.deepEqual(await done(OP_ROUTE_INSTALL, own), [0, 0]);
    const [first] = await ns.ipJson('-6', 'route', 'show', 'fc00::100');
    assert.deepEqual([first!['action'], first!['vrftable']], ['End.DT4', '20']);
    const object: Fill = (pool, handle) => {
      pool.setNexthop(handle, 7, 10, 11);
      pool.setPath(handle, device, 0, 0, 0, 0, 0, 0, 1);
      assert.ok(pool.setEncap(handle, segments));
    };
    assert.deepEqual(await done(OP_NEXTHOP_INSTALL, object), [0, 0]);
    assert.deepEqual(await done(OP_ROUTE_INSTALL, (pool, handle) => prefix(pool, handle, 7)), [0, 0]);
    const [second] = await ns.ipJson('-6', 'route', 'show', 'fc00::100');
    assert.deepEqual([second!['nhid'], second!['encap'], second!['segs']], [7, 'seg6', ['fc00::1', 'fc00::2']]);
  });
}
