// `access-list` and `ipv6 access-list`: entries in three languages, as FRR reads them, asked about a route's prefix or about an
// address. The first entry that matches decides; no match denies.
//
//    permit 10.0.0.0/8 [exact-match]               the prefix lies within, or is that one
//    permit 10.0.0.0 0.255.255.255                 the network's address, but for the bits of the wildcard
//    permit ip 10.0.0.0 0.255.255.255 host 255.0.0.0    the same of the address and of the mask
import { AF_INET, type Family, formatIp4, formatPrefix, maskWord, type Prefix } from '../../net/index.ts';
import { insertBySequence, nextSequence, removeSequence } from './sequence.ts';

/** Addresses as words; a wildcard's bits may be anything. */
export interface Wildcard {
  readonly address: number;
  readonly wildcard: number;
}

export type AccessRule =
  | { readonly kind: 'prefix'; readonly prefix: Prefix; readonly exact: boolean }
  | { readonly kind: 'any' }
  | { readonly kind: 'standard'; readonly source: Wildcard }
  | { readonly kind: 'extended'; readonly source: Wildcard; readonly mask: Wildcard };

export interface AccessListEntry {
  readonly sequence: number;
  readonly permit: boolean;
  readonly rule: AccessRule;
}

export class AccessList {
  readonly name: string;
  readonly family: Family;
  remark: string | undefined;
  /** By sequence number. */
  readonly entries: AccessListEntry[] = [];

  constructor(name: string, family: Family) {
    this.name = name;
    this.family = family;
  }

  set(entry: AccessListEntry): void {
    insertBySequence(this.entries, entry);
  }

  remove(sequence: number): boolean {
    return removeSequence(this.entries, sequence);
  }

  nextSequence(): number {
    return nextSequence(this.entries);
  }

  /** Whether the list permits the prefix. */
  permits(w0: number, w1: number, w2: number, w3: number, length: number): boolean {
    const entries = this.entries;
    for (let i = 0; i < entries.length; i++) {
      const entry = entries[i]!;
      if (matches(entry.rule, w0, w1, w2, w3, length)) return entry.permit;
    }
    return false;
  }
}

function matches(rule: AccessRule, w0: number, w1: number, w2: number, w3: number, length: number): boolean {
  switch (rule.kind) {
    case 'any':
      return true;
    case 'prefix': {
      const { words, length: bits } = rule.prefix;
      if (rule.exact ? length !== bits : length < bits) return false;
      return (
        ((w0 ^ words[0]) & maskWord(bits)) === 0 &&
        ((w1 ^ words[1]) & maskWord(bits - 32)) === 0 &&
        ((w2 ^ words[2]) & maskWord(bits - 64)) === 0 &&
        ((w3 ^ words[3]) & maskWord(bits - 96)) === 0
      );
    }
    case 'standard':
      return within(rule.source, w0);
    case 'extended':
      return within(rule.source, w0) && within(rule.mask, maskWord(length));
  }
}

function within({ address, wildcard }: Wildcard, word: number): boolean {
  return ((word ^ address) & ~wildcard) === 0;
}

function side({ address, wildcard }: Wildcard): string {
  if (wildcard === 0) return `host ${formatIp4(address)}`;
  return wildcard === 0xffffffff ? 'any' : `${formatIp4(address)} ${formatIp4(wildcard)}`;
}

/** What stands after permit or deny; `between` is what parts an address from its wildcard. */
export function formatAccessRule(rule: AccessRule, between = ' '): string {
  switch (rule.kind) {
    case 'any':
      return 'any';
    case 'prefix':
      return `${formatPrefix(rule.prefix)}${rule.exact ? ' exact-match' : ''}`;
    case 'standard': {
      const { address, wildcard } = rule.source;
      return wildcard === 0 ? formatIp4(address) : `${formatIp4(address)}${between}${formatIp4(wildcard)}`;
    }
    case 'extended':
      return `ip ${side(rule.source)} ${side(rule.mask)}`;
  }
}

/** The entry as a configuration line has it: `seq 5 permit 10.0.0.0/8`. */
export function formatAccessListEntry({ sequence, permit, rule }: AccessListEntry): string {
  return `seq ${sequence} ${permit ? 'permit' : 'deny'} ${formatAccessRule(rule)}`;
}

/** The language that a list's entries are in, by its first one. */
export function accessListType({ family, entries }: AccessList): 'Zebra' | 'Standard' | 'Extended' {
  const kind = family === AF_INET ? entries[0]?.rule.kind : undefined;
  return kind === 'standard' ? 'Standard' : kind === 'extended' ? 'Extended' : 'Zebra';
}
