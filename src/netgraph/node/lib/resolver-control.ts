// The control half of arp and nd: whose addresses the node answers for, the entries that somebody has said, and what the workers have found
// out, of which each hears here what another has learned.
import { type AddressWords, type Family, formatAddress, parseAddress } from '../../../net/index.ts';
import { NetgraphError } from '../../graph/error.ts';
import type { Hook, Node } from '../../graph/node.ts';
import { command, ControlHalf, type TypeCommand } from '../../graph/type.ts';
import { array, type Form, mac, struct, uint32 } from '../../message/form.ts';
import { endsAlone } from './alone.ts';
import { macBytes, macText } from './namespace.ts';
import { NEIGHBOR_LIMIT, type ResolverConfig, type ResolverWord } from './resolver-data.ts';

interface Entry {
  ip: string;
  mac: string;
  /** 1: somebody has said so, and it stays. */
  permanent: number;
}

export class ResolverControl extends ControlHalf {
  readonly #family: Family;
  #mac: string | undefined;
  #addresses: readonly AddressWords[] = [];
  #entries: Map<string, Entry> = new Map();

  constructor(node: Node, family: Family) {
    super(node);
    this.#family = family;
  }

  override newHook({ name }: Hook): void {
    if (name !== 'ip' && name !== 'lower' && name !== 'nohost') {
      throw new NetgraphError('EINVAL', `${this.node.type.name} has hooks ip, lower and nohost, not '${name}'`);
    }
  }

  override disconnected(): void {
    endsAlone(this.node);
  }

  override config(): ResolverConfig {
    const permanent = [...this.#entries.values()].filter(entry => entry.permanent === 1);
    return {
      mac: this.#mac === undefined ? undefined : macBytes(this.#mac),
      addresses: this.#addresses,
      permanent: permanent.map(entry => ({ words: this.#words(entry.ip), mac: macBytes(entry.mac) })),
    };
  }

  override told(worker: number, value: unknown): void {
    const word = value as ResolverWord;
    const ip = formatAddress(this.#family, word.words);
    const known = this.#entries.get(ip);
    if (known?.permanent === 1) return;
    if (word.kind === 'gone') this.#entries.delete(ip);
    else if (known || this.#entries.size < NEIGHBOR_LIMIT) {
      this.#entries.set(ip, { ip, mac: macText(word.mac), permanent: 0 });
    }
    // That it is gone is one worker's business: another may be hearing of it.
    if (word.kind === 'gone') return;
    const { workers } = this.node.graph.plane;
    for (let each = 0; each < workers; each++) if (each !== worker) this.node.say(value, each);
  }

  override save(): () => void {
    const before = [this.#mac, this.#addresses, new Map(this.#entries)] as const;
    return () => void ([this.#mac, this.#addresses, this.#entries] = before);
  }

  setMac(address: string): void {
    if ((Number.parseInt(address, 16) & 1) !== 0) throw new NetgraphError('EINVAL', `${address} is a group's address`);
    this.#mac = address;
    this.node.reconfigure();
  }

  mac(): string {
    if (this.#mac === undefined) throw new NetgraphError('ENXIO', `node ${this.node.address} has no Ethernet address`);
    return this.#mac;
  }

  setAddresses(list: readonly string[]): void {
    this.#addresses = list.map(text => this.#words(text));
    this.node.reconfigure();
  }

  addresses(): { count: number; addresses: string[] } {
    const addresses = this.#addresses.map(words => formatAddress(this.#family, words));
    return { count: addresses.length, addresses };
  }

  entries(): { count: number; entries: Entry[] } {
    const entries = [...this.#entries.values()];
    return { count: entries.length, entries };
  }

  add(ip: string, address: string): void {
    const key = formatAddress(this.#family, this.#words(ip));
    this.#entries.set(key, { ip: key, mac: address, permanent: 1 });
    this.node.reconfigure();
  }

  remove(ip: string): void {
    const words = this.#words(ip);
    const key = formatAddress(this.#family, words);
    const entry = this.#entries.get(key);
    if (!entry) throw new NetgraphError('ENOENT', `node ${this.node.address} has no entry for ${key}`);
    this.#entries.delete(key);
    if (entry.permanent === 1) {
      this.node.reconfigure();
      return;
    }
    const { workers } = this.node.graph.plane;
    for (let each = 0; each < workers; each++) this.node.say({ kind: 'gone', words } satisfies ResolverWord, each);
  }

  #words(text: string): AddressWords {
    const parsed = parseAddress(text);
    if (parsed?.family !== this.#family)
      throw new NetgraphError('EINVAL', `'${text}' is no address of this node's family`);
    return parsed.words;
  }
}

/** The messages of both types; `address` is the form of an IP address. */
export function resolverMessages(address: Form<string>): readonly TypeCommand[] {
  const addresses = struct({
    count: uint32,
    addresses: array({ element: address, length: ({ count }: { count: number }) => count }),
  });
  const entries = struct({
    count: uint32,
    entries: array({
      element: struct({ ip: address, mac, permanent: uint32 }),
      length: ({ count }: { count: number }) => count,
    }),
  });
  return [
    command({ name: 'setenaddr', cmd: 1, args: mac, handle: (r: ResolverControl, to) => r.setMac(to) }),
    command({ name: 'getenaddr', cmd: 2, reply: mac, handle: (r: ResolverControl) => r.mac() }),
    command({
      name: 'setaddresses',
      cmd: 3,
      args: addresses,
      handle: (r: ResolverControl, args) => r.setAddresses(args.addresses),
    }),
    command({ name: 'getaddresses', cmd: 4, reply: addresses, handle: (r: ResolverControl) => r.addresses() }),
    command({ name: 'getentries', cmd: 5, reply: entries, handle: (r: ResolverControl) => r.entries() }),
    command({
      name: 'addentry',
      cmd: 6,
      args: struct({ ip: address, mac }),
      handle: (r: ResolverControl, args) => r.add(args.ip, args.mac),
    }),
    command({
      name: 'delentry',
      cmd: 7,
      args: struct({ ip: address }),
      handle: (r: ResolverControl, { ip }) => r.remove(ip),
    }),
  ];
}
