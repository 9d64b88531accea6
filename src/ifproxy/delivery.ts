// Who is told what. A consumer (callbacks, or a queue) is told of every port bound to the proxy that something happened to; callbacks
// first, and where one of them returns true the event is handled and goes to no queue.
//
// A consumer is owed the picture of each binding that it does not know: a port bound later, a consumer that came later, a queue that
// was lost. A *walk* tells it, a slice at a time, while the kernel goes on: it has a place in the picture, what is before it has been
// told and is kept true by events, what is behind it is not told before the walk comes to it.
//
//    link │ addresses │ routes 4 │ routes 6 │ neighbours │            told, and kept true  ◀── walk ──▶  silent
//
// No lock is held while a callback runs, because there is none, and nothing here is in the middle of anything: bindings and consumers are
// lists that are replaced, never changed, and what would pull the picture from under a walk waits until the run is over.
import type { Attached, Binding } from './attached.ts';
import {
  type Consumer,
  EventQueue,
  type EventQueueOptions,
  passed,
  type ProxyCallbacks,
  Registration,
  STAGE_ADDRESSES,
  STAGE_DONE,
  STAGE_LINK,
  STAGE_NEIGHBORS,
  STAGE_ROUTES4,
  STAGE_ROUTES6,
  Walk,
} from './consumers.ts';
import {
  EVENT_ADDRESS_ADDED,
  EVENT_COMMIT,
  EVENT_CONFIGURATION_FINISHED,
  EVENT_KINDS,
  EVENT_LINK,
  EVENT_MAC,
  EVENT_MTU,
  EVENT_NAME,
  EVENT_NEIGHBOR_ADDED,
  EVENT_PICTURE_FINISHED,
  EVENT_PROXY_GONE,
  EVENT_RESYNCHRONIZE,
  EVENT_ROUTE_ADDED,
  EVENT_ROUTE_DELETED,
  EVENT_ROUTE_REPLACED,
  FLAG_OWN,
  FLAG_PICTURE,
  type PortEvent,
  RouteEvent,
  type StreamEvent,
} from './event.ts';
import { type EventFilter, Filter } from './filter.ts';
import type { PathSet } from './paths.ts';
import { isReject, PICTURE_ALL, Picture } from './picture.ts';
import type { AddressState, LinkState, NeighborState, PictureEvents } from './states.ts';
import type { Port, Proxy } from './port.ts';
import { ROW_OWN, type RouteTable } from './routes.ts';
import {
  about,
  fillView,
  linkEvent,
  passesRow,
  passesState,
  putLink,
  putRoute,
  putState,
  routeCode,
  stateEvent,
} from './telling.ts';

type AnyCallback = (event: unknown, port: Port, proxy: Proxy) => unknown;

const LINK_CODES = [EVENT_NAME, EVENT_MAC, EVENT_MTU, EVENT_LINK];

/** Objects of a walk between two looks at the clock. */
const SLICE = 1024;

const NONE: readonly Attached[] = [];

export class Delivery implements PictureEvents {
  registrations: readonly Registration[] = [];
  queues: readonly EventQueue[] = [];
  /** All that are bound. */
  bindings: readonly Binding[] = [];
  readonly picture: Picture = new Picture(this);
  /** What is to be called when there is work for `pump` again. */
  wake: () => void = () => {};
  #settled = false; // all that there was when listening began is known
  #running = 0;
  readonly #later: (() => void)[] = [];
  readonly #view: RouteEvent = new RouteEvent();

  // Consumers and bindings

  register(callbacks: ProxyCallbacks, filter?: EventFilter): Registration {
    const registration = new Registration(callbacks, new Filter(filter), consumer => this.drop(consumer));
    this.registrations = [...this.registrations, registration];
    this.#owe(registration);
    return registration;
  }

  queue(options: EventQueueOptions): EventQueue {
    const queue = new EventQueue(options, consumer => this.drop(consumer));
    this.queues = [...this.queues, queue];
    this.#owe(queue);
    return queue;
  }

  drop(consumer: Registration | EventQueue): void {
    if (consumer.closed) return;
    consumer.closed = true;
    consumer.walks.clear();
    this.registrations = this.registrations.filter(other => other !== consumer);
    this.queues = this.queues.filter(other => other !== consumer);
    if (consumer instanceof EventQueue) this.later(() => consumer.writer.close());
    this.wake();
  }

