// ng_ksocket(4): a socket of the system as a node. Its one hook's name says which: `inet/dgram/udp`, `local/stream/0`, or numbers of the
// system's own as in `2/2/17`. What comes in by the hook is sent, where the socket is connected; what is received goes out of it.
//
//    bind inet/10.0.0.1:514      listen 5      accept ─▶ { nodeid addr }, a node of its own for each connection
//    connect inet/10.0.0.2:9     getname, getpeername, getsockopt and setopt by the system's own numbers
//
// The graph's thread opens the socket, in the workers' network namespace, and does what takes no data; the descriptor is the process's, so
// the worker where the node runs uses the same. It is closed when no worker can be using it any more.
import {
  acceptSocket,
  bindName,
  closeFd,
  connectName,
  type FdWatch,
  getOptionBytes,
  linux,
  listenSocket,
  localName,
  openSocket,
  peerName,
  setOptionBytes,
  socketError,
  SysError,
  watchFd,
} from '../../sys/index.ts';
import { NetgraphError } from '../graph/error.ts';
import type { Hook } from '../graph/node.ts';
import { command, ControlHalf, type NodeType } from '../graph/type.ts';
import { type Form, hint32, hint8, int32, struct, type ValueOf } from '../message/form.ts';
import { type KsocketConfig, KsocketData, type KsocketTold } from './lib/ksocket-data.ts';
import { asking, inside } from './lib/namespace.ts';
import { fromKernel, type Sockaddr, sockaddr, toKernel } from './lib/sockaddr.ts';

const FAMILIES: Readonly<Record<string, number>> = {
  local: linux.AF_UNIX,
  inet: linux.AF_INET,
  inet6: linux.AF_INET6,
};
const TYPES: Readonly<Record<string, number>> = {
  stream: linux.SOCK_STREAM,
  dgram: linux.SOCK_DGRAM,
  raw: linux.SOCK_RAW,
};
const PROTOCOLS: Readonly<Record<string, number>> = { ip: 0, icmp: 1, igmp: 2, tcp: 6, udp: 17, gre: 47, ipv6: 41 };
/** Bytes of an option at most (NG_KSOCKET_MAX_OPTLEN). */
const OPTION_LIMIT = 1024;

/** Bytes to the end of the message. */
const rest: Form<Uint8Array> = {
  label: 'array of bytes',
  align: 1,
  makeDefault: () => new Uint8Array(),
  isDefault: value => value.length === 0,
  parse(reader) {
    if (reader.peek() === 'string') return Uint8Array.from(reader.bytes('a string'));
    const bytes: number[] = [];
    reader.expect('[');
    while (reader.peek() !== ']') bytes.push(hint8.parse(reader));
    reader.expect(']');
    return Uint8Array.from(bytes);
  },
  print: value => `[${Array.from(value, byte => ` ${hint8.print(byte)}`).join('')} ]`,
  size: value => value.length,
  encode(view, offset, value) {
    new Uint8Array(view.buffer, view.byteOffset, view.byteLength).set(value, offset);
    return offset + value.length;
  },
  decode: (view, offset) => new Uint8Array(view.buffer, view.byteOffset + offset, view.byteLength - offset).slice(),
};
/** struct ng_ksocket_sockopt */
const sockopt = struct({ level: int32, name: int32, value: rest });
type Sockopt = ValueOf<typeof sockopt>;
/** struct ng_ksocket_accept */
const accepted = struct({ nodeid: hint32, addr: sockaddr });
type Accepted = ValueOf<typeof accepted>;

/** The family, type and protocol that a hook's name says. */
function kindOf(name: string): readonly [number, number, number] {
  const parts = name.split('/');
  const read = (text: string | undefined, names: Readonly<Record<string, number>>, what: string): number => {
    if (text !== undefined && Object.hasOwn(names, text)) return names[text]!;
    if (text !== undefined && /^\d{1,5}$/.test(text)) return Number(text);
    throw new NetgraphError(
      'EINVAL',
      `'${name}': a ksocket's hook is family/type/protocol, ${what} one of ${Object.keys(names).join(', ')} or a number`,
    );
  };
  if (parts.length !== 3) read(undefined, FAMILIES, 'family');
  return [read(parts[0], FAMILIES, 'family'), read(parts[1], TYPES, 'type'), read(parts[2], PROTOCOLS, 'protocol')];
}

