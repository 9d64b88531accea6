// The same packets through Linux's own NAT (nftables, in a network namespace) and through a nat node: what comes out is the same to the
// byte, but for the hop that the kernel takes off the time to live.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decrementTtl } from '../../../src/netgraph/lib/checksum.ts';
import { write16 } from '../../../src/netgraph/lib/ip.ts';
import {
  bindPacketSocket,
  closeFd,
  inNetworkNamespace,
  interfaceIndex,
  openPacketSocket,
  receive,
  transmit,
} from '../../../src/sys/index.ts';
import { Lab } from '../../lib/netns.ts';
import { until } from '../../lib/wait.ts';
import { Inline } from '../lib/inline.ts';
import { icmp, ip4, tcp, udp } from '../lib/packets.ts';

const HOST = 0x0a000005;
const WORLD = 0xc6336407;
const ALIAS = 0xcb007101;
const MAC = '02:00:00:00:00:99';

/** A router with Linux's NAT between two links whose far ends we hold. */
class KernelNat {
  readonly #lab: Lab = new Lab();
  readonly #fds: Record<'out' | 'in', { fd: number; header: Uint8Array }> = {} as never;

  static async start(): Promise<KernelNat> {
    const made = new KernelNat();
    const lab = made.#lab;
    const router = await lab.namespace('router');
    const edge = await lab.namespace('edge');
    const quiet = 'for f in /proc/sys/net/ipv6/conf/*/disable_ipv6; do echo 1 > $f; done';
    for (const space of [router, edge]) await space.run('sh', '-c', quiet);
    await lab.link(router, 'i', edge, 'ei');
    await lab.link(router, 'o', edge, 'eo');
    await router.run(
      'sh',
      '-ec',
      `ip addr add 10.0.0.1/24 dev i; ip addr add 203.0.113.1/24 dev o; ip route add 198.51.100.0/24 dev o
       ip neigh add 10.0.0.5 lladdr ${MAC} dev i; ip neigh add 10.0.0.6 lladdr ${MAC} dev i
       ip neigh add 198.51.100.7 lladdr ${MAC} dev o; ip neigh add 198.51.100.8 lladdr ${MAC} dev o
       echo 1 > /proc/sys/net/ipv4/ip_forward
       nft add table ip n
       nft add chain ip n post '{ type nat hook postrouting priority 100 ; }'
       nft add rule ip n post oifname o snat to 203.0.113.1
       nft add chain ip n pre '{ type nat hook prerouting priority -100 ; }'
       nft add rule ip n pre iifname i udp dport 5353 dnat to 198.51.100.8:53
       nft add rule ip n pre iifname o udp dport 8080 dnat to 10.0.0.6:80`,
    );
    for (const [side, link, far] of [
      ['out', 'i', 'ei'],
      ['in', 'o', 'eo'],
    ] as const) {
      const [about] = await router.ipJson<{ address: string }[]>('link', 'show', link);
      const fd = inNetworkNamespace(edge.path, () => {
        const made = openPacketSocket();
        bindPacketSocket(made, interfaceIndex(far), true);
        return made;
      });
      const mac = (text: string): number[] => text.split(':').map(part => Number.parseInt(part, 16));
      made.#fds[side] = { fd, header: Uint8Array.from([...mac(about!.address), ...mac(MAC), 8, 0]) };
    }
    return made;
  }

  /** Sends a packet in by a side; what comes out of the other. */
  async through(side: 'out' | 'in', packet: Uint8Array): Promise<Uint8Array> {
    const { fd, header } = this.#fds[side];
    const frame = Uint8Array.from([...header, ...packet]);
    transmit(fd, frame, 0, frame.length);
    const far = this.#fds[side === 'out' ? 'in' : 'out'].fd;
    const buffer = new Uint8Array(2048);
    let found: Uint8Array | undefined;
    await until(
      () => {
        const length = receive(far, buffer, 0, buffer.length);
        if (length > 34 && buffer[12] === 8 && buffer[13] === 0) found = buffer.slice(14, length);
        return found !== undefined;
      },
      { what: `the kernel's answer to ${Buffer.from(packet).toString('hex')}`, everyMs: 1 },
    );
    return found!;
  }

