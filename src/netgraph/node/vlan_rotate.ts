// ng_vlan_rotate(4): turns the stack of an Ethernet frame's VLAN tags. From `original` to `ordered` the stack goes `rot` places in: what was
// outermost comes behind `rot` others; from `ordered` to `original` it goes back. A frame with more tags than `max` goes out of
// `excessive`, one with fewer than `min`, or none that could be turned, out of `incomplete`; what comes in by those two goes out of
// `original` as it is.
import { NetgraphError } from '../graph/error.ts';
import type { Hook } from '../graph/node.ts';
import { command, ControlHalf, type NodeType } from '../graph/type.ts';
import { read16 } from '../lib/ip.ts';
import { array, int8, struct, uint64, uint8, type ValueOf } from '../message/form.ts';
import { PKT_DATA, PKT_LENGTH } from '../packet/packets.ts';
import { DataHalf, DROP } from '../worker/half.ts';
import type { DataHook } from '../worker/node.ts';
import { endsAlone } from './lib/alone.ts';
import { onlyHooks } from './lib/hook-of.ts';
import { statsCommands } from './lib/stats-commands.ts';

const HOOKS = ['original', 'ordered', 'excessive', 'incomplete'] as const;
/** Tags that a stack may have, and one more. */
const MOST = 10;
const TAG_BYTES = 4;
/** Of both addresses, before the first tag. */
const ADDRESSES = 12;

const conf = struct({ rot: int8, min: uint8, max: uint8 });
const stat = struct({
  drops: uint64,
  excessive: uint64,
  incomplete: uint64,
  histogram: array({ element: uint64, length: MOST }),
});
type Conf = ValueOf<typeof conf>;

const COUNTERS = ['drops', 'excessive', 'incomplete', ...Array.from({ length: MOST }, (_, i) => `tags${i}`)];
const [DROPS, EXCESSIVE, INCOMPLETE, HISTOGRAM] = [0, 1, 2, 3];

class VlanRotateControl extends ControlHalf {
  #conf: Conf = { rot: 0, min: 0, max: MOST };

  override newHook(hook: Hook): void {
    onlyHooks(hook, HOOKS);
  }

  override disconnected(): void {
    endsAlone(this.node);
  }

  override config(): Conf {
    return this.#conf;
  }

  override save(): () => void {
    const conf = this.#conf;
    return () => void (this.#conf = conf);
  }

  set({ rot, min, max: given }: Conf): void {
    // Without one it stays.
    const max = given === 0 ? this.#conf.max : given;
    if (max > MOST) throw new NetgraphError('EINVAL', `max=${max}: at most ${MOST} tags`);
    if (min > max) throw new NetgraphError('EINVAL', `min=${min} is more than max=${max}`);
    if (Math.abs(rot) >= max) throw new NetgraphError('EINVAL', `rot=${rot} turns more than max=${max} tags`);
    this.#conf = { rot, min, max };
    this.node.reconfigure();
  }

  stat(clear: boolean): ValueOf<typeof stat> {
    const counts = this.node.counts();
    if (clear) this.node.graph.clearCounts(this.node);
    return {
      drops: counts['drops']!,
      excessive: counts['excessive']!,
      incomplete: counts['incomplete']!,
      histogram: Array.from({ length: MOST }, (_, i) => counts[`tags${i}`]!),
    };
  }
}

class VlanRotateData extends DataHalf<Conf> {
  #rot = 0;
  #min = 0;
  #max = MOST;
  readonly #turned = new Uint8Array(MOST * TAG_BYTES);

  override configure({ rot, min, max }: Conf): void {
    this.#rot = rot;
    this.#min = min;
    this.#max = max;
  }

  override receive(hook: DataHook, handles: Int32Array, count: number): void {
    const original = this.node.hook('original');
    const forth = hook.name === 'original';
    const ordinary = forth ? this.node.hook('ordered') : original;
    if (!forth && hook.name !== 'ordered') {
      if (ordinary) ordinary.pass(count);
      else this.#drop(handles, count, DROP.notConnected);
      return;
    }
    if (!ordinary) {
      this.#drop(handles, count, DROP.notConnected);
      return;
    }
    const { words, bytes } = this.node.packets;
    const { counts } = this.node;
    const rot = forth ? -this.#rot : this.#rot;
    const turns = Math.abs(rot);
    const excessive = this.node.hook('excessive');
    const incomplete = this.node.hook('incomplete');
    for (let i = 0; i < count; i++) {
      const handle = handles[i]!;
      const at = words[handle + PKT_DATA]! + ADDRESSES;
      const tags = countTags(bytes, at, words[handle + PKT_LENGTH]! - ADDRESSES);
      let out: DataHook | undefined = ordinary;
      if (tags < 0) {
        counts[DROPS] = counts[DROPS]! + 1;
        this.node.drop(handle, DROP.malformed);
        continue;
      }
      if (tags > this.#max || tags >= MOST) {
        counts[EXCESSIVE] = counts[EXCESSIVE]! + 1;
        out = excessive;
      } else if (tags < this.#min || tags <= turns) {
        counts[INCOMPLETE] = counts[INCOMPLETE]! + 1;
        out = incomplete;
      } else {
        counts[HISTOGRAM + tags] = counts[HISTOGRAM + tags]! + 1;
        if (turns !== 0) this.#turn(bytes, at, tags, (rot + tags) % tags);
      }
      if (out) out.send(handle);
      else {
        counts[DROPS] = counts[DROPS]! + 1;
        this.node.drop(handle, DROP.notConnected);
      }
    }
  }

  /** Tag i becomes what tag i + by was. */
  #turn(bytes: Uint8Array, at: number, tags: number, by: number): void {
    const turned = this.#turned;
    const length = tags * TAG_BYTES;
    const first = by * TAG_BYTES;
    for (let i = 0; i < length; i++) {
      const from = first + i;
      turned[i] = bytes[at + (from < length ? from : from - length)]!;
    }
    for (let i = 0; i < length; i++) bytes[at + i] = turned[i]!;
  }

  #drop(handles: Int32Array, count: number, reason: number): void {
    this.node.counts[DROPS] = this.node.counts[DROPS]! + count;
    this.node.dropMany(handles, count, reason);
  }
}

/** Tags in a row, MOST + 1 at most; -1 where the frame ends before its type. */
function countTags(bytes: Uint8Array, at: number, length: number): number {
  for (let tags = 0; tags <= MOST; tags++) {
    if (length < (tags + 1) * TAG_BYTES) return -1;
    const type = read16(bytes, at + tags * TAG_BYTES);
    // IEEE 802.1Q, 802.1ad, and what was used before it.
    if (type !== 0x8100 && type !== 0x88a8 && type !== 0x9100 && type !== 0x9200 && type !== 0x9300) return tags;
  }
  return MOST + 1;
}

export const vlanRotate: NodeType = {
  name: 'vlan_rotate',
  cookie: 1568378766,
  messages: [
    command({ name: 'getconf', cmd: 1, reply: conf, handle: (rotate: VlanRotateControl) => rotate.config() }),
    command({ name: 'setconf', cmd: 2, args: conf, handle: (rotate: VlanRotateControl, args) => rotate.set(args) }),
    ...statsCommands({
      cmds: [3, 4, 5],
      noun: 'stat',
      reply: stat,
      stats: (rotate: VlanRotateControl, _args, clear) => rotate.stat(clear),
    }),
  ],
  control: VlanRotateControl,
  data: VlanRotateData,
  counters: COUNTERS,
};
