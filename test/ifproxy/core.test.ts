// What is the same on every platform, on the simulated one: bindings, who is told what, callbacks that do what they like, queues that
// overflow, filters.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import fc from 'fast-check';
import {
  type EventFilter,
  EventReader,
  IfProxy,
  IfProxyError,
  type Port,
  type ProxyCallbacks,
  type ProxyEvent,
  RouteEvent,
  SimulatedPlatform,
} from '../../src/ifproxy/index.ts';
import { all, Replay } from './replay.ts';
import { TestPort } from './world.ts';

const MAC = Uint8Array.of(2, 0, 0, 0, 1, 1);

class Bench {
  readonly platform: SimulatedPlatform = new SimulatedPlatform();
  readonly library: IfProxy = new IfProxy({ platform: this.platform });
  readonly told: string[] = [];

  /** Writes down what is told, as text. */
  record(filter?: EventFilter, handled = false): string[] {
    const told: string[] = [];
    this.library.register(
      all(event => {
        told.push(this.text(event));
        return handled;
      }),
      filter,
    );
    return told;
  }

  text(event: ProxyEvent): string {
    const what = event instanceof RouteEvent ? ` ${event.prefix}` : '';
    const port = 'portId' in event ? ` port ${event.portId}` : '';
    return `${event.kind}${what}${port}${'picture' in event && event.picture ? ' picture' : ''}`;
  }

  start(): void {
    this.library.open();
    this.settle();
  }

  settle(): void {
    while (this.library.step()) {
      // One turn after another.
    }
  }
}

/** What was told since the last time, without commits. */
const take = (told: string[]): string[] => told.splice(0).filter(text => text !== 'commit');

describe('proxies and ports', () => {
  test('a port takes the MAC, moves, and is found both ways', () => {
    const { platform, library } = new Bench();
    platform.add('eth0', { mac: MAC });
    const made = library.create('tap0');
    const adopted = library.adopt('eth0');
    const [a, b] = [new TestPort('a'), new TestPort('b')];
    library.bind(a, made);
    library.bind(b, made);
    assert.deepEqual(library.portsOf(made), [a, b]);
    assert.deepEqual(a.mac, made.info.mac);
    library.bind(a, adopted);
    assert.deepEqual(a.mac, MAC);
    assert.equal(library.proxyOf(a), adopted);
    assert.deepEqual(library.portsOf(made), [b]);
    library.unbind(b);
    assert.equal(library.proxyOf(b), undefined);
    assert.equal(library.proxy('eth0'), adopted);
    assert.equal(library.proxy(made.info.ifindex), made);
    assert.throws(() => library.adopt('eth0'), new IfProxyError('eth0 is a proxy already'));
    assert.throws(() => library.adopt('eth9'), new IfProxyError('there is no interface eth9'));
  });

  test('a proxy in use is destroyed with its last port; a transient one without being asked', () => {
    const { platform, library } = new Bench();
    const port = new TestPort('a');
    const proxy = library.create('tap0');
    library.bind(port, proxy);
    library.destroy(proxy);
    assert.equal(proxy.destroyed, true);
    assert.notEqual(platform.find('tap0'), undefined);
    assert.throws(() => library.bind(new TestPort('b'), proxy), /proxy tap0 is destroyed/);
    library.unbind(port);
    assert.equal(platform.find('tap0'), undefined);
    assert.throws(() => library.bind(port, proxy), IfProxyError);
    const transient = library.create('tap1', { transient: true });
    library.bind(port, transient);
    library.unbind(port);
    assert.equal(platform.find('tap1'), undefined);
  });

  test('an adopted interface outlives its proxy; a made one does not', () => {
    const { platform, library } = new Bench();
    platform.add('eth0');
    library.destroy(library.adopt('eth0'));
    assert.notEqual(platform.find('eth0'), undefined);
    library.create('tap0');
    library.close();
    assert.equal(platform.find('tap0'), undefined);
    assert.throws(() => library.create('tap1'), new IfProxyError('it is closed'));
  });

  test('an interface removed under us is an event, and what it had is deleted before', () => {
    const bench = new Bench();
    const proxy = bench.library.create('tap0');
    bench.library.bind(new TestPort('a'), proxy);
    const told = bench.record();
    bench.start();
    bench.platform.address('tap0', '10.0.0.1/24');
    bench.platform.route({ prefix: '10.1.0.0/16', hops: [{ dev: 'tap0' }] });
    bench.settle();
    take(told);
    bench.platform.remove('tap0');
    bench.settle();
    assert.deepEqual(take(told), ['routeDeleted 10.1.0.0/16 port 1', 'addressDeleted port 1', 'proxyGone port 1']);
    assert.equal(proxy.state, 'gone');
    assert.equal(proxy.info.name, 'tap0');
    assert.throws(() => bench.library.bind(new TestPort('b'), proxy), /proxy tap0 is gone/);
  });
});

