// A rehearsal: before the first neighbour sends its table, the threads play a small one through a stage of their own, so
// that the code which a table runs through is compiled when it counts. V8 interprets what has not run yet, and compiling it
// takes a tenth of a second of a fresh daemon's first hundred thousand routes.
//
//    feeder ══pair══ [ Bgp ] ══pair══ receiver          on the stage: instances of the same classes as the real ones,
//      ▲               │ ZAPI                           nothing shared with them but the threads and bgp-io's rings
//    script            ▼
//              [ Zebra, ZapiServer ]  ──contexts──▶  [ Pipeline, kernel provider that sends nothing ]
//           (zebra/rehearsal.ts, zebra's thread)      (dataplane/rehearsal.ts, dplane's thread)
//
// Several times from the opening of the sessions to their end, because what V8 learns of a single object it holds to be true of
// all, and must compile again when the second one comes. All of it runs in turns in which the real loop has nothing to
// do, has its own task names, touches neither a packet nor the kernel's tables, and is given up where it takes too long,
// or where the first real table comes before its end.
import { idleClock, TaskLoop } from '../../concurrency/index.ts';
import { AF_INET, type AddressWords } from '../../net/index.ts';
import { Bgp } from '../bgp.ts';
import type { Connection, SocketAddress, Transport } from '../io/types.ts';
import { createSession } from '../session/session.ts';
import type { Session } from '../session/types.ts';
import { giveMemoryBack } from '../../sys/index.ts';
import { FAMILY_NAMES } from '../wire/family.ts';
import { messageLength } from '../wire/message.ts';
import { VRF_DEFAULT } from '../vrf.ts';
import { zapiOverTransport } from '../zclient.ts';
import { type Act, announcements, FEEDER_AS, FEEDER_IPV4, withdrawals } from './script.ts';

const OUR_AS = 65001;
const RECEIVER_AS = 65003;
const OUR_IPV4 = 0x0a000001; // 10.0.0.1
const RECEIVER_IPV4 = 0x0a000003; // 10.0.0.3
const UNICAST = [
  { afi: 1, safi: 1 },
  { afi: 2, safi: 1 },
];
const PERFORMANCES = 4;
const LIMIT_MS = 20_000;
const LOOK_MS = 2;

export interface RehearsalOptions {
  /** The thread's loop: the rehearsal runs while it is idle. */
  readonly loop: TaskLoop;
  readonly transport: Transport;
  /** Where zebra's part of the stage listens; undefined: bgp rehearses without zebra. */
  readonly zserv?: string;
  /** The real tables fill: it is too late to rehearse, and whoever does takes their processors. */
  readonly overtaken: () => boolean;
}

/** Rehearses; resolves when it is over, false where it was given up. */
export async function rehearse(options: RehearsalOptions): Promise<boolean> {
  const loop = new TaskLoop('rehearsal', idleClock(options.loop));
  const stage = new Stage(loop, options);
  try {
    for (let i = 0; i < PERFORMANCES; i++) await stage.perform();
    return true;
  } catch (error) {
    if (!(error instanceof GivenUp)) throw error;
    return false;
  } finally {
    stage.close();
    loop.close();
    // When the last callbacks of what was closed have run, and nothing refers to it.
    setImmediate(giveMemoryBack);
  }
}

class GivenUp extends Error {}

function address(word: number): SocketAddress {
  return { family: AF_INET, words: [word, 0, 0, 0] satisfies AddressWords, port: 179, scopeId: 0 };
}

/** The far end of one of the two sessions. */
class Player {
  readonly as: number;
  readonly word: number;
  readonly session: Session;
  messages = 0;
  #act: Act = { bytes: new Uint8Array(0), messages: 0 };
  #at = 0;

  constructor(loop: TaskLoop, transport: Transport, as: number, word: number) {
    this.as = as;
    this.word = word;
    this.session = createSession(
      { localAs: as, remoteAs: OUR_AS, routerId: word, remote: address(OUR_IPV4), passive: true, families: UNICAST },
      { loop, transport, random: Math.random },
      {
        established: () => this.#send(),
        down: () => {},
        update: () => undefined,
        routeRefresh: () => {},
        writable: () => this.#send(),
      },
    );
    this.session.start();
  }

