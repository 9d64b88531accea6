// What bgp and bgp-io say to each other besides the bytes of messages. These are rare, so they travel as JSON in frames of
// the `commands` and `urgent` rings: in order with everything else there, and without a second way between the threads.
import type { ConnectOptions, ListenOptions, SocketAddress, SocketOptions, TransportFailure } from './types.ts';

/** bgp to io. A token names a connection, listener or stream from its beginning on, and is never used again. */
export type Command =
  | { readonly do: 'connect'; readonly token: number; readonly options: ConnectOptions }
  /** A socket pair: one end becomes the connection `token`, the other is accepted for `listener`. */
  | {
      readonly do: 'connectPair';
      readonly token: number;
      readonly listener: number;
      readonly local: SocketAddress;
      readonly remote: SocketAddress;
    }
  | { readonly do: 'connectUnix'; readonly token: number; readonly path: string }
  | { readonly do: 'listen'; readonly token: number; readonly options: ListenOptions }
  | {
      readonly do: 'md5';
      readonly token: number;
      readonly peer: SocketAddress;
      readonly key: string;
      readonly length?: number;
    }
  | { readonly do: 'options'; readonly token: number; readonly options: SocketOptions }
  | { readonly do: 'probe'; readonly token: number }
  /** What is queued, or `last` in its place, is sent, then the socket closed. Afterwards bgp does not touch the slot, and io may
   *  use it again. */
  | { readonly do: 'close'; readonly token: number; readonly last?: readonly number[] };

/** io to bgp. */
export type Happening =
  | {
      readonly is: 'connected';
      readonly token: number;
      readonly slot: number;
      readonly local?: SocketAddress;
      readonly remote?: SocketAddress;
    }
  /** `connection` is the token of the new one: negative, as io gives it. */
  | {
      readonly is: 'accepted';
      readonly token: number;
      readonly connection: number;
      readonly slot: number;
      readonly local: SocketAddress;
      readonly remote: SocketAddress;
    }
  | { readonly is: 'listening'; readonly token: number; readonly local: SocketAddress }
  | { readonly is: 'failed'; readonly token: number; readonly failure: TransportFailure }
  | { readonly is: 'closed'; readonly token: number; readonly failure?: TransportFailure }
  | { readonly is: 'probed'; readonly token: number }
  | {
      readonly is: 'headerError';
      readonly token: number;
      readonly code: number;
      readonly subcode: number;
      readonly data: readonly number[];
    };

/** First word of a frame in `urgent`: JSON, or a message. */
export const URGENT_JSON = 0;
/** Words: this, slot, generation, type; then the body. */
export const URGENT_MESSAGE = 1;
export const URGENT_MESSAGE_HEAD = 16;
/** Words of a frame in `updates`: slot, generation; then whole messages with their headers. */
export const UPDATES_HEAD = 8;
