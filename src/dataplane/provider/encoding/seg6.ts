// The source of packets that are encapsulated with a segment routing header. The kernel takes it by a protocol of generic netlink,
// whose number it gives out when it is asked: who writes to the kernel puts that in.
import { writeTunnelSource } from '../../../netlink/index.ts';
import { type Encoding, few, judgeAsIs, written } from './encoding.ts';

export const tunnelSource: Encoding = {
  bytes: few,
  encode: written((pool, handle, writer, sequence) => {
    writeTunnelSource(writer, 0, 0, sequence, pool.address(handle).local);
  }),
  judge: judgeAsIs,
  generic: true,
};
