// ng_ether(4): an Ethernet interface of the host. FreeBSD has such a node for each interface; here it is there as soon as it is named, by
// the interface's name, where a dot or colon is a `_`: `mkpeer eth0: bridge lower link0`. Or a program makes it, and attaches it itself:
//
//    mkpeer ether a lower;  msg a attach { ifname="eth0" }
//
// `attach { ifname="eth0" version=3 blockms=1 }` receives by TPACKET_V3: more frames a second, each up to `blockms` late. Version 2,
// which is what one has without, hands over each at once.
//
//    lower (or divert)   what comes in by the interface, instead of to the host (lib/divert.ts), or with `setdivert 0` as well as to it;
//                        what is sent here leaves by the interface
//    upper               what the host sends, instead of by the interface (lib/upper.ts); what is sent here the host receives. With
//                        `setdivert 0` a copy of what the host sends, and what is sent here is dropped
//    orphans             what comes in of an ethertype that the host does not know; what is sent here leaves by the interface
//
// Unlike FreeBSD's, the node ends by `shutdown` as well as by `detach`: named again, it is there anew, as after a shutdown there.
import {
  ARPHRD_ETHER,
  closeFd,
  interfaceAddress,
  interfaceIndex,
  interfaceIndexOf,
  interfaceMtu,
  interfaceName,
  openPacketSocket,
  setInterfaceAddress,
  setMulticast,
  setPromiscuous,
} from '../../sys/index.ts';
import { checkNodeName } from '../graph/address.ts';
import { NetgraphError } from '../graph/error.ts';
import type { Graph } from '../graph/graph.ts';
import type { Hook, Node } from '../graph/node.ts';
import { command, ControlHalf, type NodeType } from '../graph/type.ts';
import { mac, string, struct, uint32 } from '../message/form.ts';
import { Divert } from './lib/divert.ts';
import { type EtherConfig, EtherData, ETHER_COUNTERS } from './lib/ether-data.ts';
import { EtherRings } from './lib/ether-rings.ts';
import { asking, inside, macBytes, macText } from './lib/namespace.ts';
import { releaseAtEnd } from './lib/release.ts';
import { Upper, UpperGate } from './lib/upper.ts';
import { endsAlone } from './lib/alone.ts';

/** PACKET_FANOUT groups are the namespace's; of two processes there the kernel refuses the second to ask for one in use. */
let nextGroup = process.pid << 6;

/** A frame that waits longer than that is of no use to who sent it. */
const BLOCK_MS_LIMIT = 1000;

interface Attached {
  readonly ifname: string;
  readonly ifindex: number;
  readonly group: number;
  readonly slotBytes: number;
  readonly version: 2 | 3;
  readonly blockMs: number;
  /** For questions, and for what lasts as long as a socket: promiscuous mode, groups. It receives nothing. */
  readonly fd: number;
}

/** What becomes of frames on their way to the host: kept from it; those of `upper` passed, and with them the rest or not. */
interface Gate {
  readonly kind: 'divert' | 'pass' | 'shut';
  close(): void;
}

interface Attach {
  readonly ifname: string;
  /** Of TPACKET; 0 = 2. */
  readonly version?: number;
  readonly blockms?: number;
}

class EtherControl extends ControlHalf {
  #attached: Attached | undefined;
  #rings: EtherRings | undefined;
  #upper: Upper | undefined;
  /** Keeps frames from the host, or lets those of `upper` through, or both. */
  #gate: Gate | undefined;
  #diverts = true;
  #promisc = false;
  #autosrc = true;
  readonly #groups: Set<string> = new Set();

  override newHook({ name }: Hook): void {
    const { hooks } = this.node;
    if (name !== 'lower' && name !== 'divert' && name !== 'upper' && name !== 'orphans') {
      throw new NetgraphError('EINVAL', `ether has hooks lower (or divert), upper and orphans, not '${name}'`);
    }
    // Two names of one hook.
    if ((name === 'lower' && hooks.has('divert')) || (name === 'divert' && hooks.has('lower'))) {
      throw new NetgraphError('EISCONN', `node ${this.node.address} has lower and divert joined: they are one`);
    }
  }

