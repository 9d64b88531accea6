// The routers that are measured, each as a user would start it: configuration, processes, how many routes its table has.
import { join } from 'node:path';
import { VtyClient } from '../../src/cli/shell/client.ts';
import { startBird, startFrr, startGrevy } from '../../test/lib/daemons.ts';
import type { Lab, Namespace } from '../../test/lib/netns.ts';
import { processTree } from '../lib/process.ts';

export const DUT_ASN = 65001;
export const FEEDER_ASN = 65002;
export const RECEIVER_ASN = 65003;
export const HOLD_S = 9;

export interface Setup {
  lab: Lab;
  dut: Namespace;
  /** Whether routes go to the kernel. */
  kernel: boolean;
  /** Whether there is a peer to announce them to. */
  receiver: boolean;
}

export interface Running {
  pids: () => number[];
  /** Prefixes in its BGP table. */
  tableSize: () => Promise<number>;
  /** Where Grevy has its sockets. */
  readonly runDir?: string;
  stop: () => Promise<void>;
}

export type Contestant = (setup: Setup) => Promise<Running>;

function frrNeighbors(receiver: boolean): string {
  return [
    ` neighbor 10.0.0.2 remote-as ${FEEDER_ASN}`,
    ` neighbor 10.0.0.2 timers ${HOLD_S / 3} ${HOLD_S}`,
    ' neighbor 10.0.0.2 passive',
    ...(receiver
      ? [
          ` neighbor 10.0.1.2 remote-as ${RECEIVER_ASN}`,
          ` neighbor 10.0.1.2 timers ${HOLD_S / 3} ${HOLD_S}`,
          ' neighbor 10.0.1.2 passive',
          ' neighbor 10.0.1.2 advertisement-interval 0',
        ]
      : []),
  ].join('\n');
}

export const grevy: Contestant = async ({ lab, dut, kernel, receiver }) => {
  const daemon = await startGrevy(
    lab,
    dut,
    `${kernel ? '' : 'bgp no-rib\n!\n'}router bgp ${DUT_ASN}
 bgp router-id 10.0.0.1
 no bgp ebgp-requires-policy
${frrNeighbors(receiver)}
exit
`,
    { rehearsal: true },
  );
  // A shell that is open, as at a prompt: what is measured is the daemon, not how long a process takes to start.
  const runDir = join(daemon.directory, 'run');
  const shell = await VtyClient.connect(join(runDir, 'vty.sock'));
  const sh = async (command: string): Promise<string> => {
    let text = '';
    await shell.execute(command, piece => {
      text += piece;
    });
    return text;
  };
  return {
    pids: () => processTree(daemon.pid),
    tableSize: async () => ribCount(await sh('show bgp ipv4 unicast summary json')),
    runDir,
    stop: async () => {
      shell.close();
      await daemon.stop(20_000);
    },
  };
};

export const bird: Contestant = async ({ lab, dut, kernel, receiver }) => {
  const neighbor = (name: string, address: string, asn: number, policy: string): string => `protocol bgp ${name} {
  local 10.0.${address.split('.')[2]}.1 as ${DUT_ASN};
  neighbor ${address} as ${asn};
  hold time ${HOLD_S};
  passive on;
  ipv4 { ${policy} };
}
`;
  const daemon = await startBird(
    lab,
    dut,
    `router id 10.0.0.1;
protocol device { }
${kernel ? 'protocol kernel { ipv4 { import none; export where source = RTS_BGP; }; }\n' : ''}${neighbor(
  'feeder',
  '10.0.0.2',
  FEEDER_ASN,
  'import all; export none;',
)}${receiver ? neighbor('receiver', '10.0.1.2', RECEIVER_ASN, 'import none; export all;') : ''}`,
  );
  return {
    pids: () => processTree(daemon.pid),
    tableSize: async () => Number(/for (\d+) networks/.exec(await daemon.sh('show route count'))?.[1] ?? 0),
    stop: () => daemon.stop(20_000),
  };
};

export const frr: Contestant = async ({ lab, dut, kernel, receiver }) => {
  const directory = await lab.directory();
  const zebra = kernel ? await startFrr(lab, dut, 'zebra', 'hostname dut\n', { directory }) : undefined;
  const bgpd = await startFrr(
    lab,
    dut,
    'bgpd',
    `router bgp ${DUT_ASN}
 bgp router-id 10.0.0.1
 no bgp ebgp-requires-policy
${frrNeighbors(receiver)}
`,
    { directory, args: kernel ? [] : ['-n', '-Z'] },
  );
  return {
    pids: () => [...(zebra ? processTree(zebra.pid) : []), ...processTree(bgpd.pid)],
    tableSize: async () => ribCount(await bgpd.sh('show bgp ipv4 unicast summary json')),
    stop: async () => {
      await bgpd.stop(20_000);
      await zebra?.stop(20_000);
    },
  };
};

function ribCount(json: string): number {
  return (JSON.parse(json) as { ribCount?: number }).ribCount ?? 0;
}
