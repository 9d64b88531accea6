// Random disturbances of a small world (world.ts).
import { test } from 'node:test';
import fc from 'fast-check';
import { operation, World } from './world.ts';

test('after any disturbance, what the kernel has is what is wanted', () => {
  fc.assert(
    fc.property(fc.array(operation, { minLength: 5, maxLength: 60, size: 'max' }), operations => {
      const world = new World();
      for (const one of operations) world.do(one);
      world.rest();
      world.check();
    }),
    { numRuns: 1500 },
  );
});
