// Who inside talks to whom, and by which outer address and port: what a NAT remembers, and by which rules it makes more of it. Mapping is
// endpoint-independent, an inner host keeps to one outer address (paired pooling, RFC 4787 §4.1); redirects and proxy rules say otherwise.
import { IPPROTO_ICMP } from './ip.ts';
import { hasPorts, NatPorts } from './nat-ports.ts';
import { type NatProxyRule, proxyFor } from './nat-proxy.ts';
import { NatRedirects } from './nat-redirects.ts';
import {
  NAT_DENY_INCOMING,
  NAT_FULL,
  NAT_NO_MAPPING,
  NAT_NO_PORT,
  NAT_PASSED,
  NAT_PROXY_ONLY,
  NAT_RESET_ON_ADDR_CHANGE,
  NAT_SAME_PORTS,
  NAT_TIMEOUTS,
  type NatOptions,
  type NatRedirect,
  NatRedirectError,
  type NatServer,
  type NatStats,
} from './nat-options.ts';
import { NatTable } from './nat-table.ts';

/** Ports that are tried on an address whose ports are not counted. */
const TRIES = 64;

export class NatSessions {
  flags: number;
  /** Where inbound packets that nobody has asked for go; 0: to whom they name. */
  target = 0;
  /** The first that fits has a new session. */
  proxyRules: readonly NatProxyRule[] = [];
  readonly #strict: boolean;
  readonly #random: () => number;
  readonly #limit: number;
  protected readonly table: NatTable;
  /** Addresses are signed words here and in the table: V8 passes those on without a box. */
  #addresses: Int32Array;
  #ports: NatPorts;
  protected readonly rules: NatRedirects = new NatRedirects();
  #lastRedirect = 0;
  /** Why the last mapping or session could not be made. */
  protected why = 0;

