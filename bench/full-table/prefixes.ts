// The prefixes of the benchmark's table in the order in which they are announced, as columns.
import { readWord } from '../../src/net/index.ts';
import { buildTable } from '../lib/table.ts';

export interface Prefixes {
  addresses: Uint32Array;
  lengths: Uint8Array;
}

export function tablePrefixes(prefixes: number, attributeSets: number): Prefixes {
  const { updates, prefixCount } = buildTable({ prefixes, attributeSets });
  const addresses = new Uint32Array(prefixCount);
  const lengths = new Uint8Array(prefixCount);
  const padded = new Uint8Array(5);
  let row = 0;
  for (let at = 0; at < updates.length; ) {
    const end = at + ((updates[at + 16]! << 8) | updates[at + 17]!);
    const withdrawn = (updates[at + 19]! << 8) | updates[at + 20]!;
    const attributes = (updates[at + 21 + withdrawn]! << 8) | updates[at + 22 + withdrawn]!;
    for (let nlri = at + 23 + withdrawn + attributes; nlri < end; ) {
      const length = updates[nlri]!;
      const octets = (length + 7) >> 3;
      padded.fill(0);
      padded.set(updates.subarray(nlri + 1, nlri + 1 + octets));
      addresses[row] = readWord(padded, 0);
      lengths[row++] = length;
      nlri += 1 + octets;
    }
    at = end;
  }
  return { addresses, lengths };
}
