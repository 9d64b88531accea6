// Next hops that clients track, and how they resolve now.
import { addressBits, type Family, formatAddress, formatPrefix } from '../../net/index.ts';
import { routeTypeName } from '../route-type.ts';
import type { Zebra } from '../zebra.ts';

export function showNht(zebra: Zebra, family: Family): string {
  let text = '';
  const byAddress = new Map<
    string,
    { clients: string[]; one: typeof zebra.resolver.registrations extends ReadonlySet<infer R> ? R : never }
  >();
  for (const one of zebra.resolver.registrations) {
    if (one.family !== family) continue;
    const host = one.length === addressBits(family);
    const key = host ? formatAddress(family, one.words) : formatPrefix(one);
    const client = zebra.owners.get(one.owner)?.options.name ?? `client ${one.owner}`;
    const there = byAddress.get(key);
    if (there === undefined) byAddress.set(key, { clients: [client], one });
    else there.clients.push(client);
  }
  for (const [key, { clients, one }] of byAddress) {
    text += `${key}${one.connected ? '(Connected)' : ''}\n`;
    const resolution = one.resolution;
    if (resolution === undefined) text += ' unresolved\n';
    else {
      text += ` resolved via ${routeTypeName(resolution.type)}\n`;
      for (const path of resolution.paths) {
        if (path.blackhole !== 0) text += ' is directly connected, Null0\n';
        else if (path.gatewayFamily === 0) text += ` is directly connected, ${zebra.interfaces.nameOf(path.ifindex)}\n`;
        else
          text += ` via ${formatAddress(path.gatewayFamily, path.gateway)}, ${zebra.interfaces.nameOf(path.ifindex)}\n`;
      }
    }
    text += ` Client list: ${clients.join(' ')}\n`;
  }
  return text;
}
