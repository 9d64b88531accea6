// Next hops that clients track, and how they resolve now. FRR 8.4.4 has the text; the JSON is that of FRR from 8.5 on, where a
// client's `socket` is here its number in `show zebra client`.
import { addressBits, type Family, AF_INET, formatAddress, formatPrefix } from '../../net/index.ts';
import type { NhtRegistration } from '../face.ts';
import { routeTypeName } from '../route-type.ts';
import type { Vrf } from '../vrf.ts';
import type { Zebra } from '../zebra.ts';
import { nexthopJson } from './nexthop.ts';

interface Tracked {
  readonly name: string;
  /** The first of the clients' registrations: all of one address resolve alike, but for what each of them insists on. */
  readonly one: NhtRegistration;
  readonly clients: NhtRegistration[];
}

/** The addresses that somebody tracks in a VRF, in order. */
function trackedIn(zebra: Zebra, vrf: number, family: Family, only: string | undefined): Tracked[] {
  const byName = new Map<string, Tracked>();
  for (const one of zebra.resolver.registrations) {
    if (one.family !== family || one.vrf !== vrf) continue;
    const host = one.length === addressBits(family);
    const name = host ? formatAddress(family, one.words) : formatPrefix(one);
    if (only !== undefined && name !== only) continue;
    const there = byName.get(name);
    if (there === undefined) byName.set(name, { name, one, clients: [one] });
    else there.clients.push(one);
  }
  const words = (one: Tracked): readonly number[] => [...one.one.words, one.one.length];
  return [...byName.values()].sort((a, b) => {
    const differing = words(a).findIndex((word, i) => word !== words(b)[i]);
    return differing < 0 ? 0 : words(a)[differing]! - words(b)[differing]!;
  });
}

function clientName(zebra: Zebra, { owner }: NhtRegistration): string {
  return zebra.owners.get(owner)?.options.name ?? `client ${owner}`;
}

function trackedText(zebra: Zebra, { name, one, clients }: Tracked): string {
  let text = `${name}${one.connected ? '(Connected)' : ''}\n`;
  const resolution = one.resolution;
  if (resolution === undefined) text += ' unresolved\n';
  else {
    text += ` resolved via ${routeTypeName(resolution.type)}\n`;
    for (const path of resolution.paths) {
      const link = zebra.interfaces.nameOf(path.ifindex);
      if (path.blackhole !== 0) text += ' is directly connected, Null0\n';
      else if (path.gatewayFamily === 0) text += ` is directly connected, ${link}\n`;
      else text += ` via ${formatAddress(path.gatewayFamily, path.gateway)}, ${link}\n`;
    }
  }
  return `${text} Client list: ${clients.map(client => clientName(zebra, client)).join(' ')}\n`;
}

function trackedJson(zebra: Zebra, { one, clients }: Tracked): object {
  const resolution = one.resolution;
  return {
    nhtConnected: one.connected,
    clientList: clients.map(client => ({
      protocol: clientName(zebra, client),
      socket: client.owner,
      protocolFiltered: 'none',
    })),
    nexthops: (resolution?.paths ?? []).map(path =>
      nexthopJson(
        zebra,
        {
          ...path,
          level: 0,
          recursive: false,
          active: true,
          onlink: false,
          vrf: path.vrf === one.vrf ? undefined : zebra.vrfs.nameOf(path.vrf),
        },
        true,
      ),
    ),
    ...(resolution === undefined ? { unresolved: true } : { resolvedProtocol: routeTypeName(resolution.type) }),
  };
}

/** `heads`: of several VRFs, each says its name. `only`: one address as it is written, if it is tracked. */
export function showNht(
  zebra: Zebra,
  vrfs: readonly Vrf[],
  family: Family,
  heads: boolean,
  only: string | undefined,
): string {
  return vrfs
    .map(({ id, name }) => {
      const its = zebra.of(id);
      const text = trackedIn(its, id, family, only).map(one => trackedText(its, one));
      return `${heads ? `\nVRF ${name}:\n` : ''}${text.join('')}`;
    })
    .join('');
}

export function nhtJson(zebra: Zebra, vrfs: readonly Vrf[], family: Family, only: string | undefined): object {
  const of = ({ id }: Vrf): object => {
    const its = zebra.of(id);
    return Object.fromEntries(trackedIn(its, id, family, only).map(one => [one.name, trackedJson(its, one)]));
  };
  return Object.fromEntries(vrfs.map(vrf => [vrf.name, { [family === AF_INET ? 'ipv4' : 'ipv6']: of(vrf) }]));
}
