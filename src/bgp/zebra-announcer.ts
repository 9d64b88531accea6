// Tells zebra the selected paths of one family. It reads the table's dirty set, one prefix at a time, and only while the
// connection has room: a route that changes ten times before its turn is sent once, and pressure from the kernel ends
// here, as marked rows.
//
// What differs between routes that lead to the same next hop is the prefix, the metric and the tag. So the block of next
// hops is encoded once for each next hop and copied from then on; a million routes take some hundred milliseconds.
import { AF_INET, AF_INET6, grown, isLinkLocal6, isUnspecified, readWord, writeWord } from '../net/index.ts';
import {
  FRR_8_4_4,
  MESSAGE_DISTANCE,
  MESSAGE_METRIC,
  MESSAGE_NEXTHOP,
  MAX_LABELS,
  MESSAGE_TAG,
  NEXTHOP_BLACKHOLE,
  NEXTHOP_FLAG_LABEL,
  NEXTHOP_FLAG_SEG6,
  NEXTHOP_IFINDEX,
  NEXTHOP_IPV4,
  NEXTHOP_IPV6,
  NEXTHOP_IPV6_IFINDEX,
  NEXTHOP_MAX_BYTES,
  NexthopColumns,
  ROUTE_FLAG_ALLOW_RECURSION,
  ROUTE_FLAG_IBGP,
  RouteMessage,
  routeTypeNumber,
} from '../zapi/index.ts';
import type { WorkTask } from '../concurrency/index.ts';
import type { FamilyInstance } from './family.ts';
import { Peer } from './peer.ts';
import { dependsOn } from './peer-policy.ts';
import type { BoundMap } from './policy/index.ts';
import { HAS_MED, HAS_NEXT_HOP_VIA, INTERNAL_DISTANCE, INTERNAL_TAG, PEER_EBGP, PEER_LOCAL } from './rib/index.ts';
import { ForeignSource } from './vpn/foreign.ts';
import { ATTR_INTERNAL } from './wire/attribute.ts';

/** A blackhole that says nothing to who sent the packet. */
const BLACKHOLE_NULL = 1;

/** Prefixes between two looks at the clock. */
const BATCH = 512;

interface Block {
  readonly bytes: Uint8Array;
  readonly count: number;
}

/** Blocks of foreign next hops that are kept. */
const FOREIGN_BLOCKS = 4096;

export class ZebraAnnouncer {
  distance = { external: 20, internal: 200, local: 200 };
  /** Routes sent since the start. */
  announced = 0;
  withdrawn = 0;
  readonly #family: FamilyInstance;
  readonly #work: WorkTask;
  readonly #route: RouteMessage = new RouteMessage();
  readonly #hops: NexthopColumns = new NexthopColumns();
  /** `table-map`: what it denies zebra is not told. */
  #tableMap: BoundMap | undefined;
  #tableMapName: string | undefined;
  /** The paths of the prefix at hand, and with which attributes zebra is told of each. */
  #paths: Uint32Array = new Uint32Array(16);
  #sets: Uint32Array = new Uint32Array(16);
  readonly #announce: (prefix: number, paths: Uint32Array, count: number) => boolean;
  /** 1: zebra has a route of ours, by prefix. */
  #has: Uint8Array = new Uint8Array(1024);
  /** By next-hop id, for routes with one path; made when first needed. */
  #blocks: (Block | undefined)[] = [];
  /** Of routes that another table had first, by all that is said of their next hop. */
  readonly #foreignBlocks: Map<string, Block> = new Map();
  /** What the last route with several paths led to. */
  #groupKey = '';
  #group: Block | undefined;
  #attached = false;
  #closing = false;

  constructor(family: FamilyInstance) {
    this.#family = family;
    this.#route.type = routeTypeNumber(FRR_8_4_4, 'bgp');
    this.#route.family = family.table.family;
    this.#announce = (prefix, paths, count) => this.#one(prefix, paths, count);
    this.#work = family.instance.bgp.loop.work('bgp announce to zebra', () => this.#run());
    family.table.onZebra = () => this.#work.wake();
    if (family.unicast && family.instance.zebra?.client.connected === true && family.instance.vrf.exists)
      this.connected();
  }

