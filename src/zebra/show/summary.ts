// How many routes there are of each source, in the RIB and in the FIB.
import type { Family } from '../../net/index.ts';
import { FLAG_IBGP, FLAG_OFFLOADED, FLAG_TRAPPED } from '../face.ts';
import { ROUTE_BGP, routeTypeName } from '../route-type.ts';
import type { Zebra } from '../zebra.ts';
import { inFib } from './route.ts';

interface Count {
  readonly name: string;
  readonly rib: number;
  readonly fib: number;
  readonly offloaded: number;
  readonly trapped: number;
}

function countRoutes(zebra: Zebra, vrf: number, family: Family): Count[] {
  const table = zebra.rib.table(vrf, family);
  // BGP is counted twice over: by eBGP and iBGP, as FRR does.
  const rib = new Uint32Array(128);
  const fib = new Uint32Array(128);
  const offloaded = new Uint32Array(128);
  const trapped = new Uint32Array(128);
  const { outcomes } = zebra.rib;
  for (let id = 0; id < table.prefixes.limit; id++) {
    if (!table.prefixes.has(id)) continue;
    for (let row = table.first[id]!; row >= 0; row = table.next[row]!) {
      const type = table.type[row]!;
      const at = type === ROUTE_BGP && (table.flags[row]! & FLAG_IBGP) !== 0 ? 64 + type : type;
      rib[at]!++;
      if (!inFib(table, id, row)) continue;
      fib[at]!++;
      const outcome = outcomes.of(table, id);
      if ((outcome & FLAG_OFFLOADED) !== 0) offloaded[at]!++;
      if ((outcome & FLAG_TRAPPED) !== 0) trapped[at]!++;
    }
  }
  const out: Count[] = [];
  const count = (name: string, at: number): Count => ({
    name,
    rib: rib[at]!,
    fib: fib[at]!,
    offloaded: offloaded[at]!,
    trapped: trapped[at]!,
  });
  for (let type = 0; type < 64; type++) {
    if (type === ROUTE_BGP) {
      const all = rib[type]! + rib[64 + type]!;
      if (all === 0) continue;
      out.push(count('ebgp', type), count('ibgp', 64 + type));
    } else if (rib[type]! > 0) out.push(count(routeTypeName(type), type));
  }
  return out;
}

export function showSummary(zebra: Zebra, vrf: number, family: Family): string {
  const line = (name: string, rib: number | string, fib: number | string): string =>
    `${name.padEnd(20)} ${String(rib).padEnd(20)} ${String(fib).padEnd(20)} \n`;
  let text = `${'Route Source'.padEnd(20)} ${'Routes'.padEnd(20)} FIB  (vrf ${zebra.vrfs.nameOf(vrf)})\n`;
  let rib = 0;
  let fib = 0;
  for (const one of countRoutes(zebra, vrf, family)) {
    text += line(one.name, one.rib, one.fib);
    rib += one.rib;
    fib += one.fib;
  }
  return `${text}------\n${line('Totals', rib, fib)}\n`;
}

export function showSummaryJson(zebra: Zebra, vrf: number, family: Family): object {
  const counts = countRoutes(zebra, vrf, family);
  return {
    routes: counts.map(one => ({
      fib: one.fib,
      rib: one.rib,
      fibOffLoaded: one.offloaded,
      fibTrapped: one.trapped,
      type: one.name,
    })),
    routesTotal: counts.reduce((sum, one) => sum + one.rib, 0),
    routesTotalFib: counts.reduce((sum, one) => sum + one.fib, 0),
  };
}
