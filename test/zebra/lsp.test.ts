// Label-switched paths over a model of the kernel: what is wanted of a label, and that the kernel has it whatever happens.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { NO_DETAIL } from '../../src/dataplane/index.ts';
import { parsePrefix } from '../../src/net/index.ts';
import { rtnetlink as c } from '../../src/netlink/index.ts';
import { LSP_BGP, LSP_LDP, LSP_SHARP, LSP_STATIC } from '../../src/zapi/index.ts';
import { interfaceNexthop, type Nexthop, ROUTE_BGP, ROUTE_STATIC } from '../../src/zebra/index.ts';
import { lspJson, showLsps } from '../../src/zebra/show/mpls.ts';
import { KIND_ALL, KIND_LABEL, type KernelPath } from '../../src/zebra/plane.ts';
import { Bench } from './lib.ts';

const RTPROT_STATIC = 4;
const OURS = 196;

/** Interfaces 2 (192.0.2.1/24) and 3 (198.51.100.1/24). */
class Stage extends Bench {
  constructor() {
    super();
    this.link(2, 'eth0', '192.0.2.1/24');
    this.link(3, 'eth1', '198.51.100.1/24');
  }

  push(address: string, ...labels: number[]): Nexthop {
    return { ...this.via(address), encap: { type: c.LWTUNNEL_ENCAP_MPLS, labels } };
  }

  get lsps(): typeof this.zebra.mpls.lsps {
    return this.zebra.mpls.lsps;
  }

  /** What the kernel has, as `ip -f mpls route` would say it. */
  labels(): Record<string, string> {
    const text = ({ gatewayFamily, gateway, ifindex, encap }: KernelPath): string => {
      const labels =
        encap !== undefined && encap.type === c.LWTUNNEL_ENCAP_MPLS ? `as to ${encap.labels.join('/')} ` : '';
      const word = gateway[0]!;
      const octets = [24, 16, 8, 0].map(shift => (word >>> shift) & 255).join('.');
      return `${labels}${gatewayFamily === 0 ? '' : `via ${octets} `}dev ${ifindex}`;
    };
    return Object.fromEntries(
      [...this.kernel.labels].map(([label, { protocol, paths }]) => [
        label,
        `${paths.map(text).join(', ')} proto ${protocol}`,
      ]),
    );
  }
}

