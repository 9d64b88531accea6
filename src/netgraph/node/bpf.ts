// ng_bpf(4): each hook has a program of classic BPF that looks at what comes in by it, and says by which hook it goes on.
//
//    in by `a` ─▶ program ─┬─ n > 0 ─▶ cut to n bytes ─▶ ifMatch
//                          └─ 0 ─────────────────────▶ ifNotMatch        (no such hook: the packet ends)
//
// A fresh hook's program matches nothing and names no hook, so it drops everything. Programs cross to the workers as numbers, and each
// worker makes functions of them.
import { NetgraphError } from '../graph/error.ts';
import type { Hook } from '../graph/node.ts';
import { command, ControlHalf, type NodeType } from '../graph/type.ts';
import { BPF_RET_K, type BpfInstruction, BpfProgramError, checkBpf } from '../lib/bpf.ts';
import { type BpfFilter, compileBpf } from '../lib/bpf-compile.ts';
import { array, hint16, hookbuf, int32, struct, uint32, uint64, uint8, type ValueOf } from '../message/form.ts';
import { PKT_DATA, PKT_LENGTH } from '../packet/packets.ts';
import { DataHalf, DROP } from '../worker/half.ts';
import type { DataHook } from '../worker/node.ts';
import { endsAlone } from './lib/alone.ts';
import { hookOf } from './lib/hook-of.ts';
import { statsCommands } from './lib/stats-commands.ts';

const instruction = struct({ code: hint16, jt: uint8, jf: uint8, k: uint32 });
/** struct ng_bpf_hookprog */
const hookProgram = struct({
  thisHook: hookbuf,
  ifMatch: hookbuf,
  ifNotMatch: hookbuf,
  bpf_prog_len: int32,
  bpf_prog: array({
    element: instruction,
    length: ({ bpf_prog_len }: { bpf_prog_len: number }) => bpf_prog_len,
  }),
});
type HookProgram = ValueOf<typeof hookProgram>;

const COUNTERS = [
  'recvFrames',
  'recvOctets',
  'recvMatchFrames',
  'recvMatchOctets',
  'xmitFrames',
  'xmitOctets',
] as const;
const RECV_FRAMES = 0;
const RECV_OCTETS = 1;
const RECV_MATCH_FRAMES = 2;
const RECV_MATCH_OCTETS = 3;
const XMIT_FRAMES = 4;
const XMIT_OCTETS = 5;

/** struct ng_bpf_hookstat */
const hookStats = struct({
  recvFrames: uint64,
  recvOctets: uint64,
  recvMatchFrames: uint64,
  recvMatchOctets: uint64,
  xmitFrames: uint64,
  xmitOctets: uint64,
});
type HookStats = ValueOf<typeof hookStats>;

/** A hook's program, and a number that is another for each that was ever set. */
interface Numbered {
  readonly number: number;
  readonly program: HookProgram;
}

class BpfControl extends ControlHalf {
  /** By hook, so that one that is put back where its removal is undone has its program still. */
  readonly #programs: WeakMap<Hook, Numbered> = new WeakMap();
  #next = 1;

