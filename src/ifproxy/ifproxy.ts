// The library's own face: proxies, ports, consumers and the loop. All of it belongs to one thread; other threads read queues.
import { watchFd, type FdWatch } from '../sys/index.ts';
import { Attached, Binding } from './attached.ts';
import type { EventQueue, EventQueueOptions, ProxyCallbacks, Registration } from './consumers.ts';
import { Delivery } from './delivery.ts';
import type { EventKind } from './event.ts';
import type { EventFilter } from './filter.ts';
import { LinuxPlatform } from './linux/platform.ts';
import { PICTURE_ALL } from './picture.ts';
import type { DeviceOptions, Feedback, History, HistoryStats, Platform } from './platform.ts';
import { IfProxyError, type Port, type Proxy } from './port.ts';

/** A turn of Node's loop at most. */
const TURN_MS = 2;
/** Steps between two looks at the clock. */
const STEPS = 16;

/** So long after a change the next one is looked for, where they come that close. */
const SPIN_MS = 0.3;

export interface IfProxyOptions {
  /** Linux unless told. */
  readonly platform?: Platform;
  /** Bytes of the notifications' receive buffer (the kernel counts 832 a route); 64 MiB unless told. */
  readonly receiveBuffer?: number;
}

export interface ProxyOptions {
  /** Destroyed with its last port, as DPDK's RFC has it. */
  readonly transient?: boolean;
}

export class IfProxy {
  readonly #platform: Platform;
  readonly #receiveBuffer: number | undefined;
  readonly #delivery: Delivery = new Delivery();
  readonly #bindings: Map<Port, Binding> = new Map();
  readonly #portIds: WeakMap<Port, number> = new WeakMap();
  #proxies: readonly Attached[] = [];
  #lastProxy = 0;
  #lastPort = 0;
  #history: History | undefined;
  #watch: FdWatch | undefined;
  #timer: NodeJS.Timeout | undefined;
  #looped = false;
  #scheduled = false;
  #closed = false;
  #asked = false; // something came up that wants another step
  #worked = false; // the last step had something to do
  #workedAtMs = 0;
  #spinUntilMs = 0;

  constructor(options: IfProxyOptions = {}) {
    this.#platform = options.platform ?? new LinuxPlatform();
    this.#receiveBuffer = options.receiveBuffer;
  }

  // Proxies

  /** Makes an interface (a TAP unless `type` says TUN). `%d` in the name is a number that is free. */
  create(name?: string, options: DeviceOptions & ProxyOptions = {}): Proxy {
    this.#refuseClosed();
    const device = this.#platform.create(name, options);
    const known = { ...device.info(), ifindex: device.ifindex };
    return this.#attach(new Attached(++this.#lastProxy, known, device, options.transient ?? false));
  }

  /** Takes an interface that there is, whoever made it: a veth, a bridge, a NIC. It stays when the proxy is destroyed. */
  adopt(nameOrIndex: string | number, options: ProxyOptions = {}): Proxy {
    this.#refuseClosed();
    const info = this.#platform.find(nameOrIndex);
    if (info === undefined) throw new IfProxyError(`there is no interface ${nameOrIndex}`);
    // The picture hears of a proxy only when the run is over.
    const taken = this.#proxies.some(proxy => proxy.ifindex === info.ifindex && proxy.state !== 'gone');
    if (taken) throw new IfProxyError(`${info.name} is a proxy already`);
    return this.#attach(new Attached(++this.#lastProxy, info, undefined, options.transient ?? false));
  }

