// The host's forwarding switches: files under /proc/sys/net of the namespace that the process is in. Reading and writing
// them never waits for anything.
import { readFileSync, writeFileSync } from 'node:fs';
import { AF_INET, type Family } from '../net/index.ts';

function pathOf(family: Family): string {
  return family === AF_INET ? '/proc/sys/net/ipv4/ip_forward' : '/proc/sys/net/ipv6/conf/all/forwarding';
}

/** False also where the file cannot be read (a host without IPv6). */
export function isForwarding(family: Family): boolean {
  try {
    return readFileSync(pathOf(family), 'utf8').trim() !== '0';
  } catch {
    return false;
  }
}

/** Throws what the file system says. */
export function setForwarding(family: Family, on: boolean): void {
  writeFileSync(pathOf(family), on ? '1' : '0');
}
