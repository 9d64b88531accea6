// ng_netflow(4): counts what passes between `ifaceN` and `outN` into flows, and tells a collector of those that are over, out of `export` in
// NetFlow version 5 and out of `export9` in version 9 (RFC 3954). A ksocket behind those hooks sends the datagrams.
//
//    iface0 ─▶ counted (conf 1) ─▶ out0          export  ─▶ ksocket
//    iface0 ◀─ counted (conf 2) ◀─ out0          export9 ─▶ ksocket
//
// Where there is no `outN` packets end here: a copy of the traffic is enough. No routing table is asked, so next hop and masks are 0.
import { NetgraphError } from '../graph/error.ts';
import type { Hook } from '../graph/node.ts';
import { command, ControlHalf, type NodeType } from '../graph/type.ts';
import { FLOW_ACTIVE_TIMEOUT, FLOW_INACTIVE_TIMEOUT } from '../lib/flow-cache.ts';
import { NETFLOW9_TEMPLATE_PACKETS, NETFLOW9_TEMPLATE_SECONDS } from '../lib/netflow.ts';
import { NGM_HASREPLY, NGM_READONLY } from '../message/command.ts';
import { struct, uint16, uint32, uint64, uint8, type ValueOf } from '../message/form.ts';
import { PKT_COUNTED_BITS, PKT_COUNTED_SHIFT } from '../packet/packets.ts';
import { endsAlone } from './lib/alone.ts';
import { Asks } from './lib/ask.ts';
import { checkDlt, DLT_EN10MB } from './lib/dlt.ts';
import {
  CONF_INGRESS,
  CONF_ONCE,
  CONF_THIS_ONCE,
  EXPORT_HEADERS,
  type Interface,
  NETFLOW_COUNTERS,
  type NetflowConfig,
  NetflowData,
  type NetflowQuestion,
  type NetflowState,
} from './lib/netflow-data.ts';
import { flowsAsked, flowsShown, type FlowPage, type FlowsAsked } from './lib/netflow-show.ts';

/** Interfaces are numbered below this (NG_NETFLOW_MAXIFACES). */
const INTERFACES = 65_535;
/** What an interface is told to do: ingress, egress, each packet once, and the two that leave out look-ups, of which there are none. */
const CONF_KNOWN = 0x3f;
const MTU_LEAST: number = 512 + EXPORT_HEADERS;

/** struct ng_netflow_info, with FreeBSD's names. */
const info = struct({
  'IPv4 bytes': uint64,
  'IPv4 packets': uint64,
  'IPv6 bytes': uint64,
  'IPv6 packets': uint64,
  'IPv4 skipped bytes': uint64,
  'IPv4 skipped packets': uint64,
  'IPv6 skipped bytes': uint64,
  'IPv6 skipped packets': uint64,
  'Active expiries': uint64,
  'Inactive expiries': uint64,
  'IPv4 records used': uint32,
  'IPv6 records used': uint32,
  'Failed allocations': uint32,
  'V5 failed exports': uint32,
  'V9 failed exports': uint32,
  'mbuf reallocations': uint32,
  'fibs allocated': uint32,
  'Inactive timeout': uint32,
  'Active timeout': uint32,
});
const ifinfo = struct({ packets: uint32, 'data link type': uint8, index: uint16, conf: uint32 });
const setdlt = struct({ iface: uint16, dlt: uint8 });
const setifindex = struct({ iface: uint16, index: uint16 });
const settimeouts = struct({ inactive: uint32, active: uint32 });
const setconfig = struct({ iface: uint16, conf: uint32 });
const settemplate = struct({ time: uint16, packets: uint16 });
const setmtu = struct({ mtu: uint16 });
const v9info = struct({ 'v9 template packets': uint16, 'v9 template time': uint16, 'v9 MTU': uint16 });

const FRESH: Interface = { dlt: DLT_EN10MB, index: 0, conf: CONF_INGRESS };

class NetflowControl extends ControlHalf {
  readonly #asks: Asks<NetflowQuestion, NetflowState | FlowPage> = new Asks(this.node);
  /** By the hook `ifaceN`. */
  readonly #interfaces: WeakMap<Hook, Interface> = new WeakMap();
  #inactive: number = FLOW_INACTIVE_TIMEOUT;
  #active: number = FLOW_ACTIVE_TIMEOUT;
  #templateSeconds: number = NETFLOW9_TEMPLATE_SECONDS;
  #templatePackets: number = NETFLOW9_TEMPLATE_PACKETS;
  #mtu = 1500;
  /** What packets have that this node has counted, and is to count once; 0: none has. */
  #mark = 0;

