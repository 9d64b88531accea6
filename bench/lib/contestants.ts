// The routers that are measured, each as a user would start it. One description of the neighbours and their policies is
// written in each one's own language; the same few questions are asked of each one's own shell.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { VtyClient } from '../../src/cli/shell/client.ts';
import { startBird, startFrr, startGobgp, startGrevy, startOpenbgpd } from '../../test/lib/daemons.ts';
import type { Field } from './field.ts';
import { DUT_ADDRESS, DUT_ASN, type Peer, type Policy, type RouterDescription } from './peers.ts';
import { processTree } from './process.ts';

/** A shell's socket that stays open from command to command, and what it speaks (shell.ts). */
export interface ShellSocket {
  readonly language: 'grevy' | 'bird' | 'frr';
  readonly path: string;
}

export interface Running {
  pids: () => number[];
  /** Paths in its BGP table. */
  paths: () => Promise<number>;
  /** Where Grevy has its sockets. */
  readonly runDir?: string;
  readonly shell?: ShellSocket;
  /** A new policy for what one peer sends, while it runs. */
  setImport: (address: string, policy: Policy) => Promise<void>;
  stop: () => Promise<void>;
}

export interface Contestant {
  readonly name: string;
  /** Whether it writes to the kernel's table. */
  readonly kernel: boolean;
  /** The most announcements, received and sent, that are worth waiting for. */
  readonly most: number;
  start: (field: Field, router: RouterDescription) => Promise<Running>;
}

const STOP_MS = 20_000;

/** The policies in use, each once. */
function policies(router: RouterDescription): Policy[] {
  const all = router.peers.flatMap(peer => [peer.import, peer.export]);
  return [...new Map(all.map(policy => [JSON.stringify(policy), policy])).values()];
}

/** The description with another import policy for one peer. */
function withImport(router: RouterDescription, address: string, policy: Policy): RouterDescription {
  return {
    ...router,
    peers: router.peers.map(peer => (peer.address === address ? { ...peer, import: policy } : peer)),
  };
}

// Grevy and FRR: one language.

function routeMap(policy: Policy): string {
  return policy === 'none' ? 'NONE' : policy === 'all' ? 'ALL' : `ADD-${policy.community}`;
}

function routeMapLines(policy: Policy): string[] {
  if (policy === 'all') return [];
  if (policy === 'none') return ['route-map NONE deny 10', 'exit'];
  return [`route-map ${routeMap(policy)} permit 10`, ` set community ${policy.community} additive`, 'exit'];
}

function routerText(router: RouterDescription): string {
  const keepalive = router.holdTimeS / 3;
  const session = ({ address, asn }: Peer): string[] => [
    ` neighbor ${address} remote-as ${asn}`,
    ` neighbor ${address} timers ${keepalive} ${router.holdTimeS}`,
    ` neighbor ${address} passive`,
    ` neighbor ${address} advertisement-interval 0`,
  ];
  const family = (peer: Peer): string[] => [
    ...(peer.import === 'all' ? [] : [`  neighbor ${peer.address} route-map ${routeMap(peer.import)} in`]),
    ...(peer.export === 'all' ? [] : [`  neighbor ${peer.address} route-map ${routeMap(peer.export)} out`]),
    ...(router.keepReceived && peer.table ? [`  neighbor ${peer.address} soft-reconfiguration inbound`] : []),
  ];
  return [
    ...policies(router).flatMap(routeMapLines),
    `router bgp ${DUT_ASN}`,
    ` bgp router-id ${DUT_ADDRESS}`,
    ' no bgp ebgp-requires-policy',
    ...router.peers.flatMap(session),
    ' address-family ipv4 unicast',
    ...router.peers.flatMap(family),
    ' exit-address-family',
    'exit',
    '',
  ].join('\n');
}

function importLines(address: string, policy: Policy): string[] {
  return [
    'configure terminal',
    ...routeMapLines(policy),
    `router bgp ${DUT_ASN}`,
    'address-family ipv4 unicast',
    `${policy === 'all' ? 'no ' : ''}neighbor ${address} route-map ${routeMap(policy)} in`,
    'end',
  ];
}

function summaryPaths(json: string): number {
  const { peers = {} } = JSON.parse(json) as { peers?: Record<string, { pfxRcd?: number }> };
  return Object.values(peers).reduce((sum, { pfxRcd = 0 }) => sum + pfxRcd, 0);
}

const SUMMARY = 'show bgp ipv4 unicast summary json';

