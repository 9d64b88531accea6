// What a router does to a packet (RFC 1812 §5.2, §5.3; RFC 8200, RFC 4443). The way of most packets is the loop in `#forward`: IPv4, no
// option, nothing in it that is odd. All others take `#slow`, which says what becomes of each.
import { fold, ip4HeaderOk, setIp4Checksum, sum } from '../../lib/checksum.ts';
import {
  ErrorLimiter,
  ICMP6_ERROR_BYTES,
  ICMP6_PACKET_TOO_BIG,
  ICMP6_PARAMETER_OPTION,
  ICMP6_PARAMETER_PROBLEM,
  ICMP6_TIME_EXCEEDED,
  ICMP6_UNREACHABLE,
  ICMP6_UNREACHABLE_ADDRESS,
  ICMP6_UNREACHABLE_NO_ROUTE,
  ICMP_ERROR_BYTES,
  ICMP_PARAMETER_PROBLEM,
  ICMP_TIME_EXCEEDED,
  ICMP_UNREACHABLE,
  ICMP_UNREACHABLE_HOST,
  ICMP_UNREACHABLE_NEED_FRAGMENT,
  ICMP_UNREACHABLE_NET,
  mayError4,
  mayError6,
  turnEcho,
  writeError4,
  writeError6,
} from '../../lib/icmp.ts';
import { read16, read32 } from '../../lib/ip.ts';
import {
  PKT_DATA,
  PKT_FLAG_MULTICAST,
  PKT_FLAGS,
  PKT_INTERFACE,
  PKT_LENGTH,
  PKT_MARK,
  PKT_NEXT_HOP,
} from '../../packet/packets.ts';
import { DataHalf, DROP } from '../../worker/half.ts';
import type { DataHook } from '../../worker/node.ts';
import { HOP_OPTIONS_DROP, hopOptions } from './ip6-options.ts';
import { OPTIONS_RECORDED, OPTIONS_SOURCE_ROUTE, routeOptions } from './ip-options.ts';
import { type OwnAddress, RouterAddresses } from './router-addresses.ts';

export interface IpfwdConfig {
  readonly addresses: readonly OwnAddress[];
  /** ICMP errors a second and worker, and how many at once. */
  readonly rate: number;
  readonly burst: number;
}

export const IPFWD_COUNTERS: readonly string[] = ['errors', 'limited', 'local'];
const ERRORS = 0;
const LIMITED = 1;
const LOCAL = 2;

// What a hook is for.
const INPUT = 1;
const NO_ROUTE = 2;
const NO_HOST = 3;
const TOO_BIG = 4;
const ROLES: Readonly<Record<string, number>> = {
  out: 5,
  icmp: 6,
  local: 7,
  in: INPUT,
  noroute: NO_ROUTE,
  nohost: NO_HOST,
  toobig: TOO_BIG,
};

/** What a hook of this name is for; 0: there is none. Of those that packets come in by there may be several, numbered. */
export function roleOf(name: string): number {
  const exact = ROLES[name];
  if (exact !== undefined) return exact;
  const role = ROLES[name.replace(/\d{1,3}$/, '')] ?? 0;
  return role > TOO_BIG && /\d$/.test(name) ? 0 : role;
}

/** By the first byte of an IPv4 source: no host that a packet could come from (RFC 1812 §5.3.7): this network, loopback, groups and beyond. */
const BAD_SOURCE: Uint8Array = Uint8Array.from({ length: 256 }, (_, i) => (i === 0 || i === 127 || i >= 224 ? 1 : 0));
/** The same of destinations; groups are not forwarded here either. */
const BAD_DESTINATION: Uint8Array = BAD_SOURCE;

export class IpfwdData extends DataHalf<IpfwdConfig> {
  #out: DataHook | undefined;
  #icmp: DataHook | undefined;
  #local: DataHook | undefined;
  #own: RouterAddresses = new RouterAddresses([]);
  #limiter: ErrorLimiter = new ErrorLimiter(0, 1, 0);

  override configure({ addresses, rate, burst }: IpfwdConfig): void {
    this.#own = new RouterAddresses(addresses);
    this.#limiter = new ErrorLimiter(rate, burst, this.node.now());
  }

  override hookAdded(hook: DataHook): void {
    hook.role = roleOf(hook.name);
    this.#find();
  }

  override hookRemoved(): void {
    this.#find();
  }

