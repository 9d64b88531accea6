// A small world for property tests: random clients, links, foreign hands and refusals against the model of the kernel; when
// everybody has come to rest, the kernel must have exactly what a slow and simple model of selection and resolution says.
import assert from 'node:assert/strict';
import fc from 'fast-check';
import { AF_INET, type AddressWords, maskWord } from '../../src/net/index.ts';
import {
  blackholeNexthop,
  gatewayNexthop,
  interfaceNexthop,
  type Nexthop,
  type NexthopSet,
  ROUTE_BGP,
  ROUTE_STATIC,
} from '../../src/zebra/index.ts';
import { type FakeRoute, routeKey } from './fake-kernel.ts';
import { Bench } from './lib.ts';

// A small world: two links, gateways on them, gateways behind static routes, and some twenty prefixes.
export const LINKS = [
  { ifindex: 2, word: 0xc0000201, length: 24 },
  { ifindex: 3, word: 0xc6336401, length: 24 },
] as const;
const GATEWAYS = [0xc0000209, 0xc000020a, 0xc6336409, 0x0a010005, 0x0a020005, 0x14000001, 0x0a010105];
export const PREFIXES: readonly (readonly [number, number])[] = [
  [0, 0],
  [0x0a000000, 8],
  [0x0a010000, 16],
  [0x0a020000, 16],
  [0x0a010100, 24],
  [0x0a030000, 16],
  [0x14000000, 8],
  [0x14000000, 24],
  [0xc0000200, 25],
  [0x1e000000, 8],
  [0x1e010000, 16],
  [0x1e020000, 16],
];

interface Wanted {
  prefix: readonly [number, number];
  type: number;
  distance: number;
  members: readonly Nexthop[];
  order: number;
}

export type Operation =
  | { kind: 'add'; prefix: number; type: number; members: readonly number[] }
  | { kind: 'remove'; prefix: number; type: number }
  | { kind: 'link'; link: number; up: boolean }
  | { kind: 'steal'; at: number }
  | { kind: 'stealNexthop'; at: number }
  | { kind: 'overrun' }
  | { kind: 'sweep' }
  | { kind: 'objects'; on: boolean }
  | { kind: 'refuse'; errno: number; every: number }
  | { kind: 'step'; requests: number };

export const operation: fc.Arbitrary<Operation> = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.record({
      kind: fc.constant('add' as const),
      prefix: fc.nat(PREFIXES.length - 1),
      type: fc.constantFrom(ROUTE_STATIC, ROUTE_BGP),
      members: fc.uniqueArray(fc.nat(GATEWAYS.length + 2), { minLength: 1, maxLength: 3 }),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constant('remove' as const),
      prefix: fc.nat(PREFIXES.length - 1),
      type: fc.constantFrom(ROUTE_STATIC, ROUTE_BGP),
    }),
  },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('link' as const), link: fc.nat(1), up: fc.boolean() }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('steal' as const), at: fc.nat(30) }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('stealNexthop' as const), at: fc.nat(30) }) },
  { weight: 1, arbitrary: fc.constant({ kind: 'overrun' as const }) },
  { weight: 1, arbitrary: fc.constant({ kind: 'sweep' as const }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('objects' as const), on: fc.boolean() }) },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant('refuse' as const),
      errno: fc.constantFrom(0, 105, 12, 22),
      every: fc.integer({ min: 1, max: 4 }),
    }),
  },
  { weight: 8, arbitrary: fc.record({ kind: fc.constant('step' as const), requests: fc.nat(6) }) },
);

function memberOf(n: number): Nexthop {
  if (n < GATEWAYS.length) return gatewayNexthop(AF_INET, [GATEWAYS[n]!, 0, 0, 0]);
  if (n === GATEWAYS.length) return blackholeNexthop();
  return interfaceNexthop(LINKS[n - GATEWAYS.length - 1]!.ifindex);
}

export class World {
  readonly bench: Bench = new Bench();
  readonly wanted: Map<string, Wanted> = new Map();
  readonly up: boolean[] = [true, true];
  #order = 0;

