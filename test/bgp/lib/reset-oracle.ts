// Which UPDATEs end a session, read from RFC 4271 §6.3, RFC 7606, RFC 4760 and those of VPNs anew and apart from src/bgp/wire, as plainly as can be: the
// judge of the parser in fuzz.ts. It says nothing of what else a fault costs.

export interface OracleSession {
  readonly ebgp: boolean;
  readonly as4: boolean;
  readonly ipv4: boolean;
  readonly ipv6: boolean;
  /** Families beside unicast, by their codes in this project. */
  readonly others: readonly number[];
  /** Families with path identifiers, likewise. */
  readonly addPath: readonly number[];
}

interface Attribute {
  readonly flags: number;
  readonly code: number;
  readonly value: Uint8Array;
}

/** What a family's fields look like. */
interface Family {
  /** As this project numbers it. */
  readonly code: number;
  /** Lengths that a next hop may have, in octets. */
  readonly hops: readonly number[];
  /** Of these, the octets before its address. */
  readonly before: number;
  /** Whether a prefix may have this length, in bits. */
  readonly takes: (length: number) => boolean;
}

const upTo =
  (most: number, least = 0) =>
  (length: number): boolean =>
    length >= least && length <= most;
/** A label of 24 bits, a distinguisher of 64 (RFC 4364 §4.3.4, RFC 8277 §2.2). */
const HEAD_BITS = 24 + 64;

/** By AFI and SAFI. */
const FAMILIES: Readonly<Record<string, Family>> = {
  // RFC 8950 §3: IPv4's next hop may be IPv6's.
  '1/1': { code: 2, hops: [4, 16, 32], before: 0, takes: upTo(32) },
  // RFC 2545 §3.
  '2/1': { code: 10, hops: [16, 32], before: 0, takes: upTo(128) },
  // RFC 4364 §4.3.2, RFC 8950 §3.
  '1/128': { code: 130, hops: [12, 24, 48], before: 8, takes: upTo(HEAD_BITS + 32, HEAD_BITS) },
  // RFC 4659 §3.2.1.
  '2/128': { code: 138, hops: [24, 48], before: 8, takes: upTo(HEAD_BITS + 128, HEAD_BITS) },
  // RFC 4684 §4.
  '1/132': { code: 132, hops: [4, 16], before: 0, takes: length => length === 0 || upTo(96, 32)(length) },
};

function familyIn(value: Uint8Array, session: OracleSession): Family | undefined {
  const family = FAMILIES[`${(value[0]! << 8) | value[1]!}/${value[2]}`];
  if (family === undefined) return undefined;
  if (family.code === 2) return session.ipv4 ? family : undefined;
  if (family.code === 10) return session.ipv6 ? family : undefined;
  return session.others.includes(family.code) ? family : undefined;
}

/** Whether prefixes of the family fill the field, each behind its path identifier. */
function prefixesFill(field: Uint8Array, { code, takes }: Family, session: OracleSession): boolean {
  for (let at = 0; at < field.length; ) {
    if (session.addPath.includes(code)) at += 4;
    const length = field[at];
    if (length === undefined || !takes(length)) return false;
    at += 1 + Math.ceil(length / 8);
    if (at > field.length) return false;
  }
  return true;
}

const WELL_KNOWN = new Set([1, 2, 3, 5, 6]);
const TRANSITIVE = new Set([7, 8, 16, 17, 18, 32, 35, 40]);
const NOT_TRANSITIVE = new Set([4, 9, 10, 14, 15]);

function known(code: number): boolean {
  return WELL_KNOWN.has(code) || TRANSITIVE.has(code) || NOT_TRANSITIVE.has(code);
}

/** Optional and transitive bits that a known attribute has (RFC 4271 §5, and those that brought the others). */
function rightFlags({ flags, code }: Attribute): boolean {
  const [optional, transitive] = [(flags & 0x80) !== 0, (flags & 0x40) !== 0];
  if (WELL_KNOWN.has(code)) return !optional && transitive;
  return optional && transitive === TRANSITIVE.has(code);
}

function pathFaulty(value: Uint8Array, asBytes: number, highest: number): boolean {
  for (let at = 0; at < value.length; ) {
    if (at + 2 > value.length) return true;
    const [type, count] = [value[at]!, value[at + 1]!];
    if (type < 1 || type > highest || count === 0) return true;
    at += 2;
    for (let i = 0; i < count; i++, at += asBytes) {
      if (at + asBytes > value.length) return true;
      if (value.subarray(at, at + asBytes).every(octet => octet === 0)) return true;
    }
  }
  return false;
}

/** TLVs of a one-octet type and a two-octet length; undefined behind them where the last does not fit. */
function tlvs(field: Uint8Array): ({ readonly type: number; readonly value: Uint8Array } | undefined)[] {
  if (field.length === 0) return [];
  const length = field.length < 3 ? field.length : (field[1]! << 8) | field[2]!;
  if (3 + length > field.length) return [undefined];
  return [{ type: field[0]!, value: field.subarray(3, 3 + length) }, ...tlvs(field.subarray(3 + length))];
}

