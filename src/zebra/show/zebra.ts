// Zebra itself: how it is set up, and how far what is wanted and what the kernel has lie apart.
import { ECMP_LIMIT } from '../nexthop/set.ts';
import { FAILED } from '../rib/table.ts';
import type { Zebra } from '../zebra.ts';

export function showZebra(zebra: Zebra, forwarding: { ip: boolean; ipv6: boolean; labels: boolean }): string {
  const line = (name: string, value: string): string => ` ${name.padEnd(30)} ${value.padEnd(24)} \n`;
  let text = line('ECMP Maximum', String(ECMP_LIMIT));
  text += line('v4 Forwarding', forwarding.ip ? 'On' : 'Off');
  text += line('v6 Forwarding', forwarding.ipv6 ? 'On' : 'Off');
  text += line('MPLS', forwarding.labels ? 'On' : 'Off');
  text += line('Kernel NHG', zebra.objects.enabled ? 'Available' : 'Available, not used');
  text += line('Earlier routes swept', zebra.rib.earlier.swept ? 'Yes' : 'Not yet');
  for (const one of zebra.all)
    for (const [name, count] of one.kept) text += line('Earlier routes kept', `${count} for ${name}`);
  text += `
                            Route      Route      Neighbor   LSP        LSP
VRF                         Installs   Removals    Updates   Installs   Removals
`;
  for (const { vrfs, rib, mpls } of zebra.all) {
    const numbers = [rib.stats.sentInstalls, rib.stats.sentDeletes, 0, mpls.lsps.installs, mpls.lsps.removals];
    text += `${vrfs.default.name.padEnd(25)}${numbers.map(one => String(one).padStart(11)).join('')}\n`;
  }
  return text;
}

export interface Drift {
  readonly destinationsWaiting: number;
  readonly destinationsInFlight: number;
  readonly failed: number;
  readonly stale: number;
  readonly nexthopObjects: readonly { id: number; kind: string; errno: number }[];
  /** MPLS labels: those that wait or are on their way, those that the kernel refused, and those of an earlier life. */
  readonly labelsWaiting: number;
  readonly labelsFailed: number;
  readonly labelsStale: number;
  readonly routesLostToKernel: number;
  readonly resynchronisations: number;
  readonly congestions: number;
}

/** What is wanted and not in the kernel, or the other way round, in all network namespaces. */
export function drift(zebra: Zebra): Drift {
  return zebra.all.map(driftOf).reduce((a, b) => ({
    destinationsWaiting: a.destinationsWaiting + b.destinationsWaiting,
    destinationsInFlight: a.destinationsInFlight + b.destinationsInFlight,
    failed: a.failed + b.failed,
    stale: a.stale + b.stale,
    nexthopObjects: [...a.nexthopObjects, ...b.nexthopObjects],
    labelsWaiting: a.labelsWaiting + b.labelsWaiting,
    labelsFailed: a.labelsFailed + b.labelsFailed,
    labelsStale: a.labelsStale + b.labelsStale,
    routesLostToKernel: a.routesLostToKernel + b.routesLostToKernel,
    resynchronisations: a.resynchronisations + b.resynchronisations,
    congestions: a.congestions + b.congestions,
  }));
}

function driftOf(zebra: Zebra): Drift {
  let failed = 0;
  for (const table of zebra.rib.tables) {
    for (let id = 0; id < table.prefixes.limit; id++) {
      if (table.prefixes.has(id) && (table.state[id]! & FAILED) !== 0) failed++;
    }
  }
  const { lsps } = zebra.mpls;
  return {
    destinationsWaiting: zebra.rib.dirty,
    destinationsInFlight: zebra.rib.settling.inFlight,
    failed,
    stale: zebra.rib.earlier.stale,
    nexthopObjects: zebra.objects.book.drift(),
    labelsWaiting: lsps.dirty + lsps.inFlight,
    labelsFailed: lsps.failed,
    labelsStale: lsps.stale,
    routesLostToKernel: zebra.rib.stats.lostRoutes,
    resynchronisations: zebra.resyncs,
    congestions: zebra.rib.stats.congestions,
  };
}

export function showDrift(zebra: Zebra): string {
  const now = drift(zebra);
  let text = 'Wanted and kernel:\n';
  text += `  Destinations waiting:       ${now.destinationsWaiting}\n`;
  text += `  Destinations in flight:     ${now.destinationsInFlight}\n`;
  text += `  Destinations failed:        ${now.failed}\n`;
  text += `  Earlier routes unclaimed:   ${now.stale}\n`;
  text += `  Nexthop objects to repair:  ${now.nexthopObjects.length}\n`;
  text += `  Labels waiting:             ${now.labelsWaiting}\n`;
  text += `  Labels failed:              ${now.labelsFailed}\n`;
  text += `  Earlier labels unclaimed:   ${now.labelsStale}\n`;
  text += `  Routes lost to the kernel:  ${now.routesLostToKernel}\n`;
  text += `  Resynchronisations:         ${now.resynchronisations}\n`;
  for (const one of now.nexthopObjects) {
    text += `  ${one.kind} ${one.id}${one.errno === 0 ? '' : `: refused with errno ${one.errno}`}\n`;
  }
  return text;
}
