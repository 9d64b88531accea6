import assert from 'node:assert/strict';
import { test } from 'node:test';
import { allCommands } from '../../src/daemon/commands.ts';
import { Grammar, loadConfig } from '../../src/vty/index.ts';

void test('every token of every command has a line of help, and no line belongs to two commands', () => {
  assert.deepEqual(new Grammar(allCommands).faults(), []);
});

void test('every mode has a prompt of its own and leads up to exec', () => {
  const grammar = new Grammar(allCommands);
  const prompts = new Map<string, string>();
  for (const mode of grammar.modes.values()) {
    assert.equal(prompts.get(mode.prompt), undefined, `${mode.name} and ${prompts.get(mode.prompt)} look the same`);
    prompts.set(mode.prompt, mode.name);
    if (mode.name !== 'exec') assert.ok(grammar.scopes(mode.name).includes('configure'), `${mode.name} leads nowhere`);
  }
});

void test('every mode that a line opens is declared, and has lines or an end', () => {
  const grammar = new Grammar(allCommands);
  for (const set of allCommands) {
    for (const command of set.commands) {
      const opens = command.config?.opens;
      if (opens !== undefined) assert.ok(grammar.entries(opens).length > 0, `'${command.syntax}' opens '${opens}'`);
    }
  }
});

void test('lists of every kind and route-maps may have one name and one number', () => {
  const lines = [
    'ip prefix-list A seq 5 permit 10.0.0.0/8',
    'ipv6 prefix-list A seq 5 permit 2001:db8::/32',
    'bgp as-path access-list A seq 5 permit .*',
    'bgp community-list standard A seq 5 permit 65001:1',
    'route-map A permit 5',
  ];
  const read = (text: string): string => loadConfig(new Grammar(allCommands), text, 'test.conf').tree.text;
  const text = `${lines.join('\n')}\nexit\n`;
  for (const line of lines) assert.match(read(text), new RegExp(`^${RegExp.escape(line)}$`, 'm'));
  // Numbers are given out list by list.
  const numbered = read(`${text}ip prefix-list A permit 11.0.0.0/8\nipv6 prefix-list A permit 2001:db9::/32\n`);
  assert.match(numbered, /^ip prefix-list A seq 10 permit 11/m);
  assert.match(numbered, /^ipv6 prefix-list A seq 10 permit 2001:db9/m);
});