  override connected(): void {
    this.node.reconfigure();
  }

  override disconnected(): void {
    this.node.reconfigure();
    if (this.#attached === undefined) endsAlone(this.node);
  }

  override shutdown(): void {
    releaseAtEnd(this.node, () => this.#release());
  }

  override workerGone(worker: number): void {
    this.#rings?.renew(worker, () => this.ifname());
    this.#upper?.workerGone(worker);
  }

  override prepare(): void {
    const { graph, hooks } = this.node;
    const attached = this.#attached;
    const [rings, upper, gate] = [this.#rings, this.#upper, this.#gate];
    graph.onUndo(() => {
      this.#rings = rings;
      this.#upper = upper;
      this.#gate = gate;
    });
    // Without a hook nobody would empty them.
    this.#rings = this.#keep(rings, attached !== undefined && hooks.size > 0, () => {
      const { slotBytes, version, blockMs } = attached!;
      return new EtherRings(this.#name(attached!), { slotBytes, version, blockMs }, graph.plane);
    });
    // The host is shut out just as long as there is who gets the frames instead.
    const diverts = attached !== undefined && this.#diverts;
    const above = diverts && hooks.has('upper');
    const below = diverts && (hooks.has('lower') || hooks.has('divert'));
    this.#upper = this.#keep(upper, above, () =>
      this.#take(() => new Upper(attached!.ifindex, interfaceMtu(attached!.fd, this.#name(attached!)), graph.plane)),
    );
    const kind = below ? (above ? 'shut' : 'divert') : 'pass';
    this.#gate = this.#keep(gate, above || below, () => this.#openGate(attached!, kind), gate?.kind === kind);
  }

  override config(): EtherConfig {
    return {
      rings: this.#rings?.memories ?? [],
      group: this.#attached?.group ?? 0,
      uppers: this.#upper?.ports ?? [],
      autosrc: this.#autosrc,
    };
  }

  override told(): void {
    const attached = this.#attached;
    if (!attached) return;
    try {
      interfaceName(attached.fd, attached.ifindex);
    } catch {
      this.node.graph.trouble(`interface ${attached.ifname} of node ${this.node.address} is gone`);
      this.node.graph.shutdown(this.node);
    }
  }

  isOf(ifindex: number): boolean {
    return this.#attached?.ifindex === ifindex;
  }

  override status(): string {
    const attached = this.#attached;
    if (!attached) return 'attached to nothing';
    const copies = this.#diverts ? 'taken from the host' : 'copies of what the host has';
    return `${this.#name(attached)}, ${copies}${this.#promisc ? ', promiscuous' : ''}`;
  }

  attach({ ifname, version = 0, blockms = 0 }: Attach): void {
    const { node } = this;
    const before = this.#attached;
    if (before) throw new NetgraphError('EBUSY', `node ${node.address} is ${before.ifname}'s already`);
    const ring = ringOf(version, blockms);
    this.#attached = inside(node.graph.plane.namespace, () => asking(() => open(ifname, ring)));
    node.graph.onUndo(() => this.#release());
    node.reconfigure();
    this.#called(ifname);
  }

  override save(): () => void {
    const before = [this.#diverts, this.#autosrc] as const;
    return () => void ([this.#diverts, this.#autosrc] = before);
  }

  ifname(): string {
    return this.#name(this.#have());
  }

  ifindex(): number {
    return this.#have().ifindex;
  }

  address(): string {
    const attached = this.#have();
    return asking(() => macText(interfaceAddress(attached.fd, this.#name(attached)).address));
  }

  setAddress(address: string): void {
    const attached = this.#have();
    asking(() => setInterfaceAddress(attached.fd, this.#name(attached), macBytes(address)));
    this.node.reconfigure();
  }

  get promisc(): number {
    return this.#promisc ? 1 : 0;
  }

  setPromisc(on: boolean): void {
    const { fd, ifindex } = this.#have();
    if (on === this.#promisc) return;
    asking(() => setPromiscuous(fd, ifindex, on));
    this.#promisc = on;
  }

  get autosrc(): number {
    return this.#autosrc ? 1 : 0;
  }

  setAutosrc(on: boolean): void {
    this.#autosrc = on;
    this.node.reconfigure();
  }

  get diverts(): number {
    return this.#diverts ? 1 : 0;
  }

  setDiverts(on: boolean): void {
    this.#diverts = on;
    this.node.reconfigure();
  }

  group(address: string, on: boolean): void {
    const { fd, ifindex } = this.#have();
    if ((Number.parseInt(address, 16) & 1) === 0) throw new NetgraphError('EINVAL', `${address} is no group's address`);
    if (on === this.#groups.has(address)) {
      if (on) throw new NetgraphError('EADDRINUSE', `node ${this.node.address} has ${address} already`);
      throw new NetgraphError('ENOENT', `node ${this.node.address} does not have ${address}`);
    }
    asking(() => setMulticast(fd, ifindex, macBytes(address), on));
    if (on) this.#groups.add(address);
    else this.#groups.delete(address);
  }

  #release(): void {
    this.#gate?.close();
    this.#gate = undefined;
    this.#upper?.close();
    this.#upper = undefined;
    this.#rings?.close();
    this.#rings = undefined;
    if (this.#attached) closeFd(this.#attached.fd);
    this.#attached = undefined;
  }

  #have(): Attached {
    if (this.#attached) return this.#attached;
    throw new NetgraphError('ENXIO', `node ${this.node.address} is attached to no interface`);
  }

  /** What is there as long as it is wanted and fits: taken away when no worker uses it any more, and put back where the change is undone. */
  #keep<Kept extends { close(): void }>(
    before: Kept | undefined,
    wanted: boolean,
    open: () => Kept,
    fits: boolean = before !== undefined,
  ): Kept | undefined {
    if (before && wanted && fits) return before;
    const { graph } = this.node;
    let made: Kept | undefined;
    if (wanted) {
      const kept = open();
      graph.onUndo(() => kept.close());
      made = kept;
    }
    if (before) graph.retire(() => before.close());
    return made;
  }

  #openGate(attached: Attached, kind: Gate['kind']): Gate {
    return this.#take(() => {
      const gate =
        kind === 'divert'
          ? new Divert(this.#name(attached), `grevy-${process.pid}-${this.node.id}-${attached.group}`)
          : new UpperGate(attached.ifindex, kind === 'shut');
      return { kind, close: () => gate.close() };
    });
  }

  /** Has the kernel lead frames by the graph. */
  #take<T>(open: () => T): T {
    return inside(this.node.graph.plane.namespace, () => {
      try {
        return open();
      } catch (error) {
        const said = (error as Error).message;
        throw new NetgraphError(
          'EOPNOTSUPP',
          `the kernel does not let ${this.#attached!.ifname} be taken from the host (${said}); setdivert 0 gives copies`,
        );
      }
    });
  }

  #name(attached: Attached): string {
    return asking(() => interfaceName(attached.fd, attached.ifindex));
  }

  /** As on FreeBSD the node is called as the interface, unless it has a name, or the name is another's. */
  #called(ifname: string): void {
    const { node } = this;
    const name = ifname.replaceAll(/[.:]/g, '_');
    if (node.name !== undefined || node.graph.named(name)) return;
    checkNodeName(name);
    node.graph.rename(node, name);
  }
}

/** How a message says it: 0 = what is best for a router. */
function ringOf(version: number, blockMs: number): Pick<Attached, 'version' | 'blockMs'> {
  if (version !== 0 && version !== 2 && version !== 3) {
    throw new NetgraphError('EINVAL', `version ${version} of packet rings: 2 or 3`);
  }
  if (blockMs > BLOCK_MS_LIMIT || (blockMs > 0 && version !== 3)) {
    throw new NetgraphError('EINVAL', `blockms ${blockMs}: 1 to ${BLOCK_MS_LIMIT}, with version 3`);
  }
  return { version: version === 3 ? 3 : 2, blockMs: blockMs || 1 };
}

function open(ifname: string, ring: Pick<Attached, 'version' | 'blockMs'>): Attached {
  const fd = openPacketSocket();
  try {
    const ifindex = interfaceIndexOf(fd, ifname);
    if (interfaceAddress(fd, ifname).type !== ARPHRD_ETHER) {
      throw new NetgraphError('EINVAL', `interface '${ifname}' is not Ethernet`);
    }
    // A slot holds the kernel's header and ours, tag and all.
    const slotBytes = Math.min(65_536, Math.max(2048, 2 ** Math.ceil(Math.log2(interfaceMtu(fd, ifname) + 96))));
    nextGroup = (nextGroup + 1) & 0xffff;
    return { ifname, ifindex, group: nextGroup, slotBytes, ...ring, fd };
  } catch (error) {
    closeFd(fd);
    throw error;
  }
}

/** The interface's node, attached; none where there is no such Ethernet interface, or it has a node of another name. */
function onDemand(graph: Graph, name: string): Node | undefined {
  for (const ifname of [name, name.replace(/_([^_]*)$/, '.$1')]) {
    const ifindex = inside(graph.plane.namespace, () => etherIndex(ifname));
    if (ifindex === 0) continue;
    for (const { control } of graph.nodes)
      if (control instanceof EtherControl && control.isOf(ifindex)) return undefined;
    return graph.change(() => {
      const node = graph.create('ether');
      (node.control as EtherControl).attach({ ifname });
      return node;
    });
  }
  return undefined;
}

/** 0 where this thread's network namespace has no Ethernet interface of the name. */
function etherIndex(ifname: string): number {
  try {
    interfaceIndex(ifname);
  } catch {
    return 0;
  }
  return asking(() => {
    const fd = openPacketSocket();
    try {
      return interfaceAddress(fd, ifname).type === ARPHRD_ETHER ? interfaceIndexOf(fd, ifname) : 0;
    } finally {
      closeFd(fd);
    }
  });
}

const flag = (value: number): boolean => {
  if (value > 1) throw new NetgraphError('EINVAL', `${value} is neither 0 nor 1`);
  return value === 1;
};

export const ether: NodeType = {
  name: 'ether',
  cookie: 1_108_206_947,
  messages: [
    command({ name: 'getifname', cmd: 1, reply: string, handle: (e: EtherControl) => e.ifname() }),
    command({ name: 'getifindex', cmd: 2, reply: uint32, handle: (e: EtherControl) => e.ifindex() }),
    command({ name: 'getenaddr', cmd: 3, reply: mac, handle: (e: EtherControl) => e.address() }),
    command({ name: 'setenaddr', cmd: 4, args: mac, handle: (e: EtherControl, address) => e.setAddress(address) }),
    command({ name: 'getpromisc', cmd: 5, reply: uint32, handle: (e: EtherControl) => e.promisc }),
    command({ name: 'setpromisc', cmd: 6, args: uint32, handle: (e: EtherControl, on) => e.setPromisc(flag(on)) }),
    command({ name: 'getautosrc', cmd: 7, reply: uint32, handle: (e: EtherControl) => e.autosrc }),
    command({ name: 'setautosrc', cmd: 8, args: uint32, handle: (e: EtherControl, on) => e.setAutosrc(flag(on)) }),
    command({ name: 'addmulti', cmd: 9, args: mac, handle: (e: EtherControl, address) => e.group(address, true) }),
    command({ name: 'delmulti', cmd: 10, args: mac, handle: (e: EtherControl, address) => e.group(address, false) }),
    command({ name: 'detach', cmd: 11, handle: (e: EtherControl) => e.node.graph.shutdown(e.node) }),
    command({
      name: 'attach',
      cmd: 100,
      args: struct({ ifname: string, version: uint32, blockms: uint32 }),
      handle: (e: EtherControl, args) => e.attach(args),
    }),
    command({ name: 'getdivert', cmd: 101, reply: uint32, handle: (e: EtherControl) => e.diverts }),
    command({ name: 'setdivert', cmd: 102, args: uint32, handle: (e: EtherControl, on) => e.setDiverts(flag(on)) }),
  ],
  control: EtherControl,
  data: EtherData,
  counters: ETHER_COUNTERS,
  onDemand,
};
