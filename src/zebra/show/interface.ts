// Interfaces: in full, in brief, by their descriptions.
import { AF_INET, containsAddress, formatAddress, isLinkLocal6, isLoopback } from '../../net/index.ts';
import { interfaceSwitches } from '../forwarding.ts';
import {
  IFA_F_SECONDARY,
  IFF_BROADCAST,
  IFF_LOOPBACK,
  IFF_MULTICAST,
  IFF_NOARP,
  IFF_POINTOPOINT,
  IFF_RUNNING,
  IFF_UP,
  type Interface,
  type InterfaceAddress,
} from '../interface/interfaces.ts';
import type { Zebra } from '../zebra.ts';
import { linkKindJson, linkKindText, protoDownJson } from './link-kind.ts';

const FLAG_NAMES: readonly (readonly [number, string])[] = [
  [IFF_UP, 'UP'],
  [IFF_BROADCAST, 'BROADCAST'],
  [IFF_LOOPBACK, 'LOOPBACK'],
  [IFF_POINTOPOINT, 'POINTOPOINT'],
  [IFF_RUNNING, 'RUNNING'],
  [IFF_NOARP, 'NOARP'],
  [IFF_MULTICAST, 'MULTICAST'],
];

function flagText(flags: number): string {
  return `<${FLAG_NAMES.filter(([bit]) => (flags & bit) !== 0)
    .map(([, name]) => name)
    .join(',')}>`;
}

const HARDWARE: Readonly<Record<number, string>> = {
  1: 'Ethernet',
  512: 'PPP',
  768: 'IPIP Tunnel',
  769: 'IPIP6 Tunnel',
  772: 'Loopback',
  776: 'IPv6-in-IPv4 SIT',
  778: 'GRE over IP',
};

function macText(mac: Uint8Array): string {
  return Array.from(mac, byte => byte.toString(16).padStart(2, '0')).join(':');
}

/** As they came; the host's own 127.0.0.0/8 and ::1 are not shown. */
function shownAddresses(one: Interface): InterfaceAddress[] {
  return one.addresses.filter(address => !isLoopback(address.family, address.local));
}

/** By family and address; the brief JSON alone keeps the order in which they came. */
function sortedAddresses(one: Interface): InterfaceAddress[] {
  return shownAddresses(one).toSorted((a, b) => {
    if (a.family !== b.family) return a.family - b.family;
    for (const i of [0, 1, 2, 3] as const) if (a.local[i] !== b.local[i]) return a.local[i] - b.local[i];
    return a.length - b.length;
  });
}

function addressText(address: InterfaceAddress): string {
  return `${formatAddress(address.family, address.local)}/${address.length}`;
}

function hasMac(one: Interface): boolean {
  return one.mac.length > 0 && !one.loopback;
}

/** The kernel labels an IPv4 address with the interface's own name unless told otherwise. */
function hasLabel(one: Interface, address: InterfaceAddress): boolean {
  return address.label !== '' && address.label !== one.name;
}

/** The device below, or the other end of a pair. */
function parentOf(zebra: Zebra, one: Interface): Interface | undefined {
  const ifindex = one.link === 0 ? one.detail.tunnelLink : one.link;
  return ifindex === 0 ? undefined : zebra.interfaces.byIndex(ifindex);
}

/** The kernel's word for it, which is in UTF-8 if its author's terminal was. */
function aliasOf(one: Interface): string {
  return Buffer.from(one.detail.alias, 'latin1').toString();
}

function timeText(ms: number): string {
  if (ms === 0) return '(never)';
  const at = new Date(ms);
  const two = (n: number): string => String(n).padStart(2, '0');
  const date = `${at.getFullYear()}/${two(at.getMonth() + 1)}/${two(at.getDate())}`;
  return `${date} ${two(at.getHours())}:${two(at.getMinutes())}:${two(at.getSeconds())}.${two(Math.floor(at.getMilliseconds() / 10))}`;
}

/** By name, as FRR sorts: numbers inside names count as numbers. */
export function sortedInterfaces(zebra: Zebra, vrf: number): Interface[] {
  return zebra.interfaces.list(vrf).toSorted((a, b) => a.name.localeCompare(b.name, 'en', { numeric: true }));
}

export function showInterface(zebra: Zebra, one: Interface): string {
  const admin = (one.flags & IFF_UP) !== 0;
  let text = `Interface ${one.name} is ${admin ? 'up' : 'down'}`;
  if (admin) text += `, line protocol is ${one.operative ? 'up' : 'down'}`;
  text += `\n  Link ups:   ${String(one.ups).padStart(5)}    last: ${timeText(one.lastUp)}\n`;
  text += `  Link downs: ${String(one.downs).padStart(5)}    last: ${timeText(one.lastDown)}\n  vrf: ${zebra.vrfs.nameOf(one.vrf)}\n`;
  if (one.description !== '') text += `  Description: ${one.description}\n`;
  if (one.detail.alias !== '') text += `  OS Description: ${aliasOf(one)}\n`;
  text += `  index ${one.ifindex} metric 0 mtu ${one.mtu} speed ${one.speed} \n  flags: ${flagText(one.flags)}\n`;
  text += `  Type: ${HARDWARE[one.hardwareType] ?? 'Unknown'}\n`;
  if (hasMac(one)) text += `  HWaddr: ${macText(one.mac)}\n`;
  for (const family of [AF_INET, 10] as const) {
    for (const address of sortedAddresses(one)) {
      if (address.family !== family) continue;
      text += `  ${family === AF_INET ? 'inet' : 'inet6'} ${addressText(address)}`;
      if (address.hasPeer) text += ` peer ${formatAddress(family, address.peer)}/${address.length} unnumbered`;
      if ((address.flags & IFA_F_SECONDARY) !== 0) text += ' secondary';
      if (hasLabel(one, address)) text += ` ${address.label}`;
      text += '\n';
    }
  }
  text += linkKindText(one, zebra.interfaces);
  const parent = parentOf(zebra, one);
  if (parent !== undefined) text += `  Parent interface: ${parent.name}\n`;
  return text;
}

