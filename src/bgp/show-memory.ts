// Sizes of the tables of the bgp thread, for `show memory` and `show bgp memory`.
import type { Tables } from '../vty/index.ts';
import type { Bgp } from './bgp.ts';
import type { BgpInstance } from './instance.ts';
import { FAMILY } from './wire/family.ts';

/** Of the attribute sets that update groups have to themselves. */
function groupSets(instance: BgpInstance): Record<'sets' | 'arenaBytes' | 'arenaUsedBytes' | 'columnBytes', number> {
  const sum = { sets: 0, arenaBytes: 0, arenaUsedBytes: 0, columnBytes: 0 };
  for (const family of instance.families) {
    for (const { group } of family.groups.values()) {
      const own = group.sets.stats();
      for (const key of ['sets', 'arenaBytes', 'arenaUsedBytes', 'columnBytes'] as const) sum[key] += own[key];
    }
  }
  return sum;
}

export function memoryTables(bgp: Bgp): Tables {
  const tables: Record<string, Record<string, number>> = {};
  for (const instance of bgp.instances.values()) {
    tables[`${instance.name} attributes`] = { ...instance.store.stats() };
    tables[`${instance.name} attributes of update groups`] = groupSets(instance);
    for (const family of instance.families) {
      // What only some have is shown where there is something.
      if (!family.unicast && family.table.prefixCount === 0) continue;
      tables[`${instance.name} ${FAMILY[family.afi].words}`] = { ...family.table.stats() };
    }
  }
  return tables;
}

export function memoryText(bgp: Bgp): string {
  const lines: string[] = [];
  for (const instance of bgp.instances.values()) {
    const attributes = instance.store.stats();
    const own = groupSets(instance);
    let prefixes = 0;
    let paths = 0;
    let bytes = 0;
    for (const family of instance.families) {
      const stats = family.table.stats();
      prefixes += stats.prefixes;
      paths += stats.paths;
      bytes += stats.columnBytes;
    }
    lines.push(`${prefixes} RIB nodes and ${paths} BGP routes, using ${bytes} bytes of memory`);
    lines.push(
      `${attributes.sets} BGP attributes, using ${attributes.arenaBytes + attributes.columnBytes} bytes of memory`,
      `${own.sets} BGP attributes of update groups, using ${own.arenaBytes + own.columnBytes} bytes of memory`,
    );
    lines.push(`${instance.tracker.registered.size} Nexthop cache entries`);
    lines.push(`${instance.peers.size} peers`);
    lines.push(`${instance.groups.size} peer groups`);
  }
  return `${lines.join('\n')}\n`;
}