/** RFC 9252 §7, and what stands behind a service in an attribute that is malformed (RFC 7606 §2). */
function serviceFaulty(value: Uint8Array): boolean {
  const all = tlvs(value);
  const services = all.filter(one => one?.type === 5 || one?.type === 6).map(one => one!.value);
  if (all.includes(undefined)) {
    const last = value.subarray(all.reduce((sum, one) => sum + (one === undefined ? 0 : 3 + one.value.length), 0));
    if (services.length > 0 || last[0] === 5 || last[0] === 6) return true;
  }
  return services.some(service => {
    if (service.length === 0) return true;
    return tlvs(service.subarray(1)).some(sub => {
      if (sub === undefined) return true;
      return sub.type === 1 && (sub.value.length < 21 || tlvs(sub.value.subarray(21)).includes(undefined));
    });
  });
}

const nobody4 = (first: number): boolean => first === 0 || first === 127 || first > 223;

/** Whether a value makes the routes of the message withdrawn (RFC 7606 §7). */
function withdraws({ code, value }: Attribute, session: OracleSession): boolean {
  switch (code) {
    case 1:
      return value.length !== 1 || value[0]! > 2;
    case 2:
      return pathFaulty(value, session.as4 ? 4 : 2, session.ebgp ? 2 : 4);
    case 3:
      return value.length !== 4 || nobody4(value[0]!);
    case 4:
      return value.length !== 4;
    case 5:
    case 9:
      return !session.ebgp && value.length !== 4;
    case 10:
      return !session.ebgp && (value.length === 0 || value.length % 4 !== 0);
    case 8:
      return value.length === 0 || value.length % 4 !== 0;
    case 16:
      return value.length === 0 || value.length % 8 !== 0;
    case 32:
      return value.length === 0 || value.length % 12 !== 0;
    case 35:
      return value.length !== 4 || value.every(octet => octet === 0);
    case 40:
      return serviceFaulty(value);
    default:
      return false;
  }
}

/** `message`: the whole UPDATE, its header included. */
export function endsSession(message: Uint8Array, session: OracleSession): boolean {
  const u16 = (at: number): number => (message[at]! << 8) | message[at + 1]!;
  // RFC 4271 §6.3: lengths that do not fit.
  if (message.length < 23) return true;
  const attributesAt = 21 + u16(19);
  if (attributesAt + 2 > message.length) return true;
  const nlriAt = attributesAt + 2 + u16(attributesAt);
  if (nlriAt > message.length) return true;
  const nlri = message.subarray(nlriAt);
  const plain = FAMILIES['1/1']!;
  if (!prefixesFill(message.subarray(21, attributesAt), plain, session)) return true;
  if (!prefixesFill(nlri, plain, session)) return true;

  let faulty = false; // what was announced is withdrawn
  let onlyWithdrawals = false; // by a fault of MP_UNREACH_NLRI alone
  let reached = false;
  let unreached = false;
  const fault = (code: number): void => {
    if (!faulty) onlyWithdrawals = code === 15;
    faulty = true;
  };
  for (let at = attributesAt + 2; at < nlriAt; ) {
    // RFC 7606 §4: an attribute that does not fit hides those behind it.
    if (at + 3 > nlriAt) {
      fault(-1);
      break;
    }
    const [flags, code] = [message[at]!, message[at + 1]!];
    const wide = (flags & 0x10) !== 0;
    if (wide && at + 4 > nlriAt) {
      fault(code);
      break;
    }
    const length = wide ? u16(at + 2) : message[at + 2]!;
    at += wide ? 4 : 3;
    if (at + length > nlriAt) {
      fault(code);
      break;
    }
    const one: Attribute = { flags, code, value: message.subarray(at, at + length) };
    at += length;
    if (!known(code)) {
      // RFC 4271 §6.3: a well-known attribute that we do not know.
      if ((flags & 0x80) === 0) return true;
      continue;
    }
    if (code === 3 && nlri.length === 0) continue; // RFC 4760 §3
    const mp = code === 14 || code === 15;
    if (!rightFlags(one)) {
      fault(code);
      if (!mp) continue;
    }
    if (!mp) {
      if (withdraws(one, session)) fault(code);
      continue;
    }
    // RFC 7606 §5.3, RFC 4760 §7: what cannot be read through ends the session, and so does a second one (RFC 7606 §3 g).
    const { value } = one;
    const fixed = code === 14 ? 5 : 3;
    if (value.length < fixed) return true;
    const family = familyIn(value, session);
    if (code === 14) {
      const hop = value[3]!;
      if (fixed + hop > value.length || reached) return true;
      reached = true;
      if (family === undefined) continue;
      if (!family.hops.includes(hop)) return true;
      if (!prefixesFill(value.subarray(fixed + hop), family, session)) return true;
      const address = value.subarray(4 + family.before);
      const loopback = address.subarray(0, 15).every(octet => octet === 0) && address[15]! < 2;
      if (hop - family.before === 4 ? nobody4(address[0]!) : address[0] === 255 || loopback) fault(code);
    } else {
      if (unreached) return true;
      unreached = true;
      if (family !== undefined && !prefixesFill(value.subarray(fixed), family, session)) return true;
    }
  }
  // RFC 7606 §5.2: nothing that could be withdrawn is to be seen.
  return faulty && nlri.length === 0 && !reached && !onlyWithdrawals;
}