describe('pictures', () => {
  test('each consumer is told all there is, then configurationFinished, once', () => {
    const bench = new Bench();
    bench.library.bind(new TestPort('a'), bench.library.create('tap0'));
    bench.platform.route({ prefix: '10.1.0.0/16', hops: [{ dev: 'tap0' }] });
    const first = bench.record();
    bench.start();
    const picture = ['nameChanged', 'macChanged', 'mtuChanged', 'linkChanged', 'routeAdded 10.1.0.0/16'];
    const expected = [...picture.map(text => `${text} port 1 picture`), 'configurationFinished'];
    assert.deepEqual(take(first), expected);
    const second = bench.record();
    bench.platform.overrun();
    bench.settle();
    assert.deepEqual(take(first), []);
    assert.deepEqual(take(second), expected);
  });

  test('a port bound later gets the picture of its proxy, and only that port', () => {
    const bench = new Bench();
    const proxy = bench.library.create('tap0');
    bench.library.bind(new TestPort('a'), proxy);
    bench.platform.neighbor('tap0', '10.0.0.2', MAC);
    const told = bench.record();
    bench.start();
    take(told);
    bench.library.bind(new TestPort('b'), proxy);
    bench.settle();
    assert.deepEqual(take(told), [
      'nameChanged port 2 picture',
      'macChanged port 2 picture',
      'mtuChanged port 2 picture',
      'linkChanged port 2 picture',
      'neighborAdded port 2 picture',
      'pictureFinished port 2',
    ]);
    bench.platform.set('tap0', { mtu: 9000 });
    bench.settle();
    assert.deepEqual(take(told), ['mtuChanged port 1', 'mtuChanged port 2']);
  });

  test('a proxy that comes later has its picture too', () => {
    const bench = new Bench();
    bench.platform.add('eth0');
    bench.platform.route({ prefix: '10.1.0.0/16', hops: [{ dev: 'eth0', via: '10.0.0.1' }] });
    const told = bench.record();
    bench.start();
    assert.deepEqual(take(told), ['configurationFinished']);
    bench.library.bind(new TestPort('a'), bench.library.adopt('eth0'));
    bench.settle();
    assert.deepEqual(take(told).slice(-2), ['routeAdded 10.1.0.0/16 port 1 picture', 'pictureFinished port 1']);
  });

  test('a route over two proxies that leaves one of them', () => {
    const bench = new Bench();
    for (const name of ['tap0', 'tap1']) bench.library.bind(new TestPort(name), bench.library.create(name));
    const told = bench.record({ kinds: ['routeAdded', 'routeReplaced', 'routeDeleted'] });
    bench.start();
    bench.platform.route({ prefix: '10.1.0.0/16', hops: [{ dev: 'tap0' }, { dev: 'tap1' }] });
    bench.platform.route({ prefix: '10.1.0.0/16', hops: [{ dev: 'tap1' }] });
    bench.settle();
    assert.deepEqual(told, [
      'routeAdded 10.1.0.0/16 port 1',
      'routeAdded 10.1.0.0/16 port 2',
      'routeReplaced 10.1.0.0/16 port 2',
      'routeDeleted 10.1.0.0/16 port 1',
    ]);
  });

  test('a route of several hops goes whole with the interface of one, as the tables have it', () => {
    const bench = new Bench();
    for (const name of ['tap0', 'tap1']) bench.library.bind(new TestPort(name), bench.library.create(name));
    const told = bench.record({ kinds: ['routeAdded', 'routeReplaced', 'routeDeleted'] });
    bench.start();
    bench.platform.route({ prefix: '10.1.0.0/16', hops: [{ dev: 'tap0' }, { dev: 'tap1' }] });
    bench.settle();
    told.length = 0;
    bench.platform.remove('tap1');
    bench.settle();
    assert.deepEqual(told, ['routeDeleted 10.1.0.0/16 port 1', 'routeDeleted 10.1.0.0/16 port 2']);
  });

  test('the number of an interface is given to another one while nobody heard', () => {
    const bench = new Bench();
    const ifindex = bench.platform.add('eth0');
    bench.platform.address('eth0', '10.0.0.1/24');
    bench.library.bind(new TestPort('a'), bench.library.adopt('eth0'));
    const told = bench.record();
    bench.start();
    take(told);
    bench.platform.remove('eth0');
    bench.platform.add('eth7', { ifindex, mac: Uint8Array.of(2, 9, 9, 9, 9, 9) });
    bench.platform.address('eth7', '10.0.0.1/24');
    bench.platform.overrun();
    bench.settle();
    assert.deepEqual(take(told), ['addressDeleted port 1', 'proxyGone port 1']);
  });
});

