// Counts what passes, and changes nothing: what comes in by `left` goes out of `right`, and the other way round. FreeBSD has no such type.
// Packets and octets are counted by direction, and by what is in them: the protocol of IPv4 and IPv6, ARP, and all else. `setdlt` says
// whether packets begin with an Ethernet header (1) or with an IP one (12, as at first).
import type { Hook } from '../graph/node.ts';
import { command, ControlHalf, type NodeType } from '../graph/type.ts';
import {
  ETHERTYPE_ARP,
  ETHERTYPE_IP,
  ETHERTYPE_IPV6,
  IPPROTO_ICMP,
  IPPROTO_ICMPV6,
  IPPROTO_TCP,
  IPPROTO_UDP,
} from '../lib/ip.ts';
import { type Form, struct, uint64, uint8 } from '../message/form.ts';
import { PKT_DATA, PKT_LENGTH } from '../packet/packets.ts';
import { DataHalf, DROP } from '../worker/half.ts';
import type { DataHook } from '../worker/node.ts';
import { endsAlone, joinNeighbours } from './lib/alone.ts';
import { checkDlt, DLT_EN10MB, DLT_RAW, ETHER_OTHER, etherPayload } from './lib/dlt.ts';
import { onlyHooks } from './lib/hook-of.ts';
import { statsCommands } from './lib/stats-commands.ts';

/** What is counted, each as packets and octets. */
const CLASSES = ['all', 'tcp', 'udp', 'icmp', 'otherIp4', 'otherIp6', 'arp', 'other'] as const;
type Class = (typeof CLASSES)[number];
const [ALL, TCP, UDP, ICMP, OTHER_IP4, OTHER_IP6, ARP, OTHER] = [0, 1, 2, 3, 4, 5, 6, 7];

const amount = struct({ packets: uint64, octets: uint64 });
interface Amount {
  packets: number;
  octets: number;
}
type Direction = Record<Class, Amount>;
const direction: Form<Direction> = struct({
  all: amount,
  tcp: amount,
  udp: amount,
  icmp: amount,
  otherIp4: amount,
  otherIp6: amount,
  arp: amount,
  other: amount,
});
/** By the hook that packets came in by. */
const stats = struct({ left: direction, right: direction });
const dlt = struct({ dlt: uint8 });

const NOTHING: Direction = Object.fromEntries(CLASSES.map(name => [name, { packets: 0, octets: 0 }])) as Direction;

class CounterControl extends ControlHalf {
  #dlt = DLT_RAW;

  override newHook(hook: Hook): void {
    onlyHooks(hook, ['left', 'right']);
  }

  override disconnected(): void {
    endsAlone(this.node);
  }

  override shutdown(): void {
    joinNeighbours(this.node, 'left', 'right');
  }

  override save(): () => void {
    const dlt = this.#dlt;
    return () => void (this.#dlt = dlt);
  }

  override config(): number {
    return this.#dlt;
  }

  setDlt(value: number): void {
    checkDlt(value);
    this.#dlt = value;
    this.node.reconfigure();
  }

  stats(clear: boolean): { left: Direction; right: Direction } {
    const of = (name: string): Direction => {
      const hook = this.node.hooks.get(name);
      if (!hook) return NOTHING;
      const counts = hook.counts();
      if (clear) this.node.graph.clearCounts(hook);
      return Object.fromEntries(
        CLASSES.map(each => [each, { packets: counts[`${each}.packets`]!, octets: counts[`${each}.octets`]! }]),
      ) as Direction;
    };
    return { left: of('left'), right: of('right') };
  }
}

class CounterData extends DataHalf<number> {
  #ethernet = false;

  override configure(dlt: number): void {
    this.#ethernet = dlt === DLT_EN10MB;
  }

  override receive(hook: DataHook, handles: Int32Array, count: number): void {
    const { words, bytes } = this.node.packets;
    const { counts } = hook;
    const ethernet = this.#ethernet;
    for (let i = 0; i < count; i++) {
      const handle = handles[i]!;
      const at = words[handle + PKT_DATA]!;
      const length = words[handle + PKT_LENGTH]!;
      const each = 2 * (ethernet ? classOfFrame(bytes, at, length) : classOfIp(bytes, at, length));
      counts[2 * ALL!] = counts[2 * ALL!]! + 1;
      counts[2 * ALL! + 1] = counts[2 * ALL! + 1]! + length;
      counts[each] = counts[each]! + 1;
      counts[each + 1] = counts[each + 1]! + length;
    }
    const out = this.node.hook(hook.name === 'left' ? 'right' : 'left');
    if (out) out.pass(count);
    else this.node.dropMany(handles, count, DROP.notConnected);
  }
}

function classOfFrame(bytes: Uint8Array, at: number, length: number): number {
  const way = etherPayload(bytes, at, length);
  if (way === ETHER_OTHER) return OTHER!;
  const type = way >>> 16;
  const header = way & 0xffff;
  if (type === ETHERTYPE_ARP) return ARP!;
  if (type !== ETHERTYPE_IP && type !== ETHERTYPE_IPV6) return OTHER!;
  return classOfIp(bytes, at + header, length - header);
}

/** IPv6 by its next header: extension headers are other. */
function classOfIp(bytes: Uint8Array, at: number, length: number): number {
  const version = length > 0 ? bytes[at]! >>> 4 : 0;
  if (version === 4 && length >= 20) return classOf(bytes[at + 9]!, IPPROTO_ICMP, OTHER_IP4!);
  if (version === 6 && length >= 40) return classOf(bytes[at + 6]!, IPPROTO_ICMPV6, OTHER_IP6!);
  return OTHER!;
}

function classOf(protocol: number, icmp: number, other: number): number {
  if (protocol === IPPROTO_TCP) return TCP!;
  if (protocol === IPPROTO_UDP) return UDP!;
  return protocol === icmp ? ICMP! : other;
}

export const counter: NodeType = {
  name: 'counter',
  cookie: 1764288010,
  messages: [
    ...statsCommands({
      cmds: [1, 2, 3],
      reply: stats,
      stats: (counter: CounterControl, _args, clear) => counter.stats(clear),
    }),
    command({ name: 'getdlt', cmd: 4, reply: dlt, handle: (counter: CounterControl) => ({ dlt: counter.config() }) }),
    command({ name: 'setdlt', cmd: 5, args: dlt, handle: (counter: CounterControl, args) => counter.setDlt(args.dlt) }),
  ],
  control: CounterControl,
  data: CounterData,
  hookCounters: CLASSES.flatMap(name => [`${name}.packets`, `${name}.octets`]),
};
