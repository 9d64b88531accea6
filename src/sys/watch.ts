// A file descriptor on Node's own event loop, by koffi's uv_poll handle, with its pitfalls handled:
//   - a handle that nobody holds is closed in silence when collected: all are held in a set here;
//   - an exception in its callback vanishes: it is caught and thrown again from setImmediate, where it surfaces;
//   - its callback does not drain microtasks, so a promise resolved in it would wait for the loop's next event: a no-op
//     setImmediate, one per round, drains them;
//   - a handle that is open and readable when its worker ends aborts the whole process: all are closed on exit. Where a
//     worker is terminated from outside nothing runs any more, so a thread that watches descriptors must not be;
//     nor may a callback itself call process.exit();
//   - libuv ends a watch when it reports an error (POLLERR): it is begun again, or a connection that is reset while bytes wait
//     in its socket is never looked at after them.
import * as koffi from 'koffi';

export interface Interest {
  readonly readable?: boolean;
  readonly writable?: boolean;
}

/** What the descriptor is ready for; an error or hang-up shows as both, so that the next call meets it. */
export interface Readiness {
  readonly readable: boolean;
  readonly writable: boolean;
}

export interface FdWatch {
  /** Changes what is watched for. Nothing watched still holds the handle, but not the loop. */
  set(interest: Interest): void;
  /** Lets the loop end although this watch is there (`false`), or not (`true`, the state at first). */
  keepAlive(keep: boolean): void;
  /** Must come before the descriptor itself is closed. May be called again. */
  close(): void;
}

const held: Set<koffi.node.PollHandle> = new Set();
let drainPending = false;

process.on('exit', () => {
  for (const handle of held) handle.close();
  held.clear();
});

function drained(): void {
  drainPending = false;
}

/** Calls `fn` (level-triggered) while `fd` is ready for what is asked. */
export function watchFd(fd: number, interest: Interest, fn: (ready: Readiness) => void): FdWatch {
  let closed = false;
  let readable = false;
  let writable = false;
  // Typed as (events), but called as (status, events): koffi 3.3.4.
  const callback = (status: unknown, events?: Readiness): void => {
    if (closed) return;
    if (!drainPending) {
      drainPending = true;
      setImmediate(drained);
    }
    try {
      const failed = typeof status === 'number' && status < 0;
      if (failed && held.has(handle) && (readable || writable)) begin();
      const seen = failed || events === undefined ? { readable, writable } : events;
      fn(seen);
    } catch (error) {
      setImmediate(() => {
        throw error;
      });
    }
  };
  const options = (): { readable: boolean; writable: boolean } => ({ readable, writable });
  const begin = (): void => handle.start(options(), callback as (events: unknown) => void);
  readable = interest.readable === true;
  writable = interest.writable === true;
  const handle = koffi.node.poll(fd, options(), callback as (events: unknown) => void);
  held.add(handle);
  if (!readable && !writable) handle.stop();
  return {
    set(next: Interest): void {
      if (closed || !held.has(handle)) return;
      const nextReadable = next.readable === true;
      const nextWritable = next.writable === true;
      if (nextReadable === readable && nextWritable === writable) return;
      readable = nextReadable;
      writable = nextWritable;
      if (readable || writable) begin();
      else handle.stop();
    },
    keepAlive(keep: boolean): void {
      if (closed || !held.has(handle)) return;
      if (keep) handle.ref();
      else handle.unref();
    },
    close(): void {
      if (closed) return;
      closed = true;
      // On exit all are closed already.
      if (held.delete(handle)) handle.close();
    },
  };
}
