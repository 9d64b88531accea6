// Loads the real source of a structure with the model's atomics and wake-ups in place of the real ones, and optionally with
// one edit made to it: a mutant.
import { readFileSync } from 'node:fs';
import { registerHooks } from 'node:module';

const structures = new URL('../../../src/concurrency/', import.meta.url);
const standIns: Record<string, string> = {
  './atomics.ts': new URL('./atomics.ts', import.meta.url).href,
  './wake.ts': new URL('./wake.ts', import.meta.url).href,
  '../sys/index.ts': new URL('./sys.ts', import.meta.url).href,
  '../concurrency/index.ts': new URL('./concurrency.ts', import.meta.url).href,
  './checked-pool.ts': new URL('./pool.ts', import.meta.url).href,
};
const edits = new Map<string, (source: string) => string>();
let serial = 0;

registerHooks({
  resolve(specifier, context, next) {
    const parent = context.parentURL ?? '';
    if (parent.includes('?model=')) {
      const standIn = standIns[specifier];
      if (standIn) return { url: standIn, shortCircuit: true };
    }
    return next(specifier, context);
  },
  load(url, context, next) {
    if (!url.includes('?model=')) return next(url, context);
    const edit = edits.get(url) ?? (source => source);
    return {
      format: 'module-typescript',
      source: edit(readFileSync(new URL(url.split('?')[0]!), 'utf8')),
      shortCircuit: true,
    };
  },
});

/** The module `file`, as seen from src/concurrency, over the model, after `edit`. */
export async function loadModel<Module>(file: string, edit?: (source: string) => string): Promise<Module> {
  const url = new URL(file, structures);
  url.search = `?model=${serial++}`;
  if (edit) edits.set(url.href, edit);
  return (await import(url.href)) as Module;
}

export interface Mutant {
  name: string;
  edit: (source: string) => string;
}

/** For every store and exchange in `file`: one mutant without it, and one in which it is not atomic. */
export function storeMutants(file: string): Mutant[] {
  const source = readFileSync(new URL(file, structures), 'utf8');
  const mutants: Mutant[] = [];
  for (const match of source.matchAll(/(?<![\w.#])(store|exchange)\(/g)) {
    const at = match.index;
    const operation = match[1]!;
    const line = source.slice(0, at).split('\n').length;
    const replace = (by: string) => (text: string) =>
      withImport(text.slice(0, at) + by + text.slice(at + operation.length));
    const removed = operation === 'store' ? 'void (' : 'load(';
    const cut = (by: string) => (text: string) =>
      withImport(text.slice(0, at) + by + text.slice(at + operation.length + 1));
    mutants.push({ name: `${file}:${line} without its ${operation}`, edit: cut(removed) });
    mutants.push({
      name: `${file}:${line} with a plain ${operation}`,
      edit: replace(operation === 'store' ? 'weakStore' : 'tornExchange'),
    });
  }
  return mutants;
}

/** An edit that must apply exactly once. */
export function swap(name: string, before: string, after: string): Mutant {
  return {
    name,
    edit(source) {
      if (source.split(before).length !== 2) throw new Error(`mutant ${name}: its text is not in the source once`);
      return source.replace(before, () => after);
    },
  };
}

function withImport(source: string): string {
  return `import { tornExchange, weakStore } from './atomics.ts';\n${source}`;
}
