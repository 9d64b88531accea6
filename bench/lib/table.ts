// A full table as a feeder would send it: ready UPDATE messages, back to back, the same on every run. The mix of lengths
// is the Internet's (60 % /24, then /22 /23 /21 /20 /19 /18 /16); prefixes are distinct and come in ascending order, or
// shuffled. Sets have from one to some twenty prefixes, as real ones do, and every set differs from every other.

export interface TableOptions {
  prefixes: number;
  attributeSets: number;
  /** First AS of every path: the feeder's. */
  as?: number;
  /** How often that AS is in the path once more. */
  prepended?: number;
  /** Another table of the same prefixes: paths, their lengths and all else are drawn anew. */
  seed?: number;
  /** Next hop of every set, as a word. */
  nextHop?: number;
  /** 'ascending' (default) by address, or 'shuffled'. */
  order?: 'ascending' | 'shuffled';
}

export interface BuiltTable {
  /** UPDATE messages back to back, 4-octet AS numbers. */
  updates: Uint8Array;
  prefixCount: number;
  messageCount: number;
  /** The prefixes in the order they are announced. */
  addresses: Uint32Array;
  lengths: Uint8Array;
  /** UPDATE messages back to back that withdraw them all again, as full as they can be. */
  withdrawals(): Uint8Array;
}

/** Length and its share in thousandths. */
const MIX: readonly (readonly [number, number])[] = [
  [24, 600],
  [22, 115],
  [23, 105],
  [21, 50],
  [20, 50],
  [19, 40],
  [18, 20],
  [16, 20],
];
/** Prefixes in one set after another; 60 in 9 sets, 6.7 in each. */
const SET_SIZES: readonly number[] = [1, 8, 2, 12, 1, 3, 23, 4, 6];

/** Marsaglia's xorshift: numbers that are the same everywhere. */
function randomWords(seed: number): () => number {
  let x = seed;
  return () => {
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    return x >>> 0;
  };
}

function choosePrefixes(options: TableOptions): { addresses: Uint32Array; lengths: Uint8Array } {
  const count = options.prefixes;
  const keys = new Float64Array(count); // address × 64 + length: sorts as prefixes do
  const low = 1 << 24; // 1.0.0.0 to 223.255.255.255, without 127.0.0.0/8, which BIRD refuses
  const loopback = 127 * 2 ** 24;
  const span = 222 * 2 ** 24;
  const random = randomWords(0x2545f491);
  let at = 0;
  for (let i = MIX.length - 1; i >= 0; i--) {
    const [length, share] = MIX[i]!;
    const wanted = i === 0 ? count - at : Math.floor((count * share) / 1000);
    const block = 2 ** (32 - length);
    const blocks = span / block;
    if (wanted > blocks) throw new Error(`${wanted} prefixes of length ${length}: there are only ${blocks}`);
    // One in each stretch of the space, at a place of its own, so that none comes twice.
    const stretch = blocks / wanted;
    for (let j = 0; j < wanted; j++) {
      const from = Math.ceil(j * stretch);
      const room = Math.max(1, Math.ceil((j + 1) * stretch) - from);
      const address = low + (from + (random() % room)) * block;
      keys[at++] = (address < loopback ? address : address + 2 ** 24) * 64 + length;
    }
  }
  keys.sort();
  if (options.order === 'shuffled') {
    for (let i = count - 1; i > 0; i--) {
      const j = random() % (i + 1);
      const swap = keys[i]!;
      keys[i] = keys[j]!;
      keys[j] = swap;
    }
  }
  const addresses = new Uint32Array(count);
  const lengths = new Uint8Array(count);
  for (let i = 0; i < count; i++) {
    addresses[i] = Math.floor(keys[i]! / 64);
    lengths[i] = keys[i]! % 64;
  }
  return { addresses, lengths };
}

function word(bytes: Uint8Array, at: number, value: number): number {
  bytes[at] = value >>> 24;
  bytes[at + 1] = value >>> 16;
  bytes[at + 2] = value >>> 8;
  bytes[at + 3] = value;
  return at + 4;
}

function prefix(bytes: Uint8Array, at: number, address: number, length: number): number {
  const octets = (length + 7) >>> 3;
  bytes[at] = length;
  for (let i = 0; i < octets; i++) bytes[at + 1 + i] = address >>> (24 - i * 8);
  return at + 1 + octets;
}

