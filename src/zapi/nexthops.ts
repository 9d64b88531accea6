// Next hops of a route, in columns: row i is next hop i.

// Types of a next hop.
export const NEXTHOP_IFINDEX = 1;
export const NEXTHOP_IPV4 = 2;
export const NEXTHOP_IPV4_IFINDEX = 3;
export const NEXTHOP_IPV6 = 4;
export const NEXTHOP_IPV6_IFINDEX = 5;
export const NEXTHOP_BLACKHOLE = 6;

// A next hop's flags.
export const NEXTHOP_FLAG_ONLINK = 0x01;
export const NEXTHOP_FLAG_LABEL = 0x02;
export const NEXTHOP_FLAG_WEIGHT = 0x04;
export const NEXTHOP_FLAG_HAS_BACKUP = 0x08;
export const NEXTHOP_FLAG_SEG6 = 0x10;
export const NEXTHOP_FLAG_SEG6LOCAL = 0x20;
export const NEXTHOP_FLAG_EVPN = 0x40;

/** FRR's MULTIPATH_NUM in Debian's build: the most next hops of a route. */
export const MAX_NEXTHOPS = 256;
export const MAX_LABELS = 16;
export const MAX_BACKUPS = 8;
/** struct seg6local_context: nh4 4, nh6 16, table 4 (host order). */
export const SEG6LOCAL_CONTEXT_BYTES = 24;

/** Octets that one next hop with everything on it takes. */
export const NEXTHOP_MAX_BYTES: number =
  6 + 20 + 1 + MAX_LABELS * 4 + 4 + 6 + 4 + 1 + MAX_BACKUPS + 4 + SEG6LOCAL_CONTEXT_BYTES + 16;

/** Next hops in columns; row i is next hop i. Make one and reuse it. */
export class NexthopColumns {
  count = 0;
  readonly vrf: Uint32Array;
  /** NEXTHOP_IFINDEX … NEXTHOP_BLACKHOLE. */
  readonly type: Uint8Array;
  /** NEXTHOP_FLAG_*. LABEL and WEIGHT say whether `labels` and `weight` are on the wire. */
  readonly flags: Uint8Array;
  readonly ifindex: Uint32Array;
  /** Gateway; IPv4 in w0. */
  readonly w0: Uint32Array;
  readonly w1: Uint32Array;
  readonly w2: Uint32Array;
  readonly w3: Uint32Array;
  /** 1 null, 2 reject (unreachable), 3 prohibit. */
  readonly blackhole: Uint8Array;
  readonly weight: Uint32Array;
  readonly color: Uint32Array;
  readonly labelCount: Uint8Array;
  /** Labels of row i from i * MAX_LABELS. */
  readonly labels: Uint32Array;
  readonly backupCount: Uint8Array;
  /** From i * MAX_BACKUPS. */
  readonly backups: Uint8Array;
  /** Router MAC (EVPN), from i * 6. */
  readonly routerMac: Uint8Array;
  readonly seg6localAction: Uint32Array;
  /** From i * SEG6LOCAL_CONTEXT_BYTES. */
  readonly seg6localContext: Uint8Array;
  /** From i * 16. */
  readonly seg6Sid: Uint8Array;

  constructor(rows: number = MAX_NEXTHOPS) {
    this.vrf = new Uint32Array(rows);
    this.type = new Uint8Array(rows);
    this.flags = new Uint8Array(rows);
    this.ifindex = new Uint32Array(rows);
    this.w0 = new Uint32Array(rows);
    this.w1 = new Uint32Array(rows);
    this.w2 = new Uint32Array(rows);
    this.w3 = new Uint32Array(rows);
    this.blackhole = new Uint8Array(rows);
    this.weight = new Uint32Array(rows);
    this.color = new Uint32Array(rows);
    this.labelCount = new Uint8Array(rows);
    this.labels = new Uint32Array(rows * MAX_LABELS);
    this.backupCount = new Uint8Array(rows);
    this.backups = new Uint8Array(rows * MAX_BACKUPS);
    this.routerMac = new Uint8Array(rows * 6);
    this.seg6localAction = new Uint32Array(rows);
    this.seg6localContext = new Uint8Array(rows * SEG6LOCAL_CONTEXT_BYTES);
    this.seg6Sid = new Uint8Array(rows * 16);
  }

  /** Adds a row, all zero but its type, and returns its number. Throws where the columns are full. */
  add(type: number, vrf: number = 0): number {
    const row = this.count;
    if (row >= this.type.length) throw new RangeError(`a list of next hops holds at most ${this.type.length}`);
    this.count = row + 1;
    this.clear(row);
    this.type[row] = type;
    this.vrf[row] = vrf;
    return row;
  }

  clear(row: number): void {
    this.flags[row] = 0;
    this.ifindex[row] = 0;
    this.w0[row] = 0;
    this.w1[row] = 0;
    this.w2[row] = 0;
    this.w3[row] = 0;
    this.blackhole[row] = 0;
    this.weight[row] = 0;
    this.color[row] = 0;
    this.labelCount[row] = 0;
    this.backupCount[row] = 0;
  }
}
