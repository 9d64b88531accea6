// A neighbour that does what a test wants, well or badly: a plain socket of this thread, in the network namespace that the thread
// is in (`enterNetworkNamespace`). It counts what it is told. By itself it says nothing, not even KEEPALIVEs: `speak` does.
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import type { Capability } from '../../../src/bgp/wire/capability.ts';
import { KEEPALIVE } from '../../../src/bgp/wire/message.ts';
import { encodeOpen } from '../../../src/bgp/wire/open.ts';
import { parseIp4 } from '../../../src/net/index.ts';
import { until } from '../../lib/wait.ts';

const HEADER = 19;
const [OPEN, UPDATE, NOTIFICATION, ALIVE] = [1, 2, 3, 4];

export interface PlayerOptions {
  readonly from: string;
  readonly to: string;
  readonly as: number;
  /** Its address, unless told. */
  readonly routerId?: string;
  readonly holdTimeS?: number;
  readonly capabilities?: readonly Capability[];
  /** Reads nothing but what brings the session up, until `hear`. */
  readonly deaf?: boolean;
}

export class Player {
  readonly socket: Socket;
  /** Messages heard, by type. */
  readonly heard: number[] = [0, 0, 0, 0, 0, 0];
  /** Prefixes that it was told of and not told to forget: address and length as one number. */
  readonly prefixes: Set<number> = new Set();
  /** The NOTIFICATION that it got, `code/subcode`. */
  notification: string | undefined;
  /** Told of every UPDATE, without its header. */
  onUpdate: ((body: Buffer) => void) | undefined;
  /** The other side ended it, or it broke. */
  gone = false;
  readonly #options: PlayerOptions;
  #rest: Buffer = Buffer.alloc(0);
  #deaf: boolean;

  constructor(options: PlayerOptions) {
    this.#options = options;
    this.#deaf = options.deaf === true;
    this.socket = connect({ host: options.to, port: 179, localAddress: options.from, noDelay: true });
    this.socket.on('data', chunk => this.#hear(chunk as Buffer));
    this.socket.on('error', () => {});
    this.socket.on('end', () => (this.gone = true));
    this.socket.on('close', () => (this.gone = true));
  }

  /** One that has its connection; it is tried again until it is taken. */
  static async connected(options: PlayerOptions): Promise<Player> {
    let player: Player | undefined;
    return await until(
      async () => {
        player = new Player(options);
        await Promise.race([once(player.socket, 'connect'), once(player.socket, 'close')]).catch(() => {});
        return player.gone ? undefined : player;
      },
      { everyMs: 50, what: () => `${options.from} to be connected` },
    );
  }

  /** One that was told OPEN: its connection is wanted. It is tried again while it is not. */
  static async greeted(options: PlayerOptions): Promise<Player> {
    let player: Player | undefined;
    return await until(
      async () => {
        player = await Player.connected(options);
        await until(() => player!.heard[OPEN]! > 0 || player!.gone, {
          everyMs: 5,
          what: `an answer to ${options.from}`,
        });
        return player.gone ? undefined : player;
      },
      { everyMs: 50, what: () => `${options.from} to be greeted; it was told ${player?.notification}` },
    );
  }

  /** One whose session is up; it is tried again while it is refused. */
  static async up(options: PlayerOptions, timeoutMs = 30_000): Promise<Player> {
    let player: Player | undefined;
    return await until(
      async () => {
        player = await Player.connected(options);
        void player.write(player.open(), KEEPALIVE);
        await until(() => player!.isUp || player!.gone, {
          timeoutMs,
          everyMs: 5,
          what: `an answer to ${options.from}`,
        });
        return player.isUp && player.notification === undefined ? player : undefined;
      },
      { timeoutMs, everyMs: 50, what: () => `${options.from} to be up; it was told ${player?.notification}` },
    );
  }

  open(): Uint8Array {
    const { as, from, routerId = from, holdTimeS = 90, capabilities = [] } = this.#options;
    return encodeOpen({
      as2: as,
      holdTimeS,
      routerId: parseIp4(routerId),
      capabilities: [
        { kind: 'multiprotocol', family: { afi: 1, safi: 1 } },
        { kind: 'routeRefresh' },
        { kind: 'as4', as },
        ...capabilities,
      ],
    });
  }

  /** Both have said OPEN and KEEPALIVE, as far as this side can tell. */
  get isUp(): boolean {
    return this.heard[OPEN]! > 0 && this.heard[ALIVE]! > 0;
  }

  /** Resolves when the kernel has taken it all, or nobody will any more. */
  write(...messages: Uint8Array[]): Promise<void> {
    return new Promise(resolve => this.socket.write(Buffer.concat(messages), () => resolve()));
  }

  /** Every octet is a segment of its own. */
  async writeByteByByte(...messages: Uint8Array[]): Promise<void> {
    const bytes = Buffer.concat(messages);
    for (let at = 0; at < bytes.length; at++) await this.write(bytes.subarray(at, at + 1));
  }

  /** KEEPALIVEs from now on. */
  speak(everyMs: number): void {
    const timer = setInterval(() => void this.write(KEEPALIVE), everyMs);
    this.socket.once('close', () => clearInterval(timer));
  }

  /** Reads at last. */
  hear(): void {
    this.#deaf = false;
    this.socket.resume();
  }

  /** FIN. */
  end(): void {
    this.socket.end();
  }

  /** RST. */
  reset(): void {
    this.socket.resetAndDestroy();
  }

  #hear(chunk: Buffer): void {
    const bytes = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk]);
    let at = 0;
    while (bytes.length - at >= HEADER) {
      const end = at + bytes.readUInt16BE(at + 16);
      if (end > bytes.length) break;
      this.#message(bytes[at + 18]!, bytes.subarray(at + HEADER, end));
      at = end;
    }
    this.#rest = bytes.subarray(at);
    if (this.#deaf && this.isUp) this.socket.pause();
  }

  #message(type: number, body: Buffer): void {
    this.heard[type]!++;
    if (type === NOTIFICATION) this.notification = `${body[0]}/${body[1]}`;
    if (type !== UPDATE) return;
    this.onUpdate?.(body);
    const withdrawn = 2 + body.readUInt16BE(0);
    for (const prefix of prefixesIn(body.subarray(2, withdrawn))) this.prefixes.delete(prefix);
    const attributes = withdrawn + 2 + body.readUInt16BE(withdrawn);
    for (const prefix of prefixesIn(body.subarray(attributes))) this.prefixes.add(prefix);
  }
}

