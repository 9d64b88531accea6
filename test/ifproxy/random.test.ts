// Sequences of what an administrator may do, at random, by `ip` itself, with the kernel's smallest receive buffer and with a large one:
// whatever order it comes in and however much is lost, the sum of the events told from nothing is what `ip -j` says of the proxy.
// SEED=n repeats one, RUNS and STEPS make it longer.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { EventReader } from '../../src/ifproxy/index.ts';
import { Lab } from '../lib/netns.ts';
import { until } from '../lib/wait.ts';
import { kernelText, Replay } from './replay.ts';
import { World } from './world.ts';

const STEPS = Number(process.env['STEPS'] ?? 120);
const RUNS = Number(process.env['RUNS'] ?? 2);

/** xorshift32: the same sequence for the same seed. */
function generator(seed: number): (below: number) => number {
  let state = seed | 1;
  return below => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) % below;
  };
}

/** One line for `ip -batch`. Many fail, as they should: there is no such route, no such object, the link is down. */
function operation(random: (below: number) => number, devices: readonly string[]): string {
  const dev = devices[random(devices.length)]!;
  const other = devices[random(devices.length)]!;
  const net = (): string => `10.${100 + random(3)}.${random(4)}.0/24`;
  const gate = (d: string): string => `10.${devices.indexOf(d)}.0.${2 + random(4)}`;
  const net6 = (): string => `2001:db8:${100 + random(3)}:${random(3)}::/64`;
  const gate6 = (d: string): string => `2001:db8:${devices.indexOf(d)}::${2 + random(4)}`;
  const metric = (): string => (random(3) === 0 ? ` metric ${1 + random(3)}` : '');
  const verb = (): string =>
    ['add', 'replace', 'replace', 'change', 'append', 'append', 'prepend', 'del', 'del'][random(9)]!;
  const id = (): number => 1 + random(6);
  const hops4 = (): string =>
    `nexthop via ${gate(dev)} dev ${dev} weight ${1 + random(3)} nexthop via ${gate(other)} dev ${other}`;
  const hops6 = (): string => `nexthop via ${gate6(dev)} dev ${dev} nexthop via ${gate6(other)} dev ${other}`;
  switch (random(31)) {
    case 0:
      return `link set ${dev} ${random(3) === 0 ? 'down' : 'up'}`;
    case 1:
      return `link set ${dev} mtu ${1300 + random(300)}`;
    case 2:
      return `link set ${dev} address 02:00:00:00:${devices.indexOf(dev)}${random(10)}:${10 + random(80)}`;
    case 3:
      return `addr ${random(2) === 0 ? 'add' : 'del'} 10.${devices.indexOf(dev)}.0.1/24 dev ${dev}`;
    case 4:
      return `addr ${random(2) === 0 ? 'add' : 'del'} 10.50.${random(3)}.1 peer 10.51.0.${1 + random(3)} dev ${dev}`;
    case 5:
      return `-6 addr ${random(2) === 0 ? 'add' : 'del'} 2001:db8:${devices.indexOf(dev)}::1/64 dev ${dev} nodad`;
    case 6:
    case 7:
      return `route ${verb()} ${net()} via ${gate(dev)} dev ${dev}${metric()}${random(4) === 0 ? ' proto static' : ''}`;
    case 8:
      return `route ${verb()} ${net()} ${hops4()}${metric()}`;
    case 9:
      return `route ${verb()} ${net()} dev ${dev}${metric()}${random(4) === 0 ? ' table 77' : ''}`;
    case 10:
      return `route ${verb()} default via ${gate(dev)} dev ${dev}${metric()}`;
    case 11:
      return `route ${verb()} ${['blackhole', 'unreachable', 'prohibit'][random(3)]} ${net()}${metric()}`;
    case 12:
      return `route ${verb()} ${net()} via inet6 fe80::${1 + random(3)} dev ${dev}${metric()}`;
    case 13:
      return `route ${verb()} ${net()} via ${gate(dev)} dev ${dev} tos 0x${random(2) === 0 ? 10 : 8}`;
    case 14:
    case 15:
      return `-6 route ${verb()} ${net6()} via ${gate6(dev)} dev ${dev}${metric()}${['', '', ' proto static', ' proto ra'][random(4)]}`;
    case 16:
      return `-6 route ${verb()} ${net6()} ${hops6()}${metric()}`;
    case 17:
      return `-6 route ${verb()} ${net6()} dev ${dev}${metric()}`;
    case 18:
      return `-6 route ${verb()} ${['blackhole', 'unreachable'][random(2)]} ${net6()}${metric()}`;
    case 19:
      return `nexthop ${random(4) === 0 ? 'del' : 'replace'} id ${id()} via ${gate(dev)} dev ${dev}`.replace(
        /(del id \d+).*/,
        '$1',
      );
    case 20:
      return random(4) === 0
        ? `nexthop del id ${10 + random(3)}`
        : `nexthop replace id ${10 + random(3)} group ${id()}/${id()},3`;
    case 21:
      return random(3) === 0
        ? `nexthop del id ${20 + random(2)}`
        : `nexthop replace id ${20 + random(2)} via ${gate6(dev)} dev ${dev}`;
    case 22:
      return `route ${verb()} ${net()} nhid ${[id(), 10 + random(3), 20 + random(2)][random(3)]}${metric()}`;
    case 23:
      return `-6 route ${verb()} ${net6()} nhid ${20 + random(2)}${metric()}`;
    case 24:
      return `neigh ${['replace', 'replace', 'del'][random(3)]} ${gate(dev)} lladdr 02:00:00:00:01:0${random(5)} dev ${dev} nud ${['permanent', 'stale', 'reachable', 'noarp'][random(4)]}`;
    case 25: {
      // Another interface of the same name, or of the same number.
      const index = random(2) === 0 ? ` index ${50 + random(2)}` : '';
      const again = ['veth0', 'veth1'].map((name, i) => `link set ${name} up\naddr add 10.${i + 1}.0.1/24 dev ${name}`);
      return `link del veth0\nlink add name veth0${index} type veth peer name veth1\n${again.join('\n')}`;
    }
    case 26:
      return `route ${verb()} ${net()} via ${gate(dev)} dev ${dev}${metric()} mtu ${1300 + random(2)}`;
    case 27:
      return `-6 route ${verb()} ${net6()} via ${gate6(dev)} dev ${dev}${metric()} src 2001:db8:${random(3)}::1`;
    case 28:
      return `route ${verb()} ${net()} via ${gate(dev)} dev ${dev}${metric()} src 10.50.${random(3)}.1`;
    case 29:
      return `nexthop replace id ${id()} blackhole`;
    default:
      return `-6 neigh ${['replace', 'del'][random(2)]} ${gate6(dev)} lladdr 02:00:00:00:02:0${random(5)} dev ${dev} nud permanent`;
  }
}

