// Lists whose entries carry a sequence number and stand in its order.

interface Sequenced {
  readonly sequence: number;
}

/** Puts an entry in its place; one with the same sequence number is replaced. */
export function insertBySequence<T extends Sequenced>(entries: T[], entry: T): void {
  const at = entries.findIndex(other => other.sequence >= entry.sequence);
  if (at < 0) entries.push(entry);
  else if (entries[at]!.sequence === entry.sequence) entries[at] = entry;
  else entries.splice(at, 0, entry);
}

export function removeSequence<T extends Sequenced>(entries: T[], sequence: number): boolean {
  const at = entries.findIndex(entry => entry.sequence === sequence);
  if (at >= 0) entries.splice(at, 1);
  return at >= 0;
}

/** The sequence number that a line without one gets: the last one rounded down to a multiple of five, plus five. */
export function nextSequence(entries: readonly Sequenced[]): number {
  const last = entries.at(-1);
  return last === undefined ? 5 : Math.floor(last.sequence / 5) * 5 + 5;
}
