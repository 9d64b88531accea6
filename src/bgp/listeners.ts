// Where neighbours connect to: one socket for each VRF and address family, for all instances there (views are in the default
// VRF). Which there are follows from the instances: `reconcile` opens what is missing and closes what nobody needs.
import { AF_INET, AF_INET6, type AddressWords, type Family } from '../net/index.ts';
import type { Connection, Listener } from './io/types.ts';
import type { BgpEnvironment } from './speaker.ts';
import type { Vrf } from './vrf.ts';

const PORT = 179;
const RETRY_MS = 3000;

export interface ListenersHost {
  readonly environment: BgpEnvironment;
  log(text: string): void;
  accepted(vrf: Vrf, connection: Connection): void;
  /** A socket works: keys of neighbours can be set on it. */
  listening(vrf: Vrf): void;
}

/** The sockets of a VRF. */
class Place {
  readonly vrf: Vrf;
  readonly #host: ListenersHost;
  readonly #sockets: Map<Family, Listener> = new Map();
  #closed = false;

  constructor(host: ListenersHost, vrf: Vrf, port: number) {
    this.#host = host;
    this.vrf = vrf;
    for (const family of [AF_INET, AF_INET6] as const) this.#listen(family, port);
  }

  #listen(family: Family, port: number): void {
    const { transport, loop } = this.#host.environment;
    const retry = loop.timer('bgp listen', () => {
      if (!this.#closed) this.#listen(family, port);
    });
    let works = false;
    const listener = transport.listen(
      { local: { family, words: [0, 0, 0, 0], port, scopeId: 0 }, ...this.vrf.place },
      {
        listening: () => {
          works = true;
          this.#host.listening(this.vrf);
        },
        failed: failure => {
          if (works) {
            this.#host.log(`port ${port} in VRF ${this.vrf.name}: ${failure.syscall} ${failure.code}`);
            return;
          }
          this.#host.log(`cannot listen on port ${port} in VRF ${this.vrf.name}: ${failure.syscall} ${failure.code}`);
          if (this.#sockets.get(family) === listener) this.#sockets.delete(family);
          if (failure.code !== 'EAFNOSUPPORT') retry.start(RETRY_MS);
        },
        accepted: connection => this.#host.accepted(this.vrf, connection),
      },
    );
    this.#sockets.set(family, listener);
  }

  setMd5Key(family: Family, words: AddressWords, key: string, length?: number): void {
    this.#sockets.get(family)?.setMd5Key({ family, words, port: 0, scopeId: 0 }, key, length);
  }

  close(): void {
    this.#closed = true;
    for (const listener of this.#sockets.values()) listener.close();
    this.#sockets.clear();
  }
}

export class Listeners {
  readonly #host: ListenersHost;
  /** By the VRF's name and number: a VRF that was made anew has sockets of its own. */
  readonly #places: Map<string, Place> = new Map();

  constructor(host: ListenersHost) {
    this.#host = host;
  }

  /** `vrfs`: those that instances run in. */
  reconcile(vrfs: Iterable<Vrf>): void {
    const port = this.#host.environment.listenPort ?? PORT;
    const wanted = new Map<string, Vrf>();
    if (port !== 0) for (const vrf of vrfs) wanted.set(keyOf(vrf), vrf);
    for (const [key, place] of this.#places) {
      if (wanted.has(key)) continue;
      place.close();
      this.#places.delete(key);
    }
    for (const [key, vrf] of wanted) {
      if (!this.#places.has(key)) this.#places.set(key, new Place(this.#host, vrf, port));
    }
  }

  /** MD5 keys are the listeners' business: the kernel checks them before a connection is accepted. Empty: none. With `length`, of all of a prefix. */
  setMd5Key(vrf: Vrf, family: Family, words: AddressWords, key: string, length?: number): void {
    this.#places.get(keyOf(vrf))?.setMd5Key(family, words, key, length);
  }
}

function keyOf({ name, id }: Vrf): string {
  return `${name} ${id}`;
}