  #attach(proxy: Attached): Proxy {
    this.#proxies = [...this.#proxies, proxy];
    this.#delivery.later(() => {
      if (proxy.state === 'destroyed') return;
      this.#delivery.picture.attach(proxy);
      this.#history?.refresh(PICTURE_ALL);
      this.#wake();
    });
    return proxy;
  }

  /** As soon as no port is bound to it. */
  destroy(proxy: Proxy): void {
    const attached = this.#own(proxy);
    attached.destroyed = true;
    if (attached.bindings.length === 0) this.#end(attached);
  }

  #end(proxy: Attached): void {
    if (!this.#proxies.includes(proxy)) return;
    this.#proxies = this.#proxies.filter(other => other !== proxy);
    proxy.destroyed = true;
    this.#delivery.later(() => {
      this.#delivery.picture.detach(proxy);
      proxy.state = 'destroyed';
      proxy.device?.close();
    });
  }

  /** Those not destroyed; gone ones too. */
  get proxies(): readonly Proxy[] {
    return this.#proxies;
  }

  /** The proxy of this name or number, or undefined. */
  proxy(nameOrIndex: string | number): Proxy | undefined {
    const is = ({ info }: Proxy): boolean => info.name === nameOrIndex || info.ifindex === nameOrIndex;
    return this.#proxies.find(proxy => proxy.state !== 'gone' && is(proxy)) ?? this.#proxies.find(is);
  }

  // Ports

  /** Binds a port, which takes the proxy's MAC. One that is bound to another proxy moves. */
  bind(port: Port, proxy: Proxy): void {
    this.#refuseClosed();
    const attached = this.#own(proxy);
    if (attached.destroyed || attached.state === 'gone') {
      const why = attached.state === 'gone' ? 'gone' : 'destroyed';
      throw new IfProxyError(`bind of ${port.name}: proxy ${attached.info.name} is ${why}`);
    }
    const before = this.#bindings.get(port);
    if (before?.proxy === attached) return;
    const { mac } = attached.info;
    if (mac.length > 0) port.setMac?.(mac);
    if (before !== undefined) this.#unbind(before);
    const binding = new Binding(port, this.portId(port), attached);
    this.#bindings.set(port, binding);
    this.#delivery.bind(binding);
  }

  unbind(port: Port): void {
    const binding = this.#bindings.get(port);
    if (binding !== undefined) this.#unbind(binding);
  }

  #unbind(binding: Binding): void {
    const { port, proxy } = binding;
    this.#bindings.delete(port);
    this.#delivery.unbind(binding);
    if (proxy.bindings.length === 0 && (proxy.destroyed || proxy.transient)) this.#end(proxy);
  }

  proxyOf(port: Port): Proxy | undefined {
    return this.#bindings.get(port)?.proxy;
  }

  portsOf(proxy: Proxy): readonly Port[] {
    return this.#own(proxy).bindings.map(({ port }) => port);
  }

  /** The number by which queues name the port; it stays the port's own. */
  portId(port: Port): number {
    let id = this.#portIds.get(port);
    if (id === undefined) {
      id = ++this.#lastPort;
      this.#portIds.set(port, id);
    }
    return id;
  }

  // Consumers

  /** The kinds of events that this platform delivers. */
  available(): ReadonlySet<EventKind> {
    return this.#platform.events;
  }

  register(callbacks: ProxyCallbacks, filter?: EventFilter): Registration {
    this.#refuseClosed();
    return this.#delivery.register(callbacks, filter);
  }

  queue(options: EventQueueOptions = {}): EventQueue {
    this.#refuseClosed();
    return this.#delivery.queue(options);
  }

  /** Changes by this sender (on Linux the port id of a netlink socket) are our own: their events say so. */
  own(sender: number): void {
    this.#platform.own?.(sender);
  }

  /**
   * Tells the system what a forwarding plane made of a route (`RouteEvent.id`). False where it has no place for that, as Linux has none
   * for what is no driver's.
   */
  feedback(routeId: number, feedback: Feedback): boolean {
    return this.#platform.feedback?.(this.#delivery.picture, routeId, feedback) ?? false;
  }

  // The loop

  /** Follows the kernel on Node's loop, which it keeps alive. */
  listen(): void {
    const history = this.open();
    this.#looped = true;
    if (history.fd >= 0) this.#watch = watchFd(history.fd, { readable: true }, () => this.#turn());
    history.onReady?.(() => this.#wake());
    this.#wake();
  }

  /**
   * Follows the kernel on a loop of the caller's: poll(2) its `fd` for `wakeInMs`, and call `step` while that says so; also now and then
   * while there are queues, which may wait for their readers.
   */
  open(): History {
    this.#refuseClosed();
    if (this.#history !== undefined) throw new IfProxyError('it listens already');
    const options = this.#receiveBuffer === undefined ? {} : { receiveBuffer: this.#receiveBuffer };
    this.#history = this.#platform.open(this.#delivery.picture, options);
    this.#delivery.wake = () => this.#wake();
    return this.#history;
  }

  get stats(): HistoryStats {
    return this.#history?.stats ?? { overruns: 0, dumps: 0, interruptions: 0 };
  }

  get listening(): boolean {
    return this.#history !== undefined;
  }

  /** One turn of at most 2 ms. True where there is more to do at once. Not from a callback. */
  step(): boolean {
    const history = this.#history;
    if (history === undefined) throw new IfProxyError('it does not listen');
    if (this.#delivery.running) throw new IfProxyError('step: called from a callback');
    const untilMs = performance.now() + TURN_MS;
    this.#asked = false;
    const more = this.#delivery.run(() => {
      let more = true;
      let steps = 0;
      while (more && performance.now() < untilMs) {
        for (let i = 0; i < STEPS && more; i++, steps++) more = history.step();
      }
      this.#worked = more || steps > 1;
      const walks = this.#delivery.pump(untilMs + TURN_MS);
      this.#delivery.commit();
      return more || walks;
    });
    // Asked for by callbacks: a consumer, a port or a proxy may have come after its turn. One of them may have closed the library.
    return this.#history !== undefined && (more || this.#asked);
  }

  #turn(): void {
    if (this.#history === undefined || this.#closed) return;
    const more = this.step();
    // A callback may have closed it.
    if (this.#closed) return;
    const nowMs = performance.now();
    if (this.#worked) {
      // One change after another: to be woken for each costs more than the change, us and who makes it.
      if (nowMs - this.#workedAtMs < SPIN_MS) this.#spinUntilMs = nowMs + SPIN_MS;
      this.#workedAtMs = nowMs;
    }
    if (more || nowMs < this.#spinUntilMs) this.#wake();
    else this.#sleep();
  }

  #wake(): void {
    this.#asked = true;
    if (!this.#looped || this.#scheduled || this.#closed) return;
    this.#scheduled = true;
    setImmediate(() => {
      this.#scheduled = false;
      this.#turn();
    });
  }

  #sleep(): void {
    const inMs = this.#history!.wakeInMs();
    if (inMs < 0 || this.#timer !== undefined) return;
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      this.#wake();
    }, inMs + 1);
  }

  /** Ends it: listening, queues, bindings, and the interfaces that were made here. May be called from a callback. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    clearTimeout(this.#timer);
    this.#watch?.close();
    for (const consumer of [...this.#delivery.registrations, ...this.#delivery.queues]) consumer.close();
    for (const binding of this.#bindings.values()) this.#unbind(binding);
    this.#delivery.later(() => {
      // The picture goes as a whole.
      for (const proxy of this.#proxies) {
        proxy.destroyed = true;
        proxy.state = 'destroyed';
        proxy.device?.close();
      }
      this.#proxies = [];
      this.#history?.close();
      this.#history = undefined;
      this.#platform.close?.();
    });
  }

  [Symbol.dispose](): void {
    this.close();
  }

  #own(proxy: Proxy): Attached {
    const attached = proxy as Attached;
    if (!this.#proxies.includes(attached))
      throw new IfProxyError(`proxy ${proxy.info.name} is destroyed, or another library's`);
    return attached;
  }

  #refuseClosed(): void {
    if (this.#closed) throw new IfProxyError('it is closed');
  }
}
