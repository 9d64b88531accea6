// A socket of bgp-io: how far its life has come, and what of its bytes is under way.
import type { StreamReader, StreamWriter, TimerTask, Watch } from '../../concurrency/index.ts';
import { type MessageLimits, NO_LIMITS } from './limits.ts';
import { MessageTracker } from './outbox.ts';
import type { SocketAddress } from './types.ts';

const NOTHING: Uint8Array = new Uint8Array(0);

/** connecting → open → draining (bgp closed it: the queue goes out) → lingering (we closed our side) → gone. */
export type Phase = 'connecting' | 'open' | 'ended' | 'draining' | 'lingering';

export class Socket {
  readonly token: number;
  readonly slot: number;
  readonly fd: number;
  readonly raw: boolean;
  readonly remote: SocketAddress | undefined;
  readonly tracker: MessageTracker = new MessageTracker();
  readonly out: StreamReader;
  /** Raw streams only. */
  readonly input: StreamWriter | undefined;
  phase: Phase;
  watch: Watch | undefined;
  timer: TimerTask | undefined;
  /** Start of a message whose end has not come. */
  partial: Uint8Array = NOTHING;
  partialSize = 0;
  /** UPDATE bytes handed to bgp, modulo 2^32. */
  produced = 0;
  /** Messages in them, modulo 2^32. */
  producedMessages = 0;
  limits: MessageLimits = NO_LIMITS;
  opens = 0;
  stalled = false;
  /** Said something wrong, or goodbye: nothing more is read. */
  deaf = false;
  /** What is left to be said, where the queue does not count any more. */
  last: Uint8Array | undefined;
  /** The socket took less than there was. */
  blocked = false;

  constructor(
    token: number,
    slot: number,
    fd: number,
    phase: Phase,
    raw: boolean,
    remote: SocketAddress | undefined,
    out: StreamReader,
    input: StreamWriter | undefined,
  ) {
    this.token = token;
    this.slot = slot;
    this.fd = fd;
    this.phase = phase;
    this.raw = raw;
    this.remote = remote;
    this.out = out;
    this.input = input;
  }
}
