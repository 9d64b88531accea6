// The module of a node type, by its URL. What it imports from `grevy/…` is this library itself, wherever the file lies: the one that runs it.
//
// The engine keeps what it has loaded under its name, so a file that is to be loaded anew has another each time: what
// `file:///x/y.ts?load=2` says is loaded as `/x/y~2.ts`, a name that is the loader's alone. What the module itself imports is found beside it as ever, and
// is the same for all.
import { createRequire, registerHooks } from 'node:module';
import { extname } from 'node:path';
import { fileURLToPath } from 'node:url';

const require = createRequire(import.meta.url);

/** At once, since a worker waits for nothing: `require` takes ES modules too, but for those that wait themselves. */
export function loadModule(text: string): unknown {
  const url = new URL(text);
  const load = url.searchParams.get('load');
  url.search = '';
  const { href } = url;
  const name = load === null ? undefined : href.replace(/(?:\.[^./]*)?$/, extension => `~${load}${extension}`);
  const hooks = registerHooks({
    resolve(specifier, context, next) {
      const found = specifier === name ? name : ours(specifier);
      return found === undefined ? next(specifier, context) : { url: found, shortCircuit: true };
    },
    load: (wanted, context, next) => next(wanted === name ? href : wanted, context),
  });
  try {
    return require(name ?? fileURLToPath(url)) as unknown;
  } finally {
    hooks.deregister();
  }
}

function ours(specifier: string): string | undefined {
  const room = /^grevy\/([a-z]+)$/.exec(specifier)?.[1];
  return room && new URL(`../../${room}/index${extname(import.meta.url)}`, import.meta.url).href;
}
