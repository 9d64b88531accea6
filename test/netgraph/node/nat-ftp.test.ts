// FTP through a nat: Python's client in active mode from inside, and a server inside that is asked in passive mode; then by hand what must not
// be done, and segments that are sent again.
import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, test } from 'node:test';
import { CHECK_OK, set4, verify4 } from '../../../src/netgraph/lib/checksum.ts';
import { read16, read32, write32 } from '../../../src/netgraph/lib/ip.ts';
import { graphMessenger, type Node, openGraph } from '../../../src/netgraph/index.ts';
import { Lab } from '../../lib/netns.ts';
import { until } from '../../lib/wait.ts';
import { Inline } from '../lib/inline.ts';
import { ip4, tcp } from '../lib/packets.ts';

const HOST = 0x0a000005; // 10.0.0.5
const WORLD = 0xc6336407; // 198.51.100.7
const ALIAS = 0xcb007101; // 203.0.113.1

describe('by hand', () => {
  let inline: Inline;
  let node: Node;
  beforeEach(async () => {
    inline = await Inline.open();
    node = inline.make('nat', 'in', 'out');
    await inline.ascii(node, 'setaliasaddr', '203.0.113.1');
    await inline.ascii(node, 'setmode', '{ flags=2 mask=2 }');
    await inline.ascii(node, 'setftp', '1');
  });
  afterEach(() => inline.close());

  interface Segment {
    readonly from?: number;
    readonly to?: number;
    readonly ports?: readonly [number, number];
    readonly flags?: number;
    readonly sequence?: number;
    readonly acknowledged?: number;
    readonly options?: readonly number[];
    readonly text?: string;
  }
  function segment(about: Segment): Uint8Array {
    const { from = HOST, to = WORLD, ports = [4000, 21], flags = 0x18, options = [], text = '' } = about;
    const header = tcp(ports[0], ports[1], flags, options);
    write32(header, 4, about.sequence ?? 1000);
    write32(header, 8, about.acknowledged ?? 0);
    const bytes = ip4([...header, ...Buffer.from(text, 'latin1')], { source: from, destination: to, protocol: 6 });
    set4(bytes, 0, bytes.length);
    return bytes;
  }
  /** What comes out of the other hook: sequence, acknowledgement, text. */
  async function through(hook: 'in' | 'out', about: Segment): Promise<[number, number, string] | undefined> {
    inline.write(hook, segment(about));
    const [came] = await inline.came();
    if (!came) return undefined;
    const { data } = came;
    assert.equal(data.length, read16(data, 2));
    assert.equal(verify4(data, 0, data.length), CHECK_OK);
    return [read32(data, 24), read32(data, 28), data.toString('latin1', 20 + ((data[32]! >>> 4) << 2))];
  }
  const inward = { from: WORLD, to: ALIAS, ports: [21, 4000] } as const;

  test('PORT and EPRT say the outer address, what follows is shifted, and what is acknowledged is shifted back', async () => {
    const port = 'PORT 10,0,0,5,15,161\r\n';
    const said = 'PORT 203,0,113,1,15,161\r\n';
    assert.deepEqual(await through('out', { text: port }), [1000, 0, said]);
    assert.deepEqual(await through('out', { text: port }), [1000, 0, said], 'sent again');
    assert.deepEqual(await through('out', { sequence: 1022, text: 'LIST\r\n' }), [1025, 0, 'LIST\r\n']);
    assert.deepEqual((await through('in', { ...inward, acknowledged: 1000 }))?.[1], 1000);
    assert.deepEqual((await through('in', { ...inward, acknowledged: 1025 }))?.[1], 1022);
    const sack = [1, 1, 5, 10, 0, 0, 4, 1, 0, 0, 4, 7]; // 1025 to 1031
    inline.write('in', segment({ ...inward, acknowledged: 1000, options: sack }));
    const { data } = (await inline.came())[0]!;
    assert.deepEqual([read32(data, 44), read32(data, 48)], [1022, 1028]);
    assert.equal(verify4(data, 0, data.length), CHECK_OK);
    const more = { sequence: 1028, text: 'EPRT |1|10.0.0.5|5000|\r\n' };
    assert.deepEqual(await through('out', more), [1031, 0, 'EPRT |1|203.0.113.1|5000|\r\n']);
    assert.deepEqual(await through('out', { sequence: 1052 }), [1058, 0, '']);
    assert.deepEqual((await through('in', { ...inward, acknowledged: 1058 }))?.[1], 1052);
    // The server comes, from any port, to whom has said that it waits.
    for (const waits of [4001, 5000]) {
      assert.ok(await through('in', { from: WORLD, to: ALIAS, ports: [20, waits], flags: 2 }), String(waits));
    }
    assert.equal(await through('in', { from: WORLD, to: ALIAS, ports: [20, 4002], flags: 2 }), undefined);
  });

  test('only for who says it, at no port of a service, in a line that is whole; and not where nobody asked for it', async () => {
    for (const text of [
      'PORT 10,0,0,6,15,161\r\n',
      'PORT 10,0,0,5,0,25\r\n',
      'PORT 10,0,0,5,15,161',
      'PORT 10,0,0,5,15,999\r\n',
      'EPRT |2|::1|5000|\r\n',
      '227 Entering (10,0,0,5,15,161).\r\n',
    ]) {
      assert.equal((await through('out', { text }))?.[2], text);
      assert.equal((await through('out', { sequence: 1100, text: 'X' }))?.[0], 1100);
    }
    assert.equal(await through('in', { from: WORLD, to: ALIAS, ports: [20, 4001], flags: 2 }), undefined);
    const port = 'PORT 10,0,0,5,15,161\r\n';
    assert.equal((await through('out', { ports: [4000, 2121], text: port }))?.[2], port);
    assert.equal(await inline.ascii(node, 'getftp'), '1');
    await inline.ascii(node, 'setftp', '0');
    assert.equal((await through('out', { text: port }))?.[2], port);
    await inline.refuses(node, 'EINVAL', 'setftp', '2', '2');
  });
});

