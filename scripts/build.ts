// Builds dist/ (or the directory that is named), the package as it is published: JavaScript, declarations, and a package.json that states the engine and
// drags no runtime along (the repository pins one; a library's user has his own).
import { execFileSync } from 'node:child_process';
import { copyFileSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';

const root = resolve(import.meta.dirname, '..');
const dist = resolve(process.argv[2] ?? join(root, 'dist'));
rmSync(dist, { recursive: true, force: true });
execFileSync('tsc', ['-p', join(root, 'tsconfig.build.json'), '--outDir', dist], { stdio: 'inherit' });

interface Manifest {
  [key: string]: unknown;
  exports: Record<string, Record<string, string>>;
}
const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as Manifest;
const { name, version, description, license, type, engines, dependencies } = manifest;
const exports: Record<string, Record<string, string>> = {};
for (const [path, targets] of Object.entries(manifest.exports)) {
  exports[path] = {
    types: targets['types']!.replace('./dist/', './'),
    default: targets['default']!.replace('./dist/', './'),
  };
}
writeFileSync(
  join(dist, 'package.json'),
  `${JSON.stringify({ name, version, description, license, type, engines, exports, dependencies }, null, 2)}\n`,
);
for (const file of ['README.md', 'LICENSE', 'CHANGELOG.md']) copyFileSync(join(root, file), join(dist, file));
