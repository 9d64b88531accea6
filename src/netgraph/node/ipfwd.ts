// What a router does to an IPv4 packet before it is sent on (RFC 1812 §5.2, §5.3.1): the header is checked, and the time to live goes
// down by one.
import type { Hook } from '../graph/node.ts';
import { NetgraphError } from '../graph/error.ts';
import { ControlHalf, type NodeType } from '../graph/type.ts';
import { decrementTtl, ip4HeaderOk } from '../lib/checksum.ts';
import { PKT_DATA, PKT_LENGTH } from '../packet/packets.ts';
import { DataHalf, DROP } from '../worker/half.ts';
import type { DataHook } from '../worker/runtime.ts';
import { endsAlone } from './lib/alone.ts';

class IpfwdControl extends ControlHalf {
  override newHook({ name }: Hook): void {
    if (name !== 'in' && name !== 'out') throw new NetgraphError('EINVAL', `ipfwd has hooks in and out, not '${name}'`);
  }

  override disconnected(): void {
    endsAlone(this.node);
  }
}

class IpfwdData extends DataHalf {
  override receive(_hook: DataHook, handles: Int32Array, count: number): void {
    const out = this.node.hook('out');
    if (!out) {
      this.node.dropMany(handles, count, DROP.notConnected);
      return;
    }
    const { words } = this.node.packets;
    let good = 0;
    for (let i = 0; i < count; i++) {
      const handle = handles[i]!;
      const at = words[handle + PKT_DATA]!;
      const w = at >> 2;
      const a = words[w]!;
      if ((at & 3) !== 0 || (a & 0xff) !== 0x45 || words[handle + PKT_LENGTH]! < 20) {
        if (this.#slow(handle)) handles[good++] = handle;
        continue;
      }
      // A ones' complement sum does not mind the order of bytes (RFC 1071 §2), so it is taken of the words as memory has them.
      const b = words[w + 1]!;
      const c = words[w + 2]!;
      const d = words[w + 3]!;
      const e = words[w + 4]!;
      let sum =
        (a & 0xffff) +
        (a >>> 16) +
        (b & 0xffff) +
        (b >>> 16) +
        (c & 0xffff) +
        (c >>> 16) +
        (d & 0xffff) +
        (d >>> 16) +
        (e & 0xffff) +
        (e >>> 16);
      sum = (sum & 0xffff) + (sum >>> 16);
      if (sum !== 0xffff && sum !== 0x1fffe) {
        this.node.drop(handle, DROP.malformed);
        continue;
      }
      if ((c & 0xff) <= 1) {
        this.node.drop(handle, DROP.expired);
        continue;
      }
      // The time to live is the word's lowest byte, the checksum its upper half with the more significant byte below. One less of the one is
      // 0x0100 more of the other (RFC 1141), and what carries out of the upper byte goes round to the lower: here it does by itself.
      words[w + 2] = c + 0xffff;
      handles[good++] = handle;
    }
    out.pass(good);
  }

  /** The same for a header that is not on a word's boundary. False where the packet has ended here. */
  #slow(handle: number): boolean {
    const { words, bytes } = this.node.packets;
    const at = words[handle + PKT_DATA]!;
    if (bytes[at] !== 0x45 || words[handle + PKT_LENGTH]! < 20 || !ip4HeaderOk(bytes, at, 20)) {
      this.node.drop(handle, DROP.malformed);
      return false;
    }
    if (bytes[at + 8]! <= 1) {
      this.node.drop(handle, DROP.expired);
      return false;
    }
    decrementTtl(bytes, at);
    return true;
  }
}

export const ipfwd: NodeType = {
  name: 'ipfwd',
  cookie: 1764288002,
  messages: [],
  control: IpfwdControl,
  data: IpfwdData,
};
