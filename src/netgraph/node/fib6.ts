// IPv6 forwarding by longest match: fib4.ts for IPv6. A gateway is in the four words of PKT_NEXT_HOP, with PKT_FLAG_NEXT_HOP6; without the
// flag the destination is on the link.
import { AF_INET6 } from '../../net/index.ts';
import type { Node } from '../graph/node.ts';
import type { NodeType } from '../graph/type.ts';
import { FIB6_GROUPS, Fib6Reader } from '../lib/fib6.ts';
import { IPPROTO_TCP, IPPROTO_UDP, read32 } from '../lib/ip.ts';
import { ipv6 } from '../message/form.ts';
import { PKT_DATA, PKT_LENGTH } from '../packet/packets.ts';
import { DROP } from '../worker/half.ts';
import type { DataHook } from '../worker/node.ts';
import { fibCommands } from './lib/fib-commands.ts';
import { FibControl } from './lib/fib-control.ts';
import { choose, FibData, mix } from './lib/fib-data.ts';

export class Fib6Control extends FibControl {
  constructor(node: Node) {
    super(node, AF_INET6, FIB6_GROUPS);
  }
}

class Fib6Data extends FibData {
  #fib: Fib6Reader | undefined;

  protected override open(memory: SharedArrayBuffer): void {
    this.#fib ??= new Fib6Reader(memory);
  }

  override receive(_hook: DataHook, handles: Int32Array, count: number): void {
    const { words, bytes } = this.node.packets;
    const fib = this.#fib!;
    const { outs, first, count: counts } = this;
    const size = first.length;
    // As long as all go out of the hook of the first, the vector stays as it is.
    let same: DataHook | undefined;
    let last = 0;
    let path = 0;
    let good = 0;
    for (let i = 0; i < count; i++) {
      const handle = handles[i]!;
      const at = words[handle + PKT_DATA]!;
      const short = words[handle + PKT_LENGTH]! < 40;
      let nextHop = 0;
      if (!short) nextHop = fib.lookupAt(bytes, at + 24);
      if (nextHop !== last || nextHop === 0) {
        const paths = nextHop < size ? counts[nextHop]! : 0;
        path = first[paths === 0 ? 0 : nextHop]!;
        if (paths > 1) path += choose(flowOf(bytes, at, words[handle + PKT_LENGTH]!), paths);
        const out = paths === 0 ? undefined : outs[path];
        last = paths === 1 ? nextHop : 0;
        if (out === undefined) {
          last = 0;
          if (short) this.node.drop(handle, DROP.malformed);
          else this.without(handle);
          continue;
        }
        if (out !== same) {
          if (same !== undefined) same.sendMany(handles, good);
          same = out;
          good = 0;
        }
      }
      this.set6(words, handle, path);
      handles[good++] = handle;
    }
    if (same !== undefined) same.pass(good);
  }
}

/** By the addresses and the flow label, which a source gives each of its flows (RFC 6437, RFC 6438), and, where there is none, the ports. */
function flowOf(bytes: Uint8Array, ip: number, length: number): number {
  let hash = read32(bytes, ip) & 0xfffff;
  if (hash === 0) {
    const protocol = bytes[ip + 6]!;
    if ((protocol === IPPROTO_TCP || protocol === IPPROTO_UDP) && length >= 44)
      hash = mix(protocol, read32(bytes, ip + 40));
  }
  for (let at = ip + 8; at < ip + 40; at += 4) hash = mix(hash, read32(bytes, at));
  return hash;
}

export const fib6: NodeType = {
  name: 'fib6',
  cookie: 1764288006,
  messages: fibCommands(ipv6),
  control: Fib6Control,
  data: Fib6Data,
};
