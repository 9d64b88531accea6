// Grevy beside FRR: both stand on one network as the same router, with the same lines but for the address, among neighbours
// that are FRR. What each of the two tells a neighbour is compared, as that neighbour received it.
//
//    observer ─┐          ┌─ grevy  10.0.0.10
//    observer ─┼─ bridge ─┤
//    observer ─┘          └─ frr    10.0.0.11
import { type Daemon, startFrr, startGrevy } from '../../lib/daemons.ts';
import type { Lab, Namespace } from '../../lib/netns.ts';
import { until } from '../../lib/wait.ts';

export interface Observer {
  /** The last octet of its address. */
  readonly number: number;
  readonly as: number;
  /** The AS that it knows the two by. */
  readonly theirAs: number;
  /** Lines of its `router bgp`, and lines before it. */
  readonly lines?: string;
  readonly policy?: string;
  /** Prefixes that it announces. */
  readonly networks?: readonly string[];
  /** More lines about each of the two, in `address-family ipv4 unicast`; ADDRESS is theirs. */
  readonly about?: string;
}

export interface BesideOptions {
  readonly as: number;
  /** Lines of the `router bgp` of the two, and lines before it. */
  readonly lines: string;
  readonly policy?: string;
  readonly observers: readonly Observer[];
}

interface Path {
  peer: { peerId: string };
  aspath: { string: string };
  origin: string;
  metric?: number;
  locPrf?: number;
  community?: { string: string };
  extendedCommunity?: { string: string };
  largeCommunity?: { string: string };
  atomicAggregate?: boolean;
  aggregatorAs?: number;
  aggregatorId?: string;
  originatorId?: string;
  clusterList?: { list: string[] };
  nexthops: { ip: string }[];
}

/** What a neighbour was told of a prefix. */
export type Told = Record<string, string | number | boolean | undefined>;

const TWO = ['10.0.0.10', '10.0.0.11'] as const;

const json = async <T>(router: Daemon, command: string): Promise<T> => JSON.parse(await router.sh(command)) as T;

export class Beside {
  grevy!: Daemon;
  frr!: Daemon;
  /** Grevy's namespace. */
  host!: Namespace;
  readonly observers: Map<number, Daemon> = new Map();
  readonly #as: number;

  private constructor(as: number) {
    this.#as = as;
  }

  static async start(lab: Lab, options: BesideOptions): Promise<Beside> {
    const beside = new Beside(options.as);
    const hub = await lab.namespace('hub');
    await hub.run('ip', 'link', 'add', 'br0', 'type', 'bridge');
    await hub.run('ip', 'link', 'set', 'br0', 'up');
    const join = async (name: string, number: number): Promise<Namespace> => {
      const namespace = await lab.namespace(name);
      await lab.link(namespace, 'eth0', hub, `p${number}`);
      await hub.run('ip', 'link', 'set', `p${number}`, 'master', 'br0');
      await namespace.run('ip', 'addr', 'add', `10.0.0.${number}/24`, 'dev', 'eth0');
      await namespace.run('ip', 'addr', 'add', `fd00::${number}/64`, 'dev', 'eth0', 'nodad');
      return namespace;
    };
    const startBgpd = async (namespace: Namespace, configuration: string): Promise<Daemon> => {
      const directory = await lab.directory();
      await startFrr(lab, namespace, 'zebra', '', { directory });
      return await startFrr(lab, namespace, 'bgpd', configuration, { directory });
    };
    const own = (number: number): string => `hostname r${number}
${options.policy ?? ''}
router bgp ${options.as}
 bgp router-id 10.0.0.${number}
 no bgp ebgp-requires-policy
 no bgp network import-check
${options.observers.map(one => ` neighbor 10.0.0.${one.number} remote-as ${one.as}\n neighbor 10.0.0.${one.number} timers connect 1\n`).join('')}${options.lines}
exit
`;
    beside.host = await join('grevy', 10);
    const other = await join('frr', 11);
    const places = new Map<Observer, Namespace>();
    for (const one of options.observers) places.set(one, await join(`o${one.number}`, one.number));
    [beside.grevy, beside.frr] = await Promise.all([
      startGrevy(lab, beside.host, own(10)),
      startBgpd(other, own(11)),
      ...Array.from(places, async ([one, namespace]) => {
        beside.observers.set(one.number, await startBgpd(namespace, observerText(one)));
      }),
    ]);
    return beside;
  }

