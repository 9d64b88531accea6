// ng_tag(4): looks for a tag on what comes in by a hook, and puts one on what goes out of a hook. A packet that has the tag of its hook
// goes out of the hook's `ifMatch`, without the tag where `strip` says so; any other out of `ifNotMatch`. Where that is empty or does
// not exist, it is dropped. A packet has four tags at most; a fifth is not put on, and the packet is dropped.
import type { Hook } from '../graph/node.ts';
import { command, ControlHalf, type NodeType } from '../graph/type.ts';
import { array, hint8, hookbuf, string, struct, uint16, uint32, uint64, uint8, type ValueOf } from '../message/form.ts';
import { PKT_FLAG_TAGS, PKT_FLAGS, PKT_LENGTH, PKT_TAGS } from '../packet/packets.ts';
import { DataHalf, DROP } from '../worker/half.ts';
import type { DataHook } from '../worker/node.ts';
import { endsAlone } from './lib/alone.ts';
import { hookOf } from './lib/hook-of.ts';
import { TAG_KIND, tagWord } from './lib/tags.ts';
import { statsCommands } from './lib/stats-commands.ts';

/** Tags of a packet. */
const TAGS = 4;

const data = array({ element: hint8, length: ({ tag_len }: { tag_len: number }) => tag_len });
const hookIn = struct({
  thisHook: hookbuf,
  ifMatch: hookbuf,
  ifNotMatch: hookbuf,
  strip: uint8,
  tag_cookie: uint32,
  tag_id: uint16,
  tag_len: uint16,
  tag_data: data,
});
const hookOut = struct({ thisHook: hookbuf, tag_cookie: uint32, tag_id: uint16, tag_len: uint16, tag_data: data });
const hookStat = struct({
  recvFrames: uint64,
  recvOctets: uint64,
  recvMatchFrames: uint64,
  recvMatchOctets: uint64,
  xmitFrames: uint64,
  xmitOctets: uint64,
});

type HookIn = ValueOf<typeof hookIn>;
type HookOut = ValueOf<typeof hookOut>;
type HookStat = ValueOf<typeof hookStat>;

const COUNTERS = ['recvFrames', 'recvOctets', 'recvMatchFrames', 'recvMatchOctets', 'xmitFrames', 'xmitOctets'];
const [RECV_FRAMES, RECV_OCTETS, MATCH_FRAMES, MATCH_OCTETS, XMIT_FRAMES, XMIT_OCTETS] = [0, 1, 2, 3, 4, 5];

/** What a data half is told of a hook; 0: no tag. */
interface Rule {
  readonly hook: string;
  readonly match: string;
  readonly other: string;
  readonly strip: boolean;
  readonly looksFor: number;
  /** The data counts, too. */
  readonly exact: boolean;
  readonly puts: number;
}

class TagControl extends ControlHalf {
  /** By hook, so that one that is put back where its removal is undone is as it was. */
  readonly #ins: WeakMap<Hook, HookIn> = new WeakMap();
  readonly #outs: WeakMap<Hook, HookOut> = new WeakMap();

  override newHook(hook: Hook): void {
    if (this.#ins.has(hook)) return;
    this.#ins.set(hook, blankIn(hook.name));
    this.#outs.set(hook, blankOut(hook.name));
  }

  override connected(): void {
    this.node.reconfigure();
  }

  override disconnected(): void {
    this.node.reconfigure();
    endsAlone(this.node);
  }

  override config(): readonly Rule[] {
    return [...this.node.hooks.values()].map(hook => {
      const each = this.#ins.get(hook)!;
      return {
        hook: hook.name,
        match: each.ifMatch,
        other: each.ifNotMatch,
        strip: each.strip !== 0,
        looksFor: this.#word(each),
        exact: each.tag_len > 0,
        puts: this.#word(this.#outs.get(hook)!),
      };
    });
  }

  override save(): () => void {
    const before = [...this.node.hooks.values()].map(
      hook => [hook, this.#ins.get(hook)!, this.#outs.get(hook)!] as const,
    );
    return () => {
      for (const [hook, looksFor, puts] of before) {
        this.#ins.set(hook, looksFor);
        this.#outs.set(hook, puts);
      }
    };
  }

  setIn(wanted: HookIn): void {
    const hook = hookOf(this.node, wanted.thisHook);
    this.#word(wanted);
    this.#ins.set(hook, wanted);
    this.node.reconfigure();
  }

  setOut(wanted: HookOut): void {
    const hook = hookOf(this.node, wanted.thisHook);
    this.#word(wanted);
    this.#outs.set(hook, wanted);
    this.node.reconfigure();
  }

  getIn(name: string): HookIn {
    return this.#ins.get(hookOf(this.node, name))!;
  }

  getOut(name: string): HookOut {
    return this.#outs.get(hookOf(this.node, name))!;
  }

  stat(name: string, clear: boolean): HookStat {
    const hook = hookOf(this.node, name);
    const counts = hook.counts() as HookStat;
    if (clear) this.node.graph.clearCounts(hook);
    return counts;
  }

  /** Zero cookie and ID are no tag. */
  #word({ tag_cookie: cookie, tag_id: id, tag_data }: HookOut): number {
    if (cookie === 0 && id === 0) return 0;
    return tagWord(this.node.graph, { cookie, id, data: tag_data });
  }
}

function blankIn(thisHook: string): HookIn {
  return { thisHook, ifMatch: '', ifNotMatch: '', strip: 0, tag_cookie: 0, tag_id: 0, tag_len: 0, tag_data: [] };
}

function blankOut(thisHook: string): HookOut {
  return { thisHook, tag_cookie: 0, tag_id: 0, tag_len: 0, tag_data: [] };
}

/** A rule with its hooks. */
interface Bound {
  readonly rule: Rule;
  readonly match: DataHook | undefined;
  readonly other: DataHook | undefined;
  /** What `match` and `other` put on. */
  readonly matchPuts: number;
  readonly otherPuts: number;
}

class TagData extends DataHalf<readonly Rule[]> {
  #rules: ReadonlyMap<string, Rule> = new Map();
  /** The next packet finds the hooks anew: there may be thousands of changes before it. */
  #stale = true;

