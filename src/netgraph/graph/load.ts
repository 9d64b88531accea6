// Node types from a module of the user's own: its file is loaded here, and by the workers when they hear of the type.
import { createRequire } from 'node:module';
import { isAbsolute } from 'node:path';
import { pathToFileURL } from 'node:url';
import { checkTypeName } from './address.ts';
import { NetgraphError } from './error.ts';
import type { Graph } from './graph.ts';
import type { NodeType } from './type.ts';

/**
 * Makes the node types that a module exports known to the graph, all or none; their names. Throws NetgraphError: ENOENT where there is no
 * such file, EINVAL where it is no module, fails when it is run, waits (a top-level `await`: workers wait for nothing), or exports no node
 * type; EEXIST where there is a type of that name.
 */
export function loadTypes(graph: Graph, file: string): string[] {
  if (!isAbsolute(file)) throw new NetgraphError('EINVAL', `the path of a module begins with /: '${file}'`);
  let module: object;
  try {
    // As workers load it: what they could not is refused here.
    module = createRequire(import.meta.url)(file) as object;
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (code === 'MODULE_NOT_FOUND' && message.includes(`'${file}'`))
      throw new NetgraphError('ENOENT', `there is no module '${file}'`);
    throw new NetgraphError('EINVAL', `'${file}' can not be loaded: ${String(error)}`);
  }
  const types = Object.values(module).filter(isNodeType);
  if (types.length === 0) throw new NetgraphError('EINVAL', `'${file}' exports no node type`);
  const url = pathToFileURL(file).href;
  graph.change(() => {
    for (const type of types) {
      checkTypeName(type.name);
      graph.addType({ ...type, url });
    }
  });
  return types.map(type => type.name);
}

/** It looks like a node type: its module may have been written against another copy of this library. */
export function isNodeType(value: unknown): value is NodeType {
  if (typeof value !== 'object' || value === null) return false;
  const { name, cookie, messages, control } = value as Partial<NodeType>;
  return (
    typeof name === 'string' && typeof cookie === 'number' && Array.isArray(messages) && typeof control === 'function'
  );
}
