// Sizes of the tables of the bgp thread, for `show memory` and `show bgp memory`.
import type { Tables } from '../vty/index.ts';
import type { Bgp } from './bgp.ts';

export function memoryTables(bgp: Bgp): Tables {
  const tables: Record<string, Record<string, number>> = {};
  for (const instance of bgp.instances.values()) {
    tables[`${instance.name} attributes`] = { ...instance.store.stats() };
    for (const family of instance.families)
      tables[`${instance.name} ${family.afi} unicast`] = { ...family.table.stats() };
  }
  return tables;
}

export function memoryText(bgp: Bgp): string {
  const lines: string[] = [];
  for (const instance of bgp.instances.values()) {
    const attributes = instance.store.stats();
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
    );
    lines.push(`${instance.tracker.registered.size} Nexthop cache entries`);
    lines.push(`${instance.peers.size} peers`);
    lines.push(`${instance.groups.size} peer groups`);
  }
  return `${lines.join('\n')}\n`;
}