describe('what is wanted of a label', () => {
  test('goes to the kernel as its next hops resolve, with what else is pushed on the way', () => {
    const stage = new Stage();
    stage.lsps.add(100, LSP_STATIC, [stage.push('192.0.2.9', 200)], 0);
    stage.lsps.add(101, LSP_STATIC, [stage.push('192.0.2.9', 3)], 0);
    stage.lsps.add(102, LSP_STATIC, [stage.push('10.0.0.1', 300)], 0);
    stage.settle();
    assert.deepEqual(stage.labels(), {
      100: 'as to 200 via 192.0.2.9 dev 2 proto 196',
      101: 'via 192.0.2.9 dev 2 proto 196',
    });
    // A route to the gateway comes, and has a label of its own.
    stage.add('10.0.0.0/24', ROUTE_STATIC, [stage.push('198.51.100.9', 77)], 1);
    stage.settle();
    assert.equal(stage.labels()[102], 'as to 77/300 via 198.51.100.9 dev 3 proto 196');
    stage.kernel.setLink(2, false);
    stage.settle();
    assert.deepEqual(Object.keys(stage.labels()), ['102']);
    stage.kernel.setLink(2, true);
    stage.settle();
    assert.equal(stage.labels()[100], 'as to 200 via 192.0.2.9 dev 2 proto 196');
    const messages = stage.kernel.labelMessages;
    stage.lsps.add(100, LSP_STATIC, [stage.push('192.0.2.9', 200)], 0);
    stage.settle();
    assert.equal(stage.kernel.labelMessages, messages, 'the same again costs nothing');
  });

  test('is what the best type says, with all of its next hops, in the order in which they were said', () => {
    const stage = new Stage();
    const { lsps } = stage;
    lsps.add(100, LSP_LDP, [stage.push('192.0.2.1', 29), stage.push('192.0.2.7', 17)], 1);
    lsps.add(100, LSP_BGP, [stage.push('192.0.2.8', 18), stage.push('198.51.100.8', 19)], 2);
    stage.settle();
    assert.equal(stage.labels()[100], 'as to 18 via 192.0.2.8 dev 2, as to 19 via 198.51.100.8 dev 3 proto 186');
    lsps.add(100, LSP_BGP, [stage.push('192.0.2.8', 20)], 2);
    stage.settle();
    assert.equal(stage.labels()[100], 'as to 20 via 192.0.2.8 dev 2, as to 19 via 198.51.100.8 dev 3 proto 186');
    assert.equal(lsps.remove(100, LSP_BGP, [stage.push('192.0.2.8', 99)]), true);
    assert.equal(lsps.remove(100, LSP_BGP, [stage.push('192.0.2.8', 20)]), false);
    stage.settle();
    assert.equal(stage.labels()[100], 'as to 19 via 198.51.100.8 dev 3 proto 186');
    // A type of which nothing can be used counts for nothing: 192.0.2.1 is this host.
    lsps.set(100, LSP_STATIC, [stage.push('192.0.2.1', 25)], 0);
    stage.settle();
    assert.equal(stage.labels()[100], 'as to 19 via 198.51.100.8 dev 3 proto 186');
    lsps.dropOwner(2);
    stage.settle();
    assert.equal(stage.labels()[100], 'as to 17 via 192.0.2.7 dev 2 proto 193');
    assert.match(showLsps(stage.zebra), /^ 100 +Static +192\.0\.2\.1 +25 +\n 100 +LDP +192\.0\.2\.7 +17 +\n 100 +LDP/m);
    lsps.set(100, LSP_LDP, [], 1);
    lsps.set(100, LSP_STATIC, [], 0);
    stage.settle();
    assert.deepEqual(stage.labels(), {});
    assert.equal(lsps.size, 0);
    // Nothing is left of their sets either.
    assert.deepEqual(
      [...stage.zebra.sets].filter(set => set.holds > 0),
      [],
    );
  });

  test('may be the table of a VRF, whose device goes and comes, and takes another name', () => {
    const stage = new Stage();
    const { kernel, zebra } = stage;
    const vrf = (ifindex: number, name: string): void =>
      kernel.addLink(ifindex, name, true, { detail: { ...NO_DETAIL, kind: 'vrf', kindId: 10 } });
    kernel.addLink(1, 'lo', true);
    vrf(9, 'red');
    stage.settle();
    assert.equal(zebra.mpls.vrfs.say(8, 1, 50, LSP_BGP, 1), false, 'there is no such VRF');
    assert.equal(zebra.mpls.vrfs.say(9, 1, 50, LSP_BGP, 1), true);
    zebra.mpls.vrfs.say(9, 2, 50, LSP_BGP, 1);
    zebra.mpls.vrfs.say(0, 1, 51, LSP_BGP, 1);
    stage.settle();
    assert.deepEqual(stage.labels(), { 50: 'dev 9 proto 186', 51: 'dev 1 proto 186' });
    assert.match(showLsps(zebra), /^ 50 +BGP +red +- +$/m);
    assert.deepEqual(lspJson(zebra, stage.lsps.get(50)!), {
      inLabel: 50,
      installed: true,
      nexthops: [{ type: 'BGP', outLabel: 3, outLabelStack: [3], distance: 20, installed: true, interface: 'red' }],
    });
    // One family less, and the other still has it.
    zebra.mpls.vrfs.say(9, 1, undefined, LSP_BGP, 1);
    stage.settle();
    assert.equal(stage.labels()[50], 'dev 9 proto 186');
    kernel.removeLink(9);
    stage.settle();
    assert.deepEqual(stage.labels(), { 51: 'dev 1 proto 186' });
    vrf(12, 'red');
    stage.settle();
    assert.equal(stage.labels()[50], 'dev 12 proto 186');
    // Its client says it again of the new number, and takes it back of the old one.
    zebra.mpls.vrfs.say(12, 2, 52, LSP_BGP, 1);
    zebra.mpls.vrfs.say(9, 2, undefined, LSP_BGP, 1);
    kernel.changeLink(12, { name: 'crimson' });
    stage.settle();
    assert.deepEqual(stage.labels(), { 51: 'dev 1 proto 186', 52: 'dev 12 proto 186' });
    zebra.mpls.dropOwner(1);
    stage.settle();
    assert.deepEqual(stage.labels(), {});
  });

  test('may not be the tables of two VRFs: it is that of the first, and then of the other', () => {
    const stage = new Stage();
    const { kernel, zebra } = stage;
    for (const [ifindex, name] of [
      [9, 'red'],
      [12, 'blue'],
    ] as const)
      kernel.addLink(ifindex, name, true, { detail: { ...NO_DETAIL, kind: 'vrf', kindId: ifindex } });
    stage.settle();
    zebra.mpls.vrfs.say(9, 1, 50, LSP_BGP, 1);
    zebra.mpls.vrfs.say(12, 1, 50, LSP_BGP, 2);
    stage.settle();
    assert.deepEqual(stage.labels(), { 50: 'dev 9 proto 186' });
    assert.equal(zebra.mpls.vrfs.whose(50, LSP_BGP), 9);
    zebra.mpls.vrfs.say(9, 1, 51, LSP_BGP, 1);
    stage.settle();
    assert.deepEqual(stage.labels(), { 50: 'dev 12 proto 186', 51: 'dev 9 proto 186' });
    zebra.mpls.vrfs.say(12, 1, 51, LSP_BGP, 2);
    zebra.mpls.dropOwner(1);
    stage.settle();
    assert.deepEqual(stage.labels(), { 51: 'dev 12 proto 186' });
  });

  test('may be pushed on the packets of somebody else’s route', () => {
    const stage = new Stage();
    const { zebra, kernel } = stage;
    const route = { prefix: parsePrefix('10.0.0.2/32')!, routeType: ROUTE_STATIC, instance: 0 };
    const pushed = (): string[] =>
      kernel
        .ours()
        .flatMap(({ nexthopId }) =>
          (kernel.groups.get(nexthopId) ?? []).map(({ id }) => {
            const { encap } = kernel.nexthops.get(id)!.path;
            return encap !== undefined && encap.type === c.LWTUNNEL_ENCAP_MPLS ? encap.labels.join('/') : '-';
          }),
        )
        .sort();
    zebra.mpls.routes.add(route, LSP_LDP, [stage.push('192.0.2.9', 40)], 1);
    stage.add('10.0.0.2/32', ROUTE_STATIC, [stage.via('192.0.2.9'), stage.via('192.0.2.8')], 1, 0, 5);
    stage.add('10.0.0.2/32', ROUTE_BGP, [stage.via('192.0.2.9')], 20);
    stage.settle();
    assert.deepEqual(pushed(), ['-', '40']);
    zebra.mpls.routes.add(route, LSP_LDP, [stage.push('192.0.2.9', 41), stage.push('192.0.2.7', 42)], 1);
    stage.settle();
    assert.deepEqual(pushed(), ['-', '41']);
    // Announced again as it was, it is as it was.
    const messages = kernel.routeMessages;
    stage.add('10.0.0.2/32', ROUTE_STATIC, [stage.via('192.0.2.9'), stage.via('192.0.2.8')], 1, 0, 5);
    stage.settle();
    assert.equal(kernel.routeMessages, messages);
    // Another route of its own through it.
    stage.add('10.9.0.0/16', ROUTE_BGP, [stage.push('10.0.0.2', 500)], 200);
    stage.settle();
    assert.deepEqual(pushed(), ['-', '41', '41/500', '500']);
    stage.remove('10.9.0.0/16', ROUTE_BGP);
    zebra.mpls.routes.remove(route, LSP_BGP, [stage.push('192.0.2.9', 41)]);
    stage.settle();
    assert.deepEqual(pushed(), ['-', '41'], 'it is LDP that says so');
    zebra.mpls.dropOwner(1);
    stage.settle();
    assert.deepEqual(pushed(), ['-', '-']);
    assert.equal(zebra.mpls.routes.size, 0);
    assert.equal(zebra.rib.dress, undefined);
    const t = zebra.rib.table(0, 2);
    const id = t.prefixes.find(...route.prefix.words, 32);
    for (let row = t.first[id]!; row >= 0; row = t.next[row]!)
      assert.ok(t.type[row] !== ROUTE_STATIC || t.owner[row] === 5);
    assert.deepEqual(
      [...zebra.sets].filter(set => set.holds > 0),
      [],
    );
  });
});