describe('callbacks', () => {
  test('once for each port; true from any of them: no queue has it', () => {
    const bench = new Bench();
    const proxy = bench.library.create('tap0');
    for (const name of ['a', 'b']) bench.library.bind(new TestPort(name), proxy);
    const told: string[] = [];
    bench.library.register({
      mtuChanged: (event, port) => {
        told.push(`${port.name} ${event.mtu}`);
        return port.name === 'a' && event.mtu === 1600;
      },
    });
    const queue = bench.library.queue();
    const reader = new EventReader(queue.share);
    bench.start();
    const mtus = (): number[] => {
      const found: number[] = [];
      for (let event = reader.next(); event !== undefined; event = reader.next()) {
        if (event.kind === 'mtuChanged') found.push(event.mtu);
      }
      return found;
    };
    assert.deepEqual(mtus(), [1500, 1500]);
    bench.platform.set('tap0', { mtu: 1600 });
    bench.platform.set('tap0', { mtu: 1700 });
    bench.settle();
    assert.deepEqual(told, ['a 1500', 'b 1500', 'a 1600', 'b 1600', 'a 1700', 'b 1700']);
    assert.deepEqual(mtus(), [1700, 1700]);
  });

  const acts: Record<string, (library: IfProxy, port: Port, registration: { close(): void }) => void> = {
    register: library => void library.register({ commit: () => {} }),
    unregister: (_library, _port, registration) => registration.close(),
    bind: library =>
      library.bind(new TestPort('new'), library.proxies.find(({ state }) => state !== 'gone') ?? library.create()),
    move: (library, port) => library.bind(port, library.create()),
    unbind: (library, port) => library.unbind(port),
    destroy: (library, port) => {
      library.destroy(library.proxyOf(port)!);
      library.unbind(port);
    },
    queue: library => library.queue().close(),
    close: library => library.close(),
  };
  const callbacks = [
    'linkChanged',
    'routeAdded',
    'routeDeleted',
    'addressAdded',
    'neighborAdded',
    'proxyGone',
  ] as const;
  for (const [act, fn] of Object.entries(acts)) {
    test(`${act} from inside any of them`, async () => {
      for (const kind of callbacks) {
        for (const again of [false, true]) {
          const bench = new Bench();
          const proxy = bench.library.create('tap0');
          bench.library.bind(new TestPort('a'), proxy);
          bench.library.bind(new TestPort('b'), proxy);
          let done = 0;
          const doIt = (port: Port): void => {
            if (done++ === 0 || (again && done < 5)) fn(bench.library, port, registration);
          };
          const callback = { [kind]: (_event: ProxyEvent, port: Port) => doIt(port) } as ProxyCallbacks;
          const registration = bench.library.register(callback);
          bench.record();
          try {
            bench.start();
            bench.platform.address('tap0', '10.0.0.1/24');
            for (let i = 0; i < 3; i++) bench.platform.route({ prefix: `10.${i}.0.0/16`, hops: [{ dev: 'tap0' }] });
            bench.platform.neighbor('tap0', '10.0.0.2', MAC);
            bench.settle();
            bench.platform.remove('tap0');
            bench.settle();
          } catch (error) {
            // Once it is closed nothing steps; once destroyed, the interface is gone already.
            assert.ok(error instanceof IfProxyError, String(error));
          }
          assert.ok(done > 0);
          bench.library.close();
        }
      }
      await turn();
    });
  }

  test('what one throws surfaces, and ends nothing', async () => {
    const bench = new Bench();
    bench.library.bind(new TestPort('a'), bench.library.create('tap0'));
    bench.library.register({
      mtuChanged: () => {
        throw new Error('of the program');
      },
    });
    const told = bench.record({ kinds: ['mtuChanged', 'linkChanged'] });
    const caught = new Promise(resolve => {
      process.setUncaughtExceptionCaptureCallback(resolve);
    });
    bench.start();
    assert.equal(((await caught) as Error).message, 'of the program');
    process.setUncaughtExceptionCaptureCallback(null);
    assert.equal(told.length, 2);
    bench.library.close();
  });

  test('what is asked for from inside has another step, on a loop of the caller’s too', () => {
    const bench = new Bench();
    const { library } = bench;
    library.bind(new TestPort('a'), library.create('tap0'));
    const told: string[] = [];
    library.register({
      configurationFinished: () => {
        library.register({ configurationFinished: () => void told.push('the second consumer') });
        library.bind(new TestPort('b'), library.create('tap1'));
      },
      pictureFinished: () => void told.push('the second port'),
    });
    bench.start();
    assert.deepEqual(told.toSorted(), ['the second consumer', 'the second port']);
  });

  test('an interface is adopted once, also from inside, and again when its proxy was destroyed', () => {
    const bench = new Bench();
    const { library, platform } = bench;
    platform.add('eth0');
    const first = library.adopt('eth0');
    let refused = '';
    library.register({
      configurationFinished: () => {
        library.destroy(first);
        library.adopt('eth0');
        try {
          library.adopt('eth0');
        } catch (error) {
          refused = (error as Error).message;
        }
      },
    });
    bench.start();
    assert.equal(refused, 'eth0 is a proxy already');
    assert.deepEqual(
      library.proxies.map(({ state }) => state),
      ['there'],
    );
  });

  test('what is handled for one proxy is not for another', () => {
    const bench = new Bench();
    const { library, platform } = bench;
    const [one, two] = [library.create('tap0'), library.create('tap1')];
    library.bind(new TestPort('a'), one);
    library.bind(new TestPort('b'), two);
    // Both proxies are told of each.
    platform.route({ prefix: '10.1.0.0/16', hops: [] });
    platform.route({ prefix: '10.2.0.0/16', hops: [{ dev: 'tap0' }, { dev: 'tap1' }] });
    library.register({ routeAdded: () => true }, { proxies: [one] });
    bench.start();
    const reader = new EventReader(library.queue().share);
    bench.settle();
    const told: string[] = [];
    for (let event = reader.next(); event !== undefined; event = reader.next()) {
      if (event instanceof RouteEvent) told.push(`${event.prefix} ${event.portId}`);
    }
    assert.deepEqual(told, ['10.1.0.0/16 2', '10.2.0.0/16 2']);
  });

  test('step from inside is refused', () => {
    const bench = new Bench();
    bench.library.bind(new TestPort('a'), bench.library.create('tap0'));
    let refused = '';
    bench.library.register({
      linkChanged: () => {
        try {
          bench.library.step();
        } catch (error) {
          refused = (error as Error).message;
        }
      },
    });
    bench.start();
    assert.equal(refused, 'step: called from a callback');
  });
});