describe('random sequences of operations', { timeout: 600_000 }, () => {
  const lab = new Lab();
  after(() => lab.close());

  async function play(seed: number, receiveBuffer: number, burst: number): Promise<void> {
    const random = generator(seed);
    const namespace = await lab.namespace(`n${seed}`);
    const world = new World(namespace, { receiveBuffer });
    const queue = world.library.queue({ bytes: 1 << 14, filter: {} });
    const reader = new EventReader(queue.share);
    const queued = new Replay();
    const portId = (): number => world.library.portId(world.port);
    let reading = true;
    const read = async (): Promise<void> => {
      while (reading) {
        for (let event = reader.next(); event !== undefined; event = reader.next()) {
          if (event.kind === 'resynchronize') queued.forget();
          if ('proxyId' in event && event.portId === portId()) queued.apply(event);
        }
        await reader.ready();
      }
    };
    const readAll = read();
    try {
      await world.ip('link', 'add', 'name', 'veth0', 'type', 'veth', 'peer', 'name', 'veth1');
      // Every second one: routes name their nexthop object, and not what it leads over.
      if (seed % 2 === 0) await namespace.run('sysctl', '-qw', 'net.ipv4.nexthop_compat_mode=0');
      await world.tap();
      const devices = ['tap1', 'veth0', 'veth1'];
      const lines: string[] = [];
      for (const [i, dev] of devices.entries()) {
        lines.push(
          `link set ${dev} up`,
          `addr add 10.${i}.0.1/24 dev ${dev}`,
          `-6 addr add 2001:db8:${i}::1/64 dev ${dev} nodad`,
        );
      }
      const directory = await lab.directory();
      for (let step = 0; step < STEPS; step += 12) {
        for (let i = 0; i < 12; i++) lines.push(operation(random, devices));
        if (burst > 0 && random(4) === 0) {
          const add = random(3) > 0 ? 'replace' : 'del';
          for (let i = 0; i < burst; i++) {
            lines.push(`route ${add} 20.${(i >> 8) & 255}.${i & 255}.${i >> 16}/32 dev ${devices[random(2)]}`);
          }
        }
        const file = join(directory, String(step));
        writeFileSync(file, `${lines.splice(0).join('\n')}\n`);
        // -force: goes on after what fails; the exit status says that something did.
        await world.ip('-force', '-batch', file).catch(() => '');
        let kernel = '';
        await until(
          async () => {
            kernel = await kernelText(namespace, 'tap1');
            return kernel === world.replay.text() && kernel === queued.text();
          },
          {
            timeoutMs: 30_000,
            what: () => difference(kernel, world.replay.text(), queued.text()),
          },
        );
      }
    } catch (error) {
      throw new Error(`seed ${seed}: ${(error as Error).message}`, { cause: error });
    } finally {
      reading = false;
      world.library.close();
      await readAll;
    }
  }

  const first = Number(process.env['SEED'] ?? 1);
  for (let seed = first; seed < first + (process.env['SEED'] === undefined ? RUNS : 1); seed++) {
    test(`seed ${seed}: all is heard`, () => play(seed, 64 << 20, 0));
    test(`seed ${seed}: a receive buffer of 4 KiB`, () => play(seed + 1000, 2048, 3000));
  }
  test('bursts of 100,000 routes into a receive buffer of 4 KiB', { skip: process.env['SEED'] !== undefined }, () =>
    play(4711, 2048, 100_000),
  );
});

function difference(kernel: string, told: string, queued: string): string {
  const minus = (a: string, b: string): string => {
    const other = new Set(b.split('\n'));
    return a
      .split('\n')
      .filter(line => !other.has(line))
      .slice(0, 20)
      .join('\n');
  };
  return [
    `the callbacks miss\n${minus(kernel, told)}`,
    `and have too many\n${minus(told, kernel)}`,
    `the queue misses\n${minus(kernel, queued)}`,
    `and has too many\n${minus(queued, kernel)}`,
  ].join('\n');
}
