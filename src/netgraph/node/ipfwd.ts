// A router between its interfaces and its FIB (RFC 1812; RFC 8200 and RFC 4443 for IPv6): it checks what came in, takes one from its time to
// live, and tells senders what became of packets that went no further.
//
//    in… ─────▶ ipfwd ──────▶ out        to a fib4 or fib6
//    noroute ─▶       ──────▶ icmp       its errors and echo replies, as packets to be routed: to another hook of the fib
//    nohost  ─▶       ◀─────▶ local      what is for the router itself; what it sends, which is only routed
//    toobig  ─▶
//
// There may be several of those on the left: in0, in1, … An arp node's `ip` goes both ways, so a split stands between: what comes from the link
// goes on to `in…`, what the fib sends comes in by the split's `in`. `noroute` is for what a fib found no route for (net unreachable), `nohost` for what an arp or nd node got no answer about (host
// unreachable), `toobig` for what an ipfrag node may not cut (fragmentation needed, packet too big).
import { parseInterfaceAddress, formatAddress, type Family } from '../../net/index.ts';
import type { Hook } from '../graph/node.ts';
import { NetgraphError } from '../graph/error.ts';
import { command, ControlHalf, type NodeType } from '../graph/type.ts';
import { array, string, struct, uint32 } from '../message/form.ts';
import { endsAlone } from './lib/alone.ts';
import { type IpfwdConfig, IpfwdData, IPFWD_COUNTERS, roleOf } from './lib/ipfwd-data.ts';
import type { OwnAddress } from './lib/router-addresses.ts';

interface Address {
  /** IPv4 or IPv6. */
  address: string;
  /** Of the interface that it belongs to: errors about what came in by it are from this address. 0: any. */
  ifindex: number;
}

class IpfwdControl extends ControlHalf {
  #addresses: readonly OwnAddress[] = [];
  // As Linux has them (icmp_msgs_per_sec, icmp_msgs_burst).
  #rate = 1000;
  #burst = 50;

  override newHook({ name }: Hook): void {
    if (roleOf(name) !== 0) return;
    throw new NetgraphError(
      'EINVAL',
      `ipfwd has hooks out, icmp, local, in…, noroute…, nohost… and toobig… (a number at the end), not '${name}'`,
    );
  }

  override disconnected(): void {
    endsAlone(this.node);
  }

  override config(): IpfwdConfig {
    return { addresses: this.#addresses, rate: this.#rate, burst: this.#burst };
  }

  override save(): () => void {
    const before = [this.#addresses, this.#rate, this.#burst] as const;
    return () => void ([this.#addresses, this.#rate, this.#burst] = before);
  }

  set(list: readonly Address[]): void {
    this.#addresses = list.map(({ address, ifindex }) => {
      const parsed = address.includes('/') ? undefined : parseInterfaceAddress(address);
      if (!parsed) throw new NetgraphError('EINVAL', `'${address}' is no address`);
      return { family: parsed.family, words: parsed.words, ifindex };
    });
    this.node.reconfigure();
  }

  list(): { count: number; addresses: Address[] } {
    const addresses = this.#addresses.map(({ family, words, ifindex }) => ({
      address: formatAddress(family as Family, words),
      ifindex,
    }));
    return { count: addresses.length, addresses };
  }

  limit(rate: number, burst: number): void {
    if (burst < 1) throw new NetgraphError('EINVAL', `errors at once: at least 1, not ${burst}`);
    this.#rate = rate;
    this.#burst = burst;
    this.node.reconfigure();
  }

  get limits(): { rate: number; burst: number } {
    return { rate: this.#rate, burst: this.#burst };
  }
}

const addresses = struct({
  count: uint32,
  addresses: array({
    element: struct({ address: string, ifindex: uint32 }),
    length: ({ count }: { count: number }) => count,
  }),
});
const limits = struct({ rate: uint32, burst: uint32 });

export const ipfwd: NodeType = {
  name: 'ipfwd',
  cookie: 1764288002,
  messages: [
    command({
      name: 'setaddresses',
      cmd: 1,
      args: addresses,
      handle: (r: IpfwdControl, args) => r.set(args.addresses),
    }),
    command({ name: 'getaddresses', cmd: 2, reply: addresses, handle: (r: IpfwdControl) => r.list() }),
    command({
      name: 'setlimit',
      cmd: 3,
      args: limits,
      handle: (r: IpfwdControl, { rate, burst }) => r.limit(rate, burst),
    }),
    command({ name: 'getlimit', cmd: 4, reply: limits, handle: (r: IpfwdControl) => r.limits }),
  ],
  control: IpfwdControl,
  data: IpfwdData,
  counters: IPFWD_COUNTERS,
};
