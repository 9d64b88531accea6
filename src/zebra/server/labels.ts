// What clients say of labels: those of VRFs, label-switched paths, and labels for other clients' routes. Read off FRR 8.4.4:
// a deletion without next hops takes all of the client's type, a replacement what there was before, and a next hop is known by
// its gateway and interface, whatever its labels.
import { AF_INET, AF_INET6 } from '../../net/index.ts';
import { rtnetlink as c } from '../../netlink/index.ts';
import {
  type LabelledPaths,
  NEXTHOP_BLACKHOLE,
  NEXTHOP_FLAG_ONLINK,
  NEXTHOP_IFINDEX,
  NEXTHOP_IPV4_IFINDEX,
  NEXTHOP_IPV6,
  NEXTHOP_IPV6_IFINDEX,
  NO_LABEL,
  type UpdateNexthop,
} from '../../zapi/index.ts';
import { FIRST_LABEL, LAST_LABEL } from '../mpls/lsp.ts';
import type { Encap } from '../nexthop/encap.ts';
import { gatewayNexthop, interfaceNexthop, type Nexthop } from '../nexthop/set.ts';
import { VRF_DEFAULT } from '../vrf.ts';
import type { Client, On } from './client.ts';

type Change = 'add' | 'remove' | 'replace';

export function onLabels(on: On, client: Client): void {
  const { mpls } = client.host.zebra;
  on('VRF_LABEL', ({ label, afi, lspType }, vrf) => {
    if (label !== NO_LABEL && !isLabel(label)) client.complain(`VRF ${vrf} cannot have the label ${label}`);
    else if (!mpls.vrfs.say(vrf, afi, label === NO_LABEL ? undefined : label, lspType, client.ownerNumber())) {
      const elsewhere = client.host.zebra.vrfs.get(vrf) !== undefined;
      const why = elsewhere ? 'a network namespace that labels do not lead into' : 'not there';
      client.complain(`label ${label} for VRF ${vrf}, which is ${why}`);
    } else {
      const first = mpls.vrfs.whose(label, lspType);
      if (first !== undefined && first !== vrf)
        client.complain(`label ${label} for VRF ${vrf} is that of VRF ${first}`);
    }
  });
  on('MPLS_LABELS_ADD', (message, vrf) => change(client, message, vrf, 'add'));
  on('MPLS_LABELS_DELETE', (message, vrf) => {
    change(client, message, vrf, message.nexthops.length === 0 ? 'replace' : 'remove');
  });
  on('MPLS_LABELS_REPLACE', (message, vrf) => change(client, message, vrf, 'replace'));
}

function isLabel(label: number): boolean {
  return label >= FIRST_LABEL && label <= LAST_LABEL;
}

function change(client: Client, message: LabelledPaths, vrf: number, how: Change): void {
  const { label, lspType, route } = message;
  if (vrf !== VRF_DEFAULT) {
    client.complain(`asks for what is not supported: labels in VRF ${vrf}`);
    return;
  }
  const members: Nexthop[] = [];
  for (const one of message.nexthops) {
    const member = memberOf(one);
    if (typeof member === 'string') client.complain(`asks for what is not supported: label ${label} for ${member}`);
    else members.push(member);
  }
  const { lsps, routes } = client.host.zebra.mpls;
  const owner = client.ownerNumber();
  // Without a label that comes in, only the route's own packets are concerned.
  if (isLabel(label)) {
    if (how === 'add') lsps.add(label, lspType, members, owner);
    else if (how === 'remove') lsps.remove(label, lspType, members);
    else lsps.set(label, lspType, members, owner);
  }
  if (route === undefined) return;
  if (how === 'add') routes.add(route, lspType, members, owner);
  else if (how === 'remove') routes.remove(route, lspType, members);
  else routes.replace(route, lspType, members, owner);
}

/** As zebra takes it, or what it is that zebra cannot do. */
function memberOf({ type, flags, gateway, ifindex, vrf, labels }: UpdateNexthop): Nexthop | string {
  if (type === NEXTHOP_BLACKHOLE) return 'a blackhole';
  if (labels.length === 0) return 'a next hop that says none';
  const encap: Encap = { type: c.LWTUNNEL_ENCAP_MPLS, labels };
  if (type === NEXTHOP_IFINDEX) return interfaceNexthop(ifindex, 1, encap);
  const family = type === NEXTHOP_IPV6 || type === NEXTHOP_IPV6_IFINDEX ? AF_INET6 : AF_INET;
  // The plain types carry an ifindex too, which is to be found anew.
  const fixed = type === NEXTHOP_IPV4_IFINDEX || type === NEXTHOP_IPV6_IFINDEX;
  const onlink = fixed && (flags & NEXTHOP_FLAG_ONLINK) !== 0;
  return { ...gatewayNexthop(family, gateway, fixed ? ifindex : 0, onlink, 1, encap), vrf };
}
