// What a link is to the kernel (a bridge, a VRF, a tunnel …), what it is a port of, and whether a process keeps it down: the
// last lines of `show interface`.
import { AF_INET, formatAddress } from '../../net/index.ts';
import type { Interface, Interfaces } from '../interface/interfaces.ts';

const KIND_NAMES: Readonly<Record<string, string>> = {
  bridge: 'Bridge',
  vlan: 'Vlan',
  vxlan: 'Vxlan',
  vrf: 'VRF',
  veth: 'VETH',
  macvlan: 'macvlan',
  bond: 'bond',
  gre: 'GRE',
};
const PORT_NAMES: Readonly<Record<string, string>> = { bridge: 'Bridge', bond: 'Bond', vrf: 'Vrf' };

function masterOf(one: Interface, interfaces: Interfaces): Interface | undefined {
  return one.master === 0 ? undefined : interfaces.byIndex(one.master);
}

function kindName(one: Interface, master: Interface | undefined): string {
  return master?.detail.kind === 'bond' ? 'bond_slave' : (KIND_NAMES[one.detail.kind] ?? 'Other');
}

function portName(master: Interface | undefined): string {
  return master === undefined ? 'None' : (PORT_NAMES[master.detail.kind] ?? 'Other');
}

/** The device that it is a port of, where that is not its VRF, which is said elsewhere. */
function shownMaster(master: Interface | undefined): string | undefined {
  return master?.detail.kind === 'bridge' || master?.detail.kind === 'bond' ? master.name : undefined;
}

function ipv4(word: number): string {
  return formatAddress(AF_INET, [word, 0, 0, 0]);
}

/** For a reason of which the kernel keeps the bits; 7 is that of a routing daemon. */
function isKeptDownByOthers({ detail }: Interface): boolean {
  return detail.protoDown && (detail.protoDownReasons & ~(1 << 7)) !== 0;
}

function lowerName(one: Interface, interfaces: Interfaces): string | undefined {
  const { tunnelLink } = one.detail;
  return tunnelLink === 0 ? undefined : interfaces.nameOf(tunnelLink);
}

export function linkKindText(one: Interface, interfaces: Interfaces): string {
  const { kind, kindId, tunnelLocal, tunnelRemote, protoDown } = one.detail;
  const master = masterOf(one, interfaces);
  const lower = lowerName(one, interfaces);
  let text = `  Interface Type ${kindName(one, master)}\n  Interface Slave Type ${portName(master)}\n`;
  if (kind === 'bridge') text += `  Bridge VLAN-aware: ${kindId === 0 ? 'no' : 'yes'}\n`;
  else if (kind === 'vlan') text += `  VLAN Id ${kindId}\n`;
  else if (kind === 'vxlan') {
    text += `  VxLAN Id ${kindId}`;
    if (tunnelLocal !== 0) text += ` VTEP IP: ${ipv4(tunnelLocal)}`;
    if (tunnelRemote !== 0) text += `  Mcast Group ${ipv4(tunnelRemote)}`;
    text += lower === undefined ? '\n' : ` Link Interface ${lower}\n`;
  } else if (kind === 'gre' && tunnelLocal !== 0) {
    text += `  VTEP IP: ${ipv4(tunnelLocal)}${tunnelRemote === 0 ? '' : ` , remote ${ipv4(tunnelRemote)}`}\n`;
    if (lower !== undefined) text += `  Link Interface ${lower}\n`;
  }
  const of = shownMaster(master);
  if (of !== undefined) text += `  Master interface: ${of}\n`;
  text += `  protodown: ${protoDown ? 'on' : 'off'} ${kind === 'bond' ? '(n/a)' : ''}\n`;
  if (isKeptDownByOthers(one)) text += '  protodown reasons: (external)\n';
  return text;
}

export function linkKindJson(one: Interface, interfaces: Interfaces): object {
  const { kind, kindId, tunnelLocal, tunnelRemote } = one.detail;
  const master = masterOf(one, interfaces);
  const lower = lowerName(one, interfaces);
  const of = shownMaster(master);
  return {
    interfaceType: kindName(one, master),
    interfaceSlaveType: portName(master),
    ...(kind === 'bridge' ? { bridgeVlanAware: kindId !== 0 } : {}),
    ...(kind === 'vlan' ? { vlanId: kindId } : {}),
    ...(kind === 'vxlan'
      ? {
          vxlanId: kindId,
          ...(tunnelLocal === 0 ? {} : { vtepIp: ipv4(tunnelLocal) }),
          ...(tunnelRemote === 0 ? {} : { mcastGroup: ipv4(tunnelRemote) }),
          ...(lower === undefined ? {} : { linkInterface: lower }),
        }
      : {}),
    ...(kind === 'gre' && tunnelLocal !== 0
      ? {
          vtepIp: ipv4(tunnelLocal),
          ...(tunnelRemote === 0 ? {} : { vtepRemoteIp: ipv4(tunnelRemote) }),
          ...(lower === undefined ? {} : { linkInterface: lower }),
        }
      : {}),
    ...(of === undefined ? {} : { masterInterface: of }),
  };
}

/** A bond has no such thing: its ports have. */
export function protoDownJson(one: Interface): object {
  const { detail } = one;
  if (detail.kind === 'bond') return {};
  return {
    protodown: detail.protoDown ? 'on' : 'off',
    ...(isKeptDownByOthers(one) ? { protodownReason: '(external)' } : {}),
  };
}
