// A node that is an interface of the host as well: iface (TUN) and eiface (TAP). What the host sends by the interface comes out of the
// node, what is sent to the node the host receives. With several workers the interface has a queue for each, over which the kernel
// spreads the host's flows.
//
// The control half opens the queues and hands the workers the descriptors: an interface is there as soon as its node is, a refusal
// reaches who asked for it, and a worker's successor has its queue. Between a worker's death and that, the others have its flows. The
// interface goes with the last descriptor.
import {
  closeFd,
  interfaceIndexOf,
  openPacketSocket,
  openTap,
  setTapQueue,
  setInterfaceMtu,
  TapPort,
  tapName,
} from '../../../sys/index.ts';
import { NetgraphError } from '../../graph/error.ts';
import type { Node } from '../../graph/node.ts';
import { ControlHalf } from '../../graph/type.ts';
import { PKT_DATA, PKT_INTERFACE, PKT_LENGTH } from '../../packet/packets.ts';
import { type DataContext, DataHalf, DROP } from '../../worker/half.ts';
import { asking, inside } from './namespace.ts';
import { releaseAtEnd } from './release.ts';

export interface TapConfig {
  /** Descriptors by worker. */
  readonly fds: readonly number[];
  readonly ifindex: number;
}

/** Ethernet's header with a tag, and what a frame is moved by so that what follows is aligned. */
const LINK_BYTES = 20;

export abstract class TapControl extends ControlHalf {
  readonly #fds: number[] = [];
  /** Asks about the interface; receives nothing. */
  protected readonly asker: number;
  readonly ifindex: number;

  constructor(node: Node, type: 'tap' | 'tun', pattern: string) {
    super(node);
    const { plane } = node.graph;
    const fds = this.#fds;
    const opened = inside(plane.namespace, () =>
      asking(() => {
        try {
          const multiQueue = plane.workers > 1;
          const { fd, name } = openTap(pattern, type, { multiQueue });
          fds.push(fd);
          while (fds.length < plane.workers) fds.push(openTap(name, type, { multiQueue }).fd);
          const asker = openPacketSocket();
          fds.push(asker);
          const longest = plane.maxPacketBytes - LINK_BYTES;
          if (longest < 1500) setInterfaceMtu(asker, name, longest);
          return { asker, name, ifindex: interfaceIndexOf(asker, name) };
        } catch (error) {
          for (const fd of fds.splice(0)) closeFd(fd);
          throw error;
        }
      }),
    );
    this.asker = opened.asker;
    this.ifindex = opened.ifindex;
    // Called as its interface, unless the name is another's (ng_iface(4)).
    if (!node.graph.named(opened.name)) node.graph.rename(node, opened.name);
  }

  override config(): TapConfig {
    return { fds: this.#fds, ifindex: this.ifindex };
  }

  override shutdown(): void {
    const fds = this.#fds;
    releaseAtEnd(this.node, () => {
      for (const fd of fds.splice(0)) closeFd(fd);
    });
  }

  override workerGone(worker: number): void {
    const { workers } = this.node.graph.plane;
    if (workers > 1 && worker < this.#fds.length) setTapQueue(this.#fds[worker]!, false);
  }

  override told(): void {
    if (this.#fds.length === 0 || tapName(this.#fds[0]!) !== undefined) return;
    this.node.graph.trouble(`the interface of node ${this.node.address} is gone`);
    this.node.graph.shutdown(this.node);
  }

  /** What the interface is called now. */
  ifname(): string {
    const name = tapName(this.#fds[0]!);
    if (name === undefined) throw new NetgraphError('ENXIO', `the interface of node ${this.node.address} is gone`);
    return name;
  }
}

export const TAP_COUNTERS: readonly string[] = ['received', 'transmitted'];
const RECEIVED = 0;
const TRANSMITTED = 1;

export abstract class TapData extends DataHalf<TapConfig> {
  override source = true;
  override readonly dear = true;
  /** Bytes that a frame begins behind a packet's usual first. */
  readonly #shift: number;
  readonly #longest: number;
  #port: TapPort | undefined;
  #ifindex = 0;

  constructor(node: DataContext, shift: number) {
    super(node);
    this.#shift = shift;
    this.#longest = node.packets.maxBytes - shift;
  }

  /** Sends a packet that the host has sent, or drops it. */
  protected abstract deliver(handle: number): void;

  override configure({ fds, ifindex }: TapConfig): void {
    this.fd = fds[this.node.worker]!;
    this.#ifindex = ifindex;
    if (this.#port?.fd === this.fd) return;
    this.#port = new TapPort(this.fd, this.node.packets.bytes);
    // A predecessor's was taken from it.
    if (this.node.workers > 1) setTapQueue(this.fd, true);
  }

  override poll(budget: number): number {
    const port = this.#port!;
    const { packets } = this.node;
    const { words } = packets;
    let found = 0;
    while (found < budget) {
      const handle = packets.allocate();
      if (handle === 0) break;
      const data = words[handle + PKT_DATA]! + this.#shift;
      const length = port.read(data, this.#longest);
      if (length <= 0) {
        packets.release(handle);
        if (length < 0) this.#broken(port.error);
        break;
      }
      found++;
      words[handle + PKT_DATA] = data;
      words[handle + PKT_LENGTH] = length;
      words[handle + PKT_INTERFACE] = this.#ifindex;
      // What fills all the room may have been cut.
      if (length === this.#longest) this.node.drop(handle, DROP.tooBig);
      else this.deliver(handle);
    }
    const { counts } = this.node;
    counts[RECEIVED] = counts[RECEIVED]! + found;
    return found;
  }

  /** Has the host receive the packet. */
  protected transmit(handle: number): void {
    const { packets, counts } = this.node;
    const { words } = packets;
    if (this.#port!.write(words[handle + PKT_DATA]!, words[handle + PKT_LENGTH]!)) {
      counts[TRANSMITTED] = counts[TRANSMITTED]! + 1;
      packets.release(handle);
    } else this.node.drop(handle, DROP.refused);
  }

  #broken(errno: number): void {
    // Not asked again until the graph says what becomes of the node.
    this.source = false;
    this.fd = -1;
    this.node.tell(errno);
  }
}
