// Process that receives a table: `receiver.ts LOCAL PEER ASN EXPECTED HOLD`. Counts distinct prefixes and says when the
// first and the last of those it expects arrived.
import { createInterface } from 'node:readline';
import { AF_INET, maskWord, PrefixTable, parseIp4 } from '../../src/net/index.ts';
import { nowMs, Speaker } from './speaker.ts';

const [local, peer, asn, expected, hold] = process.argv.slice(2) as [string, string, string, string, string];
const say = (event: object): void => console.log(JSON.stringify(event));
const wanted = Number(expected);
const seen = new PrefixTable(AF_INET, wanted);
let updates = 0;

function onUpdate(bytes: Buffer, start: number, end: number): void {
  updates++;
  const before = seen.size;
  const withdrawn = bytes.readUInt16BE(start);
  let offset = start + 2 + withdrawn;
  offset += 2 + bytes.readUInt16BE(offset);
  while (offset < end) {
    const length = bytes[offset]!;
    let word = 0;
    const octets = (length + 7) >> 3;
    for (let i = 0; i < octets; i++) word |= bytes[offset + 1 + i]! << (24 - 8 * i);
    seen.insert((word & maskWord(length)) >>> 0, 0, 0, 0, length);
    offset += 1 + octets;
  }
  if (before === 0 && seen.size > 0) say({ event: 'first', atMs: nowMs() });
  if (before < wanted && seen.size >= wanted) say({ event: 'last', atMs: nowMs(), updates });
}

const speaker = await Speaker.open({
  localAddress: local,
  peerAddress: peer,
  asn: Number(asn),
  routerId: parseIp4(local),
  holdTimeS: Number(hold),
  onUpdate,
});
say({ event: 'established', atMs: nowMs() });
for await (const line of createInterface({ input: process.stdin })) {
  if (line === 'count') say({ event: 'count', prefixes: seen.size, updates });
  else if (line === 'quit') break;
}
speaker.close();
