// How the tests inside a virtual machine come out of it: one line of JSON a test (see VmResult), written here, because Node
// wants to fsync what a reporter writes to, which a port cannot.
import { openSync, writeSync } from 'node:fs';
import type { TestEvent } from 'node:test/reporters';
import { inspect } from 'node:util';
import type { VmResult } from '../vm.ts';

export default async function* report(events: AsyncIterable<TestEvent>): AsyncGenerator<string> {
  const port = openSync('/dev/results', 'w');
  /** The names of the suites that are open: a result carries only its own. */
  const path: string[] = [];
  for await (const { type, data } of events) {
    if (type === 'test:start') path.splice(data.nesting, path.length, data.name);
    if (type !== 'test:pass' && type !== 'test:fail') continue;
    const error: (Error & { failureType?: string }) | undefined = type === 'test:fail' ? data.details.error : undefined;
    // A suite is no result of its own, unless what failed is its hook.
    if (data.details.type === 'suite' && (error === undefined || error.failureType === 'subtestsFailed')) continue;
    const result: VmResult = {
      test: [...path.slice(0, data.nesting), data.name],
      ok: error === undefined,
      seconds: data.details.duration_ms / 1000,
    };
    if (error !== undefined) result.error = inspect(error.cause ?? error);
    if (data.skip !== undefined) result.skip = String(data.skip);
    writeSync(port, `${JSON.stringify(result)}\n`);
    yield '';
  }
}
