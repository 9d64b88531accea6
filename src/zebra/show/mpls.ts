// `show mpls table`, in FRR's words.
import { formatAddress } from '../../net/index.ts';
import { IMPLICIT_NULL, labelsOf, labelText } from '../nexthop/encap.ts';
import type { Nexthop } from '../nexthop/set.ts';
import { type Lsp, lspType } from '../mpls/lsp.ts';
import type { Zebra } from '../zebra.ts';

/** One next hop of a label. */
interface Shown {
  readonly type: number;
  readonly member: Nexthop;
  /** The interface that it is on, 0 where it is not known. */
  readonly ifindex: number;
  readonly installed: boolean;
}

/** The last one said first. */
function shownNexthops(lsp: Lsp): Shown[] {
  const best = lsp.best();
  return lsp.entries.flatMap(entry => {
    const used = lsp.have !== undefined && best.includes(entry);
    return entry.members
      .map((member, i) => {
        const { active, paths } = entry.set.resolution[i]!;
        const ifindex = paths.length === 1 ? paths[0]!.ifindex : member.ifindex;
        return { type: entry.type, member, ifindex, installed: used && active };
      })
      .toReversed();
  });
}

/** What a label is taken off for, and nothing put in its place, FRR calls by the label that says so. */
function outLabels({ encap }: Nexthop): readonly number[] {
  const labels = labelsOf(encap);
  return labels.length === 0 ? [IMPLICIT_NULL] : labels;
}

function nexthopJson(zebra: Zebra, { type, member, ifindex, installed }: Shown): object {
  const labels = outLabels(member);
  const { gatewayFamily, gateway } = member;
  const name = ifindex === 0 ? {} : { interface: zebra.interfaces.nameOf(ifindex) };
  return {
    type: lspType(type).name,
    outLabel: labels[0],
    outLabelStack: labels,
    distance: lspType(type).distance,
    ...(installed && { installed }),
    ...(gatewayFamily !== 0 && { nexthop: formatAddress(gatewayFamily, gateway) }),
    // Of an IPv4 gateway the interface is not told.
    ...(gatewayFamily !== 2 && name),
  };
}

export function lspJson(zebra: Zebra, lsp: Lsp): object {
  return {
    inLabel: lsp.label,
    ...(lsp.have !== undefined && { installed: true }),
    nexthops: shownNexthops(lsp).map(one => nexthopJson(zebra, one)),
  };
}

export function showLsp(zebra: Zebra, lsp: Lsp): string {
  let text = `Local label: ${lsp.label}${lsp.have === undefined ? '' : ' (installed)'}\n`;
  for (const { type, member, ifindex, installed } of shownNexthops(lsp)) {
    const { name, distance } = lspType(type);
    const { gatewayFamily, gateway } = member;
    text += ` type: ${name} remote label: ${outLabels(member).join('/')} distance: ${distance}\n`;
    const via = gatewayFamily === 0 ? [] : ['via', formatAddress(gatewayFamily, gateway)];
    const dev = ifindex === 0 ? [] : ['dev', zebra.interfaces.nameOf(ifindex)];
    text += `  ${[...via, ...dev].join(' ')}${installed ? ' (installed)' : ''}\n`;
  }
  return text;
}

/** Labels that somebody says something of: what an earlier life left is not among them until it is asked for. */
export function shownLsps(zebra: Zebra): Lsp[] {
  return zebra.mpls.lsps.list().filter(one => one.entries.length > 0);
}

export function showLsps(zebra: Zebra): string {
  const rows = shownLsps(zebra).flatMap(lsp =>
    shownNexthops(lsp).map(({ type, member, ifindex }) => {
      const { gatewayFamily, gateway } = member;
      const way = gatewayFamily === 0 ? zebra.interfaces.nameOf(ifindex) : formatAddress(gatewayFamily, gateway);
      const labels = gatewayFamily === 0 ? '-' : outLabels(member).map(labelText).join('/');
      return [String(lsp.label), lspType(type).name, way, labels];
    }),
  );
  return rows.length === 0 ? '' : `${textTable(['Inbound Label', 'Type', 'Nexthop', 'Outbound Label'], rows)}\n`;
}

/** A table as FRR sets it: columns as wide as they have to be, two spaces apart. */
function textTable(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const widths = head.map((title, i) => Math.max(title.length, ...rows.map(row => row[i]!.length)));
  const line = (cells: readonly string[]): string =>
    ` ${cells.map((cell, i) => `${cell.padEnd(widths[i]!)}  `).join('')}\n`;
  const width = widths.reduce((sum, one) => sum + one + 2, 0);
  return `${line(head)} ${'-'.repeat(width)}\n${rows.map(line).join('')}`;
}
