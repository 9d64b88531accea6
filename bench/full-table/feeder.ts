// Process that announces a ready-made table: `feeder.ts LOCAL PEER ASN PREFIXES SETS HOLD`. It says what it does in JSON
// lines and is told what to do in words: `announce`, `quit`.
import { createInterface } from 'node:readline';
import { parseIp4 } from '../../src/net/index.ts';
import { buildTable } from '../lib/table.ts';
import { nowMs, Speaker } from './speaker.ts';

const [local, peer, asn, prefixes, sets, hold] = process.argv.slice(2) as [
  string,
  string,
  string,
  string,
  string,
  string,
];
const say = (event: object): void => console.log(JSON.stringify(event));

const { updates, prefixCount } = buildTable({
  prefixes: Number(prefixes),
  attributeSets: Number(sets),
  as: Number(asn),
  nextHop: parseIp4(local),
});
const speaker = await Speaker.open({
  localAddress: local,
  peerAddress: peer,
  asn: Number(asn),
  routerId: parseIp4(local),
  holdTimeS: Number(hold),
});
say({ event: 'established', atMs: nowMs(), prefixCount, bytes: updates.length });

for await (const line of createInterface({ input: process.stdin })) {
  if (line === 'announce') {
    say({ event: 'announcing', atMs: nowMs() });
    await speaker.write(updates);
    say({ event: 'announced', atMs: nowMs() });
  } else if (line === 'silence') say({ event: 'silence', longestMs: speaker.longestSilenceMs });
  else if (line === 'quit') break;
}
speaker.close();