class KsocketControl extends ControlHalf {
  #fd = -1;
  #stream = false;
  #connected = false;
  #listening = false;
  #watch: FdWatch | undefined;
  #accepting: PromiseWithResolvers<Accepted>[] = [];
  #connecting: PromiseWithResolvers<void> | undefined;
  /** It came of an accept: any name will do for its hook. */
  #cloned = false;
  /** Nodes that came of our accepts and that nobody has joined yet: they end with us. */
  readonly #clones: Set<KsocketControl> = new Set();

  override newHook(hook: Hook): void {
    // Where a removal is undone, the hook is among them already, and the socket is there still.
    if ([...this.node.hooks.values()].some(other => other !== hook)) {
      throw new NetgraphError('EISCONN', `node ${this.node.address} has its hook already`);
    }
    if (this.#fd < 0) {
      if (this.#cloned) throw new NetgraphError('ENOTCONN', `the socket of node ${this.node.address} is closed`);
      const [family, type, protocol] = kindOf(hook.name);
      this.#fd = inside(this.node.graph.plane.namespace, () => asking(() => openSocket(family, type, protocol)));
      this.#stream = type === linux.SOCK_STREAM;
    }
    this.node.reconfigure();
  }

  override disconnected(): void {
    if (this.node.graph.undoing) {
      if (!this.#cloned) this.#close();
      return;
    }
    this.node.graph.shutdown(this.node);
  }

  override shutdown(): void {
    const { graph } = this.node;
    if (graph.undoing) this.#close();
    else graph.retire(() => this.#close());
    for (const { node } of this.#clones) if (node.hooks.size === 0) graph.shutdown(node);
  }

  override config(): KsocketConfig {
    return { fd: this.#listening ? -1 : this.#fd, stream: this.#stream, connected: this.#connected };
  }

  override told(_worker: number, value: unknown): void {
    if ((value as KsocketTold).ended !== this.#fd) return;
    this.#connected = false;
    this.node.reconfigure();
  }

  bind(address: Sockaddr): void {
    const fd = this.#open();
    asking(() => bindName(fd, toKernel(address)));
  }

  listen(backlog: number): void {
    const fd = this.#open();
    asking(() => listenSocket(fd, backlog));
    this.#listening = true;
    this.node.reconfigure();
  }

  accept(): Accepted | Promise<Accepted> {
    if (!this.#listening) throw new NetgraphError('EINVAL', `node ${this.node.address} does not listen`);
    if (this.#accepting.length === 0) {
      const one = this.#take();
      if (one) return one;
    }
    const waits = Promise.withResolvers<Accepted>();
    this.#accepting.push(waits);
    this.#watched({ readable: true });
    return waits.promise;
  }

  connect(address: Sockaddr): void | Promise<void> {
    const fd = this.#open();
    if (this.#connecting) throw new NetgraphError('EALREADY', `node ${this.node.address} is connecting`);
    if (asking(() => connectName(fd, toKernel(address)))) {
      this.#connected = true;
      this.node.reconfigure();
      return;
    }
    this.#connecting = Promise.withResolvers();
    this.#watched({ writable: true });
    return this.#connecting.promise;
  }

  name(): Sockaddr {
    const fd = this.#open();
    return fromKernel(asking(() => localName(fd)));
  }

  peer(): Sockaddr {
    const name = peerName(this.#open());
    if (!name) throw new NetgraphError('ENOTCONN', `node ${this.node.address} is not connected`);
    return fromKernel(name);
  }

  set({ level, name, value }: Sockopt): void {
    const fd = this.#open();
    asking(() => setOptionBytes(fd, level, name, value));
  }

  get({ level, name }: Sockopt): Sockopt {
    const fd = this.#open();
    return { level, name, value: asking(() => getOptionBytes(fd, level, name, OPTION_LIMIT)).slice() };
  }

  #open(): number {
    if (this.#fd < 0) throw new NetgraphError('ENXIO', `node ${this.node.address} has no hook, so no socket`);
    return this.#fd;
  }

  #watched(interest: { readable?: boolean; writable?: boolean }): void {
    if (this.#watch) this.#watch.set(interest);
    else this.#watch = watchFd(this.#fd, interest, () => this.#ready());
  }

  #ready(): void {
    if (this.node.state !== 'there') return;
    if (this.#connecting) {
      const waits = this.#connecting;
      this.#connecting = undefined;
      this.#watch!.set({});
      const error = socketError(this.#fd);
      if (error !== 0) {
        settle(waits, () => asking(() => refuse(error)));
        return;
      }
      this.#connected = true;
      settle(waits, () => this.node.reconfigure());
      return;
    }
    while (this.#accepting.length > 0) {
      let one: Accepted | undefined;
      const waits = this.#accepting[0]!;
      try {
        one = this.#take();
      } catch (error) {
        this.#accepting.shift();
        waits.reject(error);
        continue;
      }
      if (!one) return;
      this.#accepting.shift();
      waits.resolve(one);
    }
    this.#watch?.set({});
  }

  /** A connection that waits, as a node. */
  #take(): Accepted | undefined {
    const connection = asking(() => acceptSocket(this.#fd));
    if (!connection) return undefined;
    const { fd } = connection;
    const { graph } = this.node;
    let node: ControlHalf['node'];
    try {
      node = graph.create('ksocket');
    } catch (error) {
      closeFd(fd);
      throw error;
    }
    const clone = node.control as KsocketControl;
    clone.#fd = fd;
    clone.#cloned = true;
    clone.#stream = clone.#connected = true;
    this.#clones.add(clone);
    const name = peerName(fd);
    return { nodeid: node.id, addr: name ? fromKernel(name) : { family: 'local', path: '' } };
  }

  #close(): void {
    this.#watch?.close();
    const gone = new NetgraphError('ESHUTDOWN', `node ${this.node.address} has ended`);
    for (const waits of this.#accepting.splice(0)) waits.reject(gone);
    this.#connecting?.reject(gone);
    this.#connecting = undefined;
    if (this.#fd >= 0) closeFd(this.#fd);
    this.#fd = -1;
  }
}

function settle<T>(waits: PromiseWithResolvers<T>, fn: () => T): void {
  try {
    waits.resolve(fn());
  } catch (error) {
    waits.reject(error);
  }
}

function refuse(error: number): never {
  throw new SysError('connect', error);
}

export const ksocket: NodeType = {
  name: 'ksocket',
  cookie: 942710669,
  messages: [
    command({ name: 'bind', cmd: 1, args: sockaddr, handle: (socket: KsocketControl, to) => socket.bind(to) }),
    command({ name: 'listen', cmd: 2, args: int32, handle: (socket: KsocketControl, n) => socket.listen(n) }),
    command({ name: 'accept', cmd: 3, reply: accepted, handle: (socket: KsocketControl) => socket.accept() }),
    command<KsocketControl, Sockaddr>({
      name: 'connect',
      cmd: 4,
      args: sockaddr,
      handle: (socket, to) => socket.connect(to) as Promise<void>,
    }),
    command({ name: 'getname', cmd: 5, reply: sockaddr, handle: (socket: KsocketControl) => socket.name() }),
    command({ name: 'getpeername', cmd: 6, reply: sockaddr, handle: (socket: KsocketControl) => socket.peer() }),
    command({ name: 'setopt', cmd: 7, args: sockopt, handle: (socket: KsocketControl, told) => socket.set(told) }),
    command({
      name: 'getopt',
      cmd: 8,
      args: sockopt,
      reply: sockopt,
      handle: (socket: KsocketControl, told) => socket.get(told),
    }),
  ],
  control: KsocketControl,
  data: KsocketData,
  runsIn: 'one',
  counters: ['received', 'sent', 'errors'],
};
