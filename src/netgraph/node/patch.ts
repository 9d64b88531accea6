// ng_patch(4): changes bytes of packets that go from `in` to `out`: a list of operations on one, two, four or eight bytes in network order, one
// after the other, each left out where the packet ends before it. Without `out` they go back out of `in`. From `out` to `in` nothing is
// changed. Then the checksums that `csum_flags` names are made anew, and where `setdlt` says Ethernet they are looked for behind its
// header; offsets count from there where `relative_offset` is set.
import { NetgraphError } from '../graph/error.ts';
import type { Hook } from '../graph/node.ts';
import { command, ControlHalf, type NodeType } from '../graph/type.ts';
import { set4, set6, setIp4Checksum } from '../lib/checksum.ts';
import { ip4HeaderLength } from '../lib/ip.ts';
import { array, struct, uint16, uint32, uint64, uint8, type ValueOf } from '../message/form.ts';
import { PKT_DATA, PKT_LENGTH } from '../packet/packets.ts';
import { DataHalf, DROP } from '../worker/half.ts';
import type { DataHook } from '../worker/node.ts';
import { endsAlone } from './lib/alone.ts';
import { checkDlt, DLT_EN10MB, DLT_RAW, ETHER_OTHER, etherPayload } from './lib/dlt.ts';
import { onlyHooks } from './lib/hook-of.ts';
import { statsCommands } from './lib/stats-commands.ts';

const [SET, ADD, SUB, MUL, DIV, NEG, AND, OR, XOR, SHL, SHR] = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11];
const CSUM_IP = 1;
const CSUM_UDP = 2;
const CSUM_TCP = 4;
const CSUM_IP6_UDP = 0x200;
const CSUM_IP6_TCP = 0x400;
const CSUM_KNOWN: number = CSUM_IP | CSUM_UDP | CSUM_TCP | CSUM_IP6_UDP | CSUM_IP6_TCP;
/** Operations of one node. */
const OPERATIONS = 1024;

const operation = struct({ offset: uint32, length: uint16, mode: uint16, value: uint64 });
const config = struct({
  count: uint32,
  csum_flags: uint64,
  relative_offset: uint32,
  ops: array({ element: operation, length: ({ count }: { count: number }) => count }),
});
const stats = struct({ Received: uint64, Patched: uint64, Dropped: uint64 });

type Config = ValueOf<typeof config>;
type Stats = ValueOf<typeof stats>;

const [RECEIVED, PATCHED, DROPPED] = [0, 1, 2];

class PatchControl extends ControlHalf {
  #config: Config = { count: 0, csum_flags: 0, relative_offset: 0, ops: [] };
  #dlt = DLT_RAW;

  override newHook(hook: Hook): void {
    onlyHooks(hook, ['in', 'out']);
  }

  override disconnected(): void {
    endsAlone(this.node);
  }

