// The speaker as its instances see it, and what it runs in.
import type { networkInterfaces } from 'node:os';
import type { Loop } from '../concurrency/index.ts';
import type { AddressWords, Family } from '../net/index.ts';
import type { ZapiConnect } from '../zapi/index.ts';
import type { BgpInstance } from './instance.ts';
import type { Interfaces } from './interfaces.ts';
import type { Transport } from './io/types.ts';
import type { PolicyLibrary } from './policy/index.ts';
import type { Vrf } from './vrf.ts';
import type { ZebraLink } from './zclient.ts';

export interface BgpEnvironment {
  readonly loop: Loop;
  readonly transport: Transport;
  /** Uniform in [0, 1); for jitter. */
  readonly random: () => number;
  /** How zebra is reached; undefined: the speaker runs without one. */
  readonly zebra?: ZapiConnect;
  /** Announced to peers and shown. */
  readonly hostname?: string;
  /** Milliseconds since the epoch. */
  readonly wallMs?: () => number;
  /** The system's, for a speaker without zebra. */
  readonly networkInterfaces?: typeof networkInterfaces;
  /** What happened, for the log. */
  readonly log?: (text: string) => void;
  /** The port that instances listen on; 0: they do not. */
  readonly listenPort?: number;
}

export interface Speaker {
  readonly environment: BgpEnvironment;
  readonly loop: Loop;
  readonly policy: PolicyLibrary;
  readonly zebra: ZebraLink | undefined;
  /** By the name of their VRF or view. */
  readonly instances: ReadonlyMap<string, BgpInstance>;
  /** The system's; for one without zebra. */
  readonly interfaces: Interfaces;
  readonly hostname: string;
  /** Nothing is told to zebra. */
  readonly noRib: boolean;
  /** All instances are about to leave (RFC 8326). */
  readonly gracefulShutdown: boolean;
  /** UPDATEs of each neighbour that may wait for us, and for its socket; 0: only their bytes count. */
  readonly inputQueueLimit: number;
  readonly outputQueueLimit: number;
  /** The instance of that number. */
  numbered(number: number): BgpInstance | undefined;
  /** Milliseconds since the speaker began. */
  startedAgoMs(): number;
  /** Milliseconds since the epoch. */
  wallMs(): number;
  log(text: string): void;
  /** Of a neighbour's connections to us, or of all from a prefix with that `length`; empty: none. */
  setMd5Key(vrf: Vrf, family: Family, words: AddressWords, key: string, length?: number): void;
  /** Settings or surroundings changed: compare and act, once, soon. */
  changed(): void;
}
