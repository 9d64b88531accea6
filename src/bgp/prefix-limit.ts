// `maximum-prefix`: how many prefixes a neighbour may announce in a family. The limit is on what was accepted, with `force` on
// what was received. It is looked at after each UPDATE, and when the setting or what the import policy accepts changed.
import { type PeerAfSettings } from './settings.ts';
import { type FamilyName, FAMILY } from './wire/family.ts';
import type { PeerCounts } from './rib/table.ts';
import { Cease, ErrorCode, type PeerError, peerError } from './wire/notification.ts';

export class PrefixLimit {
  readonly #afi: FamilyName;
  /** The threshold was passed, the maximum was: each is said once. */
  #near = false;
  #over = false;

  constructor(afi: FamilyName) {
    this.#afi = afi;
  }

  /** A session begins, or the limit is another one. */
  renew(): void {
    this.#near = this.#over = false;
  }

  /** What the session is to be ended with (RFC 4486 §4), where it is. `log` hears of what is said but once. */
  judge(
    counts: PeerCounts,
    settings: PeerAfSettings,
    name: string,
    log: (text: string) => void,
  ): PeerError | undefined {
    const { maximumPrefix: most, maximumPrefixThreshold, maximumPrefixWarningOnly, maximumPrefixForce } = settings;
    if (most === undefined) return undefined;
    const count = maximumPrefixForce === true ? counts.received : counts.accepted;
    const near = count > Math.floor((most * (maximumPrefixThreshold ?? 75)) / 100);
    const over = count > most;
    const title = FAMILY[this.#afi].title;
    if (over && !this.#over)
      log(`%MAXPFXEXCEED: No. of ${title} prefix received from ${name} ${count} exceed, limit ${most}`);
    else if (near && !this.#near)
      log(`%MAXPFX: No. of ${title} prefix received from ${name} reaches ${count}, max ${most}`);
    this.#near = near;
    this.#over = over;
    if (!over || maximumPrefixWarningOnly === true) return undefined;
    const data = new Uint8Array(7);
    const view = new DataView(data.buffer);
    view.setUint16(0, FAMILY[this.#afi].afi);
    view.setUint8(2, 1);
    view.setUint32(3, most);
    return peerError(ErrorCode.cease, Cease.maximumPrefixes, data);
  }
}
