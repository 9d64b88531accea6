// Grevy and FRR as the same provider edge, side by side: the same lines but for the address, each with a zebra of its own that has
// the same VRFs, and neighbours, played by this thread, that tell both the same. What the two show is compared as text.
//
//    neighbours ──┬── grevy  10.0.0.10 ── zebra, its kernel a model
//    (10.0.0.2 …) └── frr    10.0.0.11 ── zebra, its kernel a model
import { chmodSync } from 'node:fs';
import { join } from 'node:path';
import { NO_DETAIL } from '../../../src/dataplane/index.ts';
import { enterNetworkNamespace } from '../../../src/sys/index.ts';
import { unixConnect } from '../../../src/zapi/index.ts';
import { Live } from '../../zebra/live.ts';
import { type Daemon, startFrr } from '../../lib/daemons.ts';
import type { Lab, Namespace } from '../../lib/netns.ts';
import { until } from '../../lib/wait.ts';
import { Player, type PlayerOptions } from './player.ts';
import { Router } from './router.ts';

const [GREVY, FRR] = ['10.0.0.10', '10.0.0.11'];
/** `vrf10` and `vrf20`: number, and the kernel's table. */
const VRFS = [
  { name: 'vrf10', id: 11, table: 10 },
  { name: 'vrf20', id: 12, table: 20 },
] as const;

export interface EdgesOptions {
  /** Lines of both; ADDRESS is their own. */
  readonly lines: string;
  /** Addresses of the neighbours: IPv4 in 10.0.0.0/24, IPv6 in fd00::/64. */
  readonly neighbours: readonly string[];
  /** What each zebra is told before anything else. */
  readonly prepare?: (live: Live) => void;
}

export class Edges {
  grevy!: Router;
  frr!: Daemon;
  readonly lives: Live[] = [];

  static async start(lab: Lab, options: EdgesOptions): Promise<Edges> {
    const edges = new Edges();
    const here = await lab.namespace('here');
    const there = await lab.namespace('there');
    await lab.link(here, 'eth0', there, 'eth0');
    const place = async (namespace: Namespace, address: string): Promise<void> => {
      await namespace.run('ip', 'addr', 'add', `${address}/${address.includes(':') ? 64 : 24}`, 'dev', 'eth0', 'nodad');
    };
    for (const address of [GREVY, 'fd00::10', ...options.neighbours]) await place(here, address);
    for (const address of [FRR, 'fd00::11']) await place(there, address);
    const text = (address: string): string => options.lines.replaceAll('ADDRESS', address);
    const zebra = async (number: number): Promise<Live> => {
      const directory = await lab.directory();
      chmodSync(directory, 0o755); // the daemons drop to user frr before they connect
      const live = new Live(join(directory, 'zserv.api'));
      edges.lives.push(live);
      live.link(1, 'lo', '127.0.0.1/8', `192.0.2.1/32`);
      live.link(2, 'eth0', `10.0.0.${number}/24`, `fd00::${number}/64`);
      for (const { name, id, table } of VRFS) {
        live.kernel.addLink(id, name, true, { detail: { ...NO_DETAIL, kind: 'vrf', kindId: table } });
      }
      options.prepare?.(live);
      await live.server.listen();
      live.kick();
      return live;
    };
    const [ours, theirs] = [await zebra(10), await zebra(11)];
    enterNetworkNamespace(here.path);
    edges.grevy = new Router('pe', 179, { zebra: unixConnect(ours.path) });
    edges.grevy.config(text(GREVY));
    edges.frr = await startFrr(lab, there, 'bgpd', `hostname pe\n${text(FRR)}`, { zserv: theirs.path });
    return edges;
  }

  /** A neighbour of both, whose sessions are up. */
  async play(options: Omit<PlayerOptions, 'to'>): Promise<[Player, Player]> {
    return [await Player.up({ ...options, to: GREVY }), await Player.up({ ...options, to: FRR })];
  }

  /** What the two answer, Grevy first; their addresses look the same. */
  async both(command: string): Promise<[string, string]> {
    return [this.ours(command), await this.theirs(command)];
  }

  ours(command: string): string {
    return alike(this.grevy.show(command));
  }

  async theirs(command: string): Promise<string> {
    return alike(await this.frr.sh(command));
  }

  /** Waits until both answer the same; `see`: what of an answer counts. */
  async same(command: string, see: (text: string) => unknown = text => text): Promise<string> {
    let ours = '';
    let theirs = '';
    await until(
      async () => {
        [ours, theirs] = await this.both(command);
        return JSON.stringify(see(ours)) === JSON.stringify(see(theirs));
      },
      {
        timeoutMs: 20_000,
        everyMs: 200,
        what: () => `the same of '${command}'\n--- Grevy\n${ours}\n--- FRR\n${theirs}`,
      },
    );
    return ours;
  }

  async close(): Promise<void> {
    this.grevy.close();
    await this.frr.stop();
    for (const live of this.lives) await live.close();
  }
}

/** Without what differs because the two are two: their addresses, and when something happened. */
export function alike(text: string): string {
  return text
    .replaceAll(FRR, GREVY)
    .replaceAll('fd00::11', 'fd00::10')
    .replaceAll(/Last update: .*/g, 'Last update: WHEN')
    .replaceAll(/"epoch":\s*\d+,\s*"string":\s*"[^"]*"/g, '"epoch":"WHEN"');
}