  override configure(rules: readonly Rule[]): void {
    this.#rules = new Map(rules.map(rule => [rule.hook, rule]));
    this.#stale = true;
  }

  override hookAdded(): void {
    this.#stale = true;
  }

  override hookRemoved(): void {
    this.#stale = true;
  }

  override receive(hook: DataHook, handles: Int32Array, count: number): void {
    if (this.#stale) this.#bind();
    const { words } = this.node.packets;
    const bound = hook.state as Bound | undefined;
    if (!bound) {
      this.node.dropMany(handles, count, DROP.notConnected);
      return;
    }
    const { rule } = bound;
    const mask = rule.exact ? -1 : TAG_KIND;
    for (let i = 0; i < count; i++) {
      const handle = handles[i]!;
      const length = words[handle + PKT_LENGTH]!;
      hook.counts[RECV_FRAMES] = hook.counts[RECV_FRAMES]! + 1;
      hook.counts[RECV_OCTETS] = hook.counts[RECV_OCTETS]! + length;
      const found = rule.looksFor === 0 ? -1 : findTag(words, handle, rule.looksFor & mask, mask);
      let out = bound.other;
      let puts = bound.otherPuts;
      if (found >= 0) {
        hook.counts[MATCH_FRAMES] = hook.counts[MATCH_FRAMES]! + 1;
        hook.counts[MATCH_OCTETS] = hook.counts[MATCH_OCTETS]! + length;
        if (rule.strip) words[found] = 0;
        out = bound.match;
        puts = bound.matchPuts;
      }
      if (!out) {
        this.node.drop(handle, DROP.notConnected);
        continue;
      }
      if (puts !== 0 && !putTag(words, handle, puts)) {
        this.node.drop(handle, DROP.refused);
        continue;
      }
      out.counts[XMIT_FRAMES] = out.counts[XMIT_FRAMES]! + 1;
      out.counts[XMIT_OCTETS] = out.counts[XMIT_OCTETS]! + length;
      out.send(handle);
    }
  }

  #bind(): void {
    this.#stale = false;
    const puts = (name: string): number => this.#rules.get(name)?.puts ?? 0;
    for (const hook of this.node.hooks) {
      const rule = this.#rules.get(hook.name);
      hook.state = rule && {
        rule,
        match: this.node.hook(rule.match),
        other: this.node.hook(rule.other),
        matchPuts: puts(rule.match),
        otherPuts: puts(rule.other),
      };
    }
  }
}

/** Where the tag lies, or -1. */
function findTag(words: Int32Array, handle: number, wanted: number, mask: number): number {
  if ((words[handle + PKT_FLAGS]! & PKT_FLAG_TAGS) === 0) return -1;
  for (let at = handle + PKT_TAGS; at < handle + PKT_TAGS + TAGS; at++) {
    const word = words[at]!;
    if (word !== 0 && (word & mask) === wanted) return at;
  }
  return -1;
}

/** False where there are four already. */
function putTag(words: Int32Array, handle: number, tag: number): boolean {
  const first = handle + PKT_TAGS;
  if ((words[handle + PKT_FLAGS]! & PKT_FLAG_TAGS) === 0) {
    words[handle + PKT_FLAGS] = words[handle + PKT_FLAGS]! | PKT_FLAG_TAGS;
    words[first] = tag;
    for (let at = first + 1; at < first + TAGS; at++) words[at] = 0;
    return true;
  }
  for (let at = first; at < first + TAGS; at++) {
    if (words[at] !== 0) continue;
    words[at] = tag;
    return true;
  }
  return false;
}

export const tag: NodeType = {
  name: 'tag',
  cookie: 1149771193,
  messages: [
    command({ name: 'sethookin', cmd: 1, args: hookIn, handle: (tag: TagControl, args) => tag.setIn(args) }),
    command({
      name: 'gethookin',
      cmd: 2,
      args: string,
      reply: hookIn,
      handle: (tag: TagControl, hook) => tag.getIn(hook),
    }),
    command({ name: 'sethookout', cmd: 3, args: hookOut, handle: (tag: TagControl, args) => tag.setOut(args) }),
    command({
      name: 'gethookout',
      cmd: 4,
      args: string,
      reply: hookOut,
      handle: (tag: TagControl, hook) => tag.getOut(hook),
    }),
    ...statsCommands({
      cmds: [5, 6, 7],
      args: string,
      reply: hookStat,
      stats: (tag: TagControl, said, clear) => tag.stat(said, clear),
    }),
  ],
  control: TagControl,
  data: TagData,
  hookCounters: COUNTERS,
};
