// What fib4 and fib6 understand: the same, but for how an address is written.
import { command, type TypeCommand } from '../../graph/type.ts';
import { array, type Form, hookbuf, string, struct, uint32 } from '../../message/form.ts';
import type { FibControl } from './fib-control.ts';

export function fibCommands(address: Form<string>): readonly TypeCommand[] {
  const route = struct({ prefix: string, hook: hookbuf, gateway: address });
  const path = struct({ hook: hookbuf, gateway: address, weight: uint32 });
  const routes = array({ element: route, length: ({ count }: { count: number }) => count });
  const multi = struct({
    prefix: string,
    count: uint32,
    paths: array({ element: path, length: ({ count }: { count: number }) => count }),
  });
  const prefixes = struct({
    count: uint32,
    prefixes: array({ element: string, length: ({ count }: { count: number }) => count }),
  });
  return [
    command({ name: 'addroute', cmd: 1, args: route, handle: (fib: FibControl, args) => fib.add([args]) }),
    command({
      name: 'delroute',
      cmd: 2,
      args: struct({ prefix: string }),
      handle: (fib: FibControl, { prefix }) => fib.remove([prefix]),
    }),
    command({
      name: 'getroutes',
      cmd: 3,
      args: struct({ start: uint32 }),
      reply: struct({ next: uint32, count: uint32, routes }),
      handle: (fib: FibControl, { start }) => fib.list(start),
    }),
    command({
      name: 'addroutes',
      cmd: 4,
      args: struct({ count: uint32, routes }),
      handle: (fib: FibControl, args) => fib.add(args.routes),
    }),
    command({
      name: 'delroutes',
      cmd: 5,
      args: prefixes,
      handle: (fib: FibControl, args) => fib.remove(args.prefixes),
    }),
    command({ name: 'addmultipath', cmd: 6, args: multi, handle: (fib: FibControl, args) => fib.addMulti(args) }),
    command({
      name: 'lookup',
      cmd: 7,
      args: struct({ address }),
      reply: multi,
      handle: (fib: FibControl, args) => fib.lookup(args.address),
    }),
  ];
}
