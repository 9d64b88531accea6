// Zebra's part of a rehearsal (bgp/rehearsal): a zebra and a ZAPI server of their own, over contexts of their own. Its kernel
// has one link with two addresses and nothing else.
import { idleClock, TaskLoop } from '../concurrency/index.ts';
import { type DataplaneChannel, DataplaneClient, NO_DETAIL } from '../dataplane/index.ts';
import { AF_INET, AF_INET6 } from '../net/index.ts';
import { giveMemoryBack } from '../sys/index.ts';
import { DataplanePlane } from './dataplane.ts';
import { KIND_ADDRESS, KIND_LINK, KINDS, type PlaneEvents } from './plane.ts';
import { runZebra } from './run.ts';
import { ZapiServer } from './server/index.ts';

const IFINDEX = 2;
const ARPHRD_ETHER = 1;
/** Up, broadcast, running, multicast, lower up. */
const FLAGS = 0x11043;
/** bgp is here by then, and is gone for good after it has been away so long. */
const LIMIT_MS = 20_000;
const ABSENT_MS = 200;

/** Contexts go to the dataplane thread and back; what the kernel would tell is told here. */
class StagePlane extends DataplanePlane {
  #asked = 0;

  override requestResync(kinds: number): void {
    this.#asked |= kinds;
  }

  override poll(events: PlaneEvents, max: number): number {
    const asked = this.#asked;
    this.#asked = 0;
    for (const kind of KINDS) {
      if ((asked & kind) === 0) continue;
      events.dumpBegin(kind);
      if (kind === KIND_LINK) tellLink(events);
      else if (kind === KIND_ADDRESS) tellAddresses(events);
      events.dumpEnd(kind);
    }
    return super.poll(events, max);
  }
}

function tellLink(events: PlaneEvents): void {
  const mac = new Uint8Array(6);
  events.link({
    ifindex: IFINDEX,
    name: 'stage',
    flags: FLAGS,
    mtu: 1500,
    mac,
    hardwareType: ARPHRD_ETHER,
    link: 0,
    master: 0,
    detail: NO_DETAIL,
  });
}

function tellAddresses(events: PlaneEvents): void {
  const rest = { ifindex: IFINDEX, flags: 0, label: 'stage' };
  const ipv4 = [0x0a000001, 0, 0, 0] as const; // 10.0.0.1
  const ipv6 = [0x20010db8, 0, 0, 1] as const; // 2001:db8::1
  events.address({ ...rest, family: AF_INET, local: ipv4, peer: ipv4, length: 24 });
  events.address({ ...rest, family: AF_INET6, local: ipv6, peer: ipv6, length: 64 });
}

/** Listens on `path` for bgp's rehearsal, plays along, and ends when bgp has gone. */
export function rehearse(main: TaskLoop, channel: DataplaneChannel, path: string): void {
  const loop = new TaskLoop('rehearsal', idleClock(main));
  const client = new DataplaneClient(channel);
  const { zebra, close } = runZebra(loop, new StagePlane(client));
  const server = new ZapiServer(zebra, { path, tasks: loop, user: '' });
  const startMs = loop.now();
  let absentMs = startMs;
  const end = (): void => {
    client.requestResync(0);
    close();
    loop.close();
    void server.close().then(giveMemoryBack);
  };
  const look = loop.timer('rehearsal', () => {
    const now = loop.now();
    if (server.sessions.size > 0 || server.accepted === 0) absentMs = now;
    if (now - absentMs > ABSENT_MS || now - startMs > LIMIT_MS) end();
    else look.start(ABSENT_MS / 4);
  });
  zebra.start();
  zebra.receive();
  server.listen().then(() => look.start(ABSENT_MS), end);
}