describe('the kernel’s label table', () => {
  test('is repaired: an entry that somebody deletes or replaces comes back, one of somebody else stays', () => {
    const stage = new Stage();
    const { kernel } = stage;
    stage.lsps.add(100, LSP_STATIC, [stage.push('192.0.2.9', 200)], 0);
    stage.settle();
    const wanted = stage.labels();
    kernel.deleteLabel(100);
    stage.settle();
    assert.deepEqual(stage.labels(), wanted);
    const other: KernelPath = { ...kernel.labels.get(100)!.paths[0]!, ifindex: 3 };
    kernel.writeLabel(100, RTPROT_STATIC, [other]);
    stage.settle();
    assert.deepEqual(stage.labels(), wanted);
    kernel.writeLabel(101, RTPROT_STATIC, [other]);
    stage.settle();
    stage.lsps.set(100, LSP_STATIC, [], 0);
    stage.settle();
    assert.deepEqual(Object.keys(stage.labels()), ['101']);
    // Under our own number somebody writes what nobody asked us for.
    kernel.writeLabel(102, OURS, [other]);
    stage.settle();
    assert.deepEqual(Object.keys(stage.labels()), ['101']);
  });

  test('is tried again where it refused', () => {
    const stage = new Stage();
    stage.kernel.platformLabels = 100;
    stage.lsps.add(100, LSP_STATIC, [stage.push('192.0.2.9', 200)], 0);
    stage.settle();
    assert.deepEqual(stage.labels(), {});
    assert.doesNotMatch(JSON.stringify(lspJson(stage.zebra, stage.lsps.get(100)!)), /installed/);
    stage.kernel.platformLabels = 1000;
    stage.advance(200);
    stage.settle();
    assert.deepEqual(Object.keys(stage.labels()), ['100']);
    // What was refused says nothing of what is wanted next.
    stage.kernel.refuse = () => 12;
    stage.lsps.add(100, LSP_STATIC, [stage.push('192.0.2.9', 201)], 0);
    stage.settle();
    stage.kernel.refuse = () => 0;
    stage.lsps.add(100, LSP_STATIC, [stage.push('192.0.2.9', 202)], 0);
    stage.settle();
    assert.equal(stage.labels()[100], 'as to 202 via 192.0.2.9 dev 2 proto 196');
  });

  test('of an earlier life is adopted, and what nobody asks for is swept', () => {
    const stage = new Stage();
    stage.lsps.add(100, LSP_STATIC, [stage.push('192.0.2.9', 200)], 0);
    stage.lsps.add(101, LSP_BGP, [stage.push('192.0.2.9', 201)], 1);
    stage.lsps.add(102, LSP_LDP, [stage.push('192.0.2.9', 202)], 2);
    stage.settle();
    const before = stage.labels();
    const messages = stage.kernel.labelMessages;
    stage.restart();
    assert.deepEqual(stage.labels(), before);
    stage.lsps.add(100, LSP_STATIC, [stage.push('192.0.2.9', 200)], 0);
    // BGP's next hop is not there yet: what is in the kernel may be what it means.
    stage.lsps.add(101, LSP_BGP, [stage.push('10.0.0.1', 201)], 1);
    stage.settle();
    assert.deepEqual(stage.labels(), before);
    assert.equal(stage.kernel.labelMessages, messages, 'what was there costs nothing');
    stage.zebra.sweep();
    stage.settle();
    assert.deepEqual(Object.keys(stage.labels()), ['100']);
    assert.equal(stage.lsps.stale, 0);
  });

  test('loses nothing in silence: a device that is one of two goes for good', () => {
    const stage = new Stage();
    const both = [stage.push('192.0.2.9', 200), stage.push('198.51.100.9', 201)];
    stage.lsps.add(100, LSP_STATIC, both, 0);
    stage.settle();
    stage.kernel.removeLink(3);
    stage.settle();
    assert.equal(stage.labels()[100], 'as to 200 via 192.0.2.9 dev 2 proto 196');
    assert.equal(stage.kernel.labels.get(100)!.paths.length, 1);
    // Another one takes its place before anybody looks.
    stage.link(3, 'eth1', '198.51.100.1/24');
    stage.lsps.set(100, LSP_STATIC, [interfaceNexthop(2), interfaceNexthop(3)], 0);
    stage.settle();
    assert.equal(stage.labels()[100], 'dev 2, dev 3 proto 196');
    stage.kernel.removeLink(3);
    stage.kernel.addLink(3, 'eth1', true);
    stage.settle();
    assert.equal(stage.labels()[100], 'dev 2, dev 3 proto 196');
  });

  test('is written once more where something happened while it was written', () => {
    const stage = new Stage();
    const { kernel, zebra } = stage;
    const write = (out: number): void => {
      stage.lsps.add(100, LSP_STATIC, [stage.push('192.0.2.9', out)], 0);
      stage.work();
      kernel.serve();
      kernel.labels.delete(100);
    };
    const check = (what: string, text: string | undefined): void => {
      stage.settle();
      assert.equal(stage.labels()[100], text, what);
    };
    // It is heard of before the result comes, whichever came first.
    write(200);
    zebra.labelGone(100);
    check('somebody deleted it', 'as to 200 via 192.0.2.9 dev 2 proto 196');
    write(201);
    zebra.label(100, RTPROT_STATIC, () => []);
    check('somebody replaced it', 'as to 201 via 192.0.2.9 dev 2 proto 196');
    write(202);
    zebra.mpls.lsps.deviceGone(2);
    check('its device went', 'as to 202 via 192.0.2.9 dev 2 proto 196');
    write(203);
    zebra.dumpBegin(KIND_LABEL);
    while (zebra.receive());
    zebra.dumpEnd(KIND_LABEL);
    check('a dump began', 'as to 203 via 192.0.2.9 dev 2 proto 196');
    // Written since the dump began, it may be missing in it.
    zebra.dumpBegin(KIND_LABEL);
    stage.lsps.add(100, LSP_STATIC, [stage.push('192.0.2.9', 204)], 0);
    stage.settle();
    const messages = kernel.labelMessages;
    zebra.dumpEnd(KIND_LABEL);
    check('a dump ended', 'as to 204 via 192.0.2.9 dev 2 proto 196');
    assert.equal(kernel.labelMessages, messages);
    // The other way round: what is not wanted any more.
    stage.lsps.set(100, LSP_STATIC, [], 0);
    stage.work();
    kernel.serve();
    zebra.label(100, OURS, () => []);
    kernel.labels.set(100, { protocol: OURS, paths: [] });
    check('somebody wrote it', undefined);
  });

  test('is told to followers, and told again', () => {
    const stage = new Stage();
    const { kernel } = stage;
    stage.lsps.add(100, LSP_STATIC, [stage.push('192.0.2.9', 200)], 0);
    stage.settle();
    const follower = kernel.follow(7);
    const serve = (): void => {
      for (let i = 0; i < 20; i++) {
        stage.settle();
        follower.serve();
      }
    };
    serve();
    assert.equal(follower.complete, 1);
    assert.deepEqual(follower.labels, kernel.labels);
    stage.lsps.add(101, LSP_BGP, [interfaceNexthop(3)], 1);
    stage.lsps.set(100, LSP_STATIC, [], 0);
    serve();
    assert.deepEqual([...follower.labels.keys()], [101]);
    assert.deepEqual(follower.labels, kernel.labels);
    follower.limit = 1;
    for (let label = 200; label < 230; label++) stage.lsps.add(label, LSP_BGP, [stage.push('192.0.2.9', label)], 1);
    serve();
    follower.replay();
    for (let i = 0; i < 40; i++) {
      stage.advance(20);
      serve();
    }
    assert.deepEqual(follower.labels, kernel.labels);
    assert.equal(stage.zebra.followers.states[0]!.labels, 31);
  });
});

