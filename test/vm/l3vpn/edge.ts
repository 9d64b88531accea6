// A provider edge of the lab, by Grevy or by FRR 8.4.4, from one and the same configuration: examples/srv6-l3vpn.
import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { type Edge, labelOf } from '../../../examples/srv6-l3vpn/network.ts';
import { type Daemon, startFrr, startGrevy } from '../../lib/daemons.ts';
import { type Lab, type Namespace, runCommand } from '../../lib/netns.ts';
import { until } from '../../lib/wait.ts';

export type Kind = 'grevy' | 'frr';
/** What carries customers' packets from edge to edge. */
export type Transport = 'srv6' | 'mpls';

const FILES: string = resolve(import.meta.dirname, '../../../examples/srv6-l3vpn');

/** The file of the example; with labels instead of segments it is the same but for that. */
export function configuration(edge: Edge, kind: Kind, transport: Transport): string {
  const text = readFileSync(join(FILES, `pe${edge}.conf`), 'utf8');
  const carried = transport === 'srv6' ? text : withLabels(text, edge);
  return kind === 'grevy' ? carried : forFrr(carried);
}

function withLabels(text: string, edge: Edge): string {
  const other: Edge = edge === 1 ? 2 : 1;
  return text
    .replace(/^segment-routing\n(?: .*\n)*exit\n/m, '')
    .replace(/^ segment-routing srv6\n.*\n !\n/m, '')
    .replace(new RegExp(`^ipv6 route 2001:db8:f${other}::/64 .*\\n`, 'gm'), '')
    .replace(/^(ipv6 route 2001:db8::.*)$/gm, `$1 label ${labelOf(other)}`)
    .replaceAll('sid vpn export auto', 'label vpn export auto');
}

/** What Grevy derives, FRR is told: the route distinguisher, and that `rt` means what it says. */
function forFrr(text: string): string {
  const routerId = /bgp router-id (\S+)/.exec(text)![1]!;
  return text.replace(/^ {2}rt both (\d+:(\d+))$/gm, (_, target: string, number: string) =>
    [`rd vpn export ${routerId}:${number}`, `rt vpn both ${target}`, 'export vpn', 'import vpn']
      .map(line => `  ${line}`)
      .join('\n'),
  );
}

export interface EdgeRouter {
  readonly kind: Kind;
  readonly transport: Transport;
  start(): Promise<void>;
  /** In order, as an operator does. */
  stop(): Promise<void>;
  /** kill -9. */
  kill(): Promise<void>;
  configure(...lines: string[]): Promise<void>;
  /** Gives its locator another prefix. */
  moveLocator(prefix: string): Promise<void>;
  show(command: string): Promise<string>;
  /** The end of what it printed. */
  said(): string;
}

export function edgeRouter(lab: Lab, namespace: Namespace, edge: Edge, kind: Kind, transport: Transport): EdgeRouter {
  const text = configuration(edge, kind, transport);
  return kind === 'grevy'
    ? new GrevyEdge(lab, namespace, transport, text)
    : new FrrEdge(lab, namespace, transport, text);
}

class GrevyEdge implements EdgeRouter {
  readonly kind = 'grevy';
  readonly transport: Transport;
  #daemon: Daemon | undefined;
  readonly #lab: Lab;
  readonly #namespace: Namespace;
  readonly #text: string;

  constructor(lab: Lab, namespace: Namespace, transport: Transport, text: string) {
    this.#lab = lab;
    this.#namespace = namespace;
    this.transport = transport;
    this.#text = text;
  }

  async start(): Promise<void> {
    const directory = this.#daemon?.directory;
    this.#daemon = await startGrevy(
      this.#lab,
      this.#namespace,
      this.#text,
      directory === undefined ? {} : { directory },
    );
  }

  stop = (): Promise<void> => this.#daemon!.stop(60_000);
  kill = (): Promise<void> => this.#daemon!.kill();
  show = (command: string): Promise<string> => this.#daemon!.sh(command);
  said = (): string => this.#daemon?.output() ?? '';

  async configure(...lines: string[]): Promise<void> {
    await this.#daemon!.sh(['configure terminal', ...lines].join('\n'));
  }

  moveLocator = (prefix: string): Promise<void> =>
    this.configure('segment-routing', 'srv6', 'locators', 'locator loc0', `prefix ${prefix}`);
}

const DAEMONS = ['zebra', 'staticd', 'bgpd'] as const;
type DaemonName = (typeof DAEMONS)[number];

class FrrEdge implements EdgeRouter {
  readonly kind = 'frr';
  readonly transport: Transport;
  #daemons: Daemon[] = [];
  #directory: string | undefined;
  readonly #lab: Lab;
  readonly #namespace: Namespace;
  readonly #texts: Record<DaemonName, string> = { zebra: '', staticd: '', bgpd: '' };
  /** It takes no label before a zebra has told it that there are any, so they are typed. */
  readonly #labelLines: string[];

  constructor(lab: Lab, namespace: Namespace, transport: Transport, text: string) {
    this.#lab = lab;
    this.#namespace = namespace;
    this.transport = transport;
    this.#labelLines = [...text.matchAll(/^ipv6 route .* label \d+$/gm)].map(([line]) => line);
    // A block is a line and those below it that are further in.
    for (const [block] of text.matchAll(/^[^ !\n].*\n(?:[ !].*\n|exit.*\n)*/gm)) {
      if (/^ipv6 route .* label/.test(block)) continue;
      this.#texts[block.startsWith('router bgp') ? 'bgpd' : /^(ip|ipv6|vrf) /.test(block) ? 'staticd' : 'zebra'] +=
        block;
    }
  }

  async start(): Promise<void> {
    this.#directory ??= await this.#lab.directory();
    this.#daemons = [];
    for (const name of DAEMONS) {
      const options = { directory: this.#directory };
      this.#daemons.push(await startFrr(this.#lab, this.#namespace, name, this.#texts[name], options));
    }
    if (this.#labelLines.length === 0) return;
    await until(
      async () => {
        await this.configure(...this.#labelLines).catch(() => '');
        const text = await this.#vtysh('show running-config');
        return text.match(/^ipv6 route .* label /gm)?.length === this.#labelLines.length;
      },
      { timeoutMs: 60_000, everyMs: 200, what: 'staticd to take labels' },
    );
  }

  async stop(): Promise<void> {
    for (const daemon of this.#daemons.toReversed()) await daemon.stop();
  }

  async kill(): Promise<void> {
    await Promise.all(this.#daemons.map(daemon => daemon.kill()));
  }

  #vtysh(...commands: string[]): Promise<string> {
    const sockets = join(this.#directory!, 'vty');
    return runCommand('vtysh', ['--vty_socket', sockets, ...commands.flatMap(command => ['-c', command])]);
  }

  show = (command: string): Promise<string> => this.#vtysh(command);
  said = (): string => this.#daemons.map(daemon => daemon.output()).join('\n');

  async configure(...lines: string[]): Promise<void> {
    await this.#vtysh('configure terminal', ...lines);
  }

  /** Of one that is in use it takes no other prefix, and says nothing. */
  moveLocator = (prefix: string): Promise<void> =>
    this.configure('segment-routing', 'srv6', 'locators', 'no locator loc0', 'locator loc0', `prefix ${prefix}`);
}