  override receive(hook: DataHook, handles: Int32Array, count: number): void {
    switch (hook.role) {
      case INPUT:
        this.#forward(handles, count);
        return;
      case NO_ROUTE:
        for (let i = 0; i < count; i++) this.#back(handles[i]!, DROP.noRoute);
        return;
      case NO_HOST:
        for (let i = 0; i < count; i++) this.#back(handles[i]!, DROP.unresolved);
        return;
      case TOO_BIG:
        for (let i = 0; i < count; i++) this.#back(handles[i]!, DROP.tooBig);
        return;
      default: {
        // What the router itself sends (`local`) is only routed.
        const out = this.#out;
        if (out !== undefined && hook === this.#local) out.pass(count);
        else this.node.dropMany(handles, count, DROP.notConnected);
      }
    }
  }

  #forward(handles: Int32Array, count: number): void {
    const out = this.#out;
    if (!out) {
      this.node.dropMany(handles, count, DROP.notConnected);
      return;
    }
    const { words } = this.node.packets;
    const { maybe } = this.#own;
    let good = 0;
    for (let i = 0; i < count; i++) {
      const handle = handles[i]!;
      const at = words[handle + PKT_DATA]!;
      const length = words[handle + PKT_LENGTH]!;
      const w = at >> 2;
      const a = words[w]!;
      const c = words[w + 2]!;
      const d = words[w + 3]!;
      const e = words[w + 4]!;
      if (
        (at & 3) !== 0 ||
        (a & 0xff) !== 0x45 ||
        length < 20 ||
        ((a >>> 24) | ((a >>> 8) & 0xff00)) !== length ||
        (c & 0xff) <= 1 ||
        (BAD_SOURCE[d & 0xff]! |
          BAD_DESTINATION[e & 0xff]! |
          maybe[e >>> 24]! |
          (words[handle + PKT_FLAGS]! & PKT_FLAG_MULTICAST)) !==
          0
      ) {
        if (this.#slow(handle)) handles[good++] = handle;
        continue;
      }
      // A ones' complement sum does not mind the order of bytes (RFC 1071 §2), so it is taken of the words as memory has them.
      const b = words[w + 1]!;
      let total =
        (a & 0xffff) +
        (a >>> 16) +
        (b & 0xffff) +
        (b >>> 16) +
        (c & 0xffff) +
        (c >>> 16) +
        (d & 0xffff) +
        (d >>> 16) +
        (e & 0xffff) +
        (e >>> 16);
      total = (total & 0xffff) + (total >>> 16);
      if (total !== 0xffff && total !== 0x1fffe) {
        this.node.drop(handle, DROP.malformed);
        continue;
      }
      // The time to live is the word's lowest byte, the checksum its upper half with the more significant byte below. One less of the one is
      // 0x0100 more of the other (RFC 1141), and what carries out of the upper byte goes round to the lower: here it does by itself.
      words[w + 2] = c + 0xffff;
      handles[good++] = handle;
    }
    out.pass(good);
  }

  /** Whether the packet is to go on; where not, it has ended here. */
  #slow(handle: number): boolean {
    const { words, bytes } = this.node.packets;
    const length = words[handle + PKT_LENGTH]!;
    const version = length === 0 ? 0 : bytes[words[handle + PKT_DATA]!]! >>> 4;
    if (version === 4) return this.#slow4(handle, words[handle + PKT_DATA]!, length);
    if (version === 6) return this.#slow6(handle, words[handle + PKT_DATA]!, length);
    this.node.drop(handle, DROP.malformed);
    return false;
  }

