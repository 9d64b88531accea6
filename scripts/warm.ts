// Compiles every source into Node's compile cache (NODE_COMPILE_CACHE), so that no thread of a daemon started from a checkout
// has to strip types itself: the stripper costs 15 MB and some 100 ms in each. The published package has none to strip.
import { readdirSync } from 'node:fs';
import { flushCompileCache } from 'node:module';
import { join, resolve } from 'node:path';

const source = resolve(import.meta.dirname, '..', 'src');
// Entries of threads and of the command line throw here, after they have been compiled: they are not where they belong.
process.on('uncaughtException', () => {});
process.on('unhandledRejection', () => {});
for (const file of readdirSync(source, { recursive: true, encoding: 'utf8' })) {
  if (file.endsWith('.ts') && file !== 'cli/main.ts') await import(join(source, file)).catch(() => {});
}
flushCompileCache();
process.exit();
