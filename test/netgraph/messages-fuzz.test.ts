// Whatever is said to a node of whatever type: it answers, or refuses by an error of netgraph's and is as it was. Text and bytes are two
// ways to say the same. What is said in a change that comes to nothing was never said.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { type Node, NetgraphError, standardTypes, tell } from '../../src/netgraph/index.ts';
import { findCommand } from '../../src/netgraph/message/command.ts';
import { type Form, fromBinary, parseAscii, printAscii, toBinary } from '../../src/netgraph/message/form.ts';
import { GENERIC_COMMANDS } from '../../src/netgraph/message/generic.ts';
import { runs, spoilt, spoiltBytes } from './lib/fuzz.ts';
import { SAMPLES } from './lib/good-messages.ts';
import { Inline } from './lib/inline.ts';

/** Generic messages, by which the node that is tried stays. */
const GENERIC: readonly (readonly [string, string])[] = [
  ['nodeinfo', ''],
  ['listhooks', ''],
  ['listnames', ''],
  ['listtypes', ''],
  ['textstatus', ''],
  ['textconfig', '"x"'],
  ['name', '{ name="tried" }'],
  ['mkpeer', '{ type="hub" ourhook="z" peerhook="z" }'],
  ['connect', '{ path="." ourhook="y" peerhook="z" }'],
  ['rmhook', '{ hook="z" }'],
  ['ascii2binary', '{ cmdstr="mkpeer" arglen=40 data="{ type=\\"hub\\" }" }'],
  ['binary2ascii', '{ cmd=4 typecookie=1137070366 arglen=32 data=[ 0x61 ] }'],
];

/** What workers do at once, and hosts that a bridge has heard of. */
const NOT_UNDONE: readonly string[] = ['start', 'stop', 'clrdata', 'movehost'];

/** Fields of messages. */
const KEYS = [
  'count',
  'hook',
  'thisHook',
  'prefix',
  'routes',
  'n',
  'path',
  'data',
  'arglen',
  'name',
  'bpf_prog',
  'ops',
];

const nothing = (): undefined => undefined;

/** A promise that settles in this turn, or nobody knows when. */
async function settled<T>(promise: Promise<T>): Promise<T | undefined> {
  return Promise.race([promise, new Promise<undefined>(resolve => setTimeout(() => resolve(undefined), 5))]);
}

/** All that can be seen of the graph from outside. */
async function seen(inline: Inline, node: Node): Promise<unknown> {
  const asked: unknown[] = [];
  for (const { name, args, reply } of [...node.type.messages, ...GENERIC_COMMANDS]) {
    if (args || !reply || name.startsWith('getclr')) continue;
    let answer: string | undefined;
    try {
      answer = await settled(inline.ascii(node, name));
    } catch (error) {
      accepts(error);
      asked.push([name, error.message]);
      continue;
    }
    asked.push([name, answer]);
    if (answer !== undefined) isStable(reply, parseAscii(reply, answer));
  }
  return { asked, plan: structuredClone(inline.graph.snapshot()) };
}

function accepts(error: unknown): asserts error is NetgraphError {
  assert.ok(error instanceof NetgraphError, error instanceof Error ? error.stack! : String(error));
  assert.ok(error.explanation.length > 0);
}

/** The value in text and in bytes, and back: it stays what it is. */
function isStable(form: Form<unknown>, value: unknown): void {
  const text = printAscii(form, value);
  const bytes = toBinary(form, value);
  assert.equal(printAscii(form, parseAscii(form, text)), text);
  assert.deepEqual(toBinary(form, parseAscii(form, text)), bytes);
  assert.deepEqual(toBinary(form, fromBinary(form, bytes)), bytes);
  assert.equal(printAscii(form, fromBinary(form, bytes)), text);
}

for (const { name: type } of standardTypes) {
  const sample = SAMPLES[type];
  if (!sample) continue;
  const all = [...sample.messages, ...sample.messages, ...GENERIC];
  const message = fc
    .constantFrom(...all)
    .chain(([name, text]) => fc.record({ name: fc.constant(name), text: spoilt(fc.constant(text)) }));
  const said = fc.oneof(
    { weight: 2, arbitrary: fc.constantFrom(...all).map(([name, text]) => ({ name, text })) },
    { weight: 6, arbitrary: message },
    { weight: 1, arbitrary: fc.record({ name: fc.string({ maxLength: 40 }), text: spoilt(fc.constant('')) }) },
  );

  test(`${type}: says no, or does it whole`, async () => {
    const property = fc.asyncProperty(
      fc.array(fc.tuple(said, fc.constantFrom('say', 'say', 'undo')), { minLength: 1, maxLength: 12 }),
      async steps => {
        const inline = await Inline.open();
        const node = inline.make(type, ...sample.hooks);
        node.persistent = true;
        let before: unknown;
        for (const [{ name, text }, how] of steps) {
          if (node.state !== 'there') break;
          before ??= await seen(inline, node);
          try {
            if (how === 'undo' && !NOT_UNDONE.includes(name)) {
              const row = findCommand([...node.type.messages, ...GENERIC_COMMANDS], name);
              const args = row?.args ? parseAscii(row.args, text) : undefined;
              inline.graph.change(() => {
                const done = tell(inline.graph, inline.me, node.address, name, args);
                if (done instanceof Promise) done.catch(nothing);
                throw new NetgraphError('EPERM', 'never mind');
              });
            } else {
              const answer = await settled(inline.ascii(node, name, text));
              const row = findCommand([...node.type.messages, ...GENERIC_COMMANDS], name);
              if (answer !== undefined) isStable(row!.reply!, parseAscii(row!.reply!, answer));
              before = undefined;
            }
          } catch (error) {
            accepts(error);
            assert.deepEqual(await seen(inline, node), before, `${name} ${text}: ${error.message}`);
          }
        }
        for (const hook of inline.me.hooks.keys()) inline.write(hook, new Uint8Array(60));
        inline.pass(10);
        await inline.close();
      },
    );
    await fc.assert(property, runs(3));
  });

  test(`${type}: values of any other form are refused`, async () => {
    const inline = await Inline.open();
    const node = inline.make(type, ...sample.hooks);
    node.persistent = true;
    const rows = [...node.type.messages, ...GENERIC_COMMANDS].filter(({ name }) => name !== 'shutdown');
    const value = fc.oneof(fc.anything({ maxDepth: 2 }), fc.dictionary(fc.constantFrom(...KEYS), fc.anything()));
    const property = fc.asyncProperty(fc.constantFrom(...rows), value, async ({ name }, args) => {
      if (name === 'start') return;
      try {
        await settled(inline.send(node, name, args));
      } catch (error) {
        accepts(error);
      }
    });
    await fc.assert(property, runs(20));
    await inline.close();
  });

  test(`${type}: bytes mean something, or are refused`, async () => {
    const inline = await Inline.open();
    const node = inline.make(type, ...sample.hooks);
    const rows = [...node.type.messages, ...GENERIC_COMMANDS];
    for (const [name, text] of all) {
      const form = findCommand(rows, name)?.args;
      if (!form) continue;
      const value = parseAscii(form, text);
      isStable(form, value);
      fc.assert(
        fc.property(spoiltBytes(toBinary(form, value)), bytes => {
          try {
            isStable(form, fromBinary(form, bytes));
          } catch (error) {
            accepts(error);
          }
        }),
        runs(8),
      );
    }
    await inline.close();
  });
}
