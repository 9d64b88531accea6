// What a router does to an IPv4 packet before it is sent on (RFC 1812 §5.2, §5.3.1): the header is checked, and the time to live goes
// down by one.
import type { Hook } from '../graph/node.ts';
import { NetgraphError } from '../graph/error.ts';
import { ControlHalf, type NodeType } from '../graph/type.ts';
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
    const { words, bytes } = this.node.packets;
    let good = 0;
    for (let i = 0; i < count; i++) {
      const handle = handles[i]!;
      const at = words[handle + PKT_DATA]!;
      const length = words[handle + PKT_LENGTH]!;
      if (bytes[at] !== 0x45 || length < 20) {
        this.node.drop(handle, DROP.malformed);
        continue;
      }
      let sum: number;
      if ((at & 3) === 0) {
        // A ones' complement sum does not mind the order of bytes, so whole words do (RFC 1071 §2).
        const w = at >> 2;
        const a = words[w]!;
        const b = words[w + 1]!;
        const c = words[w + 2]!;
        const d = words[w + 3]!;
        const e = words[w + 4]!;
        sum =
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
      } else {
        sum = 0;
        for (let j = at; j < at + 20; j += 2) sum += (bytes[j]! << 8) | bytes[j + 1]!;
      }
      sum = (sum & 0xffff) + (sum >>> 16);
      if (sum !== 0xffff && ((sum + (sum >>> 16)) & 0xffff) !== 0xffff) {
        this.node.drop(handle, DROP.malformed);
        continue;
      }
      const ttl = bytes[at + 8]!;
      if (ttl <= 1) {
        this.node.drop(handle, DROP.expired);
        continue;
      }
      bytes[at + 8] = ttl - 1;
      // RFC 1141: a TTL less by one is a checksum more by 0x0100.
      let check = ((bytes[at + 10]! << 8) | bytes[at + 11]!) + 0x100;
      check = (check & 0xffff) + (check >>> 16);
      bytes[at + 10] = check >>> 8;
      bytes[at + 11] = check;
      handles[good++] = handle;
    }
    out.sendMany(handles, good);
  }
}

export const ipfwd: NodeType = {
  name: 'ipfwd',
  cookie: 1764288002,
  messages: [],
  control: IpfwdControl,
  data: IpfwdData,
};
