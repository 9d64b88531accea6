// The last step before a link: a packet that is longer than its MTU is cut into fragments (IPv4 without DF, RFC 791 §3.2), or given back by
// `toobig` with the MTU in PKT_MARK, for a router to tell the sender (RFC 1191 §4, RFC 4443 §3.2). What comes in by `out` goes out of `in` as it is.
import { NetgraphError } from '../graph/error.ts';
import type { Hook } from '../graph/node.ts';
import { command, ControlHalf, type NodeType } from '../graph/type.ts';
import { FRAGMENT_FORBIDDEN, fragmentCount, writeFragment } from '../lib/fragment.ts';
import { uint32 } from '../message/form.ts';
import { PKT_DATA, PKT_FLAGS, PKT_INTERFACE, PKT_LENGTH, PKT_MARK, PKT_NEXT_HOP } from '../packet/packets.ts';
import { DataHalf, DROP } from '../worker/half.ts';
import type { DataHook } from '../worker/node.ts';
import { endsAlone } from './lib/alone.ts';

/** Every link carries so much of IPv4 (RFC 791 §3.1). */
const LEAST_MTU = 68;
const DEFAULT_MTU = 1500;

class IpfragControl extends ControlHalf {
  #mtu = DEFAULT_MTU;

  override newHook({ name }: Hook): void {
    if (name !== 'in' && name !== 'out' && name !== 'toobig') {
      throw new NetgraphError('EINVAL', `ipfrag has hooks in, out and toobig, not '${name}'`);
    }
  }

  override disconnected(): void {
    endsAlone(this.node);
  }

  override config(): number {
    return this.#mtu;
  }

  override save(): () => void {
    const mtu = this.#mtu;
    return () => void (this.#mtu = mtu);
  }

  get mtu(): number {
    return this.#mtu;
  }

  setMtu(mtu: number): void {
    if (mtu < LEAST_MTU || mtu > 65_535) throw new NetgraphError('EINVAL', `an MTU is 68 to 65535, not ${mtu}`);
    this.#mtu = mtu;
    this.node.reconfigure();
  }
}

const FRAGMENTED = 0;
const FRAGMENTS = 1;

class IpfragData extends DataHalf<number> {
  #mtu = DEFAULT_MTU;

  override configure(mtu: number): void {
    this.#mtu = mtu;
  }

  override receive(hook: DataHook, handles: Int32Array, count: number): void {
    const forth = hook.name === 'in';
    const to = this.node.hook(forth ? 'out' : 'in');
    if (to === undefined || hook.name === 'toobig') {
      this.node.dropMany(handles, count, DROP.notConnected);
      return;
    }
    if (!forth) {
      to.pass(count);
      return;
    }
    const { words } = this.node.packets;
    const mtu = this.#mtu;
    let good = 0;
    let from = 0;
    for (let i = 0; i < count; i++) {
      const handle = handles[i]!;
      if (words[handle + PKT_LENGTH]! <= mtu) {
        handles[good++] = handle;
        continue;
      }
      // Those before it go first.
      if (good > from) to.sendMany(handles, good - from, from);
      from = good;
      this.#cut(handle, to);
    }
    if (from === 0) to.pass(good);
    else if (good > from) to.sendMany(handles, good - from, from);
  }

  #cut(handle: number, out: DataHook): void {
    const { packets, counts } = this.node;
    const { words, bytes } = packets;
    const mtu = this.#mtu;
    const at = words[handle + PKT_DATA]!;
    const length = words[handle + PKT_LENGTH]!;
    const four = bytes[at]! >>> 4 === 4;
    const fragments = four ? fragmentCount(bytes, at, length, mtu) : FRAGMENT_FORBIDDEN;
    if (fragments === FRAGMENT_FORBIDDEN) {
      const back = this.node.hook('toobig');
      words[handle + PKT_MARK] = mtu;
      if (back) back.send(handle);
      else this.node.drop(handle, DROP.tooBig);
      return;
    }
    if (fragments < 0) {
      this.node.drop(handle, DROP.malformed);
      return;
    }
    // All or none: some alone are of no use to anybody.
    if (packets.free < fragments) {
      this.node.drop(handle, DROP.noPacket);
      return;
    }
    for (let i = 0; i < fragments; i++) {
      const fragment = packets.allocate();
      words[fragment + PKT_LENGTH] = writeFragment(bytes, words[fragment + PKT_DATA]!, bytes, at, i, mtu);
      words[fragment + PKT_FLAGS] = words[handle + PKT_FLAGS]!;
      words[fragment + PKT_INTERFACE] = words[handle + PKT_INTERFACE]!;
      for (let word = 0; word < 4; word++) words[fragment + PKT_NEXT_HOP + word] = words[handle + PKT_NEXT_HOP + word]!;
      out.send(fragment);
    }
    counts[FRAGMENTED] = counts[FRAGMENTED]! + 1;
    counts[FRAGMENTS] = counts[FRAGMENTS]! + fragments;
    packets.release(handle);
  }
}

export const ipfrag: NodeType = {
  name: 'ipfrag',
  cookie: 1764288007,
  messages: [
    command({ name: 'setmtu', cmd: 1, args: uint32, handle: (f: IpfragControl, mtu) => f.setMtu(mtu) }),
    command({ name: 'getmtu', cmd: 2, reply: uint32, handle: (f: IpfragControl) => f.mtu }),
  ],
  control: IpfragControl,
  data: IpfragData,
  counters: ['fragmented', 'fragments'],
};