describe('whose a change is', () => {
  test('feedback is told as our own change, and left out when asked', () => {
    const bench = new Bench();
    bench.library.bind(new TestPort('a'), bench.library.create('tap0'));
    const told: unknown[] = [];
    let id = -1;
    const hear = (event: RouteEvent): void => {
      ({ id } = event);
      told.push([event.kind, event.own, event.offload]);
    };
    bench.library.register({ routeAdded: hear, routeReplaced: hear });
    const others = bench.record({ own: false, kinds: ['routeAdded', 'routeReplaced'] });
    bench.start();
    bench.platform.route({ prefix: '10.1.0.0/16', hops: [{ dev: 'tap0' }] });
    bench.settle();
    assert.equal(bench.library.feedback(id, { offload: true, trap: true }), true);
    bench.settle();
    assert.deepEqual(told, [
      ['routeAdded', false, 0],
      ['routeReplaced', true, 0xc000],
    ]);
    assert.equal(others.length, 1);
    assert.throws(() => bench.library.feedback(998, {}), new IfProxyError('there is no route 998'));
  });
});

describe('filters', () => {
  test('by proxy, kind, table, protocol and prefix', () => {
    const bench = new Bench();
    const [one, two] = [bench.library.create('tap0'), bench.library.create('tap1')];
    bench.library.bind(new TestPort('a'), one);
    bench.library.bind(new TestPort('b'), two);
    const routes = ['routeAdded', 'routeReplaced', 'routeDeleted'] as const;
    const byProxy = bench.record({ proxies: [two], kinds: ['linkChanged'] });
    const byTable = bench.record({ kinds: [...routes], tables: [7] });
    const byProtocol = bench.record({ kinds: [...routes], protocols: [186] });
    const byPrefix = bench.record({
      kinds: [...routes, 'addressAdded', 'neighborAdded'],
      prefixes: ['10.0.0.0/8', '2001:db8::/32'],
    });
    bench.start();
    assert.deepEqual(take(byProxy), ['linkChanged port 2 picture']);
    const hops = [{ dev: 'tap0' }];
    bench.platform.route({ prefix: '10.1.0.0/16', hops, table: 7 });
    bench.platform.route({ prefix: '11.1.0.0/16', hops });
    bench.platform.route({ prefix: '2001:db8:1::/48', hops });
    bench.platform.route({ prefix: '11.1.0.0/16', hops, protocol: 186 });
    bench.platform.route({ prefix: '11.1.0.0/16', hops: [{ dev: 'tap0', via: '10.0.0.9' }], protocol: 186 });
    bench.platform.route({ prefix: '11.1.0.0/16', hops });
    bench.platform.address('tap0', '10.0.0.1/24');
    bench.platform.address('tap0', '192.0.2.1/24');
    bench.platform.neighbor('tap0', '2001:db8::7', MAC);
    bench.settle();
    assert.deepEqual(take(byTable), ['routeAdded 10.1.0.0/16 port 1']);
    assert.deepEqual(take(byProtocol), [
      'routeAdded 11.1.0.0/16 port 1',
      'routeReplaced 11.1.0.0/16 port 1',
      'routeDeleted 11.1.0.0/16 port 1',
    ]);
    assert.deepEqual(take(byPrefix), [
      'routeAdded 10.1.0.0/16 port 1',
      'routeAdded 2001:db8:1::/48 port 1',
      'addressAdded port 1',
      'neighborAdded port 1',
    ]);
    assert.throws(() => bench.library.register({}, { prefixes: ['10.0.0/8'] }), /10\.0\.0\/8 is not a prefix/);
  });
});

