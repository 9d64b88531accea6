// Which routes of VPNs a neighbour of one session is sent, and from when on (RFC 4684 §6). Where the family of memberships was agreed on,
// it is what the neighbour asks for, and nothing is sent before it has said that this was all, or has had its time. One without graceful
// restart may not know how to say so, whatever RFC 4684 asks of it (GoBGP does not): of that one, silence has to do.
import type { TimerTask } from '../../concurrency/index.ts';
import type { BgpInstance } from '../instance.ts';
import type { PeerFamily } from '../peer-family.ts';
import { FAMILY, FAMILY_NAMES, type FamilyName } from '../wire/family.ts';
import type { Interest } from './interest.ts';

/** How long routes wait for the neighbour to say which ones it wants. */
const WAIT_MS = 60_000;
const LOOK_MS = 1_000;

const VPN_NAMES: readonly FamilyName[] = FAMILY_NAMES.filter(name => FAMILY[name].vpn);

/** The neighbour, as far as it is of concern here. */
interface ConstrainedPeer {
  readonly instance: BgpInstance;
  readonly families: Readonly<Record<FamilyName, PeerFamily>>;
  /** Whether it has said all that it has in a family. */
  told(afi: FamilyName): boolean;
}

export class PeerConstraint {
  /** What it asks for; undefined: for all there is. */
  interest: Interest | undefined = undefined;
  readonly #peer: ConstrainedPeer;
  readonly #look: TimerTask;
  /** Until when it may take its time, of the loop's clock. */
  #untilMs = 0;
  /** It has not said all that it asks for. */
  waiting = false;

  constructor(peer: ConstrainedPeer) {
    this.#peer = peer;
    this.#look = peer.instance.bgp.loop.timer('bgp route targets wait', () => this.#lookAgain());
  }

  /** Its session came up; `agreed`: with memberships. */
  up(agreed: boolean): void {
    if (!agreed) return;
    const { instance, families } = this.#peer;
    this.interest = instance.constraint.of(families.rtc.index);
    this.interest.onChange = turned => {
      for (const name of VPN_NAMES) families[name].membership?.slot.group.filterChanged(turned);
    };
    this.waiting = true;
    this.#untilMs = instance.bgp.loop.now() + WAIT_MS;
    this.#look.start(LOOK_MS);
  }

  #lookAgain(): void {
    const late = this.#peer.instance.bgp.loop.now() >= this.#untilMs;
    if (late || this.#peer.told('rtc')) this.#begin();
    else this.#look.start(LOOK_MS);
  }

  /** It has said all that it asks for. */
  endOfRib(): void {
    if (this.waiting) this.#begin();
  }

  #begin(): void {
    this.waiting = false;
    this.#look.stop();
    this.#peer.instance.constraint.settle();
    for (const name of VPN_NAMES) if (this.#peer.families[name].up) this.#peer.families[name].joinGroup();
  }

  /** Its session ended. */
  down(): void {
    this.waiting = false;
    this.#look.stop();
    if (this.interest !== undefined) this.interest.onChange = () => {};
    this.interest = undefined;
  }
}