export function interfaceJson(zebra: Zebra, one: Interface): object {
  const parent = parentOf(zebra, one);
  const admin = (one.flags & IFF_UP) !== 0;
  return {
    administrativeStatus: admin ? 'up' : 'down',
    ...(admin ? { operationalStatus: one.operative ? 'up' : 'down', linkDetection: true } : {}),
    linkUps: one.ups,
    linkDowns: one.downs,
    ...(one.lastUp === 0 ? {} : { lastLinkUp: timeText(one.lastUp) }),
    ...(one.lastDown === 0 ? {} : { lastLinkDown: timeText(one.lastDown) }),
    vrfName: zebra.vrfs.nameOf(one.vrf),
    ...(one.description === '' ? {} : { description: one.description }),
    ...(one.detail.alias === '' ? {} : { OsDescription: aliasOf(one) }),
    ...interfaceSwitches(one.name),
    pseudoInterface: false,
    index: one.ifindex,
    metric: 0,
    mtu: one.mtu,
    speed: one.speed,
    flags: flagText(one.flags),
    type: HARDWARE[one.hardwareType] ?? 'Unknown',
    ...(hasMac(one) ? { hardwareAddress: macText(one.mac) } : {}),
    ipAddresses: sortedAddresses(one).map(address => ({
      address: addressText(address),
      ...(address.hasPeer ? { peer: `${formatAddress(address.family, address.peer)}/${address.length}` } : {}),
      secondary: (address.flags & IFA_F_SECONDARY) !== 0,
      unnumbered: address.hasPeer,
      ...(hasLabel(one, address) ? { label: address.label } : {}),
    })),
    ...linkKindJson(one, zebra.interfaces),
    // A bond's business, and EVPN's: zebra has neither.
    lacpBypass: false,
    evpnMh: {},
    ...protoDownJson(one),
    ...(parent === undefined ? {} : { parentInterface: parent.name }),
  };
}

/** What the brief forms list: IPv4 without secondary ones, then IPv6 without link-local ones. */
function isBrief(address: InterfaceAddress): boolean {
  return address.family === AF_INET ? (address.flags & IFA_F_SECONDARY) === 0 : !isLinkLocal6(address.local);
}

/** Up by the administrator's word: whether there is a carrier is not said here. */
function briefStatus(one: Interface): string {
  return (one.flags & IFF_UP) !== 0 ? 'up' : 'down';
}

function vrfName(zebra: Zebra, { vrf }: Interface): string {
  return zebra.of(vrf).vrfs.nameOf(vrf);
}

/** Those of one VRF. */
export function showInterfacesBrief(zebra: Zebra, interfaces: readonly Interface[]): string {
  let text = 'Interface       Status  VRF             Addresses\n---------       ------  ---             ---------\n';
  for (const one of interfaces) {
    const four = sortedAddresses(one).filter(address => address.family === AF_INET);
    const primary = four.filter(isBrief);
    // A plus says that there are secondary ones in the same network.
    const hasMore = ({ family, local, length }: InterfaceAddress): boolean =>
      four.some(other => !isBrief(other) && containsAddress({ family, words: local, length }, family, other.local));
    const lines = primary.map(address => `${hasMore(address) ? '+ ' : ''}${addressText(address)}`);
    // One global IPv6 address, the first that came, stands for all; a plus says that there are more, link-local ones counted.
    const six = shownAddresses(one).filter(address => address.family !== AF_INET);
    const global = six.find(isBrief);
    if (global !== undefined) lines.push(`${six.length > 1 ? '+ ' : ''}${addressText(global)}`);
    const head = `${one.name.padEnd(16)}${briefStatus(one).padEnd(8)}${vrfName(zebra, one).padEnd(16)}`;
    text += `${head}${lines[0] ?? ''}\n`;
    for (const line of lines.slice(1)) text += `${' '.repeat(40)}${line}\n`;
  }
  return `${text}\n`;
}

export function interfacesBriefJson(zebra: Zebra, interfaces: readonly Interface[]): object {
  const json: Record<string, unknown> = {};
  for (const one of interfaces) {
    json[one.name] = {
      status: briefStatus(one),
      vrfName: vrfName(zebra, one),
      addresses: shownAddresses(one).filter(isBrief).map(addressText),
    };
  }
  return json;
}

export function showInterfaceDescriptions(interfaces: readonly Interface[]): string {
  let text = 'Interface       Status  Protocol  Description\n';
  for (const one of interfaces) {
    const admin = (one.flags & IFF_UP) !== 0 ? 'up' : 'down';
    text += `${one.name.padEnd(16)}${admin.padEnd(8)}${(one.operative ? 'up' : 'down').padEnd(10)}`;
    const words = [one.description, aliasOf(one)].filter(word => word !== '');
    text += `${words.join(`\n${' '.repeat(34)}`)}\n`;
  }
  return text;
}