  override config(): Config & { dlt: number } {
    return { ...this.#config, dlt: this.#dlt };
  }

  override save(): () => void {
    const before = [this.#config, this.#dlt] as const;
    return () => void ([this.#config, this.#dlt] = before);
  }

  get(): Config {
    return this.#config;
  }

  set(wanted: Config): void {
    if (wanted.count > OPERATIONS)
      throw new NetgraphError('E2BIG', `${wanted.count} operations: at most ${OPERATIONS}`);
    wanted.ops.forEach(({ value, length, mode }, i) => {
      if (![1, 2, 4, 8].includes(length)) {
        throw new NetgraphError('EINVAL', `operation ${i}: a length of ${length} bytes is none of 1, 2, 4 and 8`);
      }
      if (mode < SET || mode > SHR) throw new NetgraphError('EINVAL', `operation ${i}: there is no mode ${mode}`);
      if (length < 8 && value >= 2 ** (8 * length)) {
        throw new NetgraphError('EINVAL', `operation ${i}: the value ${value} is longer than ${length} bytes`);
      }
      if (mode === DIV && value === 0) throw new NetgraphError('EINVAL', `operation ${i}: division by 0`);
    });
    // As numbers: flags may have more than 32 bits.
    if (wanted.csum_flags > CSUM_KNOWN || (wanted.csum_flags & ~CSUM_KNOWN) !== 0) {
      throw new NetgraphError(
        'EINVAL',
        `csum_flags=${wanted.csum_flags}: 0x1 (IP), 0x2 (UDP), 0x4 (TCP), and 0x200 and 0x400 (the same over IPv6) are known`,
      );
    }
    this.#config = wanted;
    this.node.reconfigure();
  }

  get dlt(): number {
    return this.#dlt;
  }

  setDlt(value: number): void {
    checkDlt(value);
    this.#dlt = value;
    this.node.reconfigure();
  }

  stats(clear: boolean): Stats {
    const { received, patched, dropped } = this.node.counts();
    if (clear) this.node.graph.clearCounts(this.node);
    return { Received: received!, Patched: patched!, Dropped: dropped! };
  }
}

class PatchData extends DataHalf<Config & { dlt: number }> {
  #in: DataHook | undefined;
  #out: DataHook | undefined;
  // By operation.
  #count = 0;
  #values: Float64Array = new Float64Array(0);
  #offsets: Float64Array = new Float64Array(0);
  #lengths: Uint8Array = new Uint8Array(0);
  #modes: Uint8Array = new Uint8Array(0);
  #flags = 0;
  #ethernet = false;
  #relative = false;

  override configure({ ops, csum_flags, relative_offset, dlt }: Config & { dlt: number }): void {
    this.#count = ops.length;
    this.#values = Float64Array.from(ops, ({ value }) => value);
    this.#offsets = Float64Array.from(ops, ({ offset }) => offset);
    this.#lengths = Uint8Array.from(ops, ({ length }) => length);
    this.#modes = Uint8Array.from(ops, ({ mode }) => mode);
    this.#flags = csum_flags;
    this.#ethernet = dlt === DLT_EN10MB;
    this.#relative = relative_offset !== 0;
  }

  override hookAdded(): void {
    this.#find();
  }

  override hookRemoved(): void {
    this.#find();
  }

  override receive(hook: DataHook, handles: Int32Array, count: number): void {
    const { counts } = this.node;
    counts[RECEIVED] = counts[RECEIVED]! + count;
    const forth = hook === this.#in;
    const target = forth ? (this.#out ?? this.#in) : this.#in;
    if (forth && this.#count > 0) for (let i = 0; i < count; i++) this.#patch(handles[i]!);
    if (target) target.pass(count);
    else {
      counts[DROPPED] = counts[DROPPED]! + count;
      this.node.dropMany(handles, count, DROP.notConnected);
    }
  }

  #patch(handle: number): void {
    const { words, bytes } = this.node.packets;
    const data = words[handle + PKT_DATA]!;
    const whole = words[handle + PKT_LENGTH]!;
    const way = this.#ethernet ? etherPayload(bytes, data, whole) : 0;
    const header = way === ETHER_OTHER ? 14 : way & 0xffff;
    const base = this.#relative ? data + header : data;
    const length = this.#relative ? whole - header : whole;
    let some = false;
    for (let i = 0; i < this.#count; i++) {
      const size = this.#lengths[i]!;
      const offset = this.#offsets[i]!;
      if (offset + size > length) continue;
      some = true;
      if (size === 8) patch8(bytes, base + offset, this.#modes[i]!, this.#values[i]!);
      else patchShort(bytes, base + offset, size, this.#modes[i]!, this.#values[i]!);
    }
    if (!some) return;
    this.node.counts[PATCHED] = this.node.counts[PATCHED]! + 1;
    if (this.#flags !== 0 && header <= whole) this.#sums(bytes, data + header, whole - header);
  }

  #sums(bytes: Uint8Array, at: number, length: number): void {
    if (length < 1) return;
    const version = bytes[at]! >>> 4;
    if (version === 4) {
      const header = ip4HeaderLength(bytes, at, length);
      if (header < 0) return;
      if ((this.#flags & CSUM_IP) !== 0) setIp4Checksum(bytes, at, header);
      if (this.#wanted(bytes[at + 9]!, CSUM_UDP, CSUM_TCP)) set4(bytes, at, length);
    } else if (version === 6 && length >= 40 && this.#wanted(bytes[at + 6]!, CSUM_IP6_UDP, CSUM_IP6_TCP)) {
      set6(bytes, at, length);
    }
  }

  #wanted(protocol: number, udp: number, tcp: number): boolean {
    return (protocol === 6 && (this.#flags & tcp) !== 0) || (protocol === 17 && (this.#flags & udp) !== 0);
  }

  #find(): void {
    this.#in = this.node.hook('in');
    this.#out = this.node.hook('out');
  }
}

/** One, two or four bytes, modulo what they hold. */
function patchShort(bytes: Uint8Array, at: number, size: number, mode: number, value: number): void {
  let before = 0;
  for (let i = 0; i < size; i++) before = before * 256 + bytes[at + i]!;
  let after = before;
  switch (mode) {
    case SET:
      after = value;
      break;
    case ADD:
      after = before + value;
      break;
    case SUB:
      after = before - value;
      break;
    case MUL:
      after = Math.imul(before, value);
      break;
    case DIV:
      after = Math.trunc(before / value);
      break;
    case NEG:
      after = -before;
      break;
    case AND:
      after = before & value;
      break;
    case OR:
      after = before | value;
      break;
    case XOR:
      after = before ^ value;
      break;
    case SHL:
      after = value > 31 ? 0 : before << value;
      break;
    case SHR:
      after = value > 31 ? 0 : before >>> value;
      break;
  }
  for (let i = size - 1; i >= 0; i--) {
    bytes[at + i] = after;
    after = Math.floor(after / 256);
  }
}

/** Eight bytes are more than a number holds; who patches so many pays for big ones. */
function patch8(bytes: Uint8Array, at: number, mode: number, number: number): void {
  const view = new DataView(bytes.buffer, bytes.byteOffset + at, 8);
  const before = view.getBigUint64(0);
  const value = BigInt(number);
  let after = before;
  switch (mode) {
    case SET:
      after = value;
      break;
    case ADD:
      after = before + value;
      break;
    case SUB:
      after = before - value;
      break;
    case MUL:
      after = before * value;
      break;
    case DIV:
      after = before / value;
      break;
    case NEG:
      after = -before;
      break;
    case AND:
      after = before & value;
      break;
    case OR:
      after = before | value;
      break;
    case XOR:
      after = before ^ value;
      break;
    case SHL:
      after = number > 63 ? 0n : before << value;
      break;
    case SHR:
      after = number > 63 ? 0n : before >> value;
      break;
  }
  view.setBigUint64(0, BigInt.asUintN(64, after));
}

export const patch: NodeType = {
  name: 'patch',
  cookie: 1262445509,
  messages: [
    command({ name: 'setconfig', cmd: 1, args: config, handle: (patch: PatchControl, args) => patch.set(args) }),
    command({ name: 'getconfig', cmd: 2, reply: config, handle: (patch: PatchControl) => patch.get() }),
    ...statsCommands({
      cmds: [3, 4, 5],
      reply: stats,
      stats: (patch: PatchControl, _args, clear) => patch.stats(clear),
    }),
    command({ name: 'getdlt', cmd: 6, reply: uint8, handle: (patch: PatchControl) => patch.dlt }),
    command({ name: 'setdlt', cmd: 7, args: uint8, handle: (patch: PatchControl, value) => patch.setDlt(value) }),
  ],
  control: PatchControl,
  data: PatchData,
  counters: ['received', 'patched', 'dropped'],
};
