// The hop-by-hop options of IPv6, which come first and concern routers (RFC 8200 §4.3). None is acted upon here; but of one that is not known, its
// own type says whether the packet may go on without (§4.2).
import { IPPROTO_HOPOPTS } from '../../lib/ip.ts';

/** The packet may go on. */
export const HOP_OPTIONS_FINE = -1;
/** It ends here, and nobody is told. */
export const HOP_OPTIONS_DROP = -2;

const PAD1 = 0;
const PADN = 1;
const ROUTER_ALERT = 5;

/** One of HOP_OPTIONS_…, or where in the packet the option stands that its sender is to be told about (RFC 4443 §3.4, code 2). */
export function hopOptions(bytes: Uint8Array, ip: number, size: number): number {
  if (bytes[ip + 6] !== IPPROTO_HOPOPTS) return HOP_OPTIONS_FINE;
  const end = size < 48 ? 0 : 48 + (bytes[ip + 41]! << 3);
  if (end === 0 || end > size) return HOP_OPTIONS_DROP;
  for (let at = 42; at < end; ) {
    const type = bytes[ip + at]!;
    if (type === PAD1) {
      at++;
      continue;
    }
    const next = at + 2 + (at + 1 < end ? bytes[ip + at + 1]! : 0);
    if (next > end) return HOP_OPTIONS_DROP;
    const action = type >>> 6;
    if (type !== PADN && type !== ROUTER_ALERT && action !== 0) {
      const told = action === 2 || (action === 3 && bytes[ip + 24] !== 255);
      return told ? at : HOP_OPTIONS_DROP;
    }
    at = next;
  }
  return HOP_OPTIONS_FINE;
}
