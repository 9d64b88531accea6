// Holds the import direction of docs/architecture.md §1: a room imports only rooms below it, bgp and zebra do not know each
// other, and another room is entered through its index (or a thread's entry module, which is not an import).
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';

const ROOMS = [
  'cli',
  'daemon',
  'web',
  'bgp',
  'zebra',
  'ifproxy',
  'netgraph',
  'dataplane',
  'zapi',
  'vty',
  'netlink',
  'concurrency',
  'net',
  'sys',
];
const STRANGERS = [
  ['bgp', 'zebra'],
  ['zebra', 'bgp'],
];

const root = resolve(import.meta.dirname, '..', 'src');
const faults: string[] = [];

for (const file of readdirSync(root, { recursive: true, encoding: 'utf8' })) {
  if (!file.endsWith('.ts')) continue;
  const path = join(root, file);
  const from = file.split('/')[0]!;
  for (const [, specifier] of readFileSync(path, 'utf8').matchAll(
    /(?:from|import)\s*\(?\s*'(\.[^']+|grevy\/[^']+)'/g,
  )) {
    if (!specifier!.startsWith('.')) {
      faults.push(`src/${file}: imports ${specifier} by the package's name, past this rule`);
      continue;
    }
    const target = relative(root, resolve(dirname(path), specifier!));
    const to = target.split('/')[0]!;
    if (to === from) continue;
    const up = ROOMS.indexOf(to) <= ROOMS.indexOf(from);
    const stranger = STRANGERS.some(([a, b]) => a === from && b === to);
    const face = target === `${to}/index.ts` || target === `${to}/commands.ts`;
    if (!ROOMS.includes(to) || !ROOMS.includes(from) || up || stranger) {
      faults.push(`src/${file}: ${from} may not import ${to} (${specifier})`);
    } else if (!face) {
      faults.push(`src/${file}: imports ${target}; only ${to}/index.ts is that room's face`);
    }
  }
}

for (const fault of faults) console.error(fault);
if (faults.length > 0) process.exit(1);
