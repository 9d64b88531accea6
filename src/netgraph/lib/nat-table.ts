// What a NAT remembers, in columns: mappings (an inner address and port has an outer one, whoever it talks to: RFC 4787 §4.1,
// endpoint-independent) and sessions (a mapping talks to one remote address and port; its time, and a TCP connection's state).
//
//   inner (protocol, address, port) ──hash──▶ mapping ◀──hash── outer (protocol, address, port)
//                                                ▲
//   local, asked (addresses, ports) ──hash──▶ session ◀──hash── mapping, remote (address, port)
//                                                └──▶ wheel of seconds
//
// A session says itself who inside it is (`local`) and whom that one thinks to talk to (`asked`). That is the mapping's inner side and the
// remote one, except where several servers stand behind one redirect, where a proxy answers for somebody else, or where the mapping
// has passed on to another since: a mapping whose inner side is 0 is nobody's but its sessions'.
//
// A mapping lives as long as it has sessions, or for ever where a redirect made it. A session's packets only move its time; the
// wheel looks at it when its time was to be up, and puts it further on where it has moved.

const NONE = -1;
/** Seconds that the wheel sees ahead. */
const WHEEL = 512;

function power(limit: number): number {
  let size = 16;
  while (size < limit) size *= 2;
  return size;
}

function mix(a: number, b: number, c: number): number {
  let h = Math.imul(a, 0x9e3779b1) ^ Math.imul(b, 0x85ebca6b) ^ Math.imul(c, 0xc2b2ae35);
  h = Math.imul(h ^ (h >>> 15), 0x2c1b3c6d);
  return h ^ (h >>> 13);
}

export class NatTable {
  // Mappings, by number. Addresses are signed words here: only compared.
  readonly protocol: Uint8Array;
  readonly innerAddress: Int32Array;
  readonly innerPort: Uint16Array;
  readonly outerAddress: Int32Array;
  readonly outerPort: Uint16Array;
  /** Which of the NAT's own addresses, whose ports are counted; -1: none of them. */
  readonly pool: Int16Array;
  /** 1: made by a redirect, and stays without sessions. */
  readonly fixed: Uint8Array;
  // Sessions, by number.
  readonly mapping: Int32Array;
  readonly localAddress: Int32Array;
  readonly localPort: Uint16Array;
  readonly askedAddress: Int32Array;
  readonly askedPort: Uint16Array;
  readonly remoteAddress: Int32Array;
  readonly remotePort: Uint16Array;
  /** What has been seen of a TCP connection. */
  readonly state: Uint8Array;
  /** 1: its stream has another length on either side. */
  readonly shifted: Uint8Array;
  /** Second when it ends unless a packet comes. */
  readonly expires: Int32Array;

  mappings = 0;
  sessions = 0;
  readonly #uses: Int32Array; // sessions of a mapping
  readonly #innerHeads: Int32Array;
  readonly #innerNext: Int32Array;
  readonly #outerHeads: Int32Array;
  readonly #outerNext: Int32Array;
  readonly #sessionHeads: Int32Array;
  readonly #sessionNext: Int32Array;
  readonly #localHeads: Int32Array;
  readonly #localNext: Int32Array;
  readonly #wheel: Int32Array = new Int32Array(WHEEL).fill(NONE);
  readonly #wheelNext: Int32Array;
  readonly #mask: number;
  #freeMapping: number;
  #freeSession: number;
  #second: number;
  /** Called with a mapping that is about to go. */
  readonly #gone: (mapping: number) => void;

  constructor(limit: number, second: number, gone: (mapping: number) => void) {
    const size = power(limit);
    this.protocol = new Uint8Array(limit);
    this.innerAddress = new Int32Array(limit);
    this.innerPort = new Uint16Array(limit);
    this.outerAddress = new Int32Array(limit);
    this.outerPort = new Uint16Array(limit);
    this.pool = new Int16Array(limit);
    this.fixed = new Uint8Array(limit);
    this.mapping = new Int32Array(limit);
    this.localAddress = new Int32Array(limit);
    this.localPort = new Uint16Array(limit);
    this.askedAddress = new Int32Array(limit);
    this.askedPort = new Uint16Array(limit);
    this.remoteAddress = new Int32Array(limit);
    this.remotePort = new Uint16Array(limit);
    this.state = new Uint8Array(limit);
    this.shifted = new Uint8Array(limit);
    this.expires = new Int32Array(limit);
    this.#uses = new Int32Array(limit);
    this.#innerHeads = new Int32Array(size).fill(NONE);
    this.#outerHeads = new Int32Array(size).fill(NONE);
    this.#sessionHeads = new Int32Array(size).fill(NONE);
    this.#localHeads = new Int32Array(size).fill(NONE);
    this.#innerNext = chain(limit);
    this.#outerNext = new Int32Array(limit);
    this.#sessionNext = chain(limit);
    this.#localNext = new Int32Array(limit);
    this.#wheelNext = new Int32Array(limit);
    this.#mask = size - 1;
    this.#freeMapping = 0;
    this.#freeSession = 0;
    this.#second = second;
    this.#gone = gone;
  }

