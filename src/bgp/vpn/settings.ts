// What is configured of VPNs in an address family of an instance, as plain values: which of its routes go to VPNs, and as what, and
// which VPNs' routes come in.
import type { AddressWords, Family } from '../../net/index.ts';
import type { WordPair } from '../wire/route-distinguisher.ts';

/** Chosen by this speaker, or by an operator. */
export type Chosen = 'auto' | number;

export interface VpnSettings {
  /** Undefined: derived from the router id. */
  rd: WordPair | undefined;
  /** By the words that they were configured with: `vpn` (`rt vpn …`, beside `import vpn` and `export vpn`) or `short`, and the direction. */
  readonly targets: Map<string, readonly WordPair[]>;
  imports: boolean;
  exports: boolean;
  label: Chosen | undefined;
  sid: Chosen | undefined;
  nextHop: { readonly family: Family; readonly words: AddressWords } | undefined;
  importMap: string | undefined;
  exportMap: string | undefined;
  /** Instances whose routes come in without a VPN between (`import vrf`), and the map that they pass. */
  readonly importVrfs: Set<string>;
  importVrfMap: string | undefined;
}

export function noVpn(): VpnSettings {
  return {
    rd: undefined,
    targets: new Map(),
    imports: false,
    exports: false,
    label: undefined,
    sid: undefined,
    nextHop: undefined,
    importMap: undefined,
    exportMap: undefined,
    importVrfs: new Set(),
    importVrfMap: undefined,
  };
}

/** The targets of one direction; none where nothing says that it is wanted. */
export function targetsOf(settings: VpnSettings, direction: 'import' | 'export'): readonly WordPair[] {
  const wanted = direction === 'import' ? settings.imports : settings.exports;
  const found = new Map<string, WordPair>();
  for (const form of ['vpn', 'short'] as const) {
    // The short form says itself that it is wanted.
    if (form === 'vpn' && !wanted) continue;
    for (const target of settings.targets.get(`${form} ${direction}`) ?? []) found.set(target.join(), target);
  }
  // `export vpn` with the short form's targets, and the other way round.
  return [...found.values()].sort((a, b) => a[0] - b[0] || a[1] - b[1]);
}