  play(act: Act): void {
    this.#act = act;
    this.#at = 0;
    this.messages += act.messages;
    this.#send();
  }

  /** As a socket would: some messages at once, while there is room. */
  #send(): void {
    const { bytes } = this.#act;
    while (this.#at < bytes.length) {
      let end = this.#at;
      while (end < bytes.length && end - this.#at < 16_384) end += messageLength(bytes, end);
      if (!this.session.send(bytes, this.#at, end - this.#at)) return;
      this.#at = end;
    }
  }
}

class Stage {
  readonly #loop: TaskLoop;
  readonly #options: RehearsalOptions;
  readonly #endMs: number;
  #bgp: Bgp | undefined;
  #players: Player[] = [];

  constructor(loop: TaskLoop, options: RehearsalOptions) {
    this.#loop = loop;
    this.#options = options;
    this.#endMs = loop.now() + LIMIT_MS;
  }

  async perform(): Promise<void> {
    const { transport, zserv } = this.#options;
    const pairs: Transport = {
      connect: ({ remote }) => transport.connectPair(address(OUR_IPV4), remote, far => this.#accept(far)),
      connectPair: (local, remote, accepted) => transport.connectPair(local, remote, accepted),
      listen: (options, events) => transport.listen(options, events),
      connectUnix: (path, events) => transport.connectUnix(path, events),
      flush: () => transport.flush(),
      pauseUpdates: () => {},
      resumeUpdates: () => {},
    };
    const before = this.#bgp;
    const bgp = new Bgp({
      loop: this.#loop,
      transport: pairs,
      random: Math.random,
      listenPort: 0,
      ...(zserv === undefined ? {} : { zebra: zapiOverTransport(transport, zserv) }),
    });
    this.#bgp = bgp;
    const feeder = new Player(this.#loop, pairs, FEEDER_AS, FEEDER_IPV4);
    const receiver = new Player(this.#loop, pairs, RECEIVER_AS, RECEIVER_IPV4);
    this.#leave();
    this.#players = [feeder, receiver];
    before?.close();
    const instance = bgp.openInstance(VRF_DEFAULT, OUR_AS);
    if (bgp.zebra !== undefined) await this.#until(() => instance.vrf.known);
    Object.assign(instance.options, { routerId: OUR_IPV4, ebgpRequiresPolicy: false, defaultIpv6: true });
    for (const { as, name } of [
      { as: FEEDER_AS, name: '10.0.0.2' },
      { as: RECEIVER_AS, name: '10.0.0.3' },
    ]) {
      instance.setRemoteAs(name, as);
    }
    await this.#until(() => this.#players.every(({ session }) => session.negotiated !== undefined));
    for (const act of [announcements(0), announcements(1), withdrawals(), announcements(2)]) {
      feeder.play(act);
      await this.#until(() => this.#settled(bgp, feeder));
    }
    feeder.session.stop();
    await this.#until(() => instance.families.every(family => family.table.stats().prefixes === 0));
  }

  /** All that the feeder said was taken in, decided, and told on. */
  #settled(bgp: Bgp, feeder: Player): boolean {
    const instance = bgp.instance();
    const peer = instance.peers.get('10.0.0.2');
    if ((peer?.session?.stats().received.updates ?? 0) < feeder.messages) return false;
    return FAMILY_NAMES.every(afi => {
      const family = instance.family[afi];
      if (bgp.zebra !== undefined && !family.announcer.idle) return false;
      return Array.from(family.groups.values()).every(({ group }) => group.stats().pending === 0);
    });
  }

  #accept(far: Connection): void {
    // The near end named itself, so the far one is known by its own name.
    const player = this.#players.find(({ word }) => word === far.local?.words[0]);
    if (player === undefined) far.close();
    else player.session.accept(far);
  }

  async #until(condition: () => boolean): Promise<void> {
    while (!condition()) {
      if (this.#loop.now() > this.#endMs || this.#options.overtaken()) throw new GivenUp();
      await new Promise<void>(resolve => this.#loop.timer('rehearsal', resolve).start(LOOK_MS));
    }
  }

  #leave(): void {
    for (const { session } of this.#players) session.destroy();
    this.#players = [];
  }

  close(): void {
    this.#leave();
    this.#bgp?.close();
    this.#bgp = undefined;
  }
}
