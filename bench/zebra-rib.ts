// What zebra's own work costs per route: 1,000,000 IPv4 prefixes added through the RIB's face, resolved, decided, handed to a
// plane that answers at once, and settled. The kernel and ZAPI's codec are not in it.
//
//   node bench/zebra-rib.ts [ROUTES] [SETS]
//
// For comparison (measured on such a machine): FRR 8.4.4's zebra installs 80–146 thousand routes a second, of which its main
// thread spends 4–7 µs of CPU each, and holds some 650 bytes a route.
import { summary, type Target } from './lib/report.ts';
import { NO_DETAIL } from '../src/dataplane/index.ts';
import { AF_INET, type Family } from '../src/net/index.ts';
import { gatewayNexthop, KIND_ALL, type Plane, type PlaneEvents, ROUTE_BGP, Zebra } from '../src/zebra/index.ts';

const routes = Number(process.argv[2] ?? 1_000_000);
const setCount = Number(process.argv[3] ?? 16);

/** Answers every request with success when polled; keeps them in columns, as the real one does. */
class InstantPlane implements Plane {
  readonly #capacity = 16_384;
  readonly #kind: Uint8Array = new Uint8Array(this.#capacity);
  readonly #object: Uint32Array = new Uint32Array(this.#capacity);
  readonly #generation: Uint32Array = new Uint32Array(this.#capacity);
  readonly #nexthop: Uint32Array = new Uint32Array(this.#capacity);
  readonly #had: Uint32Array = new Uint32Array(this.#capacity);
  readonly #protocol: Uint8Array = new Uint8Array(this.#capacity);
  readonly #type: Uint8Array = new Uint8Array(this.#capacity);
  #length = 0;
  #dump = 0;
  messages = 0;

  room(): number {
    return this.#capacity - this.#length;
  }

  routeInstall(
    object: number,
    generation: number,
    _table: number,
    _family: Family,
    _w0: number,
    _w1: number,
    _w2: number,
    _w3: number,
    _length: number,
    protocol: number,
    type: number,
    nexthopId: number,
    _metric: number,
    have: number,
  ): void {
    const at = this.#push(0, object, generation);
    this.#protocol[at] = protocol;
    this.#type[at] = type;
    this.#nexthop[at] = nexthopId;
    this.#had[at] = have < 256 ? 0 : have;
  }

  routeWithPaths(object: number, generation: number): void {
    this.#push(0, object, generation);
  }

  routeDelete(
    object: number,
    generation: number,
    _table: number,
    _family: Family,
    _w0: number,
    _w1: number,
    _w2: number,
    _w3: number,
    _length: number,
    _protocol: number,
    _metric: number,
    have: number,
  ): void {
    this.#had[this.#push(1, object, generation)] = have < 256 ? 0 : have;
  }

  nexthopInstall(id: number, generation: number): void {
    this.#push(2, id, generation);
  }

  groupInstall(id: number, generation: number): void {
    this.#push(2, id, generation);
  }

  nexthopDelete(id: number, generation: number): void {
    this.#push(3, id, generation);
  }

  labelInstall(): void {}

  labelDelete(): void {}

  flush(): void {}

  requestResync(kinds: number): void {
    this.#dump = kinds;
  }

  #push(kind: number, object: number, generation: number): number {
    const at = this.#length++;
    this.#kind[at] = kind;
    this.#object[at] = object;
    this.#generation[at] = generation;
    this.#had[at] = 0;
    this.messages++;
    return at;
  }

  poll(events: PlaneEvents, _max: number): number {
    for (let kind = 1; this.#dump !== 0 && kind <= KIND_ALL; kind <<= 1) {
      events.dumpBegin(kind);
      if (kind === 1) {
        events.link({
          ifindex: 2,
          name: 'eth0',
          flags: 0x11043,
          mtu: 1500,
          mac: new Uint8Array(6),
          hardwareType: 1,
          link: 0,
          master: 0,
          detail: NO_DETAIL,
        });
      } else if (kind === 2) {
        const local = [0xc6120001, 0, 0, 0] as const;
        events.address({ ifindex: 2, family: AF_INET, local, peer: local, length: 16, flags: 0, label: '' });
      }
      events.dumpEnd(kind);
    }
    this.#dump = 0;
    const count = this.#length;
    for (let at = 0; at < count; at++) {
      const object = this.#object[at]!;
      const generation = this.#generation[at]!;
      const kind = this.#kind[at]!;
      if (kind === 0) {
        events.routeInstalled(
          object,
          generation,
          0,
          this.#protocol[at]!,
          this.#type[at]!,
          this.#nexthop[at]!,
          this.#had[at]!,
        );
      } else if (kind === 1) events.routeDeleted(object, generation, 0, this.#had[at]!);
      else if (kind === 2) events.nexthopInstalled(object, generation, 0);
      else events.nexthopDeleted(object, generation, 0);
    }
    this.#length = 0;
    return count;
  }
}

