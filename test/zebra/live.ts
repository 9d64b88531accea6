// Zebra over the fake kernel on Node's own loop, with its ZAPI server on a socket: what clients in tests connect to.
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { NO_DETAIL } from '../../src/dataplane/index.ts';
import { type Family, parseInterfaceAddress, parsePrefix } from '../../src/net/index.ts';
import { Zebra } from '../../src/zebra/index.ts';
import { ZapiServer } from '../../src/zebra/server/index.ts';
import { FakeKernel } from './fake-kernel.ts';
import { temporaryDirectory } from '../lib/temporary.ts';

export class Live {
  readonly kernel: FakeKernel = new FakeKernel(4096);
  readonly zebra: Zebra;
  readonly server: ZapiServer;
  readonly path: string;
  readonly logged: string[] = [];
  /** The kernel does nothing while this is set. */
  frozen = false;
  readonly #directory: string | undefined;
  #scheduled = false;
  #timers: NodeJS.Timeout[] = [];

  constructor(path?: string) {
    this.#directory = path === undefined ? temporaryDirectory() : undefined;
    this.path = path ?? join(this.#directory!, 'zserv.api');
    const startMs = performance.now();
    this.zebra = new Zebra(this.kernel, {
      wake: () => this.kick(),
      later: (ms, fn) => void this.#timers.push(setTimeout(fn, ms)),
      mostWaiting: 65_536,
      nowS: () => 1 + Math.floor((performance.now() - startMs) / 1000),
    });
    const log = (text: string): void => void this.logged.push(text);
    // The model knows labels, whatever the host's kernel does.
    this.server = new ZapiServer(this.zebra, { path: this.path, log, mpls: () => true });
    this.zebra.start();
    this.kick();
  }

  /** Runs zebra and the kernel soon, until nothing moves. */
  kick(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    setImmediate(() => {
      this.#scheduled = false;
      const deadline = performance.now() + 10;
      let more = this.zebra.process(() => performance.now() > deadline);
      if (!this.frozen) more = this.kernel.serve() > 0 || more;
      more = this.zebra.receive() || more;
      if (more || (this.kernel.busy && !this.frozen)) this.kick();
    });
  }

  link(ifindex: number, name: string, ...addresses: string[]): void {
    this.kernel.addLink(ifindex, name, true);
    for (const text of addresses) {
      const { family, words, length } = parseInterfaceAddress(text)!;
      this.kernel.addAddress(ifindex, family, words, length);
    }
    this.kick();
  }

  vrf(ifindex: number, name: string, table: number): void {
    this.kernel.addLink(ifindex, name, true, { detail: { ...NO_DETAIL, kind: 'vrf', kindId: table } });
    this.kick();
  }

  setLink(ifindex: number, up: boolean): void {
    this.kernel.setLink(ifindex, up);
    this.kick();
  }

  /** `bgp`-like text of the selected route of a prefix: its type, or -1. */
  selectedType(text: string): number {
    const prefix = parsePrefix(text)!;
    const table = this.zebra.rib.table(0, prefix.family as Family);
    const id = table.prefixes.find(...prefix.words, prefix.length);
    const row = id < 0 ? -1 : table.selected[id]!;
    return row < 0 ? -1 : table.type[row]!;
  }

  async close(): Promise<void> {
    await this.server.close();
    for (const timer of this.#timers) clearTimeout(timer);
    if (this.#directory !== undefined) rmSync(this.#directory, { recursive: true, force: true });
  }
}
