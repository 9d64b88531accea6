// What ngctl(8) prints, to the blank: FreeBSD's formats, which scripts read.
import type { HookList, LinkInfo, NameList, NodeInfo, TypeList } from '../message/generic.ts';
import type { Health } from '../worker/plane.ts';
import type { Reply, RuntimeRow } from './messenger.ts';

const UNNAMED = '<unnamed>';
const DUMP_BYTES_PER_LINE = 16;

function hex(id: number): string {
  return id.toString(16).padStart(8, '0');
}

export function formatNode({ name, type, id, hooks }: NodeInfo): string {
  return `  Name: ${(name || UNNAMED).padEnd(15)} Type: ${type.padEnd(15)} ID: ${hex(id)}   Num hooks: ${hooks}\n`;
}

export function formatNodes({ nodeinfo }: NameList, named: boolean): string {
  return formatCount(nodeinfo.length, named) + nodeinfo.map(formatNode).join('');
}

export function formatCount(count: number, named: boolean): string {
  return `There are ${count} total ${named ? 'named ' : ''}nodes:\n`;
}

export function formatHooks({ nodeinfo, linkinfo }: HookList, withHooks: boolean): string {
  if (!withHooks || linkinfo.length === 0) return formatNode(nodeinfo);
  return (
    formatNode(nodeinfo) +
    row('Local hook', 'Peer name', 'Peer type', 'Peer ID', 'Peer hook') +
    row('----------', '---------', '---------', '-------', '---------') +
    linkinfo.map(formatLink).join('')
  );
}

function formatLink({ ourhook, peerhook, nodeinfo }: LinkInfo): string {
  return row(ourhook, nodeinfo.name || UNNAMED, nodeinfo.type, hex(nodeinfo.id), peerhook);
}

function row(hook: string, name: string, type: string, id: string, peer: string): string {
  return `  ${hook.padEnd(15)} ${name.padEnd(15)} ${type.padEnd(12)} ${id.padEnd(15)} ${peer.padEnd(15)}\n`;
}

export function formatTypes({ typeinfo }: TypeList): string {
  let out = `There are ${typeinfo.length} total types:\n`;
  if (typeinfo.length > 0) {
    out += `${'Type name'.padStart(15)}   Number of living nodes\n`;
    out += `${'---------'.padStart(15)}   ----------------------\n`;
  }
  for (const { typename, numnodes } of typeinfo) out += `${typename.padStart(15)}   ${String(numnodes).padStart(5)}\n`;
  return out;
}

export function formatReply({ command, cmd, from, ascii, response }: Reply): string {
  const head = `Rec'd ${response ? 'response' : 'command'} "${command}" (${cmd}) from "${from}":\n`;
  return head + (ascii === undefined || ascii === '' ? 'No arguments\n' : `Args:\t${ascii}\n`);
}

export function formatData(hook: string, data: Uint8Array): string {
  return `Rec'd data packet on hook "${hook}":\n${dumpAscii(data)}`;
}

/** `0000:  48 69 …   Hi…`, sixteen bytes a line. */
export function dumpAscii(data: Uint8Array): string {
  let out = '';
  for (let at = 0; at < data.length; at += DUMP_BYTES_PER_LINE) {
    const line = data.subarray(at, at + DUMP_BYTES_PER_LINE);
    const bytes = Array.from(line, byte => `${byte.toString(16).padStart(2, '0')} `).join('');
    const text = Array.from(line, byte => (byte >= 0x20 && byte <= 0x7e ? String.fromCharCode(byte) : '.')).join('');
    out += `${at.toString(16).padStart(4, '0')}:  ${bytes.padEnd(3 * DUMP_BYTES_PER_LINE)} ${text.padEnd(DUMP_BYTES_PER_LINE)}\n`;
  }
  return out;
}

