// `show bgp segment-routing srv6`: the locator that SIDs are made of, the SIDs, and which instance has which.
import { AF_INET6, type AddressWords, formatAddress, formatPrefix } from '../../net/index.ts';
import type { Bgp } from '../bgp.ts';
import type { BgpInstance } from '../instance.ts';
import { EndpointBehavior } from '../wire/prefix-sid.ts';
import type { SidKind } from './sids.ts';

/** As IANA calls what our SIDs do. */
const BEHAVIORS: ReadonlyMap<number, string> = new Map([
  [EndpointBehavior.dt4, 'End.DT4'],
  [EndpointBehavior.dt6, 'End.DT6'],
  [EndpointBehavior.dt46, 'End.DT46'],
  [EndpointBehavior.dt4Next, 'End.DT4 with NEXT-CSID'],
  [EndpointBehavior.dt6Next, 'End.DT6 with NEXT-CSID'],
  [EndpointBehavior.dt46Next, 'End.DT46 with NEXT-CSID'],
]);

const text = (words: AddressWords): string => formatAddress(AF_INET6, words);

/** The instances that may have SIDs, each with what it has. */
function users(
  bgp: Bgp,
): { readonly name: string; readonly sidOf: (kind: SidKind) => string | undefined; readonly problems: string[] }[] {
  const { sids } = bgp.vpn;
  const kinds = ['dt4', 'dt6', 'dt46'] as const;
  const all: BgpInstance[] = [...bgp.instances.values()].filter(one => one.kind !== 'view');
  return all.map(one => ({
    name: one.name,
    sidOf: kind => {
      const sid = sids.of(one, kind);
      return sid && text(sid.words);
    },
    problems: [...new Set(kinds.flatMap(kind => sids.problem(one, kind) ?? []))],
  }));
}

export function srv6Text(bgp: Bgp): string {
  const { locator = '', chunk } = bgp.vpn.sids;
  const lines = [`locator_name: ${locator}`, 'locator_chunks:'];
  if (chunk !== undefined) lines.push(`- ${formatPrefix(chunk.prefix)}`);
  lines.push('functions:');
  for (const { sid } of bgp.vpn.sids) lines.push(`- sid: ${text(sid.words)}`, `  locator: ${locator}`);
  lines.push('bgps:');
  for (const { name, sidOf, problems } of users(bgp)) {
    lines.push(
      `- name: ${name}`,
      `  vpn_policy[AFI_IP].tovpn_sid: ${sidOf('dt4') ?? 'none'}`,
      `  vpn_policy[AFI_IP6].tovpn_sid: ${sidOf('dt6') ?? 'none'}`,
    );
    const both = sidOf('dt46');
    if (both !== undefined) lines.push(`  per-vrf tovpn_sid: ${both}`);
    for (const problem of problems) lines.push(`  problem: ${problem}`);
  }
  return `${lines.join('\n')}\n`;
}

export function srv6Json(bgp: Bgp): object {
  const { sids } = bgp.vpn;
  const { locator, chunk } = sids;
  return {
    locatorName: locator ?? 'none',
    locatorChunks:
      chunk === undefined
        ? []
        : [
            {
              prefix: formatPrefix(chunk.prefix),
              blockBitsLength: chunk.blockBits,
              nodeBitsLength: chunk.nodeBits,
              functionBitsLength: chunk.functionBits,
              argumentBitsLength: chunk.argumentBits,
            },
          ],
    functions: Array.from(sids, ({ sid, vrf }) => ({
      sid: text(sid.words),
      locator,
      function: sid.function,
      behavior: BEHAVIORS.get(sid.behavior),
      vrf,
    })),
    bgps: users(bgp).map(({ name, sidOf, problems }) => ({
      name,
      ipv4ToVpnSid: sidOf('dt4') ?? 'none',
      ipv6ToVpnSid: sidOf('dt6') ?? 'none',
      perVrfToVpnSid: sidOf('dt46') ?? 'none',
      ...(problems.length === 0 ? {} : { problems }),
    })),
  };
}
