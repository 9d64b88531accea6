// Node types from a module of the user's own: its file is loaded here, and by the workers when they hear of the type.
import { isAbsolute } from 'node:path';
import { inspect } from 'node:util';
import { pathToFileURL } from 'node:url';
import { checkTypeName } from './address.ts';
import { NetgraphError } from './error.ts';
import type { Graph } from './graph.ts';
import { loadModule } from './module.ts';
import { ControlHalf, type NodeType } from './type.ts';

/** Files that this process has loaded, and how often. */
const loads: Map<string, number> = new Map();

/**
 * Makes the node types that a module exports known to the graph, all or none; their names. A file that was loaded before is read anew, and
 * its types take the place of those of their names. Throws NetgraphError: ENOENT where there is no such file, EINVAL where it is no
 * module, fails when it is run, waits (a top-level `await`: workers wait for nothing), or exports no node type; EEXIST where another file,
 * or this library, has a type of that name, EBUSY where there are nodes of the type that is to go.
 */
export function loadTypes(graph: Graph, file: string): string[] {
  if (!isAbsolute(file)) throw new NetgraphError('EINVAL', `the path of a module begins with /: '${file}'`);
  const { href } = pathToFileURL(file);
  const before = loads.get(href) ?? 0;
  const url = before === 0 ? href : `${href}?load=${before + 1}`;
  let exported: unknown[];
  try {
    const module = loadModule(url);
    // Not before there is such a file.
    loads.set(href, before + 1);
    exported = typeof module === 'object' && module !== null ? Object.values(module) : [];
  } catch (error) {
    if (isAbsent(error, file)) throw new NetgraphError('ENOENT', `there is no module '${file}'`);
    loads.set(href, before + 1);
    throw new NetgraphError('EINVAL', `'${file}' can not be loaded: ${String(error)}`);
  }
  const types = exported.filter(isNodeType);
  if (types.length === 0) throw new NetgraphError('EINVAL', `'${file}' exports no node type`);
  graph.change(() => {
    for (const type of types) {
      checkType(type);
      graph.addType({ ...type, url });
    }
  });
  return types.map(type => type.name);
}

function isAbsent(error: unknown, file: string): boolean {
  const { code, message = '', path } = (error ?? {}) as { code?: string; message?: string; path?: string };
  return code === 'MODULE_NOT_FOUND' ? message.includes(`'${file}'`) : code === 'ENOENT' && path === file;
}

/** It looks like a node type: its module may have been written against another copy of this library. */
export function isNodeType(value: unknown): value is NodeType {
  if (typeof value !== 'object' || value === null) return false;
  const { name, cookie, messages, control } = value as Partial<NodeType>;
  return (
    typeof name === 'string' && typeof cookie === 'number' && Array.isArray(messages) && typeof control === 'function'
  );
}

/** What would fail when the first node is made, or a message comes, is said now. */
function checkType(type: NodeType): void {
  checkTypeName(type.name);
  const names = (value: unknown): boolean =>
    value === undefined || (Array.isArray(value) && value.every(name => typeof name === 'string'));
  const halves = (half: object | undefined, has: readonly string[]): boolean =>
    has.every(
      method =>
        typeof (half as { prototype?: Record<string, unknown> } | undefined)?.prototype?.[method] === 'function',
    );
  const bad = (field: keyof NodeType, should: string): never => {
    throw new NetgraphError('EINVAL', `type '${type.name}': ${field} is ${should}, not ${inspect(type[field])}`);
  };
  if (!Number.isInteger(type.cookie) || type.cookie < 0 || type.cookie > 0xffff_ffff) bad('cookie', 'a 32-bit number');
  if (!halves(type.control, Object.getOwnPropertyNames(ControlHalf.prototype))) bad('control', 'a ControlHalf');
  if (type.data !== undefined && !halves(type.data, ['receive', 'configure', 'close'])) bad('data', 'a DataHalf');
  if (![undefined, 'every', 'one'].includes(type.runsIn)) bad('runsIn', "'every' or 'one'");
  if (!names(type.counters)) bad('counters', 'an array of names');
  if (!names(type.hookCounters)) bad('hookCounters', 'an array of names');
  for (const row of type.messages as readonly unknown[]) {
    const { name, cmd, handle } = (row ?? {}) as Partial<NodeType['messages'][number]>;
    if (typeof name === 'string' && typeof cmd === 'number' && typeof handle === 'function') continue;
    throw new NetgraphError('EINVAL', `type '${type.name}': a message has name, cmd and handle: ${inspect(row)}`);
  }
}
