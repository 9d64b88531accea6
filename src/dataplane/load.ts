// Providers out of tree: a module whose default export makes one.
//
//   export default ({ name, ...settings }) => ({ name, priority: 'post-kernel', process(work) { … } });
import { createRequire } from 'node:module';
import { isAbsolute, resolve } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { type Provider, PROVIDER_FOLLOWER, PROVIDER_UNDO, type ProviderPriority } from './provider.ts';
import { TIMEOUT_MS, WorkerStage } from './worker/stage.ts';

/** What a provider's module exports. */
export interface ProviderModule {
  /** Makes the provider. Called in the thread that it will run in: again after each restart. */
  readonly default: (settings: ProviderSettings) => Provider;
}

export interface ProviderSettings extends Readonly<Record<string, unknown>> {
  readonly name: string;
}

/** How a provider is asked for. */
export interface ProviderRequest {
  readonly name: string;
  /** A path, a URL, or the name of one that is built in (`capture`, `test`). */
  readonly module: string;
  readonly priority: ProviderPriority;
  /** In a worker of its own. */
  readonly threaded: boolean;
  /** It stands aside and is told states (PROVIDER_FOLLOWER); only where threaded. */
  readonly follower?: boolean;
  /** It takes back what it did (PROVIDER_UNDO). */
  readonly undo?: boolean;
  readonly slots?: number;
  readonly timeoutMs?: number;
  readonly settings?: Readonly<Record<string, unknown>>;
}

const require = createRequire(import.meta.url);

const extension = import.meta.url.endsWith('.ts') ? 'ts' : 'js';

/** Modules that are known by a name of their own. */
const builtIn: Readonly<Record<string, string>> = {
  capture: new URL(`./provider/capture/capture.${extension}`, import.meta.url).href,
  test: new URL(`./provider/test.${extension}`, import.meta.url).href,
};

function urlOf(module: string): string {
  if (Object.hasOwn(builtIn, module)) return builtIn[module]!;
  return /^(file|data):/.test(module) ? module : pathToFileURL(isAbsolute(module) ? module : resolve(module)).href;
}

/** Makes it. Throws where the module cannot be read, or does not export what it should. */
export function loadProvider(request: ProviderRequest): Provider {
  const { name, priority, threaded, slots, timeoutMs, settings = {} } = request;
  const url = urlOf(request.module);
  const flags = (request.undo === true ? PROVIDER_UNDO : 0) | (request.follower === true ? PROVIDER_FOLLOWER : 0);
  if (threaded) {
    return new WorkerStage({
      name,
      priority,
      flags,
      module: url,
      settings,
      ...(slots === undefined ? {} : { slots }),
      ...(timeoutMs === undefined ? {} : { timeoutMs }),
    });
  }
  // Not import(): the dataplane thread has no loop that a promise could be settled by.
  const { default: make } = require(fileURLToPath(url)) as Partial<ProviderModule>;
  if (typeof make !== 'function') throw new Error(`${request.module} has no function as its default export`);
  const provider = make({ name, ...settings });
  const patience = { timeoutMs: timeoutMs ?? provider.timeoutMs ?? TIMEOUT_MS };
  return Object.assign(provider, { name, priority, flags: (provider.flags ?? 0) | flags, ...patience });
}