  #slow4(handle: number, at: number, length: number): boolean {
    const { words, bytes } = this.node.packets;
    const header = (bytes[at]! & 15) << 2;
    const size = length < 20 ? 0 : read16(bytes, at + 2);
    // RFC 1812 §5.2.2.
    if (header < 20 || header > size || size > length || !ip4HeaderOk(bytes, at, header)) {
      return this.#end(handle, DROP.malformed);
    }
    // What an Ethernet frame was filled up with.
    words[handle + PKT_LENGTH] = size;
    const destination = read32(bytes, at + 16);
    if (BAD_SOURCE[bytes[at + 12]!] !== 0) return this.#end(handle, DROP.filtered);
    if (this.#own.has4(destination)) return this.#mine(handle, at, size);
    if (BAD_DESTINATION[destination >>> 24] !== 0) return this.#end(handle, DROP.filtered);
    // RFC 1812 §5.3.4: what came to all of a link is not for the next one.
    if ((words[handle + PKT_FLAGS]! & PKT_FLAG_MULTICAST) !== 0) return this.#end(handle, DROP.filtered);
    if (bytes[at + 8]! <= 1) return this.#error4(handle, ICMP_TIME_EXCEEDED, 0, 0, DROP.expired);
    if (header > 20) {
      const own = this.#own.source4(words[handle + PKT_INTERFACE]!);
      const said = routeOptions(bytes, at, header, own, Date.now() % 86_400_000);
      if (said === OPTIONS_SOURCE_ROUTE) return this.#end(handle, DROP.filtered);
      if (said >= 0) return this.#error4(handle, ICMP_PARAMETER_PROBLEM, 0, said * 0x1000000, DROP.malformed);
      if (said === OPTIONS_RECORDED) setIp4Checksum(bytes, at, header);
    }
    age4(bytes, at, -1);
    return true;
  }

  #slow6(handle: number, at: number, length: number): boolean {
    const { words, bytes } = this.node.packets;
    const size = length < 40 ? 0 : 40 + read16(bytes, at + 4);
    if (size < 40 || size > length) return this.#end(handle, DROP.malformed);
    words[handle + PKT_LENGTH] = size;
    if (!mayTravel(bytes, at + 8)) return this.#end(handle, DROP.filtered);
    const said = hopOptions(bytes, at, size);
    if (said === HOP_OPTIONS_DROP) return this.#end(handle, DROP.malformed);
    if (said >= 0) {
      return this.#error6(handle, ICMP6_PARAMETER_PROBLEM, ICMP6_PARAMETER_OPTION, said, DROP.malformed);
    }
    if (this.#own.has6(bytes, at + 24)) return this.#mine(handle, at, size);
    if (!mayTravel(bytes, at + 24) || (words[handle + PKT_FLAGS]! & PKT_FLAG_MULTICAST) !== 0) {
      return this.#end(handle, DROP.filtered);
    }
    if (bytes[at + 7]! <= 1) return this.#error6(handle, ICMP6_TIME_EXCEEDED, 0, 0, DROP.expired);
    bytes[at + 7] = bytes[at + 7]! - 1;
    return true;
  }

  /** For the router itself: it answers echo requests (RFC 1812 §4.3.3.6, RFC 4443 §4.2), the rest is for who is at `local`. */
  #mine(handle: number, at: number, size: number): boolean {
    const { words, bytes } = this.node.packets;
    const { counts } = this.node;
    counts[LOCAL] = counts[LOCAL]! + 1;
    const multicast = (words[handle + PKT_FLAGS]! & PKT_FLAG_MULTICAST) !== 0;
    if (!multicast && this.#icmp !== undefined && echoIsSound(bytes, at, size) && turnEcho(bytes, at, size)) {
      words[handle + PKT_NEXT_HOP] = 0;
      this.#icmp.send(handle);
    } else if (this.#local !== undefined && !multicast) this.#local.send(handle);
    else this.node.drop(handle, multicast ? DROP.filtered : DROP.notConnected);
    return false;
  }