describe('queues', () => {
  test('one that has no room for the longest route is refused', () => {
    const { library } = new Bench();
    const why = new IfProxyError('a queue of 8192 bytes has no room for a route of 256 hops: 16384 at least');
    assert.throws(() => library.queue({ bytes: 8192 }), why);
    const bench = new Bench();
    bench.library.bind(new TestPort('a'), bench.library.create('tap0'));
    const reader = new EventReader(bench.library.queue({ bytes: 1 << 14 }).share);
    bench.start();
    while (reader.next() !== undefined);
    bench.platform.route({
      prefix: '10.1.0.0/16',
      hops: Array.from({ length: 256 }, (_, i) => ({ dev: 'tap0', via: `10.0.0.${i}` })),
    });
    bench.settle();
    const event = reader.next();
    assert.ok(event instanceof RouteEvent);
    assert.equal(event.hopCount, 256);
  });

  test('one change is one commit', () => {
    const bench = new Bench();
    bench.library.bind(new TestPort('a'), bench.library.create('tap0'));
    const reader = new EventReader(bench.library.queue().share);
    bench.start();
    while (reader.next() !== undefined);
    bench.platform.address('tap0', '10.0.0.1/24');
    for (let i = 0; i < 3; i++) bench.platform.route({ prefix: `10.${i}.0.0/16`, hops: [{ dev: 'tap0' }] });
    bench.settle();
    while (reader.next() !== undefined);
    bench.platform.remove('tap0');
    bench.settle();
    const kinds: string[] = [];
    for (let event = reader.next(); event !== undefined; event = reader.next()) kinds.push(event.kind);
    assert.deepEqual(kinds, ['routeDeleted', 'routeDeleted', 'routeDeleted', 'addressDeleted', 'proxyGone', 'commit']);
  });

  test('a full one loses nothing silently: it says so, and tells all anew as there is room', async () => {
    const bench = new Bench();
    bench.library.bind(new TestPort('a'), bench.library.create('tap0'));
    const queue = bench.library.queue({ bytes: 1 << 14 });
    const reader = new EventReader(queue.share);
    const replay = new Replay();
    let resynchronized = 0;
    let finished = 0;
    const drain = (): void => {
      for (let event = reader.next(); event !== undefined; event = reader.next()) {
        if (event.kind === 'configurationFinished') finished++;
        if (event.kind === 'resynchronize') {
          resynchronized++;
          replay.forget();
        } else replay.apply(event);
      }
    };
    bench.start();
    drain();
    const prefix = (i: number): string => `10.${i >> 8}.${i & 255}.0/24`;
    for (let i = 0; i < 800; i++) bench.platform.route({ prefix: prefix(i), hops: [{ dev: 'tap0' }] });
    bench.settle();
    assert.equal(queue.stats.resynchronizations, 1);
    for (let i = 0; i < 400; i++) bench.platform.removeRoute({ prefix: prefix(i) });
    bench.settle();
    for (let turns = 0; turns < 100; turns++) {
      drain();
      bench.settle();
      await turn();
    }
    assert.equal(resynchronized, 1);
    assert.equal(finished, 1);
    assert.equal(replay.routes.size, 400);
    assert.equal(replay.link.name, 'tap0');
  });

  test('what a callback has handled is left out of what is told anew', async () => {
    const bench = new Bench();
    bench.library.bind(new TestPort('a'), bench.library.create('tap0'));
    bench.library.register({ routeAdded: event => event.w0 % 512 === 0 });
    const reader = new EventReader(bench.library.queue({ bytes: 1 << 14 }).share);
    bench.start();
    for (let i = 0; i < 800; i++) {
      bench.platform.route({ prefix: `10.${i >> 8}.${i & 255}.0/24`, hops: [{ dev: 'tap0' }] });
    }
    const routes = new Set<string>();
    for (let turns = 0; turns < 100; turns++) {
      bench.settle();
      for (let event = reader.next(); event !== undefined; event = reader.next()) {
        if (event.kind === 'resynchronize') routes.clear();
        if (event instanceof RouteEvent) routes.add(event.prefix);
      }
      await turn();
    }
    assert.equal(routes.size, 400);
    assert.ok(routes.has('10.0.1.0/24') && !routes.has('10.0.2.0/24'));
  });
});

