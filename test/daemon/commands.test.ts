import assert from 'node:assert/strict';
import { test } from 'node:test';
import { allCommands } from '../../src/daemon/commands.ts';
import { Grammar } from '../../src/vty/index.ts';

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
