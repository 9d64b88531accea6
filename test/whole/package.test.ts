// The package as it is published, and somebody who has it among his modules: JavaScript and types of every entry.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { test } from 'node:test';
import { temporaryDirectory } from '../lib/temporary.ts';

const ROOT = resolve(import.meta.dirname, '../..');
const BIN = join(ROOT, 'node_modules/.bin');

/** One name of each entry, and what its type must say of it. */
const USES: Readonly<Record<string, readonly string[]>> = {
  'grevy/netlink': [
    "import { NetlinkSocket, collect, dumpRequest, readLink, rtnetlink, NetlinkError } from 'grevy/netlink';",
    'const names = collect(new NetlinkSocket(), dumpRequest(rtnetlink.RTM_GETLINK), readLink).map(one => one.name);',
    "if (!names.includes('lo') || new NetlinkError('x', 22, 'why').reason !== 'why') throw new Error(names.join());",
    '// @ts-expect-error A name is text, where there is one.',
    'export const notText: number = names[0];',
  ],
  'grevy/bgp': [
    "import { encodeOpen, Bgp, type Peer } from 'grevy/bgp';",
    "if (typeof encodeOpen !== 'function' || typeof Bgp !== 'function') throw new Error('no speaker');",
    '// @ts-expect-error A peer is more than that.',
    'export const peer: Peer = {};',
  ],
  'grevy/zapi': [
    "import { ZapiClient } from 'grevy/zapi';",
    '// @ts-expect-error It needs to know where zebra is.',
    'export const make = (): ZapiClient => new ZapiClient();',
  ],
  'grevy/dataplane': [
    "import { createDataplaneChannel, DataplaneClient, type Provider } from 'grevy/dataplane';",
    "export const provider: Provider = { name: 'mine', priority: 'pre-kernel', process: work => void work.peek() };",
    "if (new DataplaneClient(createDataplaneChannel()).allocate(1) === 0) throw new Error('no context');",
    '// @ts-expect-error There is no such place.',
    "export const nowhere: Provider = { name: 'mine', priority: 'middle', process() {} };",
  ],
  'grevy/ifproxy': [
    "import { IfProxy, SimulatedPlatform, type Port } from 'grevy/ifproxy';",
    'const library = new IfProxy({ platform: new SimulatedPlatform() });',
    "const port: Port = { name: 'mine' };",
    "const proxy = library.create('tap1');",
    'library.bind(port, proxy);',
    "if (library.proxyOf(port) !== proxy) throw new Error('not bound');",
    'library.close();',
    '// @ts-expect-error The MTU is a number.',
    'export const mtu: string = proxy.info.mtu;',
  ],
  'grevy/netgraph': [
    "import { openGraph, send, socketOf } from 'grevy/netgraph';",
    'const graph = await openGraph({ workers: 1 });',
    "const socket = socketOf(graph.create('socket', 'me'));",
    "graph.mkpeer(socket.node, 'echo', 'a', 'b');",
    'const came = new Promise<Uint8Array>(resolve => (socket.onData = (_hook, data) => resolve(data)));',
    "socket.write('a', Uint8Array.of(1, 2, 3));",
    "if ((await came).length !== 3) throw new Error('no echo');",
    "if ((await send(graph, undefined, 'me:a', 'nodeinfo')).from.type.name !== 'echo') throw new Error();",
    'await graph.close();',
    '// @ts-expect-error Workers are counted.',
    "await openGraph({ workers: 'two' });",
  ],
  'grevy/concurrency': [
    "import { HandleConsumer, HandleProducer, HandleRing } from 'grevy/concurrency';",
    'const memory: SharedArrayBuffer = HandleRing.create(8);',
    'const producer = new HandleProducer(memory);',
    'if (!producer.push(7)) throw new Error();',
    'producer.publish();',
    'if (new HandleConsumer(memory).pop() !== 7) throw new Error();',
    '// @ts-expect-error Only numbers cross.',
    "producer.push('7');",
  ],
  'grevy/net': [
    "import { parsePrefix, PrefixTable } from 'grevy/net';",
    "const length: number | undefined = parsePrefix('10.0.0.0/8')?.length;",
    "if (length !== 8 || typeof PrefixTable !== 'function') throw new Error();",
    '// @ts-expect-error What is no prefix is nothing.',
    "export const always: number = parsePrefix('10.0.0.0/8').length;",
  ],
};

test('every entry of the published package is there and has its types, and no runtime comes along', () => {
  const home = temporaryDirectory();
  const modules = join(home, 'node_modules');
  mkdirSync(join(modules, '@types'), { recursive: true });
  const env = { ...process.env, PATH: `${BIN}:${process.env['PATH']}` };
  execFileSync(process.execPath, [join(ROOT, 'scripts/build.ts'), join(modules, 'grevy')], { env });
  for (const name of ['koffi', '@types/node', 'undici-types'])
    symlinkSync(join(ROOT, 'node_modules', name), join(modules, name));

  const manifest = JSON.parse(readFileSync(join(modules, 'grevy/package.json'), 'utf8')) as Record<string, object>;
  assert.deepEqual(
    Object.keys(manifest['exports']!).map(entry => `grevy${entry.slice(1)}`),
    Object.keys(USES),
  );
  assert.deepEqual(Object.keys(manifest['dependencies']!), ['koffi']);
  assert.equal(manifest['optionalDependencies'], undefined);
  assert.match(String((manifest['engines'] as { node?: string }).node), /^>=26/);

  writeFileSync(join(home, 'package.json'), '{ "type": "module" }');
  const files = Object.entries(USES).map(([entry, lines]) => {
    const file = join(home, `${entry.slice('grevy/'.length)}.ts`);
    writeFileSync(file, `${lines.join('\n')}\n`);
    // Lines that do not type-check are not run.
    const code = lines.filter((_, i) => !(lines[i - 1] ?? '').startsWith('// @ts-expect-error'));
    writeFileSync(file.replace('.ts', '.run.ts'), `${code.join('\n')}\n`);
    return file;
  });
  // The declarations themselves are checked, too: whoever uses them may do that.
  const strict = '--strict --exactOptionalPropertyTypes --noUncheckedIndexedAccess --skipLibCheck false';
  const options = `--noEmit --module nodenext --target esnext --types node ${strict}`.split(' ');
  execFileSync(join(BIN, 'tsc'), [...options, ...files], { cwd: home, stdio: 'inherit' });
  for (const file of files)
    execFileSync(process.execPath, [file.replace('.ts', '.run.ts')], { cwd: home, stdio: 'inherit' });
});
