// Random work on the real kernel, with every fault there is injected between any two steps: what Grevy knows, what the model wants and
// what `ip -j` shows are one in the end.
//
//   want    the model changes: routes, nexthop objects and groups, addresses, neighbours, rules, links
//   ip      another process adds, replaces or deletes the same objects (EEXIST, ENOENT, and the kernel's silent removals)
//   flood   it changes hundreds of routes at once, for a receive buffer that holds a few (ENOBUFS)
//   fault   providers before and after the kernel fail, stall, delay or throw; one in a worker ends its thread
//   kill    the dataplane goes without a word, and another one begins
//
// GREVY_SEED and GREVY_RUNS repeat or lengthen it.
import assert from 'node:assert/strict';
import { type ChildProcess, execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { after, before, describe, test } from 'node:test';
import fc from 'fast-check';
import {
  closeDataplaneChannel,
  createDataplaneChannel,
  Dataplane,
  type DataplaneChannel,
  DataplaneClient,
  KIND_ADDRESS,
  KIND_LINK,
  KIND_NEIGHBOR,
  KIND_NEXTHOP,
  KIND_ROUTE,
  KIND_RULE,
  NO_DETAIL,
  OP_ADDRESS_DELETE,
  OP_ADDRESS_INSTALL,
  OP_LINK_CREATE,
  OP_LINK_DELETE,
  OP_LINK_SET,
  OP_NEIGHBOR_DELETE,
  OP_NEIGHBOR_INSTALL,
  OP_NEXTHOP_DELETE,
  OP_NEXTHOP_INSTALL,
  OP_ROUTE_DELETE,
  OP_ROUTE_INSTALL,
  OP_RULE_DELETE,
  OP_RULE_INSTALL,
  PROVIDER_UNDO,
  type TestFaults,
  TestProvider,
  WorkerStage,
} from '../../src/dataplane/index.ts';
import { parseAddress, parsePrefix } from '../../src/net/index.ts';
import { inNetworkNamespace } from '../../src/sys/index.ts';
import { Lab, type Namespace } from '../lib/netns.ts';
import { until } from '../lib/wait.ts';
import { type Item, KEPT, Owner, type Request } from './owner.ts';

const SEED = Number(process.env['GREVY_SEED'] ?? Math.trunc(Math.random() * 2 ** 31));
const RUNS = Number(process.env['GREVY_RUNS'] ?? 15);
const RECEIVE_BUFFER = 4096;
const OURS = 186;
/** RTPROT_BOOT: what ip(8) says of routes, and shows by saying nothing. */
const BOOT = 3;

// The objects ---------------------------------------------------------------------------------------------------------

function ways(...all: readonly (readonly [string, Request])[]): ReadonlyMap<string, Request> {
  return new Map(all);
}

function wordsOf(text: string): readonly [number, number, number, number] {
  return parseAddress(text)!.words as [number, number, number, number];
}

function linkSet(ifindex: number, mtu: number): Request {
  return { op: OP_LINK_SET, fill: (pool, handle) => pool.setLinkChange(handle, { ifindex, flags: 1, change: 1, mtu }) };
}

function link(name: string, ifindex: number): Item {
  const all = ways(['up mtu 1500', linkSet(ifindex, 1500)], ['up mtu 1400', linkSet(ifindex, 1400)]);
  return { key: `link ${name}`, kind: KIND_LINK, ways: all, remove: () => assert.fail('it stays'), always: true };
}

function bridge(name: string): Item {
  const request = (op: number): Request => ({
    op,
    fill: (pool, handle) =>
      void pool.setLink(handle, {
        ifindex: 0,
        name,
        flags: 0,
        mtu: 1500,
        mac: new Uint8Array(0),
        hardwareType: 0,
        link: 0,
        master: 0,
        operState: 0,
        detail: { ...NO_DETAIL, kind: 'bridge' },
      }),
  });
  return {
    key: `link ${name}`,
    kind: KIND_LINK,
    ways: ways(['down mtu 1500', request(OP_LINK_CREATE)]),
    remove: () => request(OP_LINK_DELETE),
  };
}

function address(text: string, device: string, ifindex: number): Item {
  const local = wordsOf(text);
  const request = (op: number): Request => ({
    op,
    fill: (pool, handle) =>
      pool.setAddress(handle, { ifindex, family: 2, local, peer: local, length: 24, flags: 0, scope: 0, label: '' }),
  });
  return {
    key: `addr ${text}/24 ${device}`,
    kind: KIND_ADDRESS,
    ways: ways(['there', request(OP_ADDRESS_INSTALL)]),
    remove: () => request(OP_ADDRESS_DELETE),
  };
}

function neighbor(text: string, device: string, ifindex: number): Item {
  const request = (op: number, last: number): Request => ({
    op,
    fill: (pool, handle) =>
      pool.setNeighbor(handle, {
        ifindex,
        family: 2,
        address: wordsOf(text),
        state: 0x80,
        flags: 0,
        mac: Uint8Array.of(2, 0, 0, 0, 0, last),
        extendedFlags: 0,
        protocol: 0,
      }),
  });
  return {
    key: `neigh ${text} ${device}`,
    kind: KIND_NEIGHBOR,
    ways: ways(
      ['02:00:00:00:00:01', request(OP_NEIGHBOR_INSTALL, 1)],
      ['02:00:00:00:00:02', request(OP_NEIGHBOR_INSTALL, 2)],
    ),
    remove: () => request(OP_NEIGHBOR_DELETE, 1),
  };
}

function rule(priority: number): Item {
  const source = `10.9.${priority - 1000}.0`;
  const request = (op: number): Request => ({
    op,
    fill: (pool, handle) =>
      void pool.setRule(handle, {
        family: 2,
        priority,
        action: 1,
        table: 100,
        source: wordsOf(source),
        sourceLength: 24,
        destination: [0, 0, 0, 0],
        destinationLength: 0,
        mark: 0,
        markMask: 0,
        inverted: false,
        protocol: OURS,
        inputInterface: '',
        outputInterface: '',
      }),
  });
  return {
    key: `rule ${priority} from ${source}/24`,
    kind: KIND_RULE,
    ways: ways(['lookup 100', request(OP_RULE_INSTALL)]),
    remove: () => request(OP_RULE_DELETE),
  };
}

function nexthop(id: number, device: string, ifindex: number, ...gateways: readonly string[]): Item {
  const one = (gateway: string): readonly [string, Request] => {
    const { family } = parseAddress(gateway)!;
    const fill: Request['fill'] = (pool, handle) => {
      pool.setNexthop(handle, id, family, 11);
      pool.setPath(handle, ifindex, family, ...wordsOf(gateway), 0, 1);
    };
    return [`via ${gateway} ${device}`, { op: OP_NEXTHOP_INSTALL, fill }];
  };
  return { key: `nexthop ${id}`, kind: KIND_NEXTHOP, ways: ways(...gateways.map(one)), remove: () => removal(id) };
}

function group(id: number, ...sets: readonly (readonly number[])[]): Item {
  const one = (members: readonly number[]): readonly [string, Request] => {
    const fill: Request['fill'] = (pool, handle) => {
      pool.setNexthop(handle, id, 0, 11);
      assert.ok(
        pool.setMembers(
          handle,
          members,
          members.map(() => 1),
        ),
      );
    };
    return [`group ${members.join('/')}`, { op: OP_NEXTHOP_INSTALL, fill }];
  };
  return { key: `nexthop ${id}`, kind: KIND_NEXTHOP, ways: ways(...sets.map(one)), remove: () => removal(id) };
}

function removal(id: number): Request {
  return { op: OP_NEXTHOP_DELETE, fill: (pool, handle) => pool.setNexthop(handle, id, 0, 11) };
}

function route(text: string, ...ids: readonly number[]): Item {
  const { family, words, length } = parsePrefix(text)!;
  const request = (op: number, id: number, protocol = OURS): Request => ({
    op,
    fill: (pool, handle) => {
      const type = op === OP_ROUTE_DELETE ? 0 : id === 0 ? 6 : 1;
      pool.setRoute(handle, 254, family, ...words, length, protocol, type, 20, id);
    },
  });
  const one = (id: number): readonly [string, Request] => [
    `${id === 0 ? 'blackhole' : `nhid ${id}`} proto ${OURS}`,
    request(OP_ROUTE_INSTALL, id),
  ];
  return {
    key: `route ${text} metric 20`,
    kind: KIND_ROUTE,
    ways: ways(...[...ids, 0].map(one)),
    remove: value => request(OP_ROUTE_DELETE, 0, Number(/proto (\d+)/.exec(value)![1])),
  };
}

/** What may be wanted or not, and what is always wanted in one way or another: others stand on it. */
function universe(l0: number, l1: number): { free: Item[]; base: Item[] } {
  const numbers = (count: number): number[] => [...Array(count).keys()];
  return {
    base: [
      link('l0', l0),
      link('l1', l1),
      address('10.0.0.1', 'l0', l0),
      address('10.0.1.1', 'l1', l1),
      nexthop(11, 'l0', l0, '10.0.0.2', '10.0.0.3'),
      nexthop(12, 'l0', l0, '10.0.0.4'),
      nexthop(13, 'l1', l1, '10.0.1.2', '10.0.1.3'),
      nexthop(14, 'l0', l0, 'fe80::2', 'fe80::3'),
      group(21, [11, 13], [12]),
      group(22, [14]),
    ],
    free: [
      bridge('br0'),
      bridge('br1'),
      address('10.0.0.11', 'l0', l0),
      address('10.0.1.11', 'l1', l1),
      address('10.5.0.1', 'l0', l0),
      ...numbers(3).map(i => neighbor(`10.0.0.${50 + i}`, 'l0', l0)),
      ...numbers(3).map(i => rule(1000 + i)),
      nexthop(31, 'l1', l1, '10.0.1.4', '10.0.1.5'),
      group(32, [11, 12, 13], [11]),
      ...numbers(6).map(i => route(`20.0.${i}.0/24`, 11, 21)),
      ...numbers(3).map(i => route(`2001:db8:${i + 1}::/48`, 14, 22)),
    ],
  };
}

const SHOWS = {
  addresses: 'addr',
  neighbors: '-4 neigh show nud permanent',
  rules: 'rule',
  nexthops: 'nexthop',
  routes: '-4 route show table 254',
  routes6: '-6 route show table 254',
} as const;

/** What `ip -j` shows, in the owner's words. */
function fromIp(): Map<number, Map<string, string>> {
  const script = Object.values(SHOWS).map(show => `ip -j -N ${show}; echo; echo --`);
  const texts = execFileSync('sh', ['-c', script.join('\n')], { encoding: 'utf8', maxBuffer: 1 << 26 }).split('--\n');
  const json = <T>(show: keyof typeof SHOWS): T[] =>
    JSON.parse(texts[Object.keys(SHOWS).indexOf(show)]!.trim() || '[]') as T[];
  const kinds = new Map<number, Map<string, string>>();
  const put = (kind: number, key: string, value: string): void => {
    if (!kinds.has(kind)) kinds.set(kind, new Map());
    assert.ok(!kinds.get(kind)!.has(key), `two of ${key}`);
    kinds.get(kind)!.set(key, value);
  };
  for (const kind of [KIND_LINK, KIND_ADDRESS, KIND_NEXTHOP, KIND_ROUTE, KIND_NEIGHBOR, KIND_RULE])
    kinds.set(kind, new Map());
  for (const one of json<{
    ifname: string;
    mtu: number;
    flags: string[];
    addr_info: { family: string; local: string; prefixlen: number }[];
  }>('addresses')) {
    put(KIND_LINK, `link ${one.ifname}`, `${one.flags.includes('UP') ? 'up' : 'down'} mtu ${one.mtu}`);
    for (const { family, local, prefixlen } of one.addr_info)
      if (family === 'inet') put(KIND_ADDRESS, `addr ${local}/${prefixlen} ${one.ifname}`, 'there');
  }
  for (const one of json<{ dst: string; dev: string; lladdr?: string; state: string[] }>('neighbors'))
    put(KIND_NEIGHBOR, `neigh ${one.dst} ${one.dev}`, one.lladdr ?? '');
  for (const one of json<{ priority: number; src: string; srclen?: number; table: string }>('rules')) {
    if (one.priority > 0 && one.priority < 32_766)
      put(KIND_RULE, `rule ${one.priority} from ${one.src}/${one.srclen ?? 32}`, `lookup ${one.table}`);
  }
  for (const one of json<{ id: number; gateway?: string; dev?: string; group?: { id: number }[] }>('nexthops')) {
    const members = one.group?.map(({ id }) => id).join('/');
    put(
      KIND_NEXTHOP,
      `nexthop ${one.id}`,
      members === undefined ? `via ${one.gateway} ${one.dev}` : `group ${members}`,
    );
  }
  for (const show of ['routes', 'routes6'] as const) {
    for (const one of json<{
      type?: string;
      dst: string;
      nhid?: number;
      gateway?: string;
      dev?: string;
      protocol?: string;
      metric?: number;
    }>(show)) {
      if (one.protocol === '2' || one.protocol === 'kernel') continue;
      const blackhole = one.type === '6' || one.type === 'blackhole';
      const how =
        one.nhid !== undefined ? `nhid ${one.nhid}` : blackhole ? 'blackhole' : `via ${one.gateway} ${one.dev}`;
      put(KIND_ROUTE, `route ${one.dst} metric ${one.metric ?? 0}`, `${how} proto ${one.protocol ?? BOOT}`);
    }
  }
  return kinds;
}

// The steps -------------------------------------------------------------------------------------------------------------

type Step =
  | { do: 'want'; item: number; way: number }
  | { do: 'ip'; line: string }
  | { do: 'flood'; from: number; count: number; add: boolean }
  | { do: 'fault'; where: 0 | 1; faults: TestFaults; throwIn: number }
  | { do: 'restart'; name: string }
  | { do: 'kill' }
  | { do: 'turns'; count: number };

const pick = (n: number): fc.Arbitrary<number> => fc.nat({ max: n - 1 });
const device = fc.constantFrom('l0', 'l1');
const line: fc.Arbitrary<string> = fc.oneof(
  fc
    .tuple(pick(6), fc.constantFrom('add', 'replace'))
    .map(([i, how]) => `route ${how} blackhole 20.0.${i}.0/24 metric 20 proto 4`),
  fc
    .tuple(pick(6), fc.constantFrom('add', 'replace'))
    .map(([i, how]) => `route ${how} 20.0.${i}.0/24 via 10.0.0.9 metric 20 proto 4`),
  fc
    .tuple(pick(6), fc.constantFrom('11', '21'))
    .map(([i, id]) => `route replace 20.0.${i}.0/24 nhid ${id} metric 20 proto ${OURS}`),
  pick(6).map(i => `route del 20.0.${i}.0/24 metric 20`),
  pick(3).map(i => `route del 2001:db8:${i + 1}::/48 metric 20`),
  pick(3).map(i => `route replace blackhole 2001:db8:${i + 1}::/48 metric 20 proto 4`),
  fc.constantFrom(11, 12, 13, 14, 21, 22, 31, 32).map(id => `nexthop del id ${id}`),
  fc.constantFrom(
    'nexthop replace id 11 via 10.0.0.7 dev l0',
    'nexthop replace id 21 group 12',
    'nexthop add id 31 via 10.0.1.4 dev l1',
  ),
  fc.constantFrom('nexthop flush', 'route flush proto 4', 'neigh flush dev l0 nud permanent'),
  fc.constantFrom('10.0.0.1', '10.0.0.11', '10.5.0.1').map(one => `addr del ${one}/24 dev l0`),
  fc.constantFrom('10.0.0.1', '10.0.0.11', '10.5.0.1').map(one => `addr add ${one}/24 dev l0`),
  pick(3).map(i => `neigh replace 10.0.0.${50 + i} lladdr 02:00:00:00:00:02 dev l0 nud permanent`),
  pick(3).map(i => `neigh del 10.0.0.${50 + i} dev l0`),
  pick(3).map(i => `rule add priority ${1000 + i} from 10.9.${i}.0/24 lookup 100 protocol ${OURS}`),
  pick(3).map(i => `rule del priority ${1000 + i}`),
  fc
    .tuple(device, fc.constantFrom('down', 'up', 'mtu 1400', 'mtu 1300'))
    .map(([name, how]) => `link set ${name} ${how}`),
  fc
    .tuple(pick(2), fc.constantFrom('add', 'del'))
    .map(([i, how]) => `link ${how} br${i}${how === 'add' ? ' type bridge' : ''}`),
);
const faults: fc.Arbitrary<TestFaults> = fc.oneof(
  fc.constant({}),
  fc.record({ failRate: fc.constantFrom(0.1, 0.5), failErrno: fc.constantFrom(2, 17, 105) }),
  fc.record({ failRate: fc.constant(0.3), undoFailRate: fc.constant(0.5) }),
  fc.record({ stallRate: fc.constantFrom(0.3, 0.9) }),
  fc.record({ delayMs: fc.constantFrom(1, 3) }),
);
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 12, arbitrary: fc.record({ do: fc.constant('want' as const), item: fc.nat(1000), way: fc.nat(20) }) },
  { weight: 10, arbitrary: fc.record({ do: fc.constant('ip' as const), line }) },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constant('flood' as const),
      from: fc.nat(300),
      count: fc.integer({ min: 50, max: 400 }),
      add: fc.boolean(),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      do: fc.constant('fault' as const),
      where: fc.constantFrom(0 as const, 1 as const),
      faults,
      throwIn: fc.oneof(
        { weight: 3, arbitrary: fc.constant(0) },
        { weight: 1, arbitrary: fc.integer({ min: 1, max: 20 }) },
      ),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({ do: fc.constant('restart' as const), name: fc.constantFrom('early', 'late', 'worker') }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('kill' as const) }) },
  { weight: 10, arbitrary: fc.record({ do: fc.constant('turns' as const), count: fc.nat(30) }) },
);

