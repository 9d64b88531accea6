// ng_nat(4): what comes in by `out`, from inside, gets the alias address for its source and goes out of `in`; what comes in by `in`, from
// outside, is brought back to who it is for and goes out of `out`. Before there is an alias address and both hooks, all is dropped.
//
//    inside ─▶ out ──▶ source becomes the alias ──▶ in ─▶ outside
//
// Redirects and proxy rules are values of the configuration: what changes them leaves the connections that there are alone.
import { NetgraphError } from '../graph/error.ts';
import type { Hook } from '../graph/node.ts';
import { command, ControlHalf, type NodeType } from '../graph/type.ts';
import { IPPROTO_ICMP, IPPROTO_TCP, IPPROTO_UDP } from '../lib/ip.ts';
import {
  NAT_DENY_INCOMING,
  NAT_PROXY_ONLY,
  NAT_RESET_ON_ADDR_CHANGE,
  NAT_REVERSE,
  NAT_SAME_PORTS,
  NAT_UDP_EIM,
  NAT_UNREGISTERED_CGN,
  NAT_UNREGISTERED_ONLY,
  type NatRedirect,
} from '../lib/nat-options.ts';
import { array, fixedString, ipv4, string, struct, uint16, uint32, uint8, type ValueOf } from '../message/form.ts';
import { formatIp4, parseIp4 } from '../../net/index.ts';
import { endsAlone } from './lib/alone.ts';
import { Asks } from './lib/ask.ts';
import { checkDlt, DLT_RAW } from './lib/dlt.ts';
import { onlyHooks } from './lib/hook-of.ts';
import { type LetGo, type NatConfig, NatData } from './lib/nat-data.ts';
import { type IndexedRule, proxyRules } from './lib/proxy-rule.ts';

const LOG = 0x01;
const KNOWN: number =
  NAT_DENY_INCOMING |
  NAT_SAME_PORTS |
  NAT_UNREGISTERED_ONLY |
  NAT_RESET_ON_ADDR_CHANGE |
  NAT_PROXY_ONLY |
  NAT_REVERSE |
  NAT_UNREGISTERED_CGN |
  NAT_UDP_EIM;
/** In a list: a whole address (NG_NAT_REDIRPROTO_ADDR, IPPROTO_MAX + 3). */
const REDIRECT_ADDRESS = 259;
const IPPROTO_SCTP = 132;
const REDIRECTS_MOST = 4096;
const SERVERS_MOST = 256;
const PROXY_RULES_MOST = 256;

const description = fixedString(64);
const mode = struct({ flags: uint32, mask: uint32 });
const redirectPort = struct({
  local_addr: ipv4,
  alias_addr: ipv4,
  remote_addr: ipv4,
  local_port: uint16,
  alias_port: uint16,
  remote_port: uint16,
  proto: uint8,
  description,
});
const redirectAddr = struct({ local_addr: ipv4, alias_addr: ipv4, description });
const redirectProto = struct({ local_addr: ipv4, alias_addr: ipv4, remote_addr: ipv4, proto: uint8, description });
const addServer = struct({ id: uint32, addr: ipv4, port: uint16 });
const listEntry = struct({
  id: uint32,
  local_addr: ipv4,
  alias_addr: ipv4,
  remote_addr: ipv4,
  local_port: uint16,
  alias_port: uint16,
  remote_port: uint16,
  proto: uint16,
  lsnat: uint16,
  description,
});
const list = struct({
  total_count: uint32,
  redirects: array({
    element: listEntry,
    length: ({ total_count }: { total_count: number }) => total_count,
  }),
});
const info = struct({
  icmpLinkCount: uint32,
  udpLinkCount: uint32,
  tcpLinkCount: uint32,
  sctpLinkCount: uint32,
  pptpLinkCount: uint32,
  protoLinkCount: uint32,
  fragmentIdLinkCount: uint32,
  fragmentPtrLinkCount: uint32,
  sockCount: uint32,
});

class NatControl extends ControlHalf {
  readonly #asks: Asks<'sessions', Map<number, number>> = new Asks(this.node);
  #address = 0;
  #target = 0;
  #flags: number = NAT_SAME_PORTS | NAT_RESET_ON_ADDR_CHANGE;
  dlt: number = DLT_RAW;
  #redirects: Map<number, NatRedirect> = new Map();
  /** Those that serve one more connection, until the worker has heard of it. */
  #leaving: Set<number> = new Set();
  #proxyRules: readonly IndexedRule[] = [];
  #ftp = false;
  #next = 1;

