// VRFs: what is a VRF's own follows its device and its ports, in whatever order they are told.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { NO_DETAIL } from '../../src/dataplane/index.ts';
import { AF_INET, type Family, parseAddress, parsePrefix } from '../../src/net/index.ts';
import type { LinkFacts } from '../../src/zebra/plane.ts';
import { Bench } from './lib.ts';

const UP = 0x10043;

function facts(ifindex: number, name: string, more: Partial<LinkFacts> = {}): LinkFacts {
  return {
    ifindex,
    name,
    flags: UP,
    mtu: 1500,
    mac: new Uint8Array(6),
    hardwareType: 1,
    link: 0,
    master: 0,
    detail: NO_DETAIL,
    ...more,
  };
}

class Stage {
  readonly bench = new Bench();
  readonly zebra = this.bench.zebra;
  readonly heard: string[] = [];

  constructor() {
    this.bench.settle();
    this.zebra.vrfs.listen({
      came: ({ id, name, table }) => this.heard.push(`came ${id} ${name} ${table}`),
      gone: ({ name }) => this.heard.push(`gone ${name}`),
      renamed: ({ name }, before) => this.heard.push(`renamed ${before} ${name}`),
    });
  }

  device(ifindex: number, name: string, table: number): void {
    this.zebra.link(facts(ifindex, name, { detail: { ...NO_DETAIL, kind: 'vrf', kindId: table } }));
  }

  port(ifindex: number, name: string, master: number): void {
    this.zebra.link(facts(ifindex, name, { master }));
  }

  address(ifindex: number, text: string): void {
    const [address, length] = text.split('/');
    const { family, words } = parseAddress(address!)!;
    this.zebra.address({ ifindex, family, local: words, peer: words, length: Number(length), flags: 0, label: '' });
  }

  /** Prefixes of a VRF's table that have a route. */
  prefixes(vrf: number, family: Family = AF_INET): string[] {
    this.bench.settle();
    const { prefixes, first } = this.zebra.rib.table(vrf, family);
    const found: string[] = [];
    for (let id = 0; id < prefixes.limit; id++)
      if (prefixes.has(id) && first[id]! >= 0) found.push(prefixes.format(id));
    return found.sort();
  }
}

test('ports belong to their VRF, told before it or after, and their networks go with them', () => {
  const stage = new Stage();
  const { zebra } = stage;
  stage.port(5, 'eth5', 9);
  stage.address(5, '10.0.0.1/24');
  assert.deepEqual([zebra.interfaces.byIndex(5)!.vrf, stage.prefixes(0)], [0, ['10.0.0.0/24']]);
  stage.device(9, 'red', 10);
  assert.deepEqual(stage.heard, ['came 9 red 10']);
  assert.equal(zebra.interfaces.byIndex(5)!.vrf, 9);
  assert.deepEqual([stage.prefixes(0), stage.prefixes(9)], [[], ['10.0.0.0/24']]);
  stage.device(8, 'blue', 20);
  stage.port(6, 'eth6', 8);
  stage.address(6, '10.0.0.1/16');
  // The same address in each: of this host in both, and in no third one.
  const words = parseAddress('10.0.0.1')!.words;
  assert.deepEqual(
    [0, 8, 9].map(vrf => zebra.interfaces.isLocal(vrf, AF_INET, words)),
    [false, true, true],
  );
  assert.deepEqual(
    [8, 9].map(vrf => zebra.routerId.get(vrf, AF_INET)[0]),
    [words[0], words[0]],
  );
  stage.port(5, 'eth5', 8);
  assert.deepEqual([stage.prefixes(9), stage.prefixes(8)], [[], ['10.0.0.0/16', '10.0.0.0/24']]);
  assert.equal(zebra.routerId.get(9, AF_INET)[0], 0);
  // Without a word about the port, which the kernel has let go.
  zebra.linkGone(8);
  assert.deepEqual([stage.prefixes(8), stage.prefixes(0)], [[], ['10.0.0.0/16', '10.0.0.0/24']]);
  assert.deepEqual(stage.heard.slice(1), ['came 8 blue 20', 'gone blue']);
});

test('static routes are by the name of the VRF: they wait for it, and follow the name', () => {
  const stage = new Stage();
  const { zebra } = stage;
  const blackhole = { gateway: undefined, interface: undefined, blackhole: 1, onlink: false };
  const add = (vrf: string, text: string): void => void zebra.staticsOf(vrf).add(parsePrefix(text)!, blackhole, 1, 0);
  add('red', '20.0.0.0/24');
  add('blue', '20.1.0.0/24');
  stage.device(9, 'red', 10);
  assert.deepEqual(stage.prefixes(9), ['20.0.0.0/24']);
  stage.device(9, 'blue', 10);
  assert.deepEqual([stage.heard.at(-1), stage.prefixes(9)], ['renamed red blue', ['20.1.0.0/24']]);
  zebra.linkGone(9);
  assert.deepEqual(stage.prefixes(9), []);
  // Another device, the same table of the kernel's.
  stage.device(11, 'blue', 10);
  assert.deepEqual(stage.prefixes(11), ['20.1.0.0/24']);
  add('blue', '20.2.0.0/24');
  assert.deepEqual(stage.prefixes(11), ['20.1.0.0/24', '20.2.0.0/24']);
  zebra.forgetVrf('blue');
  assert.deepEqual(stage.prefixes(11), []);
});
