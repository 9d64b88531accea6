// Graceful restart (RFC 4724, RFC 8538), both sides of it.
//
//   theirs   session lost ─▶ routes stale ─┬─ back, and its forwarding went on ─▶ End-of-RIB, or stale-path time ─▶ what was not said again goes
//                                          └─ not back in its restart time, or back without ─────────────────────▶ all of them go
//   ours     started ─▶ nothing is selected ─▶ End-of-RIB of everybody, or select-defer time ─▶ selected, announced, End-of-RIB
//
// Whether we are one that restarts is what `bgp graceful-restart` says; keeping what a neighbour said is the default.
import type { TimerTask } from '../concurrency/index.ts';
import type { PeerFamily } from './peer-family.ts';
import type { Peer } from './peer.ts';
import type { DownReason, Negotiated } from './session/types.ts';
import { type RestartMode } from './settings.ts';
import { type FamilyName, FAMILY, FAMILY_NAMES, ofFamily } from './wire/family.ts';
import type { GracefulRestart } from './wire/capability.ts';
import { isHard } from './wire/notification.ts';

/** A neighbour's own line, or the instance's. */
export function restartMode(peer: Peer): RestartMode {
  return peer.settings.gracefulRestart ?? peer.instance.options.gracefulRestart;
}

/** What our OPEN says. */
export function restartCapability(peer: Peer, active: readonly FamilyName[]): GracefulRestart | false {
  const { options, bgp } = peer.instance;
  const mode = restartMode(peer);
  if (mode === 'disable') return false;
  const restarts = mode === 'restart';
  return {
    restarting: restarts && bgp.startedAgoMs() < options.restartTimeS * 1000,
    notification: options.notificationRestart,
    timeS: options.restartTimeS,
    families: restarts
      ? active.map(afi => ({ afi: FAMILY[afi].afi, safi: FAMILY[afi].safi, forwarding: options.preserveForwarding }))
      : [],
  };
}

/** Whether a session that ended so may be one of a neighbour that restarts. */
function mayRestart(reason: DownReason, { notificationRestart }: Negotiated): boolean {
  switch (reason.kind) {
    case 'connection':
      return true;
    case 'notification-sent':
    case 'notification-received':
      // RFC 4724 §4.2: none; with RFC 8538, all but those that say so.
      return notificationRestart && !isHard(reason.error, false);
    case 'stopped':
      return false;
  }
}

/** What is kept of one neighbour that may be restarting. */
export class RestartHelper {
  readonly #peer: Peer;
  readonly #stale: Set<FamilyName> = new Set();
  /** Until it is back. */
  readonly #restart: TimerTask;
  /** Until it has said everything again. */
  readonly #paths: TimerTask;

  constructor(peer: Peer) {
    const { loop } = peer.instance.bgp;
    this.#peer = peer;
    this.#restart = loop.timer('bgp graceful restart', () => this.#giveUp());
    this.#paths = loop.timer('bgp graceful restart stale paths', () => this.#giveUp());
  }

  isStale(afi: FamilyName): boolean {
    return this.#stale.has(afi);
  }

  /** Something of it is kept. */
  get keeps(): boolean {
    return this.#stale.size > 0;
  }

  /** Its session ended: the family's routes stay, or go. */
  down(one: PeerFamily, reason: DownReason, negotiated: Negotiated): void {
    const { gracefulRestart } = negotiated.remote;
    const keeps =
      restartMode(this.#peer) !== 'disable' &&
      gracefulRestart !== undefined &&
      ofFamily(gracefulRestart.families, one.afi) !== undefined &&
      mayRestart(reason, negotiated);
    // What was stale already is so for the second time (RFC 4724 §4.2).
    if (this.#stale.delete(one.afi)) one.family.table.sweepStale(one.index);
    one.family.table.peerDown(one.index, keeps);
    this.#paths.stop();
    if (!keeps) return;
    this.#stale.add(one.afi);
    this.#restart.start(gracefulRestart.timeS * 1000);
  }

  /** It is back. */
  up({ remote }: Negotiated): void {
    this.#restart.stop();
    for (const afi of this.#stale) {
      const { up } = this.#peer.families[afi];
      if (!up || ofFamily(remote.gracefulRestart?.families, afi)?.forwarding !== true) this.#sweep(afi);
    }
    if (this.#stale.size > 0) this.#paths.start(this.#peer.instance.options.stalePathS * 1000);
  }

  /** It has said all that it has. */
  endOfRib(afi: FamilyName): void {
    this.#sweep(afi);
    if (this.#stale.size === 0) this.#paths.stop();
  }

  /** Nothing is kept (any more): the neighbour goes, or nobody is to wait for it. */
  stop(): void {
    this.#restart.stop();
    this.#giveUp();
  }

  #giveUp(): void {
    this.#paths.stop();
    for (const afi of this.#stale) this.#sweep(afi);
    this.#peer.leaveIfGone();
  }

  #sweep(afi: FamilyName): void {
    if (!this.#stale.delete(afi)) return;
    const { index, family } = this.#peer.families[afi];
    if (index !== 0) family.table.sweepStale(index);
  }
}

/** Whether a neighbour owes what it had said before we started (RFC 4724 §4.1). */
function owes(peer: Peer, afi: FamilyName): boolean {
  const { negotiated } = peer;
  const one = peer.families[afi];
  if (!peer.wanted(afi) || restartMode(peer) === 'disable') return false;
  if (negotiated === undefined) return true;
  // One that restarts too waits for us.
  const capability = negotiated.remote.gracefulRestart;
  return one.up && !one.endOfRibReceived && capability !== undefined && !capability.restarting;
}

/** Families of an instance in which nobody owes anything may select. */
export function undefer(instance: Peer['instance'], late: boolean): void {
  const peers = [...instance.peers.values()];
  for (const afi of FAMILY_NAMES) {
    const { table } = instance.family[afi];
    if (table.deferred && (late || !peers.some(peer => owes(peer, afi)))) table.deferred = false;
  }
}
