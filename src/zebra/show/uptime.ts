// The age of a route, as FRR prints it.

/** `00:00:03`, `1d02h03m`, `2w3d04h`. */
export function formatUptime(seconds: number): string {
  const two = (n: number): string => String(n).padStart(2, '0');
  const s = Math.max(0, Math.floor(seconds));
  const minutes = Math.floor(s / 60) % 60;
  const hours = Math.floor(s / 3600) % 24;
  const days = Math.floor(s / 86_400);
  if (days === 0) return `${two(hours)}:${two(minutes)}:${two(s % 60)}`;
  if (days < 7) return `${days}d${two(hours)}h${two(minutes)}m`;
  return `${two(Math.floor(days / 7))}w${days % 7}d${two(hours)}h`;
}
