// A socket of the system in the worker where its node runs: what comes in by the hook is sent, what is received goes out of the hook. Neither
// waits. What a stream or a full buffer does not take at once is kept, in order, and tried again.
import { SocketPort } from '../../../sys/index.ts';
import { PKT_DATA, PKT_LENGTH } from '../../packet/packets.ts';
import { DataHalf, DROP } from '../../worker/half.ts';
import type { DataHook } from '../../worker/node.ts';

/** Packets that wait for the socket at most. */
const WAITING_LIMIT = 256;
const AGAIN_MS = 1;

export interface KsocketConfig {
  /** -1: none that carries data (not open yet, or listening). */
  readonly fd: number;
  readonly stream: boolean;
  readonly connected: boolean;
}

/** The other side has ended the stream. */
export interface KsocketTold {
  readonly ended: number;
}

const RECEIVED = 0;
const SENT = 1;
const ERRORS = 2;

export class KsocketData extends DataHalf<KsocketConfig> {
  override source = false;
  override readonly dear = true;
  #port: SocketPort | undefined;
  #stream = false;
  #connected = false;
  readonly #waiting: Int32Array = new Int32Array(WAITING_LIMIT);
  #count = 0;

  override configure({ fd, stream, connected }: KsocketConfig): void {
    if (this.#port?.fd !== fd) this.#port = fd < 0 ? undefined : new SocketPort(fd, this.node.packets.bytes);
    this.#stream = stream;
    this.#connected = connected;
    // A stream that is not connected would only say so, again and again.
    this.#listen(fd >= 0 && (connected || !stream));
  }

  override receive(_hook: DataHook, handles: Int32Array, count: number): void {
    if (this.#port === undefined || !this.#connected) {
      this.node.dropMany(handles, count, DROP.notConnected);
      return;
    }
    for (let i = 0; i < count; i++) {
      const handle = handles[i]!;
      if (this.#count === 0 && this.#send(handle)) continue;
      if (this.#count === WAITING_LIMIT) this.node.drop(handle, DROP.queueFull);
      else {
        this.#waiting[this.#count++] = handle;
        this.due = this.node.now() + AGAIN_MS;
      }
    }
  }

  override timer(now: number): void {
    let done = 0;
    while (done < this.#count && this.#send(this.#waiting[done]!)) done++;
    this.#waiting.copyWithin(0, done, this.#count);
    this.#count -= done;
    if (this.#count > 0) this.due = now + AGAIN_MS;
  }

  override poll(budget: number): number {
    const port = this.#port;
    const hook = this.node.hooks[0];
    if (port === undefined || hook === undefined || this.fd < 0) return 0;
    const { packets, counts } = this.node;
    const { words } = packets;
    const room = packets.maxBytes;
    let found = 0;
    while (found < budget) {
      const handle = packets.allocate();
      // The rest stays in the socket until there are packets again.
      if (handle === 0) break;
      const length = port.receive(words[handle + PKT_DATA]!, room);
      if (length > 0 || (length === 0 && !this.#stream)) {
        found++;
        if (port.truncated) {
          this.node.drop(handle, DROP.tooBig);
          continue;
        }
        words[handle + PKT_LENGTH] = length;
        counts[RECEIVED] = counts[RECEIVED]! + 1;
        hook.send(handle);
        continue;
      }
      packets.release(handle);
      if (length < 0 && port.error === 0) break;
      if (length < 0) counts[ERRORS] = counts[ERRORS]! + 1;
      // An error of a datagram was an earlier one's; a stream's is its end.
      if (this.#stream) {
        this.#listen(false);
        this.node.tell({ ended: port.fd } satisfies KsocketTold);
        break;
      }
      found++;
    }
    return found;
  }

  override hookRemoved(): void {
    this.node.packets.releaseMany(this.#waiting, this.#count);
    this.#count = 0;
  }

  override close(): void {
    this.hookRemoved();
  }

  /** False where the socket takes nothing now, or not all of it: it is to be tried again. */
  #send(handle: number): boolean {
    const { packets, counts } = this.node;
    const { words } = packets;
    const port = this.#port;
    if (port === undefined) {
      this.node.drop(handle, DROP.notConnected);
      return true;
    }
    const length = words[handle + PKT_LENGTH]!;
    const sent = port.send(words[handle + PKT_DATA]!, length, 0);
    if (sent < 0) {
      if (port.error === 0) return false;
      counts[ERRORS] = counts[ERRORS]! + 1;
      this.node.drop(handle, DROP.refused);
      return true;
    }
    if (this.#stream && sent < length) {
      packets.strip(handle, sent);
      return false;
    }
    counts[SENT] = counts[SENT]! + 1;
    packets.release(handle);
    return true;
  }

  #listen(on: boolean): void {
    this.fd = on ? this.#port!.fd : -1;
    this.source = on;
  }
}
