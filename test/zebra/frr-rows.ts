// `show ip route json` of ours and FRR's, to be compared.

export type Row = Record<string, unknown>;

/** Without what must differ: times, ids of objects, and FRR's count of flags that only its own daemons set. */
export function frrRows(text: string): Record<string, Row[]> {
  const json = JSON.parse(text) as Record<string, Row[]>;
  for (const row of Object.values(json).flat()) {
    for (const key of ['uptime', 'nexthopGroupId', 'installedNexthopGroupId', 'internalFlags']) delete row[key];
  }
  return json;
}
