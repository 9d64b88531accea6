// The project as the machine runs it: JavaScript in few files. Emulated, the type stripper alone takes half a minute, and to find
// and link the modules of a daemon's threads one by one took most of the twelve seconds that its start did.
import { cpSync, globSync, mkdirSync, symlinkSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { pathToFileURL } from 'node:url';
import { build, type Plugin } from 'esbuild';

/** What is loaded by its path: programs, threads, providers of the dataplane. All else is in chunks that these share. */
const ENTRIES: readonly string[] = [
  'src/cli/main.ts',
  'src/**/thread.ts',
  'src/dataplane/provider/kernel-writer.ts',
  'src/dataplane/provider/fpm/provider.ts',
  'src/dataplane/provider/capture/{capture,writer}.ts',
  'src/dataplane/provider/test.ts',
  'test/lib/vm/reporter.ts',
  'test/whole/fpm-peer.ts',
];

/** Compiles `root` into the new directory `project`, and one file more of it, by its path from `root`. */
export async function compileProject(root: string, project: string, file?: string): Promise<void> {
  mkdirSync(project);
  await build({
    absWorkingDir: root,
    entryPoints: globSync([...ENTRIES, ...(file === undefined ? [] : [file])], { cwd: root }),
    outdir: project,
    outbase: root,
    bundle: true,
    splitting: true,
    chunkNames: 'chunks/[hash]',
    format: 'esm',
    platform: 'node',
    target: 'esnext',
    packages: 'external',
    sourcemap: true,
    logLevel: 'warning',
    keepNames: true,
    plugins: [itsOwnPlace(root, project)],
  });
  for (const name of ['bin', 'package.json', 'examples/srv6-l3vpn'])
    cpSync(join(root, name), join(project, name), { recursive: true });
  symlinkSync(join(root, 'node_modules'), join(project, 'node_modules'));
  // Where bin/grevy looks for JavaScript.
  symlinkSync('src', join(project, 'dist'));
}

/** Modules that ask where they are hear it of the file that each of them would be. */
function itsOwnPlace(root: string, project: string): Plugin {
  return {
    name: 'its own place',
    setup: bundle =>
      bundle.onLoad({ filter: /\.ts$/, namespace: 'file' }, async ({ path }) => {
        const source = await readFile(path, 'utf8');
        if (!source.includes('import.meta.')) return undefined;
        const place = join(project, relative(root, path)).replace(/\.ts$/, '.js');
        const meta: Readonly<Record<string, string>> = {
          url: pathToFileURL(place).href,
          filename: place,
          dirname: join(place, '..'),
        };
        const contents = source.replaceAll(/\bimport\.meta\.(\w+)\b/g, (text, name: string) =>
          Object.hasOwn(meta, name) ? JSON.stringify(meta[name]) : text,
        );
        return { contents, loader: 'ts' };
      }),
  };
}
