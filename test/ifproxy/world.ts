// A library that listens in a namespace of its own, with one port that replays what it is told.
import {
  IfProxy,
  type IfProxyOptions,
  LinuxPlatform,
  type Port,
  type Proxy,
  type ProxyEvent,
} from '../../src/ifproxy/index.ts';
import type { Namespace } from '../lib/netns.ts';
import { until } from '../lib/wait.ts';
import { all, kernelText, Replay } from './replay.ts';

/** A port that is nothing but a name, and remembers its MAC. */
export class TestPort implements Port {
  readonly name: string;
  mac: Uint8Array | undefined;

  constructor(name: string) {
    this.name = name;
  }

  setMac(mac: Uint8Array): void {
    this.mac = mac;
  }
}

const worlds = new Set<World>();

/** Closes all there are: a library that listens keeps the process. */
export function closeWorlds(): void {
  for (const world of worlds) world.library.close();
  worlds.clear();
}

export class World {
  readonly namespace: Namespace;
  readonly library: IfProxy;
  readonly port: TestPort = new TestPort('p1');
  readonly replay: Replay = new Replay();
  /** All that was told, in order: `routeAdded 10.0.0.0/8`. */
  readonly told: ProxyEvent['kind'][] = [];

  constructor(namespace: Namespace, options: IfProxyOptions = {}) {
    this.namespace = namespace;
    worlds.add(this);
    this.library = new IfProxy({ platform: new LinuxPlatform({ namespace: namespace.path }), ...options });
    this.library.register(
      all(event => {
        this.told.push(event.kind);
        if ('portId' in event && event.portId !== this.library.portId(this.port)) return;
        this.replay.apply(event);
      }),
    );
  }

  /** A TAP `tap1` that is up, with the port bound, all of it told. */
  async tap(name = 'tap1'): Promise<Proxy> {
    const proxy = this.library.create(name, { up: true });
    this.library.bind(this.port, proxy);
    this.library.listen();
    await until(() => this.told.includes('configurationFinished'), { what: 'the end of the configuration' });
    return proxy;
  }

  ip(...argv: string[]): Promise<string> {
    return this.namespace.run('ip', ...argv);
  }

  /** Until what was told is what `ip -j` says. */
  async agrees(name = 'tap1', timeoutMs = 5000): Promise<void> {
    let kernel = '';
    await until(
      async () => {
        kernel = await kernelText(this.namespace, name);
        return kernel === this.replay.text();
      },
      { what: () => `the kernel has\n${kernel}\nand the port was told\n${this.replay.text()}`, timeoutMs },
    );
  }
}
