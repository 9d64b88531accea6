// A socket in the run directory: nobody but owner and group may use it, and it is refused where another daemon answers on it.
import { chmodSync, mkdirSync, rmSync } from 'node:fs';
import net from 'node:net';
import { dirname } from 'node:path';

export class LocalSocket {
  readonly path: string;
  readonly #server: net.Server;

  constructor(path: string, accept: (socket: net.Socket) => void) {
    this.path = path;
    this.#server = net.createServer(accept);
  }

  async listen(): Promise<void> {
    const { path } = this;
    mkdirSync(dirname(path), { recursive: true });
    if (await answers(path)) throw new Error(`${path}: another daemon answers here; use another --run-dir`);
    rmSync(path, { force: true });
    await new Promise<void>((resolve, reject) => {
      this.#server.once('error', reject);
      this.#server.listen(path, () => {
        this.#server.off('error', reject);
        resolve();
      });
      // The socket exists from here on.
      chmodSync(path, 0o660);
    });
  }

  /** Takes no more connections and removes the socket; settles when those that there are have ended. */
  async close(): Promise<void> {
    if (!this.#server.listening) return;
    await new Promise<void>(resolve => {
      this.#server.close(() => resolve());
    });
    rmSync(this.path, { force: true });
  }
}

/** Somebody listens on this socket. */
function answers(path: string): Promise<boolean> {
  return new Promise(resolve => {
    const socket = net.connect(path);
    socket.on('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.on('error', () => resolve(false));
  });
}