  override newHook(hook: Hook): void {
    if (!this.#programs.has(hook)) {
      const nothing: BpfInstruction = { code: BPF_RET_K, jt: 0, jf: 0, k: 0 };
      this.#set(hook, {
        thisHook: hook.name,
        ifMatch: '',
        ifNotMatch: '',
        bpf_prog_len: 1,
        bpf_prog: [nothing],
      });
    }
    this.node.reconfigure();
  }

  override disconnected(): void {
    endsAlone(this.node);
  }

  override config(): readonly Numbered[] {
    return [...this.node.hooks.values()].map(hook => this.#programs.get(hook)!);
  }

  override save(): () => void {
    const before = [...this.node.hooks.values()].map(hook => [hook, this.#programs.get(hook)!] as const);
    return () => {
      for (const [hook, program] of before) this.#programs.set(hook, program);
    };
  }

  setProgram(program: HookProgram): void {
    const hook = hookOf(this.node, program.thisHook);
    if (program.bpf_prog_len !== program.bpf_prog.length) {
      throw new NetgraphError(
        'EINVAL',
        `bpf_prog_len is ${program.bpf_prog_len}, bpf_prog has ${program.bpf_prog.length}`,
      );
    }
    try {
      checkBpf(program.bpf_prog);
    } catch (error) {
      if (error instanceof BpfProgramError) throw new NetgraphError('EINVAL', error.message);
      throw error;
    }
    // bpf_validate(): there must be a last instruction that returns.
    if (program.bpf_prog.length === 0) throw new NetgraphError('EINVAL', 'bpf_prog_len=0: a program returns something');
    this.#set(hook, program);
    this.node.reconfigure();
  }

  program(name: string): HookProgram {
    return this.#programs.get(hookOf(this.node, name))!.program;
  }

  stats(name: string, clear: boolean): HookStats {
    const hook = hookOf(this.node, name);
    const counts = hook.counts() as HookStats;
    if (clear) this.node.graph.clearCounts(hook);
    return counts;
  }

  #set(hook: Hook, program: HookProgram): void {
    this.#programs.set(hook, { number: this.#next++, program });
  }
}

/** What a hook of a worker has: its program, and where packets go. */
class Filter {
  readonly number: number;
  readonly program: HookProgram;
  readonly run: BpfFilter;
  match: DataHook | undefined = undefined;
  noMatch: DataHook | undefined = undefined;

  constructor({ number, program }: Numbered) {
    this.number = number;
    this.program = program;
    this.run = compileBpf(program.bpf_prog);
  }
}

class BpfData extends DataHalf<readonly Numbered[]> {
  #programs: ReadonlyMap<string, Numbered> = new Map();
  /** The next packet finds the hooks anew: there may be thousands of changes before it. */
  #stale = true;

  override configure(programs: readonly Numbered[]): void {
    this.#programs = new Map(programs.map(each => [each.program.thisHook, each]));
    this.#stale = true;
  }

  override hookRemoved(): void {
    this.#stale = true;
  }

  override receive(hook: DataHook, handles: Int32Array, count: number): void {
    if (this.#stale) this.#find();
    const { words, bytes } = this.node.packets;
    const { run, match, noMatch } = hook.state as Filter;
    const { counts } = hook;
    let octets = 0;
    let matchFrames = 0;
    let matchOctets = 0;
    for (let i = 0; i < count; i++) {
      const handle = handles[i]!;
      const length = words[handle + PKT_LENGTH]!;
      octets += length;
      // Where there is nothing to look at nothing matches.
      const keep = length === 0 ? 0 : run(bytes, words[handle + PKT_DATA]!, length, length);
      let out = noMatch;
      let left = length;
      if (keep > 0) {
        matchFrames++;
        matchOctets += length;
        if (keep < length) words[handle + PKT_LENGTH] = left = keep;
        out = match;
      }
      if (out === undefined) this.node.drop(handle, DROP.filtered);
      else {
        out.counts[XMIT_FRAMES] = out.counts[XMIT_FRAMES]! + 1;
        out.counts[XMIT_OCTETS] = out.counts[XMIT_OCTETS]! + left;
        out.send(handle);
      }
    }
    counts[RECV_FRAMES] = counts[RECV_FRAMES]! + count;
    counts[RECV_OCTETS] = counts[RECV_OCTETS]! + octets;
    counts[RECV_MATCH_FRAMES] = counts[RECV_MATCH_FRAMES]! + matchFrames;
    counts[RECV_MATCH_OCTETS] = counts[RECV_MATCH_OCTETS]! + matchOctets;
  }

  #find(): void {
    this.#stale = false;
    for (const hook of this.node.hooks) {
      const numbered = this.#programs.get(hook.name)!;
      let filter = hook.state as Filter | undefined;
      if (filter?.number !== numbered.number) hook.state = filter = new Filter(numbered);
      filter!.match = this.node.hook(numbered.program.ifMatch);
      filter!.noMatch = this.node.hook(numbered.program.ifNotMatch);
    }
  }
}

export const bpf: NodeType = {
  name: 'bpf',
  cookie: 944100792,
  messages: [
    command({
      name: 'setprogram',
      cmd: 1,
      args: hookProgram,
      handle: (bpf: BpfControl, program) => bpf.setProgram(program),
    }),
    command({
      name: 'getprogram',
      cmd: 2,
      args: hookbuf,
      reply: hookProgram,
      handle: (bpf: BpfControl, hook) => bpf.program(hook),
    }),
    ...statsCommands({
      cmds: [3, 4, 5],
      args: hookbuf,
      reply: hookStats,
      stats: (bpf: BpfControl, said, clear) => bpf.stats(said, clear),
    }),
  ],
  control: BpfControl,
  data: BpfData,
  hookCounters: COUNTERS,
};