  constructor() {
    this.bench.link(2, 'eth0', '192.0.2.1/24');
    this.bench.link(3, 'eth1', '198.51.100.1/24');
  }

  do(one: Operation): void {
    const { kernel, zebra } = this.bench;
    switch (one.kind) {
      case 'add': {
        const prefix = PREFIXES[one.prefix]!;
        const members = one.members.map(memberOf);
        const distance = one.type === ROUTE_STATIC ? 1 : 20;
        this.wanted.set(`${one.prefix}/${one.type}`, {
          prefix,
          type: one.type,
          distance,
          members,
          order: this.#order++,
        });
        const set = zebra.nexthops.intern(0, AF_INET, members, true);
        zebra.rib.add(0, AF_INET, prefix[0], 0, 0, 0, prefix[1], one.type, 0, 1, distance, 0, 0, set, 0);
        break;
      }
      case 'remove': {
        const prefix = PREFIXES[one.prefix]!;
        this.wanted.delete(`${one.prefix}/${one.type}`);
        zebra.rib.remove(0, AF_INET, prefix[0], 0, 0, 0, prefix[1], one.type, 0, -1, 0);
        break;
      }
      case 'link':
        this.up[one.link] = one.up;
        kernel.setLink(LINKS[one.link]!.ifindex, one.up);
        break;
      case 'steal': {
        const keys = [...kernel.routes.keys()];
        if (keys.length > 0) kernel.deleteRoute(keys[one.at % keys.length]!);
        break;
      }
      case 'stealNexthop': {
        const ids = [...kernel.nexthops.keys(), ...kernel.groups.keys()];
        if (ids.length > 0) kernel.deleteNexthop(ids[one.at % ids.length]!);
        break;
      }
      case 'overrun': {
        kernel.deaf = true;
        const keys = [...kernel.routes.keys()];
        if (keys.length > 0) kernel.deleteRoute(keys[0]!);
        zebra.plane.requestResync(15);
        break;
      }
      case 'sweep':
        zebra.sweep();
        break;
      case 'objects':
        zebra.setNexthopObjects({ kernel: one.on });
        break;
      case 'refuse': {
        let count = 0;
        kernel.refuse = () => (one.errno !== 0 && ++count % one.every === 0 ? one.errno : 0);
        break;
      }
      case 'step':
        this.bench.work();
        kernel.serve(one.requests);
        zebra.receive();
        break;
    }
  }

  rest(): void {
    this.bench.kernel.refuse = () => 0;
    this.bench.settle();
    for (let i = 0; i < 12; i++) {
      this.bench.advance(40_000);
      this.bench.settle();
    }
  }