  async close(): Promise<void> {
    for (const { fd } of Object.values(this.#fds)) closeFd(fd);
    await this.#lab.close();
  }
}

/** The same without a checksum of UDP (RFC 768); no IP options. */
function withoutUdpChecksum(packet: Uint8Array): Uint8Array {
  const copy = Uint8Array.from(packet);
  write16(copy, 26, 0);
  return copy;
}

test('UDP, TCP, ICMP and errors about them, redirects and proxies: as Linux translates them', async () => {
  const inline = await Inline.open();
  const kernel = await KernelNat.start();
  try {
    const node = inline.make('nat', 'in', 'out');
    await inline.ascii(node, 'setaliasaddr', '203.0.113.1');
    const compare = async (what: string, side: 'out' | 'in', packet: Uint8Array): Promise<Uint8Array> => {
      const theirs = await kernel.through(side, packet);
      inline.write(side, packet);
      const came = await inline.came();
      assert.equal(came.length, 1, what);
      assert.equal(came[0]!.hook, side === 'out' ? 'in' : 'out', what);
      const ours = came[0]!.data;
      decrementTtl(ours, 0);
      // Ethernet pads what is short.
      assert.equal(ours.toString('hex'), Buffer.from(theirs.subarray(0, ours.length)).toString('hex'), what);
      return theirs;
    };
    const outward = { source: HOST, destination: WORLD };
    const inward = { source: WORLD, destination: ALIAS };
    await compare('UDP out', 'out', ip4(udp(4000, 53, [1, 2, 3]), outward));
    await compare('UDP back', 'in', ip4(udp(53, 4000, [4, 5]), inward));
    await compare('UDP without a checksum', 'out', withoutUdpChecksum(ip4(udp(4001, 53, [1]), outward)));
    await compare('IP options', 'out', ip4(udp(4002, 53, [1]), { ...outward, options: [1, 1, 1, 0] }));
    const flags = { syn: 0x02, synAck: 0x12, ack: 0x10, fin: 0x11 };
    await compare('SYN', 'out', ip4(tcp(5000, 80, flags.syn, [2, 4, 5, 0xb4]), { ...outward, protocol: 6 }));
    await compare('SYN, ACK', 'in', ip4(tcp(80, 5000, flags.synAck, [2, 4, 5, 0xb4]), { ...inward, protocol: 6 }));
    await compare('echo request', 'out', ip4(icmp(8, 0, 0x00070001, [9, 9]), { ...outward, protocol: 1 }));
    await compare('echo reply', 'in', ip4(icmp(0, 0, 0x00070001, [9, 9]), { ...inward, protocol: 1 }));
    await inline.ascii(node, 'proxyrule', '"proto udp port 5353 server 198.51.100.8:53"');
    await compare('asks for a name, and a proxy has it', 'out', ip4(udp(4004, 5353, [1]), outward));
    const fromProxy = { source: WORLD + 1, destination: ALIAS };
    await compare('what the proxy answers', 'in', ip4(udp(53, 4004, [2]), fromProxy));
    await inline.ascii(node, 'redirectport', '{ local_addr=10.0.0.6 local_port=80 alias_port=8080 proto=17 }');
    await compare('a port that is redirected', 'in', ip4(udp(4005, 8080, [3]), inward));
    await compare('what is answered from there', 'out', ip4(udp(80, 4005, [4]), { ...outward, source: HOST + 1 }));
    // From the far host: a port that is closed; it quotes what it got.
    const got = await kernel.through('out', ip4(udp(4003, 9, [7]), outward));
    inline.write('out', ip4(udp(4003, 9, [7]), outward));
    await inline.came();
    const quotation = got.subarray(0, 28);
    await compare('port unreachable', 'in', ip4(icmp(3, 3, 0, quotation), { ...inward, protocol: 1 }));
  } finally {
    await kernel.close();
    await inline.close();
  }
});
