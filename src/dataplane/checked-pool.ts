// A context used after it was given back is somebody else's. With GREVY_CHECK_CONTEXTS in the environment, as in all tests,
// every accessor asks first whether the handle is of its slot's present generation; otherwise nothing asks.
import { ContextPool } from './context.ts';

class CheckedPool extends ContextPool {}

/** Methods whose first argument is no handle of this pool, or is asked about, or was checked by who calls them. */
const unchecked: ReadonlySet<string> = new Set([
  'constructor',
  'allocate',
  'holds',
  'copyFrom',
  'free',
  'at',
  'fieldAt',
]);

/** Of the class and those that it is made of. */
function accessors(prototype: object): [string, PropertyDescriptor][] {
  if (prototype === Object.prototype) return [];
  return [
    ...accessors(Object.getPrototypeOf(prototype)),
    ...Object.entries(Object.getOwnPropertyDescriptors(prototype)),
  ];
}

for (const [name, { value }] of accessors(ContextPool.prototype)) {
  if (typeof value !== 'function' || unchecked.has(name)) continue;
  const accessor = value as (this: ContextPool, handle: number, ...rest: unknown[]) => unknown;
  Object.defineProperty(CheckedPool.prototype, name, {
    value(this: ContextPool, handle: number, ...rest: unknown[]): unknown {
      if (!this.holds(handle)) throw new Error(`dataplane context: ${name} of ${handle}, which was given back`);
      return accessor.call(this, handle, ...rest);
    },
  });
}

/** A view of the pool: all that look at contexts get theirs here. */
export function contextPool(memory: SharedArrayBuffer): ContextPool {
  return process.env['GREVY_CHECK_CONTEXTS'] === undefined ? new ContextPool(memory) : new CheckedPool(memory);
}