// Any history ends with the kernel having what is wanted.
const LABELS = [100, 101, 102];
const GATEWAYS = ['192.0.2.7', '192.0.2.8', '198.51.100.9', '10.0.0.1'];
const TYPES = [LSP_STATIC, LSP_BGP, LSP_SHARP];

type Operation =
  | { kind: 'set'; label: number; type: number; gateways: number[]; out: number }
  | { kind: 'delete' | 'foreign' | 'write'; label: number }
  | { kind: 'link'; link: number; up: boolean }
  | { kind: 'overrun' | 'restart' | 'sweep' }
  | { kind: 'route'; on: boolean }
  | { kind: 'refuse'; errno: number; every: number }
  | { kind: 'step'; requests: number };

const at = fc.nat(LABELS.length - 1);
const operation: fc.Arbitrary<Operation> = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.record({
      kind: fc.constant('set' as const),
      label: at,
      type: fc.nat(TYPES.length - 1),
      gateways: fc.uniqueArray(fc.nat(GATEWAYS.length - 1), { maxLength: 3 }),
      out: fc.constantFrom(3, 500, 501),
    }),
  },
  {
    weight: 4,
    arbitrary: fc.record({ kind: fc.constantFrom('delete' as const, 'foreign' as const, 'write' as const), label: at }),
  },
  {
    weight: 3,
    arbitrary: fc.record({ kind: fc.constant('link' as const), link: fc.constantFrom(2, 3), up: fc.boolean() }),
  },
  {
    weight: 2,
    arbitrary: fc.record({ kind: fc.constantFrom('overrun' as const, 'sweep' as const, 'restart' as const) }),
  },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('route' as const), on: fc.boolean() }) },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant('refuse' as const),
      errno: fc.constantFrom(0, 12, 22),
      every: fc.integer({ min: 1, max: 3 }),
    }),
  },
  { weight: 10, arbitrary: fc.record({ kind: fc.constant('step' as const), requests: fc.nat(4) }) },
);

