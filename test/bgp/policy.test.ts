import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  attributeAccess,
  BoundMap,
  CommunityList,
  EXTENDED_COMMUNITIES,
  formatCommunities,
  LARGE_COMMUNITIES,
  parseCommunities,
  PathRegex,
  PolicyLibrary,
  PrefixList,
  prefixListEntry,
  type SetAction,
  STANDARD_COMMUNITIES,
} from '../../src/bgp/policy/index.ts';
import { AttributeStore, type NextHopAddress, NexthopTable } from '../../src/bgp/rib/index.ts';
import {
  AF_INET,
  AF_INET6,
  containsPrefix,
  makePrefix,
  type Prefix,
  parsePrefix,
  PrefixTable,
} from '../../src/net/index.ts';

const p = (text: string): Prefix => parsePrefix(text)!;
const permits = (list: PrefixList, text: string): boolean => list.permits(...p(text).words, p(text).length);

test('a prefix-list entry matches by prefix and range of lengths', () => {
  const list = new PrefixList('P', AF_INET);
  list.set(prefixListEntry(5, true, p('10.0.0.0/8'), undefined, undefined));
  list.set(prefixListEntry(10, true, p('10.0.0.0/8'), undefined, 24));
  list.set(prefixListEntry(3, false, p('10.1.0.0/16'), undefined, 32));
  list.set(prefixListEntry(15, true, p('172.16.0.0/12'), 16, undefined));
  const cases: [string, boolean][] = [
    ['10.0.0.0/8', true],
    ['10.2.3.0/24', true],
    ['10.2.3.0/25', false],
    ['10.1.2.0/24', false],
    ['172.16.0.0/12', false],
    ['172.16.0.0/16', true],
    ['172.17.1.1/32', true],
    ['192.0.2.0/24', false],
  ];
  for (const [text, expected] of cases) assert.equal(permits(list, text), expected, text);
});

test('an empty prefix-list permits everything; bounds that cross are refused with the values', () => {
  assert.equal(permits(new PrefixList('P', AF_INET), '10.0.0.0/8'), true);
  assert.throws(
    () => prefixListEntry(5, true, p('10.0.0.0/8'), 4, undefined),
    /Invalid prefix range for 10\.0\.0\.0\/8/,
  );
  assert.throws(() => prefixListEntry(5, true, p('10.0.0.0/8'), 24, 20), RangeError);
});

test('a long prefix-list, which is indexed, answers as a walk over its entries would', () => {
  const entry = fc.record({
    word: fc.integer({ min: 0, max: 255 }).map(n => ((n & 0xf0) << 24) | ((n & 15) << 12)),
    length: fc.integer({ min: 0, max: 24 }),
    more: fc.integer({ min: 0, max: 8 }),
    ranged: fc.boolean(),
    permit: fc.boolean(),
  });
  fc.assert(
    fc.property(
      fc.array(entry, { minLength: 9, maxLength: 40 }),
      fc.array(entry, { maxLength: 20 }),
      (rows, routes) => {
        const list = new PrefixList('P', AF_INET);
        rows.forEach(({ word, length, more, ranged, permit }, i) => {
          const prefix = makePrefix(AF_INET, [word >>> 0, 0, 0, 0], length);
          list.set(prefixListEntry(i + 1, permit, prefix, undefined, ranged ? length + more : undefined));
        });
        for (const { word, length } of routes) {
          const route = makePrefix(AF_INET, [word >>> 0, 0, 0, 0], length);
          const decides = list.entries.find(one =>
            one.le === undefined
              ? one.prefix.length === route.length && containsPrefix(one.prefix, route)
              : route.length <= one.le && containsPrefix(one.prefix, route),
          );
          assert.equal(list.permits(...route.words, route.length), decides?.permit ?? false);
        }
      },
    ),
  );
});