  /** Types lines into both, in `router bgp`. */
  async configure(...lines: string[]): Promise<void> {
    const text = ['configure terminal', `router bgp ${this.#as}`, ...lines, 'end'].join('\n');
    await this.grevy.sh(text);
    await this.frr.sh(text);
  }

  /** Types lines into both, outside of `router bgp`. */
  async policy(...lines: string[]): Promise<void> {
    const text = ['configure terminal', ...lines, 'end'].join('\n');
    await this.grevy.sh(text);
    await this.frr.sh(text);
  }

  /** What an observer was told by each of the two, Grevy first. */
  async told(observer: number): Promise<[Record<string, Told>, Record<string, Told>]> {
    const router = this.observers.get(observer)!;
    const table = await json<{ routes?: Record<string, unknown> }>(router, 'show bgp ipv4 unicast json');
    const both: [Record<string, Told>, Record<string, Told>] = [{}, {}];
    for (const network of Object.keys(table.routes ?? {}).sort()) {
      const { paths } = await json<{ paths?: Path[] }>(router, `show bgp ipv4 unicast ${network} json`);
      for (const path of paths ?? []) {
        const which = TWO.indexOf(path.peer.peerId as (typeof TWO)[number]);
        if (which >= 0) both[which]![network] = toldBy(path, TWO[which]!);
      }
    }
    return both;
  }

  /** Waits until the two have told an observer the same, and of just these prefixes; gives what. */
  async same(observer: number, ...networks: string[]): Promise<Record<string, Told>> {
    let state = '';
    let answer: Record<string, Told> = {};
    const agree = async (): Promise<boolean> => {
      const [ours, theirs] = await this.told(observer);
      state = JSON.stringify({ ours, theirs }, null, 1);
      answer = ours;
      return JSON.stringify(ours) === JSON.stringify(theirs) && Object.keys(ours).join() === networks.toSorted().join();
    };
    await until(agree, {
      timeoutMs: 30_000,
      everyMs: 200,
      what: () => `${observer} to be told the same of ${networks.join()}: ${state}\n${this.grevy.output()}`,
    });
    return answer;
  }

  /** The lines of both configurations that match, Grevy's first; their addresses look the same. */
  async written(pattern: RegExp): Promise<[string[], string[]]> {
    const lines = async (router: Daemon): Promise<string[]> =>
      (await router.sh('show running-config')).split('\n').filter(line => pattern.test(line));
    return [await lines(this.grevy), await lines(this.frr)];
  }
}

function observerText(one: Observer): string {
  const about = (address: string): string => (one.about ?? '').replaceAll('ADDRESS', address);
  const lists = (one.networks ?? []).map(network => `ip prefix-list OWN permit ${network}\n`).join('');
  // It says only what is its own, so that what the two tell each other by way of it does not matter.
  return `hostname o${one.number}
${lists === '' ? 'ip prefix-list OWN deny any\n' : lists}${one.policy ?? ''}
router bgp ${one.as}
 bgp router-id 10.0.0.${one.number}
 no bgp ebgp-requires-policy
 no bgp network import-check
${one.lines ?? ''}
${TWO.map(address => ` neighbor ${address} remote-as ${one.theirAs}\n neighbor ${address} timers connect 1\n`).join('')} address-family ipv4 unicast
${TWO.map(address => `  neighbor ${address} prefix-list OWN out\n${about(address)}\n`).join('')}${(one.networks ?? []).map(network => `  network ${network}\n`).join('')} exit-address-family
exit
`;
}

function toldBy(path: Path, by: string): Told {
  const own = (address: string | undefined): string | undefined => (address === by ? 'SELF' : address);
  return {
    path: path.aspath.string,
    origin: path.origin,
    metric: path.metric,
    localPref: path.locPrf,
    community: path.community?.string,
    extended: path.extendedCommunity?.string,
    large: path.largeCommunity?.string,
    atomic: path.atomicAggregate,
    aggregator: path.aggregatorAs,
    aggregatorId: own(path.aggregatorId),
    originator: own(path.originatorId),
    clusters: path.clusterList?.list.map(own).join(' '),
    nextHop: own(path.nexthops[0]?.ip),
  };
}