  override newHook(hook: Hook): void {
    onlyHooks(hook, ['in', 'out']);
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
    if (!this.#asks.told(value)) this.#leaving.delete((value as LetGo).left);
  }

  override config(): NatConfig {
    return {
      address: this.#address,
      flags: this.#flags,
      target: this.#target,
      dlt: this.dlt,
      redirects: this.#redirects,
      leaving: this.#leaving,
      proxyRules: this.#proxyRules.map(({ rule }) => rule),
      ftp: this.#ftp,
    };
  }

  override save(): () => void {
    const before = [this.#address, this.#target, this.#flags, this.dlt, this.#proxyRules] as const;
    const [redirects, leaving] = [new Map(this.#redirects), new Set(this.#leaving)];
    return () => {
      [this.#address, this.#target, this.#flags, this.dlt, this.#proxyRules] = before;
      [this.#redirects, this.#leaving] = [redirects, leaving];
    };
  }

  setAddress(text: string): void {
    this.#address = parseIp4(text);
    this.node.reconfigure();
  }

  /** 0.0.0.0: what nobody has asked for goes to whom it names; the target of libalias for 255.255.255.255 is the alias address itself. */
  setTarget(text: string): void {
    this.#target = text === '255.255.255.255' ? 0 : parseIp4(text);
    this.node.reconfigure();
  }

  setMode({ flags, mask }: ValueOf<typeof mode>): void {
    const wanted = (flags & mask) >>> 0;
    if ((wanted & LOG) !== 0) throw new NetgraphError('EOPNOTSUPP', `flags=${flags}: there is no log`);
    if ((wanted & ~KNOWN) !== 0) throw new NetgraphError('EINVAL', `flags=0x${flags.toString(16)} is more than 0x3f6`);
    this.#flags = (this.#flags & ~mask) | wanted;
    this.node.reconfigure();
  }

  get ftp(): number {
    return this.#ftp ? 1 : 0;
  }

  setFtp(on: number): void {
    if (on > 1) throw new NetgraphError('EINVAL', `${on} is neither 0 nor 1`);
    this.#ftp = on === 1;
    this.node.reconfigure();
  }

  setDlt(dlt: number): void {
    checkDlt(dlt);
    this.dlt = dlt;
    this.node.reconfigure();
  }

  redirectPort(told: ValueOf<typeof redirectPort>): number {
    const { local_port, alias_port, proto } = told;
    if (!protocolHasPorts(proto)) {
      throw new NetgraphError('EINVAL', `proto=${proto}: ${IPPROTO_TCP} (TCP) or ${IPPROTO_UDP} (UDP)`);
    }
    if (local_port === 0 || alias_port === 0) {
      throw new NetgraphError('EINVAL', `local_port=${local_port} alias_port=${alias_port}: ports are 1 to 65535`);
    }
    return this.#redirect({
      protocol: proto,
      localAddress: parseIp4(told.local_addr),
      localPort: local_port,
      aliasAddress: parseIp4(told.alias_addr),
      aliasPort: alias_port,
      remoteAddress: parseIp4(told.remote_addr),
      remotePort: told.remote_port,
      servers: [],
      description: told.description,
    });
  }

  redirectAddr(told: ValueOf<typeof redirectAddr>): number {
    return this.redirectProto({ ...told, remote_addr: '0.0.0.0', proto: 0 }, true);
  }

  redirectProto(told: ValueOf<typeof redirectProto>, whole = false): number {
    const { proto } = told;
    if (!whole && [0, IPPROTO_ICMP, IPPROTO_TCP, IPPROTO_UDP].includes(proto)) {
      throw new NetgraphError('EINVAL', `proto=${proto}: a protocol without ports, or redirectport, or redirectaddr`);
    }
    return this.#redirect({
      protocol: proto,
      localAddress: parseIp4(told.local_addr),
      localPort: 0,
      aliasAddress: parseIp4(told.alias_addr),
      aliasPort: 0,
      remoteAddress: parseIp4(told.remote_addr),
      remotePort: 0,
      servers: [],
      description: told.description,
    });
  }

  deleteRedirect(id: number): void {
    this.#find(id);
    this.#redirects.delete(id);
    this.node.reconfigure();
  }

  letGo(id: number): void {
    const { protocol, remoteAddress, remotePort } = this.#find(id);
    if (protocol === 0 || remoteAddress === 0 || (remotePort === 0 && protocolHasPorts(protocol))) {
      throw new NetgraphError('EINVAL', `redirect ${id} is not for one remote address and port alone`);
    }
    this.#redirects.delete(id);
    this.#leaving.add(id);
    this.node.reconfigure();
  }

  addServer({ id, addr, port }: ValueOf<typeof addServer>): void {
    const redirect = this.#find(id);
    const { protocol, servers } = redirect;
    const address = parseIp4(addr);
    if (address === 0) throw new NetgraphError('EINVAL', `addr=${addr} is nobody's`);
    if (port === 0 && protocolHasPorts(protocol)) throw new NetgraphError('EINVAL', 'port=0: ports are 1 to 65535');
    if (servers.length >= SERVERS_MOST)
      throw new NetgraphError('ENOBUFS', `redirect ${id} has ${SERVERS_MOST} servers`);
    this.#redirects.set(id, {
      ...redirect,
      servers: [...servers, { address, port: protocolHasPorts(protocol) ? port : 0 }],
    });
    this.node.reconfigure();
  }