describe('the sum of the events is the tables', () => {
  test('whatever is done, lost, bound and read in between', async () => {
    const name = fc.constantFrom('tap0', 'tap1', 'eth0');
    const number = fc.integer({ min: 0, max: 3 });
    const action = fc.record({ what: fc.integer({ min: 0, max: 14 }), name, other: name, number });
    await fc.assert(
      fc.asyncProperty(fc.array(action, { maxLength: 60 }), async actions => {
        const bench = new Bench();
        const { platform, library } = bench;
        platform.add('eth0');
        const proxies = { tap0: library.create('tap0'), tap1: library.create('tap1'), eth0: library.adopt('eth0') };
        const port = new TestPort('p');
        library.bind(port, proxies.tap0);
        const replays: Replay[] = [];
        const portId = library.portId(port);
        library.register(
          all(event => {
            if ('proxyId' in event && event.portId === portId) (replays[event.proxyId] ??= new Replay()).apply(event);
          }),
        );
        const queue = library.queue({ bytes: 1 << 14 });
        const reader = new EventReader(queue.share);
        let queued = new Replay();
        const drain = (): void => {
          for (let event = reader.next(); event !== undefined; event = reader.next()) {
            if (event.kind === 'resynchronize') queued = new Replay();
            else if ('proxyId' in event && event.proxyId === proxies.tap0.id) queued.apply(event);
          }
        };
        bench.start();
        for (const { what, name: dev, other, number: n } of actions) {
          const prefix = `10.${n}.0.0/16`;
          if (what < 3)
            platform.route({
              prefix,
              hops: [{ dev }, { dev: other, via: `10.9.0.${n}` }].slice(what % 2),
              metric: n % 2,
            });
          else if (what === 3) quietly(() => platform.removeRoute({ prefix, metric: n % 2 }));
          else if (what === 4) platform.address(dev, `10.0.${n}.1/24`);
          else if (what === 5) quietly(() => platform.removeAddress(dev, `10.0.${n}.1/24`));
          else if (what === 6) platform.neighbor(dev, `10.0.0.${n}`, MAC, n);
          else if (what === 7) quietly(() => platform.removeNeighbor(dev, `10.0.0.${n}`));
          else if (what === 8) platform.set(dev, { mtu: 1500 + n, up: n > 1 });
          else if (what === 9) platform.overrun();
          else if (what === 10) drain();
          else if (what === 11) bench.settle();
          else if (what === 12) library.step();
          else if (what === 13) {
            // More than the queue has room for.
            for (let i = 0; i < 160; i++) platform.route({ prefix: `20.${n}.${i}.0/24`, hops: [{ dev }] });
          } else platform.route({ prefix: `2001:db8:${n}::/48`, hops: n === 0 ? [] : [{ dev }] });
        }
        for (let turns = 0; turns < 30; turns++) {
          bench.settle();
          drain();
          await turn();
        }
        const fresh = new IfProxy({ platform });
        const expected = new Replay();
        fresh.register(all(event => expected.apply(event)));
        fresh.bind(new TestPort('fresh'), fresh.adopt('tap0'));
        fresh.open();
        while (fresh.step());
        assert.equal(replays[proxies.tap0.id]!.text(), expected.text());
        assert.equal(queued.text(), expected.text());
        fresh.close();
        library.close();
      }),
      { numRuns: 150 },
    );
  });
});

function quietly(fn: () => void): void {
  try {
    fn();
  } catch (error) {
    assert.ok(error instanceof IfProxyError);
  }
}