test('AS path expressions mean what they mean on other routers', () => {
  const cases: [string, string, boolean][] = [
    ['^65001_', '65001 65002', true],
    ['^65001_', '650012', false],
    ['_65002$', '65001 65002', true],
    ['_65002_', '65001 65002 65003', true],
    ['_5002_', '65001 65002 65003', false],
    ['^$', '', true],
    ['^$', '1', false],
    ['.*', '', true],
    ['^[0-9]+$', '65001', true],
    ['^[0-9]+$', '65001 65002', false],
    ['^(65001|65002)(_[0-9]+)*$', '65002 7 8 9', true],
    ['_65003_', '65001 {65002,65003}', true],
    ['^65001( 65001){2}$', '65001 65001 65001', true],
    ['^[^6]', '7', true],
    ['^65001 ?$', '65001', true],
    ['65[0-9]{3}', '1 65123', true],
  ];
  for (const [source, path, expected] of cases) {
    assert.equal(new PathRegex(source).test(path), expected, `${source} on '${path}'`);
  }
  for (const bad of ['(', '*', '[', 'a)', '[z-a]', '\\']) assert.throws(() => new PathRegex(bad), SyntaxError, bad);
});

test('an expression agrees with a backtracking engine, and long paths cost it no more than their length', () => {
  const atom = fc.constantFrom('1', '2', '_', '.', '[12]', '^', '$', '(1|2 )', '(12)');
  const source = fc
    .array(fc.tuple(atom, fc.constantFrom('', '', '*', '+', '?')), { minLength: 1, maxLength: 5 })
    .map(parts => parts.map(([one, times]) => ('^$'.includes(one) ? one : one + times)).join(''));
  const path = fc.array(fc.constantFrom('1', '2', '12', ' '), { maxLength: 8 }).map(parts => parts.join(''));
  fc.assert(
    fc.property(source, path, (expression, text) => {
      const reference = new RegExp(expression.replaceAll('_', '(?:^|[,{}() ]|$)'));
      assert.equal(new PathRegex(expression).test(text), reference.test(text), `${expression} on '${text}'`);
    }),
    { numRuns: 500 },
  );
  const long = `${'65001 '.repeat(2000)}x`;
  assert.equal(new PathRegex('^((65001_)+)+$').test(long), false);
});

test('communities are read, shown and matched', () => {
  assert.equal(formatCommunities(parseCommunities('no-export 65001:2 65001:1 65001:1')), '65001:1 65001:2 no-export');
  assert.throws(() => parseCommunities('65001:70000'), /'65001:70000' is not a community/);
  const standard = new CommunityList(STANDARD_COMMUNITIES, 'S', false);
  standard.set(5, true, '65001:1 65001:2');
  assert.equal(standard.permits(parseCommunities('65001:1 65001:2 65001:3')), true);
  assert.equal(standard.permits(parseCommunities('65001:1')), false);
  assert.equal(standard.permits(parseCommunities('65001:1 65001:2 65001:3'), true), false);
  const expanded = new CommunityList(STANDARD_COMMUNITIES, 'E', true);
  expanded.set(5, false, '_65001:9_');
  expanded.set(10, true, '^65001:');
  assert.equal(expanded.permits(parseCommunities('65001:1')), true);
  assert.equal(expanded.permits(parseCommunities('65001:1 65001:9')), false);
});

const USE = {
  peer: '192.0.2.1',
  peerAddress: p('192.0.2.1/32'),
  localAs: 65010,
  defaultLocalPref: 100,
  random: Math.random,
};

interface World {
  library: PolicyLibrary;
  store: AttributeStore;
  prefixes: PrefixTable;
  bind: (name: string, peer?: string) => BoundMap;
  set: (asPath: number[], communities?: number[]) => number;
}

function world(): World {
  const library = new PolicyLibrary();
  const store = new AttributeStore(new NexthopTable());
  const prefixes = new PrefixTable(AF_INET);
  return {
    library,
    store,
    prefixes,
    bind: (name, peer = '192.0.2.1') =>
      new BoundMap(name, {
        ...USE,
        names: library,
        attributes: attributeAccess(store),
        prefixes,
        peer,
      }),
    set: (as, communities = []) =>
      store.encode({
        origin: 0,
        asPath: [{ type: 'sequence', as }],
        med: 10,
        communities,
        nextHop: { family: AF_INET, words: [0x0a000001, 0, 0, 0] },
      }),
  };
}

