// What the speaker says to zebra, and in which order: a zebra that only listens, and may be slow at that.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { protocolNumber } from '../../src/bgp/protocol.ts';
import { parseInterfaceAddress, parsePrefix } from '../../src/net/index.ts';
import {
  commandName,
  decodeToServer,
  encodeToClient,
  Framer,
  FRR_8_4_4,
  MESSAGE_NEXTHOP,
  NEXTHOP_IFINDEX,
  RouteMessage,
  type ZapiConnect,
  type ZapiTransportEvents,
} from '../../src/zapi/index.ts';
import { until } from '../lib/wait.ts';
import { routersOnLoopback } from './lib/loopback.ts';
import { Router } from './lib/router.ts';

let port = 45_000 + (process.pid % 10_000);
const routers = routersOnLoopback('zclient');

/** Takes `perTurn` bytes at a time, answers next hops as reachable, and keeps what was said. */
class ListeningZebra {
  readonly said: string[] = [];
  readonly routes: Set<string> = new Set();
  adds = 0;
  deletes = 0;
  perTurn = 1 << 20;
  #events: ZapiTransportEvents | undefined;
  #framer = new Framer(FRR_8_4_4.maxFrameBytes);
  readonly #route = new RouteMessage();

  readonly connect: ZapiConnect = events => {
    this.#events = events;
    this.#framer = new Framer(FRR_8_4_4.maxFrameBytes);
    setImmediate(() => events.open());
    return {
      write: (bytes, offset, size) => {
        const taken = Math.min(size, this.perTurn);
        this.#take(bytes.slice(offset, offset + taken));
        if (taken < size) setImmediate(() => this.#events?.writable());
        return taken;
      },
      close: () => (this.#events = undefined),
    };
  };

  /** An interface, up, with these addresses. */
  tellInterface(name: string, ifindex: number, addresses: readonly string[]): void {
    const bytes = new Uint8Array(4096);
    const zeros = { ptmEnable: 0, ptmStatus: 0, metric: 0, speed: 0, bandwidth: 0, linkIfindex: 0, linkType: 1 };
    const one = { name, ifindex, status: 1, flags: 0x41, mtu: 1500, mtu6: 1500, ...zeros };
    let end = encodeToClient(FRR_8_4_4, 'INTERFACE_ADD', { ...one, hardwareAddress: new Uint8Array(6) }, 0, bytes, 0);
    for (const text of addresses) {
      const said = { ifindex, flags: 0, address: parseInterfaceAddress(text)!, destination: [0, 0, 0, 0] as const };
      end = encodeToClient(FRR_8_4_4, 'INTERFACE_ADDRESS_ADD', said, 0, bytes, end);
    }
    assert.ok(end > 0);
    this.#events?.bytes(bytes, 0, end);
  }

  /** A connected route, for those that redistribute such. */
  tellRoute(prefix: string): void {
    const route = new RouteMessage();
    const { family, words, length } = parsePrefix(prefix)!;
    Object.assign(route, { type: protocolNumber('connected'), family, safi: 1, w0: words[0], prefixLength: length });
    const bytes = new Uint8Array(4096);
    const end = FRR_8_4_4.route.encode(route, 0, FRR_8_4_4.command.REDISTRIBUTE_ROUTE_ADD, bytes, 0);
    assert.ok(end > 0);
    this.#events?.bytes(bytes, 0, end);
  }

  drop(): void {
    const events = this.#events;
    this.#events = undefined;
    events?.close(undefined);
  }

  #take(bytes: Uint8Array): void {
    const framer = this.#framer;
    framer.push(bytes);
    while (framer.next()) {
      const name = commandName(FRR_8_4_4, framer.command);
      if (name === 'ROUTE_ADD' || name === 'ROUTE_DELETE') this.#routeSaid(name === 'ROUTE_ADD');
      else if (name === 'CLIENT_CAPABILITIES') {
        const { capability, afi, staleTimeS } = decodeToServer(FRR_8_4_4, name, framer.bytes, framer.body, framer.end);
        this.said.push(`${name} ${capability} ${afi} ${staleTimeS}`);
      } else this.said.push(name);
      if (name === 'NEXTHOP_REGISTER') this.#answer();
    }
  }

  #routeSaid(add: boolean): void {
    const framer = this.#framer;
    const route = this.#route;
    assert.equal(FRR_8_4_4.route.decode(route, framer.bytes, framer.body, framer.end), 0);
    const key = `${route.w0}/${route.prefixLength}`;
    if (this.said.at(-1) !== (add ? 'adds' : 'deletes')) this.said.push(add ? 'adds' : 'deletes');
    if (add) {
      assert.notEqual(route.message & MESSAGE_NEXTHOP, 0);
      this.adds++;
      this.routes.add(key);
    } else {
      this.deletes++;
      assert.ok(this.routes.delete(key), 'only what is there is withdrawn');
    }
  }

