// The routers that are measured, each as a user would start it: configuration, processes, how many routes its table has.
import type { ChildProcess } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { type Lab, type Namespace, runCommand } from '../../test/lib/netns.ts';
import { until } from '../../test/lib/wait.ts';
import { processTree } from '../lib/process.ts';

export const DUT_ASN = 65001;
export const FEEDER_ASN = 65002;
export const RECEIVER_ASN = 65003;
export const HOLD_S = 9;

export interface Setup {
  lab: Lab;
  dut: Namespace;
  directory: string;
  /** Whether routes go to the kernel. */
  kernel: boolean;
  /** Whether there is a peer to announce them to. */
  receiver: boolean;
}

export interface Running {
  pids: () => number[];
  /** Prefixes in its BGP table. */
  tableSize: () => Promise<number>;
  /** Asks its shell for something small. */
  ask: () => Promise<void>;
  /** Whether its shell says that an interface has carrier and is up. */
  interfaceUp: (name: string) => Promise<boolean>;
  stop: () => Promise<void>;
}

export type Contestant = (setup: Setup) => Promise<Running>;

const root = resolve(import.meta.dirname, '..', '..');

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

function collect(child: ChildProcess): () => string {
  let text = '';
  child.stdout?.on('data', chunk => (text += chunk));
  child.stderr?.on('data', chunk => (text += chunk));
  return () => text.slice(-2000);
}

export const grevy: Contestant = async ({ lab, dut, directory, kernel, receiver }) => {
  const config = join(directory, 'grevy.conf');
  const runDir = join(directory, 'run');
  writeFileSync(
    config,
    `router bgp ${DUT_ASN}
 bgp router-id 10.0.0.1
 no bgp ebgp-requires-policy
${kernel ? '' : ' bgp no-rib\n'}${frrNeighbors(receiver)}
exit
`,
  );
  const child = dut.spawn([join(root, 'bin/grevy'), 'run', '-c', config, '--run-dir', runDir]);
  const output = collect(child);
  const shell = (command: string): Promise<string> =>
    runCommand(join(root, 'bin/grevy'), ['sh', '--run-dir', runDir, '-c', command]);
  await until(() => shell('show version').catch(() => ''), { timeoutMs: 20_000, what: () => `grevy: ${output()}` });
  return {
    pids: () => processTree(child.pid!),
    tableSize: async () => {
      const answer = JSON.parse(await shell('show bgp ipv4 unicast summary json')) as { ribCount?: number };
      return answer.ribCount ?? 0;
    },
    ask: async () => void (await shell('show bgp summary')),
    interfaceUp: async name => {
      const answer = JSON.parse(await shell(`show interface ${name} json`)) as Record<string, { operationalStatus?: string }>;
      return answer[name]?.operationalStatus === 'up';
    },
    stop: () => lab.stop(child, 20_000),
  };
};

export const bird: Contestant = async ({ lab, dut, directory, kernel, receiver }) => {
  const config = join(directory, 'bird.conf');
  const socket = join(directory, 'bird.ctl');
  const neighbor = (name: string, address: string, asn: number, policy: string): string => `protocol bgp ${name} {
  local 10.0.${address.split('.')[2]}.1 as ${DUT_ASN};
  neighbor ${address} as ${asn};
  hold time ${HOLD_S};
  passive on;
  ipv4 { ${policy} };
}
`;
  writeFileSync(
    config,
    `log "${join(directory, 'bird.log')}" { fatal, bug };
router id 10.0.0.1;
protocol device { }
${kernel ? 'protocol kernel { ipv4 { import none; export where source = RTS_BGP; }; }\n' : ''}${neighbor(
      'feeder',
      '10.0.0.2',
      FEEDER_ASN,
      'import all; export none;',
    )}${receiver ? neighbor('receiver', '10.0.1.2', RECEIVER_ASN, 'import none; export all;') : ''}`,
  );
  const child = dut.spawn(['bird', '-f', '-c', config, '-s', socket]);
  const output = collect(child);
  const birdc = (...words: string[]): Promise<string> => runCommand('birdc', ['-s', socket, ...words]);
  await until(() => birdc('show', 'status').catch(() => ''), { what: () => `bird: ${output()}` });
  return {
    pids: () => [child.pid!],
    tableSize: async () => Number(/for (\d+) networks/.exec(await birdc('show', 'route', 'count'))?.[1] ?? 0),
    ask: async () => void (await birdc('show', 'protocols')),
    interfaceUp: async name =>
      new RegExp(`^${name} up`, 'm').test(await birdc('show', 'interfaces')),
    stop: () => lab.stop(child, 20_000),
  };
};

export const frr: Contestant = async ({ lab, dut, directory, kernel, receiver }) => {
  const sockets = join(directory, 'vty');
  mkdirSync(sockets, { recursive: true });
  const zserv = join(directory, 'zserv.api');
  const children: ChildProcess[] = [];
  const start = async (daemon: string, config: string, ...extra: string[]): Promise<void> => {
    const path = join(directory, `${daemon}.conf`);
    writeFileSync(path, config);
    const common = ['-f', path, '-i', join(directory, `${daemon}.pid`), '--vty_socket', sockets];
    const child = dut.spawn([`/usr/lib/frr/${daemon}`, '-u', 'root', '-g', 'root', ...common, '-z', zserv, ...extra]);
    const output = collect(child);
    children.push(child);
    await until(() => runCommand('vtysh', ['--vty_socket', sockets, '-d', daemon, '-c', 'show version']).catch(() => ''), {
      what: () => `${daemon}: ${output()}`,
    });
  };
  const vtysh = (daemon: string, command: string): Promise<string> =>
    runCommand('vtysh', ['--vty_socket', sockets, '-d', daemon, '-c', command]);
  if (kernel) await start('zebra', 'hostname dut\n');
  await start(
    'bgpd',
    `router bgp ${DUT_ASN}
 bgp router-id 10.0.0.1
 no bgp ebgp-requires-policy
${frrNeighbors(receiver)}
`,
    ...(kernel ? [] : ['-n', '-Z']),
  );
  return {
    pids: () => children.map(child => child.pid!),
    tableSize: async () => {
      const answer = JSON.parse(await vtysh('bgpd', 'show bgp ipv4 unicast summary json')) as { ribCount?: number };
      return answer.ribCount ?? 0;
    },
    ask: async () => void (await vtysh('bgpd', 'show bgp summary')),
    interfaceUp: async name => {
      const answer = JSON.parse(await vtysh('zebra', `show interface ${name} json`)) as Record<
        string,
        { operationalStatus?: string }
      >;
      return answer[name]?.operationalStatus === 'up';
    },
    stop: async () => {
      for (const child of children.toReversed()) await lab.stop(child, 20_000);
    },
  };
};
