// How every benchmark ends: a table, then one line that sums it up with each target met or missed; the exit status is 1
// where one is missed.

export interface Target {
  name: string;
  value: number;
  /** The most that `value` may be; give `least` instead for the least. */
  most?: number;
  least?: number;
  unit?: string;
}

/** Prints rows under headings, columns aligned. */
export function table(headings: readonly string[], rows: readonly (readonly (string | number)[])[]): void {
  const text = [headings, ...rows].map(row => row.map(cell => (typeof cell === 'number' ? short(cell) : cell)));
  const widths = headings.map((_, column) => Math.max(...text.map(row => (row[column] ?? '').length)));
  for (const row of text) {
    console.log(
      row
        .map((cell, column) => (column === 0 ? cell.padEnd(widths[column]!) : cell.padStart(widths[column]!)))
        .join('  '),
    );
  }
}

/** Three significant digits, whole from a hundred on. */
export function short(value: number): string {
  return Math.abs(value) >= 100 ? value.toFixed(0) : value.toPrecision(3);
}

/** Prints the summary line and sets the exit status. */
export function summary(name: string, targets: readonly Target[]): void {
  const words = targets.map(({ name, value, most, least, unit = '' }) => {
    const met = most === undefined ? value >= (least ?? -Infinity) : value <= most;
    if (!met || Number.isNaN(value)) process.exitCode = 1;
    const bound = most === undefined ? `≥ ${short(least ?? Number.NaN)}` : `≤ ${short(most)}`;
    return `${name} ${short(value)}${unit} (${bound}${unit}: ${met ? 'met' : 'MISSED'})`;
  });
  console.log(`${name}: ${words.join('; ')}`);
}