  /** The mapping of an inner address and port, or -1. */
  findInner(protocol: number, address: number, port: number): number {
    let at = this.#innerHeads[mix(address, port, protocol) & this.#mask]!;
    while (at >= 0) {
      if (this.innerAddress[at] === (address | 0) && this.innerPort[at] === port && this.protocol[at] === protocol)
        break;
      at = this.#innerNext[at]!;
    }
    return at;
  }

  /** The mapping of an outer address and port, or -1. */
  findOuter(protocol: number, address: number, port: number): number {
    let at = this.#outerHeads[mix(address, port, protocol) & this.#mask]!;
    while (at >= 0) {
      if (this.outerAddress[at] === (address | 0) && this.outerPort[at] === port && this.protocol[at] === protocol)
        break;
      at = this.#outerNext[at]!;
    }
    return at;
  }

  /** The session of a mapping with this remote address and port, or -1. */
  findSession(mapping: number, address: number, port: number): number {
    let at = this.#sessionHeads[mix(address, port, mapping) & this.#mask]!;
    while (at >= 0) {
      if (this.remoteAddress[at] === (address | 0) && this.remotePort[at] === port && this.mapping[at] === mapping)
        break;
      at = this.#sessionNext[at]!;
    }
    return at;
  }

  /** The session of one inside with whom it asked for, or -1. */
  findLocal(protocol: number, local: number, localPort: number, asked: number, askedPort: number): number {
    let at = this.#localHeads[this.#localHead(protocol, local, localPort, asked, askedPort)]!;
    while (at >= 0) {
      if (
        this.localAddress[at] === (local | 0) &&
        this.askedAddress[at] === (asked | 0) &&
        this.localPort[at] === localPort &&
        this.askedPort[at] === askedPort &&
        this.protocol[this.mapping[at]!] === protocol
      )
        break;
      at = this.#localNext[at]!;
    }
    return at;
  }

  /** Whether another answers than was asked. */
  isProxied(session: number): boolean {
    return (
      this.askedAddress[session] !== this.remoteAddress[session] || this.askedPort[session] !== this.remotePort[session]
    );
  }

  /** A new mapping without sessions, or -1 where there are too many. */
  addMapping(
    protocol: number,
    inner: number,
    innerPort: number,
    outer: number,
    outerPort: number,
    pool: number,
  ): number {
    const at = this.#freeMapping;
    if (at < 0) return NONE;
    this.#freeMapping = this.#innerNext[at]!;
    this.mappings++;
    this.protocol[at] = protocol;
    this.innerAddress[at] = inner;
    this.innerPort[at] = innerPort;
    this.outerAddress[at] = outer;
    this.outerPort[at] = outerPort;
    this.pool[at] = pool;
    this.fixed[at] = 0;
    this.#uses[at] = 0;
    this.#linkInner(at);
    const outerHead = mix(outer, outerPort, protocol) & this.#mask;
    this.#outerNext[at] = this.#outerHeads[outerHead]!;
    this.#outerHeads[outerHead] = at;
    return at;
  }

  /** The mapping is another's from now on; its sessions stay whose they are. */
  setInner(mapping: number, address: number, port: number): void {
    this.#unlinkInner(mapping);
    this.innerAddress[mapping] = address;
    this.innerPort[mapping] = port;
    this.#linkInner(mapping);
  }

  /** A new session that ends at `expires`, or -1 where there are too many. */
  addSession(
    mapping: number,
    address: number,
    port: number,
    local: number,
    localPort: number,
    asked: number,
    askedPort: number,
    expires: number,
  ): number {
    const at = this.#freeSession;
    if (at < 0) return NONE;
    this.#freeSession = this.#sessionNext[at]!;
    this.sessions++;
    this.#uses[mapping]!++;
    this.mapping[at] = mapping;
    this.remoteAddress[at] = address;
    this.remotePort[at] = port;
    this.localAddress[at] = local;
    this.localPort[at] = localPort;
    this.askedAddress[at] = asked;
    this.askedPort[at] = askedPort;
    this.state[at] = 0;
    this.shifted[at] = 0;
    this.expires[at] = expires;
    const head = mix(address, port, mapping) & this.#mask;
    this.#sessionNext[at] = this.#sessionHeads[head]!;
    this.#sessionHeads[head] = at;
    const localHead = this.#localHead(this.protocol[mapping]!, local, localPort, asked, askedPort);
    this.#localNext[at] = this.#localHeads[localHead]!;
    this.#localHeads[localHead] = at;
    this.#schedule(at);
    return at;
  }

