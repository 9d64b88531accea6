import assert from 'node:assert/strict';
import { test } from 'node:test';
import { allCommands } from '../../src/daemon/commands.ts';
import { RunningConfiguration } from '../../src/daemon/configuration.ts';
import { hostname } from '../../src/daemon/main-commands.ts';
import { Grammar } from '../../src/vty/index.ts';

test('what one owner put into force is known before the next hears of its own lines', async () => {
  const heard: string[] = [];
  const configuration = new RunningConfiguration(new Grammar(allCommands), name => ({
    request: async message => {
      heard.push(name);
      return { results: (message as { actions: unknown[] }).actions.map(() => ({})) };
    },
  }));
  configuration.onChange = () => heard.push(`changed, ${hostname(configuration)}`);
  const text = 'hostname edge\nip route 192.0.2.0/24 blackhole\nrouter bgp 65001\n no bgp ebgp-requires-policy\nexit\n';
  assert.deepEqual(await configuration.load(text, 'grevy.conf'), []);
  assert.deepEqual(heard.slice(0, heard.indexOf('bgp')), ['main', 'changed, edge', 'zebra', 'changed, edge']);
});

test('a file that is read while the owner of its lines is not there: it is told when it starts again', async () => {
  let zebra: 'there' | 'gone' | 'dying' = 'gone';
  const told: string[] = [];
  const configuration = new RunningConfiguration(new Grammar(allCommands), name => {
    if (name === 'zebra' && zebra === 'gone') return undefined;
    return {
      request: async message => {
        if (name === 'zebra' && zebra === 'dying') throw new Error('ended with 1');
        const { actions } = message as { actions: { args: { prefix?: string } }[] };
        if (name === 'zebra') told.push(...actions.map(({ args }) => args.prefix!));
        return { results: actions.map(() => ({})) };
      },
    };
  });
  const lines = (...prefixes: string[]): string => prefixes.map(one => `ip route ${one} blackhole\n`).join('');
  assert.deepEqual(await configuration.load(lines('10.0.0.0/8', '11.0.0.0/8'), 'grevy.conf'), []);
  zebra = 'dying';
  assert.deepEqual(await configuration.load(lines('11.0.0.0/8', '12.0.0.0/8'), 'grevy.conf'), []);
  zebra = 'there';
  assert.deepEqual(await configuration.replay('zebra'), []);
  assert.deepEqual(told, ['11.0.0.0/8', '12.0.0.0/8']);
  // What is typed is refused instead: whoever types sees it, and may type it again.
  zebra = 'gone';
  const match = configuration.grammar.parse('configure', 'ip route 13.0.0.0/8 blackhole'.split(' '));
  assert.ok('entry' in match);
  const { errors } = await configuration.enter(configuration.tree.root, match);
  assert.match(errors[0]!.message, /zebra is not running/);
});
