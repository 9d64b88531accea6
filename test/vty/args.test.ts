// The types of arguments are part of the contract: a change that breaks them must not compile.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Args, type CommandSet, commandSet, config, exec } from '../../src/vty/index.ts';

type Equal<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;
function same<A, B>(equal: Equal<A, B>): void {
  assert.ok(equal);
}

void test('argument types follow from the syntax', () => {
  same<
    Args<'ip route A.B.C.D/M$prefix <A.B.C.D$gateway|INTERFACE> [(1-255)$distance]'>,
    { prefix: string; gateway?: string; interface?: string; distance?: number }
  >(true);
  same<Args<'show ip route [A.B.C.D/M$prefix] [json]'>, { prefix?: string; json?: true }>(true);
  same<
    Args<'neighbor <A.B.C.D|X:X::X:X>$peer remote-as <(1-4294967295)|internal|external>$as'>,
    {
      peer: string;
      address?: string;
      as: number | 'internal' | 'external';
      number?: number;
      internal?: true;
      external?: true;
    }
  >(true);
  same<Args<'description LINE...'>, { line: string }>(true);
  same<Args<'set as-path prepend (1-4294967295)$asns...'>, { asns: number[] }>(true);
  same<
    Args<'ip prefix-list WORD$name [seq (1-4294967295)$seq] <deny|permit>$action A.B.C.D/M$prefix [{ge (0-32)$ge|le (0-32)$le}]'>,
    {
      name: string;
      action: 'deny' | 'permit';
      deny?: true;
      permit?: true;
      prefix: string;
      seq?: number;
      ge?: number;
      le?: number;
    }
  >(true);
  same<
    Args<'set metric <+metric|-metric|(0-4294967295)>$metric'>,
    { metric: number | '+metric' | '-metric'; number?: number; '+metric'?: true; '-metric'?: true }
  >(true);
});

void test('a table infers state and arguments without annotations', () => {
  interface Zebra {
    routes: number;
  }
  const set: CommandSet<Zebra> = commandSet<Zebra>('zebra', [
    exec({
      syntax: 'show ip route [A.B.C.D/M$prefix] [json]',
      help: [],
      run: (zebra, args) => (args.json ? { routes: zebra.routes } : `${args.prefix?.length}`),
    }),
    config({
      mode: 'configure',
      syntax: 'ip route A.B.C.D/M$prefix A.B.C.D$gateway',
      help: [],
      apply: (zebra, args, context) => {
        zebra.routes += args.prefix.length + context.length;
      },
      remove: (zebra, args) => {
        zebra.routes -= args.gateway.length;
      },
    }),
  ]);
  assert.equal(set.commands.length, 2);
});
