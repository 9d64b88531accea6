// Flows as NetFlow datagrams: version 5, IPv4 alone and 30 records at most, and version 9 (RFC 3954), which tells the collector first
// what its records hold. An exporter gathers records in one buffer; the caller sends `buffer` up to what `finish` returns.
import type { FlowCache } from './flow-cache.ts';
import { write16, write32 } from './ip.ts';

export const NETFLOW5_MAX_RECORDS = 30;
const HEADER5 = 24;
const RECORD5 = 48;

/** Templates go out again after so many datagrams, and after so many seconds (ng_netflow's). */
export const NETFLOW9_TEMPLATE_PACKETS = 500;
export const NETFLOW9_TEMPLATE_SECONDS = 600;
/** Template ids, FreeBSD's: an IPv4 and an IPv6 flow with ports. */
export const NETFLOW9_TEMPLATE_IP4 = 257;
export const NETFLOW9_TEMPLATE_IP6 = 260;
/** Bytes of a version 9 datagram at most: an MTU of 1500 less the headers of IPv6 and UDP. */
export const NETFLOW9_MAX_BYTES = 1452;
const HEADER9 = 20;

// Field types and lengths of RFC 3954 §8.
const COMMON_FIELDS: readonly (readonly [number, number])[] = [
  [10, 2], // INPUT_SNMP
  [14, 2], // OUTPUT_SNMP
  [2, 8], // IN_PKTS
  [1, 8], // IN_BYTES
  [22, 4], // FIRST_SWITCHED
  [21, 4], // LAST_SWITCHED
  [7, 2], // L4_SRC_PORT
  [11, 2], // L4_DST_PORT
  [6, 1], // TCP_FLAGS
  [4, 1], // PROTOCOL
  [5, 1], // SRC_TOS
];
const FIELDS4: readonly (readonly [number, number])[] = [[8, 4], [12, 4], [15, 4], ...COMMON_FIELDS, [9, 1], [13, 1]];
const FIELDS6: readonly (readonly [number, number])[] = [
  [27, 16],
  [28, 16],
  [62, 16],
  ...COMMON_FIELDS,
  [29, 1],
  [30, 1],
];
const RECORD4: number = FIELDS4.reduce((sum, [, length]) => sum + length, 0);
const RECORD6: number = FIELDS6.reduce((sum, [, length]) => sum + length, 0);

export class Netflow5Exporter {
  readonly buffer: Uint8Array = new Uint8Array(HEADER5 + NETFLOW5_MAX_RECORDS * RECORD5);
  /** Records in the buffer. */
  count = 0;
  /** The number of the datagram's first record, since the exporter began. */
  #sequence = 0;
  readonly #engine: number;

  /** `engine`: engine type in the high byte, engine id in the low one. */
  constructor(engine = 0) {
    this.#engine = engine;
  }

  get full(): boolean {
    return this.count === NETFLOW5_MAX_RECORDS;
  }

  /** Adds a flow; false where it is not IPv4, which version 5 cannot tell of. The buffer must not be `full`. */
  add(flows: FlowCache, flow: number): boolean {
    if (flows.family[flow] !== 4) return false;
    const out = this.buffer;
    const at = HEADER5 + this.count++ * RECORD5;
    write32(out, at, flows.source[flow * 4]!);
    write32(out, at + 4, flows.destination[flow * 4]!);
    write32(out, at + 8, flows.nextHop[flow * 4]!);
    write16(out, at + 12, flows.input[flow]!);
    write16(out, at + 14, flows.output[flow]!);
    write32(out, at + 16, flows.packets[flow]! % 2 ** 32);
    write32(out, at + 20, flows.octets[flow]! % 2 ** 32);
    writeUptime(out, at + 24, flows.first[flow]!);
    writeUptime(out, at + 28, flows.last[flow]!);
    write16(out, at + 32, flows.sourcePort[flow]!);
    write16(out, at + 34, flows.destinationPort[flow]!);
    out[at + 36] = 0;
    out[at + 37] = flows.tcpFlags[flow]!;
    out[at + 38] = flows.protocol[flow]!;
    out[at + 39] = flows.tos[flow]!;
    write32(out, at + 40, 0); // autonomous systems are not known here
    out[at + 44] = flows.sourceMask[flow]!;
    out[at + 45] = flows.destinationMask[flow]!;
    write16(out, at + 46, 0);
    return true;
  }

