// How a node is named in text: NODE:PATH, where NODE is a name, an ID `[3f]` or `.` (the sender), and PATH is the hooks to walk
// from there, `hook1.hook2`. Both may be left out: without a colon the walk begins at the sender.
import { NetgraphError } from './error.ts';

/** Names of nodes, hooks, types and commands are shorter than this (NG_NODESIZ counts the closing NUL). */
export const NAME_LIMIT = 31;
/** An address is no longer than this many characters (NG_PATHSIZ less the NUL). */
export const PATH_LIMIT = 511;

export interface Address {
  /** Where the walk begins: `here` is the sender. */
  readonly from: { readonly here: true } | { readonly id: number } | { readonly name: string };
  /** Hooks to walk, each on the node that the walk came to. */
  readonly hooks: readonly string[];
}

const HERE: Address['from'] = { here: true };

/** Reads an address; throws NetgraphError EINVAL where it is malformed. That nothing is there is for who walks it to say. */
export function parseAddress(text: string): Address {
  if (text.length > PATH_LIMIT) throw malformed(text.slice(0, 40), `longer than ${PATH_LIMIT} characters`);
  const colon = text.indexOf(':');
  let path = text.slice(colon + 1);
  if (path.includes(':')) throw malformed(text, 'two colons');
  if (path.includes('..')) throw malformed(text, 'two dots in a row');
  // A dot more at either end means nothing.
  if (path.startsWith('.')) path = path.slice(1);
  if (path.endsWith('.')) path = path.slice(0, -1);
  return { from: colon < 0 ? HERE : parseNode(text, text.slice(0, colon)), hooks: path === '' ? [] : path.split('.') };
}

function parseNode(text: string, node: string): Address['from'] {
  if (node === '') throw malformed(text, 'no node before the colon');
  if (node === '.') return HERE;
  if (node.includes('.')) throw malformed(text, "a dot in a node's name");
  const id = parseId(node);
  return id === 0 ? { name: node } : { id };
}

/** The ID that `[3f]` says, or 0 where the text says none. */
export function parseId(text: string): number {
  if (!/^\[[0-9a-fA-F]{1,16}\]$/.test(text)) return 0;
  const id = Number.parseInt(text.slice(1, -1), 16);
  return id <= 0xffff_ffff ? id : 0;
}

/** The address of a node by its ID: `[3f]:`. */
export function formatId(id: number): string {
  return `[${id.toString(16)}]:`;
}

/** Throws NetgraphError EINVAL where `name` can name no node. */
export function checkNodeName(name: string): void {
  checkName('node', name);
  // It would hide the node of that ID.
  if (parseId(name) !== 0) throw new NetgraphError('EINVAL', `a node's name can not be an ID: '${name}'`);
}

/** Throws NetgraphError EINVAL where `name` can name no hook: what has a dot or a colon could not be addressed. */
export function checkHookName(name: string): void {
  checkName('hook', name);
}

/** Throws NetgraphError EINVAL where `name` can name no node type. */
export function checkTypeName(name: string): void {
  checkName('type', name);
}

function checkName(kind: string, name: string): void {
  if (name === '') throw new NetgraphError('EINVAL', `a ${kind}'s name is empty`);
  if (Buffer.byteLength(name) > NAME_LIMIT)
    throw new NetgraphError('EINVAL', `a ${kind}'s name is longer than ${NAME_LIMIT} bytes: '${name.slice(0, 40)}'`);
  // oxlint-disable-next-line no-control-regex
  const bad = /[.:\0]/.exec(name);
  if (bad) throw new NetgraphError('EINVAL', `a ${kind}'s name may not hold ${JSON.stringify(bad[0])}: '${name}'`);
}

function malformed(text: string, why: string): NetgraphError {
  return new NetgraphError('EINVAL', `malformed address '${text}': ${why}`);
}