const SERVER = `
import socket, sys
at, mine = sys.argv[1:3]
s = socket.create_server((at, 21)); print("up", flush=True)
c, _ = s.accept(); f = c.makefile("rb")
def say(text): c.sendall(text.encode() + b"\\r\\n")
say("220 here")
waits = there = None
for line in f:
  verb, _, said = line.decode().strip().partition(" ")
  if verb == "USER": say("331 who")
  elif verb == "PASS": say("230 in")
  elif verb == "PORT":
    n = said.split(","); there = (".".join(n[:4]), int(n[4]) * 256 + int(n[5])); say("200 so")
  elif verb == "PASV":
    waits = socket.create_server((at, 0)); p = waits.getsockname()[1]
    say("227 Entering Passive Mode (%s,%d,%d)." % (mine.replace(".", ","), p >> 8, p & 255))
  elif verb == "RETR":
    say("150 comes")
    d = waits.accept()[0] if waits else socket.create_connection(there)
    d.sendall(b"x" * int(said)); d.close(); say("226 done")
  elif verb == "QUIT": say("221 bye"); break
  else: say("200 so")
`;
const CLIENT = `
import ftplib, sys
f = ftplib.FTP(sys.argv[1], timeout=20); f.login(); f.set_pasv(sys.argv[2] == "passive")
f.trust_server_pasv_ipv4_address = True
for size in (100000, 5, 300000):
  got = []
  f.retrbinary("RETR %d" % size, lambda data: got.append(len(data)))
  print(sum(got))
f.quit()
`;

test('active from inside, and passive to inside: files come, one after the other', async () => {
  const lab = new Lab();
  const [host, far] = await Promise.all([lab.namespace('host'), lab.namespace('far')]);
  await lab.link(host, 'eth0', far, 'eth0');
  await host.run('ip', 'addr', 'add', '10.0.0.1/24', 'dev', 'eth0');
  await far.run('ip', 'addr', 'add', '10.0.0.2/24', 'dev', 'eth0');
  // What far leaves to a device nobody would do.
  await far.run('ethtool', '-K', 'eth0', 'tx', 'off', 'tso', 'off', 'gso', 'off');
  const graph = await openGraph({ workers: 1, namespace: host.path });
  try {
    const ngctl = graphMessenger(graph, 'ngctl');
    await ngctl.request('eth0:', 'mkpeer', { type: 'nat', ourhook: 'lower', peerhook: 'in' });
    await ngctl.request('eth0:', 'connect', { path: 'eth0:lower', ourhook: 'upper', peerhook: 'out' });
    const tell = (name: string, text: string): Promise<unknown> => ngctl.message('eth0:lower', name, text);
    await tell('setdlt', '1');
    await tell('setaliasaddr', '10.0.0.100');
    await tell('setmode', '{ flags=0x02 mask=0x02 }');
    await tell('redirectport', '{ local_addr=10.0.0.1 local_port=21 alias_port=21 proto=6 }');
    await tell('setftp', '1');
    const [link] = await host.ipJson<{ address: string }[]>('link', 'show', 'eth0');
    await far.run('ip', 'neigh', 'add', '10.0.0.100', 'lladdr', link!.address, 'dev', 'eth0');
    for (const [serves, at, asks, to, how] of [
      [far, '10.0.0.2', host, '10.0.0.2', 'active'],
      [host, '10.0.0.1', far, '10.0.0.100', 'passive'],
    ] as const) {
      const server = serves.spawn(['python3', '-c', SERVER, at, at]);
      let said = '';
      server.stdout!.on('data', (text: Buffer) => (said += text.toString()));
      await until(() => said.includes('up'), { what: 'the server' });
      assert.equal(await asks.run('python3', '-c', CLIENT, to, how), '100000\n5\n300000\n', how);
    }
  } finally {
    await graph.close();
    await lab.close();
  }
});
