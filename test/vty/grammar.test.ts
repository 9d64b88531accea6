import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { commandSet, config, exec, explain, Grammar, type Match, wordsOf } from '../../src/vty/index.ts';

function grammarOf(...syntaxes: string[]): Grammar {
  return new Grammar([
    commandSet<object>(
      'test',
      syntaxes.map(syntax => exec<object, string>({ syntax, help: [], run: () => {} })),
    ),
  ]);
}

/** The syntax that a line means, or what the shell says of it. */
function meaning(grammar: Grammar, line: string, mode = 'exec'): string {
  const words = wordsOf(line);
  const found = grammar.parse(mode, words);
  return 'entry' in found ? found.entry.command.syntax : explain(found, words);
}

function matched(grammar: Grammar, line: string, mode = 'exec'): Match {
  const found = grammar.parse(mode, wordsOf(line));
  assert.ok('entry' in found, `'${line}' was not understood: ${JSON.stringify(found)}`);
  return found;
}

void describe('words and commands', () => {
  const grammar = grammarOf(
    'show ip route [A.B.C.D/M$prefix] [json]',
    'show ip rpf',
    'show interface [INTERFACE$name] [json]',
    'show ipv6 route',
    'clear <A.B.C.D$v4|X:X::X:X$v6|WORD$name> [<soft|hard>$how]',
    'set metric <+metric|-metric|(0-4294967295)>$metric',
    'as-path prepend (1-4294967295)$asns...',
    'tag {ge (0-32)$ge|le (0-32)$le}',
    'description LINE...',
  );

  void test('a unique beginning stands for the keyword', () => {
    assert.equal(meaning(grammar, 'sh ip ro'), 'show ip route [A.B.C.D/M$prefix] [json]');
    assert.deepEqual(matched(grammar, 'sh ip ro 10.0.0.0/8 j').text, 'show ip route 10.0.0.0/8 json');
  });

  void test('a beginning that fits two commands is ambiguous, one that fits none is unknown, a line may be too short', () => {
    assert.equal(meaning(grammar, 'show ip r'), '% Ambiguous command.');
    assert.equal(meaning(grammar, 'show foo'), '% Unknown command: show foo');
    assert.equal(meaning(grammar, 'show ip'), '% Command incomplete: show ip');
    assert.equal(meaning(grammar, 'show ip route json more'), '% Unknown command: show ip route json more');
  });

  void test('a whole keyword wins over a longer one that it begins', () => {
    assert.equal(meaning(grammar, 'show ip route'), 'show ip route [A.B.C.D/M$prefix] [json]');
    assert.equal(meaning(grammar, 'show ipv route'), 'show ipv6 route');
  });

  void test('an ambiguous word is decided by what follows it', () => {
    assert.equal(meaning(grammar, 'show ip rou json'), 'show ip route [A.B.C.D/M$prefix] [json]');
    assert.equal(meaning(grammar, 'sh i rpf'), '% Ambiguous command.', 'an interface may be called rpf');
    assert.equal(meaning(grammar, 'sh i'), 'show interface [INTERFACE$name] [json]');
  });

  void test('the more telling token takes the word', () => {
    assert.deepEqual(matched(grammar, 'clear 10.0.0.1').args, { v4: '10.0.0.1' });
    assert.deepEqual(matched(grammar, 'clear 2001:DB8:0::1 s').args, { v6: '2001:db8::1', soft: true, how: 'soft' });
    assert.deepEqual(matched(grammar, 'clear 10.0.0.300').args, { name: '10.0.0.300' });
    assert.deepEqual(matched(grammar, 'show interface json').args, { json: true });
  });

  void test('ranges are numbers, named keywords are their own text, repeated words one argument', () => {
    assert.equal(matched(grammar, 'set metric 5').args['metric'], 5);
    assert.equal(matched(grammar, 'set metric +metric').args['metric'], '+metric');
    assert.deepEqual(matched(grammar, 'as-path prepend 1 2 3').args, { asns: [1, 2, 3] });
    assert.equal(meaning(grammar, 'set metric 4294967296'), '% Unknown command: set metric 4294967296');
    assert.deepEqual(matched(grammar, 'description  a  line json').args, { line: 'a line json' });
  });

  void test('choices in braces come in any order, each once', () => {
    assert.deepEqual(matched(grammar, 'tag le 32 ge 24').args, { ge: 24, le: 32 });
    assert.deepEqual(matched(grammar, 'tag le 32').args, { le: 32 });
    assert.match(meaning(grammar, 'tag le 32 le 24'), /^% Unknown/);
  });

  void test('candidates carry help, and <cr> where the line may end', () => {
    const texts = (line: string[], partial: string) => grammar.candidates('exec', line, partial).map(c => c.text);
    assert.deepEqual(texts(['show'], 'i'), ['interface', 'ip', 'ipv6']);
    assert.deepEqual(texts(['sh', 'ip', 'route'], ''), ['json', 'A.B.C.D/M', '<cr>']);
    assert.deepEqual(texts(['sh', 'ip', 'route'], '10.'), ['A.B.C.D/M']);
    assert.deepEqual(texts(['nothing'], ''), []);
  });
});

