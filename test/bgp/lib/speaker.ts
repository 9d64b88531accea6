// A small BGP speaker for tests: a session with a recording owner, over any transport.
import type { TaskLoop } from '../../../src/concurrency/index.ts';
import type { Transport } from '../../../src/bgp/io/types.ts';
import { createSession } from '../../../src/bgp/session/session.ts';
import type { DownReason, Negotiated, Session, SessionConfig } from '../../../src/bgp/session/types.ts';
import type { PeerError } from '../../../src/bgp/wire/notification.ts';
import type { RouteRefresh } from '../../../src/bgp/wire/refresh.ts';

export class Recorder {
  session!: Session;
  readonly events: string[] = [];
  readonly ups: Negotiated[] = [];
  readonly downs: DownReason[] = [];
  readonly refreshes: RouteRefresh[] = [];
  updates = 0;
  updateBytes = 0;
  writables = 0;
  /** Set to refuse the next UPDATE. */
  answer: PeerError | undefined;
  onRefresh: ((refresh: RouteRefresh) => void) | undefined;
  onUpdate: ((bytes: Uint8Array, offset: number, length: number) => void) | undefined;

  established(negotiated: Negotiated): void {
    this.events.push('up');
    this.ups.push(negotiated);
  }

  down(reason: DownReason): void {
    this.events.push('down');
    this.downs.push(reason);
  }

  update(bytes: Uint8Array, offset: number, length: number): PeerError | undefined {
    this.updates++;
    this.updateBytes += length;
    this.onUpdate?.(bytes, offset, length);
    const { answer } = this;
    this.answer = undefined;
    return answer;
  }

  routeRefresh(refresh: RouteRefresh): void {
    this.refreshes.push(refresh);
    this.onRefresh?.(refresh);
  }

  writable(): void {
    this.writables++;
  }
}

export const IPV4_UNICAST = { afi: 1, safi: 1 };
export const IPV6_UNICAST = { afi: 2, safi: 1 };

export function speaker(
  loop: TaskLoop,
  transport: Transport,
  config: SessionConfig,
  random: () => number = Math.random,
): Recorder {
  const recorder = new Recorder();
  recorder.session = createSession(config, { loop, transport, random }, recorder);
  return recorder;
}

/** An UPDATE of `length` bytes whose body is of no importance to the session. */
export function fakeUpdate(length: number): Uint8Array {
  const bytes = new Uint8Array(length);
  bytes.fill(0xff, 0, 16);
  bytes[16] = length >>> 8;
  bytes[17] = length;
  bytes[18] = 2;
  return bytes;
}
