// A zebra that keeps what it is told, answers next hops as reachable, and tells what the test wants it to.
import assert from 'node:assert/strict';
import {
  addressBits,
  formatAddress,
  formatIp6,
  formatPrefix,
  parseAddress,
  parsePrefix,
  readWord,
} from '../../../src/net/index.ts';
import {
  ANY_LABEL_BASE,
  commandName,
  decodeToServer,
  encodeToClient,
  Framer,
  FRR_8_4_4,
  MAX_LABELS,
  MESSAGE_NEXTHOP,
  NEXTHOP_FLAG_LABEL,
  NEXTHOP_FLAG_SEG6,
  NEXTHOP_FLAG_SEG6LOCAL,
  NEXTHOP_IFINDEX,
  NEXTHOP_IPV4_IFINDEX,
  NEXTHOP_MAX_BYTES,
  NexthopColumns,
  readHostWord,
  RouteMessage,
  routeTypeNumber,
  SEG6LOCAL_CONTEXT_BYTES,
  type ServerMessages,
  type ZapiConnect,
  type ZapiTransportEvents,
} from '../../../src/zapi/index.ts';

export class PlayedZebra {
  /** `VRF PREFIX` to its next hops: `VRF: ADDRESS dev N label L sid S action A table T`. */
  readonly routes: Map<string, string> = new Map();
  /** `VRF/AFI` to what packets with the label are looked up by. */
  readonly vrfLabels: Map<string, number> = new Map();
  /** Locators, by name, that are given to whoever asks. */
  readonly locators: Map<string, ServerMessages['SRV6_MANAGER_GET_LOCATOR_CHUNK']> = new Map();
  readonly wantedLocators: Set<string> = new Set();
  /** First label that has not been given away, and the last there is. */
  labels: [number, number] = [100, 1_000_000];
  #events: ZapiTransportEvents | undefined;
  #framer = new Framer(FRR_8_4_4.maxFrameBytes);
  readonly #route = new RouteMessage();
  readonly #hops = new NexthopColumns();

  readonly connect: ZapiConnect = events => {
    this.#events = events;
    this.#framer = new Framer(FRR_8_4_4.maxFrameBytes);
    this.wantedLocators.clear();
    setImmediate(() => events.open());
    return {
      write: (bytes, offset, size) => {
        this.#take(bytes.slice(offset, offset + size));
        return size;
      },
      close: () => (this.#events = undefined),
    };
  };

  tell<Name extends keyof ServerMessages>(name: Name, message: ServerMessages[Name], vrf = 0): void {
    const bytes = new Uint8Array(4096);
    const end = encodeToClient(FRR_8_4_4, name, message, vrf, bytes, 0);
    assert.ok(end > 0, name);
    this.#events?.bytes(bytes, 0, end);
  }

  /** A VRF by a device, with this index and table. */
  vrf(name: string, id: number, table: number): void {
    this.tell('VRF_ADD', { table, netns: '', name }, id);
  }

  /** A static IPv4 route of a VRF, for those that redistribute such. */
  staticRoute(prefix: string, gateway: string, ifindex: number, vrf: number): void {
    const { family, words, length } = parsePrefix(prefix)!;
    const hops = new NexthopColumns(1);
    const row = hops.add(NEXTHOP_IPV4_IFINDEX, vrf);
    hops.w0[row] = parseAddress(gateway)!.words[0];
    hops.ifindex[row] = ifindex;
    const route = new RouteMessage();
    const bytes = new Uint8Array(NEXTHOP_MAX_BYTES);
    const nexthopEnd = FRR_8_4_4.route.encodeNexthops(hops, MESSAGE_NEXTHOP, bytes, 0);
    Object.assign(route, { type: routeTypeNumber(FRR_8_4_4, 'static'), family, safi: 1, w0: words[0] });
    Object.assign(route, { prefixLength: length, message: MESSAGE_NEXTHOP, bytes, nexthopEnd, nexthopCount: 1 });
    const message = new Uint8Array(4096);
    const end = FRR_8_4_4.route.encode(route, vrf, FRR_8_4_4.command.REDISTRIBUTE_ROUTE_ADD, message, 0);
    assert.ok(end > 0);
    this.#events?.bytes(message, 0, end);
  }

  locator(name: string, prefix: ServerMessages['SRV6_LOCATOR_ADD']['prefix'], functionBits: number, flags = 0): void {
    const bits = { blockBits: 40, nodeBits: prefix.length - 40, functionBits, argumentBits: 0, flags };
    this.locators.set(name, { name, prefix, ...bits });
    if (this.wantedLocators.has(name)) this.#give(name);
  }

  noLocator(name: string): void {
    const { prefix } = this.locators.get(name)!;
    this.locators.delete(name);
    this.tell('SRV6_LOCATOR_DELETE', { name, prefix });
  }

  #give(name: string): void {
    const chunk = this.locators.get(name);
    if (chunk !== undefined) this.tell('SRV6_MANAGER_GET_LOCATOR_CHUNK', chunk);
  }

  drop(): void {
    const events = this.#events;
    this.#events = undefined;
    this.routes.clear();
    this.vrfLabels.clear();
    events?.close(undefined);
  }