void describe('configuration lines', () => {
  const grammar = new Grammar([
    commandSet<object>(
      'test',
      [
        config<object, 'router bgp (1-4294967295)$asn'>({
          mode: 'configure',
          syntax: 'router bgp (1-4294967295)$asn',
          help: [],
          opens: 'router-bgp',
          key: () => 'router bgp',
          apply: () => {},
          remove: () => {},
        }),
        config<object, 'neighbor A.B.C.D$peer remote-as (1-4294967295)$as'>({
          mode: 'router-bgp',
          syntax: 'neighbor A.B.C.D$peer remote-as (1-4294967295)$as',
          help: [],
          key: args => `neighbor ${args.peer} remote-as`,
          apply: () => {},
          remove: () => {},
        }),
        config<object, 'network A.B.C.D/M$prefix'>({
          mode: 'router-bgp',
          syntax: 'network A.B.C.D/M$prefix',
          help: [],
          apply: () => {},
          remove: () => {},
        }),
      ],
      [{ name: 'router-bgp', prompt: '(config-router)', parent: 'configure' }],
    ),
  ]);

  void test('no takes the line back, with its last words or without', () => {
    assert.equal(matched(grammar, 'no neighbor 10.0.0.1 remote-as 1', 'router-bgp').entry.form, 'no');
    assert.deepEqual(matched(grammar, 'no neighbor 10.0.0.1 remote-as', 'router-bgp').missing, ['as']);
    assert.match(meaning(grammar, 'no neighbor 10.0.0.1', 'router-bgp'), /incomplete/);
    assert.match(meaning(grammar, 'no network', 'router-bgp'), /incomplete/);
  });

  void test('a line of an outer mode is found from an inner one, and not the other way', () => {
    assert.equal(matched(grammar, 'router bgp 7', 'router-bgp').mode, 'configure');
    assert.match(meaning(grammar, 'network 10.0.0.0/8', 'configure'), /Unknown/);
  });
});

// ---- properties ---------------------------------------------------------------------------------------------------

interface Sampled {
  syntax: string;
  /** Words of one line of it, keywords marked. */
  line: { word: string; keyword: boolean }[];
}

const KEYWORDS = [
  'alpha',
  'bravo',
  'charlie',
  'delta',
  'echo',
  'foxtrot',
  'golf',
  'hotel',
  'india',
  'juliett',
  'kilo',
  'lima',
];