// The run -----------------------------------------------------------------------------------------------------------------

class Run {
  readonly owner: Owner;
  readonly base: readonly Item[];
  readonly all: readonly Item[];
  readonly #ns: Namespace;
  readonly #counts: Map<string, number>;
  #channel!: DataplaneChannel;
  readonly #other: ChildProcess;
  #dataplane: Dataplane | undefined;
  #providers: TestProvider[] = [];

  constructor(ns: Namespace, l0: number, l1: number, counts: Map<string, number>) {
    this.#ns = ns;
    this.#counts = counts;
    const { base, free } = universe(l0, l1);
    this.base = base;
    this.all = [...base, ...free];
    this.#other = ns.spawn(['sh'], { stdio: ['pipe', 'ignore', 'ignore'] });
    this.owner = new Owner(this.#begin(), this.all);
    for (const item of base) this.owner.wanted.set(item.key, [...item.ways.keys()][0]!);
  }

  #count(what: string, by = 1): void {
    this.#counts.set(what, (this.#counts.get(what) ?? 0) + by);
  }

  /** A dataplane with a provider on either side of the kernel that can be told to misbehave, and one in a worker that dies. */
  #begin(): DataplaneClient {
    this.#channel = createDataplaneChannel({ requests: 64, notifications: 2048 });
    this.#providers = [
      new TestProvider({ name: 'early', priority: 'pre-kernel' }),
      new TestProvider({ name: 'late', priority: 'post-kernel' }),
    ];
    const dataplane = new Dataplane(this.#channel, {
      namespace: this.#ns.path,
      kinds: KEPT,
      receiveBuffer: RECEIVE_BUFFER,
      providers: this.#providers,
    });
    const module = new URL('../../src/dataplane/provider/test.ts', import.meta.url).href;
    const worker = (): WorkerStage =>
      new WorkerStage({ name: 'worker', priority: 'last', flags: PROVIDER_UNDO, module, settings: { exitNth: 25 } });
    dataplane.pipeline.register(worker(), worker, 'it begins when somebody wants it');
    this.#dataplane = dataplane;
    return new DataplaneClient(this.#channel);
  }

  /** What its death leaves: nothing is finished, nothing is given back. */
  #end(): void {
    const { overruns } = this.#dataplane!.listener.stats;
    this.#count('overruns', overruns);
    this.#dataplane!.close();
    closeDataplaneChannel(this.#channel);
    this.#dataplane = undefined;
  }

  do(one: Step): void {
    const { owner } = this;
    this.#count(one.do);
    switch (one.do) {
      case 'want': {
        const item = this.all[one.item % this.all.length]!;
        const values = [...item.ways.keys()];
        const value = one.way % (this.base.includes(item) ? values.length : values.length + 1);
        if (value === values.length) owner.wanted.delete(item.key);
        else owner.wanted.set(item.key, values[value]!);
        break;
      }
      case 'ip':
        this.#run(`ip ${one.line}`);
        break;
      case 'flood': {
        const verb = one.add ? 'replace blackhole' : 'del';
        const lines = Array.from(
          { length: one.count },
          (_, i) => `route ${verb} 30.${(one.from + i) >> 8}.${(one.from + i) & 255}.0/24`,
        );
        this.#run(`ip -force -batch - <<END\n${lines.join('\n')}\nEND`);
        break;
      }
      case 'fault': {
        const provider = this.#providers[one.where]!;
        const { taken } = provider.status() as { taken: number };
        provider.faults = one.throwIn === 0 ? one.faults : { throwNth: taken + one.throwIn };
        break;
      }
      case 'restart':
        for (const provider of this.#providers) if (provider.name === one.name) provider.faults = {};
        assert.equal(this.#dataplane!.pipeline.restart(one.name), undefined);
        break;
      case 'kill':
        this.#end();
        owner.restart(this.#begin());
        break;
      case 'turns':
        for (let i = 0; i < one.count; i++) this.turn();
    }
  }

  /** In another process, while the dataplane works. */
  #run(command: string): void {
    this.#other.stdin!.write(`${command}\n`);
  }

  turn(): void {
    this.#dataplane!.turn();
    this.owner.run();
  }

  /** The faults are over; everybody works until all is as it should be. */
  async settle(): Promise<void> {
    const done = once(this.#other, 'exit');
    this.#other.stdin!.end();
    await done;
    for (const provider of this.#providers) {
      provider.faults = {};
      const state = this.#dataplane!.pipeline.providers.find(one => one.name === provider.name)!.state;
      if (state === 'running') continue;
      this.#count('fences');
      this.#dataplane!.pipeline.restart(provider.name);
    }
    this.#dataplane!.pipeline.unregister('worker');
    const { owner } = this;
    let seen = '';
    await until(
      () => {
        for (let i = 0; i < 20; i++) this.turn();
        if (!owner.settled) {
          const left = owner
            .differences()
            .map(({ key, kind }) => `${key}: ${owner.seen.get(kind)!.get(key)} → ${owner.wanted.get(key)}`);
          seen = owner.quiet ? left.join('\n') : `not quiet; ${left.join('\n')}`;
          return false;
        }
        const kernel = inNetworkNamespace(this.#ns.path, fromIp);
        const lines: string[] = [];
        for (const [kind, there] of kernel) {
          const here = owner.seen.get(kind)!;
          for (const key of new Set([...there.keys(), ...here.keys()]))
            if (there.get(key) !== here.get(key))
              lines.push(`${key}: kernel ${there.get(key)}, known ${here.get(key)}`);
        }
        for (const { key, kind } of this.all) {
          const [has, wants] = [kernel.get(kind)!.get(key), owner.wanted.get(key)];
          if (has !== wants) lines.push(`${key}: kernel ${has}, wanted ${wants}`);
        }
        seen = lines.join('\n');
        return lines.length === 0;
      },
      {
        what: () => `the model, the kernel and what is known of it to be one:\n${seen}`,
        timeoutMs: 10_000,
        everyMs: 1,
      },
    );
    this.#count('failures', owner.failures);
  }

  close(): void {
    if (this.#dataplane !== undefined) this.#end();
  }
}

describe('whatever happens', () => {
  const lab = new Lab();
  let ns: Namespace;
  let l0 = 0;
  let l1 = 0;

  before(async () => {
    ns = await lab.namespace('faults');
    for (const name of ['l0', 'l1']) {
      await ns.run('ip', 'link', 'add', name, 'type', 'veth', 'peer', 'name', `p${name}`);
      for (const end of [name, `p${name}`]) {
        await ns.run('ip', 'link', 'set', end, 'addrgenmode', 'none');
        await ns.run('ip', 'link', 'set', end, 'up');
      }
    }
    const links = await ns.ipJson<{ ifname: string; ifindex: number }[]>('link');
    [l0, l1] = ['l0', 'l1'].map(name => links.find(one => one.ifname === name)!.ifindex) as [number, number];
  });
  after(() => lab.close());

  test('what is known, what is wanted and what the kernel has are one in the end', {
    timeout: 1000 * (60 + 5 * RUNS),
  }, async t => {
    t.diagnostic(`GREVY_SEED=${SEED} GREVY_RUNS=${RUNS}`);
    const counts = new Map<string, number>();
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 20, maxLength: 60, size: 'max' }), async steps => {
        const run = new Run(ns, l0, l1, counts);
        try {
          for (const one of steps) run.do(one);
          await run.settle();
        } finally {
          run.close();
        }
      }),
      { seed: SEED, numRuns: RUNS, endOnFailure: true },
    );
    t.diagnostic([...counts].map(([what, count]) => `${what} ${count}`).join(', '));
    for (const what of ['want', 'ip', 'flood', 'fault', 'kill', 'overruns', 'failures'])
      assert.ok((counts.get(what) ?? 0) > 0, `no ${what}`);
  });
});