  constructor(options: NatOptions, nowMs: number) {
    this.#limit = options.sessions ?? 65_536;
    if (!Number.isInteger(this.#limit) || this.#limit < 1 || this.#limit > 2 ** 24) {
      throw new RangeError(`a NAT has 1 to 16777216 sessions, not ${this.#limit}`);
    }
    this.flags = options.flags ?? NAT_SAME_PORTS | NAT_RESET_ON_ADDR_CHANGE;
    this.#strict = options.strict ?? false;
    this.#random = options.random ?? Math.random;
    this.table = new NatTable(this.#limit, Math.floor(nowMs / 1000), mapping => this.#release(mapping));
    this.#addresses = Int32Array.from(options.addresses);
    this.#ports = new NatPorts(this.#addresses.length);
  }

  get addresses(): readonly number[] {
    return Array.from(this.#addresses, address => address >>> 0);
  }

  stats(): NatStats {
    return { sessions: this.table.sessions, mappings: this.table.mappings, limit: this.#limit };
  }

  /** Sessions by protocol. */
  sessionsOf(): Map<number, number> {
    const table = this.table;
    const counts = new Map<number, number>();
    table.eachSession(session => {
      const protocol = table.protocol[table.mapping[session]!]!;
      counts.set(protocol, (counts.get(protocol) ?? 0) + 1);
    });
    return counts;
  }

  /** Ends what is due; to be called about once a second. Returns how many sessions ended. */
  expire(nowMs: number): number {
    return this.table.expire(Math.floor(nowMs / 1000));
  }

  /** Other outer addresses. Sessions end where NAT_RESET_ON_ADDR_CHANGE is set; else they keep what they have. */
  setAddresses(addresses: readonly number[]): void {
    const next = Int32Array.from(addresses);
    if (next.length === this.#addresses.length && next.every((address, i) => address === this.#addresses[i])) return;
    const table = this.table;
    if ((this.flags & NAT_RESET_ON_ADDR_CHANGE) !== 0) table.endWhere(() => true);
    // Redirects that leave an address out go with the first of the NAT's own.
    const rules = this.rules.all();
    const follow = next.length === 0 ? [] : rules.filter(({ redirect }) => leavesOut(redirect));
    for (const { id } of follow) this.deleteRedirect(id);
    this.#addresses = next;
    this.#ports = new NatPorts(next.length);
    // What stays has ports of addresses that may be ours no more, or have another place among them.
    const seen = this.#mappingsOfSessions();
    for (const { mapping } of this.rules.all()) if (mapping >= 0) seen.add(mapping);
    for (const mapping of seen) {
      const pool = next.indexOf(table.outerAddress[mapping]!);
      table.pool[mapping] = hasPorts(table.protocol[mapping]!) ? pool : -1;
      if (table.pool[mapping]! >= 0) this.#ports.take(pool, table.protocol[mapping]!, table.outerPort[mapping]!);
    }
    for (const { id, redirect } of follow) this.#redirected(id, redirect);
  }

  /** Adds a redirect; returns its id. NatRedirectError where it cannot be. */
  redirect(redirect: NatRedirect): number {
    this.#redirected(this.#lastRedirect + 1, redirect);
    return ++this.#lastRedirect;
  }

  #redirected(id: number, redirect: NatRedirect): void {
    const { protocol, localAddress, localPort, aliasAddress, aliasPort, servers } = redirect;
    const own = this.#addresses[0];
    if (own === undefined && leavesOut(redirect)) throw new NatRedirectError('the NAT has no address of its own');
    const alias = aliasAddress === 0 ? own! : aliasAddress | 0;
    const local = localAddress === 0 ? own! : localAddress | 0;
    if (protocol === IPPROTO_ICMP) throw new NatRedirectError('ICMP goes with a whole address, not by itself');
    if (protocol === 0) {
      this.#disownAt(alias);
      this.rules.set({ id, redirect, alias, local, mapping: -1, turn: 0 });
      return;
    }
    const ports = hasPorts(protocol);
    if (ports && (aliasPort === 0 || (localPort === 0 && servers.length === 0)))
      throw new NatRedirectError('a port of 0');
    const outer = ports ? aliasPort : 0;
    // A mapping that is there becomes the redirect's; its sessions go on.
    let mapping = this.table.findOuter(protocol, alias, outer);
    if (mapping < 0) mapping = this.#add(protocol, 0, 0, alias, outer);
    if (mapping < 0) throw new NatRedirectError(`all ${this.#limit} mappings are in use`);
    this.rules.set({ id, redirect, alias, local, mapping, turn: 0 });
    this.#settle(mapping);
  }

  /** Other servers for a redirect; false where there is none of this id. */
  setServers(id: number, servers: readonly NatServer[]): boolean {
    const rule = this.rules.get(id);
    if (rule === undefined) return false;
    if (rule.mapping < 0) this.#disownAt(rule.alias);
    this.rules.set({ ...rule, redirect: { ...rule.redirect, servers } });
    if (rule.mapping >= 0) this.#settle(rule.mapping);
    return true;
  }

  /** Takes a redirect back; its sessions go on. False where there is none of this id. */
  deleteRedirect(id: number): boolean {
    const rule = this.rules.get(id);
    if (rule === undefined) return false;
    if (rule.mapping < 0) this.#disownAt(rule.alias);
    this.rules.delete(id);
    if (rule.mapping >= 0) this.#settle(rule.mapping);
    return true;
  }

  /** Takes a redirect of one remote address and port back, and keeps a session for that one; false where there is none of this id. */
  letGoRedirect(id: number, nowMs: number): boolean {
    const rule = this.rules.get(id);
    if (rule === undefined) return false;
    const { protocol, remoteAddress, remotePort } = rule.redirect;
    const remote = remoteAddress | 0;
    if (rule.mapping >= 0 && this.table.findSession(rule.mapping, remote, remotePort) < 0) {
      const second = Math.floor(nowMs / 1000);
      const session = this.admit(
        rule.mapping,
        protocol,
        rule.alias,
        rule.redirect.aliasPort,
        remote,
        remotePort,
        second,
      );
      if (session >= 0) this.table.expires[session] = second + NAT_TIMEOUTS.tcpTransitory;
    }
    return this.deleteRedirect(id);
  }

  /** Redirects by id, with the alias address that each has now. */
  redirects(): Map<number, NatRedirect> {
    return new Map(this.rules.all().map(({ id, redirect, alias }) => [id, { ...redirect, aliasAddress: alias >>> 0 }]));
  }

  /** What a mapping's redirects make of it. */
  #settle(mapping: number): void {
    const table = this.table;
    const newest = this.rules.newestAt(mapping);
    table.fixed[mapping] = newest === undefined ? 0 : 1;
    const ports = hasPorts(table.protocol[mapping]!);
    if (newest === undefined || newest.redirect.servers.length > 0) table.setInner(mapping, 0, 0);
    else table.setInner(mapping, newest.local, ports ? newest.redirect.localPort : 0);
    table.dropUnused(mapping);
  }

  /** Nobody behind a whole address keeps its mappings: who is next is chosen anew. */
  #disownAt(alias: number): void {
    const table = this.table;
    for (const mapping of this.#mappingsOfSessions()) {
      const { [mapping]: inner } = table.innerAddress;
      if (table.outerAddress[mapping] !== alias || table.fixed[mapping] !== 0) continue;
      if (this.rules.aliasOf(inner!) === alias) table.setInner(mapping, 0, 0);
    }
  }

  #mappingsOfSessions(): Set<number> {
    const table = this.table;
    const seen = new Set<number>();
    table.eachSession(session => seen.add(table.mapping[session]!));
    return seen;
  }

  /** A session for one inside that asks for somebody, who may be answered for by a proxy. */
  protected open(
    protocol: number,
    local: number,
    localPort: number,
    asked: number,
    askedPort: number,
    second: number,
  ): number {
    const table = this.table;
    const rule = proxyFor(this.proxyRules, protocol, local, asked, askedPort);
    if (rule === undefined && (this.flags & NAT_PROXY_ONLY) !== 0) return this.#refuse(NAT_PASSED);
    const remote = rule === undefined ? asked : rule.server | 0;
    const remotePort = rule === undefined || rule.serverPort === 0 ? askedPort : rule.serverPort;
    let mapping = table.findInner(protocol, local, localPort);
    let fresh = mapping < 0;
    if (fresh) mapping = this.create(protocol, local, localPort, false);
    else if (table.findSession(mapping, remote, remotePort) >= 0) {
      // By this port the remote end is talked to already, as somebody else.
      mapping = this.create(protocol, local, localPort, true);
      fresh = true;
    }
    if (mapping < 0) return -1;
    const expires = second + NAT_TIMEOUTS.other;
    const session = table.addSession(mapping, remote, remotePort, local, localPort, asked, askedPort, expires);
    if (session >= 0) return session;
    if (fresh) table.dropUnused(mapping);
    return this.#refuse(NAT_FULL);
  }

  /** A session for somebody outside whom nobody has asked, by the mapping where there is one. */
  protected admit(
    mapping: number,
    protocol: number,
    outer: number,
    outerPort: number,
    remote: number,
    remotePort: number,
    second: number,
  ): number {
    const table = this.table;
    const redirects = this.rules;
    const fixed = mapping >= 0 && table.fixed[mapping] !== 0;
    const inner = mapping >= 0 && !fixed ? table.innerAddress[mapping]! : 0;
    let local = inner;
    let localPort = outerPort;
    let shared = false;
    if (inner !== 0) {
      if (this.#strict) return this.#refuse(NAT_NO_MAPPING);
      localPort = table.innerPort[mapping]!;
    } else if (
      (fixed && redirects.chooseAt(mapping, remote, remotePort)) ||
      (redirects.isAlias(outer) && redirects.chooseFor(outer, outerPort))
    ) {
      local = redirects.address;
      localPort = redirects.port;
      shared = redirects.shared;
    } else if (this.target !== 0 && this.#addresses.includes(outer)) local = this.target | 0;
    else return this.#refuse(this.unasked());
    if (!hasPorts(protocol)) localPort = 0;

    let at = mapping;
    if (at < 0) {
      const nobodys = shared || table.findInner(protocol, local, localPort) >= 0;
      at = this.#add(protocol, nobodys ? 0 : local, nobodys ? 0 : localPort, outer, outerPort);
      if (at < 0) return -1;
    }
    const expires = second + NAT_TIMEOUTS.other;
    const session = table.addSession(at, remote, remotePort, local, localPort, remote, remotePort, expires);
    if (session >= 0) return session;
    if (mapping < 0) table.dropUnused(at);
    return this.#refuse(NAT_FULL);
  }

  protected unasked(): number {
    return (this.flags & NAT_DENY_INCOMING) === 0 ? NAT_PASSED : NAT_NO_MAPPING;
  }

  /**
   * A mapping for one inside: on the host's own outer address, or with it, on the one that hosts like it keep to. `alone`: one more, that
   * only the session it is made for has.
   */
  protected create(protocol: number, inner: number, port: number, alone: boolean): number {
    let outer = this.rules.aliasOf(inner);
    if (outer === undefined) {
      const count = this.#addresses.length;
      if (count === 0) return this.#refuse(NAT_NO_PORT);
      outer = this.#addresses[(Math.imul(inner, 0x9e3779b1) >>> 16) % count]!;
    }
    const outerPort = this.#portAt(outer, protocol, port);
    if (outerPort < 0) return this.#refuse(NAT_NO_PORT);
    return this.#add(protocol, alone ? 0 : inner, alone || !hasPorts(protocol) ? 0 : port, outer, outerPort);
  }

  #portAt(outer: number, protocol: number, port: number): number {
    const table = this.table;
    // Without ports only one host can have the address, for each protocol.
    if (!hasPorts(protocol)) return table.findOuter(protocol, outer, 0) >= 0 ? -1 : 0;
    const pool = this.#addresses.indexOf(outer);
    const random = Math.floor(this.#random() * 65536);
    if (pool >= 0) return this.#ports.choose(pool, protocol, port, random, (this.flags & NAT_SAME_PORTS) !== 0);
    if (table.findOuter(protocol, outer, port) < 0) return port;
    for (let i = 0; i < TRIES; i++) {
      const tried = Math.floor(this.#random() * 64512) + 1024;
      if (table.findOuter(protocol, outer, tried) < 0) return tried;
    }
    return -1;
  }

  #add(protocol: number, inner: number, port: number, outer: number, outerPort: number): number {
    const pool = hasPorts(protocol) ? this.#addresses.indexOf(outer) : -1;
    const mapping = this.table.addMapping(protocol, inner, port, outer, outerPort, pool);
    if (mapping < 0) return this.#refuse(NAT_FULL);
    if (pool >= 0) this.#ports.take(pool, protocol, outerPort);
    return mapping;
  }

  #refuse(why: number): number {
    this.why = why;
    return -1;
  }

  #release(mapping: number): void {
    const table = this.table;
    const pool = table.pool[mapping]!;
    if (pool >= 0) this.#ports.release(pool, table.protocol[mapping]!, table.outerPort[mapping]!);
  }

  protected isOuter(address: number): boolean {
    for (let i = 0; i < this.#addresses.length; i++) if (this.#addresses[i] === address) return true;
    return this.rules.isAlias(address);
  }
}

/** Whether a redirect goes with the NAT's own address. */
function leavesOut({ aliasAddress, localAddress, servers }: NatRedirect): boolean {
  return aliasAddress === 0 || (localAddress === 0 && servers.length === 0);
}
