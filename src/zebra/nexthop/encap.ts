// What a next hop does to packets beyond sending them on: labels that it pushes, segments that it sends them by, or what a
// local SID stands for. Values of netlink's; here they are compared, joined and named.
import { type AddressWords, formatAddress, formatIp4, AF_INET6 } from '../../net/index.ts';
import { type Encap, rtnetlink as c } from '../../netlink/index.ts';

export type { Encap };

/** RFC 3032 §2.1: not pushed, but the label below it is the last. */
export const IMPLICIT_NULL = 3;

function words(address: AddressWords | undefined): string {
  return address === undefined ? '' : address.join('.');
}

/** The same content is the same text; '' for none. */
export function encapKey(encap: Encap | undefined): string {
  if (encap === undefined) return '';
  if (encap.type === c.LWTUNNEL_ENCAP_MPLS) return `l${encap.labels.join('/')}`;
  if (encap.type === c.LWTUNNEL_ENCAP_SEG6) return `s${encap.mode}:${encap.segments.map(words).join('/')}`;
  const { action, table, vrfTable, gateway4, gateway6 } = encap;
  return `a${action}:${table ?? ''}:${vrfTable ?? ''}:${gateway4 ?? ''}:${words(gateway6)}`;
}

export function sameEncap(a: Encap | undefined, b: Encap | undefined): boolean {
  return a === b || (a !== undefined && b !== undefined && encapKey(a) === encapKey(b));
}

/** To be spread into a path: nothing where there is none. */
export function withEncap(encap: Encap | undefined): { readonly encap?: Encap } {
  return encap === undefined ? {} : { encap };
}

/** What of it the kernel is told. */
export function pushed(encap: Encap | undefined): Encap | undefined {
  if (encap?.type !== c.LWTUNNEL_ENCAP_MPLS || !encap.labels.includes(IMPLICIT_NULL)) return encap;
  const labels = encap.labels.filter(label => label !== IMPLICIT_NULL);
  return labels.length === 0 ? undefined : { ...encap, labels };
}

/** A next hop's own over that of the path which it resolves through: `false` where one path cannot do both. */
export function joined(own: Encap | undefined, through: Encap | undefined): Encap | undefined | false {
  if (own === undefined) return through;
  if (through === undefined) return own;
  if (own.type !== c.LWTUNNEL_ENCAP_MPLS || through.type !== c.LWTUNNEL_ENCAP_MPLS) return false;
  return { type: own.type, labels: [...through.labels, ...own.labels] };
}

/** The table of a VRF device that a local SID looks up in. */
export function vrfTableOf(encap: Encap | undefined): number | undefined {
  return encap?.type === c.LWTUNNEL_ENCAP_SEG6_LOCAL ? encap.vrfTable : undefined;
}

export function labelsOf(encap: Encap | undefined): readonly number[] {
  return encap?.type === c.LWTUNNEL_ENCAP_MPLS ? encap.labels : [];
}

/** FRR's names of the labels that mean something by themselves. */
const LABEL_NAMES: readonly (string | undefined)[] = [
  'IPv4 Explicit Null',
  'Router Alert',
  'IPv6 Explicit Null',
  'implicit-null',
  undefined,
  undefined,
  undefined,
  'Entropy Label Indicator',
  undefined,
  undefined,
  undefined,
  undefined,
  undefined,
  'Generic Associated Channel',
  'OAM Alert',
  'Extension',
];

export function labelText(label: number): string {
  return label < LABEL_NAMES.length ? (LABEL_NAMES[label] ?? `Reserved (${label})`) : String(label);
}

const ACTION_NAMES: Readonly<Record<number, string>> = {
  [c.SEG6_LOCAL_ACTION_END]: 'End',
  [c.SEG6_LOCAL_ACTION_END_X]: 'End.X',
  [c.SEG6_LOCAL_ACTION_END_T]: 'End.T',
  [c.SEG6_LOCAL_ACTION_END_DX2]: 'End.DX2',
  [c.SEG6_LOCAL_ACTION_END_DX6]: 'End.DX6',
  [c.SEG6_LOCAL_ACTION_END_DX4]: 'End.DX4',
  [c.SEG6_LOCAL_ACTION_END_DT6]: 'End.DT6',
  [c.SEG6_LOCAL_ACTION_END_DT4]: 'End.DT4',
  [c.SEG6_LOCAL_ACTION_END_B6]: 'End.B6',
  [c.SEG6_LOCAL_ACTION_END_B6_ENCAP]: 'End.B6.Encap',
  [c.SEG6_LOCAL_ACTION_END_DT46]: 'End.DT46',
};

export function actionName(action: number): string {
  return ACTION_NAMES[action] ?? 'unknown';
}

/** `, label 16/17`, `, seg6 fd00::1`, `, seg6local End.X nh6 2001:db8::9`. */
export function encapText(encap: Encap | undefined): string {
  if (encap === undefined) return '';
  if (encap.type === c.LWTUNNEL_ENCAP_MPLS) return `, label ${encap.labels.map(labelText).join('/')}`;
  if (encap.type === c.LWTUNNEL_ENCAP_SEG6) {
    return `, seg6 ${encap.segments.map(segment => formatAddress(AF_INET6, segment)).join(',')}`;
  }
  let text = `, seg6local ${actionName(encap.action)}`;
  const table = encap.vrfTable ?? encap.table;
  if (encap.action === c.SEG6_LOCAL_ACTION_END) text += ' USP';
  if (encap.gateway6 !== undefined) text += ` nh6 ${formatAddress(AF_INET6, encap.gateway6)}`;
  if (encap.gateway4 !== undefined) text += ` nh4 ${formatIp4(encap.gateway4)}`;
  if (table !== undefined) text += ` table ${table}`;
  return text;
}

/** FRR 8.4.4 gives both of SRv6's keys where there is one of them. */
export function encapJson(encap: Encap | undefined): Record<string, unknown> {
  if (encap === undefined) return {};
  if (encap.type === c.LWTUNNEL_ENCAP_MPLS) return { labels: encap.labels };
  const local = encap.type === c.LWTUNNEL_ENCAP_SEG6_LOCAL;
  const segments = local ? [] : encap.segments.map(segment => formatAddress(AF_INET6, segment));
  return {
    seg6local: { action: local ? actionName(encap.action) : 'unspec' },
    seg6: { segs: segments.length === 0 ? '::' : segments.join(',') },
  };
}