  /** Takes a mapping out that has no session left. */
  dropUnused(mapping: number): void {
    if (this.#uses[mapping] !== 0 || this.fixed[mapping] !== 0) return;
    this.#gone(mapping);
    this.#unlinkInner(mapping);
    const outer = mix(this.outerAddress[mapping]!, this.outerPort[mapping]!, this.protocol[mapping]!) & this.#mask;
    unlink(this.#outerHeads, this.#outerNext, outer, mapping);
    this.#innerNext[mapping] = this.#freeMapping;
    this.#freeMapping = mapping;
    this.mappings--;
  }

  /** Ends what is due at `second`; returns how many sessions. */
  expire(second: number): number {
    let ended = 0;
    // After a long sleep one turn of the wheel sees everything.
    if (second - this.#second > WHEEL) this.#second = second - WHEEL;
    while (this.#second < second) {
      const slot = ++this.#second & (WHEEL - 1);
      let at = this.#wheel[slot]!;
      this.#wheel[slot] = NONE;
      while (at >= 0) {
        const next = this.#wheelNext[at]!;
        if (this.expires[at]! <= second) {
          this.#endSession(at);
          ended++;
        } else this.#schedule(at);
        at = next;
      }
    }
    return ended;
  }

  /** Ends every session for which `ends` says so, at once: for configuration, not for packets. */
  endWhere(ends: (session: number) => boolean): void {
    for (let slot = 0; slot < WHEEL; slot++) {
      let at = this.#wheel[slot]!;
      this.#wheel[slot] = NONE;
      while (at >= 0) {
        const next = this.#wheelNext[at]!;
        if (ends(at)) this.#endSession(at);
        else {
          this.#wheelNext[at] = this.#wheel[slot]!;
          this.#wheel[slot] = at;
        }
        at = next;
      }
    }
  }

  // What is nobody's can not be found by whose it is.
  #linkInner(mapping: number): void {
    if (this.innerAddress[mapping] === 0) return;
    const head = mix(this.innerAddress[mapping]!, this.innerPort[mapping]!, this.protocol[mapping]!) & this.#mask;
    this.#innerNext[mapping] = this.#innerHeads[head]!;
    this.#innerHeads[head] = mapping;
  }

  #unlinkInner(mapping: number): void {
    if (this.innerAddress[mapping] === 0) return;
    const head = mix(this.innerAddress[mapping]!, this.innerPort[mapping]!, this.protocol[mapping]!) & this.#mask;
    unlink(this.#innerHeads, this.#innerNext, head, mapping);
  }

  #localHead(protocol: number, local: number, localPort: number, asked: number, askedPort: number): number {
    return mix(local, asked, (localPort << 16) ^ askedPort ^ (protocol << 8)) & this.#mask;
  }

  /** Calls `fn` with each session. */
  eachSession(fn: (session: number) => void): void {
    for (let slot = 0; slot < WHEEL; slot++) {
      for (let at = this.#wheel[slot]!; at >= 0; at = this.#wheelNext[at]!) fn(at);
    }
  }

  #schedule(session: number): void {
    const ahead = Math.max(1, Math.min(this.expires[session]! - this.#second, WHEEL - 1));
    const slot = (this.#second + ahead) & (WHEEL - 1);
    this.#wheelNext[session] = this.#wheel[slot]!;
    this.#wheel[slot] = session;
  }

  #endSession(session: number): void {
    const mapping = this.mapping[session]!;
    const head = mix(this.remoteAddress[session]!, this.remotePort[session]!, mapping) & this.#mask;
    unlink(this.#sessionHeads, this.#sessionNext, head, session);
    const localHead = this.#localHead(
      this.protocol[mapping]!,
      this.localAddress[session]!,
      this.localPort[session]!,
      this.askedAddress[session]!,
      this.askedPort[session]!,
    );
    unlink(this.#localHeads, this.#localNext, localHead, session);
    this.#sessionNext[session] = this.#freeSession;
    this.#freeSession = session;
    this.sessions--;
    this.#uses[mapping]!--;
    this.dropUnused(mapping);
  }
}

/** All rows in one list. */
function chain(limit: number): Int32Array {
  const next = new Int32Array(limit);
  for (let i = 0; i < limit; i++) next[i] = i + 1 < limit ? i + 1 : NONE;
  return next;
}

function unlink(heads: Int32Array, next: Int32Array, head: number, row: number): void {
  let at = heads[head]!;
  if (at === row) {
    heads[head] = next[row]!;
    return;
  }
  while (next[at] !== row) at = next[at]!;
  next[at] = next[row]!;
}
