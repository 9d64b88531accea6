// The running configuration of bgp as a text: what is typed and taken back, in whichever order, is written in an order in which
// it can be read again, and says the same then.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { allCommands } from '../../src/daemon/commands.ts';
import { type Block, CommandError, ConfigTree, Grammar, loadConfig, wordsOf } from '../../src/vty/index.ts';

const grammar = new Grammar(allCommands);

class Typed {
  readonly tree: ConfigTree = new ConfigTree(grammar);
  #block: Block = this.tree.root;

  type(...lines: string[]): this {
    for (const line of lines) {
      const match = grammar.parse(this.#block.mode, wordsOf(line));
      assert.ok('entry' in match, `not understood: ${line}`);
      const plan = this.tree.plan(this.#block, match);
      for (const step of plan.steps) step.commit();
      if (plan.enter) this.#block = plan.enter();
      else while (this.#block.mode !== match.mode && this.#block.parent) this.#block = this.#block.parent;
    }
    return this;
  }

  get lines(): string[] {
    return this.tree.text
      .split('\n')
      .map(line => line.trimEnd())
      .filter(line => line !== '' && line.trim() !== '!');
  }

  /** Reads it as a file, and compares what comes out. */
  assertReadable(): void {
    const { tree, problems } = loadConfig(grammar, this.tree.text, 'grevy.conf');
    assert.deepEqual(problems, []);
    assert.equal(tree.text, this.tree.text);
    // A neighbour is there before anything is said of it.
    const known = new Set<string>();
    for (const { line } of tree.walk()) {
      const [, name, word, ...rest] = line.text.split(' ');
      if (!line.text.startsWith('neighbor ')) continue;
      if (word === 'remote-as' || word === 'peer-group') {
        if (word === 'peer-group' && rest.length > 0) assert.ok(known.has(rest[0]!), `${line.text} before its group`);
        known.add(name!);
      } else assert.ok(known.has(name!), `${line.text} before its neighbour`);
    }
  }
}

describe('the running configuration of bgp', () => {
  test('a neighbour without its AS is gone, with all that was said of it', () => {
    const typed = new Typed().type(
      'router bgp 1',
      'neighbor 10.1.1.1 remote-as 2',
      'neighbor 10.1.1.1 description foo',
      'neighbor 10.1.1.1 passive',
      'address-family ipv6 unicast',
      'neighbor 10.1.1.1 activate',
      'neighbor 10.1.1.1 route-map RM in',
    );
    typed.type('no neighbor 10.1.1.1 remote-as 2');
    assert.deepEqual(typed.lines, ['router bgp 1', 'exit']);
  });

  test('what is said of IPv4 at the router is the same as in its family, and is kept there', () => {
    const typed = new Typed().type(
      'router bgp 1',
      'neighbor 10.1.1.1 remote-as 2',
      'redistribute connected',
      'network 14.0.0.0/8',
      'neighbor 10.1.1.1 route-map A in',
      'address-family ipv4 unicast',
      'neighbor 10.1.1.1 route-map B in',
      'no redistribute connected',
      'no network 14.0.0.0/8',
    );
    assert.deepEqual(typed.lines, [
      'router bgp 1',
      ' neighbor 10.1.1.1 remote-as 2',
      ' address-family ipv4 unicast',
      '  neighbor 10.1.1.1 route-map B in',
      ' exit-address-family',
      'exit',
    ]);
    typed.assertReadable();
  });

  test('a network is kept without its host bits', () => {
    const typed = new Typed().type('router bgp 1', 'network 10.77.0.5/24', 'network 10.78.0.1/24 route-map M');
    assert.deepEqual(typed.lines.slice(2, 4), ['  network 10.77.0.0/24', '  network 10.78.0.0/24 route-map M']);
    typed.type('no network 10.77.0.0/24', 'no network 10.78.0.9/24');
    assert.deepEqual(typed.lines, ['router bgp 1', 'exit']);
  });

  test('whatever is typed and taken back can be read again', () => {
    const name = fc.constantFrom('10.0.0.1', '10.0.0.2', 'fd00::1', 'G');
    const tail = fc.constantFrom(
      'remote-as 2',
      'description words of it',
      'passive',
      'timers 3 9',
      'activate',
      'next-hop-self',
      'route-map M in',
    );
    const line = fc.oneof(
      fc.tuple(name, tail).map(([who, what]) => `neighbor ${who} ${what}`),
      fc.constantFrom(
        'neighbor 10.0.0.2 peer-group G',
        'neighbor G peer-group',
        'network 10.0.0.9/8',
        'redistribute static',
      ),
      fc.constantFrom('address-family ipv4 unicast', 'address-family ipv6 unicast', 'neighbor 10.0.0.1 remote-as 3'),
    );
    const typing = fc.array(fc.tuple(line, fc.integer({ min: 0, max: 3 })), { maxLength: 30 });
    fc.assert(
      fc.property(typing, lines => {
        const typed = new Typed().type('router bgp 1', 'neighbor G peer-group', 'neighbor 10.0.0.1 remote-as 2');
        typed.type('neighbor 10.0.0.2 remote-as 2', 'neighbor fd00::1 remote-as 2');
        const gone = new Set<string>();
        for (const [text, undone] of lines) {
          const [, who = '', word = ''] = text.split(' ');
          const negative = undone === 0 && !text.startsWith('address-family');
          // The owner refuses what is said of a neighbour that is not there.
          if (
            text.startsWith('neighbor ') &&
            !negative &&
            gone.has(who) &&
            word !== 'remote-as' &&
            word !== 'peer-group'
          )
            continue;
          if (negative && text === 'neighbor G peer-group') continue;
          if (text.endsWith('peer-group G') && gone.has(who)) continue;
          try {
            typed.type(negative ? `no ${text}` : text);
          } catch (error) {
            if (!(error instanceof CommandError)) throw error;
            continue;
          }
          if (word === 'remote-as' && who !== 'G') {
            if (!negative) gone.delete(who);
            else if (!typed.lines.some(kept => kept.trim().startsWith(`neighbor ${who} remote-as`))) gone.add(who);
          }
        }
        for (const who of gone)
          assert.ok(
            !typed.lines.some(kept => kept.includes(`neighbor ${who} `)),
            `${who} is gone:\n${typed.tree.text}`,
          );
        typed.assertReadable();
      }),
      { numRuns: 300 },
    );
  });
});
