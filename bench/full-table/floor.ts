// The floor: the table's routes, encoded before the clock starts, sent to the kernel in batches through one nexthop object by
// a program that does nothing else. Run inside the namespace: `floor.ts PREFIXES SETS NEXTHOP_ID`.
import { check, libc, receive } from '../../src/sys/index.ts';
import { buildTable } from '../lib/table.ts';
import { nowMs } from '../lib/speaker.ts';

const MESSAGE = 52; // nlmsghdr 16, rtmsg 12, RTA_DST 8, RTA_PRIORITY 8, RTA_NH_ID 8
const BATCH = 1200; // 62,400 bytes a send
const NLM_F_REQUEST = 1;
const NLM_F_ACK = 4;
const NLM_F_REPLACE = 0x100;
const NLM_F_CREATE = 0x400;

const [prefixes, sets, nexthopId] = process.argv.slice(2).map(Number) as [number, number, number];
const table = buildTable({ prefixes, attributeSets: sets });
const count = table.addresses.length;
const bytes = new Uint8Array(count * MESSAGE);
const view = new DataView(bytes.buffer);
for (let i = 0; i < count; i++) {
  const at = i * MESSAGE;
  const last = i % BATCH === BATCH - 1 || i === count - 1;
  view.setUint32(at, MESSAGE, true);
  view.setUint16(at + 4, 24 /* RTM_NEWROUTE */, true);
  view.setUint16(at + 6, NLM_F_REQUEST | NLM_F_CREATE | NLM_F_REPLACE | (last ? NLM_F_ACK : 0), true);
  view.setUint32(at + 8, i, true);
  bytes[at + 16] = 2; // AF_INET
  bytes[at + 17] = table.lengths[i]!;
  bytes[at + 20] = 254; // RT_TABLE_MAIN
  bytes[at + 21] = 186; // RTPROT_BGP
  bytes[at + 23] = 1; // RTN_UNICAST
  view.setUint16(at + 28, 8, true);
  view.setUint16(at + 30, 1 /* RTA_DST */, true);
  view.setUint32(at + 32, table.addresses[i]!);
  view.setUint16(at + 36, 8, true);
  view.setUint16(at + 38, 6 /* RTA_PRIORITY */, true);
  view.setUint32(at + 40, 20, true);
  view.setUint16(at + 44, 8, true);
  view.setUint16(at + 46, 30 /* RTA_NH_ID */, true);
  view.setUint32(at + 48, nexthopId, true);
}

const fd = check(libc.socket(16 /* AF_NETLINK */, 3 /* SOCK_RAW */, 0), 'socket');
const reply = new Uint8Array(65536);
const replyView = new DataView(reply.buffer);
const cpu = process.cpuUsage();
const startMs = nowMs();
for (let i = 0; i < count; i += BATCH) {
  const batch = bytes.subarray(i * MESSAGE, Math.min(i + BATCH, count) * MESSAGE);
  check(libc.send(fd, batch, batch.length, 0), 'send');
  receive(fd, reply, 0, reply.length);
  const error = replyView.getInt32(16, true);
  if (error !== 0) throw new Error(`the kernel refused a route: errno ${-error}`);
}
const ms = nowMs() - startMs;
const spent = process.cpuUsage(cpu);
console.log(JSON.stringify({ ms, cpuSeconds: (spent.user + spent.system) / 1e6 }));