/** A random syntax, each keyword once, and a line that it must understand. */
const sampled: fc.Arbitrary<Sampled> = fc
  .tuple(fc.shuffledSubarray(KEYWORDS, { minLength: 4 }), fc.infiniteStream(fc.nat(999)))
  .map(([keywords, numbers]) => {
    const pick = (n: number): number => (numbers.next().value as number) % n;
    const rest = [...keywords];
    const keyword = (): Sampled => {
      const word = rest.pop() ?? 'zulu';
      return { syntax: word, line: [{ word, keyword: true }] };
    };
    const leaf = (): Sampled => {
      switch (pick(5)) {
        case 0:
          return { syntax: '(1-100)', line: [{ word: String(1 + pick(100)), keyword: false }] };
        case 1:
          return { syntax: 'A.B.C.D', line: [{ word: `10.0.0.${pick(256)}`, keyword: false }] };
        case 2:
          return { syntax: 'X:X::X:X/M', line: [{ word: `2001:db8::/${32 + pick(97)}`, keyword: false }] };
        default:
          return keyword();
      }
    };
    const item = (depth: number): Sampled => {
      const kind = depth > 2 || rest.length < 3 ? 0 : pick(4);
      if (kind === 1) {
        const inner = sequence(depth + 1);
        return { syntax: `[${inner.syntax}]`, line: pick(2) === 0 ? inner.line : [] };
      }
      if (kind === 2) {
        const a = keyword();
        const b = keyword();
        const more = item(depth + 1);
        const left = pick(2) === 0;
        return { syntax: `<${a.syntax} ${more.syntax}|${b.syntax}>`, line: left ? [...a.line, ...more.line] : b.line };
      }
      return leaf();
    };
    const sequence = (depth: number): Sampled => {
      const parts = [keyword(), ...Array.from({ length: 1 + pick(3) }, () => item(depth))];
      return { syntax: parts.map(p => p.syntax).join(' '), line: parts.flatMap(p => p.line) };
    };
    return sequence(0);
  })
  // A keyword that ran out stands twice, and a line of it may have two readings.
  .filter(({ syntax }) => !syntax.includes('zulu'));

void test('every line of a random syntax is understood, written out or abbreviated', () => {
  fc.assert(
    fc.property(sampled, fc.infiniteStream(fc.nat(20)), ({ syntax, line }, cuts) => {
      const grammar = grammarOf(syntax);
      const full = line.map(({ word }) => word).join(' ');
      assert.equal(matched(grammar, full).text, full);
      // Keywords differ in their first letter, so that any beginning will do.
      const short = line.map(({ word, keyword }) =>
        keyword ? word.slice(0, 1 + ((cuts.next().value as number) % word.length)) : word,
      );
      assert.equal(matched(grammar, short.join(' ')).text, full);
    }),
  );
});

void test('each word of an understood line was among the candidates before it', () => {
  fc.assert(
    fc.property(sampled, ({ syntax, line }) => {
      const grammar = grammarOf(syntax);
      const words = line.map(({ word }) => word);
      for (let at = 0; at < words.length; at++) {
        const offered = grammar.candidates('exec', words.slice(0, at), words[at] as string);
        assert.ok(offered.length > 0, `nothing offered for '${words[at]}' after '${words.slice(0, at).join(' ')}'`);
      }
      assert.ok(grammar.candidates('exec', words, '').some(candidate => candidate.text === '<cr>'));
    }),
  );
});

void test('no sequence of words makes the grammar fail otherwise than by saying so', () => {
  const grammar = grammarOf('show ip route [A.B.C.D/M$prefix] [json]', 'x {a (1-3)$a|b WORD...}', 'y WORD... z');
  fc.assert(
    fc.property(
      fc.array(fc.oneof(fc.string(), fc.constantFrom('show', 'ip', 'route', 'x', 'a', 'b', '1', 'y', 'z'))),
      words => {
        const found = grammar.parse('exec', words);
        if (!('entry' in found)) assert.ok(found.at >= 0 && found.at <= words.length);
        grammar.candidates('exec', words, '');
      },
    ),
  );
});
