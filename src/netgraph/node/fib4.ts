// IPv4 forwarding by longest match, which FreeBSD leaves to its stack. Packets that come in by any hook go out of their route's, with
// the gateway in PKT_NEXT_HOP (0: the destination is on the link); what has no route goes out of `noroute`, or is dropped. The table lies
// in shared memory: the control half writes it, every worker looks in it without a lock, and 100,000 routes cost no commit.
import { AF_INET } from '../../net/index.ts';
import type { Node } from '../graph/node.ts';
import type { NodeType } from '../graph/type.ts';
import { FIB4_GROUPS, Fib4Reader } from '../lib/fib4.ts';
import { IPPROTO_TCP, IPPROTO_UDP, read16, read32 } from '../lib/ip.ts';
import { ipv4 } from '../message/form.ts';
import { PKT_DATA, PKT_LENGTH, PKT_NEXT_HOP } from '../packet/packets.ts';
import { DROP } from '../worker/half.ts';
import type { DataHook } from '../worker/node.ts';
import { fibCommands } from './lib/fib-commands.ts';
import { FibControl } from './lib/fib-control.ts';
import { choose, FibData, mix } from './lib/fib-data.ts';

export class Fib4Control extends FibControl {
  constructor(node: Node) {
    super(node, AF_INET, FIB4_GROUPS);
  }
}

class Fib4Data extends FibData {
  #fib: Fib4Reader | undefined;

  protected override open(memory: SharedArrayBuffer): void {
    this.#fib ??= new Fib4Reader(memory);
  }

  override receive(_hook: DataHook, handles: Int32Array, count: number): void {
    const { words, bytes } = this.node.packets;
    const fib = this.#fib!;
    const { outs, gateways, first, count: counts } = this;
    const size = first.length;
    // As long as all go out of the hook of the first, the vector stays as it is.
    let same: DataHook | undefined;
    let last = 0;
    let gateway = 0;
    let good = 0;
    for (let i = 0; i < count; i++) {
      const handle = handles[i]!;
      const at = words[handle + PKT_DATA]!;
      const short = words[handle + PKT_LENGTH]! < 20;
      let nextHop = 0;
      if (!short) nextHop = (at & 3) === 0 ? fib.lookupWord(words[(at >> 2) + 4]!) : fib.lookupAt(bytes, at + 16);
      if (nextHop !== last || nextHop === 0) {
        const paths = nextHop < size ? counts[nextHop]! : 0;
        let path = first[paths === 0 ? 0 : nextHop]!;
        if (paths > 1) path += choose(flowOf(bytes, at, words[handle + PKT_LENGTH]!), paths);
        const out = paths === 0 ? undefined : outs[path];
        last = paths === 1 ? nextHop : 0;
        if (out === undefined) {
          last = 0;
          if (short) this.node.drop(handle, DROP.malformed);
          else this.without(handle);
          continue;
        }
        gateway = gateways[path << 2]!;
        if (out !== same) {
          if (same !== undefined) same.sendMany(handles, good);
          same = out;
          good = 0;
        }
      }
      words[handle + PKT_NEXT_HOP] = gateway;
      handles[good++] = handle;
    }
    if (same !== undefined) same.pass(good);
  }
}

/** By addresses, protocol and ports; a fragment by the first three, so that all of a packet's go one way. */
function flowOf(bytes: Uint8Array, ip: number, length: number): number {
  const protocol = bytes[ip + 9]!;
  let hash = mix(mix(protocol, read32(bytes, ip + 12)), read32(bytes, ip + 16));
  const at = (bytes[ip]! & 15) << 2;
  const whole = (read16(bytes, ip + 6) & 0x3fff) === 0;
  if (whole && (protocol === IPPROTO_TCP || protocol === IPPROTO_UDP) && at + 4 <= length) {
    hash = mix(hash, read32(bytes, ip + at));
  }
  return hash;
}

export const fib4: NodeType = {
  name: 'fib4',
  cookie: 1764288001,
  messages: fibCommands(ipv4),
  control: Fib4Control,
  data: Fib4Data,
};
