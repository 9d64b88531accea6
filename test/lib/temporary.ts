// A directory for a test that is gone when the test's process is, however that ends: Lab's janitor looks after it.
import { randomUUID } from 'node:crypto';
import { mkdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startJanitor } from '../../src/cli/demo/janitor.ts';

let root: string | undefined;
let count = 0;

export function temporaryDirectory(): string {
  if (root === undefined) {
    const path = join(tmpdir(), `grevy-test-${randomUUID().slice(0, 8)}`);
    startJanitor(path);
    process.once('exit', () => rmSync(path, { recursive: true, force: true }));
    root = path;
  }
  const path = join(root, String(++count));
  mkdirSync(path, { recursive: true });
  return path;
}
