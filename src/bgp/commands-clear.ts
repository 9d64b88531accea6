// `clear`: sessions begin anew, or routes are asked for and told again.
import { type Command, exec } from '../vty/index.ts';
import { type Bgp } from './bgp.ts';
import { shutdownMessage } from './commands-neighbor.ts';
import type { BgpInstance } from './instance.ts';
import type { Peer } from './peer.ts';
import { FAMILY_NAMES, type UnicastName } from './wire/family.ts';
import { AFI_HELP, familyNamed, theInstance, WHERE_HELP } from './show-instances.ts';

/** The neighbours that a `clear` is about, or what is said where there are none. */
function named(instance: BgpInstance, who: string): Peer[] | string {
  const peers = [...instance.peers.values()].filter(
    peer => who === '*' || peer.name === who || String(peer.remoteAs) === who,
  );
  return peers.length === 0 && who !== '*' ? `%BGP: Unknown neighbor - "${who}"\n` : peers;
}

/** Sessions begin anew, or only routes are told again. */
function clear(
  peers: readonly Peer[],
  args: {
    readonly soft?: true | undefined;
    readonly direction?: 'in' | 'out' | undefined;
    readonly afi?: UnicastName | undefined;
    readonly safi?: 'unicast' | 'vpn' | undefined;
  },
): undefined {
  const { soft, direction, afi } = args;
  const families = afi === undefined ? FAMILY_NAMES : [familyNamed(args)];
  for (const peer of peers) {
    if (soft !== true && direction === undefined) peer.reset();
    else for (const one of families) peer.instance.softClear(peer, one, direction);
  }
}

// `clear bgp`, whichever neighbours it is about.
const PEERS = 'clear [ip] bgp [<view|vrf>$kind WORD$where] [<ipv4|ipv6>$afi [<unicast|vpn>$safi]]';
const PEERS_HELP = ['Reset functions', 'IP information', 'BGP information', ...WHERE_HELP, ...AFI_HELP] as const;
const SOFT = '[soft] [<in|out>$direction]';
const SOFT_HELP = [
  'Soft reconfig inbound and outbound updates',
  'Send route-refresh unless using soft-reconfiguration inbound',
  'Resend all outbound updates',
] as const;

export const clearCommands: readonly Command<Bgp>[] = [
  exec({
    syntax: `${PEERS} <*|A.B.C.D|X:X::X:X|(1-4294967295)|WORD>$who ${SOFT}`,
    help: [
      ...PEERS_HELP,
      'Clear all peers',
      'BGP IPv4 neighbor to clear',
      'BGP IPv6 neighbor to clear',
      'Clear peers with the AS number',
      'BGP neighbor on interface to clear',
      ...SOFT_HELP,
    ],
    run(bgp: Bgp, args) {
      const peers = named(theInstance(bgp.instances, args), String(args.who));
      return typeof peers === 'string' ? peers : clear(peers, args);
    },
  }),
  exec({
    syntax: `${PEERS} <external|peer-group WORD$group> ${SOFT}`,
    help: [
      ...PEERS_HELP,
      'Clear all external peers',
      'Clear all members of peer-group',
      'Peer-group name',
      ...SOFT_HELP,
    ],
    run(bgp: Bgp, args) {
      const instance = theInstance(bgp.instances, args);
      const { group } = args;
      if (group !== undefined && !instance.groups.has(group)) return `%BGP: No such peer-group ${group}\n`;
      const peers = [...instance.peers.values()];
      return clear(
        peers.filter(peer => (group === undefined ? !peer.internal : peer.groupName === group)),
        args,
      );
    },
  }),
  exec({
    syntax:
      'clear [ip] bgp [<view|vrf>$kind WORD$where] <*|A.B.C.D|X:X::X:X|(1-4294967295)|WORD>$who message LINE...$text',
    help: [
      'Reset functions',
      'IP information',
      'BGP information',
      ...WHERE_HELP,
      'Clear all peers',
      'BGP IPv4 neighbor to clear',
      'BGP IPv6 neighbor to clear',
      'Clear peers with the AS number',
      'BGP neighbor on interface to clear',
      'Tell them why (RFC 9003)',
      'The message',
    ],
    run(bgp: Bgp, args) {
      const text = shutdownMessage(args.text);
      const peers = named(theInstance(bgp.instances, args), String(args.who));
      if (typeof peers === 'string') return peers;
      for (const peer of peers) peer.reset(text);
      return undefined;
    },
  }),
];