test('a route map applies the first clause that matches, goes on where told, and denies at the end', () => {
  const { library, store, prefixes, bind, set } = world();
  const map = library.needRouteMap('M');
  const list = library.needPrefixList(AF_INET, 'P');
  list.set(prefixListEntry(5, true, p('10.0.0.0/8'), undefined, 32));
  const ten = map.clause(10, true);
  ten.matches.set('p', { match: { kind: 'address', list: 'prefix-list', family: AF_INET, name: 'P' }, text: '' });
  ten.sets.set('l', { set: { kind: 'local-preference', sign: '', value: 300 }, text: '' });
  ten.onMatch = 'next';
  const twenty = map.clause(20, true);
  twenty.matches.set('m', { match: { kind: 'local-preference', value: 300 }, text: '' });
  twenty.sets.set('m', { set: { kind: 'metric', sign: '+', value: 5 }, text: '' });
  twenty.sets.set('p', { set: { kind: 'prepend', path: [1, 2] }, text: '' });
  twenty.sets.set('c', { set: { kind: 'community', values: [7], additive: true }, text: '' });
  const bound = bind('M');
  assert.equal(bound.perPrefix, true);
  const inside = prefixes.insert(0x0a010000, 0, 0, 0, 16);
  const outside = prefixes.insert(0xc0000200, 0, 0, 0, 24);
  const before = set([65001], [9]);
  const after = bound.apply(before, inside, 1);
  const { localPref, med, asPath, communities } = store.decode(after);
  assert.deepEqual(
    { localPref, med, path: asPath[0]?.as, communities },
    { localPref: 300, med: 15, path: [1, 2, 65001], communities: [7, 9] },
  );
  assert.equal(bound.apply(before, inside, 1), after, 'remembered');
  assert.equal(bound.apply(before, outside, 1), -1);
  assert.equal(map.invoked, 3);
  store.release(after);
  store.release(after);
  store.release(before);
  assert.equal(store.size, 0, 'nothing is held on to');
});

test('a call denies for its caller, an unknown list matches nothing, an unknown map denies', () => {
  const { library, store, bind, set } = world();
  const outer = library.needRouteMap('OUTER');
  outer.clause(10, true).call = 'INNER';
  const inner = library.needRouteMap('INNER').clause(10, true);
  inner.matches.set('a', { match: { kind: 'as-path', name: 'NONE' }, text: '' });
  const id = set([65001]);
  assert.equal(bind('OUTER').apply(id, -1, 1), -1);
  library.needAsPathList('NONE').set({ sequence: 5, permit: true, regex: new PathRegex('^65001$') });
  const bound = bind('OUTER');
  assert.deepEqual([...bound.depends].sort(), ['as-path NONE', 'route-map INNER', 'route-map OUTER']);
  assert.equal(bound.perPrefix, false);
  assert.equal(bound.apply(id, -1, 1), id);
  assert.equal(bind('NOBODY').apply(id, -1, 1), -1);
  store.release(id);
});

test('a clause for one peer is for that peer only', () => {
  const { library, bind, set } = world();
  const clause = library.needRouteMap('M').clause(10, true);
  clause.matches.set('peer', { match: { kind: 'peer', name: '192.0.2.1' }, text: '' });
  const id = set([1]);
  const bound = bind('M');
  assert.equal(bound.perPeer, true);
  assert.equal(bound.apply(id, -1, 1), id);
  assert.equal(bind('M', '192.0.2.2').apply(id, -1, 1), -1);
});

test('a set whose id was given to another is not mistaken for it', () => {
  const { library, store, bind, set } = world();
  const clause = library.needRouteMap('M').clause(10, true);
  clause.sets.set('l', { set: { kind: 'local-preference', sign: '', value: 300 }, text: '' });
  const bound = bind('M');
  const first = set([1]);
  store.release(bound.apply(first, -1, 1));
  while (store.sweep(1));
  store.release(first);
  while (store.sweep(1));
  const second = set([2]);
  assert.equal(second, first, 'the id is used again');
  const after = bound.apply(second, -1, 1);
  assert.deepEqual(store.decode(after).asPath[0]?.as, [2]);
});

