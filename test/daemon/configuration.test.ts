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
