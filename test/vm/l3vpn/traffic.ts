// Customers' packets, numbered: what is lost, how long it stays away, and what arrives at somebody else's. All sockets are of this
// process, opened in the sites' namespaces.
//
//   site 1 ── "a 3 2 17" ──▶ site 2 answers the same ──▶ site 1: of flow 3, in its 2nd run, number 17 has come
import { createHash } from 'node:crypto';
import { createSocket, type Socket } from 'node:dgram';
import { connect, createServer, type Server } from 'node:net';
import {
  CUSTOMERS,
  type Customer,
  type Edge,
  type Network,
  siteAddress,
  type SiteName,
} from '../../../examples/srv6-l3vpn/network.ts';
import { inNetworkNamespace } from '../../../src/sys/index.ts';
import { until } from '../../lib/wait.ts';

const PORT = 7;
/** Of each flow. */
const EVERY_MS = 40;
export const FAMILIES = [4, 6] as const;
export type Family = (typeof FAMILIES)[number];

/** What a change cost a flow. */
export interface Loss {
  sent: number;
  lost: number;
  /** The longest run of packets that were lost, in time. */
  outageMs: number;
}

/** Datagrams from a site to another, answered there. */
class Flow {
  readonly name: string;
  readonly customer: Customer;
  readonly #id: number;
  readonly #socket: Socket;
  readonly #to: string;
  /** Of what was sent in an earlier run, answers do not count. */
  #runs = 0;
  #sent = 0;
  #startMs = 0;
  #answered = new Set<number>();
  /** Answers one after the other, up to the last. */
  row = 0;
  #last = -1;

  constructor(id: number, name: string, customer: Customer, socket: Socket, to: string) {
    this.#id = id;
    this.name = name;
    this.customer = customer;
    this.#socket = socket;
    this.#to = to;
  }

  start(): void {
    this.#runs++;
    this.#sent = this.row = 0;
    this.#last = -1;
    this.#answered = new Set();
    this.#startMs = performance.now();
  }

