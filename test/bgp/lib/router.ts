// A whole speaker in this thread, configured and asked as an operator does it, over real sockets on loopback: bgp, bgp-io
// and bgp-ka share one loop, which makes no difference to them, since they meet in shared memory only.
import assert from 'node:assert/strict';
import {
  Bgp,
  type BgpEnvironment,
  closeBgpChannels,
  createBgpChannels,
  createTransport,
} from '../../../src/bgp/index.ts';
import { bgpCommands } from '../../../src/bgp/commands.ts';
import { IoLoop } from '../../../src/bgp/io/io-loop.ts';
import { TaskLoop } from '../../../src/concurrency/index.ts';
import {
  type CommandArgs,
  ConfigTree,
  formatJson,
  Grammar,
  loadConfig,
  perform,
  wordsOf,
} from '../../../src/vty/index.ts';
import { until } from '../../lib/wait.ts';

export const grammar: Grammar = new Grammar([bgpCommands as never]);

export class Router {
  readonly bgp: Bgp;
  readonly loop: TaskLoop;
  readonly logged: string[] = [];
  #tree: ConfigTree = new ConfigTree(grammar);
  readonly #close: () => void;

  /** `more` may bring a loop on virtual time, together with a transport that needs no sockets. */
  constructor(name: string, port: number, more: Partial<BgpEnvironment> & { readonly loop?: TaskLoop } = {}) {
    this.loop = more.loop ?? new TaskLoop(name);
    const channels = createBgpChannels();
    const io = more.transport === undefined ? new IoLoop(this.loop, channels) : undefined;
    const transport = more.transport ?? createTransport(this.loop, channels);
    this.bgp = new Bgp({
      loop: this.loop,
      transport,
      random: Math.random,
      hostname: name,
      listenPort: port,
      log: text => this.logged.push(text),
      ...more,
    });
    this.#close = () => {
      this.bgp.close();
      this.loop.close();
      io?.close();
      closeBgpChannels(channels);
    };
  }

  /** Makes this the configuration. */
  config(text: string): void {
    const { tree, problems } = loadConfig(grammar, text, 'test.conf');
    assert.deepEqual(problems, []);
    for (const step of tree.stepsFrom(this.#tree)) {
      const { error } = perform(bgpCommands, this.bgp, step.action);
      assert.equal(error, undefined, `${step.source}: ${error}`);
      step.commit();
    }
  }

  /** One line typed in `configure`, or in the blocks named before it. */
  type(...lines: string[]): void {
    let block = this.#tree.root;
    for (const line of lines) {
      const match = grammar.parse(block.mode, wordsOf(line));
      assert.ok('entry' in match, `${line}: ${JSON.stringify(match)}`);
      const plan = this.#tree.plan(block, match);
      for (const step of plan.steps) {
        const { error } = perform(bgpCommands, this.bgp, step.action);
        assert.equal(error, undefined, `${line}: ${error}`);
        step.commit();
      }
      if (plan.enter) block = plan.enter();
    }
  }

  show(line: string): string {
    const match = grammar.parse('exec', wordsOf(line));
    assert.ok('entry' in match, `${line}: ${JSON.stringify(match)}`);
    const command = bgpCommands.commands[match.entry.number]!;
    const output = command.run!(this.bgp, match.args as CommandArgs, { terminalLength: 0 });
    if (output === undefined) return '';
    if (typeof output === 'string') return output;
    if (!Array.isArray(output) && Symbol.iterator in (output as object))
      return [...(output as Iterable<string>)].join('');
    return formatJson(output);
  }

  json(line: string): never {
    return JSON.parse(this.show(line)) as never;
  }

  /** Waits until `show bgp PREFIX` knows the prefix (or does not, with `gone`). */
  async route(afi: 'ipv4' | 'ipv6', prefix: string, gone = false): Promise<void> {
    const known = (): boolean => this.show(`show bgp ${afi} unicast ${prefix}`).startsWith('BGP routing') !== gone;
    await until(known, {
      what: () => `${prefix} ${gone ? 'to go' : 'to come'}\n${this.show('show bgp summary')}${this.logged.join('\n')}`,
    });
  }

  close(): void {
    this.#close();
  }
}