export const grevy: Contestant = {
  name: 'Grevy',
  kernel: true,
  most: Infinity,
  async start({ lab, dut }, router) {
    const text = `${router.kernel ? '' : 'bgp no-rib\n!\n'}${routerText(router)}`;
    const daemon = await startGrevy(lab, dut, text, { rehearsal: true });
    // A shell that is open, as at a prompt: what is measured is the daemon, not how long a process takes to start.
    const runDir = join(daemon.directory, 'run');
    const path = join(runDir, 'vty.sock');
    const shell = await VtyClient.connect(path);
    const sh = async (command: string): Promise<string> => {
      let output = '';
      const ended = await shell.execute(command, piece => {
        output += piece;
      });
      if (!ended.ok) throw new Error(`${command}: ${ended.error}`);
      return output;
    };
    return {
      pids: () => processTree(daemon.pid),
      paths: async () => summaryPaths(await sh(SUMMARY)),
      runDir,
      shell: { language: 'grevy', path },
      async setImport(address, policy) {
        for (const line of importLines(address, policy)) await sh(line);
      },
      async stop() {
        shell.close();
        await daemon.stop(STOP_MS);
      },
    };
  },
};

export const frr: Contestant = {
  name: 'FRR',
  kernel: true,
  most: Infinity,
  async start({ lab, dut }, router) {
    const directory = await lab.directory();
    const zebra = router.kernel ? await startFrr(lab, dut, 'zebra', 'hostname dut\n', { directory }) : undefined;
    const args = router.kernel ? [] : ['-n', '-Z'];
    const bgpd = await startFrr(lab, dut, 'bgpd', routerText(router), { directory, args });
    return {
      pids: () => [...(zebra ? processTree(zebra.pid) : []), ...processTree(bgpd.pid)],
      paths: async () => summaryPaths(await bgpd.sh(SUMMARY)),
      shell: { language: 'frr', path: join(directory, 'vty', 'bgpd.vty') },
      async setImport(address, policy) {
        await bgpd.sh(importLines(address, policy).join('\n'));
      },
      async stop() {
        await bgpd.stop(STOP_MS);
        await zebra?.stop(STOP_MS);
      },
    };
  },
};

function birdFilter(policy: Policy): string {
  if (typeof policy === 'string') return policy;
  return `filter { bgp_community.add((${policy.community.replace(':', ', ')})); accept; }`;
}

function birdText(router: RouterDescription): string {
  const protocol = (peer: Peer, index: number): string => `protocol bgp p${index} from peer {
  neighbor ${peer.address} as ${peer.asn};
  ipv4 {
    import ${birdFilter(peer.import)};
    export ${birdFilter(peer.export)};
    ${router.keepReceived && peer.table ? 'import table on;' : ''}
  };
}
`;
  return `router id ${DUT_ADDRESS};
protocol device { }
${router.kernel ? 'protocol kernel { ipv4 { import none; export where source = RTS_BGP; }; }' : ''}
template bgp peer {
  local ${DUT_ADDRESS} as ${DUT_ASN};
  hold time ${router.holdTimeS};
  passive on;
}
${router.peers.map(protocol).join('')}`;
}

export const bird: Contestant = {
  name: 'BIRD',
  kernel: true,
  most: Infinity,
  async start({ lab, dut }, router) {
    const daemon = await startBird(lab, dut, birdText(router));
    return {
      pids: () => processTree(daemon.pid),
      paths: async () => Number(/of (\d+) routes/.exec(await daemon.sh('show route count'))?.[1] ?? 0),
      shell: { language: 'bird', path: join(daemon.directory, 'bird.ctl') },
      async setImport(address, policy) {
        writeFileSync(join(daemon.directory, 'bird.conf'), birdText(withImport(router, address, policy)));
        await daemon.sh('configure');
      },
      stop: () => daemon.stop(STOP_MS),
    };
  },
};

function openbgpdText(router: RouterDescription): string {
  const neighbor = ({ address, asn, export: policy }: Peer): string => `neighbor ${address} {
  remote-as ${asn}
  passive
  enforce neighbor-as no
${policy === 'none' ? '  export none\n' : ''}}
`;
  const rules = ({ address, import: imported, export: exported }: Peer): string =>
    [
      ...(imported === 'none' ? [`deny from ${address}\n`] : []),
      ...(typeof imported === 'object' ? [`match from ${address} set community ${imported.community}\n`] : []),
      ...(typeof exported === 'object' ? [`match to ${address} set community ${exported.community}\n`] : []),
    ].join('');
  return `AS ${DUT_ASN}
router-id ${DUT_ADDRESS}
holdtime ${router.holdTimeS}
listen on ${DUT_ADDRESS}
${router.peers.map(neighbor).join('')}allow from any
allow to any
${router.peers.map(rules).join('')}`;
}

