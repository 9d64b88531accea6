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
  '../../concurrency/index.ts': new URL('./concurrency.ts', import.meta.url).href,
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
      // A structure in several files is one: its other files are seen over the model, too, and each once.
      const url = new URL(specifier, parent);
      if (url.href.startsWith(structures.href)) {
        url.search = new URL(parent).search;
        return { url: url.href, shortCircuit: true };
      }
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

/** The modules `files` as one structure over the model, after each file's edits. */
export async function loadModels<Modules>(
  files: readonly string[],
  changes: readonly (readonly [file: string, edit: (source: string) => string])[] = [],
): Promise<Modules> {
  const search = `?model=${serial++}`;
  for (const [file, edit] of changes) {
    const { href } = new URL(file + search, structures);
    const before = edits.get(href);
    edits.set(href, before ? source => edit(before(source)) : edit);
  }
  const modules: object[] = [];
  for (const file of files) modules.push((await import(new URL(file + search, structures).href)) as object);
  return Object.assign({}, ...modules) as Modules;
}

export interface Mutant {
  name: string;
  edit: (source: string) => string;
}

/** By operation, what stands in its place: by nothing, and by what is not atomic. */
const WEAKER: Record<string, readonly [how: string, call: string][]> = {
  store: [
    ['without its store', 'void '],
    ['with a plain store', 'weakStore'],
  ],
  exchange: [
    ['without its exchange', 'load'],
    ['with a plain exchange', 'tornExchange'],
  ],
  load: [
    ['without its load', 'noLoad'],
    ['with a plain load', 'weakLoad'],
  ],
  add: [
    ['without its add', 'load'],
    ['with a torn add', 'tornAdd'],
    ['with a plain add', 'weakAdd'],
  ],
  compareExchange: [
    ['without its compareExchange', 'load'],
    ['with a torn compareExchange', 'tornCompareExchange'],
    ['with a plain compareExchange', 'weakCompareExchange'],
  ],
};

/** For every operation of these kinds in `file`: a mutant without it, and those in which it is not atomic. */
export function operationMutants(file: string, kinds: readonly string[] = Object.keys(WEAKER)): Mutant[] {
  const source = readFileSync(new URL(file, structures), 'utf8');
  const mutants: Mutant[] = [];
  for (const match of source.matchAll(new RegExp(`(?<![\\w.#])(${kinds.join('|')})\\(`, 'g'))) {
    const at = match.index;
    const operation = match[1]!;
    const line = source.slice(0, at).split('\n').length;
    for (const [how, call] of WEAKER[operation]!) {
      mutants.push({
        name: `${file}:${line} ${how}`,
        edit: text => withImport(text.slice(0, at) + call + text.slice(at + operation.length)),
      });
    }
  }
  return mutants;
}

/** The same for stores and exchanges alone: what a structure has whose loads its scenarios need not doubt. */
export function storeMutants(file: string): Mutant[] {
  return operationMutants(file, ['store', 'exchange']);
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
  const weaker =
    'noLoad, tornAdd, tornCompareExchange, tornExchange, weakAdd, weakCompareExchange, weakLoad, weakStore';
  // A file may lack `load`, which stands in for what is left out: an import of the same name twice is an error.
  const load = /\bload\b[^;]*from '(.\/atomics|..\/..\/concurrency\/index).ts'/.test(source) ? '' : 'load, ';
  return `import { ${load}${weaker} } from './atomics.ts';\n${source}`;
}