/** The order of a label's paths is not a difference. */
function sorted(text: string): string {
  const [paths = '', protocol] = text.split(' proto ');
  return `${paths.split(', ').sort().join(', ')} proto ${protocol}`;
}

class History {
  readonly stage = new Stage();
  /** By label and type: gateways and the label that goes out. */
  readonly wanted: Map<string, { label: number; type: number; gateways: readonly string[]; out: number }> = new Map();
  readonly up: Set<number> = new Set([2, 3]);
  route = false;

  do(one: Operation): void {
    const { stage } = this;
    const { kernel } = stage;
    const label = LABELS['label' in one ? one.label : 0]!;
    switch (one.kind) {
      case 'set': {
        const type = TYPES[one.type]!;
        const gateways = one.gateways.map(i => GATEWAYS[i]!);
        this.wanted.set(`${label}/${type}`, { label, type, gateways, out: one.out });
        stage.lsps.set(
          label,
          type,
          gateways.map(gateway => stage.push(gateway, one.out)),
          0,
        );
        break;
      }
      case 'delete':
        kernel.deleteLabel(label);
        break;
      case 'foreign':
      case 'write': {
        const path = {
          gatewayFamily: 0 as const,
          gateway: [0, 0, 0, 0] as const,
          ifindex: 2,
          blackhole: false,
          onlink: false,
          weight: 1,
        };
        kernel.writeLabel(label, one.kind === 'write' ? OURS : RTPROT_STATIC, [path]);
        break;
      }
      case 'link':
        if (one.up) this.up.add(one.link);
        else this.up.delete(one.link);
        kernel.setLink(one.link, one.up);
        break;
      case 'overrun':
        kernel.deaf = true;
        kernel.deleteLabel(label);
        stage.zebra.plane.requestResync(KIND_ALL);
        break;
      case 'sweep':
        stage.zebra.sweep();
        break;
      case 'restart': {
        // What was on its way or waits to be told does not outlive a zebra here.
        stage.settle();
        stage.restart();
        for (const { label: of, type, gateways, out } of this.wanted.values())
          stage.lsps.set(
            of,
            type,
            gateways.map(gateway => stage.push(gateway, out)),
            0,
          );
        if (this.route) this.#announce();
        break;
      }
      case 'route':
        this.route = one.on;
        if (one.on) this.#announce();
        else stage.remove('10.0.0.0/24', ROUTE_STATIC);
        break;
      case 'refuse': {
        let count = 0;
        kernel.refuse = () => (one.errno !== 0 && ++count % one.every === 0 ? one.errno : 0);
        break;
      }
      case 'step':
        stage.work();
        kernel.serve(one.requests);
        stage.zebra.receive();
        break;
    }
  }

