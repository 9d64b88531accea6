// What the tests that try everything share. `npm test` has each of them try little, always the same; `npm run proof:fuzz-graph` has them try
// GREVY_FUZZ times as much, otherwise each time.
import fc from 'fast-check';

const TIMES = Number(process.env['GREVY_FUZZ'] ?? 0);

/** Parameters of a property that is tried `runs` times in `npm test`. */
export function runs(count: number): { numRuns: number; seed?: number; endOnFailure: boolean } {
  // A case that fails is looked for in the small in any case: shrinking what takes long takes longer.
  return TIMES > 0
    ? { numRuns: count * TIMES, endOnFailure: false }
    : { numRuns: count, seed: 20_261_128, endOnFailure: false };
}

/** Values at which something ends. */
const WORDS: readonly string[] = [
  // Numbers
  ...'0 1 -1 2 7 13 63 64 127 255 256 1024 1025 4095 4096 65535 65536 2147483647 2147483648 4294967295'.split(' '),
  ...'4294967296 4294967297 9007199254740991 9007199254740992 -2147483648 -9007199254740991'.split(' '),
  ...'0x 0xffff 010 1e5 1.5 NaN +3 --'.split(' '),
  // Strings
  ...'"" "a" "b" "in" "nowhere" "." ":" "a.b" "[1]" "\\x00" "\\xff" "é" "\\😀" "\\'.split(' '),
  ...[31, 32, 5000].map(length => `"${'n'.repeat(length)}"`),
  // Addresses
  ...'0.0.0.0 255.255.255.255 224.0.0.1 127.0.0.1 1.2.3 :: ::1 ff02::1 1::2::3 "0.0.0.0/0" "::/0" "1.2.3.4/33"'.split(
    ' ',
  ),
  ...'00:00:00:00:00:00 ff:ff:ff:ff:ff:ff 01:00:5e:00:00:01 1:2:3'.split(' '),
  // Marks
  ...'{ } [ ] = {} [] name count value __proto__ constructor 0= 5=5 # \n \u0000 😀'.split(' '),
  '[ 1 ]',
];

const TOKEN = /"(?:[^"\\]|\\.)*"|[{}[\]=]|[^\s{}[\]="]+/g;

/** The text with some of its words replaced, left out, said twice, or others put between them; or any text. */
export function spoilt(texts: fc.Arbitrary<string>): fc.Arbitrary<string> {
  const word = fc.constantFrom(...WORDS);
  const edit = fc.record({
    at: fc.nat(200),
    kind: fc.constantFrom('replace', 'replace', 'remove', 'twice', 'insert'),
    word,
  });
  const edited = fc.tuple(texts, fc.array(edit, { maxLength: 3 })).map(([text, edits]) => {
    const tokens = text.match(TOKEN) ?? [];
    for (const { at, kind, word: other } of edits) {
      const i = at % (tokens.length + 1);
      if (kind === 'replace') tokens.splice(i, 1, other);
      else if (kind === 'remove') tokens.splice(i, 1);
      else if (kind === 'twice') tokens.splice(i, 0, ...tokens.slice(i, i + 4));
      else tokens.splice(i, 0, other);
    }
    // `=` of a field stands by its name only in looks: blanks around it mean nothing.
    return tokens.join(' ');
  });
  return fc.oneof(
    { weight: 8, arbitrary: edited },
    { weight: 1, arbitrary: word },
    fc.string({ unit: 'binary', maxLength: 30 }),
  );
}

/** The bytes with some of them changed, some less or some more. */
export function spoiltBytes(bytes: Uint8Array): fc.Arbitrary<Uint8Array> {
  const edit = fc.tuple(fc.nat(bytes.length), fc.oneof(fc.constantFrom(0, 1, 0x7f, 0x80, 0xff), fc.nat(255)));
  return fc.tuple(fc.array(edit, { maxLength: 4 }), fc.integer({ min: -8, max: 8 })).map(([edits, longer]) => {
    const out = new Uint8Array(Math.max(0, bytes.length + (longer % 3 === 0 ? longer : 0)));
    out.set(bytes.subarray(0, out.length));
    for (const [at, value] of edits) if (at < out.length) out[at] = value;
    return out;
  });
}
