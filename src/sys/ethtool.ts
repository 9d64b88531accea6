// What a network driver tells of its link, by ethtool's ioctl. The kernel holds its routing lock over it, and waits for that
// lock as long as somebody programs routes; so the call is made by a thread of libuv's pool.
import { arena, type ArenaBlock } from './arena.ts';
import { AF_INET, SOCK_CLOEXEC, SOCK_DGRAM } from './constants.ts';
import { check } from './error.ts';
import { ioctlInPool, libc } from './libc.ts';
import { closeFd } from './socket.ts';

const SIOCETHTOOL = 0x8946;
const ETHTOOL_GSET = 1;
/** struct ifreq: a name of 16 bytes, then what ifr_data points to. */
const IFREQ_BYTES = 40;
const IFR_DATA = 16;
/** struct ethtool_cmd, and in it the halves of the speed. */
const COMMAND_BYTES = 44;
const SPEED = 12;
const SPEED_HIGH = 28;

/** Asks for links' speeds, one after the other, in the network namespace that its maker was in. */
export class Ethtool {
  readonly #fd: number;
  readonly #command: ArenaBlock = arena(COMMAND_BYTES);
  readonly #request: ArenaBlock = arena(IFREQ_BYTES);
  #last: Promise<unknown> = Promise.resolve();
  #closed = false;

  /** Throws a SysError where there is no socket to be had. */
  constructor() {
    this.#fd = check(libc.socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), 'socket');
  }

  /** For whoever sees to it that nothing stays open. */
  get fd(): number {
    return this.#fd;
  }

  /** Mbit/s; 0 where the driver has no notion of speed or the interface is gone, 2^32 − 1 where it does not know it. */
  speed(name: string): Promise<number> {
    const answer = this.#last.then(() => this.#ask(name));
    this.#last = answer.catch(() => undefined);
    return answer;
  }

  /** No more questions; one that is being asked is answered first. */
  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    await this.#last;
    closeFd(this.#fd);
  }

  async #ask(name: string): Promise<number> {
    if (this.#closed) return 0;
    const { view, bytes } = this.#request;
    bytes.fill(0);
    for (let i = 0; i < Math.min(15, name.length); i++) bytes[i] = name.charCodeAt(i);
    view.setBigUint64(IFR_DATA, this.#command.address, true);
    this.#command.bytes.fill(0);
    this.#command.view.setUint32(0, ETHTOOL_GSET, true);
    if ((await ioctlInPool(this.#fd, SIOCETHTOOL, bytes)) < 0) return 0;
    const high = this.#command.view.getUint16(SPEED_HIGH, true);
    return high * 65_536 + this.#command.view.getUint16(SPEED, true);
  }
}