export const openbgpd: Contestant = {
  name: 'OpenBGPD',
  kernel: false,
  most: 10_000_000,
  async start({ lab, dut }, router) {
    const daemon = await startOpenbgpd(lab, dut, openbgpdText(router));
    return {
      pids: () => processTree(daemon.pid),
      async paths() {
        const { neighbors } = JSON.parse(await daemon.sh('-j show neighbor')) as {
          neighbors: { stats?: { prefixes?: { received?: number } } }[];
        };
        return neighbors.reduce((sum, { stats }) => sum + (stats?.prefixes?.received ?? 0), 0);
      },
      async setImport(address, policy) {
        writeFileSync(join(daemon.directory, 'bgpd.conf'), openbgpdText(withImport(router, address, policy)));
        await daemon.sh('reload');
      },
      stop: () => daemon.stop(STOP_MS),
    };
  },
};

function gobgpText(router: RouterDescription): string {
  const neighbor = ({ address, asn }: Peer): string => `[[neighbors]]
  [neighbors.config]
    neighbor-address = "${address}"
    peer-as = ${asn}
  [neighbors.timers.config]
    hold-time = ${router.holdTimeS}
    keepalive-interval = ${router.holdTimeS / 3}
  [neighbors.transport.config]
    passive-mode = true
  [[neighbors.afi-safis]]
    [neighbors.afi-safis.config]
      afi-safi-name = "ipv4-unicast"
`;
  // Its policies are global and match the neighbour.
  const sets: string[] = [];
  const definitions: string[] = [];
  for (const direction of ['import', 'export'] as const) {
    const statements: string[] = [];
    for (const { address, [direction]: policy } of router.peers) {
      if (policy === 'all') continue;
      const name = `${direction}-${address}`;
      sets.push(`[[defined-sets.neighbor-sets]]
  neighbor-set-name = "${name}"
  neighbor-info-list = ["${address}/32"]
`);
      statements.push(`  [[policy-definitions.statements]]
    name = "${name}"
    [policy-definitions.statements.conditions.match-neighbor-set]
      neighbor-set = "${name}"
${
  policy === 'none'
    ? '    [policy-definitions.statements.actions]\n      route-disposition = "reject-route"'
    : `    [policy-definitions.statements.actions.bgp-actions.set-community]
      options = "add"
      [policy-definitions.statements.actions.bgp-actions.set-community.set-community-method]
        communities-list = ["${policy.community}"]`
}
`);
    }
    definitions.push(`[[policy-definitions]]\n  name = "${direction}"\n${statements.join('')}`);
  }
  return `[global.config]
  as = ${DUT_ASN}
  router-id = "${DUT_ADDRESS}"
[global.apply-policy.config]
  import-policy-list = ["import"]
  export-policy-list = ["export"]
  default-import-policy = "accept-route"
  default-export-policy = "accept-route"
${router.peers.map(neighbor).join('')}${sets.join('')}${definitions.join('')}`;
}

export const gobgp: Contestant = {
  name: 'GoBGP',
  kernel: false,
  most: 300_000,
  async start({ lab, dut }, router) {
    const daemon = await startGobgp(lab, dut, gobgpText(router));
    return {
      pids: () => processTree(daemon.pid),
      paths: async () => Number(/Path: (\d+)/.exec(await daemon.sh('global rib summary'))?.[1] ?? 0),
      setImport: () => Promise.reject(new Error('GoBGP reads no new policy here')),
      stop: () => daemon.stop(STOP_MS),
    };
  },
};

export const CONTESTANTS: readonly Contestant[] = [grevy, bird, frr, openbgpd, gobgp];

/** Those of these names, separated by commas, in our order. */
export function chosen(names: string): Contestant[] {
  const wanted = names.toLowerCase().split(',');
  for (const name of wanted) {
    if (!CONTESTANTS.some(contestant => contestant.name.toLowerCase() === name)) throw new Error(`who is ${name}?`);
  }
  return CONTESTANTS.filter(({ name }) => wanted.includes(name.toLowerCase()));
}