  #announce(): void {
    this.stage.add('10.0.0.0/24', ROUTE_STATIC, [this.stage.push('198.51.100.4', 900)], 1);
  }

  rest(): void {
    const { stage } = this;
    stage.kernel.refuse = () => 0;
    stage.zebra.sweep();
    for (let i = 0; i < 12; i++) {
      stage.settle();
      stage.advance(40_000);
    }
    stage.settle();
  }

  /** The simple rules, label by label. */
  expected(): Record<string, string> {
    const out: Record<string, string> = {};
    for (const label of LABELS) {
      for (const type of TYPES) {
        const one = this.wanted.get(`${label}/${type}`);
        const paths = one?.gateways.flatMap(gateway => {
          const link = gateway.startsWith('192.') ? 2 : 3;
          if (!this.up.has(link) || (gateway.startsWith('10.') && !this.route)) return [];
          const labels = [...(gateway.startsWith('10.') ? [900] : []), ...(one.out === 3 ? [] : [one.out])];
          const via = gateway.startsWith('10.') ? '198.51.100.4' : gateway;
          return [`${labels.length === 0 ? '' : `as to ${labels.join('/')} `}via ${via} dev ${link}`];
        });
        if (paths === undefined || paths.length === 0) continue;
        const protocol = type === LSP_STATIC ? OURS : type === LSP_BGP ? 186 : 194;
        out[label] = sorted(`${paths.join(', ')} proto ${protocol}`);
        break;
      }
    }
    return out;
  }

  actual(): Record<string, string> {
    const all = Object.entries(this.stage.labels());
    const ours = all.filter(([, text]) => !text.endsWith(` proto ${RTPROT_STATIC}`));
    return Object.fromEntries(ours.map(([label, text]) => [label, sorted(text)]));
  }
}

test('after any disturbance, the kernel has of each label what is wanted', () => {
  fc.assert(
    fc.property(fc.array(operation, { minLength: 3, maxLength: 40, size: 'max' }), operations => {
      const history = new History();
      for (const one of operations) history.do(one);
      history.rest();
      assert.deepEqual(history.actual(), history.expected());
      assert.equal(history.stage.lsps.inFlight, 0);
    }),
    { numRuns: 1000 },
  );
});