/** Attribute sets of a table of so many prefixes, in the Internet's proportion. */
export function setsOf(prefixes: number): number {
  return Math.round(prefixes * 0.15);
}

/** Builds the messages: some 100 ms for each 100,000 prefixes. */
export function buildTable(options: TableOptions): BuiltTable {
  const sets = Math.min(options.attributeSets, options.prefixes);
  const as = options.as ?? 65001;
  const nextHop = options.nextHop ?? 0x0a000001;
  const { addresses, lengths } = choosePrefixes(options);
  const prepended = options.prepended ?? 0;
  const random = randomWords(0x9e3779b9 ^ Math.imul(options.seed ?? 0, 0x85ebca6b));
  const updates = new Uint8Array(options.prefixes * 4 + sets * (140 + prepended * 4) + 4096);
  let end = 0;
  let messageCount = 0;
  let taken = 0;
  let weight = 0;
  let totalWeight = 0;
  for (let set = 0; set < sets; set++) totalWeight += SET_SIZES[set % SET_SIZES.length]! - 1;
  for (let set = 0; set < sets; set++) {
    weight += SET_SIZES[set % SET_SIZES.length]! - 1;
    // One each, and the rest by weight.
    const upTo =
      set === sets - 1
        ? options.prefixes
        : set + 1 + Math.floor(((options.prefixes - sets) * weight) / Math.max(1, totalWeight));
    const origin = random() % 10 === 0 ? 2 : 0;
    const hops = 1 + (random() % 5);
    const med = random() % 4 === 0;
    const communities = random() % 3 === 0 ? 1 + (random() % 6) : 0;
    const drawn: number[] = [];
    for (let i = 0; i < hops + communities; i++) drawn.push(random());
    while (taken < upTo) {
      const start = end;
      updates.fill(255, start, start + 16);
      updates[start + 18] = 2;
      let at = start + 23;
      at = 4 + word(updates, at, 0x40010100 | origin) - 4;
      updates[at++] = 0x40;
      updates[at++] = 2;
      updates[at++] = 2 + (prepended + hops + 2) * 4;
      updates[at++] = 2;
      updates[at++] = prepended + hops + 2;
      for (let i = 0; i <= prepended; i++) at = word(updates, at, as);
      for (let i = 0; i < hops; i++) at = word(updates, at, 1000 + (drawn[i]! % 64000));
      at = word(updates, at, 100_000 + set); // makes the set its own
      updates[at++] = 0x40;
      updates[at++] = 3;
      updates[at++] = 4;
      at = word(updates, at, nextHop);
      if (med) {
        updates[at++] = 0x80;
        updates[at++] = 4;
        updates[at++] = 4;
        at = word(updates, at, set % 100);
      }
      if (communities > 0) {
        updates[at++] = 0xc0;
        updates[at++] = 8;
        updates[at++] = communities * 4;
        for (let i = 0; i < communities; i++)
          at = word(updates, at, ((as & 0xffff) << 16) | (drawn[hops + i]! & 0xffff));
      }
      updates[start + 21] = (at - start - 23) >>> 8;
      updates[start + 22] = at - start - 23;
      while (taken < upTo && at < start + 4096 - 5) {
        at = prefix(updates, at, addresses[taken]!, lengths[taken]!);
        taken++;
      }
      updates[start + 16] = (at - start) >>> 8;
      updates[start + 17] = at - start;
      end = at;
      messageCount++;
    }
  }
  return {
    updates: updates.slice(0, end),
    prefixCount: options.prefixes,
    messageCount,
    addresses,
    lengths,
    withdrawals: () => buildWithdrawals(addresses, lengths),
  };
}

function buildWithdrawals(addresses: Uint32Array, lengths: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(addresses.length * 5 + Math.ceil(addresses.length / 700) * 32 + 4096);
  let end = 0;
  for (let i = 0; i < addresses.length; ) {
    const start = end;
    bytes.fill(255, start, start + 16);
    bytes[start + 18] = 2;
    let at = start + 21;
    while (i < addresses.length && at < start + 4096 - 7) {
      at = prefix(bytes, at, addresses[i]!, lengths[i]!);
      i++;
    }
    bytes[start + 19] = (at - start - 21) >>> 8;
    bytes[start + 20] = at - start - 21;
    at += 2;
    bytes[start + 16] = (at - start) >>> 8;
    bytes[start + 17] = at - start;
    end = at;
  }
  return bytes.slice(0, end);
}