  override newHook({ name }: Hook): void {
    const number = /^(?:iface|out)(0|[1-9]\d{0,4})$/.exec(name)?.[1];
    const known = name === 'export' || name === 'export9' || (number !== undefined && Number(number) < INTERFACES);
    if (!known) {
      throw new NetgraphError(
        'EINVAL',
        `a netflow has hooks ifaceN, outN (0 to 65534), export, export9: not '${name}'`,
      );
    }
    this.node.reconfigure();
  }

  override disconnected(): void {
    endsAlone(this.node);
  }

  override shutdown(): void {
    this.#asks.end(`node ${this.node.address} has ended`);
  }

  override workerBegun(worker: number): void {
    this.#asks.again(worker);
  }

  override told(_worker: number, value: unknown): void {
    this.#asks.told(value);
  }

  override config(): NetflowConfig {
    const interfaces = new Map<number, Interface>();
    for (const [name, hook] of this.node.hooks) {
      if (name.startsWith('iface')) interfaces.set(Number(name.slice(5)), this.#interfaces.get(hook) ?? FRESH);
    }
    return {
      interfaces,
      inactive: this.#inactive,
      active: this.#active,
      templateSeconds: this.#templateSeconds,
      templatePackets: this.#templatePackets,
      mtu: this.#mtu,
      mark: this.#mark,
    };
  }

  override save(): () => void {
    const before = [this.#inactive, this.#active, this.#templateSeconds, this.#templatePackets, this.#mtu] as const;
    const interfaces = [...this.node.hooks.values()].map(hook => [hook, this.#interfaces.get(hook) ?? FRESH] as const);
    return () => {
      [this.#inactive, this.#active, this.#templateSeconds, this.#templatePackets, this.#mtu] = before;
      for (const [hook, said] of interfaces) this.#interfaces.set(hook, said);
    };
  }

  async info(): Promise<ValueOf<typeof info>> {
    const state = (await this.#asks.ask('state')) as NetflowState;
    const counts = this.node.counts() as Record<(typeof NETFLOW_COUNTERS)[number], number>;
    return {
      'IPv4 bytes': counts.bytes4,
      'IPv4 packets': counts.packets4,
      'IPv6 bytes': counts.bytes6,
      'IPv6 packets': counts.packets6,
      'IPv4 skipped bytes': counts.skippedBytes4,
      'IPv4 skipped packets': counts.skippedPackets4,
      'IPv6 skipped bytes': counts.skippedBytes6,
      'IPv6 skipped packets': counts.skippedPackets6,
      'Active expiries': state.activeExpiries,
      'Inactive expiries': state.inactiveExpiries,
      'IPv4 records used': state.used4,
      'IPv6 records used': state.used6,
      'Failed allocations': state.failed,
      'V5 failed exports': counts.failed5,
      'V9 failed exports': counts.failed9,
      'mbuf reallocations': 0,
      'fibs allocated': 0,
      'Inactive timeout': this.#inactive,
      'Active timeout': this.#active,
    };
  }

  async show({ version, hash_id, list_id }: FlowsAsked): Promise<FlowPage> {
    if (version !== 4 && version !== 6) throw new NetgraphError('EINVAL', `version=${version}: 4 or 6`);
    if (list_id !== 0) throw new NetgraphError('EINVAL', `list_id=${list_id}: no page has begun there`);
    return (await this.#asks.ask({ family: version, first: hash_id })) as FlowPage;
  }

  ifinfo(number: number): ValueOf<typeof ifinfo> {
    const hook = this.#hook(number);
    const { dlt, index, conf } = this.#interfaces.get(hook) ?? FRESH;
    return { packets: hook.counts()['packets']! % 2 ** 32, 'data link type': dlt, index, conf };
  }

  setDlt({ iface, dlt }: ValueOf<typeof setdlt>): void {
    checkDlt(dlt);
    this.#change(iface, { dlt });
  }

  setIndex({ iface, index }: ValueOf<typeof setifindex>): void {
    this.#change(iface, { index });
  }

  setConf({ iface, conf }: ValueOf<typeof setconfig>): void {
    if ((conf & ~CONF_KNOWN) !== 0) throw new NetgraphError('EINVAL', `conf=${conf} is more than ${CONF_KNOWN}`);
    if ((conf & (CONF_ONCE | CONF_THIS_ONCE)) !== 0) this.#mark ||= this.#freeMark();
    this.#change(iface, { conf });
  }

  setTimeouts({ inactive, active }: ValueOf<typeof settimeouts>): void {
    if (inactive === 0 || active === 0) {
      throw new NetgraphError('EINVAL', `inactive=${inactive} active=${active}: both are seconds, 1 or more`);
    }
    this.#inactive = inactive;
    this.#active = active;
    this.node.reconfigure();
  }

  setTemplate({ time, packets }: ValueOf<typeof settemplate>): void {
    if (time === 0 || packets === 0) throw new NetgraphError('EINVAL', `time=${time} packets=${packets}: 1 or more`);
    this.#templateSeconds = time;
    this.#templatePackets = packets;
    this.node.reconfigure();
  }

  setMtu({ mtu }: ValueOf<typeof setmtu>): void {
    if (mtu < MTU_LEAST) throw new NetgraphError('EINVAL', `mtu=${mtu}: ${MTU_LEAST} or more`);
    this.#mtu = mtu;
    this.node.reconfigure();
  }

  v9info(): ValueOf<typeof v9info> {
    return {
      'v9 template packets': this.#templatePackets,
      'v9 template time': this.#templateSeconds,
      'v9 MTU': this.#mtu,
    };
  }

  /** A bit of packets that no other netflow of the graph has. */
  #freeMark(): number {
    let taken = 0;
    for (const { control } of this.node.graph.nodes) if (control instanceof NetflowControl) taken |= control.#mark;
    for (let bit = 0; bit < PKT_COUNTED_BITS; bit++) {
      const mark = 1 << (PKT_COUNTED_SHIFT + bit);
      if ((taken & mark) === 0) return mark;
    }
    throw new NetgraphError('EBUSY', `${PKT_COUNTED_BITS} netflow nodes count packets once already`);
  }

  #hook(number: number): Hook {
    const hook = this.node.hooks.get(`iface${number}`);
    if (!hook) throw new NetgraphError('ENOENT', `node ${this.node.address} has no hook 'iface${number}'`);
    return hook;
  }

  #change(number: number, to: Partial<Interface>): void {
    const hook = this.#hook(number);
    this.#interfaces.set(hook, { ...(this.#interfaces.get(hook) ?? FRESH), ...to });
    this.node.reconfigure();
  }
}

const ASKS: number = NGM_READONLY | NGM_HASREPLY;

export const netflow: NodeType = {
  name: 'netflow',
  cookie: 1365756954,
  messages: [
    command({ name: 'info', cmd: 1 | ASKS, reply: info, handle: (netflow: NetflowControl) => netflow.info() }),
    command({
      name: 'ifinfo',
      cmd: 2 | ASKS,
      args: uint16,
      reply: ifinfo,
      handle: (netflow: NetflowControl, number) => netflow.ifinfo(number),
    }),
    command({
      name: 'show',
      cmd: 3 | ASKS,
      args: flowsAsked,
      reply: flowsShown,
      handle: (netflow: NetflowControl, asked) => netflow.show(asked),
    }),
    command({ name: 'setdlt', cmd: 4, args: setdlt, handle: (netflow: NetflowControl, a) => netflow.setDlt(a) }),
    command({
      name: 'setifindex',
      cmd: 5,
      args: setifindex,
      handle: (netflow: NetflowControl, a) => netflow.setIndex(a),
    }),
    command({
      name: 'settimeouts',
      cmd: 6,
      args: settimeouts,
      handle: (netflow: NetflowControl, a) => netflow.setTimeouts(a),
    }),
    command({
      name: 'setconfig',
      cmd: 7,
      args: setconfig,
      handle: (netflow: NetflowControl, a) => netflow.setConf(a),
    }),
    command({
      name: 'settemplate',
      cmd: 8,
      args: settemplate,
      handle: (netflow: NetflowControl, a) => netflow.setTemplate(a),
    }),
    command({ name: 'setmtu', cmd: 9, args: setmtu, handle: (netflow: NetflowControl, a) => netflow.setMtu(a) }),
    command({ name: 'v9info', cmd: 10 | ASKS, reply: v9info, handle: (netflow: NetflowControl) => netflow.v9info() }),
  ],
  control: NetflowControl,
  data: NetflowData,
  runsIn: 'one',
  counters: NETFLOW_COUNTERS,
  hookCounters: ['packets'],
};