  /** A new connection: zebra has nothing of ours that it would not forget by itself. */
  connected(): void {
    this.#has.fill(0, 0, this.#family.table.prefixes.limit);
    this.#forgetBlocks();
    const { zebra, vrf } = this.#family.instance;
    if (this.#silent || zebra === undefined || !vrf.exists || zebra.waits(vrf)) return;
    this.#attach();
  }

  /** Nothing is to be in zebra: what is there is withdrawn. */
  get #silent(): boolean {
    return this.#closing || this.#family.instance.bgp.noRib;
  }

  /** Every selected prefix is looked at, each when there is room for it. */
  #attach(): void {
    this.#attached = true;
    this.#family.table.attachZebra();
    this.#work.wake();
  }

  /** All that is decided has been said. */
  get idle(): boolean {
    const { table } = this.#family;
    const { undecided, walks } = table.stats();
    return !table.deferred && table.zebraPending + undecided + walks === 0;
  }

  disconnected(): void {
    if (!this.#attached) return;
    this.#attached = false;
    this.#family.table.detachZebra();
  }

  wake(): void {
    this.#work.wake();
  }

  /** Everything may have to be said differently, or not at all (`bgp no-rib`). */
  restart(): void {
    const { zebra, vrf } = this.#family.instance;
    if (zebra?.client.connected !== true || !vrf.exists || zebra.waits(vrf)) return;
    this.#forgetBlocks();
    if (this.#attached || !this.#silent) this.#attach();
  }

  /** The map that stands between the table and zebra. */
  setTableMap(name: string | undefined): void {
    this.#tableMapName = name;
    this.#bindTableMap();
    this.restart();
  }

  /** Lists or maps changed. */
  policyChanged(changed: ReadonlySet<string>): void {
    if (this.#tableMap === undefined || !dependsOn(this.#tableMap, changed)) return;
    this.#bindTableMap();
    this.restart();
  }

  #bindTableMap(): void {
    const name = this.#tableMapName;
    this.#tableMap = name === undefined ? undefined : this.#family.bindMap(name, '');
  }

  /** Next hops are encoded anew: an interface index may have changed. */
  #forgetBlocks(): void {
    this.#blocks = [];
    this.#foreignBlocks.clear();
    this.#groupKey = '';
    this.#group = undefined;
  }

  #run(): boolean {
    const client = this.#family.instance.zebra?.client;
    if (client === undefined || !this.#attached) return false;
    const { loop } = this.#family.instance.bgp;
    let more = true;
    while (more && !loop.shouldYield()) more = this.#family.table.nextChanges(BATCH, this.#announce) === BATCH;
    client.flush();
    if (!more && this.#silent && this.#family.table.zebraPending === 0) this.#leave();
    return more;
  }

  /** Everything is withdrawn. */
  #leave(): void {
    this.disconnected();
    if (this.#closing) this.#family.instance.zebra?.left(this);
  }

  #one(prefix: number, paths: Uint32Array, count: number): boolean {
    const { table, instance } = this.#family;
    if (prefix >= this.#has.length) [this.#has] = grown(table.prefixes.capacity, this.#has);
    const best = count === 0 ? 0 : paths[0]!;
    // Routes of our own came from zebra, all but those that stand for others.
    const own = best !== 0 && table.peerKind(table.pathPeer[best]!) === PEER_LOCAL && !this.#foreign(best);
    const local = own && !this.#family.aggregation.made(table.pathPeer[best]!);
    const route = this.#route;
    this.#prefix(route, prefix);
    if (best === 0 || local || this.#silent) return this.#withdraw(route, prefix);
    const map = this.#tableMap;
    const kept = map === undefined ? this.#take(paths, count) : this.#pass(map, prefix, paths, count);
    const told = kept === 0 ? this.#withdraw(route, prefix) : this.#tell(route, prefix, kept);
    if (map !== undefined) for (let i = 0; i < kept; i++) instance.store.release(this.#sets[i]!);
    return told;
  }

  /** All paths, with the attributes that they have. */
  #take(paths: Uint32Array, count: number): number {
    const { pathAttributes } = this.#family.table;
    if (count > this.#sets.length) [this.#paths, this.#sets] = grown(count, this.#paths, this.#sets);
    for (let i = 0; i < count; i++) {
      this.#paths[i] = paths[i]!;
      this.#sets[i] = pathAttributes[paths[i]!]!;
    }
    return count;
  }

  /** The paths that the map lets through, with one reference each to the attributes that it gave them. */
  #pass(map: BoundMap, prefix: number, paths: Uint32Array, count: number): number {
    const { table } = this.#family;
    if (count > this.#sets.length) [this.#paths, this.#sets] = grown(count, this.#paths, this.#sets);
    let kept = 0;
    for (let i = 0; i < count; i++) {
      const path = paths[i]!;
      const out = map.apply(table.pathAttributes[path]!, prefix, table.pathPeer[path]!);
      if (out < 0) continue;
      this.#paths[kept] = path;
      this.#sets[kept++] = out;
    }
    return kept;
  }

  /** Metric, tag and distance are the first path's. */
  #tell(route: RouteMessage, prefix: number, count: number): boolean {
    const { table, instance } = this.#family;
    const { store } = instance;
    const best = this.#paths[0]!;
    const attributes = this.#sets[0]!;
    const aggregate = this.#family.aggregation.made(table.pathPeer[best]!);
    const block = aggregate ? this.#discard() : count === 1 ? this.#blockOf(best, attributes) : this.#groupOf(count);
    if (block === undefined) return this.#withdraw(route, prefix);
    const external = table.peerKind(table.pathPeer[best]!) === PEER_EBGP;
    if (aggregate) route.flags = 0;
    else if (external) route.flags = this.#recursive(best) ? ROUTE_FLAG_ALLOW_RECURSION : 0;
    else route.flags = ROUTE_FLAG_IBGP | ROUTE_FLAG_ALLOW_RECURSION;
    if (aggregate) route.distance = this.distance.local;
    else route.distance = external ? this.distance.external : this.distance.internal;
    route.metric = (store.flags[attributes]! & HAS_MED) === 0 ? 0 : store.med[attributes]!;
    route.message = MESSAGE_NEXTHOP | MESSAGE_DISTANCE | MESSAGE_METRIC;
    route.tag = 0;
    // The internal attribute stands first where there is one.
    if (store.arena[store.start[attributes]! + 1] === ATTR_INTERNAL && store.find(attributes, ATTR_INTERNAL)) {
      route.tag = readWord(store.arena, store.foundStart + INTERNAL_TAG);
      route.distance = store.arena[store.foundStart + INTERNAL_DISTANCE]! || route.distance;
      if (route.tag !== 0) route.message |= MESSAGE_TAG;
    }
    route.bytes = block.bytes;
    route.nexthopCount = block.count;
    route.nexthopStart = 0;
    route.nexthopEnd = block.bytes.length;
    if (!instance.zebra!.client.routeAdd(route, instance.vrf.id)) return false;
    this.#has[prefix] = 1;
    this.announced++;
    return true;
  }

  #withdraw(route: RouteMessage, prefix: number): boolean {
    if (this.#has[prefix] === 0) return true;
    route.message = 0;
    route.flags = 0;
    if (!this.#family.instance.zebra!.client.routeDelete(route, this.#family.instance.vrf.id)) return false;
    this.#has[prefix] = 0;
    this.withdrawn++;
    return true;
  }

  #prefix(route: RouteMessage, prefix: number): void {
    const { prefixes } = this.#family.table;
    route.prefixLength = prefixes.length[prefix]!;
    route.w0 = prefixes.w0[prefix]!;
    if (prefixes.family !== AF_INET) {
      route.w1 = prefixes.w1[prefix]!;
      route.w2 = prefixes.w2[prefix]!;
      route.w3 = prefixes.w3[prefix]!;
    }
  }

  /** Another table had it first. */
  #foreign(path: number): boolean {
    const { table } = this.#family;
    return table.peers[table.pathPeer[path]!]?.owner instanceof ForeignSource;
  }

  #recursive(path: number): boolean {
    const { table } = this.#family;
    const owner = table.peers[table.pathPeer[path]!]?.owner;
    return owner instanceof ForeignSource || (owner instanceof Peer && owner.recursive);
  }

  #blockOf(path: number, attributes: number): Block | undefined {
    const { store } = this.#family.instance;
    if ((store.flags[attributes]! & HAS_NEXT_HOP_VIA) !== 0) return this.#foreignBlockOf(path, attributes);
    const hop = store.nexthop[attributes]!;
    const known = this.#blocks[hop];
    if (known !== undefined) return known;
    this.#hops.count = 0;
    if (!this.#addHop(path, attributes)) return undefined;
    const block = this.#encode();
    this.#blocks[hop] = block;
    return block;
  }

  /** Where packets are to carry a label or a SID, there may be several blocks for one next hop. */
  #foreignBlockOf(path: number, attributes: number): Block | undefined {
    const key = this.#hopKey(attributes);
    let block = this.#foreignBlocks.get(key);
    if (block !== undefined) return block;
    this.#hops.count = 0;
    if (!this.#addHop(path, attributes)) return undefined;
    block = this.#encode();
    if (this.#foreignBlocks.size >= FOREIGN_BLOCKS) this.#foreignBlocks.clear();
    this.#foreignBlocks.set(key, block);
    return block;
  }

  /** What tells the next hop of a set from others. */
  #hopKey(attributes: number): string {
    const { store } = this.#family.instance;
    const hop = store.nexthop[attributes]!;
    if ((store.flags[attributes]! & HAS_NEXT_HOP_VIA) === 0) return String(hop);
    const { label, sid, ifindex } = this.#family.instance.access.internal(attributes);
    return `${hop}/${label}/${sid?.join()}/${ifindex}`;
  }

  /** What an aggregate stands for and is not there is discarded (RFC 4632 §5.1). */
  #discard(): Block {
    this.#hops.count = 0;
    this.#hops.blackhole[this.#hops.add(NEXTHOP_BLACKHOLE, this.#family.instance.vrf.id)] = BLACKHOLE_NULL;
    return this.#encode();
  }

  /** A next hop went, and its id may be given to another. */
  forgetNexthop(id: number): void {
    this.#blocks[id] = undefined;
    this.#foreignBlocks.clear();
    this.#groupKey = '';
  }

  #groupOf(count: number): Block | undefined {
    const { instance } = this.#family;
    const { nexthop } = instance.store;
    let key = '';
    for (let i = 0; i < count; i++) key += `${this.#hopKey(this.#sets[i]!)} `;
    if (key === this.#groupKey && this.#group !== undefined) return this.#group;
    // Sorted by address, as zebra expects them, and each once.
    const hops = instance.nexthops;
    const sorted = Array.from({ length: count }, (_, i) => i).sort((a, b) => {
      const x = hops.words(nexthop[this.#sets[a]!]!);
      const y = hops.words(nexthop[this.#sets[b]!]!);
      for (let i = 0; i < 4; i++) if (x[i] !== y[i]) return x[i]! - y[i]!;
      return 0;
    });
    this.#hops.count = 0;
    const added = new Set<string>();
    for (const i of sorted) {
      const hop = this.#hopKey(this.#sets[i]!);
      if (!added.has(hop)) this.#addHop(this.#paths[i]!, this.#sets[i]!);
      added.add(hop);
    }
    this.#groupKey = key;
    this.#group = this.#hops.count === 0 ? undefined : this.#encode();
    return this.#group;
  }

  #addHop(path: number, attributes: number): boolean {
    const { instance } = this.#family;
    const { store, nexthops } = instance;
    const hop = store.nexthop[attributes]!;
    if (hop === 0) return false;
    if ((store.flags[attributes]! & HAS_NEXT_HOP_VIA) !== 0) return this.#addForeignHop(hop, attributes);
    const global = nexthops.words(hop);
    const columns = this.#hops;
    if (nexthops.family(hop) === AF_INET) {
      columns.w0[columns.add(NEXTHOP_IPV4, instance.vrf.id)] = global[0];
      return true;
    }
    // On the link, the link-local address is what packets go to (RFC 2545 §2); it needs the link's name.
    const link = isLinkLocal6(global) ? global : nexthops.linkLocal(hop);
    const ifindex = link === undefined ? 0 : this.link(path);
    const words = link !== undefined && ifindex > 0 ? link : global;
    if (isLinkLocal6(words) && ifindex <= 0) return false;
    const row = columns.add(ifindex > 0 ? NEXTHOP_IPV6_IFINDEX : NEXTHOP_IPV6, instance.vrf.id);
    columns.ifindex[row] = Math.max(ifindex, 0);
    columns.w0[row] = words[0];
    columns.w1[row] = words[1];
    columns.w2[row] = words[2];
    columns.w3[row] = words[3];
    return true;
  }

  /** Of a route that another instance had first: found in its VRF, and with what packets are to carry. */
  #addForeignHop(hop: number, attributes: number): boolean {
    const { instance } = this.#family;
    const { nexthops } = instance;
    const vrf = instance.bgp.numbered(nexthops.via(hop))?.vrf;
    if (vrf === undefined || !vrf.exists) return false;
    const { label, sid, ifindex = 0 } = instance.access.internal(attributes);
    const words = nexthops.words(hop);
    const columns = this.#hops;
    if (isUnspecified(words)) {
      // A network of its own.
      if (ifindex === 0) return false;
      columns.ifindex[columns.add(NEXTHOP_IFINDEX, vrf.id)] = ifindex;
      return true;
    }
    const link = nexthops.family(hop) === AF_INET6 && isLinkLocal6(words);
    if (link && ifindex === 0) return false;
    const type = nexthops.family(hop) === AF_INET ? NEXTHOP_IPV4 : link ? NEXTHOP_IPV6_IFINDEX : NEXTHOP_IPV6;
    const row = columns.add(type, vrf.id);
    if (link) columns.ifindex[row] = ifindex;
    columns.w0[row] = words[0];
    columns.w1[row] = words[1];
    columns.w2[row] = words[2];
    columns.w3[row] = words[3];
    if (sid !== undefined) {
      columns.flags[row] = NEXTHOP_FLAG_SEG6;
      for (let i = 0; i < 4; i++) writeWord(columns.seg6Sid, row * 16 + i * 4, sid[i]!);
    } else if (label !== undefined) {
      columns.flags[row] = NEXTHOP_FLAG_LABEL;
      columns.labelCount[row] = 1;
      columns.labels[row * MAX_LABELS] = label;
    }
    return true;
  }

  /** The interface that the path's peer is on; 0: it is not on a link of ours. */
  link(path: number): number {
    const { table, instance } = this.#family;
    const owner = table.peers[table.pathPeer[path]!]?.owner;
    if (!(owner instanceof Peer)) return 0;
    const remote = owner.remoteAddress();
    if (remote.scopeId !== 0) return remote.scopeId;
    if (owner.family === AF_INET6 && isLinkLocal6(owner.words)) {
      const local = owner.negotiated?.localAddress;
      return local === undefined ? 0 : (instance.interfaces.owner(local.family, local.words)?.ifindex ?? 0);
    }
    return instance.interfaces.connected(owner.family, owner.words)?.on.ifindex ?? 0;
  }

  #encode(): Block {
    const count = this.#hops.count;
    const bytes = new Uint8Array(NEXTHOP_MAX_BYTES * count);
    const end = FRR_8_4_4.route.encodeNexthops(this.#hops, MESSAGE_NEXTHOP, bytes, 0);
    if (end < 0) throw new Error(`no room for ${count} next hops`);
    return { bytes: bytes.subarray(0, end), count };
  }

  /** The instance goes: what zebra has of it is withdrawn, as fast as the connection takes it. */
  close(): void {
    this.#closing = true;
    const { zebra, vrf } = this.#family.instance;
    if (!this.#attached || zebra?.client.connected !== true) {
      this.disconnected();
      return;
    }
    zebra.leaving(this, vrf);
    this.#attach();
  }
}
