// npm run proof:fuzz [-- --messages N] [--seed S] [--keep]
//
// Parses UPDATEs that nobody would send, 100,000,000 of them unless told, and lets a judge that was written apart from the parser say
// which of them may end a session. With `--keep`, the shortest message of every behaviour is written to the corpus that tests
// begin with. Ends with the message at the first thing that is wrong.
import { readFileSync, writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { Fuzzer } from '../../test/bgp/lib/fuzz.ts';

const CORPUS = new URL('../../test/bgp/corpus.txt', import.meta.url);
const ROUND = 1_000_000;

const { values: options } = parseArgs({
  options: {
    messages: { type: 'string', default: '100000000' },
    seed: { type: 'string', default: String(Date.now() % 2 ** 31) },
    keep: { type: 'boolean', default: false },
  },
});
const messages = Number(options.messages);
const seed = Number(options.seed);
const kept = readFileSync(CORPUS, 'utf8')
  .split('\n')
  .filter(line => line !== '');
const fuzzer = new Fuzzer(
  seed,
  kept.map(line => Uint8Array.from(Buffer.from(line, 'hex'))),
);
const start = performance.now();
for (let done = 0; done < messages; ) {
  for (const end = Math.min(messages, done + ROUND); done < end; done++) fuzzer.step();
  if (done % (10 * ROUND) === 0) console.log(`${done} messages, ${fuzzer.seen.size} behaviours`);
}
const seconds = (performance.now() - start) / 1000;
const [ok, discard, withdraw, reset] = fuzzer.counts;
if (options.keep) {
  writeFileSync(CORPUS, [...fuzzer.seen.values()].map(bytes => `${Buffer.from(bytes).toString('hex')}\n`).join(''));
}
console.log(
  `fuzz: ${messages} UPDATEs with seed ${seed} in ${seconds.toFixed(0)} s: ${ok} accepted, ${discard} less an attribute, ` +
    `${withdraw} treated as withdrawals, ${reset} that end the session, each as the judge says; ${fuzzer.seen.size} behaviours`,
);
