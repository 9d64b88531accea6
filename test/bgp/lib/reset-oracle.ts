// Which UPDATEs end a session, read from RFC 4271 §6.3, RFC 7606 and RFC 4760 anew and apart from src/bgp/wire, as plainly as can be: the
// judge of the parser in fuzz.ts. It says nothing of what else a fault costs.

export interface OracleSession {
  readonly ebgp: boolean;
  readonly as4: boolean;
  readonly ipv4: boolean;
  readonly ipv6: boolean;
  /** Families with path identifiers, as the system numbers them. */
  readonly addPath: readonly number[];
}

interface Attribute {
  readonly flags: number;
  readonly code: number;
  readonly value: Uint8Array;
}

/** Whether prefixes of at most `bits` fill the field, each behind its path identifier. */
function prefixesFill(field: Uint8Array, bits: number, identified: boolean): boolean {
  for (let at = 0; at < field.length; ) {
    if (identified) at += 4;
    const length = field[at];
    if (length === undefined || length > bits) return false;
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
  if (!prefixesFill(message.subarray(21, attributesAt), 32, session.addPath.includes(2))) return true;
  if (!prefixesFill(nlri, 32, session.addPath.includes(2))) return true;

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
    const afi = (value[0]! << 8) | value[1]!;
    const family =
      value[2] === 1 && afi === 1 && session.ipv4 ? 4 : value[2] === 1 && afi === 2 && session.ipv6 ? 6 : 0;
    const identified = session.addPath.includes(family === 4 ? 2 : 10);
    if (code === 14) {
      const hop = value[3]!;
      if (fixed + hop > value.length || reached) return true;
      reached = true;
      if (family === 0) continue;
      // RFC 4760 §3, RFC 2545 §3, RFC 8950 §3.
      if (hop !== 16 && hop !== 32 && !(hop === 4 && family === 4)) return true;
      if (!prefixesFill(value.subarray(fixed + hop), family === 4 ? 32 : 128, identified)) return true;
      const [first] = [value[4]!];
      const loopback = value.subarray(4, 19).every(octet => octet === 0) && value[19]! < 2;
      if (hop === 4 ? nobody4(first) : first === 255 || loopback) fault(code);
    } else {
      if (unreached) return true;
      unreached = true;
      if (family !== 0 && !prefixesFill(value.subarray(fixed), family === 4 ? 32 : 128, identified)) return true;
    }
  }
  // RFC 7606 §5.2: nothing that could be withdrawn is to be seen.
  return faulty && nlri.length === 0 && !reached && !onlyWithdrawals;
}