  #answer(): void {
    const framer = this.#framer;
    const { entries } = decodeToServer(FRR_8_4_4, 'NEXTHOP_REGISTER', framer.bytes, framer.body, framer.end);
    for (const { prefix } of entries) {
      const nowhere = { gateway: [0, 0, 0, 0] as const, blackhole: 0, weight: 0, labels: [] };
      const hop = { vrf: 0, type: NEXTHOP_IFINDEX, flags: 0, ifindex: 1, ...nowhere };
      const message = {
        message: 0,
        safi: 1,
        match: prefix,
        resolved: prefix,
        color: 0,
        routeType: 2,
        instance: 0,
        distance: 0,
        metric: 0,
        nexthops: [hop],
      };
      const bytes = new Uint8Array(4096);
      const end = encodeToClient(FRR_8_4_4, 'NEXTHOP_UPDATE', message, 0, bytes, 0);
      assert.ok(end > 0);
      setImmediate(() => this.#events?.bytes(bytes, 0, end));
    }
  }
}

/** A speaker at `zebra` that gets `count` routes from another one. */
function pair(zebra: ListeningZebra, count: number): { fed: Router; config: string } {
  port += 2;
  const feeder = new Router('feeder', port);
  const fed = new Router('fed', port + 1, { zebra: zebra.connect });
  routers.push(feeder, fed);
  const config = (own: number, as: number, peer: number): string => `router bgp ${as}
 bgp router-id 10.9.0.${own}
 no bgp ebgp-requires-policy
 neighbor 10.9.0.${peer} remote-as external
 neighbor 10.9.0.${peer} port ${port + peer - 1}
 neighbor 10.9.0.${peer} update-source 10.9.0.${own}
 neighbor 10.9.0.${peer} timers connect 1
 neighbor 10.9.0.${peer} disable-connected-check
exit
`;
  feeder.config(config(1, 65001, 2));
  fed.config(config(2, 65002, 1));
  const { local } = feeder.bgp.instance().family.ipv4;
  for (let i = 0; i < count; i++) local.setNetwork(parsePrefix(`20.${i >> 8}.${i & 255}.0/24`)!, { map: undefined });
  return { fed, config: config(2, 65002, 1) };
}

test('every connection begins with graceful restart and pending families; complete follows the last route', async () => {
  const zebra = new ListeningZebra();
  pair(zebra, 300);
  await until(() => zebra.routes.size === 300, {
    timeoutMs: 4000,
    what: () =>
      `${zebra.routes.size} ${zebra.said.join()} ${routers.map(r => r.logged.join() + r.show('show bgp summary')).join()}`,
  });
  await until(() => zebra.said.at(-1) === 'CLIENT_CAPABILITIES 2 2 0', { what: () => zebra.said.join('\n') });
  assert.equal(zebra.said[0], 'HELLO');
  assert.deepEqual(
    zebra.said.filter(line => /^CLIENT|^adds/.test(line)),
    [
      'CLIENT_CAPABILITIES 1 0 500',
      'CLIENT_CAPABILITIES 3 1 0',
      'CLIENT_CAPABILITIES 3 2 0',
      'adds',
      'CLIENT_CAPABILITIES 2 1 0',
      'CLIENT_CAPABILITIES 2 2 0',
    ],
  );
  zebra.said.length = 0;
  zebra.drop();
  await until(() => zebra.said.at(-1) === 'CLIENT_CAPABILITIES 2 2 0', { what: () => zebra.said.join('\n') });
  assert.equal(zebra.adds, 600);
});