  proxyRule(text: string): void {
    const rules = proxyRules(this.#proxyRules, text);
    if (rules.length > PROXY_RULES_MOST) {
      throw new NetgraphError('ENOBUFS', `node ${this.node.address} has ${PROXY_RULES_MOST} proxy rules`);
    }
    this.#proxyRules = rules;
    this.node.reconfigure();
  }

  list(): ValueOf<typeof list> {
    const redirects = [...this.#redirects].map(([id, redirect]) => ({
      id,
      local_addr: formatIp4(redirect.localAddress),
      alias_addr: formatIp4(redirect.aliasAddress),
      remote_addr: formatIp4(redirect.remoteAddress),
      local_port: redirect.localPort,
      alias_port: redirect.aliasPort,
      remote_port: redirect.remotePort,
      proto: redirect.protocol === 0 ? REDIRECT_ADDRESS : redirect.protocol,
      lsnat: redirect.servers.length,
      description: redirect.description,
    }));
    return { total_count: redirects.length, redirects };
  }

  async info(): Promise<ValueOf<typeof info>> {
    const sessions = await this.#asks.ask('sessions');
    const of = (protocol: number): number => sessions.get(protocol) ?? 0;
    const known = [IPPROTO_ICMP, IPPROTO_UDP, IPPROTO_TCP, IPPROTO_SCTP];
    let others = 0;
    for (const [protocol, count] of sessions) if (!known.includes(protocol)) others += count;
    return {
      icmpLinkCount: of(IPPROTO_ICMP),
      udpLinkCount: of(IPPROTO_UDP),
      tcpLinkCount: of(IPPROTO_TCP),
      sctpLinkCount: of(IPPROTO_SCTP),
      pptpLinkCount: 0,
      protoLinkCount: others,
      fragmentIdLinkCount: 0,
      fragmentPtrLinkCount: 0,
      sockCount: 0,
    };
  }

  #find(id: number): NatRedirect {
    const redirect = this.#redirects.get(id);
    if (redirect === undefined) throw new NetgraphError('ENOENT', `node ${this.node.address} has no redirect ${id}`);
    return redirect;
  }

  #redirect(redirect: NatRedirect): number {
    if (this.#redirects.size >= REDIRECTS_MOST) {
      throw new NetgraphError('ENOBUFS', `node ${this.node.address} has ${REDIRECTS_MOST} redirects`);
    }
    this.#redirects.set(this.#next, redirect);
    this.node.reconfigure();
    return this.#next++;
  }
}

function protocolHasPorts(protocol: number): boolean {
  return protocol === IPPROTO_TCP || protocol === IPPROTO_UDP;
}

export const nat: NodeType = {
  name: 'nat',
  cookie: 1107718711,
  messages: [
    command({ name: 'setaliasaddr', cmd: 1, args: ipv4, handle: (nat: NatControl, a) => nat.setAddress(a) }),
    command({ name: 'setmode', cmd: 2, args: mode, handle: (nat: NatControl, told) => nat.setMode(told) }),
    command({ name: 'settarget', cmd: 3, args: ipv4, handle: (nat: NatControl, a) => nat.setTarget(a) }),
    command({
      name: 'redirectport',
      cmd: 4,
      args: redirectPort,
      reply: uint32,
      handle: (nat: NatControl, told) => nat.redirectPort(told),
    }),
    command({
      name: 'redirectaddr',
      cmd: 5,
      args: redirectAddr,
      reply: uint32,
      handle: (nat: NatControl, told) => nat.redirectAddr(told),
    }),
    command({
      name: 'redirectproto',
      cmd: 6,
      args: redirectProto,
      reply: uint32,
      handle: (nat: NatControl, told) => nat.redirectProto(told),
    }),
    command({ name: 'redirectdynamic', cmd: 7, args: uint32, handle: (nat: NatControl, id) => nat.letGo(id) }),
    command({ name: 'redirectdelete', cmd: 8, args: uint32, handle: (nat: NatControl, id) => nat.deleteRedirect(id) }),
    command({ name: 'addserver', cmd: 9, args: addServer, handle: (nat: NatControl, told) => nat.addServer(told) }),
    command({ name: 'listredirects', cmd: 10, reply: list, handle: (nat: NatControl) => nat.list() }),
    command({ name: 'proxyrule', cmd: 11, args: string, handle: (nat: NatControl, text) => nat.proxyRule(text) }),
    command({ name: 'libaliasinfo', cmd: 12, reply: info, handle: (nat: NatControl) => nat.info() }),
    command({ name: 'setdlt', cmd: 13, args: uint8, handle: (nat: NatControl, dlt) => nat.setDlt(dlt) }),
    command({ name: 'getdlt', cmd: 14, reply: uint8, handle: (nat: NatControl) => nat.dlt }),
    // On FreeBSD the helper is a module that one loads.
    command({ name: 'setftp', cmd: 100, args: uint8, handle: (nat: NatControl, on) => nat.setFtp(on) }),
    command({ name: 'getftp', cmd: 101, reply: uint8, handle: (nat: NatControl) => nat.ftp }),
  ],
  control: NatControl,
  data: NatData,
  runsIn: 'one',
  counters: ['translated', 'passed', 'hairpin', 'refused'],
};
