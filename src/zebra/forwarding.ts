// The host's forwarding switches, and those of each interface: files under /proc/sys/net of the namespace that the process
// is in. Reading and writing them never waits for anything.
import { readFileSync, writeFileSync } from 'node:fs';
import { AF_INET, type Family } from '../net/index.ts';

function pathOf(family: Family): string {
  return family === AF_INET ? '/proc/sys/net/ipv4/ip_forward' : '/proc/sys/net/ipv6/conf/all/forwarding';
}

/** False also where the file cannot be read: a host without IPv6, an interface that is gone. */
function isOn(path: string): boolean {
  try {
    return readFileSync(path, 'utf8').trim() !== '0';
  } catch {
    return false;
  }
}

export function isForwarding(family: Family): boolean {
  return isOn(pathOf(family));
}

/** What an interface is set to, by FRR's keys. */
export function interfaceSwitches(name: string): Readonly<Record<string, boolean>> {
  const of = (file: string): boolean => isOn(`/proc/sys/net/${file}`);
  return {
    mplsEnabled: of(`mpls/conf/${name}/input`),
    linkDown: of(`ipv4/conf/${name}/ignore_routes_with_linkdown`),
    linkDownV6: of(`ipv6/conf/${name}/ignore_routes_with_linkdown`),
    mcForwardingV4: of(`ipv4/conf/${name}/mc_forwarding`),
    mcForwardingV6: of(`ipv6/conf/${name}/mc_forwarding`),
  };
}

/** How many labels the kernel takes: one below the highest; 0: it forwards by none, or has no MPLS. */
export function platformLabels(): number {
  try {
    return Number(readFileSync('/proc/sys/net/mpls/platform_labels', 'utf8'));
  } catch {
    return 0;
  }
}

/** Whether the kernel forwards by labels. */
export function forwardsLabels(): boolean {
  return platformLabels() > 0;
}

/** Whether labelled packets are taken from an interface. Throws what the file system says. */
export function setLabelInput(name: string, on: boolean): void {
  writeFileSync(`/proc/sys/net/mpls/conf/${name}/input`, on ? '1' : '0');
}

/** Throws what the file system says. */
export function setForwarding(family: Family, on: boolean): void {
  writeFileSync(pathOf(family), on ? '1' : '0');
}
