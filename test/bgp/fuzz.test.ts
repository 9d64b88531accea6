// UPDATEs that nobody would send, from a corpus that long runs of `npm run proof:fuzz` have left: no exception, and a reset exactly where
// the RFCs have one. Here some hundred thousand, the same each time.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { ACTION_RESET } from '../../src/bgp/wire/attribute.ts';
import { UpdateParser } from '../../src/bgp/wire/update.ts';
import { Fuzzer, PLAIN, SESSIONS } from './lib/fuzz.ts';
import { endsSession } from './lib/reset-oracle.ts';

const corpus: readonly Uint8Array[] = readFileSync(new URL('corpus.txt', import.meta.url), 'utf8')
  .split('\n')
  .filter(line => line !== '')
  .map(line => Uint8Array.from(Buffer.from(line, 'hex')));

test('what once behaved otherwise than anything before it is judged as the RFCs judge it, in every session', () => {
  assert.ok(corpus.length > 100, `${corpus.length} messages`);
  for (const message of [...PLAIN, ...corpus]) {
    for (const session of SESSIONS) {
      for (let length = 0; length <= message.length; length++) {
        const cut = message.subarray(0, length);
        const { action } = new UpdateParser({ ...session }).parse(cut, 0, cut.length);
        assert.equal(action === ACTION_RESET, endsSession(cut, session), Buffer.from(cut).toString('hex'));
      }
    }
  }
});

test('mutations of it, too', () => {
  const fuzzer = new Fuzzer(20260, corpus);
  for (let i = 0; i < 300_000; i++) fuzzer.step();
  assert.ok(
    fuzzer.counts.every(count => count > 1000),
    `accepted, less, withdrawn, reset: ${fuzzer.counts.join(', ')}`,
  );
});
