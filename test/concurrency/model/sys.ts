// The model's memory has no pages.
export function touchPages(): void {}

export const clockMonotonicUs = (): number => 0;
