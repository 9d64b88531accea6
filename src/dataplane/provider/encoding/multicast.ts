// What a multicast route forwarded, and when it did last: a question, which the kernel answers.
import { readMulticastRoute, writeMulticastGet } from '../../../netlink/index.ts';
import { type Encoding, few, judgeAsIs, written } from './encoding.ts';

export const read: Encoding = {
  bytes: few,
  encode: written((pool, handle, writer, sequence) => {
    const { family, source, group, table } = pool.multicastQuery(handle);
    writeMulticastGet(writer, 0, sequence, family, source, group, table === 0 ? undefined : table);
  }),
  judge: judgeAsIs,
  passing: true,
  answer(pool, handle, bytes, offset, length) {
    const route = readMulticastRoute(bytes, offset, length);
    const { packets = 0, bytes: octets = 0, wrongInterface = 0 } = route?.counters ?? {};
    pool.setMulticastUse(handle, {
      inputIfindex: route?.inputIfindex ?? 0,
      packets,
      bytes: octets,
      wrongInterface,
      idle: route?.idle ?? 0,
    });
  },
};