  /** What zebra's own selection says of a prefix, checked member by member against the simple rules. */
  check(): void {
    const { kernel, zebra } = this.bench;
    const table = zebra.rib.table(0, AF_INET);
    const expected = new Map<string, string[]>();
    for (const [word, length] of PREFIXES) {
      const rows = [...this.wanted.values()]
        .filter(one => one.prefix[0] === word && one.prefix[1] === length)
        .toSorted((a, b) => a.distance - b.distance);
      for (const one of rows) {
        const set = this.setOf(one);
        if (set.held) continue; // two routes that are right only while the other is not
        const paths = this.resolve(set, one.members);
        assert.deepEqual(
          set.paths.map(path => pathText(path.gateway, path.gatewayFamily, path.ifindex, path.blackhole)).toSorted(),
          paths,
          `resolution of ${set.key}`,
        );
        if (paths.length === 0) continue;
        expected.set(routeKey(AF_INET, [word, 0, 0, 0], length, 20), paths);
        break;
      }
      const id = table.prefixes.find(word, 0, 0, 0, length);
      if (id >= 0) assert.equal(table.state[id]! & ~(32 | 64), 0, 'no work is left marked');
    }
    const actual = new Map(kernel.ours().map(route => [route.key, this.#pathsOf(route)]));
    assert.deepEqual(Object.fromEntries(actual), Object.fromEntries(expected));
    assert.equal(zebra.rib.walks.installedCount(), actual.size);
    assert.equal(zebra.objects.book.drift().length, 0);
    // Nothing is left over: each group serves a set with routes, each singleton a group.
    const used = new Set([...kernel.groups.values()].flat().map(member => member.id));
    for (const id of kernel.nexthops.keys()) assert.ok(used.has(id), `singleton ${id} is nobody's`);
    const { enabled, book } = zebra.objects;
    for (const route of kernel.ours()) {
      if (route.type === 1) assert.equal(route.nexthopId !== 0, enabled, `${route.key} has no paths of its own`);
    }
    if (!enabled) assert.equal(kernel.groups.size, 0, 'no object is left');
    for (const list of book.lists) assert.ok(!enabled && list.sets > 0, `list ${list.key} is nobody's`);
  }

  #pathsOf(route: FakeRoute): string[] {
    return route.type === 1 ? this.bench.kernel.pathsOf(route) : ['blackhole'];
  }

  setOf(one: Wanted): NexthopSet {
    const { sets } = this.bench.zebra;
    const set = sets.get(sets.intern(0, AF_INET, one.members, true));
    const [word, length] = one.prefix;
    const covers = one.members.some(
      member => member.gatewayFamily === AF_INET && (member.gateway[0] & maskWord(length)) >>> 0 === word,
    );
    return covers ? sets.get(sets.variant(set, { family: AF_INET, words: [word, 0, 0, 0], length })) : set;
  }

  /** The slow model: longest match by looking at every prefix, given what is selected elsewhere. */
  resolve(set: NexthopSet, members: readonly Nexthop[]): string[] {
    const { zebra } = this.bench;
    const table = zebra.rib.table(0, AF_INET);
    const out = new Set<string>();
    for (const member of members) {
      if (member.blackhole !== 0) out.add('blackhole');
      else if (member.gatewayFamily === 0) {
        const at = LINKS.findIndex(link => link.ifindex === member.ifindex);
        if (this.up[at]) out.add(pathText(member.gateway, 0, member.ifindex, 0));
      } else {
        const word = member.gateway[0];
        const covers: { id: number; length: number }[] = [];
        for (let id = 0; id < table.prefixes.limit; id++) {
          if (!table.prefixes.has(id) || table.selected[id]! < 0) continue;
          const length = table.prefixes.length[id]!;
          if (length > 0 && (word & maskWord(length)) >>> 0 === table.prefixes.w0[id]) covers.push({ id, length });
        }
        covers.sort((a, b) => b.length - a.length);
        for (const { id } of covers) {
          const row = table.selected[id]!;
          const cover = zebra.sets.get(table.set[row]!);
          const sameLength = table.prefixes.length[id] === set.except?.length;
          if (sameLength && table.prefixes.w0[id] === set.except?.words[0]) continue;
          if (cover === set || this.#through(cover.id, set.id)) continue;
          if (table.type[row] === 2) out.add(pathText(member.gateway, 2, cover.paths[0]!.ifindex, 0));
          else {
            for (const path of cover.paths) {
              if (path.blackhole !== 0) out.add('blackhole');
              else if (path.gatewayFamily === 0) out.add(pathText(member.gateway, 2, path.ifindex, 0));
              else out.add(pathText(path.gateway, path.gatewayFamily, path.ifindex, 0));
            }
          }
          break;
        }
      }
    }
    if (out.size > 1) out.delete('blackhole');
    return [...out].toSorted();
  }

  #through(from: number, to: number): boolean {
    const through = this.bench.zebra.sets.get(from).through;
    return through.has(to) || [...through].some(next => this.#through(next, to));
  }
}

function pathText(gateway: AddressWords, family: number, ifindex: number, blackhole: number): string {
  return blackhole !== 0 ? 'blackhole' : `${gateway.join('.')}/${family}%${ifindex}`;
}
