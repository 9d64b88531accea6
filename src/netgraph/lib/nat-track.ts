// How long a session lives after a packet, which for TCP depends on where the connection is (RFC 5382 §5).
import { IPPROTO_ICMP, IPPROTO_TCP, IPPROTO_UDP } from './ip.ts';
import { NAT_TIMEOUTS } from './nat-options.ts';
import type { NatTable } from './nat-table.ts';

// What has been seen of a TCP connection.
export const SEEN_OUT = 1;
export const SEEN_IN = 2;
const ACKED = 4;
const FIN_OUT = 8;
const FIN_IN = 16;
const RESET = 32;
const BOTH: number = SEEN_OUT | SEEN_IN;
const ESTABLISHED: number = BOTH | ACKED;

/** Moves a session's time on, and looks at where a TCP connection is; `way`: SEEN_OUT or SEEN_IN. */
export function track(
  table: NatTable,
  session: number,
  protocol: number,
  bytes: Uint8Array,
  upper: number,
  way: number,
  second: number,
): void {
  let seconds: number = NAT_TIMEOUTS.other;
  if (protocol === IPPROTO_UDP) seconds = NAT_TIMEOUTS.udp;
  else if (protocol === IPPROTO_ICMP) seconds = NAT_TIMEOUTS.icmp;
  else if (protocol === IPPROTO_TCP) {
    const flags = bytes[upper + 13]!;
    let state = table.state[session]!;
    const closed = (state & RESET) !== 0 || (state & (FIN_OUT | FIN_IN)) === (FIN_OUT | FIN_IN);
    if (closed && (flags & 0x16) === 0x02) state = 0; // a new connection between the same ports
    if ((flags & 0x04) !== 0) state |= RESET;
    else {
      state |= way;
      if ((flags & 0x12) === 0x10 && (state & BOTH) === BOTH) state |= ACKED;
      if ((flags & 0x01) !== 0) state |= way === SEEN_OUT ? FIN_OUT : FIN_IN;
    }
    table.state[session] = state;
    const open = (state & ESTABLISHED) === ESTABLISHED && (state & RESET) === 0;
    const closing = (state & (FIN_OUT | FIN_IN)) === (FIN_OUT | FIN_IN);
    seconds = open && !closing ? NAT_TIMEOUTS.tcpEstablished : NAT_TIMEOUTS.tcpTransitory;
  }
  table.expires[session] = second + seconds;
}