  /** One that was forwarded and comes back: its sender is told of the packet as it was. */
  #back(handle: number, reason: number): void {
    const { words, bytes } = this.node.packets;
    const at = words[handle + PKT_DATA]!;
    const length = words[handle + PKT_LENGTH]!;
    const version = length < 20 ? 0 : bytes[at]! >>> 4;
    if (version === 4) {
      age4(bytes, at, 1);
      if (reason === DROP.noRoute) this.#error4(handle, ICMP_UNREACHABLE, ICMP_UNREACHABLE_NET, 0, reason);
      else if (reason === DROP.unresolved) this.#error4(handle, ICMP_UNREACHABLE, ICMP_UNREACHABLE_HOST, 0, reason);
      else this.#error4(handle, ICMP_UNREACHABLE, ICMP_UNREACHABLE_NEED_FRAGMENT, words[handle + PKT_MARK]!, reason);
    } else if (version === 6 && length >= 40) {
      bytes[at + 7] = bytes[at + 7]! + 1;
      if (reason === DROP.noRoute) this.#error6(handle, ICMP6_UNREACHABLE, ICMP6_UNREACHABLE_NO_ROUTE, 0, reason);
      else if (reason === DROP.unresolved) {
        this.#error6(handle, ICMP6_UNREACHABLE, ICMP6_UNREACHABLE_ADDRESS, 0, reason);
      } else this.#error6(handle, ICMP6_PACKET_TOO_BIG, 0, words[handle + PKT_MARK]!, reason);
    } else this.node.drop(handle, DROP.malformed);
  }

  /** Tells the sender where it may be told, and ends the packet. */
  #error4(handle: number, type: number, code: number, rest: number, reason: number): boolean {
    const { packets } = this.node;
    const { words, bytes } = packets;
    const at = words[handle + PKT_DATA]!;
    const length = words[handle + PKT_LENGTH]!;
    const source = this.#own.source4(words[handle + PKT_INTERFACE]!);
    const answer = source !== 0 && mayError4(bytes, at, length) ? this.#answer(ICMP_ERROR_BYTES) : 0;
    if (answer !== 0) {
      const to = words[answer + PKT_DATA]!;
      words[answer + PKT_LENGTH] = writeError4(bytes, to, type, code, rest, source, bytes, at, length);
      this.#icmp!.send(answer);
    }
    return this.#end(handle, reason);
  }

  #error6(handle: number, type: number, code: number, rest: number, reason: number): boolean {
    const { words, bytes } = this.node.packets;
    const at = words[handle + PKT_DATA]!;
    const length = words[handle + PKT_LENGTH]!;
    const multicast = (words[handle + PKT_FLAGS]! & PKT_FLAG_MULTICAST) !== 0;
    const source = this.#own.source6(words[handle + PKT_INTERFACE]!);
    const may = source !== undefined && mayError6(bytes, at, length, type, code, multicast);
    const answer = may ? this.#answer(ICMP6_ERROR_BYTES) : 0;
    if (answer !== 0) {
      const to = words[answer + PKT_DATA]!;
      words[answer + PKT_LENGTH] = writeError6(bytes, to, type, code, rest, source!, 0, bytes, at, length);
      this.#icmp!.send(answer);
    }
    return this.#end(handle, reason);
  }

  /** A packet for an error, or 0 where there is to be none. */
  #answer(room: number): number {
    const { packets, counts } = this.node;
    if (this.#icmp === undefined || packets.maxBytes < room) return 0;
    if (!this.#limiter.allow(this.node.now())) {
      counts[LIMITED] = counts[LIMITED]! + 1;
      return 0;
    }
    const answer = packets.allocate();
    if (answer === 0) this.node.miss(DROP.noPacket);
    else counts[ERRORS] = counts[ERRORS]! + 1;
    return answer;
  }

  #end(handle: number, reason: number): boolean {
    this.node.drop(handle, reason);
    return false;
  }

  #find(): void {
    this.#out = this.node.hook('out');
    this.#icmp = this.node.hook('icmp');
    this.#local = this.node.hook('local');
  }
}

/** Changes the time to live by one, and the checksum with it (RFC 1141). */
function age4(bytes: Uint8Array, at: number, by: 1 | -1): void {
  bytes[at + 8] = bytes[at + 8]! + by;
  let check = read16(bytes, at + 10) - by * 0x100;
  if (check < 0) check += 0xffff;
  check = (check & 0xffff) + (check >>> 16);
  bytes[at + 10] = check >>> 8;
  bytes[at + 11] = check;
}

/** An address that a packet may cross a router with: not unspecified, loopback, of the link, or of a group (RFC 4291 §2.5, §2.7). */
function mayTravel(bytes: Uint8Array, at: number): boolean {
  const first = bytes[at]!;
  if (first === 0xff || (first === 0xfe && (bytes[at + 1]! & 0xc0) === 0x80)) return false;
  return (read32(bytes, at) | read32(bytes, at + 4) | read32(bytes, at + 8)) !== 0 || read32(bytes, at + 12) > 1;
}

/** An ICMP message's own sum is right where it is IPv4's; IPv6's is seen to by who asked. */
function echoIsSound(bytes: Uint8Array, at: number, size: number): boolean {
  if (bytes[at]! >>> 4 !== 4) return true;
  const header = (bytes[at]! & 15) << 2;
  if (bytes[at + 9] !== 1 || (read16(bytes, at + 6) & 0x3fff) !== 0) return false;
  return fold(sum(bytes, at + header, size - header)) === 0xffff;
}
