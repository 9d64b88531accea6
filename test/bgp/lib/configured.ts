// A speaker whose configuration is typed line by line, as an operator does it, and read from a text, and that never runs.
import assert from 'node:assert/strict';
import { bgpCommands } from '../../../src/bgp/commands.ts';
import { Bgp } from '../../../src/bgp/index.ts';
import { TaskLoop } from '../../../src/concurrency/index.ts';
import {
  type Block,
  CommandError,
  ConfigTree,
  loadConfig,
  perform,
  type Step,
  wordsOf,
} from '../../../src/vty/index.ts';
import { MemoryNetwork } from './memory-transport.ts';
import { grammar } from './router.ts';

const speakers: Speaker[] = [];
/** Closes all that a test made. */
export const closeAll = (): void => {
  for (const speaker of speakers.splice(0)) speaker.close();
};

/** A speaker that is configured and never runs. */
export class Speaker {
  readonly tree: ConfigTree = new ConfigTree(grammar);
  readonly bgp: Bgp;
  readonly #loop = new TaskLoop('configuration');
  #block: Block = this.tree.root;

  constructor(text = '') {
    speakers.push(this);
    const here = { family: 2, words: [0x0a000001, 0, 0, 0], port: 179, scopeId: 0 } as const;
    const transport = new MemoryNetwork(this.#loop).transport(here);
    this.bgp = new Bgp({ loop: this.#loop, transport, random: Math.random, listenPort: 0 });
    this.load(text);
  }

  #commit(steps: readonly Step[]): string {
    for (const step of steps) {
      const { error } = perform(bgpCommands, this.bgp, step.action);
      if (error !== undefined) return error;
      step.commit();
    }
    return '';
  }

  /** Types lines one after the other, as a shell does; gives what was said to those that were refused. */
  type(text: string): string {
    return text
      .trim()
      .split('\n')
      .map(line => this.#typeLine(line))
      .filter(said => said !== '')
      .join('\n');
  }

  #typeLine(line: string): string {
    if (line.trim() === 'exit') {
      this.#block = this.#block.parent ?? this.#block;
      return '';
    }
    const match = grammar.parse(this.#block.mode, wordsOf(line));
    if (!('entry' in match)) return `% Unknown command: ${line.trim()}`;
    try {
      const plan = this.tree.plan(this.#block, match);
      const error = this.#commit(plan.steps);
      if (error !== '') return error;
      if (plan.enter) this.#block = plan.enter();
      else while (this.#block.mode !== match.mode && this.#block.parent) this.#block = this.#block.parent;
      return '';
    } catch (error) {
      if (error instanceof CommandError) return error.message;
      throw error;
    }
  }

  /** Makes `text` the configuration. */
  load(text: string): void {
    const { tree, problems } = loadConfig(grammar, text, 'saved.conf');
    assert.deepEqual(problems, [], text);
    assert.equal(this.#commit(tree.stepsFrom(this.tree)), '', text);
  }

  close(): void {
    this.bgp.close();
    this.#loop.close();
  }

  /** What the lines have come to. */
  get state(): object {
    const [instance] = this.bgp.instances.values();
    if (instance === undefined) return {};
    const known = [...instance.peers.keys(), ...instance.groups.keys()].sort();
    return {
      known: known.map(name => [name, instance.peers.get(name)?.groupName, instance.own(name)]),
      options: instance.options,
      families: instance.families.map(({ local, table }) => ({
        networks: [...local.networks].map(([prefix, { map }]) => `${prefix} ${map}`).sort(),
        redistributions: [...local.redistributions.values()]
          .map(({ protocol, metric, source }) => `${protocol} ${metric} ${source.map}`)
          .sort(),
        paths: [table.decision.maximumPathsEbgp, table.decision.maximumPathsIbgp],
      })),
    };
  }
}