function* prefixesIn(field: Buffer): Generator<number> {
  for (let at = 0; at < field.length; ) {
    const length = field[at++]!;
    let address = 0;
    for (let i = 0; i < 4; i++) address = address * 256 + (i < (length + 7) >> 3 ? field[at++]! : 0);
    yield address * 64 + length;
  }
}

function nlri(networks: readonly string[]): Buffer {
  const bytes: number[] = [];
  for (const network of networks) {
    const [address, length] = network.split('/') as [string, string];
    bytes.push(Number(length));
    const octets = (Number(length) + 7) >> 3;
    for (const octet of address.split('.').slice(0, octets)) bytes.push(Number(octet));
  }
  return Buffer.from(bytes);
}

function update(withdrawn: Buffer, attributes: Buffer, announced: Buffer): Buffer {
  const body = Buffer.concat([Buffer.alloc(2), withdrawn, Buffer.alloc(2), attributes, announced]);
  body.writeUInt16BE(withdrawn.length, 0);
  body.writeUInt16BE(attributes.length, 2 + withdrawn.length);
  const header = Buffer.alloc(HEADER, 0xff);
  header.writeUInt16BE(HEADER + body.length, 16);
  header[18] = UPDATE;
  return Buffer.concat([header, body]);
}

/** `as` is all of the path. */
export function announcement(
  networks: readonly string[],
  { as, nextHop, med = 0 }: { as: number; nextHop: string; med?: number },
): Buffer {
  const attributes = Buffer.concat([
    Buffer.of(0x40, 1, 1, 0),
    Buffer.of(0x40, 2, 6, 2, 1, 0, 0, as >> 8, as & 255),
    Buffer.of(0x40, 3, 4, 0, 0, 0, 0),
    Buffer.of(0x80, 4, 4, 0, 0, 0, 0),
  ]);
  attributes.writeUInt32BE(parseIp4(nextHop), 16);
  attributes.writeUInt32BE(med, 23);
  return update(Buffer.alloc(0), attributes, nlri(networks));
}

export function withdrawal(networks: readonly string[]): Buffer {
  return update(nlri(networks), Buffer.alloc(0), Buffer.alloc(0));
}
