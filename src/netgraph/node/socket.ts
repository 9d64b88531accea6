// ng_socket(4): a program's own place in the graph. It has hooks as any node has; what is written to one goes out of it, what comes in by
// one is handed to the program. Its packets run in one worker, so their order is kept.
//
//    program ── write(hook, data) ──▶ said to the data half ──▶ a packet, out of the hook
//    program ◀─ onData(hook, data) ── told by the data half ◀── a packet, in by the hook
import { inspect } from 'node:util';
import { NetgraphError } from '../graph/error.ts';
import type { Node } from '../graph/node.ts';
import { command, ControlHalf, type NodeType, type Sender } from '../graph/type.ts';
import { DataHalf, DROP } from '../worker/half.ts';
import type { DataHook } from '../worker/node.ts';
import { endsAlone } from './lib/alone.ts';
import { answer, Asks, isQuestion, sayTo } from './lib/ask.ts';

/** A frame, either way. */
interface Frame {
  readonly hook: string;
  readonly data: Uint8Array;
}

export class SocketControl extends ControlHalf {
  /** Hears data that comes in by a hook. */
  onData: ((hook: string, data: Uint8Array) => void) | undefined;
  /** Hears messages that are sent to the node; its result is the answer. */
  onMessage: ((name: string, args: unknown, sender: Sender) => unknown) | undefined;
  /** The last hook's end ends the node: `nolinger`, which is how a program's node begins. */
  lingers = true;
  readonly #asks: Asks<'written', true> = new Asks(this.node);
  #wrote = false;

  /** ENOTCONN where there is no such hook, EMSGSIZE where the packet is too long; else as `sayTo`. */
  write(hook: string, data: Uint8Array): void {
    if (!this.node.hooks.has(hook))
      throw new NetgraphError('ENOTCONN', `node ${this.node.address} has no hook '${hook}'`);
    if (!(data instanceof Uint8Array)) throw new NetgraphError('EINVAL', `a packet is bytes, not ${inspect(data)}`);
    const { maxPacketBytes } = this.node.graph.plane;
    if (data.length > maxPacketBytes) {
      throw new NetgraphError('EMSGSIZE', `a packet of ${data.length} bytes: at most ${maxPacketBytes}`);
    }
    sayTo(this.node, { hook, data } satisfies Frame);
    this.#wrote = true;
  }

  /** Settles when what was written so far has gone out of its hook, and ended nowhere because the node did. */
  async written(): Promise<void> {
    if (!this.#wrote) return;
    this.#wrote = false;
    await this.#asks.ask('written');
  }

  override shutdown(): void {
    this.#asks.end(`node ${this.node.address} has ended`);
  }

  override disconnected(): void {
    if (!this.lingers) endsAlone(this.node);
  }

  override save(): () => void {
    const lingers = this.lingers;
    return () => void (this.lingers = lingers);
  }

  override workerBegun(worker: number): void {
    this.#asks.again(worker);
  }

  override told(_worker: number, value: unknown): void {
    if (this.#asks.told(value)) return;
    const { hook, data } = value as Frame;
    this.onData?.(hook, data);
  }

  override received(name: string, args: unknown, sender: Sender): unknown {
    if (this.onMessage) return this.onMessage(name, args, sender);
    throw new NetgraphError('EINVAL', `message '${name}': nobody reads messages of node ${this.node.address}`);
  }
}

class SocketData extends DataHalf {
  override receive(hook: DataHook, handles: Int32Array, count: number): void {
    const { packets } = this.node;
    for (let i = 0; i < count; i++) {
      const handle = handles[i]!;
      if (this.node.tell({ hook: hook.name, data: packets.take(handle) } satisfies Frame)) packets.release(handle);
      else this.node.drop(handle, DROP.queueFull);
    }
  }

  override heard(value: unknown): boolean {
    // What was written before it was heard before it.
    if (isQuestion<'written'>(value)) return answer(this.node, value, true);
    const { hook: name, data } = value as Frame;
    const hook = this.node.hook(name);
    if (!hook) {
      this.node.miss(DROP.removed);
      return true;
    }
    const handle = this.node.packets.from(data);
    if (handle === 0) return false;
    hook.send(handle);
    return true;
  }
}

export const socket: NodeType = {
  name: 'socket',
  cookie: 851601233,
  messages: [
    command({ name: 'nolinger', cmd: 1, handle: (socket: SocketControl) => void (socket.lingers = false) }),
    command({ name: 'linger', cmd: 2, handle: (socket: SocketControl) => void (socket.lingers = true) }),
  ],
  control: SocketControl,
  data: SocketData,
  runsIn: 'one',
  ofPrograms: true,
};

/** The program's side of a socket node. */
export function socketOf(node: Node): SocketControl {
  if (!(node.control instanceof SocketControl)) {
    throw new NetgraphError('EINVAL', `node ${node.address} is of type '${node.type.name}', not socket`);
  }
  return node.control;
}
