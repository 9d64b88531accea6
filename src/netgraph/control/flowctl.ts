// flowctl(8): the flows that a netflow node is counting, as Cisco's `show ip cache flow` has them.
import { closeFd, interfaceName, openPacketSocket } from '../../sys/index.ts';
import type { FlowEntry, FlowPage } from '../node/lib/netflow-show.ts';
import type { Messenger } from './messenger.ts';

export interface FlowctlOptions {
  readonly path: string;
  readonly versions: readonly (4 | 6)[];
  readonly how: 'short' | 'human' | 'verbose';
  readonly print: (text: string) => void;
}

type Naming = (ifindex: number) => string;

/** Prints all flows. Rejects with a NetgraphError. */
export async function showFlows(messenger: Messenger, { path, versions, how, print }: FlowctlOptions): Promise<void> {
  const fd = openPacketSocket();
  // The graph may be in another network namespace: what has no name here is printed as a number.
  const naming: Naming = ifindex => {
    try {
      return ifindex === 0 ? '-' : interfaceName(fd, ifindex);
    } catch {
      return String(ifindex);
    }
  };
  try {
    for (const version of versions) {
      const layout = LAYOUTS[how](version);
      let first = 0;
      do {
        const asked = { version, hash_id: first, list_id: 0, nentries: 0 };
        const page = (await messenger.request(path, 'show', asked)) as FlowPage;
        const entries = version === 4 ? page.entries : page.entries6;
        if (first === 0 && entries.length > 0) print(layout.header);
        for (const entry of entries) print(layout.row(entry, naming));
        first = page.hash_id;
      } while (first !== 0);
    }
  } finally {
    closeFd(fd);
  }
}

interface Layout {
  readonly header: string;
  row(entry: FlowEntry, naming: Naming): string;
}

/** Columns: a name, how wide (left-aligned where negative), and what stands there. */
type Column = readonly [name: string, width: number, value: (entry: FlowEntry, naming: Naming) => string | number];

const hex = (value: number, width: number): string => value.toString(16).padStart(width, '0');

function ends(interfaceWidth: number, addressWidth: number): Column[] {
  return [
    ['SrcIf', -interfaceWidth, ({ r }, naming) => naming(r.i_ifx)],
    ['SrcIPaddress', -addressWidth, ({ r }) => r.src],
    ['DstIf', -interfaceWidth, ({ o_ifx }, naming) => naming(o_ifx)],
    ['DstIPaddress', -addressWidth, ({ r }) => r.dst],
  ];
}

const LAYOUTS: Readonly<Record<FlowctlOptions['how'], (version: 4 | 6) => Layout>> = {
  short: version =>
    table([
      [
        ...ends(13, version === 4 ? 15 : 30),
        ['Pr', 2, ({ r }) => r.proto],
        ['SrcP', 4, ({ r }) => hex(r.sport, 4)],
        ['DstP', 4, ({ r }) => hex(r.dport, 4)],
        ['Pkts', 6, ({ packets }) => packets],
      ],
    ]),
  human: version =>
    table([
      [
        ...ends(13, version === 4 ? 15 : 36),
        ['Proto', 5, ({ r }) => r.proto],
        ['SrcPort', 8, ({ r }) => r.sport],
        ['DstPort', 8, ({ r }) => r.dport],
        ['Pkts', 8, ({ packets }) => packets],
      ],
    ]),
  verbose: version =>
    table([
      [
        ...ends(14, version === 4 ? 15 : 30),
        ['Pr', 2, ({ r }) => r.proto],
        ['TOS', 3, ({ r }) => hex(r.tos, 1)],
        ['Flgs', 4, ({ tcp_flags }) => hex(tcp_flags, 1)],
        ['Pkts', 6, ({ packets }) => packets],
      ],
      [
        ['Port', -4, ({ r }) => hex(r.sport, 4)],
        ['Msk', -3, ({ src_mask }) => `/${src_mask}`],
        ['AS', version === 4 ? -22 : -37, () => 0],
        ['Port', -4, ({ r }) => hex(r.dport, 4)],
        ['Msk', -3, ({ dst_mask }) => `/${dst_mask}`],
        ['AS', -5, () => 0],
        ['NextHop', version === 4 ? -15 : -30, ({ next_hop }) => next_hop],
        ['B/Pk', 9, ({ bytes, packets }) => Math.floor(bytes / packets)],
        ['Active', 8, ({ first, last }) => Math.floor((last - first) / 1000)],
      ],
    ]),
};

/** Several lines are followed by an empty one. */
function table(lines: readonly (readonly Column[])[]): Layout {
  const print = (cell: (column: Column) => string): string =>
    lines
      .map(
        columns =>
          columns
            .map(column => aligned(cell(column), column[1]))
            .join(' ')
            .trimEnd() + '\n',
      )
      .join('');
  const gap = lines.length > 1 ? '\n' : '';
  return {
    header: print(([name]) => name),
    row: (entry, naming) => print(([, , value]) => String(value(entry, naming))) + gap,
  };
}

function aligned(text: string, width: number): string {
  return width < 0 ? text.padEnd(-width) : text.padStart(width);
}