/** `show graph runtime`, which FreeBSD does not have: what VPP shows of its graph, and below it why packets ended. */
export function formatRuntime(rows: readonly RuntimeRow[]): string {
  const columns: readonly (readonly [string, (row: RuntimeRow) => string])[] = [
    ['Name', ({ node }) => node],
    ['Type', ({ type }) => type],
    ['Worker', ({ worker }) => String(worker)],
    ['Vectors', ({ vectors }) => String(vectors)],
    ['Packets', ({ packets }) => String(packets)],
    ['Drops', ({ drops }) => String(drops)],
    ['ns/Packet', ({ ns, packets }) => ratio(ns, packets)],
    ['Packets/Vector', ({ vectors, packets }) => ratio(packets, vectors)],
  ];
  const drops = rows.flatMap(({ node, worker, reasons }) =>
    Object.entries(reasons).map(([reason, count]) => [node, reason, String(worker), String(count)]),
  );
  return (
    table([columns.map(([title]) => title), ...rows.map(row => columns.map(([, cell]) => cell(row)))]) +
    (drops.length === 0 ? '' : `\n${table([['Name', 'Reason', 'Worker', 'Drops'], ...drops])}`)
  );
}

/** Workers that have died, for `show graph`: what of, and whether another has taken their place. */
export function formatWorkers(workers: readonly Health[]): string {
  return workers
    .map(({ state, deaths, lastError, backoffMs = 0 }, worker) => {
      if (deaths === 0) return '';
      const times = deaths === 1 ? 'once' : `${deaths} times`;
      const now = state === 'running' ? 'it runs again' : `another takes its place after ${backoffMs} ms`;
      return `  Worker ${worker} has died ${times}, last of '${lastError}': ${now}\n`;
    })
    .join('');
}

/** Columns as wide as what stands in them; two of words, then numbers. */
function table(cells: readonly (readonly string[])[]): string {
  const widths = cells[0]!.map((_, i) => Math.max(...cells.map(line => line[i]!.length)));
  return cells
    .map(line => line.map((cell, i) => (i < 2 ? cell.padEnd(widths[i] as number) : cell.padStart(widths[i] as number))))
    .map(line => `${line.join('  ').trimEnd()}\n`)
    .join('');
}

function ratio(a: number, b: number): string {
  return b === 0 ? '0.00' : (a / b).toFixed(2);
}

/** The whole graph in graphviz' language: a record a node, an octagon a hook; what has no hook lies in a pink box. */
export function formatDot(nodes: readonly NodeInfo[], hooks: readonly HookList[]): string {
  const id = (node: NodeInfo): string => node.id.toString(16);
  let out = 'graph netgraph {\n\tedge [ weight = 1.0 ];\n\tnode [ shape = record, fontsize = 12 ] {\n';
  for (const node of nodes) {
    const label = `{${recordText(node.name || UNNAMED)}:|{${recordText(node.type)}|[${id(node)}]:}}`;
    out += `\t\t"${id(node)}" [ label = "${label}" ];\n`;
  }
  out += '\t};\n\tsubgraph cluster_disconnected {\n\t\tbgcolor = pink;\n';
  for (const node of nodes) if (node.hooks === 0) out += `\t\t"${id(node)}";\n`;
  out += '\t};\n';
  for (const { nodeinfo, linkinfo } of hooks) {
    if (linkinfo.length === 0) continue;
    const end = (node: NodeInfo, hook: string): string => `"${id(node)}.${quoted(hook)}"`;
    out += '\tnode [ shape = octagon, fontsize = 10 ] {\n';
    for (const { ourhook } of linkinfo) out += `\t\t${end(nodeinfo, ourhook)} [ label = "${quoted(ourhook)}" ];\n`;
    out += '\t};\n\t{\n\t\tedge [ weight = 2.0, style = bold ];\n';
    for (const { ourhook } of linkinfo) out += `\t\t"${id(nodeinfo)}" -- ${end(nodeinfo, ourhook)};\n`;
    out += '\t};\n';
    // Each edge once: from its end with the larger ID, and of a node's edge to itself from the hook that sorts first.
    for (const { ourhook, peerhook, nodeinfo: peer } of linkinfo) {
      if (peer.id > nodeinfo.id || (peer.id === nodeinfo.id && ourhook > peerhook)) continue;
      out += `\t${end(nodeinfo, ourhook)} -- ${end(peer, peerhook)};\n`;
    }
  }
  // FreeBSD's ends with `};`, and graphviz says that this is no graph.
  return `${out}}\n`;
}

function quoted(text: string): string {
  return text.replaceAll(/["\\]/g, '\\$&');
}

/** In a record's label more characters mean something. */
function recordText(text: string): string {
  return text.replaceAll(/["\\{}|<> ]/g, '\\$&');
}
