// `bgp as-path access-list`: regular expressions over the AS path as text (`65001 65002 {65003,65004}`). The first entry
// that matches decides; a path that none matches is denied.
import type { PathRegex } from './regex.ts';
import { insertBySequence, nextSequence, removeSequence } from './sequence.ts';

export interface AsPathEntry {
  readonly sequence: number;
  readonly permit: boolean;
  readonly regex: PathRegex;
}

export class AsPathList {
  readonly name: string;
  /** By sequence number. */
  readonly entries: AsPathEntry[] = [];

  constructor(name: string) {
    this.name = name;
  }

  set(entry: AsPathEntry): void {
    insertBySequence(this.entries, entry);
  }

  remove(sequence: number): boolean {
    return removeSequence(this.entries, sequence);
  }

  nextSequence(): number {
    return nextSequence(this.entries);
  }

  permits(path: string): boolean {
    for (const entry of this.entries) if (entry.regex.test(path)) return entry.permit;
    return false;
  }
}