  /** Writes the header and begins anew; returns the datagram's length, 0 where there is none. */
  finish(uptimeMs: number, unixMs: number): number {
    const { count, buffer } = this;
    if (count === 0) return 0;
    write16(buffer, 0, 5);
    write16(buffer, 2, count);
    writeUptime(buffer, 4, uptimeMs);
    const seconds = Math.floor(unixMs / 1000);
    write32(buffer, 8, seconds);
    write32(buffer, 12, Math.floor((unixMs - seconds * 1000) * 1e6));
    write32(buffer, 16, this.#sequence);
    write16(buffer, 20, this.#engine);
    write16(buffer, 22, 0);
    this.#sequence = (this.#sequence + count) >>> 0;
    this.count = 0;
    return HEADER5 + count * RECORD5;
  }
}

export class Netflow9Exporter {
  readonly buffer: Uint8Array;
  /** Records in the buffer, templates not counted. */
  count = 0;
  /** Bytes of a datagram at most: what there is room for, unless told less. */
  limit: number;
  /** Templates go out again after so many datagrams, or so many seconds. */
  templatePackets: number = NETFLOW9_TEMPLATE_PACKETS;
  templateSeconds: number = NETFLOW9_TEMPLATE_SECONDS;
  readonly #sourceId: number;
  #at = HEADER9;
  #templates = 0; // templates in the buffer
  #set = 0; // where the flow set starts that is open, 0: none is
  #setFamily = 0;
  #sequence = 0;
  #sinceTemplates = 0;
  #templatesAtMs = Number.NEGATIVE_INFINITY;

  constructor(sourceId = 0, maxBytes: number = NETFLOW9_MAX_BYTES) {
    if (!Number.isInteger(maxBytes) || maxBytes < 512 || maxBytes > 65_507) {
      throw new RangeError(`a NetFlow datagram is 512 to 65507 bytes, not ${maxBytes}`);
    }
    this.#sourceId = sourceId;
    this.buffer = new Uint8Array(maxBytes);
    this.limit = maxBytes;
  }

  /** Adds a flow; false where there is no room for it: `finish`, send, and add it again. */
  add(flows: FlowCache, flow: number, uptimeMs: number): boolean {
    const out = this.buffer;
    if (this.#at === HEADER9) this.#writeTemplates(uptimeMs);
    const family = flows.family[flow]!;
    const record = family === 4 ? RECORD4 : RECORD6;
    const opens = this.#set === 0 || this.#setFamily !== family;
    // Room for the padding of the set that closes, the header of the next, the record and its own padding.
    if (this.#at + (opens ? 3 + 4 : 0) + record + 3 > this.limit) return false;
    if (opens) {
      this.#close();
      this.#set = this.#at;
      this.#setFamily = family;
      write16(out, this.#at, family === 4 ? NETFLOW9_TEMPLATE_IP4 : NETFLOW9_TEMPLATE_IP6);
      this.#at += 4;
    }
    this.#writeRecord(flows, flow, family === 4 ? 1 : 4);
    this.count++;
    return true;
  }

  /** Closes the datagram and begins anew; returns its length, 0 where there is none. */
  finish(uptimeMs: number, unixMs: number): number {
    if (this.count === 0) return 0;
    this.#close();
    const { buffer } = this;
    const length = this.#at;
    write16(buffer, 0, 9);
    write16(buffer, 2, this.count + this.#templates);
    writeUptime(buffer, 4, uptimeMs);
    write32(buffer, 8, Math.floor(unixMs / 1000));
    write32(buffer, 12, this.#sequence);
    write32(buffer, 16, this.#sourceId);
    this.#sequence = (this.#sequence + 1) >>> 0; // RFC 3954 §5.1: datagrams, not flows
    this.#sinceTemplates++;
    this.#at = HEADER9;
    this.#templates = 0;
    this.count = 0;
    return length;
  }

  #writeTemplates(uptimeMs: number): void {
    const due =
      this.#sinceTemplates >= this.templatePackets || uptimeMs - this.#templatesAtMs >= this.templateSeconds * 1000;
    if (!due) return;
    this.#sinceTemplates = 0;
    this.#templatesAtMs = uptimeMs;
    const out = this.buffer;
    const start = this.#at;
    write16(out, start, 0);
    let at = this.#template(start + 4, NETFLOW9_TEMPLATE_IP4, FIELDS4);
    at = this.#template(at, NETFLOW9_TEMPLATE_IP6, FIELDS6);
    write16(out, start + 2, at - start);
    this.#at = at;
    this.#templates = 2;
  }

  #template(at: number, id: number, fields: readonly (readonly [number, number])[]): number {
    const out = this.buffer;
    write16(out, at, id);
    write16(out, at + 2, fields.length);
    let end = at + 4;
    for (const [type, length] of fields) {
      write16(out, end, type);
      write16(out, end + 2, length);
      end += 4;
    }
    return end;
  }

  #close(): void {
    if (this.#set === 0) return;
    for (; (this.#at & 3) !== 0; this.#at++) this.buffer[this.#at] = 0; // RFC 3954 §5.3
    write16(this.buffer, this.#set + 2, this.#at - this.#set);
    this.#set = 0;
  }

  #writeRecord(flows: FlowCache, flow: number, words: number): void {
    const out = this.buffer;
    let at = this.#at;
    for (let i = 0; i < words; i++) {
      write32(out, at + i * 4, flows.source[flow * 4 + i]!);
      write32(out, at + (words + i) * 4, flows.destination[flow * 4 + i]!);
      write32(out, at + (2 * words + i) * 4, flows.nextHop[flow * 4 + i]!);
    }
    at += words * 12;
    write16(out, at, flows.input[flow]!);
    write16(out, at + 2, flows.output[flow]!);
    write64(out, at + 4, flows.packets[flow]!);
    write64(out, at + 12, flows.octets[flow]!);
    writeUptime(out, at + 20, flows.first[flow]!);
    writeUptime(out, at + 24, flows.last[flow]!);
    write16(out, at + 28, flows.sourcePort[flow]!);
    write16(out, at + 30, flows.destinationPort[flow]!);
    out[at + 32] = flows.tcpFlags[flow]!;
    out[at + 33] = flows.protocol[flow]!;
    out[at + 34] = flows.tos[flow]!;
    out[at + 35] = flows.sourceMask[flow]!;
    out[at + 36] = flows.destinationMask[flow]!;
    this.#at = at + 37;
  }
}

/** Milliseconds of uptime, which go round after 49 days. */
function writeUptime(out: Uint8Array, at: number, ms: number): void {
  write32(out, at, Math.floor(ms) % 2 ** 32);
}

function write64(out: Uint8Array, at: number, value: number): void {
  write32(out, at, Math.floor(value / 2 ** 32));
  write32(out, at + 4, value % 2 ** 32);
}
