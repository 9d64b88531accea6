// Options of IPv4 headers as a router has to do with them (RFC 1812 §5.2.4, §4.2.2.2): an address or a time is put into those that
// record, a route from the source is not followed (RFC 7126 §4.3, §4.4: dropped unless somebody needs it), the others pass.
import { read32, write32 } from '../../lib/ip.ts';

/** The options are in order; the header's checksum is not, where RECORDED. */
export const OPTIONS_FINE = -1;
export const OPTIONS_RECORDED = -2;
/** A route from the source. */
export const OPTIONS_SOURCE_ROUTE = -3;

const END = 0;
const NOP = 1;
const RECORD_ROUTE = 7;
const TIMESTAMP = 68;
const LOOSE_ROUTE = 131;
const STRICT_ROUTE = 137;

/** Does what a router has to: one of OPTIONS_…, or where in the header the mistake is, for a parameter problem. `time`: ms since midnight UTC. */
export function routeOptions(bytes: Uint8Array, ip: number, header: number, own: number, time: number): number {
  let recorded = false;
  for (let at = 20; at < header; ) {
    const kind = bytes[ip + at]!;
    if (kind === END) break;
    if (kind === NOP) {
      at++;
      continue;
    }
    const size = at + 1 < header ? bytes[ip + at + 1]! : 0;
    if (size < 2 || at + size > header) return at + 1;
    if (kind === LOOSE_ROUTE || kind === STRICT_ROUTE) return OPTIONS_SOURCE_ROUTE;
    if (kind === RECORD_ROUTE) {
      const pointer = size < 3 ? 0 : bytes[ip + at + 2]!;
      if (pointer < 4) return at + 2;
      if (pointer <= size) {
        if (pointer + 3 > size) return at + 2;
        write32(bytes, ip + at + pointer - 1, own);
        bytes[ip + at + 2] = pointer + 4;
        recorded = true;
      }
    } else if (kind === TIMESTAMP) {
      const wrong = stamp(bytes, ip + at, size, own, time);
      if (wrong > 0) return at + wrong;
      recorded = true;
    }
    at += size;
  }
  return recorded ? OPTIONS_RECORDED : OPTIONS_FINE;
}

/** RFC 791 §3.1, internet timestamp. Where the mistake is, 0 where there is none. */
function stamp(bytes: Uint8Array, option: number, size: number, own: number, time: number): number {
  if (size < 4) return 1;
  const pointer = bytes[option + 2]!;
  if (pointer < 5) return 2;
  const flag = bytes[option + 3]! & 15;
  const room = flag === 0 ? 4 : 8;
  if (pointer > size) {
    const overflow = bytes[option + 3]! >>> 4;
    if (overflow === 15) return 2;
    bytes[option + 3] = ((overflow + 1) << 4) | flag;
    return 0;
  }
  if (pointer + room - 1 > size) return 2;
  const at = option + pointer - 1;
  // With flag 3 the source has said whose time it wants.
  if (flag === 3 && read32(bytes, at) !== own) return 0;
  if (flag === 1) write32(bytes, at, own);
  else if (flag !== 0 && flag !== 3) return 3;
  write32(bytes, at + room - 4, time);
  bytes[option + 2] = pointer + room;
  return 0;
}