test('an IPv6 next hop that policy sets has no link-local address of another, and one of each can be set', () => {
  const library = new PolicyLibrary();
  const store = new AttributeStore(new NexthopTable());
  const words = (text: string): Prefix['words'] => p(`${text}/128`).words;
  const came = { family: AF_INET6, words: words('2001:db8::1'), linkLocal: words('fe80::1') } as const;
  const before = store.encode({ asPath: [], nextHop: came });
  const after = (sets: readonly SetAction[]): NextHopAddress | undefined => {
    library.routeMaps.clear();
    const clause = library.needRouteMap('M').clause(10, true);
    sets.forEach((set, i) => clause.sets.set(String(i), { set, text: '' }));
    const bound = new BoundMap('M', {
      ...USE,
      names: library,
      attributes: attributeAccess(store),
      prefixes: new PrefixTable(AF_INET6),
      peerAddress: p('2001:db8::9/128'),
    });
    return store.decode(bound.apply(before, -1, 1)).nextHop;
  };
  const global = words('2001:db8::5');
  const linkLocal = words('fe80::5');
  const family = AF_INET6;
  assert.deepEqual(after([{ kind: 'next-hop', family, words: global }]), { family, words: global });
  assert.deepEqual(after([{ kind: 'next-hop-link-local', words: linkLocal }]), { ...came, linkLocal });
  assert.deepEqual(
    after([
      { kind: 'next-hop', family, words: global },
      { kind: 'next-hop-link-local', words: linkLocal },
    ]),
    { family, words: global, linkLocal },
  );
  assert.deepEqual(after([{ kind: 'next-hop-prefer-global' }]), { family, words: came.words });
  assert.deepEqual(after([{ kind: 'next-hop-peer', family }]), { family, words: words('2001:db8::9') });
  assert.deepEqual(after([{ kind: 'next-hop', family: AF_INET, words: [1, 0, 0, 0] }]), came, 'not of this family');
});

test('a probability is one for each route', () => {
  const { library, prefixes, set, store } = world();
  library
    .needRouteMap('M')
    .clause(10, true)
    .matches.set('p', { match: { kind: 'probability', percent: 25 }, text: '' });
  let drawn = 0;
  const bound = new BoundMap('M', {
    ...USE,
    names: library,
    attributes: attributeAccess(store),
    prefixes,
    random: () => (drawn++ % 4) / 4,
  });
  assert.equal(bound.perPrefix, true);
  const id = set([1]);
  const prefix = prefixes.insert(0x0a000000, 0, 0, 0, 8);
  const passed = Array.from({ length: 8 }, () => bound.apply(id, prefix, 1) === id);
  assert.deepEqual(passed, [true, false, false, false, true, false, false, false]);
});

test('extended and large communities are read, shown and in the order of their numbers', () => {
  const { parse, format, display } = EXTENDED_COMMUNITIES;
  const some = parse('soo 1.2.3.4:5 rt 4200000001:7 rt 65001:4294967295 RT 65001:1 rt 65001:1');
  assert.equal(format(some), 'rt 65001:1 rt 65001:4294967295 soo 1.2.3.4:5 rt 4200000001:7');
  assert.equal(display(some), 'RT:65001:1 RT:65001:4294967295 SoO:1.2.3.4:5 RT:4200000001:7');
  for (const bad of ['rt 1', 'rt 1:4294967296', 'rt 65536:65536', 'rt 1.2.3:4', 'rt', 'target 1:1']) {
    assert.throws(() => parse(bad), RangeError, bad);
  }
  const large = LARGE_COMMUNITIES.parse('2:0:0 10:0:0 1:4294967295:0 2:0:0');
  assert.equal(LARGE_COMMUNITIES.format(large), '1:4294967295:0 2:0:0 10:0:0');
  for (const bad of ['1:2', '1:2:3:4', '1:2:4294967296', '-1:2:3']) {
    assert.throws(() => LARGE_COMMUNITIES.parse(bad), RangeError, bad);
  }
});