const plane = new InstantPlane();
const zebra = new Zebra(plane, { wake: () => {}, later: () => {}, nowS: () => 1 });
const never = (): boolean => false;
function settle(): void {
  for (;;) {
    while (zebra.process(never));
    if (plane.poll(zebra, 1 << 20) === 0 && zebra.idle) break;
  }
}
zebra.start();
plane.poll(zebra, 1 << 20);
settle();

const sets: number[] = [];
for (let i = 0; i < setCount; i++) {
  const id = zebra.nexthops.intern(0, AF_INET, [gatewayNexthop(AF_INET, [0xc6120002 + i, 0, 0, 0])], true);
  zebra.nexthops.hold(id);
  sets.push(id);
}

function megabytes(): number {
  globalThis.gc?.();
  const { heapUsed, arrayBuffers } = process.memoryUsage();
  return (heapUsed + arrayBuffers) / 1e6;
}

const targets: Target[] = [];

function report(what: string, from: bigint, cpu: NodeJS.CpuUsage, count: number): void {
  const seconds = Number(process.hrtime.bigint() - from) / 1e9;
  const used = process.cpuUsage(cpu);
  const cpuS = (used.user + used.system) / 1e6;
  console.log(
    `${what.padEnd(34)} ${((seconds / count) * 1e9).toFixed(0).padStart(6)} ns/route  ${seconds.toFixed(2)} s, ${cpuS.toFixed(2)} CPU-s`,
  );
  targets.push({ name: what, value: (cpuS / count) * 1e6, most: 1, unit: ' µs of CPU a route' });
}

function addAll(shift: number): void {
  for (let i = 0; i < routes; i++) {
    const w0 = (0x01000000 + i * 256) >>> 0;
    const set = sets[(i + shift) % setCount]!;
    zebra.rib.add(0, AF_INET, w0, 0, 0, 0, 24, ROUTE_BGP, 0, 0, 20, 0, 0, set, 1);
    // As the server does it: some thousand messages, then a slice.
    if ((i & 4095) === 4095) {
      zebra.process(never);
      plane.poll(zebra, 1 << 20);
    }
  }
  settle();
}

const before = megabytes();
for (const [what, shift] of [
  ['add, first time', 0],
  ['announced again, the same', 0],
  ['every route another next hop', 1],
] as const) {
  const from = process.hrtime.bigint();
  const cpu = process.cpuUsage();
  addAll(shift);
  report(what, from, cpu, routes);
  if (what === 'add, first time') {
    const grown = megabytes() - before;
    console.log(
      `${'memory'.padEnd(34)} ${((grown * 1e6) / routes).toFixed(0).padStart(6)} B/route   ${grown.toFixed(0)} MB`,
    );
  }
}
{
  const from = process.hrtime.bigint();
  const cpu = process.cpuUsage();
  for (let i = 0; i < routes; i++) {
    zebra.rib.remove(0, AF_INET, (0x01000000 + i * 256) >>> 0, 0, 0, 0, 24, ROUTE_BGP, 0, -1, 1);
    if ((i & 4095) === 4095) {
      zebra.process(never);
      plane.poll(zebra, 1 << 20);
    }
  }
  settle();
  report('remove', from, cpu, routes);
}
console.log(`${plane.messages} messages to the plane; ${zebra.rib.table(0, AF_INET).prefixes.size} prefixes left`);
summary('zebra-rib', targets);
