// Labels as clients ask for them: the label manager's chunks, and Debian's bgpd and ldpd (FRR 8.4.4) with theirs, over a model
// of the kernel, which knows MPLS where the host's does not.
import assert from 'node:assert/strict';
import { chmodSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { NO_DETAIL } from '../../src/dataplane/index.ts';
import { formatAddress } from '../../src/net/index.ts';
import { rtnetlink as c } from '../../src/netlink/index.ts';
import { AFI_IP, type LabelEvent, unixConnect, ZapiClient } from '../../src/zapi/index.ts';
import type { KernelPath } from '../../src/zebra/plane.ts';
import { showRoute } from '../../src/zebra/show/route.ts';
import { parsePrefix } from '../../src/net/index.ts';
import { type Daemon, startFrr } from '../lib/daemons.ts';
import { Lab, type Namespace } from '../lib/netns.ts';
import { until } from '../lib/wait.ts';
import { Live } from './live.ts';

const BGP = 9;
const SHARP = 23;
const SPACE = 1_048_575 - 16 + 1;
const RED = 20;

/** A client, and what became of the labels that it asked for. */
class Asking {
  readonly events: LabelEvent[] = [];
  readonly client: ZapiClient;

  constructor(live: Live, routeType: number, session = 0) {
    this.client = new ZapiClient({
      connect: unixConnect(live.path),
      routeType,
      session,
      handlers: { labels: event => void this.events.push(event) },
    });
    this.client.start();
  }

  async get(size: number): Promise<string> {
    const before = this.events.length;
    this.client.getLabelChunk(size);
    await until(() => this.events.length > before, { what: `an answer to ${size}` });
    return this.last;
  }

  get last(): string {
    const event = this.events.at(-1)!;
    return event.kind === 'refused' ? `refused ${event.size}` : `${event.kind} ${event.start}-${event.end}`;
  }
}

describe('the label manager', () => {
  test('gives chunks, takes them back with the connection, and lets them be claimed again', async () => {
    const live = new Live();
    await live.server.listen();
    const one = new Asking(live, BGP);
    const two = new Asking(live, SHARP);
    assert.equal(await one.get(128), 'granted 16-143');
    assert.equal(await two.get(10), 'granted 144-153');
    assert.equal(await one.get(5), 'granted 154-158');
    const held = (): string[] =>
      [...live.server.sessions].map(session =>
        live.server.labels
          .of(session)
          .map(({ start }) => start)
          .join(' '),
      );
    assert.deepEqual(held(), ['16 154', '144']);
    two.client.releaseLabelChunk(144);
    await until(() => held()[1] === '', { what: 'the chunk to be free' });
    assert.equal(await one.get(10), 'granted 144-153');
    // It comes back before its end is seen, or after: what it claims is its own either way.
    one.client.stop();
    one.client.start();
    await until(() => held().length === 2 && held().includes('16 144 154'), {
      what: () => `its chunks: ${held().join(', ')}`,
    });
    assert.equal(one.events.length, 3, 'nothing is lost');
    // And where somebody else was faster it is told so.
    one.client.stop();
    await until(() => live.server.sessions.size === 1, { what: 'its end' });
    assert.equal(await two.get(20), 'granted 16-35');
    one.client.start();
    await until(() => one.events.length === 4, { what: 'the loss' });
    assert.equal(one.last, 'lost 16-143');
    await until(() => held().includes('144 154'), { what: 'the others' });
    one.client.stop();
    two.client.stop();
    await live.close();
  });

  test('answers who connects to it first, in either way', async () => {
    const live = new Live();
    await live.server.listen();
    let answers = 0;
    const client = new ZapiClient({
      connect: unixConnect(live.path),
      routeType: SHARP,
      handlers: {
        connected() {
          client.send('LABEL_MANAGER_CONNECT_ASYNC', { routeType: SHARP, instance: 0 });
          client.send('LABEL_MANAGER_CONNECT', { routeType: SHARP, instance: 0 });
        },
        on: { LABEL_MANAGER_CONNECT: ({ result }) => void (answers += result === 0 ? 1 : 0) },
      },
    });
    client.start();
    await until(() => answers === 2, { what: 'two answers' });
    client.stop();
    await live.close();
  });

  test('refuses what there is not, and says who asked', async () => {
    const live = new Live();
    await live.server.listen();
    const one = new Asking(live, SHARP, 3);
    assert.equal(await one.get(SPACE + 1), `refused ${SPACE + 1}`);
    assert.equal(await one.get(SPACE), 'granted 16-1048575');
    const two = new Asking(live, BGP);
    assert.equal(await two.get(1), 'refused 1');
    const said = live.logged.filter(text => text.includes('labels'));
    assert.match(
      said[0]!,
      /^client sharp\[3\]#1: asks for 1048561 labels in a row, which are not free \(0 are given out\)$/,
    );
    assert.match(said[1]!, /^client bgp#2: asks for 1 labels in a row, which are not free \(1048560 are given out\)$/);
    one.client.stop();
    await until(() => live.server.sessions.size === 1, { what: 'its end' });
    assert.equal(await two.get(1), 'granted 16-16');
    two.client.stop();
    await live.close();
  });
});

/** As `ip -f mpls route` would say it. */
function labelsOf(live: Live): Record<string, string> {
  const text = ({ gatewayFamily, gateway, ifindex, encap }: KernelPath): string => {
    const out = encap !== undefined && encap.type === c.LWTUNNEL_ENCAP_MPLS ? `as to ${encap.labels.join('/')} ` : '';
    return `${out}${gatewayFamily === 0 ? '' : `via ${formatAddress(gatewayFamily, gateway)} `}dev ${ifindex}`;
  };
  return Object.fromEntries([...live.kernel.labels].map(([label, { paths }]) => [label, paths.map(text).join(', ')]));
}

describe('FRR 8.4.4’s bgpd', () => {
  const lab = new Lab();
  let live: Live;
  let bgpd: Daemon;

  before(async () => {
    const namespace = await lab.namespace('r1');
    const directory = await lab.directory();
    chmodSync(directory, 0o755);
    live = new Live(join(directory, 'zserv.api'));
    live.link(1, 'lo', '127.0.0.1/8', '10.0.0.1/32');
    live.kernel.addLink(RED, 'red', true, { detail: { ...NO_DETAIL, kind: 'vrf', kindId: 10 } });
    await live.server.listen();
    const family = (name: string, label: string): string =>
      ` address-family ${name} unicast
  label vpn export ${label}
  rd vpn export 65000:1
  rt vpn both 65000:1
  export vpn
 exit-address-family
`;
    bgpd = await startFrr(
      lab,
      namespace,
      'bgpd',
      `router bgp 65000
 bgp router-id 10.0.0.1
${family('ipv4', '700')}
router bgp 65000 vrf red
 bgp router-id 10.0.0.1
${family('ipv4', 'auto')}${family('ipv6', 'auto')}
`,
      { zserv: live.path },
    );
  });
  after(async () => {
    await lab.close();
    await live.close();
  });

  test('gets a chunk, and labels for its VRFs lead into their tables', async () => {
    await until(() => live.kernel.labels.size === 3, {
      what: () => `three labels: ${JSON.stringify(labelsOf(live))}; ${live.logged.join('\n')}`,
      timeoutMs: 30_000,
    });
    assert.deepEqual(labelsOf(live), { 16: `dev ${RED}`, 17: `dev ${RED}`, 700: 'dev 1' });
    const session = [...live.server.sessions].find(one => one.name === 'bgp')!;
    assert.deepEqual(live.server.labels.of(session), [{ start: 16, end: 143 }]);
    assert.equal(session.stats.faults, 0, live.logged.join('\n'));
  });

  test('takes one back, and has them again when the VRF has gone and come', async () => {
    await bgpd.sh('configure terminal\nrouter bgp 65000\naddress-family ipv4 unicast\nno label vpn export 700');
    await until(() => !live.kernel.labels.has(700), { what: 'the label to go', timeoutMs: 20_000 });
    live.kernel.removeLink(RED);
    live.kick();
    await until(() => live.kernel.labels.size === 0, { what: () => JSON.stringify(labelsOf(live)) });
    live.kernel.addLink(RED + 1, 'red', true, { detail: { ...NO_DETAIL, kind: 'vrf', kindId: 10 } });
    live.kick();
    await until(() => live.kernel.labels.size === 2, { what: () => JSON.stringify(labelsOf(live)), timeoutMs: 20_000 });
    assert.deepEqual(labelsOf(live), { 16: `dev ${RED + 1}`, 17: `dev ${RED + 1}` });
  });

  test('leaves none behind', async () => {
    await bgpd.kill();
    await until(() => live.kernel.labels.size === 0 && live.zebra.mpls.lsps.size === 0, { what: 'its labels to go' });
    assert.equal(live.server.labels.taken, 0);
  });
});

describe('FRR 8.4.4’s ldpd', () => {
  const lab = new Lab();
  const lives: Live[] = [];
  const daemons: Daemon[] = [];

  before(async () => {
    const namespaces: Namespace[] = [await lab.namespace('r1'), await lab.namespace('r2')];
    await lab.link(namespaces[0]!, 'core', namespaces[1]!, 'core');
    for (const [i, namespace] of namespaces.entries()) {
      const [own, other] = [i + 1, 2 - i];
      await namespace.run('ip', 'addr', 'add', `10.0.0.${own}/24`, 'dev', 'core');
      await namespace.run('ip', 'addr', 'add', `1.1.1.${own}/32`, 'dev', 'lo');
      await namespace.run('ip', 'route', 'add', `1.1.1.${other}/32`, 'via', `10.0.0.${other}`);
      const [{ ifindex }] = await namespace.ipJson<[{ ifindex: number }]>('link', 'show', 'core');
      const directory = await lab.directory();
      chmodSync(directory, 0o755);
      const live = new Live(join(directory, 'zserv.api'));
      lives.push(live);
      live.link(1, 'lo', `1.1.1.${own}/32`);
      live.link(ifindex, 'core', `10.0.0.${own}/24`);
      live.zebra.staticsOf('default').add(
        parsePrefix(`1.1.1.${other}/32`)!,
        {
          gateway: { family: 2, words: parsePrefix(`10.0.0.${other}/32`)!.words },
          interface: undefined,
          blackhole: 0,
          onlink: false,
        },
        1,
        0,
      );
      await live.server.listen();
    }
    for (const [i, namespace] of namespaces.entries()) {
      const own = i + 1;
      daemons.push(
        await startFrr(
          lab,
          namespace,
          'ldpd',
          `mpls ldp
 router-id 1.1.1.${own}
 address-family ipv4
  discovery transport-address 1.1.1.${own}
  label local allocate host-routes
  interface core
  exit
 exit-address-family
`,
          { zserv: lives[i]!.path },
        ),
      );
    }
  });
  after(async () => {
    await lab.close();
    for (const live of lives) await live.close();
  });

  const routeText = (live: Live): string => showRoute(live.zebra, 0, parsePrefix('1.1.1.2/32')!, true);

  test('switches the labels that it gives, and pushes those that it gets on another client’s route', async () => {
    const live = lives[0]!;
    await until(() => live.kernel.labels.size === 1 && routeText(live).includes('label'), {
      what: () => `a label: ${JSON.stringify(labelsOf(live))}; ${routeText(live)} ${live.logged.join('\n')}`,
      timeoutMs: 60_000,
    });
    const ifindex = live.zebra.interfaces.byName('core')!.ifindex;
    assert.deepEqual(labelsOf(live), { 16: `via 10.0.0.2 dev ${ifindex}` });
    assert.match(routeText(live), /\* 10\.0\.0\.2, via core, label implicit-null, weight 1/);
    const manager = [...live.server.sessions].find(one => one.synchronous)!;
    assert.deepEqual(live.server.labels.of(manager), [
      { start: 16, end: 79 },
      { start: 80, end: 143 },
    ]);
    for (const session of live.server.sessions) assert.equal(session.stats.faults, 0, live.logged.join('\n'));
    // A client that tracks the next hop hears of the label, though there is nothing to push.
    const heard: number[][] = [];
    const client = new ZapiClient({
      connect: unixConnect(live.path),
      routeType: BGP,
      handlers: { on: { NEXTHOP_UPDATE: ({ nexthops }) => void heard.push(nexthops.flatMap(one => one.labels)) } },
    });
    client.wantNexthop(parsePrefix('1.1.1.2/32')!);
    client.wantRouterId(AFI_IP);
    client.start();
    await until(() => heard.length > 0, { what: 'the next hop' });
    client.stop();
    assert.deepEqual(heard, [[3]]);
  });

  test('takes both along when it goes', async () => {
    const live = lives[0]!;
    await daemons[0]!.kill();
    await until(() => live.kernel.labels.size === 0 && !routeText(live).includes('label'), {
      what: () => `nothing left: ${JSON.stringify(labelsOf(live))}; ${routeText(live)}`,
    });
    assert.equal(live.zebra.mpls.routes.size, 0);
  });
});
