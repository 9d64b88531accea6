// A transport over a Unix socket of Node's, for users of the library and for zebra's tests. Grevy's own bgp has another one:
// its thread touches no sockets.
import { connect as netConnect, type Socket } from 'node:net';
import type { ZapiConnect, ZapiTransport, ZapiTransportEvents } from './client.ts';

/** A path as FRR writes it: with a leading `@` it names an abstract socket. */
export function socketPath(path: string): string {
  return path.startsWith('@') ? `\0${path.slice(1)}` : path;
}

/** Connects to zebra's socket at `path`. */
export function unixConnect(path: string): ZapiConnect {
  return (events: ZapiTransportEvents): ZapiTransport => {
    let failure: Error | undefined;
    let closed = false;
    const socket: Socket = netConnect({
      path: socketPath(path),
      // One buffer for all input: the client uses it up before it returns.
      onread: {
        buffer: new Uint8Array(64 * 1024),
        callback: (n: number, buffer: Uint8Array): boolean => {
          if (!closed) events.bytes(buffer, 0, n);
          return true;
        },
      },
    });
    socket.on('connect', () => events.open());
    socket.on('drain', () => events.writable());
    socket.on('error', error => {
      failure = error;
    });
    socket.on('close', () => {
      if (!closed) events.close(failure);
    });
    return {
      write(bytes, offset, n) {
        if (socket.writableNeedDrain || socket.destroyed) return 0;
        socket.write(Buffer.from(bytes.subarray(offset, offset + n)));
        return n;
      },
      close() {
        closed = true;
        socket.end();
        socket.destroySoon();
      },
    };
  };
}
