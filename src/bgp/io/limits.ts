// Limits in messages, beside those in bytes that always hold: what an operator says of all neighbours, or of an instance's.
//
//   socket ── readQuanta a turn ──▶ bgp-io ── inputQueue at most ──▶ bgp
//   socket ◀─ writeQuanta a turn ── bgp-io ◀─ outputQueue at most ── bgp
//
// The quanta are about turns: all messages count, and what is left has its next turn when the others had theirs. The queues
// are about what waits in between: only what may come in crowds counts (UPDATE, inwards ROUTE-REFRESH as well), so that OPEN,
// KEEPALIVE and NOTIFICATION never wait for a limit. A queue's two ends are counted in the connection table, all the time and
// modulo 2^32: so a limit may come, change and go while a session is up.

/** 0: no such limit. */
export interface MessageLimits {
  /** Taken from the socket in one turn. */
  readonly readQuanta: number;
  /** Put on the socket in one turn. */
  readonly writeQuanta: number;
  /** Read, and not yet taken by bgp: with so many the socket is not read. */
  readonly inputQueue: number;
  /** UPDATEs queued for the socket: with so many there is no room. */
  readonly outputQueue: number;
}

export const NO_LIMITS: MessageLimits = { readQuanta: 0, writeQuanta: 0, inputQueue: 0, outputQueue: 0 };
