// What two external neighbours are to each other (RFC 9234), and what follows for the ONLY_TO_CUSTOMER attribute: a route that
// has once gone down to a customer, or across to a peer, goes down only from there on.
//
//        provider, rs-server
//               │  ▲               down: OTC is added where it is not there
//          down │  ✕ up            up, across: a route with OTC is not sent, and is a leak where it comes
//               ▼  │
//        customer, rs-client            peer ── across ── peer

/** By their numbers in the capability (§4.1). */
export const ROLES = ['provider', 'rs-server', 'rs-client', 'customer', 'peer'] as const;
export type RoleName = (typeof ROLES)[number];

export const NO_ROLE = -1;
export const ROLE_PROVIDER = 0;
export const ROLE_RS_SERVER = 1;
export const ROLE_RS_CLIENT = 2;
export const ROLE_CUSTOMER = 3;
export const ROLE_PEER = 4;

/** The role that the other side must have, by ours (§4.2, Table 2). */
export const COUNTERPART: readonly number[] = [ROLE_CUSTOMER, ROLE_RS_CLIENT, ROLE_RS_SERVER, ROLE_PROVIDER, ROLE_PEER];

/** Whether what we send in this role goes down or across: it is marked for customers only (§5, egress 1). */
export function marksOutward(role: number): boolean {
  return role === ROLE_PROVIDER || role === ROLE_RS_SERVER || role === ROLE_PEER;
}

/** Whether what we send in this role goes up or across: nothing that is marked may (§5, egress 2). */
export function keepsMarked(role: number): boolean {
  return role === ROLE_CUSTOMER || role === ROLE_RS_CLIENT || role === ROLE_PEER;
}