test('a speaker that is not configured, or whose peer is not there, does not say that it is complete', async () => {
  const bare = new ListeningZebra();
  const waiting = new ListeningZebra();
  routers.push(new Router('bare', 0, { zebra: bare.connect }));
  const lonely = new Router('lonely', 0, { zebra: waiting.connect });
  routers.push(lonely);
  lonely.config('router bgp 65001\n bgp router-id 10.9.0.1\n neighbor 10.9.0.9 remote-as 65002\nexit\n');
  const since = performance.now();
  await until(() => performance.now() - since > 4000, { what: 'time to pass' });
  for (const zebra of [bare, waiting]) assert.ok(!zebra.said.some(line => line.startsWith('CLIENT_CAPABILITIES 2 1')));
});

test('no router bgp: everything is withdrawn from a slow zebra before the next instance announces', async () => {
  const zebra = new ListeningZebra();
  const { fed, config } = pair(zebra, 12_000);
  await until(() => zebra.routes.size === 12_000, { what: () => `${zebra.routes.size} of the routes` });
  zebra.perTurn = 4096;
  fed.config('');
  await until(() => zebra.deletes > 0, { what: 'the first withdrawal' });
  fed.config(config);
  await until(() => zebra.deletes === 12_000 && zebra.adds === 24_000, {
    what: () => `${zebra.deletes} withdrawals, ${zebra.adds} announcements`,
  });
  assert.equal(zebra.routes.size, 12_000);
  assert.deepEqual(
    zebra.said.filter(line => line === 'adds' || line === 'deletes'),
    ['adds', 'deletes', 'adds'],
  );
});

test('bgp no-rib withdraws everything, and without it everything is announced again', async () => {
  const zebra = new ListeningZebra();
  const { fed } = pair(zebra, 3000);
  await until(() => zebra.routes.size === 3000, {
    timeoutMs: 4000,
    what: () =>
      `${zebra.routes.size} ${zebra.said.join()} ${routers.map(r => r.logged.join() + r.show('show bgp summary')).join()}`,
  });
  zebra.perTurn = 4096;
  fed.type('bgp no-rib');
  await until(() => zebra.routes.size === 0, { what: 'the withdrawals' });
  fed.type('no bgp no-rib');
  await until(() => zebra.routes.size === 3000, { what: 'the routes again' });
});

test('own next hops are addresses that zebra tells: its VRF may be another namespace than ours', async () => {
  const zebra = new ListeningZebra();
  const { fed } = pair(zebra, 1);
  await until(() => zebra.routes.size === 1, { what: () => zebra.said.join('\n') });
  zebra.tellInterface('eth9', 9, ['10.9.0.2/24', '2001:db8::2/64']);
  await until(() => fed.show('show bgp neighbors').includes('Nexthop global: 2001:db8::2\n'), {
    timeoutMs: 4000,
    what: () => fed.show('show bgp neighbors'),
  });
});

test('a zebra that comes back twice has as long to say its routes again as one that comes back once', async () => {
  const zebra = new ListeningZebra();
  const router = new Router('one', (port += 2), { zebra: zebra.connect });
  routers.push(router);
  router.config(`router bgp 65001
 bgp router-id 10.9.0.1
 address-family ipv4 unicast
  redistribute connected
 exit-address-family
exit
`);
  await until(() => zebra.said.includes('REDISTRIBUTE_ADD'), { what: () => zebra.said.join('\n') });
  zebra.tellRoute('20.0.0.0/24');
  await router.route('ipv4', '20.0.0.0/24');
  zebra.drop();
  await new Promise(done => setTimeout(done, 4000));
  zebra.drop();
  await new Promise(done => setTimeout(done, 2500));
  assert.match(
    router.show('show bgp ipv4 unicast 20.0.0.0/24'),
    /^BGP routing/,
    'six and a half seconds after the first',
  );
  // And then it is gone.
  await router.route('ipv4', '20.0.0.0/24', true);
});