  bind(binding: Binding): void {
    this.bindings = [...this.bindings, binding];
    binding.proxy.bindings = [...binding.proxy.bindings, binding];
    for (const consumer of this.#consumers()) consumer.walks.set(binding, new Walk(binding, !consumer.configured));
    this.wake();
  }

  unbind(binding: Binding): void {
    binding.bound = false;
    this.bindings = this.bindings.filter(other => other !== binding);
    binding.proxy.bindings = binding.proxy.bindings.filter(other => other !== binding);
    for (const consumer of this.#consumers()) consumer.walks.delete(binding);
    // It may have been the last that somebody waited for.
    this.wake();
  }

  #consumers(): readonly (Registration | EventQueue)[] {
    return [...this.registrations, ...this.queues];
  }

  #owe(consumer: Registration | EventQueue): void {
    for (const binding of this.bindings) {
      if (binding.proxy.state === 'gone') continue;
      consumer.walks.set(binding, new Walk(binding, !consumer.configured));
    }
    this.wake();
  }

  // Runs

  /** Whether a run goes on: we are called from a callback. */
  get running(): boolean {
    return this.#running > 0;
  }

  /** Runs `fn`; what was put off until later comes after it. */
  run<T>(fn: () => T): T {
    this.#running++;
    try {
      return fn();
    } finally {
      this.#running--;
      while (this.#running === 0 && this.#later.length > 0) this.#later.shift()!();
    }
  }

  /** Runs `fn` when no run goes on. */
  later(fn: () => void): void {
    if (this.#running > 0) this.#later.push(fn);
    else fn();
  }

  /** Goes on with walks until `untilMs` (performance.now). True where there is more to do at once. */
  pump(untilMs: number): boolean {
    let more = false;
    for (const registration of this.registrations) {
      if (this.#walkAll(registration, untilMs)) more = true;
      this.#finish(registration);
    }
    for (const queue of this.queues) {
      if (queue.closed) continue;
      if (queue.lost && !this.#resynchronize(queue)) continue;
      if (this.#walkAll(queue, untilMs)) more = true;
      this.#finish(queue);
    }
    return more;
  }

  /** The end of a run: what was told is one change. */
  commit(): void {
    for (const registration of this.registrations) {
      if (!registration.told) continue;
      registration.told = false;
      this.#tell(registration, { kind: 'commit' });
    }
    for (const queue of this.queues) {
      if (queue.lost || !queue.told) continue;
      queue.told = !queue.put(EVENT_COMMIT, 0, 0, 0);
      if (queue.told) this.#await(queue);
      else queue.writer.publish();
    }
  }

  #lose(queue: EventQueue): void {
    queue.lose();
    queue.writer.onRoom(this.wake);
  }

  /** What it has is the reader's now; goes on when that has taken some. */
  #await(queue: EventQueue): false {
    queue.writer.publish();
    queue.writer.onRoom(this.wake);
    return false;
  }

  /** False where there is no room for it yet. */
  #resynchronize(queue: EventQueue): boolean {
    if (!queue.writer.roomy || !queue.put(EVENT_RESYNCHRONIZE, 0, 0, 0)) {
      queue.writer.onRoom(this.wake);
      return false;
    }
    queue.lost = false;
    queue.resynchronizing = true;
    queue.told = true;
    for (const binding of this.bindings) {
      if (binding.proxy.state !== 'gone') queue.walks.set(binding, new Walk(binding, true));
    }
    return true;
  }

  /** Says what there is to say when no walk is left. */
  #finish(consumer: Registration | EventQueue): void {
    if (consumer.closed || consumer.walks.size > 0 || !this.#settled) return;
    if (consumer instanceof EventQueue) {
      if (consumer.lost) return;
      if (consumer.resynchronizing) {
        if (!consumer.put(EVENT_PICTURE_FINISHED, 0, 0, 0)) return void this.#await(consumer);
        consumer.resynchronizing = false;
        consumer.told = true;
      }
      if (consumer.configured) return;
      if (!consumer.put(EVENT_CONFIGURATION_FINISHED, 0, 0, 0)) return void this.#await(consumer);
      consumer.configured = true;
      consumer.told = true;
      return;
    }
    if (consumer.configured) return;
    consumer.configured = true;
    consumer.told = true;
    this.#tell(consumer, { kind: 'configurationFinished' });
  }

  // Walks

  /** True where there is more to do at once. */
  #walkAll(consumer: Registration | EventQueue, untilMs: number): boolean {
    for (const walk of consumer.walks.values()) {
      if (walk.binding.proxy.ended !== PICTURE_ALL || walk.binding.proxy.state !== 'there') continue;
      // Callbacks say first what they have handled.
      if (consumer instanceof EventQueue && this.registrations.some(other => other.walks.has(walk.binding))) continue;
      while (walk.stage !== STAGE_DONE) {
        if (consumer.closed || !walk.binding.bound) break;
        if (!this.#walk(consumer, walk)) {
          return this.#await(consumer as EventQueue);
        }
        if (walk.stage !== STAGE_DONE && performance.now() >= untilMs) return true;
      }
      if (consumer.closed) return false;
      if (consumer.walks.get(walk.binding) !== walk) continue;
      if (!walk.first) {
        const { portId } = walk.binding;
        if (consumer instanceof Registration) this.#tell(consumer, { kind: 'pictureFinished', portId });
        else if (!consumer.put(EVENT_PICTURE_FINISHED, 0, 0, portId)) {
          return this.#await(consumer);
        }
        consumer.told = true;
      }
      consumer.walks.delete(walk.binding);
    }
    return false;
  }

  /** A slice of a walk. False where a queue has no room. */
  #walk(consumer: Registration | EventQueue, walk: Walk): boolean {
    const { proxy } = walk.binding;
    switch (walk.stage) {
      case STAGE_LINK: {
        const link = proxy.link!;
        for (; walk.at < LINK_CODES.length; walk.at++) {
          const code = LINK_CODES[walk.at]!;
          const flags = FLAG_PICTURE | (link.own ? FLAG_OWN : 0);
          if (!this.#wantsPicture(consumer, code, proxy)) continue;
          if (consumer instanceof Registration) {
            if (this.#call(consumer, walk.binding, linkEvent(walk.binding, code, link, flags)))
              link.handled |= 1 << code;
            if (!walk.binding.bound || consumer.closed) return true;
          } else if ((link.handled & (1 << code)) === 0 && !putLink(consumer, walk.binding, code, link, flags))
            return false;
        }
        break;
      }
      case STAGE_ADDRESSES:
      case STAGE_NEIGHBORS:
        return this.#walkEntries(consumer, walk);
      case STAGE_ROUTES4:
      case STAGE_ROUTES6: {
        const table = walk.stage === STAGE_ROUTES4 ? this.picture.routes4 : this.picture.routes6;
        if (!this.#walkRoutes(consumer, walk, table)) return false;
        if (walk.at < table.limit) return true;
        break;
      }
      default:
    }
    walk.stage++;
    walk.at = 0;
    return true;
  }

  #walkEntries(consumer: Registration | EventQueue, walk: Walk): boolean {
    const { proxy } = walk.binding;
    const addresses = walk.stage === STAGE_ADDRESSES;
    walk.entries ??= (addresses ? this.picture.addresses : this.picture.neighbors).values();
    for (let i = 0; i < SLICE; i++) {
      const state = walk.held ?? walk.entries.next().value;
      if (state === undefined) {
        walk.entries = undefined;
        walk.stage++;
        walk.at = 0;
        return true;
      }
      walk.held = undefined;
      walk.at = state.serial;
      // One that had to wait for room may be gone.
      if (state.ifindex !== proxy.ifindex || state.gone) continue;
      const flags = FLAG_PICTURE | (state.own ? FLAG_OWN : 0);
      const code = addresses ? EVENT_ADDRESS_ADDED : EVENT_NEIGHBOR_ADDED;
      if (!this.#wantsPicture(consumer, code, proxy) || !passesState(consumer.filter, state)) continue;
      if (consumer instanceof Registration) {
        const event = stateEvent(walk.binding, code, state, flags);
        if (this.#call(consumer, walk.binding, event)) state.handled = true;
        if (!walk.binding.bound || consumer.closed) return true;
      } else if (!state.handled && !putState(consumer, walk.binding, code, state, flags)) {
        walk.held = state;
        walk.at = state.serial - 1;
        return false;
      }
    }
    return true;
  }

  #walkRoutes(consumer: Registration | EventQueue, walk: Walk, table: RouteTable): boolean {
    const { picture } = this;
    const { binding } = walk;
    const { proxy } = binding;
    const view = this.#view;
    const handled = proxy.handled(table.family);
    if (!this.#wantsPicture(consumer, EVENT_ROUTE_ADDED, proxy)) {
      walk.at = table.limit;
      return true;
    }
    const end = Math.min(table.limit, walk.at + SLICE);
    for (; walk.at < end; walk.at++) {
      const row = walk.at;
      if (table.prefix[row] === 0) continue;
      const set = table.paths(row);
      if (!isReject(table.word[row]! & 255) && !picture.proxiesOf(set).includes(proxy)) continue;
      if (consumer.filter.asksRoutes && !passesRow(consumer.filter, table, row, table.word[row]!)) continue;
      const queue = consumer instanceof EventQueue ? consumer : undefined;
      if (queue !== undefined && handled.has(row)) continue;
      fillView(view, table, row, set);
      view.kind = 'routeAdded';
      view.flags = FLAG_PICTURE | ((table.state[row]! & ROW_OWN) !== 0 ? FLAG_OWN : 0);
      view.proxyId = proxy.id;
      view.portId = binding.portId;
      if (queue !== undefined) {
        if (!putRoute(queue, EVENT_ROUTE_ADDED, view)) return false;
        queue.told = true;
        continue;
      }
      const registration = consumer as Registration;
      if (this.#call(registration, binding, view)) handled.put(row, true);
      if (!binding.bound || registration.closed) return true;
    }
    return true;
  }

  #wantsPicture(consumer: Consumer, code: number, proxy: Proxy): boolean {
    return consumer.filter.passes(code, proxy, false);
  }

  // Changes

  link(proxy: Attached, code: number, link: LinkState, flags: number): void {
    let handled = false;
    for (const binding of proxy.bindings) {
      for (const registration of this.registrations) {
        if (!binding.bound || registration.closed) continue;
        if (!registration.filter.passes(code, proxy, (flags & FLAG_OWN) !== 0)) continue;
        if (!linkTold(registration, binding, code)) continue;
        if (this.#call(registration, binding, linkEvent(binding, code, link, flags))) handled = true;
      }
    }
    if (handled) link.handled |= 1 << code;
    else link.handled &= ~(1 << code);
    if (handled) return;
    for (const queue of this.queues) {
      if (queue.lost || queue.closed || !queue.filter.passes(code, proxy, (flags & FLAG_OWN) !== 0)) continue;
      for (const binding of proxy.bindings) {
        if (!binding.bound || !linkTold(queue, binding, code)) continue;
        if (!putLink(queue, binding, code, link, flags)) this.#lose(queue);
      }
    }
  }

  address(proxy: Attached, code: number, address: AddressState, flags: number): void {
    this.#state(proxy, code, address, flags, STAGE_ADDRESSES);
  }

  neighbor(proxy: Attached, code: number, neighbor: NeighborState, flags: number): void {
    this.#state(proxy, code, neighbor, flags, STAGE_NEIGHBORS);
  }

  #state(proxy: Attached, code: number, state: AddressState | NeighborState, flags: number, stage: number): void {
    let handled = false;
    const own = (flags & FLAG_OWN) !== 0;
    for (const binding of proxy.bindings) {
      for (const registration of this.registrations) {
        if (!binding.bound || registration.closed || !passed(registration, binding, stage, state.serial)) continue;
        if (!registration.filter.passes(code, proxy, own) || !passesState(registration.filter, state)) continue;
        if (this.#call(registration, binding, stateEvent(binding, code, state, flags))) handled = true;
      }
    }
    state.handled = handled;
    if (handled) return;
    for (const queue of this.queues) {
      if (queue.closed || !queue.filter.passes(code, proxy, own) || !passesState(queue.filter, state)) continue;
      for (const binding of proxy.bindings) {
        if (queue.lost || !binding.bound || !passed(queue, binding, stage, state.serial)) continue;
        if (!putState(queue, binding, code, state, flags)) this.#lose(queue);
      }
    }
  }

  route(
    table: RouteTable,
    row: number,
    before: PathSet | undefined,
    after: PathSet | undefined,
    wordBefore: number,
    flags: number,
  ): void {
    const { picture } = this;
    const word = table.word[row]!;
    const old = before === undefined ? NONE : isReject(wordBefore & 255) ? picture.attached : picture.proxiesOf(before);
    const now = after === undefined ? NONE : isReject(word & 255) ? picture.attached : picture.proxiesOf(after);
    for (const proxy of now) {
      const code = old === now || old.includes(proxy) ? EVENT_ROUTE_REPLACED : EVENT_ROUTE_ADDED;
      const handled = this.#route(table, row, after!, proxy, code, wordBefore, flags);
      proxy.handled(table.family).put(row, handled);
    }
    if (old !== now) {
      for (const proxy of old) {
        if (now.includes(proxy)) continue;
        this.#route(table, row, before!, proxy, EVENT_ROUTE_DELETED, wordBefore, flags);
        proxy.handled(table.family).put(row, false);
      }
    }
  }

  #route(
    table: RouteTable,
    row: number,
    set: PathSet,
    proxy: Attached,
    code: number,
    wordBefore: number,
    flags: number,
  ): boolean {
    const { bindings } = proxy;
    if (bindings.length === 0) return false;
    const view = this.#view;
    const stage = table === this.picture.routes4 ? STAGE_ROUTES4 : STAGE_ROUTES6;
    const own = (flags & FLAG_OWN) !== 0;
    fillView(view, table, row, set);
    view.flags = flags;
    view.proxyId = proxy.id;
    let handled = false;
    for (const registration of this.registrations) {
      const told = routeCode(registration.filter, table, row, code, wordBefore);
      if (told < 0 || !registration.filter.passes(told, proxy, own)) continue;
      view.kind = EVENT_KINDS[told] as RouteEvent['kind'];
      for (const binding of bindings) {
        if (!binding.bound || registration.closed) continue;
        if (registration.walks.size > 0 && !passed(registration, binding, stage, row + 1)) continue;
        view.portId = binding.portId;
        if (this.#call(registration, binding, view)) handled = true;
      }
    }
    if (handled) return true;
    for (const queue of this.queues) {
      if (queue.lost || queue.closed) continue;
      const told = routeCode(queue.filter, table, row, code, wordBefore);
      if (told < 0 || !queue.filter.passes(told, proxy, own)) continue;
      for (const binding of bindings) {
        if (queue.lost || !binding.bound) continue;
        if (queue.walks.size > 0 && !passed(queue, binding, stage, row + 1)) continue;
        view.portId = binding.portId;
        if (putRoute(queue, told, view)) queue.told = true;
        else this.#lose(queue);
      }
    }
    return false;
  }

  gone(proxy: Attached, flags: number): void {
    let handled = false;
    for (const binding of proxy.bindings) {
      for (const registration of this.registrations) {
        registration.walks.delete(binding);
        if (!binding.bound || registration.closed) continue;
        if (!registration.filter.passes(EVENT_PROXY_GONE, proxy, (flags & FLAG_OWN) !== 0)) continue;
        if (this.#call(registration, binding, { kind: 'proxyGone', ...about(binding, flags) })) handled = true;
      }
    }
    for (const queue of this.queues) {
      for (const binding of proxy.bindings) {
        queue.walks.delete(binding);
        if (handled || queue.lost || queue.closed || !binding.bound) continue;
        if (!queue.filter.passes(EVENT_PROXY_GONE, proxy, (flags & FLAG_OWN) !== 0)) continue;
        if (queue.put(EVENT_PROXY_GONE, flags, proxy.id, binding.portId)) queue.told = true;
        else this.#lose(queue);
      }
    }
  }

  whole(_proxy: Attached): void {
    this.wake();
  }

  settled(): void {
    this.#settled = true;
    this.wake();
  }

  // Callbacks

  #call(registration: Registration, binding: Binding, event: PortEvent): boolean {
    const callback = registration.callbacks[event.kind] as AnyCallback | undefined;
    if (callback === undefined) return false;
    registration.told = true;
    try {
      return callback.call(registration.callbacks, event, binding.port, binding.proxy) === true;
    } catch (error) {
      surface(error);
      return false;
    }
  }

  #tell(registration: Registration, event: StreamEvent): void {
    const callback = registration.callbacks[event.kind] as ((event: StreamEvent) => void) | undefined;
    if (callback === undefined || registration.closed) return;
    if (!registration.filter.wants(EVENT_KINDS.indexOf(event.kind))) return;
    try {
      callback.call(registration.callbacks, event);
    } catch (error) {
      surface(error);
    }
  }
}

/** What a callback throws is its program's: it must not end the history in its middle, nor vanish. */
function surface(error: unknown): void {
  setImmediate(() => {
    throw error;
  });
}

function linkTold(consumer: Consumer, binding: Binding, code: number): boolean {
  return passed(consumer, binding, STAGE_LINK, LINK_CODES.indexOf(code) + 1);
}
