// What `ngctl dot` draws, read by graphviz: every node and every edge is in the picture, whatever the names hold.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { test } from 'node:test';
import { graphMessenger, Ngctl, openGraph } from '../../../src/netgraph/index.ts';

test('graphviz draws all nodes and edges', async t => {
  const graph = await openGraph({ workers: 0 });
  t.after(() => graph.close());
  const messenger = graphMessenger(graph, 'drawer');
  let drawing = '';
  const ngctl = new Ngctl(messenger, { print: text => (drawing += text), printError: text => assert.fail(text) });
  for (const line of [
    'mkpeer tee t left',
    'mkpeer t hole right a',
    'connect . t two left2right',
    'mkpeer hub self one',
  ])
    assert.equal(await ngctl.runLine(line), 'ok', line);
  const hub = graph.find('self', graph.named('drawer')!).node;
  graph.connect(hub, 'x', hub, 'y');
  graph.rename(hub, 'a "hub" {<|>} \\n');
  graph.create('hole', 'alone').persistent = true;
  assert.equal(await ngctl.runLine('dot'), 'ok');

  const svg = spawnSync('dot', ['-Tsvg'], { input: drawing, encoding: 'utf8' });
  assert.equal(svg.status, 0, svg.stderr);
  assert.equal(svg.stderr, '');
  // What it drew, a line each, from graphviz itself.
  const { stdout } = spawnSync('dot', ['-Tplain'], { input: drawing, encoding: 'utf8' });
  const words = stdout
    .replaceAll('"', '')
    .split('\n')
    .map(line => line.split(' '));
  const nodes = words.filter(([kind]) => kind === 'node').map(([, name]) => name!);
  const drawn = words
    .filter(([kind]) => kind === 'edge')
    .map(([, tail, head]) => [tail!, head!].sort().join(' '))
    .sort();
  const wanted: string[] = [];
  for (const node of graph.nodes) {
    const id = node.id.toString(16);
    assert.ok(nodes.includes(id), `node ${id}`);
    for (const hook of node.hooks.values()) {
      wanted.push([id, `${id}.${hook.name}`].sort().join(' '));
      const peer = hook.peer!;
      if (hook.id < peer.id)
        wanted.push([`${id}.${hook.name}`, `${peer.node.id.toString(16)}.${peer.name}`].sort().join(' '));
    }
  }
  assert.deepEqual(drawn, wanted.sort());
  const titles = [...svg.stdout.matchAll(/<g id="node\d+" class="node">/g)];
  assert.equal(titles.length, graph.nodeCount + [...graph.nodes].reduce((sum, node) => sum + node.hooks.size, 0));
  // The text is whole: graphviz writes &quot; and &lt;.
  assert.match(svg.stdout.replaceAll('&#160;', ' '), />a &quot;hub&quot; \{&lt;\|&gt;\} \\n:</);
});
