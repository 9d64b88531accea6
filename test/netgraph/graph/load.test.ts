// Node types from a file: known to all workers, or to nobody; one that only fails in a worker takes nothing else along.
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { test } from 'node:test';
import { ControlHalf, loadTypes, openGraph, socketOf } from '../../../src/netgraph/index.ts';
import { temporaryDirectory } from '../../lib/temporary.ts';
import { until } from '../../lib/wait.ts';

const directory = temporaryDirectory();
const index = pathToFileURL(join(import.meta.dirname, '../../../src/netgraph/index.ts')).href;

function module(name: string, text: string): string {
  const file = join(directory, name);
  writeFileSync(file, text);
  return file;
}

const PASS = `import { ControlHalf, DataHalf } from '${index}';
import { isMainThread } from 'node:worker_threads';
class Control extends ControlHalf {}
class Data extends DataHalf {
  receive(hook, handles, count) { hook.sendMany(handles, count); }
}
const type = name => ({ name, cookie: 1, messages: [], control: Control, data: Data });
`;

test('what can not be loaded is refused, and nothing of it stays', async t => {
  const graph = await openGraph({ workers: 0 });
  t.after(() => graph.close());
  const before = [...graph.types].length;
  for (const [file, code, text] of [
    ['relative.ts', 'EINVAL', /relative\.ts/],
    [join(directory, 'none.ts'), 'ENOENT', /none\.ts/],
    [module('syntax.ts', 'export const = 3;'), 'EINVAL', /syntax\.ts/],
    [module('missing.ts', "import './gone.ts';"), 'EINVAL', /gone\.ts/],
    [module('throws.ts', "throw new Error('no luck');export {}"), 'EINVAL', /no luck/],
    [module('waits.ts', 'await 1; export const a = 1;'), 'EINVAL', /waits\.ts/],
    [module('null.ts', 'throw null; export {}'), 'EINVAL', /null\.ts/],
    [module('null.json', 'null'), 'EINVAL', /no node type/],
    [module('getter.cjs', "module.exports = { get a() { throw new Error('no value'); } };"), 'EINVAL', /no value/],
    [module('empty.ts', 'export const a = {};'), 'EINVAL', /no node type/],
    // The second is refused, so the first is gone too.
    [module('twice.mjs', `${PASS}export const a = type('fresh'); export const b = type('tee');`), 'EEXIST', /'tee'/],
    ...[
      ['control', 'class {}', /'odd': control is a ControlHalf, not \[class/],
      ['control', '() => 5', /control/],
      ['data', 'class {}', /data is a DataHalf/],
      ['runsIn', "'two'", /runsIn is 'every' or 'one', not 'two'/],
      ['counters', '5', /counters is an array of names, not 5/],
      ['cookie', '-1', /cookie/],
      ['messages', '[null]', /a message has name, cmd and handle: null/],
    ].map(
      ([field, value, text], i) =>
        [
          module(`odd${i}.mjs`, `${PASS}export const a = { ...type('odd'), ${field as string}: ${value as string} };`),
          'EINVAL',
          text,
        ] as const,
    ),
    [module('name.mjs', `${PASS}export const a = type('a.b');`), 'EINVAL', /a\.b/],
  ] as const) {
    assert.throws(
      () => loadTypes(graph, file),
      (error: { code?: string; message?: string }) => error.code === code && (text as RegExp).test(error.message ?? ''),
      file,
    );
    assert.equal([...graph.types].length, before, file);
  }
});

test('a type runs in every worker; one that fails there fails alone', async t => {
  const trouble: string[] = [];
  const graph = await openGraph({ workers: 2, trouble: text => trouble.push(text) });
  t.after(() => graph.close());
  const good = module('good.mjs', `${PASS}export const a = type('pass'); export const b = type('pass2');`);
  assert.deepEqual(loadTypes(graph, good), ['pass', 'pass2']);
  loadTypes(
    graph,
    module('bad.mjs', `${PASS}if (!isMainThread) throw new Error('not here');export const a = type('bad');`),
  );
  graph.create('bad', 'bad');
  await until(() => trouble.length === 2, { what: () => `both workers to say so: ${trouble.join()}` });
  assert.match(trouble[0]!, /node bad: of type bad failed in worker [01]: Error: not here/);
  const me = graph.create('socket', 'me');
  const came: string[] = [];
  socketOf(me).onData = (_, data) => came.push(Buffer.from(data).toString());
  graph.mkpeer(me, 'pass', 'a', 'b');
  socketOf(me).write('a', Buffer.from('hello'));
  await until(() => came.length === 1, { what: 'the packet' });
  assert.deepEqual(came, ['hello']);
  assert.equal(trouble.length, 2);
});

test('a file that has changed is loaded anew, once no node of its types is left', async t => {
  const graph = await openGraph({ workers: 2 });
  t.after(() => graph.close());
  const me = graph.create('socket', 'me');
  const came: string[] = [];
  socketOf(me).onData = (_, data) => came.push(Buffer.from(data).toString());
  writeFileSync(join(directory, 'word.mjs'), "export const end = '!';");
  const write = (word: string, more = ''): string =>
    module(
      'changing.mjs',
      `${PASS.replace('hook.sendMany(handles, count);', "for (let i = 0; i < count; i++) { const { words, bytes } = this.node.packets; bytes[words[handles[i]]] = '" + word + "'.charCodeAt(0); hook.send(handles[i]); }")}
import { end } from './word.mjs';
export const a = type('changing'); ${more}`,
    );
  for (const word of ['1', '2', '3']) {
    assert.deepEqual(loadTypes(graph, write(word)), ['changing']);
    const node = graph.mkpeer(me, 'changing', 'a', 'b');
    // The workers read the file too.
    await graph.settled();
    assert.throws(() => loadTypes(graph, write('x')), {
      code: 'EBUSY',
      message: /type 'changing' has 1 of its nodes left: \[\d+\]:/,
    });
    socketOf(me).write('a', Buffer.from('?'));
    await until(() => came.includes(word), { what: () => `${word}, has come: ${came.join()}` });
    graph.shutdown(node);
  }
  assert.throws(() => loadTypes(graph, write('4', "export const b = type('tee');")), { code: 'EEXIST' });
  assert.throws(() => loadTypes(graph, write('4', 'export const = 5;')), { code: 'EINVAL' });
  // What was there is there still.
  graph.mkpeer(me, 'changing', 'a', 'b');
  socketOf(me).write('a', Buffer.from('?'));
  await until(() => came.length === 4, { what: 'the last' });
  assert.deepEqual(came, ['1', '2', '3', '3']);
  const other = module('other.mjs', `${PASS}export const a = type('changing');`);
  assert.throws(() => loadTypes(graph, other), { code: 'EEXIST' });
});

test('what it imports of grevy is the library that loads it, also when it is loaded anew', async t => {
  const graph = await openGraph({ workers: 1 });
  t.after(() => graph.close());
  const text = `${PASS.replace(index, 'grevy/netgraph')} import { parseIp4 } from 'grevy/net';
    export const a = type(parseIp4('0.0.0.7') === 7 ? 'abroad' : 'not');`;
  const me = graph.create('socket', 'me');
  const came: string[] = [];
  socketOf(me).onData = (_, data) => came.push(Buffer.from(data).toString());
  for (const word of ['one', 'two']) {
    assert.deepEqual(loadTypes(graph, module('abroad.mjs', text)), ['abroad']);
    const node = graph.mkpeer(me, 'abroad', 'a', 'b');
    assert.ok(node.control instanceof ControlHalf);
    socketOf(me).write('a', Buffer.from(word));
    await until(() => came.includes(word), { what: word });
    graph.shutdown(node);
  }
});