  #take(bytes: Uint8Array): void {
    const framer = this.#framer;
    framer.push(bytes);
    while (framer.next()) {
      const name = commandName(FRR_8_4_4, framer.command);
      const { vrf } = framer;
      if (name === 'ROUTE_ADD' || name === 'ROUTE_DELETE') this.#routeSaid(name === 'ROUTE_ADD', vrf);
      else if (name === 'NEXTHOP_REGISTER') this.#reachable(vrf);
      else if (name === 'SRV6_MANAGER_GET_LOCATOR_CHUNK') {
        const message = decodeToServer(FRR_8_4_4, name, framer.bytes, framer.body, framer.end);
        this.wantedLocators.add(message.name);
        setImmediate(() => this.#give(message.name));
      } else if (name === 'SRV6_MANAGER_RELEASE_LOCATOR_CHUNK') {
        const message = decodeToServer(FRR_8_4_4, name, framer.bytes, framer.body, framer.end);
        this.wantedLocators.delete(message.name);
      } else if (name === 'VRF_LABEL') {
        const { afi, label } = decodeToServer(FRR_8_4_4, name, framer.bytes, framer.body, framer.end);
        const key = `${vrf}/${afi}`;
        if (label === undefined || label > 0xfffff) this.vrfLabels.delete(key);
        else this.vrfLabels.set(key, label);
      } else if (name === 'GET_LABEL_CHUNK') {
        const { size, base, ...rest } = decodeToServer(FRR_8_4_4, name, framer.bytes, framer.body, framer.end);
        const [free, last] = this.labels;
        const start = base === ANY_LABEL_BASE ? free : base;
        const range = start + size - 1 > last ? undefined : { start, end: start + size - 1 };
        if (range !== undefined) this.labels = [Math.max(range.end + 1, free), last];
        setImmediate(() => this.tell('GET_LABEL_CHUNK', { ...rest, range } as never));
      }
    }
  }

  #routeSaid(add: boolean, vrf: number): void {
    const framer = this.#framer;
    const route = this.#route;
    assert.equal(FRR_8_4_4.route.decode(route, framer.bytes, framer.body, framer.end), 0);
    const words = [route.w0, route.w1, route.w2, route.w3] as const;
    const { family } = route;
    const key = `${vrf} ${formatPrefix({ family: family as 2 | 10, words, length: route.prefixLength })}`;
    if (!add) assert.ok(this.routes.delete(key), `${key} is not there`);
    else this.routes.set(key, this.#hopsText());
  }

  #hopsText(): string {
    const route = this.#route;
    const hops = this.#hops;
    const { bytes, nexthopStart, nexthopEnd, nexthopCount, message } = route;
    const end = FRR_8_4_4.route.decodeNexthops(hops, bytes, nexthopStart, nexthopEnd, nexthopCount, message);
    assert.ok(end > 0);
    return Array.from({ length: nexthopCount }, (_, row) => {
      const flags = hops.flags[row]!;
      const words = [hops.w0[row]!, hops.w1[row]!, hops.w2[row]!, hops.w3[row]!] as const;
      const family = hops.type[row]! >= 4 ? 10 : 2;
      const parts = [`${hops.vrf[row]}:`];
      if (hops.type[row] !== NEXTHOP_IFINDEX) parts.push(formatAddress(family, words));
      if (hops.ifindex[row] !== 0) parts.push(`dev ${hops.ifindex[row]}`);
      if ((flags & NEXTHOP_FLAG_LABEL) !== 0) parts.push(`label ${hops.labels[row * MAX_LABELS]}`);
      if ((flags & NEXTHOP_FLAG_SEG6) !== 0) {
        const word = (i: number): number => readWord(hops.seg6Sid, row * 16 + i * 4);
        parts.push(`sid ${formatIp6(word(0), word(1), word(2), word(3))}`);
      }
      if ((flags & NEXTHOP_FLAG_SEG6LOCAL) !== 0) {
        parts.push(`action ${hops.seg6localAction[row]}`);
        parts.push(`table ${readHostWord(hops.seg6localContext, row * SEG6LOCAL_CONTEXT_BYTES + 20)}`);
      }
      return parts.join(' ');
    }).join(', ');
  }

  #reachable(vrf: number): void {
    const framer = this.#framer;
    const { entries } = decodeToServer(FRR_8_4_4, 'NEXTHOP_REGISTER', framer.bytes, framer.body, framer.end);
    for (const { prefix } of entries) {
      assert.equal(prefix.length, addressBits(prefix.family));
      const nowhere = { gateway: [0, 0, 0, 0] as const, blackhole: 0, weight: 0, labels: [] };
      const update = { message: 0, safi: 1, match: prefix, resolved: prefix, color: 0, routeType: 2, instance: 0 };
      const hop = { vrf, type: NEXTHOP_IFINDEX, flags: 0, ifindex: 1, ...nowhere };
      setImmediate(() => this.tell('NEXTHOP_UPDATE', { ...update, distance: 0, metric: 0, nexthops: [hop] }, vrf));
    }
  }
}