  /** Sends what is due: a timer that comes late makes up for it. */
  send(): void {
    const due = Math.floor((performance.now() - this.#startMs) / EVERY_MS);
    for (; this.#sent < due; this.#sent++) {
      this.probe(this.#sent);
    }
  }

  /** Sends one, to the other site unless told. */
  probe(number: number, to: string = this.#to): void {
    // What the kernel has no way for at once is lost like anything else.
    this.#socket.send(`${this.customer} ${this.#id} ${this.#runs} ${number}`, PORT, to, () => {});
  }

  answer(run: number, number: number): void {
    if (run !== this.#runs) return;
    this.row = number === this.#last + 1 ? this.row + 1 : 1;
    this.#last = number;
    this.#answered.add(number);
  }

  get answered(): number {
    return this.#answered.size;
  }

  has(number: number): boolean {
    return this.#answered.has(number);
  }

  get pending(): number {
    return this.#sent - 1 - this.#last;
  }

  loss(): Loss {
    let longest = 0;
    let run = 0;
    for (let number = 0; number < this.#sent; number++) {
      run = this.#answered.has(number) ? 0 : run + 1;
      longest = Math.max(longest, run);
    }
    return { sent: this.#sent, lost: this.#sent - this.#answered.size, outageMs: longest * EVERY_MS };
  }
}

export class Traffic {
  readonly #network: Network;
  readonly flows: Flow[] = [];
  /** What arrived where it should not have: `b 1 7 at a2`. */
  readonly strays: string[] = [];
  readonly #sockets: Socket[] = [];

  constructor(network: Network) {
    this.#network = network;
  }

  /** Opens the sockets; each customer's site 1 will send to its site 2 and hear from there, by each family. */
  async open(): Promise<void> {
    for (const customer of CUSTOMERS) {
      for (const family of FAMILIES) {
        await this.#openSocket(customer, 2, family);
        const socket = await this.#openSocket(customer, 1, family);
        const to = siteAddress(2, family);
        this.flows.push(new Flow(this.flows.length, `${customer.toUpperCase()} IPv${family}`, customer, socket, to));
      }
    }
  }

  async #openSocket(customer: Customer, edge: Edge, family: Family): Promise<Socket> {
    const site: SiteName = `${customer}${edge}`;
    const socket = createSocket({
      type: `udp${family}`,
      // Node would look an address up later, when this thread is no more in the namespace.
      lookup: (address, _, done) => done(null, address, family),
    });
    this.#sockets.push(socket);
    socket.on('message', (data, from) => {
      const text = data.toString('latin1');
      const [whose, flow, run, number] = text.split(' ');
      if (whose !== customer) this.strays.push(`${text} at ${site}`);
      else if (edge === 1) this.flows[Number(flow)]!.answer(Number(run), Number(number));
      else socket.send(data, from.port, from.address, () => {});
    });
    const bound = new Promise<void>((done, failed) => {
      socket.once('listening', done);
      socket.once('error', failed);
    });
    inNetworkNamespace(this.#network.sites[site].path, () => socket.bind(PORT, siteAddress(edge, family)));
    await bound;
    socket.on('error', () => {});
    return socket;
  }

  /** Runs something while all flows go on, until they all go again, and gives what each lost. */
  async during(change: () => Promise<void>, timeoutMs = 120_000): Promise<Record<string, Loss>> {
    for (const flow of this.flows) flow.start();
    const timer = setInterval(() => {
      for (const flow of this.flows) flow.send();
    }, EVERY_MS);
    const flowing = (row: number, what: string): Promise<boolean> =>
      until(() => this.flows.every(flow => flow.row >= row), {
        timeoutMs,
        what: () => `${what}: ${this.flows.map(flow => `${flow.name} ${JSON.stringify(flow.loss())}`).join(', ')}`,
      });
    try {
      await flowing(20, 'every flow to go');
      await change();
      await flowing(50, 'every flow to go again');
    } finally {
      clearInterval(timer);
    }
    // What was still under way a second later is lost.
    await until(() => this.flows.every(flow => flow.pending === 0), { timeoutMs: 1000, what: '' }).catch(() => {});
    return Object.fromEntries(this.flows.map(flow => [flow.name, flow.loss()]));
  }

  /** Resolves when every flow has had an answer. */
  async connected(timeoutMs: number, what: () => string): Promise<void> {
    for (const flow of this.flows) flow.start();
    let number = 0;
    await until(
      () => {
        for (const flow of this.flows) if (flow.answered === 0) flow.probe(number);
        number++;
        return this.flows.every(flow => flow.answered > 0);
      },
      {
        timeoutMs,
        everyMs: 100,
        what: () =>
          `an answer of each flow: ${this.flows.map(({ name, answered }) => `${name} ${answered}`).join(', ')}\n${what()}`,
      },
    );
  }

  /** Sends to addresses that only another customer has, and then to one's own site, so that whatever arrives has arrived. */
  async trespass(customer: Customer, addresses: readonly string[]): Promise<void> {
    for (const flow of this.flows) {
      if (flow.customer !== customer) continue;
      flow.start();
      for (const address of addresses) if (address.includes(':') === flow.name.endsWith('6')) flow.probe(0, address);
      await until(() => (flow.probe(1), flow.has(1)), {
        timeoutMs: 20_000,
        everyMs: 50,
        what: `an answer of ${flow.name}`,
      });
      if (flow.has(0)) this.strays.push(`${flow.name} had an answer of another customer`);
    }
  }

  close(): void {
    for (const socket of this.#sockets) socket.close();
  }
}

/** Octets that tell whose they are and where they stand. */
function pattern(customer: Customer, length: number): Buffer {
  const block = createHash('sha512').update(customer).digest();
  const data = Buffer.alloc(length, block);
  for (let i = 0; i < length; i += 64) data.writeUInt32BE(i, i);
  return data;
}

const digest = (data: Buffer): string => createHash('sha256').update(data).digest('hex');

/** Sends octets over TCP from a customer's site 1 to its site 2; rejects unless they all arrive as they were, at the right one. */
export async function transfer(network: Network, customer: Customer, family: Family, length: number): Promise<void> {
  const servers: Server[] = [];
  const got = Promise.withResolvers<string>();
  for (const whose of CUSTOMERS) {
    const server = createServer({ allowHalfOpen: true }, socket => {
      const parts: Buffer[] = [];
      socket.on('data', (part: Buffer) => parts.push(part));
      socket.on('error', got.reject);
      socket.on('end', () => {
        got.resolve(`${whose} ${digest(Buffer.concat(parts))}`);
        socket.end();
      });
    });
    servers.push(server);
    inNetworkNamespace(network.sites[`${whose}2`].path, () => server.listen(PORT));
  }
  const data = pattern(customer, length);
  const socket = inNetworkNamespace(network.sites[`${customer}1`].path, () =>
    connect({
      port: PORT,
      host: 'site2',
      localAddress: siteAddress(1, family),
      family,
      lookup: (_, __, done) => done(null, siteAddress(2, family), family),
    }),
  );
  socket.on('error', got.reject);
  socket.setTimeout(20_000, () => got.reject(new Error('no octet for 20 s')));
  socket.resume();
  socket.end(data);
  try {
    const what = await got.promise;
    if (what !== `${customer} ${digest(data)}`) throw new Error(`other octets, or elsewhere: ${what}`);
  } finally {
    socket.destroy();
    for (const server of servers) server.close();
  }
}

/** All pairs of a customer and a family. */
export const STREAMS: readonly (readonly [Customer, Family])[] = CUSTOMERS.flatMap(customer =>
  FAMILIES.map(family => [customer, family] as const),
);
